"""What a report says of a log is true of it, in words and in plots; and a browser can show it."""

import asyncio
import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import orjson
import pytest
from click.testing import CliRunner

from tests.daemons import site, upload
from vodworker.cli import cli
from vodworker.log import LOG_EVENTS, stamp
from vodworker.report import Tally, lines, words
from vodworker.report.page import in_a_minute, page
from vodworker.report.plot import Curve, figure, moment, over_time, ticks, times

START = 1_795_000_000.0


def said(after: float, event: str, **facts: Any) -> bytes:
    """A line of the log, so many seconds after the start."""
    level = LOG_EVENTS[event].level
    return orjson.dumps({"time": stamp(START + after), "level": level, "event": event, **facts})


def entry(number: int, **more: Any) -> dict[str, Any]:
    """What is bound around the handling of an event."""
    bound = {"event_id": number, "event_type": "NewFileUpload", "key": f"f{number}", "handler": "upload", "attempt": 1}
    return bound | more


def story() -> Iterator[bytes]:
    """A minute and a half in which something of everything happens."""
    yield b"Started vodworker.service."
    yield said(0, "worker.started", version="0.1.0", limits={"default": 100, "ProcessFile": 20})
    yield said(1, "worker.ready", open=2)
    for number in range(10):
        yield said(2 + number, "event.received", **entry(number), handlers=["upload"])
    yield said(3, "event.duplicate", **entry(1))
    yield said(4, "event.unheard", event_type="ClipComplete")
    yield said(5, "event.confirmed", handles=10, margin=29.0, request_ms=20.0)
    yield said(50, "event.confirmed", handles=1, margin=12.5, request_ms=20.0)
    for number in range(8):
        yield said(20 + number, "call.done", action="ProcessFile", waited=0.5, request_ms=100.0)
        yield said(21 + number, "handler.done", **entry(number), took=1.0 + number)
    yield said(30, "call.failed", action="ProcessFile", code=10010, waited=0.0, request_ms=50.0)
    yield said(31, "call.throttled", action="ProcessFile", code=4400, pause=5.0)
    yield said(32, "handler.retry", **entry(8), took=0.5, why="RuntimeError: no")
    yield said(40, "handler.dead", **entry(8), took=60.0, why="<b>no</b> & never")
    yield said(41, "handler.rejected", **entry(9), took=0.1, why="an upload without a file id")
    yield said(60, "pull.failed", code=None)
    yield said(70, "pull.recovered", failures=3, outage=10.0)
    yield said(75, "loop.blocked", task="handler upload, event 7", stack=[], took=1.5)
    yield said(79, "journal.migrated")
    yield said(79, "task.gone")
    yield said(79, "call.replayed", action="ProcessFile")
    yield said(80, "confirm.failed", handles=1, code=4000)
    yield said(85, "journal.back", outage=5.0)
    yield said(90, "worker.stopped", open=1)


def tally(*texts: bytes) -> Tally:
    """What these lines add up to."""
    tally = Tally()
    for text in texts:
        if line := lines(text):
            tally.feed(line)
    return tally


TOLD = tally(*story())


@pytest.mark.parametrize(
    "sentence,expected",
    [
        (words.headline, "2026-11-18 11:06:40 to 2026-11-18 11:08:10 UTC (1.5 min), 46 lines"),
        (words.taken_in, "11 events taken in, 1 was delivered again and recognised, 1 was heard by no handler."),
        (
            words.confirmed,
            (
                "Of a handle's 30 s, 12.5 s were left at the worst, which is close: below 15 s a retry may come too"
                " late, and 12.6 s in the middle."
            ),
        ),
        (words.worked_off, "11 runs of handlers: 8 done, 1 to be tried again, 2 dead."),
        (words.backlog, "At most 12 entries open, at 2026-11-18 11:06:51; 1 at the end."),
        (words.ceilings, "ProcessFile came closest: at most 9 calls ended within 60 s, of 20 that are allowed."),
    ],
)
def test_sentences_are_true(sentence: Any, expected: str) -> None:
    """Each sentence says what happened in the story."""
    assert expected == sentence(TOLD)


