"""The pieces of a Gemini CLI message as parts: what was typed, thought, said, called and given back.

The shapes are those of `ConversationRecord` and of the Gemini API's `Part` (`docs/formats.md`, Gemini CLI).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scrollcast.archive.formats.call_parts import call_parts, json_text, plan_part, text_part
from scrollcast.archive.formats.facts import trim_title
from scrollcast.archive.formats.json_values import JsonObject, json_size, listed, mapping, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.model import MarkerKind, Part

__all__ = [
    "CONTEXT_TAG",
    "MESSAGE_TYPES",
    "SNAPSHOT_TAG",
    "Prompt",
    "call_markers",
    "content_of",
    "display_of",
    "is_response",
    "is_response_only",
    "kind_of",
    "parts_of_call",
    "plain_text",
    "read_prompt",
    "response_output",
    "result_of_call",
    "result_part",
    "shown_parts",
    "thought_text",
    "time_of",
    "without_repeated_thoughts",
]

MESSAGE_TYPES: Final = frozenset(("user", "gemini", "model", "info", "error", "warning"))

MAX_DISPLAY_BYTES: Final = 16 << 10
"""What the terminal showed of a result (a patch, mostly) is kept beside its text up to this size as JSON (16 KiB)."""


_ROLES: Final = {"user": "user", "function": "user", "model": "gemini", "assistant": "gemini", "system": "info"}


# ------------------------------------------------------------------------------------------------------- reading


def kind_of(row: JsonObject) -> str:
    """The type of a message, `gemini` for every way to say so; `""` where the row does not tell."""
    kind = row.get("type")
    if isinstance(kind, str) and kind:
        return "gemini" if kind == "model" else kind
    role = row.get("role")
    return _ROLES.get(role, role) if isinstance(role, str) else ""


def content_of(row: JsonObject) -> list[Any]:
    """What a message holds, a `PartListUnion`, as a list: a text, a part, several of them, or nothing."""
    return listed(row["content"] if "content" in row else row.get("parts"))


def plain_text(row: JsonObject) -> str:
    """The texts of a message, without thoughts, one behind the other."""
    return "\n".join(text for raw in content_of(row) if (text := _text_in(raw)))


def _text_in(raw: Any) -> str:
    match raw:
        case str():
            return raw
        case {"text": str(text)} if raw.get("thought") is not True:
            return text
        case _:
            return ""


def is_response(raw: Any) -> bool:
    """Whether a part hands a tool's result back to the model."""
    return isinstance(raw, dict) and isinstance(raw.get("functionResponse"), dict)


def is_response_only(row: JsonObject) -> bool:
    """Whether a message only hands results back to the model."""
    content = content_of(row)
    return kind_of(row) == "user" and bool(content) and all(is_response(raw) for raw in content)


def time_of(row: JsonObject) -> object:
    """When a message was recorded, as it says itself."""
    found = row.get("timestamp")
    return found if found is not None else row.get("ts")


def shown_parts(raw: Any) -> list[Part]:
    """What is to be seen of one part."""
    match raw:
        case str():
            return [text_part(raw)] if raw else []
        case {"text": str(text)}:
            kind = "thinking" if raw.get("thought") is True else "text"
            return [{"type": kind, "text": text}] if text else []
        case {"inlineData": {"data": str(data)} as blob}:
            return [_blob_part(text_of(blob.get("mimeType")), data)]
        case {"fileData": {"fileUri": str(uri)} as file}:
            return [_file_part(text_of(file.get("mimeType")), uri)]
        case {"executableCode": {"code": str(code)} as program}:
            return [{"type": "code", "language": text_of(program.get("language")).lower() or None, "text": code}]
        case _:
            return [{"type": "unknown", "raw": raw}]


def _blob_part(mime_type: str, data: str) -> Part:
    if mime_type.startswith("image/"):
        return {"type": "image", "mime_type": mime_type, "data": data}
    part: Part = {"type": "resource", "uri": "inline", "blob": data}
    return {**part, "mime_type": mime_type} if mime_type else part


def _file_part(mime_type: str, uri: str) -> Part:
    if mime_type.startswith("image/"):
        return {"type": "image", "mime_type": mime_type, "uri": uri}
    part: Part = {"type": "resource", "uri": uri}
    return {**part, "mime_type": mime_type} if mime_type else part


