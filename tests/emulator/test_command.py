"""The emulator as a process of its own: what it keeps, and what it says."""

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from click.testing import CliRunner

from tests.emulator.conftest import Caller
from vodworker.cli import cli
from vodworker.emulator import Emulator

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


@contextmanager
def running(*words: str) -> Generator[subprocess.Popen[str]]:
    """`vodworker emulator` on a free port, ended by SIGTERM when the block ends."""
    command = [sys.executable, "-m", "vodworker", "emulator", "--listen", "127.0.0.1:0", "--hold", "0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            assert 0 == process.wait(30)
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of its log."""
    assert process.stdout
    return dict(json.loads(process.stdout.readline()))


def caller(process: subprocess.Popen[str], http: aiohttp.ClientSession) -> Caller:
    """A client of the process, which must just have been started."""
    url = line(process)["endpoint"]
    there = SimpleNamespace(url=url, origin=url.removesuffix("/v2/index.php"))
    return Caller(cast("Emulator", there), http)  # the two addresses are all that a client needs


async def test_refusals_are_told_and_idle_polls_are_not() -> None:
    """A refused call is a line in the log, with its code and the reason; a poll that finds nothing is not."""
    with running() as process:
        async with aiohttp.ClientSession() as http:
            call = caller(process, http)
            assert 4000 == (await call("PullEvent"))["code"]
            await call("GetVideoInfo", fileId="1")
        said = line(process)

    assert ("emulator.refused", "GetVideoInfo", 10008) == (said["event"], said["action"], said["code"])
    assert "file 1 does not exist" in said["error"]


async def test_account_outlives_the_process(tmp_path: Path) -> None:
    """With --state the account is there again in the next process, at its address: files, bytes, classes, events."""
    state = str(tmp_path / "state.json")
    async with aiohttp.ClientSession() as http:
        with running("--state", state) as process:
            call = caller(process, http)
            file_id = await call.upload("a.mp4")
            await call.good("CreateClass", className="课堂")
        with running("--state", state) as process:
            call = caller(process, http)
            info = await call.good("GetVideoInfo", fileId=file_id)
            tree = await call.good("DescribeAllClass")
            [event] = await call.events(1)
            async with http.get(info["basicInfo"]["sourceVideoUrl"]) as response:
                assert b"bytes" == await response.read()

    assert info["basicInfo"]["sourceVideoUrl"].startswith(call.emulator.origin)  # another port than before
    assert ("a.mp4", "课堂") == (info["basicInfo"]["name"], tree["data"][0]["info"]["name"])
    assert ("NewFileUpload", file_id) == (event["eventType"], event["data"]["fileId"])


def test_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A state beside which no folder can be made stops the start, with what to do."""
    (tmp_path / "state.objects").touch()
    result = CliRunner().invoke(cli, ["emulator", "--listen", "127.0.0.1:0", "--state", str(tmp_path / "state")])

    assert 78 == result.exit_code
    assert "choose another place for the state" in result.stderr
