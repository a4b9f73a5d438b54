"""The door of the service: a request comes in, a reply goes out. Parser, table, serialiser; all between is served."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl

import orjson
from aiohttp import web
from pydantic import ValidationError

from vodworker import wire
from vodworker.api.action import Action, Reply, said
from vodworker.api.bounds import code_for
from vodworker.emulator.audit import Audit, Call
from vodworker.emulator.checks import Guard
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.refusal import ACTION, CEILING, PARAMETER, Refusal
from vodworker.emulator.service import Answer

Served: TypeAlias = Mapping[type[Action[Any]], Callable[[Any], Awaitable[Answer]]]

SUCCESS = {"code": 0, "message": "", "codeDesc": "Success"}


class Door:
    """Every call passes here: checked, counted, decoded by its declaration, served, answered.

    served: for each action what is done for it: given the action, it returns the reply, or raises a Refusal.
    """

    def __init__(
        self, served: Served, *, guard: Guard, ceilings: Ceilings, audit: Audit, wall: Callable[[], float]
    ) -> None:
        self.actions = {name: action for action in served for name in (action.__name__, *action.aka)}
        self._served = served
        self._guard = guard
        self._ceilings = ceilings
        self._audit = audit
        self._wall = wall
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"<Door to {len(self.actions)} actions>"

    async def answer(self, request: web.Request) -> web.Response:
        """The reply to a request: HTTP 200 whatever the code, as the service does it."""
        body = await request.read() if request.method == "POST" else b""
        arrived, name, vital, code, error = self._loop.time(), "", dict[str, str](), None, ""
        try:
            try:
                params = _params(request, body)
                action = self.actions.get(params.get("Action", ""))
                name = action.__name__ if action else UNKNOWN
                vital = {field: params[field] for field in VITAL if field in params}
                self._audit.arrived(name, arrived)
                reply = await self._serve(request, params)
            except Refusal as refusal:
                error = str(refusal)
                reply = {"code": refusal.code, "message": error, "codeDesc": refusal.desc}
            response = web.Response(body=orjson.dumps(reply), content_type="application/json")
            code = cast("int", reply["code"])  # an int in SUCCESS and in every Refusal
            vital |= {field: str(reply[field]) for field in VITAL if field in reply}
            return response
        finally:
            took = self._loop.time() - arrived
            about = vital.get("fileId", ""), vital.get("vodTaskId", "")
            self._audit.ended(Call(arrived, name, code, took, *about, error))

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
        return action.model_validate(wire.unflatten(own))
    except ValidationError as error:
        raise Refusal(code_for(action, error), said(error)) from None
    except ValueError as error:
        raise Refusal(PARAMETER, str(error)) from None
