"""A Codex rollout line by line: everything is written twice or more in it, and is shown once.

The rule (`docs/formats.md`, Codex): a person's turns come from events, what the agent said and did from response
items, and whatever has no twin from where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scrollcast.archive.formats import Item, Revised
from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.codex.calls import Calls
from scrollcast.archive.formats.codex.hold import Entry, Hold, Side, Twins
from scrollcast.archive.formats.codex.parts import (
    CALL_TYPES,
    OUTPUT_TYPES,
    Draft,
    Wording,
    digest,
    name_of_end,
    read_human,
    read_message,
    read_thoughts,
    said,
    spoken_digests,
)
from scrollcast.archive.formats.codex.rows import Header, read_header, turn_begun, unwrap
from scrollcast.archive.formats.json_values import JsonObject, row_of, text_of
from scrollcast.archive.storage import Line
from scrollcast.model import BadRecord, MarkerKind, Record

__all__ = ["Known", "Rollout"]

_MAX_THOUGHTS: Final = 256

_CWD: Final = re.compile(r"<cwd>([^<\n]+)</cwd>|Current working directory: ([^\n]+)")
"""Where files of before September 2025 name the folder, in the two wordings of their time."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the file as it is now says of its own earlier lines."""

    undone: frozenset[int] = frozenset()
    failed: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Facts:
    """What is known of the session beside its messages."""

    header: Header | None = None
    started: object = None
    title: str = ""
    model: str = ""
    cwd: str = ""


# Kept out of meta events: what nobody can read, and history that stands above already.
_OMITTED: Final = ("encrypted_content", "replacement_history")


def _meta_event(number: int, row: JsonObject, kind: str, payload: JsonObject) -> Record:
    inner = text_of(payload.get("type")) if payload is not row else ""
    omitted = [name for name in _OMITTED if payload.get(name)]
    if omitted:
        payload = {name: value for name, value in payload.items() if name not in omitted} | {"omitted": omitted}
        row = {**row, "payload": payload} if "payload" in row else payload
    return Record(f"row-{number}", row.get("timestamp"), kind=f"{kind}/{inner}" if inner else kind, payload=row)


# ------------------------------------------------------------------------------------------------------- rollout


