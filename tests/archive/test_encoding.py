import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import SCROLL_ID, at
from scrollcast.archive.encoding import EventEncoder, RecordTimer, SessionClock, TimedRecord, time_records
from scrollcast.archive.formats import Item
from scrollcast.archive.intake import TimedItem, merge_by_time
from scrollcast.model import BadRecord, MarkerKind, Part, Record, Session

FALLBACK = "2020-01-01T00:00:00Z"


def said(seconds: float | None, record_id: str = "m") -> Record:
    """A message at so many seconds, or without a time."""
    return Record(record_id, None if seconds is None else at(seconds), "user")


def noted(seconds: float | None, record_id: str = "x") -> Record:
    """A meta event at so many seconds, or without a time."""
    return Record(record_id, None if seconds is None else at(seconds), kind="mode_changed")


def text(value: str) -> Part:
    """A text part."""
    return {"type": "text", "text": value}


def call(name: str, title: str | None = None) -> Part:
    """A part that calls a tool."""
    return {"type": "tool_call", "call_id": "c", "name": name, "title": title}


def result(*output: Part, is_error: bool = False) -> Part:
    """A part that answers a call."""
    return {"type": "tool_result", "call_id": "c", "output": list(output), "is_error": is_error}


def encoded(record: Record, session: Session | None = None) -> Any:
    """The event that a record becomes."""
    encoder = EventEncoder(session or Session(SCROLL_ID, native_session_id="native-1"))
    return orjson.loads(encoder.encode(7, TimedRecord(1500, at(1.5), record)).data)


# ---------------------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("seconds", "t_ms", "created"),
    [
        ([0, 1.5, 4], [0, 1500, 4000], [0, 1.5, 4]),
        ([10, 12], [0, 2000], [10, 12]),
        ([0, 5, 3, 6], [0, 5000, 5000, 6000], [0, 5, 3, 6]),
        ([0, -5, 1], [0, 0, 1000], [0, -5, 1]),
        ([0, 5, None, 6], [0, 5000, 5000, 6000], [0, 5, 5, 6]),
        ([0, 5, 3, None], [0, 5000, 5000, 5000], [0, 5, 3, 3]),
        ([None, None, 2, 3], [0, 0, 0, 1000], [None, None, 2, 3]),
        ([None], [0], [None]),
        ([], [], []),
    ],
)
def test_recorded_time_never_decreases(
    seconds: list[float | None], t_ms: list[int], created: list[float | None]
) -> None:
    """`t_ms` counts from the first time and never goes back; each event keeps its own `created_at`, else the last."""
    timed = [item for item in time_records(map(said, seconds), FALLBACK) if isinstance(item, TimedRecord)]

    assert [item.t_ms for item in timed] == t_ms
    assert [item.created_at for item in timed] == [FALLBACK if moment is None else at(moment) for moment in created]


@pytest.mark.parametrize("unusable", [None, "", "[trimmed for fixture]", {}, True, -1, "0001-01-01T00:00+14:00"])
def test_unusable_timestamp_takes_its_predecessors(unusable: object) -> None:
    """A timestamp that tells no time is as good as none."""
    timed = list(time_records([said(0), said(2), Record("m", unusable, "user")], FALLBACK))

    assert timed[2] == TimedRecord(2000, at(2), Record("m", unusable, "user"))


def test_created_at_is_rfc3339() -> None:
    """A time in another form than RFC 3339 becomes it."""
    (timed,) = time_records([Record("m", 1_772_442_000_123, "user")], FALLBACK)

    assert isinstance(timed, TimedRecord)
    assert timed.created_at == "2026-03-02T09:00:00.123Z"


def test_bad_records_pass_through() -> None:
    """A record that could not be read keeps its place and costs no time."""
    timed = list(time_records([said(0), BadRecord(2), said(1)], FALLBACK))

    assert timed[1] == BadRecord(2)
    assert [item.t_ms for item in timed if isinstance(item, TimedRecord)] == [0, 1000]


def test_meta_event_among_the_messages_sets_no_base() -> None:
    """Time counts from the first message, also where meta events stand before it in the same file."""
    timed = list(time_records([noted(0), said(3), noted(4)], FALLBACK))

    assert [item.t_ms for item in timed if isinstance(item, TimedRecord)] == [0, 0, 1000]


def merged_by_time(messages: Iterable[Item], meta_events: Iterable[Item]) -> Iterator[TimedItem]:
    """Two files' records, timed by one clock, as one sequence."""
    clock = SessionClock(FALLBACK)
    said_by, noted_by = RecordTimer(clock), RecordTimer(clock, meta_sets_base=True)
    return merge_by_time(
        (said_by.time(item) if isinstance(item, Record) else item for item in messages),
        (noted_by.time(item) if isinstance(item, Record) else item for item in meta_events),
        clock,
    )


