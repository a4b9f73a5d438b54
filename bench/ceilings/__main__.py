"""Measure, and write `bench/results/ceilings.json` and `.md`; parts that are not asked for stay as they were."""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ceilings.compare import MINUTES, compared
from bench.ceilings.cost import tokens, waiters
from bench.ceilings.live import played
from bench.ceilings.network import LIMIT
from bench.ceilings.refused import crowded

RESULTS = Path(__file__).resolve().parent.parent / "results"
PART = dict[str, Any]

LEAST_USE = 0.98
MOST_CPU = 0.01  # of a core
MOST_COST = 1.0  # milliseconds


def compare() -> PART:
    """Five ways on the same simulated minutes."""
    return {name: asdict(seen) for name, seen in compared().items()}


def refused() -> PART:
    """What gets through when the service refuses all the same."""
    return {name: asdict(seen) for name, seen in crowded().items()}


def cost() -> PART:
    """Milliseconds for a token."""
    return {name: asdict(spread) for name, spread in tokens().items()}


def live() -> PART:
    """A real daemon, killed once while it waits and once amid a burst; three minutes each."""
    return {
        "killed while all wait": asdict(asyncio.run(played(seconds=30.0))),
        "killed amid the second burst": asdict(asyncio.run(played(calls=150))),
    }


PARTS: Mapping[str, Callable[[], PART]] = {
    "compare": compare,
    "refused": refused,
    "waiters": waiters,
    "cost": cost,
    "live": live,
}


def broken(results: PART) -> list[str]:
    """What was promised and is not so."""
    found: list[str] = []
    if part := results.get("compare"):
        ours = part["vodworker"]
        found += ["over the ceiling in the simulation"] * (max(ours["most"], ours["most_over_restart"]) > LIMIT)
        found += ["less than 98 % used in the simulation"] * (ours["use"] < LEAST_USE)
        found += ["not in order"] * (ours["out_of_order"] > 0)
    if part := results.get("cost"):
        found += ["a token costs more than a millisecond"] * (part["store"]["median"] > MOST_COST)
    if part := results.get("waiters"):
        found += ["a thousand waiters cost more than 1 % of a core"] * (part["vodworker"] >= MOST_CPU)
    if part := results.get("live"):
        found += ["over the ceiling for real"] * (max(seen["most"] for seen in part.values()) > LIMIT)
        found += ["less than 98 % used for real"] * (part["killed while all wait"]["use"] < LEAST_USE)
        found += ["a task was started twice"] * any(seen["tasks"] != seen["files"] for seen in part.values())
    return found


def tables(results: PART) -> str:
    """The results as Markdown."""
    lines = ["# Ceilings", ""]
    shown = (("compare", compare_table), ("refused", refused_table), ("cost", cost_table), ("live", live_table))
    for name, rows in shown:
        if name in results:
            lines += [*rows(results), ""]
    return "\n".join(lines)


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ("---",) * len(head), *rows)]


def compare_table(results: PART) -> list[str]:
    """Most arrivals, use, order and CPU of each way."""
    cpu = results.get("waiters", {})
    head = ("way", "most in 60 s", "over a restart", "use", "out of order", "CPU of 1,000 waiters")
    rows: list[tuple[object, ...]] = [
        (
            name,
            it["most"],
            it["most_over_restart"],
            f"{it['use']:.1%}",
            f"{it['out_of_order']:.1%}",
            f"{cpu[name]:.2%}" if name in cpu else "as above" if cpu else "",
        )
        for name, it in results["compare"].items()
    ]
    return [f"100 calls a minute, {MINUTES} simulated minutes, {told(results['compare_at'])}.", "", *table(head, rows)]


def refused_table(results: PART) -> list[str]:
    """Calls a minute."""
    head = ("calls a minute", "taken", "refused", "the other program's, taken")
    rows: list[tuple[object, ...]] = [
        (name, it["taken"], it["refused"], it["others"] or "") for name, it in results["refused"].items()
    ]
    return [f"With 4400, {MINUTES} simulated minutes.", "", *table(head, rows)]


def cost_table(results: PART) -> list[str]:
    """Milliseconds."""
    rows: list[tuple[object, ...]] = [
        (words, it["median"], it["p95"], it["p99"])
        for words, it in (
            ("a token taken and given back, on disk", results["cost"]["store"]),
            ("a call's wait for a free token", results["cost"]["call"]),
        )
    ]
    head = ("milliseconds", "median", "95 %", "99 %")
    return [f"SQLite in a file, {told(results['cost_at'])}.", "", *table(head, rows)]


def live_table(results: PART) -> list[str]:
    """What the emulator counted."""
    runs = results["live"]
    head = ("300 uploads, three minutes", *runs)
    words = {
        "killed": "killed at second",
        "under_way": "calls under way then",
        "arrivals": "calls in all",
        "most": "most in 60 s",
        "shortest": "seconds that 101 calls took, at least",
        "use": "use",
        "throttled": "4400 answers",
        "tasks": "tasks",
        "files": "files",
        "margin": "smallest margin of a confirmation, s",
    }
    rows: list[tuple[object, ...]] = [
        (line, *(f"{run[key]:.1%}" if key == "use" else run[key] for run in runs.values()))
        for key, line in words.items()
    ]
    return [f"A real daemon and the emulator, {told(results['live_at'])}.", "", *table(head, rows)]


def told(at: Mapping[str, Any]) -> str:
    """Where and when, in words."""
    return f"{at['python']} on {at['cores']} cores, load {at['load'][0]:.1f} before and {at['load'][1]:.1f} after"


def main() -> int:
    """Measure what is asked for, and say what is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.ceilings", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all, if none is given")
    parts = parser.parse_args().parts or [*PARTS]
    if unknown := [name for name in parts if name not in PARTS]:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(PARTS)}")
    file = RESULTS / "ceilings.json"
    results: PART = json.loads(file.read_text()) if file.exists() else {}
    for name in parts:
        before = os.getloadavg()[0]
        results[name] = PARTS[name]()
        results[f"{name}_at"] = {
            "python": f"Python {platform.python_version()}",
            "cores": os.cpu_count(),
            "load": [round(before, 2), round(os.getloadavg()[0], 2)],
            "date": datetime.now(UTC).date().isoformat(),
        }
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=2) + "\n")
    (RESULTS / "ceilings.md").write_text(tables(results))
    print(tables(results))  # noqa: T201  # this is what it is for
    for words in (problems := broken(results)):
        print(f"not kept: {words}", file=sys.stderr)  # noqa: T201  # as above
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
