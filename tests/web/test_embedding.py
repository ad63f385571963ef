from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from archives import SCROLL_ID, write_session
from serving import Serving, serving, talk

BLOG = "https://blog.example"
TITLE = 'A "session" <b>'


@pytest.fixture(params=["", "/replays"], ids=["at the root", "below a prefix"])
async def server(request: pytest.FixtureRequest, root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server that may be framed by one other origin."""
    write_session(root, talk(5), title=TITLE, agent="robin")
    async with serving(root, cache=cache, embedders=frozenset({BLOG}), root_path=request.param) as server:
        yield server


@pytest.fixture
async def http(server: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with server.http() as client:
        yield client


class Links(HTMLParser):
    """The elements of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.found.append((tag, dict(attrs)))


# --------------------------------------------------------------------------------------------------------- frames


async def test_frame_may_stand_in_our_pages_and_in_those_that_were_allowed(http: httpx.AsyncClient) -> None:
    """Nothing else that we serve may; the rest of the policy is the same."""
    frame = await http.get(f"/embed/{SCROLL_ID}")
    page = await http.get(f"/sessions/{SCROLL_ID}")
    policy = frame.headers["content-security-policy"]

    assert policy.endswith(f"frame-ancestors 'self' {BLOG}")
    assert policy.rpartition(";")[0] == page.headers["content-security-policy"].rpartition(";")[0]
    assert "x-frame-options" not in frame.headers
    for path in (
        "/",
        f"/sessions/{SCROLL_ID}",
        "/embed",
        f"/api/sessions/{SCROLL_ID}",
        "/oembed",
        "/scrollcast-player.js",
    ):
        answer = await http.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-frame-options"] == "DENY", path


async def test_frame_without_anybody_allowed_is_for_our_own_pages(root: Path, cache: Path) -> None:
    """The default."""
    async with serving(root, cache=cache) as server, server.http() as http:
        answer = await http.get(f"/embed/{SCROLL_ID}")

    assert answer.headers["content-security-policy"].endswith("frame-ancestors 'self'")


# -------------------------------------------------------------------------------------------------------- element


async def test_element_may_be_imported_by_who_may_frame(http: httpx.AsyncClient) -> None:
    """With the headers that a module of another origin needs."""
    answer = await http.get("/scrollcast-player.js", headers={"origin": BLOG})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == BLOG
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "origin" in answer.headers["vary"]


async def test_element_is_for_nobody_else(http: httpx.AsyncClient) -> None:
    """Nor may who may frame ask for anything besides."""
    refused = await http.get("/scrollcast-player.js", headers={"origin": "https://other.example"})
    own = await http.get("/scrollcast-player.js")

    assert refused.status_code == 403
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers
    assert own.headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("/api/sessions", f"/api/sessions/{SCROLL_ID}/export", f"/embed/{SCROLL_ID}", "/oembed"):
        assert (await http.get(path, headers={"origin": BLOG})).status_code == 403


# --------------------------------------------------------------------------------------------------------- oembed


async def test_page_of_a_session_leads_to_what_embeds_it(server: Serving, http: httpx.AsyncClient) -> None:
    """By the link that consumers look for; the list has none."""
    prefix = server.app.user_middleware[0].kwargs["root_path"]
    page = Links((await http.get(f"{prefix}/sessions/{SCROLL_ID}")).text)
    (link,) = [attrs for tag, attrs in page.found if attrs.get("type") == "application/json+oembed"]
    href = str(link["href"])

    assert link["rel"] == "alternate"
    assert parse_qs(urlsplit(href).query)["url"] == [f"{server.url}{prefix}/sessions/{SCROLL_ID}"]
    assert href.startswith(f"{prefix}/oembed?")
    answer = (await http.get(href)).json()
    assert (answer["version"], answer["type"], answer["title"]) == ("1.0", "rich", TITLE)
    assert "oembed" not in (await http.get(f"{prefix}/")).text


async def ask(server: Serving, http: httpx.AsyncClient, path: str, **query: Any) -> httpx.Response:
    """An oEmbed answer for an address below the server's root."""
    prefix = server.app.user_middleware[0].kwargs["root_path"]
    return await http.get("/oembed", params={"url": f"{server.url}{prefix}{path}", **query})


async def test_answer_holds_a_frame(server: Serving, http: httpx.AsyncClient) -> None:
    """Of the size that it says, and of nothing else; what the link says of how to play goes with it."""
    told = (await ask(server, http, f"/sessions/{SCROLL_ID}?x=1#t=90&speed=4&evil=2")).json()
    ((tag, attrs),) = Links(told["html"]).found
    src = urlsplit(str(attrs["src"]))

    assert tag == "iframe"
    assert src.path.endswith(f"/embed/{SCROLL_ID}")
    assert f"{src.scheme}://{src.netloc}" == server.url
    assert parse_qs(src.query) == {"t": ["90"], "speed": ["4"]}
    assert attrs["title"] == TITLE
    assert (told["width"], told["height"]) == (int(str(attrs["width"])), int(str(attrs["height"]))) == (960, 600)
    assert (await http.get(str(attrs["src"]))).status_code == 200


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"maxwidth": 480}, (480, 300)),
        ({"maxheight": 300}, (480, 300)),
        ({"maxwidth": 1}, (200, 200)),
        ({"maxwidth": 9999}, (960, 600)),
    ],
)
async def test_frame_is_no_larger_than_there_is_room(
    server: Serving, http: httpx.AsyncClient, asked: dict[str, int], size: tuple[int, int]
) -> None:
    """In its own shape, down to where nothing could be seen."""
    told = (await ask(server, http, f"/embed/{SCROLL_ID}", **asked)).json()

    assert (told["width"], told["height"]) == size


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("", 400),
        ("nonsense", 400),
        ("javascript:alert(1)", 400),
        ("http://[", 400),
        ("http://other.example/sessions/x", 404),
        ("{root}/", 404),
        ("{root}/api/sessions/x", 404),
        ("{root}/sessions/0b5e55ed-0000-4000-8000-0000000000ff", 404),
        ("{root}/sessions/../sessions/x", 404),
    ],
)
async def test_address_of_nothing_is_refused(server: Serving, http: httpx.AsyncClient, url: str, status: int) -> None:
    """With a reason."""
    prefix = server.app.user_middleware[0].kwargs["root_path"]
    answer = await http.get("/oembed", params={"url": url.format(root=f"{server.url}{prefix}")})

    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_xml_is_not_spoken(server: Serving, http: httpx.AsyncClient) -> None:
    """And a size that is none is refused."""
    assert (await ask(server, http, f"/sessions/{SCROLL_ID}", format="xml")).status_code == 501
    assert (await ask(server, http, f"/sessions/{SCROLL_ID}", maxwidth="wide")).status_code == 400
