"""Work off: claim what is due → run its handler → settle how it ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vodworker.cloud.client import Vod
from vodworker.cloud.ledger import Deadline, Ledger
from vodworker.errors import VodworkerError
from vodworker.events import Event, TaskEvent, decode
from vodworker.handler import Context
from vodworker.journal.port import Claim, Entry, Store
from vodworker.log import bound, log
from vodworker.outcome import Again, Dead, Ending, Finished, Reject, ending
from vodworker.router import Router
from vodworker.worker.backlog import Backlog

LOOK_AGAIN = 5.0  # seconds: what an operator redrives, or another process gives back, rings no bell here
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """How entries are worked off; seconds and counts, as the settings of the same names say.

    options, resources: of each handler that has any.
    """

    concurrency: int = 16
    attempts: int = 8
    timeout: float = 300.0
    lease: float = 60.0
    options: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    resources: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


class WorkOff:
    """The handlers that run now, and the coroutine that starts them."""

    def __init__(
        self, store: Store, vod: Vod, router: Router, rules: Rules, backlog: Backlog, *, random: Callable[[], float]
    ) -> None:
        self._store = store
        self._vod = vod
        self._router = router
        self._rules = rules
        self._backlog = backlog
        self._random = random
        self._running: dict[int, Entry] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._deadlines: dict[int, Deadline] = {}
        self._stopping = False
        self._unfinished: list[Entry] = []

    def __repr__(self) -> str:
        return f"<WorkOff {len(self._running)} running>"

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, stop: asyncio.Event, *, grace: float) -> None:
        """Start what is due until `stop`; then let what runs finish for `grace` seconds, and give the rest back.

        A run that only waits for a token is given back at once.
        """
        async with asyncio.TaskGroup() as runs:
            claiming = runs.create_task(self._claim(runs), name="claim")
            keeping = runs.create_task(self._keep(), name="keep")
            await stop.wait()
            claiming.cancel()
            await asyncio.wait([claiming])
            self._stopping = True
            for deadline in self._deadlines.values():
                deadline.hurry()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=grace)
            for task in (keeping, *self._tasks.values()):
                task.cancel()
        await self._store.release([*self._unfinished, *self._running.values()])  # the latter never came to begin

    async def _claim(self, runs: asyncio.TaskGroup) -> None:
        while True:
            self._backlog.news.clear()
            busy = Counter(entry.handler for entry in self._running.values())
            free = {name: self._rules.concurrency - busy[name] for name in self._router.routes}
            free = {name: slots for name, slots in free.items() if slots > 0}
            claim = await self._store.claim(free, lease=self._rules.lease) if free else Claim((), None)
            for entry in claim.entries:
                ours = (
                    entry.id in self._running
                )  # the machine slept through the lease: the run goes on with a new fence
                self._running[entry.id] = entry
                if not ours:
                    name = f"handler {entry.handler}, event {entry.event_id}"
                    self._tasks[entry.id] = runs.create_task(self._run(entry), name=name)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN if claim.wait is None else min(claim.wait, LOOK_AGAIN)):
                    await self._backlog.news.wait()

    async def _keep(self) -> None:
        """Hold on to the leases of what runs: three times in each, so that a single slow write loses none."""
        while True:
            await asyncio.sleep(self._rules.lease / 3)
            if self._running:
                for lost in await self._store.keep(list(self._running.values()), lease=self._rules.lease):
                    if self._running.get(lost.id) == lost:
                        del self._running[lost.id]
                        self._tasks[lost.id].cancel()

    async def _run(self, entry: Entry) -> None:
        """One run of one handler on one event, from the claim to the settlement."""
        event = decode(entry.body)
        clock = asyncio.get_running_loop().time
        started = clock()
        ended = False
        identifiers = {"event_id": entry.event_id, "event_type": event.type, "key": entry.key}
        with bound(**identifiers, handler=entry.handler, attempt=entry.attempt):
            log.debug("handler.started", age=round(entry.age, 3))
            try:
                outcome = await self._router.routes[entry.handler].run(event, await self._context(entry, event))
                ended = True
                await self._settle(self._running.get(entry.id, entry), outcome, clock() - started)
            finally:
                held = self._running.pop(entry.id, None)
                del self._tasks[entry.id]
                self._deadlines.pop(entry.id, None)
                self._backlog.news.set()
                if not ended:
                    took = round(clock() - started, 3)
                    if held is None:
                        log.warning("handler.lost", took=took)
                    else:
                        self._unfinished.append(held)
                        log.info("handler.released", took=took)

    async def _context(self, entry: Entry, event: Event) -> Context[Any, Any]:
        deadline = self._deadlines[entry.id] = Deadline(self._rules.timeout)
        if self._stopping:
            deadline.hurry()
        task = event.vod_task_id if isinstance(event, TaskEvent) else None
        return Context(
            vod=Ledger(self._vod, self._store, entry, deadline),
            log=log,
            event_id=entry.event_id,
            attempt=entry.attempt,
            options=self._rules.options.get(entry.handler, NOTHING),
            resources=self._rules.resources.get(entry.handler),
            deadline=deadline,
            loop=asyncio.get_running_loop(),
            origin=await self._store.origin(task) if task else None,
        )

    async def _settle(self, entry: Entry, outcome: object, took: float) -> None:
        end = ending(outcome, attempt=entry.attempt, attempts=self._rules.attempts, random=self._random)
        if await self._store.settle(entry, end):
            tell(end, outcome, round(took, 3))
            self._backlog.changed(0 if isinstance(end, Again) else -1)
        else:
            log.warning("handler.lost", took=round(took, 3))


def tell(end: Ending, outcome: object, took: float) -> None:
    """Log how a run ended. A plug-in's own exception comes with its traceback; an error of ours says all in words."""
    foreign = isinstance(outcome, BaseException) and not isinstance(outcome, VodworkerError)
    trace = {"exc_info": outcome} if foreign else {}
    match end:
        case Finished():
            log.info("handler.done", took=took)
        case Again(after, why):
            log.warning("handler.retry", took=took, after=round(after, 1), why=why, **trace)
        case Dead(why) if isinstance(outcome, Reject):
            log.warning("handler.rejected", took=took, why=why)
        case Dead(why):
            log.error("handler.dead", took=took, why=why, **trace)
