"""The client: one method for every action, under its ceiling, signed, retried only where that costs nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import structlog

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.account import Account
from vodworker.cloud.limiter import Limiter, Turn
from vodworker.codes import Language, explain
from vodworker.errors import CallError, Refused, Throttled, Unreachable
from vodworker.outcome import backoff, describe
from vodworker.sign import signed
from vodworker.wire import flatten, form, read_reply

if TYPE_CHECKING:
    from vodworker.cloud.carrier import Progress
    from vodworker.cloud.upload import Uploaded

R = TypeVar("R", bound=Reply)
Item = TypeVar("Item")

FORM = "application/x-www-form-urlencoded"
NO_LIMIT = aiohttp.ClientTimeout()  # a call has a time limit of its own, and a second one would cost a timer

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Vod:
    """The service, as one account sees it.

    timeout: seconds that a call may take from the moment it is sent. now: the time, in Unix seconds.
    retries: how often a call that failed on the way is sent again, when that cannot do anything twice.
    nonces: gives a number that was never given before. language: in which the log says what codes mean.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: Account,
        *,
        limiter: Limiter,
        nonces: Callable[[], int],
        random: Callable[[], float],
        timeout: float = 15.0,
        retries: int = 2,
        now: Callable[[], float] = time.time,
        language: Language = "en",
    ) -> None:
        self._session = session
        self.account = account
        self._limiter = limiter
        self._nonces = nonces
        self._random = random
        self.timeout = timeout
        self._retries = retries
        self.now = now
        self._language: Language = language
        url = urlsplit(account.endpoint)
        self._host, self._path = url.netloc, url.path

    def __repr__(self) -> str:
        return f"<Vod {self.account.endpoint}>"

    async def call(self, action: Action[R], *, turn: Turn | None = None) -> R:
        """Send an action and return its reply; waits for a token of its ceiling first.

        A call that failed on the way is sent again only when it is safe to repeat or surely never left. A call that the
        service throttled had no effect: it goes back in line. `turn` is told when it waits and when it goes. Raises a
        `CallError`: `Refused` when the service answered with a code, `Unreachable` or `BadReply` when it is not known
        whether the call had its effect.
        """
        name = type(action).__name__
        params = flatten(action.model_dump(by_alias=True, exclude_none=True, mode="json"))
        failures = 0
        while True:
            try:
                reply = await self._send(name, params, turn)
            except Throttled:
                continue
            except CallError as error:
                failures += 1
                harmless = action.safe or (isinstance(error, Unreachable) and not error.sent)
                if not (error.retryable and harmless and failures <= self._retries):
                    raise
                if turn:
                    await turn.waits()
                await asyncio.sleep(backoff(failures, self._random, first=0.5))
            else:
                return action.reply.model_validate(reply)  # type: ignore[return-value]  # `reply` is R's own class

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """Every item of a list that may be longer than one reply; each piece is a call of its own.

        What the list gains or loses while it is read may be missing or come twice. Raises a `CallError`.
        """
        return pages(self.call, action)

    async def upload(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        cover: str | PathLike[str] | None = None,
        procedure: str | None = None,
        progress: "Progress | None" = None,
    ) -> "Uploaded":
        """Bring a file of this machine into the library; see `vodworker.cloud.upload.upload`. Raises `UploadError`."""
        from vodworker.cloud.upload import upload  # noqa: PLC0415  # most daemons bring nothing: their start is sooner

        return await upload(
            self,
            self._session,
            path,
            name=name,
            cover=cover,
            procedure=procedure,
            progress=progress,
            chance=self._random,
        )

    async def _send(self, action: str, params: Mapping[str, str], turn: Turn | None) -> dict[str, Any]:
        """One attempt: a token, the request, its line in the log."""
        clock = asyncio.get_running_loop().time
        with await self._limiter.token(action, turn=turn) as wait:
            waited = round(wait, 3)
            started = clock()
            try:
                reply = await self.ask(action, params, within=self.timeout)
            except Throttled:
                raise
            except CallError as error:
                code = error.code if isinstance(error, Refused) else None
                request_ms = round((clock() - started) * 1000, 1)
                facts = {"code": code, "error": describe(error), "cause": self._cause(code)}
                log.warning("call.failed", action=action, **facts, waited=waited, request_ms=request_ms)
                raise
            request_ms = round((clock() - started) * 1000, 1)
            task = {"task_id": reply["vodTaskId"]} if "vodTaskId" in reply else {}
            log.info("call.done", action=action, waited=waited, request_ms=request_ms, **task)
            return reply

    def _cause(self, code: int | None) -> str | None:
        """A code in words, where some document of the service has it."""
        said = None if code is None else explain(code, language=self._language)
        return said.cause if said and said.known else None

    async def ask(self, action: str, params: Mapping[str, str], *, within: float) -> dict[str, Any]:
        """Sign and send one request, and return the reply's JSON object. No token, no retry."""
        common = self.account.common(action, timestamp=int(self.now()), nonce=self._nonces())
        params = signed(
            {**params, **common}, secret_key=self.account.secret_key, method="POST", host=self._host, path=self._path
        )
        data = aiohttp.BytesPayload(form(params), content_type=FORM)
        try:
            async with asyncio.timeout(within):
                response = await self._session.post(
                    self.account.endpoint, data=data, allow_redirects=False, timeout=NO_LIMIT
                )
                body = await response.read()  # to its end, or closed: nothing else is to be let go of
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(action, error, within) from error
        return read_reply(action, response.status, body)


async def pages(
    call: Callable[[Action[Page[Item]]], Awaitable[Page[Item]]], action: Action[Page[Item]]
) -> AsyncGenerator[Item]:
    """Read a list to its end, piece by piece, with whatever makes the calls."""
    assert action.pages  # noqa: S101  # an action whose reply is a `Page` says how it is read
    seen = 0
    piece: Action[Page[Item]] | None = action
    while piece:
        reply = await call(piece)
        held = action.pages.held(reply)
        for item in held:
            yield item
        seen += len(held)
        piece = action.pages.following(piece, reply, seen=seen)


def unreachable(action: str, error: Exception, within: float) -> Unreachable:
    """What the network did, in words, and whether the request can have left."""
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.InvalidURL():
            return Unreachable(action, f"no connection: {describe(error)}", sent=False)
        case TimeoutError():
            return Unreachable(action, f"no reply within {within:g} s")
        case _:
            return Unreachable(action, f"the connection broke: {describe(error)}")
