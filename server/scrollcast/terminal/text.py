"""Text of a session on its way to a terminal: what it may bring along, and the gate that nothing else passes.

Colours of a tool's output are kept, as styles. All else that a terminal would obey is taken out twice: where a text is
read (`plain_text`, `coloured`), so that what is left reads well, and where lines are handed over (`guarded`), so that
no way of making them can let anything through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from rich.ansi import AnsiDecoder
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from scrollcast.export.text import coloured_text

__all__ = ["coloured", "first_words", "guarded", "safe", "span"]

_OBEYED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters of both sets (ECMA-48, 8.2), what breaks lines, and what turns the direction of a text."""

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def safe(text: str) -> str:
    """A text of one line with everything that a terminal would obey replaced."""
    return _OBEYED.sub(_REPLACEMENT, text)


def first_words(text: str, limit: int) -> str:
    """The beginning of a text in one line, without the marks that Markdown makes of emphasis and headings."""
    words = " ".join(safe(" ".join(text[: limit * 4].split())).replace("**", "").replace("`", "").split())
    words = re.sub(r"^#+ ", "", words)
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


def coloured(text: str) -> list[Text]:
    """The lines of what a tool printed, in its colours. Colours go on from line to line, as on a terminal."""
    return list(AnsiDecoder().decode(coloured_text(text)))


def guarded(line: Iterable[Segment]) -> list[Segment]:
    """A line as it may be handed to a terminal: printable characters and how they look, nothing else."""
    return [Segment(safe(each.text), _plain_style(each.style)) for each in line if not each.control]


def _plain_style(style: Style | None) -> Style | None:
    return style.update_link(None) if style is not None and style.link else style


_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


def span(ms: float) -> str:
    """A length of time in its two largest units: `240 ms`, `4.2 s`, `3 min 20 s`, `3 h 12 min`."""
    if ms < 1_000:
        return f"{max(0, round(ms))} ms"
    if ms < 9_950:
        return f"{ms / 1000:.1f}".removesuffix(".0") + " s"
    whole = round(ms / 1000) * 1000
    place = next(place for place, (size, _) in enumerate(_UNITS) if whole >= size)
    (size, name), smaller = _UNITS[place], _UNITS[place + 1 : place + 2]
    rest = [f"{whole % size // unit} {less}" for unit, less in smaller if whole % size >= unit]
    return " ".join((f"{whole // size} {name}", *rest))
