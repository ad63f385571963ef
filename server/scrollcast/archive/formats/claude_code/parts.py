"""The content blocks of Claude Code as parts: texts, thoughts, tool calls and their results, images, documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from scrollcast.archive.formats.call_parts import first_line, plan_part, read_content, source_image, text_part
from scrollcast.archive.formats.json_values import JsonObject, mapping, smallest_fields, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.model import MarkerKind, Part

__all__ = [
    "CallLedger",
    "Spill",
    "block_parts",
    "call_labels",
    "finish_single_result",
    "result_part",
    "structured_result",
    "subagent_label",
]

Spill: TypeAlias = Callable[[str], str | None]
"""Gives the text of a spilled tool output by the path that the log names, or `None` where it may not be read."""

MAX_RESULT_BYTES: Final = 16 << 10
"""The structured result of a tool is kept beside its text up to this size as JSON (16 KiB): a patch fits, a whole
file does not."""

_MAX_PENDING_CALLS: Final = 256
_MAX_TASKS: Final = 500


class CallLedger:
    """Gives a call without id one, and a result without id the one of the earliest call that has no result yet.

    `tasks` is the plan as the calls so far have made it.
    """

    def __init__(self) -> None:
        self.tasks = TaskList()
        self._pending: dict[str, None] = {}
        self._subagents: dict[str, None] = {}
        self._named = 0

    def open(self, call_id: object) -> str:
        """The id of a call: its own, or a new one."""
        if not isinstance(call_id, str) or not call_id:
            self._named += 1
            call_id = f"call-{self._named}"
        self._pending[call_id] = None
        if len(self._pending) > _MAX_PENDING_CALLS:
            del self._pending[next(iter(self._pending))]
        return call_id

    def close(self, *call_ids: object) -> str | None:
        """The id that a result belongs to: the first of `call_ids` that is one, else the earliest pending call's."""
        named = next((value for value in call_ids if isinstance(value, str) and value), None)
        call_id = named if named is not None else next(iter(self._pending), None)
        if call_id is not None:
            self._pending.pop(call_id, None)
        return call_id

    def clear(self) -> None:
        """Forget calls that were never answered: a person spoke since."""
        self._pending.clear()

    def note_subagent(self, call_id: str) -> None:
        """Remember that this call is known to start a subagent."""
        self._subagents[call_id] = None
        if len(self._subagents) > _MAX_PENDING_CALLS:
            del self._subagents[next(iter(self._subagents))]

    def starts_subagent(self, call_id: str | None) -> bool:
        """Whether this call was known to start a subagent, and has its marker."""
        return call_id in self._subagents


class TaskList:
    """The plan that `TaskCreate` and `TaskUpdate` make, one task a call."""

    def __init__(self) -> None:
        self._tasks: dict[str, dict[str, str | None]] = {}

    def change(self, name: str, given: object) -> Part | None:
        """The whole plan after a call, or `None` where the call does not change it."""
        match name, given:
            case "TaskCreate", {"subject": str(subject)} if len(self._tasks) < _MAX_TASKS:
                # Tasks are numbered from 1; the call does not say its number, only its result does.
                self._tasks[str(len(self._tasks) + 1)] = {"content": subject, "status": "pending", "priority": None}
            case "TaskUpdate", {"taskId": str(task_id)} if task_id in self._tasks:
                self._update(self._tasks[task_id], given)
            case _:
                return None
        return {"type": "plan", "entries": [dict(task) for task in self._tasks.values() if task["status"] != "deleted"]}

    def _update(self, task: dict[str, str | None], given: Any) -> None:
        status, subject = given.get("status"), given.get("subject")
        if isinstance(status, str) and (status in _PLAN_STATUSES or status == "deleted"):
            task["status"] = status
        if isinstance(subject, str):
            task["content"] = subject


# -------------------------------------------------------------------------------------------------------- blocks


def block_parts(block: Any, calls: CallLedger) -> list[Part]:
    """The parts of one content block; none where there is nothing to see (a thought without words)."""
    # The usual ones without a `match`, which takes several times as long to come to the third case.
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "text" and isinstance(text := block.get("text"), str):
        return [text_part(text)] if text else []
    if kind == "thinking" and isinstance(text := block.get("thinking"), str):
        return [{"type": "thinking", "text": text}] if text.strip() else []
    if kind in _CALLS and isinstance(name := block.get("name"), str):
        return _call_parts(block, name, calls)
    match block:
        case str() as text:
            return [text_part(text)] if text else []
        case {"type": "image", "source": dict(source)}:
            return [source_image(source) or {"type": "unknown", "raw": block}]
        case {"type": "document", "source": dict(source)}:
            return [_document_part(block, source)]
        case {"type": str(kind)} if kind.endswith("tool_result"):
            return [result_part(block, calls.close(block.get("tool_use_id")))]
        case _:
            return [{"type": "unknown", "raw": block}]


def _document_part(block: JsonObject, source: JsonObject) -> Part:
    """A document as a resource; the bytes of one that is no text stand in `blob`, as base64."""
    title = text_of(block.get("title"))
    part: Part = {"type": "resource", "uri": title or "document"}
    if mime_type := text_of(source.get("media_type")):
        part["mime_type"] = mime_type
    match source:
        case {"type": "text", "data": str(text)}:
            part["text"] = text
        case {"type": "content", "content": content}:
            part["text"] = "\n".join(piece["text"] for piece in _output_parts(content) if piece["type"] == "text")
        case {"type": "url", "url": str(uri)}:
            part["uri"] = uri
        case {"type": "base64", "data": str(data)}:
            part["blob"] = data
        case _:
            return {"type": "unknown", "raw": block}
    return part


