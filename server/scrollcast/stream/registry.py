"""The open streams of a process: how many there are, how many there may be, and what all of them did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol
from uuid import UUID

from scrollcast.errors import TooManySessions, TooManyStreams
from scrollcast.stream.pacer import Pacer
from scrollcast.stream.rewriting import Rewriting

__all__ = ["MAX_SESSIONS", "MAX_STREAMS", "RETRY_AFTER_MS", "Counts", "StreamRegistry"]

MAX_STREAMS: Final = 10_000
"""Streams of a process: what one was measured to carry in realtime on half a core, at some 22 KiB a stream."""

MAX_SESSIONS: Final = 1_000
"""Sessions that a process plays at once: each holds a file and some mappings open, and its places in memory."""

RETRY_AFTER_MS: Final = 5_000
"""When whoever was one too many is to come back."""


class Counts(Protocol):
    """What a stream counts while it plays, for whoever asks."""

    seeks: int
    refused: int

    @property
    def sent(self) -> int:
        """How many events were sent."""
        ...

    @property
    def sent_bytes(self) -> int:
        """All that was written to the client."""
        ...

    @property
    def state(self) -> str:
        """What it is doing: `opening`, or the status of its player."""
        ...


class StreamRegistry:
    """Counts streams in and out.

    What is to be known of all streams together is added up when it is asked for, so that a stream only counts for
    itself.
    """

    def __init__(self, limit: int = MAX_STREAMS, max_sessions: int = MAX_SESSIONS) -> None:
        self._limit = limit
        self._max_sessions = max_sessions
        self._sessions: Counter[str] = Counter()
        self._streams: set[Counts] = set()
        self._ended = Counter({"streams": 0, "events": 0, "bytes": 0, "seeks": 0, "refused": 0})
        self.errors: Counter[str] = Counter()
        """How many errors of each code clients were told that ended what they asked for."""
        self.open = 0
        self.pacer = Pacer()
        self.rewriting = Rewriting()

    @contextmanager
    def admit(self, scroll_id: str = "") -> Iterator[None]:
        """One more stream, of this session, for as long as the block lasts.

        Raises:
            TooManyStreams, TooManySessions: there are as many as there may be.
        """
        if self.open >= self._limit:
            raise TooManyStreams(self._limit, RETRY_AFTER_MS)
        session = scroll_id
        with suppress(ValueError):
            session = str(UUID(scroll_id))  # however it was spelt
        if session not in self._sessions and len(self._sessions) >= self._max_sessions:
            raise TooManySessions(self._max_sessions, RETRY_AFTER_MS)
        self.open += 1
        self._sessions[session] += 1
        try:
            yield
        finally:
            self.open -= 1
            self._sessions[session] -= 1
            if not self._sessions[session]:
                del self._sessions[session]

    @contextmanager
    def playing(self, stream: Counts) -> Iterator[None]:
        """Have what a stream does counted, for as long as the block lasts and ever after."""
        self._streams.add(stream)
        try:
            yield
        finally:
            self._streams.discard(stream)
            self._ended.update(_counted(stream))

    def totals(self) -> dict[str, int]:
        """`streams` that began, and the `events`, `bytes`, `seeks` and `refused` commands of all of them, those that
        ended included."""
        totals = Counter(self._ended)
        for stream in self._streams:
            totals.update(_counted(stream))
        return dict(totals)

    def states(self) -> dict[str, int]:
        """How many streams are in each state that any is in."""
        return dict(Counter(stream.state for stream in self._streams))

    @property
    def sessions(self) -> int:
        """How many sessions are played."""
        return len(self._sessions)


def _counted(stream: Counts) -> dict[str, int]:
    return {
        "streams": 1,
        "events": stream.sent,
        "bytes": stream.sent_bytes,
        "seeks": stream.seeks,
        "refused": stream.refused,
    }