# ------------------------------------------------------------------------------------------------- injected texts

CONTEXT_TAG: Final = re.compile(r"\s*<(session_context|hook_context)>")
SNAPSHOT_TAG: Final = "<state_snapshot>"


def _take_apart(text: str) -> tuple[str, list[str]]:
    """What a person wrote in a text, and the contexts that the program put before it."""
    injected: list[str] = []
    position = 0
    while found := CONTEXT_TAG.match(text, position):
        closing = f"</{found[1]}>"
        end = text.find(closing, found.end())
        stop = len(text) if end < 0 else end + len(closing)
        injected.append(text[position:stop].strip())
        position = stop
    return (text[position:].strip() if injected else text), injected


@dataclass(slots=True)
class Prompt:
    """What a user message holds: what is shown of it, and what the program added."""

    parts: list[Part]
    injected: list[str]


def read_prompt(row: JsonObject) -> Prompt:
    """What was typed, where that differs from what was sent (`@file` is sent as the file's content)."""
    sent = [raw for raw in content_of(row) if not is_response(raw)]
    typed = listed(row.get("displayContent"))
    prompt = Prompt([], [])
    for raw in typed or sent:
        _add_to_prompt(prompt, raw)
    if typed:
        shown = {_text_in(raw) for raw in typed}
        prompt.injected += [text for raw in sent if (text := _text_in(raw)) and text not in shown]
        known = {_key(raw) for raw in typed}
        others = (raw for raw in sent if not _text_in(raw) and _key(raw) not in known)
        prompt.parts += [part for raw in others for part in shown_parts(raw)]
    return prompt


def _key(raw: Any) -> str:
    """What two copies of a part have in common."""
    return json_text(raw)


def _add_to_prompt(prompt: Prompt, raw: Any) -> None:
    text = _text_in(raw)
    if not text:
        prompt.parts += shown_parts(raw)
        return
    words, injected = _take_apart(text)
    prompt.injected += injected
    prompt.parts += [text_part(words)] if words else []


# --------------------------------------------------------------------------------------------------------- thoughts


def thought_text(thought: Any) -> str:
    """A thought with its subject, as Markdown; `""` for one without words."""
    match thought:
        case {"description": str(description)}:
            subject = text_of(thought.get("subject")).strip()
            return f"**{subject}**\n\n{description}".strip() if subject else description
        case {"subject": str(subject)}:
            return f"**{subject}**" if subject.strip() else ""
        case str():
            return thought
        case _:
            return ""


_NO_LETTERS: Final = re.compile(r"[\W_]+")


def _folded(text: str) -> str:
    return _NO_LETTERS.sub("", text.lower())


def without_repeated_thoughts(content: list[Any], thoughts: Sequence[Any]) -> list[Any]:
    """Content without the thoughts in it that `thoughts` holds too."""
    if not thoughts or not any(isinstance(raw, dict) and raw.get("thought") is True for raw in content):
        return content
    told = (text for thought in thoughts for text in (thought_text(thought), mapping(thought).get("description")))
    known = {_folded(text) for text in told if isinstance(text, str)}
    return [raw for raw in content if not _is_thought_in(raw, known)]


def _is_thought_in(raw: Any, known: Collection[str]) -> bool:
    return isinstance(raw, dict) and raw.get("thought") is True and _folded(text_of(raw.get("text"))) in known


# ------------------------------------------------------------------------------------------------------------ calls

# Fields of a call's arguments that say what it is about, where no more usual one does.
_TITLE_FIELDS: Final = ("absolute_path", "dir_path", "objective", "agent_name", "fact")

_SUBAGENT_TOOLS: Final = frozenset(("codebase_investigator", "delegate_to_agent", "invoke_agent"))
_FAILED: Final = frozenset(("error", "cancelled"))
_NO_ERROR: Final = frozenset(("", "(none)"))

# `shell.ts` ends its report with such a line; `(none)` stands there where the command was killed.
_EXIT_CODE: Final = re.compile(r"^Exit Code: (-?\d+)\s*$", re.MULTILINE)


