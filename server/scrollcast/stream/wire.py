"""The socket's only JSON: messages from the client into commands, facts into messages (`docs/protocol.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, TypeAlias
from uuid import UUID

import orjson

from scrollcast._version import __version__
from scrollcast.errors import BadCommand, CommandTooLarge
from scrollcast.model import Session
from scrollcast.playback.commands import UNCHANGED, Control, Mode, Seek, SeekEvent, SeekSeq, SeekTime, Step, Unchanged
from scrollcast.playback.player import Snapshot
from scrollcast.playback.timeline import Unit

__all__ = [
    "CAPABILITIES",
    "HEARTBEAT_SECONDS",
    "MAX_COMMAND_BYTES",
    "PROTOCOL",
    "Ack",
    "ClientControl",
    "EndReason",
    "Envelope",
    "Resume",
    "decode_command",
    "encode_end",
    "encode_error",
    "encode_heartbeat",
    "encode_hello",
    "encode_notice",
    "encode_skipped",
    "encode_state",
    "session_json",
]

PROTOCOL: Final = "scrollcast.v1"
CAPABILITIES: Final = ("control", "follow", "batch", "window", "preview", "reading")

MAX_COMMAND_BYTES: Final = 65_536
"""The longest message taken from a client; the largest sensible command is a hundredth of it."""

HEARTBEAT_SECONDS: Final = 15.0

_MAX_STEPS: Final = 2**53

_UNITS: Final[Mapping[str, Unit]] = {"event": "event", "turn": "turn", "tool": "tool", "error": "error"}

Resume: TypeAlias = Literal["none", "continued", "reset"]
EndReason: TypeAlias = Literal["completed", "truncated"]


# ------------------------------------------------------------------------------------------------ from the client


@dataclass(frozen=True, slots=True)
class ClientControl:
    """A `control` message: the wish, and the id to answer it by."""

    control: Control
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Ack:
    """An `ack` message: everything up to `seq` was processed."""

    seq: int


def decode_command(message: str | bytes) -> ClientControl | Ack:
    """One message from a client.

    Raises:
        BadCommand: it cannot be obeyed; the sentence is for the client.
        CommandTooLarge: it is longer than `MAX_COMMAND_BYTES`.
    """
    if isinstance(message, bytes):
        raise BadCommand("binary frames are not understood; send one JSON object in a text frame")
    if len(message.encode(errors="replace")) > MAX_COMMAND_BYTES:
        raise CommandTooLarge(f"a message may have at most {MAX_COMMAND_BYTES} bytes")
    try:
        fields = orjson.loads(message)
    except ValueError as problem:
        raise BadCommand(f"this is no JSON: {problem}") from None
    if not isinstance(fields, dict):
        raise BadCommand("a message is one JSON object")
    request_id = fields.get("request_id")
    if not isinstance(request_id, str | None):
        raise BadCommand("request_id must be a text")
    try:
        return _decode(fields, request_id)
    except ValueError as problem:
        raise BadCommand(str(problem), request_id) from None


def _decode(fields: Mapping[str, Any], request_id: str | None) -> ClientControl | Ack:
    match fields.get("type"):
        case "control":
            return ClientControl(_decode_control(fields), request_id)
        case "ack":
            return Ack(_whole(fields, "seq", "ack.seq"))
        case str(other):
            raise ValueError(f"there is no message type {other[:50]!r}; there are control and ack")
        case _:  # which may be nested too deeply to be shown
            raise ValueError("type must be control or ack")


def _decode_control(fields: Mapping[str, Any]) -> Control:
    return Control(
        play=_optional(fields, "play", bool, "true or false"),
        seek=_decode_seek(fields.get("seek")),
        mode=_decode_mode(fields.get("mode")),
        speed=_number(fields, "speed"),
        idle=_decode_idle(fields),
        step=_decode_step(fields.get("step")),
    )


def _optional(fields: Mapping[str, Any], name: str, kind: type, wanted: str) -> Any:
    value = fields.get(name)
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{name} must be {wanted}")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float | None:
    value = fields.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{name} must be a number")
    return value


def _whole(fields: Mapping[str, Any], name: str, shown: str) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{shown} must be a whole number from 0 on")
    return value


def _decode_mode(value: object) -> Mode | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in tuple(Mode):
        raise ValueError("mode must be fast, realtime or reading")
    return Mode(value)


def _decode_idle(fields: Mapping[str, Any]) -> float | Literal[Unchanged.UNCHANGED] | None:
    return _number(fields, "idle") if "idle" in fields else UNCHANGED


def _decode_seek(value: Any) -> Seek | None:
    match value:
        case None:
            return None
        case {"t_ms": _, **rest} if not {"seq", "event_id"} & rest.keys():
            return SeekTime(_whole(value, "t_ms", "seek.t_ms"))
        case {"seq": _, **rest} if not {"t_ms", "event_id"} & rest.keys():
            return SeekSeq(_whole(value, "seq", "seek.seq"))
        case {"event_id": str(event_id), **rest} if not {"t_ms", "seq"} & rest.keys():
            return SeekEvent(event_id)
        case _:
            raise ValueError("seek takes one of t_ms, seq and event_id")


def _decode_step(value: Any) -> Step | None:
    match value:
        case None:
            return None
        case {"by": int(by), "unit": str(name)} if not isinstance(by, bool) and (unit := _UNITS.get(name)):
            return Step(max(-_MAX_STEPS, min(_MAX_STEPS, by)), unit)
        case _:
            raise ValueError("step takes a whole number by and a unit: event, turn, tool or error")


# -------------------------------------------------------------------------------------------------- to the client


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _state(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "status": snapshot.status,
        "seq": snapshot.seq,
        "t_ms": snapshot.t_ms,
        "gen": snapshot.gen,
        "mode": snapshot.mode,
        "speed": snapshot.speed,
        "idle": snapshot.idle,
        "did_seek": False,
        "late_ms": snapshot.late_ms,
    }


def session_json(session: Session) -> dict[str, Any]:
    """A session as it stands in `hello` and in the answers of the HTTP routes."""
    return {
        "scroll_id": session.scroll_id,
        "title": session.title,
        "agent": session.agent,
        "model": session.model,
        "project": session.project,
        "kind": session.kind,
        "native_session_id": session.native_session_id,
        "connector_uid": session.connector_uid,
        "parent_scroll_id": session.parent_scroll_id,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "count": session.count,
        "duration_ms": session.duration_ms,
        "timing": session.timing,
        "live": session.live,
        "parent_call_id": session.parent_call_id,
        "has_errors": session.has_errors,
        "source_gone": session.source_gone,
        "error": session.error,
        "metadata": session.metadata,
    }


def encode_hello(
    *, replay_id: UUID, epoch: str, resume: Resume, session: Session, count: int, duration_ms: int, complete: bool,
    live: bool, snapshot: Snapshot, first: int = 0,
) -> bytes:  # fmt: skip
    """`hello`: the first message of a replay."""
    span: dict[str, Any] = {"first_seq": first, "next_seq": count, "duration_ms": duration_ms, "live": live}
    if not complete:
        span["complete"] = False
    return orjson.dumps(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "server": {"name": "scrollcast", "version": __version__},
            "replay_id": replay_id,
            "epoch": epoch,
            "resume": resume,
            "session": session_json(session),
            "range": span,
            "capabilities": CAPABILITIES,
            "limits": {"max_command_bytes": MAX_COMMAND_BYTES, "heartbeat_ms": int(HEARTBEAT_SECONDS * 1000)},
            "server_time": _now(),
            "state": _state(snapshot),
        }
    )


def encode_state(snapshot: Snapshot, *, did_seek: bool = False, request_id: str | None = None) -> bytes:
    """`state`: the answer to a command, or a change that nobody asked for."""
    message = {"type": "state", **_state(snapshot), "did_seek": did_seek}
    if request_id is not None:
        message["request_id"] = request_id
    return orjson.dumps(message)


def encode_skipped(from_ms: int, to_ms: int) -> bytes:
    """`skipped`: a long gap was cut."""
    return orjson.dumps({"type": "skipped", "from_ms": from_ms, "to_ms": to_ms})


def encode_caught_up(seq: int) -> bytes:
    """`caught_up`: the archived events have all been sent; what comes from `seq` on comes as it is written."""
    return orjson.dumps({"type": "caught_up", "seq": seq})


def encode_heartbeat(snapshot: Snapshot) -> bytes:
    """`heartbeat`: the stream is alive, and where it stands."""
    return orjson.dumps(
        {
            "type": "heartbeat",
            "seq": snapshot.seq,
            "t_ms": snapshot.t_ms,
            "status": snapshot.status,
            "server_time": _now(),
        }
    )


def encode_notice(level: Literal["info", "warning"], code: str, message: str, **facts: Any) -> bytes:
    """`notice`: something that the viewer should know, with its facts as further fields."""
    return orjson.dumps({"type": "notice", "level": level, "code": code, "message": message, **facts})


def encode_end(reason: EndReason, final_seq: int | None, *, sent: int, failures: int, duration_ms: int) -> bytes:
    """`end`: the end was reached, with the report so far."""
    report = {"events_sent": sent, "failures": failures, "duration_ms": duration_ms}
    return orjson.dumps({"type": "end", "reason": reason, "final_seq": final_seq, "report": report})


def encode_error(code: str, message: str, *, retryable: bool = False, **facts: Any) -> bytes:
    """`error`, with its facts as further fields; those that are `None` are left out."""
    given = {name: value for name, value in facts.items() if value is not None}
    return orjson.dumps({"type": "error", "code": code, "message": message, "retryable": retryable, **given})


@dataclass(frozen=True, slots=True)
class Envelope:
    """What goes around an event's own bytes; the same for every event of a generation.

    `head` opens an `event` message, whose own bytes follow without their first brace; `batch_head` an `events` one.
    """

    head: bytes
    batch_head: bytes

    BATCH_TAIL: ClassVar = b"]}"

    @classmethod
    def of(cls, session: Session, origin: Mapping[str, Any], gen: int | None = None) -> Envelope:
        """The envelope of a session's events. Without `gen` it is that of the HTTP routes."""
        common: dict[str, Any] = {} if gen is None else {"gen": gen}
        common["routing"] = {
            "connector_uid": session.connector_uid,
            "connector_id": session.connector_id,
            "scroll_id": session.scroll_id,
        }
        common["origin"] = origin
        return cls(
            head=orjson.dumps({"type": "event", **common})[:-1] + b",",
            batch_head=orjson.dumps({"type": "events", **common})[:-1] + b',"events":[',
        )

    def wrap(self, event: memoryview | bytes) -> bytes:
        """One event's whole message."""
        return b"".join((self.head, event[1:]))
