# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

import asyncio
import os
import sys
import threading
from array import array
from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path
from unittest.mock import Mock, call

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import SCROLL_ID, ScriptedReader, records, scripted_source
from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.index import Openness, SessionIndex, hash_id
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.archive.page_cache import CachedPages
from scrollcast.errors import ArchiveError
from scrollcast.model import Record, Session

COLLIDING = ("plumless", "buckeroo")
"""Two texts with the same CRC-32."""


def built(folder: Path, *script: Record) -> SessionIndex:
    """The index of a session of these records."""
    source = scripted_source(folder, ScriptedReader(*script))
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    builder = IndexBuilder(source, Session(SCROLL_ID), Fingerprint.of(source), cache, meta=False)
    builder.run()
    return builder.index


def named(*ids: str) -> list[Record]:
    """Messages with these ids."""
    return [Record(name, None, "user") for name in ids]


# -------------------------------------------------------------------------------------------------------- reading


async def test_block_holds_a_run_of_events(tmp_path: Path) -> None:
    """A run of events is read as it lies in the file: each event's own bytes, a comma between."""
    index = built(tmp_path, *records(5))
    block = await index.read(1, 4)
    events = [bytes(block.event(seq)) for seq in (1, 2, 3)]

    assert [orjson.loads(event)["seq"] for event in events] == [1, 2, 3]
    assert bytes(block.run()) == b",".join(events)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=200), st.integers(-10, 900))
def test_runs_are_cut_where_those_of_others_are(sizes: list[int], limit: int) -> None:
    """From wherever somebody begins, one goes on from where others do; and none is longer than was allowed."""
    index = SessionIndex(Session(SCROLL_ID), "an epoch")
    index.offsets = array("Q", accumulate(sizes, initial=0))
    index.count = len(sizes)
    ends, stop = [], 0
    while stop < index.count:
        ends.append(stop := index.cut(stop, limit))

    assert ends[-1] == index.count
    for start in range(index.count):
        stop = index.cut(start, limit)
        assert stop in ends
        assert start < stop <= index.fit(start, limit)


def lead(length: int) -> bytes:
    """What stands before a message."""
    return b"<%d>" % length


async def messages(index: SessionIndex, *seqs: int) -> list[bytes]:
    """What `read_runs` should make of these runs, each message by itself."""
    found = []
    for start, stop in pairwise(seqs):
        message = b"[%b]}" % bytes((await index.read(start, stop)).run())
        found.append(lead(len(message)) + message)
    return found


@pytest.mark.parametrize("seqs", [(1, 4), (0, 1, 2, 5), (0, 5), (2, 3), (0, 1, 2, 3, 4, 5)])
async def test_runs_are_read_between_head_and_tail(tmp_path: Path, seqs: tuple[int, ...]) -> None:
    """Whole messages are made in one piece, each behind what depends on its length; and it is told where they end."""
    index = built(tmp_path, *records(5))
    expected = await messages(index, *seqs)

    runs = index.lay_out(seqs, b"[", b"]}", lead)
    made = await index.read_runs(runs)

    assert made == b"".join(expected)
    assert runs.ends == list(accumulate(map(len, expected)))


@pytest.mark.parametrize("held", [0, 300, 1 << 20])
async def test_runs_are_read_from_all_the_places_that_hold_them(tmp_path: Path, held: int) -> None:
    """From the file of a finished session, that of what was appended, and what of it is still in memory."""
    index = built(tmp_path, *records(4))
    (tmp_path / "whole").mkdir()
    whole = built(tmp_path / "whole", *records(9))
    appended = whole.read_now(4, 9)
    tail = tmp_path / "tail"
    tail.write_bytes(appended)
    tables, _ = index.thaw(os.open(tail, os.O_RDONLY))
    tables["offsets"].extend(whole.offsets[5:])
    if held:
        index.hold(tables["offsets"][4] + max(0, len(appended) - held), appended[-held:])
    index.publish(9)
    seqs = (0, 3, 5, 6, 9)

    made = await index.read_runs(index.lay_out(seqs, b"[", b"]}", lead))

    assert made == b"".join(await messages(whole, *seqs))


