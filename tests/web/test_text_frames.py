from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import Side
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from scrollcast.archive.index import EventBlock
from scrollcast.errors import SlowClient, StreamClosed
from scrollcast.web import text_frames
from scrollcast.web.text_frames import TEXT_FRAMES, TextFrameProtocol, frame_head

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class FakeTransport(asyncio.Transport):
    """Keeps what is written until it is `taken`."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.limit = 64 << 10
        self.aborted = False
        self.closing = False

    def get_write_buffer_size(self) -> int:
        """What is not taken yet."""
        return len(self.written)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Only noted."""
        self.limit = high or 0

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data

    def is_closing(self) -> bool:
        """Closed in either way."""
        return self.closing or self.aborted

    def close(self) -> None:
        """Only noted."""
        self.closing = True

    def abort(self) -> None:
        """Only noted."""
        self.aborted = True

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def take(self) -> list[Frame]:
        """Everything that was written, as frames."""
        reader = StreamReader()
        reader.feed_data(bytes(self.written))
        self.written.clear()
        frames = []
        while reader.buffer:
            parsing = Frame.parse(reader.read_exact, mask=False, max_size=None)
            try:
                next(parsing)
            except StopIteration as done:
                frames.append(done.value)
        return frames


@pytest.fixture
async def scopes() -> list[dict[str, Any]]:
    """The scopes that the application was called with."""
    return []


@pytest.fixture
async def protocol(scopes: list[dict[str, Any]]) -> TextFrameProtocol:
    """A connection whose handshake is done, over a fake transport, for an application that waits."""
    return await connected(scopes)


async def connected(scopes: list[dict[str, Any]]) -> TextFrameProtocol:
    """One more."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    config = uvicorn.Config(app, ws_per_message_deflate=False, ws_ping_interval=None, log_config=None)
    config.load()
    protocol = TextFrameProtocol(config, ServerState(), {})
    protocol.connection_made(FakeTransport())
    protocol.data_received(HANDSHAKE)
    await asyncio.sleep(0.01)
    transport_of(protocol).written.clear()
    return protocol


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client is let go within a few milliseconds."""
    monkeypatch.setattr(text_frames, "WRITE_TIMEOUT", 0.06)
    monkeypatch.setattr(text_frames, "CLOSE_GRACE", 0.02)


def transport_of(protocol: TextFrameProtocol) -> FakeTransport:
    """The fake."""
    assert isinstance(protocol.transport, FakeTransport)
    return protocol.transport


def from_client(*frames: Frame) -> bytes:
    """Frames as a client sends them."""
    return b"".join(frame.serialize(mask=True) for frame in frames)


async def test_the_application_is_told_of_the_extension(
    protocol: TextFrameProtocol, scopes: list[dict[str, Any]]
) -> None:
    """The scope holds the connection itself."""
    assert scopes[0]["extensions"][TEXT_FRAMES] is protocol


@pytest.mark.parametrize("text", ["", "plain", "é漢🙂", "x" * 200, "x" * 70_000])
@pytest.mark.parametrize("kind", [bytes, bytearray])
async def test_bytes_go_out_as_one_text_frame(protocol: TextFrameProtocol, text: str, kind: Any) -> None:
    """Of every length that is encoded in a way of its own."""
    await protocol.send_text(kind(text.encode()))
    (frame,) = transport_of(protocol).take()

    assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
    assert bytes(frame.data).decode() == text


async def test_sending_waits_while_the_client_does_not_read(protocol: TextFrameProtocol) -> None:
    """And goes on as soon as there is room."""
    protocol.pause_writing()
    sending = asyncio.create_task(protocol.send_text(b"late"))
    await asyncio.sleep(0.01)
    before = bytes(transport_of(protocol).written)
    protocol.resume_writing()
    await sending

    assert before == b""
    assert transport_of(protocol).take()[0].data == b"late"


async def test_a_handshake_is_forgotten_when_it_is_over(protocol: TextFrameProtocol) -> None:
    """Thousands of connections would each hold on to its request and answer."""
    assert not hasattr(protocol, "request")
    assert not hasattr(protocol, "response")


async def test_what_can_be_sent_at_once_is(protocol: TextFrameProtocol) -> None:
    """A frame a message, of every length that is encoded in a way of its own."""
    tails: list[bytes | bytearray] = [b"", bytearray(b"one"), b"x" * 200, b"y" * 70_000]
    for tail in tails:
        assert protocol.send_text_now(b"head ", tail)
    frames = [bytes(frame.data) for frame in transport_of(protocol).take()]

    assert frames == [b"head " + tail for tail in tails]
    assert protocol.sent_bytes - sum(map(len, frames)) == 2 + 2 + 4 + 10


def block_of(*tails: bytes) -> EventBlock:
    """Events of these bytes, each behind a brace."""
    events = [b"{%b," % tail for tail in tails]
    return EventBlock(0, memoryview(b"".join(events)), list(accumulate(map(len, events), initial=1000)))


