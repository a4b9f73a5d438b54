"""Measure the whole path part by part; figures go to `bench/results/path.json`, their table to docs/performance.md."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from compileall import compile_dir
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from bench._kept import keep, kept
from bench.path.peer import play_peer
from bench.path.play import Case, Seen, play
from tests.postgresql import cluster

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
FULL_RATE = 267.0  # events a second: 1000 pulls of 16 in a minute
STREAMS = (1, 2, 4)
RUNS = 3
STARTS = 9
MINUTE = 60.0

Figures = dict[str, dict[str, dict[str, float]]]  # what was run, what was measured in which unit, its spread


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it is measured."""

    events: int
    runs: int
    long: bool


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """The middle one of several runs, and the extremes."""
    return {
        name: round(value, digits)
        for name, value in (("median", median(values)), ("least", min(values)), ("most", max(values)))
    }


def percentile(values: Sequence[float], part: float) -> float:
    """Milliseconds that this part of the events did not exceed."""
    return 1000 * sorted(values)[min(len(values) - 1, int(part * len(values)))]


def variations(case: Case, *, long: bool) -> Iterator[tuple[str, Case]]:
    """The cases, in words: one thing changed at a time, and all of them together when it may take long."""
    sizes, handlers, logs = (
        {1024: "1 KB", 4096: "4 KB"},
        {1: "1 handler", 3: "3 handlers"},
        {True: "log", False: "no log"},
    )
    for size, told_size in sizes.items():
        for number, told_number in handlers.items():
            for log, told_log in logs.items():
                if long or (size != case.size) + (number != case.handlers) + (log != case.log) <= 1:
                    yield f"{told_size}, {told_number}, {told_log}", replace(case, size=size, handlers=number, log=log)
    if not case.url:
        yield "1 KB, 1 handler, log, without uvloop", replace(case, uvloop=False)


async def costs(plan: Plan) -> Figures:
    """CPU seconds and megabytes of the daemon, and its rate, while it works off all that waits."""
    found: Figures = {}
    with cluster(fsync="on", full_page_writes="on") as database:
        for name, url in (("SQLite", ""), ("PostgreSQL", database.url(schema="path"))):
            for words, case in variations(Case(events=plan.events, url=url), long=plan.long):
                runs = [
                    await play(replace(case, url=f"{url}_{len(found)}_{turn}" if url else ""))
                    for turn in range(plan.runs)
                ]
                found[f"{name}, {words}"] = work(case, runs)
    return found


def work(case: Case, runs: Sequence[Seen]) -> dict[str, dict[str, float]]:
    """What a number of events cost."""
    return {
        "CPU-s per 1,000 events": spread([1000 * it.cpu / case.events for it in runs]),
        "events/s": spread([case.events / it.seconds for it in runs], 0),
        "peak MB": spread([it.memory for it in runs], 0),
    }


async def latencies(plan: Plan) -> Figures:
    """From when an event is available at the service until its handler starts, and until it is confirmed."""
    cases = {
        **{f"10 events/s, {n} streams": Case(events=100, rate=10.0, streams=n) for n in STREAMS},
        **{f"267 events/s, {n} streams": Case(events=2000, rate=FULL_RATE, streams=n) for n in STREAMS},
        # Sixteen in each 60 ms: as many as the default ceiling of PullEvent lets through.
        "267 events/s by 16, at the ceiling, 2 streams": Case(events=2000, rate=FULL_RATE, group=16, limit=1000),
    }
    found: Figures = {}
    for name, case in cases.items():
        runs = [await play(case) for _ in range(plan.runs if plan.long else 1)]
        found[name] = {
            f"{what} {told}, ms": spread([percentile(getattr(it, what), part) for it in runs], 1)
            for what in ("started", "confirmed")
            for told, part in (("p50", 0.5), ("p99", 0.99))
        }
    return found


async def idle(plan: Plan) -> Figures:
    """A minute with two polls waiting and nothing to do."""
    runs = [await play(Case(events=16, idle=MINUTE)) for _ in range(plan.runs if plan.long else 1)]
    return {
        "a minute of nothing": {
            "% of a core": spread([100 * it.idle_cpu / MINUTE for it in runs], 2),
            "MB": spread([it.idle_memory for it in runs], 0),
        }
    }


async def starts(plan: Plan) -> Figures:
    """From the start of the process to its first poll at the service; compiled, as an installation is."""
    compile_dir(str(Path(__file__).parents[2] / "vodworker"), quiet=1)
    runs = [await play(Case(events=16)) for _ in range(STARTS * plan.runs if plan.long else STARTS)]
    return {"start to first poll": {"s": spread([it.up for it in runs], 2)}}


async def peers(plan: Plan) -> Figures:
    """The peer and ours by turns, each with the same events, handler and a JSON log line."""
    case = Case(events=max(1, plan.events // 2))
    pairs = [(await play(case), await play_peer(case)) for _ in range(plan.runs)]
    ours, theirs = zip(*pairs, strict=True)
    share = {"part of the peer's CPU": spread([our.cpu / their.cpu for our, their in pairs], 2)}
    return {"vodworker on SQLite": {**work(case, ours), **share}, "FastStream on Redis": work(case, theirs)}


PARTS: Mapping[str, Callable[[Plan], Any]] = {
    "costs": costs,
    "latency": latencies,
    "idle": idle,
    "start": starts,
    "peer": peers,
}


def told(it: Mapping[str, float]) -> str:
    """A spread in words."""
    return f"{it['median']:,g}" + ("" if it["least"] == it["most"] else f" ({it['least']:,g}–{it['most']:,g})")


def tables(figures: Mapping[str, Any]) -> str:
    """Every part as a table: the median of the runs, and the least and the most."""
    lines: list[str] = []
    for part, measured in figures.items():
        rows = {name: it for name, it in measured.items() if name != "at"}
        units = list(dict.fromkeys(unit for it in rows.values() for unit in it))
        at = measured["at"]
        lines += [
            f"### {part.capitalize()}\n",
            f"Python {at['python']}, {at['cores']} cores, load {at['load']} at the end, {at['date']}.\n",
        ]
        lines += ["| | " + " | ".join(units) + " |", "|---|" + "--:|" * len(units)]
        for name, it in rows.items():
            cells = " | ".join(told(it[unit]) if unit in it else "" for unit in units)
            lines.append(f"| {name} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def write_page() -> None:
    """Put the tables into the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{tables(kept('path'))}\n{END}{after}", "utf-8")


def main() -> int:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.path", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all, if none is given")
    parser.add_argument("--events", type=int, default=20_000, help="of each run that works off what waits")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each case")
    parser.add_argument("--long", action="store_true", help="every combination, and latencies several times")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(PARTS)}")
    console = Console(highlight=False, soft_wrap=True)
    for part in asked.parts or PARTS:
        keep("path", part, asyncio.run(PARTS[part](Plan(asked.events, asked.runs, asked.long))))
        write_page()
        console.print(tables({part: kept("path")[part]}), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
