"""Transcode templates: presets, the account's own, and what a video becomes by them."""

from typing import Any

import pytest

from tests.emulator.conftest import Caller
from tests.emulator.test_processing import processed
from tests.emulator.world import TEMPLATE


async def created(call: Caller, **own: object) -> int:
    """Add a template; its number."""
    return int((await call.good("CreateTranscodeTemplate", **{**TEMPLATE, **own}))["data"]["definition"])


def video(**own: object) -> dict[str, Any]:
    """The picture of a template."""
    return {"codec": "libx264", "fps": 24, "bitrate": 512, **own}


async def queried(call: Caller, definition: int) -> dict[str, Any]:
    """One template."""
    return dict((await call.good("QueryTranscodeTemplate", definition=definition))["data"])


async def test_template_is_told_as_it_was_asked_for(call: Caller) -> None:
    """A template of the account's own is told as it was asked for, with its number and times."""
    told = await queried(call, await created(call))

    assert TEMPLATE.items() <= told.items()
    assert (0, 0) == (told["onPremise"], told["status"])
    assert told["createTime"] == told["updateTime"] > 1_600_000_000


async def test_presets_are_told_in_the_same_way(call: Caller) -> None:
    """The service's presets are in the list before the account's own, each with its measures."""
    own = await created(call)
    listed = {one["definition"]: one for one in (await call.good("QueryTranscodeTemplateList"))["data"]}

    assert own == [*listed][-1]
    assert 12 * 3 + 2 + 1 == len(listed)  # sizes in three containers, two that only wrap anew, and ours
    assert ("mp4", 1, 640, 0, 512) == (
        listed[20]["container"],
        listed[20]["onPremise"],
        *(listed[20]["video"][name] for name in ("width", "height", "bitrate")),
    )
    assert ("hls", "libx265", 480) == (
        listed[620]["container"],
        *(listed[620]["video"][n] for n in ("codec", "height")),
    )
    assert listed[620] == await queried(call, 620)
    assert "video" not in listed[9]


async def test_change_keeps_what_it_does_not_say(call: Caller) -> None:
    """A change replaces what it says, inside of picture and sound too, and nothing else."""
    definition = await created(call)
    before = await queried(call, definition)
    await call.good(
        "UpdateTranscodeTemplate", definition=definition, name="b", video={"fps": -30}, audio={"sampleRate": 48000}
    )
    after = await queried(call, definition)

    assert {**before["video"], "fps": -30} == after["video"]
    assert {**before["audio"], "sampleRate": 48000} == after["audio"]
    assert ("b", before["comment"], before["createTime"]) == (after["name"], after["comment"], after["createTime"])


async def test_changed_template_is_held_to_the_rules(call: Caller) -> None:
    """A change whose result no new template might be is refused with the code of the rule, and changes nothing."""
    definition = await created(call, video=video(width=640, height=360), isFiltrateAudio=1)
    before = await queried(call, definition)
    replies = [
        await call("UpdateTranscodeTemplate", definition=definition, video={"width": 128}),
        await call("UpdateTranscodeTemplate", definition=definition, video={"codec": "libx265"}),
        await call("UpdateTranscodeTemplate", definition=definition, video={"fps": 0}),
    ]

    assert [10734, 10734, 10731] == [reply["code"] for reply in replies]
    assert before == await queried(call, definition)


async def test_account_has_sixteen_templates(call: Caller) -> None:
    """There is no seventeenth template until one is deleted; a preset, or one that is gone, cannot be deleted."""
    own = [await created(call) for _ in range(16)]
    codes = [(await call("CreateTranscodeTemplate", **TEMPLATE))["code"]]
    codes += [(await call("DeleteTranscodeTemplate", definition=one))["code"] for one in (10, own[0], own[0])]
    codes += [(await call("CreateTranscodeTemplate", **TEMPLATE))["code"]]

    assert [1000, 1000, 0, 1000, 0] == codes


@pytest.mark.parametrize(
    "picture, expected",
    [
        (video(), (1920, 1080, 512_000, 24)),
        (video(width=640), (640, 360, 512_000, 24)),
        (video(width=0, height=360), (640, 360, 512_000, 24)),
        (video(width=640, height=480), (640, 480, 512_000, 24)),
        (video(width=-4096, height=-720, bitrate=-4000, fps=-30), (1920, 720, 2_592_000, 25)),
        (video(width=-640, bitrate=-128, fps=-12.5), (640, 360, 128_000, 12.5)),
    ],
)
async def test_video_becomes_what_the_template_says(
    call: Caller, picture: dict[str, Any], expected: tuple[float, ...]
) -> None:
    """A template scales to one side or to both; below 0 a number is a ceiling that never raises the source."""
    definition = await created(call, container="flv", video=picture)
    data = await processed(call, await call.upload("film-1920x1080.mp4"), transcode={"definition": [definition]})
    output = data["processTaskList"][0]["output"]
    stream = output["videoStreamList"][0]

    assert ("flv", "h264") == (output["container"], stream["codec"])
    assert expected == tuple(stream[name] for name in ("width", "height", "bitrate", "fps"))


async def test_codec_is_the_templates(call: Caller) -> None:
    """H.265 is made by the presets for it, and by templates that ask for it."""
    own = await created(call, video=video(codec="libx265", width=320))
    data = await processed(call, await call.upload("a.mp4"), transcode={"definition": [own, 510, 10]})

    assert ["hevc", "hevc", "h264"] == [
        step["output"]["videoStreamList"][0]["codec"] for step in data["processTaskList"]
    ]
