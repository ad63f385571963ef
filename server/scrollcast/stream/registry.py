"""The open streams of a process: how many there are, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from scrollcast.errors import TooManyStreams
from scrollcast.stream.pacer import Pacer

__all__ = ["MAX_STREAMS", "StreamRegistry"]

MAX_STREAMS: Final = 10_000
"""What one process was measured to carry in realtime on half a core, at some 22 KiB a stream."""

RETRY_AFTER_MS: Final = 5_000


class StreamRegistry:
    """Counts streams in and out."""

    def __init__(self, limit: int = MAX_STREAMS) -> None:
        self._limit = limit
        self.open = 0
        self.pacer = Pacer()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """One more stream for as long as the block lasts.

        Raises:
            TooManyStreams: there are as many as there may be.
        """
        if self.open >= self._limit:
            raise TooManyStreams(self._limit, RETRY_AFTER_MS)
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
