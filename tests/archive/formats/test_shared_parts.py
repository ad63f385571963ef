"""What the readers share: values taken for what they should be, calls with their plans, both ends of a large file."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scrollcast.archive.formats import decode
from scrollcast.archive.formats.acp.session import Transcript
from scrollcast.archive.formats.call_parts import call_parts, first_line, plan_part, read_content, source_image
from scrollcast.archive.formats.edge_lines import EXACT_BYTES, edges_of, extent_of_lines
from scrollcast.archive.formats.facts import project_of
from scrollcast.archive.formats.json_values import decode_object, json_size, listed, read_object, smallest_fields
from scrollcast.archive.storage import Line
from scrollcast.errors import ArchiveError
from scrollcast.model import Part, Record


@pytest.mark.parametrize(
    ("data", "value"),
    [(b'{"a":1}', {"a": 1}), (b"[]", None), (b"7", None), (b'{"a":', None), (b"", None), (None, None)],
)
def test_decode_object(data: bytes | None, value: object) -> None:
    """Only an object is one."""
    assert decode_object(data) == value


@pytest.mark.parametrize(("content", "reason"), [(b"{", "no valid JSON"), (b"[]", "no JSON object")])
def test_read_object_names_what_is_wrong(tmp_path: Path, content: bytes, reason: str) -> None:
    """A file that is no object is an `ArchiveError` in words."""
    path = tmp_path / "a.json"
    path.write_bytes(content)

    with pytest.raises(ArchiveError, match=f"the log is n.*{reason.split()[-1]}"):
        read_object(path, tmp_path, "the log")


@pytest.mark.parametrize(
    ("value", "items"), [([1, 2], [1, 2]), ("", []), (None, []), ("x", ["x"]), ({"a": 1}, [{"a": 1}]), (0, [0])]
)
def test_listed(value: object, items: list[Any]) -> None:
    """One thing is a list of it, nothing is none."""
    assert listed(value) == items


def test_smallest_fields_fit() -> None:
    """The smallest fields are kept as long as they fit, in the order in which they stood."""
    fields = {"large": "x" * 500, "flag": True, "text": "word", "deep": [[1]]}

    assert smallest_fields(fields, 60) == {"flag": True, "text": "word", "deep": [[1]]}
    assert smallest_fields(fields, 10_000) == fields
    assert smallest_fields(fields, 1) == {}


def test_json_size_of_what_cannot_be_encoded() -> None:
    """What is nested more deeply than the encoder goes fits nowhere."""
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]

    assert json_size(deep) > 1 << 40
    assert json_size("x" * 100, limit=10) == 100
    assert json_size({"a": 1}) == 7


def _word(block: Any) -> list[Part]:
    return [{"type": "text", "text": str(block)}]


@pytest.mark.parametrize(
    ("content", "texts"),
    [(None, []), ("", []), ("a", ["a"]), (["a", 7], ["a", "7"]), ({"a": 1}, ['{\n  "a": 1\n}']), (7, ["7"])],
)
def test_read_content(content: object, texts: list[str]) -> None:
    """A content of any shape is parts."""
    assert [part["text"] for part in read_content(content, _word)] == texts


@pytest.mark.parametrize(
    ("given", "entries"),
    [
        ({"todos": [{"content": "a", "status": "cancelled"}, 7, "b"]}, [("a", "cancelled"), ("b", "pending")]),
        ({"plan": [{"step": "a", "status": "completed"}]}, [("a", "completed")]),
        ({"todos": [{"description": "a", "status": "odd"}, {}]}, [("a", "pending")]),
        ({"todos": []}, []),
    ],
)
def test_plan_part(given: object, entries: list[tuple[str, str]]) -> None:
    """Every tool's word for a step is one, and what is no step is left out."""
    part = plan_part(given)

    assert part is not None
    assert [(entry["content"], entry["status"]) for entry in part["entries"]] == entries


@pytest.mark.parametrize("given", [None, "x", {}, {"todos": "x"}])
def test_no_plan(given: object) -> None:
    """Where there is no list there is no plan."""
    assert plan_part(given) is None


