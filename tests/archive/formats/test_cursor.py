import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.cursor import CursorReader
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.archive.storage import read_lines
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "archive_fixtures" / "cursor"
CHAT_ID = "8d1b7c3e-5f40-4a29-b6d8-0e94c2f1a753"
FOLDER = DEMO / "projects" / "home-mira-tidepool" / "agent-transcripts"
TRANSCRIPT = FOLDER / CHAT_ID / f"{CHAT_ID}.jsonl"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"

READER = CursorReader()

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


def outline(records: Iterable[Record]) -> list[tuple[str, str]]:
    """Role and texts of each record."""
    return [(record.role, text_of(record)) for record in records]


def text_of(record: Record) -> str:
    """The record's texts, and those of its results."""
    parts = [inner for part in record.content for inner in (part.get("output") or [part])]
    return "|".join(part["text"] for part in parts if part["type"] in ("text", "thinking"))


def calls_of(records: Iterable[Record]) -> list[tuple[str, str | None]]:
    """Every call and result in order, each with the id that ties them."""
    parts = [part for record in records for part in record.content]
    return [(part["type"], part["call_id"]) for part in parts if part["type"] in ("tool_call", "tool_result")]


def row(role: str, *blocks: object, **fields: Any) -> dict[str, Any]:
    """A message."""
    return {"role": role, "message": {"content": list(blocks)}} | fields


def said(text: str) -> dict[str, str]:
    """A text block."""
    return {"type": "text", "text": text}


def use(name: str, **given: Any) -> dict[str, Any]:
    """A call as the tool writes it, without an id."""
    return {"type": "tool_use", "name": name, "input": given}


def result(content: object, **fields: Any) -> dict[str, Any]:
    """A result with an id of no call."""
    return {"type": "tool_result", "tool_use_id": "t9", "content": content} | fields


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a transcript of rows and raw lines, and gives the session in it."""

    def write(*rows: dict[str, Any] | bytes, end: bytes = b"\n") -> SessionSource:
        lines = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in rows]
        path = tmp_path / "chat.jsonl"
        path.write_bytes(b"\n".join(lines) + end)
        return source_of(path)

    return write


@pytest.fixture
def text(tmp_path: Path) -> Write:
    """Writes a transcript of the older shape, and gives the session in it."""

    def write(content: str) -> SessionSource:
        path = tmp_path / "agent-transcripts" / "chat.txt"
        path.parent.mkdir()
        path.write_text(content)
        return source_of(path)

    return write


def write_store(path: Path, note: object) -> None:
    """Writes a chat's store, its first row the hexadecimal text of a note."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
    store.execute(
        "INSERT INTO meta VALUES ('0', ?)", (note if isinstance(note, str) else json.dumps(note).encode().hex(),)
    )
    store.commit()
    store.close()


# -------------------------------------------------------------------------------------------------------- prompts

CONTEXT = "<attached_files>\na.py\n</attached_files>"
STAMP = "<timestamp>Sunday, Aug 2, 2026, 3:51 AM (UTC-7)</timestamp>"


@pytest.mark.parametrize(
    ("texts", "words", "injected"),
    [
        (["<user_query>\nscan\n</user_query>"], "scan", None),
        ([f"{STAMP}\n<user_query>\nscan\n</user_query>"], "scan", None),
        ([f"{CONTEXT}\n<new_tag>n</new_tag><user_query>scan</user_query> tail"], "scan",
         [f"{CONTEXT}\n<new_tag>n</new_tag>", "tail"]),
        ([CONTEXT, "<user_query>scan</user_query>", "rules"], "scan", [CONTEXT, "rules"]),
        (["<user_query>a</user_query>\n<user_query>b</user_query>"], "a|b", None),
        (["<user_query>not closed"], "not closed", None),
        (["List the files."], "List the files.", None),
        ([f"{STAMP} hello {CONTEXT} there"], "hello\nthere", [CONTEXT]),
        (["<new_tag>stays</new_tag>"], "<new_tag>stays</new_tag>", None),
        (["<user_info>not closed"], "<user_info>not closed", None),
    ],
)  # fmt: skip
def test_prompt_is_the_query(written: Write, texts: list[str], words: str, injected: list[str] | None) -> None:
    """Only the query is shown where one is wrapped; else all but the contexts that are known."""
    (record,) = records_of(written(row("user", *map(said, texts))))
    assert (record.role, text_of(record)) == ("user", words)
    assert (record.metadata or {}).get("injected") == injected


