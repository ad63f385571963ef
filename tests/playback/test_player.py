import math
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scrollcast.playback.commands import Control, Mode, Seek, SeekEvent, SeekSeq, SeekTime, Step
from scrollcast.playback.player import CaughtUp, Changed, Deliver, Output, Player, Rewind, Skipped, Snapshot, Status
from scrollcast.playback.timeline import Timeline, Unit

T0: Final = 1000.0
"""The clock time at which the tests begin: a clock does not start at 0."""

HOUR: Final = 3_600_000

ENDED: Final = Changed(Status.ENDED)
LIVE: Final = Changed(Status.LIVE)

PLAY: Final = Control(play=True)
PAUSE: Final = Control(play=False)


# ------------------------------------------------------------------------------------------------------- helpers


def realtime(
    *times: int,
    idle: float | None = None,
    speed: float = 1.0,
    paused: bool = False,
    start: Seek | None = None,
    complete: bool = True,
) -> Player:
    """A realtime player of these recorded times, made at `T0`."""
    timeline = Timeline(times, len(times), complete, idle)
    return Player(timeline, T0, mode=Mode.REALTIME, speed=speed, paused=paused, start=start)


def started(
    *times: int, idle: float | None = None, speed: float = 1.0, start: Seek | None = None, complete: bool = True
) -> Player:
    """The same, with what is due at once already delivered."""
    player = realtime(*times, idle=idle, speed=speed, start=start, complete=complete)
    player.advance(T0)
    return player


def stepping_stones(*, cursor: int = 0, status: Status = Status.PAUSED) -> Player:
    """A fast player of eight events, one a second: turns at 0 and 3, tools at 2 and 5."""
    timeline = Timeline(range(0, 8000, 1000), 8, turns=[0, 3], tools=[2, 5], errors=[6])
    return Player(timeline, T0, paused=status is Status.PAUSED, start=SeekSeq(cursor))


def due_of(player: Player) -> float:
    """The player's deadline, which there must be."""
    deadline = player.deadline
    assert deadline is not None
    return deadline


def exhaust(player: Player, now: float = T0) -> list[tuple[float, Output]]:
    """Everything until only a command would help, each output with the seconds since `T0` at which it came."""
    seen: list[tuple[float, Output]] = []
    while (deadline := player.deadline) is not None:
        now = max(now, deadline)
        outputs = player.advance(now)
        assert outputs, "a deadline that was kept must make progress"
        seen += [(now - T0, output) for output in outputs]
    return seen


def arrivals(player: Player, now: float = T0) -> list[float]:
    """The seconds since `T0` at which each event comes, when every deadline is kept."""
    return [at for at, output in exhaust(player, now) if isinstance(output, Deliver) for _ in range(*_span(output))]


def _span(output: Deliver) -> tuple[int, int]:
    return output.start, output.stop


def events(outputs: Sequence[Output]) -> list[int]:
    """The events that outputs deliver."""
    return [index for output in outputs if isinstance(output, Deliver) for index in range(*_span(output))]


def state(player: Player, now: float = T0) -> tuple[Status, int, int, int]:
    """Status, next event, recorded time and generation."""
    snapshot = player.snapshot(now)
    return snapshot.status, snapshot.seq, snapshot.t_ms, snapshot.gen


# -------------------------------------------------------------------------------------------------------- pacing


@pytest.mark.parametrize(
    ("times", "idle", "speed", "wanted"),
    [
        ([0, 600, 1800], None, 1.0, [0, 0.6, 1.8]),
        ([0, 600, 1800], None, 10.0, [0, 0.06, 0.18]),
        ([0, 600, 1800], None, 0.1, [0, 6.0, 18.0]),
        ([0, 500, 500, 500, 1000], None, 1.0, [0, 0.5, 0.5, 0.5, 1.0]),
        ([0, 600, 200, 1800], None, 1.0, [0, 0.6, 0.6, 2.2]),
        ([0, HOUR - 1, HOUR + 199], None, 1.0, [0, 3599.999, 3600.199]),
        ([0, HOUR, HOUR + 200], None, 1.0, [0, 0.0, 0.2]),
        ([0, 300, 300 + 9 * HOUR, 600 + 9 * HOUR], None, 2.0, [0, 0.15, 0.15, 0.3]),
        ([0, 400, 10_400, 10_700], 0.5, 1.0, [0, 0.4, 0.9, 1.2]),
        ([0, 400, 10_400, 10_700], 2.0, 2.0, [0, 0.2, 1.2, 1.35]),
        ([0, HOUR - 1, 2 * HOUR], 0.25, 1.0, [0, 0.25, 0.25]),
        ([0, 200, 200 + HOUR], 9999.0, 1.0, [0, 0.2, 0.2]),
    ],
    ids=[
        "as recorded",
        "ten times as fast",
        "ten times as slow",
        "equal times together",
        "backwards takes no time",
        "a millisecond less than an hour is waited for",
        "an hour is not",
        "nine hours are not",
        "the cap shortens longer gaps only",
        "the cap is taken before the speed",
        "the hour rule beside a cap",
        "a cap of more than an hour",
    ],
)
def test_when_events_come(times: list[int], idle: float | None, speed: float, wanted: list[float]) -> None:
    """Each gap takes nothing, or its capped length divided by the speed."""
    player = realtime(*times, idle=idle, speed=speed)

    assert arrivals(player) == pytest.approx(wanted, abs=1e-9)


def test_fast_mode_waits_for_nothing() -> None:
    """In fast mode everything is due at once, in one range."""
    player = Player(Timeline.of(0, 5000, 2 * HOUR), T0)

    assert exhaust(player) == [(0.0, Deliver(0, 3)), (0.0, ENDED)]


@pytest.mark.parametrize(
    ("start_ms", "idle", "wanted"),
    [(1001, None, 7.999), (4000, None, 5.0), (5000, 2.0, 1.0), (8000, 2.0, 0.25), (9000, 2.0, 0.0)],
)
def test_a_start_inside_a_gap_waits_for_the_rest(start_ms: int, idle: float | None, wanted: float) -> None:
    """The position maps linearly into what is left of the gap, and the event after it comes when that has passed."""
    player = realtime(0, 1000, 9000, 10_000, idle=idle, start=SeekTime(start_ms))

    assert state(player) == (Status.PLAYING, 2, start_ms, 0)
    assert arrivals(player) == pytest.approx([wanted, wanted + 1.0])


@pytest.mark.parametrize("idle", [None, 2.0, 0.5])
def test_an_event_after_a_gap_keeps_its_distance(idle: float | None) -> None:
    """What comes after a shortened gap is as far behind it as it was recorded."""
    player = realtime(0, 60_000, 60_250, 60_500, idle=idle)
    first, *rest = arrivals(player)[1:]

    assert first == (60.0 if idle is None else idle)
    assert rest == pytest.approx([first + 0.25, first + 0.5])


