"""What every store promises, in the order of the port. Times are moved by hand, nothing waits."""

import asyncio
from enum import StrEnum

import pytest

from tests.journal.conftest import Clock, Place, arrival, claim, claim_one, names, record, rows, settle, states
from vodworker.errors import JournalError
from vodworker.journal.desk import LOST
from vodworker.journal.port import (
    COPY_SPAN,
    KEPT_ATTEMPTS,
    STATES,
    TASK_LIFE,
    Arrival,
    Claim,
    Entry,
    Filter,
    Origin,
    Out,
    Receipt,
    Recorded,
    Standing,
    Store,
    Token,
)
from vodworker.outcome import Again, Dead, Ending, Finished
from vodworker.wire import dumps

# record


async def test_arrivals_are_recorded_in_their_order(store: Store) -> None:
    """Each arrival gets a receipt, and events are numbered in the order they came."""
    receipts = await store.record([arrival("a"), arrival("b")])
    more = await store.record([arrival("c")])

    assert [Receipt(1, copy=False), Receipt(2, copy=False), Receipt(3, copy=False)] == receipts + more


async def test_each_handler_has_an_entry_of_its_own(store: Store) -> None:
    """An event that two handlers hear is claimed by both, each for itself."""
    await record(store, arrival("a", handlers=("h", "g")))

    taken = await store.claim({"h": 5, "g": 5}, lease=60)

    assert [("h", 1), ("g", 1)] == [(entry.handler, entry.event_id) for entry in taken.entries]


async def test_nothing_recorded_is_nothing(store: Store) -> None:
    """No arrivals, no receipts."""
    assert [] == await store.record([])


async def test_an_event_that_nobody_hears_is_kept(store: Store) -> None:
    """Without handlers there is an event, and no entry."""
    (event,) = await record(store, arrival("a", handlers=()))

    assert [] == await rows(store, event)


async def test_what_is_recorded_outlives_the_store(place: Place) -> None:
    """A store that is opened again has everything."""
    async with place.open() as store:
        await record(store, arrival("a", key="k"))
    async with place.open() as store:
        entry = await claim_one(store)

    assert (b'{"name":"a"}', "k", 1, 1) == (entry.body, entry.key, entry.attempt, entry.fence)


async def test_a_body_of_any_bytes_is_kept_as_it_is(store: Store) -> None:
    """A body is bytes; nothing reads or changes them."""
    body = bytes(range(256)) * 200
    given = arrival("a")
    await store.record([type(given)(body=body, type="T", key="", handlers=("h",))])

    assert body == (await claim_one(store)).body


@pytest.mark.parametrize("text", ["文件", "a\x00b", "'; DROP TABLE events; --", "half \ud83d", "🎬", "x" * 5000])
async def test_a_key_of_any_text_keeps_its_order(store: Store, text: str) -> None:
    """Keys and types are text of any kind, half a surrogate pair included."""
    await record(store, arrival("a", key=text, type=text), arrival("b", key=text, type=text))

    first = await claim(store)
    await settle(store, first[0], Finished())
    second = await claim(store)

    assert (["a"], ["b"]) == (names(first), names(second))


# copies


async def test_an_event_that_waits_for_its_confirmation_has_copies(store: Store) -> None:
    """The same body again, before a confirmation was sent, is a copy and makes no entry."""
    (event,) = await record(store, arrival("a"))

    again = await store.record([arrival("a")])

    assert ([Receipt(event, copy=True)], 1) == (again, len(await claim(store)))


async def test_two_equal_bodies_in_one_call_are_one_event(store: Store) -> None:
    """The second of two equal arrivals in one call is a copy of the first."""
    receipts = await store.record([arrival("a"), arrival("b"), arrival("a")])

    assert [Receipt(1, copy=False), Receipt(2, copy=False), Receipt(1, copy=True)] == receipts


async def test_nothing_is_a_copy_of_a_confirmed_event(store: Store) -> None:
    """Byte for byte the same as a confirmed event, an arrival is new all the same."""
    events = await record(store, arrival("a"))
    await store.mark(events, "sent")
    await store.mark(events, "accepted")

    assert [Receipt(2, copy=False)] == await store.record([arrival("a")])


async def test_a_confirmation_that_was_sent_leaves_copies_for_ten_minutes(store: Store, clock: Clock) -> None:
    """Up to the span after a confirmation was sent its event may come again; after it, the event is a new one."""
    events = await record(store, arrival("a"))
    await store.mark(events, "sent")
    clock.advance(COPY_SPAN)
    within = await store.record([arrival("a")])
    clock.advance(0.001)
    (beyond,) = await store.record([arrival("a")])

    assert [Receipt(1, copy=True)] == within
    assert (True, False) == (beyond.event_id > 1, beyond.copy)  # a number may be skipped


async def test_the_last_confirmation_sent_counts(store: Store, clock: Clock) -> None:
    """Each sending begins the span anew."""
    events = await record(store, arrival("a"))
    await store.mark(events, "sent")
    clock.advance(COPY_SPAN)
    await store.mark(events, "sent")
    clock.advance(COPY_SPAN)

    assert [Receipt(1, copy=True)] == await store.record([arrival("a")])


async def test_a_confirmation_that_had_no_effect_was_never_sent(store: Store, clock: Clock) -> None:
    """A try that is known to be void leaves the event as it was before: never confirmed, and with copies."""
    events = await record(store, arrival("a"))
    await store.mark([*events, *events], "sent")
    await store.mark([*events, *events], "void")
    clock.advance(COPY_SPAN + 1)

    assert [Receipt(events[0], copy=True)] == await store.record([arrival("a")])


async def test_a_void_confirmation_prolongs_nothing(store: Store, clock: Clock) -> None:
    """The ten minutes count from the last confirmation that may have been accepted."""
    events = await record(store, arrival("a"))
    await store.mark(events, "sent")
    for _ in range(2):
        clock.advance(COPY_SPAN / 2)
        await store.mark(events, "sent")
        await store.mark(events, "void")
    clock.advance(1)

    assert [False] == [receipt.copy for receipt in await store.record([arrival("a")])]


async def test_an_event_that_was_never_confirmed_has_copies_for_ever(store: Store, clock: Clock) -> None:
    """Before a confirmation was sent, the service must hand the event out again, whenever that is."""
    await record(store, arrival("a"))
    clock.advance(30 * 86400)

    assert [Receipt(1, copy=True)] == await store.record([arrival("a")])


async def test_the_newest_of_several_is_copied(store: Store, clock: Clock) -> None:
    """Of equal events that wait, the last one is what the service may hand out again."""
    events = await record(store, arrival("a"))
    await store.mark(events, "sent")
    clock.advance(COPY_SPAN + 1)
    await record(store, arrival("a"))

    assert [Receipt(2, copy=True)] == await store.record([arrival("a")])


async def test_accepted_is_for_ever(store: Store) -> None:
    """A sending that is noted late does not undo an acceptance."""
    events = await record(store, arrival("a"))
    await store.mark(events, "accepted")
    await store.mark(events, "sent")

    assert [Receipt(2, copy=False)] == await store.record([arrival("a")])


async def test_marking_what_is_not_there_does_nothing(store: Store) -> None:
    """No events, or unknown ones, are no error."""
    await store.mark([], "accepted")
    await store.mark([7], "sent")
    await store.mark([7], "accepted")

    assert 0 == (await store.counts())["events"]


# claim


async def test_a_claim_takes_no_more_than_asked(store: Store) -> None:
    """Each handler gets as many entries as it has room for, oldest first."""
    await record(store, *(arrival(name) for name in "abcde"))

    assert (["a", "b"], ["c", "d", "e"]) == (names(await claim(store, 2)), names(await claim(store, 5)))


async def test_a_handler_without_room_gets_nothing(store: Store) -> None:
    """Room for none is no claim, and no wait either."""
    await record(store, arrival("a"))

    assert Claim((), None) == await store.claim({"h": 0}, lease=60)


async def test_an_entry_knows_its_age(store: Store, clock: Clock) -> None:
    """An entry says how long ago its event was recorded."""
    await record(store, arrival("a"))
    clock.advance(12.5)

    assert 12.5 == (await claim_one(store)).age


async def test_a_running_entry_is_not_claimed(store: Store) -> None:
    """Until its lease ends, an entry is its holder's alone."""
    await record(store, arrival("a"))
    await claim(store)

    assert [] == await claim(store)


async def test_an_entry_whose_lease_ran_out_is_due_again(store: Store, clock: Clock) -> None:
    """Claimed again, it counts one more attempt and has a higher fence."""
    await record(store, arrival("a"))
    first = await claim_one(store, lease=60)
    clock.advance(60)
    second = await claim_one(store)

    assert (1, 2, True) == (first.attempt, second.attempt, second.fence > first.fence)


