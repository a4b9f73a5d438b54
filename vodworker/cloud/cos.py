"""The object store's XML interface, spoken by the vendor's SDK. It blocks, so each part has a thread while it is sent.

Only an upload that needs it imports this room: the SDK comes with the extra `upload`, and takes its time to load.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Event
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import requests
from qcloud_cos import CosClientError, CosConfig, CosS3Client, CosServiceError

from vodworker.cloud.account import Account
from vodworker.cloud.carrier import AT_ONCE, Carrier
from vodworker.cloud.local import LocalFile, Part
from vodworker.cloud.store import SERVER_ERROR, Key, is_loopback
from vodworker.errors import BadReply, CallError, InvalidCall, Unreachable, refusal
from vodworker.wire import excerpt

T = TypeVar("T")

PART = 8 * 1024 * 1024  # bytes of a part; the store wants at least 1 MB
MOST_PARTS = 10_000  # of one object
LAST_WORDS = 3.0  # seconds that an upload which failed takes to clean up behind itself


async def put(file: LocalFile, key: Key, *, account: Account, carrier: Carrier) -> None:
    """Send a file. Raises a `CallError` of the store, or the `UploadError` of a file that cannot be read."""
    with requests.Session() as session:
        session.trust_env = False  # as the rest of the client: proxies and keys come from nowhere but settings
        async with Threads() as threads:
            store = Store(client(account, key, session), key, carrier, threads)
            await (store.put_whole(file) if file.size <= PART else store.put_parts(file))


def client(account: Account, key: Key, session: requests.Session) -> CosS3Client:
    """The SDK for the store of a region; beside an emulator, which answers on the loopback, for the emulator."""
    url = urlsplit(account.endpoint)
    near = is_loopback(url.hostname)
    host = f"[{url.hostname}]" if url.hostname and ":" in url.hostname else url.hostname
    try:
        config = CosConfig(
            Region=key.region,
            SecretId=account.secret_id,
            SecretKey=account.secret_key,
            Token=account.token,
            Scheme=url.scheme if near else "https",
            IP=host if near else None,
            Port=url.port if near else None,
        )
    except CosClientError as error:
        raise InvalidCall("CosConfig", str(error)) from error
    logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL)  # what it logs is raised as well; at debug, signatures
    return CosS3Client(config, retry=0, session=session)  # retries are the carrier's, which counts and does not block


class Threads:
    """Threads for calls that block. When its block ends they have ended too, unless a line is dead."""

    def __init__(self) -> None:
        self.stop = Event()
        """Set when nobody waits for what the threads do."""
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cos")
        self._jobs: set[Future[Any]] = set()
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._jobs:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._idle.wait()

    async def run(self, call: Callable[[], T]) -> T:
        """What the call returns or raises."""
        job = self._pool.submit(call)
        self._jobs.add(job)
        self._idle.clear()
        job.add_done_callback(self._done)
        return await asyncio.wrap_future(job)

    def _done(self, job: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop may be gone when a dead line ends at last
            self._loop.call_soon_threadsafe(self._ended, job)

    def _ended(self, job: Future[Any]) -> None:
        self._jobs.remove(job)
        if not self._jobs:
            self._idle.set()


class Store:
    """The store, for one object of one upload."""

    def __init__(self, sdk: CosS3Client, key: Key, carrier: Carrier, threads: Threads) -> None:
        self._sdk = sdk
        self._object = {"Bucket": key.bucket, "Key": key.path}
        self._carrier = carrier
        self._threads = threads

    async def put_whole(self, file: LocalFile) -> None:
        """Send a file in one request."""

        async def send(part: Part) -> None:
            await self._send(self._sdk.put_object, part)

        await self._carrier.carry(file.parts(file.size), send)
        file.check()

    async def put_parts(self, file: LocalFile) -> None:
        """Send a file in parts, which become one object when all are there."""
        async with self._parts() as upload_id:

            async def send(part: Part) -> dict[str, Any]:
                sent = await self._send(self._sdk.upload_part, part, PartNumber=part.number, UploadId=upload_id)
                if "ETag" not in sent:
                    raise BadReply("upload_part", "the reply has no ETag")
                return {"PartNumber": part.number, "ETag": sent["ETag"]}

            length = max(PART, -(-file.size // MOST_PARTS))
            sent = await self._carrier.carry(file.parts(length), send)
            file.check()

            async def complete() -> None:
                whole = {"Part": sent}
                await self._ask(self._sdk.complete_multipart_upload, UploadId=upload_id, MultipartUpload=whole)

            await self._carrier.conclude(complete)

    @asynccontextmanager
    async def _parts(self) -> AsyncGenerator[str]:
        """An upload in parts; the store is told to forget them when the block does not end well: they cost money."""
        begun = await self._carrier.patiently(lambda: self._ask(self._sdk.create_multipart_upload))
        upload_id = begun.get("UploadId")
        if not isinstance(upload_id, str):
            raise BadReply("create_multipart_upload", "the reply has no UploadId")
        done = False
        try:
            yield upload_id
            done = True
        finally:
            if not done:
                self._threads.stop.set()
                with suppress(CallError, TimeoutError):
                    async with asyncio.timeout(LAST_WORDS):
                        await self._ask(self._sdk.abort_multipart_upload, UploadId=upload_id)

    async def _send(self, call: Callable[..., T], part: Part, **params: object) -> T:
        """Send a part once."""
        with self._carrier.trip() as moved:
            body = Body(part, moved, self._threads.stop)
            try:
                return await self._ask(call, Body=body, **params)
            except Unreachable:
                part.file.check()
                raise

    async def _ask(self, call: Callable[..., T], **params: object) -> T:
        """Call the SDK once, in a thread of its own."""
        with translated(call.__name__):
            return await self._threads.run(lambda: call(**self._object, **params))


@contextmanager
def translated(call: str) -> Generator[None]:
    """What the SDK raises becomes what the client raises; its codes are words, so HTTP's number stands for them."""
    try:
        yield
    except CosServiceError as error:
        status = error.get_status_code()
        match error.get_digest_msg():
            case {"code": code, "message": text}:
                desc = str(code)
            case _:
                text, desc = excerpt(str(error.get_origin_msg()).encode()), ""
        if status >= SERVER_ERROR:
            raise Unreachable(call, f"HTTP {status} {desc}: {text}") from error
        raise refusal(call, code=status, text=str(text), desc=desc) from error
    except CosClientError as error:
        raise Unreachable(call, str(error)) from error
    except ParseError as error:
        raise BadReply(call, f"the reply is no XML: {error}") from error


class Body:
    """A part as the SDK reads it, in a thread."""

    def __init__(self, part: Part, moved: Callable[[int], None], stop: Event) -> None:
        self._part = part
        self._moved = moved
        self._stop = stop
        self._done = 0
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return self._part.length

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end. Raises OSError when the file cannot be read or nobody waits any more."""
        if self._stop.is_set():
            raise OSError("nobody waits for it any more")
        most = min(size, self._part.length - self._done)
        chunk = self._part.file.read(self._part.start + self._done, most) if most else b""
        self._done += len(chunk)
        self._loop.call_soon_threadsafe(self._moved, len(chunk))
        return chunk
