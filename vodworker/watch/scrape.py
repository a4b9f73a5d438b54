"""What is told to whoever scrapes: what was counted, and what only the health and the journal know at that moment."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from functools import partial

from vodworker.errors import JournalError
from vodworker.log import heard
from vodworker.watch.metrics import Metrics, Sample
from vodworker.watch.watch import Watch

WITHIN = 2.0  # seconds that a scrape waits for the journal: Prometheus itself waits for 10
QUEUE = ("PullEvent", "ConfirmEvent")  # actions that are always in use


class Scrape:
    """The metrics of a watched daemon with these handlers. limit: the ceiling of an action."""

    def __init__(self, watch: Watch, handlers: Iterable[str], *, limit: Callable[[str], int]) -> None:
        self._watch = watch
        self._limit = limit
        self._metrics = Metrics(handlers)

    def __repr__(self) -> str:
        return f"<Scrape of {self._metrics!r}>"

    @contextmanager
    def counting(self) -> Generator[None]:
        """Count what is logged inside."""
        self._watch.on_beat = partial(self._metrics.add, "loop_lag_seconds")
        with heard(self._metrics.hear):
            yield

    async def text(self) -> bytes:
        """All metrics as they are now, in Prometheus' text format."""
        health = self._watch.health
        self._metrics.sampled(await self._sample())
        self._metrics.set("ready", not health.unready())
        self._metrics.set("alive", not health.stalled())
        self._metrics.set("last_pull_seconds", health.pulled)
        return self._metrics.text()

    async def _sample(self) -> Sample | None:
        if self._watch.asked is None:
            return None
        store, limiter = self._watch.asked
        waiting = limiter.waiting()
        limits = {action: self._limit(action) for action in sorted({*QUEUE, *waiting})}
        with suppress(TimeoutError, JournalError):
            async with asyncio.timeout(WITHIN):
                counts, oldest = await store.counts(), await store.oldest()
                return Sample(counts, oldest, await store.free(limits), limits, waiting)
        return None
