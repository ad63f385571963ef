from __future__ import annotations

import os
from pathlib import Path

import pytest

from archives import message, write_document, write_session
from scrollcast.archive.storage import stamp
from scrollcast.archive.walk import SUFFIXES, Candidate, find, walk


def names(candidates: list[Candidate], root: Path) -> list[str]:
    """Where candidates lie, below the root."""
    return [os.path.relpath(found.path, root) for found in candidates]


def touch(path: Path) -> Path:
    """An empty file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_candidates_come_in_a_steady_order(root: Path) -> None:
    """The files of a folder by their names, then its subfolders by theirs."""
    for name in ("b/1.json", "a/c/1.jsonl", "a/2.json", "z.json", "a/10.json", "b.json"):
        touch(root / name)

    assert names(list(walk(root, root)), root) == [
        "b.json",
        "z.json",
        "a/10.json",
        "a/2.json",
        "a/c/1.jsonl",
        "b/1.json",
    ]


def test_a_candidate_says_how_its_file_was(root: Path) -> None:
    """Its stamp, and the folder that confines it."""
    path = write_document(root / "a", [message("m0")])

    assert list(walk(root, root)) == [Candidate(str(path), str(root), stamp(path))]  # type: ignore[arg-type]


def test_names_that_a_session_may_have(root: Path) -> None:
    """All others are passed over, unless they were named themselves."""
    for number, suffix in enumerate((*SUFFIXES, ".jsonl.zst", ".md", "", ".json.bak")):
        touch(root / f"{number}{suffix}")
    notes = touch(root / "notes.md")

    assert len(list(walk(root, root))) == len(SUFFIXES) + 1
    assert names(list(walk(notes, root)), root) == ["notes.md"]


def test_hidden_folders_are_entered_and_some_others_are_not(root: Path) -> None:
    """Agents keep their sessions in hidden ones."""
    for folder in (".agent", ".git", "node_modules", "__pycache__", ".venv", "own cache", "a"):
        touch(root / folder / "1.json")
    found = list(walk(root, root, skipped={str(root / "own cache")}))

    assert names(found, root) == [".agent/1.json", "a/1.json"]


def test_only_regular_files_behind_no_linked_folder(tmp_path: Path, root: Path) -> None:
    """A link to a file is one, wherever it leads: whoever opens it sees to that."""
    outside = touch(tmp_path / "outside" / "1.json")
    (root / "folder").symlink_to(outside.parent)
    (root / "file.json").symlink_to(outside)
    (root / "nowhere.json").symlink_to(tmp_path / "nowhere")
    (root / "folder.json").mkdir()
    os.mkfifo(root / "pipe.json")

    assert names(list(walk(root, root)), root) == ["file.json"]


def test_nothing_lies_where_nothing_is(root: Path) -> None:
    """A path may be gone by now."""
    assert list(walk(root / "gone", root)) == []
    assert find(root / "gone" / "too.json", root) == (root / "gone" / "too.json", [])


def test_a_folder_that_is_a_session_has_no_others_in_it(root: Path) -> None:
    """Its reader says what is to be looked at."""
    folder = write_session(root, [message("m0")])
    touch(folder / "more" / "1.json")

    assert names(list(walk(root, root)), folder) == ["session.json"]


@pytest.mark.parametrize("name", ["messages.jsonl", "session.json", "more/1.json", "more", "gone.json"])
def test_whatever_changes_in_it_is_a_change_of_that_session(root: Path, name: str) -> None:
    """All that is known of the folder is to be seen anew."""
    folder = write_session(root / "a", [message("m0")])
    touch(folder / "more" / "1.json")
    scope, found = find(folder / name, root)

    assert scope == folder
    assert names(found, folder) == ["session.json"]


def test_what_a_walk_would_find_because_of_one_path(tmp_path: Path, root: Path) -> None:
    """It is what a whole walk finds at or below it."""
    outside = touch(tmp_path / "outside" / "1.json")
    (root / "linked").symlink_to(outside.parent)
    places = ["a/1.json", "a/b/2.json", ".git/3.json", "a/b/.git/x/4.json", "c/notes.md"]
    paths = [touch(root / place) for place in places]
    whole = names(list(walk(root, root)), root)

    assert whole == ["a/1.json", "a/b/2.json"]
    assert [names(find(path, root)[1], root) for path in paths] == [["a/1.json"], ["a/b/2.json"], [], [], []]
    assert [names(find(root / place, root)[1], root) for place in ("a", "a/b", ".git", "linked", "linked/1.json")] == [
        whole, ["a/b/2.json"], [], [], []
    ]  # fmt: skip
