"""What users test their handlers with: it answers as it is told, notes everything, and is what it stands for."""

import asyncio
import re
from typing import Any

import pytest

from vodworker import Context, Done, Reject, Retry, on
from vodworker.api import GetTaskInfo, ModifyVodInfo, ProcessFile, RedoTask, Reply, TaskInfo, Transcode
from vodworker.emulator.faults import Code, Plan
from vodworker.errors import BadReply, CallError, Denied, InDoubt, InvalidCall, Refused, Unreachable, refusal
from vodworker.events import EVENTS, Event, FileDeleted, NewFileUpload, TaskComplete, TaskEvent, Unknown, decode, peek
from vodworker.handler import Caller
from vodworker.outcome import Outcome
from vodworker.testing import FAULTS, Recorder, Stage, context, run, sample, samples

ASK = GetTaskInfo(vod_task_id="t")
REDO = RedoTask(vod_task_id="t")


@pytest.mark.parametrize("thing", [ProcessFile, "ProcessFile", None])
async def test_what_is_no_action_is_refused(thing: Any) -> None:
    """A test finds a call of something that is no action, as the daemon would, and learns what to write."""
    vod = Recorder()

    with pytest.raises(InvalidCall, match=r"takes an action, as in GetVideoInfo\(file_id=…\), not "):
        await vod.call(thing)
    assert [] == vod.calls


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


@pytest.mark.parametrize(
    "fault,error,retryable",
    [
        ("unreachable", Unreachable, True),
        ("lost", Unreachable, True),
        ("foreign", BadReply, True),
        ("denied", Denied, False),
        ("ill", Refused, True),
        ("gone", Refused, False),
        ("doubtful", InDoubt, False),
        (70014, Refused, False),
    ],
)
async def test_recorder_fails_by_name(fault: str | int, error: type[CallError], retryable: bool) -> None:  # noqa: FBT001  # a parameter
    """What goes wrong is named: each fault is the error that a handler would get; a number is a code of the service."""
    vod = Recorder({ProcessFile: fault})

    with pytest.raises(error) as caught:
        await vod.call(ProcessFile(file_id="a"))

    assert (error, retryable) == (type(caught.value), caught.value.retryable)
    assert 1 == len(vod.calls)


async def test_unknown_fault_is_told() -> None:
    """A fault that there is not names the nearest, or all."""
    for wrong, remedy in (("unreacheable", "did you mean unreachable?"), ("zzz", f"there are {', '.join(FAULTS)}")):
        with pytest.raises(ValueError, match=f"{wrong} is no fault; {re.escape(remedy)}"):
            await Recorder({GetTaskInfo: wrong}).call(ASK)


# run


def transcoding(file_id: str) -> ProcessFile:
    """What the handlers here submit."""
    return ProcessFile(file_id=file_id, transcode=Transcode(definition=[20]))


@on(NewFileUpload)
async def submit(event: NewFileUpload, ctx: Context) -> Outcome:
    """A handler that waits, calls and logs."""
    if not event.file_id:
        return Reject("no file")
    await asyncio.sleep(100)
    task = await ctx.vod.call(transcoding(event.file_id), once="process")
    ctx.log.info("submitted", task_id=task.vod_task_id, left=round(ctx.deadline.left))
    return None


@on(NewFileUpload)
def submit_in_thread(event: NewFileUpload, ctx: Context) -> Outcome:
    """A plain handler."""
    ctx.wait(ctx.vod.call(ProcessFile(file_id=event.file_id or "")))
    return Retry(ctx.attempt)


def test_handler_runs_in_a_synchronous_test() -> None:
    """A run is over when it returns, however long its handler waits; what was submitted and logged is there."""
    ran = run(submit, sample(NewFileUpload, file_id="7"))

    assert Done() == ran.outcome
    assert [transcoding("7")] == ran.vod.calls
    assert [{"level": "info", "event": "submitted", "task_id": "task-1", "left": 200}] == ran.told
    assert "<Run of submit: Done()>" == repr(ran)
    assert Retry(2) == run(submit_in_thread, sample(NewFileUpload), attempt=2).outcome


async def test_handler_runs_in_an_async_test() -> None:
    """There a run is awaited, and says so when it was not."""
    ran = run(submit_in_thread, sample(NewFileUpload))
    with pytest.raises(RuntimeError, match="await run"):
        assert ran.outcome

    assert Retry(1) == (await ran).outcome
    assert Reject("no file") == (await run(submit, NewFileUpload())).outcome


