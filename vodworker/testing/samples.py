"""An event of every type, as the service would send it, to be changed as a test wants it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from vodworker.config import nearest
from vodworker.events import EVENTS, VERSION, Event, Unknown, decode
from vodworker.wire import dumps

E = TypeVar("E", bound=Event)

FILE, OTHER, TASK = "5285890780000000001", "5285890780000000002", "0123456789abcdef0123456789abcdef"
APP = 1250000001
MEDIA = f"http://{APP}.vod2.example/vod{APP}"
GOOD: Mapping[str, Any] = MappingProxyType({"status": 0, "message": ""})
MP4 = {"fileType": "mp4", **GOOD, "fileId": OTHER, "fileUrl": f"{MEDIA}/{OTHER}/f0.mp4"}
TRANSCODED = {
    "taskType": "Transcode",
    "status": "SUCCESS",
    "errCode": 0,
    "message": "",
    "input": {"definition": 210},
    "output": {"url": f"{MEDIA}/{FILE}/f210.m3u8", "size": 1048576, "container": "hls", "width": 320, "height": 240},
}
RISK = {"riskType": ["Porn"], "imgInfo": [{"riskType": ["Porn"], "url": f"{MEDIA}/{FILE}/1.png"}]}

SAMPLES: Mapping[str, Mapping[str, Any]] = {  # the data of each type's event
    "NewFileUpload": {
        "fileId": FILE,
        "fileName": "lesson",
        "fileUrl": f"{MEDIA}/{FILE}/f0.mp4",
        "coverUrl": "",
        "author": "",
        "sourceType": "ServerUpload",
        "sourceContext": "",
        "streamId": "",
    },
    "PullComplete": {**GOOD, "vodTaskId": f"pull-{TASK}", "fileId": FILE, "fileUrl": f"{MEDIA}/{FILE}/f0.mp4"},
    "TranscodeComplete": {
        **GOOD,
        "vodTaskId": f"transcode-{TASK}",
        "fileId": FILE,
        "fileName": "lesson",
        "duration": 60,
        "coverUrl": "",
        "playSet": [
            {
                "url": f"{MEDIA}/{FILE}/f{definition}.mp4",
                "definition": definition,
                "vbitrate": 512000,
                "vwidth": 640,
                "vheight": 480,
            }
            for definition in (0, 20)
        ],
    },
    "ConcatComplete": {"vodTaskId": f"concat-{TASK}", "fileInfo": [MP4]},
    "ClipComplete": {"vodTaskId": f"clipVideo-{TASK}", "srcFileId": FILE, "fileInfo": MP4},
    "CreateImageSpriteComplete": {
        **GOOD,
        "vodTaskId": f"CreateImageSprite-{TASK}",
        "fileId": FILE,
        "definition": 10,
        "totalCount": 100,
        "imageSpriteUrl": [f"{MEDIA}/{FILE}/sprite1.jpg"],
        "webVttUrl": f"{MEDIA}/{FILE}/sprite.vtt",
    },
    "CreateSnapshotByTimeOffsetComplete": {
        "vodTaskId": f"CreateSnapshotByTimeOffset-{TASK}",
        "fileId": FILE,
        "definition": 10,
        "picInfo": [{"status": 0, "timeOffset": 1000, "url": f"{MEDIA}/{FILE}/1000.jpg"}],
    },
    "ProcedureStateChanged": {
        "vodTaskId": f"{APP}-Procedure-{TASK}",
        "status": "FINISH",
        "errCode": 0,
        "message": "",
        "fileId": FILE,
        "metaData": {"size": 10485760, "container": "mp4", "duration": 60, "width": 640, "height": 480},
        "processTaskList": [TRANSCODED],
    },
    "FileDeleted": {**GOOD, "fileInfo": [{"fileId": FILE}]},
    "PorncheckComplete": {
        **GOOD,
        "vodTaskId": f"porncheck-{TASK}",
        "fileId": FILE,
        "pornImgUrl": [{"pic_time": "00:00:10", "pic_url": f"{MEDIA}/{FILE}/1.png"}],
    },
    "ApplyManualReview": {
        "vodTaskId": f"{APP}-Procedure-{TASK}",
        "fileId": FILE,
        "fileUrl": f"{MEDIA}/{FILE}/f0.mp4",
        "manualReviewTaskId": f"{APP}-Review-{TASK}",
        "aiReviewResult": RISK,
    },
    "Unknown": {"fileId": FILE},
}


def sample(kind: type[E], /, **changes: Any) -> E:
    """An event of this type with sensible values, as it comes off the queue: its work went well.

    changes: other values, by the names of the event's attributes; None leaves a field out. An `Unknown` is of the type
    "Unheard", and takes any field.
    """
    if kind.__name__ not in SAMPLES:
        raise TypeError(f"nothing is received as {kind.__name__}; there are {', '.join(SAMPLES)}")
    unheard = kind.__name__ == Unknown.__name__
    strange = [name for name in changes if name not in kind.model_fields]
    if strange and not unheard:
        meant = nearest(strange[0], kind.model_fields)
        raise TypeError(f"{kind.__name__} has no {strange[0]}{f'; did you mean {meant[0]}?' if meant else ''}")
    plain = kind.model_validate(SAMPLES[kind.__name__])
    kept = {name: getattr(plain, name) for name in plain.model_fields_set | {*(plain.model_extra or ())}}
    changed = kind(**{name: value for name, value in {**kept, **changes}.items() if value is not None})
    data = changed.model_dump(by_alias=True, exclude_none=True, exclude_unset=True, mode="json")
    name = "Unheard" if unheard else kind.__name__
    received = decode(dumps({"version": VERSION, "eventType": name, "data": data}))
    assert isinstance(received, kind)  # noqa: S101  # it was decoded as what it was made as
    return received


def samples() -> list[Event]:
    """An event of every type, and one of a type that nobody knows."""
    kinds: list[type[Event]] = [*EVENTS.values(), Unknown]
    return [sample(kind) for kind in kinds]
