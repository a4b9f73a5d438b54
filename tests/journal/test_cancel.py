"""A caller that is cancelled, at every step of a verb: it happened whole or not at all, and nothing hangs."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from tests.journal.conftest import Clock, Place, arrival, claim, claim_one, record, settle, states
from vodworker.errors import JournalError
from vodworker.journal.port import Store
from vodworker.outcome import Finished


class Gate(Clock):
    """A clock that can be held: a store that asks for the time, as it does in each transaction, stands still."""

    def __init__(self) -> None:
        super().__init__()
        self._open = threading.Event()
        self._open.set()
        self._reached = threading.Event()

    def __call__(self) -> float:
        """The time, once the gate is open."""
        self._reached.set()
        self._open.wait()
        return self.now

    def shut(self) -> None:
        """Hold the next transaction."""
        self._reached.clear()
        self._open.clear()

    def open(self) -> None:
        """Let it go on."""
        self._open.set()

    async def reached(self) -> None:
        """Return when a transaction stands at the gate."""
        await asyncio.to_thread(self._reached.wait)


@pytest.fixture
def gate(place: Place) -> Gate:
    """The gate in the store's way."""
    place.clock = gate = Gate()
    return gate


@pytest.fixture
async def held(place: Place, gate: Gate) -> AsyncGenerator[Store]:
    """A store behind the gate."""
    async with place.brief() as store:
        try:
            yield store
        finally:
            gate.open()


Verb = Callable[[Store], Coroutine[Any, Any, object]]


async def cancelled_at_the_gate(store: Store, gate: Gate, verb: Verb) -> None:
    """Ask, and cancel while the transaction is under way."""
    gate.shut()
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(verb(store))
        await gate.reached()
        asked.cancel()
        await asyncio.sleep(0)
        gate.open()


async def cancelled_in_line(store: Store, gate: Gate, verb: Verb) -> None:
    """Ask, and cancel before the transaction has begun, because another is under way."""
    gate.shut()
    async with asyncio.TaskGroup() as group:
        group.create_task(store.counts())
        await gate.reached()
        asked = group.create_task(verb(store))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.sleep(0)
        gate.open()


async def cancelled_at_once(store: Store, _gate: Gate, verb: Verb) -> None:
    """Ask, and cancel in the same turn of the loop."""
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(verb(store))
        await asyncio.sleep(0)
        asked.cancel()


async def cancelled_with_the_answer(store: Store, gate: Gate, verb: Verb) -> None:
    """Ask, and cancel when the answer is there but the caller has not heard it; tokens may be taken apart."""
    gate.shut()

    async def neighbour(other: Verb) -> None:
        await other(store)  # in the same transaction, and the first to hear
        asked.cancel()

    async with asyncio.TaskGroup() as group:
        group.create_task(neighbour(lambda store: store.counts()))
        group.create_task(neighbour(lambda store: store.take("B", limit=1, hold=75)))
        asked = group.create_task(verb(store))
        await gate.reached()
        gate.open()


CANCELLED = pytest.mark.parametrize(
    "cancelled", [cancelled_at_once, cancelled_in_line, cancelled_at_the_gate, cancelled_with_the_answer]
)
Cancelled = Callable[[Store, Gate, Verb], Coroutine[Any, Any, None]]


@CANCELLED
async def test_a_cancelled_claim_takes_nothing(held: Store, gate: Gate, cancelled: Cancelled) -> None:
    """What it had got is due at once, its attempt not counted."""
    await record(held, arrival("a", key="k"), arrival("b", key="k"), arrival("c"))

    await cancelled(held, gate, lambda store: store.claim({"h": 5}, lease=60))

    assert [("k", 1), ("", 1)] == [(entry.key, entry.attempt) for entry in await claim(held)]


