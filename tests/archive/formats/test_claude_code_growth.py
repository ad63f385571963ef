import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.formats import Decoder, Revised, SessionSource
from scrollcast.archive.formats.claude_code import ClaudeCodeReader
from scrollcast.archive.formats.claude_code import tree as tree_module
from scrollcast.archive.formats.readers import sniff
from scrollcast.archive.storage import Line
from scrollcast.model import MarkerKind, Record, derive_scroll_id

READER = ClaudeCodeReader()
SESSION_ID = "7d3a1f00-0000-4000-8000-000000000001"
FORK_ID = "7d3a1f00-0000-4000-8000-000000000002"

Row = dict[str, Any]
Write = Callable[..., SessionSource]


# ------------------------------------------------------------------------------------------------------- helpers


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows to a file of the archive, and gives the session in it."""

    def write(*rows: Row, name: str = f"{SESSION_ID}.jsonl", **sidecar: Any) -> SessionSource:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        if sidecar:
            path.with_suffix(".meta.json").write_text(json.dumps(sidecar))
        (source,) = READER.locate(sniff(path, tmp_path, path.stat().st_size), tmp_path)
        return source

    return write


def prompt(text: object, uuid: str, parent: str | None = None, **fields: Any) -> Row:
    """A user row."""
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "message": {"content": text}, **fields}


def answer(text: str, uuid: str, parent: str | None = None, **fields: Any) -> Row:
    """A row of the model."""
    content = [{"type": "text", "text": text}]
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": {"content": content}, **fields}


def call(call_id: str, uuid: str, parent: str | None = None, name: str = "Agent", **given: Any) -> Row:
    """A row of the model that calls a tool."""
    content = [{"type": "tool_use", "id": call_id, "name": name, "input": given}]
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": {"content": content}}


def result(call_id: str, uuid: str, parent: str | None = None, text: str = "done", **structured: Any) -> Row:
    """A row with a tool's result."""
    row = prompt([{"type": "tool_result", "tool_use_id": call_id, "content": text}], uuid, parent)
    return {**row, "toolUseResult": structured} if structured else row


def feed(decoder: Decoder, rows: Iterable[Row], after: int = 0) -> list[str]:
    """The ids of the records that rows give, behind `after` others; `Revised` where they change earlier ones."""
    lines = (Line(number, json.dumps(row).encode(), ended=True) for number, row in enumerate(rows, after + 1))
    items = [item for line in lines for item in decoder.feed(line)]
    return ["Revised" if isinstance(item, Revised) else item.id for item in items if isinstance(item, Record | Revised)]


def labelled(source: SessionSource, label: str) -> list[str]:
    """The ids of the records that have a label in their metadata."""
    items = READER.records(source, meta=False)
    return [item.id for item in items if isinstance(item, Record) and label in (item.metadata or {})]


def records(source: SessionSource) -> dict[str, Record]:
    """The session's records by their ids."""
    return {item.id: item for item in READER.records(source, meta=False) if isinstance(item, Record)}


# -------------------------------------------------------------------------------------------------- a growing file

TALK = (prompt("a", "u1"), answer("b", "a1", "u1"), prompt("c", "u2", "a1"), answer("d", "a2", "u2"))
WENT_BACK = (prompt("e", "u3", "a1"), answer("f", "a3", "u3"))


@pytest.mark.parametrize(
    ("later", "given"),
    [
        pytest.param((prompt("e", "u3", "a2"),), ["u3"], id="going on"),
        pytest.param(WENT_BACK, ["Revised", "u3", "a3"], id="going back"),
        pytest.param((*WENT_BACK, prompt("g", "u4", "a3")), ["Revised", "u3", "a3", "u4"], id="going back once"),
        pytest.param((*WENT_BACK, prompt("g", "u4", "a2")), ["Revised", "u3", "a3", "Revised", "u4"], id="and forth"),
        pytest.param((answer("e", "a3", "a1"),), ["a3"], id="a late answer"),
        pytest.param((answer("e", "a3", "a2", supersedesUuids=["a2"]),), ["Revised", "a3"], id="replaced"),
        pytest.param((answer("e", "a3", "a2", retractedMessageUuids=["a2"]),), ["Revised", "a3"], id="retracted"),
        pytest.param((prompt("e", "u3", "gone"), prompt("f", "u4", "a1")), ["u3", "u4"], id="a broken chain"),
        pytest.param((*WENT_BACK, prompt("g", "u4", "x")), ["Revised", "u3", "a3", "Revised", "u4"], id="broken later"),
        pytest.param((prompt("c", "u2", "a1"),), [], id="written again"),
    ],
)  # fmt: skip
def test_later_rows_that_change_earlier_ones(write: Write, later: Sequence[Row], given: list[str]) -> None:
    """A row that makes earlier ones undone, or not so any more, says that they have to be read anew; no other does."""
    decoder = READER.decoder(write(*TALK), meta=False)
    assert decoder is not None
    assert feed(decoder, TALK) == ["u1", "a1", "u2", "a2"]
    assert feed(decoder, later, after=len(TALK)) == given
    assert list(decoder.pending()) == []


