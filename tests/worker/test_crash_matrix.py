"""The crash matrix: a daemon that dies at any step of its work, and the next one that goes on.

The steps are the operations on the journal, each with a death just before and just after it, and the calls at the
service, each with a death after its effect and before its reply. For every one of them: nothing is lost, every event is
handled, and no task is started twice.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from tests.worker.conftest import Mortal
from vodworker.api import ProcessFile, Transcode
from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.queue import Queue
from vodworker.emulator import Emulator, Settings
from vodworker.events import NewFileUpload, ProcedureStateChanged
from vodworker.handler import Context, on
from vodworker.journal.port import Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.router import Router
from vodworker.sign import nonces
from vodworker.testing import World, in_virtual_time
from vodworker.worker import Rules, Worker

pytestmark = pytest.mark.no_cover

FILES = 2
TEMPLATES = (210, 220)


class Run:
    """One emulator and one journal, on which daemons work one after the other."""

    def __init__(
        self, world: Any, *, templates: Sequence[int] = TEMPLATES, limit: int = 100, attempts: int = 8
    ) -> None:
        self.world = world
        self.templates = templates
        self.limit = limit
        self.rules = Rules(attempts=attempts)
        self.lives = 0
        self.handled: list[tuple[str, str]] = []
        self.calls = 0

    def handlers(self) -> tuple[Any, ...]:
        """A task of each template for each upload, and a look at their ends."""

        @on(NewFileUpload)
        async def process(event: NewFileUpload, ctx: Context) -> None:
            for template in self.templates:
                part = Transcode(definition=[template])
                await ctx.vod.call(ProcessFile(file_id=str(event.file_id), transcode=part))
            self.handled.append(("process", event.key))

        @on(ProcedureStateChanged)
        async def end(event: ProcedureStateChanged, ctx: Context) -> None:
            self.handled.append(("end", str(event.vod_task_id)))

        return process, end

    @asynccontextmanager
    async def daemon(
        self, *, dies_at: int = 0, after: bool = False, dies_in_call: int = 0, sole: bool = False
    ) -> AsyncGenerator[Mortal]:
        """A daemon; when the block ends it is stopped, or has died. sole: it takes over from the dead at once."""
        self.lives += 1
        clock = asyncio.get_running_loop().time
        chance = random.Random(self.lives)
        emulator = self.world.emulator
        stop = asyncio.Event()
        async with open_sqlite(self.world.path, now=lambda: 1e9 + clock(), sole=sole) as real:
            await real.adopt()
            mortal = Mortal(real, dies_at=dies_at, after=after)
            store = cast("Store", mortal)
            account = Account(emulator.url, emulator.secret_id, emulator.secret_key)
            with suppress(BaseExceptionGroup):
                async with (
                    Limiter(store, limit=lambda _: self.limit, hold=15.0) as limiter,
                    aiohttp.ClientSession() as session,
                ):
                    source = nonces(chance.random).__next__
                    vod = Vod(
                        session, account, limiter=limiter, nonces=source, random=chance.random, now=emulator.clock.now
                    )
                    queue = Queue(vod, limiter=limiter, limit=lambda _: 1000)
                    router = Router.of(*self.handlers())
                    worker = Worker(queue, store, vod, router, self.rules, random=chance.random, streams=1)
                    async with asyncio.TaskGroup() as group:
                        working = group.create_task(worker.run(stop))
                        self.world.watch = self._killer(mortal, working, dies_in_call)
                        yield mortal
                        stop.set()

    def _killer(self, mortal: Mortal, working: "asyncio.Task[int]", number: int) -> Callable[[Any], None]:
        """Kills the daemon when the service has done so many of its calls, before it hears of the last."""
        calls = 0

        def killer(call: Any) -> None:
            nonlocal calls
            if call.action != "PullEvent" or call.code == 0:
                calls += 1
                self.calls = calls
                if calls == number and not mortal.dead:
                    mortal.dead = True
                    working.cancel()

        return killer


def uploaded(file_id: str) -> dict[str, Any]:
    """A NewFileUpload as the service writes it."""
    return {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file_id}}


async def lifetimes(world: Any, **death: Any) -> tuple[int, int]:
    """One daemon dies as told, the next does the rest; how many operations and calls the first one came to."""
    async with world(queued=0.5, worked=0.5) as it:
        run = Run(it)
        files = [it.video(str(number)) for number in range(FILES)]
        async with run.daemon(**death) as first:
            for file_id in files:
                it.emulator.emit(uploaded(file_id))
            await asyncio.sleep(15)
        calls = run.calls
        tasks = it.emulator.state.tasks.values()
        wanted = sorted((file_id, template) for file_id in files for template in TEMPLATES)
        async with run.daemon(), it.journal() as store:
            for _ in range(50):  # leases, handles and doubts end within that many looks
                await asyncio.sleep(5)
                if len(it.emulator.queue) == 0 and (await store.counts())["done"] == FILES + len(wanted):
                    break

        assert wanted == sorted((task.file_id, task.steps[0].input["definition"]) for task in tasks)
        assert {("process", file_id) for file_id in files} <= {*run.handled}
        assert {("end", task.id) for task in tasks} <= {*run.handled}
        assert 0 == len(it.emulator.queue)
        async with it.journal() as store:
            assert FILES + len(wanted) == (await store.counts())["done"]
        return first.operations, calls


def test_nobody_dies(world: Any) -> None:
    """Without a death everything is done by the first daemon."""
    operations, calls = in_virtual_time(lifetimes)(world)

    assert operations > 30
    assert calls >= 8
    assert operations < LAST_OPERATION or calls < LAST_CALL  # the matrix goes to the end of the work


LAST_OPERATION, LAST_CALL = 64, 16  # beyond the last step of the work itself; what comes then is idling


SLICES = 5  # of the matrix; one of them is for every day


@pytest.mark.timeout(120)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, SLICES))])
def test_a_death_at_any_operation(world: Any, part: int, after: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Whichever operation on the journal is the last of a process, the next process ends the work."""
    for step in range(1 + part, LAST_OPERATION, SLICES):
        in_virtual_time(lifetimes)(world, dies_at=step, after=after)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", range(2))
