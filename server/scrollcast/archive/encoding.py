"""Records in, wire-ready events out: numbered, timed, and encoded once for all replays of the session.

An event's own bytes, `{"seq":…,"t_ms":…,"event":…}`, are the same in every replay (`docs/protocol.md`, `events`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final

import orjson

from scrollcast.archive.timestamps import Instant, format_instant, parse_instant, to_rfc3339
from scrollcast.model import BadRecord, MarkerKind, Part, Record, Session, wire_role

__all__ = ["EncodedEvent", "EventEncoder", "TimedRecord", "merge_by_time", "time_records"]

_LABEL_CHARACTERS: Final = 80
"""A marker's label is a hint beside a seek bar, not a text to read."""


_TERMINAL_CODE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~])?")
"""A control sequence (ECMA-48, 5.4), or an escape character by itself."""


@dataclass(frozen=True, slots=True)
class TimedRecord:
    """A record with its recorded time in milliseconds, and its `created_at`."""

    t_ms: int
    created_at: str
    record: Record


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """One event as it is kept: its bytes, and what the index notes of it."""

    t_ms: int
    id: str
    data: bytes
    is_turn: bool
    is_tool: bool
    markers: tuple[tuple[MarkerKind, str], ...]


READING_CHARACTERS_A_SECOND: Final = 25
"""How fast prose is read: some 240 words a minute (Brysbaert 2019, a mean over 190 studies)."""

SKIMMED_SECONDS: Final = 2.0
"""What a tool is given and gives back is looked at for so long at most, however much of it there is."""

LEAST_READING_SECONDS: Final = 0.5
MOST_READING_SECONDS: Final = 12.0