async def test_lost_claims_are_counted_apart(store: Store, clock: Clock) -> None:
    """An entry knows how many of its claims ended in nothing; a settled or released one is none of them."""
    await store.record([arrival("a")])
    seen: list[tuple[int, int]] = []
    lost, released = None, ()
    ends: list[Again | Dead | tuple[()] | None] = [lost, Again(0.0, ""), lost, released, Dead("no"), lost]
    for end in ends:
        entry = await claim_one(store, lease=10)
        seen.append((entry.attempt, entry.lost))
        if isinstance(end, Again | Dead):
            await settle(store, entry, end)
        elif end == released:
            await store.release([entry])
        else:
            clock.advance(11)
        await store.redrive([entry.id])

    assert [(1, 0), (2, 1), (3, 1), (4, 2), (4, 2), (1, 0)] == seen


async def test_outages_are_counted_apart(store: Store) -> None:
    """An entry knows how many of its attempts an outage ended, until an operator redrives it."""
    await store.record([arrival("a")])
    seen: list[tuple[int, int]] = []
    for end in (Again(0.0, "", outage=True), Again(0.0, ""), Again(0.0, "", outage=True), Dead("no"), Dead("no")):
        entry = await claim_one(store)
        seen.append((entry.attempt, entry.outages))
        await settle(store, entry, end)
        await store.redrive([entry.id])

    assert [(1, 0), (2, 1), (3, 1), (4, 2), (1, 0)] == seen


async def test_what_was_lost_goes_before_what_is_new(store: Store, clock: Clock) -> None:
    """An entry whose lease ran out is claimed before fresh ones, and takes room from them."""
    await record(store, arrival("a"), arrival("b"), arrival("c"))
    await claim(store, 1)
    clock.advance(60)

    assert ["a", "b"] == names(await claim(store, 2))


async def test_a_failed_entry_waits_behind_those_that_are_due_longer(store: Store, clock: Clock) -> None:
    """A retry takes its place by when it comes due, so that a failing entry does not hold up the fresh ones."""
    await record(store, arrival("a"), arrival("b"))
    (first,) = await claim(store, 1)
    await settle(store, first, Again(5, "later"))
    clock.advance(5)
    await record(store, arrival("c"))

    assert ["b", "a", "c"] == names(await claim(store))


async def test_the_wait_tells_when_a_backoff_ends(store: Store, clock: Clock) -> None:
    """With nothing due, the wait lasts until the first backoff ends."""
    await record(store, arrival("a"), arrival("b"))
    for entry, after in zip(await claim(store), (9.0, 7.0), strict=True):
        await settle(store, entry, Again(after, ""))
    clock.advance(2)

    assert Claim((), 5.0) == await store.claim({"h": 1}, lease=60)


async def test_the_wait_tells_when_a_lease_ends(store: Store, clock: Clock) -> None:
    """What another holds may be due when its lease ends."""
    await record(store, arrival("a"))
    await claim(store, lease=60)
    clock.advance(20)

    assert Claim((), 40.0) == await store.claim({"h": 1}, lease=60)


async def test_the_wait_is_that_of_the_handlers_with_room(store: Store) -> None:
    """A backoff of a handler without room, or of another, wakes nobody."""
    await record(store, arrival("a", handlers=("h", "g")))
    for entry in (await store.claim({"h": 1, "g": 1}, lease=60)).entries:
        await settle(store, entry, Again({"h": 3.0, "g": 8.0}[entry.handler], ""))

    assert 8.0 == (await store.claim({"h": 0, "g": 1}, lease=60)).wait


async def test_there_is_no_wait_for_what_is_due(store: Store) -> None:
    """Entries that are due and found no room are not waited for: the claim before holds the only lease."""
    await record(store, arrival("a"), arrival("b"))

    assert 60.0 == (await store.claim({"h": 1}, lease=60)).wait


async def test_there_is_no_wait_for_nothing(store: Store) -> None:
    """An empty journal says so."""
    assert Claim((), None) == await store.claim({"h": 1, "g": 1}, lease=60)


async def test_a_wait_is_never_nothing(store: Store, clock: Clock) -> None:
    """However close the next entry is, the wait is worth a timer."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Again(1e-6, ""))

    taken = await store.claim({"h": 1}, lease=60)
    assert taken.wait is not None
    clock.advance(taken.wait)
    assert (True, ["a"]) == (taken.wait > 0, names(await claim(store)))


# the order of a key


async def test_a_key_is_handled_in_order_one_at_a_time(store: Store) -> None:
    """Of one key, the next entry is handed out when the one before it is done."""
    await record(store, *(arrival(name, key="k") for name in "abc"))
    order: list[str] = []
    while taken := await claim(store):
        order += names(taken)
        await settle(store, taken[0], Finished())

    assert ["a", "b", "c"] == order


async def test_keys_do_not_wait_for_each_other(store: Store) -> None:
    """Entries of different keys, and all without a key, run side by side."""
    await record(store, arrival("a", key="k"), arrival("b", key="l"), arrival("c"), arrival("d"))

    assert ["a", "b", "c", "d"] == names(await claim(store))


async def test_handlers_do_not_wait_for_each_other(store: Store) -> None:
    """One handler may be behind in a key, while another goes on."""
    await record(store, *(arrival(name, key="k", handlers=("h", "g")) for name in "ab"))
    await claim(store, handler="h")
    await settle(store, await claim_one(store, handler="g"), Finished())

    assert ([], ["b"]) == (names(await claim(store, handler="h")), names(await claim(store, handler="g")))


async def test_a_retry_holds_up_its_key(store: Store, clock: Clock) -> None:
    """While an entry backs off, those behind it in its key wait."""
    await record(store, arrival("a", key="k"), arrival("b", key="k"))
    await settle(store, await claim_one(store), Again(5, "later"))
    before = names(await claim(store))
    clock.advance(5)

    assert ([], ["a"]) == (before, names(await claim(store)))


async def test_a_lost_lease_holds_up_its_key(store: Store, clock: Clock) -> None:
    """An entry whose lease ran out comes before those behind it."""
    await record(store, arrival("a", key="k"), arrival("b", key="k"))
    await claim(store, lease=60)
    clock.advance(60)

    assert ["a"] == names(await claim(store))


@pytest.mark.parametrize("end", [Finished(), Dead("no")])
async def test_an_end_lets_the_key_go_on(store: Store, end: Finished | Dead) -> None:
    """Whether done or dead, an entry that has ended makes way for the next."""
    await record(store, arrival("a", key="k"), arrival("b", key="k"))
    await settle(store, await claim_one(store), end)

    assert ["b"] == names(await claim(store))


async def test_what_comes_later_waits_too(store: Store) -> None:
    """An event of a key that is busy waits, also when it is recorded later."""
    await record(store, arrival("a", key="k"))
    first = await claim_one(store)
    await record(store, arrival("b", key="k"))
    busy = names(await claim(store))
    await settle(store, first, Finished())
    await record(store, arrival("c", key="k"))

    assert ([], ["b"]) == (busy, names(await claim(store)))


async def test_a_key_that_has_run_dry_begins_anew(store: Store) -> None:
    """After all of a key is done, its next event is due at once."""
    await record(store, arrival("a", key="k"))
    await settle(store, await claim_one(store), Finished())
    await record(store, arrival("b", key="k"))

    assert ["b"] == names(await claim(store))


# keep, settle, release


async def test_kept_entries_stay_their_holders(store: Store, clock: Clock) -> None:
    """Keeping an entry holds it for another lease, from now."""
    await record(store, arrival("a"))
    mine = await claim(store, lease=60)
    clock.advance(50)
    lost = await store.keep(mine, lease=60)
    clock.advance(59)

    assert ([], []) == (lost, await claim(store))


async def test_keeping_tells_what_was_lost(store: Store, clock: Clock) -> None:
    """An entry that another has claimed meanwhile, or that has ended, is no longer the caller's."""
    await record(store, arrival("a"), arrival("b"), arrival("c"))
    mine = await claim(store, lease=60)
    await settle(store, mine[1], Finished())
    clock.advance(60)
    (other,) = await claim(store, 1)

    assert (["a", "b"], "a") == (names(await store.keep(mine, lease=60)), *names([other]))


async def test_a_late_holder_keeps_what_nobody_took(store: Store, clock: Clock) -> None:
    """After its lease, an entry is still its holder's until another claims it."""
    await record(store, arrival("a"))
    mine = await claim(store, lease=60)
    clock.advance(100)

    assert ([], True) == (await store.keep(mine, lease=60), await settle(store, mine[0], Finished()))


