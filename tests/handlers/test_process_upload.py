"""The promises of process_upload."""

from typing import Any

import pytest

from handlers.process_upload import process_upload
from vodworker import Done, Reject
from vodworker.api import CoverBySnapshot, ProcessFile, Transcode
from vodworker.errors import ConfigError
from vodworker.events import NewFileUpload
from vodworker.testing import Recorder, run

UPLOAD = NewFileUpload(file_id="f1", source_type="ServerUpload")


def test_upload_is_transcoded() -> None:
    """Without any option an upload is transcoded into the two preset HLS versions."""
    ran = run(process_upload, UPLOAD)

    assert Done() == ran.outcome
    assert [ProcessFile(file_id="f1", transcode=Transcode(definition=[210, 220]))] == ran.vod.calls
    assert [{"level": "info", "event": "upload.processing", "task_id": "task-1"}] == ran.told


def test_options_say_what_is_made() -> None:
    """Templates, watermark and cover are those of the options, in one task."""
    ran = run(process_upload, UPLOAD, options={"templates": [10, 20], "watermark": 1, "cover": 5})

    expected = ProcessFile(
        file_id="f1",
        transcode=Transcode(definition=[10, 20], watermark=1),
        cover_by_snapshot=CoverBySnapshot(definition=10, position_type="Percent", position=5),
    )
    assert [expected] == ran.vod.calls


def test_upload_is_processed_once(vod: Recorder) -> None:
    """Another try starts no second task, even when the options have changed in between."""
    first = run(process_upload, UPLOAD, vod=vod)
    later = run(process_upload, UPLOAD, vod=vod, attempt=2, options={"templates": [10]})

    assert 1 == len(vod.calls)
    assert first.told == later.told


@pytest.mark.parametrize(
    "event,options",
    [
        (NewFileUpload(file_id="f1", procedure_task_id="p1"), {}),
        (NewFileUpload(file_id="f1", transcode_task_id="p1"), {}),
        (NewFileUpload(file_id="f1", source_type="Record"), {"sources": ["ServerUpload", "ClientUpload"]}),
        (NewFileUpload(file_id="f1"), {"sources": ["ServerUpload"]}),
    ],
)
def test_upload_is_left_alone(event: NewFileUpload, options: dict[str, Any]) -> None:
    """What has a procedure of its own, or comes from elsewhere than the options say, is not transcoded."""
    ran = run(process_upload, event, options=options)

    assert Done() == ran.outcome
    assert [] == ran.vod.calls
    assert ["upload.skipped"] == [line["event"] for line in ran.told]


def test_procedures_can_be_overruled() -> None:
    """With skip_procedure off, what has a procedure of its own is transcoded too."""
    ran = run(process_upload, NewFileUpload(file_id="f1", procedure_task_id="p1"), options={"skip_procedure": False})

    assert 1 == len(ran.vod.calls)


@pytest.mark.parametrize(
    "event,why",
    [
        (NewFileUpload(), "an upload without a file: no message (status None)"),
        (NewFileUpload(file_id="f1", status=-1, message="broken"), "an upload without a file: broken (status -1)"),
    ],
)
def test_failed_upload_is_rejected(event: NewFileUpload, why: str) -> None:
    """An upload that has no file, or failed, is dead with what the service said."""
    ran = run(process_upload, event)

    assert Reject(why) == ran.outcome
    assert [] == ran.vod.calls


@pytest.mark.parametrize("options", [{"templates": []}, {"cover": 101}, {"template": [10]}])
def test_wrong_option_is_told(options: dict[str, Any], vod: Recorder) -> None:
    """An option that makes no sense stops the start and names itself."""
    with pytest.raises(ConfigError, match=rf"^handlers\.options\.process_upload\.{next(iter(options))} is "):
        run(process_upload, UPLOAD, vod=vod, options=options)

    assert [] == vod.calls
