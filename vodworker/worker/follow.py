"""Follow: ask for the tasks whose end nobody has told, and handle what should have come as an event."""

import asyncio
from typing import Any

from vodworker.api import GetTaskInfo
from vodworker.api.tasks import TASK_GONE, TaskInfo
from vodworker.cloud.client import Vod
from vodworker.errors import CallError, Refused
from vodworker.events import peek
from vodworker.journal.port import Arrival, Out, Store
from vodworker.log import bound, log
from vodworker.media import FINISH, is_state
from vodworker.outcome import describe
from vodworker.router import Router
from vodworker.wire import dumps
from vodworker.worker.backlog import Backlog

LOOK_EVERY = 30.0  # seconds between two looks at what is overdue
OVERDUE = 600.0  # after so many seconds a task is asked for first: most are done by then, and their event is here
AT_ONCE = 10  # tasks asked for in one look: a tenth of the allowance of GetTaskInfo, so that handlers keep the rest


class Follow:
    """The coroutine that asks."""

    def __init__(self, store: Store, vod: Vod, router: Router, backlog: Backlog) -> None:
        self._store = store
        self._vod = vod
        self._router = router
        self._backlog = backlog

    def __repr__(self) -> str:
        return "<Follow>"

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            for out in await self._store.overdue(first=OVERDUE, limit=AT_ONCE):
                with bound(event_id=out.origin.event_id, handler=out.origin.handler):
                    await self._ask(out)

    async def _ask(self, out: Out) -> None:
        facts = {"task_id": out.task, "action": out.origin.action, "out_for": round(out.age, 1)}
        try:
            info = await self._vod.call(GetTaskInfo(vod_task_id=out.task))
        except CallError as error:  # told by the client; what says nothing of the task is asked again in time
            if isinstance(error, Refused) and error.code == TASK_GONE:
                await self._store.unfollow(out.task)
                log.error("task.gone", **facts, code=error.code, error=describe(error))
            return
        if not is_state(info.status, FINISH):
            log.info("task.running", **facts, status=info.status)
            return
        content = event_of(out, info)
        kind, key, ended = peek(content)
        arrival = Arrival(dumps(content), kind, key, self._router.hears(kind), ended, found=True)
        self._backlog.news.set()
        (receipt,) = await self._store.record([arrival])
        if not receipt.copy:
            log.warning("task.found", **facts, found_as=receipt.event_id)
            self._backlog.changed(len(arrival.handlers))


def event_of(out: Out, info: TaskInfo) -> dict[str, Any]:
    """The event that should have told of this end: the `data` of a task are those of its event."""
    data = info.data.model_dump(by_alias=True, exclude_unset=True, mode="json") if info.data else {}
    if out.ends_in == "ProcedureStateChanged":
        data["status"] = FINISH
    return {"version": "4.0", "eventType": out.ends_in, "data": {**data, "vodTaskId": out.task}}
