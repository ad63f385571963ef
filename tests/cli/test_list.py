from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from archives import message, metadata, write_document, write_session
from scrollcast.model import Session
from scrollcast.stream.wire import session_json
from serving import child_environment, command, run_command, talk

Run: TypeAlias = Callable[..., tuple[int, str, str]]

FIRST, SECOND, THIRD = (UUID(f"{number}0000000-0000-4000-8000-000000000000") for number in (1, 2, 3))


@pytest.fixture
def archive(root: Path) -> Path:
    """Three sessions, the first one the newest."""
    write_session(root, talk(3, 60_000), scroll_id=FIRST, title="Newest", agent="Heron", model="m1", project="reeds")
    write_session(
        root, [message("a", -86_400)], scroll_id=SECOND, title="Middle", agent="Heron", project="marsh",
        created_at="2026-03-01T09:00:00Z",
    )  # fmt: skip
    write_session(
        root, [message("b", -172_800)], scroll_id=THIRD, title="Oldest", agent="Grebe",
        created_at="2026-02-28T09:00:00Z",
    )  # fmt: skip
    for path in root.rglob("*"):  # so that none is being written now
        os.utime(path, (1_772_000_000, 1_772_000_000))
    return root


def titles(out: str) -> list[str]:
    """The titles in a printed list of sessions whose titles are one word each."""
    _, *rows = out.splitlines()
    words = {"Newest", "Middle", "Oldest"}
    return [next(word for word in row.split() if word in words) for row in rows]


def test_the_newest_come_first(scrollcast: Run, archive: Path) -> None:
    """One a line, below a head; the exit status is 0 and nothing is said beside it."""
    status, out, err = scrollcast("list", archive)

    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["id", "updated", "agent", "project", "title", "events", "duration"]
    assert titles(out) == ["Newest", "Middle", "Oldest"]
    assert out.splitlines()[1].split() == [
        "10000000", "2026-03-02", "09:02", "Heron", "reeds", "Newest", "3", "2m", "00s",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--agent", "Heron"], ["Newest", "Middle"]),
        (["--project", "marsh"], ["Middle"]),
        (["--model", "m1"], ["Newest"]),
        (["--after", "2026-03-01T09:00:00Z"], ["Newest", "Middle"]),
        (["--after", "2026-03-02"], ["Newest"]),
        (["--before", "2026-03-01"], ["Oldest"]),
        (["--errors"], []),
        (["--live"], []),
        (["--sort", "title"], ["Middle", "Newest", "Oldest"]),
        (["--sort=-count", "--limit", "1"], ["Newest"]),
        (["--limit", "all"], ["Newest", "Middle", "Oldest"]),
        (["--agent", "Heron", "--project", "reeds"], ["Newest"]),
    ],
    ids=str,
)
def test_flags_choose(scrollcast: Run, archive: Path, flags: list[str], expected: list[str]) -> None:
    """As the parameters of the HTTP route do."""
    status, out, _ = scrollcast("list", archive, *flags)

    assert (status, titles(out)) == (0, expected)


