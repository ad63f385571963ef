from contextlib import ExitStack, suppress
from dataclasses import dataclass
from uuid import uuid4

import pytest

from scrollcast.errors import TooManySessions, TooManyStreams
from scrollcast.stream.registry import MAX_STREAMS, StreamRegistry

ONE, OTHER = uuid4(), uuid4()


@dataclass(eq=False)
class Counted:
    """What a registry asks of a stream."""

    sent: int = 0
    sent_bytes: int = 0
    seeks: int = 0
    refused: int = 0
    state: str = "playing"


def test_streams_are_counted_in_and_out() -> None:
    """A stream is open for as long as its block lasts."""
    registry = StreamRegistry()
    with registry.admit():
        with registry.admit():
            most = registry.open
        fewer = registry.open

    assert (most, fewer, registry.open) == (2, 1, 0)


def test_a_stream_that_fails_is_counted_out() -> None:
    """However a stream ends, its place is free again, and the error goes on."""
    registry = StreamRegistry(limit=1)

    with pytest.raises(LookupError), registry.admit():
        raise LookupError
    assert registry.open == 0
    with registry.admit():
        assert registry.open == 1


def test_no_more_streams_than_allowed() -> None:
    """One too many is refused with the limit and when to come back, and does not count."""
    registry = StreamRegistry(limit=2)
    with registry.admit(), registry.admit():
        with pytest.raises(TooManyStreams) as caught, registry.admit():
            pytest.fail("the block must not run")
        still_open = registry.open

    assert still_open == 2
    assert (caught.value.limit, caught.value.retry_after_ms) == (2, 5000)


def test_a_place_that_is_free_again_is_given_again() -> None:
    """After a refusal the next stream gets the place of one that has closed."""
    registry = StreamRegistry(limit=1)
    with registry.admit(), pytest.raises(TooManyStreams), registry.admit():
        pytest.fail("the block must not run")

    with registry.admit():
        assert registry.open == 1


def test_no_stream_at_all() -> None:
    """A limit of none refuses the first."""
    registry = StreamRegistry(limit=0)

    with pytest.raises(TooManyStreams), registry.admit():
        pytest.fail("the block must not run")


def test_the_limit_when_none_is_given() -> None:
    """By default there is room for as many as the process was measured to carry."""
    registry = StreamRegistry()
    registry.open = MAX_STREAMS - 1
    with registry.admit(), pytest.raises(TooManyStreams), registry.admit():
        pytest.fail("the block must not run")

    assert registry.open == MAX_STREAMS - 1


def test_no_more_sessions_than_allowed() -> None:
    """Streams of one that is played already are let in, however its id is written."""
    registry = StreamRegistry(max_sessions=1)
    spellings = (str(ONE), str(ONE).upper(), ONE.hex, f"{{{ONE}}}")
    with ExitStack() as let_in:
        for spelling in spellings:
            let_in.enter_context(registry.admit(spelling))
        with pytest.raises(TooManySessions) as caught, registry.admit(str(OTHER)):
            pytest.fail("the block must not run")
        played = registry.sessions
    with registry.admit(str(OTHER)):
        pass

    assert played == 1
    assert registry.sessions == 0
    assert (caught.value.limit, caught.value.retry_after_ms) == (1, 5000)
    assert "1 sessions" in str(caught.value)


def test_what_streams_did_is_added_up() -> None:
    """Of those that play, and of those that have ended, whichever way."""
    registry = StreamRegistry()
    one, two = Counted(sent=3, sent_bytes=30), Counted(state="paused")
    with registry.playing(one):
        with suppress(LookupError), registry.playing(two):
            two.sent, two.seeks = 5, 1
            states = registry.states()
            raise LookupError
        one.sent_bytes = 40
        during, left = registry.totals(), registry.states()

    assert states == {"playing": 1, "paused": 1}
    assert left == {"playing": 1}
    assert during == registry.totals() == {"streams": 2, "events": 8, "bytes": 40, "seeks": 1, "refused": 0}
    assert registry.states() == {}
