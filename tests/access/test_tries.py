from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scrollcast.access.tries import MAX_ADDRESSES, MAX_TRIES, WINDOW_SECONDS, OwnTries, SharedTries, Tries
from scrollcast.errors import TooManyTries
from serving import child_environment


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


@pytest.fixture(params=["own", "shared"])
def tries(request: pytest.FixtureRequest, clock: Clock, tmp_path: Path) -> Tries:
    """Nobody has failed yet, as far as one process knows, or several."""
    shared = SharedTries(tmp_path / "tries", b"key") if request.param == "shared" else None
    return Tries(clock, shared)


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


def test_what_is_remembered_is_bounded(clock: Clock) -> None:
    """Whoever comes from everywhere costs no more than so many."""
    tries = Tries(clock)
    for number in range(MAX_ADDRESSES + 500):
        tries.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert isinstance(tries._failed, OwnTries)
    assert len(tries._failed) == MAX_ADDRESSES


def test_what_is_shared_is_bounded_and_forgets_the_oldest(clock: Clock, tmp_path: Path) -> None:
    """The file stays as large as it is; one who failed just now is known whoever came before."""
    path = tmp_path / "tries"
    tries = Tries(clock, SharedTries(path, b"key"))
    size = path.stat().st_size
    for number in range(2 * MAX_ADDRESSES):
        clock.now = number / 1_000_000
        tries.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    fail(tries, "192.0.2.1")

    with pytest.raises(TooManyTries):
        tries.check("192.0.2.1")
    assert path.stat().st_size == size < 1 << 20


def test_all_who_share_it_count_together(clock: Clock, tmp_path: Path) -> None:
    """Whichever of them somebody comes to; one that is started later knows of it too."""
    first, second = (Tries(clock, SharedTries(tmp_path / "tries", b"key")) for _ in range(2))
    fail(first, "192.0.2.1", MAX_TRIES // 2)
    fail(second, "192.0.2.1", MAX_TRIES - MAX_TRIES // 2)
    third = Tries(clock, SharedTries(tmp_path / "tries", b"key"))

    for tries in (first, second, third):
        with pytest.raises(TooManyTries):
            tries.check("192.0.2.1")
        tries.check("192.0.2.2")


def test_many_processes_lose_hardly_any(tmp_path: Path) -> None:
    """They wait for each other, but for none that was stopped in the middle."""
    code = (
        "import sys; from pathlib import Path; from scrollcast.access.tries import SharedTries\n"
        "tries = SharedTries(Path(sys.argv[1]), b'key')\n"
        "for number in range(2000): tries.add('192.0.2.1', 1.0)"
    )
    path = tmp_path / "tries"
    started = [subprocess.Popen([sys.executable, "-c", code, path], env=child_environment(tmp_path)) for _ in range(4)]

    assert [process.wait(30) for process in started] == [0] * 4
    _, count = SharedTries(path, b"key").get("192.0.2.1")
    assert 7_500 < count <= 8_000
