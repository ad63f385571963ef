"""The lines of a Claude Code file as rows, with what can be saved of a damaged one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from scrollcast.archive.formats.json_values import JsonObject, decode_object
from scrollcast.archive.storage import Line, decode_json
from scrollcast.model import BadRecord

__all__ = ["NumberedRow", "read_line"]

NumberedRow: TypeAlias = tuple[int, JsonObject, int]
"""A row with its 1-based number in the file and its size in bytes."""

_MAX_SALVAGE_BYTES: Final = 16 << 20
_MAX_SALVAGE_ROUNDS: Final = 12
"""How many bytes are decoded in search of a whole row at the end of one bad line, and how many times its length."""

# What tells a row from a block inside one.
_ROW_SIGNS: Final = frozenset(("uuid", "sessionId", "session_id", "timestamp", "message", "messageId", "leafUuid"))


def read_line(line: Line) -> Sequence[NumberedRow | BadRecord]:
    """The row of a line, and a `BadRecord` where something of the line is lost; nothing for a blank one."""
    number, data, _ = line
    if data is None:
        return (BadRecord(number),)
    if not data or data.isspace():
        return ()
    try:
        row = decode_json(data)
    except ValueError:
        return _mend_line(line, data)
    return ((number, row, len(data)),) if isinstance(row, dict) else (BadRecord(number),)


def _mend_line(line: Line, data: bytes) -> Sequence[NumberedRow | BadRecord]:
    """What can be had from a line that does not parse: a row between NULs, a whole row behind a truncated one."""
    if b"\0" in data:
        data = data.replace(b"\0", b"")
        if (row := decode_object(data)) is not None:
            return ((line.number, row, len(data)),)
    salvaged = _salvage(data)
    if salvaged is not None:
        return (BadRecord(line.number), (line.number, salvaged, len(data)))
    return (BadRecord(line.number, half_written=not line.ended),)


def _salvage(data: bytes) -> JsonObject | None:
    """The row glued to the end of a truncated one: the first `{"` from which everything parses as a row."""
    position, budget = data.find(b'{"', 1), min(_MAX_SALVAGE_BYTES, _MAX_SALVAGE_ROUNDS * len(data))
    while position > 0 and budget > 0:
        row = decode_object(data[position:])
        if row is not None and isinstance(row.get("type"), str) and not _ROW_SIGNS.isdisjoint(row):
            return row
        budget -= len(data) - position
        position = data.find(b'{"', position + 1)
    return None
