"""The emulator's own time, which may run faster than the wall's, and what is to be done at some point of it."""

import asyncio
from collections.abc import Callable


class Clock:
    """Unix seconds from `start` on, `speed` times as fast as the event loop's clock.

    Only the life of tasks and the stamps on files run on it. Holds, handles and ceilings run on the loop's, so that
    what is promised in real seconds is put to the test in real seconds.
    """

    def __init__(self, *, start: float, speed: float) -> None:
        self.speed = speed
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._timers: set[asyncio.TimerHandle] = set()

    def __repr__(self) -> str:
        return f"<Clock at {self.now():.3f}, {self.speed:g} times as fast, {len(self._timers)} appointments>"

    def now(self) -> float:
        """Unix seconds here."""
        return self._start + (self._loop.time() - self._zero) * self.speed

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something done `seconds` of this clock from now."""

        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = self._loop.call_later(max(0.0, seconds) / self.speed, run)
        self._timers.add(timer)

    def close(self) -> None:
        """Drop every appointment."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
