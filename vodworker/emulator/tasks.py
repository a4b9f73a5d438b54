"""The life of tasks: WAITING, then PROCESSING step by step, then FINISH, on the emulator's clock."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from vodworker.emulator import cutting, procedure, pull, single
from vodworker.emulator.kind import Kind
from vodworker.emulator.refusal import MISSING_TASK, RUNNING_TASK, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import WAITING, Json, Step, Task
from vodworker.media import FAIL, FINISH, PROCESSING, SUCCESS

KINDS: dict[str, Kind] = {  # by the type that the service tells of tasks
    "procedure": procedure.KIND,
    "transcode": single.TRANSCODE,
    "clipVideo": cutting.CLIP,
    "concat": cutting.CONCAT,
    "createSnapshotByTimeOffset": single.SNAPSHOTS,
    "createImageSprite": single.SPRITE,
    "pull": pull.KIND,
}

MEMORY = 72 * 3600.0  # the service tells of the tasks of the last three days


def start(
    service: Service,
    kind: str,
    steps: tuple[Step, ...],
    *,
    task_id: str,
    file_id: str = "",
    notify: str = "Finish",
    detail: Json | None = None,
) -> Task:
    """Begin a task. `task_id`: what stands before the 32 hex digits, each action having words of its own."""
    recent(service)  # a place where the old ones go, so that they do not pile up
    task = Task(
        id=f"{task_id}-{service.chance.getrandbits(128):032x}",
        number=service.state.next(),
        kind=kind,
        steps=steps,
        created=service.clock.now(),
        file_id=file_id,
        notify=notify,
        detail=detail or {},
    )
    service.state.tasks[task.id] = task
    _go_on(service, task)
    return task


def find(service: Service, task_id: str) -> Task:
    """A task of the last 72 hours, or a refusal."""
    if task := recent(service).get(task_id):
        return task
    raise Refusal(MISSING_TASK, f"there is no task {task_id} of the last 72 hours")


def redo(service: Service, task: Task) -> None:
    """Run an ended task again, all its steps, under its id."""
    if task.status != FINISH:
        raise Refusal(RUNNING_TASK, f"task {task.id} has not ended")
    steps = tuple(Step(step.type, step.input) for step in task.steps)
    again = replace(task, steps=steps, status=WAITING, begun=0.0, finished=0.0, run=task.run + 1)
    service.state.tasks[task.id] = again
    _go_on(service, again)


def resume(service: Service) -> None:
    """Go on with the tasks that an earlier life left unfinished."""
    for task in service.state.tasks.values():
        _go_on(service, task)


def data(service: Service, task: Task) -> Json:
    """What the task's event and GetTaskInfo say of it."""
    return KINDS[task.kind].data(service, task)


def _go_on(service: Service, task: Task) -> None:
    """Make an appointment for what comes next in the task's life."""
    if task.status != FINISH:
        wait = service.settings.queued if task.status == WAITING else service.settings.worked
        service.clock.after(wait, partial(_advance, service, task.id))


def _advance(service: Service, task_id: str) -> None:
    task = service.state.tasks[task_id]
    kind, now = KINDS[task.kind], service.clock.now()
    if task.status == WAITING:
        task = replace(task, status=PROCESSING, begun=now)
    else:
        ended = [step for step in task.steps if step.status != PROCESSING]
        step = _done(kind, service, task, task.steps[len(ended)])
        steps = (*ended, step, *task.steps[len(ended) + 1 :])
        over = len(steps) == len(ended) + 1
        task = replace(task, steps=steps, status=FINISH if over else PROCESSING, finished=now if over else 0.0)
        if over and "then" in task.detail and not any(step.code for step in steps):
            task = _follow(service, task)
    service.state.tasks[task.id] = task
    if task.notify == "Change" or (task.notify == "Finish" and task.status == FINISH):
        service.emit(kind.event, kind.data(service, task))
    _go_on(service, task)


def _done(kind: Kind, service: Service, task: Task, step: Step) -> Step:
    """The step as it ended."""
    try:
        return replace(step, status=SUCCESS, output=kind.work(service, task, step))
    except Refusal as refusal:
        return replace(step, status=FAIL, code=refusal.code, message=refusal.text)


def _follow(service: Service, task: Task) -> Task:
    """Start the transcoding that a task is to be followed by, and note it there."""
    steps = single.coding_steps(**task.detail["then"])
    following = start(service, "transcode", steps, task_id="transcode", file_id=task.file_id)
    return replace(task, detail=task.detail | {"followed": following.id})


def recent(service: Service) -> Mapping[str, Task]:
    """The tasks that the service tells of by their ids, oldest first; the others are forgotten once they have ended."""
    horizon, tasks = service.clock.now() - MEMORY, service.state.tasks
    while tasks and (oldest := next(iter(tasks.values()))).created < horizon and oldest.status == FINISH:
        del tasks[oldest.id]
    return tasks
