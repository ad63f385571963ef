import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.formats import Revised, SessionSource, SniffedFile
from scrollcast.archive.formats.opencode import OpenCodeReader, database
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.archive.storage import read_lines
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "archive_fixtures" / "opencode"
DATABASE = FIXTURES / "opencode.db"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"

READER = OpenCodeReader()
START = 1_772_460_000_000

PARENT, CHILD, SECOND = "ses_35b0harbour001", "ses_35b0harbour002", "ses_35b0harbour003"

needs_real_sessions = pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the collected sessions are not here")


# ------------------------------------------------------------------------------------------------------- helpers


def sniffed(path: Path) -> SniffedFile:
    """The beginning of a file as the archive gives it to a reader."""
    return sniff(path, path.parent, path.stat().st_size)


def sources_of(path: Path, root: Path | None = None) -> list[SessionSource]:
    """The sessions in a file."""
    return list(READER.locate(sniffed(path), root or path.parent))


def source_of(path: Path, root: Path | None = None) -> SessionSource:
    """The only session in a file."""
    (source,) = sources_of(path, root)
    return source


def member(own_id: str, path: Path = DATABASE) -> SessionSource:
    """One session of a database."""
    return next(source for source in sources_of(path) if source.member == own_id)


def tree_sources(storage: Path) -> list[SessionSource]:
    """The sessions of a storage folder."""
    names = {entry.name for entry in storage.iterdir() if entry.is_dir()}
    return [source_of(path, storage) for path in READER.candidates(storage, names, ()) or ()]


def all_fixtures() -> list[SessionSource]:
    """Every session among our fixtures."""
    files = [FIXTURES / "run.jsonl", DATABASE, *sorted((FIXTURES / "exports").iterdir())]
    found = [source for path in files for source in sources_of(path)]
    return [*found, *tree_sources(FIXTURES / "storage"), *tree_sources(FIXTURES / "storage_flat")]


def items_of(source: SessionSource, *, meta: bool = False) -> list[Record | BadRecord]:
    """All that the reader gives, each part checked."""
    items = list(READER.records(source, meta=meta))
    messages = [item for item in items if isinstance(item, Record) and not item.is_meta]
    assert all(parse_part(part) == part for record in messages for part in record.content)
    assert len({record.id for record in messages}) == len(messages)
    return items


def records_of(source: SessionSource, *, meta: bool = False) -> list[Record]:
    """The records, with no bad one among them."""
    items = items_of(source, meta=meta)
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    return records


def kinds_of(records: Iterable[Record | BadRecord]) -> list[str]:
    """What each record is, in a word: its parts' types, behind the role of one that is not the agent's."""
    words = []
    for record in records:
        if isinstance(record, BadRecord):
            words.append("BAD")
            continue
        types = "+".join(part["type"] for part in record.content)
        words.append(types if record.role == "assistant" else f"{record.role}:{types}")
    return words


def part_of(records: Iterable[Record], kind: str, call_id: str) -> dict[str, Any]:
    """The call or the result with this id."""
    found = [part for record in records for part in record.content if part["type"] == kind]
    return next(part for part in found if part["call_id"] == call_id)


def labelled(records: Iterable[Record], name: str) -> list[str]:
    """The ids of the records that have this in their metadata."""
    return [record.id for record in records if (record.metadata or {}).get(name)]


def prompt(message_id: str, *parts: Any, **fields: Any) -> dict[str, Any]:
    """A person's message of an export."""
    info = {"id": message_id, "sessionID": "ses_1", "role": "user", "time": {"created": START}, **fields}
    return {"info": info, "parts": list(parts)}


def answer(message_id: str, *parts: Any, **fields: Any) -> dict[str, Any]:
    """An agent's message of an export."""
    return prompt(message_id, *parts, role="assistant", **fields)


def said(text: str, own_id: str = "", **fields: Any) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "text": text, **({"id": own_id} if own_id else {}), **fields}


def ran(own_id: str, **state: Any) -> dict[str, Any]:
    """A tool part."""
    return {"id": own_id, "type": "tool", "callID": f"call_{own_id}", "tool": state.pop("tool", "bash"), "state": state}


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., SessionSource]:
    """Writes an export of these messages, and gives the session in it."""

    def write(*messages: Any, **info: Any) -> SessionSource:
        info = {"id": "ses_1", "directory": "/home/u/app", "title": "T", "time": {"created": START}, **info}
        path = tmp_path / "export.json"
        path.write_text(json.dumps({"info": info, "messages": messages}, indent=2))
        return source_of(path)

    return write


# ----------------------------------------------------------------------------------------------------- every shape

SOURCES = all_fixtures()
every_fixture = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.member or source.path.stem)