def test_a_service_remembers_from_run_to_run(vod: Recorder) -> None:
    """Two runs with one service are two attempts: what was done once is not done again."""
    first, later = (run(submit, sample(NewFileUpload), vod=vod, attempt=attempt) for attempt in (1, 2))

    assert 1 == len(vod.calls)
    assert first.told == later.told


def test_what_a_handler_raises_is_raised() -> None:
    """An error is the test's own to expect: the handler's, the service's, its time limit, an outcome that is none."""

    @on(NewFileUpload)
    def wrong(event: NewFileUpload, ctx: Context) -> Any:
        return 7

    with pytest.raises(Denied):
        run(submit, sample(NewFileUpload), vod=Recorder({ProcessFile: "denied"}))
    with pytest.raises(TimeoutError, match="time limit of 30 s"):
        run(submit, sample(NewFileUpload), limit=30)
    with pytest.raises(TypeError, match="wrong returned 7, which is no outcome"):
        run(wrong, sample(NewFileUpload))


def test_a_handler_is_a_function_like_any_other() -> None:
    """Without `run`, and where no loop runs yet, a handler can be called with a context of its own."""
    vod = Recorder()

    asyncio.run(submit_quickly(sample(NewFileUpload), context(vod)))
    submit_in_thread(sample(NewFileUpload), context(vod))

    assert 2 == len(vod.calls)


@on(NewFileUpload)
async def submit_quickly(event: NewFileUpload, ctx: Context) -> None:
    """One that does not wait."""
    assert ctx.deadline.left == ctx.deadline.limit
    await ctx.vod.call(ProcessFile(file_id=event.file_id or ""))


# samples


@pytest.mark.parametrize("event", samples(), ids=lambda event: event.type)
def test_sample_is_as_received(event: Event) -> None:
    """Each is decoded from bytes, has a key, all its fields are known, and its work went well."""
    assert event == decode(event.raw)
    assert event.key
    assert {} == (event.model_extra or {}) or isinstance(event, Unknown)
    if isinstance(event, TaskEvent):
        assert event.vod_task_id
    if isinstance(event, TaskComplete):
        assert not event.failed
        assert event.vod_task_id == peek({"eventType": event.type, "data": event.data})[2]


def test_there_is_a_sample_of_each() -> None:
    """Every type that is known, and one that is not."""
    assert [*EVENTS, "Unheard"] == [event.type for event in samples()]


def test_sample_is_changed_by_name() -> None:
    """Other values go by the names of the attributes; None leaves a field out; an unknown event takes any field."""
    changed = sample(NewFileUpload, file_id="7", file_name=None)

    assert ("7", None, "ServerUpload") == (changed.file_id, changed.file_name, changed.source_type)
    assert "fileName" not in changed.data
    assert {"fileId": "9", "voice": "low"} == sample(Unknown, fileId="9", voice="low").data


def test_wrong_sample_is_told() -> None:
    """A field that the event has not names the nearest; a family is no type."""
    with pytest.raises(TypeError, match=r"NewFileUpload has no fileid; did you mean file_id\?"):
        sample(NewFileUpload, fileid="7")
    with pytest.raises(TypeError, match=r"FileDeleted has no zzz$"):
        sample(FileDeleted, zzz="7")
    with pytest.raises(TypeError, match="nothing is received as TaskEvent; there are NewFileUpload"):
        sample(TaskEvent)


# the stage


def test_stage_plays_the_whole_path(stage: Stage) -> None:
    """Uploads are told, pulled, journalled, handled; minutes pass at once, and a later worker goes on."""
    stage.upload("lesson")
    broken = Code(action="ProcessFile", code=6000)
    stage.emulator.faults.set(Plan(faults=(broken,)))
    (before,) = stage.work(submit, seconds=150, limits={"ProcessFile": 1}, options={"submit": {}})
    stage.emulator.faults.clear()
    stage.wait(3600)
    (after,) = stage.work(submit, seconds=150)

    assert ("ready", "done") == (before["state"], after["state"])
    assert 1 == len(stage.emulator.state.tasks)
    assert repr(stage).startswith("<Stage of <Emulator")
