"""Following a session that is being written: replay first, then each event as it is appended."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from archives import SCROLL_ID, message, write_session
from serving import Client, Serving, ids, serving, talk

FIRST = 20


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session of twenty messages, ten milliseconds apart."""
    write_session(root, talk(FIRST))
    async with serving(root, cache=cache) as server:
        yield server


def messages_file(root: Path) -> Path:
    """Where the session's messages lie."""
    return root / str(SCROLL_ID) / "messages.jsonl"


def append(root: Path, count: int, first: int) -> None:
    """Let the session grow by so many messages."""
    with messages_file(root).open("ab") as file:
        file.write(b"".join(orjson.dumps(record) + b"\n" for record in talk(count, first=first)))


async def caught_up(client: Client) -> None:
    """Read until the replay has become live."""
    assert await client.until("caught_up") == {"type": "caught_up", "seq": client.log.next_seq}


@pytest.mark.parametrize("query", [{}, {"batch": 4000}, {"mode": "realtime", "speed": 100}, {"meta": True}])
async def test_replay_goes_on_live(server: Serving, root: Path, query: dict[str, Any]) -> None:
    """What is archived is replayed, then `caught_up`, then each event as it is written, with the origin `live`."""
    async with server.watch(follow=True, **query) as client:
        await caught_up(client)
        states = [state["status"] for state in client.log.of("state")]
        append(root, 1, FIRST)
        await client.read_events(FIRST + 1)
        append(root, 3, FIRST + 1)
        await client.read_events(FIRST + 4)

    origins = [message["origin"]["type"] for message in client.log.messages if "origin" in message]
    assert states == ["live"]
    assert client.log.ids() == ids(FIRST + 4)
    assert origins == sorted(origins, reverse=True)
    assert origins.count("live") >= 1
    assert not client.log.of("end")


async def test_a_viewer_who_does_not_follow_gets_what_there_was(server: Serving, root: Path) -> None:
    """Growth is not pushed on a replay that ends."""
    async with server.watch(follow=True) as follower, server.watch(hold=True) as other:
        await caught_up(follower)
        await other.until("end")
        append(root, 2, FIRST)
        await follower.read_events(FIRST + 2)
        await other.quiet()


async def test_a_half_written_line_waits(server: Serving, root: Path) -> None:
    """A line is an event when it is whole, not before."""
    line = orjson.dumps(message("late", 1.0)) + b"\n"
    async with server.watch(follow=True) as client:
        await caught_up(client)
        with messages_file(root).open("ab", buffering=0) as file:
            file.write(line[:30])
            await client.quiet()
            file.write(line[30:])
        await client.read_events(FIRST + 1)

    assert client.log.ids()[-1] == "late"


async def test_pausing_and_playing_while_live(server: Serving, root: Path) -> None:
    """Paused, nothing comes; playing again catches up at once and is live again, without a gap."""
    async with server.watch(follow=True, mode="realtime") as client:
        await client.control(seek={"t_ms": 10_000})
        await caught_up(client)
        paused = await client.control(play=False)
        append(root, 5, FIRST)
        await client.quiet()
        playing = await client.control(play=True)
        await client.read_events(5)

    assert (paused["status"], playing["status"]) == ("paused", "live")
    assert client.log.ids() == ids(5, first=FIRST)


async def test_seeking_back_plays_again_up_to_the_live_end(server: Serving, root: Path) -> None:
    """A seek back from live is a replay, which becomes live again."""
    async with server.watch(follow=True) as client:
        await caught_up(client)
        append(root, 2, FIRST)
        await client.read_events(FIRST + 2)
        state = await client.control(seek={"seq": 10})
        await caught_up(client)
        append(root, 1, FIRST + 2)
        await client.until("event", seq=FIRST + 2)

    live = [event["seq"] for event in client.log.of("event") if event["origin"]["type"] == "live" and event["gen"] == 1]
    assert state["status"] == "playing"
    assert client.log.seqs() == list(range(10, FIRST + 3))
    assert live == [FIRST, FIRST + 1, FIRST + 2]


