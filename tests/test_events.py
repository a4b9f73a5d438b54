"""Events and what they hold, from the shapes that the service sends to those that it should not."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from vodworker.events import (
    EVENTS,
    ApplyManualReview,
    ClipComplete,
    ConcatComplete,
    CreateImageSpriteComplete,
    CreateSnapshotByTimeOffsetComplete,
    Event,
    FileDeleted,
    NewFileUpload,
    PorncheckComplete,
    ProcedureStateChanged,
    PullComplete,
    TaskComplete,
    TaskEvent,
    TranscodeComplete,
    Unknown,
    decode,
    peek,
)
from vodworker.media import (
    KINDS,
    AnimatedGraphicsTask,
    AudioStream,
    CoverBySnapshotTask,
    Detail,
    Drm,
    ImageSpritesTask,
    MetaData,
    Mosaic,
    OutputFile,
    PlayItem,
    PornImage,
    PullFileTask,
    Review,
    RiskImage,
    SampleSnapshotTask,
    Snapshot,
    SnapshotByTimeOffsetTask,
    SubTask,
    TranscodeInput,
    TranscodeTask,
    UnknownTask,
    VideoStream,
)
from vodworker.wire import dumps, loads

patient = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

MADE_OF: dict[str, Any] = {
    "size": 7340032,
    "container": "mp4",
    "bitrate": 912000,
    "height": 720,
    "width": 1280,
    "md5": "0cc175b9c0f1b6a831c399e269772661",
    "duration": 64.5,
    "videoStreamList": [{"bitrate": 864000, "height": 720, "width": 1280, "codec": "h265", "fps": 25}],
    "audioStreamList": [{"codec": "aac", "samplingRate": 48000, "bitrate": 48}],
}
DONE = {"status": "SUCCESS", "errCode": 0, "message": "SUCCESS"}

# The data of each type of event, in every shape that it is known to come in. All values are made up.
SAMPLES: list[tuple[str, dict[str, Any]]] = [
    (
        "NewFileUpload",
        {
            "fileId": "700000000000000001",
            "fileName": "Harbour at dawn",
            "fileUrl": "http://cdn.example/1/f0.mp4",
            "coverUrl": "http://cdn.example/1/cover.jpg",
            "author": "the crew",
            "sourceType": "Record",
            "sourceContext": "stream=harbour&part=3",
            "streamId": "harbour_3",
            "procedureTaskId": "1500000001-mango-00000000000000000000000000000001",
            "transcodeTaskId": "transcode-00000000000000000000000000000002",
            "porncheckTaskId": "porncheck-00000000000000000000000000000003",
        },
    ),
    (
        "NewFileUpload",
        {
            "fileId": "700000000000000002",
            "status": 0,
            "message": "",
            "duration": 12,
            "fileSize": 4096,
            "width": 640,
            "height": 360,
            "bitrate": 300000,
            "imageSpriteTaskId": "CreateImageSprite-04",
        },
    ),
    (
        "PullComplete",
        {
            "status": 0,
            "message": "",
            "vodTaskId": "pull-05",
            "fileId": "700000000000000003",
            "fileUrl": "http://cdn.example/3/f0.flv",
            "transcodeTaskId": "transcode-06",
            "porncheckTaskId": "porncheck-07",
        },
    ),
    ("PullComplete", {"status": -70003, "message": "gone", "vodTaskId": "pull-08"}),
    (
        "TranscodeComplete",
        {
            "status": 0,
            "message": "",
            "vodTaskId": "transcode-09",
            "fileId": "700000000000000004",
            "fileName": "Lock and weir",
            "duration": 318,
            "coverUrl": "http://cdn.example/4/cover.jpg",
            "playSet": [
                {"url": "http://cdn.example/4/f0.mp4", "definition": 0, "vbitrate": 1, "vheight": 2, "vwidth": 3},
                {"url": "http://cdn.example/4/f20.mp4", "definition": 20, "vbitrate": 4, "vheight": 5, "vwidth": 6},
            ],
        },
    ),
    (
        "TranscodeComplete",
        {"status": -43002, "message": "broken", "fileId": "700000000000000004", "vodTaskId": "transcode-10"},
    ),
    (
        "ConcatComplete",
        {
            "vodTaskId": "concat-11",
            "fileInfo": [
                {"fileType": "m3u8", "status": 4, "message": "no room"},
                {
                    "fileType": "mp4",
                    "status": 0,
                    "message": "",
                    "fileId": "700000000000000005",
                    "fileUrl": "http://cdn.example/5/f0.mp4",
                },
            ],
        },
    ),
    ("ConcatComplete", {"status": 0, "message": "", "vodTaskId": "concat-12", "fileInfo": [{"fileId": "5"}]}),
    ("ConcatComplete", {"message": "", "vodTaskId": "concat-13", "fileInfo": [{"status": -1, "message": "no"}]}),
    (
        "ClipComplete",
        {
            "vodTaskId": "clipVideo-14",
            "srcFileId": "700000000000000006",
            "fileInfo": {
                "fileType": "mp4",
                "status": 0,
                "message": "",
                "fileId": "700000000000000007",
                "fileUrl": "http://cdn.example/7/f0.mp4",
            },
        },
    ),
    (
        "ClipComplete",
        {
            "vodTaskId": "clipVideo-15",
            "srcFileId": "700000000000000006",
            "fileInfo": {"status": -46204, "message": "too short"},
        },
    ),
    (
        "CreateImageSpriteComplete",
        {
            "status": 0,
            "message": "",
            "vodTaskId": "CreateImageSprite-16",
            "fileId": "700000000000000008",
            "definition": 10,
            "totalCount": 40,
            "imageSpriteUrl": ["http://cdn.example/8/a.png", "http://cdn.example/8/b.png"],
            "webVttUrl": "http://cdn.example/8/c.vtt",
        },
    ),
    (
        "CreateImageSpriteComplete",
        {"status": -43001, "message": "no", "vodTaskId": "CreateImageSprite-17", "fileId": "700000000000000008"},
    ),
    (
        "CreateSnapshotByTimeOffsetComplete",
        {
            "vodTaskId": "CreateSnapshotByTimeOffset-18",
            "fileId": "700000000000000009",
            "definition": 10,
            "picInfo": [
                {"status": 0, "timeOffset": 1500, "url": "http://cdn.example/9/a.png"},
                {"status": -46204, "timeOffset": 9000000},
            ],
        },
    ),
    (
        "CreateSnapshotByTimeOffsetComplete",
        {
            "vodTaskId": "CreateSnapshotByTimeOffset-19",
            "fileId": "700000000000000009",
            "definition": 20,
            "picInfo": [{"status": -46204, "timeOffset": 9000000}],
        },
    ),
    (
        "ProcedureStateChanged",
        {
            "vodTaskId": "1500000001-Procedure-20",
            "status": "FINISH",
            "errCode": 1000,
            "message": "some left out",
            "fileId": "700000000000000010",
            "metaData": MADE_OF,
            "drm": {"definition": 10, "getKeyUrl": "https://keys.example/get", "keySource": "Own", "edkList": ["e1"]},
            "aiReview": {
                "definition": 1,
                "riskType": ["Terrorism"],
                "imgInfo": [{"url": "http://cdn.example/10/r.jpg", "riskType": ["Terrorism"]}],
            },
            "processTaskList": [
                {
                    "taskType": "Transcode",
                    **DONE,
                    "input": {
                        "definition": 30,
                        "watermark": 7,
                        "mosaicList": [{"width": "10%", "height": "20px", "left": "0px", "top": "5%"}],
                    },
                    "output": {"url": "http://cdn.example/10/f30.mp4", **MADE_OF},
                },
                {
                    "taskType": "Transcode",
                    "status": "FAIL",
                    "errCode": 30009,
                    "message": "source",
                    "input": {"definition": 40},
                },
                {
                    "taskType": "AnimatedGraphics",
                    **DONE,
                    "input": {"definition": 20000, "startTime": 1.5, "endTime": 4},
                    "output": {"url": "http://cdn.example/10/a.gif", "container": "gif", "height": 90, "width": 160},
                },
                {
                    "taskType": "SampleSnapshot",
                    **DONE,
                    "input": {"definition": 10, "watermarkDefinition": [7]},
                    "output": {"imageUrls": ["http://cdn.example/10/s1.png", "http://cdn.example/10/s2.png"]},
                },
                {
                    "taskType": "SnapshotByTimeOffset",
                    **DONE,
                    "input": {"definition": 10, "timeOffset": [250, 500], "watermarkDefinition": []},
                    "output": {"imgInfo": [{"timeOffset": 250, "url": "http://cdn.example/10/t.png"}]},
                },
                {
                    "taskType": "CoverBySnapshot",
                    **DONE,
                    "input": {"definition": 10, "positionType": "Time", "position": 3, "watermarkDefinition": [7]},
                    "output": {"imageUrl": "http://cdn.example/10/cover.png"},
                },
                {
                    "taskType": "CoverBySnapshot",
                    **DONE,
                    "input": {"definition": 10, "positionType": "Percent", "position": 50},
                    "output": {"imageUrl": ["http://cdn.example/10/cover2.png"]},
                },
                {
                    "taskType": "ImageSprites",
                    **DONE,
                    "input": {"definition": 10},
                    "output": {
                        "totalCount": 12,
                        "urlList": ["http://cdn.example/10/sheet.png"],
                        "webVttUrl": "http://cdn.example/10/sheet.vtt",
                    },
                },
                {
                    "taskType": "PullFile",
                    **DONE,
                    "input": {"url": "http://origin.example/in.mp4", "fileName": "in", "md5": "d41d8cd9"},
                    "output": {"fileId": "700000000000000010", "fileSize": 512, "url": "http://cdn.example/10/f0.mp4"},
                },
            ],
        },
    ),
    (
        "ProcedureStateChanged",
        {
            "vodTaskId": "1500000001-procedurev2-21",
            "status": "Processing",
            "errCode": 0,
            "message": "",
            "fileId": "700000000000000011",
            "contentReviewList": [{"taskType": "Porn", **DONE, "input": {}, "output": {}}],
            "aIAnalysisList": [{"taskType": "Tag", "status": "PROCESSING", "errCode": 0, "message": ""}],
            "processTaskList": [{"taskType": "Transcode", "status": "PROCESSING", "errCode": 0, "message": ""}],
        },
    ),
    ("FileDeleted", {"status": 0, "message": "", "fileInfo": [{"fileId": "700000000000000012"}]}),
    ("FileDeleted", {"status": -1, "message": "held", "fileInfo": [{"fileId": "13"}, {"fileId": "14"}]}),
    (
        "PorncheckComplete",
        {
            "status": 0,
            "message": "",
            "vodTaskId": "porncheck-22",
            "fileId": "700000000000000015",
            "pornImgUrl": [{"pic_time": "00:01:02", "pic_url": "http://cdn.example/15/p.png"}],
        },
    ),
    (
        "ApplyManualReview",
        {
            "fileId": "700000000000000016",
            "fileUrl": "http://cdn.example/16/f0.mp4",
            "vodTaskId": "1500000001-Procedure-23",
            "manualReviewTaskId": "1500000001-Procedure-23-24",
            "aiReviewResult": {
                "riskType": ["Porn,Terrorism"],
                "imgInfos": [{"riskType": ["Porn"], "url": "http://cdn.example/16/r.png"}],
            },
        },
    ),
]
NAMES = [f"{kind}{number}" for number, (kind, _) in enumerate(SAMPLES)]


def envelope(kind: str, data: object, version: object = "4.0") -> dict[str, Any]:
    """An event as the queue hands it out."""
    return {"version": version, "eventType": kind, "data": data}


def sample(kind: str, number: int = 0) -> Any:
    """A decoded sample: the one of this number among those of its type."""
    return decode(dumps(envelope(kind, [data for name, data in SAMPLES if name == kind][number])))


def unknown_fields(value: Any) -> list[str]:
    """Names, anywhere in a model, that no field stands for."""
    if isinstance(value, tuple):
        return [name for inner in value for name in unknown_fields(inner)]
    if not isinstance(value, BaseModel):
        return []
    inside = [name for field in type(value).model_fields for name in unknown_fields(getattr(value, field))]
    return [*(value.model_extra or {}), *inside]


@pytest.mark.parametrize("kind, data", SAMPLES, ids=NAMES)
def test_every_shape_is_read_into_typed_fields(kind: str, data: dict[str, Any]) -> None:
    """Each known shape decodes into its class, and every one of its fields has a place there."""
    body = dumps(envelope(kind, data))

    event = decode(body)

    assert (EVENTS[kind], kind, "4.0", body, data) == (type(event), event.type, event.version, event.raw, event.data)
    assert [] == unknown_fields(event)
    assert len(data) == len(event.model_fields_set)


def test_every_type_has_a_sample() -> None:
    """No type of event is without a shape in these tests."""
    assert set(EVENTS) == {kind for kind, _ in SAMPLES}


def test_event_is_known_by_the_name_of_its_class() -> None:
    """The table of events is that of the leaves of the family tree."""
    assert {kind.__name__: kind for kind in EVENTS.values()} == EVENTS
    assert not {Event, TaskEvent, TaskComplete, Unknown} & {*EVENTS.values()}


def test_upload() -> None:
    """A new file's fields are attributes."""
    event: NewFileUpload = sample("NewFileUpload")
    variant: NewFileUpload = sample("NewFileUpload", 1)

    assert ("700000000000000001", "Harbour at dawn", "Record") == (event.file_id, event.file_name, event.source_type)
    assert (4096, 12.0, None) == (variant.file_size, variant.duration, variant.file_name)


