"""Claude Code sessions: `~/.claude/projects/<directory>/<session>.jsonl`, and two shapes of the same rows.

One JSON object a line (`docs/formats.md`, Claude Code). Read as well: the `{"loglines": […]}` document of the web
version, and what `claude -p --output-format stream-json` prints, which has no timestamps.

Events come in file order, whatever the rows' tree and timestamps say: chains are broken and times run backwards in
most long sessions, so these only ever label a row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import Final

from scrollcast.archive.formats import FormatReader, SessionSource, SniffedFile
from scrollcast.archive.formats._claude_code_conversation import Conversation, NumberedRow, Tree
from scrollcast.archive.formats._claude_code_parts import Row, Spill
from scrollcast.archive.formats._claude_code_rows import UNKNOWN_SIZE, is_synthetic, message_of
from scrollcast.archive.formats.facts import trim_title
from scrollcast.archive.storage import (
    Line,
    confine,
    decode_json,
    open_confined,
    read_head,
    read_lines,
    read_whole,
    stamp,
)
from scrollcast.archive.timestamps import Instant, format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Record, Session, derive_scroll_id

__all__ = ["ClaudeCodeReader"]

_NAME: Final = "claude-code"

_EXACT_SUMMARY_BYTES: Final = 8 << 20
"""Up to this size a summary reads the whole file, in about 0.1 s."""

_EDGE_BYTES: Final = 256 << 10
"""How much of the beginning and of the end of a larger file a summary looks at."""

_MAX_TREE_BYTES: Final = 32 << 20
"""Up to this size a file is read once more beforehand to find undone branches."""

_MAX_SPILL_BYTES: Final = 16 << 20
"""A larger spilled tool output stays the excerpt that the log holds."""

_MAX_SALVAGE_BYTES: Final = 16 << 20
"""How many bytes are decoded in search of a whole row at the end of one bad line."""

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class ClaudeCodeReader(FormatReader):
    """Reads the sessions of Claude Code, a subagent's own file being a session with a parent."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it is a `loglines` document, or has a row with a Claude message near its beginning."""
        return _is_web_document(file.head) or _has_claude_rows(file)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session, by the file's name if that is an id, else by the id in its rows."""
        native_id = _native_id(file.path, file.lines)
        return (SessionSource(derive_scroll_id(_NAME, native_id), self, file.path, root),)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file alone: subagents are sessions of their own, and spilled outputs do not change."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for files of up to 8 MiB and for web documents; from both ends of a larger file, with an estimate."""
        head = read_head(source.path, source.root)
        size = _size(source.path)
        facts = _Facts()
        talk = Conversation(meta=False)
        if size <= _EXACT_SUMMARY_BYTES or _is_web_document(head):
            facts.take(_rows(source, head), talk)
        else:
            _estimate(source, size, facts, talk)
        return facts.session(source, _whole_lines(head), talk)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Record | BadRecord]:
        """A record a row, in file order; hidden rows are meta events."""
        head = read_head(source.path, source.root)
        own_id = source.path.stem if _UUID.fullmatch(source.path.stem) else ""
        talk = Conversation(meta=meta, own_id=own_id, undone=_undone(source, head), spill=_spill(source))
        for item in _rows(source, head):
            yield from talk.feed(item)
        yield from talk.finish()

    def meta_events(self, source: SessionSource) -> Iterator[Record | BadRecord] | None:
        """None apart: hidden rows stand among the messages."""
        return None


# ------------------------------------------------------------------------------------------------------ detection

_LOGLINES: Final = re.compile(rb'"loglines"\s*:\s*\[')

# Rows that nothing else writes, for a file that begins with so much of them that no message is in sight.
_OWN_TYPES: Final = frozenset(("file-history-snapshot", "queue-operation"))


def _is_web_document(head: bytes) -> bool:
    """Whether `loglines` is a list at the top level: what stands before it then is an object yet to be closed."""
    if head.lstrip()[:1] != b"{" or not (found := _LOGLINES.search(head)):
        return False
    try:
        document = decode_json(head[: found.start()] + b'"loglines":[]}')
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("loglines") == []


