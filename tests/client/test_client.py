"""The client against the real server, over lines that are cut."""

from __future__ import annotations

import asyncio
import gc
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import orjson
import pytest

from archives import SCROLL_ID, write_session
from cutting import Cutter
from scrollcast.client import (
    CommandRefused,
    End,
    Hello,
    Item,
    Replay,
    ReplayEvent,
    ReplayLost,
    ReplayRefused,
    SessionRewritten,
    Skipped,
    connect,
    sync,
)
from scrollcast.client.transport import Transport, open_socket
from serving import SERVER_CODE, Serving, ids, serving, serving_in_thread, talk

COUNT = 300


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session."""
    write_session(root, talk(COUNT))
    async with serving(root, cache=cache) as server:
        yield server


def page(server: Serving, scroll_id: UUID | str = SCROLL_ID) -> str:
    """The address that the browser shows."""
    return f"{server.url}/sessions/{scroll_id}"


async def all_of(replay: Replay) -> list[ReplayEvent]:
    """Every event, up to the end."""
    return [event async for event in replay]


# ------------------------------------------------------------------------------------------------------- watching


async def test_three_lines_are_enough(server: Serving) -> None:
    """Every event, in order, and it ends by itself."""
    seen = []
    async for event in connect(page(server)):
        assert event.message is not None
        seen.append(event.message.id)
    assert seen == ids(COUNT)
    await server.until_streams(0)


async def test_a_loop_that_is_left_closes_the_connection(server: Serving) -> None:
    """In a context as soon as that is left."""
    async with connect(page(server), mode="realtime") as replay:
        async for event in replay:
            if event.seq == 3:
                break
        assert server.streams == 1
    await server.until_streams(0)


async def test_a_step_that_is_cancelled_loses_nothing(server: Serving) -> None:
    """A program may look for the next event for a while, do something else, and look again."""
    events = aiter(connect(page(server), mode="realtime", speed=0.2))
    seen, cancelled = [(await anext(events)).seq], 0
    while len(seen) < 8:
        try:
            seen.append((await asyncio.wait_for(anext(events), 0.01)).seq)
        except TimeoutError:
            cancelled += 1
    assert seen == list(range(8))
    assert cancelled
    del events
    await server.until_streams(0)


async def test_one_step_alone_leaves_no_connection(server: Serving) -> None:
    """Nobody holds what was iterated over when it is done."""
    assert (await anext(aiter(connect(page(server), mode="realtime")))).seq == 0
    gc.collect()
    await server.until_streams(0)


async def test_a_loop_that_is_cancelled_leaves_no_connection(server: Serving) -> None:
    """Not even while somebody holds the traceback."""

    seen = []

    async def watch() -> None:
        async with asyncio.timeout(0.5):
            async for event in connect(page(server), mode="realtime"):
                seen.append(event.seq)

    with pytest.raises(TimeoutError) as cancelled:
        await watch()
    await server.until_streams(0)
    assert seen
    assert cancelled.traceback


async def test_a_step_that_is_cancelled_does_not_end_the_connecting(server: Serving) -> None:
    """However often; and none is begun before its time."""
    begun = 0

    async def slowly(url: str, token: str | None) -> Transport:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.2)
        if begun < 3:
            raise OSError("nobody there")
        return await open_socket(url, token)

    events = aiter(replay := connect(page(server), mode="realtime", transport=slowly))
    replay._receiver.hello = Hello("r", "e", "none", {}, {}, ())  # as if there had been a connection
    seen: list[int] = []
    cancelled = 0
    while not seen:
        try:
            seen.append((await asyncio.wait_for(anext(events), 0.02)).seq)
        except TimeoutError:
            cancelled += 1

    assert seen == [0]
    assert begun == 3
    assert cancelled > begun


async def test_what_is_left_when_its_loop_is_closed_is_no_error() -> None:
    """A loop's connections go with it."""
    hello = {
        "type": "hello", "replay_id": "r", "epoch": "e", "resume": "none", "session": {}, "range": {},
        "capabilities": [], "state": dict.fromkeys(("status", "seq", "t_ms", "gen", "mode", "speed", "idle"), 0),
    }  # fmt: skip
    carried = SimpleNamespace(recv=AsyncMock(return_value=orjson.dumps(hello)), transport=Mock())

    async def begin() -> AsyncIterator[Item]:
        url = f"ws://127.0.0.1:1/ws/sessions/{SCROLL_ID}"
        items = aiter(connect(url, transport=AsyncMock(return_value=carried)).items())
        assert isinstance(await anext(items), Hello)
        return items

    unraisable: list[object] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "unraisablehook", unraisable.append)
        left = [await asyncio.to_thread(asyncio.run, begin())]
        left.clear()
        gc.collect()
    assert not unraisable


