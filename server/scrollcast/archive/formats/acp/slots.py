"""Places in the order of an ACP session: messages, meta events and tool calls that may still change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from scrollcast.archive.formats.acp.calls import Call
from scrollcast.archive.formats.acp.rows import block_part
from scrollcast.archive.formats.json_values import JsonObject
from scrollcast.model import Part, Record

__all__ = ["CallSlot", "Message", "Slot"]


@dataclass(slots=True)
class Message:
    """A message that is being put together, or a meta event, which is complete at once."""

    id: str
    time: object
    role: str = ""
    parts: list[Part] = field(default_factory=list)
    metadata: JsonObject = field(default_factory=dict)
    kind: str = ""
    payload: Any = None
    message_id: str = ""
    done: bool = True
    repeats: bool = False
    mark: tuple[int, int] = (0, 0)
    texts: list[str] = field(default_factory=list)

    def add(self, block: object) -> None:
        """One more chunk. Texts are joined without anything between them."""
        part = block_part(block)
        if part["type"] == "text":
            self.texts.append(part["text"])
            return
        self.parts += self._text()
        self.texts.clear()
        self.parts.append(part)

    def _text(self) -> list[Part]:
        """The texts since the last other chunk as a part, none where there are none."""
        kind = "thinking" if self.role == "thinking" else "text"
        return [{"type": kind, "text": "".join(self.texts)}] if self.texts else []

    def content(self) -> list[Part]:
        """What it says so far."""
        return [*self.parts, *self._text()]

    def record(self) -> Record:
        """As it is now."""
        if self.kind:
            return Record(self.id, self.time, kind=self.kind, payload=self.payload)
        if self.repeats:
            payload = {"role": self.role, "content": self.content()}
            return Record(f"meta-{self.id}", self.time, kind="repeated_message", payload=payload)
        role = "assistant" if self.role == "thinking" else self.role
        return Record(self.id, self.time, role, self.content(), self.metadata or None)


@dataclass(slots=True)
class CallSlot:
    """The place of a tool call, which is given when it is over."""

    id: str
    time: object
    call: Call
    metadata: JsonObject
    done: bool = False
    mark: tuple[int, int] = (0, 0)

    def record(self) -> Record:
        """As it is now."""
        metadata = {**self.metadata, **self.call.call_metadata()}
        return Record(self.id, self.time, "assistant", [self.call.call_part()], metadata or None)


Slot: TypeAlias = Message | CallSlot
