from __future__ import annotations

import builtins
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

import scrollcast
from archives import SCROLL_ID, at, message, metadata, write_document, write_session
from catalogues import contents, run
from scrollcast.archive import catalogue as module
from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.catalogue import Catalogue, Progress
from scrollcast.archive.database import FileLock
from scrollcast.archive.formats import FormatReader, SessionSource, SniffedFile, readers
from scrollcast.archive.listing import Listing
from scrollcast.archive.rows import GONE
from scrollcast.archive.scanner import look
from scrollcast.archive.walk import Candidate
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

ONE, TWO, THREE, FOUR = (UUID(int=number) for number in range(1, 5))


def catalogue_of(*paths: Path, cache: Path | None = None, optional: bool = False) -> Catalogue:
    """A catalogue that has looked once."""
    catalogue = Catalogue(paths, cache, optional=optional)
    catalogue.refresh()
    return catalogue


def sessions_of(*paths: Path) -> dict[UUID, Session]:
    """The sessions under some paths."""
    return {session.scroll_id: session for session in catalogue_of(*paths).sessions()}


# --------------------------------------------------------------------------------------------------- what is found


def test_both_shapes_in_nested_folders(root: Path) -> None:
    """Session folders and whole files are found wherever they lie, and nothing else is taken for one."""
    write_session(root, [message("m0")], scroll_id=ONE)
    write_session(root / "2026" / "march", [message("m0")], scroll_id=TWO)
    write_document(root / "2026", [message("m0")], scroll_id=THREE)
    (root / "README.md").write_text("# no session")
    (root / "package.json").write_text('{"name": "no session"}')
    (root / "rows.jsonl").write_text('{"no": "session"}\n')
    (root / "empty.json").touch()

    assert sessions_of(root).keys() == {ONE, TWO, THREE}


def test_summary(root: Path) -> None:
    """What a session's metadata says and what its messages tell is listed; unknown fields are kept apart."""
    write_session(
        root,
        [message("m0", 1), message("m1", 90), message("m2", 5), b"{broken"],
        title="Why is it dark?",
        agent="Demo Agent",
        model="lumen-2",
        project="beamkeeper",
        parent_scroll_id=str(TWO),
        cwd="/home/keeper",
    )
    session = sessions_of(root)[SCROLL_ID]

    assert (session.title, session.agent, session.model) == ("Why is it dark?", "Demo Agent", "lumen-2")
    assert (session.project, session.kind, session.parent_scroll_id) == ("beamkeeper", "AcpConnection", TWO)
    assert (session.count, session.duration_ms, session.error) == (3, 89_000, None)
    assert (session.created_at, session.updated_at) == ("2026-03-02T09:00:00.000Z", "2026-03-02T09:01:30.000Z")
    assert session.metadata == {"cwd": "/home/keeper"}


@pytest.mark.parametrize("given", ["folder", "session.json", "whole file"])
def test_path_may_be_one_session(root: Path, given: str) -> None:
    """A session's own folder or file can be opened, and its neighbours are not seen."""
    folder = write_session(root, [message("m0")], scroll_id=ONE)
    document = write_document(root, [message("m0")], scroll_id=TWO)
    path = {"folder": folder, "session.json": folder / "session.json", "whole file": document}[given]

    assert sessions_of(path).keys() == {TWO if given == "whole file" else ONE}


def test_several_paths_are_one_catalogue(tmp_path: Path) -> None:
    """Sessions under several paths are listed as one."""
    write_session(tmp_path / "a", [message("m0")], scroll_id=ONE)
    write_session(tmp_path / "b", [message("m0")], scroll_id=TWO)

    assert sessions_of(tmp_path / "a", tmp_path / "b").keys() == {ONE, TWO}


def test_path_that_does_not_exist(root: Path) -> None:
    """A path without anything is an error; its name is for the log, as every path is."""
    with pytest.raises(ArchiveError) as caught:
        catalogue_of(root, root / "nothing-here")
    assert "nothing-here" in caught.value.detail
    assert "nothing-here" not in str(caught.value)


def test_path_that_is_no_session(root: Path) -> None:
    """A file of no known format holds no session, which is no error."""
    (root / "notes.txt").write_text("no session")

    assert sessions_of(root / "notes.txt") == {}


def test_first_of_two_with_one_id_is_listed(root: Path) -> None:
    """Two sessions with one id are one, the same each time."""
    write_session(root / "a", [message("m0")], title="first")
    write_session(root / "b", [message("m0")], title="second")

    assert [session.title for session in sessions_of(root).values()] == ["first"]


def test_id_in_the_metadata_counts_before_the_name(root: Path) -> None:
    """A session's id is the one that it gives itself."""
    write_session(root, [message("m0")]).rename(root / "renamed")

    assert sessions_of(root).keys() == {SCROLL_ID}


# ------------------------------------------------------------------------------------------------ what is broken


def _no_json(folder: Path) -> None:
    (folder / "session.json").write_text("{broken")


def _no_object(folder: Path) -> None:
    (folder / "session.json").write_text("[]")


def _no_messages(folder: Path) -> None:
    (folder / "messages.jsonl").unlink()


def _messages_are_a_folder(folder: Path) -> None:
    _no_messages(folder)
    (folder / "messages.jsonl").mkdir()


def _messages_are_a_pipe(folder: Path) -> None:
    _no_messages(folder)
    os.mkfifo(folder / "messages.jsonl")


def _messages_lie_outside(folder: Path) -> None:
    (folder / "messages.jsonl").rename(folder.parent.parent / "messages.jsonl")
    (folder / "messages.jsonl").symlink_to(folder.parent.parent / "messages.jsonl")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "damage",
    [_no_json, _no_object, _no_messages, _messages_are_a_folder, _messages_are_a_pipe, _messages_lie_outside],
)
def test_broken_session_is_listed_with_its_error(root: Path, damage: Callable[[Path], None]) -> None:
    """A session that cannot be played is listed with a sentence that holds no path, beside the others."""
    damage(write_session(root, [message("m0")], scroll_id=ONE))
    write_session(root, [message("m0")], scroll_id=TWO)
    sessions = sessions_of(root)

    assert sessions[ONE].error
    assert str(root) not in str(sessions[ONE].error)
    assert sessions[TWO].error is None


