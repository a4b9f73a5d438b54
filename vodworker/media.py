"""What the service says of a file and of the work on it: the pieces that events and replies share. Pure.

Everything is optional, unknown fields are kept, and a field of the wrong kind counts as absent: the years and the pages
of the manual differ in what they send.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    ValidationError,
    model_validator,
)

from vodworker.wire import Part

DetailT = TypeVar("DetailT")


class Detail(Part):
    """A piece that is read leniently: what cannot be read is left at its default, and the rest of the piece is kept."""

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return _leniently(handler, data)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was said: most fields are absent most of the time."""
        silent = type(self).model_fields.keys() - self.model_fields_set
        return ((name, value) for name, value in super().__repr_args__() if name not in silent)


def _leniently(handler: ModelWrapValidatorHandler[DetailT], data: Any) -> DetailT:
    try:
        return handler(data)
    except ValidationError as error:
        if not isinstance(data, dict) or len(kept := _without(data, error)) == len(data):
            raise
    return _leniently(handler, kept)


def _without(data: dict[str, Any], wrong: ValidationError) -> dict[str, Any]:
    problems = wrong.errors(include_url=False, include_context=False, include_input=False)
    names = {problem["loc"][0] for problem in problems if problem["loc"]}
    # A name with a lone surrogate stops pydantic before it reads a field, without saying which; it is not printable.
    return {name: value for name, value in data.items() if name not in names and name.isprintable()}


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_several)]  # a lone text is a list of one

PROCESSING, FINISH = "PROCESSING", "FINISH"  # states of a flow
SUCCESS, FAIL = "SUCCESS", "FAIL"  # how a sub-task ended; until then it is PROCESSING


def is_state(status: str | None, state: str) -> bool:
    """Whether a status is this state; pages differ in letter case."""
    return status is not None and status.upper() == state


class VideoStream(Detail):
    """A video stream of a file."""

    bitrate: int | None = None  # bit/s
    height: int | None = None
    width: int | None = None
    codec: str | None = None
    fps: float | None = None


class AudioStream(Detail):
    """An audio stream of a file."""

    bitrate: int | None = None  # bit/s
    codec: str | None = None
    sampling_rate: int | None = None  # Hz


class MetaData(Detail):
    """What a file is made of."""

    size: int | None = None  # bytes
    container: str | None = None
    bitrate: int | None = None  # bit/s
    height: int | None = None
    width: int | None = None
    md5: str | None = None
    duration: float | None = None  # s
    video_stream_list: tuple[VideoStream, ...] = ()
    audio_stream_list: tuple[AudioStream, ...] = ()


class PlayItem(Detail):
    """One playable version of a file; definition 0 is the source."""

    url: str | None = None
    definition: int | None = None
    vbitrate: int | None = None  # bit/s
    vheight: int | None = None
    vwidth: int | None = None


class OutputFile(Detail):
    """A file that a task made, or tried to make."""

    file_type: str | None = None
    status: int | None = None
    message: str | None = None
    file_id: str | None = None
    file_url: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the service says that it was not made."""
        return bool(self.status)


class Snapshot(Detail):
    """A picture taken of a video, or an attempt. time_offset: ms."""

    status: int | None = None
    time_offset: int | None = None
    url: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the service says that it was not taken."""
        return bool(self.status)


class Drm(Detail):
    """How a file is encrypted."""

    definition: int | None = None
    get_key_url: str | None = None
    key_source: str | None = None
    edk_list: Texts = ()


class RiskImage(Detail):
    """A picture in which a review found something."""

    url: str | None = None
    risk_type: Texts = ()


class Review(Detail):
    """What a review of a video's content found. img_infos: what ApplyManualReview calls img_info."""

    definition: int | None = None
    risk_type: Texts = ()
    img_info: tuple[RiskImage, ...] = ()
    img_infos: tuple[RiskImage, ...] = ()


class PornImage(Detail):
    """A picture that PorncheckComplete points at; pic_time is a text like 05:10:26."""

    pic_time: str | None = Field(default=None, validation_alias="pic_time", serialization_alias="pic_time")
    pic_url: str | None = Field(default=None, validation_alias="pic_url", serialization_alias="pic_url")


class Mosaic(Detail):
    """A place in the video that was made unrecognisable. Lengths are texts: 10% of the video, or 100px."""

    width: str | None = None
    height: str | None = None
    left: str | None = None
    top: str | None = None
    start_time_offset: float | None = None  # s
    end_time_offset: float | None = None  # s


