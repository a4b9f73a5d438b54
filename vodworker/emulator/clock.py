"""The emulator's own time, which may run faster than the wall's, and what is to be done at some point of it."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

GRAIN = 1e-6  # seconds: Unix time in a float is no finer, so what is that close to its time is due


class Wall:
    """Unix time as the service sees it, against which the Timestamp of calls is held; off by `skew` seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.skew = 0.0

    def __repr__(self) -> str:
        return f"<Wall {self.skew:+g} s>"

    def __call__(self) -> float:
        """Unix seconds here."""
        return self._wall() + self.skew


class Clock:
    """Unix seconds from `start` on, `speed` times as fast as the event loop's clock.

    Only the life of tasks and the stamps on files run on it. Holds, handles and ceilings run on the loop's, so that
    what is promised in real seconds is put to the test in real seconds.
    """

    def __init__(self, *, start: float, speed: float) -> None:
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self._start, self._zero = start, self._loop.time()
        self._numbers = count()
        self._appointments: list[tuple[float, int, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Clock at {self.now():.3f}, {self.speed:g} times as fast, {len(self._appointments)} appointments>"

    def now(self) -> float:
        """Unix seconds here."""
        return self._start + (self._loop.time() - self._zero) * self.speed

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something done `seconds` of this clock from now."""
        heappush(self._appointments, (self.now() + seconds, next(self._numbers), act))
        self._arm()

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass at once; what falls into them is done in its order, and finds its own time."""
        end = self.now() + seconds
        while self._appointments and self._appointments[0][0] <= end + GRAIN:
            due, _, act = heappop(self._appointments)
            self._set(due)
            act()
        self._set(end)
        self._arm()

    def step(self, seconds: float) -> None:
        """Jump. Forward is `advance`; backward everything that is to be done is as far away afterwards as before."""
        if seconds >= 0:
            self.advance(seconds)
            return
        self._start += seconds
        self._appointments = [(due + seconds, number, act) for due, number, act in self._appointments]
        self._arm()

    def close(self) -> None:
        """Drop every appointment."""
        self._appointments.clear()
        self._arm()

    def _set(self, now: float) -> None:
        self._start, self._zero = max(now, self.now()), self._loop.time()

    def _arm(self) -> None:
        """One timer, for the appointment that is next."""
        if self._timer is not None:
            self._timer.cancel()
        wait = (self._appointments[0][0] - self.now()) / self.speed if self._appointments else None
        self._timer = None if wait is None else self._loop.call_later(max(0.0, wait), self.advance, 0.0)