@pytest.mark.parametrize(
    "content",
    [
        "", "{broken", "[]", "7", '{"metadata": 7, "messages": []}', '{"metadata": {}}',
        '{"metadata": {}, "messages": {}}', "[" * 5000,
    ],
)  # fmt: skip
def test_broken_whole_file_is_listed_with_its_error(root: Path, content: str) -> None:
    """A file whose name is a session's id is listed, whatever it holds."""
    (root / f"{ONE}.json").write_text(content)

    assert sessions_of(root)[ONE].error


def test_broken_session_that_is_mended_is_listed_anew(root: Path) -> None:
    """An error goes when its cause does."""
    folder = write_session(root, [message("m0")])
    (folder / "messages.jsonl").rename(root / "away")
    catalogue = catalogue_of(root)
    broken = catalogue.entry(SCROLL_ID).session
    (root / "away").rename(folder / "messages.jsonl")
    catalogue.refresh()

    assert broken.error
    assert catalogue.entry(SCROLL_ID).session.error is None


@pytest.mark.parametrize(
    "fields",
    [
        {"title": 7, "agent": [], "model": {}, "created_at": "soon", "connector_uid": "x", "parent_scroll_id": 1},
        {"created_at": "0001-01-01T00:00+14:00", "updated_at": "9999-12-31T23:59-14:00"},
        {"created_at": -(2.0**70), "updated_at": 2.0**70},
    ],
)
def test_odd_metadata_is_no_error(root: Path, fields: dict[str, Any]) -> None:
    """Fields of the wrong type are as good as missing."""
    write_session(root, [message("m0", 3)], **fields)
    session = sessions_of(root)[SCROLL_ID]

    assert session.error is None
    assert session.created_at == "2026-03-02T09:00:03.000Z"


# ------------------------------------------------------------------------------------------------ what lies outside


def test_links_to_outside_are_left_out(tmp_path: Path, root: Path) -> None:
    """Neither a linked folder nor a linked file leads out of the archive."""
    outside = tmp_path / "outside"
    folder = write_session(outside, [message("m0")], scroll_id=ONE)
    (root / "folder").symlink_to(folder)
    (root / "all").symlink_to(outside)
    (root / f"{TWO}.json").symlink_to(write_document(outside, [message("m0")], scroll_id=TWO))
    (root / "linked").mkdir()
    (root / "linked" / "session.json").symlink_to(folder / "session.json")

    assert sessions_of(root) == {}


def test_link_within_the_archive_is_followed(root: Path) -> None:
    """A file of a session may be a link to another place in the archive."""
    folder = write_session(root, [message("m0"), message("m1")])
    (folder / "messages.jsonl").rename(root / "elsewhere.jsonl")
    (folder / "messages.jsonl").symlink_to(root / "elsewhere.jsonl")

    assert sessions_of(root)[SCROLL_ID].count == 2


def test_unreadable_folder_is_passed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be read hides its own sessions only."""
    write_session(root / "locked", [message("m0")], scroll_id=ONE)
    write_session(root / "open", [message("m0")], scroll_id=TWO)
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if path == str(root / "locked"):
            raise PermissionError(13, "permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    assert sessions_of(root).keys() == {TWO}


# ---------------------------------------------------------------------------------------------------------- changes


def test_sessions_come_and_go(root: Path) -> None:
    """A refresh finds what is new, and says of what is no longer there that it is gone."""
    first = write_session(root, [message("m0")], scroll_id=ONE, title="the first")
    catalogue = catalogue_of(root)
    write_session(root, [message("m0")], scroll_id=TWO)
    before = {session.scroll_id for session in catalogue.sessions()}
    first.rename(root.parent / "away")
    catalogue.refresh()
    gone, number = catalogue.entry(ONE).session, catalogue.entry(ONE).number
    (root.parent / "away").rename(first)
    catalogue.refresh()
    back = catalogue.entry(ONE).session

    assert before == {ONE}
    assert {session.scroll_id for session in catalogue.sessions()} == {ONE, TWO}
    assert (gone.source_gone, gone.error, gone.title, gone.live) == (True, GONE, "the first", False)
    assert (back.source_gone, back.error) == (False, None)
    assert catalogue.entry(ONE).number == number


def test_changed_metadata_is_picked_up(root: Path) -> None:
    """A session's new title is listed after a refresh, in both shapes."""
    folder = write_session(root, [message("m0")], scroll_id=ONE, title="old")
    document = write_document(root, [message("m0")], scroll_id=TWO, title="old")
    catalogue = catalogue_of(root)
    (folder / "session.json").write_text(json.dumps(metadata(ONE, title="a newer one")))
    document.write_text(json.dumps({"metadata": metadata(TWO, title="a newer one"), "messages": []}))
    catalogue.refresh()

    assert {session.title for session in catalogue.sessions()} == {"a newer one"}


def test_appended_messages_are_counted(root: Path) -> None:
    """A session that grew is summarised anew."""
    folder = write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    with (folder / "messages.jsonl").open("a") as file:
        file.write(json.dumps(message("m1", 7)) + "\n")
    updated = catalogue.update(catalogue.entry(SCROLL_ID).source).session

    assert (updated.count, updated.duration_ms) == (2, 7000)
    assert catalogue.entry(SCROLL_ID).session == updated


def test_listing_that_is_fresh_is_not_made_again(root: Path) -> None:
    """Many requests at once cost one walk."""
    catalogue = catalogue_of(root)
    write_session(root, [message("m0")])
    catalogue.refresh(older_than=60)
    fresh = catalogue.sessions()
    catalogue.refresh(older_than=0)

    assert fresh == []
    assert len(catalogue.sessions()) == 1


