import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from scrollcast.archive.formats import Revised, SessionSource
from scrollcast.archive.formats.gemini import GeminiReader
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.archive.storage import Line, read_lines
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "archive_fixtures" / "gemini" / "tmp"
LOG = DEMO / "tidepool" / "chats" / "session-2026-05-12T08-30-4f0e9a52.jsonl"
PARENT_ID = "4f0e9a52-61b7-4c0d-9d6e-2b8a71c35e10"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"

READER = GeminiReader()

Rows = list[dict[str, Any]]
Write = Callable[..., SessionSource]


# ------------------------------------------------------------------------------------------------------- helpers


def source_of(path: Path, root: Path | None = None) -> SessionSource:
    """The session in a file that the reader claims."""
    file = sniff(path, root or path.parent, path.stat().st_size)
    assert READER.claims(file)
    (source,) = READER.locate(file, root or path.parent)
    return source


def records_of(source: SessionSource, *, meta: bool = False) -> list[Record]:
    """The records, with no bad one among them and every part checked."""
    items = list(READER.records(source, meta=meta))
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    return records


def by_id(records: Iterable[Record]) -> dict[str, Record]:
    """Records by their ids."""
    return {record.id: record for record in records}


def ids(records: Iterable[Record]) -> list[str]:
    """The records' ids in order."""
    return [record.id for record in records]


def labelled(records: Iterable[Record], label: str) -> list[str]:
    """The ids of the records with this label."""
    return [record.id for record in records if (record.metadata or {}).get(label)]


def text_of(record: Record) -> str:
    """The record's texts, and those of its results."""
    parts = [inner for part in record.content for inner in (part.get("output") or [part])]
    return "|".join(part["text"] for part in parts if part["type"] in ("text", "thinking", "code"))


def said(message_id: str, kind: str, content: object, **fields: Any) -> dict[str, Any]:
    """A message, a second after the one before it in the alphabet."""
    second = 10 + sum(map(ord, message_id)) % 50
    return {"id": message_id, "timestamp": f"2026-05-01T09:00:{second}.000Z", "type": kind, "content": content} | fields


HEADER = {"sessionId": "S-1", "projectHash": "ab12", "startTime": "2026-05-01T09:00:00.000Z", "kind": "main"}
DONE = {"id": "c1", "name": "read_file", "args": {"file_path": "a.txt"}, "status": "success",
        "result": [{"functionResponse": {"id": "c1", "name": "read_file", "response": {"output": "tide"}}}],
        "timestamp": "2026-05-01T09:00:40.000Z"}  # fmt: skip
CALLED = {"id": "c1", "name": "read_file", "args": {"file_path": "a.txt"}, "status": "executing"}


@pytest.fixture
def log(tmp_path: Path) -> Write:
    """Writes a log of rows and raw lines behind a first row, and gives the session in it."""

    def write(*rows: dict[str, Any] | bytes, end: bytes = b"\n") -> SessionSource:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in (HEADER, *rows)]
        path = tmp_path / "session-1.jsonl"
        path.write_bytes(b"\n".join(lines) + end)
        return source_of(path)

    return write


@pytest.fixture
def document(tmp_path: Path) -> Write:
    """Writes a document of messages, and gives the session in it."""

    def write(*messages: object, **fields: Any) -> SessionSource:
        path = tmp_path / "session-1.json"
        path.write_text(json.dumps({**HEADER, "messages": messages} | fields))
        return source_of(path)

    return write


# ------------------------------------------------------------------------------------------------------- the log


def test_a_message_written_again_keeps_its_first_place(log: Write) -> None:
    """The last row of an id counts, at the place of the first, whatever came between them."""
    source = log(
        said("u1", "user", "read it"),
        said("g1", "gemini", "", toolCalls=[CALLED]),
        said("i1", "info", "still reading"),
        said("g1", "gemini", "Reading.", toolCalls=[DONE], tokens={"input": 5}),
        said("g2", "gemini", "It says tide."),
    )
    records = records_of(source)

    assert ids(records) == ["u1", "g1", "g1/result-1", "i1", "g2"]
    assert text_of(records[1]) == "Reading."
    assert [record.id for record in records if "usage" in (record.metadata or {})] == ["g1"]


