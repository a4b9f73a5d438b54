"""The hottest paths against a loop of known work in the same process: whether one has become dear, on any machine.

What is compared is CPU time, by turns, each at its best of many turns: neither a slow machine nor a busy one matters. A
path that became cheaper for good is worth a new budget, so that it stays so.
"""

import asyncio
import io
import os
import sys
import time
from collections.abc import Callable, Mapping

import orjson
from rich.console import Console
from rich.table import Table

from bench.path.source import AT_ONCE, HEAD, TAIL, body
from vodworker.cloud.queue import delivery
from vodworker.events import decode
from vodworker.journal.port import Arrival
from vodworker.journal.sqlite import open_sqlite
from vodworker.log import bound, heard, log, setup
from vodworker.outcome import Finished
from vodworker.watch.health import HEARD, Health
from vodworker.watch.metrics import Metrics
from vodworker.wire import read_reply

TURNS = 40
TOLERANCE = 1.5  # times its budget: above what one processor likes better than another, below what is worth a look
ROUNDS = 20  # of a path in a turn: some milliseconds

BODIES = [body(number, 1024) for number in range(AT_ONCE)]
REPLY = HEAD + b",".join(b'{"msgHandle":"1","eventContent":%b}' % it for it in BODIES) + TAIL
ARRIVALS = [Arrival(b"", "NewFileUpload", "", ("h",))] * AT_ONCE

# What sixteen events cost, in turns of the loop of known work.
BUDGETS: Mapping[str, float] = {"read": 1.1, "tell": 2.2, "journal": 3.6}


def known() -> None:
    """Work like ours, which nobody changes: dicts, texts, calls, and some JSON."""
    for number in range(AT_ONCE):
        facts = {"number": number, "name": f"event {number}", "names": tuple(map(str, range(10)))}
        for _ in range(10):
            facts = {**facts, "more": len(orjson.dumps(facts)) + max(len(it) for it in facts)}
        orjson.loads(BODIES[number])


def read() -> None:
    """A reply of sixteen events is read, and each is decoded for its handler."""
    for item in read_reply("PullEvent", 200, REPLY)["eventList"]:
        decode(delivery(item, 0.0).body)


def tell() -> None:
    """Sixteen events are logged and counted: received, started, done."""
    for number in range(AT_ONCE):
        facts = {"event_id": number, "event_type": "NewFileUpload", "key": "f"}
        log.info("event.received", **facts, handlers=("h",))
        with bound(**facts, handler="h", attempt=1):
            log.debug("handler.started", age=0.1)
            log.info("handler.done", took=0.1)


async def journal(rounds: int) -> float:
    """CPU seconds in which sixteen events are recorded, confirmed, claimed and settled, on average; no disk."""
    async with open_sqlite(":memory:") as store:
        began = time.process_time()
        for number in range(rounds):
            arrivals = [Arrival(b"%d %d" % (number, n), "NewFileUpload", f"{n}", ("h",)) for n in range(AT_ONCE)]
            events = [receipt.event_id for receipt in await store.record(arrivals)]
            await store.mark(events, "sent")
            await store.mark(events, "accepted")
            claim = await store.claim({"h": AT_ONCE}, lease=60.0)
            await store.settle([(entry, Finished()) for entry in claim.entries])
        return (time.process_time() - began) / rounds


def took(path: Callable[[], None]) -> float:
    """CPU seconds of one round, on average."""
    began = time.process_time()
    for _ in range(ROUNDS):
        path()
    return (time.process_time() - began) / ROUNDS


def costs() -> dict[str, float]:
    """What each path costs, in rounds of the known work."""
    best = dict.fromkeys(("known", *BUDGETS), float("inf"))
    setup("json", stream=io.BytesIO())
    with heard(Health(time.monotonic).hear, *HEARD), heard(Metrics(["h"]).hear):
        for _ in range(TURNS):
            turn = {
                "known": took(known),
                "read": took(read),
                "tell": took(tell),
                "journal": asyncio.run(journal(ROUNDS)),
            }
            best = {name: min(cost, turn[name]) for name, cost in best.items()}
    return {name: best[name] / best["known"] for name in BUDGETS}


def main() -> int:
    """Print them beside their budgets; 0 when none is above."""
    if hasattr(os, "sched_setaffinity"):  # two threads on two cores cost half as much again as on one that is shared
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = costs()
    table = Table("path", "cost", "budget", "at most", title="sixteen events, in rounds of known work")
    for name, cost in found.items():
        table.add_row(name, f"{cost:.2f}", f"{BUDGETS[name]:.2f}", f"{TOLERANCE * BUDGETS[name]:.2f}")
    Console(highlight=False).print(table)
    dear = [name for name, cost in found.items() if cost > TOLERANCE * BUDGETS[name]]
    for name in dear:
        print(f"{name} has become dear: find what was added to it, or write down in bench/gate.py why it is worth it")  # noqa: T201
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
