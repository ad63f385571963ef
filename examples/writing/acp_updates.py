"""A client of the Agent Client Protocol whose sessions can be watched live: updates in, records out.

with ArchiveWriter.create("sessions", agent="my-editor", kind="AcpConnection") as session:
    recorder = Recorder(session)
    recorder.prompt(blocks)                    # what is sent with session/prompt
    recorder.update(params["update"])          # each session/update
    recorder.turn_ended()                      # when session/prompt is answered
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from scrollcast import ArchiveWriter
from scrollcast.parts import image, plan, resource, text, thinking, tool_call, tool_result

_CHUNKS = {
    "user_message_chunk": ("user", text),
    "agent_message_chunk": ("assistant", text),
    "agent_thought_chunk": ("assistant", thinking),
}


class Recorder:
    """Puts the pieces of an answer together; a record is written as soon as something else begins."""

    def __init__(self, session: ArchiveWriter) -> None:
        self._session = session
        self._kind = ""
        self._words: list[str] = []
        self._calls: dict[str, dict[str, Any]] = {}

    def prompt(self, blocks: Iterable[Mapping[str, Any]]) -> None:
        """What the person sent."""
        self.turn_ended()
        self._session.message("user", [_part(block) for block in blocks])

    def update(self, update: Mapping[str, Any]) -> None:
        """What the agent told of its turn."""
        kind = update["sessionUpdate"]
        if kind in _CHUNKS and update["content"].get("type") == "text":
            if kind != self._kind:
                self.turn_ended()
            self._kind = kind
            self._words.append(update["content"]["text"])
            return
        self.turn_ended()
        match kind:
            case "user_message_chunk" | "agent_message_chunk" | "agent_thought_chunk":
                self._session.message(_CHUNKS[kind][0], [_part(update["content"])])
            case "tool_call" | "tool_call_update":
                self._tool(update)
            case "plan":
                entries = ({"priority": None, **entry} for entry in update["entries"])
                self._session.message("assistant", [plan(entries)])
            case _:  # modes, commands, whatever a later version tells
                self._session.meta_event(kind, {name: update[name] for name in update if name != "sessionUpdate"})

    def turn_ended(self) -> None:
        """Nothing more belongs to what was said last."""
        if self._words:
            role, make = _CHUNKS[self._kind]
            self._session.message(role, [make("".join(self._words))])
        self._kind, self._words = "", []

    def _tool(self, update: Mapping[str, Any]) -> None:
        call_id = update["toolCallId"]
        is_new = call_id not in self._calls
        call = self._calls[call_id] = {**self._calls.get(call_id, {}), **update}
        if is_new:
            title, kind = call.get("title") or "", call.get("kind")
            name = kind or title or "tool"
            self._session.message(
                "assistant", [tool_call(call_id, name, call.get("rawInput"), kind=kind, title=title or None)]
            )
        if call.get("status") in ("completed", "failed"):
            output = [_part(each.get("content", each)) for each in call.get("content") or ()]
            self._session.message("tool", [tool_result(call_id, output, is_error=call["status"] == "failed")])
            del self._calls[call_id]


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    match block:
        case {"type": "text", "text": str(words)}:
            return text(words)
        case {"type": "image", "data": str(data), "mimeType": str(mime_type)}:
            return image(b64decode(data), mime_type)
        case {"type": "resource", "resource": held}:
            return resource(held["uri"], held.get("text"), held.get("mimeType"))
        case {"type": "resource_link", "uri": str(uri)}:
            return resource(uri, None, block.get("mimeType"))
        case _:
            return {"type": "unknown", "raw": dict(block)}  # a diff, a terminal: kept, and shown folded
