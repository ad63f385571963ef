"""A server with many sessions, and nothing happening: what it takes of the processor and the memory."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.catalogued import catalogued, until_calm, until_listed
from benchmarks.many_sessions import many_sessions
from benchmarks.report import Options, Row, main
from benchmarks.server import scrollcast

__all__ = ["measure"]

CPU_PERCENT: Final = 0.5
MEMORY_MB: Final = 120.0


async def measure(options: Options, folder: Path) -> list[Row]:
    """All processes of the server count."""
    corpus = many_sessions(options)
    cold = await catalogued(corpus, options)
    with scrollcast(corpus.paths, cold.cache, options.package) as server:
        await until_listed(server, corpus.count)
        await until_calm(server)
        spent, began = server.family_cpu_seconds(), time.monotonic()
        await asyncio.sleep(options.pick(60, 10))
        share = (server.family_cpu_seconds() - spent) / (time.monotonic() - began) * 100
        memory, processes = server.family_memory(), len(server.family())
    name = f"{corpus.count:,} sessions watched, idle"
    detail: dict[str, float | int | str] = {
        "processes": processes,
        "of the server that had read all of them for the first time": cold.memory_at_rest,
    }
    return [
        Row(f"{name}: processor", share, "% of a core", CPU_PERCENT),
        Row(f"{name}: memory", memory, "MB", MEMORY_MB, detail=detail),
    ]


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
