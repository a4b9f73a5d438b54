"""What is known of the files in the library: of one in full, of several as lists."""

from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AliasChoices, Field

from vodworker.api.action import Action, Page, Reply
from vodworker.api.bounds import Several, Text
from vodworker.api.pages import Pages
from vodworker.media import Detail, Drm, MetaData, PlayItem, Texts


class BasicInfo(Detail):
    """A file's name, its kind, its days."""

    name: str | None = None
    size: int | None = None  # bytes
    duration: float | None = None  # s
    description: str | None = None
    status: str | None = None  # normal
    create_time: int | None = None  # Unix s
    update_time: int | None = None  # Unix s
    expire_time: int | None = None  # Unix s
    classification_id: int | None = None
    classification_name: str | None = None
    player_id: int | None = None
    cover_url: str | None = None
    type: str | None = None  # mp4, flv …
    source_video_url: str | None = None


class FileMetaData(MetaData):
    """What a file is made of, in more detail than events tell."""

    float_duration: float | None = None  # s
    rotate: int | None = None  # degrees
    total_size: int | None = None  # bytes; of HLS, playlist and segments together


class FileDrm(Drm):
    """How a file is encrypted."""

    encrypt_type: str | None = None  # SingleKey


class TranscodedFile(FileMetaData):
    """One transcoded version."""

    url: str | None = None
    definition: int | None = None


class TranscodeInfo(Detail):
    """The transcoded versions."""

    idr_alignment: bool | None = None
    transcode_list: tuple[TranscodedFile, ...] = ()


class AnimatedGraphicsFile(Detail):
    """A moving picture."""

    url: str | None = None
    definition: int | None = None
    container: str | None = None
    height: int | None = None  # px
    width: int | None = None  # px
    bitrate: int | None = None  # bit/s
    size: int | None = None  # bytes
    md5: str | None = None
    start_time: float | None = None  # s
    end_time: float | None = None  # s


class AnimatedGraphicsInfo(Detail):
    """The moving pictures."""

    animated_graphics_list: tuple[AnimatedGraphicsFile, ...] = ()


class SampleSnapshotInfo(Detail):
    """Screenshots at equal distances, of one template."""

    definition: int | None = None
    sample_type: str | None = None  # Percent or Time, in any letter case
    interval: str | None = None  # in per cent or in s
    image_urls: Texts = ()
    watermark_definition: tuple[int, ...] = ()


class ImageSpriteFiles(Detail):
    """Pictures of many small ones, of one template."""

    definition: int | None = None
    height: int | None = None  # px, of a small one
    width: int | None = None
    total_count: int | None = None  # small ones
    image_urls: Texts = ()
    web_vtt_url: str | None = None


class ImageSpriteInfo(Detail):
    """The sprites."""

    image_sprite_list: tuple[ImageSpriteFiles, ...] = ()


class TimedSnapshot(Detail):
    """A screenshot at a given time."""

    time_offset: int | None = None  # ms
    url: str | None = None
    watermark_definition: tuple[int, ...] = ()


class TimedSnapshots(Detail):
    """Screenshots at given times, of one template."""

    definition: int | None = None
    pic_info_list: tuple[TimedSnapshot, ...] = ()


class SnapshotByTimeOffsetInfo(Detail):
    """The screenshots at given times."""

    snapshot_by_time_offset_list: tuple[TimedSnapshots, ...] = ()


class KeyFrameDesc(Detail):
    """A mark in the video."""

    time_offset: int | None = None  # ms
    content: str | None = None  # URL-encoded

    @property
    def text(self) -> str:
        """The words as they were written."""
        return unquote(self.content or "")


class KeyFrameDescInfo(Detail):
    """The marks."""

    key_frame_desc_list: tuple[KeyFrameDesc, ...] = ()


class Guess(Detail):
    """A class or a tag, and how sure it is, to 100. The manual's table and example name a tag differently."""

    classification: Annotated[str | None, Field(validation_alias=AliasChoices("classification", "tag"))] = None
    confidence: float | None = None


class ClassificationInfo(Detail):
    """Guessed classes, of one template."""

    definition: int | None = None
    classifications: tuple[Guess, ...] = ()


