"""What Codex says, does and gets back, as parts: texts apart from what was injected, tool calls, tool outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any, Final

from scrollcast.archive.formats.call_parts import call_parts, first_line, image_part, json_text, text_part
from scrollcast.archive.formats.json_values import JsonObject, text_of
from scrollcast.archive.storage import decode_json
from scrollcast.model import MarkerKind, Part

__all__ = [
    "CALL_TYPES",
    "OUTPUT_TYPES",
    "Draft",
    "Wording",
    "call_draft",
    "call_name",
    "digest",
    "end_failed",
    "end_output",
    "name_of_end",
    "output_parts",
    "read_human",
    "read_message",
    "read_thoughts",
    "result_draft",
    "said",
    "spoken_digests",
]


@dataclass(slots=True)
class Draft:
    """A message in the making."""

    role: str
    parts: list[Part]
    metadata: dict[str, Any] = field(default_factory=dict)
    markers: tuple[tuple[MarkerKind, str], ...] = ()


def digest(text: str) -> int:
    """What two writings of one text have in common: not their spaces and line ends."""
    return hash("".join(text.split()))


# ------------------------------------------------------------------------------------------------------- wording

# What the program writes under a person's name (formats page, Codex). Each is closed by a tag of the same words.
_INJECTED_TAGS: Final = (
    "environment_context", "INSTRUCTIONS", "user_instructions", "permissions instructions", "skill", "turn_aborted",
    "subagent_notification", "goal_context", "codex_internal_context", "recommended_plugins", "collaboration_mode",
    "user_shell_command", "user_action", "personality_spec", "model_switch", "skills_instructions",
    "apps_instructions", "plugins_instructions", "hook_prompt", "memory",
)  # fmt: skip
_OPENING: Final = re.compile(rf"<({'|'.join(map(re.escape, _INJECTED_TAGS))})(?:\s[^<>]{{0,400}})?>")
_SPACES: Final = re.compile(r"\s*")
_INJECTED_STARTS: Final = ("# AGENTS.md instructions", "Another language model started to solve this problem")
_IDE_REQUEST: Final = re.compile(r"^## My request for Codex:[ \t]*$", re.MULTILINE)
_IMAGE_TAG: Final = re.compile(r"\s*(?:<image(?:\s[^<>]{0,400})?>|</image>)\s*")
_WRAPPED: Final = re.compile(r"\s*<([A-Za-z][\w -]{0,60})>")


@dataclass(slots=True)
class Wording:
    """A message under a person's name: what the person wrote and showed, and what was injected."""

    parts: list[Part] = field(default_factory=list)
    injected: list[str] = field(default_factory=list)

    @property
    def digest(self) -> int:
        """Of the person's own words."""
        return digest("".join(part["text"] for part in self.parts if part["type"] == "text"))

    @property
    def is_wrapped(self) -> bool:
        """Whether all of it is one element of a tag that is not known, as nobody types."""
        if len(self.parts) != 1 or self.parts[0]["type"] != "text":
            return False
        text = self.parts[0]["text"]
        tag = _WRAPPED.match(text)
        return tag is not None and text.rstrip().endswith(f"</{tag[1]}>")

    def draft(self) -> Draft:
        """It as a turn."""
        return Draft("user", self.parts, {"injected": self.injected} if self.injected else {})


def read_human(content: object, images: Iterable[object] = (), local_images: Iterable[object] = ()) -> Wording:
    """A message under a person's name, from either of its two places. Paths of images are named, not followed."""
    wording = Wording()
    for item in content if isinstance(content, list) else [content]:
        _add_item(wording, item)
    wording.parts.extend(image_part(uri) for uri in images if isinstance(uri, str) and uri)
    if not any(part["type"] == "image" for part in wording.parts):
        wording.parts.extend({"type": "resource", "uri": path} for path in local_images if isinstance(path, str))
    return wording


def _add_item(wording: Wording, item: object) -> None:
    match item:
        case str(text) | {"type": "input_text" | "output_text" | "text" | "Text", "text": str(text)}:
            _add_text(wording, text)
        case {"type": "local_image" | "LocalImage", "path": str(path)}:
            wording.parts.append({"type": "resource", "uri": path})
        case None:
            pass
        case _:
            wording.parts.extend(_content_parts(item))


def _add_text(wording: Wording, text: str) -> None:
    if _IMAGE_TAG.fullmatch(text[:1000]) and len(text) <= 1000:
        wording.injected.append(text)
        return
    own, injected = _take_apart(text)
    wording.injected.extend(injected)
    if own:
        wording.parts.append(text_part(own))