@pytest.fixture
def opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of the archive that are opened from now on."""
    names: list[str] = []

    def watch(function: Callable[..., Any]) -> Callable[..., Any]:
        def opening(path: Any, *arguments: Any, **named: Any) -> Any:
            if not isinstance(path, int) and os.fsdecode(path).startswith(str(root)):
                names.append(os.fsdecode(path))
            return function(path, *arguments, **named)

        return opening

    monkeypatch.setattr(os, "open", watch(os.open))
    monkeypatch.setattr(builtins, "open", watch(builtins.open))
    return names


def test_a_second_start_opens_no_file_that_did_not_change(root: Path, cache: Path, opened: list[str]) -> None:
    """Neither a session's, nor one of those that are none."""
    write_session(root, [message("m0")], scroll_id=ONE)
    write_document(root, [message("m0")], scroll_id=TWO)
    (root / "rows.jsonl").write_text('{"no": "session"}\n')
    (root / "notes.txt").write_text("nothing")
    first = Catalogue([root], cache)
    first.refresh()
    before = contents(first)
    first.close()
    cold = list(opened)
    opened.clear()
    second = Catalogue([root], cache)
    second.refresh()

    assert len(cold) >= 4
    assert opened == []
    assert contents(second) == before
    assert second.progress == Progress(4, 4, complete=True)


def test_a_change_of_any_of_its_files_is_seen(root: Path, cache: Path, opened: list[str]) -> None:
    """And nothing but what changed is opened for it."""
    folder = write_session(root, [message("m0")], scroll_id=ONE)
    write_session(root, [message("m0")], scroll_id=TWO)
    Catalogue([root], cache).refresh()
    with (folder / "messages.jsonl").open("a") as file:
        file.write(json.dumps(message("m1", 7)) + "\n")
    opened.clear()
    catalogue = Catalogue([root], cache)
    catalogue.refresh()

    assert catalogue.entry(ONE).session.count == 2
    assert all(str(ONE) in name for name in opened)


def test_what_an_index_knows_replaces_the_estimate(root: Path) -> None:
    """Exact figures stand for the files that they were counted in, and not for newer ones."""
    folder = write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    source = catalogue.entry(SCROLL_ID).source
    catalogue.learn(SCROLL_ID, Fingerprint.of(source).key, 41, 42)
    learnt = catalogue.entry(SCROLL_ID).session
    listed = catalogue.sessions()
    with (folder / "messages.jsonl").open("a") as file:
        file.write(json.dumps(message("m1", 7)) + "\n")
    catalogue.refresh()

    assert (learnt.count, learnt.duration_ms) == (41, 42)
    assert listed == [learnt]
    assert catalogue.entry(SCROLL_ID).session.count == 2


@pytest.mark.parametrize("missing", [UUID(int=9), str(UUID(int=9)), "", "x", "../" * 9, "\0", "9" * 10_000])
def test_unknown_id(root: Path, missing: UUID | str) -> None:
    """An id that is unknown, or is none, is not found; the sentence stays short."""
    with pytest.raises(SessionNotFound) as refused:
        catalogue_of(root).entry(missing)

    assert len(str(refused.value)) < 150


def test_what_was_learnt_is_known_after_a_restart(root: Path, cache: Path) -> None:
    """With the files that it was learnt from."""
    write_session(root, [message("m0")])
    first = catalogue_of(root, cache=cache)
    first.learn(SCROLL_ID, Fingerprint.of(first.entry(SCROLL_ID).source).key, 41, 42, has_errors=True)
    first.close()
    second = catalogue_of(root, cache=cache).entry(SCROLL_ID).session

    assert (second.count, second.duration_ms, second.has_errors) == (41, 42, True)


def test_what_was_learnt_before_the_summary_waits_for_it(root: Path) -> None:
    """An index may be made of a newer state than the one that is listed."""
    folder = write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    with (folder / "messages.jsonl").open("a") as file:
        file.write("{}\n")
    catalogue.learn(SCROLL_ID, Fingerprint.of(catalogue.entry(SCROLL_ID).source).key, 41, 42)
    before = catalogue.entry(SCROLL_ID).session
    catalogue.refresh()
    after = catalogue.entry(SCROLL_ID).session

    assert before.count == 1
    assert (after.count, after.duration_ms) == (41, 42)


def test_nothing_is_learnt_of_a_session_that_is_not_there(root: Path) -> None:
    """It may have gone with the database."""
    write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    fingerprint = Fingerprint.of(catalogue.entry(SCROLL_ID).source)
    catalogue.learn(FOUR, fingerprint.key, 1, 1)

    with pytest.raises(SessionNotFound):
        catalogue.entry(FOUR)


def test_an_update_of_a_session_that_is_gone(root: Path) -> None:
    """Whoever opens it hears so, before any refresh."""
    folder = write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    source = catalogue.entry(SCROLL_ID).source
    folder.rename(root.parent / "away")

    assert catalogue.update(source).session.error == GONE
    assert catalogue.entry(SCROLL_ID).session.source_gone


def test_an_update_without_a_change_is_no_reading(root: Path, opened: list[str]) -> None:
    """It costs a look at the files' stamps."""
    write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    entry = catalogue.entry(SCROLL_ID)
    opened.clear()

    assert catalogue.update(entry.source) == entry
    assert opened == []


def test_an_update_tries_a_broken_session_again(root: Path) -> None:
    """What a file may be read by changes without a trace in its stamp."""
    folder = write_session(root, [message("m0")])
    (folder / "session.json").write_text("[]")
    catalogue = catalogue_of(root)
    broken = catalogue.entry(SCROLL_ID)
    times = (folder / "session.json").stat()
    (folder / "session.json").write_text("{}")
    os.utime(folder / "session.json", ns=(times.st_atime_ns, times.st_mtime_ns))

    assert broken.session.error
    assert catalogue.update(broken.source).session.error is None


# ------------------------------------------------------------------------------------------- one id in several files


