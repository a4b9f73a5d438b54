"""Where an operator's tools ask: /healthz and /readyz with the reason in the body, /metrics for Prometheus."""

import socket
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from vodworker.config import Address
from vodworker.errors import VodworkerError
from vodworker.log import dumps
from vodworker.watch.scrape import Scrape
from vodworker.watch.watch import Watch

OK, UNAVAILABLE = 200, 503


@asynccontextmanager
async def answering(
    listen: Address, watch: Watch, handlers: Iterable[str], *, limit: Callable[[str], int]
) -> AsyncGenerator[str]:
    """Answer as long as the block lasts; gives the address. handlers, limit: as `Scrape` wants them.

    Raises a `VodworkerError` when it cannot be: no `ConfigError`, because whoever has the port may be on the way out.
    """
    scrape = Scrape(watch, handlers, limit=limit)
    app = web.Application()
    answers = Answers(watch, scrape)
    app.router.add_get("/healthz", answers.healthz)
    app.router.add_get("/readyz", answers.readyz)
    app.router.add_get("/metrics", answers.metrics)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    try:
        listener = listening(listen)
        await web.SockSite(runner, listener).start()
        with scrape.counting():
            yield str(Address(*listener.getsockname()[:2]))
    finally:
        await runner.cleanup()


def listening(at: Address) -> socket.socket:
    """A socket that listens there; port 0 takes a free one."""
    try:
        return socket.create_server(at, family=socket.AF_INET6 if ":" in at.host else socket.AF_INET)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]  # asyncio's own words follow in brackets
        raise VodworkerError(f"nothing can listen on {at}: {why}; choose another http.listen") from error


class Answers:
    """The answer to each question."""

    def __init__(self, watch: Watch, scrape: Scrape) -> None:
        self._health = watch.health
        self._scrape = scrape

    def __repr__(self) -> str:
        return f"<Answers of {self._health!r}>"

    async def healthz(self, _request: web.Request) -> web.Response:
        """200 while the process need not be restarted. A loop that is blocked does not answer, which tells the same."""
        return verdict("alive", self._health.stalled())

    async def readyz(self, _request: web.Request) -> web.Response:
        """200 while events are taken in."""
        pulled = self._health.pulled
        return verdict("ready", self._health.unready(), last_pull=None if pulled is None else round(pulled, 1))

    async def metrics(self, _request: web.Request) -> web.Response:
        """All metrics."""
        body = await self._scrape.text()
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


def verdict(name: str, problems: list[str], **facts: object) -> web.Response:
    """The state of things, and why."""
    body = {name: not problems, "problems": problems, **facts}
    return web.json_response(
        body=dumps(body) + b"\n", status=UNAVAILABLE if problems else OK, headers={"Cache-Control": "no-store"}
    )
