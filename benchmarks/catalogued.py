"""A server over many sessions: how long its first start takes, and the cache that it leaves for later starts."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.client import Asker, Broken
from benchmarks.many_sessions import ManySessions
from benchmarks.report import Options
from benchmarks.server import Child, scrollcast

__all__ = ["ColdStart", "catalogued", "until_calm", "until_listed", "until_searchable"]

LOOK_SECONDS: Final = 0.02
SAMPLE_SECONDS: Final = 0.25

LISTED_SECONDS: Final = 300.0
SEARCHABLE_SECONDS: Final = 900.0

CALM_SHARE: Final = 0.03
CALM_SECONDS: Final = 2.0
"""A server that used less than this share of a core for so long has nothing left to do."""


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The first start over a corpus: seconds from the start of the process until all of it was listed, and until all of
    it could be searched; the processor time until then; resident megabytes of all its processes, at most and at rest.
    `cache` is what it left.
    """

    listed: float
    searchable: float
    cpu_seconds: float
    highest_memory: float
    memory_at_rest: float
    cache: Path


_done: dict[tuple[Path | None, Path], tuple[ColdStart, tempfile.TemporaryDirectory[str]]] = {}
"""One for each server and corpus that were measured: the folders go with the process."""


async def catalogued(corpus: ManySessions, options: Options) -> ColdStart:
    """The first start over a corpus, measured once in a run."""
    key = options.package, corpus.folder
    if key not in _done:
        kept = tempfile.TemporaryDirectory(prefix="scrollcast-bench-cache-", ignore_cleanup_errors=True)
        _done[key] = await _start_cold(corpus, Path(kept.name) / "cache", options), kept
    return _done[key][0]


async def _start_cold(corpus: ManySessions, cache: Path, options: Options) -> ColdStart:
    memory: list[float] = []
    with scrollcast(corpus.paths, cache, options.package) as server:
        sampling = asyncio.create_task(_sample(server, memory))
        listed = await until_listed(server, corpus.count)
        searchable = await until_searchable(server, corpus.words.only)
        cpu_seconds = server.family_cpu_seconds()
        sampling.cancel()
        await until_calm(server)
        return ColdStart(listed, searchable, cpu_seconds, max(memory), server.family_memory(), cache)


async def _sample(server: Child, memory: list[float]) -> None:
    while True:
        memory.append(server.family_memory())
        await asyncio.sleep(SAMPLE_SECONDS)


async def until_listed(server: Child, count: int) -> float:
    """Wait until everything was looked at and so many sessions are listed; the seconds since the process was started.

    Raises:
        Broken: it takes too long, or their number is another one.
    """
    with Asker(server.port) as asker:
        while True:
            answer, _ = asker.get("/api/sessions", limit=1)
            now = time.monotonic() - server.spawned
            if "progress" not in answer:  # which is there while the first look lasts
                break
            if now > LISTED_SECONDS:
                raise Broken(f"after {now:.0f} s {answer['total']} of {count} sessions are listed")
            await asyncio.sleep(LOOK_SECONDS)
    if answer["total"] != count:
        raise Broken(f"{answer['total']} sessions are listed in place of {count}")
    return now


async def until_searchable(server: Child, words: Sequence[str]) -> float:
    """Wait until each of these words, each said in one session only, finds it; the seconds since the process started.

    Raises:
        Broken: it takes too long.
    """
    with Asker(server.port) as asker:
        for word in words:
            while asker.get("/api/sessions", q=f"{word} ", limit=1)[0]["total"] != 1:
                if time.monotonic() - server.spawned > SEARCHABLE_SECONDS:
                    raise Broken(f"after {SEARCHABLE_SECONDS:.0f} s {word} is not found")
                await asyncio.sleep(10 * LOOK_SECONDS)
    return time.monotonic() - server.spawned


async def until_calm(server: Child) -> None:
    """Wait until the server and its helpers have nothing left to do.

    Raises:
        Broken: they never have.
    """
    until = time.monotonic() + SEARCHABLE_SECONDS
    while time.monotonic() < until:
        spent = server.family_cpu_seconds()
        await asyncio.sleep(CALM_SECONDS)
        if server.family_cpu_seconds() - spent < CALM_SHARE * CALM_SECONDS:
            return
    raise Broken("the server goes on working though nothing happens")
