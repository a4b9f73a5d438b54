"""The ledger: what was sent is not sent again, and what is in doubt is looked for."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import pytest

from vodworker.api import ConcatVideo, GetVideoInfo, ProcessFile, SourceFile, Transcode
from vodworker.api.action import Action, Reply
from vodworker.api.tasks import TaskInfo
from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.doubt import Found, Missing, Unclear, fitting, judge
from vodworker.cloud.ledger import Deadline, Ledger, OnDoubt
from vodworker.cloud.limiter import Limiter
from vodworker.emulator import Emulator, Settings, library
from vodworker.emulator.state import Footage
from vodworker.errors import CallError, InDoubt, Overtaken, Refused
from vodworker.journal.port import Arrival, Entry, Store
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces
from vodworker.testing import in_virtual_time

R = TypeVar("R", bound=Reply)


@dataclass
class Desk:
    """An emulator, a client of it, and a journal with one entry."""

    emulator: Emulator
    vod: Vod
    store: Store
    entry: Entry

    @asynccontextmanager
    async def run(self, limit: float = 1000.0) -> AsyncGenerator[Ledger]:
        """Another run of the entry: its `ctx.vod`."""
        async with Deadline(limit) as deadline:
            yield Ledger(self.vod, self.store, self.entry, deadline)

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt = "reject") -> R:
        """The only call of another run."""
        async with self.run() as ledger:
            return await ledger.call(action, once=once, on_doubt=on_doubt)

    def video(self) -> str:
        """A file of the library."""
        shows = Footage(duration=10, width=640, height=360, fps=25, bitrate=500_000)
        return library.add(self.emulator.service, name="v", container="mp4", size=1, md5="0", shows=shows).id

    async def doubt(self, action: ProcessFile | ConcatVideo, once: str, *, effect: bool) -> str | None:
        """Leave behind what a crash does after the intent, or after the effect too; the task that was started."""
        name = type(action).__name__
        await self.store.intend(self.entry, action=name, identity=f"once:{once}", request=b"{}")
        return (await self.vod.call(action)).vod_task_id if effect else None


@asynccontextmanager
async def desk() -> AsyncGenerator[Desk]:
    """All of it, in virtual time."""
    clock = asyncio.get_running_loop().time
    chance = random.Random(7)
    wall = 1_800_000_000.0

    def now() -> float:
        return wall + clock()

    async with (
        Emulator.serve(settings=Settings(queued=3.0), wall=now) as emulator,
        open_sqlite(":memory:", now=now) as store,
        Limiter(store, limit=lambda _: 1000, hold=15.0) as limiter,
        aiohttp.ClientSession() as session,
    ):
        emulator.ceilings.update(dict.fromkeys(("ProcessFile", "ConcatVideo", "GetTaskList", "GetTaskInfo"), 1000))
        account = Account(emulator.url, emulator.secret_id, emulator.secret_key)
        vod = Vod(
            session, account, limiter=limiter, nonces=nonces(chance.random).__next__, random=chance.random, now=now
        )
        await store.record([Arrival(b"{}", "T", "", ("h",))])
        (entry,) = (await store.claim({"h": 1}, lease=1e6)).entries
        yield Desk(emulator, vod, store, entry)


def process(file_id: str, *definitions: int) -> ProcessFile:
    """A call that costs money."""
    return ProcessFile(file_id=file_id, transcode=Transcode(definition=definitions))


def concat(file_id: str) -> ConcatVideo:
    """A call whose task tells nothing of its sources."""
    return ConcatVideo(src_file_list=[SourceFile(file_id=file_id)] * 2, name="x", dst_type=["mp4"])


@in_virtual_time
async def test_equal_calls_of_one_run_are_calls_of_their_own() -> None:
    """The second equal call of a run is sent; in the next run both give their own replies."""
    async with desk() as it:
        call = process(it.video(), 210)
        runs: list[list[str | None]] = []
        for _ in range(2):
            async with it.run() as ledger:
                runs.append([(await ledger.call(call)).vod_task_id for _ in range(2)])

        assert runs[0] == runs[1]
        assert 2 == len(set(runs[0])) == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_named_call_is_the_same_whatever_its_content() -> None:
    """A call named with `once` is sent once, also within one run."""
    async with desk() as it:
        file_id = it.video()
        async with it.run() as ledger:
            first = await ledger.call(process(file_id, 210), once="it")
            second = await ledger.call(process(file_id, 220), once="it")

        assert first.vod_task_id == second.vod_task_id
        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_reading_is_not_recorded() -> None:
    """A safe call is sent each time."""
    async with desk() as it:
        call = GetVideoInfo(file_id=it.video())
        for _ in range(2):
            await it.call(call)

        assert 2 == it.emulator.audit.arrivals("GetVideoInfo")


@in_virtual_time
async def test_a_run_that_was_overtaken_sends_nothing() -> None:
    """A run that woke after another worker had taken the entry pays for nothing, and leaves that one's notes alone."""
    async with desk() as it:
        call = process(it.video(), 210)
        async with it.run() as late:
            await it.store.release([it.entry])
            (it.entry,) = (await it.store.claim({"h": 1}, lease=1e6)).entries
            task = (await it.call(call)).vod_task_id
            with pytest.raises(Overtaken, match="another worker has the entry"):
                await late.call(call, once="something else")

        assert 1 == it.emulator.audit.arrivals("ProcessFile")
        assert task == (await it.call(call)).vod_task_id