async def test_each_event_is_a_message(protocol: TextFrameProtocol) -> None:
    """Of every length that is encoded in a way of its own, and those next to it."""
    tails = [b"x" * (length - 5) for length in (5, 125, 126, 127, 8191, 8192, 65_535, 65_536, 65_537)]
    await protocol.send_each(b"head ", block_of(*tails))
    frames = [bytes(frame.data) for frame in transport_of(protocol).take()]

    assert frames == [b"head " + tail for tail in tails]
    assert protocol.sent_bytes - sum(map(len, frames)) == 2 * 2 + 5 * 4 + 2 * 10


async def test_nothing_is_sent_at_once_where_it_might_wait_or_fail(protocol: TextFrameProtocol) -> None:
    """Where the client does not read, has closed, was let go or is gone; and again when there is room."""
    protocol.pause_writing()
    while_stuck = protocol.send_text_now(b"", b"three")
    protocol.resume_writing()
    with_room = protocol.send_text_now(b"", b"four")
    ends: list[Callable[[TextFrameProtocol], object]] = [
        lambda each: each.data_received(from_client(Frame(Opcode.CLOSE, b"\x03\xe8"))),
        lambda each: each.let_go(b"too slow", 1013, "slow"),
        lambda each: each.connection_lost(None),
        lambda each: each.shutdown(),
        lambda each: each.transport.abort(),
    ]
    at_the_end = []
    for end in ends:
        each = await connected([])
        end(each)
        transport_of(each).written.clear()
        at_the_end.append((each.send_text_now(b"", b"five"), bytes(transport_of(each).written)))

    assert (while_stuck, with_room) == (False, True)
    assert [bytes(frame.data) for frame in transport_of(protocol).take()] == [b"four"]
    assert at_the_end == [(False, b"")] * len(ends)


async def test_it_is_ready_as_soon_as_there_is_room(protocol: TextFrameProtocol) -> None:
    """Whatever is sent before that waits, and comes whole and in order afterwards."""
    protocol.pause_writing()
    waiting = asyncio.create_task(protocol.ready())
    ways = (protocol.send_each(b"msg ", block_of(b"a", b"bb")), protocol.send_led(memoryview(b"\x81\x01c")))
    sending = [asyncio.create_task(way) for way in ways]
    await asyncio.sleep(0.01)
    before = (waiting.done(), bytes(transport_of(protocol).written))
    protocol.resume_writing()
    await asyncio.gather(waiting, *sending)

    assert before == (False, b"")
    assert [bytes(frame.data) for frame in transport_of(protocol).take()] == [b"msg a", b"msg bb", b"c"]


async def test_it_is_not_ready_where_the_client_is_gone_or_takes_nothing(protocol: TextFrameProtocol) -> None:
    """Which is told, each by its name."""
    protocol.pause_writing()
    with pytest.raises(SlowClient):
        await protocol.ready()
    protocol.resume_writing()
    protocol.data_received(from_client(Frame(Opcode.CLOSE, b"\x03\xe8")))
    with pytest.raises(StreamClosed):
        await protocol.ready()


@pytest.mark.parametrize("untaken", [0, 1, 3])
async def test_messages_may_be_written_over_once_the_system_has_them(
    protocol: TextFrameProtocol, monkeypatch: pytest.MonkeyPatch, untaken: int
) -> None:
    """And not while the transport may still look at what it could not give away."""
    monkeypatch.setattr(transport_of(protocol), "get_write_buffer_size", lambda: untaken)

    assert await protocol.send_led(memoryview(b"\x81\x01c")) is (untaken == 0)


async def test_a_client_that_takes_nothing_is_slow(protocol: TextFrameProtocol) -> None:
    """After `WRITE_TIMEOUT`, however often something is added meanwhile."""
    protocol.pause_writing()
    sending = asyncio.create_task(protocol.send_text(b"late"))
    for _ in range(8):
        transport_of(protocol).write(b"a ping")
        await asyncio.sleep(0.01)

    with pytest.raises(SlowClient):
        await sending


async def test_a_client_that_takes_a_little_is_not_slow(protocol: TextFrameProtocol) -> None:
    """As long as what waits becomes less."""
    transport = transport_of(protocol)
    transport.write(b"x" * 100)
    protocol.pause_writing()
    sending = asyncio.create_task(protocol.send_text(b"late"))
    for _ in range(20):
        del transport.written[-1:]
        await asyncio.sleep(0.01)
    waited = not sending.done()
    protocol.resume_writing()
    await sending

    assert waited


async def test_after_the_clients_close_nothing_can_be_sent(protocol: TextFrameProtocol) -> None:
    """The stream ends."""
    protocol.data_received(from_client(Frame(Opcode.CLOSE, b"\x03\xe8")))

    with pytest.raises(StreamClosed):
        await protocol.send_text(b"late")


