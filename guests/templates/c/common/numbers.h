// What a plugin needs of numbers and has no C library for. Plain C, tested natively.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The number behind `"name":` in a JSON object of numbers; the host has checked it against the schema.
double json_number(const uint8_t *json, size_t length, const char *name);

// A stream of random numbers that depends on seed and stream number alone: SplitMix64 over both.
typedef struct stream {
    uint64_t state;
} stream;

stream stream_of(uint64_t seed, uint64_t number);
// Uniform in (0, 1).
double uniform(stream *from);
// Standard normal: the polar method of Marsaglia and Bray, 1964.
double normal(stream *from);
// Standard Gumbel.
double gumbel(stream *from);

// The natural logarithm of a number above 0.
double natural_log(double x);