def test_pull() -> None:
    """A fetched file tells whether it came."""
    good: PullComplete = sample("PullComplete")
    bad: PullComplete = sample("PullComplete", 1)

    assert ("700000000000000003", False) == (good.file_id, good.failed)
    assert (-70003, True, "pull-08") == (bad.status, bad.failed, bad.key)


def test_transcoding() -> None:
    """A transcoding lists what can be played."""
    good: TranscodeComplete = sample("TranscodeComplete")
    bad: TranscodeComplete = sample("TranscodeComplete", 1)

    assert (
        PlayItem(url="http://cdn.example/4/f20.mp4", definition=20, vbitrate=4, vheight=5, vwidth=6) == good.play_set[1]
    )
    assert (False, 318.0) == (good.failed, good.duration)
    assert (True, ()) == (bad.failed, bad.play_set)


def test_concat_tells_made_files_from_failed_ones() -> None:
    """A joined file that failed beside one that was made does not spoil it; with none made the task failed."""
    mixed: ConcatComplete = sample("ConcatComplete")
    terse: ConcatComplete = sample("ConcatComplete", 1)
    bad: ConcatComplete = sample("ConcatComplete", 2)

    assert ["700000000000000005"] == [file.file_id for file in mixed.made]
    assert [True, False] == [file.failed for file in mixed.file_info]
    assert [False, False, True] == [mixed.failed, terse.failed, bad.failed]
    assert "concat-11" == mixed.key


