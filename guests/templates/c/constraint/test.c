#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "numbers.h"
#include "rules.h"

int main(void) {
    const uint16_t start[] = {2, 1, 3}, front[] = {1, 2, 3}, back[] = {2, 3, 1};
    assert(verdict(front, start, 3, 2) == 0);
    assert(verdict(back, start, 3, 2) == TOO_FAR_BACK);
    const char *params = "{\"worst_start\":12}";
    assert(json_number((const uint8_t *)params, strlen(params), "worst_start") == 12);
    puts("ok");
    return 0;
}
