from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psutil
import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from archives import SCROLL_ID, write_session
from scrollcast.archive.index import EventBlock
from scrollcast.settings import Settings
from scrollcast.stream.session_stream import MAX_GROUP_BYTES
from scrollcast.web import text_frames
from serving import ASSETS, Serving, ids, serving, talk, until

LARGE_ID = UUID("0b5e55ed-0000-4000-8000-0000000000ff")
LARGE_EVENTS = 6000
LARGE_PAD = 4000
"""Some 25 MB: far more than the kernel keeps for one connection of this test."""

SMALL_BUFFER = 32 << 10


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small session and a large one, and what is made of them: once for all tests here."""
    folder = tmp_path_factory.mktemp("isolation")
    write_session(folder / "archive", talk(200))
    write_session(folder / "archive", talk(LARGE_EVENTS, pad=LARGE_PAD), scroll_id=LARGE_ID)
    (folder / "cache").mkdir()
    return folder


@pytest.fixture
async def server(written: Path) -> AsyncIterator[Serving]:
    """A server of the two, both read already."""
    async with serving(written / "archive", cache=written / "cache") as server:
        await server.replay(LARGE_ID, start_seq=LARGE_EVENTS)
        yield server


class RawClient:
    """A client on a plain socket: it reads exactly when it is told to, and frames what it is told to."""

    def __init__(self, server: Serving, scroll_id: UUID, **query: Any) -> None:
        self._address = server.replay_url(scroll_id, **query)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        self._socket.setblocking(False)
        self._protocol = ClientProtocol(parse_uri(self._address), max_size=None)
        self._port = server.port
        self.messages: list[dict[str, Any]] = []
        self.pongs = 0
        self._fragmented = False

    async def __aenter__(self) -> RawClient:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        self._protocol.send_request(self._protocol.connect())
        await self.flush()
        while self._protocol.state is not State.OPEN:
            assert await self.read(1024)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._socket.close()

    @property
    def close_code(self) -> int | None:
        """The code of the close frame, once it was read."""
        received = self._protocol.close_rcvd
        return None if received is None else received.code

    async def flush(self) -> None:
        """Write what is to be sent."""
        await asyncio.get_running_loop().sock_sendall(self._socket, b"".join(self._protocol.data_to_send()))

    async def ping(self, payload: bytes, times: int = 1) -> None:
        """Send a ping, or several in one write."""
        for _ in range(times):
            self._protocol.send_ping(payload)
        await self.flush()

    async def fragments(self, count: int) -> None:
        """Send so many empty fragments of one message that has no end."""
        for _ in range(count):
            if self._fragmented:
                self._protocol.send_continuation(b"", fin=False)
            else:
                self._protocol.send_text(b"", fin=False)
            self._fragmented = True
        await self.flush()

    async def read(self, size: int = 1 << 16) -> bool:
        """Read at most so many bytes; `False` at the end."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self._socket, size)
        except ConnectionError:
            data = b""
        if not data:
            return False
        self._protocol.receive_data(data)
        with contextlib.suppress(OSError):  # the answer to a close that is final already
            await self.flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.messages.append(orjson.loads(event.data))
            elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self.pongs += 1
        return True

    async def read_all(self) -> None:
        """Read to the end."""
        while await self.read():
            pass


def write_buffers(server: Serving) -> list[int]:
    """The bytes that wait in this process for each connection to take them."""
    connections = server.server.server_state.connections
    return [c.transport.get_write_buffer_size() for c in connections if isinstance(c, text_frames.TextFrameProtocol)]


async def until_stuck(server: Serving) -> None:
    """Wait until a connection's buffer is over its bound, so that its stream waits."""
    await until(lambda: max(write_buffers(server), default=0) > 64 << 10)


# ------------------------------------------------------------------------------------------------- a slow client


@pytest.mark.parametrize(("query", "bound"), [({}, MAX_GROUP_BYTES), ({"batch": 1 << 20}, 1 << 20)])
async def test_a_client_that_stops_reading_costs_a_bounded_buffer(
    server: Serving, query: dict[str, Any], bound: int
) -> None:
    """No more than the transport's mark and one message, or the messages of one group, waits for it; nothing is held
    beside that, and the process does not grow."""
    before = psutil.Process().memory_info().rss
    async with RawClient(server, LARGE_ID, **query):
        await until_stuck(server)
        sizes = []
        for _ in range(10):
            await asyncio.sleep(0.02)
            sizes += write_buffers(server)
        held = [each for each in gc.get_objects() if type(each) is EventBlock]
    grown = psutil.Process().memory_info().rss - before

    assert max(sizes) <= bound + (64 << 10) + 2 * LARGE_PAD
    assert held == []
    assert grown < 20 << 20


