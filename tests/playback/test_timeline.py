import math
from itertools import accumulate, pairwise
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.model import REPORTED_GAP_MS
from scrollcast.playback.timeline import IDLE_HOUR_MS, Timeline, Unit

HOUR = 3_600_000

Flags: TypeAlias = list[bool]

gaps_ms = st.one_of(st.just(0), st.integers(0, 10_000), st.integers(HOUR - 2, HOUR + 2), st.integers(0, 10 * HOUR))
idle_caps = st.one_of(st.none(), st.floats(0.001, 8000))
lists_of_times = st.lists(gaps_ms, min_size=1, max_size=20).map(lambda gaps: list(accumulate(gaps)))


# --------------------------------------------------------------------------------------------------------- gaps


@pytest.mark.parametrize(
    ("gap", "idle", "seconds"),
    [
        (0, None, 0.0),
        (0, 1.0, 0.0),
        (1, None, 0.001),
        (2500, None, 2.5),
        (HOUR - 1, None, 3599.999),
        (HOUR, None, 0.0),
        (HOUR + 1, None, 0.0),
        (30 * HOUR, None, 0.0),
        (1999, 2.0, 1.999),
        (2000, 2.0, 2.0),
        (2001, 2.0, 2.0),
        (HOUR - 1, 2.0, 2.0),
        (HOUR - 1, 9999.0, 3599.999),
        (HOUR, 2.0, 0.0),
        (HOUR, 9999.0, 0.0),
    ],
)
def test_the_length_of_a_gap(gap: int, idle: float | None, seconds: float) -> None:
    """A gap takes its own length or the cap, and none at all from an hour on, before any speed."""
    timeline = Timeline.of(500, 500 + gap, idle=idle)

    assert timeline.length(1) == seconds


@pytest.mark.parametrize("times", [(5000, 5000, 4000), (5000, 5000, 5000)], ids=["backwards", "equal"])
def test_time_that_does_not_go_on_takes_none(times: tuple[int, int, int]) -> None:
    """A gap of no length, or of a negative one, is not waited for."""
    timeline = Timeline.of(*times)

    assert (timeline.gap_ms(2), timeline.length(2), timeline.left(2, 4500)) == (0, 0.0, 0.0)


def test_there_is_no_gap_before_the_first_event() -> None:
    """The first event is waited for by nobody, whatever its recorded time."""
    timeline = Timeline.of(7000, 8000)

    assert (timeline.gap_ms(0), timeline.length(0), timeline.is_cut(0)) == (0, 0.0, False)


@pytest.mark.parametrize(
    ("gap", "idle", "is_cut"),
    [
        (2999, 0.5, False),
        (3000, 0.5, True),
        (3000, 2.999, True),
        (3000, 3.0, False),
        (3000, None, False),
        (HOUR - 1, None, False),
        (HOUR - 1, 3599.999, False),
        (HOUR - 1, 3599.998, True),
        (HOUR, None, True),
        (HOUR, 9999.0, True),
        (0, 0.5, False),
    ],
)
def test_which_cut_gaps_are_reported(gap: int, idle: float | None, is_cut: bool) -> None:
    """A gap is reported from 3 s on, when the cap or the one-hour rule makes it shorter than it was."""
    timeline = Timeline.of(0, gap, idle=idle)

    assert timeline.is_cut(1) is is_cut


def test_the_limits_are_those_of_the_protocol() -> None:
    """An hour, and 3 s."""
    assert (IDLE_HOUR_MS, REPORTED_GAP_MS) == (HOUR, 3000)


# ---------------------------------------------------------------------------------------------------- positions


@pytest.mark.parametrize(
    ("t_ms", "index"),
    [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 4), (4999, 4), (5000, 4), (5001, 5), (10**18, 5)],
)
def test_the_first_event_at_or_after_a_time(t_ms: int, index: int) -> None:
    """Of events with the same time it is the first; past the last one it is the count."""
    timeline = Timeline.of(0, 1000, 1000, 1000, 5000)

    assert timeline.index_at(t_ms) == index


@pytest.mark.parametrize(
    ("t_ms", "idle", "left"),
    [
        (1000, None, 8.0),
        (3000, None, 6.0),
        (8999, None, 0.001),
        (9000, None, 0.0),
        (1000, 2.0, 2.0),
        (3000, 2.0, 1.5),
        (5000, 2.0, 1.0),
        (9000, 2.0, 0.0),
        (0, 2.0, 2.0),
        (9500, 2.0, 0.0),
    ],
)
def test_a_point_inside_a_gap_maps_linearly_into_what_is_left_of_it(t_ms: int, idle: float | None, left: float) -> None:
    """Half way through the recorded gap is half way through the shortened one; outside of it, its nearer end."""
    timeline = Timeline.of(0, 1000, 9000, idle=idle)

    assert timeline.left(2, t_ms) == left


