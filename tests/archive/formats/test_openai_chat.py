import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from archives import sniffed
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.openai_chat import OpenAiChatReader
from scrollcast.archive.formats.readers import sniff
from scrollcast.archive.storage import read_lines
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Part, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
OURS = ROOT / "archive_fixtures" / "openai_chat"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"
REAL = REAL_SESSIONS / "openai-chat"

JsonObject: TypeAlias = dict[str, Any]
Write: TypeAlias = Callable[..., SessionSource]
READER = OpenAiChatReader()


# ------------------------------------------------------------------------------------------------------- helpers


def sources_of(path: Path) -> list[SessionSource]:
    """The sessions in a file, which must be claimed."""
    file = sniff(path, path.parent, path.stat().st_size)
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
    """The records, with no bad one among them."""
    items = items_of(source, meta=meta)
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    return records


def roles(records: Sequence[Record]) -> str:
    """The first letter of each role: enough to see the order."""
    return "".join(record.role[0] for record in records)


def parts_of(records: Sequence[Record], kind: str) -> list[Part]:
    """All parts of one type."""
    return [part for record in records for part in record.content if part["type"] == kind]


def real(name: str) -> SessionSource:
    """The session in one of the collected samples."""
    if not REAL.is_dir():
        pytest.skip("the collection of real sessions is not here")
    (source,) = sources_of(REAL / name)
    return source


def ours(name: str) -> SessionSource:
    """The session in one of our fixtures."""
    (source,) = sources_of(OURS / name)
    return source


def tool_call(call_id: str | None, name: str = "look", arguments: object = "{}") -> JsonObject:
    """A call of a function."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls: JsonObject, **fields: Any) -> JsonObject:
    """An assistant's message that calls tools."""
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


def result(call_id: str | None, content: object = "done", **fields: Any) -> JsonObject:
    """A tool's message."""
    return {"role": "tool", "content": content, **({"tool_call_id": call_id} if call_id else {}), **fields}


def user(content: object, **fields: Any) -> JsonObject:
    """A person's message."""
    return {"role": "user", "content": content, **fields}


def said(content: object, **fields: Any) -> JsonObject:
    """An assistant's message."""
    return {"role": "assistant", "content": content, **fields}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a document, and gives the session in it."""

    def write_document(value: object, name: str = "chat.json", *, indent: int | None = None) -> SessionSource:
        (tmp_path / name).write_text(json.dumps(value, indent=indent))
        (source,) = sources_of(tmp_path / name)
        return source

    return write_document


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows and raw lines to a file."""

    def write(*rows: JsonObject | bytes, name: str = "log.jsonl", end: bytes = b"\n") -> Path:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        (tmp_path / name).write_bytes(b"\n".join(lines) + end)
        return tmp_path / name

    return write


# ------------------------------------------------------------------------------------------------------ detection


def test_only_chats_are_claimed_among_the_samples() -> None:
    """Beside its own samples only those that hold chat messages under another program's name."""
    if not REAL_SESSIONS.is_dir():
        pytest.skip("the collection of real sessions is not here")
    files = [path for path in REAL_SESSIONS.rglob("*") if path.is_file()]
    claimed = {path for path in files if READER.claims(sniffed(path, path.parent))}
    others = {path.relative_to(REAL_SESSIONS).as_posix() for path in claimed if not path.is_relative_to(REAL)}

    assert {path for path in claimed if path.is_relative_to(REAL)} == {
        path for path in REAL.rglob("*") if path.is_file()
    }
    assert others == {
        "other/vibe_messages.jsonl", "other/hermes_session.json", "other/openhands_events.jsonl",
        "codex/agent-sessions/session_simple.jsonl", "codex/agent-sessions/session_toolcall.jsonl",
    }  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        [{"model_name_or_path": "m", "instance_id": "i", "model_patch": "diff"}],
        [{"session_id": "s", "ts": 1, "text": "hello"}],
        [{"display": "hello", "timestamp": 1, "project": "/x"}],
        [{"type": "message", "role": "user", "content": []}],
        [{"type": "user", "content": [{"type": "text", "text": "x"}]}],
        [{"role": "user", "message": {"content": "x"}}],
        [{"type": "session", "id": "s"}, {"role": "user", "content": "x"}],
        [{"role": "narrator", "content": "x"}],
        [{"info": {"id": "ses_1"}, "messages": [{"info": {}, "parts": []}]}],
        [{"sessionId": "s", "messages": [{"type": "user", "content": "x"}]}],
        [{"history": [{"role": "user", "parts": []}]}],
        [{"history": [{"role": "user", "content": "x", "ts": 1}]}],
        [{"metadata": {}, "messages": [{"role": "user", "content_md": "x", "content_parts": None}]}],
        [{"messages": []}],
        [{"messages": "x"}],
    ],
)
@pytest.mark.parametrize("name", ["log.json", "log.jsonl"])
def test_other_files_are_not_claimed(write_lines: Callable[..., Path], rows: list[JsonObject], name: str) -> None:
    """Indexes, predictions and other tools' rows are none of ours."""
    path = write_lines(*rows, name=name)

    assert not READER.claims(sniffed(path, path.parent))


