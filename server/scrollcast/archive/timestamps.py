"""When something was recorded: the many forms that archives hold, as one instant and as RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Instant", "format_instant", "parse_instant", "read_time", "to_rfc3339"]

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_MILLISECONDS_FROM: Final = 1e11
"""A number from here on counts milliseconds, a smaller one seconds (1e11 s would be the year 5138)."""

_LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999, where RFC 3339 ends."""


_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
"""Stricter than ISO 8601: date, time, seconds and zone are all there."""


def parse_instant(value: object) -> Instant | None:
    """An archived timestamp as an instant; `None` for anything that is none, which is never an error.

    Text is ISO 8601 with up to nine digits of a second, without a zone taken as UTC; a number counts seconds or
    milliseconds since 1970.
    """
    match value:
        case str():
            return _parse_text(value)
        case bool():
            return None
        case int() | float():
            return _parse_number(value)
        case _:
            return None


def _parse_text(text: str) -> Instant | None:
    try:
        moment = datetime.fromisoformat(text.upper())  # RFC 3339 allows a small `z`
    except ValueError:
        return None
    if moment.tzinfo is not UTC:  # it is, where the text ends with a `Z`
        try:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:  # its offset moves it out of the years that can be told
            return None
    return (moment - _EPOCH) // _MICROSECOND


def _parse_number(value: float) -> Instant | None:
    if not 0 < value <= _LAST_SECOND * 1000:  # NaN fails both
        return None
    return round(value * (1_000 if value >= _MILLISECONDS_FROM else 1_000_000))


def format_instant(instant: Instant) -> str:
    """An instant as RFC 3339 text in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_rfc3339(value: object, instant: Instant) -> str:
    """An archived timestamp, whose instant this is, as RFC 3339 text: unchanged where it already is."""
    return value if isinstance(value, str) and _RFC3339.fullmatch(value) else format_instant(instant)


def read_time(value: object) -> tuple[Instant, str] | None:
    """An archived timestamp as an instant and as RFC 3339 text; `None` for anything that is none."""
    # Nearly all have the form 2026-03-02T09:00:00.123Z. No other form of ISO 8601 has all of these in their places: a
    # date by its week has a `W` in place of a digit.
    if (
        isinstance(value, str)
        and len(value) == 24
        and value[23] == "Z"
        and value[19] == "."
        and value[10] == "T"
        and value[5] != "W"
    ):
        try:
            return (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND, value
        except ValueError:
            return None
    instant = parse_instant(value)
    return None if instant is None else (instant, to_rfc3339(value, instant))