@pytest.mark.parametrize(
    ("messages", "meta_events", "merged"),
    [
        ([0, 2], [1, 3], [("m0", 0), ("x0", 1000), ("m1", 2000), ("x1", 3000)]),
        ([0, 2], [2, 2], [("m0", 0), ("m1", 2000), ("x0", 2000), ("x1", 2000)]),
        ([5, 7], [0, 6], [("m0", 0), ("x0", 0), ("x1", 1000), ("m1", 2000)]),
        ([0, 5, 3], [4], [("m0", 0), ("x0", 4000), ("m1", 5000), ("m2", 5000)]),
        ([0, 5], [4, 2], [("m0", 0), ("x0", 4000), ("x1", 4000), ("m1", 5000)]),
        ([0, 5], [None, 2], [("m0", 0), ("x0", 0), ("x1", 2000), ("m1", 5000)]),
        ([None, 5, 6], [5.5], [("m0", 0), ("m1", 0), ("x0", 500), ("m2", 1000)]),
        ([None, None], [3, 4], [("m0", 0), ("m1", 0), ("x0", 0), ("x1", 1000)]),
        ([], [3, 4], [("x0", 0), ("x1", 1000)]),
        ([3, 4], [], [("m0", 0), ("m1", 1000)]),
        ([], [], []),
    ],
)
def test_meta_events_are_merged_by_time(
    messages: list[float | None], meta_events: list[float | None], merged: list[tuple[str, int]]
) -> None:
    """Meta events come by recorded time, behind the messages of the same; one before the first message takes 0."""
    said_ones = [said(seconds, f"m{number}") for number, seconds in enumerate(messages)]
    noted_ones = [noted(seconds, f"x{number}") for number, seconds in enumerate(meta_events)]
    timed = merged_by_time(said_ones, noted_ones)

    assert [(item.record.id, item.t_ms) for item in timed if isinstance(item, TimedRecord)] == merged


def test_messages_have_the_same_times_with_and_without_meta_events() -> None:
    """A link to a moment means the same whether or not meta events are shown."""
    messages = [said(seconds, "m") for seconds in (None, 4, 2, 9)]
    alone = list(time_records(messages, FALLBACK))
    merged = list(merged_by_time(messages, [noted(0), noted(5)]))

    assert [item for item in merged if isinstance(item, TimedRecord) and not item.record.is_meta] == alone


SECONDS = st.none() | st.integers(-10, 10)


@given(messages=st.lists(SECONDS | st.just("bad")), meta_events=st.lists(SECONDS | st.just("bad")))
def test_merging_loses_nothing_and_never_goes_back(messages: list[Any], meta_events: list[Any]) -> None:
    """Whatever the timestamps, every record comes once, each kind in its order, in times that never decrease."""
    said_ones = [BadRecord(1) if item == "bad" else said(item, f"{n}") for n, item in enumerate(messages)]
    noted_ones = [BadRecord(2) if item == "bad" else noted(item, f"{n}") for n, item in enumerate(meta_events)]
    merged = list(merged_by_time(said_ones, noted_ones))
    records = [item.record if isinstance(item, TimedRecord) else item for item in merged]
    times = [item.t_ms for item in merged if isinstance(item, TimedRecord)]

    assert times == sorted(times)
    assert times[:1] in ([], [0])
    assert [r for r in records if r == BadRecord(1) or (isinstance(r, Record) and not r.is_meta)] == said_ones
    assert [r for r in records if r == BadRecord(2) or (isinstance(r, Record) and r.is_meta)] == noted_ones


# --------------------------------------------------------------------------------------------------------- events


def test_message_as_an_event() -> None:
    """A message's own bytes are number, time and event, as the protocol has them."""
    record = Record("m1", at(1.5), "assistant", [text("Hello")], {"model": "lumen-2"})

    assert encoded(record) == {
        "seq": 7,
        "t_ms": 1500,
        "event": {
            "type": "message_completed",
            "connector_id": "native-1",
            "message": {
                "id": "m1",
                "session_id": "native-1",
                "role": "assistant",
                "created_at": at(1.5),
                "content": [{"type": "text", "text": "Hello"}],
                "status": "completed",
                "metadata": {"model": "lumen-2"},
            },
        },
    }