async def test_a_finished_entry_is_done(store: Store) -> None:
    """What is done is never handed out again."""
    await record(store, arrival("a"))

    settled = await settle(store, await claim_one(store), Finished())

    assert (True, ["done"], []) == (settled, await states(store), await claim(store))


async def test_an_entry_to_be_tried_again_is_due_later(store: Store, clock: Clock) -> None:
    """After the wait it is due, its attempts counted."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Again(5, "later"))
    clock.advance(4.999)
    early = await claim(store)
    clock.advance(0.001)

    assert ([], 2) == (early, (await claim_one(store)).attempt)


async def test_a_dead_entry_stays_dead(store: Store, clock: Clock) -> None:
    """Dead is dead, with its reason, until an operator says otherwise."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Dead("the source is broken"))
    clock.advance(1e6)

    assert ([], "dead: the source is broken") == (await claim(store), (await rows(store, 1))[0]["why"])


async def test_a_stale_holder_settles_nothing(store: Store, clock: Clock) -> None:
    """A settlement with an older fence writes nothing."""
    await record(store, arrival("a"))
    stale = await claim_one(store, lease=60)
    clock.advance(60)
    await claim_one(store)

    assert (False, ["running"]) == (await settle(store, stale, Dead("late")), await states(store))


@pytest.mark.parametrize("end", [Finished(), Again(0, ""), Dead("no")])
async def test_a_settlement_counts_once(store: Store, end: Finished | Again | Dead) -> None:
    """Settled, an entry is nobody's: the same holder settles nothing more."""
    await record(store, arrival("a"))
    mine = await claim_one(store)
    await settle(store, mine, end)
    before = await states(store)

    assert (False, before) == (await settle(store, mine, Dead("twice")), await states(store))


async def test_ends_are_written_together_each_for_itself(store: Store, clock: Clock) -> None:
    """Of several ends in one call each is what it is alone: in their order, and one that is not ours stops no other."""
    await record(store, *(arrival(name, key=name) for name in "abcd"), arrival("then", key="a"))
    mine = await claim(store, lease=60)
    clock.advance(60)
    (lost,) = await claim(store, 1)
    ended: list[tuple[Entry, Ending]] = [
        (lost, Finished()),
        (mine[0], Dead("late")),
        (mine[1], Dead("no")),
        (mine[2], Again(5, "later")),
    ]

    settled = await store.settle([*ended, (mine[3], Finished()), (mine[3], Dead("twice"))])

    assert [True, False, True, True, True, False] == settled
    assert [["done"], ["dead"], ["ready"], ["done"]] == [await states(store, event) for event in (1, 2, 3, 4)]
    assert ["then"] == names(await claim(store))
    assert [] == await store.settle([])


async def test_a_released_entry_is_due_at_once(store: Store, clock: Clock) -> None:
    """Released, the attempt is not counted and the old place is kept; the fence grows all the same."""
    await record(store, arrival("a"))
    clock.advance(1)
    await record(store, arrival("b"))
    (first,) = await claim(store, 1)
    await store.release([first])
    (again,) = await claim(store, 1)

    assert (["a"], 1, True) == (names([again]), again.attempt, again.fence > first.fence)


async def test_only_ones_own_is_released(store: Store, clock: Clock) -> None:
    """What another holds by now, or what has ended, is left alone."""
    await record(store, arrival("a"), arrival("b"))
    mine = await claim(store, lease=60)
    await settle(store, mine[1], Finished())
    clock.advance(60)
    await claim(store)
    await store.release(mine)

    assert (["running"], ["done"]) == (await states(store, 1), await states(store, 2))


async def test_a_released_holder_settles_nothing(store: Store) -> None:
    """Who gave an entry back has nothing to say about it."""
    await record(store, arrival("a"))
    mine = await claim_one(store)
    await store.release([mine])

    assert (False, ["ready"]) == (await settle(store, mine, Finished()), await states(store))


async def test_a_reason_of_any_text_is_kept(store: Store) -> None:
    """A reason may hold what no encoding knows, such as the name of a broken file."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Dead("cannot read 影\udcff.mp4"))

    assert "dead: cannot read 影\\udcff.mp4" == (await rows(store, 1))[0]["why"]


# sweep


async def finish(store: Store, *names: str) -> list[int]:
    """Record, confirm and handle these events."""
    events = await record(store, *(arrival(name) for name in names))
    await store.mark(events, "accepted")
    for entry in await claim(store, len(names)):
        await settle(store, entry, Finished())
    return events


async def test_what_ended_well_long_ago_is_forgotten(store: Store, clock: Clock) -> None:
    """Once more than `keep` has passed since the last entry ended well, the event is gone, whole."""
    await finish(store, "a", "b")
    clock.advance(100)
    await store.sweep(keep=100)
    kept = (await store.counts())["events"]
    clock.advance(0.001)
    await store.sweep(keep=100)

    assert (2, None, dict.fromkeys(["events", "unconfirmed", *STATES], 0)) == (
        kept,
        await store.show(1),
        await store.counts(),
    )


async def test_sweeping_tells_how_many_are_open(store: Store) -> None:
    """Open are those that wait, back off, run, or stand behind another of their key."""
    await record(store, *(arrival(name) for name in "abcd"), arrival("e", key="k"), arrival("f", key="k"))
    done, dead, later, *_ = await claim(store, 4)
    await settle(store, done, Finished())
    await settle(store, dead, Dead("no"))
    await settle(store, later, Again(60, ""))

    assert 4 == await store.sweep(keep=0)


@pytest.mark.parametrize("end", [Again(0, ""), Dead("no"), None])
async def test_what_has_not_ended_well_stays(store: Store, clock: Clock, end: Again | Dead | None) -> None:
    """One entry that is open, running or dead keeps its event, and the entries that are done with it."""
    events = await record(store, arrival("a", handlers=("h", "g")))
    await store.mark(events, "accepted")
    await settle(store, await claim_one(store, handler="g"), Finished())
    mine = await claim_one(store)
    if end:
        await settle(store, mine, end)
    clock.advance(1000)
    await store.sweep(keep=0)

    assert 2 == len(await rows(store, 1))


async def test_the_last_end_of_an_event_counts(store: Store, clock: Clock) -> None:
    """An event is kept for as long as the last of its entries says."""
    events = await record(store, arrival("a", handlers=("h", "g")))
    await store.mark(events, "accepted")
    await settle(store, await claim_one(store), Finished())
    clock.advance(50)
    await settle(store, await claim_one(store, handler="g"), Finished())
    clock.advance(51)
    await store.sweep(keep=100)
    kept = await store.show(1)
    clock.advance(50)
    await store.sweep(keep=100)

    assert (True, None) == (kept is not None, await store.show(1))


async def test_an_event_that_nobody_heard_is_forgotten_too(store: Store, clock: Clock) -> None:
    """Without entries, all of them have ended well when it was recorded."""
    await store.mark(await record(store, arrival("a", handlers=())), "accepted")
    clock.advance(101)
    await store.sweep(keep=100)

    assert None is await store.show(1)


async def test_an_event_that_waits_for_its_confirmation_stays(store: Store, clock: Clock) -> None:
    """While a redelivery would be its copy, an event is not forgotten."""
    await record(store, arrival("a"), arrival("b"))
    for entry in await claim(store):
        await settle(store, entry, Finished())
    clock.advance(10_000)
    await store.mark([1], "sent")
    clock.advance(COPY_SPAN)
    await store.sweep(keep=100)
    waiting = (await store.counts())["events"]
    clock.advance(0.001)
    await store.sweep(keep=100)

    assert (2, 1, [Receipt(2, copy=True)]) == (
        waiting,
        (await store.counts())["events"],
        await store.record([arrival("b")]),
    )


@pytest.mark.no_cover
async def test_sweeping_passes_by_what_stays(store: Store, clock: Clock) -> None:
    """Thousands of dead events do not keep younger ones from being forgotten."""
    await record(store, *(arrival(f"{number}") for number in range(1500)))
    async with asyncio.TaskGroup() as group:
        for entry in await claim(store, 1500):
            group.create_task(settle(store, entry, Dead("no")))
    await finish(store, "a", "b")
    clock.advance(101)
    await store.sweep(keep=100)

    assert 1500 == (await store.counts())["events"]


async def test_numbers_are_never_given_twice(store: Store, clock: Clock) -> None:
    """After everything was forgotten, the next event has a number of its own, and so have its entries."""
    await finish(store, "a", "b")
    clock.advance(1)
    await store.sweep(keep=0)
    (event,) = await record(store, arrival("c"))

    assert (3, 3) == (event, (await claim_one(store)).event_id)


async def test_forgotten_events_take_their_calls_along(store: Store, clock: Clock) -> None:
    """The calls of an event are forgotten with it, and others are not."""
    events = await record(store, arrival("a"), arrival("b"))
    await store.mark(events, "accepted")
    first, second = await claim(store)
    for entry in (first, second):
        await store.intend(entry, action="A", identity="x", request=b"{}")
    await settle(store, first, Finished())
    clock.advance(1)
    await store.sweep(keep=0)

    assert (None, Recorded("A", None, 1.0, 1.0)) == (
        await store.find(first, identity="x"),
        await store.find(second, identity="x"),
    )


# tokens


async def test_there_are_as_many_tokens_as_the_limit_says(store: Store) -> None:
    """The limit's number of tokens is handed out, and then none."""
    taken = [await store.take("A", limit=3, hold=75) for _ in range(4)]

    assert [True, True, True, False] == [isinstance(answer, list) for answer in taken]


