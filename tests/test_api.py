"""The declarations of all actions: they are whole, agree with each other, and survive the wire."""

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from tests.parameters import built, wired
from vodworker import api, events
from vodworker.api import ACTIONS, Action, Reply
from vodworker.api.action import Group
from vodworker.api.bounds import code_for
from vodworker.api.describe import Parameter, parameters
from vodworker.api.pages import at
from vodworker.errors import InvalidCall
from vodworker.texts import documented
from vodworker.wire import flatten, unflatten

NAMES = sorted(ACTIONS)


def read(action: type[Action[Reply]], flat: dict[str, str]) -> Action[Reply]:
    """Parameters as a server reads them."""
    return action.model_validate(unflatten(flat))


# Walks over the table


def test_every_action_of_the_manual_is_there() -> None:
    """The families of the manual have all their actions."""
    family = Counter(action.__module__.rpartition(".")[2] for action in ACTIONS.values())

    assert {
        "upload": 3,
        "processing": 6,
        "procedures": 2,
        "video_info": 3,
        "files": 6,
        "classes": 5,
        "tasks": 5,
        "templates": 5,
        "watermarks": 6,
        "keys": 1,
        "statistics": 4,
        "cdn": 5,
        "retired": 5,
    } == family


def test_every_name_of_a_family_is_found_under_one() -> None:
    """Whatever a family declares can be had without naming the family; what none declares is missing."""
    declared = {name: thing for it in api.families() for name, thing in vars(it).items() if not name.startswith("_")}

    assert declared == {name: getattr(api, name) for name in declared}
    assert not hasattr(api, "ProcessFlie")


def test_everything_can_be_imported_at_once() -> None:
    """A star brings every action, and tools see them."""
    names: dict[str, object] = {}
    exec("from vodworker.api import *", names)  # noqa: S102  # what it brings is the question

    assert set() == {"ACTIONS", *ACTIONS} - names.keys()
    assert set() == {*ACTIONS} - {*dir(api)}
    assert f"<Table of {len(ACTIONS)} actions>" == repr(ACTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_documented(name: str) -> None:
    """Every action and every parameter, parts included, says what it is."""
    for group in groups(ACTIONS[name]):
        assert group.__doc__
        assert set(group.model_fields) == set(documented(group)), group


@pytest.mark.parametrize("name", NAMES)
def test_wire_names_are_the_services(name: str) -> None:
    """Names on the wire begin in lower case and have neither dots nor underscores, which mean something there."""
    for group in groups(ACTIONS[name]):
        for field in group.model_fields.values():
            assert re.fullmatch("[a-z][A-Za-z0-9]*", field.alias or "")


@pytest.mark.parametrize("name", NAMES)
def test_every_reply_may_lack_every_field(name: str) -> None:
    """The reply's class is known, and nothing in it is required."""
    reply = ACTIONS[name].reply

    assert issubclass(reply, Reply)
    assert 0 == reply.model_validate({"code": 0}).code


@pytest.mark.parametrize("name", NAMES)
def test_facts_of_an_action_agree(name: str) -> None:
    """The events, heirs, pages and other spellings that an action names exist, and what is repeatable costs nothing."""
    action = ACTIONS[name]

    assert action.starts_task is None or action.starts_task in events.EVENTS
    assert action.deprecated is None or action.deprecated in ACTIONS
    assert not action.starts_task or not action.safe or action is api.CommitUpload
    assert {"PullEvent", "ConfirmEvent"} >= {name} or action.rate == 100
    assert not set(action.aka) & ACTIONS.keys()
    assert all(code > 0 for code in action.errors)
    if action.pages:
        assert action.pages.takes in action.model_fields
        paths = [action.pages.items, *filter(None, [action.pages.gives, action.pages.total])]
        assert all(path.split(".")[0] in action.reply.model_fields for path in paths)


@pytest.mark.parametrize("name", NAMES)
def test_declared_code_is_documented_for_the_action(name: str) -> None:
    """A code that a bound carries is one of the action's own."""
    carried = {code.number for group in groups(ACTIONS[name]) for code in codes_in(group)}

    assert set() == carried - ACTIONS[name].errors


@pytest.mark.no_cover
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15)  # of each of the actions
@given(data=st.data())
def test_parameters_survive_the_wire(name: str, data: st.DataObject) -> None:
    """What a client sends is what a server reads."""
    action = ACTIONS[name]
    sent = data.draw(built(action))

    assert sent == read(action, wired(sent))


