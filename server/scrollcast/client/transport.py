"""What carries an awaited replay: a WebSocket, or whatever else takes and gives the protocol's messages in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeAlias

from websockets.asyncio.client import connect

from scrollcast.client.sockets import socket_options

__all__ = ["OpenTransport", "Transport", "open_socket"]


class Line(Protocol):
    """What a transport lies on."""

    def abort(self) -> None:
        """Cut it at once, without a word."""
        ...


class Transport(Protocol):
    """One connection; the `ClientConnection` of websockets is one. Each message is one JSON text in UTF-8.

    `send` and `recv` raise `ConnectionClosed` of websockets when the connection is gone. A transport that knows why
    nothing can be played, and that coming back would not help, may raise `ReplayRefused` from `recv`.
    """

    @property
    def transport(self) -> Line:
        """What it lies on."""
        ...

    @property
    def close_code(self) -> int | None:
        """With what code it was closed (RFC 6455); `None` where it was not, or without one."""
        ...

    async def send(self, message: bytes, *, text: Literal[True]) -> None:
        """Send one message, waiting while the other end does not read."""
        ...

    async def recv(self, decode: Literal[False]) -> bytes:
        """The next message. Cancelling it loses nothing."""
        ...

    async def close(self) -> None:
        """End it in good order."""
        ...


OpenTransport: TypeAlias = Callable[[str, str | None], Awaitable[Transport]]
"""Opens a connection to the address of a replay, with a token where there is one. Raises `OSError`, or
`InvalidHandshake` of websockets, where that cannot be done."""


async def open_socket(url: str, token: str | None) -> Transport:
    """A WebSocket."""
    return await connect(url, **socket_options(url, token))
