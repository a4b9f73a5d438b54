"""Transcode templates: what the outputs of a transcoding are to be. An account may have 16 of its own.

Examples of the manual break its own bounds (height 123, audio bitrate 512, sample rate 200): the bounds are kept, as it
has codes for them.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from vodworker.api.action import Action, Group, Reply
from vodworker.api.bounds import (
    AnyOf,
    Ceiling,
    Code,
    Definition,
    Kbps,
    Octets,
    OpenClose,
    Seconds,
    Unit,
    wrong,
)
from vodworker.media import Detail


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _channels(value: object) -> object:
    return {"dual-channel": 2}.get(value, value) if isinstance(value, str) else value  # the manual's other spelling


Name: TypeAlias = Annotated[str, Octets(63)]
Comment: TypeAlias = Annotated[str, Octets(255)]
Container: TypeAlias = Annotated[Literal["mp4", "flv", "hls"], Code(10730)]
VideoCodec: TypeAlias = Annotated[Literal["libx264", "libx265"], Code(10732)]
Fps: TypeAlias = Annotated[float, Ceiling(1, 60), Unit("Hz"), Code(10731)]
VideoBitrate: TypeAlias = Annotated[Kbps, Ceiling(128, 350000), Code(10733)]
Side: TypeAlias = Annotated[int, Ceiling(128, 4096, zero=True), Unit("px"), Code(10734)]
Gop: TypeAlias = Annotated[Seconds, Field(ge=1, le=10)]
ColorSpace: TypeAlias = Annotated[Literal["yuv420p", "yuv420p10le"], BeforeValidator(_lower), Code(10741)]
AudioCodec: TypeAlias = Annotated[Literal["libfdk_aac", "libmp3lame", "mp2"], Code(10754)]
AudioBitrate: TypeAlias = Annotated[Kbps, Ceiling(26, 256), Code(10756)]
SoundSystem: TypeAlias = Annotated[int, BeforeValidator(_channels), AnyOf((1, 2, 6)), Code(10757)]
SampleRate: TypeAlias = Annotated[int, AnyOf((32000, 44100, 48000), negatives=True), Unit("Hz"), Code(10755)]

H265_LONG, H265_SHORT = 640, 480  # the largest picture in H.265


class Denoise(Group):
    """Whether noise is taken out of the picture."""

    enable: bool
    """Do it."""


class Picture(Group):
    """What `Video` and `VideoChange` have in common."""

    min_gop: Annotated[Gop | None, Code(10738)] = None
    """The least distance between key frames."""
    max_gop: Annotated[Gop | None, Code(10739)] = None
    """The greatest distance between key frames."""
    video_profile: Annotated[Literal["baseline", "main", "high"] | None, Code(10740)] = None
    """Of H.264; high when not given."""
    color_space: ColorSpace | None = None
    """yuv420p10le is for H.265 only."""
    deinterlaced: Annotated[bool | None, Code(10742)] = None
    """Take interlacing out."""
    two_pass: Annotated[bool | None, Field(alias="videoRateControl"), Code(10743)] = None
    """Compress in two passes."""
    denoise: Annotated[Denoise | None, Code(10745)] = None
    """In the manual's codes and replies, not in its table of parameters."""


class Video(Picture):
    """The picture. Below 0, a number is a ceiling: the source is never raised to it."""

    codec: VideoCodec
    """H.264 or H.265; the latter needs a size, of at most 640 by 480."""
    fps: Fps
    """Pictures in a second."""
    resolution_self_adapting: OpenClose = True
    """Width is the longer side and height the shorter, whichever way the picture stands."""
    width: Side = 0
    """0: in proportion to the height, or as the source if that is 0 too."""
    height: Side = 0
    """0: in proportion to the width, or as the source if that is 0 too."""
    bitrate: VideoBitrate
    """How much."""

    @model_validator(mode="after")
    def _agree(self) -> "Video":
        agree(self)
        return self


