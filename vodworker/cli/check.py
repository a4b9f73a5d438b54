"""`vodworker check`: everything that can be wrong before a start, in one report."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vodworker.api import GetTaskList
from vodworker.app import load_handlers, service
from vodworker.cli.ends import Failed, Unusable, failures
from vodworker.cli.manners import quiet, read_what_can_be, with_config
from vodworker.config import Survey
from vodworker.errors import ConfigError, JournalError
from vodworker.journal.file import MEMORY
from vodworker.place import open_journal


@with_config
@click.command(epilog="Example: vodworker check --config /etc/vodworker/vodworker.toml --online")
@click.option("--online", is_flag=True, help="Also make one signed call, a harmless one: GetTaskList.")
def check(*, online: bool, config: Path | None) -> None:
    """Find what is wrong before a start.

    Settings, account, handlers, journal; with --online the way to the service and its view of the keys.
    """
    found = read_what_can_be(config)
    quiet()
    ends = asyncio.run(look(found, [*STEPS, *(ONLINE if online else ())]))
    if ends:
        kind = Unusable if any(isinstance(end, Unusable) for end in ends) else Failed
        count = sum(len(end.message.splitlines()) for end in ends)
        raise kind(f"{count} of these must be mended" if count > 1 else "this must be mended")


async def look(found: Survey, steps: Sequence["Step"]) -> list[Failed]:
    """Take every step whose settings are not in doubt and tell how it went; the ends of those that went wrong."""
    ends: list[Failed] = []
    for step in steps:
        if unclear := sorted(step.needs & found.doubtful):
            click.echo(f"later  {step.name:<9} when [{'], ['.join(unclear)}] is mended")
            continue
        try:
            with failures():
                click.echo(f"ok     {step.name:<9} {await step.take(found)}".rstrip())
        except Failed as end:
            ends.append(end)
            for line in end.message.splitlines():
                click.echo(f"wrong  {step.name:<9} {line}")
    return ends


async def settings(found: Survey) -> str:
    """They can be read, and each is a setting."""
    if found.problems:
        raise ConfigError(found.problems)
    return ""


async def account(found: Survey) -> str:
    """The keys are there."""
    account = found.settings.account
    if account.missing:
        raise ConfigError(account.missing)
    return f"{account.secret_id} at {account.endpoint}"


async def handlers(found: Survey) -> str:
    """Every handler can be loaded."""
    return (
        ", ".join(load_handlers(found.settings).routes) or "none: events will be kept and confirmed, and nothing more"
    )


async def journal(found: Survey) -> str:
    """The journal can be written, or made."""
    settings = found.settings
    if to_be_made(settings.journal.file):
        return f"{settings.journal.shown} will be made"
    async with open_journal(settings, sole=False) as store:
        await store.redrive(())  # a transaction that writes nothing
        counts = await store.counts()
    return f"{settings.journal.shown} with {counts['events']} events, {counts['dead']} entries dead"


def to_be_made(file: Path | None) -> bool:
    """Whether the journal is a file that does not exist yet; it is not made here, as it might get the wrong owner."""
    if file is None or file.exists():
        return False
    directory = file.absolute().parent
    if not (directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)):
        raise JournalError(f"{file} cannot be made; create {directory}, writable for this user")
    return True


async def online(found: Survey) -> str:
    """The service accepts a signed call."""
    settings = found.settings
    if to_be_made(settings.journal.file):  # in memory for now: without a journal nobody has called yet
        place = settings.journal.model_copy(update={"url": f"sqlite:///{MEMORY}"})
        settings = settings.model_copy(update={"journal": place})
    async with service(settings, sole=False) as cloud:
        await cloud.vod.call(GetTaskList(status="FINISH"))
    return "accepts the keys"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to look at. take: says in a line what it found. needs: the sections that it goes by."""

    name: str
    take: Callable[[Survey], Awaitable[str]]
    needs: frozenset[str] = frozenset()


STEPS = (
    Step("settings", settings),
    Step("account", account, frozenset({"account"})),
    Step("handlers", handlers, frozenset({"handlers"})),
    Step("journal", journal, frozenset({"journal"})),
)
ONLINE = (Step("service", online, frozenset({"account", "calls", "limits", "journal"})),)
