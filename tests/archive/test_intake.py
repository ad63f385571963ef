from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import growing
from archives import (
    SCROLL_ID,
    JsonObject,
    ScriptedReader,
    join_lines,
    message,
    meta_event,
    native_source,
    records,
    scripted_source,
    write_document,
    write_session,
)
from growing import LineReader, growing_source
from scrollcast.archive.encoding import TimedRecord
from scrollcast.archive.formats import Revised, SessionSource
from scrollcast.archive.intake import Intake, TimedItem, open_intake
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Session

SESSION = Session(SCROLL_ID, created_at="2026-03-02T08:59:00Z")


@pytest.fixture
def folder(root: Path) -> Path:
    """A native session of two messages, a second apart, and a meta event with the last."""
    return write_session(root, [message("m0"), message("m1", 1)], [meta_event("x0", 1)])


@pytest.fixture
def intake(folder: Path) -> Iterator[Intake]:
    """Its messages, read to their end."""
    yield from _opened(native_source(folder), meta=False)


@pytest.fixture
def merged(folder: Path) -> Iterator[Intake]:
    """Its messages and meta events, read to their end."""
    yield from _opened(native_source(folder), meta=True)


def _opened(source: SessionSource, *, meta: bool) -> Iterator[Intake]:
    intake = open_intake(source, SESSION, meta=meta)
    pull(intake)
    yield intake
    intake.close()


def named(items: Iterable[TimedItem]) -> list[str]:
    """The ids of records; `bad` and `revised` for what is none."""
    names = []
    for item in items:
        match item:
            case TimedRecord():
                names.append(item.record.id)
            case BadRecord():
                names.append(f"bad {item.line}")
            case Revised():
                names.append("revised")
    return names


def pull(intake: Intake, *, tail: bool = False) -> list[str]:
    """What came since."""
    return named(intake.pull(tail=tail))


def append(folder: Path, *lines: JsonObject | bytes, name: str = "messages.jsonl") -> None:
    """Add lines to a file; bytes as they are, without an end."""
    with (folder / name).open("ab") as file:
        for line in lines:
            file.write(line if isinstance(line, bytes) else join_lines([line]))


def append_meta(folder: Path, *lines: JsonObject) -> None:
    """Add meta events."""
    append(folder, *lines, name="meta_events.jsonl")


# ---------------------------------------------------------------------------------------------------- a file of lines


def test_what_came_since_is_given_once(intake: Intake, folder: Path) -> None:
    """Records in the order of the lines, times that go on from those before, bad lines with their number."""
    append(folder, message("m2", 5), b"{broken\n", message("m3", 4))
    items = list(intake.pull(tail=False))

    assert named(items) == ["m2", "bad 4", "m3"]
    assert [item.t_ms for item in items if isinstance(item, TimedRecord)] == [5000, 5000]
    assert pull(intake) == []


WHOLE = join_lines([message("m2", 2)])


def test_a_last_line_without_an_end_comes_when_it_is_asked_for(intake: Intake, folder: Path) -> None:
    """It is given once: not again when its end is written."""
    append(folder, WHOLE[:-1])
    waiting = pull(intake)
    given = [pull(intake, tail=True), pull(intake, tail=True)]
    append(folder, b"\n", message("m3", 3))

    assert waiting == []
    assert given == [["m2"], []]
    assert pull(intake) == ["m3"]


def test_an_end_of_two_bytes(intake: Intake, folder: Path) -> None:
    """A carriage return before the line end is no part of the line."""
    append(folder, WHOLE[:-1] + b"\r")
    given = pull(intake, tail=True)
    append(folder, b"\n")

    assert (given, pull(intake)) == (["m2"], [])


def test_a_line_that_was_given_and_goes_on_is_revised(intake: Intake, folder: Path) -> None:
    """It was taken as whole, and was not."""
    append(folder, WHOLE[:-1])
    given = pull(intake, tail=True)
    append(folder, b" [more]\n")

    assert (given, pull(intake)) == (["m2"], ["revised", "bad 3"])


def test_a_half_written_line_is_no_bad_record(intake: Intake, folder: Path) -> None:
    """The session stops in it as long as it is so, and it comes when it is whole."""
    append(folder, WHOLE[:20])
    half = (pull(intake, tail=True), intake.half_written)
    append(folder, WHOLE[20:-1])
    whole = (pull(intake, tail=True), intake.half_written)
    append(folder, b"\n" + WHOLE[:5])
    again = (pull(intake, tail=True), intake.half_written)

    assert (half, whole, again) == (([], True), (["m2"], False), ([], True))


@given(cuts=st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=8))
def test_however_it_grows_the_records_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, bool]]
) -> None:
    """In pieces of any size, the tail asked for at any time: each record once, unless it says that it was revised."""
    data = join_lines([message("m0"), b"{broken", message("m1", 1, content_md="\u2028\u00e9"), b"", message("m2", 2)])
    folder = tmp_path_factory.mktemp("grows")
    path = write_session(folder, []) / "messages.jsonl"
    intake = open_intake(native_source(path.parent), SESSION, meta=False)
    given = pull(intake)
    for size, tail in [*cuts, (len(data), False)]:
        append(path.parent, data[:size])
        data = data[size:]
        given += pull(intake, tail=tail)
    intake.close()

    assert given == ["m0", "bad 2", "m1", "m2"]


# ------------------------------------------------------------------------------------------------------- two of them


def test_two_files_are_merged_by_time_as_they_grow(merged: Intake, folder: Path) -> None:
    """What comes at once comes in order, a message first where equal."""
    append(folder, message("m2", 2), message("m3", 4))
    append_meta(folder, meta_event("x1", 2), meta_event("x2", 3))

    assert pull(merged) == ["m2", "x1", "x2", "m3"]


