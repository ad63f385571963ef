"""What a query asks of the list of sessions (`docs/protocol.md`, `GET /api/sessions`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

from scrollcast.archive.listing import DEFAULT_LIMIT, MAX_LIMIT, SORT_KEYS, Listing, decode_cursor
from scrollcast.archive.timestamps import Instant, parse_instant
from scrollcast.errors import BadRequest
from scrollcast.stream.parameters import parse_bool, parse_int

__all__ = ["parse_count", "parse_listing"]

_T = TypeVar("_T")


def parse_listing(query: Mapping[str, str]) -> Listing:
    """From query parameters; an unknown one is ignored, and so is one without a value.

    Raises:
        BadRequest: a value cannot be taken; it names the parameter.
    """
    sort = query.get("sort", "-updated_at")
    if sort.removeprefix("-") not in SORT_KEYS:
        raise BadRequest("sort", f"must be one of {', '.join(SORT_KEYS)}, with - before it for descending")
    return Listing(
        agent=query.get("agent") or None,
        project=query.get("project") or None,
        model=query.get("model") or None,
        errors=_parse(query, "errors", parse_bool),
        parent=_parse(query, "parent", _scroll_id),
        live=_parse(query, "live", parse_bool),
        after=_parse(query, "after", _instant),
        before=_parse(query, "before", _instant),
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        limit=min(MAX_LIMIT, parse_count(query, "limit", DEFAULT_LIMIT)),
        cursor=_parse(query, "cursor", lambda text: _cursor(text, sort)),
    )


def parse_count(query: Mapping[str, str], name: str, default: int) -> int:
    """A limit: a whole number from 1 on. Raises `BadRequest` naming the parameter."""
    if name not in query:
        return default
    try:
        return parse_int(query[name], 1)
    except ValueError as problem:
        raise BadRequest(name, str(problem)) from None


def _parse(query: Mapping[str, str], name: str, parse: Callable[[str], _T]) -> _T | None:
    """`None` where the parameter is missing or empty. `parse` raises `ValueError` with the reason."""
    if not query.get(name):
        return None
    try:
        return parse(query[name])
    except ValueError as problem:
        raise BadRequest(name, str(problem)) from None


def _instant(text: str) -> Instant:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError("must be a time as in RFC 3339, such as 2026-11-22T10:00:00Z")
    return instant


def _scroll_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("must be the id of a session") from None


def _cursor(text: str, sort: str) -> tuple[str | int, str]:
    """Raises for a cursor that this server did not make, or made for another order."""
    try:
        return decode_cursor(text, sort)
    except ValueError:
        raise ValueError("is not one that this server gave for this order") from None