@pytest.mark.parametrize(
    ("start", "cursor", "t_ms"),
    [
        (SeekTime(0), 0, 0),
        (SeekTime(1), 1, 1),
        (SeekTime(1000), 1, 1000),
        (SeekTime(2000), 3, 2000),
        (SeekTime(2001), 4, 2000),
        (SeekTime(10**15), 4, 2000),
        (SeekSeq(0), 0, 0),
        (SeekSeq(2), 2, 1000),
        (SeekSeq(4), 4, 2000),
        (SeekSeq(10**15), 4, 2000),
    ],
)
def test_where_playback_starts(start: Seek, cursor: int, t_ms: int) -> None:
    """It starts at the first event at or after a time, or at a number; past the end means the end."""
    player = realtime(0, 1000, 1000, 2000, start=start)

    assert state(player) == (Status.PLAYING, cursor, t_ms, 0)
    assert events([output for _, output in exhaust(player)]) == list(range(cursor, 4))


def test_a_start_at_an_event_does_not_wait() -> None:
    """The event that playback starts at is due at once, its gap lying before it."""
    player = realtime(0, 60_000, 61_000, start=SeekSeq(1))

    assert arrivals(player) == [0.0, 1.0]


@pytest.mark.parametrize("mode", Mode)
def test_an_empty_session_ends_at_once(mode: Mode) -> None:
    """With nothing to deliver, the end is all there is."""
    player = Player(Timeline.of(), T0, mode=mode)

    assert exhaust(player) == [(0.0, ENDED)]
    assert player.snapshot(T0 + 9) == Snapshot(Status.ENDED, 0, 0, 0, mode, 1.0, None, 0)


@pytest.mark.parametrize(
    "command", [Control(seek=SeekSeq(5)), Control(seek=SeekTime(5)), Control(step=Step(1, "turn"))]
)
def test_an_empty_session_takes_commands(command: Control) -> None:
    """There is nowhere to go in an empty session, and nothing to deliver."""
    player = Player(Timeline.of(), T0, paused=True)
    outputs = player.handle(command, T0) + player.advance(T0)

    assert events(outputs) == []
    assert state(player)[:3] == (Status.PAUSED, 0, 0)


# ----------------------------------------------------------------------------------------------------- the clock


def test_an_early_call_changes_nothing() -> None:
    """A timer that fires too early finds nothing due, and the same deadline."""
    player = started(0, 5000, 6000)
    deadline = due_of(player)

    assert player.advance(deadline - 3) == []
    assert player.advance(math.nextafter(deadline, 0)) == []
    assert player.deadline == deadline
    assert player.advance(deadline) == [Deliver(1, 2)]


def test_a_late_call_delivers_one_range() -> None:
    """All that became due since comes as one range, and what is not due stays."""
    player = started(*range(0, 10_000, 1000))

    assert player.advance(T0 + 6.5) == [Deliver(1, 7)]
    assert player.deadline == T0 + 7


def test_a_late_call_does_not_put_off_what_follows() -> None:
    """Deadlines are absolute: after a late call the next event comes as if it had been on time."""
    player = started(0, 1000, 2000, 3000)
    player.advance(T0 + 1.9)

    assert player.deadline == T0 + 2
    assert arrivals(player, T0 + 1.9) == [2.0, 3.0]


def test_the_end_comes_with_the_last_event() -> None:
    """The call that delivers the last event says that the replay has ended, and then there is no deadline."""
    player = started(0, 1000)

    assert player.advance(T0 + 1) == [Deliver(1, 2), ENDED]
    assert player.deadline is None
    assert player.advance(T0 + 99) == []


@pytest.mark.parametrize(("speed", "late"), [(1.0, 0.0), (3.7, 0.0), (0.3, 0.004), (100.0, 0.02)])
def test_hours_of_playback_do_not_drift(speed: float, late: float) -> None:
    """A hundred thousand events, each call late by a little: the last is due when the sum of all gaps says so."""
    chance = random.Random(20261122)
    times = list(accumulate(chance.choice((0, 1, 7, 250, 333)) for _ in range(100_000)))
    player = realtime(*times, speed=speed)
    worst, now = 0.0, T0
    while player.status is Status.PLAYING:
        worst = max(worst, abs(due_of(player) - (T0 + (times[player.cursor] - times[0]) / 1000 / speed)))
        now = max(now, due_of(player) + late)
        player.advance(now)

    assert times[-1] > 3 * HOUR
    assert worst < 1e-6


@given(
    origin=st.floats(0, 1e9),
    speed=st.floats(0.1, 100),
    gaps=st.lists(st.integers(0, HOUR), min_size=1, max_size=8),
    idle=st.one_of(st.none(), st.floats(0.01, 1000)),
    share=st.floats(0, 1),
)
@example(origin=86_400.123456789, speed=3.3, gaps=[1, 2, 3, 4, 5, 6, 7], idle=None, share=0.1)
def test_a_kept_deadline_makes_progress(
    origin: float, speed: float, gaps: list[int], idle: float | None, share: float
) -> None:
    """Whatever the clock's origin and the rounding, advancing exactly to the deadline delivers, and before it not."""
    times = list(accumulate([0, *gaps]))
    start = SeekTime(int(times[-1] * share))
    player = Player(Timeline.of(*times, idle=idle), origin, mode=Mode.REALTIME, speed=speed, start=start)
    delivered: list[int] = []
    first = player.cursor
    while player.status is Status.PLAYING:
        deadline = due_of(player)
        if deadline > origin:
            assert player.advance(math.nextafter(deadline, 0)) == []
        outputs = player.advance(max(deadline, origin))
        assert events(outputs) or outputs == [ENDED]
        delivered += events(outputs)

    assert delivered == list(range(first, len(times)))


# ------------------------------------------------------------------------------------------------ pause and play


def test_paused_from_the_start() -> None:
    """A replay that begins paused delivers nothing until it is told to play."""
    player = realtime(0, 1000, paused=True)

    assert player.deadline is None
    assert player.advance(T0 + 99) == []
    assert state(player, T0 + 99) == (Status.PAUSED, 0, 0, 0)
    assert player.handle(PLAY, T0 + 100) == []
    assert arrivals(player, T0 + 100) == [100.0, 101.0]


def test_a_pause_does_not_count() -> None:
    """The rest of a gap is waited for after the pause, however long that was."""
    player = started(0, 10_000, 12_000)
    player.handle(PAUSE, T0 + 4)

    assert player.deadline is None
    assert player.advance(T0 + 500) == []
    assert state(player, T0 + 500) == (Status.PAUSED, 1, 4000, 0)
    assert player.handle(PLAY, T0 + 1000) == []
    assert arrivals(player, T0 + 1000) == [1006.0, 1008.0]


def test_a_pause_delivers_what_was_due_before_it() -> None:
    """A command first lets the clock run up to its own time."""
    player = started(0, 1000, 2000, 9000)

    assert player.handle(PAUSE, T0 + 2.5) == [Deliver(1, 3)]
    assert state(player, T0 + 2.5) == (Status.PAUSED, 3, 2500, 0)


