"""What is the same about a replay whether or not it is awaited."""

from __future__ import annotations

import time
from typing import Generic, TypeVar

from scrollcast.client.patience import Patience
from scrollcast.client.receiver import NORMAL, Receiver
from scrollcast.client.records import Hello, ReplayState
from scrollcast.client.sockets import refusal_of
from scrollcast.errors import ReplayLost

__all__ = ["ReplayBase"]

SocketT = TypeVar("SocketT")


class ReplayBase(Generic[SocketT]):
    """What a replay was told, and whether it goes on; how it sends, reads and waits is for those made of it."""

    def __init__(self, receiver: Receiver, patience: Patience) -> None:
        self._receiver = receiver
        self._patience = patience
        self._socket: SocketT | None = None
        self._ended = False
        self._entered = False

    @property
    def hello(self) -> Hello | None:
        """How it began; `None` before the server has greeted."""
        return self._receiver.hello

    @property
    def state(self) -> ReplayState | None:
        """The last state that the server told; `None` before it has greeted."""
        return self._receiver.state

    @property
    def connected(self) -> bool:
        """Whether there is a connection; after the first one was made and lost, another is being waited for."""
        return self._socket is not None

    def _wait_after(self, code: int, reason: str) -> float:
        """The connection is gone: the seconds until it is time to make another; none where this was the end."""
        receiver = self._receiver
        receiver.lost(code)
        if receiver.failure is not None:
            raise receiver.failure
        if code == NORMAL or self._ended:
            self._ended = True
            return 0.0
        wait = self._patience.wait(time.monotonic(), receiver.retry_after)
        if wait is None:
            raise ReplayLost(reason, self._patience.seconds)
        return wait

    def _bear(self, failed: Exception) -> None:
        """No connection could be made; raises where trying again would not help."""
        problem = refusal_of(failed)
        if problem is not None:
            raise problem from None
        if self._receiver.hello is None:
            raise ReplayLost(str(failed), 0) from failed
