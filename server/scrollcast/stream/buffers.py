"""Memory that runs of events are read into and written from, one after the other.

New memory for each would be filled with zeros first, and be nowhere in the processor's caches: a quarter of what a
batch takes beside its sending.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BUFFER_BYTES", "give_back", "take"]

BUFFER_BYTES: Final = 320 << 10
"""The size of each: what is written at once (`session_stream.MAX_GROUP_BYTES`), and the heads of its messages."""

_WORTH_BYTES: Final = 32 << 10
"""What is shorter is left to the allocator."""

_MOST_SPARE: Final = 4
"""So many are kept. One is nearly always enough: it is given back when the client has taken what was in it."""

_spare: list[bytearray] = []


def take(size: int) -> bytearray:
    """At least so many bytes, of whatever was in them before. No length may be changed."""
    if not _WORTH_BYTES <= size <= BUFFER_BYTES:
        return bytearray(size)
    try:
        return _spare.pop()
    except IndexError:
        return bytearray(BUFFER_BYTES)


def give_back(buffer: bytearray) -> None:
    """Let others have what was taken, though views of it may be left: nobody is to look at them any more."""
    if len(buffer) == BUFFER_BYTES and len(_spare) < _MOST_SPARE:
        _spare.append(buffer)
