"""The order of work against a model: any sequence of verbs hands out just the entries that it should."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.journal.conftest import ADAPTERS, Place, arrival, settle
from vodworker.journal.port import Entry, Store
from vodworker.outcome import Again, Dead, Finished

pytestmark = pytest.mark.no_cover

HANDLERS = ("h", "g")
LEASE = 10.0


@dataclass
class Model:
    """An entry as it should be."""

    id: int
    handler: str
    key: str
    recorded: float
    due: float
    state: str = "open"  # open, running, done, dead, discarded
    attempt: int = 0
    fence: int = 0
    lost: int = 0


class Work(RuleBasedStateMachine):
    """Record, claim, settle, lose, release, redrive, discard and adopt, in any order."""

    def __init__(self, place: Place, *, adopts: bool) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = place.clock
        self.adopts = adopts
        self.stack = AsyncExitStack()
        self.store: Store = self.run(self.stack.enter_async_context(place.brief()))
        self.names = count()
        self.entries: list[Model] = []
        self.held: list[Entry] = []

    def run(self, coroutine: Any) -> Any:
        """Do it now."""
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        """Close the store."""
        self.run(self.stack.aclose())
        self.loop.close()

    # the model

    def turn(self, handler: str, key: str) -> Model | None:
        """Whose turn it is in a key: who runs, else the first that has not ended."""
        line = [entry for entry in self.entries if (entry.handler, entry.key) == (handler, key)]
        line = [entry for entry in line if entry.state in ("open", "running")]
        running = [entry for entry in line if entry.state == "running"]
        return next(iter(running or line), None)

    def claimable(self, handler: str) -> list[Model]:
        """What is due, in the order that it is handed out."""
        due = [entry for entry in self.entries if entry.handler == handler and entry.due <= self.clock.now]
        due = [entry for entry in due if entry.state in ("open", "running")]
        due = [entry for entry in due if not entry.key or self.turn(handler, entry.key) is entry]
        return sorted(due, key=lambda entry: (entry.state != "running", entry.due, entry.id))

    def of(self, entry: Entry) -> Model | None:
        """The model of an entry, if it is still its holder's."""
        (model,) = [model for model in self.entries if model.id == entry.id]
        return model if (model.state, model.fence) == ("running", entry.fence) else None

    # the rules

    @rule(
        key=st.sampled_from(["", "k", "k", "l"]),
        handlers=st.sampled_from([("h",), ("h", "g"), ()]),
        number=st.integers(1, 3),
    )
    def record(self, key: str, handlers: tuple[str, ...], number: int) -> None:
        """Events come."""
        arrivals = [arrival(f"{next(self.names)}", key=key, handlers=handlers) for _ in range(number)]
        for receipt in self.run(self.store.record(arrivals)):
            shown = self.run(self.store.show(receipt.event_id))
            self.entries += [
                Model(row["id"], row["handler"], key, self.clock.now, self.clock.now) for row in shown["entries"]
            ]

    @rule(handler=st.sampled_from(HANDLERS), most=st.integers(1, 3))
    def claim(self, handler: str, most: int) -> None:
        """A worker takes what is due."""
        expected = self.claimable(handler)[:most]
        for model in expected:
            model.lost += model.state == "running"
            model.state, model.due = "running", self.clock.now + LEASE
            model.attempt += 1
            model.fence += 1
        pending = [
            entry.due
            for entry in self.entries
            if (entry.handler, entry.state) in ((handler, "open"), (handler, "running"))
            and (not entry.key or self.turn(handler, entry.key) is entry)
            and entry.due > self.clock.now
        ]

        claim = self.run(self.store.claim({handler: most}, lease=LEASE))

        self.held += claim.entries
        assert [(entry.id, entry.attempt, entry.fence, entry.lost) for entry in expected] == [
            (entry.id, entry.attempt, entry.fence, entry.lost) for entry in claim.entries
        ]
        assert (min(pending) - self.clock.now if pending else None) == claim.wait

    @rule(data=st.data(), end=st.sampled_from([Finished(), Again(3.0, ""), Again(0.0, ""), Dead("no")]))
    def settle(self, data: st.DataObject, end: Finished | Again | Dead) -> None:
        """A worker ends a run, maybe long after it lost the entry."""
        if not self.held:
            return
        entry = data.draw(st.sampled_from(self.held))
        model = self.of(entry)
        if model:
            model.state = {Finished: "done", Again: "open", Dead: "dead"}[type(end)]
            model.due = self.clock.now + end.after if isinstance(end, Again) else model.due

        assert (model is not None) == self.run(settle(self.store, entry, end))

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """A worker gives some back, some of them another's by now."""
        given = data.draw(st.lists(st.sampled_from(self.held), max_size=3)) if self.held else []
        for entry in given:
            if model := self.of(entry):
                model.state, model.due = "open", model.recorded
                model.attempt -= 1

        self.run(self.store.release(given))

    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        """A worker renews some leases."""
        asked = data.draw(st.lists(st.sampled_from(self.held), max_size=3)) if self.held else []
        for entry in asked:
            if model := self.of(entry):
                model.due = self.clock.now + LEASE

        assert [entry for entry in asked if not self.of(entry)] == self.run(self.store.keep(asked, lease=LEASE))

    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        """An operator opens dead ones again."""
        asked = data.draw(st.lists(st.sampled_from(self.entries), max_size=3, unique_by=id)) if self.entries else []
        dead = [model for model in asked if model.state == "dead"]
        for model in dead:
            model.state, model.due, model.attempt, model.lost = "open", self.clock.now, 0, 0

        assert len(dead) == self.run(self.store.redrive([model.id for model in asked]))

    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        """An operator ends some for good."""
        asked = data.draw(st.lists(st.sampled_from(self.entries), max_size=3, unique_by=id)) if self.entries else []
        over = [
            model
            for model in asked
            if model.state in ("open", "dead") or (model.state == "running" and model.due <= self.clock.now)
        ]
        for model in over:
            model.state = "discarded"

        assert len(over) == self.run(self.store.discard([model.id for model in asked], why="x"))

    @precondition(lambda self: self.adopts)
    @rule()
    def adopt(self) -> None:
        """A daemon died, and the next opens what it ran."""
        running = [model for model in self.entries if model.state == "running"]
        for model in running:
            model.state, model.due = "open", self.clock.now
            model.lost += 1

        assert len(running) == self.run(self.store.adopt())

    @rule(seconds=st.sampled_from([1.0, 3.0, LEASE]))
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @invariant()
    def counts_agree(self) -> None:
        """Every entry is in the state that it should be."""
        counts = self.run(self.store.counts())
        expected = [model.state for model in self.entries]

        assert counts["ready"] + counts["blocked"] == expected.count("open")
        for state in ("running", "done", "dead", "discarded"):
            assert counts[state] == expected.count(state), state


@pytest.mark.timeout(60)  # a busy machine takes its time for a thousand transactions
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_the_order_of_work(adapter: str, request: pytest.FixtureRequest) -> None:
    """Whatever happens in whatever order, each store does what the model does."""
    run_state_machine_as_test(
        lambda: Work(ADAPTERS[adapter](request), adopts=adapter == "sqlite"),  # type: ignore[arg-type]  # makes one, too
        settings=settings(max_examples=25, stateful_step_count=25, deadline=None),
    )