async def test_each_action_has_tokens_of_its_own(store: Store) -> None:
    """An action that has spent its allowance leaves that of others alone."""
    await store.take("A", limit=1, hold=75)

    assert isinstance(await store.take("B", limit=1, hold=75), list)


async def test_without_a_token_the_wait_is_told(store: Store, clock: Clock) -> None:
    """The answer is the time until the first token comes back, and then there is one."""
    await store.take("A", limit=2, hold=75)
    clock.advance(10)
    await store.take("A", limit=2, hold=75)
    wait = await store.take("A", limit=2, hold=75)
    clock.advance(65)

    assert (65.0, True) == (wait, isinstance(await store.take("A", limit=2, hold=75), list))


async def test_a_token_given_back_rests(store: Store, clock: Clock) -> None:
    """After its call, a token comes back when it has rested, from the end of the call on."""
    token = await take(store)
    clock.advance(3)
    await store.give({token: 60})
    wait = await store.take("A", limit=1, hold=75)
    clock.advance(60)

    assert (60.0, True) == (wait, isinstance(await store.take("A", limit=1, hold=75), list))


async def take(store: Store, *, limit: int = 1) -> Token:
    """A token that must be there."""
    (token,) = await take_all(store, limit=limit, most=1)
    return token


async def take_all(store: Store, *, limit: int, most: int) -> list[Token]:
    """Tokens, of which there must be one."""
    answer = await store.take("A", limit=limit, hold=75, most=most)
    assert isinstance(answer, list)
    return answer


async def test_as_many_tokens_are_taken_as_are_free(store: Store) -> None:
    """Who asks for several gets no more than that, and what is left of the limit when that is less."""
    three, two = await take_all(store, limit=5, most=3), await take_all(store, limit=5, most=3)

    assert (3, 2, 5) == (len(three), len(two), len({*three, *two}))
    assert 75.0 == await store.take("A", limit=5, hold=75, most=3)


async def test_tokens_are_given_back_together(store: Store, clock: Clock) -> None:
    """Each rests for a time of its own, and those that were not used for none."""
    first, second, third = await take_all(store, limit=3, most=3)
    await store.give({first: 60, second: 0, third: 30})
    free = [await store.free({"A": 3})]
    for _ in range(2):
        clock.advance(30)
        free.append(await store.free({"A": 3}))

    assert [{"A": 1}, {"A": 2}, {"A": 3}] == free


async def test_a_token_that_was_not_used_is_free_at_once(store: Store) -> None:
    """Without a call there is nothing to rest from."""
    await store.give({await take(store): 0})

    assert isinstance(await store.take("A", limit=1, hold=75), list)


async def test_a_call_that_outlasts_its_hold_counts(store: Store, clock: Clock) -> None:
    """A token whose hold has passed rests from the end of its call all the same, and touches nobody else's."""
    late = await take(store)
    clock.advance(75)
    other = await take(store)
    await store.give({late: 60})
    await store.give({other: 0})

    assert (True, 60.0) == (late.id != other.id, await store.take("A", limit=1, hold=75))


async def test_a_lowered_limit_holds_at_once(store: Store, clock: Clock) -> None:
    """With more tokens out than the new limit allows, as many must come back first."""
    for _ in range(3):
        await take(store, limit=3)
        clock.advance(10)

    assert 75.0 - 10 == await store.take("A", limit=1, hold=75)


async def test_a_wait_for_a_token_is_never_nothing(store: Store, clock: Clock) -> None:
    """However close a token is, the wait is worth a timer."""
    await store.give({await take(store): 1e-6})
    wait = await store.take("A", limit=1, hold=75)

    assert isinstance(wait, float)
    clock.advance(wait)
    assert (True, True) == (wait > 0, isinstance(await store.take("A", limit=1, hold=75), list))


async def test_free_tokens_are_counted(store: Store, clock: Clock) -> None:
    """Of each action that is asked for, what its limit leaves; never less than nothing."""
    await store.take("A", limit=5, hold=10)
    await store.take("A", limit=5, hold=75)
    before = await store.free({"A": 5, "B": 2, "C": 1})
    clock.advance(10)

    assert ({"A": 3, "B": 2, "C": 1}, {"A": 0}) == (before, await store.free({"A": 1}))


async def test_tokens_outlive_the_store(place: Place) -> None:
    """A restart gives nobody a token."""
    async with place.open() as store:
        await store.take("A", limit=1, hold=75)
    async with place.open() as store:
        wait = await store.take("A", limit=1, hold=75)

    assert 75.0 == wait


# calls


async def test_a_call_is_noted_before_it_is_made(store: Store) -> None:
    """Before, there is no note; after, there is one without a reply, in doubt."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    before = await store.find(entry, identity="x")
    await store.intend(entry, action="ProcessFile", identity="x", request=b"{}")

    assert (None, Recorded("ProcessFile", None, age=0.0, quiet=0.0)) == (before, await store.find(entry, identity="x"))


async def test_a_reply_is_found_by_later_runs(place: Place, clock: Clock) -> None:
    """After a crash, the next run of the handler finds what the service answered."""
    async with place.open() as store:
        await record(store, arrival("a"))
        entry = await claim_one(store, lease=60)
        await store.intend(entry, action="ProcessFile", identity="x", request=b"{}")
        await store.replied(entry, identity="x", reply=b'{"vodTaskId":"1"}')
    clock.advance(60)
    async with place.open() as store:
        found = await store.find(await claim_one(store), identity="x")

    assert Recorded("ProcessFile", b'{"vodTaskId":"1"}', age=60.0, quiet=60.0) == found


async def test_noting_a_call_again_changes_nothing(store: Store) -> None:
    """A second intent leaves the first, and its reply."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    await store.intend(entry, action="A", identity="x", request=b"1")
    await store.replied(entry, identity="x", reply=b"2")
    await store.intend(entry, action="A", identity="x", request=b"3")

    assert Recorded("A", reply=b"2", age=0.0, quiet=0.0) == await store.find(entry, identity="x")


async def test_a_stale_holder_notes_nothing(store: Store, clock: Clock) -> None:
    """Whose entry is another's by now, or over, may not send: it is told so, and no note is made."""
    await record(store, arrival("a"), arrival("b"))
    stale, over = await claim(store, lease=60)
    mine = await store.intend(stale, action="A", identity="mine", request=b"1")
    await settle(store, over, Finished())
    clock.advance(60)
    await claim(store)
    told = [await store.intend(entry, action="A", identity="late", request=b"1") for entry in (stale, over)]

    assert (True, [False, False]) == (mine, told)
    assert [None, None] == [await store.find(entry, identity="late") for entry in (stale, over)]


async def test_a_withdrawn_call_was_never_noted(store: Store) -> None:
    """A call without effect leaves no note, and may be noted again."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    await store.intend(entry, action="A", identity="x", request=b"1")
    await store.withdraw(entry, identity="x")
    after = await store.find(entry, identity="x")
    await store.intend(entry, action="A", identity="x", request=b"1")

    assert (None, Recorded("A", reply=None, age=0.0, quiet=0.0)) == (after, await store.find(entry, identity="x"))


async def test_a_call_knows_its_age(store: Store, clock: Clock) -> None:
    """The age counts from the first note, the quiet from the last one."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    await store.intend(entry, action="A", identity="x", request=b"1")
    clock.advance(5)
    await store.intend(entry, action="A", identity="x", request=b"1")
    clock.advance(5)

    assert Recorded("A", reply=None, age=10.0, quiet=5.0) == await store.find(entry, identity="x")


