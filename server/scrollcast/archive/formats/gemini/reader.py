"""Gemini CLI sessions: `~/.gemini/tmp/<project>/chats/session-<time>-<id>.jsonl`, and `.json` before version 0.40.

The JSONL is a log of changes (`log`); the older shape is one document with a list of messages. Documents that
hold `history`, `role`, `parts` or `ts` in place of the usual names are read too (`docs/formats.md`, Gemini CLI).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.formats import Decoder, FormatReader, Item, Revised, SessionSource, SniffedFile
from scrollcast.archive.formats.edge_lines import edges_of
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.gemini.log import LogDecoder, patch_of
from scrollcast.archive.formats.gemini.messages import Labels, Talk
from scrollcast.archive.formats.gemini.parts import MESSAGE_TYPES, kind_of
from scrollcast.archive.formats.json_values import JsonObject, decode_object, read_object, text_of
from scrollcast.archive.storage import read_head, read_lines, read_whole, stamp
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Record, Session, derive_scroll_id

__all__ = ["GeminiReader"]

_NAME: Final = "gemini"

_EXACT_SUMMARY_BYTES: Final = 32 << 10
"""Up to this size a summary makes the records of every message of a document."""

_EDGE_MESSAGES: Final = 12
"""How many messages of the beginning and of the end of a larger document a summary looks at."""

_MAX_AHEAD_BYTES: Final = 32 << 20
"""Up to this size a log is read once more beforehand, to know what later rows say of earlier messages."""

_MAX_ROOT_BYTES: Final = 4096
"""A `.project_root` holds one path."""


class GeminiReader(FormatReader):
    """Reads the sessions of Gemini CLI, a subagent's own file being a session with a parent."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it is a log with rows that only this tool writes, or a document with messages of its kind."""
        if not file.head.lstrip().startswith(b"{") and file.path.suffix != ".jsonl":
            return False
        if _is_log(file.path, file.head):
            return _has_log_rows(file.lines)
        return _is_document(file)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session, by the id in the file, else by the file's name."""
        native_id = _header_of(file, root).get("sessionId")
        if not isinstance(native_id, str) or not native_id:
            native_id = file.path.stem
        return (SessionSource(derive_scroll_id(_NAME, native_id), self, file.path, root),)

    def is_companion(self, path: Path) -> bool:
        """A list of prompts, a checkpoint, a file set aside; and a document that was carried over into a log."""
        name = path.name
        if _LEFTOVER.search(name):
            return True
        if name == "logs.json" or (name.startswith("checkpoint") and name.endswith(".json")):
            return ".gemini" in path.parts or (path.parent / "chats").is_dir()
        return name.startswith("session-") and name.endswith(".json") and path.with_suffix(".jsonl").is_file()

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file alone."""
        return (source.path,)

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A decoder of the log, told beforehand what the file says now; `None` for a document.

        Raises:
            ArchiveError: the file cannot be read.
        """
        if not _is_log(source.path, read_head(source.path, source.root)):
            return None
        size = _size(source.path)
        if size > _MAX_AHEAD_BYTES:
            return LogDecoder(meta=meta, quiet_bytes=size)
        return LogDecoder(_rows(source), meta=meta)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """The messages in archive order; hidden rows are meta events among them."""
        if _is_log(source.path, read_head(source.path, source.root)):
            return super().records(source, meta=meta)
        document = read_object(source.path, source.root)
        return _document_records(document, _messages_of(document), Talk(meta=meta), meta=meta)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for a file of up to 32 KiB; of a larger one the first and the last messages tell."""
        head = read_head(source.path, source.root)
        facts = _Facts()
        if _is_log(source.path, head):
            _summarise_log(source, facts)
        else:
            _summarise_document(read_object(source.path, source.root), _size(source.path), facts)
        return facts.session(source)


# ------------------------------------------------------------------------------------------------------ detection

_LEFTOVER: Final = re.compile(r"\.(?:unreadable|tmp)-\d+$")
_LIST: Final = re.compile(r'"(messages|history)"\s*:\s*\[')
_LOG_SIGNS: Final = (b'"projectHash"', b'"$set"', b'"$rewindTo"', b'"gemini"')
_METADATA_FIELDS: Final = frozenset(("sessionId", "projectHash", "startTime", "lastUpdated", "summary", "messages",
                                     "directories", "memoryScratchpad"))  # fmt: skip
_PART_FIELDS: Final = frozenset(("text", "inlineData", "fileData", "functionCall", "functionResponse"))
_SNIFFED_MESSAGES: Final = 16


def _is_log(path: Path, head: bytes) -> bool:
    """Whether a file is one of lines: by its name, or because its first line is a whole row and not the only one."""
    if path.suffix == ".jsonl":
        return True
    first, _, rest = head.lstrip().partition(b"\n")
    return bool(rest.strip()) and first.rstrip().endswith(b"}") and decode_object(first) is not None


def _has_log_rows(lines: Iterable[bytes]) -> bool:
    signed = (line for line in lines if any(sign in line for sign in _LOG_SIGNS))
    return any(_is_log_row(row) for line in signed if (row := decode_object(line)) is not None)


def _is_log_row(row: JsonObject) -> bool:
    """Whether a row is one that no other tool writes."""
    match row:
        case {"$set": dict(patch)}:
            return len(row) == 1 and not _METADATA_FIELDS.isdisjoint(patch)
        case {"$rewindTo": str()}:
            return len(row) == 1
        case {"sessionId": str(), "projectHash": str()}:
            return "type" not in row
        case _:
            return row.get("type") == "gemini" and isinstance(row.get("id"), str)


def _is_document(file: SniffedFile) -> bool:
    if b'"messages"' not in file.head and b'"history"' not in file.head:
        return False
    header, messages = _sniff_document(file)
    if isinstance(header.get("info"), dict) or isinstance(header.get("metadata"), dict):
        return False  # OpenCode's export, and our own
    if not messages:
        return isinstance(header.get("projectHash"), str) and isinstance(header.get("messages"), list)
    own = isinstance(header.get("sessionId"), str) or isinstance(header.get("projectHash"), str)
    return any(_is_message(message, own=own) for message in messages)


def _sniff_document(file: SniffedFile) -> tuple[JsonObject, list[Any]]:
    """What stands before the list of messages, or all that stands beside it, and its first items."""
    if file.size <= len(file.head) + 3:  # a byte order mark was taken off
        document = decode_object(file.head) or {}
        return document, _messages_of(document)[:_SNIFFED_MESSAGES]
    text = file.head.decode("utf-8", "replace")
    if not (found := _LIST.search(text)):
        return {}, []
    header = decode_object(f'{text[: found.start()]}"{found[1]}":[]}}'.encode()) or {}
    return header, list(_first_items(text, found.end())) if header else []


def _first_items(text: str, position: int) -> Iterator[Any]:
    """The items of a JSON list that begins at a place, as far as the text goes."""
    decoder = json.JSONDecoder()
    for _ in range(_SNIFFED_MESSAGES):
        position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        try:
            item, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield item


def _is_message(message: Any, *, own: bool) -> bool:
    """Whether an item is a message of this format; `own` says that what stands around it is."""
    if not isinstance(message, dict) or "info" in message or "message_id" in message:
        return False
    kind = message.get("type")
    if kind == "gemini" or (own and isinstance(kind, str) and kind in MESSAGE_TYPES):
        return True
    if message.get("role") in ("user", "model") and isinstance(parts := message.get("parts"), list):
        return all(isinstance(part, dict) and "type" not in part for part in parts) and any(
            not _PART_FIELDS.isdisjoint(part) for part in parts
        )
    return "ts" in message and (message.get("role") == "model" or (own and kind_of(message) in MESSAGE_TYPES))


def _header_of(file: SniffedFile, root: Path) -> JsonObject:
    """What the beginning of a log, or a document around its messages, says of the session."""
    if _is_log(file.path, file.head):
        rows = (decode_object(line) for line in file.lines[:64])
        return next((patch for row in rows if row and (patch := patch_of(row)) and "sessionId" in patch), {})
    header, _ = _sniff_document(file)
    if "sessionId" in header:
        return header
    try:
        return read_object(file.path, root)
    except ArchiveError:  # it is listed with the reason
        return {}


# ---------------------------------------------------------------------------------------------------------- files


def _size(path: Path) -> int:
    found = stamp(path)
    return found.size if found else 0


def _rows(source: SessionSource) -> Iterator[tuple[int, JsonObject]]:
    for line in read_lines(source.path, source.root):
        if line.data is not None and (row := decode_object(line.data)) is not None:
            yield line.number, row


def _messages_of(document: JsonObject) -> list[Any]:
    """The messages: of two lists the first that holds any, for they say the same."""
    lists = [found for name in ("messages", "history") if isinstance(found := document.get(name), list)]
    return next((found for found in lists if found), [])


def _document_records(header: JsonObject, messages: Sequence[Any], talk: Talk, *, meta: bool) -> Iterator[Item]:
    if meta:
        facts = {name: value for name, value in header.items() if name not in ("messages", "history")}
        yield Record("session", header.get("startTime"), kind="session", payload=facts)
    used = {"session"}
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            yield BadRecord(None)
            continue
        record_id = text_of(message.get("id")) or f"message-{number}"
        while record_id in used:
            record_id = f"{record_id}#{number}"
        used.add(record_id)
        yield from talk.records(record_id, message, Labels())


# -------------------------------------------------------------------------------------------------------- summary

_HASH: Final = re.compile(r"[0-9a-f]{16,64}")


@dataclass(slots=True)
class _Facts:
    """What a summary says of a session: what the file says of it as a whole, and what its messages show."""

    header: JsonObject = field(default_factory=dict)
    extent: Extent = field(default_factory=Extent)
    title: str = ""

    def note(self, items: Iterable[Item | Revised]) -> None:
        """Take more of the records."""
        for item in items:
            if isinstance(item, Revised):
                continue
            self.extent.note(item)
            if not self.title and isinstance(item, Record) and item.role == "user":
                self._note_prompt(item)

    def _note_prompt(self, record: Record) -> None:
        text = next((part["text"] for part in record.content if part["type"] == "text"), "")
        if not text.lstrip().startswith(("/", "?")):
            self.title = text

    def session(self, source: SessionSource) -> Session:
        """The summary, after the last record."""
        header, extent = self.header, self.extent
        parent_id = _parent_id(source.path, text_of(header.get("kind")))
        cwd = _cwd(source, header)
        metadata = {
            "cwd": cwd,
            "project_hash": text_of(header.get("projectHash")),
            "session_kind": text_of(header.get("kind")),
        }
        return Session(
            scroll_id=source.scroll_id,
            title=trim_title(text_of(header.get("summary")) or self.title or extent.prompt),
            agent="Gemini CLI",
            model=extent.model or None,
            project=project_of(cwd) or _project_folder(source.path) or None,
            kind=_NAME,
            native_session_id=text_of(header.get("sessionId")) or source.path.stem,
            parent_scroll_id=derive_scroll_id(_NAME, parent_id) if parent_id else None,
            created_at=_time(header, "startTime") or extent.created_at,
            updated_at=max(_time(header, "lastUpdated") or "", extent.updated_at or "") or None,
            count=extent.count,
            duration_ms=extent.duration_ms,
            timing=extent.timing,
            has_errors=extent.has_errors,
            metadata={name: value for name, value in metadata.items() if value},
        )


def _time(row: JsonObject, name: str) -> str | None:
    instant = parse_instant(row.get(name))
    return None if instant is None else format_instant(instant)


def _parent_id(path: Path, kind: str) -> str:
    """The session whose folder in `chats` a subagent's file lies in; `""` for a session of its own."""
    folder = path.parent
    is_child = kind == "subagent" or folder.parent.name == "chats"
    return folder.name if is_child and folder.name not in ("", "chats", path.stem) else ""


