"""Uploads over the loopback, against the emulator."""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.store import WHOLE, object_url, origin
from vodworker.emulator import Emulator, Settings
from vodworker.errors import Denied, UploadError
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces

pytestmark = pytest.mark.timeout(60)  # tens of megabytes go through two servers, and the machine may be busy

PATH = "/v2/index.php"
AT_ONCE = -0.5  # a chance that makes every backoff 0
LONG = WHOLE + 12_345  # bytes: several slices or parts, the last of them short


Fault = Callable[["Line", web.Request], Awaitable[web.StreamResponse]]


def breaks(after: int) -> Fault:
    """The connection breaks when so many bytes of the body have come."""

    async def fault(line: Line, request: web.Request) -> web.StreamResponse:
        left = after
        while left > 0 and (chunk := await request.content.read(left)):
            left -= len(chunk)
        return line.broken(request)

    return fault


def answers(status: int, body: str) -> Fault:
    """Somebody else answers, and the store has seen nothing."""

    async def fault(line: Line, request: web.Request) -> web.StreamResponse:
        await request.content.read()
        return web.Response(status=status, text=body)

    return fault


def loses_the_reply() -> Fault:
    """The store does what it is asked, and nobody hears of it."""

    async def fault(line: Line, request: web.Request) -> web.StreamResponse:
        await line.forward(request)
        return line.broken(request)

    return fault


@dataclass
class Line:
    """The way to the emulator. What is sent to its store passes through the next of the faults, and then freely."""

    origin: str
    http: aiohttp.ClientSession
    faults: list[Fault | None] = field(default_factory=list[Fault | None])
    calls: int = 0

    async def carry(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and its reply back."""
        if request.method != "GET" and request.path != PATH:
            self.calls += 1
            if self.faults and (fault := self.faults.pop(0)):
                return await fault(self, request)
        return await self.forward(request)

    async def forward(self, request: web.Request) -> web.Response:
        """Let it pass."""
        url = URL(f"{self.origin}{request.raw_path}", encoded=True)
        async with self.http.request(request.method, url, headers=request.headers, data=request.content) as response:
            tag = {"ETag": response.headers["ETag"]} if "ETag" in response.headers else None
            return web.Response(body=await response.read(), status=response.status, headers=tag)

    def broken(self, request: web.Request) -> web.Response:
        """Break the connection of a request."""
        assert request.transport
        request.transport.abort()
        return web.Response()

    @staticmethod
    @asynccontextmanager
    async def opened(origin: str) -> AsyncGenerator[tuple["Line", str]]:
        """Listen until the block ends, at the endpoint that comes with it."""
        async with aiohttp.ClientSession(auto_decompress=False) as http:
            line = Line(origin, http)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", line.carry)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                yield line, f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
            finally:
                await runner.cleanup()


@dataclass(frozen=True)
class World:
    """An emulator, a client of it, and the line between them. parts: in how many requests a long file is sent."""

    emulator: Emulator
    vod: Vod
    line: Line
    endpoint: str
    parts: int

    async def fetch(self, url: str) -> bytes:
        """What a player gets from there."""
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            assert 200 == response.status
            return await response.read()


@pytest.fixture(params=["json", "xml"])
async def world(request: pytest.FixtureRequest) -> AsyncGenerator[World]:
    """An emulator that wants one interface of the store, and a client that does not wait between its tries."""
    wants_json = request.param == "json"
    # One thread, so that what is asked of another thread is answered when those before are done.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with (
        Emulator.serve(settings=Settings(hold=0.05, seed=1, speed=1000.0, signed_places=wants_json)) as emulator,
        Line.opened(emulator.origin) as (line, endpoint),
        client(endpoint) as vod,
    ):
        yield World(emulator, vod, line, endpoint, parts=7 if wants_json else 3)


only_json = pytest.mark.parametrize("world", ["json"], indirect=True)


@asynccontextmanager
async def client(endpoint: str, *, wrong: str = "") -> AsyncGenerator[Vod]:
    """A client with connections of its own."""
    async with (
        open_sqlite(":memory:") as store,
        Limiter(store, limit=lambda _: 100, hold=15.0) as limiter,
        aiohttp.ClientSession() as http,
    ):
        account = Account(endpoint, "test-secret-id", f"test-secret-key{wrong}")
        yield Vod(http, account, limiter=limiter, nonces=nonces(random.random).__next__, random=lambda: AT_ONCE)


Film = Callable[..., Path]


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Writes files whose bytes do not repeat, so that a part in the wrong place is seen."""

    def write(name: str = "lesson.mp4", size: int = 1_000_003) -> Path:
        path = tmp_path / name
        path.write_bytes(random.Random(size).randbytes(size))
        return path

    return write


def open_files() -> set[str]:
    """The files that this process has open; one that another thread closes meanwhile is not."""
    found: set[str] = set()
    for name in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(name.readlink()))
    return found