def parts_of_call(call: JsonObject, call_id: str) -> list[Part]:
    """A call, and the plan where it makes one."""
    part = call_parts(call_id, call.get("name"), call.get("args"), fallback_id=call_id)[0]
    if part["title"] == part["name"]:
        part["title"] = _other_title(call, part["input"]) or part["name"]
    if isinstance(agent_id := call.get("agentId"), str) and agent_id:
        part["agent_id"] = agent_id
    plan = plan_part(part["input"]) if part["name"] == "write_todos" else None
    return [part] if plan is None else [part, plan]


def _other_title(call: JsonObject, given: object) -> str:
    fields = mapping(given)
    candidates = (*(fields.get(name) for name in _TITLE_FIELDS), call.get("description"), call.get("displayName"))
    return next((title for value in candidates if (title := trim_title(text_of(value)))), "")


def call_markers(parts: Iterable[Part]) -> tuple[tuple[MarkerKind, str], ...]:
    """A marker for each subagent that is started."""
    return tuple(
        (MarkerKind.SUBAGENT, part["title"])
        for part in parts
        if part["type"] == "tool_call" and ("agent_id" in part or part["name"] in _SUBAGENT_TOOLS)
    )


# ---------------------------------------------------------------------------------------------------------- results


def result_of_call(call: JsonObject, call_id: str) -> Part | None:
    """The result in a call's own object; `None` while there is none."""
    status = text_of(call.get("status"))
    found = call.get("result")
    display = call.get("resultDisplay")
    if found in (None, [], "") and isinstance(display, str):
        found = display
    if found in (None, [], "") and status not in (*_FAILED, "success"):
        return None
    output, failed = _output_of(found)
    return result_part(call_id, output, failed or status in _FAILED, tool_kind(text_of(call.get("name"))))


def result_part(call_id: str | None, output: list[Part], failed: bool, kind: str) -> Part:
    """A result; a command that failed may be called a success, and only its report tells."""
    if not failed and kind == "execute":
        texts = (part["text"] for part in output if part["type"] == "text")
        failed = any(codes[-1] != "0" for text in texts if (codes := _EXIT_CODE.findall(text)))
    return {"type": "tool_result", "call_id": call_id, "output": output, "is_error": failed}


def _output_of(found: object) -> tuple[list[Part], bool]:
    """What a tool gave back, in any of the shapes met, and whether it says that it failed."""
    output: list[Part] = []
    failed = False
    for raw in listed(found):
        if is_response(raw):
            parts, says_failed = response_output(raw["functionResponse"])
            output += parts
            failed = failed or says_failed
        elif isinstance(raw, (str, dict)) and not _is_plain_object(raw):
            output += shown_parts(raw)
        else:
            output.append(text_part(json_text(raw)))
    return output, failed


def _is_plain_object(raw: object) -> bool:
    names = ("text", "inlineData", "fileData", "executableCode")
    return isinstance(raw, dict) and not any(name in raw for name in names)


def response_output(response: JsonObject) -> tuple[list[Part], bool]:
    """The parts of one `functionResponse`: its output, its error, and the media beside them."""
    given = response.get("response")
    parts, failed = _response_fields(given) if isinstance(given, dict) else (_value_parts(given), False)
    for raw in listed(response.get("parts")):
        parts += shown_parts(raw)
    return parts, failed


def _response_fields(given: JsonObject) -> tuple[list[Part], bool]:
    error, code = given.get("error"), given.get("exitCode")
    has_error = error is not None and error not in _NO_ERROR if not isinstance(error, (dict, list)) else bool(error)
    failed = has_error or (isinstance(code, int) and code != 0)
    if not {"output", "error"} & given.keys():
        return _value_parts(given), failed
    return [*_value_parts(given.get("output")), *(_value_parts(error) if has_error else ())], failed


def _value_parts(value: object) -> list[Part]:
    match value:
        case None | "":
            return []
        case str():
            return [text_part(value)]
        case _:
            return [text_part(json_text(value))]


def display_of(call: JsonObject) -> JsonObject | None:
    """What the terminal showed of a result as an object, without the fields that would make it large."""
    display = call.get("resultDisplay")
    if not isinstance(display, dict):
        return None
    kept: JsonObject = {}
    room = MAX_DISPLAY_BYTES
    for name, value in display.items():
        size = json_size(value, MAX_DISPLAY_BYTES)
        if size <= room:
            kept[name] = value
            room -= size
    return kept or None
