"""The reference pages of the documentation, each from its declarations: `python -m vodworker.reference docs`."""

import ast
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from vodworker.api import ACTIONS
from vodworker.api import describe as actions
from vodworker.app import shipped_handlers
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


SHIPPED = """\
# Shipped handlers

They come with vodworker, in `handlers/` of the repository: copy those that you want into a directory of yours, as they
are or changed, or name their directory in `handlers.directories` and themselves in `handlers.enabled`. What each says:
"""


def shipped(folder: Path) -> str:
    """What the handlers in a folder say of themselves, in Markdown."""
    parts = [SHIPPED]
    for file in sorted(folder.glob("*.py")):
        told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        parts.append(f"\n## {file.stem}\n\n{told}\n")
    return "".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {
    "actions.md": lambda: actions.page(ACTIONS),
    "codes.md": codes.page,
    "commands.md": lambda: commands.page(cli, "vodworker"),
    "events.md": lambda: events.page(causes()),
    "log.md": log,
    "settings.md": settings.page,
    "shipped.md": lambda: shipped(shipped_handlers()),
}


def write(folder: Path) -> None:
    """Write every page into a folder."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