class Rollout:
    """Decodes a rollout of any generation.

    `parent_turns` are the ids of the turns of the thread that this one was forked from, where its file is at hand.
    With `known`, a line that changes what was given before it gives `Revised`, unless `known` had it.
    """

    def __init__(self, *, meta: bool, parent_turns: frozenset[str] = frozenset(), known: Known | None = None) -> None:
        self.facts = _Facts()
        self.undone: set[int] = set(known.undone if known else ())
        self._meta = meta
        self._known = known
        self._parent_turns = parent_turns
        self._inheriting = False
        self._hold = Hold()
        self._twins = Twins()
        self._calls = Calls(None if known is None else known.failed)
        self._segment = 0
        self._turns: list[int] = []
        self._told_turns = self._aborted = self._reasoned = self._revised = False
        self._first_prompt: int | None = None
        self._thoughts: dict[int, Entry] = {}
        self._total: object = None
        self._unclaimed: JsonObject | None = None

    @property
    def late_failures(self) -> frozenset[str]:
        """The calls whose failure was told only after their result was given."""
        return frozenset(self._calls.late_failures)

    def feed(self, line: Line) -> list[Item | Revised]:
        """The records that are complete with this line."""
        row = row_of(line)
        if isinstance(row, BadRecord):
            self._hold.push(Entry(line.number, hidden=row))
        elif row is not None:
            self._take(line.number, row, len(line.data or b""))
        items: list[Item | Revised] = [*self._hold.release(line.number, self.undone)]
        if self._revised or self._calls.revised:
            self._revised = self._calls.revised = False
            items.append(Revised())
        return items

    def pending(self) -> list[Item]:
        """What waits for its twin, as it is now."""
        return self._hold.pending(self.undone)

    def _take(self, number: int, row: JsonObject, size: int) -> None:
        kind, payload = unwrap(row)
        self.facts.started = self.facts.started or row.get("timestamp")
        entry = Entry(number, row.get("timestamp"), size)
        if self._meta:
            entry.hidden = _meta_event(number, row, kind, payload)
        self._hold.push(entry)
        self._trace_heritage(kind, row, payload)
        entry.inherited = self._inheriting
        match kind:
            case "response_item":
                self._take_item(entry, payload)
            case "event_msg":
                self._take_event(entry, payload)
            case "compacted":
                self._compact(entry, "item", text_of(payload.get("message")))
            case "session_meta" if self.facts.header is None:
                self.facts.header = read_header(payload)
            case "turn_context":
                self._note_model(payload.get("model"))
                self.facts.cwd = self.facts.cwd or text_of(payload.get("cwd"))
        entry.segment = self._segment

    def _note_model(self, model: object) -> None:
        self.facts.model = text_of(model) or self.facts.model

    # -- history copied from a parent

    def _trace_heritage(self, kind: str, row: JsonObject, payload: JsonObject) -> None:
        """Where the copy begins: at the parent's own header. Where it ends: at the first turn that the parent lacks."""
        header = self.facts.header
        if header is None:
            return
        ordinal = row.get("ordinal")
        if header.start_ordinal is not None:
            if isinstance(ordinal, int):
                self._inheriting = ordinal < header.start_ordinal
        elif kind == "session_meta":
            copied = text_of(payload.get("id")) != header.thread_id
            self._inheriting = self._inheriting or (copied and bool(self._parent_turns))
        elif self._inheriting and (turn_id := turn_begun(kind, payload)):
            self._inheriting = turn_id in self._parent_turns

    # -- response items

    def _take_item(self, entry: Entry, payload: JsonObject) -> None:
        kind = text_of(payload.get("type"))
        self._note_model(payload.get("model"))
        if kind in CALL_TYPES:
            self._call(entry, payload)
        elif kind in OUTPUT_TYPES:
            self._show(entry, self._calls.output(entry, payload))
        elif kind == "reasoning":
            self._think(entry, payload)
        elif kind == "agent_message":
            self._hear_agent(entry, payload)
        elif kind in ("", "message"):
            self._message(entry, payload)

    def _message(self, entry: Entry, payload: JsonObject) -> None:
        match payload.get("role"):
            case "user":
                self._human(entry, "item", read_human(payload.get("content")))
            case "assistant":
                self._answer(entry, payload)
            case "system" | "tool" if parts := read_message(payload.get("content")):
                self._show(entry, Draft("system", parts))

    def _answer(self, entry: Entry, payload: JsonObject) -> None:
        parts = read_message(payload.get("content"))
        if not parts or not self._is_first("agent", "item", said(parts), entry):
            return
        self._speak(entry, Draft("assistant", parts, _phase(payload)))

    def _hear_agent(self, entry: Entry, payload: JsonObject) -> None:
        """What another agent wrote to this one. It may be encrypted."""
        if parts := read_message(payload.get("content")):
            names = {name: payload[name] for name in ("author", "recipient") if isinstance(payload.get(name), str)}
            self._show(entry, Draft("system", parts, names))

    def _think(self, entry: Entry, payload: JsonObject) -> None:
        parts = [part for part in read_thoughts(payload) if not self._was_thought(part["text"])]
        if not parts:
            return
        self._reasoned = True
        self._forget_thoughts()
        self._speak(entry, Draft("assistant", parts))

    def _forget_thoughts(self) -> None:
        """Hide the events that told of what an item says now."""
        for event in self._hold.waiting("reasoning"):
            event.drafts, event.wait = [], ""
        self._thoughts = {text: event for text, event in self._thoughts.items() if event.released}

    def _was_thought(self, text: str) -> bool:
        event = self._thoughts.get(digest(text))
        return event is not None and event.released

    # -- turns

    def _human(self, entry: Entry, side: Side, wording: Wording) -> None:
        for text in wording.injected:
            self._note_injected(text)
        if not wording.parts or (side == "item" and self._is_no_turn(wording)):
            return
        self._told_turns = self._told_turns or side != "item"
        shown = self._twins.join("user", side, frozenset((wording.digest,)), entry)
        if shown is None:
            self._begin_turn(wording)
            entry.drafts, entry.wait = [wording.draft()], "user"
            return
        if side == "item" and not shown.released:  # it holds the pictures themselves, the event their paths
            before = shown.drafts[0].metadata.get("injected", []) if shown.drafts else []
            wording.injected += [text for text in before if text not in wording.injected]
            shown.drafts = [wording.draft()]
        shown.wait = ""

    def _note_injected(self, text: str) -> None:
        self._aborted = self._aborted or text.startswith("<turn_aborted>")
        if not self.facts.cwd and text.startswith("<environment_context>") and (found := _CWD.search(text[:4096])):
            self.facts.cwd = (found[1] or found[2]).strip()

    def _is_no_turn(self, wording: Wording) -> bool:
        """Whether nobody typed it: a tag unknown so far where turns have events, or the first prompt sent again."""
        if self._told_turns and wording.is_wrapped:
            return True
        return self._aborted and wording.digest == self._first_prompt

    def _begin_turn(self, wording: Wording) -> None:
        self._hold.settle("user")
        self._end_step()
        self._aborted = False
        if self._first_prompt is None:
            self._first_prompt = wording.digest
        self._segment += 1
        self._turns.append(self._segment)

    def _end_step(self) -> None:
        self._hold.settle("agent", "reasoning", "tool", "compaction", "usage")
        self._reasoned = False
        self._thoughts.clear()

    def _roll_back(self, entry: Entry, payload: JsonObject) -> None:
        """The last turns are undone: labelled, never taken away."""
        turns = payload.get("num_turns")
        if not isinstance(turns, int) or isinstance(turns, bool) or turns < 1:
            return
        self._hold.settle("user")
        self._end_step()
        gone = self._turns[-turns:]
        del self._turns[-turns:]
        self._revised = self._known is not None and not self._known.undone.issuperset(gone)
        self.undone.update(gone)
        self._segment += 1
        self._show(entry, Draft("system", [text_part(f"Went back {turns} turn{'' if turns == 1 else 's'}")]))

    # -- what the agent says

    def _is_first(self, kind: Any, side: Side, text: str, entry: Entry) -> bool:
        return not text.strip() or self._twins.join(kind, side, spoken_digests(text), entry) is None

    def _show(self, entry: Entry, draft: Draft | None) -> None:
        entry.drafts = [] if draft is None else [draft]

    def _speak(self, entry: Entry, draft: Draft) -> None:
        """Show something of the agent's own. The last such thing before a count of tokens carries it."""
        self._hold.settle("user", "usage")
        self._add_model(draft)
        if self._unclaimed is not None:
            draft.metadata["usage"], self._unclaimed = self._unclaimed, None
        else:
            entry.wait = "usage"
        self._show(entry, draft)

    def _add_model(self, draft: Draft) -> None:
        if self.facts.model:
            draft.metadata["model"] = self.facts.model

    def _say_by_event(self, entry: Entry, side: Side, text: str, payload: JsonObject) -> None:
        if text.strip() and self._is_first("agent", side, text, entry):
            self._wait_for_twin(entry, "agent", Draft("assistant", [text_part(text)], _phase(payload)))

    def _think_by_event(self, entry: Entry, payload: JsonObject) -> None:
        parts = [part for part in read_thoughts(payload) if digest(part["text"]) not in self._thoughts]
        if self._reasoned or not parts:
            return
        for part in parts[: _MAX_THOUGHTS - len(self._thoughts)]:
            self._thoughts[digest(part["text"])] = entry
        self._wait_for_twin(entry, "reasoning", Draft("assistant", parts))

    def _wait_for_twin(self, entry: Entry, wait: Any, draft: Draft) -> None:
        self._hold.settle("user")
        self._add_model(draft)
        entry.drafts, entry.wait = [draft], wait

    def _compact(self, entry: Entry, side: Side, text: str = "") -> None:
        if self._twins.join("compaction", side, frozenset((0,)), entry) is not None:
            return
        text = text if text.strip() else "Context compacted"
        label = text.strip().partition("\n")[0][:160]
        markers = ((MarkerKind.COMPACTION, label),)
        entry.drafts = [Draft("system", [text_part(text)], {"compaction": True}, markers)]
        entry.wait = "" if side == "item" else "compaction"

    # -- calls and their ends

    def _call(self, entry: Entry, payload: JsonObject) -> None:
        if draft := self._calls.call(entry, payload):
            self._speak(entry, draft)

    def _end(self, entry: Entry, kind: str, payload: JsonObject, side: Side) -> None:
        """An event that tells of a tool's end: it is shown only if no item does."""
        entry.drafts = self._calls.end(entry, kind, payload, side)
        if entry.drafts:
            self._hold.settle("user")
            self._add_model(entry.drafts[0])
            entry.wait = "tool"

    # -- events

    def _take_event(self, entry: Entry, payload: JsonObject) -> None:
        kind = text_of(payload.get("type"))
        if kind == "item_completed" and isinstance(item := payload.get("item"), dict):
            self._take_completed(entry, item)
        elif name_of_end(kind, payload):
            self._end(entry, kind, payload, "event")
        elif handler := _EVENTS.get(kind):
            handler(self, entry, payload)

    def _take_completed(self, entry: Entry, item: JsonObject) -> None:
        match text_of(item.get("type")):
            case "UserMessage":
                self._human(entry, "completed", read_human(item.get("content")))
            case "AgentMessage":
                self._say_by_event(entry, "completed", said(read_message(item.get("content"))), item)
            case "Plan":
                self._say_by_event(entry, "plan", text_of(item.get("text")), item)
            case "Reasoning":
                self._think_by_event(entry, item)
            case "ContextCompaction":
                self._compact(entry, "completed")
            case kind if name_of_end(kind, item):
                self._end(entry, kind, item, "completed")

    def _on_user_message(self, entry: Entry, payload: JsonObject) -> None:
        images, local = payload.get("images"), payload.get("local_images")
        wording = read_human(payload.get("message"), _list(images), _list(local))
        self._human(entry, "event", wording)

    def _on_agent_message(self, entry: Entry, payload: JsonObject) -> None:
        self._say_by_event(entry, "event", text_of(payload.get("message")), payload)

    def _on_token_count(self, entry: Entry, payload: JsonObject) -> None:
        """The counts of one answer. They are repeated whenever a rate limit changes: then the total is the same."""
        info = payload.get("info")
        usage = info.get("last_token_usage") if isinstance(info, dict) else None
        total = info.get("total_token_usage") if isinstance(info, dict) else None
        if not isinstance(usage, dict) or (total is not None and total == self._total):
            return
        self._total = total
        waiting = self._hold.waiting("usage")
        if waiting and waiting[-1].drafts:
            waiting[-1].drafts[-1].metadata["usage"] = usage
            waiting[-1].wait = ""
        else:
            self._unclaimed = usage

    def _on_step(self, entry: Entry, payload: JsonObject) -> None:
        self._end_step()

    def _on_turn_end(self, entry: Entry, payload: JsonObject) -> None:
        self._hold.settle("user")
        self._end_step()
        if (problem := payload.get("error")) not in (None, ""):
            self._show(entry, Draft("system", [text_part(_problem_text(problem))]))

    def _on_aborted(self, entry: Entry, payload: JsonObject) -> None:
        self._hold.settle("user")
        self._end_step()
        self._aborted = True
        reason = text_of(payload.get("reason")).replace("_", " ")
        self._show(entry, Draft("system", [text_part(f"Turn aborted: {reason}" if reason else "Turn aborted")]))

    def _on_notice(self, entry: Entry, payload: JsonObject) -> None:
        if text := _problem_text(payload):
            self._show(entry, Draft("system", [text_part(text)]))

    def _on_name(self, entry: Entry, payload: JsonObject) -> None:
        self.facts.title = text_of(payload.get("thread_name")) or self.facts.title

    def _on_compacted(self, entry: Entry, payload: JsonObject) -> None:
        self._compact(entry, "event")


_EVENTS: Final[Mapping[str, Callable[[Rollout, Entry, JsonObject], None]]] = {
    "user_message": Rollout._on_user_message,
    "agent_message": Rollout._on_agent_message,
    "agent_reasoning": Rollout._think_by_event,
    "agent_reasoning_raw_content": Rollout._think_by_event,
    "token_count": Rollout._on_token_count,
    "task_started": Rollout._on_step,
    "turn_started": Rollout._on_step,
    "task_complete": Rollout._on_turn_end,
    "turn_complete": Rollout._on_turn_end,
    "turn_aborted": Rollout._on_aborted,
    "thread_rolled_back": Rollout._roll_back,
    "thread_name_updated": Rollout._on_name,
    "context_compacted": Rollout._on_compacted,
    "error": Rollout._on_notice,
    "stream_error": Rollout._on_notice,
    "warning": Rollout._on_notice,
}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _phase(payload: JsonObject) -> dict[str, Any]:
    return {"phase": payload["phase"]} if isinstance(payload.get("phase"), str) else {}


def _problem_text(problem: Any) -> str:
    match problem:
        case str(text) | {"message": str(text)} | {"error": {"message": str(text)}} | {"error": str(text)}:
            return text
        case _:
            return "An error occurred"
