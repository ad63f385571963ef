from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from archives import message, write_document
from scrollcast.archive.places import default_places
from scrollcast.cli import examination

Run: TypeAlias = Callable[..., tuple[int, str, str]]

ROW = {
    "type": "user",
    "uuid": "u1",
    "sessionId": "s",
    "timestamp": "2026-03-02T09:00:00.000Z",
    "message": {"role": "user", "content": "hello"},
}


@pytest.fixture
def projects(home: Path) -> Path:
    """A project of Claude Code, with one session of it."""
    folder = home / ".claude" / "projects" / "-home-mira"
    folder.mkdir(parents=True)
    (folder / "s.jsonl").write_text(json.dumps(ROW) + "\n")
    return folder


def examined(scrollcast: Run) -> dict[str, Any]:
    """What it says as JSON."""
    found: dict[str, Any] = json.loads(scrollcast("doctor", "--json")[1])
    return found


def place_of(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """What it says of one place."""
    (place,) = [place for place in found["places"] if place["path"] == str(path)]
    assert isinstance(place, dict)
    return place


def test_what_is_there_is_told(scrollcast: Run, projects: Path) -> None:
    """Of each place how many sessions it holds, and when they will be deleted."""
    status, out, err = scrollcast("doctor")

    assert (status, err) == (0, "")
    assert "Claude Code  ~/.claude/projects\n  1 session, " in out
    assert "Claude Code deletes them after 30 days, by default" in out
    assert "cleanupPeriodDays in ~/.claude/settings.json" in out
    assert "Codex CLI: ~/.codex/sessions" in out.partition("Looked for in vain")[2]
    assert "~/.cache/scrollcast: indexes 0 B, catalogue " in out


def test_nothing_is_there(scrollcast: Run, home: Path) -> None:
    """Which is no failure."""
    status, out, _ = scrollcast("doctor")

    assert status == 0
    assert "No agent's sessions were found." in out


def test_json_has_everything(scrollcast: Run, projects: Path, home: Path) -> None:
    """One object, with every place that is looked at."""
    found = examined(scrollcast)

    assert found.keys() == {
        "version", "python", "sqlite", "full_text_search", "keeps", "places", "footprint", "watching", "is_well",
    }  # fmt: skip
    assert [place["path"] for place in found["places"]] == [str(place.path) for place in default_places()]
    assert (found["sqlite"], found["is_well"], found["keeps"]) == (sqlite3.sqlite_version, True, False)
    assert place_of(found, projects.parent) == {
        "format": "claude-code",
        "path": str(projects.parent),
        "reason": "default",
        "exists": True,
        "retention": {
            "days": 30,
            "setting": "cleanupPeriodDays",
            "file": str(home / ".claude" / "settings.json"),
            "is_set": False,
        },
        "sessions": 1,
        "bytes": (projects / "s.jsonl").stat().st_size,
        "kept": 0,
        "folders": 2,
        "unreadable": [],
        "unrecognised": [],
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cleanupPeriodDays": 365}, "deletes them after 365 days, as set by cleanupPeriodDays"),
        ({}, "deletes them after 30 days, by default; to change that set cleanupPeriodDays"),
    ],
)
def test_the_agents_settings_are_read(scrollcast: Run, projects: Path, settings: Any, said: str) -> None:
    """So that what is said holds on this machine."""
    (projects.parents[1] / "settings.json").write_text(json.dumps(settings))

    assert said in scrollcast("doctor")[1]


def test_deleting_may_be_switched_off(scrollcast: Run, home: Path) -> None:
    """As Gemini CLI's can."""
    (home / ".gemini" / "tmp").mkdir(parents=True)
    (home / ".gemini" / "settings.json").write_text('{"general":{"sessionRetention":{"enabled":false}}}')

    assert "Gemini CLI deletes none of them: general.sessionRetention in ~/.gemini" in scrollcast("doctor")[1]


def test_files_that_nobody_knows_are_told(scrollcast: Run, projects: Path) -> None:
    """With what their rows call themselves; a few of many. That is no failure."""
    for number in range(7):
        (projects / f"odd{number}.jsonl").write_text('{"type":"resourceSpans"}\n')

    status, out, _ = scrollcast("doctor")
    (first, *_), count = (found := place_of(examined(scrollcast), projects.parent)["unrecognised"]), len(found)

    assert status == 0
    assert "not recognised: 7 files" in out
    assert "odd0.jsonl: no known tool writes rows like these (resourceSpans)" in out
    assert "and 2 more, see --json" in out
    assert (count, first["row_types"], first["path"]) == (7, ["resourceSpans"], str(projects / "odd0.jsonl"))