@pytest.mark.parametrize("command", [PLAY, Control()], ids=["play", "nothing"])
def test_what_plays_already_is_not_disturbed(command: Control) -> None:
    """Neither `play` while playing nor a control with nothing in it moves a deadline."""
    player = started(0, 10_000)

    assert player.handle(command, T0 + 3) == []
    assert player.deadline == T0 + 10


@pytest.mark.parametrize("play", [True, False])
def test_after_the_end_play_alone_does_nothing(play: bool) -> None:
    """Once ended, a replay stays so until a seek."""
    player = started(0)

    assert player.handle(Control(play=play), T0 + 1) == []
    assert state(player, T0 + 1) == (Status.ENDED, 1, 0, 0)
    assert player.deadline is None


def test_playing_at_the_end_ends() -> None:
    """Someone who paused, went to the end and plays on arrives there."""
    player = realtime(0, 1000, paused=True)
    player.handle(Control(seek=SeekTime(HOUR)), T0)

    assert player.status is Status.PAUSED
    assert player.handle(PLAY, T0 + 1) == []
    assert player.advance(T0 + 1) == [ENDED]


# ----------------------------------------------------------------------------------------------- speed, idle, mode


@pytest.mark.parametrize(
    ("before", "after", "at", "wanted"),
    [(1.0, 10.0, 1.0, 1.3), (10.0, 1.0, 0.2, 2.2), (1.0, 0.5, 3.0, 5.0), (2.0, 2.0, 1.0, 2.0)],
)
def test_a_new_speed_keeps_the_position(before: float, after: float, at: float, wanted: float) -> None:
    """Inside a gap only what is left of it is played at the new speed."""
    player = started(0, 4000, speed=before)
    reached = state(player, T0 + at)
    player.handle(Control(speed=after), T0 + at)

    assert state(player, T0 + at) == reached
    assert player.snapshot(T0 + at).speed == after
    assert due_of(player) - T0 == pytest.approx(wanted)


def test_many_new_speeds_add_up_to_no_error() -> None:
    """After ten thousand changes of the speed within one gap its end is still where arithmetic puts it."""
    player = started(0, HOUR - 1)
    chance = random.Random(4)
    played, speed, now = 0.0, 1.0, T0
    for _ in range(10_000):
        played, now = played + 0.01 * speed, now + 0.01
        speed = chance.choice((0.1, 0.5, 1.0, 4.0, 32.0))
        player.handle(Control(speed=speed), now)

    assert played < 3000
    assert due_of(player) == pytest.approx(now + (3599.999 - played) / speed, abs=1e-4)


@pytest.mark.parametrize(
    ("before", "after", "at", "t_ms", "wanted"),
    [
        (None, 2.0, 30.0, 30_000, 31.0),
        (2.0, None, 1.0, 30_000, 31.0),
        (2.0, 10.0, 0.5, 15_000, 8.0),
        (10.0, 1.0, 5.0, 30_000, 5.5),
        (2.0, 90.0, 1.5, 45_000, 16.5),
    ],
    ids=["set", "lifted", "raised", "lowered", "raised over the gap"],
)
def test_a_new_idle_cap_inside_a_gap_keeps_the_recorded_position(
    before: float | None, after: float | None, at: float, t_ms: int, wanted: float
) -> None:
    """The recorded time reached stays, and the same share of the newly shortened gap is left."""
    player = started(0, 60_000, 61_000, idle=before)
    player.handle(Control(idle=after), T0 + at)

    assert state(player, T0 + at) == (Status.PLAYING, 1, t_ms, 0)
    assert player.snapshot(T0 + at).idle == after
    assert arrivals(player, T0 + at) == pytest.approx([wanted, wanted + 1 if after != 0.5 else wanted])


def test_a_new_idle_cap_while_paused_keeps_the_recorded_position() -> None:
    """A pause holds recorded time, so the cap may change under it."""
    player = started(0, 60_000)
    player.handle(PAUSE, T0 + 30)
    player.handle(Control(idle=4.0), T0 + 40)

    assert state(player, T0 + 40) == (Status.PAUSED, 1, 30_000, 0)
    player.handle(PLAY, T0 + 50)
    assert player.deadline == T0 + 52


def test_the_cap_and_the_speed_as_one_change() -> None:
    """Both count from the position that was reached under the old ones."""
    player = started(0, 60_000, speed=2.0)
    player.handle(Control(idle=10.0, speed=5.0), T0 + 15)

    assert state(player, T0 + 15) == (Status.PLAYING, 1, 30_000, 0)
    assert player.deadline == T0 + 16


def test_fast_in_the_middle_of_a_gap_delivers_the_rest_at_once() -> None:
    """The mode may change while a gap is waited for."""
    player = started(0, 20_000, 60_000)

    assert player.handle(Control(mode=Mode.FAST), T0 + 3) == []
    assert player.deadline == -math.inf
    assert player.advance(T0 + 3) == [Deliver(1, 3), ENDED]


def test_realtime_after_fast_goes_on_from_there() -> None:
    """What fast mode has delivered is where the clock of realtime starts."""
    player = Player(Timeline.of(0, 1000, 2000, 9000, 9500), T0)
    player.allow(3)
    player.advance(T0)
    player.handle(Control(mode=Mode.REALTIME), T0 + 50)
    player.allow(None)

    assert state(player, T0 + 50) == (Status.PLAYING, 3, 2000, 0)
    assert arrivals(player, T0 + 50) == [57.0, 57.5]


def test_fast_mode_has_no_moving_position() -> None:
    """While fast mode waits for its reader, recorded time stands at the last event, and nothing is late."""
    player = Player(Timeline.of(0, 1000, 9000), T0)
    player.allow(2)
    player.advance(T0)

    assert player.deadline is None
    assert player.snapshot(T0 + 60) == Snapshot(Status.PLAYING, 2, 1000, 0, Mode.FAST, 1.0, None, 0)


# --------------------------------------------------------------------------------------------------------- seeks


@pytest.mark.parametrize(
    ("seek", "cursor", "t_ms"),
    [
        (SeekTime(0), 0, 0),
        (SeekTime(5000), 2, 5000),
        (SeekTime(9000), 2, 9000),
        (SeekTime(9001), 4, 9001),
        (SeekTime(10**15), 5, 10_000),
        (SeekSeq(0), 0, 0),
        (SeekSeq(3), 3, 9000),
        (SeekSeq(10**15), 5, 10_000),
    ],
)
@pytest.mark.parametrize("status", Status)
def test_a_seek_in_every_status(seek: Seek, cursor: int, t_ms: int, status: Status) -> None:
    """It puts the cursor there in a new generation; what had ended or was live plays, and the rest stays as it was."""
    player = realtime(0, 1000, 9000, 9000, 10_000, paused=status is Status.PAUSED)
    player.follow = status is Status.LIVE
    player.advance(T0 + 99 if status in (Status.ENDED, Status.LIVE) else T0)
    assert player.status is status
    outputs = player.handle(Control(seek=seek), T0 + 99)[-1:]

    assert outputs == [Rewind(cursor, 1)]
    wanted = Status.PAUSED if status is Status.PAUSED else Status.PLAYING
    assert state(player, T0 + 99) == (wanted, cursor, t_ms, 1)
    played = player.handle(PLAY, T0 + 99) + [output for _, output in exhaust(player, T0 + 99)]
    assert events(played) == list(range(cursor, 5))


