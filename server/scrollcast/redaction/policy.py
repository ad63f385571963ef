"""What is to be redacted: the rules that come with Scrollcast, and what its owner adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final
from uuid import UUID

from scrollcast.redaction.finder import Finder
from scrollcast.redaction.redactor import Redactor
from scrollcast.redaction.rules import USER_NAME, Rule, load_rules, make_pattern_rule

__all__ = ["Redaction"]

_COMMON_NAMES: Final = frozenset(("root", "user", "admin", "home", "runner", "ubuntu", "node", "app", "test", "dev"))
"""Names of users that are words: they stay where they stand alone."""

_LEAST_NAME_CHARACTERS: Final = 3

_HOME_FOLDERS: Final = (
    Rule(
        "home-folder", r"(?i)(?:/home/|/Users/|\b[a-z]:(?:\\{1,4}|/)Users(?:\\{1,4}|/))([\w.-]+)", USER_NAME,
        ("home/", "users/", r"users\\"),
    ),
    # As Claude Code and others write a path into the name of a folder.
    Rule("home-folder-name", r"(?:^|[\s/\"'])-(?:home|Users)-([A-Za-z0-9_.]+)", USER_NAME, ("-home-", "-users-")),
)  # fmt: skip


@dataclass(frozen=True)
class Redaction:
    """What to redact besides what the rules find.

    `patterns` are the owner's own expressions, of RE2. With `names` the names of users go, in paths of home folders,
    and those of `known_names` wherever they stand.

    Raises:
        SettingsError: a pattern cannot be used; the sentence names it.
    """

    patterns: tuple[str, ...] = ()
    names: bool = False
    known_names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            make_pattern_rule(pattern)

    @cached_property
    def _finder(self) -> Finder:
        """Made when it is first needed: the rules take some tenths of a second."""
        return Finder((*map(make_pattern_rule, self.patterns), *self._name_rules(), *load_rules()))

    def _name_rules(self) -> Iterator[Rule]:
        if not self.names:
            return
        yield from _HOME_FOLDERS
        for name in sorted(self.known_names):
            if len(name) >= _LEAST_NAME_CHARACTERS and name.lower() not in _COMMON_NAMES:
                escaped = re.escape(name)
                yield Rule("user-name", rf"(?i)\b({escaped})\b", USER_NAME, (re.escape(name.lower()),))

    def redactor(self, secret: bytes, scroll_id: UUID) -> Redactor:
        """What redacts one session. `secret` is the server's own: whoever knew it could try guesses at what was taken
        out against the numbers of the placeholders."""
        own = blake2b(scroll_id.bytes, key=secret, digest_size=32).digest()
        return Redactor(self._finder, own, secret)

    def digest(self, secret: bytes) -> str:
        """A name for what these rules with this secret make of a session."""
        told = "\0".join((*self.patterns, str(self.names), *sorted(self.known_names)))
        return blake2b(told.encode(errors="replace"), key=secret, digest_size=4).hexdigest()
