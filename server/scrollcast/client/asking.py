"""What may be asked of a replay: the parameters to connect with, and the fields of a command."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = ["Mode", "Parameters", "Unit", "seek_fields", "step_fields"]

Mode = Literal["fast", "realtime", "reading"]
Unit = Literal["event", "turn", "tool", "error"]


class Parameters(TypedDict, total=False):
    """What a replay may be asked for when it begins; all of it may be left out (`docs/protocol.md`, Connecting).

    `idle` is the longest silence to play, in seconds; `start_ms` and `start_seq` are where playback begins, and do not
    stand together; `window` is the number of events that may come before those before them were taken, `preview` the
    longest part to come uncut, in bytes.
    """

    mode: Mode
    speed: float
    idle: float | None
    start_ms: int
    start_seq: int
    paused: bool
    meta: bool
    follow: bool
    hold: bool
    batch: int
    window: int
    preview: int


def seek_fields(ms: int | None, seq: int | None, event_id: str | None) -> dict[str, Any]:
    """The fields of a command that seeks.

    Raises:
        ValueError: there is not exactly one place to go to.
    """
    places = {"t_ms": ms, "seq": seq, "event_id": event_id}
    given = {name: value for name, value in places.items() if value is not None}
    if len(given) != 1:
        raise ValueError("seek() takes one of ms, seq and event_id")
    return {"seek": given}


def step_fields(by: int, unit: Unit) -> dict[str, Any]:
    """The fields of a command that steps."""
    return {"step": {"by": by, "unit": unit}}
