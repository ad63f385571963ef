"""A session as an asciicast, for terminals and asciinema's player: the conversation as text, at its recorded pace.

Follows asciicast v3 (https://docs.asciinema.org/manual/asciicast/v3/): a header, then `[interval, code, data]` a line,
each interval in seconds since the event before. A marker stands at each turn.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import orjson

from scrollcast.archive.encoding import TimedRecord
from scrollcast.archive.timestamps import parse_instant
from scrollcast.export.excerpt import Excerpt
from scrollcast.export.text import (
    COLOUR,
    CONTROL,
    clock,
    coloured_text,
    is_by_a_person,
    one_line,
    picture_words,
    plain_text,
    plan_line,
    shown_input,
    speaker,
    told_once,
)
from scrollcast.model import Part, Session

__all__ = ["COLUMNS", "ROWS", "document"]

COLUMNS: Final = 100
ROWS: Final = 32

SHOWN_LINES: Final = 30
"""So many lines of what a tool was given or gave back are shown: what scrolls away at once is read by nobody."""

_LABEL_CHARACTERS: Final = 80

_WRAPPED_CHARACTERS: Final = 20_000
"""A longer line is no prose; the terminal breaks it."""

_BOLD: Final = "\x1b[1m"
_DIM: Final = "\x1b[2m"
_RED: Final = "\x1b[31m"
_GREEN: Final = "\x1b[32m"
_YELLOW: Final = "\x1b[33m"
_MAGENTA: Final = "\x1b[35m"
_CYAN: Final = "\x1b[36m"
_PLAIN: Final = "\x1b[0m"


def document(excerpt: Excerpt) -> Iterator[bytes]:
    """The file, a message at a time. Events beside the messages are not in it."""
    session = excerpt.session
    yield _line(_header(session))
    shown_ms = 0
    for timed in excerpt.records():
        text = "" if timed.record.is_meta else _message(timed, session)
        if not text:
            continue
        interval = (timed.t_ms - shown_ms) / 1000
        shown_ms = timed.t_ms
        if is_by_a_person(timed.record):
            yield _line([interval, "m", _label(timed)])
            interval = 0
        yield _line([interval, "o", text.replace("\n", "\r\n")])


def _header(session: Session) -> dict[str, Any]:
    header: dict[str, Any] = {"version": 3, "term": {"cols": COLUMNS, "rows": ROWS, "type": "xterm-256color"}}
    instant = parse_instant(session.created_at)
    if instant is not None:
        header["timestamp"] = instant // 1_000_000
    if title := one_line(session.title):
        header["title"] = title
    return header


def _label(timed: TimedRecord) -> str:
    text = next((part["text"] for part in timed.record.content if part["type"] == "text"), "")
    return one_line(CONTROL.sub("", text), _LABEL_CHARACTERS)


def _line(value: Any) -> bytes:
    return orjson.dumps(value) + b"\n"


def _message(timed: TimedRecord, session: Session) -> str:
    record = timed.record
    parts = [text for part in told_once(record.content) if (text := _part(part))]
    if not parts:
        return ""
    if all(part["type"] == "tool_result" for part in record.content):
        return "\n".join(parts) + "\n"
    colour = _CYAN if is_by_a_person(record) else _MAGENTA
    head = f"\n{_BOLD}{colour}{speaker(record, session)}{_PLAIN} {_DIM}{clock(timed.t_ms)}{_PLAIN}"
    return "\n".join((head, *parts)) + "\n"


def _part(part: Part) -> str:
    match part["type"]:
        case "text":
            return _prose(part["text"])
        case "thinking":
            return f"{_DIM}{_prose(part['text'])}{_PLAIN}" if part["text"].strip() else ""
        case "code":
            return _indented(part["text"])
        case "tool_call":
            return _call(part)
        case "tool_result":
            return _result(part)
        case "plan":
            return "\n".join(f"  [{sign}] {words}" for sign, words in map(plan_line, part["entries"]))
        case "image":
            return f"{_DIM}[{picture_words(part)}]{_PLAIN}"
        case "resource":
            head = f"{_DIM}[{one_line(part['uri'])}]{_PLAIN}"
            return "\n".join(filter(None, (head, _indented(part.get("text") or ""))))
        case _:
            return _indented(json.dumps(part.get("raw"), ensure_ascii=False, indent=2))


def _call(part: Part) -> str:
    shown, language = shown_input(part)
    name, title = one_line(part["name"], 80), one_line(part.get("title") or "", 80)
    head = f"{_YELLOW}\N{BLACK RIGHT-POINTING TRIANGLE} {name}{_PLAIN}"
    if title and title not in (name, shown):
        head += f" {_DIM}{title}{_PLAIN}"
    return "\n".join(filter(None, (head, _indented(_with_signs(shown) if language == "diff" else shown))))


def _with_signs(diff: str) -> str:
    """A diff whose lines have the colours of their signs."""
    colours = {"+": _GREEN, "-": _RED}
    lines = (f"{colours.get(line[:1], '')}{plain_text(line)}{_PLAIN}" for line in diff.split("\n"))
    return "\n".join(lines)


def _result(part: Part) -> str:
    sign = f"{_RED}\N{BALLOT X} failed{_PLAIN}" if part["is_error"] else f"{_GREEN}\N{CHECK MARK}{_PLAIN}"
    bodies = (_indented(inner["text"]) if inner["type"] == "text" else _part(inner) for inner in part["output"])
    return "\n".join((f"  {sign}", *filter(None, bodies)))


def _prose(text: str) -> str:
    """A text whose lines break between words."""
    lines = plain_text(text).strip("\n").split("\n")
    return "\n".join(part for line in lines for part in (_wrapped(line) or [""])) if text.strip() else ""


def _wrapped(line: str) -> list[str]:
    if not COLUMNS < len(line) <= _WRAPPED_CHARACTERS:
        return [line]
    return textwrap.wrap(line, COLUMNS, replace_whitespace=False, drop_whitespace=True, break_on_hyphens=False)


def _indented(text: str) -> str:
    """The first lines of a text, with its colours, as far as there is room for them."""
    lines = coloured_text(text).strip("\n").split("\n")
    shown = [f"  {line}{_PLAIN if COLOUR.search(line) else ''}" for line in lines[:SHOWN_LINES]]
    if len(lines) > SHOWN_LINES:
        shown.append(f"  {_DIM}… {len(lines) - SHOWN_LINES} more lines{_PLAIN}")
    return "\n".join(shown) if text.strip() else ""
