"""What the measurements rest on: a journal that is filled is one, and a simulation agrees with arithmetic."""

from pathlib import Path

import pytest

from bench import flat
from bench.growing.simulation import Costs, Plant, play
from vodworker.journal.sqlite import open_sqlite

COSTS = Costs(daemon=0.001, database=0.002, idle_daemon=0.0, idle_database=0.0)


@pytest.mark.parametrize(
    "plant,rate,full",
    [
        (Plant(COSTS, tasks=True), 100 / 60, "tasks"),
        (Plant(COSTS, replicas=2, handler=4.0), 2 * 16 / 4, "handlers"),
        (Plant(Costs(0.1, 0.0, 0.0, 0.0), replicas=2), 20, "daemons"),
        (Plant(Costs(0.0, 0.2, 0.0, 0.0), accounts=2, cores=2), 10, "database"),
        (Plant(Costs(0.001, 0.001, 0.0, 0.4), accounts=4, cores=2, arriving=5.0), 20, "database"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_the_next_ceiling_is_found(plant: Plant, rate: float, full: str) -> None:
    """What can be served in a second is the least that any station can, and that station is named."""
    outcome = play(plant)

    assert pytest.approx(rate, rel=0.1) == outcome.rate
    assert full == outcome.full


async def test_a_filled_journal_is_one(tmp_path: Path) -> None:
    """What is measured is a journal as daemons leave it: finished, due, waiting for its key, and backing off."""
    file = tmp_path / "journal.db"
    flat.fill(f"sqlite:///{file}", 10, 3 * flat.KEYS + 30)
    async with open_sqlite(file) as store:
        counts = await store.counts()
        claim = await store.claim({"h": 5000}, lease=60)

    assert (10, 10) == (counts["done"], counts["blocked"])
    assert 2 * flat.KEYS + 10 == len(claim.entries)
