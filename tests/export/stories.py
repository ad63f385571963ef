"""Small sessions that hold something of everything."""

from __future__ import annotations

from typing import Any, Final

from archives import JsonObject, Line, message, meta_event

SECRET_THOUGHT: Final = "thought-4711"
SECRET_INPUT: Final = "input-4711"
SECRET_OUTPUT: Final = "output-4711"
SECRET_PICTURE: Final = "cGljdHVyZS00NzEx"
SECRET_SYSTEM: Final = "system-4711"
SECRET_META: Final = "meta-4711"
SECRET_SUBAGENT: Final = "subagent-4711"
SECRETS: Final = (
    SECRET_THOUGHT, SECRET_INPUT, SECRET_OUTPUT, SECRET_PICTURE, SECRET_SYSTEM, SECRET_META, SECRET_SUBAGENT,
)  # fmt: skip


def text(words: str) -> JsonObject:
    """A part of text."""
    return {"type": "text", "text": words}


def call(call_id: str = "c1", **given: Any) -> JsonObject:
    """A tool call."""
    return {"type": "tool_call", "call_id": call_id, "name": "Bash", "kind": "execute", "title": None, "input": given}


def result(*output: JsonObject, call_id: str = "c1", is_error: bool = False, **more: Any) -> JsonObject:
    """What came of one."""
    return {"type": "tool_result", "call_id": call_id, "output": list(output), "is_error": is_error, **more}


def picture() -> JsonObject:
    """A picture."""
    return {"type": "image", "mime_type": "image/png", "data": SECRET_PICTURE}


def everything() -> list[Line]:
    """One of each kind of part and of role, with a word in each that is told only with it."""
    return [
        message("m0", 0, "system", content_md=SECRET_SYSTEM),
        message("m1", 1, "user", content_parts=[text("Please look."), picture()]),
        message(
            "m2", 3.25, "assistant",
            content_parts=[{"type": "thinking", "text": SECRET_THOUGHT}, text("Looking."), call(command=SECRET_INPUT)],
            metadata={"model": "lumen", "raw": SECRET_OUTPUT, "deep": {"thought": SECRET_THOUGHT, "in": SECRET_INPUT}},
        ),
        message(
            "m3", 5, "tool",
            content_parts=[result(text(SECRET_OUTPUT), picture(), is_error=True, raw=SECRET_OUTPUT)],
        ),
        message("s0", 6, "assistant", content_md=SECRET_SUBAGENT, metadata={"sidechain": True, "agent_id": "a1"}),
        message("m4", 9, "assistant", content_parts=[{"type": "plan", "entries": [{"content": "Rest"}]}]),
        message("m5", 60, "user", content_md="Thanks."),
    ]  # fmt: skip


def meta() -> list[Line]:
    """A meta event."""
    return [meta_event("e0", 2, payload=SECRET_META)]
