"""What `scrollcast doctor` finds out: facts, as they also go into its JSON."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scrollcast._version import __version__
from scrollcast.archive.catalogue import Catalogue, Unrecognised
from scrollcast.archive.kept import Keeper
from scrollcast.archive.places import Place
from scrollcast.archive.scanner import Outcome, look
from scrollcast.archive.walk import walk

__all__ = ["Examination", "FileFound", "Footprint", "PlaceFound", "Retained", "Watching", "examine"]

MAX_LISTED: Final = 1_000
"""Of a place so many files that hold no session are told, and so many that cannot be read."""

WATCHES_FILE: Final = Path("/proc/sys/fs/inotify/max_user_watches")
"""How many folders Linux lets one user watch (inotify(7))."""


@dataclass(frozen=True, slots=True)
class FileFound:
    """A file or folder in which no session could be found, and why. `row_types` is what its rows call themselves."""

    path: str
    why: str
    size: int = 0
    row_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retained:
    """After how many days a tool deletes sessions; `None` where that was switched off. `is_set`: in `file`."""

    days: float | None
    setting: str
    file: str
    is_set: bool


@dataclass(slots=True)
class PlaceFound:
    """What was found in one place. `bytes` are those of its sessions' main files; `kept` of the sessions have a copy.

    `folders` are those below it, which are to be watched.
    """

    format: str
    path: str
    reason: str
    exists: bool
    retention: Retained | None
    sessions: int = 0
    bytes: int = 0
    kept: int = 0
    folders: int = 0
    unreadable: list[FileFound] = field(default_factory=list)
    unrecognised: list[FileFound] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Footprint:
    """What Scrollcast itself has on the disk, in bytes."""

    cache: str
    indexes: int
    catalogue: int
    search: int
    other: int
    kept_folder: str
    kept: int
    older_copies: int


@dataclass(frozen=True, slots=True)
class Watching:
    """How many folders are to be watched for changes, and how many may be; `None` where there is no such limit."""

    folders: int
    limit: int | None

    @property
    def is_enough(self) -> bool:
        """Whether all of them can be watched; else they are looked at every second."""
        return self.limit is None or self.folders <= self.limit


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything. `is_well` says that all that is there could be read."""

    version: str
    python: str
    sqlite: str
    full_text_search: bool
    keeps: bool
    places: list[PlaceFound]
    footprint: Footprint
    watching: Watching
    is_well: bool


def examine(places: Sequence[Place], roots: Sequence[Path], cache: Path, kept: Path, *, keeps: bool) -> Examination:
    """Look at the places of sessions, and at what Scrollcast has made of them.

    `roots` are a server's, whose catalogue this brings up to date.
    """
    found = [_look_at(place) for place in places]
    with closing(Catalogue(roots, cache, optional=True)) as catalogue:
        catalogue.refresh()
        _add_sessions(found, catalogue, Keeper(kept))
        _add_files(found, catalogue.unrecognised())
    watching = Watching(sum(place.folders for place in found), _watch_limit())
    return Examination(
        version=__version__,
        python=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        sqlite=sqlite3.sqlite_version,
        full_text_search=_has_full_text_search(),
        keeps=keeps,
        places=found,
        footprint=_footprint(cache, kept),
        watching=watching,
        is_well=not any(place.unreadable for place in found),
    )


# -------------------------------------------------------------------------------------------------------- the places


def _look_at(place: Place) -> PlaceFound:
    found = PlaceFound(place.format_name, str(place.path), place.reason, place.exists, _retained(place))
    if not found.exists:
        if _is_hidden(place.path):
            found.exists = True
            found.unreadable.append(FileFound(str(place.path), "permission denied"))
        return found
    found.folders = 1
    if not place.path.is_dir():
        if not os.access(place.path, os.R_OK):
            found.unreadable.append(FileFound(str(place.path), "permission denied"))
        return found

    def note(problem: OSError) -> None:
        if len(found.unreadable) < MAX_LISTED:
            found.unreadable.append(FileFound(str(problem.filename), (problem.strerror or "unreadable").lower()))

    found.folders = sum(1 for _ in os.walk(place.path, onerror=note))
    return found


def _retained(place: Place) -> Retained | None:
    rule = place.retention
    return None if rule is None else Retained(rule.days(), rule.setting, str(rule.file), rule.is_set)


def _is_hidden(path: Path) -> bool:
    """Whether nobody may look whether it is there."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _add_sessions(places: Sequence[PlaceFound], catalogue: Catalogue, keeper: Keeper) -> None:
    finder = _Finder(places)
    for readable in catalogue.indexable():
        place = finder.of(readable.source.path)
        if place is not None:
            place.sessions += 1
            place.bytes += readable.size
            place.kept += keeper.holds(readable.source)
    for session in catalogue.sessions():
        if session.error is None or session.source_gone:
            continue
        path = catalogue.entry(session.scroll_id).source.path
        place = finder.of(path)
        if place is not None:
            place.sessions += 1
            place.unreadable.append(FileFound(str(path), session.error))


def _add_files(places: Sequence[PlaceFound], files: Iterable[Unrecognised]) -> None:
    finder = _Finder(places)
    for file in files:
        place = finder.of(file.path)
        if place is None:
            continue
        told = place.unreadable if _is_unreadable(file) else place.unrecognised
        if len(told) < MAX_LISTED:
            told.append(FileFound(str(file.path), file.why, file.size, file.row_types))


def _is_unreadable(file: Unrecognised) -> bool:
    """Whether a file could not be looked into; of one that could, what is in it is no session."""
    if file.row_types:
        return False
    return any(look(found).outcome is Outcome.UNREADABLE for found in walk(file.path, file.path.parent))


class _Finder:
    """Tells which place a file is in: the first that holds it, whatever links lead there."""

    def __init__(self, places: Sequence[PlaceFound]) -> None:
        self._places: dict[Path, PlaceFound] = {}
        for place in places:
            with suppress(OSError, RuntimeError):
                self._places.setdefault(Path(place.path).resolve(), place)

    def of(self, path: Path) -> PlaceFound | None:
        return next((self._places[each] for each in (path, *path.parents) if each in self._places), None)


# --------------------------------------------------------------------------------------------------------- footprint

_INDEX: Final = re.compile(r"making-.*|[0-9a-f-]{36}\.(?:messages|meta)\.[0-9a-f]+")


def _footprint(cache: Path, kept: Path) -> Footprint:
    sizes: defaultdict[str, int] = defaultdict(int)
    for path, size in _sizes(cache):
        sizes[_kind_of(path.relative_to(cache).parts)] += size
    copies = [(path.name.endswith(".older"), size) for path, size in _sizes(kept)]
    return Footprint(
        str(cache),
        sizes["indexes"],
        sizes["catalogue"],
        sizes["search"],
        sizes["other"],
        str(kept),
        sum(size for _, size in copies),
        sum(size for is_older, size in copies if is_older),
    )


def _kind_of(parts: tuple[str, ...]) -> str:
    if _INDEX.fullmatch(parts[0]):
        return "indexes"
    if not parts[0].startswith("catalogue-"):
        return "other"
    return "search" if parts[1].startswith("search") else "catalogue"


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):  # it is gone by now
                yield path, path.lstat().st_size


# ---------------------------------------------------------------------------------------------------------- the rest


def _watch_limit() -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return int(WATCHES_FILE.read_text())
    except (OSError, ValueError):
        return None


def _has_full_text_search() -> bool:
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
        except sqlite3.OperationalError:
            return False
    return True
