from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from scrollcast.archive.formats.readers import READERS_BY_NAME
from scrollcast.archive.places import DEFAULT, Place, Retention, default_places

HOME = Path("/home/mira")


def paths(format_name: str, environment: dict[str, str], home: Path = HOME, platform: str = "linux") -> list[str]:
    """The places of a format."""
    places = default_places(environment, home, platform)
    return [str(place.path) for place in places if place.format_name == format_name]


def reasons(environment: dict[str, str]) -> set[str]:
    """Why places are looked at."""
    return {place.reason for place in default_places(environment, HOME, "linux")}


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [
        ("claude-code", ["/home/mira/.claude/projects", "/home/mira/.config/claude/projects"]),
        (
            "codex",
            [
                "/home/mira/.codex/sessions",
                "/home/mira/.codex/archived_sessions",
                "/home/mira/.trae/cli/sessions",
            ],
        ),
        ("gemini", ["/home/mira/.gemini/tmp"]),
        ("opencode", ["/home/mira/.local/share/opencode/opencode.db", "/home/mira/.local/share/opencode/storage"]),
        ("cursor", ["/home/mira/.cursor/projects"]),
        ("inspect", []),
        ("openai-chat", ["/home/mira/.openhands/conversations", "/home/mira/.local/share/gptme/logs"]),
        ("native", ["/home/mira/.local/share/scrollcast/sessions"]),
        ("", []),
    ],
)
def test_the_places_without_a_variable(format_name: str, expected: list[str]) -> None:
    """Each narrow: none of them is a tool's whole folder."""
    assert paths(format_name, {}) == expected


def test_every_place_is_of_a_reader_and_there_by_default() -> None:
    """So that what is found there can be read, and the reason is told truly."""
    places = default_places({}, HOME, "linux")

    assert {place.format_name for place in places} <= READERS_BY_NAME.keys()
    assert {place.reason for place in places} == {DEFAULT}
    assert len({place.path for place in places}) == len(places)


@pytest.mark.parametrize(
    ("variable", "value", "format_name", "expected"),
    [
        ("CLAUDE_CONFIG_DIR", "/c", "claude-code", ["/c/projects"]),
        ("CLAUDE_CONFIG_DIR", "~/c", "claude-code", ["/home/mira/c/projects"]),
        (
            "XDG_CONFIG_HOME",
            "/c",
            "claude-code",
            ["/home/mira/.claude/projects", "/c/claude/projects"],
        ),
        ("CODEX_HOME", "/c", "codex", ["/c/sessions", "/c/archived_sessions", "/home/mira/.trae/cli/sessions"]),
        ("GEMINI_CLI_HOME", "/g", "gemini", ["/g/.gemini/tmp"]),
        ("XDG_DATA_HOME", "/d", "opencode", ["/d/opencode/opencode.db", "/d/opencode/storage"]),
        ("XDG_DATA_HOME", "/d", "native", ["/d/scrollcast/sessions"]),
        ("CURSOR_CONFIG_DIR", "/c", "cursor", ["/c/projects"]),
        ("INSPECT_LOG_DIR", "/i", "inspect", ["/i"]),
        ("OPENHANDS_CONVERSATIONS_DIR", "/o", "openai-chat", ["/o", "/home/mira/.local/share/gptme/logs"]),
        (
            "OPENHANDS_PERSISTENCE_DIR",
            "/o",
            "openai-chat",
            ["/o/conversations", "/home/mira/.local/share/gptme/logs"],
        ),
        ("GPTME_LOGS_HOME", "/g", "openai-chat", ["/home/mira/.openhands/conversations", "/g"]),
        ("SCROLLCAST_PATHS", f"/a{os.pathsep}{os.pathsep}/b", "", ["/a", "/b"]),
    ],
)
def test_a_variable_names_another_place(variable: str, value: str, format_name: str, expected: list[str]) -> None:
    """And is the reason for it."""
    environment = {variable: value}

    assert paths(format_name, environment) == expected
    assert variable in reasons(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {"XDG_DATA_HOME": "relative"},
        {"XDG_CONFIG_HOME": "relative"},
        {"CODEX_HOME": ""},
        {"CLAUDE_CONFIG_DIR": "  "},
        {"INSPECT_LOG_DIR": "s3://bucket/logs"},
        {"SCROLLCAST_PATHS": os.pathsep},
    ],
    ids=str,
)
def test_what_names_nothing_changes_nothing(environment: dict[str, str]) -> None:
    """A relative folder where the XDG specification wants none, an empty value, a URL."""
    assert default_places(environment, HOME, "linux") == default_places({}, HOME, "linux")


