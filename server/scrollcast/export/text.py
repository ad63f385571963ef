"""What the documents that are text share: names, times, what a call was given, and pictures in words."""

from __future__ import annotations

import json
from typing import Any

from scrollcast.model import Part, Record, Session

__all__ = ["clock", "is_by_a_person", "one_line", "picture_words", "plan_line", "shown_input", "speaker"]


def clock(t_ms: int) -> str:
    """Recorded time as it stands in the player: `3:41`, `1:02:03`."""
    minutes, seconds = divmod(t_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def one_line(text: str, limit: int = 200) -> str:
    """The words of a text in one line, without anything that a terminal or an editor obeys."""
    words = " ".join(text[: limit * 4].split())
    plain = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in words)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def speaker(record: Record, session: Session) -> str:
    """Who speaks: the agent's name where it has one."""
    match record.role:
        case "user":
            return "User"
        case "assistant":
            return one_line(session.agent or "", 60) or "Assistant"
        case role:
            return one_line(role, 60).capitalize() or "User"


def is_by_a_person(record: Record) -> bool:
    """Whether a message is a turn: somebody's own words, not only what came back from tools."""
    results = sum(part["type"] == "tool_result" for part in record.content)
    return record.role == "user" and not record.is_meta and (not record.content or results < len(record.content))


def shown_input(call: Part) -> tuple[str, str]:
    """What a tool was given, and the language that it is written in: a command, else JSON."""
    given: Any = call.get("input")
    if isinstance(given, dict) and isinstance(given.get("command"), str):
        rest = {name: value for name, value in given.items() if name not in ("command", "description")}
        if not rest:
            return given["command"], "sh"
    if isinstance(given, str):
        return given, ""
    return ("", "") if given in (None, {}) else (json.dumps(given, ensure_ascii=False, indent=2), "json")


def plan_line(entry: dict[str, Any]) -> tuple[str, str]:
    """The sign before a step of a plan, and the step."""
    sign = {"completed": "x", "in_progress": "~"}.get(str(entry.get("status")), " ")
    return sign, one_line(entry["content"], 400)


def picture_words(part: Part) -> str:
    """What stands in place of a picture."""
    data = part.get("data")
    size = f", {max(1, len(data) * 3 // 4096)} KiB" if data else ""
    where = f" at {one_line(str(part['uri']))}" if part.get("uri") and not data else ""
    return f"Picture ({one_line(str(part['mime_type']), 60)}{size}){where}"