def test_another_file_of_the_same_id_takes_the_place_of_one_that_is_gone(root: Path) -> None:
    """Though it did not change."""
    first = write_session(root / "a", [message("m0")], title="first")
    write_session(root / "b", [message("m0"), message("m1")], title="second")
    catalogue = catalogue_of(root)
    number = catalogue.entry(SCROLL_ID).number
    first.rename(root.parent / "away")
    catalogue.refresh()
    entry = catalogue.entry(SCROLL_ID)

    assert (entry.session.title, entry.session.count, entry.session.source_gone) == ("second", 2, False)
    assert entry.number == number


def test_the_one_that_is_listed_stays_as_long_as_it_is_there(root: Path, cache: Path) -> None:
    """A copy that comes later, wherever it is put, does not take its place."""
    write_session(root / "b", [message("m0")], title="listed")
    catalogue_of(root, cache=cache).close()
    write_session(root / "a", [message("m0")], title="a copy")
    catalogue = catalogue_of(root, cache=cache)

    assert catalogue.entry(SCROLL_ID).session.title == "listed"


def test_the_path_that_was_named_first_is_preferred(tmp_path: Path) -> None:
    """Even where its file comes later, or its name does."""
    named = [tmp_path / "z", tmp_path / "a"]
    write_session(named[1], [message("m0")], title="of the second")
    named[0].mkdir()
    catalogue = catalogue_of(*named)
    before = catalogue.entry(SCROLL_ID).session.title
    write_session(named[0], [message("m0")], title="of the first")
    catalogue.refresh()

    assert (before, catalogue.entry(SCROLL_ID).session.title) == ("of the second", "of the first")


def test_a_session_that_moved_is_not_gone_for_a_moment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed by its new place as soon as that was looked into."""
    folder = write_session(root / "a", [message("m0")])
    catalogue = catalogue_of(root)
    states = []
    put = Catalogue._put

    def spy(self: Catalogue, *arguments: Any) -> None:
        put(self, *arguments)
        states.append(self.entry(SCROLL_ID).session.source_gone)

    monkeypatch.setattr(Catalogue, "_put", spy)
    folder.rename(root / "b")
    catalogue.refresh()

    assert states == [False, False]
    assert catalogue.entry(SCROLL_ID).source.path == root / "b"


def test_a_file_that_holds_another_session_now(root: Path) -> None:
    """The one that it held is gone."""
    document = write_document(root, [message("m0")], scroll_id=ONE).rename(root / "one.json")
    catalogue = catalogue_of(root)
    document.write_text(json.dumps({"metadata": metadata(TWO), "messages": []}))
    catalogue.refresh()

    assert catalogue.entry(ONE).session.source_gone
    assert not catalogue.entry(TWO).session.source_gone


# --------------------------------------------------------------------------------------------------- other readers


class ShelfReader(FormatReader):
    """A format for tests: `{"shelf": {id: title}}`, several sessions a file; a title may be a defect of the reader."""

    name = "shelf"

    def claims(self, file: SniffedFile) -> bool:
        """Files that begin so."""
        if file.head.startswith(b'{"defect in claims"'):
            raise ZeroDivisionError
        return file.head.startswith(b'{"shelf"')

    def locate(self, file: SniffedFile, root: Path) -> tuple[SessionSource, ...]:
        """Each entry."""
        titles = json.loads(file.head)["shelf"]
        return tuple(SessionSource(UUID(scroll_id), self, file.path, root, scroll_id) for scroll_id in titles)

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """In a folder with an index, the shelves that have a name of their own."""
        if "defect" in names:
            raise ZeroDivisionError
        return [folder / "the.shelf"] if "the.shelf" in names else None

    def is_companion(self, path: Path) -> bool:
        """Settings, and a shelf that was carried over into another one."""
        if path.name == "defect.json":
            raise ZeroDivisionError
        return path.name == "shelf-settings.json" or path.with_suffix(".new.json").is_file()

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The shelf, and a label that lies elsewhere."""
        return source.path, source.root / "labels" / "label.xml"

    def summarise(self, source: SessionSource) -> Session:
        """The title, or what it says should happen."""
        title = json.loads(source.path.read_bytes())["shelf"][source.member]
        match title:
            case "raise":
                raise ZeroDivisionError
            case "odd":
                return Session(source.scroll_id, title=7)  # type: ignore[arg-type]
            case "no text":
                return Session(source.scroll_id, title="\ud800")
            case "no JSON":
                return Session(source.scroll_id, metadata={"x": 2**70})
            case _:
                return Session(source.scroll_id, title=title)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> ShelfReader:
    """The reader, known beside the others."""
    reader = ShelfReader()
    monkeypatch.setattr(readers, "READERS", (reader, *readers.READERS))
    monkeypatch.setattr(readers, "READERS_BY_NAME", {**readers.READERS_BY_NAME, reader.name: reader})
    return reader


def write_shelf(path: Path, **titles: str) -> Path:
    """A file with sessions of these names and titles."""
    ids = {"one": ONE, "two": TWO, "three": THREE}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shelf": {str(ids[name]): title for name, title in titles.items()}}))
    return path


def test_several_sessions_of_one_file(root: Path, shelf: ShelfReader) -> None:
    """Each is listed, and gone once the file holds it no more."""
    path = write_shelf(root / "a.json", one="1", two="2")
    catalogue = catalogue_of(root)
    before = {session.scroll_id: session.title for session in catalogue.sessions()}
    sources = [catalogue.entry(scroll_id).source for scroll_id in (ONE, TWO)]
    write_shelf(path, two="the second", three="3")
    catalogue.refresh()
    after = {session.scroll_id: session.title for session in catalogue.sessions() if not session.source_gone}

    assert before == {ONE: "1", TWO: "2"}
    assert [(source.path, source.member) for source in sources] == [(path, str(ONE)), (path, str(TWO))]
    assert after == {TWO: "the second", THREE: "3"}


