"""`vodworker upload`: files of this machine into the library."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from vodworker.app import service
from vodworker.cli.ends import Failed, failed
from vodworker.cli.manners import print_json, quiet, read, wants_json, with_config
from vodworker.cloud.client import Vod
from vodworker.cloud.upload import Uploaded
from vodworker.config import Settings
from vodworker.errors import UploadError

Outcome: TypeAlias = Uploaded | UploadError
Moved: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of every file."""

    name: str | None
    cover: Path | None
    procedure: str | None


@dataclass(frozen=True, slots=True)
class Screen:
    """Who is told: for each file, how it gets on, and how it ended."""

    begin: Callable[[Path], Moved]
    end: Callable[[Path, Outcome], None]


@with_config
@click.command(epilog="Example: vodworker upload lesson.mp4 --cover front.jpg --name 'Lesson 1'")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--cover", metavar="FILE", type=click.Path(path_type=Path), help="A picture to go with the one file.")
@click.option("--name", metavar="NAME", help="The name of the one file in the library; else its own, without suffix.")
@click.option("--procedure", metavar="NAME", help="The flow of tasks that the service starts for each file.")
@click.option(
    "--parallel", metavar="N", type=click.IntRange(min=1), default=2, show_default=True, help="Files at once."
)
@click.option(
    "--json/--bars", "as_json", default=None, help="How to tell; without it JSON lines, but bars on a terminal."
)
def upload(
    files: Sequence[Path],
    cover: Path | None,
    name: str | None,
    procedure: str | None,
    *,
    parallel: int,
    as_json: bool | None,
    config: Path | None,
) -> None:
    """Bring files into the library.

    Prints a line for each file, in the order they end: its file id and address, or what went wrong. A file that fails
    does not keep the others; then the exit code is 1.
    """
    if len(files) > 1 and (cover or name):
        raise click.UsageError("--cover and --name are of one file; give one FILE, or leave them out")
    settings = read(config)
    quiet()
    screen = lines() if wants_json(as_json) else bars()
    left = list(files)
    try:
        with screen as shown:
            errors = asyncio.run(send(settings, left, Wish(name, cover, procedure), shown, parallel))
    except KeyboardInterrupt:
        told = [f"{file}: interrupted before it was in the library; upload it again" for file in left]
        raise Failed("\n".join(told)) from None
    if errors:
        raise failed(errors)


async def send(settings: Settings, left: list[Path], wish: Wish, screen: Screen, parallel: int) -> list[UploadError]:
    """Upload the files that are left, so many at once, and take each out when it has ended; the errors of some."""
    waiting = iter(tuple(left))
    errors: list[UploadError] = []

    async def lane(vod: Vod) -> None:
        for file in waiting:
            moved = screen.begin(file)
            outcome: Outcome
            try:
                outcome = await vod.upload(
                    file, name=wish.name, cover=wish.cover, procedure=wish.procedure, progress=moved
                )
            except UploadError as error:
                errors.append(outcome := error)
            left.remove(file)
            screen.end(file, outcome)

    async with service(settings, sole=False) as cloud, asyncio.TaskGroup() as lanes:
        for _ in range(min(parallel, len(left))):
            lanes.create_task(lane(cloud.vod))
    return errors


@contextmanager
def lines() -> Generator[Screen]:
    """A line of JSON for each file when it has ended."""

    def end(file: Path, outcome: Outcome) -> None:
        if isinstance(outcome, Uploaded):
            told = {"fileId": outcome.file_id, "url": outcome.url, "coverUrl": outcome.cover_url}
        else:
            told = {"step": outcome.step, "error": str(outcome)}
        print_json({"file": str(file), **told})

    yield Screen(lambda _file: lambda _sent, _total: None, end)


@contextmanager
def bars() -> Generator[Screen]:
    """A bar for each file under way, and a line when it has ended."""
    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(),
        transient=True,
    )
    running = {}

    def begin(file: Path) -> Moved:
        running[file] = bar = progress.add_task(file.name, total=None)
        return lambda sent, total: progress.update(bar, completed=sent, total=total)

    def end(file: Path, outcome: Outcome) -> None:
        progress.remove_task(running.pop(file))
        if isinstance(outcome, Uploaded):
            progress.console.print(f"{file.name}: {outcome.file_id} {outcome.url}", markup=False, soft_wrap=True)

    with progress:
        yield Screen(begin, end)
