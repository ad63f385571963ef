from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archives import message, native_source, write_document, write_session
from scrollcast.archive import kept, kept_bytes
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.formats import Item, SessionSource
from scrollcast.archive.formats.readers import READERS_BY_NAME
from scrollcast.archive.kept import Keeper, KeptCopy, counterparts
from scrollcast.errors import ArchiveError
from scrollcast.model import derive_scroll_id

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"
MIB = 1 << 20


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The keeper's clock."""
    return Clock()


@pytest.fixture
def keeper(tmp_path: Path, clock: Clock) -> Keeper:
    """Keeps in an empty folder, which is yet to be made."""
    return Keeper(tmp_path / "data" / "kept", clock=clock)


def claude(path: Path, root: Path | None = None) -> SessionSource:
    """A file as a session of Claude Code, whatever stands in it."""
    return SessionSource(
        derive_scroll_id("claude-code", path.stem), READERS_BY_NAME["claude-code"], path, root or path.parent
    )


def copy_of(keeper: Keeper, path: Path, format_name: str = "claude-code") -> Path:
    """Where the copy of a file lies."""
    return keeper.folder / format_name / path.relative_to("/")


def older(copy: Path) -> list[Path]:
    """The copies that were replaced, in the order in which they were."""
    return sorted(copy.parent.glob(f"{copy.name}.*{kept_bytes.OLDER_SUFFIX}"))


def write(path: Path, data: bytes, at: int) -> None:
    """Write a file at so many seconds after some beginning."""
    path.write_bytes(data)
    touch(path, at)


def touch(path: Path, at: int) -> None:
    """Let a file have been written then."""
    os.utime(path, ns=((1_700_000_000 + at) * 10**9,) * 2)


# ------------------------------------------------------------------------------------------------ what a reader sees


def sources_in(folder: Path, cache: Path) -> dict[Any, SessionSource]:
    """The sessions in a folder by their ids."""
    with closing(Catalogue([folder], cache, optional=True)) as catalogue:
        catalogue.refresh()
        return {session.scroll_id: catalogue.entry(session.scroll_id).source for session in catalogue.sessions()}


def items_of(source: SessionSource) -> list[Item]:
    """Everything in a session."""
    apart = source.reader.meta_events(source)
    return [*source.reader.records(source, meta=True), *(apart or ())]


def test_a_copy_of_any_format_is_the_same_session(tmp_path: Path) -> None:
    """With the same id, facts and events, found by the catalogue in the kept folder, when no original is left."""
    home = tmp_path / "home"
    shutil.copytree(FIXTURES, home / "archive")
    keeper = Keeper(tmp_path / "kept")
    originals = sources_in(home / "archive", tmp_path / "cache")
    for source in originals.values():
        keeper.keep(source)
    seen = {key: (source.reader.summarise(source), items_of(source)) for key, source in originals.items()}
    home.rename(tmp_path / "elsewhere")

    copies = sources_in(keeper.folder, tmp_path / "other-cache")

    assert {source.reader.name for source in originals.values()} == READERS_BY_NAME.keys()
    assert {key: (source.reader.summarise(source), items_of(source)) for key, source in copies.items()} == seen


def test_the_copy_is_given_for_its_reader(keeper: Keeper, root: Path) -> None:
    """With the kept folder as its root; it is there once it was made, and none before."""
    source = native_source(write_session(root, [message("m0")]))
    before = keeper.holds(source)

    copy = keeper.keep(source).source

    assert copy == keeper.copy_of(source)
    assert (copy.scroll_id, copy.root) == (source.scroll_id, keeper.folder)
    assert [item.id for item in copy.reader.records(copy, meta=False) if hasattr(item, "id")] == ["m0"]
    assert (before, keeper.holds(source)) == (False, True)


