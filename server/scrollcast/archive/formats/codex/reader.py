"""Codex CLI sessions: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<thread>.jsonl`, packed by zstd when they are old.

Every generation of rollouts is read (`docs/formats.md`, Codex): bare items, an envelope around them, numbered rows with
completed items; and what `codex exec --json` prints.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile, decode
from scrollcast.archive.formats.codex.exec_stream import ExecStream, is_exec_row
from scrollcast.archive.formats.codex.relatives import (
    NO_PARENT,
    Parent,
    find_rollout,
    read_parent,
    thread_title,
    thread_uuid,
)
from scrollcast.archive.formats.codex.rollout import Known, Rollout
from scrollcast.archive.formats.codex.rows import Header, read_header, unwrap
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, text_of
from scrollcast.archive.storage import ZSTD_MAGIC, Line, open_confined, read_head, read_lines, stamp
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.model import Record, Session, derive_scroll_id

__all__ = ["CodexReader"]

_NAME: Final = "codex"

_EXACT_SUMMARY_BYTES: Final = 32 << 10
"""Up to this size a summary decodes the whole file."""

_EDGE_BYTES: Final = 16 << 10
"""How much of either end of a larger file it decodes."""

_SCANNED_BYTES: Final = 8 << 20
"""In so much of a file items are counted without being decoded, in about 2 ms."""

_PROMPT_BYTES: Final = 1 << 20
"""So far into a file a first prompt is looked for, behind instructions of whatever length."""

_FORESEEN_BYTES: Final = 32 << 20
"""Up to this size a file is read beforehand for what its later lines say of earlier ones."""

_MAX_HEADER_LINES: Final = 64


class CodexReader(FormatReader):
    """Reads the sessions of the Codex CLI; forks and subagents are sessions with a parent."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether a row near the beginning has Codex's envelope, or is an item or a header of the time before it."""
        return _is_codex(file.path.name, file.lines)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The thread; nothing for a packed file beside which the plain one lies."""
        if file.path.suffix == ".zst" and (plain := stamp(file.path.with_suffix(""))) and plain.size:
            return ()
        scroll_id = derive_scroll_id(_NAME, _native_id(file.path, file.lines))
        return (SessionSource(scroll_id, self, file.path, root),)

    def is_companion(self, path: Path) -> bool:
        """The index of names, and the history of prompts in a Codex home."""
        if path.name == "session_index.jsonl":
            return True
        here = path.parent
        return path.name == "history.jsonl" and (here.name in (".codex", "cli") or (here / "sessions").is_dir())

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The rollout alone: names and parents are looked at, but do not make a session another."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for a file of up to 32 KiB; from both ends of a larger one, with an estimate of the count."""
        lines = read_head(source.path, source.root).split(b"\n")
        if _is_exec(lines):
            return _exec_session(source, lines)
        header = _header(lines)
        parent = _parent(source, header)
        rollout = Rollout(meta=False, parent_turns=parent.turns)
        sample = _sample_of(source)
        prompts = _Prompts()
        extent = _measure(decode(rollout, sample.lines), prompts)
        if not prompts.own:
            prompts.search(source, parent)
        return _session(source, header, parent, rollout, sample, extent, prompts)

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A decoder of the lines; `None` for a packed file, which does not grow."""
        return None if _is_packed(source) else _decoder(source, meta=meta)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """Every record in file order; with `meta`, every line that gives no message is a meta event."""
        return decode(_decoder(source, meta=meta), read_lines(source.path, source.root))


# ------------------------------------------------------------------------------------------------------ detection

_ENVELOPES: Final = frozenset(
    ("session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state")
)
_SIGNS: Final = (b'"payload"', b'"thread.started"', b'"item.', b'"record_type"', b'"instructions"', b'put_text"')

_FLAT_FIELDS: Final = frozenset(("timestamp", "role", "content", "model"))


def _rows(lines: Iterable[bytes]) -> Iterator[JsonObject]:
    return (row for line in lines if line.lstrip()[:1] == b"{" and (row := decode_object(line)) is not None)


def _is_codex(name: str, lines: Sequence[bytes]) -> bool:
    is_named = name.startswith("rollout-")
    if not is_named and not any(sign in line for line in lines for sign in _SIGNS):
        return False
    passed: list[JsonObject] = []
    for place, row in enumerate(_rows(lines)):
        if _is_enveloped(row) or is_exec_row(row) or _is_bare(row, first=place == 0):
            return True
        passed.append(row)
    return is_named and bool(passed) and all(map(_is_flat, passed))


def _is_enveloped(row: JsonObject) -> bool:
    kind = row.get("type")
    return isinstance(kind, str) and kind in _ENVELOPES and isinstance(row.get("payload"), dict)


def _is_bare(row: JsonObject, *, first: bool) -> bool:
    """A line of the time before the envelope: a header, a state, or a message as the Responses API has it."""
    match row:
        case {"record_type": "state"}:
            return True
        case {"type": "message", "role": str(), "content": [{"type": "input_text" | "output_text"}, *_]}:
            return True
        case {"id": str(), "timestamp": str(), "instructions": _}:
            return first and "type" not in row and "role" not in row
        case _:
            return False


def _is_flat(row: JsonObject) -> bool:
    """A line of the oldest shape: texts with times, and calls and results without ids between them.

    Other programs write such lines too, so that they are Codex's in a file of its kind of name only.
    """
    match row:
        case {"type": "tool_call" | "tool_result" | "error", "timestamp": str()}:
            return True
        case {"role": "user" | "assistant", "content": str(), "timestamp": str()}:
            return _FLAT_FIELDS.issuperset(row)
        case _:
            return False


def _is_exec(lines: Sequence[bytes]) -> bool:
    for row in _rows(lines[:_MAX_HEADER_LINES]):
        if _is_enveloped(row):
            return False
        if is_exec_row(row):
            return True
    return False


def _header(lines: Sequence[bytes]) -> Header:
    """The first `session_meta`: later ones are those of parents, or of the same thread taken up again."""
    for row in _rows(lines[:_MAX_HEADER_LINES]):
        kind, payload = unwrap(row)
        if kind == "session_meta":
            return read_header(payload)
    return Header()


def _native_id(path: Path, lines: Sequence[bytes]) -> str:
    """The thread's id as the file says it, else as its name does."""
    own = _exec_thread_id(lines) if _is_exec(lines) else _header(lines).thread_id
    return own or thread_uuid(path.name) or path.name.removesuffix(".zst").removesuffix(".jsonl")


