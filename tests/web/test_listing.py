from __future__ import annotations

import contextlib
from base64 import urlsafe_b64encode
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.archive.listing import DEFAULT_LIMIT, MAX_LIMIT, Listing
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import BadRequest
from scrollcast.web.listing import parse_listing

NEW_YEAR = "2026-01-01T00:00:00Z"
ONE = UUID(int=1)


@pytest.mark.parametrize(
    ("query", "listing"),
    [
        ({}, Listing()),
        ({"sort": "updated_at"}, Listing(descending=False)),
        ({"sort": "-count"}, Listing(sort="count")),
        ({"agent": "robin", "project": "nest", "model": "m"}, Listing(agent="robin", project="nest", model="m")),
        ({"errors": "true", "live": "0"}, Listing(errors=True, live=False)),
        ({"parent": str(ONE)}, Listing(parent=ONE)),
        ({"after": NEW_YEAR}, Listing(after=parse_instant(NEW_YEAR))),
        ({"before": "2026-01-01T01:00:00+01:00"}, Listing(before=parse_instant(NEW_YEAR))),
        ({"agent": "", "project": "", "cursor": "", "errors": "", "parent": "", "after": ""}, Listing()),
        ({"nonsense": "1"}, Listing()),
    ],
)
def test_a_query_becomes_a_listing(query: dict[str, str], listing: Listing) -> None:
    """What is left out or empty does not matter, and what is unknown is passed over."""
    assert parse_listing(query) == listing


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sort", "agent"),
        ("sort", ""),
        ("errors", "maybe"),
        ("live", "yes"),
        ("parent", "nobody"),
        ("after", "soon"),
        ("before", "never"),
        ("limit", "0"),
        ("limit", "many"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: str) -> None:
    """So that it can be found in a long query."""
    with pytest.raises(BadRequest) as caught:
        parse_listing({name: value})

    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("given_limit", "limit"),
    [(None, DEFAULT_LIMIT), ("1", 1), ("500", MAX_LIMIT), ("501", MAX_LIMIT), ("99999", MAX_LIMIT)],
)
def test_more_than_the_largest_limit_is_cut_to_it(given_limit: str | None, limit: int) -> None:
    """And the default is fifty."""
    query = {} if given_limit is None else {"limit": given_limit}

    assert parse_listing(query).limit == limit


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
        parse_listing({"cursor": cursor})

    assert caught.value.parameter == "cursor"


@given(cursor=st.text(max_size=40))
def test_any_text_as_a_cursor_is_refused_or_understood(cursor: str) -> None:
    """It never raises anything else."""
    with contextlib.suppress(BadRequest):
        parse_listing({"cursor": cursor, "sort": "count"})


def test_a_number_that_no_session_has_is_no_cursor() -> None:
    """Nor one that the database cannot compare with."""
    with pytest.raises(BadRequest):
        parse_listing({"sort": "count", "cursor": cursor_of("count", 2**63, str(ONE))})