async def test_a_task_belongs_to_the_call_that_started_it(store: Store) -> None:
    """Tasks of recorded calls are claimed; calls of the action without a reply are counted."""
    await record(store, arrival("a"), arrival("b"))
    first, second = await claim(store)
    await store.intend(first, action="A", identity="x", request=b"1")
    await store.replied(first, identity="x", reply=b"{}", task="task-1")
    await store.intend(first, action="A", identity="y", request=b"1")
    await store.intend(second, action="A", identity="x", request=b"1")
    await store.intend(second, action="B", identity="z", request=b"1")

    assert Standing(frozenset({"task-1"}), 2) == await store.standing("A", ["task-1", "task-2"])


async def test_an_ended_entry_leaves_no_doubts(store: Store) -> None:
    """A call without a reply counts while its entry is open: of a dead or discarded one, an operator has seen to it."""
    await record(store, *map(arrival, "abc"))
    entries = await claim(store)
    for entry in entries:
        await store.intend(entry, action="A", identity="x", request=b"1")
    before = await store.standing("A", [])
    await settle(store, entries[0], Dead("in doubt"))
    await settle(store, entries[1], Dead("in doubt"))
    await store.discard([entries[1].id], why="seen to")

    assert (3, 1) == (before.doubtful, (await store.standing("A", [])).doubtful)


async def test_a_found_task_has_one_finder(store: Store) -> None:
    """Of two calls in doubt that find the same task one has it; the other is told so, and stays in doubt."""
    await record(store, arrival("a"), arrival("b"))
    first, second = await claim(store)
    for entry in (first, second):
        await store.intend(entry, action="A", identity="x", request=b"1")
    told = [
        await store.replied(entry, identity="x", reply=b"{}", task="task-1", ends_in="E", found=True)
        for entry in (first, second, first)
    ]
    ended = [await store.find(entry, identity="x") for entry in (first, second)]

    assert [True, False, False] == told
    assert [b"{}", None] == [call.reply for call in ended if call]
    assert Origin(first.event_id, "h", "A") == await store.origin("task-1")


async def test_a_reply_is_better_than_a_find(store: Store) -> None:
    """Who finds a task for a call that has been answered meanwhile changes nothing, and is told so."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    await store.intend(entry, action="A", identity="x", request=b"1")
    heard = await store.replied(entry, identity="x", reply=b"heard", task="task-1", ends_in="E")
    found = await store.replied(entry, identity="x", reply=b"found", task="task-2", ends_in="E", found=True)
    call = await store.find(entry, identity="x")

    assert (True, False, b"heard") == (heard, found, call and call.reply)
    assert await store.origin("task-2") is None


async def test_a_stale_holder_withdraws_nothing(store: Store, clock: Clock) -> None:
    """The note of a call belongs to who has the entry now, and a reply is never withdrawn."""
    await record(store, arrival("a"))
    stale = await claim_one(store, lease=60)
    await store.intend(stale, action="A", identity="x", request=b"1")
    clock.advance(60)
    entry = await claim_one(store)
    await store.withdraw(stale, identity="x")
    noted = await store.find(entry, identity="x")
    await store.replied(entry, identity="x", reply=b"{}")
    await store.withdraw(entry, identity="x")
    kept = await store.find(entry, identity="x")

    assert (None, b"{}") == (noted and noted.reply, kept and kept.reply)
    assert noted


@pytest.mark.parametrize("told", [True, False])
async def test_a_redriven_entry_forgets_the_doubts_it_told(store: Store, *, told: bool) -> None:
    """Who redrives an entry that died of a doubt has looked: the call may be sent again; others keep what is known."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    await store.intend(entry, action="A", identity="doubtful", request=b"1")
    await store.intend(entry, action="A", identity="sure", request=b"1")
    await store.replied(entry, identity="sure", reply=b"{}")
    await settle(store, entry, Dead("in doubt", doubt=told))
    await store.redrive([entry.id])

    assert told == (await store.find(entry, identity="doubtful") is None)
    assert Recorded("A", reply=b"{}", age=0.0, quiet=0.0) == await store.find(entry, identity="sure")


async def test_calls_belong_to_one_entry_and_one_identity(store: Store) -> None:
    """The same identity in another entry, or another one in this entry, is another call."""
    await record(store, arrival("a"), arrival("b"))
    first, second = await claim(store)
    await store.intend(first, action="A", identity="x", request=b"1")

    assert [None, None] == [await store.find(second, identity="x"), await store.find(first, identity="half \ud83d")]


# the desk


async def test_counts_tell_everything_apart(store: Store) -> None:
    """Events, those not yet confirmed, and entries by their state."""
    events = await record(
        store, *(arrival(name) for name in "abcdef"), arrival("g", key="k"), arrival("h", key="k"), arrival("i")
    )
    await store.mark(events[:3], "accepted")
    done, dead, discarded, later, *_ = await claim(store, 7)
    await settle(store, done, Finished())
    await settle(store, dead, Dead("no"))
    await settle(store, discarded, Dead("no"))
    await store.discard([discarded.id], why="not needed")
    await settle(store, later, Again(5, ""))

    assert {
        "events": 9,
        "unconfirmed": 6,
        "blocked": 1,
        "ready": 2,
        "running": 3,
        "done": 1,
        "dead": 1,
        "discarded": 1,
    } == await store.counts()


async def test_the_oldest_open_entry_is_known(store: Store, clock: Clock) -> None:
    """The age of the oldest entry that has not ended is told, whatever its state; None when all have ended."""
    ages = [await store.oldest()]
    await record(store, arrival("a", key="k"), arrival("b", key="k"))
    clock.advance(5)
    await record(store, arrival("c"))
    ages.append(await store.oldest())
    (first,) = await claim(store, 1)
    ages.append(await store.oldest())
    await settle(store, first, Dead("no"))
    clock.advance(1)
    ages.append(await store.oldest())
    for entry in await claim(store):
        await settle(store, entry, Finished())
    ages.append(await store.oldest())

    assert [None, 5.0, 5.0, 6.0, None] == ages


async def test_entries_are_listed_newest_first(store: Store, clock: Clock) -> None:
    """A row has everything that tells an entry, in values that print."""
    await record(store, arrival("a"), arrival("b", key="k", type="NewFileUpload"))
    clock.advance(2)

    newest, _ = await store.list(Filter())

    assert {
        "id": newest["id"],
        "event_id": 2,
        "type": "NewFileUpload",
        "key": "k",
        "handler": "h",
        "state": "ready",
        "attempt": 0,
        "due_in": 0.0,
        "why": "due",
        "age": 2.0,
    } == newest


@pytest.mark.parametrize(
    "which,expected",
    [
        (Filter(type="U"), [3]),
        (Filter(key="k"), [3, 2]),
        (Filter(handler="g"), [4]),
        (Filter(state="dead"), [1]),
        (Filter(state="blocked"), [3]),
        (Filter(state="ready"), [4, 2]),
        (Filter(state="open"), [4, 3, 2]),
        (Filter(state="open", key="k", type="T"), [2]),
        (Filter(state="nonsense"), []),
        (Filter(key="half \ud83d"), []),
        (Filter(limit=2), [4, 3]),
    ],
)
async def test_entries_are_listed_by_what_is_asked(store: Store, which: Filter, expected: list[int]) -> None:
    """A filter leaves those that have all that it names, and no more than its limit."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Dead("no"))
    await record(
        store,
        arrival("b", key="k"),
        arrival("c", key="k", type="U"),
        arrival("d", handlers=("g",)),
    )

    assert expected == [row["event_id"] for row in await store.list(which)]


async def test_an_entry_says_why_it_is_not_running(store: Store, clock: Clock) -> None:
    """Each state has its words: what is waited for, for how long, after what."""
    await record(store, *(arrival(name, key="k" if name in "ab" else "") for name in "abcdef"))
    running, lost, later, dead, done = await claim(store, 5, lease=60)
    clock.advance(3)
    await settle(store, later, Again(5, "the cloud is away"))
    await settle(store, dead, Dead("no such file"))
    await settle(store, done, Finished())
    clock.advance(3)
    await store.keep([running], lease=60)
    clock.advance(57)
    why = {row["event_id"]: row["why"] for row in await store.list(Filter())}

    assert {
        1: "running for 63.0 s, its lease ends in 3.0 s",
        2: "waiting for event 1 of the same key",
        3: f"due: its lease ended {63.0 - 60.0:.1f} s ago",
        4: "due after: the cloud is away",
        5: "dead: no such file",
        6: "",
    } == why
    assert 3 == lost.event_id


async def test_an_event_is_shown_whole(store: Store, clock: Clock) -> None:
    """Its body read, how far its confirmation is, its entries, and its calls with what is in doubt."""
    await record(store, arrival("a", key="k", handlers=("h", "g")))
    entry = await claim_one(store)
    await store.intend(entry, action="ProcessFile", identity="x", request=b'{"fileId":"1"}')
    await store.intend(entry, action="ConcatVideo", identity="y", request=b"{}")
    await store.replied(entry, identity="x", reply=b'{"vodTaskId":"2"}')
    clock.advance(1.5)

    shown = await store.show(1)

    assert shown is not None
    assert [("h", []), ("g", [])] == [(row["handler"], row["attempts"]) for row in shown.pop("entries")]
    call = {"entry_id": entry.id, "handler": "h", "age": 1.5}
    assert {
        "id": 1,
        "type": "T",
        "key": "k",
        "recorded": "2023-11-14T22:13:20.000+00:00",
        "age": 1.5,
        "confirmation": "never sent",
        "body": {"name": "a"},
        "calls": [
            {
                **call,
                "identity": "x",
                "action": "ProcessFile",
                "state": "replied",
                "request": {"fileId": "1"},
                "reply": {"vodTaskId": "2"},
            },
            {**call, "identity": "y", "action": "ConcatVideo", "state": "in doubt", "request": {}, "reply": None},
        ],
    } == shown


async def attempts(store: Store, event: int = 1) -> list[tuple[int, str, str]]:
    """Number, end and reason of the attempts of an event's first entry."""
    return [(it["attempt"], it["how"], it["why"]) for it in (await rows(store, event))[0]["attempts"]]


