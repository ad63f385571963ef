"""Content parts to write, one function a type (`docs/protocol.md` has what each may hold)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from scrollcast.model import Part

__all__ = ["code", "image", "plan", "resource", "text", "thinking", "tool_call", "tool_result"]


def text(words: str) -> Part:
    """What was said, as Markdown."""
    return {"type": "text", "text": words}


def thinking(words: str) -> Part:
    """What the agent thought."""
    return {"type": "thinking", "text": words}


def code(source: str, language: str | None = None) -> Part:
    """A piece of code."""
    return {"type": "code", "language": language, "text": source}


def tool_call(
    call_id: str | None, name: str, input: Any = None, *, kind: str | None = None, title: str | None = None
) -> Part:
    """A call of a tool. `input` is any JSON; `kind` one of ACP's, such as `read`, `edit` or `execute`.

    `title` says in a few words what the call does.
    """
    return {"type": "tool_call", "call_id": call_id, "name": name, "kind": kind, "title": title, "input": input}


def tool_result(call_id: str | None, output: str | Iterable[Part] = "", *, is_error: bool = False) -> Part:
    """What came back from the call with this id: text, or parts."""
    parts = [text(output)] if isinstance(output, str) else list(output)
    return {"type": "tool_result", "call_id": call_id, "output": parts, "is_error": is_error}


def image(data: bytes, mime_type: str) -> Part:
    """A picture, by the bytes of its file."""
    return {"type": "image", "mime_type": mime_type, "data": b64encode(data).decode()}


def resource(uri: str, text: str | None = None, mime_type: str | None = None) -> Part:
    """Something that was attached, by its address, with its text where there is any."""
    return {"type": "resource", "uri": uri, "mime_type": mime_type, "text": text}


def plan(entries: Iterable[str | Mapping[str, str]]) -> Part:
    """A plan: of each entry its text; or `content`, `status` (`pending`, `in_progress`, `completed`) and `priority`."""
    given = ({"content": entry} if isinstance(entry, str) else entry for entry in entries)
    return {"type": "plan", "entries": [{"status": "pending", "priority": None, **entry} for entry in given]}
