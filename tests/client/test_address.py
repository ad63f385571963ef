from __future__ import annotations

import pytest

from scrollcast.client.address import Address


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("ws://h:1/ws/sessions/abc", "ws://h:1/ws/sessions/abc"),
        ("wss://h/ws/sessions/abc", "wss://h/ws/sessions/abc"),
        ("http://h:1/sessions/abc", "ws://h:1/ws/sessions/abc"),
        ("https://h/x/y/sessions/abc/#t=12", "wss://h/x/y/ws/sessions/abc"),
        ("ws://h/x/ws/sessions/abc?speed=2", "ws://h/x/ws/sessions/abc"),
    ],
)
def test_what_a_person_has_at_hand_leads_to_the_socket(given: str, wanted: str) -> None:
    """The page's address or the socket's, behind a prefix or not."""
    assert Address(given, {}).url().partition("?")[0] == wanted


@pytest.mark.parametrize(
    "given", ["", "abc", "ftp://h/sessions/abc", "http://h/", "http:///sessions/abc", "ws://h/abc"]
)
def test_what_is_no_address_of_a_session_is_refused(given: str) -> None:
    """With words that say what one looks like."""
    with pytest.raises(ValueError, match="looks like ws://"):
        Address(given, {})


def test_parameters_add_to_those_of_the_address() -> None:
    """What is given in the program counts; `None` leaves it to the server."""
    address = Address("ws://h/ws/sessions/a?speed=2&idle=3", {"speed": 4, "follow": True, "window": None})
    assert address.url() == "ws://h/ws/sessions/a?batch=65536&speed=4&idle=3&follow=true"
    assert address.url({"idle": None, "start_seq": 7}).endswith("?batch=65536&speed=4&follow=true&start_seq=7")


def test_many_events_come_in_a_message_unless_something_else_is_said() -> None:
    """In the address or in the program."""
    assert Address("ws://h/ws/sessions/a?batch=0", {}).url() == "ws://h/ws/sessions/a?batch=0"
    assert Address("ws://h/ws/sessions/a?batch=0", {"batch": 5}).url() == "ws://h/ws/sessions/a?batch=5"