def _take_apart(text: str) -> tuple[str, list[str]]:
    """A person's own words, and what the program put before them."""
    injected: list[str] = []
    start = _past_spaces(text, 0)
    while opening := _OPENING.match(text, start):
        closing = f"</{opening[1]}>"
        end = text.find(closing, start)
        end = len(text) if end < 0 else end + len(closing)
        injected.append(text[start:end])
        start = _past_spaces(text, end)
    rest = text[start:]
    if rest.startswith(_INJECTED_STARTS):
        return "", [*injected, rest]
    if request := _IDE_REQUEST.search(rest):
        if before := rest[: request.start()].strip():
            injected.append(before)
        rest = rest[request.end() :]
    return rest.strip(), injected


def _past_spaces(text: str, position: int) -> int:
    found = _SPACES.match(text, position)
    return found.end() if found else position


# ------------------------------------------------------------------------------------------------------- content


def _content_parts(item: Any) -> list[Part]:
    """One piece of a message or of a tool's output; none where it holds nothing that may be shown."""
    match item:
        case str(text) | {"type": "input_text" | "output_text" | "text" | "Text" | "reasoning_text", "text": str(text)}:
            return [text_part(text)] if text else []
        case {"type": "input_image" | "image", "image_url": str(uri)} if uri:
            return [image_part(uri)]
        case {"type": "input_image" | "image", "image_url": {"url": str(uri)}} if uri:
            return [image_part(uri)]
        case {"type": "image", "data": str(data)}:
            mime_type = item.get("mimeType", item.get("mime_type"))
            return [{"type": "image", "mime_type": text_of(mime_type) or "image/png", "data": data}]
        case {"type": "input_image", "image_url": None} | {"type": "encrypted_content"} | None:
            return []
        case {"type": "refusal", "refusal": str(text)}:
            return [text_part(text)]
        case _:
            return [{"type": "unknown", "raw": item}]


def read_message(content: object) -> list[Part]:
    """What a message holds that nobody typed."""
    return [part for item in (content if isinstance(content, list) else [content]) for part in _content_parts(item)]


def read_thoughts(payload: JsonObject) -> list[Part]:
    """The readable part of a reasoning: its summary, else the reasoning itself. What is encrypted stays so."""
    for name in ("summary", "summary_text", "content", "raw_content", "text"):
        value = payload.get(name)
        texts = (_thought(item) for item in (value if isinstance(value, list) else [value]))
        if parts := [{"type": "thinking", "text": text} for text in texts if text.strip()]:
            return parts
    return []


def _thought(item: object) -> str:
    return text_of(item.get("text")) if isinstance(item, dict) else text_of(item)


_HIDDEN_MARKUP: Final = re.compile(r"<oai-mem-citation>.*?(?:</oai-mem-citation>|\Z)", re.DOTALL)
_PROPOSED_PLAN: Final = re.compile(r"<proposed_plan>(.*?)(?:</proposed_plan>|\Z)", re.DOTALL)


def said(parts: Iterable[Part]) -> str:
    """The texts of a message."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def spoken_digests(text: str) -> frozenset[int]:
    """Of an answer, and of what events make of it: without hidden markup, without the plan in it, that plan alone."""
    if "<" not in text:
        return frozenset((digest(text),))
    shown = _HIDDEN_MARKUP.sub("", text)
    plans = _PROPOSED_PLAN.findall(shown)
    readings = (text, shown, _PROPOSED_PLAN.sub("", shown), *plans)
    return frozenset(digest(reading) for reading in readings if reading.strip())


# --------------------------------------------------------------------------------------------------------- calls

CALL_TYPES: Final = frozenset(
    ("function_call", "custom_tool_call", "local_shell_call", "web_search_call", "tool_search_call", "tool_call",
     "image_generation_call", "mcp_tool_call")
)  # fmt: skip
OUTPUT_TYPES: Final = frozenset(
    ("function_call_output", "custom_tool_call_output", "tool_search_output", "tool_result", "mcp_tool_call_output")
)

_NAMES_BY_TYPE: Final = {
    "local_shell_call": "local_shell",
    "web_search_call": "web_search",
    "tool_search_call": "tool_search",
    "image_generation_call": "image_generation",
}


def call_name(payload: JsonObject) -> str:
    """The name of the tool that a call is of; one of an MCP server has the server's before its own."""
    function = payload.get("function")
    name = text_of(payload.get("name")) or (text_of(function.get("name")) if isinstance(function, dict) else "")
    name = name or _NAMES_BY_TYPE.get(text_of(payload.get("type")), "unknown")
    namespace = text_of(payload.get("namespace"))
    return f"{namespace}__{name}" if namespace.startswith("mcp__") and not name.startswith("mcp__") else name


