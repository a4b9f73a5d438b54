"""Several replicas on one PostgreSQL at the same instant: what one machine gets from a lock, they get from rows."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

import psycopg
import pytest

from tests.journal.conftest import PostgresPlace, arrival, claim_one, settle
from tests.postgresql import Cluster
from vodworker.journal.port import Entry, Filter, Store
from vodworker.journal.postgres import open_postgres
from vodworker.outcome import Again, Dead, Finished

pytestmark = pytest.mark.no_cover

REPLICAS = 6
EVENTS = 300
KEYS = 7


@pytest.fixture
async def replicas(cluster: Cluster, request: pytest.FixtureRequest) -> AsyncGenerator[list[Store]]:
    """Stores on one journal, each with a connection of its own."""
    url = cluster.url(schema=f"r{abs(hash(request.node.name)) % 10**9}")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_postgres(url, patient=False)) for _ in range(REPLICAS)]


def deadlocks(cluster: Cluster) -> int:
    """How many the server has counted."""
    with psycopg.connect(cluster.dsn) as db:
        row = db.execute("SELECT sum(deadlocks)::int FROM pg_stat_database").fetchone()
    assert row
    return int(row[0])


class Watch:
    """Looks on as replicas work, and notes what they may not do."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.ended: dict[str, int] = {}
        self.wrong: list[str] = []
        self.order: Counter[str] = Counter()

    def claimed(self, entry: Entry) -> None:
        """An entry of a key begins to run."""
        if entry.key in self.running:
            self.wrong.append(f"{entry.id} beside {self.running[entry.key]}")
        if self.ended.get(entry.key, 0) >= entry.id:
            self.wrong.append(f"{entry.id} after {self.ended[entry.key]}")
        self.running[entry.key] = entry.id

    def over(self, entry: Entry, *, ended: bool) -> None:
        """It is about to be settled or given back."""
        del self.running[entry.key]
        if ended:
            self.ended[entry.key] = entry.id


async def takes_in(store: Store, bodies: Sequence[tuple[str, str]]) -> int:
    """Record these events in small batches; how many were no copies."""
    fresh = 0
    for start in range(0, len(bodies), 4):
        receipts = await store.record([arrival(name, key=key) for name, key in bodies[start : start + 4]])
        fresh += sum(not receipt.copy for receipt in receipts)
    return fresh


async def works_off(store: Store, watch: Watch, chance: random.Random, left: list[int]) -> None:
    """Claim and settle until all is done: well, badly, later, or not at all."""
    while left[0] > 0:
        claim = await store.claim({"h": chance.randint(1, 5)}, lease=600)
        for entry in claim.entries:
            watch.claimed(entry)
        async with asyncio.TaskGroup() as group:
            for entry in claim.entries:
                group.create_task(ends(store, entry, watch, chance, left))


async def ends(store: Store, entry: Entry, watch: Watch, chance: random.Random, left: list[int]) -> None:
    """One run of one entry."""
    how = chance.random()
    watch.over(entry, ended=how < 0.7)
    if how < 0.6:
        assert await settle(store, entry, Finished())
    elif how < 0.7:
        assert await settle(store, entry, Dead("no"))
    elif how < 0.85:
        assert await settle(store, entry, Again(0.0, "once more"))
    else:
        await store.release([entry])
    left[0] -= how < 0.7


@pytest.mark.timeout(60)
async def test_a_key_is_in_order_across_replicas(replicas: list[Store], cluster: Cluster) -> None:
    """Recorded, redelivered, handled, retried, given back by all at once: no entry is lost, doubled or out of turn."""
    chance = random.Random(3)
    watch = Watch()
    bodies = [(f"{number}", f"k{chance.randrange(KEYS)}") for number in range(EVENTS)]
    left = [EVENTS]
    before = deadlocks(cluster)
    async with asyncio.TaskGroup() as group:
        recording = [
            group.create_task(takes_in(store, chance.sample(bodies, EVENTS)))  # each gets all: five of six are copies
            for store in replicas
        ]
        for store in replicas:
            group.create_task(works_off(store, watch, chance, left))
    counts = await replicas[0].counts()

    assert [] == watch.wrong
    assert EVENTS == sum(task.result() for task in recording)
    assert (EVENTS, EVENTS) == (counts["events"], counts["done"] + counts["dead"])
    assert before == deadlocks(cluster)


