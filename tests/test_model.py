import dataclasses
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.model import (
    BadRecord,
    MarkerKind,
    Message,
    Part,
    Record,
    Session,
    derive_scroll_id,
    parse_part,
    parse_parts,
    wire_role,
)

SCROLL_ID: Final = UUID("3f2b0c1e-0000-4000-8000-000000000001")

PARTS: Final[tuple[Part, ...]] = (
    {"type": "text", "text": "hello"},
    {"type": "thinking", "text": "hm"},
    {"type": "code", "language": "python", "text": "1"},
    {
        "type": "tool_call",
        "call_id": "c1",
        "name": "Bash",
        "kind": "execute",
        "title": "ls",
        "input": {"command": "ls"},
    },
    {"type": "tool_result", "call_id": "c1", "output": [{"type": "text", "text": "a"}], "is_error": False},
    {"type": "image", "mime_type": "image/png", "data": "AAAA"},
    {"type": "image", "mime_type": "image/png", "uri": "https://example.org/a.png"},
    {"type": "resource", "uri": "file:///a", "mime_type": "text/plain", "text": "a"},
    {"type": "plan", "entries": [{"content": "do it", "status": "pending", "priority": "high"}]},
    {"type": "unknown", "raw": {"type": "video"}},
)
"""One good part of each type, with each field that the protocol gives it."""


def part_of(kind: str) -> Part:
    """The good part of a type."""
    return next(part for part in PARTS if part["type"] == kind)


# -------------------------------------------------------------------------------------------------- good parts


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["type"])
def test_a_part_of_each_type_parses(part: Part) -> None:
    """A part of the protocol is taken as it is."""
    assert parse_part(part) == part


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["type"])
def test_a_field_that_is_not_known_survives(part: Part) -> None:
    """A part is checked and not rebuilt, so what a later version added is still there."""
    assert parse_part({**part, "x-new": [1]}) == {**part, "x-new": [1]}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("code", "language"),
        ("tool_call", "kind"),
        ("tool_call", "title"),
        ("tool_call", "input"),
        ("resource", "mime_type"),
        ("resource", "text"),
    ],
)
def test_fields_that_may_be_missing(kind: str, name: str) -> None:
    """What many writers leave out may be left out, or be null."""
    part = part_of(kind)
    without = {other: value for other, value in part.items() if other != name}

    assert parse_part(without) == without
    assert parse_part({**part, name: None}) == {**part, name: None}


@pytest.mark.parametrize("kind", ["tool_call", "tool_result"])
def test_a_call_id_may_be_null(kind: str) -> None:
    """A call that nobody numbered has no id to say."""
    part = {**part_of(kind), "call_id": None}

    assert parse_part(part) == part


@pytest.mark.parametrize("value", [{}, [], "text", 5, None, True])
def test_an_input_may_be_any_value(value: object) -> None:
    """What a tool takes is its own affair."""
    part = {**part_of("tool_call"), "input": value}

    assert parse_part(part) == part


@pytest.mark.parametrize("kind", ["video", "", "Text", "text ", "tool-call", "__class__"])
def test_a_type_that_is_not_known_becomes_unknown(kind: str) -> None:
    """It parses, whole, under `raw`."""
    part = {"type": kind, "text": 5, "output": None}

    assert parse_part(part) == {"type": "unknown", "raw": part}


def test_an_unknown_part_without_raw_is_raw_itself() -> None:
    """An archive's own `unknown` that lacks its field is treated as a type that nobody knows."""
    assert parse_part({"type": "unknown", "x": 1}) == {"type": "unknown", "raw": {"type": "unknown", "x": 1}}
    assert parse_part({"type": "unknown", "raw": None}) == {"type": "unknown", "raw": None}


def test_unknown_parts_inside_an_output() -> None:
    """The parts of an output are parsed like any others, at any depth, and the archive's own record stays as it was."""
    inner = {**part_of("tool_result"), "output": [{"type": "video"}]}
    outer = {**part_of("tool_result"), "output": [inner, {"type": "text", "text": "a"}]}
    parsed = parse_part(outer)

    assert parsed is not None
    assert parsed["output"][0]["output"] == [{"type": "unknown", "raw": {"type": "video"}}]
    assert parsed["output"][1] == {"type": "text", "text": "a"}
    assert inner["output"] == [{"type": "video"}]


@pytest.mark.parametrize(
    "entry",
    [{"content": "a"}, {"content": "a", "status": None, "priority": None}, {"content": "", "status": "odd", "x": 1}],
)
def test_plan_entries(entry: dict[str, object]) -> None:
    """An entry needs nothing but its content."""
    part = {"type": "plan", "entries": [entry]}

    assert parse_part(part) == part