async def test_viewers_get_what_is_due_between_the_steps_of_those_who_connect(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many connect at once, and though the loop does the same step of all of them in one round."""
    order: list[str] = []

    def noting(name: str, note: str, seconds: float) -> Callable[..., Any]:
        method = getattr(text_frames.TextFrameProtocol, name)

        def noted(*arguments: Any) -> Any:
            order.append(note)
            busy_until = time.monotonic() + seconds
            while time.monotonic() < busy_until:
                pass
            return method(*arguments)

        return noted

    protocol = text_frames.TextFrameProtocol
    monkeypatch.setattr(protocol, "handle_connect", noting("handle_connect", "a handshake", 0.01))
    monkeypatch.setattr(protocol, "send_text_now", noting("send_text_now", "an event", 0))
    async with server.watch(mode="realtime", speed=0.5) as viewer:
        await viewer.until("event")
        order.clear()
        client = ClientProtocol(parse_uri(server.replay_url(SCROLL_ID)))
        client.send_request(client.connect())
        request = b"".join(client.data_to_send())
        connecting = [socket.socket() for _ in range(40)]
        for each in connecting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", server.port))
            each.send(request)
        await until(lambda: order.count("a handshake") == len(connecting))
        for each in connecting:
            each.close()

    between = [note for note in order[order.index("a handshake") :] if note == "an event"]
    assert len(between) >= 10


async def test_a_client_that_takes_nothing_is_let_go_with_4008(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it reads after all, it finds an error that says so and may be retried, then the code."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.3)
    async with RawClient(server, LARGE_ID) as client:
        await until_stuck(server)
        await server.until_streams(0)
        await client.read_all()

    error = client.messages[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", "slow_client", True)
    assert client.close_code == 4008


async def test_a_client_that_never_reads_again_is_cut_off(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is dropped after a grace, so that it holds nothing."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.2)
    monkeypatch.setattr(text_frames, "CLOSE_GRACE", 0.1)
    async with RawClient(server, LARGE_ID):
        await until_stuck(server)
        await until(lambda: not server.server.server_state.connections)

    assert server.streams == 0


async def test_a_client_that_stops_reading_at_the_end_is_cut_off_too(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all was sent, and the last of it never taken, the connection is not kept for ever."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.2)
    server.server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    async with RawClient(server, LARGE_ID, start_seq=LARGE_EVENTS - 20):
        await until(lambda: server.server.server_state.connections and not server.streams)
        waiting = max(write_buffers(server))
        await until(lambda: not server.server.server_state.connections, 3)

    assert 0 < waiting < 64 << 10


async def test_a_slow_reader_is_not_let_go(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as something moves it may take its time, several times the limit."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.3)
    async with RawClient(server, LARGE_ID) as client:
        await until_stuck(server)
        began = time.monotonic()
        while time.monotonic() - began < 1.2:
            await client.read(40_000)
            await asyncio.sleep(0.01)
        still_there = server.streams

    events = [message["seq"] for message in client.messages if message["type"] == "event"]
    assert still_there == 1
    assert len(events) > 200
    assert events == list(range(len(events)))


async def test_others_are_not_affected_by_a_slow_client(server: Serving) -> None:
    """Who reads gets all of it while another's stream waits, of the same session too."""
    async with RawClient(server, LARGE_ID):
        await until_stuck(server)
        fast, same = await asyncio.gather(server.replay(), server.replay(LARGE_ID, batch=1 << 20))

    assert fast.log.ids() == ids(200)
    assert len(same.log.events) == LARGE_EVENTS


async def test_a_slow_client_resumes_where_it_was_let_go(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it read before, and what it gets when it comes back, joins to the whole."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.3)
    async with RawClient(server, LARGE_ID) as client:
        await until_stuck(server)
        await server.until_streams(0)
        await client.read_all()
    seen = [message["seq"] for message in client.messages if message["type"] == "event"]
    back = await server.replay(LARGE_ID, start_seq=len(seen), epoch=client.messages[0]["epoch"], batch=1 << 20)

    assert back.hello["resume"] == "continued"
    assert seen + back.log.seqs() == list(range(LARGE_EVENTS))


async def test_a_client_is_answered_its_pings_while_events_wait(server: Serving) -> None:
    """A stream always receives, so that a ping of one who reads slowly is answered when there is room."""
    async with RawClient(server, LARGE_ID) as client:
        await until_stuck(server)
        await client.ping(b"there?")
        while not client.pongs:
            assert await client.read()

    assert client.pongs == 1


async def test_pings_of_a_client_that_does_not_read_pile_up_nowhere(server: Serving) -> None:
    """RFC 6455 5.5.3: of several pings only the last one need be answered."""
    async with RawClient(server, LARGE_ID) as client:
        await until_stuck(server)
        await asyncio.sleep(0.05)
        before = max(write_buffers(server))
        for _ in range(200):
            await client.ping(b"p" * 125, 100)
        await client.ping(b"last")
        await asyncio.sleep(0.05)
        after = max(write_buffers(server))
        while not client.pongs:
            assert await client.read()

    assert after - before < 64 << 10


# ----------------------------------------------------------------------------------------------------- fair turns


@pytest.mark.parametrize("query", [{}, {"batch": 65_536}], ids=["events", "batches"])
async def test_realtime_viewers_get_their_turn_beside_a_fast_one(server: Serving, query: dict[str, Any]) -> None:
    """While one takes a large session as fast as it can, all the others' events come in between."""
    finished: list[str] = []

    async def watch_paced(name: str) -> None:
        client = await server.replay(mode="realtime", speed=50)
        finished.append(name)
        assert client.log.ids() == ids(200)
        assert all(state["late_ms"] < 1000 for state in client.log.of("state"))

    async def watch_fast() -> None:
        while len(finished) < 10:
            client = await server.replay(LARGE_ID, **query)
            assert len(client.log.events) == LARGE_EVENTS
        finished.append("fast")

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(watch_fast())
        for number in range(10):
            tasks.create_task(watch_paced(f"paced {number}"))

    assert finished[-1] == "fast"


async def test_fast_streams_share_by_turns(server: Serving) -> None:
    """Two that start together end together, whichever was first: neither waits for the other's end."""
    order: list[int] = []

    async def watch(number: int) -> None:
        async with server.watch(LARGE_ID) as client:
            async for _ in client.socket:
                order.append(number)

    await asyncio.gather(watch(0), watch(1))

    middle = order[len(order) // 4 : len(order) * 3 // 4]
    assert min(middle.count(0), middle.count(1)) > len(middle) // 10


async def test_viewers_do_not_touch_each_other(server: Serving) -> None:
    """What one asks for changes nothing for another of the same session."""
    async with server.watch(paused="true") as one, server.watch(paused="true") as two:
        await one.control(seek={"seq": 150}, speed=9, mode="realtime")
        state = await two.control()
        await two.quiet(0.05)

    assert {"seq": 0, "gen": 0, "speed": 1, "mode": "fast", "status": "paused"}.items() <= state.items()


async def test_two_hundred_viewers_at_once_each_get_the_whole(server: Serving) -> None:
    """And leave nothing behind."""
    clients = await asyncio.gather(*(server.replay(batch=1 << 20) for _ in range(200)))
    await server.until_streams(0)

    assert all(client.log.ids() == ids(200) and client.close_code == 1000 for client in clients)


async def test_a_flood_of_commands_holds_up_nobody_else(server: Serving) -> None:
    """One who asks without a pause, and reads no answer, is held back by its own socket."""
    async with server.watch(paused="true") as flood:

        async def ask() -> None:
            with contextlib.suppress(Exception):
                while True:
                    await flood.send({"type": "control"})

        asking = asyncio.create_task(ask())
        others = await asyncio.gather(*(server.replay() for _ in range(5)))
        asking.cancel()
        flood.abort()

    assert all(client.log.ids() == ids(200) for client in others)


@pytest.mark.parametrize(
    "command",
    [{"type": "control"}, {"type": "ack", "seq": 0}, {"type": "control", "seek": {"seq": 3}}, "{bad"],
    ids=["questions", "acknowledgements of nothing new", "seeks", "bad ones"],
)
async def test_too_many_commands_close_with_1008(written: Path, command: Any) -> None:
    """With an error that says how many there may be, after as many answers as that."""
    async with serving(written / "archive", cache=written / "cache", max_commands=20) as server:
        async with server.watch(paused="true") as client:
            for _ in range(400):  # an acknowledgement is a tenth of a command
                with contextlib.suppress(ConnectionClosed):  # the close may cross with it
                    await client.send(command)
            log = await client.rest()
        await server.until_streams(0)

    error = log.messages[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", "too_many_commands", False)
    assert "20 commands" in error["message"]
    assert client.close_code == 1008
    assert len(log.of("state")) + log.codes().count("bad_command") <= 25  # a slow machine lets a second pass


async def test_who_acknowledges_what_comes_is_not_held_to_the_bound(written: Path) -> None:
    """An acknowledgement is no command where it is of something new."""
    async with (
        serving(written / "archive", cache=written / "cache", max_commands=5) as server,
        server.watch(window=1) as client,
    ):
        while len(client.log.events) < 200:
            await client.next()
            if client.log.next_seq:
                await client.ack(client.log.next_seq - 1)
        log = await client.rest()

    assert log.codes() == []
    assert client.close_code == 1000


async def test_no_more_sessions_are_played_than_allowed(written: Path) -> None:
    """One of another session is closed with 4013; one of the same is let in."""
    async with (
        serving(written / "archive", cache=written / "cache", max_sessions=1) as server,
        server.watch(paused="true") as one,
    ):
        await one.next()
        other = await server.replay(LARGE_ID)
        same = await server.replay()

    assert other.log.messages[-1]["code"] == "too_many_sessions"
    assert other.log.messages[-1]["retry_after_ms"] == 5000
    assert other.close_code == 4013
    assert same.log.ids() == ids(200)


@pytest.mark.parametrize("kind", ["pings", "fragments"])
async def test_a_client_that_floods_with_frames_is_read_from_less(
    server: Serving, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """While others play: it is let rest after each read that took long, and is read from again."""
    monkeypatch.setattr(text_frames, "LONG_READ_SECONDS", 0.0)
    rests: list[float] = []
    read_on = text_frames.TextFrameProtocol._read_on

    def count(protocol: text_frames.TextFrameProtocol) -> None:
        rests.append(time.monotonic())
        read_on(protocol)

    monkeypatch.setattr(text_frames.TextFrameProtocol, "_read_on", count)
    async with RawClient(server, SCROLL_ID, paused="true") as flood:

        async def send() -> None:
            with contextlib.suppress(OSError):
                while True:
                    if kind == "pings":
                        await flood.ping(b"", 1000)
                    else:
                        await flood.fragments(1000)

        sending = asyncio.create_task(send())
        others = await asyncio.gather(*(server.replay() for _ in range(5)))
        before = len(rests)
        await until(lambda: len(rests) > before + 3)
        sending.cancel()

    assert all(client.log.ids() == ids(200) for client in others)


# -------------------------------------------------------------------------------------------------- nothing blocks


async def test_nothing_of_ours_blocks_the_loop(server: Serving, unblocked_loop: None) -> None:
    """Lists, pages, plays, seeks, cuts and steps, with detection of blocking calls on."""
    async with server.http() as http, server.watch(hold="true", batch=4000, preview=1024, meta="true") as client:
        answers = [
            await http.get(path)
            for path in (
                "/",
                f"{ASSETS}/main.js",
                "/readyz",
                "/api/sessions",
                f"/api/sessions/{SCROLL_ID}",
                f"/api/sessions/{SCROLL_ID}/timeline",
                f"/api/sessions/{SCROLL_ID}/events?preview=1024",
                f"/api/sessions/{SCROLL_ID}/events/3/parts/0",
            )
        ]
        await client.until("end")
        await client.control(seek={"event_id": "m120"})
        await client.until("end")
        await client.control(step={"by": -2, "unit": "turn"})
        state = await client.control(step={"by": 1, "unit": "tool"})

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert state["seq"] == 186


def test_detection_of_blocking_calls_is_on(unblocked_loop: None) -> None:
    """The check that the test above leans on does fail."""

    async def look_at_the_disk() -> None:
        Settings(paths=(Path("/"),))

    with pytest.raises(Exception, match=r"Blocking call to os\.stat"):
        asyncio.run(look_at_the_disk())
