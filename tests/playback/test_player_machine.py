"""The player against a slow, literal reading of the protocol, under any commands at any moments.

`Reference` keeps no offsets: at each question it adds up, from where the clock was last set, the gaps of
`docs/protocol.md` (Pacing) one by one, in exact fractions. Where an event is due within `SLACK` of a call, the two may
differ by rounding, and the player decides.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scrollcast.playback.commands import UNCHANGED, Control, Mode, SeekSeq, SeekTime, Step
from scrollcast.playback.player import CaughtUp, Changed, Deliver, Output, Player, Rewind, Skipped, Status
from scrollcast.playback.timeline import Timeline, Unit

HOUR: Final = 3_600_000

SLACK: Final = Fraction(1, 1000)
"""Seconds by which float and exact arithmetic may differ here; a thousand times what was seen."""


@dataclass
class Archive:
    """A session as it is on disk: times, and at which events a turn, a tool call or an error stands."""

    times: list[int]
    turns: list[bool]
    tools: list[bool]
    errors: list[bool]
    reading: list[int]
    """How many milliseconds it takes to read each event."""

    def timeline(self, count: int, *, complete: bool) -> Timeline:
        """The first events as the player gets them: the lists may already be longer than is known."""
        return Timeline(
            self.times,
            count,
            complete,
            turns=[seq for seq, is_turn in enumerate(self.turns) if is_turn],
            tools=[seq for seq, is_tool in enumerate(self.tools) if is_tool],
            errors=[seq for seq, is_error in enumerate(self.errors) if is_error],
            reading=self.reading,
        )

    def is_unit(self, seq: int, unit: Unit) -> bool:
        """Whether an event is what a step by this unit counts."""
        return unit == "event" or {"turn": self.turns, "tool": self.tools, "error": self.errors}[unit][seq]


@dataclass
class Reference:
    """What the protocol says of one replay, without any regard to cost."""

    archive: Archive
    count: int
    complete: bool
    now: Fraction
    mode: Mode
    speed: Fraction
    status: Status
    follow: bool = False
    left_live: bool = False
    """Whether it was paused while it was live, and not moved since."""
    idle: Fraction | None = None
    gen: int = 0
    cursor: int = 0
    allowed: int | None = None
    step_stop: int | None = None
    held_ms: Fraction = Fraction(0)
    """The recorded time that was last set or delivered."""
    set_at: Fraction = Fraction(0)
    """When the clock was last set, to `set_ms`, before the event `set_cursor`."""
    set_ms: Fraction = Fraction(0)
    set_cursor: int = 0
    set_left: Fraction | None = None
    """The seconds that were left then; `None` where the recorded time tells."""
    set_cursor_was_to_come: bool = False
    jumped_to: int | None = None
    """The event that the last seek went right to."""

    # ------------------------------------------------------------------------------------------------- the pacing

    def gap_ms(self, seq: int) -> int:
        """The recorded gap before an event."""
        return self.archive.times[seq] - self.archive.times[seq - 1] if seq else 0

    def seconds(self, seq: int) -> Fraction:
        """What the protocol says that a gap takes, before the speed."""
        gap = Fraction(self.gap_ms(seq), 1000)
        if self.mode is Mode.READING:
            gap = Fraction(self.archive.reading[seq - 1] if seq else 0, 1000)
        elif gap >= 3600:
            return Fraction(0)
        return gap if self.idle is None else min(gap, self.idle)

    def seconds_left(self, seq: int) -> Fraction:
        """The same, of the gap in which the clock was set only what lay ahead then."""
        if seq > self.set_cursor:
            return self.seconds(seq)
        if self.set_left is not None:
            return self.set_left
        if self.mode is Mode.READING and self.set_cursor_was_to_come:
            return self.seconds(seq)
        if not self.gap_ms(seq):
            return Fraction(0) if self.mode is Mode.READING else self.seconds(seq)
        ahead = (self.archive.times[seq] - self.set_ms) / self.gap_ms(seq)
        return self.seconds(seq) * min(Fraction(1), max(Fraction(0), ahead))

    def due(self, seq: int) -> Fraction:
        """When an event that is still to come is due."""
        return self.set_at + sum(map(self.seconds_left, range(self.set_cursor, seq + 1)), Fraction(0)) / self.speed

    @property
    def is_running(self) -> bool:
        """Whether time passes for this viewer."""
        return self.status is Status.PLAYING and self.mode is not Mode.FAST and self.cursor < self.count

    @property
    def stop(self) -> int:
        """The first event that may not be delivered."""
        return self.count if self.allowed is None else min(self.allowed, self.count)

    def deadline(self) -> Fraction | float | None:
        """When something is to be done next: at once, at a time, or never."""
        is_fast = self.status is Status.LIVE or (self.status is Status.PLAYING and self.mode is Mode.FAST)
        if self.step_stop is not None or is_fast:
            playing_out = self.status is Status.PLAYING and self.complete and self.cursor == self.count
            return -math.inf if self.cursor < self.stop or playing_out else None
        if self.status is not Status.PLAYING:
            return None
        if self.complete and self.cursor == self.count:
            return -math.inf
        return self.due(self.cursor) if self.cursor < self.stop else None

    def position_ms(self, now: Fraction) -> Fraction:
        """The recorded time reached: the clock's budget is spent gap by gap."""
        if not self.is_running or not self.seconds(self.cursor):
            return self.held_ms
        budget = (now - self.set_at) * self.speed - sum(
            map(self.seconds_left, range(self.set_cursor, self.cursor)), Fraction(0)
        )
        left = self.seconds_left(self.cursor) - budget
        share = min(Fraction(1), max(Fraction(0), left / self.seconds(self.cursor)))
        return max(self.held_ms, self.archive.times[self.cursor] - share * self.gap_ms(self.cursor))

    def late_ms(self, now: Fraction) -> Fraction:
        """By how much the next event is overdue."""
        return max(Fraction(0), now - self.due(self.cursor)) * 1000 if self.is_running else Fraction(0)

    # ------------------------------------------------------------------------------------------------ what happens

    def reachable(self, now: Fraction) -> range:
        """The places that the cursor may have after an `advance`: more than one only within rounding."""
        if self.step_stop is not None:
            stop = max(self.cursor, min(self.stop, self.step_stop))
            return range(stop, stop + 1)
        if self.status in (Status.PAUSED, Status.ENDED):
            return range(self.cursor, self.cursor + 1)
        stop = max(self.cursor, self.stop)
        if self.mode is Mode.FAST or self.status is Status.LIVE:
            return range(stop, stop + 1)
        least = self._first_not_due(stop, now - SLACK)
        return range(least, self._first_not_due(stop, now + SLACK) + 1)

    def _first_not_due(self, stop: int, now: Fraction) -> int:
        return next((seq for seq in range(self.cursor, stop) if self.due(seq) > now), stop)

    def advance(self, reached: int) -> list[Output]:
        """Deliver up to there; returns what the player must have said, to the letter."""
        outputs: list[Output] = []
        is_paced = self.step_stop is None and self.mode is not Mode.FAST and self.status is Status.PLAYING
        start = self.cursor
        for seq in range(self.cursor, reached):
            if is_paced and self._is_reported(seq):
                outputs += [Deliver(start, seq)] if seq > start else []
                outputs.append(Skipped(self.archive.times[seq - 1], self.archive.times[seq]))
                start = seq
        outputs += [Deliver(start, reached)] if reached > start else []
        if reached > self.cursor:
            self.held_ms = Fraction(self.archive.times[reached - 1])
        self.cursor = reached
        if self.step_stop is not None:
            self.step_stop = None if self.cursor == self.step_stop else self.step_stop
        elif self.status is Status.PLAYING and self.complete and self.cursor == self.count:
            self.status = Status.LIVE if self.follow else Status.ENDED
            outputs.append(Changed(self.status))
            outputs += [CaughtUp(self.cursor)] if self.follow else []
        return outputs

    def _is_reported(self, seq: int) -> bool:
        gap = self.gap_ms(seq)
        return gap >= 3000 and self.seconds(seq) < Fraction(gap, 1000) and seq != self.jumped_to

    def apply(self, command: Control, now: Fraction) -> list[Output]:
        """One change; returns what the player must say of it."""
        if command == Control():
            return []
        self.held_ms, left = self.position_ms(now), self.left(now)
        pace = (self.mode is Mode.READING, self.idle)
        self.step_stop = None
        outputs: list[Output] = []
        match command.seek:
            case SeekTime(t_ms):
                before = sum(time < t_ms for time in self.archive.times[: self.count])
                outputs.append(self._seek(before, min(t_ms, self._time(self.count))))
            case SeekSeq(seq):
                outputs.append(self._seek(min(seq, self.count), self._time(min(seq, self.count))))
        self.mode = command.mode or self.mode
        self.speed = Fraction(command.speed) if command.speed else self.speed
        if command.idle is not UNCHANGED:
            self.idle = None if command.idle is None else Fraction(command.idle)
        if command.play is not None and self.status is not Status.ENDED:
            self._play_or_pause(command.play)
        if command.step is not None:
            outputs += self._step(command.step)
        is_same = pace == (self.mode is Mode.READING, self.idle) and not outputs
        self.set_clock(now, left if is_same else None)
        return outputs

    def left(self, now: Fraction) -> Fraction | None:
        """The seconds left before the next event where they are kept by a command that does not concern them."""
        if self.mode is not Mode.READING or self.cursor >= self.count:
            return None
        if self.is_running:
            ahead = sum(map(self.seconds_left, range(self.set_cursor, self.cursor + 1)), Fraction(0))
            return max(Fraction(0), ahead - (now - self.set_at) * self.speed)
        return self.seconds_left(self.cursor)

    def _play_or_pause(self, play: bool) -> None:
        if not play:
            self.left_live = self.left_live or self.status is Status.LIVE
            self.status = Status.PAUSED
        elif self.status is Status.PAUSED:
            self.status = Status.LIVE if self.left_live else Status.PLAYING

    def _time(self, seq: int) -> int:
        return self.archive.times[min(seq, self.count - 1)] if self.count else 0

    def _seek(self, cursor: int, t_ms: int) -> Rewind:
        self.cursor, self.held_ms, self.gen = cursor, Fraction(t_ms), self.gen + 1
        self.jumped_to = cursor if cursor < self.count and self._time(cursor) == t_ms else None
        self.allowed = None if self.allowed is None else cursor
        self.status = Status.PAUSED if self.status is Status.PAUSED else Status.PLAYING
        self.left_live = False
        return Rewind(cursor, self.gen)

    def _step(self, step: Step) -> list[Output]:
        left = abs(step.by)
        places = range(self.cursor, self.count) if step.by > 0 else range(self.cursor - 1, -1, -1)
        target = self.count if step.by > 0 else 0
        for seq in places:
            left -= self.archive.is_unit(seq, step.unit)
            if left == 0:
                target = seq + 1 if step.by > 0 else seq
                break
        if step.by > 0:
            if self.status is not Status.ENDED:
                self._play_or_pause(False)
            self.step_stop = target if target > self.cursor else None
            return []
        rewind = self._seek(target, self._time(target))
        self.status = Status.PAUSED
        return [rewind]

    def replace(self, archive: Archive, now: Fraction) -> list[Output]:
        """Other events: all known, from the first one on."""
        self.archive, self.count, self.complete, self.step_stop = archive, len(archive.times), True, None
        rewind = self._seek(0, self._time(0))
        self.set_clock(now)
        return [rewind]

    def set_clock(self, now: Fraction, left: Fraction | None = None) -> None:
        """Count from here, with so many seconds left before the next event."""
        self.set_at, self.set_ms, self.set_cursor, self.set_left = now, self.held_ms, self.cursor, left
        self.set_cursor_was_to_come = self.cursor >= self.count


