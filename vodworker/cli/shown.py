"""What the journal says, for a reader at a terminal of 80 columns or more."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from vodworker.wire import dumps

Rows = Iterable[Mapping[str, Any]]

HEAD = ("entry", "state", "try", "age", "handler", "type")
TASK_HEAD = ("event", "action", "handler", "waits for", "age", "asked")
STYLES = {"dead": "red", "discarded": "dim", "done": "green", "running": "cyan", "in doubt": "yellow"}
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
INDENT = 4


def print_entries(entries: Rows, counts: Mapping[str, int], paused: Rows) -> None:
    """Entries, what keeps each in the line below it, and the sums over the whole journal."""
    console = Console(highlight=False)
    rows = [
        (str(it["id"]), it["state"], str(it["attempt"]), span(it["age"]), it["handler"], it["type"]) for it in entries
    ]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    console.print(line(HEAD, widths), style="bold")
    for row, entry in zip(rows, entries, strict=True):
        console.print(line(row, widths))
        below(console, Text(f"event {entry['event_id']}, {entry['key'] or 'no key'}{reason(entry['why'])}", "dim"))
    console.print(", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing", style="dim")
    for it in paused:
        console.print(Text(f"{it['handler']} has been paused for {span(it['age'])}{reason(it['why'])}", "yellow"))


def line(row: Sequence[str], widths: Sequence[int]) -> Text:
    """A row of the list: numbers to the right, the state in its colour."""
    number, state, attempt, age, *names = widths
    shown = Text(f"{row[0]:>{number}}  ")
    shown.append(f"{row[1]:<{state}}", STYLES.get(row[1], ""))
    shown.append(f"  {row[2]:>{attempt}}  {row[3]:>{age}}  {row[4]:<{names[0]}}  {row[5]}")
    return shown


def print_tasks(tasks: Rows) -> None:
    """Tasks, the whole id of each in the line below it: it is what the service is asked with."""
    console = Console(highlight=False)
    tasks = [*tasks]
    rows = [
        (str(it["event_id"]), it["action"], it["handler"], it["waits_for"], span(it["age"]), str(it["asked"]))
        for it in tasks
    ]
    widths = [max(map(len, column)) for column in zip(TASK_HEAD, *rows, strict=True)]
    console.print(columns(TASK_HEAD, widths), style="bold")
    for row, task in zip(rows, tasks, strict=True):
        console.print(columns(row, widths))
        below(console, Text(task["task"], "dim"))


def columns(row: Sequence[str], widths: Sequence[int]) -> Text:
    """A row of texts, each as wide as its column."""
    return Text("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def print_event(event: Mapping[str, Any]) -> None:
    """All of one event."""
    console = Console(highlight=False)
    console.print(Text.assemble(f"event {event['id']}  ", (event["type"], "bold"), f"  key {event['key'] or 'none'}"))
    console.print(f"recorded {event['recorded']}, {span(event['age'])} ago; confirmation {event['confirmation']}\n")
    for entry in event["entries"]:
        state = (entry["state"], STYLES.get(entry["state"], ""))
        tries = f", attempt {entry['attempt']}" if entry["attempt"] else ""
        console.print(Text.assemble(f"entry {entry['id']}  ", (entry["handler"], "bold"), "  ", state, tries))
        if entry["why"]:
            below(console, entry["why"])
        for it in entry["attempts"]:
            below(
                console, Text(f"attempt {it['attempt']}, {span(it['age'])} ago: {it['how']}{reason(it['why'])}", "dim")
            )
        for call in (call for call in event["calls"] if call["entry_id"] == entry["id"]):
            print_call(console, call)
        console.print()
    if not event["entries"]:
        console.print("no entries: no handler hears it\n")
    console.print_json(data=event["body"])


def print_call(console: Console, call: Mapping[str, Any]) -> None:
    """A recorded call: what was asked, and what was answered."""
    style = STYLES.get(call["state"], "")
    below(console, Text.assemble(f"call {call['action']}, {span(call['age'])} ago: ", (call["state"], style)))
    for name in ("request", "reply"):
        if call[name] is not None:
            told = dumps(call[name]).decode()
            console.print(
                Padding(Text(f"{name:<7} {told}", "dim", overflow="fold"), (0, 0, 0, 2 * INDENT), expand=False)
            )


def below(console: Console, text: str | Text) -> None:
    """Print it under what it belongs to, as wide as there is room."""
    console.print(Padding(text if isinstance(text, Text) else Text(text), (0, 0, 0, INDENT), expand=False))


def reason(why: str) -> str:
    """A reason behind what it explains, where there is one."""
    return f": {why}" if why else ""


def span(seconds: float) -> str:
    """A duration in the largest unit that it fills: `3.2 h`."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
