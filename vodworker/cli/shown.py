"""What the journal says, for a reader at a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Rows = Iterable[Mapping[str, Any]]

ENTRY = ("id", "event_id", "type", "key", "handler", "state", "attempt", "age", "why")
CALL = ("handler", "action", "state", "age", "request", "reply")
STYLES = {"dead": "red", "discarded": "dim", "done": "green", "running": "cyan", "in doubt": "yellow"}
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def print_entries(entries: Rows, counts: Mapping[str, int]) -> None:
    """A table of entries, and the sums over the whole journal."""
    console = Console()
    console.print(table(entries, ENTRY))
    console.print(", ".join(f"{number} {name}" for name, number in counts.items()), style="dim")


def print_event(event: Mapping[str, Any]) -> None:
    """All of one event."""
    console = Console()
    console.print(f"event {event['id']}", Text(event["type"], "bold"), Text(f"key {event['key'] or 'none'}"))
    console.print(f"recorded {span(event['age'])} ago, confirmation {event['confirmation']}\n")
    for name, columns in (("entries", ENTRY), ("calls", CALL)):
        if event[name]:
            console.print(table(event[name], [it for it in columns if it not in ("event_id", "type", "key")]), "")
        else:
            console.print(f"no {name}\n")
    console.print_json(data=event["body"])


def table(rows: Rows, columns: Sequence[str]) -> Table:
    """Rows of facts, a column for each name."""
    shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*(cell(name, row[name]) for name in columns))
    return shown


def cell(name: str, value: Any) -> Text:
    """A fact, as short as it can be told."""
    match name:
        case "age":
            return Text(span(value))
        case "state":
            return Text(value, STYLES.get(value, ""))
        case _:
            return Text("" if value is None else str(value))


def span(seconds: float) -> str:
    """A duration in the largest unit that it fills: `3.2 h`."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
