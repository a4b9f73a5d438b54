"""The door through which code of others runs: whatever it raises is a value to us. Pure, and the one broad catch."""

import reprlib
from collections.abc import Callable
from types import TracebackType
from typing import Self


class plugin_door:  # noqa: N801  # read as a verb: with plugin_door() as failure
    """Code of others runs inside: whatever it raises, `sys.exit()` and worse too, is a value to us, in `error`.

    ours: tells what is not theirs, our own end, which goes up.
    """

    __slots__ = ("_ours", "error")

    def __init__(self, ours: Callable[[BaseException], bool] | None = None) -> None:
        self._ours = ours
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<plugin_door {shown(self.error) if self.error else 'nothing came through'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or (self._ours and self._ours(error)):
            return False
        self.error = error
        return True


_short = reprlib.Repr()
_short.maxother = _short.maxstring = 200


def shown(value: object) -> str:
    """Any value in a bounded text without lone surrogates; its own `repr` may do what it likes."""
    text = ""
    with plugin_door():
        text = str.encode(_short.repr(value), errors="backslashreplace").decode()
    return text or f"<{type(value).__name__} that cannot be shown>"
