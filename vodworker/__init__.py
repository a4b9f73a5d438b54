"""vodworker: an event-driven worker daemon for Tencent Cloud VOD.

What a handler needs is here; the actions are in `vodworker.api`, the events in `vodworker.events`, the meaning of error
codes in `vodworker.codes`.
"""

from vodworker.handler import Context, Run, on
from vodworker.outcome import Done, Outcome, Reject, Retry

__all__ = ["Context", "Done", "Outcome", "Reject", "Retry", "Run", "on"]
