from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from scrollcast.terminal.keys import GROUPS, key_name, shortcut_for

PAGE = (Path(__file__).parents[2] / "static" / "shortcuts.js").read_text()

OWN_WORDS = {"copy-link": "Show how to come back to this moment"}
"""A terminal gives nobody its clipboard, so the link is shown."""

NOT_HERE = {"fullscreen"}

ONLY_HERE = {"up", "down", "page-up", "page-down", "outputs", "quit"}


def page_shortcuts() -> dict[str, tuple[list[str], str]]:
    """The keys and the words of each action in the page."""
    found = re.findall(r"\{ action: '([\w-]+)', keys: (\[.*?\]), shown: \[.*?\], words: '([^']+)'", PAGE)
    spread = [
        (action, re.sub(r"\.\.\.'(\d+)'", lambda digits: ",".join(map(repr, digits[1])), keys), words)
        for action, keys, words in found
    ]
    return {action: (ast.literal_eval(keys), words) for action, keys, words in spread}


def test_the_keys_are_those_of_the_page() -> None:
    """Each does the same, and says so in the same words."""
    theirs = page_shortcuts()
    ours = {each.action: (list(each.keys), each.words) for group in GROUPS for each in group.shortcuts}

    assert len(theirs) == PAGE.count("{ action: '")
    assert set(theirs) - set(ours) == NOT_HERE
    assert set(ours) - set(theirs) == ONLY_HERE
    for action in theirs.keys() & ours.keys():
        assert ours[action][0] == theirs[action][0]
        assert ours[action][1] == OWN_WORDS.get(action, theirs[action][1])


def test_no_key_does_two_things() -> None:
    """One would never be done."""
    keys = [key for group in GROUPS for each in group.shortcuts for key in each.keys]

    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("key", "character", "action"),
    [("space", " ", "toggle"), ("left", None, "back"), ("shift+left", None, "previous-turn"),
     ("upper_t", "T", "previous-tool"),
     ("left_square_bracket", "[", "previous-turn"), ("question_mark", "?", "help"), ("7", "7", "percent"),
     ("ctrl+c", "\x03", "quit"), ("backslash", "\\", "max-speed")],
)  # fmt: skip
def test_keys_are_known_as_the_terminal_sends_them(key: str, character: str | None, action: str) -> None:
    """By Textual's names for them."""
    shortcut = shortcut_for(key_name(key, character))

    assert shortcut is not None
    assert shortcut.action == action


def test_other_keys_do_nothing() -> None:
    """Nor do keys with Ctrl."""
    assert shortcut_for(key_name("ctrl+t", "\x14")) is None
    assert shortcut_for(key_name("z", "z")) is None
