"""The sessions that the page is tried on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from uuid import UUID

from archives import JsonObject, message, write_session

DEMO: Final = UUID("5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11")
STEADY: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a1")
BIG: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a2")
HOSTILE: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a3")
EMPTY: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a4")
BROKEN: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a5")
TORN: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a6")
GAPPED: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a7")
APART: Final = UUID("0b5e55ed-0000-4000-8000-0000000000a8")
UNKNOWN: Final = UUID("0b5e55ed-0000-4000-8000-0000000000ff")

PARENT: Final = UUID("3e97bde5-70a9-50c4-a34f-6d1ef4ac266b")
"""Of the Claude Code fixtures: it has a call that started the next one."""
CHILD: Final = UUID("fe1bc768-0b70-5a8e-8956-b468237caba8")
TIMELESS: Final = UUID("a76deb2b-bdd6-513a-8af4-de328042f458")
"""Of the Cursor fixtures: recorded without timestamps."""

STEADY_COUNT: Final = 120
STEADY_GAP_SECONDS: Final = 0.1
BIG_COUNT: Final = 4_000
APART_COUNT: Final = 500


def write_archive(root: Path) -> None:
    """Write all of them but the demo."""
    write_session(root, steady(), scroll_id=STEADY, title="Metronome")
    write_session(root, big(), scroll_id=BIG, title="Big", agent="Codex", project="large")
    names: JsonObject = {"title": f"{MARKUP} \u202egnp.exe", "agent": MARKUP, "project": "A" * 5_000}
    write_session(root, hostile(), scroll_id=HOSTILE, **names)
    write_session(root, [], scroll_id=EMPTY, title="Empty")
    write_session(root, [message("m0"), b'{"ts": oh', message("m1", 1.0)], scroll_id=TORN, title="Torn")
    write_session(root, gapped(), scroll_id=GAPPED, title="Gapped")
    write_session(root, apart(), scroll_id=APART, title="Apart")
    broken = write_session(root, [message("m0")], scroll_id=BROKEN, title="Broken")
    (broken / "session.json").write_text('{"title": "Broken", oh')
    (root / "telemetry.jsonl").write_text('{"type":"span","ms":3}\n{"type":"metric","value":1}\n')


def rest(root: Path) -> None:
    """Let every file be an hour older, so that no session counts as being written."""
    for path in root.rglob("*"):
        at = path.stat().st_mtime - 3600
        os.utime(path, (at, at))


def steady() -> list[JsonObject]:
    """Messages at even distances; every tenth is a turn."""
    times = [(number, number * STEADY_GAP_SECONDS) for number in range(STEADY_COUNT)]
    return [_said(number, seconds, f"message {number}", turn=number % 10 == 0) for number, seconds in times]


def big() -> list[JsonObject]:
    """More than a tab can show: turns, calls and their results, text."""
    return [_step(number) for number in range(BIG_COUNT)]


def _step(number: int) -> JsonObject:
    match number % 4:
        case 1:
            return message(f"m{number}", number, "assistant", content_parts=[call(f"c{number}", f"echo {number}")])
        case 2:
            output = result(f"c{number - 1}", "done\n" * 5, is_error=number % 90 == 2)
            return message(f"m{number}", number, "user", content_parts=[output])
        case _:
            return _said(number, number, f"Step **{number}**", turn=number % 40 == 0)


def gapped() -> list[JsonObject]:
    """A lunch of 25 minutes between two turns, after a call that fails."""
    return [
        _said(0, 0, "Make it", turn=True),
        message("m1", 1, "assistant", content_parts=[call("c", "make")]),
        message("m2", 2, "user", content_parts=[result("c", "no rule", is_error=True)]),
        _said(3, 3, "It failed."),
        _said(4, 1_503, "Back from lunch", turn=True),
        _said(5, 1_504, "Welcome back."),
        _said(6, 1_505, "Done."),
    ]


def apart() -> list[JsonObject]:
    """A call whose result comes hundreds of messages later."""
    return [
        message("m0", 0, "assistant", content_parts=[call("far", "make everything")]),
        *(_said(number, number, f"Still waiting, {number}") for number in range(1, APART_COUNT - 1)),
        message("last", APART_COUNT - 1, "user", content_parts=[result("far", "everything is made")]),
    ]


def _said(number: int, seconds: float, text: str, *, turn: bool = False) -> JsonObject:
    return message(f"m{number}", seconds, "user" if turn else "assistant", content_md=text)


def call(call_id: str, command: str) -> JsonObject:
    """A part that runs a command."""
    return {"type": "tool_call", "call_id": call_id, "name": "Bash", "kind": "execute", "input": {"command": command}}


def result(call_id: str, text: str, *, is_error: bool = False) -> JsonObject:
    """A part that says what came of it."""
    output = [{"type": "text", "text": text}]
    return {"type": "tool_result", "call_id": call_id, "output": output, "is_error": is_error}


# ----------------------------------------------------------------------------------------------------- hostility

PWN: Final = "window.pwned=(window.pwned||0)+1"
MARKUP: Final = f'<script>{PWN}</script><img src=x onerror="{PWN}">'
"""Runs something wherever text becomes markup."""

_TEXTS: Final = [
    MARKUP,
    f"<svg onload='{PWN}'><animate onbegin='{PWN}' attributeName=x dur=1s /></svg>",
    f"[click](javascript:{PWN}) [click](JaVaScRiPt:{PWN}) <javascript:{PWN}>",
    f"[click](data:text/html,<script>{PWN}</script>) [click](blob:null/x) [click](//127.0.0.1:9/x)",
    f'![x](x" onerror="{PWN}) ![remote](http://127.0.0.1:9/pixel.png) [x](vbscript:{PWN})',
    f"</p></div></main><iframe srcdoc='<script>parent.{PWN}</script>'></iframe><base href='//127.0.0.1:9/'>",
    "<style>*{display:none}</style>",
    f"<form action='javascript:{PWN}'><button autofocus onfocus='{PWN}'>x</button></form>",
    f"`` ` `` ```html\n{MARKUP}\n```\n| a | b |\n|---|---|\n| {MARKUP} | <details open ontoggle='{PWN}'> |",
    "\u202eright to left\u202c \u2066isolated\u2069 \x07bell \x00nul \u0600\u0601" + "\u0301" * 2_000,
    "{{constructor.constructor('" + PWN + "')()}} ${" + PWN + "} <%= x %> __proto__ constructor",
    "\x1b]8;;javascript:" + PWN + "\x07link\x1b]8;;\x07 \x1b[31mred\x1b[0m \x1b[2J\x1b[1000C",
    "[" * 20_000 + "](" * 20_000,
    "> " * 5_000 + "deep",
    "*a_" * 20_000,
]


def hostile() -> list[JsonObject]:
    """Whatever a recorded agent may have read from the web, in every place that text can stand in."""
    svg = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4="
    many: list[JsonObject] = [
        {"type": "thinking", "text": MARKUP},
        {"type": "code", "language": MARKUP, "text": MARKUP},
        {**call("__proto__", MARKUP), "name": MARKUP, "kind": MARKUP, "title": MARKUP},
        {**call("constructor", MARKUP), "input": {"command": MARKUP, "__proto__": {"polluted": True}}},
        result("__proto__", MARKUP, is_error=True),
        {"type": "image", "mime_type": "image/svg+xml", "data": svg},
        {"type": "image", "mime_type": "image/png", "uri": "http://127.0.0.1:9/pixel.png"},
        {"type": "image", "mime_type": f'image/png" onerror="{PWN}', "data": "AAAA"},
        {"type": "resource", "uri": f"javascript:{PWN}", "mime_type": "text/html", "text": MARKUP},
        {"type": "plan", "entries": [{"content": MARKUP, "status": MARKUP, "priority": MARKUP}]},
        {"type": "surprise", "html": MARKUP},
    ]
    texts = [_said(number, number, text, turn=number % 2 == 1) for number, text in enumerate(_TEXTS)]
    metadata: JsonObject = {"model": MARKUP, "agent_id": MARKUP, "sidechain": True}
    rest = [
        message("parts", 20, "assistant", content_parts=many, metadata=metadata),
        message("role", 21, MARKUP, content_md=MARKUP),
        message("line", 22, "user", content_md="A" * 1_000_000),
        message("code", 23, "assistant", content_md="```\n" + "B" * 1_000_000 + "\n```"),
        message("out", 24, "user", content_parts=[result("none", "C" * 1_000_000)]),
        message("last", 25, "assistant", content_md="The end of it."),
    ]
    return texts + rest
