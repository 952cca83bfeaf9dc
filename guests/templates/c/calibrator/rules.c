#include "rules.h"

#include "numbers.h"

// Standard deviation of a result around a driver's mean.
#define NOISE 0.5
// First bytes of a checkpoint.
#define MARK 0x3166666du

void fit(const uint32_t *offsets, size_t races, const double *weight, const uint32_t *driver, const uint16_t *finish,
         size_t drivers, double prior_races, double *mean, double *deviation) {
    // The weights of a driver's races add up in `deviation` first.
    for (size_t i = 0; i < drivers; i++) {
        mean[i] = 0;
        deviation[i] = prior_races;
    }
    for (size_t race = 0; race < races; race++) {
        uint32_t field = offsets[race + 1] - offsets[race];
        double last = field > 2 ? field - 1 : 1;
        for (uint32_t row = offsets[race]; row < offsets[race + 1]; row++) {
            mean[driver[row]] += weight[race] * (1 - 2 * (finish[row] - 1) / last);
            deviation[driver[row]] += weight[race];
        }
    }
    for (size_t i = 0; i < drivers; i++) {
        mean[i] /= deviation[i];
        deviation[i] = NOISE / __builtin_sqrt(deviation[i]);
    }
}

void draw(const double *mean, const double *deviation, size_t drivers, uint64_t seed, uint32_t chain, uint32_t number,
          double *values) {
    stream random = stream_of(seed, (uint64_t)chain << 32 | number);
    for (size_t i = 0; i < drivers; i++) values[i] = mean[i] + deviation[i] * normal(&random);
}

static void put(uint32_t value, uint8_t *to) {
    for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get(const uint8_t *from) {
    return from[0] | from[1] << 8 | from[2] << 16 | (uint32_t)from[3] << 24;
}

void save(uint32_t done, uint32_t taken, uint8_t *checkpoint) {
    put(MARK, checkpoint);
    put(done, checkpoint + 4);
    put(taken, checkpoint + 8);
}

int load(const uint8_t *checkpoint, size_t length, uint32_t draws, uint32_t *done, uint32_t *taken) {
    if (length != CHECKPOINT_BYTES || get(checkpoint) != MARK) return 0;
    *done = get(checkpoint + 4);
    *taken = get(checkpoint + 8);
    return *taken <= *done && *done <= draws;
}