def test_context_alone_is_nobodys_prompt(written: Write) -> None:
    """What only the program said is no turn."""
    (record,) = records_of(written(row("user", said(CONTEXT))))
    assert (record.role, text_of(record)) == ("system", CONTEXT)


@pytest.mark.parametrize(
    ("stamp", "timestamp"),
    [
        ("Sunday, Aug 2, 2026, 3:51 AM (UTC-7)", "2026-08-02T03:51:00-07:00"),
        ("Monday, January 12, 2026, 12:04 PM (UTC+5:30)", "2026-01-12T12:04:00+05:30"),
        ("Monday, Jan 12, 2026 at 12:04:09\u202fAM (UTC)", "2026-01-12T00:04:09Z"),
        ("Jan 12, 2026, 7:04 PM", "2026-01-12T19:04:00Z"),
        ("2026-01-12T19:04:00Z", "2026-01-12T19:04:00Z"),
        ("Monday, Foo 12, 2026, 7:04 PM", None),
        ("Monday, Feb 31, 2026, 7:04 PM", None),
        ("yesterday", None),
    ],
)
def test_time_of_a_prompt(written: Write, stamp: str, timestamp: str | None) -> None:
    """The tag of a prompt is the only time there is; one that tells none is no error."""
    (record,) = records_of(written(row("user", said(f"<timestamp>{stamp}</timestamp><user_query>x</user_query>"))))
    assert record.timestamp == timestamp


def test_pace_is_always_made_up(written: Write) -> None:
    """Even where prompts have times, what comes between them has none."""
    timed = READER.summarise(
        written(row("user", said(f"{STAMP}<user_query>x</user_query>")), row("assistant", said("y")))
    )
    assert (timed.timing, timed.created_at) == ("synthetic", "2026-08-02T10:51:00.000Z")
    assert READER.summarise(written(row("user", said("x")))).created_at is None


# ---------------------------------------------------------------------------------------------------------- calls


def test_calls_are_numbered_and_results_paired(written: Write) -> None:
    """A result whose id is that of no call answers the earliest call that has no result yet."""
    source = written(
        row("assistant", use("Read", path="a"), use("Shell", command="ls")),
        row("user", result([said("first")])),
        row("assistant", use("Grep", pattern="x")),
        row("user", result("second"), result({"rows": 1}, is_error=True)),
        row("user", result("orphan")),
    )
    records = records_of(source)

    assert calls_of(records) == [
        ("tool_call", "call-1"), ("tool_call", "call-2"), ("tool_result", "call-1"), ("tool_call", "call-3"),
        ("tool_result", "call-2"), ("tool_result", "call-3"), ("tool_result", "t9"),
    ]  # fmt: skip
    assert [record.role for record in records] == ["assistant", "tool", "assistant", "tool", "tool"]
    assert [part["is_error"] for part in records[3].content] == [False, True]


def test_results_with_ids_of_calls(written: Write) -> None:
    """An id that is there counts; a call of an earlier turn is answered by nothing that comes in a later one."""
    source = written(
        row("assistant", use("Read"), use("Shell") | {"id": "t9"}),
        row("user", result("of the shell"), said("<user_query>go on</user_query>")),
        row("assistant", use("Read")),
        row("user", result("of the last")),
    )
    records = records_of(source)

    assert calls_of(records) == [
        ("tool_call", "call-1"), ("tool_call", "t9"), ("tool_result", "t9"), ("tool_call", "call-3"),
        ("tool_result", "call-3"),
    ]  # fmt: skip
    assert [record.id for record in records][1:3] == ["row-2/result", "row-2"]


def test_calls_without_results_are_no_errors(written: Write) -> None:
    """Transcripts mostly hold no results at all."""
    source = written(row("user", said("x")), row("assistant", use("Shell", command="ls")), {"type": "turn_ended"})
    assert [record.role for record in records_of(source)] == ["user", "assistant"]
    assert not READER.summarise(source).has_errors