async def operates(store: Store, chance: random.Random, stop: asyncio.Event) -> None:
    """Redrive what is dead, discard a little of what waits, as long as work goes on."""
    while not stop.is_set():
        dead = [row["id"] for row in await store.list(Filter(state="dead", limit=5))]
        await store.redrive(dead)
        waiting = [row["id"] for row in await store.list(Filter(state="open", limit=50))]
        await store.discard(chance.sample(waiting, min(1, len(waiting))), why="not needed")


@pytest.mark.timeout(60)
async def test_operators_do_not_stop_a_key(replicas: list[Store], cluster: Cluster) -> None:
    """Beside replicas that work, two operators redrive and discard: no two of a key run, and no key stands still."""
    chance = random.Random(5)
    bodies = [(f"{number}", f"k{number % 3}") for number in range(120)]
    await takes_in(replicas[0], bodies)
    running: Counter[str] = Counter()
    beside: list[str] = []
    stop = asyncio.Event()
    before = deadlocks(cluster)

    async def work(store: Store) -> None:
        while (await store.counts())["blocked"] + (await store.counts())["ready"]:
            for entry in (await store.claim({"h": 2}, lease=600)).entries:
                running[entry.key] += 1
                beside.extend([entry.key] * (running[entry.key] > 1))
                running[entry.key] -= 1
                assert await settle(store, entry, Dead("no") if chance.random() < 0.2 else Finished())

    async with asyncio.TaskGroup() as group:
        operators = [group.create_task(operates(store, chance, stop)) for store in replicas[:2]]
        async with asyncio.TaskGroup() as workers:
            for store in replicas[2:]:
                workers.create_task(work(store))
        stop.set()
        await asyncio.wait(operators)
    async with asyncio.TaskGroup() as group:  # what was redriven at the very last
        for store in replicas[2:]:
            group.create_task(work(store))
    counts = await replicas[0].counts()

    assert [] == beside
    assert len(bodies) == counts["done"] + counts["dead"] + counts["discarded"]
    assert before == deadlocks(cluster)


@pytest.mark.timeout(60)
async def test_tokens_are_exact_across_replicas(replicas: list[Store]) -> None:
    """However many ask at the same instant, there are as many tokens of each action as its limit says."""
    async with asyncio.TaskGroup() as group:
        taken = [
            group.create_task(store.take(action, limit=20, hold=600, most=most))
            for most in (1, 2, 3, 4)
            for action in ("A", "B")
            for store in replicas
        ]
    answers = [task.result() for task in taken]
    tokens = [token for answer in answers if isinstance(answer, list) for token in answer]

    assert {"A": 20, "B": 20} == Counter(token.action for token in tokens)
    assert {"A": 0, "B": 0} == await replicas[0].free({"A": 20, "B": 20})


async def test_a_wait_ends_in_time_to_look_at_others(replicas: list[Store]) -> None:
    """Other replicas record and give back at any time, so that no wait is longer than a second and a half."""
    one, two = replicas[:2]
    await one.take("A", limit=1, hold=600)
    waits = [(await two.claim({"h": 1}, lease=60)).wait or 0 for _ in range(20)]
    waits += [wait for _ in range(20) if isinstance(wait := await two.take("A", limit=1, hold=600), float)]

    assert 40 == len({wait for wait in waits if 0.5 <= wait < 1.5})


async def test_an_overdue_task_is_asked_for_once(cluster: Cluster) -> None:
    """No two replicas ask for the same task."""
    place = PostgresPlace(cluster)
    async with place.open() as one, place.open() as two, place.open() as three:
        await one.record([arrival("a")])
        entry = await claim_one(one)
        for number in range(20):
            await one.intend(entry, action="ProcessFile", identity=f"{number}", request=b"{}")
            await one.replied(entry, identity=f"{number}", reply=b"{}", task=f"t{number}", ends_in="E")
        place.clock.advance(100)
        async with asyncio.TaskGroup() as group:
            taken = [group.create_task(store.overdue(first=100, limit=8)) for store in (one, two, three)]
        asked = [out.task for task in taken for out in task.result()]

    assert 20 == len(asked) == len({*asked})