@in_virtual_time
async def test_a_reply_that_is_noted_late_ends_the_doubt() -> None:
    """Where the earlier run was late and not dead, its reply is found, and nothing is sent again."""
    async with desk() as it:
        call = process(it.video(), 210)
        task = await it.doubt(call, "it", effect=True)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(it.call(call, once="it"))
            await asyncio.sleep(1)
            reply = f'{{"vodTaskId":"{task}"}}'.encode()
            await it.store.replied(it.entry, identity="once:it", reply=reply, task=task or "", ends_in="E")

        assert task == waiting.result().vod_task_id
        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_refused_call_may_be_sent_again() -> None:
    """What the service refused had no effect: the next run sends it again."""
    async with desk() as it:
        for _ in range(2):
            with pytest.raises(Refused):
                await it.call(process("no-such-file", 210))

        assert 2 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_run_that_is_over_calls_no_more() -> None:
    """A thread that outlives its run cannot spend money any more."""
    async with desk() as it:
        deadline = Deadline(5.0)
        async with deadline:
            pass
        with pytest.raises(CallError, match="the run of this handler is over"):
            await Ledger(it.vod, it.store, it.entry, deadline).call(process(it.video(), 210))

        assert 0 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_doubtful_call_that_had_its_effect_is_adopted() -> None:
    """The task that a lost call started is found by its file and its outputs, and is not started again."""
    async with desk() as it:
        file_id = it.video()
        for other in (process(it.video(), 210), process(file_id, 220, 230)):
            await it.vod.call(other)
        started = await it.doubt(process(file_id, 210), "a", effect=True)

        reply = await it.call(process(file_id, 210), once="a")
        again = await it.call(process(file_id, 210), once="a")

        assert started == reply.vod_task_id == again.vod_task_id
        assert 3 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_doubtful_call_without_effect_is_sent() -> None:
    """When the service knows no task that fits, the call never arrived: it is sent, once."""
    async with desk() as it:
        file_id = it.video()
        await it.doubt(process(file_id, 210), "a", effect=False)

        reply = await it.call(process(file_id, 210), once="a")

        assert reply.vod_task_id in it.emulator.state.tasks
        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_call_may_still_be_on_its_way() -> None:
    """Before a lost call is given up, its timeout passes: until then it may still arrive."""
    async with desk() as it:
        file_id = it.video()
        await it.doubt(process(file_id, 210), "a", effect=False)

        async with asyncio.TaskGroup() as group:
            doubtful = group.create_task(it.call(process(file_id, 210), once="a"))
            await asyncio.sleep(14)
            late = await it.vod.call(process(file_id, 210))

        assert late.vod_task_id == doubtful.result().vod_task_id
        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_task_of_another_call_is_not_adopted() -> None:
    """A task that a recorded call started is never taken for another call's."""
    async with desk() as it:
        file_id = it.video()
        mine = await it.call(process(file_id, 210), once="a")
        await it.doubt(process(file_id, 210), "b", effect=False)

        other = await it.call(process(file_id, 210), once="b")

        assert mine.vod_task_id != other.vod_task_id
        assert 2 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_equal_doubtful_calls_share_their_tasks() -> None:
    """Two equal calls in doubt, both with their effect, adopt one task each."""
    async with desk() as it:
        file_id = it.video()
        started = {await it.doubt(process(file_id, 210), name, effect=True) for name in "ab"}

        adopted = {(await it.call(process(file_id, 210), once=name)).vod_task_id for name in "ab"}

        assert started == adopted
        assert 2 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_the_only_task_of_its_kind_is_adopted() -> None:
    """A task that tells nothing of its sources is the call's when it is the only one, and no other call is in doubt."""
    async with desk() as it:
        file_id = it.video()
        started = await it.doubt(concat(file_id), "a", effect=True)

        assert started == (await it.call(concat(file_id), once="a")).vod_task_id
        assert 1 == it.emulator.audit.arrivals("ConcatVideo")


