"""The admin address: for a tester who runs the emulator as a process of its own. JSON in, JSON out.

It has a port of its own, on the loopback, and is off unless asked for. So what listens where the service is expected
answers like the service and nothing else, whoever it is open to, and no request has to be asked where it comes from.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from math import inf
from typing import Any, Literal, TypeAlias

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vodworker.api.action import said
from vodworker.emulator import planning, snapshot
from vodworker.emulator.service import Service
from vodworker.errors import ConfigError

Answer: TypeAlias = Awaitable[object]
LATEST = 100  # calls and confirmations that are shown one by one, if no other number is asked for
SPAN = 60.0
OK, BAD = 200, 400  # of HTTP


class Asked(BaseModel):
    """What a request may say; what else it says is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AuditQuery(Asked):
    """Which calls. latest: how many of the last ones, one by one. span: seconds of a window of counting."""

    action: str | None = None
    latest: int = Field(LATEST, ge=0)
    span: float = Field(SPAN, gt=0)


class Move(Asked):
    """Let a clock jump by so many seconds; backwards when negative."""

    clock: Literal["timestamp", "tasks"]
    by: float


class Emit(Asked):
    """Queue events, each as it will be pulled; `times` over."""

    events: list[dict[str, Any]] = Field(min_length=1)
    times: int = Field(1, ge=1, le=100_000)


class Admin:
    """What a tester sees and does, over HTTP under `/admin/`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<Admin of {self._service.origin}>"

    def app(self) -> web.Application:
        """The application that answers."""
        app = web.Application(client_max_size=1 << 30)  # a snapshot has no bound
        app.add_routes(
            [
                web.get("/admin/faults", answered(self.faults), allow_head=False),
                web.put("/admin/faults", answered(self.set_faults)),
                web.delete("/admin/faults", answered(self.clear_faults)),
                web.get("/admin/audit", answered(self.audit), allow_head=False),
                web.get("/admin/queue", answered(self.queue), allow_head=False),
                web.get("/admin/snapshot", answered(self.snapshot), allow_head=False),
                web.put("/admin/snapshot", answered(self.restore)),
                web.get("/admin/clock", answered(self.clock), allow_head=False),
                web.post("/admin/clock", answered(self.move)),
                web.post("/admin/events", answered(self.emit)),
            ]
        )
        return app

    async def faults(self, _: web.Request) -> object:
        """The plan in force, and of each of its faults, how often it could have struck and did."""
        faults = self._service.faults
        return {
            "plan": faults.plan.model_dump(),
            "asked": [it.asked for it in faults.running],
            "struck": [it.struck for it in faults.running],
        }

    async def set_faults(self, request: web.Request) -> object:
        """Put another plan in force, from its beginning."""
        self._service.faults.set(planning.plan(orjson.loads(await request.read())))
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> object:
        """Let nothing go wrong any more, and set the clock of Timestamps right."""
        self._service.faults.clear()
        self._service.wall.skew = 0.0
        return await self.faults(request)

    async def audit(self, request: web.Request) -> object:
        """What came, when, and what was answered; what became of the events. Times are the emulator's `now`."""
        asked = AuditQuery.model_validate(dict(request.query))
        audit, queue = self._service.audit, self._service.queue
        names = [name for name in audit.actions if asked.action in (None, name)]
        return {
            "now": self._loop.time(),
            "actions": {
                name: {
                    "arrivals": audit.arrivals(name),
                    "most_in_60s": audit.most_in_60s(name),
                    "codes": {code: count for (action, code), count in audit.codes.items() if action == name},
                    "windows": audit.in_windows(name, span=asked.span),
                }
                for name in names
            },
            "events": {
                "emitted": queue.emitted,
                "pulled": queue.pulled,
                "redelivered": queue.redelivered,
                "confirmed": queue.confirmed,
                "late": queue.late,
                "left": len(queue),
                "smallest_margin": None if audit.smallest_margin == inf else audit.smallest_margin,
            },
            "calls": [asdict(call) for call in deque(audit.calls(asked.action), asked.latest)],
            "confirmations": [
                {"at": it.at, "handle": it.handle, "margin": it.margin, "event": it.event.number, "type": it.event.type}
                for it in deque(queue.confirmations, asked.latest)
            ],
        }

    async def queue(self, _: web.Request) -> object:
        """Every event that nobody has confirmed, and where it is; nothing is touched."""
        places = list(self._service.queue.places(self._loop.time()))
        return {
            "count": dict(Counter(place.state for place in places)),
            "events": [
                {
                    "event": place.event.number,
                    "state": place.state,
                    "handle": place.handle,
                    "left": place.left,
                    "sent": place.event.sent,
                    "content": orjson.Fragment(place.event.content),
                }
                for place in places
            ],
        }

    async def snapshot(self, _: web.Request) -> object:
        """The whole account, as `--state` keeps it."""
        return snapshot.taken(self._service)

    async def restore(self, request: web.Request) -> object:
        """Make the account what a snapshot says that it was."""
        saved = snapshot.read(await request.read())
        snapshot.put_back(self._service, saved)
        return {"restored": {"events": len(saved.events), "tasks": len(saved.state.tasks)}}

    async def clock(self, _: web.Request) -> object:
        """What time it is: for tasks, and for the Timestamp of calls."""
        return {"tasks": self._service.clock.now(), "timestamp": self._service.wall()}

    async def move(self, request: web.Request) -> object:
        """Let a clock jump; what falls into the time of tasks is done."""
        asked = Move.model_validate_json(await request.read())
        self._service.step(asked.clock, asked.by)
        return await self.clock(request)

    async def emit(self, request: web.Request) -> object:
        """Queue events, and wake the polls that wait."""
        asked = Emit.model_validate_json(await request.read())
        for event in asked.events * asked.times:
            self._service.put(event)
        return {"emitted": len(asked.events) * asked.times}


def answered(verb: Callable[[web.Request], Answer]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The verb as an answer to a request: its value as JSON, and what it refuses as 400 with the reasons."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return response(OK, await verb(request))
        except ConfigError as error:
            return response(BAD, {"problems": error.problems})
        except ValidationError as error:
            return response(BAD, {"problems": [said(error)]})
        except orjson.JSONDecodeError as error:
            return response(BAD, {"problems": [f"the request is not JSON: {error}"]})

    return answer


def response(status: int, value: object) -> web.Response:
    """A value as JSON, ready to be read by a person."""
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(status=status, body=body, content_type="application/json")
