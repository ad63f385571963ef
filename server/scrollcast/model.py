"""What a session is made of: frozen records without I/O.

A content part stays the JSON object that the archive holds, checked by `parse_part` but not rebuilt, so that a field
that this version does not know survives. Its shapes are the part types of `docs/protocol.md`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

__all__ = [
    "CONTENT_NAMESPACE",
    "REPORTED_GAP_MS",
    "WHOLE",
    "BadRecord",
    "Event",
    "Marker",
    "MarkerKind",
    "Message",
    "MetaEvent",
    "Part",
    "Record",
    "Role",
    "Session",
    "Span",
    "Timing",
    "derive_scroll_id",
    "parse_part",
    "parse_parts",
    "wire_role",
]

Part: TypeAlias = dict[str, Any]
"""One content part: a JSON object with a `type`."""

Role: TypeAlias = Literal["user", "assistant"]
Timing: TypeAlias = Literal["recorded", "synthetic"]

CONTENT_NAMESPACE: Final = uuid5(NAMESPACE_URL, "scrollcast")
"""The namespace of the ids given to sessions of other tools (`docs/protocol.md`, HTTP)."""


def derive_scroll_id(format_name: str, native_id: str) -> UUID:
    """The id of a session of another tool: the same wherever and whenever it is read, so that links stay valid."""
    return uuid5(CONTENT_NAMESPACE, f"{format_name}:{native_id}")


def wire_role(archived_role: str) -> Role:
    """The role on the wire: `assistant` stays, everything else speaks to the agent and is `user`."""
    return "assistant" if archived_role == "assistant" else "user"


# ------------------------------------------------------------------------------------------------------- parts

_TEXT: Final = (str,)
_OPTIONAL_TEXT: Final = (str, type(None))

_MISSING: Final = object()
"""Of no JSON type: what stands for a field that must be there and is not."""

# The fields of a part of a known type: the JSON types each may be of, and what stands for one that is left out.
_FIELDS: Final[Mapping[str, Sequence[tuple[str, tuple[type, ...], object]]]] = {
    "text": (("text", _TEXT, _MISSING),),
    "thinking": (("text", _TEXT, _MISSING),),
    "code": (("text", _TEXT, _MISSING), ("language", _OPTIONAL_TEXT, None)),
    "tool_call": (
        ("call_id", _OPTIONAL_TEXT, _MISSING),
        ("name", _TEXT, _MISSING),
        ("kind", _OPTIONAL_TEXT, None),
        ("title", _OPTIONAL_TEXT, None),
    ),
    "tool_result": (
        ("call_id", _OPTIONAL_TEXT, _MISSING),
        ("output", (list,), _MISSING),
        ("is_error", (bool,), _MISSING),
    ),
    "image": (
        ("mime_type", _TEXT, _MISSING),
        ("data", _OPTIONAL_TEXT, None),
        ("uri", _OPTIONAL_TEXT, None),
    ),
    "resource": (
        ("uri", _TEXT, _MISSING),
        ("mime_type", _OPTIONAL_TEXT, None),
        ("text", _OPTIONAL_TEXT, None),
    ),
    "plan": (("entries", (list,), _MISSING),),
    "unknown": (),
}

_ENTRY_FIELDS: Final = {"content": _TEXT, "status": _OPTIONAL_TEXT, "priority": _OPTIONAL_TEXT}


REPORTED_GAP_MS: Final = 3_000
"""A gap from this length on is listed and drawn, and reported when it is cut (`docs/protocol.md`)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a session: recorded time in milliseconds, both ends included; `None` is no bound."""

    from_ms: int | None = None
    to_ms: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has no bound."""
        return self.from_ms is None and self.to_ms is None

    def has(self, t_ms: int) -> bool:
        """Whether a time lies in it."""
        return (self.from_ms is None or self.from_ms <= t_ms) and (self.to_ms is None or t_ms <= self.to_ms)

    def places(self, times: Sequence[int], count: int) -> tuple[int, int]:
        """The half-open range of the first `count` events that lies in it, given when each was recorded."""
        start = 0 if self.from_ms is None else bisect_left(times, self.from_ms, 0, count)
        return start, count if self.to_ms is None else bisect_right(times, self.to_ms, start, count)

    def within(self, other: Span) -> Span:
        """What both have in common; where that is nothing, a stretch that ends before it begins."""
        starts = [each.from_ms for each in (self, other) if each.from_ms is not None]
        ends = [each.to_ms for each in (self, other) if each.to_ms is not None]
        return Span(max(starts, default=None), min(ends, default=None))


WHOLE: Final = Span()

MAX_OUTPUT_DEPTH: Final = 16
"""Results inside results deeper than this do not parse; real ones hold none at all."""


def parse_part(value: object, *, depth: int = 0) -> Part | None:
    """One archived part as a part of the protocol, or `None` where it does not parse.

    A part of a type that the protocol does not have becomes `unknown`, whole. One that is no object, has no `type`,
    or is of a known type with a missing or wrong field does not parse; nor does one that stands in more than
    `MAX_OUTPUT_DEPTH` results (`depth` says in how many).
    """
    if not isinstance(value, dict) or depth > MAX_OUTPUT_DEPTH:
        return None
    kind = value.get("type")
    if not isinstance(kind, str):
        return None
    known = _FIELDS.get(kind)
    if known is None:
        return {"type": "unknown", "raw": value}
    for name, types, missing in known:
        if not isinstance(value.get(name, missing), types):
            return None
    check = _CHECKS.get(kind)
    return value if check is None else check(value, depth)