def test_todos_make_a_plan(written: Write) -> None:
    """A list of todos is the whole plan; one to be merged changes the one before."""
    first = [{"id": "a", "content": "Look", "status": "in_progress"}, {"id": "b", "content": "Leap", "status": "odd"}]
    then = [{"id": "a", "status": "completed"}, {"content": "Land"}, 7]
    source = written(
        row("assistant", use("TodoWrite", todos=first, merge=False)),
        row("assistant", use("TodoWrite", todos=then, merge=True)),
        row("assistant", use("TodoWrite", todos="none")),
    )
    plans = [part["entries"] for record in records_of(source) for part in record.content if part["type"] == "plan"]

    assert [[(entry["content"], entry["status"]) for entry in plan] for plan in plans] == [
        [("Look", "in_progress"), ("Leap", "pending")],
        [("Look", "completed"), ("Leap", "pending"), ("Land", "pending")],
    ]


def test_arguments_in_a_string(written: Write) -> None:
    """Arguments that are JSON in a string are decoded; a call that starts a subagent is marked."""
    source = written(row("assistant", {"type": "tool_use", "name": "Task", "input": '{"description": "Look"}'}))
    (record,) = records_of(source)
    assert record.content[0]["input"] == {"description": "Look"}
    assert record.markers == ((MarkerKind.SUBAGENT, "Look"),)


# ---------------------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize(
    ("blocks", "shown"),
    [
        ([said("[REDACTED]"), said("Done.")], ["Done."]),
        ([said("Done.\n\n[REDACTED]")], ["Done."]),
        ([{"type": "thinking", "thinking": "[REDACTED]"}, {"type": "redacted", "data": "x"}, said("Done.")], ["Done."]),
        ([{"type": "thinking", "thinking": "Hm."}, said("Done.")], ["Hm.", "Done."]),
        ([said("The word [REDACTED] stays inside a line.")], ["The word [REDACTED] stays inside a line."]),
    ],
)
def test_thoughts(written: Write, blocks: list[object], shown: list[str]) -> None:
    """Thoughts that were taken out are not shown as words, and the message says that there were some."""
    (record,) = records_of(written(row("assistant", *blocks)))
    assert text_of(record).split("|") == shown
    assert bool((record.metadata or {}).get("redacted")) is ("REDACTED" in json.dumps(blocks) and shown == ["Done."])


def test_unknown_blocks_show_their_text(written: Write) -> None:
    """A block of an unknown type shows its text and is kept; one without a text is kept whole."""
    odd = {"type": "custom_block", "text": "note"}
    (record,) = records_of(written(row("assistant", odd, {"type": "tool-result", "text": "out"}, {"type": "hologram"})))
    assert [part["type"] for part in record.content] == ["text", "text", "unknown"]
    assert text_of(record) == "note|out"
    assert record.content[0]["raw"] == odd


def test_pictures(written: Write) -> None:
    """A picture in the transcript is shown; one at an address is named and not fetched."""
    inline = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    (record,) = records_of(written(row("user", said("look"), inline, linked)))
    assert record.content[1] == {"type": "image", "mime_type": "image/gif", "data": "R0lG"}
    assert record.content[2] == {"type": "image", "mime_type": "image/png", "uri": "https://example.org/a.png"}


def test_other_rows(written: Write) -> None:
    """An error that ends a turn is seen; everything else that is no message is a meta event, whole."""
    source = written(
        {"role": "user", "message": {"content": "plain text"}},
        {"type": "turn_ended", "status": "success"},
        {"type": "turn_ended", "status": "error", "error": "lost"},
        {"type": "turn_ended", "status": "error", "error": {"message": "gone"}},
        {"hologram": 7},
        row("assistant", said("[REDACTED]")),
        row("assistant", said("hm"), model="composer-2", annotations=[1]),
    )
    records = records_of(source, meta=True)

    assert [record.kind or text_of(record) for record in records] == [
        "plain text", "turn_ended", "lost", "gone", "unknown", "assistant/empty", "hm",
    ]  # fmt: skip
    assert records[2].role == "system"
    assert records[4].payload == {"hologram": 7}
    assert records[6].metadata == {"model": "composer-2", "extra": {"annotations": [1]}}
    assert [record for record in records if not record.is_meta] == records_of(source)