@every_fixture
def test_summary_counts_what_the_records_give(source: SessionSource) -> None:
    """Each fixture is claimed, and a summary of a small session is exact whichever way it is stored."""
    session = READER.summarise(source)
    messages = records_of(source)
    everything = records_of(source, meta=True)

    assert owner(sniffed(source.path)) is not None
    assert READER.claims(sniffed(source.path))
    assert session.count == len(messages) > 0
    assert session.kind == READER.name
    assert source.scroll_id == session.scroll_id == derive_scroll_id("opencode", session.native_session_id or "")
    assert [record for record in everything if not record.is_meta] == messages
    assert not any(record.is_meta for record in messages)
    orjson.dumps([session, everything])


@every_fixture
def test_every_file_of_a_session_is_named(source: SessionSource) -> None:
    """What a session is made of is watched: the file itself first, all of it within the root."""
    files = READER.files(source)
    assert files[0] == source.path
    assert all(path.is_relative_to(source.root) for path in files)


@every_fixture
def test_reading_leaves_no_trace(source: SessionSource) -> None:
    """Nothing is made, changed or removed where sessions lie."""
    before = {path: path.stat().st_mtime_ns for path in FIXTURES.rglob("*")}
    READER.summarise(source)
    records_of(source)
    assert {path: path.stat().st_mtime_ns for path in FIXTURES.rglob("*")} == before


def test_only_our_files_are_claimed() -> None:
    """No other file among the fixtures of any format is taken for one of OpenCode."""
    others = [path for path in FIXTURES.parent.rglob("*") if path.is_file() and not path.is_relative_to(FIXTURES)]
    assert not [path for path in others if READER.claims(sniffed(path))]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n\n", b"{", b"[]", b"{}", b"null", b"\xff\xfe{}", b"\0" * 40, b'{"info":7,"messages":[]}',
        b'{"info":{"id":"x"},"messages":[]}', b'{"info":{"title":"API","version":"1"},"paths":{}}',
        b'{"type":"text","text":"hi"}', b'{"type":"step_start","session_id":"x","part":{}}',
        b'{"sessionID":"x","role":"user","time":{}}',
        b"SQLite format 3\0 CREATE TABLE blobs (id) CREATE TABLE meta (k)",
        b"SQLite format 3\0 CREATE TABLE `session` (a) CREATE TABLE `message` (b)",
    ],
)  # fmt: skip
def test_look_alikes_are_left(tmp_path: Path, content: bytes) -> None:
    """What only resembles a session is not claimed."""
    path = tmp_path / "file.json"
    path.write_bytes(content)
    assert not READER.claims(sniffed(path))


# ------------------------------------------------------------------------------------------------- calls and results


def test_call_and_result_are_apart_in_time() -> None:
    """A call comes when it starts, its result when it ends, behind other calls that ran meanwhile."""
    records = records_of(source_of(FIXTURES / "exports" / "greenhouse.json"))
    assert kinds_of(records) == [
        "user:text+resource+image+resource", "thinking", "tool_call", "tool_call", "tool:tool_result",
        "tool:tool_result", "tool_call", "tool:tool_result", "text", "user:text", "system:text", "tool_call",
        "system:text", "user:text+unknown", "text",
    ]  # fmt: skip
    answered = [part["call_id"] for record in records for part in record.content if part["type"] == "tool_result"]
    assert answered == ["call_b", "call_a", "call_c"]
    times = [parse_instant(record.timestamp) or 0 for record in records]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert part_of(records, "tool_call", "call_a")["kind"] == "read"


@pytest.mark.parametrize(
    ("state", "output", "failed"),
    [
        ({"status": "completed", "output": "ok", "metadata": {"exit": 0}}, ["ok"], False),
        ({"status": "completed", "output": "", "metadata": {"exit": 2}}, [], True),
        ({"status": "completed", "output": "ok", "metadata": {"exit": None}}, ["ok"], False),
        ({"status": "success", "output": "ok"}, ["ok"], False),
        ({"status": "error", "error": "no"}, ["no"], True),
        ({"status": "error", "output": "gone", "metadata": {"exit": 1}}, ["gone"], True),
        ({"status": "completed", "output": "sorry", "tool": "invalid"}, ["sorry"], True),
        ({"status": "completed", "output": {"a": 1}}, ['{\n  "a": 1\n}'], False),
        ({"status": "error", "content": [], "error": {"type": "unknown", "message": "no"}}, ["no"], True),
        ({"status": "completed", "content": [], "result": "done"}, ["done"], False),
        ({"status": "completed", "output": "old", "time": {"compacted": START}}, ["old"], False),
    ],
)
def test_result_says_whether_it_failed(
    exported: Callable[..., SessionSource], state: dict[str, Any], output: list[str], failed: bool
) -> None:
    """The state, the exit code of a shell and the tool that stands for a wrong call tell; cleared output is shown."""
    records = records_of(exported(answer("msg_1", ran("prt_1", **state))))
    assert kinds_of(records) == ["tool_call", "tool:tool_result"]
    (result,) = records[1].content
    assert [part["text"] for part in result["output"]] == output
    assert result["is_error"] is failed


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ({"status": "running", "input": {"command": "ls"}}, {"command": "ls"}),
        ({"status": "pending", "input": {}, "raw": '{"command": "l'}, '{"command": "l'),
        ({"status": "pending", "input": {}, "raw": '{"command": "ls"}'}, {"command": "ls"}),
        ({"status": "pending", "input": '{"a":1}'}, {"a": 1}),
        ({"status": "pending"}, {}),
        ({"status": ["odd"], "input": None}, {}),
    ],
)
def test_call_without_end_has_no_result(
    exported: Callable[..., SessionSource], state: dict[str, Any], given: Any
) -> None:
    """A call that was interrupted or still runs stands alone, with as much of its input as was written."""
    (record,) = records_of(exported(answer("msg_1", ran("prt_1", **state))))
    assert record.content[0]["input"] == given
    assert record.timestamp == START