def test_rewound_messages_are_kept_and_marked(log: Write) -> None:
    """A rewind labels the message and all after it; an id used again afterwards is another message."""
    source = log(
        said("u1", "user", "one"),
        said("g1", "gemini", "first"),
        said("u2", "user", "two"),
        said("g2", "gemini", "second", toolCalls=[DONE]),
        {"$rewindTo": "u2"},
        said("u2", "user", "two, again"),
    )
    records = records_of(source)

    assert ids(records) == ["u1", "g1", "u2", "g2", "g2/result-1", "u2#7"]
    assert labelled(records, "abandoned") == ["u2", "g2", "g2/result-1"]


def test_rewind_to_an_unknown_message_undoes_all(log: Write) -> None:
    """The tool clears the conversation when it does not find the place."""
    records = records_of(log(said("u1", "user", "one"), said("g1", "gemini", "x"), {"$rewindTo": "no such id"}))
    assert labelled(records, "abandoned") == ["u1", "g1"]


def test_compressed_history_leaves_what_was_said(log: Write) -> None:
    """After a compression the model knows a summary and copies; a replay shows each message once, and marks where."""
    source = log(
        {"$set": {"messages": [said("c0", "user", "<session_context>\nToday.</session_context>")]}},
        said("u1", "user", "one"),
        said("g1", "gemini", "first"),
        said("u2", "user", "two"),
        {"$set": {"messages": [
            said("x0", "user", "<session_context>\nToday.</session_context>"),
            said("x1", "user", "<state_snapshot>So far: one.</state_snapshot>"),
            said("x2", "gemini", [{"text": "Got it."}]),
            said("x3", "user", [{"text": "two"}]),
        ]}},
        said("g2", "gemini", "second"),
    )  # fmt: skip
    records = records_of(source)

    assert ids(records) == ["c0", "u1", "g1", "u2", "x1", "x2", "g2"]
    assert records[4].role == "system"
    assert records[4].markers == ((MarkerKind.COMPACTION, "History compressed"),)
    assert labelled(records, "compaction") == ["x1"]
    assert labelled(records, "inherited") == ["x2"]
    assert labelled(records, "abandoned") == []


def test_history_that_ends_earlier_undoes_the_rest(log: Write) -> None:
    """A turn that was taken back is marked; a message that comes again with other words is read anew."""
    source = log(
        said("u1", "user", "one"),
        said("g1", "gemini", "first"),
        said("u2", "user", "cancel me"),
        {"$set": {"messages": [said("u1", "user", "one"), said("g1", "gemini", "first, masked")]}},
        said("u3", "user", "three"),
    )
    records = records_of(source)

    assert ids(records) == ["u1", "g1", "u2", "u3"]
    assert text_of(records[1]) == "first, masked"
    assert labelled(records, "abandoned") == ["u2"]


def test_rewind_finds_a_copy_by_its_new_id(log: Write) -> None:
    """After a compression the log names messages by the ids of their copies."""
    source = log(
        said("u1", "user", "one"),
        said("u2", "user", "two"),
        {"$set": {"messages": [said("x1", "user", "<state_snapshot>…"), said("x2", "user", "two")]}},
        said("g2", "gemini", "second"),
        {"$rewindTo": "x2"},
    )
    assert labelled(records_of(source), "abandoned") == ["u2", "x1", "g2"]


def test_log_written_as_whole_histories(log: Write) -> None:
    """A log of nothing but growing histories gives each message once, at its first place."""
    messages = [said("u1", "user", "one"), said("g1", "gemini", "first"), said("u2", "user", "two")]
    source = log(*({"$set": {"messages": messages[:count]}} for count in range(4)))
    assert ids(records_of(source)) == ["u1", "g1", "u2"]


def test_first_row_may_hold_messages(log: Write) -> None:
    """A log that was made of a document begins with its messages."""
    source = log({**HEADER, "messages": [said("u1", "user", "one")]}, said("g1", "gemini", "first"))
    assert ids(records_of(source)) == ["u1", "g1"]


def test_bad_lines_cost_only_themselves(log: Write) -> None:
    """Rows that are no objects and cut ones are reported by their lines; a cut last one is only half-written."""
    source = log(said("u1", "user", "one"), b"{oops", b"[1]", b"", said("g1", "gemini", "x"), b'{"id":"g2', end=b"")
    items = list(READER.records(source, meta=False))

    assert [item for item in items if isinstance(item, BadRecord)] == [
        BadRecord(3), BadRecord(4), BadRecord(7, half_written=True)
    ]  # fmt: skip
    assert ids(item for item in items if isinstance(item, Record)) == ["u1", "g1"]


