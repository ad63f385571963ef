"""The catalogue's tables, and how what was found in files gets into them.

`files` are the candidates as they were when they were looked at, `sources` the sessions that each holds. `sessions` are
the ones that are listed: one a `scroll_id`, by one of its sources.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from scrollcast._version import __version__
from scrollcast.archive.cache import INDEX_VERSION, Fingerprint
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats import readers as formats
from scrollcast.archive.rows import from_bytes, to_bytes
from scrollcast.archive.scanner import Finding, Outcome, Summary, summarise
from scrollcast.archive.storage import FileStamp

__all__ = ["SCHEMA", "Stored", "Writer", "catalogue_version", "exact_figures", "note", "noted", "stored_stamp"]

TABLES_VERSION: Final = 1
"""Grows whenever the tables change."""

_FILTERED: Final = "agent, project, model, has_errors, created_us"
"""What each index of `sessions` holds beside its own column, so that a list is cut out of it alone."""

SCHEMA: Final = (
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE names (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    """CREATE TABLE files (
        path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
        outcome TEXT NOT NULL, told INTEGER NOT NULL, why TEXT NOT NULL, types TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX files_told ON files(told) WHERE told = 1",
    """CREATE TABLE sources (
        file BLOB NOT NULL, scroll_id BLOB NOT NULL, reader TEXT NOT NULL, path BLOB NOT NULL, member TEXT NOT NULL,
        root INTEGER NOT NULL, PRIMARY KEY (file, scroll_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX sources_by_id ON sources(scroll_id)",
    "CREATE INDEX sources_by_path ON sources(path) WHERE path <> file",
    "CREATE TABLE parts (path BLOB, scroll_id BLOB, PRIMARY KEY (path, scroll_id)) WITHOUT ROWID",
    "CREATE INDEX parts_by_id ON parts(scroll_id)",
    """CREATE TABLE sessions (
        number INTEGER PRIMARY KEY AUTOINCREMENT, scroll_id BLOB NOT NULL UNIQUE,
        file BLOB NOT NULL, reader TEXT NOT NULL, path BLOB NOT NULL, member TEXT NOT NULL, root INTEGER NOT NULL,
        fingerprint TEXT NOT NULL, mtime_ns INTEGER NOT NULL, grows INTEGER NOT NULL, single INTEGER NOT NULL,
        gone INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0,
        title TEXT NOT NULL, title_key TEXT NOT NULL, agent INTEGER, model INTEGER, project INTEGER, parent BLOB,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL, created_us INTEGER, count INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL, has_errors INTEGER NOT NULL, error TEXT, rest TEXT NOT NULL,
        exact_fingerprint TEXT, exact_count INTEGER, exact_duration_ms INTEGER, exact_errors INTEGER
    )""",
    f"CREATE INDEX sessions_by_created_at ON sessions(created_at, scroll_id, {_FILTERED})",
    f"CREATE INDEX sessions_by_updated_at ON sessions(updated_at, scroll_id, {_FILTERED})",
    f"CREATE INDEX sessions_by_title ON sessions(title_key, scroll_id, {_FILTERED})",
    f"CREATE INDEX sessions_by_duration_ms ON sessions(duration_ms, scroll_id, {_FILTERED})",
    f"CREATE INDEX sessions_by_count ON sessions(count, scroll_id, {_FILTERED})",
    "CREATE INDEX sessions_by_agent ON sessions(agent, project, model, has_errors, created_us)",
    "CREATE INDEX sessions_by_project ON sessions(project, agent, model, has_errors, created_us)",
    "CREATE INDEX sessions_by_model ON sessions(model, agent, project, has_errors, created_us)",
    "CREATE INDEX sessions_by_errors ON sessions(has_errors, agent, project, model, created_us)",
    "CREATE INDEX sessions_by_created_us ON sessions(created_us, agent, project, model, has_errors)",
    "CREATE INDEX sessions_by_parent ON sessions(parent) WHERE parent IS NOT NULL",
    "CREATE INDEX sessions_growing ON sessions(mtime_ns) WHERE grows = 1 AND gone = 0",
    "CREATE INDEX sessions_of_many_files ON sessions(number) WHERE single = 0 AND gone = 0",
    "CREATE INDEX sessions_unsettled ON sessions(number) WHERE settled = 0",
    "INSERT INTO notes VALUES ('identity', lower(hex(randomblob(16))))",
)
"""`exact_…` are what an index counted in the files of `exact_fingerprint`; they stand in `count`, `duration_ms` and
`has_errors` as long as that is the session's fingerprint. `settled` sessions were listed when a scan ended, so that
another file of the same id does not take their place."""

_MAX_INTEGER: Final = 2**63 - 1


def catalogue_version() -> int:
    """A number that is another one whenever what a catalogue holds could be another, for `PRAGMA user_version`."""
    made_by = (TABLES_VERSION, INDEX_VERSION, __version__, [reader.name for reader in formats.READERS])
    return int.from_bytes(hashlib.blake2b(repr(made_by).encode(), digest_size=4).digest()) >> 1 or 1


def stored_stamp(stamp: FileStamp) -> tuple[int, int, int]:
    """A file's stamp as it is stored: an inode may have a bit more than SQLite's integers."""
    return stamp.size, stamp.mtime_ns, stamp.inode & _MAX_INTEGER


def note(connection: sqlite3.Connection, **values: Any) -> None:
    """Keep single values."""
    connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", values.items())


def noted(connection: sqlite3.Connection, name: str, default: Any = None) -> Any:
    """A single value that was kept."""
    row = connection.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
    return default if row is None else row[0]


def exact_figures(connection: sqlite3.Connection, scroll_id: UUID) -> tuple[str, int, int, bool | None] | None:
    """What was learnt of a session, and of the files of which fingerprint."""
    query = "SELECT exact_fingerprint, exact_count, exact_duration_ms, exact_errors FROM sessions WHERE scroll_id = ?"
    row: tuple[str, int, int, bool | None] | None
    row = connection.execute(query, (scroll_id.bytes,)).fetchone()
    return row


@dataclass(frozen=True, slots=True)
class Stored:
    """Which source a session is listed by."""

    COLUMNS = "number, file, reader, path, member, root, fingerprint, gone, settled, error"

    number: int
    file: bytes
    reader: str
    path: bytes
    member: str
    root: int
    fingerprint: str
    gone: bool
    settled: bool
    error: str | None

    def source(self, scroll_id: UUID, roots: Sequence[Path]) -> SessionSource:
        """The source. Raises `sqlite3.DatabaseError` where it can be none."""
        try:
            reader, root = formats.READERS_BY_NAME[self.reader], roots[self.root]
            return SessionSource(scroll_id, reader, from_bytes(self.path), root, self.member)
        except (LookupError, TypeError, ValueError) as problem:
            raise sqlite3.DatabaseError(f"a row of the catalogue is damaged: {problem!r}") from problem

    def is_of(self, source: SessionSource) -> bool:
        """Whether it is this source."""
        return (self.reader, self.path, self.member) == (source.reader.name, to_bytes(source.path), source.member)


class Writer:
    """Puts findings into the tables, within one transaction. `changed` collects the sessions whose row it changed.

    `roots` are in order of preference; `vanished` are files that are no longer there, though the tables still have
    them.
    """

    def __init__(self, connection: sqlite3.Connection, roots: Sequence[Path], vanished: Collection[bytes] = ()) -> None:
        self._connection = connection
        self._roots = roots
        self._vanished = vanished
        self._names: dict[str, int] = {}
        self.changed: set[UUID] = set()

    # ------------------------------------------------------------------------------------------------------- files

    def put(self, finding: Finding) -> None:
        """Take what was found in a file in place of what it held before."""
        file = to_bytes(finding.candidate.path)
        before = self._held_by(file)
        now = {summary.source.scroll_id for summary in finding.summaries}
        told = finding.outcome in (Outcome.UNRECOGNISED, Outcome.UNREADABLE)
        stamp, types = stored_stamp(finding.candidate.stamp), orjson.dumps(finding.types).decode()
        row = (file, *stamp, finding.outcome, told, finding.why, types)
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        if before:
            self._connection.execute("DELETE FROM sources WHERE file = ?", (file,))
        for summary in finding.summaries:
            source, path = summary.source, to_bytes(summary.source.path)
            values = (file, source.scroll_id.bytes, source.reader.name, path, source.member, self._root_of(source))
            self._connection.execute("INSERT OR IGNORE INTO sources VALUES (?, ?, ?, ?, ?, ?)", values)
            self.put_summary(summary, file)
        for scroll_id in before - now:
            self._reconsider(scroll_id, file)

    def forget(self, file: bytes) -> None:
        """A file is gone. Its sessions are listed by another one that holds them, or as gone."""
        before = self._held_by(file)
        self._connection.execute("DELETE FROM files WHERE path = ?", (file,))
        self._connection.execute("DELETE FROM sources WHERE file = ?", (file,))
        for scroll_id in before:
            self._reconsider(scroll_id, file)

    def _held_by(self, file: bytes) -> set[UUID]:
        rows = self._connection.execute("SELECT scroll_id FROM sources WHERE file = ?", (file,))
        return {UUID(bytes=scroll_id) for (scroll_id,) in rows}

    def _reconsider(self, scroll_id: UUID, file: bytes) -> None:
        """A file does not hold a session any more: list it by the next best one."""
        known = self.stored(scroll_id)
        if known is None or known.file != file or known.gone:
            return
        others = "SELECT file, reader, path, member, root FROM sources WHERE scroll_id = ? ORDER BY root, file"
        for other, reader, path, member, root in self._connection.execute(others, (scroll_id.bytes,)).fetchall():
            if other not in self._vanished:
                found = Stored(known.number, other, reader, path, member, root, "", False, False, None)
                # Here and now, though it is read: a row must not be left that leads to a file that is gone.
                self._update(known, summarise(found.source(scroll_id, self._roots), str(from_bytes(other))), other)
                return
        self.mark_gone(scroll_id)

    def mark_gone(self, scroll_id: UUID) -> None:
        """List a session as one whose source is gone."""
        self._connection.execute("UPDATE sessions SET gone = 1 WHERE scroll_id = ?", (scroll_id.bytes,))
        self.changed.add(scroll_id)

    def settle(self) -> None:
        """A scan ended: whatever is listed keeps its place."""
        self._connection.execute("UPDATE sessions SET settled = 1 WHERE settled = 0")

    # ---------------------------------------------------------------------------------------------------- sessions

    def stored(self, scroll_id: UUID) -> Stored | None:
        """What a session is listed by."""
        query = f"SELECT {Stored.COLUMNS} FROM sessions WHERE scroll_id = ?"
        row = self._connection.execute(query, (scroll_id.bytes,)).fetchone()
        return None if row is None else Stored(*row)

    def put_summary(self, summary: Summary, file: bytes) -> None:
        """List a session that is in `file`, unless it is listed by another one that is preferred."""
        known = self.stored(summary.source.scroll_id)
        if known is None:
            self._insert(summary, file)
        elif known.gone or self._takes_its_place(summary, file, known):
            self._update(known, summary, file)

    def _takes_its_place(self, summary: Summary, file: bytes, known: Stored) -> bool:
        if known.is_of(summary.source):
            return not self._is_outdated(summary, known)
        return self._is_preferred(summary.source, file, known)

    def _is_preferred(self, source: SessionSource, file: bytes, known: Stored) -> bool:
        if known.file in self._vanished:
            return True
        root = self._root_of(source)
        if root != known.root:
            return root < known.root
        return not known.settled and file < known.file

    def _is_outdated(self, summary: Summary, known: Stored) -> bool:
        """Whether somebody else noted a newer state of the files while these were being read."""
        return known.fingerprint != summary.fingerprint and (Fingerprint.of(summary.source).key == known.fingerprint)

    def _insert(self, summary: Summary, file: bytes) -> None:
        values = self._values(summary, file)
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        scroll_id = summary.source.scroll_id
        self._connection.execute(
            f"INSERT INTO sessions (scroll_id, {names}) VALUES (:scroll_id, {marks})",
            {**values, "scroll_id": scroll_id.bytes},
        )
        self._put_parts(summary)
        self.changed.add(scroll_id)

    def _update(self, known: Stored, summary: Summary, file: bytes) -> None:
        values = self._values(summary, file)
        changes = ", ".join(f"{name} = :{name}" for name in values)
        self._connection.execute(
            f"UPDATE sessions SET gone = 0, {changes} WHERE number = :number", {**values, "number": known.number}
        )
        self._connection.execute("DELETE FROM parts WHERE scroll_id = ?", (summary.source.scroll_id.bytes,))
        self._put_parts(summary)
        self._use_exact(known.number)
        if known.gone or (known.fingerprint, known.error) != (summary.fingerprint, summary.columns["error"]):
            self.changed.add(summary.source.scroll_id)

    def _values(self, summary: Summary, file: bytes) -> dict[str, Any]:
        source, columns = summary.source, summary.columns
        parent = columns["parent"]
        return {
            **columns,
            "agent": self._name(columns["agent"]),
            "model": self._name(columns["model"]),
            "project": self._name(columns["project"]),
            "parent": None if parent is None else bytes.fromhex(parent),
            "file": file,
            "reader": source.reader.name,
            "path": to_bytes(source.path),
            "member": source.member,
            "root": self._root_of(source),
            "fingerprint": summary.fingerprint,
            "mtime_ns": summary.mtime_ns,
            "grows": summary.grows,
            "single": summary.single,
        }

    def _put_parts(self, summary: Summary) -> None:
        rows = [(to_bytes(part), summary.source.scroll_id.bytes) for part in summary.parts]
        self._connection.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?)", rows)

    def _name(self, text: str | None) -> int | None:
        """The number that stands for an agent, model or project: they are few, and long in an index."""
        if text is None:
            return None
        if text not in self._names:
            self._connection.execute("INSERT OR IGNORE INTO names (text) VALUES (?)", (text,))
            row = self._connection.execute("SELECT id FROM names WHERE text = ?", (text,)).fetchone()
            self._names[text] = row[0]
        return self._names[text]

    def _root_of(self, source: SessionSource) -> int:
        return self._roots.index(source.root)

    # ------------------------------------------------------------------------------------------------ exact figures

    def learn(self, scroll_id: UUID, fingerprint: str, count: int, duration_ms: int, has_errors: bool | None) -> None:
        """Keep what an index of the files of this fingerprint knows exactly; `None` where it does not."""
        known = self.stored(scroll_id)
        if known is None:
            return
        self._connection.execute(
            "UPDATE sessions SET exact_fingerprint = ?, exact_count = ?, exact_duration_ms = ?, exact_errors = ?"
            " WHERE number = ?",
            (fingerprint, count, duration_ms, has_errors, known.number),
        )
        self._use_exact(known.number)

    def _use_exact(self, number: int) -> None:
        self._connection.execute(
            "UPDATE sessions SET count = exact_count, duration_ms = exact_duration_ms,"
            " has_errors = coalesce(exact_errors, has_errors)"
            " WHERE number = ? AND exact_fingerprint = fingerprint",
            (number,),
        )