def test_a_death_in_any_call(world: Any, part: int) -> None:
    """Whichever call had its effect and was never heard of, the next process pays for nothing twice."""
    for number in range(1 + part, LAST_CALL, 2):
        in_virtual_time(lifetimes)(world, dies_in_call=number)


THREE = (210, 220, 230)
KILLS, PARTS = 200, 4  # in all, and among how many journals they are divided


def death(chance: random.Random) -> dict[str, Any]:
    """A step at which a daemon that has something to do dies: an operation on the journal, or a call."""
    if chance.random() < 0.3:
        return {"dies_in_call": chance.randint(1, 8)}
    return {"dies_at": chance.randint(1, 30), "after": chance.random() < 0.5}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, PARTS))])
@in_virtual_time
async def test_three_tasks_are_three(tmp_path: Path, part: int) -> None:
    """A handler that submits three tasks, and is killed at random again and again, has started three for each event."""
    chance = random.Random(part)
    clock = asyncio.get_running_loop().time

    def watch(call: Any) -> None:
        it.watch(call)

    settings = Settings(queued=0.5, worked=0.5)
    async with Emulator.serve(settings=settings, watch=watch, wall=lambda: 1.8e9 + clock()) as emulator:
        emulator.ceilings.update(dict.fromkeys(("ProcessFile", "GetTaskList", "GetTaskInfo"), 1000))
        it = World(emulator, tmp_path / "journal.db")
        run = Run(it, templates=THREE, limit=1000, attempts=KILLS)  # so often may a run be lost
        files: list[str] = []
        for number in range(KILLS // PARTS):
            if number % 3 == 0:  # so that most are killed several times
                files.append(it.video(str(number)))
                it.emit(uploaded(files[-1]))
            async with run.daemon(**death(chance), sole=True) as mortal:
                await asyncio.sleep(chance.uniform(1, 10))
                mortal.dead = True
        async with run.daemon(sole=True) as last:
            for _ in range(200):
                await asyncio.sleep(5)
                if (await last.counts())["done"] == len(files) * (1 + len(THREE)):
                    break

        started = [(task.file_id, task.steps[0].input["definition"]) for task in emulator.state.tasks.values()]
        assert sorted((file_id, template) for file_id in files for template in THREE) == sorted(started)
