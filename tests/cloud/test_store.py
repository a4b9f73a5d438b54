"""The two interfaces of the object store, and the parts that a file goes in."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from vodworker.api.upload import StoragePlace, UploadSession
from vodworker.cloud.account import Account
from vodworker.cloud.carrier import AT_ONCE, RETRIES, Carrier
from vodworker.cloud.local import VIDEOS, LocalFile, local_file
from vodworker.cloud.store import PATIENCE, SLICE, Address, Key, Store, slicing
from vodworker.cloud.upload import REMEDIES, Uploaded, target
from vodworker.errors import BadReply, Unreachable
from vodworker.testing import in_virtual_time

ACCOUNT = Account("https://vod.api.qcloud.com/v2/index.php", "test-secret-id", "test-secret-key")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFile]:
    """A file that is being uploaded."""
    path = tmp_path_factory.mktemp("films") / "lesson.mp4"
    path.write_bytes(bytes(range(256)) * 400)
    with local_file(path, types=VIDEOS) as file:
        yield file


@given(st.integers(min_value=1, max_value=200_000))
def test_parts_are_the_file(film: LocalFile, length: int) -> None:
    """Parts of any length are numbered from 1, follow each other, and are together the file."""
    parts = film.parts(length)

    assert [*range(1, len(parts) + 1)] == [part.number for part in parts]
    assert [0, *(part.start + part.length for part in parts)] == [*(part.start for part in parts), film.size]
    assert {length} >= {part.length for part in parts[:-1]}
    assert 1 <= parts[-1].length <= length


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


@in_virtual_time
async def test_silent_line_is_given_up(film: LocalFile) -> None:
    """A store that says nothing more is given up after a minute, each time that it is tried."""

    async def silent(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", silent)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    carrier = Carrier(film.size, progress=None, random=lambda: -0.5)
    clock = asyncio.get_running_loop().time
    try:
        async with aiohttp.ClientSession() as http:
            begun = clock()
            with pytest.raises(Unreachable, match="nothing moved for 60 s"):
                await Store(http, carrier).put(film, Address(f"http://127.0.0.1:{runner.addresses[0][1]}/", "s"))
            took = clock() - begun
    finally:
        await runner.cleanup()

    assert pytest.approx((1 + RETRIES) * PATIENCE, abs=1) == took
    assert 0 == carrier.sent


def test_remedies_are_sentences() -> None:
    """Every remedy tells what to do."""
    assert all("; upload it again" in remedy for remedy in REMEDIES.values())


def test_what_was_uploaded_says_where_it_is() -> None:
    """An upload without a cover has no address of one."""
    assert Uploaded("1", "u") == Uploaded("1", "u", None)
