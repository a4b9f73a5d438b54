"""The files of the account: how one gets in, how it is found, how it goes."""

from vodworker.api.action import Action, Reply
from vodworker.emulator.refusal import BAD_FILE, MISSING_FILE, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Footage, Video

ENDINGS = {"m3u8": "playlist.f6.m3u8"}  # the name of a file in its folder: f0 and its container, but for playlists


def add(
    service: Service,
    *,
    name: str,
    container: str,
    size: int,
    md5: str,
    shows: Footage,
    file_id: str | None = None,
    cover: str = "",
) -> Video:
    """A new file; `file_id` when it was promised before."""
    file_id = file_id or service.new_file_id()
    folder = f"{service.origin}{service.folder(file_id)}"
    now = service.clock.now()
    video = service.state.files[file_id] = Video(
        id=file_id,
        name=name,
        container=container,
        folder=folder,
        url=f"{folder}/{ENDINGS.get(container, f'f0.{container}')}",
        size=size,
        md5=md5,
        footage=shows,
        created=now,
        updated=now,
        cover=cover,
    )
    return video


def find(service: Service, file_id: str, action: Action[Reply]) -> Video:
    """The file, or a refusal with the code that this action documents for one that is not there."""
    if video := service.state.files.get(file_id):
        return video
    code = BAD_FILE if BAD_FILE in action.errors and MISSING_FILE not in action.errors else MISSING_FILE
    raise Refusal(code, f"file {file_id} does not exist")


def remove(service: Service, video: Video) -> None:
    """Take a file away, with everything that was made of it, and tell of it."""
    del service.state.files[video.id]
    service.storage.drop(service.folder(video.id))
    service.emit("FileDeleted", {"status": 0, "message": "", "fileInfo": [{"fileId": video.id}]})