def test_todos_are_a_plan(exported: Callable[..., SessionSource]) -> None:
    """The todo tool's call gives the plan as well; an entry that is none is left out."""
    todos = [{"content": "a", "status": "cancelled", "priority": "low", "id": "1"}, {"content": "b"}, 7]
    (record,) = records_of(exported(answer("msg_1", ran("prt_1", tool="todowrite", input={"todos": todos}))))
    assert record.content[0]["kind"] == "think"
    assert record.content[1]["entries"] == [
        {"content": "a", "status": "cancelled", "priority": "low"},
        {"content": "b", "status": "pending", "priority": None},
    ]


def test_what_a_tool_noted_is_kept_within_a_bound(exported: Callable[..., SessionSource]) -> None:
    """A tool's own facts stand in the metadata, without what repeats its output and what is too large."""
    noted = {"exit": 0, "diff": "-a\n+b", "output": "same", "whole": "x" * 20_000}
    records = records_of(exported(answer("msg_1", ran("prt_1", status="completed", output="same", metadata=noted))))
    assert (records[1].metadata or {})["tool_metadata"] == {"exit": 0, "diff": "-a\n+b"}


# ----------------------------------------------------------------------------------------------------- other parts


def test_injected_text_is_not_a_persons(exported: Callable[..., SessionSource]) -> None:
    """Synthetic and ignored texts of a prompt are set apart; a message of nothing else is the program's."""
    records = records_of(
        exported(
            prompt("msg_1", said("Fix it"), said("File contents", synthetic=True), said("no", ignored=True)),
            prompt("msg_2", said("Continue if you have next steps", synthetic=True)),
        )
    )
    assert kinds_of(records) == ["user:text", "system:text"]
    assert (records[0].metadata or {})["injected"] == ["File contents", "no"]


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"mime": "image/png", "url": "data:image/png;base64,AAAA"},
         {"type": "image", "mime_type": "image/png", "data": "AAAA"}),
        ({"mime": "image/png", "url": "https://a.invalid/x.png"},
         {"type": "image", "mime_type": "image/png", "uri": "https://a.invalid/x.png"}),
        ({"mime": "text/plain", "filename": "a.txt", "url": "data:text/plain,a%20b"},
         {"type": "resource", "uri": "a.txt", "mime_type": "text/plain", "text": "a b"}),
        ({"mime": "application/pdf", "filename": "a.pdf", "url": "data:application/pdf;base64,AAAA"},
         {"type": "resource", "uri": "a.pdf", "mime_type": "application/pdf", "blob": "AAAA"}),
        ({"mime": "text/plain", "filename": "a", "url": "file:///etc/passwd"},
         {"type": "resource", "uri": "file:///etc/passwd", "mime_type": "text/plain", "name": "a"}),
    ],
)  # fmt: skip
def test_file_is_shown_and_never_opened(
    exported: Callable[..., SessionSource], part: dict[str, Any], shown: dict[str, Any]
) -> None:
    """A file whose bytes are there is an image or a resource; of another only the address is."""
    (record,) = records_of(exported(prompt("msg_1", {"type": "file", **part})))
    assert record.content == [shown]


def test_attachments_of_a_tool_are_in_its_output(exported: Callable[..., SessionSource]) -> None:
    """A picture that a tool attached stands behind its text."""
    picture = {"type": "file", "mime": "image/png", "url": "data:image/png;base64,AAAA"}
    state = {"status": "completed", "output": "Image read", "attachments": [picture]}
    records = records_of(exported(answer("msg_1", ran("prt_1", tool="read", **state))))
    assert [part["type"] for part in records[1].content[0]["output"]] == ["text", "image"]


def test_unknown_parts_are_kept_and_broken_ones_counted(exported: Callable[..., SessionSource]) -> None:
    """A part of a new type is shown whole, one that is no object is a bad record, and so is such a message."""
    source = exported(prompt("msg_1", said("x"), 7, {"type": "hologram"}), answer("msg_2", {"type": "beam"}), "odd")
    items = items_of(source)
    assert kinds_of(items) == ["user:text+unknown", "BAD", "unknown", "BAD"]
    assert READER.summarise(source).count == 2


