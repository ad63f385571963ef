"""`GET /ws/sessions/{scroll_id}`: from the handshake to the close code."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from scrollcast.errors import SlowClient, StreamClosed
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.session_stream import Connection, SessionStream
from scrollcast.stream.wire import PROTOCOL
from scrollcast.web.failures import error_message, problem
from scrollcast.web.text_frames import TEXT_FRAMES, WRITE_TIMEOUT, TextFrameProtocol

__all__ = ["replay", "unknown_socket"]


async def replay(websocket: WebSocket) -> None:
    """Replay one session over one WebSocket."""
    offered = websocket.scope["subprotocols"]
    if offered and PROTOCOL not in offered:
        sentence = f"This server speaks the subprotocol {PROTOCOL}; offer it, or none.\n"
        await websocket.send_denial_response(PlainTextResponse(sentence, 400))
        return
    await websocket.accept(PROTOCOL if offered else None)
    connection = _connect(websocket)
    try:
        await _replay(websocket, connection)
    except StreamClosed:
        return
    except Exception as error:
        await _fail(websocket, connection, error)
    else:
        await _close(websocket, 1000, "")


async def unknown_socket(websocket: WebSocket) -> None:
    """Anything but a replay."""
    await websocket.send_denial_response(problem(404, "not_found", "Not Found", "there is no such route"))


async def _replay(websocket: WebSocket, connection: Connection) -> None:
    with websocket.app.state.registry.admit():
        parameters = ReplayParameters.parse(parse_qsl(websocket.url.query, keep_blank_values=True))
        scroll_id = websocket.path_params["scroll_id"]
        await SessionStream(connection, websocket.app.state.archive, scroll_id, parameters).run()


async def _fail(websocket: WebSocket, connection: Connection, error: Exception) -> None:
    """Say what went wrong, and close with its code."""
    message, failure = error_message(error)
    if isinstance(error, SlowClient) and isinstance(connection, _TextFrames):
        connection.protocol.let_go(message, failure.close_code, failure.code)
        return
    if failure.code != "too_many_bad_commands":  # that was said already, a hundred times
        with suppress(StreamClosed, SlowClient):
            await connection.send(message)
    await _close(websocket, failure.close_code, failure.code)


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        if websocket.client_state is WebSocketState.CONNECTED:
            await websocket.close(code, reason)


def _connect(websocket: WebSocket) -> Connection:
    protocol: Any = websocket.scope.get("extensions", {}).get(TEXT_FRAMES)
    return _TextFrames(websocket, protocol) if protocol is not None else _PlainFrames(websocket)


class _PlainFrames:
    """A connection over any ASGI server."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | bytes:
        message = await self._websocket.receive()
        if message["type"] != "websocket.receive":
            raise StreamClosed
        received: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return received

    async def send(self, message: bytes | bytearray) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._websocket.send_text(message.decode())
        except TimeoutError:
            raise SlowClient(WRITE_TIMEOUT) from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise StreamClosed from None


class _TextFrames(_PlainFrames):
    """The same over our own protocol class, which takes messages as bytes."""

    def __init__(self, websocket: WebSocket, protocol: TextFrameProtocol) -> None:
        super().__init__(websocket)
        self.protocol = protocol

    async def send(self, message: bytes | bytearray) -> None:
        await self.protocol.send_text(message)
