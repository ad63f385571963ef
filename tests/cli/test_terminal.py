from __future__ import annotations

import io

import pytest

from scrollcast.cli.terminal import (
    Column,
    Style,
    clean,
    format_bytes,
    format_duration,
    table,
    terminal_width,
    width_of,
)

COLUMNS = (Column("id", 4, rank=1), Column("title"), Column("n", 3, rank=2, to_the_right=True), Column("", 4))
ROWS = (("a", "a short one", "5", "live"), ("bb", "a title that is a little longer", "1234", ""))


class Terminal(io.StringIO):
    """A terminal, as far as anybody asks."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand  more ", "two lines and more"),
        ("\x1b[31mred\x1b[0m", "\ufffd[31mred\ufffd[0m"),
        ("bell\a\x9b", "bell\ufffd\ufffd"),
        ("right\u202eto left\u2066", "right\ufffdto left\ufffd"),
        ("lone \ud800", "lone \ufffd"),
        ("", ""),
    ],
)
def test_nothing_that_a_terminal_obeys_is_printed(text: str, shown: str) -> None:
    """A title comes out of a log that anybody may have written."""
    assert clean(text) == shown


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("é", 1), ("", 0)])
def test_how_wide_a_text_is(text: str, cells: int) -> None:
    """By the cells that it takes, not by its characters."""
    assert width_of(text) == cells


def test_without_a_terminal_only_the_columns_bounds_cut() -> None:
    """Each cell as wide as its column, figures to the right."""
    assert table(COLUMNS, ROWS, None) == [
        ["id", "title                          ", "  n", "    "],
        ["a ", "a short one                    ", "  5", "live"],
        ["bb", "a title that is a little longer", "12…", "    "],
    ]


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "bb  a title that is a little longer  12…"),
        (30, "bb  a title that i…  12…"),
        (26, "bb  a title that is…"),
        (20, "a title that …"),
        (8, "a…"),
        (1, "…"),
    ],
)
def test_a_line_fits_the_terminal(width: int, line: str) -> None:
    """The title gives way first, then whole columns."""
    shown = "  ".join(table(COLUMNS, ROWS, width)[2]).rstrip()

    assert shown == line
    assert width_of(shown) <= width


def test_wide_characters_are_not_cut_in_half() -> None:
    """One that does not fit is left out."""
    assert table((Column("t"),), (("日本語日本語",),), 6) == [["t     "], ["日本… "]]


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, "\x1b[31mx\x1b[0m"),
        ({"NO_COLOR": "1"}, "x"),
        ({"NO_COLOR": ""}, "\x1b[31mx\x1b[0m"),
        ({"TERM": "dumb"}, "x"),
    ],
)
def test_colour_only_where_it_is_wanted(environment: dict[str, str], shown: str) -> None:
    """Never where what is printed goes to a file or another program."""
    assert Style(Terminal(), environment)("red", "x") == shown
    assert Style(io.StringIO(), environment)("red", "x") == "x"
    assert Style(Terminal(), environment)("red", "") == ""


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what the variable says; a pipe has none."""
    assert terminal_width(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "77")
    assert terminal_width(io.StringIO()) == terminal_width(Terminal()) == 77


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (10**15, "1000 TB"),
    ],
)
def test_bytes_in_words(count: int, shown: str) -> None:
    """Three digits are enough."""
    assert format_bytes(count) == shown


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [(0, "0s"), (59_999, "59s"), (60_000, "1m 00s"), (3_599_000, "59m 59s"), (3_720_000, "1h 02m")],
)
def test_durations_in_words(duration_ms: int, shown: str) -> None:
    """Two units are enough."""
    assert format_duration(duration_ms) == shown