def test_last_row_without_an_end_counts(log: Write) -> None:
    """A whole row is read though its line is not ended, and it may change an earlier message."""
    rows = [said("g1", "gemini", "a"), said("u1", "user", "b"), said("g1", "gemini", "c")]
    assert [text_of(record) for record in records_of(log(*rows, end=b""))] == ["c", "b"]


def test_hidden_rows_are_meta_events(log: Write) -> None:
    """What is no message comes whole where it stands, without whole histories; messages stay the same."""
    source = log(
        said("u1", "user", "one"),
        {"$set": {"lastUpdated": "2026-05-01T09:00:20.000Z", "messages": [said("u1", "user", "one" + "x" * 20_000)]}},
        {"hologram": 7},
        said("m1", "mystery", "?"),
        said("g0", "gemini", ""),
    )
    records = records_of(source, meta=True)

    assert [record.kind for record in records] == ["session", "", "set", "unknown", "mystery", "gemini/empty"]
    assert records[2].payload == {"$set": {"lastUpdated": "2026-05-01T09:00:20.000Z", "omitted": ["messages"]}}
    assert records[3].payload == {"hologram": 7}
    assert [record for record in records if not record.is_meta] == records_of(source)


# ------------------------------------------------------------------------------------------------ while it is written


def feed(source: SessionSource, *rows: dict[str, Any]) -> tuple[list[Record], int, list[Record]]:
    """What a decoder of this session gives for these rows, how often it takes that back, and what it holds."""
    decoder = READER.decoder(source, meta=False)
    assert decoder is not None
    given: list[Record] = []
    revised = 0
    for number, row in enumerate(rows, 1):
        for item in decoder.feed(Line(number, json.dumps(row).encode(), ended=True)):
            revised += isinstance(item, Revised)
            given += [item] if isinstance(item, Record) else []
    held = [item for item in decoder.pending() if isinstance(item, Record)]
    assert held == list(decoder.pending())
    return given, revised, held


def test_newest_message_is_held_back(log: Write) -> None:
    """The rows of one message come one after the other; it is given when another one follows."""
    rows = [HEADER, said("u1", "user", "read"), said("g1", "gemini", "", toolCalls=[CALLED])]
    repeat = said("r1", "user", [{"functionResponse": {"id": "c1", "name": "read_file", "response": {}}}])
    finished = [*rows, repeat, said("g1", "gemini", "", toolCalls=[DONE])]

    given, revised, held = feed(log(), *rows)
    assert (ids(given), revised, ids(held)) == (["u1"], 0, ["g1"])
    given, revised, held = feed(log(), *finished)
    assert (ids(given), revised, ids(held)) == (["u1"], 0, ["g1", "g1/result-1"])
    given, revised, held = feed(log(), *finished, said("g2", "gemini", "tide"))
    assert (ids(given), revised, ids(held)) == (["u1", "g1", "g1/result-1"], 0, ["g2"])


@pytest.mark.parametrize(
    "late",
    [{"$rewindTo": "u1"}, said("g1", "gemini", "other words"), {"$set": {"messages": [said("u1", "user", "one")]}}],
    ids=["rewind", "replaced", "history"],
)
def test_change_of_what_was_given_is_said(log: Write, late: dict[str, Any]) -> None:
    """A later row that changes a given message takes it back, once; one that repeats it does not."""
    rows = [HEADER, said("u1", "user", "one"), said("g1", "gemini", "first"), said("u2", "user", "two")]
    assert feed(log(), *rows, said("u1", "user", "one"))[1] == 0
    assert feed(log(), *rows, late)[1] == 1
    assert feed(log(*rows[1:], late), *rows, late)[1] == 0


