from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archives import SCROLL_ID, write_session
from scrollcast.archive.archive import Archive
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.index_builder import IndexBuilder
from serving import serving, talk, until


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds back the first look through the archive until it is set."""
    gate = threading.Event()
    refresh = Catalogue.refresh

    def wait_and_refresh(catalogue: Catalogue, **named: Any) -> None:
        gate.wait(10)
        refresh(catalogue, **named)

    monkeypatch.setattr(Catalogue, "refresh", wait_and_refresh)
    yield gate
    gate.set()


async def test_it_is_not_ready_until_the_archive_was_looked_through(
    root: Path, cache: Path, looking: threading.Event
) -> None:
    """But it is alive, and shows its page."""
    write_session(root, talk(3))
    async with serving(root, cache=cache) as server, server.http() as http:
        alive, early, page = [await http.get(path) for path in ("/healthz", "/readyz", "/")]
        looking.set()
        await until(server.app.state.ready.is_set)
        late = await http.get("/readyz")

    assert (alive.status_code, page.status_code, late.status_code) == (200, 200, 200)
    assert early.status_code == 503
    assert early.headers["content-type"] == "application/problem+json"
    assert early.json()["code"] == "not_ready"


async def test_a_viewer_who_comes_before_that_is_served_after_it(
    root: Path, cache: Path, looking: threading.Event
) -> None:
    """A deep link works from the first moment."""
    write_session(root, talk(3))
    async with serving(root, cache=cache) as server, server.watch() as client:
        await client.quiet(0.05)
        looking.set()
        await client.rest()

    assert len(client.log.events) == 3


async def test_a_server_that_is_stopped_while_it_looks_stops(root: Path, cache: Path, looking: threading.Event) -> None:
    """It does not wait for a large archive."""
    write_session(root, talk(3))
    async with asyncio.timeout(5):
        async with serving(root, cache=cache):
            looking.set()


async def test_an_archive_that_goes_away_is_told_and_comes_back(root: Path, cache: Path) -> None:
    """The list is an `archive_error` meanwhile; the server stays."""
    write_session(root / "sub", talk(3))
    async with serving(root / "sub", cache=cache) as server, server.http() as http:
        shutil.rmtree(root / "sub")
        await asyncio.sleep(1.05)  # what the list may be old
        gone = await http.get("/api/sessions")
        write_session(root / "sub", talk(3))
        back = await http.get("/api/sessions")

    assert (gone.status_code, gone.json()["code"]) == (500, "archive_error")
    assert str(root) not in gone.text
    assert back.json()["total"] == 1


async def test_the_archive_is_closed_with_the_server(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on reading."""
    closed = []
    monkeypatch.setattr(Archive, "close", lambda archive: closed.append(archive))
    async with serving(root, cache=cache) as server:
        archive = server.app.state.archive

    assert closed == [archive]


async def test_several_paths_are_served_as_one(root: Path, cache: Path) -> None:
    """A folder, and a single session of another."""
    write_session(root / "one", talk(3))
    other = SCROLL_ID.__class__(int=5)
    write_session(root / "two", talk(4), scroll_id=other)
    async with serving(root / "one", root / "two" / str(other), cache=cache) as server, server.http() as http:
        listed = (await http.get("/api/sessions")).json()["sessions"]
        client = await server.replay(other)

    assert {session["scroll_id"] for session in listed} == {str(SCROLL_ID), str(other)}
    assert len(client.log.events) == 4


async def test_the_cache_is_pruned_once_the_sessions_are_known(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the server already answers."""
    pruned = threading.Event()
    monkeypatch.setattr(Archive, "prune_cache", lambda _archive: pruned.set())
    async with serving(root, cache=cache) as server:
        await until(pruned.is_set)
        ready = server.app.state.ready.is_set()

    assert ready


async def test_a_second_server_plays_from_the_cache_of_the_first(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read twice."""
    write_session(root, talk(30))
    async with serving(root, cache=cache) as server:
        first = await server.replay()

    def refuse(_builder: IndexBuilder) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(IndexBuilder, "run", refuse)
    async with serving(root, cache=cache) as server:
        second = await server.replay()

    assert second.log.events == first.log.events
