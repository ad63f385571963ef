import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.formats import SessionSource, SniffedFile
from scrollcast.archive.formats.claude_code import ClaudeCodeReader
from scrollcast.archive.formats.claude_code.conversation import Conversation
from scrollcast.archive.storage import read_head
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "claude_code"
DEMO = ROOT / "archive_fixtures" / "claude_code"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"

SESSION_ID = "7d3a1f00-0000-4000-8000-000000000001"
READER = ClaudeCodeReader()


# ------------------------------------------------------------------------------------------------------- helpers


def sniffed(path: Path) -> SniffedFile:
    """The beginning of a file as the archive gives it to a reader."""
    head = read_head(path, path.parent)
    lines = head.split(b"\n")
    size = path.stat().st_size
    return SniffedFile(path, head, tuple(lines if len(head) >= size else lines[:-1])[:256], size)


def source_of(path: Path, root: Path | None = None) -> SessionSource:
    """The session in a file."""
    (source,) = READER.locate(sniffed(path), root or path.parent)
    return source


def fixture(name: str) -> SessionSource:
    """The session in one of our fixtures."""
    return source_of(FIXTURES / f"{name}.jsonl")


def items_of(source: SessionSource, *, meta: bool = False) -> list[Record | BadRecord]:
    """All that the reader gives, each part checked."""
    items = list(READER.records(source, meta=meta))
    records = [item for item in items if isinstance(item, Record)]
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    return items


def records_of(source: SessionSource, *, meta: bool = False) -> list[Record]:
    """The records, with no bad one among them."""
    items = items_of(source, meta=meta)
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    return records


def outline(records: Sequence[Record | BadRecord]) -> list[tuple[str, str, str]]:
    """Role, id and texts of each record: enough to see what is said in which order."""
    return [(item.role, item.id, text_of(item)) for item in records if isinstance(item, Record)]


def text_of(record: Record) -> str:
    """The record's own texts, one behind the other."""
    return "|".join(part["text"] for part in record.content if part["type"] in ("text", "thinking"))


def by_id(records: Sequence[Record]) -> dict[str, Record]:
    """Records by their ids."""
    return {record.id: record for record in records}


def metadata_of(record: Record) -> dict[str, Any]:
    """A record's metadata, empty where there is none."""
    return dict(record.metadata or {})


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., SessionSource]:
    """Writes a session file from rows and raw lines, and gives the session in it."""

    def write(*rows: dict[str, Any] | bytes, name: str = "session.jsonl", end: bytes = b"\n") -> SessionSource:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path = tmp_path / name
        path.write_bytes(b"\n".join(lines) + end)
        return source_of(path)

    return write


def prompt(text: object, **fields: Any) -> dict[str, Any]:
    """A user row."""
    return {"type": "user", "message": {"role": "user", "content": text}, **fields}


def answer(*blocks: object, **fields: Any) -> dict[str, Any]:
    """An assistant row."""
    return {"type": "assistant", "message": {"role": "assistant", "content": list(blocks)}, **fields}


def said(text: str) -> dict[str, str]:
    """A text block."""
    return {"type": "text", "text": text}


# ----------------------------------------------------------------------------------------------- whole-file cases


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_summary_counts_what_the_records_give(path: Path) -> None:
    """A summary of a small file is exact, and meta events change neither the messages nor their ids."""
    source = source_of(path)
    messages = [item for item in items_of(source) if isinstance(item, Record)]
    everything = [item for item in items_of(source, meta=True) if isinstance(item, Record)]
    assert READER.claims(sniffed(path))
    assert READER.summarise(source).count == len(messages)
    assert not any(record.is_meta for record in messages)
    assert [record for record in everything if not record.is_meta] == messages


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.jsonl")), ids=lambda path: path.stem)
def test_records_can_be_encoded(path: Path) -> None:
    """What the reader gives is plain JSON, whatever the log holds."""
    for item in items_of(source_of(path), meta=True):
        if isinstance(item, Record):
            orjson.dumps([item.id, item.timestamp, item.content, item.metadata, item.payload])


def test_every_row_is_accounted_for() -> None:
    """Each row of a file is a message or a meta event, in file order, under its own id."""
    records = records_of(fixture("unknown_types"), meta=True)
    assert [record.id for record in records] == [
        "row-1", "row-2", "row-3", "u1", "x1", "x2", "row-7", "row-8", "x3", "a1", "a2", "d1", "d2",
    ]  # fmt: skip
    assert [record.kind for record in records if record.is_meta] == [
        "summary", "summary", "file-history-snapshot", "hologram", "progress/hook_progress", "permission-mode",
        "unknown", "user", "assistant",
    ]  # fmt: skip


def test_payload_of_a_meta_event_is_its_row() -> None:
    """An unknown row is given whole; a snapshot's time is found inside it."""
    records = by_id(records_of(fixture("unknown_types"), meta=True))
    assert records["x1"].payload["beam"] == 7
    assert records["row-3"].timestamp == "2026-03-02T09:00:00.000Z"


def test_large_fields_leave_a_payload(written: Callable[..., SessionSource]) -> None:
    """A hidden row with a large field keeps its small ones, and says what was left out."""
    row = {"type": "attachment", "attachment": {"type": "file", "content": "x" * 20_000, "name": "big.txt"}}
    (record,) = records_of(written(row), meta=True)
    assert record.kind == "attachment/file"
    assert record.payload == {
        "type": "attachment",
        "attachment": {"type": "file", "name": "big.txt", "omitted": ["content"]},
    }


# --------------------------------------------------------------------------------------------------- API messages


