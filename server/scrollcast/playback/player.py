"""One replay as a state machine: `(command | advance, now) -> outputs`, and when it wants to be called next.

It never sleeps, reads a clock or holds a payload. The caller passes `now` (seconds of any clock that never goes back)
and obeys the outputs in order. Folding them gives exactly the events from the last position on, with no gap and no
repeat, whatever the commands and whenever the calls.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias, assert_never

from scrollcast.playback.commands import UNCHANGED, Control, Mode, Seek, SeekEvent, SeekSeq, SeekTime, Step
from scrollcast.playback.playhead import Playhead
from scrollcast.playback.timeline import Timeline

__all__ = ["CaughtUp", "Changed", "Deliver", "Output", "Player", "Rewind", "Skipped", "Snapshot", "Status"]


class Status(StrEnum):
    """What a replay is doing."""

    PLAYING = "playing"
    PAUSED = "paused"
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the events `start` to `stop`, the last one not included."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Rewind:
    """The cursor was put elsewhere: a new generation begins, whose first event will be `seq`."""

    seq: int
    gen: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A gap that was cut; the recorded times of the events on either side. The later one has not been delivered."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The status changed without a command."""

    status: Status


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that was archived has been delivered; from the event `seq` on, each comes when it is written."""

    seq: int


Output: TypeAlias = Deliver | Rewind | Skipped | Changed | CaughtUp

# What is asked for each event: looked up in the class, and as properties, a third more of the engine's time.
_PLAYING, _LIVE = Status.PLAYING, Status.LIVE

_NONE: Final = array("d")


class Snapshot(NamedTuple):
    """The state at one instant. `seq` is the next event to be delivered, `t_ms` the recorded time reached, `late_ms`
    by how much that event is overdue."""

    status: Status
    seq: int
    t_ms: int
    gen: int
    mode: Mode
    speed: float
    idle: float | None
    late_ms: int


class Player:
    """A playhead over a timeline, and the rules of playing, pausing, seeking and stepping.

    With `follow` there is no end: where the timeline stops the replay is live, and what `grow` adds is due at once.
    """

    __slots__ = (
        "_allowed", "_anchored", "_due_offset", "_foreseen", "_foreseen_from", "_landed", "_left_live", "_playhead",
        "_recorded", "_step_stop", "cursor", "follow", "gen", "mode", "speed", "status", "timeline",
    )  # fmt: skip

    def __init__(
        self,
        timeline: Timeline,
        now: float,
        *,
        mode: Mode = Mode.FAST,
        speed: float = 1.0,
        paused: bool = False,
        start: Seek | None = None,
        follow: bool = False,
    ) -> None:
        self.timeline = timeline.paced(timeline.idle, by_reading=mode is Mode.READING)
        self.follow = follow
        self.status = Status.PAUSED if paused else Status.PLAYING
        self.mode = mode
        self.speed = speed
        self.gen = 0
        self.cursor = 0
        self._allowed: int | None = None
        self._step_stop: int | None = None
        # The recorded time held while the playhead stands; while it runs, where it was last set or last delivered.
        self._recorded = 0.0
        # Paused at the live end: what is written meanwhile is not paced when playback goes on.
        self._left_live = False
        # The event that playback was put right at, so that the gap before it was not crossed; -1 for none.
        self._landed = -1
        self._playhead = Playhead(0.0, now, speed)
        # The offset at which the event under the cursor is due. Summed from event to event, so that it never drifts.
        self._due_offset = 0.0
        self._anchored = -1  # the event that was next when that was set last
        # The offsets of events that were foreseen, and the first of these events.
        self._foreseen, self._foreseen_from = _NONE, 0
        self._place(start or SeekSeq(0))
        self._anchor(now)

    # ------------------------------------------------------------------------------------------------- the driver

    @property
    def deadline(self) -> float | None:
        """The clock time at which `advance` has something to do; `None` when only a command (or growth) helps."""
        is_next_there = self.cursor < self._stop()
        if self._step_stop is None and self.status is _PLAYING:
            if is_next_there:
                return self._playhead.due(self._due_offset) if self.mode.is_paced else -math.inf
            return -math.inf if self._is_at_end() else None
        if self.stepping or self.status is _LIVE:
            return -math.inf if is_next_there else None
        return None

    @property
    def stepping(self) -> bool:
        """Whether a step forward is still on its way."""
        return self._step_stop is not None

    def foresee(self, most: int) -> list[float]:
        """The clock times of the next events, so many at most, as long as each comes by itself when its time is there
        and nothing else is to be told; and behind them the time of what comes then. Empty where not even the next event
        is like that.

        It holds until anything but `pass_on` is asked of the player that changes it.
        """
        if self._step_stop is not None or self.status is not _PLAYING or self.mode is not Mode.REALTIME:
            return []
        # After the last event comes the end, which is told.
        stop = min(self._stop(), self.timeline.count - 1, self.cursor + most)
        if self.cursor >= stop or self.timeline.is_cut(self.cursor):
            return []
        lengths = self.timeline.lengths(self.cursor + 1, stop + 1)
        self._foreseen = array("d", accumulate(lengths, initial=self._due_offset))
        self._foreseen_from = self.cursor
        return self._playhead.times_of(self._foreseen)

    def pass_on(self, count: int) -> None:
        """Take the next of the events that were foreseen, so many, as delivered."""
        if count:
            self.cursor += count
            self._due_offset = self._foreseen[self.cursor - self._foreseen_from]
            self._recorded = self.timeline.times[self.cursor - 1]

    def allow(self, stop: int | None) -> None:
        """Deliver nothing at or past this index until told otherwise; `None` for no bound.

        This is how the driver holds a replay to what one message or the client's window can take. After a seek the
        bound is the new cursor, until the driver gives another.
        """
        self._allowed = stop

    def grow(self, timeline: Timeline) -> None:
        """Go on with a timeline that has the same events and more; for a while fewer, but all that were delivered."""
        if timeline.count <= self.cursor < self.timeline.count:
            self._due_offset -= self._ahead()  # added again when the event is back
        waiting = self.cursor >= self.timeline.count
        self.timeline = self._paced(timeline, self.timeline.idle)
        self.cursor = max(self.cursor, timeline.first)  # what was added may all lie before the first that counts
        if waiting and self.cursor < timeline.count:
            self._due_offset += self._ahead()

    def replace(self, timeline: Timeline, now: float) -> list[Output]:
        """Start over with a timeline of other events: from its beginning, in the next generation."""
        self.timeline = self._paced(timeline, self.timeline.idle)
        self._step_stop = None
        rewind = self._seek(SeekSeq(0))
        self._anchor(now)
        return [rewind]

    def snapshot(self, now: float) -> Snapshot:
        """The state as of `now`."""
        return Snapshot(
            status=self.status,
            seq=self.cursor,
            t_ms=math.floor(self._position(now)),
            gen=self.gen,
            mode=self.mode,
            speed=self.speed,
            idle=self.timeline.idle,
            late_ms=self._late_ms(now),
        )

    # --------------------------------------------------------------------------------------------------- mutators

    def advance(self, now: float) -> list[Output]:
        """Deliver what is due. An early call changes nothing; a late one delivers one range."""
        outputs: list[Output] = []
        if self._step_stop is not None:
            self._deliver_to(min(self._stop(), self._step_stop), outputs)
            if self.cursor == self._step_stop:
                self._step_stop = None
        elif self.status is _LIVE:
            self._deliver_to(self._stop(), outputs)
        elif self.status is _PLAYING:
            if self.mode.is_paced:
                self._deliver_due(now, outputs)
            else:
                self._deliver_to(self._stop(), outputs)
            if self._is_at_end():
                self.status = Status.LIVE if self.follow else Status.ENDED
                outputs.append(Changed(self.status))
                if self.follow:
                    outputs.append(CaughtUp(self.cursor))
        return outputs

    def handle(self, command: Control, now: float) -> list[Output]:
        """Advance to `now`, then apply a command as one change.

        What the command makes due comes out of the next `advance`, so that the caller can answer in between.
        """
        return self.advance(now) + self._apply(command, now)

    # ------------------------------------------------------------------------------------------- how a command acts

    def _apply(self, command: Control, now: float) -> list[Output]:
        if command == Control():
            return []
        self._recorded, left = self._position(now), self._left(now)
        self._step_stop = None
        outputs: list[Output] = []
        if command.seek is not None:
            outputs.append(self._seek(command.seek))
        if command.mode is not None:
            self.mode = command.mode
        if command.speed is not None:
            self.speed = command.speed
        idle = self.timeline.idle if command.idle is UNCHANGED else command.idle
        repaced = self._paced(self.timeline, idle)
        if repaced != self.timeline or outputs:  # otherwise as much is left to be waited for as there was
            self.timeline, left = repaced, None
        if command.play is not None and self.status is not Status.ENDED:
            self._play() if command.play else self._pause()
        if command.step is not None:
            outputs += self._step(command.step)
        self._anchor(now, None if outputs else left)
        return outputs

    def _paced(self, timeline: Timeline, idle: float | None) -> Timeline:
        return timeline.paced(idle, by_reading=self.mode is Mode.READING)

    def _play(self) -> None:
        if self.status is Status.PAUSED:
            self.status = Status.LIVE if self._left_live else Status.PLAYING

    def _pause(self) -> None:
        self._left_live = self._left_live or self.status is Status.LIVE
        self.status = Status.PAUSED

    def _seek(self, seek: Seek) -> Rewind:
        self._place(seek)
        self._left_live = False
        if self.status in (Status.ENDED, Status.LIVE):
            self.status = Status.PLAYING
        self.gen += 1
        if self._allowed is not None:
            self._allowed = self.cursor
        return Rewind(self.cursor, self.gen)

    def _step(self, step: Step) -> list[Output]:
        if step.by > 0:
            if self.status in (Status.PLAYING, Status.LIVE):
                self._pause()
            stop = self.timeline.forward(self.cursor, step.unit, step.by)
            self._step_stop = stop if stop > self.cursor else None
            return []
        rewind = self._seek(SeekSeq(self.timeline.backward(self.cursor, step.unit, -step.by)))
        self.status = Status.PAUSED
        return [rewind]

    def _place(self, seek: Seek) -> None:
        """Put the cursor and the recorded time somewhere; past the end means the end."""
        match seek:
            case SeekTime(t_ms):
                self.cursor = self.timeline.index_at(t_ms)
                self._recorded = max(self.timeline.start_ms, min(t_ms, self.timeline.duration_ms))
            case SeekSeq(seq):
                self.cursor = min(max(seq, self.timeline.first), self.timeline.count)
                self._recorded = self._time_of(self.cursor)
            case SeekEvent():
                raise ValueError("an event id must be looked up before the player is asked")
            case _:
                assert_never(seek)
        inside = self.cursor < self.timeline.count
        self._landed = self.cursor if inside and self._recorded == self.timeline.times[self.cursor] else -1

    # --------------------------------------------------------------------------------------------------- positions

    def _stop(self) -> int:
        allowed, count = self._allowed, self.timeline.count
        return count if allowed is None or allowed > count else allowed

    def _is_at_end(self) -> bool:
        timeline = self.timeline
        return self.cursor >= timeline.count and timeline.complete

    @property
    def _is_running(self) -> bool:
        """Whether the clock moves the recorded time."""
        return self.status is Status.PLAYING and self.mode.is_paced and self.cursor < self.timeline.count

    def _time_of(self, index: int) -> float:
        return self.timeline.times[index] if index < self.timeline.count else self.timeline.duration_ms

    def _anchor(self, now: float, left: float | None = None) -> None:
        """Let the playhead run on from the recorded time held, or with `left` seconds to the next event."""
        self._playhead = Playhead(0.0, now, self.speed)
        if left is None:
            inside = self.cursor < self.timeline.count
            left = self.timeline.left(self.cursor, self._recorded) if inside else 0.0
        self._due_offset = left
        self._anchored = self.cursor

    def _left(self, now: float) -> float | None:
        """The seconds of playback left before the next event; `None` where the recorded time alone tells."""
        if not self.timeline.by_reading:
            return None
        if self._is_running:
            return max(0.0, self._due_offset - self._playhead.at(now))
        return self._due_offset if self._anchored == self.cursor else self._ahead()

    def _ahead(self) -> float:
        """The seconds of playback from the recorded time held to the event under the cursor; while the reader sets the
        pace, all of its gap."""
        if self.cursor >= self.timeline.count:
            return 0.0
        if self.timeline.by_reading:
            return self.timeline.length(self.cursor)
        return self.timeline.left(self.cursor, self._recorded)

    def _position(self, now: float) -> float:
        if not self._is_running:
            return self._recorded
        reached = self.timeline.recorded(self.cursor, self._due_offset - self._playhead.at(now))
        # Never before what was set or delivered last: rounding must not move a viewer backwards.
        return self._recorded if reached is None else max(self._recorded, reached)

    def _late_ms(self, now: float) -> int:
        if not self._is_running:
            return 0
        return max(0, math.floor((now - self._playhead.due(self._due_offset)) * 1000))

    # ------------------------------------------------------------------------------------------------- delivering

    def _deliver_to(self, stop: int, outputs: list[Output]) -> None:
        """Everything up to `stop`, whatever the clock says."""
        if stop > self.cursor:
            outputs.append(Deliver(self.cursor, stop))
            self.cursor = stop
            self._recorded = self.timeline.times[stop - 1]

    def _deliver_due(self, now: float, outputs: list[Output]) -> None:
        """Everything that is due at `now`, in ranges cut only where a gap is to be reported."""
        timeline, playhead, start, stop = self.timeline, self._playhead, self.cursor, self._stop()
        # The same expression as in `deadline`: comparing positions instead falls short of it by rounding.
        while self.cursor < stop and playhead.due(self._due_offset) <= now:
            index = self.cursor
            if timeline.is_cut(index) and index != self._landed:
                if index > start:
                    outputs.append(Deliver(start, index))
                    start = index
                outputs.append(Skipped(timeline.times[index - 1], timeline.times[index]))
            self._recorded = timeline.times[index]
            self.cursor = index + 1
            if self.cursor < timeline.count:
                self._due_offset += timeline.length(self.cursor)
        if self.cursor > start:
            outputs.append(Deliver(start, self.cursor))
