"""From an event to lines: pure, so that the same event looks the same wherever it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from scrollcast.export.text import clock
from scrollcast.model import Part
from scrollcast.terminal.blocks import LEAST_WIDTH, Block, Line, Prose, Rows, View, draw, highlighted, plural, rows_of
from scrollcast.terminal.conversation import CallState, Entry
from scrollcast.terminal.text import first_words, safe, span
from scrollcast.terminal.tools import Call, Look, look_of, name_of, plan_rows, result_blocks

__all__ = ["TAGS", "entry_lines", "heading", "speaker_name", "tool_state"]

TAGS: Final = (
    "system-reminder", "system_reminder", "command-name", "command-message", "command-args", "command-contents",
    "local-command-stdout", "local-command-stderr", "local-command-caveat", "bash-input", "bash-stdout", "bash-stderr",
    "task-notification", "user-prompt-submit-hook", "environment_context", "user_instructions", "ide_opened_file",
    "ide_selection", "user_info", "attached_files",
)  # fmt: skip
"""What agents put into the messages of people, as tags around it."""

_TAGGED: Final = re.compile(rf"<({'|'.join(TAGS)})>(.*?)</\1>", re.DOTALL)
_SHOWN_TAGS: Final = ("command-name", "bash-input", "local-command-stdout", "bash-stdout", "bash-stderr")

MAX_TAGS: Final = 60
"""More are somebody's text about tags."""

TOLD_SILENCE_MS: Final = 30_000
"""A shorter silence that was cut is not worth a line."""

RESOURCE_LINES: Final = 8
NOTE_CHARACTERS: Final = 240
"""A longer text of the program itself is folded."""

_NAMES: Final = {"person": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}
_SIGNS: Final = {
    "person": ("❯", "bold cyan"), "assistant": ("●", "bold magenta"), "system": ("◇", "bold dim"),
    "tool": ("◦", "bold yellow"),
}  # fmt: skip

_INDENT: Final = [Segment("  ")]
_BAR: Final = [Segment("▌ ", Style.parse("cyan"))]
_GUTTER: Final = [Segment("  "), Segment("│ ", Style.parse("dim"))]
_FAILED_GUTTER: Final = [Segment("  "), Segment("┃ ", Style.parse("red"))]


def entry_lines(entry: Entry, view: View, agent: str | None = None) -> list[Line]:
    """The lines of an event; none where all of it is shown elsewhere. `agent` is what the assistant is called.

    They are kept with the entry as long as neither it nor the view changes.
    """
    if entry.drawn is None or entry.drawn[0] != view:
        lines = list(_entry(entry, view, agent))
        entry.drawn = (view, [*_silence(entry, view), *lines] if lines else [])
    return entry.drawn[1]


def _silence(entry: Entry, view: View) -> Iterator[Line]:
    start, end = entry.skip or (0, 0)
    if end - start >= TOLD_SILENCE_MS:
        yield []
        yield _text(Text(f"  ⋯ {span(end - start)} of silence", "dim italic"), view.width)


def _entry(entry: Entry, view: View, agent: str | None) -> Iterator[Line]:
    match entry.speaker:
        case "meta":
            yield from _meta(entry, view)
        case "compaction":
            yield from _compaction(entry, view)
        case _:
            yield from _message(entry, view, agent)


def _message(entry: Entry, view: View, agent: str | None) -> Iterator[Line]:
    parts = [(part, list(_part(entry, place, part, view))) for place, part in enumerate(entry.content)]
    shown = [(part, lines) for part, lines in parts if lines]
    if not shown and entry.content:
        return  # all of it stands with earlier calls, or says nothing
    has_head = entry.starts and not all(part["type"] == "tool_result" for part, _ in shown)
    if has_head:
        yield []
        yield heading(entry, view, agent)
    for number, (part, lines) in enumerate(shown):
        if number and entry.speaker == "person":
            yield _BAR
        elif (number or not has_head) and part["type"] != "tool_result":
            yield []
        yield from lines
    if not shown:
        yield _text(Text("  empty message", "dim italic"), view.width)


def heading(entry: Entry, view: View, agent: str | None) -> Line:
    """Who speaks, and when."""
    sign, style = _SIGNS[entry.speaker]
    left = Text.assemble((f"{sign} {speaker_name(entry, agent)}", style))
    for told in _facts(entry.metadata):
        left.append(f"  {told}", "dim")
    return _spread(left, Text(clock(entry.t_ms), "dim"), view.width)


def speaker_name(entry: Entry, agent: str | None) -> str:
    """What the one who speaks is called."""
    if entry.speaker == "assistant":
        return first_words(agent or "", 40) or _NAMES["assistant"]
    if entry.speaker == "person" and entry.metadata.get("sidechain"):
        return "Prompt"
    role = entry.metadata.get("archived_role")
    return first_words(str(role).capitalize(), 30) if role else _NAMES.get(entry.speaker, "")


