"""What sub-tasks make of a file, one function for each type, and what that changes in the account."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace

from vodworker.emulator import library
from vodworker.emulator.calendar import day_of
from vodworker.emulator.footage import digest
from vodworker.emulator.presets import transcoded
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Made, Step, Template, Video


def make(service: Service, video: Video, step: Step) -> Json:
    """The output of a sub-task on a file. It replaces what the same template made before; a cover is the file's."""
    output = MAKES[step.type](video, step.input, service.state.transcode_templates)
    if step.type == "Transcode":
        _count(service, output)
    if video.id in service.state.files:  # what lies in a bucket of the user's own is none of the library's business
        made = Made(step.type, step.input["definition"], output)
        others = tuple(one for one in video.made if (one.type, one.definition) != (made.type, made.definition))
        cover = output["imageUrl"] if step.type == "CoverBySnapshot" else video.cover
        library.change(service, replace(video, made=(*others, made), cover=cover))
    return output


def encrypt(service: Service, video: Video, definition: int) -> None:
    """Give the outputs of a file a key, with a template for encryption; DescribeDrmDataKey tells it from then on."""
    edk = digest(video.id, "edk")
    service.state.keys[edk] = b64encode(bytes.fromhex(digest(edk, "dk"))).decode()
    drm = {
        "definition": definition,
        "getKeyUrl": f"{video.folder}/key",
        "encryptType": "SingleKey",
        "keySource": "VodBuildInKMS",
        "edkList": [edk],
    }
    library.change(service, replace(video, drm=drm))


def _count(service: Service, output: Json) -> None:
    """Note a transcoding for the statistics, which are of days, codecs and sizes."""
    day = day_of(service.clock.now())
    codec = {"hevc": "H.265"}.get(output["videoStreamList"][0]["codec"], "H.264")
    short = min(output["width"], output["height"])
    size = next((name for name, most in SIZES.items() if short <= most), "4K")
    name = f"{day}/{codec}/{size}"
    count, duration = service.state.transcoded.get(name, (0, 0.0))
    service.state.transcoded[name] = count + 1, duration + output["floatDuration"]


SIZES = {"SD": 480, "HD": 720, "FHD": 1080, "2K": 1440}  # of the shorter side at most, px

Own = Mapping[int, Template]


def _animated(video: Video, asked: Json, _: Own) -> Json:
    picture = video.footage
    return {
        "url": f"{video.folder}/f{asked['definition']}.gif",
        "container": "gif",
        "height": picture.height,
        "width": picture.width,
        "bitrate": picture.bitrate // 2,
        "size": picture.bitrate // 16,
        "md5": digest(video.md5, asked["definition"]),
        "startTime": asked.get("startTime", 0),
        "endTime": asked.get("endTime", int(picture.duration)),
    }


def _samples(video: Video, asked: Json, _: Own) -> Json:
    return {
        "imageUrls": [f"{video.folder}/shotup/{number}.jpg" for number in range(10)],  # preset 10: every 10 %
        "watermarkDefinition": asked.get("watermarkDefinition", []),
    }


def _snapshots(video: Video, asked: Json, _: Own) -> Json:
    return {
        "imgInfo": [
            {"timeOffset": offset, "url": f"{video.folder}/snapshot/{asked['definition']}_{offset}.jpg"}
            for offset in asked["timeOffset"]
            if offset <= video.footage.duration * 1000  # behind the end there is no picture
        ],
        "watermarkDefinition": asked.get("watermarkDefinition", []),
    }


def _cover(video: Video, asked: Json, _: Own) -> Json:
    return {"imageUrl": f"{video.folder}/cover/{asked['positionType']}_{asked['position']}.jpg"}


TILES = 100  # of a sprite, 10 × 10; one of each 10 s of the video
TILE_SECONDS = 10


def _sprites(video: Video, asked: Json, _: Own) -> Json:
    count = int(video.footage.duration // TILE_SECONDS) + 1
    name = f"{video.folder}/imageSprite/{asked['definition']}"
    return {
        "totalCount": count,
        "urlList": [f"{name}_{number}.jpg" for number in range(-(-count // TILES))],
        "webVttUrl": f"{name}.vtt",
    }


def _classified(_: Video, __: Json, ___: Own) -> Json:
    return {"classifications": [{"classification": "教育", "confidence": 97.5}]}


def _tagged(_: Video, __: Json, ___: Own) -> Json:
    return {"tags": [{"tag": "课堂", "confidence": 96.0}, {"tag": "黑板", "confidence": 88.5}]}


SUSPICIOUS = "porn-"  # a name with this in it is a source that a review finds something in


def _reviewed(video: Video, _: Json, __: Own) -> Json:
    if SUSPICIOUS not in video.name:
        return {"confidence": 1.5, "suggestion": "pass", "segments": list[Json]()}
    found = {"confidence": 98.0, "suggestion": "block"}
    end = min(10.0, video.footage.duration)
    url = f"{video.folder}/review/0.jpg"
    return found | {"segments": [{"startTimeOffset": 0.0, "endTimeOffset": end, **found, "url": url}]}


MAKES: Mapping[str, Callable[[Video, Json, Own], Json]] = {
    "Transcode": lambda video, asked, own: transcoded(video, asked["definition"], own),
    "AnimatedGraphics": _animated,
    "SampleSnapshot": _samples,
    "SnapshotByTimeOffset": _snapshots,
    "CoverBySnapshot": _cover,
    "ImageSprites": _sprites,
    "Classification": _classified,
    "Tag": _tagged,
    "Porn": _reviewed,
}
