import pytest

from scrollcast.errors import TooManyStreams
from scrollcast.stream.registry import MAX_STREAMS, StreamRegistry


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
