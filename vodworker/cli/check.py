"""`vodworker check`: everything that can be wrong before a start, in one report."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from vodworker.api import GetTaskList
from vodworker.app import load_handlers, open_journal, service
from vodworker.cli.manners import Failed, Unusable, failures, quiet, read, with_config
from vodworker.config import Settings
from vodworker.errors import ConfigError, JournalError


@with_config
@click.command(epilog="Example: vodworker check --config /etc/vodworker/vodworker.toml --online")
@click.option("--online", is_flag=True, help="Also make one signed call, a harmless one: GetTaskList.")
def check(*, online: bool, config: Path | None) -> None:
    """Find what is wrong before a start.

    Settings, account, handlers, journal; with --online the way to the service and its view of the keys.
    """
    settings = read(config)
    quiet()
    ends = asyncio.run(look(settings, [*STEPS, *(ONLINE if online else ())]))
    if ends:
        kind = Unusable if any(isinstance(end, Unusable) for end in ends) else Failed
        raise kind(f"{len(ends)} of these must be mended")


async def look(settings: Settings, steps: list[tuple[str, "Step"]]) -> list[Failed]:
    """Take every step and tell how it went; returns the ends of those that went wrong."""
    ends: list[Failed] = []
    click.echo("ok     settings")
    for name, step in steps:
        try:
            with failures():
                click.echo(f"ok     {name:<9} {await step(settings)}")
        except Failed as end:
            ends.append(end)
            for line in end.message.splitlines():
                click.echo(f"wrong  {name:<9} {line}")
    return ends


async def account(settings: Settings) -> str:
    """The keys are there."""
    if settings.account.missing:
        raise ConfigError(settings.account.missing)
    return f"{settings.account.secret_id} at {settings.account.endpoint}"


async def handlers(settings: Settings) -> str:
    """Every handler can be loaded."""
    return ", ".join(load_handlers(settings).routes) or "none: events will be kept and confirmed, and nothing more"


async def journal(settings: Settings) -> str:
    """The journal can be written, or made."""
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


async def online(settings: Settings) -> str:
    """The service accepts a signed call."""
    async with service(settings, sole=False) as cloud:
        await cloud.vod.call(GetTaskList(status="FINISH"))
    return "accepts the keys"


Step = Callable[[Settings], Awaitable[str]]
STEPS: tuple[tuple[str, Step], ...] = (("account", account), ("handlers", handlers), ("journal", journal))
ONLINE: tuple[tuple[str, Step], ...] = (("service", online),)