def _exec_thread_id(lines: Sequence[bytes]) -> str:
    rows = _rows(lines[:_MAX_HEADER_LINES])
    return next((text_of(row.get("thread_id")) for row in rows if row.get("type") == "thread.started"), "")


# ------------------------------------------------------------------------------------------------------- decoding

_Rollouts: TypeAlias = Rollout | ExecStream

# What tells of an earlier line that it was undone, or of an end; and what stands in an end that is a failure.
_ROLLED_BACK: Final = b"thread_rolled_back"
_ENDS: Final = (b'_end"', b'"CommandExecution"', b'"McpToolCall"', b'"FileChange"', b'"WebSearch"')
_FAILURE: Final = re.compile(
    rb'"Err"|_?[eE]rror"\s*:\s*[^n\s]|"success"\s*:\s*false|[fF]ailed"|[dD]eclined"|xit_?[cC]ode"\s*:\s*-?[1-9]'
)


def _looks_back(data: bytes) -> bool:
    return _ROLLED_BACK in data or (any(end in data for end in _ENDS) and _FAILURE.search(data) is not None)


def _is_packed(source: SessionSource) -> bool:
    if source.path.suffix == ".zst":
        return True
    fd = open_confined(source.path, source.root)
    try:
        return os.pread(fd, len(ZSTD_MAGIC), 0) == ZSTD_MAGIC
    finally:
        os.close(fd)


