"""How recorded time becomes playback time (`docs/protocol.md`, Pacing)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Self, TypeAlias

from scrollcast.model import REPORTED_GAP_MS

__all__ = ["IDLE_HOUR_MS", "Timeline", "Unit"]

IDLE_HOUR_MS: Final = 3_600_000
"""An archive that sat idle for this long or longer is not waited for."""

Unit: TypeAlias = Literal["event", "turn", "tool", "error"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The events' recorded times, and what is left of the gaps between them at playback.

    A position is held as the index of the next event and the seconds of playback left before it, so that nothing here
    grows with the session: no table of offsets is ever built. The gap *before* event `index` is that event's gap.

    `times` are whole milliseconds, never decreasing; only the first `count` count, so that a growing list can be
    shared, and of them only those from `first` on: what lies before it is not there, as far as playback can tell.
    `complete` says that no event will follow. `idle` is the idle cap in seconds, `None` for no cap. `turns`,
    `tools` and `errors` are the sorted indices at which a turn, a tool call or an error stands. `reading` is how many
    milliseconds it takes to read each event: with `by_reading` an event comes when the one before it has been read,
    whenever it was recorded.
    """

    times: Sequence[int]
    count: int
    complete: bool = True
    idle: float | None = None
    turns: Sequence[int] = ()
    tools: Sequence[int] = ()
    errors: Sequence[int] = ()
    reading: Sequence[int] = ()
    by_reading: bool = False
    first: int = 0

    @classmethod
    def of(cls, *times: int, idle: float | None = None) -> Self:
        """A complete timeline of these recorded times."""
        return cls(times, len(times), idle=idle)

    def paced(self, idle: float | None, *, by_reading: bool) -> Self:
        """The same events at another pace."""
        return replace(self, idle=idle, by_reading=by_reading)

    @property
    def duration_ms(self) -> int:
        """The recorded time of the last event."""
        return self.times[self.count - 1] if self.count > self.first else 0

    @property
    def start_ms(self) -> int:
        """The recorded time at which it begins: that of a whole session is 0."""
        return self.times[self.first] if 0 < self.first < self.count else 0

    # ------------------------------------------------------------------------------------------------------ gaps

    def gap_ms(self, index: int) -> int:
        """The recorded length of an event's gap; none before the first event."""
        return max(0, self.times[index] - self.times[index - 1]) if index > self.first else 0

    def length(self, index: int) -> float:
        """The seconds that an event's gap takes at speed 1."""
        gap = self.gap_ms(index)
        if self.by_reading:
            gap = self.reading[index - 1] if index > self.first else 0
        elif gap >= IDLE_HOUR_MS:
            return 0.0
        seconds = gap / 1000
        return seconds if self.idle is None else min(seconds, self.idle)

    def lengths(self, start: int, stop: int) -> list[float]:
        """What `length` tells of the events from `start`, which is not the first one, to `stop`; of none behind the
        first of which `is_cut` is true."""
        lengths: list[float] = []
        idle, before = self.idle, self.times[start - 1]
        for time in self.times[start:stop]:
            gap, before = time - before, time
            if not self.by_reading and 0 <= gap < REPORTED_GAP_MS:
                lengths.append(gap / 1000 if idle is None else min(gap / 1000, idle))
                continue
            index = start + len(lengths)
            lengths.append(self.length(index))
            if self.is_cut(index):
                break
        return lengths

    def is_cut(self, index: int) -> bool:
        """Whether an event's gap is worth a report: long, and played shorter than it was."""
        if not index:
            return False
        gap = self.times[index] - self.times[index - 1]
        return gap >= REPORTED_GAP_MS and self.length(index) < gap / 1000

    # ------------------------------------------------------------------------------------------------- positions

    def index_at(self, t_ms: float) -> int:
        """The first event at or after a recorded time; `count` past the end."""
        return bisect_left(self.times, t_ms, self.first, self.count)

    def left(self, index: int, t_ms: float) -> float:
        """The seconds of playback left from a recorded time to the event whose gap it lies in."""
        gap = self.gap_ms(index)
        if gap == 0:
            return 0.0
        share = (self.times[index] - t_ms) / gap
        return min(1.0, max(0.0, share)) * self.length(index)

    def recorded(self, index: int, left: float) -> float | None:
        """The recorded time at which `left` seconds remain before an event: the inverse of `left`.

        `None` where the gap takes no time, so that every point of it is the same instant of playback.
        """
        length = self.length(index)
        if length == 0:
            return None
        return self.times[index] - self.gap_ms(index) * min(1.0, max(0.0, left / length))

    # ----------------------------------------------------------------------------------------------------- steps

    def forward(self, cursor: int, unit: Unit, steps: int) -> int:
        """The index behind the `steps`-th unit at or after `cursor`; `count` past the end."""
        if unit == "event":
            return min(self.count, cursor + steps)
        places = self._places(unit)
        nth = bisect_left(places, cursor) + steps - 1
        return min(self.count, places[nth] + 1) if nth < len(places) else self.count

    def backward(self, cursor: int, unit: Unit, steps: int) -> int:
        """The index of the `steps`-th unit before `cursor`; the first event past the start."""
        if unit == "event":
            return max(self.first, cursor - steps)
        places = self._places(unit)
        nth = bisect_right(places, cursor - 1) - steps
        return max(self.first, places[nth]) if nth >= 0 else self.first

    def _places(self, unit: Literal["turn", "tool", "error"]) -> Sequence[int]:
        return {"turn": self.turns, "tool": self.tools, "error": self.errors}[unit]