def test_what_is_in_the_file_is_known_beforehand(write: Write) -> None:
    """Nothing that stands in the file when the decoder is made comes as a revision; later undoing is labelled too."""
    rows = (*TALK, *WENT_BACK)
    decoder = READER.decoder(source := write(*rows), meta=False)
    assert decoder is not None
    assert "Revised" not in feed(decoder, rows)
    assert labelled(source, "abandoned") == ["u2", "a2"]


def test_rows_that_come_later_to_an_undone_branch(write: Write) -> None:
    """A late result of an undone turn is undone too, and does not make that turn the current one again."""
    decoder = READER.decoder(write(*TALK, *WENT_BACK), meta=False)
    assert decoder is not None
    feed(decoder, (*TALK, *WENT_BACK))
    late = Line(7, json.dumps(result("t", "r1", "a2")).encode(), ended=True)
    (item,) = decoder.feed(late)
    assert isinstance(item, Record)
    assert item.metadata == {"abandoned": True}


def test_parallel_results_are_no_branch(write: Write) -> None:
    """Side branches without a prompt of their own belong to the turn that they branched off in."""
    rows = (
        prompt("a", "u1"), call("t1", "a1", "u1"), call("t2", "a2", "a1"), result("t1", "r1", "a1"),
        result("t2", "r2", "a2"), answer("b", "a3", "r2"), prompt("c", "u2", "a3"),
    )  # fmt: skip
    decoder = READER.decoder(write(), meta=False)
    assert decoder is not None
    assert "Revised" not in feed(decoder, rows)