@pytest.mark.parametrize("meta", [False, True])
@pytest.mark.parametrize("path", sorted(DEMO.rglob("*.jsonl")), ids=lambda path: path.stem[-8:])
def test_following_gives_what_reading_gives(path: Path, tmp_path: Path, meta: bool) -> None:
    """Whoever began at any line has in the end what a reader of the whole has, or was told to begin again."""
    lines = path.read_bytes().splitlines(keepends=True)
    copy = tmp_path / path.name
    source = SessionSource(derive_scroll_id("gemini", "x"), READER, copy, tmp_path)
    copy.write_bytes(path.read_bytes())
    whole = list(READER.records(source, meta=meta))
    told = []
    for begin in range(len(lines) + 1):
        copy.write_bytes(b"".join(lines[:begin]))
        decoder = READER.decoder(source, meta=meta)
        assert decoder is not None
        items = [
            (number, item)
            for number, data in enumerate(lines, 1)
            for item in decoder.feed(Line(number, data.rstrip(b"\n"), ended=True))
        ]
        told.append(next((number for number, item in items if isinstance(item, Revised)), 0))
        if not told[-1]:
            assert [*(item for _, item in items), *decoder.pending()] == whole
    assert not told[-1]
    assert all(number == 0 or number > begin for begin, number in enumerate(told))


@pytest.mark.parametrize("path", sorted(DEMO.rglob("*.jsonl")), ids=lambda path: path.stem[-8:])
def test_prefixes_give_prefixes(path: Path, tmp_path: Path) -> None:
    """What is given of the beginning of a log is given of all of it, but for what a later row takes back."""
    lines = path.read_bytes().splitlines(keepends=True)
    source = SessionSource(derive_scroll_id("gemini", "x"), READER, tmp_path / path.name, tmp_path)
    source.path.write_bytes(path.read_bytes())
    whole = [(item.id, item.content) for item in records_of(source)]
    for end in range(len(lines)):
        source.path.write_bytes(b"".join(lines[:end]))
        decoder = READER.decoder(source, meta=False)
        assert decoder is not None
        fed = [item for line in read_lines(source.path, tmp_path) for item in decoder.feed(line)]
        assert [(item.id, item.content) for item in fed if isinstance(item, Record)] == whole[: len(fed)]


def test_history_may_become_shorter_behind_the_reader(log: Write) -> None:
    """Messages that stood in a row when the log was looked at and do not any more are not given."""
    messages = [said("u1", "user", "one"), said("g1", "gemini", "first")]
    source = log({"$set": {"messages": messages}})
    given, _, held = feed(source, HEADER, {"$set": {"messages": messages[:1]}})

    assert ids([*given, *held]) == ["u1"]


