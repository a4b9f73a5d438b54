"""What faults of the service must not do to a worker: each was found by the torture, and is one moment of it here."""

import asyncio

import pytest

from tests.worker.conftest import Worlds
from vodworker import Context, on
from vodworker.api import ProcessFile, Transcode
from vodworker.emulator import Plan
from vodworker.emulator.faults import Cut, Early, Latency, Step
from vodworker.events import NewFileUpload
from vodworker.testing import in_virtual_time
from vodworker.worker import Rules

pytestmark = pytest.mark.no_cover


@on(NewFileUpload)
async def submit(event: NewFileUpload, ctx: Context) -> None:
    """Start one task."""
    assert event.file_id
    await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[10])))


def upload(file_id: str) -> dict[str, object]:
    """A NewFileUpload."""
    return {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file_id}}


@pytest.mark.parametrize("confirmed", [True, False])
@in_virtual_time
async def test_early_copy_is_new_when_the_first_is_confirmed(world: Worlds, *, confirmed: bool) -> None:
    """What a slow poll brings after an equal event was confirmed is new: it may be, and a new one must not be lost."""
    slow = Latency(action="PullEvent", when="after", seconds=2, skip=1, count=1)
    async with world(faults=Plan(faults=(Early(count=1), slow))) as it:
        it.emulator.ceilings["ConfirmEvent"] = 1000 if confirmed else 0
        file_id = it.video("a")
        async with it.worker(submit):
            await asyncio.sleep(1)
            it.emulator.emit(upload(file_id))
            await asyncio.sleep(20)
            it.emulator.ceilings["ConfirmEvent"] = 1000
            await asyncio.sleep(60)

        assert it.emulator.queue.redelivered >= 1
        assert (2 if confirmed else 1) == len(it.emulator.state.tasks)


@in_virtual_time
async def test_clock_that_is_wrong_for_a_moment_kills_nothing(world: Worlds) -> None:
    """While the service does not accept our clock or keys, work waits; it is done when they are right again."""
    wrong = Step(action="ProcessFile", step=900, lasts=5, count=1)
    async with world(faults=Plan(faults=(wrong,))) as it:
        file_id = it.video("a")
        async with it.worker(submit, streams=1):
            it.emulator.emit(upload(file_id))
            await asyncio.sleep(600)
        async with it.journal() as store:
            counts = await store.counts()

        assert (0, 1, 1) == (counts["dead"], counts["done"], len(it.emulator.state.tasks))


@in_virtual_time
async def test_second_sending_is_waited_for_as_the_first(world: Worlds) -> None:
    """A call that was sent again and is still under way is in doubt, and is not sent a third time."""
    cut = Cut(action="ProcessFile", when="before", count=1)
    slow = Latency(action="ProcessFile", seconds=10, skip=1, count=1)
    async with world(faults=Plan(faults=(cut, slow))) as it:
        file_id = it.video("a")
        async with it.worker(submit, rules=Rules(timeout=3), streams=1):
            it.emulator.emit(upload(file_id))
            await asyncio.sleep(600)

        assert 1 == len(it.emulator.state.tasks)
