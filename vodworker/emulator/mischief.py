"""Faults at work: what befalls each call and each event, in an order that a seed fixes.

Pure: nothing here waits or sends. The door and the queue ask, and do it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from vodworker.emulator.faults import (
    ANY,
    Code,
    Cut,
    Duplicate,
    Early,
    End,
    Fault,
    Foreign,
    Http,
    Latency,
    Lost,
    OfCalls,
    Plan,
    Reorder,
    Step,
    Truncated,
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What befalls one call. before, after: seconds on its way in, and of its reply on the way out.

    end: what comes instead of the reply; None: the reply.
    """

    before: float = 0.0
    after: float = 0.0
    steps: tuple[Step, ...] = ()
    end: End | None = None

    @property
    def spares(self) -> bool:
        """Whether nothing is done of what was asked."""
        return self.end is not None and self.end.when == "before"

    def __str__(self) -> str:
        """In a word or two; "" for none."""
        parts = [f"{self.end.kind} {self.end.when}"] if self.end else []
        parts += [f"slow {when}" for when, seconds in (("before", self.before), ("after", self.after)) if seconds]
        return ", ".join([*parts, *(f"{step.clock} {step.step:+g} s" for step in self.steps)])


NONE = Trouble()

F = TypeVar("F", bound=Fault)


class Running:
    """One fault of a plan at work. Its lots are its own, and no clock decides."""

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.chance = Random(seed)  # noqa: S311  # chance that can be repeated is what is wanted
        self.asked = self.struck = 0

    def __repr__(self) -> str:
        return f"<Running {self.fault!r}, struck {self.struck} of {self.asked} times>"

    def strikes(self) -> bool:
        """Whether it strikes this time."""
        self.asked += 1
        lot = self.chance.random()  # drawn each time, so that the lots do not depend on skip and count
        spent = self.fault.count is not None and self.struck >= self.fault.count
        hit = self.asked > self.fault.skip and not spent and lot < self.fault.rate
        self.struck += hit
        return hit


class Faults:
    """The plan in force, and how far each of its faults has come."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = Plan()
        self.running: tuple[Running, ...] = ()
        self.set(plan or Plan())

    def __repr__(self) -> str:
        return f"<Faults {len(self.running)} of seed {self.plan.seed}, struck {sum(it.struck for it in self.running)}>"

    def set(self, plan: Plan) -> None:
        """Put another plan in force, from its beginning."""
        self.plan = plan
        self.running = tuple(Running(fault, f"{plan.seed}:{place}") for place, fault in enumerate(plan.faults))

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.set(Plan())

    def call(self, action: str) -> Trouble:
        """What befalls a call of this action. Slowness adds up; of several ends it has the first in the plan."""
        if not self.running:
            return NONE
        way = {"before": 0.0, "after": 0.0}
        steps: list[Step] = []
        end: End | None = None
        for it in self.running:
            match it.fault:
                case OfCalls(action=named) if named not in (ANY, action):
                    pass
                case Latency() as latency if it.strikes():
                    way[latency.when] += latency.drawn(it.chance)
                case Step() as step if it.strikes():
                    steps.append(step)
                case Http() | Cut() | Truncated() | Foreign() | Code() as ending if end is None and it.strikes():
                    end = ending
                case _:
                    pass
        return Trouble(way["before"], way["after"], tuple(steps), end)

    def handles(self, event: str) -> int:
        """How many handles an event of this type gets when it is handed out."""
        return 1 + sum(1 for it, _ in self._of(Duplicate, event) if it.strikes())

    def early(self, event: str) -> list[float]:
        """Seconds after which an event of this type, now handed out, can be pulled again; usually none."""
        return [early.after for it, early in self._of(Early, event) if it.strikes()]

    def loses(self, event: str) -> bool:
        """Whether an event of this type, which is to be told now, is not told."""
        return any(it.strikes() for it, _ in self._of(Lost, event))

    def picks(self) -> Callable[[int], int]:
        """How the next batch is made: which of so many waiting events is taken next."""
        for it in self.running:
            if isinstance(it.fault, Reorder) and it.strikes():
                chance, span = it.chance, it.fault.span
                return lambda waiting: chance.randrange(min(span, waiting))
        return _first

    def _of(self, kind: type[F], event: str) -> Iterator[tuple[Running, F]]:
        for it in self.running:
            fault = it.fault
            if isinstance(fault, kind) and getattr(fault, "event", ANY) in (ANY, event):
                yield it, fault


def _first(_waiting: int) -> int:
    return 0
