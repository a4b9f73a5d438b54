"""Only type-checked: what mypy and pyright must infer, and what they must refuse."""

from typing import Protocol, TypeVar, assert_type

from vodworker.api import (
    Action,
    ApplyUpload,
    CommitUpload,
    DeleteVodFile,
    GetTaskList,
    ProcessFile,
    Reply,
    Transcode,
)
from vodworker.api.processing import StartedTask
from vodworker.api.tasks import TaskList
from vodworker.api.upload import CommittedUpload, UploadSession

R = TypeVar("R", bound=Reply)


class Caller(Protocol):
    """The one method of the client."""

    async def call(self, action: Action[R]) -> R:
        """Send an action, return its reply."""
        ...


async def replies_are_inferred(vod: Caller) -> None:
    """The reply's type follows from the action."""
    assert_type(await vod.call(ProcessFile(file_id="1", transcode=Transcode(definition=(210, 220)))), StartedTask)
    assert_type((await vod.call(ProcessFile(file_id="1"))).vod_task_id, str | None)
    assert_type(await vod.call(ApplyUpload(video_type="mp4")), UploadSession)
    assert_type(await vod.call(CommitUpload(vod_session_key="k")), CommittedUpload)
    assert_type(await vod.call(DeleteVodFile(file_id="1", flush_cdn=True)), Reply)


async def parameters_are_checked() -> None:
    """A parameter that is missing, unknown or of another type does not pass."""
    ProcessFile()  # type: ignore[call-arg]
    ProcessFile(file_id="1", transcode=[210])  # type: ignore[arg-type]
    ProcessFile(file="1")  # type: ignore[call-arg]
    GetTaskList(status="DONE")  # type: ignore[arg-type]


def tables_of_replies(page: TaskList) -> None:
    """What a reply holds is typed to the leaves."""
    if page.data is not None:
        assert_type(page.data.task_list[0].vod_task_id, str | None)
