"""An event when it is time, from what was worked out before; anything else is the stream's."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field

import pytest

from scrollcast.stream.pacer import Pacer
from scrollcast.stream.plain_play import PlainPlay

DUES = [10.0, 11.0, 12.5, 20.0]


@dataclass(eq=False)
class Stream:
    """A stream that notes what it is asked for."""

    asked: list[object] = field(default_factory=list)
    takes: bool = True
    next_at: float = 30.0
    busy_at: float = 100.0
    done_until: float | None = None
    problem: Exception | None = None

    def send_at_once(self, seq: int) -> bool:
        """Send an event that is not kept."""
        self.asked.append(seq)
        return self.takes

    def look_ahead(self, _most: int) -> float:
        """When there is something to do after all that was foreseen."""
        self.asked.append("look ahead")
        return self.next_at

    def beat_at_once(self, now: float) -> float:
        """A heartbeat."""
        self.asked.append("a heartbeat")
        return self.busy_at

    def do_at_once(self, now: float) -> float | None:
        """Anything else."""
        self.asked.append(now)
        if self.problem is not None:
            raise self.problem
        return self.done_until

    def wake(self) -> None:
        """Take as long as it takes."""
        self.asked.append("wake")

    def fail(self, problem: Exception) -> None:
        """What went wrong."""
        self.asked.append(problem)

    def send(self, head: bytes, tail: bytes | bytearray) -> bool:
        """Send an event that is kept."""
        self.asked.append(head + tail)
        return self.takes


@pytest.fixture
def stream() -> Stream:
    """A stream."""
    return Stream()


@pytest.fixture
def plain(stream: Stream) -> PlainPlay:
    """Its plain play of the events 5, 6 and 7, of which the second is kept."""
    plain = PlainPlay(Pacer(), stream, stream.send)
    plain.head, plain.kept = b"head ", {6: b"six"}
    plain.foresee(5, DUES, 100.0)
    return plain


def test_each_event_is_sent_when_it_is_due(plain: PlainPlay, stream: Stream) -> None:
    """And behind the last one it is looked what comes next."""
    again = [plain.ring(now) for now in (10.001, 11.0, 12.6)]

    assert stream.asked == [5, b"head six", 7, "look ahead"]
    assert again == [11.0, 12.5, 30.0]
    assert (plain.untold, plain.tell(), plain.untold) == (3, 3, 0)


@pytest.mark.parametrize(
    "now",
    [pytest.param(11.0, id="two are due"), pytest.param(50.0, id="all are due")],
)
def test_anything_but_one_event_is_the_streams(plain: PlainPlay, stream: Stream, now: float) -> None:
    """Nothing is sent without it."""
    assert plain.ring(now) is None
    assert stream.asked == [now, "wake"]
    assert plain.untold == 0


def test_nothing_is_sent_early(plain: PlainPlay, stream: Stream) -> None:
    """A tick that comes too soon sets the time once more."""
    assert plain.ring(9.999) == 10.0
    assert stream.asked == []


def test_what_cannot_be_sent_at_once_wakes_the_stream(plain: PlainPlay, stream: Stream) -> None:
    """It is tried once, and not counted as sent."""
    stream.takes = False
    again = [plain.ring(10.0)]
    plain.foresee(6, DUES[1:], 100.0)
    again.append(plain.ring(11.0))

    assert again == [None, None]
    assert stream.asked == [5, "wake", b"head six", "wake"]
    assert plain.untold == 0


def test_the_stream_sleeps_on_where_it_could_do_all(plain: PlainPlay, stream: Stream) -> None:
    """Until it says."""
    stream.done_until = 60.0

    assert plain.ring(50.0) == 60.0
    assert stream.asked == [50.0]


def test_what_became_due_meanwhile_is_done(plain: PlainPlay, stream: Stream) -> None:
    """Where it turns out, after the last event, that there is more to do at once."""
    plain.foresee(5, DUES[:2], 100.0)
    stream.next_at = 10.0

    assert plain.ring(10.5) is None
    assert stream.asked == [5, "look ahead", 10.5, "wake"]


def test_a_heartbeat_comes_between(plain: PlainPlay, stream: Stream) -> None:
    """What was foreseen goes on behind it, also in the same tick; it is told of once only."""
    plain.foresee(5, DUES, 10.5)
    again = [plain.ring(10.0), plain.ring(10.5)]
    told = plain.tell()
    stream.busy_at = 50.0
    plain.foresee(6, DUES[1:], 11.0)
    again.append(plain.ring(11.0))

    assert stream.asked == [5, "a heartbeat", "a heartbeat", b"head six"]
    assert again == [10.5, 11.0, 12.5]
    assert (told, plain.tell(), plain.tell()) == (1, 1, 0)


def test_a_heartbeat_that_has_to_wait_is_the_streams(plain: PlainPlay, stream: Stream) -> None:
    """And so is the end of a replay."""
    stream.busy_at = 10.5
    plain.foresee(5, DUES, 10.5)

    assert plain.ring(10.6) is None
    assert stream.asked == ["a heartbeat", 5, 10.6, "wake"]


def test_what_is_forgotten_is_not_sent(plain: PlainPlay, stream: Stream) -> None:
    """The stream does all by itself again."""
    plain.forget()

    assert plain.ring(10.0) is None
    assert stream.asked == [10.0, "wake"]


def test_what_goes_wrong_is_told_to_the_stream(plain: PlainPlay, stream: Stream) -> None:
    """A tick goes on for the others."""
    stream.problem = ValueError("no")

    assert plain.ring(50.0) is None
    assert stream.asked == [50.0, stream.problem]


async def test_one_that_is_closed_lets_go_of_the_stream() -> None:
    """And of what it would have sent."""
    stream = Stream()
    plain = PlainPlay(Pacer(), stream, stream.send)
    plain.kept = {1: b"one"}
    plain.set(0.0)
    gone = weakref.ref(stream)
    plain.close()
    del stream
    gc.collect()

    assert gone() is None
    assert plain.waits_in is None
    assert not plain.kept
