import json
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import sniffed
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.atif import AtifReader
from scrollcast.archive.formats.atif import reader as atif
from scrollcast.archive.formats.atif.steps import record_count, records_of
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

ROOT = Path(__file__).parents[3]
OURS = ROOT / "archive_fixtures" / "atif" / "swing-bridge"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"

JsonObject: TypeAlias = dict[str, Any]
READER = AtifReader()


# ------------------------------------------------------------------------------------------------------- helpers


def trajectory(*steps: Any, **fields: Any) -> JsonObject:
    """A trajectory of these steps."""
    agent = {"name": "quill", "version": "1", "model_name": "lumen-2"}
    return {"schema_version": "ATIF-v1.7", "session_id": "run-1", "agent": agent, "steps": list(steps), **fields}


def step(source: str, message: object = "", **fields: Any) -> JsonObject:
    """A step."""
    return {"step_id": 1, "source": source, "message": message, **fields}


def called(*call_ids: str, results: list[JsonObject] | None = None, **fields: Any) -> JsonObject:
    """An agent's step with calls, and what came of them."""
    calls = [{"tool_call_id": call_id, "function_name": "bash", "arguments": {}} for call_id in call_ids]
    return step("agent", tool_calls=calls, observation={"results": results or []}, **fields)


def delegated(*refs: JsonObject, call_id: str = "c1") -> JsonObject:
    """A step whose call started subagents."""
    return called(call_id, results=[{"source_call_id": call_id, "subagent_trajectory_ref": list(refs)}])


def write(root: Path, value: Any, name: str = "trajectory.json") -> Path:
    """Write a file."""
    path = root / name
    path.write_text(json.dumps(value))
    return path


def sources(path: Path) -> list[SessionSource]:
    """All sessions of a file."""
    return list(READER.locate(sniffed(path, path.parent), path.parent))


def items_of(source: SessionSource, *, meta: bool = False) -> list[Record | BadRecord]:
    """What the reader gives, each part checked."""
    items = list(READER.records(source, meta=meta))
    records = [item for item in items if isinstance(item, Record)]
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    return items


def steps_as_records(root: Path, *steps: Any, meta: bool = False) -> list[Record]:
    """The records of a trajectory of these steps; the summary counts the messages among them."""
    (source,) = sources(write(root, trajectory(*steps)))
    records = [item for item in items_of(source, meta=meta) if isinstance(item, Record)]
    assert READER.summarise(source).count == sum(not record.is_meta for record in records)
    return records


# --------------------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        ({"schema_version": "ATIF-v1.0", "steps": []}, True),
        ({"agent": {"schema_version": "x"}, "schema_version": "ATIF-v1.12"}, True),
        ({"trial": trajectory()}, False),
        ({"text": json.dumps(trajectory())}, False),
        ({"schema_version": "1.0", "steps": []}, False),
        ([trajectory()], False),
        ({"history": [], "trajectory": []}, False),
    ],
)
def test_files_that_are_claimed(root: Path, value: object, claimed: bool) -> None:
    """A trajectory has its version at the top level; one within another document is none."""
    assert READER.claims(sniffed(write(root, value), root)) == claimed


@pytest.mark.parametrize(
    "content", [b"{", b'{"schema_version": "ATIF-v1.7"', b'{"a": "\xff", "schema_version":"ATIF-v1']
)
def test_claims_never_raise(root: Path, content: bytes) -> None:
    """Whatever stands in a file, and wherever its beginning was cut."""
    path = root / "cut.json"
    path.write_bytes(content)

    READER.claims(sniffed(path, root))


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions are not here")
def test_other_tools_files_are_not_claimed() -> None:
    """Of the real sessions, none is a trajectory of this format."""
    files = [path for path in REAL_SESSIONS.rglob("*") if path.is_file() and path.stat().st_size]

    assert [path for path in files if READER.claims(sniffed(path, path.parent))] == []


# ---------------------------------------------------------------------------------------------------------- steps


