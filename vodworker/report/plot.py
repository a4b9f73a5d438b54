"""Plots as SVG: lines and bars with axes that a person would have chosen. Pure; nothing is loaded from anywhere."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 24, 28  # RIGHT: half of a moment's words, which stand below the last mark
LETTER, LONGEST = 7.3, 48  # the width of one in a name, and how many there is room for
COLOURS = 8  # the page's style sheet has so many, then they begin anew
DAY = 86400
FORMS = ((600, "%H:%M:%S"), (2 * DAY, "%H:%M"), (10 * DAY, "%m-%d %H:%M"), (math.inf, "%m-%d"))  # by the axis's span
NICE_SPANS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line in a plot: its name and its points, times in Unix seconds. steps: it stays until it changes."""

    name: str
    points: Sequence[tuple[float, float]]
    steps: bool = False
    limit: bool = False  # a line that the others should stay below


def ticks(most: float, wanted: int = 4) -> list[float]:
    """Round numbers from 0 to above `most`."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / wanted
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * nice for nice in (1, 2, 2.5, 5, 10) if size * nice >= rough)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def times(first: float, last: float, wanted: int = 8) -> list[float]:
    """Round moments from first to last."""
    span = max(last - first, 1.0)
    days = math.ceil(span / wanted / DAY)
    step = next((nice for nice in NICE_SPANS if span / nice <= wanted), days * DAY)
    return [step * number for number in range(math.ceil(first / step), math.floor(last / step) + 1)]


def moment(at: float, *, span: float) -> str:
    """A moment as its axis tells it: as exact as the span wants."""
    form = next(form for most, form in FORMS if span < most)
    return datetime.fromtimestamp(at, UTC).strftime(form)


def figure(number: float) -> str:
    """A number in few characters."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(number) >= 10 * size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"  # noqa: PLR2004  # three digits


def over_time(curves: Sequence[Curve], *, unit: str, first: float, last: float, floor: float | None = None) -> str:
    """Lines over time. unit: of the numbers, told above the axis. floor: the least that the axis reaches up to."""
    most = max([floor or 0.0, *(value for curve in curves for _, value in curve.points)])
    marks = ticks(most)
    span = max(last - first, 1.0)

    def x(at: float) -> float:
        return LEFT + (at - first) / span * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / marks[-1] * (HEIGHT - BOTTOM - TOP)

    parts = [_horizontal(y(mark), figure(mark)) for mark in marks]
    for at in times(first, last):
        parts.append(
            f'<text class="tick" x="{x(at):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{moment(at, span=span)}</text>'
        )
        parts.append(
            f'<line class="mark" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 4}"/>'
        )
    parts += [_curve(curve, number, x, y) for number, curve in enumerate(curves)]
    parts.append(f'<text class="unit" x="{LEFT}" y="{TOP - 10}">{escape(unit)}</text>')
    return _svg(parts, HEIGHT) + legend(curves)


def _curve(curve: Curve, number: int, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    points = curve.points
    if curve.steps:
        doubled = [points[0]] if points else []
        for at, value in points[1:]:
            doubled += [(at, doubled[-1][1]), (at, value)]
        points = doubled
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    if len(points) == 1:
        return f'<circle class="c{number % COLOURS} dot" cx="{x(points[0][0]):.1f}" cy="{y(points[0][1]):.1f}" r="3"/>'
    kind = "limit" if curve.limit else "curve"
    return (
        f'<polyline class="c{number % COLOURS} {kind}" points="{path}"><title>{escape(curve.name)}</title></polyline>'
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its name, how far it goes, and marks on the way, each a number and what it is."""

    name: str
    value: float
    marks: Sequence[tuple[float, str]] = ()
    told: str = ""


def bars(rows: Sequence[Bar], *, unit: str, limit: float | None = None) -> str:
    """Bars side by side, the first on top. limit: a line across all of them."""
    left, step = 16 + LETTER * max(len(unit), *(len(short(row.name)) for row in rows), 0), 26
    height = TOP + step * len(rows) + BOTTOM
    ends = ticks(max([limit or 0.0, *(row.value for row in rows)]), wanted=6)

    def x(value: float) -> float:
        return left + value / ends[-1] * (WIDTH - left - 120)

    parts = [
        f'<line class="grid" x1="{x(end):.1f}" x2="{x(end):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
        f'<text class="tick" x="{x(end):.1f}" y="{height - 10}" text-anchor="middle">{figure(end)}</text>'
        for end in ends
    ]
    for number, row in enumerate(rows):
        top = TOP + number * step
        place = f'x="{left - 8:.1f}" y="{top + 17}" text-anchor="end"'
        parts.append(f'<text class="name" {place}>{escape(short(row.name))}<title>{escape(row.name)}</title></text>')
        width = max(1.0, x(row.value) - left)
        parts.append(f'<rect class="c0 bar" x="{left:.1f}" y="{top + 5}" width="{width:.1f}" height="16"/>')
        for value, what in row.marks:
            place = f'x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{top + 3}" y2="{top + 23}"'
            parts.append(f'<line class="at" {place}><title>{escape(what)}</title></line>')
        parts.append(f'<text class="tick" x="{x(row.value) + 6:.1f}" y="{top + 17}">{escape(row.told)}</text>')
    if limit is not None:
        parts.append(f'<line class="limit" x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
    parts.append(f'<text class="unit" x="{left - 8:.1f}" y="{height - 10}" text-anchor="end">{escape(unit)}</text>')
    return _svg(parts, height)


def short(name: str) -> str:
    """A name in the room that there is."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def legend(curves: Sequence[Curve]) -> str:
    """What each colour is."""
    keys = (
        f'<span class="key {"limit" if curve.limit else f"c{number % COLOURS}"}">{escape(curve.name)}</span>'
        for number, curve in enumerate(curves)
    )
    return f'<p class="legend">{"".join(keys)}</p>' if len(curves) > 1 else ""


def _horizontal(y: float, text: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
