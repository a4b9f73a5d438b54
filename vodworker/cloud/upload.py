"""Bring a file of this machine into the library: apply, send, commit. Nothing of it is ever whole in memory."""

import random
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp

from vodworker.api.action import Action, Reply
from vodworker.api.upload import ApplyUpload, CommitUpload, StoragePlace, UploadSession
from vodworker.cloud.account import Account
from vodworker.cloud.carrier import Carrier, Progress
from vodworker.cloud.local import COVERS, VIDEOS, LocalFile, local_file
from vodworker.cloud.store import Address, Key, Store, object_url, origin
from vodworker.errors import BadReply, CallError, Denied, Refused, UploadError

R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file in the library. cover_url: None when there was no cover."""

    file_id: str
    url: str
    cover_url: str | None = None


class Caller(Protocol):
    """What an upload asks of the client."""

    @property
    def account(self) -> Account:
        """Whose upload it is."""
        ...

    async def call(self, action: Action[R]) -> R:
        """Send an action and return its reply."""
        ...


async def upload(
    vod: Caller,
    http: aiohttp.ClientSession,
    path: str | PathLike[str],
    *,
    name: str | None = None,
    cover: str | PathLike[str] | None = None,
    procedure: str | None = None,
    progress: Progress | None = None,
    chance: Callable[[], float] = random.random,
) -> Uploaded:
    """Upload a video, and a cover beside it; returns when the file is in the library.

    name: in the library; the file's own without its suffix when it is None.
    procedure: the flow of tasks that the service starts then.
    Raises `UploadError`, which names the file, the step, and what can be done; then nothing is in the library, unless
    the step was `commit` and its reply was lost.
    """
    with ExitStack() as stack:
        video = stack.enter_context(local_file(Path(path), types=VIDEOS))
        picture = stack.enter_context(local_file(Path(cover), types=COVERS)) if cover is not None else None
        with step(video, "apply"):
            session = await vod.call(
                ApplyUpload(
                    video_type=video.type,
                    video_name=name or printable(video.path.stem),
                    video_size=video.size,
                    cover_type=picture.type if picture else None,
                    cover_name=printable(picture.path.stem) if picture else None,
                    cover_size=picture.size if picture else None,
                    procedure=procedure,
                )
            )
        total = video.size + (picture.size if picture else 0)
        carrier = Carrier(total, progress=progress, random=chance)
        for file, place in ((video, session.video), (picture, session.cover)):
            if file:
                with step(file, "send"):
                    await send(file, target(session, place, vod.account), http, vod.account, carrier)
    with step(video, "commit"):
        done = await vod.call(CommitUpload(vod_session_key=session.vod_session_key or ""))
        if not done.file_id:
            raise BadReply("CommitUpload", "the reply has no fileId")
    return Uploaded(
        done.file_id,
        (done.video and done.video.url) or "",
        (done.cover and done.cover.url) or None,
    )


def target(session: UploadSession, place: StoragePlace | None, account: Account) -> Address | Key:
    """Where the service wants a file to be sent, and by which interface: the XML one where it gives no signature."""
    match session, place:
        case (
            UploadSession(storage_bucket=str(bucket), storage_app_id=str(app_id), storage_region=str(region)),
            StoragePlace(storage_path=str(path), storage_signature=str(signature)),
        ) if signature:
            at = origin(account.endpoint, region=region)
            return Address(object_url(at, app_id=app_id, bucket=bucket, path=path), signature)
        case (
            UploadSession(storage_bucket=str(bucket), storage_app_id=str(app_id), storage_region_v5=str(region)),
            StoragePlace(storage_path=str(path)),
        ):
            return Key(region, f"{bucket}-{app_id}", path)
        case _:
            raise BadReply("ApplyUpload", "the reply does not say where the bytes go")


async def send(
    file: LocalFile, target: Address | Key, http: aiohttp.ClientSession, account: Account, carrier: Carrier
) -> None:
    """Send a file where it goes."""
    if isinstance(target, Address):
        await Store(http, carrier).put(file, target)
        return
    try:
        from vodworker.cloud import cos  # noqa: PLC0415  # an extra, and slow to load
    except ImportError as error:
        lacking = f"the store wants its XML interface, and {error.name} is not installed"
        raise UploadError(str(file.path), "send", f"{lacking}; install vodworker[upload]") from error
    await cos.put(file, target, account=account, carrier=carrier)


def printable(name: str) -> str:
    """A file's name as text that can be sent: what is not UTF-8 in it becomes a question mark."""
    return name.encode("utf-8", "replace").decode()


@contextmanager
def step(file: LocalFile, name: str) -> Generator[None]:
    """Whatever the service says in a step of an upload becomes an `UploadError` that says what can be done."""
    try:
        yield
    except CallError as error:
        raise UploadError(str(file.path), name, f"{error}; {remedy(error)}", retryable=error.retryable) from error


def remedy(error: CallError) -> str:
    """What can be done about it."""
    match error:
        case Refused(code=code) if code in REMEDIES:
            return REMEDIES[code]
        case Denied() | Refused(code=403):  # the latter is the store's
            return "check the account's keys and this machine's clock"
        case _ if error.retryable:
            return "upload it again later"
        case _:
            return "nothing is in the library; mend what is said and upload it again"


REMEDIES = {
    31001: "the session is over; upload it again",
    31002: "the session was used before; upload it again",
    31003: "the store has lost the bytes; upload it again",
}
