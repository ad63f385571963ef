"""A line to a server that does not hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from archives import SCROLL_ID

__all__ = ["Cutter"]


class Cutter:
    """A line to a server that is cut after so many bytes from it, again and again."""

    def __init__(self, port: int, seed: int, longest: int) -> None:
        self._port = port
        self._random = random.Random(seed)
        self._longest = longest
        self._carrying: set[asyncio.Task[None]] = set()
        self.cuts = 0

    @asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        """Where it listens."""
        listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with listener:
            yield f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/ws/sessions/{SCROLL_ID}"
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        upward = asyncio.create_task(self._pass(reader, outer, None))
        try:
            await self._pass(inner, writer, self._random.randrange(1, self._longest))
        finally:
            upward.cancel()
            writer.transport.abort()
            outer.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int | None) -> None:
        passed = 0
        while data := await source.read(1 << 12):
            sink.write(data[: None if limit is None else limit - passed])
            passed += len(data)
            if limit is not None and passed >= limit:
                self.cuts += 1
                return
