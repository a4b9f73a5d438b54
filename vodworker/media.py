"""What the service says of a file and of the work on it: the pieces that events and replies share. Pure.

Everything is optional, unknown fields are kept, and a field of the wrong kind counts as absent: the years and the pages
of the manual differ in what they send.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Self, TypeAlias

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


class Detail(Part):
    """A piece that is read leniently: what cannot be read is left at its default, and the rest of the piece is kept."""

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        while True:
            try:
                return handler(data)
            except ValidationError as error:
                if not isinstance(data, dict) or len(kept := _without(data, error)) == len(data):
                    raise
            data = kept

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was said: most fields are absent most of the time."""
        silent = type(self).model_fields.keys() - self.model_fields_set
        return ((name, value) for name, value in super().__repr_args__() if name not in silent)


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

    bitrate: int | None = None
    """Bits a second."""
    height: int | None = None
    """Pixels."""
    width: int | None = None
    """Pixels."""
    codec: str | None = None
    """Such as h264 or aac."""
    fps: float | None = None
    """Pictures a second."""


class AudioStream(Detail):
    """An audio stream of a file."""

    bitrate: int | None = None
    """Bits a second."""
    codec: str | None = None
    """Such as h264 or aac."""
    sampling_rate: int | None = None
    """Hertz."""


class MetaData(Detail):
    """What a file is made of."""

    size: int | None = None
    """Bytes."""
    container: str | None = None
    """Its format, such as mp4 or hls."""
    bitrate: int | None = None
    """Bits a second."""
    height: int | None = None
    """Pixels."""
    width: int | None = None
    """Pixels."""
    md5: str | None = None
    """Of its bytes."""
    duration: float | None = None
    """Seconds."""
    video_stream_list: tuple[VideoStream, ...] = ()
    """Its pictures."""
    audio_stream_list: tuple[AudioStream, ...] = ()
    """Its sound."""


class PlayItem(Detail):
    """One playable version of a file; definition 0 is the source."""

    url: str | None = None
    """Where it is."""
    definition: int | None = None
    """The template; 0 is the source."""
    vbitrate: int | None = None
    """Bits a second."""
    vheight: int | None = None
    """Pixels."""
    vwidth: int | None = None
    """Pixels."""


class OutputFile(Detail):
    """A file that a task made, or tried to make."""

    file_type: str | None = None
    """Its format, such as mp4 or m3u8."""
    status: int | None = None
    """0, or absent: it was made."""
    message: str | None = None
    """The service's words about the status."""
    file_id: str | None = None
    """The file, when it was made."""
    file_url: str | None = None
    """Where the file is."""

    @property
    def failed(self) -> bool:
        """Whether the service says that it was not made."""
        return bool(self.status)


class Snapshot(Detail):
    """A picture taken of a video, or an attempt."""

    status: int | None = None
    """0, or absent: it was taken."""
    time_offset: int | None = None
    """Where in the video, in milliseconds."""
    url: str | None = None
    """Where it is."""

    @property
    def failed(self) -> bool:
        """Whether the service says that it was not taken."""
        return bool(self.status)


class Drm(Detail):
    """How a file is encrypted."""

    definition: int | None = None
    """The template of the encryption."""
    get_key_url: str | None = None
    """Where a player asks for the key."""
    key_source: str | None = None
    """Whose key service it is."""
    edk_list: Texts = ()
    """The data keys, encrypted; `DescribeDrmDataKey` decrypts them."""


class RiskImage(Detail):
    """A picture in which a review found something."""

    url: str | None = None
    """Where it is."""
    risk_type: Texts = ()
    """What is risky in it, such as Porn or Terrorism."""


class Review(Detail):
    """What a review of a video's content found."""

    definition: int | None = None
    """The template of the review."""
    risk_type: Texts = ()
    """What is risky in the video."""
    img_info: tuple[RiskImage, ...] = ()
    """The pictures that show it."""
    img_infos: tuple[RiskImage, ...] = ()
    """The same in ApplyManualReview, by its name for them."""


class PornImage(Detail):
    """A picture that PorncheckComplete points at."""

    pic_time: str | None = Field(default=None, validation_alias="pic_time", serialization_alias="pic_time")
    """Where in the video, a text like 05:10:26."""
    pic_url: str | None = Field(default=None, validation_alias="pic_url", serialization_alias="pic_url")
    """Where it is."""


class Mosaic(Detail):
    """A place in the video that was made unrecognisable."""

    width: str | None = None
    """A text: 10% of the video, or 100px."""
    height: str | None = None
    """Likewise."""
    left: str | None = None
    """From the left edge, likewise."""
    top: str | None = None
    """From the upper edge, likewise."""
    start_time_offset: float | None = None
    """From when on, in seconds."""
    end_time_offset: float | None = None
    """Until when, in seconds."""


class SubTask(Detail):
    """One piece of work of a flow. Each ends on its own: a flow's code says little of its pieces."""

    task_type: str = ""
    """What kind of work."""
    status: str | None = None
    """PROCESSING, SUCCESS or FAIL; `ok` and `failed` ask for the last two."""
    err_code: int | None = None
    """Why it failed; 0: it did not. `vodworker explain CODE` tells."""
    message: str | None = None
    """The service's words about the status."""

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
    """The template."""
    watermark: int | None = None
    """The watermark template."""
    mosaic_list: tuple[Mosaic, ...] = ()
    """Places that were made unrecognisable."""