class TagInfo(Detail):
    """Guessed tags, of one template."""

    definition: int | None = None
    tags: tuple[Guess, ...] = ()


class AiAnalysisInfo(Detail):
    """What was guessed."""

    classification_list: tuple[ClassificationInfo, ...] = ()
    tag_list: tuple[TagInfo, ...] = ()


class PornSegment(Detail):
    """A suspicious piece."""

    start_time_offset: float | None = None  # s
    end_time_offset: float | None = None  # s
    confidence: float | None = None
    suggestion: str | None = None  # pass, review or block
    url: str | None = None
    pic_url_expire_time_stamp: int | None = None  # Unix s


class PornInfo(Detail):
    """What a review found, of one template."""

    definition: int | None = None
    confidence: float | None = None  # to 100
    suggestion: str | None = None  # pass, review or block
    segments: tuple[PornSegment, ...] = ()


class ContentReviewInfo(Detail):
    """What reviews found."""

    porn_list: tuple[PornInfo, ...] = ()


class VideoInfo(Reply):
    """All that is known of a file; what was never made of it is None."""

    basic_info: BasicInfo | None = None
    meta_data: FileMetaData | None = None
    drm: FileDrm | None = None
    transcode_info: TranscodeInfo | None = None
    animated_graphics_info: AnimatedGraphicsInfo | None = None
    sample_snapshot_info: tuple[SampleSnapshotInfo, ...] = ()
    image_sprite_info: ImageSpriteInfo | None = None
    snapshot_by_time_offset_info: SnapshotByTimeOffsetInfo | None = None
    key_frame_desc_info: KeyFrameDescInfo | None = None
    ai_analysis_info: AiAnalysisInfo | None = None
    content_review_info: ContentReviewInfo | None = None


class GetVideoInfo(Action[VideoInfo], safe=True, errors=(1, 1000, 1001, 1003, 2000, 10008, 10022)):
    """Everything that is known of a file, or some of it."""

    file_id: Text
    """The file."""
    info_filter: (
        Several[
            Literal[
                "basicInfo",
                "metaData",
                "aiAnalysisInfo",
                "contentReviewInfo",
                "drm",
                "transcodeInfo",
                "animatedGraphicsInfo",
                "imageSpriteInfo",
                "snapshotByTimeOffsetInfo",
                "sampleSnapshotInfo",
                "keyFrameDescInfo",
            ]
        ]
        | None
    ) = None
    """Only these parts; None: all."""


class Playable(PlayItem):
    """One playable version. vbitrate is in kbit/s by the tables, in bit/s by the examples."""

    vbitrate: Annotated[int | None, Field(validation_alias=AliasChoices("vbitrate", "vbtrate"))] = None


class FoundFile(Detail):
    """A file with its playable versions."""

    file_id: str | None = None
    file_name: str | None = None
    duration: float | None = None  # s
    status: int | None = None  # as in `retired.DescribeVodInfo`; also 10 waits for transcoding, 11 partly transcoded
    image_url: Annotated[str | None, Field(validation_alias=AliasChoices("imageUrl", "image_url"))] = None
    play_set: tuple[Playable, ...] = ()


class FoundFiles(Page[FoundFile]):
    """A piece of the list."""

    total_count: int | None = None
    file_set: tuple[FoundFile, ...] = ()


class DescribeVodPlayInfo(
    Action[FoundFiles],
    safe=True,
    errors=(1, 1000, 1001, 1003, 10008),
    pages=Pages(items="file_set", takes="page_no", total="total_count"),
):
    """The files whose names begin in one way."""

    file_name: Text
    """The beginning of the name."""
    page_no: Annotated[int | None, Field(ge=1)] = None
    """Which piece, from 1."""
    page_size: Annotated[int | None, Field(ge=1)] = None
    """How many in one reply."""


class RecordedFiles(Reply):
    """The files of a recording."""

    file_set: tuple[FoundFile, ...] = ()


class DescribeRecordPlayInfo(Action[RecordedFiles], safe=True):
    """The files of a recording that a live system of the first generation made."""

    vid: Text
    """The recording, as the live system calls it."""