def test_what_cannot_be_read_is_told_and_is_exit_status_1(scrollcast: Run, projects: Path, tmp_path: Path) -> None:
    """With the reason: a link that leads out of the place, a session that is broken."""
    (tmp_path / "secret.jsonl").write_text("{}")
    (projects / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (projects / "broken.json").write_text(
        '{"metadata":{"scroll_id":"0b5e55ed-0000-4000-8000-000000000001"},"messages":7}'
    )

    status, out, _ = scrollcast("doctor")
    unreadable = place_of(examined(scrollcast), projects.parent)["unreadable"]

    assert status == 1
    assert "link to outside" in out
    assert {Path(file["path"]).name for file in unreadable} == {"link.jsonl", "broken.json"}
    assert examined(scrollcast)["is_well"] is False


def test_a_folder_that_may_not_be_looked_into_is_told(
    scrollcast: Run, projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue passes over it in silence."""
    real = os.scandir

    def refuse(path: Any = ".") -> Any:
        if str(path) == str(projects):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)

    status, out, _ = scrollcast("doctor")

    assert status == 1
    assert "-home-mira: permission denied" in out


def test_what_is_kept_is_told(scrollcast: Run, projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many sessions, how many bytes, and whether a server does so."""
    before = scrollcast("doctor")[1]
    scrollcast("keep", "--all")
    monkeypatch.setenv("SCROLLCAST_KEEP", "1")
    after = scrollcast("doctor")[1]

    assert "0 of them kept" in before
    assert "off; scrollcast keep --all" in before
    assert "1 of them kept" in after
    assert "on: a server copies" in after
    assert "B in ~/.local/share/scrollcast/kept" in after


def test_places_of_the_variable_are_told(scrollcast: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name; those that are missing too."""
    write_document(home / "mine", [message("a")])
    monkeypatch.setenv("SCROLLCAST_PATHS", f"{home / 'mine'}{os.pathsep}{home / 'missing'}")

    out = scrollcast("doctor")[1]

    assert "Any format  ~/mine (SCROLLCAST_PATHS)\n  1 session" in out
    assert "Any format: ~/missing (SCROLLCAST_PATHS)" in out


@pytest.mark.parametrize(("limit", "is_enough"), [("1", False), ("100000", True), ("", True)])
def test_too_many_folders_to_watch_are_told(
    scrollcast: Run, projects: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, is_enough: bool
) -> None:
    """With what to do about it. Where there is no such limit there is nothing to tell."""
    (tmp_path / "watches").write_text(limit)
    monkeypatch.setattr(examination, "WATCHES_FILE", tmp_path / "watches")
    monkeypatch.setattr(examination, "sys", SimpleNamespace(platform="linux"))

    out = scrollcast("doctor")[1]

    assert "2 folders to watch" in out
    assert ("sudo sysctl fs.inotify.max_user_watches=" in out) is not is_enough


def test_other_systems_have_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is Linux's."""
    monkeypatch.setattr(examination, "sys", SimpleNamespace(platform="darwin"))

    assert examination._watch_limit() is None


def test_a_cache_that_cannot_be_written_does_not_stop_it(
    scrollcast: Run, projects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since somebody may be asking because of it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCROLLCAST_CACHE_DIR", str(tmp_path / "file"))

    status, out, err = scrollcast("doctor")

    assert status == 0
    assert "1 session" in out
    assert "SCROLLCAST_CACHE_DIR" in err


def test_the_footprint_is_told_apart(tmp_path: Path) -> None:
    """By what the cache's files are for."""
    cache, kept = tmp_path / "cache", tmp_path / "kept"
    name = "0b5e55ed-0000-4000-8000-000000000001.messages.0a"
    for path, size in (
        (cache / name / "events", 1),
        (cache / "making-x" / "events", 2),
        (cache / "catalogue-00" / "catalogue.db", 10),
        (cache / "catalogue-00" / "search-00" / "search.db", 100),
        (cache / "stray", 1000),
        (kept / "codex" / "a.jsonl", 10_000),
        (kept / "codex" / "a.jsonl.x.older", 100_000),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)

    found = examination._footprint(cache, kept)

    assert (found.indexes, found.catalogue, found.search, found.other) == (3, 10, 100, 1000)
    assert (found.kept, found.older_copies) == (110_000, 100_000)
