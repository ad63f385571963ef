"""Copies of sessions that stay when the tool that wrote them deletes them (`docs/discovery.md`, Keeping sessions).

The kept folder mirrors where sessions lie, `<format>/<path of the original>`, so that the same reader reads the copy,
finds beside it what it finds beside the original, and gives the session the same id. Files are copied byte for byte
(databases as `kept_database` says), with the time at which they were written: a copy of the same size and time is up to
date, whoever made it. An appended file costs what was appended. Anything else that happens to a file makes a new copy
of it, and the old one stays beside it under a name that no reader looks at.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import UUID

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.opencode.database import SQLITE_MAGIC
from scrollcast.archive.kept_bytes import NO_ROOM, append, continues, copy_whole, make_folders, making, put_in_place
from scrollcast.archive.kept_database import (
    copy_database,
    copy_rows,
    is_current,
    is_database,
    name_for_rows,
    written_at,
)
from scrollcast.archive.kept_files import files_to_keep
from scrollcast.archive.storage import open_confined, stamp
from scrollcast.errors import ArchiveError

if sys.platform != "win32":
    import fcntl

__all__ = ["Keeper", "KeptCopy", "counterparts"]

REST_FACTOR: Final = 20
MIN_REST_SECONDS: Final = 5.0
MAX_REST_SECONDS: Final = 600.0
"""What had to be copied whole is copied anew only after twenty times as long as that took, within these bounds: a file
that is rewritten at every message costs at most a twentieth of one disk."""

_REMEMBERED_RESTS: Final = 4_096

_LOCK_FILE: Final = ".lock"


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """What became of keeping a session.

    `source` is the copy, for the same reader. It has so many `files`, of which `copied_bytes` were written just now.
    `put_off` says that a part of it waits, see `Keeper.catch_up`.
    """

    source: SessionSource
    files: int
    copied_bytes: int
    put_off: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    """What became of keeping one file."""

    copied_bytes: int = 0
    put_off: bool = False


class Keeper:
    """Keeps sessions in a folder. Blocks; safe to use from several threads, and from several processes at once."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder.resolve()  # as the places of sessions are
        self._clock = clock
        self._lock = threading.RLock()
        self._not_before: dict[Path, float] = {}
        self._late: dict[UUID, SessionSource] = {}

    def keep(self, source: SessionSource) -> KeptCopy:
        """Bring the copy of a session up to date. What was not changed is not opened.

        A session whose original is gone stays as it was copied last.

        Raises:
            ArchiveError: the original cannot be read, the copy cannot be written, or there is no room for it.
        """
        if source.path.is_relative_to(self.folder):
            return KeptCopy(source, 0, 0, put_off=False)
        with self._lock:
            self._late.pop(source.scroll_id, None)
            with _in_words(), _locked(self.folder):
                kept = self._keep(source)
            if kept.put_off:
                self._late[source.scroll_id] = source
        return kept

    def catch_up(self) -> list[KeptCopy]:
        """Keep what was put off, as far as its time has come. Costs next to nothing where nothing was.

        Raises:
            ArchiveError: as `keep`; that session is not put off any longer, the others are.
        """
        with self._lock:
            return [self.keep(source) for source in tuple(self._late.values())]

    def copy_of(self, source: SessionSource) -> SessionSource:
        """The session as its copy is, or would be."""
        path = self._target(source, source.path)
        if source.member and (name := name_for_rows(source.path, source.member)):
            rows = path.with_name(name)
            # Without the original only the copy can tell that it was a database.
            if is_database(source.path) or rows.exists():
                path = rows
        return replace(source, path=path, root=self.folder)

    def holds(self, source: SessionSource) -> bool:
        """Whether there is a copy of the session, up to date or not."""
        return self.copy_of(source).path.exists()

    def _target(self, source: SessionSource, path: Path) -> Path:
        return self.folder.joinpath(source.reader.name, *_mirrored(path))

    def _keep(self, source: SessionSource) -> KeptCopy:
        copy = self.copy_of(source)
        if copy.path != self._target(source, source.path):
            done = [self._keep_rows(source, copy.path)]
        else:
            done = [
                self._keep_file(source, path, must_be_readable=not number)
                for number, path in enumerate(files_to_keep(source))
            ]
        if not copy.path.exists():
            raise ArchiveError("a file of this session is missing or unreadable", str(source.path))
        kept = [each for each in done if each is not None]
        return KeptCopy(
            copy, len(kept), sum(each.copied_bytes for each in kept), put_off=any(each.put_off for each in kept)
        )

    # -------------------------------------------------------------------------------------------------------- files

    def _keep_file(self, source: SessionSource, path: Path, *, must_be_readable: bool) -> _Kept | None:
        """Bring the copy of one file up to date; `None` where there is none, or it may not be read."""
        target = self._target(source, path)
        found, known = stamp(path), stamp(target)
        if found is None:
            return None if known is None else _Kept()
        if known is not None and (known.size, known.mtime_ns) == (found.size, found.mtime_ns):
            return _Kept()
        try:
            fd = open_confined(path, source.root)
        except ArchiveError:
            if must_be_readable:
                raise
            return None
        try:
            make_folders(target.parent)
            if os.pread(fd, len(SQLITE_MAGIC), 0) == SQLITE_MAGIC:
                return self._keep_database(path, source.root, target)
            if known is not None and os.fstat(fd).st_size >= known.size and continues(fd, target, known.size):
                return _Kept(append(fd, target, known.size))
            return self._make(target, lambda place: copy_whole(fd, place))
        finally:
            os.close(fd)

    def _make(self, target: Path, copy: Callable[[Path], int]) -> _Kept:
        """Make a copy anew, unless one was made just now."""
        began = self._clock()
        if target.exists() and began < self._not_before.get(target, began):
            return _Kept(put_off=True)
        with making(target) as place:
            copied_bytes = copy(place)
            put_in_place(place, target)
        took = self._clock() - began
        if len(self._not_before) >= _REMEMBERED_RESTS:
            self._not_before = {each: until for each, until in self._not_before.items() if until > began}
        self._not_before[target] = began + took + min(max(MIN_REST_SECONDS, REST_FACTOR * took), MAX_REST_SECONDS)
        return _Kept(copied_bytes)

    # ---------------------------------------------------------------------------------------------------- databases

    def _keep_database(self, path: Path, root: Path, target: Path) -> _Kept:
        """Bring the copy of a database that belongs to the session up to date."""
        at, known = written_at(path), stamp(target)
        if known is not None and known.mtime_ns == at:
            return _Kept()

        def copy(place: Path) -> int:
            copy_database(path, root, place)
            return _finish(place, at)

        return self._make(target, copy)

    def _keep_rows(self, source: SessionSource, target: Path) -> _Kept | None:
        """Bring the copy of a session's rows in a database of many up to date."""
        at, known = written_at(source.path), stamp(target)
        if not at or (known is not None and known.mtime_ns == at):
            return None if known is None else _Kept()
        make_folders(target.parent)
        if known is not None and _is_current(source, target):
            os.utime(target, ns=(at, at))
            return _Kept()

        def copy(place: Path) -> int:
            copy_rows(source.path, source.root, source.member, place)
            return _finish(place, at)

        return self._make(target, copy)


