"""Links that share a session, kept in SQLite: who may see what, until when.

A signed link would need no table, but could not be taken back without one; so the table is all there is. It holds a
digest of each link's secret and not the secret, so that a copy of the file opens nothing, and it is the one truth for
every worker and for the command.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from scrollcast.access.grant import Access
from scrollcast.access.secrets import CODE, SHARE, digest_of, make_secret
from scrollcast.errors import ArchiveError, BadRequest
from scrollcast.model import Span

__all__ = ["DEFAULT_SECONDS", "ENDED", "MAX_SECONDS", "Share", "Shares", "share_url"]

DEFAULT_SECONDS: Final = 7 * 24 * 3600
MAX_SECONDS: Final = 366 * 24 * 3600
"""A link that nobody remembers does not stay open for ever."""

CODE_SECONDS: Final = 24 * 3600
"""So long the link that the server prints can be opened, once."""

ENDED: Final = "this link has expired or was withdrawn; ask for a new one"
"""What whoever uses a link is told that opens nothing any more."""

KEPT_SECONDS: Final = 90 * 24 * 3600
"""So long it can be seen that a share has ended."""

MAX_SHARES: Final = 10_000

BUSY_SECONDS: Final = 5.0

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS shares (id TEXT PRIMARY KEY, digest BLOB UNIQUE NOT NULL, scroll_id TEXT NOT NULL, "
    "from_ms INTEGER, to_ms INTEGER, redact INTEGER NOT NULL, created_at INTEGER NOT NULL, "
    "expires_at INTEGER NOT NULL, revoked_at INTEGER)",
    "CREATE TABLE IF NOT EXISTS codes (digest BLOB PRIMARY KEY, expires_at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_WRITING: Final = "BEGIN IMMEDIATE"
_COLUMNS: Final = "id, scroll_id, from_ms, to_ms, redact, created_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class Share:
    """One link: what it shows, and how long. Times are whole seconds since the epoch."""

    id: str
    scroll_id: UUID
    span: Span
    redact: bool
    created_at: int
    expires_at: int
    revoked_at: int | None

    def holds(self, now: float) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and now < self.expires_at

    @property
    def access(self) -> Access:
        """What it allows."""
        return Access(self.scroll_id, self.span, self.redact, self.expires_at, self.id)


def share_url(root: str, share: Share, secret: str) -> str:
    """The link, on a server that is at `root`. What stands behind `#` is sent to no server and written into no log."""
    return f"{root}sessions/{share.scroll_id}#share={secret}"


class Shares:
    """The table. Its methods block, may be called from any thread and process, and raise `ArchiveError` where the file
    cannot be used. `clock` gives seconds since the epoch."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    # ------------------------------------------------------------------------------------------------------- shares

    def make(self, scroll_id: UUID, span: Span, *, redact: bool, seconds: int) -> tuple[Share, str]:
        """A new share, and its secret, which is told this once.

        Raises:
            BadRequest: it would end too late or at once, its span ends before it begins, or there are too many.
        """
        if not 0 < seconds <= MAX_SECONDS:
            raise BadRequest("expires", f"must be from 1 s to {MAX_SECONDS // 86_400} days")
        if span.from_ms is not None and span.to_ms is not None and span.to_ms < span.from_ms:
            raise BadRequest("to", "the range ends before it begins")
        now, secret = int(self._clock()), make_secret(SHARE)
        share = Share(secrets.token_hex(4), scroll_id, span, redact, now, now + seconds, None)
        with self._open(begin=_WRITING) as table:
            table.execute(
                "DELETE FROM shares WHERE min(expires_at, ifnull(revoked_at, expires_at)) < ?", (now - KEPT_SECONDS,)
            )
            (count,) = table.execute("SELECT count(*) FROM shares").fetchone()
            if count >= MAX_SHARES:
                raise BadRequest("session", f"there are {count} shares; withdraw some first")
            values = (share.id, digest_of(secret), str(scroll_id), span.from_ms, span.to_ms, redact, now, now + seconds)
            table.execute("INSERT INTO shares VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)", values)
        return share, secret

    def find(self, secret: str) -> Share | None:
        """The share whose secret this is, even if it has ended; `None` where there is none."""
        if not secret.startswith(SHARE):
            return None
        found = self._select("WHERE digest = ?", digest_of(secret))
        return found[0] if found else None

    def all(self, scroll_id: UUID | None = None) -> list[Share]:
        """Those of a session, or of all, the newest first; ended ones too."""
        where, values = ("WHERE scroll_id = ? ", (str(scroll_id),)) if scroll_id else ("", ())
        return self._select(f"{where}ORDER BY created_at DESC, rowid DESC", *values)

    def revoke(self, share_id: str) -> bool:
        """End a share, now; whether there is one that had not ended."""
        now = int(self._clock())
        with self._open(begin=_WRITING) as table:
            sql = "UPDATE shares SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL AND expires_at > ?"
            return table.execute(sql, (now, share_id, now)).rowcount > 0

    def holding(self, share_ids: Iterable[str]) -> set[str]:
        """Those of these shares that have not ended."""
        wanted, now = set(share_ids), self._clock()
        return {share.id for share in self._select("") if share.id in wanted and share.holds(now)}

    def _select(self, where: str, *values: Any) -> list[Share]:
        with self._open() as table:
            rows = table.execute(f"SELECT {_COLUMNS} FROM shares {where}", values).fetchall()
        return [
            Share(id_, UUID(scroll_id), Span(from_ms, to_ms), bool(redact), created_at, expires_at, revoked_at)
            for id_, scroll_id, from_ms, to_ms, redact, created_at, expires_at, revoked_at in rows
        ]

    # -------------------------------------------------------------------------------------------- links to sign in by

    def make_code(self) -> str:
        """A code that the owner's token can be left out for, once."""
        now, code = int(self._clock()), make_secret(CODE)
        with self._open(begin=_WRITING) as table:
            table.execute("DELETE FROM codes WHERE expires_at <= ?", (now,))
            table.execute("INSERT INTO codes VALUES (?, ?)", (digest_of(code), now + CODE_SECONDS))
        return code

    def use_code(self, code: str) -> bool:
        """Whether a code holds, which it does not any more after this."""
        if not code.startswith(CODE):
            return False
        with self._open(begin=_WRITING) as table:
            sql = "DELETE FROM codes WHERE digest = ? AND expires_at > ?"
            return table.execute(sql, (digest_of(code), int(self._clock()))).rowcount > 0

    # ---------------------------------------------------------------------------------------------------- the server

    def note_address(self, address: str) -> None:
        """Remember where the server is to be had, for links that are made without it."""
        with self._open(begin=_WRITING) as table:
            table.execute("INSERT OR REPLACE INTO facts VALUES ('address', ?)", (address,))

    def address(self) -> str | None:
        """Where the server that asks for a token was last to be had, with a slash at its end."""
        with self._open() as table:
            found = table.execute("SELECT value FROM facts WHERE name = 'address'").fetchone()
        return str(found[0]) if found else None

    # -------------------------------------------------------------------------------------------------------- inside

    @contextmanager
    def _open(self, *, begin: str = "BEGIN") -> Iterator[sqlite3.Connection]:
        """One transaction, which holds when the block is left without an error."""
        try:
            if not self._path.exists():
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as table:
                table.execute("PRAGMA secure_delete = ON")
                table.execute(begin)
                for statement in _SCHEMA:
                    table.execute(statement)
                yield table
                table.execute("COMMIT")
        except (sqlite3.Error, OSError) as problem:
            raise ArchiveError("the shares cannot be read or written", f"{self._path}: {problem}") from problem
