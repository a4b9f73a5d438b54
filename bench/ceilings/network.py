"""The network that all ways of limiting are measured on, and what is counted at its end."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean

LIMIT = 100
MINUTE = 60.0
TIMEOUT = 15.0
SLOW = 0.03  # of the requests
QUICK = (0.005, 0.060)  # seconds that all others take


def lasting(chance: random.Random) -> float:
    """Seconds that a request takes."""
    slow = chance.random() < SLOW
    return chance.uniform(QUICK[1], TIMEOUT) if slow else chance.uniform(*QUICK)


def most_in_a_minute(arrivals: Sequence[float]) -> int:
    """The most arrivals in any 60 s; of two that are exactly so far apart only one counts."""
    ordered = sorted(arrivals)
    return max((n - bisect_right(ordered, at - MINUTE) + 1 for n, at in enumerate(ordered)), default=0)


def use(arrivals: Sequence[float], limit: int = LIMIT) -> float:
    """The part of the ceiling that was used while work waited.

    A call and the one `limit` after it are 60 s apart if all of the ceiling is used; this is 60 s by how far apart they
    were, on average. A first burst that starts with a full bucket makes it look no better.
    """
    ordered = sorted(arrivals)
    return MINUTE / fmean(later - earlier for earlier, later in zip(ordered, ordered[limit:], strict=False))
