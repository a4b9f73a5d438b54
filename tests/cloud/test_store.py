"""The two interfaces of the object store, and the parts that a file goes in."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.cloud.test_upload import client
from vodworker.api.upload import StoragePlace, UploadSession
from vodworker.cloud import cos
from vodworker.cloud.account import Account
from vodworker.cloud.carrier import AT_ONCE, RETRIES, Carrier
from vodworker.cloud.local import VIDEOS, LocalFile, local_file
from vodworker.cloud.store import PATIENCE, SLICE, Address, Key, Store, slicing
from vodworker.cloud.upload import target
from vodworker.errors import BadReply, InvalidCall, Unreachable, UploadError
from vodworker.testing import in_virtual_time

ACCOUNT = Account("https://vod.api.qcloud.com/v2/index.php", "test-secret-id", "test-secret-key")


@asynccontextmanager
async def serving(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    """A server that answers everything so; its address."""
    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFile]:
    """A file that is being uploaded."""
    path = tmp_path_factory.mktemp("films") / "lesson.mp4"
    path.write_bytes(bytes(range(256)) * 400)
    with local_file(path, types=VIDEOS) as file:
        yield file


@pytest.mark.no_cover
@given(st.integers(min_value=1, max_value=200_000))
def test_parts_are_the_file(film: LocalFile, length: int) -> None:
    """Parts of any length are numbered from 1, follow each other, and are together the file."""
    parts = film.parts(length)

    assert [*range(1, len(parts) + 1)] == [part.number for part in parts]
    assert [0, *(part.start + part.length for part in parts)] == [*(part.start for part in parts), film.size]
    assert {length} >= {part.length for part in parts[:-1]}
    assert 1 <= parts[-1].length <= length


def test_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What went wrong in a thread that read is kept, and told by who waits for it."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"bytes")
    with local_file(path, types=VIDEOS) as file:
        with pytest.raises(OSError, match="it ends early"):
            file.read(5, 1)
        with pytest.raises(UploadError, match=r"a\.mp4: read: it ends early; give a file that can be read"):
            file.check()


def test_parts_of_an_upload_say_what_they_are(film: LocalFile) -> None:
    """Each long-lived object tells in its repr what it is and how far it came."""
    carrier = Carrier(7, progress=None, random=float)

    assert "<Carrier 0 of 7 bytes sent>" == repr(carrier)
    assert f"<LocalFile {film.path}, {film.size} bytes>" == repr(film)


async def test_file_can_be_closed_while_it_is_read(tmp_path: Path) -> None:
    """A file that was closed is not read any more; nobody reads another's bytes through its descriptor."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"bytes")
    with local_file(path, types=VIDEOS) as file:
        read = file.read(1, 3)

    assert b"yte" == read
    with pytest.raises(OSError, match="it is closed"):
        file.read(0, 1)


SESSION = UploadSession(
    storage_bucket="b", storage_app_id="7", storage_region="gzp", storage_region_v5="ap-guangzhou", vod_session_key="k"
)


@pytest.mark.parametrize(
    "session,place,expected",
    [
        (
            SESSION,
            StoragePlace(storage_path="/b/f0.mp4", storage_signature="s"),
            Address("https://gzp.file.myqcloud.com/files/v2/7/b/b/f0.mp4", "s"),
        ),
        (SESSION, StoragePlace(storage_path="/b/f0.mp4"), Key("ap-guangzhou", "b-7", "/b/f0.mp4")),
        (
            SESSION.model_copy(update={"storage_region": None}),
            StoragePlace(storage_path="/b/f0.mp4", storage_signature="s"),
            Key("ap-guangzhou", "b-7", "/b/f0.mp4"),
        ),
    ],
)
def test_reply_says_where_and_how(session: UploadSession, place: StoragePlace, expected: Address | Key) -> None:
    """Bytes go by the JSON interface where the service signed for it, else by the XML one."""
    assert expected == target(session, place, ACCOUNT)


@pytest.mark.parametrize(
    "session,place",
    [
        (SESSION, None),
        (SESSION, StoragePlace()),
        (SESSION.model_copy(update={"storage_bucket": None}), StoragePlace(storage_path="/p", storage_signature="s")),
        (SESSION.model_copy(update={"storage_region_v5": None}), StoragePlace(storage_path="/p")),
    ],
)
def test_reply_without_a_place_is_bad(session: UploadSession, place: StoragePlace | None) -> None:
    """A reply that does not say where the bytes go is not guessed at."""
    with pytest.raises(BadReply, match="does not say where the bytes go"):
        target(session, place, ACCOUNT)


@pytest.mark.parametrize(
    "data,expected",
    [
        ({"session": "s", "slice_size": 1_048_576}, ({"session": "s"}, 1_048_576, AT_ONCE)),
        ({"session": "s", "slice_size": 1_048_576, "serial_upload": 1}, ({"session": "s"}, 1_048_576, 1)),
        ({"session": "s", "slice_size": "?"}, ({"session": "s"}, SLICE, AT_ONCE)),
        ({"session": "s"}, ({"session": "s"}, SLICE, AT_ONCE)),
    ],
)
def test_store_has_its_way_with_slices(data: dict[str, object], expected: tuple[dict[str, str], int, int]) -> None:
    """The store may want other slices than were asked for, or one after the other."""
    assert expected == slicing({"code": 0, "data": data})


def test_reply_without_a_session_is_bad() -> None:
    """A reply without a session is not guessed at."""
    with pytest.raises(BadReply, match="no session"):
        slicing({"code": 0, "data": {}})


async def test_keys_that_the_sdk_refuses_are_told(film: LocalFile) -> None:
    """What the vendor's SDK does not take is told before anything is sent."""
    account = Account(ACCOUNT.endpoint, "test-secret-id ", "test-secret-key")
    carrier = Carrier(film.size, progress=None, random=float)

    with pytest.raises(InvalidCall, match="spaces"):
        await cos.put(film, Key("ap-guangzhou", "b-7", "/p"), account=account, carrier=carrier)


@in_virtual_time
async def test_silent_line_is_given_up(film: LocalFile) -> None:
    """A store that says nothing more is given up after a minute, each time that it is tried."""

    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    carrier = Carrier(film.size, progress=None, random=lambda: -0.5)
    clock = asyncio.get_running_loop().time
    async with serving(silent) as url, aiohttp.ClientSession() as http:
        begun = clock()
        with pytest.raises(Unreachable, match="nothing moved for 60 s"):
            await Store(http, carrier).put(film, Address(url, "s"))
        took = clock() - begun

    assert pytest.approx((1 + RETRIES) * PATIENCE, abs=1) == took
    assert 0 == carrier.sent


async def test_end_without_a_file_id_is_bad(film: LocalFile) -> None:
    """A reply to the end of an upload that names no file is not taken for success."""
    place = {"storagePath": "/b/f0.mp4", "storageSignature": "s"}
    session = {"video": place, "storageBucket": "b", "storageAppId": "7", "storageRegion": "r", "vodSessionKey": "k"}

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"code": 0, **session})

    async with serving(answer) as url, client(f"{url}v2/index.php") as vod:
        with pytest.raises(UploadError, match="commit: CommitUpload: the reply has no fileId; upload it again later"):
            await vod.upload(film.path)
