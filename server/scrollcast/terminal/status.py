"""The two lines at the bottom: the bar over recorded time, and how it is played. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.text import Text

from scrollcast.export.text import clock
from scrollcast.terminal.text import span

__all__ = ["Facts", "bar", "facts_line", "pace_words", "position_at", "speed_words"]

LEAST_TURN: Final = 12
"""So much of a turn's first words is worth showing."""

LEAST_CELLS_A_TURN: Final = 3

_PLAYED: Final = ("━", "bold cyan")
_AHEAD: Final = ("─", "dim")
_HEAD: Final = ("●", "bold")
_SIGNS: Final = (("turns", "┃", "cyan"), ("hits", "◆", "bold yellow"), ("errors", "✘", "bold red"))
"""The marks on the bar; where two fall into one cell the later one is seen."""

_STATES: Final = {
    "playing": ("▶", "Playing", "bold green"), "paused": ("❚❚", "Paused", "bold yellow"),
    "live": ("◉", "Live", "bold red"),
    "ended": ("■", "End", "bold"), "lost": ("!", "Connection lost, trying again", "bold red"),
    "opening": ("…", "Opening", "dim"), "failed": ("✘", "Stopped", "bold red"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What the status lines tell. Times are recorded time in milliseconds, but `left` and `wait`: seconds of the clock.

    `standing` is a status of the protocol, or `opening`, `lost`, `failed`.
    """

    standing: str = "opening"
    t_ms: float = 0
    duration_ms: int = 0
    mode: str = "realtime"
    speed: float = 1
    idle: float | None = None
    reading: bool = False
    left: float | None = None
    wait: float = 0
    turns: Sequence[int] = ()
    errors: Sequence[int] = ()
    hits: Sequence[int] = ()
    turn: str = ""
    found: str = ""
    unseen: int = 0
    said: str = ""


def _ends(facts: Facts) -> tuple[str, str]:
    return f" {clock(round(facts.t_ms))} ", f" {clock(facts.duration_ms)} "


def bar(facts: Facts, width: int) -> Text:
    """The bar: where it is, what lies where, how long it is."""
    begin, end = _ends(facts)
    room = max(1, width - len(begin) - len(end))
    at = _cell(facts.t_ms, facts.duration_ms, room)
    cells = [_PLAYED if cell < at else _AHEAD for cell in range(room)]
    for name, sign, style in _SIGNS:
        marked = getattr(facts, name)
        if name == "turns" and len(marked) > room // LEAST_CELLS_A_TURN:
            continue  # they would be all that one sees
        for t_ms in marked:
            cells[_cell(t_ms, facts.duration_ms, room)] = (sign, style)
    cells[at] = _HEAD
    runs = [(sign * len(list(run)), style) for (sign, style), run in groupby(cells)]
    return Text.assemble((begin, "bold"), *runs, (end, "dim"), no_wrap=True)


def _cell(t_ms: float, duration_ms: int, room: int) -> int:
    return 0 if duration_ms <= 0 else max(0, min(room - 1, int(t_ms * room / duration_ms)))


def position_at(facts: Facts, width: int, cell: int) -> int | None:
    """The recorded time that a cell of the bar stands for; `None` beside it."""
    begin, end = _ends(facts)
    room = max(1, width - len(begin) - len(end))
    place = cell - len(begin)
    return round(facts.duration_ms * place / max(1, room - 1)) if 0 <= place < room else None


def facts_line(facts: Facts, width: int) -> Text:
    """How it is played, what is there, and the keys to know; what has no room is left out, the keys first."""
    sign, word, style = _STATES.get(facts.standing, ("?", facts.standing, ""))
    line = Text.assemble(" ", (f"{sign} {word}", style), no_wrap=True, overflow="ellipsis")
    keys = Text("? keys  q quit ", "dim")
    if facts.said:
        line.append(f" · {facts.said}", "bold")
    told = [(speed_words(facts), "dim"), (pace_words("reading" if facts.reading else facts.idle), "dim")]
    told += [(_left(facts), "dim"), (facts.found, "yellow"), (_unseen(facts), "bold"), (facts.turn, "cyan")]
    for words, style in told:
        room = width - line.cell_len - keys.cell_len - 4
        if words and (room >= len(words) or (words == facts.turn and room >= LEAST_TURN)):
            line.append(f" · {words if len(words) <= room else words[: room - 1] + '…'}", style)
    line.truncate(width, overflow="ellipsis")
    space = width - line.cell_len - keys.cell_len
    return Text.assemble(line, " " * space, keys, no_wrap=True) if space > 0 else line


def _unseen(facts: Facts) -> str:
    return f"{facts.unseen} new below" if facts.unseen else ""


def speed_words(facts: Facts) -> str:
    """`4×`, or `as fast as possible`."""
    return "as fast as possible" if facts.mode == "fast" else f"{facts.speed:g}×"


def pace_words(pace: float | str | None) -> str:
    """The pace in words: of a reader, as recorded, or with silences cut."""
    if pace == "reading":
        return "reading pace"
    return "as recorded" if pace is None else f"silence ≤ {float(pace):g} s"


def _left(facts: Facts) -> str:
    if facts.standing != "playing" or facts.mode == "fast":
        return ""
    if facts.wait >= 2:
        return f"next in {span(facts.wait * 1000)}"
    return "" if facts.left is None else f"{span(max(1_000, facts.left * 1000))} left"