@pytest.mark.parametrize("paused", [False, True])
async def test_a_lost_connection_ends_a_send(protocol: TextFrameProtocol, paused: bool) -> None:
    """One that waits too."""
    if paused:
        protocol.pause_writing()
    sending = asyncio.create_task(protocol.send_text(b"late"))
    if paused:
        await asyncio.sleep(0)
    protocol.connection_lost(None)

    with pytest.raises(StreamClosed):
        await sending


async def test_a_client_is_let_go_with_words_and_a_code(protocol: TextFrameProtocol) -> None:
    """Both are written though it does not read; then the line is cut. A second time does nothing."""
    protocol.pause_writing()
    protocol.let_go(b"farewell", 4008, "slow_client")
    protocol.let_go(b"again", 4008, "slow_client")
    message, close = transport_of(protocol).take()
    await asyncio.sleep(0.05)

    assert message.data == b"farewell"
    assert (close.opcode, close.data[:2]) == (Opcode.CLOSE, (4008).to_bytes(2, "big"))
    assert transport_of(protocol).aborted


async def test_draining_cuts_off_who_takes_nothing(protocol: TextFrameProtocol) -> None:
    """With anything at all left; with nothing left it returns at once."""
    await protocol.drain()
    spared = not transport_of(protocol).aborted
    protocol.pause_writing()
    await protocol.drain()

    assert spared
    assert transport_of(protocol).limit == 1
    assert transport_of(protocol).aborted


@pytest.mark.parametrize("at_once", [True, False])
async def test_of_many_pings_of_a_client_that_does_not_read_the_last_is_answered(
    protocol: TextFrameProtocol, at_once: bool
) -> None:
    """Once there is room; RFC 6455, 5.5.3."""
    pings = [from_client(Frame(Opcode.PING, str(number).encode())) for number in range(100)]
    protocol.pause_writing()
    for data in [b"".join(pings)] if at_once else pings:
        protocol.data_received(data)
    before = bytes(transport_of(protocol).written)
    protocol.resume_writing()
    protocol.resume_writing()
    pongs = transport_of(protocol).take()

    assert before == b""
    assert [(pong.opcode, bytes(pong.data)) for pong in pongs] == [(Opcode.PONG, b"99")]


async def test_pings_of_a_client_that_reads_are_each_answered(protocol: TextFrameProtocol) -> None:
    """At once."""
    for number in range(3):
        protocol.data_received(from_client(Frame(Opcode.PING, str(number).encode())))

    assert [bytes(pong.data) for pong in transport_of(protocol).take()] == [b"0", b"1", b"2"]


async def test_a_close_behind_a_ping_is_answered_though_the_client_does_not_read(
    protocol: TextFrameProtocol,
) -> None:
    """The answer to the close is not kept back with that to the ping."""
    protocol.pause_writing()
    protocol.data_received(from_client(Frame(Opcode.PING, b"p"), Frame(Opcode.CLOSE, b"\x03\xe8")))

    assert [frame.opcode for frame in transport_of(protocol).take()] == [Opcode.PONG, Opcode.CLOSE]


async def test_a_server_that_stops_waits_for_nobody(
    protocol: TextFrameProtocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close is written; a client that does not take it is cut off."""
    monkeypatch.setattr(text_frames, "SHUTDOWN_GRACE", 0.02)
    protocol.pause_writing()
    protocol.shutdown()
    (close,) = transport_of(protocol).take()
    before = transport_of(protocol).aborted
    await asyncio.sleep(0.05)

    assert (close.opcode, close.data[:2]) == (Opcode.CLOSE, (1012).to_bytes(2, "big"))
    assert not before
    assert transport_of(protocol).aborted


async def test_a_server_that_stops_says_nothing_more_to_a_client_that_has_closed(
    protocol: TextFrameProtocol,
) -> None:
    """Its close was answered, and waits to be taken; a second one would be an error, at which the server broke off."""
    protocol.pause_writing()
    protocol.data_received(from_client(Frame(Opcode.CLOSE, b"\x03\xe8")))
    protocol.shutdown()

    assert [frame.data for frame in transport_of(protocol).take()] == [b"\x03\xe8"]
    assert transport_of(protocol).closing


def test_uvicorns_class_has_what_ours_builds_on() -> None:
    """A release of uvicorn that changes it fails here first."""
    for name in ("handle_ping", "handle_connect", "resume_writing", "pause_writing", "connection_lost", "shutdown"):
        assert callable(getattr(TextFrameProtocol, name))
    assert ServerProtocol(max_size=1).side is Side.SERVER


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_is_what_the_library_makes(length: int) -> None:
    """The head of a text frame is that of RFC 6455 for every length, at the edges of its three forms too."""
    payload = b"x" * length
    made_by_library = Frame(Opcode.TEXT, payload).serialize(mask=False)

    assert frame_head(length) + payload == made_by_library
