"""How every command begins and ends: its settings, its output, and its errors as messages and exit codes."""

import io
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from vodworker.alarm import leaves
from vodworker.api import ACTIONS
from vodworker.config import Given, Key, Settings, Survey, load, survey
from vodworker.errors import ConfigError, Refused, Unreachable, VodworkerError
from vodworker.log import setup
from vodworker.wire import dumps

Command = TypeVar("Command", bound=click.Command)


class Failed(click.ClickException):
    """The end of a command that did not do what it should: a message on stderr, and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """The message as it is, a line for each problem."""
        click.echo(self.message, file=file or sys.stderr)


class Unusable(Failed):
    """The end of a command that cannot begin with these settings or handlers."""

    exit_code = 78  # EX_CONFIG of sysexits.h: a supervisor must not try again


class Polite(click.Group):
    """A group whose commands end in a message, and not in a traceback, when the mistake is not ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What a terminal's encoding cannot show is escaped: printing an event never fails."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        with failures():
            return super().invoke(ctx)


@contextmanager
def failures() -> Generator[None]:
    """Make messages and exit codes of our errors; any other is a fault of vodworker and keeps its traceback."""
    try:
        yield
    except VodworkerError as error:
        raise failed([error]) from error
    except BaseExceptionGroup as group:
        ours, others = group.split(VodworkerError)
        if ours is None or others is not None:
            raise
        raise failed(list(leaves(ours))) from group


def failed(errors: Sequence[VodworkerError]) -> Failed:
    """One end for all of these errors."""
    kind = Unusable if any(isinstance(error, ConfigError) for error in errors) else Failed
    return kind("\n".join(map(told, errors)))


def told(error: VodworkerError) -> str:
    """The message, and where there is more, or what to look at."""
    if isinstance(error, Refused):
        return f"{error}; `vodworker explain {error.code}` says more"
    return f"{error}; look at account.endpoint and the way there" if isinstance(error, Unreachable) else str(error)


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
