"""OpenCode sessions: its database, the tree of files before it, exports, and the stream of `opencode run`.

`docs/formats.md`, OpenCode. Whatever the store, a session is a list of messages with parts, each part with times of
its own (`messages`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile, decode
from scrollcast.archive.formats.edge_lines import edges_of
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, mapping, text_of
from scrollcast.archive.formats.opencode.database import SQLITE_MAGIC, Database, session_ids, wal_of
from scrollcast.archive.formats.opencode.messages import Conversation, Turn
from scrollcast.archive.formats.opencode.parts import time_of
from scrollcast.archive.formats.opencode.run import RunDecoder, is_run_row
from scrollcast.archive.formats.opencode.stores import (
    Export,
    Store,
    Tree,
    begins_export,
    export_info,
    tree_of,
    tree_sessions,
)
from scrollcast.archive.storage import read_head, read_lines
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import Record, Session, derive_scroll_id

__all__ = ["OpenCodeReader"]

_NAME: Final = "opencode"

_SUMMED_PARTS: Final = 200
_SUMMED_CHARACTERS: Final = 32 << 10
"""A summary reads messages until it has seen so much, in about a millisecond; the rest is estimated."""

_WATCHED_FILES: Final = 8
"""Of a tree the files of so many last messages, and of so many of their parts, tell that it changed."""


class OpenCodeReader(FormatReader):
    """Reads the sessions of OpenCode, a subagent's being a session with a parent."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """By a database's tables, by the rows of the stream, by the beginning of an export, by the place in a tree."""
        if file.head.startswith(SQLITE_MAGIC):
            return _is_database(file)
        return _run_session(file.lines) is not None or _document_info(file) is not None

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """The session files alone, where messages and parts lie in files beside them."""
        if not {"session", "message"} <= set(subfolders):
            return None
        return tree_sessions(folder) or None

    def is_companion(self, path: Path) -> bool:
        """A message or a part in a file of its own, or a database's log."""
        return _COMPANION.fullmatch(path.name) is not None

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """Each session of a database, by its id; or the one in the file, by the id inside."""
        if file.head.startswith(SQLITE_MAGIC):
            return tuple(
                SessionSource(derive_scroll_id(_NAME, own_id), self, file.path, root, own_id)
                for own_id in session_ids(file.path, root)
            )
        own_id = _run_session(file.lines) or text_of((_document_info(file) or {}).get("id")) or file.path.stem
        return (SessionSource(derive_scroll_id(_NAME, own_id), self, file.path, root),)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file itself, and what grows beside it: a database's log, the newest messages of a tree."""
        if source.member:
            return (source.path, wal_of(source.path))
        if tree_of(source.path) is None:
            return (source.path,)
        try:
            return (source.path, *Tree(source).latest_files(_WATCHED_FILES))
        except ArchiveError:
            return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """From the session's own facts and its first messages; the rest of a large one is estimated."""
        decoder = self.decoder(source, meta=False)
        if decoder is None:
            store = _store(source)
            with store.open():
                return _summarise_store(source, store)
        return _summarise_run(source, decoder)

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """For the stream alone."""
        if source.member or tree_of(source.path) is not None:
            return None
        return RunDecoder(meta=meta) if _is_stream(source) else None

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """A record a moment: thoughts, texts and calls as they were completed or begun, results as they came."""
        decoder = self.decoder(source, meta=meta)
        if decoder is not None:
            yield from decode(decoder, read_lines(source.path, source.root))
            return
        store = _store(source)
        with store.open():
            talk = Conversation(meta=meta, revert=store.info().get("revert"))
            for turn in store.turns():
                yield from talk.read(turn)


def _store(source: SessionSource) -> Store:
    if source.member:
        return Database(source)
    return Export(source) if tree_of(source.path) is None else Tree(source)


# ------------------------------------------------------------------------------------------------------ detection

_COMPANION: Final = re.compile(r"(?:msg|prt)_[\w.-]+\.json|opencode[\w.-]*\.db-(?:wal|shm)", re.ASCII)
_DATABASE_NAME: Final = re.compile(r"opencode[\w.-]*\.db", re.ASCII)
_TABLE: Final = re.compile(rb'CREATE TABLE\s+[`"\[]?(\w+)', re.IGNORECASE)
_TABLES: Final = (
    frozenset((b"session", b"message", b"part")),
    frozenset((b"session", b"session_message")),
    frozenset((b"session_v2", b"session_message")),
)


def _is_database(file: SniffedFile) -> bool:
    """By the tables whose definitions are near the beginning; else by its name, since they may all be in the log."""
    tables = set(_TABLE.findall(file.head))
    if any(known <= tables for known in _TABLES):
        return b"time_created" in file.head
    return _DATABASE_NAME.fullmatch(file.path.name) is not None and b"cursorDiskKV" not in tables


_EXPORT_STARTS: Final = (b'{"info"', b'{"data"')
"""An export that is one line of many MiB is not decoded to see that it is no stream."""


def _run_session(lines: Iterable[bytes]) -> str | None:
    """The session that the rows of a stream are of; `None` where they are of another format."""
    for line in lines:
        if line.startswith(_EXPORT_STARTS):
            return None
        # Most lines of a printed document are no rows, which costs less to see than to have them fail to decode.
        row = decode_object(line) if line.startswith(b"{") and line.rstrip().endswith(b"}") else None
        if row is None:
            continue
        if is_run_row(row) and not {"part", "error"}.isdisjoint(row):
            return str(row["sessionID"])
        if "sessionID" not in row:
            return None
    return None


