"""What every verb that looks at sessions shares: which paths are meant, and whether our own folders can be used."""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scrollcast.archive.places import Place, default_places
from scrollcast.errors import SettingsError
from scrollcast.model import Session
from scrollcast.redaction import Redaction
from scrollcast.settings import Settings, cache_folder, demo_folder, kept_folder, redact_patterns, user_names

__all__ = [
    "Choice", "add_paths", "add_redact", "add_redaction", "choose", "find_session", "is_path", "redaction_of", "say",
    "settings_of", "usable_cache", "usable_kept",
]  # fmt: skip

LEAST_CHARACTERS: Final = 4
"""A shorter beginning of an id is none."""

_HEX: Final = re.compile(rf"[0-9a-f-]{{{LEAST_CHARACTERS},36}}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where to look: at `paths` that were named, and at `places`.

    `is_demo` says that there was nothing to look at, so that `paths` is the demo.
    """

    paths: tuple[Path, ...]
    places: tuple[Place, ...] = ()
    is_demo: bool = False

    @property
    def place_paths(self) -> tuple[Path, ...]:
        """The places' paths."""
        return tuple(place.path for place in self.places)


def add_paths(parser: argparse.ArgumentParser) -> None:
    """Add `PATH …` and `--discover` to a verb."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a session file, or a folder of sessions")
    parser.add_argument(
        "--discover", action="store_true",
        help="look at the places where agents put their sessions too; without a PATH these are looked at anyway",
    )  # fmt: skip


def add_redaction(parser: argparse.ArgumentParser) -> None:
    """Add to a verb what says which secrets are taken out, besides those that are known by rules."""
    parser.add_argument(
        "--redact-pattern", action="append", default=[], metavar="REGEX",
        help="also take out what this matches (RE2), or its first group; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--redact-names", action="store_true", help="also take out the names of users, as in paths of home folders"
    )


def add_redact(parser: argparse.ArgumentParser) -> None:
    """Add to a verb that gives a session away whether secrets are taken out of it, and which."""
    parser.add_argument("--redact", action=argparse.BooleanOptionalAction, help="take secrets out of it (default: yes)")
    add_redaction(parser)


def redaction_of(arguments: argparse.Namespace) -> Redaction:
    """What the command line and the environment say of secrets. Raises `SettingsError`, naming what is wrong."""
    patterns = (*redact_patterns(), *arguments.redact_pattern)
    return Redaction(tuple(dict.fromkeys(patterns)), arguments.redact_names, user_names())


def choose(paths: tuple[Path, ...], *, discover: bool = False, demo: bool = False) -> Choice:
    """Where to look: at what was named; where nothing was, or with `discover`, at every agent's place.

    With `demo` it is the demo where nothing was named and there is none of these places, nor anything that was kept.
    """
    if paths and not discover:
        return Choice(paths)
    places = default_places()
    if demo and not paths and not any(place.exists for place in places) and not _holds_anything(kept_folder()):
        return Choice((demo_folder(),), is_demo=True)
    return Choice(paths, places)


def _holds_anything(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() for entry in entries)
    except OSError:
        return False


def settings_of(choice: Choice, cache: Path) -> Settings:
    """The settings under which sessions are listed: the same roots as a server's, so that they share a catalogue.

    Raises:
        SettingsError: a named path cannot be looked at.
    """
    return Settings(paths=choice.paths, places=choice.place_paths, kept=kept_folder(), cache=cache)


def is_path(text: str) -> bool:
    """Whether somebody who names a session names a file or folder."""
    return Path(text).exists() or "/" in text


def find_session(sessions: Iterable[Session], text: str) -> Session:
    """The one session whose id, the beginning of whose id, or whose agent's own id this is.

    Raises:
        SettingsError: there is none, or there are several.
    """
    found = [session for session in sessions if _is_called(session, text)]
    if not found:
        raise SettingsError(f"there is no session {text[:100]}; scrollcast list shows which there are")
    if len(found) > 1:
        raise SettingsError(f"{len(found)} sessions begin with {text[:100]}; give more of the id")
    return found[0]


def _is_called(session: Session, text: str) -> bool:
    if session.native_session_id == text:
        return True
    return _HEX.fullmatch(text) is not None and str(session.scroll_id).startswith(text.lower())


def usable_cache() -> Path:
    """The cache folder.

    Raises:
        SettingsError: it cannot be made or written.
    """
    return _usable(cache_folder(), "the cache folder", "SCROLLCAST_CACHE_DIR")


def usable_kept() -> Path:
    """The folder of kept sessions.

    Raises:
        SettingsError: it cannot be made or written.
    """
    return _usable(kept_folder(), "the folder of kept sessions", "SCROLLCAST_KEPT_DIR")


def _usable(folder: Path, name: str, variable: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as problem:
        raise SettingsError(
            f"{name} {folder} cannot be written ({problem.strerror}); name another one in {variable}"
        ) from problem
    return folder


def say(sentence: str) -> None:
    """Tell the person at the terminal something that is no output."""
    print(f"scrollcast: {sentence}", file=sys.stderr)
