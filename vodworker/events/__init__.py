"""What happened: a frozen model for each type of event, and decoding that never raises and never drops.

Pure. An event's attributes are the fields of its `data`, each None (a list: empty) when the service did not send it or
sent what cannot be read; unknown fields are in `model_extra`, everything is in `data` and `raw` as it came.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import BaseModel, Field

from vodworker.media import (
    FINISH,
    AnySubTask,
    Detail,
    Drm,
    MetaData,
    OutputFile,
    PlayItem,
    PornImage,
    Review,
    Snapshot,
    Texts,
    UnknownTask,
    is_state,
)
from vodworker.wire import camel, dumps, loads

VERSION = "4.0"  # of the envelope, in every event of the manual; some pages print the number 4


class Envelope(NamedTuple):
    """What every event came in. `type` and `version` are "" and `data` is empty when they could not be read."""

    type: str
    version: str
    data: dict[str, Any]
    raw: bytes


@cache
def names_of(kind: type[BaseModel]) -> frozenset[str]:
    """The names of its fields, ours and the service's."""
    fields = kind.model_fields.items()
    return frozenset(
        {name for name, _ in fields} | {str(field.validation_alias or camel(name)) for name, field in fields}
    )


class Event(Detail):
    """Anything that happened. Two events are equal when their bytes are."""

    if not TYPE_CHECKING:  # checkers know the names, and would take this for a class that takes any

        def __new__(cls, **fields: object) -> Self:
            """Refuse a slip: a name that the service sends is read without coming by here, one given here is known."""
            if fields and cls.model_fields and (strange := fields.keys() - names_of(cls)):
                near = get_close_matches(min(strange), cls.model_fields, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"it has {', '.join(cls.model_fields)}"
                raise TypeError(f"{cls.__name__} has no field {min(strange)}; {remedy}")
            return object.__new__(cls)

    @property
    def envelope(self) -> Envelope:
        """What the event came in; for one that was made here, what it would come in."""
        kept: Envelope | None = self.__dict__.get("_envelope")
        if kept is not None:
            return kept
        name = type(self).__name__
        data = self.model_dump(by_alias=True, exclude_none=True, mode="json")
        return Envelope(name, VERSION, data, dumps({"version": VERSION, "eventType": name, "data": data}))

    @property
    def type(self) -> str:
        """The service's name for what happened."""
        return self.envelope.type

    @property
    def version(self) -> str:
        """The version of the envelope, as text."""
        return self.envelope.version

    @property
    def data(self) -> dict[str, Any]:
        """All that the service said, by its own names."""
        return self.envelope.data

    @property
    def raw(self) -> bytes:
        """The event's JSON, byte for byte as it was given to `decode`."""
        return self.envelope.raw

    @property
    def key(self) -> str:
        """What events are put in order by: the id of the file, else of the task, else ""."""
        return self.key_of(self.envelope.data)

    @classmethod
    def key_of(cls, data: dict[str, Any]) -> str:
        """The key of an event of this class with these data."""
        return _name(data.get("fileId")) or _name(data.get("vodTaskId"))

    @classmethod
    def ends(cls, _data: dict[str, Any]) -> str:
        """The id of the task that ended, when an event of this class with these data tells the end of one."""
        return ""

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Event) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)


class TaskEvent(Event):
    """News of a task that an action started."""

    vod_task_id: str | None = None
    """The task; what the action that started it replied."""


class TaskComplete(TaskEvent):
    """A task of one piece of work ended."""

    status: int | None = None
    """0, or absent: it succeeded; else why not, as `vodworker explain CODE` tells."""
    message: str | None = None
    """The service's words about the status."""

    @property
    def failed(self) -> bool:
        """Whether it made nothing."""
        return bool(self.status)

    @classmethod
    def ends(cls, _data: dict[str, Any]) -> str:
        """There is one event for a task, at its end."""
        return _name(_data.get("vodTaskId"))


