"""TLS, begun by us and not by asyncio, so that a connection is held to its bounds before its handshake is done.

asyncio tells of a connection only once it is encrypted. Whoever opened thousands and said nothing was in nobody's
count, and had every open file of the process for a minute. It also takes 256 KiB of one at once, decrypts it, and has
all others wait while that is looked at.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import Any

from scrollcast.web import http_protocol
from scrollcast.web.http_protocol import MAX_READ_BYTES, HttpProtocol

__all__ = ["TlsProtocol"]


class TlsProtocol(asyncio.Protocol):
    """One connection until its handshake of TLS is done; then it is `http`'s.

    A connection beyond the bounds is cut off, for nothing can be said before the handshake.
    """

    def __init__(self, http: HttpProtocol, context: ssl.SSLContext) -> None:
        self._http = http
        self._context = context
        self._transport: asyncio.Transport | None = None

    @classmethod
    def make(cls, context: ssl.SSLContext, **given: Any) -> TlsProtocol:
        """One, with what uvicorn gives to a connection that speaks HTTP."""
        return cls(HttpProtocol(**given), context)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in and begin the handshake, or cut it off."""
        if self._http.let_in(transport) is not None:
            transport.abort()
            return
        self._transport = transport
        self._http.connections.add(self)  # type: ignore[arg-type]  # for `shutdown`
        done: asyncio.Future[None] = self._http.loop.create_future()
        done.add_done_callback(self._is_done)
        inside = _SmallReads(
            self._http.loop, self._http, self._context, done, server_side=True,
            ssl_handshake_timeout=http_protocol.REQUEST_SECONDS,  # type: ignore[arg-type]  # any number will do
        )  # fmt: skip
        transport.set_protocol(inside)
        inside.connection_made(transport)

    def shutdown(self) -> None:
        """The server stops."""
        if self._transport is not None:
            self._transport.abort()

    def _is_done(self, done: asyncio.Future[None]) -> None:
        self._http.connections.discard(self)
        if not done.cancelled():
            done.exception()  # what a stranger's handshake fails of is nothing to log
        if not self._http.is_connected:
            self._http.leave()


class _SmallReads(SSLProtocol):
    """asyncio's, but that no more is taken at once than without TLS; of a record, which may be of 16 KiB, all of it."""

    max_size = MAX_READ_BYTES
