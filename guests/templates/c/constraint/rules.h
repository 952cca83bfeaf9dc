// Vetoes scenarios that somebody wins from too far back. Plain C, without the contract.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The number of the veto reason, counted from 1.
#define TOO_FAR_BACK 1

// Judges one scenario: `finish` and `start` have one element per entry.
uint8_t verdict(const uint16_t *finish, const uint16_t *start, size_t entries, uint32_t worst_start);
