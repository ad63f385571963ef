"""Full-text search over the events of all sessions: an FTS5 index of blocks of text, and the hits in them.

A session is found when it holds all the words of a query, wherever they stand in it. Its hits are the events that hold
all of them; where no single event does, those that hold the most. `search_query` has the query language.

A block (`search_blocks`) is the row of the index, `number << 16 | place` its id. One such index answers everything:
which sessions hold a word is a run through the word's list of blocks, which numbers some tens of thousands at worst;
where in a session it stands is found in the texts of a few blocks. Text is stored packed, and nothing of it twice.
"""

from __future__ import annotations

import sqlite3
import threading
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, Self

import orjson

from scrollcast.archive.search_blocks import Block, BlockBuilder, Hit
from scrollcast.archive.search_database import SearchDatabase
from scrollcast.archive.search_query import Query, Term, parse_query
from scrollcast.archive.searchable import EventText

__all__ = ["Hit", "Indexed", "SearchBatch", "SearchIndex"]

PLACE_BITS: Final = 16
MAX_BLOCKS: Final = 1 << PLACE_BITS
"""What lies beyond so many blocks of a session, 2 GiB of text, is not searched."""

TRANSACTION_BYTES: Final = 16 << 20
"""So much text is written at once: for other writers a wait of a second at most. With less, merging takes longer."""

TRANSACTION_SESSIONS: Final = 1_000
"""The same for sessions with next to no text."""

REMOVED_AT_ONCE: Final = 256
"""How many blocks are taken out in one transaction."""

BLOCKS_LOOKED_INTO: Final = 3
"""For a list of sessions, how many blocks are unpacked of each. More are rarely needed: the blocks with the most of the
words come first."""

SHOWN_AT_ONCE: Final = 64
"""So many blocks are kept of what is shown to somebody who may not see all, while one query is answered."""

REMEMBERED_QUERIES: Final = 8
"""The next page of a list, and a session opened from it, need no second run through the index."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What is indexed of a session: the key and the epoch that were given with it, and the number of its events.

    `key` is empty while a session is half written; it has to be indexed again unless somebody is at it.
    """

    key: str
    count: int
    epoch: str