class SubTask(Detail):
    """One piece of work of a flow. Each ends on its own: a flow's code says little of its pieces."""

    task_type: str = ""
    status: str | None = None
    err_code: int | None = None
    message: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended well; only then it has an output."""
        return is_state(self.status, SUCCESS)

    @property
    def failed(self) -> bool:
        """Whether it ended badly; `err_code` says why."""
        return is_state(self.status, FAIL)


class TranscodeInput(Detail):
    """What was asked of a transcoding."""

    definition: int | None = None
    watermark: int | None = None
    mosaic_list: tuple[Mosaic, ...] = ()


class TranscodeOutput(MetaData):
    """The file that a transcoding made."""

    url: str | None = None


class TranscodeTask(SubTask):
    """A version in another definition."""

    task_type: str = "Transcode"
    input: TranscodeInput | None = None
    output: TranscodeOutput | None = None


class AnimatedGraphicsInput(Detail):
    """What was asked of an animated graphic; times in s."""

    definition: int | None = None
    start_time: float | None = None
    end_time: float | None = None


class AnimatedGraphicsOutput(Detail):
    """The animated graphic."""

    url: str | None = None
    container: str | None = None
    height: int | None = None
    width: int | None = None


class AnimatedGraphicsTask(SubTask):
    """A moving picture of a part of the video."""

    task_type: str = "AnimatedGraphics"
    input: AnimatedGraphicsInput | None = None
    output: AnimatedGraphicsOutput | None = None


class SampleSnapshotInput(Detail):
    """What was asked of the samples."""

    definition: int | None = None
    watermark_definition: tuple[int, ...] = ()


class SampleSnapshotOutput(Detail):
    """The pictures."""

    image_urls: Texts = ()


class SampleSnapshotTask(SubTask):
    """Pictures taken at regular distances."""

    task_type: str = "SampleSnapshot"
    input: SampleSnapshotInput | None = None
    output: SampleSnapshotOutput | None = None


class SnapshotByTimeOffsetInput(Detail):
    """What was asked of the pictures; times in ms."""

    definition: int | None = None
    time_offset: tuple[int, ...] = ()
    watermark_definition: tuple[int, ...] = ()


class SnapshotByTimeOffsetOutput(Detail):
    """The pictures."""

    img_info: tuple[Snapshot, ...] = ()


class SnapshotByTimeOffsetTask(SubTask):
    """Pictures taken at given times."""

    task_type: str = "SnapshotByTimeOffset"
    input: SnapshotByTimeOffsetInput | None = None
    output: SnapshotByTimeOffsetOutput | None = None


class CoverBySnapshotInput(Detail):
    """What was asked of the cover. position: in s or in percent, as position_type (Time, Percent) says."""

    definition: int | None = None
    position_type: str | None = None
    position: float | None = None
    watermark_definition: tuple[int, ...] = ()


class CoverBySnapshotOutput(Detail):
    """The cover."""

    image_url: Texts = ()


class CoverBySnapshotTask(SubTask):
    """A picture of the video as its cover."""

    task_type: str = "CoverBySnapshot"
    input: CoverBySnapshotInput | None = None
    output: CoverBySnapshotOutput | None = None


class ImageSpritesInput(Detail):
    """What was asked of the sprites."""

    definition: int | None = None


class ImageSpritesOutput(Detail):
    """The sheets of small pictures, and the file that says which is where."""

    total_count: int | None = None
    url_list: Texts = ()
    web_vtt_url: str | None = None


class ImageSpritesTask(SubTask):
    """Sheets of small pictures, for a player's time bar."""

    task_type: str = "ImageSprites"
    input: ImageSpritesInput | None = None
    output: ImageSpritesOutput | None = None


class PullFileInput(Detail):
    """Where a file was fetched from."""

    url: str | None = None
    file_name: str | None = None
    md5: str | None = None


class PullFileOutput(Detail):
    """The file as it arrived."""

    file_id: str | None = None
    file_size: int | None = None  # bytes
    url: str | None = None


class PullFileTask(SubTask):
    """A file fetched from elsewhere."""

    task_type: str = "PullFile"
    input: PullFileInput | None = None
    output: PullFileOutput | None = None


class UnknownTask(SubTask):
    """Work of a kind that is not known here; what it says is in the `model_extra` of its input and output."""

    input: Detail | None = None
    output: Detail | None = None


KINDS = {kind.model_fields["task_type"].default: kind for kind in SubTask.__subclasses__()}  # UnknownTask's is ""


def _kind(value: object) -> str:
    match value:
        case {"taskType": str(told)} if told in KINDS:
            return told
        case SubTask():
            return str(type(value).model_fields["task_type"].default)
        case _:
            return ""


AnySubTask: TypeAlias = Annotated[
    Annotated[TranscodeTask, Tag("Transcode")]
    | Annotated[AnimatedGraphicsTask, Tag("AnimatedGraphics")]
    | Annotated[SampleSnapshotTask, Tag("SampleSnapshot")]
    | Annotated[SnapshotByTimeOffsetTask, Tag("SnapshotByTimeOffset")]
    | Annotated[CoverBySnapshotTask, Tag("CoverBySnapshot")]
    | Annotated[ImageSpritesTask, Tag("ImageSprites")]
    | Annotated[PullFileTask, Tag("PullFile")]
    | Annotated[UnknownTask, Tag("")],
    Discriminator(_kind),
]
