"""What a prompt of Cursor says: the person's own words, the time, and the context that the program put around them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from scrollcast.archive.timestamps import parse_instant

__all__ = ["REDACTED", "Wording", "is_open_query", "read_prompt", "without_redacted"]

REDACTED: Final = "[REDACTED]"
"""Stands where a thought was."""

_QUERY: Final = ("<user_query>", "</user_query>")

# What the program puts beside a prompt that is not wrapped; a tag that is not known stays to be seen.
_CONTEXT_TAGS: Final = (
    "timestamp", "additional_data", "agent_skills", "agent_transcripts", "always_applied_workspace_rules",
    "attached_files", "available_skills", "current_file", "cursor_commands", "git_status", "image_files",
    "linter_errors", "manually_attached_skills", "mcp_file_system", "open_and_recently_viewed_files", "project_layout",
    "recently_viewed_files", "rules", "system_notification", "system_reminder", "terminal_files_information",
    "user_info", "user_rules",
)  # fmt: skip
_OPENING: Final = re.compile(rf"<({'|'.join(_CONTEXT_TAGS)})(?:\s[^<>]{{0,200}})?>")

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIMESTAMP: Final = re.compile(r"<timestamp>([^<]{1,100})</timestamp>")
# As in `Sunday, Aug 2, 2026, 3:51 AM (UTC-7)`.
_MOMENT: Final = re.compile(
    r"(?:\w+,\s+)?(?P<month>[A-Za-z]{3})[a-z]*\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4}),?\s+(?:at\s+)?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[AaPp])\.?[Mm]\.?"
    r"(?:\s*\(?(?:UTC|GMT)(?P<sign>[+\-−])?(?P<zone_hour>\d{1,2})?(?::?(?P<zone_minute>\d{2}))?\)?)?"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """A prompt taken apart. `time` is RFC 3339 text, or `None` where the prompt does not tell."""

    words: tuple[str, ...]
    injected: tuple[str, ...] = ()
    time: str | None = None


def read_prompt(texts: Sequence[str]) -> Wording:
    """The texts of one prompt. Where one of them wraps the query, nothing else in any of them is the person's."""
    time = next((moment for text in texts if (moment := _time_in(text)) is not None), None)
    wrapped = any(_QUERY[0] in text for text in texts)
    words: list[str] = []
    injected: list[str] = []
    for text in texts:
        own, context = _split(text, _QUERY) if wrapped else _without_context(text)
        words += own
        injected += context
    return Wording(tuple(words), tuple(piece for piece in injected if not _TIMESTAMP.fullmatch(piece)), time)


def is_open_query(text: str) -> bool:
    """Whether a query has begun in a text and not ended."""
    return text.rfind(_QUERY[0]) > text.rfind(_QUERY[1])


def without_redacted(text: str) -> str:
    """A text without the lines that stand for a thought; the very same where there are none."""
    if REDACTED not in text:
        return text
    return "\n".join(line for line in text.split("\n") if line.strip() != REDACTED).strip()


def _split(text: str, tag: tuple[str, str]) -> tuple[list[str], list[str]]:
    """What stands inside a tag, wherever it stands, and what stands outside. One that is not closed goes to the end."""
    inside: list[str] = []
    outside: list[str] = []
    position = 0
    while (start := text.find(tag[0], position)) >= 0:
        outside.append(text[position:start])
        start += len(tag[0])
        end = text.find(tag[1], start)
        end = len(text) if end < 0 else end
        inside.append(text[start:end])
        position = end + len(tag[1])
    outside.append(text[position:])
    return _stripped(inside), [piece for text in outside for piece in _without_time(text)]


def _without_time(text: str) -> list[str]:
    return _stripped([_TIMESTAMP.sub("", text, count=1)])


def _stripped(texts: Iterable[str]) -> list[str]:
    return [piece for text in texts if (piece := text.strip())]


def _without_context(text: str) -> tuple[list[str], list[str]]:
    """Known tags out of a text, wherever they stand; what is not closed stays."""
    kept: list[str] = []
    injected: list[str] = []
    unclosed: set[str] = set()  # so that no tag is searched for twice in vain, and the time stays linear
    start = position = 0
    while found := _OPENING.search(text, position):
        position, closing = found.end(), f"</{found[1]}>"
        end = -1 if closing in unclosed else text.find(closing, position)
        if end < 0:
            unclosed.add(closing)
            continue
        kept.append(text[start : found.start()])
        start = position = end + len(closing)
        injected.append(text[found.start() : start])
    if not injected:
        return ([text] if text.strip() else []), []
    kept.append(text[start:])
    words = "\n".join(_stripped(kept))
    return ([words] if words else []), injected


def _time_in(text: str) -> str | None:
    found = _TIMESTAMP.search(text)
    if not found:
        return None
    named = _MOMENT.search(found[1])
    if not named:
        return found[1].strip() if parse_instant(found[1].strip()) is not None else None
    moment = _rfc3339(named)
    return moment if parse_instant(moment) is not None else None


def _rfc3339(found: re.Match[str]) -> str:
    month = found["month"].lower()
    month_number = _MONTHS.index(month) + 1 if month in _MONTHS else 0
    hour = int(found["hour"]) % 12 + (12 if found["half"] in "Pp" else 0)
    zone = "Z"
    if found["zone_hour"]:
        sign = "+" if found["sign"] == "+" else "-"
        zone = f"{sign}{int(found['zone_hour']):02}:{found['zone_minute'] or '00'}"
    date = f"{found['year']}-{month_number:02}-{int(found['day']):02}"
    return f"{date}T{hour:02}:{found['minute']}:{found['second'] or '00'}{zone}"
