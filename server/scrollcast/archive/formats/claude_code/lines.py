"""The lines of a Claude Code file as rows, with what can be saved of a damaged one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from scrollcast.archive.formats.claude_code.parts import Row
from scrollcast.archive.storage import Line, decode_json
from scrollcast.model import BadRecord

__all__ = ["NumberedRow", "decode_row", "read_line"]

NumberedRow: TypeAlias = tuple[int, Row, int]
"""A row with its 1-based number in the file and its size in bytes."""

_MAX_SALVAGE_BYTES: Final = 16 << 20
"""How many bytes are decoded in search of a whole row at the end of one bad line."""

# What tells a row from a block inside one.
_ROW_SIGNS: Final = frozenset(("uuid", "sessionId", "session_id", "timestamp", "message", "messageId", "leafUuid"))


def decode_row(data: bytes) -> Row | None:
    """The row that a line is, or `None` where it is no JSON object."""
    try:
        row = decode_json(data)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def read_line(line: Line) -> Sequence[NumberedRow | BadRecord]:
    """The row of a line, and a `BadRecord` where something of the line is lost; nothing for a blank one."""
    data = line.data
    if data is None:
        return (BadRecord(line.number),)
    try:
        row = decode_json(data)
    except ValueError:
        return _mend_line(line, data)
    return ((line.number, row, len(data)),) if isinstance(row, dict) else (BadRecord(line.number),)


def _mend_line(line: Line, data: bytes) -> Sequence[NumberedRow | BadRecord]:
    """What can be had from a line that does not parse: a row between NULs, a whole row behind a truncated one."""
    if not data.strip():
        return ()
    if b"\0" in data:
        data = data.replace(b"\0", b"")
        if (row := decode_row(data)) is not None:
            return ((line.number, row, len(data)),)
    salvaged = _salvage(data)
    if salvaged is not None:
        return (BadRecord(line.number), (line.number, salvaged, len(data)))
    return (BadRecord(line.number, half_written=not line.ended),)


def _salvage(data: bytes) -> Row | None:
    """The row glued to the end of a truncated one: the first `{"` from which everything parses as a row."""
    position, budget = data.find(b'{"', 1), _MAX_SALVAGE_BYTES
    while position > 0 and budget > 0:
        row = decode_row(data[position:])
        if row is not None and isinstance(row.get("type"), str) and not _ROW_SIGNS.isdisjoint(row):
            return row
        budget -= len(data) - position
        position = data.find(b'{"', position + 1)
    return None