def test_large_file_has_no_labels(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound nothing is called undone and nothing revised, before as after; passing it is a revision."""
    source = write(*TALK, *WENT_BACK)
    monkeypatch.setattr(tree_module, "MAX_TREE_BYTES", source.path.stat().st_size)
    decoder = READER.decoder(source, meta=False)
    assert decoder is not None
    assert labelled(source, "abandoned") == ["u2", "a2"]
    feed(decoder, (*TALK, *WENT_BACK))
    more = [answer("x" * 100, "a4", "a3"), prompt("h", "u5", "a1")]
    assert feed(decoder, more, after=6) == ["Revised", "a4", "u5"]

    larger = write(*TALK, *WENT_BACK, *more)
    decoder = READER.decoder(larger, meta=False)
    assert decoder is not None
    assert "Revised" not in feed(decoder, (*TALK, *WENT_BACK, *more))
    assert labelled(larger, "abandoned") == []


def test_half_written_line_is_not_known_yet(write: Write) -> None:
    """A last line without its end is taken as it is when it is whole, as revising as any."""
    source = write(*TALK)
    with source.path.open("ab") as file:
        file.write(json.dumps(WENT_BACK[0]).encode()[:40])
    decoder = READER.decoder(source, meta=False)
    assert decoder is not None
    feed(decoder, TALK)
    assert feed(decoder, WENT_BACK, after=4) == ["Revised", "u3", "a3"]


NAMES = st.sampled_from([f"x{number}" for number in range(6)])
GROWN = st.builds(
    lambda make, uuid, parent, side, replaced: {**make("words", uuid, parent), **side, **replaced},
    st.sampled_from([prompt, answer]),
    NAMES,
    st.none() | NAMES,
    st.sampled_from([{}, {}, {}, {"isSidechain": True}]),
    st.just({}) | st.builds(lambda uuid: {"supersedesUuids": [uuid]}, NAMES),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(rows=st.lists(GROWN | st.integers(0, 3), max_size=9), cut=st.integers(0, 9))
def test_what_was_given_stays(write: Write, rows: list[Row | int], cut: int) -> None:
    """However a tree grows, rows given earlier stay as they are, or a revision is told; the next reading tells none."""
    chained = [row if isinstance(row, dict) else GROWTH[row](f"y{place}", place) for place, row in enumerate(rows)]
    decoder = READER.decoder(write(*chained[:cut], name="session.jsonl"), meta=True)
    assert decoder is not None
    lines = [Line(number, json.dumps(row).encode(), ended=True) for number, row in enumerate(chained, 1)]
    items = [item for line in lines for item in decoder.feed(line)]
    source = write(*chained, name="session.jsonl")
    whole = READER.decoder(source, meta=True)
    assert whole is not None
    known = [item for line in lines for item in whole.feed(line)]
    assert Revised() not in known
    assert Revised() in items or items == known


# What mostly happens: one goes on, and now and then goes back some rows.
GROWTH: Sequence[Callable[[str, int], Row]] = (
    lambda uuid, place: prompt("words", uuid, f"y{place - 1}" if place else None),
    lambda uuid, place: answer("words", uuid, f"y{place - 1}" if place else None),
    lambda uuid, place: prompt("words", uuid, f"y{place // 2}" if place > 1 else None),
    lambda uuid, place: answer("words", uuid, f"y{place // 2}" if place > 1 else None),
)


# ------------------------------------------------------------------------------------------------------ sidechains


def test_own_file_is_not_dimmed(write: Write) -> None:
    """Where every row is a subagent's the file is its own session, whatever its name."""
    rows = (prompt("a", "s1", isSidechain=True), answer("b", "s2", "s1", isSidechain=True))
    for name in ("agent-a1.jsonl", f"{SESSION_ID}.jsonl"):
        assert labelled(write(*rows, name=name), "sidechain") == []


def test_file_turns_out_to_be_a_main_session(write: Write) -> None:
    """The first row that is no subagent's says so of the earlier ones too."""
    warm_up = (prompt("a", "s1", isSidechain=True), answer("b", "s2", "s1", isSidechain=True))
    decoder = READER.decoder(write(*warm_up), meta=False)
    assert decoder is not None
    assert feed(decoder, (*warm_up, prompt("c", "u1"), prompt("d", "u2", "u1"))) == ["s1", "s2", "Revised", "u1", "u2"]
    assert labelled(write(*warm_up, prompt("c", "u1")), "sidechain") == ["s1", "s2"]


# ------------------------------------------------------------------------------------------------------- subagents

AGENT = "a7c31f09e5d2b8846"
CHILD = f"{SESSION_ID}/subagents/agent-{AGENT}.jsonl"
PROGRESS = {"type": "progress", "parentToolUseID": "t9", "data": {"type": "agent_progress", "agentId": AGENT}}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param((result("t1", "r1", agentId=AGENT),), "t1", id="structured result"),
        pytest.param((PROGRESS, result("t1", "r1", agentId=AGENT)), "t9", id="progress"),
        pytest.param(({"type": "queue-operation", "operation": "enqueue",
                       "content": json.dumps({"task_id": AGENT, "tool_use_id": "t2"})},), "t2", id="queue JSON"),
        pytest.param(({"type": "queue-operation", "operation": "enqueue",
                       "content": f"<task-id>{AGENT}</task-id><tool-use-id>t3</tool-use-id>"},), "t3", id="queue tags"),
        pytest.param((result("t4", "r1", text=f"agentId: {AGENT} (for resuming)"),), "t4", id="text of the result"),
        pytest.param((result("t1", "r1", agentId=AGENT + "0"),), "t1", id="another's, which only mentions it"),
        pytest.param((prompt(f"about {AGENT}", "u1"),), None, id="a prompt about it"),
        pytest.param((answer("x", "a1"),), None, id="nothing"),
        pytest.param((), None, id="no rows"),
    ],
)  # fmt: skip
def test_call_that_started_a_subagent(write: Write, rows: Sequence[Row], expected: str | None) -> None:
    """A subagent's session names the parent's call, by whichever row of the parent ties the two."""
    write(*rows)
    session = READER.summarise(write(prompt("Look", "s1", isSidechain=True), name=CHILD))
    assert (session.parent_scroll_id, session.parent_call_id) == (derive_scroll_id("claude-code", SESSION_ID), expected)


