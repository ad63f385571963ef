from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from archives import SCROLL_ID, write_session
from scrollcast.settings import Settings
from scrollcast.web.app import create_app
from scrollcast.web.gate import Gate, Need, guarded
from serving import Serving, serving, talk
from web.doors import OWNER, TOKEN, bearer, guarded_serving, make_share

OTHER: Final = UUID(int=7)

OPEN: Final = frozenset(
    {"/", "/sessions/{scroll_id}", "/embed/{scroll_id}", "/scrollcast-player.js", "/assets/{digest}/{path:path}",
     "/healthz", "/readyz", "/openapi.json", "/asyncapi.json", "/api/access"}
)  # fmt: skip
"""What tells nothing of any session: all of it is here, so that a route that is opened is looked at twice."""

OF_A_SESSION: Final = frozenset(
    f"/api/sessions/{{scroll_id}}{rest}"
    for rest in (
        "",
        "/timeline",
        "/timeline/{table}",
        "/turns",
        "/events",
        "/events/{seq}/parts/{path:path}",
        "/search",
        "/export",
    )
)
"""What a share opens, of its own session."""

QUERIES: Final = {"search": "?q=message", "events": "?limit=1000"}


def routes() -> list[Route]:
    """Every HTTP route of the application."""
    return [route for route in create_app(Settings()).routes if isinstance(route, Route)]


def need_of(route: Route | WebSocketRoute) -> Need:
    """What its gate asks for: the outermost thing that answers."""
    assert isinstance(route.app, Gate), f"nothing stands before {route.path}"
    return route.app._need


def address(route: Route, scroll_id: UUID = SCROLL_ID) -> str:
    """An address of the route that is there, for whoever may."""
    path = route.path.replace("{scroll_id}", str(scroll_id)).replace("{seq}", "0").replace("{path:path}", "0")
    path = (
        path.replace("{digest}", "0")
        .replace("{rest:path}", "nothing")
        .replace("{share_id}", "0")
        .replace("{table}", "turns")
    )
    return path + QUERIES.get(path.rpartition("/")[2], "")


def method(route: Route) -> str:
    """The one that is not HEAD."""
    (found,) = (route.methods or set()) - {"HEAD"}
    return found


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """Two sessions, behind a token."""
    write_session(root, talk(20))
    write_session(root, talk(5), scroll_id=OTHER)
    async with guarded_serving(root, cache) as server:
        yield server


def test_every_route_has_a_gate_and_only_these_are_open() -> None:
    """What is for a session says so, and everything else is for the owner."""
    needs = {(route.path, method(route)): need_of(route) for route in routes()}

    assert {path for (path, _), need in needs.items() if need is Need.NOTHING} == OPEN
    assert {path for (path, _), need in needs.items() if need is Need.SESSION} == OF_A_SESSION
    assert all(verb == "GET" for (_, verb), need in needs.items() if need is Need.SESSION)
    assert len(needs) > 20


def test_every_socket_has_a_gate() -> None:
    """There is one that opens something."""
    app: Starlette = create_app(Settings())
    needs = {route.path: need_of(route) for route in app.routes if isinstance(route, WebSocketRoute)}

    assert needs == {"/ws/sessions/{scroll_id}": Need.SESSION, "/{rest:path}": Need.NOTHING}


def test_a_route_that_declares_nothing_is_for_the_owner() -> None:
    """Whoever adds one has to say that it is for others."""
    assert need_of(guarded("/new", lambda _: None)) is Need.OWNER


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{method(route)} {route.path}")
async def test_without_a_token_nothing_is_told(server: Serving, route: Route) -> None:
    """401 in words for machines and people, on every route, of sessions that there are and that there are not."""
    async with server.http() as http:
        for scroll_id in (SCROLL_ID, UUID(int=99)):
            response = await http.request(method(route), address(route, scroll_id), json={"token": "x"})
            if need_of(route) is Need.NOTHING and route.path != "/api/access":
                assert response.status_code in (200, 404)
                assert "message 0" not in response.text
                continue
            if method(route) == "DELETE" and route.path == "/api/access":
                assert response.status_code == 204
                continue
            assert response.status_code == 401, response.text
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"] == "unauthenticated"


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{method(route)} {route.path}")
async def test_a_share_opens_its_session_and_nothing_else(server: Serving, route: Route) -> None:
    """Of another session it learns as much as of one that there is not; the owner's routes it may not ask."""
    if need_of(route) is Need.NOTHING:
        return
    _, secret = await asyncio.to_thread(make_share, server)
    async with server.http() as http:
        own = await http.request(method(route), address(route), headers=bearer(secret), json={})
        other = await http.request(method(route), address(route, OTHER), headers=bearer(secret), json={})
        none = await http.request(method(route), address(route, UUID(int=99)), headers=bearer(secret), json={})

    if need_of(route) is Need.OWNER:
        assert {own.status_code, other.status_code, none.status_code} == {403}
        return
    assert own.status_code == 200
    assert (other.status_code, none.status_code) == (404, 404)
    assert other.text.replace(str(OTHER), "") == none.text.replace(str(UUID(int=99)), "")


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{method(route)} {route.path}")
async def test_the_owner_may_ask_for_everything(server: Serving, route: Route) -> None:
    """With the token nothing answers that it is missing."""
    async with server.http() as http:
        response = await http.request(method(route), address(route), headers=OWNER, json={"token": TOKEN})

    assert response.status_code in (200, 201, 204, 400, 404), response.text


@pytest.mark.parametrize("scroll_id", [SCROLL_ID, UUID(int=99)])
async def test_a_socket_without_a_token_hears_why(server: Serving, scroll_id: UUID) -> None:
    """The handshake succeeds, since a browser would tell its page nothing of one that failed."""
    client = await server.replay(scroll_id)

    assert [message["type"] for message in client.log.messages] == ["error"]
    assert client.log.codes() == ["unauthenticated"]
    assert client.close_code == 4500
    assert server.streams == 0


async def test_a_share_plays_its_session_and_no_other(server: Serving) -> None:
    """Of another there is the same word as of none."""
    _, secret = await asyncio.to_thread(make_share, server)
    own = await server.replay(SCROLL_ID, secret)
    other, none = await server.replay(OTHER, secret), await server.replay(UUID(int=99), secret)

    assert len(own.log.events) == 20
    assert own.close_code == 1000
    assert (other.log.codes(), other.close_code) == (none.log.codes(), none.close_code) == (["session_not_found"], 4504)


async def test_a_server_that_asks_for_nothing_lets_everybody_in(root: Path, cache: Path) -> None:
    """On loopback, as long as nobody asks for anything else."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server:
        async with server.http() as http:
            assert (await http.get("/api/sessions")).json()["total"] == 1
            assert (await http.get("/api/access")).json()["owner"] is True
        assert len((await server.replay()).log.events) == 5
