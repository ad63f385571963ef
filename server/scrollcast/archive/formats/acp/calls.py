"""Tool calls of ACP: the announcement and its updates folded into one call and one result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from scrollcast.archive.formats.acp.rows import Row, block_part
from scrollcast.archive.formats.call_parts import json_text, text_part
from scrollcast.archive.formats.json_values import JsonObject, json_size, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.model import Part

__all__ = ["Call", "Terminals"]

MAX_EXTRA_BYTES: Final = 16 << 10
"""What else an update says of its call is kept up to this size: it may repeat the whole result."""

_MAX_TERMINALS: Final = 64
_MAX_TERMINAL_CHARACTERS: Final = 1 << 20

_KINDS: Final = frozenset(
    ("read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other")
)
_FIELDS: Final = frozenset(
    ("sessionUpdate", "toolCallId", "title", "kind", "status", "content", "locations", "rawInput", "rawOutput")
)


class Terminals:
    """What each terminal of a session has printed: a tool call only names the terminal."""

    def __init__(self) -> None:
        self._outputs: dict[str, str] = {}

    def note(self, request: Row, response: Row) -> None:
        """Take what a `terminal/output` gave back: the whole output so far."""
        terminal_id, output = request.params.get("terminalId"), response.result.get("output")
        if request.method != "terminal/output" or not isinstance(terminal_id, str) or not isinstance(output, str):
            return
        self._outputs.pop(terminal_id, None)
        self._outputs[terminal_id] = output[-_MAX_TERMINAL_CHARACTERS:]
        if len(self._outputs) > _MAX_TERMINALS:
            del self._outputs[next(iter(self._outputs))]

    def output(self, terminal_id: object) -> str | None:
        """What a terminal has printed, `None` where the log does not say."""
        return self._outputs.get(terminal_id) if isinstance(terminal_id, str) else None


@dataclass(slots=True)
class Call:
    """One tool call as its updates have made it so far."""

    call_id: str
    title: str = ""
    kind: str = ""
    tool: str = ""
    status: str = ""
    input: Any = None
    output: Any = None
    content: list[Any] = field(default_factory=list)
    locations: list[Any] = field(default_factory=list)
    permission: JsonObject | None = None
    extra: JsonObject = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        """Whether it has completed or failed."""
        return self.status in ("completed", "failed")

    def update(self, fields: Mapping[str, Any]) -> None:
        """Take the fields that an update has; lists replace what was there, and what is left out stays."""
        self.title = text_of(fields.get("title")) or self.title
        self.kind = text_of(fields.get("kind")) or self.kind
        self.status = text_of(fields.get("status")) or self.status
        self.tool = _tool_name(fields.get("_meta")) or self.tool
        self.input = self.input if fields.get("rawInput") is None else fields["rawInput"]
        self.output = self.output if fields.get("rawOutput") is None else fields["rawOutput"]
        self.content = _list(fields.get("content"), self.content)
        self.locations = _list(fields.get("locations"), self.locations)
        self.extra.update(_extra(fields))

    def forget_output(self) -> None:
        """Let go of what was shown so far: the end of the call shows it again."""
        self.content, self.output = [], None

    def call_part(self) -> Part:
        """The call. ACP names no tools, so its name is the kind, unless the agent says the tool's own."""
        kind = self.kind if self.kind in _KINDS else tool_kind(self.tool or self.title)
        name = self.tool or (kind if kind != "other" else "") or self.title or "tool"
        given = self._diffs() if self.input in (None, {}, "") else self.input
        title = self.title or name
        return {
            "type": "tool_call",
            "call_id": self.call_id,
            "name": name,
            "kind": kind,
            "title": title,
            "input": given,
        }

    def _diffs(self) -> JsonObject:
        """An input made of the edits that the call shows, where the agent keeps its own to itself."""
        diffs = [block for block in self.content if isinstance(block, dict) and block.get("type") == "diff"]
        edits = [{name: diff.get(name) for name in ("path", "oldText", "newText")} for diff in diffs]
        if len(edits) == 1:
            return edits[0]
        return {"path": edits[0]["path"], "edits": edits} if edits else {}

    def call_metadata(self) -> JsonObject:
        """What is known of the call beside its part."""
        facts: JsonObject = {"locations": self.locations, "permission": self.permission, "acp": dict(self.extra)}
        return {name: value for name, value in facts.items() if value}

    def result_part(self, terminals: Terminals) -> Part:
        """The result: the final content, else the raw output."""
        output = [_content_part(item, terminals.output) for item in self.content]
        if not output and self.output not in (None, "", {}, []):
            output = [text_part(self.output if isinstance(self.output, str) else json_text(self.output))]
        failed = self.status == "failed"
        return {"type": "tool_result", "call_id": self.call_id, "output": output, "is_error": failed}

    def result_metadata(self) -> JsonObject:
        """The raw output, where the content stands in its place."""
        if not self.content or self.output is None or json_size(self.output) > MAX_EXTRA_BYTES:
            return {}
        return {"raw_output": self.output}


def _list(value: object, before: list[Any]) -> list[Any]:
    return value if isinstance(value, list) else before


def _tool_name(meta: object) -> str:
    """The tool's own name, which some agents put under a name of theirs into `_meta`."""
    for value in meta.values() if isinstance(meta, dict) else ():
        if isinstance(value, dict) and isinstance(name := value.get("toolName"), str):
            return name
    return ""


def _extra(fields: Mapping[str, Any]) -> JsonObject:
    return {
        name: value for name, value in fields.items() if name not in _FIELDS and json_size(value) <= MAX_EXTRA_BYTES
    }


def _content_part(item: Any, output_of: Callable[[object], str | None]) -> Part:
    match item:
        case {"type": "content", "content": dict(block)}:
            return block_part(block)
        case {"type": "terminal"} if (output := output_of(item.get("terminalId"))) is not None:
            return text_part(output)
        case _:
            return {"type": "unknown", "raw": item}
