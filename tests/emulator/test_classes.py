"""Classes: a tree that files are sorted into."""

from typing import Any

from tests.emulator.conftest import Caller


async def tree(call: Caller) -> list[Any]:
    """The tree, each class as its name, its level, its number of files and its classes."""

    def node(one: dict[str, Any]) -> list[Any]:
        facts = one["info"]
        return [facts["name"], facts["level"], facts["file_num"], [node(inner) for inner in one["subclass"]]]

    return [node(one) for one in (await call.good("DescribeAllClass"))["data"]]


async def made(call: Caller, name: str, **own: object) -> str:
    """Add a class; its id."""
    return str((await call.good("CreateClass", className=name, **own))["newClassId"])


async def test_classes_make_a_tree(call: Caller) -> None:
    """A class goes under another or to the top, knows its level, and counts the files that are in it."""
    top = await made(call, "电影", parentId=-1)
    under = await made(call, "a", parentId=top)
    await made(call, "b", parentId=under)
    await made(call, "课堂")
    await call.good("ModifyVodInfo", fileId=await call.upload("a.mp4"), classId=under)

    assert [["电影", 0, 0, [["a", 1, 1, [["b", 2, 0, []]]]]], ["课堂", 0, 0, []]] == await tree(call)


async def test_list_has_the_default_class_too(call: Caller) -> None:
    """The list has every class with its times in Beijing, the default class first; a renamed one keeps its place."""
    one = await made(call, "a")
    await made(call, "b")
    await call.good("ModifyClass", classId=one, className="c")
    rows = (await call.good("DescribeClass"))["data"]

    assert ["其他", "c", "b"] == [row["name"] for row in rows]
    assert "1970-01-01 08:00:00" == rows[0]["create_time"]
    assert rows[1]["create_time"] <= rows[1]["update_time"]


async def test_without_classes_there_is_no_tree(call: Caller) -> None:
    """An account without classes of its own is told 1905, whether it never had any or has no more."""
    codes = [(await call("DescribeAllClass"))["code"]]
    one = await made(call, "a")
    codes.append((await call("DescribeAllClass"))["code"])
    await call.good("DeleteClass", classId=one)
    codes.append((await call("DescribeAllClass"))["code"])

    assert [1905, 0, 1905] == codes


async def test_class_that_is_used_is_not_deleted(call: Caller) -> None:
    """The default class, and one that has classes or files in it, is not deleted; an empty one is, once."""
    outer, full = await made(call, "outer"), await made(call, "full")
    inner = await made(call, "inner", parentId=outer)
    await call.good("ModifyVodInfo", fileId=await call.upload("a.mp4"), classId=full)

    codes = [(await call("DeleteClass", classId=one))["code"] for one in (0, outer, full, inner, inner, outer)]

    assert [1000, 1000, 1000, 0, 1905, 0] == codes


async def test_tree_is_not_too_deep(call: Caller) -> None:
    """The tree has ten levels at most."""
    parent = "-1"
    for level in range(10):
        parent = await made(call, str(level), parentId=parent)

    assert 1000 == (await call("CreateClass", className="x", parentId=parent))["code"]
