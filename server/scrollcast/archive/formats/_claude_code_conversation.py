"""A Claude Code session row by row: the parts of an API message put in order, repeats dropped, rows labelled.

The rows of one answer of the model stay records of their own, so that a thought, a sentence and a tool call come at
the moments when they were written.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from scrollcast.archive.formats._claude_code_parts import CallLedger, Row, Spill, blocks_of
from scrollcast.archive.formats._claude_code_rows import (
    Draft,
    is_prompt,
    is_synthetic,
    message_of,
    meta_kind,
    meta_payload,
    read_agent,
    read_other,
    read_user,
)
from scrollcast.model import BadRecord, Record

__all__ = ["Conversation", "NumberedRow", "Tree"]

NumberedRow: TypeAlias = tuple[int, Row, int]
"""A row with its 1-based number in the file and its size in bytes."""

_MAX_HELD: Final = 64
"""How many records are held back for the last row of an API message, which carries its usage."""

_MAX_OPEN_MESSAGES: Final = 64
"""API messages whose blocks are remembered at once; more than subagents run beside each other."""


# -------------------------------------------------------------------------------------------------------- tree


class Tree:
    """The rows' chain of parents, without their content."""

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._prompts: set[str] = set()
        self._replaced: set[str] = set()
        self._leaf: str | None = None
        self._sound = True

    def add(self, row: Row) -> None:
        for name in ("supersedesUuids", "retractedMessageUuids"):
            if isinstance(uuids := row.get(name), list):
                self._replaced.update(uuid for uuid in uuids if isinstance(uuid, str))
        uuid = row.get("uuid")
        if isinstance(uuid, str) and row.get("isSidechain") is not True:
            self._link(row, uuid)

    def _link(self, row: Row, uuid: str) -> None:
        parent = row.get("parentUuid") or row.get("logicalParentUuid")
        parent = parent if isinstance(parent, str) else None
        if uuid in self._parents:  # written again after a compaction: the first place counts
            return
        if parent not in self._parents and (parent is not None or self._parents):
            self._sound = False
        self._parents[uuid] = parent
        message = message_of(row)
        if message is None:
            return
        self._leaf = uuid
        if row.get("type") == "user" and "toolUseResult" not in row and is_prompt(row, message["content"]):
            self._prompts.add(uuid)

    def undone(self) -> frozenset[str]:
        """What was undone. Branches count only where there is one root and every parent comes before its child."""
        if not self._sound or self._leaf is None:
            return frozenset(self._replaced)
        live: set[str] = set()
        step: str | None = self._leaf
        while step is not None:
            live.add(step)
            step = self._parents[step]
        branches: dict[str, str] = {}
        for uuid, parent in self._parents.items():
            if uuid not in live and parent is not None:
                branches[uuid] = branches.get(parent, uuid)
        # Results of parallel calls are side branches too; only a branch with a prompt in it is one that was left.
        left = {branches[uuid] for uuid in self._prompts if uuid in branches}
        return frozenset(self._replaced.union(uuid for uuid, branch in branches.items() if branch in left))


# ------------------------------------------------------------------------------------------------ API messages


class _ApiMessage:
    """One answer of the model, written as several rows: which of its blocks were given, and where the last one is.

    Rows either add blocks or repeat those so far, so a block is known by its tool id, else by its type and text; a
    text that goes on where the one at its place stopped gives the rest only.
    """

    __slots__ = ("_given", "_growing", "key", "last", "open", "rows", "usage")

    def __init__(self, key: int) -> None:
        self.key = key
        self.open = True
        self.rows = 0
        self.usage: Row | None = None
        self.last: _Held | None = None
        self._given: set[Hashable] = set()
        self._growing: dict[tuple[str, int], str] = {}

    def fresh(self, blocks: Iterable[object]) -> list[object]:
        """Those of a row's blocks, or the rests of them, that no earlier row gave."""
        return [rest for place, block in enumerate(blocks) if (rest := self._rest(place, block)) is not None]

    def _rest(self, place: int, block: object) -> object | None:
        match block:
            case {"type": "text", "text": str(text)}:
                rest = self._rest_of_text("text", place, text)
                return block if rest is text else rest
            case {"type": "thinking", "thinking": str(text)}:
                rest = self._rest_of_text("thinking", place, text)
                return block if rest is text else rest and {"type": "thinking", "thinking": rest}
            case {"type": "tool_use", "id": str(call_id)} if call_id:
                return block if self._is_new(("tool_use", call_id)) else None
            case _:
                return block if self._is_new((place, _fingerprint(block))) else None

    def _rest_of_text(self, kind: str, place: int, text: str) -> str | None:
        if not self._is_new((kind, text)):
            return None
        before = self._growing.get((kind, place), "")
        self._growing[kind, place] = text
        return text[len(before) :] if before and text.startswith(before) else text

    def _is_new(self, key: Hashable) -> bool:
        if key in self._given:
            return False
        self._given.add(key)
        return True


