"""What goes wrong between a client and a server: a TCP proxy that delays, throttles and cuts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

__all__ = ["Faults", "Proxy", "proxy"]

PIECE_BYTES = 16 << 10


@dataclass
class Faults:
    """What happens to every piece of up to 16 KiB that passes, either way. Times are seconds.

    `delay` is the longest that one is held back, `bytes_a_second` how fast they pass, `refused` whether nobody is let
    through.
    """

    delay: float = 0.0
    bytes_a_second: float | None = None
    refused: bool = False


@dataclass
class Proxy:
    """Stands at `port` of loopback before a server, which may change its own."""

    server_port: int
    chance: random.Random
    port: int = 0
    faults: Faults = field(default_factory=Faults)
    cuts: int = 0
    lines_begun: int = 0
    _lines: set[_Line] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def open(self) -> int:
        """How many connections pass."""
        return len(self._lines)

    def cut(self) -> bool:
        """Cut one connection, without a word, in the middle of whatever passes. Whether there was one."""
        if not self._lines:
            return False
        line = self.chance.choice(sorted(self._lines, key=lambda line: line.number))
        self._lines.discard(line)
        line.cut()
        self.cuts += 1
        return True

    async def close(self) -> None:
        """Cut all connections, and wait until they are gone."""
        while self.cut():
            pass
        if self._serving:
            await asyncio.wait(self._serving)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        carrying = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(carrying)
        carrying.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.faults.refused:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.transport.abort()
            return
        self.lines_begun += 1
        line = _Line(self, self.lines_begun, (reader, writer), there)
        self._lines.add(line)
        try:
            await line.carry()
        finally:
            self._lines.discard(line)
            line.cut()


class _Line:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: Proxy,
        number: int,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.number = number
        self._proxy = proxy
        self._here, self._there = here, there

    def cut(self) -> None:
        """End it as a pulled plug does."""
        for _, writer in (self._here, self._there):
            writer.transport.abort()

    async def carry(self) -> None:
        """Until either end is done."""
        ways = [
            asyncio.create_task(self._pass(self._here[0], self._there[1])),
            asyncio.create_task(self._pass(self._there[0], self._here[1])),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(PIECE_BYTES):
                faults = self._proxy.faults
                if faults.delay:
                    await asyncio.sleep(self._proxy.chance.random() * faults.delay)
                if faults.bytes_a_second:
                    await asyncio.sleep(len(data) / faults.bytes_a_second)
                writer.write(data)
                await writer.drain()
            writer.close()  # what was written passes first
            await writer.wait_closed()


@asynccontextmanager
async def proxy(server_port: int, chance: random.Random) -> AsyncIterator[Proxy]:
    """A proxy before the server at a port of loopback."""
    between = Proxy(server_port, chance)
    listener = await asyncio.start_server(between.serve, "127.0.0.1", 0)
    between.port = listener.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        listener.close()
        await between.close()
