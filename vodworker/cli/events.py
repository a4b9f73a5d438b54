"""`vodworker events`: the journal, as an operator reads and mends it; safe beside a running daemon."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vodworker.app import open_journal
from vodworker.cli.manners import Failed, print_json, quiet, read, wants_json, with_config
from vodworker.cli.shown import print_entries, print_event
from vodworker.errors import JournalError
from vodworker.journal.port import STATES, Desk, Filter

T = TypeVar("T")

ALL = 1_000_000  # entries that one command may name by their properties

json_option = click.option(
    "--json/--table", "as_json", default=None, help="How to print; without it JSON, but a table on a terminal."
)


@click.group(epilog="Example: vodworker events list --state dead")
def events() -> None:
    """List, show, redrive, discard: the journal."""


def which_entries(command: Callable[..., None]) -> Callable[..., None]:
    """Options that name entries by their properties."""
    for name, metavar, told in (
        ("--handler", "NAME", "Of this handler."),
        ("--key", "KEY", "With this key: a file id, else a task id."),
        ("--type", "TYPE", "Of events of this type."),
    ):
        command = click.option(name, metavar=metavar, help=told)(command)
    return command


def ask(config: Path | None, question: Callable[[Desk], Awaitable[T]]) -> T:
    """The journal's answer."""
    settings = read(config)
    quiet()
    file = settings.journal.file
    if file and not file.exists():  # none is made: whoever looks into a journal has another one in mind
        raise JournalError(f"{file}: there is no journal; use the daemon's settings, in the daemon's directory")

    async def answer() -> T:
        async with open_journal(settings, sole=False) as desk:
            return await question(desk)

    return asyncio.run(answer())


@with_config
@events.command("list", epilog="Example: vodworker events list --state dead --handler process_upload")
@click.option("--state", type=click.Choice(["open", *STATES]), help="Only these; open: those that have not ended.")
@which_entries
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many, the newest.")
@json_option
def list_(*, config: Path | None, as_json: bool | None, **which: Any) -> None:
    """List entries, newest first.

    An entry is one event for one handler. Its `why` says what it waits for, or of what it died.
    """

    async def question(desk: Desk) -> tuple[list[dict[str, Any]], dict[str, int]]:
        return await desk.list(Filter(**which)), await desk.counts()

    entries, counts = ask(config, question)
    if wants_json(as_json):
        for entry in entries:
            print_json(entry)
    else:
        print_entries(entries, counts)


@with_config
@events.command("show", epilog="Example: vodworker events show 17")
@click.argument("event_id", type=int)
@json_option
def show(*, event_id: int, config: Path | None, as_json: bool | None) -> None:
    """Tell all of one event.

    Its body, its confirmation, its entries with the reason why each is not running, and the calls that were made.
    """
    event = ask(config, lambda desk: desk.show(event_id))
    if event is None:
        raise Failed(f"there is no event {event_id}; `vodworker events list` has the numbers")
    if wants_json(as_json):
        print_json(event)
    else:
        print_event(event)


@with_config
@events.command(
    "redrive",
    epilog="Examples: vodworker events redrive 17000 17001, vodworker events redrive --handler process_upload",
)
@click.argument("entry_ids", type=int, nargs=-1)
@which_entries
def redrive(*, entry_ids: Sequence[int], config: Path | None, **which: Any) -> None:
    """Open dead entries again.

    Those with these numbers, or all dead ones that the options name. Their attempts begin anew.
    """

    async def question(desk: Desk) -> tuple[int, int]:
        entries = await chosen(desk, entry_ids, which)
        return await desk.redrive(entries), len(entries)

    tell(*ask(config, question), "open again", "only dead ones can be, by the entry's number, not the event's")


@with_config
@events.command("discard", epilog='Example: vodworker events discard 17000 --why "the file was deleted by hand"')
@click.argument("entry_ids", type=int, nargs=-1)
@which_entries
@click.option("--why", required=True, metavar="TEXT", help="The reason, kept in the journal.")
def discard(*, entry_ids: Sequence[int], why: str, config: Path | None, **which: Any) -> None:
    """End open or dead entries for good.

    Those with these numbers, or all dead ones that the options name. What runs is left alone.
    """

    async def question(desk: Desk) -> tuple[int, int]:
        entries = await chosen(desk, entry_ids, which)
        return await desk.discard(entries, why=why), len(entries)

    tell(*ask(config, question), "discarded", "running and ended ones cannot be")


async def chosen(desk: Desk, entry_ids: Sequence[int], which: dict[str, Any]) -> Sequence[int]:
    """The entries, named by their numbers or by their properties, but not by both."""
    if bool(entry_ids) == any(which.values()):
        raise click.UsageError("name entries either by their numbers, or with --handler, --key and --type")
    return entry_ids or [entry["id"] for entry in await desk.list(Filter(state="dead", limit=ALL, **which))]


def tell(changed: int, wanted: int, state: str, limit: str) -> None:
    """Say what was done; entries that were named and are as before are a failure."""
    said = f"{changed} of {wanted} {'entry' if wanted == 1 else 'entries'} {state}"
    if changed < wanted:
        raise Failed(f"{said}; {limit}, see `vodworker events list`")
    click.echo(said)
