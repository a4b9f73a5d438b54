"""`vodworker events`: the journal, as an operator reads and mends it; safe beside a running daemon."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vodworker.cli.ends import Failed
from vodworker.cli.manners import print_json, quiet, read, wants_json, with_config
from vodworker.cli.shown import UNITS, print_entries, print_event
from vodworker.config import nearest
from vodworker.errors import ConfigError, JournalError
from vodworker.events import EVENTS
from vodworker.journal.port import STATES, Desk, Filter, Store
from vodworker.place import open_journal

T = TypeVar("T")

ALL = 1_000_000  # entries that one command may name by their properties
KINDS = ("open", *STATES)  # of entries, as they are asked for
RECENT = 1000  # entries whose names are known: enough to tell a slip of the keyboard from a name that nothing has yet

json_option = click.option(
    "--json/--table", "as_json", default=None, help="How to print; without it JSON, but a table on a terminal."
)


def as_state(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """The state as it is written; another is refused with the nearest."""
    if value is not None and value not in KINDS:
        raise click.BadParameter(f"{value} is not a state; {meant(value, KINDS)}")
    return value


def as_seconds(_ctx: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """The seconds of a span such as `90s`, `15min`, `2h` or `3d`."""
    if value is None:
        return None
    sizes = {unit: size for size, unit in UNITS} | {"s": 1.0, "": 1.0}
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", value)
    if not match or match[2] not in sizes:
        raise click.BadParameter(f"{value} is not a span of time; write it as 90s, 15min, 2h or 3d")
    return float(match[1]) * sizes[match[2]]


@click.group(epilog="Example: vodworker events list --state dead")
def events() -> None:
    """List, show, redrive, discard, pause, resume: the journal."""


def which_entries(command: Callable[..., None]) -> Callable[..., None]:
    """Options that name entries by their properties."""
    for name, metavar, reads, told in (
        ("--newer", "SPAN", as_seconds, "Of events recorded less than so long ago: 90s, 15min, 2h, 3d."),
        ("--older", "SPAN", as_seconds, "Of events recorded at least so long ago."),
        ("--handler", "NAME", None, "Of this handler."),
        ("--key", "KEY", None, "With this key: a file id, else a task id."),
        ("--type", "TYPE", None, "Of events of this type."),
    ):
        command = click.option(name, metavar=metavar, callback=reads, help=told)(command)
    return command


def ask(config: Path | None, question: Callable[[Store], Awaitable[T]]) -> T:
    """The journal's answer."""
    settings = read(config)
    quiet()
    file = settings.journal.file
    if file and not file.exists():  # none is made: whoever looks into a journal has another one in mind
        raise JournalError(f"{file}: there is no journal; use the daemon's settings, in the daemon's directory")

    async def answer() -> T:
        async with open_journal(settings, sole=False) as store:
            return await question(store)

    return asyncio.run(answer())


@with_config
@events.command("list", epilog="Example: vodworker events list --state dead --handler process_upload --newer 2h")
@click.option("--state", metavar="STATE", callback=as_state, help=f"open (not ended), {', '.join(STATES)}.")
@which_entries
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many, the newest.")
@json_option
def list_(*, config: Path | None, as_json: bool | None, **which: Any) -> None:
    """List entries, newest first.

    An entry is one event for one handler. What it waits for, or of what it died, stands below it.
    """

    async def question(store: Store) -> tuple[list[dict[str, Any]], dict[str, int], list[dict[str, Any]]]:
        return await named(store, config, Filter(**which)), await store.counts(), await store.paused()

    entries, counts, paused = ask(config, question)
    if wants_json(as_json):
        for entry in entries:
            print_json(entry)
    else:
        print_entries(entries, counts, paused)


