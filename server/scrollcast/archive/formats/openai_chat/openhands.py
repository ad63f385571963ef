"""Events of OpenHands conversations as records (OpenHands software-agent-sdk, `event/`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.call_parts import json_text, text_part
from scrollcast.archive.formats.json_values import JsonObject, decode_object, mapping, text_of
from scrollcast.archive.formats.openai_chat.messages import Talk, content_parts, thinking_parts
from scrollcast.archive.storage import read_whole
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Part, Record

__all__ = ["BASE_STATE", "EVENTS_FOLDER", "EVENT_FILE", "event_files", "event_records", "folder_items", "is_event"]

BASE_STATE: Final = "base_state.json"
EVENTS_FOLDER: Final = "events"
EVENT_FILE: Final = re.compile(r"event-(\d+)-[\w-]+\.json", re.ASCII)

_MAX_EVENT_BYTES: Final = 64 << 20
_SOURCES: Final = frozenset(("agent", "user", "environment", "hook"))
_THOUGHT: Final = ("<think>", "</think>")


def is_event(value: object) -> bool:
    """Whether an object is one event."""
    match value:
        case {"id": str(), "timestamp": str(), "kind": str(), "source": str(source)}:
            return source in _SOURCES
        case _:
            return False


def event_records(talk: Talk, event: JsonObject, place: str) -> Iterator[Record]:
    """The record of one event; of one that is not meant to be seen it is a meta event."""
    record_id = talk.unique_id(text_of(event.get("id")), place)
    time = event.get("timestamp")
    match event.get("kind"):
        case "SystemPromptEvent":
            yield _system(record_id, event, _text_in(event.get("system_prompt")), "dynamic_context")
        case "MessageEvent" if isinstance(message := event.get("llm_message"), dict):
            yield from _message(talk, event, message, record_id)
        case "ActionEvent":
            yield Record(record_id, time, "assistant", _action_parts(talk, event), _labels(event))
        case "ObservationEvent" | "UserRejectObservation" | "AgentErrorEvent":
            yield Record(record_id, time, "tool", [_result_part(talk, event)], _labels(event))
        case "ConversationErrorEvent":
            yield _system(record_id, event, text_of(event.get("detail")) or text_of(event.get("code")) or "Error")
        case "Condensation":
            yield _condensation(record_id, event)
        case kind:
            yield from talk.meta(record_id, time, text_of(kind) or "unknown", event)


def _labels(event: JsonObject) -> JsonObject | None:
    names = ("security_risk", "llm_response_id", "sender")
    return {name: event[name] for name in names if isinstance(event.get(name), str)} or None


def _text_in(value: object) -> str:
    return text_of(value.get("text")) if isinstance(value, dict) else text_of(value)


def _system(record_id: str, event: JsonObject, text: str, injected: str = "") -> Record:
    more = _text_in(event.get(injected)) if injected else ""
    return Record(
        record_id, event.get("timestamp"), "system", [text_part(text)], {"injected": [more]} if more else None
    )


def _condensation(record_id: str, event: JsonObject) -> Record:
    text = text_of(event.get("summary")) or "Conversation condensed"
    label = text.strip().partition("\n")[0][:160]
    metadata: JsonObject = {"compaction": True}
    if isinstance(forgotten := event.get("forgotten_event_ids"), list):
        metadata["forgotten_events"] = len(forgotten)
    markers = ((MarkerKind.COMPACTION, label),)
    return Record(record_id, event.get("timestamp"), "system", [text_part(text)], metadata, markers=markers)


def _message(talk: Talk, event: JsonObject, message: JsonObject, record_id: str) -> Iterator[Record]:
    """A message to or of the model; what was put beside a person's words is not shown as theirs."""
    role = text_of(message.get("role"))
    role = "system" if role == "user" and event.get("source") != "user" else role or "system"
    own = {name: value for name, value in message.items() if name not in ("id", "message_id")}
    for record in talk.records({**own, "role": role, "timestamp": event.get("timestamp")}, record_id):
        added = [text for block in _list(event.get("extended_content")) if (text := _text_in(block))]
        metadata = {**(record.metadata or {}), **({"injected": added} if added else {}), **(_labels(event) or {})}
        yield Record(record.id, record.timestamp, record.role, record.content, metadata or None)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _action_parts(talk: Talk, event: JsonObject) -> list[Part]:
    """What the agent thought, said and called. Its reasoning stands in `thought` again, between tags."""
    thinking = thinking_parts(event)
    said: list[Part] = []
    for part in content_parts(event.get("thought")):
        if part["type"] != "text":
            said.append(part)
            continue
        thought, text = _without_thought(part["text"])
        if thought and not thinking:
            thinking = [{"type": "thinking", "text": thought}]
        if text:
            said.append(text_part(text))
    return [*thinking, *said, *talk.call_parts(event.get("tool_call_id"), *_call_of(event))]


