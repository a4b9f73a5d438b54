"""Work off: claim what is due → run its handler → settle how it ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from vodworker.alarm import Alarm, alarmed
from vodworker.cloud.client import Vod
from vodworker.cloud.ledger import Deadline, Ledger
from vodworker.errors import Deadly, VodworkerError
from vodworker.events import Event, TaskEvent, decode
from vodworker.handler import Context
from vodworker.journal.port import Claim, Entry, Origin, Store
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


@dataclass(slots=True)
class Run:
    """An entry in work: as it was claimed last, and the task that runs its handler.

    ended: its end is being written. doubted: it was told that a call is in doubt.
    """

    entry: Entry
    task: asyncio.Task[None]
    deadline: Deadline | None = None
    ended: bool = False
    doubted: bool = False

    def cut(self) -> None:
        """End it, unless it has ended."""
        if not self.ended:
            self.task.cancel()


class WorkOff:
    """The handlers that run now, and the coroutine that starts them."""

    def __init__(
        self,
        store: Store,
        vod: Vod,
        router: Router,
        rules: Rules,
        backlog: Backlog,
        *,
        random: Callable[[], float],
        alarm: Alarm,
    ) -> None:
        self._store = store
        self._vod = vod
        self._router = router
        self._rules = rules
        self._backlog = backlog
        self._random = random
        self._alarm = alarm
        self._runs: dict[int, Run] = {}  # by entry; one that lost its entry is not in here any more
        self._stopping = False
        self._unfinished: list[Entry] = []

    def __repr__(self) -> str:
        return f"<WorkOff {len(self)} running>"

    def __len__(self) -> int:
        return len(self._runs)

    async def run(self, stop: asyncio.Event, *, grace: float) -> None:
        """Start what is due until `stop`; then let what runs finish for `grace` seconds, and give the rest back.

        A run that only waits for a token is given back at once.
        """
        async with asyncio.TaskGroup() as runs:
            claiming = runs.create_task(alarmed(self._alarm, self._claim, runs), name="claim")
            keeping = runs.create_task(alarmed(self._alarm, self._keep), name="keep")
            await stop.wait()
            claiming.cancel()
            await asyncio.wait([claiming])
            self._stopping = True
            for run in self._runs.values():
                if run.deadline:
                    run.deadline.hurry()
            if self._runs:
                await asyncio.wait([run.task for run in self._runs.values()], timeout=grace)
            keeping.cancel()
            for run in self._runs.values():
                run.cut()
        await self._store.release(self._unfinished)

    async def _claim(self, runs: asyncio.TaskGroup) -> None:
        while True:
            self._backlog.news.clear()
            busy = Counter(run.entry.handler for run in self._runs.values() if not run.ended)
            free = {name: self._rules.concurrency - busy[name] for name in self._router.routes}
            free = {name: slots for name, slots in free.items() if slots > 0}
            claim = await self._store.claim(free, lease=self._rules.lease) if free else Claim((), None)
            for entry in claim.entries:
                if ours := self._runs.get(entry.id):  # the machine slept through the lease: the run has a new fence
                    ours.entry = entry
                else:
                    name = f"handler {entry.handler}, event {entry.event_id}"
                    self._runs[entry.id] = Run(
                        entry, runs.create_task(alarmed(self._alarm, self._run, entry), name=name)
                    )
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN if claim.wait is None else min(claim.wait, LOOK_AGAIN)):
                    await self._backlog.news.wait()

    async def _keep(self) -> None:
        """Hold on to the leases of what runs: three times in each, so that a single slow write loses none."""
        while True:
            await asyncio.sleep(self._rules.lease / 3)
            if self._runs:
                for lost in await self._store.keep([run.entry for run in self._runs.values()], lease=self._rules.lease):
                    run = self._runs.get(lost.id)
                    if run and run.entry == lost:
                        del self._runs[lost.id]
                        run.cut()

    async def _run(self, entry: Entry) -> None:
        """One run of one handler on one event, from the claim to the settlement."""
        run = self._runs[entry.id]
        event = decode(entry.body)
        clock = asyncio.get_running_loop().time
        started = clock()
        identifiers = {"event_id": entry.event_id, "event_type": event.type, "key": entry.key}
        with bound(**identifiers, handler=entry.handler, attempt=entry.attempt):
            log.debug("handler.started", age=round(entry.age, 3))
            try:
                outcome = await self._outcome(run, event)
                run.ended = True
                self._backlog.news.set()  # its place is free: the next claim may share its commit
                await self._settle(run, outcome, clock() - started)
            finally:
                held = self._runs.get(entry.id) is run
                if held:
                    del self._runs[entry.id]
                self._backlog.news.set()
                if not run.ended:
                    took = round(clock() - started, 3)
                    if held:
                        self._unfinished.append(run.entry)
                        log.info("handler.released", took=took)
                    else:
                        log.warning("handler.lost", took=took)

    async def _outcome(self, run: Run, event: Event) -> object:
        """How the handler ends; one that takes its process along each time is not run for ever."""
        entry = run.entry
        if entry.lost >= self._rules.attempts:
            return Deadly(
                f"{entry.lost} runs on this event ended with their process; see why, then redrive or discard it"
            )
        deadline = run.deadline = Deadline(self._rules.timeout)
        if self._stopping:
            deadline.hurry()
        ledger = Ledger(self._vod, self._store, lambda: run.entry, deadline)
        task = event.vod_task_id if isinstance(event, TaskEvent) else None
        origin = await self._store.origin(task) if task else None
        outcome = await self._router.routes[entry.handler].run(event, self._context(entry, origin, ledger, deadline))
        ledger.check()
        run.doubted = ledger.doubted
        return outcome

    def _context(self, entry: Entry, origin: Origin | None, ledger: Ledger, deadline: Deadline) -> Context[Any, Any]:
        return Context(
            vod=ledger,
            log=log,
            handler=entry.handler,
            event_id=entry.event_id,
            attempt=entry.attempt,
            options=self._rules.options.get(entry.handler, NOTHING),
            resources=self._rules.resources.get(entry.handler),
            deadline=deadline,
            loop=asyncio.get_running_loop(),
            origin=origin,
        )

    async def _settle(self, run: Run, outcome: object, took: float) -> None:
        entry = run.entry
        failures = entry.attempt - entry.lost - entry.outages  # what says nothing of the handler spends no attempt
        end = ending(
            outcome, attempt=failures, attempts=self._rules.attempts, random=self._random, outages=entry.outages
        )
        if isinstance(end, Dead):
            end = replace(end, doubt=run.doubted)
        if await self._store.settle(entry, end):
            tell(end, outcome, round(took, 3))
            self._backlog.changed(0 if isinstance(end, Again) else -1)
        elif run.entry is not entry:  # this worker claimed it anew meanwhile: the machine slept
            await self._settle(run, outcome, took)
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
