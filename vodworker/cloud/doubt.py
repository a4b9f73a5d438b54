"""What became of a call whose reply nobody saw: whether the task that it may have started is there.

The service knows no name that we could give a call, so that sending it again would be recognised. But it lists its
tasks: one that is of the right kind, of the right file and with the right outputs, that began after we were about to
send, and that is nobody else's, is ours.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from vodworker.api import GetTaskInfo, GetTaskList
from vodworker.api.action import Action
from vodworker.api.tasks import TaskInfo, TaskSummary
from vodworker.cloud.client import Vod
from vodworker.errors import Refused

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
    """The call started no task that the service knows."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """These tasks may be the call's, and nothing tells."""

    tasks: tuple[str, ...]


Verdict: TypeAlias = Found | Heard | Missing | Unclear


def judge(action: Action[Any], tasks: Iterable[tuple[str, TaskInfo]], *, rivals: int) -> Verdict:
    """Which of these unclaimed tasks, oldest first, the call started. Pure.

    rivals: how many other calls of the action are in doubt. Calls that are alike share their tasks alike: the first one
    that fits is taken. Where nothing but the kind of task speaks for it, it must be the only one, and have no rival.
    """
    fits = [(task_id, fitting(action, info)) for task_id, info in tasks]
    sure = [task_id for task_id, fit in fits if fit is True]
    perhaps = [task_id for task_id, fit in fits if fit is None]
    if sure:
        return Found(sure[0])
    if not perhaps:
        return Missing()
    if len(perhaps) == 1 and not rivals:
        return Found(perhaps[0])
    return Unclear(tuple(perhaps))


def fitting(action: Action[Any], info: TaskInfo) -> bool | None:
    """Whether a task is what the action asks for; None when what is known of it does not tell. Pure."""
    asked = getattr(action, "file_id", None)
    if asked is None or info.data is None:
        return None
    if asked not in (info.data.file_id, info.data.src_file_id):
        return False
    wanted = definitions(action)
    if not wanted:
        return None
    inputs = (task.input for task in info.data.process_task_list)
    listed = Counter(getattr(asked, "definition", None) for asked in inputs if asked)
    return listed == wanted if listed else None


def definitions(action: Action[Any]) -> Counter[int | None]:
    """The templates that an action asks for, each as often as it does."""
    wanted: Counter[int | None] = Counter()
    for name in LISTED:
        part = getattr(action, name, None)
        given = getattr(part, "definition", ())
        wanted.update([given] if isinstance(given, int) else given)
    return wanted


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
    """What the service tells of these tasks; one that it has forgotten meanwhile is left out."""
    told: list[tuple[str, TaskInfo]] = []
    for task_id in tasks:
        try:
            told.append((task_id, await vod.call(GetTaskInfo(vod_task_id=task_id))))
        except Refused as error:
            if error.retryable:
                raise
    return told
