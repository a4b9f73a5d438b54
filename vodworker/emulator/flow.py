"""What a flow is asked to do: its sub-tasks, from the parameters of a call or from the name of a procedure. Pure."""

import re
from collections.abc import Iterator

from vodworker.api.procedures import ProcessCosMedia
from vodworker.api.processing import ProcessFile
from vodworker.emulator.presets import MASTER, PRESETS
from vodworker.emulator.refusal import PARAMETER, Refusal
from vodworker.emulator.state import Json, Step


def asked_steps(call: ProcessFile) -> tuple[Step, ...]:
    """The sub-tasks that a call asks for, in the order of its parameters."""
    return tuple(_asked(call)) or _nothing()


def _asked(call: ProcessFile) -> Iterator[Step]:
    asked = call.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
    if call.transcode:
        more = {name: asked["transcode"][name] for name in ("watermark", "mosaicList") if name in asked["transcode"]}
        for definition in call.transcode.definition:
            yield Step("Transcode", {"definition": definition, **more})
        if call.transcode.hls_master_playlist and any(map(_is_hls, call.transcode.definition)):
            yield Step("Transcode", {"definition": MASTER, **more})
    yield from _each("AnimatedGraphics", asked.get("animatedGraphics"))
    for parameter, kind in TYPES.items():
        if parameter in asked:
            yield Step(kind, asked[parameter])


def _nothing() -> tuple[Step, ...]:
    raise Refusal(PARAMETER, "no sub-task is asked for")


def _is_hls(definition: int) -> bool:
    return definition in PRESETS and PRESETS[definition].container == "hls"


def _each(kind: str, asked: Json | None) -> Iterator[Step]:
    """A sub-task for each of the templates that are asked for."""
    for definition in asked["definition"] if asked else ():
        yield Step(kind, {**(asked or {}), "definition": definition})


TYPES = {  # the sub-tasks of which a call asks one at most, by its parameter
    "sampleSnapshot": "SampleSnapshot",
    "coverBySnapshot": "CoverBySnapshot",
    "snapshotByTimeOffset": "SnapshotByTimeOffset",
    "imageSprite": "ImageSprites",
    "classificationAIAnalysis": "Classification",
    "tagAIAnalysis": "Tag",
    "pornReview": "Porn",
}


def bucket_steps(call: ProcessCosMedia) -> tuple[Step, ...]:
    """The sub-tasks on a file in a bucket that a call asks for."""
    return tuple(_on_bucket(call)) or _nothing()


def _on_bucket(call: ProcessCosMedia) -> Iterator[Step]:
    asked = call.model_dump(mode="json", by_alias=True, exclude_none=True)
    for parameter, kind in EACH.items():
        yield from _each(kind, asked.get("mediaProcess", {}).get(parameter))
    for group, parameter, kind in ONE:
        if parameter in asked.get(group, {}):
            yield Step(kind, asked[group][parameter])


EACH = {  # the sub-tasks with a list of templates, by their parameter in `mediaProcess`
    "transcode": "Transcode",
    "animatedGraphics": "AnimatedGraphics",
    "sampleSnapshot": "SampleSnapshot",
    "snapshotByTimeOffset": "SnapshotByTimeOffset",
    "imageSprite": "ImageSprites",
}
ONE = (
    ("aiAnalysis", "classification", "Classification"),
    ("aiAnalysis", "tag", "Tag"),
    ("contentReview", "porn", "Porn"),
)


def preset_steps(procedure: str, *, code: int = PARAMETER) -> tuple[Step, ...]:
    """The sub-tasks of a flow that the service has ready, by its name: `QCVB_SimpleProcessFile({210,220},1,10,10)`.

    What stands in the brackets (transcodings, watermark, cover, and samples or review; 0 for none) may be left out.
    code: of the refusal of a name that the service does not have, or that asks for nothing.
    """
    found = PROCEDURE.fullmatch(procedure)
    if not found:
        raise Refusal(code, f"procedure {procedure!r} is not one of {', '.join(LAST)}")
    name, definitions, watermark, cover, last = found.groups()
    more = {"watermark": int(watermark)} if int(watermark or 0) else {}
    numbers = [int(number) for number in re.findall(r"\d+", "20" if definitions is None else definitions)]
    made = [Step("Transcode", {"definition": number, **more}) for number in numbers if number]
    if cover := int(cover or 10):
        made.append(Step("CoverBySnapshot", {"definition": cover, "positionType": "Percent", "position": 10}))
    if last := int(last or 10):
        made.append(Step(LAST[name], {"definition": last}))
    if not made:
        raise Refusal(code, f"procedure {procedure!r} asks for nothing")
    return tuple(made)


LAST = {"QCVB_SimpleProcessFile": "SampleSnapshot", "QCVB_ProcessUGCFile": "Porn"}
PROCEDURE = re.compile(
    rf"({'|'.join(LAST)})"
    r"(?:\(\s*(\{[\d,\s]*\}|\d+)\s*(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?(?:,\s*(\d+)\s*)?\))?"
)
