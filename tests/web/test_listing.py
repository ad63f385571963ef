from __future__ import annotations

import contextlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrollcast.archive.timestamps import format_instant
from scrollcast.errors import BadRequest
from scrollcast.model import Session
from scrollcast.web.listing import DEFAULT_LIMIT, MAX_LIMIT, SORT_KEYS, Listing

INSTANTS = st.integers(0, 10**7).map(lambda ms: format_instant(1_770_000_000_000_000 + ms * 1000))

SESSIONS = st.lists(
    st.builds(
        Session,
        scroll_id=st.uuids(),
        title=st.sampled_from(["", "a", "A", "b", "Ä", "ß", "ss", "題"]) | st.text(max_size=5),
        agent=st.sampled_from([None, "", "robin", "wren"]),
        project=st.sampled_from([None, "nest", "tree"]),
        created_at=st.none() | INSTANTS,
        updated_at=st.none() | INSTANTS,
        count=st.integers(0, 3),
        duration_ms=st.integers(0, 2**40),
    ),
    max_size=30,
    unique_by=lambda session: session.scroll_id,
)

ORDERS = [sign + key for key in SORT_KEYS for sign in ("", "-")]


def session(number: int, **fields: Any) -> Session:
    """A session."""
    return Session(UUID(int=number), **fields)


def pages(sessions: list[Session], query: dict[str, str]) -> list[list[Session]]:
    """Every page, from the first cursor to the last."""
    found, cursor = [], ""
    while cursor is not None:
        page = Listing.parse({**query, "cursor": cursor}).page(sessions)
        found.append(page.sessions)
        cursor = page.next_cursor  # type: ignore[assignment]
    return found


@pytest.mark.parametrize("sort", ORDERS)
@settings(max_examples=30)
@given(sessions=SESSIONS, limit=st.integers(1, 7), agent=st.sampled_from(["", "robin"]))
def test_the_pages_join_to_the_sorted_list(sort: str, sessions: list[Session], limit: int, agent: str) -> None:
    """In every order: each session that is shown, once, none out of place."""
    query = {"sort": sort, "limit": str(limit), "agent": agent}
    shown = [session for session in sessions if not agent or session.agent == agent]
    whole = Listing.parse({"sort": sort, "limit": "500", "agent": agent}).page(sessions)
    found = pages(sessions, query)
    joined = [session for page in found for session in page]

    assert joined == whole.sessions
    assert whole.total == len(shown)
    assert {session.scroll_id for session in joined} == {session.scroll_id for session in shown}
    assert all(len(page) == limit for page in found[:-1])
    keys = [getattr(session, sort.removeprefix("-")) for session in joined]
    values = [key.casefold() if sort.endswith("title") else key or "" if key is None else key for key in keys]
    assert values == sorted(values, reverse=sort.startswith("-"))


@settings(max_examples=60)
@given(sessions=SESSIONS, more=SESSIONS, sort=st.sampled_from(ORDERS), data=st.data())
def test_a_cursor_holds_its_place_while_sessions_come_and_go(
    sessions: list[Session], more: list[Session], sort: str, data: st.DataObject
) -> None:
    """What was on the first page is on no later one, though what it ended with is gone."""
    first = Listing.parse({"sort": sort, "limit": "3"}).page(sessions)
    if first.next_cursor is None:
        return
    known = {session.scroll_id for session in sessions}
    gone = data.draw(st.sets(st.sampled_from(sorted(known))))
    kept = [s for s in sessions if s.scroll_id not in gone]
    later = [*kept, *(s for s in more if s.scroll_id not in known)]
    second = Listing.parse({"sort": sort, "limit": "500", "cursor": first.next_cursor}).page(later)

    seen = {session.scroll_id for session in first.sessions}
    rest = {session.scroll_id for session in second.sessions}
    assert not seen & rest
    assert {session.scroll_id for session in kept} - seen <= rest


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [3, 2, 1]),
        ({"sort": "updated_at"}, [1, 2, 3]),
        ({"agent": "robin"}, [3, 1]),
        ({"agent": "Robin"}, []),
        ({"project": "nest", "agent": "robin"}, [1]),
        ({"after": "2026-01-02T00:00:00Z"}, [3, 2]),
        ({"before": "2026-01-02T00:00:00Z"}, [1]),
        ({"after": "2026-01-02T01:00:00+01:00", "before": "2026-01-03T00:00:00Z"}, [2]),
        ({"agent": "", "project": "", "cursor": ""}, [3, 2, 1]),
        ({"nonsense": "1"}, [3, 2, 1]),
    ],
)
def test_filters_and_order(query: dict[str, str], numbers: list[int]) -> None:
    """`after` takes its own instant in, `before` leaves it out; both are on `created_at`."""
    sessions = [
        session(1, agent="robin", project="nest", created_at="2026-01-01T00:00:00Z", updated_at="2026-02-01T00:00:00Z"),
        session(2, agent="wren", project="nest", created_at="2026-01-02T00:00:00Z", updated_at="2026-02-02T00:00:00Z"),
        session(3, agent="robin", created_at="2026-01-03T00:00:00Z", updated_at="2026-02-03T00:00:00Z"),
    ]
    page = Listing.parse(query).page(sessions)

    assert [session.scroll_id.int for session in page.sessions] == numbers
    assert page.total == len(numbers)