@pytest.mark.parametrize("defect", ["raise", "odd", "no text", "no JSON"])
def test_a_defect_of_a_reader_is_one_sessions(root: Path, shelf: ShelfReader, defect: str) -> None:
    """It is listed as unreadable, and the others as they are."""
    write_shelf(root / "a.json", one=defect, two="2")
    (root / "b.json").write_text('{"defect in claims": 1}')
    (root / "defect.json").write_text("{}")
    write_document(root / "c", [message("m0")], scroll_id=FOUR)
    (root / "c" / "defect").touch()
    write_session(root, [message("m0")], scroll_id=THREE)
    sessions = sessions_of(root)

    assert sessions.keys() == {ONE, TWO, THREE, FOUR}
    assert str(sessions[ONE].error).startswith("unreadable")
    assert sessions[TWO].error is None
    assert sessions[THREE].error is None


def test_a_change_beside_the_file_is_seen(root: Path, shelf: ShelfReader) -> None:
    """A session's files may lie anywhere in the archive."""
    write_shelf(root / "a.json", one="1")
    label = root / "labels" / "label.xml"
    label.parent.mkdir()
    catalogue = catalogue_of(root)
    first = catalogue.entry(ONE).fingerprint
    label.touch()
    owners = catalogue.sessions_of(label)
    noted = catalogue.note_changes([label])
    second = catalogue.entry(ONE).fingerprint
    label.write_text("x")
    catalogue.refresh()

    assert owners == noted == [ONE]
    assert len({first, second, catalogue.entry(ONE).fingerprint}) == 3


@pytest.mark.parametrize("noted", [False, True])
def test_a_file_beside_it_may_make_a_session_a_companion(root: Path, shelf: ShelfReader, noted: bool) -> None:
    """And be the session in its place, though the first file did not change; and back."""
    old, new = write_shelf(root / "a.json", one="old"), root / "a.new.json"
    write_shelf(root / "b.json", two="other")
    catalogue = catalogue_of(root)

    def listed() -> tuple[str, Path]:
        if noted:
            catalogue.note_changes([new])
        else:
            catalogue.refresh()
        entry = catalogue.entry(ONE)
        return entry.session.title, entry.source.path

    write_shelf(new, one="new")
    carried_over = listed()
    new.unlink()

    assert carried_over == ("new", new)
    assert listed() == ("old", old)


def test_a_new_file_in_a_folder_of_parts_is_a_sessions(root: Path, shelf: ShelfReader) -> None:
    """It may be a part that the session did not have."""
    write_shelf(root / "a.json", one="1")
    (root / "labels").mkdir()
    (root / "labels" / "label.xml").touch()
    catalogue = catalogue_of(root)
    another = write_shelf(root / "labels" / "b.json", two="2")

    assert catalogue.sessions_of(root / "labels" / "another.xml") == [ONE]
    assert catalogue.note_changes([another]) == [ONE, TWO]


