"""The promises of process_upload."""

from typing import Any

import pytest
from pydantic import ValidationError

from tests.handlers.conftest import Stage
from vodworker import Done, Reject
from vodworker.api import CoverBySnapshot, ProcessFile, Transcode
from vodworker.events import NewFileUpload

UPLOAD = NewFileUpload(file_id="f1", source_type="ServerUpload")


async def test_upload_is_transcoded(stage: Stage) -> None:
    """Without any option an upload is transcoded into the two preset HLS versions."""
    outcome = await stage.run("process_upload", UPLOAD)

    assert Done() == outcome
    assert [ProcessFile(file_id="f1", transcode=Transcode(definition=[210, 220]))] == stage.vod.calls
    assert [{"level": "info", "event": "upload.processing", "task_id": "task-1"}] == stage.told


async def test_options_say_what_is_made(stage: Stage) -> None:
    """Templates, watermark and cover are those of the options, in one task."""
    await stage.run("process_upload", UPLOAD, templates=[10, 20], watermark=1, cover=5)

    expected = ProcessFile(
        file_id="f1",
        transcode=Transcode(definition=[10, 20], watermark=1),
        cover_by_snapshot=CoverBySnapshot(definition=10, position_type="Percent", position=5),
    )
    assert [expected] == stage.vod.calls


async def test_upload_is_processed_once(stage: Stage) -> None:
    """Another try starts no second task, even when the options have changed in between."""
    await stage.run("process_upload", UPLOAD)
    await stage.run("process_upload", UPLOAD, attempt=2, templates=[10])

    assert 1 == len(stage.vod.calls)
    assert ["task-1", "task-1"] == [line["task_id"] for line in stage.told]


@pytest.mark.parametrize(
    "event,options",
    [
        (NewFileUpload(file_id="f1", procedure_task_id="p1"), {}),
        (NewFileUpload(file_id="f1", transcode_task_id="p1"), {}),
        (NewFileUpload(file_id="f1", source_type="Record"), {"sources": ["ServerUpload", "ClientUpload"]}),
        (NewFileUpload(file_id="f1"), {"sources": ["ServerUpload"]}),
    ],
)
async def test_upload_is_left_alone(stage: Stage, event: NewFileUpload, options: dict[str, Any]) -> None:
    """What has a procedure of its own, or comes from elsewhere than the options say, is not transcoded."""
    outcome = await stage.run("process_upload", event, **options)

    assert Done() == outcome
    assert [] == stage.vod.calls
    assert ["upload.skipped"] == [line["event"] for line in stage.told]


async def test_procedures_can_be_overruled(stage: Stage) -> None:
    """With skip_procedure off, what has a procedure of its own is transcoded too."""
    await stage.run("process_upload", NewFileUpload(file_id="f1", procedure_task_id="p1"), skip_procedure=False)

    assert 1 == len(stage.vod.calls)


@pytest.mark.parametrize(
    "event,why",
    [
        (NewFileUpload(), "an upload without a file: no message (status None)"),
        (NewFileUpload(file_id="f1", status=-1, message="broken"), "an upload without a file: broken (status -1)"),
    ],
)
async def test_failed_upload_is_rejected(stage: Stage, event: NewFileUpload, why: str) -> None:
    """An upload that has no file, or failed, is dead with what the service said."""
    outcome = await stage.run("process_upload", event)

    assert Reject(why) == outcome
    assert [] == stage.vod.calls


@pytest.mark.parametrize("options", [{"templates": []}, {"cover": 101}, {"template": [10]}])
async def test_wrong_option_is_told(stage: Stage, options: dict[str, Any]) -> None:
    """An option that makes no sense fails the run and names itself."""
    outcome = await stage.run("process_upload", UPLOAD, **options)

    assert isinstance(outcome, ValidationError)
    assert list(options) == [problem["loc"][0] for problem in outcome.errors()]
    assert [] == stage.vod.calls
