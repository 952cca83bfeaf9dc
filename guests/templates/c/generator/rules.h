// Draws finishing orders from driver strengths and luck. Plain C, without the contract.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The place of each key, the largest first.
void places(const double *keys, size_t entries, uint16_t *found);

// One finishing order, a function of the scenario's own number, so that the host may split the work as it likes. `keys` is room
// for one number per entry.
void finish_of(const double *strengths, size_t entries, double spread, uint64_t seed, uint64_t number, double *keys,
               uint16_t *finish);
