"""The player itself, on a terminal that is none, over the stream in this process and over a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from textual.pilot import Pilot

from archives import SCROLL_ID, join_lines, message, meta_event, write_session
from scrollcast.archive.archive import Archive
from scrollcast.client.asking import Parameters
from scrollcast.errors import ReplayRefused
from scrollcast.terminal.app import PlayerApp, help_lines
from scrollcast.terminal.keys import GROUPS
from scrollcast.terminal.local import LocalSource
from scrollcast.terminal.source import RemoteSource, Source
from scrollcast.terminal.watch import Wish
from serving import ids, serving, talk, until
from terminal.speaking import plain

COUNT = 300
GAP_MS = 10_000
"""Nothing comes by itself while a test looks."""


@pytest.fixture(params=["local", "remote"])
async def source(request: pytest.FixtureRequest, root: Path, cache: Path) -> AsyncIterator[Source]:
    """A session of three hundred messages; the first of every ten is a turn."""
    write_session(root, talk(COUNT, GAP_MS), [meta_event("e1", 5.0)])
    if request.param == "remote":
        async with serving(root, cache=cache) as server:
            yield RemoteSource(f"{server.url}/sessions/{SCROLL_ID}")
    else:
        with Archive.open(root, cache=cache) as archive:
            yield LocalSource(archive, SCROLL_ID, "5ca1ab1e")


@asynccontextmanager
async def playing(
    source: Source, wish: Wish | None = None, height: int = 24
) -> AsyncIterator[tuple[PlayerApp, Pilot[None]]]:
    """The player once it plays, and somebody at its keyboard."""
    app = PlayerApp(source, wish or Wish(idle=None))
    async with app.run_test(size=(90, height)) as pilot:
        await until(lambda: app.facts.standing != "opening" and app.facts.turns)
        yield app, pilot


def on_screen(app: PlayerApp) -> str:
    """The conversation as one sees it."""
    return "\n".join(plain(line) for line in app.viewport.lines(app.size.height - 3))


async def test_it_shows_what_comes_and_stops_when_asked(source: Source) -> None:
    """And goes on."""
    async with playing(source) as (app, pilot):
        await until(lambda: "message 0" in on_screen(app))
        assert app.facts.standing == "playing"
        await pilot.press("space")
        await until(lambda: app.facts.standing == "paused")
        await pilot.press("k")
        await until(lambda: app.facts.standing == "playing")


async def test_a_seek_shows_what_lies_before_and_nothing_twice(source: Source) -> None:
    """The history is fetched."""
    async with playing(source) as (app, pilot):
        await pilot.press("space", "5")
        await until(lambda: app.facts.t_ms == 1_495_000 and len(app.watching.conversation.entries) > 50)
        seqs = [entry.seq for entry in app.watching.conversation.entries]
        assert seqs == list(range(seqs[0], 150))
        assert "message 149" in on_screen(app)

        await pilot.press("home")
        await until(lambda: app.facts.t_ms == 0)


async def test_keys_go_to_turns_tools_and_by_events(source: Source) -> None:
    """Stopped, what was gone to is the last that is shown."""
    async with playing(source) as (app, pilot):
        await pilot.press("space", "]", "]")
        await until(lambda: "message 20" in on_screen(app))
        assert app.facts.t_ms == 200_000
        await pilot.press("t")
        await until(lambda: app.facts.t_ms == 250_000)
        await pilot.press(".")
        await until(lambda: app.facts.t_ms == 260_000)
        await pilot.press("[")
        await until(lambda: app.facts.t_ms == 200_000)
        await pilot.press("e")
        await until(lambda: app.facts.said == "No later error")


async def test_speed_and_pace_are_chosen_by_keys(source: Source) -> None:
    """As the page's choices go."""
    async with playing(source) as (app, pilot):
        await pilot.press("space", ">")
        await until(lambda: app.facts.speed == 1.5)
        await pilot.press("=", "i")
        await until(lambda: (app.facts.speed, app.facts.idle) == (1, 10))
        await pilot.press("i", "i", "i", "i")
        await until(lambda: app.facts.reading and app.facts.idle is None)
        await pilot.press("\\")
        await until(lambda: app.facts.mode == "fast")
        await pilot.press("\\")
        await until(lambda: app.facts.mode == "reading")


async def test_as_fast_as_possible_only_the_end_is_held(root: Path, cache: Path) -> None:
    """And further up is fetched when somebody scrolls there."""
    write_session(root, talk(3_000, 10))
    with Archive.open(root, cache=cache) as archive:
        async with playing(LocalSource(archive, SCROLL_ID, "x"), Wish(mode="fast", follow=False)) as (app, pilot):
            await until(lambda: app.facts.standing == "ended")
            entries = app.watching.conversation.entries
            assert [entries[0].seq, entries[-1].seq] == [2_600, 2_999]
            app.viewport.to_start()
            await pilot.press("up")
            await until(lambda: entries[0].seq == 2_540)


async def test_words_are_found(source: Source) -> None:
    """And led to, one after the other."""
    if isinstance(source, RemoteSource):
        pytest.skip("a server makes sessions searchable in its own time; its route has tests of its own")
    async with playing(source) as (app, pilot):
        await pilot.press("space", "home", "/", *"message", "enter")
        await until(lambda: "/" in app.facts.found)
        first = app.facts.t_ms
        await pilot.press("n")
        await until(lambda: app.facts.t_ms > first)
        await pilot.press("N")
        await until(lambda: app.facts.t_ms == first)
        await pilot.press("N")  # round the end: the last of them
        await until(lambda: app.facts.t_ms > first)
        await pilot.press("n")
        await until(lambda: app.facts.t_ms == first)
        await pilot.press("/", *"nowhere", "enter")
        await until(lambda: app.facts.said == "Nothing found for nowhere")


