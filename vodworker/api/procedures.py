"""Flows of tasks by a template's name, on one or several sources, and on files in the object store."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from vodworker.api.action import Action, Group
from vodworker.api.bounds import (
    Code,
    Definition,
    Milliseconds,
    NotifyMode,
    Seconds,
    Several,
    Some,
    Text,
    UnixTime,
    Urgency,
    wrong,
)
from vodworker.api.processing import AnimatedGraphics, ClassificationAnalysis, PornReview, StartedTask, TagAnalysis


class FilePiece(Group):
    """A file of the library, or a piece of it."""

    id: Text
    """The file."""
    start_time_offset: Annotated[Seconds | None, Field(ge=0)] = None
    """Where the piece begins; None: at the beginning."""
    end_time_offset: Annotated[Seconds | None, Field(ge=0)] = None
    """Where it ends; None: at the end."""


class StreamPiece(Group):
    """What was recorded of a live stream, or a piece of it."""

    stream_id: Text
    """The stream."""
    start_time_stamp: UnixTime | None = None
    """Only what was recorded since then."""
    end_time_stamp: UnixTime | None = None
    """Only what was recorded until then."""


class PulledFile(Group):
    """A file to be pulled from an address."""

    url: Text
    """The address."""
    file_name: Text
    """The name in the library."""
    file_md5: str | None = None
    """The MD5 that the file must have."""
    class_id: int | None = None
    """The class that the file goes to."""


PROCEDURE = (1, 1000, 1001, 1003, 2000, 10008, 10022, 50005, 50006, 50007)

SOURCES = {  # which object each kind of input needs
    "SingleFile": "file",
    "MultiFile": "file_list",
    "Stream": "stream",
    "MultiStream": "stream_list",
    "PullFile": "pull",
}


class RunProcedure(Action[StartedTask], starts_task="ProcedureStateChanged", errors=PROCEDURE):
    """Start a flow of tasks by its template's name; several sources are cut and joined first."""

    input_type: Literal["SingleFile", "MultiFile", "Stream", "MultiStream", "PullFile"]
    """What the flow works on; the parameter of that name must be given: file, file_list, stream, stream_list, pull."""
    file: FilePiece | None = None
    """A file, cut if wanted."""
    file_list: Some[FilePiece] | None = None
    """Files to be cut and joined, in order."""
    stream: StreamPiece | None = None
    """What was recorded of a stream, cut if wanted."""
    stream_list: Some[StreamPiece] | None = None
    """What was recorded of several streams, to be cut and joined, in order."""
    pull: PulledFile | None = None
    """A file from an address."""
    procedure: Annotated[Text, Code(50007)]
    """The template of the flow."""
    notify_mode: NotifyMode = "Finish"
    """When events are sent."""
    priority: Urgency = 0
    """Higher runs first."""

    @model_validator(mode="before")
    @classmethod
    def _pull_at_the_top(cls, values: Any) -> Any:
        """The manual's table puts url and fileName into `pull`, its example beside it: read both, send the former."""
        if not isinstance(values, Mapping) or "url" not in values:
            return values
        given = dict(cast("Mapping[str, Any]", values))
        names = ("url", "fileName", "fileMd5", "classId")
        return {"pull": {name: given.pop(name) for name in names if name in given}} | given

    @model_validator(mode="after")
    def _source(self) -> "RunProcedure":
        if getattr(self, SOURCES[self.input_type]) is None:
            raise wrong(
                1000, "the source that input_type names is missing: file, file_list, stream, stream_list or pull"
            )
        return self


class CosInput(Group):
    """A file in a bucket of the object store."""

    bucket: Text
    """The bucket, with the account's number; it must have been set up for this."""
    region: Text
    """Where the bucket is, such as ap-guangzhou."""
    path: Text
    """The file."""


class CosOutput(Group):
    """Where the results go: a bucket in the input's region."""

    bucket: Text
    """The bucket, with the account's number; it must have been set up for this."""
    dir: Text
    """The folder."""


class CosTranscode(Group):
    """Transcode, once for each template."""

    definition: Some[Definition]
    """The templates of the outputs."""
    watermark_definition: Several[Definition] | None = None
    """Watermark templates."""


class CosSampleSnapshot(Group):
    """Take screenshots at equal distances."""

    definition: Some[Definition]
    """The templates."""


class CosSnapshotByTimeOffset(Group):
    """Take screenshots at given times."""

    definition: Some[Definition]
    """The templates."""
    time_offset: Some[Milliseconds]
    """The times."""


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


class CosImageSprite(Group):
    """Make pictures of many small ones."""

    definition: Annotated[Some[Definition], BeforeValidator(_listed)]
    """The templates. The manual has it as an integer and as a list: a list is sent, both are read."""


class MediaProcess(Group):
    """What is made of the pictures and the sound."""

    transcode: CosTranscode | None = None
    """Transcode it."""
    animated_graphics: AnimatedGraphics | None = None
    """Make moving pictures."""
    sample_snapshot: CosSampleSnapshot | None = None
    """Screenshots at equal distances."""
    snapshot_by_time_offset: CosSnapshotByTimeOffset | None = None
    """Screenshots at given times."""
    image_sprite: CosImageSprite | None = None
    """Sprites."""


class AiAnalysis(Group):
    """What is guessed. The source must be MP4, FLV or AVI, under 100 MB."""

    classification: ClassificationAnalysis | None = None
    """What it is about."""
    tag: TagAnalysis | None = None
    """Tags for it."""


class ContentReview(Group):
    """What is looked for."""

    porn: PornReview | None = None
    """What must not be shown."""


class TaskAttribute(Group):
    """How the flow runs."""

    priority: Urgency | None = None
    """Higher runs first."""
    notify_mode: NotifyMode = "Finish"
    """When events are sent."""


class ProcessCosMedia(Action[StartedTask], starts_task="ProcedureStateChanged", errors=(1000, 10009)):
    """Start tasks on a file in the object store, with the results put there too."""

    input: CosInput
    """The file."""
    output: CosOutput
    """The folder for the results."""
    ai_analysis: AiAnalysis | None = None
    """What is guessed."""
    content_review: ContentReview | None = None
    """What is looked for."""
    media_process: MediaProcess | None = None
    """What is made."""
    task_attribute: TaskAttribute | None = None
    """How the flow runs."""
