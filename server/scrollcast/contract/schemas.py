"""A JSON Schema (draft 2020-12) of every message on the socket and of every answer over HTTP.

They leave room for further fields: a later version may send more, and an archive's own fields are passed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

__all__ = ["CLIENT_MESSAGES", "SCHEMAS", "SERVER_MESSAGES", "Schema", "ref", "resolved"]

Schema: TypeAlias = dict[str, Any]

_MARK: Final = "#/$defs/"


def ref(name: str) -> Schema:
    """The schema of that name, as another refers to it."""
    return {"$ref": _MARK + name}


def resolved(value: Any, place: str) -> Any:
    """The same, its references pointing to where a document keeps the schemas, such as `#/components/schemas/`."""
    if isinstance(value, Mapping):
        return {name: resolved(each, place) for name, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, place) for each in value]
    return place + value.removeprefix(_MARK) if isinstance(value, str) and value.startswith(_MARK) else value


def _object(description: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}
    return {"description": description, **schema} if description else schema


_STRETCH: Final[Mapping[str, Schema]] = {
    "from_ms": {"type": ["integer", "null"], "minimum": 0},
    "to_ms": {"type": ["integer", "null"], "minimum": 0},
    "redact": {"type": "boolean", "description": "Whether secrets are taken out."},
}


def _of_type(
    name: str, description: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None
) -> Schema:
    """An object that its `type` names."""
    return _object(description, {"type": {"const": name}, **required}, optional)


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, **({"minItems": least} if least else {})}


def _one_of(description: str, names: Sequence[str]) -> Schema:
    return {"description": description, "oneOf": [ref(name) for name in names]}


_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_ANY: Final[Schema] = {"description": "Any JSON."}


def _text(description: str) -> Schema:
    return {**_TEXT, "description": description}


_BASICS: Final[Mapping[str, Schema]] = {
    "Uuid": {**_TEXT, "format": "uuid"},
    "Time": {**_TEXT, "format": "date-time", "description": "RFC 3339."},
    "Seq": {**_COUNT, "description": "An event's number in this replay, from 0."},
    "RecordedTime": {**_COUNT, "description": "Whole milliseconds since the session's first message."},
    "Generation": {**_COUNT, "description": "Grows by one with each seek; what is of an older one holds no more."},
    "Status": {"enum": ["playing", "paused", "live", "ended"]},
    "Mode": {
        "enum": ["fast", "realtime", "reading"],
        "description": "As fast as the client reads, as it was recorded, or by how long it takes to read.",
    },
    "Speed": {"type": "number", "minimum": 0.1, "maximum": 100, "description": "Playback seconds a clock second."},
    "Idle": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "description": "The longest gap that is played, in seconds; null for no cap.",
    },
}

# ------------------------------------------------------------------------------------------------------- content

_CUT: Final[Mapping[str, Schema]] = {"truncated": ref("Truncated")}
_CALL_ID: Final = _or_null(_text("Ties a result to its call."))

_PARTS: Final[Mapping[str, Schema]] = {
    "TextPart": _of_type("text", "What was said, as Markdown.", {"text": _TEXT}, _CUT),
    "ThinkingPart": _of_type("thinking", "What the agent thought.", {"text": _TEXT}, _CUT),
    "CodePart": _of_type("code", "A piece of code.", {"text": _TEXT}, {"language": _or_null(_TEXT), **_CUT}),
    "ToolCallPart": _of_type(
        "tool_call",
        "A call of a tool.",
        {"call_id": _CALL_ID, "name": _TEXT},
        {
            "kind": _or_null(_text("What it does, as the Agent Client Protocol has it: read, edit, execute, …")),
            "title": _or_null(_TEXT),
            "input": _ANY,
            **_CUT,
        },
    ),
    "ToolResultPart": _of_type(
        "tool_result",
        "What came back from a call.",
        {"call_id": _CALL_ID, "output": _list(ref("Part")), "is_error": _FLAG},
        _CUT,
    ),
    "ImagePart": _of_type(
        "image",
        "A picture: its bytes, or where it is; neither where it was cut.",
        {"mime_type": _TEXT},
        {"data": _or_null(_text("Base64.")), "uri": _or_null(_TEXT), **_CUT},
    ),
    "ResourcePart": _of_type(
        "resource",
        "Something that was attached.",
        {"uri": _TEXT},
        {"mime_type": _or_null(_TEXT), "text": _or_null(_TEXT), **_CUT},
    ),
    "PlanPart": _of_type(
        "plan", "A plan, or a list of what is to be done, as it is now.", {"entries": _list(ref("PlanEntry"))}, _CUT
    ),
    "UnknownPart": _of_type("unknown", "A part of a type that the protocol does not have, whole.", {"raw": _ANY}, _CUT),
}

_CONTENT: Final[Mapping[str, Schema]] = {
    "Truncated": _object(
        "A part was cut for its preview.",
        {
            "bytes": {**_COUNT, "description": "The whole length: of text in UTF-8, of an image decoded."},
            "href": _text("Where the whole is to be had."),
        },
    ),
    "PlanEntry": _object("", {"content": _TEXT}, {"status": _or_null(_TEXT), "priority": _or_null(_TEXT)}),
    **_PARTS,
    "Part": _one_of("One piece of a message.", list(_PARTS)),
    "Message": _object(
        "One completed message.",
        {
            "id": _TEXT,
            "session_id": _text("The session's native id, else its scroll_id."),
            "role": {"enum": ["user", "assistant"]},
            "created_at": ref("Time"),
            "content": _list(ref("Part")),
            "status": {"const": "completed"},
            "metadata": {"type": ["object", "null"], "description": "The record's own, and what was added."},
        },
    ),
    "MetaEvent": _object(
        "Something that happened beside the messages.",
        {"id": _TEXT, "session_id": _TEXT, "kind": _TEXT, "created_at": ref("Time"), "payload": _ANY},
    ),
    "MessageCompleted": _of_type("message_completed", "", {"connector_id": _TEXT, "message": ref("Message")}),
    "MetaEventReceived": _of_type("meta_event", "", {"connector_id": _TEXT, "meta_event": ref("MetaEvent")}),
    "ArchivedEvent": _one_of("What an event is of.", ["MessageCompleted", "MetaEventReceived"]),
    "Session": _object(
        "What is known of a session. `count` and `duration_ms` of a large one that was never played are estimates.",
        {
            "scroll_id": ref("Uuid"),
            "title": _TEXT,
            "agent": _or_null(_TEXT),
            "model": _or_null(_TEXT),
            "project": _or_null(_TEXT),
            "kind": _or_null(_TEXT),
            "native_session_id": _or_null(_TEXT),
            "connector_uid": _or_null(ref("Uuid")),
            "parent_scroll_id": _or_null(ref("Uuid")),
            "parent_call_id": _or_null(_text("The tool call of the parent that started it.")),
            "created_at": _or_null(ref("Time")),
            "updated_at": _or_null(ref("Time")),
            "count": _COUNT,
            "duration_ms": _COUNT,
            "timing": {"enum": ["recorded", "synthetic"]},
            "live": {**_FLAG, "description": "Whether something was added to it in the last minute."},
            "has_errors": {**_FLAG, "description": "Whether a tool call in it failed."},
            "source_gone": {**_FLAG, "description": "Whether its file is no longer there."},
            "error": _or_null(_text("Why it cannot be played.")),
            "metadata": {"type": "object"},
        },
        {"hits": _list(ref("Hit"))},
    ),
}

# ------------------------------------------------------------------------------------------------ what a server sends

_STATE: Final[Mapping[str, Schema]] = {
    "status": ref("Status"),
    "seq": {**ref("Seq"), "description": "The next event to be sent."},
    "t_ms": ref("RecordedTime"),
    "gen": ref("Generation"),
    "mode": ref("Mode"),
    "speed": ref("Speed"),
    "idle": ref("Idle"),
    "did_seek": _FLAG,
    "late_ms": {**_COUNT, "description": "By how much the next event is overdue."},
}
_PLACE: Final[Mapping[str, Schema]] = {"seq": ref("Seq"), "t_ms": ref("RecordedTime")}
_ENVELOPE: Final[Mapping[str, Schema]] = {
    "gen": ref("Generation"),
    "routing": ref("Routing"),
    "origin": ref("ReplayOrigin"),
}

SERVER_MESSAGES: Final[Mapping[str, str]] = {
    "hello": "Hello",
    "event": "EventMessage",
    "events": "EventsMessage",
    "state": "StateMessage",
    "skipped": "SkippedMessage",
    "caught_up": "CaughtUpMessage",
    "heartbeat": "HeartbeatMessage",
    "notice": "NoticeMessage",
    "end": "EndMessage",
    "error": "ErrorMessage",
}
"""The schema of each type of message that a server sends."""

CLIENT_MESSAGES: Final[Mapping[str, str]] = {"control": "ControlMessage", "ack": "AckMessage"}
"""The schema of each type of message that a client sends."""

_FROM_SERVER: Final[Mapping[str, Schema]] = {
    "Routing": _object(
        "Whose event it is.", {"connector_uid": _or_null(ref("Uuid")), "connector_id": _TEXT, "scroll_id": ref("Uuid")}
    ),
    "ReplayOrigin": _object(
        "`live` is an event that was appended after `caught_up`.",
        {"type": {"enum": ["replay", "live"]}, "replay_id": ref("Uuid")},
    ),
    "State": _object("What a replay is doing.", _STATE),
    "Range": _object(
        "The events of a replay. `complete` is false as long as the session is read for the first time.",
        {"first_seq": _COUNT, "next_seq": _COUNT, "duration_ms": ref("RecordedTime"), "live": _FLAG},
        {"complete": {"const": False}},
    ),
    "Hello": _of_type(
        "hello",
        "The first message of a replay.",
        {
            "protocol": {"const": "scrollcast.v1"},
            "server": _object("", {"name": _TEXT, "version": _TEXT}),
            "replay_id": ref("Uuid"),
            "epoch": _text("Names the content that the numbers of events belong to."),
            "resume": {"enum": ["none", "continued", "reset"]},
            "session": ref("Session"),
            "range": ref("Range"),
            "capabilities": _list(_TEXT),
            "limits": _object("", {"max_command_bytes": _COUNT, "heartbeat_ms": _COUNT}),
            "server_time": ref("Time"),
            "state": ref("State"),
        },
    ),
    "Event": _object("An event's own part, the same in every replay.", {**_PLACE, "event": ref("ArchivedEvent")}),
    "EventMessage": _of_type("event", "One event.", {**_PLACE, **_ENVELOPE, "event": ref("ArchivedEvent")}),
    "EventsMessage": _of_type(
        "events",
        "Several events; what is the same for all stands once.",
        {**_ENVELOPE, "events": _list(ref("Event"), 1)},
    ),
    "StateMessage": _of_type(
        "state", "The answer to a command, or a change that nobody asked for.", _STATE, {"request_id": _TEXT}
    ),
    "SkippedMessage": _of_type(
        "skipped",
        "A gap was cut: the times of the events on either side.",
        {"from_ms": ref("RecordedTime"), "to_ms": ref("RecordedTime")},
    ),
    "CaughtUpMessage": _of_type(
        "caught_up",
        "All that was archived has been sent; from `seq` on, events come as they are written.",
        {"seq": ref("Seq")},
    ),
    "HeartbeatMessage": _of_type(
        "heartbeat",
        "The stream is alive, and where it stands.",
        {**_PLACE, "status": ref("Status"), "server_time": ref("Time")},
    ),
    "NoticeMessage": _of_type(
        "notice",
        "Something that the viewer should know; its code says which facts stand beside it.",
        {"level": {"enum": ["info", "warning"]}, "code": _TEXT, "message": _TEXT},
        {
            "count": _COUNT,
            "lines": _list({"type": "integer", "minimum": 1}),
            "range": ref("Range"),
            "epoch": _TEXT,
            "start_seq": ref("Seq"),
        },
    ),
    "EndMessage": _of_type(
        "end",
        "The end was reached.",
        {
            "reason": {"enum": ["completed", "truncated"]},
            "final_seq": {"type": ["integer", "null"], "minimum": 0},
            "report": _object("", {"events_sent": _COUNT, "failures": _COUNT, "duration_ms": _COUNT}),
        },
    ),
    "ErrorMessage": _of_type(
        "error",
        "Something went wrong; for most codes a close follows.",
        {"code": _TEXT, "message": _TEXT, "retryable": _FLAG},
        {"request_id": _TEXT, "parameter": _TEXT, "retry_after_ms": _COUNT},
    ),
    "ServerMessage": _one_of("What a server sends.", list(SERVER_MESSAGES.values())),
}

# ------------------------------------------------------------------------------------------------ what a client sends

_REQUEST_ID: Final = _or_null(_text("Comes back in the answer."))

_FROM_CLIENT: Final[Mapping[str, Schema]] = {
    "Seek": {
        "type": "object",
        "description": "Where to go: a recorded time, an event's number, or a message's id.",
        "properties": {**_PLACE, "event_id": _TEXT},
        "oneOf": [{"required": ["t_ms"]}, {"required": ["seq"]}, {"required": ["event_id"]}],
    },
    "Step": _object(
        "Pause, and move by whole units, backward where `by` is negative.",
        {"by": {"type": "integer", "not": {"const": 0}}, "unit": {"enum": ["event", "turn", "tool", "error"]}},
    ),
    "ControlMessage": _of_type(
        "control",
        "What is wished for, applied as one change. A field that is null counts as not given, but for `idle`.",
        {},
        {
            "request_id": _REQUEST_ID,
            "play": _or_null(_FLAG),
            "seek": _or_null(ref("Seek")),
            "step": _or_null(ref("Step")),
            "mode": _or_null(ref("Mode")),
            "speed": _or_null(ref("Speed")),
            "idle": ref("Idle"),
        },
    ),
    "AckMessage": _of_type(
        "ack",
        "Everything up to `seq` in the current generation was processed.",
        {"seq": ref("Seq")},
        {"request_id": _REQUEST_ID},
    ),
    "ClientMessage": _one_of("What a client sends.", list(CLIENT_MESSAGES.values())),
}

# ---------------------------------------------------------------------------------------------------- HTTP's answers

_AMOUNT: Final = {"type": "number", "minimum": 0}

_VALUES: Final = _list(_object("", {"value": _TEXT, "count": _COUNT}))

_MARKER_KINDS: Final = ["turn", "tool", "error", "compaction", "subagent", "plan"]

_ANSWERS: Final[Mapping[str, Schema]] = {
    "Hit": _object(
        "A place that a search found.",
        {
            **_PLACE,
            "kind": _text("The type of the part, or `title`."),
            "snippet": _list(_object("", {"text": _TEXT, "match": _FLAG})),
        },
    ),
    "HitPage": _object("The hits in one session, in order.", {"hits": _list(ref("Hit")), "complete": _FLAG}),
    "SessionPage": _object(
        "A page of the list.",
        {"sessions": _list(ref("Session")), "next_cursor": _or_null(_TEXT), "total": _COUNT},
        {
            "progress": _object(
                "Sessions are still being looked for.", {"looked_at": _COUNT, "total": _COUNT, "complete": _FLAG}
            ),
            "searched": _object("Not all can be searched yet.", {"sessions": _COUNT, "total": _COUNT}),
        },
    ),
    "ArchivedEventMessage": _of_type(
        "event",
        "An event outside a replay.",
        {
            **_PLACE,
            "routing": ref("Routing"),
            "origin": _of_type("archive", "", {}),
            "event": ref("ArchivedEvent"),
        },
    ),
    "EventPage": _object(
        "A page of events.",
        {"events": _list(ref("ArchivedEventMessage")), "next_seq": {"type": ["integer", "null"], "minimum": 0}},
    ),
    "Timeline": _object(
        "What a seek bar is drawn of.",
        {
            "epoch": _TEXT,
            "first_seq": _COUNT,
            "count": _COUNT,
            "duration_ms": ref("RecordedTime"),
            "markers": _list(ref("Marker")),
            "thinned": _FLAG,
            "gaps": _list(_object("", {"start_ms": ref("RecordedTime"), "end_ms": ref("RecordedTime")})),
            "density": _object("", {"bucket_ms": {"type": "number", "minimum": 0}, "counts": _list(_COUNT)}),
            "reading": _object("", {"every": _COUNT, "ms": _list(_COUNT)}),
        },
        {"left_out": _list({"enum": [*_MARKER_KINDS, "gap"]})},
    ),
    "TurnPage": _object(
        "Some of a session's turns, and how many there are.",
        {
            "epoch": _TEXT,
            "turns": _list(
                _object(
                    "",
                    {
                        "number": _COUNT,
                        **_PLACE,
                        "stop_seq": _COUNT,
                        "label": _TEXT,
                        "spent": {
                            **_or_null(ref("Spent")),
                            "description": "`null` where the turns before it were too much to look at it as well.",
                        },
                    },
                ),
            ),
            "total": _COUNT,
        },
    ),
    "Spent": _object(
        "What the events of a turn before `stop_seq` took, or some of them where it is not `whole`.",
        {
            "tokens": _or_null(_object("", {"read": _AMOUNT, "written": _AMOUNT})),
            "cost": {**_or_null(_AMOUNT), "description": "US dollars."},
            "whole": _FLAG,
        },
    ),
    "Marker": _object(
        "A named point on the timeline.",
        {
            **_PLACE,
            "kind": {"enum": _MARKER_KINDS},
            "label": _TEXT,
        },
    ),
    "Facets": _object(
        "What the list may be filtered by, the most frequent first.",
        {"agents": _VALUES, "projects": _VALUES, "models": _VALUES},
    ),
    "Unrecognised": _object(
        "Files that no reader knows.",
        {
            "files": _list(_object("", {"path": _TEXT, "size": _COUNT, "why": _TEXT, "row_types": _list(_TEXT)})),
            "total": _COUNT,
        },
    ),
    "Health": _object("", {"status": _TEXT}),
    "OEmbed": _object(
        "oEmbed 1.0.",
        {"version": {"const": "1.0"}, "type": {"const": "rich"}, "html": _TEXT, "width": _COUNT, "height": _COUNT},
        {"title": _TEXT, "author_name": _TEXT, "provider_name": _TEXT, "provider_url": _TEXT, "cache_age": _COUNT},
    ),
    "Access": _object(
        "What whoever asks may see: everything, or one session, or a stretch of it.",
        {
            "owner": _FLAG,
            "asks": {**_FLAG, "description": "Whether the server asks for a token at all."},
            "scroll_id": {"type": ["string", "null"]},
            **_STRETCH,
            "expires_at": {"type": ["string", "null"], "format": "date-time"},
        },
    ),
    "Token": _object("A token, or what stands in a link.", {"token": _TEXT}),
    "ShareWish": _object("What a link is to show, and for how long.", {}, {**_STRETCH, "expires_s": _COUNT}),
    "Share": _object(
        "A link that shows one session.",
        {
            "id": _TEXT,
            "scroll_id": _TEXT,
            **_STRETCH,
            "created_at": {"type": "string", "format": "date-time"},
            "expires_at": {"type": "string", "format": "date-time"},
            "revoked_at": {"type": ["string", "null"], "format": "date-time"},
        },
        {"url": {**_TEXT, "description": "The link itself, told when it is made."}},
    ),
    "SharePage": _object("", {"shares": {"type": "array", "items": ref("Share")}}),
    "Problem": _object(
        "An error, as RFC 9457 has it.",
        {"type": _TEXT, "title": _TEXT, "status": _COUNT, "detail": _TEXT, "code": _TEXT},
        {"parameter": _TEXT, "retry_after_ms": _COUNT},
    ),
}

SCHEMAS: Final[Mapping[str, Schema]] = {**_BASICS, **_CONTENT, **_FROM_SERVER, **_FROM_CLIENT, **_ANSWERS}
"""Every schema by its name."""