@dataclass(slots=True, eq=False)
class _Held:
    """A record on its way out; one of an API message waits until it is known whether it is that message's last."""

    item: Record | BadRecord
    metadata: dict[str, Any] = field(default_factory=dict)
    message: _ApiMessage | None = None


def _fingerprint(value: object, otherwise: int = 0) -> int:
    """A 64-bit hash of a JSON value; `otherwise` for one too deeply nested to be encoded."""
    try:
        return hash(orjson.dumps(value))
    except TypeError:
        return otherwise


def _content_of(row: Row) -> object:
    """What a row says, without its place in the tree: two copies of a row are equal in this."""
    message = row.get("message")
    if isinstance(message, dict):
        return message.get("content")
    return [row.get(name) for name in ("subtype", "content", "attachment", "data", "output", "input")]


# ------------------------------------------------------------------------------------------------ conversation


class Conversation:
    """Turns rows into records, one after the other.

    Memory grows by two small integers a row, so that rows written again can be told; everything else is bounded.
    """

    def __init__(
        self, *, meta: bool, own_id: str = "", undone: frozenset[str] = frozenset(), spill: Spill | None = None
    ) -> None:
        self.repeats = 0  # rows that gave nothing because an earlier one said the same
        self._meta = meta
        self._own_id = own_id
        self._undone = undone
        self._spill = spill
        self._calls = CallLedger()
        self._ids: dict[int, int] = {}
        self._billed: set[int] = set()
        self._held: deque[_Held] = deque()
        self._messages: OrderedDict[int, _ApiMessage] = OrderedDict()
        self._lanes: dict[object, _ApiMessage] = {}
        self._steering: deque[tuple[int, str, str]] = deque(maxlen=8)

    def knows(self, uuid: str) -> bool:
        """Whether a row of this id was seen."""
        return hash(uuid) in self._ids

    def feed(self, item: NumberedRow | BadRecord) -> Iterator[Record | BadRecord]:
        """Take a row; give the records that are complete by now."""
        if isinstance(item, BadRecord):
            self._held.append(_Held(item))
        else:
            self._take(*item)
        return self._release()

    def finish(self) -> Iterator[Record | BadRecord]:
        """Give what was held back."""
        self._close_messages()
        return self._release()

    # -- one row

    def _take(self, number: int, row: Row, size: int) -> None:
        uuid = row.get("uuid")
        record_id = self._own_row_id(row, uuid, number) if isinstance(uuid, str) and uuid else None
        if record_id == "":
            self.repeats += 1
            return
        message = message_of(row)
        if message is not None and row.get("type") == "assistant":
            self._take_agent(number, row, size, message, record_id)
            return
        record_id = record_id or self._new_id(f"row-{number}", number)
        draft = self._draft(number, row, size, message)
        if draft is None:
            self._hide(record_id, row, size)
            return
        if draft.human and row.get("type") == "user" and row.get("isSidechain") is not True:
            self._close_messages()
            self._calls.clear()
        self._held.append(self._hold(record_id, row, draft))

    def _draft(self, number: int, row: Row, size: int, message: Row | None) -> Draft | None:
        if message is not None and row.get("type") == "user":
            return read_user(row, message["content"], size, self._calls, self._spill)
        draft = read_other(row, self._calls)
        if draft is not None and draft.metadata.get("queued") and self._is_second_copy(number, row, draft):
            return None
        return draft

    def _is_second_copy(self, number: int, row: Row, draft: Draft) -> bool:
        """Whether a queued prompt was given already: the queue's row and the attachment may both hold it."""
        text = next((part["text"] for part in draft.parts if part["type"] == "text"), "")
        kind = str(row.get("type"))
        for near, other_kind, other_text in self._steering:
            if number - near <= 20 and other_kind != kind and other_text == text:
                return True
        self._steering.append((number, kind, text))
        return False

    def _take_agent(self, number: int, row: Row, size: int, message: Row, record_id: str | None) -> None:
        api_message = self._api_message(row, message)
        blocks = blocks_of(message["content"])
        fresh = blocks
        if api_message is not None:
            api_message.rows += 1
            api_message.usage = _usage(message) or api_message.usage
            fresh = api_message.fresh(blocks)
        if blocks and not fresh:
            self.repeats += 1
            return
        if record_id is None:
            stem = f"{message['id']}#{api_message.rows}" if api_message else f"row-{number}"
            record_id = self._new_id(stem, number)
        draft = read_agent(row, message, fresh, self._calls)
        if draft is None:
            self._hide(record_id, row, size)
            return
        held = self._hold(record_id, row, draft, message)
        held.message = api_message
        if api_message is not None:
            api_message.last = held
        self._held.append(held)

    def _api_message(self, row: Row, message: Row) -> _ApiMessage | None:
        """The API message that a row is part of, opened if need be; `None` for one without an id."""
        lane = _lane(row)
        current: _ApiMessage | None = None
        if isinstance(message.get("id"), str) and message["id"]:
            current = self._message_of_key(hash((message["id"], str(row.get("requestId")))))
        before = self._lanes.pop(lane, None)
        if before is not None and before is not current:
            before.open = False
        if current is not None:
            self._lanes[lane] = current
        return current

    def _message_of_key(self, key: int) -> _ApiMessage:
        found = self._messages.get(key)
        if found is None:
            found = self._messages[key] = _ApiMessage(key)
            if len(self._messages) > _MAX_OPEN_MESSAGES:
                self._messages.popitem(last=False)[1].open = False
        self._messages.move_to_end(key)
        return found

    def _close_messages(self) -> None:
        for api_message in self._messages.values():
            api_message.open = False
        self._messages.clear()
        self._lanes.clear()

    # -- records

    def _hold(self, record_id: str, row: Row, draft: Draft, message: Row | None = None) -> _Held:
        metadata = draft.metadata
        if message is not None:
            self._add_model(metadata, message)
        self._add_labels(metadata, row)
        record = Record(record_id, _timestamp(row), draft.role, draft.parts, metadata, markers=draft.markers)
        return _Held(record, metadata)

    def _add_model(self, metadata: dict[str, Any], message: Row) -> None:
        if isinstance(model := message.get("model"), str) and model and not is_synthetic(message):
            metadata["model"] = model
        if isinstance(api_id := message.get("id"), str) and api_id:
            metadata["api_message_id"] = api_id
        elif usage := _usage(message):
            metadata["usage"] = usage

    def _add_labels(self, metadata: dict[str, Any], row: Row) -> None:
        if row.get("isSidechain") is True or isinstance(row.get("parent_tool_use_id"), str):
            metadata["sidechain"] = True
        if isinstance(agent_id := row.get("agentId"), str) and agent_id:
            metadata["agent_id"] = agent_id
        if self._undone and row.get("uuid") in self._undone:
            metadata["abandoned"] = True
        if self._is_inherited(row):
            metadata["inherited"] = True

    def _is_inherited(self, row: Row) -> bool:
        """Whether a row was copied from another session when this one was resumed or forked from it."""
        session_id = row.get("sessionId")
        elsewhere = bool(self._own_id) and isinstance(session_id, str) and session_id not in ("", self._own_id)
        return elsewhere or isinstance(row.get("forkedFrom"), dict)

    def _hide(self, record_id: str, row: Row, size: int) -> None:
        if self._meta:
            record = Record(record_id, _timestamp(row), kind=meta_kind(row), payload=meta_payload(row, size))
            self._held.append(_Held(record))

    def _release(self) -> Iterator[Record | BadRecord]:
        """Give what is complete, in order. `usage` stands on the last row of its API message, once and for all."""
        while self._held:
            held = self._held[0]
            message = held.message
            is_last = message is not None and message.last is held
            if message is not None and is_last and message.open and len(self._held) <= _MAX_HELD:
                return
            self._held.popleft()
            if message is not None and is_last and message.usage and message.key not in self._billed:
                self._billed.add(message.key)
                held.metadata["usage"] = message.usage
            yield held.item

    # -- ids

    def _own_row_id(self, row: Row, uuid: str, number: int) -> str:
        """The row's uuid, made unique where another row has it too; `""` for a row that was given before."""
        content = _fingerprint([row.get("type"), _content_of(row)], otherwise=number)
        key = hash(uuid)
        known = self._ids.get(key)
        if known is None:
            self._ids[key] = content
            return uuid
        again = hash((key, content))
        if known == content or again in self._ids:
            return ""
        self._ids[again] = content
        return self._new_id(f"{uuid}#{number}", number)

    def _new_id(self, wanted: str, number: int) -> str:
        """An id for a row without one, that no other row has."""
        while hash(wanted) in self._ids:
            wanted = f"{wanted}#{number}"
        self._ids[hash(wanted)] = 0
        return wanted


def _usage(message: Row) -> Row | None:
    usage = message.get("usage")
    return usage if isinstance(usage, dict) and usage else None


def _lane(row: Row) -> object:
    """Which of the agents at work wrote a row: their answers run beside each other in one file."""
    for name in ("agentId", "parent_tool_use_id"):
        if isinstance(value := row.get(name), str):
            return value
    return row.get("isSidechain") is True


def _timestamp(row: Row) -> object:
    found = row.get("timestamp")
    if found is None and isinstance(snapshot := row.get("snapshot"), dict):
        return snapshot.get("timestamp")
    return found
