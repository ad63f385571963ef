"""What is held of a conversation: a stretch of its events up to where playback is, calls joined to their results."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import orjson

from scrollcast.model import Part
from scrollcast.terminal.blocks import Line, View

__all__ = ["HELD_BYTES", "HELD_EVENTS", "CallState", "Conversation", "Entry", "Speaker", "speaker_of"]

HELD_EVENTS: Final = 400
HELD_BYTES: Final = 8 << 20
"""So much is held of what has come, and as much again of what was fetched before it: a session has no bound."""

JOINED_WITHIN: Final = 40
"""A result that came so many events after its call is shown with it; a later one where it came, or nobody would see."""

Speaker: TypeAlias = Literal["person", "assistant", "system", "tool", "meta", "compaction"]


@dataclass(slots=True)
class CallState:
    """A call: when it was made, and what came back of it, with when that was. `waits` until something did."""

    part: Part
    t_ms: int
    results: list[tuple[int, Part]] = field(default_factory=list)
    waits: bool = True


@dataclass(slots=True)
class Entry:
    """One event. `drawn` is what was made of it, until something about it changes.

    `calls` are the calls in it, and of results that are shown where they came the calls that they belong to, by the
    part's place; results in `joined` are shown with their calls. `starts` says that somebody else spoke before, `skip`
    are the recorded times around a silence before it that was cut short.
    """

    seq: int
    t_ms: int
    data: Mapping[str, Any]
    speaker: Speaker
    size: int
    starts: bool = True
    skip: tuple[int, int] | None = None
    calls: dict[int, CallState] = field(default_factory=dict)
    joined: set[int] = field(default_factory=set)
    drawn: tuple[View, list[Line]] | None = None

    @property
    def content(self) -> list[Part]:
        """The parts of the message; none of a meta event."""
        message = self.data.get("message")
        return message["content"] if message else []

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known about the message."""
        return (self.data.get("message") or {}).get("metadata") or {}


def speaker_of(data: Mapping[str, Any]) -> Speaker:
    """Who speaks in an event: a person's turn is what people look for, so nothing else may look like one."""
    message = data.get("message")
    if message is None:
        return "meta"
    metadata = message.get("metadata") or {}
    if metadata.get("compaction"):
        return "compaction"
    if message["role"] == "assistant":
        return "assistant"
    role, content = metadata.get("archived_role", "user"), message["content"]
    if role == "tool" or (content and all(part["type"] == "tool_result" for part in content)):
        return "tool"
    return "person" if role == "user" else "system"


class Conversation:
    """The events in order. `count` grows with everything that comes, so that one can tell what is new.

    A result that came more than `joined_within` events after its call is shown where it came.
    """

    def __init__(self, joined_within: int = JOINED_WITHIN) -> None:
        self._joined_within = joined_within
        self.entries: deque[Entry] = deque()
        self.count = 0
        self._calls: dict[str, tuple[int, CallState, Entry]] = {}
        self._size = 0
        self._skip: tuple[int, int] | None = None

    def clear(self) -> None:
        """Forget all of it: what comes next is from elsewhere."""
        self.entries.clear()
        self._calls.clear()
        self._size, self._skip = 0, None

    def skip(self, from_ms: int, to_ms: int) -> None:
        """A silence was cut short before what comes next."""
        self._skip = (from_ms, to_ms)

    def put(self, seq: int, t_ms: int, data: Mapping[str, Any]) -> Entry:
        """What came next. The oldest is forgotten where it is too much by now."""
        entry = self._entry(seq, t_ms, data)
        entry.skip, self._skip = self._skip, None
        self.entries.append(entry)
        self._join(entry)
        self.count += 1
        while len(self.entries) > HELD_EVENTS or (self._size > HELD_BYTES and len(self.entries) > 1):
            self._drop(self.entries.popleft())
        return entry

    def put_before(self, events: Iterable[tuple[int, int, Mapping[str, Any]]]) -> int:
        """History that was fetched, in order; gives how many of these events are held now.

        What is there already, or would be too much, is left out.
        """
        first = self.entries[0].seq if self.entries else None
        fetched = [self._entry(*event) for event in events if first is None or event[0] < first]
        while fetched and (len(self.entries) + len(fetched) > 2 * HELD_EVENTS or self._size > 2 * HELD_BYTES):
            self._size -= fetched.pop(0).size
        self.entries.extendleft(reversed(fetched))
        self._join_anew()
        return len(fetched)

    @property
    def has_room_before(self) -> bool:
        """Whether more history can be held."""
        return len(self.entries) < 2 * HELD_EVENTS and self._size < 2 * HELD_BYTES

    def stop_waiting(self) -> None:
        """No result will come any more of calls that were made so far."""
        for _, state, entry in self._calls.values():
            if state.waits:
                state.waits = False
                entry.drawn = None

    # ----------------------------------------------------------------------------------------------------- joining

    def _entry(self, seq: int, t_ms: int, data: Mapping[str, Any]) -> Entry:
        size = len(orjson.dumps(data))
        self._size += size
        return Entry(seq, t_ms, data, speaker_of(data), size)

    def _drop(self, entry: Entry) -> None:
        self._size -= entry.size
        for call_id in [each for each, (_, _, holder) in self._calls.items() if holder is entry]:
            del self._calls[call_id]

    def _join_anew(self) -> None:
        entries, self.entries = self.entries, deque()
        self._calls.clear()
        for entry in entries:
            entry.calls, entry.joined, entry.drawn = {}, set(), None
            self.entries.append(entry)
            self._join(entry)

    def _join(self, entry: Entry) -> None:
        before = self._speaker_before()
        entry.starts = entry.speaker == "person" or entry.speaker != before
        if entry.speaker == "person" and not entry.metadata.get("sidechain"):
            self.stop_waiting()
        for place, part in enumerate(entry.content):
            if part["type"] == "tool_call":
                state = entry.calls[place] = CallState(part, entry.t_ms, waits=isinstance(part.get("call_id"), str))
                if state.waits:
                    self._calls[part["call_id"]] = (entry.seq, state, entry)
            elif part["type"] == "tool_result":
                self._settle(entry, place, part)

    def _settle(self, entry: Entry, place: int, part: Part) -> None:
        found = self._calls.get(part["call_id"]) if isinstance(part.get("call_id"), str) else None
        if found is None:
            return
        seq, state, holder = found
        state.results.append((entry.t_ms, part))
        state.waits = False
        holder.drawn = None
        if entry.seq - seq <= self._joined_within:
            entry.joined.add(place)
        else:
            entry.calls[place] = state

    def _speaker_before(self) -> Speaker | None:
        """Who spoke last: tools only answer."""
        earlier: Iterator[Entry] = islice(reversed(self.entries), 1, None)
        return next((each.speaker for each in earlier if each.speaker != "tool"), None)
