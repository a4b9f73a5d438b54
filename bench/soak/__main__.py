"""Soak for `--days` of virtual time and `--seconds` of real time, and write `bench/results/soak.json`."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.soak.growth import Series
from bench.soak.minutes import minutes
from bench.soak.week import week

RESULTS = Path(__file__).resolve().parent.parent / "results" / "soak.json"


def shown(console: Console, title: str, series: Series, facts: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    """Print one soak, and give it back as JSON."""
    table = Table("", "1st quarter", "2nd", "3rd", "4th", title=title)
    for name, *quarters in series.told():
        table.add_row(name, *(f"{it:g}" for it in quarters))
    console.print(table)
    for name, fact in facts.items():
        console.print(f"{name}: {fact}")
    for line in wrong:
        console.print(f"WRONG: {line}", style="red")
    return {**facts, "medians_of_quarters": {name: quarters for name, *quarters in series.told()}, "wrong": wrong}


def main() -> int:
    """Soak; 0 when nothing grew and no count is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--days", type=float, default=7.0, help="of virtual time, some 90 s of CPU each; 0 for none")
    parser.add_argument("--seconds", type=float, default=600.0, help="of real time; 0 for none")
    asked = parser.parse_args()
    console = Console(highlight=False)
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    bad = False
    for name, length, soak in (("week", asked.days, week), ("minutes", asked.seconds, minutes)):
        if length:
            began = time.process_time()
            series, facts, wrong = soak(length)
            wrong += series.grown()
            facts["cpu_seconds_here"] = round(time.process_time() - began, 1)
            results[name] = shown(console, name, series, facts, wrong)
            bad = bad or bool(wrong)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