def test_what_lies_beside_a_session_of_claude_code_is_kept_with_it(keeper: Keeper, root: Path) -> None:
    """Spilled outputs and notes on subagents; other sessions and settings are not."""
    session, own = root / "p" / "s.jsonl", root / "p" / "s"
    agent = own / "subagents" / "agent-1.jsonl"
    spilled, note = own / "tool-results" / "out.txt", agent.with_suffix(".meta.json")
    for path in (session, agent, spilled, note, root / "p" / "other.jsonl", root / "settings.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")

    keeper.keep(claude(session, root))
    keeper.keep(claude(agent, root))

    copied = {path for path in copy_of(keeper, root).rglob("*") if path.is_file()}
    assert copied == {copy_of(keeper, path) for path in (session, agent, spilled, note)}


def test_nobody_else_may_look(keeper: Keeper, root: Path) -> None:
    """Whatever the originals allowed."""
    path = root / "p" / "s.jsonl"
    path.parent.mkdir()
    path.write_text("{}\n")
    path.chmod(0o644)

    keeper.keep(claude(path, root))

    made = [keeper.folder, *keeper.folder.rglob("*")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in made if each.is_dir()} == {0o700}
    assert {stat.S_IMODE(each.stat().st_mode) for each in made if each.is_file()} == {0o600}


# ------------------------------------------------------------------------------------------------------ how it grows


