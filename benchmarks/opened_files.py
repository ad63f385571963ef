"""Counts the files that anybody opens below some folders, without a look into the process that does it."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

__all__ = ["OpenedFiles"]

# As in inotify(7).
IN_OPEN: Final = 0x20
IN_Q_OVERFLOW: Final = 0x4000
IN_ISDIR: Final = 0x4000_0000
EVENT: Final = struct.Struct("iIII")

READ_BYTES: Final = 1 << 16


class OpenedFiles:
    """A context manager, inside of which `count` says how many times a file was opened; folders do not count.

    Raises:
        OSError: when entered: the system has no inotify, or no more watches to give.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = folders
        self._count = 0

    def __enter__(self) -> Self:
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "inotify_init1"):
            raise OSError(errno.ENOSYS, "this system has no inotify")
        self._fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        for top in self._folders:
            for folder, _, _ in os.walk(top):
                if library.inotify_add_watch(self._fd, os.fsencode(folder), IN_OPEN) < 0:
                    os.close(self._fd)
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.count()  # what this walk has opened
        self._count = 0
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self._fd)

    def count(self) -> int:
        """How many until now; where there were too many to be told of, at least so many."""
        while True:
            try:
                data = os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                return self._count
            place = 0
            while place < len(data):
                _watch, mask, _cookie, length = EVENT.unpack_from(data, place)
                self._count += not mask & IN_ISDIR if mask & (IN_OPEN | IN_Q_OVERFLOW) else 0
                place += EVENT.size + length
