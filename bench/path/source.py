"""The service at its cheapest, in a process of its own: events that were serialised beforehand, and two actions.

It says on stdout, a line of JSON each: its `port`; `pulled`, when the first poll came; and when the last handle was
confirmed, of every event when it was available and when it was confirmed. Events begin to come with the first line on
stdin. All times are of the machine's monotonic clock, which is every process's.
"""

import argparse
import asyncio
import random
import re
import sys
from collections import deque

import orjson

AT_ONCE = 16  # events in a reply, as the service is known to give
HOLD = 5.0  # seconds for which a poll is held
HEAD, TAIL = b'{"code":0,"message":"","codeDesc":"Success","eventList":[', b"]}"
EMPTY = HEAD + TAIL
HANDLE = re.compile(rb"msgHandle\.[0-9]+=([0-9]+)")
LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def body(number: int, size: int) -> bytes:
    """An upload, in so many bytes; its number is its file's id."""
    base = "https://1250000000.vod2.example.com/0a1b2c3d4e5f/"
    data = {
        "fileId": f"{number}",
        "fileName": f"holiday {number}.mp4",
        "fileUrl": f"{base}{number}/video.mp4",
        "coverUrl": f"{base}{number}/cover.jpg",
        "sourceType": "ServerUpload",
        "status": 0,
        "message": "",
        "duration": 61,
        "width": 1920,
        "height": 1080,
        "sampleUrl": [f"{base}{number}/sample.{n}.jpg" for n in range(max(0, size - 500) // 80)],
        "sourceContext": "",
    }
    event = {"version": "4.0", "eventType": "NewFileUpload", "data": data}
    data["sourceContext"] = "x" * max(0, size - len(orjson.dumps(event)))
    return orjson.dumps(event)


class Source:
    """The queue: what waits, who waits for it, and what became of it."""

    def __init__(self, events: list[bytes]) -> None:
        self.events = events
        self.available = [0.0] * len(events)
        self.confirmed = [0.0] * len(events)
        self.left = len(events)
        self.over = asyncio.Event()
        self.pulled = asyncio.Event()
        self._waiting: deque[int] = deque()
        self._polls: deque[Connection] = deque()

    def emit(self, first: int, last: int) -> None:
        """These events are available from now on."""
        now = asyncio.get_running_loop().time()
        self.available[first:last] = [now] * (last - first)
        self._waiting.extend(range(first, last))
        while self._waiting and self._polls:
            self._polls.popleft().send(self._batch())

    def pull(self, connection: "Connection") -> None:
        """A poll came."""
        self.pulled.set()
        if self._waiting:
            connection.send(self._batch())
        else:
            self._polls.append(connection)
            connection.hold()

    def forget(self, connection: "Connection") -> None:
        """A poll is over."""
        if connection in self._polls:
            self._polls.remove(connection)

    def confirm(self, handles: list[bytes]) -> None:
        """A confirmation came."""
        now = asyncio.get_running_loop().time()
        for handle in map(int, handles):
            self.left -= not self.confirmed[handle]
            self.confirmed[handle] = now
        if not self.left:
            self.over.set()

    def _batch(self) -> bytes:
        count = min(AT_ONCE, len(self._waiting))
        items = (
            b'{"msgHandle":"%d","eventContent":%b}' % (number, self.events[number])
            for number in [self._waiting.popleft() for _ in range(count)]
        )
        return HEAD + b",".join(items) + TAIL


class Connection(asyncio.Protocol):
    """One client's: HTTP, as far as ours speaks it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._buffer = b""
        self._held: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # of a TCP server
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's words
        """It ends."""
        self._release()
        self._source.forget(self)

    def data_received(self, data: bytes) -> None:
        """A request, or a part of one."""
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or not length or len(rest) < int(length[1]):
            return
        self._buffer = b""
        if b"Action=PullEvent" in rest:
            self._source.pull(self)
        else:
            self._source.confirm(HANDLE.findall(rest))
            self.send(EMPTY)

    def send(self, reply: bytes) -> None:
        """Answer the request."""
        self._release()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply)
        self._transport.write(head + reply)

    def hold(self) -> None:
        """Answer with nothing, if nothing comes."""
        self._held = asyncio.get_running_loop().call_later(HOLD, self._nothing)

    def _nothing(self) -> None:
        self._source.forget(self)
        self.send(EMPTY)

    def _release(self) -> None:
        if self._held:
            self._held.cancel()
            self._held = None


def say(**facts: object) -> None:
    """A line for whoever measures."""
    sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    sys.stdout.flush()


async def serve(events: list[bytes], *, rate: float, group: int) -> None:
    """Serve until every event is confirmed. rate: events a second, 0: all at once; group: how many come together."""
    loop = asyncio.get_running_loop()
    source = Source(events)
    server = await loop.create_server(lambda: Connection(source), "127.0.0.1", 0)
    chance = random.Random(1)  # noqa: S311  # the same arrivals each time
    async with server:
        say(port=server.sockets[0].getsockname()[1])
        await source.pulled.wait()
        say(pulled=loop.time())
        if not await loop.run_in_executor(None, sys.stdin.readline):
            return
        step = group if rate else len(events)
        due = loop.time()
        for first in range(0, len(events), step):
            if rate:
                due += (group / rate) * (1.0 if group > 1 else chance.expovariate(1.0))
                await asyncio.sleep(due - loop.time())
            source.emit(first, min(first + step, len(events)))
        await source.over.wait()
        say(available=source.available, confirmed=source.confirmed)
        await loop.run_in_executor(None, sys.stdin.readline)  # polls are held until whoever measures is done


def main() -> None:
    """Read what to serve, and serve it."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("events", 1000), ("size", 1024), ("group", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=0.0)
    asked = parser.parse_args()
    asyncio.run(serve([body(n, asked.size) for n in range(asked.events)], rate=asked.rate, group=asked.group))


if __name__ == "__main__":
    main()
