"""How the daemon comes to its end: asked by a signal, or forced by a broken journal; and cut when it does not end."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from types import FrameType

from vodworker.errors import JournalError
from vodworker.log import log

HARD_STOP = 1.5  # seconds after the grace: a handler that ignores its end does not keep the process
LAST_WORD = 0.4  # seconds for the line about it: within the promised 2, and enough on a busy machine
ECHO = 0.1  # seconds in which the same signal is still the first: who ends a process and its group sends it twice
UNCLEAN = 1  # the exit code of a process that had to be cut


def cut(why: str) -> None:
    """End the process at once; entries stay open in the journal, so nothing is lost by it."""
    # In a thread, because whoever holds the log's stream may never let go of it: its reader may have stopped reading.
    last = threading.Thread(target=lambda: log.error("worker.cut", why=why), daemon=True)
    last.start()
    last.join(LAST_WORD)
    os._exit(UNCLEAN)


class Stop:
    """When a process is to end, and that it does. asked: by the first signal; a second one ends it at once.

    From then on it has the grace, in seconds. told: is told, by the first signal, within how many seconds the process
    will be gone. cut: ends it.
    """

    def __init__(
        self,
        grace: float,
        *,
        told: Callable[[float], None] = lambda _: None,
        cut: Callable[[str], None] = cut,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._grace = grace
        self._told = told
        self._cut = cut
        self._heard: list[tuple[int, float]] = []  # the signals, and when each came
        self._now = now
        self._broken = False
        # A signal's handler may interrupt anything, the start of a thread too: it starts none, and takes no lock. This
        # queue is the one of the library that may be written to from there.
        self._orders: SimpleQueue[tuple[float, str] | None] = SimpleQueue()
        self._scope: asyncio.Timeout | None = None

    def __repr__(self) -> str:
        return f"<Stop {'asked for' if self._heard else 'not asked for'}>"

    @contextmanager
    def on_signals(self) -> Generator["Stop"]:
        """Let SIGTERM and SIGINT ask for it. The handlers are Python's own: a loop that is blocked does not matter."""
        threading.Thread(target=self._guard, name="stop", daemon=True).start()
        ways = {signal.SIGTERM: self.heard, signal.SIGINT: self.heard, signal.SIGHUP: self.hung_up}
        before = {name: signal.signal(name, way) for name, way in ways.items()}
        try:
            yield self
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
            self._orders.put(None)

    def heard(self, name: int, _frame: FrameType | None) -> None:
        """A signal came. This runs between any two steps of Python, also those of this for another signal."""
        this = name, self._now()
        self._heard.append(this)
        first = self._heard[0]
        if first is not this:
            if name != first[0] or this[1] - first[1] > ECHO:
                self._orders.put((0, "a second signal"))
            return
        self._told(self._grace + HARD_STOP)
        self._orders.put((self._grace + HARD_STOP, f"it did not end within its grace of {self._grace:g} s"))
        if self._loop:
            self._loop.call_soon_threadsafe(self._ask)

    def hung_up(self, _signal: int, _frame: FrameType | None) -> None:
        """A hangup asks for new settings, and not for the end; while there is no worker, nobody has a use for them."""

    def listen(self) -> None:
        """From here on it is this loop that is asked; an earlier signal counts."""
        self._loop = asyncio.get_running_loop()
        if self._heard:
            self._ask()

    @contextmanager
    def giving_up(self, scope: asyncio.Timeout) -> Generator[None]:
        """Inside, a stop ends this scope at once, as its time limit would."""
        self._scope = scope
        if self.asked.is_set():
            self._ask()
        try:
            yield
        finally:
            self._scope = None

    def _ask(self) -> None:
        self.asked.set()
        if self._scope and self._loop:
            self._scope.reschedule(self._loop.time())

    def broken(self, error: JournalError, *, journal: str) -> None:
        """The journal cannot do its work: the process ends now, whatever its handlers do."""
        if not self._broken:
            self._broken = True
            log.critical("journal.failed", journal=journal, error=str(error))
            self._orders.put((HARD_STOP, "the journal failed, and a handler did not end"))

    def _guard(self) -> None:
        """A thread's work: cut the process when the earliest end that was ordered has come."""
        end, why = inf, ""
        while True:
            try:
                order = self._orders.get(timeout=None if end == inf else max(0.0, end - time.monotonic()))
            except Empty:
                self._cut(why)
                return
            if order is None:
                return
            seconds, reason = order
            end, why = min((end, why), (time.monotonic() + seconds, reason))
