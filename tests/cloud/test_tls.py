"""Who answers must be who was asked: a certificate that nobody vouches for is refused, whatever is set."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from vodworker.api import ACTIONS, GetTaskList
from vodworker.app import service
from vodworker.config import load
from vodworker.errors import Unreachable


def self_made(folder: Path) -> ssl.SSLContext:
    """A certificate for this machine that its maker alone vouches for."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on this machine")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made: list[str | Path] = ["-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1"]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", "-x509", *made, *named], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def impostor(context: ssl.SSLContext) -> AsyncGenerator[tuple[str, list[str]]]:
    """Answers every call well; its address, and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.text())
        return web.json_response({"code": 0})

    app = web.Application()
    app.router.add_post("/v2/index.php", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def test_an_impostor_is_sent_nothing(tmp_path: Path) -> None:
    """A call to who cannot prove to be the service fails before anything is sent."""
    async with impostor(self_made(tmp_path)) as (address, asked):
        (tmp_path / "vodworker.toml").write_text(
            f'[account]\nendpoint = "{address}"\nsecret_id = "test-secret-id"\nsecret_key = "test-secret-key"\n'
            f'[calls]\nretries = 0\n[journal]\nurl = "sqlite:///{tmp_path}/journal.db"\n'
        )
        settings = load(environ={}, actions=ACTIONS, file=tmp_path / "vodworker.toml", places=(), run_secrets=tmp_path)
        async with service(settings, sole=False) as cloud:
            with pytest.raises(Unreachable, match="certificate verify failed") as caught:
                await cloud.vod.call(GetTaskList(status="FINISH"))

    assert not caught.value.sent
    assert [] == asked