# ------------------------------------------------------------------------------------------------------ strategies

gaps_ms = st.one_of(
    st.just(0),
    st.integers(0, 200),
    st.integers(2900, 3100),
    st.integers(3000, 60_000),
    st.sampled_from((HOUR - 1, HOUR, HOUR + 1, 5 * HOUR)),
)
speeds = st.one_of(st.sampled_from((0.1, 0.5, 1.0, 2.0, 64.0, 100.0)), st.floats(0.1, 100))
idle_caps = st.one_of(st.none(), st.sampled_from((0.25, 1.0, 2.999, 3.0, 60.0)), st.floats(0.25, 4000))
units: st.SearchStrategy[Unit] = st.sampled_from(("event", "turn", "tool", "error"))
seeks = st.one_of(
    st.integers(0, 9).map(SeekSeq),
    st.integers(0, 200_000).map(SeekTime),
    st.sampled_from((0, 1, HOUR // 2, HOUR, 2 * HOUR, 10**15)).map(SeekTime),
)
steps = st.builds(Step, st.integers(-4, 4).filter(bool), units)
controls = st.one_of(
    st.sampled_from((Control(), Control(play=True), Control(play=False))),
    st.builds(Control, speed=speeds),
    st.builds(Control, idle=idle_caps),
    st.builds(Control, mode=st.sampled_from(Mode)),
    st.builds(Control, seek=seeks),
    st.builds(Control, step=steps),
    st.builds(
        Control,
        play=st.one_of(st.none(), st.booleans()),
        seek=st.one_of(st.none(), seeks),
        mode=st.one_of(st.none(), st.sampled_from(Mode)),
        speed=st.one_of(st.none(), speeds),
        idle=st.one_of(st.just(UNCHANGED), idle_caps),
        step=st.one_of(st.none(), st.none(), steps),
    ),
)


hundredths = st.integers(0, 150).map(lambda hundredth: hundredth / 100)


@st.composite
def archives(draw: st.DrawFn) -> Archive:
    """Any session of a few events: huge gaps, none, equal times; turns and tool calls anywhere."""
    gaps = draw(st.one_of(st.lists(gaps_ms, min_size=4, max_size=9), st.lists(gaps_ms, max_size=3)))
    times = list(accumulate([0, *gaps])) if gaps else draw(st.sampled_from(([], [0])))
    flags = st.lists(st.booleans(), min_size=len(times), max_size=len(times))
    reading = st.lists(st.integers(0, 12_000), min_size=len(times), max_size=len(times))
    return Archive(times, draw(flags), draw(flags), draw(flags), draw(reading))


# --------------------------------------------------------------------------------------------------- the machine


class PlayerMachine(RuleBasedStateMachine):
    """Plays one player and its reference side by side, and folds what the player says."""

    @initialize(
        archive=archives(),
        known=st.integers(0, 10),
        complete=st.booleans(),
        now=st.integers(0, 10**10).map(lambda microseconds: microseconds / 100_000),
        mode=st.sampled_from((Mode.REALTIME, Mode.REALTIME, Mode.READING, Mode.FAST)),
        speed=speeds,
        paused=st.booleans(),
        start=seeks,
        from_start=st.booleans(),
        follow=st.booleans(),
    )
    def begin(
        self, archive: Archive, known: int, complete: bool, now: float, mode: Mode, speed: float, paused: bool,
        start: SeekSeq | SeekTime, from_start: bool, follow: bool,
    ) -> None:  # fmt: skip
        """A replay of a session that is wholly known, or still being read."""
        count = len(archive.times) if complete else min(known, len(archive.times))
        seek = None if from_start else start
        timeline = archive.timeline(count, complete=complete)
        self.now = now
        self.player = Player(timeline, now, mode=mode, speed=speed, paused=paused, start=seek, follow=follow)
        status = Status.PAUSED if paused else Status.PLAYING
        self.reference = Reference(archive, count, complete, Fraction(now), mode, Fraction(speed), status, follow)
        self.reference.apply(Control(seek=seek or SeekSeq(0)), Fraction(now))
        self.reference.gen = 0
        self.position, self.gen = self.reference.cursor, 0
        self.latest_ms = self.player.snapshot(now).t_ms

    # ------------------------------------------------------------------------------------------------------ clock

    def tick(self, now: float) -> list[Output]:
        """Advance, and compare what comes with what must come."""
        self.now = now
        outputs = self.player.advance(now)
        self.check_advance(outputs)
        return outputs

    def is_waiting(self) -> bool:
        """Whether there is a moment to wait for."""
        return self.player.deadline is not None and self.player.deadline > self.now

    def wait(self, share: float) -> None:
        """Let the clock run, by a share of what is left to the deadline; by seconds where there is none."""
        deadline = self.player.deadline
        self.now += share * (deadline - self.now if deadline is not None and deadline > self.now else 1)

    @rule(share=hundredths)
    def tick_early(self, share: float) -> None:
        """A call before the deadline changes nothing."""
        if not self.is_waiting():
            return
        deadline = self.player.deadline or 0.0
        for early in (self.now + (deadline - self.now) * min(share, 1), math.nextafter(deadline, 0)):
            assert self.tick(max(self.now, min(early, math.nextafter(deadline, 0)))) == []
            assert self.player.deadline == deadline

    @rule(times=st.integers(1, 4))
    def tick_exact(self, times: int) -> None:
        """A call at the deadline makes progress."""
        for _ in range(times):
            deadline = self.player.deadline
            if deadline is None:
                return
            assert self.tick(max(self.now, deadline))

    @rule(share=st.one_of(hundredths, st.integers(1, 50), st.just(5000)))
    def tick_late(self, share: float) -> None:
        """A call after the deadline, or after any time when there is none."""
        self.wait(1 + share)
        self.tick(self.now)

    @rule(command=controls, share=hundredths)
    def control(self, command: Control, share: float) -> None:
        """Any command at any moment."""
        self.wait(share)
        self.command(command)

    @rule(command=st.one_of(st.builds(Control, speed=speeds), st.builds(Control, idle=idle_caps)), share=hundredths)
    def change_pace(self, command: Control, share: float) -> None:
        """Another speed or cap in the middle of a gap."""
        if self.is_waiting():
            self.wait(share)
            self.command(command)

    @precondition(lambda self: self.player.status is not Status.PLAYING or self.player.mode is Mode.FAST)
    @rule(seek=st.one_of(st.none(), st.integers(0, 5).map(SeekSeq), st.integers(0, 100_000).map(SeekTime)))
    def play_on(self, seek: SeekSeq | SeekTime | None) -> None:
        """Back to realtime, from here or from elsewhere."""
        self.player.allow(None)
        self.reference.allowed = None
        self.command(Control(play=True, seek=seek, mode=Mode.REALTIME))

    def command(self, command: Control) -> None:
        """Handle, and compare what comes of the clock and of the command with what must come."""
        outputs = self.player.handle(command, self.now)
        advanced = next((place for place, output in enumerate(outputs) if isinstance(output, Rewind)), len(outputs))
        self.check_advance(outputs[:advanced])
        expected = self.reference.apply(command, Fraction(self.now))
        self.fold(outputs[advanced:])

        assert outputs[advanced:] == expected

    # ----------------------------------------------------------------------------------------------------- driver

    @rule(room=st.one_of(st.none(), st.integers(-1, 4)))
    def allow(self, room: int | None) -> None:
        """The driver gives a bound, or none."""
        bound = None if room is None else self.player.cursor + room
        self.player.allow(bound)
        self.reference.allowed = bound

    @rule(command=controls, share=st.integers(1, 3))
    def stall(self, command: Control, share: int) -> None:
        """A command comes while the client takes nothing and what is next is overdue."""
        self.allow(0)
        self.wait(share)
        self.command(command)
        self.allow(None)

    @rule(step=steps, room=st.integers(0, 2))
    def step_in_pieces(self, step: Step, room: int) -> None:
        """A step has room for a part of it only, and somebody asks how it goes."""
        self.allow(room)
        self.command(Control(step=step))
        self.command(Control())
        self.tick(self.now)

    @precondition(lambda self: not self.reference.complete)
    @rule(more=st.integers(0, 4), complete=st.booleans())
    def grow(self, more: int, complete: bool) -> None:
        """More of the session was read."""
        reference = self.reference
        reference.count = min(len(reference.archive.times), reference.count + more)
        reference.complete = complete and reference.count == len(reference.archive.times)
        self.player.grow(reference.archive.timeline(reference.count, complete=reference.complete))

    @precondition(lambda self: self.reference.follow and self.reference.complete)
    @rule(gaps=st.lists(gaps_ms, min_size=1, max_size=3), turns=st.booleans(), tick=st.booleans())
    def write(self, gaps: list[int], turns: bool, tick: bool) -> None:
        """The session that is followed is written on."""
        archive = self.reference.archive
        for gap in gaps:
            archive.times.append((archive.times or [0])[-1] + gap)
            archive.turns.append(turns)
            archive.tools.append(not turns)
            archive.errors.append(not turns)
            archive.reading.append(gap % 12_000)
        self.reference.count = len(archive.times)
        self.player.grow(archive.timeline(len(archive.times), complete=True))
        if tick:
            self.tick(self.now)

    @precondition(lambda self: self.reference.follow)
    @rule(kept=st.integers(0, 5))
    def read_anew(self, kept: int) -> None:
        """The session is read anew: for a while less of it is known, but all that was delivered."""
        reference = self.reference
        reference.count = min(reference.count, reference.cursor + kept)
        reference.complete = False
        self.player.grow(reference.archive.timeline(reference.count, complete=False))
        self.latest_ms = 0

    @precondition(lambda self: self.player.follow or self.is_played_out)
    @rule(archive=archives())
    def replace(self, archive: Archive) -> None:
        """The session was rewritten after it was played, or while it is followed."""
        outputs = self.player.replace(archive.timeline(len(archive.times), complete=True), self.now)
        expected = self.reference.replace(archive, Fraction(self.now))
        self.fold(outputs)

        assert outputs == expected

    @property
    def is_played_out(self) -> bool:
        """Whether the cursor is at the end."""
        return self.reference.complete and self.player.cursor == self.reference.count

    # ---------------------------------------------------------------------------------------------------- checking

    def check_advance(self, outputs: list[Output]) -> None:
        """What the clock brought is what the reference has due, said in the same words."""
        reachable = self.reference.reachable(Fraction(self.now))
        stood = self.reference.status in (Status.PAUSED, Status.ENDED) and self.reference.step_stop is None
        reached = self.position
        for output in outputs:
            reached = output.stop if isinstance(output, Deliver) else reached

        assert reached in reachable
        assert not (stood and outputs)
        assert outputs == self.reference.advance(reached)
        self.fold(outputs)

    def fold(self, outputs: list[Output]) -> None:
        """No gap, no repeat, nothing beyond the bounds, and generations that grow with rewinds only."""
        for output in outputs:
            match output:
                case Deliver(start, stop):
                    assert start == self.position
                    assert start < stop <= self.reference.count
                    assert self.reference.allowed is None or stop <= self.reference.allowed
                    self.position = stop
                case Rewind(seq, gen):
                    assert gen == self.gen + 1
                    self.position, self.gen = seq, gen
                    self.latest_ms = math.floor(self.reference.held_ms)
                case Skipped(from_ms, to_ms):
                    assert to_ms - from_ms >= 3000
                case Changed() | CaughtUp():
                    assert self.position == self.reference.count

    @invariant()
    def is_where_the_outputs_say(self) -> None:
        """The player's cursor and generation are those that a viewer knows from its outputs."""
        assert (self.player.cursor, self.player.gen) == (self.position, self.gen)

    @invariant()
    def agrees_with_the_reference(self) -> None:
        """Its state, too, is the reference's, times up to a millisecond of rounding."""
        reference, seen = self.reference, self.player.snapshot(self.now)
        now = Fraction(self.now)
        idle = None if reference.idle is None else float(reference.idle)

        assert (seen.status, seen.seq, seen.gen) == (reference.status, reference.cursor, reference.gen)
        assert (seen.mode, seen.speed, seen.idle) == (reference.mode, float(reference.speed), idle)
        assert self.player.stepping == (reference.step_stop is not None)
        assert abs(seen.t_ms - math.floor(reference.position_ms(now))) <= 1
        assert abs(seen.late_ms - math.floor(reference.late_ms(now))) <= 1

    @invariant()
    def has_the_same_deadline(self) -> None:
        """It wants to be called when the reference has its next event due."""
        deadline, expected = self.player.deadline, self.reference.deadline()

        assert (deadline is None) == (expected is None)
        if deadline is not None and expected is not None:
            assert deadline == expected or abs(deadline - float(expected)) <= SLACK

    @invariant()
    def never_goes_back(self) -> None:
        """Between two seeks the recorded time only grows, and stays within the session."""
        t_ms = self.player.snapshot(self.now).t_ms

        assert self.latest_ms <= t_ms <= (self.reference.archive.times or [0])[-1]
        self.latest_ms = t_ms


TestPlayer: Any = PlayerMachine.TestCase
TestPlayer.settings = settings(max_examples=200, stateful_step_count=30)
