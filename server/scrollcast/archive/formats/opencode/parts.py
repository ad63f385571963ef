"""The parts of an OpenCode message as parts of the protocol: texts, thoughts, tool calls and results, files.

The shapes are those of `packages/opencode/src/session/message-v2.ts` (1.x) of anomalyco/opencode, and of
`packages/core/src/session/message.ts` (2.0) where a tool's state differs.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from scrollcast.archive.formats.call_parts import first_line, json_text, plan_part, read_content, text_part
from scrollcast.archive.formats.json_values import JsonObject, dicts, mapping, smallest_fields, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.archive.storage import decode_json
from scrollcast.archive.timestamps import Instant, parse_instant
from scrollcast.model import MarkerKind, Part

__all__ = [
    "Draft",
    "error_parts",
    "file_part",
    "thought_or_text",
    "time_of",
    "tool_drafts",
]

MAX_TOOL_METADATA_BYTES: Final = 16 << 10
"""What a tool noted of its run is kept beside its output up to this size as JSON (16 KiB): a diff fits."""

_MAX_INLINE_TEXT_BYTES: Final = 1 << 20
"""A text file that is attached as a data URI is shown as text up to this size."""


@dataclass(slots=True)
class Draft:
    """A message in the making: what one moment of a session gives.

    `kind` and `payload` make it a meta event. `moment` is its own time, `None` where the archive holds none.
    """

    id: str
    role: str = ""
    parts: list[Part] = field(default_factory=list)
    timestamp: object = None
    metadata: JsonObject = field(default_factory=dict)
    markers: list[tuple[MarkerKind, str]] = field(default_factory=list)
    kind: str = ""
    payload: Any = None

    @property
    def moment(self) -> Instant | None:
        """When it was, if that can be told."""
        return parse_instant(self.timestamp)


# ---------------------------------------------------------------------------------------------------------- values


def time_of(times: object, *names: str) -> object:
    """The first of these times that can be told, as the archive holds it."""
    known = mapping(times)
    return next((known[name] for name in names if parse_instant(known.get(name)) is not None), None)


# ----------------------------------------------------------------------------------------------------- simple parts


def thought_or_text(part: JsonObject) -> Part | None:
    """A `text` or `reasoning` part, `None` where it says nothing."""
    text = text_of(part.get("text"))
    if not text.strip():
        return None
    return {"type": "thinking" if part.get("type") == "reasoning" else "text", "text": text}


_DATA_URI: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*),", re.ASCII)


def file_part(part: JsonObject) -> Part:
    """An attached file: an image or a resource. What only an address is known of is never fetched or opened."""
    url = text_of(part.get("url")) or text_of(part.get("uri"))
    name = text_of(part.get("filename")) or text_of(part.get("name"))
    mime_type = text_of(part.get("mime")) or "application/octet-stream"
    if found := _DATA_URI.match(url[:500]):
        return _inline_file(url, found, name, mime_type)
    data = text_of(part.get("data"))
    if not url and data and mime_type.startswith("image/"):
        return {"type": "image", "mime_type": mime_type, "data": data}
    if not url:
        return {"type": "unknown", "raw": part}
    if mime_type.startswith("image/"):
        return {"type": "image", "mime_type": mime_type, "uri": url}
    return {"type": "resource", "uri": url, "mime_type": mime_type, **({"name": name} if name else {})}


def _inline_file(url: str, found: re.Match[str], name: str, mime_type: str) -> Part:
    """A file whose bytes stand in its address (RFC 2397)."""
    mime_type = found[1] or mime_type
    body, is_base64 = url[found.end() :], found[2].endswith(";base64")
    if not is_base64:
        body = base64.b64encode(unquote_to_bytes(body)).decode()
    if mime_type.startswith("image/"):
        return {"type": "image", "mime_type": mime_type, "data": body}
    part: Part = {"type": "resource", "uri": name or "attachment", "mime_type": mime_type}
    text = _inline_text(body) if mime_type.startswith("text/") or mime_type.endswith("json") else None
    return {**part, "blob": body} if text is None else {**part, "text": text}


def _inline_text(data: str) -> str | None:
    if len(data) > _MAX_INLINE_TEXT_BYTES:
        return None
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


# ------------------------------------------------------------------------------------------------------------- tools

_ANSWERED: Final = frozenset(("completed", "success", "error"))
"""The states of a tool that has a result; `success` was written by early versions."""

_NO_TOOL: Final = "invalid"
"""What OpenCode runs in place of a tool that does not exist or was called wrongly: it completes, saying so."""

_SUBAGENT_TOOLS: Final = frozenset(("task", "subagent"))

# The fields of a call's input that say in a few words what it is about, the most telling first.
_TITLE_FIELDS: Final = (
    "command", "filePath", "path", "pattern", "query", "url", "description", "name", "prompt",
)  # fmt: skip


def tool_drafts(part: JsonObject, own_id: str) -> list[Draft]:
    """The call at its start, and where it has ended its result at its end."""
    state = mapping(part.get("state"))
    # 1.x has the times in the state, 2.0 beside it, where `created` is when the model began to write the call.
    times = mapping(state.get("time")) or mapping(part.get("time"))
    call_id = text_of(part.get("callID")) or own_id
    call = _call_draft(part, state, own_id, call_id)
    call.timestamp = time_of(times, "start", "ran", "created")
    result = _result_draft(part, state, own_id, call_id)
    if result is None:
        return [call]
    result.timestamp = time_of(times, "end", "completed")
    return [call, result]


def _call_draft(part: JsonObject, state: JsonObject, own_id: str, call_id: str) -> Draft:
    name = text_of(part.get("tool")) or text_of(part.get("name")) or "unknown"
    given = _input_of(state)
    call: Part = {
        "type": "tool_call",
        "call_id": call_id,
        "name": name,
        "kind": tool_kind(name),
        "title": _call_title(name, state, given),
        "input": given,
    }
    draft = Draft(own_id, "assistant", [call])
    if name == "todowrite" and (plan := plan_part(given)) is not None:
        draft.parts.append(plan)
    if name in _SUBAGENT_TOOLS:
        label = first_line(text_of(mapping(given).get("description"))) or call["title"]
        draft.markers.append((MarkerKind.SUBAGENT, label))
    return draft


def _input_of(state: JsonObject) -> Any:
    """What the tool was given: an object, or the text that the model had written of it so far."""
    given = state.get("input")
    if not given and isinstance(raw := state.get("raw"), str) and raw:
        given = raw
    if isinstance(given, str):
        try:
            return decode_json(given.encode("utf-8", "replace"))
        except ValueError:
            return given
    return {} if given is None else given


def _call_title(name: str, state: JsonObject, given: Any) -> str:
    if title := first_line(text_of(state.get("title"))):
        return title
    fields = mapping(given)
    if isinstance(todos := fields.get("todos"), list):
        return f"{len(todos)} item{'' if len(todos) == 1 else 's'}"
    order = ("description", *_TITLE_FIELDS) if name in _SUBAGENT_TOOLS else _TITLE_FIELDS
    return next((line for key in order if (line := first_line(text_of(fields.get(key))))), name)


def _result_draft(part: JsonObject, state: JsonObject, own_id: str, call_id: str) -> Draft | None:
    status = text_of(state.get("status"))
    if status not in _ANSWERED and "output" not in state:
        return None
    noted = mapping(state.get("metadata")) or mapping(state.get("structured"))
    exit_code = noted.get("exit")
    failed = status == "error" or part.get("tool") == _NO_TOOL
    # A shell that fails has completed all the same; only its exit code says so.
    failed = failed or (type(exit_code) is int and exit_code != 0)
    result: Part = {"type": "tool_result", "call_id": call_id, "output": _output_parts(state), "is_error": failed}
    kept = _kept_metadata(noted, state.get("output"))
    return Draft(f"{own_id}-result", "tool", [result], metadata={"tool_metadata": kept} if kept else {})


def _output_parts(state: JsonObject) -> list[Part]:
    """What the tool gave back, then what went wrong, then the files it attached."""
    parts = read_content(state.get("output", state.get("content")), _piece_parts)
    if not parts and state.get("result") is not None:
        parts = read_content(state["result"], _piece_parts)
    parts.extend(error_parts(state.get("error")))
    parts.extend(file_part(file) for file in dicts(state.get("attachments")))
    return parts


def _piece_parts(piece: Any) -> list[Part]:
    match piece:
        case str():
            return [text_part(piece)]
        case {"type": "text", "text": str(text)}:
            return [text_part(text)]
        case {"type": "file"}:
            return [file_part(piece)]
        case _:
            return [{"type": "unknown", "raw": piece}]


def error_parts(error: Any) -> list[Part]:
    """What went wrong, in its own words; none where nothing did."""
    match error:
        case None | "":
            return []
        case str():
            return [text_part(error)]
        case {"message": str(message)} | {"data": {"message": str(message)}}:
            return [text_part(message)]
        case _:
            return [text_part(json_text(error))]


def _kept_metadata(noted: JsonObject, output: object) -> JsonObject:
    """What a tool noted beside its output, without what only says that again, as far as it is small."""
    return smallest_fields({name: value for name, value in noted.items() if value != output}, MAX_TOOL_METADATA_BYTES)
