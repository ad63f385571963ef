"""A file of lines that is read once, and on from there each time it has grown.

What it costs is in proportion to what was appended, whatever the size of the file; and a file that did something else
than grow is told from one that did.
"""

from __future__ import annotations

import os
import random
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scrollcast.archive.storage import CHUNK_BYTES, Line, LineSplitter, open_confined

__all__ = ["GrowingFile"]

BLOCK_BYTES: Final = 16 << 10
"""Of each whole block of a file that was read a checksum is kept (4 bytes for 16 KiB)."""

ANCHOR_BYTES: Final = 64
"""So many bytes before the place where reading stopped are looked at again whenever it goes on: whoever rewrites a file
moves what stands there."""

FREE_CHECK_BYTES: Final = 256 << 10
"""A file of up to this size is compared whole whenever it is checked."""

CHECKED_SHARE: Final = 4
"""Of a larger file one byte is compared for so many that were appended."""

TOUCHED_CHECK_BYTES: Final = 16 << 20
"""So much is compared (in some 10 ms) of a file that was written to and did not grow."""


class GrowingFile:
    """The lines of one file. Holds it open until `close`, or until it is forgotten.

    Raises:
        ArchiveError: when made: it is missing, unreadable, or a link to outside `root`.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._fd = -1
        self._path = path
        self._fd = open_confined(path, root)
        found = os.fstat(self._fd)
        self._identity = (found.st_dev, found.st_ino)
        self._position = 0
        self._read_at: int | None = None  # the file's time when it was last read to its end
        self._splitter = LineSplitter()
        self._anchor = b""
        self._blocks = array("I")
        self._block = 0  # the checksum of what was read of the last, unfinished block
        self._credit = 0  # bytes that may be compared for what was appended

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._position

    def lines(self) -> Iterator[Line]:
        """The whole lines that were not given yet, to be read to the end. A line without an end waits, see `tail`."""
        while True:
            # Looked at first: whatever is written later is either read below, or makes it another time.
            written_at = os.fstat(self._fd).st_mtime_ns
            chunk = os.pread(self._fd, CHUNK_BYTES, self._position)
            if not chunk:
                self._credit = 0 if self._read_at is None else self._credit  # the first time nothing was appended
                self._read_at = written_at
                return
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
        if (now.st_dev, now.st_ino) != self._identity or now.st_size < self._position:
            return False
        return os.pread(self._fd, len(self._anchor), self._position - len(self._anchor)) == self._anchor

    def is_intact(self, spare_bytes: int = 0) -> bool:
        """Whether what was read stands in the file unchanged, as far as a check in proportion to its growth can tell.

        A file of up to `FREE_CHECK_BYTES` is compared whole. Of a larger one it is the first block, and others at
        random: more of them the more was appended, for `spare_bytes`, and where it was written to and did not grow.
        """
        found = os.fstat(self._fd)
        if found.st_size == self._position and found.st_mtime_ns != self._read_at:
            spare_bytes = max(spare_bytes, TOUCHED_CHECK_BYTES)
        if not all(map(self._is_as_read, self._sample(spare_bytes))):
            return False
        if found.st_size == self._position:
            self._read_at = found.st_mtime_ns
        return True

    def _sample(self, spare_bytes: int) -> Iterable[int]:
        """The numbers of the blocks to compare; the last one may be unfinished."""
        count = len(self._blocks) + 1
        if self._position <= max(FREE_CHECK_BYTES, spare_bytes):
            return range(count)
        others = (spare_bytes + self._credit) // BLOCK_BYTES
        self._credit = max(0, self._credit - others * BLOCK_BYTES)
        return (0, *random.sample(range(1, count), min(others, count - 1)))

    def _is_as_read(self, number: int) -> bool:
        start = number * BLOCK_BYTES
        known = self._blocks[number] if number < len(self._blocks) else self._block
        return zlib.crc32(os.pread(self._fd, min(BLOCK_BYTES, self._position - start), start)) == known

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
        self._credit += len(chunk) // CHECKED_SHARE
