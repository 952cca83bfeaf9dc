#include <assert.h>
#include <stdio.h>

#include "rules.h"

int main(void) {
    const uint32_t offsets[] = {0, 2}, driver[] = {1, 0};
    const double weight[] = {1};
    const uint16_t finish[] = {1, 2};
    double mean[2], deviation[2];
    fit(offsets, 1, weight, driver, finish, 2, 1, mean, deviation);
    assert(mean[1] == 0.5 && mean[0] == -0.5);
    uint8_t checkpoint[CHECKPOINT_BYTES];
    uint32_t done, taken;
    save(9, 4, checkpoint);
    assert(load(checkpoint, CHECKPOINT_BYTES, 10, &done, &taken) && done == 9 && taken == 4);
    assert(!load(checkpoint, 0, 10, &done, &taken) && !load(checkpoint, CHECKPOINT_BYTES, 8, &done, &taken));
    puts("ok");
    return 0;
}
