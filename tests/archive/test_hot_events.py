"""Events in memory: the same as in the file, only those that are asked for often, and not too many."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives import SCROLL_ID, message, write_session
from scrollcast.archive import index as index_module
from scrollcast.archive.archive import Archive
from scrollcast.archive.hot_events import HORIZON, RUN_EVENTS, HotEvents
from scrollcast.archive.index import SessionIndex

COUNT = 3 * RUN_EVENTS + 5


@pytest.fixture
def archive(root: Path, cache: Path) -> Iterator[Archive]:
    """An archive with one session of three whole runs and some events."""
    write_session(root, [message(f"m{number}", number) for number in range(COUNT)])
    with Archive.open(root, cache=cache) as opened:
        yield opened


@pytest.fixture
def index(archive: Archive) -> SessionIndex:
    """The index of that session."""
    return archive.read_whole(SCROLL_ID)


@pytest.fixture
def hot(monkeypatch: pytest.MonkeyPatch) -> HotEvents:
    """What is kept of it, and of nothing else."""
    mine = HotEvents()
    monkeypatch.setattr(index_module, "_hot_events", mine)
    return mine


def tails(index: SessionIndex) -> list[bytes]:
    """Every event, read by itself."""
    read = [index.read_tail_at_once(seq) for seq in range(index.count)]
    assert None not in read
    return [bytes(tail) for tail in read if tail is not None]


def test_what_is_read_often_is_kept_as_it_lies_in_the_file(index: SessionIndex, hot: HotEvents) -> None:
    """Every whole run, not the one that the session ends in; each event without its first brace."""
    first, again = tails(index), tails(index)
    from_file = [index.read_now(seq, seq + 1)[1:-1] for seq in range(COUNT)]

    assert index.hot == dict(enumerate(first[: 3 * RUN_EVENTS]))
    assert first == again == from_file
    assert hot.bytes == index.size_of(0, 3 * RUN_EVENTS)


def test_what_is_kept_is_not_read(index: SessionIndex, hot: HotEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is what it is kept for; the others are still read."""
    first = [tails(index) for _ in range(2)][1]
    monkeypatch.setattr(index_module, "read_cached", lambda *_arguments: False)

    assert [index.read_tail_at_once(seq) for seq in range(COUNT)] == [*first[: 3 * RUN_EVENTS], *[None] * 5]


def test_what_one_viewer_reads_is_not_kept(index: SessionIndex, hot: HotEvents) -> None:
    """It will not ask for it again."""
    tails(index)

    assert not index.hot


def test_what_is_read_seldom_is_not_kept(index: SessionIndex, hot: HotEvents) -> None:
    """Between two readings of an event as many others were asked for as are remembered."""
    other = SessionIndex(index.session, "other")
    for _ in range(5):
        index.read_tail_at_once(0)
        for seq in range(HORIZON):
            hot.note(other, seq)

    assert not index.hot
    assert not hot.bytes


def test_what_was_kept_first_goes_first(index: SessionIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room for two runs."""
    hot = HotEvents(most_bytes=index.size_of(RUN_EVENTS, 3 * RUN_EVENTS))
    monkeypatch.setattr(index_module, "_hot_events", hot)
    first, again, last = tails(index), tails(index), tails(index)

    assert first == again == last
    assert len(index.hot) == 2 * RUN_EVENTS
    assert hot.bytes == sum(index.size_of(seq, seq + 1) for seq in index.hot)


def test_an_index_that_is_gone_makes_room(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept of it is forgotten when its turn comes."""
    write_session(root, [message(f"m{number}", number) for number in range(COUNT)])
    hot, gone = HotEvents(most_bytes=0), []
    monkeypatch.setattr(index_module, "_hot_events", hot)
    for _ in range(2):
        with Archive.open(root, cache=cache) as archive:
            index = archive.read_whole(SCROLL_ID)
            size = hot.most_bytes = index.size_of(0, 3 * RUN_EVENTS)
            assert tails(index) == tails(index)
            gone.append(weakref.ref(index))
            kept = len(index.hot)
            del index
        gc.collect()

    assert (kept, hot.bytes) == (3 * RUN_EVENTS, size)
    assert [ref() for ref in gone] == [None, None]


@pytest.mark.parametrize("is_cached", [True, False])
def test_what_cannot_be_kept_is_read_as_before(
    index: SessionIndex, hot: HotEvents, monkeypatch: pytest.MonkeyPatch, is_cached: bool
) -> None:
    """Runs that are too long, and those that are not in the page cache by the time."""
    if is_cached:
        monkeypatch.setattr("scrollcast.archive.hot_events._LONGEST_RUN_BYTES", 10)
    else:
        monkeypatch.setattr(index, "read_tails_at_once", lambda _start, _stop: None)
    first, again, last = tails(index), tails(index), tails(index)

    assert first == again == last
    assert not index.hot