def test_large_log_gives_late_results_where_they_come(log: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log too large to be read beforehand nothing is taken back; a result that comes late is not lost."""
    monkeypatch.setattr("scrollcast.archive.formats.gemini.reader._MAX_AHEAD_BYTES", 0)
    rows = [said("g1", "gemini", "", toolCalls=[CALLED]), said("i1", "info", "…"), said("i2", "info", "…")]
    source = log(*rows, said("g1", "gemini", "", toolCalls=[DONE]))
    given, revised, held = feed(source, HEADER, *rows, said("g1", "gemini", "", toolCalls=[DONE]))

    assert (ids(given), revised, ids(held)) == (["g1", "i1", "g1/result-1"], 0, ["i2"])
    assert feed(source, HEADER, *rows, *[said("n", "user", "x" * 4000)] * 2, {"$rewindTo": "g1"})[1] == 1


# -------------------------------------------------------------------------------------------------------- messages


def test_thoughts_come_at_their_own_times(document: Write) -> None:
    """Thoughts with times are records of their own before the answer; without times they are parts of it."""
    timed = {"subject": "Plan", "description": "Use ls", "timestamp": "2026-05-01T09:00:01.000Z"}
    untimed = {"description": "Short."}
    source = document(
        said("g1", "gemini", "Hi", thoughts=[timed]),
        said("g2", "gemini", "Ho", thoughts=[untimed, timed]),
        said("g3", "gemini", "", thoughts=[timed]),
        said("g4", "gemini", [{"text": "**Plan** Use ls", "thought": True}, {"text": "Ha"}], thoughts=[timed]),
    )
    records = records_of(source)

    assert [(record.id, text_of(record)) for record in records] == [
        ("g1/thought-1", "**Plan**\n\nUse ls"),
        ("g1", "Hi"),
        ("g2", "Short.|**Plan**\n\nUse ls|Ho"),
        ("g3", "**Plan**\n\nUse ls"),
        ("g4/thought-1", "**Plan**\n\nUse ls"),
        ("g4", "Ha"),
    ]
    assert records[0].timestamp == timed["timestamp"]


@pytest.mark.parametrize(
    ("call", "output", "is_error"),
    [
        ({"result": [{"functionResponse": {"response": {"output": "fine"}}}]}, "fine", False),
        ({"result": "plain"}, "plain", False),
        ({"result": None, "resultDisplay": "shown"}, "shown", False),
        ({"result": []}, "", False),
        ({"result": [{"functionResponse": {"response": {"output": "", "error": "gone"}}}]}, "gone", True),
        ({"result": [{"functionResponse": {"response": {"output": "o", "error": "(none)", "exitCode": 0}}}]}, "o", 0),
        ({"result": [{"functionResponse": {"response": {"output": "o", "exitCode": 2}}}]}, "o", True),
        ({"result": [{"functionResponse": {"response": {"rows": 2}}}]}, '{"rows": 2}', False),
        ({"result": "Output: x\nExit Code: 1\nSignal: (none)"}, "Output: x\nExit Code: 1\nSignal: (none)", True),
        ({"result": "Exit Code: 1\nExit Code: 0"}, "Exit Code: 1\nExit Code: 0", False),
        ({"result": "Exit Code: 1", "name": "read_file"}, "Exit Code: 1", False),
        ({"status": "cancelled", "result": None}, "", True),
        ({"status": "error", "result": [{"text": "no"}]}, "no", True),
    ],
)
def test_results(document: Write, call: dict[str, Any], output: str, is_error: bool) -> None:
    """Each shape of a result is one text; a failure is told by the status, the error, or the shell's report."""
    call = {"id": "c", "name": "run_shell_command", "args": {"command": "ls"}, "status": "success"} | call
    (_, record) = records_of(document(said("g1", "gemini", "", toolCalls=[call])))

    assert record.role == "tool"
    assert record.content[0]["call_id"] == "c"
    assert record.content[0]["is_error"] is bool(is_error)
    assert "".join(text_of(record).split()) == "".join(output.split())


@pytest.mark.parametrize("status", ["validating", "scheduled", "awaiting_approval", "executing"])
def test_call_at_work_has_no_result(document: Write, status: str) -> None:
    """A call that has not ended gives none, and is no error."""
    assert ids(records_of(document(said("g1", "gemini", "", toolCalls=[{**CALLED, "status": status}])))) == ["g1"]


def test_call_without_id_is_tied_to_its_result(document: Write) -> None:
    """An id is made up where the log has none; arguments that are text are decoded where they are JSON."""
    calls = [{**DONE, "id": None, "args": '{"file_path": "b.txt"}'}, {**DONE, "id": "", "args": "not JSON"}, "odd"]
    call, first, second = records_of(document(said("g1", "gemini", "", toolCalls=calls)))

    assert [part.get("call_id") for part in call.content] == ["g1/call-1", "g1/call-2", None]
    assert [part.get("input") for part in call.content[:2]] == [{"file_path": "b.txt"}, "not JSON"]
    assert call.content[2] == {"type": "unknown", "raw": "odd"}
    assert [first.content[0]["call_id"], second.content[0]["call_id"]] == ["g1/call-1", "g1/call-2"]


def test_results_in_rows_of_their_own(document: Write) -> None:
    """A row of results is hidden where the calls have theirs, and gives them where the calls have none."""
    response = {"functionResponse": {"id": "c1", "name": "read_file", "response": {"output": "tide"}}}
    call = {"functionCall": {"id": "c1", "name": "read_file", "args": {"file_path": "a.txt"}}}
    hidden = document(said("g1", "gemini", [call], toolCalls=[DONE]), said("r1", "user", [response]))
    assert ids(records_of(hidden)) == ["g1", "g1/result-1"]
    assert [record.kind for record in records_of(hidden, meta=True)][-1] == "function_response"

    shown = records_of(document(said("g1", "gemini", [call]), said("r1", "user", [response, {"text": "Well?"}])))
    assert [(record.id, record.role) for record in shown] == [
        ("g1", "assistant"),
        ("r1/result", "tool"),
        ("r1", "user"),
    ]
    assert shown[1].content[0]["call_id"] == "c1"


def test_plan_and_display_of_a_result(document: Write) -> None:
    """`write_todos` gives a plan; a patch that the terminal showed is kept, a whole file beside it is not."""
    todos = [{"description": "Look", "status": "completed"}, {"description": "Leap", "status": "cancelled"}, 7]
    plan = {"id": "p", "name": "write_todos", "args": {"todos": todos}, "status": "success", "result": "ok"}
    display = {"fileDiff": "@@ -1 +1 @@", "originalContent": "x" * 20_000}
    edit = {"id": "e", "name": "replace", "args": {}, "status": "success", "result": "ok", "resultDisplay": display}
    records = by_id(records_of(document(said("g1", "gemini", "", toolCalls=[plan, edit]))))

    assert [part["type"] for part in records["g1"].content] == ["tool_call", "plan", "tool_call"]
    assert [entry["status"] for entry in records["g1"].content[1]["entries"]] == ["completed", "cancelled"]
    assert [part["kind"] for part in records["g1"].content if part["type"] == "tool_call"] == ["think", "edit"]
    assert records["g1/result-2"].metadata == {"result_display": {"fileDiff": "@@ -1 +1 @@"}}


def test_prompt_is_what_was_typed(document: Write) -> None:
    """`displayContent` is shown; what was sent in place of it is kept as injected, pictures stay."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    sent = [{"text": "explain @a.ts"}, {"text": "FILE BODY"}, picture]
    (record,) = records_of(document(said("u1", "user", sent, displayContent=[{"text": "explain @a.ts"}])))

    assert record.content == [
        {"type": "text", "text": "explain @a.ts"},
        {"type": "image", "mime_type": "image/png", "data": "AAAA"},
    ]
    assert record.metadata == {"injected": ["FILE BODY"]}


@pytest.mark.parametrize(
    ("content", "role", "text", "injected"),
    [
        ("<session_context>\nToday", "system", "<session_context>\nToday", None),
        (["<hook_context>h</hook_context>", {"text": "mine"}], "user", "mine", ["<hook_context>h</hook_context>"]),
        ("<hook_context>h</hook_context>\nmine", "user", "mine", ["<hook_context>h</hook_context>"]),
        ("what is <session_context>?", "user", "what is <session_context>?", None),
    ],
)
def test_contexts_are_nobodys_prompt(
    document: Write, content: object, role: str, text: str, injected: list[str] | None
) -> None:
    """What the program puts before a prompt is taken off it, and is no turn by itself."""
    (record,) = records_of(document(said("u1", "user", content)))
    assert (record.role, text_of(record)) == (role, text)
    assert (record.metadata or {}).get("injected") == injected


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"fileData": {"mimeType": "image/png", "fileUri": "gs://a"}}, {"type": "image", "mime_type": "image/png",
                                                                       "uri": "gs://a"}),
        ({"fileData": {"fileUri": "gs://b"}}, {"type": "resource", "uri": "gs://b"}),
        ({"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}}, {"type": "resource", "uri": "inline",
                                                                          "blob": "JVBE",
                                                                          "mime_type": "application/pdf"}),
        ({"executableCode": {"language": "PYTHON", "code": "1"}}, {"type": "code", "language": "python", "text": "1"}),
        ({"hologram": 1}, {"type": "unknown", "raw": {"hologram": 1}}),
    ],
    ids=["image", "file", "pdf", "code", "unknown"],
)  # fmt: skip
def test_parts(document: Write, part: dict[str, Any], shown: dict[str, Any]) -> None:
    """Each kind of part has its place; one that is not known is kept whole."""
    (record,) = records_of(document(said("g1", "gemini", part)))
    assert record.content == [shown]


def test_unknown_fields_are_kept(document: Write) -> None:
    """A field that this version does not know stands in `metadata.extra`."""
    (record,) = records_of(document(said("g1", "gemini", "x", mood="calm")))
    assert record.metadata == {"extra": {"mood": "calm"}}


def test_document_with_other_names(document: Write) -> None:
    """`history`, `role`, `parts` and `ts` in seconds say the same; messages without ids get some."""
    source = source_of(DEMO.joinpath(*next(DEMO.rglob("session-drift.json")).relative_to(DEMO).parts))
    records = records_of(source)

    assert ids(records) == ["message-1", "message-2", "message-3", "message-4"]
    assert [record.role for record in records] == ["user", "assistant", "tool", "assistant"]
    assert records[0].timestamp == 1751364000
    assert READER.summarise(source).duration_ms == 6000


def test_ids_used_twice_stay_apart(document: Write) -> None:
    """In a document every message counts, though two have one id; what is no object is reported."""
    items = list(READER.records(document(said("u1", "user", "a"), 7, said("u1", "user", "b")), meta=False))
    assert items[1] == BadRecord(None)
    assert ids(item for item in items if isinstance(item, Record)) == ["u1", "u1#3"]


# --------------------------------------------------------------------------------------------------------- sessions


def test_summary_of_a_log() -> None:
    """The summary row is the title; the model is the last one; the folder is the one that was worked in."""
    session = READER.summarise(source_of(LOG, DEMO))

    assert session.title == "Count tide spans across the clock change"
    assert (session.agent, session.model, session.kind) == ("Gemini CLI", "gemini-3-pro-preview", "gemini")
    assert (session.project, session.metadata["cwd"]) == ("tidepool", "/home/mira/tidepool")
    assert session.native_session_id == PARENT_ID
    assert session.scroll_id == derive_scroll_id("gemini", PARENT_ID)
    assert (session.created_at, session.updated_at) == ("2026-05-12T08:30:02.110Z", "2026-05-12T08:32:16.000Z")
    assert session.has_errors
    assert session.parent_scroll_id is None


def test_subagent_has_a_parent() -> None:
    """A file in a folder named by a session is that session's child, which the parent marks where it starts one."""
    (path,) = (DEMO / "tidepool" / "chats" / PARENT_ID).iterdir()
    child = READER.summarise(source_of(path, DEMO))
    parent = by_id(records_of(source_of(LOG, DEMO)))

    assert child.parent_scroll_id == derive_scroll_id("gemini", PARENT_ID)
    assert child.project == "tidepool"  # by the note beside `chats`
    assert parent["g-2"].markers == ((MarkerKind.SUBAGENT, "Find other places that use .seconds"),)
    assert parent["g-2"].content[3]["agent_id"] == child.native_session_id


@pytest.mark.parametrize(("first", "title"), [("/help", "Mend the net"), ("?", "Mend the net"), ("Hi", "Hi")])
def test_title_is_no_command(document: Write, first: str, title: str) -> None:
    """A first prompt that asks the program, not the model, names no session."""
    source = document(said("u1", "user", first), said("u2", "user", "Mend the net"))
    assert READER.summarise(source).title == title


def test_summary_of_a_large_log_is_near(log: Write) -> None:
    """Of a large log both ends are looked at: title, last model and times are right, the count is about right."""
    rows = [said(f"m{number}", "gemini", f"{number} " + "x" * 500, model=f"m-{number}") for number in range(600)]
    source = log(said("u", "user", "Begin"), *rows, {"$set": {"summary": "All of it"}})
    session = READER.summarise(source)

    assert session.title == "All of it"
    assert session.model == "m-599"
    assert session.count == pytest.approx(601, rel=0.1)


def test_summary_of_a_large_document_is_near(document: Write) -> None:
    """Of a large document the first and the last messages tell."""
    rows = [said(f"m{number}", "gemini", "x" * 500, model=f"m-{number}") for number in range(300)]
    session = READER.summarise(document(said("u", "user", "Begin"), *rows))
    assert (session.title, session.model) == ("Begin", "m-299")
    assert session.count == pytest.approx(301, rel=0.05)


def test_notices_alone_are_no_conversation(document: Write) -> None:
    """A session of nothing but notices has no title, and every one of them is a system message."""
    source = document(said("e1", "error", "Quota exceeded"), said("w1", "warning", [{"text": "slow"}]))
    assert [(record.role, (record.metadata or {})["level"]) for record in records_of(source)] == [
        ("system", "error"), ("system", "warning"),
    ]  # fmt: skip
    assert READER.summarise(source).title == ""


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"sessionId":"a","projectHash":"b","messages":7}'])
def test_broken_documents(tmp_path: Path, content: str) -> None:
    """A document that is none is an `ArchiveError`; one without messages is empty."""
    path = tmp_path / "session-9.json"
    path.write_text(content)
    source = SessionSource(derive_scroll_id("gemini", "x"), READER, path, tmp_path)
    if content.startswith('{"'):
        assert READER.summarise(source).count == 0
        return
    with pytest.raises(ArchiveError):
        READER.summarise(source)