def _call_input(payload: JsonObject) -> object:
    for name in ("arguments", "input", "action"):
        if payload.get(name) not in (None, ""):
            return payload[name]
    # Cut logs keep a sentence about a call in place of what it was given.
    return {name: payload[name] for name in ("summary", "revised_prompt") if isinstance(payload.get(name), str)}


def call_draft(payload: JsonObject, name: str, call_id: str) -> Draft:
    """A tool call, with the plan or the picture that it makes and a marker where it starts a subagent."""
    parts = call_parts(call_id, name, _call_input(payload), fallback_id=call_id)
    given = parts[0]["input"]
    parts[0]["title"] = _title(name, given) or parts[0]["title"]
    if payload.get("type") == "image_generation_call" and (picture := text_of(payload.get("result"))):
        parts.append({"type": "image", "mime_type": _picture_type(picture), "data": picture})
    return Draft("assistant", parts, markers=_markers(name, given))


def _picture_type(data: str) -> str:
    """By the first bytes, as they are in base64."""
    kinds = {"/9j/": "image/jpeg", "UklGR": "image/webp", "R0lGOD": "image/gif"}
    return next((kind for start, kind in kinds.items() if data.startswith(start)), "image/png")


def _title(name: str, given: Any) -> str:
    match given:
        case {"command": [*words]} | {"cmd": [*words]} if words:
            return _command_title(words)
        case {"patch": str(patch)} | {"input": str(patch)} if name == "apply_patch":
            return _patch_title(patch)
        case {"changes": dict(changes)}:
            return _files_title([str(path) for path in changes])
        case {"changes": [*changes]}:
            return _files_title([text_of(change.get("path")) for change in changes if isinstance(change, dict)])
        case {"chars": str(chars)} if chars.strip():
            return first_line(chars)
        case str(patch) if name == "apply_patch":
            return _patch_title(patch)
        case {"plan": [*steps]}:
            return f"{len(steps)} step{'' if len(steps) == 1 else 's'}"
        case (
            {"queries": [str(query), *_]}
            | {"task_name": str(query)}
            | {"message": str(query)}
            | {"summary": str(query)}
        ):
            return first_line(query)
        case _:
            return ""


_SHELL_RUNS: Final = ("-c", "-lc", "-ic", "-Command")


def _command_title(words: list[object]) -> str:
    """A command without the shell that runs it."""
    if len(words) >= 3 and words[1] in _SHELL_RUNS:
        words = words[2:]
    return first_line(" ".join(str(word)[:640] for word in words[:40]))


_PATCHED_FILE: Final = re.compile(r"^\*\*\* (?:Add|Update|Delete) File: (.+)$", re.MULTILINE)


def _patch_title(patch: str) -> str:
    return _files_title(_PATCHED_FILE.findall(patch[: 1 << 20])) or "apply_patch"


def _files_title(files: list[str]) -> str:
    if not files:
        return ""
    first = PureWindowsPath(files[0].strip()).name or files[0]
    return first_line(first if len(files) == 1 else f"{first} and {len(files) - 1} more")


def _markers(name: str, given: object) -> tuple[tuple[MarkerKind, str], ...]:
    if name.rpartition("__")[2].rpartition(".")[2] != "spawn_agent":
        return ()
    fields = given if isinstance(given, dict) else {}
    texts = (text_of(fields.get(key)) for key in ("task_name", "message", "prompt", "agent_type"))
    return ((MarkerKind.SUBAGENT, next((label for text in texts if (label := first_line(text))), name)),)


# ------------------------------------------------------------------------------------------------------- outputs

_EXIT_CODE: Final = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d{1,10})\s*$", re.MULTILINE)
_MAX_JSON_CHARACTERS: Final = 1 << 20
"""A longer output is not looked into for a JSON object that says whether it failed."""


def result_draft(call_id: str | None, parts: list[Part], *, failed: bool) -> Draft:
    """What a tool gave back."""
    return Draft("tool", [{"type": "tool_result", "call_id": call_id, "output": parts, "is_error": failed}])


def output_parts(payload: JsonObject) -> tuple[list[Part], bool]:
    """What a tool gave back, in any of the shapes met, and whether that says that it failed."""
    for name in ("output", "result", "tools", "content"):
        if name in payload:
            parts, failed = _read_output(payload[name])
            return parts, failed or payload.get("success") is False
    return [], payload.get("success") is False


