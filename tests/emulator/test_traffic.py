"""What is played: made up, but as one would expect of it, and adding up."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vodworker.emulator.calendar import DAY, begin, clock_time, day_of, days, read_clock_time
from vodworker.emulator.footage import footage
from vodworker.emulator.state import Video
from vodworker.emulator.traffic import SLOT, SLOTS, delivered, first_slot, hosts, passed, played, plays, spread, summed

TODAY = date(2018, 3, 1)
HOSTS = hosts(1)
MOMENTS = st.floats(begin(TODAY) - 2 * DAY, begin(TODAY) + 2 * DAY)


def video(number: int = 1, *, created: float = 0.0, size: int = 1000) -> Video:
    """A file that was made then."""
    shows = footage("", name="")
    return Video(
        id=str(number),
        name="",
        container="mp4",
        folder="",
        url="",
        size=size,
        md5="",
        footage=shows,
        created=created,
        updated=created,
    )


@pytest.mark.no_cover
@given(amounts=st.lists(st.tuples(st.just(0), st.integers(0, 10**12))))
def test_pieces_of_a_day_add_up_to_it(amounts: list[tuple[int, int]]) -> None:
    """What is spread over a day is all there, no piece is below nothing, and there are 288 pieces."""
    pieces = spread(amounts, SLOTS)

    assert (SLOTS, sum(amount for _, amount in amounts)) == (len(pieces), sum(pieces))
    assert min(pieces) >= 0


@given(first=st.integers(0, SLOTS), until=st.integers(0, SLOTS), amount=st.integers(0, 10**6))
def test_nothing_is_before_the_file_or_after_now(first: int, until: int, amount: int) -> None:
    """Pieces before an amount begins, and those that have not passed, are nothing."""
    pieces = spread([(first, amount)], until)

    assert [0] * min(first, SLOTS) == pieces[:first]
    assert [0] * (SLOTS - until) == pieces[until:]


@given(created=MOMENTS, now=MOMENTS)
def test_file_is_not_played_before_it_is_made(created: float, now: float) -> None:
    """A file is played from the moment it is made until now, as often as the domain delivered it."""
    one = video(created=created)
    times = played(one, HOSTS[0], TODAY, now)
    pieces = delivered([one], HOSTS[0], TODAY, now=now).plays

    assert times == sum(pieces)
    assert 0 <= times <= plays(one, HOSTS[0], TODAY) <= 140
    assert not times or created < now
    assert 0 <= first_slot(one, TODAY)
    assert 0 <= passed(TODAY, now) <= SLOTS


def test_plays_follow_from_file_and_day() -> None:
    """The same file has the same plays on the same day, other ones on other days; a file of tomorrow has none."""
    tomorrow = begin(TODAY) + DAY
    month = [plays(video(), HOSTS[0], day) for day in days(TODAY, TODAY + timedelta(days=29))]

    assert month == [plays(video(), HOSTS[0], day) for day in days(TODAY, TODAY + timedelta(days=29))]
    assert len(set(month)) > 10
    assert 0 == plays(video(created=tomorrow), HOSTS[0], TODAY)


@pytest.mark.parametrize(
    "stat_type, pieces, expected",
    [
        ("flux", [1, 2, 3], 6),
        ("bandwidth", [1, 3, 2], 3),
        ("bandwidth", [], 0),
        ("requests", [1, 2], 3),
        ("hitrate", [0, 9000, 9200], 9100),
        ("hitrate", [0, 0], 0),
        ("ip_visits", [1, 2], 3),
    ],
)
def test_pieces_are_put_together_by_what_they_count(stat_type: str, pieces: list[int], expected: int) -> None:
    """Of bandwidth the peak counts, of hits the mean, of all else the sum."""
    assert expected == summed(stat_type, pieces)


def test_what_is_counted_fits_together() -> None:
    """Bytes, bit/s, calls and hits are of the same plays."""
    delivery = delivered([video(n, size=10**6) for n in range(20)], HOSTS[0], TODAY, now=begin(TODAY) + DAY)
    flux, plays_ = delivery.of("flux"), delivery.of("ip_visits")

    assert sum(plays_) * 10**6 == sum(flux)
    assert [bytes_ * 8 // SLOT for bytes_ in flux] == delivery.of("bandwidth")
    assert sum(delivery.of("requests")) > sum(plays_)
    assert all(
        9000 <= hits < 10_000 if times else hits == 0
        for hits, times in zip(delivery.of("hitrate"), plays_, strict=True)
    )


def test_days_are_beijings() -> None:
    """A day begins at 16:00 UTC of the one before, and times are written as clocks there show them."""
    assert 1_519_833_600 == begin(TODAY)
    assert (TODAY - timedelta(days=1), TODAY) == (day_of(1_519_833_599), day_of(1_519_833_600))
    assert "2018-03-01 00:00:00" == clock_time(1_519_833_600)
    assert (1_519_833_600, None) == (read_clock_time("2018-3-1 00:00:00"), read_clock_time("2018-03-01"))