def test_agents_step(root: Path) -> None:
    """What was thought, said and called is one message, each result another of role `tool`."""
    calls = [
        {"tool_call_id": "c1", "function_name": "execute_bash", "arguments": {"command": "ls"}},
        {"tool_call_id": "c2", "function_name": "view", "arguments": '{"path": "a.py"}', "extra": {"tries": 2}},
    ]
    results = [{"source_call_id": "c2", "content": "a"}, {"source_call_id": "c1", "content": None}]
    message, second, first = steps_as_records(
        root,
        step(
            "agent", "Look.", timestamp="2026-04-02T10:00:00Z", reasoning_content="Hm.", tool_calls=calls,
            observation={"results": results},
        ),
    )  # fmt: skip

    assert [part["type"] for part in message.content] == ["thinking", "text", "tool_call", "tool_call"]
    assert [(part["kind"], part["title"]) for part in message.content[2:]] == [("execute", "ls"), ("read", "a.py")]
    assert message.content[3]["extra"] == {"tries": 2}
    assert second.content == [
        {"type": "tool_result", "call_id": "c2", "output": [{"type": "text", "text": "a"}], "is_error": False}
    ]
    assert (first.role, first.content[0]["output"], first.timestamp) == ("tool", [], "2026-04-02T10:00:00Z")


@pytest.mark.parametrize(
    ("source", "role"), [("user", "user"), ("agent", "assistant"), ("system", "system"), ("critic", "system")]
)
def test_roles(root: Path, source: str, role: str) -> None:
    """The three sources are roles; one that is not known speaks as the system."""
    (record,) = steps_as_records(root, step(source, "Hello."))

    assert (record.role, record.content) == (role, [{"type": "text", "text": "Hello."}])


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("", []),
        (None, []),
        ([], []),
        ([{"type": "text", "text": "a"}, "b"], [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        (
            [{"type": "image", "source": {"media_type": "image/webp", "path": "../../x"}}],
            [{"type": "image", "mime_type": "image/webp", "uri": "../../x"}],
        ),
        (
            [{"type": "image", "source": {"path": "data:image/gif;base64,R0lG"}}],
            [{"type": "image", "mime_type": "image/gif", "data": "R0lG"}],
        ),
        ([{"type": "sound"}], [{"type": "unknown", "raw": {"type": "sound"}}]),
        ([{"type": "image"}], [{"type": "unknown", "raw": {"type": "image"}}]),
        (7, [{"type": "text", "text": "7"}]),
    ],
)
def test_content(root: Path, message: object, parts: list[JsonObject]) -> None:
    """Text, or texts and images by where they lie; what is not known stays as it is."""
    (record,) = steps_as_records(root, step("user", message))

    assert record.content == parts


def test_metadata_of_a_step(root: Path) -> None:
    """The model, what it cost, and whatever the step says besides."""
    metrics = {
        "prompt_tokens": 5,
        "cached_tokens": 3,
        "cost_usd": 0.1,
        "logprobs": [-1.0],
        "extra": {"reasoning_tokens": 2},
    }
    first, second = steps_as_records(
        root,
        step(
            "agent",
            "a",
            model_name="lumen-3",
            metrics=metrics,
            reasoning_effort="low",
            extra={"note": 1},
            brand_new=True,
        ),
        step("agent", "b", is_copied_context=True),
    )

    assert first.metadata == {
        "model": "lumen-3",
        "usage": {"prompt_tokens": 5, "cached_tokens": 3, "cost_usd": 0.1, "extra": {"reasoning_tokens": 2}},
        "atif": {"reasoning_effort": "low", "brand_new": True, "note": 1},
    }
    assert second.metadata == {"model": "lumen-2", "inherited": True}


@pytest.mark.parametrize(
    ("extra", "result_extra", "is_error"),
    [
        ({}, {"is_error": True}, True),
        ({"tool_result_is_error": True}, {}, True),
        ({"tool_result_is_error": False}, {"is_error": False}, False),
        ({}, {"is_error": "no"}, False),
    ],
)
def test_failures(root: Path, extra: JsonObject, result_extra: JsonObject, is_error: bool) -> None:
    """The schema has no place for a failure; the exporters note it beside the step or the result."""
    records = steps_as_records(
        root, called("c1", results=[{"source_call_id": "c1", "extra": result_extra}], extra=extra)
    )

    assert records[1].content[0]["is_error"] == is_error


