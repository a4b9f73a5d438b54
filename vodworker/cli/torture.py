"""`vodworker torture`: the promises, the hard way, on this machine."""

import asyncio
import os
import random
import sys
from pathlib import Path

import click
from rich.console import Console

from vodworker.torture import Course
from vodworker.torture import torture as play

STANDARD = Course()


@click.command(epilog="Example: vodworker torture --seconds 120 --seed 7")
@click.option(
    "--seconds",
    type=click.FloatRange(min=STANDARD.kill_every),
    default=STANDARD.seconds,
    show_default=True,
    help="How long uploads come; starts and the backlog come on top.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of kills, uploads and faults; any if it is not given.")
@click.option(
    "--keep",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the journal and the logs are left; else they vanish.",
)
def torture(*, seconds: float, seed: int | None, keep: Path | None) -> None:
    """Try to break the promises, on this machine.

    An emulator that misbehaves, and a daemon that is killed with SIGKILL again and again; then a verdict. Nothing
    leaves the machine. Exit code 0 only if it is clean.
    """
    course = Course(seconds=seconds, seed=random.SystemRandom().randrange(10**6) if seed is None else seed)
    environ = os.environ  # noqa: TID251  # the daemon's, which is a process of its own
    sys.exit(asyncio.run(play(Console(), environ, course, keep=keep.absolute() if keep else None)))
