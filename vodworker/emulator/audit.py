"""What the emulator saw: every call, and what a promise of the worker can be held against. Bounded in memory."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from vodworker.emulator.limits import Window
from vodworker.emulator.queue import Queue


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `at`: its arrival on the event loop's clock; `code`: None when nothing was done.

    error: the message of a refusal. lost: what was answered never reached the caller, who had gone or whose connection
    a fault had cut. fault: what was made to go wrong, in words.
    """

    at: float
    action: str
    code: int | None
    duration: float
    file_id: str = ""
    task_id: str = ""
    error: str = ""
    lost: bool = False
    fault: str = ""


class Audit:
    """The last calls one by one, and counts of all of them; what became of the events is counted by the queue.

    watch: is shown every call when it has ended.
    """

    def __init__(self, queue: Queue, *, watch: Callable[[Call], None] = lambda _: None, keep: int = 100_000) -> None:
        self.queue = queue
        self._watch = watch
        self.codes: Counter[tuple[str, int | None]] = Counter()
        self.smallest_margin = inf
        self.margins: deque[float] = deque(maxlen=keep)
        self._calls: deque[Call] = deque(maxlen=keep)
        self._windows: dict[str, Window] = {}
        self._most: Counter[str] = Counter()
        self._arrived: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Audit {self._arrived.total()} calls, {self.queue.emitted} events, {self.queue.confirmed} confirmed>"

    def arrived(self, action: str, now: float) -> None:
        """Count a call at the door, whatever comes of it."""
        window = self._windows.setdefault(action, Window())
        window.add(now)
        self._arrived[action] += 1
        self._most[action] = max(self._most[action], window.count(now))

    def ended(self, call: Call) -> None:
        """Keep a call that has its end."""
        self._calls.append(call)
        self.codes[call.action, call.code] += 1
        self._watch(call)

    def confirmed(self, margins: tuple[float, ...]) -> None:
        """Keep how much of their handles' lives confirmations had left."""
        self.margins.extend(margins)
        self.smallest_margin = min(self.smallest_margin, *margins, inf)

    def calls(self, action: str | None = None) -> Iterator[Call]:
        """The calls that are still kept, in the order of their ends: of this action, or all."""
        return (call for call in self._calls if action in (None, call.action))

    def arrivals(self, action: str) -> int:
        """How many calls of this action ever came."""
        return self._arrived[action]

    def in_windows(self, action: str, *, span: float) -> dict[int, int]:
        """How many of the calls that are kept arrived in each `span` seconds, by the number of the window from 0 on.

        The event loop's clock is cut into windows; those without a call are left out.
        """
        return dict(sorted(Counter(int(call.at // span) for call in self.calls(action)).items()))

    def most_in_60s(self, action: str) -> int:
        """The most calls of this action that ever arrived within 60 s, refused ones counted."""
        return self._most[action]

    @property
    def actions(self) -> tuple[str, ...]:
        """Every action that was called, by name."""
        return tuple(sorted(self._arrived))

    @property
    def emitted(self) -> int:
        """Events put into the queue."""
        return self.queue.emitted

    @property
    def pulled(self) -> int:
        """Events handed out, each counted once."""
        return self.queue.pulled

    @property
    def redelivered(self) -> int:
        """Handings out of an event that had been handed out before."""
        return self.queue.redelivered

    @property
    def confirmations(self) -> int:
        """Events confirmed in time."""
        return self.queue.confirmed

    @property
    def late(self) -> int:
        """Confirmations that came after their handle had died."""
        return self.queue.late
