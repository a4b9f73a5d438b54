"""The ledger: what a handler submits is noted before it is sent, so that running it again pays for nothing twice."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from math import inf
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar, cast

import structlog

from vodworker.api.action import Action, Page, Reply, must_be_action
from vodworker.cloud.client import Item, Vod, pages
from vodworker.cloud.doubt import Found, Heard, Missing, Unclear, Verdict, look, names_task
from vodworker.errors import CallError, InDoubt, JournalError, Overtaken, Refused, Unreachable
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

    It begins where it is entered.
    """

    _loop: asyncio.AbstractEventLoop  # these four are of where it is entered
    _task: asyncio.Task[Any]
    _cancelling: int
    _timer: asyncio.TimerHandle

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._left = limit
        self._when: float | None = None  # it stands
        self._expired = False
        self._ended = False
        self._waiting = 0
        self._since = 0.0
        self._calling = 0
        self._hurried = False
        self._cut: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<Deadline {self.left:.1f} of {self.limit:g} s left>"

    @property
    def over(self) -> bool:
        """Whether the run has ended, or its time: what is left of it, a thread or a `finally`, may call no more."""
        return self._ended or self._expired

    @property
    def left(self) -> float:
        """Seconds until the limit; not below 0. May be asked in a thread."""
        when = self._when
        return self._left if when is None else max(0.0, when - self._loop.time())

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())  # a coroutine runs in one
        self._cancelling = self._task.cancelling()
        self._go()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._timer.cancel()
        self._consider()
        if self._expired:
            ours = self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError)
            if ours or isinstance(error, CallError):  # its `finally` may have called what is over
                raise TimeoutError(f"not finished within its time limit of {self.limit:g} s") from error

    def _go(self) -> None:
        self._when = self._loop.time() + self._left
        self._timer = self._loop.call_at(self._when, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def pause(self) -> None:
        """The run waits for a token from here on."""
        if not self._waiting:
            self._left = self.left
            self._since = self._loop.time()
            if not self.over:
                self._when = None
                self._timer.cancel()
        self._waiting += 1
        self._consider()

    def resume(self) -> None:
        """One wait is over; the clock goes on when it was the last."""
        self._waiting -= 1
        if not (self._waiting or self.over):
            self._go()
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
        if idle and not self._cut:
            self._cut = self._loop.call_at(self._since + MOMENT, self._task.cancel)
        elif not idle and self._cut:
            self._cut.cancel()
            self._cut = None


@dataclass(frozen=True, slots=True)
class Note:
    """What the journal is told of a call before it goes.

    alone: no earlier sending of the call can have had an effect, so that the note goes when this one had none.
    """

    calls: Calls
    held: Callable[[], Entry]
    action: str
    identity: str
    request: bytes
    alone: bool

    async def write(self) -> bool:
        """Note that the call is about to be sent; False when it must not be. Writing it again does nothing."""
        return await self.calls.intend(self.held(), action=self.action, identity=self.identity, request=self.request)

    async def withdraw(self) -> None:
        """What was sent had no effect."""
        if self.alone:
            await self.calls.withdraw(self.held(), identity=self.identity)


class Standstill:
    """A call's turn: the time limit stands still while it waits; its note is there while it may be under way.

    tell: writes down for the operator that the run waits for this action, or None: not any more.
    """

    def __init__(
        self, action: str, deadline: Deadline, note: Note | None, tell: Callable[[str | None], Awaitable[None]]
    ) -> None:
        self._action = action
        self._deadline = deadline
        self._note = note
        self._tell = tell
        self._told = False
        self._waiting = False
        self._going = False

    async def waits(self) -> None:
        """Stop the clock, and withdraw the note of what was sent in vain."""
        sent = self._going
        self.over()
        self._waiting = True
        self._deadline.pause()
        if sent and self._note:
            await self._note.withdraw()

    async def lingers(self) -> None:
        """Have it seen why nothing happens."""
        self._told = True
        await self._tell(self._action)

    async def goes(self) -> None:
        """Let the clock go on, and write the note."""
        self.over()
        if self._told:
            self._told = False
            await self._tell(None)
        if self._deadline.over:
            raise CallError(self._action, RUN_OVER)
        self._going = True
        self._deadline.calls(+1)
        if self._note:
            await self._write(self._note)

    async def _write(self, note: Note) -> None:
        """Note the call, and be sure that the note is fresh: this process may have stood still since it was written."""
        clock = asyncio.get_running_loop().time
        noted = -inf
        while clock() - noted > FRESH:
            noted = clock()
            if not await note.write():
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

    A call is known again by its place and content: the action, its parameters, and how many equal calls of this run
    have been answered or are under way; or by the name that the handler gives it with `once`.
    held: the entry that is run, as this worker holds it now.
    """

    def __init__(self, vod: Vod, calls: Calls, held: Callable[[], Entry], deadline: Deadline) -> None:
        self._vod = vod
        self._calls = calls
        self._held = held
        self._deadline = deadline
        self._numbers: dict[str, set[int]] = {}
        self._names: dict[str, asyncio.Lock] = {}
        self._broken: JournalError | None = None
        self.doubted = False  # whether this run was told that a call is in doubt

    def __repr__(self) -> str:
        return f"<Ledger of entry {self._held().id}>"

    def check(self) -> None:
        """Raise the `JournalError` that a call of this run met, whatever the handler made of it."""
        if self._broken:
            raise self._broken

    async def call(self, action: Action[R], *, once: str | None = None, on_doubt: OnDoubt | None = None) -> R:
        """Send an action and return its reply, or the reply that an earlier run of this handler got for it.

        `once` names the call where its content does not tell: the same name in a later run is the same call, whatever
        its parameters have become. Actions that are safe to repeat are not recorded. A call that failed and is made
        again is the same call, in a later run and in this one.

        It may have been sent and its reply not have been seen. Then the service is asked for the task that it started;
        where that cannot be told, `InDoubt` is raised, or the call is sent again when `on_doubt` says so. What it says
        by default is "resend" where that is harmless, else "reject". Raises a `CallError`.
        """
        must_be_action(action)
        try:
            return await self._call(action, once, on_doubt or ("resend" if action.harmless else "reject"))
        except JournalError as error:
            self._broken = error
            raise

    async def _call(self, action: Action[R], once: str | None, on_doubt: OnDoubt) -> R:
        name = type(action).__name__
        if self._deadline.over:
            raise CallError(name, RUN_OVER)
        if action.safe:
            return await self._send(action, None)
        request = dumps(action.model_dump(by_alias=True, exclude_none=True, mode="json"))
        async with self._place(f"{name}:{blake2b(request, digest_size=16).hexdigest()}", once) as identity:
            told = await self._earlier(action, identity, once)
            if isinstance(told, Reply):
                return told
            if isinstance(told, Unclear) and on_doubt == "reject":
                what = f"may have started {' or '.join(told.tasks)}" if told.tasks else "may have had its effect"
                self.doubted = True
                raise InDoubt(
                    name,
                    f"it was sent and {what}, but its reply was lost; look, then redrive the entry to send it again,"
                    " or discard it",
                )
            alone = isinstance(told, Missing)
            note = Note(self._calls, self._held, name, identity, request, alone=alone)
            try:
                reply = await self._send(action, note)
            except (Refused, Unreachable) as error:
                if not (isinstance(error, Unreachable) and error.sent):
                    await note.withdraw()
                raise
            await self._keep(action, identity, reply)
            return reply

    @asynccontextmanager
    async def _place(self, content: str, once: str | None) -> AsyncGenerator[str]:
        """The identity of a call, which is no other's while it is made, nor once it has been answered."""
        if once is not None:
            async with self._names.setdefault(once, asyncio.Lock()):
                yield f"once:{once}"
            return
        numbers = self._numbers.setdefault(content, set())
        number = next(number for number in count(1) if number not in numbers)
        numbers.add(number)
        answered = False
        try:
            yield f"{content}#{number}"
            answered = True
        finally:
            if not answered:  # then an equal call is this one, made again
                numbers.remove(number)

    async def _earlier(self, action: Action[R], identity: str, once: str | None) -> R | Missing | Unclear:
        """What became of the call when it was made before: its reply, where one can be had."""
        name = type(action).__name__
        noted = await self._calls.find(self._held(), identity=identity)
        if noted is None:
            return Missing()
        if noted.action != name:
            raise CallError(name, f"once={once!r} names a {noted.action} already; give each call a name of its own")
        if noted.reply is not None:
            log.info("call.replayed", action=name, once=once)
            return _read(action, noted.reply)
        self._deadline.pause()
        try:
            verdict = await self._look_for(action, identity, noted)
        finally:
            self._deadline.resume()
        log.warning("call.doubtful", action=name, once=once, found=type(verdict).__name__.lower())
        match verdict:
            case Found(task):
                return _adopted(action, task)
            case Heard(reply):
                return _read(action, reply)
            case _:
                return verdict

    async def _look_for(self, action: Action[Any], identity: str, noted: Recorded) -> Found | Heard | Missing | Unclear:
        """Ask until it can be told: a call may still be on its way, and a task that waits tells nothing of itself."""
        since = self._vod.now() - noted.age
        verdict: Verdict = Unclear()
        for wait in (max(0.0, self._vod.timeout - noted.quiet), *LOOKS):
            await asyncio.sleep(wait)
            verdict = await look(self._vod, self._calls, action, since=since)
            heard = await self._calls.find(self._held(), identity=identity)
            if heard and heard.reply is not None:  # its task is claimed by now, and no look would find it
                return Heard(heard.reply)
            if isinstance(verdict, Found):
                task = verdict.task_id
                if await self._keep(action, identity, _adopted(action, task), found=names_task(action)):
                    return verdict
                verdict = Unclear((task,))  # another call in doubt came first
            elif isinstance(verdict, Missing) or not verdict.tasks:
                return verdict
        return verdict

    async def _keep(self, action: Action[Any], identity: str, reply: Reply, *, found: bool = False) -> bool:
        kept = dumps(reply.model_dump(by_alias=True, mode="json", exclude_unset=True))
        task = ""
        if action.starts_task:  # RedoTask names the task itself
            task = getattr(reply, "vod_task_id", None) or getattr(action, "vod_task_id", None) or ""
        ends_in = action.starts_task or ""
        return await self._calls.replied(
            self._held(), identity=identity, reply=kept, task=task, ends_in=ends_in, found=found
        )

    def pages(self, action: Action[Page[Item]]) -> AsyncIterator[Item]:
        """Every item of a list that may be longer than one reply; see `Vod.pages`."""
        return pages(self.call, action)

    async def _send(self, action: Action[R], note: Note | None) -> R:
        async def tell(waits_for: str | None) -> None:
            await self._calls.wait(self._held(), action=waits_for)

        turn = Standstill(type(action).__name__, self._deadline, note, tell)
        try:
            return await self._vod.call(action, turn=turn)
        finally:
            turn.over()


def _read(action: Action[R], reply: bytes) -> R:
    return action.reply.model_validate(loads(reply))  # type: ignore[return-value]  # `reply` is R's own class


def _adopted(action: Action[R], task: str) -> R:
    """The reply that told of this task, as far as it can be made up."""
    told = {"vodTaskId": task} if names_task(action) else {}
    return action.reply.model_validate(told)  # type: ignore[return-value]  # as above
