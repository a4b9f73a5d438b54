"""How hard it is: when the daemon is killed, when uploads come, and what goes wrong, all from one seed."""

from dataclasses import dataclass
from random import Random

from vodworker.emulator.faults import (
    Code,
    Cut,
    Duplicate,
    Foreign,
    Http,
    Latency,
    Plan,
    Reorder,
    Truncated,
)

START = 1.0  # seconds: about what a daemon needs until it is at work, on a machine that has little else to do
SLOWEST = 2.0  # seconds that a fault holds up a request at most, and a reply as well: together less than the timeout


@dataclass(frozen=True, slots=True)
class Life:
    """How long a daemon lives: so many seconds at work, or so many in all, where it dies in its start."""

    seconds: float
    starting: bool


@dataclass(frozen=True, slots=True)
class Course:
    """How hard it is. rate: uploads a second, each of which makes four events; kill_every: mean seconds of a life.

    handle_life, return_after: as in the emulator's settings; shorter ones let a short run end soon.
    """

    seconds: float = 60.0
    seed: int = 0
    rate: float = 11.0
    kill_every: float = 4.0
    handle_life: float = 30.0
    return_after: float = 5.0

    def lives(self) -> list[Life]:
        """How long the daemons live, one after the other; every sixth or so does not come to work.

        Time at work is what counts: on a busy machine a start takes long, and most would die in it.
        """
        chance = Random(f"{self.seed}:kills")  # noqa: S311  # as below: chance that can be repeated
        count = int(self.seconds / self.kill_every)
        draws = [(chance.random() < 1 / 6, chance.random()) for _ in range(count)]
        return [Life(lot * (START if starting else 2 * self.kill_every), starting) for starting, lot in draws]

    def uploads(self) -> list[float]:
        """When uploads come: evenly, give or take."""
        chance = Random(f"{self.seed}:uploads")  # noqa: S311  # as above
        return [(number + chance.random()) / self.rate for number in range(int(self.seconds * self.rate))]

    def faults(self) -> Plan:
        """What goes wrong meanwhile: about one call in fifteen does not end well, one in five is slow.

        Nothing comes early: an event that is handed out again while a poll is open that confirms it is, by its content
        alone, a new event that equals a confirmed one, and no daemon can tell.
        """
        return Plan(
            seed=self.seed,
            faults=(
                Latency(shape="exponential", seconds=0.1, most=SLOWEST, rate=0.2),
                Latency(shape="exponential", seconds=0.1, most=SLOWEST, rate=0.2, when="after"),
                Http(rate=0.01),
                Http(status=502, rate=0.01, when="after"),
                Cut(rate=0.01, when="before"),
                Cut(rate=0.01, when="after"),
                Truncated(rate=0.005),
                Truncated(rate=0.005, keep=0.9, broken=True),
                Foreign(rate=0.005),
                Foreign(rate=0.005, when="after"),
                Code(rate=0.01, code=6000, message="internal error"),
                Duplicate(rate=0.05),
                Reorder(rate=0.3),
            ),
        )
