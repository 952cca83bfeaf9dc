"""Fits how far in front each driver tends to finish. Every driver's mean has a normal prior, so the posterior is known and is drawn
from directly. Plain Python, without the contract."""

import random
import struct

NOISE = 0.5  # standard deviation of a result around a driver's mean, from -1 (last) to 1 (first)
MARK = b"mean-finish/1"


def posterior(offsets, weight, driver_count, driver, finish, prior_races):
    """Mean and standard deviation of each driver."""
    sums, weights = [0.0] * driver_count, [prior_races] * driver_count
    for race, (first, end) in enumerate(zip(offsets, offsets[1:])):
        last = max(end - first, 2) - 1
        for row in range(first, end):
            sums[driver[row]] += weight[race] * (1.0 - 2.0 * (finish[row] - 1) / last)
            weights[driver[row]] += weight[race]
    return [(total / amount, NOISE / amount**0.5) for total, amount in zip(sums, weights)]


def draw(fitted, seed, chain, number):
    """One draw. It is a function of its own number, so that any interruption leaves the same draws."""
    stream = random.Random(f"{seed}/{chain}/{number}")
    return [stream.normalvariate(mean, deviation) for mean, deviation in fitted]


def save(done, taken):
    return MARK + struct.pack("<II", done, taken)


def load(checkpoint, draws):
    """Draws made and taken, or None where the bytes are no checkpoint of such a chain."""
    if len(checkpoint) != len(MARK) + 8 or not checkpoint.startswith(MARK):
        return None
    done, taken = struct.unpack("<II", checkpoint[len(MARK) :])
    return (done, taken) if taken <= done <= draws else None
