"""The files under a root that may hold sessions: the folder tree, without opening a file in it."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import FormatReader
from scrollcast.archive.formats import readers as formats
from scrollcast.archive.storage import FileStamp

__all__ = ["QUIET_SUFFIXES", "SUFFIXES", "Candidate", "find", "walk"]

SUFFIXES: Final = (".json", ".jsonl", ".eval", ".traj", ".zst", ".db", ".txt")
"""How the names of files end that are looked into wherever they lie. A reader's `candidates` may name any others."""

QUIET_SUFFIXES: Final = (".db", ".txt")
"""Of these the ones that say so little that a file which no reader knows is nothing to tell anybody of."""

SKIPPED_FOLDERS: Final = frozenset((".git", "node_modules", "__pycache__", ".venv"))
"""Never entered: they hold many thousands of files, and none of them is a session. Other hidden folders are entered,
since agents keep their sessions in such."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may hold sessions, and its state when it was seen. `root` is the folder that confines it."""

    path: str
    root: str
    stamp: FileStamp


def walk(start: Path, root: Path, skipped: Collection[str] = ()) -> Iterator[Candidate]:
    """The candidates at or below `start` in a steady order. A folder that cannot be read hides what is in it.

    Links to folders are not entered, nor are the folders whose full names are in `skipped`.
    """
    if not start.is_dir():
        yield from _look_at(str(start), root)
        return
    pending = [str(start)]
    while pending:
        folder = pending.pop()
        subfolders, files = _list(folder)
        named = _claim(folder, subfolders, files)
        if named is not None:
            for path in named:
                yield from _look_at(path, root)
            continue
        for name in sorted(files):
            if name.endswith(SUFFIXES):
                yield from _look_at(files[name], root)
        pending.extend(path for path in sorted(subfolders.values(), reverse=True) if _enters(path, skipped))


def find(path: Path, root: Path, skipped: Collection[str] = ()) -> tuple[Path, list[Candidate]]:
    """What a walk from `root` finds because of `path`, which lies below it and may be gone: `(scope, candidates)`.

    The candidates are all there are at or below `scope`: `path` itself, or a folder above it whose format claims all
    that is in it.
    """
    above = [folder for folder in reversed(path.parents) if folder.is_relative_to(root)]
    if not all(_enters(str(folder), skipped) for folder in above[1:]):
        return path, []  # where a great many files change, and none of them is looked at
    for folder in above:
        if folder != root and folder.is_symlink():
            return path, []
        subfolders, files = _list(str(folder))
        named = _claim(str(folder), subfolders, files)
        if named is not None:
            return folder, [candidate for name in named for candidate in _look_at(name, root)]
    if path.is_dir():
        enters = not path.is_symlink() and _enters(str(path), skipped)
        return path, list(walk(path, root, skipped)) if enters else []
    return path, list(_look_at(str(path), root)) if path.name.endswith(SUFFIXES) else []


def _enters(folder: str, skipped: Collection[str]) -> bool:
    return os.path.basename(folder) not in SKIPPED_FOLDERS and folder not in skipped


def _list(folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """The subfolders and the other entries of a folder: names and paths."""
    subfolders: dict[str, str] = {}
    files: dict[str, str] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                kind = subfolders if entry.is_dir(follow_symlinks=False) else files
                kind[entry.name] = entry.path
    except OSError:
        pass  # what was read before is as good as any
    return subfolders, files


def _claim(folder: str, subfolders: Collection[str], names: Collection[str]) -> list[str] | None:
    """The files that the first reader which knows this kind of folder wants to have looked at."""
    for reader in formats.READERS:
        if type(reader).candidates is FormatReader.candidates:
            continue
        try:
            named = reader.candidates(Path(folder), subfolders, names)
        except Exception as problem:  # a defect of a reader must not hide the other sessions
            log.error("%s could not be looked at: %r", folder, problem)
            continue
        if named is not None:
            return [str(path) for path in named]
    return None


def _look_at(path: str, root: Path) -> Iterator[Candidate]:
    """The file as a candidate, if it is a regular one."""
    try:
        found = os.stat(path)
    except OSError:
        return
    if stat.S_ISREG(found.st_mode):
        yield Candidate(path, str(root), FileStamp(found.st_size, found.st_mtime_ns, found.st_ino))
