"""Which files a session has to be kept with, so that its reader reads the copy as it reads the original."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.claude_code.family import subagents_folder
from scrollcast.archive.formats.opencode.stores import Tree, tree_of
from scrollcast.errors import ArchiveError

__all__ = ["files_to_keep"]

MAX_FILES: Final = 100_000
"""A session of more files is not kept whole: a tree of messages has some ten thousand at most."""


def files_to_keep(source: SessionSource) -> Iterator[Path]:
    """The files of a session and those beside it that its reader looks into, the session's own first.

    Some may be missing, or be links; whoever opens them has to see to that. Subagents, forks and parents are sessions
    of their own. At most `MAX_FILES`.
    """
    own = _OWN_FILES.get(source.reader.name, _files_of)
    seen: dict[Path, None] = {}
    for path in islice(own(source), MAX_FILES):
        if path not in seen and path.is_relative_to(source.root):
            seen[path] = None
            yield path


def _files_of(source: SessionSource) -> Iterator[Path]:
    """What the reader names; of a folder the files that lie in it."""
    for path in source.reader.files(source):
        if path.is_dir():
            yield from _files_in(path)
        else:
            yield path


def _files_in(folder: Path) -> Iterable[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [folder / name for name in sorted(entry.name for entry in entries if entry.is_file())]
    return ()


def _claude_code(source: SessionSource) -> Iterator[Path]:
    """The outputs that were too long for the log, and what is noted of a subagent."""
    path = source.path
    yield path
    yield path.with_suffix(".meta.json")
    subagents = subagents_folder(path)
    yield from _files_in((subagents.parent if subagents else path.with_suffix("")) / "tool-results")


def _codex(source: SessionSource) -> Iterator[Path]:
    """The list of the names that were given to sessions."""
    yield source.path
    for folder in islice(source.path.parents, 6):
        if folder.name in ("sessions", "archived_sessions"):
            yield folder.parent / "session_index.jsonl"
            return


def _gemini(source: SessionSource) -> Iterator[Path]:
    """The note of the folder that was worked in."""
    yield source.path
    for folder in islice(source.path.parents, 3):
        if folder.name == "chats":
            yield folder.parent / ".project_root"
            return


def _opencode(source: SessionSource) -> Iterator[Path]:
    """Every message and part of a tree of files."""
    if tree_of(source.path) is None:
        yield from _files_of(source)
        return
    yield source.path
    with suppress(ArchiveError):  # the session's own file is damaged
        yield from Tree(source).files()


_OWN_FILES: Final[dict[str, Callable[[SessionSource], Iterator[Path]]]] = {
    "claude-code": _claude_code,
    "codex": _codex,
    "gemini": _gemini,
    "opencode": _opencode,
}
"""By the readers' names; the others' `files` are all there is."""
