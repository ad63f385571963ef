"""Cursor's agent transcripts: `~/.cursor/projects/<folder>/agent-transcripts/<id>/<id>.jsonl`, or `.txt` before.

A transcript holds what was said and called, mostly not what tools gave back, and no times but those in the prompts:
the pace of a replay is made up. The title, the model and the beginning stand in the `store.db` of the chat, where one
lies inside the opened folder; it is read and never written (`docs/formats.md`, Cursor).
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import quote

from scrollcast.archive.formats import Decoder, FormatReader, SessionSource, SniffedFile
from scrollcast.archive.formats.cursor.transcripts import MARK, ROLE_LINE, RowDecoder, TextDecoder
from scrollcast.archive.formats.edge_lines import extent_of_lines
from scrollcast.archive.formats.facts import trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, text_of
from scrollcast.archive.storage import confine, stamp
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import Session, derive_scroll_id

__all__ = ["CursorReader"]

_NAME: Final = "cursor"
_STORE: Final = "store.db"
_FOLDER: Final = "agent-transcripts"

_MAX_CHAT_FOLDERS: Final = 500
"""In so many folders of `~/.cursor/chats` the store of a chat is looked for."""


class CursorReader(FormatReader):
    """Reads agent transcripts, a subagent's own file being a session with a parent."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether its rows have a `role` and a `message`, but no `type`; or it is text in turns of two roles."""
        if file.path.suffix == ".txt":
            return _is_text(file)
        return _has_cursor_rows(file)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session, by the name of the file (or of the folder, where every file is called `transcript`)."""
        return (SessionSource(derive_scroll_id(_NAME, _native_id(file.path)), self, file.path, root),)

    def is_companion(self, path: Path) -> bool:
        """A chat's store, the editor's own state, and a text that was carried over into rows."""
        if _DATABASE.fullmatch(path.name):
            return True
        if path.suffix != ".txt" or _FOLDER not in path.parts:
            return False
        return path.with_suffix(".jsonl").is_file() or (path.with_suffix("") / f"{path.stem}.jsonl").is_file()

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The transcript, and the chat's store where there is one."""
        store = _store_of(source)
        return (source.path,) if store is None else (source.path, store)

    def grows_by_lines(self, source: SessionSource) -> bool:
        """Both shapes do."""
        return True

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder:
        """A decoder of rows, or of the plain text of earlier versions (which has no meta events)."""
        return _decoder(source, meta=meta)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for a transcript of up to 32 KiB; of a larger one the first and the last rows tell."""
        extent = extent_of_lines(_decoder(source, meta=False), source.path, source.root)
        store = _store_facts(source)
        parent_id = _parent_id(source.path)
        folder = _project_folder(source.path)
        created = parse_instant(store.get("createdAt"))
        return Session(
            scroll_id=source.scroll_id,
            title=trim_title(_title(store) or extent.prompt),
            agent="Cursor",
            model=text_of(store.get("lastUsedModel")) or extent.model or None,
            project=_project(folder) or None,
            kind=_NAME,
            native_session_id=_native_id(source.path),
            parent_scroll_id=derive_scroll_id(_NAME, parent_id) if parent_id else None,
            created_at=extent.created_at or (None if created is None else format_instant(created)),
            updated_at=_modified(source.path),
            count=extent.count,
            duration_ms=extent.duration_ms,
            timing="synthetic" if extent.count else "recorded",
            has_errors=extent.has_errors,
            metadata={name: value for name, value in (("project_folder", folder), ("mode", text_of(store.get("mode"))))
                      if value},
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ detection

_DATABASE: Final = re.compile(r"(?:store\.db|state\.vscdb)(?:-wal|-shm|-journal|\.backup)?")
_LARGE_FIRST_ROW: Final = re.compile(
    rb'\s*\{\s*"role"\s*:\s*"(?:user|assistant)"\s*,\s*"message"\s*:\s*\{\s*"content"\s*:'
)
_SNIFFED_ROWS: Final = 64


def _has_cursor_rows(file: SniffedFile) -> bool:
    if not file.lines:
        return file.size > len(file.head) and _LARGE_FIRST_ROW.match(file.head) is not None
    for line in islice(file.lines, _SNIFFED_ROWS):
        row = decode_object(line)
        if row is not None and (verdict := _is_cursor_row(row)) is not None:
            return verdict
    return False


def _is_cursor_row(row: JsonObject) -> bool | None:
    """Whether a row is a message of a transcript, is another tool's, or does not tell."""
    message = row.get("message")
    if row.get("type") == "turn_ended" and "role" not in row:
        return None
    is_message = isinstance(row.get("role"), str) and isinstance(message, dict) and "content" in message
    return is_message and "type" not in row and "sessionId" not in row


