"""Daemons, their database and the account's ceilings as stations with queues, in virtual time: which one is full first?

A replica has one core, as Python has; the database has some; a ceiling's token comes back a minute after its call. Each
event is pulled, recorded and confirmed, handled, and settled, and costs at each station what was measured there.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median, quantiles

from vodworker.testing import in_virtual_time

MINUTE = 60.0  # seconds until a token is back; and what is counted is what happens in one minute, after a first one
PULLS = 1000  # calls of PullEvent in a minute
SUBMISSIONS = 100  # and of an action that starts a task
BATCH = 16  # events that a pull brings at most
STREAMS = 2
CONCURRENCY = 16
BACKLOG = 128  # open events at which pulling waits: far fewer than in life, so that a steady state comes soon
ROUND_TRIP = 0.03  # seconds to the service and back
COMMIT = 0.005  # seconds until a disk has what it was given: a wait, and no work of a core
TAKING = 0.5  # of an event's cost comes with its recording and confirmation, the rest with its handling


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds: of an event, and of a second in which nothing comes; in a replica and in the database."""

    daemon: float
    database: float
    idle_daemon: float
    idle_database: float


@dataclass(frozen=True, slots=True)
class Plant:
    """What is set up. arriving: events a second for each account; None: always more than can be taken.

    replicas: for each account. cores: of the one database of all. handler: seconds that one waits for something else.
    tasks: each event submits one.
    """

    costs: Costs
    accounts: int = 1
    replicas: int = 1
    cores: int = 4
    arriving: float | None = None
    handler: float = 0.0
    tasks: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: events a second of all accounts, seconds from an event's arrival to its end, what was used."""

    rate: float
    median: float
    slowest: float  # of a hundred
    used: dict[str, float]

    @property
    def full(self) -> str:
        """What is used most, and so is the next ceiling."""
        return max(self.used, key=self.used.__getitem__)


class Station:
    """Something with a number of places, each of which serves one after the other."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.busy = 0.0
        self._free = asyncio.Semaphore(places)

    def __repr__(self) -> str:
        return f"<Station of {self.places}, {self.busy:.1f} s busy>"

    async def serve(self, seconds: float) -> None:
        """Stand in line, and be served."""
        async with self._free:
            self.busy += seconds
            await asyncio.sleep(seconds)


class Ceiling:
    """Tokens that come back a minute after their calls have ended."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls = 0
        self._free = asyncio.Semaphore(limit)

    def __repr__(self) -> str:
        return f"<Ceiling of {self.limit}, {self.calls} calls>"

    @asynccontextmanager
    async def token(self) -> AsyncGenerator[None]:
        """Wait for one, and spend it on a call."""
        await self._free.acquire()
        self.calls += 1
        await asyncio.sleep(ROUND_TRIP)
        yield
        asyncio.get_running_loop().call_later(MINUTE, self._free.release)


class Account:
    """A queue of events at the service, its ceilings, and the journal behind."""

    def __init__(self, plant: Plant, database: Station, chance: random.Random) -> None:
        self.plant = plant
        self.database = database
        self.pulls = Ceiling(PULLS)
        self.submissions = Ceiling(SUBMISSIONS)
        self.slots = Station(CONCURRENCY * plant.replicas)
        self.cores = [Station(1) for _ in range(plant.replicas)]
        self.delays: list[float] = []
        self._queue: deque[float] = deque()
        self._news = asyncio.Event()
        self._journal: asyncio.Queue[float] = asyncio.Queue(BACKLOG)
        self._chance = chance
        self._now = asyncio.get_running_loop().time

    def __repr__(self) -> str:
        return f"<Account with {len(self._queue)} events waiting>"

    def start(self, group: asyncio.TaskGroup) -> None:
        """Let events come, and replicas work."""
        if self.plant.arriving:
            group.create_task(self._arrive(self.plant.arriving))
        for core in self.cores:
            group.create_task(self._idle(core))
            for _ in range(STREAMS):
                group.create_task(self._take_in(core))
            for _ in range(CONCURRENCY):
                group.create_task(self._work_off(core))

    async def _arrive(self, rate: float) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(rate))
            self._queue.append(self._now())
            self._news.set()

    async def _idle(self, core: Station) -> None:
        await asyncio.sleep(self._chance.random())
        while True:
            await asyncio.sleep(1.0)
            await core.serve(self.plant.costs.idle_daemon)
            await self.database.serve(self.plant.costs.idle_database)

    async def _pulled(self) -> list[float]:
        if self.plant.arriving is None:
            return [self._now()] * BATCH
        while not self._queue:
            self._news.clear()
            await self._news.wait()
        return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    async def _take_in(self, core: Station) -> None:
        costs = self.plant.costs
        while True:
            async with self.pulls.token():
                events = await self._pulled()
            await core.serve(len(events) * costs.daemon * TAKING)
            await self.database.serve(len(events) * costs.database * TAKING)
            await asyncio.sleep(COMMIT)
            for event in events:
                await self._journal.put(event)

    async def _work_off(self, core: Station) -> None:
        costs = self.plant.costs
        while True:
            arrived = await self._journal.get()
            await core.serve(costs.daemon * (1 - TAKING))
            if self.plant.tasks:
                async with self.submissions.token():
                    pass
            await self.slots.serve(self.plant.handler)
            await self.database.serve(costs.database * (1 - TAKING))
            await asyncio.sleep(COMMIT)
            self.delays.append(self._now() - arrived)


@in_virtual_time
async def play(plant: Plant) -> Outcome:
    """Let it run for a minute, and count what happens in the next."""
    chance = random.Random(7)  # noqa: S311  # a seed, to be had again
    database = Station(plant.cores)
    accounts = [Account(plant, database, chance) for _ in range(plant.accounts)]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(run(account)) for account in accounts]
        await asyncio.sleep(MINUTE)
        before = used(accounts, database)
        for account in accounts:
            account.delays.clear()
        await asyncio.sleep(MINUTE)
        after = used(accounts, database)
        for task in running:
            task.cancel()
    delays = [delay for account in accounts for delay in account.delays]
    return Outcome(
        rate=len(delays) / MINUTE,
        median=median(delays),
        slowest=quantiles(delays, n=100)[-1],
        used={name: after[name] - before[name] for name in after},
    )


async def run(account: Account) -> None:
    """All that belongs to an account, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        account.start(group)


def used(accounts: list[Account], database: Station) -> dict[str, float]:
    """The part of each thing that was used in the minutes up to now, added up."""
    cores = [core for account in accounts for core in account.cores]
    ceilings = {
        "PullEvent": [account.pulls for account in accounts],
        "tasks": [account.submissions for account in accounts],
    }
    return {
        "database": database.busy / MINUTE / database.places,
        "daemons": sum(core.busy for core in cores) / MINUTE / len(cores),
        "handlers": sum(it.slots.busy / it.slots.places for it in accounts) / MINUTE / len(accounts),
        **{name: sum(it.calls / it.limit for it in them) / len(accounts) for name, them in ceilings.items()},
    }