def test_an_event_holds_no_more_memory_than_its_bytes() -> None:
    """Whoever keeps some hundreds of short ones does not keep megabytes."""
    encoder = EventEncoder(Session(SCROLL_ID, native_session_id="native-1"))
    record = Record("m", at(0), "user", [text("short")])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        events = [encoder.encode(0, TimedRecord(0, at(0), record)).data for _ in range(500)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2 * sum(map(len, events))


def test_meta_event_as_an_event() -> None:
    """A meta event's own bytes are number, time and event, as the protocol has them."""
    record = Record("x1", at(1.5), kind="mode_changed", payload={"mode": "plan"})

    assert encoded(record, Session(SCROLL_ID)) == {
        "seq": 7,
        "t_ms": 1500,
        "event": {
            "type": "meta_event",
            "connector_id": "",
            "meta_event": {
                "id": "x1",
                "session_id": str(SCROLL_ID),
                "kind": "mode_changed",
                "created_at": at(1.5),
                "payload": {"mode": "plan"},
            },
        },
    }


@pytest.mark.parametrize(
    ("role", "metadata", "role_sent", "metadata_sent"),
    [
        ("user", None, "user", None),
        ("user", {}, "user", None),
        ("assistant", {"a": 1}, "assistant", {"a": 1}),
        ("system", None, "user", {"archived_role": "system"}),
        ("tool", {"a": 1}, "user", {"a": 1, "archived_role": "tool"}),
        ("", None, "user", {"archived_role": ""}),
        ("Assistant", None, "user", {"archived_role": "Assistant"}),
        ("tool", {"archived_role": "forged"}, "user", {"archived_role": "tool"}),
    ],
)
def test_role_on_the_wire(role: str, metadata: dict[str, Any] | None, role_sent: str, metadata_sent: object) -> None:
    """Two roles stay; any other is `user`, with the original in the metadata."""
    message = encoded(Record("m", None, role, [], metadata))["event"]["message"]

    assert (message["role"], message["metadata"]) == (role_sent, metadata_sent)


# -------------------------------------------------------------------------------------------------------- markers


@pytest.mark.parametrize(
    ("role", "content", "is_turn", "is_tool"),
    [
        ("user", [text("Hi")], True, False),
        ("user", [], True, False),
        ("user", [result()], False, False),
        ("user", [result(), result()], False, False),
        ("user", [result(), text("and go on")], True, False),
        ("tool", [text("output")], False, False),
        ("system", [text("rules")], False, False),
        ("assistant", [text("Hello")], False, False),
        ("assistant", [text("Look"), call("Bash")], False, True),
        ("user", [call("Bash")], True, True),
    ],
)
def test_what_is_a_turn_and_what_a_tool(role: str, content: list[Part], is_turn: bool, is_tool: bool) -> None:
    """A turn is a message that the archive calls `user` and that is not only tool results; a tool has a call."""
    event = EventEncoder(Session(SCROLL_ID)).encode(0, TimedRecord(0, at(0), Record("m", None, role, content)))

    assert (event.is_turn, event.is_tool) == (is_turn, is_tool)


@pytest.mark.parametrize(
    ("role", "content", "markers"),
    [
        ("user", [text("  Why \n\n is it\tdark? ")], [("turn", "Why is it dark?")]),
        ("user", [text(""), text("second")], [("turn", "second")]),
        ("user", [{"type": "image", "mime_type": "image/png", "data": ""}], [("turn", "(image)")]),
        ("user", [], [("turn", "(no text)")]),
        ("user", [text("x" * 81)], [("turn", "x" * 79 + "…")]),
        ("user", [text("x" * 80)], [("turn", "x" * 80)]),
        ("assistant", [text("Hello")], []),
        ("assistant", [call("Bash")], [("tool", "Bash")]),
        ("assistant", [call("Bash", "make test"), call("Read")], [("tool", "Bash: make test (+1)")]),
        ("assistant", [call("Bash", "Bash")], [("tool", "Bash")]),
        ("user", [result(text("no such file"), is_error=True)], [("error", "no such file")]),
        ("user", [result(text("\x1b[1;31mFAILED\x1b[0m *one* `two`"), is_error=True)], [("error", "FAILED one two")]),
        ("user", [result(is_error=True), result(is_error=True)], [("error", "error (+1)")]),
        ("user", [result(text("fine"))], []),
        (
            "assistant",
            [{"type": "plan", "entries": [{"content": "a", "status": "completed"}, {"content": "b"}]}],
            [("plan", "1 of 2 done")],
        ),
        (
            "user",
            [text("Go on"), result(text("bad"), is_error=True)],
            [("turn", "Go on"), ("error", "bad")],
        ),
    ],
)
def test_markers_of_a_message(role: str, content: list[Part], markers: list[tuple[str, str]]) -> None:
    """Turns, calls, failures and plans are marked, each with a short label."""
    event = EventEncoder(Session(SCROLL_ID)).encode(0, TimedRecord(0, at(0), Record("m", None, role, content)))

    assert [(str(kind), label) for kind, label in event.markers] == markers


def test_markers_of_the_reader_are_kept() -> None:
    """What only a reader can know of is marked too, on meta events as well."""
    record = Record("x", None, kind="compact", markers=[(MarkerKind.COMPACTION, "compacted")])
    event = EventEncoder(Session(SCROLL_ID)).encode(0, TimedRecord(0, at(0), record))

    assert event.markers == ((MarkerKind.COMPACTION, "compacted"),)
    assert not event.is_turn
