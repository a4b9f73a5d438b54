"""`vodworker upload`: what it prints, and how it ends."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vodworker.cli import cli
from vodworker.emulator import Emulator, Settings
from vodworker.emulator.state import Video

LONG = 64 * 1024 * 1024  # bytes: its slices are under way for a while
NO_SDK = "import sys; sys.modules['qcloud_cos'] = None; from vodworker.cli import main; main()"

Shell = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that commands run in, with something to upload."""
    for name, size in (("a.mp4", 300_000), ("b.mp4", 200_000), ("front.jpg", 1_000)):
        (tmp_path / name).write_bytes(bytes(size))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def emulator(folder: Path) -> AsyncGenerator[Emulator]:
    """The service, in the test's loop, and settings for it in the folder."""
    async with serving(folder) as emulator:
        yield emulator


@asynccontextmanager
async def serving(
    folder: Path, called: asyncio.Event | None = None, *, signed_places: bool = True
) -> AsyncGenerator[Emulator]:
    """The service, and settings for it. `called` is set when it has answered something."""
    called = called or asyncio.Event()
    settings = Settings(hold=0.0, signed_places=signed_places)
    async with Emulator.serve(settings=settings, watch=lambda _: called.set()) as emulator:
        (folder / "vodworker.toml").write_text(
            f'[account]\nendpoint = "{emulator.url}"\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
        )
        yield emulator


async def shell(*words: str) -> Result:
    """Run `vodworker upload` beside the emulator."""
    return await asyncio.to_thread(CliRunner().invoke, cli, ["upload", *words])


def files(emulator: Emulator) -> dict[str, Video]:
    """The files of the library, by name."""
    return {video.name: video for video in emulator.state.files.values()}


async def test_file_is_told_in_a_line(emulator: Emulator) -> None:
    """A file that was uploaded is a line of JSON: its file id, and where it and its cover are."""
    result = await shell("a.mp4", "--name", "Lesson 1", "--cover", "front.jpg")

    video = files(emulator)["Lesson 1"]
    told = {"file": "a.mp4", "fileId": video.id, "url": video.url, "coverUrl": video.cover}
    assert (0, "") == (result.exit_code, result.stderr)
    assert [told] == [json.loads(line) for line in result.stdout.splitlines()]


async def test_file_that_fails_does_not_keep_the_others(emulator: Emulator) -> None:
    """Of several files all that can be uploaded are; the others are told on both streams, and the exit code is 1."""
    result = await shell("a.mp4", "missing.mp4", "b.mp4", "front.jpg", "--parallel", "3")

    told = {line["file"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert 1 == result.exit_code
    assert {"a", "b"} == set(files(emulator))
    assert {"a.mp4", "b.mp4"} == {name for name, line in told.items() if "fileId" in line}
    assert ("read", "read") == (told["missing.mp4"]["step"], told["front.jpg"]["step"])
    assert sorted(line["error"] for line in told.values() if "error" in line) == sorted(result.stderr.splitlines())


async def test_bars_are_for_terminals(emulator: Emulator) -> None:
    """With bars, a line for a reader tells what came of a file; what failed is told once, on stderr."""
    result = await shell("a.mp4", "missing.mp4", "--bars")

    video = files(emulator)["a"]
    assert 1 == result.exit_code
    assert f"a.mp4: {video.id} {video.url}\n" in result.stdout
    assert "missing.mp4: read: No such file" not in result.stdout
    assert "missing.mp4: read: No such file" in result.stderr


async def test_procedure_is_started(emulator: Emulator) -> None:
    """The flow that is asked for starts with the upload; one that is not known is refused before the bytes."""
    good = await shell("a.mp4", "--procedure", "QCVB_SimpleProcessFile({210},0,10)")
    bad = await shell("b.mp4", "--procedure", "Mine(1)")

    assert (0, 1) == (good.exit_code, bad.exit_code)
    assert 1 == len(emulator.state.tasks)
    assert "\nb.mp4: apply: ApplyUpload: code 4000" in bad.stderr


@pytest.mark.parametrize(
    "words,expected",
    [
        ((), "Missing argument 'FILE...'"),
        (("a.mp4", "b.mp4", "--name", "x"), "--cover and --name are of one file"),
        (("a.mp4", "b.mp4", "--cover", "front.jpg"), "--cover and --name are of one file"),
        (("a.mp4", "--parallel", "0"), "Invalid value for '--parallel'"),
    ],
)
async def test_wrong_command_line_is_2(folder: Path, words: tuple[str, ...], expected: str) -> None:
    """What cannot be meant is told before anything is read or sent."""
    result = await shell(*words)

    assert 2 == result.exit_code
    assert expected in result.stderr


async def test_upload_needs_keys(folder: Path) -> None:
    """Without keys it says what is missing, with exit code 78."""
    result = await shell("a.mp4")

    assert 78 == result.exit_code
    assert "account.secret_id" in result.stderr


@pytest.mark.process
@pytest.mark.timeout(60)
async def test_extra_that_is_missing_is_named(folder: Path) -> None:
    """Where the store wants its XML interface and the vendor's SDK is not installed, the error names the extra."""
    async with serving(folder, signed_places=False):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", NO_SDK, "upload", "a.mp4"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        _, stderr = await process.communicate()

    expected = (
        "a.mp4: send: the store wants its XML interface, and qcloud_cos is not installed; install vodworker[upload]"
    )
    assert (1, expected) == (process.returncode, stderr.decode().strip())


@pytest.mark.process
@pytest.mark.timeout(60)
@pytest.mark.parametrize("signed_places", [True, False])
async def test_interrupt_ends_it_clean(folder: Path, *, signed_places: bool) -> None:
    """Ctrl-C ends an upload at once: no traceback, nothing in the library, a line for each file."""
    os.truncate(folder / "a.mp4", LONG)
    begun = asyncio.Event()
    async with serving(folder, begun, signed_places=signed_places) as emulator:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vodworker", "upload", "a.mp4", "--bars"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await begun.wait()
        process.send_signal(signal.SIGINT)
        _, stderr = await process.communicate()

        told = "a.mp4: interrupted before it was in the library; upload it again"
        assert (1, told) == (process.returncode, stderr.decode().strip())
        assert {} == emulator.state.files
