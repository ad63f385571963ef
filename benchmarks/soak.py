"""Mixed load for a long time: whether memory, open files and tasks are level at the end. `make soak SECONDS=1800`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import orjson
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import WebSocketException

from benchmarks.client import Broken
from benchmarks.corpus import Corpus, native_session, realtime_session
from benchmarks.server import Child, scrollcast

SAMPLE_SECONDS: Final = 1.0
REST_SECONDS: Final = 3.0
"""How long everybody is away before it is looked what is left of them."""

MEMORY_GROWTH: Final = 1.10
"""The median of the last third may be so many times that of the second one: the first fills caches."""

GROWTH_MB: Final = 15.0
"""… or so much more; a Python process moves by a few."""

FILES: Final = 8
TASKS: Final = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at one moment, nobody being connected where `at_rest`."""

    at: float
    megabytes: float
    files: int
    tasks: int


class Load:
    """Clients of every kind, until they are told to stop."""

    def __init__(self, server: Child, steady: Corpus, large: Corpus, chance: random.Random) -> None:
        self._port = server.port
        self._steady, self._large = steady, large
        self._chance = chance
        self.done: dict[str, int] = {}

    def _url(self, session: Corpus, query: str) -> str:
        return f"ws://127.0.0.1:{self._port}/ws/sessions/{session.scroll_id}?{query}"

    async def _watch(self, session: Corpus, query: str, seconds: float, command: str = "") -> None:
        async with open_socket(self._url(session, query), max_size=None, proxy=None, close_timeout=1) as socket:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for _ in socket:
                        if command:
                            await socket.send(command)
                            await asyncio.sleep(0.02)
            if self._chance.random() < 0.3:
                socket.transport.abort()

    async def realtime(self) -> None:
        """One who watches, and goes."""
        start = self._chance.randrange(int(self._steady.duration_ms))
        await self._watch(self._steady, f"mode=realtime&start_ms={start}", self._chance.uniform(1, 6))

    async def fast(self) -> None:
        """A whole replay."""
        await self._watch(self._large, "batch=65536", 60)

    async def follow(self) -> None:
        """One who follows."""
        await self._watch(self._steady, "follow=true&batch=65536", self._chance.uniform(1, 6))

    async def seek(self) -> None:
        """One who goes to and fro."""
        command = orjson.dumps({"type": "control", "seek": {"seq": self._chance.randrange(1000)}}).decode()
        await self._watch(self._steady, "mode=realtime&hold=true", 3, command)

    async def nonsense(self) -> None:
        """One who does not speak the protocol."""
        await self._watch(self._steady, "hold=true", 3, "{nonsense")

    async def stall(self) -> None:
        """One who reads nothing for a while, and is gone."""
        url = self._url(self._large, "")
        async with open_socket(url, max_size=None, max_queue=1, proxy=None, close_timeout=1) as socket:
            await asyncio.sleep(self._chance.uniform(1, 4))
            socket.transport.abort()

    async def ask(self) -> None:
        """One who lists, searches, and leafs."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._port}", trust_env=False, timeout=60) as http:
            session = f"/api/sessions/{self._steady.scroll_id}"
            for path in ("/", "/api/sessions?q=the", f"{session}/timeline", f"{session}/events", f"{session}/export",
                         "/readyz", "/nothing"):  # fmt: skip
                await http.get(path)

    async def again(self, name: str, work: Callable[[], Awaitable[None]], until: float) -> None:
        """Do something over and over. Whoever is refused comes again."""
        while time.monotonic() < until:
            with contextlib.suppress(WebSocketException, OSError, httpx.HTTPError):
                await work()
            self.done[name] = self.done.get(name, 0) + 1
            await asyncio.sleep(self._chance.random() * 0.2)


async def grow(path: Path, until: float) -> None:
    """A session that is being written."""
    line = (await asyncio.to_thread(path.read_bytes)).splitlines(keepends=True)[-1]
    while time.monotonic() < until:
        with path.open("ab") as file:
            file.write(line)
        await asyncio.sleep(0.1)


async def sample(server: Child) -> Sample:
    """How the server is, as it says itself."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as http:
        text = (await http.get("/metrics")).text

    def value(name: str) -> float:
        return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(f"{name}{{"))

    return Sample(
        time.monotonic(), server.memory().anonymous, int(value("process_open_fds")), int(value("scrollcast_tasks"))
    )


async def load(server: Child, steady: Corpus, large: Corpus, seconds: float) -> tuple[list[Sample], dict[str, int]]:
    """Samples from before the first client came to after the last had gone."""
    loading = Load(server, steady, large, random.Random("soak"))
    kinds = (*[loading.realtime] * 6, loading.fast, *[loading.follow] * 4, *[loading.seek] * 2, loading.nonsense,
             *[loading.stall] * 2, *[loading.ask] * 2)  # fmt: skip
    await loading.fast()
    await loading.ask()
    await asyncio.sleep(REST_SECONDS)
    samples = [await sample(server)]
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(grow(steady.file, until))
        for work in kinds:
            group.create_task(loading.again(work.__name__, work, until))
        while time.monotonic() < until:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(await sample(server))
    await asyncio.sleep(REST_SECONDS)
    samples.append(await sample(server))
    return samples, loading.done


def judge(samples: list[Sample]) -> list[str]:
    """What is not level."""
    first, *during, last = samples
    third = len(during) // 3
    before = statistics.median(each.megabytes for each in during[third : 2 * third])
    after = statistics.median(each.megabytes for each in during[2 * third :])
    print(f"memory: {first.megabytes:.0f} MB at first, {before:.0f} in the middle, {after:.0f} late, "
          f"{last.megabytes:.0f} at rest")  # fmt: skip
    print(f"open files: {first.files} at first, {max(each.files for each in during)} at most, {last.files} at rest")
    print(f"tasks: {first.tasks} at first, {max(each.tasks for each in during)} at most, {last.tasks} at rest")
    wrong = []
    if after > max(before * MEMORY_GROWTH, before + GROWTH_MB):
        wrong.append(f"memory grows: {before:.0f} MB, then {after:.0f}")
    if last.files > first.files + FILES:
        wrong.append(f"{last.files - first.files} files were left open")
    if last.tasks > first.tasks + TASKS:
        wrong.append(f"{last.tasks - first.tasks} tasks were left")
    return wrong


def main() -> int:
    """The exit status: 1 where something is not level."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="scrollcast-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        steady = realtime_session(folder / "archive", 3_000, name="soak-steady")
        large = native_session(folder / "archive", 20, name="soak-large")
        with scrollcast([folder / "archive"], folder / "cache") as server:
            try:
                samples, done = asyncio.run(load(server, steady, large, seconds))
            except Broken as problem:
                print(f"malfunction: {problem}")
                return 1
            if server.process.poll() is not None:
                print("malfunction: the server ended")
                return 1
    print(", ".join(f"{name} {count}" for name, count in sorted(done.items())))
    wrong = judge(samples)
    print("\n".join(wrong) or f"level after {seconds:g} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
