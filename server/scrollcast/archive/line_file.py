"""`LineFile`: lines appended so that each is whole or not there, whatever happens to its writer."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from scrollcast.errors import ArchiveError

__all__ = ["ONLY_OWNER", "LineFile"]

ONLY_OWNER: Final = 0o600
"""The mode of what is written: sessions hold what is nobody else's business."""


class LineFile:
    """A file of lines that one writer at a time appends to, made where there is none.

    Raises:
        ArchiveError: it cannot be opened or written, or another program is writing it.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(path, flags, ONLY_OWNER)
        except OSError as problem:
            raise ArchiveError("the session's file cannot be opened for writing", str(problem)) from problem
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(self._fd).st_size
            self._is_ended = size == 0 or os.pread(self._fd, 1, size - 1) == b"\n"
        except OSError as problem:
            os.close(self._fd)
            self._fd = -1
            raise ArchiveError("another program is writing this session", str(problem)) from problem

    @property
    def is_open(self) -> bool:
        """Whether it was not closed yet."""
        return self._fd >= 0

    def check_open(self) -> None:
        """Raise `ArchiveError` when it was closed."""
        if not self.is_open:
            raise ArchiveError("the session was closed")

    def append(self, line: bytes) -> None:
        """Write one line, behind whatever an earlier attempt left unfinished."""
        self.check_open()
        left = memoryview(line if self._is_ended else b"\n" + line)
        try:
            while left:
                written = os.write(self._fd, left)
                self._is_ended = False
                left = left[written:]
        except OSError as problem:
            raise ArchiveError("the record could not be written", str(problem)) from problem
        self._is_ended = True

    def sync(self) -> None:
        """Wait until all of it would survive a power cut."""
        try:
            os.fsync(self._fd)
        except OSError as problem:
            raise ArchiveError("the record could not be brought to the disk", str(problem)) from problem

    def close(self) -> None:
        """Let it go; to do so twice does nothing."""
        if self.is_open:
            os.close(self._fd)
            self._fd = -1
