"""Which sessions a list shows, in which order, and from where on; and the SQL that cuts such a page out of an index."""

from __future__ import annotations

import sqlite3
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from scrollcast.archive.rows import SESSION_COLUMNS, live_span, session_of
from scrollcast.archive.timestamps import Instant
from scrollcast.model import Session

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "SORT_KEYS",
    "Choice",
    "Key",
    "Listing",
    "Page",
    "decode_cursor",
    "encode_cursor",
    "select_page",
]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500

SORT_KEYS: Final = ("created_at", "updated_at", "title", "duration_ms", "count")
NUMBERS: Final = frozenset(("duration_ms", "count"))

FEW: Final = 1_000
"""So many sessions are sorted in a few milliseconds. Of more, a page is found by passing over the rest in order."""

Key: TypeAlias = tuple[str | int, str]
"""What a session is sorted by, then its id, so that the order is total and a cursor means one place in it."""

_Query: TypeAlias = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `numbers` are those of its sessions, `total` is the number of sessions on all pages."""

    numbers: list[int]
    sessions: list[Session]
    next_cursor: str | None
    total: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What was asked for; `None` where it does not matter.

    `after` is in the span and `before` is not; both are on `created_at`. `errors` is whether a tool call failed,
    `parent` whose subagents, `live` whether it is being written now. `cursor` is the key of the last session that was
    seen.
    """

    agent: str | None = None
    project: str | None = None
    model: str | None = None
    errors: bool | None = None
    parent: UUID | None = None
    live: bool | None = None
    after: Instant | None = None
    before: Instant | None = None
    sort: str = "updated_at"
    descending: bool = True
    limit: int = DEFAULT_LIMIT
    cursor: Key | None = None

    @property
    def order(self) -> str:
        """The sort key as it is asked for, with `-` before it for descending."""
        return f"-{self.sort}" if self.descending else self.sort


# ------------------------------------------------------------------------------------------------------- cursors


def encode_cursor(order: str, key: Key) -> str:
    """What a page's `next_cursor` is made of: the key of its last session."""
    return urlsafe_b64encode(orjson.dumps((order, *key))).decode().rstrip("=")


def decode_cursor(text: str, order: str) -> Key:
    """The key that a page's `next_cursor` was made of.

    Raises:
        ValueError: it is none, or was made for another order.
    """
    try:
        made_for, value, scroll_id = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if made_for != order or not isinstance(value, int if order.removeprefix("-") in NUMBERS else str):
            raise ValueError("made for another order")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("no number of ours")
        return value, str(UUID(scroll_id))
    except (TypeError, AttributeError) as problem:
        raise ValueError("no cursor") from problem


# ------------------------------------------------------------------------------------------------------ the page


def select_page(connection: sqlite3.Connection, listing: Listing, matching: Collection[int] | None = None) -> Page:
    """The page that was asked for; with `matching` only of the sessions of these numbers, which must exist."""
    if matching is not None and not isinstance(matching, Set):
        matching = frozenset(matching)
    if matching is not None and not matching:
        return Page([], [], None, 0)
    choice = Choice.of(listing, matching)
    with _matching(connection, matching):
        total = choice.known_total
        if total is None:
            total = connection.execute(*choice.count_query()).fetchone()[0]
        keys = connection.execute(*choice.keys_query(total)).fetchall() if total else []
    page, more = keys[: listing.limit], len(keys) > listing.limit
    cursor = None
    if more:
        _, value, scroll_id = page[-1]
        cursor = encode_cursor(listing.order, (value, str(UUID(bytes=scroll_id))))
    numbers = [number for number, _, _ in page]
    return Page(numbers, _sessions(connection, numbers), cursor, total)


def _sessions(connection: sqlite3.Connection, numbers: list[int]) -> list[Session]:
    """The sessions of these numbers, in this order."""
    marks = ", ".join("?" * len(numbers))
    query = f"SELECT number, {SESSION_COLUMNS} FROM sessions WHERE number IN ({marks})"
    found = {row[0]: session_of(row[1:]) for row in connection.execute(query, numbers)}
    return [found[number] for number in numbers]


@contextmanager
def _matching(connection: sqlite3.Connection, matching: Set[int] | None) -> Iterator[None]:
    """Lets SQL ask whether a number is among these: of many, a page's worth is asked for, and copying all is slow."""
    if matching is None or len(matching) <= FEW:
        yield
        return
    connection.create_function("matches", 1, matching.__contains__)
    try:
        yield
    finally:
        connection.create_function("matches", 1, None)


