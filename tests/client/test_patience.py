from __future__ import annotations

from scrollcast.client.patience import LONGEST_WAIT, Patience


def test_waits_grow_up_to_a_bound_and_end() -> None:
    """They are random, so that the clients of one server spread out."""
    patience = Patience(60)
    waits = [patience.wait(now) for now in range(60)]
    assert all(wait is not None and wait <= min(LONGEST_WAIT, 0.25 * 2**tries) for tries, wait in enumerate(waits))
    assert len(set(waits)) > 50
    assert patience.wait(60.0) is None


def test_a_connection_begins_anew() -> None:
    """The time before it does not count."""
    patience = Patience(10)
    patience.wait(0.0)
    patience.succeeded()
    assert patience.wait(100.0) is not None


def test_what_the_server_asks_for_is_waited() -> None:
    """At least."""
    assert Patience(10).wait(0.0, retry_after=3.0) == 3.0
