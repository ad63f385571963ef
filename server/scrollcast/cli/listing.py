"""`scrollcast list`: the sessions, on the terminal."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from scrollcast.archive.archive import Archive
from scrollcast.archive.listing import DEFAULT_LIMIT, MAX_LIMIT, SORT_KEYS, Listing, decode_cursor
from scrollcast.cli.choosing import add_paths, choose, say, settings_of, usable_cache
from scrollcast.cli.terminal import (
    GAP,
    Column,
    Style,
    clean,
    format_duration,
    table,
    terminal_width,
)
from scrollcast.errors import ArchiveError, BadRequest, SettingsError
from scrollcast.model import Session
from scrollcast.stream.wire import session_json
from scrollcast.web.listing import parse_listing

__all__ = ["SHORT_ID_CHARACTERS", "add_parser", "run"]

SHORT_ID_CHARACTERS: Final = 8
"""How much of an id is shown; `scrollcast keep` takes it for the whole."""

ALL: Final = "all"

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

COLUMNS: Final = (
    Column("id", SHORT_ID_CHARACTERS, rank=3),
    Column("updated", 16, rank=1),
    Column("agent", 12, rank=4),
    Column("project", 20, rank=2),
    Column("title"),
    Column("events", 8, rank=5, to_the_right=True),
    Column("duration", 9, rank=6, to_the_right=True),
    Column("", 22),
)


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "list",
        help="list the sessions",
        description="Lists the sessions under each PATH, without one those in the places where agents put them.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_paths(parser)
    parser.add_argument("--agent", metavar="NAME", help="only those of this agent, such as 'Claude Code'")
    parser.add_argument("--project", metavar="NAME", help="only those of this project")
    parser.add_argument("--model", metavar="NAME", help="only those with this model")
    parser.add_argument(
        "--after", metavar="TIME", help="only those begun then or later: a day, 2026-11-22, or a time as in RFC 3339"
    )
    parser.add_argument("--before", metavar="TIME", help="only those begun before that")
    parser.add_argument("--errors", action="store_true", help="only those in which a tool call failed")
    parser.add_argument("--live", action="store_true", help="only those that are being written now")
    parser.add_argument(
        "-q", dest="words", metavar="WORDS", help="only those that hold these words, as far as a server has read them"
    )
    parser.add_argument(
        "--sort", default="-updated_at", metavar="KEY",
        help=f"{', '.join(SORT_KEYS)}; with - before it for descending (default: %(default)s, given as --sort=-KEY)",
    )  # fmt: skip
    parser.add_argument(
        "--limit", default=str(DEFAULT_LIMIT), metavar="N", help="at most so many, or all (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON array, of what GET /api/sessions calls a session")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, and give the exit status."""
    limit = _limit(arguments.limit)
    settings = settings_of(choose(tuple(arguments.paths), discover=arguments.discover), usable_cache())
    try:
        listing = parse_listing(_query(arguments))
        with closing(Archive(settings.roots, settings.cache, optional=True)) as archive:
            archive.catalogue.refresh()
            sessions, total = _select(archive, listing, arguments.words, limit)
            _say_what_is_missing(archive, arguments.words, len(sessions), total)
    except BadRequest as problem:
        flag = "-q" if problem.parameter == "q" else f"--{problem.parameter}"
        raise SettingsError(f"{flag} {problem.reason}") from problem
    if arguments.json:
        sys.stdout.buffer.write(orjson.dumps([session_json(session) for session in sessions]) + b"\n")
    else:
        _print(sessions)
    sys.stdout.flush()
    return 0


def _limit(text: str) -> int | None:
    if text == ALL:
        return None
    if text.isascii() and text.isdecimal() and 0 < int(text) < 10**9:
        return int(text)
    raise SettingsError(f"--limit {text[:50]} is neither a whole number from 1 on nor {ALL}")


def _query(arguments: argparse.Namespace) -> dict[str, str]:
    """The flags as the parameters of `GET /api/sessions`."""
    given = {name: getattr(arguments, name) for name in ("agent", "project", "model", "sort")}
    times = {name: _time(getattr(arguments, name)) for name in ("after", "before")}
    wanted = {name: "true" if getattr(arguments, name) else None for name in ("errors", "live")}
    return {name: value for name, value in {**given, **times, **wanted}.items() if value is not None}


def _time(text: str | None) -> str | None:
    """A time as it was given; a day is that day's beginning here."""
    if text is None or not _DAY.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        return text  # no such day, which whoever reads it will say


def _select(archive: Archive, listing: Listing, words: str | None, limit: int | None) -> tuple[list[Session], int]:
    """The sessions asked for, page by page, and how many there are in all."""
    sessions: list[Session] = []
    while True:
        left = MAX_LIMIT if limit is None else min(MAX_LIMIT, limit - len(sessions))
        page = archive.page(replace(listing, limit=left), words).page
        sessions += page.sessions
        if page.next_cursor is None or len(sessions) == limit:
            return sessions, page.total
        listing = replace(listing, cursor=decode_cursor(page.next_cursor, listing.order))


def _say_what_is_missing(archive: Archive, words: str | None, shown: int, total: int) -> None:
    if shown < total:
        say(f"{shown} of {total} sessions; --limit {ALL} shows them all")
    progress = archive.catalogue.progress
    if not progress.complete:
        say(f"another Scrollcast is still looking through the files: {progress.looked_at} of {progress.total}")
    if words is not None:
        _say_what_was_not_searched(archive)


def _say_what_was_not_searched(archive: Archive) -> None:
    try:
        states = archive.search_index().states()
    except ArchiveError:
        states = {}
    there = archive.catalogue.indexable()
    behind = sum(each.number not in states or states[each.number].key != each.key for each in there)
    if behind:
        say(f"{behind} of {len(there)} sessions were not searched as they are now; scrollcast serve reads them")


# --------------------------------------------------------------------------------------------------------- the table


def _print(sessions: Sequence[Session]) -> None:
    style = Style()
    head, *rows = table(COLUMNS, [_cells(session) for session in sessions], terminal_width())
    print(style("dim", GAP.join(head).rstrip()))
    for session, row in zip(sessions, rows, strict=True):
        *cells, marks = row
        print(GAP.join((*cells, _coloured(style, session, marks.rstrip()))).rstrip())


def _cells(session: Session) -> tuple[str, ...]:
    return (
        str(session.scroll_id)[:SHORT_ID_CHARACTERS],
        _local(session.updated_at),
        clean(session.agent or ""),
        clean(session.project or ""),
        clean(session.title) or "–",
        str(session.count),
        format_duration(session.duration_ms),
        " ".join(_marks(session)),
    )


def _marks(session: Session) -> list[str]:
    """What is particular about a session: `unreadable`, `gone` (its file), `live`, `errors` (a tool call failed)."""
    marks = {
        "gone": session.source_gone,
        "unreadable": session.error is not None and not session.source_gone,
        "live": session.live and session.error is None,
        "errors": session.has_errors,
    }
    return [name for name, holds in marks.items() if holds]


def _coloured(style: Style, session: Session, marks: str) -> str:
    if session.error is not None:
        return style("red", marks)
    return style("green" if session.live else "yellow", marks)


def _local(timestamp: str | None) -> str:
    """A time of here, to the minute."""
    try:
        return datetime.fromisoformat(timestamp or "").astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""
