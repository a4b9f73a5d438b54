"""A broken journal is told at once, and not only when everything that ran beside it has come to its end."""

from collections.abc import Awaitable, Callable, Iterator
from typing import ParamSpec, TypeAlias, TypeVar

from vodworker.errors import JournalError

P = ParamSpec("P")
E = TypeVar("E", bound=BaseException)
Alarm: TypeAlias = Callable[[JournalError], None]


async def alarmed(alarm: Alarm, part: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run a part; when the journal breaks in it, `alarm` is told before the error goes on."""
    try:
        await part(*args, **kwargs)
    except JournalError as error:
        alarm(error)
        raise
    except BaseExceptionGroup as group:
        for one in leaves(group):
            if isinstance(one, JournalError):
                alarm(one)
        raise


def leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """The errors in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
