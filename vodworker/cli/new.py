"""`vodworker new`: a handler file and its test, ready to edit."""

import keyword
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from vodworker.cli.ends import Failed
from vodworker.cli.manners import read_what_can_be, with_config
from vodworker.config import nearest
from vodworker.events import EVENTS

HANDLER = Template('''\
"""What $name does, in a line."""

from vodworker import Context, Done, Outcome, on
from vodworker.events import $event


@on($event)
async def $name(event: $event, ctx: Context) -> Outcome:
    """What it promises. The event came at least once, and may come again: doing it twice must do no harm."""
    ctx.log.info("event.seen", key=event.key)
    return Done()
''')
TEST = Template('''\
"""The promises of $name."""

from $name import $name

from vodworker import Done
from vodworker.events import $event
from vodworker.testing import Recorder, run, sample


def test_event_is_handled(vod: Recorder) -> None:
    """It ends well, and asks nothing of the service."""
    ran = run($name, sample($event), vod=vod)

    assert Done() == ran.outcome
    assert ["event.seen"] == [line["event"] for line in ran.told]
    assert [] == vod.calls
''')


@with_config
@click.command("new", epilog="Example: vodworker new notify_editors --event TranscodeComplete")
@click.argument("name")
@click.option("--event", default="NewFileUpload", metavar="TYPE", show_default=True, help="What it hears.")
@click.option(
    "--handlers",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to put it; without it the first of handlers.directories.",
)
def new(*, name: str, event: str, handlers: Path | None, config: Path | None) -> None:
    """Make a handler and its test, ready to edit.

    DIR/NAME.py and DIR/test_NAME.py; the test passes as it stands. The daemon loads the one and leaves the other alone.
    """
    if trouble := wrong(name):
        raise click.UsageError(f"{name} cannot be the name of a handler: {trouble}")
    if event not in EVENTS:
        meant = nearest(event, EVENTS)
        remedy = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(EVENTS)}"
        raise click.UsageError(f"{event} is not an event; {remedy}")
    folder = handlers or Path(read_what_can_be(config).settings.handlers.directories[0])
    files = {folder / f"{name}.py": HANDLER, folder / f"test_{name}.py": TEST}
    if there := [str(file) for file in files if file.exists()]:
        raise Failed(f"{' and '.join(there)} {'are' if len(there) > 1 else 'is'} there already; choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, template in files.items():
            file.write_text(template.substitute(name=name, event=event), encoding="utf-8")
            click.echo(file)
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}; give another place with --handlers") from error
    click.echo(f"Test it with `python -m pytest {folder}`, run it with `vodworker run`.")


def wrong(name: str) -> str | None:
    """Why this is no name for a handler, with a better one where there is one."""
    plain = "".join(it if it.isalnum() and it.isascii() else "_" for it in name).strip("_").lower()
    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name):
        better = plain if plain.isidentifier() and not keyword.iskeyword(plain) else f"handle_{plain}"
        return f"it must be a name of Python; {better} is one"
    if name.startswith(("_", "test_")) or name == "conftest":
        return f"such files are left alone; {plain.removeprefix('test_')} is loaded"
    if find_spec(name):
        return f"Python has a module {name} already; handle_{name} is free"
    return None
