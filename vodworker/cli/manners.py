"""How every command begins: its settings, its output, its waits."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from vodworker.api import ACTIONS
from vodworker.config import Given, Key, Settings, Survey, load, survey
from vodworker.wire import dumps

Command = TypeVar("Command", bound=click.Command)


config_option = click.Option(  # for `read`
    ["--config"],
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The settings file; else $VODWORKER_CONFIG, ./vodworker.toml or /etc/vodworker/vodworker.toml.",
)


def with_config(command: Command) -> Command:
    """Give a command the option `--config`."""
    command.params.append(config_option)
    return command


def read(config: Path | None, *, handlers: Sequence[Path] = ()) -> Settings:
    """The settings, those of the command line included: the one place that reads the environment."""
    flags: dict[Key, Given] = {("handlers", "directories"): Given(list(handlers), "--handlers")} if handlers else {}
    return load(environ=os.environ, actions=ACTIONS, file=config, flags=flags)  # noqa: TID251  # here it is read


def read_what_can_be(config: Path | None) -> Survey:
    """The settings as far as they are right, for those who can do without."""
    return survey(environ=os.environ, actions=ACTIONS, file=config)  # noqa: TID251  # here it is read


def quiet() -> None:
    """Log to stderr, and only what is wrong: stdout is for what was asked."""
    from vodworker.log import setup  # noqa: PLC0415  # a command that says nothing is sooner done without

    setup("console", "warning", stream=sys.stderr.buffer)


def wants_json(as_json: bool | None, /) -> bool:  # noqa: FBT001  # an option's value
    """What was asked for; else what suits the reader of stdout."""
    return not sys.stdout.isatty() if as_json is None else as_json


def print_json(value: object) -> None:
    """One line of JSON on stdout."""
    click.echo(dumps(value).decode())


def tell_of_waits(event: str, facts: Mapping[str, Any]) -> None:
    """An ear for the log: tell whoever sits before a command why nothing happens."""
    if event == "call.waiting":
        click.echo(f"waiting for a token of {facts['action']}, for about {facts['expected']:.0f} s", err=True)
