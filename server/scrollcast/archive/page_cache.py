"""What the event loop may have of a file without waiting for a disk: what is in the page cache.

Only Linux can tell. Elsewhere nothing counts as being there, and whoever wants it reads in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from scrollcast import quick_calls

__all__ = ["CachedPages", "read_cached"]

_NOWAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)


def read_cached(fd: int, buffers: Sequence[memoryview | bytearray], offset: int, size: int) -> bool:
    """Fill `buffers`, of `size` bytes in all, one after the other from `offset` on if all of that is in the page cache;
    `False` without a wait where it is not.

    This is how the event loop reads: a hit costs a copy, and only a miss is worth a thread hop. Where the system
    cannot tell (`RWF_NOWAIT` is Linux's), it is always a miss; whoever reads then learns what is wrong, if anything is.
    """
    if _NOWAIT is None:
        return False
    try:
        return os.preadv(fd, buffers, offset, _NOWAIT) == size
    except OSError:
        return False


class CachedPages:
    """Tells which of a file's bytes are in the page cache, so that `sendfile` would not wait for them.

    The file is mapped for that, and the mapping never touched: it takes no memory. What the file holds must not change
    but for what is added to it.
    """

    def __init__(self, address: int, size: int) -> None:
        self._address = address
        self._size = size

    @classmethod
    def of(cls, fd: int, offset: int) -> CachedPages | None:
        """Those of an open file. `None` where the byte at `offset` is not cached, and where the system cannot tell: a
        file system that does not know of reading without waiting may have to ask another machine."""
        if not quick_calls.are_there or not read_cached(fd, [bytearray(1)], offset, 1):
            return None
        size = os.fstat(fd).st_size
        address = quick_calls.map_file(fd, size)
        return None if address is None else cls(address, size)

    def hold(self, offset: int, size: int) -> bool:
        """Whether all of these bytes, at least one, are cached. Takes some microseconds for 256 KiB."""
        # What lies behind the mapping was added since.
        return offset + size <= self._size and quick_calls.is_resident(self._address + offset, size)

    def __del__(self) -> None:
        quick_calls.unmap_file(self._address, self._size)
