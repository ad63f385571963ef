"""A session as Markdown, to read and to paste (CommonMark with GitHub's tables).

What was said stays Markdown, but for markup and for links that could run something. What tools were given and gave back
stands in fences longer than any that it holds.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from scrollcast.archive.encoding import TimedRecord
from scrollcast.export.excerpt import Excerpt
from scrollcast.export.text import (
    clock,
    is_by_a_person,
    one_line,
    picture_words,
    plan_line,
    shown_input,
    speaker,
    told_once,
)
from scrollcast.model import Part, Session

__all__ = ["document", "escape_inline", "fenced", "safe_markdown"]

_PUNCTUATION: Final = re.compile(r"([\\`*_\[\]<>#|~&$])")

_TAG: Final = re.compile(r"<(?=[A-Za-z/!?])")
"""Where markup could begin (CommonMark 6.6), an address in angle brackets included."""

_DESTINATION: Final = re.compile(r"\]([(:])([ \t]*<?[ \t]*)([^\s)>]*)")
"""The end of a link's text, and the address behind it."""

_PLAIN_ADDRESS: Final = re.compile(r"(?:https?:|mailto:)[^&]*|[^:&]*[/?#].*|[^:&]+", re.IGNORECASE)
"""One on the web, or a relative one, without character references that could spell another."""

_FENCE: Final = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})")
_BACKTICKS: Final = re.compile(r"`+")
_CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
"""A terminal's control sequences (ECMA-48), and characters that no text holds."""


def document(excerpt: Excerpt) -> Iterator[bytes]:
    """The file, a message at a time. Events beside the messages are not in it."""
    session = excerpt.session
    yield _head(session).encode()
    turns = 0
    called: dict[str, str] = {}  # what calls are named that were not answered yet
    for timed in excerpt.records():
        if timed.record.is_meta:
            continue
        turns += is_by_a_person(timed.record)
        yield _message(timed, session, turns, called).encode(errors="replace")


def _head(session: Session) -> str:
    title = escape_inline(one_line(session.title)) or "A session without a title"
    facts = [
        ("Agent", session.agent),
        ("Model", session.model),
        ("Project", session.project),
        ("Begun", session.created_at),
    ]
    lines = [f"- {name}: {escape_inline(one_line(value))}" for name, value in facts if value]
    if session.timing == "synthetic":
        lines.append("- Recorded without times; those below are made up from the length of the text")
    return f"# {title}\n\n" + "\n".join(lines) + "\n"


def _message(timed: TimedRecord, session: Session, turns: int, called: dict[str, str]) -> str:
    record = timed.record
    calls = (part for part in record.content if part["type"] == "tool_call" and part["call_id"])
    called.update((part["call_id"], part["name"]) for part in calls)
    parts = [text for part in told_once(record.content) if (text := _part(part, called))]
    if not parts:
        return ""
    answers_only = all(part["type"] == "tool_result" for part in record.content)
    if is_by_a_person(record):
        head = f"## {turns}. {speaker(record, session)} · {clock(timed.t_ms)}"
    elif answers_only:
        head = ""
    else:
        head = f"### {escape_inline(speaker(record, session))} · {clock(timed.t_ms)}"
    return "\n" + "\n\n".join(filter(None, (head, *parts))) + "\n"


def _part(part: Part, called: dict[str, str]) -> str:
    match part["type"]:
        case "text":
            return safe_markdown(part["text"]).strip("\n")
        case "thinking":
            return _quoted(f"*Thinking*\n\n{safe_markdown(part['text'])}".strip())
        case "code":
            return fenced(part["text"], part.get("language") or "")
        case "tool_call":
            return _call(part)
        case "tool_result":
            return _result(part, called)
        case "plan":
            return "\n".join(_step(*plan_line(entry)) for entry in part["entries"])
        case "image":
            return f"*{escape_inline(picture_words(part))}*"
        case "resource":
            return _resource(part)
        case _:
            return fenced(json.dumps(part.get("raw"), ensure_ascii=False, indent=2), "json")


def _step(sign: str, words: str) -> str:
    """A step of a plan. Lists of tasks know no sign for one that has begun."""
    return f"- [ ] **{escape_inline(words)}** (begun)" if sign == "~" else f"- [{sign}] {escape_inline(words)}"