def test_a_relative_folder_counts_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it does for the tool."""
    monkeypatch.chdir(tmp_path)

    assert paths("inspect", {"INSPECT_LOG_DIR": "logs"}) == [str(tmp_path / "logs")]


def test_what_is_named_comes_first_and_once() -> None:
    """In order of preference."""
    places = default_places({"SCROLLCAST_PATHS": "/home/mira/.codex/sessions"}, HOME, "linux")

    assert places[0] == Place("", HOME / ".codex" / "sessions", "SCROLLCAST_PATHS")
    assert [place.path for place in places].count(HOME / ".codex" / "sessions") == 1


def test_every_database_of_opencode_is_a_place(tmp_path: Path) -> None:
    """By itself: the keys of its providers lie beside it."""
    home = tmp_path / ".local" / "share" / "opencode"
    home.mkdir(parents=True)
    for name in ("opencode.db", "opencode-dev.db", "opencode.db-wal", "auth.json", "other.db"):
        (home / name).touch()

    assert paths("opencode", {}, tmp_path) == [
        str(home / name) for name in ("opencode-dev.db", "opencode.db", "storage")
    ]


@pytest.mark.parametrize(
    ("platform", "environment", "program"),
    [
        ("linux", {}, ".config/Claude"),
        ("darwin", {}, "Library/Application Support/Claude"),
        ("win32", {}, "AppData/Roaming/Claude"),
        ("win32", {}, "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"),
    ],
)
def test_sessions_of_claudes_desktop_program(
    tmp_path: Path, platform: str, environment: dict[str, str], program: str
) -> None:
    """Only the folder of sessions in each of them, at whatever depth they lie; never their settings."""
    sessions = tmp_path / program / "local-agent-mode-sessions"
    wanted = [sessions / "a" / "b" / "local_1", sessions / "a" / "b" / "agent" / "local_2"]
    for folder in (*wanted, sessions / "a" / "b" / "other"):
        (folder / ".claude" / "projects").mkdir(parents=True)
    (sessions / "a" / "local_without" / ".claude").mkdir(parents=True)

    found = [path for path in paths("claude-code", environment, tmp_path, platform) if "local_" in path]

    assert found == [str(folder / ".claude" / "projects") for folder in wanted]


@pytest.mark.parametrize(
    ("setting", "settings", "days", "is_set"),
    [
        ("cleanupPeriodDays", None, 30, False),
        ("cleanupPeriodDays", {}, 30, False),
        ("cleanupPeriodDays", {"cleanupPeriodDays": 365}, 365, True),
        ("cleanupPeriodDays", {"cleanupPeriodDays": 0}, 0, True),
        ("cleanupPeriodDays", {"cleanupPeriodDays": "many"}, 30, True),
        ("cleanupPeriodDays", {"cleanupPeriodDays": True}, 30, True),
        ("cleanupPeriodDays", [], 30, False),
        ("general.sessionRetention", None, 30, False),
        ("general.sessionRetention", {"general": {}}, 30, False),
        ("general.sessionRetention", {"general": {"sessionRetention": {"enabled": False}}}, None, True),
        ("general.sessionRetention", {"general": {"sessionRetention": {"maxAge": "12h"}}}, 0.5, True),
        ("general.sessionRetention", {"general": {"sessionRetention": {"maxAge": "4w"}}}, 28, True),
        ("general.sessionRetention", {"general": {"sessionRetention": {"maxAge": "soon"}}}, 30, True),
        ("general.sessionRetention", {"general": {"sessionRetention": {"maxAge": 7}}}, 30, True),
    ],
)
def test_when_a_tool_deletes_its_sessions(
    tmp_path: Path, setting: str, settings: Any, days: float | None, is_set: bool
) -> None:
    """As its settings say; whatever they say, it is no error."""
    file = tmp_path / "settings.json"
    if settings is not None:
        file.write_text(json.dumps(settings))

    retention = Retention(setting, file, 30)

    assert (retention.days(), retention.is_set) == (days, is_set)


@pytest.mark.parametrize(
    "text", [b'{"cleanupPeriodDays": 7} // "a week"', b'/* "x */ {"url":"http://x//y","cleanupPeriodDays":7}']
)
def test_settings_may_have_comments(tmp_path: Path, text: bytes) -> None:
    """Which some tools allow; what looks like one in a string is none."""
    (tmp_path / "settings.json").write_bytes(text)

    assert Retention("cleanupPeriodDays", tmp_path / "settings.json", 30).days() == 7


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"a":' * 100_000])
def test_damaged_settings_are_none(tmp_path: Path, text: bytes) -> None:
    """The default holds."""
    (tmp_path / "settings.json").write_bytes(text)

    assert Retention("cleanupPeriodDays", tmp_path / "settings.json", 30).days() == 30


def test_a_place_that_cannot_be_looked_at_is_not_there() -> None:
    """A name that is too long, say."""
    assert not Place("", Path("/" + "x" * 5000)).exists