@pytest.mark.parametrize("size", [500_000, 3_000_000])
@pytest.mark.parametrize("hour", [0, 11, 23])
def test_call_far_into_a_large_session(write: Write, hour: int, size: int) -> None:
    """It is looked for where the parent was when the subagent began, past rows without a time and what is mentioned."""
    filler = "x" * size
    rows: list[Row] = []
    for each in range(24):
        at = {"timestamp": f"2026-03-01T{each:02}:30:00.000Z"}
        rows.append(prompt(filler, f"u{each}", **at))
        rows.append({"type": "summary", "summary": filler})
        about = AGENT if each == hour else f"another{each}"
        rows.append({**result(f"t{each}", f"r{each}", agentId=about), **at})
    write(*rows)
    row = prompt("Look", "s1", isSidechain=True, timestamp=f"2026-03-01T{hour:02}:05:00.000Z")
    assert READER.summarise(write(row, name=CHILD)).parent_call_id == f"t{hour}"


def test_call_that_started_a_workflow(write: Write) -> None:
    """A workflow's agent, which the parent does not know by name, names the call that started the workflow."""
    write(prompt("go", "u1"), result("t5", "r1", text="Started wf_0123abcd"))
    place = f"{SESSION_ID}/subagents/workflows/wf_0123abcd/agent-{AGENT}.jsonl"
    session = READER.summarise(write(prompt("Look", "s1", isSidechain=True), name=place))
    assert (session.parent_scroll_id, session.parent_call_id) == (derive_scroll_id("claude-code", SESSION_ID), "t5")


def test_older_subagent_beside_its_session(write: Write) -> None:
    """A subagent's file beside the sessions finds its parent by the id in its rows."""
    write(result("t1", "r1", agentId=AGENT))
    session = READER.summarise(write(prompt("Look", "s1", sessionId=SESSION_ID), name=f"agent-{AGENT}.jsonl"))
    assert session.parent_call_id == "t1"


@pytest.mark.parametrize("parent", ["../outside", "..", "a\0b", "nowhere"])
def test_parent_is_looked_for_in_its_place_only(tmp_path: Path, write: Write, parent: str) -> None:
    """An id from a row leads to no other folder; a parent that is not there is no error."""
    (tmp_path / "outside.jsonl").write_text(json.dumps(result("t1", "r1", agentId=AGENT)))
    session = READER.summarise(write(prompt("Look", "s1", sessionId=parent), name=f"project/agent-{AGENT}.jsonl"))
    assert session.parent_call_id is None


def test_sidecar_of_a_subagent(write: Write) -> None:
    """The kind of subagent stands in the title and the metadata."""
    row = prompt("Look for it", "s1", isSidechain=True)
    session = READER.summarise(write(row, name=CHILD, agentType="Explore", spawnDepth=1))
    assert session.title == "Explore: Look for it"
    assert session.metadata["agent_type"] == "Explore"
    described = READER.summarise(write(row, name=CHILD, agentType="Explore", description="Find every clock"))
    assert described.title == "Explore: Find every clock"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"agentType": 7}', b"\xff", b"{" * 5000])
def test_broken_sidecar(write: Write, data: bytes) -> None:
    """A sidecar that says nothing costs nothing."""
    source = write(prompt("Look", "s1"), name=CHILD)
    source.path.with_suffix(".meta.json").write_bytes(data)
    assert READER.summarise(source).title == "Look"


def test_result_names_the_subagent(write: Write) -> None:
    """The call has the marker, the result the subagent's id; a tool not known to start one has it on the result."""
    source = write(
        prompt("a", "u1"),
        call("t1", "a1", "u1", description="Find the clock"),
        result("t1", "r1", "a1", agentId="x1"),
        call("t2", "a2", "r1", name="Skill", skill="survey"),
        result("t2", "r2", "a2", agentId="x2", prompt="Survey it\nwell"),
    )
    found = records(source)
    assert found["a1"].markers == ((MarkerKind.SUBAGENT, "Find the clock"),)
    assert found["r1"].markers == found["a2"].markers == ()
    assert found["r2"].markers == ((MarkerKind.SUBAGENT, "Survey it"),)
    assert [(found[key].metadata or {}).get("agent_id") for key in ("r1", "r2")] == ["x1", "x2"]


