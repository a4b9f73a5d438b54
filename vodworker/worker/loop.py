"""The whole loop, and how it stops: one event and one deadline."""

import asyncio
from collections.abc import Callable

from vodworker.alarm import Alarm, alarmed
from vodworker.cloud.client import Vod
from vodworker.cloud.queue import Queue
from vodworker.journal.port import Store
from vodworker.log import log
from vodworker.router import Router
from vodworker.worker.backlog import Backlog
from vodworker.worker.follow import Follow
from vodworker.worker.take_in import TakeIn
from vodworker.worker.work_off import Rules, WorkOff

SWEEP_EVERY = 60.0  # seconds: old events are few, and the count of open entries drifts slowly


class Worker:
    """One daemon's loop over one queue and one journal."""

    def __init__(
        self,
        queue: Queue,
        store: Store,
        vod: Vod,
        router: Router,
        rules: Rules,
        *,
        random: Callable[[], float],
        streams: int = 2,
        max_backlog: int = 100_000,
        grace: float = 30.0,
        keep: float = 7 * 86400.0,
        alarm: Alarm = lambda _: None,
    ) -> None:
        """alarm: is told of a broken journal at once, while handlers may still refuse their end."""
        self._store = store
        self._streams = streams
        self._grace = grace
        self._retention = keep
        self._alarm = alarm
        self._backlog = Backlog(max_backlog)
        self._take_in = TakeIn(queue, store, router, self._backlog, random=random)
        self._follow = Follow(store, vod, router, self._backlog)
        self._work_off = WorkOff(store, vod, router, rules, self._backlog, random=random, alarm=alarm)

    def __repr__(self) -> str:
        return f"<Worker {self._take_in!r} {self._work_off!r} {self._backlog!r}>"

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop` is set, then for at most the grace; returns the number of entries left open.

        Raises `JournalError`, in an exception group, as soon as the journal does: nothing may go on without it.
        """
        self._backlog.set(await self._store.sweep(keep=self._retention))
        async with asyncio.TaskGroup() as group:
            sweeping = group.create_task(alarmed(self._alarm, self._sweep), name="sweep")
            following = group.create_task(alarmed(self._alarm, self._follow.run), name="follow")
            group.create_task(
                alarmed(self._alarm, self._take_in.run, stop, streams=self._streams, grace=self._grace), name="take in"
            )
            group.create_task(alarmed(self._alarm, self._work_off.run, stop, grace=self._grace), name="work off")
            await stop.wait()
            sweeping.cancel()
            following.cancel()
            log.info("worker.stopping", running=len(self._work_off), grace=self._grace)
        return self._backlog.open

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._backlog.set(await self._store.sweep(keep=self._retention))
