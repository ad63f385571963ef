"""Events as they come over the protocol, and lines as text."""

from __future__ import annotations

from typing import Any

from scrollcast.terminal.blocks import Line, View
from scrollcast.terminal.conversation import Conversation
from scrollcast.terminal.rendering import entry_lines

JsonObject = dict[str, Any]


def said(role: str, *parts: JsonObject, **metadata: Any) -> JsonObject:
    """A message."""
    message = {"id": "m", "role": role, "content": list(parts), "metadata": metadata or None}
    return {"type": "message_completed", "message": message}


def text(words: str) -> JsonObject:
    """A part that is text."""
    return {"type": "text", "text": words}


def call(name: str, call_id: str = "c", **given: Any) -> JsonObject:
    """A part that is a call."""
    return {"type": "tool_call", "call_id": call_id, "name": name, "kind": None, "title": None, "input": given}


def result(words: str, call_id: str = "c", *, is_error: bool = False) -> JsonObject:
    """A part that is a call's result."""
    return {"type": "tool_result", "call_id": call_id, "output": [text(words)], "is_error": is_error}


def conversation(*events: tuple[int, JsonObject]) -> Conversation:
    """These events, each with its recorded time in milliseconds."""
    made = Conversation()
    for seq, (t_ms, event) in enumerate(events):
        made.put(seq, t_ms, event)
    return made


def plain(line: Line) -> str:
    """A line without its styles."""
    return "".join(segment.text for segment in line).rstrip()


def drawn(held: Conversation, view: View | None = None) -> str:
    """The whole conversation as text."""
    lines = (line for entry in held.entries for line in entry_lines(entry, view or View(), "Agent"))
    return "\n".join(map(plain, lines))


def style_of(held: Conversation, words: str) -> str:
    """How the first segment looks that holds these words."""
    lines = (line for entry in held.entries for line in entry_lines(entry, View(), "Agent"))
    return next(str(each.style) for line in lines for each in line if words in each.text)
