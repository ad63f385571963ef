"""Clients that cost as little as can be, so that the server is what is measured.

`Drain` takes a replay as fast as it comes and reads no more than frame headers; `Viewer` reads every message of a paced
replay and notes when it came, `Follower` those of one that is written meanwhile. They use a plain socket: a WebSocket
library would be slower than the server. `Asker` asks over HTTP.

    python -m benchmarks.client PORT TARGET COUNT SECONDS

drains whole replays of COUNT events one after the other for at least so long, and prints when, how many and how much
as JSON.
"""

from __future__ import annotations

import asyncio
import http.client
import mmap
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, Final, Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import orjson

__all__ = ["MARK", "Asker", "Broken", "Drain", "Follower", "Viewer", "connected", "drain", "frames", "target"]

BUFFER_BYTES: Final = 512 << 10
"""One buffer that stays in the processor's cache; larger ones are slower, and smaller ones mean more reads."""

TEXT, CLOSE = 1, 8

_CLOSE_REPLY: Final = b"\x88\x82\0\0\0\0\x03\xe8"


class Broken(Exception):
    """The server did not do what was asked: a malfunction, not a slow run."""


def target(scroll_id: UUID, **parameters: object) -> str:
    """The path and query of a replay."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"/ws/sessions/{scroll_id}?{query}"


def frames(data: bytes | bytearray | mmap.mmap, end: int) -> Iterator[tuple[int, int, int]]:
    """Each whole frame in the first `end` bytes as (opcode, start of payload, end of payload)."""
    place = 0
    while end - place >= 2:
        length, head = data[place + 1] & 127, 2
        if length > 125:
            head = 4 if length == 126 else 10
            if end - place < head:
                return
            length = int.from_bytes(data[place + 2 : place + head], "big")
        if end - place < head + length:
            return
        yield data[place] & 15, place + head, place + head + length
        place += head + length


class _Opening:
    """The handshake, which both clients share."""

    def __init__(self, host: str, port: int, target: str) -> None:
        self._request = (
            f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: scrollcast.v1\r\n\r\n"
        ).encode()
        self.started = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask at once."""
        self.transport = transport
        self.started = time.monotonic()
        transport.write(self._request)

    def send(self, message: object) -> None:
        """Send one message of up to 125 bytes."""
        data = orjson.dumps(message)
        self.transport.write(bytes((0x81, 0x80 | len(data), 0, 0, 0, 0)) + data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for the end is told."""
        if not self.closed.done():
            self.closed.set_result(None)

    def eof_received(self) -> None:
        """Nothing more will come."""


class Drain(_Opening, asyncio.BufferedProtocol):
    """Takes everything, and reads only frame headers and what is no event.

    `first_event` and `finished` are moments of `time.monotonic`; `said` are the messages that are no events. With
    `tape` all frames are also written to a file as they come.
    """

    def __init__(self, host: str, port: int, target: str, tape: BinaryIO | None = None) -> None:
        super().__init__(host, port, target)
        self._tape = tape
        self._buffer = bytearray(BUFFER_BYTES + 16)  # so that a header at the very end can be looked at
        self._view = memoryview(self._buffer)[:BUFFER_BYTES]
        self._kept = self._skip = 0
        self._open = False
        self._waiting: list[tuple[str, asyncio.Future[dict[str, Any]]]] = []
        self.bytes = self.messages = 0
        self.first_event = self.finished = 0.0
        self.said: list[dict[str, Any]] = []
        self.close_code = 0

    def get_buffer(self, sizehint: int) -> memoryview:
        """Behind what is left of the last read."""
        return self._view[self._kept :]

    def buffer_updated(self, nbytes: int) -> None:
        """Step from frame to frame."""
        end = self._kept + nbytes
        if not self._open:
            self._kept = end
            head = self._buffer.find(b"\r\n\r\n", 0, end) + 4
            if head < 4:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                self.said.append({"type": "refused", "answer": self._buffer[:end].decode("latin-1")})
                self.transport.close()
                return
            self._open, nbytes = True, end - head
            self._buffer[:nbytes] = self._buffer[head:end]
            self._kept, end = 0, nbytes
        if self._tape:
            self._tape.write(self._view[end - nbytes : end])
        self.bytes += nbytes
        self._step(end)

    def _step(self, end: int) -> None:
        data, place = self._buffer, self._skip
        while end - place >= 2:
            length, head = data[place + 1], 2
            if length == 126:
                length, head = data[place + 2] << 8 | data[place + 3], 4
            elif length == 127:
                length, head = int.from_bytes(data[place + 2 : place + 10], "big"), 10
            if end - place < min(head + length, 32):
                break
            # {"type":"event… and {"type":"events…; nothing else that is sent has this letter here.
            if length > 10 and data[place + head + 10] == 0x76:
                if not self.messages:
                    self.first_event = time.monotonic()
                self.messages += 1
            elif end - place < head + length:
                break
            else:
                self._hear(data[place] & 15, bytes(data[place + head : place + head + length]))
            place += head + length
        if place >= end:
            self._skip, self._kept = place - end, 0
        else:
            self._skip, self._kept = 0, end - place
            data[: end - place] = data[place:end]

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.finished = time.monotonic()
            self.transport.write(_CLOSE_REPLY)
            self.transport.close()
        elif opcode == TEXT:
            message = orjson.loads(payload)
            self.said.append(message)
            for kind, future in self._waiting:
                if kind in (message["type"], message.get("code")) and not future.done():
                    future.set_result(message)

    async def heard(self, kind: str, seconds: float = 60.0) -> dict[str, Any]:
        """The next message of a type, or notice of a code."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, future))
        return await asyncio.wait_for(future, seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody need wait any longer."""
        super().connection_lost(exc)
        for _kind, future in self._waiting:
            if not future.done():
                future.set_exception(Broken(f"the connection was lost: {self.said[-1:]}"))

    @property
    def seconds(self) -> float:
        """From the request to the close message."""
        return self.finished - self.started

    def check(self, count: int) -> None:
        """Make sure that a whole replay of so many events came.

        Raises:
            Broken: it did not.
        """
        end = next((message for message in self.said if message["type"] == "end"), None)
        if self.close_code != 1000 or end is None:
            raise Broken(f"the replay did not end well: close code {self.close_code}, {self.said[-2:]}")
        if end["reason"] != "completed" or end["report"]["events_sent"] != count or end["report"]["failures"]:
            raise Broken(f"{count} events were to come, but: {end}")


class Viewer(_Opening, asyncio.Protocol):
    """Watches a replay in realtime: `events` are (recorded ms, moment of arrival), in order."""

    def __init__(self, host: str, port: int, target: str) -> None:
        super().__init__(host, port, target)
        self._data = bytearray()
        self._open = False
        self._next: int | None = None
        self.hello = 0.0
        self.events: list[tuple[int, float]] = []
        self.problem = ""

    def data_received(self, data: bytes) -> None:
        """Note the moment first."""
        now = time.monotonic()
        self._data += data
        if not self._open:
            head = self._data.find(b"\r\n\r\n") + 4
            if head < 4:
                return
            del self._data[:head]
            self._open = True
        done = 0
        for opcode, start, stop in frames(self._data, len(self._data)):
            if opcode == TEXT:
                self._take(orjson.loads(self._data[start:stop]), now)
            done = stop
        del self._data[:done]

    def _take(self, message: dict[str, Any], now: float) -> None:
        match message["type"]:
            case "hello":
                self.hello = now
            case "event":
                if self._next not in (None, message["seq"]):
                    self.problem = f"event {message['seq']} came in place of {self._next}"
                self._next = message["seq"] + 1
                self.events.append((message["t_ms"], now))
            case "error" | "end":
                self.problem = str(message)

    def lateness(self, start_ms: int) -> list[tuple[float, float]]:
        """(moment when due, seconds late) of each event.

        Playback began when the least late of all messages says it did, which is at most a fraction of a millisecond
        off: `hello` is sent at once.
        """
        begun = min(self.hello, *(at - (t_ms - start_ms) / 1000 for t_ms, at in self.events))
        due = [(begun + (t_ms - start_ms) / 1000, at) for t_ms, at in self.events]
        return [(moment, at - moment) for moment, at in due]


MARK: Final = re.compile(rb"appended-(\d{6})")
"""What a line that is appended says, so that it is known again in whatever was made of it."""


class Follower(_Opening, asyncio.Protocol):
    """Follows a session that is being written: `arrived` holds when the text with each number first came.

    `live` is set when everything before had been sent; `problem` tells what else than live events came after that.
    """

    def __init__(self, host: str, port: int, target: str) -> None:
        super().__init__(host, port, target)
        self._data = bytearray()
        self._open = False
        self.live = asyncio.Event()
        self.arrived: dict[int, float] = {}
        self.problem = ""

    def data_received(self, data: bytes) -> None:
        """Note the moment first."""
        now = time.monotonic()
        self._data += data
        if not self._open:
            head = self._data.find(b"\r\n\r\n") + 4
            if head < 4:
                return
            del self._data[:head]
            self._open = True
        done = 0
        for opcode, start, stop in frames(self._data, len(self._data)):
            if opcode == TEXT:
                self._take(self._data[start:stop], now)
            done = stop
        del self._data[:done]

    def _take(self, message: bytearray, now: float) -> None:
        if message.startswith((b'{"type":"error"', b'{"type":"end"', b'{"type":"notice","level":"warning"')):
            self.problem = message[:300].decode()
        elif message.startswith(b'{"type":"caught_up"'):
            self.live.set()
        elif message.startswith(b'{"type":"event"'):
            for found in MARK.finditer(message):
                self.arrived.setdefault(int(found[1]), now)

    async def until_live(self, seconds: float) -> None:
        """Wait until everything that is there was sent.

        Raises:
            Broken: something else came instead, or nothing for so long.
        """
        waiting = asyncio.ensure_future(self.live.wait())
        await asyncio.wait((waiting, self.closed), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not self.live.is_set():
            raise Broken(f"a follower was not live within {seconds:.0f} s: {self.problem or 'nothing came'}")


class Asker:
    """Asks the server over HTTP, one question at a time on one connection. A context manager."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()

    def get(self, path: str, **query: object) -> tuple[dict[str, Any], float]:
        """The answer, and the seconds from the request to the last byte of it.

        Raises:
            Broken: it is an error.
        """
        where = f"{path}?{urlencode(query)}" if query else path
        self._connection.connect()  # not in the time: the server may have closed an idle connection
        began = time.perf_counter()
        self._connection.request("GET", where, headers={"Connection": "close"})
        answer = self._connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        self._connection.close()
        if answer.status != 200:
            raise Broken(f"GET {where} was answered with {answer.status}: {body[:300]!r}")
        return orjson.loads(body), seconds


_P = TypeVar("_P", Drain, Viewer, Follower)


@asynccontextmanager
async def connected(port: int, make: Callable[[], _P]) -> AsyncIterator[_P]:
    """A connection, closed at the end of the block."""
    _transport, protocol = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
    try:
        yield protocol
    finally:
        protocol.transport.abort()


async def drain(port: int, target: str, *, count: int, tape: BinaryIO | None = None, seconds: float = 300.0) -> Drain:
    """One whole replay.

    Raises:
        Broken: it was not whole.
    """
    async with connected(port, lambda: Drain("127.0.0.1", port, target, tape)) as client:
        await asyncio.wait_for(client.closed, seconds)
    client.check(count)
    return client


async def _drain_for(port: int, target: str, count: int, seconds: float) -> dict[str, float]:
    started, received, replays = time.monotonic(), 0, 0
    while replays == 0 or time.monotonic() - started < seconds:
        received += (await drain(port, target, count=count)).bytes
        replays += 1
    return {"started": started, "finished": time.monotonic(), "bytes": received, "replays": replays}


if __name__ == "__main__":
    print(
        orjson.dumps(
            asyncio.run(_drain_for(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
        ).decode()
    )