def _without_thought(text: str) -> tuple[str, str]:
    """The thought between tags that a text begins with, and the rest of the text."""
    text = text.strip()
    end = text.find(_THOUGHT[1]) if text.startswith(_THOUGHT[0]) else -1
    if end < 0:
        return "", text
    return text[len(_THOUGHT[0]) : end].strip(), text[end + len(_THOUGHT[1]) :].strip()


def _call_of(event: JsonObject) -> tuple[str, object]:
    """The tool's name and what it was given: the arguments as the model wrote them, else the action made of them."""
    call, action = mapping(event.get("tool_call")), event.get("action")
    given = call.get("arguments", mapping(call.get("function")).get("arguments"))
    name = text_of(event.get("tool_name")) or text_of(call.get("name"))
    if given in (None, "", "{}", {}) and isinstance(action, dict):
        name = name or text_of(action.get("kind"))
        given = {field: value for field, value in action.items() if field != "kind" and value is not None}
    return name or "tool", given


def _result_part(talk: Talk, event: JsonObject) -> Part:
    content, failed = _outcome(event)
    return talk.result_part(event.get("tool_call_id"), text_of(event.get("tool_name")), content, failed=failed)


def _outcome(event: JsonObject) -> tuple[object, bool]:
    """What came of a call, and whether it failed: by the tool's own word, or by how its command ended."""
    match event:
        case {"error": str(text)}:
            return text, True
        case {"kind": "UserRejectObservation"}:
            return text_of(event.get("rejection_reason")) or "Rejected", True
        case {"observation": dict(seen)}:
            content = next((seen[name] for name in ("content", "output") if seen.get(name)), None)
            rest = {
                name: value for name, value in seen.items() if name not in ("kind", "is_error", "content", "output")
            }
            return (content or (json_text(rest) if rest else None)), seen.get("is_error") is True or _exited_badly(seen)
        case _:
            return event.get("observation"), False


def _exited_badly(seen: JsonObject) -> bool:
    """An exit code of -1 means that the command still runs."""
    code = seen.get("exit_code")
    return isinstance(code, int) and code > 0


# -------------------------------------------------------------------------------------------------------- folders


def event_files(folder: Path) -> list[Path]:
    """The files of a conversation's events in their order. Of no folder it is none."""
    try:
        names = [path.name for path in (folder / EVENTS_FOLDER).iterdir()]
    except OSError:
        return []
    numbered = [(int(found[1]), name) for name in names if (found := EVENT_FILE.fullmatch(name))]
    return [folder / EVENTS_FOLDER / name for _number, name in sorted(numbered)]


def folder_items(talk: Talk, files: list[Path], root: Path) -> Iterator[Item]:
    """The records of a conversation that has a file an event."""
    for path in files:
        event = read_event(path, root)
        if event is None:
            yield BadRecord(None)
        else:
            yield from event_records(talk, event, path.stem)


def read_event(path: Path, root: Path) -> JsonObject | None:
    """One event, `None` where its file is damaged."""
    try:
        return decode_object(read_whole(path, root, _MAX_EVENT_BYTES))
    except ArchiveError:
        return None
