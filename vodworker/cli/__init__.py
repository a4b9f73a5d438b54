"""The command line: one group, and a file for each command or family of commands."""

import gc
from collections.abc import Mapping
from importlib import import_module

import click

from vodworker.cli.ends import Polite

COMMANDS: Mapping[str, str] = {  # the first is the one that most people want
    "run": "Handle events: the daemon.",
    "demo": "Show the whole path at work, on this machine.",
    "check": "Find what is wrong before a start.",
    "health": "Ask the daemon with these settings how it is.",
    "emulator": "Be the service, on this machine.",
    "call": "Call any action of the service; JSON out.",
    "upload": "Bring files into the library.",
    "new": "Make a handler and its test, ready to edit.",
    "events": "List, show, redrive, discard, pause, resume: the journal.",
    "tasks": "List the tasks that are out.",
    "journal": "Move the journal to another store.",
    "report": "Say what a log tells, on the terminal and as a page with plots.",
    "torture": "Try to break the promises, on this machine.",
    "explain": "Say what an error code means.",
}


class Commands(Polite):
    """The commands, each read when it is asked for: neither the daemon nor a list waits for the others to be loaded."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """The commands."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Every command with its line."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command in the file of its name."""
        if cmd_name not in COMMANDS:
            from vodworker.config import nearest  # noqa: PLC0415  # the settings are no business of a list

            meant = nearest(cmd_name, COMMANDS)
            remedy = f"did you mean {meant[0]}?" if meant else "`vodworker --help` lists them"
            raise click.UsageError(f"{cmd_name} is not a command; {remedy}", ctx)
        gc.disable()  # to look for garbage again and again among ever more modules takes a tenth of a start
        try:
            command: click.Command = getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name)
        finally:
            gc.enable()
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
