"""The file of the search index: its connections, its schema, and what is done when it is damaged."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Final, TypeVar

from scrollcast.errors import ArchiveError

__all__ = ["Damaged", "SearchDatabase"]

FILE_NAME: Final = "search.db"
LOCK_NAME: Final = "search.db-lock"

SCHEMA_VERSION: Final = 2
"""Grows with any change of the tables, of what is searched, of how it is folded or of what a block holds."""

READERS: Final = 4
"""Questions answered at the same time; more of them wait. A thread has no connection of its own: an executor has dozens
of threads, each would keep a page cache, and SQLite does not mind which thread uses a connection, one at a time."""

CACHE_KIB: Final = 8 << 10
"""Each connection's page cache; what does not fit comes out of the system's."""

BUSY_SECONDS: Final = 60.0
"""A writer waits so long for another. A transaction takes about a second, many processes may stand in line."""

CHECKPOINT_PAGES: Final = 4_000
JOURNAL_BYTES: Final = 64 << 20
"""The write-ahead log is written back from 16 MiB on, and cut to this after a larger transaction."""

HASH_BYTES: Final = 64 << 20
"""FTS5 collects a whole transaction in memory before it writes a segment (1 MiB is its default: then most of the time
goes into merging segments)."""

AUTOMERGE: Final = 16
CRISIS_MERGE: Final = 256
"""So many segments of a size are merged bit by bit (default 4), or at once (default 16). With more of them a question
takes slightly longer and indexing is a quarter faster."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Damaged(Exception):
    """Something in the database is not what was written there."""


@dataclass(frozen=True, slots=True)
class _Opened:
    connection: sqlite3.Connection
    inode: int


