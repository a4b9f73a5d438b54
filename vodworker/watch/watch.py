"""The watch over one daemon: hears its log, feels its pulse, asks its journal, and tells whoever asks."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress

from vodworker.cloud.limiter import Limiter
from vodworker.errors import JournalError
from vodworker.journal.port import Store
from vodworker.log import heard
from vodworker.watch.health import ASK, Health
from vodworker.watch.metrics import Metrics, Sample
from vodworker.watch.pulse import Pulse
from vodworker.watch.systemd import Systemd

WITHIN = 2.0  # seconds that a scrape waits for the journal: Prometheus itself waits for 10
QUEUE = ("PullEvent", "ConfirmEvent")  # actions that are always in use


class Watch:
    """Made while a loop runs. `pulse.run` and `ask` are to be run beside the work; limit: the ceiling of an action."""

    def __init__(self, handlers: Iterable[str], systemd: Systemd, *, limit: Callable[[str], int]) -> None:
        self._clock = asyncio.get_running_loop().time
        self._systemd = systemd
        self._limit = limit
        self._store: Store | None = None
        self._limiter: Limiter | None = None
        self.health = Health(self._clock)
        self.metrics = Metrics(handlers)
        self.pulse = Pulse(self._beat)

    def __repr__(self) -> str:
        return f"<Watch {self.health!r} {self.pulse!r}>"

    @contextmanager
    def listening(self) -> Generator[None]:
        """Hear what is logged inside."""
        with heard(self.health.hear), heard(self.metrics.hear):
            yield

    async def ask(self, store: Store, limiter: Limiter) -> None:
        """Ask the journal again and again whether it can write, until cancelled. It is free to take its time."""
        self._store, self._limiter = store, limiter
        try:
            while True:
                await store.free({})  # a transaction, which only a journal that can be written begins
                self.health.journal_answered()
                await asyncio.sleep(ASK)
        finally:
            self._store = self._limiter = None

    def _beat(self, late: float) -> None:
        self.health.lag = late
        self.metrics.add("loop_lag_seconds", late)
        stalled, unready = self.health.stalled(), self.health.unready()
        status = "; ".join(unready) or "taking in events"
        self._systemd.beat(self._clock(), alive=not stalled, ready=not unready, status=status)

    async def metrics_text(self) -> bytes:
        """All metrics as they are now, in Prometheus' text format."""
        self.metrics.sampled(await self._sample())
        self.metrics.set("ready", not self.health.unready())
        self.metrics.set("alive", not self.health.stalled())
        self.metrics.set("last_pull_seconds", self.health.pulled)
        return self.metrics.text()

    async def _sample(self) -> Sample | None:
        store, limiter = self._store, self._limiter
        if store is None or limiter is None:
            return None
        waiting = limiter.waiting()
        limits = {action: self._limit(action) for action in sorted({*QUEUE, *waiting})}
        with suppress(TimeoutError, JournalError):
            async with asyncio.timeout(WITHIN):
                counts, oldest = await store.counts(), await store.oldest()
                return Sample(counts, oldest, await store.free(limits), limits, waiting)
        return None
