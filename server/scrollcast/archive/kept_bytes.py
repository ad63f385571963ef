"""Files copied so that whatever happens, a copy is the old one, the new one, or the beginning of a longer one."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from scrollcast.errors import ArchiveError

__all__ = [
    "MAKING_SUFFIX",
    "NO_ROOM",
    "OLDER_SUFFIX",
    "append",
    "continues",
    "copy_whole",
    "make_folders",
    "making",
    "put_in_place",
]

NO_ROOM: Final = "there is no room for a copy of this session"
"""The reason of every error that says so: whoever keeps many sessions need not try the next one."""

OLDER_SUFFIX: Final = ".older"
"""Ends the name of a copy that was replaced: `<name>.<when its original was written>.older`."""

MAKING_SUFFIX: Final = ".making"
"""Ends the name of a copy that is being made, or that was broken off."""

OLDER_COPIES: Final = 2
"""So many replaced copies of a file stay. One that was followed by a smaller file, in which something may be missing,
stays whatever comes after it."""

CHUNK_BYTES: Final = 1 << 20

WHOLE_CHECK_BYTES: Final = 256 << 10
"""A copy of up to this size is compared whole with the beginning of its original before the rest is appended."""

CHECK_BYTES: Final = 64 << 10
"""Of a larger one so much is compared at its beginning, at its end, and at some places between."""

CHECKED_BETWEEN: Final = 2

RESERVE_BYTES: Final = 256 << 20
"""So much room on the disk is left to others (256 MiB)."""


def continues(fd: int, target: Path, size: int) -> bool:
    """Whether an open file of at least `size` bytes begins with the copy, which has `size`.

    Where the file is no larger than the copy, all of it is compared; else as much as `CHECK_BYTES` says.
    """
    copied = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        places = range(0, size, CHECK_BYTES)
        if size > WHOLE_CHECK_BYTES and os.fstat(fd).st_size > size:
            between = (random.randrange(size) for _ in range(CHECKED_BETWEEN))
            places_to_check = (0, size - CHECK_BYTES, *between)
            return all(_is_same(fd, copied, place, size) for place in places_to_check)
        return all(_is_same(fd, copied, place, size) for place in places)
    finally:
        os.close(copied)


def _is_same(fd: int, other: int, place: int, size: int) -> bool:
    length = min(CHECK_BYTES, size - place)
    return os.pread(fd, length, place) == os.pread(other, length, place)


def append(fd: int, target: Path, start: int) -> int:
    """Write what an open file holds from `start` on behind its copy, with its time; gives the number of bytes."""
    state = os.fstat(fd)
    _place_for(target).unlink(missing_ok=True)  # of an attempt that was broken off
    _make_room(target.parent, state.st_size - start)
    copied = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return _write_through(fd, copied, start, state)
    finally:
        os.close(copied)


def copy_whole(fd: int, place: Path) -> int:
    """Write an open file as it is now, with its time, into a new one; gives the number of bytes."""
    state = os.fstat(fd)
    _make_room(place.parent, state.st_size)
    copied = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        return _write_through(fd, copied, 0, state)
    finally:
        os.close(copied)


def _write_through(fd: int, copied: int, start: int, state: os.stat_result) -> int:
    position = start
    while position < state.st_size and (chunk := os.pread(fd, min(CHUNK_BYTES, state.st_size - position), position)):
        view = memoryview(chunk)
        while view:
            written = os.pwrite(copied, view, position)
            position, view = position + written, view[written:]
    os.fsync(copied)
    if position == state.st_size:  # else it was cut meanwhile, which the next look at it will find
        os.utime(copied, ns=(state.st_atime_ns, state.st_mtime_ns))
    return position - start


def _make_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + RESERVE_BYTES > free:
        raise ArchiveError(NO_ROOM, f"{folder}: {free} bytes free, {size} needed")


# ----------------------------------------------------------------------------------------------------------- places


def make_folders(folder: Path) -> None:
    """Make a folder with those above it, for nobody else to look into."""
    if not folder.is_dir():
        make_folders(folder.parent)
        with suppress(FileExistsError):  # another process was faster
            folder.mkdir(mode=0o700)


@contextmanager
def making(target: Path) -> Iterator[Path]:
    """Where a copy is made that is to be `target`; nothing is left there afterwards."""
    place = _place_for(target)
    place.unlink(missing_ok=True)
    _make_room(target.parent, 0)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)


def _place_for(target: Path) -> Path:
    return target.with_name(target.name + MAKING_SUFFIX)


def put_in_place(place: Path, target: Path) -> None:
    """Let a copy that was made take its place at once; the one that it replaces stays under another name."""
    if target.exists():
        _set_aside(target)
    os.replace(place, target)
    _sync_folder(target.parent)
    _thin(target)


def _set_aside(target: Path) -> None:
    written = datetime.fromtimestamp(target.stat().st_mtime_ns // 1000 / 1e6, UTC)
    for number in range(1000):
        older = target.with_name(f"{target.name}.{written:%Y%m%dT%H%M%S.%f}-{number:03}{OLDER_SUFFIX}")
        try:
            os.link(target, older)
        except FileExistsError:
            continue
        except OSError as problem:
            if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES):
                raise
            os.rename(target, older)  # a file system without links
        return


def _thin(target: Path) -> None:
    """Delete replaced copies that were followed by a larger one, but for the last `OLDER_COPIES`."""
    prefix = target.name + "."
    names = [name for name in os.listdir(target.parent) if name.startswith(prefix) and name.endswith(OLDER_SUFFIX)]
    copies = [*(target.with_name(name) for name in sorted(names)), target]
    sizes = [copy.stat().st_size for copy in copies]
    replaced = [copy for copy, (size, following) in zip(copies, pairwise(sizes), strict=False) if following >= size]
    for copy in replaced[:-OLDER_COPIES]:
        copy.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system lets a folder be opened
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