def test_a_session_without_a_time_is_in_no_span_of_time() -> None:
    """It is listed where no span is asked for, behind all others."""
    sessions = [session(1), session(2, created_at="2026-01-01T00:00:00Z", updated_at="2026-01-01T00:00:00Z")]
    whole = Listing.parse({}).page(sessions).sessions
    spanned = Listing.parse({"after": "1970-01-01T00:00:00Z"}).page(sessions).sessions

    assert whole == [sessions[1], sessions[0]]
    assert spanned == [sessions[1]]


@pytest.mark.parametrize(
    ("given_limit", "limit"),
    [(None, DEFAULT_LIMIT), ("1", 1), ("500", MAX_LIMIT), ("501", MAX_LIMIT), ("99999", MAX_LIMIT)],
)
def test_more_than_the_largest_limit_is_cut_to_it(given_limit: str | None, limit: int) -> None:
    """And the default is fifty."""
    query = {} if given_limit is None else {"limit": given_limit}

    assert Listing.parse(query).limit == limit


def cursor_of(*values: object) -> str:
    """A cursor that holds these, in the server's own writing."""
    return urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "====",
        "bm90IGpzb24",
        cursor_of(),
        cursor_of("-updated_at", "2026"),
        cursor_of("title", "a", str(UUID(int=1))),
        cursor_of("-updated_at", 5, str(UUID(int=1))),
        cursor_of("-updated_at", "2026", "nobody"),
        cursor_of("-updated_at", "2026", 5),
        cursor_of("-updated_at", None, str(UUID(int=1))),
        urlsafe_b64encode(b'{"a":1}').decode(),
        urlsafe_b64encode(b"5").decode(),
        "[" * 5000,
    ],
)
def test_a_cursor_of_anybody_elses_is_refused(cursor: str) -> None:
    """Also one that was made for another order."""
    with pytest.raises(BadRequest) as caught:
        Listing.parse({"cursor": cursor})

    assert caught.value.parameter == "cursor"


@given(cursor=st.text(max_size=40))
def test_any_text_as_a_cursor_is_refused_or_understood(cursor: str) -> None:
    """It never raises anything else."""
    with contextlib.suppress(BadRequest):
        Listing.parse({"cursor": cursor, "sort": "count"})


def test_a_title_is_sorted_without_regard_to_case() -> None:
    """As a reader expects it."""
    sessions = [session(1, title="b"), session(2, title="A"), session(3, title="a"), session(4, title="C")]
    page = Listing.parse({"sort": "title"}).page(sessions)

    assert [session.title for session in page.sessions] == ["A", "a", "b", "C"]


def test_a_page_says_nothing_of_a_next_one_where_none_is() -> None:
    """Not even where it is full."""
    sessions = [session(number) for number in range(4)]

    assert Listing.parse({"limit": "4"}).page(sessions).next_cursor is None
    assert Listing.parse({"limit": "3"}).page(sessions).next_cursor is not None
    assert Listing.parse({"limit": "3"}).page([replace(s, count=1) for s in sessions[:3]]).next_cursor is None