@pytest.mark.parametrize("size", [10, 5000])
@pytest.mark.parametrize("wrap", [lambda list_: list_, lambda list_: {"model": "m", "tools": [], "messages": list_}])
def test_document_is_claimed_by_its_beginning(write: Write, size: int, wrap: Callable[[object], object]) -> None:
    """A document larger than what is looked at is told by its first message."""
    source = write(wrap([user("x" * 50)] * size), indent=1)

    assert READER.summarise(source).count == size


# -------------------------------------------------------------------------------------------------------- samples


@pytest.mark.parametrize(
    ("name", "order", "calls", "timing"),
    [
        ("openhands/fncall-llm-message.json", "suatatatatatat", 6, "synthetic"),
        ("openhands/nonfncall-llm-message.json", "suatatatat", 4, "synthetic"),
        ("openhands/llm-log-fncall-1757015046.707.json", "suatatatatata", 6, "synthetic"),
        ("openhands/gateway_litellm_haiku_completion.json", "sua", 0, "synthetic"),
        ("openhands/gateway_openai_nano_completion.json", "sua", 0, "synthetic"),
        ("gptme/conversation.jsonl", "uatuat", 0, "recorded"),
        ("swe-agent/function_calling_simple.traj", "suatatatatat", 5, "synthetic"),
        ("swe-agent/ctf_networking_1.traj", "suatatata", 4, "synthetic"),
    ],
)
def test_real_session(name: str, order: str, calls: int, timing: str) -> None:
    """Each sample gives its messages once, every result tied to its call where the file can tell."""
    source = real(name)
    records, session = records_of(source), READER.summarise(source)
    opened = [part["call_id"] for part in parts_of(records, "tool_call")]
    closed = [part["call_id"] for part in parts_of(records, "tool_result")]

    assert roles(records) == order
    assert (session.count, session.timing, session.error) == (len(order), timing, None)
    assert len(set(opened)) == calls
    assert closed == (opened[: len(closed)] if calls else [None] * len(closed))


def test_real_answer_stands_in_the_response() -> None:
    """The last message of a wrapper is only in what came back, with its model and its tokens."""
    records = records_of(real("openhands/llm-log-fncall-1757015046.707.json"))
    session = READER.summarise(real("openhands/llm-log-fncall-1757015046.707.json"))

    assert parts_of(records[-1:], "tool_call")[0]["name"] == "finish"
    assert (records[-1].metadata or {})["usage"]["total_tokens"] == 6928
    assert (session.agent, session.model) == ("OpenHands", "litellm_proxy/claude-sonnet-4-20250514")
    assert session.created_at == "2025-09-04T19:44:06.707Z"


def test_real_gptme_log() -> None:
    """Hidden text is a meta event, times without a zone are UTC, results belong to no call."""
    source = real("gptme/conversation.jsonl")
    session = READER.summarise(source)

    assert [record.kind for record in records_of(source, meta=True)][:2] == ["hidden_message", ""]
    assert (session.native_session_id, session.agent, session.duration_ms) == ("gptme", "gptme", 12_000)
    assert session.model == "openrouter/anthropic/claude-sonnet-4-6"


def test_real_events_of_openhands() -> None:
    """Actions and observations of a log of events; a thought that is told twice is shown once."""
    if not REAL_SESSIONS.is_dir():
        pytest.skip("the collection of real sessions is not here")
    (source,) = sources_of(REAL_SESSIONS / "other" / "openhands_events.jsonl")
    records = records_of(source)

    assert roles(records) == "attat"
    assert len(records_of(source, meta=True)) == 10
    assert [part["is_error"] for part in parts_of(records, "tool_result")][:2] == [True, True]
    assert [part["type"] for part in records[0].content] == ["thinking", "text", "tool_call"]
    assert "<think>" not in records[0].content[1]["text"]