class NewFileUpload(Event):
    """A file is in the media library: uploaded, or recorded from a live stream."""

    file_id: str | None = None
    """The file."""
    file_name: str | None = None
    """Its name in the library."""
    file_url: str | None = None
    """Where the file is."""
    cover_url: str | None = None
    """Where its cover is."""
    author: str | None = None
    """Who uploaded it, as the uploading said."""
    source_type: str | None = None
    """ClientUpload, ServerUpload or Record; in old events also Pull."""
    source_context: str | None = None
    """What the uploading passed along for you, at most 256 bytes."""
    stream_id: str | None = None
    """The live stream of a recording."""
    procedure_task_id: str | None = None
    """The flow that the uploading asked for, which is at work already."""
    transcode_task_id: str | None = None
    """The transcoding that was asked for with it."""
    porncheck_task_id: str | None = None
    """The search for indecent pictures that was asked for with it."""
    image_sprite_task_id: str | None = None
    """The sheets of small pictures that were asked for with it."""
    status: int | None = None
    """0, or absent: the file is there."""
    message: str | None = None
    """The service's words about the status."""
    duration: float | None = None
    """Seconds."""
    file_size: int | None = None
    """Bytes."""
    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    bitrate: int | None = None
    """Bits a second."""


class PullComplete(TaskComplete):
    """A file was fetched from a URL, or not."""

    file_id: str | None = None
    """The new file."""
    file_url: str | None = None
    """Where the new file is."""
    transcode_task_id: str | None = None
    """The transcoding that was asked for with it."""
    porncheck_task_id: str | None = None
    """The search for indecent pictures that was asked for with it."""


class TranscodeComplete(TaskComplete):
    """A file was transcoded: all versions, once. On failure only status, message and the two ids are there."""

    file_id: str | None = None
    """The file."""
    file_name: str | None = None
    """Its name in the library."""
    duration: float | None = None
    """Seconds."""
    cover_url: str | None = None
    """Where its cover is."""
    play_set: tuple[PlayItem, ...] = ()
    """The versions that can be played, the source among them."""


class ConcatComplete(TaskComplete):
    """Files were joined, into one file of each type asked for. It names no source, so its key is the task."""

    file_info: tuple[OutputFile, ...] = ()
    """The joined files, one for each type asked for; each succeeded or failed on its own."""

    @property
    def made(self) -> tuple[OutputFile, ...]:
        """The files that there are now; others may have failed beside them."""
        return tuple(file for file in self.file_info if file.file_id and not file.failed)

    @property
    def failed(self) -> bool:
        """Whether there is no joined file."""
        return bool(self.status) or not self.made


class ClipComplete(TaskComplete):
    """A piece was cut out of a file. Its key is the file that it was cut from."""

    src_file_id: str | None = None
    """The file that it was cut from."""
    file_info: OutputFile | None = None
    """The new file."""

    @property
    def failed(self) -> bool:
        """Whether there is no new file."""
        return bool(self.status) or self.file_info is None or self.file_info.failed

    @classmethod
    def key_of(cls, data: dict[str, Any]) -> str:
        """The source file, else as usual."""
        return _name(data.get("srcFileId")) or super().key_of(data)


class CreateImageSpriteComplete(TaskComplete):
    """Sheets of small pictures of a file were made."""

    file_id: str | None = None
    """The file."""
    definition: int | None = None
    """The template."""
    total_count: int | None = None
    """Small pictures in all."""
    image_sprite_url: Texts = ()
    """Where the sheets are."""
    web_vtt_url: str | None = None
    """The file that says which picture belongs to which second."""


class CreateSnapshotByTimeOffsetComplete(TaskComplete):
    """Pictures of a file were taken at given times; each succeeded or failed on its own."""

    file_id: str | None = None
    """The file."""
    definition: int | None = None
    """The template."""
    pic_info: tuple[Snapshot, ...] = ()
    """The pictures; each succeeded or failed on its own."""

    @property
    def taken(self) -> tuple[Snapshot, ...]:
        """The pictures that there are now; others may have failed beside them."""
        return tuple(picture for picture in self.pic_info if picture.url and not picture.failed)

    @property
    def failed(self) -> bool:
        """Whether there is no picture."""
        return bool(self.status) or not self.taken


