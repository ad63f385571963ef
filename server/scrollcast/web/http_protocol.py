"""A uvicorn HTTP class that holds connections and requests to their bounds, before anything of ours looks at them."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_remote_addr

from scrollcast.stream.pacer import Pacer
from scrollcast.web.doors import Doors
from scrollcast.web.security import SECURITY_HEADERS

if sys.platform != "win32":
    import fcntl
    import termios

__all__ = [
    "ABORT",
    "LOOKS",
    "MAX_HEAD_BYTES",
    "REQUEST_SECONDS",
    "HttpProtocol",
    "bound_reads",
    "give_way",
    "hold_nothing_back",
    "untaken",
]

ABORT: Final = "scrollcast.abort"
"""Under this name an application finds, among a request's extensions, what cuts the connection, whatever is still to be
sent."""

MAX_HEAD_BYTES: Final = 16 << 10
"""The longest head of a request: its line and headers. Browsers send a tenth of it. A longer one is answered 400."""

REQUEST_SECONDS: Final = 10.0
"""A request has to be here, head and body, so long after its first byte (the first one of a connection, after that was
made); a WebSocket's handshake is one. Who takes longer is answered 408."""

UNREAD_SECONDS: Final = 30.0
"""A client that takes nothing of its answer for so long is cut off, as on a WebSocket: else it would hold the answer,
and what that is made of, for as long as it likes."""

LOOKS: Final = 6
"""How often within the time that a client has it is looked whether anything moved: a slow reader is no dead one."""

MAX_READ_BYTES: Final = 4 << 10
"""So much is taken from a connection at once: some 700 of the shortest frames, during which all other viewers wait. Of
asyncio's own 256 KiB, two clients that sent nothing but pings kept them waiting for 1.3 s."""

_AT_ONCE: Final = struct.pack("ii" if sys.platform != "win32" else "hh", 1, 0)
"""Linger for no time at all: what was not sent yet is dropped (POSIX, `setsockopt`)."""

log = logging.getLogger(__name__)


