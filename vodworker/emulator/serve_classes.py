"""Serves the tree of classes."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from vodworker.api.classes import (
    TOP,
    ClassInfo,
    ClassList,
    ClassNode,
    ClassRow,
    ClassTree,
    CreateClass,
    DeleteClass,
    DescribeAllClass,
    DescribeClass,
    ModifyClass,
    NewClass,
)
from vodworker.emulator.calendar import clock_time
from vodworker.emulator.refusal import DEFAULT_CLASS, ILLEGAL, MISSING_CLASS, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import OTHERS, Category


async def create_class(service: Service, call: CreateClass) -> NewClass:
    """Add a class; the default class takes none."""
    classes = service.state.classes
    if call.parent_id == OTHERS.id:
        raise Refusal(DEFAULT_CLASS, "the default class takes no classes of its own")
    if call.parent_id not in {TOP, *classes}:
        raise Refusal(ILLEGAL, f"there is no class {call.parent_id} to be the parent")
    if _level(classes, call.parent_id) >= LEVELS:
        raise Refusal(ILLEGAL, f"class {call.parent_id} is on level {LEVELS}, the last")
    number, now = service.state.next(), service.clock.now()
    classes[number] = Category(number, call.class_name, call.parent_id, now, now)
    return NewClass(new_class_id=str(number))


LEVELS = 10  # a choice: the service has a limit, and this one keeps replies from being nested too deeply


def _level(classes: Mapping[int, Category], class_id: int) -> int:
    """How many classes lead to this one, itself counted; none to the top."""
    return 0 if class_id == TOP else 1 + _level(classes, classes[class_id].parent)


async def describe_all_class(service: Service, _: DescribeAllClass) -> ClassTree:
    """The tree; the default class is not in it, and without another one there is no tree."""
    if service.state.classes.keys() == {OTHERS.id}:
        raise Refusal(MISSING_CLASS, "there is no class")
    files = Counter(video.class_id for video in service.state.files.values())
    return ClassTree(data=_under(service, TOP, files))


def _under(service: Service, parent: int, files: Counter[int], *, level: int = 0) -> tuple[ClassNode, ...]:
    return tuple(
        ClassNode(
            info=ClassInfo(id=one.id, parent_id=parent, name=one.name, level=level, file_num=files[one.id]),
            subclass=_under(service, one.id, files, level=level + 1),
        )
        for one in service.state.classes.values()
        if one.parent == parent and one.id != OTHERS.id
    )


async def describe_class(service: Service, _: DescribeClass) -> ClassList:
    """All classes in a row."""
    return ClassList(
        data=tuple(
            ClassRow(
                id=one.id,
                name=one.name,
                create_time=clock_time(one.created),
                update_time=clock_time(one.updated),
            )
            for one in service.state.classes.values()
        )
    )


async def modify_class(service: Service, call: ModifyClass) -> None:
    """Rename a class."""
    one = _find(service, call.class_id)
    service.state.classes[one.id] = replace(one, name=call.class_name, updated=service.clock.now())


async def delete_class(service: Service, call: DeleteClass) -> None:
    """Delete a class that has nothing in it: neither classes nor files. What else the service does is not known."""
    one = _find(service, call.class_id)
    inside = (other.parent for other in service.state.classes.values())
    if one.id == OTHERS.id or one.id in {*inside, *(video.class_id for video in service.state.files.values())}:
        raise Refusal(ILLEGAL, f"class {one.id} is the default class, or has classes or files")
    del service.state.classes[one.id]


def _find(service: Service, class_id: int) -> Category:
    if one := service.state.classes.get(class_id):
        return one
    raise Refusal(MISSING_CLASS, f"there is no class {class_id}")


SERVES: Serves = {
    CreateClass: create_class,
    DescribeAllClass: describe_all_class,
    DescribeClass: describe_class,
    ModifyClass: modify_class,
    DeleteClass: delete_class,
}