def _has_claude_rows(file: SniffedFile) -> bool:
    stream_shape = own_rows = 0
    for line in file.lines:
        row = _decode_row(line)
        if row is None:
            continue
        verdict = _is_claude_row(row)
        if verdict is not None:
            return verdict
        stream_shape += _is_stream_row(row)
        own_rows += row.get("type") in _OWN_TYPES if isinstance(row.get("type"), str) else 0
    if stream_shape:
        return True
    return file.size > len(file.head) and (own_rows > 0 or _starts_large_message(file.head))


def _is_claude_row(row: Row) -> bool | None:
    """Whether a row is a Claude message, is another tool's, or does not tell."""
    message = row.get("message")
    match row.get("type"):
        case "user" | "assistant" if isinstance(message, dict) and "parts" in message:
            return False
        case "user" | "assistant" if isinstance(message, dict):
            return True if isinstance(message.get("content"), (str, list)) else None
        case "attachment" if isinstance(row.get("attachment"), dict):
            return True
        case _:
            return None


def _is_stream_row(row: Row) -> bool:
    if not isinstance(row.get("session_id"), str) or "sessionId" in row:
        return False
    return row.get("type") == "result" or (row.get("type") == "system" and row.get("subtype") == "init")


_LARGE_MESSAGE: Final = re.compile(
    rb'"type":\s*"(?:user|assistant)".{0,4000}?"message":\s*\{.{0,4000}?"content":', re.DOTALL
)


def _starts_large_message(head: bytes) -> bool:
    """Whether the last line of the head, cut off, begins as a message does (one with an image, say)."""
    rest = head[head.rfind(b"\n") + 1 :][: 8 << 10]
    signed = b'"sessionId"' in rest or b'"parentUuid"' in rest
    return signed and b'"parts"' not in rest and _LARGE_MESSAGE.search(rest) is not None


def _whole_lines(head: bytes) -> list[bytes]:
    return head.split(b"\n")[:256]


def _first_session_id(lines: Iterable[bytes]) -> str:
    for line in lines:
        row = _decode_row(line) or {}
        for name in ("sessionId", "session_id"):
            if isinstance(value := row.get(name), str) and value:
                return value
    return ""


def _native_id(path: Path, lines: Iterable[bytes]) -> str:
    if _UUID.fullmatch(path.stem) or path.stem.startswith("agent-"):
        return path.stem
    return _first_session_id(lines) or path.stem


def _parent_id(path: Path, lines: Iterable[bytes]) -> str:
    """The session that a subagent's file belongs to, by its folder, else by its rows; `""` for a main session."""
    if not path.stem.startswith("agent-"):
        return ""
    folder = next((parent for parent in path.parents if parent.name == "subagents"), None)
    parent_id = folder.parent.name if folder else _first_session_id(lines)
    return "" if parent_id == path.stem else parent_id


# ----------------------------------------------------------------------------------------------------------- rows


def _size(path: Path) -> int:
    found = stamp(path)
    return found.size if found else 0


def _rows(source: SessionSource, head: bytes) -> Iterator[NumberedRow | BadRecord]:
    """Every row of the file, and a `BadRecord` for each line of which something is lost."""
    if _is_web_document(head):
        return _web_rows(read_whole(source.path, source.root))
    return chain.from_iterable(map(_read_line, read_lines(source.path, source.root)))


def _web_rows(data: bytes) -> Iterator[NumberedRow | BadRecord]:
    try:
        document = decode_json(data)
    except ValueError as problem:
        raise ArchiveError("the session's file is not valid JSON", str(problem)) from problem
    rows = document.get("loglines") if isinstance(document, dict) else None
    for number, row in enumerate(rows if isinstance(rows, list) else (), 1):
        yield (number, row, UNKNOWN_SIZE) if isinstance(row, dict) else BadRecord(None)


