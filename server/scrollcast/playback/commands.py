"""What a viewer may wish for: frozen records that refuse nonsense when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, Literal, TypeAlias

from scrollcast.playback.timeline import Unit

__all__ = [
    "MAX_SPEED",
    "MIN_SPEED",
    "UNCHANGED",
    "Control",
    "Mode",
    "Seek",
    "SeekEvent",
    "SeekSeq",
    "SeekTime",
    "Step",
    "Unchanged",
    "check_field",
    "check_idle",
    "check_speed",
]

MIN_SPEED: Final = 0.1
MAX_SPEED: Final = 100.0


class Mode(StrEnum):
    """How a replay is paced."""

    FAST = "fast"
    REALTIME = "realtime"
    READING = "reading"

    def __init__(self, name: str) -> None:
        self.is_paced = name != "fast"
        """Whether events are waited for."""


class Unchanged(Enum):
    """The type of `UNCHANGED`, for a field whose `None` already means something."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


def check_speed(speed: float) -> None:
    """Raise `ValueError` unless this is a speed that can be played."""
    if not MIN_SPEED <= speed <= MAX_SPEED:  # NaN fails both
        raise ValueError(f"must be a number from {MIN_SPEED:g} to {MAX_SPEED:g}")


def check_idle(idle: float) -> None:
    """Raise `ValueError` unless this is an idle cap in seconds."""
    if not (idle > 0 and math.isfinite(idle)):
        raise ValueError("must be a number of seconds above 0")


@dataclass(frozen=True, slots=True)
class SeekTime:
    """To the first event at or after a recorded time."""

    t_ms: int

    def __post_init__(self) -> None:
        if self.t_ms < 0:
            raise ValueError("seek.t_ms must be 0 or more")


@dataclass(frozen=True, slots=True)
class SeekSeq:
    """To an event by its number."""

    seq: int

    def __post_init__(self) -> None:
        if self.seq < 0:
            raise ValueError("seek.seq must be 0 or more")


@dataclass(frozen=True, slots=True)
class SeekEvent:
    """To a message by its id. The stream looks it up and hands the player a `SeekSeq`."""

    event_id: str


Seek: TypeAlias = SeekTime | SeekSeq | SeekEvent


@dataclass(frozen=True, slots=True)
class Step:
    """`by` whole units, forward or backward."""

    by: int
    unit: Unit

    def __post_init__(self) -> None:
        if self.by == 0:
            raise ValueError("step.by must not be 0")


@dataclass(frozen=True, slots=True)
class Control:
    """The desired state; what is `None` (or `UNCHANGED`) stays. All of it is applied as one change.

    `idle` is the idle cap in seconds, `None` lifts it. A `step` pauses, whatever `play` says.
    """

    play: bool | None = None
    seek: Seek | None = None
    mode: Mode | None = None
    speed: float | None = None
    idle: float | Literal[Unchanged.UNCHANGED] | None = UNCHANGED
    step: Step | None = None

    def __post_init__(self) -> None:
        if self.speed is not None:
            check_field("speed", check_speed, self.speed)
        if self.idle is not None and self.idle is not UNCHANGED:
            check_field("idle", check_idle, self.idle)


def check_field(name: str, check: Callable[[float], None], value: float) -> None:
    """Check one field of a record; the `ValueError` names it."""
    try:
        check(value)
    except ValueError as problem:
        raise ValueError(f"{name} {problem}") from None