def test_additive_rows_stay_apart() -> None:
    """The thought, the text and the call of one answer come when they were written, each once."""
    records = records_of(fixture("streamed_additive"))
    assert outline(records) == [
        ("user", "u1", "Run the tests"),
        ("assistant", "a1", "The suite is small."),
        ("assistant", "a2", "Running them."),
        ("assistant", "a3", ""),
        ("tool", "r1", ""),
        ("assistant", "a4", "One test passes."),
        ("user", "u2", "Again"),
        ("assistant", "a5", "One test passes."),
    ]


def usage_of(records: Sequence[Record]) -> dict[str, Any]:
    """The usage that stands on each record, by the records' ids."""
    return {record.id: metadata_of(record)["usage"] for record in records if "usage" in metadata_of(record)}


def output_tokens(records: Sequence[Record]) -> dict[str, int]:
    """The output tokens that stand on each record, where there are any."""
    return {key: usage["output_tokens"] for key, usage in usage_of(records).items() if "output_tokens" in usage}


def test_usage_is_what_a_row_adds() -> None:
    """Summing usage over the events counts each token once; the first row of an answer has the most of it."""
    records = records_of(fixture("streamed_additive"))
    assert usage_of(records)["a1"] == {"input_tokens": 4, "cache_read_input_tokens": 900, "output_tokens": 5}
    assert usage_of(records)["a3"] == {"output_tokens": 52}
    assert sum(output_tokens(records[:4]).values()) == 61
    assert metadata_of(by_id(records)["a1"])["api_message_id"] == "msg_1"
    assert metadata_of(by_id(records)["a1"])["model"] == "claude-opus-4-8"


def test_cumulative_snapshots_add_what_is_new() -> None:
    """Rows that repeat the answer so far give its rest only."""
    records = records_of(fixture("cumulative_snapshots"))
    assert outline(records)[1:5] == [
        ("assistant", "a1", "Two steps."),
        ("assistant", "a2", "I will read"),
        ("assistant", "a3", " the notes."),
        ("assistant", "a4", ""),
    ]
    assert "a5" not in by_id(records)


@pytest.mark.parametrize(
    ("figures", "given"),
    [
        pytest.param([{"n": 3}, {"n": 5}, {"n": 5}], [{"n": 3}, {"n": 2}, None], id="growing"),
        pytest.param([{"n": 5}, {"n": 3}, {"n": 6}], [{"n": 5}, None, {"n": 1}], id="falling"),
        pytest.param([{"n": 0, "m": 1}, {"n": 2, "m": 1}], [{"m": 1}, {"n": 2}], id="zero at first"),
        pytest.param(
            [{"c": {"x": 1, "y": 2}}, {"c": {"x": 4, "y": 2}}], [{"c": {"x": 1, "y": 2}}, {"c": {"x": 3}}], id="nested"
        ),
        pytest.param([{"t": "a", "n": 1}, {"t": "a"}, {"t": "b"}], [{"t": "a", "n": 1}, None, {"t": "b"}], id="words"),
        pytest.param([{"l": [1]}, {"l": [1]}, {"l": [1, 2]}], [{"l": [1]}, None, {"l": [1, 2]}], id="lists"),
        pytest.param([{"n": -3, "b": True, "z": None}, {"b": 1}], [{"b": True}, {"b": 1}], id="odd values"),
        pytest.param([{"n": 0}, {}, None], [None, None, None], id="nothing"),
    ],
)  # fmt: skip
def test_usage_of_one_answer(
    written: Callable[..., SessionSource], figures: list[Any], given: list[dict[str, Any] | None]
) -> None:
    """Each row of an answer has the figures that it adds to the earlier ones, and no usage where it adds none."""
    rows = [
        {"type": "assistant", "message": {"id": "msg_1", "content": [said(f"word {place}")], "usage": usage}}
        for place, usage in enumerate(figures)
    ]
    records = records_of(written(*rows))
    assert [metadata_of(record).get("usage") for record in records] == given


def test_usage_of_a_row_that_is_not_shown(written: Callable[..., SessionSource]) -> None:
    """What an empty thought or a repeated row cost is counted with the next row of the answer that is shown."""

    def row(block: dict[str, str], tokens: int) -> dict[str, Any]:
        return {
            "type": "assistant",
            "message": {"id": "msg_1", "content": [block], "usage": {"output_tokens": tokens}},
        }

    empty = {"type": "thinking", "thinking": "", "signature": "x"}
    source = written(row(empty, 5), row(said("one"), 7), row(said("one"), 9), row(said("two"), 10))
    assert output_tokens(records_of(source)) == {"msg_1#2": 7, "msg_1#4": 3}


def test_usage_survives_a_prompt(written: Callable[..., SessionSource]) -> None:
    """An answer that goes on after a person spoke is not counted again."""
    message = {"id": "msg_1", "usage": {"output_tokens": 5}}
    first = {"type": "assistant", "message": {**message, "content": [said("one")]}}
    second = {"type": "assistant", "message": {**message, "content": [said("two")]}}
    assert len(usage_of(records_of(written(first, prompt("wait"), second)))) == 1


def test_usage_is_remembered_within_bounds(written: Callable[..., SessionSource]) -> None:
    """An answer that goes on after very many others is not counted again either."""
    rows = [
        {"type": "assistant", "message": {"id": f"msg_{n}", "content": [said("word")], "usage": {"output_tokens": 1}}}
        for n in range(100)
    ]
    again = {"type": "assistant", "message": {"id": "msg_0", "content": [said("more")], "usage": {"output_tokens": 3}}}
    assert sum(output_tokens(records_of(written(*rows, again))).values()) == 100


# ------------------------------------------------------------------------------------------ resume, tree, sidechains


