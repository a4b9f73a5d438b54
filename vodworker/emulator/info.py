"""What GetVideoInfo tells of a file, part by part. Pure."""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from vodworker.emulator.footage import metadata
from vodworker.emulator.state import Category, Json, Video

TILE = {"width": 142, "height": 80}  # px of a small picture in the preset sprite


def told(video: Video, classes: Mapping[int, Category]) -> Json:
    """Every part that there is something to tell of; what was never made of the file is not in it."""
    parts = {"basicInfo": _basic(video, classes)} | {name: part(video) for name, part in PARTS.items()}
    return {name: part for name, part in parts.items() if part}


def _basic(video: Video, classes: Mapping[int, Category]) -> Json:
    return {
        "name": video.name,
        "size": video.size,
        "duration": int(video.footage.duration),
        "description": video.description,
        "status": "normal",
        "createTime": int(video.created),
        "updateTime": int(video.updated),
        **({"expireTime": int(video.expires)} if video.expires else {}),
        "classificationId": video.class_id,
        "classificationName": classes[video.class_id].name,
        "playerId": 0,
        "coverUrl": video.cover,
        "type": video.container,
        "sourceVideoUrl": video.url,
    }


def _outputs(video: Video, kind: str, *, rename: Mapping[str, str] | None = None) -> list[Json]:
    """What sub-tasks of a kind made, each with its template, some names being others here than in events."""
    names = rename or {}
    return [
        {"definition": made.definition} | {names.get(name, name): value for name, value in made.output.items()}
        for made in video.made
        if made.type == kind
    ]


def _listed(name: str, kind: str, *, rename: Mapping[str, str] | None = None) -> Callable[[Video], Json | None]:
    def part(video: Video) -> Json | None:
        outputs = _outputs(video, kind, rename=rename)
        return {name: outputs} if outputs else None

    return part


def _transcoded(video: Video) -> Json | None:
    outputs = _outputs(video, "Transcode")
    source = {"url": video.url, "definition": 0, **metadata(video)}
    return {"idrAlignment": 0, "transcodeList": [source, *outputs]} if outputs else None


def _samples(video: Video) -> list[Json]:
    return [{"sampleType": "Percent", "interval": "10", **one} for one in _outputs(video, "SampleSnapshot")]


def _snapshots(video: Video) -> Json | None:
    lists = [
        {
            "definition": one["definition"],
            "picInfoList": [
                picture | {"watermarkDefinition": one["watermarkDefinition"]} for picture in one["imgInfo"]
            ],
        }
        for one in _outputs(video, "SnapshotByTimeOffset")
    ]
    return {"snapshotByTimeOffsetList": lists} if lists else None


def _sprites(video: Video) -> Json | None:
    outputs = _outputs(video, "ImageSprites", rename={"urlList": "imageUrls"})
    return {"imageSpriteList": [TILE | one for one in outputs]} if outputs else None


def _analysed(video: Video) -> Json | None:
    lists = {"classificationList": _outputs(video, "Classification"), "tagList": _outputs(video, "Tag")}
    return {name: outputs for name, outputs in lists.items() if outputs} or None


def _marks(video: Video) -> Json | None:
    marks = [{"timeOffset": mark.at, "content": quote(mark.words, safe="")} for mark in video.marks]
    return {"keyFrameDescList": marks} if marks else None


def _whole(video: Video) -> Json:
    return metadata(video) | {"rotate": 0, "totalSize": video.size}


PARTS: Mapping[str, Callable[[Video], Json | list[Json] | None]] = {
    "metaData": _whole,
    "drm": lambda video: video.drm,
    "transcodeInfo": _transcoded,
    "animatedGraphicsInfo": _listed("animatedGraphicsList", "AnimatedGraphics"),
    "sampleSnapshotInfo": _samples,
    "imageSpriteInfo": _sprites,
    "snapshotByTimeOffsetInfo": _snapshots,
    "keyFrameDescInfo": _marks,
    "aiAnalysisInfo": _analysed,
    "contentReviewInfo": _listed("pornList", "Porn"),
}
