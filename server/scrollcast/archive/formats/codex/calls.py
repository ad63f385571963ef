"""The tool calls of a Codex rollout: which result is whose, and what events tell that items do not."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from scrollcast.archive.formats.codex.hold import MAX_TWIN_LINES, Entry, Side
from scrollcast.archive.formats.codex.parts import (
    Draft,
    call_draft,
    call_name,
    end_failed,
    end_output,
    name_of_end,
    output_parts,
    result_draft,
)
from scrollcast.archive.formats.json_values import JsonObject, text_of
from scrollcast.archive.formats.tool_kinds import tool_kind

__all__ = ["Calls"]

_MAX_CALLS: Final = 512

_NO_RESULT: Final = "web_search"
"""The tool whose calls have no result: what it found goes to the model alone."""


@dataclass(slots=True, eq=False)
class _Call:
    """A tool call. `call_id` is unique in the session, `own_id` is the file's.

    `told` is the entry of the event that told of its end, and of the call itself where `by_event`; it shows the result
    where `told_result`. `result` is the entry of the item that is the result.
    """

    call_id: str
    own_id: str
    name: str
    number: int
    answered: bool = False
    failed: bool = False
    by_event: bool = False
    told_result: bool = False
    told: Entry | None = None
    result: Entry | None = None

    @property
    def kind(self) -> str:
        """What the tool does."""
        return tool_kind(self.name)


class _Ledger:
    """The latest calls, so that a result finds its own."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, _Call] = OrderedDict()
        self._by_own_id: dict[str, list[_Call]] = {}
        self._unnamed = 0

    def open(self, own_id: object, name: str, number: int) -> _Call:
        """A new call: with its own id, with a new one where it has none, or where an earlier call has the same."""
        own = text_of(own_id)
        if not own:
            self._unnamed += 1
        call_id = own or f"call-{self._unnamed}"
        if call_id in self._calls:
            call_id = f"{call_id}#{number}"
        call = self._calls[call_id] = _Call(call_id, own, name, number)
        self._by_own_id.setdefault(own, []).append(call)
        if len(self._calls) > _MAX_CALLS:
            self._forget(self._calls.popitem(last=False)[1])
        return call

    def _forget(self, call: _Call) -> None:
        same = self._by_own_id[call.own_id]
        same.remove(call)
        if not same:
            del self._by_own_id[call.own_id]

    def named(self, own_id: object) -> _Call | None:
        """The nearest earlier call of this id, one without a result before others."""
        if not isinstance(own_id, str) or not own_id:
            return None
        same = self._by_own_id.get(own_id, ())
        return next((call for call in reversed(same) if not call.answered), same[-1] if same else None)

    def unnamed(self, name: str) -> _Call | None:
        """The earliest call without id and result, one of this name before others."""
        waiting = [call for call in self._by_own_id.get("", ()) if not call.answered]
        return next((call for call in waiting if call.name == name), waiting[0] if waiting else None)

    def like(self, name: str, number: int) -> _Call | None:
        """The nearest call of such a tool whose end no event has told of: events may have ids of their own."""
        for call in reversed(self._calls.values()):
            if number - call.number > MAX_TWIN_LINES:
                return None
            if call.told is None and call.kind == tool_kind(name):
                return call
        return None

    def invented(self, name: str) -> _Call | None:
        """The earliest call of this name that only an event told of so far and that is not given yet."""
        calls = (call for call in self._calls.values() if call.by_event and call.name == name)
        return next((call for call in calls if call.told is not None and not call.told.released), None)


class Calls:
    """What becomes of the rows that tell of calls, results and ends.

    `revised` is set by an end that makes a failure of a result that was given before, unless `known_failures` had it;
    `late_failures` collects those where these are not known.
    """

    def __init__(self, known_failures: frozenset[str] | None) -> None:
        self.revised = False
        self.late_failures: set[str] = set()
        self._known_failures = known_failures
        self._ledger = _Ledger()

    def call(self, entry: Entry, payload: JsonObject) -> Draft | None:
        """A call that an item tells of; `None` where an event's was given already."""
        name = call_name(payload)
        own_id = text_of(payload.get("call_id")) or text_of(payload.get("id"))
        call = self._ledger.named(own_id) or (self._ledger.invented(name) if name == _NO_RESULT else None)
        if call is not None and call.by_event and call.told is not None:
            call.by_event = False
            if call.told.released:
                return None
            call.told.drafts = call.told.drafts[1:]  # the event gave the call too
        else:
            call = self._ledger.open(own_id, name, entry.number)
        draft = call_draft(payload, name, call.call_id)
        if namespace := text_of(payload.get("namespace")):
            draft.metadata["namespace"] = namespace
        return draft

    def output(self, entry: Entry, payload: JsonObject) -> Draft | None:
        """A result that an item tells of; `None` where an event's was given already."""
        own_id = text_of(payload.get("call_id"))
        call = self._ledger.named(own_id) if own_id else self._ledger.unnamed(text_of(payload.get("name")))
        parts, failed = output_parts(payload)
        if call is None:
            return result_draft(own_id or None, parts, failed=failed)
        given = call.told_result and call.told is not None and call.told.released
        if not given:
            self._hide_told(call)
        call.answered, call.told_result, call.result = True, False, entry
        known = call.call_id in (self._known_failures or ())
        return None if given else result_draft(call.call_id, parts, failed=failed or call.failed or known)

    def _hide_told(self, call: _Call) -> None:
        """What an event told of the result gives way to the item."""
        if call.told is not None and not call.told.released:
            call.told.drafts = [draft for draft in call.told.drafts if draft.role != "tool"]
            call.told.wait = ""

    def end(self, entry: Entry, kind: str, payload: JsonObject, side: Side) -> list[Draft]:
        """What an event tells of a tool's end, to be shown if no item does; nothing where one did."""
        name = name_of_end(kind, payload)
        own_id = text_of(payload.get("call_id")) or text_of(payload.get("id"))
        call = self._ledger.named(own_id)
        if call is None and (side == "completed" or name == _NO_RESULT):
            call = self._ledger.like(name, entry.number)
        drafts = []
        if call is None:
            call = self._ledger.open(own_id, name, entry.number)
            call.by_event = True
            drafts.append(call_draft({"arguments": _arguments_of_end(payload)}, name, call.call_id))
        elif end_failed(payload):
            self._note_failure(call)
        if call.told is not None:
            return []
        call.told = entry
        if not call.answered and name != _NO_RESULT:
            call.told_result = True
            drafts.append(result_draft(call.call_id, end_output(payload), failed=end_failed(payload)))
        return drafts

    def _note_failure(self, call: _Call) -> None:
        call.failed = True
        result = call.result
        if result is None:
            return
        if not result.released:
            for draft in result.drafts:
                draft.parts = [{**part, "is_error": True} if "is_error" in part else part for part in draft.parts]
        elif self._known_failures is None:
            self.late_failures.add(call.call_id)
        elif call.call_id not in self._known_failures:
            self.revised = True


def _arguments_of_end(payload: JsonObject) -> JsonObject:
    """What a tool was given, as the event of its end has it."""
    match payload:
        case {"invocation": {"arguments": arguments}} | {"arguments": arguments}:
            return arguments if isinstance(arguments, dict) else {}
        case _:
            names = ("command", "cwd", "changes", "query", "action", "prompt")
            return {name: payload[name] for name in names if payload.get(name) is not None}
