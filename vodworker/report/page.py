"""The report as one page: all in it, nothing loaded from anywhere, so that it can be sent and kept."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path

from vodworker.api import ACTIONS
from vodworker.codes import Language
from vodworker.report import words
from vodworker.report.plot import Bar, Curve, bars, over_time
from vodworker.report.tally import Tally
from vodworker.report.words import Rows, span

MANY = 10  # points
MINUTE = 60.0
WORDS = ("why", "what to do", "who")  # columns that may be long, and are wrapped
LIVELIEST = 6  # actions in a plot; the table has all

STYLE = Path(__file__).with_name("style.css")


def page(tally: Tally, language: Language) -> str:
    """The page of a log that has at least a line."""
    style = STYLE.read_text(encoding="utf-8")
    body = "".join([*head(tally), *plots(tally), *(table(rows) for rows in words.tables(tally, language))])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>vodworker report</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>\n'
        f"<body>{body}</body></html>\n"
    )


def head(tally: Tally) -> Iterator[str]:
    """What was read, and the figures that come first."""
    done = sum(count for (_, ending), count in tally.endings.items() if ending == "done")
    dead = sum(count for (_, ending), count in tally.endings.items() if ending in ("dead", "rejected"))
    came = sum(count for (_, state), count in tally.types.items() if state in ("received", "unheard"))
    calls = sum(window.count for window in tally.calls.values())
    facts = (
        ("events taken in", words.digits(came), False),
        ("runs done", words.digits(done), False),
        ("dead", words.digits(dead), dead > 0),
        ("calls", words.digits(calls), False),
        ("calls failed", words.digits(tally.failures.total()), False),
        (
            "smallest margin",
            span(tally.margin.least) if tally.margin.count else "none",
            tally.margin.least < words.LOW_MARGIN,
        ),
    )
    yield f'<h1>What the log says</h1><p class="soft">{escape(words.headline(tally))}'
    yield f"; version {escape(', '.join(tally.versions))}</p>" if tally.versions else "</p>"
    yield '<div class="facts">'
    for name, value, bad in facts:
        yield f"<div{' class=bad' * bad}><b>{escape(value)}</b>{escape(name)}</div>"
    yield "</div>"


def plots(tally: Tally) -> Iterator[str]:
    """The plots, each with a sentence on what it shows."""
    width = tally.timeline.width
    first, last = tally.timeline.span
    each, unit = (width, "second") if width < MINUTE else (width / MINUTE, "minute")

    def rates(*names: tuple[str, str]) -> list[Curve]:
        return [
            Curve(told, whole([(at, value / each) for at, value in tally.timeline.points(name, empty=0.0)], width))
            for name, told in names
            if name in tally.timeline.series
        ]

    came = rates(
        ("received", "taken in"), ("done", "handled"), ("duplicate", "delivered again"), ("retry", "to be tried again")
    )
    yield section("Throughput", words.taken_in(tally), over_time(came, unit=f"events a {unit}", first=first, last=last))
    open_ = [Curve("open entries", list(tally.timeline.points("open")), steps=True)]
    yield section("Backlog", words.backlog(tally), over_time(open_, unit="open entries", first=first, last=last))
    margin = [
        Curve("least left", list(tally.timeline.points("margin"))),
        Curve("half of a handle's life", [(first, words.LOW_MARGIN), (last, words.LOW_MARGIN)], limit=True),
    ]
    yield section(
        "Confirm margin",
        words.confirmed(tally),
        over_time(margin, unit="seconds of a handle's 30 left", first=first, last=last, floor=30.0),
    )
    runs = sorted(tally.runs.items(), key=lambda item: -item[1].quantile(0.95))[:20]
    rows = [
        Bar(
            f"{handler} · {kind}",
            it.quantile(0.95),
            [(it.quantile(0.5), f"median {span(it.quantile(0.5))}")],
            f"{span(it.quantile(0.95))} ({words.digits(it.count)})",
        )
        for (handler, kind), it in runs
    ]
    yield section(
        "How long handlers take",
        "Of 100 runs, 95 are shorter than the bar; the mark in it is the middle, the number in brackets counts them.",
        bars(rows, unit="seconds"),
    )
    lively = sorted(tally.calls, key=lambda name: -tally.calls[name].count)[:LIVELIEST]
    called = [
        Curve(name, in_a_minute(list(tally.timeline.points(f"call {name}", empty=0.0)), width)) for name in lively
    ]
    rows = [
        Bar(
            name,
            100 * tally.calls[name].most / tally.limit(name),
            told=f"{tally.calls[name].most} of {tally.limit(name)}",
        )
        for name in lively
        if name in ACTIONS
    ]
    yield section("Calls", words.ceilings(tally), over_time(called, unit="calls in 60 s", first=first, last=last))
    yield section(
        "Calls against their ceilings",
        "The most calls that ended within any 60 s, in percent of what is allowed.",
        bars(rows, unit="% of the ceiling", limit=100.0),
    )


def in_a_minute(points: Sequence[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """What came in the 60 s before each moment, as the service counts; of wider buckets, their mean in 60 s."""
    many = max(1, round(MINUTE / width))
    sums = [0.0, *accumulate(value for _, value in points)]
    part = MINUTE / (many * width)
    return [(at, (sums[end] - sums[max(0, end - many)]) * part) for end, (at, _) in enumerate(points, start=1)]


def whole(points: list[tuple[float, float]], width: float) -> list[tuple[float, float]]:
    """Without the first and the last bucket, where they are wide and many: the log has only a part of them."""
    return points[1:-1] if width >= MINUTE and len(points) > MANY else points


def section(title: str, says: str, drawn: str) -> str:
    """A plot with its title and what it says."""
    return f"<section><h2>{escape(title)}</h2><p>{escape(says)}</p><div class=wide>{drawn}</div></section>\n"


def table(rows: Rows) -> str:
    """A table with its title and what it says; without rows only that."""
    top = f"<section><h2>{escape(rows.title)}</h2><p>{escape(rows.says)}</p>"
    if not rows.rows:
        return f"{top}</section>\n"
    head = "".join(f"<th>{escape(column)}</th>" for column in rows.columns)
    kinds = ["<td class=words>" if column in WORDS else "<td>" for column in rows.columns]
    body = "".join(
        f"<tr>{''.join(f'{kind}{escape(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>"
        for row in rows.rows
    )
    return f"{top}<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>\n"