# -------------------------------------------------------------------------------------------------------- detection


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"messages": [{"role": "user", "content": "hi"}]}),
        ("a.json", {"info": {"id": "ses_1"}, "messages": [{"info": {"role": "user"}, "parts": [{"type": "text"}]}]}),
        ("a.json", {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]}),
        ("a.json", {"metadata": {}, "messages": [{"message_id": "1", "ts": "2026-01-01T00:00:00Z", "role": "user"}]}),
        ("a.json", {"history": [{"role": "user", "content": "hi"}], "trajectory": [{"action": "", "observation": ""}]}),
        ("a.json", {"sessionId": "x", "update": {}}),
        ("a.jsonl", {"type": "user", "sessionId": "x", "message": {"content": "hi"}}),
        ("a.jsonl", {"type": "user", "sessionId": "x", "message": {"parts": [{"text": "gemini"}]}}),
        ("a.jsonl", {"$set": {"price": 3}}),
        ("a.jsonl", {"role": "user", "content": "what is $rewindTo in gemini"}),
        ("a.json", ["gemini"]),
    ],
)
def test_other_tools_files_are_not_claimed(tmp_path: Path, name: str, content: object) -> None:
    """What only looks like it belongs to another reader, or to none."""
    path = tmp_path / name
    path.write_text(json.dumps(content) + "\n")
    assert not READER.claims(sniff(path, tmp_path, path.stat().st_size))


