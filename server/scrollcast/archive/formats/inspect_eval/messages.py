"""One sample of an Inspect log as records: its final conversation, with times taken from its events.

Messages carry no time of their own. An answer has that of the model event that gave it, a result that of its tool
event, a prompt that of the first model event that saw it (`docs/formats.md`, Inspect).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.call_parts import (
    call_parts,
    image_part,
    json_text,
    media_type_of,
    split_data_uri,
    text_part,
)
from scrollcast.archive.formats.inspect_eval.notices import events_of, notices_of
from scrollcast.archive.formats.json_values import JsonObject, dicts, listed, mapping, text_of
from scrollcast.archive.storage import MAX_WHOLE_FILE_BYTES
from scrollcast.archive.timestamps import Instant, format_instant, parse_instant
from scrollcast.model import BadRecord, MarkerKind, Part, Record

__all__ = ["conversation", "expand"]

_REFERENCE_PREFIXES: Final = ("attachment://", "tc://")
"""Texts of any length stand in a table beside the messages; `tc` is the first form, of 2024."""

_MAX_DEPTH: Final = 64
"""What is nested more deeply is no message, and stays as it is."""

_MAX_MESSAGES: Final = 200_000
_MAX_SEEN: Final = 200_000

_Resolve: TypeAlias = Callable[[Any], Any]


def expand(ranges: object, pool: object) -> list[Any]:
    """The items of a pool that half-open ranges name, at most `_MAX_MESSAGES`."""
    found: list[Any] = []
    items = pool if isinstance(pool, list) else []
    for pair in ranges if isinstance(ranges, list) else ():
        match pair:
            case [int(start), int(stop)] if 0 <= start <= stop:
                found += items[start : min(stop, start + _MAX_MESSAGES - len(found))]
    return found


# ---------------------------------------------------------------------------------------------------- attachments


class _Attachments:
    """Puts attachments back where they are referred to."""

    def __init__(self, sample: JsonObject) -> None:
        self._texts = {
            **mapping(mapping(sample.get("transcript")).get("content")),
            **mapping(sample.get("attachments")),
        }
        self._budget = MAX_WHOLE_FILE_BYTES

    def resolve(self, value: Any, depth: int = 0) -> Any:
        """The same value with every reference in it replaced; one that leads nowhere stays."""
        match value:
            case str():
                return self._text(value)
            case list() if depth < _MAX_DEPTH:
                return [self.resolve(item, depth + 1) for item in value]
            case dict() if depth < _MAX_DEPTH:
                return {name: self.resolve(item, depth + 1) for name, item in value.items()}
            case _:
                return value

    def _text(self, value: str) -> str:
        if not value.startswith(_REFERENCE_PREFIXES):
            return value
        text = self._texts.get(value.partition("://")[2])
        # A large text that is referred to over and over would become larger than any log.
        if not isinstance(text, str) or len(text) > self._budget:
            return value
        self._budget -= len(text)
        return text


# ---------------------------------------------------------------------------------------------------------- times


@dataclass(slots=True)
class _Moments:
    """What the events say of the messages, by message id, by call id, and by the words of messages without id."""

    messages: dict[str, object] = field(default_factory=dict)
    calls: dict[str, object] = field(default_factory=dict)
    words: dict[str, deque[object]] = field(default_factory=dict)
    usage: dict[str, JsonObject] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)
    first: Instant | None = None
    last: Instant | None = None

    def of(self, message: JsonObject) -> object:
        """When a message was said, or `None`."""
        call_id, message_id = text_of(message.get("tool_call_id")), text_of(message.get("id"))
        if message.get("role") == "tool" and call_id in self.calls:
            return self.calls[call_id]
        if message_id in self.messages:
            return self.messages[message_id]
        waiting = self.words.get(_words(message)) if message.get("role") == "assistant" else None
        return waiting.popleft() if waiting else None


def _moments(sample: JsonObject, resolve: _Resolve) -> _Moments:
    moments = _Moments()
    pool = mapping(sample.get("events_data")).get("messages") or sample.get("message_pool")
    # They do not stand in the order of their times, and who saw a message first is a matter of time.
    for event in sorted(events_of(sample), key=lambda event: parse_instant(event.get("timestamp")) or 0):
        start = event.get("timestamp")
        end = event.get("completed") or start
        for instant in filter(None, (parse_instant(start), parse_instant(end))):
            moments.first = instant if moments.first is None else min(moments.first, instant)
            moments.last = instant if moments.last is None else max(moments.last, instant)
        if event.get("event") == "model":
            _note_model(moments, event, pool, resolve)
        elif event.get("event") == "tool":
            _note_tool(moments, event, end)
    return moments


def _note_model(moments: _Moments, event: JsonObject, pool: object, resolve: _Resolve) -> None:
    start = event.get("timestamp")
    # The newest first: what stands before a message that was seen has been seen too.
    for message in _newest_input_first(event, pool):
        message_id = text_of(mapping(message).get("id"))
        if not message_id or message_id in moments.messages or len(moments.messages) >= _MAX_SEEN:
            break
        moments.messages[message_id] = start
    output = mapping(event.get("output"))
    for choice in dicts(output.get("choices")):
        message = mapping(choice.get("message"))
        end = event.get("completed") or start
        if message_id := text_of(message.get("id")):
            moments.messages[message_id] = end
            if isinstance(usage := output.get("usage"), dict):
                moments.usage[message_id] = usage
        else:
            moments.words.setdefault(_words(resolve(message)), deque()).append(end)


def _input_of(event: JsonObject, pool: object) -> list[Any]:
    given = event.get("input")
    return given if isinstance(given, list) and given else expand(event.get("input_refs"), pool)


def _newest_input_first(event: JsonObject, pool: object) -> Iterator[Any]:
    """The same from its end, without a copy: mostly only the last messages are looked at."""
    given = event.get("input")
    if isinstance(given, list) and given:
        yield from reversed(given)
        return
    refs, items = event.get("input_refs"), pool if isinstance(pool, list) else []
    for pair in reversed(refs) if isinstance(refs, list) else ():
        match pair:
            case [int(start), int(stop)] if 0 <= start <= stop:
                yield from (items[place] for place in range(min(stop, len(items)) - 1, start - 1, -1))


def _note_tool(moments: _Moments, event: JsonObject, end: object) -> None:
    if call_id := text_of(event.get("id")):
        moments.calls[call_id] = end
        if agent := text_of(event.get("agent")):
            moments.agents[call_id] = agent
    if message_id := text_of(event.get("message_id")):
        moments.messages[message_id] = end


def _words(message: JsonObject) -> str:
    calls = ",".join(text_of(call.get("id")) for call in dicts(message.get("tool_calls")))
    said = message.get("content")
    return f"{calls}:{said if isinstance(said, str) else json_text(said)}"


# ------------------------------------------------------------------------------------------------------- messages


def conversation(sample: JsonObject) -> Iterator[Item]:
    """The messages of a sample in order, with what stopped or interrupted it as messages of role `system`."""
    attachments = _Attachments(sample)
    moments = _moments(sample, attachments.resolve)
    messages = _messages_of(sample)
    times = _times(sample, messages, moments)
    notices = deque(notices_of(sample))
    names = _Names()
    for number, (message, time) in enumerate(zip(messages, times, strict=True), 1):
        instant = parse_instant(time)
        while notices and instant is not None and notices[0][0] is not None and notices[0][0] < instant:
            yield notices.popleft()[1]
        if isinstance(message, dict):
            yield _message(attachments.resolve(message), names.unique(message.get("id"), number), time, moments)
        else:
            yield BadRecord(None)
    yield from (record for _, record in notices)


class _Names:
    """Ids for messages: their own where it is the first of its kind."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: object, number: int) -> str:
        name = wanted if isinstance(wanted, str) and wanted else f"message-{number}"
        while name in self._taken:
            name = f"{name}-{number}"
        self._taken.add(name)
        return name


