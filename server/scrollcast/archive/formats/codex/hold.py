"""Records on their way out, some of them held back for what a later line may say of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.codex.parts import Draft
from scrollcast.model import Record

__all__ = ["MAX_TWIN_LINES", "Entry", "Hold", "Side", "Twins", "Wait"]

MAX_HELD_LINES: Final = 32
"""A line waits for so many later ones at most. Twins stand a few lines apart; older versions wrote all events of an
answer first and all of its items behind them."""

MAX_HELD_BYTES: Final = 8 << 20
"""Nothing waits any longer when the lines that are held back come to more than this (8 MiB)."""

MAX_TWIN_LINES: Final = 64
"""Two writings of one thing stand at most so far from each other; the same words further off are said again."""

_MAX_TWINS: Final = 64

Wait: TypeAlias = Literal["", "user", "agent", "reasoning", "tool", "compaction", "usage"]
"""What a record is held back for: its twin of this kind, or the token counts of the answer that it ends."""

Side: TypeAlias = Literal["item", "event", "completed", "plan"]
"""The places where one thing may be written: a response item, an event, a completed item, the plan in an answer."""


# --------------------------------------------------------------------------------------------------------- hold


@dataclass(slots=True, eq=False)
class Entry:
    """What one line gives: its messages, or `hidden`, the line as a meta event, where there are none.

    `segment` counts the turns and rollbacks before it.
    """

    number: int
    timestamp: object = None
    size: int = 0
    drafts: list[Draft] = field(default_factory=list)
    hidden: Item | None = None
    wait: Wait = ""
    segment: int = 0
    inherited: bool = False
    released: bool = False

    def items(self, undone: Set[int]) -> list[Item]:
        """The records, labelled by all that is known of them by now."""
        if not self.drafts:
            return [] if self.hidden is None else [self.hidden]
        labels: dict[str, Any] = {}
        if self.segment in undone:
            labels["abandoned"] = True
        if self.inherited:
            labels["inherited"] = True
        return [self._record(place, draft, labels) for place, draft in enumerate(self.drafts, 1)]

    def _record(self, place: int, draft: Draft, labels: dict[str, Any]) -> Record:
        record_id = f"row-{self.number}" if place == 1 else f"row-{self.number}.{place}"
        metadata = {**draft.metadata, **labels}
        return Record(
            record_id, self.timestamp, draft.role, tuple(draft.parts), metadata or None, markers=draft.markers
        )


class Hold:
    """A queue of entries in file order. What is ready leaves it as soon as all before it did."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._bytes = 0

    def push(self, entry: Entry) -> None:
        """Take one more, of a later line than all before."""
        self._entries.append(entry)
        self._bytes += entry.size

    def waiting(self, wait: Wait) -> list[Entry]:
        """Those that wait for this, in order."""
        return [entry for entry in self._entries if entry.wait == wait]

    def settle(self, *waits: Wait) -> None:
        """Let those that wait for any of these be as they are."""
        for entry in self._entries:
            if entry.wait in waits:
                entry.wait = ""

    def release(self, number: int, undone: Set[int]) -> list[Item]:
        """What is ready after this line, in order."""
        items: list[Item] = []
        while self._entries and self._is_ready(self._entries[0], number):
            entry = self._entries.popleft()
            self._bytes -= entry.size
            items.extend(entry.items(undone))
            entry.released, entry.wait, entry.drafts, entry.hidden = True, "", [], None
        return items

    def _is_ready(self, entry: Entry, number: int) -> bool:
        return not entry.wait or number - entry.number >= MAX_HELD_LINES or self._bytes > MAX_HELD_BYTES

    def pending(self, undone: Set[int]) -> list[Item]:
        """What is held back, as it is by now."""
        return [item for entry in self._entries for item in entry.items(undone)]


# -------------------------------------------------------------------------------------------------------- twins


@dataclass(slots=True, eq=False)
class _Group:
    """The places where one thing was written, and the entry that shows it."""

    kind: Wait
    digests: frozenset[int]
    sides: set[Side]
    entry: Entry


class Twins:
    """Finds the other writings of what was written before, whichever came first.

    A text that is said twice is written twice in each place: a group takes each side once.
    """

    def __init__(self) -> None:
        self._groups: deque[_Group] = deque(maxlen=_MAX_TWINS)

    def join(self, kind: Wait, side: Side, digests: frozenset[int], entry: Entry) -> Entry | None:
        """The entry that shows this already, or `None` where this is its first writing.

        Where an item's text comes behind an event that still waits, the item is shown in place of the event.
        """
        groups = self._matching(kind, side, digests, entry.number)
        if not groups:
            self._groups.append(_Group(kind, digests, {side}, entry))
            return None
        first = groups[0]
        for group in groups:
            first.digests |= group.digests
            first.sides |= {*group.sides, side}
        before = [group.entry for group in groups]
        for group in groups[1:]:
            self._groups.remove(group)
        return self._shown(first, before, side, entry)

    def _matching(self, kind: Wait, side: Side, digests: frozenset[int], number: int) -> list[_Group]:
        """The earliest group for each of the readings: an answer with a plan in it is told of by two events."""
        found: list[_Group] = []
        for text in digests:
            for group in self._groups:
                fits = group.kind == kind and side not in group.sides and text in group.digests
                if fits and number - group.entry.number <= MAX_TWIN_LINES:
                    found += [] if group in found else [group]
                    break
        return sorted(found, key=lambda group: group.entry.number)

    def _shown(self, group: _Group, before: list[Entry], side: Side, entry: Entry) -> Entry | None:
        if side != "item" or group.kind == "user" or any(other.released for other in before):
            return before[0]
        for other in before:
            other.drafts, other.wait = [], ""
        group.entry = entry
        return None
