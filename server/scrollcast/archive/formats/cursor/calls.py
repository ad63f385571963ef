"""The tool calls of a Cursor transcript, which have no ids, and the results, whose ids are those of no call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from scrollcast.archive.formats.call_parts import call_parts, image_part, read_content, source_image, text_part
from scrollcast.archive.formats.json_values import mapping, text_of
from scrollcast.model import MarkerKind, Part

__all__ = ["Calls", "call_markers", "image_of", "output_parts"]

_MAX_PENDING: Final = 256
_MAX_TODOS: Final = 100
"""A plan shows so many of its newest items; a transcript repeats all of them with each change of one."""

_PLAN_TOOLS: Final = frozenset(("TodoWrite", "todo_write"))
_PLAN_STATUSES: Final = frozenset(("pending", "in_progress", "completed", "cancelled"))
_SUBAGENT_TOOLS: Final = frozenset(("Task", "Subagent", "task"))


class Calls:
    """Numbers calls, and gives each result the call that it most likely answers. Bounded."""

    def __init__(self) -> None:
        self._count = 0
        self._pending: dict[str, str] = {}
        self._todos: dict[str, dict[str, str | None]] = {}

    def copy(self) -> Calls:
        """Calls that go on from here without changing these."""
        twin = Calls()
        twin._count, twin._pending = self._count, dict(self._pending)
        twin._todos = dict(self._todos)
        return twin

    def forget(self) -> None:
        """Forget calls that were never answered: a person spoke since."""
        self._pending.clear()

    def open(self, call_id: object, name: str, given: object) -> list[Part]:
        """A call as parts: with its own id if it has one, else with its number in the transcript."""
        self._count += 1
        parts = call_parts(call_id, name, given, fallback_id=f"call-{self._count}")[:1]
        self._pending[parts[0]["call_id"]] = name
        if len(self._pending) > _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        if name in _PLAN_TOOLS and (plan := self._plan(parts[0]["input"])) is not None:
            parts.append(plan)
        return parts

    def close(self, call_id: object, name: str = "") -> str | None:
        """The call that a result answers: that of its id, else the earliest of its name, else the earliest one open.

        A result that comes when no call is open keeps the id that it has.
        """
        if not isinstance(call_id, str) or call_id not in self._pending:
            named = next((known for known, called in self._pending.items() if called == name), None)
            known = named or next(iter(self._pending), None)
            if known is None:
                return call_id if isinstance(call_id, str) and call_id else None
            call_id = known
        del self._pending[call_id]
        return call_id

    def _plan(self, given: object) -> Part | None:
        """The whole plan after a call, of which one with `merge` holds the changed items only."""
        fields = mapping(given)
        if not isinstance(todos := fields.get("todos"), list):
            return None
        plan = dict(self._todos) if fields.get("merge") is True else {}
        for number, todo in enumerate(todos[:_MAX_TODOS], 1):
            if isinstance(todo, dict):
                key = todo["id"] if isinstance(todo.get("id"), str) else f"#{number}"
                plan[key] = _entry(todo, plan.get(key, {}))
        self._todos = dict(islice(plan.items(), max(0, len(plan) - _MAX_TODOS), None))
        return {"type": "plan", "entries": [dict(entry) for entry in self._todos.values()]}


def _entry(todo: dict[str, Any], known: Mapping[str, str | None]) -> dict[str, str | None]:
    content, status = todo.get("content"), todo.get("status")
    return {
        "content": content if isinstance(content, str) else known.get("content") or "",
        "status": status if isinstance(status, str) and status in _PLAN_STATUSES else known.get("status") or "pending",
        "priority": None,
    }


def call_markers(parts: Iterable[Part]) -> tuple[tuple[MarkerKind, str], ...]:
    """A marker for each subagent that is started."""
    return tuple(
        (MarkerKind.SUBAGENT, _subagent_label(part))
        for part in parts
        if part["type"] == "tool_call" and part["name"] in _SUBAGENT_TOOLS
    )


def _subagent_label(part: Part) -> str:
    return text_of(mapping(part["input"]).get("description")) or str(part["title"])


def output_parts(content: object) -> list[Part]:
    """What a tool gave back: text, a list of blocks, an object, nothing."""
    is_block = isinstance(content, dict) and content.get("type") in ("text", "image")
    return read_content([content] if is_block else content, _output_part)


def _output_part(block: Any) -> list[Part]:
    match block:
        case str() | {"type": "text", "text": str()}:
            text = block if isinstance(block, str) else block["text"]
            return [text_part(text)] if text else []
        case _:
            return [image_of(block) or {"type": "unknown", "raw": block}]


def image_of(block: Any) -> Part | None:
    """The image in a block, in either of the shapes that the model vendors use."""
    match block:
        case {"type": "image", "source": source}:
            return source_image(source)
        case {"type": "image_url", "image_url": {"url": str(uri)}}:
            return image_part(uri)
        case _:
            return None
