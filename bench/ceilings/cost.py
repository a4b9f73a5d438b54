"""What keeping a ceiling costs here: the time to take and give a token, and the CPU of a thousand who wait."""

import asyncio
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from asyncio_throttle.throttler import Throttler

from bench.ceilings.compare import WAYS, Turn, Way, throttled
from bench.ceilings.network import MINUTE, TIMEOUT
from vodworker.cloud.limiter import Limiter
from vodworker.journal.sqlite import open_sqlite
from vodworker.log import setup

TIMES = 1000
WAITERS = 1000
REAL: dict[str, Way] = {**WAYS, "asyncio-throttle": throttled(MINUTE, Throttler)}
del REAL["asyncio-throttle, period + timeout"]  # it waits in the same way


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds of wall time."""

    median: float
    p95: float
    p99: float

    @classmethod
    def of(cls, took: list[float]) -> "Spread":
        """Of so many seconds."""
        cut = quantiles(took, n=100)
        return cls(*(round(1000 * cut[at - 1], 3) for at in (50, 95, 99)))


def tokens() -> dict[str, Spread]:
    """A token taken from the journal and given back, both on disk; and how long a call waits for a free token.

    The token of the call before it, which is written first, is part of that.
    """
    setup("json", stream=io.BytesIO())
    with TemporaryDirectory(prefix="vodworker-bench-") as folder:
        store, call = asyncio.run(_tokens(Path(folder) / "journal.db"))
    return {"store": Spread.of(store), "call": Spread.of(call)}


def waiters() -> dict[str, float]:
    """The part of a core that 1,000 waiters need in a minute, the hundred that are served at its end included."""
    setup("json", stream=io.BytesIO())
    with TemporaryDirectory(prefix="vodworker-bench-") as folder:
        return {name: asyncio.run(_waiting(way, Path(folder) / f"{name}.db")) for name, way in REAL.items()}


async def _tokens(path: Path) -> tuple[list[float], list[float]]:
    store_took: list[float] = []
    call_took: list[float] = []
    clock: Callable[[], float] = time.perf_counter
    async with open_sqlite(path) as store, Limiter(store, limit=lambda _: 2 * TIMES, hold=TIMEOUT) as limiter:
        for number in range(TIMES):
            action = f"Action{number // 100}"
            begun = clock()
            tokens = await store.take(action, limit=100, hold=TIMEOUT + MINUTE)
            assert isinstance(tokens, list)  # noqa: S101  # there are a hundred for each action
            await store.give(dict.fromkeys(tokens, MINUTE))
            store_took.append(clock() - begun)
        for _ in range(TIMES):
            begun = clock()
            with await limiter.token("ProcessFile"):
                call_took.append(clock() - begun)
    return store_took, call_took


async def _waiting(way: Way, path: Path) -> float:
    async def call(turn: Turn) -> None:
        async with turn():
            pass

    async with open_sqlite(path) as store, way(store) as turn:
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(call(turn))
        cpu, wall = time.process_time(), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            waiters = [group.create_task(call(turn)) for _ in range(WAITERS)]
            await asyncio.sleep(MINUTE + 5)
            for waiter in waiters:
                waiter.cancel()
        return round((time.process_time() - cpu) / (time.perf_counter() - wall), 5)
