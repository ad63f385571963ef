"""A SQLite file in the cache: made when it is missing, made anew when it is damaged or of another version.

What such a file holds can always be found out again, so nothing in it is worth a refusal. Whoever uses one hears that
it was made anew (`Rebuilt`) and fills it again.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn, TypeVar

from scrollcast.errors import ArchiveError

try:
    import fcntl
except ImportError:  # a system without it has one server a cache, or several that do some work twice
    fcntl = None  # type: ignore[assignment]

__all__ = ["Database", "FileLock", "Rebuilt"]

BUSY_SECONDS: Final = 10.0
"""How long one waits for another's write. Ours take some 50 ms each."""

KEPT_CONNECTIONS: Final = 4
"""Open connections that nobody uses, each with a page cache of up to 2 MB."""

LOCK_POLL_SECONDS: Final = 0.05
"""How often a lock is asked for that another process holds: a file lock cannot be waited for with a bound."""

NO_DAMAGE: Final = frozenset(
    (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_FULL)
)
"""Errors that a new file would not cure."""

OUR_DEFECTS: Final = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError, sqlite3.NotSupportedError)

_T = TypeVar("_T")

log = logging.getLogger(__name__)


class Rebuilt(Exception):
    """The file was made anew, and is empty."""


class FileLock:
    """A lock that one process, and one holder in it, has at a time; it goes with its process. Free where none can be.

    A context manager that lets go of it, if it was had.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def acquire(self, seconds: float = 0.0, given_up: threading.Event | None = None) -> bool:
        """Whether it was had within so many seconds, unless `given_up` is set before."""
        if fcntl is None:
            return True
        given_up = given_up or threading.Event()
        deadline = monotonic() + seconds
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            while not self._try():
                left = deadline - monotonic()
                if left <= 0 or given_up.wait(min(left, LOCK_POLL_SECONDS)):
                    return False
        except OSError as problem:  # a file system without locks
            log.debug("no lock on %s: %s", self._path, problem)
        return True

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Database:
    """A pool of connections to one file. Its methods block and are safe to call from several threads.

    A pool and not a connection a thread: worker threads come and go, and none of them says when it ends. Reads run
    beside each other and beside the one write (WAL); each is one transaction.

    `version` is what the file must have been made with, `schema` the statements that make it.
    """

    def __init__(self, path: Path, version: int, schema: Sequence[str]) -> None:
        self.path = path
        self._version = version
        self._schema = schema
        self._lock = threading.Lock()  # the pool
        self._writing = threading.Lock()  # one write at a time, so that writes of one process need not poll
        self._idle: list[sqlite3.Connection] = []
        self._identity: tuple[int, int] = (0, 0)
        self._generation = 0
        self._closed = False
        self._forget = weakref.finalize(self, _close_all, self._idle)
        with self._lock:
            self._prepare()

    def read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """What `work` makes of one state of the database. It must not write but to temporary tables.

        Raises:
            Rebuilt: it was damaged or gone; it is empty now.
            ArchiveError: it can be neither read nor made anew.
        """
        return self._run("BEGIN", work)

    def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """The same for changes, which are all made or none. Raises as `read`."""
        with self._writing:
            return self._run("BEGIN IMMEDIATE", work)

    def close(self) -> None:
        """Hold nothing open any more. Whoever still asks is answered over a connection of its own."""
        with self._lock:
            self._closed = True
            self._forget()

    # ------------------------------------------------------------------------------------------------ transactions

    def _run(self, begin: str, work: Callable[[sqlite3.Connection], _T]) -> _T:
        connection, generation = self._borrow()
        try:
            connection.execute(begin)
            result = work(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as problem:
            _close(connection)
            self._recover(problem, generation)
        except BaseException:
            _close(connection)  # which takes back what it began
            raise
        self._give_back(connection, generation)
        return result

    def _borrow(self) -> tuple[sqlite3.Connection, int]:
        with self._lock:
            if self._closed:  # answered all the same, as long as there is what to answer from
                if self._is_replaced():
                    raise ArchiveError("the archive is closed")
            elif self._is_replaced() and self._prepare():
                raise Rebuilt
            return (self._idle.pop() if self._idle else self._connect()), self._generation

    def _give_back(self, connection: sqlite3.Connection, generation: int) -> None:
        with self._lock:
            if not self._closed and generation == self._generation and len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append(connection)
                return
        _close(connection)

    def _recover(self, problem: sqlite3.Error, generation: int) -> NoReturn:
        if isinstance(problem, OUR_DEFECTS):
            raise problem
        if not _is_damage(problem):
            raise ArchiveError("the catalogue cannot be read or written", str(problem)) from problem
        log.info("%s is made anew: %s", self.path, problem)
        with self._lock:
            if not self._closed and generation == self._generation:
                self._prepare(damaged=True)
        raise Rebuilt from problem

    # ------------------------------------------------------------------------------------------------------ the file

    def _is_replaced(self) -> bool:
        """Whether another process made the file anew, or somebody deleted it. Then our connections lead nowhere."""
        return _identity_of(self.path) != self._identity

    def _prepare(self, *, damaged: bool = False) -> bool:
        """Have a file of our version. Whether it was made anew. The pool is locked."""
        self._generation += 1
        _close_all(self._idle)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(self.path.with_name("open.lock")) as lock:
                lock.acquire(BUSY_SECONDS)
                # Whoever came before us with the same complaint has a new one already.
                if damaged and not self._is_replaced():
                    _remove(self.path)
                created = self._open_or_create()
        except (OSError, sqlite3.Error) as problem:
            raise ArchiveError("the catalogue cannot be kept in the cache folder", str(problem)) from problem
        self._identity = _identity_of(self.path)
        return created

    def _open_or_create(self) -> bool:
        with suppress(sqlite3.Error):
            if _identity_of(self.path) != (0, 0) and self._is_ours():
                return False
        _remove(self.path)
        self._create()
        return True

    def _is_ours(self) -> bool:
        connection = self._connect()
        try:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] == self._version)
        finally:
            _close(connection)

    def _create(self) -> None:
        connection = self._connect()
        try:
            # There is nothing to lose yet, and each wait for the disk would be felt by whoever opens an archive.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in self._schema:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {self._version}")
            connection.execute("COMMIT")
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            _close(connection)
            raise
        self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA cell_size_check = ON")
        except sqlite3.Error:
            _close(connection)
            raise
        return connection


def _is_damage(problem: sqlite3.Error) -> bool:
    """Whether a new file would cure it."""
    code = getattr(problem, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_ERROR:  # a table that is missing; anything else would be a query of ours
        return str(problem).startswith("no such")
    return code is None or code & 0xFF not in NO_DAMAGE


def _identity_of(path: Path) -> tuple[int, int]:
    """Which file it is: a new one of the same name has another inode. Two zeros where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _remove(path: Path) -> None:
    """With what SQLite keeps beside it: a log that outlives its database would damage the next one."""
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if name.is_dir() and not name.is_symlink():
            shutil.rmtree(name)
        else:
            name.unlink(missing_ok=True)


def _close(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.close()


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        _close(connections.pop())
