"""The reference page of the commands, from their declarations."""

from collections.abc import Iterator
from inspect import cleandoc

import click

from vodworker.cli.call import Actions

HEAD = """\
# Commands

Written from the commands themselves by `make docs`; each says the same with `--help`. They end with 0 (done), 1
(failed), 2 (wrong command line) or 78 (wrong settings or handlers; a supervisor must not start it again).
"""


def page(program: click.Group, name: str) -> str:
    """The reference in Markdown of all commands of a program, which goes by this name."""
    found = list(walk(click.Context(program, info_name=name)))
    parts = [HEAD, "\n| command | does |\n|---|---|\n"]
    parts += [
        f"| [`{it.command_path}`](#{anchor(it)}) | {it.command.get_short_help_str(limit=200)} |\n" for it in found
    ]
    return "".join([*parts, *(part for it in found for part in section(it))])


def walk(context: click.Context) -> Iterator[click.Context]:
    """The commands below a group, in the order that it lists them; after a group, what is in it."""
    group = context.command
    if isinstance(group, click.Group) and not isinstance(group, Actions):  # actions have a page of their own
        for name in group.list_commands(context):
            if command := group.get_command(context, name):
                inner = click.Context(command, parent=context, info_name=name)
                yield inner
                yield from walk(inner)


def anchor(context: click.Context) -> str:
    """How a link on the page finds a command."""
    return context.command_path.replace(" ", "-")


def section(context: click.Context) -> Iterator[str]:
    """One command: what it does, its usage, its options, examples."""
    command = context.command
    yield f"\n## {context.command_path}\n\n{cleandoc(command.help or '').replace(chr(8), '')}\n\n"
    yield f"Usage: `{' '.join([context.command_path, *command.collect_usage_pieces(context)])}`\n"
    rows = [told for it in command.params if (told := it.get_help_record(context))]
    if rows:
        yield "\n| option | |\n|---|---|\n"
        yield from (f"| `{cell(option)}` | {cell(text)} |\n" for option, text in rows)
    if command.epilog:
        yield f"\n{command.epilog}\n"


def cell(text: str) -> str:
    """A text as it stands in a table."""
    return text.replace("|", "\\|")
