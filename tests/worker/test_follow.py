"""Tasks followed to their end: origins, events that never come, events that come too late."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from vodworker.api import ConcatVideo, ProcessFile, RedoTask, SourceFile, Transcode
from vodworker.emulator import Plan
from vodworker.emulator.faults import Code, Cut
from vodworker.events import ConcatComplete, NewFileUpload, ProcedureStateChanged
from vodworker.handler import Context, on
from vodworker.journal.port import Origin
from vodworker.testing import in_virtual_time
from vodworker.worker.follow import OVERDUE


def uploaded(file_id: str) -> dict[str, Any]:
    """A NewFileUpload as the service writes it."""
    return {"version": "4.0", "eventType": "NewFileUpload", "data": {"fileId": file_id}}


def processing(*, notify: Any = "Finish") -> Any:
    """A handler that starts a task on each upload."""

    @on(NewFileUpload)
    async def process(event: NewFileUpload, ctx: Context) -> None:
        part = Transcode(definition=[210])
        await ctx.vod.call(ProcessFile(file_id=str(event.file_id), transcode=part, notify_mode=notify))

    return process


@in_virtual_time
async def test_a_completion_tells_where_its_task_came_from(world: Any) -> None:
    """The event that ends a task carries the event, the handler and the action that started it."""
    origins: list[Origin | None] = []

    @on(ProcedureStateChanged)
    async def hear(event: ProcedureStateChanged, ctx: Context) -> None:
        origins.append(ctx.origin)

    async with world() as it, it.worker(processing(), hear):
        it.emulator.emit(uploaded(it.video("a")))
        await asyncio.sleep(10)
        async with it.journal() as store:
            out = await store.tasks()

    assert [Origin(1, "process", "ProcessFile")] == origins
    assert [] == out


@in_virtual_time
async def test_an_event_that_never_came_is_found(world: Any) -> None:
    """A task that ended without an event is asked for, and its end is handled as if the event came: at once, once."""
    heard: list[tuple[str | None, bool]] = []

    @on(ProcedureStateChanged)
    async def hear(event: ProcedureStateChanged, ctx: Context) -> None:
        heard.append((event.file_id, event.finished))
        assert ctx.origin

    async with world() as it:
        file_id = it.video("a")
        it.emulator.emit(uploaded(file_id))
        with capture_logs() as told:
            async with it.worker(processing(notify="None"), hear, streams=1):
                await asyncio.sleep(OVERDUE - 60)
                async with it.journal() as store:
                    (out,) = await store.tasks()
                before = list(heard)
                it.asked.clear()
                await asyncio.sleep(2 * OVERDUE)

    assert ("ProcessFile", "process", "ProcedureStateChanged", 1) == tuple(
        out[name] for name in ("action", "handler", "waits_for", "event_id")
    )
    assert [] == before
    assert [(file_id, True)] == heard
    assert "claim" in it.asked[it.asked.index("record") : it.asked.index("record …")]
    assert 1 == len([line for line in told if line["event"] == "task.found"])
    assert 1 == it.emulator.audit.arrivals("GetTaskInfo")


@pytest.mark.no_cover
@in_virtual_time
async def test_an_event_that_comes_after_it_was_found_is_a_copy(world: Any) -> None:
    """The event of a task whose end was found is confirmed, recognised and not handled again."""
    heard: list[str] = []

    @on(ProcedureStateChanged)
    async def hear(event: ProcedureStateChanged, ctx: Context) -> None:
        heard.append(event.key)

    async with world() as it:
        it.emulator.emit(uploaded(it.video("a")))
        with capture_logs() as told:
            async with it.worker(processing(notify="None"), hear, streams=1):
                await asyncio.sleep(OVERDUE + 60)
                (task,) = it.emulator.state.tasks.values()
                late = {"vodTaskId": task.id, "status": "FINISH", "fileId": task.file_id, "errCode": 0}
                it.emulator.emit({"version": "4.0", "eventType": "ProcedureStateChanged", "data": late})
                await asyncio.sleep(60)

    assert 1 == len(heard)
    assert 0 == len(it.emulator.queue)
    assert 1 == len([line for line in told if line["event"] == "event.duplicate"])


@pytest.mark.no_cover
@in_virtual_time
async def test_an_end_that_is_told_before_its_task_is_known_is_no_news_later(world: Any) -> None:
    """Where the reply to a call is lost, its task may have ended before it is found: its end is handled once."""
    heard: list[str] = []

    @on(ProcedureStateChanged)
    async def hear(event: ProcedureStateChanged, ctx: Context) -> None:
        heard.append(event.key)

    cut = Cut(action="ProcessFile", when="after", count=1)
    async with world(faults=Plan(faults=(cut,))) as it, it.worker(processing(), hear, streams=1):
        file_id = it.video("a")
        it.emulator.emit(uploaded(file_id))
        await asyncio.sleep(60)
        async with it.journal() as store:
            out = await store.tasks()
        await asyncio.sleep(2 * OVERDUE)

    assert ([file_id], []) == (heard, out)


@in_virtual_time
async def test_a_task_that_is_run_again_is_expected_again(world: Any) -> None:
    """RedoTask keeps the task's id; its second end is an event of its own."""
    ends: list[str] = []

    @on(ProcedureStateChanged)
    async def again(event: ProcedureStateChanged, ctx: Context) -> None:
        ends.append(str(event.vod_task_id))
        if len(ends) == 1:
            await ctx.vod.call(RedoTask(vod_task_id=str(event.vod_task_id)))

    async with world() as it, it.worker(processing(), again, streams=1):
        it.emulator.emit(uploaded(it.video("a")))
        await asyncio.sleep(30)
        async with it.journal() as store:
            out = await store.tasks()

    assert 2 == len(ends)
    assert [] == out


