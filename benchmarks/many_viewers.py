"""Thousands of realtime viewers on one process, beside a sender in C, and Node with `ws`, of the very same frames."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.catalogued import until_calm
from benchmarks.client import Broken, target
from benchmarks.corpus import realtime_session
from benchmarks.report import Options, Row, main, percentile
from benchmarks.server import Child, apart, scrollcast
from benchmarks.wire import Tape, c_sender, compiled, has_node_ws, node_sender, record, watching

__all__ = ["Carried", "carry", "measure", "places", "tapes_of"]

VIEWERS: Final = 10_000
SESSIONS: Final = 8
"""Viewers share sessions, each from a place of its own."""

SESSION_EVENTS: Final = 2_000
LATEST_START: Final = 0.8
SETTLE_SECONDS: Final = 3.0
WINDOW_SECONDS: Final = 10

P99_MS: Final = 5.0
HIGHEST_MS: Final = 50.0
KIB_A_VIEWER: Final = 30.0
OF_C: Final = 1.25


@dataclass(frozen=True, slots=True)
class Carried:
    """What it took all processes of a server to serve viewers for a while, and how late they were served."""

    late: list[float]
    cpu_us: float
    kib: float
    seconds: float
    ramp_seconds: float
    spread: list[int]
    """How many connections each of the processes that had any held."""

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return percentile(self.late, 0.99)

    def detail(self) -> dict[str, float | int | str]:
        """What is worth a line below the table."""
        return {
            "p50 ms": percentile(self.late, 0.5),
            "p99 ms": self.p99,
            "p99.9 ms": percentile(self.late, 0.999),
            "highest ms": max(self.late),
            "events": len(self.late),
            "CPU µs an event": self.cpu_us,
            "events/s that one core could send": 1e6 / self.cpu_us,
            "KiB a viewer": self.kib,
            "all connected within s": self.ramp_seconds,
        }


async def tapes_of(tool: Path, server: Child, folder: Path) -> list[Tape]:
    """Sessions made under `folder / "archive"` and recorded; the server has read all of them when it is back."""
    sessions = [realtime_session(folder / "archive", SESSION_EVENTS, name=f"many-{n}") for n in range(SESSIONS)]
    tapes = [await record(tool, server, session, folder) for session in sessions]
    await until_calm(server)
    return tapes


def places(tapes: Sequence[Tape], viewers: int) -> list[tuple[Tape, int]]:
    """What each viewer watches, and from which recorded time on."""
    random = Random("many viewers")
    chosen = [tapes[number % len(tapes)] for number in range(viewers)]
    return [(tape, random.randrange(int(tape.session.duration_ms * LATEST_START))) for tape in chosen]


def carry(tool: Path, server: Child, watched: Sequence[tuple[Tape, int]], folder: Path, seconds: float) -> Carried:
    """Serve viewers for so many seconds. Raises `Broken` where one does not get what it has to."""
    before, began = server.family_memory(), time.monotonic()
    paths = [target(tape.session.scroll_id, mode="realtime", start_ms=start_ms) for tape, start_ms in watched]
    with watching(tool, server.port, paths, folder) as watch:
        ramp = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        grown = server.family_memory() - before
        started, cpu = time.monotonic(), server.family_cpu_seconds()
        time.sleep(seconds)
        finished, cpu = time.monotonic(), server.family_cpu_seconds() - cpu
        spread = server.connections()
        time.sleep(SETTLE_SECONDS)  # so that what is late has its time to come
    watch.check(watched)
    late = watch.within(started, finished)
    if not late:
        raise Broken("no event was due")
    kib = grown * 1e6 / 1024 / len(watched)
    return Carried(late, cpu / len(late) * 1e6, kib, finished - started, ramp, spread)


async def measure(options: Options, folder: Path) -> list[Row]:
    """So many viewers by each of the servers in turn."""
    tool = compiled(folder)
    if tool is None:
        return [Row("many realtime viewers", 0.0, "", skipped="there is no C compiler for the clients")]
    count, seconds = options.pick(VIEWERS, 300), options.pick(WINDOW_SECONDS, 2)
    (folder / "archive").mkdir()
    with apart(), scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        tapes = await tapes_of(tool, server, folder)
    watched = places(tapes, count)
    with apart(), scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        await until_calm(server)
        ours = carry(tool, server, watched, folder, seconds)
    with apart(), c_sender(tool, folder) as server:
        limit = carry(tool, server, watched, folder, seconds)
    node = None
    if has_node_ws():
        with apart(), node_sender(folder) as server:
            node = carry(tool, server, watched, folder, seconds)
    return _rows(count, ours, limit, node)


def _rows(count: int, ours: Carried, limit: Carried, node: Carried | None) -> list[Row]:
    name = f"{count:,} realtime viewers"
    rows = [
        Row(f"{name}: p99 lateness", ours.p99, "ms", P99_MS, detail=ours.detail()),
        Row(f"{name}: highest lateness", max(ours.late), "ms", HIGHEST_MS),
        Row(f"{name}: CPU an event, × a sender in C", ours.cpu_us / limit.cpu_us, "×", OF_C, detail=limit.detail()),
        Row(f"{name}: memory a viewer", ours.kib, "KiB", KIB_A_VIEWER),
    ]
    against_node = f"{name}: CPU an event, × Node ws"
    if node is None:
        return [*rows, Row(against_node, 0.0, "", skipped="there is no Node with ws (make node_modules/stamp)")]
    return [*rows, Row(against_node, ours.cpu_us / node.cpu_us, "×", 1.0, detail=node.detail())]


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
