"""Vetoes scenarios that somebody wins from too far back. Plain Python, without the contract."""

TOO_FAR_BACK = 1  # the number of the veto reason, counted from 1


def verdict(finish, start, worst_start):
    """Judges one scenario: `finish` and `start` have one element per entry."""
    winner = finish.index(1)
    return TOO_FAR_BACK if start[winner] > worst_start else 0


def verdicts(finish, start, worst_start):
    """Judges a block of scenarios, one after the other in `finish`."""
    entries = len(start)
    rows = (finish[first : first + entries] for first in range(0, len(finish), entries))
    return bytes(verdict(row, start, worst_start) for row in rows)
