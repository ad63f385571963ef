from __future__ import annotations

from scrollcast.settings import MAX_CONNECTIONS_OF_ADDRESS
from scrollcast.web.doors import Doors

AWAY = "192.0.2.7"
HERE = "127.0.0.1"


def filled(doors: Doors, address: str) -> int:
    """How many connections with an address are let in."""
    count = 0
    while doors.refusal(address) is None:
        doors.enter(address)
        count += 1
    return count


def test_no_more_than_there_may_be_in_all() -> None:
    """Whoever they are with; a place that is free again is given again."""
    doors = Doors(3)
    doors.enter(HERE)
    doors.enter(AWAY)
    doors.enter("192.0.2.8")
    reason = doors.refusal(HERE)
    doors.leave(AWAY)

    assert reason is not None
    assert "3 connections" in reason
    assert doors.refusal(HERE) is None
    assert doors.open == 2


def test_no_more_with_one_address_than_it_may_have() -> None:
    """Others are let in all the same, and it is again when one of its connections has gone."""
    doors = Doors(10_000)

    assert filled(doors, AWAY) == MAX_CONNECTIONS_OF_ADDRESS
    assert doors.refusal("192.0.2.8") is None
    doors.leave(AWAY)
    assert doors.refusal(AWAY) is None


def test_this_machines_own_addresses_have_no_bound_of_their_own() -> None:
    """Unless one was set: behind a proxy everybody has one of them."""
    assert filled(Doors(2_000), HERE) == 2_000
    assert filled(Doors(2_000), "::1") == 2_000
    assert filled(Doors(2_000), "") == 2_000
    assert filled(Doors(2_000, 7), HERE) == 7
    assert filled(Doors(2_000, 900), AWAY) == 900


def test_nobody_is_let_in_when_the_server_stops() -> None:
    """Who is in stays counted."""
    doors = Doors(10)
    doors.enter(HERE)
    doors.closing = True

    assert doors.refusal(HERE) is not None
    assert doors.open == 1
