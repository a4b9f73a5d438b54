"""The rules of the event queue, with the time passed in."""

from hypothesis import given
from hypothesis import strategies as st

from vodworker.emulator.queue import REMEMBERED, Delivered, Queue


def queue(*events: str, batch: int = 16, partial: bool = False) -> Queue:
    """A queue with the service's own times and these events."""
    made = Queue(batch=batch, handle_life=30.0, return_after=5.0, partial=partial)
    for event in events:
        made.put(event.encode())
    return made


def contents(delivered: tuple[Delivered, ...]) -> list[str]:
    """What was handed out."""
    return [one.event.content.decode() for one in delivered]


def handles(delivered: tuple[Delivered, ...]) -> list[str]:
    """What to confirm."""
    return [one.handle for one in delivered]


def test_events_go_out_in_order_and_in_batches() -> None:
    """Events are handed out first come, first served, at most a batch at a time, each with a handle of its own."""
    waiting = queue("a", "b", "c", batch=2)

    first, second, third = waiting.pull(0), waiting.pull(0), waiting.pull(0)

    assert [["a", "b"], ["c"], []] == [contents(first), contents(second), contents(third)]
    assert 3 == len({*handles(first), *handles(second)})


def test_handles_are_sixteen_digits() -> None:
    """A handle is 16 digits, as those that were seen in the wild nearly are."""
    [delivered] = queue("a").pull(0)

    assert (16, True) == (len(delivered.handle), delivered.handle.isdigit())


def test_confirmed_event_is_gone() -> None:
    """A confirmed event never comes again, and the life that its handle had left is told."""
    waiting = queue("a")
    delivered = waiting.pull(0)

    assert ((28.0,), ()) == (
        (confirmation := waiting.confirm(handles(delivered), 2)).margins,
        confirmation.refused,
    )
    assert [] == contents(waiting.pull(1000))
    assert (0, 1) == (len(waiting), waiting.confirmed)


def test_unconfirmed_event_comes_back_with_another_handle() -> None:
    """An event that nobody confirms within 30 s can be pulled again a while later, with a new handle."""
    waiting = queue("a")
    [first] = waiting.pull(0)

    assert [[], []] == [contents(waiting.pull(29.9)), contents(waiting.pull(34.9))]
    [second] = waiting.pull(35)
    assert (first.event.content, 2) == (second.event.content, second.event.sent)
    assert first.handle != second.handle
    assert (1, 1) == (waiting.pulled, waiting.redelivered)


def test_event_that_comes_back_stands_behind_those_that_wait() -> None:
    """An event that comes back is handed out after those that came in the meantime."""
    waiting = queue("a")
    waiting.pull(0)
    waiting.put(b"b")

    assert ["b", "a"] == contents(waiting.pull(35))


def test_handle_dies_after_thirty_seconds() -> None:
    """A confirmation at 30 s is too late, is counted as late, and leaves the event to come again."""
    waiting = queue("a")
    delivered = waiting.pull(0)

    confirmation = waiting.confirm(handles(delivered), 30)

    assert ((), tuple(handles(delivered))) == (confirmation.margins, confirmation.late)
    assert (1, ["a"]) == (waiting.late, contents(waiting.pull(35)))


def test_unknown_handle_is_not_late() -> None:
    """A handle that was never given out is refused, but nobody was late with it."""
    confirmation = queue("a").confirm(["1"], 0)

    assert (("1",), ()) == (confirmation.refused, confirmation.late)


def test_handle_counts_once() -> None:
    """A handle that is confirmed already is refused; one that is named twice in a batch counts once."""
    waiting = queue("a")
    [handle] = handles(waiting.pull(0))

    assert (30.0,) == waiting.confirm([handle, handle], 0).margins
    assert (handle,) == waiting.confirm([handle], 0).refused


def test_one_dead_handle_spoils_the_batch() -> None:
    """By default no event of a batch is confirmed when one of its handles does not live."""
    waiting = queue("a")
    [handle] = handles(waiting.pull(0))

    assert ((), ("1",)) == ((result := waiting.confirm([handle, "1"], 0)).margins, result.refused)
    assert (30.0,) == waiting.confirm([handle], 0).margins


