"""New files out of old ones: pieces, cut out and joined. For ConcatVideo, ClipVideo, and flows on several sources."""

from collections.abc import Sequence
from dataclasses import dataclass

from vodworker.emulator.footage import digest, joined, piece
from vodworker.emulator.kind import Kind, ended, told, usable
from vodworker.emulator.library import PLAYLIST, add
from vodworker.emulator.refusal import ILLEGAL, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Footage, Json, Step, Task, Video

UNLIKE = -47301  # the code for sources whose pictures differ in size


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of the library from one time to another; below 0 they count from its end, None is its end."""

    file_id: str
    start: float = 0
    end: float | None = None


def cut(video: Video, start: float, end: float | None) -> Footage:
    """What a piece of a file shows; refused when nothing is left of it."""
    if shows := piece(video.footage, start, end):
        return shows
    raise Refusal(ILLEGAL, f"file {video.id} of {video.footage.duration:g} s has nothing between {start} and {end}")


def assemble(service: Service, task: Task, step: Step, pieces: Sequence[Piece], *, name: str, container: str) -> Video:
    """A new file of these pieces, one after the other."""
    videos = usable(task, step, [service.state.files.get(piece.file_id) for piece in pieces])
    shown = [cut(video, piece.start, piece.end) for video, piece in zip(videos, pieces, strict=True)]
    if len({(shows.width, shows.height) for shows in shown}) > 1:
        raise Refusal(UNLIKE, "the sources' pictures differ in size")
    return add(
        service,
        name=name,
        container=container,
        size=sum(
            int(video.size * shows.duration / video.footage.duration)
            for video, shows in zip(videos, shown, strict=True)
        ),
        md5=digest(task.id, container, *(video.md5 for video in videos)),
        shows=joined(shown),
        part=PLAYLIST if container == "m3u8" else None,
    )


def detail(name: str, pieces: Sequence[Piece]) -> Json:
    """What a task needs to know to assemble its file; `sources` are the files that it is listed under."""
    return {
        "name": name,
        "sources": [piece.file_id for piece in pieces],
        "pieces": [[piece.file_id, piece.start, piece.end] for piece in pieces],
    }


def pieces_of(task: Task) -> list[Piece]:
    """The pieces of a task's detail."""
    return [Piece(*piece) for piece in task.detail["pieces"]]


def _work(service: Service, task: Task, step: Step) -> Json:
    video = assemble(service, task, step, pieces_of(task), name=task.detail["name"], container=step.input["fileType"])
    return {"fileId": video.id, "fileUrl": video.url}


def _concat(_: Service, task: Task) -> Json:
    return {**ended(task), "fileInfo": [told(step) for step in task.steps]}


def _clip(_: Service, task: Task) -> Json:
    [step] = task.steps
    [source] = task.detail["sources"]
    return {"vodTaskId": task.id, "srcFileId": source, "fileInfo": told(step)}


CONCAT = Kind("ConcatComplete", _work, _concat)
CLIP = Kind("ClipComplete", _work, _clip)