def test_rows_written_again_are_dropped() -> None:
    """A row with the uuid and the words of an earlier one is that row; one with other words is not."""
    records = records_of(fixture("resumed_repeats"))
    assert outline(records) == [
        ("user", "u1", "Count the moons"),
        ("assistant", "a1", "Seventy-nine."),
        ("assistant", "a1#5", "Ninety-five, by the newest list."),
        ("user", "u2", "Thanks"),
    ]


def test_compaction() -> None:
    """The boundary and the summary are notices, the first a marker; a preserved row keeps its first place."""
    records = records_of(fixture("compaction_preserved"))
    assert [record.id for record in records] == ["u1", "a1", "u2", "a2", "c1", "c2", "a9", "u3"]
    boundary, summary = by_id(records)["c1"], by_id(records)["c2"]
    assert boundary.markers == ((MarkerKind.COMPACTION, "Conversation compacted"),)
    assert (boundary.role, summary.role) == ("system", "system")
    assert metadata_of(summary) == {"compaction": True}
    assert metadata_of(boundary) == {"compact_metadata": {"trigger": "auto", "preTokens": 155000}}


def test_sidechains_in_the_file() -> None:
    """A subagent's rows stay where they are, labelled; the call that started it is a marker."""
    records = by_id(records_of(fixture("sidechains_in_file")))
    assert [key for key, record in records.items() if metadata_of(record).get("sidechain")] == [
        "s1",
        "s2",
        "s3",
        "s4",
        "s5",
    ]
    assert metadata_of(records["s3"])["agent_id"] == "af01"
    assert records["a1"].markers == ((MarkerKind.SUBAGENT, "Survey the parser"),)
    assert metadata_of(records["r1"])["tool_use_result"]["agentId"] == "af01"


def test_answers_of_parallel_agents_are_told_apart() -> None:
    """An answer that another agent's rows interrupt is still one answer, each token of it counted once."""
    records = records_of(fixture("sidechains_in_file"))
    assert output_tokens(records) == {"a1": 20, "s2": 2, "a2": 5, "s3": 5, "s5": 3, "a3": 8}


def test_undone_branch_is_labelled() -> None:
    """What a person left by going back is labelled and kept; results of parallel calls are no such branch."""
    records = records_of(fixture("undone_branch"))
    assert [record.id for record in records if metadata_of(record).get("abandoned")] == ["u2", "a2"]
    assert len(records) == 10


@pytest.mark.parametrize("parent", ["gone", None], ids=["dangling parent", "second root"])
def test_no_branch_is_labelled_in_a_broken_tree(written: Callable[..., SessionSource], parent: str | None) -> None:
    """Where the chain of parents does not hold together, nothing is called undone."""
    source = written(
        prompt("a", uuid="u1", parentUuid=None),
        prompt("b", uuid="u2", parentUuid="u1"),
        prompt("c", uuid="u3", parentUuid="u1"),
        prompt("d", uuid="u4", parentUuid=parent),
    )
    assert not any("abandoned" in metadata_of(record) for record in records_of(source))


def test_replaced_rows_are_labelled(written: Callable[..., SessionSource]) -> None:
    """A row that a later one says it replaces is labelled too."""
    source = written(
        prompt("a", uuid="u1"), answer(said("b"), uuid="a1"), answer(said("c"), uuid="a2", supersedesUuids=["a1"])
    )
    assert [record.id for record in records_of(source) if metadata_of(record).get("abandoned")] == ["a1"]


def test_history_of_another_session_is_labelled(tmp_path: Path) -> None:
    """Rows that carry another session's id than the file's were copied when it was resumed."""
    path = Path(shutil.copy(FIXTURES / "inherited_rows.jsonl", tmp_path / f"{SESSION_ID}.jsonl"))
    records = records_of(source_of(path))
    assert [record.id for record in records if metadata_of(record).get("inherited")] == ["u1", "a1"]


def test_forked_rows_are_labelled(written: Callable[..., SessionSource]) -> None:
    """Rows that say what they were forked from are inherited, whatever id they carry."""
    source = written(prompt("a", uuid="u1", forkedFrom={"sessionId": "x", "messageUuid": "u1"}), prompt("b", uuid="u2"))
    assert [metadata_of(record) for record in records_of(source)] == [{"inherited": True}, {}]


# ------------------------------------------------------------------------------------------------------ bad bytes


def test_bad_lines() -> None:
    """Damage is counted by its line and never stops the session; a row glued behind a cut one is saved."""
    items = items_of(fixture("bad_lines"))
    assert [item for item in items if isinstance(item, BadRecord)] == [BadRecord(n) for n in (2, 4, 5, 6, 7)]
    assert outline(items) == [
        ("user", "u1", "One"),
        ("assistant", "a1", "Glued behind it"),
        ("user", "u2", "lone \ufffd surrogate"),
        ("user", "u3", "line\u2028separator and \u0085 next"),
        ("user", "u4", "not a number"),
    ]


def test_bad_lines_keep_their_place() -> None:
    """A bad record comes between the records of the lines around it."""
    kinds = [type(item).__name__ for item in items_of(fixture("bad_lines"))]
    assert kinds == ["Record", *["BadRecord"] * 5, *["Record"] * 4]


