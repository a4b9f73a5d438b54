"""Real daemons as their supervisors see them: systemd, probes, a reload, and everything that they ever say."""

import asyncio
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.daemons import NEVER, Daemon, site, upload
from tests.postgresql import cluster
from vodworker.emulator.server import Emulator

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

IN_TIME = 15.0  # seconds in which the loss of the cloud or of the journal is told


class Manager(asyncio.DatagramProtocol):
    """Takes the place of systemd: hears what a unit tells it, and when."""

    def __init__(self) -> None:
        self.told: list[tuple[float, dict[str, str]]] = []
        self._waiting: list[asyncio.Event] = []

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  # asyncio's own signature
        """Keep it."""
        now = asyncio.get_running_loop().time()
        self.told.append((now, dict(line.split("=", 1) for line in data.decode().splitlines())))
        for news in self._waiting:
            news.set()

    def times(self, name: str) -> list[float]:
        """When this was told."""
        return [at for at, facts in self.told if name in facts]

    async def hears(self, name: str, times: int = 1) -> float:
        """Wait until this was told so often; when it was."""
        while len(self.times(name)) < times:
            self._waiting.append(asyncio.Event())
            await self._waiting[-1].wait()
        return self.times(name)[times - 1]


@asynccontextmanager
async def manager(folder: Path) -> AsyncGenerator[tuple[Manager, dict[str, str]]]:
    """A systemd that watches for 2 s, and what it puts into the environment."""
    address = str(folder / "notify")
    transport, it = await asyncio.get_running_loop().create_datagram_endpoint(
        Manager, local_addr=address, family=socket.AF_UNIX
    )
    try:
        yield it, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"}
    finally:
        transport.close()


