"""The store's clock: the same for every process that opens the file, and continuous whatever the wall clock does.

Leases, backoffs and tokens are differences of instants. A wall clock that is set back would hold them up, one that is
set forward would open a ceiling early. So an anchor in the file ties Unix time, as it was once, to the time since the
machine's boot; from then on only the latter counts, suspended hours included. Another boot makes a new anchor.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: a new one at each boot, the same in all its containers


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine can tell of time.

    boot: names the boot that `uptime` counts from. uptime: seconds since then. wall: Unix seconds, as far as known.
    """

    boot: str
    uptime: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Anchor:
    """An instant of one boot, and the Unix time that it was held to be."""

    boot: str
    uptime: float
    wall: float

    def at(self, uptime: float) -> float:
        """The Unix time at this uptime of the same boot."""
        return self.wall + (uptime - self.uptime)


def here(boot_id: Path = BOOT_ID) -> Machine:
    """This machine. Where it does not name its boots, the wall clock is all there is."""
    try:
        boot = boot_id.read_text().strip()
    except OSError:
        return Machine("", time.time, time.time)
    return Machine(boot, partial(time.clock_gettime, time.CLOCK_BOOTTIME), time.time)


def anchored(known: Anchor | None, machine: Machine, *, latest: float) -> Anchor:
    """The anchor to go by: the known one while it holds, else a new one.

    `latest` is the latest stamp in the store: no clock starts before it, or what was recorded would lie in the future.
    """
    uptime = machine.uptime()
    if known and known.boot == machine.boot and known.at(uptime) >= latest:
        return known
    return Anchor(machine.boot, uptime, max(machine.wall(), latest))


def doubtful(anchor: Anchor, known: Anchor, machine: Machine, *, latest: float) -> float:
    """Seconds since `latest` that only the wall clock vouches for, where `anchor` has taken the place of the known one.

    Of the time that a machine was off nobody else knows, and a wall clock may be wrong after a boot of all times.
    """
    certain = machine.uptime() if machine.boot != known.boot else 0.0
    return max(0.0, anchor.wall - latest - certain)
