"""The answers over HTTP: a server on a loopback port, and whatever a prober may ask of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from vodworker.cloud.limiter import Limiter
from vodworker.config import Address
from vodworker.errors import VodworkerError
from vodworker.journal.sqlite import open_sqlite
from vodworker.log import log, setup
from vodworker.watch import Systemd, Watch
from vodworker.watch.http import answering


class Prober:
    """Asks a watch over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, watch: Watch, origin: str) -> None:
        self.watch = watch
        self._session = session
        self._origin = origin

    async def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """The status and the object that came."""
        async with self._session.get(f"{self._origin}{path}") as response:
            return response.status, await response.json()

    async def scrape(self) -> list[str]:
        """The lines of /metrics."""
        async with self._session.get(f"{self._origin}/metrics") as response:
            assert "text/plain; version=0.0.4; charset=utf-8" == response.headers["Content-Type"]
            return (await response.text()).splitlines()


@asynccontextmanager
async def probed() -> AsyncGenerator[Prober]:
    """A watch that answers, and a prober."""
    setup("json", "error")
    watch = Watch(Systemd.of({}))
    with watch.listening():
        async with (
            answering(Address("127.0.0.1", 0), watch, ["upload"], limit=lambda _: 100) as address,
            aiohttp.ClientSession() as session,
        ):
            yield Prober(session, watch, f"http://{address}")


async def test_healthz_and_readyz_tell_why() -> None:
    """A start is alive with 200, and not ready with 503 and every reason in the body."""
    async with probed() as prober:
        alive, ready = await prober.ask("/healthz"), await prober.ask("/readyz")

    assert (200, {"alive": True, "problems": []}) == alive
    problems = ["the journal is not open yet", "no pull has worked yet"]
    assert (503, {"ready": False, "problems": problems, "last_pull": None}) == ready


async def test_a_stalled_daemon_is_told_so() -> None:
    """What is wrong with a daemon that must be restarted is in the body of a 503."""
    async with probed() as prober:
        prober.watch.health.lag = 60.0
        status, body = await prober.ask("/healthz")

    assert (503, False) == (status, body["alive"])
    assert "the event loop was 60 s late" in body["problems"][0]


async def test_it_is_ready_when_the_journal_and_the_cloud_are(tmp_path: Path) -> None:
    """With a journal that answers and a pull that worked, one that is not written too, it is ready; scrapes say so."""
    async with (
        probed() as prober,
        open_sqlite(tmp_path / "journal.db") as store,
        Limiter(store, limit=lambda _: 100, hold=15.0) as limiter,
        asyncio.TaskGroup() as group,
    ):
        asking = group.create_task(prober.watch.ask(store, limiter))
        log.debug("pull.done", events=0)
        while (await prober.ask("/readyz"))[0] != 200:
            pass
        lines = await prober.scrape()
        asking.cancel()
        await asyncio.wait([asking])
        after = await prober.scrape()

    told = [
        "vodworker_ready 1.0",
        "vodworker_alive 1.0",
        "vodworker_journal_answers 1.0",
        'vodworker_entries{state="ready"} 0.0',
    ]
    assert set() == set(told) - set(lines)
    assert {'vodworker_tokens_free{action="PullEvent"} 100.0', 'vodworker_pulls_total{result="done"} 1.0'} <= set(lines)
    assert "vodworker_journal_answers 0.0" in after


async def test_nothing_else_is_answered() -> None:
    """Other paths are not there, and nothing can be sent."""
    async with probed() as prober, aiohttp.ClientSession() as session:
        origin = prober._origin
        async with session.get(f"{origin}/") as root, session.post(f"{origin}/healthz") as post:
            statuses = (root.status, post.status)

    assert (404, 405) == statuses


async def test_an_address_in_use_is_told() -> None:
    """A port that another program has is told with its remedy."""
    async with probed() as prober:
        taken = Address("127.0.0.1", int(prober._origin.rpartition(":")[2]))
        with pytest.raises(
            VodworkerError, match=r"nothing can listen on 127.0.0.1:\d+: Address already in use; choose"
        ):
            async with answering(taken, prober.watch, [], limit=lambda _: 100):
                pass
