"""A file of lines that is read once, and on from there each time it has grown.

What it costs is in proportion to what was appended, whatever the size of the file; and a file that did something else
than grow is told from one that did.
"""

from __future__ import annotations

import os
import random
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scrollcast.archive.storage import CHUNK_BYTES, Line, LineSplitter, open_confined

__all__ = ["GrowingFile"]

BLOCK_BYTES: Final = 64 << 10
"""Of each whole block of a file that was read a checksum is kept (8 bytes for 64 KiB)."""

ANCHOR_BYTES: Final = 64
"""So many bytes before the place where reading stopped are looked at again whenever it goes on: whoever rewrites a file
moves what stands there."""

FREE_CHECK_BYTES: Final = 256 << 10
"""So much may be read again to check a file when it has come to rest; a smaller file is then compared whole."""


class GrowingFile:
    """The lines of one file. Holds it open until `close`.

    Raises:
        ArchiveError: when made: it is missing, unreadable, or a link to outside `root`.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._fd = open_confined(path, root)
        self._inode = os.fstat(self._fd).st_ino
        self._position = 0
        self._splitter = LineSplitter()
        self._anchor = b""
        self._blocks = array("Q")
        self._block = 0  # the checksum of what was read of the last, unfinished block
        self._unchecked = 0  # bytes that were appended since the last check

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._position

    def lines(self) -> Iterator[Line]:
        """The whole lines that were not given yet. A line without an end waits, see `tail`."""
        while chunk := os.pread(self._fd, CHUNK_BYTES, self._position):
            self._note(chunk)
            yield from self._splitter.feed(chunk)

    def tail(self) -> Line | None:
        """The last line where it has no end yet. It comes again, whole, out of `lines` when it has."""
        return self._splitter.rest()

    def has_only_grown(self) -> bool:
        """Whether the file is the one that was read, no shorter, and the same right before where reading stopped.

        A file that is not there at the moment has not changed: it may be about to be replaced.
        """
        try:
            now = os.stat(self._path)
        except OSError:
            return True
        if now.st_ino != self._inode or now.st_size < self._position:
            return False
        return os.pread(self._fd, len(self._anchor), self._position - len(self._anchor)) == self._anchor

    def is_intact(self) -> bool:
        """Whether what was read stands in the file unchanged, as far as a check in proportion to its growth can tell.

        A file of up to `FREE_CHECK_BYTES` is compared whole; of a larger one the first and the last block and some
        others, the more the more was appended since the last check.
        """
        budget = (FREE_CHECK_BYTES + self._unchecked) // BLOCK_BYTES
        self._unchecked = 0
        count = len(self._blocks)
        chosen = range(count) if count <= budget else {0, count - 1, *random.sample(range(count), budget - 2)}
        return all(self._sum(number * BLOCK_BYTES, BLOCK_BYTES) == self._blocks[number] for number in chosen) and (
            self._sum(count * BLOCK_BYTES, self._position - count * BLOCK_BYTES) == self._block
        )

    def _sum(self, offset: int, size: int) -> int:
        return zlib.crc32(os.pread(self._fd, size, offset))

    def _note(self, chunk: bytes) -> None:
        """Remember enough of what was read to know it again."""
        view, start = memoryview(chunk), 0
        while start < len(view):
            room = BLOCK_BYTES - self._position % BLOCK_BYTES
            piece = view[start : start + room]
            self._block = zlib.crc32(piece, self._block)
            self._position += len(piece)
            start += len(piece)
            if len(piece) == room:
                self._blocks.append(self._block)
                self._block = 0
        self._anchor = (self._anchor + chunk[-ANCHOR_BYTES:])[-ANCHOR_BYTES:]
        self._unchecked += len(chunk)