def test_clip() -> None:
    """A clip names its source and has one file."""
    good: ClipComplete = sample("ClipComplete")
    bad: ClipComplete = sample("ClipComplete", 1)

    assert OutputFile(status=-46204, message="too short") == bad.file_info
    assert [False, True, True] == [good.failed, bad.failed, ClipComplete(src_file_id="1").failed]
    assert "700000000000000006" == good.key


def test_sprites() -> None:
    """Sheets of pictures are listed."""
    good: CreateImageSpriteComplete = sample("CreateImageSpriteComplete")
    bad: CreateImageSpriteComplete = sample("CreateImageSpriteComplete", 1)

    assert (40, ("http://cdn.example/8/a.png", "http://cdn.example/8/b.png")) == (
        good.total_count,
        good.image_sprite_url,
    )
    assert [False, True] == [good.failed, bad.failed]


def test_snapshots_succeed_each_on_their_own() -> None:
    """A picture that failed does not spoil the others; with none taken the task failed."""
    mixed: CreateSnapshotByTimeOffsetComplete = sample("CreateSnapshotByTimeOffsetComplete")
    bad: CreateSnapshotByTimeOffsetComplete = sample("CreateSnapshotByTimeOffsetComplete", 1)

    assert (Snapshot(status=0, time_offset=1500, url="http://cdn.example/9/a.png"),) == mixed.taken
    assert [False, True] == [mixed.failed, bad.failed]


