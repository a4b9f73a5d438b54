"""What both interfaces of the object store share: a file in parts, several under way at once, each until it arrives."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeAlias, TypeVar

from vodworker.cloud.local import Part
from vodworker.errors import CallError, Refused
from vodworker.outcome import backoff

T = TypeVar("T")

AT_ONCE = 4  # parts of one file under way: fills a long line, and holds no more than a few chunks each in memory
RETRIES = 4  # how often a part is sent again; with the backoff that outlasts several seconds without network

Progress: TypeAlias = Callable[[int, int], None]
"""Told the bytes sent so far and those to be sent in all. A part that has to be sent again lets the first shrink."""


class Carrier:
    """Carries the bytes of one upload, counts them, and tells how far it is. random: gives a number in [0, 1)."""

    def __init__(self, total: int, *, progress: Progress | None, random: Callable[[], float]) -> None:
        self.sent = 0
        self.total = total
        self._progress = progress
        self._random = random

    def __repr__(self) -> str:
        return f"<Carrier {self.sent} of {self.total} bytes sent>"

    @contextmanager
    def trip(self) -> Generator[Callable[[int], None]]:
        """Count the bytes of one attempt with what is yielded; they are taken back when it fails."""
        sent, over, arrived = 0, False, False

        def moved(count: int) -> None:
            nonlocal sent
            if not over:  # a thread may still be at it
                sent += count
                self._add(count)

        try:
            yield moved
            arrived = True
        finally:
            over = True
            if not arrived:
                self._add(-sent)

    def _add(self, count: int) -> None:
        self.sent += count
        if self._progress:
            self._progress(self.sent, self.total)

    async def patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, or trying again cannot help; sending a part twice is sending it once."""
        failures = 0
        while True:
            try:
                return await attempt()
            except CallError as error:
                failures += 1
                if not error.retryable or failures > RETRIES:
                    raise
                await asyncio.sleep(backoff(failures, self._random, first=0.5))

    async def conclude(self, attempt: Callable[[], Awaitable[object]]) -> None:
        """As `patiently`, for the step that makes an object of its parts, which the store refuses to do twice.

        A refusal after a reply that was lost means that it was done; if it was not, committing the upload will tell.
        """
        lost = False

        async def once() -> None:
            nonlocal lost
            try:
                await attempt()
            except Refused:
                if not lost:
                    raise
            except CallError:
                lost = True
                raise

        await self.patiently(once)

    async def carry(
        self, load: Sequence[Part], send: Callable[[Part], Awaitable[T]], *, at_once: int = AT_ONCE
    ) -> list[T]:
        """Send these parts, so many at once, each until it arrives; what `send` returned, in the parts' order.

        The first part that cannot be sent ends it: the others are cancelled and its error is raised.
        """
        waiting = iter(load)
        arrived: dict[int, T] = {}

        async def lane() -> None:
            for part in waiting:
                arrived[part.number] = await self.patiently(partial(send, part))

        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(min(at_once, len(load))):
                    lanes.create_task(lane())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [arrived[part.number] for part in load]
