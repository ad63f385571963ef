"""The HTTP routes held to the OpenAPI document by schemathesis: what it allows, and what it does not.

Of each operation it makes requests from the document, values at the edges and beyond them among these, and holds every
answer to what the document says of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from archives import write_session
from scrollcast.access.token import OwnerToken
from scrollcast.contract.openapi import openapi_document
from scrollcast.web.security import SECURITY_HEADERS
from serving import Serving, serving_in_thread, talk
from web.doors import OWNER, TOKEN

schemathesis = pytest.importorskip("schemathesis")
checks = schemathesis.checks.CHECKS

EXAMPLES = 30
"""Requests of each operation and kind."""

LEFT_OUT = {
    # An empty value is as none, which the document cannot say of each.
    # 501 for a format that there is not, as oEmbed has it (2.3.4.1).
    "not_a_server_error": {"GET /oembed"},
    "negative_data_rejection": {"GET /api/sessions"},
    # Rules between values, and what only the server knows: a range that ends before it begins, cursors, pages of ours.
    "positive_data_acceptance": {
        "GET /api/sessions",
        "GET /api/sessions/{scroll_id}/export",
        "GET /oembed",
        "POST /api/sessions/{scroll_id}/shares",
    },
}
"""Checks that do not fit an operation."""

document = schemathesis.openapi.from_dict(openapi_document())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One that asks for a token, so that there are links too; it counts no wrong ones, of which there are many."""
    folder = tmp_path_factory.mktemp("fuzzed")
    archive, cache = folder / "archive", folder / "cache"
    archive.mkdir()
    cache.mkdir()
    write_session(archive, talk(30))
    with serving_in_thread(archive, cache=cache, token=OwnerToken(TOKEN), shares=folder / "shares.sqlite3") as server:
        server.door._tries.check = lambda address: None  # type: ignore[method-assign]
        yield server


@document.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_every_answer_is_what_the_document_says(case: Any, server: Serving) -> None:
    """Status, media type, headers and body; none is an error of the server, and each has the security headers."""
    answer = case.call(base_url=server.url, headers=OWNER)
    left_out = [checks.get_one(name) for name, operations in LEFT_OUT.items() if case.operation.label in operations]
    case.validate_response(answer, excluded_checks=left_out)

    assert answer.status_code < 500 or answer.status_code == 501
    assert {name: ", ".join(answer.headers.get(name, [])) for name in SECURITY_HEADERS} == SECURITY_HEADERS
