"""Flows of several sub-tasks on one file: what each makes of it, and how the flow tells of itself."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from vodworker.api.processing import ProcessFile
from vodworker.emulator.footage import MASTER, PRESETS, digest, metadata, transcoded
from vodworker.emulator.kind import Kind, succeeded, trouble
from vodworker.emulator.refusal import PARAMETER, Refusal
from vodworker.emulator.service import Service
from vodworker.emulator.state import Json, Made, Step, Task, Video
from vodworker.media import FAIL, FINISH, SUCCESS

# --- what is asked for


def steps(call: ProcessFile) -> tuple[Step, ...]:
    """The sub-tasks that a call asks for, in the order of its parameters."""
    return tuple(_steps(call))


def _steps(call: ProcessFile) -> Iterator[Step]:
    asked = call.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    if call.transcode:
        more = {name: asked["transcode"][name] for name in ("watermark", "mosaicList") if name in asked["transcode"]}
        for definition in call.transcode.definition:
            yield Step("Transcode", {"definition": definition, **more})
        if call.transcode.hls_master_playlist and any(map(_is_hls, call.transcode.definition)):
            yield Step("Transcode", {"definition": MASTER, **more})
    for definition in call.animated_graphics.definition if call.animated_graphics else ():
        yield Step("AnimatedGraphics", {**asked["animatedGraphics"], "definition": definition})
    for parameter, kind in TYPES.items():
        if parameter in asked:
            yield Step(kind, asked[parameter])


def _is_hls(definition: int) -> bool:
    return definition in PRESETS and PRESETS[definition].container == "hls"


TYPES = {  # the sub-tasks of which a call asks one at most, by its parameter
    "sampleSnapshot": "SampleSnapshot",
    "coverBySnapshot": "CoverBySnapshot",
    "snapshotByTimeOffset": "SnapshotByTimeOffset",
    "imageSprite": "ImageSprites",
    "classificationAIAnalysis": "Classification",
    "tagAIAnalysis": "Tag",
    "pornReview": "Porn",
}


def preset_steps(procedure: str) -> tuple[Step, ...]:
    """The sub-tasks of a flow that the service has ready, by its name: `QCVB_SimpleProcessFile({210,220},1,10,10)`.

    What stands in the brackets (transcodings, watermark, cover, and samples or review; 0 for none) may be left out.
    """
    found = PROCEDURE.fullmatch(procedure)
    if not found:
        raise Refusal(PARAMETER, f"procedure {procedure!r} is not one of {', '.join(LAST)}")
    name, definitions, watermark, cover, last = found.groups()
    more = {"watermark": int(watermark)} if int(watermark or 0) else {}
    numbers = [int(number) for number in re.findall(r"\d+", "20" if definitions is None else definitions)]
    made = [Step("Transcode", {"definition": number, **more}) for number in numbers if number]
    if cover := int(cover or 10):
        made.append(Step("CoverBySnapshot", {"definition": cover, "positionType": "Percent", "position": 10}))
    if last := int(last or 10):
        made.append(Step(LAST[name], {"definition": last}))
    if not made:
        raise Refusal(PARAMETER, f"procedure {procedure!r} asks for nothing")
    return tuple(made)


LAST = {"QCVB_SimpleProcessFile": "SampleSnapshot", "QCVB_ProcessUGCFile": "Porn"}
PROCEDURE = re.compile(
    rf"({'|'.join(LAST)})"
    r"(?:\(\s*(\{[\d,\s]*\}|\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?\))?"
)

# --- what comes of it


def _work(service: Service, task: Task, step: Step) -> Step:
    if bad := trouble(service, task, step, task.file_id):
        return bad
    video = service.state.files[task.file_id]
    output = MAKES[step.type](video, step.input)
    made = Made(step.type, step.input["definition"], output)
    others = tuple(one for one in video.made if (one.type, one.definition) != (made.type, made.definition))
    cover = output["imageUrl"] if step.type == "CoverBySnapshot" else video.cover
    drm = _drm(video, task) if step.type == "Transcode" else video.drm
    service.state.files[video.id] = replace(
        video, made=(*others, made), cover=cover, drm=drm, updated=service.clock.now()
    )
    return succeeded(step, output)


def _drm(video: Video, task: Task) -> Json | None:
    definition = task.detail.get("drm")
    if definition is None:
        return video.drm
    return {
        "definition": definition,
        "getKeyUrl": f"{video.folder}/key",
        "encryptType": "SingleKey",
        "keySource": "VodBuildInKMS",
        "edkList": [digest(video.md5, "edk")[:8]],
    }


def _animated(video: Video, asked: Json) -> Json:
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


def _samples(video: Video, _: Json) -> Json:
    return {"imageUrls": [f"{video.folder}/shotup/{number}.jpg" for number in range(10)]}  # preset 10: every 10 %


def _snapshots(video: Video, asked: Json) -> Json:
    return {
        "imgInfo": [
            {"timeOffset": offset, "url": f"{video.folder}/snapshot/{asked['definition']}_{offset}.jpg"}
            for offset in asked["timeOffset"]
        ]
    }


def _cover(video: Video, asked: Json) -> Json:
    return {"imageUrl": f"{video.folder}/cover/{asked['positionType']}_{asked['position']}.jpg"}


TILES = 100  # of a sprite, 10 × 10; one of each 10 s of the video
TILE_SECONDS = 10


def _sprites(video: Video, asked: Json) -> Json:
    count = int(video.footage.duration // TILE_SECONDS) + 1
    name = f"{video.folder}/imageSprite/{asked['definition']}"
    return {
        "totalCount": count,
        "urlList": [f"{name}_{number}.jpg" for number in range(-(-count // TILES))],
        "webVttUrl": f"{name}.vtt",
    }


def _classified(_: Video, __: Json) -> Json:
    return {"classifications": [{"classification": "教育", "confidence": 97.5}]}


def _tagged(_: Video, __: Json) -> Json:
    return {"tags": [{"tag": "课堂", "confidence": 96.0}, {"tag": "黑板", "confidence": 88.5}]}


def _reviewed(_: Video, __: Json) -> Json:
    return {"confidence": 1.5, "suggestion": "pass", "segments": list[Json]()}


MAKES: Mapping[str, Callable[[Video, Json], Json]] = {
    "Transcode": lambda video, asked: transcoded(video, asked["definition"]),
    "AnimatedGraphics": _animated,
    "SampleSnapshot": _samples,
    "SnapshotByTimeOffset": _snapshots,
    "CoverBySnapshot": _cover,
    "ImageSprites": _sprites,
    "Classification": _classified,
    "Tag": _tagged,
    "Porn": _reviewed,
}

# --- how it is told


def _data(service: Service, task: Task) -> Json:
    video = service.state.files.get(task.file_id)
    data: Json = {
        "vodTaskId": task.id,
        "status": task.status,
        "message": "",
        "errCode": 0,  # of the flow: each sub-task says for itself how it ended
        "fileId": task.file_id,
    }
    if video:
        data["metaData"] = metadata(video)
    if video and video.drm and "drm" in task.detail and task.status == FINISH:
        data["drm"] = {name: value for name, value in video.drm.items() if name != "encryptType"}
    for step in task.steps:
        data.setdefault(LISTS.get(step.type, "processTaskList"), []).append(told(step))
    return data


LISTS = {"Classification": "aIAnalysisList", "Tag": "aIAnalysisList", "Porn": "contentReviewList"}


def told(step: Step) -> Json:
    """A sub-task as events tell of it; an output only when there is one."""
    entry: Json = {
        "taskType": step.type,
        "status": step.status,
        "errCode": step.code,
        "message": "SUCCESS" if step.status == SUCCESS else step.message if step.status == FAIL else "",
        "input": step.input,
    }
    return entry | ({"output": step.output} if step.output is not None else {})


KIND = Kind("ProcedureStateChanged", _work, _data)
