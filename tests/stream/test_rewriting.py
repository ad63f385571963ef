from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import uuid4

import pytest

from scrollcast.archive.index import SessionIndex
from scrollcast.model import Session
from scrollcast.stream import rewriting as rewriting_module
from scrollcast.stream.rewriting import Rewriting

EVERY = 0.005


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is played is looked at every few milliseconds."""
    monkeypatch.setattr(rewriting_module, "WATCH_SECONDS", EVERY)


class FakeArchive:
    """Says of an index what was put down for it, and counts how often it is asked."""

    def __init__(self) -> None:
        self.rewritten: set[SessionIndex] = set()
        self.problem: Exception | None = None
        self.asked: list[SessionIndex] = []

    async def was_rewritten(self, index: SessionIndex) -> bool:
        """What was put down."""
        self.asked.append(index)
        if self.problem is not None:
            raise self.problem
        return index in self.rewritten


class Sleeper:
    """Somebody who is woken."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def wake(self) -> None:
        """Note it."""
        self.woken.set()


@pytest.fixture
def archive() -> FakeArchive:
    """In which nothing was rewritten yet."""
    return FakeArchive()


def an_index() -> SessionIndex:
    """An index of some session."""
    return SessionIndex(Session(uuid4()), "epoch")


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(EVERY / 5)


async def test_all_who_play_the_same_share_one_look(archive: FakeArchive) -> None:
    """However many join, one task asks; nobody is woken while nothing changed."""
    rewriting, index, sleepers = Rewriting(), an_index(), [Sleeper() for _ in range(50)]
    before = len(asyncio.all_tasks())
    watches = [rewriting.watch(archive, index, sleeper.wake) for sleeper in sleepers]
    tasks = len(asyncio.all_tasks()) - before
    await until(lambda: len(archive.asked) >= 3)

    assert tasks == 1
    assert set(watches) == {watches[0]}
    assert not any(sleeper.woken.is_set() for sleeper in sleepers)
    assert not watches[0].is_rewritten()


async def test_all_are_woken_when_it_was_rewritten_and_others_are_not(archive: FakeArchive) -> None:
    """And only that index is one of other events."""
    rewriting, index, other = Rewriting(), an_index(), an_index()
    sleepers, stranger = [Sleeper() for _ in range(5)], Sleeper()
    watches = [rewriting.watch(archive, index, sleeper.wake) for sleeper in sleepers]
    elsewhere = rewriting.watch(archive, other, stranger.wake)
    archive.rewritten.add(index)
    async with asyncio.timeout(5):
        await asyncio.gather(*(sleeper.woken.wait() for sleeper in sleepers))
    asked = archive.asked.count(index)
    await until(lambda: archive.asked.count(other) >= 4)

    assert all(watch.is_rewritten() for watch in watches)
    assert archive.asked.count(index) == asked  # what is known is not looked at any more
    assert not stranger.woken.is_set()
    assert not elsewhere.is_rewritten()


async def test_who_comes_after_that_has_a_look_of_its_own(archive: FakeArchive) -> None:
    """It does not start over again and again where it was given the old index once more."""
    rewriting, index, early, late = Rewriting(), an_index(), Sleeper(), Sleeper()
    archive.rewritten.add(index)
    known = rewriting.watch(archive, index, early.wake)
    await early.woken.wait()
    archive.rewritten.clear()
    fresh = rewriting.watch(archive, index, late.wake)

    assert known.is_rewritten()
    assert not fresh.is_rewritten()


async def test_the_last_one_who_leaves_ends_it(archive: FakeArchive) -> None:
    """Nothing is looked at for nobody, and who joins again begins anew."""
    rewriting, index, first, second = Rewriting(), an_index(), Sleeper(), Sleeper()
    before = len(asyncio.all_tasks())
    watch = rewriting.watch(archive, index, first.wake)
    rewriting.watch(archive, index, second.wake)
    watch.leave(first.wake)
    watch.leave(first.wake)
    await until(lambda: len(archive.asked) >= 2)
    watch.leave(second.wake)
    await until(lambda: len(asyncio.all_tasks()) == before)

    assert rewriting.watch(archive, index, first.wake) is not watch


async def test_one_who_left_is_not_woken(archive: FakeArchive) -> None:
    """Though others are."""
    rewriting, index, gone, staying = Rewriting(), an_index(), Sleeper(), Sleeper()
    watch = rewriting.watch(archive, index, gone.wake)
    rewriting.watch(archive, index, staying.wake)
    watch.leave(gone.wake)
    archive.rewritten.add(index)
    await asyncio.wait_for(staying.woken.wait(), 5)

    assert not gone.woken.is_set()


async def test_what_goes_wrong_is_logged_and_asked_again(
    archive: FakeArchive, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody is kept from playing on by it, and what is rewritten later is noticed."""
    rewriting, index, sleeper = Rewriting(), an_index(), Sleeper()
    archive.problem = ValueError("broken")
    watch = rewriting.watch(archive, index, sleeper.wake)
    await until(lambda: len(archive.asked) >= 2)
    undisturbed = not sleeper.woken.is_set() and not watch.is_rewritten()
    archive.problem = None
    archive.rewritten.add(index)
    async with asyncio.timeout(5):
        await sleeper.woken.wait()

    assert undisturbed
    assert watch.is_rewritten()
    assert "broken" in caplog.text


async def test_others_have_their_turn_while_many_are_woken(archive: FakeArchive) -> None:
    """Those who are woken open the session anew: one by one, not all of them at once."""
    rewriting, index = Rewriting(), an_index()
    order: list[str] = []

    def woken() -> None:
        order.append("woken")
        asyncio.get_running_loop().call_soon(order.append, "turn")

    archive.rewritten.add(index)
    wakes = [lambda: woken() for _ in range(3)]
    for wake in wakes:
        rewriting.watch(archive, index, wake)
    await until(lambda: order.count("turn") == 3)

    assert order == ["woken", "turn"] * 3
