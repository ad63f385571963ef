"""200 viewers in realtime on one process: how late events are at the client, alone and beside a fast replay."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import orjson

from benchmarks.client import Broken, Viewer, connected, target
from benchmarks.corpus import Corpus, claude_code_session, native_session, realtime_session
from benchmarks.report import Options, Row, main, percentile
from benchmarks.server import TOP, Child, scrollcast

__all__ = ["measure"]

VIEWERS: Final = 200
TARGET_MS: Final = 25.0
BATCH: Final = 65_536

SESSIONS: Final = 8
"""Viewers share sessions, each from a place of its own."""

SESSION_EVENTS: Final = 2_000
LATEST_START: Final = 0.8
"""Viewers begin in the first part of a session, so that none comes to its end."""

RAMP_SECONDS: Final = 0.005
SETTLE_SECONDS: Final = 1.5
TICK_SECONDS: Final = 0.01

BUSY_MS: Final = 5.0
"""Where the client's own timer is later than this (p99), the machine is too busy for the row to mean anything."""


@dataclass(frozen=True, slots=True)
class _Window:
    """A time in which something went on beside the viewers, and how fast that went."""

    started: float
    finished: float
    replays: int = 0
    speed: float = 0.0


@dataclass(slots=True)
class _OwnLateness:
    """How late this process's own timer is: what the machine, not the server, does to punctuality."""

    ticks: list[tuple[float, float]] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            due = time.monotonic() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self.ticks.append((due, time.monotonic() - due))


async def measure(options: Options, folder: Path) -> list[Row]:
    """Viewers alone; beside the first play of a large session, being indexed; beside more plays of it."""
    watched = [realtime_session(folder / "archive", SESSION_EVENTS, name=f"realtime-{n}") for n in range(SESSIONS)]
    native = native_session(folder / "archive", options.pick(500, 30))
    claude = claude_code_session(folder / "claude", options.pick(250, 15))
    seconds = options.pick(10, 3)
    with scrollcast([folder / "archive", folder / "claude"], folder / "cache", options.package) as server:
        async with AsyncExitStack() as stack:
            viewers = await _connect(stack, server, watched)
            own = _OwnLateness()
            watching = asyncio.create_task(own.run())
            alone = await _alone(seconds)
            first = await _beside(server, native, 0)
            again = await _beside(server, native, seconds)
            first_claude = await _beside(server, claude, 0)
            watching.cancel()
    late = _lateness(viewers)
    return [
        _row("alone", alone, late, own),
        _row(f"beside the first play of {native.size / 1e6:.0f} MB native, being indexed", first, late, own),
        _row(f"beside fast replays of {native.size / 1e6:.0f} MB native, index there", again, late, own),
        _row(f"beside the first play of {claude.size / 1e6:.0f} MB Claude Code", first_claude, late, own),
    ]


async def _connect(stack: AsyncExitStack, server: Child, sessions: Sequence[Corpus]) -> list[tuple[int, Viewer]]:
    """Each viewer with the recorded time at which it began."""
    random = Random("viewers")
    viewers = []
    for number in range(VIEWERS):
        session = sessions[number % len(sessions)]
        start_ms = random.randrange(int(session.duration_ms * LATEST_START))
        where = target(session.scroll_id, mode="realtime", start_ms=start_ms)
        make = partial(Viewer, "127.0.0.1", server.port, where)
        viewers.append((start_ms, await stack.enter_async_context(connected(server.port, make))))
        await asyncio.sleep(RAMP_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)
    return viewers


async def _alone(seconds: float) -> _Window:
    started = time.monotonic()
    await asyncio.sleep(seconds)
    return _Window(started, time.monotonic())


async def _beside(server: Child, session: Corpus, seconds: float) -> _Window:
    """Fast replays by a process of their own: one at least, and for at least so many seconds."""
    where = target(session.scroll_id, batch=BATCH)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.client", str(server.port), where, str(session.count), str(seconds)),
        cwd=TOP,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise Broken("the fast replay beside the viewers failed")
    found = orjson.loads(printed)
    speed = found["bytes"] / (found["finished"] - found["started"])
    window = _Window(found["started"], found["finished"], found["replays"], speed)
    await asyncio.sleep(SETTLE_SECONDS)
    return window


def _lateness(viewers: Sequence[tuple[int, Viewer]]) -> list[tuple[float, float]]:
    late: list[tuple[float, float]] = []
    for start_ms, viewer in viewers:
        if viewer.problem or not viewer.events:
            raise Broken(f"a viewer went wrong: {viewer.problem or 'it saw nothing'}")
        late += viewer.lateness(start_ms)
    return late


def _within(window: _Window, moments: Sequence[tuple[float, float]]) -> list[float]:
    """Milliseconds late of what was due in a window."""
    return [seconds * 1000 for due, seconds in moments if window.started <= due <= window.finished]


def _row(name: str, window: _Window, late: Sequence[tuple[float, float]], own: _OwnLateness) -> Row:
    found, ticks = _within(window, late), _within(window, own.ticks)
    if not found or not ticks:
        raise Broken(f"no event was due {name}")
    return Row(
        f"{VIEWERS} realtime viewers {name}: p99 lateness",
        percentile(found, 0.99),
        "ms",
        TARGET_MS,
        noisy=percentile(ticks, 0.99) > BUSY_MS,
        detail={
            "p50 ms": percentile(found, 0.5),
            "p99.9 ms": percentile(found, 0.999),
            "highest ms": max(found),
            "events": len(found),
            "own timer's p99 ms": percentile(ticks, 0.99),
            "own timer's highest ms": max(ticks),
            "seconds": window.finished - window.started,
            "replays": window.replays,
            "replay MB/s": window.speed / 1e6,
        },
    )


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