class VideoChange(Picture):
    """What changes of the picture, as `Video` has it; None stays as it is."""

    codec: VideoCodec | None = None
    """H.264 or H.265; the latter needs a size, of at most 640 by 480."""
    fps: Fps | None = None
    """Pictures in a second."""
    resolution_self_adapting: OpenClose | None = None
    """Width is the longer side and height the shorter, whichever way the picture stands."""
    width: Side | None = None
    """0: in proportion to the height, or as the source if that is 0 too."""
    height: Side | None = None
    """0: in proportion to the width, or as the source if that is 0 too."""
    bitrate: VideoBitrate | None = None
    """How much."""

    @model_validator(mode="after")
    def _agree(self) -> "VideoChange":
        agree(self)
        return self


def agree(video: Video | VideoChange) -> None:
    """Raise when parameters of the picture do not go together."""
    width, height = abs(video.width or 0), abs(video.height or 0)
    if width and height > width and video.resolution_self_adapting is not False:
        raise wrong(10734, "height should not be above width while resolution_self_adapting is on")
    if video.codec == "libx264" and video.color_space == "yuv420p10le":
        raise wrong(10741, "color_space should be yuv420p with libx264")
    if video.codec == "libx265" and not (width or height):
        raise wrong(10734, "width or height should be given with libx265")
    if video.codec == "libx265" and (width > H265_LONG or height > H265_SHORT):
        raise wrong(10734, "width and height should be at most 640 and 480 with libx265")


class Sound(Group):
    """What `Audio` and `AudioChange` have in common."""

    audio_profile: Literal["aac_lc", "aac_he", "aac_he_v2"] | None = None
    """Of libfdk_aac; aac_lc when not given."""
    audio_resampler: Annotated[Literal["soxr"] | None, Code(10758)] = None
    """Make two channels of more. In the manual's codes and replies, not in its table of parameters."""
    audio_downmix_mode: Annotated[bool | None, Code(10759)] = None
    """Raise the middle channel then. In the manual's codes and replies, not in its table of parameters."""


class Audio(Sound):
    """The sound. Below 0, a number is a ceiling: the source is never raised to it."""

    codec: AudioCodec
    """libfdk_aac suits mp4 and hls, libmp3lame flv."""
    bitrate: AudioBitrate
    """How much."""
    sound_system: SoundSystem = 2
    """1 one channel, 2 two, 6 surround."""
    sample_rate: SampleRate
    """How often."""


class AudioChange(Sound):
    """What changes of the sound, as `Audio` has it; None stays as it is."""

    codec: AudioCodec | None = None
    """libfdk_aac suits mp4 and hls, libmp3lame flv."""
    bitrate: AudioBitrate | None = None
    """How much."""
    sound_system: SoundSystem | None = None
    """1 one channel, 2 two, 6 surround."""
    sample_rate: SampleRate | None = None
    """How often. The manual requires it in a change too; it is left to the caller."""


class NewDefinition(Detail):
    """The new template."""

    definition: int | None = None


class NewTemplate(Reply):
    """The new template."""

    data: NewDefinition | None = None


FIELDS = (*range(10730, 10735), *range(10736, 10744), 10745, *range(10754, 10760))  # one for each parameter


class CreateTranscodeTemplate(Action[NewTemplate], errors=(1000, 10700, *FIELDS)):
    """Add a template; an account may have 16 of its own. Doing it twice adds two."""

    name: Name = ""
    """Under 64 bytes."""
    container: Container
    """What the outputs are wrapped in."""
    comment: Comment = ""
    """Under 256 bytes."""
    remove_video: Annotated[bool, Field(alias="isFiltrateVideo"), Code(10736)] = False
    """Leave the picture out."""
    remove_audio: Annotated[bool, Field(alias="isFiltrateAudio"), Code(10737)] = False
    """Leave the sound out."""
    video: Video | None = None
    """The picture; may only be missing when it is left out."""
    audio: Audio | None = None
    """The sound; may only be missing when it is left out."""

    @model_validator(mode="after")
    def _whole(self) -> "CreateTranscodeTemplate":
        if self.video is None and not self.remove_video:
            raise wrong(4000, "video is missing, and remove_video is not set")
        if self.audio is None and not self.remove_audio:
            raise wrong(4000, "audio is missing, and remove_audio is not set")
        return self


