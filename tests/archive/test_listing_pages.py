from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalogues import numbers_of, put_sessions, run
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.listing import FEW, SORT_KEYS, Choice, Listing, decode_cursor
from scrollcast.archive.rows import LIVE_SECONDS
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.model import Session

INSTANTS = st.integers(0, 10**7).map(lambda ms: format_instant(1_770_000_000_000_000 + ms * 1000))

SESSIONS = st.lists(
    st.builds(
        Session,
        scroll_id=st.uuids(),
        title=st.sampled_from(["", "a", "A", "b", "Ä", "ß", "ss", "題", "a\0b"])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        agent=st.sampled_from([None, "", "robin", "wren"]),
        project=st.sampled_from([None, "nest", "tree"]),
        model=st.sampled_from([None, "m-1", "m-2"]),
        parent_scroll_id=st.sampled_from([None, UUID(int=1)]),
        created_at=st.none() | INSTANTS,
        updated_at=st.none() | INSTANTS,
        count=st.integers(0, 3),
        duration_ms=st.integers(0, 2**40),
        has_errors=st.booleans(),
    ),
    max_size=30,
    unique_by=lambda session: session.scroll_id,
)

ORDERS = [(key, descending) for key in SORT_KEYS for descending in (False, True)]

FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "agent": st.sampled_from(["robin", "nobody"]),
        "project": st.just("nest"),
        "model": st.just("m-1"),
        "errors": st.booleans(),
        "parent": st.just(UUID(int=1)),
        "after": INSTANTS.map(parse_instant),
        "before": INSTANTS.map(parse_instant),
    },
)

database = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture
def catalogue(root: Path, cache: Path) -> Catalogue:
    """An empty one."""
    return Catalogue([root], cache)


def session(number: int, **fields: Any) -> Session:
    """A session."""
    return Session(UUID(int=number), **fields)


def refill(catalogue: Catalogue, sessions: Collection[Session]) -> None:
    """List just these sessions."""
    run(catalogue, "DELETE FROM sessions")
    put_sessions(catalogue, catalogue._roots[0], list(sessions))


def shows(listing: Listing, session: Session) -> bool:
    """Whether a session is on a list, told without SQL."""
    created = parse_instant(session.created_at)
    return (
        listing.agent in (None, session.agent)
        and listing.project in (None, session.project)
        and listing.model in (None, session.model)
        and listing.errors in (None, session.has_errors)
        and listing.parent in (None, session.parent_scroll_id)
        and (listing.after is None or (created is not None and created >= listing.after))
        and (listing.before is None or (created is not None and created < listing.before))
    )


def key_of(listing: Listing, session: Session) -> tuple[Any, str]:
    """What a session is sorted by, told without SQL."""
    value = getattr(session, listing.sort)
    if listing.sort == "title":
        value = value.casefold()
    return ("" if value is None else value, str(session.scroll_id))


def all_pages(catalogue: Catalogue, listing: Listing, matching: Collection[int] | None = None) -> list[list[UUID]]:
    """The ids on every page, from the first cursor to the last."""
    found = []
    while True:
        page = catalogue.page(listing, matching)
        found.append([session.scroll_id for session in page.sessions])
        if page.next_cursor is None:
            return found
        listing = replace(listing, cursor=decode_cursor(page.next_cursor, listing.order))


# ------------------------------------------------------------------------------------------------ what is on it


@pytest.mark.parametrize("few", [0, FEW])
@pytest.mark.parametrize(("sort", "descending"), ORDERS)
@settings(database, max_examples=15)
@given(sessions=SESSIONS, limit=st.integers(1, 7), filters=FILTERS)
def test_the_pages_join_to_the_sorted_list(
    monkeypatch: pytest.MonkeyPatch,
    catalogue: Catalogue,
    few: int,
    sort: str,
    descending: bool,
    sessions: list[Session],
    limit: int,
    filters: dict[str, Any],
) -> None:
    """In every order and whichever index is taken: each session that is shown, once, none out of place."""
    monkeypatch.setattr("scrollcast.archive.listing.FEW", few)
    listing = Listing(sort=sort, descending=descending, limit=limit, **filters)
    refill(catalogue, sessions)
    shown = [session for session in sessions if shows(listing, session)]
    expected = sorted(shown, key=lambda session: key_of(listing, session), reverse=descending)
    found = all_pages(catalogue, listing)

    assert [scroll_id for page in found for scroll_id in page] == [session.scroll_id for session in expected]
    assert all(len(page) == limit for page in found[:-1])
    assert catalogue.page(listing).total == len(shown)
    assert catalogue.page(replace(listing, limit=500)).sessions == expected