async def test_runs_are_told_where_they_lie_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of them do, and are in the page cache: not what was appended, nor what lies on the disk alone."""
    index = built(tmp_path, *records(4))
    pages = Mock(**{"hold.return_value": True})
    monkeypatch.setattr(CachedPages, "of", Mock(side_effect=[None, pages]))
    runs = index.lay_out((1, 2, 4), b"[", b"]}", lead)
    unknown, file = index.file_of(runs), index.file_of(runs)
    assert file is not None
    in_file = [os.pread(file, length, offset) for offset, length in runs.places]
    asked = pages.hold.call_args_list
    pages.hold.return_value = False
    on_disk = index.file_of(runs)
    pages.hold.return_value = True
    index.complete = False
    in_the_making = index.file_of(runs)
    index.complete = True
    tables, _ = index.thaw(os.open(os.devnull, os.O_RDONLY))
    tables["offsets"].append(tables["offsets"][-1] + 99)

    assert in_file == [bytes((await index.read(*run)).run()) for run in ((1, 2), (2, 4))]
    assert asked[:1] == [call(runs.begin, runs.end - runs.begin)]
    assert runs.end == runs.begin + sum(map(len, in_file)) + 1
    assert (unknown, on_disk, in_the_making) == (None, None, None)
    assert index.file_of(runs) == file
    assert index.file_of(index.lay_out((3, 5), b"[", b"]}", lead)) is None


@pytest.mark.parametrize("whole", [True, False])
async def test_what_is_not_cached_is_read_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """A miss of the page cache gives the same bytes, however few the system hands over at once."""
    index = built(tmp_path, *records(5))
    expected = bytes((await index.read(0, 5)).run())
    monkeypatch.setattr("scrollcast.archive.index.read_cached", lambda *_arguments: False)
    if not whole:
        preadv = os.preadv
        monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset: preadv(fd, [buffers[0][:7]], offset))

    assert bytes((await index.read(0, 5)).run()) == expected
    assert await index.read_runs(index.lay_out((0, 5), b"", b"]", lambda _length: b"")) == expected + b"]"
    several = index.lay_out((0, 2, 5), b"[", b"]}", lead)
    assert await index.read_runs(several) == b"".join(await messages(index, 0, 2, 5))


async def test_file_that_ends_too_early_is_an_archive_error(tmp_path: Path) -> None:
    """A cache that is cut under our hands is told, not waited for."""
    index = built(tmp_path, *records(5))
    (events,) = tmp_path.glob("cache/*/events.bin")
    os.truncate(events, 10)

    with pytest.raises(ArchiveError, match="too early"):
        await index.read(0, 5)


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12), limit=st.integers(0, 3000), start=st.integers(0, 11)
)
def test_fit_takes_as_much_as_the_limit_allows(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int, start: int
) -> None:
    """A fitting run has one event at least, is within the limit otherwise, and could not be longer."""
    folder = tmp_path_factory.getbasetemp() / "fit"
    folder.mkdir(exist_ok=True)
    index = built(folder, *(Record("x" * size, None, "user") for size in sizes))
    start = min(start, index.count - 1)
    stop = index.fit(start, limit)

    assert start < stop <= index.count
    assert stop == start + 1 or index.size_of(start, stop) <= limit
    assert stop == index.count or index.size_of(start, stop + 1) > limit
    assert index.size_of(start, stop) == sum(index.size_of(seq, seq + 1) for seq in range(start, stop))


# -------------------------------------------------------------------------------------------------------- finding


async def test_event_is_found_by_its_id(tmp_path: Path) -> None:
    """Each event is found by its id, a meta event too; an id that is not there is not."""
    index = built(tmp_path, *named("a", "b", "é\U0001f600"), Record("x", None, kind="mode_changed"))

    assert [await index.find(name) for name in ("a", "b", "é\U0001f600", "x", "", "c")] == [0, 1, 2, 3, None, None]


async def test_ids_with_the_same_hash_are_told_apart(tmp_path: Path) -> None:
    """Two ids that are looked up by the same number are each their own event."""
    one, other = COLLIDING
    index = built(tmp_path, *named("a", one, "b", other))
    only = built(tmp_path, *named(one))

    assert hash_id(one) == hash_id(other)
    assert (await index.find(one), await index.find(other)) == (1, 3)
    assert await only.find(other) is None


async def test_repeated_id_is_its_first_event(tmp_path: Path) -> None:
    """Of several events with one id the first is found."""
    index = built(tmp_path, *named("a", "b", "b"))

    assert await index.find("b") == 1


async def test_id_across_two_numbers_is_no_match() -> None:
    """Four bytes that belong to two neighbours in the table are nobody's number."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    needle = hash_id("sought").to_bytes(4, sys.byteorder)
    index.ids = array("I", b"\0\0" + needle + b"\0\0")
    index.count, index.complete = 2, True

    assert await index.find("sought") is None


