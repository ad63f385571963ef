"""Strange and hostile files through every format reader: `python -m benchmarks.fuzz_readers [--seconds N] [FILE …]`.

Whatever stands in a file, a reader gives records and bad records, or an `ArchiveError`; all that it gives can be sent;
it takes a time that grows with the size of the file and no faster, and a bounded amount of memory. The files are made
out of `archive_fixtures`: bytes damaged, values replaced by others, lines moved, one line or item repeated until the
file is large (`benchmarks/fuzzing.py`).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Final

import orjson

from benchmarks.fuzzing import main, time_limit, watched
from benchmarks.mutations import LARGE_BYTES

with watched("scrollcast.archive"):
    from scrollcast.archive.encoding import EventEncoder, TimedRecord, time_records
    from scrollcast.archive.formats import FormatReader, Item, SessionSource
    from scrollcast.archive.formats.readers import READERS, owner, sniff
    from scrollcast.errors import ArchiveError
    from scrollcast.model import BadRecord, Record, parse_part

FIXTURES: Final = Path(__file__).parents[1] / "archive_fixtures"

MAX_SEED_BYTES: Final = 64 << 10
BASE_SECONDS: Final = 2.0
SECONDS_A_MIB: Final = 24.0
"""The time that one file may take, of this process's own. All of it is read some six times; a MiB of lines of one byte,
all of them damaged, takes 10 s. How time grows with size is for `hostile_files` to tell."""

MAX_SOURCES: Final = 3
"""Of a file that became many sessions so many are read."""


# -------------------------------------------------------------------------------------------------------- targets


@dataclass(frozen=True, slots=True)
class Target:
    """One file of one session among the fixtures. `folder` is what is laid out around it."""

    source: SessionSource
    path: Path
    folder: Path
    content: bytes

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source.reader.name}: {self.path.relative_to(FIXTURES)}"


def targets() -> list[Target]:
    """Every file of every session, in a steady order."""
    found: dict[Path, Target] = {}
    for path in sorted(path for path in FIXTURES.rglob("*") if path.is_file()):
        file = sniff(path, FIXTURES, path.stat().st_size)
        if (reader := owner(file)) is None:
            continue
        for source in reader.locate(file, FIXTURES):
            for each in reader.files(source):
                if each.is_file() and each.stat().st_size <= MAX_SEED_BYTES:
                    folder = FIXTURES / each.relative_to(FIXTURES).parts[0]
                    found.setdefault(each, Target(source, each, folder, each.read_bytes()))
    return list(found.values())


# --------------------------------------------------------------------------------------------------------- checks


class Bench:
    """A folder with a copy of the fixtures, in which one file after the other is put in place of what is there."""

    def __init__(self, folder: Path, known: Sequence[Target]) -> None:
        self._folder = folder
        self._times = count(time.time_ns())
        for each in {target.folder for target in known}:
            shutil.copytree(each, folder / each.relative_to(FIXTURES), dirs_exist_ok=True)

    def check(self, target: Target, data: bytes) -> None:
        """Whether everything holds with these bytes in the target's file; raises whatever does not."""
        path = self._folder / target.path.relative_to(FIXTURES)
        self._write(path, data)
        try:
            with time_limit(BASE_SECONDS + SECONDS_A_MIB * len(data) / (1 << 20)):
                _check_file(path, self._folder)
                moved = self._folder / target.source.path.relative_to(FIXTURES)
                _check_session(replace(target.source, path=moved, root=self._folder))
        finally:
            self._write(path, target.content)

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        moment = next(self._times)  # a clock may tell the same time twice, and a reader may remember a file by it
        os.utime(path, ns=(moment, moment))


def _check_file(path: Path, root: Path) -> None:
    """What a file is taken for, and what is in it as that."""
    with suppress(ArchiveError):
        file = sniff(path, root, path.stat().st_size)
        claimed = [reader for reader in READERS if reader.claims(file)]
        for source in [*claimed[0].locate(file, root)][:MAX_SOURCES] if claimed else ():
            _check_session(source)


def _check_session(source: SessionSource) -> None:
    with suppress(ArchiveError):
        source.reader.files(source)
        orjson.dumps(source.reader.summarise(source))
    for meta in (False, True):
        with suppress(ArchiveError):
            _check_items(source, _items(source, meta=meta))


def _items(source: SessionSource, *, meta: bool) -> Iterator[Item]:
    reader: FormatReader = source.reader
    apart = reader.meta_events(source) if meta else None
    return chain(reader.records(source, meta=meta), apart or ())


def _check_items(source: SessionSource, items: Iterator[Item]) -> None:
    """Every item is of the kind that it should be, and can be sent."""
    encoder = EventEncoder(source.reader.summarise(source))
    for seq, item in enumerate(time_records(map(_checked, items), "1970-01-01T00:00:00Z")):
        if isinstance(item, TimedRecord):
            orjson.loads(encoder.encode(seq, item).data)


def _checked(item: object) -> Record | BadRecord:
    assert isinstance(item, (Record, BadRecord)), f"{type(item).__name__} is no item"
    if isinstance(item, Record):
        assert item.id, "a record without an id"
        assert item.kind or item.role, "a record that is neither a message nor a meta event"
        assert all(parse_part(part) == part for part in item.content), "a part that is none of the protocol"
    return item


# --------------------------------------------------------------------------------------------------------- inputs

_HEADER_BYTES: Final = 2
"""An input begins with the number of its target, so that one file holds all that there is to try it again."""


class Readers:
    """The targets, and the place where they are tried."""

    unit = "files"
    header_bytes = _HEADER_BYTES
    large_bytes = LARGE_BYTES

    def __init__(self, folder: Path) -> None:
        self._targets = targets()
        self._bench = Bench(folder / "archive", self._targets)
        self.seeds: Sequence[bytes] = [
            number.to_bytes(_HEADER_BYTES, "big") + target.content for number, target in enumerate(self._targets)
        ]

    def name_of(self, data: bytes) -> str:
        """Its target."""
        return self._target(data).name

    def check(self, data: bytes) -> None:
        """Whether everything holds with this content in its target's file."""
        self._bench.check(self._target(data), data[_HEADER_BYTES:])

    def _target(self, data: bytes) -> Target:
        return self._targets[int.from_bytes(data[:_HEADER_BYTES], "big") % len(self._targets)]


if __name__ == "__main__":
    sys.exit(main("benchmarks.fuzz_readers", __doc__, Readers, sys.argv[1:]))