# ------------------------------------------------------------------------------------------------------- fixtures


def test_array_of_messages() -> None:
    """Images, invalid arguments, results in another order, an id that comes again, and the older function calls."""
    records = records_of(ours("messages.json"))
    images, calls, results = (parts_of(records, kind) for kind in ("image", "tool_call", "tool_result"))

    assert roles(records) == "suattatata"
    assert (images[0]["mime_type"], images[1]["uri"]) == ("image/png", "https://harbour.invalid/gauge.png")
    assert [call["input"] for call in calls][:2] == [{"gauge": "north"}, '{"gauge": south}']
    assert [call["call_id"] for call in calls] == ["call_0", "call_1", "call_0#2", "call-1"]
    assert [part["call_id"] for part in results] == ["call_1", "call_0", "call_0#2", "call-1"]
    assert parts_of(records, "thinking")[0]["text"] == "I should measure it."
    assert records[-1].content[1]["type"] == "unknown"


def test_raw_messages_stand_in_for_the_others() -> None:
    """Of two lists that tell the same, only the one with real calls is read."""
    source = ours("completion-1772697600.25.json")

    assert roles(records_of(source)) == "suata"
    assert [record.kind for record in records_of(source, meta=True)][-1] == "document"
    assert READER.summarise(source).metadata["cost"] == 0.0004


@pytest.mark.parametrize(("run", "order"), [("first-run", "suatat"), ("second-run", "ssuatat")])
def test_trajectories(run: str, order: str) -> None:
    """History where it goes beyond the prompts, else the steps; commands in the text become calls."""
    source = ours(f"trajectories/{run}/harbour__gauge-7.traj")
    records, session = records_of(source), READER.summarise(source)

    assert roles(records) == order
    assert [part["call_id"] for part in parts_of(records, "tool_call")] == [
        part["call_id"] for part in parts_of(records, "tool_result")
    ]
    assert parts_of(records, "tool_call")[0]["input"] == {"command": "ls\n"}
    assert parts_of(records, "tool_result")[0]["output"][0]["text"] == "gauge.py\r\n"
    assert (session.title, session.agent) == ("harbour__gauge-7", "SWE-agent")
    assert session.native_session_id == f"trajectories/{run}/harbour__gauge-7"
    assert session.metadata["exit_status"] == "submitted"


def test_conversation_folder() -> None:
    """A folder of OpenHands is one session: its events in order, errors, a condensation, what was injected."""
    folder = OURS / "openhands" / "8d0f5a2c-64b1-4a7e-9a53-0c1e2f3a4b5c"
    names = [path.name for path in folder.iterdir()]
    states = READER.candidates(folder, ["events"], names)
    (source,) = sources_of(folder / "base_state.json")
    records, session = records_of(source), READER.summarise(source)

    assert states == [folder / "base_state.json"]
    assert source.scroll_id == derive_scroll_id("openai-chat", folder.name)
    assert roles(records) == "suatsata"
    assert (session.title, session.project, session.model) == ("Is the pool dry?", "tidepool", "harbour-large")
    assert session.count == 8
    assert session.has_errors
    assert (records[1].metadata or {})["injected"] == ["<EXTRA_INFO>Pools are wet.</EXTRA_INFO>"]
    assert [part["is_error"] for part in parts_of(records, "tool_result")] == [True, True]
    assert [marker for record in records for marker in record.markers] == [
        (MarkerKind.COMPACTION, "The gauge knows no pool.")
    ]
    assert "ConversationStateUpdateEvent" in [record.kind for record in records_of(source, meta=True)]


def test_single_events_are_companions() -> None:
    """An event's own file is no session, and need not be looked into."""
    files = sorted(OURS.glob("openhands/*/events/*.json"))

    assert len(files) == 9
    assert all(READER.is_companion(path) and not READER.claims(sniffed(path, path.parent)) for path in files)