def test_what_did_not_change_is_not_opened(keeper: Keeper, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor copied; not by a keeper of another process either."""
    path = root / "s.jsonl"
    write(path, b"1\n", 0)
    first = keeper.keep(claude(path))
    monkeypatch.setattr(kept, "open_confined", lambda *_: pytest.fail("it was opened"))

    again = [keeper.keep(claude(path)), Keeper(keeper.folder).keep(claude(path))]

    assert (first.files, first.copied_bytes) == (1, 2)
    assert [(each.files, each.copied_bytes) for each in again] == [(1, 0), (1, 0)]


@pytest.mark.parametrize("size", [10, 300 << 10, 3 * MIB])
def test_an_append_copies_what_was_appended(keeper: Keeper, root: Path, size: int) -> None:
    """Into the same file, with the time at which it was written; nothing is put aside."""
    path = root / "s.jsonl"
    write(path, b"x" * size, 0)
    keeper.keep(claude(path))
    inode = copy_of(keeper, path).stat().st_ino
    write(path, b"x" * size + b"more", 1)

    done = keeper.keep(claude(path))

    copy = copy_of(keeper, path)
    assert done.copied_bytes == 4
    assert (copy.stat().st_ino, copy.read_bytes()) == (inode, path.read_bytes())
    assert copy.stat().st_mtime_ns == path.stat().st_mtime_ns
    assert older(copy) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"one\ntwo\n", b"one\nTWO\nthree\n"),
        (b"one\ntwo\n", b"one\n"),
        (b"one\ntwo\n", b"one\nTWO\n"),
        (b"one\ntwo\n", b""),
        (b"a" * MIB, b"b" + b"a" * MIB),
        (b"a" * MIB, b"a" * (MIB - 1) + b"bb"),
    ],
    ids=["rewritten", "cut", "the same size", "emptied", "beginning", "end"],
)
def test_what_did_something_else_than_grow_is_copied_anew(
    keeper: Keeper, clock: Clock, root: Path, before: bytes, after: bytes
) -> None:
    """The old copy stays, where no reader looks for sessions."""
    path = root / "s.jsonl"
    write(path, before, 0)
    keeper.keep(claude(path))
    write(path, after, 1)
    clock.now += kept.MAX_REST_SECONDS

    done = keeper.keep(claude(path))

    copy = copy_of(keeper, path)
    assert done.copied_bytes == len(after)
    assert copy.read_bytes() == after
    assert [each.read_bytes() for each in older(copy)] == [before]
    assert sources_in(keeper.folder, root / "cache").keys() <= {claude(path).scroll_id}


def test_a_touched_file_is_the_same(keeper: Keeper, root: Path) -> None:
    """Another time makes no other copy."""
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    keeper.keep(claude(path))
    touch(path, 5)

    done = keeper.keep(claude(path))

    assert done.copied_bytes == 0
    assert copy_of(keeper, path).stat().st_mtime_ns == path.stat().st_mtime_ns
    assert older(copy_of(keeper, path)) == []


def test_of_replaced_copies_those_stay_in_which_more_may_stand(keeper: Keeper, clock: Clock, root: Path) -> None:
    """And the last two, so that a document that is rewritten at every message does not fill the disk."""
    path = root / "s.jsonl"
    for at, size in enumerate((1, 2, 3, 9, 2, 3, 4, 5, 6)):
        write(path, bytes([65 + at]) * size, at)
        clock.now += kept.MAX_REST_SECONDS
        keeper.keep(claude(path))

    assert [len(each.read_bytes()) for each in older(copy_of(keeper, path))] == [9, 4, 5]


def test_what_is_rewritten_often_is_put_off(keeper: Keeper, clock: Clock, root: Path) -> None:
    """Until its time has come; then it is caught up with, without anybody naming it."""
    path = root / "s.jsonl"
    write(path, b"one", 0)
    keeper.keep(claude(path))
    write(path, b"two", 1)
    put_off = keeper.keep(claude(path))
    early = keeper.catch_up()
    clock.now += kept.MIN_REST_SECONDS
    late = keeper.catch_up()

    assert (put_off.put_off, put_off.copied_bytes) == (True, 0)
    assert [each.put_off for each in early] == [True]
    assert [(each.put_off, each.copied_bytes) for each in late] == [(False, 3)]
    assert keeper.catch_up() == []


def test_rests_are_forgotten_when_they_are_over(
    keeper: Keeper, clock: Clock, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many files there are."""
    monkeypatch.setattr(kept, "_REMEMBERED_RESTS", 2)
    for number in range(5):
        write(root / f"{number}.jsonl", b"x", number)
        clock.now += kept.MAX_REST_SECONDS
        keeper.keep(claude(root / f"{number}.jsonl"))

    assert len(keeper._not_before) <= 2


@pytest.mark.parametrize("again", [b"one\ntwo\n", b"ONE\ntwo\n"])
def test_a_copy_that_was_broken_off_is_mended(keeper: Keeper, root: Path, clock: Clock, again: bytes) -> None:
    """Of an append the beginning is there, of a new copy nothing in its place."""
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    keeper.keep(claude(path))
    copy = copy_of(keeper, path)
    with copy.open("ab") as file:
        file.write(b"tw")
    copy.with_name(copy.name + kept_bytes.MAKING_SUFFIX).write_bytes(b"half of someth")
    write(path, again, 1)
    clock.now += kept.MAX_REST_SECONDS

    keeper.keep(claude(path))

    assert copy.read_bytes() == again
    assert not list(copy.parent.glob("*" + kept_bytes.MAKING_SUFFIX))


# ---------------------------------------------------------------------------------------------------- what goes wrong


def test_a_session_that_is_gone_stays(keeper: Keeper, root: Path) -> None:
    """As it was copied last; one that never was cannot be kept."""
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    keeper.keep(claude(path))
    path.unlink()

    assert keeper.keep(claude(path)).copied_bytes == 0
    assert copy_of(keeper, path).read_bytes() == b"one\n"
    with pytest.raises(ArchiveError, match="missing"):
        keeper.keep(claude(root / "never.jsonl"))


def test_a_part_of_a_session_that_is_gone_stays(keeper: Keeper, root: Path) -> None:
    """A spilled output, say."""
    path, spilled = root / "s.jsonl", root / "s" / "tool-results" / "out.txt"
    spilled.parent.mkdir(parents=True)
    write(path, b"one\n", 0)
    write(spilled, b"much", 0)
    keeper.keep(claude(path))
    spilled.unlink()
    write(path, b"one\ntwo\n", 1)

    keeper.keep(claude(path))

    assert copy_of(keeper, spilled).read_bytes() == b"much"


def test_a_link_out_of_the_place_is_not_followed(keeper: Keeper, root: Path, tmp_path: Path) -> None:
    """A session that is one is refused; a file beside it is left out."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    (root / "s" / "tool-results").mkdir(parents=True)
    (root / "s" / "tool-results" / "out.txt").symlink_to(secret)
    (root / "link.jsonl").symlink_to(secret)

    keeper.keep(claude(path))
    with pytest.raises(ArchiveError, match="link"):
        keeper.keep(claude(root / "link.jsonl"))

    assert [each.read_bytes() for each in copy_of(keeper, root).rglob("*") if each.is_file()] == [b"one\n"]


def test_a_link_within_the_place_is(keeper: Keeper, root: Path) -> None:
    """A folder of a project may be one."""
    (root / "real").mkdir()
    write(root / "real" / "s.jsonl", b"one\n", 0)
    (root / "linked").symlink_to(root / "real")

    keeper.keep(claude(root / "linked" / "s.jsonl", root))

    assert copy_of(keeper, root / "linked" / "s.jsonl").read_bytes() == b"one\n"
    assert not copy_of(keeper, root / "linked").is_symlink()


def test_copies_are_not_copied(keeper: Keeper, root: Path) -> None:
    """Though the catalogue lists them."""
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    copy = keeper.keep(claude(path)).source

    assert keeper.keep(copy) == KeptCopy(copy, 0, 0, put_off=False)


def test_a_kept_folder_behind_a_link_is_known(tmp_path: Path, root: Path) -> None:
    """So that what the catalogue finds there is not kept once more."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    keeper = Keeper(tmp_path / "link")
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    copy = keeper.keep(claude(path)).source

    again = keeper.keep(replace(copy, path=copy.path.resolve(), root=copy.root.resolve()))

    assert again.files == 0


@pytest.mark.parametrize("grown", [False, True])
def test_where_there_is_no_room_nothing_is_copied(
    keeper: Keeper, root: Path, monkeypatch: pytest.MonkeyPatch, grown: bool
) -> None:
    """And that is said."""
    path = root / "s.jsonl"
    write(path, b"one\n", 0)
    if grown:
        keeper.keep(claude(path))
        write(path, b"one\ntwo\n", 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=kept_bytes.RESERVE_BYTES))

    with pytest.raises(ArchiveError, match=kept_bytes.NO_ROOM):
        keeper.keep(claude(path))

    assert copy_of(keeper, path).exists() is grown
    assert not list(keeper.folder.rglob("*" + kept_bytes.MAKING_SUFFIX))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, root: Path) -> None:
    """In words, not as an exception of the system."""
    (tmp_path / "file").write_text("")
    write(root / "s.jsonl", b"one\n", 0)

    with pytest.raises(ArchiveError, match="cannot be written"):
        Keeper(tmp_path / "file" / "kept").keep(claude(root / "s.jsonl"))


