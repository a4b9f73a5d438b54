"""Calls in doubt: what became of them is looked for, and nothing is paid for twice."""

import asyncio

import pytest

from tests.cloud.desk import concat, desk, process
from vodworker.api import CreateClass, CreateImageSprite, DeleteVodFile, ProcessFile, RedoTask
from vodworker.api.action import Action, Reply
from vodworker.api.tasks import TaskInfo, TaskSummary
from vodworker.cloud.doubt import SKEW, Fit, Found, Missing, Unclear, Verdict, fitting, judge, kindred, redone
from vodworker.emulator.faults import Code
from vodworker.errors import Denied, InDoubt
from vodworker.testing import in_virtual_time


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

        with pytest.raises(InDoubt, match=r"it was sent and may have started .* or .*; look, then redrive"):
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


def told(**data: object) -> TaskInfo:
    """A task that has begun, and this is what it tells."""
    return TaskInfo.model_validate({"status": "PROCESSING", "data": data})


INFO = told(fileId="7", processTaskList=[{"taskType": "Transcode", "input": {"definition": 210}}])


@pytest.mark.parametrize(
    "action,info,fits",
    [
        (process("7", 210), INFO, Fit.SURELY),
        (process("8", 210), INFO, Fit.NOT),
        (process("7", 220), INFO, Fit.NOT),
        (process("7", 210, 210), INFO, Fit.NOT),
        (process("7", 210), TaskInfo(status="WAITING"), Fit.LATER),
        (process("7", 210), told(fileId="7"), Fit.LATER),
        (ProcessFile(file_id="7"), INFO, Fit.PERHAPS),
        (ProcessFile(file_id="7"), TaskInfo(status="WAITING"), Fit.PERHAPS),
        (CreateImageSprite(file_id="7", definition=10), told(fileId="7", definition=10), Fit.SURELY),
        (CreateImageSprite(file_id="7", definition=20), told(fileId="7", definition=10), Fit.NOT),
        (concat("7"), INFO, Fit.PERHAPS),
    ],
)
def test_a_task_fits_its_call(action: Action[Reply], info: TaskInfo, fits: Fit) -> None:
    """A task fits when it is of the file and makes what was asked; what it does not tell decides nothing."""
    assert fits is fitting(action, info)


def test_a_sure_task_is_preferred() -> None:
    """Of several tasks the oldest that surely fits is taken; without one, only a single candidate without a rival."""
    call, join, waits = process("7", 210), concat("7"), TaskInfo(status="WAITING")

    assert Found("b") == judge(call, [("a", waits), ("b", INFO), ("c", INFO)], rivals=3)
    assert Found("a") == judge(join, [("a", waits)], rivals=0)
    assert Unclear(("a",)) == judge(join, [("a", waits)], rivals=1)
    assert Unclear(("a", "b")) == judge(join, [("a", waits), ("b", waits)], rivals=0)
    assert Unclear(("a",)) == judge(call, [("a", waits)], rivals=0)
    assert Missing() == judge(process("8", 210), [("b", INFO)], rivals=0)


@pytest.mark.parametrize(
    "action,task,is_kin",
    [
        (process("7", 210), TaskSummary(type="procedure"), True),
        (process("7", 210), TaskSummary(type="Concat"), False),
        (process("7", 210), TaskSummary(vod_task_id="1-Procedure-00"), True),
        (concat("7"), TaskSummary(vod_task_id="concat-00"), True),
        (concat("7"), TaskSummary(type="procedure", vod_task_id="1-Procedure-00"), False),
        (concat("7"), TaskSummary(), False),
    ],
)
def test_a_task_is_kin_of_its_call(action: Action[Reply], task: TaskSummary, is_kin: bool) -> None:  # noqa: FBT001
    """The word of the event in which the call ends is in the task's type or its id."""
    assert is_kin == kindred(action, task)


@pytest.mark.parametrize(
    "status,ended,verdict",
    [
        ("PROCESSING", 0, Found("t")),
        ("waiting", 1000, Found("t")),
        ("FINISH", 1000 + SKEW + 1, Found("t")),
        ("FINISH", 1000 - SKEW - 1, Missing()),
        ("FINISH", 1000, Unclear(("t",))),
        ("FINISH", None, Missing()),
    ],
)
def test_what_was_run_again_ends_again(status: str, ended: float | None, verdict: Verdict) -> None:
    """A task that runs, or has ended since, was run again; where clocks may differ by more, nothing tells."""
    info = TaskInfo.model_validate({"status": status, "finishTime": ended and int(ended)})

    assert verdict == redone("t", info, since=1000)


@in_virtual_time
async def test_a_task_that_tells_nothing_yet_is_not_adopted() -> None:
    """A foreign task that waits is not taken for ours, be it the only one: until it tells its outputs."""
    async with desk(queued=30) as it:
        file_id = it.video()
        await it.doubt(process(file_id, 210), "a", effect=False)
        foreign = await it.vod.call(process(file_id, 220))

        reply = await it.call(process(file_id, 210), once="a")

        assert foreign.vod_task_id != reply.vod_task_id
        assert 2 == len(it.emulator.state.tasks)


