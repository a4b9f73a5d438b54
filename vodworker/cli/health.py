"""`vodworker health`: ask a running daemon how it is."""

import http.client
import json
from pathlib import Path

import click

from vodworker.cli.ends import Failed, Unusable
from vodworker.cli.manners import read, with_config
from vodworker.config import Address

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where to ask one that listens everywhere
PATIENCE = 5.0  # seconds: a loop that is blocked for longer is not well


@with_config
@click.command(epilog="Example: vodworker health --ready")
@click.option("--ready", is_flag=True, help="Whether it takes in events; without it, whether it lives.")
def health(*, ready: bool, config: Path | None) -> None:
    """Ask the daemon with these settings how it is.

    Prints the reasons and exits with 1 when it is not well, or does not answer within 5 s at http.listen.
    """
    listen = read(config).http.listen
    if listen is None:
        raise Unusable("http.listen is off; set it, for instance to 127.0.0.1:8790, and restart the daemon")
    well, problems = asked(Address(ANYWHERE.get(listen.host, listen.host), listen.port), ready=ready)
    if not well:
        raise Failed("\n".join(problems))
    click.echo("ready" if ready else "alive")


def asked(where: Address, *, ready: bool) -> tuple[bool, list[str]]:
    """Whether it is well, and what is wrong."""
    connection = http.client.HTTPConnection(*where, timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz" if ready else "/healthz")
        reply = connection.getresponse()
        return reply.status == http.client.OK, json.loads(reply.read())["problems"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        return False, [f"no daemon answers at {where}: {str(error) or type(error).__name__}"]
    finally:
        connection.close()