def test_tables_are_true() -> None:
    """Each table has the rows of the story."""
    found = {rows.title: rows for rows in words.tables(TOLD, "en")}

    assert (("upload", "NewFileUpload", "11", "4.12 s", "1.0 min", "1.0 min"),) == found["Handlers"].rows
    assert ("ProcessFile", "9", "9 of 20") == found["Calls"].rows[0][:3]
    assert {("ProcessFile", "10010"), ("ProcessFile", "4400"), ("PullEvent", ""), ("ConfirmEvent", "4000")} == {
        row[:2] for row in found["Failures"].rows
    }
    assert [("9", "an upload without a file id"), ("8", "<b>no</b> & never")] == [
        (row[2], row[7]) for row in found["The dead"].rows
    ]
    assert "8" == found["The slowest runs"].rows[0][2]
    assert [("10 s", "the service"), ("5 s", "the journal's database")] == [row[1:] for row in found["Outages"].rows]
    assert (("handler upload", "1"),) == found["Who blocked the loop"].rows


def test_an_empty_day_is_told_as_such() -> None:
    """A log in which nothing happened says so, on a page too."""
    quiet = tally(said(0, "worker.started", version="0.1.0"))

    assert "0 events taken in." == words.taken_in(quiet)
    assert "Nothing was confirmed." == words.confirmed(quiet)
    assert "The log does not tell how many entries were open." == words.backlog(quiet)
    assert "No calls." == words.ceilings(quiet)
    assert [] == [rows.rows for rows in words.tables(quiet, "en") if rows.rows]
    assert "<svg" in page(quiet, "en")


def test_a_log_that_begins_in_the_middle_reckons_from_nought() -> None:
    """Without a word on how many were open, the backlog is what came less what went, and is told to be so."""
    came = said(0, "event.received", **entry(1), handlers=["a", "b"])
    told = words.backlog(tally(came, said(5, "handler.done", **entry(1), took=1)))

    assert told.startswith("At most 2 entries open, at 2026-11-18 11:06:40; 1 at the end (reckoned from nought")


def test_the_slowest_are_the_slowest() -> None:
    """Of many runs those are kept that took longest, wherever in the log they stand."""
    took = [(number * 37) % 101 for number in range(101)]
    it = tally(*(said(number, "handler.done", **entry(number), took=float(it)) for number, it in enumerate(took)))

    assert ["1.7 min", "1.6 min"] == [row[1] for row in words.slowest(it).rows[:2]]
    assert sorted(took)[-20:] == sorted(run.took for run in it.slowest)


def test_memory_is_bounded() -> None:
    """Thousands of different names of everything, made up by whoever, take the room of a few hundred."""
    it = Tally()
    for number in range(2500):
        facts = {"handler": f"h{number}", "event_type": f"T{number}", "action": f"A{number}", "code": number}
        for event in ("handler.done", "handler.dead", "event.received", "call.done", "call.failed", "worker.started"):
            line = lines(said(number, event, **facts, version=f"v{number}", took=1.0, handlers=[]))
            assert line
            it.feed(line)
        for event in ("loop.blocked", "pull.recovered"):
            line = lines(said(number, event, task=f"t{number}", outage=1.0))
            assert line
            it.feed(line)

    assert repr(it) == f"<Tally of {it.count} lines>"
    sizes = [len(it.runs), len(it.calls), len(it.blocked), len(it.versions), len(it.outages), len(it.timeline.series)]
    assert 2000 >= max(*sizes, len(it.failures), len(it.types), len(it.endings))
    assert 600 >= max(len(buckets) for buckets in it.timeline.series.values())


def test_the_page_is_whole() -> None:
    """The page loads nothing from anywhere, escapes what it was told, and each of its plots is well-formed."""
    text = page(TOLD, "en")

    assert "<b>no</b>" not in text
    assert "&lt;b&gt;no&lt;/b&gt; &amp; never" in text
    assert [] == re.findall(r"(?:src|href)=|url\(|@import|<script", text)
    plots = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert 6 == len(plots)
    for plot in plots:
        drawn = ET.fromstring(plot)  # noqa: S314  # our own
        numbers = [float(value) for it in drawn.iter() for value in re.findall(r"-?[\d.]+", it.get("points", ""))]
        assert all(-1 <= number <= 961 for number in numbers)


