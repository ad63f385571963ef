import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.playback.playhead import Playhead

seconds = st.floats(0, 1e9, allow_nan=False)
speeds = st.floats(0.1, 100)


@pytest.mark.parametrize(
    ("now", "offset"),
    [(100.0, 5.0), (101.0, 7.0), (110.0, 25.0), (99.0, 3.0)],
    ids=["at its anchor", "a second later", "ten seconds later", "a second earlier"],
)
def test_at_moves_with_the_speed(now: float, offset: float) -> None:
    """The offset moves by `speed` seconds in each second of the clock."""
    playhead = Playhead(base=5.0, since=100.0, speed=2.0)

    assert playhead.at(now) == offset


@pytest.mark.parametrize(("offset", "due"), [(5.0, 100.0), (7.0, 101.0), (25.0, 110.0)])
def test_due_is_when_an_offset_is_reached(offset: float, due: float) -> None:
    """An offset is due when the clock has run for its distance divided by the speed."""
    playhead = Playhead(base=5.0, since=100.0, speed=2.0)

    assert playhead.due(offset) == due


@given(base=seconds, since=seconds, speed=speeds, distance=st.floats(0, 1e6))
def test_at_undoes_due(base: float, since: float, speed: float, distance: float) -> None:
    """At the clock time when an offset is due, that offset is reached, up to the clock's own rounding."""
    playhead = Playhead(base, since, speed)
    due = playhead.due(base + distance)

    assert playhead.at(due) == pytest.approx(base + distance, abs=4 * speed * math.ulp(due) + math.ulp(base + distance))


@given(base=seconds, since=seconds, speed=speeds, offsets=st.lists(seconds, min_size=2))
def test_due_keeps_the_order_of_offsets(base: float, since: float, speed: float, offsets: list[float]) -> None:
    """What is later on the timeline is never due sooner, however the numbers round."""
    playhead = Playhead(base, since, speed)
    dues = [playhead.due(offset) for offset in sorted(offsets)]

    assert dues == sorted(dues)