@pytest.mark.no_cover
@in_virtual_time
async def test_a_running_task_is_asked_for_ever_more_seldom(world: Any) -> None:
    """The intervals double: after 10 minutes, after 30, after 70."""

    @on(NewFileUpload)
    async def joins(event: NewFileUpload, ctx: Context) -> None:
        source = SourceFile(file_id=str(event.file_id))
        await ctx.vod.call(ConcatVideo(src_file_list=[source, source], name="x", dst_type=["mp4"]))

    @on(ConcatComplete)
    async def hear(event: ConcatComplete, ctx: Context) -> None:
        ends.append(event.key)

    ends: list[str] = []
    async with world(queued=3 * OVERDUE + 30) as it:
        it.emulator.emit(uploaded(it.video("a")))
        async with it.worker(joins, hear, streams=1):
            await asyncio.sleep(3 * OVERDUE + 60)

    assert 1 == len(ends)
    assert 2 == it.emulator.audit.arrivals("GetTaskInfo")


@in_virtual_time
async def test_a_task_that_is_gone_is_told_and_forgotten(world: Any) -> None:
    """When the service no longer knows a task, the operator is told, and nobody asks again."""
    async with world() as it:
        it.emulator.emit(uploaded(it.video("a")))
        with capture_logs() as told:
            async with it.worker(processing(notify="None"), streams=1):
                await asyncio.sleep(60)
                it.emulator.state.tasks.clear()
                await asyncio.sleep(2 * OVERDUE)
                async with it.journal() as store:
                    out = await store.tasks()

    assert 1 == len([line for line in told if line["event"] == "task.gone"])
    assert 1 == it.emulator.audit.arrivals("GetTaskInfo")
    assert [] == out


@in_virtual_time
async def test_a_refusal_that_says_nothing_of_the_task_forgets_nothing(world: Any) -> None:
    """While the service does not accept the account, a task stays out, and is found when it does again."""
    heard: list[str] = []

    @on(ProcedureStateChanged)
    async def hear(event: ProcedureStateChanged, ctx: Context) -> None:
        heard.append(event.key)

    denied = Code(action="GetTaskInfo", code=4100, message="wrong keys", count=1)
    async with world(faults=Plan(faults=(denied,))) as it:
        it.emulator.emit(uploaded(it.video("a")))
        with capture_logs() as told:
            async with it.worker(processing(notify="None"), hear, streams=1):
                await asyncio.sleep(OVERDUE + 60)
                async with it.journal() as store:
                    out = await store.tasks()
                await asyncio.sleep(2 * OVERDUE)

    assert 1 == len(out)
    assert 1 == len(heard)
    assert (0, [4100]) == (
        len([line for line in told if line["event"] == "task.gone"]),
        [line["code"] for line in told if line["event"] == "call.failed"],
    )
