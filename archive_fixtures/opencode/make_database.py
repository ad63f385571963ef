"""Writes `opencode.db`, a database as OpenCode keeps it, with sessions of both generations. All of it is invented.

python archive_fixtures/opencode/make_database.py
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

START = 1_772_440_200_000
"""2026-03-02T08:30:00Z, in milliseconds."""

# The columns that matter here, in the order in which the tool makes them.
SCHEMA = """
CREATE TABLE `session` (`id` text PRIMARY KEY, `project_id` text NOT NULL, `parent_id` text, `slug` text NOT NULL,
  `directory` text NOT NULL, `title` text NOT NULL, `version` text NOT NULL, `revert` text, `agent` text, `model` text,
  `time_created` integer NOT NULL, `time_updated` integer NOT NULL);
CREATE TABLE `message` (`id` text PRIMARY KEY, `session_id` text NOT NULL, `time_created` integer NOT NULL,
  `time_updated` integer NOT NULL, `data` text NOT NULL);
CREATE TABLE `part` (`id` text PRIMARY KEY, `message_id` text NOT NULL, `session_id` text NOT NULL,
  `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL);
CREATE TABLE `session_message` (`id` text PRIMARY KEY, `session_id` text NOT NULL, `type` text NOT NULL,
  `time_created` integer NOT NULL, `time_updated` integer NOT NULL, `data` text NOT NULL, `seq` integer NOT NULL);
CREATE INDEX `part_message_idx` ON `part` (`message_id`);
"""

PARENT, CHILD, SECOND = "ses_35b0harbour001", "ses_35b0harbour002", "ses_35b0harbour003"
PLACE = "/home/ines/harbour"
MODEL = {"providerID": "anthropic", "modelID": "claude-sonnet-4-5"}


def at(seconds: float) -> int:
    """So many seconds after the beginning."""
    return START + round(seconds * 1000)


def span(start: float, end: float) -> Json:
    """The times of a part."""
    return {"start": at(start), "end": at(end)}


def tool(call_id: str, name: str, given: Json, output: str, start: float, end: float, **noted: Any) -> Json:
    """A tool part that has completed."""
    state = {"status": "completed", "input": given, "output": output, "title": "", "metadata": noted}
    return {"type": "tool", "callID": call_id, "tool": name, "state": {**state, "time": span(start, end)}}


def answer(seconds: float, tokens: int) -> Json:
    """The info of an answer."""
    counted = {"input": 900, "output": tokens, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    return {
        "role": "assistant", "mode": "build", "agent": "build", **MODEL, "cost": 0.01, "tokens": counted,
        "path": {"cwd": PLACE, "root": PLACE}, "finish": "stop", "time": {"created": at(seconds)},
    }  # fmt: skip


def prompt(seconds: float) -> Json:
    """The info of a prompt."""
    return {"role": "user", "agent": "build", "model": MODEL, "time": {"created": at(seconds)}}


def said(text: str, **fields: Any) -> Json:
    """A text part."""
    return {"type": "text", "text": text, **fields}


TODOS = [
    {"content": "Ask which bells are rung at half tide", "status": "completed", "priority": "high", "id": "1"},
    {"content": "Ring them once more an hour later", "status": "in_progress", "priority": "medium", "id": "2"},
]

FIRST_GENERATION: list[tuple[str, Json, list[Json]]] = [
    (PARENT, prompt(1), [
        said("The harbour bells ring twice at half tide. Find out why."),
        said("<system-reminder>The project has no tests.</system-reminder>", synthetic=True),
    ]),
    (PARENT, answer(2, 210), [
        {"type": "step-start", "snapshot": "9a1c"},
        {"type": "reasoning", "text": "Somebody schedules them twice.", "time": span(2.1, 4)},
        said("I will have the schedule searched, and look at the log meanwhile.", time=span(4, 6)),
        tool("call_search", "task", {"description": "Search the schedule", "prompt": "Who rings at half tide?",
             "subagent_type": "explore"}, "bells.py rings in `tide` and again in `hour`.", 6, 31, sessionId=CHILD),
        tool("call_log", "bash", {"command": "grep -c ring bells.log"}, "bells.log: No such file", 6.2, 6.9, exit=2),
        tool("call_todo", "todowrite", {"todos": TODOS}, json.dumps(TODOS), 32, 32.1),
        {"type": "step-finish", "reason": "tool-calls", "cost": 0.01, "tokens": {"input": 900, "output": 210}},
    ]),
    (PARENT, answer(33, 40), [said("Both `tide` and `hour` ring them.", time=span(33, 35))]),
    (PARENT, prompt(120), [{"type": "compaction", "auto": True}]),
    (PARENT, {**answer(121, 80), "summary": True}, [said("The bells are scheduled in two places.")]),
    (CHILD, prompt(6.1), [said("Who rings at half tide?")]),
    (CHILD, answer(7, 25), [
        tool("call_grep", "grep", {"pattern": "ring\\("}, "bells.py:12\nbells.py:40", 8, 9),
        said("bells.py rings in `tide` and again in `hour`.", time=span(10, 30)),
    ]),
]  # fmt: skip

SECOND_GENERATION: list[Json] = [
    {"type": "model-switched", "model": {"id": "gpt-5", "providerID": "openai"}, "time": {"created": at(299)}},
    {"type": "user", "text": "Make it ring once.", "time": {"created": at(300)}},
    {"type": "assistant", "agent": "build", "model": {"id": "gpt-5", "providerID": "openai"}, "finish": "stop",
     "time": {"created": at(301), "completed": at(309)}, "cost": 0.02, "tokens": {"input": 1200, "output": 60},
     "content": [
         {"type": "text", "id": "txt_1", "text": "The hour no longer rings at half tide."},
         {"type": "tool", "id": "call_edit", "name": "edit", "time": {"created": at(303), "completed": at(304)},
          "state": {"status": "completed", "input": {"filePath": "bells.py", "oldString": "ring()", "newString": ""},
                    "content": [{"type": "text", "text": "1 replacement"}], "structured": {"replacements": 1}}},
     ]},
]  # fmt: skip


def write(path: Path) -> None:
    """Write the database anew."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; {SCHEMA}")
        for own_id, parent, title, seconds in (
            (PARENT, None, "Why the bells ring twice", 0.0),
            (CHILD, PARENT, "Child session - 2026-03-02T08:30:06.050Z", 6.05),
            (SECOND, None, "Make it ring once", 298.0),
        ):
            row = (own_id, "prj_harbour", parent, "quiet-bell", PLACE, title, "1.3.17", None, "build", None)
            connection.execute(f"INSERT INTO session VALUES ({'?,' * 11}?)", (*row, at(seconds), at(seconds + 130)))
        for number, (session_id, info, parts) in enumerate(FIRST_GENERATION, 1):
            write_message(connection, f"msg_{number:04}", session_id, info, parts)
        for number, message in enumerate(SECOND_GENERATION, 1):
            created = message["time"]["created"]
            data = {name: value for name, value in message.items() if name != "type"}
            row = (f"msg_second{number}", SECOND, message["type"], created, created, json.dumps(data), number)
            connection.execute("INSERT INTO session_message VALUES (?,?,?,?,?,?,?)", row)
        connection.commit()


def write_message(
    connection: sqlite3.Connection, message_id: str, session_id: str, info: Json, parts: list[Json]
) -> None:
    """Write a message of the first generation; ids stand in columns, not in the data."""
    created = info["time"]["created"]
    row = (message_id, session_id, created, created, json.dumps(info))
    connection.execute("INSERT INTO message VALUES (?,?,?,?,?)", row)
    for number, part in enumerate(parts, 1):
        part_id = f"prt_{message_id[4:]}_{number:02}"
        values = (part_id, message_id, session_id, created, created, json.dumps(part))
        connection.execute("INSERT INTO part VALUES (?,?,?,?,?,?)", values)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("opencode.db"))