@pytest.mark.parametrize(
    ("data", "texts", "bad"),
    [
        pytest.param(b"\xef\xbb\xbf{0}\n{1}\n", ["one", "two"], [], id="byte order mark"),
        pytest.param(b"{0}\r\n{1}\r\n", ["one", "two"], [], id="CRLF"),
        pytest.param(b"{0}\n\n  \n{1}\n", ["one", "two"], [], id="blank lines"),
        pytest.param(b"{0}\n\0\0\0\0{1}\n", ["one", "two"], [], id="NULs before a row"),
        pytest.param(b"{0}\n{1}\0\0\0\0\n", ["one", "two"], [], id="NULs behind a row"),
        pytest.param(b"{0}\n\0\0\0\0\n{1}\n", ["one", "two"], [BadRecord(2)], id="NULs alone"),
        pytest.param(b"{0}\n{1}\n\0\0\0", ["one", "two"], [BadRecord(3, half_written=True)], id="NULs at the end"),
        pytest.param(b"{0}\n{1}", ["one", "two"], [], id="no final newline"),
        pytest.param(b'{0}\n{1}\n{"type":"user","mess', ["one", "two"], [BadRecord(3, half_written=True)], id="cut"),
        pytest.param(b'{0}\n{1}\n{"type":"user","mess\n', ["one", "two"], [BadRecord(3)], id="cut before a newline"),
        pytest.param(b"{0}\n\xff\xfe{1}\n", ["one", "two"], [BadRecord(2)], id="stray bytes"),
        pytest.param(b"{0}\n" + b"[" * 3000 + b"\n{1}\n", ["one", "two"], [BadRecord(2)], id="deep nesting"),
    ],
)
def test_bytes_met_in_the_wild(tmp_path: Path, data: bytes, texts: list[str], bad: list[BadRecord]) -> None:
    """Byte order marks, line ends, NULs and cut ends cost at most the line they are on."""
    for place, word in enumerate(("one", "two")):
        data = data.replace(b"{%d}" % place, json.dumps(prompt(word)).encode())
    path = tmp_path / "odd.jsonl"
    path.write_bytes(data)
    items = items_of(source_of(path))
    assert [text_of(item) for item in items if isinstance(item, Record)] == texts
    assert [item for item in items if isinstance(item, BadRecord)] == bad


def test_invalid_utf8_is_mended(tmp_path: Path) -> None:
    """A byte that is no UTF-8 becomes a replacement character inside its text."""
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"type":"user","message":{"content":"caf\xe9"}}\n')
    assert outline(records_of(source_of(path))) == [("user", "row-1", "caf\ufffd")]


def test_half_written_last_line_is_no_damage() -> None:
    """A last line without its end is half-written, even where a block inside it would parse."""
    items = items_of(fixture("half_written"))
    assert items[1:] == [BadRecord(2, half_written=True)]


def test_last_line_without_newline_counts() -> None:
    """A whole last row is taken though no newline follows."""
    assert [record.id for record in records_of(fixture("no_final_newline"))] == ["u1", "a1"]


def test_rows_without_timestamps() -> None:
    """Timestamps may be missing everywhere; the session's timing is then synthetic."""
    source = fixture("without_timestamps")
    assert [record.timestamp for record in records_of(source)] == [None, None]
    summary = READER.summarise(source)
    assert (summary.timing, summary.created_at, summary.duration_ms) == ("synthetic", None, 0)


# --------------------------------------------------------------------------------------------------- who speaks


def test_injected_text_and_commands() -> None:
    """What the program put into the conversation is no turn; what a person typed is, without the tags."""
    assert outline(records_of(fixture("injected_text"))) == [
        ("system", "u1", "Caveat: The messages below were generated by the user while running local commands."),
        ("user", "u2", "/model opus"),
        ("system", "u3", "Set model to opus"),
        ("user", "u4", "Explain this file"),
        ("user", "u5", "And that one?"),
        ("system", "u6", "Alone here."),
        ("system", "u7", "Stop hook feedback:\n- run the linter"),
        ("system", "u8", "[Request interrupted by user]"),
        ("system", "u9", "<task-id>b2</task-id>finished"),
        ("user", "u10", "Generics such as <T> and <system-reminder> without an end stay"),
        ("system", "a1", "No response requested."),
        ("system", "a2", "API Error: 529 overloaded"),
        ("system", "y1", "Overloaded (attempt 2 of 10)"),
        ("system", "y3", "The model declined; another one answers."),
    ]


def test_stripped_text_is_kept() -> None:
    """Tags taken out of a prompt stand in its metadata, and a slash command is named there."""
    records = by_id(records_of(fixture("injected_text")))
    assert metadata_of(records["u5"])["injected"] == [
        "<system-reminder>Be brief.</system-reminder>",
        "<system-reminder>Really.</system-reminder>",
    ]
    assert metadata_of(records["u4"])["injected"] == ["<ide_opened_file>The user opened a.py</ide_opened_file>"]
    assert metadata_of(records["u2"]) == {"slash_command": "/model"}
    assert metadata_of(records["u3"]) == {"source": "local-command-stdout"}
    assert metadata_of(records["a2"])["error"] == "overloaded"


def test_many_unclosed_tags_take_linear_time() -> None:
    """A text full of tags without ends is read at once, not searched again and again."""
    text = "<system-reminder><bash-input>" * 100_000
    talk = Conversation(meta=False)
    record = talk.feed(1, prompt(text), len(text))
    assert record is not None
    assert text_of(record) == text


def test_queued_prompts() -> None:
    """Words typed while the agent works are turns, once, wherever they are kept; a task's report is not."""
    records = records_of(fixture("queued_prompts"))
    assert outline(records)[2:] == [
        ("user", "row-4", "only the parser please"),
        ("user", "q2", "and this picture"),
        ("system", "q3", "<task-id>b1</task-id>done"),
        ("system", "h1", "PreToolUse:Bash: not on Fridays"),
    ]
    assert metadata_of(records[2]) == {"queued": True}
    assert [part["type"] for part in records[3].content] == ["text", "image"]


def test_stream_json() -> None:
    """The output of `claude -p` is read too: its failure is a notice, a subagent's row a sidechain."""
    source = fixture("stream_json")
    records = records_of(source)
    assert outline(records) == [
        ("assistant", "msg_1#1", "Hi"),
        ("assistant", "msg_2#1", "From below"),
        ("system", "row-4", "Ended: error_max_turns"),
    ]
    assert metadata_of(records[1])["sidechain"] is True
    assert READER.summarise(source).native_session_id == "st-1"