def _cwd(source: SessionSource, header: JsonObject) -> str:
    """The folder that was worked in: by the session's own word, else by the note that the tool keeps of it."""
    directories = header.get("directories")
    if isinstance(directories, list) and directories and isinstance(directories[0], str):
        return directories[0]
    for folder in islice(source.path.parents, 3):
        if folder.name == "chats":
            place = folder.parent / ".project_root"
            if place.is_relative_to(source.root) and place.is_file():
                return _read_text(place, source.root)
    return ""


def _read_text(path: Path, root: Path) -> str:
    try:
        return read_whole(path, root, _MAX_ROOT_BYTES).decode("utf-8", "replace").strip()
    except ArchiveError:
        return ""


def _project_folder(path: Path) -> str:
    """The short name of a project, which newer versions give its folder in place of a hash."""
    chats = next((folder for folder in islice(path.parents, 3) if folder.name == "chats"), None)
    name = chats.parent.name if chats else ""
    return "" if _HASH.fullmatch(name) else name


def _summarise_document(document: JsonObject, size: int, facts: _Facts) -> None:
    messages = _messages_of(document)
    facts.header = document
    sample = messages
    if size > _EXACT_SUMMARY_BYTES and len(messages) > 2 * _EDGE_MESSAGES:
        sample = [*messages[:_EDGE_MESSAGES], *messages[-_EDGE_MESSAGES:]]
    facts.note(_document_records(document, sample, Talk(meta=False), meta=False))
    facts.extent.count = facts.extent.count * len(messages) // max(1, len(sample))


def _summarise_log(source: SessionSource, facts: _Facts) -> None:
    edges = edges_of(source.path, source.root)
    rows = [(line, decode_object(line.data)) for line in edges.lines]
    ahead = [(line.number, row) for line, row in rows if row is not None] if edges.is_all else []
    decoder = LogDecoder(ahead, meta=False, quiet_bytes=_size(source.path))
    for line, row in rows:
        if row is not None and (patch := patch_of(row)) is not None:
            facts.header.update((name, value) for name, value in patch.items() if name != "messages")
        facts.note(decoder.feed(line))
    facts.note(decoder.pending())
    facts.extent.count = edges.scale(facts.extent.count)