def test_bookkeeping_is_meta(exported: Callable[..., SessionSource]) -> None:
    """Steps, snapshots, patches and mentions are meta events, whole; so are the facts of each message."""
    parts = [{"type": kind, "n": 1} for kind in ("step-start", "snapshot", "patch", "agent", "step-finish")]
    source = exported(answer("msg_1", *parts, said("done")))
    assert kinds_of(records_of(source)) == ["text"]
    events = [record for record in records_of(source, meta=True) if record.is_meta]
    assert [event.kind for event in events] == ["message", *(part["type"] for part in parts)]
    assert [event.payload for event in events[1:]] == parts


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"name": "MessageAbortedError", "data": {"message": "stop"}}, "Interrupted: stop"),
        ({"name": "MessageOutputLengthError", "data": {}}, "The answer reached the limit of its length"),
        ({"type": "unknown", "message": "reset"}, "Failed: reset"),
        ({"name": "NewError", "data": {"code": 7}}, 'NewError: {\n  "name"'),
        ("broke", "broke"),
        (["odd"], '[\n  "odd"\n]'),
    ],
)
def test_failed_answer_ends_in_a_notice(exported: Callable[..., SessionSource], error: Any, text: str) -> None:
    """What ended an answer is said behind it, at its end."""
    source = exported(answer("msg_1", said("So"), error=error, time={"created": START, "completed": START + 9}))
    records = records_of(source)
    assert kinds_of(records) == ["text", "system:text"]
    assert records[1].content[0]["text"].startswith(text)
    assert records[1].timestamp == START + 9


def test_usage_is_counted_once_a_message(exported: Callable[..., SessionSource]) -> None:
    """Tokens and cost stand on the last thing the agent said or did in a message; without them its steps tell."""
    finish = {"type": "step-finish", "tokens": {"input": 3}, "cost": 0.5}
    records = records_of(
        exported(
            answer("msg_1", said("a", "prt_1", time={"end": START}), ran("prt_2", status="completed", output="x"),
                   tokens={"input": 5}, cost={"odd": 1}, modelID="m"),
            answer("msg_2", said("b", "prt_3"), finish),
        )
    )  # fmt: skip
    assert labelled(records, "usage") == ["prt_2", "prt_3"]
    assert (records[1].metadata or {})["usage"] == {"input": 5}
    assert records[3].metadata == {"usage": {"input": 3}, "cost": 0.5}
    assert labelled(records, "model") == ["prt_1", "prt_2"]


@pytest.mark.parametrize(
    ("revert", "undone"),
    [
        (None, []),
        ({"messageID": "msg_3"}, ["msg_3", "prt_4", "prt_5", "prt_5-result", "msg_5"]),
        ({"messageID": "msg_4", "partID": "prt_5"}, ["prt_5", "prt_5-result", "msg_5"]),
        ({"messageID": "msg_2x"}, ["msg_3", "prt_4", "prt_5", "prt_5-result", "msg_5"]),
        ({"messageID": "other"}, []),
    ],
)
def test_reverted_messages_are_abandoned(
    exported: Callable[..., SessionSource], revert: object, undone: list[str]
) -> None:
    """What a person took back is kept, and labelled, from the message or the part on."""
    time = {"end": START + 1}
    source = exported(
        prompt("msg_1", said("a")), answer("msg_2", said("b", "prt_1")), prompt("msg_3", said("c")),
        answer("msg_4", said("d", "prt_4", time=time), ran("prt_5", status="completed", output="x", time=time)),
        prompt("msg_5", said("e")), revert=revert,
    )  # fmt: skip
    assert labelled(records_of(source), "abandoned") == undone


def test_compaction_is_marked_once(exported: Callable[..., SessionSource]) -> None:
    """A compaction is marked where it begins and its summary labelled; an old one has nothing but the summary."""
    records = records_of(
        exported(
            prompt("msg_1", {"type": "compaction", "auto": False}),
            answer("msg_2", said("Short."), summary=True),
            answer("msg_3", said("Shorter."), summary=True),
            answer("msg_4", said("None."), summary={"title": "x"}),
        )
    )
    marked = [[kind for kind, _ in record.markers] for record in records]
    assert marked == [[MarkerKind.COMPACTION], [], [MarkerKind.COMPACTION], []]
    assert labelled(records, "compaction") == [records[1].id, records[2].id]


def test_order_of_results_without_times(exported: Callable[..., SessionSource]) -> None:
    """A result without a time follows its call; all results of a step come before the next step."""
    late = {"start": START + 1, "end": START + 999_999}
    records = records_of(
        exported(
            answer(
                "msg_1", ran("prt_1", status="completed", output="a"), said("b", "prt_2"),
                ran("prt_3", status="completed", output="c", time=late), said("d", "prt_4"),
                {"type": "step-start"}, said("e", "prt_5"), said("f", "prt_6"),
            )
        )
    )  # fmt: skip
    assert [record.id for record in records] == [
        "prt_1", "prt_1-result", "prt_2", "prt_3", "prt_4", "prt_3-result", "prt_5",
    ]  # fmt: skip
    assert kinds_of(records)[-1] == "text+text"


