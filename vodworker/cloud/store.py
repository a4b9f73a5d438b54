"""The object store's JSON interface: objects are posted as forms, whole or in slices, and stream from the disk."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from secrets import token_hex
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
from yarl import URL

from vodworker.cloud.local import LocalFile
from vodworker.errors import CallError, Unreachable
from vodworker.outcome import backoff, describe
from vodworker.wire import excerpt, read_reply

T = TypeVar("T")

WHOLE = 20 * 1024 * 1024  # bytes: the longest object that the store takes in one piece
PATIENCE = 60.0  # seconds in which not one more chunk leaves, or no reply comes, until a connection counts as dead
RETRIES = 4  # how often a part is sent again; with the backoff that outlasts half a minute without network
UNTIMED = aiohttp.ClientTimeout(total=None)  # how long a part takes depends on the line; `PATIENCE` is for silence
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Target:
    """Where one object goes, and what entitles to send it there."""

    url: str
    signature: str


def origin(endpoint: str, *, region: str) -> str:
    """Where the store of a region answers; an emulator, which answers on the loopback, is its own store."""
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.netloc}" if _is_loopback(url.hostname) else f"https://{region}.file.myqcloud.com"


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def object_url(origin: str, *, app_id: str, bucket: str, path: str) -> str:
    """The address of an object for the JSON interface."""
    return f"{origin}/files/v2/{app_id}/{bucket}/{quote(path.lstrip('/'))}"


class Tally:
    """How many bytes have been sent, of how many. What has to be sent again is taken back."""

    def __init__(self, total: int, tell: Callable[[int, int], None] | None) -> None:
        self.sent = 0
        self.total = total
        self._tell = tell

    def __repr__(self) -> str:
        return f"<Tally {self.sent} of {self.total}>"

    def add(self, count: int) -> None:
        """Count some bytes, and tell who wants to know."""
        self.sent += count
        if self._tell:
            self._tell(self.sent, self.total)


@dataclass(frozen=True, slots=True)
class Store:
    """The store, as one upload uses it. random: gives a number in [0, 1), for backoffs."""

    http: aiohttp.ClientSession
    tally: Tally
    random: Callable[[], float]

    async def put(self, file: LocalFile, target: Target) -> None:
        """Send a file. Raises a `CallError` of the store, or the `UploadError` of a file that cannot be read."""
        await self._patiently(lambda: self._post(target, {"op": "upload", "insertOnly": "0"}, file, 0, file.size))
        file.check()

    async def _patiently(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, or trying again cannot help; sending a part twice is sending it once."""
        failures = 0
        while True:
            try:
                return await attempt()
            except CallError as error:
                failures += 1
                if not error.retryable or failures > RETRIES:
                    raise
                await asyncio.sleep(backoff(failures, self.random, first=0.5))

    async def _post(
        self, target: Target, fields: Mapping[str, str], file: LocalFile, start: int, length: int
    ) -> dict[str, Any]:
        """Post a form with these fields and this part of the file, once."""
        op = fields["op"]
        head, tail, content_type = form(fields)
        clock = asyncio.get_running_loop().time
        sent = 0

        async def body() -> AsyncGenerator[bytes]:
            nonlocal sent
            yield head
            async for chunk in file.chunks(start, length):
                yield chunk
                sent += len(chunk)
                self.tally.add(len(chunk))
                silence.reschedule(clock() + PATIENCE)
            yield tail

        headers = {
            "Authorization": target.signature,
            "Content-Type": content_type,
            "Content-Length": str(len(head) + length + len(tail)),
        }
        try:
            async with (
                asyncio.timeout(PATIENCE) as silence,
                self.http.post(
                    URL(target.url, encoded=True), data=body(), headers=headers, timeout=UNTIMED, allow_redirects=False
                ) as response,
            ):
                answer = await response.read()
            if response.status >= SERVER_ERROR:
                raise Unreachable(op, f"HTTP {response.status}: {excerpt(answer)}")
            return read_reply(op, response.status, answer)
        except TimeoutError as error:
            self.tally.add(-sent)
            raise Unreachable(op, f"nothing moved for {PATIENCE:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            self.tally.add(-sent)
            file.check()
            raise Unreachable(op, f"the connection broke: {describe(error)}") from error
        except CallError:
            self.tally.add(-sent)
            raise


def form(fields: Mapping[str, str]) -> tuple[bytes, bytes, str]:
    """What stands before and after the content in a form with these fields, and its content type."""
    boundary = token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="filecontent"; filename="filecontent"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
