"""Where the part of a ceiling went that was not used although work waited."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from bench.ceilings.network import MINUTE

WELL = "nothing was wrong"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was wrong for a while."""

    what: str
    begin: float
    end: float


def lost(arrivals: Sequence[float], limit: int, troubles: Sequence[Trouble]) -> dict[str, float]:
    """The parts of the allowance that were not used, by what was wrong then; all of it with the part that was.

    A call may arrive 60 s after the one `limit` before it, so that its share of the allowance is lost as long as it is
    later than that. Of several troubles at once the first of the list counts. What is still to be caught up with when
    a trouble is over counts as if there had been none.
    """
    ordered = sorted(arrivals)
    laps = [(earlier + MINUTE, later) for earlier, later in zip(ordered, ordered[limit:], strict=False)]
    allowed = sum(MINUTE + later - due for due, later in laps)
    parts = dict.fromkeys([*(trouble.what for trouble in troubles), WELL], 0.0)
    for begin, end in pairwise(sorted({-inf, inf, *(edge for it in troubles for edge in (it.begin, it.end))})):
        what = next((it.what for it in troubles if it.begin <= begin and end <= it.end), WELL)
        late = sum(max(0.0, min(later, end) - max(due, begin)) for due, later in laps)
        parts[what] += late / allowed if laps else 0.0
    return parts