# ------------------------------------------------------------------------------------------------------------ forks

BACKGROUND = {"sessionKind": "bg", "sessionId": FORK_ID}
FORK = (
    prompt("a", "u1", **BACKGROUND), answer("b", "a1", "u1", **BACKGROUND), prompt("new", "u9", "a1", **BACKGROUND),
)  # fmt: skip


def test_background_fork(write: Write) -> None:
    """Rows of a background session that stand in the session beside it were copied, and that is its parent."""
    write(*TALK)
    source = write(*FORK, name=f"{FORK_ID}.jsonl")
    assert labelled(source, "inherited") == ["u1", "a1"]
    assert READER.summarise(source).parent_scroll_id == derive_scroll_id("claude-code", SESSION_ID)


def test_background_session_of_its_own(write: Write) -> None:
    """A background session that shares its first row with no other, or with its like only, inherits nothing."""
    write(prompt("other", "x1"))
    write(*FORK, name="7d3a1f00-0000-4000-8000-000000000003.jsonl")
    source = write(*FORK, name=f"{FORK_ID}.jsonl")
    assert labelled(source, "inherited") == []
    assert READER.summarise(source).parent_scroll_id is None


def test_nothing_is_looked_up_without_a_sign(write: Write) -> None:
    """A session that does not say that it is a fork is read by itself, also where rows are in another file too."""
    write(*TALK)
    assert labelled(write(*TALK, name=f"{FORK_ID}.jsonl"), "inherited") == []


def test_sign_that_comes_late(write: Write) -> None:
    """Rows given before the session said that it is a fork have to be read anew."""
    write(*TALK)
    rows = (prompt("a", "u1"), answer("b", "a1", "u1"), prompt("new", "u9", "a1", **BACKGROUND))
    decoder = READER.decoder(write(*rows[:2], name=f"{FORK_ID}.jsonl"), meta=False)
    assert decoder is not None
    assert feed(decoder, rows) == ["u1", "a1", "Revised", "u9"]
    assert labelled(write(*rows, name=f"{FORK_ID}.jsonl"), "inherited") == ["u1", "a1"]


def test_fork_that_names_its_parent(write: Write) -> None:
    """Rows that say what they were forked from give the session its parent."""
    origin = {"sessionId": SESSION_ID, "messageUuid": "u1"}
    source = write(prompt("a", "u1", forkedFrom=origin), prompt("b", "u2", "u1"), name=f"{FORK_ID}.jsonl")
    assert READER.summarise(source).parent_scroll_id == derive_scroll_id("claude-code", SESSION_ID)
    assert labelled(source, "inherited") == ["u1"]


# ------------------------------------------------------------------------------------------------ files beside them


@pytest.mark.parametrize(
    ("place", "is_companion"),
    [
        (f"p/{SESSION_ID}/subagents/agent-a1.meta.json", True),
        (f"p/{SESSION_ID}/subagents/agent-a1.jsonl", False),
        (f"p/{SESSION_ID}/subagents/workflows/wf_1/journal.jsonl", True),
        ("p/journal.jsonl", False),
        (f"p/{SESSION_ID}/tool-results/b1.txt", True),
        ("p/notes.txt", False),
        ("p/sessions-index.json", True),
        ("p/other.meta.json", False),
        ("history.jsonl", True),
        ("p/history.jsonl", False),
    ],
)
def test_companions(tmp_path: Path, place: str, is_companion: bool) -> None:
    """What the program writes beside its sessions is known by its place, and nothing else is."""
    (tmp_path / "projects").mkdir()
    assert READER.is_companion(tmp_path / place) is is_companion


