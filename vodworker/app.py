"""Everything put together from settings: the one place that opens things."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import aiohttp

from vodworker.alarm import Alarm, alarmed
from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.cloud.queue import PULL_TIMEOUT, Queue
from vodworker.config import Settings
from vodworker.errors import ConfigError
from vodworker.journal.port import Store
from vodworker.log import gathered, heard, log
from vodworker.place import open_journal
from vodworker.reload import Live
from vodworker.resources import opened
from vodworker.router import Router
from vodworker.sign import nonces
from vodworker.stop import Stop
from vodworker.watch import Systemd, Watch
from vodworker.worker import Rules, Worker

KEEPALIVE = (
    4.0  # seconds: shorter than any server's, so that no call goes out on a connection that is just being closed
)


@dataclass(frozen=True, slots=True)
class Service:
    """The service within reach: its client, and the store and limiter behind it."""

    store: Store
    limiter: Limiter
    session: aiohttp.ClientSession
    vod: Vod


@asynccontextmanager
async def service(settings: Settings, *, sole: bool, alarm: Alarm = lambda _: None) -> AsyncGenerator[Service]:
    """Open the journal and a client whose calls draw on the journal's tokens.

    sole: keep other daemons out. alarm: is told at once when a token cannot be had because the journal is broken.

    Raises `ConfigError` when the account's keys are missing, `JournalError` when the journal cannot be opened.
    """
    account = cloud_account(settings)
    async with open_journal(settings, sole=sole) as store:
        hold = max(settings.calls.timeout, PULL_TIMEOUT)
        async with (
            Limiter(
                store, limit=settings.limit, burst=settings.burst, hold=hold, clock=awake_or_not(), alarm=alarm
            ) as limiter,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE),
                headers={"User-Agent": f"vodworker/{version('vodworker')}"},
                cookie_jar=aiohttp.DummyCookieJar(),
            ) as session,
        ):
            vod = Vod(
                session,
                account,
                limiter=limiter,
                nonces=nonces(random.random).__next__,
                random=random.random,
                timeout=settings.calls.timeout,
                retries=settings.calls.retries,
                language=settings.log.language,
            )
            yield Service(store, limiter, session, vod)


def awake_or_not() -> Callable[[], float] | None:
    """Seconds of a clock that goes on while the machine sleeps; None where the loop's own does, as on a Mac."""
    return partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None


def cloud_account(settings: Settings) -> Account:
    """The account as the client wants it; `ConfigError` when its keys are missing."""
    account = settings.account
    if account.secret_id is None or account.secret_key is None:
        raise ConfigError(account.missing)
    return Account(
        endpoint=account.endpoint,
        secret_id=account.secret_id,
        secret_key=account.secret_key.get_secret_value(),
        token=account.token.get_secret_value() if account.token else None,
        region=account.region,
        sub_app_id=account.sub_app_id,
        signature_method=account.signature_method,
    )


def shipped_handlers() -> Path:
    """The folder of the handlers that come with vodworker: in a wheel inside the package, in a checkout beside it."""
    packed = Path(__file__).parent / "_shipped"
    return packed if packed.is_dir() else Path(__file__).parent.parent / "handlers"


def load_handlers(settings: Settings) -> Router:
    """The handlers that the settings ask for; `ConfigError` with every problem."""
    handlers = settings.handlers
    return Router.load(
        handlers.directories, enabled=handlers.enabled, options=handlers.options, middleware=handlers.middleware
    )


def ready(settings: Settings) -> Router:
    """The handlers, when the account's keys are there too; `ConfigError` with every problem of both."""
    try:
        router = load_handlers(settings)
    except ConfigError as error:
        raise ConfigError([*settings.account.missing, *error.problems]) from error
    if missing := settings.account.missing:
        raise ConfigError(missing)
    return router


async def run(
    settings: Settings,
    *,
    stop: Stop,
    read: Callable[[], Settings] | None = None,
    systemd: Systemd | None = None,
    stream: BinaryIO | None = None,
) -> int:
    """The daemon, until it is to stop; returns the exit code.

    read: reads the settings anew, at a SIGHUP. systemd: is told how it goes. stream: where the log goes. Raises
    `ConfigError` before anything is opened, `JournalError` (in an exception group) when the journal breaks.
    """
    stop.listen()
    router = ready(settings)
    live = Live(settings, read or (lambda: settings), router, stream=stream)
    watch = Watch(systemd or Systemd.of({}))
    broken = partial(stop.broken, journal=settings.journal.shown)
    with gathered(), watch.listening():
        async with answers(settings, watch, router) as address, asyncio.TaskGroup() as group:
            beating = group.create_task(watch.pulse.run(), name="pulse")
            await alarmed(broken, work, live, router, watch, stop=stop, broken=broken, address=address)
            beating.cancel()
    return 0


def answers(settings: Settings, watch: Watch, router: Router) -> AbstractAsyncContextManager[str | None]:
    """Where health and metrics are told, as long as the block lasts; None where the settings do not want it."""
    if settings.http.listen is None:
        return nullcontext()
    from vodworker.watch.http import answering  # noqa: PLC0415  # a start does not wait for what nobody asks

    return answering(settings.http.listen, watch, router.routes, limit=settings.limit)


async def work(live: Live, router: Router, watch: Watch, *, stop: Stop, broken: Alarm, address: str | None) -> None:
    """Open everything, and work until it is to stop."""
    settings = live.settings
    started = asyncio.get_running_loop().time()
    async with AsyncExitStack() as stack:
        opening = asyncio.timeout(None)
        try:
            async with opening:
                with stop.giving_up(opening):
                    cloud = await stack.enter_async_context(service(settings, sole=True, alarm=broken))
                    resources = await stack.enter_async_context(
                        opened(router, live.options, limit=settings.handlers.timeout)
                    )
        except TimeoutError:
            if not opening.expired():
                raise
            log.info("worker.stopped", open=None, took=round(asyncio.get_running_loop().time() - started, 1))
            return
        for middleware in router.middleware:
            if hear := getattr(middleware, "hear", None):  # one that is an ear, too: it must not raise and not log
                stack.enter_context(heard(hear))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        log.info(
            "worker.started",
            version=version("vodworker"),
            endpoint=settings.account.endpoint,
            journal=settings.journal.shown,
            handlers=tuple(router.routes),
            streams=settings.pull.streams,
            limits=settings.limits,
            listen=address,
        )
        if adopted := await cloud.store.adopt():
            log.info("journal.adopted", entries=adopted)
        rules = Rules(
            concurrency=settings.handlers.concurrency,
            attempts=settings.handlers.attempts,
            timeout=settings.handlers.timeout,
            lease=settings.work.lease,
            options=live.options,
            resources=resources,
        )
        worker = Worker(
            Queue(cloud.vod, limiter=cloud.limiter, limit=settings.limit),
            cloud.store,
            cloud.vod,
            router,
            rules,
            random=random.random,
            streams=settings.pull.streams,
            max_backlog=settings.pull.max_backlog,
            grace=settings.work.grace,
            keep=settings.journal.keep,
            alarm=broken,
        )

        def use(settings: Settings) -> None:
            cloud.vod.account = cloud_account(settings)

        asking = group.create_task(alarmed(broken, watch.ask, cloud.store, cloud.limiter), name="ask the journal")
        with live.reloading(use):
            left = await worker.run(stop.asked)
        asking.cancel()
    log.info("worker.stopped", open=left, took=round(asyncio.get_running_loop().time() - started, 1))
