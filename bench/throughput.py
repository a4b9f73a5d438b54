"""Events a second through real daemons: one on SQLite, one on PostgreSQL, and three on PostgreSQL.

Each event is pulled, recorded, confirmed, claimed, handled by a handler that does nothing, and settled. Emulator and
daemons share this machine, so that three replicas do not get three times as much of it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
from rich.console import Console

from bench._kept import keep
from bench.replicas import CONFIG, DEADLOCKS, Seat
from tests.postgresql import cluster
from vodworker.emulator.server import Emulator

HANDLER = """\
from vodworker import on
from vodworker.events import NewFileUpload


@on(NewFileUpload)
async def nothing(event, ctx):
    pass
"""
HALF = 0.5  # of SQLite's rate is promised of one replica on PostgreSQL


async def rate(url: str, replicas: int, events: int, said: Counter[str]) -> float:
    """Events a second, from the first to the last that was handled; what the daemons log is counted in `said`."""
    clock = asyncio.get_running_loop().time
    times: list[float] = []
    over = asyncio.Event()

    def done(_name: str) -> None:
        times.append(clock())
        if len(times) >= events:
            over.set()

    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="throughput-")))
        emulator = await stack.enter_async_context(Emulator.serve())
        (folder / "handlers").mkdir()
        (folder / "handlers" / "nothing.py").write_text(HANDLER)
        place = url or f"sqlite:///{folder}/journal.db"
        (folder / "vodworker.toml").write_text(CONFIG.format(endpoint=emulator.url, url=place, ceiling=1000))
        for number in range(events):
            emulator.emit({"eventType": "NewFileUpload", "data": {"fileId": f"{number % 500}", "number": number}})
        for number in range(replicas):
            await stack.enter_async_context(Seat(f"{number}", folder, said, done).taken())
        await over.wait()
    return (events - 1) / (times[-1] - times[0])


async def compare(events: int) -> dict[str, float]:
    """Measure all three, best of two, and count what replicas lost against each other."""
    said = Counter[str]()
    with cluster(fsync="on", full_page_writes="on") as database:
        rates: dict[str, float] = {}
        for turn in range(2):
            for name, url, replicas in (
                ("one on SQLite", "", 1),
                ("one on PostgreSQL", database.url(schema=f"one_{turn}"), 1),
                ("three on PostgreSQL", database.url(schema=f"three_{turn}"), 3),
            ):
                rates[name] = max(rates.get(name, 0.0), round(await rate(url, replicas, events, said)))
        with psycopg.connect(database.dsn) as db:
            ((deadlocks,),) = db.execute(DEADLOCKS.encode()).fetchall()
    share = rates["one on PostgreSQL"] / rates["one on SQLite"]
    return {**rates, "share": round(share, 2), "contention": deadlocks + said["journal.lost"]}


def main() -> int:
    """Print the rates; 0 when PostgreSQL has at least half of SQLite's, and no transaction was lost to another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3000)
    found = asyncio.run(compare(parser.parse_args().events))
    keep("throughput", "events a second", found)
    console = Console(highlight=False)
    for name, it in found.items():
        console.print(f"{name:20} {it:6g}")
    return 0 if found["share"] >= HALF and not found["contention"] else 1


if __name__ == "__main__":
    sys.exit(main())
