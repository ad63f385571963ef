"""What `codex exec --json` prints, line by line: items that begin, change and end, without times and prompts."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from scrollcast.archive.formats import Item, Revised
from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.codex.hold import Entry, Hold
from scrollcast.archive.formats.codex.parts import Draft, call_draft, digest, end_failed, end_output, result_draft
from scrollcast.archive.formats.json_values import JsonObject, row_of, text_of
from scrollcast.archive.storage import Line
from scrollcast.model import BadRecord, Part, Record

__all__ = ["ExecStream", "is_exec_row"]

_MAX_OPEN_ITEMS: Final = 256

_TOOLS: Final = {
    "command_execution": "exec_command",
    "file_change": "apply_patch",
    "web_search": "web_search",
    "mcp_tool_call": "",
    "collab_tool_call": "",
}
_GIVEN: Final = {
    "command_execution": ("command", "cwd"),
    "file_change": ("changes",),
    "web_search": ("query", "action"),
    "collab_tool_call": ("prompt", "receiver_thread_ids", "sender_thread_id"),
}


def is_exec_row(row: JsonObject) -> bool:
    """Whether a line is of this stream, by what no other one has."""
    match row.get("type"):
        case "thread.started":
            return isinstance(row.get("thread_id"), str)
        case "item.started" | "item.updated" | "item.completed":
            item = row.get("item")
            return isinstance(item, dict) and isinstance(item.get("type"), str) and "id" in item
        case _:
            return False


@dataclass(slots=True)
class _OpenItem:
    """What was given of an item: its call, its last plan; and the text that it has so far, not given yet."""

    number: int
    call_id: str = ""
    plan: int | None = None
    unfinished: list[Draft] = field(default_factory=list)
    ended: bool = False

    def records(self) -> list[Record]:
        """The text of an item that never ended."""
        return [Record(f"row-{self.number}.open", None, draft.role, tuple(draft.parts)) for draft in self.unfinished]


class ExecStream:
    """Decodes the stream. A tool's call stands where its item begins, its result where it ends."""

    def __init__(self, *, meta: bool) -> None:
        self.thread_id = ""
        self._meta = meta
        self._hold = Hold()
        self._run = 0
        self._open: OrderedDict[str, _OpenItem] = OrderedDict()

    def feed(self, line: Line) -> list[Item | Revised]:
        """The records that are complete with this line."""
        row = row_of(line)
        if isinstance(row, BadRecord):
            self._hold.push(Entry(line.number, hidden=row))
        elif row is not None:
            self._take(line.number, row, len(line.data or b""))
        return [*self._hold.release(line.number, frozenset())]

    def pending(self) -> list[Item]:
        """What waits for its token counts, and texts that have not ended."""
        unfinished = [record for item in self._open.values() for record in item.records()]
        return [*self._hold.pending(frozenset()), *unfinished]

    def _take(self, number: int, row: JsonObject, size: int) -> None:
        kind, item = text_of(row.get("type")), row.get("item")
        entry = Entry(number, size=size)
        if self._meta:
            inner = text_of(item.get("type")) if isinstance(item, dict) else ""
            label = kind or "unknown"
            entry.hidden = Record(f"row-{number}", None, kind=f"{label}/{inner}" if inner else label, payload=row)
        self._hold.push(entry)
        match kind:
            case "item.started" | "item.updated" | "item.completed" if isinstance(item, dict):
                self._take_item(entry, item, ended=kind == "item.completed")
            case "turn.completed":
                self._add_usage(row.get("usage"))
            case "turn.failed" | "error":
                self._show(entry, [Draft("system", [text_part(_problem_text(row))], {"error": True})])
            case "thread.started":
                self._begin_run(text_of(row.get("thread_id")))

    def _begin_run(self, thread_id: str) -> None:
        """A second run in one file counts its items from 0 again."""
        self.thread_id = self.thread_id or thread_id
        self._run += 1
        self._open.clear()

    def _add_usage(self, usage: object) -> None:
        waiting = self._hold.waiting("usage")
        if waiting and isinstance(usage, dict):
            waiting[-1].drafts[-1].metadata["usage"] = usage
        self._hold.settle("usage")

    def _show(self, entry: Entry, drafts: list[Draft]) -> None:
        if not drafts:
            return
        self._hold.settle("usage")
        entry.drafts = drafts
        entry.wait = "usage" if drafts[-1].role == "assistant" else ""

    def _take_item(self, entry: Entry, item: JsonObject, *, ended: bool) -> None:
        item_id, kind = text_of(item.get("id")), text_of(item.get("type"))
        state = self._open.setdefault(item_id or f"row-{entry.number}", _OpenItem(entry.number))
        if state.ended:
            return
        state.ended = ended
        if kind in _TOOLS:
            self._show(entry, self._tool_drafts(entry, item, state))
        elif kind == "todo_list":
            self._show(entry, _plan_drafts(item, state))
        elif kind in ("agent_message", "reasoning", "error"):
            self._take_text(entry, item, state)
        if len(self._open) > _MAX_OPEN_ITEMS:
            self._open.popitem(last=False)

    def _take_text(self, entry: Entry, item: JsonObject, state: _OpenItem) -> None:
        """A text counts in its last state."""
        drafts = _text_drafts(item)
        state.unfinished = [] if state.ended else drafts
        if state.ended:
            self._show(entry, drafts)

    def _tool_drafts(self, entry: Entry, item: JsonObject, state: _OpenItem) -> list[Draft]:
        drafts = []
        kind = text_of(item.get("type"))
        if not state.call_id and (state.ended or kind != "web_search"):  # a search is known only when it ends
            item_id = text_of(item.get("id")) or f"row-{entry.number}"
            state.call_id = item_id if self._run < 2 else f"{self._run}:{item_id}"
            drafts.append(call_draft({"arguments": _given(kind, item)}, _tool_name(kind, item), state.call_id))
        if state.ended and kind != "web_search":
            drafts.append(result_draft(state.call_id, end_output(item), failed=end_failed(item)))
        return drafts