def test_procedure() -> None:
    """A flow holds the file's making, its protection, its review, and each sub-task with its own kind and end."""
    event: ProcedureStateChanged = sample("ProcedureStateChanged")
    tasks = event.process_task_list

    assert event.finished
    assert (
        MetaData(
            size=7340032,
            container="mp4",
            bitrate=912000,
            height=720,
            width=1280,
            md5="0cc175b9c0f1b6a831c399e269772661",
            duration=64.5,
            video_stream_list=(VideoStream(bitrate=864000, height=720, width=1280, codec="h265", fps=25),),
            audio_stream_list=(AudioStream(codec="aac", sampling_rate=48000, bitrate=48),),
        )
        == event.meta_data
    )
    assert Drm(definition=10, get_key_url="https://keys.example/get", key_source="Own", edk_list=("e1",)) == event.drm
    image = RiskImage(url="http://cdn.example/10/r.jpg", risk_type=("Terrorism",))
    assert Review(definition=1, risk_type=("Terrorism",), img_info=(image,)) == event.ai_review
    assert [True, False, *[True] * 7] == [task.ok for task in tasks]
    assert [False, True, *[False] * 7] == [task.failed for task in tasks]
    match tasks:
        case (
            TranscodeTask(input=TranscodeInput() as asked, output=made),
            TranscodeTask(err_code=30009, output=None),
            AnimatedGraphicsTask(input=span, output=gif),
            SampleSnapshotTask(output=samples),
            SnapshotByTimeOffsetTask(input=moments, output=shots),
            CoverBySnapshotTask(output=cover),
            CoverBySnapshotTask(output=cover2),
            ImageSpritesTask(output=sheets),
            PullFileTask(output=pulled),
        ):
            pass
        case _:
            pytest.fail(f"not of their kinds: {tasks}")
    assert (30, 7, (Mosaic(width="10%", height="20px", left="0px", top="5%"),)) == (
        asked.definition,
        asked.watermark,
        asked.mosaic_list,
    )
    assert made
    assert ("http://cdn.example/10/f30.mp4", 720) == (made.url, made.height)
    assert span
    assert gif
    assert (1.5, 4.0, "gif") == (span.start_time, span.end_time, gif.container)
    assert samples
    assert ("http://cdn.example/10/s1.png", "http://cdn.example/10/s2.png") == samples.image_urls
    assert moments
    assert shots
    assert ((250, 500), 250) == (moments.time_offset, shots.img_info[0].time_offset)
    assert not shots.img_info[0].failed
    assert cover
    assert cover2
    assert ("http://cdn.example/10/cover.png",) == cover.image_url
    assert ("http://cdn.example/10/cover2.png",) == cover2.image_url
    assert sheets
    assert (12, "http://cdn.example/10/sheet.vtt") == (sheets.total_count, sheets.web_vtt_url)
    assert pulled
    assert (512, "700000000000000010") == (pulled.file_size, pulled.file_id)


