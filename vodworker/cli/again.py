"""For development: what is ended and started again whenever a file changes.

It runs in processes that are forked off one which has loaded all that does not change: loading takes a second or two,
forking some milliseconds.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import click

from vodworker.errors import ConfigError

FORKS = multiprocessing.get_context("forkserver")
SETTLED = 50  # milliseconds without a further change until one counts: an editor writes a file in several steps
QUICK = 0.2  # seconds for what runs to end by itself before it is cut: it is only being tried


async def again(
    target: Callable[[], None], folders: Sequence[Path], files: Sequence[Path], *, loaded: Sequence[str] = ()
) -> int:
    """Run the target until a signal, anew after each change of a Python file in these folders or of one of these files.

    Signals are passed on: after the first what runs has its grace, a second cuts it. Returns its exit code. loaded:
    modules that need not be loaded anew. target: can be pickled. Raises `ConfigError` where the library that watches is
    missing, or nothing is there to be watched.
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

    FORKS.set_forkserver_preload([*loaded])
    places = {*code, *(file.parent for file in settings)}
    stop = asyncio.Event()
    changes = awatch(*places, watch_filter=counts, stop_event=stop, step=SETTLED, recursive=False)
    child: ForkServerProcess | None = None
    async with asyncio.TaskGroup() as group:
        with passing_on(stop, lambda: child):
            change = group.create_task(anext(changes, None))  # whatever is saved from its first step on is noticed
            while not stop.is_set():
                child = await start(target)
                if stop.is_set():  # the signal came too early for it
                    child.terminate()
                if changed := await change:
                    change = group.create_task(anext(changes, None))
                    names = sorted({Path(name).name for _, name in changed})
                    click.echo(f"{', '.join(names)} changed: starting again", err=True)
                    await cut(child)
            if child:
                await wait(child)
    ended = (child and child.exitcode) or 0
    return ended if ended >= 0 else 128 - ended  # as a shell tells of a signal


async def start(target: Callable[[], None]) -> ForkServerProcess:
    """Start it, in a session of its own: a terminal's Ctrl-C is not for it, but passed on."""
    child = FORKS.Process(target=alone, args=(target,))
    await asyncio.to_thread(child.start)
    return child


def alone(target: Callable[[], None]) -> None:
    """Run it, away from the terminal's signals."""
    os.setsid()
    target()


async def wait(child: ForkServerProcess) -> None:
    """Wait until it has ended."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(child.sentinel, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(child.sentinel)
    child.join()


async def cut(child: ForkServerProcess) -> None:
    """End it: by a signal, and soon by a second one."""
    child.terminate()
    with suppress(TimeoutError):
        async with asyncio.timeout(QUICK):
            await wait(child)
    if child.is_alive():
        child.terminate()
        await wait(child)


@contextmanager
def passing_on(stop: asyncio.Event, child: Callable[[], ForkServerProcess | None]) -> Generator[None]:
    """Pass the signals that come inside on to whoever is the child then; the first sets `stop`, too."""
    loop = asyncio.get_running_loop()

    def heard() -> None:
        stop.set()
        if there := child():
            there.terminate()

    signals = (signal.SIGTERM, signal.SIGINT)
    for name in signals:
        loop.add_signal_handler(name, heard)
    try:
        yield
    finally:
        for name in signals:
            loop.remove_signal_handler(name)