async def test_a_loop_that_fails_outside_a_context_leaves_no_connection(server: Serving) -> None:
    """The error is the loop's own."""

    async def fail() -> None:
        async for _ in connect(page(server), mode="realtime"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    gc.collect()
    await server.until_streams(0)


def test_a_program_that_ends_in_the_loop_says_nothing_of_its_own(threaded: Serving) -> None:
    """Whatever is being closed on its way out."""
    code = f"""
import asyncio
from scrollcast.client import connect

async def main():
    async for event in connect({page(threaded)!r}, mode="realtime"):
        raise SystemExit(3)

asyncio.run(main())
"""
    environment = {"PYTHONPATH": str(SERVER_CODE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, text=True)
    assert (done.returncode, done.stderr) == (3, "")


async def test_everything_else_comes_with_items(server: Serving, root: Path) -> None:
    """The greeting first, the end last."""
    items = [item async for item in connect(page(server), mode="realtime", speed=100, idle=0.001)]
    assert len(items) == COUNT
    kinds = [type(item) async for item in connect(page(server)).items()]
    assert kinds[0] is Hello
    assert kinds[-1] is End
    assert Skipped not in kinds


async def test_a_session_that_is_not_there_is_refused(server: Serving) -> None:
    """In the server's words, by the loop and by the context."""
    nowhere = page(server, "00000000-0000-4000-8000-000000000000")
    with pytest.raises(ReplayRefused) as refused:
        await all_of(connect(nowhere))
    assert refused.value.code == "session_not_found"
    with pytest.raises(ReplayRefused):
        await connect(nowhere).__aenter__()


async def test_a_bad_parameter_is_named(server: Serving) -> None:
    """The server knows them; the client passes them on."""
    with pytest.raises(ReplayRefused, match="speed"):
        await all_of(connect(page(server), speed=1e9))


async def test_where_there_is_no_server_it_says_so_at_once(unused_tcp_port: int) -> None:
    """Patience is for a server that was there."""
    with pytest.raises(ReplayLost):
        await all_of(connect(f"http://127.0.0.1:{unused_tcp_port}/sessions/a"))


# ----------------------------------------------------------------------------------------------------- controlling


async def test_commands_are_answered_and_obeyed(server: Serving) -> None:
    """Each gives the state that it led to."""
    async with connect(page(server), mode="realtime", paused=True, hold=True) as replay:
        assert replay.hello is not None
        assert replay.hello.range["next_seq"] == COUNT
        assert (await replay.speed(50)).speed == 50
        assert (await replay.idle(2)).idle == 2
        assert (await replay.idle(None)).idle is None
        assert (await replay.step(2)).seq == 2
        assert (await replay.step(1, "turn")).seq == 11
        assert (await replay.step(-1, "turn")).seq == 10
        assert (await replay.seek(event_id="m200")).seq == 200
        assert (await replay.seek(ms=2500)).seq == 250
        assert (await replay.play()).status == "playing"
        assert (await replay.mode("fast")).mode == "fast"
        seen = []
        async for item in replay.items():
            if isinstance(item, End):
                break
            if isinstance(item, ReplayEvent):
                seen.append(item.seq)
        assert seen == list(range(250, COUNT))
        assert (await replay.seek(seq=0)).seq == 0


async def test_a_command_that_cannot_be_obeyed_is_an_error_of_that_call(server: Serving) -> None:
    """The replay goes on."""
    async with connect(page(server), paused=True) as replay:
        with pytest.raises(CommandRefused):
            await replay.seek(event_id="nobody")
        with pytest.raises(ValueError, match="one of"):
            await replay.seek(ms=1, seq=1)
        with pytest.raises(ValueError, match="one of"):
            await replay.seek()
        await replay.play()
        assert len(await all_of(replay)) == COUNT


async def test_another_task_may_control(server: Serving) -> None:
    """While the loop waits for an event that is a long way off."""
    async with connect(page(server), mode="realtime", speed=0.1) as replay:
        seen: list[int] = []

        async def watch() -> None:
            async for event in replay:
                seen.append(event.seq)

        watching = asyncio.create_task(watch())
        states = await asyncio.gather(replay.pause(), replay.seek(seq=COUNT - 5), replay.speed(10))
        assert states[-1].speed == 10
        await replay.play()
        await watching
    assert seen[-5:] == list(range(COUNT - 5, COUNT))


async def test_a_window_is_acknowledged_by_itself(server: Serving) -> None:
    """Otherwise the server would stop after ten events."""
    assert len(await all_of(connect(page(server), window=10, batch=0))) == COUNT


# -------------------------------------------------------------------------------------------------- a bad line


@pytest.mark.parametrize("seed", range(4))
async def test_over_a_line_that_is_cut_nothing_is_missed_or_repeated(server: Serving, seed: int) -> None:
    """Wherever the cut falls, in a handshake or within a frame."""
    cutter = Cutter(server.port, seed, longest=60_000)
    async with cutter.address() as address, asyncio.timeout(60):
        seqs = [event.seq async for event in connect(address, batch=random.Random(seed).choice((0, 4096, 65536)))]
    assert seqs == list(range(COUNT))
    assert cutter.cuts > 0


async def test_a_server_that_stays_away_is_lost(root: Path, cache: Path) -> None:
    """After as long as the client has patience."""
    write_session(root, talk(20))
    async with serving(root, cache=cache) as server:
        replay = connect(page(server), mode="realtime", speed=0.1, patience=0.3)
        await replay.__aenter__()
    with pytest.raises(ReplayLost, match=r"0\.3 s"):
        await all_of(replay)
    await replay.close()


async def test_a_session_that_was_rewritten_is_an_error(root: Path, cache: Path) -> None:
    """What came before belongs to another content."""
    folder = write_session(root, talk(20))
    async with serving(root, cache=cache) as server, connect(page(server), paused=True) as replay:
        shutil.rmtree(folder)
        write_session(root, talk(20, first=5))
        with pytest.raises(SessionRewritten):
            await all_of(replay)


# ------------------------------------------------------------------------------------------------- without await


@pytest.fixture
def threaded(root: Path, cache: Path) -> Iterator[Serving]:
    """A server that runs beside the test."""
    write_session(root, talk(COUNT))
    with serving_in_thread(root, cache=cache) as server:
        yield server


def test_the_same_without_await(threaded: Serving) -> None:
    """The loop, the commands, the errors."""
    assert [event.seq for event in sync.connect(page(threaded))] == list(range(COUNT))
    with sync.connect(page(threaded), mode="realtime", paused=True, hold=True) as replay:
        assert replay.seek(seq=COUNT - 3).seq == COUNT - 3
        assert replay.mode("fast").mode == "fast"
        assert replay.speed(3).speed == 3
        assert replay.idle(4).idle == 4
        with pytest.raises(CommandRefused):
            replay.seek(event_id="nobody")
        assert replay.step(-1).seq == COUNT - 4
        assert replay.play().status == "playing"
        events = [item.seq for item in iter_to_end(replay) if isinstance(item, ReplayEvent)]
        assert events == list(range(COUNT - 4, COUNT))
        assert replay.pause().status == "ended"
    with pytest.raises(ReplayRefused):
        list(sync.connect(page(threaded, "00000000-0000-4000-8000-000000000000")))


def iter_to_end(replay: sync.Replay) -> Iterator[Item]:
    """Items up to the end."""
    for item in replay.items():
        if isinstance(item, End):
            return
        yield item


def test_without_await_a_lost_connection_is_made_again(root: Path, cache: Path) -> None:
    """At the event that was next, as long as there is patience."""
    write_session(root, talk(20))
    with serving_in_thread(root, cache=cache) as server:
        replay = sync.connect(page(server), mode="realtime", speed=0.1, patience=0.3).__enter__()
    with pytest.raises(ReplayLost):
        list(replay)
    with pytest.raises(ReplayLost):
        list(sync.connect(page(server)))


# -------------------------------------------------------------------------------------------------- what it needs


def test_it_needs_websockets_and_orjson_and_nothing_else() -> None:
    """Neither what the server is made of, nor the server."""
    code = "import sys, orjson; import scrollcast.client.sync; print(orjson.dumps(sorted(sys.modules)).decode())"
    environment = {"PYTHONPATH": str(SERVER_CODE)}
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    loaded = set(orjson.loads(made.stdout))
    assert {"scrollcast.client.replay", "websockets"} < loaded
    assert not loaded & {"starlette", "uvicorn", "aiofiles", "watchfiles", "anyio"}
    assert not loaded & {f"scrollcast.{name}" for name in ("archive", "playback", "stream", "web", "settings")}
