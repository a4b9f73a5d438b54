"""Bringing files in: from here in three steps (apply, send, commit), or pulled by the service from addresses."""

from typing import Annotated

from pydantic import ConfigDict, Field

from vodworker.api.action import Action, Group, Reply
from vodworker.api.bounds import Bytes, CommaTags, Priority, Some, Text
from vodworker.media import Detail


class StoragePlace(Detail):
    """Where in the object store one of the files goes."""

    storage_path: str | None = None
    storage_signature: str | None = None  # for the JSON interface of the store; newer replies leave it out


class UploadSession(Reply):
    """Where to send the files, and the key of the session to be committed."""

    video: StoragePlace | None = None
    cover: StoragePlace | None = None
    storage_bucket: str | None = None
    storage_region: str | None = None
    storage_app_id: str | None = None
    storage_region_v5: Annotated[str | None, Field(alias="storageRegionV5")] = None  # for the XML interface
    vod_session_key: str | None = None


class ApplyUpload(Action[UploadSession], safe=True, errors=(32001,)):
    """Begin the upload of a video and, if wanted, its cover: learn where the bytes go. May be repeated on failure."""

    video_type: Text
    """The video's format, such as mp4."""
    video_name: str | None = None
    """The video's name."""
    video_size: Bytes | None = None
    """The video's length."""
    cover_type: str | None = None
    """The cover's format, such as jpg; a cover is uploaded only when it is given."""
    cover_name: str | None = None
    """The cover's name."""
    cover_size: Bytes | None = None
    """The cover's length."""
    procedure: str | None = None
    """The flow of tasks to start when the upload is committed."""


class StoredFile(Detail):
    """Where a file can be fetched."""

    url: str | None = None


class CommittedUpload(Reply):
    """The new file."""

    file_id: str | None = None
    video: StoredFile | None = None
    cover: StoredFile | None = None


class CommitUpload(
    Action[CommittedUpload], safe=True, starts_task="NewFileUpload", errors=(31001, 31002, 31003, 32001)
):
    """End an upload whose bytes have been sent: the file enters the library. May be repeated on failure."""

    vod_session_key: Text
    """The key that ApplyUpload gave."""


class Pull(Group):
    """A file to be pulled from an address."""

    url: Text
    """The address of the file itself, not of a page about it."""
    file_name: Text
    """The name in the library."""
    file_md5: str | None = None
    """The MD5 that the file must have."""
    transcode: Annotated[bool, Field(alias="isTranscode")] = False
    """Transcode it by the account's settings."""
    screenshot: Annotated[bool, Field(alias="isScreenshot")] = False
    """Take screenshots."""
    watermark: Annotated[bool, Field(alias="isWatermark")] = False
    """Put the account's watermark on; it must have been set up."""
    class_id: int | None = None
    """The class that the file goes to."""
    tags: CommaTags | None = None
    """Tags for the file; joined by commas on the wire."""
    priority: Priority = Priority.NORMAL
    """How soon."""


class PullTask(Detail):
    """The task that pulls one file. Its names on the wire have underscores."""

    model_config = ConfigDict(alias_generator=None)

    source_url: str | None = None
    file_id: str | None = None
    file_name: str | None = None
    vod_task_id: str | None = None


class PullTasks(Reply):
    """A task for each file, in the order of the request. Replies of earlier years lack them."""

    data: tuple[PullTask, ...] = ()


class MultiPullVodFile(
    Action[PullTasks],
    starts_task="PullComplete",
    errors=(1, 1000, 1001, 1010, 1011, 1018, 1100, 1159, 1163, 10003),
):
    """Let the service fetch files from addresses; one PullComplete for each."""

    pullset: Annotated[Some[Pull], Field(max_length=50)]
    """The files, at most 50."""