def test_spilled_outputs_are_not_looked_into(tmp_path: Path) -> None:
    """Of a session's folder of spilled outputs no file is looked at."""
    assert READER.candidates(tmp_path / SESSION_ID / "tool-results", (), ("a.json",)) == []
    assert READER.candidates(tmp_path / "tool-results", (), ("a.json",)) is None
    assert READER.candidates(tmp_path / SESSION_ID, ("tool-results",), ()) is None


# ------------------------------------------------------------------------------------------------- larger summaries


def long_session(rows: int, **fields: Any) -> list[Row]:
    """A session of some rows, a prompt and answers to it, a second apart."""
    first = prompt(
        "The first words", "u0", timestamp="2026-03-02T09:00:00.000Z", cwd="/home/ada/orrery", gitBranch="main"
    )
    found = [first]
    for number in range(1, rows):
        row = answer("word " * 60, f"a{number}", timestamp=f"2026-03-02T09:{number // 60:02}:{number % 60:02}.000Z")
        row["message"]["model"] = f"model-{number}"
        found.append({**row, **fields})
    return found


def summary_row(text: str, leaf: str) -> Row:
    """A row that sums up the session which has the row `leaf`."""
    return {"type": "summary", "summary": text, "leafUuid": leaf}


@pytest.fixture(params=[200, 2000], ids=["seen whole", "seen at both ends"])
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """A session over the size that is read row by row."""
    return long_session(request.param)


def test_large_summary(write: Write, rows: list[Row]) -> None:
    """Of a large session the first words, the last time and the last model are told, the number nearly."""
    session = READER.summarise(write(*rows))
    assert (session.title, session.project, session.metadata["git_branch"]) == ("The first words", "orrery", "main")
    assert (session.model, session.updated_at) == (f"model-{len(rows) - 1}", rows[-1]["timestamp"])
    assert session.created_at == rows[0]["timestamp"]
    assert session.duration_ms == (len(rows) - 1) * 1000
    assert session.count == pytest.approx(len(rows), rel=0.02)
    assert (session.has_errors, session.timing) == (False, "recorded")


@pytest.mark.parametrize(
    ("title_rows", "title"),
    [
        ([{"type": "custom-title", "customTitle": "One"}, {"type": "custom-title", "customTitle": "Two"}], "Two"),
        ([{"type": "custom-title", "customTitle": "One"}, {"type": "ai-title", "aiTitle": "Two"}], "One"),
        ([summary_row("Other", "x"), summary_row("Own", "a3")], "Own"),
        ([summary_row("One", "x"), summary_row("Two", "y")], "One"),
        ([{"type": "agent-name", "agentName": "Orrery"}], "Orrery"),
        ([{"type": "system", "subtype": "local_command", "content": "Session renamed to: New"}], "New"),
        ([prompt('say {"type": "custom-title", "customTitle": "No"}', "u2")], "The first words"),
    ],
)  # fmt: skip
def test_title_of_a_large_session(write: Write, rows: list[Row], title_rows: list[Row], title: str) -> None:
    """A title is found wherever in the seen part it stands."""
    at = len(rows) - 100
    assert READER.summarise(write(*rows[:at], *title_rows, *rows[at:])).title == title


@pytest.mark.parametrize("size", [3, 200], ids=["small", "large"])
def test_summary_tells_of_errors(write: Write, size: int) -> None:
    """A tool call that failed is told, and no word that only looks so."""
    failed = prompt([{"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": True}], "r1")
    quoted = prompt('"is_error":true "is_error": true', "u2")
    assert READER.summarise(write(*long_session(size), failed)).has_errors
    assert not READER.summarise(write(*long_session(size), quoted)).has_errors


def test_large_summary_without_whole_rows(write: Write) -> None:
    """Of a session of one huge row what can be seen of it is told."""
    row = {"type": "user", "timestamp": "2026-03-02T09:00:00.000Z", "message": {"content": "x" * (5 << 20)}}
    session = READER.summarise(write(row))
    assert (session.count, session.created_at) == (1, "2026-03-02T09:00:00.000Z")


def test_estimate_leaves_out_empty_thoughts(write: Write) -> None:
    """Rows in which there is nothing to see are not counted."""
    thought = {"type": "thinking", "thinking": "", "signature": "x" * 900}
    empty = {"type": "assistant", "message": {"content": [thought]}}
    assert READER.summarise(write(*long_session(100), *[empty] * 40)).count == 100
