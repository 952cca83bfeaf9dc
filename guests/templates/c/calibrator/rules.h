// Fits how far in front each driver tends to finish. Every driver's mean has a normal prior, so the posterior is known and is drawn
// from directly. Plain C, without the contract.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Size of a checkpoint, in bytes.
#define CHECKPOINT_BYTES 12

// Mean and standard deviation of each driver, given results on the scale of -1 (last) to 1 (first).
void fit(const uint32_t *offsets, size_t races, const double *weight, const uint32_t *driver, const uint16_t *finish,
         size_t drivers, double prior_races, double *mean, double *deviation);

// One draw, a function of its own number, so that any interruption leaves the same draws.
void draw(const double *mean, const double *deviation, size_t drivers, uint64_t seed, uint32_t chain, uint32_t number,
          double *values);

void save(uint32_t done, uint32_t taken, uint8_t *checkpoint);
// Whether the bytes are a checkpoint of a chain of so many draws.
int load(const uint8_t *checkpoint, size_t length, uint32_t draws, uint32_t *done, uint32_t *taken);
