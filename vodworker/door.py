"""The door through which code of others runs: whatever it raises is a value to us. Pure, and the one broad catch."""

import reprlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Failure:
    """What came through the plug-in door, if anything did."""

    error: BaseException | None = None


@contextmanager
def plugin_door(ours: Callable[[BaseException], bool] = lambda _: False) -> Generator[Failure]:
    """Code of others runs inside: whatever it raises, `sys.exit()` and worse too, is a value to us.

    ours: tells what is not theirs, our own end, which goes up.
    """
    failure = Failure()
    try:
        yield failure
    except BaseException as error:
        if ours(error):
            raise
        failure.error = error


_short = reprlib.Repr()
_short.maxother = _short.maxstring = 200


def shown(value: object) -> str:
    """Any value in a bounded text without lone surrogates; its own `repr` may do what it likes."""
    text = ""
    with plugin_door():
        text = str.encode(_short.repr(value), errors="backslashreplace").decode()
    return text or f"<{type(value).__name__} that cannot be shown>"
