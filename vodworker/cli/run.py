"""`vodworker run`: the daemon."""

import asyncio
import gc
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from vodworker import app
from vodworker.cli import cli
from vodworker.cli.manners import read, read_what_can_be, with_config
from vodworker.config import Settings, find
from vodworker.log import bound, setup
from vodworker.printed import stdout_of_the_log
from vodworker.stop import Stop
from vodworker.watch import Systemd

YOUNG = 10_000  # objects that may be made before garbage is looked for: some dozens of events; Python's own 700 is one


@with_config
@click.command(epilog="Example: vodworker run --config /etc/vodworker/vodworker.toml --handlers ./handlers")
@click.option(
    "--handlers",
    metavar="DIR",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A directory with handler files, in place of handlers.directories; may be repeated.",
)
@click.option("--reload", is_flag=True, help="For development: start again when a handler or the settings change.")
def run(config: Path | None, handlers: Sequence[Path], *, reload: bool) -> None:
    """Handle events: the daemon.

    Pulls events, journals and confirms them, and runs the handlers, until SIGTERM or Ctrl-C; a second one ends it at
    once.
    """
    if reload:
        sys.exit(asyncio.run(reloaded(config, handlers)))
    settings = read(config, handlers=handlers)
    systemd = Systemd.of(os.environ)  # noqa: TID251  # what systemd itself has put there
    anew = partial(read, config, handlers=handlers)
    stop = Stop(settings.work.grace, told=systemd.stopping)
    gc.set_threshold(YOUNG)
    with stdout_of_the_log() as stream, bound(**name(settings)), stop.on_signals():
        setup(settings.log.format, settings.log.level, stream=stream)
        gc.freeze()  # what is loaded stays: to look through it for garbage would hold up the loop
        with asyncio.Runner(loop_factory=quickest_loop()) as runner:
            code = runner.run(app.run(settings, stop=stop, read=anew, systemd=systemd, stream=stream))
    sys.exit(code)


def quickest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the daemon's event loop: uvloop where it is installed, which is an extra; None is asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415  # an extra
    except ImportError:
        return None
    return uvloop.new_event_loop


async def reloaded(config: Path | None, handlers: Sequence[Path]) -> int:
    """Run the daemon in a process of its own, anew after each change."""
    from vodworker.cli.again import again  # noqa: PLC0415  # a daemon for good does not start processes

    settings = read_what_can_be(config).settings  # what is wrong the daemon tells, and mending it is a change
    file = find(config, os.environ)  # noqa: TID251  # where the settings are
    words = ["run", *(["--config", str(config)] if config else []), *(f"--handlers={folder}" for folder in handlers)]
    target = partial(command, words)
    return await again(target, handlers or settings.handlers.directories, [file] if file else [], loaded=[__name__])


def command(words: list[str]) -> None:
    """The command line, in a process of its own."""
    cli(words, prog_name="vodworker")


def name(settings: Settings) -> dict[str, str]:
    """What tells this daemon from others on the same journal; nothing where there are none."""
    return {} if settings.journal.file else {"replica": f"{socket.gethostname()}:{os.getpid()}"}
