"""Edits of files, line by line, from what a tool was given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from rich.text import Text

from scrollcast.export.text import plain_text

__all__ = ["Change", "change_of", "text_field"]

COMPARED_LINES: Final = 2_000
"""Two longer texts are shown one after the other: comparing them could take seconds."""

CONTEXT_LINES: Final = 3

_BEFORE: Final = ("old_string", "oldString", "old_text", "oldText", "old_str", "old_content")
_AFTER: Final = ("new_string", "newString", "new_text", "newText", "new_str", "new_content", "new_source")
_PATCH: Final = ("patch", "patchText", "diff", "input")
_IS_PATCH: Final = re.compile(r"^(\*\*\* |--- |diff --git )", re.MULTILINE)

_STYLES: Final = {"+": "green", "-": "red", "@": "cyan", "*": "bold"}


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit changes: lines that begin with their sign."""

    lines: Sequence[str]

    @property
    def added(self) -> int:
        """How many lines come."""
        return sum(line.startswith("+") and not line.startswith("+++ ") for line in self.lines)

    @property
    def removed(self) -> int:
        """How many go."""
        return sum(line.startswith("-") and not line.startswith("--- ") for line in self.lines)

    def rows(self) -> list[Text]:
        """The lines in their colours."""
        return [Text(line, _STYLES.get(line[:1], "")) for line in self.lines]


def text_field(value: object, *names: str) -> str | None:
    """The first of these fields that is a text, where the value is an object."""
    if not isinstance(value, Mapping):
        return None
    return next((value[name] for name in names if isinstance(value.get(name), str)), None)


def change_of(given: object) -> Change | None:
    """What a tool was asked to change, by its input; `None` where that is of no known shape."""
    patch = given if isinstance(given, str) else text_field(given, *_PATCH) or _patch_of_command(given)
    if patch is not None and _IS_PATCH.search(patch):
        return Change([line for line in _split(patch) if not line.startswith(("*** Begin", "*** End"))])
    edits = given.get("edits") if isinstance(given, Mapping) else None
    pairs = [
        (text_field(edit, *_BEFORE), text_field(edit, *_AFTER))
        for edit in (edits if isinstance(edits, list) else [given])
    ]
    if not any(before is not None or after is not None for before, after in pairs):
        return None
    lines: list[str] = []
    for before, after in pairs:
        lines += ["@@"] if lines else []
        lines += _compare(_split(before or ""), _split(after or ""))
    return Change(lines)


def _patch_of_command(given: object) -> str | None:
    """A patch that is the argument of a shell command."""
    command: Any = given.get("command") if isinstance(given, Mapping) else None
    if isinstance(command, list) and len(command) > 1 and command[0] == "apply_patch" and isinstance(command[1], str):
        return command[1]
    return None


def _split(text: str) -> list[str]:
    return plain_text(text).rstrip("\n").split("\n") if text else []


def _compare(before: list[str], after: list[str]) -> Iterator[str]:
    if len(before) + len(after) > COMPARED_LINES:
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
        return
    groups = SequenceMatcher(None, before, after, autojunk=True).get_grouped_opcodes(CONTEXT_LINES)
    for number, group in enumerate(groups):
        if number:
            yield "@@"
        for what, i, j, k, m in group:
            if what == "equal":
                yield from (f" {line}" for line in before[i:j])
            else:
                yield from (f"-{line}" for line in before[i:j])
                yield from (f"+{line}" for line in after[k:m])
