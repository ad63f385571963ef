"""What the server says that turns took is what the page makes of their events, in every sample that there is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
import pytest

from archives import SCROLL_ID, message, meta_event, write_session
from contracts import check
from scrollcast.archive.spent import EVENT_BYTES, Purse
from serving import Serving, serving, talk, until

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = (ROOT / "archive_fixtures", ROOT.parent / "shared" / "sessions")

COUNTER: Final = f"""
import {{ readFileSync }} from 'node:fs';
import {{ spentBetween }} from {json.dumps((ROOT / "static/usage.js").as_uri())};
const sessions = readFileSync(0, 'utf8').split('\\n').map((line) => JSON.parse(line));
console.log(JSON.stringify(sessions.map(({{ events, bounds }}) => {{
  const held = new Map(events.map((each) => [each.seq, each]));
  return bounds.map(([start, stop]) => spentBetween((seq) => held.get(seq) ?? null, start, stop));
}})));
"""
"""What the page's own module counts, given the events of sessions and the bounds of their turns, a line each."""


def count(sessions: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What the page makes of the events of sessions."""
    node = shutil.which("node")
    assert node, "the page's tests need it anyway"
    made = subprocess.run(
        [node, "--input-type=module", "-e", COUNTER],
        input=b"\n".join(map(orjson.dumps, sessions)), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    found: list[list[dict[str, Any]]] = json.loads(made.stdout)
    return found


async def turns_of(http: httpx.AsyncClient, scroll_id: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """All turns of a session, from pages of them."""
    turns: list[dict[str, Any]] = []
    while True:
        answer = await http.get(f"/api/sessions/{scroll_id}/turns", params={**query, "start": len(turns), "limit": 7})
        page = answer.json()
        check("TurnPage", page)
        turns += page["turns"]
        if not page["turns"]:
            assert len(turns) == page["total"]
            return turns


async def events_of(http: httpx.AsyncClient, scroll_id: str, query: dict[str, Any]) -> list[dict[str, Any]]:
    """All events of a session."""
    events: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        answer = await http.get(f"/api/sessions/{scroll_id}/events", params={**query, "start_seq": start})
        page = answer.json()
        events += page["events"]
        start = page["next_seq"]
    return events


@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize("redact", [None, True])
async def test_the_server_and_the_page_count_alike(cache: Path, meta: bool, redact: bool | None) -> None:
    """In whatever words the agents do, and with secrets taken out."""
    asked, told = [], []
    async with (
        serving(*(each for each in SAMPLES if each.is_dir()), cache=cache, redact=redact) as server,
        server.http() as http,
    ):
        await until(server.app.state.ready.is_set)  # all are listed
        query = {"meta": "true"} if meta else {}
        for session in (await http.get("/api/sessions", params={"limit": 500})).json()["sessions"]:
            if session["error"] is not None:
                continue
            turns = await turns_of(http, session["scroll_id"], query)
            events = await events_of(http, session["scroll_id"], query)
            ends = [*(turn["seq"] for turn in turns[1:]), len(events)][: len(turns)]
            assert [turn["stop_seq"] for turn in turns] == ends
            bounds = [[turn["seq"], turn["stop_seq"]] for turn in turns]
            asked.append({"events": events, "bounds": bounds})
            told.append([turn["spent"] for turn in turns])

    assert told == count(asked)
    known = [spent for spents in told for spent in spents if spent["tokens"]]
    assert len(known) > 20
    assert any(spent["cost"] for spents in told for spent in spents)
    assert any(spent["tokens"] is None for spents in told for spent in spents)


NUMBERS: Final = [0, 1, 2.5, -1, True, "5", None, [], {"read": 3}, 2**53, 2**53 - 1, 1e308, float("nan")]
NAMES: Final = [
    "input", "input_tokens", "prompt_tokens", "output", "completion_tokens", "cache_read_input_tokens", "reasoning",
    "cache", "cost", "usage", "total",
]  # fmt: skip


def test_odd_numbers_count_alike() -> None:
    """Those that are none, or none that anybody counted; wherever they stand."""
    odd: list[dict[str, Any]] = [
        {place: {name: number, "output_tokens": 1}}
        for place, name, number in product(("usage", "tokens"), NAMES, NUMBERS)
    ]
    odd += [{name: number} for name, number in product((*NAMES, "tokens", "costUSD", "total_cost"), NUMBERS)]
    others: list[Any] = [None, False, 0, "", [], {}, {"input": 2}]
    odd += [{"usage": other, "tokens": {"input": 1}} for other in others]
    odd += [{"usage": {"cache": {"read": number, "write": 2}, "input": 4}} for number in NUMBERS]
    told = []
    for metadata in odd:
        purse = Purse()
        purse.take(metadata)
        told.append(json.loads(orjson.dumps(purse.spent())))
    events = [
        {"seq": seq, "event": {"type": "message_completed", "message": {"metadata": metadata}}}
        for seq, metadata in enumerate(odd)
    ]

    (counted,) = count([{"events": events, "bounds": [[seq, seq + 1] for seq in range(len(odd))]}])
    assert told == counted


# ------------------------------------------------------------------------------------------------------------- pages


def costly(number: int, role: str = "assistant") -> dict[str, Any]:
    """A message that took as much as its number says."""
    return message(f"m{number}", number, role, metadata={"usage": {"input": number, "output": 1}, "cost": number / 8})


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """Turns of three messages, a meta event between them."""
    messages = [costly(number, "assistant" if number % 3 else "user") for number in range(12)]
    write_session(root, messages, [meta_event(f"e{number}", number + 0.5) for number in range(12)])
    async with serving(root, cache=cache) as server:
        yield server


@pytest.mark.parametrize("meta", [False, True])
async def test_a_page_says_what_its_turns_took(server: Serving, meta: bool) -> None:
    """In both numberings the same."""
    async with server.http() as http:
        query = "start=1&limit=2" + ("&meta=true" if meta else "")
        turns = (await http.get(f"/api/sessions/{SCROLL_ID}/turns?{query}")).json()["turns"]

    assert [(turn["seq"], turn["stop_seq"]) for turn in turns] == ([(6, 12), (12, 18)] if meta else [(3, 6), (6, 9)])
    assert [turn["spent"] for turn in turns] == [
        {"tokens": {"read": 12, "written": 3}, "cost": 1.5, "whole": True},
        {"tokens": {"read": 21, "written": 3}, "cost": 2.625, "whole": True},
    ]


async def test_what_no_agent_told_is_unknown(root: Path, cache: Path) -> None:
    """Which is not nothing."""
    write_session(root, talk(25))
    async with serving(root, cache=cache) as server, server.http() as http:
        turns = (await http.get(f"/api/sessions/{SCROLL_ID}/turns")).json()["turns"]

    assert [turn["spent"] for turn in turns] == [{"tokens": None, "cost": None, "whole": True}] * 3
    assert [turn["stop_seq"] for turn in turns] == [10, 20, 25]


async def test_a_page_of_too_much_tells_of_its_first_turns(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for the rest gets it."""
    monkeypatch.setattr("scrollcast.archive.spent.MAX_SPENT_BYTES", 8 * EVENT_BYTES)
    async with server.http() as http:
        address = f"/api/sessions/{SCROLL_ID}/turns"
        turns = (await http.get(address)).json()["turns"]
        known = [turn["spent"] for turn in turns if turn["spent"]]
        rest = (await http.get(address, params={"start": len(known)})).json()["turns"]

    assert 0 < len(known) < 4
    assert [turn["spent"] is None for turn in turns] == [False] * len(known) + [True] * (4 - len(known))
    assert all(turn["label"] for turn in turns)
    assert rest[0]["spent"]["tokens"] == {"read": 9 * len(known) + 3, "written": 3}
