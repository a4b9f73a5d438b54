"""How much work is open, and a bell that is rung when there may be news.

It is rung right before the journal is asked for what makes the news: a claim that it starts is asked after that, sees
it, and shares its commit.
"""

import asyncio

from vodworker.log import log


class Backlog:
    """The number of open entries, as far as this process knows; a sweep of the journal sets it right."""

    def __init__(self, most: int) -> None:
        self.open = 0
        self.news = asyncio.Event()
        self._most = most
        self._room = asyncio.Event()
        self._room.set()

    def __repr__(self) -> str:
        return f"<Backlog {self.open} of {self._most} open>"

    def set(self, count: int) -> None:
        """The journal says that so many entries are open."""
        self.open = count
        if count > self._most:
            if self._room.is_set():
                self._room.clear()
                log.warning("worker.paused", open=count, limit=self._most)
        elif not self._room.is_set():
            self._room.set()
            log.info("worker.resumed", open=count)

    def changed(self, by: int) -> None:
        """So many entries were recorded, or settled for good when `by` is negative."""
        self.set(self.open + by)

    async def room(self) -> None:
        """Wait until the backlog is small enough to take in more."""
        await self._room.wait()