async def test_who_presses_a_key_twice_means_the_place_after_the_next(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the first press was answered in part only."""
    write_session(root, talk(COUNT, GAP_MS))
    sought, pressed, in_turn = asyncio.Event(), asyncio.Event(), asyncio.Lock()
    with Archive.open(root, cache=cache) as archive:
        async with playing(LocalSource(archive, SCROLL_ID, "5ca1ab1e")) as (app, pilot):
            await pilot.press("space", "home", "/", *"message", "enter")
            await until(lambda: "/" in app.facts.found and app.watching._pending is None)
            replay = app.watching._replay
            assert replay is not None
            control = replay.control

            async def slowly(**fields: Any) -> None:
                async with in_turn:
                    if "step" in fields:
                        await pressed.wait()
                    await control(**fields)
                    sought.set()

            monkeypatch.setattr(replay, "control", slowly)
            await pilot.press("n")
            await sought.wait()
            await pilot.press("n")
            pressed.set()
            await until(lambda: app.watching._pending is None)
            assert app.facts.t_ms == 2 * GAP_MS


async def test_events_beside_the_messages_come_when_asked_for(source: Source) -> None:
    """The place stays."""
    async with playing(source) as (app, pilot):
        await pilot.press("space", "]")
        await until(lambda: app.facts.t_ms == 100_000)
        await pilot.press("m")
        await until(lambda: any(entry.speaker == "meta" for entry in app.watching.conversation.entries))
        assert app.facts.standing == "paused"
        assert app.watching.conversation.entries[-1].t_ms == 100_000


async def test_a_window_that_changes_is_laid_out_anew(source: Source) -> None:
    """To its width."""
    async with playing(source) as (app, pilot):
        await until(lambda: "message 0" in on_screen(app))
        before = on_screen(app).split("\n")[1]
        await pilot.resize_terminal(40, 10)
        await until(lambda: len(on_screen(app).split("\n")[1]) == 40)
        assert len(before) == 90


async def test_the_help_tells_every_key(source: Source) -> None:
    """And goes with the next one."""
    for width in (40, 100):
        words = "\n".join(map(plain, help_lines(width)))
        assert not [each.words for group in GROUPS for each in group.shortcuts if each.words[:18] not in words]
    async with playing(source) as (app, pilot):
        await pilot.press("?")
        assert len(app.screen_stack) == 2
        await pilot.press("x")
        assert len(app.screen_stack) == 1


async def test_a_click_on_the_bar_leads_there(source: Source) -> None:
    """To the recorded time below it."""
    async with playing(source) as (app, pilot):
        await pilot.press("space")
        await pilot.click("_Status", offset=(45, 0))
        await until(lambda: 1_300_000 < app.facts.t_ms < 1_700_000)


async def test_what_is_written_comes_live(root: Path, cache: Path) -> None:
    """Where it is followed."""
    folder = write_session(root, talk(3, 10))
    with Archive.open(root, cache=cache) as archive:
        archive.watch()
        async with playing(LocalSource(archive, SCROLL_ID, "x"), Wish(follow=True)) as (app, _):
            await until(lambda: app.facts.standing == "live")
            with (folder / "messages.jsonl").open("ab") as file:
                file.write(join_lines([message("new", 9.0, "assistant", content_md="fresh words")]))
            await until(lambda: "fresh words" in on_screen(app))


async def test_a_session_that_is_not_there_ends_it_with_a_reason(root: Path, cache: Path) -> None:
    """Over both ways."""
    write_session(root, talk(3))
    nobody = UUID(int=5)
    with Archive.open(root, cache=cache) as archive:
        app = PlayerApp(LocalSource(archive, nobody, "x"), Wish())
        async with app.run_test():
            await until(lambda: app.failure)
        assert f"there is no session {nobody}" in app.failure
    async with serving(root, cache=cache) as server:
        source = RemoteSource(f"{server.url}/sessions/{nobody}")
        with pytest.raises(ReplayRefused):
            await source.timeline(meta=False)
        app = PlayerApp(source, Wish())
        async with app.run_test():
            await until(lambda: app.failure)
        assert "session_not_found" in app.failure


async def test_both_ways_bring_the_same(root: Path, cache: Path) -> None:
    """Events, timeline and history."""
    write_session(root, talk(COUNT))
    asked: Parameters = {"batch": 4_096, "preview": 1_024}
    async with serving(root, cache=cache) as server:
        remote = RemoteSource(f"{server.url}/sessions/{SCROLL_ID}")
        theirs = [event async for event in remote.connect(**asked)]
        with Archive.open(root, cache=cache / "own") as archive:
            local = LocalSource(archive, SCROLL_ID, "x")
            ours = [event async for event in local.connect(**asked)]
            assert await local.events(10, 20, meta=False) == await remote.events(10, 20, meta=False)
            known, told = await local.timeline(meta=False), await remote.timeline(meta=False)
    assert ours == theirs
    assert [event.data["message"]["id"] for event in ours] == ids(COUNT)
    assert known == {name: told[name] for name in known}
