"""`GET /ws/sessions/{scroll_id}`: from the handshake to the close code."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.responses import PlainTextResponse
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from scrollcast.access.grant import Access
from scrollcast.archive.index import EventBlock, Runs
from scrollcast.errors import ScrollcastError, SlowClient, StreamClosed, TooManyTries, Unauthenticated
from scrollcast.logs import add_facts
from scrollcast.stream.packed_runs import PackedRuns, Packing
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.registry import StreamRegistry
from scrollcast.stream.session_stream import Connection, SessionStream
from scrollcast.stream.wire import PROTOCOL
from scrollcast.tracing import span
from scrollcast.web.door import TOKEN_PROTOCOL, access_of
from scrollcast.web.failures import Failure, answer, error_message, problem
from scrollcast.web.shown import shown_archive
from scrollcast.web.text_frames import TEXT_FRAMES, WRITE_TIMEOUT, TextFrameProtocol

__all__ = ["refuse", "replay", "unknown_socket"]

FAREWELL_SECONDS: Final = 1.0
"""A client that may not stay has so long to take what is said to it, before it is closed without waiting."""

log = logging.getLogger(__name__)


async def replay(websocket: WebSocket) -> None:
    """Replay one session over one WebSocket."""
    if not await _accept(websocket):
        return
    connection = _connect(websocket)
    add_facts(scroll_id=websocket.path_params["scroll_id"][:100])
    await connection.go_on(partial(_serve, websocket, connection))


async def _serve(websocket: WebSocket, connection: _PlainFrames) -> None:
    try:
        await _replay(websocket, connection)
    except StreamClosed:
        log.info("the client is gone")
    except Exception as error:
        code = await _fail(connection, error)
        websocket.app.state.registry.errors[code] += 1
        log.info("the replay was ended", extra={"code": code})
    else:
        await connection.close(1000, "")


async def refuse(websocket: WebSocket, error: ScrollcastError) -> None:
    """Say why there is no replay for whoever asks, and close. A browser shows a page nothing of a handshake that
    failed, so it succeeds first; not for one who only guesses."""
    if isinstance(error, TooManyTries):
        response, _ = answer(error)
        await websocket.send_denial_response(response)
    elif await _accept(websocket):
        await _fail(_connect(websocket), error)


async def _accept(websocket: WebSocket) -> bool:
    """Take the connection, unless the client speaks other protocols only. A token that is offered is never chosen."""
    offered = websocket.scope["subprotocols"]
    if offered and PROTOCOL not in offered:
        has_token = any(each.startswith(TOKEN_PROTOCOL) for each in offered)
        wanted = "offer it beside the token.\n" if has_token else "offer it, or none.\n"
        sentence = f"This server speaks the subprotocol {PROTOCOL}; {wanted}"
        await websocket.send_denial_response(PlainTextResponse(sentence, 400))
        return False
    await websocket.accept(PROTOCOL if offered else None)
    return True


async def unknown_socket(websocket: WebSocket) -> None:
    """Anything but a replay."""
    await websocket.send_denial_response(problem(404, "not_found", "Not Found", "there is no such route"))


async def _replay(websocket: WebSocket, connection: _PlainFrames) -> None:
    registry, access = websocket.app.state.registry, access_of(websocket)
    scroll_id = websocket.path_params["scroll_id"]
    async with websocket.app.state.open_shares.hold(access):
        with registry.admit(scroll_id):
            stream = _stream(websocket, connection, registry, access)
            add_facts(replay_id=stream.replay_id)
            connection.on_shutdown(stream.farewell)
            with registry.playing(stream), _told(stream, scroll_id):
                await stream.run()


def _stream(websocket: WebSocket, connection: _PlainFrames, registry: StreamRegistry, access: Access) -> SessionStream:
    parameters = ReplayParameters.parse(parse_qsl(websocket.scope["query_string"].decode(), keep_blank_values=True))
    return SessionStream(
        connection,
        shown_archive(websocket),
        websocket.path_params["scroll_id"],
        parameters,
        root_path=websocket.scope["root_path"],
        pacer=registry.pacer,
        rewriting=registry.rewriting,
        max_commands=websocket.app.state.max_commands,
        span=access.span,
        told=access.told,
        packing=connection.packing(websocket.app.state.packed_runs),
    )


@contextmanager
def _told(stream: SessionStream, scroll_id: str) -> Iterator[None]:
    """Tell whoever runs the server of a replay: by two lines in the log, and a span."""
    began = time.monotonic()
    log.info("a replay begins")
    with span("replay", scroll_id=scroll_id, replay_id=str(stream.replay_id)) as note:
        try:
            yield
        finally:
            facts = {"events": stream.sent, "bytes": stream.sent_bytes, "seeks": stream.seeks}
            note(**facts)
            log.info("a replay ends", extra={**facts, "seconds": round(time.monotonic() - began, 3)})


async def _fail(connection: _PlainFrames, error: Exception) -> str:
    """Say what went wrong, and close with its code; what was said is called so."""
    message, failure = error_message(error)
    if isinstance(error, Unauthenticated):
        await _send_away(connection, message, failure)
        return failure.code
    if failure.code != "too_many_bad_commands" and not isinstance(error, SlowClient):  # the former was said already
        try:
            await connection.send(message)
        except StreamClosed:
            return failure.code
        except SlowClient as slow:
            message, failure = error_message(slow)
    if failure.code == "slow_client":
        await connection.let_go(message, failure.close_code, failure.code)
    else:
        await connection.close(failure.close_code, failure.code)
    return failure.code


def _received(message: Message) -> str | bytes:
    if message["type"] != "websocket.receive":
        raise StreamClosed
    received: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
    return received


async def _send_away(connection: _PlainFrames, message: bytes, failure: Failure) -> None:
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await connection.send(message)
    except StreamClosed:
        return
    except TimeoutError:
        await connection.let_go(message, failure.close_code, failure.code)
    else:
        await connection.close(failure.close_code, failure.code)


def _connect(websocket: WebSocket) -> _PlainFrames:
    protocol: Any = websocket.scope.get("extensions", {}).get(TEXT_FRAMES)
    return _TextFrames(websocket, protocol) if protocol is not None else _PlainFrames(websocket)


class _PlainFrames(Connection):
    """A connection over any ASGI server."""

    __slots__ = ("_sent_bytes", "_websocket")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._sent_bytes = 0

    @property
    def sent_bytes(self) -> int:
        """What was given to the server to be sent."""
        return self._sent_bytes

    async def go_on(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Serve the client until it is done; the application's layers have nothing more to do with it."""
        await serve()

    def on_shutdown(self, farewell: Callable[[], bytes | None]) -> None:
        """Have this said before the connection is closed because the server stops; ASGI has no way to."""

    def packing(self, _runs: PackedRuns) -> Packing | None:
        """How compressed messages are sent, where the client takes them; ASGI has no way to say so of some."""
        return None

    async def receive(self) -> str | bytes:
        return _received(await self._websocket.receive())

    async def send(self, message: bytes | bytearray) -> None:
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._websocket.send_text(message.decode())
            self._sent_bytes += len(message)
        except TimeoutError:
            raise SlowClient(WRITE_TIMEOUT) from None
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise StreamClosed from None

    def send_now(self, _head: bytes, _tail: bytes | bytearray, /) -> bool:
        return False  # ASGI has no way to know whether a client reads

    async def close(self, code: int, reason: str) -> None:
        """Close, and wait for the client to take what was sent, though not for ever."""
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(WRITE_TIMEOUT):
                if self._websocket.client_state is WebSocketState.CONNECTED:
                    await self._websocket.close(code, reason)

    async def let_go(self, _farewell: bytes, code: int, reason: str) -> None:
        """Close a client that does not read."""
        await self.close(code, reason)


