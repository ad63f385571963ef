"""Both ends of a large file of lines: enough to sum up a session without reading all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import Decoder, decode
from scrollcast.archive.formats.facts import Extent
from scrollcast.archive.storage import Line, open_confined, read_head, read_lines, stamp

__all__ = ["Edges", "edges_of", "extent_of_lines"]

EXACT_BYTES: Final = 32 << 10
"""Up to this size a file is read whole."""

_READ_BYTES: Final = 64 << 10
_KEPT_BYTES: Final = 16 << 10
"""So much of either end is decoded, which takes about a millisecond; and two lines where they are longer."""

_KEPT_LINES: Final = 2


@dataclass(frozen=True, slots=True)
class Edges:
    """Whole lines of a file: all of a small one, those at both ends of a large one.

    `ratio` is how large the file is, these lines being 1. The numbers of a large file's lines only tell them apart.
    """

    lines: Sequence[Line]
    is_all: bool = True
    ratio: float = 1.0

    def scale(self, count: int) -> int:
        """What a count over these lines comes to for all of the file, about."""
        return round(count * self.ratio)


def edges_of(path: Path, root: Path) -> Edges:
    """The lines that sum a file up.

    Raises:
        ArchiveError: the file cannot be read.
    """
    found = stamp(path)
    size = found.size if found else 0
    if size <= EXACT_BYTES:
        return Edges(tuple(read_lines(path, root)))
    first = list(_within(read_head(path, root).split(b"\n")[:-1]))
    pieces = [*first, *_last(path, root, sum(len(piece) + 1 for piece in first), size)]
    seen = sum(len(piece) + 1 for piece in pieces)
    lines = [Line(number, piece.removesuffix(b"\r"), ended=True) for number, piece in enumerate(pieces, 1)]
    return Edges(lines, is_all=False, ratio=max(1.0, size / max(1, seen)))


def extent_of_lines(decoder: Decoder, path: Path, root: Path) -> Extent:
    """The extent of a session that is a file of lines; of a large one the count is an estimate.

    Raises:
        ArchiveError: the file cannot be read.
    """
    edges = edges_of(path, root)
    extent = Extent.of(decode(decoder, edges.lines))
    extent.count = edges.scale(extent.count)
    return extent


def _last(path: Path, root: Path, start: int, size: int) -> list[bytes]:
    """The last whole lines of a file, none of which begins before `start`."""
    offset = max(start, size - _READ_BYTES)
    fd = open_confined(path, root)
    try:
        tail = os.pread(fd, _READ_BYTES, offset)
    finally:
        os.close(fd)
    pieces = tail.split(b"\n")[0 if offset == start else 1 :]
    return list(_within(reversed(pieces)))[::-1]


def _within(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The first of some lines, as many as may be decoded."""
    total = 0
    for number, line in enumerate(lines):
        total += len(line) + 1
        if number >= _KEPT_LINES and total > _KEPT_BYTES:
            return
        yield line
