"""Figures as they are kept, in `bench/results`, with when and on what they were measured; plots go to the documents."""

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import vodworker.report

RESULTS = Path(__file__).parent / "results"
PLOTS = Path(__file__).parent.parent / "docs" / "assets"


def kept(name: str) -> dict[str, Any]:
    """What was kept of a measurement; nothing, if it was never made."""
    file = RESULTS / f"{name}.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found


def keep(name: str, part: str, figures: Mapping[str, Any]) -> None:
    """Keep a part of a measurement, in place of an earlier one."""
    at = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**kept(name), part: {"at": at, **figures}}, indent=2, ensure_ascii=False)
    (RESULTS / f"{name}.json").write_text(f"{text}\n", "utf-8")


def draw(name: str, plot: str) -> None:
    """Keep a plot of `vodworker.report.plot` as a file of its own, with the colours of the report's page."""
    style = (Path(vodworker.report.__file__).parent / "style.css").read_text("utf-8")
    opened, inside = re.sub("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', plot, count=1).split(">", 1)
    (PLOTS / f"{name}.svg").write_text(f"{opened}>\n<style>{style}</style>\n{inside}\n", "utf-8")