async def test_file_arrives_whole(world: World, film: Film) -> None:
    """An uploaded file is in the library under its name, byte for byte."""
    path = film()

    done = await world.vod.upload(path)

    assert "lesson" == world.emulator.state.files[done.file_id].name
    assert path.read_bytes() == await world.fetch(done.url)


async def test_cover_goes_beside_the_video(world: World, film: Film) -> None:
    """A cover is uploaded with its video, and fetched from its own address."""
    cover = film("front.jpg", 70_001)

    done = await world.vod.upload(film(), name="第一课", cover=cover)

    assert cover.read_bytes() == await world.fetch(done.cover_url or "")
    assert "第一课" == world.emulator.state.files[done.file_id].name


@pytest.mark.no_cover
async def test_long_file_arrives_in_parts(world: World, film: Film) -> None:
    """A file that is too long for one piece goes in parts, and is whole in the library."""
    path = film(size=LONG)

    done = await world.vod.upload(path)

    assert path.read_bytes() == await world.fetch(done.url)


@pytest.mark.no_cover
@only_json
@pytest.mark.parametrize("size", [WHOLE, WHOLE + 1])
async def test_limit_of_one_piece_is_exact(world: World, film: Film, size: int) -> None:
    """The longest file that goes whole, and the shortest that does not, both arrive."""
    done = await world.vod.upload(film(size=size))

    assert size == world.emulator.state.files[done.file_id].size


async def test_broken_line_is_mended(world: World, film: Film) -> None:
    """Parts whose connections break, or that somebody else answers, are sent again, and the file is whole."""
    path = film(size=LONG)
    world.line.faults = [None, breaks(0), breaks(1_000_000), answers(502, "<html>")]

    done = await world.vod.upload(path)

    assert (1 + world.parts + 1) + 3 == world.line.calls
    assert path.read_bytes() == await world.fetch(done.url)


async def test_lost_reply_to_the_end_is_no_failure(world: World, film: Film) -> None:
    """When the reply to the last request of a long file is lost, it is not taken for a failure that it was done."""
    path = film(size=LONG)
    world.line.faults = [*[None] * (1 + world.parts), loses_the_reply()]

    done = await world.vod.upload(path)

    assert LONG == world.emulator.state.files[done.file_id].size


REFUSED = {
    "json": '{"code": -1, "message": "no"}',
    "xml": "<Error><Code>Bad</Code><Message>no</Message><Resource>r</Resource><RequestId>1</RequestId></Error>",
}


@pytest.mark.parametrize("world", REFUSED, indirect=True)
@pytest.mark.parametrize("before", [0, 1, 1 + 7])
async def test_refusal_is_told(world: World, film: Film, before: int, request: pytest.FixtureRequest) -> None:
    """What the store refuses is not asked again; the error has its words, and nothing is committed."""
    body = REFUSED[request.node.callspec.params["world"]]
    world.line.faults = [*[None] * min(before, 1 + world.parts), answers(400, body)]

    with pytest.raises(UploadError, match=r"lesson\.mp4: send: .*: no; .*mend what is said") as caught:
        await world.vod.upload(film(size=LONG))

    assert not caught.value.retryable
    assert {} == world.emulator.state.files


@pytest.mark.parametrize("size", [1_000, LONG])
async def test_store_that_stays_away_is_told(world: World, film: Film, size: int) -> None:
    """When a part does not get through however often it is sent, the error says that later may be better."""
    world.line.faults = [None, *[answers(503, "busy")] * 100] if size == LONG else [answers(503, "busy")] * 100

    with pytest.raises(UploadError, match=r"lesson\.mp4: send: .*503.*upload it again later") as caught:
        await world.vod.upload(film(size=size))

    assert caught.value.retryable


@pytest.mark.parametrize("body", ['{"code": 0}', "<Result>x</Result>", ""])
async def test_strange_replies_are_told(world: World, film: Film, body: str) -> None:
    """A reply that says nothing of what was asked is told in the end, as something that may pass."""
    world.line.faults = [answers(200, body) for _ in range(5)]

    with pytest.raises(UploadError, match=r"lesson\.mp4: send: ") as caught:
        await world.vod.upload(film(size=LONG))

    assert caught.value.retryable


async def test_progress_ends_at_the_total(world: World, film: Film) -> None:
    """Progress starts from nothing, takes back what is sent again, and ends with every byte of both files."""
    world.line.faults = [breaks(600_000)]
    told: list[tuple[int, int]] = []

    await world.vod.upload(film(), cover=film("front.png", 5), progress=lambda sent, total: told.append((sent, total)))

    assert {1_000_008} == {total for _, total in told}
    assert 1_000_008 == told[-1][0]
    assert [True] == [second < first for (first, _), (second, _) in pairwise(told) if second < first]