def _tool_name(kind: str, item: JsonObject) -> str:
    if kind == "mcp_tool_call":
        return f"mcp__{text_of(item.get('server'))}__{text_of(item.get('tool'))}"
    return _TOOLS[kind] or text_of(item.get("tool")) or kind


def _given(kind: str, item: JsonObject) -> JsonObject:
    if kind == "mcp_tool_call":
        arguments = item.get("arguments")
        return arguments if isinstance(arguments, dict) else {}
    return {name: item[name] for name in _GIVEN[kind] if item.get(name) is not None}


def _plan_drafts(item: JsonObject, state: _OpenItem) -> list[Draft]:
    """The plan, each time that it changes."""
    items = item.get("items")
    steps = [step for step in (items if isinstance(items, list) else []) if isinstance(step, dict)]
    entries = [
        {
            "content": text_of(step.get("text")),
            "status": "completed" if step.get("completed") is True else "pending",
            "priority": None,
        }
        for step in steps
    ]
    now = digest(repr(entries))
    if not entries or now == state.plan:
        return []
    state.plan = now
    return [Draft("assistant", [{"type": "plan", "entries": entries}])]


def _text_drafts(item: JsonObject) -> list[Draft]:
    kind = text_of(item.get("type"))
    text = text_of(item.get("message") if kind == "error" else item.get("text"))
    if not text.strip():
        return []
    part: Part = {"type": "thinking", "text": text} if kind == "reasoning" else text_part(text)
    return [Draft("system" if kind == "error" else "assistant", [part])]


def _problem_text(row: JsonObject) -> str:
    error = row.get("error")
    nested = text_of(error.get("message")) if isinstance(error, dict) else text_of(error)
    return nested or text_of(row.get("message")) or "The turn failed"