# --------------------------------------------------------------------------------------------------------- calls

_CALLS: Final = ("tool_use", "server_tool_use", "mcp_tool_use")
_TASK_TOOLS: Final = ("TaskCreate", "TaskUpdate")
_SUBAGENT_TOOLS: Final = frozenset(("Task", "Agent", "Workflow"))

# The fields of a call's input that say in a few words what it is about, the most telling first.
_TITLE_FIELDS: Final = (
    "command", "file_path", "notebook_path", "pattern", "query", "url", "path", "description", "subject", "skill",
    "task_id", "bash_id", "shell_id", "prompt", "plan", "name",
)  # fmt: skip

_PLAN_STATUSES: Final = frozenset(("pending", "in_progress", "completed"))


def _call_parts(block: JsonObject, name: str, calls: CallLedger) -> list[Part]:
    given = block.get("input")
    call_id = calls.open(block.get("id"))
    if name in _SUBAGENT_TOOLS:
        calls.note_subagent(call_id)
    call: Part = {
        "type": "tool_call",
        "call_id": call_id,
        "name": name,
        "kind": tool_kind(name),
        "title": _call_title(name, given),
        "input": {} if given is None else given,
    }
    plan = None
    if name == "TodoWrite":
        plan = plan_part(given)
    elif name in _TASK_TOOLS:
        plan = calls.tasks.change(name, given)
    return [call] if plan is None else [call, plan]


def _call_title(name: str, given: object) -> str:
    fields = mapping(given)
    if name in _SUBAGENT_TOOLS:
        fields = {"description": fields.get("description"), **fields}
    if isinstance(todos := fields.get("todos"), list):
        return f"{len(todos)} item{'' if len(todos) == 1 else 's'}"
    for key in _TITLE_FIELDS:
        if isinstance(value := fields.get(key), str) and (line := first_line(value)):
            return line
    return name


def call_labels(parts: Iterable[Part]) -> tuple[tuple[MarkerKind, str], ...]:
    """A marker for each subagent that is started."""
    labels = [
        (MarkerKind.SUBAGENT, subagent_label(part["input"]) or part["title"])
        for part in parts
        if part["type"] == "tool_call" and part["name"] in _SUBAGENT_TOOLS
    ]
    return tuple(labels)


def subagent_label(given: object) -> str:
    """What a subagent is for, by the call that started it or by the result of that."""
    fields = mapping(given)
    return next((line for name in ("description", "prompt") if (line := first_line(text_of(fields.get(name))))), "")


# ------------------------------------------------------------------------------------------------------- results

_TOOL_ERROR: Final = re.compile(r"\s*<tool_use_error>(.*)</tool_use_error>\s*", re.DOTALL)
_PERSISTED: Final = "<persisted-output>"
_SAVED_TO: Final = re.compile(r"Full output saved to: ([^\n<]+)")


def result_part(block: JsonObject, call_id: str | None) -> Part:
    """What a tool gave back; a text between error tags is that of a tool that failed."""
    output = _output_parts(block["content"] if "content" in block else block.get("output"))
    failed = block.get("is_error") is True
    for part in output:
        if part["type"] == "text" and (tagged := _TOOL_ERROR.fullmatch(part["text"])):
            part["text"], failed = tagged[1], True
    return {"type": "tool_result", "call_id": call_id, "output": output, "is_error": failed}


def _output_parts(content: Any) -> list[Part]:
    """What a tool gave back, in any of the shapes met: text, a list of blocks, an object, nothing."""
    is_block = isinstance(content, dict) and content.get("type") in ("text", "image", "document")
    return read_content([content] if is_block else content, _output_part)


def _output_part(block: Any) -> list[Part]:
    match block:
        case str():
            return [text_part(block)]
        case {"type": "text", "text": str(text)}:
            return [text_part(text)]
        case {"type": "image", "source": dict(source)}:
            return [source_image(source) or {"type": "unknown", "raw": block}]
        case {"type": "document", "source": dict(source)}:
            return [_document_part(block, source)]
        case _:
            return [{"type": "unknown", "raw": block}]


def finish_single_result(part: Part, result: object, spill: Spill | None) -> None:
    """What the row's structured result says of the only tool result in it: that it failed, where it was spilled."""
    if isinstance(result, str) and result.startswith("Error"):
        part["is_error"] = True
    if spill is None:
        return
    path = text_of(result.get("persistedOutputPath")) if isinstance(result, dict) else ""
    texts = [piece["text"] for piece in part["output"] if piece["type"] == "text" and _PERSISTED in piece["text"]]
    if not path and texts and (saved := _SAVED_TO.search(texts[0])):
        path = saved[1].strip()
    if path and (whole := spill(path)) is not None:
        part["output"] = [text_part(whole)]


def structured_result(result: object, size: int) -> dict[str, Any] | None:
    """The structured result of an edit, a shell command or a subagent, within `MAX_RESULT_BYTES`.

    Where all of it would be larger, its smallest fields are kept: the facts and, mostly, the patch. `size` is the
    whole row's.
    """
    if not isinstance(result, dict) or not ("structuredPatch" in result or "stdout" in result or "agentId" in result):
        return None
    if size <= MAX_RESULT_BYTES:
        return result
    return smallest_fields(result, MAX_RESULT_BYTES) or None
