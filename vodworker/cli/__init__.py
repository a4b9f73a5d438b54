"""The command line: one group, and a file for each command or family of commands."""

import click

from vodworker.cli.call import call
from vodworker.cli.check import check
from vodworker.cli.demo import demo
from vodworker.cli.emulator import emulator
from vodworker.cli.events import events
from vodworker.cli.explain import explain
from vodworker.cli.health import health
from vodworker.cli.journal import journal
from vodworker.cli.manners import Polite
from vodworker.cli.report import report
from vodworker.cli.run import run
from vodworker.cli.tasks import tasks
from vodworker.cli.torture import torture
from vodworker.cli.upload import upload


class InOrder(Polite):
    """Lists its commands as they were given: the first is the one that most people want."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """The commands."""
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="vodworker", message="%(version)s")
def cli() -> None:
    """Handle the events of Tencent Cloud VOD: nothing lost, nothing paid for twice, never over a ceiling.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong command line, 78 wrong settings or handlers.
    """  # noqa: D301  # \b keeps click from wrapping the lines below it


for command in (run, demo, check, health, emulator, call, upload, events, tasks, journal, report, torture, explain):
    cli.add_command(command)


def main() -> None:
    """The console script."""
    cli()