def test_names_do_not_hide_each_other() -> None:
    """Two families never give one name to two things: the package would show only one of them."""
    times = Counter(model.__name__ for model in models())

    assert [] == [name for name, count in times.items() if count > 1]


def groups(group: type[Group]) -> Iterator[type[Group]]:
    """A group of parameters and all those inside it."""
    yield group
    for field in group.model_fields.values():
        for inner in inside(field.annotation):
            if isinstance(inner, type) and issubclass(inner, Group):
                yield from groups(inner)


def inside(annotation: Any) -> Iterator[Any]:
    """Everything in an annotation."""
    yield annotation
    for inner in get_args(annotation):
        yield from inside(inner)


def codes_in(group: type[Group]) -> Iterator[Any]:
    """The codes that the parameters of a group carry."""
    for field in group.model_fields.values():
        for fact in [*field.metadata, *inside(field.annotation)]:
            if type(fact).__name__ == "Code":
                yield fact


def models() -> set[type[BaseModel]]:
    """Every model that a family of actions declares."""
    found = {BaseModel}
    while (more := reduce(operator.or_, ({*each.__subclasses__()} for each in found)) | found) != found:
        found = more
    return {each for each in found if each.__module__.startswith("vodworker.api.") and each.__name__.isidentifier()}


# Bounds


FILE = {"fileId": "1"}
VIDEO = {"codec": "libx264", "fps": "24", "bitrate": "512"}
AUDIO = {"codec": "libfdk_aac", "bitrate": "48", "sampleRate": "44100"}
TEMPLATE = {"container": "mp4", "video": VIDEO, "audio": AUDIO}
WATERMARK = {"type": "image", "url": "http://a/1.png", "width": "10%"}
DAYS = {"startDate": "2018-03-01", "endDate": "2018-03-02"}