@CANCELLED
async def test_a_cancelled_take_spends_nothing(held: Store, gate: Gate, cancelled: Cancelled) -> None:
    """The token that nobody heard of is free at once."""
    await cancelled(held, gate, lambda store: store.take("A", limit=1, hold=75))

    assert isinstance(await held.take("A", limit=1, hold=75), list)


@CANCELLED
async def test_a_cancelled_wait_for_a_token_is_nothing(held: Store, gate: Gate, cancelled: Cancelled) -> None:
    """There is nothing to take back from an answer that only told how long to wait."""
    await held.take("A", limit=1, hold=75)

    await cancelled(held, gate, lambda store: store.take("A", limit=1, hold=75))

    assert {"A": 0} == await held.free({"A": 1})


@CANCELLED
async def test_what_was_asked_is_done(held: Store, gate: Gate, cancelled: Cancelled) -> None:
    """Every other verb happens whole, though nobody waits for it any more."""
    await record(held, arrival("a"))
    entry = await claim_one(held)

    async def all_at_once(store: Store) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(store.record([arrival("b"), arrival("c")]))
            group.create_task(store.intend(entry, action="A", identity="x", request=b"{}"))
            group.create_task(settle(store, entry, Finished()))

    await cancelled(held, gate, all_at_once)
    await held.counts()  # in the same transaction, perhaps: a store need not keep the order of who does not wait

    assert ["done"] == await states(held)
    assert (3, True) == ((await held.counts())["events"], await held.find(entry, identity="x") is not None)


@CANCELLED
async def test_a_cancelled_failure_troubles_nobody(held: Store, gate: Gate, cancelled: Cancelled) -> None:
    """An error that nobody waits for is dropped, whatever would have been taken back."""
    too_many = 2**70  # more than a store's numbers

    await cancelled(held, gate, lambda store: store.claim({"h": too_many}, lease=60))
    await cancelled(held, gate, lambda store: store.show(too_many))

    assert 0 == (await held.counts())["events"]


async def test_a_cancelled_claim_that_fails_has_nothing_to_give_back(held: Store) -> None:
    """The error reaches the caller that waits."""
    with pytest.raises(JournalError, match="cannot keep this"):
        await held.claim({"h": 2**70}, lease=60)


async def test_closing_waits_for_what_is_taken_back(place: Place, gate: Gate) -> None:
    """A claim that is cancelled by the stop is given back before the store is closed."""
    async with place.brief() as store:
        await record(store, arrival("a"))
        gate.shut()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(store.claim({"h": 1}, lease=60))
            await gate.reached()
            asked.cancel()
            closing = group.create_task(store.close())
            await asyncio.sleep(0)
            gate.open()
        assert closing.done()


async def test_a_cancelled_close_closes(gate: Gate, place: Place) -> None:
    """A second stop does not wait for what has not begun; what has, is done, and the store is closed."""
    async with place.open() as store:
        gate.shut()
        async with asyncio.TaskGroup() as group:
            begun = group.create_task(store.record([arrival("a")]))
            await gate.reached()
            pending = group.create_task(store.record([arrival("b")]))
            await asyncio.sleep(0)
            closing = group.create_task(store.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.sleep(0)
            gate.open()
            with suppress(asyncio.CancelledError):
                await pending
            await asyncio.wait([begun, closing])
    async with place.open() as store:
        events = (await store.counts())["events"]

    assert (1, True) == (events, pending.cancelled())


async def test_nothing_is_taken_back_after_a_cancelled_close(gate: Gate, place: Place) -> None:
    """What a cancelled claim got just before the store was closed is left to the end of its lease."""
    async with place.open() as store:
        await record(store, arrival("a"))
        gate.shut()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(store.claim({"h": 1}, lease=60))
            await gate.reached()
            asked.cancel()
            closing = group.create_task(store.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.sleep(0)
            gate.open()
            await asyncio.wait([closing])
    async with place.open() as store:
        left = await states(store)
        gate.advance(60)

        assert (["running"], 1) == (left, len(await claim(store)))