def test_bad_lines_cost_only_themselves(written: Write) -> None:
    """Rows that are no objects and cut ones are reported by their lines; a cut last one is only half-written."""
    source = written(row("user", said("a")), b"{oops", b"7", b"\xef\xbb\xbf", row("user", said("b")), b'{"ro', end=b"")
    items = list(READER.records(source, meta=False))
    bad = [item for item in items if isinstance(item, BadRecord)]
    assert bad == [BadRecord(2), BadRecord(3), BadRecord(4), BadRecord(6, half_written=True)]
    assert outline(item for item in items if isinstance(item, Record)) == [("user", "a"), ("user", "b")]


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.*")), ids=lambda path: path.name[:8])
def test_prefixes_give_prefixes(path: Path, tmp_path: Path) -> None:
    """What is given of the beginning of a transcript is given of all of it."""
    whole = [(item.id, item.content) for item in records_of(source_of(path, DEMO))]
    lines = list(read_lines(path, DEMO))
    for end in range(len(lines) + 1):
        decoder = READER.decoder(source_of(path, DEMO), meta=False)
        given = [item for line in lines[:end] for item in decoder.feed(line)]
        records = [(item.id, item.content) for item in given if isinstance(item, Record)]
        assert records == whole[: len(records)]
        held = list(decoder.pending())
        assert held == list(decoder.pending())
        assert path.suffix == ".txt" or not held


# ------------------------------------------------------------------------------------------------------------ text


def test_text_of_turns_and_marks() -> None:
    """Thoughts, calls with arguments and results are told apart; a query may hold what looks like a role."""
    records = records_of(source_of(next(FOLDER.glob("*.txt")), DEMO))

    assert [(record.id, record.role) for record in records] == [
        ("line-1", "user"), ("line-8", "assistant"), ("line-17", "tool"), ("line-20", "assistant"),
    ]  # fmt: skip
    assert text_of(records[0]) == "Which file holds the table?\nassistant: please be brief"
    assert records[0].timestamp == "2026-01-12T19:04:00+01:00"
    assert [part["type"] for part in records[1].content] == ["thinking", "text", "tool_call"]
    assert records[1].content[2]["input"] == {"pattern": "HIGH =", "path": "/home/mira/tidepool"}
    assert records[2].content[0]["call_id"] == records[1].content[2]["call_id"]
    assert text_of(records[2]) == "src/tides.py:3:HIGH = [3.2, 2.9, 3.4]"


def test_text_without_results_and_blank_lines(text: Write) -> None:
    """Results are mostly left out; arguments may run over lines; a result is followed by a call at once."""
    source = text(
        "user:\nhello\n\nassistant:\n[Thinking]\nFirst\nsecond.\n\nWell.\n[Tool call] Write\n  path: a.py\n"
        "  contents: one\n    two\n\n  three\n[Tool call] Shell\n[Tool result] Shell\n[Tool call] Read\nDone."
    )
    records = records_of(source)

    assert outline(records) == [
        ("user", "hello"), ("assistant", "First\nsecond.|Well."), ("tool", ""), ("assistant", "Done."),
    ]  # fmt: skip
    assert records[1].content[2]["input"] == {"path": "a.py", "contents": "one\n    two\n\n  three"}
    assert calls_of(records) == [
        ("tool_call", "call-1"), ("tool_call", "call-2"), ("tool_result", "call-2"), ("tool_call", "call-3"),
    ]  # fmt: skip