class SearchDatabase:
    """`search.db` in a folder: made when it is missing, and made anew when it is older or damaged.

    Safe to use from several threads and processes. `available` is false where SQLite has no FTS5, or the folder cannot
    be written; nothing must be asked of it then.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()  # of the two below
        self._idle: list[_Opened] = []
        self._closed = False
        self._places = threading.BoundedSemaphore(READERS)
        self._writing = threading.Lock()
        self._writer: _Opened | None = None
        self.available = _has_fts5() and self._can_be_opened()

    def close(self) -> None:
        """Close every connection that is not in use; the others close when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for opened in idle:
            opened.connection.close()
        with self._writing:
            self._drop_writer()

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` answers about one state of the database.

        Raises:
            ArchiveError: the database cannot be read.
        """
        with self._places:
            return self._attempt(self._read_once, work)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The same for a change, which takes place as a whole or not at all. `work` may be called twice."""
        with self._writing:
            return self._attempt(self._write_once, work)

    # ------------------------------------------------------------------------------------------------- one attempt

    def _attempt(
        self, once: Callable[[Callable[[sqlite3.Connection], T]], T], work: Callable[[sqlite3.Connection], T]
    ) -> T:
        try:
            try:
                return once(work)
            except (Damaged, sqlite3.DatabaseError) as problem:
                if not _is_damage(problem):
                    raise
                log.warning("the search index was damaged and is made anew: %s", problem)
                return once(work)  # the damaged file is gone
        except (Damaged, sqlite3.Error, OSError) as problem:
            raise ArchiveError("the search index cannot be used", repr(problem)) from problem

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        opened = self._take()
        try:
            opened.connection.execute("BEGIN")
            answer = work(opened.connection)
            opened.connection.execute("COMMIT")
        except BaseException as problem:
            opened.connection.close()
            self._discard_if_damaged(opened, problem)
            raise
        self._give_back(opened)
        return answer

    def _write_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise ArchiveError("the server is stopping")
        opened = self._writer
        if opened is None or opened.inode != self._inode():
            self._drop_writer()
            opened = self._writer = self._open()
        try:
            opened.connection.execute("BEGIN IMMEDIATE")
            answer = work(opened.connection)
            opened.connection.execute("UPDATE facts SET value = value + 1 WHERE name = 'generation'")
            opened.connection.execute("COMMIT")
        except BaseException as problem:
            self._drop_writer()  # which rolls back
            self._discard_if_damaged(opened, problem)
            raise
        return answer

    # ------------------------------------------------------------------------------------------------- connections

    def _take(self) -> _Opened:
        inode = self._inode()
        while True:
            with self._lock:
                if self._closed:
                    raise ArchiveError("the server is stopping")
                opened = self._idle.pop() if self._idle else None
            if opened is None:
                return self._open()
            if opened.inode == inode:
                return opened
            opened.connection.close()  # the cache was deleted, or another process made the file anew

    def _give_back(self, opened: _Opened) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(opened)
                return
        opened.connection.close()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.connection.close()
        self._writer = None

    def _inode(self) -> int:
        # It is not given to another file as long as a connection holds this one open.
        try:
            return os.stat(self._path).st_ino
        except OSError:
            return -1

    # ------------------------------------------------------------------------------------------------ making it

    def _can_be_opened(self) -> bool:
        try:
            self._idle.append(self._open())
        except (OSError, sqlite3.Error) as problem:
            log.warning("there is no search: its index cannot be opened: %s", problem)
            return False
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process opens or replaces the file meanwhile. (They may well read and write it.)"""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._path.parent / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _open(self) -> _Opened:
        with self._alone():
            try:
                return self._open_as_it_is()
            except (Damaged, sqlite3.DatabaseError) as problem:
                if not _is_damage(problem):
                    raise
                log.info("the search index is made anew: %s", problem)
                self._delete()
                return self._open_as_it_is()

    def _open_as_it_is(self) -> _Opened:
        connection = sqlite3.connect(self._path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            os.chmod(self._path, 0o600)
            _configure(connection)
            schema = _schema_of(connection)
            if schema is None:
                _create(connection)
            elif schema != SCHEMA_VERSION:
                raise Damaged(f"it is of another version: {schema}")
            return _Opened(connection, self._inode())
        except BaseException:
            connection.close()
            raise

    def _discard_if_damaged(self, opened: _Opened, problem: BaseException) -> None:
        if not _is_damage(problem):
            return
        with self._alone():
            if self._inode() == opened.inode:  # else another process was faster
                self._delete()

    def _delete(self) -> None:
        # Whoever has the old files open goes on with them until the next question.
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)


def _has_fts5() -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5 (text)")
    except sqlite3.OperationalError:
        log.warning("there is no search: this SQLite was built without FTS5")
        return False
    finally:
        connection.close()
    return True


def _is_damage(problem: BaseException) -> bool:
    if isinstance(problem, sqlite3.DatabaseError):
        # Errors that sqlite3 raises itself have no code.
        code = getattr(problem, "sqlite_errorcode", sqlite3.SQLITE_OK)
        return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or code == sqlite3.SQLITE_IOERR_SHORT_READ
    return isinstance(problem, Damaged)


def _configure(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"""
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = NORMAL;
        PRAGMA secure_delete = OFF;
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -{CACHE_KIB};
        PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
        PRAGMA journal_size_limit = {JOURNAL_BYTES};
        """
    )


def _schema_of(connection: sqlite3.Connection) -> int | None:
    """The version that the tables are of, -1 for foreign ones; `None` where there are none."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        return None
    try:
        row = connection.execute("SELECT value FROM facts WHERE name = 'schema'").fetchone()
    except sqlite3.OperationalError:
        return -1
    return row[0] if row and isinstance(row[0], int) else -1


def _create(connection: sqlite3.Connection) -> None:
    # U+001F stands between two texts: a word for FTS5, so that no phrase goes across.
    connection.executescript(
        f"""
        BEGIN IMMEDIATE;
        CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
        CREATE TABLE sessions (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL, epoch TEXT NOT NULL, count INTEGER NOT NULL,
            version INTEGER NOT NULL
        );
        CREATE TABLE blocks (id INTEGER PRIMARY KEY, digest BLOB NOT NULL, data BLOB NOT NULL);
        CREATE VIRTUAL TABLE words USING fts5 (
            text, content = '', columnsize = 0, tokenize = "ascii tokenchars '\x1f'"
        );
        INSERT INTO words (words, rank)
            VALUES ('hashsize', {HASH_BYTES}), ('automerge', {AUTOMERGE}), ('crisismerge', {CRISIS_MERGE});
        INSERT INTO facts VALUES ('schema', {SCHEMA_VERSION}), ('generation', {time_ns()});
        COMMIT;
        """
    )
