from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from archives import message, write_document
from scrollcast.archive.kept_bytes import NO_ROOM, RESERVE_BYTES

Run: TypeAlias = Callable[..., tuple[int, str, str]]

PARENT, CHILD, OTHER = (UUID(f"{name * 8}-0000-4000-8000-000000000000") for name in "abc")


@pytest.fixture
def kept(home: Path) -> Path:
    """The kept folder."""
    return home / ".local" / "share" / "scrollcast" / "kept"


@pytest.fixture
def place(home: Path) -> Path:
    """A place with three sessions, the second one started by the first."""
    folder = home / ".local" / "share" / "scrollcast" / "sessions"
    write_document(folder, [message("p")], scroll_id=PARENT, title="Parent", native_session_id="its-own-name")
    write_document(
        folder, [message("c")], scroll_id=CHILD, title="Child", native_session_id=None, parent_scroll_id=str(PARENT)
    )
    write_document(folder, [message("o")], scroll_id=OTHER, title="Other", native_session_id=None)
    return folder


def copies(kept: Path) -> set[str]:
    """The ids of what was kept."""
    return {path.stem for path in kept.rglob("*.json")}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--all"], {PARENT, CHILD, OTHER}),
        ([str(OTHER)], {OTHER}),
        (["cccc"], {OTHER}),
        (["CCCCCCCC"], {OTHER}),
        ([str(PARENT)], {PARENT, CHILD}),
        (["its-own-name"], {PARENT, CHILD}),
        (["bbbb", "cccc"], {CHILD, OTHER}),
    ],
    ids=str,
)
def test_what_is_named_is_kept(scrollcast: Run, place: Path, kept: Path, arguments: list[str], expected: Any) -> None:
    """A session with those that it started."""
    status, out, err = scrollcast("keep", *arguments)

    assert (status, err) == (0, "")
    assert copies(kept) == {str(scroll_id) for scroll_id in expected}
    assert out.startswith(f"kept {len(expected)} session{'' if len(expected) == 1 else 's'} in {kept}; ")


def test_a_file_or_folder_can_be_named(scrollcast: Run, place: Path, kept: Path, root: Path) -> None:
    """Wherever it lies."""
    elsewhere = write_document(root, [message("x")], scroll_id=UUID(int=5))

    scrollcast("keep", place / f"{OTHER}.json")
    first = copies(kept)
    scrollcast("keep", root, "aaaa")

    assert first == {str(OTHER)}
    assert copies(kept) == {str(OTHER), elsewhere.stem, str(PARENT), str(CHILD)}


def test_keeping_again_copies_nothing(scrollcast: Run, place: Path, kept: Path) -> None:
    """Where nothing changed."""
    scrollcast("keep", "--all")

    assert scrollcast("keep", "--all") == (0, f"kept 3 sessions in {kept}; 0 B were copied\n", "")


def test_what_was_kept_is_listed_when_it_is_gone(scrollcast: Run, place: Path) -> None:
    """Under the same id, as a session like any other."""
    before = scrollcast("list", "--json")[1]
    scrollcast("keep", "--all")
    shutil.rmtree(place)

    after = json.loads(scrollcast("list", "--json")[1])

    assert [{**session, "live": None} for session in after] == [
        {**session, "live": None} for session in json.loads(before)
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say which sessions to keep, or --all"),
        (["dddd"], "there is no session dddd"),
        (["c"], "there is no session c;"),
        (["nothing-of-that-name"], "there is no session nothing-of-that-name"),
        (["./nowhere"], "there is no file or folder nowhere"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_sentence(
    scrollcast: Run, place: Path, kept: Path, arguments: list[str], said: str
) -> None:
    """With exit status 2, and nothing is kept."""
    status, out, err = scrollcast("keep", *arguments)

    assert (status, out, copies(kept)) == (2, "", set())
    assert said in err
    assert err.count("\n") == 1


def test_an_id_that_several_begin_with_is_refused(scrollcast: Run, place: Path) -> None:
    """Rather than guessed at."""
    write_document(place, [message("x")], scroll_id=UUID("aaaaaaaa-0000-4000-8000-000000000001"))

    status, _, err = scrollcast("keep", "aaaa")

    assert status == 2
    assert "2 sessions begin with aaaa" in err


def test_nothing_to_keep_is_no_failure(scrollcast: Run, home: Path) -> None:
    """But it is said."""
    status, out, err = scrollcast("keep", "--all")

    assert (status, err) == (0, "scrollcast: there are no sessions to keep\n")
    assert out.startswith("kept 0 sessions")


def test_one_that_cannot_be_kept_does_not_stop_the_others(
    scrollcast: Run, place: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit status is 1, and stderr says which and why."""
    blocked = kept / "native" / place.relative_to("/") / f"{OTHER}.json.making"
    blocked.mkdir(parents=True)

    status, out, err = scrollcast("keep", "--all")

    assert status == 1
    assert "cccccccc Other: the copy of this session cannot be written" in err
    assert out.startswith("kept 2 sessions")


def test_without_room_it_stops(scrollcast: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first one: the next would not have any either."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=RESERVE_BYTES))

    status, out, err = scrollcast("keep", "--all")

    assert status == 1
    assert err.count(NO_ROOM) == err.count("\n") == 1
    assert out.startswith("kept 0 sessions")