def test_live_handles_of_a_batch_are_confirmed() -> None:
    """When it is so set, the live handles of a batch are confirmed and only the others are refused."""
    waiting = queue("a", partial=True)
    [handle] = handles(waiting.pull(0))

    assert ((30.0,), ("1",)) == ((result := waiting.confirm([handle, "1"], 0)).margins, result.refused)
    assert 0 == len(waiting)


def test_reply_without_a_taker_is_taken_back() -> None:
    """Events whose reply had nobody to go to are the next again, as if they had never been handed out."""
    waiting = queue("a", "b", "c", batch=2)
    delivered = waiting.pull(0)
    waiting.take_back(delivered)

    assert (0, 3) == (waiting.pulled, waiting.waiting)
    assert ["a", "b"] == contents(waiting.pull(0))
    assert tuple(handles(delivered)) == waiting.confirm(handles(delivered), 0).refused


def test_redelivery_is_taken_back() -> None:
    """A second handing out is undone as well, and no longer counted."""
    waiting = queue("a")
    waiting.pull(0)
    waiting.take_back(waiting.pull(35))

    assert (1, 0) == (waiting.pulled, waiting.redelivered)


def test_what_was_confirmed_is_not_taken_back() -> None:
    """Taking back does not bring an event again that was confirmed in the meantime."""
    waiting = queue("a")
    delivered = waiting.pull(0)
    waiting.confirm(handles(delivered), 0)
    waiting.take_back(delivered)

    assert 0 == len(waiting)


def test_due_is_when_an_event_can_come_back() -> None:
    """Whoever waits for the queue learns when an event comes back: handed out or lapsed, the first to return."""
    waiting = queue("a", "b", batch=1)

    assert None is waiting.due()
    waiting.pull(0)
    waiting.pull(2)
    assert 35.0 == waiting.due()
    waiting.confirm([], 30)
    assert 35.0 == waiting.due()
    waiting.pull(35)
    assert 37.0 == waiting.due()


def test_a_look_changes_nothing() -> None:
    """Looking at the queue shows every event that nobody has confirmed, in order of coming, wherever it is."""
    waiting = queue("lapsed", "out", "waiting", batch=1)
    waiting.pull(0)
    waiting.pull(29)
    waiting.confirm([], 31)

    assert [b"lapsed", b"out", b"waiting"] == [event.content for event in waiting]
    assert "<Queue 1 waiting, 1 out, 1 lapsed>" == repr(waiting)
    assert (1, 1, 3) == (waiting.waiting, waiting.out, len(waiting))


def test_old_late_handles_are_forgotten() -> None:
    """Only so many dead handles are told from unknown ones: a long run stays within bounds."""
    waiting = queue(*map(str, range(REMEMBERED + 1)), batch=REMEMBERED + 1)
    delivered = waiting.pull(0)

    late = waiting.confirm(handles(delivered), 31).late

    assert tuple(handles(delivered)[1:]) == late


@given(
    st.lists(
        st.one_of(
            st.just("put"),
            st.just("pull"),
            st.just("confirm"),
            st.just("take back"),
            st.sampled_from([1.0, 20.0, 40.0]),
        ),
        max_size=60,
    ),
    st.booleans(),
)
def test_no_event_is_lost(story: list[str | float], partial: bool) -> None:  # noqa: FBT001  # drawn
    """Whatever happens in whatever order, every event is confirmed in the end or can be pulled again."""
    waiting, now, put, held = queue(batch=3, partial=partial), 0.0, 0, list[Delivered]()
    confirmed = 0
    for turn in story:
        match turn:
            case "put":
                waiting.put(str(put).encode())
                put += 1
            case "pull":
                held += waiting.pull(now)
            case "confirm":
                confirmed += len(waiting.confirm([one.handle for one in held[:2]], now).margins)
            case "take back":
                waiting.take_back(held[-2:])
            case _:
                now += float(turn)
    left = list[str]()
    while batch := waiting.pull(now + 1000):
        left += contents(batch)

    assert (put, put - confirmed) == (waiting.emitted, len(set(left)))
    assert len(left) == len(set(left))
    assert (confirmed, put) == (waiting.confirmed, waiting.pulled)