class _Clock:
    """The recorded time of one session: milliseconds since its first message with a time, never decreasing.

    With `synthetic` each record comes when the one before it has been read, or at its own time where that is later.
    """

    def __init__(self, fallback: str, *, synthetic: bool = False) -> None:
        self.base: Instant | None = parse_instant(fallback) if synthetic else None
        self._synthetic = synthetic
        self._fallback = fallback

    def time(
        self, records: Iterable[Record | BadRecord], *, meta_sets_base: bool = False
    ) -> Iterator[TimedRecord | BadRecord]:
        """Give each record its time; one without a usable timestamp takes its predecessor's, `created_at` too."""
        latest, created_at, reading_ms = 0, self._fallback, 0
        for record in records:
            if isinstance(record, BadRecord):
                yield record
                continue
            if self._synthetic and self.base is not None:
                latest, reading_ms = latest + reading_ms, 0 if record.is_meta else _reading_ms(record.content)
                created_at = format_instant(self.base + latest * 1000)
            instant = parse_instant(record.timestamp)
            if instant is not None:
                created_at = to_rfc3339(record.timestamp, instant)
                if self.base is None and (meta_sets_base or not record.is_meta):
                    self.base = instant
                if self.base is not None:
                    latest = max(latest, (instant - self.base) // 1000)
            yield TimedRecord(latest, created_at, record)


def _reading_ms(parts: Sequence[Part]) -> int:
    """How long somebody who watches takes to read a message."""
    seconds = 0.0
    for part in parts:
        if part.get("type") in ("text", "thinking", "code"):
            seconds += len(part["text"]) / READING_CHARACTERS_A_SECOND
        else:
            seconds += SKIMMED_SECONDS / 2
    if all(part.get("type") not in ("text", "thinking", "code") for part in parts):
        seconds = min(seconds, SKIMMED_SECONDS)
    return round(1000 * min(MOST_READING_SECONDS, max(LEAST_READING_SECONDS, seconds)))


def time_records(
    records: Iterable[Record | BadRecord], fallback: str, *, synthetic: bool = False
) -> Iterator[TimedRecord | BadRecord]:
    """Each record with its time. `fallback` is the `created_at` of those before the first timestamp.

    `synthetic` makes up a pace from the length of the text, for a session that has no times of its own.
    """
    return _Clock(fallback, synthetic=synthetic).time(records)


def merge_by_time(
    messages: Iterable[Record | BadRecord], meta_events: Iterable[Record | BadRecord], fallback: str
) -> Iterator[TimedRecord | BadRecord]:
    """Messages and meta events as one sequence by recorded time, messages first where equal."""
    clock = _Clock(fallback)
    timed = clock.time(messages)
    # The first message with a time is the base that the meta events are timed by, so it is read before any of them.
    for item in timed:
        yield item
        if clock.base is not None:
            break
    yield from merge(timed, clock.time(meta_events, meta_sets_base=True), key=_merge_key)


def _merge_key(item: TimedRecord | BadRecord) -> int:
    return item.t_ms if isinstance(item, TimedRecord) else 0


class EventEncoder:
    """Encodes the events of one session in order."""

    def __init__(self, session: Session) -> None:
        self._connector_id = session.connector_id
        self._session_id = session.message_session_id

    def encode(self, seq: int, timed: TimedRecord) -> EncodedEvent:
        """One event's bytes and what is to be known of it without decoding them again."""
        record = timed.record
        event = self._meta_event(timed) if record.is_meta else self._message(timed)
        data = _encode({"seq": seq, "t_ms": timed.t_ms, "event": event})
        is_turn, is_tool, markers = (False, False, ()) if record.is_meta else _describe(record)
        return EncodedEvent(timed.t_ms, record.id, data, is_turn, is_tool, (*markers, *record.markers))

    def _message(self, timed: TimedRecord) -> dict[str, Any]:
        record = timed.record
        return {
            "type": "message_completed",
            "connector_id": self._connector_id,
            "message": {
                "id": record.id,
                "session_id": self._session_id,
                "role": wire_role(record.role),
                "created_at": timed.created_at,
                "content": record.content,
                "status": "completed",
                "metadata": _metadata(record),
            },
        }

    def _meta_event(self, timed: TimedRecord) -> dict[str, Any]:
        record = timed.record
        return {
            "type": "meta_event",
            "connector_id": self._connector_id,
            "meta_event": {
                "id": record.id,
                "session_id": self._session_id,
                "kind": record.kind,
                "created_at": timed.created_at,
                "payload": record.payload,
            },
        }


def _encode(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _metadata(record: Record) -> Mapping[str, Any] | None:
    if record.role in ("user", "assistant"):
        return record.metadata or None
    return {**(record.metadata or {}), "archived_role": record.role}


# ------------------------------------------------------------------------------------------------------ markers


def _describe(record: Record) -> tuple[bool, bool, tuple[tuple[MarkerKind, str], ...]]:
    """Whether a message is a turn, whether it calls a tool, and the markers that its parts make."""
    calls, failures, plans, results = [], [], [], 0
    for part in record.content:
        match part.get("type"):
            case "tool_call":
                calls.append(part)
            case "tool_result":
                results += 1
                if part.get("is_error"):
                    failures.append(part)
            case "plan":
                plans.append(part)
    is_turn = record.role == "user" and (not record.content or results < len(record.content))
    markers = []
    if is_turn:
        markers.append((MarkerKind.TURN, _first_text(record.content) or "(no text)"))
    if calls:
        markers.append((MarkerKind.TOOL, _and_more(_call_label(calls[0]), len(calls))))
    if failures:
        markers.append((MarkerKind.ERROR, _and_more(_first_text(failures[0]["output"]) or "error", len(failures))))
    if plans:
        markers.append((MarkerKind.PLAN, _plan_label(plans[-1])))
    return is_turn, bool(calls), tuple(markers)


def _first_text(parts: Sequence[Part]) -> str:
    for part in parts:
        if part.get("type") in ("text", "code") and (label := _shorten(part["text"])):
            return label
    return next((f"({part['type']})" for part in parts if part.get("type") in ("image", "resource")), "")


def _call_label(call: Part) -> str:
    title = _shorten(call.get("title") or "")
    name = _shorten(call["name"])
    return _shorten(f"{name}: {title}") if title and title != name else name


def _plan_label(plan: Part) -> str:
    entries = plan["entries"]
    done = sum(entry.get("status") == "completed" for entry in entries)
    return f"{done} of {len(entries)} done"


def _and_more(label: str, count: int) -> str:
    return label if count == 1 else f"{label} (+{count - 1})"


def _shorten(text: str) -> str:
    # Cut before splitting: the text may be of many MiB.
    # Marks of Markdown, and colours of a terminal, make a one-line label harder to read.
    plain = text[: _LABEL_CHARACTERS * 4].replace("*", "").replace("`", "")
    words = " ".join((_TERMINAL_CODE.sub("", plain) if "\x1b" in plain else plain).split())
    return words if len(words) <= _LABEL_CHARACTERS else words[: _LABEL_CHARACTERS - 1] + "…"