async def test_attempts_are_told(store: Store, clock: Clock) -> None:
    """Each that did not end well: its number, how it ended, why, and when; one without a word is lost."""
    await record(store, arrival("a"))
    await settle(store, await claim_one(store), Again(1, "the cloud is away \ud83d"))
    clock.advance(1)
    await claim_one(store, lease=60)
    clock.advance(100)
    await settle(store, await claim_one(store), Dead("no such file"))
    clock.advance(5)
    (row,) = await rows(store, 1)

    assert [
        {"attempt": 1, "how": "again", "why": "the cloud is away \\ud83d", "age": 106.0},
        {"attempt": 2, "how": "lost", "why": LOST, "age": 5.0},
        {"attempt": 3, "how": "dead", "why": "no such file", "age": 5.0},
    ] == row["attempts"]


async def test_what_ends_well_or_is_given_back_is_no_failed_attempt(store: Store) -> None:
    """Nothing is noted of it, nor of a late settlement; what was noted before stays through a redrive."""
    await record(store, arrival("a"), arrival("b"))
    first, second = await claim(store)
    await settle(store, first, Dead("no"))
    await settle(store, first, Dead("again"))
    await store.redrive([first.id])
    await store.release([await claim_one(store)])
    await settle(store, await claim_one(store), Finished())
    await settle(store, second, Finished())

    assert [[(1, "dead", "no")], []] == [await attempts(store), await attempts(store, 2)]


async def test_only_the_last_attempts_are_kept(store: Store) -> None:
    """However long an outage lasts, what is noted of an entry is bounded."""
    await record(store, arrival("a"))
    for _ in range(KEPT_ATTEMPTS + 2):
        await settle(store, await claim_one(store), Again(0, "away"))

    assert [*range(3, KEPT_ATTEMPTS + 3)] == [number for number, *_ in await attempts(store)]


async def test_only_the_last_losses_are_kept(store: Store, clock: Clock) -> None:
    """However often its worker dies, what is noted of an entry is bounded."""
    await record(store, arrival("a"))
    for _ in range(KEPT_ATTEMPTS + 3):
        await claim_one(store, lease=1)
        clock.advance(2)

    assert [*range(3, KEPT_ATTEMPTS + 3)] == [number for number, *_ in await attempts(store)]


async def test_a_wait_for_a_token_is_told(store: Store, clock: Clock) -> None:
    """While a run waits its entry says for what, and since when; not when it goes on, nor in a later run."""
    await record(store, arrival("a"))
    entry = await claim_one(store)
    clock.advance(1)
    await store.wait(entry, action="ConcatVideo")
    await store.wait(entry, action="ProcessFile")
    clock.advance(7)
    why = [(await rows(store, 1))[0]["why"]]
    await store.wait(entry, action=None)
    why.append((await rows(store, 1))[0]["why"])
    await store.wait(entry, action="ProcessFile")
    await store.release([entry])
    await claim_one(store)
    why.append((await rows(store, 1))[0]["why"])

    assert [
        "running for 8.0 s, waiting for a token of ProcessFile for 7.0 s, its lease ends in 52.0 s",
        "running for 8.0 s, its lease ends in 52.0 s",
        "running for 0.0 s, its lease ends in 60.0 s",
    ] == why


@pytest.mark.parametrize(
    "which,expected",
    [
        (Filter(older=0), [3, 2, 1]),
        (Filter(older=10), [2, 1]),
        (Filter(older=15), [1]),
        (Filter(newer=10), [3]),
        (Filter(older=6, newer=15), [2]),
        (Filter(newer=15, handler="g"), []),
    ],
)
async def test_entries_are_listed_by_their_age(store: Store, clock: Clock, which: Filter, expected: list[int]) -> None:
    """Those that are at least so old, and less than so old."""
    for name, seconds in (("a", 5.0), ("b", 5.0), ("c", 5.0)):
        await record(store, arrival(name))
        clock.advance(seconds)

    assert expected == [row["event_id"] for row in await store.list(which)]


# pause and resume


async def test_a_paused_handler_gets_nothing(store: Store, clock: Clock) -> None:
    """Neither what is due nor what lost its lease, until it is resumed; others go on, and so does what runs."""
    await record(store, arrival("a", handlers=("h", "g")), arrival("b", handlers=("h",)))
    (running,) = await claim(store, 1, lease=5)
    await store.pause("h", why="the shop is closed")
    clock.advance(5)
    nothing = await store.claim({"h": 5}, lease=60)
    others = await store.claim({"g": 5, "h": 5}, lease=60)
    settled = await settle(store, running, Finished())
    why = [row["why"] for row in await rows(store, 2)]
    known = await store.resume("h"), await store.resume("h")

    assert Claim((), None) == nothing
    assert ["g"] == [entry.handler for entry in others.entries]
    assert (True, ["its handler is paused: the shop is closed"], (True, False)) == (settled, why, known)
    assert ["b"] == names(await claim(store))


async def test_a_paused_handler_is_known_to_all(place: Place, clock: Clock) -> None:
    """Whoever opens the journal finds it paused, since when and why; the last reason counts."""
    async with place.open() as one, place.open() as other:
        await one.pause("h", why="no")
        await other.pause("h", why="half \ud83d")
        await one.pause("g", why="")
        clock.advance(2)
        await record(one, arrival("a", handlers=("h", "g")))

        assert Claim((), None) == await other.claim({"h": 5, "g": 5}, lease=60)
        assert [
            {"handler": "g", "why": "", "age": 2.0},
            {"handler": "h", "why": "half \\ud83d", "age": 2.0},
        ] == await other.paused()
        assert ["its handler is paused: half \\ud83d", "its handler is paused"] == [
            row["why"] for row in await rows(one, 1)
        ]


async def test_how_far_a_confirmation_is(store: Store, clock: Clock) -> None:
    """Never sent, sent and when, or accepted."""
    events = await record(store, arrival("a"))
    told = [(await store.show(1) or {})["confirmation"]]
    await store.mark(events, "sent")
    clock.advance(2)
    told.append((await store.show(1) or {})["confirmation"])
    await store.mark(events, "accepted")
    told.append((await store.show(1) or {})["confirmation"])

    assert ["never sent", "sent 2.0 s ago, not known to be accepted", "accepted"] == told


async def test_an_unknown_event_is_not_shown(store: Store) -> None:
    """None for a number that no event has."""
    assert None is await store.show(1)


# redrive and discard


async def test_a_redriven_entry_runs_again(store: Store) -> None:
    """A dead entry is due at once, its attempts at nought, its fence higher than ever."""
    await record(store, arrival("a"))
    mine = await claim_one(store)
    await settle(store, mine, Dead("no"))

    redriven = await store.redrive([mine.id, mine.id, 77])
    again = await claim_one(store)

    assert (1, 1, True) == (redriven, again.attempt, again.fence > mine.fence)


