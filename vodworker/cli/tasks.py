"""`vodworker tasks`: what handlers started at the service, and is not known to have ended."""

from pathlib import Path
from typing import Any

import click

from vodworker.cli.events import ask, json_option
from vodworker.cli.manners import print_json, wants_json, with_config
from vodworker.cli.shown import print_tasks
from vodworker.journal.port import Desk


@with_config
@click.command("tasks", epilog="Example: vodworker tasks --json")
@json_option
def tasks(*, config: Path | None, as_json: bool | None) -> None:
    """List the tasks that are out.

    Each waits for an event that tells its end. One that is overdue is asked for; `asked` says how often it was.
    """

    async def question(desk: Desk) -> list[dict[str, Any]]:
        return await desk.tasks()

    rows = ask(config, question)
    if wants_json(as_json):
        for row in rows:
            print_json(row)
    else:
        print_tasks(rows)
