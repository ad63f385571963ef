"""`Archive`: the sessions under some paths, and their indexes."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from scrollcast.archive.cache import Fingerprint, load_index, prune
from scrollcast.archive.catalogue import Catalogue, CatalogueEntry
from scrollcast.archive.epoch import epoch_of
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

__all__ = ["Archive"]

BUILDERS: Final = 2
"""Sessions read at the same time. They share the interpreter, so that more would not be faster."""

KEPT_INDEXES: Final = 64
"""Indexes kept open though nobody plays from them: a few mappings and one file descriptor each."""

WATCH_SECONDS: Final = 1.0
"""How long an answer to "was it rewritten?" serves everybody who asks."""

CACHE_LIMIT_BYTES: Final = 8 << 30
"""How much the cache may hold before the oldest indexes go; about what a year of one person's sessions takes."""


class Archive:
    """The sessions that lie under some paths. Nothing there is ever written.

    Use `Archive.open`; close it, or use it as a context manager, to stop what it still reads.
    """

    def __init__(self, paths: Sequence[Path], cache: Path | None) -> None:
        try:
            self._cache = Path(tempfile.mkdtemp(prefix="scrollcast-")) if cache is None else cache
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise ArchiveError("the cache folder cannot be made", str(problem)) from problem
        self._remove_cache: Callable[[], object] | None = None
        if cache is None:
            # Goes with the archive, closed or forgotten.
            self._remove_cache = weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)
        self.catalogue = Catalogue(paths)
        self._locks: dict[tuple[UUID, bool], threading.Lock] = {}
        self._indexes: OrderedDict[tuple[UUID, bool], tuple[Fingerprint, SessionIndex]] = OrderedDict()
        self._builders: set[IndexBuilder] = set()
        self._watched: dict[UUID, tuple[float, str]] = {}
        self._threads = ThreadPoolExecutor(BUILDERS, thread_name_prefix="scrollcast-index")

    @classmethod
    def open(cls, *paths: str | PathLike[str], cache: str | PathLike[str] | None = None) -> Self:
        """Open a native archive, or a file or folder of any known format; several as one.

        `cache` is a folder for what is made of the sessions, kept for the next time; without one it is a temporary
        folder that goes with the archive.

        Raises:
            ArchiveError: a path does not exist, or the cache folder cannot be made.
        """
        archive = cls([Path(path) for path in paths], None if cache is None else Path(cache))
        archive.catalogue.refresh()
        return archive

    def close(self) -> None:
        """Stop reading. Streams that still play get an `ArchiveError`."""
        for builder in tuple(self._builders):
            builder.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for builder in tuple(self._builders):  # those whose turn never came
            builder.index.fail(ArchiveError("the server is stopping"))
        self._indexes.clear()
        if self._remove_cache:
            self._remove_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def prune_cache(self) -> None:
        """Keep the cache within its bound. Blocks."""
        prune(self._cache, CACHE_LIMIT_BYTES)

    def sessions(self) -> list[Session]:
        """Every session, broken ones included, in no order."""
        return self.catalogue.sessions()

    def session(self, scroll_id: UUID | str) -> Session:
        """What is known of one session.

        Raises:
            SessionNotFound: there is none of this id (or it is no UUID).
        """
        return self.catalogue.entry(scroll_id).session

    async def open_index(self, scroll_id: UUID | str, *, meta: bool = False) -> SessionIndex:
        """The session's index as its files are now; still growing where it is made for the first time.

        Raises:
            SessionNotFound: there is no such session.
            ArchiveError: it is broken, or cannot be read.
        """
        return await asyncio.to_thread(self._open_index, scroll_id, meta)

    async def was_rewritten(self, index: SessionIndex) -> bool:
        """Whether the session that an index was made of now holds other events than it did; growth is no such thing.

        Looked up at most once in `WATCH_SECONDS` a session, however many streams ask.
        """
        scroll_id = index.session.scroll_id
        looked, epoch = self._watched.get(scroll_id, (-math.inf, index.content_epoch))
        now = time.monotonic()
        if now - looked >= WATCH_SECONDS:
            self._watched[scroll_id] = (now, epoch)
            epoch = await asyncio.to_thread(self._epoch_now, scroll_id, epoch)
            self._watched[scroll_id] = (now, epoch)
        return epoch != index.content_epoch

    def _epoch_now(self, scroll_id: UUID, epoch: str) -> str:
        try:
            entry = self.catalogue.entry(scroll_id)
            now = Fingerprint.of(entry.source)
            for key, (fingerprint, index) in self._indexes.copy().items():
                if key[0] == scroll_id and fingerprint == now:
                    return index.content_epoch
            return epoch_of(entry.source, self._cache)
        except (ArchiveError, SessionNotFound):
            return epoch  # it is gone; what was read of it can still be played

    def _open_index(self, scroll_id: UUID | str, meta: bool) -> SessionIndex:
        entry = self._find(scroll_id)
        key = (entry.source.scroll_id, meta)
        with self._locks.setdefault(key, threading.Lock()):
            fingerprint = Fingerprint.of(entry.source)
            known = self._indexes.get(key)
            if known and known[0] == fingerprint and known[1].failure is None:
                self._indexes.move_to_end(key)
                return known[1]
            session = self.catalogue.update(entry.source).session
            if session.error is not None:
                raise ArchiveError(session.error)
            index = load_index(session, fingerprint, self._cache, meta=meta)
            if index is None:
                index = self._build(entry.source, session, fingerprint, meta)
            elif not meta:
                self.catalogue.learn(key[0], fingerprint, index.count, index.duration_ms)
            self._keep(key, fingerprint, index)
            return index

    def _find(self, scroll_id: UUID | str) -> CatalogueEntry:
        try:
            return self.catalogue.entry(scroll_id)
        except SessionNotFound:
            self.catalogue.refresh()  # it may have come since
            return self.catalogue.entry(scroll_id)

    def _keep(self, key: tuple[UUID, bool], fingerprint: Fingerprint, index: SessionIndex) -> None:
        self._indexes[key] = (fingerprint, index)
        self._indexes.move_to_end(key)
        self._watched[key[0]] = (time.monotonic(), index.content_epoch)
        while len(self._indexes) > KEPT_INDEXES:
            self._indexes.popitem(last=False)

    def _build(self, source: SessionSource, session: Session, fingerprint: Fingerprint, meta: bool) -> SessionIndex:
        builder = IndexBuilder(source, session, fingerprint, self._cache, meta=meta)
        self._builders.add(builder)

        def run() -> None:
            try:
                builder.run()
                if builder.index.complete and not meta:
                    index = builder.index
                    self.catalogue.learn(source.scroll_id, fingerprint, index.count, index.duration_ms)
            finally:
                self._builders.discard(builder)

        try:
            self._threads.submit(run)
        except RuntimeError:
            self._builders.discard(builder)
            raise ArchiveError("the server is stopping") from None
        return builder.index
