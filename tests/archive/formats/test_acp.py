import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from archives import sniffed
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.acp import AcpReader
from scrollcast.archive.formats.acp import session as acp_session
from scrollcast.archive.formats.readers import owner
from scrollcast.archive.storage import read_lines
from scrollcast.model import BadRecord, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
OURS = ROOT / "archive_fixtures" / "acp"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"
GOLDEN = REAL_SESSIONS / "acp" / "python-sdk-golden"

JsonObject: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[..., SessionSource]
READER = AcpReader()


# ------------------------------------------------------------------------------------------------------- helpers


def sources_of(path: Path) -> list[SessionSource]:
    """The sessions in a file, which must be claimed."""
    file = sniffed(path, path.parent)
    assert READER.claims(file)
    return list(READER.locate(file, path.parent))


def items_of(source: SessionSource, *, meta: bool = False) -> list[Record | BadRecord]:
    """All that the reader gives, each part checked."""
    items = list(READER.records(source, meta=meta))
    records = [item for item in items if isinstance(item, Record)]
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    return items


def records_of(source: SessionSource, *, meta: bool = False) -> list[Record]:
    """The records among them."""
    return [item for item in items_of(source, meta=meta) if isinstance(item, Record)]


def outline(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Who, and what of: the text, or the kinds of the parts."""
    return [(record.kind or record.role, _words(record)) for record in records]


def _words(record: Record) -> str:
    return "|".join(part.get("text") or part.get("title") or part["type"] for part in record.content)


def text(words: str) -> JsonObject:
    """A text block."""
    return {"type": "text", "text": words}


def update(kind: str, session: str = "s", /, **fields: Any) -> JsonObject:
    """A `session/update` notification."""
    params = {"sessionId": session, "update": {"sessionUpdate": kind, **fields}}
    return {"jsonrpc": "2.0", "method": "session/update", "params": params}


def said(words: str, session: str = "s", **fields: Any) -> JsonObject:
    """A chunk of what the agent says."""
    return update("agent_message_chunk", session, content=text(words), **fields)


def asked(words: str) -> JsonObject:
    """A chunk of what the person said."""
    return update("user_message_chunk", content=text(words))


def call(call_id: str, **fields: Any) -> JsonObject:
    """The announcement of a tool call."""
    return update("tool_call", toolCallId=call_id, title=f"Do {call_id}", **fields)


def change(call_id: str, **fields: Any) -> JsonObject:
    """An update of a tool call."""
    return update("tool_call_update", toolCallId=call_id, **fields)


def request(number: int, method: str, **params: Any) -> JsonObject:
    """A request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def prompt(number: int, words: str, session: str = "s") -> JsonObject:
    """A prompt."""
    return request(number, "session/prompt", sessionId=session, prompt=[text(words)])


def response(number: int, **result: Any) -> JsonObject:
    """A response."""
    return {"jsonrpc": "2.0", "id": number, "result": result}


def shown(words: str) -> list[JsonObject]:
    """The content of a tool call that shows a text."""
    return [{"type": "content", "content": text(words)}]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a log from rows and raw lines, and gives the session in it."""

    def write_log(*rows: JsonObject | bytes) -> SessionSource:
        path = tmp_path / "log.jsonl"
        path.write_bytes(
            b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)
        )
        (source,) = sources_of(path)
        return source

    return write_log


# ------------------------------------------------------------------------------------------------------ detection


def test_only_acp_is_claimed_among_the_samples() -> None:
    """No file of another tool is claimed; of the bare objects those are that say what they are."""
    if not REAL_SESSIONS.is_dir():
        pytest.skip("the collection of real sessions is not here")
    files = [path for path in sorted(REAL_SESSIONS.rglob("*")) if path.is_file()]
    claimed = {path for path in files if READER.claims(sniffed(path, path.parent))}

    assert claimed == set(GOLDEN.glob("session_update_*.json"))
    assert len(claimed) == 8


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("agent_message_chunk", ("assistant", "The capital of France is Paris.")),
        ("agent_thought_chunk", ("assistant", "Thinking about best approach...")),
        ("user_message_chunk", ("user", "What's the capital of France?")),
        ("plan", ("assistant", "plan")),
        ("tool_call", ("assistant", "Reading configuration file")),
        ("tool_call_edit", ("assistant", "Apply edit")),
        ("tool_call_read", ("assistant", "Reading configuration file")),
        ("tool_call_update_content", ("assistant", "tool")),
    ],
)
def test_golden_object_is_one_message(name: str, words: tuple[str, str]) -> None:
    """A file that is one bare update is a session of one message."""
    if not GOLDEN.is_dir():
        pytest.skip("the collection of real sessions is not here")
    (source,) = sources_of(GOLDEN / f"session_update_{name}.json")

    assert outline(records_of(source)) == [words]
    assert READER.summarise(source).count == 1
    assert READER.decoder(source, meta=False) is None


@pytest.mark.parametrize(
    "row",
    [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18"}},
        {"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        {"sessionId": "s"},
        {"type": "user", "message": {"role": "user", "content": "sessionUpdate, jsonrpc"}},
    ],
)
def test_other_protocols_are_not_claimed(tmp_path: Path, row: JsonObject) -> None:
    """JSON-RPC alone is not enough: language servers and MCP speak it too."""
    (tmp_path / "log.jsonl").write_text(json.dumps(row) + "\n")

    assert not READER.claims(sniffed(tmp_path / "log.jsonl", tmp_path))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda row: row,
        lambda row: row["params"],
        lambda row: row["params"]["update"],
        lambda row: {"ts": 1773476000, "dir": "out", "msg": row},
        lambda row: {"time": "2026-03-14T08:13:20Z", "direction": "in", "message": row},
        lambda row: {"timestamp": 1773476000000, "payload": json.dumps(row)},
        lambda row: {"timestamp": 1773476000000, **row},
    ],
    ids=["wire", "params", "bare", "ts", "time", "text", "beside"],
)
def test_input_shapes_say_the_same(write: Write, wrap: Callable[[JsonObject], JsonObject]) -> None:
    """Whatever is kept of a line, and around it, the conversation is the same."""
    source = write(*(wrap(row) for row in (asked("Hi"), said("Hel"), said("lo"))))

    assert outline(records_of(source)) == [("user", "Hi"), ("assistant", "Hello")]
    times = {record.timestamp is not None for record in records_of(source)}
    assert READER.summarise(source).timing == ("recorded" if times == {True} else "synthetic")


# ------------------------------------------------------------------------------------------------------- fixtures


def test_whole_connection_is_read() -> None:
    """Both directions, with times: facts, thoughts, plan, permission, a diff and a terminal."""
    (source,) = sources_of(OURS / "harbour.jsonl")
    session, records = READER.summarise(source), records_of(source)
    calls = {part["call_id"]: part for record in records for part in record.content if part["type"] == "tool_call"}
    results = {part["call_id"]: part for record in records for part in record.content if part["type"] == "tool_result"}

    assert (session.title, session.agent, session.model) == ("Low water an hour late", "Pilot", "pilot-large")
    assert (session.project, session.native_session_id, session.count) == ("tidepool", "sess_7f2c41d09be8", 11)
    assert session.has_errors
    assert session.scroll_id == derive_scroll_id("acp", "sess_7f2c41d09be8")
    assert [record.role for record in records] == [
        "user", "assistant", "assistant", "assistant", "assistant", "tool", "assistant", "tool", "assistant", "tool",
        "assistant",
    ]  # fmt: skip
    assert calls["call_2"]["input"]["newText"] == "tzinfo=HARBOUR"
    assert results["call_2"]["output"][0]["raw"]["type"] == "diff"
    assert results["call_3"] == {
        "type": "tool_result",
        "call_id": "call_3",
        "output": [text("F.\n1 failed, 1 passed\n")],
        "is_error": True,
    }
    permitted = next(record for record in records if (record.metadata or {}).get("permission"))
    assert (permitted.metadata or {})["permission"]["option"]["name"] == "Allow"


def test_meta_events_are_whole() -> None:
    """What is not said stands as meta events, each with the whole line."""
    (source,) = sources_of(OURS / "harbour.jsonl")
    events = [record for record in records_of(source, meta=True) if record.is_meta]

    assert [event.kind for event in events] == [
        "initialize", "initialize/response", "session/new", "session/new/response", "available_commands_update",
        "fs/read_text_file", "fs/read_text_file/response", "session/request_permission",
        "session/request_permission/response", "terminal/output", "terminal/output/response", "usage_update",
        "session_info_update", "session/prompt/response",
    ]  # fmt: skip
    assert all(set(event.payload) == {"ts", "dir", "msg"} for event in events)


def test_other_output_is_counted() -> None:
    """Lines that are no JSON are reported and stop nothing; a cancelled turn says so; a loaded past is marked."""
    (source,) = sources_of(OURS / "raw_wire.jsonl")
    items = items_of(source)

    assert [item.line for item in items if isinstance(item, BadRecord)] == [1, 8]
    assert outline([item for item in items if isinstance(item, Record)]) == [
        ("user", "Which file prints the table?"),
        ("assistant", "It is table.py."),
        ("user", "Delete it."),
        ("assistant", "Delete table.py"),
        ("system", "The turn was cancelled."),
    ]
    assert [bool((item.metadata or {}).get("inherited")) for item in items if isinstance(item, Record)][:3] == [
        True, True, False,
    ]  # fmt: skip


def test_interleaved_sessions_are_told_apart() -> None:
    """Each session of a connection is one of its own, and holds nothing of the others."""
    north, south = sources_of(OURS / "two_sessions.jsonl")

    assert (north.member, south.member) == ("north", "south")
    assert outline(records_of(north))[:2] == [
        ("user", "How high is the water in the north?"),
        ("assistant", "Two metres forty."),
    ]
    assert [record.role for record in records_of(south)] == ["user", "assistant", "assistant", "tool"]
    assert READER.summarise(south).has_errors
    assert not READER.summarise(north).has_errors


# ---------------------------------------------------------------------------------------------------------- folds


def test_chunks_end_with_their_kind_or_a_call(write: Write) -> None:
    """Texts are joined without a separator, at the time of the first; a plan between them does not part them."""
    thought = update("agent_thought_chunk", content=text("Hm"))
    rows = [said("a"), said("b"), thought, said("c"), update("plan", entries=[]), said("d"), call("1"), said("e")]
    source = write(*({"ts": 1773476000 + number, "msg": row} for number, row in enumerate(rows)))

    records = records_of(source)
    assert outline(records) == [
        ("assistant", "ab"), ("assistant", "Hm"), ("assistant", "cd"), ("assistant", "plan"), ("assistant", "Do 1"),
        ("assistant", "e"),
    ]  # fmt: skip
    assert [record.timestamp for record in records][:3] == [1773476000, 1773476002, 1773476003]


def test_message_ids_part_messages(write: Write) -> None:
    """Where chunks say which message they are of, that counts."""
    source = write(said("a", messageId="1"), said("b", messageId="1"), said("c", messageId="2"))

    assert outline(records_of(source)) == [("assistant", "ab"), ("assistant", "c")]


def test_updates_fold_into_the_call(write: Write) -> None:
    """One call with its last title and input, and its result with the content that replaced all earlier."""
    source = write(
        call("1", status="pending"),
        change("1", status="in_progress", title="Run the tests", kind="execute", rawInput={"command": "make"}),
        change("1", content=shown("half")),
        change("1", content=shown("all"), rawOutput={"code": 0}),
        change("1", status="completed"),
    )
    called, result = records_of(source)

    assert called.content[0]["title"] == "Run the tests"
    assert called.content[0]["input"] == {"command": "make"}
    assert result.role == "tool"
    assert result.content[0]["output"] == [text("all")]
    assert result.metadata == {"raw_output": {"code": 0}}


def test_calls_at_once_stay_in_their_order(write: Write) -> None:
    """Calls stand where they began, results where they came, whichever was over first."""
    source = write(
        call("1"), call("2"), change("2", status="completed"), said("x"), change("1", status="failed", rawOutput="no")
    )

    assert [(record.id, record.role) for record in records_of(source)] == [
        ("line-1", "assistant"), ("line-2", "assistant"), ("line-3-result", "tool"), ("line-4", "assistant"),
        ("line-5-result", "tool"),
    ]  # fmt: skip
    assert records_of(source)[-1].content[0]["is_error"] is True


def test_open_call_is_pending(write: Write) -> None:
    """A call that is not over is held back, with what stands behind it; asking for that changes nothing."""
    source = write(prompt(1, "Go"), call("1"), change("1", title="Changed"), said("meanwhile"))
    decoder = READER.decoder(source, meta=False)
    assert decoder is not None
    given = [item for line in read_lines(source.path, source.root) for item in decoder.feed(line)]

    assert [item.id for item in given if isinstance(item, Record)] == ["line-1"]
    assert list(decoder.pending()) == list(decoder.pending())
    assert [item.content[0].get("title") for item in decoder.pending() if isinstance(item, Record)] == ["Changed", None]


def test_what_is_held_is_bounded(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a call that never ends so much waits and no more; its result is still its own when it comes."""
    monkeypatch.setattr(acp_session, "MAX_HELD", 4)
    rows = [row for number in range(20) for row in (said(f"{number}"), update("plan", entries=[]), asked("next"))]
    source = write(call("1"), *rows, change("1", status="completed", content=shown("late")))
    decoder = READER.decoder(source, meta=False)
    assert decoder is not None
    held = []
    for line in read_lines(source.path, source.root):
        list(decoder.feed(line))
        held.append(len(list(decoder.pending())))

    assert max(held) <= 6
    assert records_of(source)[-1].content[0]["call_id"] == "1"


def test_update_of_an_unknown_call_makes_one(write: Write) -> None:
    """An update may be the first that is heard of its call."""
    assert outline(records_of(write(change("9", title="Late", status="in_progress")))) == [("assistant", "Late")]


def test_update_after_the_end_is_a_result_of_its_own(write: Write) -> None:
    """What comes for a call that is over does not change what was given."""
    source = write(call("1", status="completed"), said("x"), change("1", content=shown("more")))

    assert [record.role for record in records_of(source)] == ["assistant", "tool", "assistant", "tool"]


def test_interrupted_call_has_no_result(write: Write) -> None:
    """A turn that ends leaves its calls as they are."""
    source = write(prompt(1, "Go"), call("1"), response(1, stopReason="end_turn"), prompt(2, "Again"))

    assert [record.role for record in records_of(source)] == ["user", "assistant", "user"]


# ------------------------------------------------------------------------------------------------ special meanings


def test_echoed_prompt_is_shown_once(write: Write) -> None:
    """An agent that sends the prompt back does not make a second turn."""
    source = write(prompt(1, "Hello there"), asked("Hello "), asked("there"), said("Hi"))

    assert outline(records_of(source)) == [("user", "Hello there"), ("assistant", "Hi")]


def test_loaded_session_is_shown_once(write: Write) -> None:
    """What a loaded session tells again is not said twice; what only it tells is marked as inherited."""
    source = write(
        prompt(1, "ok"), said("A"), call("1", status="completed"), response(1, stopReason="end_turn"),
        request(2, "session/load", sessionId="s", cwd="/x"),
        asked("before"), said("B"), asked("ok"), said("A"), call("1", status="completed"), asked("before"),
        response(2), prompt(3, "ok"), said("A"),
    )  # fmt: skip
    records = records_of(source)

    assert outline(records) == [
        ("user", "ok"), ("assistant", "A"), ("assistant", "Do 1"), ("tool", "tool_result"),
        ("user", "before"), ("assistant", "B"), ("user", "before"), ("user", "ok"), ("assistant", "A"),
    ]  # fmt: skip
    assert [record.id for record in records if (record.metadata or {}).get("inherited")] == [
        "line-6",
        "line-7",
        "line-11",
    ]


def test_same_id_of_both_sides_is_two_requests(write: Write) -> None:
    """Client and agent number their requests apart; the result tells whose it answers."""
    options = [{"optionId": "y", "name": "Yes", "kind": "allow_once"}]
    source = write(
        prompt(1, "Go"), call("1"),
        request(1, "session/request_permission", sessionId="s", toolCall={"toolCallId": "1"}, options=options),
        response(1, outcome={"outcome": "selected", "optionId": "y"}), change("1", status="completed"),
        response(1, stopReason="max_tokens"),
    )  # fmt: skip
    records = records_of(source)

    assert (records[1].metadata or {})["permission"]["option"] == options[0]
    assert records[-1].role == "system"


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image", "mimeType": "image/png", "data": "AAAA"}, {"mime_type": "image/png", "data": "AAAA"}),
        ({"type": "resource_link", "uri": "file:///etc/passwd", "name": "x"}, {"uri": "file:///etc/passwd"}),
        ({"type": "resource", "resource": {"uri": "u", "mimeType": "text/x", "text": "t"}}, {"text": "t", "uri": "u"}),
        ({"type": "audio", "mimeType": "audio/wav", "data": "AAAA"}, {"type": "unknown"}),
        ({"type": "hologram"}, {"type": "unknown"}),
        (None, {"type": "unknown"}),
    ],
)
def test_blocks_become_parts(write: Write, block: JsonObject | None, part: JsonObject) -> None:
    """Every content block stays, of a type that nobody knows as a whole; nothing that it names is opened."""
    (record,) = records_of(write(update("agent_message_chunk", content=block)))

    assert part.items() <= record.content[0].items()


