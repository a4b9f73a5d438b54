"""What an operator reads of events and entries, in words. Pure: every store shows its rows through here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vodworker.wire import loads


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as a store has it. Instants are the store's clock's; `due` of a running one is the end of its lease.

    ahead: the event that a blocked entry waits for. paused: why its handler is; None: it is not. action, waits: the
    action for whose token the run waits, and since when; None: it does not.
    """

    id: int
    event_id: int
    type: str
    key: str
    handler: str
    state: str
    attempt: int
    due: float
    since: float
    reason: str
    recorded: float
    ahead: int | None
    paused: str | None
    action: str | None
    waits: float | None

    def told(self, now: float) -> dict[str, Any]:
        """The entry for printing."""
        return {
            "id": self.id,
            "event_id": self.event_id,
            "type": self.type,
            "key": self.key,
            "handler": self.handler,
            "state": self.state,
            "attempt": self.attempt,
            "due_in": round(max(0.0, self.due - now), 3) if self.state == "ready" else None,
            "why": self.why(now),
            "age": round(now - self.recorded, 3),
        }

    def why(self, now: float) -> str:
        """Why the entry is not running, or for how long it is; "" for one that is done."""
        after = f" after: {self.reason}" if self.reason else ""
        left = self.due - now
        match self.state:
            case "blocked":
                return f"waiting for event {self.ahead} of the same key"
            case "ready" if self.paused is not None:
                return f"its handler is paused{f': {self.paused}' if self.paused else ''}{after}"
            case "ready":
                return f"backing off for {left:.1f} s more{after}" if left > 0 else f"due{after}"
            case "running" if left > 0:
                line = f"waiting for a token of {self.action} for {now - (self.waits or now):.1f} s, "
                begun = f"running for {now - self.since:.1f} s, {line if self.action else ''}"
                return f"{begun}its lease ends in {left:.1f} s"
            case "running":
                return f"due: its lease ended {-left:.1f} s ago"
            case "done":
                return ""
            case _:
                return f"{self.state}: {self.reason or 'no reason given'}"


def told(
    event: Sequence[Any],
    *,
    attempts: Iterable[Sequence[Any]],
    entries: Iterable[Sequence[Any]],
    calls: Iterable[Sequence[Any]],
    now: float,
) -> dict[str, Any]:
    """An event whole, for printing: what the `SHOW_…` queries of a store found, row by row."""
    number, kind, key, recorded, body, waiting, sent = event
    ended = ends(attempts, now)
    shown = [Row(*row).told(now) for row in entries]
    return {
        "id": number,
        "type": kind,
        "key": key,
        "recorded": moment(recorded),
        "age": round(now - recorded, 3),
        "confirmation": confirmation(waiting=waiting, sent=sent, now=now),
        "body": readable(body),
        "entries": [{**entry, "attempts": ended.get(entry["id"], [])} for entry in shown],
        "calls": [
            {
                "entry_id": entry,
                "handler": handler,
                "identity": identity,
                "action": action,
                "request": readable(request),
                "reply": None if reply is None else readable(reply),
                "state": "in doubt" if reply is None else "replied",
                "age": round(now - made, 3),
            }
            for entry, handler, identity, action, request, reply, made in calls
        ],
    }


def ends(rows: Iterable[Sequence[Any]], now: float) -> Mapping[int, list[dict[str, Any]]]:
    """The attempts of each entry, oldest first. A row: entry, number, when it ended, how, why."""
    found: dict[int, list[dict[str, Any]]] = {}
    for entry, number, ended, how, why in rows:
        story = {"attempt": number, "how": how, "why": why or LOST, "age": round(now - ended, 3)}
        found.setdefault(entry, []).append(story)
    return found


LOST = "its worker died or stood still, and never told how it ended"


def moment(recorded: float) -> str:
    """An instant of the store's clock, in words that sort: UTC."""
    return datetime.fromtimestamp(recorded, UTC).isoformat(timespec="milliseconds")


def confirmation(*, waiting: bool, sent: float | None, now: float) -> str:
    """How far the confirmation of an event has come."""
    if not waiting:
        return "accepted"
    return "never sent" if sent is None else f"sent {now - sent:.1f} s ago, not known to be accepted"


def readable(data: bytes) -> Any:
    """Recorded JSON for printing; what is no JSON after all is shown as text."""
    try:
        return loads(data)
    except ValueError:
        return data.decode("utf-8", "replace")
