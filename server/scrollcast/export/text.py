"""What is shown as text shares this: names, times, what a call was given, pictures in words, what terminals obey."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from itertools import zip_longest
from pathlib import PurePath
from typing import Any, Final

from scrollcast.model import Part, Record, Session

__all__ = [
    "COLOUR", "CONTROL", "clock", "coloured_text", "is_by_a_person", "one_line", "picture_words", "plain_text",
    "plan_line", "shown_input", "speaker", "told_once",
]  # fmt: skip

MOST_COMPARED_LINES: Final = 2_000
"""Of a longer edit what was there stands before what is there now: to compare them would take too long."""


COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
"""Select Graphic Rendition (ECMA-48, 8.3.117): all that is kept of what a terminal obeys."""

CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[P^_X][^\x1b]*(?:\x1b\\)?|.)?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]",
    re.DOTALL,
)
"""A control sequence or control string, a control character, a mark of direction."""


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
    """What a tool was given, and the language that it is written in: a command, an edit, a file, else JSON.

    Nothing where the call's title says all of it.
    """
    given: Any = call.get("input")
    if isinstance(given, str):
        return given, ""
    if isinstance(given, dict):
        for shown, fields in _looks(given):
            if shown is not None and given.keys() <= fields:
                return shown
        if list(given.values()) == [call.get("title")]:
            return "", ""
    return ("", "") if given in (None, {}) else (json.dumps(given, ensure_ascii=False, indent=2), "json")


def _looks(given: dict[str, Any]) -> Iterator[tuple[tuple[str, str] | None, frozenset[str]]]:
    """Ways to show an input, each with the fields that it shows or that nobody misses."""
    command, content, path = given.get("command"), given.get("content"), given.get("file_path")
    yield (command, "sh") if isinstance(command, str) else None, frozenset(("command", "description"))
    old, new = given.get("old_string"), given.get("new_string")
    edit = _edit(path, old, new) if isinstance(path, str) and isinstance(old, str) and isinstance(new, str) else None
    yield edit, frozenset(("file_path", "old_string", "new_string"))
    file = (content, PurePath(path).suffix[1:]) if isinstance(path, str) and isinstance(content, str) else None
    yield file, frozenset(("file_path", "content"))


def _edit(path: str, old: str, new: str) -> tuple[str, str]:
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > MOST_COMPARED_LINES:
        lines = [f"--- {path}", f"+++ {path}", *(f"-{line}" for line in before), *(f"+{line}" for line in after)]
    else:
        lines = [line for line in unified_diff(before, after, path, path, lineterm="") if not line.startswith("@@")]
    return "\n".join(lines), "diff"


def told_once(parts: Sequence[Part]) -> Iterator[Part]:
    """The parts, but of a call that made the plan behind it not what it was given: that is the plan."""
    for part, following in zip_longest(parts, parts[1:]):
        makes_it = part["type"] == "tool_call" and following is not None and following["type"] == "plan"
        yield {**part, "input": None} if makes_it else part


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


def plain_text(text: str) -> str:
    """A text as a terminal would be left showing it, without anything that the terminal obeys but line ends."""
    return CONTROL.sub("", _with_line_ends(text)).replace("\t", "    ")


def coloured_text(text: str) -> str:
    """The same with its colours still in it."""
    kept = CONTROL.sub(lambda found: found[0] if COLOUR.fullmatch(found[0]) else "", _with_line_ends(text))
    return kept.replace("\t", "    ")


def _with_line_ends(text: str) -> str:
    """Line ends of one kind; of a line that was written over again, as a progress bar is, what was left of it."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