def test_running_procedure() -> None:
    """A flow that goes on has not finished, and its running sub-tasks are neither good nor bad yet."""
    event: ProcedureStateChanged = sample("ProcedureStateChanged", 1)
    task = event.process_task_list[0]

    assert [False, False, False] == [event.finished, task.ok, task.failed]
    assert ["Porn"] == [review.task_type for review in event.content_review_list]
    assert ["Tag"] == [analysis.task_type for analysis in event.ai_analysis_list]


def test_deletion() -> None:
    """A deletion lists its files, and is keyed by the file when it is one."""
    one: FileDeleted = sample("FileDeleted")
    two: FileDeleted = sample("FileDeleted", 1)

    assert ("700000000000000012", False) == (one.key, one.failed)
    assert ("", True, ["13", "14"]) == (two.key, two.failed, [file.file_id for file in two.file_info])


def test_retired_events() -> None:
    """Events that the service no longer documents are read, too."""
    check: PorncheckComplete = sample("PorncheckComplete")
    review: ApplyManualReview = sample("ApplyManualReview")

    assert (PornImage(pic_time="00:01:02", pic_url="http://cdn.example/15/p.png"),) == check.porn_img_url
    assert review.ai_review_result
    assert (RiskImage(url="http://cdn.example/16/r.png", risk_type=("Porn",)),) == review.ai_review_result.img_infos


