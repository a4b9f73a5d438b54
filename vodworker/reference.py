"""The reference pages of the documentation, each from its declarations: `python -m vodworker.reference docs`."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from vodworker.api import ACTIONS
from vodworker.api import describe as actions
from vodworker.cli import cli
from vodworker.cli import describe as commands
from vodworker.codes import describe as codes
from vodworker.config import describe as settings
from vodworker.events import describe as events
from vodworker.report.reference import reference as log


def causes() -> Mapping[str, list[str]]:
    """The actions after which each type of event comes."""
    found: dict[str, list[str]] = {}
    for name, action in ACTIONS.items():
        if action.starts_task:
            found.setdefault(action.starts_task, []).append(name)
    return found


PAGES: Mapping[str, Callable[[], str]] = {
    "actions.md": lambda: actions.page(ACTIONS),
    "codes.md": codes.page,
    "commands.md": lambda: commands.page(cli, "vodworker"),
    "events.md": lambda: events.page(causes()),
    "log.md": log,
    "settings.md": settings.page,
}


def write(folder: Path) -> None:
    """Write every page into a folder."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
