import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.formats import Item, Revised, SessionSource, decode
from scrollcast.archive.formats.codex import CodexReader
from scrollcast.archive.formats.codex.rollout import Rollout
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.archive.storage import Line, read_lines
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = Path(__file__).parents[3]
HOME = ROOT / "archive_fixtures" / "codex"
DAY = HOME / "sessions" / "2026" / "08" / "03"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"
SAMPLES = REAL_SESSIONS / "codex"

MAIN_ID = "019fc698-e240-7c0d-9a5e-1d0a0b0c0d01"
CHILD_ID = "019fc69b-d810-7c0d-9a5e-1d0a0b0c0d02"
MAIN = DAY / f"rollout-2026-08-03T09-48-56-{MAIN_ID}.jsonl"
CHILD = DAY / f"rollout-2026-08-03T09-52-10-{CHILD_ID}.jsonl"
GONG = DAY / "rollout-2026-08-03T14-30-00-019fc79a-3540-7c0d-9a5e-1d0a0b0c0d06.jsonl"
PAGINATED = next(HOME.glob("sessions/2026/11/02/*.jsonl"))
PACKED = next(HOME.glob("archived_sessions/*.jsonl.zst"))
BARE = next(HOME.glob("sessions/2025/06/14/*.jsonl"))
EXEC = HOME / "exec" / "bread.jsonl"
EVERY_FIXTURE = (MAIN, CHILD, GONG, PAGINATED, PACKED, BARE, EXEC)

READER = CodexReader()
Row = dict[str, Any]
Write = Callable[..., SessionSource]


# ------------------------------------------------------------------------------------------------------- helpers


def source_of(path: Path, root: Path | None = None) -> SessionSource:
    """The session in a file."""
    root = root or path.parent
    (source,) = READER.locate(sniff(path, root, path.stat().st_size), root)
    return source


def is_claimed(path: Path) -> bool:
    """Whether the reader takes a file for its own."""
    return READER.claims(sniff(path, path.parent, path.stat().st_size))


def records_of(source: SessionSource, *, meta: bool = False) -> list[Record]:
    """The records, with no bad one among them and every part checked."""
    items = list(READER.records(source, meta=meta))
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    return records


def text_of(record: Record) -> str:
    """What a record says or calls or got, in one line."""
    words = []
    for part in record.content:
        match part["type"]:
            case "tool_call":
                words.append(f"{part['name']}({part['call_id']})")
            case "tool_result":
                inner = "".join(piece.get("text", "") for piece in part["output"])
                words.append(f"{part['call_id']}{'!' if part['is_error'] else ''}={inner}")
            case "image" | "resource" | "plan" | "unknown":
                words.append(part["type"])
            case _:
                words.append(part["text"])
    return "|".join(words)


def outline(records: Iterable[Item | Revised]) -> list[tuple[str, str]]:
    """Role and words of each message."""
    return [(item.role, text_of(item)) for item in records if isinstance(item, Record) and not item.is_meta]


def metadata_of(record: Record) -> Row:
    """A record's metadata, empty where there is none."""
    return dict(record.metadata or {})


def labelled(records: Iterable[Record], label: str) -> list[str]:
    """What the records with this label say."""
    return [text_of(record) for record in records if metadata_of(record).get(label)]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Writes a rollout of rows and raw lines, and gives the session in it."""

    def write(*rows: Row | bytes, name: str = "rollout-x.jsonl", end: bytes = b"\n") -> SessionSource:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\n".join(lines) + end)
        return source_of(path, tmp_path)

    return write


def row(kind: str, seconds: float = 0.0, **payload: Any) -> Row:
    """A row in its envelope."""
    return {"timestamp": f"2026-01-02T03:04:{seconds:06.3f}Z", "type": kind, "payload": payload}


def header(thread_id: str = "thread-1", **fields: Any) -> Row:
    """A `session_meta`."""
    return row("session_meta", id=thread_id, **fields)


def item(kind: str, **payload: Any) -> Row:
    """A response item."""
    return row("response_item", type=kind, **payload)


def event(kind: str, **payload: Any) -> Row:
    """An event."""
    return row("event_msg", type=kind, **payload)


def completed(kind: str, **fields: Any) -> Row:
    """A completed item of a paginated rollout."""
    return event("item_completed", item={"type": kind, **fields})


def asks(text: str) -> Row:
    """A person's words as an item."""
    return item("message", role="user", content=[{"type": "input_text", "text": text}])


def asked(text: str, **fields: Any) -> Row:
    """The same as an event."""
    return event("user_message", message=text, **fields)


def says(text: str) -> Row:
    """An answer as an item."""
    return item("message", role="assistant", content=[{"type": "output_text", "text": text}])


def said(text: str) -> Row:
    """The same as an event."""
    return event("agent_message", message=text)


def thinks(*texts: str) -> Row:
    """A reasoning as an item."""
    return item("reasoning", summary=[{"type": "summary_text", "text": text} for text in texts], encrypted_content="x")


def thought(text: str) -> Row:
    """The same as an event."""
    return event("agent_reasoning", text=text)


def calls(call_id: str = "c1", name: str = "exec_command", **fields: Any) -> Row:
    """A call as an item."""
    return item("function_call", name=name, **{"arguments": '{"cmd":"ls"}', "call_id": call_id} | fields)


def gives(output: object, call_id: str = "c1", kind: str = "function_call_output") -> Row:
    """A result as an item."""
    return item(kind, call_id=call_id, output=output)


