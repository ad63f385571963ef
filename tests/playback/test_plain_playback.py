"""`foresee` beside `advance`: a player that is asked ahead, and told afterwards, does as one that never is."""

from __future__ import annotations

from itertools import accumulate
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from scrollcast.playback.commands import Control, Mode, SeekSeq, SeekTime, Step
from scrollcast.playback.player import Deliver, Output, Player
from scrollcast.playback.timeline import Timeline

Act: TypeAlias = Control | int | float | str | None
"""A command; how many events more are allowed, `None` for any number; seconds to wait; what becomes of the session."""

AHEAD = 5
GAPS_MS = st.one_of(st.integers(0, 40), st.integers(300, 2_999), st.sampled_from([0, 3_000, 3_001, 60_000, 3_600_000]))
CONTROLS = st.one_of(
    st.sampled_from([Control(play=False), Control(play=True), Control(step=Step(1, "event")), Control(idle=None)]),
    st.builds(Control, speed=st.sampled_from([0.3, 1.0, 7.0])),
    st.builds(Control, idle=st.sampled_from([0.01, 0.5, 2.0, 10.0])),
    st.builds(Control, mode=st.sampled_from([Mode.REALTIME, Mode.REALTIME, Mode.FAST, Mode.READING])),
    st.builds(Control, seek=st.builds(SeekSeq, st.integers(0, 30))),
    st.builds(Control, seek=st.builds(SeekTime, st.integers(0, 30_000))),
)
ROOM = st.integers(0, 4)
CHANGES = st.sampled_from(["more", "fewer", "anew"])
WAITS = st.one_of(st.just(0.0), st.floats(0, 0.004), st.floats(0, 4))


class Twins:
    """Two players of one session, of which the second is asked the short way first, and told of every third event."""

    def __init__(self, gaps_ms: list[int], known: int, idle: float | None, *, follow: bool) -> None:
        self.times = list(accumulate(gaps_ms))
        self.known = min(known, len(self.times))
        self.now, self.passed, self.untold = 100.0, 0, 0
        self.long, self.short = (
            Player(self.timeline(idle), self.now, mode=Mode.REALTIME, follow=follow) for _ in range(2)
        )
        self.dues = self.short.foresee(AHEAD)

    def timeline(self, idle: float | None = None) -> Timeline:
        """What is known of the session."""
        reading = [700] * len(self.times)
        return Timeline(self.times, self.known, self.known == len(self.times), idle, reading=reading)

    def tick(self) -> None:
        """Let both do what is due, then look ahead as a stream does that goes to sleep."""
        outputs: list[Output]
        if len(self.dues) > 1 and self.dues[0] <= self.now < self.dues[1]:
            del self.dues[0]
            self.passed += 1
            self.untold += 1
            seq = self.short.cursor + self.untold
            outputs = [Deliver(seq - 1, seq)]
        else:
            self.tell()
            self.dues = []
            outputs = self.short.advance(self.now)
        assert outputs == self.long.advance(self.now)
        if len(self.dues) < 2:
            self.tell()
            self.dues = self.short.foresee(AHEAD)

    def tell(self) -> None:
        """Let the second know of what was delivered without it."""
        self.short.pass_on(self.untold)
        self.untold = 0

    def wait(self, more: float) -> None:
        """Until the next deadline, and a little more."""
        deadline = self.long.deadline
        self.now = max(self.now, deadline if deadline is not None else 0.0) + more

    def do(self, act: Act) -> None:
        """One thing, to both."""
        if not isinstance(act, float):
            self.tell()
            self.dues = []
        match act:
            case Control():
                assert self.short.handle(act, self.now) == self.long.handle(act, self.now)
            case float():
                self.wait(act)
            case "more":
                self.know(self.known + 2)
            case "fewer":
                self.know(max(self.long.cursor, self.known - 3))
            case str():
                self.times = [time // 2 for time in self.times]
                anew = self.timeline()
                assert self.short.replace(anew, self.now) == self.long.replace(anew, self.now)
            case _:
                for player in (self.long, self.short):
                    player.allow(None if act is None else self.long.cursor + act)

    def know(self, count: int) -> None:
        """So many events are there from now on."""
        self.known = min(len(self.times), count)
        for player in (self.long, self.short):
            player.grow(self.timeline())

    def agree(self) -> None:
        """Whatever can be asked of a player is the same of both."""
        if self.untold in (1, 2):
            return
        self.tell()
        assert self.short.snapshot(self.now) == self.long.snapshot(self.now)
        assert self.short.deadline == self.long.deadline
        if self.dues:
            assert self.dues[0] == self.long.deadline


@settings(max_examples=400)
@given(
    gaps_ms=st.lists(GAPS_MS, min_size=8, max_size=30),
    known=st.integers(1, 40),
    idle=st.sampled_from([None, None, 0.02, 1.0, 5.0]),
    follow=st.booleans(),
    acts=st.lists(st.one_of(WAITS, WAITS, WAITS, CONTROLS, CHANGES, ROOM, st.none()), min_size=10, max_size=50),
)
def test_the_short_way_is_the_same(
    gaps_ms: list[int], known: int, idle: float | None, follow: bool, acts: list[Act]
) -> None:
    """The same outputs in the same order, whatever comes between."""
    twins = Twins(gaps_ms, known, idle, follow=follow)
    for act in acts:
        twins.do(act)
        twins.agree()
        twins.tick()
        twins.agree()


def test_ordinary_playback_takes_the_short_way() -> None:
    """All but the last event, with which the end comes, where no gap is cut."""
    twins = Twins([0, *[250] * 20, 4_000, *[1_500] * 20], 42, None, follow=False)
    while twins.long.deadline is not None:
        twins.wait(0.001)
        twins.tick()
        twins.agree()

    assert twins.passed == 41
