"""System calls that wait for nothing, made without letting other threads have the interpreter meanwhile.

Python's own functions let them have it for every call. A thread that computes, as the one that reads a session for the
first time does, gives it back after a tenth of a millisecond at the earliest (`sys.setswitchinterval`), which is longer
than a row of these takes: ten calls for 256 KiB took 1.4 ms beside such a thread, and 0.13 ms without.

There are none but on 64-bit Linux.
"""

from __future__ import annotations

import mmap
import sys
from typing import Any, Final

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    ctypes = None  # type: ignore[assignment]

__all__ = ["are_there", "is_resident", "map_file", "send_file", "unmap_file", "write"]

_PROT_READ: Final = 1
_MAP_SHARED: Final = 1
_FAILED: Final = 2**64 - 1


def _open_library() -> Any:
    if ctypes is None or not sys.platform.startswith("linux") or sys.maxsize < 2**63 - 1:
        return None
    library = ctypes.PyDLL(None)
    library.write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
    library.sendfile.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int64), ctypes.c_size_t)
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_int64)
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    library.write.restype = library.sendfile.restype = ctypes.c_ssize_t
    library.mmap.restype = ctypes.c_size_t
    return library


_library: Final = _open_library()

are_there: Final = _library is not None


def write(fd: int, data: bytes) -> int:
    """Write to a socket that does not block; how many bytes it has taken, 0 too where it fails."""
    taken: int = _library.write(fd, data, len(data))
    return max(0, taken)


def send_file(fd: int, file: int, offset: int, size: int) -> int:
    """Send so much of a file, which should be in the page cache, over a socket that does not block; how many bytes it
    has taken, 0 too where it fails."""
    taken: int = _library.sendfile(fd, file, ctypes.byref(ctypes.c_int64(offset)), size)
    return max(0, taken)


def map_file(fd: int, size: int) -> int | None:
    """The address at which so much of a file is mapped, or `None` where that fails."""
    address: int = _library.mmap(None, size, _PROT_READ, _MAP_SHARED, fd, 0)
    return None if address == _FAILED else address


def unmap_file(address: int, size: int) -> None:
    """Map it no more."""
    _library.munmap(address, size)


def is_resident(address: int, size: int) -> bool:
    """Whether all of these bytes of what is mapped, at least one, are in memory.

    `cachestat(2)` would need no mapping, but counts pages that are only on their way from the disk.
    """
    begin = address - address % mmap.PAGESIZE
    pages = (address + size - 1 - begin) // mmap.PAGESIZE + 1
    found = ctypes.create_string_buffer(pages)
    return _library.mincore(begin, address + size - begin, found) == 0 and found.raw.count(1) == pages