def _parse_result(part: Part, depth: int) -> Part | None:
    output = parse_parts(part["output"], depth=depth + 1)
    return None if output is None else {**part, "output": output}


def _parse_image(part: Part, _depth: int) -> Part | None:
    return part if part.get("data") is not None or part.get("uri") is not None else None


def _parse_plan(part: Part, _depth: int) -> Part | None:
    return part if all(_is_plan_entry(entry) for entry in part["entries"]) else None


def _parse_unknown(part: Part, _depth: int) -> Part:
    return part if "raw" in part else {"type": "unknown", "raw": part}


_CHECKS: Final[Mapping[str, Callable[[Part, int], Part | None]]] = {
    "tool_result": _parse_result,
    "image": _parse_image,
    "plan": _parse_plan,
    "unknown": _parse_unknown,
}
"""What the types of the fields alone do not tell."""


def _is_plan_entry(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("content"), str)
        and all(isinstance(value.get(name), types) for name, types in _ENTRY_FIELDS.items())
    )


def parse_parts(values: object, *, depth: int = 0) -> list[Part] | None:
    """A list of archived parts, or `None` unless every one of them parses."""
    if not isinstance(values, list):
        return None
    parts = []
    for value in values:
        part = parse_part(value, depth=depth)
        if part is None:
            return None
        parts.append(part)
    return parts


# ------------------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Message:
    """One completed message, as it goes on the wire.

    `created_at` is RFC 3339 text. `metadata` is the record's own plus what Scrollcast adds, `None` when there is none.
    """

    id: str
    session_id: str
    role: Role
    created_at: str
    content: Sequence[Part]
    status: Literal["completed"] = "completed"
    metadata: Mapping[str, Any] | None = None

    @property
    def archived_role(self) -> str:
        """The role that the archive holds, where it differs from the one on the wire."""
        return str((self.metadata or {}).get("archived_role", self.role))


@dataclass(frozen=True, slots=True)
class MetaEvent:
    """Something that happened to a session beside its messages: a mode change, a permission request, a hook."""

    id: str
    session_id: str
    kind: str
    created_at: str
    payload: Any = None


Event: TypeAlias = Message | MetaEvent


@dataclass(frozen=True, slots=True, init=False)
class Record:
    """One archived item as a format reader found it, before it has a place in the session.

    A message has a `role`; a meta event has a `kind` and its `payload` in place of content. `timestamp` is what the
    archive holds: RFC 3339 text, a number of seconds or milliseconds since 1970, or `None`.
    """

    id: str
    timestamp: object
    role: str = ""
    content: Sequence[Part] = ()
    metadata: Mapping[str, Any] | None = None
    kind: str = ""
    payload: Any = None
    markers: Sequence[tuple[MarkerKind, str]] = ()
    """Markers that only the reader can know of (`compaction`, `subagent`), each with its label."""

    def __init__(
        self,
        id: str,
        timestamp: object,
        role: str = "",
        content: Sequence[Part] = (),
        metadata: Mapping[str, Any] | None = None,
        kind: str = "",
        payload: Any = None,
        markers: Sequence[tuple[MarkerKind, str]] = (),
    ) -> None:
        # One is made of each record of a session; the method that a frozen dataclass brings takes twice as long.
        _set_id(self, id)
        _set_timestamp(self, timestamp)
        _set_role(self, role)
        _set_content(self, content)
        _set_metadata(self, metadata)
        _set_kind(self, kind)
        _set_payload(self, payload)
        _set_markers(self, markers)

    @property
    def is_meta(self) -> bool:
        """Whether this is a meta event, not a message."""
        return bool(self.kind)


_set_id, _set_timestamp, _set_role, _set_content, _set_metadata, _set_kind, _set_payload, _set_markers = (
    vars(Record)[slot.name].__set__ for slot in fields(Record)
)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that could not be read.

    `line` is 1-based, or `None` in a file without lines. `half_written` marks the last record of a file whose writer
    stopped in the middle of it: no damage, but an archive that ends there.
    """

    line: int | None
    half_written: bool = False


# --------------------------------------------------------------------------------------------------- the session


class MarkerKind(StrEnum):
    """What a named point on the timeline stands for."""

    TURN = "turn"
    TOOL = "tool"
    ERROR = "error"
    COMPACTION = "compaction"
    SUBAGENT = "subagent"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Marker:
    """A named point on the timeline: `t_ms` is recorded time in milliseconds."""

    seq: int
    t_ms: int
    kind: MarkerKind
    label: str


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session without reading its messages one by one.

    `count` and `duration_ms` are of its messages, and an estimate until the session has been indexed once. Times are
    RFC 3339 text. `parent_call_id` is the tool call of the parent that started it. `timing` is `synthetic` where the
    archive holds no times, so that the pace is made up from the length of the text. `live` says that it is being
    written now, `has_errors` that a tool call in it failed, `source_gone` that its file is no longer there. `error` is
    a sentence when the session cannot be played.
    """

    scroll_id: UUID
    title: str = ""
    agent: str | None = None
    model: str | None = None
    project: str | None = None
    kind: str | None = None
    native_session_id: str | None = None
    connector_uid: UUID | None = None
    parent_scroll_id: UUID | None = None
    parent_call_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    count: int = 0
    duration_ms: int = 0
    timing: Timing = "recorded"
    live: bool = False
    has_errors: bool = False
    source_gone: bool = False
    error: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def connector_id(self) -> str:
        """The native id, or `""`: what `connector_id` is on the wire."""
        return self.native_session_id or ""

    @property
    def message_session_id(self) -> str:
        """What `message.session_id` is on the wire: the native id, else the scroll id as text."""
        return self.native_session_id or str(self.scroll_id)