@in_virtual_time
async def test_what_cannot_be_told_is_the_handlers_choice() -> None:
    """Where several tasks may be the call's, nothing is paid for again unless the handler wants it."""
    async with desk() as it:
        file_id = it.video()
        await it.vod.call(concat(file_id))
        await it.doubt(concat(file_id), "a", effect=True)

        with pytest.raises(InDoubt, match=r"it may have started .* or .*; look at them, then redrive"):
            await it.call(concat(file_id), once="a")
        sent = it.emulator.audit.arrivals("ConcatVideo")
        reply = await it.call(concat(file_id), once="a", on_doubt="resend")

        assert 2 == sent
        assert reply.vod_task_id
        assert 3 == it.emulator.audit.arrivals("ConcatVideo")


@in_virtual_time
async def test_looking_does_not_count_against_the_time_limit() -> None:
    """The minutes that it takes to be sure are not the handler's."""
    async with desk() as it:
        file_id = it.video()
        await it.doubt(process(file_id, 210), "a", effect=False)

        async with it.run(limit=5.0) as ledger:
            await ledger.call(process(file_id, 210), once="a")

        assert asyncio.get_running_loop().time() >= 15


INFO = TaskInfo.model_validate(
    {
        "status": "PROCESSING",
        "data": {"fileId": "7", "processTaskList": [{"taskType": "Transcode", "input": {"definition": 210}}]},
    }
)


@pytest.mark.parametrize(
    "action,info,fits",
    [
        (process("7", 210), INFO, True),
        (process("8", 210), INFO, False),
        (process("7", 220), INFO, False),
        (process("7", 210, 210), INFO, False),
        (process("7", 210), TaskInfo(status="WAITING"), None),
        (ProcessFile(file_id="7"), INFO, None),
        (concat("7"), INFO, None),
    ],
)
def test_a_task_fits_its_call(action: ProcessFile | ConcatVideo, info: TaskInfo, fits: object) -> None:
    """A task fits when it is of the file and makes what was asked; what it does not tell decides nothing."""
    assert fits is fitting(action, info)


def test_a_sure_task_is_preferred() -> None:
    """Of several tasks the oldest that surely fits is taken; without one, only a single candidate without a rival."""
    call, waits = process("7", 210), TaskInfo(status="WAITING")

    assert Found("b") == judge(call, [("a", waits), ("b", INFO), ("c", INFO)], rivals=3)
    assert Found("a") == judge(call, [("a", waits)], rivals=0)
    assert Unclear(("a",)) == judge(call, [("a", waits)], rivals=1)
    assert Unclear(("a", "b")) == judge(call, [("a", waits), ("b", waits)], rivals=0)
    assert Missing() == judge(process("8", 210), [("b", INFO)], rivals=0)
