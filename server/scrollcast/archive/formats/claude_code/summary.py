"""What the catalogue lists of a Claude Code session: all of a small file is read, of a larger one what tells most."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Final

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.claude_code.conversation import Conversation
from scrollcast.archive.formats.claude_code.family import call_of_subagent, is_subagent, native_id, parent_id, sidecar
from scrollcast.archive.formats.claude_code.lines import NumberedRow
from scrollcast.archive.formats.claude_code.rows import is_synthetic, message_of
from scrollcast.archive.formats.facts import Extent, trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, text_of
from scrollcast.archive.storage import ZSTD_MAGIC, open_confined, read_head
from scrollcast.archive.timestamps import parse_instant
from scrollcast.model import BadRecord, Record, Session, derive_scroll_id

__all__ = ["NAME", "skim", "summarise_rows"]

NAME: Final = "claude-code"

_EDGE_BYTES: Final = 256 << 10
"""How much of the beginning and of the end of a large file is looked at; a file of up to twice this is seen whole."""

_LONG_EDGE_BYTES: Final = 4 << 20
"""The same of the beginning where its first line does not end within it."""

_MAX_HEAD_ROWS: Final = 256
"""A first prompt that comes after so many rows of bookkeeping is not looked for."""

_MAX_TAIL_ROWS: Final = 64
"""So many of the last rows are read for the last time and model."""

_MAX_LOOKS: Final = 16
"""So many rows that may hold a title of one kind are looked at."""

_MAX_SUMMARIES: Final = 64
_MAX_TITLE_ROW_BYTES: Final = 64 << 10
_RENAMED: Final = re.compile(r"Session renamed to:?\s*([^<\n]+)")

_TITLE_FIELDS: Final = {"custom-title": "customTitle", "ai-title": "aiTitle", "agent-name": "agentName"}


def summarise_rows(source: SessionSource, lines: list[bytes], rows: Iterable[NumberedRow | BadRecord]) -> Session:
    """The summary of a session of which every row is at hand. `lines` are its first ones."""
    facts, talk = _Facts(), Conversation(meta=False)
    for item in rows:
        if not isinstance(item, BadRecord):
            facts.note_row(item[1])
            facts.note_record(talk.feed(*item))
    facts.own_leaves = {leaf for leaf, _text in facts.summaries if talk.knows(leaf)}
    return _session(source, lines, facts)


@dataclass(slots=True)
class _Facts:
    """What a summary says of a session, gathered row by row."""

    extent: Extent = field(default_factory=Extent)
    titles: dict[str, str] = field(default_factory=dict)
    summaries: list[tuple[str, str]] = field(default_factory=list)
    own_leaves: set[str] = field(default_factory=set)
    prompt: str = ""
    command: str = ""
    cwd: str = ""
    git_branch: str = ""
    version: str = ""
    model: str = ""

    def note_record(self, record: Record | None) -> None:
        """Take a record, the first ones in order."""
        if record is None:
            return
        self.extent.note(record)
        if record.role == "user" and not self.prompt:
            text = next((part["text"] for part in record.content if part["type"] == "text"), "")
            if "slash_command" in (record.metadata or {}):
                self.command = self.command or text
            else:
                self.prompt = text

    def note_row(self, row: JsonObject) -> None:
        """Take a row, in order."""
        self.cwd = self.cwd or text_of(row.get("cwd"))
        self.version = text_of(row.get("version")) or self.version
        if (branch := text_of(row.get("gitBranch"))) and branch != "HEAD":
            self.git_branch = branch
        match row.get("type"):
            case "assistant":
                self.model = _model_of(row) or self.model
            case "system":
                self._note_system(row)
            case "custom-title" | "ai-title" | "agent-name" as kind:
                self.titles[kind] = text_of(row.get(_TITLE_FIELDS[kind])) or self.titles.get(kind, "")
            case "summary" if len(self.summaries) < _MAX_SUMMARIES:
                self.summaries.append((text_of(row.get("leafUuid")), text_of(row.get("summary"))))

    def _note_system(self, row: JsonObject) -> None:
        if row.get("subtype") == "init":
            self.model = self.model or text_of(row.get("model"))
        if renamed := _RENAMED.search(text_of(row.get("content"))):
            self.titles["rename"] = renamed[1]

    def title(self, own: str) -> str:
        """The best of the titles that were given; `own` is the one that stands beside the file."""
        leaves = [text for leaf, text in self.summaries if leaf in self.own_leaves]
        summary = leaves[-1] if leaves else next((text for _leaf, text in self.summaries if text), "")
        titles = self.titles
        named = (titles.get("custom-title"), titles.get("ai-title"), titles.get("rename"), own, summary)
        candidates = (*named, titles.get("agent-name"), self.prompt, self.command)
        return next((title for text in candidates if (title := trim_title(text))), "")


def _model_of(row: JsonObject) -> str:
    message = message_of(row)
    return text_of(message.get("model")) if message and not is_synthetic(message) else ""


def _session(source: SessionSource, lines: list[bytes], facts: _Facts) -> Session:
    parent, extent = parent_id(source, lines), facts.extent
    subagent = is_subagent(source.path)
    aside = sidecar(source) if subagent else {}
    agent_type, title = text_of(aside.get("agentType")), facts.title(text_of(aside.get("description")))
    metadata = {
        "cwd": facts.cwd,
        "git_branch": facts.git_branch,
        "version": facts.version,
        "agent_type": agent_type,
    }
    return Session(
        scroll_id=source.scroll_id,
        title=trim_title(": ".join(words for words in (agent_type, title) if words)),
        agent="Claude Code",
        model=facts.model or None,
        project=PureWindowsPath(facts.cwd).name or None,
        kind=NAME,
        native_session_id=native_id(source.path, lines),
        parent_scroll_id=derive_scroll_id(NAME, parent) if parent else None,
        parent_call_id=call_of_subagent(source, parent, extent.created_at) if parent and subagent else None,
        created_at=extent.created_at,
        updated_at=extent.updated_at,
        count=extent.count,
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        metadata={name: value for name, value in metadata.items() if value},
    )


# ---------------------------------------------------------------------------------------------------- a large file


def skim(source: SessionSource, size: int) -> Session:
    """The summary of a large file of `size` bytes, by its two ends; the number of messages is an estimate."""
    head, tail = _ends(source, size)
    sample = b"\n".join((head, tail)) if tail else head
    lines = head.split(b"\n", _MAX_HEAD_ROWS)[:_MAX_HEAD_ROWS]
    facts = _Facts()
    _note_head(facts, lines)
    colon = b": " if b'"type": "' in head else b":"
    _note_titles(facts, sample, colon)
    _note_tail(facts, sample.rsplit(b"\n", _MAX_TAIL_ROWS)[1:])
    _note_times(facts.extent, sample)
    facts.extent.has_errors |= b'"is_error"%btrue' % colon in sample
    facts.extent.count = max(facts.extent.count, round(_estimate(sample, colon) * size / max(1, len(sample))))
    return _session(source, lines, facts)


def _ends(source: SessionSource, size: int) -> tuple[bytes, bytes]:
    """The beginning and the end of a file, which do not overlap; one that is not large is all beginning."""
    fd = open_confined(source.path, source.root)
    try:
        head = os.pread(fd, 2 * _EDGE_BYTES if size <= 2 * _EDGE_BYTES else _EDGE_BYTES, 0)
        if head.startswith(ZSTD_MAGIC):
            return read_head(source.path, source.root), b""
        if b"\n" not in head:
            head = os.pread(fd, _LONG_EDGE_BYTES, 0)
        tail = os.pread(fd, _EDGE_BYTES, max(len(head), size - _EDGE_BYTES))
        return head.removeprefix(b"\xef\xbb\xbf"), tail
    finally:
        os.close(fd)


def _note_head(facts: _Facts, lines: list[bytes]) -> None:
    """The first rows, until a person has spoken."""
    talk = Conversation(meta=False)
    for number, line in enumerate(lines, 1):
        if (row := decode_object(line)) is not None:
            facts.note_row(row)
            facts.note_record(talk.feed(number, row, len(line)))
        if facts.prompt:
            return


def _note_tail(facts: _Facts, lines: list[bytes]) -> None:
    """The last rows, from the last answer of a model on."""
    rows: list[JsonObject] = []
    for line in reversed(lines):
        if (row := decode_object(line)) is not None:
            rows.append(row)
            if _model_of(row):
                break
    for row in reversed(rows):
        facts.note_row(row)
        if message_of(row) is not None and (instant := parse_instant(row.get("timestamp"))) is not None:
            facts.extent.last = max(instant, facts.extent.last or instant)


_TIMESTAMP: Final = re.compile(rb'"timestamp"\s*:\s*"([^"\\]{10,40})"')


def _note_times(extent: Extent, sample: bytes) -> None:
    """The first and the last time that can be seen, where no whole row at the ends told any."""
    if extent.first is None and (found := _TIMESTAMP.search(sample)):
        extent.first = parse_instant(found[1].decode("utf-8", "replace"))
    if extent.last is None and (found := _TIMESTAMP.match(sample, sample.rfind(b'"timestamp"'))):
        extent.last = parse_instant(found[1].decode("utf-8", "replace"))
    if extent.first is not None:
        extent.last = max(extent.first, extent.last or extent.first)


def _note_titles(facts: _Facts, sample: bytes, colon: bytes) -> None:
    """The last row of each kind that gives the session a title, wherever it stands."""
    for kind in _TITLE_FIELDS:
        needle = b'"type"%b"%b"' % (colon, kind.encode())
        row = next((row for row in _last_rows(sample, needle) if row.get("type") == kind), None)
        if row is not None:
            facts.note_row(row)
    renamed = (row for row in _last_rows(sample, b"Session renamed to") if row.get("type") == "system")
    if (row := next(renamed, None)) is not None:
        facts.note_row(row)
    facts.summaries.clear()
    for row in reversed([*_last_rows(sample, b'"type"%b"summary"' % colon)]):
        facts.note_row(row)
    facts.own_leaves = {leaf for leaf, _text in facts.summaries if b'"uuid"%b"%b"' % (colon, leaf.encode()) in sample}


def _last_rows(sample: bytes, needle: bytes) -> Iterator[JsonObject]:
    """The rows that hold these bytes, the last one first; those only that are of a size as titles have."""
    position = sample.rfind(needle)
    for _ in range(_MAX_LOOKS):
        if position < 0:
            return
        start, end = sample.rfind(b"\n", 0, position) + 1, sample.find(b"\n", position)
        end = len(sample) if end < 0 else end
        if end - start <= _MAX_TITLE_ROW_BYTES and (row := decode_object(sample[start:end])) is not None:
            yield row
        position = sample.rfind(needle, 0, start)


def _estimate(sample: bytes, colon: bytes) -> int:
    """How many messages there are in some rows: those of a person, of the model, and of tools, with something said."""
    rows = sum(sample.count(b'"type"%b"%b"' % (colon, kind)) for kind in (b"user", b"assistant"))
    return rows - sample.count(b'"thinking"%b""' % colon)
