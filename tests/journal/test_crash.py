"""Killed at any instant, a process leaves a journal that has all it was told of, and that the next can work with."""

import random
import sqlite3
import sys
from asyncio import create_subprocess_exec, timeout
from asyncio.subprocess import PIPE
from collections import defaultdict
from pathlib import Path

import pytest

from tests.journal.conftest import SCHEMAS
from tests.journal.crashing import opened
from tests.postgresql import Cluster
from vodworker.journal.port import Filter

KILLS = 3
CHILD = Path(__file__).with_name("crashing.py")


async def killed(url: str, *, lines: int) -> dict[str, list[list[str]]]:
    """Let a process work until it has told so much, kill it, and return what it told, by its first word."""
    child = await create_subprocess_exec(sys.executable, CHILD, url, stdout=PIPE)
    assert child.stdout
    told: list[str] = []
    async with timeout(30):
        while len(told) < lines:
            told.append((await child.stdout.readline()).decode())
        child.kill()
        told += (await child.stdout.read()).decode().splitlines(keepends=True)
        await child.wait()
    facts: dict[str, list[list[str]]] = defaultdict(list)
    for word, *rest in (line.split() for line in told if line.endswith("\n")):
        facts[word].append(rest)
    return facts


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the journal is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/journal.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(schema=f"s{next(SCHEMAS)}")


def sound(url: str) -> bool:
    """Whether a file is whole; a database sees to that itself."""
    if not url.startswith("sqlite:"):
        return True
    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return [("ok",)] == db.execute("PRAGMA integrity_check").fetchall()
    finally:
        db.close()


@pytest.mark.process
@pytest.mark.timeout(60)
async def test_what_was_told_outlives_a_kill(url: str) -> None:
    """Over kills at any instant, no recorded event, acceptance, token, call or end is lost, and the file is sound."""
    chance = random.Random(1)
    running, done, attempts = set[int](), set[int](), defaultdict[int, int](int)
    tokens = 0
    for _ in range(KILLS):
        facts = await killed(url, lines=chance.randrange(20, 120))
        async with opened(url) as store:
            states = {row["event_id"]: row["state"] for row in await store.list(Filter(limit=100_000))}
            running = {event for event, state in states.items() if state == "running"}
            for event, name in facts["recorded"]:
                shown = await store.show(int(event))
                assert (name, True) == (shown and shown["body"], int(event) in states)
            done |= {int(event) for word in ("done", "dead") for (event,) in facts[word]}
            assert set() == {event for event in done if states[event] not in ("done", "dead")}
            for event, attempt in facts["claimed"]:
                assert attempts[int(event)] < int(attempt)
                attempts[int(event)] = int(attempt)
            for word, state in (("intended", ("in doubt", "replied")), ("replied", ("replied",))):
                for (event,) in facts[word]:
                    (call,) = (await store.show(int(event)) or {})["calls"]
                    assert call["state"] in state
            tokens += len(facts["took"])
            free = await store.free({"A": 10**6})
            assert 10**6 - tokens - len(states) <= free["A"] <= 10**6 - tokens
            for (event,) in facts["accepted"]:
                assert "accepted" == (await store.show(int(event)) or {})["confirmation"]

    assert sound(url)
    assert len(running) <= (1 if url.startswith("sqlite:") else KILLS)  # where nothing is adopted, leases have to end
