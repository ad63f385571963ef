"""What was seen of a session's rows, in few bytes a row: a long one has hundreds of thousands of them."""

from __future__ import annotations

from array import array
from typing import Final

__all__ = ["SeenRows"]

_FIRST_SLOTS: Final = 1 << 10
"""A power of two, as is every later size; a table for so many takes 16 KiB."""


class SeenRows:
    """Hashes by hashes, both of 64 bits, at 21 to 43 bytes an entry, where a dictionary takes 120.

    Two tables of numbers, searched from the place that a key's last bits name on to the next free one.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make(_FIRST_SLOTS)

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._room = slots // 4 * 3  # fuller than that, and finding a free place takes long
        self._keys = array("q", [0]) * slots
        self._values = array("q", [0]) * slots

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: int) -> bool:
        return self._keys[self._place(key or 1)] != 0

    def get(self, key: int) -> int | None:
        """What stands under a key, `None` where nothing does."""
        place = self._place(key or 1)
        return self._values[place] if self._keys[place] else None

    def put(self, key: int, value: int) -> None:
        """Put a number under a key, in place of another one."""
        key = key or 1  # a free place holds 0
        place = self._place(key)
        if not self._keys[place]:
            if self._count == self._room:
                self._grow()
                place = self._place(key)
            self._count += 1
            self._keys[place] = key
        self._values[place] = value

    def _place(self, key: int) -> int:
        """Where a key stands, or is to be put."""
        keys, mask = self._keys, self._mask
        place = key & mask
        while (found := keys[place]) and found != key:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._make(2 * len(keys))
        for key, value in zip(keys, values, strict=True):
            if key:
                place = self._place(key)
                self._keys[place], self._values[place] = key, value