def _read_output(output: Any) -> tuple[list[Part], bool]:
    match output:
        case None | "":
            return [], False
        case str(text):
            return _read_text_output(text)
        case list():
            parts = read_message(output)
            return parts, any(_exited_badly(part["text"]) for part in parts[:1] if part["type"] == "text")
        case dict():
            return _read_object_output(output)
        case _:
            return [text_part(json_text(output))], False


def _read_text_output(text: str) -> tuple[list[Part], bool]:
    if text.startswith("{") and len(text) <= _MAX_JSON_CHARACTERS:
        try:
            value = decode_json(text.encode())
        except ValueError:
            value = None
        if isinstance(value, dict):
            parts, failed = _read_object_output(value)
            # Only the wrapper of a shell's output is taken off; a tool's own JSON stays as it was.
            return (
                parts if isinstance(value.get("metadata"), dict) and "output" in value else [text_part(text)]
            ), failed
    return [text_part(text)], _exited_badly(text)


def _exited_badly(text: str) -> bool:
    """Whether the head that Codex puts before a command's output tells of an exit code other than 0."""
    head = text[:2000].partition("\nOutput:")[0]
    if not head.startswith(("Chunk ID:", "Wall time:", "Exit code:", "Process exited")):
        return False
    code = _EXIT_CODE.search(head)
    return code is not None and int(code[1]) != 0


def _read_object_output(value: JsonObject) -> tuple[list[Part], bool]:
    failed = _says_failed(value)
    match value:
        case {"output": str() | list() as inner} | {"content": str() | list() as inner}:
            parts, worse = (
                ([text_part(inner)] if inner else [], False) if isinstance(inner, str) else _read_output(inner)
            )
            return parts, failed or worse
        case {"stdout": str(out)}:
            text = "\n".join(piece for piece in (out, text_of(value.get("stderr"))) if piece)
            return [text_part(text)] if text else [], failed
        case _:
            return [text_part(json_text(value))], failed


def _says_failed(value: JsonObject) -> bool:
    metadata = value.get("metadata")
    codes = [
        value.get("exit_code"),
        value.get("exitCode"),
        metadata.get("exit_code") if isinstance(metadata, dict) else 0,
    ]
    if any(isinstance(code, int) and not isinstance(code, bool) and code != 0 for code in codes):
        return True
    return value.get("success") is False or value.get("isError") is True or value.get("is_error") is True


# -------------------------------------------------------------------------------------------- ends told by events

_NAMES_BY_END: Final = {
    "exec_command_end": "exec_command",
    "CommandExecution": "exec_command",
    "patch_apply_end": "apply_patch",
    "FileChange": "apply_patch",
    "web_search_end": "web_search",
    "WebSearch": "web_search",
    "collab_agent_spawn_end": "spawn_agent",
}


def name_of_end(kind: str, payload: JsonObject) -> str:
    """The tool whose end an event tells of; `""` for any other event."""
    if kind in ("mcp_tool_call_end", "McpToolCall"):
        invocation = payload.get("invocation")
        fields = invocation if isinstance(invocation, dict) else payload
        return f"mcp__{text_of(fields.get('server'))}__{text_of(fields.get('tool'))}"
    return _NAMES_BY_END.get(kind, "")


def end_failed(payload: JsonObject) -> bool:
    """Whether the end that an event tells of is a failure."""
    result = payload.get("result")
    if isinstance(result, dict):
        ok = result.get("Ok")
        if "Err" in result or (isinstance(ok, dict) and ok.get("isError") is True) or result.get("isError") is True:
            return True
    failed = payload.get("status") in ("failed", "Failed", "declined", "Declined")
    return failed or payload.get("error") not in (None, "") or _says_failed(payload)


def end_output(payload: JsonObject) -> list[Part]:
    """What the event says that the tool gave back."""
    match payload:
        case {"aggregated_output": str(text)} if text:
            return [text_part(text)]
        case {"result": {"Ok": value}} | {"result": {"Err": value}}:
            return _read_output(value)[0]
        case {"error": {"message": str(text)}} | {"error": str(text)}:
            return [text_part(text)]
        case {"result": value} if value is not None:
            return _read_output(value)[0]
        case {"new_thread_id": str(thread_id)}:
            return [text_part(json_text({"agent_id": thread_id, "nickname": payload.get("new_agent_nickname")}))]
        case {"stdout": str()}:
            return _read_object_output({"stdout": payload["stdout"], "stderr": payload.get("stderr")})[0]
        case _:
            return []