# --------------------------------------------------------------------------------------------------- bad parts


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "text", [], [{"type": "text", "text": "a"}], ("type",)])
def test_no_object_is_no_part(value: object) -> None:
    """A part is a JSON object."""
    assert parse_part(value) is None


@pytest.mark.parametrize("kind", [None, 5, True, ["text"], {"type": "text"}])
def test_a_part_has_a_type(kind: object) -> None:
    """A part without a type, or with one that is no text, does not parse."""
    assert parse_part({"type": kind, "text": "a"}) is None
    assert parse_part({"text": "a"}) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("text", "text"),
        ("thinking", "text"),
        ("code", "text"),
        ("tool_call", "call_id"),
        ("tool_call", "name"),
        ("tool_result", "call_id"),
        ("tool_result", "output"),
        ("tool_result", "is_error"),
        ("image", "mime_type"),
        ("image", "data"),
        ("resource", "uri"),
        ("plan", "entries"),
    ],
)
def test_fields_that_may_not_be_missing(kind: str, name: str) -> None:
    """A part of a known type without a field that it needs does not parse."""
    assert parse_part({other: value for other, value in part_of(kind).items() if other != name}) is None


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        *((kind, "text", value) for kind in ("text", "thinking", "code") for value in (None, 5, True, ["a"], {"a": 1})),
        ("code", "language", 5),
        ("tool_call", "call_id", 5),
        ("tool_call", "name", None),
        ("tool_call", "name", ["Bash"]),
        ("tool_call", "kind", 5),
        ("tool_call", "title", {}),
        ("tool_result", "call_id", 5),
        ("tool_result", "output", None),
        ("tool_result", "output", "a"),
        ("tool_result", "output", {}),
        ("tool_result", "output", ["a"]),
        ("tool_result", "output", [{"type": "text"}]),
        ("tool_result", "output", [{"type": "tool_result"}]),
        ("tool_result", "is_error", None),
        ("tool_result", "is_error", 0),
        ("tool_result", "is_error", "false"),
        ("image", "mime_type", None),
        ("image", "data", 5),
        ("image", "data", None),
        ("image", "uri", 5),
        ("resource", "uri", None),
        ("resource", "mime_type", 5),
        ("resource", "text", ["a"]),
        ("plan", "entries", None),
        ("plan", "entries", {}),
        ("plan", "entries", ["do it"]),
        ("plan", "entries", [{}]),
        ("plan", "entries", [{"content": None}]),
        ("plan", "entries", [{"content": "a", "status": 5}]),
        ("plan", "entries", [{"content": "a", "priority": 1}]),
    ],
)
def test_fields_of_a_wrong_type(kind: str, name: str, value: object) -> None:
    """A part of a known type with a field of another kind does not parse."""
    assert parse_part({**part_of(kind), name: value}) is None


# ------------------------------------------------------------------------------------------------- lists of parts


def test_parts_parse_together() -> None:
    """A list of good parts is that list, and an empty one parses too."""
    assert parse_parts(list(PARTS)) == list(PARTS)
    assert parse_parts([]) == []


@pytest.mark.parametrize("place", [0, 5, len(PARTS)])
def test_one_bad_part_spoils_all(place: int) -> None:
    """The archived parts are used when all of them parse, so that nothing is shown with a hole in it."""
    values = [*PARTS[:place], {"type": "text"}, *PARTS[place:]]

    assert parse_parts(values) is None


@pytest.mark.parametrize("values", [None, {}, "[]", 5, ({"type": "text", "text": "a"},)])
def test_no_list_is_no_parts(values: object) -> None:
    """Parts come in a JSON array."""
    assert parse_parts(values) is None


def test_outputs_inside_outputs_without_end() -> None:
    """A record nested deeper than anything real parses or does not, but does not take the session with it."""
    part = part_of("tool_result")
    for _ in range(450):
        part = {**part, "output": [part]}

    assert parse_part(part) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
near_parts = st.recursive(
    st.builds(
        lambda part, changes, dropped: {k: v for k, v in {**part, **changes}.items() if k not in dropped},
        st.sampled_from(PARTS),
        st.dictionaries(st.sampled_from(sorted({name for part in PARTS for name in part})), json_values, max_size=2),
        st.sets(st.sampled_from(sorted({name for part in PARTS for name in part})), max_size=1),
    ),
    lambda inner: st.lists(inner, max_size=3).map(
        lambda output: {"type": "tool_result", "call_id": None, "output": output, "is_error": True}
    ),
    max_leaves=4,
)


