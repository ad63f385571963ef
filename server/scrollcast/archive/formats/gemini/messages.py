"""One message of Gemini CLI as records: each thought, answer and result of a tool at its own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.gemini.parts import (
    CONTEXT_TAG,
    SNAPSHOT_TAG,
    Prompt,
    call_markers,
    content_of,
    display_of,
    is_response,
    kind_of,
    parts_of_call,
    read_prompt,
    response_output,
    result_of_call,
    result_part,
    shown_parts,
    thought_text,
    time_of,
    without_repeated_thoughts,
)
from scrollcast.archive.formats.json_values import JsonObject, listed, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.archive.timestamps import parse_instant
from scrollcast.model import MarkerKind, Part, Record

__all__ = ["Labels", "Talk"]

_MAX_REMEMBERED_CALLS: Final = 256

_NOTICES: Final = frozenset(("info", "error", "warning"))


@dataclass(frozen=True, slots=True)
class Labels:
    """What the log as a whole says of one message.

    `compaction` is set for one that came with a shortened history, `first_of_compaction` for the first of those.
    """

    abandoned: bool = False
    inherited: bool = False
    compaction: bool = False
    first_of_compaction: bool = False

    def metadata(self) -> JsonObject:
        """As the metadata of a record."""
        names = ("abandoned", "inherited", "compaction")
        return {name: True for name in names if getattr(self, name)}


# ------------------------------------------------------------------------------------------------------------- talk

# What a message names that is shown or said elsewhere; whatever else stands in it is kept as `metadata.extra`.
_FIELDS: Final = frozenset(
    ("id", "type", "role", "timestamp", "ts", "content", "parts", "displayContent", "thoughts", "toolCalls", "tokens",
     "model")
)  # fmt: skip


class Talk:
    """Turns messages into records, one after the other. Remembers a bounded number of calls without a result."""

    def __init__(self, *, meta: bool) -> None:
        self._meta = meta
        self._open: dict[str, str] = {}

    def copy(self) -> Talk:
        """One that goes on from here without changing this one."""
        twin = Talk(meta=self._meta)
        twin._open = dict(self._open)
        return twin

    def records(self, record_id: str, row: JsonObject, labels: Labels) -> list[Record]:
        """The records of one message; the last of its answers to a tool comes last."""
        kind = kind_of(row)
        if kind == "user":
            return self._user(record_id, row, labels)
        if kind == "gemini":
            return self._agent(record_id, row, labels)
        if kind in _NOTICES:
            return self._notice(record_id, row, kind, labels)
        return self._hidden(record_id, row, kind or "unknown")

    def _hidden(self, record_id: str, row: JsonObject, kind: str) -> list[Record]:
        return [Record(record_id, time_of(row), kind=kind, payload=row)] if self._meta else []

    def _metadata(self, row: JsonObject, labels: Labels, **more: Any) -> JsonObject:
        extra = {name: value for name, value in row.items() if name not in _FIELDS}
        return {**({"extra": extra} if extra else {}), **labels.metadata(), **more}

    # -- people and notices

    def _user(self, record_id: str, row: JsonObject, labels: Labels) -> list[Record]:
        responses = [raw["functionResponse"] for raw in content_of(row) if is_response(raw)]
        prompt = read_prompt(row)
        if not prompt.parts and not prompt.injected:
            return self._responses(record_id, row, responses, labels)
        records = self._responses(f"{record_id}/result", row, responses, labels) if responses else []
        return [*records, self._prompt(record_id, row, prompt, labels)]

    def _prompt(self, record_id: str, row: JsonObject, prompt: Prompt, labels: Labels) -> Record:
        markers: tuple[tuple[MarkerKind, str], ...] = ()
        role, metadata = "user", self._metadata(row, labels)
        if not prompt.parts:
            role, parts = "system", [text_part(text) for text in prompt.injected]
            metadata["source"] = found[1] if (found := CONTEXT_TAG.match(prompt.injected[0])) else "context"
        else:
            parts = prompt.parts
            metadata |= {"injected": prompt.injected} if prompt.injected else {}
        if parts[0].get("text", "").lstrip().startswith(SNAPSHOT_TAG):
            role, metadata["compaction"] = "system", True
            labels = Labels(first_of_compaction=True)
        if labels.first_of_compaction:
            markers = ((MarkerKind.COMPACTION, "History compressed"),)
        return Record(record_id, time_of(row), role, parts, metadata or None, markers=markers)

    def _responses(
        self, record_id: str, row: JsonObject, responses: Sequence[JsonObject], labels: Labels
    ) -> list[Record]:
        """Results that no call has yet; those that only repeat one are hidden."""
        parts = [part for response in responses if (part := self._late_result(response)) is not None]
        if not parts:
            return self._hidden(record_id, row, "function_response" if responses else "user/empty")
        return [Record(record_id, time_of(row), "tool", parts, self._metadata(row, labels) or None)]

    def _late_result(self, response: JsonObject) -> Part | None:
        call_id, name = response.get("id"), text_of(response.get("name"))
        if not isinstance(call_id, str) or not call_id:
            call_id = next((known for known, called in self._open.items() if called == name), None)
        if call_id is None or self._open.pop(call_id, None) is None:
            return None
        return result_part(call_id, *response_output(response), tool_kind(name))

    def _notice(self, record_id: str, row: JsonObject, level: str, labels: Labels) -> list[Record]:
        parts = [part for raw in content_of(row) for part in shown_parts(raw)]
        if not parts:
            return self._hidden(record_id, row, f"{level}/empty")
        metadata = self._metadata(row, labels, level=level)
        return [Record(record_id, time_of(row), "system", parts, metadata)]

    # -- the agent

    def _agent(self, record_id: str, row: JsonObject, labels: Labels) -> list[Record]:
        calls = listed(row.get("toolCalls"))
        thoughts = [thought for thought in listed(row.get("thoughts")) if thought_text(thought)]
        parts = self._agent_parts(record_id, row, calls, thoughts)
        metadata = self._metadata(row, labels) | _model_of(row)
        # Thoughts have times of their own: they come when they were thought, if anything is said after them.
        apart = bool(parts) and all(_has_time(thought) for thought in thoughts)
        if not apart:
            parts = [*({"type": "thinking", "text": thought_text(thought)} for thought in thoughts), *parts]
        if not parts:
            return self._hidden(record_id, row, "gemini/empty")
        records = _thought_records(record_id, thoughts, metadata) if apart else []
        usage = {"usage": row["tokens"]} if isinstance(row.get("tokens"), dict) else {}
        markers = call_markers(parts)
        if labels.first_of_compaction:
            markers = ((MarkerKind.COMPACTION, "History compressed"), *markers)
        records.append(
            Record(record_id, time_of(row), "assistant", parts, {**metadata, **usage} or None, markers=markers)
        )
        return records + self._results(record_id, calls, labels)

    def _agent_parts(self, record_id: str, row: JsonObject, calls: list[Any], thoughts: Sequence[Any]) -> list[Part]:
        parts: list[Part] = []
        for place, raw in enumerate(without_repeated_thoughts(content_of(row), thoughts), 1):
            if isinstance(raw, dict) and isinstance(raw.get("functionCall"), dict):
                if not calls:  # they repeat the calls beside them
                    parts += self._open_call(raw["functionCall"], f"{record_id}/call-{place}")
            else:
                parts += shown_parts(raw)
        for place, call in enumerate(calls, 1):
            if isinstance(call, dict):
                parts += self._open_call(call, f"{record_id}/call-{place}")
            else:
                parts.append({"type": "unknown", "raw": call})
        return parts

    def _open_call(self, call: JsonObject, otherwise: str) -> list[Part]:
        parts = parts_of_call(call, text_of(call.get("id")) or otherwise)
        self._open[parts[0]["call_id"]] = parts[0]["name"]
        if len(self._open) > _MAX_REMEMBERED_CALLS:
            del self._open[next(iter(self._open))]
        return parts

    def _results(self, record_id: str, calls: list[Any], labels: Labels) -> list[Record]:
        records: list[Record] = []
        for place, call in enumerate(calls, 1):
            if not isinstance(call, dict):
                continue
            call_id = text_of(call.get("id")) or f"{record_id}/call-{place}"
            part = result_of_call(call, call_id)
            if part is None:
                continue
            self._open.pop(call_id, None)
            metadata = labels.metadata() | ({"result_display": display} if (display := display_of(call)) else {})
            result_id = f"{record_id}/result-{place}"
            records.append(Record(result_id, call.get("timestamp"), "tool", [part], metadata or None))
        return records


def _model_of(row: JsonObject) -> JsonObject:
    model = text_of(row.get("model"))
    return {"model": model} if model else {}


def _has_time(thought: Any) -> bool:
    return isinstance(thought, dict) and parse_instant(thought.get("timestamp")) is not None


def _thought_records(record_id: str, thoughts: Sequence[Any], metadata: JsonObject) -> list[Record]:
    shared = {name: value for name, value in metadata.items() if name != "extra"} or None
    return [
        Record(
            f"{record_id}/thought-{place}",
            thought.get("timestamp"),
            "assistant",
            [{"type": "thinking", "text": thought_text(thought)}],
            shared,
        )
        for place, thought in enumerate(thoughts, 1)
    ]
