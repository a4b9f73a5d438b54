"""`run --reload`: what is being written is run anew as soon as it is saved."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.stubborn import stubborn
from vodworker.cli import cli
from vodworker.cli.again import again
from vodworker.errors import ConfigError

LOADED = ("pytest", "vodworker.cli.again", "tests.stubborn")  # once, and not in each process
Starts = asyncio.Queue[int]
Target = Callable[[int], Callable[[], None]]


@pytest.fixture
async def starts() -> AsyncIterator[tuple[Starts, Target]]:
    """The numbers of the processes that are started, as they come, and what they run."""
    came = Starts()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(int(await reader.readline()))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield came, lambda left: partial(stubborn, port, left)
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
    folder: Path, starts: tuple[Starts, Target], capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler that is saved, or renamed into its place, and changed settings; nothing else. A signal ends it."""
    came, target = starts
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
        running = group.create_task(again(target(1), [folder, folder.parent / "none"], [settings], loaded=LOADED))
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
async def test_what_does_not_end_is_cut(folder: Path, starts: tuple[Starts, Target]) -> None:
    """What has not ended soon gets a second signal; at the end the user's own second one is passed on."""
    came, target = starts
    async with asyncio.TaskGroup() as group:
        running = group.create_task(again(target(2), [folder], [], loaded=LOADED))
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
        asyncio.run(again(print, [tmp_path / "none"], []))


def test_missing_library_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the message says how to get it."""
    (folder.parent / "watchfiles.py").write_text("raise ModuleNotFoundError(\"No module named 'watchfiles'\")")
    monkeypatch.chdir(folder.parent)
    monkeypatch.syspath_prepend(folder.parent)
    monkeypatch.delitem(sys.modules, "watchfiles", raising=False)
    result = CliRunner().invoke(cli, ["run", "--reload"])

    assert 78 == result.exit_code
    assert "(No module named 'watchfiles'); run: pip install 'vodworker[reload]'" in result.stderr


@pytest.mark.process
@pytest.mark.timeout(60)
async def test_the_daemon_is_what_runs(folder: Path) -> None:
    """It says what is wrong with its settings; a signal ends the watching, and it, where it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vodworker", "run", "--reload"), cwd=folder.parent, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    said = await process.stderr.readline()
    process.terminate()
    await process.communicate()

    assert b"account.secret_id is missing" in said
    assert process.returncode in {78, 128 + signal.SIGTERM}
