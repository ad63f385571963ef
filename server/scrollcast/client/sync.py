"""A replay to iterate over with `for`: the same as `scrollcast.client`, for programs that do not await.

A replay belongs to one thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, Unpack

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_socket

from scrollcast.client.address import Address
from scrollcast.client.asking import Mode, Parameters, Unit, seek_fields, step_fields
from scrollcast.client.base import ReplayBase
from scrollcast.client.patience import PATIENCE_SECONDS, Patience
from scrollcast.client.receiver import ABNORMAL, Receiver
from scrollcast.client.records import Item, ReplayEvent, ReplayState
from scrollcast.client.sockets import socket_options
from scrollcast.errors import ReplayError, ReplayLost

__all__ = ["Replay", "connect"]


def connect(
    url: str, *, token: str | None = None, patience: float = PATIENCE_SECONDS, **parameters: Unpack[Parameters]
) -> Replay:
    """As `scrollcast.client.connect`."""
    return Replay(Receiver(Address(url, parameters, token)), Patience(patience))


class Replay(ReplayBase[ClientConnection]):
    """As `scrollcast.client.Replay`, method for method."""

    def __enter__(self) -> Self:
        self._entered = True
        try:
            while self._receiver.hello is None and not self._ended:
                self._progress()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; another thread may do so too, to end the waiting of this one."""
        self._ended = True
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()

    # --------------------------------------------------------------------------------------------------- what comes

    def __iter__(self) -> Iterator[ReplayEvent]:
        return self._coming(only_events=True)

    def items(self) -> Iterator[Item]:
        """Everything that comes, in order: events, states, notices, the end."""
        return self._coming(only_events=False)

    def _coming(self, *, only_events: bool) -> Iterator[Any]:
        items = self._receiver.items
        try:
            while True:
                while items:
                    item = items.popleft()
                    if type(item) is ReplayEvent or not only_events:
                        yield item
                if self._ended:
                    break
                self._progress()
        finally:
            if not self._entered:
                self.close()

    # ----------------------------------------------------------------------------------------------------- commands

    def play(self) -> ReplayState:
        """Play on."""
        return self.control(play=True)

    def pause(self) -> ReplayState:
        """Stand still."""
        return self.control(play=False)

    def seek(self, *, ms: int | None = None, seq: int | None = None, event_id: str | None = None) -> ReplayState:
        """Go to a recorded time in milliseconds, an event's number, or a message's id; past the end means the end."""
        return self.control(**seek_fields(ms, seq, event_id))

    def step(self, by: int = 1, unit: Unit = "event") -> ReplayState:
        """Pause, and move by whole units, backward where `by` is negative."""
        return self.control(**step_fields(by, unit))

    def speed(self, speed: float) -> ReplayState:
        """Play so many times as fast as it happened, from 0.1 to 100."""
        return self.control(speed=speed)

    def idle(self, seconds: float | None) -> ReplayState:
        """Play no silence for longer than this; `None` plays them as they were."""
        return self.control(idle=seconds)

    def mode(self, mode: Mode) -> ReplayState:
        """Play at the recorded pace, or as fast as this client reads."""
        return self.control(mode=mode)

    def control(self, **fields: Any) -> ReplayState:
        """Send one `control` of these fields, and wait for what the server says; raises `CommandRefused`."""
        receiver = self._receiver
        request_id, text = receiver.ask(fields)
        if text is not None and self._socket is not None:
            with suppress(ConnectionClosed):  # found out while reading, and sent again on the next connection
                self._socket.send(text, text=True)
        while not receiver.is_answered(request_id):
            if self._ended:
                raise receiver.failure or ReplayLost("it was closed", 0)
            self._progress()
        return receiver.answer(request_id)

    # ----------------------------------------------------------------------------------------------- the connection

    def _progress(self) -> None:
        """Take one more message."""
        if self._receiver.failure is not None:
            raise self._receiver.failure
        try:
            self._read()
        except ReplayError as problem:
            self._receiver.failure = problem
            self.close()
            raise

    def _read(self) -> None:
        socket, receiver = self._socket or self._connect(), self._receiver
        if socket is None:
            return
        try:
            for text in receiver.due():
                socket.send(text, text=True)
            if receiver.take(socket.recv(decode=False)):
                self._patience.succeeded()
                for text in receiver.waiting():
                    socket.send(text, text=True)
        except ConnectionClosed:
            self._socket = None
            time.sleep(self._wait_after(socket.close_code or ABNORMAL, "it was cut"))

    def _connect(self) -> ClientConnection | None:
        """A connection; `None` when that has to be tried again."""
        url = self._receiver.begin()
        try:
            self._socket = open_socket(url, **socket_options(url, self._receiver.token)).__enter__()  # left in `close`
        except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as failed:
            self._bear(failed)
            time.sleep(self._wait_after(ABNORMAL, str(failed)))
            return None
        return self._socket