@pytest.mark.parametrize(
    "title", ["New session - 2026-03-02T14:00:00.000Z", "Child session - 2026-01-01T00:00:00Z", ""]
)
def test_placeholder_title_gives_way_to_the_prompt(exported: Callable[..., SessionSource], title: str) -> None:
    """A session that was not named is known by its first prompt."""
    assert READER.summarise(exported(prompt("msg_1", said("List files")), title=title)).title == "List files"


# --------------------------------------------------------------------------------------------------------- exports


def test_second_generation_is_read_as_the_first() -> None:
    """The messages of a 2.0 export become the same records, and what is no message a meta event."""
    source = source_of(FIXTURES / "exports" / "mint.json")
    records = records_of(source)
    assert kinds_of(records) == [
        "user:text+image", "system:text", "thinking+text", "tool_call", "tool:tool_result", "tool_call",
        "tool:tool_result", "tool_call", "system:text", "tool_call", "tool:tool_result", "system:text", "text",
    ]  # fmt: skip
    assert part_of(records, "tool_result", "call_n")["is_error"] is True
    assert part_of(records, "tool_call", "call_o")["input"] == '{"filePath":"pot'
    assert [kind for record in records for kind, _ in record.markers] == [MarkerKind.SUBAGENT, MarkerKind.COMPACTION]
    events = [record.kind for record in records_of(source, meta=True) if record.is_meta and record.kind != "message"]
    assert events == ["agent-switched", "agent", "idle"]
    session = READER.summarise(source)
    assert (session.project, session.model) == ("greenhouse", "gpt-5")


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("leading", ["", "Exporting session: ses_1\n", "\ufeff"])
@pytest.mark.parametrize("indent", [None, 2])
def test_export_is_found_behind_other_text(tmp_path: Path, wrapped: bool, leading: str, indent: int | None) -> None:
    """A line of the program's own before the JSON, an outer `data` and either way to print it make no difference."""
    export: Any = {"info": {"id": "ses_1", "location": "/w/app"}, "messages": [prompt("msg_1", said("x" * 90_000))]}
    path = tmp_path / "e.json"
    path.write_text(leading + json.dumps({"data": export} if wrapped else export, indent=indent))
    assert READER.claims(sniffed(path))
    source = source_of(path)
    session = READER.summarise(source)
    assert (session.native_session_id, session.project, session.count) == ("ses_1", "app", 1)


def test_large_info_does_not_hide_an_export(tmp_path: Path) -> None:
    """An info that is longer than what is looked at still gives the session's id."""
    export = {"info": {"id": "ses_big", "summary": "x" * 100_000}, "messages": []}
    path = tmp_path / "e.json"
    path.write_text(json.dumps(export, indent=2))
    assert source_of(path).scroll_id == derive_scroll_id("opencode", "ses_big")
    assert READER.claims(sniffed(path))


def test_cut_off_export_gives_its_whole_messages(tmp_path: Path) -> None:
    """Wherever an export was cut, complete messages are read, and one bad record says that something is missing."""
    whole = (FIXTURES / "exports" / "greenhouse.json").read_bytes()
    complete = records_of(source_of(FIXTURES / "exports" / "greenhouse.json"))
    path = tmp_path / "cut.json"
    counts = set()
    for end in range(len(whole) - 3, 700, -311):
        path.write_bytes(whole[:end])
        source = source_of(path)
        items = items_of(source)
        assert kinds_of(items).count("BAD") <= 1
        records = [item for item in items if isinstance(item, Record)]
        assert records == complete[: len(records)]
        counts.add(len(records))
    assert {0, len(complete)} <= counts
    path.write_bytes(whole[:100])
    with pytest.raises(ArchiveError, match="cut off"):
        READER.summarise(SessionSource(derive_scroll_id("opencode", "x"), READER, path, tmp_path))


def test_damage_within_an_export_costs_one_message(exported: Callable[..., SessionSource]) -> None:
    """Behind a damaged message the next one is found again."""
    source = exported(*(prompt(f"msg_{number}", said(f"text {number}")) for number in range(1, 5)))
    source.path.write_text(source.path.read_text().replace('"text": "text 2"', '"text": text 2"'))
    assert [item.id if isinstance(item, Record) else "BAD" for item in items_of(source)] == [
        "msg_1", "BAD", "msg_3", "msg_4",
    ]  # fmt: skip


def test_large_export_is_estimated(exported: Callable[..., SessionSource]) -> None:
    """A summary of many messages reads the first of them, and estimates the rest."""
    messages = [answer(f"msg_{number:05}", said("x"), time={"created": START + number}) for number in range(3000)]
    session = READER.summarise(exported(*messages))
    assert session.count == 3000
    assert session.duration_ms == 2999


