"""Serves what can be asked of tasks, and their second try."""

from collections.abc import Iterator
from itertools import islice

from vodworker.api.action import Reply
from vodworker.api.tasks import GetTaskInfo, GetTaskList, RedoTask, TaskList, TaskPage, TaskSummary
from vodworker.emulator import tasks
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import WAITING, Json, Task


async def get_task_info(service: Service, call: GetTaskInfo) -> Json:
    """One task; its data is that of its event, and is missing while it waits."""
    task = tasks.find(service, call.vod_task_id)
    return {
        "type": task.kind,
        "status": task.status,
        "createTime": int(task.created),
        "beginProcessTime": int(task.begun),
        "finishTime": int(task.finished),
        **({} if task.status == WAITING else {"data": tasks.data(service, task)}),
    }


async def get_task_list(service: Service, call: GetTaskList) -> TaskList:
    """The tasks in one state, oldest first, so that none is missed by who reads piece by piece while others begin."""
    after = _number(call.next)
    found = (
        task
        for task in tasks.recent(service).values()
        if task.status == call.status
        and task.number > after
        and call.file_id in (None, "", *_files(task))
        and (call.start_time or 0) <= task.created <= (call.end_time or task.created)
    )
    piece = list(islice(found, call.max_count))
    return TaskList(
        data=TaskPage(
            status=call.status,
            next=f"{piece[-1].number:024x}" if next(found, None) else "",
            task_list=tuple(map(_summary, piece)),
        )
    )


def _files(task: Task) -> Iterator[str]:
    """The files that a task is listed under: the one that it works on, its sources, the one that it fetches."""
    yield from (task.file_id, *task.detail.get("sources", ()), task.detail.get("pulled", ""))


def _number(cursor: str | None) -> int:
    """The number of the task that a cursor stands for; of one that we did not make it is nought: from the start."""
    try:
        return int(cursor or "0", 16)
    except ValueError:
        return 0


def _summary(task: Task) -> TaskSummary:
    return TaskSummary(
        vod_task_id=task.id,
        type=task.kind,
        create_time=int(task.created),
        begin_process_time=int(task.begun),
        finish_time=int(task.finished),
    )


async def redo_task(service: Service, call: RedoTask) -> Reply:
    """Run an ended task again."""
    tasks.redo(service, tasks.find(service, call.vod_task_id))
    return Reply()


SERVES: Serves = {GetTaskInfo: get_task_info, GetTaskList: get_task_list, RedoTask: redo_task}
