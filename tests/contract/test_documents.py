"""The OpenAPI and the AsyncAPI document, held to the application, to the words of the protocol, and to their rules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import jsonschema_rs
import pytest
from openapi_spec_validator import validate as validate_openapi
from starlette.routing import Route

from contracts import check
from scrollcast.contract.__main__ import DOCUMENTS, text_of
from scrollcast.contract.asyncapi import CLOSE_CODES, PARAMETERS, asyncapi_document
from scrollcast.contract.openapi import openapi_document
from scrollcast.contract.schemas import SERVER_MESSAGES
from scrollcast.errors import BadRequest
from scrollcast.settings import Settings
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.web import failures
from scrollcast.web.app import create_app
from serving import Serving, serving_in_thread

ROOT = Path(__file__).parents[2]
WORDS = (ROOT / "docs" / "protocol.md").read_text()
DEMO = "5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11"

PAGES = {"/", "/sessions/{scroll_id}", "/embed/{scroll_id}", "/scrollcast-player.js", "/assets/{digest}/{path:path}"}
"""What is for people, and what answers where nothing is."""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_file_is_what_the_server_answers(name: str) -> None:
    """`make contract` writes it anew."""
    assert (ROOT / "docs" / "contract" / name).read_bytes() == text_of(DOCUMENTS[name]())


def test_is_openapi() -> None:
    """By the rules of OpenAPI 3.1."""
    validate_openapi(openapi_document())


def test_every_route_is_in_it(tmp_path: Path) -> None:
    """And no other."""
    routes = create_app(Settings(cache=tmp_path)).routes
    there = {
        re.sub(r":\w+}", "}", route.path) for route in routes if isinstance(route, Route) and route.path not in PAGES
    }
    assert set(openapi_document()["paths"]) == there - {"/api/{rest}"}


def rows(heading: str) -> list[list[str]]:
    """The rows of the first table below a heading of the protocol, cell by cell."""
    lines = WORDS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| ")][
        2:
    ]


def test_every_parameter_of_a_replay_is_told() -> None:
    """By the words, by the document, and by the parser."""
    fields = {field.name for field in dataclasses.fields(ReplayParameters)} - {"start"} | {"start_ms", "start_seq"}
    assert {row[0].strip("`") for row in rows("Connecting")} == set(PARAMETERS) == fields


VALUES = {
    "mode": ["fast", "reading", "slow", ""],
    "speed": ["0.1", "100", "0.05", "101", "x"],
    "idle": ["off", "0.5", "0", "-1", "on"],
    "start_ms": ["0", "9", "-1", "x"],
    "start_seq": ["0", "9", "-1", "1.5"],
    "epoch": ["e", ""],
    "batch": ["0", "1048576", "1048577", "-1"],
    "window": ["1", "0"],
    "preview": ["1024", "1023"],
    **{name: ["true", "false", "yes", ""] for name in ("paused", "meta", "follow", "hold")},
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in VALUES.items() for text in texts])
def test_the_server_takes_the_values_that_the_document_has(name: str, text: str) -> None:
    """And refuses the others."""
    numeric = re.fullmatch(r"-?\d+(\.\d+)?", text) and name != "epoch"
    value: Any = {"true": True, "false": False}.get(
        text, (float(text) if "." in text else int(text)) if numeric else text
    )
    if jsonschema_rs.is_valid(PARAMETERS[name], value):
        ReplayParameters.parse([(name, text)])
    else:
        with pytest.raises(BadRequest, match=name):
            ReplayParameters.parse([(name, text)])


def test_the_defaults_are_those_of_the_server() -> None:
    """Told the same in both."""
    defaults = {name: schema["default"] for name, schema in PARAMETERS.items() if "default" in schema}
    parsed = ReplayParameters.parse([])
    assert {name: getattr(parsed, name) for name in defaults if name != "idle"} == {
        name: value for name, value in defaults.items() if name != "idle"
    }
    assert (defaults["idle"], parsed.idle) == ("off", None)


def test_every_close_code_is_told() -> None:
    """In the words, and of every failure."""
    told = {int(code) for row in rows("Ending") for code in re.findall(r"\d{4}", row[0])} | {failures.INTERNAL_ERROR}
    assert told == set(CLOSE_CODES)
    assert {failure.close_code for _, failure in failures._FAILURES} <= set(CLOSE_CODES)


def test_every_error_code_is_told() -> None:
    """In the words; `bad_command` is no failure, since the replay goes on."""
    told = set(re.findall(r"`(\w+)`", WORDS.partition("\n## Error codes\n")[2].partition("\n## ")[0]))
    codes = {failure.code for _, failure in failures._FAILURES} | {failures._UNKNOWN.code, "bad_command"}
    assert told == codes


def test_every_message_of_the_words_is_in_it() -> None:
    """Each has an example there."""
    shown = set(re.findall(r'^\{"type":"(\w+)"', WORDS, re.MULTILINE))
    assert shown == set(SERVER_MESSAGES) | {"control", "ack"}


def test_it_tells_where_the_server_is() -> None:
    """Behind a path prefix and TLS too."""
    server = asyncapi_document("example.org", "/prefix", is_secure=True)["servers"]["this"]
    assert server == {"host": "example.org", "protocol": "wss", "pathname": "/prefix"}
    assert openapi_document("/prefix")["servers"] == [{"url": "/prefix"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the fixtures, behind a path prefix."""
    with serving_in_thread(
        ROOT / "archive_fixtures", cache=tmp_path_factory.mktemp("cache"), root_path="/pre"
    ) as server:
        yield server


