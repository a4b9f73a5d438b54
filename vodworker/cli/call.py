"""`vodworker call`: any action from the shell, under the same ceilings as the daemon's calls."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from vodworker.api import ACTIONS
from vodworker.api.action import Action, Reply
from vodworker.api.describe import parameters
from vodworker.app import service
from vodworker.cli.declared import facts, notes, parsed, sentence
from vodworker.cli.manners import config_option, quiet, read, tell_of_waits, with_config
from vodworker.config import Settings, nearest
from vodworker.log import heard


class Actions(click.Group):
    """A command for each action, made from its declaration when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """All actions."""
        return sorted(ACTIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command for an action; letter case does not count, and any spelling of the manual's will do."""
        names = {other.casefold(): name for name, it in ACTIONS.items() for other in (name, *it.aka)}
        name = names.get(cmd_name.casefold())
        if name is None:
            meant = nearest(cmd_name, ACTIONS)
            remedy = f"did you mean {meant[0]}?" if meant else "`vodworker call --help` lists them"
            raise click.UsageError(f"{cmd_name} is not an action; {remedy}", ctx)
        return Caller(ACTIONS[name])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Every action with its whole first sentence."""
        with formatter.section("Actions"):
            formatter.write_dl([(name, sentence(ACTIONS[name])) for name in sorted(ACTIONS)])


class Caller(click.Command):
    """The command that calls one action."""

    def __init__(self, action: type[Action[Reply]]) -> None:
        super().__init__(
            action.__name__,
            callback=self.call,
            params=[click.Argument(["pairs"], nargs=-1, metavar="[NAME=VALUE]..."), config_option],
            help=action.__doc__,
            epilog=" ".join(notes(action)),
        )
        self.action = action

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The parameters of the action, then the options of the command."""
        if self.action.model_fields:
            with formatter.section("Parameters"):
                formatter.write_dl([(it.name, facts(it)) for it in parameters(self.action)])
        super().format_options(ctx, formatter)

    def call(self, pairs: Sequence[str], config: Path | None) -> None:
        """Call the action and print the reply, as the service sent it."""
        try:
            action = parsed(self.action, pairs)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        settings = read(config or click.get_current_context().obj)
        quiet()
        reply = asyncio.run(_call(settings, action))
        click.echo(reply.model_dump_json(by_alias=True, exclude_unset=True, indent=2))


async def _call(settings: Settings, action: Action[Reply]) -> Reply:
    async with service(settings, sole=False) as cloud:
        with heard(tell_of_waits):
            return await cloud.vod.call(action)


@with_config
@click.command(
    cls=Actions,
    subcommand_metavar="ACTION [NAME=VALUE]...",
    epilog="Examples: vodworker call GetVideoInfo file_id=5285890784363430543, vodworker call ProcessFile"
    " file_id=5285890784363430543 transcode.definition=210,220, vodworker call ProcessFile --help",
)
@click.pass_context
def call(ctx: click.Context, config: Path | None) -> None:
    """Call any action of the service; JSON out.

    The reply goes to stdout as it came. The call waits for a token of its ceiling, from the same journal as the daemon,
    and says so on stderr.
    """
    ctx.obj = config  # for the action: options may stand on either side of its name