def test_damaged_event_is_one_bad_record(tmp_path: Path) -> None:
    """One file of a folder that does not parse costs one record."""
    (tmp_path / "events").mkdir()
    (tmp_path / "base_state.json").write_text("{")
    (tmp_path / "events" / "event-00000-a.json").write_text("{")
    event = {"id": "1", "timestamp": "2026-06-01T12:00:00", "source": "user", "kind": "MessageEvent"}
    (tmp_path / "events" / "event-00001-b.json").write_text(json.dumps({**event, "llm_message": user("Hi")}))
    (source,) = sources_of(tmp_path / "base_state.json")

    assert [type(item) for item in items_of(source)] == [BadRecord, Record]
    assert READER.summarise(source).native_session_id == tmp_path.name


def test_conversation_a_line(write_lines: Callable[..., Path]) -> None:
    """Each line is a session of its own, by its number; broken lines are passed over."""
    path = write_lines({"messages": [user("a"), said("b")]}, b"", b"{", {"messages": [user("c")], "model": "m"})
    first, second = sources_of(path)

    assert (first.member, second.member) == ("1", "4")
    assert [READER.summarise(source).title for source in (first, second)] == ["a", "c"]
    assert READER.summarise(second).model == "m"
    assert [len(records_of(source)) for source in (first, second)] == [2, 1]
    assert READER.decoder(first, meta=False) is None


def test_missing_line_is_an_error(write_lines: Callable[..., Path]) -> None:
    """A session whose line is gone says so."""
    first, second = sources_of(write_lines({"messages": [user("a")]}, {"messages": [user("b")]}))
    first.path.write_text(json.dumps({"messages": [user("a")]}) + "\n")

    assert READER.summarise(first).count == 1
    with pytest.raises(ArchiveError):
        list(READER.records(second, meta=False))


# ------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (said("hi", reasoning="hm"), [("thinking", "hm"), ("text", "hi")]),
        (
            said("hi", reasoning_content="hm", thinking_blocks=[{"thinking": "hm"}]),
            [("thinking", "hm"), ("text", "hi")],
        ),
        (said(None, refusal="no"), [("text", "no")]),
        (said([{"type": "refusal", "refusal": "no"}, "plain"]), [("text", "no"), ("text", "plain")]),
        (said(""), []),
        (said({"type": "text", "text": "x"}), [("text", "x")]),
        (said([{"type": "thinking", "thinking": "hm"}, 7]), [("thinking", "hm"), ("unknown", None)]),
        (said(7), [("unknown", None)]),
    ],
)
def test_contents(write: Write, message: JsonObject, parts: list[tuple[str, str | None]]) -> None:
    """Content of every shape is shown, thoughts first, the same thought once."""
    (record,) = records_of(write([message]))

    assert [(part["type"], part.get("text")) for part in record.content] == parts


@pytest.mark.parametrize(
    ("arguments", "given"),
    [('{"a":1}', {"a": 1}), ({"a": 1}, {"a": 1}), ("{a", "{a"), (None, {}), ('{"a":NaN}', {"a": None})],
)
def test_arguments(write: Write, arguments: object, given: object) -> None:
    """Arguments are JSON in a string, or an object already; what is no JSON stays as it is."""
    (record,) = records_of(write([calling(tool_call("1", arguments=arguments))]))

    assert record.content[0]["input"] == given


def test_results_find_the_nearest_call(write: Write) -> None:
    """An id that comes again belongs to the later call; a result of no call stands by itself."""
    call = calling(tool_call("1"))
    records = records_of(write([call, result("1"), result("2"), call, call, result("1"), result("1"), result(None)]))

    assert [part["call_id"] for part in parts_of(records, "tool_call")] == ["1", "1#2", "1#3"]
    assert [part["call_id"] for part in parts_of(records, "tool_result")] == ["1", "2", "1#3", "1#2", None]


