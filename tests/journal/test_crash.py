"""Killed at any instant, a process leaves a journal that has all it was told of, and that the next can work with."""

import random
import sqlite3
import sys
from asyncio import create_subprocess_exec, timeout
from asyncio.subprocess import PIPE
from collections import defaultdict
from pathlib import Path

import pytest

from vodworker.journal.port import Filter
from vodworker.journal.sqlite import open_sqlite

CHILD = Path(__file__).with_name("crashing.py")


async def killed(path: Path, *, lines: int) -> dict[str, list[list[str]]]:
    """Let a process work until it has told so much, kill it, and return what it told, by its first word."""
    child = await create_subprocess_exec(sys.executable, CHILD, path, stdout=PIPE)
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


@pytest.mark.process
@pytest.mark.timeout(60)
async def test_what_was_told_outlives_a_kill(tmp_path: Path) -> None:
    """Over kills at any instant, no recorded event, acceptance, token, call or end is lost, and the file is sound."""
    path, chance = tmp_path / "journal.db", random.Random(1)
    running, done, attempts = set[int](), set[int](), defaultdict[int, int](int)
    tokens = 0
    for _ in range(3):
        facts = await killed(path, lines=chance.randrange(20, 120))
        async with open_sqlite(path) as store:
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
    db = sqlite3.connect(path)
    sound = db.execute("PRAGMA integrity_check").fetchall()
    db.close()

    assert ([("ok",)], True) == (sound, len(running) <= 1)
