from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from archives import SCROLL_ID, message, write_session
from scrollcast.model import Span
from serving import Serving, ids, talk
from web.doors import OWNER, bearer, guarded_serving, make_share

GAP_MS: Final = 1000
SPAN: Final = Span(20_000, 39_500)
"""Of a message a second: `m20` to `m39`."""

INSIDE: Final = ids(20, 20)

SAID: Final = set(range(20, 40)) - {25, 35}
"""Those of them that are words, not calls."""


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A session of which a third is shared."""
    write_session(root, talk(60, GAP_MS))
    async with guarded_serving(root, cache) as server:
        yield server


@pytest.fixture
async def secret(server: Serving) -> str:
    """What opens that third."""
    return (await asyncio.to_thread(make_share, server, SPAN))[1]


def texts(value: Any) -> set[int]:
    """The numbers of the messages of `talk` whose words stand anywhere in it."""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return {number for number in range(60) if f"message {number} " in text}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"batch": 65536},
        {"start_ms": 0},
        {"start_seq": 0},
        {"start_seq": 3},
        {"mode": "realtime", "speed": 100},
        {"mode": "reading", "speed": 100, "idle": 0.1},
        {"meta": "true"},
        {"preview": 1024},
        {"window": 1000},
    ],
    ids=str,
)
async def test_a_replay_has_what_was_shared_and_nothing_else(
    server: Serving, secret: str, query: dict[str, Any]
) -> None:
    """With the numbers and times that it has in the whole session."""
    client = await server.replay(SCROLL_ID, secret, **query)

    assert client.log.ids() == INSIDE
    assert client.log.seqs() == list(range(20, 40))
    assert client.hello["range"] == {"first_seq": 20, "next_seq": 40, "duration_ms": 39_000, "live": False}
    assert (client.hello["state"]["seq"], client.hello["session"]["count"]) == (20, 20)
    assert client.hello["session"]["duration_ms"] == 19_000
    assert client.log.of("end")[0]["final_seq"] == 39
    assert texts(client.log.messages) == SAID


SEEKS: Final[list[dict[str, Any]]] = [
    {"seek": {"t_ms": 0}},
    {"seek": {"t_ms": 10**9}},
    {"seek": {"seq": 0}},
    {"seek": {"seq": 59}},
    {"seek": {"event_id": "m3"}},
    {"seek": {"event_id": "m50"}},
    {"step": {"by": -100, "unit": "event"}},
    {"step": {"by": 100, "unit": "event"}},
    {"step": {"by": -100, "unit": "turn"}},
    {"step": {"by": 100, "unit": "turn"}},
    {"step": {"by": -100, "unit": "tool"}},
    {"step": {"by": 100, "unit": "error"}},
]


async def test_no_command_leads_out_of_it(server: Serving, secret: str) -> None:
    """Whatever is sought, and from wherever; no position out of it is told."""
    async with server.watch(SCROLL_ID, secret, paused="true", hold="true") as client:
        await client.until("hello")
        for _ in range(2):
            for command in SEEKS:
                answer = await client.control(**command)
                if "event_id" in command.get("seek", {}):
                    assert answer["code"] == "bad_command"
                    continue
                assert 20 <= answer["seq"] <= 40
                assert 20_000 <= answer["t_ms"] <= 39_000
                await client.control(mode="fast", play=True)
        await client.control(seek={"seq": 0}, play=True)
        await client.read_events(20)

        assert client.log.ids() == INSIDE
        assert texts(client.log.messages) == SAID


@pytest.mark.parametrize(("start", "code"), [(40, 1000), (41, 4501), (60, 4501)])
async def test_it_ends_where_the_share_does(server: Serving, secret: str, start: int, code: int) -> None:
    """Who resumes behind its end is told that there is nothing, not that there is more."""
    assert (await server.replay(SCROLL_ID, secret, start_seq=start)).close_code == code


@pytest.mark.parametrize("span", [Span(100_000, None), Span(20_100, 20_900), Span(None, None)])
async def test_a_share_of_nothing_and_of_everything(server: Serving, span: Span) -> None:
    """Plays as a session of none, or as the session does."""
    _, token = await asyncio.to_thread(make_share, server, span)
    client = await server.replay(SCROLL_ID, token)
    events = client.log.events

    assert len(events) == (60 if span.is_whole else 0)
    assert client.log.of("end")[0]["final_seq"] == (59 if span.is_whole else None)
    if not span.is_whole:
        assert texts(client.log.messages) == set()


async def test_every_route_has_what_was_shared_and_nothing_else(server: Serving, secret: str) -> None:
    """The list of events, the seek bar, the search, the exports, single parts."""
    base = f"/api/sessions/{SCROLL_ID}"
    async with server.http() as http:
        while not (await http.get(f"{base}/search?q=message", headers=OWNER)).json()["hits"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # until its words have been read
        http.headers.update(bearer(secret))
        session = (await http.get(base)).json()
        timeline = (await http.get(f"{base}/timeline")).json()
        hits = (await http.get(f"{base}/search?q=message&limit=3")).json()["hits"]
        every = (await http.get(f"{base}/search?q=message&limit=1000")).json()["hits"]
        assert (session["count"], session["duration_ms"]) == (20, 19_000)
        assert (timeline["first_seq"], timeline["count"], timeline["duration_ms"]) == (20, 40, 39_000)
        assert {marker["seq"] for marker in timeline["markers"]} <= set(range(20, 40))
        assert sum(timeline["density"]["counts"]) == 20
        assert [hit["seq"] for hit in hits] == [20, 21, 22]
        turns = (await http.get(f"{base}/turns")).json()["turns"]
        assert [(turn["number"], turn["seq"], turn["stop_seq"]) for turn in turns] == [(1, 20, 30), (2, 30, 40)]
        assert {hit["seq"] for hit in every} == SAID
        for query in ("", "?start_seq=0&limit=1000", "?start_seq=39", "?start_seq=40", "?start_seq=55", "?limit=3"):
            page = (await http.get(f"{base}/events{query}")).json()
            assert all(20 <= event["seq"] < 40 for event in page["events"])
            assert page["next_seq"] in ((23,) if query == "?limit=3" else (None,))
        for seq in range(60):
            status = (await http.get(f"{base}/events/{seq}/parts/0")).status_code
            assert status == (200 if 20 <= seq < 40 else 404)
        for form in ("jsonl", "markdown", "html"):
            for query in ("", "&from_ms=0&to_ms=1000000", "&from_ms=0", "&to_ms=1000000"):
                document = (await http.get(f"{base}/export?format={form}{query}")).text
                assert texts(document) <= set(range(20, 40))
                assert form == "html" or len(texts(document)) == 18
        inner = (await http.get(f"{base}/export?format=jsonl&from_ms=30000&to_ms=31000")).text
        assert texts(inner) == {30, 31}
        outer = await http.get(f"{base}/export?format=jsonl&from_ms=0&to_ms=1000")
        assert outer.status_code == 400


async def test_a_session_that_grows_stays_within_its_share(root: Path, cache: Path) -> None:
    """What is written before the stretch begins, and behind its end, is not sent."""
    folder = write_session(root, talk(5, GAP_MS))
    async with guarded_serving(root, cache) as server:
        _, token = await asyncio.to_thread(make_share, server, Span(7_000, 9_000))
        async with server.watch(SCROLL_ID, token, follow="true") as client:
            await client.until("caught_up")
            for number in range(5, 13):
                line = orjson.dumps(message(f"m{number}", number * GAP_MS / 1000)) + b"\n"
                await asyncio.to_thread(_append, folder / "messages.jsonl", line)
                await asyncio.sleep(0.05)
            await client.read_events(3)
            await client.quiet(1.0)

            assert client.log.ids() == ["m7", "m8", "m9"]


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)


async def test_a_share_says_nothing_of_what_is_around_its_session(root: Path, cache: Path) -> None:
    """Neither its folder nor what its format keeps beside it, in any answer."""
    write_session(root, talk(5), project="/home/xanthippe/secret", metadata={"cwd": "/home/xanthippe/secret"})
    async with guarded_serving(root, cache) as server, server.http() as http:
        _, token = await asyncio.to_thread(make_share, server)
        client = await server.replay(SCROLL_ID, token)
        said = [(await http.get(f"/api/sessions/{SCROLL_ID}", headers=bearer(token))).text]
        for form in ("jsonl", "markdown", "html"):
            export = await http.get(f"/api/sessions/{SCROLL_ID}/export?format={form}", headers=bearer(token))
            said.append(export.text)
        whole = (await http.get(f"/api/sessions/{SCROLL_ID}", headers=OWNER)).text

    assert "xanthippe" in whole
    assert "xanthippe" not in "".join(said) + str(client.hello)


async def test_a_turn_took_what_was_shared_of_it(root: Path, cache: Path) -> None:
    """Not what came after."""
    told = {"usage": {"input": 10, "output": 1}, "cost": 0.25}
    messages = [message(f"m{n}", n, "assistant" if n % 10 else "user", metadata=told) for n in range(60)]
    write_session(root, messages)
    async with guarded_serving(root, cache) as server:
        _, token = await asyncio.to_thread(make_share, server, Span(15_000, 32_000))
        async with server.http() as http:
            whole = (await http.get(f"/api/sessions/{SCROLL_ID}/turns", headers=OWNER)).json()["turns"]
            turns = (await http.get(f"/api/sessions/{SCROLL_ID}/turns", headers=bearer(token))).json()["turns"]

    assert {turn["spent"]["tokens"]["read"] for turn in whole} == {100}
    assert [(turn["stop_seq"], turn["spent"]) for turn in turns] == [
        (30, {"tokens": {"read": 100, "written": 10}, "cost": 2.5, "whole": True}),
        (33, {"tokens": {"read": 30, "written": 3}, "cost": 0.75, "whole": True}),
    ]
