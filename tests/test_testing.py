"""What users test their handlers with: it answers as it is told, notes everything, and is what it stands for."""

import pytest

from vodworker.api import GetTaskInfo, ModifyVodInfo, ProcessFile, RedoTask, Reply, TaskInfo
from vodworker.errors import Refused, refusal
from vodworker.router import Caller
from vodworker.testing import Recorder, context

ASK = GetTaskInfo(vod_task_id="t")
REDO = RedoTask(vod_task_id="t")


async def test_recorder_notes_and_answers() -> None:
    """Without being told anything, it notes each call and answers well; what starts a task gets the id of a new one."""
    vod = Recorder()
    caller: Caller = vod

    started = [(await caller.call(ProcessFile(file_id=file_id))).vod_task_id for file_id in ("a", "a")]
    changed = await caller.call(ModifyVodInfo(file_id="a"))

    assert ["task-1", "task-2"] == started
    assert Reply() == changed
    assert [ProcessFile(file_id="a"), ProcessFile(file_id="a"), ModifyVodInfo(file_id="a")] == vod.calls
    assert "<Recorder of 3 calls>" == repr(vod)


async def test_recorder_answers_as_it_is_told() -> None:
    """A reply is given, an error is raised; replies can be changed on the way."""
    vod = Recorder({GetTaskInfo: refusal("GetTaskInfo", code=70014)})

    with pytest.raises(Refused, match="70014"):
        await vod.call(ASK)
    vod.replies[GetTaskInfo] = TaskInfo(status="FINISH")

    assert TaskInfo(status="FINISH") == await vod.call(ASK)
    assert [ASK, ASK] == vod.calls


async def test_recorder_knows_what_was_done_once() -> None:
    """A call of one name gets its first reply, whatever its parameters; one that failed or is safe is made again."""
    vod = Recorder({RedoTask: refusal("RedoTask", code=6000)})

    first = await vod.call(ProcessFile(file_id="a"), once="process")
    again = await vod.call(ProcessFile(file_id="b"), once="process")
    other = await vod.call(ProcessFile(file_id="b"), once="another")
    for _ in range(2):
        with pytest.raises(Refused):
            await vod.call(REDO, once="redo")
        await vod.call(ASK, once="ask")

    assert ["task-1", "task-1", "task-2"] == [reply.vod_task_id for reply in (first, again, other)]
    assert [ProcessFile(file_id="a"), ProcessFile(file_id="b"), REDO, ASK, REDO, ASK] == vod.calls


async def test_context_has_what_a_handler_needs() -> None:
    """Without being told anything, it is the first run of a handler without options, with time enough."""
    ctx = context()

    assert (1, 1, {}, 300) == (ctx.attempt, ctx.event_id, dict(ctx.options), ctx.deadline.limit)
    assert isinstance(ctx.vod, Recorder)
    ctx.log.info("nobody.listens")


async def test_context_tells_what_was_logged() -> None:
    """Each line is a dict, what is bound on it included; nothing is printed."""
    told: list[dict[str, object]] = []
    log = context(told=told).log

    log.bind(key="f1").info("upload.seen", size=7)
    log.debug("upload.ignored")

    assert [
        {"level": "info", "event": "upload.seen", "size": 7, "key": "f1"},
        {"level": "debug", "event": "upload.ignored"},
    ] == told