def _read_line(line: Line) -> Iterable[NumberedRow | BadRecord]:
    data = line.data
    if data is None:
        return (BadRecord(line.number),)
    try:
        row = decode_json(data)
    except ValueError:
        return _mend_line(line, data)
    return ((line.number, row, len(data)),) if isinstance(row, dict) else (BadRecord(line.number),)


def _mend_line(line: Line, data: bytes) -> Iterable[NumberedRow | BadRecord]:
    """What can be had from a line that does not parse: a row between NULs, a whole row behind a truncated one."""
    if not data.strip():
        return ()
    if b"\0" in data:
        data = data.replace(b"\0", b"")
        if (row := _decode_row(data)) is not None:
            return ((line.number, row, len(data)),)
    salvaged = _salvage(data)
    if salvaged is not None:
        return (BadRecord(line.number), (line.number, salvaged, len(data)))
    return (BadRecord(line.number, half_written=not line.ended),)


# What tells a row from a block inside one.
_ROW_SIGNS: Final = frozenset(("uuid", "sessionId", "session_id", "timestamp", "message", "messageId", "leafUuid"))


def _salvage(data: bytes) -> Row | None:
    """The row glued to the end of a truncated one: the first `{"` from which everything parses as a row."""
    position, budget = data.find(b'{"', 1), _MAX_SALVAGE_BYTES
    while position > 0 and budget > 0:
        row = _decode_row(data[position:])
        if row is not None and isinstance(row.get("type"), str) and not _ROW_SIGNS.isdisjoint(row):
            return row
        budget -= len(data) - position
        position = data.find(b'{"', position + 1)
    return None


def _decode_row(data: bytes) -> Row | None:
    try:
        row = decode_json(data)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


# ----------------------------------------------------------------------------------------------------------- tree


def _undone(source: SessionSource, head: bytes) -> frozenset[str]:
    """The uuids of rows that were undone: replaced ones, and the branches that a person left by going back."""
    if _size(source.path) > _MAX_TREE_BYTES or _is_web_document(head):
        return frozenset()
    tree = Tree()
    for item in _rows(source, head):
        if not isinstance(item, BadRecord):
            tree.add(item[1])
    return tree.undone()


# -------------------------------------------------------------------------------------------------------- spilled


def _spill(source: SessionSource) -> Spill:
    """Reads the session's own spilled outputs, and nothing else that a log may name."""
    path = source.path
    subagents = next((parent for parent in path.parents if parent.name == "subagents"), None)
    folder = (subagents.parent if subagents else path.with_suffix("")) / "tool-results"

    def read(named: str) -> str | None:
        place = PureWindowsPath(named)  # takes both kinds of slashes; the log may come from another machine
        if place.parent.name != folder.name:
            return None
        try:
            confine(folder, source.root)
            return read_whole(folder / place.name, folder, _MAX_SPILL_BYTES).decode("utf-8", "replace")
        except (ArchiveError, ValueError):  # ValueError: a NUL in the name
            return None

    return read


# -------------------------------------------------------------------------------------------------------- summary

_RENAMED: Final = re.compile(r"Session renamed to:?\s*([^<\n]+)")
_MAX_SUMMARIES: Final = 64