def _facts(metadata: Mapping[str, Any]) -> Iterator[str]:
    if metadata.get("sidechain"):
        yield f"⑂ sub-agent {first_words(str(metadata.get('agent_id') or ''), 16)}".rstrip()
    if metadata.get("abandoned"):
        yield "abandoned"
    if metadata.get("inherited"):
        yield "from an earlier session"
    if isinstance(metadata.get("model"), str):
        yield first_words(metadata["model"], 40)


# ------------------------------------------------------------------------------------------------------------- parts


def _part(entry: Entry, place: int, part: Part, view: View) -> Iterator[Line]:
    try:
        yield from list(_drawn_part(entry, place, part, view))
    except (KeyError, TypeError, ValueError, AttributeError):  # not of the shape that its type promises
        yield from _indented([Rows(highlighted(_json(part), lexer="json"), RESOURCE_LINES)], view, _INDENT)


def _drawn_part(entry: Entry, place: int, part: Part, view: View) -> Iterator[Line]:
    side = _BAR if entry.speaker == "person" else _INDENT
    match part["type"]:
        case "text":
            yield from _said(entry, part, view, side)
        case "thinking":
            yield from _thought(part, view)
        case "code":
            yield from _indented([Rows(highlighted(part["text"], lexer=str(part["language"] or "")))], view, side)
        case "tool_call":
            yield from _call(entry.calls[place], view)
        case "tool_result":
            yield from _result(entry, place, part, view)
        case "plan":
            if not place or entry.content[place - 1]["type"] != "tool_call":  # else the call has shown it
                yield from _indented([Rows(plan_rows(part["entries"]), wrap=True)], view, side)
        case "image":
            yield from _indented([Rows([Text(_picture(part), "dim")])], view, side)
        case "resource":
            yield from _resource(part, view, side)
        case _:
            rows = highlighted(_json(part.get("raw")), lexer="json")
            yield from _indented([Rows(rows, RESOURCE_LINES)], view, side)


def _said(entry: Entry, part: Part, view: View, side: Line) -> Iterator[Line]:
    text = part["text"]
    if entry.speaker == "assistant":
        yield from _indented([Prose(text)], view, side)
    elif entry.speaker in ("system", "tool") and len(text) > NOTE_CHARACTERS and not view.more:
        yield _text(Text(f"  {first_words(text, view.width)}", "dim"), view.width)
    else:
        for tag, words in _segments(text):
            if tag is None:
                yield from _indented([Prose(words, breaks=True, dim=entry.speaker != "person")], view, side)
            elif tag in _SHOWN_TAGS:
                style = "bold" if tag in ("command-name", "bash-input") else "dim"
                yield from _indented([Rows(rows_of(words, style), RESOURCE_LINES, wrap=True)], view, side)
            else:
                yield from _indented([Rows([Text(f"{tag}: {first_words(words, 200)}", "dim italic")])], view, side)
    if part.get("truncated"):
        yield from _indented([Rows([], cut=part["truncated"]["bytes"])], view, side)


def _segments(text: str) -> Iterator[tuple[str | None, str]]:
    """A person's own words, and what stands in tags between them, with the tag."""
    done = 0
    for number, found in enumerate(_TAGGED.finditer(text)):
        if number >= MAX_TAGS:
            break
        if text[done : found.start()].strip():
            yield None, text[done : found.start()]
        if found[2].strip():
            yield found[1], found[2]
        done = found.end()
    if text[done:].strip():
        yield None, text[done:]


def _thought(part: Part, view: View) -> Iterator[Line]:
    text = part["text"]
    if not text.strip():
        yield _text(Text("  ∴ Thinking, not recorded", "dim italic"), view.width)
    elif view.thinking:
        yield _text(Text("  ∴ Thinking", "dim italic"), view.width)
        yield from _indented([Prose(text, dim=True)], view, _GUTTER)
    else:
        size = Text(plural(len(text.split()), "word"), "dim")
        glance = Text(f"  ∴ {first_words(text, view.width)}", "dim italic")
        yield _spread(glance, size, view.width)


def _resource(part: Part, view: View, side: Line) -> Iterator[Line]:
    where = first_words(re.sub(r"^file://", "", str(part["uri"])), 200)
    rows = highlighted(part.get("text") or "", path=where) if part.get("text") else []
    head = Rows([Text(f"▤ {where}", "underline")])
    yield from _indented([head, Rows(rows, RESOURCE_LINES, cut=(part.get("truncated") or {}).get("bytes"))], view, side)


