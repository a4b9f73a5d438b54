"""Replies as a bad network delivers them: cut, torn, or somebody else's."""

from contextlib import suppress

from aiohttp import web

from vodworker.emulator.faults import Cut, End, Foreign, Http, Truncated


async def mangled(end: End | None, request: web.Request, body: bytes) -> web.StreamResponse:
    """The response that carries this body, or what comes instead of it."""
    match end:
        case Cut():
            hang_up(request, flush=False)
        case Http(status=status):
            return web.Response(status=status, text=f"{status}: a gateway answers, not the service")
        case Foreign(status=status, body=text):
            return web.Response(status=status, text=text, content_type="text/html")
        case Truncated(keep=keep, broken=False):
            return _json(body[: int(len(body) * keep)])
        case Truncated(keep=keep):
            return await _torn(request, body, int(len(body) * keep))
        case _:
            pass
    return _json(body)


def hang_up(request: web.Request, *, flush: bool) -> None:
    """Break the connection; with `flush` what was written is sent first. What is broken already stays so."""
    if request.transport is not None:
        if flush:
            request.transport.close()
        else:
            request.transport.abort()


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


async def _torn(request: web.Request, body: bytes, keep: int) -> web.StreamResponse:
    """A response that promises more than comes."""
    response = web.StreamResponse()
    response.content_type = "application/json"
    response.content_length = len(body)
    with suppress(ConnectionResetError):  # its caller has hung up already
        await response.prepare(request)
        await response.write(body[:keep])
    hang_up(request, flush=True)
    return response
