"""Only type-checked: what mypy and pyright must infer, and what they must refuse."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar, assert_type

from vodworker.api import (
    Action,
    ApplyUpload,
    CommitUpload,
    DeleteVodFile,
    DescribeVodPlayInfo,
    FoundFile,
    GetTaskInfo,
    GetTaskList,
    GetVideoInfo,
    Page,
    ProcessFile,
    Reply,
    TaskSummary,
    Transcode,
)
from vodworker.api.processing import StartedTask
from vodworker.api.tasks import TaskList
from vodworker.api.upload import CommittedUpload, UploadSession

R = TypeVar("R", bound=Reply)
ItemT = TypeVar("ItemT")


class Caller(Protocol):
    """The methods of the client."""

    async def call(self, action: Action[R]) -> R:
        """Send an action, return its reply."""
        ...

    def pages(self, action: Action[Page[ItemT]]) -> AsyncIterator[ItemT]:
        """All items of a long list."""
        ...


async def replies_are_inferred(vod: Caller) -> None:
    """The reply's type follows from the action."""
    assert_type(await vod.call(ProcessFile(file_id="1", transcode=Transcode(definition=(210, 220)))), StartedTask)
    assert_type((await vod.call(ProcessFile(file_id="1"))).vod_task_id, str | None)
    assert_type(await vod.call(ApplyUpload(video_type="mp4")), UploadSession)
    assert_type(await vod.call(CommitUpload(vod_session_key="k")), CommittedUpload)
    assert_type(await vod.call(DeleteVodFile(file_id="1", flush_cdn=True)), Reply)


async def items_are_inferred(vod: Caller) -> None:
    """The items of a long list are typed by its reply; other replies are no such list."""
    async for task in vod.pages(GetTaskList(status="FINISH")):
        assert_type(task, TaskSummary)
    async for file in vod.pages(DescribeVodPlayInfo(file_name="a")):
        assert_type(file, FoundFile)
    vod.pages(GetVideoInfo(file_id="1"))  # type: ignore[arg-type]


async def parameters_are_checked() -> None:
    """A parameter that is missing, unknown or of another type does not pass."""
    ProcessFile()  # type: ignore[call-arg]
    ProcessFile(file_id="1", transcode=[210])  # type: ignore[arg-type]
    ProcessFile(file="1")  # type: ignore[call-arg]
    GetTaskList(status="DONE")  # type: ignore[arg-type]


async def replies_are_typed(vod: Caller, page: TaskList) -> None:
    """What a reply holds is typed to the leaves."""
    info = await vod.call(GetVideoInfo(file_id="1", info_filter=["basicInfo"]))
    assert_type(info.basic_info.name if info.basic_info else None, str | None)
    task = await vod.call(GetTaskInfo(vod_task_id="1"))
    assert_type(task.data.err_code if task.data else None, int | None)
    if page.data is not None:
        assert_type(page.data.task_list[0].vod_task_id, str | None)
