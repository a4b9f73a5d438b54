"""When the service says 4400 all the same: what gets through, and how often it has to say so.

30 callers call without a pause, for a ceiling of 100 that the service sees otherwise.
"""

import asyncio
import io
import random
from contextlib import suppress
from dataclasses import dataclass

from bench.ceilings.compare import ACTION, CALLERS, MINUTES, Ticking
from bench.ceilings.network import LIMIT, MINUTE, TIMEOUT, lasting
from vodworker.cloud.limiter import Limiter
from vodworker.emulator.limits import Ceilings
from vodworker.errors import Throttled
from vodworker.journal.sqlite import open_sqlite
from vodworker.log import setup

THROTTLED = 4400


@dataclass(slots=True)
class Seen:
    """Calls a minute: those that the service took, those that it refused, and those of the others that it took."""

    taken: float = 0
    refused: float = 0
    others: float = 0


class Crowd:
    """Our callers, and some of another program, before a service with this ceiling."""

    def __init__(self, *, ceiling: int, others: int) -> None:
        self._ceilings = Ceilings(lambda _: ceiling)
        self._others = others
        self._chance = random.Random(1)  # noqa: S311  # chance that can be had again
        self._seen = Seen()
        self._clock = asyncio.get_running_loop().time

    async def seen(self) -> Seen:
        """Some minutes of it."""
        clock = self._clock
        async with (
            open_sqlite(":memory:", now=lambda: 1e9 + clock()) as store,
            Limiter(store, limit=lambda _: LIMIT, hold=TIMEOUT) as limiter,
        ):
            with suppress(TimeoutError):
                async with asyncio.timeout(MINUTES * MINUTE), asyncio.TaskGroup() as group:
                    for _ in range(CALLERS):
                        group.create_task(self._call_on(limiter))
                    if self._others:
                        group.create_task(self._other())
        seen = self._seen
        return Seen(*(round(count / MINUTES, 1) for count in (seen.taken, seen.refused, seen.others)))

    async def _call_on(self, limiter: Limiter) -> None:
        while True:
            with suppress(Throttled), await limiter.token(ACTION):
                took, part = lasting(self._chance), self._chance.random()
                await asyncio.sleep(took * part)
                admitted = self._ceilings.admit(ACTION, self._clock())
                await asyncio.sleep(took * (1 - part))
                self._seen.taken += admitted
                self._seen.refused += not admitted
                if not admitted:
                    raise Throttled(ACTION, code=THROTTLED)

    async def _other(self) -> None:
        while True:
            await asyncio.sleep(MINUTE / self._others)
            self._seen.others += self._ceilings.admit(ACTION, self._clock())


def crowded() -> dict[str, Seen]:
    """A limit that was lowered, and a limit that another program draws on."""
    setup("json", stream=io.BytesIO())

    async def seen(ceiling: int, others: int) -> Seen:
        return await Crowd(ceiling=ceiling, others=others).seen()

    with asyncio.Runner(loop_factory=Ticking) as runner:
        return {
            "the service allows 50": runner.run(seen(50, 0)),
            "another program makes 60 calls a minute": runner.run(seen(LIMIT, 60)),
        }