@in_virtual_time
async def test_an_older_task_is_not_adopted() -> None:
    """A task that began before the call was about to be sent is another's, though it fits."""
    async with desk() as it:
        file_id = it.video()
        old = await it.vod.call(process(file_id, 210))
        await asyncio.sleep(2 * SKEW)
        await it.doubt(process(file_id, 210), "a", effect=False)

        assert old.vod_task_id != (await it.call(process(file_id, 210), once="a")).vod_task_id


@in_virtual_time
async def test_a_task_of_another_kind_is_not_adopted() -> None:
    """Of what began since, only tasks of the right kind are looked at."""
    async with desk() as it:
        file_id = it.video()
        await it.doubt(concat(file_id), "a", effect=False)
        await it.vod.call(process(file_id, 210))

        reply = await it.call(concat(file_id), once="a")

        assert (reply.vod_task_id or "").startswith("concat")
        assert 1 == it.emulator.audit.arrivals("ConcatVideo")


@in_virtual_time
async def test_a_rival_makes_it_unclear() -> None:
    """One task and two calls in doubt that could have started it: neither takes it."""
    async with desk() as it:
        file_id = it.video()
        await it.doubt(concat(file_id), "a", effect=True)
        await it.doubt(concat(file_id), "b", effect=False)

        with pytest.raises(InDoubt):
            await it.call(concat(file_id), once="b")

        assert 1 == it.emulator.audit.arrivals("ConcatVideo")


@pytest.mark.parametrize("effects", [1, 2])
@in_virtual_time
async def test_equal_calls_that_look_at_once_share_their_tasks(effects: int) -> None:
    """Two equal calls in doubt that look together adopt one task each; what is missing is sent, and no more."""
    async with desk() as it:
        call = process(it.video(), 210)
        for number, once in enumerate("ab"):
            await it.doubt(call, once, effect=number < effects)

        async with asyncio.TaskGroup() as group:
            both = [group.create_task(it.call(call, once=once)) for once in "ab"]

        assert {*it.emulator.state.tasks} == {each.result().vod_task_id for each in both}
        assert 2 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_who_may_not_ask_knows_nothing() -> None:
    """A refusal to tell of a task is not taken for its absence: nothing is sent again."""
    async with desk(Code(action="GetTaskInfo", code=4103)) as it:
        call = process(it.video(), 210)
        await it.doubt(call, "a", effect=True)

        with pytest.raises(Denied):
            await it.call(call, once="a")

        assert 1 == it.emulator.audit.arrivals("ProcessFile")


@in_virtual_time
async def test_a_task_that_is_gone_is_not_ours() -> None:
    """A task that the service forgets while it is looked at is left out."""
    async with desk(Code(action="GetTaskInfo", code=70014)) as it:
        call = process(it.video(), 210)
        await it.doubt(call, "a", effect=True)

        assert 1 == len(it.emulator.state.tasks)
        assert (await it.call(call, once="a")).vod_task_id
        assert 2 == len(it.emulator.state.tasks)


@pytest.mark.parametrize("effect", [True, False])
@in_virtual_time
async def test_a_task_is_run_again_once(effect: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A RedoTask in doubt is looked for in the task that it names, whoever started that."""
    async with desk(queued=30) as it:
        task = (await it.call(process(it.video(), 210))).vod_task_id or ""
        await asyncio.sleep(500)
        await it.doubt(RedoTask(vod_task_id=task), "a", effect=effect)

        for _ in range(2):
            await it.call(RedoTask(vod_task_id=task), once="a")

        assert 1 == it.emulator.audit.arrivals("RedoTask")


@in_virtual_time
async def test_nothing_to_look_for_is_not_sent_again() -> None:
    """A call that would cost something twice, and leaves no task to look for, is the handler's choice."""
    async with desk() as it:
        call = CreateClass(class_name="x", parent_id=-1)
        await it.doubt(call, "a", effect=True)

        with pytest.raises(InDoubt, match="CreateClass: it was sent and may have had its effect"):
            await it.call(call, once="a")
        sent = it.emulator.audit.arrivals("CreateClass")
        await it.call(call, once="a", on_doubt="resend")

        assert (1, 2) == (sent, it.emulator.audit.arrivals("CreateClass"))


@in_virtual_time
async def test_what_is_harmless_is_sent_again() -> None:
    """A deletion in doubt is sent again, unless the handler does not want that: to delete twice is to delete once."""
    async with desk() as it:
        call = DeleteVodFile(file_id=it.video())
        await it.doubt(call, "a", effect=False)

        with pytest.raises(InDoubt):
            await it.call(call, once="a", on_doubt="reject")
        await it.call(call, once="a")

        assert 1 == it.emulator.audit.arrivals("DeleteVodFile")