def counterparts(folder: Path, path: Path) -> list[Path]:
    """What is there, in a kept folder, of a file or of what lies in a folder; its links are resolved first."""
    with suppress(OSError), os.scandir(folder) as formats:
        inside = _mirrored(path.resolve())
        copies = [Path(entry.path, *inside) for entry in formats if entry.is_dir(follow_symlinks=False)]
        return sorted(copy for copy in copies if copy.exists())
    return []


def _mirrored(path: Path) -> tuple[str, ...]:
    """Where a copy lies below its format's folder.

    By the whole path: ids are made of folders' names, and two places may hold the same relative one.
    """
    whole = Path(os.path.abspath(path))
    drive = whole.drive.replace(":", "").strip("\\/")
    return (*((drive,) if drive else ()), *whole.parts[1:])


def _is_current(source: SessionSource, target: Path) -> bool:
    try:
        return is_current(source.path, source.root, source.member, target)
    except ArchiveError:  # made by a version with other tables, or damaged
        return False


def _finish(place: Path, at: int) -> int:
    """Write a database that was made through to the disk; gives its size."""
    os.chmod(place, 0o600)
    with place.open("rb+") as file:
        os.fsync(file.fileno())
        os.utime(file.fileno(), ns=(at, at))
        return os.fstat(file.fileno()).st_size


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """No other process keeps anything in the folder meanwhile."""
    make_folders(folder)
    fd = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = NO_ROOM if full else "the copy of this session cannot be written"
        raise ArchiveError(reason, str(problem)) from problem