class ProcedureStateChanged(TaskEvent):
    """A flow of work on a file went on, or ended. Each sub-task succeeded or failed on its own.

    err_code is not 0 in flows that ended well, too: a template above the quality of the source is left out so.
    """

    status: str | None = None
    """PROCESSING or FINISH; `finished` asks for the latter."""
    err_code: int | None = None
    """The flow's own; ask each sub-task for its own."""
    message: str | None = None
    """The service's words about the status."""
    file_id: str | None = None
    """The file."""
    meta_data: MetaData | None = None
    """What the source is made of."""
    drm: Drm | None = None
    """How it was encrypted."""
    ai_review: Review | None = None
    """What a review found, in events of one age."""
    content_review_list: tuple[UnknownTask, ...] = ()
    """What reviews found, in later events."""
    ai_analysis_list: tuple[UnknownTask, ...] = Field(
        default=(), validation_alias="aIAnalysisList", serialization_alias="aIAnalysisList"
    )
    """What was recognised in it."""
    process_task_list: tuple[AnySubTask, ...] = ()
    """The sub-tasks, each of a class of its own below."""

    @property
    def finished(self) -> bool:
        """Whether the flow has ended; its sub-tasks say how."""
        return is_state(self.status, FINISH)

    @classmethod
    def ends(cls, _data: dict[str, Any]) -> str:
        """There may be one event for each step; the last one says FINISH."""
        status = _data.get("status")
        return _name(_data.get("vodTaskId")) if isinstance(status, str) and is_state(status, FINISH) else ""


class FileDeleted(Event):
    """Files were deleted. The key is the file when it is one."""

    status: int | None = None
    """0, or absent: they are gone."""
    message: str | None = None
    """The service's words about the status."""
    file_info: tuple[OutputFile, ...] = ()
    """The files; of each there is only the id."""

    @property
    def failed(self) -> bool:
        """Whether the service says that it did not succeed."""
        return bool(self.status)

    @classmethod
    def key_of(cls, data: dict[str, Any]) -> str:
        """The file when there is exactly one, else as usual."""
        match data.get("fileInfo"):
            case [{"fileId": only}] if _name(only):
                return _name(only)
            case _:
                return super().key_of(data)


class PorncheckComplete(TaskComplete):
    """A file was searched for indecent pictures. Retired, still possible."""

    file_id: str | None = None
    """The file."""
    porn_img_url: tuple[PornImage, ...] = ()
    """The pictures that it found."""


class ApplyManualReview(TaskEvent):
    """Somebody should look at a file and answer. Retired, still possible."""

    file_id: str | None = None
    """The file."""
    file_url: str | None = None
    """Where the file is."""
    manual_review_task_id: str | None = None
    """What the answer must name."""
    ai_review_result: Review | None = None
    """What the machine found."""


class Unknown(Event):
    """An event of a type that is not known here, or of none; its fields are in `model_extra`, its bytes in `raw`."""


def _leaves(family: type[Event]) -> Iterator[type[Event]]:
    children = family.__subclasses__()
    for child in children:
        yield from _leaves(child)
    if not children:
        yield family


EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in _leaves(Event) if kind is not Unknown}


def decode(body: bytes) -> Event:
    """The event that this JSON tells of. Total: what is no event is `Unknown`, and every byte is kept in `raw`."""
    try:
        content = loads(body)
    except ValueError:
        content = None
    name, data = _opened(content)
    version = _name(content.get("version")) if isinstance(content, dict) else ""
    fields = data if body.find(b"\\u") < 0 else _sendable(data)  # half an emoji can only come escaped
    reader = EVENTS.get(name, Unknown).__pydantic_validator__  # asked straight: `model_validate` is an eighth more
    event: Event = reader.validate_python(fields)
    vars(event)["_envelope"] = Envelope(name, version, data, body)  # a private attribute is found in ten times as long
    return event


def _sendable(value: Any) -> Any:
    """A value with U+FFFD for each lone surrogate (half an emoji, cut off): no request, file or log can hold one."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_sendable(inner) for inner in value]
        case dict():
            return {_sendable(name): _sendable(inner) for name, inner in value.items()}
        case _:
            return value


def peek(content: object) -> tuple[str, str, str]:
    """Type and key of an event that is parsed already, as `decode` would give them, and the task whose end it tells.

    That is "" when it tells none. Total, and cheap.
    """
    name, data = _opened(content)
    kind = EVENTS.get(name, Unknown)
    return name, kind.key_of(data), kind.ends(data)


def _opened(content: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(content, dict):
        return "", {}
    data = content.get("data")
    return _name(content.get("eventType")), data if isinstance(data, dict) else {}


NAME_LENGTH = 200  # characters: several times the longest id that was seen, and short enough to be indexed anywhere


def _name(value: object) -> str:
    """A type or an id as text that any store and any log takes: no surrogate, no control character, not endless."""
    if not isinstance(value, str):
        value = "" if isinstance(value, bool) or not isinstance(value, int | float) else str(value)
    return (value if value.isprintable() else value.encode("unicode_escape").decode("ascii"))[:NAME_LENGTH]
