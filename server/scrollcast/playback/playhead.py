"""The clock of a replay: a position that moves with a speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Playhead"]


@dataclass(frozen=True, slots=True)
class Playhead:
    """The playback offset `base` was reached at the clock time `since`, and moves on at `speed`. All in seconds."""

    base: float
    since: float
    speed: float

    def at(self, now: float) -> float:
        """The offset reached at a clock time."""
        return self.base + (now - self.since) * self.speed

    def due(self, offset: float) -> float:
        """The clock time at which an offset is reached."""
        return self.since + (offset - self.base) / self.speed

    def times_of(self, offsets: Sequence[float]) -> list[float]:
        """What `due` tells of each of them."""
        since, base, speed = self.since, self.base, self.speed
        return [since + (offset - base) / speed for offset in offsets]