def test_anthropic_blocks_are_read(write: Write) -> None:
    """Content blocks that call tools and give results are read as such; the rest of the message is the person's."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    use = {"type": "tool_use", "id": "1", "name": "look", "input": {"a": 1}}
    got = {"type": "tool_result", "tool_use_id": "1", "content": [image], "is_error": True}
    records = records_of(write([said([use]), user([got, {"type": "text", "text": "see?"}])]))

    assert [record.role for record in records] == ["assistant", "tool", "user"]
    assert records[1].content[0]["output"][0]["data"] == "AAAA"
    assert records[1].content[0]["is_error"] is True


def test_plan_tools_give_a_plan(write: Write) -> None:
    """The list that a planning tool is given is shown as one."""
    tasks = {"command": "plan", "task_list": [{"title": "Look", "status": "in_progress", "notes": ""}]}
    records = records_of(write([calling(tool_call("1", "task_tracker", tasks))]))

    assert parts_of(records, "plan")[0]["entries"][0]["content"] == "Look"


def test_same_answer_is_not_added(write: Write) -> None:
    """A wrapper whose list holds the response already does not show it twice; other answers are kept aside."""
    choices = [{"message": said("b")}, {"message": said("c")}]
    source = write({"messages": [user("a"), said("b")], "response": {"choices": choices, "created": 1772697600}})

    assert roles(records_of(source)) == "ua"
    assert records_of(source, meta=True)[-1].payload["response"]["choices"] == choices[1:]


def test_response_alone_is_one_message(write: Write) -> None:
    """A completion without its request is a session of one message."""
    source = write({"id": "chatcmpl-1", "model": "m", "created": 1772697600, "choices": [{"message": said("b")}]})
    session = READER.summarise(source)

    assert roles(records_of(source)) == "a"
    assert (session.model, session.created_at) == ("m", "2026-03-05T08:00:00.000Z")


def test_wrapper_gives_what_it_knows(write: Write) -> None:
    """Id, model, folder and times of a wrapper are the session's; without times of messages the pace is made up."""
    fields = {"session_id": "abc", "model": "m", "cwd": "/home/mira/pool", "session_start": "2026-03-05T08:00:00Z"}
    session = READER.summarise(write({**fields, "messages": [user("a")]}))

    assert (session.native_session_id, session.model, session.project) == ("abc", "m", "pool")
    assert (session.timing, session.created_at) == ("synthetic", "2026-03-05T08:00:00.000Z")


def test_items_that_are_no_messages(write: Write) -> None:
    """In a list of messages, something else is a bad record or, an object, a meta event."""
    items = items_of(write([user("a"), 7, {"type": "reasoning"}]), meta=True)

    assert [type(item) for item in items] == [Record, BadRecord, Record]


def test_broken_document_is_an_error(write: Write) -> None:
    """A document that was cut is listed with its error."""
    source = write([user("a"), said("b")])
    source.path.write_bytes(source.path.read_bytes()[:-5])

    for read in (lambda: READER.summarise(source), lambda: list(READER.records(source, meta=False))):
        with pytest.raises(ArchiveError):
            read()


# ---------------------------------------------------------------------------------------------------------- lines


def test_lines_are_read_one_by_one(write_lines: Callable[..., Path]) -> None:
    """A bad line costs itself, a half-written last one is told as such, and flat rows of tools are read."""
    path = write_lines(
        user("a", timestamp="2026-03-05T08:00:00"),
        b"{broken",
        {"type": "tool_call", "function": {"name": "translate"}, "arguments": '{"to":"es"}'},
        {"type": "tool_result", "name": "translate", "result": "hola"},
        {"type": "error", "message": "overloaded"},
        b'{"role": "assis',
        end=b"",
    )
    (source,) = sources_of(path)
    items = items_of(source)
    records = [item for item in items if isinstance(item, Record)]

    assert [item for item in items if isinstance(item, BadRecord)] == [BadRecord(2), BadRecord(6, half_written=True)]
    assert roles(records) == "uats"
    assert records[2].content[0]["call_id"] == records[1].content[0]["call_id"]


@pytest.mark.parametrize("name", ["2026-05-02-low-tide/conversation.jsonl", "openhands_events.jsonl"])
def test_prefixes_give_a_prefix(name: str) -> None:
    """Whatever was given from the beginning of a log stays as it was."""
    source = ours(name)
    decoder = READER.decoder(source, meta=True)
    assert decoder is not None
    whole = list(READER.records(source, meta=True))
    given: list[object] = []
    for line in read_lines(source.path, source.root):
        given.extend(decoder.feed(line))
        assert given == whole[: len(given)]
    assert given == whole


def test_large_log_is_estimated(write_lines: Callable[..., Path]) -> None:
    """The count of a large log is told from both its ends."""
    rows = [user("word " * 20, timestamp=1772697600 + number) for number in range(3000)]
    (source,) = sources_of(write_lines(*rows))
    session = READER.summarise(source)

    assert session.count == pytest.approx(3000, rel=0.05)
    assert session.duration_ms == 2_999_000
