from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from watchfiles import Change
from watchfiles import watch as watch_files

from scrollcast.archive import watcher as watcher_module
from scrollcast.archive.watcher import Watcher

PATIENCE = 10.0


class Told:
    """What a watcher tells, in order: the names of what changed, and ticks."""

    def __init__(self) -> None:
        self.changed: list[set[str]] = []
        self.ticks = 0
        self._came = threading.Condition()

    def on_change(self, paths: Collection[Path]) -> None:
        """Something changed."""
        with self._came:
            self.changed.append({path.name for path in paths})
            self._came.notify_all()

    def on_tick(self) -> None:
        """Time passed."""
        with self._came:
            self.ticks += 1
            self._came.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until something was told."""
        with self._came:
            assert self._came.wait_for(condition, PATIENCE), (self.changed, self.ticks)

    @property
    def names(self) -> set[str]:
        """All that was told of."""
        return set().union(*self.changed)


@pytest.fixture
def told() -> Told:
    """Who is told."""
    return Told()


@pytest.fixture
def watch(told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Watcher]]:
    """Begins to watch, and waits until it does."""
    monkeypatch.setattr(watcher_module, "TICK_MS", 20)
    monkeypatch.setattr(watcher_module, "POLL_MS", 30)
    monkeypatch.setattr(watcher_module, "RESTART_SECONDS", 0.01)
    watchers: list[Watcher] = []

    def begin(*paths: Path) -> Watcher:
        watchers.append(watcher := Watcher(paths, told.on_change, told.on_tick))
        watcher.start()
        told.wait(lambda: told.ticks > 0)
        return watcher

    yield begin
    for watcher in watchers:
        watcher.stop()


def test_everything_below_a_folder_is_told(watch: Callable[..., Watcher], told: Told, tmp_path: Path) -> None:
    """Files of folders that are made later, too."""
    (tmp_path / "a").mkdir()
    watch(tmp_path)
    (tmp_path / "a" / "one").write_bytes(b"1")
    told.wait(lambda: "one" in told.names)
    (tmp_path / "b").mkdir()
    told.wait(lambda: "b" in told.names)
    (tmp_path / "b" / "two").write_bytes(b"1")
    told.wait(lambda: "two" in told.names)


def test_a_file_is_watched_through_its_folder(watch: Callable[..., Watcher], told: Told, tmp_path: Path) -> None:
    """Appended to, and replaced, and appended to again."""
    path, below = tmp_path / "session.jsonl", tmp_path / "below"
    path.write_bytes(b"1\n")
    below.mkdir()
    watch(path)
    for _ in range(2):
        told.changed.clear()
        with path.open("ab") as file:
            file.write(b"2\n")
        told.wait(lambda: path.name in told.names)
        (tmp_path / "new").write_bytes(b"3\n")
        os.replace(tmp_path / "new", path)
    (below / "deep").write_bytes(b"1")
    told.changed.clear()
    path.unlink()
    told.wait(lambda: path.name in told.names)

    assert "deep" not in told.names


def test_ticks_go_on_while_nothing_changes(watch: Callable[..., Watcher], told: Told, tmp_path: Path) -> None:
    """Until it is stopped; stopping twice is stopping."""
    watcher = watch(tmp_path)
    told.wait(lambda: told.ticks > 3)
    watcher.stop()
    watcher.stop()
    ticks = told.ticks
    (tmp_path / "late").write_bytes(b"1")

    assert (told.ticks, told.changed) == (ticks, [])


def test_one_bad_file_does_not_end_the_watching(
    watch: Callable[..., Watcher], told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect in dealing with one change is noted, and the next one is told."""
    on_change = told.on_change

    def fail_once(paths: Collection[Path]) -> None:
        on_change(paths)
        if {path.name for path in paths} == {"bad"}:
            raise KeyError("a defect")

    monkeypatch.setattr(told, "on_change", fail_once)
    watch(tmp_path)
    (tmp_path / "bad").write_bytes(b"1")
    told.wait(lambda: "bad" in told.names)
    (tmp_path / "good").write_bytes(b"1")
    told.wait(lambda: "good" in told.names)


@pytest.mark.parametrize(
    ("problem", "polls"),
    [(OSError(24, "too many open files"), True), (RuntimeError("error in underlying watcher"), False)],
)
def test_watching_that_fails_goes_on(
    watch: Callable[..., Watcher],
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception,
    polls: bool,
) -> None:
    """By looking where the system tells of nothing, else as before."""
    asked: list[bool | None] = []

    def fake_watch(*_places: Path, force_polling: bool | None, **_options: Any) -> Iterator[set[tuple[Change, str]]]:
        asked.append(force_polling)
        if len(asked) < 3:
            yield {(Change.modified, f"/some/{len(asked)}")}
            raise problem
        yield set()

    monkeypatch.setattr(watcher_module, "watch", fake_watch)
    watch(tmp_path)
    told.wait(lambda: len(asked) == 3)

    assert asked == [None, *([True] * 2 if polls else [None] * 2)]
    assert told.names == {"1", "2"}


def test_without_notifications_files_are_looked_at(
    watch: Callable[..., Watcher], told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some disks tell of nothing."""

    def fail(*places: Path, force_polling: bool | None, **options: Any) -> Iterator[set[tuple[Change, str]]]:
        if not force_polling:
            raise OSError(28, "OS file watch limit reached")
        return watch_files(*places, force_polling=True, **options)

    monkeypatch.setattr(watcher_module, "watch", fail)
    watch(tmp_path)
    told.wait(lambda: told.ticks > 2)
    (tmp_path / "one").write_bytes(b"1")
    told.wait(lambda: "one" in told.names)


def test_how_long_changes_wait_is_known(watch: Callable[..., Watcher], told: Told, tmp_path: Path) -> None:
    """While they are dealt with, and afterwards of the last ones."""
    held, began = threading.Event(), threading.Event()
    watcher = watch(tmp_path)

    def hold() -> None:
        began.set()
        held.wait(PATIENCE)

    watcher._on_tick = hold
    began.wait(PATIENCE)
    one = watcher.lag
    time.sleep(0.02)
    two = watcher.lag
    watcher._on_tick = told.on_tick
    held.set()
    told.ticks = 0
    told.wait(lambda: told.ticks > 1)

    assert two >= one + 0.02
    assert 0 <= watcher.lag < two
