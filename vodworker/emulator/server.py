"""The emulator as a whole: a server on a loopback port, open as long as its `async with`."""

import asyncio
import random
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from vodworker.emulator import (
    serve_cdn,
    serve_classes,
    serve_events,
    serve_files,
    serve_keys,
    serve_listing,
    serve_procedures,
    serve_processing,
    serve_statistics,
    serve_tasks,
    serve_templates,
    serve_upload,
    serve_watermarks,
    snapshot,
)
from vodworker.emulator.admin import Admin
from vodworker.emulator.audit import Audit, Call
from vodworker.emulator.checks import PATH, Guard
from vodworker.emulator.clock import Clock, Wall
from vodworker.emulator.cos_xml import CosXml
from vodworker.emulator.depot import Depot
from vodworker.emulator.door import Door, Served
from vodworker.emulator.hold import Hold
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.mischief import Faults
from vodworker.emulator.queue import Queue
from vodworker.emulator.serve_watermarks import Pictures
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.settings import Settings
from vodworker.emulator.state import Saved, State, load, save
from vodworker.emulator.storage import Storage
from vodworker.errors import ConfigError

FAMILIES: tuple[Serves, ...] = (
    serve_cdn.SERVES,
    serve_classes.SERVES,
    serve_events.SERVES,
    serve_files.SERVES,
    serve_keys.SERVES,
    serve_listing.SERVES,
    serve_procedures.SERVES,
    serve_processing.SERVES,
    serve_statistics.SERVES,
    serve_tasks.SERVES,
    serve_templates.SERVES,
    serve_upload.SERVES,
    serve_watermarks.SERVES,
)


class Emulator:
    """A running emulator. `async with Emulator.serve() as emulator:` opens one on a free port of the loopback.

    url: what a client takes as its endpoint. origin: the same without the path; files are uploaded and played there.
    accounts: SecretId to SecretKey; change it and the next call feels it. ceilings: the same by action; an action's own
    `rate` where it has none. faults: what goes wrong, to be set and cleared. admin_url: where a tester may ask, "" for
    nowhere.
    """

    def __init__(self, service: Service, *, admin_url: str = "") -> None:
        self.service = service
        self.settings = service.settings
        self.accounts = {service.settings.secret_id: service.settings.secret_key}
        self.ceilings = dict(service.settings.ceilings)
        self.state = service.state
        self.queue = service.queue
        self.audit = service.audit
        self.clock = service.clock
        self.faults = service.faults
        self.admin_url = admin_url
        self.origin = service.origin
        self.url = f"{service.origin}{PATH}"

    def __repr__(self) -> str:
        return f"<Emulator {self.url}, {self.state!r}, {self.queue!r}>"

    @property
    def secret_id(self) -> str:
        """The account's SecretId."""
        return self.settings.secret_id

    @property
    def secret_key(self) -> str:
        """The account's SecretKey."""
        return self.settings.secret_key

    def emit(self, content: Mapping[str, object]) -> None:
        """Queue an event of any content; a poll that waits is woken."""
        self.service.put(content)

    @staticmethod
    @asynccontextmanager
    async def serve(
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: Settings | None = None,
        state_file: Path | None = None,
        admin: tuple[str, int] | None = None,
        watch: Callable[[Call], None] = lambda _: None,
        wall: Callable[[], float] = time.time,
    ) -> AsyncGenerator["Emulator"]:
        """Listen until the block ends; then open calls are cut off and nothing is left behind.

        port: 0 takes a free one. state_file: where the account is loaded from at the start and saved to at the end, the
        bytes of its files beside it; None: it lives as long as the block. admin: host and port of the admin address,
        None: there is none. watch: is shown every call when it has ended. wall: Unix seconds, for the Timestamp of
        calls and the start of the emulator's clock. ConfigError when the state cannot be read, OSError when a port is
        taken.
        """
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(_listener(host, port))
            origin = _origin(listener)
            saved = await asyncio.to_thread(load, state_file, origin=origin) if state_file else None
            admin_listener = stack.enter_context(_listener(*admin)) if admin else None
            folder = _folder(stack, state_file)
            service = _service(settings or Settings(), saved, folder=folder, origin=origin, watch=watch, wall=wall)
            admin_url = f"{_origin(admin_listener)}/admin" if admin_listener else ""
            emulator = Emulator(service, admin_url=admin_url)
            if state_file:
                stack.push_async_callback(_save, service, state_file)
            door = await stack.enter_async_context(_door(emulator))
            await _open(stack, _app(emulator, door), listener)
            if admin_listener:
                await _open(stack, Admin(service).app(), admin_listener)
            stack.callback(service.hold.close)
            stack.callback(service.clock.close)
            snapshot.resume(service)
            yield emulator