@with_config
@events.command("show", epilog="Example: vodworker events show 17")
@click.argument("event_id", type=int)
@json_option
def show(*, event_id: int, config: Path | None, as_json: bool | None) -> None:
    """Tell all of one event.

    When it was recorded, how far its confirmation is; its entries, each with the reason why it is not running, its
    attempts with their errors and the calls that were made with their replies; its body.
    """
    event = ask(config, lambda store: store.show(event_id))
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

    async def question(store: Store) -> tuple[int, int]:
        entries = await chosen(store, config, entry_ids, which)
        return await store.redrive(entries), len(entries)

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
    if not why.strip():
        raise click.UsageError("--why is empty; say it to those who will ask what became of the event")

    async def question(store: Store) -> tuple[int, int]:
        entries = await chosen(store, config, entry_ids, which)
        return await store.discard(entries, why=why), len(entries)

    tell(*ask(config, question), "discarded", "running and ended ones cannot be")


@with_config
@events.command("pause", epilog='Example: vodworker events pause publish_concat --why "the shop is closed"')
@click.argument("handler")
@click.option("--why", default="", metavar="TEXT", help="The reason, for those who look at what waits.")
def pause(*, handler: str, why: str, config: Path | None) -> None:
    """Hold a handler back, in every daemon of this journal.

    What runs goes on; nothing more of it is started, within seconds and over restarts, until it is resumed. Events are
    taken in as before, and wait.
    """

    async def question(store: Store) -> None:
        await must_be_known(store, config, "handler", handler)
        await store.pause(handler, why=why)

    ask(config, question)
    click.echo(f"{handler} is paused; `vodworker events resume {handler}` lets it go on")


@with_config
@events.command("resume", epilog="Example: vodworker events resume publish_concat")
@click.argument("handler")
def resume(*, handler: str, config: Path | None) -> None:
    """Let a paused handler go on."""

    async def question(store: Store) -> list[str]:
        paused = [row["handler"] for row in await store.paused()]
        return [] if await store.resume(handler) else paused or ["none"]

    if paused := ask(config, question):
        raise Failed(f"{handler} is not paused; {meant(handler, paused)}")
    click.echo(f"{handler} goes on")


async def chosen(store: Store, config: Path | None, entry_ids: Sequence[int], which: dict[str, Any]) -> Sequence[int]:
    """The entries, named by their numbers or by their properties, but not by both."""
    if bool(entry_ids) == any(value is not None for value in which.values()):
        raise click.UsageError("name entries either by their numbers, or with --handler, --key, --type and their age")
    return entry_ids or [entry["id"] for entry in await named(store, config, Filter(state="dead", limit=ALL, **which))]


async def named(desk: Desk, config: Path | None, which: Filter) -> list[dict[str, Any]]:
    """The entries; where there are none, the names in the filter must at least be names of something."""
    entries = await desk.list(which)
    if not entries:
        for kind, name in (("handler", which.handler), ("type", which.type)):
            if name is not None:
                await must_be_known(desk, config, kind, name)
    return entries


async def must_be_known(desk: Desk, config: Path | None, kind: str, name: str) -> None:
    """Fail, and name the nearest, when neither the newest entries nor the settings have such a name."""
    known = {entry[kind] for entry in await desk.list(Filter(limit=RECENT))}
    if name not in known:
        known |= {*EVENTS} if kind == "type" else loaded(config)
    if name not in known:
        what = "an event type" if kind == "type" else "a handler"
        raise Failed(f"{name} is not {what}; {meant(name, known)}")


def loaded(config: Path | None) -> set[str]:
    """The names of the handlers that a daemon with these settings has; none where they do not load just now."""
    from vodworker.app import load_handlers  # noqa: PLC0415  # to look into the journal takes no handlers and no client

    try:
        return {*load_handlers(read(config)).routes}
    except ConfigError:
        return set()


def meant(name: str, names: Sequence[str] | set[str]) -> str:
    """The nearest of these names, or all of them."""
    near = nearest(name, names)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names)) or 'none'}"


def tell(changed: int, wanted: int, state: str, limit: str) -> None:
    """Say what was done; entries that were named and are as before are a failure."""
    said = f"{changed} of {wanted} {'entry' if wanted == 1 else 'entries'} {state}"
    if changed < wanted:
        raise Failed(f"{said}; {limit}, see `vodworker events list`")
    click.echo(said)