@pytest.mark.parametrize("t_ms", [0, 1, HOUR // 2, HOUR])
def test_nothing_is_left_of_an_hour(t_ms: int) -> None:
    """Every point of a gap of an hour or more is the same instant of playback."""
    timeline = Timeline.of(0, HOUR)

    assert timeline.left(1, t_ms) == 0.0
    assert timeline.recorded(1, 0.0) is None


@pytest.mark.parametrize(("left", "t_ms"), [(2.0, 1000), (1.5, 3000), (0.0, 9000), (-4.0, 9000), (2.5, 1000)])
def test_the_time_at_which_so_much_is_left(left: float, t_ms: float) -> None:
    """The inverse of `left`, and never outside the gap."""
    timeline = Timeline.of(0, 1000, 9000, idle=2.0)

    assert timeline.recorded(2, left) == t_ms


@given(gap=st.integers(1, HOUR - 1), idle=idle_caps, share=st.floats(0, 1))
def test_recorded_undoes_left(gap: int, idle: float | None, share: float) -> None:
    """Going into a gap's playback and back again loses less than a microsecond of recorded time."""
    timeline = Timeline.of(0, gap, idle=idle)
    t_ms = gap * share

    assert timeline.recorded(1, timeline.left(1, t_ms)) == pytest.approx(t_ms, abs=1e-3)


@given(gap=gaps_ms, idle=idle_caps, points=st.lists(st.floats(0, 1), min_size=2))
def test_left_never_grows_with_time(gap: int, idle: float | None, points: list[float]) -> None:
    """A later point of a gap never has more left before it than an earlier one."""
    timeline = Timeline.of(0, gap, idle=idle)
    lefts = [timeline.left(1, gap * point) for point in sorted(points)]

    assert lefts == sorted(lefts, reverse=True)
    assert all(0 <= left <= timeline.length(1) for left in lefts)


@given(times=lists_of_times, t_ms=st.integers(0, 100 * HOUR))
def test_index_at_counts_the_events_before(times: list[int], t_ms: int) -> None:
    """The first event at or after a time has all the events before that time in front of it."""
    assert Timeline.of(*times).index_at(t_ms) == sum(time < t_ms for time in times)


# ------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize(("times", "duration"), [((), 0), ((0,), 0), ((0, 700, 700), 700)])
def test_the_duration_is_the_last_event_s_time(times: tuple[int, ...], duration: int) -> None:
    """An empty session lasts no time."""
    assert Timeline.of(*times).duration_ms == duration


def test_only_the_first_count_events_are_there() -> None:
    """A list that is longer, as one that another thread appends to, does not show before it is counted."""
    timeline = Timeline([0, 1000, 2000, 3000], 2, turns=[0, 3], tools=[2, 3])

    assert timeline.duration_ms == 1000
    assert timeline.index_at(2500) == 2
    assert timeline.forward(0, "event", 9) == 2
    assert timeline.forward(1, "turn", 1) == 2
    assert timeline.forward(0, "tool", 1) == 2


def test_another_idle_cap_makes_another_timeline() -> None:
    """A timeline never changes; the one with another cap has the same events."""
    timeline = Timeline([0, 9000], 2, complete=False, turns=[0], tools=[1])
    capped = timeline.paced(3.0, by_reading=False)

    assert (timeline.length(1), capped.length(1)) == (9.0, 3.0)
    assert capped == Timeline([0, 9000], 2, complete=False, idle=3.0, turns=[0], tools=[1])
    assert capped.paced(None, by_reading=False) == timeline


# -------------------------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize(
    ("cursor", "unit", "steps", "index"),
    [
        (0, "event", 1, 1),
        (0, "event", 3, 3),
        (6, "event", 9, 8),
        (8, "event", 1, 8),
        (0, "turn", 1, 1),
        (1, "turn", 1, 4),
        (0, "turn", 2, 4),
        (3, "turn", 1, 4),
        (4, "turn", 1, 8),
        (0, "turn", 3, 8),
        (0, "tool", 1, 3),
        (2, "tool", 1, 3),
        (3, "tool", 1, 6),
        (0, "tool", 2, 6),
        (0, "tool", 2**53, 8),
        (0, "error", 1, 7),
        (6, "error", 1, 7),
        (7, "error", 1, 8),
    ],
)
def test_a_step_forward_goes_behind_the_unit(cursor: int, unit: Unit, steps: int, index: int) -> None:
    """It ends after the n-th unit at or after the cursor, and at the end where there are not so many."""
    timeline = Timeline(range(8), 8, turns=[0, 3], tools=[2, 5], errors=[6])

    assert timeline.forward(cursor, unit, steps) == index


@pytest.mark.parametrize(
    ("cursor", "unit", "steps", "index"),
    [
        (8, "event", 1, 7),
        (3, "event", 3, 0),
        (3, "event", 4, 0),
        (0, "event", 1, 0),
        (8, "turn", 1, 3),
        (4, "turn", 1, 3),
        (3, "turn", 1, 0),
        (8, "turn", 2, 0),
        (8, "turn", 3, 0),
        (0, "turn", 1, 0),
        (8, "tool", 1, 5),
        (5, "tool", 1, 2),
        (8, "tool", 2, 2),
        (2, "tool", 1, 0),
        (8, "tool", 2**53, 0),
        (8, "error", 1, 6),
        (7, "error", 1, 6),
        (6, "error", 1, 0),
    ],
)
def test_a_step_backward_goes_to_the_unit(cursor: int, unit: Unit, steps: int, index: int) -> None:
    """It ends at the n-th unit before the cursor, and at the start where there are not so many."""
    timeline = Timeline(range(8), 8, turns=[0, 3], tools=[2, 5], errors=[6])

    assert timeline.backward(cursor, unit, steps) == index


@given(flags=st.lists(st.booleans(), max_size=12), data=st.data(), steps=st.integers(1, 14))
def test_steps_agree_with_counting_one_by_one(flags: Flags, data: st.DataObject, steps: int) -> None:
    """Walking from the cursor event by event and counting the units gives the same places."""
    count = len(flags)
    cursor = data.draw(st.integers(0, count))
    timeline = Timeline(range(count), count, turns=[seq for seq, is_turn in enumerate(flags) if is_turn])
    ahead = [seq for seq in range(cursor, count) if flags[seq]]
    behind = [seq for seq in reversed(range(cursor)) if flags[seq]]

    assert timeline.forward(cursor, "turn", steps) == (ahead[steps - 1] + 1 if len(ahead) >= steps else count)
    assert timeline.backward(cursor, "turn", steps) == (behind[steps - 1] if len(behind) >= steps else 0)


@given(times=lists_of_times, idle=idle_caps)
def test_all_gaps_together_follow_the_pacing_rules(times: list[int], idle: float | None) -> None:
    """The whole playback lasts as long as the sum of the protocol's own formula over the gaps."""
    timeline = Timeline.of(*times, idle=idle)
    cap = math.inf if idle is None else idle
    gaps = [(later - earlier) / 1000 for earlier, later in pairwise(times)]

    assert math.fsum(timeline.length(index) for index in range(len(times))) == math.fsum(
        0.0 if gap >= 3600 else min(gap, cap) for gap in gaps
    )


# ------------------------------------------------------------------------------------------------- a part of a session


@given(
    times=st.lists(st.one_of(st.integers(0, 9_000), st.integers(0, 3 * HOUR)), min_size=2, max_size=20),
    idle=idle_caps,
    by_reading=st.booleans(),
    data=st.data(),
)
def test_many_lengths_are_those_of_each(
    times: list[int], idle: float | None, by_reading: bool, data: st.DataObject
) -> None:
    """Up to the first gap that is cut, wherever they begin, and though time may go back."""
    timeline = Timeline(times, len(times), True, idle, reading=[300] * len(times), by_reading=by_reading)
    start = data.draw(st.integers(1, len(times) - 1))
    stop = data.draw(st.integers(start, len(times)))
    last = next(filter(timeline.is_cut, range(start, stop)), stop - 1)

    assert timeline.lengths(start, stop) == [timeline.length(index) for index in range(start, last + 1)]


def test_what_lies_before_the_first_event_is_not_there() -> None:
    """Neither to be sought, nor stepped to, nor waited for."""
    times = (0, 1000, 5000, 6000, 9000)
    part = Timeline(times, 4, turns=(0, 2), tools=(1, 3), first=2)

    assert (part.start_ms, part.duration_ms) == (5000, 6000)
    assert [part.index_at(t_ms) for t_ms in (0, 5000, 5001, 7000)] == [2, 2, 3, 4]
    assert (part.gap_ms(2), part.length(2), part.gap_ms(3)) == (0, 0.0, 1000)
    assert [part.backward(4, "event", 9), part.backward(4, "turn", 9), part.backward(4, "tool", 9)] == [2, 2, 2]
    assert part.backward(4, "tool", 2) == 2
    assert part.forward(2, "turn", 1) == 3


def test_a_part_without_events_takes_no_time() -> None:
    """Wherever it lies, nothing of what is around it is told."""
    part = Timeline((0, 1000, 5000), 1, first=1)

    assert (part.start_ms, part.duration_ms, part.index_at(3000)) == (0, 0, 1)