# ------------------------------------------------------------------------------------------------- real samples


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the real sessions are not here")
@pytest.mark.parametrize(
    ("name", "roles", "title"),
    [
        ("claude-replay/fixture-codex.jsonl", "uaatauaatauata", "list files here"),
        ("claude-replay/fixture-codex-patch.jsonl", "uatauatauatata", "patch with context lines"),
        ("agentsview/standard_session.jsonl", "ua", "Add rate limiting"),
        ("agentsview/function_calls.jsonl", "uaa", "Run the tests"),
        ("agentsview/fc_args_1.jsonl", "ua", "inspect files"),
        ("agentsview/fc_stdin.jsonl", "ua", "send input"),
        ("agentsview/blockquotes_session.jsonl", "ua", "blablabla?"),
        ("agent-sessions/large.jsonl", "uaatauauauauaua", "Start"),
        ("agent-sessions/codex_050_legacy.jsonl", "", ""),
        ("agent-sessions/codex_051_usage.jsonl", "", ""),
        ("agent-sessions/codex_052_raw.jsonl", "", ""),
        ("agent-sessions/session_simple.jsonl", "ua", "What's the weather like in SF today?"),
        ("agent-sessions/session_toolcall.jsonl", "uata", "Translate 'hello' to Spanish"),
        ("ccusage/session-alpha.jsonl", "", ""),
        ("claude-code-log/rollout-2026-01-02T03-04-05-11111111.jsonl", "uaatatata", "List the synthetic files."),
    ],
)
def test_real_samples(name: str, roles: str, title: str) -> None:
    """Each real file gives its conversation once, and every other row when meta events are asked for."""
    source = source_of(SAMPLES / name)
    session, everything = READER.summarise(source), records_of(source, meta=True)
    messages = [record for record in everything if not record.is_meta]
    rows = [line for line in source.path.read_bytes().split(b"\n") if line]

    assert "".join(record.role[0] for record in messages) == roles
    assert (session.title, session.count) == (title, len(messages))
    assert len({record.id.partition(".")[0] for record in everything}) == len(rows)
    assert b"MUST_NOT_RENDER" not in json.dumps([str(record) for record in everything]).encode()


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions are not here")
def test_claims_no_other_tool_s_sample() -> None:
    """Of all real files those of Codex are claimed; flat ones without its kind of name are anybody's."""
    files = [path for path in REAL_SESSIONS.rglob("*") if path.is_file() and path.stat().st_size]
    claimed = {path for path in files if is_claimed(path)}
    flat = {SAMPLES / "agent-sessions" / name for name in ("session_simple.jsonl", "session_toolcall.jsonl")}

    assert claimed == {path for path in files if path.is_relative_to(SAMPLES)} - flat


def test_claims_no_other_format_among_our_fixtures() -> None:
    """Of our own fixtures those in the Codex folder are claimed, but for what lies beside the sessions."""
    files = [path for path in (ROOT / "archive_fixtures").rglob("*") if path.is_file() and path.stat().st_size]
    claimed = {path for path in files if path.suffix != ".py" and is_claimed(path)}

    assert claimed == set(EVERY_FIXTURE)
    assert [path.name for path in sorted(HOME.iterdir()) if path.is_file() and READER.is_companion(path)] == [
        "history.jsonl",
        "session_index.jsonl",
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"type": "turn_context", "payload": {"model": "m"}}], True),
        ([{"type": "world_state", "payload": {}}], True),
        ([{"type": "session_meta", "payload": "none"}], False),
        ([{"type": ["session_meta"], "payload": {}}], False),
        ([7, [], {"type": "event_msg", "payload": {}}], True),
        ([{"id": "a", "timestamp": "t", "instructions": None}], True),
        ([{"record_type": "state"}], True),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}], True),
        ([{"type": "message", "message": {"role": "user", "content": []}}], False),
        ([{"type": "thread.started", "thread_id": "t"}], True),
        ([{"type": "turn.started"}, {"type": "item.completed", "item": {"id": "i", "type": "reasoning"}}], True),
        ([{"type": "turn.started"}], False),
        ([{"id": "a", "thread_name": "n", "updated_at": "t"}], False),
        ([{"session_id": "a", "ts": 1, "text": "x"}], False),
        ([{"role": "user", "content": "x", "timestamp": "t", "model": "m"}], False),
    ],
)
def test_claims_by_what_stands_in_the_rows(tmp_path: Path, rows: Sequence[object], *, expected: bool) -> None:
    """A row in Codex's envelope, of its exec stream or of the time before tells, whatever the file's name."""
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")

    assert is_claimed(path) is expected


# ------------------------------------------------------------------------------------------------ our own fixtures


def test_main_fixture() -> None:
    """The conversation once, in order, with what belongs to each message."""
    records = records_of(source_of(MAIN, HOME))
    session = READER.summarise(source_of(MAIN, HOME))

    assert "".join(record.role[0] for record in records) == "uaaatatatatauat"
    assert records[0].timestamp == "2026-08-03T07:48:56.640Z"
    assert records[1].content == ({"type": "thinking", "text": records[1].content[0]["text"]},)
    assert [part["type"] for part in records[5].content] == ["tool_call", "plan"]
    assert labelled(records, "injected") == ["Let a second agent write that test."]
    assert [record.markers for record in records if record.markers] == [
        ((MarkerKind.SUBAGENT, "Make tests/test_oven.py expect a single beep."),)
    ]
    assert [metadata_of(record)["usage"]["output_tokens"] for record in records if "usage" in metadata_of(record)] == [
        84,
        140,
    ]
    assert [text_of(record)[:10] for record in records if "!=" in text_of(record)] == ["call_test!"]
    assert session.scroll_id == derive_scroll_id("codex", MAIN_ID)
    assert (session.agent, session.model, session.project) == ("Codex", "gpt-5.2-codex", "bakery")
    assert (session.title, session.has_errors) == ("One beep, not two", True)
    assert session.metadata["git_branch"] == "oven-timer"


