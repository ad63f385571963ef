"""How the files of Claude Code belong together: subagents to the call that started them, forks to what they copied.

All of it is found by ids that stand in the rows, in files whose places follow from the session's own. What cannot be
found stays unsaid.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.json_values import JsonObject, decode_object, text_of
from scrollcast.archive.storage import decode_json, open_confined, read_head, read_whole
from scrollcast.archive.timestamps import Instant, parse_instant
from scrollcast.errors import ArchiveError

__all__ = [
    "UUID",
    "Ancestry",
    "call_of_subagent",
    "is_subagent",
    "native_id",
    "parent_id",
    "sidecar",
    "subagents_folder",
]

UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

_MAX_SIDECAR_BYTES: Final = 64 << 10
_CHUNK_BYTES: Final = 1 << 20

_MAX_SEARCHED_BYTES: Final = 8 << 20
"""How much of a parent's file is searched for the call that started a subagent, which takes some 3 ms: of a larger file
what was written from the subagent's first row on."""

_MAX_LOOKS: Final = 32
"""So many rows that name a subagent are looked at: in the older files its own rows do so too."""

_TELLING_CHARACTERS: Final = 7
"""A shorter id may stand in a row by chance."""

_MAX_LINK_ROW_BYTES: Final = 1 << 20
"""A longer row is not looked at."""

_MAX_SIBLINGS: Final = 256
"""So many files beside a background session are looked at for the one that it was forked from."""

_MAX_COPIED_BYTES: Final = 32 << 20
"""How much of that file is searched for the rows that were copied."""


# ------------------------------------------------------------------------------------------------------------ ids


def is_subagent(path: Path) -> bool:
    """Whether a file is a subagent's own."""
    return path.stem.startswith("agent-")


def subagents_folder(path: Path) -> Path | None:
    """The folder `<session>/subagents` that a file lies in, however deep; `None` where it lies elsewhere."""
    return next((parent for parent in path.parents if parent.name == "subagents"), None)


def native_id(path: Path, lines: Iterable[bytes]) -> str:
    """The session's id: the file's name where that is one, else the first in its rows."""
    if UUID.fullmatch(path.stem) or is_subagent(path):
        return path.stem
    return _first_session_id(lines) or path.stem


def _first_session_id(lines: Iterable[bytes]) -> str:
    for line in lines:
        row = decode_object(line) or {}
        for name in ("sessionId", "session_id"):
            if found := text_of(row.get(name)):
                return found
    return ""


def parent_id(source: SessionSource, lines: list[bytes]) -> str:
    """The session that a subagent belongs to, or that a fork was made of; `""` for any other."""
    path = source.path
    if not is_subagent(path):
        found = _forked_from(source, lines)
    elif folder := subagents_folder(path):
        found = folder.parent.name
    else:
        found = _first_session_id(lines)
    return "" if found == path.stem else found


def _forked_from(source: SessionSource, lines: list[bytes]) -> str:
    if not any(sign in line for line in lines for sign in (b'"forkedFrom"', b'"sessionKind"')):
        return ""
    ancestry = Ancestry(source)
    for line in lines:
        row = decode_object(line) or {}
        if isinstance(origin := row.get("forkedFrom"), dict) and (found := text_of(origin.get("sessionId"))):
            return found
        ancestry.add(row)
        if ancestry.parent is not None:
            return ancestry.parent.stem
    return ""


# ------------------------------------------------------------------------------------------------------ subagents


