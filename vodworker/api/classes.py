"""The tree of classes that files are sorted into."""

from typing import Annotated

from pydantic import ConfigDict, Field

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Text
from vodworker.media import Detail

TOP = -1  # the parent of the classes at the top; files of no class are in class 0, which takes no classes of its own


class NewClass(Reply):
    """The new class."""

    new_class_id: str | None = None


class CreateClass(Action[NewClass], errors=(1000, 1903)):
    """Add a class. Doing it twice adds two."""

    class_name: Text
    """Its name."""
    parent_id: Annotated[int, Field(ge=TOP)] = TOP
    """The class that it goes under; -1: none."""


class ClassInfo(Detail):
    """A class, as a node of the tree. Its names on the wire have underscores."""

    model_config = ConfigDict(alias_generator=None)

    id: int | None = None
    parent_id: int | None = None
    name: str | None = None
    level: int | None = None  # 0 at the top
    file_num: int | None = None


class ClassNode(Detail):
    """A class and the classes under it."""

    info: ClassInfo | None = None
    subclass: tuple["ClassNode", ...] = ()


class ClassTree(Reply):
    """The classes at the top, with all that is under them."""

    data: tuple[ClassNode, ...] = ()


class DescribeAllClass(Action[ClassTree], safe=True, errors=(1000, 1905, 1907, 2000)):
    """The tree of classes. Without any class the service may answer 1905."""


class ClassRow(Detail):
    """A class, as a row of the list. Its names on the wire have underscores."""

    model_config = ConfigDict(alias_generator=None)

    id: int | None = None
    name: str | None = None
    create_time: str | None = None  # "2014-11-27 10:22:37", Beijing time
    update_time: str | None = None


class ClassList(Reply):
    """All classes."""

    data: tuple[ClassRow, ...] = ()


class DescribeClass(Action[ClassList], safe=True, errors=(1000, 1023)):
    """All classes, without their places in the tree."""


class ModifyClass(Action[Reply], safe=True, errors=(1, 1000, 1021, 1905, 1907)):
    """Rename a class."""

    class_id: int
    """The class."""
    class_name: Text
    """The new name."""


class DeleteClass(Action[Reply], harmless=True, errors=(1000, 1904, 1905, 2000)):
    """Delete a class. The second time the class is not there."""

    class_id: int
    """The class."""