def test_failed_tool_calls_are_marked_and_chosen(scrollcast: Run) -> None:
    """Where the reader tells of them."""
    fixtures = Path(__file__).parents[2] / "archive_fixtures" / "claude_code"

    with_errors = scrollcast("list", fixtures, "--errors")[1].splitlines()[1:]

    assert with_errors
    assert all(row.endswith("  errors") or "errors" in row.split()[-2:] for row in with_errors)
    assert len(with_errors) < len(scrollcast("list", fixtures)[1].splitlines()[1:])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--limit", "0"], "--limit 0"),
        (["--limit", "many"], "--limit many"),
        (["--limit", "-1"], "--limit"),
        (["--sort", "colour"], "--sort must be one of"),
        (["--after", "yesterday"], "--after must be a time"),
        (["--before", "2026-02-30"], "--before must be a time"),
        (["-q", "?!"], "-q "),
        (["/no/such/place"], "/no/such/place"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_sentence(scrollcast: Run, archive: Path, flags: list[str], said: str) -> None:
    """With exit status 2."""
    status, out, err = scrollcast("list", archive, *flags)

    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_that_there_are_more_is_said(scrollcast: Run, archive: Path) -> None:
    """On stderr."""
    _, out, err = scrollcast("list", archive, "--limit", "2")

    assert titles(out) == ["Newest", "Middle"]
    assert err == "scrollcast: 2 of 3 sessions; --limit all shows them all\n"


def test_pages_are_put_together(scrollcast: Run, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few sessions a page has."""
    monkeypatch.setattr("scrollcast.cli.listing.MAX_LIMIT", 1)

    assert titles(scrollcast("list", archive)[1]) == ["Newest", "Middle", "Oldest"]
    assert titles(scrollcast("list", archive, "--limit", "2")[1]) == ["Newest", "Middle"]


def test_json_is_what_the_route_gives(archive: Path, tmp_path: Path) -> None:
    """One array, and nothing else on stdout, whatever is said on stderr."""
    completed = run_command(tmp_path, "list", archive, "--json", "--limit", "2")
    found: list[dict[str, Any]] = json.loads(completed.stdout)

    assert completed.returncode == 0
    assert completed.stdout.count("\n") == 1
    assert [session["title"] for session in found] == ["Newest", "Middle"]
    assert found[0].keys() == session_json(Session(FIRST)).keys()


def test_nothing_to_list_is_no_failure(scrollcast: Run, root: Path, home: Path) -> None:
    """A head and no more; an empty array."""
    (home / "empty").mkdir()

    assert scrollcast("list", home / "empty") == (
        0, "id  updated  agent  project  title  events  duration\n", "",
    )  # fmt: skip
    assert scrollcast("list")[0] == 0


def test_what_is_particular_is_marked(scrollcast: Run, root: Path) -> None:
    """A session that is being written, one that cannot be read."""
    write_session(root, [message("a", 0)], scroll_id=FIRST, title="Newest")
    broken = root / str(SECOND)
    broken.mkdir()
    (broken / "session.json").write_text(json.dumps(metadata(SECOND, title="Middle")))

    rows = scrollcast("list", root)[1].splitlines()[1:]

    assert any(row.endswith("  live") for row in rows)
    assert any(row.endswith("  unreadable") for row in rows)


def test_a_title_cannot_move_the_cursor(scrollcast: Run, root: Path) -> None:
    """Nor break the line."""
    write_document(root, [message("a")], title="\x1b[2Jgone\nover\u202e")

    out = scrollcast("list", root)[1]

    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out.splitlines()) == 2


def test_lines_fit_the_terminal(scrollcast: Run, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow it is."""
    monkeypatch.setenv("COLUMNS", "40")

    out = scrollcast("list", archive)[1]

    assert max(map(len, out.splitlines())) <= 40
    assert titles(out) == ["Newest", "Middle", "Oldest"]


def test_words_are_looked_for(scrollcast: Run, archive: Path) -> None:
    """In what was made searchable; what was not is said."""
    status, out, err = scrollcast("list", archive, "-q", "message")

    assert (status, out.count("\n")) == (0, 1)
    assert "3 of 3 sessions were not searched" in err


def test_without_a_path_the_places_are_listed(scrollcast: Run, home: Path, archive: Path) -> None:
    """With one only what is named, unless both are wanted."""
    place = home / ".local" / "share" / "scrollcast" / "sessions"
    write_document(place, [message("x", 60)], scroll_id=UUID(int=7), title="Kept")
    (home / "empty").mkdir()

    assert "Kept" in scrollcast("list")[1]
    assert "Kept" not in scrollcast("list", archive)[1]
    assert "Kept" in (both := scrollcast("list", archive, "--discover")[1])
    assert "Newest" in both


def test_a_reader_that_has_seen_enough_is_no_failure(archive: Path, tmp_path: Path) -> None:
    """As in `scrollcast list | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        completed = subprocess.run(
            command("list", archive), env=child_environment(tmp_path), stdout=out, stderr=subprocess.PIPE, timeout=10
        )

    assert (completed.returncode, completed.stderr) == (0, b"")