@pytest.mark.parametrize(
    ("messages", "meta_events", "given"),
    [
        ([3], [2], ["x1"]),
        ([], [2], ["x1"]),
        ([2], [2], ["x1"]),
        ([3], [1], ["revised", "x1"]),
    ],
)
def test_what_comes_too_late_for_its_place_is_revised(
    merged: Intake, folder: Path, messages: list[int], meta_events: list[int], given: list[str]
) -> None:
    """A meta event of a moment before what was given has another place, unless nothing was given since."""
    append(folder, *(message(f"m{second}", second - 1) for second in messages))
    pull(merged)
    append_meta(folder, *(meta_event("x1", second) for second in meta_events))

    assert pull(merged) == given


def test_a_message_of_the_same_moment_as_a_meta_event_that_was_given_is_revised(merged: Intake, folder: Path) -> None:
    """Messages come first where equal."""
    append(folder, message("m2", 1))

    assert pull(merged) == ["revised", "m2"]


def test_a_file_of_meta_events_may_begin_later(root: Path) -> None:
    """A session has none until something happens."""
    folder = write_session(root, [message("m0")])
    intake = open_intake(native_source(folder), SESSION, meta=True)
    first = pull(intake)
    append_meta(folder, meta_event("x0", 1))

    assert (first, pull(intake)) == (["m0"], ["x0"])
    intake.close()


def test_a_message_that_comes_when_meta_events_set_the_time_is_revised(root: Path) -> None:
    """Recorded time counts from the first message, once there is one."""
    folder = write_session(root, [], [meta_event("x0", 5), meta_event("x1", 6)])
    intake = open_intake(native_source(folder), SESSION, meta=True)
    first = [(item.record.id, item.t_ms) for item in intake.pull(tail=True) if isinstance(item, TimedRecord)]
    append(folder, message("m0", 7))

    assert first == [("x0", 0), ("x1", 1000)]
    assert pull(intake) == ["revised", "m0"]
    intake.close()


def test_the_tail_of_one_file_has_its_place_among_the_other(root: Path) -> None:
    """A session that is read for the first time is in order, also where its last message has no end."""
    folder = write_session(root, [message("m0")], [meta_event("x0", 9)])
    append(folder, join_lines([message("m1", 3)])[:-1])
    intake = open_intake(native_source(folder), SESSION, meta=True)

    assert pull(intake, tail=True) == ["m0", "m1", "x0"]
    assert not intake.half_written
    intake.close()


# --------------------------------------------------------------------------------------------------------- noticing


@pytest.mark.parametrize("name", ["messages.jsonl", "meta_events.jsonl"])
@pytest.mark.parametrize(
    ("rewrite", "has_only_grown", "is_intact"),
    [
        (lambda data: data + b"\n", True, True),
        (lambda data: data[:-2], False, False),
        (lambda data: data.replace(b"0", b"9", 1), True, False),
    ],
    ids=["grown", "shorter", "changed"],
)
def test_either_file_tells(
    merged: Intake, folder: Path, name: str, rewrite: Callable[[bytes], bytes], has_only_grown: bool, is_intact: bool
) -> None:
    """A session is what it was as long as all its files are."""
    data = (folder / name).read_bytes()
    with (folder / name).open("r+b") as file:
        file.write(rewrite(data))
        file.truncate()

    assert (merged.has_only_grown(), merged.is_intact()) == (has_only_grown, is_intact)


# -------------------------------------------------------------------------------------------------- what is held back


def test_what_is_held_back_can_be_asked_for(tmp_path: Path) -> None:
    """As often as wanted: it changes nothing, and comes out of the next line."""
    source = growing_source(tmp_path, LineReader(held=1), "a", "b")
    intake = open_intake(source, SESSION, meta=False)
    first = pull(intake)
    held = [named(intake.pending()) for _ in range(2)]
    growing.append(source, "c")

    assert (first, held) == (["a"], [["b"], ["b"]])
    assert (pull(intake), named(intake.pending())) == (["b"], ["c"])
    intake.close()


# --------------------------------------------------------------------------------------------------------- all at once


@pytest.mark.parametrize("meta", [False, True])
def test_a_document_is_read_once(root: Path, meta: bool) -> None:
    """Whatever comes later has to be read anew."""
    path = write_document(root, [message("m0"), message("m1", 2)], [meta_event("x0", 1)])
    intake = open_intake(native_source(path), SESSION, meta=meta)

    assert not intake.can_grow
    assert pull(intake, tail=True) == (["m0", "x0", "m1"] if meta else ["m0", "m1"])
    assert (pull(intake), list(intake.pending())) == ([], [])
    assert not intake.has_only_grown()
    intake.close()


def test_a_reader_without_a_decoder_gives_what_it_gives(tmp_path: Path) -> None:
    """Bad records too."""
    source = scripted_source(tmp_path, ScriptedReader(*records(2), BadRecord(7)))

    assert pull(open_intake(source, SESSION, meta=False), tail=True) == ["m0", "m1", "bad 7"]


# ---------------------------------------------------------------------------------------------------------- its holder


def test_nothing_is_held_after_closing(folder: Path, open_files: Callable[[Path], int]) -> None:
    """Both files are let go, also where one of them was never there."""
    intake = open_intake(native_source(folder), SESSION, meta=True)
    pull(intake)
    held = open_files(folder)
    intake.close()

    assert (held, open_files(folder)) == (2, 0)


def test_messages_that_are_missing_are_an_archive_error(folder: Path) -> None:
    """Meta events may be missing, messages may not."""
    (folder / "messages.jsonl").unlink()
    intake = open_intake(native_source(folder), SESSION, meta=True)

    with pytest.raises(ArchiveError, match="missing"):
        pull(intake)
    intake.close()