@pytest.mark.parametrize(
    "most,expected", [(0, [0, 1]), (3, [0, 1, 2, 3]), (97, [0, 25, 50, 75, 100]), (1234, [0, 500, 1000, 1500])]
)
def test_ticks_are_round(most: float, expected: list[float]) -> None:
    """An axis has a few round numbers, and reaches over the largest value."""
    assert expected == ticks(most)


@pytest.mark.parametrize(
    "width,expected",
    [
        (1.0, [(0, 1), (1, 2), (59, 60), (60, 60), (99, 60)]),
        (32.0, [(0, 60 / 64), (1, 120 / 64), (9, 120 / 64)]),
        (128.0, [(0, 60 / 128), (9, 60 / 128)]),
    ],
)
def test_calls_are_drawn_as_the_service_counts(width: float, expected: list[tuple[int, float]]) -> None:
    """A point is what was called in the 60 s before it; in wider buckets, their mean."""
    points = in_a_minute([(number * width, 1.0) for number in range(100)], width)

    assert [(number * width, count) for number, count in expected] == [points[number] for number, _ in expected]


@pytest.mark.parametrize("span", [1, 45, 3600, 86400, 40 * 86400, 4000 * 86400])
def test_times_are_round(span: float) -> None:
    """A time axis has at most nine moments, within the plot, told as exactly as it needs."""
    marks = times(START, START + span)

    assert 9 >= len(marks)
    assert all(START <= mark <= START + span for mark in marks)
    assert len(marks) == len({moment(mark, span=span) for mark in marks})


def test_a_single_point_is_a_dot() -> None:
    """A line of one point can be seen."""
    drawn = over_time([Curve("x", [(START, 1.0)])], unit="x", first=START, last=START + 1)

    assert "<circle" in drawn
    assert "legend" not in drawn


@pytest.mark.parametrize(
    "number,expected", [(0, "0"), (0.25, "0.25"), (999, "999"), (1500, "1500"), (25000, "25k"), (3e7, "30M")]
)
def test_figures_are_short(number: float, expected: str) -> None:
    """Numbers on an axis have few characters."""
    assert expected == figure(number)


# ---- the command


def shell(*words: str | Path, stdin: bytes = b"") -> Any:
    """Run the command."""
    return CliRunner().invoke(cli, ["report", *map(str, words)], input=stdin)


def test_command_says_what_happened(tmp_path: Path) -> None:
    """The command reads files and writes a summary, and the page where it is asked to."""
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(b"\n".join([*story()][:20])))
    (tmp_path / "new.log").write_bytes(b"\n".join([*story()][20:]))
    result = shell(tmp_path / "old.log.gz", tmp_path / "new.log", "--html", tmp_path / "report.html")

    assert 0 == result.exit_code, result.output
    for part in ("46 lines", "11 events taken in", "2 entries died", "10010", "handler upload"):
        assert part in result.output
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_command_reads_stdin() -> None:
    """Without a name it reads stdin, as from journalctl; the language is that of the explanations."""
    wrapped = b"\n".join(orjson.dumps({"MESSAGE": text.decode()}) for text in story())
    result = shell("--language", "zh", stdin=wrapped)

    assert 0 == result.exit_code
    assert "46 lines" in result.output
    assert re.search(r"[\u4e00-\u9fff]", result.output)


@pytest.mark.parametrize(
    "words,stdin,expected",
    [
        (["nowhere.log"], b"", "nowhere.log cannot be read: No such file or directory\n"),
        ([], b"hello\n", "no line of vodworker's log is in it; the daemon must log JSON ([log] format)\n"),
        (["-", "--html", "/dev/full/x"], said(0, "worker.started"), "/dev/full/x cannot be written: Not a directory\n"),
    ],
)
def test_command_tells_what_it_lacks(words: list[str], stdin: bytes, expected: str) -> None:
    """What cannot be read or written is a message, with exit code 1."""
    result = shell(*words, stdin=stdin)

    assert (1, expected) == (result.exit_code, result.stderr)


