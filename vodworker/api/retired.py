"""The manual's appendix: actions that still answer, and that others have replaced."""

from typing import Annotated

from pydantic import Field

from vodworker.api.action import Action, Page, Reply
from vodworker.api.bounds import AnyOf, Code, Seconds, Several, Text
from vodworker.api.pages import Pages
from vodworker.api.procedures import PROCEDURE
from vodworker.api.video_info import Playable
from vodworker.media import Detail, Texts

READING = (1, 1000, 1001, 1003, 2000, 10008, 10022)


class PlayUrls(Reply):
    """The playable versions."""

    play_set: tuple[Playable, ...] = ()


class DescribeVodPlayUrls(Action[PlayUrls], safe=True, errors=READING, deprecated="GetVideoInfo"):
    """The playable versions of a file."""

    file_id: Text
    """The file."""


class OldFileInfo(Detail):
    """A file. Times are Beijing's, such as 2015-01-12 21:37:11."""

    file_id: str | None = None
    file_name: str | None = None
    file_intro: str | None = None  # in the example
    description: str | None = None  # in the table
    size: int | None = None  # bytes
    duration: float | None = None  # s
    status: int | None = None
    vid: str | None = None
    create_time: str | None = None
    update_time: str | None = None
    class_id: int | None = None
    class_name: str | None = None
    image_url: str | None = None
    tags: Texts = ()


class OldFileList(Page[OldFileInfo]):
    """A piece of the list."""

    total_count: int | None = None
    file_set: tuple[OldFileInfo, ...] = ()


class DescribeVodInfo(
    Action[OldFileList],
    safe=True,
    errors=READING,
    deprecated="GetVideoInfo",
    pages=Pages(items="file_set", takes="page_no", total="total_count"),
):
    """Files by id, time, class or status."""

    file_ids: Several[Text] | None = None
    """The files; the manual says that one at a time is all it takes."""
    from_: str | None = None
    """Made since then, such as 1970-1-1 00:00:00."""
    to: str | None = None
    """Made until then."""
    class_id: int | None = None
    """Only of this class."""
    status: Annotated[int | None, AnyOf((-1, 0, 1, 2, 3, 4, 5, 6, 7, 100))] = None
    """-1 not there yet, 0 new, 1 refused, 2 normal, 3 paused, 4 transcoding, 5 publishing, 6 deleting, 7 not
    transcoded, 100 deleted."""
    newest_first: Annotated[bool, Field(alias="orderby")] = False
    """By time, downward."""
    page_no: Annotated[int | None, Field(ge=1)] = None
    """Which piece, from 1."""
    page_size: Annotated[int | None, Field(ge=10, le=100)] = None
    """How many in one reply."""


class ClippedHls(Reply):
    """The new file."""

    new_file_id: str | None = None
    new_file_url: str | None = None


class SimpleClipHls(Action[ClippedHls], errors=(1000, 1001, 10009), deprecated="ConcatVideo"):
    """Cut a piece out of a live recording in HLS; it shares the recording's segments, and dies with it."""

    src_file_id: Text
    """The recording."""
    new_file_name: Text
    """The name of the new file."""
    start_time_offset: Seconds
    """Where the piece begins; below 0 counts from the end."""
    end_time_offset: Seconds
    """Where it ends; below 0 counts from the end."""


class DescribeVodCover(Action[Reply], safe=True, deprecated="ProcessFile"):
    """Make a screenshot the cover of its file. The manual names no heir; a cover is a task of ProcessFile now."""

    file_id: Text
    """The file."""
    type: Annotated[int, AnyOf((1,))] = 1
    """There is no other way: the address of a screenshot."""
    para: Text
    """The screenshot's address."""


class ProcedureStarted(Reply):
    """The tasks of the flow: the manual's table names each, its example has one for all."""

    procedure_task_id: str | None = None
    transcode_task_id: str | None = None
    image_sprite_task_id: str | None = None


class ProcessFileByProcedure(
    Action[ProcedureStarted],
    starts_task="ProcedureStateChanged",
    errors=PROCEDURE,
    deprecated="RunProcedure",
):
    """Start a flow of tasks on a file by its template's name."""

    file_id: Text
    """The file."""
    procedure: Annotated[str | None, Code(50007)] = None
    """The template of the flow."""
