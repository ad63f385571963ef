"""The markers of a session as they lie in its index: a JSON array, made by `event_writer`, in the order of the events.

All of this works on the bytes, marker by marker: decoding them all in one step would keep every stream of the process
waiting.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import orjson

__all__ = ["MarkerBytes", "count_kind", "find_labels", "thin"]

MarkerBytes: TypeAlias = "array[int] | memoryview | bytearray | bytes"
"""The array without its brackets. A slice is a copy, or can be made one."""

_FIELDS: Final = rb'\{"seq":(\d+),"t_ms":-?\d+,"kind":"(%b)","label":("(?:[^"\\]|\\.)*")\},?'
"""A marker with the comma behind it. No label can hold one: its quotes are escaped."""

_MARKER: Final = re.compile(_FIELDS % rb"\w+")

_START: Final = re.compile(rb'\{"seq":(\d+),')

STEP_BYTES: Final = 1 << 20
"""So many bytes are looked through in one step, during which nothing else of the process goes on: about 1 ms."""

REACH_BYTES: Final = 8 << 10
"""More than the markers of an event take: one of each kind, with labels of 120 characters."""


def count_kind(markers: bytes, kind: str) -> int:
    """How many markers there are of a kind."""
    sign = b'"kind":"%b"' % kind.encode()
    return sum(markers.count(sign, at, at + STEP_BYTES + len(sign) - 1) for at in range(0, len(markers), STEP_BYTES))


def thin(markers: bytes, totals: Mapping[str, int], most: int) -> bytes:
    """The same array with at most `most` markers of each kind in `totals`, which says how many of them there are.

    What is kept is spread evenly over what there was; kinds that are not in `totals` are left alone.
    """
    many = [kind.encode() for kind, total in totals.items() if total > most]
    if not many:
        return markers
    numbers = dict.fromkeys(many, -1)

    def keep(found: re.Match[bytes]) -> bytes:
        kind = found[2]
        total = totals[kind.decode()]
        numbers[kind] = number = numbers[kind] + 1
        return found[0] if (number + 1) * most // total > number * most // total else b""

    thinned = re.sub(rb"(?<=[\[,])" + _FIELDS % b"|".join(many), keep, markers)
    return thinned[:-2] + b"]" if thinned.endswith(b",]") else thinned


def find_labels(markers: MarkerBytes, kind: str, seqs: Iterable[int]) -> Iterator[str]:
    """The label of the marker of a kind at each of these events, empty where there is none.

    Looks for each as in a dictionary, by opening it in the middle, so that it does not matter how many there are.
    """
    for seq in seqs:
        at = _place(markers, seq)
        yield _label(bytes(markers[at : at + REACH_BYTES]), kind.encode(), seq)


def _place(markers: MarkerBytes, seq: int) -> int:
    """Where the first marker of an event, or of one behind it, is to be found."""
    low, high = 0, len(markers)
    while low < high:
        middle = (low + high) // 2
        found = _START.search(bytes(markers[middle : middle + REACH_BYTES]))
        if found is None or int(found[1]) >= seq:
            high = middle
        else:
            low = middle + found.end()
    return low


def _label(beginning: bytes, kind: bytes, seq: int) -> str:
    for found in _MARKER.finditer(beginning):
        if int(found[1]) > seq:
            break
        if int(found[1]) == seq and found[2] == kind:
            return str(orjson.loads(found[3]))
    return ""
