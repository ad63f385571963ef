"""A session can say nothing that the terminal obeys, wherever in an event it says it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from scrollcast.terminal.blocks import View
from scrollcast.terminal.conversation import Conversation
from scrollcast.terminal.rendering import entry_lines
from terminal.speaking import call, result, said, text

EVIL = {
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "clipboard, as an entity": "&#27;]52;c;ZXZpbA==&#7;",
    "title": "\x1b]0;owned\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "alternate screen": "\x1b[?1049h",
    "one byte CSI": "\x9b2J",
    "one byte OSC": "\x9d0;owned\x9c",
    "device control": "\x1bPq#0\x1b\\",
    "window": "\x1b[8;5;5t",
    "link": "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\",
    "a link's address": "[x](http://evil.example/\x1b]0;owned\x07)",
    "backspace": "ab\x08\x08\x7f\x00",
    "carriage return": "good\rbad\x0b\x0c\x85\u2028",
    "direction": "\u202egnp.exe\u2066",
    "half": "\x1b",
    "colour's end": "\x1b[31",
}

OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def events(evil: str) -> list[dict[str, Any]]:
    """Messages that say it in every place that there is."""
    return [
        said("user", text(evil), text(f"<bash-input>{evil}</bash-input><system-reminder>{evil}</system-reminder>")),
        said(
            "assistant",
            text(f"{evil} `{evil}` **{evil}**\n\n```{evil}\n{evil}\n```\n\n| a | b |\n|-|-|\n| {evil} | x |"),
            {"type": "thinking", "text": evil},
            {"type": "code", "language": evil, "text": evil},
            {"type": "image", "mime_type": evil, "uri": evil},
            {"type": "resource", "uri": evil, "mime_type": evil, "text": evil},
            {"type": "plan", "entries": [{"content": evil, "status": evil}]},
            {"type": "unknown", "raw": {evil: evil}},
            call("Bash", "c1", command=evil, description=evil),
            call(f"mcp__{evil}__{evil}", "c2", **{evil: evil}),
            call("Edit", "c3", file_path=evil, old_string=evil, new_string=f"{evil}x"),
            call("Read", "c4", file_path=evil),
            call("Grep", "c5", pattern=evil, path=evil),
            call("Task", "c6", prompt=evil, subagent_type=evil),
            model=evil,
            sidechain=True,
            agent_id=evil,
        ),
        said("user", *(result(f"{evil}\n\x1b[31mred\n{evil}", f"c{n}", is_error=n == 3) for n in range(1, 7))),
        said("user", result(evil, "nobody"), archived_role=f"tool{evil}"),
        said("assistant", text(evil), compaction=True),
        {"type": "meta_event", "meta_event": {"kind": evil, "payload": {evil: evil}}},
    ]


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("view", [View(), View(60, thinking=True, more=True), View(100, in_order=True)])
def test_nothing_is_left_that_a_terminal_obeys(evil: str, view: View) -> None:
    """No control character, no link, no mark of direction; but what is harmless is shown."""
    held = Conversation()
    for seq, event in enumerate(events(evil)):
        held.put(seq, seq * 1000, event)
    segments = [each for entry in held.entries for line in entry_lines(entry, view, evil) for each in line]

    assert not [each for each in segments if each.control or OBEYED.search(each.text)]
    assert not [each for each in segments if each.style is not None and each.style.link]
    assert any("red" in each.text for each in segments)
