"""How long one page of a list of 100,000 sessions takes, for every order and filter.

`python -m benchmarks.catalogue_pages`; not part of `make bench`: it measures this machine, not a ratio.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import quantiles
from time import perf_counter
from typing import Any, Final
from uuid import UUID

from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.catalogue_tables import Writer
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.readers import READERS
from scrollcast.archive.listing import SORT_KEYS, Listing, decode_cursor
from scrollcast.archive.rows import columns_of
from scrollcast.archive.scanner import Summary
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.model import Session

SESSIONS: Final = 100_000
ROUNDS: Final = 20
START_US: Final = 1_700_000_000_000_000
STEP_US: Final = 600_000_000


def fill(catalogue: Catalogue, root: Path, random: Random, count: int = SESSIONS) -> list[UUID]:
    """Put sessions into the catalogue's tables, without a file behind them; gives their ids, the oldest first."""
    ids = [UUID(int=random.getrandbits(128), version=4) for _ in range(count)]
    words = [f"word{number}" for number in range(500)]

    def put(connection: sqlite3.Connection) -> None:
        writer = Writer(connection, [root])
        for number, scroll_id in enumerate(ids):
            session = _session(number, scroll_id, ids, words, random)
            path = root / f"project-{number % 300}" / f"{scroll_id}.jsonl"
            source = SessionSource(scroll_id, READERS[0], path, root)
            mtime_ns = (START_US + number * STEP_US) * 1000
            summary = Summary(source, columns_of(session), f"{number:024x}", mtime_ns, grows=True, single=True)
            writer.put_summary(summary, str(path).encode())

    catalogue._database.write(put)
    return ids


def _session(number: int, scroll_id: UUID, ids: list[UUID], words: list[str], random: Random) -> Session:
    created = START_US + number * STEP_US
    duration_ms = round(random.lognormvariate(12, 2))
    return Session(
        scroll_id,
        title=" ".join(random.choices(words, k=8)),
        agent="Claude Code" if random.random() < 0.8 else f"agent-{number % 12}",
        model=f"model-{number % 15}",
        project=f"/home/someone/project-{min(299, int(random.expovariate(0.03)))}",
        kind="AcpConnection",
        native_session_id=str(scroll_id),
        parent_scroll_id=ids[number // 10] if number % 3 == 0 else None,
        created_at=format_instant(created),
        updated_at=format_instant(created + duration_ms * 1000),
        count=round(random.lognormvariate(4, 1.5)),
        duration_ms=duration_ms,
        has_errors=random.random() < 0.3,
        metadata={"cwd": f"/home/someone/project-{number % 300}", "git_branch": "main"},
    )


def filters(ids: list[UUID]) -> Iterator[tuple[str, Listing, set[int] | None]]:
    """Everything that can be asked for, and what goes worst with an order."""
    early, late = (parse_instant(format_instant(START_US + STEP_US * number)) for number in (2_000, SESSIONS - 2_000))
    yield "everything", Listing(), None
    yield "agent (80 %)", Listing(agent="Claude Code"), None
    yield "agent (2 %)", Listing(agent="agent-3"), None
    yield "agent (none)", Listing(agent="nobody"), None
    yield "project (3 %)", Listing(project="/home/someone/project-0"), None
    yield "project (0.01 %)", Listing(project="/home/someone/project-250"), None
    yield "model (7 %)", Listing(model="model-3"), None
    yield "errors", Listing(errors=True), None
    yield "no errors", Listing(errors=False), None
    yield "parent", Listing(parent=ids[7]), None
    yield "live", Listing(live=True), None
    yield "not live", Listing(live=False), None
    yield "the oldest 2 %", Listing(before=early), None
    yield "the newest 2 %", Listing(after=late), None
    yield "all but the newest 2 %", Listing(before=late), None
    yield "agent, model, errors", Listing(agent="Claude Code", model="model-3", errors=True), None
    yield "project, agent, span", Listing(project="/home/someone/project-0", agent="agent-3", before=late), None
    yield "100 matches", Listing(), set(range(1, SESSIONS, SESSIONS // 100))
    yield "10,000 matches", Listing(), set(range(1, SESSIONS, 10))
    yield "all match", Listing(), set(range(1, SESSIONS + 1))


def measure(ask: Callable[[], Any]) -> list[float]:
    """Times in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        ask()
        times.append((perf_counter() - began) * 1000)
    return times


def main() -> None:
    """Print the 95th percentile in milliseconds, a filter a line and an order a column (descending, ascending)."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made) / "archive"
        root.mkdir()
        catalogue = Catalogue([root], Path(made) / "cache")
        began = perf_counter()
        ids = fill(catalogue, root, Random(7))
        print(f"{SESSIONS} sessions written in {perf_counter() - began:.1f} s")
        for name, asked, matching in filters(ids):
            print(f"{name:24}", end=" ")
            for key in SORT_KEYS:
                for descending in (True, False):
                    listing = replace(asked, sort=key, descending=descending)
                    times = measure(partial(catalogue.page, listing, matching))
                    times += measure(partial(catalogue.page, _deep(catalogue, listing, matching), matching))
                    print(f"{quantiles(times, n=20)[-1]:6.1f}", end=" ")
            print(f"  ({catalogue.page(asked, matching).total})")
        catalogue.close()


def _deep(catalogue: Catalogue, listing: Listing, matching: set[int] | None) -> Listing:
    """The same from somewhere in the middle on."""
    page = catalogue.page(replace(listing, limit=500), matching)
    cursor = None if page.next_cursor is None else decode_cursor(page.next_cursor, listing.order)
    return replace(listing, cursor=cursor)


if __name__ == "__main__":
    main()
