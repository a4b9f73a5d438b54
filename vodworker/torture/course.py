"""How hard it is: when the daemon is killed, when uploads come, and what goes wrong, all from one seed."""

from dataclasses import dataclass
from random import Random

from vodworker.emulator.faults import (
    Code,
    Cut,
    Duplicate,
    Early,
    Foreign,
    Http,
    Latency,
    Plan,
    Reorder,
    Truncated,
)

SLOWEST = 2.0  # seconds that a fault holds up a request at most, and a reply as well: together less than the timeout


@dataclass(frozen=True, slots=True)
class Course:
    """How hard it is. rate: uploads a second, each of which makes four events; kill_every: mean seconds between kills.

    handle_life, return_after: as in the emulator's settings; shorter ones let a short run end soon.
    """

    seconds: float = 60.0
    seed: int = 0
    rate: float = 11.0
    kill_every: float = 4.0
    handle_life: float = 30.0
    return_after: float = 5.0

    def kills(self) -> list[float]:
        """When the daemon is killed, in seconds from the start: at any moment of each slice of the time."""
        chance = Random(f"{self.seed}:kills")  # noqa: S311  # as below: chance that can be repeated
        count = int(self.seconds / self.kill_every)
        return [(number + chance.random()) * self.kill_every for number in range(count)]

    def uploads(self) -> list[float]:
        """When uploads come: evenly, give or take."""
        chance = Random(f"{self.seed}:uploads")  # noqa: S311  # as above
        return [(number + chance.random()) / self.rate for number in range(int(self.seconds * self.rate))]

    def faults(self) -> Plan:
        """What goes wrong meanwhile: about one call in fifteen does not end well, one in five is slow."""
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
                Early(rate=0.02),
                Reorder(rate=0.3),
            ),
        )
