"""A tiny signed client of the emulator, on `sign` alone: what it sends is what a test says."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import count
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


@pytest.fixture
def settings() -> Settings:
    """An emulator in a hurry: a test that needs others overrides this."""
    return Settings(hold=0.05, seed=1, speed=1000.0)


@pytest.fixture
async def emulator(settings: Settings) -> AsyncIterator[Emulator]:
    """A running emulator."""
    async with Emulator.serve(settings=settings) as emulator:
        yield emulator


@pytest.fixture
async def call(emulator: Emulator) -> AsyncIterator[Caller]:
    """A client of it."""
    async with aiohttp.ClientSession() as http:
        yield Caller(emulator, http)