class _TextFrames(_PlainFrames):
    """The same over our own protocol class, which takes messages as bytes."""

    __slots__ = ("_protocol", "send_now")

    send_now: Callable[[bytes, bytes | bytearray], bool]

    def __init__(self, websocket: WebSocket, protocol: TextFrameProtocol) -> None:
        super().__init__(websocket)
        self._protocol = protocol
        self.send_now = protocol.send_text_now  # no method that calls it: each event of a viewer comes by here

    @property
    def sent_bytes(self) -> int:
        """What was written, frame heads included."""
        return self._protocol.sent_bytes

    async def go_on(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Serve the client when these layers have returned."""
        self._protocol.leave(serve)

    def on_shutdown(self, farewell: Callable[[], bytes | None]) -> None:
        """Have this said before the connection is closed because the server stops."""
        self._protocol.farewell = farewell

    def packing(self, runs: PackedRuns) -> Packing | None:
        """How compressed messages are sent, where the client takes them."""
        return Packing(runs, self._protocol.send_packed) if self._protocol.packs else None

    async def receive(self) -> str | bytes:
        # Not through the application's layers, each of which would hold a coroutine while the client is silent.
        message: Any = await self._protocol.receive()
        return _received(message)

    async def send(self, message: bytes | bytearray) -> None:
        await self._protocol.send_text(message)

    async def ready(self) -> None:
        await self._protocol.ready()

    def lead(self, length: int) -> bytes:
        return self._protocol.lead(length)

    async def send_led(self, messages: bytearray, ends: Sequence[int]) -> bool:
        return await self._protocol.send_led(memoryview(messages)[: ends[-1]])

    @property
    def file_sender(self) -> Callable[[int, Runs], None] | None:
        return self._protocol.send_from_file if self._protocol.takes_files else None

    async def send_each(self, head: bytes, block: EventBlock) -> None:
        await self._protocol.send_each(head, block)

    async def close(self, code: int, reason: str) -> None:
        await super().close(code, reason)
        await self._protocol.drain()

    async def let_go(self, farewell: bytes, code: int, reason: str) -> None:
        self._protocol.let_go(farewell, code, reason)