def test_each_seek_is_one_generation() -> None:
    """A seek to where one is counts like any other; no other command does."""
    player = started(0, 60_000)
    gens = []
    for command in (SeekSeq(1), SeekSeq(1), SeekTime(0)):
        player.handle(Control(seek=command), T0)
        player.handle(Control(speed=2.0, idle=9.0, mode=Mode.REALTIME, play=False), T0)
        gens.append(player.gen)

    assert gens == [1, 2, 3]


def test_a_seek_into_a_gap_waits_for_the_rest_of_it() -> None:
    """Playback that lands inside a shortened gap waits for its share of what is left."""
    player = started(0, 1000, 61_000, 62_000, idle=4.0)
    player.handle(Control(seek=SeekTime(16_000)), T0 + 50)

    assert state(player, T0 + 50) == (Status.PLAYING, 2, 16_000, 1)
    assert arrivals(player, T0 + 50) == [53.0, 54.0]


@given(gap=st.integers(2, 10 * HOUR), place=st.floats(0, 1), idle=st.one_of(st.none(), st.floats(0.01, 100)))
@example(gap=60_000, place=0.45393, idle=2.0)
@example(gap=1000, place=0.055, idle=0.007)
def test_a_seek_is_at_the_time_asked_for(gap: int, place: float, idle: float | None) -> None:
    """Rounding does not put a viewer a millisecond before the moment that a link names."""
    player = started(0, gap, idle=idle)
    t_ms = max(1, int(gap * place))
    player.handle(Control(seek=SeekTime(t_ms)), T0)

    assert state(player) == (Status.PLAYING, 1, t_ms, 1)


def test_a_seek_within_a_gap_keeps_the_cursor_and_moves_the_time() -> None:
    """Forward within the gap one is in, the next event is the same, and comes sooner."""
    player = started(0, 60_000)
    outputs = player.handle(Control(seek=SeekTime(50_000)), T0 + 5)

    assert outputs == [Rewind(1, 1)]
    assert player.deadline == T0 + 15


def test_everything_given_is_one_change() -> None:
    """The seek, the pace and the status of one control are applied together, in one generation."""
    player = Player(Timeline.of(0, 60_000, 120_000), T0, paused=True)
    command = Control(play=True, seek=SeekTime(30_000), mode=Mode.REALTIME, speed=4.0, idle=20.0)

    assert player.handle(command, T0 + 1) == [Rewind(1, 1)]
    assert player.snapshot(T0 + 1) == Snapshot(Status.PLAYING, 1, 30_000, 1, Mode.REALTIME, 4.0, 20.0, 0)
    assert player.deadline == T0 + 1 + 10 / 4


def test_a_seek_that_pauses_leaves_the_end() -> None:
    """After the end a seek plays again, unless the same control says not to."""
    player = started(0, 0)
    player.handle(Control(seek=SeekSeq(1), play=False), T0)

    assert state(player)[:2] == (Status.PAUSED, 1)


def test_a_seek_to_the_end_ends_again() -> None:
    """The end comes at each arrival there."""
    player = started(0, 1000)
    player.advance(T0 + 1)
    player.handle(Control(seek=SeekSeq(2)), T0 + 2)

    assert player.deadline == -math.inf
    assert player.advance(T0 + 2) == [ENDED]


def test_the_player_knows_no_event_ids() -> None:
    """An id must have been looked up: asking the player for one is a mistake of its caller."""
    with pytest.raises(ValueError, match="looked up"):
        started(0, 1000).handle(Control(seek=SeekEvent("m1")), T0)


# --------------------------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize(
    ("cursor", "by", "unit", "stop"),
    [
        (0, 1, "event", 1),
        (2, 3, "event", 5),
        (7, 5, "event", 8),
        (0, 1, "turn", 1),
        (1, 1, "turn", 4),
        (0, 2, "turn", 4),
        (4, 1, "turn", 8),
        (0, 1, "tool", 3),
        (3, 1, "tool", 6),
        (6, 2**53, "tool", 8),
        (2, 1, "error", 7),
        (7, 1, "error", 8),
    ],
)
def test_a_step_forward_sends_every_event_passed(cursor: int, by: int, unit: Unit, stop: int) -> None:
    """It goes through the n-th event of the unit, in the same generation, and stops there, paused."""
    player = stepping_stones(cursor=cursor)

    assert player.handle(Control(step=Step(by, unit)), T0) == []
    assert player.stepping
    assert player.deadline == -math.inf
    assert player.advance(T0) == [Deliver(cursor, stop)]
    assert not player.stepping
    assert player.deadline is None
    assert state(player) == (Status.PAUSED, stop, (stop - 1) * 1000, 0)


@pytest.mark.parametrize(
    ("cursor", "by", "unit", "seq"),
    [
        (3, -1, "event", 2),
        (3, -9, "event", 0),
        (8, -1, "turn", 3),
        (3, -1, "turn", 0),
        (8, -3, "turn", 0),
        (8, -1, "tool", 5),
        (5, -1, "tool", 2),
        (2, -1, "tool", 0),
        (8, -1, "error", 6),
        (6, -1, "error", 0),
        (0, -1, "event", 0),
    ],
)
def test_a_step_backward_is_a_seek(cursor: int, by: int, unit: Unit, seq: int) -> None:
    """It goes to the n-th unit before the cursor in a new generation, paused, and sends nothing."""
    player = stepping_stones(cursor=cursor)

    assert player.handle(Control(step=Step(by, unit)), T0) == [Rewind(seq, 1)]
    assert player.deadline is None
    assert player.advance(T0) == []
    assert state(player) == (Status.PAUSED, seq, seq * 1000, 1)


@pytest.mark.parametrize("by", [1, -1])
def test_a_step_pauses_what_plays(by: int) -> None:
    """A step pauses, even when the same control says `play`."""
    player = started(0, 1000, 60_000)
    player.handle(Control(step=Step(by, "event"), play=True), T0 + 2)
    player.advance(T0 + 2)

    assert player.status is Status.PAUSED
    assert player.advance(T0 + 999) == []


def test_a_step_at_the_end_stays_there() -> None:
    """After the last event there is nothing to step over, and the end stays the end."""
    player = stepping_stones(cursor=8, status=Status.PLAYING)
    player.advance(T0)

    assert player.handle(Control(step=Step(1, "event")), T0) == []
    assert not player.stepping
    assert player.status is Status.ENDED


def test_a_step_back_from_the_end_pauses() -> None:
    """What had ended can be gone back into, one unit at a time."""
    player = stepping_stones(cursor=8, status=Status.PLAYING)
    player.advance(T0)

    assert player.handle(Control(step=Step(-1, "turn")), T0) == [Rewind(3, 1)]
    assert player.status is Status.PAUSED


