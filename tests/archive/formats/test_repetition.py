"""Things that come more often than any tool writes them: they cost no more than they are long, and stay right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.readers import READERS, owner, sniff
from scrollcast.model import Record

Write = Callable[[str, list[dict[str, Any]]], SessionSource]

MANY = 3000


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows to a file, and finds the session in it."""

    def write(name: str, rows: list[dict[str, Any]]) -> SessionSource:
        path = tmp_path / name
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        file = sniff(path, tmp_path, path.stat().st_size)
        reader = owner(file)
        assert reader is not None
        return next(iter(reader.locate(file, tmp_path)))

    return write


def records_of(source: SessionSource) -> list[Record]:
    """The messages of a session."""
    return [item for item in source.reader.records(source, meta=False) if isinstance(item, Record)]


def _call(call_id: object, name: str = "f") -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [{"id": call_id, "function": {"name": name}}]}


def test_results_of_calls_with_one_id(write: Write) -> None:
    """A result is that of the nearest earlier call of its id that has none; one of no call keeps its id."""
    rows: list[dict[str, Any]] = [{"role": "user", "content": "x"}, *[_call("a")] * 3]
    rows += [{"role": "tool", "tool_call_id": call_id, "content": "y"} for call_id in ("a", "a", "b", "a", "a")]
    parts = [part for record in records_of(write("chat.jsonl", rows)) for part in record.content]

    assert [part["call_id"] for part in parts if part["type"] == "tool_result"] == ["a#3", "a#2", "b", "a", "a"]


def test_results_by_the_name_of_their_tool(write: Write) -> None:
    """A result without an id is that of the nearest earlier call of its tool."""
    rows: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        _call(None, "f"),
        _call(None, "g"),
        _call(None, "f"),
    ]
    rows += [{"role": "tool", "name": name, "content": "y"} for name in ("f", "g", "f", "f", "")]
    parts = [part for record in records_of(write("chat.jsonl", rows)) for part in record.content]

    assert [part["call_id"] for part in parts if part["type"] == "tool_result"] == [
        "call-3", "call-2", "call-1", None, None,
    ]  # fmt: skip


def test_calls_that_are_no_objects_are_kept(write: Write) -> None:
    """What stands among the calls and is none is shown as unknown."""
    odd = {"role": "assistant", "content": "", "tool_calls": ["odd"]}
    rows: list[dict[str, Any]] = [{"role": "user", "content": "x"}, odd]

    assert records_of(write("chat.jsonl", rows))[1].content == [{"type": "unknown", "raw": "odd"}]


def test_one_id_for_all_parts(write: Write) -> None:
    """Parts that share an id are records with ids of their own."""
    rows = [{"type": "text", "sessionID": "s", "part": {"id": "x", "text": "a"}}] * MANY
    ids = [record.id for record in records_of(write("run.jsonl", rows))]

    assert ids[:3] == ["x", "x~2", "x~3"]
    assert len(set(ids)) == MANY


def test_rewinds_over_rewinds(write: Write) -> None:
    """Each rewind undoes what there is from its message on, and nothing twice."""
    rows: list[dict[str, Any]] = [{"sessionId": "s", "projectHash": "p"}]
    for number in range(3):
        rows += [{"id": f"u{number}.{place}", "type": "user", "content": f"{number}.{place}"} for place in range(3)]
        rows += [{"$rewindTo": f"u{number}.1"}, {"$rewindTo": f"u{number}.2"}] if number < 2 else []
    undone = [bool((record.metadata or {}).get("abandoned")) for record in records_of(write("log.jsonl", rows))]

    # The second rewind of each round names a message that is undone already: that undoes everything.
    assert undone == [True] * 6 + [False] * 3


def test_histories_over_histories(write: Write) -> None:
    """A history that ends earlier takes back what it lacks; what is said again afterwards is said anew."""
    said = [{"id": name, "type": "user", "content": name} for name in "abc"]
    rows: list[dict[str, Any]] = [
        {"sessionId": "s", "projectHash": "p"}, *said, {"$set": {"messages": said[:1]}}, said[1],
        {"$set": {"messages": said[:2]}},
    ]  # fmt: skip
    records = records_of(write("log.jsonl", rows))

    assert [(record.content[0]["text"], bool((record.metadata or {}).get("abandoned"))) for record in records] == [
        ("a", False), ("b", True), ("c", True), ("b", False),
    ]  # fmt: skip


def test_plan_that_only_grows(write: Write) -> None:
    """A plan that every call adds to shows its newest items."""
    rows = [
        {"role": "assistant", "message": {"content": [
            {"type": "tool_use", "name": "TodoWrite",
             "input": {"merge": True, "todos": [{"id": str(number), "content": str(number)}]}},
        ]}}
        for number in range(150)
    ]  # fmt: skip
    plans = [part for record in records_of(write("chat.jsonl", rows)) for part in record.content[1:]]

    assert [entry["content"] for entry in plans[2]["entries"]] == ["0", "1", "2"]
    assert [entry["content"] for entry in plans[-1]["entries"]] == [str(number) for number in range(50, 150)]


def test_arguments_of_many_lines(tmp_path: Path) -> None:
    """The lines behind an argument belong to it, however many they are."""
    path = tmp_path / "agent-transcripts" / "a.txt"
    path.parent.mkdir()
    path.write_text("user:\n<user_query>x</user_query>\nassistant:\n[Tool call] Write\n  text: a\n" + "    b\n" * MANY)
    file = sniff(path, tmp_path, path.stat().st_size)
    reader = owner(file)
    assert reader is not None
    call = records_of(next(iter(reader.locate(file, tmp_path))))[1].content[0]

    assert call["input"]["text"].count("\n") == MANY


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"role":"user","content":"x"}]', ["openai-chat"]),
        (b'{"messages":[{"role":"user","content":"x"}]}', ["openai-chat"]),
        (b'{"schema_version":"ATIF-v1.5","steps":[]}', ["atif"]),
        (b'{"metadata":{},"messages":[]}', ["native"]),
        (b'{"messages":[],"metadata":{}}', ["native"]),
        (b"[]", ["native"]),
        (b"7", ["native"]),
        (b'{"metadata":{', ["native"]),
        (b'{"odd":1}', []),
    ],
)
def test_documents_named_by_uuids(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    """Such a name is ours only where what stands in the file is ours, or too broken to tell."""
    path = tmp_path / "00000000-0000-0000-0000-000000000001.json"
    path.write_bytes(content)
    file = sniff(path, tmp_path, len(content))

    assert [reader.name for reader in READERS if reader.claims(file)] == expected
