"""Claude Code sessions: `~/.claude/projects/<directory>/<session>.jsonl`, and two shapes of the same rows.

One JSON object a line (`docs/formats.md`, Claude Code). Read as well: the `{"loglines": […]}` document of the web
version, and what `claude -p --output-format stream-json` prints, which has no timestamps.

Events come in file order, whatever the rows' tree and timestamps say: chains are broken and times run backwards in
most long sessions, so these only ever label a row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path, PureWindowsPath
from typing import Final

from scrollcast.archive.formats import Decoder, FormatReader, Item, Revised, SessionSource, SniffedFile, decode
from scrollcast.archive.formats.claude_code.conversation import Conversation, Setting
from scrollcast.archive.formats.claude_code.family import UUID, Ancestry, is_subagent, native_id, subagents_folder
from scrollcast.archive.formats.claude_code.lines import NumberedRow, read_line
from scrollcast.archive.formats.claude_code.parts import Spill
from scrollcast.archive.formats.claude_code.rows import UNKNOWN_SIZE
from scrollcast.archive.formats.claude_code.summary import NAME, skim, summarise_rows
from scrollcast.archive.formats.claude_code.tree import MAX_TREE_BYTES, Tree
from scrollcast.archive.formats.json_values import JsonObject, decode_object
from scrollcast.archive.storage import Line, confine, decode_json, read_head, read_lines, read_whole, stamp
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Session, derive_scroll_id

__all__ = ["ClaudeCodeReader"]

_EXACT_SUMMARY_BYTES: Final = 32 << 10
"""Up to this size a summary reads the whole file, in about 0.5 ms."""

_MAX_SPILL_BYTES: Final = 16 << 20
"""A larger spilled tool output stays the excerpt that the log holds."""

_SPILL_FOLDER: Final = "tool-results"


class ClaudeCodeReader(FormatReader):
    """Reads the sessions of Claude Code, a subagent's own file being a session with a parent."""

    name = NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it is a `loglines` document, or has a row with a Claude message near its beginning."""
        return _is_web_document(file.head) or _has_claude_rows(file)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session, by the file's name if that is an id, else by the id in its rows."""
        return (SessionSource(derive_scroll_id(NAME, native_id(file.path, file.lines)), self, file.path, root),)

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """Nothing in a session's folder of spilled outputs, each of which a row of the session names."""
        return [] if folder.name == _SPILL_FOLDER and UUID.fullmatch(folder.parent.name) else None

    def is_companion(self, path: Path) -> bool:
        """The sidecars of subagents, the journals of workflows, spilled outputs, lists of sessions and of prompts."""
        match path.name:
            case "journal.jsonl":
                return path.parent.parent.name == "workflows"
            case "history.jsonl":
                return (path.parent / "projects").is_dir()
            case "sessions-index.json":
                return True
            case name if name.endswith(".meta.json"):
                return name.startswith("agent-")
            case _:
                return path.suffix == ".txt" and path.parent.name == _SPILL_FOLDER

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file alone: subagents are sessions of their own, sidecars and spilled outputs do not change."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for files of up to 32 KiB and for web documents; by the two ends of a larger one."""
        size = _size(source.path)
        head = read_head(source.path, source.root)
        if size > _EXACT_SUMMARY_BYTES and not _is_web_document(head):
            return skim(source, size)
        return summarise_rows(source, head.split(b"\n", _HEAD_LINES)[:_HEAD_LINES], _rows(source, head))

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A record a row, in file order; hidden rows are meta events. `None` for a web document."""
        if _is_web_document(read_head(source.path, source.root)):
            return None
        return _RowDecoder(source, meta=meta)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """A record a row, in file order; hidden rows are meta events."""
        decoder = self.decoder(source, meta=meta)
        if decoder is None:
            return _web_records(source, meta=meta)
        return decode(decoder, read_lines(source.path, source.root))


_HEAD_LINES: Final = 256
"""Among so many first lines a session's id is looked for."""


def _size(path: Path) -> int:
    found = stamp(path)
    return found.size if found else 0


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
        row = decode_object(line)
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


def _is_claude_row(row: JsonObject) -> bool | None:
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


def _is_stream_row(row: JsonObject) -> bool:
    if not isinstance(row.get("session_id"), str) or "sessionId" in row:
        return False
    return row.get("type") == "result" or (row.get("type") == "system" and row.get("subtype") == "init")


