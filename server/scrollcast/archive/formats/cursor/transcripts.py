"""The two shapes of a Cursor transcript as records: a row a message, and the plain text of earlier versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.cursor.calls import Calls, call_markers, image_of, output_parts
from scrollcast.archive.formats.cursor.wording import REDACTED, is_open_query, read_prompt, without_redacted
from scrollcast.archive.formats.json_values import JsonObject, listed, mapping, row_of, text_of
from scrollcast.archive.storage import Line
from scrollcast.model import BadRecord, Part, Record

__all__ = ["MARK", "ROLE_LINE", "RowDecoder", "TextDecoder"]


# ------------------------------------------------------------------------------------------------------------ rows

# What a row has that is shown; whatever else stands in it is kept as `metadata.extra`.
_ROW_FIELDS: Final = frozenset(("role", "message", "content", "model", "timestamp", "id"))


class RowDecoder:
    """A message a row, each by itself: `{"role": …, "message": {"content": …}}`."""

    def __init__(self, *, meta: bool) -> None:
        self._meta = meta
        self._calls = Calls()

    def feed(self, line: Line) -> Iterable[Item]:
        """The records of one row: results before what is said beside them."""
        row = row_of(line)
        if not isinstance(row, dict):
            return () if row is None else (row,)
        record_id = f"row-{line.number}"
        match row:
            case {"role": str(role)} if role:
                return self._message(record_id, role, row)
            case {"type": "turn_ended", "status": "error"}:
                return (_failure(record_id, row),)
            case _:
                return self._hidden(record_id, row, _kind_of(row))

    def pending(self) -> Iterable[Item]:
        """Nothing is held back."""
        return ()

    def _hidden(self, record_id: str, row: JsonObject, kind: str) -> list[Item]:
        return [Record(record_id, row.get("timestamp"), kind=kind, payload=row)] if self._meta else []

    def _message(self, record_id: str, role: str, row: JsonObject) -> list[Item]:
        blocks = _blocks_of(row)
        records = self._user(record_id, row, blocks) if role == "user" else self._agent(record_id, role, row, blocks)
        return list(records) or self._hidden(record_id, row, f"{role}/empty")

    def _user(self, record_id: str, row: JsonObject, blocks: Sequence[Any]) -> list[Record]:
        results = [self._result(block) for block in blocks if _is_result(block)]
        others = [block for block in blocks if not _is_result(block)]
        prompt = _prompt(record_id, row, others)
        records = [prompt] if prompt else []
        if results:
            result_id = f"{record_id}/result" if prompt else record_id
            records.insert(0, Record(result_id, row.get("timestamp"), "tool", results, _metadata(row) or None))
        if prompt and prompt.role == "user":
            self._calls.forget()
        return records

    def _result(self, block: JsonObject) -> Part:
        content = block["content"] if "content" in block else block.get("output", block.get("text"))
        call_id = self._calls.close(block.get("tool_use_id"), text_of(block.get("name")))
        failed = block.get("is_error") is True
        return {"type": "tool_result", "call_id": call_id, "output": output_parts(content), "is_error": failed}

    def _agent(self, record_id: str, role: str, row: JsonObject, blocks: Sequence[Any]) -> list[Record]:
        parts: list[Part] = []
        redacted = False
        for block in blocks:
            redacted = redacted or _is_redacted(block)
            parts += self._agent_parts(block)
        if not parts:
            return []
        metadata = _metadata(row) | ({"redacted": True} if redacted else {})
        is_result = all(part["type"] == "tool_result" for part in parts)
        said_by = "tool" if is_result else role
        return [Record(record_id, row.get("timestamp"), said_by, parts, metadata or None, markers=call_markers(parts))]

    def _agent_parts(self, block: Any) -> list[Part]:
        match block:
            case {"type": "tool_use" | "tool_call" | "tool-call", "name": str(name)}:
                return self._calls.open(block.get("id"), name, block.get("input", block.get("args")))
            case {"type": "thinking"}:
                text = block.get("thinking", block.get("text"))
                words = without_redacted(text) if isinstance(text, str) else ""
                return [{"type": "thinking", "text": words}] if words.strip() else []
            case {"type": "redacted" | "redacted_thinking"}:
                return []
            case _:
                return [self._result(block)] if _is_result(block) else _shown(block)


def _kind_of(row: JsonObject) -> str:
    return text_of(row.get("type")) or "unknown"


def _failure(record_id: str, row: JsonObject) -> Record:
    error = row.get("error")
    text = text_of(error) or text_of(mapping(error).get("message")) or "The turn ended with an error."
    return Record(record_id, row.get("timestamp"), "system", [text_part(text)], {"level": "error"})


def _blocks_of(row: JsonObject) -> list[Any]:
    message = row.get("message")
    return listed(message.get("content") if isinstance(message, dict) else row.get("content", message))


def _metadata(row: JsonObject) -> JsonObject:
    inner = mapping(row.get("message"))
    extra = {name: value for name, value in row.items() if name not in _ROW_FIELDS}
    extra |= {name: value for name, value in inner.items() if name not in _ROW_FIELDS}
    model = row.get("model", inner.get("model"))
    found: JsonObject = {"model": model} if isinstance(model, str) and model else {}
    return {**found, "extra": extra} if extra else found


def _is_result(block: Any) -> bool:
    """Whether a block is what a tool gave back; one that has a text and nothing else is only text."""
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "tool-result":
        return "content" in block or "output" in block
    return kind == "tool_result"


def _is_redacted(block: Any) -> bool:
    match block:
        case {"type": "redacted" | "redacted_thinking"}:
            return True
        case {"text": str(text)} | {"thinking": str(text)} | (str() as text):
            return REDACTED in text and without_redacted(text) != text
        case _:
            return False


def _shown(block: Any) -> list[Part]:
    """A block that is text; one of an unknown type that has a text, with the block beside it; any other whole."""
    match block:
        case str() | {"type": "text", "text": str()}:
            text = without_redacted(block if isinstance(block, str) else block["text"])
            return [text_part(text)] if text.strip() else []
        case {"text": str(text)}:
            return [{**text_part(text), "raw": block}]
        case _:
            return [image_of(block) or {"type": "unknown", "raw": block}]


def _prompt(record_id: str, row: JsonObject, blocks: Sequence[Any]) -> Record | None:
    """What a person wrote; what the program said where nobody wrote anything."""
    texts = [block if isinstance(block, str) else block["text"] for block in blocks if _is_text(block)]
    wording = read_prompt(texts)
    parts = [text_part(text) for text in wording.words]
    parts += [part for block in blocks if not _is_text(block) for part in _shown(block)]
    metadata = _metadata(row)
    timestamp = row.get("timestamp", wording.time)
    if parts:
        metadata |= {"injected": list(wording.injected)} if wording.injected else {}
        return Record(record_id, timestamp, "user", parts, metadata or None)
    if wording.injected:
        return Record(record_id, timestamp, "system", [text_part(text) for text in wording.injected], metadata or None)
    return None


def _is_text(block: Any) -> bool:
    return isinstance(block, str) or (
        isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
    )


# ------------------------------------------------------------------------------------------------------------ text

ROLE_LINE: Final = re.compile(r"(user|assistant):\s*")
MARK: Final = re.compile(r"\[(Thinking|Tool call|Tool result)\][ \t]*(.*)", re.DOTALL)

_ARGUMENT: Final = re.compile(r"[ \t]{1,4}([A-Za-z_][\w.-]{0,60}):(?:[ \t](.*))?", re.DOTALL)

_MAX_BLOCK_CHARACTERS: Final = 8 << 20
"""A longer message is cut into several, so that a file of one block is not held in memory."""


@dataclass(slots=True)
class _Piece:
    """Lines of one kind: `text`, `thinking`, `call` or `result`; the last two with the name of a tool."""

    kind: str
    name: str = ""
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """A message in the making."""

    number: int
    role: str
    pieces: list[_Piece] = field(default_factory=list)
    size: int = 0

    def text(self) -> str:
        """Everything in it, without the blank lines around it."""
        return "\n".join(line for piece in self.pieces for line in piece.lines).strip()


class TextDecoder:
    """Plain text: `user:` and `assistant:` lines, and marks for thoughts, calls and results between them.

    A message is held back until the next one begins. A mark or a role inside a query that is not closed is the
    person's own text.
    """

    def __init__(self) -> None:
        self._calls = Calls()
        self._block: _Block | None = None
        self._open_query = False

    def feed(self, line: Line) -> Iterable[Item]:
        """The message that ends before this line."""
        if line.data is None:
            return (BadRecord(line.number),)
        text = line.data.decode("utf-8", "replace")
        before = self._block
        if not self._open_query and (role := ROLE_LINE.fullmatch(text)):
            self._block = _Block(line.number, role[1])
        elif not self._open_query and self._is_agent() and (mark := MARK.fullmatch(text)):
            self._mark(line.number, mark[1], mark[2].strip())
        else:
            self._add(line.number, text)
        return () if before is None or before is self._block else _records(before, self._calls)

    def pending(self) -> Iterable[Item]:
        """The message that has no end yet."""
        return [] if self._block is None else _records(self._block, self._calls.copy())

    def _is_agent(self) -> bool:
        return self._block is not None and self._block.role != "user"

    def _mark(self, number: int, kind: str, rest: str) -> None:
        assert self._block is not None, "marks count in what the agent says"
        if kind == "Tool result":
            self._block = _Block(number, "tool", [_Piece("result", rest)])
            return
        if self._block.role == "tool":
            self._block = _Block(number, "assistant")
        if kind == "Tool call":
            self._block.pieces.append(_Piece("call", rest))
        else:
            self._block.pieces.append(_Piece("thinking", lines=[rest] if rest else []))

    def _add(self, number: int, text: str) -> None:
        block = self._block
        if block is None:
            if text.strip():  # nothing says whose it is
                self._block = _Block(number, "system", [_Piece("text", lines=[text])])
            return
        if block.size > _MAX_BLOCK_CHARACTERS:
            block = self._block = _Block(number, block.role)
        block.size += len(text) + 1
        _piece_for(block, text).lines.append(text)
        if block.role == "user" and ("<user_query>" in text or self._open_query):
            self._open_query = is_open_query(text) or (self._open_query and "</user_query>" not in text)


def _piece_for(block: _Block, text: str) -> _Piece:
    """The piece that a line belongs to: a thought ends at a blank line, a call where a line is not indented."""
    last = block.pieces[-1] if block.pieces else None
    ends = last is None or (
        (last.kind == "thinking" and not text.strip() and any(last.lines))
        or (last.kind == "call" and bool(text.strip()) and not text.startswith((" ", "\t")))
    )
    if last is None or ends:
        kind = "result" if block.role == "tool" else "text"
        last = _Piece(kind)
        block.pieces.append(last)
    return last


def _records(block: _Block, calls: Calls) -> list[Record]:
    record_id = f"line-{block.number}"
    if block.role == "user":
        record = _prompt(record_id, {}, [block.text()])
        if record and record.role == "user":
            calls.forget()
        return [record] if record else []
    parts = [part for piece in block.pieces for part in _piece_parts(piece, calls)]
    return [Record(record_id, None, block.role, parts, markers=call_markers(parts))] if parts else []


def _piece_parts(piece: _Piece, calls: Calls) -> list[Part]:
    text = "\n".join(piece.lines).strip("\n").rstrip()
    match piece.kind:
        case "call":
            return calls.open(None, piece.name or "tool", _arguments(piece.lines))
        case "result":
            call_id = calls.close(None, piece.name)
            return [{"type": "tool_result", "call_id": call_id, "output": output_parts(text), "is_error": False}]
        case "thinking":
            words = without_redacted(text)
            return [{"type": "thinking", "text": words}] if words.strip() else []
        case _:
            return _shown(text)


def _arguments(lines: Iterable[str]) -> dict[str, str]:
    """Indented `name: value` lines; a line that begins no argument goes on with the one before it."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        if argument := _ARGUMENT.fullmatch(line):
            name = argument[1]
            found[name] = [argument[2] or ""]
        elif name:
            found[name].append(line)
        elif line.strip():
            name = "input"
            found[name] = [line.strip()]
    return {key: "\n".join(values).rstrip() for key, values in found.items()}
