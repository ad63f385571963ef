"""Following sessions that are being written: from the write of a line to a WebSocket client, and to text on a screen.

And what an append costs: the bytes that the server reads for each one that was appended to a large session.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Self
from uuid import UUID

from benchmarks.browser import Screen, browser, why_no_browser
from benchmarks.client import Broken, Follower, connected, target
from benchmarks.corpus import ClaudeCode, Corpus, Native, Pool, Speech, claude_code_session, native_session
from benchmarks.report import Options, Row, main, percentile
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

ARRIVAL_MS: Final = 50.0
VISIBLE_MS: Final = 150.0
READ_FACTOR: Final = 2.0

MEAN_GAP_SECONDS: Final = 0.05
"""Lines come as a Poisson process, 20 a second: some at once, some after a pause."""

PAGE_TEXT_BYTES: Final = 60
"""On the page, a line of text: of several long ones at once only the last would be in view."""

SESSIONS_AT_ONCE: Final = 50
LINES_A_SESSION: Final = 2.0
"""How many lines a second each of them gets: 100 a second in all."""

LIVE_SECONDS: Final = 120.0
"""How long a large session may take to be read for the first time."""

LATE_SECONDS: Final = 10.0
"""What has not come after so long is lost."""

REST_SECONDS: Final = 5.0
"""So long after the last line a server has checked what it read, if it does that when a session has come to rest."""

CALM_BYTES: Final = 4_096
"""Reading less than this in half a second is reading nothing."""


async def measure(options: Options, folder: Path) -> list[Row]:
    """A large native session, one of Claude Code, many small ones at once, and the page."""
    rows = await _large(options, folder / "native", "native", options.pick(1_000, 20))
    rows += await _large(options, folder / "claude-code", "Claude Code", options.pick(250, 20))
    rows += await _many(options, folder / "many")
    return [*rows, await _page(options, folder / "page")]


# ------------------------------------------------------------------------------------------------------- writing


@dataclass
class _Writer:
    """Appends lines to one session's file; `written` holds the moment right before the write of each, by its number."""

    file: Path
    make: Native | ClaudeCode
    at_ms: int
    speech: Speech
    text_bytes: int | None = None  # as long as texts are in sessions
    written: dict[int, float] = field(default_factory=dict)
    bytes: int = 0

    def __enter__(self) -> Self:
        self._fd = os.open(self.file, os.O_WRONLY | os.O_APPEND)
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self._fd)

    def append(self, number: int) -> None:
        """One line, in one write, as the tools do it."""
        self.at_ms += 40
        text = self.speech.any_text() if self.text_bytes is None else self.speech.text(self.text_bytes)
        line = self.make.said(b"appended-%06d %b" % (number, text), self.at_ms)
        self.bytes += len(line)
        self.written[number] = time.monotonic()
        os.write(self._fd, line)


def _writer(session: Corpus, make: Native | ClaudeCode, random: Random) -> _Writer:
    return _Writer(session.file, make, session.duration_ms, Speech(random, Pool.small(random)))


async def _write(writers: Sequence[_Writer], count: int, mean_gap: float, random: Random) -> None:
    """So many lines in all, to one of the writers each."""
    due = time.monotonic()
    for number in range(count):
        due += random.expovariate(1 / mean_gap)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        random.choice(writers).append(number)


async def _arrived(pending: Callable[[], int]) -> None:
    """Wait until nothing is pending any more."""
    until = time.monotonic() + LATE_SECONDS
    while pending():
        if time.monotonic() > until:
            raise Broken(f"{pending()} of the appended lines did not come within {LATE_SECONDS:.0f} s")
        await asyncio.sleep(0.02)


# ------------------------------------------------------------------------------------------------ a large session


def _make_large(folder: Path, kind: str, megabytes: int) -> tuple[Corpus, Native | ClaudeCode]:
    random = Random("live")
    speech = Speech(random, Pool.small(random))
    if kind == "native":
        session = native_session(folder, megabytes, name="live")
        return session, Native(session.scroll_id, speech, random)
    session = claude_code_session(folder, megabytes)
    # Its answers have ids of their own: those of the rows before are counted from 0.
    return session, ClaudeCode(UUID(session.file.stem), speech, random, first_answer=10_000_000)


async def _large(options: Options, folder: Path, kind: str, megabytes: int) -> list[Row]:
    session, make = _make_large(folder / "archive", kind, megabytes)
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        async with _following(server, session.scroll_id, session.count) as client:
            with _writer(session, make, Random(kind)) as writer:
                before = await _settled(server)
                await _write([writer], options.pick(400, 200), MEAN_GAP_SECONDS, Random(kind))
                await _arrived(lambda: len(writer.written) - len(client.arrived))
                during = server.bytes_read()
                await asyncio.sleep(REST_SECONDS)
                after = server.bytes_read()
        if client.problem:
            raise Broken(f"a follower was told: {client.problem}")
    session.file.unlink()
    name = f"{megabytes:,} MB {kind}"
    late = [client.arrived[number] - moment for number, moment in writer.written.items()]
    rows = [_late_row(f"{name}: write of a line to its arrival, p95", late, ARRIVAL_MS)]
    return [*rows, _reading_row(name, writer.bytes, before, during, after)]


