"""Rows of results, the table that they make, and the command line that all benchmarks share."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

import orjson

from benchmarks.client import Broken

__all__ = ["KEPT_FOLDER", "Benchmark", "Options", "Row", "grown", "main", "median", "percentile", "run", "scratch"]

median = statistics.median


@dataclass(frozen=True, slots=True)
class Row:
    """One result. `ratio` is the value over that of the reference in the same run, else over the target.

    `noisy` says that the machine was too busy with other things for the value to mean anything; `skipped`, in a
    sentence, why there is no value at all.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    sense: Literal["at least", "at most"] = "at most"
    ratio: float | None = None
    detail: dict[str, float | int | str] = field(default_factory=dict)
    noisy: bool = False
    skipped: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; `None` where there is none, or nothing can be said."""
        if self.target is None or self.noisy or self.skipped:
            return None
        return self.value >= self.target if self.sense == "at least" else self.value <= self.target

    @property
    def shown_ratio(self) -> float | None:
        """The ratio given, else that to the target."""
        if self.skipped:
            return None
        if self.ratio is None and self.target:
            return self.value / self.target
        return self.ratio


@dataclass(frozen=True, slots=True)
class Options:
    """`short` is for a quick look that all works; `package` is the folder of the `scrollcast` to be measured."""

    short: bool = False
    package: Path | None = None

    def pick(self, full: int, short: int) -> int:
        """A size or a number of rounds."""
        return short if self.short else full


def grown(name: str, of: str, values: Mapping[int, float]) -> Row:
    """What something costs at several sizes: the value at the largest one over that at the smallest one."""
    sizes = sorted(values)
    ratio = values[sizes[-1]] / values[sizes[0]] if values[sizes[0]] else 0.0
    detail: dict[str, float | int | str] = {f"{size:,} {of}": values[size] for size in sizes}
    title = f"as work grows, {sizes[0]:,} to {sizes[-1]:,} {of}: {name}, last over first"
    return Row(title, ratio, "×", ratio=ratio, detail=detail)


Benchmark = Callable[[Options, Path], Awaitable[list[Row]]]
"""Takes an empty folder, which is removed afterwards."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values (0 to 1) does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def scratch(needed_bytes: int) -> Iterator[Path]:
    """A folder for so many bytes, removed afterwards.

    Raises:
        Broken: there is no room for them.
    """
    with tempfile.TemporaryDirectory(prefix="scrollcast-bench-", ignore_cleanup_errors=True) as name:
        free = shutil.disk_usage(name).free
        if free < needed_bytes * 1.2:
            missing = f"{needed_bytes / 1e6:,.0f} MB are needed in {name}, {free / 1e6:,.0f} MB are free"
            raise Broken(f"{missing}; name a larger place in TMPDIR")
        yield Path(name)


KEPT_FOLDER: Final = "scrollcast-benchmarks"
"""Below the temporary folder: what later runs use again."""

NEEDED_BYTES: Final = 4_000_000_000
NEEDED_BYTES_SHORT: Final = 250_000_000


async def run(benchmarks: Sequence[Benchmark], options: Options) -> list[Row]:
    """All rows of some benchmarks, one after the other."""
    rows: list[Row] = []
    for benchmark in benchmarks:
        began = time.monotonic()
        with scratch(options.pick(NEEDED_BYTES, NEEDED_BYTES_SHORT)) as folder:
            rows += await benchmark(options, folder)
        print(f"{benchmark.__module__}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


# --------------------------------------------------------------------------------------------------------- table


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    sign = "≥" if row.sense == "at least" else "≤"
    target = "-" if row.target is None else f"{sign} {_number(row.target)} {row.unit}"
    verdict = "busy" if row.noisy else {True: "yes", False: "NO", None: ""}[row.met]
    ratio = "-" if row.shown_ratio is None else f"{row.shown_ratio:.2f}"
    value = "skipped" if row.skipped else f"{_number(row.value)} {row.unit}".rstrip()
    return row.name, value, target, ratio, verdict


def table(rows: Sequence[Row], *, details: bool = True) -> str:
    """The rows as Markdown."""
    head = ("row", "measured", "target", "ratio", "met")
    lines = [head, tuple("---" for _ in head), *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines]
    if details:
        text += ["", *(f"{row.name}: {row.skipped or _detail(row)}" for row in rows if row.detail or row.skipped)]
    return "\n".join(text)


def _detail(row: Row) -> str:
    return ", ".join(
        f"{name} {_number(value) if isinstance(value, float) else value}" for name, value in row.detail.items()
    )


def main(benchmarks: Sequence[Benchmark], what: str | None, more: Sequence[Benchmark] = ()) -> int:
    """Run benchmarks from the command line, with `more` where `--all` says so. Being slow is no failure; only a
    malfunction is."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--short", action="store_true", help="small sizes: whether it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON too")
    parser.add_argument("--server", type=Path, metavar="FOLDER", help="measure the scrollcast package in this folder")
    if more:
        parser.add_argument(
            "--all", action="store_true", help="also live, the page, the catalogue, search, idling and redaction"
        )
    given = parser.parse_args()
    chosen = [*benchmarks, *more] if more and given.all else benchmarks
    started = time.monotonic()
    try:
        rows = asyncio.run(run(chosen, Options(given.short, given.server)))
    except Broken as problem:
        print(f"malfunction: {problem}")
        return 1
    print(table(rows))
    print(f"\n{time.monotonic() - started:.0f} s")
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        records = [{**asdict(row), "ratio": row.shown_ratio, "met": row.met} for row in rows]
        given.json.write_bytes(orjson.dumps(records, option=orjson.OPT_INDENT_2))
    return 0