def test_web_document(tmp_path: Path) -> None:
    """The rows of a `loglines` document are read in order; one that is no object has no line."""
    rows = [prompt("Hello"), 7, answer(said("Hello to you"))]
    path = tmp_path / "web.json"
    path.write_text(json.dumps({"id": {"a": 1}, "loglines": rows}, indent=2))
    source = source_of(path)
    assert READER.claims(sniffed(path))
    items = items_of(source)
    assert outline(items) == [("user", "row-1", "Hello"), ("assistant", "row-3", "Hello to you")]
    assert items[1] == BadRecord(None)
    assert READER.summarise(source).count == 2


def test_broken_web_document(tmp_path: Path) -> None:
    """A document that does not parse has no lines to skip: the session is broken."""
    path = tmp_path / "web.json"
    path.write_text('{"loglines": [{"type": "user"')
    with pytest.raises(ArchiveError, match="not valid JSON"):
        list(READER.records(source_of(path), meta=False))


# ------------------------------------------------------------------------------------------------------------ parts


def test_images_and_documents() -> None:
    """Images come as data or as an address, in results too; documents are resources; what cannot be had is unknown."""
    records = by_id(records_of(fixture("images")))
    assert [part["type"] for part in records["u1"].content] == ["text", "image"]
    assert records["u1"].content[1]["mime_type"] == "image/png"
    assert records["u2"].content == [{"type": "image", "mime_type": "image/jpeg", "uri": "https://example.org/sky.jpg"}]
    assert [part["type"] for part in records["r1"].content[0]["output"]] == ["image", "text"]
    assert records["u3"].content == [
        {"type": "resource", "uri": "notes.txt", "mime_type": "text/plain", "text": "brass"}
    ]
    assert records["u4"].content[0]["blob"] == "JVBERi0="
    assert records["u5"].content[0]["type"] == "unknown"
    assert {records[key].role for key in ("u1", "u2", "u3", "u4", "u5")} == {"user"}


@pytest.mark.parametrize(
    ("record_id", "failed", "text"),
    [
        ("r1", True, "File has not been read yet."),
        ("r2", True, "Exit code 1"),
        ("r3", False, "a.py"),
        ("r4", True, "gone"),
        ("r5", False, '{\n  "code": 7\n}'),
    ],
)
def test_tool_results(record_id: str, failed: bool, text: str) -> None:
    """A result's failure is told from its flag, its tag or the structured result; any content becomes text."""
    part = by_id(records_of(fixture("tool_errors")))[record_id].content[0]
    assert (part["type"], part["is_error"]) == ("tool_result", failed)
    assert [piece["text"] for piece in part["output"]] == [text]


def test_words_beside_a_result() -> None:
    """A person's words make a row of results a turn; the program's notice does not."""
    records = by_id(records_of(fixture("tool_errors")))
    assert (records["r5"].role, text_of(records["r5"])) == ("tool", "[Request interrupted by user for tool use]")
    assert (records["r6"].role, text_of(records["r6"])) == ("user", "Use the other file")
    assert records["r6"].content[0]["output"] == []


def test_structured_result_is_kept_within_bounds(written: Callable[..., SessionSource]) -> None:
    """An edit's patch stays beside its text; the whole file that comes with it does not."""
    patch = [{"oldStart": 1, "lines": ["-a", "+b"]}]
    structured = {"filePath": "a.py", "originalFile": "x" * 40_000, "structuredPatch": patch, "userModified": False}
    row = prompt([{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}], toolUseResult=structured)
    (record,) = records_of(written(row))
    assert metadata_of(record)["tool_use_result"] == {
        "filePath": "a.py", "structuredPatch": patch, "userModified": False,
    }  # fmt: skip


def test_tool_calls() -> None:
    """A call has a kind and a title that says what it is about."""
    calls = [
        part for record in records_of(fixture("tool_errors")) for part in record.content if part["type"] == "tool_call"
    ]
    assert [(call["call_id"], call["kind"], call["title"]) for call in calls] == [
        ("t1", "edit", "a.py"),
        ("t2", "execute", "false"),
        ("t3", "execute", "ls"),
        ("t4", "read", "b.py"),
    ]


def test_blocks_of_every_kind() -> None:
    """Bare words are text, empty thoughts nothing, server tools calls and results, and the rest unknown."""
    record = by_id(records_of(fixture("unknown_types")))["a1"]
    assert [part["type"] for part in record.content] == [
        "unknown", "unknown", "text", "tool_call", "tool_call", "tool_result",
    ]  # fmt: skip


def test_calls_without_ids_are_paired_in_order() -> None:
    """A result that names no call belongs to the earliest that has none; with no such call it stands alone."""
    records = records_of(fixture("calls_without_ids"))
    calls = [part["call_id"] for part in records[1].content]
    results = [record.content[0]["call_id"] for record in records[2:]]
    assert calls == ["call-1", "call-2"]
    assert results == ["call-1", "call-2", None, "toolu_9"]


def test_plans() -> None:
    """A to-do list and the newer tasks are plans beside their calls; a broken item does not break the list."""
    records = records_of(fixture("plans"))
    plans = [
        [(e["content"], e["status"]) for e in p["entries"]] for r in records for p in r.content if p["type"] == "plan"
    ]
    assert plans == [
        [("Draw", "completed"), ("Cut", "in_progress"), ("Polish", "pending"), ("Ship", "pending")],
        [("Draw", "pending")],
        [("Draw", "pending"), ("Cut", "pending")],
        [("Draw", "completed"), ("Cut", "pending")],
    ]
    assert records[-1].content[0]["input"] == {"plan": "# Plan\n1. Draw"}
    assert records[-1].content[0]["kind"] == "switch_mode"


