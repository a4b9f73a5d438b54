"""The store's one thread: what is asked while a transaction runs is done together in the next.

A commit waits for the disk, so its cost is shared: alone, a work is done at once; under load, the group grows by
itself. Nothing waits for a group to fill.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

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


@dataclass(frozen=True, slots=True)
class Asked:
    """A work, where its asker waits, and what takes it back when the asker has gone: None, when it need not be."""

    work: Work[Any, Any]
    answer: "asyncio.Future[Any]"
    undo: Callable[[Any], Work[Any, None]] | None


class Thread(Generic[C]):
    """Asks a `Medium` from the event loop. A work that was asked for is done, whether or not its asker still waits."""

    def __init__(self, medium: Medium[C]) -> None:
        self._medium = medium
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._context = copy_context()  # what the log says of the process, and not of who happens to ask
        self._pending: list[Asked] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._gone = False

    def __repr__(self) -> str:
        return f"<Thread {self._medium.path}, {len(self._pending)} waiting{', closed' * self._closed}>"

    async def open(self) -> tuple[int, int]:
        """Open the medium; returns the schema found and the one made."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._context.run, self._medium.open)

    async def ask(self, work: Work[C, T], *, undo: Callable[[T], Work[C, None]] | None = None) -> T:
        """The answer of a work, once it is on disk.

        `undo` makes a work that takes an answer back. It is done when the asker was cancelled and will never hear it,
        before anything that was asked later; a work that has not begun by then is not done at all.
        """
        if self._closed:
            raise JournalError(f"{self._medium.path} is closed")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(len(self._pending), Asked(work, answer, undo))
        heard = False
        try:
            value = await answer
            heard = True
        finally:
            if undo and not heard and not answer.cancelled() and answer.exception() is None:
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
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._medium.close)
        self._executor.shutdown(wait=False)
        await closing

    def _put(self, place: int, asked: Asked) -> None:
        self._pending.insert(place, asked)
        if self._idle.is_set():
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._start)  # soon: who asks in the same turn is in the same group

    def _take_back(self, undo: Callable[[T], Work[C, None]], value: T) -> None:
        if not self._gone:
            nobody: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nobody.cancel()
            self._put(0, Asked(undo(value), nobody, None))

    def _start(self) -> None:
        group = [asked for asked in self._pending if not (asked.undo and asked.answer.cancelled())]
        self._pending.clear()
        if not group:
            self._idle.set()
            return
        works = [asked.work for asked in group]
        run = self._medium.run
        job = asyncio.get_running_loop().run_in_executor(self._executor, lambda: self._context.run(run, works))
        job.add_done_callback(partial(self._end, group))

    def _end(self, group: Sequence[Asked], job: "asyncio.Future[list[Any]]") -> None:
        bug = job.exception()
        values: list[Any] = [bug] * len(group) if bug else job.result()
        for asked, value in zip(group, values, strict=True):
            failed = isinstance(value, BaseException)
            if asked.answer.cancelled():
                if asked.undo and not failed:
                    self._take_back(asked.undo, value)
            elif failed:
                asked.answer.set_exception(value)
            else:
                asked.answer.set_result(value)
        self._start()
