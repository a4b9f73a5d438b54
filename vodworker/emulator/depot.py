"""The object store's door: files are sent here in one POST each, and can be fetched from where their URL says."""

from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web

from vodworker.emulator.service import Service

WHOLE = 20 * 1024 * 1024  # what the store takes in one piece; larger files go in slices
PIECE = 256 * 1024
BAD_SIGNATURE, BAD_REQUEST = -96, -1  # of the store's own codes


class Depot:
    """Takes what ApplyUpload promised a place for, and nothing else."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __repr__(self) -> str:
        return f"<Depot of {self._service.storage!r}>"

    def add_to(self, app: web.Application) -> None:
        """Serve on this application: uploads under /files/v2, everything under the bucket's own name."""
        app.router.add_post("/files/v2/{app_id}/{bucket}/{path:.+}", self.upload)
        app.router.add_get(f"/{self._service.bucket}/{{path:.+}}", self.download)

    async def upload(self, request: web.Request) -> web.Response:
        """One whole object as multipart/form-data: `op` is upload, `filecontent` the bytes."""
        path = f"/{request.match_info['path']}"
        if request.headers.get("Authorization", "") not in self._signatures(path):
            return _refused(web.HTTPUnauthorized.status_code, BAD_SIGNATURE, "Authorization is not of this object")
        if not request.content_type.startswith("multipart/"):
            return _refused(web.HTTPBadRequest.status_code, BAD_REQUEST, "send multipart/form-data")
        if (request.content_length or 0) > WHOLE + PIECE:
            return _refused(web.HTTPRequestEntityTooLarge.status_code, BAD_REQUEST, "send more than 20 MB in slices")
        found = False
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "filecontent":
                await self._service.storage.put(path, _pieces(part))
                found = True
        if not found:
            return _refused(web.HTTPBadRequest.status_code, BAD_REQUEST, "filecontent is missing")
        url = f"{self._service.origin}{path}"
        return web.json_response({"code": 0, "message": "SUCCESS", "data": {"access_url": url, "source_url": url}})

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

    async def download(self, request: web.Request) -> web.StreamResponse:
        """An object that was uploaded. What tasks made has an address, but no bytes."""
        if request.path not in self._service.storage:
            raise web.HTTPNotFound
        return web.FileResponse(self._service.storage.file(request.path))


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(PIECE):
        yield piece


def _refused(status: int, code: int, why: str) -> web.Response:
    return web.json_response({"code": code, "message": why}, status=status)
