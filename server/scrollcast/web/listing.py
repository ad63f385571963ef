"""Which sessions a list shows, in which order, and from where on (`docs/protocol.md`, `GET /api/sessions`)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

import orjson

from scrollcast.archive.timestamps import Instant, parse_instant
from scrollcast.errors import BadRequest
from scrollcast.model import Session
from scrollcast.stream.parameters import parse_int

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "Listing", "Page"]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500

SORT_KEYS: Final = ("created_at", "updated_at", "title", "duration_ms", "count")

_Key: TypeAlias = tuple[str | int, str]
"""What a session is sorted by, then its id, so that the order is total and a cursor means one place in it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `total` is the number of sessions on all of them."""

    sessions: list[Session]
    next_cursor: str | None
    total: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What was asked for."""

    agent: str | None = None
    project: str | None = None
    after: Instant | None = None
    before: Instant | None = None
    sort: str = "updated_at"
    descending: bool = True
    limit: int = DEFAULT_LIMIT
    cursor: _Key | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Listing:
        """From query parameters; an unknown one is ignored.

        Raises:
            BadRequest: a value cannot be taken; it names the parameter.
        """
        sort = query.get("sort", "-updated_at")
        if sort.removeprefix("-") not in SORT_KEYS:
            raise BadRequest("sort", f"must be one of {', '.join(SORT_KEYS)}, with - before it for descending")
        return cls(
            agent=query.get("agent") or None,
            project=query.get("project") or None,
            after=_instant(query, "after"),
            before=_instant(query, "before"),
            sort=sort.removeprefix("-"),
            descending=sort.startswith("-"),
            limit=min(MAX_LIMIT, parse_count(query, "limit", DEFAULT_LIMIT)),
            cursor=_decode_cursor(query["cursor"], sort) if query.get("cursor") else None,
        )

    def page(self, sessions: Iterable[Session]) -> Page:
        """The page of these sessions that was asked for."""
        shown = sorted((s for s in sessions if self._shows(s)), key=self._key, reverse=self.descending)
        rest = [s for s in shown if self._follows(s)]
        page, more = rest[: self.limit], len(rest) > self.limit
        return Page(page, self._encode_cursor(page[-1]) if more else None, len(shown))

    def _shows(self, session: Session) -> bool:
        if self.agent is not None and session.agent != self.agent:
            return False
        if self.project is not None and session.project != self.project:
            return False
        if self.after is None and self.before is None:
            return True
        created = parse_instant(session.created_at)
        if created is None:
            return False
        return (self.after is None or created >= self.after) and (self.before is None or created < self.before)

    def _key(self, session: Session) -> _Key:
        value = getattr(session, self.sort)
        if self.sort == "title":
            value = value.casefold()
        return (value if value is not None else "", str(session.scroll_id))

    def _follows(self, session: Session) -> bool:
        if self.cursor is None:
            return True
        key = self._key(session)
        return key < self.cursor if self.descending else key > self.cursor

    def _encode_cursor(self, last: Session) -> str:
        sort = f"-{self.sort}" if self.descending else self.sort
        return urlsafe_b64encode(orjson.dumps((sort, *self._key(last)))).decode().rstrip("=")


def _instant(query: Mapping[str, str], name: str) -> Instant | None:
    if not query.get(name):
        return None
    instant = parse_instant(query[name])
    if instant is None:
        raise BadRequest(name, "must be a time as in RFC 3339, such as 2026-11-22T10:00:00Z")
    return instant


def parse_count(query: Mapping[str, str], name: str, default: int) -> int:
    """A limit: a whole number from 1 on. Raises `BadRequest` naming the parameter."""
    if name not in query:
        return default
    try:
        return parse_int(query[name], 1)
    except ValueError as problem:
        raise BadRequest(name, str(problem)) from None


def _decode_cursor(text: str, sort: str) -> _Key:
    """Raises `BadRequest` for a cursor that this server did not make, or made for another order."""
    try:
        made_for, value, scroll_id = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        numeric = sort.removeprefix("-") in ("duration_ms", "count")
        if made_for != sort or not isinstance(value, int if numeric else str):
            raise ValueError("made for another order")
        return (value, str(UUID(scroll_id)))
    except (ValueError, TypeError, AttributeError):
        raise BadRequest("cursor", "is not one that this server gave for this order") from None