def test_subagent_has_a_parent_and_inherited_history() -> None:
    """A subagent's file names its parent and its call, and what was copied into it is labelled."""
    source = source_of(CHILD, HOME)
    session, records = READER.summarise(source), records_of(source)

    assert session.parent_scroll_id == derive_scroll_id("codex", MAIN_ID)
    assert session.parent_call_id == "call_spawn"
    assert session.title == "Make tests/test_oven.py expect a single beep."
    assert labelled(records, "inherited") == [
        "The oven timer beeps twice. Find out why.",
        "One test counts on two beeps; it has to change too.",
    ]


def test_subagent_without_its_parent_is_its_own(tmp_path: Path) -> None:
    """Where the parent's file is not at hand nothing is taken for copied, and no call is named."""
    path = tmp_path / CHILD.name
    path.write_bytes(CHILD.read_bytes())
    session = READER.summarise(source_of(path))

    assert labelled(records_of(source_of(path)), "inherited") == []
    assert session.parent_scroll_id == derive_scroll_id("codex", MAIN_ID)
    assert session.parent_call_id is None


def test_parent_outside_the_root_is_not_read() -> None:
    """A parent that lies outside what was opened is not looked for."""
    assert READER.summarise(source_of(CHILD, DAY)).parent_call_id == "call_spawn"
    assert READER.summarise(source_of(CHILD, DAY)).title == "Make tests/test_oven.py expect a single beep."
    assert READER.summarise(source_of(MAIN, DAY)).title == "The oven timer beeps twice. Find out why."


def test_parent_on_another_day_is_found(tmp_path: Path) -> None:
    """The parent's id says on which day it began."""
    source = source_of(CHILD, HOME)
    for path, day in ((MAIN, "03"), (CHILD, "09")):
        copy = tmp_path / "sessions" / "2026" / "08" / day / path.name
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())

    assert READER.summarise(source_of(copy, tmp_path)).parent_call_id == "call_spawn"
    assert records_of(source_of(copy, tmp_path)) == records_of(source)


def test_bare_fixture() -> None:
    """Rows of the time before the envelope: no times, results with an exit code in JSON."""
    session, records = READER.summarise(source_of(BARE)), records_of(source_of(BARE))

    assert outline(records) == [
        ("user", "Count the beds."),
        ("assistant", "shell(call_ls)"),
        ("tool", "call_ls=7\n"),
        ("assistant", "local_shell(call_cat)"),
        ("tool", "call_cat!=cat: beds/8: No such file or directory\n"),
        ("assistant", "There are seven beds."),
    ]
    assert records[1].content[0]["title"] == "ls beds | wc -l"
    assert (session.timing, session.created_at) == ("synthetic", "2025-06-14T09:00:00.000Z")
    assert (session.project, session.native_session_id) == ("garden", BARE.stem[-36:])


def test_paginated_fixture() -> None:
    """Completed items repeat response items under ids of their own, and are shown only where nothing else is."""
    session, records = READER.summarise(source_of(PAGINATED)), records_of(source_of(PAGINATED))

    assert outline(records) == [
        ("user", "image|Which seed is this?"),
        ("assistant", "**Comparing shapes**"),
        ("assistant", "web_search(ws_1)"),
        ("assistant", "mcp__herbarium__lookup(call_mcp)"),
        ("tool", "call_mcp!=the herbarium is closed"),
        ("assistant", "exec_command(user-shell-1)"),
        ("tool", "user-shell-1=dill.txt\n"),
        ("assistant", "It looks like dill."),
    ]
    assert session.title == "A ribbed seed"


def test_packed_fixture() -> None:
    """A packed file is read like a plain one, but does not grow."""
    source = source_of(PACKED, HOME)

    assert outline(records_of(source)) == [
        ("user", "How long does rye rest?"),
        ("assistant", "Twelve hours, in the cold."),
    ]
    assert READER.summarise(source).title == "Rye"
    assert READER.decoder(source, meta=False) is None


def test_plain_file_goes_before_the_packed_one(tmp_path: Path) -> None:
    """Where a file lies both packed and plain, the plain one is the session; an empty one is none."""
    packed = tmp_path / PACKED.name
    packed.write_bytes(PACKED.read_bytes())
    plain = packed.with_suffix("")
    plain.touch()
    file = sniff(packed, tmp_path, packed.stat().st_size)
    assert len(list(READER.locate(file, tmp_path))) == 1

    plain.write_bytes(zstd.decompress(PACKED.read_bytes()))
    assert list(READER.locate(file, tmp_path)) == []
    assert source_of(plain).scroll_id == source_of(PACKED).scroll_id


