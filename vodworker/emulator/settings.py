"""What can be set on an emulator. Frozen: a running one is changed through its parts, in the open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from vodworker.emulator.faults import Plan


class Empty(Enum):
    """What PullEvent answers when nothing came within the hold; all three were seen in the wild."""

    REFUSED = "refused"  # code 4000 with the text about no event
    EMPTY = "empty"  # code 0 and an empty list
    MISSING = "missing"  # code 0 and no list at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One account of the service. Times in seconds; those of tasks run on the emulator's clock, `speed` times faster.

    token: what calls must carry as Token; "" means that they must carry none.
    batch: events in one reply of PullEvent at most; v2 says nothing, its successor hands out 16.
    hold: how long PullEvent waits for an event.
    handle_life: how long a handle can be confirmed.
    return_after: how long after that the event is handed out again; the service says no more than "a while".
    partial_confirm: whether the live handles of a batch are confirmed when others in it are not known, or none is.
    empty: what PullEvent answers to say that there is no event.
    ceilings: calls of an action in 60 s, where it is not the action's own `rate`.
    queued, worked: how long a task waits for its start, and each of its sub-tasks for its end.
    signed_places: whether ApplyUpload signs for the store's JSON interface; newer replies leave uploads to its XML one.
    seed: of the ids; None makes others at each start.
    app_id: the account's number, a part of many names.
    faults: what shall go wrong from the start.
    """

    secret_id: str = "test-secret-id"  # noqa: S105  # as the next
    secret_key: str = "test-secret-key"  # noqa: S105  # the same for everybody: there is nothing to protect
    token: str = ""
    batch: int = 16
    hold: float = 5.0
    handle_life: float = 30.0
    return_after: float = 5.0
    partial_confirm: bool = False
    empty: Empty = Empty.REFUSED
    ceilings: Mapping[str, int] = field(default_factory=dict[str, int])
    speed: float = 1.0
    queued: float = 1.0
    worked: float = 2.0
    signed_places: bool = True
    seed: int | None = None
    app_id: int = 1250000001
    faults: Plan = field(default_factory=Plan)