def changed(tree: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A tree with one leaf replaced, or, for None, left out."""
    head, _, rest = path.partition(".")
    others = {name: inner for name, inner in tree.items() if name != head}
    if rest:
        return {**others, head: changed(tree.get(head, {}), rest, value)}
    return others if value is None else {**others, head: value}


@pytest.mark.parametrize(
    "action,good,path,value,code",
    [
        (api.CreateTranscodeTemplate, TEMPLATE, "container", "avi", 10730),
        (api.CreateTranscodeTemplate, TEMPLATE, "container", None, 10730),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.fps", "61", 10731),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.fps", "-0.5", 10731),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.codec", "vp9", 10732),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.bitrate", "127", 10733),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.bitrate", "-350001", 10733),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.width", "127", 10734),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.height", "123", 10734),
        (api.CreateTranscodeTemplate, changed(TEMPLATE, "video.width", "128"), "video.height", "129", 10734),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.codec", "libx265", 10734),
        (api.CreateTranscodeTemplate, changed(TEMPLATE, "video.width", "641"), "video.codec", "libx265", 10734),
        (api.CreateTranscodeTemplate, TEMPLATE, "isFiltrateVideo", "2", 10736),
        (api.CreateTranscodeTemplate, TEMPLATE, "isFiltrateAudio", "no way", 10737),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.minGop", "0", 10738),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.maxGop", "11", 10739),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.videoProfile", "low", 10740),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.colorSpace", "rgb", 10741),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.colorSpace", "yuv420p10le", 10741),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.deinterlaced", "2", 10742),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.videoRateControl", "2", 10743),
        (api.CreateTranscodeTemplate, TEMPLATE, "video.denoise.enable", "2", 10745),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.codec", "opus", 10754),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.sampleRate", "200", 10755),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.bitrate", "512", 10756),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.soundSystem", "3", 10757),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.audioResampler", "swr", 10758),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio.audioDownmixMode", "2", 10759),
        (api.CreateTranscodeTemplate, TEMPLATE, "name", "é" * 32, 1000),
        (api.CreateTranscodeTemplate, TEMPLATE, "comment", "x" * 256, 1000),
        (api.CreateTranscodeTemplate, TEMPLATE, "video", None, 4000),
        (api.CreateTranscodeTemplate, TEMPLATE, "audio", None, 4000),
        (api.UpdateTranscodeTemplate, {"definition": "1"}, "definition", "x", 10735),
        (api.UpdateTranscodeTemplate, {"definition": "1"}, "video.fps", "0", 10731),
        (api.CreateWatermarkTemplate, WATERMARK, "url", "", 10801),
        (api.CreateWatermarkTemplate, WATERMARK, "type", "text", 10802),
        (api.CreateWatermarkTemplate, WATERMARK, "left", "10", 10803),
        (api.CreateWatermarkTemplate, WATERMARK, "top", "px", 10804),
        (api.CreateWatermarkTemplate, WATERMARK, "width", "10 %", 10810),
        (api.CreateWatermarkTemplate, WATERMARK, "height", "-1px", 10811),
        (api.CreateWatermarkTemplate, WATERMARK, "name", "x" * 65, 1000),
        (api.UpdateWatermarkTemplate, {"definition": "1", "width": "10%"}, "definition", None, 10807),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "hosts", ["h"] * 21, 17011),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "hosts", [""], 17010),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "statType", "hits", 17012),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "startDate", "yesterday", 17013),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "endDate", "2018-02-30", 1000),
        (api.DescribeCdnStat, {**DAYS, "statType": "flux"}, "startDate", "86400", 17013),
        (api.DescribeCdnDetailStat, {**DAYS, "statType": "flux"}, "interval", "10", 1000),
        (api.DescribeCdnDetailStat, {**DAYS, "statType": "flux"}, "startDate", "", 17015),
        (api.DescribeCdnRegionIspDetailStat, {"date": "2018-03-01", "statType": "flux"}, "date", "x", 17015),
        (api.DescribeCdnRegionIspDetailStat, {"date": "2018-03-01", "statType": "flux"}, "hosts", ["h"] * 6, 17011),
        (api.GetCdnLogList, {"startTime": "1519833600", "endTime": "1519920000"}, "startTime", "now", 17013),
        (api.RunProcedure, {"inputType": "SingleFile", "file": {"id": "1"}, "procedure": "p"}, "procedure", "", 50007),
        (api.RunProcedure, {"inputType": "SingleFile", "file": {"id": "1"}, "procedure": "p"}, "file", None, 1000),
        (api.RunProcedure, {"inputType": "SingleFile", "file": {"id": "1"}, "procedure": "p"}, "inputType", "X", 1000),
        (api.CreateVodTags, {**FILE, "tags": ["a"]}, "tags", ["ninechars"], 1000),
        (api.CreateVodTags, {**FILE, "tags": ["a"]}, "tags", ["a b"], 1000),
        (api.CreateVodTags, {**FILE, "tags": ["a"]}, "tags", None, 4000),
        (api.CreateVodTags, {**FILE, "tags": ["a"]}, "colour", "red", 4000),
        (api.AddKeyFrameDesc, FILE, "keyFrameDesc", [{"timeOffset": "1", "content": "x"}] * 101, 1000),
        (api.AddKeyFrameDesc, FILE, "keyFrameDesc", [{"timeOffset": "1", "content": "字" * 342}], 1000),
        (api.AddKeyFrameDesc, FILE, "keyFrameDesc", [{"timeOffset": "-1", "content": "x"}], 1000),
        (api.MultiPullVodFile, {}, "pullset", [{"url": "http://a/1", "fileName": "1"}] * 51, 1000),
        (api.MultiPullVodFile, {}, "pullset", [{"url": "http://a/1"}], 4000),
        (api.ConcatVideo, {"name": "n", "dstType": ["mp4"]}, "srcFileList", [{"fileId": "1"}] * 501, 1000),
        (api.ConcatVideo, {"name": "n", "srcFileList": [FILE]}, "dstType", ["flv"], 1000),
        (api.GetTaskList, {"status": "FINISH"}, "maxCount", "9", 1000),
        (api.GetTaskList, {"status": "FINISH"}, "maxCount", "101", 1000),
        (api.GetTaskList, {"status": "FINISH"}, "status", "DONE", 1000),
        (api.DescribeDrmDataKey, {}, "edkList", ["k"] * 11, 1000),
        (api.ProcessFile, FILE, "priority", "11", 4000),
        (api.ProcessFile, FILE, "priority", "-11", 4000),
        (api.ProcessFile, FILE, "transcode.mosaicList", [{"width": "10"}], 4000),
        (api.ProcessFile, FILE, "tagAIAnalysis.definition", "11", 4000),
        (
            api.ProcessFile,
            FILE,
            "coverBySnapshot",
            {"definition": "10", "positionType": "Percent", "position": "101"},
            1000,
        ),
        (api.DescribeVodInfo, {}, "pageSize", "101", 1000),
        (api.DescribeVodInfo, {}, "status", "8", 1000),
        (api.ModifyVodInfo, FILE, "expireTimeStamp", "-2", 1000),
    ],
)
def test_broken_bound_has_the_services_code(
    action: type[Action[Reply]], good: dict[str, Any], path: str, value: object, code: int
) -> None:
    """A parameter beyond its bound is refused with the code that the manual has for it, and named."""
    with pytest.raises(ValidationError) as caught:
        read(action, flatten(changed(good, path, value)))

    assert code == code_for(action, caught.value)


@pytest.mark.parametrize(
    "make,told",
    [
        (
            lambda: api.ProcessFile(file_id="1", priority=11),
            "ProcessFile: priority: Input should be less than or equal to 10, not 11",
        ),
        (
            lambda: api.ProcessFile(file_id="1", priority=-11),
            "ProcessFile: priority: Input should be greater than or equal to -10, not -11",
        ),
        (
            lambda: api.Transcode(definition=[]),
            "Transcode: definition: Value should have at least 1 item after validation, not 0",
        ),
        (
            lambda: api.AddKeyFrameDesc(
                file_id="1", key_frame_desc=[api.NewKeyFrame(time_offset=1, content="x")] * 101
            ),
            "AddKeyFrameDesc: key_frame_desc: Value should have at most 100 items after validation, not 101",
        ),
        (
            lambda: api.NewKeyFrame(time_offset=1, content="字" * 342),
            "NewKeyFrame: content: Text should have at most 1024 bytes, it has 1026",
        ),
        (
            lambda: api.Video(codec="libx264", fps=24, bitrate=64),
            "Video: bitrate: Number should be from 128 to 350000, the negatives included, not 64",
        ),
        (
            lambda: api.Video(codec="libx264", fps=24, bitrate=512, width=64),
            "Video: width: Number should be from 128 to 4096, or 0, the negatives included, not 64",
        ),
        (
            lambda: api.Audio(codec="mp2", bitrate=48, sample_rate=200),
            "Audio: sample_rate: Number should be one of 32000, 44100, 48000, the negatives included, not 200",
        ),
        (
            lambda: api.RunProcedure(input_type="Stream", procedure="p"),
            "RunProcedure: the source that input_type names is missing: file, file_list, stream, stream_list or pull",
        ),
    ],
)
def test_broken_bound_fails_before_the_network(make: Callable[[], Group], told: str) -> None:
    """An action that breaks a bound is not made: the error names the field, the bound and the value."""
    with pytest.raises(InvalidCall) as caught:
        make()

    assert told == str(caught.value)
    assert not caught.value.retryable


def test_every_mistake_is_told_at_once() -> None:
    """One error holds all that is wrong, unknown and missing names too."""
    with pytest.raises(InvalidCall) as caught:
        api.GetTaskList(max_count=9, colour="red")  # type: ignore[call-arg]  # the mistakes are meant

    assert ["status", "max_count", "colour"] == re.findall(r"(?:: |; )(\w+): ", str(caught.value))


# What the manual says twice


@pytest.mark.parametrize(
    "action,flat,path,value",
    [
        (api.GetTaskList, {"status": "Processing"}, "status", "PROCESSING"),
        (
            api.CreateTranscodeTemplate,
            TEMPLATE | {"video": VIDEO | {"colorSpace": "YUV420P"}},
            "video.color_space",
            "yuv420p",
        ),
        (
            api.UpdateTranscodeTemplate,
            {"definition": 1, "audio": {"soundSystem": "dual-channel"}},
            "audio.sound_system",
            2,
        ),
        (
            api.CreateTranscodeTemplate,
            TEMPLATE | {"video": VIDEO | {"resolutionSelfAdapting": "close"}},
            "video.resolution_self_adapting",
            False,
        ),
        (
            api.UpdateTranscodeTemplate,
            {"definition": 1, "video": {"resolutionSelfAdapting": "1"}},
            "video.resolution_self_adapting",
            True,
        ),
        (
            api.RunProcedure,
            {"inputType": "PullFile", "url": "http://a/1", "fileName": "1", "procedure": "p"},
            "pull.file_name",
            "1",
        ),
        (
            api.ProcessCosMedia,
            {
                "input": {"bucket": "b", "region": "r", "path": "p"},
                "output": {"bucket": "b", "dir": "d"},
                "mediaProcess": {"imageSprite": {"definition": "10"}},
            },
            "media_process.image_sprite.definition",
            (10,),
        ),
    ],
)
def test_requests_are_read_in_either_spelling(
    action: type[Action[Reply]], flat: dict[str, Any], path: str, value: object
) -> None:
    """Where the manual's tables and examples differ, a server understands both."""
    assert value == at(read(action, flatten(flat)), path)


@pytest.mark.parametrize(
    "action,reply,path,value",
    [
        (api.DescribeRecordPlayInfo, {"fileSet": [{"image_url": "u"}]}, "file_set.0.image_url", "u"),
        (api.DescribeRecordPlayInfo, {"fileSet": [{"imageUrl": "u"}]}, "file_set.0.image_url", "u"),
        (api.DescribeRecordPlayInfo, {"fileSet": [{"playSet": [{"vbtrate": 9}]}]}, "file_set.0.play_set.0.vbitrate", 9),
        (api.DescribeVodPlayInfo, {"totalCount": "105", "fileSet": []}, "total_count", 105),
        (api.DescribeVodPlayInfo, {"fileSet": [{"status": "2", "duration": 600}]}, "file_set.0.status", 2),
        (api.DescribeVodHosts, {"data": {"hostList": [{"sslType": 1, "oversea": 0}]}}, "data.host_list.0.ssl", True),
        (api.DescribeVodHosts, {"data": {"hostList": [{"sslExpireTtime": 5}]}}, "data.host_list.0.ssl_expire_time", 5),
        (api.DescribeVodHosts, {"data": {"hostList": [{"sslExpireTime": 5}]}}, "data.host_list.0.ssl_expire_time", 5),
        (
            api.QueryTranscodeTemplate,
            {"data": {"video": {"resolutionSelfAdapting": 1}}},
            "data.video.resolution_self_adapting",
            True,
        ),
        (
            api.QueryTranscodeTemplate,
            {"data": {"video": {"resolutionSelfAdapting": "open"}}},
            "data.video.resolution_self_adapting",
            True,
        ),
        (
            api.GetVideoInfo,
            {"aiAnalysisInfo": {"tagList": [{"tags": [{"tag": "sea"}]}]}},
            "ai_analysis_info.tag_list.0.tags.0.classification",
            "sea",
        ),
        (api.GetVideoInfo, {"sampleSnapshotInfo": [{"interval": 10}]}, "sample_snapshot_info.0.interval", "10"),
        (api.GetTaskInfo, {"data": {"fileInfo": {"fileId": "7"}}}, "data.file_info.0.file_id", "7"),
        (api.GetTaskInfo, {"data": {"fileInfo": [{"fileId": "7"}]}}, "data.file_info.0.file_id", "7"),
        (api.GetTaskInfo, {"status": "Processing"}, "status", "PROCESSING"),
        (api.GetTaskInfo, {"status": "Suspended"}, "status", "SUSPENDED"),
        (api.QueryWatermarkTemplate, {"definition": 1, "create_time": 5}, "create_time", 5),
        (api.MultiPullVodFile, {"data": [{"vod_task_id": "t"}]}, "data.0.vod_task_id", "t"),
        (api.DescribeAllClass, {"data": [{"info": {"file_num": 3}, "subclass": []}]}, "data.0.info.file_num", 3),
        (api.CreateClass, {"newClassId": 250}, "new_class_id", "250"),
        (api.CommitUpload, {"fileId": "1", "video": "no object"}, "file_id", "1"),
    ],
)
def test_replies_are_read_in_either_spelling(
    action: type[Action[Reply]], reply: dict[str, Any], path: str, value: object
) -> None:
    """Where the manual's tables and examples differ, a client understands both; what it cannot read does no harm."""
    found: Any = action.reply.model_validate(reply)
    for step in path.split("."):
        found = found[int(step)] if step.isdigit() else getattr(found, step)

    assert value == found


def test_marks_are_told_as_they_were_written() -> None:
    """The words of a mark come back URL-encoded; `text` has them as they were."""
    info = api.GetVideoInfo.reply.model_validate({"keyFrameDescInfo": {"keyFrameDescList": [{"content": "a%26b"}]}})

    assert isinstance(info, api.VideoInfo)
    assert info.key_frame_desc_info
    assert ["a&b"] == [mark.text for mark in info.key_frame_desc_info.key_frame_desc_list]


# Lists that are longer than one reply


def test_cursor_leads_to_the_end_of_the_list() -> None:
    """The next piece begins after the cursor of this one; an empty one ends the list, and one that stands still too."""
    pages = api.GetTaskList.pages
    first = api.GetTaskList(status="FINISH", max_count=20)
    reply = api.TaskList.model_validate({"data": {"next": "c1", "taskList": [{"vodTaskId": "a"}, {"vodTaskId": "b"}]}})
    last = api.TaskList.model_validate({"data": {"next": "", "taskList": []}})

    assert pages
    second = pages.following(first, reply, seen=2)
    assert ["a", "b"] == [task.vod_task_id for task in pages.held(reply)]
    assert api.GetTaskList(status="FINISH", max_count=20, next="c1") == second
    assert second
    assert pages.following(second, reply, seen=4) is None
    assert pages.following(second, last, seen=2) is None
    assert pages.following(first, api.TaskList(), seen=0) is None
    assert () == pages.held(api.TaskList())


def test_numbers_lead_to_the_end_of_the_list() -> None:
    """Numbered pieces are asked for until as many items were seen as there are, or none came."""
    pages = api.DescribeVodPlayInfo.pages
    first = api.DescribeVodPlayInfo(file_name="a")
    reply = api.FoundFiles.model_validate({"totalCount": "3", "fileSet": [{"fileId": "1"}, {"fileId": "2"}]})

    assert pages
    second = pages.following(first, reply, seen=2)
    assert api.DescribeVodPlayInfo(file_name="a", page_no=2) == second
    assert second
    assert pages.following(second, reply, seen=3) is None
    assert pages.following(second, api.FoundFiles.model_validate({"totalCount": 3}), seen=2) is None
    assert api.DescribeVodPlayInfo(file_name="a", page_no=3) == pages.following(
        second, api.FoundFiles.model_validate({"fileSet": [{}]}), seen=3
    )


# Words about the declarations


def test_parameters_are_described() -> None:
    """A parameter's name on the wire, choices, default, bounds, unit and code are read from its declaration."""
    told = {parameter.name: parameter for parameter in parameters(api.CreateTranscodeTemplate)}

    assert Parameter("name", "text", False, "", "at most 63 bytes", "", None, "Under 64 bytes.") == told["name"]
    assert "mp4 | flv | hls" == told["container"].kind
    assert "object" == told["video"].kind
    assert ("open | close", "1") == (
        told["video.resolutionSelfAdapting"].kind,
        told["video.resolutionSelfAdapting"].default,
    )
    assert ("≥ 1, ≤ 10", "s", 10738) == (
        told["video.minGop"].bounds,
        told["video.minGop"].unit,
        told["video.minGop"].code,
    )
    assert "128 to 4096, or the negative, or 0" == told["video.width"].bounds
    assert "one of 32000, 44100, 48000, or the negative" == told["audio.sampleRate"].bounds
    assert told["audio.sampleRate"].required


@pytest.mark.parametrize(
    "action,name,kind,bounds",
    [
        (api.MultiPullVodFile, "pullset.n", "object", "at most 50 items"),
        (api.MultiPullVodFile, "pullset.n.tags", "text", "^[0-9A-Za-z\\u3400-\\u4dbf\\u4e00-\\u9fff]{1,8}$"),
        (api.MultiPullVodFile, "pullset.n.priority", "0 normal | 1 high | 2 low", ""),
        (api.ProcessFile, "transcode.definition.n", "integer", "≥ 0"),
        (api.DescribeCdnStat, "startDate", "yyyy-mm-dd", "in the last 90 days"),
        (api.DescribeCdnStat, "hosts.n", "text", "at most 20 items"),
        (api.CreateWatermarkTemplate, "left", "text", r"^\d{1,5}(\.\d{1,3})?(%|px)$"),
        (api.ProcessFile, "transcode.mosaicList.n.startTimeOffset", "number", "≥ 0"),
    ],
)
def test_shapes_are_described(action: type[Action[Reply]], name: str, kind: str, bounds: str) -> None:
    """Lists, objects, enumerations, dates and patterns have words of their own."""
    told = {parameter.name: parameter for parameter in parameters(action)}[name]

    assert (kind, bounds) == (told.kind, told.bounds)


@pytest.mark.parametrize("name", NAMES)
def test_every_action_can_be_described(name: str) -> None:
    """Every parameter of every action has its words."""
    assert all(parameter.text and parameter.kind for parameter in parameters(ACTIONS[name]))
