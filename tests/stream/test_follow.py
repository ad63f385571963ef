"""Following a session that is being written: replay first, then each event as it is appended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from archives import SCROLL_ID, message, write_document, write_session
from scrollcast.archive import archive as archive_module
from scrollcast.archive import hot_events, index_builder, watcher
from scrollcast.archive.hot_events import HotEvents
from scrollcast.archive.index import SessionIndex
from scrollcast.stream import session_stream
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


async def test_what_came_live_and_is_seen_again_in_realtime_is_live(
    server: Serving, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it is kept in memory by then, as what lies before it is."""
    monkeypatch.setattr(hot_events, "RUN_EVENTS", 2)
    kept: list[int] = []
    monkeypatch.setattr(HotEvents, "_keep", noting(HotEvents._keep, kept))
    async with server.watch(follow=True) as client:
        await caught_up(client)
        append(root, 4, FIRST)
        await client.read_events(FIRST + 4)
        for _ in range(2):
            async with server.watch(mode="realtime", start_seq=FIRST - 8) as other:
                await other.until("end")
        await client.control(seek={"seq": FIRST - 8}, mode="realtime")
        await caught_up(client)

    again = [(event["seq"], event["origin"]["type"]) for event in client.log.of("event") if event["gen"] == 1]
    assert again == [(seq, "live" if seq >= FIRST else "replay") for seq in range(FIRST - 8, FIRST + 4)]
    assert {FIRST - 2, FIRST} <= set(kept)


def noting(keep: Callable[[HotEvents, SessionIndex, int], None], kept: list[int]) -> Callable[..., None]:
    """A way to keep events that notes from which on."""

    def noted(hot: HotEvents, index: SessionIndex, start: int) -> None:
        kept.append(start)
        keep(hot, index, start)

    return noted


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


async def test_a_client_s_window_holds_live_events_too(server: Serving, root: Path) -> None:
    """Also where a command comes with them: never more than it asked for are on their way."""
    async with server.watch(follow=True, window=3, start_seq=FIRST) as client:
        await caught_up(client)
        append(root, 10, FIRST)
        await client.read_events(3)
        await client.control(speed=2)
        await client.quiet()
        await client.ack(FIRST)
        await client.read_events(4)
        await client.quiet()
        await client.ack(FIRST + 9)
        await client.read_events(7)
        await client.ack(FIRST + 6)
        await client.read_events(10)

    assert client.log.ids() == ids(10, first=FIRST)


@pytest.mark.parametrize("is_same", [True, False])
async def test_a_session_that_is_deleted_and_made_again(server: Serving, root: Path, is_same: bool) -> None:
    """While it is missing nothing is said; then it goes on where it was, if it holds what it held."""
    messages = messages_file(root)
    folder, records = messages.parent, talk(FIRST + 2, first=0 if is_same else 100)
    async with server.watch(follow=True) as client:
        await caught_up(client)
        folder.rename(root.with_name("away"))
        await client.quiet()
        write_session(root, records)
        if not is_same:
            await client.until("notice", code="archive_rewritten")
        await client.read_events(FIRST + 2)

    assert client.log.ids() == ids(FIRST + 2, first=0 if is_same else 100)
    assert client.log.gen == (not is_same)


async def test_a_document_that_grows_goes_on(root: Path, cache: Path) -> None:
    """It is read anew each time, in the same epoch, also where it cannot be read for a moment."""
    records = talk(12)
    path = write_document(root, records[:4])
    async with serving(root, cache=cache) as server, server.watch(follow=True) as client:
        await caught_up(client)
        for count in (5, 9, 12):
            path.write_bytes(b'{"metadata":')
            await asyncio.sleep(0.1)
            write_document(root, records[:count])
            await client.read_events(count)
        resumed = await server.replay(epoch=client.hello["epoch"], start_seq=9)

    assert client.log.ids() == ids(12)
    assert client.log.gen == 0
    assert (resumed.hello["resume"], resumed.log.ids()) == ("continued", ids(3, first=9))


async def test_a_document_that_stays_broken_ends_in_words(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while whoever follows it is told."""
    monkeypatch.setattr(session_stream, "REOPEN_PATIENCE_SECONDS", 0.5)
    path = write_document(root, talk(4))
    async with serving(root, cache=cache) as server, server.watch(follow=True) as client:
        await caught_up(client)
        path.write_bytes(b'{"metadata":')
        await client.rest()

    assert client.log.messages[-1]["code"] == "archive_error"
    assert client.close_code == 4505
    assert client.log.ids() == ids(4)


# ----------------------------------------------------------------------------------------------------- other formats

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"

GROWING = {
    "codex": "codex/sessions/2026/08/03/rollout-2026-08-03T09-48-56-019fc698-e240-7c0d-9a5e-1d0a0b0c0d01.jsonl",
    "codex, paginated": "codex/sessions/2026/08/03/"
    "rollout-2026-08-03T14-30-00-019fc79a-3540-7c0d-9a5e-1d0a0b0c0d06.jsonl",
    "codex exec": "codex/exec/bread.jsonl",
    "acp": "acp/harbour.jsonl",
    "gemini": "gemini/tmp/tidepool/chats/session-2026-05-12T08-30-4f0e9a52.jsonl",
    "claude-code": "claude_code/-home-mira-tidepool/5b0c6f0e-3d1a-4c57-9a6e-7f1d2e8b4c90.jsonl",
    "cursor": "cursor/projects/home-mira-tidepool/agent-transcripts/8d1b7c3e-5f40-4a29-b6d8-0e94c2f1a753/"
    "8d1b7c3e-5f40-4a29-b6d8-0e94c2f1a753.jsonl",
    "openai-chat": "openai_chat/2026-05-02-low-tide/conversation.jsonl",
    "opencode": "opencode/run.jsonl",
}


UNDOING = {GROWING["codex, paginated"], GROWING["gemini"]}
"""In these a turn is undone by a later line: what was sent of it by then is no longer so."""


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session is at rest for good after a second and a half, so that held-back records are shown while a test runs,
    and not while a busy machine is between two lines."""
    for module in (archive_module, index_builder):
        monkeypatch.setattr(module, "LINE_REST_SECONDS", 0.4)
        monkeypatch.setattr(module, "RECORD_REST_SECONDS", 1.5)
    monkeypatch.setattr(watcher, "TICK_MS", 50)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("place", GROWING.values(), ids=GROWING)
async def test_a_session_of_any_tool_that_is_written_line_by_line(
    place: str, root: Path, cache: Path, tmp_path: Path
) -> None:
    """What came one by one is what a replay of the whole file gives, to the byte."""
    path = root / place
    lines = (FIXTURES / place).read_bytes().splitlines(keepends=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(lines[:4]))
    async with serving(root, cache=cache) as server:
        scroll_id = await only_session(server)
        async with server.watch(scroll_id, follow=True) as client:
            await client.until("caught_up")
            early = await server.replay(scroll_id)
            for line in lines[4:]:
                with path.open("ab") as file:
                    file.write(line)
                await asyncio.sleep(0.02)
            async with serving(root, cache=tmp_path / "fresh") as fresh:
                whole = (await fresh.replay(scroll_id)).log
            await client.read_events(len(whole.events))
            await client.quiet()
        late = await server.replay(scroll_id)

    assert client.log.events == whole.events == late.log.events
    assert early.log.of("end")
    assert client.log.codes().count("archive_rewritten") <= (place in UNDOING)


async def only_session(server: Serving) -> str:
    """The id of the one session that there is."""
    async with server.http() as http:
        (session,) = (await http.get("/api/sessions")).json()["sessions"]
    return str(session["scroll_id"])