@asynccontextmanager
async def _following(server: Child, scroll_id: UUID, start_seq: int) -> AsyncIterator[Follower]:
    where = target(scroll_id, follow="true", start_seq=start_seq)
    async with connected(server.port, lambda: Follower("127.0.0.1", server.port, where)) as client:
        await client.until_live(LIVE_SECONDS)
        yield client


async def _settled(server: Child) -> int | None:
    """Wait until the server has read nothing for a while; how much it has read so far."""
    before, quiet_since, until = -1, 0.0, time.monotonic() + LIVE_SECONDS
    while time.monotonic() < until:
        now = server.bytes_read()
        if now is None:
            return now
        if now - before > CALM_BYTES:
            before, quiet_since = now, time.monotonic()
        elif time.monotonic() - quiet_since > REST_SECONDS:
            return now
        await asyncio.sleep(0.5)
    raise Broken("the server goes on reading though nothing happens")


def _late_row(name: str, late: list[float], goal: float, **detail: float | int | str) -> Row:
    shares = {f"p{share * 100:.0f}": percentile(late, share) * 1000 for share in (0.5, 0.99)}
    detail = {"lines": len(late), **shares, "highest": max(late) * 1000, **detail}
    return Row(name, percentile(late, 0.95) * 1000, "ms", goal, detail=detail)


def _reading_row(name: str, written: int, before: int | None, during: int | None, after: int | None) -> Row:
    name = f"{name}: bytes read for one that is appended"
    if before is None or during is None or after is None:
        return Row(name, 0.0, "", READ_FACTOR, skipped="this system does not tell how much a process reads")
    detail: dict[str, float | int | str] = {
        "while it grows": (during - before) / written,
        "appended bytes": written,
        "read bytes": after - before,
    }
    return Row(name, (after - before) / written, "×", READ_FACTOR, detail=detail)


# ---------------------------------------------------------------------------------------------------- many at once


async def _many(options: Options, folder: Path) -> list[Row]:
    """Each of many sessions grows, and each has a viewer."""
    count = SESSIONS_AT_ONCE
    sessions = [native_session(folder / "archive", 0.2, name=f"live-{number}") for number in range(count)]
    writers = [_small_writer(session) for session in sessions]
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(_following(server, session.scroll_id, session.count))
                for session in sessions
            ]
            for writer in writers:
                stack.enter_context(writer)
            spent, began = server.cpu_seconds(), time.monotonic()
            gap = 1 / LINES_A_SESSION / count
            await _write(writers, options.pick(2_000, 400), gap, Random("many"))
            await _arrived(
                lambda: sum(len(writer.written) for writer in writers) - sum(len(c.arrived) for c in clients)
            )
            share = (server.cpu_seconds() - spent) / (time.monotonic() - began) * 100
    late = [
        client.arrived[number] - moment
        for client, writer in zip(clients, writers, strict=True)
        for number, moment in writer.written.items()
    ]
    name = f"{count} sessions that grow at once: write of a line to its arrival, p95"
    return [_late_row(name, late, ARRIVAL_MS, **{"server CPU, % of a core": share})]


def _small_writer(session: Corpus) -> _Writer:
    random = Random(str(session.scroll_id))
    return _writer(session, Native(session.scroll_id, Speech(random, Pool.small(random)), random), random)


# ---------------------------------------------------------------------------------------------------------- a page


async def _page(options: Options, folder: Path) -> Row:
    """The page follows a session of 2 MB, from its end on."""
    name = "write of a line to its text in Chromium, p95"
    if why := why_no_browser():
        return Row(name, 0.0, "ms", VISIBLE_MS, skipped=why)
    session = native_session(folder / "archive", 2, name="live-page")
    with (
        scrollcast([folder / "archive"], folder / "cache", options.package) as server,
        _small_writer(session) as writer,
    ):
        writer.text_bytes = PAGE_TEXT_BYTES
        async with browser() as chromium, chromium.screen(server.port, session) as screen:
            count = options.pick(400, 200)
            writer.append(count)
            await screen.until_shown(count)  # the page is where it should be
            await _write([writer], count, MEAN_GAP_SECONDS, Random("page"))
            await screen.until_shown(count - 1)
            shown = await screen.shown()
    return _visible_row(name, writer, shown, screen)


def _visible_row(name: str, writer: _Writer, shown: dict[int, float], screen: Screen) -> Row:
    if missing := len(writer.written) - len(shown):
        raise Broken(f"{missing} of {len(writer.written)} appended lines were never to be seen")
    late = [shown[number] - moment for number, moment in writer.written.items()]
    return _late_row(name, late, VISIBLE_MS, **{"clocks agree within, ms": screen.clock_error * 1000})


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
