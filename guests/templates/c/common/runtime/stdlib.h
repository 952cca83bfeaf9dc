// What the bindings need of the C library; see runtime.c.
#pragma once
#include <stddef.h>

void *malloc(size_t size);
void *realloc(void *old, size_t size);
void free(void *pointer);
_Noreturn void abort(void);
