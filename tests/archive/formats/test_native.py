import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import (
    SCROLL_ID,
    Line,
    at,
    message,
    meta_event,
    metadata,
    native_source,
    sniffed,
    write_document,
    write_session,
)
from scrollcast.archive.formats import native
from scrollcast.archive.formats.native import NativeReader
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Record, derive_scroll_id

READER = NativeReader()
TEXT_PART = {"type": "text", "text": "part"}


def items_of(folder: Path) -> list[Record | BadRecord]:
    """What the reader gives of a session's messages."""
    return list(READER.records(native_source(folder), meta=False))


# ---------------------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("name", "content", "claimed"),
    [
        ("session.json", "", True),
        (f"{SCROLL_ID}.json", "{broken", True),
        ("any.json", '{"metadata": {}, "messages": []}', True),
        ("any.json", ' \n{"metadata":{}}', True),
        ("any.json", '{"messages": []}', False),
        ("any.json", "[]", False),
        (f"{SCROLL_ID}.jsonl", '{"metadata": {}}', False),
        ("messages.jsonl", "{}", False),
    ],
)
def test_files_that_are_claimed(root: Path, name: str, content: str, claimed: bool) -> None:
    """A `session.json`, a JSON file named by an id, and one that begins with its metadata are ours."""
    (root / name).write_text(content)

    assert READER.claims(sniffed(root / name, root)) == claimed


@pytest.mark.parametrize(
    ("name", "content", "scroll_id"),
    [
        (f"{SCROLL_ID}.json", json.dumps({"metadata": metadata(UUID(int=1)), "messages": []}), UUID(int=1)),
        (f"{SCROLL_ID}.json", "{broken", SCROLL_ID),
        (f"{SCROLL_ID}.json", '{"metadata": {"scroll_id": "none"}, "messages": []}', SCROLL_ID),
        ("any.json", '{"metadata": {}, "messages": []}', derive_scroll_id("native", "any.json")),
    ],
)
def test_id_of_a_session(root: Path, name: str, content: str, scroll_id: UUID) -> None:
    """The id is the metadata's, else the name's, else made of the name."""
    (root / name).write_text(content)

    (source,) = READER.locate(sniffed(root / name, root), root)

    assert source.scroll_id == scroll_id


def test_files_of_a_session(root: Path) -> None:
    """A folder's messages, meta events and metadata, the one that grows first; or the one whole file."""
    folder, document = write_session(root, []), write_document(root, [])

    assert [path.name for path in READER.files(native_source(folder))] == [
        "messages.jsonl", "meta_events.jsonl", "session.json",
    ]  # fmt: skip
    assert READER.files(native_source(document)) == (document,)


# --------------------------------------------------------------------------------------------------------- records


def test_message_as_a_record(root: Path) -> None:
    """A record has the id, time, role, parts and metadata that the archive holds."""
    folder = write_session(root, [message("m0", 1, "system", content_parts=[TEXT_PART], metadata={"model": "lumen-2"})])

    assert items_of(folder) == [Record("m0", at(1), "system", [TEXT_PART], {"model": "lumen-2"})]


@pytest.mark.parametrize(
    ("fields", "record"),
    [
        ({}, ("record-1", None, "user", "")),
        ({"message_id": 7, "role": [], "ts": "soon"}, ("record-1", "soon", "user", "")),
        ({"message_id": "", "role": ""}, ("record-1", None, "user", "")),
        ({"message_id": "a", "content_md": 7, "metadata": "x"}, ("a", None, "user", "")),
        ({"message_id": "a", "content_md": "md", "content_parts": {}}, ("a", None, "user", "md")),
        ({"message_id": "a", "content_md": "md", "role": "tool"}, ("a", None, "tool", "md")),
    ],
)
def test_missing_and_odd_fields(root: Path, fields: dict[str, Any], record: tuple[str, str | None, str, str]) -> None:
    """A record that lacks a field, or has it of another type, is still a message."""
    record_id, timestamp, role, text = record

    assert items_of(write_session(root, [fields])) == [
        Record(record_id, timestamp, role, [{"type": "text", "text": text}])
    ]


def test_message_without_parts_is_empty(root: Path) -> None:
    """A list of no parts parses, so that the markdown is not used."""
    folder = write_session(root, [message("m0", content_parts=[])])

    assert items_of(folder) == [Record("m0", at(0), "user", [])]


BAD: list[tuple[Line, bool]] = [
    (b"{broken", True),
    (b"[]", True),
    (b'"text"', True),
    (b"null", True),
    (b"[" * 5000, True),
    (b"", False),
    (b" \t ", False),
    (b'{"message_id":"cr"}\r', False),
    (b'{"message_id":"cut \\ud83d"}', False),
    (b'{"message_id":"\xff"}', False),
    (b'{"message_id":"n","metadata":{"n":NaN,"big":1e999}}', False),
]


@pytest.mark.parametrize(("line", "is_bad"), BAD)
def test_bad_line_costs_itself(root: Path, line: bytes, is_bad: bool) -> None:
    """A line that is no record is reported by its number; blank lines are none; everything else goes on."""
    items = items_of(write_session(root, [message("m0"), line, message("m1")]))

    assert [item for item in items if isinstance(item, BadRecord)] == ([BadRecord(2)] if is_bad else [])
    ids = [item.id for item in items if isinstance(item, Record)]
    assert (ids[0], ids[-1]) == ("m0", "m1")