def test_a_step_over_the_last_event_is_no_end() -> None:
    """A step pauses at the end; the end itself comes when playing arrives there."""
    player = stepping_stones(cursor=7)
    player.handle(Control(step=Step(1, "event")), T0)

    assert player.advance(T0) == [Deliver(7, 8)]
    assert player.status is Status.PAUSED
    player.handle(PLAY, T0)
    assert player.advance(T0) == [ENDED]


def test_a_step_in_small_pieces() -> None:
    """A bound holds a step as it holds playing; the step goes on when the bound moves, and ends where it should."""
    player = stepping_stones()
    player.handle(Control(step=Step(5, "event")), T0)
    pieces: list[Output] = []
    for bound in (2, 2, 3, 9):
        player.allow(bound)
        pieces += player.advance(T0)

    assert pieces == [Deliver(0, 2), Deliver(2, 3), Deliver(3, 5)]
    assert not player.stepping


def test_a_step_without_room_waits_for_it() -> None:
    """With nothing allowed there is no deadline, but the step is still on its way."""
    player = stepping_stones()
    player.allow(0)
    player.handle(Control(step=Step(1, "event")), T0)

    assert player.stepping
    assert player.deadline is None
    assert player.advance(T0) == []
    player.allow(4)
    assert player.deadline == -math.inf
    assert player.advance(T0) == [Deliver(0, 1)]


def test_asking_for_the_state_does_not_cut_a_step_short() -> None:
    """A control with nothing in it lets a step go on; any other command ends it where it is."""
    player = stepping_stones()
    player.allow(1)
    player.handle(Control(step=Step(5, "event")), T0)
    player.handle(Control(), T0)

    assert player.stepping
    assert player.cursor == 1
    player.handle(Control(speed=2.0), T0)
    assert not player.stepping


def test_a_step_from_a_new_place() -> None:
    """A step given with a seek starts where the seek went."""
    player = stepping_stones()
    outputs = player.handle(Control(seek=SeekSeq(4), step=Step(1, "tool")), T0) + player.advance(T0)

    assert outputs == [Rewind(4, 1), Deliver(4, 6)]


def test_playing_on_after_a_step() -> None:
    """The clock goes on from the event that was stepped to."""
    player = realtime(0, 1000, 5000, 5500, paused=True)
    player.handle(Control(step=Step(2, "event")), T0)
    player.advance(T0)
    player.handle(PLAY, T0 + 30)

    assert arrivals(player, T0 + 30) == [34.0, 34.5]


# ------------------------------------------------------------------------------------------------------- skipped


def test_a_cut_gap_is_reported_before_its_event() -> None:
    """The recorded times on either side come right before the later event; the gap just under 3 s stays unsaid."""
    player = realtime(0, 400, 10_400, 13_399, 16_399, idle=0.5)

    assert [output for _, output in exhaust(player)] == [
        Deliver(0, 1),
        Deliver(1, 2),
        Skipped(400, 10_400),
        Deliver(2, 3),
        Deliver(3, 4),
        Skipped(13_399, 16_399),
        Deliver(4, 5),
        ENDED,
    ]


def test_an_hour_is_reported_without_a_cap() -> None:
    """The one-hour rule cuts too, and the whole of it comes in one call."""
    player = realtime(0, HOUR, HOUR)

    assert player.advance(T0) == [Deliver(0, 1), Skipped(0, HOUR), Deliver(1, 3), ENDED]


@pytest.mark.parametrize(
    ("times", "idle"),
    [((0, 5000, HOUR + 4999), None), ((0, 5000, 9000), 5.0), ((0, 2999), 0.5)],
    ids=["no cap", "cap not reached", "too short"],
)
def test_what_is_played_whole_is_not_reported(times: tuple[int, ...], idle: float | None) -> None:
    """A gap that is not cut, or of less than 3 s, is nobody's business."""
    outputs = [output for _, output in exhaust(realtime(*times, idle=idle))]

    assert not any(isinstance(output, Skipped) for output in outputs)


def test_a_late_range_is_cut_only_where_a_gap_is_reported() -> None:
    """One late call over many events, one of them behind a cut gap, gives two ranges and the report between them."""
    player = started(0, 100, 200, 60_200, 60_300, 60_400, idle=1.0)

    assert player.advance(T0 + 99) == [Deliver(1, 3), Skipped(200, 60_200), Deliver(3, 6), ENDED]


def test_fast_mode_reports_no_gap() -> None:
    """Nothing is cut where nothing is waited for."""
    player = Player(Timeline.of(0, 60_000, 3 * HOUR, idle=1.0), T0)

    assert player.advance(T0) == [Deliver(0, 3), ENDED]


def test_a_step_reports_no_gap() -> None:
    """Stepping crosses a gap without playing it."""
    player = realtime(0, 60_000, 3 * HOUR, idle=1.0, paused=True)
    player.handle(Control(step=Step(3, "event")), T0)

    assert player.advance(T0) == [Deliver(0, 3)]


@pytest.mark.parametrize("seek", [SeekSeq(1), SeekTime(60_000)])
def test_a_seek_behind_a_gap_does_not_cross_it(seek: Seek) -> None:
    """Who jumps to the event behind a gap has skipped it himself."""
    player = started(0, 60_000, 120_000, idle=1.0)
    player.handle(Control(seek=seek), T0 + 0.5)

    assert player.advance(T0 + 0.5) == [Deliver(1, 2)]
    assert player.advance(T0 + 1.5) == [Skipped(60_000, 120_000), Deliver(2, 3), ENDED]


def test_a_start_behind_a_gap_does_not_cross_it() -> None:
    """The same where playback begins."""
    player = realtime(0, 60_000, idle=1.0, start=SeekSeq(1))

    assert player.advance(T0) == [Deliver(1, 2), ENDED]


def test_a_seek_into_a_gap_crosses_the_rest_of_it() -> None:
    """The rest of a cut gap is played and cut, so the gap is reported with the times of the events around it."""
    player = started(0, 60_000, idle=2.0)
    player.handle(Control(seek=SeekTime(30_000)), T0)

    assert player.advance(T0 + 1) == [Skipped(0, 60_000), Deliver(1, 2), ENDED]


@pytest.mark.parametrize(
    "commands",
    [[PAUSE, PLAY], [Control(speed=2.0)], [Control(idle=0.5)]],
    ids=["pause and play", "speed", "idle"],
)
def test_a_command_at_the_far_edge_of_a_gap_does_not_hide_it(commands: list[Control]) -> None:
    """A gap that was played to its end is reported, also when a command came before its event could be sent."""
    player = started(0, 60_000, idle=1.0)
    player.allow(1)
    for command in commands:
        player.handle(command, T0 + 5)
    player.allow(None)

    assert player.advance(T0 + 5) == [Skipped(0, 60_000), Deliver(1, 2), ENDED]