def test_exec_fixture() -> None:
    """The stream's items: calls where they begin, results where they end, a plan whenever it changes."""
    session, records = READER.summarise(source_of(EXEC)), records_of(source_of(EXEC))

    assert outline(records) == [
        ("assistant", "**Checking the oven**"),
        ("assistant", "exec_command(item_1)"),
        ("tool", "item_1!=make: no rule to make target 'bread'\n"),
        ("assistant", "plan"),
        ("assistant", "plan"),
        ("assistant", "apply_patch(item_4)"),
        ("tool", "item_4="),
        ("assistant", "The Makefile knows how to make bread now."),
    ]
    assert metadata_of(records[-1])["usage"]["output_tokens"] == 122
    assert (session.timing, session.count) == ("synthetic", 8)
    assert session.native_session_id == "01a01f0a-da00-7c0d-9a5e-1d0a0b0c0d05"


# ------------------------------------------------------------------------------------------------------ growing


def released(source: SessionSource, lines: Iterable[Line], *, meta: bool) -> list[Item | Revised]:
    """What a decoder gives for good."""
    decoder = READER.decoder(source, meta=meta)
    assert decoder is not None
    return [given for line in lines for given in decoder.feed(line)]


@pytest.mark.parametrize("path", [path for path in EVERY_FIXTURE if path != PACKED], ids=lambda path: path.stem[-8:])
@pytest.mark.parametrize("meta", [False, True])
def test_prefix_of_a_file_gives_a_prefix_of_its_records(tmp_path: Path, path: Path, *, meta: bool) -> None:
    """Whatever was given before a line came stays as it was; only a rollback may change that, and says so."""
    copy = tmp_path / path.name
    lines = path.read_bytes().splitlines(keepends=True)
    copy.write_bytes(b"".join(lines))
    whole = list(READER.records(source_of(copy), meta=meta))
    for stop in range(1, len(lines)):
        copy.write_bytes(b"".join(lines[:stop]))
        source = source_of(copy)
        given_early = released(source, read_lines(copy, tmp_path), meta=meta)
        differ = [early for early, late in zip(given_early, whole, strict=False) if early != late]
        assert path == GONG or not differ
        assert list(READER.records(source, meta=meta))[: len(given_early)] == given_early


def test_rollback_labels_what_it_undoes() -> None:
    """The undone turn stays and is labelled, nothing around it is."""
    records = records_of(source_of(GONG))

    assert labelled(records, "abandoned") == ["Forget the bell, use a gong.", "A gong would need another library."]
    assert [kind for record in records for kind, _ in record.markers] == [MarkerKind.COMPACTION]


def test_rollback_that_comes_later_revises(tmp_path: Path) -> None:
    """Who follows the file is told that records changed; who reads it as it is then is not."""
    copy = tmp_path / GONG.name
    lines = GONG.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if b"thread_rolled_back" in line)
    copy.write_bytes(b"".join(lines[:place]))
    early = READER.decoder(source_of(copy), meta=False)
    assert early is not None
    copy.write_bytes(b"".join(lines))
    followed = [given for line in read_lines(copy, tmp_path) for given in early.feed(line)]

    assert [type(given) for given in followed].count(Revised) == 1
    assert not any(
        isinstance(given, Revised) for given in released(source_of(copy), read_lines(copy, tmp_path), meta=False)
    )


def test_rollbacks_add_up(written: Write) -> None:
    """A second rollback goes on where the first one stopped, and one beyond the beginning undoes all there is."""
    back = event("thread_rolled_back", num_turns=1)
    turns = [asked("one"), asked("two"), asked("three"), back, back, asked("four")]

    assert labelled(records_of(written(header(), *turns)), "abandoned") == ["two", "three"]
    far = event("thread_rolled_back", num_turns=9)
    assert labelled(records_of(written(header(), *turns, far)), "abandoned") == ["one", "two", "three", "four"]
    assert labelled(records_of(written(header(), *turns, event("thread_rolled_back", num_turns="x"))), "abandoned") == [
        "two",
        "three",
    ]


def test_failure_told_late_is_known_beforehand(written: Write) -> None:
    """An event behind the result says that it failed: read anew, the result has it from the beginning."""
    rows = [header(), asked("go"), calls(), gives("done"), says("well"), event("task_complete")]
    late = event("patch_apply_end", call_id="c1", success=False)
    source = written(*rows)
    early = READER.decoder(source, meta=False)
    assert early is not None
    source = written(*rows, late)
    followed = [given for line in read_lines(source.path, source.root) for given in early.feed(line)]

    assert ("tool", "c1=done") in outline(followed)
    assert isinstance(followed[-1], Revised)
    assert ("tool", "c1!=done") in outline(records_of(source))


def test_held_back_records_are_pending() -> None:
    """What waits for a twin can be seen, again and again, and nothing waits for more than a few lines."""
    rollout = Rollout(meta=False)
    assert rollout.feed(Line(1, json.dumps(asks("go")).encode(), ended=True)) == []
    assert outline(rollout.pending()) == outline(rollout.pending()) == [("user", "go")]
    later = [rollout.feed(Line(number, b'{"type":"x"}', ended=True)) for number in range(2, 60)]
    assert outline(given for items in later for given in items) == [("user", "go")]
    assert outline(rollout.feed(Line(60, json.dumps(asked("go")).encode(), ended=True))) == []
    assert list(rollout.pending()) == []


# ------------------------------------------------------------------------------------------------- twice written

TWINS = {
    "user": (asks, asked),
    "assistant": (says, said),
}
words = st.sampled_from(["yes", "no", "go on", "- a\n- b"])
turn = st.tuples(words, st.lists(words, max_size=3))


