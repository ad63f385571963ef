"""Which sessions exist under some paths, and what is known of each without playing it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID

from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.native import METADATA_FILE
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.archive.storage import FileStamp, stamp
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

__all__ = ["Catalogue", "CatalogueEntry"]

FRESH_SECONDS: Final = 1.0
"""A listing younger than this is taken as it is, so that many requests at once cost one walk."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One session: where it lies, what is known of it, and what that was read from."""

    source: SessionSource
    session: Session
    fingerprint: Fingerprint


class Catalogue:
    """The sessions under some paths. Its methods may block, and are safe to call from several threads."""

    def __init__(self, paths: Sequence[Path]) -> None:
        # A path that was named is meant, even where it is a link; only what lies below it is confined.
        self._paths = tuple(path.resolve() for path in paths)
        self._entries: dict[UUID, CatalogueEntry] = {}
        self._sniffed: dict[Path, tuple[FileStamp, SessionSource | None]] = {}
        self._exact: dict[UUID, tuple[Fingerprint, int, int]] = {}
        self._lock = threading.Lock()
        self._refreshed = -FRESH_SECONDS

    def sessions(self) -> list[Session]:
        """Every session, broken ones included, in no order."""
        return [self._exactly(entry) for entry in tuple(self._entries.values())]

    def entry(self, scroll_id: UUID | str) -> CatalogueEntry:
        """One session's entry.

        Raises:
            SessionNotFound: there is none of this id, or it is no UUID.
        """
        try:
            key = scroll_id if isinstance(scroll_id, UUID) else UUID(scroll_id)
            entry = self._entries[key]
        except (ValueError, KeyError):
            raise SessionNotFound(scroll_id) from None
        return replace(entry, session=self._exactly(entry))

    def refresh(self, *, older_than: float = 0.0) -> None:
        """Look again what is there, unless that was done less than `older_than` seconds ago.

        Raises:
            ArchiveError: one of the paths does not exist.
        """
        with self._lock:
            if monotonic() - self._refreshed < older_than:
                return
            found: dict[UUID, CatalogueEntry] = {}
            for source in self._sources():
                if source.scroll_id in found:
                    log.info("two files hold the session %s; the first one found is listed", source.scroll_id)
                    continue
                found[source.scroll_id] = self._summarised(source)
            self._entries = found
            self._refreshed = monotonic()

    def update(self, source: SessionSource) -> CatalogueEntry:
        """The entry of one session as its files are now."""
        entry = self._summarised(source)
        self._entries[source.scroll_id] = entry
        return replace(entry, session=self._exactly(entry))

    def learn(self, scroll_id: UUID, fingerprint: Fingerprint, count: int, duration_ms: int) -> None:
        """Take what an index of these files knows exactly in place of the estimate."""
        self._exact[scroll_id] = (fingerprint, count, duration_ms)

    def _exactly(self, entry: CatalogueEntry) -> Session:
        exact = self._exact.get(entry.source.scroll_id)
        if exact is None or exact[0] != entry.fingerprint:
            return entry.session
        return replace(entry.session, count=exact[1], duration_ms=exact[2])

    # ------------------------------------------------------------------------------------------------- summaries

    def _summarised(self, source: SessionSource) -> CatalogueEntry:
        fingerprint = Fingerprint.of(source)
        known = self._entries.get(source.scroll_id)
        if known and known.source == source and known.fingerprint == fingerprint:
            return known
        return CatalogueEntry(source, _summarise(source), fingerprint)

    # --------------------------------------------------------------------------------------------------- sources

    def _sources(self) -> Iterator[SessionSource]:
        for path in self._paths:
            if path.is_file():
                yield from self._sniff(path, path.parent)
            elif path.is_dir():
                for file in _candidates(path):
                    yield from self._sniff(file, path)
            else:
                raise ArchiveError("a file or folder that is served is not there", str(path))

    def _sniff(self, path: Path, root: Path) -> Iterator[SessionSource]:
        now = stamp(path)
        if now is None:
            return
        known = self._sniffed.get(path)
        if known is None or known[0] != now:
            known = self._sniffed[path] = (now, _locate(path, root, now.size))
        if known[1] is not None:
            yield known[1]


def _summarise(source: SessionSource) -> Session:
    try:
        return source.reader.summarise(source)
    except ArchiveError as problem:
        log.info("%s: %s %s", source.path, problem, problem.detail)
        return Session(source.scroll_id, title=source.path.name, error=str(problem))
    except Exception as problem:  # a defect of a reader must not hide the other sessions
        log.error("%s could not be summarised: %r", source.path, problem)
        log.debug("in full", exc_info=problem)
        return Session(source.scroll_id, title=source.path.name, error=f"unreadable ({type(problem).__name__})")


def _candidates(root: Path) -> Iterator[Path]:
    """The files that may be sessions, in a steady order. Linked folders are not entered."""
    for folder, subfolders, names in os.walk(root):
        subfolders.sort()
        here = Path(folder)
        if METADATA_FILE in names:
            yield here / METADATA_FILE
            continue
        for name in sorted(names):
            if name.endswith((".json", ".jsonl")):
                yield here / name


def _locate(path: Path, root: Path, size: int) -> SessionSource | None:
    """The session that a file holds, or `None` where no reader knows it."""
    try:
        file = sniff(path, root, size)
    except ArchiveError as problem:
        log.info("%s is left out: %s %s", path, problem, problem.detail)
        return None
    reader = owner(file)
    return next(iter(reader.locate(file, root)), None) if reader else None