def test_command_counts_what_it_passes_by() -> None:
    """Torn lines and lines of others are counted and told; empty ones are nothing."""
    texts = [b"Started vodworker.service.", said(0, "worker.started"), b"", said(1, "handler.done", took=1.0)[:40]]

    headline = shell(stdin=b"\n".join(texts)).output.splitlines()[0]
    assert headline.endswith(", 1 line; 2 lines were passed by as no part of it, or torn")


def test_words_of_others_are_shown_as_they_are() -> None:
    """What a handler is called or says may look like the markup of a terminal; it is text, and none of it is lost."""
    why = "ValidationError: [type=missing, input={}] [/] [red]"
    output = shell(stdin=said(0, "handler.dead", **entry(1, handler="a[/b]"), took=1.0, why=why)).output

    assert why in output
    assert "a[/b]" in output


def test_long_tables_are_cut(tmp_path: Path) -> None:
    """On a terminal a table has ten rows, and says how many more there are."""
    texts = (said(number, "handler.dead", **entry(number), took=1.0, why="no") for number in range(15))
    (tmp_path / "x.log").write_bytes(b"\n".join(texts))

    assert "… and 5 more" in shell(tmp_path / "x.log").output


@pytest.mark.process
@pytest.mark.timeout(120)
async def test_report_of_a_real_run(tmp_path: Path) -> None:
    """What a real daemon logged adds up to what it did."""
    async with site(tmp_path) as (emulator, place):
        place.handler("if event.key == 'f3':\n    raise ValueError('no')")
        place.set("[handlers]\nattempts = 1")
        async with place.daemon() as daemon:
            for number in range(20):
                emulator.emit(upload(number))
            await daemon.said("handler.done", 19)
            await daemon.said("handler.dead")
            await daemon.stopped()
    it = tally(*daemon.raw)

    assert "20 events taken in." == words.taken_in(it)
    assert "20 runs of handlers: 19 done, 0 to be tried again, 1 dead." == words.worked_off(it)
    assert 0 == it.open


@pytest.mark.process
@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [1040, 500])  # it has no narrower window
async def test_a_browser_shows_it(tmp_path: Path, width: int) -> None:
    """In a real browser, wide or narrow, the page fits, its plots can be read whole, and no cell is squeezed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on this machine (Debian: chromium)")
    probe = (
        "<script>onload=()=>{const all=it=>[...document.querySelectorAll(it)],range=document.createRange();"
        "document.title=JSON.stringify([innerWidth,all('svg').length,"
        "all('svg text').every(e=>{const t=e.getBoundingClientRect(),p=e.parentNode.getBoundingClientRect();"
        "return t.left>=p.left&&t.right<=p.right}),"
        "Math.min(...all('svg text').map(e=>e.getBoundingClientRect().height))>=11,"
        "document.documentElement.scrollWidth<=innerWidth,"
        "all('td:not(.words)').every(e=>(range.selectNodeContents(e),range.getClientRects().length<2))])}</script>"
    )
    long = (entry(9, handler=name, event_type="ProcedureStateChanged") for name in ("follow_procedure", "x" * 90))
    told = tally(*story(), *(said(89, "handler.done", **it, took=70.0) for it in long))
    (tmp_path / "report.html").write_text(page(told, "en").replace("</body>", f"{probe}</body>"), encoding="utf-8")
    offline = (f"--disable-{it}" for it in ("gpu", "quic", "sync", "background-networking", "component-update"))
    options = ("--headless", "--no-sandbox", "--no-first-run", *offline, f"--user-data-dir={tmp_path}")
    shown = await asyncio.to_thread(
        subprocess.run,
        [chromium, *options, f"--window-size={width},2000", "--dump-dom", (tmp_path / "report.html").as_uri()],
        check=True,
        capture_output=True,
        text=True,
    )
    title = re.search(r"<title>(.*?)</title>", shown.stdout)

    assert title
    assert [width, 6, True, True, True, True] == orjson.loads(title[1])
