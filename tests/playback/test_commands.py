import dataclasses
import math

import pytest

from scrollcast.playback.commands import (
    MAX_SPEED,
    MIN_SPEED,
    UNCHANGED,
    Control,
    Mode,
    SeekEvent,
    SeekSeq,
    SeekTime,
    Step,
    check_idle,
    check_speed,
)


@pytest.mark.parametrize("speed", [MIN_SPEED, 0.25, 1, 1.0, 64.0, MAX_SPEED])
def test_speeds_that_can_be_played(speed: float) -> None:
    """Speeds from 0.1 to 100, both included, are taken."""
    check_speed(speed)

    assert Control(speed=speed).speed == speed


@pytest.mark.parametrize(
    "speed",
    [
        0,
        -1,
        math.nextafter(MIN_SPEED, 0),
        math.nextafter(MAX_SPEED, math.inf),
        1000,
        math.inf,
        -math.inf,
        math.nan,
        10**400,
    ],
)
def test_speeds_that_cannot(speed: float) -> None:
    """Any other speed, NaN and infinity too, is refused by the command itself, naming the field and its bounds."""
    with pytest.raises(ValueError, match=r"^speed must be a number from 0\.1 to 100$"):
        Control(speed=speed)


@pytest.mark.parametrize("idle", [math.nextafter(0, 1), 0.001, 2, 3600.0, 1e300])
def test_idle_caps_that_can_be_played(idle: float) -> None:
    """Any finite number of seconds above 0 caps the gaps."""
    check_idle(idle)

    assert Control(idle=idle).idle == idle


@pytest.mark.parametrize("idle", [0, 0.0, -0.001, -3, math.inf, -math.inf, math.nan])
def test_idle_caps_that_cannot(idle: float) -> None:
    """A cap of no time, of negative time or of no number is refused."""
    with pytest.raises(ValueError, match=r"^idle must be a number of seconds above 0$"):
        Control(idle=idle)


def test_lifting_the_cap_differs_from_leaving_it() -> None:
    """`None` lifts the idle cap, and only `UNCHANGED` leaves it as it is."""
    lifting = Control(idle=None)

    assert lifting != Control()
    assert lifting.idle is None
    assert Control().idle is UNCHANGED


def test_a_control_with_nothing_in_it_leaves_everything() -> None:
    """A control without a wish has no field that would change anything."""
    control = Control()

    assert (control.play, control.seek, control.mode, control.speed, control.step) == (None,) * 5


@pytest.mark.parametrize("t_ms", [-1, -(10**20)])
def test_no_seek_before_the_first_moment(t_ms: int) -> None:
    """Recorded time starts at 0."""
    with pytest.raises(ValueError, match=r"seek\.t_ms"):
        SeekTime(t_ms)


@pytest.mark.parametrize("seq", [-1, -(10**20)])
def test_no_seek_before_the_first_event(seq: int) -> None:
    """Events are numbered from 0."""
    with pytest.raises(ValueError, match=r"seek\.seq"):
        SeekSeq(seq)


@pytest.mark.parametrize("place", [0, 1, 10**20])
def test_seeks_take_any_place_from_the_start_on(place: int) -> None:
    """A place past the end is for the player to deal with: it means the end."""
    assert SeekTime(place).t_ms == SeekSeq(place).seq == place


def test_a_step_goes_somewhere() -> None:
    """A step by no unit at all is nonsense."""
    with pytest.raises(ValueError, match=r"step\.by"):
        Step(0, "event")


@pytest.mark.parametrize(
    "command",
    [Control(), SeekTime(0), SeekSeq(0), SeekEvent("a"), Step(1, "turn")],
    ids=lambda command: type(command).__name__,
)
def test_commands_stay_as_they_were_made(command: Control | SeekTime | SeekSeq | SeekEvent | Step) -> None:
    """A command that exists is valid, so none of its fields can be set afterwards."""
    name = dataclasses.fields(command)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(command, name, -1)


def test_modes_are_their_names_on_the_wire() -> None:
    """There are three modes, and each is equal to its text on the wire."""
    assert [str(mode) for mode in Mode] == ["fast", "realtime", "reading"]