_ROWID: Final = "NOT INDEXED"


@dataclass(frozen=True, slots=True)
class Choice:
    """The conditions of a listing, and the index that leads to what meets the most selective of them.

    SQLite is told which index to take: it does not know how many sessions an agent has, and guesses badly. `leads` is
    empty where there is no condition; `narrow` says that what it leads to is always little, `known_total` how many
    there are on all pages where that needs no counting.
    """

    listing: Listing
    conditions: tuple[str, ...]
    values: tuple[Any, ...]
    leads: str
    narrow: bool
    known_total: int | None

    @classmethod
    def of(cls, listing: Listing, matching: Set[int] | None) -> Choice:
        """How to find what this listing shows, of all sessions or of the ones of these numbers."""
        found: list[tuple[str, tuple[Any, ...], str]] = []  # condition, values, index; the most selective first
        if listing.parent is not None:
            found.append(("parent = ?", (listing.parent.bytes,), "INDEXED BY sessions_by_parent"))
        if listing.live is not None:
            is_live = "number IN (SELECT number FROM sessions INDEXED BY sessions_growing"
            is_live += " WHERE grows = 1 AND gone = 0 AND mtime_ns > ? AND mtime_ns < ?)"
            sign = "" if listing.live else "NOT "
            found.append((sign + is_live, live_span(), _ROWID if listing.live else ""))
        if matching is not None:
            if len(matching) <= FEW:
                found.append((f"number IN ({', '.join('?' * len(matching))})", tuple(matching), _ROWID))
            else:
                found.append(("matches(number)", (), ""))
        for name in ("project", "model", "agent"):
            value = getattr(listing, name)
            if value is not None:
                # A name that nobody has has no number, and nothing equals that.
                lead = f"INDEXED BY sessions_by_{name}"
                found.append((f"{name} = (SELECT id FROM names WHERE text = ?)", (_text(value),), lead))
        if listing.after is not None or listing.before is not None:
            found.append((*_span(listing), "INDEXED BY sessions_by_created_us"))
        if listing.errors is not None:
            found.append(("has_errors = ?", (int(listing.errors),), "INDEXED BY sessions_by_errors"))
        leads = next((lead for _, _, lead in found if lead), "")
        values = tuple(value for _, some, _ in found for value in some)
        narrow = leads == _ROWID or listing.parent is not None
        known_total = len(matching) if matching is not None and len(found) == 1 else None
        return cls(listing, tuple(condition for condition, _, _ in found), values, leads, narrow, known_total)

    def count_query(self) -> _Query:
        """How many sessions there are on all pages. Reads an index, and of no other table than it must."""
        leads = self.leads or ("INDEXED BY sessions_by_created_us" if self.conditions else "")
        return f"SELECT count(*) FROM sessions {leads} {_where(self.conditions)}", self.values

    def keys_query(self, total: int) -> _Query:
        """The numbers and keys of a page's sessions and of the one behind them, in order."""
        listing, conditions, values = self.listing, self.conditions, self.values
        column = "title_key" if listing.sort == "title" else listing.sort
        if listing.cursor is not None:
            value, scroll_id = listing.cursor
            conditions += (f"({column}, scroll_id) {'<' if listing.descending else '>'} (?, ?)",)
            values += (value, UUID(scroll_id).bytes)
        sorts = self.leads and (self.narrow or total <= FEW)
        index = self.leads if sorts else f"INDEXED BY sessions_by_{listing.sort}"
        way = "DESC" if listing.descending else "ASC"
        return (
            f"SELECT number, {column}, scroll_id FROM sessions {index} {_where(conditions)}"
            f" ORDER BY {column} {way}, scroll_id {way} LIMIT ?",
            (*values, listing.limit + 1),
        )


def _span(listing: Listing) -> tuple[str, tuple[Any, ...]]:
    parts = [("created_us >= ?", listing.after), ("created_us < ?", listing.before)]
    given = [(condition, value) for condition, value in parts if value is not None]
    return " AND ".join(condition for condition, _ in given), tuple(value for _, value in given)


def _where(conditions: tuple[str, ...]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _text(value: str) -> str:
    """Text as it can be stored: a query may hold what is no character."""
    return value.encode("utf-8", "replace").decode()