def test_a_gap_behind_the_known_end_is_reported() -> None:
    """A seek to the end of what is known lands before the gap that follows, which is then crossed by playing."""
    player = started(0, 1000, idle=1.0, complete=False, start=SeekSeq(2))
    player.grow(Timeline([0, 1000, 61_000], 3))

    assert player.advance(T0 + 9) == [Skipped(1000, 61_000), Deliver(2, 3), ENDED]


# --------------------------------------------------------------------------------------------------------- allow


@pytest.mark.parametrize("mode", Mode)
def test_nothing_is_delivered_past_the_bound(mode: Mode) -> None:
    """The driver's bound holds in all modes, and with it in the way there is no deadline."""
    player = Player(Timeline([0] * 4, 4, reading=[0] * 4), T0, mode=mode)
    player.allow(3)

    assert player.advance(T0) == [Deliver(0, 3)]
    assert player.deadline is None
    assert player.advance(T0 + 99) == []
    player.allow(None)
    assert player.advance(T0 + 99) == [Deliver(3, 4), ENDED]


def test_a_bound_behind_the_cursor_delivers_nothing() -> None:
    """A bound that was overtaken is no reason to go back."""
    player = Player(Timeline.of(0, 0, 0), T0)
    player.allow(2)
    player.advance(T0)
    player.allow(1)

    assert player.deadline is None
    assert player.advance(T0) == []
    assert player.cursor == 2


def test_a_bound_does_not_move_the_clock() -> None:
    """What waited for the bound comes at once, and what follows at its own time."""
    player = started(0, 1000, 2000, 20_000)
    player.allow(1)

    assert player.advance(T0 + 10) == []
    player.allow(4)
    assert player.advance(T0 + 10) == [Deliver(1, 3)]
    assert player.deadline == T0 + 20


@pytest.mark.parametrize("command", [Control(seek=SeekSeq(1)), Control(step=Step(-2, "event"))])
def test_a_seek_asks_for_a_new_bound(command: Control) -> None:
    """After a seek nothing is sent before the driver has said how much, which it measures from the new cursor."""
    player = Player(Timeline.of(*range(6)), T0)
    player.allow(3)
    player.advance(T0)
    player.handle(command, T0)
    player.handle(PLAY, T0)

    assert player.deadline is None
    assert player.advance(T0) == []
    player.allow(2)
    assert player.advance(T0) == [Deliver(1, 2)]


def test_without_a_bound_a_seek_needs_none() -> None:
    """A driver that never gives a bound never has to."""
    player = Player(Timeline.of(*range(3)), T0, paused=True)
    player.handle(Control(seek=SeekSeq(1), play=True), T0)

    assert player.advance(T0) == [Deliver(1, 3), ENDED]


def test_the_end_needs_no_room() -> None:
    """A full window does not hold back that the replay has ended."""
    player = Player(Timeline.of(0, 0), T0)
    player.allow(2)

    assert player.advance(T0) == [Deliver(0, 2), ENDED]


# ------------------------------------------------------------------------------------------------------- growing


@pytest.mark.parametrize("mode", Mode)
def test_at_the_known_end_it_waits(mode: Mode) -> None:
    """While more may come, the last known event is not the end."""
    player = Player(Timeline([0, 0], 2, complete=False, reading=[0, 0]), T0, mode=mode)

    assert player.advance(T0) == [Deliver(0, 2)]
    assert player.deadline is None
    assert player.advance(T0 + 99) == []
    assert state(player, T0 + 99) == (Status.PLAYING, 2, 0, 0)


def test_growth_in_fast_mode_is_due_at_once() -> None:
    """What was read since goes out, and the end comes when the session is known to be complete."""
    player = Player(Timeline([0], 1, complete=False), T0)
    player.advance(T0)
    player.grow(Timeline([0, 5000, 9000], 3, complete=False))

    assert player.advance(T0 + 1) == [Deliver(1, 3)]
    player.grow(Timeline([0, 5000, 9000], 3))
    assert player.deadline == -math.inf
    assert player.advance(T0 + 2) == [ENDED]


def test_growth_at_the_known_end_keeps_the_clock() -> None:
    """An event that becomes known while it is waited for is due when its gap says, not that much after it was read."""
    player = started(0, 1000, complete=False)
    player.advance(T0 + 1)
    player.grow(Timeline([0, 1000, 6000, 7000], 4))

    assert player.deadline == T0 + 6
    assert arrivals(player, T0 + 4) == [6.0, 7.0]


def test_growth_after_its_time_comes_late_but_drifts_nothing() -> None:
    """What is read too late comes at once, and what follows at its own time."""
    player = started(0, complete=False)
    player.grow(Timeline([0, 1000, 60_000], 3))

    assert player.advance(T0 + 30) == [Deliver(1, 2)]
    assert player.deadline == T0 + 60


def test_growth_behind_the_cursor_changes_no_deadline() -> None:
    """More events further on are no reason to wait differently for the next one."""
    player = started(0, 5000, complete=False)
    player.grow(Timeline([0, 5000, 6000], 3))

    assert player.deadline == T0 + 5
    assert arrivals(player) == [5.0, 6.0]


def test_growth_keeps_the_idle_cap() -> None:
    """The cap is the player's own, whatever the new timeline came with."""
    player = started(0, complete=False)
    player.handle(Control(idle=2.0), T0)
    player.grow(Timeline([0, 60_000], 2))

    assert player.snapshot(T0).idle == 2.0
    assert player.deadline == T0 + 2


def test_growth_of_an_empty_session() -> None:
    """Playback may begin before the first event is known."""
    player = started(complete=False)

    assert player.deadline is None
    player.grow(Timeline([0, 3000], 2))
    assert arrivals(player, T0 + 1) == [1.0, 3.0]


def test_growth_while_paused_at_the_known_end() -> None:
    """Playing on then waits for the whole gap behind the last event delivered."""
    player = started(0, complete=False)
    player.handle(PAUSE, T0 + 1)
    player.grow(Timeline([0, 4000], 2))
    player.handle(PLAY, T0 + 50)

    assert player.deadline == T0 + 54


# ------------------------------------------------------------------------------------------------------ replacing


@pytest.mark.parametrize("status", Status)
def test_another_archive_is_played_from_its_beginning(status: Status) -> None:
    """A rewritten session starts over in the next generation, with the pace that was set; what had ended plays."""
    player = realtime(0, 1000, speed=2.0, idle=3.0, paused=status is Status.PAUSED)
    player.advance(T0 + 9 if status is Status.ENDED else T0)
    outputs = player.replace(Timeline.of(0, 8000, 9000), T0 + 10)

    assert outputs == [Rewind(0, 1)]
    wanted = Status.PAUSED if status is Status.PAUSED else Status.PLAYING
    assert player.snapshot(T0 + 10) == Snapshot(wanted, 0, 0, 1, Mode.REALTIME, 2.0, 3.0, 0)
    assert events(player.handle(PLAY, T0 + 10) + player.advance(T0 + 10)) == [0]
    assert arrivals(player, T0 + 10) == [11.5, 12.0]


