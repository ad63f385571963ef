from __future__ import annotations

from typing import Any

import pytest

from archives import message
from export.conftest import Exporter
from export.stories import call, text
from scrollcast.export.text import MOST_COMPARED_LINES, shown_input

EDIT = {"file_path": "/a.py", "old_string": "one\ntwo\nthree", "new_string": "one\n2\nthree"}


@pytest.mark.parametrize(
    ("given", "title", "shown"),
    [
        ({"command": "ls", "description": "Look"}, None, ("ls", "sh")),
        ({"command": "ls", "timeout": 5}, None, ('{\n  "command": "ls",\n  "timeout": 5\n}', "json")),
        (EDIT, None, ("--- /a.py\n+++ /a.py\n one\n-two\n+2\n three", "diff")),
        ({**EDIT, "replace_all": True}, None, None),
        ({"file_path": "/a.py", "content": "x = 1\n"}, "/a.py", ("x = 1\n", "py")),
        ({"file_path": "/a.py"}, "/a.py", ("", "")),
        ({"file_path": "/a.py"}, None, ('{\n  "file_path": "/a.py"\n}', "json")),
        ({"file_path": "/a.py", "content": 1}, None, ('{\n  "file_path": "/a.py",\n  "content": 1\n}', "json")),
        ("words", None, ("words", "")),
        (None, None, ("", "")),
    ],
)
def test_input_is_shown_as_what_it_is(given: Any, title: str | None, shown: tuple[str, str] | None) -> None:
    """Where all of it can be; else as JSON, so that nothing is lost."""
    found = shown_input({"type": "tool_call", "call_id": "c", "name": "T", "title": title, "input": given})

    assert found == shown if shown else found[1] == "json"


def test_long_edit_is_not_compared() -> None:
    """What was there stands before what is there."""
    lines = [str(number) for number in range(MOST_COMPARED_LINES)]
    given = {"file_path": "a", "old_string": "\n".join(lines), "new_string": "\n".join(reversed(lines))}
    shown, _ = shown_input({**call(), "input": given})

    assert shown.split("\n")[2:5] == ["-0", "-1", "-2"]
    assert shown.split("\n")[-1] == "+0"


async def test_plan_is_told_once(exporter: Exporter) -> None:
    """Behind the call that made it, without what that was given."""
    todos = {"type": "plan", "entries": [{"content": "Rest", "status": "pending"}]}
    asked = {**call(), "name": "TodoWrite", "input": {"todos": [{"content": "Rest"}]}}
    exporter.write([message("m0", 0, "assistant", content_parts=[asked, todos, text("So."), asked])])
    document = (await exporter.document("markdown")).decode()

    assert document.count('"todos"') == 1
    assert document.index("- [ ] Rest") < document.index('"todos"')


async def test_edit_has_the_colours_of_a_diff_in_a_recording(exporter: Exporter) -> None:
    """And its tool the title of the call."""
    edit = {**call(), "name": "Edit", "title": "/a.py", "input": EDIT}
    document = (await exporter.write([message("m0", 0, "assistant", content_parts=[edit])]).document("cast")).decode()

    assert r"\u001b[31m-two\u001b[0m" in document
    assert r"\u001b[32m+2\u001b[0m" in document
    assert r"Edit\u001b[0m \u001b[2m/a.py" in document
