#include "rules.h"

#include "numbers.h"

void places(const double *keys, size_t entries, uint16_t *found) {
    for (size_t entry = 0; entry < entries; entry++) {
        found[entry] = 1;
        for (size_t other = 0; other < entries; other++) {
            int is_before = keys[other] > keys[entry] || (keys[other] == keys[entry] && other < entry);
            found[entry] += (uint16_t)is_before;
        }
    }
}

void finish_of(const double *strengths, size_t entries, double spread, uint64_t seed, uint64_t number, double *keys,
               uint16_t *finish) {
    stream random = stream_of(seed, number);
    for (size_t entry = 0; entry < entries; entry++) keys[entry] = strengths[entry] + spread * gumbel(&random);
    places(keys, entries, finish);
}
