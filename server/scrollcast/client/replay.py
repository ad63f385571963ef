"""A replay to iterate over with `async for`, and to control while it plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, Unpack

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from scrollcast.client.address import Address
from scrollcast.client.asking import Mode, Parameters, Unit, seek_fields, step_fields
from scrollcast.client.base import ReplayBase
from scrollcast.client.patience import PATIENCE_SECONDS, Patience
from scrollcast.client.receiver import ABNORMAL, Receiver
from scrollcast.client.records import Item, ReplayEvent, ReplayState
from scrollcast.client.transport import OpenTransport, Transport, open_socket
from scrollcast.errors import ReplayError, ReplayLost

__all__ = ["Replay", "connect"]


def connect(
    url: str,
    *,
    token: str | None = None,
    patience: float = PATIENCE_SECONDS,
    transport: OpenTransport = open_socket,
    **parameters: Unpack[Parameters],
) -> Replay:
    """A replay of the session at `url`: the address of its page, a link that shares it, or that of its WebSocket.

    `token` is the owner's, or the secret of a share, where the server asks for one.

    Nothing is sent before the first event is asked for, or the context is entered. A connection that is lost is made
    again for up to `patience` seconds, and the replay goes on with the event that was next. `transport` is what opens
    it: a WebSocket, unless a program has another way to whoever speaks the protocol.

    Raises:
        ValueError: `url` is no address of a session.
    """
    return Replay(Receiver(Address(url, parameters, token)), Patience(patience), transport)


class Replay(ReplayBase[Transport]):
    """One replay. Iterate over it for its events, over `items()` for everything that comes.

    Use it as a context manager where the loop may be left before the end, or where it is controlled. Commands may be
    given by other tasks than the one that iterates. Every method that talks to the server raises `ReplayRefused`,
    `ReplayLost`, `SessionRewritten` or `ProtocolViolation` when there is nothing more to come.
    """

    def __init__(self, receiver: Receiver, patience: Patience, transport: OpenTransport) -> None:
        super().__init__(receiver, patience)
        self._open_transport = transport
        self._loop: asyncio.AbstractEventLoop | None = None  # of the connection
        self._connecting: asyncio.Task[Transport | None] | None = None  # which goes on when a step is cancelled
        self._connect_at = 0.0  # on the loop's clock
        self._is_reading = False
        self._has_read: asyncio.Future[None] | None = None  # for others: done when whoever reads has read one message

    async def __aenter__(self) -> Self:
        self._entered = True
        try:
            while self._receiver.hello is None and not self._ended:
                await self._progress()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End it. Whoever waits for an event gets none."""
        self._ended = True
        if self._connecting is not None:
            self._connecting.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    def _leave(self) -> None:
        """Nobody iterates any more, and no context ends it. Any thread may say so, also where nothing can be awaited
        any more: it ends at once, without a word."""
        if self._entered or self._loop is None:
            return
        self._ended = True
        socket, self._socket = self._socket, None
        with suppress(RuntimeError):  # the loop is closed, and its connections with it
            if socket is not None:
                self._loop.call_soon_threadsafe(socket.transport.abort)
            if self._connecting is not None:
                self._loop.call_soon_threadsafe(self._connecting.cancel)

    # --------------------------------------------------------------------------------------------------- what comes

    def __aiter__(self) -> AsyncIterator[ReplayEvent]:
        return _Coming(self, only_events=True)

    def items(self) -> AsyncIterator[Item]:
        """Everything that comes, in order: events, states, notices, the end."""
        return _Coming(self, only_events=False)

    # ----------------------------------------------------------------------------------------------------- commands

    async def play(self) -> ReplayState:
        """Play on."""
        return await self.control(play=True)

    async def pause(self) -> ReplayState:
        """Stand still."""
        return await self.control(play=False)

    async def seek(self, *, ms: int | None = None, seq: int | None = None, event_id: str | None = None) -> ReplayState:
        """Go to a recorded time in milliseconds, an event's number, or a message's id; past the end means the end.

        Events that came before and were not taken yet are dropped. Raises `CommandRefused` when there is no such
        message.
        """
        return await self.control(**seek_fields(ms, seq, event_id))

    async def step(self, by: int = 1, unit: Unit = "event") -> ReplayState:
        """Pause, and move by whole units, backward where `by` is negative."""
        return await self.control(**step_fields(by, unit))

    async def speed(self, speed: float) -> ReplayState:
        """Play so many times as fast as it happened, from 0.1 to 100."""
        return await self.control(speed=speed)

    async def idle(self, seconds: float | None) -> ReplayState:
        """Play no silence for longer than this; `None` plays them as they were."""
        return await self.control(idle=seconds)

    async def mode(self, mode: Mode) -> ReplayState:
        """Play at the recorded pace, or as fast as this client reads."""
        return await self.control(mode=mode)

    async def control(self, **fields: Any) -> ReplayState:
        """Send one `control` of these fields (`docs/protocol.md`, Client to server), and wait for what the server says.

        All of it is applied as one change. Events that come meanwhile are kept for whoever iterates.

        Raises:
            CommandRefused: the server did not do it.
        """
        receiver = self._receiver
        request_id, text = receiver.ask(fields)
        if text is not None:
            await self._send(text)
        while not receiver.is_answered(request_id):
            if self._ended:
                raise receiver.failure or ReplayLost("it was closed", 0)
            await self._progress()
        return receiver.answer(request_id)

    # ----------------------------------------------------------------------------------------------- the connection

    async def _progress(self) -> None:
        """Take one more message, or wait until another task of this replay has. One step, since each takes its time."""
        receiver = self._receiver
        if receiver.failure is not None:
            raise receiver.failure
        if self._is_reading:
            if self._has_read is None:
                self._has_read = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._has_read,))
            return
        self._is_reading = True
        try:
            socket = self._socket or await self._await_connection()
            if socket is None:
                return
            try:
                for text in receiver.due():
                    await socket.send(text, text=True)
                if receiver.take(await socket.recv(decode=False)):
                    self._patience.succeeded()
                    for text in receiver.waiting():
                        await socket.send(text, text=True)
            except ConnectionClosed:
                self._socket = None
                self._put_off(self._wait_after(socket.close_code or ABNORMAL, "it was cut"))
        except ReplayError as problem:
            receiver.failure = problem
            await self.close()
            raise
        finally:
            self._is_reading = False
            if self._has_read is not None:
                self._has_read.set_result(None)
                self._has_read = None

    def _put_off(self, seconds: float) -> None:
        """Make no connection before so much time has passed."""
        self._connect_at = asyncio.get_running_loop().time() + seconds

    async def _await_connection(self) -> Transport | None:
        """A connection; `None` when that has to be tried again, or it was closed."""
        if self._ended:
            return None
        if self._connecting is None:
            self._loop = asyncio.get_running_loop()
            self._connecting = self._loop.create_task(self._connect())
        connecting = self._connecting
        try:
            await asyncio.wait((connecting,))
        finally:
            if connecting.done():
                self._connecting = None
        return None if connecting.cancelled() else connecting.result()

    async def _connect(self) -> Transport | None:
        """One try, when it is time for it. Gives and raises as `_await_connection`."""
        await asyncio.sleep(self._connect_at - asyncio.get_running_loop().time())
        url = self._receiver.begin()
        try:
            socket = await self._open_transport(url, self._receiver.token)
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as failed:
            self._bear(failed)
            self._put_off(self._wait_after(ABNORMAL, str(failed)))
            return None
        if self._ended:  # closed meanwhile
            await socket.close()
            return None
        self._socket = socket
        return socket

    async def _send(self, text: bytes) -> None:
        if self._socket is not None:
            with suppress(ConnectionClosed):  # whoever reads finds out, and sends it again on the next connection
                await self._socket.send(text, text=True)


class _Coming:
    """What comes of a replay, an item at a time. A step that is cancelled loses nothing: the next one goes on.

    No generator: that would take more time an event, and end with a step that is cancelled.
    """

    def __init__(self, replay: Replay, *, only_events: bool) -> None:
        self._replay = replay
        self._only_events = only_events
        self._items = replay._receiver.items

    def __del__(self) -> None:
        self._replay._leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        items, replay = self._items, self._replay
        try:
            while True:
                while items:
                    item = items.popleft()
                    if type(item) is ReplayEvent or not self._only_events:
                        return item
                if replay._ended:
                    break
                await replay._progress()
            if replay._receiver.failure is not None:  # another task met it
                raise replay._receiver.failure
            raise StopAsyncIteration
        except BaseException:
            del self  # whoever keeps the traceback keeps this frame, which is not to keep the replay open
            raise
