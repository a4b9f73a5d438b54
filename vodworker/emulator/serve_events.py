"""Serves the event queue: PullEvent holds until there is something to tell, ConfirmEvent takes it off."""

import asyncio

import orjson

from vodworker.api.tasks import ConfirmEvent, PullEvent
from vodworker.emulator.refusal import PARAMETER, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.settings import Empty


async def pull_event(service: Service, _: PullEvent) -> dict[str, object]:
    """The next events; when none comes within the hold, what the settings say about an empty queue."""
    batch = await service.hold.pull(service.settings.hold)
    if batch or service.settings.empty is Empty.EMPTY:
        return {"eventList": [
            {"msgHandle": one.handle, "eventContent": orjson.Fragment(one.event.content)} for one in batch
        ]}  # fmt: skip
    if service.settings.empty is Empty.MISSING:
        return {}
    raise Refusal(PARAMETER, NO_EVENT)


NO_EVENT = "PullEvent: 没有事件通知"  # consumers tell an empty queue by these words, which do not begin the message


async def confirm_event(service: Service, call: ConfirmEvent) -> None:
    """Take the events of these handles off the queue, each or none as the settings say."""
    now = asyncio.get_running_loop().time()
    confirmation = service.queue.confirm(call.msg_handle, now)
    service.audit.confirmed(confirmation.margins)
    if confirmation.refused:
        kind = "expired" if confirmation.late else "unknown"
        raise Refusal(PARAMETER, f"msgHandle {confirmation.refused[0]} is {kind}")


SERVES: Serves = {PullEvent: pull_event, ConfirmEvent: confirm_event}
