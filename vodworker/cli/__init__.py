"""The command line: one group, and a file for each command or family of commands."""

from importlib import import_module

import click

from vodworker.cli.manners import Polite
from vodworker.config import nearest

COMMANDS = (  # the first is the one that most people want
    *("run", "demo", "check", "health", "emulator", "call", "upload"),
    *("new", "events", "tasks", "journal", "report", "torture", "explain"),
)


class Commands(Polite):
    """The commands, each read when it is asked for: the daemon does not wait for the emulator to be loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """The commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command in the file of its name."""
        if cmd_name not in COMMANDS:
            meant = nearest(cmd_name, COMMANDS)
            remedy = f"did you mean {meant[0]}?" if meant else "`vodworker --help` lists them"
            raise click.UsageError(f"{cmd_name} is not a command; {remedy}", ctx)
        command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="vodworker", message="%(version)s")
def cli() -> None:
    """Handle the events of Tencent Cloud VOD: nothing lost, nothing paid for twice, never over a ceiling.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong command line, 78 wrong settings or handlers.
    """  # noqa: D301  # \b keeps click from wrapping the lines below it


def main() -> None:
    """The console script."""
    cli()
