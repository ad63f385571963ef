from __future__ import annotations

from scrollcast.terminal.playhead import Pace, Playhead

HOUR_MS = 3_600_000


def test_a_point_in_a_silence_maps_linearly_into_what_is_left_of_it() -> None:
    """Both ways."""
    pace = Pace([(10_000, 30_000)], 40_000, idle=5)

    assert [pace.offset_of(ms) for ms in (10_000, 20_000, 30_000, 40_000)] == [10_000, 12_500, 15_000, 25_000]
    assert [pace.recorded_at(offset) for offset in (10_000, 12_500, 15_000, 25_000)] == [10_000, 20_000, 30_000, 40_000]
    assert pace.length == 25_000


def test_an_hour_is_not_waited_for() -> None:
    """Whatever the cap."""
    assert Pace([(1_000, 1_000 + HOUR_MS)], 2_000 + HOUR_MS).length == 2_000


def test_it_goes_on_from_the_last_word_of_the_server() -> None:
    """At the speed, and no further than the next event may be."""
    playhead = Playhead(Pace([], 60_000), t_ms=10_000, now=100.0, moving=True, speed=2)

    assert playhead.at(101.0) == 12_000
    assert playhead.at(200.0) == 13_000
    assert playhead.time_left(101.0) == 24


def test_it_runs_through_a_silence_in_the_time_that_is_left_of_it() -> None:
    """And says how long that is."""
    playhead = Playhead(Pace([(10_000, 30_000)], 40_000, idle=5), t_ms=10_000, now=0.0, moving=True, speed=1)

    assert playhead.at(2.5) == 20_000
    assert playhead.wait_left(2.5) == 2.5
    assert playhead.at(9.0) == 30_000


def test_it_stands_while_nothing_moves() -> None:
    """Paused, or where only events move it; then nobody can tell how long it takes."""
    assert Playhead(Pace([], 60_000), 10_000, 0.0, moving=False, speed=1).at(50) == 10_000
    reading = Playhead(Pace([], 60_000), 10_000, 0.0, moving=True, speed=0)
    assert reading.at(50) == 10_000
    assert reading.time_left(50) is None