def test_result_without_a_call(root: Path) -> None:
    """An action that is no tool call has a result all the same, and no message where nothing was said."""
    (record,) = steps_as_records(root, step("agent", observation={"results": [{"content": "done"}]}))

    assert (record.id, record.role, record.content[0]["call_id"]) == ("step-1-result-1", "tool", None)


@pytest.mark.parametrize(("kind", "compacts"), [("compaction", True), ("pruning", True), ("injection", False)])
def test_context_management(root: Path, kind: str, compacts: bool) -> None:
    """A notice shows what became of the context; where that was cut, there is a marker (RFC 0001, VII)."""
    managed = {"type": kind, "boundary": "replace"}
    notice = step(
        "system",
        "Compacted.",
        observation={"results": [{"content": "So far …"}]},
        extra={"context_management": managed},
    )
    (record,) = steps_as_records(root, notice)

    assert [part["text"] for part in record.content] == ["Compacted.", "So far …"]
    assert ("compaction" in (record.metadata or {})) == compacts
    assert [marker for marker, _ in record.markers] == ([MarkerKind.COMPACTION] if compacts else [])


@pytest.mark.parametrize("steps", [[7], ["x", None], [[]]])
def test_step_that_is_none(root: Path, steps: list[Any]) -> None:
    """A step that is no object is a bad record, and costs itself."""
    (source,) = sources(write(root, trajectory(*steps, step("user", "a"))))

    assert [type(item) for item in items_of(source)] == [BadRecord] * len(steps) + [Record]


def test_meta_events(root: Path) -> None:
    """What is said of the whole trajectory, and a number for each token, are meta events."""
    records = steps_as_records(
        root, step("agent", "a", metrics={"logprobs": [-1.0], "completion_token_ids": [7]}), meta=True
    )

    assert [(record.kind, record.role) for record in records] == [
        ("trajectory", ""),
        ("", "assistant"),
        ("metrics", ""),
    ]
    assert records[0].payload["agent"]["name"] == "quill"
    assert records[2].payload == {"logprobs": [-1.0], "completion_token_ids": [7]}


def json_values(depth: int = 3) -> st.SearchStrategy[Any]:
    """Anything that JSON can hold."""
    plain = st.none() | st.booleans() | st.integers(0, 9) | st.text("ab ", max_size=2)
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner), max_leaves=depth
    )


RESULTS = st.fixed_dictionaries(
    {}, optional={"source_call_id": json_values(), "content": json_values(), "subagent_trajectory_ref": json_values()}
)


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "source": st.sampled_from(["agent", "user", "system", "x"]) | json_values(),
            "message": st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text("a ")}))
            | json_values(),
            "reasoning_content": json_values(),
            "tool_calls": st.lists(st.just({}) | json_values(), max_size=2),
            "observation": st.fixed_dictionaries({"results": st.lists(RESULTS | json_values(), max_size=3)}),
            "metrics": json_values(),
            "extra": json_values(),
        },
    )
)
def test_count_agrees_with_the_records(fields: JsonObject) -> None:
    """Records are counted without being made, whatever a step holds."""
    assert record_count(fields) == len(list(records_of({"steps": [fields]}, meta=False)))


# ------------------------------------------------------------------------------------------------------ subagents


def test_embedded_subagents(root: Path) -> None:
    """Each is a session with a parent and the call that started it, and so is a subagent's own subagent."""
    inner = trajectory(step("user", "inner"), trajectory_id="b", session_id=None)
    outer = trajectory(
        delegated({"trajectory_id": "b"}, call_id="c9"), trajectory_id="a", subagent_trajectories=[inner]
    )
    path = write(
        root, trajectory(delegated({"trajectory_id": "a"}), trajectory_id="top", subagent_trajectories=[outer])
    )
    found = {source.member: READER.summarise(source) for source in sources(path)}

    assert list(found) == ["", "/0", "/0/0"]
    assert found[""].parent_scroll_id is None
    assert (found["/0"].parent_scroll_id, found["/0"].parent_call_id) == (found[""].scroll_id, "c1")
    assert (found["/0/0"].parent_scroll_id, found["/0/0"].parent_call_id) == (found["/0"].scroll_id, "c9")
    assert found["/0/0"].scroll_id == derive_scroll_id("atif", "top/a/b")
    assert [item.content for item in items_of(sources(path)[2]) if isinstance(item, Record)] == [
        [{"type": "text", "text": "inner"}]
    ]


