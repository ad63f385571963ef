"""What the conversation is drawn of: prose, rows that fold, lines that stand alone; and how they become lines.

A line is a list of rich's segments that passed `guarded`: nothing in it is obeyed by a terminal.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from scrollcast.export.text import plain_text
from scrollcast.terminal.text import guarded

__all__ = ["LEAST_WIDTH", "Block", "Line", "Prose", "Rows", "View", "draw", "highlighted", "plural", "rows_of"]

Line: TypeAlias = list[Segment]

LEAST_WIDTH: Final = 20
"""Nothing is drawn for less room; a narrower terminal sees the left part."""

CODE_THEME: Final = "ansi_dark"
"""Highlights in the terminal's own sixteen colours, so that it is readable on light and on dark."""

HIGHLIGHTED_CHARACTERS: Final = 20_000
"""A longer text is not highlighted: lexers are slow, and some slow without bound."""

MORE: Final = 12
"""So many times as much is shown of rows where more was asked for."""

_THEME: Final = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.block_quote": "italic dim",
        "markdown.hr": "dim",
        "markdown.item.bullet": "dim",
        "markdown.item.number": "dim",
        "markdown.link": "underline",
        "markdown.link_url": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)

_CONSOLE: Final = Console(
    file=io.StringIO(), force_terminal=True, color_system="truecolor", legacy_windows=False, theme=_THEME, width=80,
    no_color=False, emoji=False, highlight=False, markup=False, _environ={},
)  # fmt: skip
"""Only measures and lays out; whether there is colour is decided where the lines are shown."""


@dataclass(frozen=True, slots=True)
class View:
    """How the conversation is looked at: in so many cells, thoughts folded or not, inputs and outputs short or not.

    `in_order` says that nothing changes that was shown: what became of a call is told where its result comes.
    """

    width: int = 80
    thinking: bool = False
    more: bool = False
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """Markdown. With `breaks`, lines end where they end: as people write to each other."""

    text: str
    breaks: bool = False
    dim: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """Lines that stand as they are, the first `limit` of them. A line too long is cut, or broken with `wrap`.

    `cut` is the length in bytes of the whole, where not all of it came.
    """

    lines: Sequence[Text]
    limit: int = 1_000
    wrap: bool = False
    cut: int | None = None


Block: TypeAlias = Prose | Rows


def rows_of(text: str, style: str = "") -> list[Text]:
    """The lines of a text that has no colours of its own."""
    return [Text(line, style) for line in plain_text(text).strip("\n").split("\n")]


def highlighted(text: str, *, lexer: str = "", path: str = "") -> list[Text]:
    """The lines of a piece of code in the colours of its language: of `lexer`, or what the ending of `path` says."""
    text = plain_text(text).strip("\n")
    name = lexer or Syntax.guess_lexer(path[-200:] or "text")
    if len(text) > HIGHLIGHTED_CHARACTERS or name in ("default", "text"):
        return rows_of(text)
    return list(Syntax("", name, theme=CODE_THEME).highlight(text).split("\n", allow_blank=True))[
        : text.count("\n") + 1
    ]


def plural(count: int, noun: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# ----------------------------------------------------------------------------------------------------------- drawing


def draw(block: Block, width: int, *, more: bool = False) -> list[Line]:
    """The lines of a block in so many cells."""
    width = max(LEAST_WIDTH // 2, width)
    return _draw_prose(block, width) if isinstance(block, Prose) else list(_draw_rows(block, width, more))


def _draw_prose(prose: Prose, width: int) -> list[Line]:
    text = plain_text(prose.text).strip()
    if not text:
        return []
    style = "dim" if prose.dim else ""
    try:
        return _lines(_Conversational(text, breaks=prose.breaks, style=style), width)
    except Exception:  # a layout that cannot be had in this width, or markup that no renderer was made for
        return _lines(Text(text, style), width)


def _draw_rows(rows: Rows, width: int, more: bool) -> Iterator[Line]:
    limit = rows.limit * MORE if more else rows.limit
    shown = rows.lines[:limit]
    for row in shown:
        if rows.wrap or more:
            yield from _lines(row, width)
        else:
            one = row.copy()
            one.truncate(width, overflow="ellipsis")
            yield from _lines(one, width)[:1]
    left = len(rows.lines) - len(shown)
    words = " and ".join(
        filter(None, (plural(left, "more line") if left else "", f"the rest of {rows.cut:,} bytes" if rows.cut else ""))
    )
    if words:
        yield from _lines(Text(f"… {words}", "dim"), width)[:1]


def _lines(renderable: RenderableType, width: int) -> list[Line]:
    options = _CONSOLE.options.update(width=width, height=None)
    return [guarded(line) for line in _CONSOLE.render_lines(renderable, options, pad=False)]


class _Heading(Heading):
    """To the left, as everything else is."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize("bold underline" if self.tag in ("h1", "h2") else "bold")
        yield self.text


class _CodeBlock(CodeBlock):
    """On the terminal's own ground, a little to the right."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = str(self.text).rstrip()
        body = Text("\n").join(highlighted(code, lexer=self.lexer_name))
        yield Padding(body, (0, 0, 0, 2))


_PARSER: Final = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
"""Tags are text: what is meant as markup for a page is no markup here."""


class _Conversational(Markdown):
    """Markdown as it stands in a conversation."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements, "heading_open": _Heading, "fence": _CodeBlock, "code_block": _CodeBlock,
    }  # fmt: skip

    def __init__(self, text: str, *, breaks: bool, style: str) -> None:
        super().__init__("", hyperlinks=False, code_theme=CODE_THEME, style=style)
        self.parsed = _PARSER.parse(text)
        if breaks:
            for token in self.parsed:
                for inner in token.children or ():
                    inner.type = "hardbreak" if inner.type == "softbreak" else inner.type
