"""The ledger: what a handler submits is noted before it is sent, so that running it again pays for nothing twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import blake2b
from math import inf
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

import structlog

from vodworker.api.action import Action, Page, Reply
from vodworker.cloud.client import Item, Vod, pages
from vodworker.cloud.doubt import Found, Heard, Missing, Unclear, Verdict, judge, known, suspects
from vodworker.errors import CallError, InDoubt, Overtaken, Refused, Unreachable
from vodworker.journal.port import Calls, Entry, Recorded
from vodworker.wire import dumps, loads

R = TypeVar("R", bound=Reply)
OnDoubt: TypeAlias = Literal["resend", "reject"]

RUN_OVER = "nothing was sent, because the run of this handler is over"
MOMENT = 1.0  # seconds that a run may wait for a token although the daemon stops: one that is free takes milliseconds
FRESH = 5.0  # seconds, and far less than a call may be on its way: who takes over looks for a call only after that
LOOKS = (5.0, 15.0, 60.0, 240.0)  # seconds between looks at a task that waits: most begin at once, some after minutes

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Deadline:
    """The time limit of one run of a handler, in seconds; the time that it waits for tokens does not count.

    It begins where it is entered. over: the run has ended; what it left behind, such as a thread that cannot be
    stopped, may call no more.
    """

    _loop: asyncio.AbstractEventLoop  # that in which it is entered

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.over = False
        self._timeout = asyncio.Timeout(None)
        self._task: asyncio.Task[Any] | None = None
        self._waiting = 0
        self._since = 0.0
        self._calling = 0
        self._left = limit
        self._hurried = False
        self._cut: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Deadline {self.left:.1f} of {self.limit:g} s left>"

    @property
    def left(self) -> float:
        """Seconds until the limit; not below 0. May be asked in a thread."""
        when = self._timeout.when()
        return self._left if when is None else max(0.0, when - self._loop.time())

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._timeout.reschedule(self._loop.time() + self.limit)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True
        self._consider()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as expired:
            raise TimeoutError(f"not finished within its time limit of {self.limit:g} s") from expired.__cause__

    def pause(self) -> None:
        """The run waits for a token from here on."""
        if not self._waiting:
            self._left = self.left
            self._since = self._loop.time()
            self._timeout.reschedule(None)
        self._waiting += 1
        self._consider()

    def resume(self) -> None:
        """One wait is over; the clock goes on when it was the last."""
        self._waiting -= 1
        if not (self._waiting or self.over or self._timeout.expired()):
            self._timeout.reschedule(self._loop.time() + self._left)
        self._consider()

    def calls(self, by: int) -> None:
        """One call more is under way, or one less."""
        self._calling += by
        self._consider()

    def hurry(self) -> None:
        """The daemon stops: whenever all that the run does is wait, for longer than a moment, it is cancelled."""
        self._hurried = True
        self._consider()

    def _consider(self) -> None:
        """Have the run cut, if it is to be; a call under way is not given up because another one waits."""
        idle = self._hurried and self._waiting and not self._calling and not self.over
        if idle and self._task and not self._cut:
            self._cut = self._loop.call_at(self._since + MOMENT, self._task.cancel)
        elif not idle and self._cut:
            self._cut.cancel()
            self._cut = None


class Standstill:
    """A call's turn, during which the time limit stands still; the note of the call is written when it goes."""

    def __init__(self, action: str, deadline: Deadline, intend: Callable[[], Awaitable[bool]] | None) -> None:
        self._action = action
        self._deadline = deadline
        self._intend = intend
        self._waiting = False
        self._going = False

    def waits(self) -> None:
        """Stop the clock."""
        self.over()
        self._waiting = True
        self._deadline.pause()

    async def goes(self) -> None:
        """Let the clock go on, and write the note; writing it again does nothing."""
        self.over()
        if self._deadline.over:
            raise CallError(self._action, RUN_OVER)
        self._going = True
        self._deadline.calls(+1)
        if self._intend:
            await self._note(self._intend)

    async def _note(self, intend: Callable[[], Awaitable[bool]]) -> None:
        """Note the call, and be sure that the note is fresh: this process may have stood still since it was written."""
        clock = asyncio.get_running_loop().time
        noted = -inf
        while clock() - noted > FRESH:
            noted = clock()
            if not await intend():
                raise Overtaken(self._action, "nothing was sent, because another worker has the entry by now")

    def over(self) -> None:
        """Let the clock go on, if it stands; the call is not under way, or not any more."""
        if self._going:
            self._going = False
            self._deadline.calls(-1)
        if self._waiting:
            self._waiting = False
            self._deadline.resume()


