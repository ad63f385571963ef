"""The native archive as it is written: its files and its lines (`docs/formats.md`, Native).

`formats/native.py` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from scrollcast.model import Part, Record

__all__ = [
    "LINES_SIGN",
    "LINES_VERSION",
    "MESSAGES_FILE",
    "METADATA_FILE",
    "META_EVENTS_FILE",
    "SESSION_FIELDS",
    "encode_line",
    "record_object",
]

METADATA_FILE: Final = "session.json"
MESSAGES_FILE: Final = "messages.jsonl"
META_EVENTS_FILE: Final = "meta_events.jsonl"
"""The files of a session that is a folder; the last only where there are any."""

LINES_SIGN: Final = "scrollcast"
"""The field that the first line of a session in one file has, and no record."""

LINES_VERSION: Final = 1
"""Of that layout; the value of the field."""

SESSION_FIELDS: Final = (
    "scroll_id",
    "connector_uid",
    "native_session_id",
    "kind",
    "title",
    "agent",
    "model",
    "project",
    "created_at",
    "updated_at",
    "parent_scroll_id",
    "parent_call_id",
    "timing",
)
"""What the metadata names itself; everything else that stands there is kept as further metadata."""


def record_object(record: Record, session: UUID, timestamp: str | None) -> dict[str, Any]:
    """A message's or a meta event's object, with its time as RFC 3339 text; `None` where it has none of its own."""
    if record.is_meta:
        return {
            "event_id": record.id,
            "session": session,
            "ts": timestamp,
            "kind": record.kind,
            "payload": record.payload,
        }
    return {
        "message_id": record.id,
        "session": session,
        "ts": timestamp,
        "role": record.role,
        "content_md": "\n\n".join(_texts(record.content)),
        "content_parts": record.content,
        "metadata": record.metadata,
    }


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    return (part["text"] for part in parts if part["type"] == "text" and part["text"])


def encode_line(value: Mapping[str, Any]) -> bytes:
    """One object as a line of JSON, its end included.

    Raises:
        TypeError, ValueError: it holds something that JSON cannot say.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:  # nested more deeply than it goes, or a number beyond 64 bits
        return json.dumps(value, default=_encode_id, separators=(",", ":")).encode() + b"\n"


def _encode_id(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")
