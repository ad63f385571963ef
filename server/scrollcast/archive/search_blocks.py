"""A block of the search index: consecutive events' texts, kept packed, and the hits in them.

The index says which blocks hold a word; which events these are, and where in them it stands, is looked up in the text.
A block is short enough for that to take less than a millisecond, and long enough for words to be worth sharing: with a
row for each event the index is twice as large, and takes twice as long to make.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from heapq import nsmallest
from itertools import accumulate, islice
from typing import Final

import orjson

from scrollcast.archive.search_database import Damaged
from scrollcast.archive.search_query import Snippet, Term, fold, make_snippet
from scrollcast.archive.searchable import EventText

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Block", "BlockBuilder", "Hit"]

BLOCK_BYTES: Final = 32 << 10
"""A block ends with the event that makes it this long."""

_SEPARATOR: Final = b"\n\x1f\n"
_CONTROLS: Final = bytes.maketrans(b"\x00\x1f", b"  ")

_COMPRESSION: Final = 1
"""Zstandard's level. Level 3 saves a thirtieth of the space, at a quarter more time."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An event that holds what was searched for: the type of the part that does, and a piece of its text."""

    seq: int
    t_ms: int
    kind: str
    snippet: Snippet


class BlockBuilder:
    """Puts texts together to blocks: the same texts always to the same blocks."""

    def __init__(self, count: int = 0) -> None:
        self.count = count
        """How many events there are, up to the last one that was taken."""
        self._texts: list[EventText] = []
        self._parts: list[bytes] = []
        self._size = 0

    def build(self, texts: Iterable[EventText]) -> Iterator[Block]:
        """The blocks of these texts, in order."""
        for text in texts:
            if text.seq >= self.count and self._size >= BLOCK_BYTES:
                yield self._take()
            self.count = max(self.count, text.seq + 1)
            part = text.text.encode(errors="replace").translate(_CONTROLS)
            if part.strip():
                self._texts.append(text)
                self._parts.append(part)
                self._size += len(part)
        if self._texts:
            yield self._take()

    def _take(self) -> Block:
        texts, parts = self._texts, self._parts
        self._texts, self._parts, self._size = [], [], 0
        body = _SEPARATOR.join(parts)
        folded = fold(body)
        seqs, times, kinds = (
            [text.seq for text in texts],
            [text.t_ms for text in texts],
            [text.kind for text in texts],
        )
        folded_sizes = [len(part) for part in folded.split(_SEPARATOR)]
        return Block(seqs, times, kinds, [len(part) for part in parts], body, folded_sizes, folded)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each text begins among others of these lengths, and where one after the last would."""
    return [size + place * len(_SEPARATOR) for place, size in enumerate(accumulate(sizes, initial=0))]


def _length(sizes: Sequence[int]) -> int:
    """Of texts of these lengths with separators between them."""
    return sum(sizes) + len(_SEPARATOR) * (len(sizes) - 1)


class Block:
    """The texts of a run of events: for each its event's number and time, its kind, and its UTF-8.

    `body` is the parts with separators between them, `folded` the same as it is compared, and the sizes are the lengths
    of the parts in them. Two blocks of the same content have the same `digest`.
    """

    def __init__(
        self,
        seqs: list[int],
        times: list[int],
        kinds: list[str],
        sizes: list[int],
        body: bytes,
        folded_sizes: list[int],
        folded: bytes,
    ) -> None:
        self._seqs = seqs
        self._times = times
        self._kinds = kinds
        self._sizes = sizes
        self._body = body
        self._folded_sizes = folded_sizes
        self._folded = folded

    @classmethod
    def unpack(cls, data: bytes) -> Block:
        """The block that was packed as `data`.

        Raises:
            Damaged: it is none.
        """
        try:
            # One frame, as `pack` writes it: `zstd.decompress`, which looks for more of them, takes half as long again.
            payload = zstd.ZstdDecompressor().decompress(data)
            start = payload.index(b"\n") + 1
            seqs, times, kinds, sizes, folded_sizes = orjson.loads(payload[:start])
            length = _length(sizes)
            body = payload[start : start + length]
            folded = payload[start + length :] if folded_sizes else body.lower()
            folded_sizes = folded_sizes or sizes
            if not len(seqs) == len(times) == len(kinds) == len(sizes) == len(folded_sizes):
                raise ValueError("texts are missing")
            if (len(body), len(folded)) != (length, _length(folded_sizes)):
                raise ValueError("texts are cut short")
        except (zstd.ZstdError, EOFError, ValueError, TypeError) as problem:
            raise Damaged(f"a block of texts: {problem}") from problem
        return cls(seqs, times, kinds, sizes, body, folded_sizes, folded)

    @cached_property
    def _payload(self) -> bytes:
        # Folding text that is not ASCII takes longer than all the rest of a search. A second copy is hardly any larger
        # to store, and tells the index what to forget even where a later version folds otherwise. Lengths are kept
        # because splitting the texts would take as long as unpacking them.
        is_plain = self._body.isascii()
        folded_sizes = [] if is_plain else self._folded_sizes
        head = orjson.dumps([self._seqs, self._times, self._kinds, self._sizes, folded_sizes])
        return head + b"\n" + self._body + (b"" if is_plain else self._folded)

    @property
    def digest(self) -> bytes:
        """What tells it from another block."""
        return blake2b(self._payload, digest_size=8).digest()

    def pack(self) -> bytes:
        """The block as it is stored."""
        return zstd.compress(self._payload, _COMPRESSION)

    @property
    def words(self) -> str:
        """What the index is given of it, and needs again to forget it."""
        return self._folded.decode()

    @property
    def size(self) -> int:
        """The bytes of its texts."""
        return len(self._body)

    def texts(self) -> Iterator[EventText]:
        """The texts that it was made of."""
        parts = self._body.split(_SEPARATOR)  # none has it inside
        for seq, t_ms, kind, part in zip(self._seqs, self._times, self._kinds, parts, strict=True):
            yield EventText(seq, t_ms, kind, part.decode())

    # ---------------------------------------------------------------------------------------------------- searching

    @cached_property
    def _starts(self) -> list[int]:
        """Where each part begins in the folded text, and where one after the last would."""
        return _starts(self._folded_sizes)

    def _part(self, place: int) -> bytes:
        start = _starts(self._sizes[:place])[-1]
        return self._body[start : start + self._sizes[place]]

    @property
    def seqs(self) -> range:
        """The numbers of the events that it has texts of lie in this range."""
        return range(self._seqs[0], self._seqs[-1] + 1)

    def holds(self, term: Term) -> bool:
        """Whether a term is anywhere in it."""
        return term.find(self._folded, 0, len(self._folded)) is not None

    def hits(self, terms: Sequence[Term], limit: int) -> list[Hit]:
        """The first so many events that hold all the terms. It is fastest with the rarest one first."""
        return [self._hit(first, stop, terms) for first, stop in islice(self._events_with_all(terms), limit)]

    def near_hits(self, terms: Sequence[Term], limit: int) -> list[tuple[int, Callable[[], Hit]]]:
        """Events that hold some of the terms, those with the most first: how many, and what makes the hit.

        To be asked for where no event holds all of them.
        """
        enough = (
            limit if len(terms) == 2 else None
        )  # of two terms each of them holds one: the first events are the best
        held = Counter(event for term in terms for event in islice(self._events_with(term), enough))
        best = nsmallest(limit, held.items(), key=lambda item: (-item[1], item[0]))
        return [(count, partial(self._hit, first, stop, terms)) for (first, stop), count in best]

    def _events_with_all(self, terms: Sequence[Term]) -> Iterator[tuple[int, int]]:
        first_term, *others = terms
        for first, stop in self._events_with(first_term):
            start, end = self._starts[first], self._starts[stop]
            if all(term.find(self._folded, start, end) for term in others):
                yield first, stop

    def _events_with(self, term: Term) -> Iterator[tuple[int, int]]:
        """The events that hold a term, each as the range of its parts."""
        place = 0
        while found := term.find(self._folded, place, len(self._folded)):
            event = self._event_of(bisect_right(self._starts, found[0]) - 1)
            yield event
            place = self._starts[event[1]]

    def _event_of(self, part: int) -> tuple[int, int]:
        seq, first, stop = self._seqs[part], part, part + 1
        while first > 0 and self._seqs[first - 1] == seq:
            first -= 1
        while stop < len(self._seqs) and self._seqs[stop] == seq:
            stop += 1
        return first, stop

    def _hit(self, first: int, stop: int, terms: Sequence[Term]) -> Hit:
        best = max(range(first, stop), key=lambda part: self._terms_in(part, terms))  # the earliest of those
        folded = self._folded[self._starts[best] : self._starts[best + 1] - len(_SEPARATOR)]
        snippet = make_snippet(self._part(best), folded, terms)
        return Hit(self._seqs[best], self._times[best], self._kinds[best], snippet)

    def _terms_in(self, part: int, terms: Sequence[Term]) -> int:
        start, end = self._starts[part], self._starts[part + 1]
        return sum(term.find(self._folded, start, end) is not None for term in terms)
