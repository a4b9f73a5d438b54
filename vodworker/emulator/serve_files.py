"""Serves the library: what is known of a file, its words and tags, its end."""

from dataclasses import replace

from vodworker.api.files import CreateVodTags, DeleteVodFile, DeleteVodTags, ModifyVodInfo
from vodworker.api.video_info import GetVideoInfo
from vodworker.emulator import info, library
from vodworker.emulator.refusal import ILLEGAL, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json


async def get_video_info(service: Service, call: GetVideoInfo) -> Json:
    """What is known of a file, all of it or the parts that are asked for."""
    told = info.told(library.find(service, call.file_id, call), service.state.classes)
    return {name: part for name, part in told.items() if call.info_filter is None or name in call.info_filter}


async def modify_vod_info(service: Service, call: ModifyVodInfo) -> None:
    """Change what is given; a time of -1 means that the file never ends."""
    video = library.find(service, call.file_id, call)
    if call.class_id is not None and call.class_id not in service.state.classes:
        raise Refusal(ILLEGAL, f"there is no class {call.class_id}")
    expires = video.expires if call.expire_time_stamp is None else float(call.expire_time_stamp)
    service.state.files[video.id] = replace(
        video,
        name=video.name if call.file_name is None else call.file_name,
        description=video.description if call.file_intro is None else call.file_intro,
        class_id=video.class_id if call.class_id is None else call.class_id,
        expires=None if expires == -1 else expires,
        updated=service.clock.now(),
    )


async def create_vod_tags(service: Service, call: CreateVodTags) -> None:
    """Add the tags that the file does not have yet."""
    video = library.find(service, call.file_id, call)
    tags = tuple(dict.fromkeys((*video.tags, *call.tags)))
    service.state.files[video.id] = replace(video, tags=tags, updated=service.clock.now())


async def delete_vod_tags(service: Service, call: DeleteVodTags) -> None:
    """Take these tags off, those that the file has."""
    video = library.find(service, call.file_id, call)
    tags = tuple(tag for tag in video.tags if tag not in call.tags)
    service.state.files[video.id] = replace(video, tags=tags, updated=service.clock.now())


async def delete_vod_file(service: Service, call: DeleteVodFile) -> None:
    """Delete the file and everything that was made of it."""
    library.remove(service, library.find(service, call.file_id, call))


SERVES: Serves = {
    GetVideoInfo: get_video_info,
    ModifyVodInfo: modify_vod_info,
    CreateVodTags: create_vod_tags,
    DeleteVodTags: delete_vod_tags,
    DeleteVodFile: delete_vod_file,
}
