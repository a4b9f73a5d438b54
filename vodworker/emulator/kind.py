"""What one kind of task is: who does its steps, and how its event tells of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from vodworker.emulator.footage import mishap
from vodworker.emulator.refusal import MISSING_FILE
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Step, Task
from vodworker.media import FAIL, SUCCESS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task.

    event: the type of the event that tells its end.
    work: does a step, with its effect on the account, and returns it as it ended.
    data: the event's data, which is that of GetTaskInfo too.
    """

    event: str
    work: Callable[[Service, Task, Step], Step]
    data: Callable[[Service, Task], Json]


def succeeded(step: Step, output: Json) -> Step:
    """The step with what it made."""
    return replace(step, status=SUCCESS, output=output)


def failed(step: Step, code: int, why: str) -> Step:
    """The step as it ended without having made anything."""
    return replace(step, status=FAIL, code=code, message=why)


def trouble(service: Service, task: Task, step: Step, *sources: str) -> Step | None:
    """The step, failed, when one of its source files is gone or is bad on purpose; None when all are well."""
    for source in sources:
        video = service.state.files.get(source)
        if video is None:
            return failed(step, MISSING_FILE, f"file {source} does not exist")
        if code := mishap(video.name, step=step.type, run=task.run):
            return failed(step, code, f"file {source} asks for this error by its name")
    return None
