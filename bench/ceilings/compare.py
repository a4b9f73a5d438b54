"""Five ways to keep 100 calls a minute, on the same simulated minutes: what arrives at the service, and in what order.

30 callers call without a pause. A request arrives at some instant of its life, at which the service counts it.
"""

import asyncio
import io
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiolimiter import AsyncLimiter
from asyncio_throttle.throttler import Throttler

from bench.ceilings.network import LIMIT, MINUTE, TIMEOUT, lasting, most_in_a_minute, use
from vodworker.cloud.limiter import Limiter
from vodworker.journal.port import Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.log import setup
from vodworker.testing import VirtualLoop

CALLERS = 30
MINUTES = 10
ACTION = "ProcessFile"

Turn: TypeAlias = Callable[
    [], AbstractAsyncContextManager[Any]
]  # entered to wait for a call's turn, left when it ended
Way: TypeAlias = Callable[[Store], AbstractAsyncContextManager[Turn]]


@asynccontextmanager
async def bucket(store: Store) -> AsyncGenerator[Turn]:
    """Ours."""
    async with Limiter(store, limit=lambda _: LIMIT, hold=TIMEOUT) as limiter:

        @asynccontextmanager
        async def turn() -> AsyncGenerator[None]:
            with await limiter.token(ACTION):
                yield

        yield turn


class Dripping:
    """A token bucket as in the books: it holds as many tokens as the limit, and one drips in at an even rate."""

    def __init__(self) -> None:
        self._tokens = float(LIMIT)
        self._looked = 0.0
        self._line = asyncio.Lock()

    async def __aenter__(self) -> None:
        clock, rate = asyncio.get_running_loop().time, LIMIT / MINUTE
        async with self._line:
            while True:
                now = clock()
                self._tokens = min(LIMIT, self._tokens + (now - self._looked) * rate)
                self._looked = now
                if self._tokens >= 1:
                    break
                await asyncio.sleep((1 - self._tokens) / rate)
            self._tokens -= 1

    async def __aexit__(self, *_: object) -> None:
        """The end of a call is nothing to it."""


@asynccontextmanager
async def dripping(_: Store) -> AsyncGenerator[Turn]:
    """A token bucket of 100, refilled with 100 a minute."""
    it = Dripping()
    yield lambda: it


@asynccontextmanager
async def leaking(_: Store) -> AsyncGenerator[Turn]:
    """The leaky bucket of aiolimiter."""
    it = AsyncLimiter(LIMIT, MINUTE)
    yield lambda: it


class Simulated(Throttler):
    """asyncio-throttle as it is, but for the clock, which it takes from the system: here it is the loop's."""

    def flush(self) -> None:
        """Forget the calls that started longer than the period ago."""
        now = asyncio.get_running_loop().time()
        while self._task_logs and now - self._task_logs[0] > self.period:
            self._task_logs.popleft()

    async def acquire(self) -> None:
        """Look every 10 ms if a call may start."""
        while True:
            self.flush()
            if len(self._task_logs) < self.rate_limit:
                break
            await asyncio.sleep(self.retry_interval)
        self._task_logs.append(asyncio.get_running_loop().time())


def throttled(period: float, kind: type[Throttler] = Simulated) -> Way:
    """asyncio-throttle with this period."""

    @asynccontextmanager
    async def opened(_: Store) -> AsyncGenerator[Turn]:
        it = kind(rate_limit=LIMIT, period=period)
        yield lambda: it

    return opened


WAYS: dict[str, Way] = {
    "vodworker": bucket,
    "token bucket": dripping,
    "aiolimiter": leaking,
    "asyncio-throttle": throttled(MINUTE),
    "asyncio-throttle, period + timeout": throttled(MINUTE + TIMEOUT),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service saw of one way. out_of_order: calls that went although one that was asked for before did not."""

    most: int
    most_over_restart: int
    use: float
    out_of_order: float


@dataclass(slots=True)
class Traffic:
    """What the callers of one way did."""

    chance: random.Random
    arrivals: list[float] = field(default_factory=list[float])
    asked: int = 0
    went: list[int] = field(default_factory=list[int])

    async def call_on(self, turn: Turn) -> None:
        """Call again and again."""
        clock = asyncio.get_running_loop().time
        while True:
            number = self.asked = self.asked + 1
            async with turn():
                self.went.append(number)
                took = lasting(self.chance)
                self.arrivals.append(clock() + self.chance.random() * took)
                await asyncio.sleep(took)

    def out_of_order(self) -> float:
        """The part of the calls that was overtaken."""
        last = overtaken = 0
        for number in self.went:
            overtaken += number < last
            last = max(last, number)
        return overtaken / len(self.went)


class Ticking(VirtualLoop):
    """Virtual time that, like real time, is never twice the same: there are limiters that turn in circles otherwise."""

    def time(self) -> float:
        """Seconds of virtual time."""
        self.now += 1e-7
        return self.now


def simulated(way: Way, *, lives: Sequence[float], seed: int = 1) -> Traffic:
    """What callers do until each of these times, in a process of its own each, all on one store."""
    with asyncio.Runner(loop_factory=Ticking) as runner:
        return runner.run(_simulated(way, lives, random.Random(seed)))  # noqa: S311  # chance that can be had again


async def _simulated(way: Way, lives: Sequence[float], chance: random.Random) -> Traffic:
    clock = asyncio.get_running_loop().time
    traffic = Traffic(chance)
    async with open_sqlite(":memory:", now=lambda: 1e9 + clock()) as store:
        for until in lives:
            async with way(store) as turn:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until), asyncio.TaskGroup() as group:
                        for _ in range(CALLERS):
                            group.create_task(traffic.call_on(turn))
    return traffic


def compared() -> dict[str, Seen]:
    """All ways, on the same minutes."""
    setup("json", stream=io.BytesIO())
    seen: dict[str, Seen] = {}
    for name, way in WAYS.items():
        steady = simulated(way, lives=[MINUTES * MINUTE])
        restarted = simulated(way, lives=[0.5 * MINUTE, 2 * MINUTE])
        seen[name] = Seen(
            most=most_in_a_minute(steady.arrivals),
            most_over_restart=most_in_a_minute(restarted.arrivals),
            use=round(use(sorted(steady.arrivals)[2 * LIMIT :]), 4),  # in the long run: after a full bucket's burst
            out_of_order=round(steady.out_of_order(), 4),
        )
    return seen
