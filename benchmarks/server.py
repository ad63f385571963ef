"""What is measured, and what it is measured against: the server, and a bare sender of ready-made frames.

    python -m benchmarks.server FILE

serves the frames in FILE to every connection, in chunks of 256 KiB, and prints its port.
"""

from __future__ import annotations

import asyncio
import os
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.client import Broken
from benchmarks.report import KEPT_FOLDER

__all__ = ["Child", "Memory", "apart", "bare_sender", "environment", "scrollcast", "start"]

CHUNK_BYTES: Final = 256 << 10


TOP: Final = Path(__file__).resolve().parents[1]
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident megabytes (10^6 bytes) of a process: in all, its own, and pages of mapped files."""

    resident: float
    anonymous: float
    mapped: float


@dataclass(frozen=True, slots=True)
class Child:
    """A server process that answers on a port of loopback. `spawned` is a moment of `time.monotonic`."""

    process: subprocess.Popen[str]
    port: int
    spawned: float

    def cpu_seconds(self) -> float:
        """User and system time so far; to the nanosecond on Linux, elsewhere to 10 ms."""
        if sys.platform.startswith("linux"):
            # What clock_getcpuclockid(3) makes of a process id; psutil's figures come in steps of 10 ms.
            return time.clock_gettime((~self.process.pid << 3) | 2)
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def bytes_read(self) -> int | None:
        """How many bytes the process and all below it have read so far, from files and whatever else `read(2)` reads;
        sockets are not in it. `None` where the system does not tell.

        What a helper has read is added to its parent's when it ends: counted from then on only, a helper that read
        before would seem to read now.
        """
        found = []
        for process in self.family():
            with suppress(OSError):  # a helper that has just ended
                found += re.findall(r"rchar: (\d+)", Path(f"/proc/{process.pid}/io").read_text())
        return sum(map(int, found)) if found else None

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def family_cpu_seconds(self) -> float:
        """User and system time so far of the process and all below it, those that have ended included."""
        below = [process.cpu_times() for process in self.family()[1:]]
        own = psutil.Process(self.process.pid).cpu_times()
        ended = own.children_user + own.children_system if sys.platform != "win32" else 0.0
        return self.cpu_seconds() + ended + sum(times.user + times.system for times in below)

    def family_memory(self) -> float:
        """Resident megabytes of the process and all below it; what they share is counted in each."""
        return sum(process.memory_info().rss for process in self.family()) / 1e6

    def connections(self) -> list[int]:
        """How many connections each of its processes holds, those without any left out."""
        held = [process.net_connections("tcp") for process in self.family()]
        counts = [sum(one.status == psutil.CONN_ESTABLISHED and one.laddr[1] == self.port for one in of) for of in held]
        return sorted(filter(None, counts))

    def memory(self) -> Memory:
        """What is resident now."""
        if not sys.platform.startswith("linux"):
            return Memory(psutil.Process(self.process.pid).memory_info().rss / 1e6, 0.0, 0.0)
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = {name: int(kib) * 1024 / 1e6 for name, kib in re.findall(r"(\w+):\s+(\d+) kB", status)}
        return Memory(found["VmRSS"], found["RssAnon"], found["RssFile"] + found["RssShmem"])


@contextmanager
def scrollcast(paths: list[Path], cache: Path, package: Path | None = None, *more: str) -> Iterator[Child]:
    """`python -m scrollcast serve`, answering. `package` is the folder that holds the `scrollcast` to be measured,
    `more` are options."""
    command = ["scrollcast", "serve", *map(str, paths), "--port", "0", "--no-open", *more]
    with start([sys.executable, "-m", *command], environment(cache, package)) as child:
        yield child


def environment(cache: Path, package: Path | None) -> dict[str, str]:
    """What a process needs to find the `scrollcast` to be measured, and where to keep its cache."""
    places = [str(package or TOP / "server"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    # As it is where it was installed: compiled. From a checkout it would be compiled anew at each start.
    compiled = Path(tempfile.gettempdir()) / KEPT_FOLDER / "compiled"
    return {
        "PYTHONPATH": os.pathsep.join(places),
        "SCROLLCAST_CACHE_DIR": str(cache),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(compiled),
    }


@contextmanager
def bare_sender(frames: Path) -> Iterator[Child]:
    """The reference: nothing but an `asyncio.Protocol` that writes these frames."""
    with start([sys.executable, "-m", "benchmarks.server", str(frames)], {}) as child:
        yield child


_servers_processors: set[int] = set()


@contextmanager
def apart() -> Iterator[None]:
    """Give servers that are started in this block a processor of their own, and all others to whoever measures them,
    where there are several and the system can be told.

    A server that shares a processor with its client finds what it sends, or what the client read, in that processor's
    cache at one time and not at another, from which the least of servers gains the most.
    """
    everywhere = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(everywhere) < 2:
        yield
        return
    first = min(everywhere)
    _servers_processors.add(first)
    try:
        with _on(everywhere - {first}):
            yield
    finally:
        _servers_processors.clear()


@contextmanager
def _on(processors: set[int]) -> Iterator[None]:
    """Run on these processors, as what is started meanwhile does for good; anywhere, if there are none."""
    if not processors:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def start(command: list[str], variables: dict[str, str]) -> Iterator[Child]:
    """A server that prints its address, stopped at the end of the block."""
    spawned = time.monotonic()
    with _on(_servers_processors):
        process = subprocess.Popen(command, cwd=TOP, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True)
    try:
        yield Child(process, _port(process), spawned)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _port(process: subprocess.Popen[str]) -> int:
    """The port at the end of the first line that the process prints."""
    assert process.stdout
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if waiting.select(START_SECONDS) else ""
    found = re.search(r":(\d+)/?$", line.strip())
    if not found:
        raise Broken(f"{process.args!r} did not start: {line!r}")
    return int(found[1])


class _Sender(asyncio.Protocol):
    """Writes all frames to whoever asks for anything."""

    def __init__(self, frames: memoryview) -> None:
        self._frames = frames
        self._place = 0
        self._paused = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._place == 0 and data.endswith(b"\r\n\r\n"):
            self._transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            self._pump()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    def _pump(self) -> None:
        while not self._paused and self._place < len(self._frames):
            self._transport.write(self._frames[self._place : self._place + CHUNK_BYTES])
            self._place += CHUNK_BYTES
        if self._place >= len(self._frames):
            # Not at once: a transport closed from inside `resume_writing` says twice that it is lost.
            asyncio.get_running_loop().call_soon(self._transport.close)


async def _serve(frames: memoryview) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Sender(frames), "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(memoryview(Path(sys.argv[1]).read_bytes())))
