"""The catalogue of many sessions: made for the first time beside `agentsview`, started again when nothing changed, and
read a page at a time."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.agentsview import NoReference, Sync, sync
from benchmarks.catalogued import ColdStart, catalogued, until_calm, until_listed
from benchmarks.client import Asker, Broken
from benchmarks.many_sessions import ManySessions, many_sessions, tiny_sessions
from benchmarks.opened_files import OpenedFiles
from benchmarks.report import Options, Row, main, median, percentile
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

REFERENCE_RATIO: Final = 4.0
WARM_SECONDS: Final = 1.0
PAGE_MS: Final = 50.0

AFTER_START_SECONDS: Final = 5.0
"""So long after a start with nothing changed, files that are opened still count as opened by it."""

DEEP: Final = 20
"""A page somewhere inside a list is found behind so many pages of 500."""

SORTS: Final = ("created_at", "updated_at", "title", "duration_ms", "count")


async def measure(options: Options, folder: Path) -> list[Row]:
    """Cold and warm over 10,000 sessions in 2 GB, then the pages of a list of 100,000."""
    corpus = many_sessions(options)
    _warm(corpus)
    rows = await _cold(corpus, options, folder)
    rows += await _start_again(corpus, options)
    return [*rows, *await _pages(tiny_sessions(options), options, folder)]


def _warm(corpus: ManySessions) -> None:
    """Have all files in the page cache."""
    for path in corpus.folder.rglob("*.json*"):
        path.read_bytes()


# --------------------------------------------------------------------------------------------------------- starts


async def _cold(corpus: ManySessions, options: Options, folder: Path) -> list[Row]:
    whole = await catalogued(corpus, options)
    listed = [whole.listed]
    for number in range(options.pick(2, 0)):
        with scrollcast(corpus.paths, folder / f"cache-{number}", options.package) as server:
            listed.append(await until_listed(server, corpus.count))
    name = f"{corpus.count:,} sessions, {corpus.bytes / 1e9:.1f} GB, cold"
    try:
        reference = await asyncio.to_thread(sync, corpus, folder / "reference")
    except NoReference as problem:
        first = f"{name}: all listed, times as fast as agentsview"
        rows = [Row(first, 0.0, "×", REFERENCE_RATIO, "at least", skipped=str(problem))]
    else:
        rows = _beside(name, corpus, median(listed), whole, reference)
    return [
        *rows,
        Row(f"{name}: until all are listed", median(listed), "s", detail={"lowest": min(listed)}),
        Row(
            f"{name}: until all can be searched",
            whole.searchable,
            "s",
            detail={"CPU s": whole.cpu_seconds, "MB/s": corpus.bytes / whole.searchable / 1e6},
        ),
        Row(f"{name}: highest memory, helpers included", whole.highest_memory, "MB"),
    ]


def _beside(name: str, corpus: ManySessions, listed: float, whole: ColdStart, reference: Sync) -> list[Row]:
    if reference.count != corpus.count - corpus.native_count:
        raise Broken(f"agentsview found {reference.count} sessions of {corpus.count - corpus.native_count}")
    detail: dict[str, float | int | str] = {
        "agentsview s": reference.seconds,
        "agentsview CPU s": reference.cpu_seconds,
        "sessions that agentsview does not know": corpus.native_count,
    }
    fast, as_fast = reference.seconds / listed, reference.seconds / whole.searchable
    return [
        Row(
            f"{name}: all listed, times as fast as agentsview",
            fast,
            "×",
            REFERENCE_RATIO,
            "at least",
            ratio=fast,
            detail=detail,
        ),
        Row(f"{name}: all searchable, times as fast as agentsview", as_fast, "×", sense="at least", ratio=as_fast),
    ]


async def _start_again(corpus: ManySessions, options: Options) -> list[Row]:
    """Starts with nothing changed, from the start of the process to the whole list."""
    cache = (await catalogued(corpus, options)).cache
    name = f"{corpus.count:,} sessions, nothing changed"
    times = []
    for _ in range(options.pick(5, 3)):
        with scrollcast(corpus.paths, cache, options.package) as server:
            times.append(await until_listed(server, corpus.count))
    detail: dict[str, float | int | str] = {"lowest": min(times), "highest": max(times)}
    rows = [Row(f"{name}: start until all are listed", median(times), "s", WARM_SECONDS, detail=detail)]
    try:
        with OpenedFiles(corpus.paths) as opened, scrollcast(corpus.paths, cache, options.package) as server:
            await until_listed(server, corpus.count)
            await asyncio.sleep(AFTER_START_SECONDS)
            return [*rows, Row(f"{name}: files of sessions opened", opened.count(), "", 0.0)]
    except OSError as problem:
        why = f"it cannot be counted here: {problem.strerror}"
        return [*rows, Row(f"{name}: files of sessions opened", 0, "", 0.0, skipped=why)]


# ---------------------------------------------------------------------------------------------------------- pages


async def _pages(corpus: ManySessions, options: Options, folder: Path) -> list[Row]:
    """Every order and filter, from its first page and from inside."""
    with scrollcast(corpus.paths, folder / "cache-pages", options.package) as server:
        listed = await until_listed(server, corpus.count)
        await until_calm(server)
        settled = time.monotonic() - server.spawned
        found = _ask_pages(server, options.pick(10, 3))
        memory = server.family_memory()
    worst = max(found, key=lambda name: percentile(found[name], 0.95))
    every = [seconds for times in found.values() for seconds in times]
    return [
        Row(
            f"{corpus.count:,} sessions: a page of the list, p95 of the slowest order and filter",
            percentile(found[worst], 0.95) * 1000,
            "ms",
            PAGE_MS,
            detail={
                "the slowest": worst,
                "p50 of all": median(every) * 1000,
                "p95 of all": percentile(every, 0.95) * 1000,
                "highest of all": max(every) * 1000,
                "orders and filters": len(found),
                "until listed, s": listed,
                "until at rest, s": settled,
                "memory then, MB": memory,
            },
        )
    ]


def _ask_pages(server: Child, rounds: int) -> dict[str, list[float]]:
    """The seconds of each page, by order and filter."""
    found: dict[str, list[float]] = {}
    with Asker(server.port) as asker:
        facets, _ = asker.get("/api/facets")
        for name, chosen in _filters(facets):
            for sort in (*SORTS, *(f"-{each}" for each in SORTS)):
                pages = [{**chosen, "sort": sort}, *_inside(asker, {**chosen, "sort": sort})]
                times = [asker.get("/api/sessions", **page)[1] for _ in range(rounds) for page in pages]
                found[f"{name}, sort={sort}"] = times
    return found


def _filters(facets: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    early, late = "2025-03-01T00:00:00Z", "2026-01-01T00:00:00Z"
    agent, model = facets["agents"][0]["value"], facets["models"][-1]["value"]
    project, rare = facets["projects"][0]["value"], facets["projects"][-1]["value"]
    yield "everything", {}
    yield "agent", {"agent": agent}
    yield "project", {"project": project}
    yield "rarest project", {"project": rare}
    yield "model", {"model": model}
    yield "errors", {"errors": "true"}
    yield "no errors", {"errors": "false"}
    yield "not live", {"live": "false"}
    yield "oldest", {"before": early}
    yield "newest", {"after": late}
    yield "model, errors, span", {"model": model, "errors": "true", "after": early, "before": late}


def _inside(asker: Asker, chosen: dict[str, str]) -> Sequence[dict[str, str]]:
    """A page far behind the first, where there is one."""
    cursor = None
    for _ in range(DEEP):
        further: dict[str, str] = {"cursor": cursor} if cursor else {}
        cursor = asker.get("/api/sessions", limit=500, **chosen, **further)[0]["next_cursor"]
        if cursor is None:
            return ()
    return ({**chosen, "cursor": str(cursor)},)


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
