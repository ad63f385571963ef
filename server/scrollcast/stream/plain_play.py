"""What a stream does in nearly all of its ticks: one event that it has foreseen, and nothing else.

A viewer in realtime has an event a second, and what lies in the memory of its objects has left the processor's cache by
then: with thousands of viewers each object that an event is looked up in costs as much as a hundred steps of the
interpreter. So all that it takes stands in one small object, in numbers that were worked out for many events at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from scrollcast.stream.pacer import Alarm, Pacer

__all__ = ["AHEAD_EVENTS", "PlainPlay", "Wakeful"]

AHEAD_EVENTS: Final = 64
"""It is worked out together when so many events are due: most ticks then have nothing to do but to send one."""

_NOTHING: Final = array("d")


class Wakeful(Protocol):
    """What is played plainly when it can be, and wakes up for anything else."""

    def look_ahead(self, most: int) -> float:
        """Foresee so many events at most, as those that were foreseen are sent; when there is something to do."""
        ...

    def beat_at_once(self, now: float) -> float:
        """Send a heartbeat if it is time for one, and return when there is next something to do beside events; a moment
        that is over where that takes more than a tick."""
        ...

    def send_at_once(self, seq: int) -> bool:
        """Send an event by itself, unless that takes more than to send it."""
        ...

    def do_at_once(self, now: float) -> float | None:
        """Do all that is due, and return when there is more to do; `None` where that takes more than a tick."""
        ...

    def wake(self) -> None:
        """Do what is due in as long as it takes."""
        ...

    def fail(self, problem: Exception) -> None:
        """Nothing is right any more."""
        ...


class PlainPlay(Alarm):
    """The alarm of a stream, and the events that it sends by itself.

    `head` stands before each event's own bytes, of which `kept` has some, without their first brace; `send` sends both
    as a message, if that can be done at once. What is foreseen has this head, and what is kept is sent as it is.
    """

    __slots__ = ("_dues", "_first", "_sent", "_stream", "_told", "head", "kept", "send")

    def __init__(self, pacer: Pacer, stream: Wakeful, send: Callable[[bytes, bytes | bytearray], bool]) -> None:
        super().__init__(pacer)
        self._stream = stream
        self.send = send
        self.head = b""
        self.kept: Mapping[int, bytes | bytearray] = {}
        self._first = self._sent = self._told = 0
        # When there is something to do beside events, then when each of them is due, and what comes behind them.
        self._dues = _NOTHING

    @property
    def untold(self) -> int:
        """How many events were sent since `tell` was asked, or more were foreseen."""
        return self._sent - self._told

    def tell(self) -> int:
        """The same, once only."""
        untold, self._told = self._sent - self._told, self._sent
        return untold

    def foresee(self, first: int, dues: Sequence[float], busy_at: float) -> None:
        """Send the events from `first` on when they are due, each by itself; at the last of these times, and at
        `busy_at`, there is something else to do."""
        self._first = first
        self._sent = self._told = 0
        self._dues = array("d", (busy_at, *dues)) if dues else _NOTHING

    def forget(self) -> None:
        """Send nothing by itself, until more is foreseen."""
        self.foresee(0, (), 0.0)

    def ring(self, now: float) -> float | None:
        """Send the event whose time it is; have anything else done."""
        dues, sent = self._dues, self._sent
        try:
            if sent + 2 < len(dues):
                busy_at, until = dues[0], dues[sent + 1]
                if now >= busy_at:
                    busy_at = dues[0] = self._stream.beat_at_once(now)
                if until <= now < dues[sent + 2]:
                    seq = self._first + sent
                    tail = self.kept.get(seq)
                    if not (self._stream.send_at_once(seq) if tail is None else self.send(self.head, tail)):
                        self._stream.wake()
                        return None
                    self._sent = sent + 1
                    until = dues[sent + 2] if sent + 3 < len(dues) else self._stream.look_ahead(AHEAD_EVENTS)
                if busy_at < until:
                    until = busy_at
                if until > now:
                    return until
            again = self._stream.do_at_once(now)
            if again is None:
                self._stream.wake()
            return again
        except Exception as problem:
            self._stream.fail(problem)
            return None

    def close(self) -> None:
        """Never ring again, and let go of the stream."""
        self.cancel()
        self.forget()
        self.send, self.kept = _nowhere, {}
        del self._stream


def _nowhere(_head: bytes, _tail: bytes | bytearray) -> bool:
    return False
