from __future__ import annotations

import pytest

from scrollcast.access.tries import MAX_ADDRESSES, MAX_TRIES, WINDOW_SECONDS, Tries
from scrollcast.errors import TooManyTries


class Clock:
    """Seconds, as the test wants them."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands still."""
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> Tries:
    """Nobody has failed yet."""
    return Tries(clock)


def fail(tries: Tries, address: str, count: int = MAX_TRIES) -> None:
    """So many wrong tokens."""
    for _ in range(count):
        tries.check(address)
        tries.note(address)


def test_after_so_many_nothing_is_looked_at_until_the_window_is_over(tries: Tries, clock: Clock) -> None:
    """It is said for how long."""
    fail(tries, "192.0.2.1")
    clock.now = 20.5

    with pytest.raises(TooManyTries) as caught:
        tries.check("192.0.2.1")
    assert caught.value.retry_after == 40
    clock.now = WINDOW_SECONDS
    fail(tries, "192.0.2.1")
    with pytest.raises(TooManyTries):
        tries.check("192.0.2.1")


def test_another_address_is_not_held_up(tries: Tries) -> None:
    """Nor is one that failed a little less often."""
    fail(tries, "192.0.2.1")
    fail(tries, "192.0.2.2", MAX_TRIES - 1)

    tries.check("192.0.2.2")
    tries.check("192.0.2.3")


@pytest.mark.parametrize(("other", "is_same"), [("2001:db8:0:1::9", True), ("2001:db8:0:2::1", False)])
def test_a_network_of_ipv6_counts_as_one(tries: Tries, other: str, is_same: bool) -> None:
    """Its 64 bits are one party's."""
    fail(tries, "2001:db8:0:1::1")

    if is_same:
        with pytest.raises(TooManyTries):
            tries.check(other)
    else:
        tries.check(other)


def test_what_is_remembered_is_bounded(tries: Tries) -> None:
    """Whoever comes from everywhere costs no more than so many."""
    for number in range(MAX_ADDRESSES + 500):
        tries.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(tries._failed) == MAX_ADDRESSES
