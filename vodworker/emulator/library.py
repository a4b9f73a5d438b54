"""The files of the account: how one gets in, how it is found, how it goes."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from vodworker.api.action import Action, Reply
from vodworker.emulator.refusal import BAD_FILE, ILLEGAL, MISSING_FILE, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import OTHERS, Footage, Json, Video
from vodworker.media import FINISH

PLAYLIST = "playlist.f6.m3u8"  # what the service calls the playlists that it makes


def add(
    service: Service,
    *,
    name: str,
    container: str,
    size: int,
    md5: str,
    shows: Footage,
    file_id: str | None = None,
    part: str | None = None,
    cover: str = "",
    class_id: int = 0,
    tags: tuple[str, ...] = (),
    stream: str = "",
) -> Video:
    """A new file; `file_id` when it was promised before. part: the end of its address, f0 and its container if None.

    class_id: its class; the default one when that has gone meanwhile.
    """
    file_id = file_id or service.new_file_id()
    folder = f"{service.origin}{service.folder(file_id)}"
    now = service.clock.now()
    video = service.state.files[file_id] = Video(
        id=file_id,
        name=name,
        container=container,
        folder=folder,
        url=f"{folder}/{part or f'f0.{container}'}",
        size=size,
        md5=md5,
        footage=shows,
        created=now,
        updated=now,
        cover=cover,
        class_id=class_id if class_id in service.state.classes else OTHERS.id,
        tags=tags,
        stream=stream,
    )
    return video


def find(service: Service, file_id: str, action: Action[Reply]) -> Video:
    """The file, or a refusal with the code that this action documents for one that is not there."""
    if video := service.state.files.get(file_id):
        return video
    code = BAD_FILE if BAD_FILE in action.errors and MISSING_FILE not in action.errors else MISSING_FILE
    raise Refusal(code, f"file {file_id} does not exist")


def check_class(service: Service, class_id: int | None) -> None:
    """Refuse a class that does not exist."""
    if class_id is not None and class_id not in service.state.classes:
        raise Refusal(ILLEGAL, f"there is no class {class_id}")


def change(service: Service, video: Video) -> None:
    """Put a changed file in the place of the one that was."""
    service.state.files[video.id] = replace(video, updated=service.clock.now())


def remove(service: Service, video: Video) -> None:
    """Take a file away, with everything that was made of it, and tell of it."""
    del service.state.files[video.id]
    service.storage.drop(service.folder(video.id))
    service.emit("FileDeleted", {"status": 0, "message": "", "fileInfo": [{"fileId": video.id}]})


def expire(service: Service, *videos: Video) -> None:
    """Have these files removed when their time has come, if they then still end at that time."""
    for video in videos:
        if video.expires is not None:
            wait = max(0.0, video.expires - service.clock.now())
            service.clock.after(wait, partial(_end, service, video.id, video.expires))


def _end(service: Service, file_id: str, expires: float) -> None:
    video = service.state.files.get(file_id)
    if video and video.expires == expires:
        remove(service, video)


def recordings(service: Service, stream: str) -> Iterator[Video]:
    """What was recorded of a live stream, in the order of its time."""
    return (video for video in service.state.files.values() if stream and video.stream == stream)


NORMAL, TRANSCODING = 2, 4  # of the states that the service knows


def status(service: Service, video: Video) -> int:
    """The state of a file, as its number: whether something is being made of it."""
    busy = any(task.file_id == video.id and task.status != FINISH for task in service.state.tasks.values())
    return TRANSCODING if busy else NORMAL


def plays(video: Video) -> list[Json]:
    """The playable versions of a file: the source, whose definition is 0, and what it was transcoded to."""
    source = {"url": video.url, "bitrate": video.footage.bitrate, "height": video.footage.height}
    outputs = [
        (0, source | {"width": video.footage.width}),
        *((made.definition, made.output) for made in video.made if made.type == "Transcode"),
    ]
    return [
        {
            "url": output["url"],
            "definition": definition,
            "vbitrate": output["bitrate"],
            "vheight": output["height"],
            "vwidth": output["width"],
        }
        for definition, output in outputs
    ]
