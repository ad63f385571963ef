from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from archives import SCROLL_ID, message, write_session
from scrollcast.export.documents import FORMATS, make_document
from scrollcast.export.excerpt import Selection, open_excerpt
from scrollcast.settings import static_folder
from scrollcast.web.export import gathered
from serving import Serving, serving, talk

URL = f"/api/sessions/{SCROLL_ID}/export"


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a session that holds a thought."""
    thought = message("m30", 0.4, "assistant", content_parts=[{"type": "thinking", "text": "hm"}])
    write_session(root, [*talk(30), thought], title="Plain")
    async with serving(root, cache=cache) as server:
        yield server


@pytest.fixture
async def http(server: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with server.http() as client:
        yield client


@pytest.mark.parametrize("format_name", FORMATS)
async def test_document_is_the_one_that_the_command_writes(
    server: Serving, http: httpx.AsyncClient, format_name: str
) -> None:
    """As an attachment with a name, which no page may show as its own."""
    answer = await http.get(URL, params={"format": format_name})
    excerpt = await open_excerpt(server.app.state.archive, SCROLL_ID, Selection())
    document = await asyncio.to_thread(lambda: b"".join(make_document(format_name, excerpt, static_folder())))

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="plain{FORMATS[format_name].suffix}"'
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if format_name == "html":  # but for its nonce
        assert (
            answer.content.split(b"<body>")[1].split(b"<script nonce")[0]
            == (document.split(b"<body>")[1].split(b"<script nonce")[0])
        )
    else:
        assert answer.content == document


async def test_range_title_and_what_is_left_out(http: httpx.AsyncClient) -> None:
    """Are asked for in the query; empty ones count as none."""
    asked = {"format": "jsonl", "from_ms": "100", "to_ms": "", "title": "Mine", "leave_out": "thinking,tools"}
    head, *lines = [orjson.loads(line) for line in (await http.get(URL, params=asked)).content.splitlines()]

    assert head["metadata"]["title"] == "Mine"
    assert [line["message_id"] for line in lines][:3] == ["m10", "m11", "m12"]
    assert not {"m15", "m25", "m30"} & {line["message_id"] for line in lines}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"format": "pdf"}, "format"),
        ({"from_ms": "-1"}, "from_ms"),
        ({"to_ms": "1:00"}, "to_ms"),
        ({"from_ms": "2", "to_ms": "1"}, "to_ms"),
        ({"leave_out": "x"}, "leave_out"),
    ],
)
async def test_bad_value_is_named(http: httpx.AsyncClient, query: dict[str, str], parameter: str) -> None:
    """As everywhere."""
    answer = await http.get(URL, params=query)

    assert answer.status_code == 400
    assert answer.json()["parameter"] == parameter


async def test_unknown_session_is_not_found(http: httpx.AsyncClient) -> None:
    """Nor is one whose id is none."""
    assert (await http.get("/api/sessions/nobody/export")).status_code == 404


def test_pieces_are_gathered() -> None:
    """In order, and no more of them are taken than are needed."""
    taken: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(10):
            taken.append(number)
            yield bytes([number]) * 3

    made = gathered(pieces(), 6)
    assert next(made) == b"\0\0\0\1\1\1"
    assert taken == [0, 1]
    assert b"".join(made) == b"".join(bytes([number]) * 3 for number in range(2, 10))
