"""How often files are played, from where, and what that moves: made up, but always the same for a file and a day.

Pure. All of it follows from three things: how often a file is played on a day over a domain, a curve that spreads a day
over its 288 pieces of 5 minutes, and shares of regions and providers. Pieces add up to their day exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from math import floor, pi, sin

from vodworker.emulator.calendar import DAY, begin
from vodworker.emulator.footage import digest
from vodworker.emulator.state import Video

SLOT = 300  # seconds of a piece
SLOTS = DAY // SLOT
CALLS = 4  # requests that playing a file once takes
WEIGHTS = [1.2 - sin(2 * pi * (slot / SLOTS + 0.02)) for slot in range(SLOTS)]  # quiet mornings, busy evenings
CURVE = [0.0, *(part / sum(WEIGHTS) for part in accumulate(WEIGHTS[:-1])), 1.0]  # how much of a day's is over by a slot


@dataclass(frozen=True, slots=True)
class Host:
    """A domain. oversea: whether it delivers abroad, a tenth of all; own: the user's, not one that came with VOD."""

    name: str
    share: float
    oversea: bool = False
    own: bool = False


def hosts(app_id: int) -> tuple[Host, ...]:
    """The domains of an account: the one that it came with, and one of its own."""
    return (
        Host(f"{app_id}.vod2.myqcloud.com", share=0.7),
        Host("play.example.com", share=0.3, oversea=True, own=True),
    )


def plays(video: Video, host: Host, day: date) -> int:
    """How often a file is played on a whole day over a domain: none to 200 times, before it was made never."""
    if video.created >= begin(day) + DAY:
        return 0
    return floor(int(digest(video.id, host.name, day)[:8], 16) % 200 * host.share)


Slots = Sequence[int]


def spread(amounts: Iterable[tuple[int, int]], until: int) -> Slots:
    """Amounts over a day, each from its slot on, in pieces of 5 minutes, up to the slot `until`."""
    by_first: dict[int, int] = {}
    for first, amount in amounts:
        by_first[first] = by_first.get(first, 0) + amount
    pieces = [0] * SLOTS
    for first, amount in by_first.items():
        for slot in range(first, until):
            pieces[slot] += floor(amount * CURVE[slot + 1]) - floor(amount * CURVE[slot])
    return pieces


def first_slot(video: Video, day: date) -> int:
    """The slot of a day from which on a file can be played."""
    return max(0, -int((begin(day) - video.created) // SLOT))


def passed(day: date, now: float) -> int:
    """How many slots of a day are over."""
    return min(SLOTS, max(0, int((now - begin(day)) // SLOT)))


def played(video: Video, host: Host, day: date, now: float) -> int:
    """How often a file was played on a day over a domain, as far as the day is over."""
    amount, first, until = plays(video, host, day), first_slot(video, day), passed(day, now)
    return max(0, floor(amount * CURVE[until]) - floor(amount * CURVE[min(first, SLOTS)]))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one domain delivered on one day, in pieces of 5 minutes: times played, and bytes."""

    plays: Slots
    flux: Slots
    hits: int

    def of(self, stat_type: str) -> Slots:
        """The pieces of what is counted: bytes, bit/s, calls, hits in 1/100 %, visitors."""
        match stat_type:
            case "flux":
                return self.flux
            case "bandwidth":
                return [flux * 8 // SLOT for flux in self.flux]
            case "requests":
                return [times * CALLS for times in self.plays]
            case "hitrate":
                return [self.hits if times else 0 for times in self.plays]
            case _:
                return self.plays


def delivered(videos: Iterable[Video], host: Host, day: date, *, now: float, share: float = 1.0) -> Delivery:
    """What a domain delivered on a day, as far as the day is over. share: of all viewers, for parts of the world."""
    until = passed(day, now)
    times = [(first_slot(video, day), plays(video, host, day), video.size) for video in videos]
    return Delivery(
        plays=spread(((first, int(count * share)) for first, count, _ in times), until),
        flux=spread(((first, int(count * size * share)) for first, count, size in times), until),
        hits=9000 + int(digest(host.name, day)[:8], 16) % 900,
    )


def summed(stat_type: str, pieces: Sequence[int]) -> int:
    """One number for several pieces: of bandwidth the peak, of hits the mean, of all else the sum."""
    match stat_type:
        case "bandwidth":
            return max(pieces, default=0)
        case "hitrate":
            played = [piece for piece in pieces if piece]
            return sum(played) // len(played) if played else 0
        case _:
            return sum(pieces)


REGIONS: Mapping[str, tuple[str, float]] = {  # the others have no viewers here
    "Guangdong": ("广东", 0.4),
    "Beijing": ("北京", 0.3),
    "Shanghai": ("上海", 0.2),
    "Sichuan": ("四川", 0.1),
}
PROVIDERS: Mapping[str, tuple[str, float]] = {
    "China Telecom": ("中国电信", 0.5),
    "China Mobile": ("中国移动", 0.3),
    "China Unicom": ("中国联通", 0.2),
}
