"""Watermark templates: a place is given, a picture is put there, a template is made of it."""

from io import BytesIO

import pytest

from tests.emulator.conftest import Caller
from tests.emulator.world import put_picture
from vodworker.emulator import Emulator
from vodworker.emulator.serve_watermarks import LARGEST, Pictures


async def created(call: Caller, **own: object) -> int:
    """Make a template of a new picture; its number."""
    url = await put_picture(call)
    return int((await call.good("CreateWatermarkTemplate", **{"url": url, "width": "10%", **own}))["definition"])


async def test_picture_is_put_and_can_be_fetched(emulator: Emulator, call: Caller) -> None:
    """What is put to the address is there, without the address's signature too, and a second time replaces it."""
    url = await put_picture(call, b"first")
    async with call.http.put(url, data=b"second") as response:
        assert 200 == response.status
    async with call.http.get(url.partition("?")[0]) as response:
        assert b"second" == await response.read()
    assert "<Pictures, 1 promised>" == repr(Pictures(emulator.service))


async def test_only_what_was_promised_is_taken(call: Caller) -> None:
    """Without its signature, at another place, or too large, a picture is not taken; what is not there is 404."""
    url = str((await call.good("ApplyUploadWatermark", type="png"))["uploadUrl"])
    place = url.partition("?")[0]
    statuses = list[int]()
    for where, body in (
        (place, b"x"),
        (f"{place}?sign=guessed", b"x"),
        (url.replace(".png", ".jpg"), b"x"),
        (f"{place}x", b"x"),
        (url, BytesIO(bytes(LARGEST + 1))),
    ):
        async with call.http.put(where, data=body) as response:
            statuses.append(response.status)
    async with call.http.get(place) as response:
        statuses.append(response.status)

    assert [403, 403, 403, 403, 413, 404] == statuses


async def test_format_of_a_picture_is_a_word(call: Caller) -> None:
    """A format that is no ending of a file's name is refused."""
    assert 1000 == (await call("ApplyUploadWatermark", type="../png"))["code"]


async def test_template_needs_its_picture(call: Caller) -> None:
    """A template is made only of a picture that was put; the address may come without its signature."""
    url = str((await call.good("ApplyUploadWatermark", type="jpg"))["uploadUrl"])
    early = await call("CreateWatermarkTemplate", url=url, width="10%")
    async with call.http.put(url, data=b"picture"):
        pass

    assert 10801 == early["code"]
    assert 0 == (await call("CreateWatermarkTemplate", url=url, width="10%"))["code"]
    assert 0 == (await call("CreateWatermarkTemplate", url=url.partition("?")[0], width="10%"))["code"]


async def test_template_is_told_and_changed(call: Caller) -> None:
    """A template is told as it was asked for, with the defaults; a change replaces what it says."""
    definition = await created(call, name="mine", left="20px")
    before = await call.good("QueryWatermarkTemplate", definition=definition)
    url = await put_picture(call)
    await call.good("UpdateWatermarkTemplate", definition=definition, url=url)
    await call.good("UpdateWatermarkTemplate", definition=definition, width="5.5%")
    after = await call.good("QueryWatermarkTemplate", definition=definition)
    listed = (await call.good("QueryWatermarkTemplateList"))["watermarkList"]

    names = ("name", "type", "left", "top", "width", "height", "status", "comment")
    assert ("mine", "image", "20px", "0px", "10%", "0px", 0, "") == tuple(before[name] for name in names)
    assert ("mine", "20px", "5.5%", url) == tuple(after[name] for name in ("name", "left", "width", "url"))
    assert [after] == [{"code": 0, "message": "", "codeDesc": "Success", **one} for one in listed]


async def test_change_to_an_unknown_picture_is_refused(call: Caller) -> None:
    """A template keeps its picture when the new one was not put."""
    reply = await call("UpdateWatermarkTemplate", definition=await created(call), url="http://example.com/1.png")

    assert 10801 == reply["code"]


@pytest.mark.parametrize("action", ["DeleteWatermarkTemplate", "QueryWatermarkTemplate"])
async def test_deleted_template_is_gone(call: Caller, action: str) -> None:
    """A template that was deleted cannot be deleted again, nor asked for."""
    definition = await created(call)
    await call.good("DeleteWatermarkTemplate", definition=definition)

    assert {"DeleteWatermarkTemplate": 1000, "QueryWatermarkTemplate": 10704}[action] == (
        await call(action, definition=definition)
    )["code"]


async def test_account_has_sixteen_watermarks(call: Caller) -> None:
    """There is no seventeenth template: 10706."""
    url = await put_picture(call)
    codes = [(await call("CreateWatermarkTemplate", url=url, width="1%"))["code"] for _ in range(17)]

    assert [*([0] * 16), 10706] == codes
