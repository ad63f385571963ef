# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from archives import SCROLL_ID, at
from scrollcast.archive import event_writer
from scrollcast.archive import index as index_module
from scrollcast.archive.encoding import EncodedEvent
from scrollcast.archive.event_writer import FIRST_PUBLISH_EVENTS, PUBLISH_BYTES, PUBLISH_SECONDS, EventWriter
from scrollcast.archive.index import MARKERS_FILE, TABLES, SessionIndex
from scrollcast.errors import ArchiveError
from scrollcast.model import MarkerKind, Session

TABLE_NAMES = tuple(TABLES)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The writers' clock."""
    clock = Clock()
    monkeypatch.setattr(event_writer, "time", clock)
    return clock


def event(seq: int, t_ms: int | None = None, *, pad: int = 0) -> EncodedEvent:
    """An event `m<seq>`: even ones are turns, each third a tool, with markers."""
    data = orjson.dumps({"seq": seq, "event": {"message": {"id": f"m{seq}", "at": at(seq), "pad": "x" * pad}}})
    markers = ((MarkerKind.TURN, f"turn {seq}"),) if seq % 2 == 0 else ()
    return EncodedEvent(seq * 1000 if t_ms is None else t_ms, f"m{seq}", data, seq % 2 == 0, seq % 3 == 0, markers)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an index is made."""
    folder = tmp_path / "index"
    folder.mkdir()
    return folder


@pytest.fixture
def finished(folder: Path) -> SessionIndex:
    """A finished index of five events."""
    return make(folder, *map(event, range(5)))


def make(folder: Path, *events: EncodedEvent) -> SessionIndex:
    """A finished index of these events."""
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    writer = EventWriter.create(folder, index, lambda _first, _data: None)
    for each in events:
        writer.add(each)
    header: dict[str, Any] = {"truncated": False, "skipped_count": 0, "skipped_lines": []}
    header |= {"count": writer.count, "settled": writer.count}
    writer.finish(folder, header)
    index.adopt(folder, header)
    return index


async def contents(index: SessionIndex) -> list[int]:
    """The numbers in an index's events, each read by itself and all in one run."""
    alone = [orjson.loads((await index.read(seq, seq + 1)).event(seq))["seq"] for seq in range(index.count)]
    together = [event["seq"] for event in orjson.loads(b"[%b]" % bytes((await index.read(0, index.count)).run()))]
    assert alone == together
    return alone


async def tables(index: SessionIndex) -> dict[str, object]:
    """All that an index tells of its events."""
    return {
        **{name: list(getattr(index, name)) for name in TABLE_NAMES},
        "markers": orjson.loads(await index.markers()),
        "found": [await index.find(f"m{seq}") for seq in range(12)],
    }


# ------------------------------------------------------------------------------------------------------- publishing


@pytest.fixture
def writer(folder: Path) -> Iterator[EventWriter]:
    """A writer of a new index."""
    writer = EventWriter.create(folder, SessionIndex(Session(SCROLL_ID), "epoch"), lambda _first, _data: None)
    yield writer
    writer.close()


def shown(folder: Path) -> int:
    """How many bytes are in the file."""
    return (folder / "events.bin").stat().st_size


def test_the_first_few_events_are_published_together(writer: EventWriter, folder: Path) -> None:
    """A viewer sees something at once, and nothing is written for each event alone."""
    sizes = []
    for seq in range(FIRST_PUBLISH_EVENTS + 1):
        writer.add(event(seq))
        sizes.append(shown(folder))

    assert [size > 0 for size in sizes] == [False] * (FIRST_PUBLISH_EVENTS - 1) + [True, True]
    assert sizes[-1] == sizes[-2]


def test_many_bytes_are_published_at_once(writer: EventWriter, folder: Path) -> None:
    """No more than so much is collected."""
    writer.add(event(0, pad=PUBLISH_BYTES))

    assert shown(folder) > PUBLISH_BYTES


def test_what_waited_long_is_published(writer: EventWriter, folder: Path, clock: Clock) -> None:
    """A slow reader's events come as they are read."""
    writer.add(event(0))
    before = shown(folder)
    clock.now += 2 * PUBLISH_SECONDS
    writer.add(event(1))

    assert (before, shown(folder) > 0) == (0, True)


def test_what_is_about_to_be_shown_is_verified_first(folder: Path) -> None:
    """With the number of the first of them, and their bytes as they will lie in the file."""
    seen: list[tuple[int, bytes, int]] = []
    index = SessionIndex(Session(SCROLL_ID), "epoch")
    writer = EventWriter.create(folder, index, lambda first, data: seen.append((first, data, index.count)))
    for seq in (0, 1, 2):
        writer.add(event(seq))
        if seq != 1:
            writer.publish()
    writer.close()

    assert [(first, data.count(b'"seq"'), count) for first, data, count in seen] == [(0, 1, 0), (1, 2, 1)]
    assert b"".join(data for _, data, _ in seen) == (folder / "events.bin").read_bytes()


# -------------------------------------------------------------------------------------------------------- appending


