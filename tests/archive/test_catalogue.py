import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import SCROLL_ID, message, metadata, write_document, write_session
from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.catalogue import Catalogue
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)


def catalogue_of(*paths: Path) -> Catalogue:
    """A catalogue that has looked once."""
    catalogue = Catalogue(paths)
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
    """A refresh finds what is new and forgets what is gone."""
    first = write_session(root, [message("m0")], scroll_id=ONE)
    catalogue = catalogue_of(root)
    write_session(root, [message("m0")], scroll_id=TWO)
    before = {session.scroll_id for session in catalogue.sessions()}
    first.rename(root.parent / "away")
    catalogue.refresh()

    assert before == {ONE}
    assert {session.scroll_id for session in catalogue.sessions()} == {TWO}
    with pytest.raises(SessionNotFound):
        catalogue.entry(ONE)


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


def test_unchanged_session_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh reads only what changed."""
    write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    before = catalogue.sessions()

    def fail(*_arguments: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("scrollcast.archive.catalogue.read_head", fail)
    monkeypatch.setattr("scrollcast.archive.catalogue._summarise", fail)
    catalogue.refresh()

    assert catalogue.sessions() == before


def test_what_an_index_knows_replaces_the_estimate(root: Path) -> None:
    """Exact figures stand for the files that they were counted in, and not for newer ones."""
    folder = write_session(root, [message("m0")])
    catalogue = catalogue_of(root)
    source = catalogue.entry(SCROLL_ID).source
    catalogue.learn(SCROLL_ID, Fingerprint.of(source), 41, 42)
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
