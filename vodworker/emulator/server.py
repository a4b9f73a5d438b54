"""The emulator as a whole: a server on a loopback port, open as long as its `async with`."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from vodworker.emulator import serve_events
from vodworker.emulator.audit import Audit
from vodworker.emulator.checks import PATH, Guard
from vodworker.emulator.clock import Clock
from vodworker.emulator.door import Door, Served
from vodworker.emulator.hold import Hold
from vodworker.emulator.limits import Ceilings
from vodworker.emulator.queue import Queue
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.settings import Settings

FAMILIES: tuple[Serves, ...] = (serve_events.SERVES,)


class Emulator:
    """A running emulator. `async with Emulator.serve() as emulator:` opens one on a free port of the loopback.

    url: what a client takes as its endpoint. origin: the same without the path; files are uploaded and played there.
    accounts: SecretId to SecretKey; change it and the next call feels it. ceilings: the same by action; an action's own
    `rate` where it has none.
    """

    def __init__(self, service: Service, *, accounts: dict[str, str], ceilings: dict[str, int]) -> None:
        self.service = service
        self.accounts = accounts
        self.ceilings = ceilings
        self.settings = service.settings
        self.queue = service.queue
        self.audit = service.audit
        self.clock = service.clock
        self.origin = service.origin
        self.url = f"{service.origin}{PATH}"

    def __repr__(self) -> str:
        return f"<Emulator {self.url}, {len(self.queue)} events, {self.audit!r}>"

    @property
    def secret_id(self) -> str:
        """The account's SecretId."""
        return self.settings.secret_id

    @property
    def secret_key(self) -> str:
        """The account's SecretKey."""
        return self.settings.secret_key

    def emit(self, content: Mapping[str, object]) -> None:
        """Put an event of any content into the queue; a poll that waits is woken."""
        self.service.emit(content)

    @staticmethod
    @asynccontextmanager
    async def serve(
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: Settings | None = None,
        wall: Callable[[], float] = time.time,
    ) -> AsyncGenerator["Emulator"]:
        """Listen until the block ends; then open polls are cut off and nothing is left behind.

        port: 0 takes a free one. wall: Unix seconds, for the Timestamp of calls and the start of the emulator's clock.
        """
        settings = settings or Settings()
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        origin = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        queue = Queue(
            batch=settings.batch,
            handle_life=settings.handle_life,
            return_after=settings.return_after,
            partial=settings.partial_confirm,
        )
        service = Service(
            settings=settings,
            origin=origin,
            clock=Clock(start=wall(), speed=settings.speed),
            queue=queue,
            hold=Hold(queue),
            audit=Audit(queue),
            chance=random.Random(settings.seed),  # noqa: S311  # ids and tokens of nothing that is worth stealing
        )
        emulator = Emulator(
            service, accounts={settings.secret_id: settings.secret_key}, ceilings=dict(settings.ceilings)
        )
        served: Served = {action: partial(serve, service) for family in FAMILIES for action, serve in family.items()}
        rates = {action.__name__: action.rate for action in served}
        door = Door(
            served,
            guard=Guard(emulator.accounts, token=settings.token),
            ceilings=Ceilings(lambda action: emulator.ceilings.get(action, rates[action])),
            audit=service.audit,
            wall=wall,
        )
        app = web.Application()
        app.router.add_get(PATH, door.answer, allow_head=False)
        app.router.add_post(PATH, door.answer)
        # A poll whose client hangs up is cancelled, so that it takes no event with it.
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield emulator
        finally:
            service.clock.close()
            service.hold.close()
            await runner.cleanup()


async def run(listen: tuple[str, int], *, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with Emulator.serve(*listen, settings=settings):
        await stop.wait()