@pytest.mark.parametrize(
    ("ref", "child"),
    [
        ({"session_id": "child"}, {"session_id": "child"}),
        ({"session_id": "?", "trajectory_path": "trajectory.child.json"}, {"session_id": "child"}),
        ({"trajectory_path": "/elsewhere/{folder}/trajectory.child.json"}, {"session_id": "child"}),
        ({"trajectory_id": "t"}, {"trajectory_id": "t", "session_id": "run-1"}),
    ],
)
@pytest.mark.parametrize("parent_name", ["trajectory.json", "other.json"])
def test_subagent_in_a_file_of_its_own(root: Path, ref: JsonObject, child: JsonObject, parent_name: str) -> None:
    """Its parent is the trajectory beside it that refers to it, by any of the three keys."""
    ref = {name: value.format(folder=root.name) for name, value in ref.items()}
    parent = sources(write(root, trajectory(delegated(ref)), parent_name))[0]
    (source,) = sources(write(root, trajectory(step("user", "x"), **child), "trajectory.child.json"))
    session = READER.summarise(source)

    assert (session.parent_scroll_id, session.parent_call_id) == (parent.scroll_id, "c1")


@pytest.mark.parametrize(
    "ref",
    [
        {"trajectory_id": "other", "session_id": "run-1"},
        {"session_id": "run-1"},
        {"trajectory_path": "elsewhere/trajectory.child.json"},
        {},
    ],
)
def test_session_that_shares_a_run_is_no_subagent(root: Path, ref: JsonObject) -> None:
    """From v1.7 on a run's id may be shared, so that it alone tells nothing; nor does a name in another folder."""
    write(root, trajectory(delegated(ref), trajectory_id="top"))
    (source,) = sources(write(root, trajectory(trajectory_id="cont", session_id="run-1"), "trajectory.child.json"))

    assert READER.summarise(source).parent_scroll_id is None


