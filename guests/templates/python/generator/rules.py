"""Draws finishing orders from driver strengths and luck. Plain Python, without the contract."""

import math
import random


def places(keys):
    """The place of each key, the largest first."""
    found = [0] * len(keys)
    for place, entry in enumerate(sorted(range(len(keys)), key=lambda entry: -keys[entry]), start=1):
        found[entry] = place
    return found


def finish(strengths, spread, seed, number):
    """One finishing order. It is a function of the scenario's own number, so that the host may split the work as it likes."""
    stream = random.Random(f"{seed}/{number}")
    gumbel = lambda: -math.log(-math.log(1.0 - stream.random() or 0.5))
    return places([strength + spread * gumbel() for strength in strengths])
