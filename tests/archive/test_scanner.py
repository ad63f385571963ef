from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archives import SCROLL_ID, message, sniffed, write_document, write_session
from scrollcast.archive.scanner import (
    MAX_ROW_TYPES,
    Finding,
    Outcome,
    decode_candidate,
    decode_finding,
    encode_candidate,
    encode_finding,
    look,
    row_types,
)
from scrollcast.archive.walk import walk


def look_at(path: Path, root: Path) -> Finding:
    """What the one candidate at a path holds."""
    (candidate,) = walk(path, root)
    return look(candidate)


def test_a_session_is_summarised(root: Path) -> None:
    """With the files that it is made of."""
    folder = write_session(root, [message("m0"), message("m1", 7)], title="Why?")
    finding = look_at(folder, root)
    (summary,) = finding.summaries

    assert finding.outcome is Outcome.SESSIONS
    assert (summary.columns["title"], summary.columns["title_key"], summary.columns["count"]) == ("Why?", "why?", 2)
    assert (summary.source.scroll_id, summary.source.path) == (SCROLL_ID, folder)
    assert summary.mtime_ns == max(file.stat().st_mtime_ns for file in folder.iterdir())
    assert (summary.grows, summary.single, summary.parts) == (True, False, ())


def test_a_session_of_one_file(root: Path) -> None:
    """Whose stamp is all that there is to compare."""
    (summary,) = look_at(write_document(root, [message("m0")]), root).summaries

    assert (summary.grows, summary.single) == (False, True)


@pytest.mark.parametrize(
    ("name", "content", "outcome", "types"),
    [
        ("a.jsonl", b"", Outcome.UNRECOGNISED, ()),
        ("a.jsonl", b"\n \n", Outcome.UNRECOGNISED, ()),
        ("a.jsonl", b'{"type":"x","role":"y","z":1}\n{"role":"w"}\n', Outcome.UNRECOGNISED, ("x", "y", "w")),
        ("a.jsonl", b'{"a":1,"type":7}\n{"b":2}\n', Outcome.UNRECOGNISED, ("a", "type", "b")),
        ("a.jsonl", b'{"a":1}\n{"half', Outcome.UNRECOGNISED, ("a",)),
        ("a.json", b'[{"role":"user"},7,{"role":"tool"}]', Outcome.UNRECOGNISED, ("user", "tool")),
        ("a.json", b'{\n  "a": 1,\n  "b": {"c": 2}\n}\n', Outcome.UNRECOGNISED, ("a", "b")),
        ("a.json", b'{\n "x": [\n  {"type": "alpha"},\n  {"role" :"beta"},\n', Outcome.UNRECOGNISED, ("alpha", "beta")),
        ("a.json", b"\xff\xfe\0", Outcome.UNRECOGNISED, ()),
        ("a.json", b"[" * 5000, Outcome.UNRECOGNISED, ()),
        ("a.txt", b"prose", Outcome.IGNORED, ()),
        ("a.db", b"SQLite format 3\0", Outcome.IGNORED, ()),
    ],
)
def test_a_file_that_nobody_knows(
    root: Path, name: str, content: bytes, outcome: Outcome, types: tuple[str, ...]
) -> None:
    """What can be told of it is."""
    (root / name).write_bytes(content)
    finding = look_at(root / name, root)

    assert (finding.outcome, finding.types) == (outcome, types)
    assert bool(finding.why) == (outcome is Outcome.UNRECOGNISED)


def test_what_is_told_of_a_file_is_bounded(root: Path) -> None:
    """Neither many names nor long ones."""
    (root / "a.jsonl").write_text("".join(json.dumps({"type": f"{'x' * 100}{n}"}) + "\n" for n in range(100)))
    (root / "b.jsonl").write_text("".join(json.dumps({"type": f"x{n}"}) + "\n" for n in range(100)))

    assert look_at(root / "a.jsonl", root).types == ("x" * 60,)
    assert len(look_at(root / "b.jsonl", root).types) == MAX_ROW_TYPES


def test_a_file_that_may_not_be_opened(tmp_path: Path, root: Path) -> None:
    """The reason holds no path."""
    (root / "a.json").symlink_to(write_document(tmp_path / "outside", []))
    finding = look_at(root / "a.json", root)

    assert finding.outcome is Outcome.UNREADABLE
    assert "outside the archive" in finding.why
    assert str(tmp_path) not in finding.why


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=200)
@given(content=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_whatever_stands_in_a_file_is_no_error(root: Path, content: bytes) -> None:
    """And what is told of it can be shown."""
    (root / "a.jsonl").write_bytes(content)
    types = row_types(sniffed(root / "a.jsonl", root))

    assert look_at(root / "a.jsonl", root).outcome in (Outcome.UNRECOGNISED, Outcome.SESSIONS)
    orjson.dumps(types)


@pytest.mark.parametrize("name", [b"a.json", b"\xff\xfe.json", "ä.json".encode()])
@pytest.mark.parametrize("content", ['{"metadata": {"title": "T", "x": [1]}, "messages": []}', '{"metadata": 7}', "{}"])
def test_findings_cross_to_another_process(root: Path, name: bytes, content: str) -> None:
    """And come out as they went in, whatever bytes a path is of."""
    path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
    path.write_text(content)
    finding = look_at(path, root)

    def cross(value: Any) -> Any:
        return orjson.loads(orjson.dumps(value))

    candidate = decode_candidate(cross(encode_candidate(finding.candidate)))
    assert candidate == finding.candidate
    assert decode_finding(cross(encode_finding(finding)), candidate) == finding