def ask(server: Serving, path: str, **query: object) -> httpx.Response:
    """One answer."""
    with httpx.Client(base_url=server.url) as client:
        return client.get(f"/pre{path}?{urlencode(query)}")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_is_served(server: Serving, name: str) -> None:
    """With this server's own address."""
    host = server.url.removeprefix("http://")
    wanted = openapi_document("/pre") if name == "openapi.json" else asyncapi_document(host, "/pre")
    assert ask(server, f"/{name}").json() == wanted


ASKED: list[tuple[str, dict[str, object]]] = [
    ("/api/sessions", {"limit": 500}),
    ("/api/sessions", {"q": "lighthouse"}),
    ("/api/sessions", {"limit": 0}),
    (f"/api/sessions/{DEMO}", {}),
    ("/api/sessions/nobody", {}),
    (f"/api/sessions/{DEMO}/timeline", {}),
    (f"/api/sessions/{DEMO}/timeline", {"meta": "maybe"}),
    (f"/api/sessions/{DEMO}/timeline", {"most": 1}),
    (f"/api/sessions/{DEMO}/turns", {"limit": 2}),
    (f"/api/sessions/{DEMO}/turns", {"start": "x"}),
    (f"/api/sessions/{DEMO}/events", {"limit": 1000, "meta": "true", "preview": 1024}),
    (f"/api/sessions/{DEMO}/events", {"start_seq": "x"}),
    (f"/api/sessions/{DEMO}/search", {"q": "lighthouse"}),
    (f"/api/sessions/{DEMO}/search", {"q": ""}),
    ("/api/facets", {}),
    ("/api/unrecognised", {}),
    ("/oembed", {"url": "nowhere"}),
    ("/healthz", {}),
    ("/readyz", {}),
]


@pytest.mark.parametrize(("path", "query"), ASKED)
def test_answers_are_as_it_says(server: Serving, path: str, query: dict[str, object]) -> None:
    """Field for field, and of a kind and status that the route has in it."""
    answer = ask(server, path, **query)
    told = openapi_document()["paths"][re.sub(r"^/api/sessions/[^/]+", "/api/sessions/{scroll_id}", path)]["get"]
    content = told["responses"][str(answer.status_code)]
    if "$ref" in content:
        content = openapi_document()["components"]["responses"][str(answer.status_code)]
    media_type = answer.headers["content-type"].partition(";")[0]
    check(content["content"][media_type]["schema"]["$ref"].rpartition("/")[2], answer.json())


def test_oembed_is_as_it_says(server: Serving) -> None:
    """For the address of a session's page."""
    answer = ask(server, "/oembed", url=f"{server.url}/pre/sessions/{DEMO}")
    check("OEmbed", answer.json())


def test_every_session_and_every_event_of_the_fixtures_is_as_it_says(server: Serving) -> None:
    """Whatever the format was."""
    for session in ask(server, "/api/sessions", limit=500).json()["sessions"]:
        check("Session", ask(server, f"/api/sessions/{quote(session['scroll_id'])}").json())
        page = ask(server, f"/api/sessions/{session['scroll_id']}/events", limit=1000, meta="true")
        check("EventPage" if page.status_code == 200 else "Problem", page.json())