def _is_text(file: SniffedFile) -> bool:
    lines = [line.decode("utf-8", "replace").rstrip("\r") for line in file.lines]
    if not lines or not ROLE_LINE.fullmatch(lines[0]):
        return False
    if _FOLDER in file.path.parts:
        return True
    return any(MARK.fullmatch(line) or line.startswith("<user_query>") for line in lines)


# ----------------------------------------------------------------------------------------------------------- names


def _native_id(path: Path) -> str:
    return path.parent.name if path.stem == "transcript" and path.parent.name else path.stem


def _parent_id(path: Path) -> str:
    """The session whose `subagents` a file lies in; `""` for a session of its own."""
    folder = path.parent
    return folder.parent.name if folder.name == "subagents" else ""


def _project_folder(path: Path) -> str:
    """The folder's name under `projects`, which is a path with every `/` and `.` turned into `-`."""
    for folder in path.parents:
        if folder.name == _FOLDER:
            return folder.parent.name if folder.parent.parent.name == "projects" else ""
    return ""


def _project(folder: str) -> str:
    """A name for people: the path without the home folder. Which `-` was a slash can no longer be told."""
    shorter = re.sub(r"-?(?:Users|home|c-Users)-[^-]+-", "", folder, count=1)
    return shorter.strip("-") or folder


# --------------------------------------------------------------------------------------------------------- summary


def _decoder(source: SessionSource, *, meta: bool) -> Decoder:
    return TextDecoder() if source.path.suffix == ".txt" else RowDecoder(meta=meta)


def _modified(path: Path) -> str | None:
    found = stamp(path)
    return None if found is None else format_instant(found.mtime_ns // 1000)


# ----------------------------------------------------------------------------------------------------------- store

_MAX_STEPS: Final = 100_000
"""How much work a database may make: reading one row takes some dozens of SQLite's steps."""

_MAX_NOTE_CHARACTERS: Final = 64 << 10

_UNNAMED: Final = frozenset(("", "new agent", "new chat", "untitled"))


def _store_of(source: SessionSource) -> Path | None:
    """The store of this chat: beside the transcript, or under its id in `chats` beside `projects`."""
    for place in _store_places(source):
        with suppress(OSError):
            if place.is_relative_to(source.root) and place.is_file():
                return place
    return None


def _store_places(source: SessionSource) -> Iterator[Path]:
    yield source.path.parent / _STORE
    projects = next((folder for folder in source.path.parents if folder.name == "projects"), None)
    if projects is None or not projects.is_relative_to(source.root) or projects == source.root:
        return
    with suppress(OSError), os.scandir(projects.parent / "chats") as folders:
        for folder in sorted(entry.path for entry in islice(folders, _MAX_CHAT_FOLDERS)):
            yield Path(folder) / _native_id(source.path) / _STORE


def _store_facts(source: SessionSource) -> JsonObject:
    """What the store says of the chat as a whole; nothing where it cannot be read."""
    store = _store_of(source)
    if store is None:
        return {}
    try:
        note = _read_note(confine(store, source.root))
        return decode_object(bytes.fromhex(note)) or {}
    except (ArchiveError, sqlite3.Error, ValueError, OverflowError):
        return {}


def _read_note(path: Path) -> str:
    """The hexadecimal text of the store's first row. Nothing is written, not even a lock beside the file."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as store:
        store.set_progress_handler(lambda: 1, _MAX_STEPS)
        query = "SELECT CAST(substr(value, 1, ?) AS TEXT) FROM meta WHERE key = '0' LIMIT 1"
        found = store.execute(query, (_MAX_NOTE_CHARACTERS,)).fetchone()
    return found[0] if found and isinstance(found[0], str) else ""


def _title(store: JsonObject) -> str:
    name = text_of(store.get("name")).strip()
    return "" if name.lower() in _UNNAMED else name
