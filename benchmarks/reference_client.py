"""The Python client beside bare websockets with orjson: the same messages of the same server, both parse them."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import orjson
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosedOK

from benchmarks.client import Broken, target
from benchmarks.corpus import native_session
from benchmarks.report import Options, Row, main, median
from benchmarks.server import apart, scrollcast
from scrollcast.client import connect

__all__ = ["measure"]

MEGABYTES: Final = 60
BATCH: Final = 65_536
SHARE_TARGET: Final = 0.8


async def measure(options: Options, folder: Path) -> list[Row]:
    """One event a message, and batches; the two clients take turns."""
    session = native_session(folder / "archive", options.pick(MEGABYTES, 10))
    rows = []
    with apart(), scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        for batch, words in ((0, "one event a message"), (BATCH, f"batch={BATCH}")):
            url = f"ws://127.0.0.1:{server.port}{target(session.scroll_id, batch=batch)}"
            await _events_a_second(_ours, url, session.count)  # indexed, and in the page cache
            pairs = []
            for round_ in range(options.pick(9, 3)):
                ways = (_ours, _bare)[:: 1 if round_ % 2 else -1]
                speeds = {way: await _events_a_second(way, url, session.count) for way in ways}
                pairs.append((speeds[_ours], speeds[_bare]))
            shares = [ours / bare for ours, bare in pairs]
            rows.append(
                Row(
                    f"reference client, {words}: share of bare websockets with orjson",
                    median(shares),
                    "×",
                    SHARE_TARGET,
                    "at least",
                    ratio=median(shares),
                    detail={
                        "lowest": min(shares),
                        "highest": max(shares),
                        "events/s": median([ours for ours, _ in pairs]),
                        "bare events/s": median([bare for _, bare in pairs]),
                    },
                )
            )
    return rows


async def _events_a_second(way: Callable[[str], Awaitable[int]], url: str, count: int) -> float:
    began = time.perf_counter()
    came = await way(url)
    if came != count:
        raise Broken(f"{came} events came of {count}")
    return count / (time.perf_counter() - began)


async def _ours(url: str) -> int:
    """Every event through the client; how many came, in order."""
    expected = 0
    async for event in connect(url):
        if event.seq != expected:
            raise Broken(f"event {event.seq} came where {expected} was next")
        expected += 1
    return expected


async def _bare(url: str) -> int:
    """The same by hand."""
    expected = 0
    async with open_socket(url, compression=None, max_size=None, proxy=None) as socket:
        try:
            while True:
                message = orjson.loads(await socket.recv(decode=False))
                kind = message["type"]
                events = message["events"] if kind == "events" else [message] if kind == "event" else ()
                for event in events:
                    if event["seq"] != expected:
                        raise Broken(f"event {event['seq']} came where {expected} was next")
                    expected += 1
        except ConnectionClosedOK:
            return expected


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
