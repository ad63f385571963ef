"""New files made of old ones: damaged, with other values in them, with one piece of them over and over."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any, Final

import orjson

__all__ = ["LARGE_BYTES", "Mutator", "dictionary"]

LARGE_BYTES: Final = 1 << 20
"""Enough to tell time that grows with the square of a file's size."""

LARGE_SHARE: Final = 0.03
"""How many of the files are large ones: each costs as much as a hundred small ones."""

_JUNK: Final = (
    b"", b"\0", b"\xff\xfe", b"\n", b"\r\n", b"\xe2\x80\xa8", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\ud83d", b"null",
    b"NaN", b"-1", b"1e999", b"9" * 30, b"9" * 5000, b"[]", b"{}", b"[" * 2000, b'{"a":' * 2000, b" " * 4000,
    b"\xef\xbb\xbf",
)  # fmt: skip

_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 7, -1.5, 1 << 63, "", "x", "\0", " \n", "../../etc/passwd", "data:image/png;base64,AA==",
    [], {}, ["x"], [None], [[]], [{}], {"type": "text"}, {"type": "text", "text": "x"}, {"type": "unknown"}, {"": {}},
    "2026-01-01T00:00:00Z", "9999-99-99T99:99:99Z", 1e18, -5, "<", "<user_query>", "<think>", "ses_", "msg_",
)  # fmt: skip


_DEPTH: Final = 64
"""What is nested deeper is changed only as bytes: to say where it stands costs as much as it is deep."""

_ID: Final = re.compile(rb'[iI][dD]":\s*"')


class Mutator:
    """Makes a new file of an old one, in one or a few steps; `known` are files to borrow from. `large_bytes` is how
    large a file becomes when a piece of it is repeated."""

    def __init__(self, dice: random.Random, known: Sequence[bytes], large_bytes: int = LARGE_BYTES) -> None:
        self._dice = dice
        self._large_bytes = large_bytes
        self._lines = [line for content in known for line in content.split(b"\n") if line.strip()]
        self._words = dictionary(known)

    def mutate(self, data: bytes) -> bytes:
        """A file that differs from `data`, mostly."""
        steps: Sequence[Callable[[bytes], bytes]] = (
            self._damage, self._damage, self._insert_word, self._move_line, self._borrow_line, self._replace_value,
            self._replace_value, self._replace_value, self._exchange_values,
        )  # fmt: skip
        for _ in range(self._dice.randint(1, 4)):
            data = self._dice.choice(steps)(data)
        return self.enlarge(data) if self._dice.random() < LARGE_SHARE else data

    def enlarge(self, data: bytes) -> bytes:
        """One line of a file, or one item of a list in it, over and over; each time as it is, or under other ids."""
        lines = data.split(b"\n")
        if len(lines) < 3 and (enlarged := self._enlarge_list(data)) is not None:
            return enlarged
        line = self._dice.choice(lines)
        position = self._dice.randrange(len(lines) + 1)
        return b"\n".join((*lines[:position], *self._copies(line), *lines[position:]))

    def _enlarge_list(self, data: bytes) -> bytes | None:
        try:
            value = orjson.loads(data)
            places = [place for place in _places(value) if isinstance(_at(value, place), list) and _at(value, place)]
            if not places:
                return None
            items = _at(value, self._dice.choice(places))
            copies = b",".join(self._copies(orjson.dumps(self._dice.choice(items))))
            items.append(mark := "copies stand here")
            return orjson.dumps(value).replace(orjson.dumps(mark), copies)
        except (ValueError, TypeError, RecursionError):
            return None

    def _copies(self, piece: bytes) -> Iterator[bytes]:
        numbered = self._dice.random() < 0.5
        for number in range(self._large_bytes // (len(piece) + 1)):
            yield _ID.sub(rb"\g<0>%d-" % number, piece) if numbered else piece

    def _span(self, data: bytes, most: int) -> tuple[int, int]:
        start = self._dice.randint(0, len(data))
        return start, min(len(data), start + self._dice.randint(0, most))

    def _damage(self, data: bytes) -> bytes:
        start, stop = self._span(data, self._dice.choice((0, 1, 8, 64, 4096)))
        return data[:start] + self._dice.choice(_JUNK) + data[stop:]

    def _insert_word(self, data: bytes) -> bytes:
        start, stop = self._span(data, 12)
        return data[:start] + self._dice.choice(self._words) + data[stop:]

    def _move_line(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        line = self._dice.choice(lines)
        if self._dice.random() < 0.5:
            lines.remove(line)
        lines.insert(self._dice.randint(0, len(lines)), line)
        return b"\n".join(lines)

    def _borrow_line(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        lines.insert(self._dice.randint(0, len(lines)), self._dice.choice(self._lines))
        return b"\n".join(lines)

    def _replace_value(self, data: bytes) -> bytes:
        return self._with_values(data, lambda _old: self._dice.choice(_VALUES))

    def _exchange_values(self, data: bytes) -> bytes:
        """A value of another place, of this file or of any."""
        try:
            other = orjson.loads(self._dice.choice(self._lines))
        except ValueError:
            return data
        places = list(_places(other))
        return self._with_values(data, lambda old: _at(other, self._dice.choice(places)) if places else old)

    def _with_values(self, data: bytes, change: Callable[[Any], Any]) -> bytes:
        """The file, or one of its lines, with some of the values in it replaced."""
        lines = data.split(b"\n")
        number = self._dice.randrange(len(lines))
        for pieces, place in (([data], 0), (lines, number)):
            try:
                value = orjson.loads(pieces[place])
                for _ in range(self._dice.randint(1, 3)):
                    _change_one(value, list(_places(value)), self._dice, change)
                pieces[place] = orjson.dumps(value)
            except (ValueError, TypeError, RecursionError):
                continue
            return b"\n".join(pieces)
        return self._damage(data)


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Where each value inside a JSON value stands, down to `_DEPTH`."""
    pending: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while pending:
        place, value = pending.pop()
        if place:
            yield place
        if len(place) < _DEPTH:
            pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            pending.extend(((*place, key), inner) for key, inner in reversed([*pairs]))


def _at(value: Any, place: Sequence[Any]) -> Any:
    for key in place:
        value = value[key]
    return value


def _change_one(
    value: Any, places: Sequence[tuple[Any, ...]], dice: random.Random, change: Callable[[Any], Any]
) -> None:
    if places:
        *above, key = dice.choice(places)
        holder = _at(value, above)
        holder[key] = deepcopy(change(holder[key]))  # else the next change may put a value into itself


def dictionary(known: Sequence[bytes]) -> list[bytes]:
    """The names and the short texts that stand in some files of JSON, as they stand there."""
    words: set[bytes] = set()
    for content in known:
        for line in (content, *content.split(b"\n")):
            with suppress(ValueError):
                value = orjson.loads(line)
                for place in _places(value):
                    texts = [key for key in place[-1:] if isinstance(key, str)]
                    inner = _at(value, place)
                    texts += [inner] if isinstance(inner, str) else []
                    words.update(orjson.dumps(text) for text in texts if len(text) <= 40)
    return sorted(words)
