"""Every query parameter of every HTTP route, with any text whatever in it, of sessions that are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import SCROLL_ID, write_session
from contracts import check
from scrollcast.contract.openapi import openapi_document
from serving import serving_in_thread, talk

PLACES: Final = {"{scroll_id}": str(SCROLL_ID), "{table}": "gaps", "{seq}": "3", "{path}": "0"}
"""What is there, in place of what the document leaves open."""

EDGES: Final = (
    "", " ", "0", "-1", "1", "+1", "1.5", "1e3", "007", "٣", "true", "TRUE", "null", "[]", "{}", "%", "%00", "\x00",
    "a\nb", "'", '"', "\\", "../..", "-", "*", '"unclosed', "a OR", "NOT", "-updated_at", "count",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+23:59", "0000-00-00", str(2**53 - 1), str(2**53), "9" * 5000,
    "x" * 5000, "\ud7ff", "😀" * 300, str(SCROLL_ID), f"http://127.0.0.1/sessions/{SCROLL_ID}", "http://[", "html",
    "jsonl", "subagents,x",
)  # fmt: skip

NEEDED: Final = {"q", "url"}
"""Parameters whose absence is refused."""

values = st.sampled_from(EDGES) | st.text(max_size=30) | st.integers().map(str) | st.floats().map(str)


def queries() -> dict[str, tuple[str, ...]]:
    """The paths that are read from, and the parameters of each."""
    found = {}
    for path, operations in openapi_document()["paths"].items():
        names = tuple(each["name"] for each in operations.get("get", {}).get("parameters", ()) if each["in"] == "query")
        for place, text in PLACES.items():
            path = path.replace(place, text)
        if names:
            found[path] = names
    return found


QUERIES: Final = queries()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server of one session."""
    root, cache = tmp_path_factory.mktemp("archive"), tmp_path_factory.mktemp("cache")
    write_session(root, talk(30, 5000))
    with serving_in_thread(root, cache=cache) as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        yield http


def held(answer: httpx.Response, given_names: set[str]) -> None:
    """What holds of every answer, however little sense was asked for."""
    assert answer.status_code in (200, 400, 404, 501), answer.text
    if answer.status_code != 200:
        problem: dict[str, Any] = answer.json()
        check("Problem", problem)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Traceback" not in answer.text
        if answer.status_code == 400:
            assert problem["parameter"] in given_names | NEEDED, problem


@pytest.mark.parametrize("path", QUERIES)
@settings(max_examples=60)
@given(data=st.data())
def test_any_values_are_answered_or_refused_by_name(http: httpx.Client, path: str, data: st.DataObject) -> None:
    """Never by an error of the server's own; a refusal names a parameter that was given, or is missing."""
    query = data.draw(st.dictionaries(st.sampled_from(QUERIES[path]), values, max_size=4))

    held(http.get(path, params=query), set(query))


@pytest.mark.parametrize("path", QUERIES)
def test_each_parameter_alone_at_its_edges(http: httpx.Client, path: str) -> None:
    """And twice, of which one counts."""
    for name in QUERIES[path]:
        for value in EDGES:
            held(http.get(path, params={name: value}), {name})
        held(http.get(path, params=[(name, "1"), (name, "x")]), {name})