def _messages_of(sample: JsonObject) -> list[Any]:
    """The final conversation; where the log has none, what the last model event saw and said, else the input."""
    messages = sample.get("messages")
    if isinstance(messages, list) and messages:
        return messages[:_MAX_MESSAGES]
    pool = mapping(sample.get("events_data")).get("messages") or sample.get("message_pool")
    for event in reversed(events_of(sample)):
        if event.get("event") == "model":
            said = [choice.get("message") for choice in dicts(mapping(event.get("output")).get("choices"))[:1]]
            return [*_input_of(event, pool), *said]
    given = sample.get("input")
    return given if isinstance(given, list) else [{"role": "user", "content": given}] if given else []


def _times(sample: JsonObject, messages: list[Any], moments: _Moments) -> list[object]:
    """Each message's time; where no event tells any, they are spread evenly over the time that the sample took."""
    times = [moments.of(message) if isinstance(message, dict) else None for message in messages]
    start = _or(parse_instant(sample.get("started_at")), moments.first)
    end = _or(parse_instant(sample.get("completed_at")), moments.last)
    known = [instant for instant in map(parse_instant, times) if instant is not None]
    if start is None or not times:
        return times
    if not known:
        gap = max(0, (end if end is not None else start) - start) // max(1, len(times) - 1)
        return [format_instant(start + number * gap) for number in range(len(times))]
    if parse_instant(times[0]) is None:
        times[0] = format_instant(min(start, known[0]))
    return times


