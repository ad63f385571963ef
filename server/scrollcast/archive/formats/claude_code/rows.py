"""What one row of a Claude Code file says: its role, its parts, its wording without what the program injected.

Nothing here remembers an earlier row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from scrollcast.archive.formats.call_parts import first_line, text_part
from scrollcast.archive.formats.claude_code.parts import (
    CallLedger,
    Spill,
    block_parts,
    call_labels,
    finish_single_result,
    result_part,
    structured_result,
    subagent_label,
)
from scrollcast.archive.formats.json_values import JsonObject, json_size, listed, text_of
from scrollcast.model import MarkerKind, Part

__all__ = [
    "UNKNOWN_SIZE",
    "Draft",
    "is_prompt",
    "is_sidechain",
    "is_synthetic",
    "message_of",
    "meta_kind",
    "meta_payload",
    "read_agent",
    "read_other",
    "read_user",
]

MAX_PAYLOAD_FIELD_BYTES: Final = 16 << 10
"""A larger field of a hidden row (a file's backup, a list of skills) is left out of the meta event's payload."""

UNKNOWN_SIZE: Final = 1 << 62
"""The size of a row that did not stand on a line of its own."""


@dataclass(slots=True)
class Draft:
    """A message in the making. `human` is a person's own words, which end every API message before them."""

    role: str
    parts: list[Part]
    metadata: dict[str, Any] = field(default_factory=dict)
    markers: tuple[tuple[MarkerKind, str], ...] = ()
    human: bool = False


def message_of(row: JsonObject) -> JsonObject | None:
    """The row's API message, if it is one: an object with `content`."""
    message = row.get("message")
    return message if isinstance(message, dict) and "content" in message else None


def is_sidechain(row: JsonObject) -> bool:
    """Whether a row is a subagent's."""
    return row.get("isSidechain") is True or isinstance(row.get("parent_tool_use_id"), str)


# ------------------------------------------------------------------------------------------------ injected text

# What the program puts into a person's message, as opposed to what the person wrote.
_INJECTED_TAGS: Final = (
    "system-reminder", "ide_opened_file", "ide_selection", "ide_diagnostics", "user-prompt-submit-hook",
    "local-command-stdout", "local-command-stderr", "local-command-caveat", "bash-input", "bash-stdout",
    "bash-stderr", "task-notification",
)  # fmt: skip
_COMMAND_TAGS: Final = ("command-name", "command-message", "command-args")
_OPENING: Final = re.compile(rf"<({'|'.join((*_INJECTED_TAGS, *_COMMAND_TAGS))})(?:\s[^<>]{{0,200}})?>")

_INTERRUPTED: Final = "[Request interrupted by user"
_COMPACTED: Final = "This session is being continued from a previous conversation"
_INJECTED_STARTS: Final = ("Caveat: The messages below", "Stop hook feedback:")


@dataclass(frozen=True, slots=True)
class _Wording:
    """A text taken apart: what the person wrote, what was injected, and the slash command if it is one."""

    text: str
    injected: tuple[str, ...] = ()
    command: str = ""


def _take_apart(text: str) -> _Wording:
    """Known tags out of a text, wherever they stand; what is not closed, and unknown tags, stay."""
    if "<" not in text:
        return _Wording(text)
    kept: list[str] = []
    injected: list[str] = []
    command: dict[str, str] = {}
    unclosed: set[str] = set()  # so that no tag is searched for twice in vain, and the time stays linear
    start = position = 0
    while found := _OPENING.search(text, position):
        position, name = found.end(), found[1]
        end = -1 if name in unclosed else text.find(f"</{name}>", position)
        if end < 0:
            unclosed.add(name)
            continue
        kept.append(text[start : found.start()])
        inner, start = text[position:end], end + len(name) + 3
        position = start
        if name in _COMMAND_TAGS:
            command.setdefault(name, inner.strip())
        else:
            injected.append(text[found.start() : start])
    if not start:
        return _Wording(text)
    kept.append(text[start:])
    slash = _slash_command(command)
    words = "\n".join(piece.strip() for piece in (slash, *kept) if piece.strip())
    return _Wording(words, tuple(injected), slash)


def _slash_command(tags: Mapping[str, str]) -> str:
    name = tags.get("command-name", "").strip()
    if not name:
        return ""
    name = name if name.startswith("/") else f"/{name}"
    return f"{name} {tags.get('command-args', '')}".strip()


def _unwrap(text: str) -> tuple[str, str]:
    """A text that is one injected element alone as its inside and its tag; any other as it is, with no tag."""
    bare = text.strip()
    opening = _OPENING.match(bare)
    if not opening or not bare.endswith(f"</{opening[1]}>"):
        return text, ""
    inner = bare[opening.end() : -len(opening[1]) - 3]
    return (text, "") if f"</{opening[1]}>" in inner else (inner.strip(), opening[1])


# ------------------------------------------------------------------------------------------------------ user rows

_Kind: TypeAlias = Literal["human", "injected", "notice", "result"]


@dataclass(slots=True)
class _Piece:
    """One block of a user row: its part, whose it is, and, for a text, what it was before tags were taken out."""

    kind: _Kind
    part: Part
    raw: str = ""
    wording: _Wording | None = None


def is_prompt(row: JsonObject, content: object) -> bool:
    """Whether a `user` row holds a person's own words."""
    pieces = _user_pieces(row, content, CallLedger())
    return any(piece.kind == "human" for piece in pieces) and not (_is_injected(row) or _starts_compacted(pieces))


def read_user(row: JsonObject, content: object, size: int, calls: CallLedger, spill: Spill | None) -> Draft | None:
    """A `user` row: a person's prompt, tool results, or what the program injected; `None` for an empty one."""
    pieces = _user_pieces(row, content, calls)
    results = [piece.part for piece in pieces if piece.kind == "result"]
    if len(results) == 1:
        finish_single_result(results[0], row.get("toolUseResult"), spill)
    injected = _is_injected(row) or _starts_compacted(pieces)
    if not injected and any(piece.kind == "human" for piece in pieces):
        return _human_draft(pieces)
    if results:
        return _result_draft(row, pieces, size, calls)
    return _injected_draft(row, pieces) if pieces else None


def _user_pieces(row: JsonObject, content: object, calls: CallLedger) -> list[_Piece]:
    pieces: list[_Piece] = []
    for block in listed(content):
        match block:
            case str(text) | {"type": "text", "text": str(text)}:
                if text.strip():
                    pieces.append(_text_piece(text))
            case {"type": "tool_result"}:
                call_id = calls.close(block.get("tool_use_id"), row.get("sourceToolUseID"))
                pieces.append(_Piece("result", result_part(block, call_id)))
            case _:
                pieces.extend(_Piece("human", part) for part in block_parts(block, calls))
    return pieces


def _text_piece(text: str) -> _Piece:
    if text.startswith(_INTERRUPTED) and text.rstrip().endswith("]") and len(text) < 200:
        return _Piece("notice", text_part(text), text)
    wording = _take_apart(text)
    if not wording.text or wording.text.startswith(_INJECTED_STARTS):
        return _Piece("injected", text_part(text), text, wording)
    return _Piece("human", text_part(wording.text), text, wording)


def _is_injected(row: JsonObject) -> bool:
    """Whether the row says by itself that nobody typed it."""
    if row.get("isMeta") is True or row.get("isCompactSummary") is True:
        return True
    if row.get("isVisibleInTranscriptOnly") is True or row.get("promptSource") == "system":
        return True
    origin = row.get("origin")
    kind = origin.get("kind") if isinstance(origin, dict) else None
    return isinstance(kind, str) and kind != "human"


def _starts_compacted(pieces: Sequence[_Piece]) -> bool:
    """Older versions wrote the summary after a compaction without marking it."""
    return bool(pieces) and pieces[0].raw.startswith(_COMPACTED)


def _human_draft(pieces: Sequence[_Piece]) -> Draft:
    draft = Draft("user", [piece.part for piece in pieces if piece.kind != "injected"], human=True)
    _keep_injected(draft, pieces)
    for piece in pieces:
        if piece.wording and piece.wording.command:
            draft.metadata.setdefault("slash_command", piece.wording.command.partition(" ")[0])
    return draft


def _keep_injected(draft: Draft, pieces: Sequence[_Piece]) -> None:
    texts: list[str] = []
    for piece in pieces:
        if piece.kind == "injected":
            texts.append(piece.raw)
        elif piece.wording:
            texts.extend(piece.wording.injected)
    if texts:
        draft.metadata["injected"] = texts


def _result_draft(row: JsonObject, pieces: Sequence[_Piece], size: int, calls: CallLedger) -> Draft:
    """Tool results, with what the program said beside them; a notice of an interruption stays to be seen."""
    draft = Draft("tool", [piece.part for piece in pieces if piece.kind != "injected"])
    _keep_injected(draft, pieces)
    result = row.get("toolUseResult")
    if structured := structured_result(result, size):
        draft.metadata["tool_use_result"] = structured
    if isinstance(result, dict) and (agent_id := text_of(result.get("agentId"))):
        draft.metadata["agent_id"] = agent_id
        # A tool that is not known to start subagents has no marker on its call.
        if not calls.starts_subagent(next(piece.part["call_id"] for piece in pieces if piece.kind == "result")):
            draft.markers = ((MarkerKind.SUBAGENT, subagent_label(result) or "subagent"),)
    return draft


def _injected_draft(row: JsonObject, pieces: Sequence[_Piece]) -> Draft | None:
    draft = Draft("system", [])
    for piece in pieces:
        text, tag = _unwrap(piece.raw) if piece.raw else ("", "")
        if tag:
            draft.metadata.setdefault("source", tag)
        if not piece.raw or text:
            draft.parts.append(text_part(text) if piece.raw else piece.part)
    if row.get("isCompactSummary") is True or _starts_compacted(pieces):
        draft.metadata["compaction"] = True
    return draft if draft.parts else None


# ----------------------------------------------------------------------------------------------------- agent rows

_FILLER: Final = "No response requested."


def is_synthetic(message: JsonObject) -> bool:
    """Whether the program, not a model, made this answer."""
    return message.get("model") == "<synthetic>"


def read_agent(row: JsonObject, message: JsonObject, blocks: Iterable[Any], calls: CallLedger) -> Draft | None:
    """An `assistant` row, of which only `blocks` are new; `None` where there is nothing to see."""
    parts = [part for block in blocks for part in block_parts(block, calls)]
    if not parts:
        return None
    draft = Draft("assistant", parts, markers=call_labels(parts))
    if row.get("isApiErrorMessage") is True:
        draft.role = "system"
        draft.metadata["error"] = text_of(row.get("error")) or True
    elif is_synthetic(message) and len(parts) == 1 and parts[0].get("text") == _FILLER:
        draft.role = "system"
    return draft


# ----------------------------------------------------------------------------------------------------- other rows

_NOTICE_SUBTYPES: Final = re.compile(r"error|refusal")
_HOOK_PROBLEMS: Final = frozenset(("hook_blocking_error", "hook_non_blocking_error"))
_COMPACTION_FACTS: Final = ("trigger", "preTokens", "postTokens", "durationMs")


def read_other(row: JsonObject, calls: CallLedger) -> Draft | None:
    """A row that is neither a `user` nor an `assistant` message: `None` where it is not meant to be seen."""
    match row:
        case {"type": "system"}:
            return _read_system(row)
        case {"type": "attachment", "attachment": dict(attachment)}:
            return _read_attachment(row, attachment, calls)
        case {"type": "queue-operation", "operation": "remove", "content": str(text)}:
            return _read_steering({}, text, calls)
        case {"type": "result", "session_id": str(), "is_error": True}:
            return Draft("system", [text_part(text_of(row.get("result")) or f"Ended: {text_of(row.get('subtype'))}")])
        case {"type": "tool_use", "name": str()}:
            parts = block_parts(row, calls)
            return Draft("assistant", parts, markers=call_labels(parts))
        case {"type": "tool_result"} if "output" in row or "content" in row:
            return Draft("tool", [result_part(row, calls.close(row.get("tool_use_id"), row.get("sourceToolUseID")))])
        case _:
            return None


def _read_system(row: JsonObject) -> Draft | None:
    subtype = text_of(row.get("subtype"))
    if subtype == "compact_boundary":
        return _compaction_draft(row)
    if not _NOTICE_SUBTYPES.search(subtype) and row.get("level") != "error":
        return None
    text = text_of(row.get("content")) or _error_text(row.get("error")) or subtype.replace("_", " ") or "error"
    if isinstance(attempt := row.get("retryAttempt"), int):
        text = f"{text} (attempt {attempt} of {row.get('maxRetries', '?')})"
    return Draft("system", [text_part(text)])


def _compaction_draft(row: JsonObject) -> Draft:
    text = text_of(row.get("content")) or "Conversation compacted"
    draft = Draft("system", [text_part(text)], markers=((MarkerKind.COMPACTION, first_line(text)),))
    if isinstance(facts := row.get("compactMetadata"), dict):
        kept = {name: facts[name] for name in _COMPACTION_FACTS if isinstance(facts.get(name), (str, int, float))}
        draft.metadata.update({"compact_metadata": kept} if kept else {})
    return draft


def _error_text(error: object) -> str:
    """The sentence in an API error, which wraps its own kind up to three times."""
    for _ in range(4):
        if not isinstance(error, dict):
            break
        if isinstance(message := error.get("message"), str) and message:
            return message
        error = error.get("error")
    return text_of(error)


def _read_attachment(row: JsonObject, attachment: JsonObject, calls: CallLedger) -> Draft | None:
    kind = attachment.get("type")
    if kind == "queued_command":
        flags = {"origin": attachment.get("origin") or row.get("origin"), "isMeta": attachment.get("isMeta")}
        if attachment.get("commandMode") == "task-notification":
            flags["promptSource"] = "system"
        return _read_steering(flags, attachment.get("prompt"), calls)
    if isinstance(kind, str) and kind in _HOOK_PROBLEMS:
        return Draft("system", [text_part(_hook_text(attachment, kind))])
    return None


def _read_steering(flags: JsonObject, prompt: object, calls: CallLedger) -> Draft | None:
    """What was typed while the agent worked; a task's own report in the same queue is not a person's."""
    if isinstance(prompt, str) and prompt.startswith("{") and ("task_id" in prompt or "tool_use_id" in prompt):
        return None
    draft = read_user(flags, prompt, UNKNOWN_SIZE, calls, None)
    if draft is not None and draft.human:
        draft.metadata["queued"] = True
    return draft


def _hook_text(attachment: JsonObject, kind: str) -> str:
    nested = attachment.get("blockingError")
    reasons = (nested.get("blockingError") if isinstance(nested, dict) else nested, attachment.get("stderr"),
               attachment.get("content"), attachment.get("stdout"))  # fmt: skip
    reason = next((text for value in reasons if (text := text_of(value).strip())), kind.replace("_", " "))
    name = text_of(attachment.get("hookName")) or text_of(attachment.get("hookEvent"))
    return f"{name}: {reason}" if name else reason


# ----------------------------------------------------------------------------------------------------- hidden rows

_SUBTYPE_PATHS: Final[Mapping[str, tuple[str, ...]]] = {
    "attachment": ("attachment", "type"),
    "progress": ("data", "type"),
    "queue-operation": ("operation",),
}


def meta_kind(row: JsonObject) -> str:
    """The kind of the meta event that a hidden row becomes: `type`, or `type/subtype`."""
    kind = text_of(row.get("type"))
    if not kind:
        return "unknown"
    value: object = row
    for name in _SUBTYPE_PATHS.get(kind, ("subtype",)):
        value = value.get(name) if isinstance(value, dict) else None
    return f"{kind}/{value}" if isinstance(value, str) and value else kind


def meta_payload(row: JsonObject, size: int) -> JsonObject:
    """A hidden row as it is; in one of more than `MAX_PAYLOAD_FIELD_BYTES` its large fields give way to `omitted`."""
    return row if size <= MAX_PAYLOAD_FIELD_BYTES else _without_large(row, depth=2)


def _without_large(value: JsonObject, depth: int) -> JsonObject:
    kept: JsonObject = {}
    omitted: list[str] = []
    for name, item in value.items():
        if json_size(item) <= MAX_PAYLOAD_FIELD_BYTES:
            kept[name] = item
        elif isinstance(item, dict) and depth:
            kept[name] = _without_large(item, depth - 1)
        else:
            omitted.append(name)
    if omitted:
        kept["omitted"] = [*omitted, *(kept["omitted"] if isinstance(kept.get("omitted"), list) else ())]
    return kept
