"""The object store's two interfaces; the vendor's own client of the XML one is the witness."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

from tests.emulator.conftest import Caller
from vodworker.emulator import Settings
from vodworker.emulator.pieces import Unfinished

MB = 1024 * 1024
SLICE = 65536


class Slices:
    """An object that is sent in slices by hand."""

    def __init__(self, call: Caller, session: dict[str, Any]) -> None:
        self.call = call
        self.place = session["video"]
        self.session = ""

    async def post(self, content: bytes | None = None, /, **fields: object) -> tuple[int, dict[str, Any]]:
        """Post a form; the store's code and data."""
        form = aiohttp.FormData({name: str(value) for name, value in fields.items()}, default_to_multipart=True)
        if content is not None:
            form.add_field("filecontent", BytesIO(content), filename="file")
        url = f"{self.call.emulator.origin}/files/v2/1/bucket{self.place['storagePath']}"
        headers = {"Authorization": self.place["storageSignature"]}
        async with self.call.http.post(url, data=form, headers=headers) as response:
            reply = await response.json()
            return reply["code"], reply.get("data", {})

    async def begin(self, size: int, slice_size: int = SLICE) -> None:
        """Open a session."""
        code, data = await self.post(op="upload_slice_init", filesize=size, slice_size=slice_size)
        assert 0 == code
        self.session = data["session"]

    async def put(self, offset: object, content: bytes) -> int:
        """Send a slice; the store's code."""
        return (await self.post(content, op="upload_slice_data", session=self.session, offset=offset))[0]

    async def finish(self, size: object) -> int:
        """End the session; the store's code."""
        return (await self.post(op="upload_slice_finish", session=self.session, filesize=size))[0]


@pytest.fixture
async def slices(call: Caller) -> Slices:
    """An object that was promised a place."""
    return Slices(call, await call.good("ApplyUpload", videoType="mp4"))


async def test_slices_become_one_object(call: Caller, slices: Slices) -> None:
    """Slices in any order, one of them sent twice, are one object when the session is finished."""
    whole = bytes(range(256)) * 600
    await slices.begin(len(whole))
    starts = range(0, len(whole), SLICE)
    assert 0 == await slices.put(SLICE, bytes(SLICE))
    assert [0, 0, 0] == [await slices.put(at, whole[at : at + SLICE]) for at in reversed(starts)]
    assert slices.place["storagePath"] not in call.emulator.service.storage

    assert 0 == await slices.finish(len(whole))
    assert len(whole) == call.emulator.service.storage[slices.place["storagePath"]].size
    async with call.http.get(f"{call.emulator.origin}{slices.place['storagePath']}") as response:
        assert whole == await response.read()


async def test_object_with_a_hole_is_refused(slices: Slices) -> None:
    """A session is not finished while a slice is missing, or with another size; then it can still be mended."""
    await slices.begin(2 * SLICE)
    await slices.put(SLICE, bytes(SLICE))
    refused = [await slices.finish(2 * SLICE)]
    await slices.put(0, bytes(SLICE))
    refused.append(await slices.finish(7))

    assert [-1, -1] == refused
    assert 0 == await slices.finish(2 * SLICE)


async def test_finished_session_is_gone(slices: Slices) -> None:
    """A session that is finished, and one that was never opened, are refused alike."""
    await slices.begin(3)
    await slices.put(0, b"abc")
    await slices.finish(3)

    assert [-4025, -4025] == [await slices.finish(3), await slices.put(0, b"abc")]


@pytest.mark.parametrize(
    "offset,content",
    [(1, b"x"), ("", b"x"), ("-1", b"x"), (SLICE, bytes(SLICE + 1))],
    ids=["odd", "no", "less", "long"],
)
async def test_slice_has_its_place_and_length(slices: Slices, offset: object, content: bytes) -> None:
    """A slice that begins elsewhere, or is longer than was said, is refused."""
    await slices.begin(2 * SLICE)

    assert -1 == await slices.put(offset, content)


@pytest.mark.parametrize("length", [0, 1000, 4 * MB, "many"])
async def test_slices_have_bounds(slices: Slices, length: object) -> None:
    """A slice is not shorter than 64 KB nor longer than 3 MB."""
    assert -1 == (await slices.post(op="upload_slice_init", filesize=9, slice_size=length))[0]