class SearchIndex:
    """The texts of the sessions, by the numbers that the catalogue gives them.

    Its methods block, and are safe to call from several threads; several processes may write to it. Where `available`
    is false there is no search: nothing is written, and nothing found. A damaged or outdated index is made anew, empty.
    All methods raise `ArchiveError` when the index cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Where it lies, for a helper process to open one of its own."""
        self._database = SearchDatabase(folder)
        self._matches: OrderedDict[tuple[int, Query], _Matches] = OrderedDict()
        self._lock = threading.Lock()  # of these

    @property
    def available(self) -> bool:
        """Whether there is search."""
        return self._database.available

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # ----------------------------------------------------------------------------------------------------- writing

    def state(self, number: int) -> Indexed | None:
        """What is indexed of a session, `None` when nothing is."""
        return self._states("WHERE number = ?", (number,)).get(number)

    def states(self) -> dict[int, Indexed]:
        """The same of all sessions, to find those that are behind."""
        return self._states("", ())

    def count(self) -> int:
        """Of how many sessions everything is indexed that was there when it was read."""
        if not self.available:
            return 0
        query = "SELECT count(*) FROM sessions WHERE key <> ''"
        return self._database.read(lambda connection: int(connection.execute(query).fetchone()[0]))

    def _states(self, where: str, values: tuple[int, ...]) -> dict[int, Indexed]:
        if not self.available:
            return {}
        query = f"SELECT number, key, count, epoch FROM sessions {where}"
        return self._database.read(
            lambda connection: {number: Indexed(*rest) for number, *rest in connection.execute(query, values)}
        )

    def batch(self) -> SearchBatch:
        """For many sessions at once: `with index.batch() as batch:` and its `replace` and `extend`."""
        return SearchBatch(self._database)

    def replace(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """Make these the texts of a session; `key` (not empty) says what they were read from. The number of its events.

        They are compared with what is there, and only what differs is written. It is complete, and `state` tells the
        key, with the last transaction; whoever is killed before that leaves it half written and consistent. When two
        write the same session, the one that comes second gives up.
        """
        with self.batch() as batch:
            return batch.replace(number, key, epoch, texts)

    def extend(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """Add the texts of events from `state(number).count` on to a session; earlier ones are passed over.

        The result is what `replace` makes of all of them. Gives the number of events, and 0 with nothing done where
        there is no finished session to extend.
        """
        with self.batch() as batch:
            return batch.extend(number, key, epoch, texts)

    def remove(self, numbers: Iterable[int]) -> None:
        """Forget sessions. Nothing else does: one whose source is gone can still be searched."""
        if not self.available:
            return
        left = list(dict.fromkeys(numbers))
        while left:
            gone = self._database.write(lambda connection: _remove_some(connection, left))
            del left[:gone]

    # ---------------------------------------------------------------------------------------------------- searching

    def matching(self, query: str, *, excluding: bool = True) -> Sequence[int]:
        """The sessions that hold all the words of a query, in order of their numbers; without `excluding` also those
        that hold what must not be in them.

        In SQL it is used as `number IN (SELECT value FROM json_each(?))` with this list as JSON.

        Raises:
            BadRequest: the query has no word in it, or too many.
        """
        parsed = parse_query(query)
        if not excluding:
            parsed = replace(parsed, excluded=())
        if not self.available:
            return ()
        return self._database.read(lambda connection: self._matches_of(connection, parsed)).numbers

    def hits(self, query: str, numbers: Sequence[int], per_session: int = 3) -> dict[int, list[Hit]]:
        """A few hits of each of these sessions that matches, in order: the earliest in the first blocks that hold the
        most of the words. Raises as `matching`.
        """
        parsed = parse_query(query)
        if not self.available:
            return {}

        def work(connection: sqlite3.Connection) -> dict[int, list[Hit]]:
            matches = self._matches_of(connection, parsed)
            found = {number: matches.blocks(number) for number in numbers}
            unpack = partial(_unpacked, connection)
            return {
                number: hits
                for number, blocks in found.items()
                if blocks and (hits := _hits(unpack, matches.terms, blocks[:BLOCKS_LOOKED_INTO], per_session))
            }

        return self._database.read(work)

    def session_hits(self, query: str, number: int, limit: int) -> list[Hit]:
        """The first `limit` hits of one session, in order. Raises as `matching`."""
        parsed = parse_query(query)
        if not self.available:
            return []

        def work(connection: sqlite3.Connection) -> list[Hit]:
            matches = self._matches_of(connection, parsed, number)
            return _hits(partial(_unpacked, connection), matches.terms, matches.blocks(number), limit)

        return self._database.read(work)

    def shown_hits(
        self, query: str, number: int, limit: int, show: Callable[[Block], Block | None]
    ) -> list[Hit] | None:
        """As `session_hits`, of what somebody is shown of a session, who may not see all: `show` makes of a block what
        that is. `None` where what is shown does not match. Raises as `matching`, and what `show` does.

        It takes a look at each block that holds a word of the query, so that nothing is told of what is not shown.
        """
        parsed = parse_query(query)
        if not self.available:
            return None
        # What is shown is made outside of the database, whose readers are few.
        wanted = replace(parsed, excluded=())
        matches = self._database.read(lambda connection: self._matches_of(connection, wanted, number))
        shown: dict[int, Block | None] = {}

        def look(block_id: int) -> Block | None:
            if block_id not in shown:
                block = self._database.read(lambda connection: _unpacked(connection, block_id))
                if len(shown) >= SHOWN_AT_ONCE:
                    shown.pop(next(iter(shown)))
                shown[block_id] = None if block is None else show(block)
            return shown[block_id]

        def holds(term: Term) -> bool:
            blocks = self._database.read(lambda connection: _blocks_with(connection, term, number))
            return any(block.holds(term) for block in map(look, blocks) if block is not None)

        if not all(map(holds, matches.terms)) or any(map(holds, parsed.excluded)):
            return None
        return _hits(look, matches.terms, matches.blocks(number), limit)

    def _matches_of(self, connection: sqlite3.Connection, query: Query, only: int | None = None) -> _Matches:
        (generation,) = connection.execute("SELECT value FROM facts WHERE name = 'generation'").fetchone()
        with self._lock:
            known = self._matches.get((generation, query))
        if known is not None:
            return known
        matches = _Matches.of(connection, query, only)
        if only is None:
            with self._lock:
                self._matches[generation, query] = matches
                while len(self._matches) > REMEMBERED_QUERIES:
                    self._matches.popitem(last=False)
        return matches


# ------------------------------------------------------------------------------------------------------- matches


class _Matches:
    """The blocks that hold each term of a query (the rarest term first), and the sessions that hold all of them."""

    def __init__(self, terms: Sequence[Term], blocks: Sequence[Sequence[int]], numbers: Sequence[int]) -> None:
        self.terms = terms
        self.numbers = numbers
        self._blocks = blocks

    @classmethod
    def of(cls, connection: sqlite3.Connection, query: Query, only: int | None) -> Self:
        """The matches in all sessions, or only in one."""
        found = sorted(((_blocks_with(connection, term, only), term) for term in query.terms), key=_rarity)
        numbers = set.intersection(*({block >> PLACE_BITS for block in blocks} for blocks, _ in found))
        for term in query.excluded if numbers else ():
            numbers.difference_update(block >> PLACE_BITS for block in _blocks_with(connection, term, only))
        return cls([term for _, term in found], [blocks for blocks, _ in found], sorted(numbers))

    def blocks(self, number: int) -> list[tuple[int, int]]:
        """The session's blocks that hold some of the terms, those with the most first, each with how many it holds.

        None if the session does not match.
        """
        place = bisect_left(self.numbers, number)
        if place == len(self.numbers) or self.numbers[place] != number:
            return []
        low, high = number << PLACE_BITS, (number + 1) << PLACE_BITS
        held = Counter(
            chain.from_iterable(blocks[bisect_left(blocks, low) : bisect_left(blocks, high)] for blocks in self._blocks)
        )
        return sorted(held.items(), key=lambda block: (-block[1], block[0]))


def _rarity(found: tuple[Sequence[int], Term]) -> int:
    return len(found[0])


def _blocks_with(connection: sqlite3.Connection, term: Term, only: int | None) -> list[int]:
    """The ids of the blocks that hold a term, ascending."""
    # One text of all of them crosses from SQLite to Python in a third of the time that so many rows take.
    statement = "SELECT '[' || coalesce(group_concat(rowid), '') || ']' FROM words WHERE words MATCH ?"
    if only is None:
        (ids,) = connection.execute(statement, (term.expression,)).fetchone()
    else:
        limits = only << PLACE_BITS, (only + 1) << PLACE_BITS
        statement += " AND rowid >= ? AND rowid < ?"
        (ids,) = connection.execute(statement, (term.expression, *limits)).fetchone()
    found: list[int] = orjson.loads(ids)
    return found


def _hits(
    unpack: Callable[[int], Block | None], terms: Sequence[Term], blocks: Iterable[tuple[int, int]], limit: int
) -> list[Hit]:
    """The first hits in these blocks of a session; where there are none, the events that come nearest to being one.

    `unpack` gives a block by its id.
    """
    hits: list[Hit] = []
    near: list[tuple[int, Callable[[], Hit]]] = []
    most = len(terms) - 1  # of the terms in an event, where none has all of them
    for block_id, held in blocks:
        is_near_enough = sum(count == most for count, _ in near) >= limit
        # No event reaches into another block: without all of the terms it has no hit, and neither have those behind it.
        if len(hits) >= limit or (held <= most and (hits or is_near_enough)):
            break
        block = unpack(block_id)
        if block is None:
            continue
        hits += block.hits(terms, limit - len(hits)) if held > most else ()
        if not hits and most and not is_near_enough:
            near += block.near_hits(terms, limit)
    if not hits and near:
        near.sort(key=lambda item: -item[0])
        hits = [make_hit() for _, make_hit in near[:limit]]
    return sorted(hits, key=lambda hit: hit.seq)


def _unpacked(connection: sqlite3.Connection, block_id: int) -> Block | None:
    row = connection.execute("SELECT data FROM blocks WHERE id = ?", (block_id,)).fetchone()
    return None if row is None else Block.unpack(row[0])


# ------------------------------------------------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True)
class _Row:
    """One block, ready to be written."""

    place: int
    digest: bytes
    data: bytes
    words: str


@dataclass(slots=True)
class _Write:
    """A session that is being written: the blocks that differ from those stored, and how many there are in all.

    `version` is that of the stored state that they were compared with, `total` is `None` until the last block is there.
    """

    number: int
    key: str
    epoch: str
    version: int
    count: int = 0
    total: int | None = None
    rows: list[_Row] = field(default_factory=list)
    is_lost: bool = False


class SearchBatch:
    """Collects what is to be written, so that a transaction holds as many sessions as are worth one.

    What was given may be written at any time, and all of it is when the batch ends; when it ends with an exception,
    sessions given whole before are still written. Not safe to use from several threads.
    """

    def __init__(self, database: SearchDatabase) -> None:
        self._database = database
        self._waiting: list[_Write] = []
        self._waiting_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.flush()

    def replace(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """As `SearchIndex.replace`."""
        if not self._database.available:
            return 0
        self._settle(number)
        version, digests = self._database.read(
            lambda connection: (_version(connection, number), _digests(connection, number))
        )
        return self._put(_Write(number, key, epoch, version), texts, 0, digests)

    def extend(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """As `SearchIndex.extend`."""
        if not self._database.available:
            return 0
        self._settle(number)
        known = self._database.read(lambda connection: _end_of(connection, number))
        if known is None:
            return 0
        new = (text for text in texts if text.seq >= known.count)
        write = _Write(number, key, epoch, known.version, known.count)
        # The last block is filled up: it is made again of its texts and the new ones.
        return self._put(write, chain(known.texts, new), known.place, known.digests)

    def flush(self) -> None:
        """Write what waits. What is written is there for everybody, whatever happens next."""
        if self._waiting:
            self._commit(self._waiting)
            self._waiting = []

    def _settle(self, number: int) -> None:
        if any(write.number == number for write in self._waiting):
            self.flush()

    def _put(self, write: _Write, texts: Iterable[EventText], place: int, digests: Mapping[int, bytes]) -> int:
        assert write.key, "an empty key says that a session is half written"
        builder = BlockBuilder(write.count)
        for block in builder.build(texts):
            digest = block.digest
            if place < MAX_BLOCKS and digests.get(place) != digest:
                self._add(write, block, place, digest)
            if write.is_lost:
                return 0
            place += 1
        write.count, write.total = builder.count, min(place, MAX_BLOCKS)
        self._waiting.append(write)
        if self._waiting_bytes >= TRANSACTION_BYTES or len(self._waiting) >= TRANSACTION_SESSIONS:
            self.flush()
        return write.count

    def _add(self, write: _Write, block: Block, place: int, digest: bytes) -> None:
        if self._waiting_bytes >= TRANSACTION_BYTES:
            self._commit([*self._waiting, write])
            self._waiting = []
        write.rows.append(_Row(place, digest, block.pack(), block.words))
        self._waiting_bytes += block.size

    def _commit(self, writes: Sequence[_Write]) -> None:
        # FTS5 starts a new segment whenever an id is lower than the one before.
        in_order = sorted(writes, key=lambda write: write.number)
        written = self._database.write(lambda connection: [_write(connection, write) for write in in_order])
        for write, is_written in zip(in_order, written, strict=True):
            write.is_lost = not is_written
            write.version += 1
            write.rows.clear()
        self._waiting_bytes = 0


def _write(connection: sqlite3.Connection, write: _Write) -> bool:
    """Write what there is of a session; `False`, with nothing done, where somebody else wrote it meanwhile."""
    if _version(connection, write.number) != write.version:
        return False
    is_whole = write.total is not None
    connection.execute(
        "INSERT OR REPLACE INTO sessions (number, key, epoch, count, version) VALUES (?, ?, ?, ?, ?)",
        (write.number, write.key if is_whole else "", write.epoch, write.count, write.version + 1),
    )
    first = write.number << PLACE_BITS
    for row in write.rows:
        _forget(connection, first + row.place, first + row.place + 1)
        connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", (first + row.place, row.digest, row.data))
        connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (first + row.place, row.words))
    if write.total is not None:
        _forget(connection, first + write.total, first + MAX_BLOCKS)
    return True


def _forget(connection: sqlite3.Connection, start: int, stop: int, limit: int = -1) -> int:
    """Take out blocks by their ids, the first `limit` of them; how many these were."""
    # The index has no texts of its own: to forget a block it has to be told again what was in it.
    statement = "SELECT id, data FROM blocks WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
    found = connection.execute(statement, (start, stop, limit)).fetchall()
    for block_id, data in found:
        words = Block.unpack(data).words
        connection.execute("INSERT INTO words (words, rowid, text) VALUES ('delete', ?, ?)", (block_id, words))
        connection.execute("DELETE FROM blocks WHERE id = ?", (block_id,))
    return len(found)


def _remove_some(connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
    """Take out as many of these sessions as fit into a transaction; how many are gone."""
    left = REMOVED_AT_ONCE
    for place, number in enumerate(numbers):
        first = number << PLACE_BITS
        left -= _forget(connection, first, first + MAX_BLOCKS, left)
        if left <= 0:
            connection.execute("UPDATE sessions SET key = '', version = version + 1 WHERE number = ?", (number,))
            return place
        connection.execute("DELETE FROM sessions WHERE number = ?", (number,))
    return len(numbers)


# --------------------------------------------------------------------------------------------------- what is there


def _version(connection: sqlite3.Connection, number: int) -> int:
    """It grows with every write of a session; 0 where there is nothing of it."""
    row = connection.execute("SELECT version FROM sessions WHERE number = ?", (number,)).fetchone()
    return int(row[0]) if row else 0


def _digests(connection: sqlite3.Connection, number: int) -> dict[int, bytes]:
    first = number << PLACE_BITS
    statement = "SELECT id - ?, digest FROM blocks WHERE id >= ? AND id < ?"
    return dict(connection.execute(statement, (first, first, first + MAX_BLOCKS)))


@dataclass(frozen=True, slots=True)
class _End:
    """Where a session can be extended: its last block's place, digest and texts."""

    version: int
    count: int
    place: int
    digests: Mapping[int, bytes]
    texts: Sequence[EventText]


def _end_of(connection: sqlite3.Connection, number: int) -> _End | None:
    row = connection.execute("SELECT version, count, key FROM sessions WHERE number = ?", (number,)).fetchone()
    if row is None or not row[2]:
        return None
    first = number << PLACE_BITS
    statement = "SELECT id - ?, digest, data FROM blocks WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"
    last = connection.execute(statement, (first, first, first + MAX_BLOCKS)).fetchone()
    if last is None:
        return _End(row[0], row[1], 0, {}, ())
    place, digest, data = last
    return _End(row[0], row[1], place, {place: digest}, list(Block.unpack(data).texts()))
