"""What a decoded JSON value is taken for, where anything may stand in a field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from scrollcast.archive.storage import Line, decode_json, read_whole
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord

__all__ = [
    "JsonObject",
    "decode_object",
    "dicts",
    "json_size",
    "listed",
    "mapping",
    "read_object",
    "row_of",
    "smallest_fields",
    "text_of",
]

JsonObject: TypeAlias = dict[str, Any]

_WITHOUT_MEASURE: Final = 1 << 62
"""The size of a value that is nested more deeply than the encoder goes."""


def decode_object(data: bytes | None) -> JsonObject | None:
    """The JSON object that some bytes are; `None` for any other value, for what is no JSON, and for no bytes."""
    try:
        # Blank lines may be very many, and the decoder takes its time to refuse one.
        value = None if not data or data.isspace() else decode_json(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def row_of(line: Line) -> JsonObject | BadRecord | None:
    """The object that a line is, `None` for a blank line; one without an end that is no object may be half-written."""
    data = line.data
    if data is not None and (not data or data.isspace()):
        return None
    row = decode_object(data)
    return BadRecord(line.number, half_written=data is not None and not line.ended) if row is None else row


def read_object(path: Path, root: Path, what: str = "the session's file") -> JsonObject:
    """The object that a whole file is.

    Raises:
        ArchiveError: it cannot be read, is too large, or is none; `what` names it in the sentence.
    """
    try:
        value = decode_json(read_whole(path, root))
    except ValueError as problem:
        raise ArchiveError(f"{what} is not valid JSON", str(problem)) from problem
    if not isinstance(value, dict):
        raise ArchiveError(f"{what} is no JSON object")
    return value


def mapping(value: object) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def dicts(value: object) -> list[JsonObject]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def listed(value: object) -> list[Any]:
    """A list as it is, one thing as a list of it; nothing, as `null` or as an empty text, as an empty list."""
    match value:
        case list():
            return value
        case None | "":
            return []
        case _:
            return [value]


def text_of(value: object) -> str:
    """The value if it is text, else no text."""
    return value if isinstance(value, str) else ""


# --------------------------------------------------------------------------------------------------------- size


def json_size(value: object, limit: int = _WITHOUT_MEASURE) -> int:
    """How many bytes a value has as JSON; of a text of more than `limit` characters only these are counted."""
    if value is None or isinstance(value, (bool, int, float)):
        return 8
    if isinstance(value, str) and len(value) > limit:
        return len(value)
    try:
        return len(orjson.dumps(value))
    except TypeError:
        return _WITHOUT_MEASURE


def smallest_fields(fields: Mapping[str, Any], limit: int) -> JsonObject:
    """The fields of an object that fit into `limit` bytes as JSON, the smallest chosen first, in their own order."""
    sizes = {name: json_size(value, limit) for name, value in fields.items()}
    kept, total = set(), 2
    for name in sorted(sizes, key=sizes.__getitem__):
        total += sizes[name] + len(name) + 4
        if total > limit:
            break
        kept.add(name)
    return {name: value for name, value in fields.items() if name in kept}