@pytest.mark.parametrize("version, expected", [("4.0", "4.0"), (4, "4"), (4.5, "4.5"), (None, ""), (True, "")])
def test_version_is_text(version: object, expected: str) -> None:
    """A version is read as text or as number."""
    assert expected == decode(dumps(envelope("NewFileUpload", {}, version))).version


def test_numbers_are_read_as_text_and_text_as_numbers() -> None:
    """An id that came as a number is text, a status that came as text is a number."""
    event = decode(b'{"eventType":"PullComplete","data":{"fileId":74,"status":"-1","vodTaskId":5,"message":6}}')

    assert PullComplete(file_id="74", status=-1, vod_task_id="5", message="6").data == event.model_dump(
        by_alias=True, exclude_none=True
    )
    assert "74" == event.key


def test_wrong_field_leaves_the_rest() -> None:
    """A field of the wrong kind is absent, at its own depth only, and its value is still in the data."""
    data = {
        "fileId": ["a"],
        "metaData": {"width": {}, "height": 2, "videoStreamList": [{"fps": "fast", "codec": "h264"}]},
        "drm": "none",
        "processTaskList": [{"taskType": "Transcode", "errCode": "x", "output": {"size": [], "url": "u"}}],
        "vodTaskId": "t",
    }

    event = decode(dumps(envelope("ProcedureStateChanged", data)))

    assert isinstance(event, ProcedureStateChanged)
    assert data == event.data
    assert (None, None, "t") == (event.file_id, event.drm, event.key)
    assert MetaData(height=2, video_stream_list=(VideoStream(codec="h264"),)) == event.meta_data
    task = event.process_task_list[0]
    assert isinstance(task, TranscodeTask)
    assert (None, "u") == (task.err_code, task.output and task.output.url)


def test_null_is_absent() -> None:
    """A null reads like nothing at all, for lists too."""
    event = decode(b'{"eventType":"TranscodeComplete","data":{"playSet":null,"fileId":null,"status":null}}')

    assert isinstance(event, TranscodeComplete)
    assert ((), None, False) == (event.play_set, event.file_id, event.failed)


def test_half_an_emoji_is_replaced_in_fields_and_kept_in_data() -> None:
    """Text that could be sent nowhere is mended in the fields, at every depth, and left as it came in the data."""
    said = rb'{"fileInfo":[{"message":"a\uD83D","status":4}],"m\ud83d":"\ud83d\ude00"}'
    body = b'{"eventType":"ConcatComplete","data":' + said + b"}"

    event = decode(body)

    assert isinstance(event, ConcatComplete)
    assert ("a\ufffd", 4) == (event.file_info[0].message, event.file_info[0].status)
    assert {"m\ufffd": "\U0001f600"} == event.model_extra
    assert {"fileInfo": [{"message": "a\ud83d", "status": 4}], "m\ud83d": "\U0001f600"} == event.data
    assert "a\ufffd" in event.model_dump_json()


def test_name_that_is_no_text_does_not_spoil_a_piece() -> None:
    """A name with half an emoji is left out, and the other fields are read."""
    assert MetaData(height=2) == MetaData.model_validate({"\ud83d": 1, "width": "wide", "height": 2})


def test_unknown_fields_are_kept() -> None:
    """A field that is not known here is in model_extra, even under a name that an event has for itself."""
    event = decode(b'{"eventType":"NewFileUpload","data":{"fileId":"7","type":"t","raw":"r","_envelope":1,"mood":[1]}}')

    assert {"type": "t", "raw": "r", "_envelope": 1, "mood": [1]} == event.model_extra
    assert "NewFileUpload" == event.type


def test_a_changed_copy_is_another_event() -> None:
    """A copy, with another file, of an event that was made here has another key and other bytes."""
    event = NewFileUpload(file_id="a")
    seen = hash(event)
    copy = event.model_copy(update={"file_id": "b"})

    assert ("b", False) == (copy.key, copy == event)
    assert seen == hash(event)


