"""A server that is reached by WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from scrollcast.conformance.vectors import Vector, append_records, rewrite_records
from scrollcast.conformance.walking import Closed

__all__ = ["SocketServer"]

ABNORMAL: Final = 1006
"""The connection broke without a close frame (RFC 6455)."""


class SocketServer:
    """The server at an address such as `ws://127.0.0.1:8420`. `archive` is where its sessions lie, if that is known."""

    def __init__(self, url: str, archive: Path | None, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._archive = archive
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def connect(self, scroll_id: str, parameters: Mapping[str, str]) -> SocketLine:
        """Open a WebSocket. Raises `OSError`, or `InvalidHandshake` of websockets, where that cannot be done."""
        socket = await connect(
            f"{self._url}/ws/sessions/{scroll_id}?{urlencode(parameters)}",
            subprotocols=["scrollcast.v1"],  # type: ignore[list-item]
            additional_headers=self._headers,
            compression=None,
            max_size=None,
            ping_interval=None,
        )
        return SocketLine(socket)

    async def write(self, vector: Vector, records: list[Any], *, anew: bool) -> None:
        """Write to the session where it lies."""
        assert self._archive is not None, "the vectors that write are left out where the archive is not known"
        await asyncio.to_thread(rewrite_records if anew else append_records, vector, self._archive, records)


class SocketLine:
    """A WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def receive(self) -> str | Closed:
        """The next text frame. A binary one is told as the text that it is not."""
        try:
            message = await self._socket.recv()
        except ConnectionClosed:
            return Closed(self._socket.close_code or ABNORMAL)
        return message if isinstance(message, str) else '{"type":"hello","binary":true}'

    async def send(self, message: str | bytes) -> None:
        """Send a frame, unless the server has closed meanwhile: the next step has that."""
        try:
            await self._socket.send(message)
        except ConnectionClosed:
            return

    async def drop(self) -> None:
        """Cut it."""
        self._socket.transport.abort()
        await self._socket.wait_closed()
