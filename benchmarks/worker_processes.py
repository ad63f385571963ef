"""Realtime viewers against workers: the same viewers on one process and on two that share the port."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from benchmarks.many_viewers import Carried, carry, places, tapes_of
from benchmarks.report import Options, Row, main
from benchmarks.server import scrollcast
from benchmarks.wire import compiled

__all__ = ["measure"]

WORKERS: Final = (1, 2)
VIEWERS: Final = 4_000
WINDOW_SECONDS: Final = 6


async def measure(options: Options, folder: Path) -> list[Row]:
    """Each number of workers in turn; every viewer's events are compared with the archive."""
    tool = compiled(folder)
    if tool is None:
        return [Row("viewers against workers", 0.0, "", skipped="there is no C compiler for the clients")]
    count, seconds = options.pick(VIEWERS, 200), options.pick(WINDOW_SECONDS, 2)
    (folder / "archive").mkdir()
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        watched = places(await tapes_of(tool, server, folder), count)
    carried: dict[int, Carried] = {}
    for workers in WORKERS:
        more = ("--workers", str(workers))
        with scrollcast([folder / "archive"], folder / "cache", options.package, *more) as server:
            carried[workers] = carry(tool, server, watched, folder, seconds)
    return [row for workers in WORKERS for row in _rows(count, workers, carried[workers], carried[WORKERS[0]])]


def _rows(count: int, workers: int, carried: Carried, alone: Carried) -> list[Row]:
    name = f"{count:,} realtime viewers, --workers {workers}"
    spread = " + ".join(map(str, carried.spread))
    return [
        Row(f"{name}: p99 lateness", carried.p99, "ms", ratio=carried.p99 / alone.p99, detail=carried.detail()),
        Row(
            f"{name}: CPU an event of all processes",
            carried.cpu_us,
            "µs",
            ratio=carried.cpu_us / alone.cpu_us,
            detail={"connections of each": spread, "all connected within s": carried.ramp_seconds},
        ),
    ]


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
