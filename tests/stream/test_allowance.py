from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrollcast.stream.allowance import Allowance


def test_as_many_at_once_as_in_a_second() -> None:
    """The next one has to wait for its share of a second."""
    allowance = Allowance(10, now=0.0)

    assert [allowance.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not allowance.take(0.05)
    assert allowance.take(0.15)
    assert not allowance.take(0.15)


def test_some_things_count_less() -> None:
    """By their share."""
    allowance = Allowance(2, now=0.0)
    assert [allowance.take(0.0, 0.5) for _ in range(5)] == [True] * 4 + [False]


def test_what_was_not_used_is_kept_for_a_second_only() -> None:
    """After an hour there are no more than after a second."""
    allowance = Allowance(10, now=0.0)

    assert sum(allowance.take(3600.0) for _ in range(100)) == 10


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), max_size=200))
def test_never_more_than_that_and_those_at_once(a_second: int, pauses: list[float]) -> None:
    """However they are spread, within any time there are at most those of that time and of a second more."""
    allowance, now, taken = Allowance(a_second, now=0.0), 0.0, 0
    for pause in pauses:
        now += pause
        taken += allowance.take(now)

    assert taken <= a_second * (now + 1) + 1e-6