@pytest.mark.parametrize("how", ["truncated", "replaced", "rewritten in place", "rewritten and grown"])
async def test_a_rewritten_session_starts_over_in_words(server: Serving, root: Path, how: str) -> None:
    """A follower hears of it, gets the new epoch, and then everything from 0 in the next generation."""
    file = messages_file(root)
    other = b"".join(orjson.dumps(record) + b"\n" for record in talk(8, first=500))
    async with server.watch(follow=True) as client:
        await caught_up(client)
        match how:
            case "truncated":
                file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:8]))
                expected = ids(8)
            case "replaced":
                fresh = file.with_suffix(".new")
                fresh.write_bytes(other)
                os.replace(fresh, file)
                expected = ids(8, first=500)
            case "rewritten in place":
                changed = file.read_bytes().replace(b'"m3"', b'"M3"')
                with file.open("r+b") as writer:
                    writer.write(changed)
                expected = [*ids(3), "M3", *ids(16, first=4)]
            case _:
                with file.open("r+b") as writer:
                    writer.write(other * 5)
                expected = ids(8, first=500) * 5
        notice = await client.until("notice", code="archive_rewritten")
        await caught_up(client)

    assert notice["epoch"] != client.hello["epoch"]
    assert client.log.ids() == expected
    assert client.log.gen == 1


async def test_a_session_that_was_indexed_before_is_followed_too(root: Path, cache: Path) -> None:
    """A second server, which finds the index in the cache, reads on where it ends."""
    write_session(root, talk(FIRST))
    async with serving(root, cache=cache) as server:
        await server.replay()
    async with serving(root, cache=cache) as server, server.watch(follow=True) as client:
        await caught_up(client)
        append(root, 2, FIRST)
        await client.read_events(FIRST + 2)

    assert client.log.ids() == ids(FIRST + 2)


async def test_bad_lines_that_are_appended_are_told(server: Serving, root: Path) -> None:
    """A record that cannot be read is skipped, and reported with its number when it comes."""
    async with server.watch(follow=True) as client:
        await caught_up(client)
        with messages_file(root).open("ab") as file:
            file.write(b"{broken\n")
        append(root, 1, FIRST)
        notice = await client.until("notice", code="records_skipped")

    assert (notice["count"], notice["lines"]) == (1, [FIRST + 1])


async def test_meta_events_of_a_live_session_come_in_order(root: Path, cache: Path) -> None:
    """Messages and meta events that are appended are merged by time as they come."""
    write_session(root, talk(2, 1000))
    meta_events = root / str(SCROLL_ID) / "meta_events.jsonl"
    async with serving(root, cache=cache) as server, server.watch(follow=True, meta=True) as client:
        await caught_up(client)
        with meta_events.open("ab") as file:
            file.write(orjson.dumps({"event_id": "x", "ts": message("m", 1.5)["ts"], "kind": "mode"}) + b"\n")
        await client.read_events(3)
        append(root, 1, 200)
        await client.read_events(4)

    kinds = [event["event"]["type"] for event in client.log.events]
    assert kinds == ["message_completed", "message_completed", "meta_event", "message_completed"]


async def test_resuming_a_live_replay_misses_nothing(server: Serving, root: Path) -> None:
    """A follower that lost its connection goes on where it was, with what was written meanwhile."""
    async with server.watch(follow=True) as client:
        await caught_up(client)
        append(root, 2, FIRST)
        await client.read_events(FIRST + 2)
        epoch, seq = client.hello["epoch"], client.log.next_seq
    append(root, 2, FIRST + 2)
    async with server.watch(follow=True, epoch=epoch, start_seq=seq) as client:
        await client.read_events(2)
        await caught_up(client)

    assert client.hello["resume"] == "continued"
    assert client.log.ids() == ids(2, first=FIRST + 2)
