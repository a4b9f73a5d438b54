"""`vodworker emulator`: the service on this machine."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import click

from vodworker.cli.ends import Failed
from vodworker.config import Address, address
from vodworker.config.tree import loopback
from vodworker.emulator import Empty, Emulator, Plan, Settings, read_faults
from vodworker.emulator.audit import Call
from vodworker.emulator.serve_events import NO_EVENT
from vodworker.log import log, setup
from vodworker.stop import Stop

STANDARD = Settings()


def _listen(_context: click.Context, _option: click.Parameter, text: str) -> Address:
    try:
        return address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _admin(context: click.Context, option: click.Parameter, text: str | None) -> Address | None:
    if text is None:
        return None
    place = _listen(context, option, text)
    if not loopback(place.host):
        raise click.BadParameter(
            "it must be on the loopback, like 127.0.0.1:8788: whoever reaches it rules the emulator"
        )
    return place


@click.command(
    epilog="Example: vodworker emulator --speed 10, and in the settings file: [account] endpoint ="
    ' "http://127.0.0.1:8787", secret_id = "test-secret-id", secret_key = "test-secret-key"'
)
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:8787", show_default=True, callback=_listen, help="Port 0: any."
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Of tasks: 10 is ten times as fast.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=STANDARD.batch,
    show_default=True,
    help="Events in one reply at most.",
)
@click.option(
    "--hold",
    type=click.FloatRange(min=0),
    default=STANDARD.hold,
    show_default=True,
    help="Seconds a pull waits for an event.",
)
@click.option(
    "--empty",
    type=click.Choice([it.value for it in Empty]),
    default=STANDARD.empty.value,
    show_default=True,
    help="How an empty queue is told: code 4000, an empty list, or no list.",
)
@click.option("--partial-confirm", is_flag=True, help="Confirm the live handles of a batch that has dead ones.")
@click.option(
    "--json-uploads/--xml-uploads",
    "signed_places",
    default=STANDARD.signed_places,
    show_default=True,
    help="Which interface of the object store uploads are led to.",
)
@click.option("--seed", type=int, help="Make the same ids in each run.")
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Where the account outlives a run.")
@click.option(
    "--faults", type=click.Path(path_type=Path), metavar="FILE", help="What shall go wrong, as TOML or (.json) JSON."
)
@click.option(
    "--admin", metavar="HOST:PORT", callback=_admin, help="Where to see into it, and to change faults while it runs."
)
def emulator(
    *,
    listen: Address,
    admin: Address | None,
    state: Path | None,
    faults: Path | None,
    empty: str,
    **options: float | None,
) -> None:
    """Be the service, on this machine.

    Its queue, uploads, tasks and ceilings, as far as they are known, until SIGTERM or Ctrl-C.
    """
    setup()
    plan = read_faults(faults) if faults else Plan()
    settings = Settings(empty=Empty(empty), faults=plan, **options)  # type: ignore[arg-type]  # as click checked
    asyncio.run(_serve(listen, admin, state, settings))


def _tell(call: Call) -> None:
    """Log a refusal; a poll that found nothing is none."""
    if call.code and NO_EVENT not in call.error:
        log.info("emulator.refused", action=call.action, code=call.code, error=call.error)


async def _serve(listen: Address, admin: Address | None, state: Path | None, settings: Settings) -> None:
    clock = asyncio.get_running_loop().time
    started = clock()
    with Stop(grace=0).on_signals() as stop:
        stop.listen()
        async with AsyncExitStack() as stack:
            try:
                service = await stack.enter_async_context(
                    Emulator.serve(*listen, settings=settings, state_file=state, admin=admin, watch=_tell)
                )
            except OSError as error:
                why = str(error.strerror).partition(" (")[0]  # asyncio's own words follow in brackets
                asked = f"{listen} and {admin}" if admin else listen
                raise Failed(f"nothing can listen on {asked}: {why}; choose another --listen") from error
            log.info("emulator.started", endpoint=service.url, admin=service.admin_url)
            await stop.asked.wait()
    log.info("emulator.stopped", took=round(clock() - started, 1))
