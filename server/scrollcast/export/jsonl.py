"""A session as lines of JSON: the native archive's records in one file, which Scrollcast plays again.

The first line tells of the session, as a `session.json` does; a record a line follows (`docs/formats.md`, Native).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from scrollcast.archive.encoding import EPOCH_START, TimedRecord
from scrollcast.archive.native_records import LINES_SIGN, LINES_VERSION, SESSION_FIELDS, encode_line, record_object
from scrollcast.archive.timestamps import parse_instant
from scrollcast.export.excerpt import Excerpt
from scrollcast.model import Session

__all__ = ["document", "session_lines"]

_TIMELESS_RECORDS: Final = 1_000
"""So many records at the beginning are looked at together, to see whether they have times of their own."""


def document(excerpt: Excerpt) -> Iterator[bytes]:
    """The file, a line at a time."""
    return session_lines(excerpt.session, excerpt.records())


def session_lines(session: Session, records: Iterator[TimedRecord]) -> Iterator[bytes]:
    """The lines of a session and of its records, in order."""
    told = {**session.metadata, **{name: getattr(session, name) for name in SESSION_FIELDS}}
    yield encode_line({LINES_SIGN: LINES_VERSION, "metadata": told})
    for timed, timestamp in _with_times(records, session):
        yield encode_line(record_object(timed.record, session.scroll_id, timestamp))


def _with_times(records: Iterator[TimedRecord], session: Session) -> Iterable[tuple[TimedRecord, str | None]]:
    """Each record with the timestamp that it has in the file; none where it had none, before the first that has one."""
    first: list[TimedRecord] = []
    following: TimedRecord | None = None
    for timed in records:
        if len(first) < _TIMELESS_RECORDS and timed.created_at == (session.created_at or EPOCH_START):
            first.append(timed)
            continue
        following = timed
        break
    are_timeless = bool(first) and following is not None and not _fits(first[0], following)
    rest = records if following is None else chain((following,), records)
    yield from ((timed, None if are_timeless else timed.created_at) for timed in first)
    yield from ((timed, timed.created_at) for timed in rest)


def _fits(first: TimedRecord, other: TimedRecord) -> bool:
    """Whether recorded time begins at the first of two records."""
    start, instant = parse_instant(first.created_at), parse_instant(other.created_at)
    if start is None or instant is None:
        return False
    # `created_at` may hold less than the time that it was made of.
    return abs(max(0, instant - start) // 1000 - (other.t_ms - first.t_ms)) <= 1