def _decoder(source: SessionSource, *, meta: bool) -> _Rollouts:
    lines = read_head(source.path, source.root).split(b"\n")
    if _is_exec(lines):
        return ExecStream(meta=meta)
    parent = _parent(source, _header(lines))
    return Rollout(meta=meta, parent_turns=parent.turns, known=_foresee(source))


def _parent(source: SessionSource, header: Header) -> Parent:
    if not header.parent_id:
        return NO_PARENT
    path = find_rollout(source.path, source.root, header.parent_id)
    return read_parent(path, source.root, header.thread_id) if path else NO_PARENT


def _foresee(source: SessionSource) -> Known | None:
    """What the file says of its own earlier lines; `None` where it is too large to be read twice."""
    size, looks_back = 0, False
    for line in read_lines(source.path, source.root):
        data = line.data or b""
        size += len(data)
        looks_back = looks_back or _looks_back(data)
        if size > _FORESEEN_BYTES:
            return None
    if not looks_back:
        return Known()
    rollout = Rollout(meta=False)
    for line in read_lines(source.path, source.root):
        rollout.feed(line)
    return Known(frozenset(rollout.undone), frozenset(rollout.late_failures))


# -------------------------------------------------------------------------------------------------------- summary


@dataclass(slots=True)
class _Prompts:
    """The first prompt of this thread, and the first of a history that was copied into it."""

    own: str = ""
    inherited: str = ""

    def note(self, item: Item) -> None:
        """Take one more record."""
        if not isinstance(item, Record) or item.role != "user":
            return
        text = next((part["text"] for part in item.content if part["type"] == "text"), "")
        if item.metadata and item.metadata.get("inherited"):
            self.inherited = self.inherited or text
        else:
            self.own = self.own or text

    def search(self, source: SessionSource, parent: Parent) -> None:
        """Look further into the file, at lines that may hold a prompt alone."""
        lines = _lines_within(source, _PROMPT_BYTES)
        likely = (line for line in lines if line.data and any(sign in line.data for sign in _PROMPT_SIGNS))
        for item in decode(Rollout(meta=False, parent_turns=parent.turns), likely):
            self.note(item)
            if self.own:
                return


_PROMPT_SIGNS: Final = (b'"user_message"', b'"UserMessage"', b'"user"', b'"session_meta"', b'"turn_context"',
                        b'_started"')  # fmt: skip


def _lines_within(source: SessionSource, limit: int) -> Iterator[Line]:
    for line in read_lines(source.path, source.root):
        limit -= len(line.data or b"")
        if limit < 0:
            return
        yield line


@dataclass(frozen=True, slots=True)
class _Sample:
    """The lines of a file that a summary decodes, how often a line like them stands in the file, and its last name."""

    lines: Sequence[Line]
    ratio: float = 1.0
    name: str = ""


def _measure(items: Iterable[Item], prompts: _Prompts) -> Extent:
    extent = Extent()
    for item in items:
        extent.note(item)
        prompts.note(item)
    return extent


def _sample_of(source: SessionSource) -> _Sample:
    if _is_packed(source):
        return _packed_sample(source)
    known = stamp(source.path)
    size = known.size if known else 0
    if size <= _EXACT_SUMMARY_BYTES:
        return _Sample(tuple(read_lines(source.path, source.root)))
    return _edges(source, size)


def _edges(source: SessionSource, size: int) -> _Sample:
    """Both ends of a large file. Items are counted in all of it without being decoded, as far as that is quick."""
    fd = open_confined(source.path, source.root)
    try:
        data = os.pread(fd, min(size, _SCANNED_BYTES), 0).removeprefix(b"\xef\xbb\xbf")
        tail = os.pread(fd, _EDGE_BYTES, max(0, size - _EDGE_BYTES))
    finally:
        os.close(fd)
    first = data.find(b"\n") + 1  # a header of any length, with its instructions
    head = data[: data.rfind(b"\n", 0, first + _EDGE_BYTES) + 1]
    ends = [*head.split(b"\n")[:-1], *tail.split(b"\n")[1:]]
    lines = tuple(Line(number, line, ended=True) for number, line in enumerate(ends, 1))
    whole = _count_items(data) * size / max(1, len(data))
    return _Sample(lines, max(1.0, whole / max(1, _count_items(b"\n".join(ends)))), _last_name(data))