class Probes:
    """What a prober sees of a daemon."""

    def __init__(self, session: aiohttp.ClientSession, origin: str) -> None:
        self._session = session
        self._origin = origin

    async def ask(self, path: str) -> tuple[int, str]:
        """Status and body; 0 when nobody answers."""
        with suppress(aiohttp.ClientConnectionError):
            async with self._session.get(f"{self._origin}{path}") as response:
                return response.status, await response.text()
        return 0, ""

    async def until(self, path: str, status: int) -> tuple[float, str]:
        """Ask until this is the answer: how long it took, and the body."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            found, body = await self.ask(path)
            if found == status:
                return clock() - began, body
            await asyncio.sleep(0.2)


@asynccontextmanager
async def probing(daemon: Daemon) -> AsyncGenerator[Probes]:
    """A prober of this daemon."""
    await daemon.said("worker.started")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session:
        yield Probes(session, f"http://{daemon.last('worker.started')['listen']}")


@pytest.mark.long
async def test_systemd_is_told_the_truth(tmp_path: Path) -> None:
    """READY comes with the cloud, not before; while the loop is blocked the watchdog starves, and STOPPING comes."""
    async with site(tmp_path, grace=1.0) as (emulator, place):
        port = int(emulator.origin.rpartition(":")[2])
    place.handler("if event.key == 'f1':\n    time.sleep(5)\nelif event.key == 'f2':\n    time.sleep(1000)")
    async with manager(tmp_path) as (systemd, environ), place.daemon(environ) as daemon:
        await daemon.said("pull.failed")
        await systemd.hears("EXTEND_TIMEOUT_USEC", 2)
        early = systemd.times("READY")
        async with Emulator.serve(port=port) as emulator:
            ready = await systemd.hears("READY")
            await systemd.hears("WATCHDOG", 2)
            emulator.emit(upload(1))
            await daemon.said("loop.free")
            await systemd.hears("WATCHDOG", len(systemd.times("WATCHDOG")) + 2)
            emulator.emit(upload(2))
            await daemon.said("loop.blocked", 2)
            code, _ = await daemon.stopped()
            await systemd.hears("STOPPING")

    fed = systemd.times("WATCHDOG")
    statuses = [facts["STATUS"] for _, facts in systemd.told if "STATUS" in facts]
    assert [] == early
    assert any("no pull has worked yet: Unreachable" in status for status in statuses)
    assert {"taking in events", "stopping"} <= set(statuses)
    assert ready <= fed[0]
    assert max(later - one for one, later in pairwise(fed)) > 4
    assert 1 == code
    blocked = daemon.last("loop.blocked")
    assert "handler hear, event 2" == blocked["task"]
    assert f"{place.folder}/handlers/hear.py:11 hear" == blocked["stack"][-1]


@pytest.mark.long
async def test_probes_tell_that_the_cloud_is_away(tmp_path: Path) -> None:
    """/readyz is 503 within 15 s of losing the cloud, and says why, and 200 when it is back; /healthz stays 200."""
    async with AsyncExitStack() as cloud:
        emulator, place = await cloud.enter_async_context(site(tmp_path))
        port = int(emulator.origin.rpartition(":")[2])
        place.handler("pass")
        place.set("[http]\nlisten = '127.0.0.1:0'")
        async with place.daemon() as daemon, probing(daemon) as probes:
            await probes.until("/readyz", 200)
            await cloud.aclose()
            lost, why = await probes.until("/readyz", 503)
            healthy = await probes.ask("/healthz")
            async with Emulator.serve(port=port):
                await probes.until("/readyz", 200)
            code, _ = await daemon.stopped()

    assert lost < IN_TIME
    assert "Unreachable: PullEvent: no connection" in why
    assert 200 == healthy[0]
    assert 0 == code


@pytest.mark.long
async def test_probes_tell_that_the_journal_is_away(tmp_path: Path) -> None:
    """A daemon without its database lives, is not ready within 15 s, says why, and pulls nothing until it is back."""
    with cluster() as server:
        async with site(tmp_path) as (emulator, place):
            place.handler("pass")
            place.set(f"[http]\nlisten = '127.0.0.1:0'\n[journal]\nurl = '{server.url()}'")
            async with place.daemon() as daemon, probing(daemon) as probes:
                await probes.until("/readyz", 200)
                server.stop(signal.SIGQUIT)
                lost, why = await probes.until("/readyz", 503)
                healthy = await probes.ask("/healthz")
                pulls = emulator.audit.arrivals("PullEvent")
                emulator.emit(upload(1))
                _, metrics = await probes.ask("/metrics")
                pulls_meanwhile = emulator.audit.arrivals("PullEvent") - pulls
                server.start()
                await probes.until("/readyz", 200)
                await daemon.said("event.confirmed")
                code, _ = await daemon.stopped()

    assert lost < IN_TIME
    assert "the journal has not answered for" in why
    assert 200 == healthy[0]
    assert "vodworker_journal_answers 0.0" in metrics
    assert (0, 1) == (pulls_meanwhile, emulator.audit.confirmations)
    assert 0 == code


@pytest.mark.long
async def test_settings_are_read_again(tmp_path: Path) -> None:
    """After SIGHUP the level, a handler's options and the keys are the new ones; what needs a restart is told."""
    async with site(tmp_path) as (emulator, place):
        place.handler("ctx.log.debug('hear.heard', colour=ctx.options.get('colour'))")
        async with place.daemon() as daemon:
            await daemon.said("worker.ready")
            emulator.accounts["test-secret-id"] = "another-key"
            await daemon.said("pull.denied")
            text = (place.folder / "vodworker.toml").read_text().replace("test-secret-key", "another-key")
            changed = text.replace('format = "json"', 'format = "json"\nlevel = "debug"')
            (place.folder / "vodworker.toml").write_text(changed)
            place.set("[handlers.options.hear]\ncolour = 'red'\n[pull]\nstreams = 3")
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said("pull.recovered")
            emulator.emit(upload(1))
            await daemon.said("hear.heard")
            place.set("[nonsense]")
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said("worker.unchanged")
            code, _ = await daemon.stopped()

    reloaded = daemon.last("worker.reloaded")
    assert ["account.secret_key", "handlers.options.hear", "log.level"] == reloaded["changed"]
    assert ["pull.streams"] == reloaded["kept"]
    assert "red" == daemon.last("hear.heard")["colour"]
    assert "nonsense" in daemon.last("worker.unchanged")["problems"][0]
    assert 0 == code


# ---- secrets

SECRET = "Marked0secret0KEY"
TOKEN = "Marked0session0TOKEN"


