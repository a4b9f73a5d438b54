"""What one kind of task is: who does its steps, and how its event tells of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vodworker.emulator.footage import mishap
from vodworker.emulator.refusal import MISSING_FILE, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Task, Video


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task.

    event: the type of the event that tells its end.
    work: does a step, with its effect on the account, and returns its output; a Refusal fails the step with its code.
    data: the event's data, which is that of GetTaskInfo too.
    """

    event: str
    work: Callable[[Service, Task, Step], Json]
    data: Callable[[Service, Task], Json]


def usable(task: Task, step: Step, sources: Iterable[Video | None]) -> list[Video]:
    """The source files of a step, when none of them is gone or bad on purpose."""
    videos: list[Video] = []
    for video in sources:
        if video is None:
            raise Refusal(MISSING_FILE, "a source file does not exist")
        if code := mishap(video.name, step=step.type, run=task.run):
            raise Refusal(code, f"file {video.id} asks for this error by its name")
        videos.append(video)
    return videos


def ended(task: Task) -> Json:
    """The end of a task as events with one status tell it: with that of the first step that failed."""
    code, message = next(((step.code, step.message) for step in task.steps if step.code), (0, ""))
    return {"vodTaskId": task.id, "status": code, "message": message}


def told(step: Step) -> Json:
    """A new file as events tell of it: what was asked, how it ended, and where it is."""
    return {"fileType": step.input["fileType"], "status": step.code, "message": step.message, **(step.output or {})}
