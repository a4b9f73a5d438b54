"""A process that works with a journal until it is killed, and says what it was told is on the disk. No test itself."""

import asyncio
import os
import sys
from contextlib import AbstractAsyncContextManager
from itertools import count

from vodworker.journal.port import Arrival, Store
from vodworker.journal.postgres import open_postgres
from vodworker.journal.sqlite import open_sqlite
from vodworker.outcome import Dead, Finished

LEASE = 1.0  # seconds: where nothing is adopted, what a killed one held is soon another's


def opened(url: str) -> AbstractAsyncContextManager[Store]:
    """The store at this url."""
    return open_sqlite(url) if url.startswith("sqlite:") else open_postgres(url)


async def work(url: str) -> None:
    """All verbs that write, each told on stdout when it has returned; unbuffered, for there will be no flush."""

    def tell(*facts: object) -> None:
        os.write(1, (" ".join(map(str, facts)) + "\n").encode())

    async with opened(url) as store:
        tell("adopted", await store.adopt())
        for number in count():
            name = f"{os.getpid()}-{number}"
            (receipt,) = await store.record([Arrival(name.encode(), "T", f"{number % 3}", ("h",))])
            tell("recorded", receipt.event_id, name)
            await store.mark([receipt.event_id], "accepted")
            tell("accepted", receipt.event_id)
            tokens = await store.take("A", limit=10**6, hold=1e6)
            assert isinstance(tokens, list)  # so many are never out
            tell("took", tokens[0].id)
            for entry in (await store.claim({"h": 1}, lease=LEASE)).entries:
                tell("claimed", entry.event_id, entry.attempt)
                await store.intend(entry, action="A", identity="x", request=b"{}")
                tell("intended", entry.event_id)
                await store.replied(entry, identity="x", reply=b"{}")
                tell("replied", entry.event_id)
                end = Finished() if number % 5 else Dead("no")
                await store.settle([(entry, end)])
                tell("dead" if isinstance(end, Dead) else "done", entry.event_id)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