def test_a_file_system_without_links_keeps_replaced_copies_too(
    keeper: Keeper, clock: Clock, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same name."""

    def refuse(*_given: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = root / "s.jsonl"
    for at, text in enumerate((b"one", b"two")):
        write(path, text, at)
        clock.now += kept.MAX_REST_SECONDS
        keeper.keep(claude(path))

    assert [each.read_bytes() for each in older(copy_of(keeper, path))] == [b"one"]


def test_two_copies_of_one_time_both_stay(keeper: Keeper, clock: Clock, root: Path) -> None:
    """Should a file be rewritten without its time being another."""
    path = root / "s.jsonl"
    for text in (b"three", b"four", b"one"):
        write(path, text, 0)
        clock.now += kept.MAX_REST_SECONDS
        keeper.keep(claude(path))

    assert [each.read_bytes() for each in older(copy_of(keeper, path))] == [b"three", b"four"]


# ---------------------------------------------------------------------------------------------------------- databases


@pytest.fixture
def database(root: Path) -> Iterator[sqlite3.Connection]:
    """OpenCode's database, with two sessions, while it is open for writing."""
    with closing(sqlite3.connect(root / "opencode.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in (
            "CREATE TABLE session (id TEXT PRIMARY KEY, parent_id TEXT, title TEXT, time_created INTEGER,"
            " time_updated INTEGER)",
            "CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, time_updated INTEGER,"
            " data TEXT)",
            "CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT, session_id TEXT, time_created INTEGER,"
            " time_updated INTEGER, data TEXT)",
            "CREATE TABLE credential (id TEXT, secret TEXT)",
            "INSERT INTO credential VALUES ('k', 'hunter2')",
        ):
            connection.execute(statement)
        for own_id in ("ses_a", "ses_b"):
            connection.execute("INSERT INTO session VALUES (?, NULL, ?, 1, 1)", (own_id, f"title {own_id}"))
            say(connection, own_id, f"hello from {own_id}", at=1)
        yield connection


def say(connection: sqlite3.Connection, own_id: str, text: str, at: int) -> None:
    """Add a message to a session."""
    name = f"{own_id}_{at}"
    connection.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", (f"msg_{name}", own_id, at, at, '{"role":"user"}'))
    data = f'{{"type":"text","text":"{text}"}}'
    connection.execute(
        "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", (f"prt_{name}", f"msg_{name}", own_id, at, at, data)
    )
    connection.execute("UPDATE session SET time_updated = ? WHERE id = ?", (at, own_id))


def opencode(root: Path, own_id: str) -> SessionSource:
    """A session of the database."""
    reader = READERS_BY_NAME["opencode"]
    return SessionSource(derive_scroll_id("opencode", own_id), reader, root / "opencode.db", root, own_id)


def texts(source: SessionSource) -> list[str]:
    """What is said in a session."""
    return [part["text"] for item in items_of(source) for part in getattr(item, "content", ())]


def test_a_session_of_a_database_that_is_written_is_kept(
    keeper: Keeper, root: Path, database: sqlite3.Connection
) -> None:
    """By itself: nothing of other sessions, no keys; and no file is made beside the original."""
    beside = sorted(path.name for path in root.iterdir())

    copy = keeper.keep(opencode(root, "ses_a")).source

    assert texts(copy) == ["hello from ses_a"]
    assert sorted(path.name for path in root.iterdir()) == beside
    assert [path.name for path in copy.path.parent.iterdir()] == ["opencode.ses_a.db"]
    data = copy.path.read_bytes()
    assert b"ses_b" not in data
    assert b"hunter2" not in data
    assert sources_in(keeper.folder, root / "cache").keys() == {copy.scroll_id}


def test_a_session_of_a_database_is_copied_when_it_changed(
    keeper: Keeper, clock: Clock, root: Path, database: sqlite3.Connection
) -> None:
    """And not because another one did."""
    keeper.keep(opencode(root, "ses_a"))
    say(database, "ses_b", "something else", at=2)
    clock.now += kept.MAX_REST_SECONDS
    other = keeper.keep(opencode(root, "ses_a"))
    say(database, "ses_a", "and more", at=3)
    own = keeper.keep(opencode(root, "ses_a"))
    still = keeper.keep(opencode(root, "ses_a"))

    assert (other.copied_bytes, still.copied_bytes) == (0, 0)
    assert own.copied_bytes > 0
    assert texts(own.source) == ["hello from ses_a", "and more"]


def test_a_session_that_was_deleted_from_its_database_stays(
    keeper: Keeper, clock: Clock, root: Path, database: sqlite3.Connection
) -> None:
    """And when the whole database is gone; one that was never in it cannot be kept."""
    keeper.keep(opencode(root, "ses_a"))
    for table in ("session WHERE id", "message WHERE session_id", "part WHERE session_id"):
        database.execute(f"DELETE FROM {table} = 'ses_a'")
    clock.now += kept.MAX_REST_SECONDS
    deleted = keeper.keep(opencode(root, "ses_a"))
    with pytest.raises(ArchiveError, match="no longer has this session"):
        keeper.keep(opencode(root, "ses_c"))
    database.close()
    for path in root.iterdir():
        path.unlink()
    gone = keeper.keep(opencode(root, "ses_a"))

    assert texts(deleted.source) == texts(gone.source) == ["hello from ses_a"]
    assert keeper.holds(opencode(root, "ses_a"))


def test_a_copy_knows_the_call_of_its_parent(keeper: Keeper, root: Path, database: sqlite3.Connection) -> None:
    """Though the parent is a copy of its own."""
    call = '{"type":"tool","tool":"task","callID":"call_1","state":{"metadata":{"sessionId":"ses_b"}}}'
    database.execute("UPDATE session SET parent_id = 'ses_a' WHERE id = 'ses_b'")
    database.execute("INSERT INTO part VALUES ('prt_x', 'msg_ses_a_1', 'ses_a', 1, 1, ?)", (call,))

    copy = keeper.keep(opencode(root, "ses_b")).source

    assert copy.reader.summarise(copy).parent_call_id == "call_1"
    assert texts(copy) == ["hello from ses_b"]


def test_a_damaged_copy_of_a_database_is_made_anew(
    keeper: Keeper, clock: Clock, root: Path, database: sqlite3.Connection
) -> None:
    """As soon as the original changes."""
    copy = keeper.keep(opencode(root, "ses_a")).source
    copy.path.write_bytes(b"no database")
    clock.now += kept.MAX_REST_SECONDS

    keeper.keep(opencode(root, "ses_a"))

    assert texts(copy) == ["hello from ses_a"]


def test_a_database_that_cannot_be_read_is_said(keeper: Keeper, root: Path) -> None:
    """In words."""
    (root / "opencode.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    with pytest.raises(ArchiveError, match="database"):
        keeper.keep(opencode(root, "ses_a"))


def test_a_database_of_one_session_is_kept_whole(keeper: Keeper, clock: Clock, root: Path) -> None:
    """With what stands in its log only, and readable without one."""
    folder = root / "projects" / "p" / "agent-transcripts" / "c"
    folder.mkdir(parents=True)
    write(folder / "c.jsonl", b"{}\n", 0)
    source = SessionSource(derive_scroll_id("cursor", "c"), READERS_BY_NAME["cursor"], folder / "c.jsonl", root)
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        for name in ("first", "second"):
            store.execute("INSERT INTO meta VALUES ('0', ?)", (name,))
            clock.now += kept.MAX_REST_SECONDS
            keeper.keep(source)
        again = keeper.keep(source)

    copy = copy_of(keeper, folder / "store.db", "cursor")
    assert again.copied_bytes == 0
    assert sorted(path.name for path in copy.parent.iterdir() if ".older" not in path.name) == ["c.jsonl", "store.db"]
    with closing(sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)) as kept_store:
        assert kept_store.execute("SELECT value FROM meta").fetchall() == [("first",), ("second",)]


def test_an_id_that_is_no_name_is_kept_with_the_whole_database(
    keeper: Keeper, root: Path, database: sqlite3.Connection
) -> None:
    """Rather than lead elsewhere."""
    database.execute("INSERT INTO session VALUES ('../x', NULL, 'odd', 1, 1)")

    copy = keeper.keep(opencode(root, "../x")).source

    assert copy.path == copy_of(keeper, root / "opencode.db", "opencode")
    assert copy.reader.summarise(copy).title == "odd"


# ---------------------------------------------------------------------------------------------------- counterparts


def test_the_copies_of_what_was_named_are_found(keeper: Keeper, root: Path, tmp_path: Path) -> None:
    """Of a folder as of a file, in every format; of nothing else."""
    path = root / "p" / "s.jsonl"
    path.parent.mkdir()
    write(path, b"one\n", 0)
    keeper.keep(claude(path, root))
    keeper.keep(native_source(write_document(root / "p", [message("m0")])))

    assert counterparts(keeper.folder, root / "p") == [
        copy_of(keeper, root / "p"),
        copy_of(keeper, root / "p", "native"),
    ]
    assert counterparts(keeper.folder, path) == [copy_of(keeper, path)]
    assert counterparts(keeper.folder, tmp_path / "other") == []
    assert counterparts(tmp_path / "no folder", root) == []
