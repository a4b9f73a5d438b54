"""Serves watermark templates, and takes their pictures: promised, put with HTTP PUT, then made into a template."""

import re
from collections.abc import AsyncIterator

from aiohttp import web

from vodworker.api.watermarks import (
    ApplyUploadWatermark,
    CreateWatermarkTemplate,
    DeleteWatermarkTemplate,
    NewWatermark,
    QueryWatermarkTemplate,
    QueryWatermarkTemplateList,
    UpdateWatermarkTemplate,
    Watermark,
    WatermarkList,
    WatermarkTemplate,
    WatermarkUpload,
)
from vodworker.emulator.refusal import (
    ILLEGAL,
    MISSING_TEMPLATE,
    WATERMARK_DEFINITION,
    WATERMARK_URL,
    WATERMARKS_FULL,
    Refusal,
)
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Json, Template

FOLDER = "/watermarks"
OWN = 16  # as of transcode templates; the manual says that there is a limit, not which
LARGEST = 5 * 1024 * 1024  # bytes of a picture: a choice
FORMAT = re.compile(r"[0-9A-Za-z]{1,5}")


async def apply_upload(service: Service, call: ApplyUploadWatermark) -> WatermarkUpload:
    """Promise a place for a picture."""
    if not FORMAT.fullmatch(call.type):
        raise Refusal(ILLEGAL, f"type {call.type!r} is no format of a picture")
    path = f"{FOLDER}/{service.new_file_id()}.{call.type}"
    service.state.pictures[path] = service.secret()
    return WatermarkUpload(upload_url=f"{service.origin}{path}?sign={service.state.pictures[path]}")


async def create(service: Service, call: CreateWatermarkTemplate) -> NewWatermark:
    """Make a template of a picture that is there."""
    if len(service.state.watermark_templates) >= OWN:
        raise Refusal(WATERMARKS_FULL, f"there are {OWN} templates already; delete one first")
    _check_picture(service, call.url)
    definition, now = service.state.next(), service.clock.now()
    service.state.watermark_templates[definition] = Template(definition, _asked(call), now, now)
    return NewWatermark(definition=definition)


def _check_picture(service: Service, url: str) -> None:
    """Refuse an address that was not given out, or to which nothing was put; its signature may be left out."""
    path = url.removeprefix(service.origin).partition("?")[0]
    if path not in service.state.pictures or path not in service.storage:
        raise Refusal(WATERMARK_URL, "url is not one that ApplyUploadWatermark gave, or nothing was put there")


def _asked(call: CreateWatermarkTemplate | UpdateWatermarkTemplate) -> Json:
    return call.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"definition"})


async def query_list(service: Service, _: QueryWatermarkTemplateList) -> WatermarkList:
    """All templates."""
    return WatermarkList(
        watermark_list=tuple(Watermark(**_told(one)) for one in service.state.watermark_templates.values())
    )


def _told(template: Template) -> Json:
    facts = {"definition": template.definition, "create_time": int(template.created), "status": 0}
    return {"name": "", "comment": ""} | template.asked | facts | {"update_time": int(template.updated)}


async def query(service: Service, call: QueryWatermarkTemplate) -> WatermarkTemplate:
    """One template."""
    return WatermarkTemplate(**_told(_find(service, call.definition, MISSING_TEMPLATE)))


def _find(service: Service, definition: int, code: int) -> Template:
    if found := service.state.watermark_templates.get(definition):
        return found
    raise Refusal(code, f"there is no watermark template {definition}")


async def update(service: Service, call: UpdateWatermarkTemplate) -> None:
    """Change what is given."""
    old = _find(service, call.definition, WATERMARK_DEFINITION)
    if call.url is not None:
        _check_picture(service, call.url)
    asked = old.asked | _asked(call)
    now = service.clock.now()
    service.state.watermark_templates[old.definition] = Template(old.definition, asked, old.created, now)


async def delete(service: Service, call: DeleteWatermarkTemplate) -> None:
    """Delete a template; the action knows no code of its own for one that is not there."""
    del service.state.watermark_templates[_find(service, call.definition, ILLEGAL).definition]


SERVES: Serves = {
    ApplyUploadWatermark: apply_upload,
    CreateWatermarkTemplate: create,
    QueryWatermarkTemplateList: query_list,
    QueryWatermarkTemplate: query,
    UpdateWatermarkTemplate: update,
    DeleteWatermarkTemplate: delete,
}


class Pictures:
    """The door for the pictures of watermarks, which take no other way than HTTP PUT."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __repr__(self) -> str:
        return f"<Pictures, {len(self._service.state.pictures)} promised>"

    def add_to(self, app: web.Application) -> None:
        """Serve on this application."""
        app.router.add_put(f"{FOLDER}/{{name}}", self.put)
        app.router.add_get(f"{FOLDER}/{{name}}", self.get)

    async def put(self, request: web.Request) -> web.Response:
        """Take the picture that was promised a place, its bytes as the body."""
        if self._service.state.pictures.get(request.path, "") != request.query.get("sign"):
            raise web.HTTPForbidden
        await self._service.storage.put(request.path, _bytes(request))
        return web.Response()

    async def get(self, request: web.Request) -> web.StreamResponse:
        """A picture that was put."""
        if request.path not in self._service.storage:
            raise web.HTTPNotFound
        return web.FileResponse(self._service.storage.file(request.path))


async def _bytes(request: web.Request) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > LARGEST:
            raise web.HTTPRequestEntityTooLarge(LARGEST, size)
        yield chunk
