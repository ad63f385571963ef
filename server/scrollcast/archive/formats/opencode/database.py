"""OpenCode's SQLite database: many sessions in one file, of either generation, read without leaving a trace.

The tables are those of `packages/core/src/session/sql.ts` in anomalyco/opencode: `session`, with `message` and `part`
(1.x) or `session_message` (2.0; where both tell of a session they tell the same, and the older is read).

How it is opened (https://www.sqlite.org/wal.html, section 5): never in a way that would make a file beside it.

- Where there is no `-wal`, `immutable=1`: nobody writes to it, and a reader need not be seen.
- Where there are a `-wal` and a `-shm`, `readonly_shm=1`: the writer's index of the log is looked at, not written to,
  and what is read is one consistent state even while it writes.
- Where there is a `-wal` alone (of a crash, or a copied folder), SQLite would make a `-shm`: then both files are copied
  to a temporary folder and read there, up to `MAX_COPIED_BYTES`.
- A database that keeps no log (`journal_mode=delete`) makes no files for readers: `mode=ro` alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.json_values import JsonObject, mapping, text_of
from scrollcast.archive.formats.opencode.messages import Turn, turns_of
from scrollcast.archive.formats.opencode.stores import Store
from scrollcast.archive.storage import MAX_LINE_BYTES, FileStamp, confine, decode_json, stamp
from scrollcast.errors import ArchiveError

__all__ = ["SQLITE_MAGIC", "Database", "address_of", "session_ids", "wal_of"]

SQLITE_MAGIC: Final = b"SQLite format 3\0"

MAX_COPIED_BYTES: Final = 256 << 20
"""A database of up to this size is copied where it cannot be read in place (256 MiB: a fraction of a second)."""

MAX_SESSIONS: Final = 100_000
"""So many sessions of one database are listed."""

_BUSY_SECONDS: Final = 0.5
"""How long to wait for a writer that has locked the whole database."""

_STEP_INSTRUCTIONS: Final = 1_000_000
_MAX_STEPS: Final = 500
"""A session may take so many steps of so many instructions, some ten seconds; a million parts take a tenth of it."""

_COPY_ATTEMPTS: Final = 3

_Row: TypeAlias = dict[str, Any]


def wal_of(path: Path) -> Path:
    """The write-ahead log beside a database."""
    return path.with_name(path.name + "-wal")


# ----------------------------------------------------------------------------------------------------------- opening


@contextmanager
def _opened(path: Path, root: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading.

    Raises:
        ArchiveError: it cannot be opened, or while it is read turns out to be damaged, locked or no database.
    """
    resolved = confine(path, root)
    copy, address = address_of(resolved, root)
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)) as connection:
            _harden(connection)
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as problem:  # names in a damaged schema may be no UTF-8
        raise ArchiveError(_in_words(problem), f"{path}: {problem}") from problem
    finally:
        del copy  # had to be there until now


def _harden(connection: sqlite3.Connection) -> None:
    """Whatever stands in the file: no function of it runs, no text breaks the reading, no query goes on for ever."""
    connection.text_factory = bytes
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MAX_STEPS

    connection.set_progress_handler(step, _STEP_INSTRUCTIONS)


def _in_words(problem: Exception) -> str:
    text = str(problem)
    if "locked" in text or "busy" in text:
        return "the database is locked by another program; try again when it is done"
    if "malformed" in text or "not a database" in text or "encrypted" in text:
        return "the database is damaged, or no SQLite database"
    return "the database cannot be read"


def address_of(path: Path, root: Path) -> tuple[_Copy | None, str]:
    """How to open a database without leaving a trace, and the copy that has to live as long as it is open.

    `path` has no links in it any more.

    Raises:
        ArchiveError: it cannot be read.
    """
    journal = path.with_name(path.name + "-journal")
    if (found := stamp(journal)) is not None and found.size:
        raise ArchiveError("the database was left in the middle of a change; let the program that wrote it mend it")
    if not _has_log(path):
        return None, _uri(path, "mode=ro")
    wal = wal_of(path)
    if not wal.exists():
        return None, _uri(path, "mode=ro&immutable=1")
    confine(wal, root)
    if path.with_name(path.name + "-shm").exists():
        return None, _uri(path, "mode=ro&readonly_shm=1")
    copy = _copied(path, wal)
    return copy, _uri(copy.path, "mode=ro")


def _uri(path: Path, options: str) -> str:
    return f"file:{quote(os.fsencode(path))}?{options}"


