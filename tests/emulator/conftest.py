"""A tiny signed client of the emulator, on `sign` alone: what it sends is what a test says."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import pytest

from vodworker import sign, wire
from vodworker.emulator import Emulator, Settings

PATH = "/v2/index.php"
NONCES = count(1)


@dataclass
class Caller:
    """Signs and sends calls to one emulator."""

    emulator: Emulator
    http: aiohttp.ClientSession
    secret_id: str = "test-secret-id"
    secret_key: str = "test-secret-key"
    common: dict[str, str] = field(default_factory=dict[str, str])

    def params(self, action: str, **own: object) -> dict[str, str]:
        """The parameters of a call, all but the signature."""
        common = {
            "Action": action,
            "Region": "gz",
            "Timestamp": str(int(time())),
            "Nonce": str(next(NONCES)),
            "SecretId": self.secret_id,
            "SignatureMethod": "HmacSHA256",
        }
        return {**common, **self.common, **wire.flatten(own)}

    def sign(self, params: Mapping[str, str], *, method: str = "POST", host: str | None = None) -> dict[str, str]:
        """The same with its signature."""
        host = host or self.emulator.origin.removeprefix("http://")
        return sign.signed(params, secret_key=self.secret_key, method=method, host=host, path=PATH)

    async def post(self, params: Mapping[str, str]) -> dict[str, Any]:
        """Send these parameters as a form; the reply."""
        async with self.http.post(self.emulator.url, data=params) as response:
            assert 200 == response.status
            return dict(await response.json())

    async def get(self, params: Mapping[str, str]) -> dict[str, Any]:
        """Send these parameters as a query; the reply."""
        async with self.http.get(self.emulator.url, params=params) as response:
            assert 200 == response.status
            return dict(await response.json())

    async def __call__(self, action: str, **own: object) -> dict[str, Any]:
        """Call an action, parameters by their names on the wire; the reply, whatever its code."""
        return await self.post(self.sign(self.params(action, **own)))

    async def good(self, action: str, **own: object) -> dict[str, Any]:
        """Call an action; the reply, which must be a good one."""
        reply = await self(action, **own)
        assert 0 == reply["code"], reply
        return reply

    async def send(self, session: Mapping[str, Any], part: str, body: bytes, *, signature: str | None = None) -> int:
        """Send the bytes of an upload's video or cover to the object store; the HTTP status."""
        place = session[part]
        form = aiohttp.FormData({"op": "upload"})
        form.add_field("filecontent", body, filename="file")
        url = f"{self.emulator.origin}/files/v2/{session['storageAppId']}/{session['storageBucket']}"
        headers = {"Authorization": place["storageSignature"] if signature is None else signature}
        async with self.http.post(f"{url}{place['storagePath']}", data=form, headers=headers) as response:
            await response.read()
            return response.status

    async def upload(self, name: str, body: bytes = b"bytes", **own: object) -> str:
        """Upload a file and its cover, if one is asked for; its id."""
        session = await self.good("ApplyUpload", videoType=name.rpartition(".")[2], videoName=name, **own)
        for part in ("video", "cover"):
            if part in session:
                assert 200 == await self.send(session, part, body)
        return str((await self.good("CommitUpload", vodSessionKey=session["vodSessionKey"]))["fileId"])

    async def events(self, number: int, *, type: str = "") -> list[dict[str, Any]]:  # noqa: A002  # a keyword only
        """Pull and confirm until there are so many events, of this type if one is named; their contents."""
        found: list[dict[str, Any]] = []
        while len(found) < number:
            reply = await self("PullEvent")
            pulled = reply.get("eventList", [])
            if pulled:
                await self.good("ConfirmEvent", msgHandle=[one["msgHandle"] for one in pulled])
            found += [one["eventContent"] for one in pulled if one["eventContent"]["eventType"].startswith(type)]
        return found


@pytest.fixture
def settings() -> Settings:
    """An emulator in a hurry: a test that needs others overrides this."""
    return Settings(hold=0.05, seed=1, speed=1000.0)


@asynccontextmanager
async def account(settings: Settings | None = None, state_file: Path | None = None) -> AsyncGenerator[Caller]:
    """A running emulator and a client of it, where fixtures cannot be had: in virtual time, or twice."""
    async with Emulator.serve(settings=settings, state_file=state_file) as emulator, aiohttp.ClientSession() as http:
        yield Caller(emulator, http)


@pytest.fixture
async def call(settings: Settings) -> AsyncIterator[Caller]:
    """A client of a running emulator."""
    async with account(settings) as caller:
        yield caller


@pytest.fixture
def emulator(call: Caller) -> Emulator:
    """The emulator that is called."""
    return call.emulator
