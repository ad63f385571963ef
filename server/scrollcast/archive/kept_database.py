"""Copies out of SQLite databases that a tool may be writing at the same time.

A database is not copied byte for byte: the bytes of one that is being written are no state that ever was, and one with
its log beside it could only be read after it was copied once more. What is copied is what SQLite says stands in it at
one moment:

- of a database that belongs to one session, every page (SQLite's backup), its log included;
- of one that holds many sessions, the rows of one of them, each value as it is, into a small database of the same
  tables. So a session costs what it is large, not what all of them are, and stays when its tool deletes it.

The original is opened as its reader opens it: no file beside it is made or changed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from scrollcast.archive.formats.opencode.database import SQLITE_MAGIC, address_of, wal_of
from scrollcast.archive.kept_bytes import NO_ROOM
from scrollcast.archive.storage import confine, stamp
from scrollcast.errors import ArchiveError

__all__ = ["copy_database", "copy_rows", "is_current", "is_database", "name_for_rows", "written_at"]

_BUSY_SECONDS: Final = 0.5
"""How long to wait for a writer that has locked the whole database."""

_STEP_INSTRUCTIONS: Final = 1_000_000
_MAX_STEPS: Final = 5_000
"""A copy may take so many steps of so many instructions, about a minute: a damaged or hostile file ends some time."""

_SESSION_TABLES: Final = ("session", "session_v2")
_TELLING_PARTS: Final = 16
"""So many parts of the parent are looked at for the call that started a session."""

_SAFE_ID: Final = re.compile(r"[\w-]{1,100}", re.ASCII)
_TYPE: Final = re.compile(r"[\w ]{0,40}", re.ASCII)


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:
        return False


def written_at(path: Path) -> int:
    """When the database or its log was last written, in nanoseconds; 0 where there is none."""
    return max((found.mtime_ns for each in (path, wal_of(path)) if (found := stamp(each)) is not None), default=0)


def name_for_rows(path: Path, own_id: str) -> str | None:
    """The name of a database with one session's rows; `None` for an id that cannot be part of a name."""
    return f"{path.stem}.{own_id}{path.suffix}" if _SAFE_ID.fullmatch(own_id) else None


def copy_database(path: Path, root: Path, target: Path) -> None:
    """Write every page of a database, as it is at one moment, into a new file.

    Raises:
        ArchiveError: it cannot be read, or the copy cannot be written.
    """
    with _in_words(path):
        resolved = confine(path, root)
        copy, address = address_of(resolved, root)
        with (
            closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as original,
            closing(sqlite3.connect(target)) as kept,
        ):
            original.backup(kept)
            # Else whoever reads it would have to make a log beside it.
            kept.execute("PRAGMA journal_mode = DELETE")
        del copy  # had to be there until now


def copy_rows(path: Path, root: Path, own_id: str, target: Path) -> None:
    """Write what a database holds of one session, as it is at one moment, into a new one of the same tables.

    Raises:
        ArchiveError: it cannot be read, has no such session, or the copy cannot be written.
    """
    with _attached(path, root, target) as kept:
        kept.execute("BEGIN")
        found, parent_id = _has_session(kept, own_id), _parent_of(kept, own_id)
        for table in _tables(kept, "original"):
            where = _belongs(kept, table)
            if not where:
                continue
            names = _make_table(kept, table)
            rows = f"INSERT INTO main.{_quoted(table)} ({names}) SELECT {names} FROM original.{_quoted(table)}"
            kept.execute(f"{rows} WHERE {where}", (own_id,))
            if table == "part" and parent_id and "session_id" in _columns(kept, table):
                kept.execute(
                    f"{rows} WHERE session_id = ? AND instr(data, ?) LIMIT {_TELLING_PARTS}", (parent_id, own_id)
                )
        kept.execute("COMMIT")
    if not found:
        raise ArchiveError("the database no longer has this session", str(path))


