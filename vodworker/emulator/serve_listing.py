"""Serves the older ways to tell of files: playable versions, lists by name, by time or by recording, covers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from vodworker.api.retired import (
    ClippedHls,
    DescribeVodCover,
    DescribeVodInfo,
    DescribeVodPlayUrls,
    OldFileInfo,
    OldFileList,
    PlayUrls,
    SimpleClipHls,
)
from vodworker.api.video_info import (
    DescribeRecordPlayInfo,
    DescribeVodPlayInfo,
    FoundFile,
    FoundFiles,
    Playable,
    RecordedFiles,
)
from vodworker.emulator import library
from vodworker.emulator.calendar import clock_time, read_clock_time
from vodworker.emulator.cutting import cut
from vodworker.emulator.footage import digest
from vodworker.emulator.refusal import BAD_FILE, ILLEGAL, PARAMETER, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json, Video

PAGE = 10  # items in a reply when the call does not say
T = TypeVar("T")


def page(items: Sequence[T], number: int | None, size: int | None) -> Sequence[T]:
    """One piece of a list; pieces are numbered from 1."""
    begin = ((number or 1) - 1) * (size or PAGE)
    return items[begin : begin + (size or PAGE)]


async def describe_vod_play_info(service: Service, call: DescribeVodPlayInfo) -> FoundFiles:
    """The files whose names begin so, oldest first; when there are none, an empty list."""
    found = [video for video in service.state.files.values() if video.name.startswith(call.file_name)]
    piece = page(found, call.page_no, call.page_size)
    return FoundFiles(total_count=len(found), file_set=tuple(_found(service, piece)))


async def describe_record_play_info(service: Service, call: DescribeRecordPlayInfo) -> RecordedFiles:
    """The file that the live system knows by this name; any file has one, which DescribeVodInfo tells."""
    found = [video for video in service.state.files.values() if vid(service, video) == call.vid]
    return RecordedFiles(file_set=tuple(_found(service, found)))


def vid(service: Service, video: Video) -> str:
    """The name of a file in systems of the first generation."""
    return f"{service.settings.app_id}_{digest(video.id)}"


def _found(service: Service, videos: Iterable[Video]) -> Iterator[FoundFile]:
    for video in videos:
        yield FoundFile(
            file_id=video.id,
            file_name=video.name,
            duration=int(video.footage.duration),
            status=library.status(service, video),
            image_url=video.cover,
            play_set=_playable(video),
        )


def _playable(video: Video) -> tuple[Playable, ...]:
    return tuple(Playable(**one) for one in library.plays(video))


async def describe_vod_play_urls(service: Service, call: DescribeVodPlayUrls) -> PlayUrls:
    """The playable versions of a file."""
    return PlayUrls(play_set=_playable(library.find(service, call.file_id, call)))


async def describe_vod_info(service: Service, call: DescribeVodInfo) -> OldFileList:
    """The files that fit everything that is asked, oldest first or last."""
    after, before = _moment(call.from_), _moment(call.to)
    for file_id in call.file_ids or ():
        library.find(service, file_id, call)
    found = [
        video
        for video in service.state.files.values()
        if (call.file_ids is None or video.id in call.file_ids)
        and (after is None or video.created >= after)
        and (before is None or video.created <= before)
        and call.class_id in (None, video.class_id)
        and call.status in (None, library.status(service, video))
    ]
    found.sort(key=lambda video: video.created, reverse=call.newest_first)
    piece = page(found, call.page_no, call.page_size)
    return OldFileList(total_count=len(found), file_set=tuple(_told(service, video) for video in piece))


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    moment = read_clock_time(text)
    if moment is None:
        raise Refusal(ILLEGAL, f"{text!r} is not a time such as 2015-01-12 21:37:11")
    return moment


def _told(service: Service, video: Video) -> OldFileInfo:
    return OldFileInfo(
        file_id=video.id,
        file_name=video.name,
        file_intro=video.description,
        description=video.description,
        size=video.size,
        duration=int(video.footage.duration),
        status=library.status(service, video),
        vid=vid(service, video),
        create_time=clock_time(video.created),
        update_time=clock_time(video.updated),
        class_id=video.class_id,
        class_name=service.state.classes[video.class_id].name,
        image_url=video.cover,
        tags=video.tags,
    )


async def simple_clip_hls(service: Service, call: SimpleClipHls) -> ClippedHls:
    """Cut a recording in HLS at once; the new file has no segments of its own."""
    source = library.find(service, call.src_file_id, call)
    if source.container != "m3u8" or not source.stream:
        raise Refusal(BAD_FILE, f"file {source.id} is not a live recording in HLS")
    shows = cut(source, call.start_time_offset, call.end_time_offset)
    video = library.add(
        service,
        name=call.new_file_name,
        container="m3u8",
        size=int(source.size * shows.duration / source.footage.duration),
        md5=digest(source.md5, call.start_time_offset, call.end_time_offset),
        shows=shows,
        part=library.PLAYLIST,
    )
    return ClippedHls(new_file_id=video.id, new_file_url=video.url)


async def describe_vod_cover(service: Service, call: DescribeVodCover) -> None:
    """Make one of the file's own screenshots its cover; the service takes no other picture."""
    video = library.find(service, call.file_id, call)
    if call.para not in {url for made in video.made for url in _texts(made.output)}:
        raise Refusal(PARAMETER, "para is not the address of a screenshot of this file")
    library.change(service, replace(video, cover=call.para))


def _texts(value: Json | list[object] | object) -> Iterator[str]:
    """Every text in an output, the addresses among them."""
    match value:
        case str():
            yield value
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from _texts(inner)
        case _:
            return


SERVES: Serves = {
    DescribeVodPlayInfo: describe_vod_play_info,
    DescribeRecordPlayInfo: describe_record_play_info,
    DescribeVodPlayUrls: describe_vod_play_urls,
    DescribeVodInfo: describe_vod_info,
    SimpleClipHls: simple_clip_hls,
    DescribeVodCover: describe_vod_cover,
}
