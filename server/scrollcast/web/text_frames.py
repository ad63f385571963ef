"""A uvicorn WebSocket class that sends text frames from bytes and tells a slow client from a dead one.

ASGI offers a text frame only as `str`, so that ready-made UTF-8 would be decoded by the application and encoded again
by the server, which costs more than everything else about a large message. This class offers the same as an extension
of the scope (`TEXT_FRAMES`); an application falls back to plain ASGI where it is missing.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidHeader, InvalidState
from websockets.http11 import Request
from websockets.protocol import State

from scrollcast.archive.index import EventBlock, Runs
from scrollcast.errors import SlowClient, StreamClosed
from scrollcast.stream.packed_runs import stored
from scrollcast.web.compression import Compression, SharedDeflate, SharedDeflateFactory
from scrollcast.web.doors import Doors
from scrollcast.web.file_runs import send_runs, takes_files
from scrollcast.web.http_protocol import LOOKS, bound_reads, give_way, hold_nothing_back, untaken
from scrollcast.web.inbox import Inbox

__all__ = ["TEXT_FRAMES", "WRITE_TIMEOUT", "TextFrameProtocol", "frame_head"]

TEXT_FRAMES: Final = "scrollcast.text_frames"
"""The name of the scope extension: the connection's `TextFrameProtocol` itself."""

WRITE_TIMEOUT: Final = 30.0
"""A client that takes nothing for so many seconds is let go; it can come back and resume."""

_OPEN: Final = State.OPEN  # which would be looked up in the class for each message

_HEAD: Final = struct.Struct(">BBH")
_LONG_HEAD: Final = struct.Struct(">BBQ")

LONG_READ_SECONDS: Final = 0.001
REST_FACTOR: Final = 4
"""A client with whose frames the loop was busy for this long is not read from for so many times as long: however many
pings and fragments it sends, it takes a fifth of the time at most."""

CLOSE_GRACE: Final = 3.0
"""Seconds that a client which was let go has to read why."""

SHUTDOWN_GRACE: Final = 0.5
"""Seconds that a client has to take its close message when the server stops, which it is to do within two."""

DEAD_PEER_MS: Final = 60_000
"""A peer that acknowledges nothing on TCP for so long is gone (Linux's `TCP_USER_TIMEOUT`)."""


_TEXT: Final = 0x81
_PACKED_TEXT: Final = 0xC1
"""The first byte of a whole text message as it is, and of a compressed one (RFC 7692, 6)."""


class TextFrameProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    _deflate: SharedDeflate | None = None

    _late_pong = b""
    """The answer to the last ping of a client that does not read."""

    farewell: Callable[[], bytes | None] | None = None
    """What is said, if anything, before the connection is closed because the server stops."""

    _rest: Callable[[], Awaitable[None]] | None = None

    # What each message needs: looked up in a dictionary of fifty names it would be the longest way of a short one.
    __slots__ = ("close_sent", "disconnected", "has_room", "sent_bytes", "transport", "writable")

    sent_bytes: int
    """What was written since the handshake, frame heads included."""

    has_room: bool
    """Whether the transport takes more, as `writable` says too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent_bytes, self.has_room = 0, True
        self.queue: Any = Inbox()
        self.conn.debug = False  # it would write every header into the log, and every message of every session

    @property
    def app(self) -> ASGIApp:
        """The application, and after it what it has left to be done."""
        return self._run

    @app.setter
    def app(self, application: ASGIApp) -> None:
        self._application = application

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)
        if (rest := self._rest) is not None:
            self._rest = None
            await rest()

    def leave(self, rest: Callable[[], Awaitable[None]]) -> None:
        """Have this done when the application has returned, in the same task: a replay may last for hours, and each
        layer of the application would wait for it with a coroutine, which is a third of what a viewer takes."""
        self._rest = rest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection whose handshake has begun."""
        super().connection_made(transport)
        bound_reads(transport)
        if self._doors is not None:
            self._doors.enter(self._address)
        connected = transport.get_extra_info("socket")
        if connected is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            with suppress(OSError):  # not TCP, as in tests over a Unix socket
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        if self._doors is not None:
            self._doors.leave(self._address)
        super().connection_lost(exc)

    @property
    def _doors(self) -> Doors | None:
        doors: Doors | None = self.app_state.get("doors")
        return doors

    @property
    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Take what came; a handshake that the library does not take is answered, which uvicorn leaves out."""
        began = self.loop.time()
        if self._deflate is not None:
            self._deflate.inflated = 0
        super().data_received(data)
        spent = self.loop.time() - began
        if spent > LONG_READ_SECONDS and not self.transport.is_closing():
            self.transport.pause_reading()
            self.loop.call_later(REST_FACTOR * spent, self._read_on)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True
            self._flush()
            self.transport.close()
        give_way(self.app_state)

    def _read_on(self) -> None:
        if not self.read_paused and not self.transport.is_closing():  # else it goes on when a message was taken
            self.transport.resume_reading()

    def handle_connect(self, event: Request) -> None:
        """Answer the handshake, and tell the application of the extension."""
        super().handle_connect(event)
        scope: Any = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][TEXT_FRAMES] = self
            compression: Compression | None = self.app_state.get("compression")
            if compression is not None and compression.is_for(scope):
                self._agree_on_compression()

    def _agree_on_compression(self) -> None:
        """Answer that messages may be compressed, where the client offers it in a way that serves."""
        self.conn.available_extensions = [SharedDeflateFactory()]
        with suppress(InvalidHeader):  # without an extension the header is not looked at either
            answer, agreed = self.conn.process_extensions(self.request.headers)
            for extension in agreed:
                if isinstance(extension, SharedDeflate) and answer is not None:
                    self._deflate, self.conn.extensions = extension, [extension]
                    self.response.headers["Sec-WebSocket-Extensions"] = answer

    @property
    def packs(self) -> bool:
        """Whether the client takes compressed messages."""
        return self._deflate is not None

    def shutdown(self) -> None:
        """The server stops: say where to go on from, close, and do not wait for a client that does not read."""
        if self._doors is not None:
            self._doors.closing = True
        self.loop.call_later(SHUTDOWN_GRACE, self.transport.abort)
        if self.handshake_complete and not self.close_sent and not self._is_open():
            self.transport.close()  # the client has closed, and was answered: uvicorn would close once more, and fail
            return
        said = self.farewell() if self.farewell is not None and self._is_open() else None
        if said is not None:
            self.conn.send_text(said)  # written with the close frame
        super().shutdown()

    async def send(self, message: Any) -> None:
        """What the application says by ASGI."""
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response  # the handshake is over: a tenth of a connection's memory
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # it was answered, though not by an upgrade; uvicorn would log an error

    def handle_ping(self) -> None:
        """Answer a ping; while the client does not read, only its last one (RFC 6455, 5.5.3), so that none pile up."""
        if self.writable.is_set() or self.conn.state is not State.OPEN:
            super().handle_ping()
            return
        # The answers to all the pings of one read come with the first of them.
        pongs = [data for data in self.conn.data_to_send() if data]
        self._late_pong = pongs[-1] if pongs else self._late_pong

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self.has_room = False

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self.has_room = True
        pong, self._late_pong = self._late_pong, b""
        if pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(pong)

    async def ready(self) -> None:
        """Wait until the client may be sent more. Raises as `send_text`."""
        if not self.writable.is_set():
            await self._wait_until_writable()
        if not self._is_open():
            raise StreamClosed

    async def send_text(self, message: bytes | bytearray) -> None:
        """Send one text message given as UTF-8; waits while the client does not read.

        Raises:
            StreamClosed: the client is gone.
            SlowClient: it has taken nothing for `WRITE_TIMEOUT` seconds.
        """
        await self.ready()
        self.conn.send_text(message)
        self._flush()

    def lead(self, length: int) -> bytes:
        """What has to stand before a message of so many bytes for `send_led`."""
        return frame_head(length)

    async def send_led(self, messages: memoryview) -> bool:
        """Send text messages whose `lead` stands in front of each already, without a copy; whether the system has
        taken all of them, so that their memory may be written over. Waits and raises as `send_text`."""
        await self.ready()
        self.sent_bytes += len(messages)
        self.transport.write(messages)
        return not self.transport.get_write_buffer_size()

    @property
    def takes_files(self) -> bool:
        """Whether `send_from_file` may be called: `send_text` would not wait, nor raise, and nothing is encrypted."""
        return self.has_room and self._is_open() and takes_files(self.transport)

    def send_from_file(self, file: int, runs: Runs) -> None:
        """Send text messages that are laid out like those of `send_led`, from an open file that holds the events and is
        in the page cache. Raises as `send_runs`."""
        self.sent_bytes += runs.ends[-1]
        send_runs(self.transport, file, runs)

    async def send_packed(self, head: bytes, piece: bytes) -> None:
        """Send one compressed text message to a client that takes them: `head` as it is, then what a compressed piece
        (`packed_runs.pack`) holds. Waits and raises as `send_text`."""
        await self.ready()
        lead = stored(head)
        frame = b"".join((frame_head(len(lead) + len(piece), _PACKED_TEXT), lead, piece))
        self.sent_bytes += len(frame)
        self.transport.write(frame)

    async def send_each(self, head: bytes, block: EventBlock) -> None:
        """Send one text message an event, each after the same head in place of its first brace, in one write. Waits
        and raises as `send_text`.

        Making a frame and writing it costs ten times what the bytes of an ordinary event do.
        """
        await self.ready()
        frames = _frames(head, block)
        self.sent_bytes += len(frames)
        self.transport.write(frames)

    def send_text_now(self, head: bytes, tail: bytes | bytearray) -> bool:
        """Send one text message, `tail` after `head`; `False`, with nothing sent, where `send_text` might wait, or
        would raise."""
        # As `ready` has it, with fewer calls: who has closed, or was closed, is also one whose connection is closing.
        if not self.has_room or self.close_sent or self.disconnected or self.transport.is_closing():
            return False
        length = len(head) + len(tail)
        frame = b"".join((_READY_HEADS[length] if length < _READY_LENGTHS else frame_head(length), head, tail))
        self.sent_bytes += len(frame)
        self.transport.write(frame)
        return True

    def let_go(self, farewell: bytes, code: int, reason: str) -> None:
        """Close a client that does not read: what can still reach it is said, and nothing is waited for."""
        if self.disconnected or self.close_sent:
            return
        with suppress(InvalidState, ClientDisconnected):
            self.conn.send_text(farewell)
            self.conn.send_close(code, reason)
            self._flush()
        self.close_sent = True
        self.close_timer = self.loop.call_later(CLOSE_GRACE, self.transport.abort)

    async def drain(self) -> None:
        """Wait until the client has taken everything; cut it off when it takes nothing for `WRITE_TIMEOUT`."""
        hold_nothing_back(self.transport)
        try:
            await self._wait_until_writable()
        except SlowClient:
            self.transport.abort()

    def _is_open(self) -> bool:
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return False
        return self.conn.state is _OPEN

    def _flush(self) -> None:
        data = b"".join(self.conn.data_to_send())
        self.sent_bytes += len(data)
        self.transport.write(data)

    async def _wait_until_writable(self) -> None:
        left, unmoved = untaken(self.transport), 0
        while unmoved < LOOKS:
            try:
                async with asyncio.timeout(WRITE_TIMEOUT / LOOKS):
                    await self.writable.wait()
                    return
            except TimeoutError:
                size = untaken(self.transport)
                # Pings may add to what waits; only what the client took makes it less.
                unmoved = 0 if size < left else unmoved + 1
                left = min(left, size)
        raise SlowClient(WRITE_TIMEOUT)


def _frames(head: bytes, block: EventBlock) -> bytes:
    """Whole frames, one an event, one behind the other."""
    data, begin, before = block.data, 1, block.offsets[0] - 1  # an event begins behind its brace
    lengthened = len(head) - 2  # by the head, for a brace and a comma
    pieces: list[bytes | memoryview] = []
    add = pieces.append
    # One loop for all three: a list of each, made by itself, takes a third longer.
    for offset in block.offsets[1:]:
        end = offset - before
        length = end - begin + lengthened
        add(_READY_HEADS[length] if length < _READY_LENGTHS else frame_head(length))
        add(head)
        add(data[begin : end - 2])
        begin = end
    return b"".join(pieces)


def frame_head(length: int, first: int = _TEXT) -> bytes:
    """What stands before a whole text message of so many bytes from a server (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((first, length))
    return _HEAD.pack(first, 126, length) if length < 1 << 16 else _LONG_HEAD.pack(first, 127, length)


_READY_LENGTHS: Final = 8192
_READY_HEADS: Final = [frame_head(length) for length in range(_READY_LENGTHS)]
"""The heads of nearly all events. With one event a message a quarter of its time went into making them."""