def sidecar(source: SessionSource) -> JsonObject:
    """What stands in the `agent-….meta.json` beside a subagent's file, empty where nothing does."""
    try:
        value = decode_json(read_whole(source.path.with_suffix(".meta.json"), source.root, _MAX_SIDECAR_BYTES))
    except (ArchiveError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def call_of_subagent(source: SessionSource, parent: str, began: str | None) -> str | None:
    """The tool call in the parent's file that started a subagent; `None` where no row there ties the two.

    `began` is when the subagent's first row was written, RFC 3339.

    Of a workflow's agent, whose own id the parent may not know, it is the call that started the workflow.
    """
    folder = subagents_folder(source.path)
    if Path(parent).name != parent:  # an id from a row is not to lead elsewhere
        return None
    path = (folder.parent.parent if folder else source.path.parent) / f"{parent}.jsonl"
    agent_id = source.path.stem.removeprefix("agent-")
    names = [agent_id] if agent_id else []
    if source.path.parent.parent.name == "workflows":
        names.append(source.path.parent.name)
    since = parse_instant(began)
    return next((call_id for name in names if (call_id := _call_naming(path, source.root, name, since))), None)


def _call_naming(path: Path, root: Path, name: str, since: Instant | None) -> str | None:
    """The call that the first row tells which says of itself that it is about this agent."""
    mentioned = None
    for row in _rows_with(path, root, name.encode(), since):
        if call_id := _stated_call(row, name):
            return call_id
        mentioned = mentioned or _only_result(row)
    return mentioned if len(name) >= _TELLING_CHARACTERS else None


_CALL_IN_REPORT: Final = re.compile(r'(?:"tool_use_id"\s*:\s*"|<tool-use-id>)([^"<]+)')


def _stated_call(row: JsonObject, agent_id: str) -> str | None:
    """The call that a row gives as this agent's."""
    match row:
        case {"toolUseResult": {"agentId": str(found)}} if found == agent_id:
            return _only_result(row)
        case {"type": "progress", "parentToolUseID": str(call_id), "data": {"agentId": str(found)}}:
            return call_id if found == agent_id else None
        case {"type": "queue-operation", "content": str(text)}:
            found_call = _CALL_IN_REPORT.search(text)
            return found_call[1] if found_call else None
        case _:
            return None


def _only_result(row: JsonObject) -> str | None:
    """The call that the only tool result of a row answers."""
    message = row.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    match content:
        case [{"type": "tool_result", "tool_use_id": str(call_id)}] if row.get("isSidechain") is not True:
            return call_id
        case _:
            return None


def _rows_with(path: Path, root: Path, needle: bytes, since: Instant | None) -> Iterator[JsonObject]:
    """The first rows of a file that hold these bytes; of a large one the first that were written since then."""
    looks = 0
    for chunk in _whole_line_chunks(path, root, _MAX_SEARCHED_BYTES, since):
        position = chunk.find(needle)
        while position >= 0:
            start = chunk.rfind(b"\n", 0, position) + 1
            end = chunk.find(b"\n", position)
            end = len(chunk) if end < 0 else end
            if end - start <= _MAX_LINK_ROW_BYTES and (row := decode_object(chunk[start:end])) is not None:
                yield row
            if (looks := looks + 1) == _MAX_LOOKS:
                return
            position = chunk.find(needle, end)


def _whole_line_chunks(path: Path, root: Path, limit: int, since: Instant | None = None) -> Iterator[bytes]:
    """`limit` bytes of a file in pieces that end with a line; nothing of one that cannot be read.

    They are the first, or, of a larger file, those that were written since then.
    """
    try:
        fd = open_confined(path, root)
    except (ArchiveError, ValueError):  # ValueError: a NUL in the name
        return
    try:
        size = os.fstat(fd).st_size
        position = 0 if since is None or size <= limit else _offset_of(fd, size, since)
        rest, end_position = b"", position + limit
        while position < end_position and (chunk := os.pread(fd, _CHUNK_BYTES, position)):
            position += len(chunk)
            chunk = rest + chunk
            end = chunk.rfind(b"\n") + 1
            yield chunk[:end]
            rest = chunk[end:]
        yield rest
    finally:
        os.close(fd)


_TIMESTAMP: Final = re.compile(rb'"timestamp"\s*:\s*"([^"\\]{1,40})"')


def _offset_of(fd: int, size: int, since: Instant) -> int:
    """A place in a file of rows in order of time, not behind the first that was written since then, and near to it.

    The first time in a piece is taken for its row's, though a row may hold others.
    """
    start, end = 0, size
    while end - start > _CHUNK_BYTES:
        middle = (start + end) // 2
        written = _first_instant(fd, middle, end)
        if written is not None and written < since:
            start = middle
        else:
            end = middle
    return start


def _first_instant(fd: int, start: int, end: int) -> Instant | None:
    """The first time told from a place on, which may be a good way behind it: a row can be of many megabytes."""
    for place in range(start, end, _CHUNK_BYTES):
        for found in _TIMESTAMP.finditer(os.pread(fd, _CHUNK_BYTES, place)):
            if (instant := parse_instant(found[1].decode("ascii", "replace"))) is not None:
                return instant
    return None


# ---------------------------------------------------------------------------------------------------------- forks


class Ancestry:
    """Which rows of a background session were copied out of the session that it was forked from.

    A background session begins with the whole history of another one, under the old uuids but with its own session
    id, and does not name that other one: it is the file beside it that has the first row too. Nothing is looked up
    before a row says that the session is one of these.
    """

    def __init__(self, source: SessionSource) -> None:
        self.parent: Path | None = None
        """The file that the session was forked from."""
        self._source = source
        self._first = ""
        self._is_background = False
        self._copied: frozenset[int] | None = None

    def is_told_by(self, row: JsonObject) -> bool:
        """Whether `add` would learn anything from a row."""
        return not self._first or (not self._is_background and "sessionKind" in row)

    def add(self, row: JsonObject) -> bool:
        """Take the next row; whether it tells of earlier ones that they were copied."""
        if self._is_background:
            return False
        is_later = bool(self._first)
        self._first = self._first or text_of(row.get("uuid"))
        self._is_background = row.get("sessionKind") == "bg" and bool(self._first)
        if self._is_background:
            self.parent = self._find_parent(self._first.encode())
        return is_later and self.parent is not None

    def has(self, uuid: object) -> bool:
        """Whether the row of this id was copied."""
        if self.parent is None or not isinstance(uuid, str):
            return False
        if self._copied is None:
            self._copied = _uuids(self.parent, self._source.root)
        return hash(uuid) in self._copied

    def _find_parent(self, first: bytes) -> Path | None:
        return next((path for path, head in self._siblings() if first in head and not _BACKGROUND.search(head)), None)

    def _siblings(self) -> Iterator[tuple[Path, bytes]]:
        """The sessions beside this one, each with its beginning."""
        own = self._source.path
        paths = sorted(path for path in own.parent.glob("*.jsonl") if path != own and not is_subagent(path))
        for path in paths[:_MAX_SIBLINGS]:
            try:
                yield path, read_head(path, self._source.root)
            except ArchiveError:
                continue


_BACKGROUND: Final = re.compile(rb'"sessionKind"\s*:\s*"bg"')
_ROW_UUID: Final = re.compile(rb'"uuid"\s*:\s*"([^"\\]{1,64})"')


def _uuids(path: Path, root: Path) -> frozenset[int]:
    """The hashes of the uuids in a file."""
    chunks = _whole_line_chunks(path, root, _MAX_COPIED_BYTES)
    return frozenset(hash(found.decode("utf-8", "replace")) for chunk in chunks for found in _ROW_UUID.findall(chunk))