# ------------------------------------------------------------------------------------------------------------ tree


def test_tree_is_claimed_by_its_session_files(tmp_path: Path) -> None:
    """Of a storage folder only the session files are looked at; a folder that only resembles one is left alone."""
    found = READER.candidates(FIXTURES / "storage", ["message", "part", "session"], ["migration"])
    assert found is not None
    assert [path.stem for path in found] == ["ses_6001belfry", "ses_6002belfry"]
    assert READER.candidates(FIXTURES / "storage", ["message", "part"], []) is None
    (tmp_path / "session").mkdir()
    assert READER.candidates(tmp_path, ["message", "session"], []) is None
    assert READER.is_companion(Path("part/msg_1/prt_1.json"))
    assert not READER.is_companion(Path("session/p/ses_1.json"))


def test_child_names_its_parent_and_the_call() -> None:
    """A subagent's session names the call that began it, in a tree and in a database."""
    parent, child = tree_sources(FIXTURES / "storage")
    in_tree, in_database = READER.summarise(child), READER.summarise(member(CHILD))
    assert (in_tree.parent_scroll_id, in_tree.parent_call_id) == (parent.scroll_id, "call_owl")
    assert (in_database.parent_scroll_id, in_database.parent_call_id) == (member(PARENT).scroll_id, "call_search")
    markers = [marker for record in records_of(parent) for marker in record.markers]
    assert markers == [(MarkerKind.SUBAGENT, "Look behind the clock")]


def test_flat_parts_are_joined_by_the_ids_inside() -> None:
    """In the oldest trees neither files' names nor ids tell the order or the message."""
    (source,) = tree_sources(FIXTURES / "storage_flat")
    records = records_of(source)
    assert [record.id for record in records] == ["m_letters_ask", "p_y", "p_y-result", "p_x"]
    assert part_of(records, "tool_result", "call_l")["is_error"] is False


def test_tree_tolerates_what_is_broken_or_missing(tmp_path: Path) -> None:
    """Broken messages and parts are counted, parts of other messages and missing ones are not there."""
    storage = tmp_path / "storage"
    shutil.copytree(FIXTURES / "storage", storage)
    (storage / "message" / "ses_6001belfry" / "msg_6000.json").write_text("{")
    (storage / "part" / "msg_6002" / "prt_6000.json").write_text("")
    (storage / "part" / "msg_6001" / "prt_9.json").write_text('{"type":"text","text":"?","messageID":"msg_other"}')
    (storage / "message" / "ses_6001belfry" / "msg_9.json").write_text(
        '{"id":"../../../x","role":"user","time":{"created":"?"}}'
    )
    parent, child = tree_sources(storage)
    assert kinds_of(items_of(parent)) == ["BAD", "user:text", "BAD", "tool_call", "tool:tool_result", "text"]
    shutil.rmtree(storage / "message" / "ses_6002belfry")
    assert items_of(child) == []
    child.path.write_text("[")
    assert READER.claims(sniffed(child.path))
    with pytest.raises(ArchiveError, match="not valid JSON"):
        READER.summarise(child)


def test_session_file_alone_says_what_to_open() -> None:
    """A session file that was opened by itself is confined to its folder, and says where its messages are."""
    path = FIXTURES / "storage" / "session" / "prj_belfry" / "ses_6001belfry.json"
    source = source_of(path)
    assert source.scroll_id == tree_sources(FIXTURES / "storage")[0].scroll_id
    with pytest.raises(ArchiveError, match="open the folder"):
        READER.summarise(source)


# -------------------------------------------------------------------------------------------------------- database


def test_database_holds_several_sessions(tmp_path: Path) -> None:
    """Each session is one of its own, the same ones that the script writes; both generations are read."""
    subprocess.run([sys.executable, FIXTURES / "make_database.py", tmp_path / "opencode.db"], check=True)
    for path in (DATABASE, tmp_path / "opencode.db"):
        assert [source.member for source in sources_of(path)] == [PARENT, CHILD, SECOND]
        assert [READER.summarise(source).count for source in sources_of(path)] == [12, 4, 4]
    assert kinds_of(records_of(member(SECOND))) == ["user:text", "text", "tool_call", "tool:tool_result"]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the database that may be changed."""
    return Path(shutil.copy(DATABASE, tmp_path / "opencode.db"))


def in_database(path: Path, *statements: str) -> None:
    """Change a database, and leave nothing beside it."""
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_where_both_generations_tell_the_older_is_read(copied: Path) -> None:
    """A session is never shown twice because a newer version keeps it in two tables."""
    in_database(
        copied,
        f"UPDATE session_message SET session_id = '{CHILD}'",
        "UPDATE part SET message_id = 'msg_gone' WHERE id = 'prt_0007_02'",
        "UPDATE message SET data = '[' WHERE id = 'msg_0006'",
    )
    items = items_of(member(CHILD, copied))
    assert kinds_of(items) == ["BAD", "tool_call", "tool:tool_result", "text"]


def test_revert_of_a_database_is_json_in_a_column(copied: Path) -> None:
    """The session's row says how far it was undone."""
    in_database(copied, f"""UPDATE session SET revert = '{{"messageID":"msg_0003"}}' WHERE id = '{PARENT}'""")
    assert labelled(records_of(member(PARENT, copied)), "abandoned") == ["prt_0003_01", "prt_0004_01", "prt_0005_01"]