def is_current(path: Path, root: Path, own_id: str, target: Path) -> bool:
    """Whether a copy made by `copy_rows` has as many rows as the database, and none of an earlier time.

    Of a session that the database no longer has the copy is what there is.

    Raises:
        ArchiveError: one of them cannot be read.
    """
    with _attached(path, root, target) as kept:
        if not _has_session(kept, own_id):
            return True
        for table in _tables(kept, "original"):
            where, columns = _belongs(kept, table), _columns(kept, table)
            if not where:
                continue
            if "time_updated" not in columns:
                return False
            query = f"SELECT count(*), max(time_updated) FROM {{}}.{_quoted(table)} WHERE {where}"
            now = kept.execute(query.format("original"), (own_id,)).fetchone()
            if now != kept.execute(query.format("main"), (own_id,)).fetchone():
                return False
    return True


# ------------------------------------------------------------------------------------------------------------ inside


@contextmanager
def _attached(path: Path, root: Path, target: Path) -> Iterator[sqlite3.Connection]:
    """The copy as `main`, with the original beside it as `original`."""
    with _in_words(path):
        copy, address = address_of(confine(path, root), root)
        uri = f"{target.absolute().as_uri()}?mode=rwc"
        with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as kept:
            _bound(kept)
            kept.execute("PRAGMA trusted_schema = OFF")
            kept.execute("PRAGMA synchronous = OFF")  # whoever asked for the copy writes it through when it is done
            kept.execute("ATTACH ? AS original", (address,))
            yield kept
        del copy  # had to be there until now


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as problem:
        text = str(problem)
        reason = "the database of this session cannot be copied"
        if "locked" in text or "busy" in text:
            reason = "the database is locked by another program; try again when it is done"
        elif "full" in text:
            reason = NO_ROOM
        raise ArchiveError(reason, f"{path}: {problem}") from problem


def _bound(connection: sqlite3.Connection) -> None:
    steps = 0

    def step() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MAX_STEPS

    connection.set_progress_handler(step, _STEP_INSTRUCTIONS)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _tables(connection: sqlite3.Connection, database: str) -> list[str]:
    """The ordinary tables, in a steady order."""
    query = f"SELECT name FROM {database}.sqlite_master WHERE type = 'table' AND rootpage > 0"
    return sorted(name for (name,) in connection.execute(query) if not name.startswith("sqlite_"))


def _columns(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    """The stored columns of an original's table with their types."""
    rows = connection.execute(f"PRAGMA original.table_info({_quoted(table)})")
    return {row[1]: row[2] if _TYPE.fullmatch(row[2]) else "" for row in rows}


def _belongs(connection: sqlite3.Connection, table: str) -> str:
    """What is true of the rows that are one session's, its id being the only parameter; `""` where no row is."""
    columns = _columns(connection, table)
    if table in _SESSION_TABLES and "id" in columns:
        return "id = ?"
    if "session_id" in columns:
        return "session_id = ?"
    if "message_id" in columns and "session_id" in _columns(connection, "message"):
        return "message_id IN (SELECT id FROM original.message WHERE session_id = ?)"
    return ""


def _make_table(connection: sqlite3.Connection, table: str) -> str:
    """Make the same table in the copy, without its rules; gives the names of its columns."""
    columns = _columns(connection, table)
    described = ", ".join(f"{_quoted(name)} {kind}".strip() for name, kind in columns.items())
    connection.execute(f"CREATE TABLE main.{_quoted(table)} ({described})")
    if "message_id" in columns:  # by which the reader asks
        connection.execute(f"CREATE INDEX main.{_quoted(table + '_message')} ON {_quoted(table)} (message_id)")
    return ", ".join(map(_quoted, columns))


def _has_session(connection: sqlite3.Connection, own_id: str) -> bool:
    queries = (
        f"SELECT 1 FROM original.{_quoted(table)} WHERE id = ?"
        for table in _SESSION_TABLES
        if "id" in _columns(connection, table)
    )
    return any(connection.execute(query, (own_id,)).fetchone() for query in queries)


def _parent_of(connection: sqlite3.Connection, own_id: str) -> str | None:
    for table in _SESSION_TABLES:
        if {"id", "parent_id"} <= _columns(connection, table).keys():
            query = f"SELECT parent_id FROM original.{_quoted(table)} WHERE id = ?"
            for (found,) in connection.execute(query, (own_id,)):
                return found if isinstance(found, str) and found else None
    return None