# -------------------------------------------------------------------------------------------------------- waiting


async def test_change_that_came_before_is_seen_at_once() -> None:
    """Nobody waits for what has already happened."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    seen = index.openness
    index.publish(1)

    assert index.changed(seen).done()
    assert not index.changed(index.openness).done()
    assert index.openness == Openness(1, shown=0, complete=False)


async def test_everybody_is_woken_by_one_change() -> None:
    """All who wait hear of the next change, and of a failure."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    waiting = [index.changed(index.openness) for _ in range(3)]
    index.publish(1)
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    last = index.changed(index.openness)
    index.fail(ArchiveError("broken"))
    await asyncio.wait_for(last, 30)

    with pytest.raises(ArchiveError, match="broken"):
        index.check()


async def test_failure_does_not_take_away_what_is_there() -> None:
    """Events that were published before a failure are reached without an error; later ones are not."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    index.publish(2)
    index.fail(ArchiveError("broken"))
    await index.reach(1)

    with pytest.raises(ArchiveError, match="broken"):
        await index.reach(2)
    with pytest.raises(ArchiveError, match="broken"):
        await index.find("m0")


async def test_who_waits_no_longer_is_forgotten() -> None:
    """A viewer of an index that never changes again leaves nothing behind in it."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    for _ in range(3):
        index.changed(index.openness).cancel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(index.reach(0), 0.01)
    await asyncio.sleep(0)

    assert index._waiters == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.publish(3),
        lambda index: index.settle(2),
        lambda index: index.show_all(),
        lambda index: index.note_bad([7], 1, truncated=False),
        lambda index: index.supersede(),
    ],
    ids=["published", "settled", "shown", "bad records", "superseded"],
)
async def test_every_change_wakes(change: Callable[[SessionIndex], None]) -> None:
    """Whatever a viewer would do something about."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    index.settle(1)
    index.publish(2)
    seen = index.openness
    waiting = index.changed(seen)
    change(index)
    await asyncio.wait_for(waiting, 30)

    assert index.openness != seen


# ------------------------------------------------------------------------------------------------ what may still change


def test_events_are_shown_when_they_are_settled_and_there() -> None:
    """What may still change is there for a replay that ends, and not for those who follow, until nobody writes."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    seen = []
    steps: list[Callable[[], None]] = [
        lambda: index.publish(2),
        lambda: index.settle(3),
        lambda: index.publish(5),
        index.show_all,
        lambda: index.settle(4),
    ]
    for step in steps:
        step()
        seen.append((index.count, index.shown, index.firm))

    assert seen == [(2, 0, 0), (2, 2, 2), (5, 3, 3), (5, 5, 5), (5, 5, 5)]


def test_what_is_shown_is_there() -> None:
    """Who asks in the middle of a change never sees more shown than there is."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    index.settle(sys.maxsize)
    stop = threading.Event()
    wrong: list[Openness] = []

    def look() -> None:
        while not stop.is_set():
            openness = index.openness
            if openness.shown > openness.count:
                wrong.append(openness)

    looking = threading.Thread(target=look)
    looking.start()
    for count in range(20_000):
        index.publish(count)
    stop.set()
    looking.join()

    assert wrong == []
