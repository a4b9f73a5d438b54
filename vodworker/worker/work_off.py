"""Work off: claim what is due → run its handler → settle how it ended."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
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
from vodworker.log import bind, log
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

    ended: its end is being written. doubted: it was told that a call is in doubt. facts: what every line of the log
    tells of it. took: seconds, once it has ended. What an error leads to, so it does not hold one itself.
    """

    entry: Entry
    task: asyncio.Task[None]
    deadline: Deadline | None = None
    ended: bool = False
    doubted: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    took: float = 0.0

    def cut(self) -> None:
        """End it, unless it has ended."""
        if not self.ended:
            self.task.cancel()


class WorkOff:
    """The handlers that run now, the coroutine that starts them, and the one that writes down how they ended."""

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
        self._ended: list[tuple[Run, object, Ending]] = []
        self._more = asyncio.Event()
        self._all_ended = False  # no run will end any more
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
        async with asyncio.TaskGroup() as group:
            group.create_task(alarmed(self._alarm, self._settle), name="settle")
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
            self._all_ended = True
            self._more.set()
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
            later = LOOK_AGAIN if claim.wait is None else min(claim.wait, LOOK_AGAIN)
            ringing = asyncio.get_running_loop().call_later(later, self._backlog.news.set)
            await self._backlog.news.wait()
            ringing.cancel()

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
        """One run of one handler on one event, from the claim to its end, which is then to be settled."""
        run = self._runs[entry.id]
        event = decode(entry.body)
        clock = asyncio.get_running_loop().time
        started = clock()
        run.facts = facts = {
            "event_id": entry.event_id,
            "event_type": event.type,
            "key": entry.key,
            "handler": entry.handler,
            "attempt": entry.attempt,
        }
        bind(**facts)
        log.debug("handler.started", age=round(entry.age, 3))
        try:
            outcome = await self._outcome(run, event)
            run.ended = True
            run.took = round(clock() - started, 3)
            self._ended.append((run, outcome, self._end(run, outcome)))
            self._more.set()
            self._backlog.news.set()  # its place is free: the next claim may share its commit
        finally:
            if not run.ended:
                self._backlog.news.set()
                took = round(clock() - started, 3)
                if self._forget(run):
                    self._unfinished.append(run.entry)
                    log.info("handler.released", took=took)
                else:
                    log.warning("handler.lost", took=took)

    def _forget(self, run: Run) -> bool:
        """It is over; False when its entry had been lost before."""
        held = self._runs.get(run.entry.id) is run
        if held:
            del self._runs[run.entry.id]
        return held

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

    def _end(self, run: Run, outcome: object) -> Ending:
        entry = run.entry
        failures = entry.attempt - entry.lost - entry.outages  # what says nothing of the handler spends no attempt
        end = ending(
            outcome, attempt=failures, attempts=self._rules.attempts, random=self._random, outages=entry.outages
        )
        return replace(end, doubt=run.doubted) if isinstance(end, Dead) else end

    async def _settle(self) -> None:
        """Settle what has ended, all at once that ended while the last was written, until nothing more will end."""
        while True:
            while not self._ended:
                if self._all_ended:
                    return
                self._more.clear()
                await self._more.wait()
            ended, self._ended = self._ended, []
            entries = [run.entry for run, *_ in ended]
            self._backlog.news.set()  # for what waits behind them
            settled = await self._store.settle([(run.entry, end) for run, _, end in ended])
            over = 0
            anew: list[Entry] = []
            for (run, outcome, end), entry, ours in zip(ended, entries, settled, strict=True):
                if not ours and run.entry is not entry:  # this worker claimed it anew meanwhile: the machine slept
                    self._ended.append((run, outcome, end))
                    continue
                self._forget(run)
                if ours:
                    tell(run, outcome, end)
                    over += not isinstance(end, Again)
                    if run.entry is not entry:  # due again at once, and claimed before this answer was heard
                        anew.append(run.entry)
                else:
                    log.warning("handler.lost", **run.facts, took=run.took)
            self._backlog.changed(-over)
            if anew:
                self._backlog.news.set()
                await self._store.release(anew)


def tell(run: Run, outcome: object, end: Ending) -> None:
    """Log how it ended. A plug-in's own exception comes with its traceback; an error of ours says all in words."""
    foreign = isinstance(outcome, BaseException) and not isinstance(outcome, VodworkerError)
    trace = {"exc_info": outcome} if foreign else {}
    match end:
        case Finished():
            log.info("handler.done", **run.facts, took=run.took)
        case Again(after, why):
            log.warning("handler.retry", **run.facts, took=run.took, after=round(after, 1), why=why, **trace)
        case Dead(why) if isinstance(outcome, Reject):
            log.warning("handler.rejected", **run.facts, took=run.took, why=why)
        case Dead(why):
            log.error("handler.dead", **run.facts, took=run.took, why=why, **trace)