def _has_log(path: Path) -> bool:
    """Whether it is in WAL mode (https://www.sqlite.org/fileformat2.html, 1.3.3)."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError as problem:
        raise ArchiveError("the database cannot be read", str(problem)) from problem
    return head[18:20] == b"\2\2"


class _Copy:
    """A copy of a database and its log, in a temporary folder that goes with it."""

    def __init__(self, path: Path, wal: Path) -> None:
        folder = Path(tempfile.mkdtemp(prefix="scrollcast-"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = folder / "copy.db"
        shutil.copyfile(path, self.path)
        shutil.copyfile(wal, wal_of(self.path))


_Stamps: TypeAlias = tuple[Path, FileStamp | None, FileStamp | None]

_copy_lock = threading.Lock()
_last_copy: tuple[_Stamps, _Copy] | None = None


def _copied(path: Path, wal: Path) -> _Copy:
    """A copy of the state of now, the last one made if it still is that: a database of many sessions is asked often."""
    global _last_copy
    with _copy_lock:
        for _ in range(_COPY_ATTEMPTS):
            before = (path, stamp(path), stamp(wal))
            if _last_copy is not None and _last_copy[0] == before:
                return _last_copy[1]
            _last_copy = None
            copy = _copy_of(path, wal, before)
            if (path, stamp(path), stamp(wal)) == before:
                _last_copy = (before, copy)
                return copy
    raise ArchiveError("the database is being written; try again when that is done")


def _copy_of(path: Path, wal: Path, before: _Stamps) -> _Copy:
    if sum(found.size for found in before[1:] if isinstance(found, FileStamp)) > MAX_COPIED_BYTES:
        raise ArchiveError(f"the database has an open log and is larger than {MAX_COPIED_BYTES >> 20} MiB")
    try:
        return _Copy(path, wal)
    except OSError as problem:
        raise ArchiveError("the database cannot be copied to be read", str(problem)) from problem


# ----------------------------------------------------------------------------------------------------------- reading


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The columns of a table, none where there is no such table (a view is none: it could be anything)."""
    is_table = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    if is_table is None:
        return set()
    return {_decoded(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


_SESSION_TABLES: Final = ("session", "session_v2")


def session_ids(path: Path, root: Path) -> list[str]:
    """The ids of the sessions in a database, the oldest first.

    Raises:
        ArchiveError: it cannot be read.
    """
    found: dict[str, None] = {}
    with _opened(path, root) as connection:
        for table in _SESSION_TABLES:
            columns = _columns(connection, table)
            if "id" in columns:
                order = "time_created, id" if "time_created" in columns else "id"
                rows = connection.execute(f"SELECT id FROM {table} ORDER BY {order} LIMIT {MAX_SESSIONS}")
                found.update((own_id, None) for (value,) in rows if isinstance(own_id := _decoded(value), str))
    return [own_id for own_id in found if own_id]


class Database(Store):
    """One session of a database."""

    def __init__(self, source: SessionSource) -> None:
        self._source = source
        self._id = source.member
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """One connection for everything that is asked meanwhile."""
        with _opened(self._source.path, self._source.root) as self._connection:
            yield

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "the store was not opened"
        return self._connection

    def info(self) -> JsonObject:
        """The session's row, under the names that exports have."""
        for table in _SESSION_TABLES:
            if "id" in _columns(self._open, table):
                for row in _rows(self._open, f"SELECT * FROM {table} WHERE id = ?", (self._id,)):
                    return _info_of(row, self._id)
        raise ArchiveError("the database no longer has this session")

    def turns(self) -> Iterator[Turn | None]:
        """Its messages by time and id, from the tables that hold any."""
        for turns in (self._first, self._second, self._orphans):
            some = False
            for turn in turns():
                some = True
                yield turn
            if some:
                return

    def count(self) -> int:
        """The rows of the table that holds any."""
        return int(self._first_found("count(*)") or 0)

    def latest(self) -> object:
        """When the last message was begun."""
        return self._first_found("max(time_created)")

    def _first_found(self, wanted: str) -> Any:
        """A number of the session's messages, of the first table that has it."""
        for table in ("message", "session_message"):
            if {"session_id", "time_created"} <= _columns(self._open, table):
                query = f"SELECT {wanted} FROM {table} WHERE session_id = ?"
                if found := self._open.execute(query, (self._id,)).fetchone()[0]:
                    return found
        return None

    def parent_call_id(self, parent_id: str) -> str | None:
        """Looks for this session's id in the parent's parts."""
        if not {"session_id", "data"} <= _columns(self._open, "part"):
            return None
        query = "SELECT data FROM part WHERE session_id = ? AND instr(data, ?) LIMIT 16"
        for (data,) in self._open.execute(query, (parent_id, self._id)):
            part = mapping(_json(data))
            if mapping(mapping(part.get("state")).get("metadata")).get("sessionId") == self._id:
                return text_of(part.get("callID")) or None
        return None

    def _first(self) -> Iterator[Turn | None]:
        """The messages and parts of 1.x."""
        columns = _columns(self._open, "message")
        if not {"id", "session_id", "data"} <= columns:
            return
        parts = _PartTable(self._open, self._id)
        for row in _rows(self._open, _select("message", columns), (self._id,)):
            data = _json(row["data"])
            if not isinstance(data, dict):
                yield None
                continue
            info = _with_time({**data, "id": row["id"], "sessionID": self._id}, row)
            yield Turn(info, parts.of(row["id"]), info)
        if parts.used:
            yield from parts.orphans()

    def _orphans(self) -> Iterator[Turn | None]:
        """What is left of a session without messages."""
        if "session_id" in _columns(self._open, "message"):
            yield from _PartTable(self._open, self._id).orphans()

    def _second(self) -> Iterator[Turn | None]:
        """The messages of 2.0."""
        columns = _columns(self._open, "session_message")
        if not {"id", "session_id", "type", "data"} <= columns:
            return
        for row in _rows(self._open, _select("session_message", columns), (self._id,)):
            data = _json(row["data"])
            if isinstance(data, dict):
                yield from turns_of(_with_time({**data, "id": row["id"], "type": row["type"]}, row))
            else:
                yield None


class _PartTable:
    """The parts of one session's messages."""

    def __init__(self, connection: sqlite3.Connection, session_id: str) -> None:
        self._connection = connection
        self._session_id = session_id
        self._columns = _columns(connection, "part")
        self.used = False

    def of(self, message_id: Any) -> list[Any]:
        """The parts of one message by their ids."""
        self.used = True
        if not {"id", "message_id", "data"} <= self._columns:
            return []
        query = f"SELECT id, {_BOUNDED_DATA} FROM part WHERE message_id = ? ORDER BY id"
        return [_part(row) for row in _rows(self._connection, query, (message_id,))]

    def orphans(self) -> Iterator[Turn]:
        """The parts whose message is not there, each as an answer."""
        if not {"id", "message_id", "session_id", "data"} <= self._columns:
            return
        query = (
            f"SELECT id, {_BOUNDED_DATA} FROM part WHERE session_id = ?1"
            " AND message_id NOT IN (SELECT id FROM message WHERE session_id = ?1) ORDER BY id"
        )
        for row in _rows(self._connection, query, (self._session_id,)):
            yield Turn({"role": "assistant"}, [_part(row)])


_BOUNDED_DATA: Final = f"CASE WHEN length(data) <= {MAX_LINE_BYTES} THEN data END AS data"
"""What is larger than a line may be is a bad record."""


def _select(table: str, columns: set[str]) -> str:
    """All messages of a session, in the order in which they were sent."""
    named = [name for name in ("id", "type", "time_created") if name in columns]
    order = ", ".join(name for name in ("seq", "time_created", "id") if name in columns)
    return f"SELECT {', '.join(named)}, {_BOUNDED_DATA} FROM {table} WHERE session_id = ? ORDER BY {order}"


def _rows(connection: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> Iterator[_Row]:
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield {name: value if name == "data" else _decoded(value) for name, value in zip(names, row, strict=True)}


def _json(data: Any) -> Any:
    """A JSON column's value, `None` where it is none."""
    try:
        return decode_json(data) if isinstance(data, bytes) else None
    except ValueError:
        return None


def _part(row: _Row) -> Any:
    data = _json(row["data"])
    return {**data, "id": row["id"]} if isinstance(data, dict) else None


def _with_time(info: JsonObject, row: _Row) -> JsonObject:
    """The times of the row where the message does not say them itself."""
    return info if isinstance(info.get("time"), dict) else {**info, "time": {"created": row.get("time_created")}}


_RENAMED: Final = {"project_id": "projectID", "parent_id": "parentID", "workspace_id": "workspaceID"}


def _info_of(row: _Row, own_id: str) -> JsonObject:
    info = {_RENAMED.get(name, name): value for name, value in row.items()}
    info["time"] = {"created": row.get("time_created"), "updated": row.get("time_updated")}
    for name in ("revert", "model"):
        if isinstance(value := row.get(name), str):
            info[name] = _json(value.encode())
    return {**info, "id": own_id}
