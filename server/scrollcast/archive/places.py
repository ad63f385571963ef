"""Where the tools that write sessions put them by default, and how long they leave them there.

A place is as narrow as it can be: the folder of the sessions, or the very files, and never the whole of a tool's
folder, where passwords and settings lie beside them (`docs/discovery.md` has the table).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.storage import decode_json

__all__ = ["DEFAULT", "PATHS_VARIABLE", "VARIABLES", "Place", "Retention", "data_folder", "default_places"]

DEFAULT: Final = "default"
"""The reason for a place that no variable names."""

PATHS_VARIABLE: Final = "SCROLLCAST_PATHS"
"""More places, separated as in `PATH`."""

VARIABLES: Final = (
    PATHS_VARIABLE,
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "CURSOR_CONFIG_DIR",
    "INSPECT_LOG_DIR",
    "OPENHANDS_CONVERSATIONS_DIR",
    "OPENHANDS_PERSISTENCE_DIR",
    "GPTME_LOGS_HOME",
)
"""The environment variables that say where sessions lie; other systems' `APPDATA` and `LOCALAPPDATA` aside."""

MAX_SETTINGS_BYTES: Final = 1 << 20
"""A larger settings file of a tool is not looked at."""

_COWORK_DEPTH: Final = 4
"""How deep below Claude's folder of local agents one of them may lie: account, organisation, `agent`, itself."""

_MAX_COWORK_FOLDERS: Final = 4_096
"""So many folders are looked at for them."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What a tool deletes by itself: sessions older than the setting `setting` in the file `file` says.

    `default_days` holds where the file does not say it.
    """

    setting: str
    file: Path
    default_days: int

    def days(self) -> float | None:
        """After how many days, as it is set now; `None` where deleting was switched off. Reads the file."""
        return _READ[self.setting](_read_settings(self.file), self.default_days)

    @property
    def is_set(self) -> bool:
        """Whether the file says anything about it. Reads the file."""
        return _dig(_read_settings(self.file), self.setting.split(".")) is not None


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file in which a tool is expected to have put sessions; it may be missing.

    `format_name` is a reader's name, or `""` where any format may lie there. `reason` is `DEFAULT`, or the variable
    that names the place. `retention` is `None` where the tool deletes nothing, or is not known to.
    """

    format_name: str
    path: Path
    reason: str = DEFAULT
    retention: Retention | None = None

    @property
    def exists(self) -> bool:
        """Whether it is there and can be looked at."""
        try:
            return self.path.exists()
        except OSError:
            return False


def default_places(
    environment: Mapping[str, str] = os.environ, home: Path | None = None, platform: str = sys.platform
) -> tuple[Place, ...]:
    """Every place to look at where nobody names one, each once, those of `SCROLLCAST_PATHS` first.

    Looks at the disk only for the files and folders whose names cannot be known beforehand: the databases of OpenCode,
    the folders of Claude's desktop program.
    """
    where = _Where(environment, home or Path(environment.get("HOME") or Path.home()), platform)
    makers = (_named, _native, _claude_code, _codex, _gemini, _opencode, _cursor, _inspect, _openhands, _gptme)
    found: dict[Path, Place] = {}
    for make in makers:
        for place in make(where):
            found.setdefault(place.path, place)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Where:
    """What tells where things lie."""

    environment: Mapping[str, str]
    home: Path
    platform: str

    def named(self, variable: str) -> Path | None:
        """The folder that a variable names. A relative one counts from the current folder, `~` is the home folder."""
        value = self.environment.get(variable, "").strip()
        return self.path(value) if value else None

    def path(self, value: str) -> Path:
        if value == "~" or value.startswith(("~/", "~\\")):
            return self.home / value[2:]
        return Path(os.path.abspath(value))

    def folder(self, variable: str, default: Path) -> tuple[Path, str]:
        """A folder and the reason why it is looked at."""
        named = self.named(variable)
        return (default, DEFAULT) if named is None else (named, variable)

    def xdg(self, variable: str, *default: str) -> tuple[Path, str]:
        """The same for a variable of the XDG Base Directory Specification, by which a relative one is none."""
        if os.path.isabs(self.environment.get(variable, "")):
            return self.folder(variable, self.home)
        return self.home.joinpath(*default), DEFAULT

    @property
    def data(self) -> tuple[Path, str]:
        """The user's data folder."""
        return self.xdg("XDG_DATA_HOME", ".local", "share")


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Scrollcast's own folder for data that cannot be made anew."""
    where = _Where(environment, Path(environment.get("HOME") or Path.home()), sys.platform)
    return where.data[0] / "scrollcast"


# -------------------------------------------------------------------------------------------------------- the places


def _named(where: _Where) -> Iterator[Place]:
    for value in where.environment.get(PATHS_VARIABLE, "").split(os.pathsep):
        if value.strip():
            yield Place("", where.path(value.strip()), PATHS_VARIABLE)


def _native(where: _Where) -> Iterator[Place]:
    data, reason = where.data
    yield Place("native", data / "scrollcast" / "sessions", reason)


def _claude_code(where: _Where) -> Iterator[Place]:
    homes = [where.folder("CLAUDE_CONFIG_DIR", where.home / ".claude")]
    if homes[0][1] == DEFAULT:
        config, reason = where.xdg("XDG_CONFIG_HOME", ".config")
        homes.append((config / "claude", reason))
    for home, reason in homes:
        yield Place("claude-code", home / "projects", reason, _claude_retention(home))
    for program in _claude_desktop(where):
        for home in _cowork_homes(program / "local-agent-mode-sessions"):
            yield Place("claude-code", home / "projects", DEFAULT, _claude_retention(home))


