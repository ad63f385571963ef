"""A session as a row of the catalogue, and back.

Text is stored as it is, times too (all are UTC to the millisecond, so that their order as text is that in time); paths
are stored as the system's bytes, for a file name need not be text.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from scrollcast.archive.timestamps import parse_instant
from scrollcast.model import Session

__all__ = [
    "GONE",
    "LIVE_SECONDS",
    "SESSION_COLUMNS",
    "columns_of",
    "from_bytes",
    "live_span",
    "session_of",
    "title_key",
    "to_bytes",
]

LIVE_SECONDS: Final = 60.0
"""A session whose file changed within this time is being written. Agents think for less between two records, mostly."""

GONE: Final = "the source file is gone"

MAX_KEY_CHARACTERS: Final = 200
"""So much of a title decides its place."""

MAX_INTEGER: Final = 2**63 - 1

SESSION_COLUMNS: Final = """
    scroll_id, title, (SELECT text FROM names WHERE id = agent), (SELECT text FROM names WHERE id = model),
    (SELECT text FROM names WHERE id = project), parent, created_at, updated_at, count, duration_ms, has_errors, error,
    rest, mtime_ns, grows, gone"""


def columns_of(session: Session) -> dict[str, Any]:
    """The columns that hold a session, as JSON values.

    Raises:
        TypeError, ValueError, AttributeError: a reader made it of what no session is made of.
    """
    created = parse_instant(session.created_at)
    parent = session.parent_scroll_id
    rest = {
        "kind": session.kind,
        "native_session_id": session.native_session_id,
        "connector_uid": session.connector_uid,
        "parent_call_id": session.parent_call_id,
        "timing": session.timing,
        "metadata": session.metadata,
    }
    columns = {
        "title": session.title,
        "title_key": title_key(session.title),
        "agent": session.agent,
        "model": session.model,
        "project": session.project,
        "parent": None if parent is None else parent.hex,
        "created_at": session.created_at or "",
        "updated_at": session.updated_at or "",
        "created_us": created,
        "count": _integer(session.count),
        "duration_ms": _integer(session.duration_ms),
        "has_errors": int(session.has_errors),
        "error": session.error,
        "rest": orjson.dumps(rest).decode(),
    }
    orjson.dumps(columns)  # what cannot be encoded cannot be stored either
    return columns


def title_key(title: str) -> str:
    """What a title's place in the list is decided by."""
    return title[:MAX_KEY_CHARACTERS].casefold()


def _integer(value: int) -> int:
    return max(-MAX_INTEGER, min(MAX_INTEGER, int(value)))


def session_of(row: tuple[Any, ...]) -> Session:
    """The session of `SESSION_COLUMNS`, as it is now.

    Raises:
        sqlite3.DatabaseError: the row is damaged.
    """
    scroll_id, title, agent, model, project, parent, created_at, updated_at, count, duration_ms, *others = row
    has_errors, error, rest, mtime_ns, grows, gone = others
    try:
        known = orjson.loads(rest)
        return Session(
            scroll_id=UUID(bytes=scroll_id),
            title=title,
            agent=agent,
            model=model,
            project=project,
            kind=known["kind"],
            native_session_id=known["native_session_id"],
            connector_uid=None if known["connector_uid"] is None else UUID(known["connector_uid"]),
            parent_scroll_id=None if parent is None else UUID(bytes=parent),
            parent_call_id=known["parent_call_id"],
            created_at=created_at or None,
            updated_at=updated_at or None,
            count=count,
            duration_ms=duration_ms,
            timing=known["timing"],
            live=bool(grows) and not gone and _is_recent(mtime_ns),
            has_errors=bool(has_errors),
            source_gone=bool(gone),
            error=GONE if gone else error,
            metadata=known["metadata"],
        )
    except (ValueError, TypeError, KeyError) as problem:
        raise sqlite3.DatabaseError(f"a row of the catalogue is damaged: {problem!r}") from problem


def live_span() -> tuple[int, int]:
    """The file times, in nanoseconds since 1970, between which a session is live now."""
    now, length = time.time_ns(), round(LIVE_SECONDS * 1e9)
    return now - length, now + length  # a clock that was set back must not make it live for long


def _is_recent(mtime_ns: int) -> bool:
    since, until = live_span()
    return since < mtime_ns < until


def to_bytes(path: str | Path) -> bytes:
    """A path as it is stored."""
    return os.fsencode(path)


def from_bytes(stored: bytes) -> Path:
    """A path that was stored."""
    return Path(os.fsdecode(stored))
