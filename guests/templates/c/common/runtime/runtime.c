// A small allocator in place of a C library's: blocks of powers of two, each size with its own list of free ones.
#include <stdint.h>

#include "stdlib.h"
#include "string.h"

#define CLASSES 32
#define PAGE 65536

// In front of each block; as large as the strictest alignment.
typedef struct header {
    size_t class;
    struct header *next;
    uint64_t padding;
} header;

extern unsigned char __heap_base;
static header *free_blocks[CLASSES];
static uintptr_t next_block;

static size_t class_of(size_t size) {
    size_t class = 4;
    while (class < CLASSES - 1 && ((size_t)1 << class) < size) class++;
    return class;
}

static header *fresh(size_t class) {
    if (next_block == 0) next_block = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uintptr_t end = next_block + sizeof(header) + ((size_t)1 << class);
    uintptr_t have = __builtin_wasm_memory_size(0) * (uintptr_t)PAGE;
    if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (size_t)-1) abort();
    header *block = (header *)next_block;
    next_block = end;
    block->class = class;
    return block;
}

void *malloc(size_t size) {
    size_t class = class_of(size);
    header *block = free_blocks[class];
    if (block) {
        free_blocks[class] = block->next;
    } else {
        block = fresh(class);
    }
    return block + 1;
}

void free(void *pointer) {
    if (!pointer) return;
    header *block = (header *)pointer - 1;
    block->next = free_blocks[block->class];
    free_blocks[block->class] = block;
}

void *realloc(void *old, size_t size) {
    if (!old) return malloc(size);
    size_t had = (size_t)1 << ((header *)old - 1)->class;
    if (size <= had) return old;
    void *grown = malloc(size);
    memcpy(grown, old, had);
    free(old);
    return grown;
}

_Noreturn void abort(void) {
    __builtin_trap();
}

void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int byte, size_t size) {
    for (size_t i = 0; i < size; i++) ((char *)to)[i] = (char)byte;
    return to;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length]) length++;
    return length;
}