async def test_only_dead_entries_are_redriven(store: Store) -> None:
    """Open, running and done entries are left alone."""
    await record(store, arrival("a"), arrival("b"), arrival("c"))
    done, running = await claim(store, 2)
    await settle(store, done, Finished())
    entries = [row["id"] for row in await store.list(Filter())]

    assert 0 == await store.redrive(entries)
    assert (["done"], ["running"]) == (await states(store, 1), await states(store, running.event_id))


async def test_a_redriven_entry_takes_its_place_in_its_key(store: Store) -> None:
    """It comes before the younger ones of its key, the one whose turn it was included."""
    await record(store, *(arrival(name, key="k") for name in "abc"))
    mine = await claim_one(store)
    await settle(store, mine, Dead("no"))
    await store.redrive([mine.id])
    order: list[str] = []
    while taken := await claim(store):
        order += names(taken)
        await settle(store, taken[0], Finished())

    assert ["a", "b", "c"] == order


async def test_a_redriven_entry_does_not_interrupt_its_key(store: Store) -> None:
    """While another of its key runs, it waits, and is the next, before that one's retry."""
    await record(store, *(arrival(name, key="k") for name in "abc"))
    first = await claim_one(store)
    await settle(store, first, Dead("no"))
    second = await claim_one(store)
    await store.redrive([first.id])
    while_running = names(await claim(store))
    await settle(store, second, Again(0, "once more"))
    order: list[str] = []
    while taken := await claim(store):
        order += names(taken)
        await settle(store, taken[0], Finished())

    assert ([], ["a", "b", "c"]) == (while_running, order)


async def test_redriven_entries_of_one_key_keep_their_order(store: Store) -> None:
    """Several dead ones of one key, redriven in any order, run in the order they were recorded."""
    await record(store, *(arrival(name, key="k") for name in "abc"))
    dead: list[int] = []
    while taken := await claim(store):
        dead += [entry.id for entry in taken]
        await settle(store, taken[0], Dead("no"))
    await store.redrive(dead[::-1])
    order: list[str] = []
    while taken := await claim(store):
        order += names(taken)
        await settle(store, taken[0], Finished())

    assert ["a", "b", "c"] == order


async def test_a_key_whose_turn_is_taken_back_keeps_its_backoff(store: Store, clock: Clock) -> None:
    """An entry that must wait for a redriven one does not come due any earlier."""
    await record(store, arrival("a", key="k"), arrival("b", key="k"))
    first = await claim_one(store)
    await settle(store, first, Dead("no"))
    await settle(store, await claim_one(store), Again(9, "later"))
    await store.redrive([first.id])
    await settle(store, await claim_one(store), Finished())
    early = names(await claim(store))
    clock.advance(9)

    assert ([], ["b"]) == (early, names(await claim(store)))


async def test_a_discarded_entry_is_over(store: Store) -> None:
    """Open and dead entries end for good, with the reason."""
    await record(store, arrival("a"), arrival("b"))
    (dead,) = await claim(store, 1)
    await settle(store, dead, Dead("no"))
    entries = [row["id"] for row in await store.list(Filter())]

    assert 2 == await store.discard([*entries, 77], why="not ours \udcff")
    assert ([], "discarded: not ours \\udcff") == (await claim(store), (await rows(store, 2))[0]["why"])


async def test_a_running_entry_is_not_discarded(store: Store, clock: Clock) -> None:
    """Who runs an entry is not interrupted; once the lease has run out it may be discarded, and its holder is late."""
    await record(store, arrival("a"))
    mine = await claim_one(store, lease=60)
    held = await store.discard([mine.id], why="x")
    clock.advance(60)
    lost = await store.discard([mine.id], why="x")

    assert (0, 1, False) == (held, lost, await settle(store, mine, Finished()))


async def test_what_is_done_is_not_discarded(store: Store) -> None:
    """Nor is what was discarded before."""
    await record(store, arrival("a"), arrival("b"))
    done, _ = await claim(store)
    await settle(store, done, Finished())
    await store.release([_])
    once = await store.discard([done.id, _.id], why="x")

    assert (1, 0) == (once, await store.discard([done.id, _.id], why="y"))


async def test_a_discarded_entry_lets_its_key_go_on(store: Store) -> None:
    """The next of its key is due, and one that is discarded in the line is skipped."""
    await record(store, *(arrival(name, key="k") for name in "abc"))
    entries = {row["event_id"]: row["id"] for row in await store.list(Filter())}
    await store.discard([entries[2], entries[1]], why="x")

    assert ["c"] == names(await claim(store))


async def test_a_discarded_event_is_forgotten_in_time(store: Store, clock: Clock) -> None:
    """Discarded is an end like done; what was noted of its attempts goes with it."""
    await store.mark(await record(store, arrival("a")), "accepted")
    (row,) = await store.list(Filter())
    await store.discard([row["id"]], why="x")
    clock.advance(1)
    await store.sweep(keep=0)

    assert 0 == (await store.counts())["events"]


# adopt, close, several at once

SOLE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # the store that can have a sole user


@SOLE
async def test_a_new_daemon_adopts_what_a_dead_one_left(place: Place) -> None:
    """Running entries are due at once, their attempt counted: what kills its process does not do so for ever."""
    async with place.open(sole=True) as store:
        await record(store, arrival("a", key="k"), arrival("b", key="k"), arrival("c"))
        lost = await claim(store)
    async with place.open(sole=True) as store:
        adopted = await store.adopt()
        late = [await settle(store, entry, Finished()) for entry in lost]
        again = await claim(store)

    assert (2, [False, False]) == (adopted, late)
    assert [("a", 2, 1), ("c", 2, 1)] == [(*names([entry]), entry.attempt, entry.lost) for entry in again]


@SOLE
async def test_an_adopted_attempt_is_told(place: Place) -> None:
    """The attempt that its daemon took with it is lost, and the operator can see it."""
    async with place.open(sole=True) as store:
        await record(store, arrival("a"))
        await claim_one(store)
    async with place.open(sole=True) as store:
        await store.adopt()

        assert [(1, "lost", LOST)] == await attempts(store)


@SOLE
async def test_adopted_entries_go_behind_what_waits(place: Place, clock: Clock) -> None:
    """What may have killed its process does not come first again, so that the others get on."""
    async with place.open(sole=True) as store:
        await record(store, arrival("a"))
        await claim(store)
        await record(store, arrival("b"))
        clock.advance(1)
    async with place.open(sole=True) as store:
        await store.adopt()
        order = names(await claim(store))

    assert ["b", "a"] == order


@SOLE
async def test_an_adopted_entry_makes_way_for_a_redriven_one(place: Place) -> None:
    """The order of a key holds over a restart."""
    async with place.open(sole=True) as store:
        await record(store, arrival("a", key="k"), arrival("b", key="k"))
        first = await claim_one(store)
        await settle(store, first, Dead("no"))
        await claim(store)
        await store.redrive([first.id])
    async with place.open(sole=True) as store:
        await store.adopt()
        order = names(await claim(store))

    assert ["a"] == order


async def test_nothing_of_a_shared_store_is_adopted(place: Place) -> None:
    """Beside others, nobody knows whose entries are lost before their leases end."""
    async with place.open() as store, place.open() as other:
        await record(store, arrival("a"))
        await claim(store)

        assert (0, ["running"]) == (await other.adopt(), await states(store))


async def test_a_closed_store_does_nothing(place: Place) -> None:
    """After its close every verb fails, and closing again is no error."""
    async with place.open() as store:
        await store.close()
        await store.close()

        with pytest.raises(JournalError, match="is closed"):
            await store.counts()


async def test_closing_finishes_what_was_asked(place: Place) -> None:
    """What was asked before the close is done, and its askers hear of it."""
    async with place.open() as store:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(store.record([arrival(f"{number}")])) for number in range(20)]
            await asyncio.sleep(0)
            await store.close()
        receipts = [receipt.event_id for task in asked for receipt in task.result()]
    async with place.open() as store:
        counts = await store.counts()

    assert (list(range(1, 21)), 20) == (sorted(receipts), counts["events"])


async def test_many_at_once_get_on_together(store: Store) -> None:
    """Verbs asked at once are all done, each for itself."""
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(store.record([arrival(f"{number}")]))
    async with asyncio.TaskGroup() as group:
        claims = [group.create_task(claim(store, 3)) for _ in range(20)]
    entries = [entry for task in claims for entry in task.result()]
    async with asyncio.TaskGroup() as group:
        settled = [group.create_task(settle(store, entry, Finished())) for entry in entries]

    assert (50, 50) == (len({entry.id for entry in entries}), sum(task.result() for task in settled))