def test_long_text_is_cut_into_messages(text: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one endless message is given piece by piece."""
    monkeypatch.setattr("scrollcast.archive.formats.cursor.transcripts._MAX_BLOCK_CHARACTERS", 10)
    assert outline(records_of(text("assistant:\n" + "abcdef\n" * 5))) == [
        ("assistant", "abcdef\nabcdef"), ("assistant", "abcdef\nabcdef"), ("assistant", "abcdef"),
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------------- sessions


def test_summary_with_a_store() -> None:
    """Title, model and mode come from the chat's store, the beginning from the first prompt, the rest from names."""
    session = READER.summarise(source_of(TRANSCRIPT, DEMO))

    assert (session.title, session.model, session.agent) == ("Tide curve as text", "composer-2", "Cursor")
    assert (session.project, session.native_session_id) == ("tidepool", CHAT_ID)
    assert session.metadata == {"project_folder": "home-mira-tidepool", "mode": "default"}
    assert session.scroll_id == derive_scroll_id("cursor", CHAT_ID)
    assert session.created_at == "2026-08-02T10:51:00.000Z"


def test_store_counts_inside_the_opened_folder_only(tmp_path: Path) -> None:
    """A store outside is not looked at, even by a link; it is part of what the session is made of where it counts."""
    store = DEMO / "chats" / "5f0c2b7d9e14a863" / CHAT_ID / "store.db"
    assert READER.files(source_of(TRANSCRIPT, DEMO)) == (TRANSCRIPT, store)
    assert READER.files(source_of(TRANSCRIPT, FOLDER)) == (TRANSCRIPT,)
    assert READER.summarise(source_of(TRANSCRIPT, FOLDER)).title == "Draw the tide curve as text."

    copy = shutil.copy(TRANSCRIPT, tmp_path)
    (tmp_path / "store.db").symlink_to(store)
    assert READER.summarise(source_of(Path(copy))).title == "Draw the tide curve as text."


def test_reading_a_store_writes_nothing(tmp_path: Path) -> None:
    """No file comes to lie beside a store, in whatever mode it is; its time is the session's where nothing else is."""
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(row("user", said("x"))) + "\n")
    write_store(tmp_path / "store.db", {"name": "New Agent", "createdAt": 1785668000000})
    store = sqlite3.connect(tmp_path / "store.db")
    store.execute("PRAGMA journal_mode=WAL")
    store.close()
    before = sorted(os.listdir(tmp_path))
    session = READER.summarise(source_of(path))

    assert (session.title, session.created_at) == ("x", "2026-08-02T10:53:20.000Z")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("note", ["zz", "", "7b7d", "5b5d", "ff" * 40, {"name": 7, "createdAt": "soon"}])
def test_broken_stores_are_passed_over(tmp_path: Path, note: object) -> None:
    """A store that says nothing costs the session nothing."""
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(row("user", said("x"))) + "\n")
    write_store(tmp_path / "store.db", note)
    assert READER.summarise(source_of(path)).title == "x"
    (tmp_path / "store.db").write_bytes(b"SQLite format 3\0" + os.urandom(500))
    assert READER.summarise(source_of(path)).title == "x"


def test_endless_view_in_a_store_ends(tmp_path: Path) -> None:
    """A store that is made to keep its reader busy is given up."""
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(row("user", said("x"))) + "\n")
    store = sqlite3.connect(tmp_path / "store.db")
    store.execute(
        "CREATE VIEW meta AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT CAST(max(i) AS TEXT) AS key, 'x' AS value FROM n"
    )
    store.commit()
    store.close()
    assert READER.summarise(source_of(path)).title == "x"


@pytest.mark.parametrize(
    ("place", "native_id", "parent_id", "project"),
    [
        ("projects/Users-ada-w-net/agent-transcripts/u-1/u-1.jsonl", "u-1", "", "w-net"),
        ("projects/home-ada-net/agent-transcripts/u-1/transcript.jsonl", "u-1", "", "net"),
        ("projects/home-ada-net/agent-transcripts/u-1.jsonl", "u-1", "", "net"),
        ("projects/home-ada-net/agent-transcripts/u-1/subagents/u-2.jsonl", "u-2", "u-1", "net"),
        ("agent-transcripts/u-1/u-1.jsonl", "u-1", "", None),
        ("projects/agent-transcripts/u-1/u-1.jsonl", "u-1", "", None),
    ],
)
def test_layouts(tmp_path: Path, place: str, native_id: str, parent_id: str, project: str | None) -> None:
    """Each place that the tool has put transcripts in tells the session, its parent and its project."""
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(row("user", said("x"))) + "\n")
    session = READER.summarise(source_of(path, tmp_path))

    assert (session.native_session_id, session.project) == (native_id, project)
    assert session.scroll_id == derive_scroll_id("cursor", native_id)
    assert session.parent_scroll_id == (derive_scroll_id("cursor", parent_id) if parent_id else None)


def test_summary_of_a_large_transcript_is_near(written: Write) -> None:
    """Of a large transcript both ends are looked at, and the count is about right."""
    rows = [row("assistant", said(f"{number} " + "x" * 500)) for number in range(500)]
    session = READER.summarise(written(row("user", said("Begin")), *rows, row("assistant", said("z"), model="last")))
    assert (session.title, session.model) == ("Begin", "last")
    assert session.count == pytest.approx(502, rel=0.1)