class Ledger:
    """The `ctx.vod` of one run of one handler: `Vod.call`, with what must not happen twice recorded.

    A call is known again by its place and content: the action, its parameters, and how many equal calls this run made
    before it; or by the name that the handler gives it with `once`.
    """

    def __init__(self, vod: Vod, calls: Calls, entry: Entry, deadline: Deadline) -> None:
        self._vod = vod
        self._calls = calls
        self._entry = entry
        self._deadline = deadline
        self._made: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Ledger of entry {self._entry.id}, {self._made.total()} calls>"

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt = "reject") -> R:
        """Send an action and return its reply, or the reply that an earlier run of this handler got for it.

        `once` names the call where its content does not tell: the same name in a later run is the same call, whatever
        its parameters have become. Actions that are safe to repeat are not recorded. An earlier run may have sent the
        call and not have seen the reply. Then the service is asked for the task that it started; where that cannot be
        told either, `InDoubt` is raised, or the call is sent again when `on_doubt` says so. Raises a `CallError`.
        """
        name = type(action).__name__
        if self._deadline.over:
            raise CallError(name, RUN_OVER)
        if action.safe:
            return await self._send(action, None)
        request = dumps(action.model_dump(by_alias=True, exclude_none=True, mode="json"))
        identity = f"once:{once}" if once else self._place(name, request)
        noted = await self._calls.find(self._entry, identity=identity)
        if noted and noted.reply is not None:
            log.info("call.replayed", action=name, once=once)
            return action.reply.model_validate(loads(noted.reply))  # type: ignore[return-value]  # `reply` is R's class
        if noted and "vod_task_id" in action.reply.model_fields:
            adopted = await self._look_for(action, identity, noted, once, on_doubt)
            if adopted:
                return adopted
        elif noted:
            log.warning("call.doubtful", action=name, once=once, found="nothing to look for")

        async def intend() -> bool:
            return await self._calls.intend(self._entry, action=name, identity=identity, request=request)

        try:
            reply = await self._send(action, intend)
        except (Refused, Unreachable) as error:
            if not noted and not (isinstance(error, Unreachable) and error.sent):
                await self._calls.withdraw(self._entry, identity=identity)  # this run's call had no effect
            raise
        return await self._keep(action, identity, reply)

    async def _keep(self, action: Action[R], identity: str, reply: R) -> R:
        kept = dumps(reply.model_dump(by_alias=True, mode="json", exclude_unset=True))
        task = ""
        if action.starts_task:  # RedoTask names the task itself
            task = getattr(reply, "vod_task_id", None) or getattr(action, "vod_task_id", None) or ""
        ends_in = action.starts_task or ""
        await self._calls.replied(self._entry, identity=identity, reply=kept, task=task, ends_in=ends_in)
        return reply

    async def _look_for(
        self, action: Action[R], identity: str, noted: Recorded, once: str | None, on_doubt: OnDoubt
    ) -> R | None:
        """The reply to a doubtful call, made of its task; None when it started none, or is to be sent all the same."""
        name = type(action).__name__
        self._deadline.pause()
        try:
            verdict = await self._verdict(action, identity, noted)
        finally:
            self._deadline.resume()
        log.warning("call.doubtful", action=name, once=once, found=type(verdict).__name__.lower())
        match verdict:
            case Found(task):
                adopted: R = action.reply.model_validate({"vodTaskId": task})  # type: ignore[assignment]  # as above
                return await self._keep(action, identity, adopted)
            case Heard(reply):
                return action.reply.model_validate(loads(reply))  # type: ignore[return-value]  # as above
            case Unclear(tasks) if on_doubt == "reject":
                raise InDoubt(
                    name,
                    f"an earlier run sent it, and it may have started {' or '.join(tasks)}; look at them, then redrive"
                    " the entry to send it again, or discard it",
                )
            case _:
                return None

    async def _verdict(self, action: Action[Reply], identity: str, noted: Recorded) -> Verdict:
        """Ask until it can be told: a call may still be on its way, and a task that waits tells nothing of itself."""
        since = self._vod.now() - noted.age
        verdict: Verdict = Missing()
        for wait in (max(0.0, self._vod.timeout - noted.quiet), *LOOKS):
            await asyncio.sleep(wait)
            found = await suspects(self._vod, action, since=since)
            standing = await self._calls.standing(type(action).__name__, found)
            free = [task for task in found if task not in standing.claimed]
            verdict = judge(action, await known(self._vod, free), rivals=standing.doubtful - 1)
            heard = await self._calls.find(self._entry, identity=identity)
            if heard and heard.reply is not None:  # its task is claimed by now, and no look would find it
                return Heard(heard.reply)
            if not isinstance(verdict, Unclear):
                break
        return verdict

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """Every item of a list that may be longer than one reply; see `Vod.pages`."""
        return pages(self.call, action)

    async def _send(self, action: Action[R], intend: Callable[[], Awaitable[bool]] | None) -> R:
        turn = Standstill(type(action).__name__, self._deadline, intend)
        try:
            return await self._vod.call(action, turn=turn)
        finally:
            turn.over()

    def _place(self, action: str, request: bytes) -> str:
        content = f"{action}:{blake2b(request, digest_size=16).hexdigest()}"
        self._made[content] += 1
        return f"{content}#{self._made[content]}"