class Tap:
    """Stands between a daemon and the service, and keeps every signature that passes."""

    def __init__(self, session: aiohttp.ClientSession, to: Emulator) -> None:
        self.signatures: set[str] = set()
        self._session = session
        self._to = to

    async def pass_on(self, request: web.Request) -> web.Response:
        """Send it on as it is: the signature covers the host, so that stays, too."""
        form = await request.post()
        self.signatures.add(str(form["Signature"]))
        headers = {"Host": request.host, "Content-Type": request.content_type}
        async with self._session.post(self._to.url, data=await request.read(), headers=headers) as reply:
            return web.Response(body=await reply.read(), status=reply.status)

    @staticmethod
    @asynccontextmanager
    async def open(to: Emulator) -> AsyncGenerator[tuple["Tap", str]]:
        """A tap before this emulator, and its address."""
        async with aiohttp.ClientSession() as session:
            tap = Tap(session, to)
            app = web.Application()
            app.router.add_post("/v2/index.php", tap.pass_on)
            runner = web.AppRunner(app, shutdown_timeout=0)
            await runner.setup()
            listener = socket.create_server(("127.0.0.1", 0))
            await web.SockSite(runner, listener).start()
            try:
                yield tap, str(URL.build(scheme="http", host="127.0.0.1", port=listener.getsockname()[1]))
            finally:
                await runner.cleanup()


HANDLER = """
if event.key == 'f1':
    await ctx.vod.call(ProcessFile(file_id='nowhere', transcode=Transcode(definition=[210])))
if event.key == 'f2':
    raise RuntimeError(repr(ctx) + repr(vars(ctx.vod)))
if event.key == 'f3':
    time.sleep(2.5)
if event.key == 'f4':
    await ctx.vod.call(ProcessFile(file_id='', transcode=Transcode(definition=[210])))
"""


def read_arguments(pid: int) -> bytes:
    """What everybody on the machine can see of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_no_secret_ever_comes_out(tmp_path: Path) -> None:
    """No secret key, token or signature is in the log, stderr, the journal's files, metrics, probes or arguments."""
    async with site(tmp_path, token=TOKEN) as (emulator, place), Tap.open(emulator) as (tap, address):
        emulator.accounts["test-secret-id"] = SECRET
        (place.folder / "key").write_text(SECRET)
        place.handler(HANDLER)
        body = place.folder / "handlers" / "hear.py"
        body.write_text(f"from vodworker.api import ProcessFile, Transcode\n{body.read_text()}")
        (place.folder / "vodworker.toml").write_text(
            f'[account]\nendpoint = "{address}"\nsecret_id = "test-secret-id"\nsecret_key_file = "key"\n'
            f'[work]\ngrace = {NEVER}\n[log]\nformat = "json"\nlevel = "debug"\n[http]\nlisten = "127.0.0.1:0"\n'
            "[handlers]\nattempts = 1\n"
        )
        async with place.daemon({"VODWORKER_ACCOUNT__TOKEN": TOKEN}) as daemon, probing(daemon) as probes:
            for number in range(5):
                emulator.emit(upload(number))
            await daemon.said("handler.dead", 3)
            await daemon.said("loop.blocked")
            seen = [await probes.ask(path) for path in ("/metrics", "/healthz", "/readyz")]
            arguments = read_arguments(daemon.process.pid)
            emulator.accounts["test-secret-id"] = "another-key"
            await daemon.said("pull.denied")
            seen += [await probes.ask(path) for path in ("/metrics", "/healthz", "/readyz")]
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.said("worker.reloaded")
            journal = [path.read_bytes() for path in place.folder.glob("vodworker.db*")]
            (place.folder / "vodworker.db").unlink()
            await daemon.process.wait()

    said = b"\n".join([*daemon.raw, *journal, arguments, (place.folder / "errors").read_bytes()])
    said += "".join(text for _, text in seen).encode()
    assert 1 == daemon.process.returncode
    assert "journal.failed" in {line["event"] for line in daemon.lines}
    assert len(tap.signatures) > 4
    secrets = {SECRET, TOKEN, *tap.signatures, *map(quote_plus, tap.signatures)}
    assert [] == [secret for secret in secrets if secret.encode() in said]