async def test_a_finished_index_is_appended_to(finished: SessionIndex, tmp_path: Path, cache: Path) -> None:
    """What was there and what is new are one index, as if all had been there at once."""
    writer = EventWriter.append_to(finished, cache)
    for seq in range(5, 8):
        writer.add(event(seq))
    before = finished.count
    writer.publish()
    writer.add(event(8, 60_000))
    writer.publish()
    (tmp_path / "whole").mkdir()
    whole = make(tmp_path / "whole", *map(event, range(8)), event(8, 60_000))

    assert (before, finished.count) == (5, 9)
    assert await contents(finished) == list(range(9))
    assert await tables(finished) == await tables(whole)


async def test_an_empty_index_is_appended_to(folder: Path, cache: Path) -> None:
    """A session begins with its first line."""
    index = make(folder)
    writer = EventWriter.append_to(index, cache)
    writer.add(event(0))
    writer.publish()

    assert await contents(index) == [0]
    assert orjson.loads(await index.markers())[0]["seq"] == 0


async def test_the_files_of_a_finished_index_stay_as_they_are(
    finished: SessionIndex, folder: Path, cache: Path
) -> None:
    """They are of the session as it was; what is new goes with the process, and leaves nothing in the cache."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    writer = EventWriter.append_to(finished, cache)
    writer.add(event(5))
    writer.publish()

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(cache.iterdir()) == []
    assert (folder / MARKERS_FILE).exists()


async def test_the_newest_events_are_at_hand(
    finished: SessionIndex, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who follow get them without a read each; what is older, or large, is read."""
    writer = EventWriter.append_to(finished, cache)
    monkeypatch.setattr(index_module, "NEWEST_BYTES", 500)
    reads: list[int] = []
    preadv = os.preadv

    def counted(fd: int, buffers: Sequence[memoryview], *more: int) -> int:
        reads.append(len(buffers[0]))
        return preadv(fd, buffers, *more)

    monkeypatch.setattr(os, "preadv", counted)
    for seq in range(5, 15):
        writer.add(event(seq))
        writer.publish()
        await finished.read(seq, seq + 1)
    followed = len(reads)
    writer.add(event(15, pad=1000))
    writer.publish()
    await finished.read(15, 16)
    large = len(reads)

    assert (followed, large) == (0, 1)
    assert await contents(finished) == list(range(16))


async def test_events_that_are_not_published_are_not_found(finished: SessionIndex, cache: Path) -> None:
    """Their bytes are not there yet."""
    writer = EventWriter.append_to(finished, cache)
    writer.add(event(5))
    before = await finished.find("m5")
    writer.publish()

    assert (before, await finished.find("m5")) == (None, 5)


def test_a_full_disk_is_told(finished: SessionIndex, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is not shown."""

    def fail(*_arguments: object) -> int:
        raise OSError(28, "no space left on device")

    writer = EventWriter.append_to(finished, cache)
    monkeypatch.setattr(os, "write", fail)
    writer.add(event(5))
    with pytest.raises(OSError, match="no space"):
        writer.publish()

    assert finished.count == 5


def test_files_go_with_the_index(folder: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """Also the one without a name."""
    index = make(folder, event(0))
    writer = EventWriter.append_to(index, cache)
    held = open_files(cache)
    del index, writer

    assert held == 1
    assert open_files(cache) == open_files(folder) == 0


# ----------------------------------------------------------------------------------------------------------- forking


@pytest.mark.parametrize("count", range(6))
async def test_a_fork_has_the_first_events_and_goes_on_otherwise(
    folder: Path, tmp_path: Path, cache: Path, count: int
) -> None:
    """It is as if the others had never been; the index that it was made of keeps them."""
    events = [event(0), event(1, 9000), event(2, 9500), event(3, 20_000), event(4, 20_100)]
    index = make(folder, *events)
    before = await tables(index)
    fork, writer = EventWriter.fork(index, count, cache)
    writer.add(event(count, 99_000, pad=5))
    writer.publish()
    (tmp_path / "whole").mkdir()
    whole = make(tmp_path / "whole", *events[:count], event(count, 99_000, pad=5))

    assert await tables(fork) == await tables(whole)
    assert await contents(fork) == list(range(count + 1))
    assert (fork.epoch, fork.complete, fork.session) == (index.epoch, True, index.session)
    assert await tables(index) == before
    assert await contents(index) == list(range(5))


async def test_a_fork_outlives_what_it_was_made_of(
    folder: Path, cache: Path, open_files: Callable[[Path], int]
) -> None:
    """Its files are its own."""
    index = make(folder, event(0), event(1))
    fork, writer = EventWriter.fork(index, 1, cache)
    del index
    numbers = await contents(fork)
    del fork, writer

    assert numbers == [0]
    assert open_files(cache) == open_files(folder) == 0


async def test_bytes_that_are_gone_are_an_archive_error(finished: SessionIndex, folder: Path) -> None:
    """A file that was cut under our hands is told, not waited for."""
    os.truncate(folder / "events.bin", 3)

    with pytest.raises(ArchiveError, match="too early"):
        await finished.read(0, 5)
