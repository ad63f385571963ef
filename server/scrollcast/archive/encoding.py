"""Records in, wire-ready events out: numbered, timed, and encoded once for all replays of the session.

An event's own bytes, `{"seq":…,"t_ms":…,"event":…}`, are the same in every replay (`docs/protocol.md`, `events`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from scrollcast.archive.timestamps import Instant, format_instant, parse_instant, read_time
from scrollcast.model import BadRecord, MarkerKind, Part, Record, Session, wire_role

__all__ = [
    "EPOCH_START",
    "EncodedEvent",
    "EventEncoder",
    "RecordTimer",
    "SessionClock",
    "TimedRecord",
    "decode_event",
    "describe",
    "time_records",
]

_LABEL_CHARACTERS: Final = 80
"""A marker's label is a hint beside a seek bar, not a text to read."""


_TERMINAL_CODE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~])?")
"""A control sequence (ECMA-48, 5.4), or an escape character by itself."""


class TimedRecord(NamedTuple):
    """A record with its recorded time in milliseconds, and its `created_at`."""

    t_ms: int
    created_at: str
    record: Record


class EncodedEvent(NamedTuple):
    """One event as it is kept: its bytes, and what the index notes of it."""

    t_ms: int
    id: str
    data: bytes
    is_turn: bool
    is_tool: bool
    markers: tuple[tuple[MarkerKind, str], ...]
    reading_ms: int = 0
    """How long somebody who watches takes to read it."""


EPOCH_START: Final = "1970-01-01T00:00:00Z"
"""The `created_at` of a record where nothing tells the time."""

READING_CHARACTERS_A_SECOND: Final = 25
"""How fast prose is read: some 240 words a minute (Brysbaert 2019, a mean over 190 studies)."""

SKIMMED_SECONDS: Final = 2.0
"""What a tool is given and gives back is looked at for so long at most, however much of it there is."""

LEAST_READING_SECONDS: Final = 0.5
MOST_READING_SECONDS: Final = 12.0

PROSE: Final = frozenset(("text", "thinking", "code"))
"""The types of parts that are read; all others are looked at."""


class SessionClock:
    """Where the recorded time of one session begins: at its first message with a time.

    `fallback` is the `created_at` of records before the first timestamp. With `synthetic` the session has no times of
    its own: each record comes when the one before it has been read, or at its own time where that is later.
    """

    def __init__(self, fallback: str, *, synthetic: bool = False) -> None:
        self.fallback = fallback
        self.synthetic = synthetic
        self.base: Instant | None = parse_instant(fallback) if synthetic else None
        self.base_is_meta = False