# -------------------------------------------------------------------------------------------------- spilled output


@pytest.fixture
def spilled(tmp_path: Path) -> Path:
    """A session with spilled outputs of its own beside it, a link among them, and a secret outside."""
    project = tmp_path / "projects" / "-home-ada-orrery"
    results = project / SESSION_ID / "tool-results"
    results.mkdir(parents=True)
    (results / "big.txt").write_text("line 1\nline 2\n")
    (results / "two.txt").write_bytes(b"caf\xe9")
    (tmp_path / "secret.txt").write_text("secret")
    (results / "linked.txt").symlink_to(tmp_path / "secret.txt")
    return Path(shutil.copy(FIXTURES / "persisted_output.jsonl", project / f"{SESSION_ID}.jsonl"))


@pytest.mark.parametrize(
    ("record_id", "expected"),
    [
        pytest.param("r1", "line 1\nline 2\n", id="by the path in the text"),
        pytest.param("r2", "caf\ufffd", id="by the path in the structured result"),
        pytest.param("r3", None, id="elsewhere"),
        pytest.param("r4", None, id="upwards"),
        pytest.param("r5", None, id="through a link"),
        pytest.param("r6", None, id="of one result among several"),
    ],
)
def test_spilled_output(spilled: Path, record_id: str, expected: str | None) -> None:
    """A spilled output is read from the session's own folder, and no other path of a log is ever followed."""
    record = by_id(records_of(source_of(spilled)))[record_id]
    archived = by_id(records_of(fixture("persisted_output")))[record_id]
    assert record.content[0]["output"] == (archived.content[0]["output"] if expected is None else [said(expected)])


def test_spilled_output_outside_the_opened_folder(spilled: Path) -> None:
    """Where the folder of results is a link to outside of what was opened, the excerpt stays."""
    folder = spilled.with_suffix("") / "tool-results"
    elsewhere = spilled.parents[2] / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    record = by_id(records_of(source_of(spilled)))["r1"]
    assert record.content[0]["output"][0]["text"].startswith("<persisted-output>")


# -------------------------------------------------------------------------------------------------------- summary


def test_summary() -> None:
    """The catalogue learns where, when and with which model a session ran."""
    source = fixture("streamed_additive")
    session = READER.summarise(source)
    assert (session.title, session.agent, session.kind) == ("Run the tests", "Claude Code", "claude-code")
    assert (session.model, session.project, session.count) == ("claude-opus-4-8", "orrery", 8)
    assert (session.created_at, session.updated_at) == ("2026-03-02T09:00:00.000Z", "2026-03-02T09:00:22.000Z")
    assert (session.duration_ms, session.timing, session.parent_scroll_id) == (22_000, "recorded", None)
    assert session.metadata == {"cwd": "/home/ada/orrery", "git_branch": "main", "version": "2.1.207"}
    assert session.scroll_id == source.scroll_id == derive_scroll_id("claude-code", SESSION_ID)


