"""What a server does behind its viewers: new, changed and deleted sessions, search, and kept copies."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from archives import SCROLL_ID, JsonObject, message, write_session
from scrollcast.archive import upkeep
from scrollcast.archive.catalogue import Indexable
from serving import PATIENCE_SECONDS, Serving, ids, serving, talk

OTHER_ID = UUID(int=2)


@pytest.fixture
async def server(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serving]:
    """A server of one session, which makes what changed searchable as soon as it is at rest for a moment."""
    monkeypatch.setattr(upkeep, "REST_SECONDS", 0.1)
    monkeypatch.setattr(upkeep, "GATHER_SECONDS", 0.05)
    write_session(root, [message("m0", 0, "user", content_md="where is the lantern"), *talk(5, first=1)])
    async with serving(root, cache=cache) as server:
        yield server


async def eventually(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """The first answer that is as wanted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted(answer := await ask()):
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.05)
    return answer


async def listed(server: Serving, **query: str) -> list[JsonObject]:
    """The sessions of the list."""
    async with server.http() as http:
        found: list[JsonObject] = (await http.get("/api/sessions", params=query)).json()["sessions"]
        return found


async def test_what_was_said_is_found_and_leads_to_its_event(server: Serving) -> None:
    """A hit names the event, its time, and the words around the match."""
    (session,) = await eventually(lambda: listed(server, q="lantern"), bool)
    async with server.http() as http:
        in_session = (await http.get(f"/api/sessions/{SCROLL_ID}/search", params={"q": "lantern"})).json()["hits"]

    assert session["scroll_id"] == str(SCROLL_ID)
    assert session["hits"] == in_session
    (hit,) = in_session
    assert (hit["seq"], hit["t_ms"], hit["kind"]) == (0, 0, "text")
    assert {"text": "lantern", "match": True} in hit["snippet"]


async def test_it_is_said_that_a_session_cannot_be_searched_yet(server: Serving, root: Path) -> None:
    """For whoever looks for something in it to ask again; when it says no longer so, everything is found."""

    async def look(words: str) -> tuple[int, bool]:
        async with server.http() as http:
            found = (await http.get(f"/api/sessions/{SCROLL_ID}/search", params={"q": words})).json()
        return len(found["hits"]), found["complete"]

    assert await eventually(lambda: look("lantern"), lambda found: found[1]) == (1, True)
    with (root / str(SCROLL_ID) / "messages.jsonl").open("ab") as file:
        file.write(orjson.dumps(message("late", 9, content_md="it is in the boathouse")) + b"\n")
    async with server.http() as http:
        await http.get(f"/api/sessions/{SCROLL_ID}/events")  # which takes in what was appended
    seen = await look("boathouse")
    assert seen in {(0, False), (1, True)}
    assert await eventually(lambda: look("boathouse"), lambda found: found[1]) == (1, True)


async def test_a_search_says_how_many_sessions_it_could_not_search_yet(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there are any; a listing without words is complete without them."""
    may_index = threading.Event()
    index_all = upkeep.Upkeep._index

    def wait_and_index(self: upkeep.Upkeep, behind: list[Indexable]) -> None:
        assert may_index.wait(PATIENCE_SECONDS)
        index_all(self, behind)

    monkeypatch.setattr(upkeep.Upkeep, "_index", wait_and_index)
    write_session(root, [message("m0", 0, "user", content_md="where is the lantern")])
    write_session(root, talk(3), scroll_id=OTHER_ID)
    async with serving(root, cache=cache) as server, server.http() as http:

        async def ask(**query: str) -> JsonObject:
            answer: JsonObject = (await http.get("/api/sessions", params=query)).json()
            return answer

        await eventually(ask, lambda answer: answer["total"] == 2 and "progress" not in answer)
        assert (await ask(q="lantern"))["searched"] == {"sessions": 0, "total": 2}
        may_index.set()
        found = await eventually(lambda: ask(q="lantern"), lambda answer: "searched" not in answer)
        assert len(found["sessions"]) == 1
        assert "searched" not in await ask()


async def test_a_title_is_found_too(server: Serving) -> None:
    """A session is found by its name, which leads to its beginning."""
    (session,) = await eventually(lambda: listed(server, q='"a session"'), bool)

    assert [(hit["seq"], hit["kind"]) for hit in session["hits"]] == [(0, "title")]


async def test_new_words_of_a_growing_session_are_found(server: Serving, root: Path) -> None:
    """What is appended can be searched when the session is at rest."""
    await eventually(lambda: listed(server, q="lantern"), bool)
    with (root / str(SCROLL_ID) / "messages.jsonl").open("ab") as file:
        file.write(orjson.dumps(message("late", 9, content_md="it is in the boathouse")) + b"\n")
    (session,) = await eventually(lambda: listed(server, q="boathouse"), bool)

    assert [hit["seq"] for hit in session["hits"]] == [6]


async def test_a_session_that_comes_is_listed_and_one_that_goes_stays(server: Serving, root: Path) -> None:
    """A deleted session is still there, and says that its source is gone."""
    write_session(root, talk(3), scroll_id=OTHER_ID)
    await eventually(lambda: listed(server), lambda sessions: len(sessions) == 2)
    shutil.rmtree(root / str(OTHER_ID))
    sessions = await eventually(lambda: listed(server), lambda sessions: any(s["source_gone"] for s in sessions))
    other = next(session for session in sessions if session["scroll_id"] == str(OTHER_ID))

    assert other["error"] == "the source file is gone"
    assert len(sessions) == 2


async def test_files_that_nobody_knows_are_told(server: Serving, root: Path) -> None:
    """With the types of their rows, and never as an error page."""
    (root / "strange.jsonl").write_text('{"type": "blip"}\n{"type": "blop"}\n')

    async def ask() -> list[JsonObject]:
        async with server.http() as http:
            await http.get("/api/sessions")
            files: list[JsonObject] = (await http.get("/api/unrecognised")).json()["files"]
            return files

    # It may be met before a word of it was written.
    (file,) = await eventually(ask, lambda files: bool(files) and bool(files[0]["row_types"]))
    assert Path(file["path"]).name == "strange.jsonl"
    assert set(file["row_types"]) >= {"blip", "blop"}


async def test_a_kept_session_plays_when_its_source_is_gone(root: Path, cache: Path, tmp_path: Path) -> None:
    """Its copy takes its place, at the same address."""
    write_session(root, talk(4))
    kept = tmp_path / "kept"
    async with serving(root, cache=cache, kept=kept, keep=True) as server:
        await eventually(lambda: _copies(kept), bool)
        append = root / str(SCROLL_ID) / "messages.jsonl"
        with append.open("ab") as file:
            file.write(orjson.dumps(talk(1, first=4)[0]) + b"\n")
        await eventually(lambda: _copies(kept), lambda copies: copies and b'"m4"' in copies[0].read_bytes())
    shutil.rmtree(root / str(SCROLL_ID))
    async with serving(root, cache=cache, kept=kept) as server:
        await eventually(lambda: listed(server), lambda sessions: [s["error"] for s in sessions] == [None])
        client = await server.replay()

    assert client.log.ids() == ids(5)


async def _copies(kept: Path) -> list[Path]:
    return await asyncio.to_thread(lambda: list(kept.rglob("messages.jsonl")) if kept.exists() else [])