def test_document_larger_than_its_head_is_claimed(document: Write) -> None:
    """A document is told by the messages that its beginning holds, on one line or on many."""
    messages = [said(f"u{number}", "user", "x" * 1000) for number in range(200)]
    source = document(*messages)
    indented = source.path.with_name("indented.json")
    indented.write_text(json.dumps(json.loads(source.path.read_bytes()), indent=2))
    assert source_of(indented).scroll_id == source.scroll_id == derive_scroll_id("gemini", "S-1")


@pytest.mark.parametrize(
    ("place", "is_companion"),
    [
        (".gemini/tmp/ab/logs.json", True),
        (".gemini/tmp/ab/checkpoint-main.json", True),
        ("elsewhere/logs.json", False),
        ("chats/session-1.jsonl.tmp-4711", True),
        ("chats/session-1.json.unreadable-1764000000000", True),
        ("chats/session-1.json", False),
        ("chats/session-2.json", True),
        ("chats/session-2.jsonl", False),
    ],
)
def test_companions(tmp_path: Path, place: str, is_companion: bool) -> None:
    """Files beside the sessions are none, nor is a document that goes on as a log."""
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats" / "session-2.jsonl").touch()
    assert READER.is_companion(tmp_path / place) is is_companion


# ------------------------------------------------------------------------------------------------------ real samples