@given(st.lists(turn, min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_twins_are_shown_once_in_either_order(turns: list[tuple[str, list[str]]], random: Any) -> None:
    """Whatever is said is shown once, however often the same words come, and whichever twin stands first."""
    rows, expected = [header()], []
    for prompt, answers in turns:
        for role, text in [("user", prompt), *(("assistant", answer) for answer in answers)]:
            pair = [write(text) for write in TWINS[role]]
            random.shuffle(pair)
            between = [event("token_count", info=None)] * random.randint(0, 2)
            rows += [pair[0], *between, pair[1]]
            expected.append((role, text))
    lines = (Line(number, json.dumps(line).encode(), ended=True) for number, line in enumerate(rows, 1))

    assert outline(decode(Rollout(meta=False), lines)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([asked("go"), asks("go")], ["go"]),
        ([asks("go"), asked("go\n")], ["go"]),
        ([asks("go"), row("turn_context", model="m"), asked("go")], ["go"]),
        ([asked("go")], ["go"]),
        ([asks("go"), says("well"), asks("on")], ["go", "well", "on"]),
        ([asked("go"), asks("go"), asks("<new_tag>\nx\n</new_tag>")], ["go"]),
        ([asks("<new_tag>\nx\n</new_tag>")], ["<new_tag>\nx\n</new_tag>"]),
        ([said("well"), says("well")], ["well"]),
        ([said("well"), event("token_count", info=None), says("well ")], ["well "]),
        ([said("well"), event("task_complete"), says("well")], ["well"]),
        ([said("well"), event("task_complete")], ["well"]),
        ([thought("hm"), thinks("hm")], ["hm"]),
        ([thought("a"), thought("b"), said("c"), thinks("a", "b"), says("c")], ["a|b", "c"]),
        ([thinks("hm"), thought("hm")], ["hm"]),
        ([thought("hm"), thinks(), says("well")], ["hm", "well"]),
        ([completed("Reasoning", summary_text=["hm"]), thinks("hm")], ["hm"]),
        ([completed("AgentMessage", content=[{"type": "Text", "text": "well"}]), says("well")], ["well"]),
        ([completed("UserMessage", content=[{"type": "text", "text": "go"}]), asked("go"), asks("go")], ["go"]),
        (
            [said("So:"), completed("Plan", text="1. a"), says("So:\n<proposed_plan>\n1. a\n</proposed_plan>")],
            ["So:\n<proposed_plan>\n1. a\n</proposed_plan>"],
        ),
        ([completed("Plan", text="1. a")], ["1. a"]),
        ([row("compacted", message=""), event("context_compacted")], ["Context compacted"]),
        ([event("context_compacted"), row("compacted", message="all of it")], ["all of it"]),
        ([completed("ContextCompaction"), event("context_compacted")], ["Context compacted"]),
        ([calls(), event("exec_command_end", call_id="c1", exit_code=0), gives("x")], ["exec_command(c1)", "c1=x"]),
        ([calls(), event("exec_command_end", call_id="c1", stdout="y", exit_code=1)], ["exec_command(c1)", "c1!=y"]),
        (
            [event("exec_command_end", call_id="c1", command=["ls"], aggregated_output="x", exit_code=0), calls()],
            ["c1=x", "exec_command(c1)"],
        ),
        (
            [event("exec_command_end", call_id="c1", aggregated_output="x", exit_code=0), calls(), gives("y")],
            ["exec_command(c1)", "c1=y"],
        ),
        (
            [item("web_search_call", action={"query": "q"}), event("web_search_end", call_id="w")],
            ["web_search(call-1)"],
        ),
        ([event("web_search_end", call_id="w", query="q"), item("web_search_call", action={})], ["web_search(w)"]),
        ([event("web_search_end", call_id="w", query="q")], ["web_search(w)"]),
        (
            [calls("c1"), completed("CommandExecution", id="other", aggregated_output="x"), gives("x", "c1")],
            ["exec_command(c1)", "c1=x"],
        ),
    ],
)
def test_everything_is_shown_once(written: Write, rows: list[Row], expected: list[str]) -> None:
    """What has a twin is shown where the rule says, and what has none where it stands."""
    assert [text_of(record) for record in records_of(written(header(), *rows))] == expected


def test_the_same_prompt_sent_again_after_an_interruption(written: Write) -> None:
    """The first prompt that the program sends again is no turn; one that a person types again is."""
    again = [header(), asks("go"), asks("<turn_aborted>\nx\n</turn_aborted>"), asks("go"), says("well")]
    typed = [header(), asked("go"), asks("go"), event("turn_aborted"), asked("go"), asks("go"), says("well")]

    assert outline(records_of(written(*again))) == [("user", "go"), ("assistant", "well")]
    assert [role for role, _ in outline(records_of(written(*typed)))] == ["user", "system", "user", "assistant"]


# ---------------------------------------------------------------------------------------------------- details


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n<cwd>/x</cwd>\n</environment_context>",
        "# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nx\n</INSTRUCTIONS>",
        "<user_instructions>\nx",
        "<permissions instructions>x</permissions instructions>",
        '<codex_internal_context source="goal">x</codex_internal_context>',
        "<skill>\n<name>x</name>\n</skill>\n<environment_context></environment_context>",
        "<subagent_notification>{}</subagent_notification>",
    ],
)
def test_injected_text_is_no_turn(written: Write, text: str) -> None:
    """What the program writes under a person's name is a meta event, and the title is not made of it."""
    source = written(header(), asks(text), asks("go"))

    assert outline(records_of(source)) == [("user", "go")]
    assert [record.kind for record in records_of(source, meta=True) if record.is_meta] == [
        "session_meta",
        "response_item/message",
    ]
    assert READER.summarise(source).title == "go"


