"""Making something of a file that is in the library: flows of several tasks, and single ones."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from vodworker.api.action import Action, Group, Reply
from vodworker.api.bounds import (
    Definition,
    Measure,
    Milliseconds,
    NotifyMode,
    Seconds,
    Several,
    Some,
    Text,
    Unit,
    Urgency,
    wrong,
)


class StartedTask(Reply):
    """The task that the call started."""

    vod_task_id: str | None = None


class Drm(Group):
    """Encrypt the outputs."""

    definition: Definition
    """The encryption template."""


class Mosaic(Group):
    """Blur a rectangle of the picture for a while. Sides are `10%` of the picture's, or `100px`."""

    width: Measure = "0px"
    """How wide."""
    height: Measure = "0px"
    """How high."""
    left: Measure = "0px"
    """From the picture's left edge."""
    top: Measure = "0px"
    """From the picture's top edge."""
    start_time_offset: Annotated[FiniteFloat | None, Field(ge=0), Unit("s")] = None
    """From when."""
    end_time_offset: Annotated[FiniteFloat | None, Field(ge=0), Unit("s")] = None
    """Until when."""


class Transcode(Group):
    """Transcode, once for each template."""

    definition: Some[Definition]
    """The templates of the outputs."""
    watermark: Definition | None = None
    """A watermark template, 1 for the account's default; None: no watermark."""
    hls_master_playlist: bool | None = None
    """Also make a master playlist of all HLS outputs (definition 10000)."""
    idr_alignment: bool = False
    """Let the outputs have their IDR frames at the same times."""
    drm: Drm | None = None
    """Encrypt the outputs."""
    mosaic_list: Several[Mosaic] | None = None
    """Blur these rectangles."""


class AnimatedGraphics(Group):
    """Make moving pictures (GIF), one for each template."""

    definition: Some[Definition]
    """The templates."""
    start_time: Annotated[Seconds | None, Field(ge=0)] = None
    """From when."""
    end_time: Annotated[Seconds | None, Field(ge=0)] = None
    """Until when."""


class SampleSnapshot(Group):
    """Take screenshots at equal distances."""

    definition: Definition
    """The template."""
    watermark_definition: Several[Definition] | None = None
    """Watermark templates."""


class SnapshotByTimeOffset(Group):
    """Take screenshots at given times."""

    definition: Definition
    """The template."""
    time_offset: Some[Milliseconds]
    """The times."""
    watermark_definition: Several[Definition] | None = None
    """Watermark templates."""


class CoverBySnapshot(Group):
    """Take a screenshot and make it the file's cover."""

    definition: Definition
    """The template, one for screenshots at given times."""
    position_type: Literal["Time", "Percent"]
    """What `position` counts: seconds, or hundredths of the length."""
    position: Annotated[int, Field(ge=0), Unit("s or %")]
    """Where in the video."""
    watermark_definition: Several[Definition] | None = None
    """Watermark templates."""

    @model_validator(mode="after")
    def _percent(self) -> "CoverBySnapshot":
        if self.position_type == "Percent" and self.position > 100:  # noqa: PLR2004  # per cent
            raise wrong(1000, "position should be at most 100 when position_type is Percent")
        return self


class ImageSprite(Group):
    """Make pictures of many small ones, for previews while seeking."""

    definition: Definition
    """The template."""


OnlyTen = Annotated[int, Field(ge=10, le=10)]  # the manual: no other template yet


class ClassificationAnalysis(Group):
    """Guess what the video is about. The source must be MP4, FLV or AVI, under 100 MB."""

    definition: OnlyTen = 10
    """The template."""


class TagAnalysis(Group):
    """Guess tags. The source must be MP4, FLV or AVI, under 100 MB."""

    definition: OnlyTen = 10
    """The template."""


class PornReview(Group):
    """Look for what must not be shown."""

    definition: Definition
    """The template: 10 stops the flow on a hit, 20 goes on."""


class ProcessFile(Action[StartedTask], starts_task="ProcedureStateChanged"):
    """Start one or several tasks on a file; each is given by its part."""

    file_id: Text
    """The file."""
    transcode: Transcode | None = None
    """Transcode it; with watermark, encryption, mosaics."""
    animated_graphics: AnimatedGraphics | None = None
    """Make moving pictures."""
    sample_snapshot: SampleSnapshot | None = None
    """Screenshots at equal distances."""
    cover_by_snapshot: CoverBySnapshot | None = None
    """A screenshot as cover."""
    snapshot_by_time_offset: SnapshotByTimeOffset | None = None
    """Screenshots at given times."""
    image_sprite: ImageSprite | None = None
    """Sprites."""
    classification_analysis: Annotated[ClassificationAnalysis | None, Field(alias="classificationAIAnalysis")] = None
    """What it is about."""
    tag_analysis: Annotated[TagAnalysis | None, Field(alias="tagAIAnalysis")] = None
    """Tags for it."""
    porn_review: PornReview | None = None
    """What must not be shown."""
    notify_mode: NotifyMode = "Finish"
    """When events are sent."""
    priority: Urgency = 0
    """Higher runs first."""


class SourceFile(Group):
    """A file of the library by its id."""

    file_id: Text
    """The file."""


class ConcatVideo(Action[StartedTask], starts_task="ConcatComplete", errors=(1000, 1001, 10009)):
    """Join files, in order, into new ones. Sources must be alike in container, codecs, size and time base, ≤ 10 GB."""

    src_file_list: Annotated[Some[SourceFile], Field(max_length=500)]
    """The files, at most 500; of an HLS file each segment counts."""
    name: Text
    """The name of the new file."""
    dst_type: Annotated[Some[Literal["mp4", "m3u8"]], Field(max_length=2)]
    """What to make."""


class ClipVideo(Action[StartedTask], starts_task="ClipComplete", errors=(1000, 1001, 10009)):
    """Cut a piece out of a file, as a new file (mp4). Times below 0 count from the end."""

    file_id: Text
    """The file."""
    new_file_name: Text
    """The name of the new file."""
    start_time_offset: Seconds = 0
    """Where the piece begins."""
    end_time_offset: Seconds | None = None
    """Where it ends; None: at the end of the file."""


ONE_TASK = (1, 1000, 1108, 1152, 1801, 1802, 2000, 2001, 10009, 10010, 10012)  # what the three below have in common


class ConvertVodFile(Action[StartedTask], starts_task="TranscodeComplete", errors=ONE_TASK):
    """Transcode a file by the account's settings."""

    file_id: Text
    """The file."""
    screenshot: Annotated[bool | None, Field(alias="isScreenshot")] = None
    """Take screenshots too."""
    watermark: Annotated[bool | None, Field(alias="isWatermark")] = None
    """Put the account's watermark on."""


class CreateSnapshotByTimeOffset(
    Action[StartedTask], starts_task="CreateSnapshotByTimeOffsetComplete", errors=ONE_TASK
):
    """Take screenshots of a file at given times."""

    file_id: Text
    """The file."""
    definition: Definition
    """The template."""
    time_offset: Some[Milliseconds]
    """The times."""


class CreateImageSprite(
    Action[StartedTask], starts_task="CreateImageSpriteComplete", errors=ONE_TASK, aka=("CreatImageSprite",)
):
    """Make pictures of many small ones of a file. The manual's example drops a letter of the name."""

    file_id: Text
    """The file."""
    definition: Definition
    """The template."""