@pytest.mark.parametrize("table", ["message", "session_message"])
def test_long_session_of_a_database_is_estimated(copied: Path, table: str) -> None:
    """A summary reads the first messages of a long session, and counts the rest."""
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("DELETE FROM message")
        connection.execute("DELETE FROM part")
        for number in range(900):
            row = {"id": f"msg_{number:04}", "session_id": CHILD, "time_created": START + number}
            data = {"content": [said("x")], "role": "assistant", "error": "y"}
            row |= {"time_updated": 0, "data": json.dumps(data)}
            row |= {"type": "assistant", "seq": number} if table == "session_message" else {}
            values = ", ".join(f":{name}" for name in row)
            connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", row)
        connection.commit()
    session = READER.summarise(member(CHILD, copied))
    assert session.count == 900 * (2 if table == "session_message" else 1)
    assert session.duration_ms == 899


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("UPDATE session SET title = 'Renamed'")
connection.commit()
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(copied: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has the database open, with a change that is in the log only; it never closes it properly."""
    command = [sys.executable, "-c", WRITER, str(copied)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def folder_state(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("state", ["open", "crashed", "copied"])
def test_log_is_read_without_a_trace(
    copied: Path, writer: subprocess.Popen[str], state: str, tmp_path: Path, open_files: Callable[[Path], int]
) -> None:
    """What is in the log only is seen: while the writer runs, after it crashed, and in a copy without its index."""
    if state != "open":
        writer.kill()
        writer.wait()
    if state == "copied":
        os.remove(copied.with_name("opencode.db-shm"))
    before = folder_state(tmp_path)
    source = member(PARENT, copied)
    assert READER.summarise(source).title == "Renamed"
    assert len(records_of(source)) == 12
    assert folder_state(tmp_path) == before
    assert READER.files(source) == (copied, copied.with_name("opencode.db-wal"))
    assert open_files(tmp_path) == 0


def test_large_database_is_not_copied(
    copied: Path, writer: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only a copy could be read and it would be too large, that is said."""
    writer.kill()
    writer.wait()
    os.remove(copied.with_name("opencode.db-shm"))
    monkeypatch.setattr(database, "MAX_COPIED_BYTES", 1000)
    with pytest.raises(ArchiveError, match="larger than"):
        sources_of(copied)


def test_database_in_the_middle_of_a_change_is_refused(copied: Path) -> None:
    """A rollback journal that was left says that the file is not to be believed."""
    copied.with_name("opencode.db-journal").write_bytes(b"x" * 600)
    with pytest.raises(ArchiveError, match="middle of a change"):
        sources_of(copied)


def test_locked_database_is_refused(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that another program holds for itself is an error in words."""
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.0)
    in_database(copied, "PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(copied)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ArchiveError, match="locked"):
            sources_of(copied)
    assert len(sources_of(copied)) == 3


def test_database_without_sessions_holds_none(tmp_path: Path) -> None:
    """A database whose tables are all in its log so far, or are views, is claimed by its name and holds nothing."""
    path = tmp_path / "opencode-dev.db"
    in_database(path, "CREATE TABLE x (y)", "CREATE VIEW session AS SELECT 1 AS id")
    assert READER.claims(sniffed(path))
    assert sources_of(path) == []


def test_session_that_is_gone_is_an_error(copied: Path) -> None:
    """A session that was deleted since cannot be read."""
    source = member(CHILD, copied)
    in_database(copied, f"DELETE FROM session WHERE id = '{CHILD}'")
    with pytest.raises(ArchiveError, match="no longer"):
        READER.summarise(source)


@given(start=st.integers(0, 19_000), junk=st.binary(min_size=1, max_size=300))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_damaged_database_raises_nothing_else(tmp_path: Path, start: int, junk: bytes) -> None:
    """Whatever becomes of the bytes, there are records, bad records, or an `ArchiveError`."""
    path = tmp_path / "opencode.db"
    content = bytearray(DATABASE.read_bytes())
    content[start : start + len(junk)] = junk
    path.write_bytes(content)
    READER.claims(sniffed(path))
    for own_id in (PARENT, SECOND):
        source = SessionSource(derive_scroll_id("opencode", own_id), READER, path, tmp_path, own_id)
        try:
            orjson.dumps(READER.summarise(source))
            orjson.dumps(list(READER.records(source, meta=True)))
        except ArchiveError:
            continue


# ---------------------------------------------------------------------------------------------------------- stream


def fed(path: Path, *, meta: bool = False) -> Iterator[tuple[list[Record | BadRecord], list[Record | BadRecord]]]:
    """After each line: all that was given so far, and what is held back."""
    decoder = READER.decoder(source_of(path), meta=meta)
    assert decoder is not None
    given: list[Record | BadRecord] = []
    for line in read_lines(path, path.parent):
        for item in decoder.feed(line):
            assert not isinstance(item, Revised)
            given.append(item)
        assert list(decoder.pending()) == list(decoder.pending())
        yield list(given), list(decoder.pending())


@pytest.mark.parametrize("meta", [False, True])
def test_stream_only_ever_grows(meta: bool) -> None:
    """What was given from the first lines of a stream stays as it is, whatever comes."""
    path = FIXTURES / "run.jsonl"
    whole = items_of(source_of(path), meta=meta)
    states = list(fed(path, meta=meta))
    assert all(given == whole[: len(given)] for given, _ in states)
    assert states[-1][0] + states[-1][1] == whole


def test_stream_has_tokens_on_the_last_of_a_step() -> None:
    """The tokens come in a line of their own, and stand on what the agent did last before it."""
    records = records_of(source_of(FIXTURES / "run.jsonl"))
    assert kinds_of(records) == ["thinking", "text", "tool_call", "tool:tool_result", "text", "system:text"]
    assert labelled(records, "usage") == ["prt_c1004", "prt_c1007"]
    assert part_of(records, "tool_result", "call_trim")["is_error"] is True


def test_stream_keeps_unknown_rows_and_counts_bad_ones(tmp_path: Path) -> None:
    """New row types are meta events, lines that are no object bad records, a cut last line a half-written one."""
    good = json.dumps({"type": "text", "sessionID": "ses_1", "timestamp": START, "part": {"id": "p", "text": "hi"}})
    path = tmp_path / "run.jsonl"
    path.write_text(f'{good}\n\n7\n{{"type":"later","sessionID":"ses_1"}}\n{good}\n{good[:40]}')
    source = source_of(path)
    items = items_of(source)
    assert kinds_of(items) == ["BAD", "text", "BAD", "text"]
    assert [item for item in items if isinstance(item, BadRecord)] == [BadRecord(3), BadRecord(6, half_written=True)]
    assert [item.kind for item in items_of(source, meta=True) if isinstance(item, Record) and item.is_meta] == ["later"]


def test_long_stream_is_estimated(tmp_path: Path) -> None:
    """Of a long stream both ends are read: the count is about right, the times are exact."""
    rows = [
        {"type": "text", "sessionID": "ses_1", "timestamp": START + number, "part": {"id": f"p{number}", "text": "hi"}}
        for number in range(5000)
    ]
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    session = READER.summarise(source_of(path))
    assert session.count == pytest.approx(5000, rel=0.05)
    assert session.duration_ms == 4999


# ---------------------------------------------------------------------------------------------------- real sessions


@needs_real_sessions
def test_real_stream() -> None:
    """The collected stream: 16 rows, three calls of which the last failed, and no prompt."""
    source = source_of(REAL_SESSIONS / "opencode" / "claude-replay" / "fixture-opencode.jsonl")
    records = records_of(source)
    assert kinds_of(records) == [
        "tool_call", "tool:tool_result", "tool_call", "tool:tool_result", "thinking", "text", "tool_call",
        "tool:tool_result", "text",
    ]  # fmt: skip
    assert len(records_of(source, meta=True)) == 9 + 10
    assert [part_of(records, "tool_result", f"call_00{n}")["is_error"] for n in (1, 2, 3)] == [False, False, True]
    assert len(labelled(records, "usage")) == 5
    assert READER.summarise(source).count == 9


@needs_real_sessions
def test_real_tree() -> None:
    """The collected tree, whose files' names are no ids: one session of two messages and three parts."""
    (source,) = tree_sources(REAL_SESSIONS / "opencode" / "agent-sessions" / "storage_v2")
    records = records_of(source)
    assert [record.id for record in records] == ["m_user_small", "p_tool_1", "p_tool_1-result", "p_text_1"]
    session = READER.summarise(source)
    assert (session.title, session.count, session.project) == ("OpenCode Small", 4, "repo")
    assert session.native_session_id == "s_stage0_small"


@needs_real_sessions
def test_real_files_of_others_are_left() -> None:
    """Of all collected files only those of OpenCode are claimed, and of these only sessions."""
    claimed = [path for path in REAL_SESSIONS.rglob("*") if path.is_file() and READER.claims(sniffed(path))]
    assert sorted(path.name for path in claimed) == ["fixture-opencode.jsonl", "ses_s_stage0_small.json"]


@needs_real_sessions
def test_real_prefixes() -> None:
    """Following the collected stream gives what reading it at once gives."""
    path = REAL_SESSIONS / "opencode" / "claude-replay" / "fixture-opencode.jsonl"
    whole: Sequence[Record | BadRecord] = items_of(source_of(path))
    assert all(given == whole[: len(given)] for given, _ in fed(path))