def test_another_archive_ends_a_step() -> None:
    """A step through events that are gone goes no further."""
    player = stepping_stones()
    player.allow(2)
    player.handle(Control(step=Step(6, "event")), T0)
    player.replace(Timeline.of(*range(9)), T0)
    player.allow(None)

    assert not player.stepping
    assert player.advance(T0) == []


# ----------------------------------------------------------------------------------------------------- snapshots


@pytest.mark.parametrize(("after", "late_ms"), [(0.0, 0), (4.999, 0), (5.0, 0), (5.25, 250), (65.0, 60_000)])
def test_how_late_the_next_event_is(after: float, late_ms: int) -> None:
    """`late_ms` is by how much the next event is overdue, in whole milliseconds."""
    player = started(0, 5000)
    player.allow(1)
    player.advance(T0 + after)

    assert player.snapshot(T0 + after).late_ms == late_ms


@pytest.mark.parametrize("speed", [0.5, 20.0])
def test_lateness_is_time_on_the_clock(speed: float) -> None:
    """The speed shortens the gaps, not the seconds that somebody waits in vain."""
    player = started(0, 5000, speed=speed)
    player.allow(1)

    assert player.snapshot(T0 + 5 / speed + 2).late_ms == 2000


@pytest.mark.parametrize(("after", "t_ms"), [(0, 0), (0.0004, 0), (0.75, 1500), (2.5, 5000), (99, 5000)])
def test_the_recorded_time_reached(after: float, t_ms: int) -> None:
    """It moves through a gap with the speed, in whole milliseconds, and stops before an event not yet delivered."""
    player = started(0, 5000, speed=2.0)

    assert player.snapshot(T0 + after).t_ms == t_ms


def test_the_recorded_time_in_a_gap_that_takes_no_time() -> None:
    """While the event behind an idle hour cannot be sent, the time reached is that before the hour."""
    player = realtime(0, 2 * HOUR)
    player.allow(1)
    player.advance(T0)

    assert player.snapshot(T0 + 60).t_ms == 0


def test_the_next_seq_and_time_at_the_end() -> None:
    """At the end the next event is the count, and the time the session's duration."""
    player = started(0, 1500)
    player.advance(T0 + 2)

    assert state(player, T0 + 99) == (Status.ENDED, 2, 1500, 0)


@given(
    gaps=st.lists(st.one_of(st.integers(0, 5000), st.sampled_from((HOUR - 1, HOUR, 3 * HOUR))), min_size=1, max_size=6),
    commands=st.lists(
        st.tuples(
            st.floats(0, 3),
            st.sampled_from(
                (PLAY, PAUSE, Control(speed=0.1), Control(speed=77.7), Control(idle=0.3), Control(idle=None))
            ),
        ),
        max_size=12,
    ),
    bound=st.one_of(st.none(), st.integers(0, 7)),
)
def test_without_a_seek_recorded_time_never_goes_back(
    gaps: list[int], commands: list[tuple[float, Control]], bound: int | None
) -> None:
    """Whatever happens to speed, cap and status, a viewer's clock does not jump backwards."""
    player = realtime(*accumulate([0, *gaps]))
    player.allow(bound)
    now, seen = T0, [0]
    for wait, command in commands:
        for moment in (now + wait / 2, now + wait):
            player.advance(moment)
            seen.append(player.snapshot(moment).t_ms)
        now += wait
        player.handle(command, now)
        seen.append(player.snapshot(now).t_ms)

    assert seen == sorted(seen)


# --------------------------------------------------------------------------------------------- the caller's rights


@given(ticks=st.lists(st.floats(0, 4), max_size=30), gaps=st.lists(st.integers(0, 3000), max_size=12))
def test_how_often_it_is_called_does_not_matter(ticks: list[float], gaps: list[int]) -> None:
    """Calls at any moments between deliver, all in all, what one call at the last moment delivers."""
    assume(ticks)
    often, once = realtime(*accumulate([0, *gaps])), realtime(*accumulate([0, *gaps]))
    moments = [T0 + moment for moment in accumulate(ticks)]
    often_seen = [index for moment in moments for index in events(often.advance(moment))]

    assert often_seen == events(once.advance(moments[-1]))
    assert often.snapshot(moments[-1]) == once.snapshot(moments[-1])


def test_a_timeline_is_not_the_player_s_to_change() -> None:
    """Two replays of one session share its timeline, and a cap set in one is not seen in the other."""
    timeline = Timeline.of(0, 60_000)
    first, second = (Player(timeline, T0, mode=Mode.REALTIME) for _ in range(2))
    first.handle(Control(idle=1.0), T0)

    assert timeline.idle is None
    assert second.snapshot(T0).idle is None


# --------------------------------------------------------------------------------------------------------- following


READING = [700] * 9
"""How long it takes to read each of the events here, in milliseconds."""


def following(*times: int, mode: Mode = Mode.REALTIME, speed: float = 1.0) -> Player:
    """A player that follows a session and has caught up with what these times are."""
    player = Player(Timeline(times, len(times), reading=READING), T0, mode=mode, speed=speed, follow=True)
    player.handle(Control(seek=SeekTime(HOUR)), T0)
    assert player.advance(T0) == [LIVE, CaughtUp(len(times))]
    return player


def write(player: Player, *times: int) -> None:
    """Let the session grow by events at these times."""
    known = [*player.timeline.times, *times]
    player.grow(Timeline(known, len(known), reading=READING))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("speed", [0.1, 100.0])
def test_live_events_come_at_once(mode: Mode, speed: float) -> None:
    """Once live, what is written is due when it is known, whatever the mode, the speed and its recorded times."""
    player = following(0, 1000, mode=mode, speed=speed)
    before = player.deadline
    write(player, 60_000, 5 * HOUR)

    assert before is None
    assert player.deadline == -math.inf
    assert player.advance(T0 + 1) == [Deliver(2, 4)]
    assert player.deadline is None
    assert state(player, T0 + 2) == (Status.LIVE, 4, 5 * HOUR, 1)


def test_a_replay_becomes_live_where_the_archive_ends() -> None:
    """What was written while it played is played too, at its pace; `caught_up` comes behind the last of it."""
    player = Player(Timeline((0, 1000), 2), T0, mode=Mode.REALTIME, follow=True)
    player.advance(T0)
    write(player, 3000)

    assert exhaust(player) == [(1.0, Deliver(1, 2)), (3.0, Deliver(2, 3)), (3.0, LIVE), (3.0, CaughtUp(3))]


def test_an_empty_session_is_live_at_once() -> None:
    """There is nothing to catch up with."""
    player = Player(Timeline.of(), T0, follow=True)
    caught_up = player.advance(T0)
    write(player, 0, 10)

    assert caught_up == [LIVE, CaughtUp(0)]
    assert player.advance(T0) == [Deliver(0, 2)]


def test_what_is_still_being_read_is_not_the_end() -> None:
    """Live is who has everything, not who waits for the rest to be read."""
    player = Player(Timeline((0, 10), 2, complete=False), T0, follow=True)
    first = player.advance(T0)
    player.grow(Timeline((0, 10), 2))

    assert first == [Deliver(0, 2)]
    assert player.advance(T0) == [LIVE, CaughtUp(2)]