_LARGE_MESSAGE: Final = (
    re.compile(rb'"type":\s*"(?:user|assistant)"'),
    re.compile(rb'"message":\s*\{'),
    re.compile(rb'"content":'),
)
"""What stands in the beginning of a message's row, in this order."""


def _starts_large_message(head: bytes) -> bool:
    """Whether the last line of the head, cut off, begins as a message does (one with an image, say)."""
    rest = head[head.rfind(b"\n") + 1 :][: 8 << 10]
    signed = b'"sessionId"' in rest or b'"parentUuid"' in rest
    position = 0
    for sign in _LARGE_MESSAGE:
        if (found := sign.search(rest, position)) is None:
            return False
        position = found.end()
    return signed and b'"parts"' not in rest


# --------------------------------------------------------------------------------------------------------- decoding


class _RowDecoder:
    """Gives each row's record at once; what the file as it is now says of its rows is known beforehand."""

    def __init__(self, source: SessionSource, *, meta: bool) -> None:
        path = source.path
        self._tree, self._ancestry = Tree(), Ancestry(source)
        self._known_lines = 0
        self._foresee(source)
        own_id = path.stem if UUID.fullmatch(path.stem) else ""
        self._talk = Conversation(
            meta=meta, setting=Setting(own_id, is_subagent(path), self._tree, self._ancestry, _spill(source))
        )

    def feed(self, line: Line) -> list[Item | Revised]:
        """The record of a line's row, behind what it changes of earlier ones."""
        items: list[Item | Revised] = []
        for item in read_line(line):
            if isinstance(item, BadRecord):
                items.append(item)
                continue
            if line.number > self._known_lines and self._changes_earlier(item[1], item[2]):
                items.append(Revised())
            record = self._talk.feed(*item)
            if record is not None:
                items.append(record)
        return items

    def pending(self) -> tuple[()]:
        """Nothing: a row is settled by those before it."""
        return ()

    def _foresee(self, source: SessionSource) -> None:
        """Read the file as it is now; a last line without an end may yet become another one."""
        if _size(source.path) > MAX_TREE_BYTES:
            self._tree.give_up()
            return
        for line in read_lines(source.path, source.root):
            self._known_lines += line.ended
            for item in read_line(line):
                if not isinstance(item, BadRecord):
                    self._changes_earlier(item[1], item[2])

    def _changes_earlier(self, row: JsonObject, size: int) -> bool:
        if not self._tree.is_known and not self._ancestry.is_told_by(row):
            return False  # as with nearly every row of a large file
        changed, inherits = self._tree.add(row, size), self._ancestry.add(row)
        # What was not foreseen would not be foreseen the next time either.
        return changed or (inherits and self._tree.is_known)


def _rows(source: SessionSource, head: bytes) -> Iterator[NumberedRow | BadRecord]:
    """Every row of the file, and a `BadRecord` for each line of which something is lost."""
    if _is_web_document(head):
        return _web_rows(read_whole(source.path, source.root))
    return chain.from_iterable(map(read_line, read_lines(source.path, source.root)))


def _web_rows(data: bytes) -> Iterator[NumberedRow | BadRecord]:
    try:
        document = decode_json(data)
    except ValueError as problem:
        raise ArchiveError("the session's file is not valid JSON", str(problem)) from problem
    rows = document.get("loglines") if isinstance(document, dict) else None
    for number, row in enumerate(rows if isinstance(rows, list) else (), 1):
        yield (number, row, UNKNOWN_SIZE) if isinstance(row, dict) else BadRecord(None)


def _web_records(source: SessionSource, *, meta: bool) -> Iterator[Item]:
    talk = Conversation(meta=meta, setting=Setting(spill=_spill(source)))
    for item in _web_rows(read_whole(source.path, source.root)):
        record = item if isinstance(item, BadRecord) else talk.feed(*item)
        if record is not None:
            yield record


# -------------------------------------------------------------------------------------------------------- spilled


def _spill(source: SessionSource) -> Spill:
    """Reads the session's own spilled outputs, and nothing else that a log may name."""
    path = source.path
    subagents = subagents_folder(path)
    folder = (subagents.parent if subagents else path.with_suffix("")) / _SPILL_FOLDER

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