def _picture(part: Part) -> str:
    size = part["truncated"]["bytes"] if part.get("truncated") else len(part.get("data") or "") * 3 // 4
    told = [
        safe(str(part["mime_type"]))[:60],
        f"{size:,} bytes" if size else "",
        first_words(str(part.get("uri") or ""), 200),
    ]
    return f"[picture: {', '.join(filter(None, told))}]"


# ------------------------------------------------------------------------------------------------------------- tools


def _call(state: CallState, view: View) -> Iterator[Line]:
    call = Call(state.part, [part for _, part in state.results])
    look = look_of(call)
    yield from _card(state, look, call.failed, view)
    yield from _indented(look.body, view, _FAILED_GUTTER if call.failed else _GUTTER)


def _state(state: CallState, failed: bool, view: View) -> Text:
    return Text() if view.in_order and not state.results else tool_state(state, failed)


def _card(state: CallState, look: Look, failed: bool, view: View, sign: str = "▸") -> Iterator[Line]:
    name, server = name_of(state.part["name"])
    colour = "bold red" if failed else "bold yellow"
    head = Text.assemble((f"  {sign} {first_words(name, 60) or 'tool'}", colour))
    if server:
        head.append(f" {first_words(server, 40)}", "dim")
    head.append(f"  {look.summary}" if look.summary else "")
    for words, style in look.badges:
        head.append(f"  {words}", style)
    yield _spread(head, _state(state, failed, view), view.width)


def tool_state(state: CallState, failed: bool) -> Text:
    """How a call stands: it runs, it worked, or it failed; and how long it took."""
    if not state.results:
        return Text("… running", "yellow") if state.waits else Text("no result", "dim")
    took = state.results[-1][0] - state.t_ms
    length = f" {span(took)}" if took >= 50 else ""
    return Text(f"✘ failed{length}", "bold red") if failed else Text(f"✔{length}", "green")


def _result(entry: Entry, place: int, part: Part, view: View) -> Iterator[Line]:
    """A result that is not shown with its call."""
    if place in entry.joined:
        return
    state = entry.calls.get(place)
    if state is not None:
        only = CallState(state.part, state.t_ms, [(entry.t_ms, part)], waits=False)
        summary = look_of(Call(state.part)).summary
        look = Look(summary if view.in_order else f"called at {clock(state.t_ms)}: {summary}".removesuffix(": "))
        yield from _card(only, look, part["is_error"], view, "↳")
    else:
        sign = ("✘ failed", "bold red") if part["is_error"] else ("✔", "green")
        yield _spread(Text("  ↳ Result of a call that is not shown here", "yellow"), Text(*sign), view.width)
    side = _FAILED_GUTTER if part["is_error"] else _GUTTER
    yield from _indented(result_blocks(Call(state.part if state else part, [part])), view, side)


# ------------------------------------------------------------------------------------------------- beside messages


def _meta(entry: Entry, view: View) -> Iterator[Line]:
    event = entry.data.get("meta_event") or {}
    kind = first_words(re.sub(r"[_-]+", " ", str(event.get("kind", "event"))), 60)
    payload = event.get("payload")
    glance = "" if payload in (None, {}, []) else first_words(_json(payload), 300)
    yield _spread(
        Text.assemble((f"  ◇ {kind}", "dim bold"), (f"  {glance}", "dim")), Text(clock(entry.t_ms), "dim"), view.width
    )


def _compaction(entry: Entry, view: View) -> Iterator[Line]:
    text = "\n".join(part["text"] for part in entry.content if part["type"] == "text")
    yield []
    yield _rule("Context compacted", view.width)
    if view.more:
        yield from _indented([Prose(text, dim=True)], view, _INDENT)
    elif text.strip():
        yield _text(Text(f"  {first_words(text, view.width)}", "dim"), view.width)


# -------------------------------------------------------------------------------------------------------------- lines


def _indented(blocks: Sequence[Block], view: View, side: Line) -> list[Line]:
    room = view.width - sum(cell_len(segment.text) for segment in side)
    return [[*side, *line] for block in blocks for line in draw(block, room, more=view.more)]


def _text(text: Text, width: int) -> Line:
    (line,) = draw(Rows([text]), width)
    return line


def _spread(left: Text, right: Text, width: int) -> Line:
    """Two texts at the two ends of a line; the left one is cut where there is too little room."""
    width = max(LEAST_WIDTH, width)
    left = Text(safe(left.plain), spans=left.spans, style=left.style)
    left.truncate(max(1, width - right.cell_len - 2), overflow="ellipsis")
    space = " " * max(0, width - left.cell_len - right.cell_len)
    return _text(Text.assemble(left, space, right), width)


def _rule(words: str, width: int) -> Line:
    side = "─" * max(2, (width - len(words) - 2) // 2)
    return _text(Text(f"{side} {words} {side}", "dim"), width)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
