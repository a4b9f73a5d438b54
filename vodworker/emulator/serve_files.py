"""Serves the library: what is known of a file, its words, tags and marks, its end."""

from dataclasses import replace

from vodworker.api.files import (
    AddKeyFrameDesc,
    CreateVodTags,
    DeleteKeyFrameDesc,
    DeleteVodFile,
    DeleteVodTags,
    ModifyVodInfo,
)
from vodworker.api.video_info import GetVideoInfo
from vodworker.emulator import info, library
from vodworker.emulator.refusal import ILLEGAL, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json, Mark

MARKS = 100  # a file can have so many in all


async def get_video_info(service: Service, call: GetVideoInfo) -> Json:
    """What is known of a file, all of it or the parts that are asked for."""
    told = info.told(library.find(service, call.file_id, call), service.state.classes)
    return {name: part for name, part in told.items() if call.info_filter is None or name in call.info_filter}


async def modify_vod_info(service: Service, call: ModifyVodInfo) -> None:
    """Change what is given; a time of -1 means that the file never ends."""
    video = library.find(service, call.file_id, call)
    library.check_class(service, call.class_id)
    expires = video.expires if call.expire_time_stamp is None else float(call.expire_time_stamp)
    changed = replace(
        video,
        name=video.name if call.file_name is None else call.file_name,
        description=video.description if call.file_intro is None else call.file_intro,
        class_id=video.class_id if call.class_id is None else call.class_id,
        expires=None if expires == -1 else expires,
    )
    library.change(service, changed)
    library.expire(service, changed)


async def create_vod_tags(service: Service, call: CreateVodTags) -> None:
    """Add the tags that the file does not have yet."""
    video = library.find(service, call.file_id, call)
    library.change(service, replace(video, tags=tuple(dict.fromkeys((*video.tags, *call.tags)))))


async def delete_vod_tags(service: Service, call: DeleteVodTags) -> None:
    """Take these tags off, those that the file has."""
    video = library.find(service, call.file_id, call)
    library.change(service, replace(video, tags=tuple(tag for tag in video.tags if tag not in call.tags)))


async def add_key_frame_desc(service: Service, call: AddKeyFrameDesc) -> None:
    """Set marks; one at a time where there is one already takes its place."""
    video = library.find(service, call.file_id, call)
    marks = {mark.at: mark for mark in video.marks}
    marks |= {mark.time_offset: Mark(mark.time_offset, mark.content) for mark in call.key_frame_desc}
    if len(marks) > MARKS:
        raise Refusal(ILLEGAL, f"file {video.id} would have {len(marks)} marks, more than {MARKS}")
    library.change(service, replace(video, marks=tuple(marks[at] for at in sorted(marks))))


async def delete_key_frame_desc(service: Service, call: DeleteKeyFrameDesc) -> None:
    """Take marks out, those at the times that are given, or all."""
    video = library.find(service, call.file_id, call)
    times = call.key_frame_desc_time_offset
    library.change(
        service, replace(video, marks=tuple(mark for mark in video.marks if times is not None and mark.at not in times))
    )


async def delete_vod_file(service: Service, call: DeleteVodFile) -> None:
    """Delete the file and everything that was made of it."""
    library.remove(service, library.find(service, call.file_id, call))


SERVES: Serves = {
    GetVideoInfo: get_video_info,
    ModifyVodInfo: modify_vod_info,
    CreateVodTags: create_vod_tags,
    DeleteVodTags: delete_vod_tags,
    AddKeyFrameDesc: add_key_frame_desc,
    DeleteKeyFrameDesc: delete_key_frame_desc,
    DeleteVodFile: delete_vod_file,
}
