"""Realtime viewers beside clients that read nothing: how late events are, and what those cost."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import httpx

from benchmarks.client import Broken, Viewer, connected, target
from benchmarks.corpus import Corpus, native_session, realtime_session
from benchmarks.report import Options, Row, main, percentile
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

VIEWERS: Final = 100
CLIENTS: Final = 200
LARGE_MB: Final = 20
SESSION_EVENTS: Final = 2_000
LATEST_START: Final = 0.8
SMALL_BUFFER: Final = 4 << 10
AT_ONCE: Final = 100
"""So many that stall connect at a time."""

CLOSED_SECONDS: Final = 45.0
"""A client that takes nothing is let go after 30 s, and cut off 3 s later."""

TARGET_RATIO: Final = 1.5
KIB_A_CLIENT: Final = 600.0


async def measure(options: Options, folder: Path) -> list[Row]:
    """Viewers alone, then with the others there, until all of these were let go."""
    count = CLIENTS
    watched = realtime_session(folder / "archive", SESSION_EVENTS, name="stalled-realtime")
    large = native_session(folder / "archive", LARGE_MB, name="stalled-large")
    more = ("--max-connections", str(count + VIEWERS + 100))
    with scrollcast([folder / "archive"], folder / "cache", options.package, *more) as server:
        async with AsyncExitStack() as stack:
            viewers = await _watch(stack, server, watched)
            alone = await _window(3)
            before = server.memory().resident
            stalled = await _stall(server, large, count)
            try:
                beside = await _window(4)
                grown = server.memory().resident - before
                gone = await _until_gone(server)
            finally:
                for each in stalled:
                    each.close()
            late = [moment for start_ms, viewer in viewers for moment in _lateness(viewer, start_ms)]
    p99 = {name: percentile(_within(late, *span), 0.99) for name, span in (("alone", alone), ("beside", beside))}
    detail: dict[str, float | int | str] = {"alone, p99 ms": p99["alone"], "all of them gone after s": gone}
    return [
        Row(f"{VIEWERS} realtime viewers beside {count:,} clients that read nothing: p99 lateness", p99["beside"], "ms",
            TARGET_RATIO * p99["alone"], ratio=p99["beside"] / p99["alone"], detail=detail),
        Row("a client that reads nothing: memory", grown * 1e6 / 1024 / count, "KiB", KIB_A_CLIENT),
    ]  # fmt: skip


async def _watch(stack: AsyncExitStack, server: Child, session: Corpus) -> list[tuple[int, Viewer]]:
    random, viewers = Random("stalled"), []
    for _ in range(VIEWERS):
        start_ms = random.randrange(int(session.duration_ms * LATEST_START))
        where = target(session.scroll_id, mode="realtime", start_ms=start_ms)
        make = partial(Viewer, "127.0.0.1", server.port, where)
        viewers.append((start_ms, await stack.enter_async_context(connected(server.port, make))))
    await asyncio.sleep(1.5)
    return viewers


async def _window(seconds: float) -> tuple[float, float]:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return began, time.monotonic()


async def _stall(server: Child, session: Corpus, count: int) -> list[socket.socket]:
    """Connections that ask for a large session and read nothing of it."""
    request = (
        f"GET {target(session.scroll_id)} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    stalled: list[socket.socket] = []

    async def one() -> None:
        stalling = socket.socket()
        stalled.append(stalling)
        stalling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        stalling.setblocking(False)
        await loop.sock_connect(stalling, ("127.0.0.1", server.port))
        await loop.sock_sendall(stalling, request)

    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return stalled


async def _until_gone(server: Child) -> float:
    """The seconds until the server has let go of all of them."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as http:
        while (left := _connections((await http.get("/metrics")).text) - VIEWERS - 1) > 0:
            if time.monotonic() - began > CLOSED_SECONDS:
                raise Broken(f"{left} clients that read nothing are still connected after {CLOSED_SECONDS:g} s")
            await asyncio.sleep(1)
    return time.monotonic() - began


def _connections(metrics: str) -> int:
    return int(next(float(x.split()[1]) for x in metrics.splitlines() if x.startswith("scrollcast_connections{")))


def _lateness(viewer: Viewer, start_ms: int) -> list[tuple[float, float]]:
    if viewer.problem or not viewer.events:
        raise Broken(f"a viewer went wrong: {viewer.problem or 'it saw nothing'}")
    return viewer.lateness(start_ms)


def _within(late: list[tuple[float, float]], began: float, ended: float) -> list[float]:
    found = [seconds * 1000 for due, seconds in late if began <= due <= ended]
    if not found:
        raise Broken("no event was due")
    return found


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
