"""What turns took: the tokens and the money that agents tell of with their messages, each in words of its own.

`static/usage.js` counts by the same rules, and a test holds the two to each other. Readers see to it that what is
told of one answer stands on one message, or is shared out between several (`docs/adding-a-format.md`), so that here
messages need only be added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import orjson

from scrollcast.archive.encoding import decode_event
from scrollcast.archive.index import SessionIndex

__all__ = ["Purse", "Spent", "Tokens", "find_spent"]

MAX_SPENT_BYTES: Final = 64 << 20
"""Of the events of a page of turns that are read for what these took: some tenths of a second."""

EVENT_BYTES: Final = 2 << 10
"""To look at an event takes as long as to read so many bytes, which are counted with its own."""

RUN_BYTES: Final = 32 << 10
"""So much of them is read at a time. Of an event that is larger by itself only the end is: its metadata stands there,
behind all that was said."""

END_BYTES: Final = 8 << 10
"""Of a large event; a message's metadata is seldom longer."""

BEGINNING_BYTES: Final = 128
"""Enough of an event to tell whether it is a message."""

_MESSAGE: Final = b',"event":{"type":"message_completed",'

_METADATA: Final = b',"status":"completed","metadata":'
"""What stands before a message's metadata, which is its last field."""

_CLOSED: Final = len("}}}")
"""What stands behind it."""

_WRITTEN: Final = ("output_tokens", "completion_tokens", "output")
_READ: Final = ("input_tokens", "prompt_tokens", "input")
_CACHED: Final = (
    "cache_read_input_tokens", "cache_creation_input_tokens", "input_tokens_cache_read", "input_tokens_cache_write",
)  # fmt: skip
_THOUGHT: Final = ("thoughts", "reasoning")
_COSTS: Final = ("cost", "cost_usd", "costUSD", "total_cost")

_MOST: Final = 2**53 - 1
"""The largest whole number that a page tells from the one after it. Nothing that was counted comes near."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that a model read, from a cache and into it included, and that it wrote, thoughts included."""

    read: float
    written: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What was told of the events of a turn, `None` where nothing was, and whether all of them were looked at.

    `cost` is in US dollars.
    """

    tokens: Tokens | None
    cost: float | None
    whole: bool


class Purse:
    """Adds up what messages took."""

    def __init__(self) -> None:
        self._read: float | None = None
        self._written = 0.0
        self._cost: float | None = None

    def take(self, metadata: object) -> None:
        """Add what a message's metadata tells."""
        if not isinstance(metadata, dict):
            return
        told: Mapping[str, Any] = metadata
        usage = told.get("usage")
        counts = _fields(told.get("tokens") if usage is None else usage)
        read, written = _first(counts, _READ), _first(counts, _WRITTEN)
        if read is not None or written is not None:
            cache = _sum(_fields(counts.get("cache")), ("read", "write"))
            self._read = (self._read or 0.0) + ((read or 0.0) + _sum(counts, _CACHED) + cache)
            self._written += (written or 0.0) + _sum(counts, _THOUGHT)
        cost = _first(told, _COSTS)
        if cost is None:
            cost = _first(counts, _COSTS)
        if cost is not None:
            self._cost = (self._cost or 0.0) + cost

    def spent(self, *, whole: bool = True) -> Spent:
        """What they took together."""
        tokens = None if self._read is None else Tokens(_plain(self._read), _plain(self._written))
        return Spent(tokens, None if self._cost is None else _plain(self._cost), whole)


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(told: Mapping[str, Any], names: Iterable[str]) -> float | None:
    for name in names:
        value = told.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST:
            return float(value)  # as a page adds: many of them never become too large to be sent
    return None


def _sum(told: Mapping[str, Any], names: Iterable[str]) -> float:
    return sum((_first(told, (name,)) or 0.0 for name in names), 0.0)


def _plain(value: float) -> float:
    return int(value) if value.is_integer() and value <= _MOST else value


# ------------------------------------------------------------------------------------------------------- of an index


def find_spent(index: SessionIndex, bounds: Sequence[int]) -> list[Spent | None]:
    """What turns took that follow each other, given where each begins and where the last ends. Blocks.

    `None` for those to which it did not get within `MAX_SPENT_BYTES`. The first turn is always told of: where it is too
    large by itself, by a part of its events.

    Raises:
        ArchiveError: the events could not be read.
    """
    told: list[Spent | None] = []
    reading = _Reading(index)
    for start, end in pairwise(bounds):
        spent = reading.spent(start, end)
        if told and not spent.whole:
            break
        told.append(spent)
    return told + [None] * (len(bounds) - 1 - len(told))


class _Reading:
    """Reads what messages say of themselves, within a bound of bytes."""

    def __init__(self, index: SessionIndex) -> None:
        self._index = index
        self._left = MAX_SPENT_BYTES

    def spent(self, start: int, stop: int) -> Spent:
        purse, place = Purse(), start
        while place < stop:
            end = min(stop, self._index.fit(place, RUN_BYTES))
            if not self._add(purse, place, end):
                return purse.spent(whole=False)
            place = end
        return purse.spent()

    def _add(self, purse: Purse, start: int, stop: int) -> bool:
        """Add what a run of events took; whether the bound allows to read it."""
        first, size = self._index.offsets[start], self._index.size_of(start, stop)
        if size > RUN_BYTES:
            return self._add_large(purse, first, size - 1)
        data = self._read(first, size, stop - start)
        if data is None:
            return False
        for begin, end in pairwise(self._index.offsets[start : stop + 1].tolist()):
            purse.take(_metadata(data, begin - first, end - first - 1))
        return True

    def _add_large(self, purse: Purse, first: int, size: int) -> bool:
        """The same of one event."""
        ending = self._read(first + size - END_BYTES, END_BYTES)
        if ending is None:
            return False
        try:
            purse.take(_last_field(ending, 0, END_BYTES))
        except ValueError:  # it is longer, or there is none
            beginning = self._read(first, BEGINNING_BYTES)
            if beginning is None or _MESSAGE not in beginning:
                return beginning is not None
            data = self._read(first, size)
            if data is None:
                return False
            purse.take(_metadata(data, 0, size))
        return True

    def _read(self, offset: int, size: int, events: int = 1) -> bytes | None:
        cost = size + events * EVENT_BYTES
        if cost > self._left:
            return None
        self._left -= cost
        return self._index.read_bytes(offset, size)


def _metadata(data: bytes, begin: int, end: int) -> object:
    """A message's metadata; `None` for any other event."""
    if data.find(_MESSAGE, begin, min(end, begin + BEGINNING_BYTES)) < 0:
        return None
    try:
        return _last_field(data, begin, end)
    except ValueError:  # what says the same stands in it too, or it is nested more deeply than is read at once
        return decode_event(data[begin:end])["event"]["message"]["metadata"]


def _last_field(data: bytes, begin: int, end: int) -> object:
    """A message's metadata by what stands before it.

    Where this stands in it too, or in what was said, what follows is no JSON: a bracket is left over.

    Raises:
        ValueError: so it is, or the metadata does not begin here.
    """
    at = data.rindex(_METADATA, begin, end) + len(_METADATA)
    found: object = orjson.loads(data[at : end - _CLOSED])
    return found