# -------------------------------------------------------------------------------------------------------- detection


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"type":"user","message":{"role":"user","content":"x"}}'),
        ("a.jsonl", '{"role":"user","content":"x"}'),
        ("a.jsonl", '{"role":"user","sessionId":"s","message":{"content":"x"}}'),
        ("a.jsonl", '{"type":"turn_ended","status":"success"}'),
        ("a.jsonl", '{"type":"message","message":{"role":"user","content":[]}}'),
        ("a.txt", "user: hello\nassistant: hi\n"),
        ("a.txt", "user:\n  name: mira\n"),
        ("a.txt", ""),
    ],
)
def test_other_tools_files_are_not_claimed(tmp_path: Path, name: str, content: str) -> None:
    """What only looks like it belongs to another reader, or to none."""
    path = tmp_path / name
    path.write_text(content)
    assert not READER.claims(sniff(path, tmp_path, path.stat().st_size))


def test_first_row_larger_than_the_head_is_claimed(tmp_path: Path) -> None:
    """A transcript that begins with more than is looked at is told by how its first row begins."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row("user", said("x" * (5 << 20)))) + "\n")
    assert READER.claims(sniff(path, tmp_path, path.stat().st_size))


@pytest.mark.parametrize(
    ("place", "is_companion"),
    [
        ("chats/ab/u-1/store.db", True),
        ("chats/ab/u-1/store.db-wal", True),
        ("globalStorage/state.vscdb", True),
        ("agent-transcripts/u-1.txt", True),
        ("agent-transcripts/u-2.txt", True),
        ("agent-transcripts/u-3.txt", False),
        ("elsewhere/u-1.txt", False),
        ("agent-transcripts/u-1.jsonl", False),
    ],
)
def test_companions(tmp_path: Path, place: str, is_companion: bool) -> None:
    """Databases are no sessions, nor is a text that goes on as rows."""
    for name in ("agent-transcripts/u-1.jsonl", "agent-transcripts/u-2/u-2.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert READER.is_companion(tmp_path / place) is is_companion


# ------------------------------------------------------------------------------------------------------ real samples

COUNTS = {
    "agent-sessions/large.jsonl": (10, 3, 2),
    "agent-sessions/small.jsonl": (4, 2, 1),
    "agent-sessions/subagent-session.jsonl": (3, 1, 1),
    "claude-replay/e2e-fixture-paced-wording.jsonl": (5, 3, 0),
    "claude-replay/fixture-cursor.jsonl": (5, 2, 0),
    "claude-replay/fixture-paced.jsonl": (4, 2, 0),
    "codeburn/agent-transcripts/1031d227-0c67-4e17-8954-0b6e2b3322f0/1031d227-0c67-4e17-8954-0b6e2b3322f0.jsonl":
        (2, 1, 0),
}  # fmt: skip
"""How many messages, prompts and calls each sample holds."""


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions lie beside the checkout only")
@pytest.mark.parametrize("name", COUNTS)
def test_real_samples(name: str) -> None:
    """Each sample is this reader's, and every row of it is a message, but for the ends of turns."""
    path = REAL_SESSIONS / "cursor" / name
    source = source_of(path)
    records = records_of(source)
    calls = [part for record in records for part in record.content if part["type"] == "tool_call"]
    found = owner(sniff(path, path.parent, path.stat().st_size))

    assert found is not None
    assert found.name == "cursor"
    assert (len(records), sum(record.role == "user" for record in records), len(calls)) == COUNTS[name]
    assert len(records_of(source, meta=True)) == len(path.read_bytes().splitlines())
    assert READER.summarise(source).count == len(records)
    assert READER.summarise(source).timing == "synthetic"


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions lie beside the checkout only")
def test_real_samples_of_others_are_not_claimed() -> None:
    """No other tool's file among the samples is taken for one of this tool."""
    for path in sorted(REAL_SESSIONS.rglob("*")):
        if path.is_file() and "cursor" not in path.parts:
            assert not READER.claims(sniff(path, REAL_SESSIONS, path.stat().st_size)), path
