"""The keyboard, as one table: what the help shows is what the keys do, and what they do in the page too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["GROUPS", "Group", "Shortcut", "key_name", "shortcut_for"]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One action and the keys that do it, as `key_name` writes them; `shown` is how people write them."""

    action: str
    keys: tuple[str, ...]
    shown: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Group:
    """Shortcuts that belong together."""

    title: str
    shortcuts: tuple[Shortcut, ...]


def _key(action: str, keys: str, words: str, shown: str = "") -> Shortcut:
    return Shortcut(action, tuple(keys.split()), tuple((shown or keys).split(" | ") if shown else keys.split()), words)


GROUPS: Final[tuple[Group, ...]] = (
    Group("Play", (
        _key("toggle", "Space k", "Play or pause"),
        _key("slower", "<", "Slower"),
        _key("faster", ">", "Faster"),
        _key("normal-speed", "=", "Speed 1×"),
        _key("max-speed", "\\", "As fast as possible, and back"),
        _key("pace", "i", "Next pace: idle time, reading"),
    )),
    Group("Move", (
        _key("back", "ArrowLeft", "Back 5 s", "←"),
        _key("forward", "ArrowRight", "Forward 5 s", "→"),
        _key("far-back", "j", "Back 10 s"),
        _key("far-forward", "l", "Forward 10 s"),
        _key("step-back", ",", "One event back"),
        _key("step-forward", ".", "One event forward"),
        _key("percent", "0 1 2 3 4 5 6 7 8 9", "To 0 % … 90 %", "0 | … | 9"),
        _key("start", "Home", "To the start"),
        _key("end", "End", "To the end, or go live"),
        _key("live", "g", "Go to live"),
    )),
    Group("Jump", (
        _key("previous-turn", "[ Shift+ArrowLeft", "Previous turn", "[ | Shift ←"),
        _key("next-turn", "] Shift+ArrowRight", "Next turn", "] | Shift →"),
        _key("next-tool", "t", "Next tool call"),
        _key("previous-tool", "T", "Previous tool call", "Shift t"),
        _key("next-error", "e", "Next error"),
        _key("previous-error", "E", "Previous error", "Shift e"),
        _key("find", "/", "Find in this session"),
        _key("next-hit", "n", "Next place found"),
        _key("previous-hit", "N", "Previous place found", "Shift n"),
    )),
    Group("Read", (
        _key("up", "ArrowUp", "Up a line", "↑"),
        _key("down", "ArrowDown", "Down a line", "↓"),
        _key("page-up", "PageUp b", "Up a page", "PgUp | b"),
        _key("page-down", "PageDown", "Down a page, to what comes", "PgDn"),
        _key("thinking", "h", "Show or fold all thinking"),
        _key("outputs", "x", "Show more or less of inputs and outputs"),
        _key("meta", "m", "Show or leave out system events"),
        _key("copy-link", "y", "Show how to come back to this moment"),
        _key("help", "?", "This help"),
        _key("quit", "q Ctrl+c", "Leave", "q | Ctrl c"),
    )),
)  # fmt: skip

_BY_KEY: Final[Mapping[str, Shortcut]] = {
    key: shortcut for group in GROUPS for shortcut in group.shortcuts for key in shortcut.keys
}

_NAMES: Final = {
    "space": "Space", "left": "ArrowLeft", "right": "ArrowRight", "up": "ArrowUp", "down": "ArrowDown", "home": "Home",
    "end": "End", "pageup": "PageUp", "pagedown": "PageDown", "shift+left": "Shift+ArrowLeft",
    "shift+right": "Shift+ArrowRight", "ctrl+c": "Ctrl+c",
}  # fmt: skip


def key_name(key: str, character: str | None) -> str:
    """A key as the table names it; `key` and `character` are Textual's words for it."""
    if key in _NAMES:
        return _NAMES[key]
    return character if character is not None and character.isprintable() else key


def shortcut_for(name: str) -> Shortcut | None:
    """What a key does."""
    return _BY_KEY.get(name)