class TranscodeOutput(MetaData):
    """The file that a transcoding made."""

    url: str | None = None
    """Where it is."""


class TranscodeTask(SubTask):
    """A version in another definition."""

    task_type: str = "Transcode"
    input: TranscodeInput | None = None
    """What was asked for."""
    output: TranscodeOutput | None = None
    """What it made; only when it ended well."""


class AnimatedGraphicsInput(Detail):
    """What was asked of an animated graphic."""

    definition: int | None = None
    """The template."""
    start_time: float | None = None
    """From when on, in seconds."""
    end_time: float | None = None
    """Until when, in seconds."""


class AnimatedGraphicsOutput(Detail):
    """The animated graphic."""

    url: str | None = None
    """Where it is."""
    container: str | None = None
    """Its format, such as mp4 or hls."""
    height: int | None = None
    """Pixels."""
    width: int | None = None
    """Pixels."""


class AnimatedGraphicsTask(SubTask):
    """A moving picture of a part of the video."""

    task_type: str = "AnimatedGraphics"
    input: AnimatedGraphicsInput | None = None
    """What was asked for."""
    output: AnimatedGraphicsOutput | None = None
    """What it made; only when it ended well."""


class SampleSnapshotInput(Detail):
    """What was asked of the samples."""

    definition: int | None = None
    """The template."""
    watermark_definition: tuple[int, ...] = ()
    """The watermark templates."""


class SampleSnapshotOutput(Detail):
    """The pictures."""

    image_urls: Texts = ()
    """Where the pictures are."""


class SampleSnapshotTask(SubTask):
    """Pictures taken at regular distances."""

    task_type: str = "SampleSnapshot"
    input: SampleSnapshotInput | None = None
    """What was asked for."""
    output: SampleSnapshotOutput | None = None
    """What it made; only when it ended well."""


class SnapshotByTimeOffsetInput(Detail):
    """What was asked of the pictures."""

    definition: int | None = None
    """The template."""
    time_offset: tuple[int, ...] = ()
    """Where in the video, in milliseconds."""
    watermark_definition: tuple[int, ...] = ()
    """The watermark templates."""


class SnapshotByTimeOffsetOutput(Detail):
    """The pictures."""

    img_info: tuple[Snapshot, ...] = ()
    """The pictures."""


class SnapshotByTimeOffsetTask(SubTask):
    """Pictures taken at given times."""

    task_type: str = "SnapshotByTimeOffset"
    input: SnapshotByTimeOffsetInput | None = None
    """What was asked for."""
    output: SnapshotByTimeOffsetOutput | None = None
    """What it made; only when it ended well."""


class CoverBySnapshotInput(Detail):
    """What was asked of the cover."""

    definition: int | None = None
    """The template."""
    position_type: str | None = None
    """Time or Percent."""
    position: float | None = None
    """Where in the video: seconds or per cent."""
    watermark_definition: tuple[int, ...] = ()
    """The watermark templates."""


class CoverBySnapshotOutput(Detail):
    """The cover."""

    image_url: Texts = ()
    """Where the cover is."""


class CoverBySnapshotTask(SubTask):
    """A picture of the video as its cover."""

    task_type: str = "CoverBySnapshot"
    input: CoverBySnapshotInput | None = None
    """What was asked for."""
    output: CoverBySnapshotOutput | None = None
    """What it made; only when it ended well."""


class ImageSpritesInput(Detail):
    """What was asked of the sprites."""

    definition: int | None = None
    """The template."""


class ImageSpritesOutput(Detail):
    """The sheets of small pictures, and the file that says which is where."""

    total_count: int | None = None
    """Small pictures in all."""
    url_list: Texts = ()
    """Where the sheets are."""
    web_vtt_url: str | None = None
    """The file that says which picture belongs to which second."""


class ImageSpritesTask(SubTask):
    """Sheets of small pictures, for a player's time bar."""

    task_type: str = "ImageSprites"
    input: ImageSpritesInput | None = None
    """What was asked for."""
    output: ImageSpritesOutput | None = None
    """What it made; only when it ended well."""


class PullFileInput(Detail):
    """Where a file was fetched from."""

    url: str | None = None
    """Where it was fetched from."""
    file_name: str | None = None
    """Its name, as was asked."""
    md5: str | None = None
    """What its bytes should have."""


class PullFileOutput(Detail):
    """The file as it arrived."""

    file_id: str | None = None
    """The new file."""
    file_size: int | None = None
    """Bytes."""
    url: str | None = None
    """Where it is."""


class PullFileTask(SubTask):
    """A file fetched from elsewhere."""

    task_type: str = "PullFile"
    input: PullFileInput | None = None
    """What was asked for."""
    output: PullFileOutput | None = None
    """What it made; only when it ended well."""


class UnknownTask(SubTask):
    """Work of a kind that is not known here; what it says is in the `model_extra` of its input and output."""

    input: Detail | None = None
    """What was asked for."""
    output: Detail | None = None
    """What it made; only when it ended well."""


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
