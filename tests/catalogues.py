"""Catalogues whose rows a test makes, without files behind them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.catalogue_tables import Writer
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.native import NativeReader
from scrollcast.archive.formats.readers import READERS_BY_NAME
from scrollcast.archive.rows import columns_of
from scrollcast.archive.scanner import Summary
from scrollcast.model import Session

_READER = READERS_BY_NAME[NativeReader.name]


def run(catalogue: Catalogue, query: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows that a query gives, whatever it does."""
    return catalogue._database.write(lambda connection: connection.execute(query, values).fetchall())


def put_sessions(catalogue: Catalogue, root: Path, sessions: Sequence[Session], mtime_ns: int = 0) -> None:
    """List these sessions too."""

    def put(connection: sqlite3.Connection) -> None:
        writer = Writer(connection, [root])
        for session in sessions:
            path = root / f"{session.scroll_id}.jsonl"
            source = SessionSource(session.scroll_id, _READER, path, root)
            summary = Summary(source, columns_of(session), "0" * 24, mtime_ns, grows=True, single=True)
            writer.put_summary(summary, str(path).encode())

    catalogue._database.write(put)


def numbers_of(catalogue: Catalogue, sessions: Sequence[Session]) -> set[int]:
    """The numbers by which the catalogue knows these sessions."""
    return {catalogue.entry(session.scroll_id).number for session in sessions}


def contents(catalogue: Catalogue) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a catalogue holds but what depends on the order in which it was found."""
    sessions = (
        "scroll_id, file, reader, path, member, root, fingerprint, mtime_ns, grows, single, gone, settled, title,"
        " (SELECT text FROM names WHERE id = agent), (SELECT text FROM names WHERE id = model),"
        " (SELECT text FROM names WHERE id = project), parent, created_at, updated_at, created_us, count, duration_ms,"
        " has_errors, error, rest"
    )
    return {
        "sessions": run(catalogue, f"SELECT {sessions} FROM sessions ORDER BY scroll_id"),
        "files": run(catalogue, "SELECT * FROM files ORDER BY path"),
        "sources": run(catalogue, "SELECT * FROM sources ORDER BY file, scroll_id"),
        "parts": run(catalogue, "SELECT * FROM parts ORDER BY path, scroll_id"),
        "notes": run(catalogue, "SELECT * FROM notes WHERE name <> 'identity' ORDER BY name"),
    }