@pytest.mark.parametrize(
    ("text", "own", "injected"),
    [
        ("## My request for Codex:\ngo\n", "go", None),
        ("# Context\n\n## My request for Codex:\ngo", "go", ["# Context"]),
        ("<environment_context>x</environment_context>\ngo", "go", ["<environment_context>x</environment_context>"]),
        ("what is <skill>?", "what is <skill>?", None),
    ],
)
def test_a_person_s_own_words(written: Write, text: str, own: str, injected: list[str] | None) -> None:
    """What stands before a person's words goes to the metadata."""
    (record,) = records_of(written(header(), asked(text)))

    assert (text_of(record), metadata_of(record).get("injected")) == (own, injected)


@pytest.mark.parametrize(
    ("output", "text", "failed"),
    [
        ("plain", "plain", False),
        ("Process exited with code 3", "Process exited with code 3", True),
        ("says: Process exited with code 3", "says: Process exited with code 3", False),
        ("Exit code: 1\nWall time: 1 seconds\nOutput:\nx", "Exit code: 1\nWall time: 1 seconds\nOutput:\nx", True),
        ("Exit code: 0\nOutput:\nExit code: 1", "Exit code: 0\nOutput:\nExit code: 1", False),
        ('{"output":"x","metadata":{"exit_code":2}}', "x", True),
        ('{"output":"x","metadata":{"exit_code":0}}', "x", False),
        ({"output": "x", "metadata": {"exit_code": 1}}, "x", True),
        ({"content": "x", "success": False}, "x", True),
        ({"content": [{"type": "input_text", "text": "x"}], "success": True}, "x", False),
        ([{"type": "output_text", "text": "a"}, {"type": "input_text", "text": "b"}], "ab", False),
        ('{"status":"ok"}', '{"status":"ok"}', False),
        ('{"broken', '{"broken', False),
        ({"stdout": "a", "stderr": "b", "exitCode": 1}, "a\nb", True),
        (None, "", False),
        (7, "7", False),
    ],
)
def test_outputs(written: Write, output: object, text: str, *, failed: bool) -> None:
    """A tool's output in any shape met, and whether it failed where nothing but its text says so."""
    result = records_of(written(header(), calls(), gives(output)))[-1].content[0]

    assert "".join(part["text"] for part in result["output"]) == text
    assert result["is_error"] is failed


@pytest.mark.parametrize(
    ("payload", "given", "title", "kind"),
    [
        (calls(arguments='{"cmd":"ls -l"}'), {"cmd": "ls -l"}, "ls -l", "execute"),
        (calls(arguments={"cmd": "ls"}), {"cmd": "ls"}, "ls", "execute"),
        (calls(arguments='{"cmd":'), '{"cmd":', '{"cmd":', "execute"),
        (
            calls(name="shell", arguments='{"command":["bash","-lc","ls"]}'),
            {"command": ["bash", "-lc", "ls"]},
            "ls",
            "execute",
        ),
        (
            item("function_call", name="shell_command", summary="Look", call_id="c1"),
            {"summary": "Look"},
            "Look",
            "execute",
        ),
        (
            item(
                "custom_tool_call", name="apply_patch", call_id="c1", input="*** Add File: a/b.py\n*** Delete File: c"
            ),
            "*** Add File: a/b.py\n*** Delete File: c",
            "b.py and 1 more",
            "edit",
        ),
        (calls(name="find", namespace="mcp__sky", arguments="{}"), {}, "mcp__sky__find", "other"),
        (
            item("web_search_call", action={"type": "search", "query": "q"}),
            {"type": "search", "query": "q"},
            "q",
            "fetch",
        ),
        (calls(name="write_stdin", arguments={"chars": "yes\n"}), {"chars": "yes\n"}, "yes", "execute"),
    ],
)
def test_calls(written: Write, payload: Row, given: object, title: str, kind: str) -> None:
    """A call has its input as the tool got it, a title that says what it is about, and a kind."""
    (record,) = records_of(written(header(), payload))
    call = record.content[0]

    assert (call["input"], call["title"], call["kind"]) == (given, title, kind)


def test_results_find_their_calls(written: Write) -> None:
    """The same id twice: a result belongs to the nearest earlier call without one; orphans are shown alone."""
    rows = [calls("c1"), gives("x"), calls("c1", name="again"), gives("y"), gives("z", "lost"), calls("c3")]

    assert [text_of(record) for record in records_of(written(header(), *rows))] == [
        "exec_command(c1)",
        "c1=x",
        "again(c1#4)",
        "c1#4=y",
        "lost=z",
        "exec_command(c3)",
    ]


