"""Events and tasks: the queue's two actions, and what the service tells of the tasks of the last 72 hours."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vodworker.api.action import Action, Page, Reply
from vodworker.api.bounds import Some, State, TaskStatus, Text, UnixTime
from vodworker.api.pages import Pages
from vodworker.media import AnySubTask, Detail, Drm, MetaData, OutputFile, PlayItem, Snapshot, Texts, UnknownTask


class QueuedEvent(Detail):
    """An event and the handle that confirms it."""

    msg_handle: str | None = None
    event_content: dict[str, Any] | None = None  # its own vocabulary: `vodworker.events` reads it


class PulledEvents(Reply):
    """What waited in the queue."""

    event_list: tuple[QueuedEvent, ...] = ()


class PullEvent(Action[PulledEvents], rate=1000, safe=True, errors=(1000, 1001, 2000)):
    """Take events off the queue; without any the service holds the call for up to 5 s. An empty queue is error 4000."""


class ConfirmEvent(Action[Reply], rate=1000, safe=True, errors=(1000, 1001, 2000)):
    """Say that events arrived, within 30 s; unconfirmed ones come again. A handle that is older is error 4000."""

    msg_handle: Some[Text]
    """The handles, of one or of several events."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class TaskData(Detail):
    """The `data` of the event that ends the task, as far as the task has come; which fields depends on its type."""

    vod_task_id: str | None = None
    status: int | str | None = None  # a number, but for procedures
    err_code: int | None = None
    message: str | None = None
    file_id: str | None = None
    src_file_id: str | None = None
    file_name: str | None = None
    file_url: str | None = None
    cover_url: str | None = None
    duration: float | None = None  # s
    definition: int | None = None
    meta_data: MetaData | None = None
    drm: Drm | None = None
    play_set: tuple[PlayItem, ...] = ()
    file_info: Annotated[tuple[OutputFile, ...], BeforeValidator(_listed)] = ()  # a clip has one, not in a list
    process_task_list: tuple[AnySubTask, ...] = ()
    content_review_list: tuple[UnknownTask, ...] = ()
    ai_analysis_list: Annotated[tuple[UnknownTask, ...], Field(alias="aIAnalysisList")] = ()
    pic_info: tuple[Snapshot, ...] = ()
    total_count: int | None = None
    image_sprite_url: Texts = ()
    web_vtt_url: str | None = None


class TaskInfo(Reply):
    """How a task is going. `data` is absent while it waits."""

    type: str | None = None  # procedure, transcode, clipVideo …; letter case varies
    status: State | None = None
    create_time: int | None = None  # Unix s
    begin_process_time: int | None = None  # Unix s, 0 while it waits
    finish_time: int | None = None  # Unix s, 0 until it ends
    data: TaskData | None = None


TASK_GONE = 70014  # the only code that speaks of the task: others are about the account, the call or the service


class GetTaskInfo(Action[TaskInfo], safe=True, errors=(1000, 10027, TASK_GONE)):
    """One task of the last 72 hours, with its results so far."""

    vod_task_id: Text
    """The task."""


class TaskSummary(Detail):
    """A line of the list of tasks."""

    vod_task_id: str | None = None
    type: str | None = None
    create_time: int | None = None  # Unix s
    begin_process_time: int | None = None  # Unix s, 0 while it waits
    finish_time: int | None = None  # Unix s, 0 until it ends


class TaskPage(Detail):
    """A piece of the list of tasks. `next` is empty at its end."""

    status: State | None = None
    next: str | None = None
    task_list: tuple[TaskSummary, ...] = ()


class TaskList(Page[TaskSummary]):
    """A piece of the list of tasks."""

    data: TaskPage | None = None


class GetTaskList(
    Action[TaskList],
    safe=True,
    errors=(1000, 10027),
    pages=Pages(items="data.task_list", takes="next", gives="data.next"),
):
    """The tasks of the last 72 hours that are in one state."""

    status: TaskStatus
    """The state."""
    file_id: str | None = None
    """Only the tasks of this file."""
    max_count: Annotated[int, Field(ge=10, le=100)] = 10
    """How many in one reply."""
    next: str | None = None
    """The last task of the piece before; this one begins after it."""
    start_time: UnixTime | None = None
    """Only tasks made since then. In the manual's example, not in its table."""
    end_time: UnixTime | None = None
    """Only tasks made until then. In the manual's example, not in its table."""


class RedoTask(Action[Reply], starts_task="ProcedureStateChanged", errors=(1000, 10027, TASK_GONE, 70034)):
    """Run an ended task of the last 72 hours again, under its id; new results replace the old.

    It ends in the event that the task first ended in: the one named here is that of a procedure, the usual case.
    """

    vod_task_id: Text
    """The task."""
