"""What a tally says in sentences and rows: the same for a terminal and for a page. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from vodworker.api import ACTIONS
from vodworker.codes import Language, explain
from vodworker.report.tally import OTHER, Run, Tally

LOW_MARGIN = 15.0  # seconds: with less than half of a handle's life left, a retry may come too late


NO_REPLY: dict[Language, tuple[str, str]] = {
    "en": ("no reply, or none that could be read", "look at the network, or wait"),
    "zh": ("没有响应，或响应无法读取", "检查网络，或等待恢复"),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: its title, a sentence on it, its columns and its rows."""

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def moment(at: float) -> str:
    """A moment, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """A length of time, in the unit that suits it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{seconds * 1000:.3g} ms"


def many(number: int, one: str, several: str = "") -> str:
    """A number and what there is of it."""
    return f"{digits(number)} {one if number == 1 else several or f'{one}s'}"


def digits(number: float) -> str:
    """A whole number, its thousands apart."""
    return f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def headline(tally: Tally) -> str:
    """What was read."""
    lasted = span(tally.last - tally.first)
    passed = f"; {many(tally.passed, 'line was', 'lines were')} passed by as no part of it, or torn" * (
        tally.passed > 0
    )
    return f"{moment(tally.first)} to {moment(tally.last)} UTC ({lasted}), {many(tally.count, 'line')}{passed}"


def taken_in(tally: Tally) -> str:
    """The events that came."""
    states: Counter[str] = Counter()
    for (_, state), count in tally.types.items():
        states[state] += count
    came = states["received"] + states["unheard"]
    more = [f"{many(states['duplicate'], 'was', 'were')} delivered again and recognised"] if states["duplicate"] else []
    more += [f"{many(states['unheard'], 'was', 'were')} heard by no handler"] if states["unheard"] else []
    return f"{many(came, 'event')} taken in{''.join(f', {it}' for it in more)}."


def confirmed(tally: Tally) -> str:
    """How well confirmations kept to the 30 s."""
    if not tally.margin.count:
        return "Nothing was confirmed."
    late = f", which is close: below {LOW_MARGIN:g} s a retry may come too late" * (tally.margin.least < LOW_MARGIN)
    return (
        f"Of a handle's 30 s, {tally.margin.least:.1f} s were left at the worst{late},"
        f" and {tally.margin.quantile(0.5):.1f} s in the middle."
    )


def worked_off(tally: Tally) -> str:
    """How runs of handlers ended."""
    ended: Counter[str] = Counter()
    for (_, ending), count in tally.endings.items():
        ended[ending] += count
    runs = many(ended.total(), "run")
    return (
        f"{runs} of handlers: {digits(ended['done'])} done, {digits(ended['retry'])} to be tried again,"
        f" {digits(ended['dead'] + ended['rejected'])} dead."
    )


def backlog(tally: Tally) -> str:
    """The open entries."""
    points = list(tally.timeline.points("open"))
    if not points:
        return "The log does not tell how many entries were open."
    when, most = max(points, key=lambda point: point[1])
    since = " (reckoned from nought at the beginning of this log)" if tally.reckoned else ""
    opened = many(int(most), "entry", "entries")
    return f"At most {opened} open, at {moment(when)}; {digits(tally.open)} at the end{since}."


def ceilings(tally: Tally) -> str:
    """How close calls came to their ceilings."""
    used = [(window.most / tally.limit(name), name) for name, window in tally.calls.items() if name != OTHER]
    if not used:
        return "No calls."
    part, name = max(used)
    most, rate = tally.calls[name].most, tally.limit(name)
    over = " That is over it." * (part > 1)
    return f"{name} came closest: at most {most} calls ended within 60 s, of {rate} that are allowed.{over}"


def handlers(tally: Tally) -> Rows:
    """How long runs took, by handler and type of event."""
    rows = tuple(
        (handler, kind, digits(it.count), *(span(it.quantile(part)) for part in (0.5, 0.95)), span(it.most))
        for (handler, kind), it in sorted(tally.runs.items(), key=lambda item: -item[1].quantile(0.95))
    )
    columns = ("handler", "event", "runs", "median", "95 of 100", "longest")
    return Rows("Handlers", worked_off(tally), columns, rows)


def calls(tally: Tally) -> Rows:
    """Calls against their ceilings."""
    rows = tuple(
        (
            name,
            digits(it.count),
            f"{it.most} of {tally.limit(name)}" if name in ACTIONS else str(it.most),
            span(it.took.quantile(0.5)),
            span(it.took.quantile(0.95)),
            span(it.waited.quantile(0.95)) if it.waited.count else "",
        )
        for name, it in sorted(tally.calls.items(), key=lambda item: -item[1].count)
    )
    columns = ("action", "calls", "most in 60 s", "median", "95 of 100", "waited, 95 of 100")
    return Rows("Calls", ceilings(tally), columns, rows)


def failures(tally: Tally, language: Language) -> Rows:
    """Calls that failed, and what their codes mean."""
    rows: list[tuple[str, ...]] = []
    for (action, code), count in tally.failures.most_common():
        if code is None:
            rows.append((action, "", str(count), *NO_REPLY[language]))
        else:
            it = explain(code, language=language)
            rows.append((action, str(code), str(count), it.cause, it.remedy))
    total = many(tally.failures.total(), "call")
    says = f"{total} failed; most were tried again." if rows else "No call failed."
    return Rows("Failures", says, ("action", "code", "times", "why", "what to do"), tuple(rows))


def told(runs: list[Run]) -> Iterator[tuple[str, ...]]:
    """Runs, a row each."""
    for run in runs:
        facts = run.facts
        names = ("event_id", "event_type", "key", "handler", "attempt", "why")
        yield (moment(run.at), span(run.took), *("" if facts.get(name) is None else str(facts[name]) for name in names))


COLUMNS = ("when", "took", "event", "type", "key", "handler", "run", "why")


def slowest(tally: Tally) -> Rows:
    """The longest runs."""
    rows = tuple(told(sorted(tally.slowest, reverse=True)))
    says = f"The longest run took {rows[0][1]}." if rows else "No runs."
    return Rows("The slowest runs", says, COLUMNS, rows)


def dead(tally: Tally) -> Rows:
    """The last dead entries."""
    count = sum(number for (_, ending), number in tally.endings.items() if ending in ("dead", "rejected"))
    says = f"{many(count, 'entry', 'entries')} died; the last are below." if count else "Nothing died."
    return Rows("The dead", says, COLUMNS, tuple(told(list(tally.dead))))


def outages(tally: Tally) -> Rows:
    """When something was away."""
    rows = tuple((moment(since), span(until - since), who) for since, until, who in tally.outages)
    total = sum(until - since for since, until, _ in tally.outages)
    says = f"{many(len(rows), 'outage')}, {span(total)} together." if rows else "Nothing was away."
    return Rows("Outages", says, ("since", "for", "who was away"), rows)


def blocked(tally: Tally) -> Rows:
    """Who held up the event loop."""
    rows = tuple((who or "unknown", str(count)) for who, count in tally.blocked.most_common())
    says = "These held up everything else for more than a second." if rows else "Nothing held up the event loop."
    return Rows("Who blocked the loop", says, ("who", "times"), rows)


def tables(tally: Tally, language: Language) -> list[Rows]:
    """All of them."""
    return [
        handlers(tally),
        calls(tally),
        failures(tally, language),
        dead(tally),
        slowest(tally),
        outages(tally),
        blocked(tally),
    ]
