"""A server that says what it is told to, byte for byte, and a client that speaks with it."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.queue import Queue
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces


@dataclass
class Answer:
    """What the server says. cut: it hangs up after so many bytes; late: it answers after so many seconds."""

    body: bytes = b'{"code":0}'
    status: int = 200
    cut: int | None = None
    late: float = 0.0


@dataclass
class Line:
    """A client, its queue, and the server at the other end. The last answer is given again and again."""

    vod: Vod
    queue: Queue
    answers: list[Answer]
    asked: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def actions(self) -> list[str]:
        """The actions that arrived, in order."""
        return [str(form["Action"]) for form in self.asked]


Lines = Callable[..., Any]


@pytest.fixture
def line() -> Lines:
    """Make lines to enter, each with the answers that its server gives."""

    @asynccontextmanager
    async def opened(
        *answers: Mapping[str, Any], endpoint: str = "", limit: int = 100, **options: Any
    ) -> AsyncGenerator[Line]:
        clock = asyncio.get_running_loop().time
        script = [Answer(**said) for said in answers]
        asked: list[Mapping[str, Any]] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            asked.append(dict(await request.post()))
            said = script.pop(0) if len(script) > 1 else script[0]
            await asyncio.sleep(said.late)
            if said.cut is None:
                return web.Response(body=said.body, status=said.status)
            response = web.StreamResponse(headers={"Content-Length": str(len(said.body))})
            await response.prepare(request)
            await response.write(said.body[: said.cut])
            assert request.transport
            request.transport.close()
            return response

        app = web.Application()
        app.router.add_post("/v2/index.php", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        account = Account(
            endpoint=endpoint or f"http://{host}:{port}/v2/index.php",
            secret_id="test-secret-id",
            secret_key="test-secret-key",
        )
        chance = random.Random(7)
        try:
            async with (
                open_sqlite(":memory:", now=lambda: 1e9 + clock()) as store,
                Limiter(store, limit=lambda _: limit, hold=15.0) as limiter,
                aiohttp.ClientSession() as session,
            ):
                vod = Vod(
                    session,
                    account,
                    limiter=limiter,
                    nonces=nonces(chance.random).__next__,
                    random=chance.random,
                    **options,
                )
                yield Line(vod, Queue(vod, limiter=limiter, limit=lambda _: limit), script, asked)
        finally:
            await runner.cleanup()

    return opened