@pytest.mark.parametrize("mode", Mode)
def test_paused_at_live_then_play_is_live_again(mode: Mode) -> None:
    """While paused nothing comes; then all that was missed, at once, and the next as it is written."""
    player = following(0, mode=mode)
    player.handle(PAUSE, T0 + 1)
    write(player, 90_000, 200_000)
    during = (player.advance(T0 + 2), player.deadline, player.status)
    player.handle(PLAY, T0 + 3)

    assert during == ([], None, Status.PAUSED)
    assert player.status is Status.LIVE
    assert player.advance(T0 + 3) == [Deliver(1, 3)]


def test_a_step_at_live_pauses_and_play_catches_up() -> None:
    """One event is stepped over, the others come when playback goes on."""
    player = following(0)
    player.handle(Control(step=Step(1, "event")), T0)
    at_the_end = (player.status, player.stepping)
    write(player, 10_000, 20_000)
    player.handle(Control(step=Step(1, "event")), T0)
    stepped = player.advance(T0)
    player.handle(PLAY, T0)

    assert at_the_end == (Status.PAUSED, False)
    assert stepped == [Deliver(1, 2)]
    assert (player.status, player.advance(T0)) == (Status.LIVE, [Deliver(2, 3)])


@pytest.mark.parametrize("command", [Control(seek=SeekSeq(0)), Control(step=Step(-1, "event"))])
def test_leaving_the_live_end_is_a_replay_again(command: Control) -> None:
    """Whoever goes back from live, or from a pause there, is paced again up to the end."""
    player = following(0, 2000)
    player.handle(PAUSE, T0)
    player.handle(command, T0)
    player.handle(PLAY, T0)
    came = exhaust(player)

    assert came[-2:] == [(came[-1][0], LIVE), (came[-1][0], CaughtUp(2))]
    assert came[-1][0] == pytest.approx(2.0 if command.seek else 0.0)


def test_paused_before_the_end_is_not_paused_at_live() -> None:
    """Who had not caught up when the pause began goes on at the pace of the recording."""
    player = Player(Timeline((0, 1000), 2), T0, mode=Mode.REALTIME, follow=True)
    player.advance(T0)
    player.handle(PAUSE, T0)
    write(player, 2000)
    player.handle(PLAY, T0)

    assert player.status is Status.PLAYING
    assert arrivals(player) == [1.0, 2.0]


def test_live_keeps_to_the_bound() -> None:
    """A client's window holds live events too."""
    player = following(0)
    player.allow(2)
    write(player, 10, 20, 30)
    first = player.advance(T0)
    waiting = player.deadline
    player.allow(None)

    assert (first, waiting) == ([Deliver(1, 2)], None)
    assert player.advance(T0) == [Deliver(2, 4)]


def test_a_rewritten_session_is_replayed_up_to_live() -> None:
    """It begins anew in the next generation, and a pause stays one."""
    player, paused = following(0, 10), following(0, 10)
    paused.handle(PAUSE, T0)
    outputs = [each.replace(Timeline.of(5, 6, 7), T0) for each in (player, paused)]
    paused.handle(PLAY, T0)

    assert outputs == [[Rewind(0, 2)], [Rewind(0, 2)]]
    for each in (player, paused):
        assert [output for _, output in exhaust(each)][-2:] == [LIVE, CaughtUp(3)]


@pytest.mark.parametrize("where", [SeekSeq(2), SeekTime(40_000)])
def test_events_that_are_unknown_for_a_while_keep_their_moment(where: Seek) -> None:
    """A session that is read anew under its viewer is paced as if it had not been."""
    times = (0, 20_000, 60_000, 70_000)
    player, other = (Player(Timeline(times, 4), T0, mode=Mode.REALTIME, start=where, follow=True) for _ in range(2))
    player.grow(Timeline(times, 2, complete=False))
    waiting = player.deadline
    player.grow(Timeline(times, 3, complete=False))
    player.grow(Timeline(times, 4))

    assert waiting is None
    assert arrivals(player) == arrivals(other)


# ---------------------------------------------------------------------------------------------------- reading pace


def reading(*ms: int, times: Sequence[int] = (), **more: Any) -> Player:
    """A player of events that take so long to read; recorded all at once unless `times` are given."""
    return Player(Timeline(times or [0] * len(ms), len(ms), reading=ms, **more), T0, mode=Mode.READING)


def test_an_event_comes_when_the_one_before_it_has_been_read() -> None:
    """Whenever either was recorded: together, or an hour apart."""
    assert exhaust(reading(500, 2000, 12_000)) == [
        (0.0, Deliver(0, 1)),
        (0.5, Deliver(1, 2)),
        (2.5, Deliver(2, 3)),
        (2.5, ENDED),
    ]
    player = reading(1000, 1000, times=(0, 5 * HOUR))
    assert exhaust(player) == [(0.0, Deliver(0, 1)), (1.0, Skipped(0, 5 * HOUR)), (1.0, Deliver(1, 2)), (1.0, ENDED)]


def test_the_idle_cap_and_the_speed_hold_for_reading_too() -> None:
    """Nobody waits longer than the cap; and who reads fast plays fast."""
    player = reading(8000, 1000, 1, idle=2.0)
    player.handle(Control(speed=2.0), T0)
    assert exhaust(player) == [(1.0, Deliver(1, 2)), (1.5, Deliver(2, 3)), (1.5, ENDED)]


def test_what_was_not_read_yet_is_still_to_be_read_after_a_pause() -> None:
    """Where the recorded time does not tell how much is left, since both events have the same."""
    player = reading(4000, 0)
    player.advance(T0)
    player.handle(Control(play=False), T0 + 1)
    player.handle(Control(speed=0.5), T0 + 100)
    player.handle(Control(play=True, speed=1.0), T0 + 200)
    assert player.advance(T0 + 202.9) == []
    assert player.advance(T0 + 203) == [Deliver(1, 2), ENDED]


def test_after_a_step_the_event_stepped_to_is_read_first() -> None:
    """Before the one after it comes."""
    player = reading(1000, 3000, 0)
    player.handle(Control(step=Step(1, "event")), T0)
    assert player.advance(T0) == [Deliver(1, 2)]
    player.handle(Control(play=True), T0 + 50)
    assert player.deadline == T0 + 53


def test_reading_and_recorded_pace_are_changed_in_the_middle() -> None:
    """The recorded time stays where it is: half a gap read is half a gap waited."""
    player = reading(4000, 0, times=(0, 60_000))
    player.advance(T0)
    assert player.snapshot(T0 + 2).t_ms == 30_000
    player.handle(Control(mode=Mode.REALTIME), T0 + 2)
    assert player.deadline == T0 + 32
    player.handle(Control(mode=Mode.READING), T0 + 17)
    assert player.snapshot(T0 + 17).t_ms == 45_000
    assert player.deadline == T0 + 18