class RecordTimer:
    """Times the records of one file by a session's clock: whole milliseconds, never decreasing."""

    def __init__(self, clock: SessionClock, *, meta_sets_base: bool = False) -> None:
        self._clock = clock
        self._meta_sets_base = meta_sets_base
        self._latest = 0
        self._created_at = clock.fallback
        self._reading_ms = 0

    def time(self, record: Record) -> TimedRecord:
        """The record with its time; one without a usable timestamp takes its predecessor's, `created_at` too."""
        clock, timestamp = self._clock, record.timestamp
        base = clock.base
        if clock.synthetic and base is not None:
            self._read_on(record, base)
        found = read_time(timestamp)
        if found is not None:
            instant, self._created_at = found
            if base is None and (self._meta_sets_base or not record.is_meta):
                base = clock.base = instant
                clock.base_is_meta = record.is_meta
            if base is not None and (t_ms := (instant - base) // 1000) > self._latest:
                self._latest = t_ms
        return TimedRecord(self._latest, self._created_at, record)

    def _read_on(self, record: Record, base: Instant) -> None:
        self._latest += self._reading_ms
        self._reading_ms = 0 if record.is_meta else _reading_ms_of(record.content)
        self._created_at = format_instant(base + self._latest * 1000)


def _reading_ms(prose: int, others: int) -> int:
    """How long somebody who watches takes to read a message of so many characters, and parts without any."""
    seconds = prose / READING_CHARACTERS_A_SECOND + min(SKIMMED_SECONDS, others * SKIMMED_SECONDS / 2)
    return round(1000 * min(MOST_READING_SECONDS, max(LEAST_READING_SECONDS, seconds)))


def _reading_ms_of(parts: Sequence[Part]) -> int:
    lengths = [len(part["text"]) for part in parts if part.get("type") in PROSE]
    return _reading_ms(sum(lengths), len(parts) - len(lengths))


def time_records(
    records: Iterable[Record | BadRecord], fallback: str, *, synthetic: bool = False
) -> Iterator[TimedRecord | BadRecord]:
    """Each record of a session with its time (`SessionClock` tells what `fallback` and `synthetic` mean)."""
    timer = RecordTimer(SessionClock(fallback, synthetic=synthetic))
    for record in records:
        yield record if isinstance(record, BadRecord) else timer.time(record)


class EventEncoder:
    """Encodes the events of one session in order."""

    def __init__(self, session: Session) -> None:
        self._connector_id = session.connector_id
        self._session_id = session.message_session_id

    def encode(self, seq: int, timed: TimedRecord) -> EncodedEvent:
        """One event's bytes and what is to be known of it without decoding them again."""
        t_ms, created_at, record = timed
        if record.is_meta:
            return EncodedEvent(t_ms, record.id, self._meta_event(seq, timed), False, False, tuple(record.markers))
        message = {
            "id": record.id,
            "session_id": self._session_id,
            "role": wire_role(record.role),
            "created_at": created_at,
            "content": record.content,
            "status": "completed",
            "metadata": _metadata(record),
        }
        event = {"type": "message_completed", "connector_id": self._connector_id, "message": message}
        is_turn, is_tool, markers, reading_ms = describe(record)
        if record.markers:
            markers = (*markers, *record.markers)
        data = _encode({"seq": seq, "t_ms": t_ms, "event": event})
        return EncodedEvent(t_ms, record.id, data, is_turn, is_tool, markers, reading_ms)

    def _meta_event(self, seq: int, timed: TimedRecord) -> bytes:
        record = timed.record
        meta_event = {
            "id": record.id,
            "session_id": self._session_id,
            "kind": record.kind,
            "created_at": timed.created_at,
            "payload": record.payload,
        }
        event = {"type": "meta_event", "connector_id": self._connector_id, "meta_event": meta_event}
        return _encode({"seq": seq, "t_ms": timed.t_ms, "event": event})


def _encode(value: dict[str, Any]) -> bytes:
    try:
        # A copy, for what holds many: orjson 3.13 leaves 8 KB to what it returns, however short that is.
        return bytes(memoryview(orjson.dumps(value)))
    except orjson.JSONEncodeError:  # it reads deeper nesting than it writes
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode_event(data: bytes) -> dict[str, Any]:
    """An event's own bytes, decoded."""
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:  # nested more deeply than it goes
        event = json.loads(data)
    assert isinstance(event, dict)
    return event


def _metadata(record: Record) -> Mapping[str, Any] | None:
    if record.role in ("user", "assistant"):
        return record.metadata or None
    return {**(record.metadata or {}), "archived_role": record.role}


# ------------------------------------------------------------------------------------------------------ markers


def describe(record: Record) -> tuple[bool, bool, tuple[tuple[MarkerKind, str], ...], int]:
    """Whether a message is a turn, whether it calls a tool, the markers that its parts make, and how long it reads."""
    content = record.content
    call = failure = plan = None
    calls = failures = results = prose = others = 0
    for part in content:
        kind = part.get("type")
        if kind in PROSE:
            prose += len(part["text"])
            continue
        others += 1
        if kind == "tool_call":
            call, calls = call or part, calls + 1
        elif kind == "tool_result":
            results += 1
            if part.get("is_error"):
                failure, failures = failure or part, failures + 1
        elif kind == "plan":
            plan = part
    is_turn = record.role == "user" and (not content or results < len(content))
    if not is_turn and call is failure is plan:  # nothing of all this, as with most messages
        return False, False, (), _reading_ms(prose, others)
    markers = []
    if is_turn:
        markers.append((MarkerKind.TURN, _first_text(content) or "(no text)"))
    if call is not None:
        markers.append((MarkerKind.TOOL, _and_more(_call_label(call), calls)))
    if failure is not None:
        markers.append((MarkerKind.ERROR, _and_more(_first_text(failure["output"]) or "error", failures)))
    if plan is not None:
        markers.append((MarkerKind.PLAN, _plan_label(plan)))
    return is_turn, call is not None, tuple(markers), _reading_ms(prose, others)


def _first_text(parts: Sequence[Part]) -> str:
    for part in parts:
        if part.get("type") in ("text", "code") and (label := _shorten(part["text"])):
            return label
    return next((f"({part['type']})" for part in parts if part.get("type") in ("image", "resource")), "")


def _call_label(call: Part) -> str:
    name = call["name"]
    name = _short_name(name) if len(name) <= _LABEL_CHARACTERS else _shorten(name)
    title = _shorten(call.get("title") or "")
    return _cut(f"{name}: {title}") if title and title != name else name


@lru_cache(maxsize=256)
def _short_name(name: str) -> str:
    """A tool's name as `_shorten` gives it: a session has few of them, many times each."""
    return _shorten(name)


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
    if "\x1b" in plain:
        plain = _TERMINAL_CODE.sub("", plain)
    return _cut(" ".join(plain.split()))


def _cut(words: str) -> str:
    return words if len(words) <= _LABEL_CHARACTERS else words[: _LABEL_CHARACTERS - 1] + "…"
