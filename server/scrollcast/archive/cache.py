"""The cache of finished indexes: a folder each, named by what it was made from. All of it can be deleted any time."""

from __future__ import annotations

import hashlib
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

__all__ = ["Fingerprint", "index_place", "load_index", "prune", "remove_older"]

INDEX_VERSION: Final = 2
"""Grows whenever a reader or the encoding changes what an archive turns into; older caches are then made anew."""

ABANDONED_SECONDS: Final = 24 * 3600
"""A folder that was begun and not finished for so long belongs to a process that is gone."""

MAKING_PREFIX: Final = "making-"


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

    @property
    def key(self) -> str:
        """A short name for it, safe in a path."""
        text = repr((INDEX_VERSION, self.format_name, self.files)).encode()
        return hashlib.blake2b(text, digest_size=12).hexdigest()


def load_index(session: Session, fingerprint: Fingerprint, cache: Path, *, meta: bool) -> SessionIndex | None:
    """The index that was made from just these files earlier, or `None` when there is none that can be used."""
    place = index_place(cache, session, fingerprint, meta=meta)
    try:
        header = orjson.loads((place / HEADER_FILE).read_bytes())
        index = SessionIndex(session, header["epoch"], header["edition"])
        if any((place / name).stat().st_size != size for name, size in header["sizes"].items()):
            raise ValueError("a file was cut short")
        index.adopt(place, header)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        shutil.rmtree(place, ignore_errors=True)  # else it would stand in the way of a good one
        return None
    return index


def index_place(cache: Path, session: Session, fingerprint: Fingerprint, *, meta: bool) -> Path:
    """Where a finished index lies or is to be put."""
    edition = "meta" if meta else "messages"
    return cache / f"{session.scroll_id}.{edition}.{fingerprint.key}"


def remove_older(place: Path) -> None:
    """Drop what was made of earlier states of the same session; whoever still plays from it holds it open."""
    prefix = place.name.rpartition(".")[0]
    for other in place.parent.glob(f"{prefix}.*"):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)


def prune(cache: Path, limit_bytes: int) -> None:
    """Delete what was abandoned, then the indexes that were made longest ago, until the rest is within the limit."""
    kept, total = [], 0
    for folder in cache.iterdir() if cache.is_dir() else ():
        if not folder.is_dir():
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