def _claude_retention(home: Path) -> Retention:
    return Retention("cleanupPeriodDays", home / "settings.json", 30)


def _claude_desktop(where: _Where) -> Iterator[Path]:
    """The folders of Claude's desktop program."""
    match where.platform:
        case "darwin":
            yield where.home / "Library" / "Application Support" / "Claude"
        case "win32":
            yield (where.named("APPDATA") or where.home / "AppData" / "Roaming") / "Claude"
            packages = (where.named("LOCALAPPDATA") or where.home / "AppData" / "Local") / "Packages"
            for package in _folders(packages):
                if package.name.startswith("Claude_"):
                    yield package / "LocalCache" / "Roaming" / "Claude"
        case _:
            yield where.xdg("XDG_CONFIG_HOME", ".config")[0] / "Claude"


def _cowork_homes(folder: Path) -> list[Path]:
    """The `.claude` folders with sessions, one in each `local_…` of a local agent."""
    level, looked, homes = [folder], 0, []
    for _ in range(_COWORK_DEPTH):
        below = [each for parent in level for each in _folders(parent)]
        looked += len(below)
        if looked > _MAX_COWORK_FOLDERS:
            break
        homes += [each / ".claude" for each in below if each.name.startswith("local_")]
        level = [each for each in below if not each.name.startswith("local_")]
    return [home for home in homes if (home / "projects").is_dir()]


def _codex(where: _Where) -> Iterator[Place]:
    home, reason = where.folder("CODEX_HOME", where.home / ".codex")
    yield Place("codex", home / "sessions", reason)
    yield Place("codex", home / "archived_sessions", reason)
    yield Place("codex", where.home / ".trae" / "cli" / "sessions")


def _gemini(where: _Where) -> Iterator[Place]:
    base, reason = where.folder("GEMINI_CLI_HOME", where.home)
    home = base / ".gemini"
    retention = Retention("general.sessionRetention", home / "settings.json", 30)
    yield Place("gemini", home / "tmp", reason, retention)


def _opencode(where: _Where) -> Iterator[Place]:
    data, reason = where.data
    home = data / "opencode"  # its own name, not to be looked through: the keys of its providers lie there too
    databases = {home / "opencode.db", *_files(home, re.compile(r"opencode[\w.-]*\.db", re.ASCII))}
    for path in (*sorted(databases), home / "storage"):
        yield Place("opencode", path, reason)


def _cursor(where: _Where) -> Iterator[Place]:
    home, reason = where.folder("CURSOR_CONFIG_DIR", where.home / ".cursor")
    yield Place("cursor", home / "projects", reason)


def _inspect(where: _Where) -> Iterator[Place]:
    # Its default, `./logs`, means nothing where a person does not stand in a project of theirs; and it may be a URL.
    folder = where.named("INSPECT_LOG_DIR")
    if folder is not None and "://" not in where.environment["INSPECT_LOG_DIR"]:
        yield Place("inspect", folder, "INSPECT_LOG_DIR")


def _openhands(where: _Where) -> Iterator[Place]:
    base, reason = where.folder("OPENHANDS_PERSISTENCE_DIR", where.home / ".openhands")
    folder = where.named("OPENHANDS_CONVERSATIONS_DIR")
    if folder is not None:
        base, reason = folder, "OPENHANDS_CONVERSATIONS_DIR"
    yield Place("openai-chat", base if folder else base / "conversations", reason)


def _gptme(where: _Where) -> Iterator[Place]:
    data, reason = where.data
    folder, named = where.folder("GPTME_LOGS_HOME", data / "gptme" / "logs")
    yield Place("openai-chat", folder, reason if named == DEFAULT else named)


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, links aside; none where it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _files(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if name.fullmatch(entry.name) and entry.is_file()]
    except OSError:
        return []


# --------------------------------------------------------------------------------------------------------- retention

_COMMENT: Final = re.compile(rb'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
"""A comment, which Gemini CLI allows in its settings; or a string, in which none begins."""

_PERIOD: Final = re.compile(r"(\d+)([hdwm])")
_PERIOD_DAYS: Final = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0}


def _read_settings(file: Path) -> Any:
    """What stands in a settings file; nothing where it is missing, damaged, or no file of that kind."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_SETTINGS_BYTES)
        return decode_json(_COMMENT.sub(rb"\1", data))
    except (OSError, ValueError):
        return None


def _dig(value: Any, names: list[str]) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _claude_days(settings: Any, default: float) -> float | None:
    """`cleanupPeriodDays`: a number of days."""
    days = _dig(settings, ["cleanupPeriodDays"])
    return float(days) if isinstance(days, (int, float)) and not isinstance(days, bool) and days >= 0 else default


def _gemini_days(settings: Any, default: float) -> float | None:
    """`general.sessionRetention`: `enabled`, and `maxAge` such as `30d`, `24h`, `4w`, `1m`."""
    rules = _dig(settings, ["general", "sessionRetention"])
    if not isinstance(rules, dict):
        return default
    if rules.get("enabled") is False:
        return None
    found = _PERIOD.fullmatch(rules["maxAge"]) if isinstance(rules.get("maxAge"), str) else None
    return int(found[1]) * _PERIOD_DAYS[found[2]] if found else default


_READ: Final = {"cleanupPeriodDays": _claude_days, "general.sessionRetention": _gemini_days}
