"""`vodworker demo`: the whole path on this machine."""

import asyncio
import os
import sys

import click
from rich.console import Console

from vodworker.cli.manners import quiet
from vodworker.demo import demo as play


@click.command(epilog="Example: vodworker demo")
def demo() -> None:
    """Show the whole path at work, on this machine.

    An emulator, a daemon with the shipped handlers, and real uploads; then a report. Nothing leaves the machine. Exit
    code 0 only if every promise that it can see was kept.
    """
    quiet()
    sys.exit(asyncio.run(play(Console(), os.environ)))  # noqa: TID251  # the daemon's, which is a process of its own