def test_parent_is_looked_for_among_few(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of many trajectories only the one that the name points at is opened."""
    monkeypatch.setattr(atif, "_MAX_SIBLINGS", 1)
    write(root, trajectory(delegated({"session_id": "child"})), "parent.json")
    write(root, [], "third.json")
    (source,) = sources(write(root, trajectory(session_id="child"), "child.json"))

    assert READER.summarise(source).parent_scroll_id is None


@pytest.mark.parametrize(
    "content", ["{broken", "[]", "null", '{"subagent_trajectory_ref": "ATIF-v1", "schema_version": 1}']
)
def test_broken_file_beside_a_subagent(root: Path, content: str) -> None:
    """What stands beside a trajectory does not break it."""
    (root / "trajectory.json").write_text(content)
    (source,) = sources(write(root, trajectory(session_id="child"), "trajectory.child.json"))

    assert READER.summarise(source).parent_scroll_id is None


def test_markers_of_subagents(root: Path) -> None:
    """The call that started one is marked with its name; of one that the system started, the notice is."""
    named = {"trajectory_id": "a", "agent": {"name": "surveyor"}, "steps": []}
    notice = step(
        "system", "Handed over.", observation={"results": [{"subagent_trajectory_ref": [{"session_id": "s"}]}]}
    )
    loose = called("c1", results=[{"content": "x", "subagent_trajectory_ref": [{"trajectory_path": "p.json"}]}])
    value = trajectory(delegated({"trajectory_id": "a"}), notice, loose, subagent_trajectories=[named])
    records = [item for item in items_of(sources(write(root, value))[0]) if isinstance(item, Record)]

    assert [(record.id, label) for record in records for _, label in record.markers] == [
        ("step-1", "surveyor"), ("step-2", "s"), ("step-3-result-1", "p.json"),
    ]  # fmt: skip


def test_subagents_without_end(root: Path) -> None:
    """Subagents within subagents are listed down to a depth."""
    value = trajectory()
    for _ in range(20):
        value = trajectory(subagent_trajectories=[value])

    assert len(sources(write(root, value))) == 9


# --------------------------------------------------------------------------------------------------------- summary


def test_summary(root: Path) -> None:
    """The session tells who worked where, at what, for how long."""
    agent = {"name": "claude-code", "version": "2.1", "extra": {"cwds": ["C:\\work\\bridge"]}}
    value = trajectory(
        step("system", "You help."),
        step("user", "Copied.", is_copied_context=True, timestamp="2026-04-02T10:00:00Z"),
        step("user", "“Close it.”", timestamp="2026-04-02T10:00:01Z"),
        step("agent", "Closed.", timestamp="2026-04-02T10:00:09Z", model_name="lumen-3"),
        agent=agent,
        notes="A note.",
    )
    session = READER.summarise(sources(write(root, value))[0])

    assert (session.title, session.agent, session.model, session.project) == (
        "Close it.",
        "Claude Code",
        "lumen-3",
        "bridge",
    )
    assert (session.count, session.duration_ms, session.created_at) == (4, 9000, "2026-04-02T10:00:00.000Z")
    assert session.metadata["notes"] == "A note."
    assert not session.has_errors


@pytest.mark.parametrize(
    ("ids", "native_id"),
    [
        ({"trajectory_id": "t", "session_id": "s"}, "t"),
        ({"trajectory_id": "", "session_id": "s"}, "s"),
        ({"session_id": None}, "{folder}/trajectory"),
    ],
)
def test_native_id(root: Path, ids: JsonObject, native_id: str) -> None:
    """The document's own id, else its run's, else where it lies."""
    session = READER.summarise(sources(write(root, trajectory(**ids)))[0])

    assert session.native_session_id == native_id.format(folder=root.name)
    assert session.scroll_id == derive_scroll_id("atif", session.native_session_id)


@pytest.mark.parametrize("content", ["{broken", "[]"])
def test_broken_document(root: Path, content: str) -> None:
    """A document that is no trajectory is refused in a sentence."""
    path = write(root, trajectory())
    (source,) = sources(path)
    path.write_text(content)

    with pytest.raises(ArchiveError):
        READER.summarise(source)
    with pytest.raises(ArchiveError):
        list(READER.records(source, meta=False))


def test_subagent_that_is_gone(root: Path) -> None:
    """A trajectory that was written anew without one of its subagents."""
    _, gone = sources(write(root, trajectory(subagent_trajectories=[trajectory()])))
    write(root, trajectory())

    with pytest.raises(ArchiveError, match="no longer"):
        READER.summarise(gone)
    with pytest.raises(ArchiveError, match="no longer"):
        list(READER.records(gone, meta=False))


# ----------------------------------------------------------------------------------------------------------- ours


@pytest.mark.parametrize(
    ("name", "counts", "timing"),
    [
        ("question.trajectory.json", [3], "synthetic"),
        ("trajectory.json", [8], "recorded"),
        ("trajectory.summarization-1-summary.json", [3], "recorded"),
        ("delegated.json", [5, 2], "recorded"),
    ],
)
def test_our_trajectories(name: str, counts: list[int], timing: str) -> None:
    """Each shape of a trajectory is claimed and read whole."""
    found = sources(OURS / name)

    assert READER.claims(sniffed(OURS / name, OURS))
    assert [len(items_of(source)) for source in found] == counts
    assert [READER.summarise(source).timing for source in found] == [timing] * len(found)


def test_our_subagents_have_parents() -> None:
    """The subagent in a file of its own, and the embedded one."""
    (parent,) = sources(OURS / "trajectory.json")
    (child,) = sources(OURS / "trajectory.summarization-1-summary.json")
    top, embedded = map(READER.summarise, sources(OURS / "delegated.json"))

    assert READER.summarise(child).parent_scroll_id == parent.scroll_id
    assert (embedded.parent_scroll_id, embedded.parent_call_id) == (top.scroll_id, "t1")
