"""Measure what an event costs, then play out what grows; both are kept in `bench/results/growing.json`."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench._kept import keep, kept
from bench.growing.cost import costs
from bench.growing.simulation import Costs, Outcome, Plant, play

PARTS = ("cost", "simulation")


def plants(cheap: Costs, dear: Costs) -> Iterator[tuple[str, Plant]]:
    """What is played out, in words. cheap: of an event that is only handled; dear: of one that submits a task.

    What is not said: one account, one daemon for each account, four cores for the database, and always more events
    than can be taken in.
    """
    for replicas in (1, 3):
        yield f"{replicas} × handlers that do nothing", Plant(cheap, replicas=replicas)
    for replicas in (1, 4, 20):
        yield f"{replicas} × handlers of a second", Plant(cheap, replicas=replicas, handler=1.0)
    for replicas in (1, 3):
        yield f"{replicas} × a task for each event", Plant(dear, replicas=replicas, tasks=True)
    for accounts in (2, 5):
        yield f"{accounts} sub-applications, 1 core", Plant(cheap, accounts=accounts, cores=1)
    for accounts in (100, 200, 300):
        yield f"{accounts} accounts of an event in 10 s, 1 core", Plant(cheap, accounts=accounts, cores=1, arriving=0.1)


def read(measured: dict[str, Any], handler: str) -> Costs:
    """What was measured, as the simulation wants it."""
    it = measured[f"PostgreSQL, {handler}"]["an event"]
    idle = measured["PostgreSQL, nothing"]["a second of idleness"]
    return Costs(it["daemon"], it["database"], idle["daemon"], idle["database"])


def simulate(measured: dict[str, Any], tell: Callable[[str, Outcome], None]) -> dict[str, Any]:
    """Play all of it out."""
    found: dict[str, Any] = {}
    for name, plant in plants(read(measured, "nothing"), read(measured, "a task")):
        outcome = play(plant)
        tell(name, outcome)
        found[name] = {**asdict(outcome), "full": outcome.full}
    return found


def main() -> int:
    """Measure, play, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growing", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; both, if none is given")
    parser.add_argument("--events", type=int, default=3000)
    asked = parser.parse_args()
    console = Console(highlight=False)
    if "cost" in (asked.parts or PARTS):
        keep("growing", "cost", asyncio.run(costs(asked.events)))
        console.print_json(data=kept("growing")["cost"])
    if "simulation" in (asked.parts or PARTS):
        head = ("what is set up", "events a second", "median, s", "slowest of 100, s", "next ceiling", "used")
        table = Table(*head, title="simulated")

        def tell(name: str, it: Outcome) -> None:
            table.add_row(
                name, f"{it.rate:,.1f}", f"{it.median:.3f}", f"{it.slowest:.3f}", it.full, f"{it.used[it.full]:.0%}"
            )

        keep("growing", "simulation", simulate(kept("growing")["cost"], tell))
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
