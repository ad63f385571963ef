"""The rows of a Codex rollout of any generation: what stands in their envelope, and what their header says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from scrollcast.archive.formats.codex.parts import CALL_TYPES, OUTPUT_TYPES
from scrollcast.archive.formats.json_values import JsonObject, text_of

__all__ = ["ITEM_TYPES", "Header", "read_header", "turn_begun", "unwrap"]

ITEM_TYPES: Final = CALL_TYPES | OUTPUT_TYPES | {"message", "reasoning"}
"""What stands on a line of its own in files of before September 2025, and in an envelope since."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a `session_meta` says."""

    thread_id: str = ""
    parent_id: str = ""
    timestamp: object = None
    cwd: str = ""
    git_branch: str = ""
    version: str = ""
    originator: str = ""
    agent_name: str = ""
    agent_role: str = ""
    start_ordinal: int | None = None


def read_header(payload: JsonObject) -> Header:
    """The header of a thread; a thread that was forked or spawned names its parent in one of several places."""
    spawn = _spawn_of(payload.get("source"))
    git, ordinal = payload.get("git"), payload.get("subagent_history_start_ordinal")
    thread_id = text_of(payload.get("id"))
    parents = (payload.get("parent_thread_id"), spawn.get("parent_thread_id"), payload.get("forked_from_id"))
    parent_id = next((parent for parent in map(text_of, parents) if parent), "")
    return Header(
        thread_id=thread_id,
        parent_id="" if parent_id == thread_id else parent_id,
        timestamp=payload.get("timestamp"),
        cwd=text_of(payload.get("cwd")),
        git_branch=text_of(git.get("branch")) if isinstance(git, dict) else "",
        version=text_of(payload.get("cli_version")),
        originator=text_of(payload.get("originator")),
        agent_name=text_of(payload.get("agent_nickname")) or text_of(spawn.get("agent_nickname")),
        agent_role=text_of(payload.get("agent_role")) or text_of(spawn.get("agent_role")),
        start_ordinal=ordinal if isinstance(ordinal, int) and not isinstance(ordinal, bool) else None,
    )


def _spawn_of(source: Any) -> JsonObject:
    match source:
        case {"subagent": {"thread_spawn": dict(spawn)}}:
            return spawn
        case _:
            return {}


def unwrap(row: JsonObject) -> tuple[str, JsonObject]:
    """A row's type and what stands in its envelope; the row itself in files that know no envelope."""
    kind, payload = text_of(row.get("type")), row.get("payload")
    if kind and isinstance(payload, dict):
        return kind, payload
    if "record_type" in row:
        return "state", row
    if kind in ITEM_TYPES or (not kind and "role" in row):
        return "response_item", row
    if kind == "error":
        return "event_msg", row
    return ("session_meta" if not kind and isinstance(row.get("id"), str) else kind or "unknown"), row


def turn_begun(kind: str, payload: JsonObject) -> str:
    """The id of the turn that a row begins; `""` for one that begins none."""
    begins = kind == "turn_context" or payload.get("type") in ("task_started", "turn_started")
    return text_of(payload.get("turn_id")) if begins else ""
