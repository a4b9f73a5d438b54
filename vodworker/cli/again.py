"""For development: a command that is ended and started again whenever a file changes."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from vodworker.errors import ConfigError

SETTLED = 50  # milliseconds without a further change until one counts: an editor writes a file in several steps
QUICK = 0.2  # seconds for what runs to end by itself before it is cut: it is only being tried


async def again(command: Sequence[str], folders: Sequence[Path], files: Sequence[Path]) -> int:
    """Run a command until a signal, anew after each change of a Python file in these folders or of one of these files.

    Signals are passed on: after the first what runs has its grace, a second cuts it. Returns its exit code. Raises
    `ConfigError` where the library that watches is missing, or nothing is there to be watched.
    """
    try:
        from watchfiles import Change, awatch  # noqa: PLC0415  # an extra
    except ImportError as missing:
        raise ConfigError(
            [f"--reload needs what is not installed ({missing}); run: pip install 'vodworker[reload]'"]
        ) from missing
    code = {folder.resolve() for folder in folders if folder.is_dir()}
    settings = {file.resolve() for file in files}
    if not code | settings:
        raise ConfigError([f"--reload finds nothing to watch; make {', '.join(map(str, folders)) or 'a folder'}"])

    def counts(_change: Change, name: str) -> bool:
        path = Path(name)
        return path in settings or (path.suffix == ".py" and path.parent in code)

    stop = asyncio.Event()
    child = await start(command)
    places = {*code, *(file.parent for file in settings)}
    changes = awatch(*places, watch_filter=counts, stop_event=stop, step=SETTLED, recursive=False)
    with passing_on(stop, lambda: child):
        async for changed in changes:
            names = sorted({Path(name).name for _, name in changed})
            click.echo(f"{', '.join(names)} changed: starting again", err=True)
            await cut(child)
            if stop.is_set():
                break
            child = await start(command)
        ended = await child.wait()
    return ended if ended >= 0 else 128 - ended  # as a shell tells of a signal


async def start(command: Sequence[str]) -> Process:
    """Start the command; a terminal's Ctrl-C is not for it, but passed on."""
    return await asyncio.create_subprocess_exec(*command, start_new_session=True)


async def cut(child: Process) -> None:
    """End it: by a signal, and soon by a second one."""
    end(child)
    with suppress(TimeoutError):
        async with asyncio.timeout(QUICK):
            await child.wait()
    end(child)
    await child.wait()


def end(child: Process) -> None:
    """Ask it to end; it may have ended by itself."""
    with suppress(ProcessLookupError):
        child.terminate()


@contextmanager
def passing_on(stop: asyncio.Event, child: Callable[[], Process]) -> Generator[None]:
    """Pass the signals that come inside on to whoever is the child then; the first sets `stop`, too."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        stop.set()
        end(child())

    signals = (signal.SIGTERM, signal.SIGINT)
    for name in signals:
        loop.add_signal_handler(name, heard)
    try:
        yield
    finally:
        for name in signals:
            loop.remove_signal_handler(name)