def test_flat_rows_are_paired_by_name(written: Write) -> None:
    """The oldest rows have no call ids; a file of them may gain rows in an envelope later."""
    flat = [
        {"timestamp": "2025-04-20T09:00:00Z", "role": "user", "content": "go", "model": "o4-mini"},
        {"timestamp": "2025-04-20T09:00:01Z", "type": "tool_call", "function": {"name": "a"}, "arguments": "{}"},
        {"timestamp": "2025-04-20T09:00:01Z", "type": "tool_call", "function": {"name": "b"}, "arguments": "{}"},
        {"timestamp": "2025-04-20T09:00:02Z", "type": "tool_result", "name": "b", "result": "2"},
        {"timestamp": "2025-04-20T09:00:03Z", "type": "tool_result", "name": "a", "result": "1"},
        {"timestamp": "2025-04-20T09:00:04Z", "type": "error", "message": "no"},
    ]
    source = written(*flat, name="rollout-2025-04-20-x.jsonl")

    assert is_claimed(source.path)
    assert outline(records_of(source)) == [
        ("user", "go"),
        ("assistant", "a(call-1)"),
        ("assistant", "b(call-2)"),
        ("tool", "call-2=2"),
        ("tool", "call-1=1"),
        ("system", "no"),
    ]
    assert READER.summarise(source).native_session_id == "rollout-2025-04-20-x"
    mixed = written(*flat, event("token_count", info=None), name="mixed.jsonl")
    assert is_claimed(mixed.path)


def test_token_counts_stand_once(written: Write) -> None:
    """The counts of an answer stand on its last record; the same total told again is nothing new."""
    one = {"total_token_usage": {"total_tokens": 5}, "last_token_usage": {"output_tokens": 5}}
    two = {"total_token_usage": {"total_tokens": 9}, "last_token_usage": {"output_tokens": 4}}
    counts: list[object] = [one, one, two, []]
    first, again, second, none = (event("token_count", info=info) for info in counts)
    rows = [thinks("hm"), says("a"), first, again, says("b"), event("task_complete"), second, says("c"), none]
    records = records_of(written(header(), *rows))

    assert [(text_of(r), metadata_of(r)["usage"]["output_tokens"]) for r in records if "usage" in metadata_of(r)] == [
        ("a", 5),
        ("c", 4),
    ]


def test_pictures(written: Write) -> None:
    """Pictures are taken from the item; a path that an event names is named and not read."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    words = {"type": "input_text", "text": "look"}
    both = [asked("look", local_images=["/x/a.png"]), item("message", role="user", content=[picture, words])]
    alone = [asked("look", images=["data:image/jpeg;base64,BBBB"]), says("nice"), asked("", local_images=["/x/a.png"])]
    made = [item("image_generation_call", id="ig", revised_prompt="a gull", result="/9j/AAAA")]

    assert records_of(written(header(), *both))[0].content[0] == {
        "type": "image",
        "mime_type": "image/png",
        "data": "AAAA",
    }
    assert [text_of(record) for record in records_of(written(header(), *alone))] == ["look|image", "nice", "resource"]
    assert [part.get("mime_type") for part in records_of(written(header(), *made))[0].content] == [None, "image/jpeg"]


def test_notices(written: Write) -> None:
    """Errors, interruptions and words of other agents are the system's, not a person's."""
    rows = [
        event("error", message="out of credit"),
        event("turn_aborted", reason="interrupted"),
        event("task_complete", error={"message": "no"}),
        item("agent_message", author="/root", recipient="/root/a", content=[{"type": "input_text", "text": "do it"}]),
        item("agent_message", author="/root", content=[{"type": "encrypted_content", "encrypted_content": "x"}]),
        item("message", role="developer", content=[{"type": "input_text", "text": "rules"}]),
    ]

    assert outline(records_of(written(header(), *rows))) == [
        ("system", "out of credit"),
        ("system", "Turn aborted: interrupted"),
        ("system", "no"),
        ("system", "do it"),
    ]


def test_what_is_not_known_is_kept(written: Write) -> None:
    """Unknown rows are meta events, whole; unknown pieces of a message are parts; secrets are neither."""
    content = [{"type": "hologram", "x": 1}, {"type": "output_text", "text": "see"}]
    rows = [row("future", a=1), item("message", role="assistant", content=content), item("ghost_snapshot", a=2)]
    secret = item("reasoning", summary=[], encrypted_content="secret")
    compacted = row("compacted", message="", replacement_history=[1, 2])
    records = records_of(written(header(), *rows, secret, compacted, {"x": 1}), meta=True)
    meta = {record.kind: record.payload for record in records if record.is_meta}

    assert meta["future"] == row("future", a=1)
    assert meta["response_item/ghost_snapshot"]["payload"]["a"] == 2
    assert meta["response_item/reasoning"]["payload"]["omitted"] == ["encrypted_content"]
    assert meta["unknown"] == {"x": 1}
    assert [text_of(record) for record in records if record.role == "assistant"] == ["unknown|see"]


def test_bad_lines(written: Write) -> None:
    """A bad line is told with its number, the last one as half-written; blank lines are nothing."""
    rows = (header(), b"{oops", b"", b"7", asked("go"), b'{"type":')
    items = list(READER.records(written(*rows, end=b""), meta=False))

    assert [item for item in items if isinstance(item, BadRecord)] == [
        BadRecord(2),
        BadRecord(4),
        BadRecord(6, half_written=True),
    ]
    assert outline(items) == [("user", "go")]


def test_fork_by_ordinal(written: Write) -> None:
    """Where the header numbers the first row of its own history, everything before is inherited."""
    rows: list[Row] = [
        header("b", forked_from_id="a", subagent_history_start_ordinal=4),
        header("a"),
        asked("old"),
        asked("new"),
    ]
    source = written(*({**line, "ordinal": place} for place, line in enumerate(rows, 1)))

    assert labelled(records_of(source), "inherited") == ["old"]
    assert READER.summarise(source).title == "new"
    assert READER.summarise(source).parent_scroll_id == derive_scroll_id("codex", "a")


def test_first_header_counts(written: Write) -> None:
    """A thread taken up again writes a second header, and a copied parent's is another's."""
    source = written(header("a", cwd="/x/one"), asked("go"), header("a", cwd="/x/two"), header("b"))
    session = READER.summarise(source)

    assert (session.native_session_id, session.project) == ("a", "one")


@pytest.mark.parametrize(
    ("name", "native_id"),
    [
        (f"rollout-2026-08-03T09-48-56-{MAIN_ID}.jsonl", MAIN_ID),
        (f"rollout-2026-08-03T09-48-56-{MAIN_ID}_2.jsonl", MAIN_ID),
        ("other.jsonl", "other"),
    ],
)
def test_native_id_without_a_header(written: Write, name: str, native_id: str) -> None:
    """A file without a header is known by the id in its name, else by its name."""
    assert READER.summarise(written(row("turn_context", model="m"), name=name)).native_session_id == native_id


def test_name_given_in_the_file_is_the_title(written: Write) -> None:
    """The last name that a person gave goes before the first prompt."""
    names = [event("thread_name_updated", thread_name=name) for name in ("One", "Two")]

    assert READER.summarise(written(header(), asked("go"), *names)).title == "Two"


def test_companions(tmp_path: Path) -> None:
    """The history of prompts is Codex's only where it lies in a Codex home."""
    assert READER.is_companion(tmp_path / ".codex" / "history.jsonl")
    assert READER.is_companion(tmp_path / "session_index.jsonl")
    assert not READER.is_companion(tmp_path / "history.jsonl")
    assert not READER.is_companion(tmp_path / "sessions" / "rollout-x.jsonl")


