"""Chat messages as the chat completions API takes them, in the many containers that programs keep them in.

An array of messages; a wrapper with `messages` and what the model answered; a message or a whole conversation a line
(the latter several sessions a file); trajectories of SWE-agent; conversations of OpenHands, a folder or its events in
one file; logs of gptme.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile, decode
from scrollcast.archive.formats.edge_lines import extent_of_lines
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, row_of, text_of
from scrollcast.archive.formats.openai_chat.documents import Document, holds_conversation, model_of, peek_document
from scrollcast.archive.formats.openai_chat.messages import Talk, content_parts, is_message
from scrollcast.archive.formats.openai_chat.openhands import (
    BASE_STATE,
    EVENT_FILE,
    EVENTS_FOLDER,
    event_files,
    event_records,
    folder_items,
    is_event,
)
from scrollcast.archive.storage import (
    MAX_LINE_BYTES,
    FileStamp,
    Line,
    decode_json,
    open_confined,
    read_head,
    read_lines,
    read_whole,
    stamp,
)
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import Record, Session, derive_scroll_id

__all__ = ["OpenAiChatReader"]

_NAME: Final = "openai-chat"

_EXACT_SUMMARY_BYTES: Final = 32 << 10
"""The records of a larger document are not made to sum it up, only counted."""

_EXACT_EVENT_FILES: Final = 24
"""A folder with more files of events is summarised by the first and the last of them."""

_EDGE_EVENT_FILES: Final = 8

_MAX_CONVERSATIONS: Final = 1000
"""A training set may hold very many; so many of one file are listed."""


class OpenAiChatReader(FormatReader):
    """Reads OpenAI-style conversations, one or several a file."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it holds chat messages by its structure: the first ones, or the fields around them."""
        if file.path.name == BASE_STATE:
            return (file.path.parent / EVENTS_FOLDER).is_dir()
        if file.path.suffix == ".zst" or EVENT_FILE.fullmatch(file.path.name):
            return False
        if _is_document(file.head, file.path):
            return holds_conversation(peek_document(file.head))
        return _line_shape(file.lines) != ""

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """The state alone, in a folder that is a conversation of OpenHands."""
        return [folder / BASE_STATE] if BASE_STATE in names and EVENTS_FOLDER in subfolders else None

    def is_companion(self, path: Path) -> bool:
        """A file of one event, which its conversation's folder is read with; SWE-agent's list of predictions."""
        return EVENT_FILE.fullmatch(path.name) is not None or path.name == "all_preds.jsonl"

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The conversation; of a file with one a line there is a source for each, `member` being the line's number."""
        if file.path.name == BASE_STATE:
            folder = file.path.parent
            return (self._source(text_of(_base_state(folder, root).get("id")) or folder.name, folder, root),)
        if not _is_document(file.head, file.path) and _line_shape(file.lines) == "conversations":
            base = _path_id(file.path)
            return tuple(
                self._source(f"{base}:{number}", file.path, root, str(number)) for number in _places(file.path, root)
            )
        return (self._source(_native_id(file.path, file.head), file.path, root),)

    def _source(self, native_id: str, path: Path, root: Path, member: str = "") -> SessionSource:
        return SessionSource(derive_scroll_id(_NAME, native_id), self, path, root, member)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file alone; of a folder its state and the folder of its events."""
        if source.path.is_dir():
            return (source.path / BASE_STATE, source.path / EVENTS_FOLDER)
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for up to 32 KiB; a larger document is decoded, of other large ones both ends are looked at."""
        if source.path.is_dir():
            return _folder_summary(source)
        head = read_head(source.path, source.root)
        if source.member or _is_document(head, source.path):
            return _document_summary(source, head)
        return _lines_summary(source, head)

    def grows_by_lines(self, source: SessionSource) -> bool:
        """Only where a message or an event is a line."""
        return source.path.suffix == ".jsonl" and not source.member

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A decoder of messages or events, one a line; `None` for every other shape."""
        if source.path.is_dir() or source.member or _is_document(read_head(source.path, source.root), source.path):
            return None
        return _LineDecoder(meta=meta)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """The messages in their order."""
        if source.path.is_dir():
            return folder_items(Talk(meta=meta), event_files(source.path), source.root)
        if source.member or _is_document(read_head(source.path, source.root), source.path):
            value, _size = _document(source)
            return Document.of(value).items(meta=meta)
        return decode(_LineDecoder(meta=meta), read_lines(source.path, source.root))


# ------------------------------------------------------------------------------------------------------ detection

_FLAT_TYPES: Final = frozenset(("tool_call", "tool_result", "error"))
_FOREIGN_FIELDS: Final = ("sessionId", "parentUuid", "jsonrpc", "sessionUpdate", "payload", "parts")


def _is_document(head: bytes, path: Path) -> bool:
    """Whether the file is one JSON value, not one a line."""
    bare = head.lstrip()
    if bare[:1] == b"[":
        return True
    first, _, rest = bare.partition(b"\n")
    if decode_object(first) is not None:
        return not rest.strip() and path.suffix != ".jsonl"
    return bare[:1] == b"{" and not any(decode_object(line) for line in rest.split(b"\n", 8)[:8])


def _line_shape(lines: Iterable[bytes]) -> str:
    """`messages`, `events` or `conversations`, whichever stands on each line; `""` where it is something else."""
    shape = ""
    for line in lines:
        row = decode_object(line)
        if row is None:
            continue
        found = _row_shape(row)
        if found == "foreign" or (shape and found and found != shape):
            return ""
        shape = shape or found
    return shape


def _row_shape(row: JsonObject) -> str:
    """What stands on a line, `""` where it does not tell."""
    if is_event(row):
        return "events"
    kind = row.get("type")
    if any(name in row for name in _FOREIGN_FIELDS) or isinstance(row.get("message"), dict):
        return "foreign"
    if kind is not None:
        return "" if isinstance(kind, str) and kind in _FLAT_TYPES else "foreign"
    if holds_conversation(row):
        return "conversations"
    return "messages" if is_message(row) else ""


# ------------------------------------------------------------------------------------------------------------ ids


def _path_id(path: Path) -> str:
    """A name for a file that has no id: its own with that of its folder, which often is the telling one.

    SWE-agent puts the same instance into the folder of each run, and gptme names the folder, not the file.
    """
    if path.stem == "conversation":
        return path.parent.name
    depth = 3 if path.suffix == ".traj" else 2
    return "/".join((*path.parts[-depth:-1], path.stem))


def _native_id(path: Path, head: bytes) -> str:
    """The id that a document gives before its messages, else one by its name."""
    if head.lstrip()[:1] == b"{" and _is_document(head, path):
        fields = peek_document(head[: 8 << 10])
        for name in ("session_id", "conversation_id"):
            if isinstance(fields, dict) and isinstance(value := fields.get(name), str) and value:
                return value
    return _path_id(path)


# ---------------------------------------------------------------------------------------------------------- lines


class _LineDecoder:
    """A message or an event a line, each by itself."""

    def __init__(self, *, meta: bool) -> None:
        self._talk = Talk(meta=meta)
        self.agent = ""
        self.model = ""

    def feed(self, line: Line) -> Iterable[Item]:
        row = row_of(line)
        if not isinstance(row, dict):
            return () if row is None else (row,)
        return self._records(row, f"line-{line.number}")

    def pending(self) -> Iterable[Item]:
        return ()

    def _records(self, row: JsonObject, place: str) -> Iterator[Record]:
        if is_event(row):
            self.agent = "OpenHands"
            self.model = _model_in_stats(row) or self.model
            return event_records(self._talk, row, place)
        if "role" in row and isinstance(row["role"], str):
            if "hide" in row or "pinned" in row:
                self.agent = "gptme"
            return self._talk.records(row, place)
        return _flat_records(self._talk, row, place)


def _flat_records(talk: Talk, row: JsonObject, place: str) -> Iterator[Record]:
    """Rows of tools beside rows of messages, as early logs have them."""
    time, function = row.get("timestamp"), row.get("function")
    name = text_of(row.get("name")) or text_of(function.get("name") if isinstance(function, dict) else None)
    match row.get("type"):
        case "tool_call":
            given = row.get("arguments", function.get("arguments") if isinstance(function, dict) else None)
            yield Record(place, time, "assistant", talk.call_parts(row.get("id"), name or "tool", given))
        case "tool_result":
            content = next((row[key] for key in ("result", "output", "content") if key in row), None)
            own_id = row.get("tool_call_id") or row.get("id")
            yield Record(place, time, "tool", [talk.result_part(own_id, name, content, failed="error" in row)])
        case "error":
            yield Record(place, time, "system", content_parts(row.get("message") or row.get("error")))
        case kind:
            yield from talk.meta(place, time, text_of(kind) or "unknown", row)


def _model_in_stats(event: JsonObject) -> str:
    match event:
        case {"value": {"usage_to_metrics": {"default": {"model_name": str(name)}}}}:
            return name
        case {"value": {"agent": {"llm": {"model": str(name)}}}}:
            return name
        case _:
            return ""


def _lines_summary(source: SessionSource, head: bytes) -> Session:
    decoder = _LineDecoder(meta=False)
    extent = extent_of_lines(decoder, source.path, source.root)
    agent = decoder.agent or ("gptme" if source.path.name == "conversation.jsonl" else "")
    return _session(source, _native_id(source.path, head), extent, {"model": decoder.model}, agent=agent)


# ------------------------------------------------------------------------------------------------------ documents


def _document(source: SessionSource) -> tuple[object, int]:
    """The decoded document of a file, or of one line of it; and its size in bytes."""
    data = _line(source) if source.member else read_whole(source.path, source.root)
    try:
        return decode_json(data), len(data)
    except ValueError as problem:
        raise ArchiveError("the session's file is not valid JSON", str(problem)) from problem


def _line(source: SessionSource) -> bytes:
    places = _places(source.path, source.root)
    if (place := places.get(int(source.member))) is None:
        raise ArchiveError(f"line {source.member} of the file is no conversation any more")
    fd = open_confined(source.path, source.root)
    try:
        return os.pread(fd, place[1], place[0]).removeprefix(b"\xef\xbb\xbf")
    finally:
        os.close(fd)


def _places(path: Path, root: Path) -> Mapping[int, tuple[int, int]]:
    """Where the conversations of a file stand: line number to offset and length, in bytes."""
    found = stamp(path)
    return {} if found is None else _places_now(path, root, found)


@lru_cache(maxsize=8)
def _places_now(path: Path, root: Path, _stamp: FileStamp) -> Mapping[int, tuple[int, int]]:
    """Found once for all sessions of a file, as long as it stays as it is."""
    places: dict[int, tuple[int, int]] = {}
    offset = 0
    with os.fdopen(open_confined(path, root), "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
            if b'"messages"' in line or b'"choices"' in line or b'"history"' in line or b'"trajectory"' in line:
                places[number] = (offset, len(line))
            offset += len(line)
            if len(places) >= _MAX_CONVERSATIONS:
                break
    return places


def _document_summary(source: SessionSource, head: bytes) -> Session:
    value, size = _document(source)
    document = Document.of(value)
    extent = Extent.of(document.items(meta=False)) if size <= _EXACT_SUMMARY_BYTES else _light_extent(document)
    native_id = f"{_path_id(source.path)}:{source.member}" if source.member else _native_id(source.path, head)
    return _session(source, native_id, extent, document.facts, agent=_agent_of(source.path, value))


def _agent_of(path: Path, value: object) -> str:
    if path.suffix == ".traj" or (isinstance(value, dict) and "trajectory" in value):
        return "SWE-agent"
    return "OpenHands" if isinstance(value, dict) and {"context_window", "latency_sec"} <= value.keys() else ""


def _light_extent(document: Document) -> Extent:
    """The extent of a large document without making its records: as many as there are messages."""
    talk, extent = Talk(meta=False), Extent()
    prompt = next((item for item in document.messages if isinstance(item, dict) and item.get("role") == "user"), None)
    for message in (document.messages[:1], [prompt], document.messages[-1:], [document.answer]):
        if message and isinstance(message[0], dict):
            for record in talk.records(message[0], "message"):
                extent.note(record)
    extent.count = len(document)
    return extent


# -------------------------------------------------------------------------------------------------------- folders


def _base_state(folder: Path, root: Path) -> JsonObject:
    try:
        return decode_object(read_whole(folder / BASE_STATE, root)) or {}
    except ArchiveError:
        return {}


def _folder_summary(source: SessionSource) -> Session:
    state = _base_state(source.path, source.root)
    files = event_files(source.path)
    read = files if len(files) <= _EXACT_EVENT_FILES else [*files[:_EDGE_EVENT_FILES], *files[-_EDGE_EVENT_FILES:]]
    extent = Extent.of(folder_items(Talk(meta=False), read, source.root))
    extent.count = extent.count * len(files) // max(1, len(read))
    agent, workspace = state.get("agent"), state.get("workspace")
    llm = agent.get("llm") if isinstance(agent, dict) else None
    facts = {
        "model": llm.get("model") if isinstance(llm, dict) else None,
        "cwd": workspace.get("working_dir") if isinstance(workspace, dict) else None,
        "execution_status": state.get("execution_status"),
    }
    return _session(source, text_of(state.get("id")) or source.path.name, extent, facts, agent="OpenHands")


# -------------------------------------------------------------------------------------------------------- session

_SESSION_FIELDS: Final = frozenset(("title", "model", "agent", "session_id"))
_MAX_FACT_CHARACTERS: Final = 500
_CREATED: Final = ("session_start", "created_at", "created", "timestamp")
_UPDATED: Final = ("last_updated", "updated_at")


def _session(source: SessionSource, native_id: str, extent: Extent, facts: JsonObject, *, agent: str) -> Session:
    cwd = text_of(facts.get("cwd"))
    response = facts.get("response")
    created = extent.created_at or _time_in(facts, _CREATED)
    if created is None and isinstance(response, dict):
        created = _time_in(response, _CREATED)
    named = text_of(facts.get("title")) or (source.path.stem if source.path.suffix == ".traj" else "")
    return Session(
        scroll_id=source.scroll_id,
        title=trim_title(named) or trim_title(extent.prompt),
        agent=text_of(facts.get("agent")) or agent or None,
        model=model_of(facts) or extent.model or None,
        project=project_of(cwd),
        kind=_NAME,
        native_session_id=native_id,
        created_at=created,
        updated_at=extent.updated_at or _time_in(facts, _UPDATED) or created,
        count=extent.count,
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        metadata=_session_metadata(facts),
    )


def _time_in(facts: JsonObject, names: Iterable[str]) -> str | None:
    found = next((instant for name in names if (instant := parse_instant(facts.get(name))) is not None), None)
    return None if found is None else format_instant(found)


def _session_metadata(facts: JsonObject) -> JsonObject:
    """The short facts of a document, and those of a trajectory's end."""
    info = facts.get("info")
    ends = (
        {name: info[name] for name in ("exit_status", "model_stats") if name in info} if isinstance(info, dict) else {}
    )
    return ends | {name: value for name, value in facts.items() if name not in _SESSION_FIELDS and _is_short(value)}


def _is_short(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= _MAX_FACT_CHARACTERS
    return isinstance(value, (int, float))
