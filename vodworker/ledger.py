"""The ledger: what a handler submits is noted before it is sent, so that running it again pays for nothing twice."""

from collections import Counter
from hashlib import blake2b
from typing import TypeVar

import structlog

from vodworker.api.action import Action, Reply
from vodworker.cloud.client import Vod
from vodworker.errors import Refused, Unreachable
from vodworker.journal.port import Calls, Entry
from vodworker.wire import dumps, loads

R = TypeVar("R", bound=Reply)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Ledger:
    """The `ctx.vod` of one run of one handler: `Vod.call`, with what must not happen twice recorded.

    A call is known again by its place and content: the action, its parameters, and how many equal calls this run made
    before it; or by the name that the handler gives it with `once`.
    """

    def __init__(self, vod: Vod, calls: Calls, entry: Entry) -> None:
        self._vod = vod
        self._calls = calls
        self._entry = entry
        self._made: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Ledger of entry {self._entry.id}, {self._made.total()} calls>"

    async def call(self, action: Action[R], *, once: str | None = None) -> R:
        """Send an action and return its reply, or the reply that an earlier run of this handler got for it.

        `once` names the call where its content does not tell: the same name in a later run is the same call, whatever
        its parameters have become. Actions that are safe to repeat are not recorded. Raises a `CallError`.
        """
        if action.safe:
            return await self._vod.call(action)
        name = type(action).__name__
        request = dumps(action.model_dump(by_alias=True, exclude_none=True, mode="json"))
        identity = f"once:{once}" if once else self._place(name, request)
        noted = await self._calls.find(self._entry, identity=identity)
        if noted and noted.reply is not None:
            log.info("call.replayed", action=name, once=once)
            return action.reply.model_validate(loads(noted.reply))  # type: ignore[return-value]  # `reply` is R's class
        if noted:
            log.warning("call.doubtful", action=name, once=once)

        async def note() -> None:
            await self._calls.intend(self._entry, action=name, identity=identity, request=request)

        try:
            reply = await self._vod.call(action, sending=note)
        except (Refused, Unreachable) as error:
            if not noted and not (isinstance(error, Unreachable) and error.sent):
                await self._calls.withdraw(self._entry, identity=identity)  # this run's call had no effect
            raise
        kept = dumps(reply.model_dump(by_alias=True, mode="json", exclude_unset=True))
        await self._calls.replied(self._entry, identity=identity, reply=kept)
        return reply

    def _place(self, action: str, request: bytes) -> str:
        content = f"{action}:{blake2b(request, digest_size=16).hexdigest()}"
        self._made[content] += 1
        return f"{content}#{self._made[content]}"