def _call(part: Part) -> str:
    name, title = one_line(part["name"]), one_line(part.get("title") or "")
    shown, language = shown_input(part)
    head = f"**{escape_inline(name)}**" + (f" · {escape_inline(title)}" if title and title not in (name, shown) else "")
    return head + (f"\n\n{fenced(shown, language)}" if shown else "")


def _result(part: Part, called: dict[str, str]) -> str:
    """What came back, and from what: it may stand far from its call."""
    name = escape_inline(one_line(called.pop(part["call_id"], ""), 80))
    if part["is_error"]:
        head = f"*{name} failed:*" if name else "*Failed:*"
    else:
        head = f"*Result of {name}:*" if name else "*Result:*"
    bodies = [body for inner in part["output"] if (body := _output(inner))]
    return "\n\n".join((head, *bodies)) if bodies else f"{head} nothing shown"


def _output(part: Part) -> str:
    return fenced(part["text"], "") if part["type"] == "text" and part["text"].strip() else _part(part, {})


def _resource(part: Part) -> str:
    head = f"*Resource:* {escape_inline(one_line(part['uri']))}"
    return f"{head}\n\n{fenced(part['text'], '')}" if part.get("text") else head


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


# ------------------------------------------------------------------------------------------------------- safety


def escape_inline(text: str) -> str:
    """A line of text so that nothing in it is Markdown."""
    return _PUNCTUATION.sub(r"\\\1", text)


def fenced(text: str, language: str) -> str:
    """A text in a fence that it cannot end, without what only a terminal understands."""
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip("\n")
    longest = max((len(run) for run in _BACKTICKS.findall(plain)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{re.sub(r'[^A-Za-z0-9+#.-]', '', language)[:30]}\n{plain}\n{fence}"


def safe_markdown(text: str) -> str:
    """Markdown that somebody wrote, with its code as it is and everything else unable to become markup.

    Code is taken for code only where every reader of CommonMark agrees: a fence that stands at the margin, and spans in
    a paragraph whose every line closes what it opens. Elsewhere a `<` becomes `&lt;`, which in code is shown so.
    """
    done: list[str] = []
    paragraph: list[str] = []
    fence = ""
    for line in _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n"):
        if fence:
            done.append(line)
            if _closes(line, fence):
                fence = ""
        elif opening := _FENCE.match(line):
            done += _safe_paragraph(paragraph)
            paragraph, fence = [], opening[1]
            done.append(line)
        elif line.strip(" \t"):
            paragraph.append(line)
        else:
            done += [*_safe_paragraph(paragraph), ""]
            paragraph = []
    done += _safe_paragraph(paragraph)
    return "\n".join([*done, fence] if fence else done)


def _closes(line: str, fence: str) -> bool:
    return re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}[ \t]*", line) is not None


def _safe_paragraph(lines: list[str]) -> list[str]:
    """The lines of a paragraph, or of whatever stands between two blank lines."""
    spans = [_spans(line) for line in lines]
    if any(found is None for found in spans):
        return _escaped("\n".join(lines)).split("\n") if lines else []
    pieces = ("".join(_safe_pieces(line, found or [])) for line, found in zip(lines, spans, strict=True))
    return "\n".join(pieces).split("\n") if lines else []


def _safe_pieces(line: str, spans: list[tuple[int, int]]) -> Iterator[str]:
    at = 0
    for start, end in spans:
        yield _escaped(line[at:start])
        yield line[start:end]
        at = end
    yield _escaped(line[at:])


def _escaped(text: str) -> str:
    # A picture at another address would be loaded by whoever reads the file: it becomes a link.
    return _DESTINATION.sub(_safe_destination, _TAG.sub("&lt;", text)).replace("![", "\\![")


def _safe_destination(found: re.Match[str]) -> str:
    sign, space, address = found.groups()
    return found[0] if _PLAIN_ADDRESS.fullmatch(address) else f"]\\{sign}{space}{address}"


def _spans(line: str) -> list[tuple[int, int]] | None:
    """The code spans of a line; `None` where a reader may see others."""
    runs = list(_BACKTICKS.finditer(line))
    if not runs:
        return []
    if "\\" in line or "|" in line:  # an escaped backtick, a cell of a table
        return None
    by_width: dict[int, list[int]] = {}
    for place, run in enumerate(runs):
        by_width.setdefault(len(run[0]), []).append(place)
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(runs):
        alike = by_width[len(runs[at][0])]
        following = bisect_right(alike, at)
        if following == len(alike):
            return None
        found.append((runs[at].start(), runs[alike[following]].end()))
        at = alike[following] + 1
    return found
