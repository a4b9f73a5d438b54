"""What was counted, held against what was promised. Pure, but for the printing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from vodworker.demo import Promise
from vodworker.torture.scene import OPEN, Witness
from vodworker.torture.site import DEFINITIONS


@dataclass(frozen=True, slots=True)
class Tally:
    """What was found when all was over.

    tasks: how many were started for each file and template. heard: how often each event was handled. doubts: what the
    service told of calls whose reply nobody saw. drain: seconds that the backlog took, None when it did not drain.
    """

    uploads: Sequence[str]
    tasks: Mapping[tuple[str, int], int]
    ids: Sequence[str]
    heard: Mapping[str, int]
    entries: Mapping[str, int]
    redelivered: int
    flaws: Sequence[str]
    most: Mapping[str, tuple[int, int]]
    late: int
    held_up: int
    margin: float
    lost_replies: int
    struck: Mapping[str, int]
    witness: Witness
    code: int | None
    drain: float | None

    @property
    def expected(self) -> set[str]:
        """Everything that must have been handled: each upload, and the end of each task."""
        return {*self.uploads, *self.ids}


def verdict(tally: Tally) -> list[Promise]:
    """Hold what was counted against what was promised."""
    witness, entries, expected = tally.witness, tally.entries, tally.expected
    waits = sum(entries[state] for state in OPEN)  # these are not lost, they are late
    lost = max(0, len(expected - tally.heard.keys()) - waits)
    anew = max(0, entries["events"] - len(expected))
    again = sum(count > 1 for name, count in tally.heard.items() if name in expected)
    wanted = [(file, definition) for file in tally.uploads for definition in DEFINITIONS]
    twice = sum(tally.tasks.get(task, 0) > 1 for task in wanted)
    never = sum(task not in tally.tasks for task in wanted)
    found = ", ".join(f"{count} {found}" for found, count in sorted(witness.doubts.items()))
    doubts = f"{witness.doubts.total()}{f' ({found})' if found else ''}"
    over = {name: f"{most} of {limit}" for name, (most, limit) in tally.most.items() if most > limit}
    busiest = max(tally.most, key=lambda name: tally.most[name][0] / tally.most[name][1], default=None)
    unended = {state: entries[state] for state in (*OPEN, "dead", "discarded") if entries[state]}
    return [
        Promise(
            "Nothing is lost: every event is handled at least once",
            f"events {len(expected)}, lost {lost}, still open {waits}, handled more than once {again}",
            not lost,
        ),
        Promise(
            "The journal says so, too: every entry is done",
            f"{entries['done']} done{''.join(f', {count} {state}' for state, count in unended.items())}",
            not unended and tally.drain is not None,
        ),
        Promise(
            "A redelivered event is recognised",
            f"deliveries of an event that was out before: {tally.redelivered}, taken for a new event: {anew}",
            not anew,
        ),
        Promise(
            "Nothing is paid for twice: one task for each submission",
            f"submissions {len(wanted)}, tasks started twice: {twice}, never: {never};"
            f" in doubt: {doubts}, replies lost: {tally.lost_replies}",
            not (twice or never),
        ),
        Promise(
            "Confirmed in time: no confirmation is sent for a dead handle",
            f"late {tally.late}, held up by a fault until then {tally.held_up}, smallest margin {tally.margin:.1f} s",
            not tally.late,
        ),
        Promise(
            "Never over a ceiling, in any 60 s",
            "; ".join(f"{name} {most}" for name, most in over.items())
            or (f"at most {tally.most[busiest][0]} of {tally.most[busiest][1]} ({busiest})" if busiest else "no calls"),
            not over,
        ),
        Promise("The journal is sound", "; ".join(tally.flaws) or "integrity and counts are right", not tally.flaws),
        Promise(
            "A daemon ends only when it is killed, or asked to",
            f"kills {witness.kills}, ends of its own {witness.exits or 0}; when asked to: code {tally.code}",
            not witness.exits and tally.code == 0,
        ),
        Promise(
            "The backlog drains",
            "it did not, in time" if tally.drain is None else f"{tally.drain:.1f} s after the last kill",
            tally.drain is not None,
        ),
    ]


def report(console: Console, tally: Tally, promises: Sequence[Promise]) -> None:
    """Print what was done and seen."""
    faults = ", ".join(f"{count} {kind}" for kind, count in tally.struck.items())
    console.print(f"· faults: {faults}")
    told = ", ".join(f"{tally.witness.counts[name]} {name}" for name in TOLD)
    console.print(f"· the daemon's log: {told}")
    table = Table("", "promise", "seen", title="The verdict", title_justify="left")
    for promise in promises:
        table.add_row("[green]kept[/]" if promise.kept else "[red]BROKEN[/]", promise.words, promise.measured)
    console.print(table)
    broken = [promise.words for promise in promises if not promise.kept]
    if broken:
        for line in tally.witness.last:
            console.print(line, style="dim", markup=False, highlight=False)
    console.print(f"[red]failed[/]: {'; '.join(broken)}" if broken else "[green]The verdict is clean.[/]")


TOLD = (
    "event.received",
    "event.duplicate",
    "handler.done",
    "handler.retry",
    "handler.dead",
    "call.replayed",
    "call.failed",
)