def _document_info(file: SniffedFile) -> JsonObject | None:
    """The session's info in an export or in a file of a tree."""
    if tree_of(file.path) is not None:
        return _tree_info(file)
    return export_info(file.head, whole=file.size <= len(file.head))


def _tree_info(file: SniffedFile) -> JsonObject | None:
    info = decode_object(file.head)
    if info is None:  # a broken one is listed, with what is wrong
        return {} if file.path.name.startswith("ses_") else None
    return info if isinstance(info.get("id"), str) and isinstance(info.get("time"), dict) else None


def _is_stream(source: SessionSource) -> bool:
    """Whether a file that is ours is a stream, if need be by its name: its first line may still have to come."""
    head = read_head(source.path, source.root)
    if begins_export(head):
        return False
    return source.path.suffix == ".jsonl" or not head.strip() or _run_session(head.split(b"\n", 256)[:256]) is not None


# -------------------------------------------------------------------------------------------------------- summary

_PLACEHOLDER: Final = re.compile(r"(?:New session|Child session) - \d{4}-\d{2}-\d{2}T.*")
"""The title of a session that was not named yet."""


def _summarise_store(source: SessionSource, store: Store) -> Session:
    info = store.info()
    extent, whole, seen = _sum_up(info, store)
    if not whole:
        extent.count = max(extent.count, extent.count * store.count() // max(1, seen))
        latest = parse_instant(store.latest())
        extent.last = max(latest, extent.last or 0) if latest is not None else extent.last
    times = info.get("time")
    created, updated = (parse_instant(time_of(times, name)) for name in ("created", "updated"))
    own_id = text_of(info.get("id")) or source.path.stem
    parent_id = text_of(info.get("parentID"))
    parent_id = "" if parent_id == own_id else parent_id
    return _session(
        source,
        own_id,
        extent,
        title=_title(info, extent),
        model=extent.model or _session_model(info),
        parent_scroll_id=derive_scroll_id(_NAME, parent_id) if parent_id else None,
        parent_call_id=store.parent_call_id(parent_id) if parent_id else None,
        created_at=extent.created_at if created is None else format_instant(created),
        updated_at=extent.updated_at if updated is None else format_instant(updated),
        project=project_of(text_of(info.get("directory"))),
        metadata=_metadata(info),
    )


def _sum_up(info: JsonObject, store: Store) -> tuple[Extent, bool, int]:
    """The extent of the first messages, whether they are all, and how many they are."""
    extent, talk = Extent(), Conversation(meta=False, revert=info.get("revert"))
    seen = parts = characters = 0
    for turn in store.turns():
        if parts > _SUMMED_PARTS or characters > _SUMMED_CHARACTERS:
            return extent, False, seen
        for item in talk.read(turn):
            extent.note(item)
        seen += 1
        parts += 1 + (len(turn.parts) if turn else 0)
        characters += _characters(turn)
    return extent, True, seen


def _characters(turn: Turn | None) -> int:
    """About how much text there is in a message."""
    parts = [mapping(part) for part in (turn.parts if turn else ())]
    texts = [part.get("text") or mapping(part.get("state")).get("output") or part.get("url") for part in parts]
    return sum(len(text) for text in texts if isinstance(text, str))


def _title(info: JsonObject, extent: Extent) -> str:
    title = text_of(info.get("title"))
    return trim_title(extent.prompt or title if _PLACEHOLDER.fullmatch(title) else title or extent.prompt)


def _session_model(info: JsonObject) -> str:
    model = mapping(info.get("model"))
    return text_of(model.get("id")) or text_of(model.get("modelID"))


_KEPT_FACTS: Final = {
    "directory": "cwd", "version": "version", "projectID": "project_id", "slug": "slug", "agent": "agent_mode",
}  # fmt: skip


def _metadata(info: JsonObject) -> JsonObject:
    known = {name: text_of(info.get(field)) for field, name in _KEPT_FACTS.items()}
    return {name: value for name, value in known.items() if value}


def _session(source: SessionSource, own_id: str, extent: Extent, **facts: Any) -> Session:
    facts = {"created_at": extent.created_at, "updated_at": extent.updated_at, **facts}
    facts["model"] = facts.get("model") or None
    return Session(
        source.scroll_id,
        agent="OpenCode",
        kind=_NAME,
        native_session_id=own_id,
        count=extent.count,
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        **facts,
    )


def _summarise_run(source: SessionSource, decoder: Decoder) -> Session:
    """A stream holds nothing but events: all of a small one, both ends of a large one."""
    edges = edges_of(source.path, source.root)
    items = list(decode(decoder, edges.lines))
    extent = Extent.of(items)
    extent.count = edges.scale(extent.count)
    parts = (part for item in items if isinstance(item, Record) for part in item.content)
    said = next((part["text"] for part in parts if part["type"] == "text"), "")
    own_id = _run_session(read_head(source.path, source.root).split(b"\n", 256)[:256]) or source.path.stem
    return _session(source, own_id, extent, title=trim_title(extent.prompt or said), model=extent.model)
