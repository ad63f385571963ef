"""Where playback is, between two words from the server: for the clock and the bar only.

The twin of the page's `playhead.js`, under the same rules (`docs/protocol.md`, Pacing), working on what a client knows:
the silences of 3 s and more. Shorter ones are played in full here, so that the bar runs ahead by one of them at most.
At the pace of a reader, time moves with the events only. Nothing here reads a clock: `now` is seconds of a steady one.

Recorded time is milliseconds; an offset is the same instant on the shortened timeline, at speed 1, and stays in here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Pace", "Playhead"]

LONG_GAP_MS: Final = 3_600_000
"""A silence of an hour or more is not waited for."""

LISTED_GAP_MS: Final = 3_000
"""Silences are listed from this length on: outside of one the next event is no further away."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    start: float
    end: float
    offset: float
    length: float


class Pace:
    """The map between recorded time and offset, under one idle cap in seconds (`None`: no cap)."""

    def __init__(self, gaps: Iterable[tuple[int, int]] = (), duration_ms: int = 0, idle: float | None = None) -> None:
        self.duration_ms = duration_ms
        self._gaps: list[_Stretch] = []
        saved = 0.0
        for start, end in gaps:
            whole = end - start
            if whole <= 0:
                continue
            length = 0.0 if whole >= LONG_GAP_MS else float(whole if idle is None else min(whole, idle * 1000))
            self._gaps.append(_Stretch(start, end, start - saved, length))
            saved += whole - length
        self._starts = [gap.start for gap in self._gaps]
        self._offsets = [gap.offset for gap in self._gaps]

    @property
    def length(self) -> float:
        """How long the session plays at speed 1, in milliseconds."""
        return self.offset_of(self.duration_ms)

    def offset_of(self, recorded_ms: float) -> float:
        """The offset of a recorded time."""
        place = bisect_right(self._starts, recorded_ms)
        if not place:
            return recorded_ms
        gap = self._gaps[place - 1]
        if recorded_ms >= gap.end:
            return gap.offset + gap.length + recorded_ms - gap.end
        return gap.offset + (recorded_ms - gap.start) / (gap.end - gap.start) * gap.length

    def recorded_at(self, offset: float) -> float:
        """The recorded time of an offset."""
        place = bisect_right(self._offsets, offset)
        if not place:
            return offset
        gap = self._gaps[place - 1]
        inside = offset - gap.offset
        if inside >= gap.length:
            return gap.end + inside - gap.length
        return gap.start + inside / gap.length * (gap.end - gap.start)

    def end_of_gap(self, recorded_ms: float) -> float | None:
        """Where the listed silence ends that holds this recorded time; `None` outside of one."""
        place = bisect_right(self._starts, recorded_ms)
        end = self._gaps[place - 1].end if place else 0.0
        return end if recorded_ms < end else None


@dataclass(frozen=True, slots=True)
class Playhead:
    """Goes on from the last word of the server: at `now` it was at `t_ms`, `moving` or not, at this speed.

    `speed` is 0 where time moves with the events only.
    """

    pace: Pace
    t_ms: float = 0.0
    now: float = 0.0
    moving: bool = False
    speed: float = 0.0

    def at(self, now: float) -> float:
        """Recorded time then; never beyond the next event, as far as one can tell when that is."""
        t_ms = min(self.t_ms, self.pace.duration_ms)
        if not self.moving or not self.speed:
            return t_ms
        offset = self.pace.offset_of(self.t_ms) + max(0.0, now - self.now) * 1000 * self.speed
        return max(min(self.pace.recorded_at(offset), self._ceiling()), t_ms)

    def wait_left(self, now: float) -> float:
        """Seconds until the listed silence is over that playback is in; 0 outside of one, or when it stands."""
        if not self.moving or not self.speed:
            return 0.0
        at = self.at(now)
        end = self.pace.end_of_gap(at)
        return 0.0 if end is None else (self.pace.offset_of(end) - self.pace.offset_of(at)) / 1000 / self.speed

    def time_left(self, now: float) -> float | None:
        """Seconds that the rest takes at this pace; `None` where nobody can tell."""
        if not self.speed:
            return None
        return max(0.0, self.pace.length - self.pace.offset_of(self.at(now))) / 1000 / self.speed

    def _ceiling(self) -> float:
        end = self.pace.end_of_gap(self.t_ms)
        return min(self.t_ms + LISTED_GAP_MS if end is None else end, self.pace.duration_ms)