def _or(instant: Instant | None, otherwise: Instant | None) -> Instant | None:
    return otherwise if instant is None else instant


_READ_FIELDS: Final = frozenset(
    ("id", "role", "content", "tool_calls", "tool_call_id", "function", "error", "tool_error", "model")
)


def _message(message: JsonObject, record_id: str, time: object, moments: _Moments) -> Record:
    role = text_of(message.get("role")) or "unknown"
    content = _content_parts(message.get("content"), record_id)
    metadata: JsonObject = {}
    markers: list[tuple[MarkerKind, str]] = []
    if role == "tool":
        content = [_result(message, content)]
    for number, call in enumerate(dicts(message.get("tool_calls")), 1):
        call_id = text_of(call.get("id"))
        content += _call(call, f"{record_id}-call-{number}")
        if call_id in moments.agents:
            markers.append((MarkerKind.SUBAGENT, moments.agents[call_id]))
    if model := text_of(message.get("model")):
        metadata["model"] = model
    if (usage := moments.usage.pop(text_of(message.get("id")), None)) is not None:
        metadata["usage"] = usage
    if rest := {name: value for name, value in message.items() if name not in _READ_FIELDS and value is not None}:
        metadata["inspect"] = rest
    return Record(record_id, time, role, content, metadata or None, markers=markers)


def _call(call: JsonObject, fallback_id: str) -> list[Part]:
    parts = call_parts(call.get("id"), call.get("function"), call.get("arguments"), fallback_id=fallback_id)
    if problem := text_of(call.get("parse_error")):
        parts[0]["parse_error"] = problem
    if title := text_of(mapping(call.get("view")).get("title")):
        parts[0]["title"] = title
    return parts


def _result(message: JsonObject, output: list[Part]) -> Part:
    error = message.get("error") or message.get("tool_error")
    problem = text_of(mapping(error).get("message")) or text_of(error)
    if problem and not any(problem in text_of(part.get("text")) for part in output):
        output = [*output, text_part(problem)]
    call_id = text_of(message.get("tool_call_id")) or None
    return {"type": "tool_result", "call_id": call_id, "output": output, "is_error": bool(error)}


# ---------------------------------------------------------------------------------------------------------- parts


def _content_parts(content: object, record_id: str) -> list[Part]:
    match content:
        case None | "":
            return []
        case str():
            return [text_part(content)]
        case list():
            return [part for number, item in enumerate(content) for part in _parts_of(item, f"{record_id}-{number}")]
        case _:
            return [text_part(json_text(content))]


def _parts_of(item: Any, fallback_id: str) -> list[Part]:
    match item:
        case str() | {"type": "text", "text": str()}:
            text = item if isinstance(item, str) else item["text"]
            return [text_part(text)] if text else []
        case {"type": "reasoning"}:
            return _thinking(item)
        case {"type": "image", "image": str(uri)}:
            return [image_part(uri)]
        case {"type": "audio" | "video" | "document" as kind}:
            return [_resource(item, item.get(kind)) or {"type": "unknown", "raw": item}]
        case {"type": "tool_use", "name": str()}:
            return _server_tool(item, fallback_id)
        case _:
            return [{"type": "unknown", "raw": item}]


def _thinking(item: JsonObject) -> list[Part]:
    """A thought; of one that is encrypted only its summary."""
    said = "" if item.get("redacted") else text_of(item.get("reasoning"))
    text = said or text_of(item.get("summary"))
    return [{"type": "thinking", "text": text}] if text.strip() else []


def _resource(item: JsonObject, uri: object) -> Part | None:
    """A file as a resource; its bytes, where they stand in the log, in `blob` as base64."""
    if not isinstance(uri, str):
        return None
    name = text_of(item.get("filename"))
    if data := split_data_uri(uri):
        return {"type": "resource", "uri": name or text_of(item.get("type")), "mime_type": data[0], "blob": data[1]}
    mime_type = text_of(item.get("mime_type")) or media_type_of(uri, "application/octet-stream")
    return {"type": "resource", "uri": uri, "mime_type": mime_type}


def _server_tool(item: JsonObject, fallback_id: str) -> list[Part]:
    """A tool that ran beside the model: call and result are one, at one time."""
    parts = call_parts(item.get("id"), item.get("name"), item.get("arguments"), fallback_id=fallback_id)
    result = item.get("result")
    nested = any(isinstance(piece, dict) and piece.get("type") == "tool_use" for piece in listed(result))
    output = [text_part(json_text(result))] if nested else _content_parts(result, fallback_id)
    error = item.get("error")
    if error:
        output.append(text_part(error if isinstance(error, str) else json_text(error)))
    call_id = parts[0]["call_id"]
    return [*parts, {"type": "tool_result", "call_id": call_id, "output": output, "is_error": bool(error)}]