def test_only_what_was_said_is_gone_through() -> None:
    """Going through an event brings its fields, and nothing that is only ours."""
    event = decode(b'{"eventType":"NewFileUpload","data":{"fileId":"7","mood":1}}')

    assert {*NewFileUpload.model_fields, "mood"} == dict(event).keys()


def test_unknown_sub_task_is_kept() -> None:
    """Work of a kind that is not known here keeps what it said."""
    data = {"processTaskList": [{"taskType": "Dub", "output": {"voice": "x"}}, {"taskType": 7}, {}]}

    event = decode(dumps(envelope("ProcedureStateChanged", data)))

    assert isinstance(event, ProcedureStateChanged)
    assert ["Dub", "7", ""] == [task.task_type for task in event.process_task_list]
    dub = event.process_task_list[0]
    assert isinstance(dub, UnknownTask)
    assert dub.output
    assert {"voice": "x"} == dub.output.model_extra


@pytest.mark.parametrize(
    "body, kind, key",
    [
        (b'{"version":"4.0","eventType":"FaceFound","data":{"fileId":"9","x":1}}', "FaceFound", "9"),
        (b'{"eventType":"FaceFound","data":{"vodTaskId":"t"}}', "FaceFound", "t"),
        (b'{"eventType":"FaceFound","data":[1]}', "FaceFound", ""),
        (b'{"eventType":5}', "5", ""),
        (b'{"eventType":["NewFileUpload"]}', "", ""),
        (b'{"data":{"fileId":"9"}}', "", "9"),
        (b'{"eventType":"TaskEvent","data":{"fileId":"9"}}', "TaskEvent", "9"),
        (b"[]", "", ""),
        (b"null", "", ""),
        (b"not JSON \xff", "", ""),
        (b"[" * 100_000, "", ""),
        (b"", "", ""),
        (rb'{"eventType":"a\u0000\ud800b"}', r"a\x00\ud800b", ""),
    ],
)
def test_what_is_not_known_is_kept(body: bytes, kind: str, key: str) -> None:
    """What is no known event is Unknown, with its bytes, and its type and key where it has them."""
    event = decode(body)

    assert (Unknown, kind, key, body) == (type(event), event.type, event.key, event.raw)


@pytest.mark.parametrize("data", [None, [], "text", 1, {}])
def test_known_type_without_data_keeps_its_class(data: object) -> None:
    """A known type is that event even when its data cannot be read."""
    event = decode(dumps(envelope("ConcatComplete", data)))

    assert isinstance(event, ConcatComplete)
    assert ("ConcatComplete", "", {}, True) == (event.type, event.key, event.data, event.failed)


def test_endless_key_is_cut() -> None:
    """A key is never longer than a store can index."""
    assert 200 == len(decode(dumps(envelope("NewFileUpload", {"fileId": "7" * 5000}))).key)


def test_event_can_be_made() -> None:
    """An event made here is the one that would have been received."""
    event = NewFileUpload(file_id="1")

    assert b'{"data":{"fileId":"1"},"eventType":"NewFileUpload","version":"4.0"}' == event.raw
    assert ("NewFileUpload", "4.0", "1", {"fileId": "1"}) == (event.type, event.version, event.key, event.data)
    assert event == decode(event.raw)
    assert hash(event) == hash(decode(event.raw))
    assert event != NewFileUpload(file_id="2")
    assert event != "1"


def test_whole_procedure_can_be_made() -> None:
    """Sub-tasks made here come back as what they were."""
    event = ProcedureStateChanged(
        file_id="1",
        ai_analysis_list=(UnknownTask(task_type="Tag"),),
        process_task_list=(TranscodeTask(input=TranscodeInput(definition=30)), UnknownTask(task_type="Dub")),
    )

    again = decode(event.raw)

    assert isinstance(again, ProcedureStateChanged)
    assert event == again
    assert event.process_task_list == again.process_task_list
    assert event.ai_analysis_list == again.ai_analysis_list


def test_event_is_shown_by_what_was_said() -> None:
    """An event printed is its class and the fields that came with it, unknown ones too."""
    event = decode(b'{"eventType":"ClipComplete","data":{"fileInfo":{"status":4},"mood":1}}')

    assert "ClipComplete(file_info=OutputFile(status=4), mood=1)" == repr(event)


