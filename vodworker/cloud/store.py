"""The object store's JSON interface: objects are posted as forms, whole or in slices, and stream from the disk."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from vodworker.cloud.carrier import AT_ONCE, Carrier
from vodworker.cloud.local import LocalFile, Part
from vodworker.errors import BadReply, Unreachable
from vodworker.outcome import describe
from vodworker.wire import excerpt, read_reply

WHOLE = 20 * 1024 * 1024  # bytes: the longest object that the store takes in one piece
SLICE = 3 * 1024 * 1024  # bytes: the longest slice that it takes; the fewer, the sooner a long line is done
PATIENCE = 60.0  # seconds in which not one more chunk leaves, or no reply comes, until a connection counts as dead
JOINING = 1200.0  # the same for the request that makes an object of its slices, which may be thousands
UNTIMED = aiohttp.ClientTimeout(total=None)  # how long a part takes depends on the line; `PATIENCE` is for silence
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Address:
    """Where one object goes by the JSON interface, and what entitles to send it there."""

    url: str
    signature: str


@dataclass(frozen=True, slots=True)
class Key:
    """Where one object goes by the XML interface."""

    region: str
    bucket: str
    path: str


def origin(endpoint: str, *, region: str) -> str:
    """Where the store of a region answers; an emulator, which answers on the loopback, is its own store."""
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.netloc}" if is_loopback(url.hostname) else f"https://{region}.file.myqcloud.com"


def is_loopback(host: str | None) -> bool:
    """Whether a host of an address is this machine itself."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def object_url(origin: str, *, app_id: str, bucket: str, path: str) -> str:
    """The address of an object for the JSON interface."""
    return f"{origin}/files/v2/{app_id}/{bucket}/{quote(path.lstrip('/'))}"


class Store:
    """The store, as one upload uses it."""

    def __init__(self, http: aiohttp.ClientSession, carrier: Carrier) -> None:
        self._http = http
        self._carrier = carrier

    async def put(self, file: LocalFile, address: Address) -> None:
        """Send a file. Raises a `CallError` of the store, or the `UploadError` of a file that cannot be read."""
        if file.size <= WHOLE:
            fields = {"op": "upload", "insertOnly": "0"}
            await self._carrier.carry(file.parts(file.size), lambda part: self._post(address, fields, part))
            file.check()
        else:
            await self._put_slices(file, address)

    async def _put_slices(self, file: LocalFile, address: Address) -> None:
        size = {"filesize": str(file.size)}
        start = {"op": "upload_slice_init", **size, "slice_size": str(SLICE), "insertOnly": "0"}
        reply = await self._carrier.patiently(lambda: self._post(address, start))
        session, length, at_once = slicing(reply)

        async def send(part: Part) -> None:
            await self._post(address, {"op": "upload_slice_data", **session, "offset": str(part.start)}, part)

        await self._carrier.carry(file.parts(length), send, at_once=at_once)
        file.check()
        end = {"op": "upload_slice_finish", **session, **size}
        await self._carrier.conclude(lambda: self._post(address, end, patience=JOINING))

    async def _post(
        self, address: Address, fields: dict[str, str], part: Part | None = None, *, patience: float = PATIENCE
    ) -> dict[str, Any]:
        """Post a form once, with a part of a file in it if there is one; the store's reply."""
        op = fields["op"]
        clock = asyncio.get_running_loop().time
        with self._carrier.trip() as count:

            def moved(sent: int) -> None:
                count(sent)
                if not silence.expired():  # pragma: no branch - it may expire just when a chunk leaves
                    silence.reschedule(clock() + patience)

            try:
                async with (
                    asyncio.timeout(patience) as silence,
                    self._http.post(
                        URL(address.url, encoded=True),
                        data=Form(fields, part, moved),
                        headers={"Authorization": address.signature},
                        timeout=UNTIMED,
                        allow_redirects=False,
                    ) as response,
                ):
                    body = await response.read()
            except TimeoutError as error:
                raise Unreachable(op, f"nothing moved for {patience:g} s") from error
            except (aiohttp.ClientError, OSError) as error:
                if part:
                    part.file.check()
                raise Unreachable(op, f"the connection broke: {describe(error)}") from error
            if response.status >= SERVER_ERROR:
                raise Unreachable(op, f"HTTP {response.status}: {excerpt(body)}")
            return read_reply(op, response.status, body)


def slicing(reply: dict[str, Any]) -> tuple[dict[str, str], int, int]:
    """What the store says to a file in slices: the session's field, the length of a slice, how many at once."""
    match reply.get("data"):
        case {"session": str(session), **rest}:
            length = rest.get("slice_size")
            at_once = 1 if rest.get("serial_upload") == 1 else AT_ONCE
            return {"session": session}, length if isinstance(length, int) and length > 0 else SLICE, at_once
        case _:
            raise BadReply("upload_slice_init", "the reply has no session")


class Form(aiohttp.Payload):
    """A form whose content is read while it is sent; `moved` is told the length of each chunk that has left.

    It is no generator: of an upload that is cancelled, nothing stays behind for the loop to close.
    """

    def __init__(self, fields: dict[str, str], part: Part | None, moved: Callable[[int], None]) -> None:
        boundary = token_hex(16)
        super().__init__(None, content_type=f"multipart/form-data; boundary={boundary}")
        entry = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = "".join(f'{entry}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        tail = f"--{boundary}--\r\n"
        if part:
            head += f'{entry}filecontent"; filename="content"\r\nContent-Type: application/octet-stream\r\n\r\n'
            tail = f"\r\n{tail}"
        self._head, self._part, self._tail = head.encode(), part, tail.encode()
        self._moved = moved
        self._size = len(self._head) + (part.length if part else 0) + len(self._tail)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not for what may be larger than memory."""
        raise NotImplementedError

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Read and send."""
        await writer.write(self._head)
        done = 0
        while self._part and done < self._part.length:
            chunk = await self._part.read(done)
            await writer.write(chunk)
            done += len(chunk)
            self._moved(len(chunk))
        await writer.write(self._tail)
