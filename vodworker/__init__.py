"""vodworker: an event-driven worker daemon for Tencent Cloud VOD.

What a handler needs is here; the actions are in `vodworker.api`, the events in `vodworker.events`, the meaning of error
codes in `vodworker.codes`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vodworker.handler import Context, Run, on
    from vodworker.outcome import Done, Outcome, Reject, Retry

__all__ = ["Context", "Done", "Outcome", "Reject", "Retry", "Run", "on"]

IN_HANDLER = frozenset({"Context", "Run", "on"})  # all else is in `outcome`


def __getattr__(name: str) -> Any:
    """Load a name when it is asked for: commands and the pytest plug-in, which need none of them, start at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'handler' if name in IN_HANDLER else 'outcome'}"), name)
