"""A Claude Code session row by row: the parts of an API message put in order, repeats dropped, rows labelled.

The rows of one answer of the model stay records of their own, so that a thought, a sentence and a tool call come at
the moments when they were written. Nothing is held back for a later row: what a row gives is settled by the rows
before it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scrollcast.archive.formats.claude_code.family import Ancestry
from scrollcast.archive.formats.claude_code.parts import CallLedger, Spill
from scrollcast.archive.formats.claude_code.rows import (
    Draft,
    is_sidechain,
    is_synthetic,
    message_of,
    meta_kind,
    meta_payload,
    read_agent,
    read_other,
    read_user,
)
from scrollcast.archive.formats.claude_code.seen import SeenRows
from scrollcast.archive.formats.claude_code.tree import Tree
from scrollcast.archive.formats.json_values import JsonObject, listed, text_of
from scrollcast.model import Record

__all__ = ["Conversation", "Setting"]

_MAX_OPEN_MESSAGES: Final = 64
"""API messages whose blocks and usage are remembered at once; more than subagents run beside each other."""

_MAX_USAGE_DEPTH: Final = 8
"""Real figures lie at most three objects deep; what lies deeper than this is taken as one value."""


# ------------------------------------------------------------------------------------------------ API messages


class _ApiMessage:
    """One answer of the model, written as several rows: which of its blocks were given.

    Rows either add blocks or repeat those so far, so a block is known by its tool id, else by its type and text; a
    text that goes on where the one at its place stopped gives the rest only.
    """

    __slots__ = ("_given", "_growing", "rows")

    def __init__(self) -> None:
        self.rows = 0
        self._given: set[Hashable] = set()
        self._growing: dict[tuple[str, int], str] = {}

    def fresh(self, blocks: Iterable[object]) -> list[object]:
        """Those of a row's blocks, or the rests of them, that no earlier row gave."""
        return [rest for place, block in enumerate(blocks) if (rest := self._rest(place, block)) is not None]

    def _rest(self, place: int, block: object) -> object | None:
        if isinstance(block, dict):  # a `match` takes twice as long
            kind = block.get("type")
            if kind == "text" or kind == "thinking":
                if isinstance(text := block.get(kind), str):
                    rest = self._rest_of_text(kind, place, text)
                    if rest is text or not rest:
                        return rest and block
                    return rest if kind == "text" else {"type": kind, kind: rest}
            elif kind == "tool_use" and isinstance(call_id := block.get("id"), str) and call_id:
                return block if self._is_new((kind, hash(call_id))) else None
        return block if self._is_new((place, _fingerprint(block))) else None

    def _rest_of_text(self, kind: str, place: int, text: str) -> str | None:
        key = (kind, hash(text))  # the texts themselves would be all that the file holds
        if key in self._given:
            return None
        self._given.add(key)
        before = self._growing.get((kind, place), "")
        self._growing[kind, place] = text
        return text[len(before) :] if before and text.startswith(before) else text

    def _is_new(self, key: Hashable) -> bool:
        if key in self._given:
            return False
        self._given.add(key)
        return True


def _fingerprint(value: object, otherwise: int = 0) -> int:
    """A 64-bit hash of a JSON value; `otherwise` for one too deeply nested to be encoded."""
    try:
        return hash(orjson.dumps(value))
    except TypeError:
        return otherwise


def _content_of(row: JsonObject) -> object:
    """What a row says, without its place in the tree: two copies of a row are equal in this."""
    message = row.get("message")
    if isinstance(message, dict):
        return message.get("content")
    return [row.get(name) for name in ("subtype", "content", "attachment", "data", "output", "input")]


# ------------------------------------------------------------------------------------------------------- usage


class _UsageLedger:
    """What was counted of each API message's usage, so that each of its rows gives only what it adds.

    Every row states the figures so far: those given, summed over all rows, are the last ones, and the first row has
    the most of them. Of an answer that goes on after `_MAX_OPEN_MESSAGES` others nothing more is counted.
    """

    def __init__(self) -> None:
        self._counted: OrderedDict[int, JsonObject] = OrderedDict()
        self._settled: set[int] = set()

    def added(self, key: int | None, usage: JsonObject) -> JsonObject:
        """What a row's usage adds to that of the earlier rows of its message; all of it for a `key` of `None`."""
        if key is None:
            return _added(usage, {})
        if key in self._settled:
            return {}
        counted = self._counted.get(key)
        if counted is None:
            counted = self._counted[key] = {}
            if len(self._counted) > _MAX_OPEN_MESSAGES:
                self._settled.add(self._counted.popitem(last=False)[0])
        else:
            self._counted.move_to_end(key)
        return _added(usage, counted)


