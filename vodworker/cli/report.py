"""`vodworker report`: what a log says happened."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vodworker.cli.ends import Failed
from vodworker.cli.manners import read_what_can_be, with_config
from vodworker.codes import Language
from vodworker.report import STDIN, Tally, lines, sources, words
from vodworker.report.page import page

FEW = 10  # rows of a table on a terminal; the page has them all
ENDLESS = 100_000  # columns
STRIDE = 5000  # lines between two looks at the progress bar


@with_config
@click.command(
    epilog="Examples: vodworker report worker.log --html report.html"
    ", journalctl -u vodworker -o json | vodworker report"
)
@click.argument("logs", metavar="[LOG]…", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--html", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Also write a page with plots."
)
@click.option("--language", type=click.Choice(["en", "zh"]), help="Of error explanations; else log.language.")
def report(*, logs: tuple[Path, ...], html: Path | None, language: Language | None, config: Path | None) -> None:
    """Say what a log tells, on the terminal and as a page with plots.

    How much, how fast, what failed and why, what is dead. LOG is a file of the daemon's JSON lines, also as
    `journalctl -o json` or Docker wrap them, also packed (.gz); `-`, or none at all, is stdin. Exit code 1 when no line
    of vodworker is in it.
    """
    language = language or read_what_can_be(config).settings.log.language
    tally = read_all(logs)
    if not tally.count:
        raise Failed("no line of vodworker's log is in it; the daemon must log JSON ([log] format)")
    if html:  # first, because whoever reads the summary may go before its end
        try:
            html.write_text(page(tally, language), encoding="utf-8")
        except OSError as error:
            raise Failed(f"{html} cannot be written: {error.strerror}") from error
    show(tally, language)
    if html:
        click.echo(f"{html} has the plots")


def read_all(logs: tuple[Path, ...]) -> Tally:
    """Add up the logs, with a progress bar on stderr where somebody looks at it."""
    tally = Tally()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            for source in sources(logs):
                task = progress.add_task(source.name, total=source.size)
                for number, (text, done) in enumerate(source):
                    line = lines(text)
                    if line is not None:
                        tally.feed(line)
                    elif text.strip():
                        tally.passed += 1
                    if number % STRIDE == 0:
                        progress.update(task, completed=done)
    except OSError as error:
        raise Failed(f"{error.filename or STDIN} cannot be read: {error.strerror or error}") from error
    return tally


def show(tally: Tally, language: Language) -> None:
    """The summary, for a terminal; into a pipe it is not wrapped."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=ENDLESS)
    console.print(words.headline(tally), style="bold")
    for sentence in (words.taken_in, words.confirmed, words.backlog):
        console.print(sentence(tally))
    for rows in words.tables(tally, language):
        console.print(Text.assemble("\n", (rows.title, "bold"), f": {rows.says}"))
        if rows.rows:
            console.print(table(rows))
            if len(rows.rows) > FEW:
                console.print(f"… and {len(rows.rows) - FEW} more")


def table(rows: words.Rows) -> Table:
    """The first rows; nothing in them is cut, because an operator looks for keys with what stands there."""
    shown = Table(box=None, pad_edge=False)
    for column in rows.columns:
        shown.add_column(column, overflow="fold")
    for row in rows.rows[:FEW]:
        shown.add_row(*map(Text, row))
    return shown
