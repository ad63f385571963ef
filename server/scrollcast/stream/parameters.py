"""The query parameters of a replay (`docs/protocol.md`, Connecting)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from scrollcast.errors import BadRequest
from scrollcast.playback.commands import Mode, SeekSeq, SeekTime, check_idle, check_speed

__all__ = ["MAX_BATCH_BYTES", "MAX_NUMBER", "MIN_PREVIEW_BYTES", "ReplayParameters", "parse_bool", "parse_int"]

MAX_BATCH_BYTES: Final = 1 << 20
MIN_PREVIEW_BYTES: Final = 1024

MAX_NUMBER: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exact."""

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

_DECIMAL: Final = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""`float` would also take spaces, underscores and the digits of any script."""

FROM_THE_START: Final = SeekSeq(0)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReplayParameters:
    """What a client asked for when it connected. `idle` is in seconds; `start` is where playback begins."""

    mode: Mode = Mode.FAST
    speed: float = 1.0
    idle: float | None = None
    start: SeekTime | SeekSeq = FROM_THE_START
    epoch: str | None = None
    paused: bool = False
    meta: bool = False
    follow: bool = False
    hold: bool = False
    batch: int = 0
    window: int | None = None
    preview: int | None = None

    @classmethod
    def parse(cls, query: Iterable[tuple[str, str]]) -> ReplayParameters:
        """From the parameters of a URL; the last of a repeated one counts, an unknown one is ignored.

        Raises:
            BadRequest: a value cannot be taken; it names the parameter.
        """
        given = dict(query)
        if "start_ms" in given and "start_seq" in given:
            raise BadRequest("start_seq", "cannot stand together with start_ms")

        def take(name: str, parse: Callable[[str], _T], default: _T) -> _T:
            if name not in given:
                return default
            try:
                return parse(given[name])
            except ValueError as problem:
                raise BadRequest(name, str(problem)) from None

        return cls(
            mode=take("mode", _mode, Mode.FAST),
            speed=take("speed", _speed, 1.0),
            idle=take("idle", _idle, None),
            start=take("start_ms", _start_ms, None) or take("start_seq", _start_seq, FROM_THE_START),
            epoch=given.get("epoch"),
            paused=take("paused", parse_bool, False),
            meta=take("meta", parse_bool, False),
            follow=take("follow", parse_bool, False),
            hold=take("hold", parse_bool, False),
            batch=take("batch", lambda text: parse_int(text, 0, MAX_BATCH_BYTES), 0),
            window=take("window", lambda text: parse_int(text, 1), None),
            preview=take("preview", lambda text: parse_int(text, MIN_PREVIEW_BYTES), None),
        )

    @property
    def resumes(self) -> bool:
        """Whether this is a client that comes back."""
        return self.epoch is not None and isinstance(self.start, SeekSeq)


def parse_int(text: str, least: int, most: int = MAX_NUMBER) -> int:
    """A whole number within bounds; raises `ValueError` with a sentence for the client."""
    wanted = f"must be a whole number from {least}" + (f" to {most}" if most != MAX_NUMBER else " on")
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise ValueError(wanted)
    number = int(text)
    if not least <= number <= most:
        raise ValueError(wanted)
    return number


def parse_bool(text: str) -> bool:
    """`true`, `false`, `1` or `0`; raises `ValueError` with a sentence for the client."""
    if text not in _BOOLEANS:
        raise ValueError("must be true, false, 1 or 0")
    return _BOOLEANS[text]


def _mode(text: str) -> Mode:
    if text not in tuple(Mode):
        raise ValueError("must be fast, realtime or reading")
    return Mode(text)


def _number(text: str) -> float:
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def _speed(text: str) -> float:
    speed = _number(text)
    check_speed(speed)
    return speed


def _idle(text: str) -> float | None:
    if text == "off":
        return None
    idle = _number(text)
    try:
        check_idle(idle)
    except ValueError as problem:
        raise ValueError(f"{problem}, or off") from None
    return idle


def _start_ms(text: str) -> SeekTime | None:
    return SeekTime(parse_int(text, 0))


def _start_seq(text: str) -> SeekSeq:
    return SeekSeq(parse_int(text, 0))
