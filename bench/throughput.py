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

from rich.console import Console

from bench.replicas import CONFIG, Seat
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


async def rate(url: str, replicas: int, events: int) -> float:
    """Events a second, from the first to the last that was handled."""
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
            await stack.enter_async_context(Seat(f"{number}", folder, Counter(), done).taken())
        await over.wait()
    return (events - 1) / (times[-1] - times[0])


async def compare(events: int, console: Console) -> float:
    """Measure all three, best of two; how much of SQLite's rate one replica on PostgreSQL has."""
    with cluster(fsync="on", full_page_writes="on") as database:
        rates: dict[str, float] = {}
        for turn in range(2):
            for name, url, replicas in (
                ("one on SQLite", "", 1),
                ("one on PostgreSQL", database.url(schema=f"one_{turn}"), 1),
                ("three on PostgreSQL", database.url(schema=f"three_{turn}"), 3),
            ):
                rates[name] = max(rates.get(name, 0.0), await rate(url, replicas, events))
    for name, it in rates.items():
        console.print(f"{name:20} {it:6.0f} events a second")
    return rates["one on PostgreSQL"] / rates["one on SQLite"]


def main() -> int:
    """Print the rates; 0 when PostgreSQL has at least half of SQLite's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=3000)
    share = asyncio.run(compare(parser.parse_args().events, Console(highlight=False)))
    return 0 if share >= HALF else 1


if __name__ == "__main__":
    sys.exit(main())