# ---------------------------------------------------------------------------------------------------- large files


def _long_session(turns: int) -> list[Row]:
    rows = [header(base_instructions={"text": "x" * 20_000}), row("turn_context", model="m")]
    for number in range(turns):
        rows += [asked(f"turn {number}"), asks(f"turn {number}"), calls(f"c{number}"), gives("x" * 300, f"c{number}")]
        rows += [said(f"done {number}"), says(f"done {number}")]
    return rows


@pytest.mark.parametrize("packed", [False, True])
def test_summary_of_a_large_file_is_an_estimate(written: Write, *, packed: bool) -> None:
    """From both ends of a file the count comes out nearly right, and everything else exactly."""
    source = written(*_long_session(400), event("thread_name_updated", thread_name="Long"))
    if packed:
        path = source.path.with_name("rollout-y.jsonl.zst")
        path.write_bytes(zstd.compress(source.path.read_bytes()))
        source = source_of(path)
    session = READER.summarise(source)

    assert session.count == pytest.approx(len(records_of(source)), rel=0.05)
    assert (session.title, session.model) == ("Long", "m")


def test_first_prompt_behind_long_instructions(written: Write) -> None:
    """The title is found behind instructions that are longer than what a summary decodes."""
    rules = item("message", role="developer", content=[{"type": "input_text", "text": "x" * 100_000}])
    rows = [header(), rules, asked("go"), says("well"), *([event("token_count", info=None)] * 500)]

    assert READER.summarise(written(*rows)).title == "go"


# ---------------------------------------------------------------------------------------------------- exec stream


def exec_item(state: str, **fields: Any) -> Row:
    """A line of the exec stream."""
    return {"type": f"item.{state}", "item": {"id": "item_0", **fields}}


def test_exec_stream_details(written: Write) -> None:
    """Items that end twice are shown once, a second run has ids of its own, and errors are the system's."""
    started = {"type": "thread.started", "thread_id": "t"}
    command = {"type": "command_execution", "command": "ls"}
    run = [started, exec_item("started", **command), exec_item("completed", **command, exit_code=0)]
    mcp = exec_item("completed", id="m", type="mcp_tool_call", server="sky", tool="look", error={"message": "dark"})
    rows = [
        *run,
        run[-1],
        *run,
        mcp,
        {"type": "turn.failed", "error": {"message": "no"}},
        {"type": "error", "message": "x"},
    ]

    assert outline(records_of(written(*rows))) == [
        ("assistant", "exec_command(item_0)"),
        ("tool", "item_0="),
        ("assistant", "exec_command(2:item_0)"),
        ("tool", "2:item_0="),
        ("assistant", "mcp__sky__look(2:m)"),
        ("tool", "2:m!=dark"),
        ("system", "no"),
        ("system", "x"),
    ]


def test_exec_text_that_did_not_end_is_pending(written: Write) -> None:
    """A text that was still being written when the stream stopped is shown in its last state."""
    rows = [exec_item(state, type="agent_message", text=text) for state, text in (("started", "a"), ("updated", "ab"))]
    source = written(*rows)

    assert outline(records_of(source)) == [("assistant", "ab")]
    assert len(records_of(source, meta=True)) == 3
    assert outline(records_of(written(*rows, exec_item("completed", type="agent_message", text="abc")))) == [
        ("assistant", "abc")
    ]


def test_owner_of_every_fixture() -> None:
    """The table of readers gives each of these files to this reader."""
    assert {reader.name for path in EVERY_FIXTURE if (reader := owner(sniff(path, HOME, path.stat().st_size)))} == {
        "codex"
    }
