"""What a summary says of a session, gathered record by record, where its format does not say it itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Final

from scrollcast.archive.formats import Item
from scrollcast.archive.timestamps import Instant, format_instant, parse_instant
from scrollcast.model import BadRecord, Timing

__all__ = ["Extent", "project_of", "trim_title"]

_MAX_TITLE_CHARACTERS: Final = 120
_QUOTES: Final = frozenset(('""', "''", "“”", "``"))


@dataclass(slots=True)
class Extent:
    """How many messages there are, when they were, and what is first said in them.

    `prompt` is the first text of a person, `model` the last that a record names.
    """

    count: int = 0
    first: Instant | None = None
    last: Instant | None = None
    prompt: str = ""
    model: str = ""
    has_errors: bool = False

    @classmethod
    def of(cls, items: Iterable[Item]) -> Extent:
        """Of all these records."""
        extent = cls()
        for item in items:
            extent.note(item)
        return extent

    def note(self, item: Item) -> None:
        """Take one more record; what is no message is passed over."""
        if isinstance(item, BadRecord) or item.is_meta:
            return
        self.count += 1
        instant = parse_instant(item.timestamp)
        if instant is not None:
            self.first = instant if self.first is None else self.first
            self.last = instant if self.last is None else max(self.last, instant)
        if item.role == "user" and not self.prompt:
            self.prompt = next((part["text"] for part in item.content if part["type"] == "text"), "")
        if item.metadata and isinstance(model := item.metadata.get("model"), str):
            self.model = model
        self.has_errors = self.has_errors or any(part.get("is_error") for part in item.content)

    @property
    def created_at(self) -> str | None:
        """The first time, as RFC 3339 text."""
        return None if self.first is None else format_instant(self.first)

    @property
    def updated_at(self) -> str | None:
        """The latest time, as RFC 3339 text."""
        return None if self.last is None else format_instant(self.last)

    @property
    def duration_ms(self) -> int:
        """From the first time to the latest."""
        return 0 if self.first is None or self.last is None else (self.last - self.first) // 1000

    @property
    def timing(self) -> Timing:
        """Made up where no record has a time."""
        return "recorded" if self.first is not None or not self.count else "synthetic"


def project_of(folder: str) -> str | None:
    """The project that is worked on in a folder: its last name, whichever kind of slashes it is written with."""
    return PureWindowsPath(folder).name or None


def trim_title(text: str | None) -> str:
    """A title of one line, without the quotes that models like to put around theirs."""
    # Cut first: a prompt may be of many MiB.
    words = " ".join((text or "")[: _MAX_TITLE_CHARACTERS * 4].split())
    if len(words) > 2 and words[0] + words[-1] in _QUOTES:
        words = words[1:-1].strip()
    return words if len(words) <= _MAX_TITLE_CHARACTERS else words[: _MAX_TITLE_CHARACTERS - 1] + "…"
