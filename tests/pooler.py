"""What may stand between a journal and its database: a pooler in transaction mode, and a line that breaks."""

import asyncio
import random
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from tests.postgresql import Cluster

STARTUP = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0"
READY = b"Z"


class Wire:
    """One end of a connection in PostgreSQL's protocol: a letter, a length, a body."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def first(self) -> bytes:
        """A client's first message, which has no letter."""
        (length,) = struct.unpack("!I", await self.reader.readexactly(4))
        return await self.reader.readexactly(length - 4)

    async def read(self) -> tuple[bytes, bytes]:
        """A message: its letter and its body."""
        letter = await self.reader.readexactly(1)
        (length,) = struct.unpack("!I", await self.reader.readexactly(4))
        return letter, await self.reader.readexactly(length - 4)

    def write(self, letter: bytes, body: bytes) -> None:
        """Send a message."""
        self.writer.write(letter + struct.pack("!I", len(body) + 4) + body)


class Pooler:
    """Hands each transaction to any one of its few connections, so that nothing of a session lasts.

    breaks: the line of a client is cut at its next commits: "before" the database hears of it, or "after" it has done
    it, each once. answers: how often clients waited for one.
    """

    def __init__(self, servers: list[Wire], greeting: bytes) -> None:
        self.breaks: list[str] = []
        self.transactions: list[int] = []
        self.answers = 0
        self._greeting = greeting
        self._servers = servers
        self._free = asyncio.Semaphore(len(servers))
        self._chance = random.Random(11)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes or its line is cut."""
        client = Wire(reader, writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while len(await client.first()) == 4:  # it asks for encryption
                writer.write(b"N")
            writer.write(self._greeting)
            going = True
            while going:
                message = await client.read()
                if message[0] == b"X":
                    break
                async with self._free:
                    going = await self._transaction(client, message)
        writer.close()

    async def _transaction(self, client: Wire, message: tuple[bytes, bytes]) -> bool:
        """All of one transaction on one connection; False when the line was cut."""
        server = self._servers.pop(self._chance.randrange(len(self._servers)))
        self.transactions.append(id(server))
        try:
            while True:
                cut = self.breaks.pop(0) if self.breaks and message == (b"Q", b"COMMIT\0") else ""
                if cut == "before":
                    server.write(b"Q", b"ROLLBACK\0")  # as the database does when it loses a client
                    await self._answer(server, None)
                    return False
                server.write(*message)
                if message[0] in b"QS":
                    self.answers += 1
                    state = await self._answer(server, None if cut else client)
                    if cut or state == b"I":
                        return not cut
                message = await client.read()
        except asyncio.IncompleteReadError:  # the client went in the middle of it
            server.write(b"Q", b"ROLLBACK\0")
            await self._answer(server, None)
            raise
        finally:
            self._servers.append(server)

    async def _answer(self, server: Wire, client: Wire | None) -> bytes:
        while True:
            letter, body = await server.read()
            if client:
                client.write(letter, body)
            if letter == READY:
                return body


async def connected(cluster: Cluster) -> tuple[Wire, bytes]:
    """A connection to the server, and all that it says to one who comes."""
    wire = Wire(*await asyncio.open_unix_connection(str(cluster.folder / f".s.PGSQL.{cluster.port}")))
    wire.writer.write(struct.pack("!I", len(STARTUP) + 4) + STARTUP)
    greeting = b""
    letter = b""
    while letter != READY:
        letter, body = await wire.read()
        greeting += letter + struct.pack("!I", len(body) + 4) + body
    return wire, greeting


@asynccontextmanager
async def pooler(cluster: Cluster, *, size: int = 3) -> AsyncGenerator[tuple[Pooler, str]]:
    """A pooler before the server, and the address for its clients."""
    lines = [await connected(cluster) for _ in range(size)]
    pool = Pooler([wire for wire, _ in lines], lines[0][1])
    server = await asyncio.start_server(pool.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield pool, f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.close()
        for wire, _ in lines:
            wire.writer.close()
