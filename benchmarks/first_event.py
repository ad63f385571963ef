"""A large session: the time to its first event, the memory that a whole replay takes, a seek, and the indexing; then,
as it and its index are there, what `beside_fast` measures."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import orjson

from benchmarks.beside_fast import beside
from benchmarks.client import Broken, Drain, connected, drain, target
from benchmarks.corpus import Corpus, claude_code_session, native_session
from benchmarks.report import Options, Row, main, median
from benchmarks.server import Child, Memory, scrollcast

__all__ = ["measure"]

FIRST_EVENT_MS: Final = 150.0
FIRST_EVENT_INDEXED_MS: Final = 30.0
MEMORY_MB: Final = 150.0
PLAYED_EVENTS_A_SECOND: Final = 100_000.0
VIEWERS: Final = 100
WATCHED_SECONDS: Final = 5.0
BATCH: Final = 65_536
SAMPLE_SECONDS: Final = 0.05
READ_BYTES: Final = 1 << 20

INDEXING_SECONDS: Final = 300.0

DECODED_BYTES: Final = 64_000_000
"""How much of a file is decoded line by line, as what indexing is compared with."""


async def measure(options: Options, folder: Path) -> list[Row]:
    """The same for a native session and one of Claude Code, one after the other."""
    rows = []
    kinds: tuple[tuple[str, Callable[[Path, float], Corpus], int, float], ...] = (
        ("native", native_session, options.pick(1000, 30), 800.0),
        ("Claude Code", claude_code_session, options.pick(250, 30), 300.0),
    )
    for name, make, megabytes, indexing in kinds:
        session = make(folder / name / "archive", megabytes)
        _warm(session.file)
        case = _Case(f"{megabytes} MB {name}", session, folder / name, options, indexing)
        rows += await case.rows()
        if name == "native":
            rows += await beside(session, folder / name, case.kept, options)
        shutil.rmtree(folder / name)
    return rows


def _warm(file: Path) -> None:
    """Have the whole file in the page cache."""
    with file.open("rb") as lines:
        while lines.read(READ_BYTES):
            pass


class _Case:
    """Everything about one session."""

    def __init__(self, name: str, session: Corpus, folder: Path, options: Options, indexing: float) -> None:
        self._name = name
        self._indexing_target = indexing  # megabytes a second
        self._session = session
        self._folder = folder
        self._options = options
        self._caches = 0
        self.kept = self._new_cache()
        """Holds the session's index after `rows`."""

    async def rows(self) -> list[Row]:
        """Cold first, then with what the replay has left in the cache."""
        rounds = self._options.pick(5, 3)
        return [await self._cold(rounds), *await self._whole_replays(), *await self._with_index(rounds)]

    @asynccontextmanager
    async def _server(self, cache: Path) -> AsyncIterator[Child]:
        with scrollcast([self._folder / "archive"], cache, self._options.package) as server:
            yield server

    @asynccontextmanager
    async def _client(self, server: Child, **parameters: object) -> AsyncIterator[Drain]:
        where = target(self._session.scroll_id, **parameters)
        async with connected(server.port, lambda: Drain("127.0.0.1", server.port, where)) as client:
            yield client

    def _new_cache(self) -> Path:
        self._caches += 1
        return self._folder / f"cache-{self._caches}"

    async def _first_event(self, server: Child, **parameters: object) -> float:
        """Milliseconds from the request to the first event; the rest is not waited for."""
        async with self._client(server, batch=BATCH, window=64, **parameters) as client:
            while not client.first_event:
                await asyncio.sleep(0.0005)
                if client.closed.done() or time.monotonic() - client.started > 60:
                    raise Broken(f"no event came: {client.said}")
            return (client.first_event - client.started) * 1000

    async def _cold(self, rounds: int) -> Row:
        """A new process, a new cache, and a client that asks as soon as the address is printed."""
        times, from_spawn = [], []
        for _ in range(rounds):
            async with self._server(self._new_cache()) as server:
                times.append(await self._first_event(server))
                from_spawn.append((time.monotonic() - server.spawned) * 1000)
        return Row(
            f"{self._name}: first event, cold process, no index",
            median(times),
            "ms",
            FIRST_EVENT_MS,
            detail={"lowest": min(times), "highest": max(times), "from the process's start, ms": median(from_spawn)},
        )

    async def _indexing(self, server: Child) -> float:
        """The bytes a second at which the session is read; a paused viewer waits for `index_complete`."""
        async with self._client(server, paused="true") as client:
            await client.heard("index_complete", INDEXING_SECONDS)
            return self._session.size / (time.monotonic() - client.started)

    def _indexing_row(self, speed: float) -> Row:
        """Compared with decoding the same lines and nothing else."""
        return Row(
            f"{self._name}: indexing",
            speed / 1e6,
            "MB/s",
            self._indexing_target,
            "at least",
            ratio=speed / _decoding_speed(self._session.file),
            detail={"events/s": speed / self._session.size * self._session.count},
        )

    async def _whole_replays(self) -> list[Row]:
        """Memory while the session is played for the first time, which is when it is indexed, and again by the same
        process."""
        rows = []
        async with self._server(self.kept) as server:
            idle = server.memory()
            indexing = asyncio.create_task(self._indexing(server))
            for play in ("first play", "played again"):
                samples = [server.memory()]
                sampling = asyncio.create_task(_sample(server, samples))
                client = await drain(
                    server.port, target(self._session.scroll_id, batch=BATCH), count=self._session.count
                )
                sampling.cancel()
                rows += [self._speed_row(play, client), self._memory_row(play, samples, idle)]
                await indexing
        return [self._indexing_row(indexing.result()), *rows]

    def _speed_row(self, play: str, client: Drain) -> Row:
        return Row(
            f"{self._name}: fast, {play}",
            self._session.count / client.seconds,
            "events/s",
            PLAYED_EVENTS_A_SECOND,
            "at least",
            detail={"MB/s": client.bytes / client.seconds / 1e6},
        )

    def _memory_row(self, play: str, samples: list[Memory], idle: Memory) -> Row:
        peak = max(samples, key=lambda memory: memory.resident)
        return Row(
            f"{self._name}: highest memory of the server, {play}",
            peak.resident,
            "MB",
            MEMORY_MB,
            detail={
                "anonymous then": peak.anonymous,
                "mapped then": peak.mapped,
                "idle before": idle.resident,
                "samples": len(samples),
            },
        )

    async def _with_index(self, rounds: int) -> list[Row]:
        cold, opened, sought = [], [], []
        middle = self._session.duration_ms // 2
        for _ in range(rounds):
            async with self._server(self.kept) as server:
                cold.append(await self._first_event(server))
                opened.append(await self._first_event(server, start_ms=middle))
                sought.append(await self._seek(server, middle))
        return [
            await self._watched(),
            Row(f"{self._name}: first event, cold process, index there", median(cold), "ms", FIRST_EVENT_INDEXED_MS),
            Row(f"{self._name}: first event of a replay from the middle, index there", median(opened), "ms"),
            Row(f"{self._name}: seek to the middle, to the first event", median(sought), "ms"),
        ]

    async def _watched(self) -> Row:
        """Memory while many watch the session, each from another place."""
        async with self._server(self.kept) as server, AsyncExitStack() as stack:
            idle, samples = server.memory(), [server.memory()]
            sampling = asyncio.create_task(_sample(server, samples))
            for number in range(VIEWERS):
                start_ms = self._session.duration_ms * number // VIEWERS
                await stack.enter_async_context(self._client(server, mode="realtime", start_ms=start_ms, speed=16))
            await asyncio.sleep(WATCHED_SECONDS)
            sampling.cancel()
        return self._memory_row(f"{VIEWERS} viewers at different places", samples, idle)

    async def _seek(self, server: Child, t_ms: int) -> float:
        """Milliseconds from the command to the first event behind it."""
        async with self._client(server, paused="true") as client:
            await client.heard("hello")
            began = time.monotonic()
            client.send({"type": "control", "seek": {"t_ms": t_ms}, "step": {"by": 1, "unit": "event"}})
            while not client.first_event:
                await asyncio.sleep(0.0005)
                if client.closed.done() or time.monotonic() - began > 60:
                    raise Broken(f"no event came: {client.said}")
            return (client.first_event - began) * 1000


async def _sample(server: Child, samples: list[Memory]) -> None:
    while True:
        samples.append(server.memory())
        await asyncio.sleep(SAMPLE_SECONDS)


def _decoding_speed(file: Path) -> float:
    """The bytes a second at which the lines at the beginning of a file are decoded and encoded again."""
    with file.open("rb") as lines:
        some = lines.readlines(DECODED_BYTES)
    began = time.monotonic()
    for line in some:
        orjson.dumps(orjson.loads(line))
    return sum(map(len, some)) / (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
