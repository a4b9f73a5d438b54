"""The store's one thread: what is asked while a transaction runs is done together in the next.

A commit waits for the disk, so its cost is shared: alone, a work is done at once; under load, the group grows by
itself. Nothing waits for a group to fill.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from vodworker.errors import JournalError
from vodworker.journal.file import File, Work

T = TypeVar("T")


class Thread:
    """Asks a `File` from the event loop. A work that was asked for is done, whether or not its asker still waits."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._pending: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._gone = False

    def __repr__(self) -> str:
        return f"<Thread {self._file.path}, {len(self._pending)} waiting{', closed' * self._closed}>"

    async def open(self) -> tuple[int, int]:
        """Open the file; returns the schema found and the one made."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._file.open)

    async def ask(self, work: Work[T], *, undo: Callable[[T], Work[object]] | None = None) -> T:
        """The answer of a work, once it is on disk.

        `undo` makes a work that takes back what an asker who was cancelled will never hear of.
        """
        if self._closed:
            raise JournalError(f"{self._file.path} is closed")
        answer = self._put(work)
        if undo is None:
            return await answer
        heard = False
        try:
            value = await asyncio.shield(answer)
            heard = True
        finally:
            if not heard:
                answer.add_done_callback(partial(self._take_back, undo))
        return value

    async def close(self) -> None:
        """Do what was asked, then close the file. Cancelled: what has not begun by now is not done."""
        self._closed = True
        try:
            while not self._idle.is_set():  # what comes to an end may be taken back, and then it goes on
                await self._idle.wait()
        finally:
            if not self._gone:
                await self._go()

    async def _go(self) -> None:
        self._gone = True
        for _, answer in self._pending:
            answer.cancel()
        self._pending.clear()
        closing = asyncio.get_running_loop().run_in_executor(self._executor, self._file.close)
        self._executor.shutdown(wait=False)
        await closing

    def _put(self, work: Work[T]) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._pending.append((work, answer))
        if self._idle.is_set():
            self._idle.clear()
            loop.call_soon(self._start)  # soon: what is asked in the same turn of the loop is in the same group
        return answer

    def _take_back(self, undo: Callable[[T], Work[object]], answer: "asyncio.Future[T]") -> None:
        if not self._gone and not answer.cancelled() and answer.exception() is None:
            self._put(undo(answer.result()))

    def _start(self) -> None:
        if not self._pending:
            self._idle.set()
            return
        group, self._pending = self._pending, []
        works = [work for work, _ in group]
        job = asyncio.get_running_loop().run_in_executor(self._executor, self._file.run, works)
        job.add_done_callback(partial(self._end, [answer for _, answer in group]))

    def _end(self, answers: "list[asyncio.Future[Any]]", job: "asyncio.Future[list[Any]]") -> None:
        bug = job.exception()
        values: list[Any] = [bug] * len(answers) if bug else job.result()
        for answer, value in zip(answers, values, strict=True):
            if answer.cancelled():
                continue
            if isinstance(value, BaseException):
                answer.set_exception(value)
            else:
                answer.set_result(value)
        self._start()
