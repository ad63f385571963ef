"""Both ends of a large file of lines: enough to sum up a session without reading all of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import Decoder, decode
from scrollcast.archive.formats.facts import Extent
from scrollcast.archive.storage import Line, open_confined, read_lines, stamp

__all__ = ["extent_of_lines"]

EXACT_BYTES: Final = 32 << 10
"""Up to this size a file is read whole."""

_READ_BYTES: Final = 64 << 10
_KEPT_BYTES: Final = 16 << 10
"""So much of either end is decoded, which takes about a millisecond; and two lines where they are longer."""

_KEPT_LINES: Final = 2


def extent_of_lines(decoder: Decoder, path: Path, root: Path) -> Extent:
    """The extent of a session that is a file of lines; of a large one the count is an estimate.

    Raises:
        ArchiveError: the file cannot be read.
    """
    found = stamp(path)
    size = found.size if found else 0
    if size <= EXACT_BYTES:
        return Extent.of(decode(decoder, read_lines(path, root)))
    lines = _edges(path, root, size)
    extent = Extent.of(decode(decoder, (Line(number, data, ended=True) for number, data in enumerate(lines, 1))))
    seen = sum(len(data) + 1 for data in lines)
    extent.count = max(extent.count, extent.count * size // max(1, seen))
    return extent


def _edges(path: Path, root: Path, size: int) -> list[bytes]:
    """The whole lines at both ends."""
    fd = open_confined(path, root)
    try:
        head = os.pread(fd, _READ_BYTES, 0).removeprefix(b"\xef\xbb\xbf")
        tail = os.pread(fd, _READ_BYTES, max(len(head), size - _READ_BYTES))
    finally:
        os.close(fd)
    first = list(_within(head.split(b"\n")[:-1]))
    last = list(_within(reversed(tail.split(b"\n")[1:])))
    return [*first, *reversed(last)]


def _within(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The first of some lines, as many as may be decoded."""
    total = 0
    for number, line in enumerate(lines):
        total += len(line) + 1
        if number >= _KEPT_LINES and total > _KEPT_BYTES:
            return
        yield line