class HttpProtocol(H11Protocol):
    """One connection that speaks HTTP, until it becomes a WebSocket."""

    _late: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _least_untaken = 0
    _unmoved = 0
    _address = ""
    _is_inside = False
    is_connected = False
    """Whether it has begun, which over TLS is when the handshake is done."""

    _is_handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in, or answer it 503."""
        super().connection_made(transport)
        bound_reads(transport)
        hold_nothing_back(transport)
        self.is_connected = True
        reason = None if self._is_inside else self.let_in(transport)
        if reason is not None:
            self._answer(503, reason)
            return
        self._late = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def let_in(self, transport: asyncio.Transport) -> str | None:
        """Count a connection in; or say why not, and count that."""
        address = get_remote_addr(transport)
        self._address = address[0] if address else ""
        doors = self._doors
        if doors is None:
            return None
        reason = doors.refusal(self._address)
        if reason is not None:
            doors.refused += 1
            return reason
        doors.enter(self._address)
        self._is_inside = True
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out."""
        self._cancel()
        self._stop_looking()
        self.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see to it that the rest of a request comes in time."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()
        give_way(self.app_state)

    def handle_events(self) -> None:
        """Begin on the requests that came; the application can cut the connection of each."""
        super().handle_events()
        if self.cycle is not None:  # whose task has not run yet where it was made just now
            self.cycle.scope["extensions"] = {ABORT: self._abort}  # type: ignore[dict-item]  # ASGI's are of JSON

    def _abort(self) -> None:
        """Cut the connection, with what the system has taken of an answer and the client has not."""
        found: socket.socket | None = self.transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def pause_writing(self) -> None:
        """The client has not taken all that was sent."""
        super().pause_writing()
        self._least_untaken, self._unmoved = untaken(self.transport), 0
        self._look_later()

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self._stop_looking()

    def _look_later(self) -> None:
        self._unread = self.loop.call_later(UNREAD_SECONDS / LOOKS, self._look)

    def _look(self) -> None:
        size = untaken(self.transport)
        self._unmoved = 0 if size < self._least_untaken else self._unmoved + 1
        self._least_untaken = min(size, self._least_untaken)
        if self._unmoved < LOOKS:
            self._look_later()
            return
        log.info("a client took nothing of its answer for %g s", UNREAD_SECONDS)
        self._abort()

    def _stop_looking(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def on_response_complete(self) -> None:
        """An answer was given; what comes next may have begun to come."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Wait for the rest of a request no longer than it may take."""
        is_begun = self.conn.their_state is h11.SEND_BODY or (
            self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        )
        if self._is_handed_over or not is_begun:
            self._cancel()
        elif self._late is None:
            self._late = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over, unless it speaks an older HTTP than a WebSocket begins with (RFC 6455, 4.2.1)."""
        if event.http_version < b"1.1":
            self._answer(400, "A WebSocket begins with HTTP/1.1.")
            return
        self._is_handed_over = True
        self._stop_looking()
        self.transport.set_write_buffer_limits()  # asyncio's own
        super().handle_websocket_upgrade(event)
        self.leave()  # the WebSocket has counted itself in

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, or too long for one."""
        self._answer(400, msg)

    def shutdown(self) -> None:
        """The server stops."""
        if self._doors is not None:
            self._doors.closing = True
        if self.transport.is_closing():
            return  # it was answered by us, or is gone: h11 may take nothing more
        super().shutdown()

    @property
    def _doors(self) -> Doors | None:
        doors: Doors | None = self.app_state.get("doors")
        return doors

    def leave(self) -> None:
        """Count it out, if it is in."""
        if self._is_inside and self._doors is not None:
            self._doors.leave(self._address)
        self._is_inside = False

    def _cancel(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE:
            self._answer(408, f"The request was not here within {REQUEST_SECONDS:g} s.")
        else:  # its answer was sent, or is on its way; only the body is missing
            self.transport.close()

    def _answer(self, status: int, sentence: str) -> None:
        """Answer without the application, and close."""
        body = f"{sentence}\n".encode()
        headers = [
            ("content-type", "text/plain; charset=utf-8"),
            ("content-length", str(len(body))),
            ("connection", "close"),
            *([("retry-after", "5")] if status == 503 else []),
            *SECURITY_HEADERS.items(),
        ]
        with suppress(h11.LocalProtocolError):
            for said in (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(said) or b"")
        self.transport.close()


def give_way(app_state: Mapping[str, Any]) -> None:
    """Let viewers have what is due before others get a turn: when many connect at once, a step of each of them is done
    in one round of the loop, which kept all viewers waiting for 80 ms."""
    pacer: Pacer | None = app_state.get("pacer")
    if pacer is not None:
        pacer.poll()


def bound_reads(transport: Any) -> None:
    """Take at most `MAX_READ_BYTES` from a connection at once."""
    if sys.platform != "win32" and hasattr(transport, "max_size"):  # asyncio's transports over a socket
        transport.max_size = MAX_READ_BYTES
    if hasattr(transport, "set_read_buffer_limits"):  # its TLS, which gives all at once that came during a rest
        transport.set_read_buffer_limits(high=MAX_READ_BYTES)


def hold_nothing_back(transport: asyncio.Transport) -> None:
    """Be told of whatever a client has not taken, also when the connection is to end."""
    transport.set_write_buffer_limits(high=1, low=0)  # with 0 asyncio's TLS would wait for less than nothing


def untaken(transport: Any) -> int:
    """The bytes that a client has yet to take: those here, and those in the kernel, which may be megabytes."""
    waiting: int = transport.get_write_buffer_size()
    connected = transport.get_extra_info("socket")
    if sys.platform != "win32" and connected is not None:
        with suppress(OSError, ValueError):  # closed meanwhile
            waiting += struct.unpack("i", fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    return waiting
