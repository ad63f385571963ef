"""What a replay, a page of the list and a viewer cost as sessions, archives and viewers grow, at three sizes each."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.beside_fast import answers_to_seeks
from benchmarks.catalogue_pages import fill
from benchmarks.catalogued import until_calm
from benchmarks.client import Broken, Drain, connected, drain, target
from benchmarks.corpus import Corpus, realtime_session
from benchmarks.many_viewers import Carried, carry, places, tapes_of
from benchmarks.report import Options, Row, grown, main, median, percentile
from benchmarks.server import Child, scrollcast
from benchmarks.wire import compiled
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.listing import Listing

__all__ = ["measure"]

EVENTS: Final = (10_000, 100_000, 1_000_000)
EVENTS_SHORT: Final = (1_000, 3_000, 10_000)
SESSIONS: Final = (1_000, 10_000, 100_000)
SESSIONS_SHORT: Final = (100, 1_000, 10_000)
VIEWERS: Final = (100, 1_000, 10_000)
VIEWERS_SHORT: Final = (10, 30, 100)

BATCH: Final = 65_536
ROUNDS: Final = 9
SEEKS: Final = 100
PAGES: Final = 50


async def measure(options: Options, folder: Path) -> list[Row]:
    """Events in a session, then sessions in an archive, then viewers of a server."""
    events = EVENTS_SHORT if options.short else EVENTS
    sessions = SESSIONS_SHORT if options.short else SESSIONS
    viewers = VIEWERS_SHORT if options.short else VIEWERS
    watched = folder / "watched"
    (watched / "archive").mkdir(parents=True)
    return [
        *await _session_grows(events, options, folder),
        await asyncio.to_thread(_archive_grows, sessions, folder),
        *await _viewers_grow(viewers, options, watched),
    ]


# ------------------------------------------------------------------------------------------------------- a session


async def _session_grows(sizes: tuple[int, ...], options: Options, folder: Path) -> list[Row]:
    archive = folder / "archive"
    sessions = {size: realtime_session(archive, size, name=f"grown-{size}") for size in sizes}
    first: dict[int, float] = {}
    seek: dict[int, float] = {}
    cpu: dict[int, float] = {}
    with scrollcast([archive], folder / "cache", options.package) as server:
        for size, session in sessions.items():
            await drain(server.port, target(session.scroll_id, batch=BATCH), count=size)  # makes its index
            first[size] = median([await _first_event(server, session) for _ in range(ROUNDS)])
            seek[size] = median(await answers_to_seeks(server, session, SEEKS))
            cpu[size] = await _cpu_an_event(server, session, times=max(1, sizes[-1] // size // 10))
    of = "events in a session"
    return [
        grown("first event, ms", of, first),
        grown("a seek answered, ms", of, seek),
        grown("CPU an event in fast mode, µs", of, cpu),
    ]


async def _first_event(server: Child, session: Corpus) -> float:
    """Milliseconds from the request to the first event."""
    where = target(session.scroll_id, batch=BATCH, window=64)
    async with connected(server.port, lambda: Drain("127.0.0.1", server.port, where)) as client:
        while not client.first_event:
            await asyncio.sleep(0.0002)
            if client.closed.done():
                raise Broken(f"no event came: {client.said}")
        return (client.first_event - client.started) * 1000


async def _cpu_an_event(server: Child, session: Corpus, times: int) -> float:
    """The server's microseconds for each event of whole replays, each of which is checked."""
    before = server.cpu_seconds()
    for _ in range(times):
        await drain(server.port, target(session.scroll_id, batch=BATCH), count=session.count)
    return (server.cpu_seconds() - before) / (times * session.count) * 1e6


# ------------------------------------------------------------------------------------------------------ an archive


def _archive_grows(sizes: tuple[int, ...], folder: Path) -> Row:
    root = folder / "listed"
    root.mkdir()
    return grown("a page of the list, p95, ms", "sessions", {size: _page_ms(size, root, folder) for size in sizes})


def _page_ms(size: int, root: Path, folder: Path) -> float:
    """The newest page, which has to hold the newest sessions in order."""
    catalogue = Catalogue([root], folder / f"cache-{size}")
    try:
        ids = fill(catalogue, root, Random(size), size)
        times = []
        for _ in range(PAGES):
            began = time.perf_counter()
            page = catalogue.page(Listing(sort="created_at"))
            times.append((time.perf_counter() - began) * 1000)
            found = [session.scroll_id for session in page.sessions]
            if page.total != size or found != ids[: -len(found) - 1 : -1]:
                raise Broken(f"the newest page of {size} sessions does not hold the newest of them")
        return percentile(times, 0.95)
    finally:
        catalogue.close()


# --------------------------------------------------------------------------------------------------------- viewers


async def _viewers_grow(sizes: tuple[int, ...], options: Options, folder: Path) -> list[Row]:
    tool = compiled(folder)
    if tool is None:
        return [Row("as viewers grow", 0.0, "", skipped="there is no C compiler for the clients")]
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        tapes = await tapes_of(tool, server, folder)
    carried: dict[int, Carried] = {}
    for size in sizes:  # each by a new process: what it once took it keeps
        with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
            await until_calm(server)
            carried[size] = carry(tool, server, places(tapes, size), folder, options.pick(8, 2))
    return [
        grown("memory a viewer, KiB", "viewers", {size: each.kib for size, each in carried.items()}),
        grown("CPU an event, µs", "viewers", {size: each.cpu_us for size, each in carried.items()}),
    ]


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