def without(rows: Sequence[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    """Rows without those of some types."""
    return [row for row in rows if row["type"] not in types]


@pytest.mark.parametrize(
    ("missing", "title"),
    [
        ((), "Chosen again"),
        (("custom-title",), "Made up later"),
        (("custom-title", "ai-title"), "A summary"),
        (("custom-title", "ai-title", "summary"), "moon-agent"),
        (("custom-title", "ai-title", "summary", "agent-name"), "First words of a person"),
    ],
)
def test_title(written: Callable[..., SessionSource], missing: tuple[str, ...], title: str) -> None:
    """The title is the best of those given: chosen, made up, summed up, the agent's, the first words."""
    rows = [json.loads(line) for line in (FIXTURES / "titles.jsonl").read_text().splitlines()]
    assert READER.summarise(written(*without(rows, *missing))).title == title


def test_title_of_a_session_of_commands(written: Callable[..., SessionSource]) -> None:
    """A slash command is a title only when there is nothing better."""
    assert READER.summarise(written(prompt("<command-name>/init</command-name>"))).title == "/init"


def test_summary_row_of_another_session() -> None:
    """A summary row that names a row of this file is preferred to one that does not."""
    assert READER.summarise(fixture("unknown_types")).title == "An orrery of rows"
    assert READER.summarise(fixture("without_timestamps")).title == "A quiet talk"


def test_renamed_session(written: Callable[..., SessionSource]) -> None:
    """A session that was renamed has that name, unless a title was chosen since."""
    row = {
        "type": "system",
        "subtype": "local_command",
        "content": "<local-command-stdout>Session renamed to: Orrery</local-command-stdout>",
    }
    assert READER.summarise(written(prompt("Hello"), row)).title == "Orrery"


def test_file_without_messages(written: Callable[..., SessionSource]) -> None:
    """A session in which nothing was said yet is listed with no messages."""
    session = READER.summarise(written({"type": "mode", "mode": "normal"}, name=f"{SESSION_ID}.jsonl"))
    assert (session.count, session.title, session.duration_ms) == (0, "", 0)


def test_summary_of_a_large_file(tmp_path: Path) -> None:
    """Beyond 8 MiB a summary reads both ends only: bounded memory, the last title, a fair estimate."""
    path = tmp_path / f"{SESSION_ID}.jsonl"
    row = json.dumps(prompt("x" * 1000, timestamp="2026-03-02T09:00:00Z")) + "\n"
    with path.open("w") as file:
        file.writelines(row for _ in range(10_000))
        file.write(json.dumps(prompt("bye", timestamp="2026-03-02T10:00:00Z")) + "\n")
        file.write(json.dumps({"type": "custom-title", "customTitle": "Long"}) + "\n")
    source = source_of(path)
    tracemalloc.start()
    session = READER.summarise(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (session.title, session.duration_ms) == ("Long", 3_600_000)
    assert session.count == pytest.approx(10_001, rel=0.02)
    assert peak < 4 << 20


def test_missing_file(tmp_path: Path) -> None:
    """A file that is gone is an error of the archive, not of the program."""
    source = SessionSource(derive_scroll_id("claude-code", "x"), READER, tmp_path / "x.jsonl", tmp_path)
    with pytest.raises(ArchiveError):
        READER.summarise(source)
    with pytest.raises(ArchiveError):
        next(READER.records(source, meta=False))


# ------------------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("place", "native_id", "parent"),
    [
        (f"{SESSION_ID}.jsonl", SESSION_ID, None),
        ("notes.jsonl", "s-rows", None),
        ("agent-a1.jsonl", "agent-a1", "s-rows"),
        (f"{SESSION_ID}/subagents/agent-a1.jsonl", "agent-a1", SESSION_ID),
        (f"{SESSION_ID}/subagents/workflows/wf_1/agent-a1.jsonl", "agent-a1", SESSION_ID),
    ],
)
def test_identity(tmp_path: Path, place: str, native_id: str, parent: str | None) -> None:
    """A session is known by its file's name or its rows; a subagent's file has a parent by its folder or its rows."""
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(prompt("Hi", sessionId="s-rows")) + "\n")
    source = source_of(path, tmp_path)
    session = READER.summarise(source)
    assert source.scroll_id == derive_scroll_id("claude-code", native_id)
    assert session.native_session_id == native_id
    assert session.parent_scroll_id == (derive_scroll_id("claude-code", parent) if parent else None)
    assert READER.files(source) == (path,)
    assert READER.meta_events(source) is None


def test_id_falls_back_to_the_name(written: Callable[..., SessionSource]) -> None:
    """Without an id anywhere, the file's name has to do."""
    assert written(prompt("Hi"), name="plain.jsonl").scroll_id == derive_scroll_id("claude-code", "plain")


def test_subagent_file() -> None:
    """A subagent's own file is a session with a title, and its rows say whose they are."""
    source = fixture("agent-af02")
    session = READER.summarise(source)
    assert (session.title, session.native_session_id) == ("Find every use of the clock", "agent-af02")
    assert session.parent_scroll_id == derive_scroll_id("claude-code", SESSION_ID)
    assert [metadata_of(record)["agent_id"] for record in records_of(source)] == ["af02", "af02"]


# ------------------------------------------------------------------------------------------------------- detection

OTHER_TOOLS: dict[str, list[Any]] = {
    "prompt history": [{"display": "hello", "pastedContents": {}, "timestamp": 1, "project": "/p"}],
    "workflow journal": [
        {"type": "started", "key": "k", "agentId": "a"},
        {"type": "result", "key": "k", "agentId": "a"},
    ],
    "agent's sidecar": [{"agentType": "general-purpose", "spawnDepth": 1}],
    "Codex": [
        {"type": "session_meta", "payload": {"id": "x"}},
        {"type": "response_item", "payload": {"type": "message"}},
    ],
    "Cursor": [{"role": "user", "message": {"content": [said("hi")]}}],
    "Qwen": [{"type": "user", "uuid": "u", "sessionId": "s", "message": {"role": "user", "parts": [{"text": "hi"}]}}],
    "Grok": [{"type": "user", "content": [said("hi")]}, {"type": "assistant", "content": "hello"}],
    "pi": [
        {"type": "session", "id": "x"},
        {"type": "message", "id": "y", "message": {"role": "user", "content": "hi"}},
    ],
    "Copilot": [{"type": "user.message", "data": {"content": "hi"}, "id": "x", "timestamp": "2026-01-01T00:00:00Z"}],
    "Gemini": [{"sessionId": "s", "projectHash": "h"}, {"type": "user", "content": "hi"}],
    "usage only": [{"timestamp": "2026-01-01T00:00:00Z", "message": {"usage": {"input_tokens": 1}}, "costUSD": 0.1}],
    "chat": [{"role": "user", "content": "hi"}],
    "not objects": [1, "two", [3], None],
}


@pytest.mark.parametrize("name", OTHER_TOOLS)
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    """A file of another tool, or one beside the sessions, is not claimed."""
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in OTHER_TOOLS[name]))
    assert not READER.claims(sniffed(path))


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"\xff\xfe{\0}\0", b"\0\0\0", b"PK\x03\x04", b'{"loglines": 3}', b'{"a":{"loglines":[]}}']
)
def test_nonsense_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty and binary files, and documents that only look like one of ours, are not claimed."""
    path = tmp_path / "nonsense.jsonl"
    path.write_bytes(data)
    assert not READER.claims(sniffed(path))


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([{"type": "mode"}] * 40 + [prompt("hi")], id="many hidden rows first"),
        pytest.param([{"type": "attachment", "attachment": {"type": "x"}}], id="an attachment"),
        pytest.param([{"type": "system", "subtype": "init", "session_id": "s"}], id="stream-json"),
        pytest.param([{"type": "file-history-snapshot", "messageId": "m"}] * 3000, id="hidden rows as far as one sees"),
        pytest.param([{"type": "mode"}, prompt([said("x" * 90_000)], sessionId="s")], id="a long prompt"),
        pytest.param([prompt([said("x" * 90_000)])], id="a long first row"),
    ],
)
def test_our_files_are_claimed(written: Callable[..., SessionSource], rows: list[dict[str, Any]]) -> None:
    """A session is known by one message near its beginning, however much stands before it."""
    row = rows[-1]
    if "sessionId" in row:
        rows = [*rows[:-1], {"sessionId": "s", **row}]
    assert READER.claims(sniffed(written(*rows).path))


# ------------------------------------------------------------------------------------------------------- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = (
    "type message content uuid parentUuid sessionId timestamp id name input text thinking source data usage model role"
    " requestId isSidechain isMeta agentId toolUseResult tool_use_id is_error attachment prompt subtype operation"
    " origin snapshot compactMetadata structuredPatch stdout todos supersedesUuids error level"
)
NAMES = st.sampled_from(FIELD_NAMES.split())
FIELD_VALUES = (
    "user assistant system attachment queue-operation summary tool_use tool_result text image document thinking remove"
    " queued_command compact_boundary api_error TodoWrite TaskCreate Task <system-reminder> u1 u2 msg_1 base64"
)
WORDS = st.sampled_from(FIELD_VALUES.split())
ODD = st.recursive(
    JSON | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=12
)
BLOCKS = st.fixed_dictionaries(
    {"type": WORDS},
    optional={"text": ODD, "thinking": ODD, "name": WORDS, "id": ODD, "input": ODD, "content": ODD, "source": ODD},
)
ROWS = st.one_of(
    st.dictionaries(NAMES, ODD, max_size=8),
    st.fixed_dictionaries(
        {
            "type": WORDS,
            "message": st.fixed_dictionaries(
                {"content": ODD | st.lists(BLOCKS, max_size=3)}, optional={"id": WORDS, "usage": ODD}
            ),
        },
        optional={"uuid": WORDS, "parentUuid": WORDS, "isMeta": ODD, "isSidechain": ODD, "toolUseResult": ODD},
    ),
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=8))
def test_no_row_is_lost(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """Whatever a row holds, it becomes one record or repeats an earlier one, and the summary agrees."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    talk = Conversation(meta=True)
    given_items = [talk.feed(number, row, 100) for number, row in enumerate(rows, 1)]
    assert given_items.count(None) == talk.repeats
    source = source_of(path)
    messages = records_of(source)
    assert len(records_of(source, meta=True)) + talk.repeats == len(rows)
    assert READER.summarise(source).count == len(messages)
    orjson.dumps([[record.content, record.metadata] for record in messages])


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """Some bytes with a piece of them cut out or put in."""
    places = st.integers(0, len(data))
    pieces = st.sampled_from([b"", b"\0", b"\n", b'"', b"{", b"}", b"\xff", b"\\ud83d", b'{"type":"user"}'])
    return st.builds(lambda a, b, piece: data[: min(a, b)] + piece + data[max(a, b) :], places, places, pieces)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=mutations(b"".join((FIXTURES / f"{n}.jsonl").read_bytes() for n in ("streamed_additive", "tool_errors"))))
