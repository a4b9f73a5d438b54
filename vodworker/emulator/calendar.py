"""Days as the service counts them: Beijing's. Pure."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
DAY = 86_400  # seconds


def day_of(moment: float) -> date:
    """The day of a moment, in Unix seconds."""
    return datetime.fromtimestamp(moment, BEIJING).date()


def begin(day: date) -> int:
    """The Unix second with which a day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=BEIJING).timestamp())


def days(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last."""
    return (first + timedelta(number) for number in range((last - first).days + 1))


def clock_time(moment: float) -> str:
    """A moment as older actions write it: 2014-11-27 10:22:37."""
    return datetime.fromtimestamp(moment, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def read_clock_time(text: str) -> float | None:
    """The Unix seconds of such a text, leading noughts missing or not; None when it is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING).timestamp()
    except ValueError:
        return None