COUNTS = {
    "agent-sessions/jsonl_v040.jsonl": (4, 1, 0),
    "agent-sessions/small.json": (2, 1, 0),
    "agentsview/standard_session.json": (4, 2, 0),
    "agentsview/thinking_only.json": (4, 1, 0),
    "agentsview/tool_calls_with_results.json": (5, 1, 0),
    "claude-replay/fixture-gemini.json": (15, 4, 1),
}
"""How many messages, prompts and failures each sample holds."""


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions lie beside the checkout only")
@pytest.mark.parametrize("name", COUNTS)
def test_real_samples(name: str) -> None:
    """Each sample is this reader's, and everything in it is read."""
    path = REAL_SESSIONS / "gemini-cli" / name
    source = source_of(path)
    records = records_of(source)
    failures = [part for record in records for part in record.content if part.get("is_error")]

    found = owner(sniff(path, path.parent, path.stat().st_size))

    assert found is not None
    assert found.name == "gemini"
    assert (len(records), sum(record.role == "user" for record in records), len(failures)) == COUNTS[name]
    assert READER.summarise(source).count == len(records)


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions lie beside the checkout only")
def test_real_samples_of_others_are_not_claimed() -> None:
    """No other tool's file among the samples is taken for one of this tool."""
    for path in sorted(REAL_SESSIONS.rglob("*")):
        if path.is_file() and "gemini-cli" not in path.parts:
            assert not READER.claims(sniff(path, REAL_SESSIONS, path.stat().st_size)), path
