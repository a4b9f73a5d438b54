"""What became of a call whose reply nobody saw: whether the task that it may have started is there.

The service knows no name that we could give a call, so that sending it again would be recognised. But it lists its
tasks: one that is of the right kind, of the right file and with the right outputs, that began after we were about to
send, and that is nobody else's, is ours.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeAlias

from vodworker.api import GetTaskInfo, GetTaskList, RedoTask
from vodworker.api.action import Action
from vodworker.api.tasks import TASK_GONE, TaskData, TaskInfo, TaskSummary
from vodworker.cloud.client import Vod
from vodworker.errors import Refused
from vodworker.journal.port import Calls
from vodworker.media import FINISH, is_state

SKEW = 60.0  # seconds that our clock and the service's may differ; it refuses requests that are 300 s off
STATES: Sequence[Literal["WAITING", "PROCESSING", "FINISH"]] = ("WAITING", "PROCESSING", "FINISH")
# The parts of ProcessFile whose sub-tasks are listed with their inputs; reviews and analyses are told elsewhere.
LISTED = (
    "transcode",
    "animated_graphics",
    "sample_snapshot",
    "cover_by_snapshot",
    "snapshot_by_time_offset",
    "image_sprite",
)


@dataclass(frozen=True, slots=True)
class Found:
    """The call started this task."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The reply is in the journal by now: the earlier run was late, and not dead."""

    reply: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """The call had no effect: it started no task that the service knows."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """These tasks may be the call's, and nothing tells; none: it is no task that the call would have started."""

    tasks: tuple[str, ...] = ()


Verdict: TypeAlias = Found | Missing | Unclear


async def look(vod: Vod, calls: Calls, action: Action[Any], *, since: float) -> Verdict:
    """Ask the service once what became of a call that was about to be sent at `since` (Unix seconds)."""
    if isinstance(action, RedoTask):
        for task_id, info in await known(vod, [action.vod_task_id]):
            return redone(task_id, info, since=since)
        return Missing()
    if not names_task(action):
        return Unclear()
    found = await suspects(vod, action, since=since)
    standing = await calls.standing(type(action).__name__, found)
    free = [task for task in found if task not in standing.claimed]
    return judge(action, await known(vod, free), rivals=standing.doubtful - 1)


def names_task(action: Action[Any]) -> bool:
    """Whether the reply to the action is the task that it started, so that one can be made of the task. Pure."""
    return "vod_task_id" in action.reply.model_fields


def redone(task_id: str, info: TaskInfo, *, since: float) -> Verdict:
    """Whether a task was run again since then: only one that has ended can be, and running again it ends anew. Pure."""
    ended = info.finish_time or 0
    if not is_state(info.status, FINISH) or ended > since + SKEW:
        return Found(task_id)
    return Missing() if ended < since - SKEW else Unclear((task_id,))


class Fit(Enum):
    """What the service tells of a task, held against what a call asked for. PERHAPS: all agrees, but it is little."""

    NOT = "it is another's"
    LATER = "it will tell when it has begun"
    PERHAPS = "nothing speaks against it"
    SURELY = "the file and the outputs agree"


def judge(action: Action[Any], tasks: Iterable[tuple[str, TaskInfo]], *, rivals: int) -> Verdict:
    """Which of these unclaimed tasks, oldest first, the call started. Pure.

    rivals: how many other calls of the action are in doubt. Calls that are alike share their tasks alike: the first one
    that fits is taken. Where nothing but the kind of task speaks for it, it must be the only one, and have no rival.
    """
    fits = {task_id: fitting(action, info) for task_id, info in tasks}
    left = [task_id for task_id, fit in fits.items() if fit is not Fit.NOT]
    for task_id in left:
        if fits[task_id] is Fit.SURELY or (fits[task_id] is Fit.PERHAPS and len(left) == 1 and not rivals):
            return Found(task_id)
    return Unclear(tuple(left)) if left else Missing()


def fitting(action: Action[Any], info: TaskInfo) -> Fit:
    """Whether a task is what the action asks for. Pure."""
    wanted = definitions(action)
    if info.data is None:
        return Fit.LATER if wanted else Fit.PERHAPS
    file_id = getattr(action, "file_id", None)
    if file_id is not None and file_id not in (info.data.file_id, info.data.src_file_id):
        return Fit.NOT
    told = outputs(info.data)
    if wanted and told != wanted:
        return Fit.NOT if told else Fit.LATER
    return Fit.SURELY if wanted and file_id is not None else Fit.PERHAPS


def definitions(action: Action[Any]) -> Counter[int]:
    """The templates that an action asks for, each as often as it does."""
    wanted: Counter[int] = Counter()
    for part in (action, *(getattr(action, name, None) for name in LISTED)):
        given = getattr(part, "definition", ())
        wanted.update([given] if isinstance(given, int) else given)
    return wanted


def outputs(data: TaskData) -> Counter[int]:
    """The templates that a task tells of, each as often as it does: in its list of sub-tasks, or its own."""
    asked = [data, *(task.input for task in data.process_task_list)]
    return Counter(told for it in asked if (told := getattr(it, "definition", None)) is not None)


def kindred(action: Action[Any], task: TaskSummary) -> bool:
    """Whether a task is of the kind that the action starts, by the words of its type and its id. Pure."""
    word = (action.starts_task or "").removesuffix("Complete").removesuffix("StateChanged").casefold()
    told = (task.type or "").casefold()
    return bool(word) and (word in told or (bool(told) and told in word) or word in (task.vod_task_id or "").casefold())


async def suspects(vod: Vod, action: Action[Any], *, since: float) -> list[str]:
    """The tasks of the right kind that were made at `since` (Unix seconds) or later, oldest first."""
    found: dict[str, int] = {}
    for state in STATES:
        listing = GetTaskList(status=state, file_id=getattr(action, "file_id", None), max_count=100)
        async for task in vod.pages(listing):
            begun = task.create_time or 0
            if task.vod_task_id and begun >= since - SKEW and kindred(action, task):
                found[task.vod_task_id] = begun
    return sorted(found, key=lambda task_id: found[task_id])


async def known(vod: Vod, tasks: Iterable[str]) -> list[tuple[str, TaskInfo]]:
    """What the service tells of these tasks; one that it has forgotten meanwhile is left out. Raises a `CallError`."""
    told: list[tuple[str, TaskInfo]] = []
    for task_id in tasks:
        try:
            told.append((task_id, await vod.call(GetTaskInfo(vod_task_id=task_id))))
        except Refused as error:
            if error.code != TASK_GONE:  # whoever may not ask knows nothing of the task
                raise
    return told
