"""The object store's XML interface: whole objects, and objects in parts, signed with the account's keys."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from urllib.parse import parse_qsl, quote
from xml.etree import ElementTree as ET

from aiohttp import web

from vodworker.emulator.pieces import Unfinished
from vodworker.emulator.service import Service

PIECE = 256 * 1024
SMALLEST = 1024 * 1024  # bytes of every part but the last
NUMBERS = range(1, 10_001)


class XmlRefusal(Exception):
    """The store says no: an HTTP status, and a word for the reason."""

    def __init__(self, status: int, code: str, why: str) -> None:
        self.status = status
        self.code = code
        super().__init__(why)


class CosXml:
    """Takes what ApplyUpload promised a place for, and nothing else. accounts: SecretId to SecretKey."""

    def __init__(self, service: Service, accounts: Mapping[str, str], *, wall: Callable[[], float]) -> None:
        self._service = service
        self._accounts = accounts
        self._wall = wall
        self._uploads: dict[str, Unfinished] = {}
        self._served = {
            ("PUT", frozenset[str]()): self._whole,
            ("POST", frozenset({"uploads"})): self._begin,
            ("PUT", frozenset({"partNumber", "uploadId"})): self._part,
            ("POST", frozenset({"uploadId"})): self._complete,
            ("DELETE", frozenset({"uploadId"})): self._abort,
        }

    def __repr__(self) -> str:
        return f"<CosXml of {self._service.storage!r}, {len(self._uploads)} unfinished>"

    def add_to(self, app: web.Application) -> None:
        """Serve on this application, under the bucket's own name."""
        place = f"/{self._service.bucket}/{{path:.+}}"
        app.router.add_put(place, self.answer)
        app.router.add_post(place, self.answer)
        app.router.add_delete(place, self.answer)
        app.on_cleanup.append(self._close)

    async def answer(self, request: web.Request) -> web.Response:
        """A request: its method and the names in its query say what is wanted."""
        try:
            self._admit(request)
            serve = self._served.get((request.method, frozenset(request.query)), self._unknown)
            return await serve(request)
        except XmlRefusal as refusal:
            facts = {"Code": refusal.code, "Message": str(refusal), "Resource": request.path}
            return _xml("Error", {**facts, "RequestId": "0", "TraceId": "0"}, status=refusal.status)

    async def _unknown(self, _request: web.Request) -> web.Response:
        raise XmlRefusal(405, "MethodNotAllowed", "this is not served here")

    def _admit(self, request: web.Request) -> None:
        if request.headers.get("x-cos-security-token", "") != self._service.settings.token:
            raise XmlRefusal(403, "InvalidAccessKeyId", "x-cos-security-token is not that of these credentials")
        prove(request, self._accounts, now=self._wall())
        promised = {
            path for upload in self._service.state.uploads.values() for path in (upload.video_path, upload.cover_path)
        }
        if request.path not in promised:
            raise XmlRefusal(403, "AccessDenied", "nothing was promised a place there")

    async def _whole(self, request: web.Request) -> web.Response:
        stored = await self._service.storage.put(request.path, _pieces(request))
        return web.Response(headers={"ETag": f'"{stored.md5}"'})

    async def _begin(self, request: web.Request) -> web.Response:
        upload_id = self._service.secret()
        self._uploads[upload_id] = Unfinished(request.path, self._service.storage.folder)
        facts = {"Bucket": self._service.bucket, "Key": request.path.lstrip("/"), "UploadId": upload_id}
        return _xml("InitiateMultipartUploadResult", facts)

    async def _part(self, request: web.Request) -> web.Response:
        unfinished, number = self._unfinished(request), request.query["partNumber"]
        if not (number.isascii() and number.isdigit() and int(number) in NUMBERS):
            raise XmlRefusal(400, "InvalidArgument", f"partNumber is not between {NUMBERS[0]} and {NUMBERS[-1]}")
        if request.content_length is None:
            raise XmlRefusal(411, "MissingContentLength", "Content-Length is missing")
        piece = await unfinished.put(int(number), request.content_length, _pieces(request))
        return web.Response(headers={"ETag": f'"{piece.md5}"'})

    async def _complete(self, request: web.Request) -> web.Response:
        unfinished = self._unfinished(request)
        told = _told(await request.read())
        parts = unfinished.pieces
        if told != sorted(told) or [etag for number, etag in told if number not in parts or parts[number].md5 != etag]:
            raise XmlRefusal(400, "InvalidPart", "a part is not here, has another ETag, or is not in its order")
        if [number for number, _ in told[:-1] if parts[number].size < SMALLEST]:
            raise XmlRefusal(400, "EntityTooSmall", f"a part before the last is shorter than {SMALLEST} bytes")
        stored = await self._service.storage.put(request.path, unfinished.read([number for number, _ in told]))
        self._forget(request)
        facts = {
            "Location": f"{self._service.origin}{request.path}",
            "Bucket": self._service.bucket,
            "Key": request.path.lstrip("/"),
            "ETag": f'"{stored.md5}-{len(told)}"',
        }
        return _xml("CompleteMultipartUploadResult", facts)

    async def _abort(self, request: web.Request) -> web.Response:
        self._unfinished(request)
        self._forget(request)
        return web.Response(status=204)

    def _unfinished(self, request: web.Request) -> Unfinished:
        found = self._uploads.get(request.query["uploadId"])
        if found is None or found.path != request.path:
            raise XmlRefusal(404, "NoSuchUpload", "there is no such upload of this object")
        return found

    def _forget(self, request: web.Request) -> None:
        self._uploads.pop(request.query["uploadId"]).close()

    async def _close(self, _app: web.Application) -> None:
        for unfinished in self._uploads.values():
            unfinished.close()


