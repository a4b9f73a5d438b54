"""The files in the library: what is known of one, its words and tags, its end."""

from typing import Annotated

from pydantic import Field

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Priority, Tags, Text


class ModifyVodInfo(Action[Reply], safe=True, errors=(1, 1000, 1016, 10008)):
    """Change a file's name, words, class or end of life; what is not given stays as it is."""

    file_id: Text
    """The file."""
    file_name: str | None = None
    """The new name."""
    file_intro: str | None = None
    """The new description."""
    class_id: int | None = None
    """The class that it goes to."""
    expire_time_stamp: Annotated[int | None, Field(ge=-1)] = None
    """Unix s when the file and all that was derived from it are deleted; -1: never."""


class CreateVodTags(Action[Reply], safe=True, errors=(1, 1000, 1013, 10008)):
    """Add tags to a file."""

    file_id: Text
    """The file."""
    tags: Tags
    """Letters, digits and Chinese characters, at most 8 in one."""


class DeleteVodTags(Action[Reply], safe=True, errors=(1, 1000, 10008)):
    """Take tags off a file."""

    file_id: Text
    """The file."""
    tags: Tags
    """The tags."""


class DeleteVodFile(Action[Reply], starts_task="FileDeleted", errors=(1000, 1001, 1050, 1102, 1702, 10009)):
    """Delete one file and everything derived from it. Not safe to repeat: the second time the file is not there."""

    file_id: Text
    """The file."""
    flush_cdn: Annotated[bool, Field(alias="isFlushCdn")] = False
    """Have the delivery network forget it at once; 10000 a day by default."""
    priority: Priority = Priority.NORMAL
    """How soon."""