@dataclass(slots=True)
class _Facts:
    """What a summary says of a session, gathered row by row."""

    titles: dict[str, str] = field(default_factory=dict)
    summaries: list[tuple[str, str]] = field(default_factory=list)
    prompt: str = ""
    command: str = ""
    cwd: str = ""
    git_branch: str = ""
    version: str = ""
    model: str = ""
    count: int = 0
    first: Instant | None = None
    last: Instant | None = None

    def take(self, rows: Iterable[NumberedRow | BadRecord], talk: Conversation) -> None:
        """Read rows, some or all of them."""
        for item in rows:
            if not isinstance(item, BadRecord):
                self._note_row(item[1])
            for record in talk.feed(item):
                self._note_record(record)
        for record in talk.finish():
            self._note_record(record)

    def _note_record(self, record: Record | BadRecord) -> None:
        if isinstance(record, BadRecord):
            return
        self.count += 1
        instant = parse_instant(record.timestamp)
        if instant is not None:
            self.first = instant if self.first is None else self.first
            self.last = instant if self.last is None else max(self.last, instant)
        if record.role == "user" and not self.prompt:
            self._note_prompt(record)

    def _note_prompt(self, record: Record) -> None:
        text = next((part["text"] for part in record.content if part["type"] == "text"), "")
        if record.metadata and "slash_command" in record.metadata:
            self.command = self.command or text
        else:
            self.prompt = text

    def _note_row(self, row: Row) -> None:
        self.cwd = self.cwd or _words(row, "cwd")
        self.version = _words(row, "version") or self.version
        if (branch := _words(row, "gitBranch")) and branch != "HEAD":
            self.git_branch = branch
        match row.get("type"):
            case "assistant" if (message := message_of(row)) and not is_synthetic(message):
                self.model = _words(message, "model") or self.model
            case "system":
                self._note_system(row)
            case "custom-title" | "ai-title" | "agent-name" as kind:
                self._note_title(kind, row)
            case "summary" if len(self.summaries) < _MAX_SUMMARIES:
                self.summaries.append((_words(row, "leafUuid"), _words(row, "summary")))

    def _note_title(self, kind: str, row: Row) -> None:
        name = {"custom-title": "customTitle", "ai-title": "aiTitle", "agent-name": "agentName"}[kind]
        self.titles[kind] = _words(row, name) or self.titles.get(kind, "")

    def _note_system(self, row: Row) -> None:
        if row.get("subtype") == "init":
            self.model = self.model or _words(row, "model")
        if renamed := _RENAMED.search(_words(row, "content")):
            self.titles["rename"] = renamed[1]

    def _title(self, talk: Conversation) -> str:
        own = [text for leaf, text in self.summaries if leaf and talk.knows(leaf)]
        summary = own[-1] if own else next((text for _leaf, text in self.summaries if text), "")
        titles = self.titles
        named = (titles.get("custom-title"), titles.get("ai-title"), titles.get("rename"), summary)
        candidates = (*named, titles.get("agent-name"), self.prompt, self.command)
        return next((title for text in candidates if (title := trim_title(text))), "")

    def session(self, source: SessionSource, lines: list[bytes], talk: Conversation) -> Session:
        """The summary, after the last row."""
        parent_id = _parent_id(source.path, lines)
        timed = self.first is not None and self.last is not None
        metadata = {"cwd": self.cwd, "git_branch": self.git_branch, "version": self.version}
        return Session(
            scroll_id=source.scroll_id,
            title=self._title(talk),
            agent="Claude Code",
            model=self.model or None,
            project=PureWindowsPath(self.cwd).name or None,
            kind=_NAME,
            native_session_id=_native_id(source.path, lines),
            parent_scroll_id=derive_scroll_id(_NAME, parent_id) if parent_id else None,
            created_at=None if self.first is None else format_instant(self.first),
            updated_at=None if self.last is None else format_instant(self.last),
            count=self.count,
            duration_ms=(self.last - self.first) // 1000 if self.first is not None and self.last is not None else 0,
            timing="recorded" if timed or not self.count else "synthetic",
            metadata={name: value for name, value in metadata.items() if value},
        )


def _words(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _estimate(source: SessionSource, size: int, facts: _Facts, talk: Conversation) -> None:
    """Both ends of a large file; the number of messages is that of the ends, in proportion."""
    fd = open_confined(source.path, source.root)
    try:
        head = os.pread(fd, _EDGE_BYTES, 0).removeprefix(b"\xef\xbb\xbf")
        tail = os.pread(fd, _EDGE_BYTES, size - _EDGE_BYTES)
    finally:
        os.close(fd)
    lines = [*head.split(b"\n")[:-1], *tail.split(b"\n")[1:]]
    seen = sum(map(len, lines)) + len(lines)
    facts.take(((number, row, len(line)) for number, line in enumerate(lines, 1) if (row := _decode_row(line))), talk)
    facts.count = max(facts.count, facts.count * size // max(1, seen))
