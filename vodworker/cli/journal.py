"""`vodworker journal`: the store itself, while nothing works with it."""

import click

from vodworker.cli.ends import failures
from vodworker.cli.manners import quiet
from vodworker.errors import ConfigError


@click.group(
    epilog="Example: vodworker journal copy sqlite:///vodworker.db postgresql://vodworker@db.example/vodworker"
)
def journal() -> None:
    """Move the journal to another store."""


@journal.command(
    epilog="Example: vodworker journal copy sqlite:///vodworker.db postgresql://vodworker@db.example/vodworker"
)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy everything from one journal to another.

    FROM and TO are urls as in journal.url. All daemons must be stopped, and TO must be empty. Numbers stay as they are:
    events, open and dead entries, recorded calls, followed tasks, tokens. What was written is counted before it counts.

    A password is better not on the command line: PostgreSQL's own PGPASSWORD and ~/.pgpass are read.
    """
    quiet()
    try:
        from vodworker.journal.copy import copy as carry  # noqa: PLC0415  # it knows PostgreSQL, which is an extra
    except ImportError as missing:
        with failures():
            raise ConfigError([f"{missing}; run: pip install 'vodworker[postgres]'"]) from missing
    counts = carry(source, target)
    click.echo(", ".join(f"{number} {name}" for name, number in counts.items() if number) or "nothing to copy")