@settings(database, max_examples=40)
@given(sessions=SESSIONS, more=SESSIONS, order=st.sampled_from(ORDERS), data=st.data())
def test_a_cursor_holds_its_place_while_sessions_come_and_go(
    catalogue: Catalogue, sessions: list[Session], more: list[Session], order: tuple[str, bool], data: st.DataObject
) -> None:
    """What was on the first page is on no later one, though what it ended with is gone."""
    listing = Listing(sort=order[0], descending=order[1], limit=3)
    refill(catalogue, sessions)
    first = catalogue.page(listing)
    if first.next_cursor is None:
        return
    known = {session.scroll_id for session in sessions}
    gone = data.draw(st.sets(st.sampled_from(sorted(known))))
    kept = [s for s in sessions if s.scroll_id not in gone]
    refill(catalogue, [*kept, *(s for s in more if s.scroll_id not in known)])
    second = catalogue.page(replace(listing, limit=500, cursor=decode_cursor(first.next_cursor, listing.order)))

    seen = {session.scroll_id for session in first.sessions}
    rest = {session.scroll_id for session in second.sessions}
    assert not seen & rest
    assert {session.scroll_id for session in kept} - seen <= rest


@pytest.mark.parametrize("few", [0, FEW])
@settings(database, max_examples=40)
@given(sessions=SESSIONS, filters=FILTERS, data=st.data())
def test_only_what_matches_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    catalogue: Catalogue,
    few: int,
    sessions: list[Session],
    filters: dict[str, Any],
    data: st.DataObject,
) -> None:
    """A search's hits are given by their numbers, few or many, and filtered and sorted as a list is."""
    monkeypatch.setattr("scrollcast.archive.listing.FEW", few)
    refill(catalogue, sessions)
    hits = data.draw(st.lists(st.sampled_from(sessions), unique_by=id)) if sessions else []
    listing = Listing(limit=4, **filters)
    shown = [session for session in hits if shows(listing, session)]
    expected = sorted(shown, key=lambda session: key_of(listing, session), reverse=True)
    numbers = sorted(numbers_of(catalogue, hits))
    found = all_pages(catalogue, listing, numbers)

    assert [scroll_id for page in found for scroll_id in page] == [session.scroll_id for session in expected]
    assert catalogue.page(listing, numbers).total == len(shown)


def test_a_title_is_sorted_without_regard_to_case(catalogue: Catalogue) -> None:
    """As a reader expects it."""
    refill(catalogue, [session(1, title="b"), session(2, title="A"), session(3, title="a"), session(4, title="C")])
    page = catalogue.page(Listing(sort="title", descending=False))

    assert [session.title for session in page.sessions] == ["A", "a", "b", "C"]


def test_a_session_without_a_time_is_in_no_span_of_time(catalogue: Catalogue) -> None:
    """It is listed where no span is asked for, behind all others."""
    sessions = [session(1), session(2, created_at="2026-01-01T00:00:00Z", updated_at="2026-01-01T00:00:00Z")]
    refill(catalogue, sessions)

    assert catalogue.page(Listing()).sessions == [sessions[1], sessions[0]]
    assert catalogue.page(Listing(after=0)).sessions == [sessions[1]]


def test_a_page_says_nothing_of_a_next_one_where_none_is(catalogue: Catalogue) -> None:
    """Not even where it is full."""
    refill(catalogue, [session(number) for number in range(4)])

    assert catalogue.page(Listing(limit=4)).next_cursor is None
    assert catalogue.page(Listing(limit=3)).next_cursor is not None