def _added(usage: JsonObject, counted: JsonObject, depth: int = 0) -> JsonObject:
    """What `usage` has over `counted`, which takes it in: numbers by what they grew, anything else where it is new."""
    added: JsonObject = {}
    for name, value in usage.items():
        before, kind = counted.get(name), type(value)
        more: Any
        if kind is int or kind is float:
            if type(before) is int or type(before) is float:
                if value <= before:
                    continue
                more = value - before
            else:
                more = value if value > 0 else 0
            counted[name] = value if more else before
        elif kind is dict and depth < _MAX_USAGE_DEPTH:
            if not isinstance(before, dict):
                before = counted[name] = {}
            more = _added(value, before, depth + 1)
        elif kind is dict or kind is list:
            mark = (_fingerprint(value),)  # in a tuple, so that it is no number
            more = value if mark != before else None
            counted[name] = mark
        else:
            more = value if value != before else None
            counted[name] = value
        if more:
            added[name] = more
    return added


# ------------------------------------------------------------------------------------------------ conversation


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of a session beside its rows, all of it optional.

    `own_id` is the id that its own rows carry; `is_child` says that it is a subagent's, in a file of its own.
    """

    own_id: str = ""
    is_child: bool = False
    tree: Tree | None = None
    ancestry: Ancestry | None = None
    spill: Spill | None = None


class Conversation:
    """Turns rows into records, one after the other.

    Memory grows by a few small integers a row, so that rows written again can be told; everything else is bounded.
    """

    def __init__(self, *, meta: bool, setting: Setting | None = None) -> None:
        self.repeats = 0  # rows that gave nothing because an earlier one said the same
        self._meta = meta
        self._setting = setting or Setting()
        self._calls = CallLedger()
        self._usage = _UsageLedger()
        self._ids = SeenRows()
        self._messages: OrderedDict[int, _ApiMessage] = OrderedDict()
        self._steering: deque[tuple[int, str, str]] = deque(maxlen=8)

    def knows(self, uuid: str) -> bool:
        """Whether a row of this id was seen."""
        return hash(uuid) in self._ids

    def feed(self, number: int, row: JsonObject, size: int) -> Record | None:
        """The record that a row becomes; `None` for one that repeats an earlier row, or is not asked for."""
        uuid = row.get("uuid")
        record_id = self._own_row_id(row, uuid, number) if isinstance(uuid, str) and uuid else None
        if record_id == "":
            self.repeats += 1
            return None
        message = message_of(row)
        if message is not None and row.get("type") == "assistant":
            return self._feed_agent(number, row, size, message, record_id)
        record_id = record_id or self._new_id(f"row-{number}", number)
        draft = self._draft(number, row, size, message)
        if draft is None:
            return self._hidden(record_id, row, size)
        if draft.human and row.get("type") == "user" and row.get("isSidechain") is not True:
            self._messages.clear()
            self._calls.clear()
        return self._record(record_id, row, draft)

    def _draft(self, number: int, row: JsonObject, size: int, message: JsonObject | None) -> Draft | None:
        if message is not None and row.get("type") == "user":
            return read_user(row, message["content"], size, self._calls, self._setting.spill)
        draft = read_other(row, self._calls)
        if draft is not None and draft.metadata.get("queued") and self._is_second_copy(number, row, draft):
            return None
        return draft

    def _is_second_copy(self, number: int, row: JsonObject, draft: Draft) -> bool:
        """Whether a queued prompt was given already: the queue's row and the attachment may both hold it."""
        text = next((part["text"] for part in draft.parts if part["type"] == "text"), "")
        kind = str(row.get("type"))
        for near, other_kind, other_text in self._steering:
            if number - near <= 20 and other_kind != kind and other_text == text:
                return True
        self._steering.append((number, kind, text))
        return False

    # -- the model's answers

    def _feed_agent(
        self, number: int, row: JsonObject, size: int, message: JsonObject, record_id: str | None
    ) -> Record | None:
        key = _message_key(row, message)
        api_message = None if key is None else self._api_message(key)
        blocks = fresh = listed(message["content"])
        if api_message is not None:
            api_message.rows += 1
            fresh = api_message.fresh(blocks)
        if blocks and not fresh:
            self.repeats += 1
            return None
        if record_id is None:
            stem = f"{message['id']}#{api_message.rows}" if api_message else f"row-{number}"
            record_id = self._new_id(stem, number)
        draft = read_agent(row, message, fresh, self._calls)
        if draft is None:
            return self._hidden(record_id, row, size)
        self._add_facts(draft.metadata, message, key)
        return self._record(record_id, row, draft)

    def _api_message(self, key: int) -> _ApiMessage:
        """The API message that a row is part of, opened if need be."""
        found = self._messages.get(key)
        if found is None:
            found = self._messages[key] = _ApiMessage()
        self._messages.move_to_end(key)
        if len(self._messages) > _MAX_OPEN_MESSAGES:
            self._messages.popitem(last=False)
        return found

    def _add_facts(self, metadata: JsonObject, message: JsonObject, key: int | None) -> None:
        """Which model answered, and at what cost. A row that is not shown leaves its cost to the next one that is."""
        if isinstance(model := message.get("model"), str) and model and not is_synthetic(message):
            metadata["model"] = model
        if key is not None:
            metadata["api_message_id"] = message["id"]
        if isinstance(usage := message.get("usage"), dict) and (added := self._usage.added(key, usage)):
            metadata["usage"] = added

    # -- records

    def _record(self, record_id: str, row: JsonObject, draft: Draft) -> Record:
        self._add_labels(draft.metadata, row)
        return Record(record_id, _timestamp(row), draft.role, draft.parts, draft.metadata, markers=draft.markers)

    def _add_labels(self, metadata: JsonObject, row: JsonObject) -> None:
        setting = self._setting
        tree = setting.tree
        # Where all rows are a subagent's the file is its own session, and none of them stands beside the others.
        if is_sidechain(row) and not setting.is_child and (tree is None or tree.has_main):
            metadata["sidechain"] = True
        if agent_id := text_of(row.get("agentId")):
            metadata.setdefault("agent_id", agent_id)
        if tree is not None and tree.has_undone and tree.is_undone(row.get("uuid")):
            metadata["abandoned"] = True
        if self._is_inherited(row):
            metadata["inherited"] = True

    def _is_inherited(self, row: JsonObject) -> bool:
        """Whether a row was copied from another session when this one was resumed or forked from it."""
        own_id, ancestry = self._setting.own_id, self._setting.ancestry
        if own_id and row.get("sessionId") != own_id and text_of(row.get("sessionId")):
            return True
        if isinstance(row.get("forkedFrom"), dict):
            return True
        return ancestry is not None and ancestry.parent is not None and ancestry.has(row.get("uuid"))

    def _hidden(self, record_id: str, row: JsonObject, size: int) -> Record | None:
        if not self._meta:
            return None
        return Record(record_id, _timestamp(row), kind=meta_kind(row), payload=meta_payload(row, size))

    # -- ids

    def _own_row_id(self, row: JsonObject, uuid: str, number: int) -> str:
        """The row's uuid, made unique where another row has it too; `""` for a row that was given before."""
        content = _fingerprint([row.get("type"), _content_of(row)], otherwise=number)
        key = hash(uuid)
        known = self._ids.get(key)
        if known is None:
            self._ids.put(key, content)
            return uuid
        again = hash((key, content))
        if known == content or again in self._ids:
            return ""
        self._ids.put(again, content)
        return self._new_id(f"{uuid}#{number}", number)

    def _new_id(self, wanted: str, number: int) -> str:
        """An id for a row without one, that no other row has."""
        while hash(wanted) in self._ids:
            wanted = f"{wanted}#{number}"
        self._ids.put(hash(wanted), 0)
        return wanted


def _message_key(row: JsonObject, message: JsonObject) -> int | None:
    """What tells one API message from another; `None` for one without an id."""
    api_id = message.get("id")
    return hash((api_id, text_of(row.get("requestId")))) if api_id and isinstance(api_id, str) else None


def _timestamp(row: JsonObject) -> object:
    found = row.get("timestamp")
    if found is None and isinstance(snapshot := row.get("snapshot"), dict):
        return snapshot.get("timestamp")
    return found