@pytest.mark.parametrize(
    "kind", ["state_update", "tool_call_content_chunk", "current_mode_update", "config_option_update"]
)
def test_other_updates_are_hidden(write: Write, kind: str) -> None:
    """Modes, settings and what a later version of the protocol brings are meta events."""
    source = write(update(kind, anything=1))

    assert records_of(source) == []
    assert [record.kind for record in records_of(source, meta=True)] == [kind]


def test_prefixes_give_a_prefix(tmp_path: Path) -> None:
    """Whatever was given from the beginning of a log stays as it was."""
    (source,) = sources_of(OURS / "harbour.jsonl")
    decoder = READER.decoder(source, meta=True)
    assert decoder is not None
    whole = list(READER.records(source, meta=True))
    given: list[object] = []
    for line in read_lines(source.path, source.root):
        given.extend(decoder.feed(line))
        assert given == whole[: len(given)]
    assert [*given, *decoder.pending()] == whole


def test_large_log_is_estimated(write: Write) -> None:
    """The count of a large log is told from both its ends, and its times are those of the whole."""
    rows = [{"ts": 1773476000 + n, "msg": row} for n in range(900) for row in (asked(f"{n}?"), said("yes " * 20))]
    source = write(*rows)
    session = READER.summarise(source)

    assert session.count == pytest.approx(1800, rel=0.05)
    assert session.duration_ms == 899_000


def test_readers_agree_on_our_fixtures() -> None:
    """Each of our logs is this reader's when all are asked."""
    found = {path.name: owner(sniffed(path, path.parent)) for path in OURS.iterdir()}

    assert {name: reader and reader.name for name, reader in found.items()} == dict.fromkeys(found, "acp")
