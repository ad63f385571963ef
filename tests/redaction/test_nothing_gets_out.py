"""A real server, a session full of secrets, and everything that a viewer who may not see them can ask for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import orjson
import pytest

from archives import SCROLL_ID, JsonObject, message, meta_event, write_session
from leaks import holds, unpacked_page
from scrollcast.redaction import Redaction
from secrets_corpus import FORMS, KINDS
from serving import PATIENCE_SECONDS, Serving, serving, until

TOKEN = "ghp_" + "n4Vb9cXz2LkJ7hGf5DsA1qWe3rTy6uIoP0pM"
HOME = "/home/marguerite/work/app"
CHILD = UUID(int=7)


def told(place: int, content: list[Any], **fields: Any) -> JsonObject:
    """A message of the agent."""
    return message(f"m{place}", place, "assistant", content_md=None, content_parts=content, **fields)


def corpus_session(seed: int) -> tuple[list[JsonObject], list[str]]:
    """A session with every kind of secret in one form after another, and the secrets."""
    rng = random.Random(seed)
    forms = list(FORMS.values())
    messages, secrets = [], []
    for place, make in enumerate(KINDS.values()):
        planted = make(rng)
        secrets.append(planted.secret)
        messages.append(told(place, forms[(place + seed) % len(forms)](rng, planted.text)))
    return messages, secrets


def special_session() -> list[JsonObject]:
    """The token in every place of a session that is not the text of a part."""
    call = {
        "type": "tool_call",
        "call_id": TOKEN,
        "name": f"run {TOKEN}",
        "kind": "execute",
        "title": f"curl with {TOKEN[:20]}…",
        "input": {"command": f"curl -u me:{TOKEN} x", TOKEN: [1, {"deep": TOKEN}]},
    }
    result = {
        "type": "tool_result",
        "call_id": TOKEN,
        "is_error": True,
        "output": [{"type": "text", "text": f"failed with {TOKEN}"}, {"type": "resource", "uri": f"file:///{TOKEN}"}],
    }
    plan = {"type": "plan", "entries": [{"content": f"use {TOKEN}", "status": "pending"}]}
    return [
        message("m0", 0, content_md=None, content_parts=[{"type": "text", "text": "Deploy with " * 5 + TOKEN}]),
        told(1, [{"type": "thinking", "text": f"the token is {TOKEN}"}, call], metadata={"env": TOKEN, TOKEN: "x"}),
        message("m2", 2, "tool", content_md=None, content_parts=[result]),
        told(3, [plan, {"type": "code", "text": f"t = '{TOKEN}'", "language": TOKEN}]),
        told(4, [{"type": "text", "text": "padding " * 2000 + TOKEN + " padding" * 2000}]),
        message(TOKEN, 5, content_md="the end"),
    ]


class Viewer:
    """Asks for everything that there is, and keeps what came."""

    def __init__(self, server: Serving) -> None:
        self.server = server
        self.got: dict[str, bytes] = {}

    async def look_around(self, queries: Sequence[str] = ("padding",)) -> None:
        """Ask for all of it."""
        await self._watch("socket")
        await self._watch("socket in batches with meta events", batch=65536, meta="true")
        await self._watch("socket cut short", preview=1024)
        api = f"/api/sessions/{SCROLL_ID}"
        async with self.server.http() as http:
            for name in (
                "", "/timeline", "/timeline?most=10", "/timeline/gaps", "/timeline/turns", "/turns",
                "/events?limit=1000", "/events?limit=1000&meta=true&preview=1024",
            ):  # fmt: skip
                await self.get(http, f"{api}{name}")
            own = f"{self.server.url}/sessions/{SCROLL_ID}"
            for name in ("/", f"/sessions/{SCROLL_ID}", f"/embed/{SCROLL_ID}", f"/oembed?url={own}"):
                await self.get(http, name)
            for name in ("/api/sessions", "/api/sessions?sort=title&limit=1", "/api/facets", "/api/unrecognised"):
                await self.get(http, name)
            for format_name in ("html", "markdown", "jsonl", "cast"):
                await self.get(http, f"{api}/export?format={format_name}")
            for query in queries:
                await self.get(http, f"{api}/search?{httpx.QueryParams(q=query)}")
                await self.get(http, f"/api/sessions?{httpx.QueryParams(q=query)}")
            events = orjson.loads(self.got[f"{api}/events?limit=1000"])["events"]
            for event in events:
                for place in range(len(event["event"]["message"]["content"])):
                    await self.get(http, f"{api}/events/{event['seq']}/parts/{place}")

    async def get(self, http: httpx.AsyncClient, path: str) -> None:
        """Ask for one thing."""
        answer = await http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        self.got[f"headers of {path}"] = orjson.dumps(dict(answer.headers))
        self.got[path] = unpacked_page(answer.content) if "format=html" in path else answer.content

    async def _watch(self, name: str, **query: Any) -> None:
        client = await self.server.replay(**query)
        self.got[name] = orjson.dumps(client.log.messages)

    def places_of(self, secret: str) -> list[str]:
        """Where the secret came through."""
        return [name for name, data in self.got.items() if holds(data, secret)]


Serve: TypeAlias = Callable[..., Awaitable[Serving]]


@pytest.fixture
async def serve(root: Path, cache: Path) -> AsyncIterator[Serve]:
    """Starts a server of what there is by then, for viewers who may not see secrets."""
    async with AsyncExitStack() as servers:

        async def start(**settings: Any) -> Serving:
            server = await servers.enter_async_context(serving(root, cache=cache, redact=True, **settings))
            await until(server.app.state.ready.is_set)
            return server

        yield start


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_planted_secret_gets_out(root: Path, cache: Path, seed: int) -> None:
    """Every kind of secret, in one form after another: without redaction each is found, with it none."""
    messages, secrets = corpus_session(seed)
    write_session(root, messages, [meta_event("e", 1, payload={"deep": [messages[0]["content_parts"]]})])
    for redact in (False, True):
        async with serving(root, cache=cache, redact=redact) as server:
            await until(server.app.state.ready.is_set)
            viewer = Viewer(server)
            await viewer.look_around()
            places = {secret: viewer.places_of(secret) for secret in secrets}
            if redact:
                assert not any(places.values()), {secret: found for secret, found in places.items() if found}
            else:  # they are there to be found, and would be
                assert all(places.values()), [secret for secret, found in places.items() if not found]


async def test_no_place_of_a_session_is_forgotten(root: Path, serve: Serve) -> None:
    """Ids, names, titles, labels, addresses, fields: nothing of the token, and one placeholder for it everywhere."""
    write_session(
        root,
        special_session(),
        [meta_event(f"e {TOKEN}", 1, TOKEN, {"token": TOKEN})],
        title=f"About {TOKEN}",
        project=f"/srv/{TOKEN}",
        agent=f"agent {TOKEN}",
        model=TOKEN,
        native_session_id=TOKEN,
    )
    server = await serve()
    viewer = Viewer(server)
    await viewer.look_around()
    assert viewer.places_of(TOKEN) == []
    assert viewer.places_of(TOKEN[:20]) == []  # nor half of it, where something was cut
    placeholder = viewer.got["socket"].split(b"[redacted:github-pat#")[1][:6]
    for name in ("socket", "/api/sessions", f"/api/sessions/{SCROLL_ID}/export?format=markdown"):
        found = {piece[:6] for piece in viewer.got[name].split(b"[redacted:github-pat#")[1:]}
        assert found == {placeholder}, name


async def test_a_document_holds_no_secret_of_the_sessions_that_its_own_one_started(root: Path, cache: Path) -> None:
    """Of a subagent, in the page that an export makes; asked for, they are there."""
    call = {"type": "tool_call", "call_id": "c1", "name": "Task", "kind": "other", "title": "Task", "input": {}}
    write_session(root, [told(0, [call])])
    write_session(
        root, [message("n0", 1, content_md=f"one {TOKEN}")], scroll_id=CHILD, title=f"Try {TOKEN}",
        parent_scroll_id=str(SCROLL_ID), parent_call_id="c1", native_session_id=None,
    )  # fmt: skip
    async with serving(root, cache=cache) as server:
        await until(server.app.state.ready.is_set)
        viewer = Viewer(server)
        path = f"/api/sessions/{SCROLL_ID}/export?format=html"
        async with server.http() as http:
            await viewer.get(http, path)
            await viewer.get(http, f"{path}&redact=false")
        assert viewer.places_of(TOKEN) == [f"{path}&redact=false"]
        assert b"[redacted:github-pat#" in viewer.got[path]


async def test_says_how_many(root: Path, serve: Serve) -> None:
    """A notice counts what was replaced."""
    write_session(root, [message("m0", 0, content_md=f"one {TOKEN} two AKIAQWERTYUIOPASDFGH"), message("m1", 1)])
    server = await serve()
    client = await server.replay()
    notices = client.log.of("notice")
    (notice,) = [each for each in notices if each["code"] == "redacted"]
    assert {each["code"] for each in notices} <= {"redacted", "index_complete"}  # the latter where it began at once
    assert notice == {
        "type": "notice",
        "level": "info",
        "code": "redacted",
        "message": "2 secrets were replaced by placeholders",
        "count": 2,
    }


async def test_says_nothing_where_there_is_nothing(root: Path, serve: Serve) -> None:
    """No secret, no notice."""
    write_session(root, [message("m0", 0)])
    server = await serve()
    assert (await server.replay()).log.of("notice") == []


@pytest.mark.parametrize("query", [TOKEN, TOKEN[:12] + "*", TOKEN[:5] + "*", f'"{TOKEN}"', "ghp_n4*", "n4Vb*"])
async def test_a_search_does_not_find_what_is_not_shown(root: Path, serve: Serve, query: str) -> None:
    """Else a secret could be guessed, letter by letter."""
    write_session(root, [message("m0", 0, content_md=f"rotate {TOKEN} soon"), message("m1", 1, content_md="rotate")])
    server = await serve()
    async with server.http() as http:
        in_session = f"/api/sessions/{SCROLL_ID}/search"
        await _until_found(http, in_session, "rotate")
        assert (await http.get(in_session, params={"q": query})).json()["hits"] == []
        listed = (await http.get("/api/sessions", params={"q": query})).json()
        assert (listed["sessions"], listed["total"], listed["next_cursor"]) == ([], 0, None)
        # Nor does it become known by being excluded, or beside words that are there.
        assert (await http.get("/api/sessions", params={"q": f"rotate {query}"})).json()["total"] == 0
        assert (await http.get("/api/sessions", params={"q": f"rotate -{query}"})).json()["total"] == 1


async def _until_found(http: httpx.AsyncClient, path: str, words: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (await http.get(path, params={"q": words})).json()["hits"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_snippet_shows_the_placeholder(root: Path, serve: Serve) -> None:
    """Where the words around a secret are found."""
    write_session(root, [message("m0", 0, content_md=f"rotate {TOKEN} soon")])
    server = await serve()
    async with server.http() as http:
        path = f"/api/sessions/{SCROLL_ID}/search"
        await _until_found(http, path, "rotate")
        (hit,) = (await http.get(path, params={"q": "rotate"})).json()["hits"]
        text = "".join(piece["text"] for piece in hit["snippet"])
        assert text.startswith("rotate [redacted:github-pat#")
        assert text.endswith("] soon")


async def test_titles_cannot_be_guessed_by_where_they_stand_in_the_list(root: Path, serve: Serve) -> None:
    """A cursor holds no title, and is not believed where it says one."""
    for number in range(3):
        write_session(root, [message("m", 0)], scroll_id=UUID(int=number + 1), title=f"{TOKEN} {number}")
    server = await serve()
    async with server.http() as http:
        first = (await http.get("/api/sessions", params={"sort": "title", "limit": 1})).json()
        assert not holds(orjson.dumps(first), TOKEN)
        assert not holds(orjson.dumps(first), TOKEN.lower())
        seen, cursor = [session["scroll_id"] for session in first["sessions"]], first["next_cursor"]
        while cursor:
            page = (await http.get("/api/sessions", params={"sort": "title", "limit": 1, "cursor": cursor})).json()
            seen += [session["scroll_id"] for session in page["sessions"]]
            cursor = page["next_cursor"]
        assert seen == [str(UUID(int=number + 1)) for number in range(3)]


async def test_sizes_are_those_of_what_is_shown(root: Path, serve: Serve) -> None:
    """A cut part tells the length of what its address gives."""
    text = "x " * 1000 + TOKEN
    write_session(root, [message("m0", 0, content_md=None, content_parts=[{"type": "text", "text": text}])])
    server = await serve()
    async with server.http() as http:
        path = f"/api/sessions/{SCROLL_ID}/events"
        (cut,) = (await http.get(path, params={"preview": 1024})).json()["events"]
        part = cut["event"]["message"]["content"][0]
        whole = (await http.get(part["truncated"]["href"])).content
        assert part["truncated"]["bytes"] == len(whole)
        assert whole.endswith(b"]")


async def test_a_cut_never_leaves_half_a_secret(root: Path, serve: Serve) -> None:
    """Wherever the limit falls."""
    messages = [
        message(
            f"m{place}",
            place,
            content_md=None,
            content_parts=[{"type": "text", "text": "x" * place + " " + TOKEN + " " + "y" * 100}],
        )
        for place in range(970, 1030)
    ]
    write_session(root, messages)
    server = await serve()
    client = await server.replay(preview=1024)
    assert len(client.log.events) == 60
    assert not holds(orjson.dumps(client.log.messages), TOKEN[:8])


async def test_one_who_follows_gets_no_secret_either(root: Path, serve: Serve) -> None:
    """What is written while somebody watches."""
    folder = write_session(root, [message("m0", 0)])
    server = await serve()
    async with server.watch(follow="true") as client:
        await client.until("caught_up")
        with (folder / "messages.jsonl").open("ab") as file:
            file.write(orjson.dumps(message("m1", 1, content_md=f"now {TOKEN}")) + b"\n")
        notice = await client.until("notice")
        assert (notice["code"], notice["count"]) == ("redacted", 1)
        event = await client.until("event")
        assert not holds(orjson.dumps(event), TOKEN)
        assert b"[redacted:github-pat#" in orjson.dumps(event)


async def test_what_is_had_of_one_redaction_is_not_resumed_with_another(root: Path, cache: Path) -> None:
    """The epoch is another one."""
    write_session(root, [message(f"m{place}", place) for place in range(3)])
    epochs = []
    for redact in (True, True, False):
        async with serving(root, cache=cache, redact=redact) as server:
            client = await server.replay()
            epochs.append(client.hello["epoch"])
            again = await server.replay(start_seq=2, epoch=epochs[0])
            assert again.hello["resume"] == ("continued" if redact else "reset")
    assert epochs[0] == epochs[1] != epochs[2]


async def test_a_document_is_redacted_unless_its_owner_says_otherwise(root: Path, cache: Path) -> None:
    """The owner of the server, for all, or who sees all, for one document."""
    write_session(root, [message("m0", 0, content_md=f"one {TOKEN}")])
    path = f"/api/sessions/{SCROLL_ID}/export"
    for redact, wish, is_held in (
        (None, None, False),
        (None, "false", True),
        (None, "true", False),
        (True, "false", False),
        (False, None, True),
        (False, "true", False),
    ):
        async with serving(root, cache=cache, redact=redact) as server, server.http() as http:
            query = {"format": "markdown"} | ({} if wish is None else {"redact": wish})
            answer = await http.get(path, params=query)
            assert (TOKEN in answer.text) is is_held, (redact, wish)
            assert TOKEN in (await http.get(f"{path[:-7]}/events")).text or redact is True
    async with serving(root, cache=cache) as server, server.http() as http:
        assert (await http.get(path, params={"redact": "perhaps"})).json()["parameter"] == "redact"


async def test_own_patterns_and_names_go_too(root: Path, serve: Serve) -> None:
    """And the list can be asked for a project only as it is shown."""
    write_session(root, [message("m0", 0, content_md=f"cd {HOME} # PRJ-1234, says Marguerite")], project=HOME)
    server = await serve(redaction=Redaction(("PRJ-[0-9]{4}",), names=True, known_names=frozenset(("marguerite",))))
    viewer = Viewer(server)
    await viewer.look_around(["says"])
    for secret in ("marguerite", "Marguerite", "PRJ-1234"):
        assert viewer.places_of(secret) == []
    async with server.http() as http:
        (session,) = (await http.get("/api/sessions")).json()["sessions"]
        assert session["project"].startswith("/home/[redacted:user#")
        # The list can be asked for a project as it is shown, and not as it is.
        assert (await http.get("/api/sessions", params={"project": session["project"]})).json()["total"] == 1
        assert (await http.get("/api/sessions", params={"project": HOME})).json()["total"] == 0


async def test_what_cannot_be_redacted_is_not_shown(root: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails closed."""

    def fail(*_arguments: object) -> None:
        raise RecursionError

    monkeypatch.setattr("scrollcast.redaction.redactor.Redactor.event", fail)
    write_session(root, [message("m0", 0, content_md=TOKEN)])
    server = await serve()
    client = await server.replay()
    assert not holds(orjson.dumps(client.log.messages), TOKEN)
    assert client.log.messages[-1]["code"] == "archive_error"
