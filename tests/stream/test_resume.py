from __future__ import annotations

import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from archives import SCROLL_ID, JsonObject, write_session
from serving import Serving, ids, serving, talk

EVENTS = 2000
KILLS = 200


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session of two thousand messages."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server:
        yield server


async def watch_and_lose(
    server: Serving, chance: random.Random, seen: list[JsonObject], epoch: str | None, query: dict[str, Any]
) -> tuple[str, bool]:
    """Connect as one who comes back, read some, lose the line; gives the epoch, and whether the end was seen."""
    resume = {} if epoch is None else {"start_seq": len(seen), "epoch": epoch}
    async with server.watch(**query, **resume) as client:
        hello = await client.next()
        assert hello["resume"] == ("none" if epoch is None else "continued")
        wanted = chance.randrange(EVENTS * 2 // KILLS)
        ended = False
        while len(client.log.events) < wanted and not ended:
            ended = (await client.next())["type"] == "end"
        client.abort()
    seen += client.log.events
    return hello["epoch"], ended


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"batch": 700},
        {"mode": "realtime", "speed": 100},
        {"mode": "realtime", "speed": 100, "batch": 700},
    ],
    ids=str,
)
async def test_a_replay_killed_and_resumed_200_times_joins_to_the_archive(
    server: Serving, query: dict[str, Any]
) -> None:
    """The line is cut after a random number of events, without a word; nothing is missed and nothing repeated."""
    chance = random.Random(str(query))
    whole = await server.replay()
    seen: list[JsonObject] = []
    epoch: str | None = None
    for _ in range(KILLS):
        epoch, _ended = await watch_and_lose(server, chance, seen, epoch, query)
    last = await server.replay(**query, start_seq=len(seen), epoch=epoch)

    assert [event["event"]["message"]["id"] for event in seen + last.log.events] == ids(EVENTS)
    assert seen + last.log.events == whole.log.events
    assert last.close_code == 1000


async def test_the_epoch_outlives_the_server_and_its_cache(root: Path, tmp_path: Path) -> None:
    """A client may come back to another process, even one whose cache was deleted."""
    write_session(root, talk(20))
    epochs = set()
    for name in ("one", "one", "two"):
        (tmp_path / name).mkdir(exist_ok=True)
        async with serving(root, cache=tmp_path / name) as server:
            epochs.add((await server.replay()).hello["epoch"])

    assert len(epochs) == 1


@pytest.mark.parametrize(
    ("query", "resume", "seqs"),
    [
        ({"start_seq": 15}, "none", range(15, 20)),
        ({"start_seq": 15, "epoch": "same"}, "continued", range(15, 20)),
        ({"start_seq": 20, "epoch": "same"}, "continued", range(0)),
        ({"epoch": "same"}, "continued", range(20)),
        ({"start_seq": 15, "epoch": "other"}, "reset", range(20)),
        ({"start_seq": 900, "epoch": "other"}, "reset", range(20)),
        ({"start_ms": 151, "epoch": "same"}, "none", range(16, 20)),
    ],
)
async def test_what_a_client_that_comes_back_is_told(
    root: Path, cache: Path, query: dict[str, Any], resume: str, seqs: range
) -> None:
    """`continued` with the epoch that holds, `reset` from 0 with another, `none` where nobody resumes."""
    write_session(root, talk(20))
    async with serving(root, cache=cache) as server:
        epoch = (await server.replay()).hello["epoch"]
        given = {**query, "epoch": epoch} if query.get("epoch") == "same" else query
        client = await server.replay(**given)

    assert client.hello["resume"] == resume
    assert client.hello["epoch"] == epoch
    assert client.log.seqs() == list(seqs)


async def test_a_client_that_missed_a_rewriting_starts_over(root: Path, cache: Path) -> None:
    """Its epoch is another than the archive's now."""
    write_session(root, talk(20))
    async with serving(root, cache=cache) as server:
        epoch = (await server.replay()).hello["epoch"]
        shutil.rmtree(root / str(SCROLL_ID))
        write_session(root, talk(30, first=100))
        client = await server.replay(start_seq=10, epoch=epoch)

    assert client.hello["resume"] == "reset"
    assert client.log.ids() == ids(30, 100)


async def test_each_connection_is_a_replay_of_its_own(server: Serving) -> None:
    """A resumed one too has a new `replay_id`."""
    one = await server.replay(start_seq=1990)
    two = await server.replay(start_seq=1990, epoch=one.hello["epoch"])

    assert one.hello["replay_id"] != two.hello["replay_id"]
    assert one.log.events == two.log.events


@pytest.mark.parametrize("count", [1, 7, 90])
async def test_a_server_that_stops_says_where_a_replay_in_realtime_was(server: Serving, count: int) -> None:
    """However many events were sent since the replay was looked at as a whole."""
    async with server.watch(mode="realtime") as client:
        await client.read_events(count)
        for connection in tuple(server.server.server_state.connections):
            connection.shutdown()
        log = await client.rest()

    notice = log.messages[-1]
    assert (notice["type"], notice["code"]) == ("notice", "server_stopping")
    assert notice["start_seq"] == log.next_seq >= count
