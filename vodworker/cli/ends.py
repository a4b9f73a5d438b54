"""How every command ends: its errors as messages and exit codes. Loaded before any command, and light."""

import io
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import click

from vodworker.alarm import leaves
from vodworker.errors import ConfigError, Refused, Unreachable, VodworkerError


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
