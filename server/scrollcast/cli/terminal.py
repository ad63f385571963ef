"""Text for terminals: cells that fit, colour where it is wanted, nothing out of a session that a terminal obeys."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

__all__ = ["Column", "Style", "clean", "format_bytes", "format_duration", "table", "terminal_width", "width_of"]

GAP: Final = "  "
"""Between two columns."""

_WIDE: Final = frozenset("WF")
"""The East Asian widths of characters that take two cells (Unicode Standard Annex 11)."""


def terminal_width(out: TextIO = sys.stdout) -> int | None:
    """How many cells a line has; `None` where it goes to no terminal, so that nothing has to be cut."""
    if not out.isatty() and "COLUMNS" not in os.environ:
        return None
    return max(20, shutil.get_terminal_size().columns)


def clean(text: str) -> str:
    """The text in one line, without control characters, escape sequences' beginnings and marks of direction."""
    kept = (" " if sign.isspace() else sign for sign in text)
    return " ".join("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in kept).split())


def width_of(text: str) -> int:
    """How many cells a text takes that was cleaned."""
    return sum(_cells(sign) for sign in text)


def _cells(sign: str) -> int:
    if sign.isascii():
        return 1
    if unicodedata.combining(sign):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in _WIDE else 1


def _fit(text: str, width: int) -> str:
    """The text, or as much of its beginning as fits, with a sign that there is more."""
    if width_of(text) <= width:
        return text
    cells, kept = 0, []
    for sign in text:
        cells += _cells(sign)
        if cells > width - 1:
            break
        kept.append(sign)
    return "".join(kept) + "…"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    `most` is how wide it may be at most, `None` for the one that takes what is left. Where there is too little room the
    columns of the highest `rank` go first; those of rank 0 stay.
    """

    name: str
    most: int | None = None
    rank: int = 0
    to_the_right: bool = False


LEAST_REST: Final = 12
"""So many cells are kept for the column that takes what is left, as long as another one can go."""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[list[str]]:
    """The cells of a head and of rows, each as wide as its column and cut to it, for lines of at most `width` cells."""
    heads = [column.name for column in columns]
    natural = [max(map(width_of, cells)) for cells in zip(heads, *rows, strict=True)]
    widths = [min(own, column.most or own) for own, column in zip(natural, columns, strict=True)]
    shown = list(range(len(columns)))
    if width is not None:
        rest = next(number for number, column in enumerate(columns) if column.most is None)
        for number in sorted(shown, key=lambda number: -columns[number].rank):
            room = width - sum(widths[n] + len(GAP) for n in shown if n != rest)
            if room >= min(LEAST_REST, widths[rest]) or not columns[number].rank:
                break
            shown.remove(number)
        room = width - sum(widths[n] + len(GAP) for n in shown if n != rest)
        widths[rest] = max(1, min(widths[rest], room))
    return [[_pad(row[n], widths[n], right=columns[n].to_the_right) for n in shown] for row in (heads, *rows)]


def _pad(text: str, width: int, *, right: bool) -> str:
    text = _fit(text, width)
    space = " " * (width - width_of(text))
    return space + text if right else text + space


# ------------------------------------------------------------------------------------------------------------ colour


class Style:
    """Makes text bold, dim or coloured, where `out` is a terminal and nobody asked for none (https://no-color.org)."""

    _CODES: Final[Mapping[str, str]] = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}

    def __init__(self, out: TextIO = sys.stdout, environment: Mapping[str, str] = os.environ) -> None:
        self._on = out.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"

    def __call__(self, name: str, text: str) -> str:
        """The text in that style."""
        return f"\x1b[{self._CODES[name]}m{text}\x1b[0m" if self._on and text else text


# ----------------------------------------------------------------------------------------------------------- figures

_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def format_bytes(count: int) -> str:
    """As in `12.3 MB`."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if not unit or value >= 99.95 else f"{value:.1f} {_UNITS[unit]}"


def format_duration(duration_ms: int) -> str:
    """As in `1h 02m`, `3m 04s`, `5s`."""
    seconds = duration_ms // 1000
    hours, minutes = seconds // 3600, seconds // 60 % 60
    if hours:
        return f"{hours}h {minutes:02}m"
    return f"{minutes}m {seconds % 60:02}s" if minutes else f"{seconds}s"
