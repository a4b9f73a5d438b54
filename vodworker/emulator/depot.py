"""The object store's door: files are sent here as forms, and can be fetched from where their URL says."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import BodyPartReader, web

from vodworker.emulator.pieces import Unfinished
from vodworker.emulator.service import Service

WHOLE = 20 * 1024 * 1024  # what the store takes in one piece; larger files go in slices
SLICES = range(64 * 1024, 3 * 1024 * 1024 + 1)  # lengths of a slice
PIECE = 256 * 1024
BAD_SIGNATURE, BAD_REQUEST, NO_SESSION = -96, -1, -4025  # of the store's own codes

Fields = Mapping[str, str]


class StoreRefusal(Exception):
    """The store says no, with an HTTP status and a code of its own."""

    def __init__(self, status: int, code: int, why: str) -> None:
        self.status = status
        self.code = code
        super().__init__(why)


class Depot:
    """Takes what ApplyUpload promised a place for, and nothing else."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sessions: dict[str, tuple[Unfinished, int]] = {}  # with the length of a slice
        self._with_content: Mapping[str, Callable[[str, Fields, BodyPartReader], Awaitable[dict[str, Any]]]] = {
            "upload": self._whole,
            "upload_slice_data": self._slice,
        }
        self._without: Mapping[str, Callable[[str, Fields], Awaitable[dict[str, Any]]]] = {
            "upload_slice_init": self._begin,
            "upload_slice_finish": self._finish,
        }

    def __repr__(self) -> str:
        return f"<Depot of {self._service.storage!r}, {len(self._sessions)} unfinished>"

    def add_to(self, app: web.Application) -> None:
        """Serve on this application: uploads under /files/v2, everything under the bucket's own name."""
        app.router.add_post("/files/v2/{app_id}/{bucket}/{path:.+}", self.upload)
        app.router.add_get(f"/{self._service.bucket}/{{path:.+}}", self.download)
        app.on_cleanup.append(self._close)

    async def upload(self, request: web.Request) -> web.Response:
        """A form; its `op` says what is wanted, and comes before `filecontent`, the bytes."""
        path = f"/{request.match_info['path']}"
        try:
            self._admit(request, path)
            data = await self._serve(request, path)
        except StoreRefusal as refusal:
            return web.json_response({"code": refusal.code, "message": str(refusal)}, status=refusal.status)
        return web.json_response({"code": 0, "message": "SUCCESS", "data": data})

    def _admit(self, request: web.Request, path: str) -> None:
        if request.headers.get("Authorization", "") not in self._signatures(path):
            raise StoreRefusal(401, BAD_SIGNATURE, "Authorization is not of this object")
        if not request.content_type.startswith("multipart/"):
            raise StoreRefusal(400, BAD_REQUEST, "send multipart/form-data")
        if (request.content_length or 0) > WHOLE + PIECE:
            raise StoreRefusal(413, BAD_REQUEST, "send more than 20 MB in slices")

    def _signatures(self, path: str) -> set[str]:
        """What entitles to send this object."""
        uploads = self._service.state.uploads.values()
        return {
            signature
            for upload in uploads
            for place, signature in (
                (upload.video_path, upload.video_signature),
                (upload.cover_path, upload.cover_signature),
            )
            if place == path and signature
        }

    async def _serve(self, request: web.Request, path: str) -> dict[str, Any]:
        fields: dict[str, str] = {}
        data: dict[str, Any] | None = None
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise StoreRefusal(400, BAD_REQUEST, "a form inside a form")
            if part.name != "filecontent":
                fields[part.name or ""] = await part.text()
            elif take := self._with_content.get(fields.get("op", "")):
                data = await take(path, fields, part)
        if do := self._without.get(fields.get("op", "")):
            return await do(path, fields)
        if data is None:
            raise StoreRefusal(400, BAD_REQUEST, "op is not known, comes after filecontent, or has no filecontent")
        return data

    async def _whole(self, path: str, _fields: Fields, content: BodyPartReader) -> dict[str, Any]:
        await self._service.storage.put(path, _pieces(content))
        return self._arrived(path)

    async def _begin(self, path: str, fields: Fields) -> dict[str, Any]:
        _number(fields, "filesize")
        length = _number(fields, "slice_size")
        if length not in SLICES:
            raise StoreRefusal(400, BAD_REQUEST, f"slice_size is not between {SLICES[0]} and {SLICES[-1]}")
        session = self._service.secret()
        self._sessions[session] = Unfinished(path, self._service.storage.folder), length
        return {"session": session, "slice_size": length}

    async def _slice(self, path: str, fields: Fields, content: BodyPartReader) -> dict[str, Any]:
        unfinished, length = self._session(path, fields)
        start = _number(fields, "offset")
        if start % length:
            raise StoreRefusal(400, BAD_REQUEST, f"offset {start} is not where a slice of {length} begins")
        piece = await unfinished.put(start, length, _pieces(content, most=length))
        return {"session": fields["session"], "offset": start, "datalen": piece.size, "datamd5": piece.md5}

    async def _finish(self, path: str, fields: Fields) -> dict[str, Any]:
        unfinished, _ = self._session(path, fields)
        starts = sorted(unfinished.pieces)
        ends = [0, *(start + unfinished.pieces[start].size for start in starts)]
        if [*starts, _number(fields, "filesize")] != ends:
            raise StoreRefusal(400, BAD_REQUEST, "slices are missing, or filesize is not their sum")
        await self._service.storage.put(path, unfinished.read(starts))
        del self._sessions[fields["session"]]
        unfinished.close()
        return self._arrived(path)

    def _session(self, path: str, fields: Fields) -> tuple[Unfinished, int]:
        found = self._sessions.get(fields.get("session", ""))
        if found is None or found[0].path != path:
            raise StoreRefusal(400, NO_SESSION, "there is no such session for this object")
        return found

    def _arrived(self, path: str) -> dict[str, Any]:
        url = f"{self._service.origin}{path}"
        return {"access_url": url, "source_url": url}

    async def download(self, request: web.Request) -> web.StreamResponse:
        """An object that was uploaded. What tasks made has an address, but no bytes."""
        if request.path not in self._service.storage:
            raise web.HTTPNotFound
        return web.FileResponse(self._service.storage.file(request.path))

    async def _close(self, _app: web.Application) -> None:
        for unfinished, _ in self._sessions.values():
            unfinished.close()


async def _pieces(content: BodyPartReader, *, most: int = WHOLE) -> AsyncIterator[bytes]:
    size = 0
    while piece := await content.read_chunk(PIECE):
        size += len(piece)
        if size > most:
            raise StoreRefusal(400, BAD_REQUEST, f"filecontent is longer than {most} bytes")
        yield piece


def _number(fields: Fields, name: str) -> int:
    value = fields.get(name, "")
    if not (value.isascii() and value.isdigit()):
        raise StoreRefusal(400, BAD_REQUEST, f"{name} is missing or not a number")
    return int(value)