def test_what_is_being_written_can_be_asked_for(catalogue: Catalogue, root: Path) -> None:
    """It is live for as long as its file changed just now, and not when its file's time lies ahead."""
    now, length = time.time_ns(), round(LIVE_SECONDS * 1e9)
    for number, mtime_ns in enumerate((now, now - 2 * length, now + 2 * length), 1):
        put_sessions(catalogue, root, [session(number)], mtime_ns)
    live, still = catalogue.page(Listing(live=True)), catalogue.page(Listing(live=False))

    assert [(session.scroll_id.int, session.live) for session in live.sessions] == [(1, True)]
    assert [(session.scroll_id.int, session.live) for session in still.sessions] == [(3, False), (2, False)]
    assert (live.total, still.total) == (1, 2)


def test_text_that_is_no_text_names_nobody(catalogue: Catalogue) -> None:
    """A query may hold half a character."""
    refill(catalogue, [session(1, agent="robin")])

    assert catalogue.page(Listing(agent="\ud800")).sessions == []


# ------------------------------------------------------------------------------------------------------ the plans

LISTINGS: dict[str, dict[str, Any]] = {
    "everything": {},
    "agent": {"agent": "robin"},
    "project": {"project": "nest"},
    "model": {"model": "m-1"},
    "errors": {"errors": True},
    "parent": {"parent": UUID(int=1)},
    "live": {"live": True},
    "not live": {"live": False},
    "span": {"after": 1, "before": 2},
    "agent and model": {"agent": "robin", "model": "m-1"},
}
MATCHING = {"": None, " of a few": frozenset({1, 2}), " of many": frozenset(range(FEW + 1))}


def plan(catalogue: Catalogue, query: str, values: tuple[Any, ...]) -> str:
    """How SQLite goes about a query."""

    def explain(connection: Any) -> str:
        connection.create_function("matches", 1, lambda _number: True)
        return "\n".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values))

    return catalogue._database.read(explain)


@pytest.mark.parametrize("matching", MATCHING)
@pytest.mark.parametrize("asked", LISTINGS)
@pytest.mark.parametrize(("sort", "descending"), ORDERS)
def test_a_page_is_read_from_an_index(
    catalogue: Catalogue, sort: str, descending: bool, asked: str, matching: str
) -> None:
    """Many sessions are never sorted, few are found by what was asked for, and no table is read from end to end."""
    listing = Listing(sort=sort, descending=descending, cursor=(0, str(UUID(int=1))), **LISTINGS[asked])
    choice = Choice.of(listing, MATCHING[matching])
    counted = plan(catalogue, *choice.count_query())
    of_few = plan(catalogue, *choice.keys_query(total=FEW))
    of_many = plan(catalogue, *choice.keys_query(total=FEW + 1))

    assert "SCAN sessions" not in of_few.replace("SCAN sessions USING COVERING INDEX", "")
    assert ("TEMP B-TREE" in of_many) == choice.narrow
    assert choice.narrow or f"sessions USING COVERING INDEX sessions_by_{sort}" in of_many
    assert "COVERING INDEX" in counted or "PRIMARY KEY" in counted
    assert choice.leads == "" or "SEARCH sessions" in counted
    assert choice.leads == "" or "SEARCH sessions" in of_few


def test_children_and_what_is_told_of_files_are_read_from_an_index(catalogue: Catalogue) -> None:
    """As they are asked for with each session, and with each page."""
    asked: list[str] = []

    def spy(connection: Any) -> None:
        connection.set_trace_callback(asked.append)

    catalogue._database.read(spy)
    catalogue.children(UUID(int=1))
    catalogue.unrecognised()
    catalogue.sessions_of(Path("/nowhere/at/all.jsonl"))
    queries = [query for query in asked if query.startswith("SELECT")]
    plans = [plan(catalogue, query, ()) for query in queries]

    assert len(queries) == 4
    assert not any("SCAN sessions" in text or "SCAN files" in text or "SCAN sources" in text for text in plans[:1])
    assert all("INDEX" in text for text in plans)
