from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from scrollcast.archive import database as module
from scrollcast.archive.database import Database, FileLock, Rebuilt
from scrollcast.errors import ArchiveError

SCHEMA = ("CREATE TABLE words (word TEXT)",)


@pytest.fixture
def place(cache: Path) -> Path:
    """Where the database is to lie; its folder is not there yet."""
    return cache / "folder" / "words.db"


def add(database: Database, word: str) -> None:
    """Put in a word."""
    database.write(lambda connection: connection.execute("INSERT INTO words VALUES (?)", (word,)))


def words(database: Database) -> list[str]:
    """All that were put in."""
    return database.read(lambda c: [word for (word,) in c.execute("SELECT word FROM words ORDER BY word")])


def test_it_is_made_once_and_found_again(place: Path) -> None:
    """With its journal beside it, so that one can read while another writes."""
    first = Database(place, 1, SCHEMA)
    add(first, "a")
    first.close()
    second = Database(place, 1, SCHEMA)

    assert words(second) == ["a"]
    assert second.read(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert second.read(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (1,)


def test_one_of_another_version_is_made_anew(place: Path) -> None:
    """An older one, or a newer."""
    for version in (1, 3, 2):
        database = Database(place, version, SCHEMA)
        assert words(database) == []
        add(database, "a")
        database.close()


def test_a_failed_write_leaves_nothing(place: Path) -> None:
    """Whatever it failed of."""
    database = Database(place, 1, SCHEMA)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO words VALUES ('a')")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(fail)
    add(database, "b")

    assert words(database) == ["b"]


@pytest.mark.parametrize("query", ["SELEKT", "SELECT ?"])
def test_a_query_of_ours_that_is_wrong_costs_nothing(place: Path, query: str) -> None:
    """It is a defect, and no damage."""
    database = Database(place, 1, SCHEMA)
    add(database, "a")
    with pytest.raises((ArchiveError, sqlite3.ProgrammingError)):
        database.read(lambda connection: connection.execute(query))

    assert words(database) == ["a"]


def test_who_uses_one_that_is_gone_hears_that_it_is_empty(place: Path) -> None:
    """Once; then it can be filled again."""
    database = Database(place, 1, SCHEMA)
    add(database, "a")
    place.unlink()
    with pytest.raises(Rebuilt):
        words(database)
    add(database, "b")

    assert words(database) == ["b"]


def test_what_another_process_made_anew_is_taken_over(place: Path) -> None:
    """Without a word where it is filled already."""
    ours = Database(place, 1, SCHEMA)
    add(ours, "a")
    for file in place.parent.iterdir():
        file.unlink()
    theirs = Database(place, 1, SCHEMA)
    add(theirs, "b")

    assert words(ours) == ["b"]


def test_readers_see_one_state_while_another_writes(place: Path) -> None:
    """And do not wait for it."""
    database = Database(place, 1, SCHEMA)
    add(database, "a")

    def read_twice(connection: sqlite3.Connection) -> list[int]:
        count = "SELECT count(*) FROM words"
        first = connection.execute(count).fetchone()[0]
        with ThreadPoolExecutor(1) as thread:
            thread.submit(add, database, "b").result(10)
        return [first, connection.execute(count).fetchone()[0]]

    assert database.read(read_twice) == [1, 1]
    assert words(database) == ["a", "b"]


def test_many_threads_at_once(place: Path) -> None:
    """Every write is there in the end, and few connections are kept."""
    database = Database(place, 1, SCHEMA)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add(database, f"{number:03}"), range(100)))
        list(threads.map(lambda _: words(database), range(20)))

    assert len(words(database)) == 100
    assert len(database._idle) <= module.KEPT_CONNECTIONS


def test_a_lock_of_somebody_else_is_no_damage(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, and then it is an error."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.01)
    database = Database(place, 1, SCHEMA)
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database._idle.clear()
    with pytest.raises(ArchiveError):
        add(database, "a")
    other.execute("ROLLBACK")
    other.close()
    add(database, "b")

    assert words(database) == ["b"]


def test_closing_holds_nothing_open(place: Path, cache: Path, open_files: Any) -> None:
    """Though what is there can still be asked for."""
    database = Database(place, 1, SCHEMA)
    add(database, "a")
    database.close()
    held = open_files(cache)

    assert words(database) == ["a"]
    assert held == open_files(cache) == 0
    place.unlink()
    with pytest.raises(ArchiveError):
        words(database)


def test_one_has_a_lock_at_a_time(cache: Path) -> None:
    """The other gets it as soon as the first is done, or gives up."""
    with FileLock(cache / "lock") as one, FileLock(cache / "lock") as other:
        assert one.acquire()
        assert one.acquire()
        assert not other.acquire()
        assert not other.acquire(0.01)
        given_up = threading.Event()
        given_up.set()
        assert not other.acquire(60, given_up)
        one.__exit__()
        assert other.acquire(10)


def test_without_locks_everybody_has_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has none does some work twice."""
    monkeypatch.setattr(module, "fcntl", None)
    with FileLock(cache / "lock") as one, FileLock(cache / "lock") as other:
        assert one.acquire()
        assert other.acquire()