def test_damage_is_counted(tmp_path: Path, data: bytes) -> None:
    """A damaged file is read to its end: every line that holds something is a record, a repeat or a bad record."""
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(data)
    items = items_of(source_of(path), meta=True)
    bad = [item for item in items if isinstance(item, BadRecord)]
    assert len(items) >= sum(bool(line.strip()) for line in data.split(b"\n"))
    assert len({item.line for item in bad}) == len(bad) <= 2
    messages = [item for item in items if isinstance(item, Record) and not item.is_meta]
    assert READER.summarise(source_of(path)).count == len(messages)


# ------------------------------------------------------------------------------------------------------- real files


def real_files() -> Iterator[Path]:
    """The sessions of every tool that were collected beside the repository, where they are there."""
    if REAL_SESSIONS.is_dir():
        yield from sorted(path for path in REAL_SESSIONS.rglob("*") if path.is_file())


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the collected sessions are not beside the repository")
def test_real_files() -> None:
    """Exactly the collected Claude Code files are claimed, and every one of them plays."""
    claimed = [path for path in real_files() if READER.claims(sniffed(path))]
    assert claimed == [path for path in real_files() if "claude-code" in path.relative_to(REAL_SESSIONS).parts[:1]]
    for path in claimed:
        source = source_of(path)
        messages = [item for item in items_of(source) if isinstance(item, Record)]
        session = READER.summarise(source)
        assert session.count == len(messages) > 0
        assert session.title


def test_session_to_watch() -> None:
    """The session that we ship plays without a flaw, with its subagent's session as a child."""
    main, child = sorted((DEMO / "-home-mira-tidepool").rglob("*.jsonl"), key=lambda path: len(path.parts))
    records = records_of(source_of(main, DEMO))
    session, inner = READER.summarise(source_of(main, DEMO)), READER.summarise(source_of(child, DEMO))
    assert 25 <= len(records) <= 60
    assert session.duration_ms > 120_000
    assert inner.parent_scroll_id == session.scroll_id
    calls = {part["call_id"] for record in records for part in record.content if part["type"] == "tool_call"}
    assert inner.parent_call_id in calls
    assert {part["type"] for record in records for part in record.content} >= {
        "text",
        "thinking",
        "tool_call",
        "tool_result",
        "plan",
    }


def test_workflow_and_background_fork() -> None:
    """Of the second folder that we ship, a workflow's agent and a fork name the session that they come from."""
    folder = DEMO / "-home-mira-almanac"
    main, fork = (source_of(path, DEMO) for path in sorted(folder.glob("*.jsonl")))
    (agent,) = (source_of(path, DEMO) for path in folder.rglob("agent-*.jsonl"))
    assert READER.summarise(fork).parent_scroll_id == main.scroll_id
    assert [metadata_of(record).get("inherited") for record in records_of(fork)] == [True] * 5 + [None] * 2
    assert READER.summarise(agent).parent_scroll_id == main.scroll_id
    (call,) = (record for record in records_of(main) if record.markers)
    assert call.content[0]["call_id"] == READER.summarise(agent).parent_call_id
    assert call.markers == ((MarkerKind.SUBAGENT, "check-risings"),)