async def test_form_must_say_what_it_wants(slices: Slices) -> None:
    """A form without a known op, with op behind the bytes, or with a form in it is refused."""
    form = aiohttp.MultipartWriter("form-data")
    form.append("x").set_content_disposition("form-data", name="filecontent")
    form.append("upload").set_content_disposition("form-data", name="op")
    inner = aiohttp.MultipartWriter("form-data")
    inner.append(form)
    url = f"{slices.call.emulator.origin}/files/v2/1/bucket{slices.place['storagePath']}"
    headers = {"Authorization": slices.place["storageSignature"]}

    assert -1 == (await slices.post(op="move"))[0]
    for body in (form, inner):
        async with slices.call.http.post(url, data=body, headers=headers) as response:
            assert (400, -1) == (response.status, (await response.json())["code"])


# ---- XML


class Cos:
    """The vendor's client of the store, and a promised place in it."""

    def __init__(self, call: Caller, path: str, session: requests.Session) -> None:
        self.call = call
        self.path = path
        self.session = session

    def client(self, **keys: str) -> CosS3Client:
        """The client, with the account's keys or others."""
        host, port = self.call.emulator.origin.removeprefix("http://").split(":")
        account: dict[str, Any] = {"SecretId": "test-secret-id", "SecretKey": "test-secret-key", **keys}
        config = CosConfig(Region="ap-guangzhou", Scheme="http", IP=host, Port=port, **account)
        return CosS3Client(config, retry=0, session=self.session)

    async def ask(self, method: str, client: CosS3Client | None = None, **params: object) -> dict[str, Any]:
        """Let the client do something with the object, in a thread; what it makes of the reply."""
        params = {"Bucket": "bucket-1250000001", "Key": self.path, **params}
        return dict(await asyncio.to_thread(lambda: getattr(client or self.client(), method)(**params)) or {})

    async def refused(self, method: str, client: CosS3Client | None = None, **params: object) -> tuple[int, str]:
        """The same, when it is refused: the HTTP status and the code."""
        with pytest.raises(CosServiceError) as caught:
            await self.ask(method, client, **params)
        return caught.value.get_status_code(), caught.value.get_error_code()

    async def begin(self) -> str:
        """An upload in parts."""
        return str((await self.ask("create_multipart_upload"))["UploadId"])

    async def part(self, upload_id: str, number: int, body: bytes) -> dict[str, Any]:
        """Send a part; what completing needs of it."""
        sent = await self.ask("upload_part", UploadId=upload_id, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    @property
    def stored(self) -> int:
        """The object's length."""
        return self.call.emulator.service.storage[self.path].size


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """An emulator that signs for the JSON interface, but where the XML one is tested."""
    return Settings(hold=0.05, seed=1, speed=1000.0, signed_places="cos" not in request.fixturenames)


@pytest.fixture
async def cos(call: Caller) -> AsyncGenerator[Cos]:
    """The vendor's client."""
    session = await call.good("ApplyUpload", videoType="mp4")
    with requests.Session() as http:
        yield Cos(call, session["video"]["storagePath"], http)


async def test_new_replies_leave_signatures_out(call: Caller, cos: Cos) -> None:
    """Where the XML interface is wanted, ApplyUpload signs for nothing, and the JSON interface takes nothing."""
    session = await call.good("ApplyUpload", videoType="mp4", coverType="jpg")

    assert [{"storagePath"}] * 2 == [set(session[part]) for part in ("video", "cover")]
    assert 401 == await call.send(session, "video", b"bytes", signature="")


async def test_object_is_put_whole(cos: Cos) -> None:
    """An object in one request is there, with its MD5 as ETag."""
    reply = await cos.ask("put_object", Body=b"bytes")

    assert ('"4b3a6218bb3e3a7303e8a171a60fcf92"', 5) == (reply["ETag"], cos.stored)


async def test_object_is_put_in_parts(cos: Cos) -> None:
    """Parts in any order, one sent twice, are one object when they are completed."""
    upload_id = await cos.begin()
    last = await cos.part(upload_id, 7, b"end")
    await cos.part(upload_id, 2, b"not this")
    first = await cos.part(upload_id, 2, bytes(MB))
    reply = await cos.ask("complete_multipart_upload", UploadId=upload_id, MultipartUpload={"Part": [first, last]})

    assert (MB + 3, '-2"') == (cos.stored, reply["ETag"][-3:])
    assert (404, "NoSuchUpload") == await cos.refused("abort_multipart_upload", UploadId=upload_id)


async def test_aborted_upload_is_gone(cos: Cos) -> None:
    """An upload that was aborted takes no parts any more."""
    upload_id = await cos.begin()
    await cos.ask("abort_multipart_upload", UploadId=upload_id)

    assert (404, "NoSuchUpload") == await cos.refused("upload_part", UploadId=upload_id, PartNumber=1, Body=b"x")


def parts(first: dict[str, Any], second: dict[str, Any]) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Lists of parts that the store refuses, with the reason."""
    yield [second, first], "InvalidPart"
    yield [first, {"PartNumber": 3, "ETag": first["ETag"]}], "InvalidPart"
    yield [first, {**second, "ETag": '"other"'}], "InvalidPart"
    yield [first, second], "EntityTooSmall"
    yield [{"PartNumber": "one", "ETag": ""}], "MalformedXML"


async def test_parts_must_be_whole(cos: Cos) -> None:
    """An object is not made of parts in another order, that are not here, with other bytes, or too short."""
    upload_id = await cos.begin()
    first, second = [await cos.part(upload_id, number, b"short") for number in (1, 2)]
    wrong = [*parts(first, second)]

    assert [(400, code) for _, code in wrong] == [
        await cos.refused("complete_multipart_upload", UploadId=upload_id, MultipartUpload={"Part": list_})
        for list_, _ in wrong
    ]


@pytest.mark.parametrize("number", [0, 10_001, "first"])
async def test_parts_have_numbers(cos: Cos, number: object) -> None:
    """Parts are numbered from 1 to 10000."""
    upload_id = await cos.begin()

    refused = await cos.refused("upload_part", UploadId=upload_id, PartNumber=number, Body=b"x")

    assert (400, "InvalidArgument") == refused


async def test_part_has_a_length(cos: Cos) -> None:
    """A part whose length is not said beforehand is refused."""
    upload_id = await cos.begin()

    refused = await cos.refused("upload_part", UploadId=upload_id, PartNumber=1, Body=iter([b"x"]))

    assert (411, "MissingContentLength") == refused


async def test_only_promised_places_are_taken(cos: Cos) -> None:
    """An object that nobody applied for is refused, whoever sends it; what is not served is told so."""
    elsewhere = f"{cos.path.rpartition('/')[0]}/other.mp4"

    assert (403, "AccessDenied") == await cos.refused("put_object", Key=elsewhere, Body=b"x")
    assert (405, "MethodNotAllowed") == await cos.refused("delete_object")


async def test_store_checks_who_sends(cos: Cos) -> None:
    """A wrong key, an unknown one, and temporary credentials of nobody are refused."""
    wrong = [{"SecretKey": "test-other-key"}, {"SecretId": "test-other-id"}, {"Token": "test-token"}]

    assert [(403, "SignatureDoesNotMatch"), (403, "InvalidAccessKeyId"), (403, "InvalidAccessKeyId")] == [
        await cos.refused("put_object", cos.client(**keys), Body=b"x") for keys in wrong
    ]


async def test_signature_has_its_time(cos: Cos) -> None:
    """A signature of another time is refused, and so is a request without one."""
    url = f"{cos.call.emulator.origin}{cos.path}"
    old = "q-ak=test-secret-id&q-sign-time=1000000000;1000000600&q-key-time=1000000000;1000000600"
    async with cos.call.http.put(url, data=b"x", headers={"Authorization": old}) as response:
        assert (403, True) == (response.status, "RequestTimeTooSkewed" in await response.text())
    async with cos.call.http.put(url, data=b"x") as response:
        assert (403, True) == (response.status, "InvalidAccessKeyId" in await response.text())


def test_unfinished_objects_say_what_they_are(tmp_path: Path) -> None:
    """A repr tells the object and how much of it is there."""
    unfinished = Unfinished("/a.mp4", tmp_path)
    unfinished.close()

    assert "<Unfinished /a.mp4, 0 pieces>" == repr(unfinished)
