"""What the measurements rest on: a journal that is filled is one, and a simulation agrees with arithmetic."""

from pathlib import Path

import pytest

from bench import flat
from bench.ceilings.lost import WELL, Trouble, lost
from bench.ceilings.network import use
from bench.growing.simulation import Costs, Plant, play
from vodworker.journal.sqlite import open_sqlite

pytestmark = pytest.mark.no_cover

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


def test_what_is_not_used_of_a_ceiling_is_told() -> None:
    """With what was used, what was lost in each trouble is all that was allowed; of two troubles the first counts."""
    arrivals = [0.0, 0.0, 70.0, 70.0, 130.0, 142.0]
    troubles = [Trouble("away", 61.0, 65.0), Trouble("dead", 60.0, 67.0), Trouble("away", 131.0, 132.0)]
    allowed = 70 + 70 + 60 + 72

    parts = lost(arrivals, 2, troubles)

    assert {"away": 9 / allowed, "dead": 6 / allowed, WELL: 17 / allowed} == pytest.approx(parts)
    assert pytest.approx(1.0) == use(arrivals, 2) + sum(parts.values())
    assert {"away": 0.0, "dead": 0.0, WELL: 0.0} == lost(arrivals[:2], 2, troubles)


async def test_a_filled_journal_is_one(tmp_path: Path) -> None:
    """What is measured is a journal as daemons leave it: finished, due, waiting for its key, and backing off."""
    file = tmp_path / "journal.db"
    flat.fill(f"sqlite:///{file}", 10, 3 * flat.KEYS + 30)
    async with open_sqlite(file) as store:
        counts = await store.counts()
        claim = await store.claim({"h": 5000}, lease=60)

    assert (10, 10) == (counts["done"], counts["blocked"])
    assert 2 * flat.KEYS + 10 == len(claim.entries)