@pytest.mark.parametrize(
    ("tail", "last"),
    [
        (b'{"message_id": "m1"', BadRecord(2, half_written=True)),
        (b'{"message_id": "m1"\n', BadRecord(2)),
        (b'{"message_id": "m1"\n\n', BadRecord(2)),
        (json.dumps(message("m1")).encode(), Record("m1", at(0), "user", [{"type": "text", "text": "m1"}])),
    ],
    ids=["half a line", "a bad line", "a bad line and a blank one", "a whole line without an end"],
)
def test_last_line(root: Path, tail: bytes, last: Record | BadRecord) -> None:
    """A last line without an end is a record if it is whole, else half-written and no damage."""
    folder = write_session(root, [message("m0")])
    with (folder / "messages.jsonl").open("ab") as file:
        file.write(tail)

    assert items_of(folder)[1:] == [last]


def test_byte_order_mark_and_windows_ends(root: Path) -> None:
    """A file that went through another system's editor is read all the same."""
    folder = write_session(root, [message("m0"), message("m1")])
    path = folder / "messages.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    (folder / "session.json").write_bytes(b"\xef\xbb\xbf" + (folder / "session.json").read_bytes())

    assert [item.id for item in items_of(folder) if isinstance(item, Record)] == ["m0", "m1"]
    assert READER.summarise(native_source(folder)).title == "A session"


def test_unicode_line_ends_stay_in_their_text(root: Path) -> None:
    """JSON may hold U+2028, U+2029 and U+0085 as they are."""
    text = "one\u2028two\u2029three\u0085four"
    line = json.dumps(message("m0", content_md=text), ensure_ascii=False).encode()
    (record,) = items_of(write_session(root, [line]))

    assert isinstance(record, Record)
    assert record.content == [{"type": "text", "text": text}]


def test_bad_item_of_a_whole_file(root: Path) -> None:
    """In a whole file a record that is no object is bad, and has no line."""
    document = write_document(root, [message("m0"), 7, message("m1")])
    items = items_of(document)

    assert items[1] == BadRecord(None)
    assert len(items) == 3


# ----------------------------------------------------------------------------------------------------- meta events


@pytest.mark.parametrize("write", [write_session, write_document])
def test_meta_events_of_both_shapes(root: Path, write: Any) -> None:
    """Meta events are given apart, with kind and payload; a session without any has none."""
    events = [meta_event("x0", 2, "plan", {"a": 1}), {"kind": 7}]
    source = native_source(write(root / "with", [], events))
    without = native_source(write(root / "without", []))

    assert list(READER.meta_events(source)) == [
        Record("x0", at(2), kind="plan", payload={"a": 1}),
        Record("meta-2", None, kind="unknown"),
    ]
    assert list(READER.meta_events(without)) == []


def test_bad_line_among_meta_events(root: Path) -> None:
    """A bad line of the meta events costs itself."""
    source = native_source(write_session(root, [], [b"{broken", meta_event("x0")]))

    assert [type(item) for item in READER.meta_events(source)] == [BadRecord, Record]


# --------------------------------------------------------------------------------------------------------- summary


@pytest.mark.parametrize("write", [write_session, write_document])
def test_summary_of_both_shapes(root: Path, write: Any) -> None:
    """Both shapes tell the same of the same session."""
    source = native_source(write(root, [message("m0", 1), message("m1", None), message("m2", 9), message("m3", 4)]))
    session = READER.summarise(source)

    assert (session.count, session.duration_ms, session.updated_at) == (4, 8000, at(9))
    assert (session.scroll_id, session.native_session_id) == (SCROLL_ID, "native-1")


def test_summary_of_an_empty_session(root: Path) -> None:
    """A session without messages is none that is broken."""
    session = READER.summarise(native_source(write_session(root, [])))

    assert (session.count, session.duration_ms, session.created_at, session.updated_at) == (0, 0, at(0), at(0))


def test_times_of_the_metadata_count_first(root: Path) -> None:
    """What the metadata says of its times is not overruled by the messages."""
    folder = write_session(root, [message("m0")], created_at=at(-100), updated_at=at(100))
    session = READER.summarise(native_source(folder))

    assert (session.created_at, session.updated_at) == (at(-100), at(100))


def test_large_session_is_estimated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large file only the beginning and the end are read: the times are right, the count nearly."""
    monkeypatch.setattr(native, "_EXACT_SUMMARY_BYTES", 1000)
    monkeypatch.setattr(native, "_SAMPLE_BYTES", 2000)
    lines: list[Line] = [message(f"m{number}", number) for number in range(100)]
    session = READER.summarise(native_source(write_session(root, [b"{broken", *lines])))

    assert (session.duration_ms, session.updated_at) == (99_000, at(99))
    assert 90 <= session.count <= 110


@pytest.mark.parametrize("name", ["session.json", "messages.jsonl"])
def test_missing_file(root: Path, name: str) -> None:
    """A session with a file missing is broken, and says which in a sentence without a path."""
    folder = write_session(root, [message("m0")])
    source = native_source(folder)
    os.unlink(folder / name)

    with pytest.raises(ArchiveError, match="missing") as broken:
        READER.summarise(source)
    assert str(root) not in str(broken.value)