@pytest.mark.parametrize("size", [1_000_003, LONG])
async def test_cancelled_upload_leaves_nothing(world: World, film: Film, size: int) -> None:
    """An upload that is cancelled midway leaves no open file, no task, and nothing in the library."""
    path, begun = film(size=size), asyncio.Event()
    before = asyncio.all_tasks()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(world.vod.upload(path, progress=lambda _sent, _total: begun.set()))
        await begun.wait()
        task.cancel()

    assert str(path) not in await asyncio.to_thread(open_files)
    assert not [task for task in asyncio.all_tasks() - before if "vodworker.cloud" in repr(task)]
    assert {} == world.emulator.state.files


@pytest.mark.no_cover
async def test_file_that_changes_is_told(world: World, film: Film) -> None:
    """A file that something writes to while it is read is not uploaded, and the error says why."""
    path = film(size=LONG)

    def write(_sent: int, _total: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(UploadError, match="changed while it was read") as caught:
        await world.vod.upload(path, progress=write)

    assert (str(path), "read", False) == (caught.value.file, caught.value.step, caught.value.retryable)
    assert {} == world.emulator.state.files


async def test_file_that_shrinks_is_told(world: World, film: Film) -> None:
    """A file that is cut while it is read is not uploaded, and the error says so at once."""
    path = film(size=LONG)

    with pytest.raises(UploadError, match="changed while it was read"):
        await world.vod.upload(path, progress=lambda _sent, _total: os.truncate(path, 10))


async def test_file_that_vanishes_is_uploaded(world: World, film: Film) -> None:
    """A file whose name is taken away while it is read is held to the end, and arrives whole."""
    path = film(size=LONG)
    content = path.read_bytes()

    done = await world.vod.upload(path, progress=lambda _sent, _total: path.unlink(missing_ok=True))

    assert content == await world.fetch(done.url)


@pytest.mark.parametrize(
    "name,words",
    [
        ("empty.mp4", "it is empty"),
        ("notes.txt", r"\.txt is no format that the service takes here; it takes 3g2, .*wmv"),
        ("noname", "it has no suffix"),
        ("folder.mp4", "it is not a file"),
        ("pipe.mp4", "it is not a file"),
        ("missing.mp4", "No such file or directory"),
    ],
)
async def test_bad_file_is_refused_before_the_network(tmp_path: Path, name: str, words: str) -> None:
    """What cannot be uploaded is told by its name before anything is sent."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "noname").write_text("x")
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")

    async with client(f"http://127.0.0.1:1{PATH}") as vod:
        with pytest.raises(UploadError, match=words) as caught:
            await vod.upload(tmp_path / name)

    assert (str(tmp_path / name), "read") == (caught.value.file, caught.value.step)


async def test_bad_cover_is_named(film: Film) -> None:
    """A cover that is no picture is told as such before anything is sent."""
    async with client(f"http://127.0.0.1:1{PATH}") as vod:
        with pytest.raises(UploadError, match=r"front\.mp4: read: \.mp4 is no format"):
            await vod.upload(film(), cover=film("front.mp4"))


async def test_wrong_keys_are_told_with_the_remedy(world: World, film: Film) -> None:
    """What the service refuses comes with its code, the step, and what to do; its class is kept as the cause."""
    async with client(world.endpoint, wrong="!") as vod:
        with pytest.raises(UploadError, match=r"lesson\.mp4: apply: .*4100.*check the account's keys") as caught:
            await vod.upload(film())

    assert isinstance(caught.value.__cause__, Denied)
    assert not caught.value.retryable


async def test_lost_session_is_told_with_the_remedy(world: World, film: Film) -> None:
    """What the service says of the end of an upload comes with its code, the step, and what to do."""

    async def forgets(line: Line, request: web.Request) -> web.StreamResponse:
        reply = await line.forward(request)
        world.emulator.state.uploads.clear()
        return reply

    world.line.faults = [forgets]

    with pytest.raises(UploadError, match=r"lesson\.mp4: commit: .*31001.*the session is over; upload it again"):
        await world.vod.upload(film())


def test_bytes_go_to_the_region_or_to_the_emulator() -> None:
    """The real store is one of the region's; beside an emulator on this machine it is the emulator."""
    assert "https://gzp.file.myqcloud.com" == origin("https://vod.api.qcloud.com/v2/index.php", region="gzp")
    assert "http://127.0.0.1:8792" == origin("http://127.0.0.1:8792/v2/index.php", region="gzp")
    assert "http://[::1]:8792" == origin("http://[::1]:8792/v2/index.php", region="gzp")
    assert "http://localhost:8792" == origin("http://localhost:8792/v2/index.php", region="gzp")


def test_object_has_its_address() -> None:
    """The address of an object is made of the account's number, the bucket and the path, however that is written."""
    expected = "https://h/files/v2/1250000001/b/f/%C3%A9%20%3F.mp4"

    assert expected == object_url("https://h", app_id="1250000001", bucket="b", path="/f/é ?.mp4")
    assert expected == object_url("https://h", app_id="1250000001", bucket="b", path="f/é ?.mp4")