async def test_two_processes_share_the_work(place: Place) -> None:
    """Of two on one store, each gets what the other has not, in entries and in tokens."""
    async with place.open() as one, place.open() as two:
        await record(one, *(arrival(f"{number}", key=f"{number % 7}") for number in range(30)))
        async with asyncio.TaskGroup() as group:
            claims = [group.create_task(claim(store, 1)) for store in (one, two) for _ in range(7)]
            takes = [group.create_task(store.take("A", limit=5, hold=75)) for store in (one, two) for _ in range(4)]
        keys = [entry.key for task in claims for entry in task.result()]

        assert (sorted("0123456"), 5) == (sorted(keys), sum(isinstance(task.result(), list) for task in takes))


async def test_one_process_settles_nothing_of_another(place: Place, clock: Clock) -> None:
    """A fence holds across processes."""
    async with place.open() as one, place.open() as two:
        await record(one, arrival("a"))
        stale = await claim_one(one, lease=60)
        clock.advance(60)
        mine = await claim_one(two)

        assert (False, True) == (await settle(one, stale, Finished()), await settle(two, mine, Finished()))


# tasks


async def started(store: Store, task: str, entry: Entry | None = None) -> Entry:
    """An entry whose call has started a task."""
    if entry is None:
        await record(store, arrival(f"starts {task}"))
        entry = await claim_one(store)
    await store.intend(entry, action="ProcessFile", identity=task, request=b"{}")
    await store.replied(entry, identity=task, reply=b"{}", task=task, ends_in="ProcedureStateChanged")
    return entry


async def test_a_task_knows_its_origin(store: Store) -> None:
    """A task leads back to the event, the handler and the action that started it; another one leads nowhere."""
    entry = await started(store, "task-1")

    assert Origin(entry.event_id, entry.handler, "ProcessFile") == await store.origin("task-1")
    assert await store.origin("task-2") is None


async def test_an_overdue_task_is_asked_for_ever_more_seldom(store: Store, clock: Clock) -> None:
    """A task is overdue `first` seconds after its start, then after twice, four times … as long."""
    await started(store, "task-1")
    taken: list[float] = []
    for second in range(0, 1000, 10):
        if await store.overdue(first=100, limit=5):
            taken.append(second)
        clock.advance(10)

    assert [100, 300, 700] == taken


async def test_the_longest_overdue_tasks_come_first(store: Store, clock: Clock) -> None:
    """No more than `limit` are taken, and what it says of each is where it came from and how old it is."""
    entry = await started(store, "a")
    clock.advance(1)
    await started(store, "b", entry)
    clock.advance(100)
    first = await store.overdue(first=50, limit=1)
    second = await store.overdue(first=50, limit=5)

    assert [Out("a", "ProcedureStateChanged", Origin(entry.event_id, entry.handler, "ProcessFile"), 101.0)] == first
    assert ["b"] == [out.task for out in second]


async def test_an_event_ends_its_task(store: Store, clock: Clock) -> None:
    """Once its end is recorded, a task is out no more; its origin is still known."""
    await started(store, "task-1")
    await started(store, "task-2")
    before = [row["task"] for row in await store.tasks()]
    await record(store, arrival("end")._replace(ends="task-1"))
    clock.advance(1000)

    assert ["task-1", "task-2"] == before
    assert ["task-2"] == [row["task"] for row in await store.tasks()]
    assert ["task-2"] == [out.task for out in await store.overdue(first=1, limit=5)]
    assert await store.origin("task-1")


FLOW = "ProcedureStateChanged"


def finished(task: str) -> Arrival:
    """The event that tells the end of a task, as the service writes it."""
    data = {"vodTaskId": task, "status": "FINISH"}
    return arrival(type=FLOW)._replace(body=dumps({"eventType": FLOW, "data": data}), ends=task)


async def test_an_end_may_be_told_before_its_task_is_known(store: Store, clock: Clock) -> None:
    """A task that ended between its call and the note of its reply is not out; nor is it found later."""
    await record(store, arrival("upload"))
    entry = await claim_one(store)
    clock.advance(1)
    await store.intend(entry, action="ProcessFile", identity="p", request=b"{}")
    clock.advance(1)
    ids = await record(store, finished("task-10"), finished("task-1"), arrival("later"))
    clock.advance(1)
    await store.replied(entry, identity="p", reply=b"{}", task="task-1", ends_in=FLOW)
    (found,) = await store.record([arrival("found")._replace(ends="task-1", found=True)])

    assert [] == await store.tasks()
    assert Receipt(ids[1], copy=True) == found


async def test_an_end_before_the_call_is_of_an_earlier_run(store: Store, clock: Clock) -> None:
    """A task that is run again is out, although its first end is in the journal."""
    await record(store, finished("task-1"))
    entry = await claim_one(store)
    clock.advance(1)
    await store.intend(entry, action="RedoTask", identity="redo", request=b"{}")
    clock.advance(1)
    await store.replied(entry, identity="redo", reply=b"{}", task="task-1", ends_in=FLOW)

    assert ["task-1"] == [row["task"] for row in await store.tasks()]


async def test_a_found_end_waits_for_no_confirmation(store: Store) -> None:
    """An end that was found by asking makes entries, and is not on the list of what is to be confirmed."""
    await started(store, "task-1")
    unconfirmed = (await store.counts())["unconfirmed"]
    (receipt,) = await store.record([arrival("end")._replace(ends="task-1", found=True)])

    assert not receipt.copy
    assert unconfirmed == (await store.counts())["unconfirmed"]
    assert 1 == len(await claim(store))


async def test_an_end_is_found_only_once(store: Store) -> None:
    """What is found after the end is known is a copy of it."""
    await started(store, "task-1")
    (first,) = await store.record([arrival("end")._replace(ends="task-1")])
    (second,) = await store.record([arrival("found")._replace(ends="task-1", found=True)])

    assert Receipt(first.event_id, copy=True) == second


class Why(StrEnum):
    """A reason of a class of its own, as a handler may have one."""

    LATE = "too late"


async def test_words_of_a_class_of_their_own_are_words(store: Store) -> None:
    """What a handler returns may be text of its own class: it is kept like any other, and breaks nothing."""
    await record(store, arrival("a"), arrival("b"))
    first, second = await claim(store, 2)

    assert await settle(store, first, Dead(Why.LATE))
    assert await settle(store, second, Again(5.0, Why.LATE))
    assert ["too late", "too late"] == [row["why"][-8:] for row in await store.list(Filter())]


async def test_the_first_delivered_end_after_a_found_one_is_a_copy(store: Store) -> None:
    """It is recorded, because it is to be confirmed, but makes no entries; a second one is a new event."""
    await started(store, "task-1")
    await store.record([arrival("found")._replace(ends="task-1", found=True)])
    handled = len(await claim(store))
    (late,) = await store.record([arrival("late")._replace(ends="task-1")])
    (again,) = await store.record([arrival("late")._replace(ends="task-1")])
    await store.mark([late.event_id], "accepted")
    (other,) = await store.record([arrival("other")._replace(ends="task-1")])

    assert 1 == handled
    assert late.copy
    assert Receipt(late.event_id, copy=True) == again
    assert not other.copy
    assert 1 == len(await claim(store))


async def test_a_task_that_runs_again_is_expected_anew(store: Store, clock: Clock) -> None:
    """A call that starts a known task again puts it out again, whatever was known of its end."""
    entry = await started(store, "task-1")
    await store.record([arrival("found")._replace(ends="task-1", found=True)])
    await store.intend(entry, action="RedoTask", identity="redo", request=b"{}")
    await store.replied(entry, identity="redo", reply=b"{}", task="task-1", ends_in="ConcatComplete")
    (row,) = await store.tasks()
    (end,) = await store.record([arrival("end")._replace(ends="task-1")])

    assert ("task-1", "ProcedureStateChanged") == (row["task"], row["waits_for"])
    assert not end.copy


async def test_a_task_may_be_given_up(store: Store) -> None:
    """A task that will never be heard of is out no more, and leads nowhere."""
    await started(store, "task-1")
    await store.unfollow("task-1")

    assert [] == await store.tasks()
    assert await store.origin("task-1") is None


async def test_the_end_of_a_stranger_task_is_an_event_like_any_other(store: Store) -> None:
    """An event that ends a task of somebody else is recorded and handled."""
    (receipt,) = await store.record([arrival("end")._replace(ends="nobody's")])

    assert not receipt.copy
    assert 1 == len(await claim(store))


async def test_old_tasks_are_forgotten(store: Store, clock: Clock) -> None:
    """What the service has forgotten is forgotten here, too."""
    await started(store, "task-1")
    clock.advance(TASK_LIFE + 1)
    await store.sweep(keep=1e9)

    assert [] == await store.tasks()
