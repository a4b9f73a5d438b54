"""The files in the library: what is known of one, its words and tags, its end."""

from typing import Annotated

from pydantic import Field

from vodworker.api.action import Action, Group, Reply
from vodworker.api.bounds import Milliseconds, Octets, Priority, Several, Some, Tag, Text


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
    tags: Some[Tag]
    """Letters, digits and Chinese characters, at most 8 in one."""


class DeleteVodTags(Action[Reply], safe=True, errors=(1, 1000, 10008)):
    """Take tags off a file."""

    file_id: Text
    """The file."""
    tags: Some[Tag]
    """The tags."""


class DeleteVodFile(
    Action[Reply], harmless=True, starts_task="FileDeleted", errors=(1000, 1001, 1050, 1102, 1702, 10009)
):
    """Delete one file and everything derived from it. The second time the file is not there."""

    file_id: Text
    """The file."""
    flush_cdn: Annotated[bool, Field(alias="isFlushCdn")] = False
    """Have the delivery network forget it at once; 10000 a day by default."""
    priority: Priority = Priority.NORMAL
    """How soon."""


class NewKeyFrame(Group):
    """A mark in the video."""

    time_offset: Milliseconds
    """Where; a mark that is there already is replaced."""
    content: Annotated[Text, Octets(1024)]
    """What to say, at most 1024 bytes, not URL-encoded."""


class AddKeyFrameDesc(Action[Reply], safe=True, errors=(1, 1000, 1013, 10008)):
    """Set marks in a file; it can have 100 in all."""

    file_id: Text
    """The file."""
    key_frame_desc: Annotated[Some[NewKeyFrame], Field(max_length=100)]
    """The marks."""


class DeleteKeyFrameDesc(Action[Reply], safe=True, errors=(1, 1000, 10008)):
    """Take marks out of a file."""

    file_id: Text
    """The file."""
    key_frame_desc_time_offset: Several[Milliseconds] | None = None
    """Where; None: all of them."""
