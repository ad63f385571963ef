"""What `opencode run --format json` prints: an event a line, of the agent's side only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.json_values import JsonObject, mapping, row_of, text_of
from scrollcast.archive.formats.opencode.messages import RecordIds, error_draft, usage_of
from scrollcast.archive.formats.opencode.parts import Draft, file_part, thought_or_text, time_of, tool_drafts
from scrollcast.archive.storage import Line
from scrollcast.model import Record

__all__ = ["RunDecoder", "is_run_row"]

_TYPES: Final = frozenset(("step_start", "text", "reasoning", "tool_use", "step_finish", "error"))


def is_run_row(row: JsonObject) -> bool:
    """Whether a row is one of this stream."""
    kind = row.get("type")
    return isinstance(row.get("sessionID"), str) and isinstance(kind, str) and kind in _TYPES


class RunDecoder:
    """Holds the records of one row back until the next: where a step ends with that, its tokens are theirs."""

    def __init__(self, *, meta: bool) -> None:
        self._meta = meta
        self._held: list[Record] = []
        self._ids = RecordIds()

    def feed(self, line: Line) -> Iterable[Item]:
        """What was held back, and what needs not be."""
        row = row_of(line)
        if not isinstance(row, dict):
            return () if row is None else (row,)
        given: list[Item] = [*self._held]
        self._held = []
        return self._take(row, line.number, given)

    def pending(self) -> Iterable[Item]:
        """What is held back."""
        return tuple(self._held)

    def _take(self, row: JsonObject, number: int, given: list[Item]) -> list[Item]:
        kind, part = text_of(row.get("type")), mapping(row.get("part"))
        if kind == "step_finish":
            given = _count(given, usage_of(part))
        drafts = _drafts(kind, row, part, text_of(part.get("id")) or f"line-{number}")
        if drafts:
            self._held = [self._record(draft, row) for draft in drafts]
        elif self._meta:
            payload = part if part and is_run_row(row) else row
            event = Draft(f"line-{number}-event", kind=kind or "unknown", payload=payload)
            given.append(self._record(event, row))
        return given

    def _record(self, draft: Draft, row: JsonObject) -> Record:
        timestamp = draft.timestamp if draft.timestamp is not None else time_of(row, "timestamp")
        if draft.kind:  # its id is that of its line
            return Record(draft.id, timestamp, kind=draft.kind, payload=draft.payload)
        own_id, metadata = self._ids.claim(draft.id), draft.metadata or None
        return Record(own_id, timestamp, draft.role, draft.parts, metadata, markers=tuple(draft.markers))


def _drafts(kind: str, row: JsonObject, part: JsonObject, own_id: str) -> Sequence[Draft]:
    match kind:
        case "text" | "reasoning" if (words := thought_or_text({**part, "type": kind})) is not None:
            return (Draft(own_id, "assistant", [words], time_of(part.get("time"), "end", "start")),)
        case "tool_use" if part:
            return tool_drafts(part, own_id)
        case "file" if part:
            return (Draft(own_id, "assistant", [file_part(part)]),)
        case "error" if (problem := error_draft(own_id, row.get("error"))) is not None:
            return (problem,)
        case _:
            return ()


def _count(given: list[Item], counted: JsonObject) -> list[Item]:
    """Note a step's tokens on the last thing that the agent said or did in it."""
    for place in reversed(range(len(given))):
        record = given[place]
        if counted and isinstance(record, Record) and record.role == "assistant":
            given[place] = replace(record, metadata={**(record.metadata or {}), **counted})
            break
    return given