def _listener(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


async def _open(stack: AsyncExitStack, app: web.Application, listener: socket.socket) -> None:
    """Answer what comes to this socket, until the stack unwinds."""
    # A call whose client hangs up is cancelled, so that a poll takes no event with it.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    await web.SockSite(runner, listener).start()


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _folder(stack: AsyncExitStack, state_file: Path | None) -> Path:
    """Where the bytes of uploads go: beside the state, or where they vanish with the emulator."""
    if state_file is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vodworker-emulator-")))
    folder = state_file.with_name(f"{state_file.name}.objects")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [f"{folder} cannot be made ({error.strerror}); choose another place for the state"]
        ) from error
    return folder


def _service(
    settings: Settings,
    saved: Saved | None,
    *,
    folder: Path,
    origin: str,
    watch: Callable[[Call], None],
    wall: Callable[[], float],
) -> Service:
    chance = random.Random(settings.seed)  # noqa: S311  # ids and tokens of nothing that is worth stealing
    state = saved.state if saved else State()
    faults = Faults(settings.faults)
    queue = Queue(
        batch=settings.batch,
        handle_life=settings.handle_life,
        return_after=settings.return_after,
        partial=settings.partial_confirm,
        last_handle=saved.handle if saved else chance.randrange(10**15, 10**16 // 2),
        faults=faults,
    )
    for event in saved.events if saved else ():
        queue.put(event.encode())
    return Service(
        settings=settings,
        origin=origin,
        # Time does not go back: a clock that ran fast may have been ahead of the wall's.
        clock=Clock(start=max(wall(), saved.now if saved else 0.0), speed=settings.speed),
        state=state,
        storage=Storage(folder, state),
        queue=queue,
        hold=Hold(queue),
        audit=Audit(queue, watch=watch),
        chance=chance,
        wall=Wall(wall),
        faults=faults,
    )


def _door(emulator: Emulator) -> Door:
    service = emulator.service
    served: Served = {action: partial(serve, service) for family in FAMILIES for action, serve in family.items()}
    rates = {action.__name__: action.rate for action in served}
    return Door(
        served,
        guard=Guard(emulator.accounts, token=service.settings.token),
        ceilings=Ceilings(lambda action: emulator.ceilings.get(action, rates[action])),
        audit=service.audit,
        wall=service.wall,
        faults=service.faults,
        step=service.step,
    )


def _app(emulator: Emulator, door: Door) -> web.Application:
    service = emulator.service
    app = web.Application()
    app.router.add_get(PATH, door.answer, allow_head=False)
    app.router.add_post(PATH, door.answer)
    Depot(service).add_to(app)
    Pictures(service).add_to(app)
    CosXml(service, emulator.accounts, wall=service.wall).add_to(app)
    return app


async def _save(service: Service, file: Path) -> None:
    await asyncio.to_thread(save, snapshot.taken(service), file)


async def run(
    listen: tuple[str, int], state_file: Path | None = None, settings: Settings | None = None, *, stop: asyncio.Event
) -> None:
    """Serve until `stop` is set."""
    async with Emulator.serve(*listen, settings=settings, state_file=state_file):
        await stop.wait()
