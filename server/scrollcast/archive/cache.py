"""The cache of finished indexes: a folder each, named by what it was made from. All of it can be deleted any time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import HEADER_FILE, SessionIndex
from scrollcast.archive.storage import FileStamp, stamp
from scrollcast.model import Session

__all__ = ["Fingerprint", "index_place", "load_index", "load_older", "prune", "remove_older"]

INDEX_VERSION: Final = 5
"""Grows whenever a reader or the encoding changes what an archive turns into; older caches are then made anew."""

ABANDONED_SECONDS: Final = 24 * 3600
"""A folder that was begun and not finished for so long belongs to a process that is gone."""

_LOG_SUFFIX: Final = "-wal"
"""SQLite's write-ahead log."""

MAKING_PREFIX: Final = "making-"
_INDEX_NAME: Final = re.compile(r"[0-9a-f-]{36}\.(messages|meta)\.[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a session's index was made from: it holds as long as every file is as it was."""

    format_name: str
    files: tuple[tuple[str, FileStamp | None], ...]

    @classmethod
    def of(cls, source: SessionSource) -> Fingerprint:
        """The fingerprint of a session's files as they are now."""
        paths = source.reader.files(source)
        return cls(source.reader.name, tuple((str(path), stamp(path)) for path in paths))

    def lacks_any_of(self, other: Fingerprint) -> bool:
        """Whether a file is gone that was there in another state; not one that is only no longer looked at, nor a
        database's log, which goes with the last writer."""
        now = dict(self.files)
        return any(
            known is not None and now.get(path) is None and (path in now or not os.path.lexists(path))
            for path, known in other.files
            if not path.endswith(_LOG_SUFFIX)
        )

    def age(self) -> float:
        """The seconds since the newest of the files was written."""
        newest = max((known.mtime_ns for _, known in self.files if known is not None), default=0)
        return time.time() - newest / 1e9

    @property
    def key(self) -> str:
        """A short name for it, safe in a path."""
        text = repr((INDEX_VERSION, self.format_name, self.files)).encode()
        return hashlib.blake2b(text, digest_size=12).hexdigest()


def load_index(session: Session, fingerprint: Fingerprint, cache: Path, *, meta: bool) -> SessionIndex | None:
    """The index that was made from just these files earlier, or `None` when there is none that can be used."""
    place = index_place(cache, session, fingerprint, meta=meta)
    index = _load(place, session, meta=meta)
    if index is None:
        shutil.rmtree(place, ignore_errors=True)  # else it would stand in the way of a good one
    return index


def load_older(session: Session, fingerprint: Fingerprint, cache: Path, *, meta: bool) -> SessionIndex | None:
    """The index of an earlier state of the same session, to tell what is new in it; `None` when there is none."""
    place = index_place(cache, session, fingerprint, meta=meta)
    for other in _siblings(place):
        if (index := _load(other, session, meta=meta)) is not None:
            return index
    return None


def _load(place: Path, session: Session, *, meta: bool) -> SessionIndex | None:
    try:
        header = orjson.loads((place / HEADER_FILE).read_bytes())
        index = SessionIndex(session, header["epoch"], meta=meta)
        if header["version"] != INDEX_VERSION:
            raise ValueError("made by another version")
        if any((place / name).stat().st_size != size for name, size in header["sizes"].items()):
            raise ValueError("a file was cut short")
        index.adopt(place, header)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return index


def index_place(cache: Path, session: Session, fingerprint: Fingerprint, *, meta: bool) -> Path:
    """Where a finished index lies or is to be put."""
    edition = "meta" if meta else "messages"
    return cache / f"{session.scroll_id}.{edition}.{fingerprint.key}"


def remove_older(place: Path) -> None:
    """Drop what was made of earlier states of the same session; whoever still plays from it holds it open."""
    for other in _siblings(place):
        shutil.rmtree(other, ignore_errors=True)


def _siblings(place: Path) -> list[Path]:
    prefix = place.name.rpartition(".")[0]
    return [other for other in place.parent.glob(f"{prefix}.*") if other != place and other.is_dir()]


def prune(cache: Path, limit_bytes: int) -> None:
    """Delete what was abandoned, then the indexes that were made longest ago, until the rest is within the limit."""
    kept, total = [], 0
    for folder in cache.iterdir() if cache.is_dir() else ():
        if not (folder.name.startswith(MAKING_PREFIX) or _INDEX_NAME.fullmatch(folder.name)) or not folder.is_dir():
            continue
        try:
            made = folder.stat().st_mtime
            size = sum(file.stat().st_size for file in folder.iterdir())
        except FileNotFoundError:  # another process was faster
            continue
        if folder.name.startswith(MAKING_PREFIX):
            if made < time.time() - ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
            continue
        kept.append((made, size, folder))
        total += size
    for _, size, folder in sorted(kept, key=lambda item: item[0]):
        if total <= limit_bytes:
            break
        shutil.rmtree(folder, ignore_errors=True)
        total -= size