def test_events_are_frozen() -> None:
    """Nobody changes what happened."""
    event = NewFileUpload(file_id="1")

    with pytest.raises(ValidationError, match="frozen"):
        event.file_id = "2"  # type: ignore[misc]


def test_needed_field_is_still_needed() -> None:
    """Reading leniently does not invent what a piece cannot do without."""

    class Reel(Detail):
        number: int

    assert Reel(number=1) == Reel.model_validate({"number": 1})
    with pytest.raises(ValidationError, match="Field required"):
        Reel.model_validate({"number": "one"})
    with pytest.raises(ValidationError, match="valid dictionary"):
        Reel.model_validate([])


def test_kinds_of_sub_tasks_are_all_readable() -> None:
    """Each class of sub-task is chosen by the name that it carries."""
    tasks = [{"taskType": kind} for kind in KINDS]

    event = decode(dumps(envelope("ProcedureStateChanged", {"processTaskList": tasks})))

    assert isinstance(event, ProcedureStateChanged)
    assert list(KINDS.values()) == [type(task) for task in event.process_task_list]
    assert set(KINDS.values()) == set(SubTask.__subclasses__())


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**310) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
WORDS = sorted(
    {name for _, data in SAMPLES for name in data} | {"eventType", "version", "data", "_raw", "model_fields"}
)
LIKELY = st.dictionaries(st.sampled_from(WORDS), ANY | st.sampled_from(list(EVENTS)), max_size=8)


def check(body: bytes) -> Event:
    """Decode, and hold the result to all that is promised of any body."""
    event = decode(body)
    assert body == event.raw
    assert event.type.isprintable()
    assert event.key.isprintable()
    assert type(event) is EVENTS.get(event.type, Unknown)
    return event


@patient
@given(st.binary())
def test_any_bytes_are_an_event(body: bytes) -> None:
    """Arbitrary bytes are kept, and raise nothing."""
    check(body)


@pytest.mark.no_cover
@patient
@given(ANY | LIKELY | st.builds(envelope, st.sampled_from([*EVENTS, "New"]) | ANY, LIKELY | ANY, ANY))
def test_any_json_is_an_event(content: Any) -> None:
    """Arbitrary JSON is kept, raises nothing, and peek sees in it what decode does."""
    event = check(dumps(content))

    assert (event.type, event.key) == peek(loads(dumps(content)))[:2]


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value: its container and its name or number there."""
    pairs = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, place) for place, _ in pairs] + [spot for _, inner in pairs for spot in spots(inner)]


@pytest.mark.no_cover
@patient
@given(st.sampled_from(SAMPLES), st.data())
def test_mutated_events_keep_their_type(original: tuple[str, dict[str, Any]], chance: st.DataObject) -> None:
    """Whatever is changed in the data of an event, it stays that event and raises nothing."""
    kind, data = copy.deepcopy(original)
    for _ in range(chance.draw(st.integers(1, 3))):
        places = spots(data)
        if places:
            container, place = chance.draw(st.sampled_from(places))
            container[place] = chance.draw(ANY)

    event = check(dumps(envelope(kind, data)))

    assert (kind, dumps(data)) == (event.type, dumps(event.data))
    assert (event.type, event.key) == peek(envelope(kind, data))[:2]


def test_a_slip_in_a_name_fails_where_it_is_made() -> None:
    """An event made in Python has the fields of its class, by our names or the service's; what is decoded keeps all."""
    made: Any = NewFileUpload
    deleted: Any = FileDeleted
    unknown: Any = Unknown

    with pytest.raises(TypeError, match=r"^NewFileUpload has no field fileid; did you mean file_id\?$"):
        made(fileid="7")
    with pytest.raises(TypeError, match=r"^FileDeleted has no field x; it has status, message, file_info$"):
        deleted(x=1)
    assert made(file_id="7") == made(fileId="7")
    assert {"fileid": "7"} == decode(b'{"eventType":"NewFileUpload","data":{"fileid":"7"}}').model_extra
    assert {"fileid": "7"} == NewFileUpload.model_validate({"fileid": "7"}).model_extra
    assert {"any": 1} == unknown(any=1).model_extra