class DenoiseInfo(Detail):
    """Whether noise is taken out of the picture."""

    enable: bool | None = None


class VideoInTemplate(Detail):
    """The picture, as `Video` has it."""

    codec: str | None = None
    fps: float | None = None  # Hz
    resolution_self_adapting: OpenClose | None = None  # a number in the table, open or close in the example
    width: int | None = None  # px
    height: int | None = None  # px
    bitrate: int | None = None  # kbit/s
    min_gop: int | None = None  # s
    max_gop: int | None = None  # s
    video_profile: str | None = None
    color_space: str | None = None  # upper case in the example
    deinterlaced: bool | None = None
    two_pass: Annotated[bool | None, Field(alias="videoRateControl")] = None
    denoise: DenoiseInfo | None = None


class AudioInTemplate(Detail):
    """The sound, as `Audio` has it."""

    codec: str | None = None
    bitrate: int | None = None  # kbit/s
    sound_system: Annotated[int | None, BeforeValidator(_channels)] = None
    sample_rate: int | None = None  # Hz
    audio_profile: str | None = None
    audio_resampler: str | None = None
    audio_downmix_mode: bool | None = None


class TranscodeTemplate(Detail):
    """A template."""

    definition: int | None = None
    name: str | None = None
    container: str | None = None
    comment: str | None = None
    create_time: int | None = None  # Unix s
    update_time: int | None = None  # Unix s
    remove_video: Annotated[bool | None, Field(alias="isFiltrateVideo")] = None
    remove_audio: Annotated[bool | None, Field(alias="isFiltrateAudio")] = None
    video: VideoInTemplate | None = None
    audio: AudioInTemplate | None = None
    on_premise: bool | None = None  # a preset of the service
    status: bool | None = None  # the account's default


class TemplateList(Reply):
    """All templates."""

    data: tuple[TranscodeTemplate, ...] = ()


class QueryTranscodeTemplateList(Action[TemplateList], safe=True, errors=(1000, 10702)):
    """All transcode templates, the service's presets too."""


class TemplateFound(Reply):
    """One template."""

    data: TranscodeTemplate | None = None


class QueryTranscodeTemplate(Action[TemplateFound], safe=True, errors=(1000, 10702, 10704)):
    """One transcode template."""

    definition: Definition
    """The template."""


class UpdateTranscodeTemplate(Action[Reply], safe=True, errors=(1000, 10701, 10702, 10704, 10735, *FIELDS)):
    """Change a template; what is not given stays as it is. The manual requires video and audio, be they empty."""

    definition: Annotated[Definition, Code(10735)]
    """The template."""
    name: Name | None = None
    """Under 64 bytes."""
    container: Container | None = None
    """What the outputs are wrapped in."""
    comment: Comment | None = None
    """Under 256 bytes."""
    remove_video: Annotated[bool | None, Field(alias="isFiltrateVideo"), Code(10736)] = None
    """Leave the picture out."""
    remove_audio: Annotated[bool | None, Field(alias="isFiltrateAudio"), Code(10737)] = None
    """Leave the sound out."""
    video: VideoChange | None = None
    """The picture."""
    audio: AudioChange | None = None
    """The sound."""


class DeleteTranscodeTemplate(Action[Reply], harmless=True, errors=(1000, 1001, 1050, 1102, 1702)):
    """Delete a template. The second time it is not there."""

    definition: Definition
    """The template."""
