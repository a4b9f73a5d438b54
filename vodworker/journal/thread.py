"""The store's one thread: what is asked while a transaction runs is done together in the next.

A commit waits for the disk and wakes a thread, so its cost is shared: alone, a work is done at once; under load, the
group grows by itself. Nothing waits for a group to fill, but for what is about to ask anyway: see `TURNS`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread as System
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from vodworker.door import plugin_door
from vodworker.errors import JournalError

T = TypeVar("T")
C = TypeVar("C")  # a connection
C_co = TypeVar("C_co", covariant=True)

Work: TypeAlias = Callable[[C, float], T]  # what to do in a transaction, and at what time it is done


class Medium(Protocol[C_co]):
    """What a journal is written on: a file, or a server. For one thread alone."""

    path: str  # how messages name it

    def open(self) -> tuple[int, int]:
        """Make it ready; returns the schema found and the one made."""
        ...

    def run(self, works: Sequence[Work[C_co, Any]]) -> list[Any]:
        """Do the works in one transaction; returns the answer of each, an error in its place where one failed."""
        ...

    def close(self) -> None:
        """Let go of it, in whatever state it is."""
        ...


class Asked(NamedTuple):
    """A work, where its asker waits, and what takes it back when the asker has gone: None, when it need not be."""

    work: Work[Any, Any]
    answer: "asyncio.Future[Any]"
    undo: Callable[[Any], Work[Any, None]] | None


TURNS = 3  # of the loop, from an answer until who was told it has asked for the next: claim → run → settle, for one

jobs: "WeakKeyDictionary[asyncio.AbstractEventLoop, int]" = WeakKeyDictionary()
"""How many jobs of each loop are with a thread: a clock that is not real stands still meanwhile."""


class Thread(Generic[C]):
    """Asks a `Medium` from the event loop. A work that was asked for is done, whether or not its asker still waits."""

    def __init__(self, medium: Medium[C]) -> None:
        """Made in the loop that asks; the thread has the log's context of that moment, and not of who asks."""
        self._medium = medium
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        # A daemon: the interpreter waits for no other, and what is cut off in a transaction was never promised.
        System(target=copy_context().run, args=(self._serve,), name="journal", daemon=True).start()
        self._pending: list[Asked] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._gone = False

    def __repr__(self) -> str:
        return f"<Thread {self._medium.path}, {len(self._pending)} waiting{', closed' * self._closed}>"

    async def open(self) -> tuple[int, int]:
        """Open the medium; returns the schema found and the one made."""
        return await self._hand(self._medium.open)

    async def ask(self, work: Work[C, T], *, undo: Callable[[T], Work[C, None]] | None = None) -> T:
        """The answer of a work, once it is on disk.

        `undo` makes a work that takes an answer back. It is done when the asker was cancelled and will never hear it,
        before anything that was asked later; a work that has not begun by then is not done at all.
        """
        if self._closed:
            raise JournalError(f"{self._medium.path} is closed")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._put(len(self._pending), Asked(work, answer, undo))
        if undo is None:
            return await answer
        heard = False
        try:
            value = await answer
            heard = True
        finally:
            if not heard and not answer.cancelled() and answer.exception() is None:
                self._take_back(undo, answer.result())  # cancelled between the answer and its hearing
        return value

    async def close(self) -> None:
        """Do what was asked, then close the medium. Cancelled: what has not begun by now is not done."""
        self._closed = True
        try:
            while not self._idle.is_set():  # what comes to an end may be taken back, and then it goes on
                await self._idle.wait()
        finally:
            if not self._gone:
                await self._go()

    async def _go(self) -> None:
        self._gone = True
        for asked in self._pending:
            asked.answer.cancel()
        self._pending.clear()
        closing = self._hand(self._medium.close)
        self._jobs.put(None)
        await closing

    def _put(self, place: int, asked: Asked) -> None:
        self._pending.insert(place, asked)
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._gather, TURNS)

    def _take_back(self, undo: Callable[[T], Work[C, None]], value: T) -> None:
        if not self._gone:
            nobody: asyncio.Future[None] = self._loop.create_future()
            nobody.cancel()
            self._put(0, Asked(undo(value), nobody, None))

    def _gather(self, turns: int) -> None:
        """Start in so many turns of the loop: who asks until then is in the same group."""
        if turns:
            self._loop.call_soon(self._gather, turns - 1)
        else:
            self._start()

    def _start(self) -> None:
        group = [asked for asked in self._pending if not (asked.undo and asked.answer.cancelled())]
        self._pending.clear()
        if not group:
            self._idle.set()
            return
        works = [asked.work for asked in group]
        self._hand(lambda: self._medium.run(works)).add_done_callback(lambda done: self._end(group, done))

    def _end(self, group: Sequence[Asked], done: "asyncio.Future[list[Any]]") -> None:
        bug = done.exception()
        values: list[Any] = [bug] * len(group) if bug else done.result()
        for asked, value in zip(group, values, strict=True):
            failed = isinstance(value, BaseException)
            if asked.answer.cancelled():
                if asked.undo and not failed:
                    self._take_back(asked.undo, value)
            elif failed:
                asked.answer.set_exception(value)
            else:
                asked.answer.set_result(value)
        self._gather(TURNS)

    def _hand(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """Have the thread do it, after what it was handed before."""
        done: asyncio.Future[T] = self._loop.create_future()
        jobs[self._loop] = jobs.get(self._loop, 0) + 1
        self._jobs.put((job, done))
        return done

    def _serve(self) -> None:
        """In the thread: do what is handed to it, until it is told to end."""
        for job, done in iter(self._jobs.get, None):
            value: Any = None
            with plugin_door() as failure:
                value = job()
            error = failure.error
            if isinstance(error, StopIteration):  # which no future takes
                error = RuntimeError(repr(error))
            with suppress(RuntimeError):  # the loop is closed: nobody hears it
                self._loop.call_soon_threadsafe(self._done, done, value, error)

    def _done(self, done: "asyncio.Future[Any]", value: object, error: BaseException | None) -> None:
        jobs[self._loop] = max(0, jobs[self._loop] - 1)
        if done.cancelled():
            return
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error)
