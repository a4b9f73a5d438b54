"""The promises of publish_concat."""

from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.publish_concat import publish_concat
from vodworker import Done, Reject
from vodworker.api import CreateVodTags, ModifyVodInfo
from vodworker.codes import explain
from vodworker.errors import InvalidCall
from vodworker.events import ConcatComplete
from vodworker.testing import Recorder, run

MP4 = {"fileType": "mp4", "status": 0, "message": "", "fileId": "f1", "fileUrl": "http://host/f0.mp4"}
HLS = {"fileType": "m3u8", "status": 0, "message": "", "fileId": "f2", "fileUrl": "http://host/f0.m3u8"}
UNKNOWN = explain(4).cause
FAILED = {"fileType": "m3u8", "status": 4, "message": ""}


def joined(*files: dict[str, Any], **more: Any) -> ConcatComplete:
    """A join that made these files."""
    return ConcatComplete.model_validate({"vodTaskId": "Concat-1", "fileInfo": list(files), **more})


def test_joined_file_is_published() -> None:
    """The file gets the name, the class and the tags of the options."""
    ran = run(publish_concat, joined(MP4), options={"name": "best of {task}", "class_id": 12, "tags": ["joined"]})

    assert Done() == ran.outcome
    assert [
        ModifyVodInfo(file_id="f1", file_name="best of Concat-1", class_id=12),
        CreateVodTags(file_id="f1", tags=["joined"]),
    ] == ran.vod.calls
    assert [("concat.published", "f1")] == [(line["event"], line["file_id"]) for line in ran.told]


def test_name_can_tell_the_day() -> None:
    """{date} is the day on which the event is handled, in any form that dates have."""
    before = datetime.now(UTC).astimezone()
    ran = run(publish_concat, joined(MP4), options={"name": "{date} {date:%d.%m.%y}"})
    after = datetime.now(UTC).astimezone()

    names = [f"{day:%Y-%m-%d} {day:%d.%m.%y}" for day in (before, after)]
    assert [ran.vod.calls] in [[[ModifyVodInfo(file_id="f1", file_name=name)]] for name in names]


def test_each_output_is_published() -> None:
    """A join that made several files has each published under its own name."""
    ran = run(publish_concat, joined(HLS, MP4), options={"name": "{type}"})

    assert [
        ModifyVodInfo(file_id="f2", file_name="m3u8"),
        ModifyVodInfo(file_id="f1", file_name="mp4"),
    ] == ran.vod.calls


@pytest.mark.parametrize(
    "options,expected",
    [
        ({}, []),
        ({"class_id": 0}, [ModifyVodInfo(file_id="f1", class_id=0)]),
        ({"tags": ["a"]}, [CreateVodTags(file_id="f1", tags=["a"])]),
    ],
)
def test_only_what_is_given_is_set(options: dict[str, Any], expected: list[Any]) -> None:
    """What the options do not name stays as it is, without a call."""
    ran = run(publish_concat, joined(MP4), options=options)

    assert Done() == ran.outcome
    assert expected == ran.vod.calls


@pytest.mark.parametrize(
    "event,why",
    [
        (joined({**FAILED, "status": -47301}), f"m3u8: {explain(-47301).cause} (code -47301)"),
        (
            joined(FAILED, {**FAILED, "message": "sizes differ"}),
            f"m3u8: {UNKNOWN} (code 4); m3u8: sizes differ (code 4)",
        ),
        (joined({"fileType": "mp4", "status": 0}), f"mp4: {UNKNOWN} (code 0)"),
        (joined(), "nothing was made (code None)"),
        (joined(status=-47301, message="sizes differ"), "sizes differ (code -47301)"),
    ],
)
def test_failed_join_is_rejected(event: ConcatComplete, why: str) -> None:
    """A join that made nothing is dead with what the service said."""
    ran = run(publish_concat, event, options={"tags": ["joined"]})

    assert Reject(why) == ran.outcome
    assert [] == ran.vod.calls


def test_half_a_join_is_published_and_told() -> None:
    """What was made is published, although something else failed and the event is dead for it."""
    ran = run(publish_concat, joined(FAILED, MP4), options={"tags": ["joined"]})

    assert Reject(f"m3u8: {UNKNOWN} (code 4)") == ran.outcome
    assert [CreateVodTags(file_id="f1", tags=["joined"])] == ran.vod.calls


def test_wrong_options_are_told(vod: Recorder) -> None:
    """A tag that the service would not take, or a name with an unknown word, fails the run and names itself."""
    with pytest.raises(InvalidCall, match=r"tags\.0"):
        run(publish_concat, joined(MP4), vod=vod, options={"tags": ["much too long"]})
    with pytest.raises(KeyError, match="dat"):
        run(publish_concat, joined(MP4), vod=vod, options={"name": "{dat}"})

    assert [] == vod.calls