def test_call_with_arguments_that_are_no_json() -> None:
    """They stay as they are, and give the call its title."""
    (call,) = call_parts(None, "Bash", "ls -l\npwd", fallback_id="call-1")

    assert call == {
        "type": "tool_call", "call_id": "call-1", "name": "Bash", "kind": "execute", "title": "ls -l",
        "input": "ls -l\npwd",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ({"type": "base64", "data": "AA", "media_type": "image/gif"}, ("image/gif", "AA", None)),
        ({"type": "base64", "data": "AA", "media_type": 7}, ("image/png", "AA", None)),
        ({"type": "url", "url": "https://example.org/a.webp"}, ("image/webp", None, "https://example.org/a.webp")),
        ({"type": "file", "id": 7}, None),
        ("x", None),
    ],
)
def test_source_image(source: object, part: tuple[str, str | None, str | None] | None) -> None:
    """An image is known by its data or by its address."""
    found = source_image(source)

    assert (found and (found["mime_type"], found.get("data"), found.get("uri"))) == part


@pytest.mark.parametrize(("text", "line"), [("\n\n a \nb", "a"), ("", ""), ("x" * 200, "x" * 159 + "…")])
def test_first_line(text: str, line: str) -> None:
    """A title is the first line with something in it."""
    assert first_line(text) == line


@pytest.mark.parametrize(
    ("folder", "project"), [("/home/mira/almanac", "almanac"), ("C:\\Users\\mira\\almanac", "almanac"), ("", None)]
)
def test_project_of(folder: str, project: str | None) -> None:
    """A project is named by the last folder, of whichever system."""
    assert project_of(folder) == project


# --------------------------------------------------------------------------------------------------- both ends


def _update(number: int) -> bytes:
    said = {"sessionUpdate": "user_message_chunk", "messageId": f"m{number}", "content": {"type": "text", "text": "x"}}
    return orjson.dumps({"ts": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z", "msg": said}) + b"\n"


@pytest.mark.parametrize("rows", [3, 200, 400, 3000], ids=lambda rows: f"{rows} rows")
def test_both_ends_are_seen(tmp_path: Path, rows: int) -> None:
    """Of a file of any size the first and the last line are seen, none twice, and the count is about right."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(map(_update, range(rows))))
    edges = edges_of(path, tmp_path)
    extent = extent_of_lines(Transcript("", meta=False), path, tmp_path)

    assert edges.is_all == (path.stat().st_size <= EXACT_BYTES)
    assert edges.lines[0].data == _update(0).strip()
    assert _update(rows - 1).strip() in [line.data for line in edges.lines]
    assert len({line.data for line in edges.lines if line.data}) == len([line for line in edges.lines if line.data])
    assert extent.count == pytest.approx(rows, rel=0.1)


def test_line_longer_than_both_ends(tmp_path: Path) -> None:
    """A large first line is seen whole, up to 4 MiB."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":"' + b"x" * (1 << 20) + b'"}\n' + _update(1))

    assert len(edges_of(path, tmp_path).lines[0].data or b"") == (1 << 20) + 8


# ------------------------------------------------------------------------------------ what comes again and again


def _feed(talk: Any, rows: list[dict[str, Any]]) -> list[Record]:
    lines = (Line(number, orjson.dumps(row), ended=True) for number, row in enumerate(rows, 1))
    return [item for item in decode(talk, lines) if isinstance(item, Record)]


def test_responses_find_their_requests() -> None:
    """Of two requests with one id, one of each side, a response is that of the other side's."""
    prompt = {"sessionId": "s", "prompt": [{"type": "text", "text": "x"}]}
    rows: list[dict[str, Any]] = [
        {"dir": "out", "msg": {"jsonrpc": "2.0", "id": 1, "method": "session/prompt", "params": prompt}},
        {"dir": "in", "msg": {"jsonrpc": "2.0", "id": 1, "method": "fs/read_text_file", "params": {"sessionId": "s"}}},
        {"dir": "out", "msg": {"jsonrpc": "2.0", "id": 1, "result": {"content": "y"}}},
        {"dir": "in", "msg": {"jsonrpc": "2.0", "id": 1, "result": {"stopReason": "cancelled"}}},
        {"dir": "in", "msg": {"jsonrpc": "2.0", "id": 1, "result": {"stopReason": "cancelled"}}},
    ]
    records = _feed(Transcript("s", meta=True), rows)

    assert [record.kind or record.role for record in records] == [
        "user", "fs/read_text_file", "fs/read_text_file/response", "system", "session/prompt/response",
        "unknown/response",
    ]  # fmt: skip