def test_a_file_that_takes_long_rests(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked into now and then while it keeps changing, and once more when it has stopped."""
    path = write_document(root, [message("m0")], scroll_id=ONE, title="0")
    catalogue = catalogue_of(root)
    clock = [1000.0]

    def slowly(candidate: Candidate) -> Any:
        clock[0] += 1
        return look(candidate)

    def title(seconds: float, changed: str) -> str:
        clock[0] += seconds
        if changed:
            path.write_text(json.dumps({"metadata": metadata(ONE, title=changed), "messages": []}))
        catalogue.note_changes([path] if changed else [])
        return catalogue.entry(ONE).session.title

    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "look", slowly)

    assert [title(0, "one"), title(1, "two"), title(1, "three"), title(1, "")] == ["one"] * 4
    assert [title(20, ""), title(1, "four!"), title(20, "five")] == ["three", "three", "five"]


# -------------------------------------------------------------------------------------------- what nobody recognises


def test_files_that_nobody_knows_are_told_of(root: Path, shelf: ShelfReader) -> None:
    """With what their rows call themselves; what tools write beside their sessions is passed over."""
    write_session(root, [message("m0")])
    (root / "rows.jsonl").write_text('{"type": "alpha"}\n{"role": "beta"}\n{"x": 1, "y": 2}\n7\n')
    (root / "empty.json").touch()
    (root / "prose.jsonl").write_text("no JSON")
    (root / "shelf-settings.json").write_text("{}")
    (root / "notes.txt").write_text("no session")
    (root / "outside.json").symlink_to(__file__)
    told = {found.path.name: found for found in catalogue_of(root).unrecognised()}

    assert told.keys() == {"rows.jsonl", "empty.json", "prose.jsonl", "outside.json"}
    assert told["rows.jsonl"].row_types == ("alpha", "beta", "x", "y")
    assert (told["empty.json"].size, told["empty.json"].row_types) == (0, ())
    assert all(found.why and str(root) not in found.why for found in told.values())


def test_a_file_that_becomes_known_is_told_of_no_more(root: Path) -> None:
    """And one that is gone neither."""
    write_document(root, [message("m0")], scroll_id=ONE)
    (root / f"{ONE}.json").rename(root / "away")
    (root / "one.json").write_text("{}")
    (root / "two.json").write_text("{}")
    catalogue = catalogue_of(root)
    before = [found.path.name for found in catalogue.unrecognised()]
    (root / "away").rename(root / "one.json")
    (root / "two.json").unlink()
    catalogue.refresh()

    assert before == ["one.json", "two.json"]
    assert catalogue.unrecognised() == []
    assert [session.scroll_id for session in catalogue.sessions()] == [ONE]


def test_names_that_are_no_text(root: Path) -> None:
    """A file name is bytes."""
    folder = Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe"))
    write_session(folder, [message("m0")], scroll_id=ONE)
    broken = folder / "x.json"
    broken.write_text('{"metadata": 7}')
    (folder / "y.json").write_text("7")
    catalogue = catalogue_of(root)
    sessions = {session.title for session in catalogue.sessions()}

    assert catalogue.entry(ONE).source.path.parent == folder
    assert sessions == {"A session", "x.json"}
    assert [found.path for found in catalogue.unrecognised()] == [folder / "y.json"]


# ------------------------------------------------------------------------------------------------- single changes


def test_a_changed_file_is_looked_at_again(root: Path) -> None:
    """And no other; what did not change is no news, but for the first time."""
    folder = write_session(root, [message("m0")], scroll_id=ONE)
    write_session(root, [message("m0")], scroll_id=TWO)
    catalogue = catalogue_of(root)
    messages = folder / "messages.jsonl"
    with messages.open("a") as file:
        file.write(json.dumps(message("m1", 7)) + "\n")

    assert catalogue.sessions_of(messages) == [ONE]
    assert catalogue.note_changes([messages]) == [ONE]
    assert catalogue.entry(ONE).session.count == 2
    assert catalogue.note_changes([messages, folder / "session.json"]) == []


def test_what_another_process_noted_first_is_news_all_the_same(root: Path, cache: Path) -> None:
    """Each tells its own viewers."""
    folder = write_session(root, [message("m0")], scroll_id=ONE)
    one, other = catalogue_of(root, cache=cache), catalogue_of(root, cache=cache)
    (folder / "messages.jsonl").write_text("")

    assert one.note_changes([folder / "messages.jsonl"]) == [ONE]
    assert other.note_changes([folder / "messages.jsonl"]) == [ONE]
    assert other.note_changes([folder / "messages.jsonl"]) == []


def test_new_files_and_folders_are_found(root: Path) -> None:
    """By the name of any file of theirs, or of a folder above."""
    catalogue = catalogue_of(root)
    first = write_session(root / "a", [message("m0")], scroll_id=ONE)
    second = write_document(root / "b", [message("m0")], scroll_id=TWO)
    write_session(root / "c" / "d", [message("m0")], scroll_id=THREE)

    assert catalogue.note_changes([first / "messages.jsonl"]) == [ONE]
    assert catalogue.note_changes([second, root / "c"]) == [TWO, THREE]
    assert {session.scroll_id for session in catalogue.sessions()} == {ONE, TWO, THREE}


def test_files_and_folders_that_are_gone(root: Path) -> None:
    """All that lay there is gone, and nothing else."""
    write_session(root / "a", [message("m0")], scroll_id=ONE)
    document = write_document(root / "a", [message("m0")], scroll_id=TWO)
    write_session(root / "a b", [message("m0")], scroll_id=THREE)
    catalogue = catalogue_of(root)
    document.unlink()
    first = catalogue.note_changes([document])
    (root / "a").rename(root.parent / "away")
    second = catalogue.note_changes([root / "a"])

    assert (first, second) == ([TWO], [ONE])
    assert [session.scroll_id for session in catalogue.sessions() if not session.source_gone] == [THREE]


def test_a_folder_that_becomes_a_session(root: Path) -> None:
    """What was told of in it is part of the session now."""
    folder = write_session(root, [message("m0")], scroll_id=ONE)
    (folder / "session.json").rename(root.parent / "away")
    catalogue = catalogue_of(root)
    before = [found.path.name for found in catalogue.unrecognised()]
    (root.parent / "away").rename(folder / "session.json")

    assert before == ["messages.jsonl"]
    assert catalogue.note_changes([folder / "session.json"]) == [ONE]
    assert catalogue.unrecognised() == []


def test_changes_elsewhere_are_nothing_to_us(tmp_path: Path, root: Path) -> None:
    """Outside the archive, in folders that are not entered, and behind links."""
    outside = write_session(tmp_path / "outside", [message("m0")], scroll_id=ONE)
    hidden = write_session(root / ".git", [message("m0")], scroll_id=TWO)
    (root / "linked").symlink_to(outside.parent)
    catalogue = catalogue_of(root)
    places = [outside, hidden / "session.json", root / "linked" / outside.name / "session.json", root / "linked", root]

    assert catalogue.note_changes(places) == []
    assert catalogue.sessions() == []


def test_noting_every_change_is_as_good_as_a_fresh_look(root: Path, cache: Path) -> None:
    """Whatever happened, in whichever order it is told."""
    for number, scroll_id in enumerate((ONE, TWO, THREE)):
        write_session(root / "abc"[number], [message("m0")], scroll_id=scroll_id)
    catalogue = catalogue_of(root, cache=cache)
    (root / "a").rename(root / "z")
    shutil.rmtree(root / "b" / str(TWO))
    write_document(root / "c", [message("m0")], scroll_id=FOUR)
    (root / "c" / "junk.json").write_text("{}")
    changed = [root / "a", root / "z", root / "b" / str(TWO) / "session.json", root / "c" / f"{FOUR}.json"]
    catalogue.note_changes([*changed, root / "c" / "junk.json"])
    gone = catalogue.entry(TWO).session
    run(catalogue, "DELETE FROM sessions WHERE gone = 1")
    noted = contents(catalogue)
    fresh = catalogue_of(root)

    assert gone.source_gone
    assert [noted[name] for name in ("sessions", "files", "sources", "parts")] == [
        contents(fresh)[name] for name in ("sessions", "files", "sources", "parts")
    ]


def test_the_sessions_that_a_session_started(root: Path) -> None:
    """The oldest first."""
    write_session(root, [message("m0")], scroll_id=ONE)
    write_session(root, [message("m0")], scroll_id=TWO, parent_scroll_id=str(ONE), created_at="2026-03-03T00:00:00Z")
    write_session(root, [message("m0")], scroll_id=THREE, parent_scroll_id=str(ONE))
    catalogue = catalogue_of(root)

    assert [session.scroll_id for session in catalogue.children(ONE)] == [THREE, TWO]
    assert catalogue.children(str(TWO)) == catalogue.children("nobody") == []


def test_the_call_of_a_session_is_known_once_its_parent_tells_it(root: Path) -> None:
    """Though nothing more is written of the session itself: Claude Code names a subagent when it is done."""
    parent = root / "-home-x" / "11111111-2222-4333-8444-555555555555.jsonl"
    agent = parent.with_suffix("") / "subagents" / "agent-abc12345.jsonl"
    agent.parent.mkdir(parents=True)

    def row(kind: str, content: object, **more: object) -> str:
        message = {"role": kind, "content": content}
        return (
            json.dumps({"type": kind, "sessionId": parent.stem, "timestamp": at(0), "message": message, **more}) + "\n"
        )

    call = {"type": "tool_use", "id": "toolu_1", "name": "Task", "input": {}}
    parent.write_text(row("user", "Look.", uuid="a") + row("assistant", [call], uuid="b"))
    agent.write_text(row("user", "Look.", uuid="c", isSidechain=True, agentId="abc12345"))
    catalogue = catalogue_of(root)
    (started,) = [session for session in catalogue.sessions() if session.parent_scroll_id]
    assert started.parent_call_id is None

    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Done."}
    with parent.open("a") as file:
        file.write(row("user", [result], uuid="d", toolUseResult={"agentId": "abc12345"}))
    catalogue.note_changes([parent])
    assert catalogue.entry(started.scroll_id).session.parent_call_id == "toolu_1"


# --------------------------------------------------------------------------------------------- while it is looking


def test_the_newest_are_listed_first_and_while_the_rest_is_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that is not complete says how far it is."""
    for number in range(1, 6):
        document = write_document(root, [message("m0")], scroll_id=UUID(int=number))
        os.utime(document, (number, number))
    catalogue = Catalogue([root])
    states: list[tuple[int, Progress]] = []

    def spy(candidate: Candidate) -> Any:
        states.append((len(catalogue.page(Listing()).sessions), catalogue.progress))
        order.append(Path(candidate.path).stem[-1])
        return look(candidate)

    order: list[str] = []
    monkeypatch.setattr(module, "look", spy)
    monkeypatch.setattr(module, "BATCH_SESSIONS", 2)
    before = catalogue.progress
    catalogue.refresh()

    assert order == list("54321")
    assert [count for count, _ in states] == [0, 0, 2, 2, 4]
    assert states[3][1] == Progress(2, 5)
    assert before == Progress()
    assert catalogue.progress == Progress(5, 5, complete=True)


def test_many_files_are_looked_into_by_helpers(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they find is what would have been found here."""
    for number in range(1, 30):
        write_session(root, [message("m0", number)], scroll_id=UUID(int=number), model=f"m-{number % 3}")
    broken = Path(os.fsdecode(os.fsencode(root) + b"/\xff.json"))
    broken.write_text('{"metadata": 7}')
    (root / "rows.jsonl").write_text('{"type": "alpha"}\n')
    here = catalogue_of(root)
    looked: list[Candidate] = []
    monkeypatch.setattr(module, "FEW_FILES", 10)
    monkeypatch.setattr(module, "JOB_FILES", 4)
    monkeypatch.setattr(module, "look", looked.append)
    helped = catalogue_of(root, cache=cache)

    assert looked == []
    assert contents(helped) == contents(here)


def test_closing_ends_a_scan(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and the next one goes on from there; what is known can still be asked for."""
    for number in range(1, 6):
        write_session(root, [message("m0")], scroll_id=UUID(int=number))
    catalogue = Catalogue([root], cache)
    begun = threading.Event()

    def wait(candidate: Candidate) -> Any:
        begun.set()
        assert catalogue._stopped.wait(10)
        return look(candidate)

    monkeypatch.setattr(module, "look", wait)
    scan = threading.Thread(target=catalogue.refresh)
    scan.start()
    assert begun.wait(10)
    catalogue.close()
    scan.join(10)
    monkeypatch.undo()

    assert not scan.is_alive()
    assert catalogue.sessions() == []
    assert len(catalogue_of(root, cache=cache).sessions()) == 5


def test_a_long_scan_does_not_keep_others_waiting(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may be shown what is a little old is."""
    write_session(root, [message("m0")])
    catalogue = Catalogue([root])
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    counts = []

    def ask(candidate: Candidate) -> Any:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(catalogue.refresh, older_than=1).result(10)
            counts.append(len(catalogue.sessions()))
        return look(candidate)

    monkeypatch.setattr(module, "look", ask)
    catalogue.refresh()

    assert counts == [0]


# ------------------------------------------------------------------------------------------------ several processes


def test_two_catalogues_share_what_they_find(root: Path, cache: Path, opened: list[str]) -> None:
    """Of the same paths; other paths have a database of their own."""
    write_session(root, [message("m0")], scroll_id=ONE)
    first, second = Catalogue([root], cache), Catalogue([root], cache)
    other = catalogue_of(root, root.parent / "other", cache=cache, optional=True)
    first.refresh()
    opened.clear()
    second.refresh()

    assert first.folder == second.folder != other.folder
    assert first.identity == second.identity != other.identity
    assert first.entry(ONE) == second.entry(ONE)
    assert opened == []


def test_catalogues_that_scan_at_once_do_it_once(root: Path, cache: Path) -> None:
    """And all of them list everything in the end."""
    for number in range(1, 20):
        write_session(root, [message("m0")], scroll_id=UUID(int=number))
    catalogues = [Catalogue([root], cache) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            list(threads.map(Catalogue.refresh, catalogues * 2))

    assert [len(catalogue.sessions()) for catalogue in catalogues] == [19] * 4
    assert contents(catalogues[0]) == contents(catalogue_of(root))


def test_a_scan_of_another_process_is_not_waited_for(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where nothing is known yet, for a while."""
    waits: list[float] = []
    acquire = FileLock.acquire

    def spy(lock: FileLock, seconds: float = 0.0, given_up: threading.Event | None = None) -> bool:
        if lock._path.name == "scan.lock":
            waits.append(seconds)
        return acquire(lock, min(seconds, 0.01), given_up)

    catalogue = Catalogue([root], cache)
    write_session(root, [message("m0")])
    with FileLock(catalogue.folder / "scan.lock") as theirs:
        assert theirs.acquire()
        monkeypatch.setattr(FileLock, "acquire", spy)
        catalogue.refresh()
        empty = list(waits)
    catalogue.refresh()
    waits.clear()
    with FileLock(catalogue.folder / "scan.lock") as theirs:
        assert theirs.acquire()
        waits.clear()
        catalogue.refresh()

    assert empty == [0.0, module.FIRST_SCAN_SECONDS]
    assert waits == [0.0]


KILLED = """
import os, signal, sys
from pathlib import Path
from scrollcast.archive import catalogue, catalogue_tables, database, scanner

left = int(sys.argv[3])

def counted(function):
    def step(*arguments, **named):
        global left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return step

catalogue.BATCH_SESSIONS = 5
catalogue.look = counted(catalogue.look)
catalogue_tables.Writer.put = counted(catalogue_tables.Writer.put)
catalogue_tables.Writer._insert = counted(catalogue_tables.Writer._insert)
catalogue_tables.Writer.settle = counted(catalogue_tables.Writer.settle)
database.Database._give_back = counted(database.Database._give_back)
catalogue.Catalogue([Path(sys.argv[1])], Path(sys.argv[2])).refresh()
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_catalogue_that_was_killed_while_it_was_made_is_like_a_fresh_one(root: Path, cache: Path, seed: int) -> None:
    """Wherever that happened, and though it happened again and again."""
    random = Random(seed)
    for number in range(1, 31):
        write_session(root / "ab"[number % 2], [message("m0", number)], scroll_id=UUID(int=number))
    for number in range(1, 4):
        write_session(root / "copies", [message("m0")], scroll_id=UUID(int=number))
    (root / "rows.jsonl").write_text('{"type": "alpha"}\n')
    environment = {**os.environ, "PYTHONPATH": str(Path(scrollcast.__file__).parents[1])}
    killed = 0
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, str(root), str(cache), str(random.randint(1, 90))]
        killed += subprocess.run(command, env=environment, check=False).returncode < 0
    survivor = catalogue_of(root, cache=cache)

    assert killed > 0
    assert contents(survivor) == contents(catalogue_of(root))


# ------------------------------------------------------------------------------------------------------- the database


def _garbage(database: Path) -> None:
    database.write_bytes(os.urandom(20_000))


def _cut_short(database: Path) -> None:
    os.truncate(database, 10_000)


def _no_file(database: Path) -> None:
    database.unlink()


def _no_folder(database: Path) -> None:
    for file in database.parent.iterdir():
        file.unlink()
    database.parent.rmdir()


def _a_folder(database: Path) -> None:
    database.unlink()
    (database / "in it").mkdir(parents=True)


def _of_another_version(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def _of_another_program(database: Path) -> None:
    database.unlink()
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE sessions (cookie)")
    connection.close()


def _without_a_table(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("DROP TABLE sessions")
    connection.close()


def _rows_of_nonsense(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE sessions SET rest = 'x', reader = 'nobody'")
    connection.close()


def _overwritten(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    with database.open("r+b") as file:
        file.write(content)


DAMAGES = [
    _garbage, _cut_short, _no_file, _no_folder, _a_folder, _of_another_version, _of_another_program, _without_a_table,
    _rows_of_nonsense, _overwritten,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_made_anew(root: Path, cache: Path, damage: Callable[[Path], None]) -> None:
    """Without a word, at the next start."""
    write_session(root, [message("m0")], scroll_id=ONE)
    first = catalogue_of(root, cache=cache)
    before = contents(first)
    first.close()
    damage(first.folder / "catalogue.db")
    second = catalogue_of(root, cache=cache)
    page = second.page(Listing())

    assert page.sessions == second.sessions()
    assert contents(second) == before


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage is not _of_another_version])
def test_a_database_that_is_damaged_while_it_is_open_is_made_anew(
    root: Path, cache: Path, damage: Callable[[Path], None]
) -> None:
    """Whoever asks gets what there is, though nobody refreshed."""
    write_session(root, [message("m0")], scroll_id=ONE)
    catalogue = catalogue_of(root, cache=cache)
    run(catalogue, "PRAGMA user_version")
    before = contents(catalogue)
    connection = sqlite3.connect(catalogue.folder / "catalogue.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    damage(catalogue.folder / "catalogue.db")
    for connection in catalogue._database._idle:
        connection.execute("PRAGMA shrink_memory")  # else it may answer from what it holds

    assert [session.scroll_id for session in catalogue.sessions()] == [ONE]
    assert catalogue.entry(ONE).source.path == root / str(ONE)
    assert contents(catalogue) == before
    catalogue.close()


def test_a_catalogue_that_was_made_anew_has_another_name(root: Path, cache: Path) -> None:
    """Numbers of the old one mean nothing in it."""
    catalogue = catalogue_of(root, cache=cache)
    before = catalogue.identity
    (catalogue.folder / "catalogue.db").unlink()

    assert catalogue.identity != before


def test_a_cache_that_cannot_be_written(root: Path, cache: Path) -> None:
    """That is an error of its own, without a path in its sentence."""
    (cache / "file").touch()
    with pytest.raises(ArchiveError) as caught:
        Catalogue([root], cache / "file")

    assert str(cache) not in str(caught.value)


# ------------------------------------------------------------------------------------------------------------- paths


def test_a_path_that_is_missing_does_not_hide_the_others(root: Path) -> None:
    """It is an error where it was named, and nothing where it was only tried."""
    write_session(root, [message("m0")], scroll_id=ONE)
    named = Catalogue([root, root / "nothing-here"])
    with pytest.raises(ArchiveError):
        named.refresh()
    tried = catalogue_of(root, root / "nothing-here", optional=True)

    assert [session.scroll_id for session in named.sessions()] == [ONE]
    assert [session.scroll_id for session in tried.sessions()] == [ONE]


def test_the_own_cache_is_no_archive(root: Path) -> None:
    """Though it lies in what is served."""
    write_session(root, [message("m0")], scroll_id=ONE)
    cache = root / ".cache" / "scrollcast"
    cache.mkdir(parents=True)
    (cache / "header.json").write_text("{}")
    catalogue = catalogue_of(root, cache=cache)

    assert catalogue.unrecognised() == []
    assert catalogue.progress.total == 1
