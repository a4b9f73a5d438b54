"""The door of the service: a request comes in, a reply goes out. Parser, table, serialiser; all between is served."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, cast
from urllib.parse import parse_qsl

import orjson
from aiohttp import web
from pydantic import ValidationError

from vodworker import wire
from vodworker.api.action import Action, Reply, said
from vodworker.api.bounds import code_for
from vodworker.api.tasks import PullEvent
from vodworker.emulator.audit import Audit, Call
from vodworker.emulator.checks import Guard
from vodworker.emulator.faults import Code, Step
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.mangle import mangled
from vodworker.emulator.mischief import Faults, Trouble
from vodworker.emulator.refusal import ACTION, CEILING, PARAMETER, Refusal
from vodworker.emulator.service import Answer

Served: TypeAlias = Mapping[type[Action[Any]], Callable[[Any], Awaitable[Answer]]]

SUCCESS = {"code": 0, "message": "", "codeDesc": "Success"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was read: the action's name for the audit, and the parameters, or why they cannot be read."""

    request: web.Request
    action: str
    params: Mapping[str, str] | Refusal


class Door:
    """Every call passes here: checked, counted, decoded by its declaration, served, answered. Alive in `async with`.

    served: for each action what is done for it: given the action, it returns the reply, or raises a Refusal.
    faults: what befalls calls; step: lets a clock jump, by its name and so many seconds.
    """

    def __init__(
        self,
        served: Served,
        *,
        guard: Guard,
        ceilings: Ceilings,
        audit: Audit,
        wall: Callable[[], float],
        faults: Faults | None = None,
        step: Callable[[str, float], None] = lambda _clock, _seconds: None,
    ) -> None:
        self.actions = {name: action for action in served for name in (action.__name__, *action.aka)}
        self._served = served
        self._guard = guard
        self._ceilings = ceilings
        self._audit = audit
        self._wall = wall
        self._faults = faults or Faults()
        self._step = step
        self._loop = asyncio.get_running_loop()
        self._under_way = asyncio.TaskGroup()
        self._calls: set[asyncio.Task[web.StreamResponse]] = set()

    def __repr__(self) -> str:
        return f"<Door to {len(self.actions)} actions>"

    async def __aenter__(self) -> Self:
        await self._under_way.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self._calls:
            call.cancel()
        await self._under_way.__aexit__(None, None, None)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The reply to a request: HTTP 200 whatever the code, as the service does it; or what a fault makes of it."""
        body = await request.read() if request.method == "POST" else b""
        asked = self._asked(request, body)
        trouble = self._faults.call(asked.action)
        if not trouble.before:
            return await self._take(asked, trouble)
        # What is on its way arrives, although its caller hangs up meanwhile. Only a poll takes nothing with it.
        call = self._under_way.create_task(self._take(asked, trouble))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            return await asyncio.shield(call)
        finally:
            if asked.action == PullEvent.__name__:
                call.cancel()

    def _asked(self, request: web.Request, body: bytes) -> Asked:
        try:
            params = _params(request, body)
        except Refusal as refusal:
            return Asked(request, "", refusal)
        action = self.actions.get(params.get("Action", ""))
        return Asked(request, action.__name__ if action else UNKNOWN, params)

    async def _take(self, asked: Asked, trouble: Trouble) -> web.StreamResponse:
        """One call from its arrival to its response, with all that befalls it."""
        arrived, reply, sent = self._loop.time(), dict[str, object](), False
        try:
            try:
                if trouble.before:
                    await asyncio.sleep(trouble.before)
            finally:
                arrived = self._loop.time()
                if asked.action:
                    self._audit.arrived(asked.action, arrived)
            self._jump(trouble.steps)
            reply = await self._reply(asked, trouble)
            if trouble.after:
                await asyncio.sleep(trouble.after)
            sent = asked.request.transport is not None and (trouble.end is None or trouble.end.when == "before")
            return await mangled(trouble.end, asked.request, orjson.dumps(reply))
        finally:
            self._note(asked, arrived, reply, lost=not sent, fault=str(trouble))

    async def _reply(self, asked: Asked, trouble: Trouble) -> dict[str, object]:
        """What the service says; {} when a fault keeps it from saying anything."""
        match trouble.end:
            case Code(code=code, message=message, desc=desc):
                return {"code": code, "message": message, "codeDesc": desc}
            case end if end is not None and end.when == "before":
                return {}
            case _:
                pass
        try:
            if isinstance(asked.params, Refusal):
                raise asked.params
            return await self._serve(asked.request, asked.params)
        except Refusal as refusal:
            return {"code": refusal.code, "message": str(refusal), "codeDesc": refusal.desc}

    async def _serve(self, request: web.Request, params: Mapping[str, str]) -> dict[str, object]:
        self._guard.admit(params, method=request.method, host=request.headers.get("Host", ""), now=self._wall())
        action = self.actions.get(params["Action"])
        if action is None:
            raise Refusal(ACTION, "there is no such Action here")
        if not self._ceilings.admit(action.__name__, self._loop.time()):
            raise Refusal(CEILING, f"more calls of {action.__name__} in a minute than its ceiling allows")
        answer = await self._served[action](decoded(action, params))
        if isinstance(answer, Reply):
            answer = answer.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return {**SUCCESS, **(answer or {})}

    def _jump(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._step(step.clock, step.step)
            if step.lasts is not None:
                self._loop.call_later(step.lasts, self._step, step.clock, -step.step)

    def _note(self, asked: Asked, arrived: float, reply: Mapping[str, object], *, lost: bool, fault: str) -> None:
        params = {} if isinstance(asked.params, Refusal) else asked.params
        vital = {field: str(source[field]) for source in (params, reply) for field in VITAL if field in source}
        code = cast("int | None", reply.get("code"))  # an int in SUCCESS, in every Refusal and in a fault's code
        took = self._loop.time() - arrived
        error = str(reply["message"]) if code else ""
        about = vital.get("fileId", ""), vital.get("vodTaskId", "")
        self._audit.ended(Call(arrived, asked.action, code, took, *about, error, lost=lost, fault=fault))


UNKNOWN = "(unknown)"  # what calls of actions that are not served are counted as
VITAL = ("fileId", "vodTaskId")


def _params(request: web.Request, body: bytes) -> dict[str, str]:
    """The parameters: of the query in a GET, of the form in a POST, never of both."""
    raw = body if request.method == "POST" else request.raw_path.partition("?")[2].encode()
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise Refusal(PARAMETER, "the request is not UTF-8") from None


def decoded(action: type[Action[Any]], params: Mapping[str, str]) -> Action[Any]:
    """The action that these parameters spell.

    Common parameters start upper-case, an action's own lower-case. A refusal says every bound that is broken. One that
    the action does not have is refused too: the service may well pass over it, but here somebody should see the slip.
    """
    own = {name.replace("_", "."): value for name, value in params.items() if not name[:1].isupper()}
    try:
        call = action.model_validate(wire.unflatten(own))
        orjson.dumps(call.model_dump(mode="json"))  # what is taken in must go out again, in events and saved states
    except ValidationError as error:
        raise Refusal(code_for(action, error), said(error)) from None
    except ValueError as error:
        raise Refusal(PARAMETER, str(error)) from None
    except TypeError:
        raise Refusal(PARAMETER, "a number has more than 64 bits") from None
    return call