def _count_items(data: bytes) -> int:
    return data.count(b'"response_item"') or data.count(b"\n")


def _last_name(data: bytes) -> str:
    """The last name that the thread was given, found without decoding what stands around it."""
    found = data.rfind(b'"thread_name_updated"')
    if found < 0:
        return ""
    end = data.find(b"\n", found)
    row: Any = decode_object(data[data.rfind(b"\n", 0, found) + 1 : end if end >= 0 else len(data)])
    match row:
        case {"payload": {"type": "thread_name_updated", "thread_name": str(name)}}:
            return name
        case _:
            return ""


def _packed_sample(source: SessionSource) -> _Sample:
    """The same of a packed file, which has to be unpacked from its beginning."""
    head: list[Line] = []
    tail: deque[Line] = deque()
    head_bytes = tail_bytes = whole = seen = 0
    for line in _lines_within(source, _SCANNED_BYTES):
        data = line.data or b""
        whole += _is_item(data)
        if not head or head_bytes < _EXACT_SUMMARY_BYTES:
            head.append(line)
            head_bytes, seen = head_bytes + len(data), seen + _is_item(data)
            continue
        tail.append(line)
        tail_bytes += len(data)
        while tail_bytes > _EDGE_BYTES and len(tail) > 1:
            tail_bytes -= len(tail.popleft().data or b"")
    seen += sum(_is_item(line.data or b"") for line in tail)
    return _Sample((*head, *tail), max(1.0, whole / max(1, seen)))


def _is_item(data: bytes) -> bool:
    return b'"response_item"' in data


def _session(
    source: SessionSource,
    header: Header,
    parent: Parent,
    rollout: Rollout,
    sample: _Sample,
    extent: Extent,
    prompts: _Prompts,
) -> Session:
    native_id = _native_id(source.path, ()) if not header.thread_id else header.thread_id
    name = sample.name or rollout.facts.title or thread_title(source.path, source.root, native_id)
    titles = (name, prompts.own, header.agent_name, prompts.inherited)
    started = parse_instant(header.timestamp or rollout.facts.started)
    cwd = header.cwd or rollout.facts.cwd
    metadata = {
        "cwd": cwd,
        "git_branch": header.git_branch,
        "version": header.version,
        "originator": header.originator,
        "agent_nickname": header.agent_name,
        "agent_role": header.agent_role,
    }
    return Session(
        scroll_id=source.scroll_id,
        title=next((title for text in titles if (title := trim_title(text))), ""),
        agent="Codex",
        model=rollout.facts.model or extent.model or None,
        project=project_of(cwd),
        kind=_NAME,
        native_session_id=native_id,
        parent_scroll_id=derive_scroll_id(_NAME, header.parent_id) if header.parent_id else None,
        parent_call_id=parent.call_id,
        created_at=extent.created_at or (None if started is None else format_instant(started)),
        updated_at=extent.updated_at or (None if started is None else format_instant(started)),
        count=round(extent.count * sample.ratio),
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        metadata={key: value for key, value in metadata.items() if value},
    )


def _exec_session(source: SessionSource, lines: Sequence[bytes]) -> Session:
    """The stream holds no prompt: it is named by what the agent says first."""
    sample = _sample_of(source)
    items = list(decode(ExecStream(meta=False), sample.lines))
    extent = Extent.of(items)
    return Session(
        scroll_id=source.scroll_id,
        title=trim_title(_first_text(items)),
        agent="Codex",
        kind=_NAME,
        native_session_id=_native_id(source.path, lines),
        count=round(extent.count * sample.ratio),
        timing=extent.timing,
        has_errors=extent.has_errors,
    )


def _first_text(items: Iterable[Item]) -> str:
    parts = (part for item in items if isinstance(item, Record) for part in item.content)
    return next((part["text"] for part in parts if part["type"] == "text"), "")
