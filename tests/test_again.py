"""`run --reload`: what is being written is run anew as soon as it is saved."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vodworker.cli import cli
from vodworker.cli.again import again
from vodworker.errors import ConfigError

# Calls the test, says who it is, and ends with 7 at a signal; or, being stubborn, calls again and ends at the second.
CHILD = """
import os, signal, socket, sys
left = int(sys.argv[2])
def tell():
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as call:
        call.sendall(b"%d\\n" % os.getpid())
def heard(*_):
    global left
    left -= 1
    if not left:
        os._exit(7)
    tell()
signal.signal(signal.SIGTERM, heard)
tell()
while True:
    signal.pause()
"""
Starts = asyncio.Queue[int]
Command = Callable[[int], list[str]]


@pytest.fixture
async def starts() -> AsyncIterator[tuple[Starts, Command]]:
    """The numbers of the processes that a command starts, as they come, and that command."""
    came = Starts()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(int(await reader.readline()))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield came, lambda left: [sys.executable, "-ISc", CHILD, str(port), str(left)]
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a handler."""
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "hear.py").touch()
    return tmp_path / "handlers"


def gone(process: int) -> bool:
    """Whether a process of ours has ended and was seen off."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.process
async def test_each_change_starts_it_again(
    folder: Path, starts: tuple[Starts, Command], capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler that is saved, or renamed into its place, and changed settings; nothing else. A signal ends it."""
    came, command = starts
    settings = folder.parent / "vodworker.toml"
    changes: list[Callable[[], Any]] = [
        lambda: (folder / "hear.py").write_text("# new"),
        lambda: (folder / "more.py").write_text("# more"),
        lambda: (folder / "hear.py~").rename(folder / "hear.py"),
        lambda: settings.write_text("[log]"),
    ]
    (folder / "hear.py~").write_text("# by way of another")
    settings.touch()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(again(command(1), [folder, folder.parent / "none"], [settings]))
        seen = [await came.get()]
        for change in changes:
            (folder / "notes.txt").write_text("does not count")
            change()
            seen.append(await came.get())
            assert gone(seen[-2])
        os.kill(os.getpid(), signal.SIGTERM)

    assert 7 == running.result()
    assert gone(seen[-1])
    names = [line.partition(" changed")[0] for line in capsys.readouterr().err.splitlines()]
    assert ["hear.py", "more.py", "hear.py", "vodworker.toml"] == names


@pytest.mark.process
async def test_what_does_not_end_is_cut(folder: Path, starts: tuple[Starts, Command]) -> None:
    """What has not ended soon gets a second signal; at the end the user's own second one is passed on."""
    came, command = starts
    async with asyncio.TaskGroup() as group:
        running = group.create_task(again(command(2), [folder], []))
        first = await came.get()
        (folder / "hear.py").write_text("# new")
        told, second = await came.get(), await came.get()
        os.kill(os.getpid(), signal.SIGINT)
        last = await came.get()
        os.kill(os.getpid(), signal.SIGINT)

    assert (first, second, 7) == (told, last, running.result())
    assert [True, True] == [gone(first), gone(second)]


def test_nothing_to_watch_is_told(tmp_path: Path) -> None:
    """Without a directory and without settings nothing could ever change."""
    with pytest.raises(ConfigError, match=f"--reload finds nothing to watch; make {tmp_path}/none"):
        asyncio.run(again(["true"], [tmp_path / "none"], []))


def test_missing_library_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the message says how to get it."""
    (folder.parent / "watchfiles.py").write_text("raise ModuleNotFoundError(\"No module named 'watchfiles'\")")
    monkeypatch.chdir(folder.parent)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "watchfiles", raising=False)
    result = CliRunner().invoke(cli, ["run", "--reload"])

    assert 78 == result.exit_code
    assert "(No module named 'watchfiles'); run: pip install 'vodworker[reload]'" in result.stderr