def prove(request: web.Request, accounts: Mapping[str, str], *, now: float) -> None:
    """Raise the refusal of a request whose Authorization is not its own."""
    fields = dict(parse_qsl(request.headers.get("Authorization", ""), keep_blank_values=True))
    key = accounts.get(fields.get("q-ak", ""))
    if key is None:
        raise XmlRefusal(403, "InvalidAccessKeyId", "q-ak is no SecretId, or is missing")
    start, _, end = fields.get("q-sign-time", "").partition(";")
    if not (start.isdigit() and end.isdigit() and int(start) <= now <= int(end)):
        raise XmlRefusal(403, "RequestTimeTooSkewed", "q-sign-time is not now")
    headers = [
        f"{name}={quote(request.headers.get(name, ''), safe='-_.~')}" for name in _names(fields, "q-header-list")
    ]
    query = {name.lower(): value for name, value in request.query.items()}
    params = [f"{name}={quote(query.get(name, ''), safe='-_.~')}" for name in _names(fields, "q-url-param-list")]
    text = f"{request.method.lower()}\n{request.path}\n{'&'.join(params)}\n{'&'.join(headers)}\n"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    sign_key = hmac.new(key.encode(), fields.get("q-key-time", "").encode(), "sha1").hexdigest()
    proof = hmac.new(sign_key.encode(), f"sha1\n{fields['q-sign-time']}\n{digest}\n".encode(), "sha1").hexdigest()
    if not hmac.compare_digest(proof, fields.get("q-signature", "")):
        raise XmlRefusal(403, "SignatureDoesNotMatch", "the signature does not match the request")


def _names(fields: Mapping[str, str], name: str) -> list[str]:
    return [name for name in fields.get(name, "").split(";") if name]


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(PIECE):
        yield piece


def _told(body: bytes) -> list[tuple[int, str]]:
    """The parts that a body names, each with its ETag."""
    try:
        parts = ET.fromstring(body).iter("Part")  # noqa: S314  # a server on loopback, for tests
        return [(int(part.findtext("PartNumber", "")), part.findtext("ETag", "").strip('"')) for part in parts]
    except (ET.ParseError, ValueError):
        raise XmlRefusal(400, "MalformedXML", "the body is not a list of parts") from None


def _xml(name: str, facts: Mapping[str, str], *, status: int = 200) -> web.Response:
    root = ET.Element(name)
    for fact, value in facts.items():
        ET.SubElement(root, fact).text = value
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return web.Response(body=body, status=status, content_type="application/xml")