def is_whole(part: Part) -> bool:
    """Whether a part has what a client reads without asking, by the words of the protocol."""
    match part:
        case {"type": "text" | "thinking" | "code", "text": str()} | {"type": "unknown", "raw": _}:
            return True
        case {"type": "tool_call", "call_id": str() | None, "name": str()}:
            return True
        case {"type": "tool_result", "call_id": str() | None, "output": list(output), "is_error": bool()}:
            return all(is_whole(inner) for inner in output)
        case {"type": "image", "mime_type": str()}:
            return isinstance(part.get("data"), str) or isinstance(part.get("uri"), str)
        case {"type": "resource", "uri": str()}:
            return True
        case {"type": "plan", "entries": list(entries)}:
            return all(isinstance(entry["content"], str) for entry in entries)
        case _:
            return False


@given(value=json_values | near_parts)
def test_what_parses_is_whole(value: Any) -> None:
    """Whatever an archive holds, what comes out of it is a part that clients can rely on, or nothing."""
    part = parse_part(value)

    assert part is None or is_whole(part)


@given(value=json_values | near_parts)
def test_what_parsed_parses_again(value: Any) -> None:
    """A part of the protocol is its own parse."""
    part = parse_part(value)

    assert part is None or parse_part(part) == part


@given(values=st.lists(near_parts, max_size=4))
def test_a_list_parses_when_each_of_it_does(values: list[Any]) -> None:
    """A list of parts is the list of its parsed parts, or nothing."""
    each = [parse_part(value) for value in values]

    assert parse_parts(values) == (None if None in each else each)


# ------------------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize(
    ("archived", "role"),
    [
        ("assistant", "assistant"),
        ("user", "user"),
        ("system", "user"),
        ("tool", "user"),
        ("Assistant", "user"),
        ("developer", "user"),
        ("", "user"),
    ],
)
def test_roles_on_the_wire(archived: str, role: str) -> None:
    """`assistant` and `user` stay, every other archived role is `user`."""
    assert wire_role(archived) == role


@pytest.mark.parametrize(
    ("metadata", "role"),
    [(None, "user"), ({}, "user"), ({"model": "m"}, "user"), ({"archived_role": "system"}, "system")],
)
def test_the_archived_role_of_a_message(metadata: dict[str, Any] | None, role: str) -> None:
    """It is the one on the wire unless the metadata say otherwise."""
    message = Message("m1", "s1", "user", "2026-11-22T10:00:00Z", [], metadata=metadata)

    assert message.archived_role == role
    assert message.status == "completed"


def test_ids_of_other_tools_sessions() -> None:
    """The UUIDv5 of `<format>:<native id>`, in the namespace that anyone can work out."""
    namespace = uuid5(NAMESPACE_URL, "scrollcast")

    assert derive_scroll_id("claude_code", "abc") == uuid5(namespace, "claude_code:abc")
    assert derive_scroll_id("claude_code", "abc") != derive_scroll_id("codex", "abc")
    assert str(derive_scroll_id("claude_code", "abc")) == "004ab4fd-e323-546c-b975-cae899fa35f5"


@pytest.mark.parametrize(
    ("native", "connector_id", "session_id"),
    [("n-1", "n-1", "n-1"), (None, "", str(SCROLL_ID)), ("", "", str(SCROLL_ID))],
)
def test_a_session_s_ids_on_the_wire(native: str | None, connector_id: str, session_id: str) -> None:
    """The native id where there is one; else no connector id, and the scroll id as a text."""
    session = Session(SCROLL_ID, native_session_id=native)

    assert (session.connector_id, session.message_session_id) == (connector_id, session_id)


@pytest.mark.parametrize(
    ("record", "is_meta"), [(Record("a", None, role="user"), False), (Record("a", 5, kind="x"), True)]
)
def test_messages_and_meta_events(record: Record, is_meta: bool) -> None:
    """A record of a kind is a meta event."""
    assert record.is_meta is is_meta


@pytest.mark.parametrize(
    "record", [Session(SCROLL_ID), Record("a", None), BadRecord(3), Message("m", "s", "user", "t", [])], ids=repr
)
def test_records_stay_as_they_are(record: Session | Record | BadRecord | Message) -> None:
    """Records are shared between replays, so none of them changes."""
    name = dataclasses.fields(record)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def test_marker_kinds() -> None:
    """The kinds of markers that the protocol has, by their names on the wire."""
    assert [str(kind) for kind in MarkerKind] == ["turn", "tool", "error", "compaction", "subagent", "plan"]
