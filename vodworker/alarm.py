"""A broken journal is told at once, and not only when everything that ran beside it has come to its end."""

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeAlias

from vodworker.errors import JournalError

Alarm: TypeAlias = Callable[[JournalError], None]


async def alarmed(part: Coroutine[Any, Any, None], alarm: Alarm) -> None:
    """Run a part; when the journal breaks in it, `alarm` is told before the error goes on."""
    try:
        await part
    except JournalError as error:
        alarm(error)
        raise
    except BaseExceptionGroup as group:
        for one in leaves(group):
            if isinstance(one, JournalError):
                alarm(one)
        raise


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
