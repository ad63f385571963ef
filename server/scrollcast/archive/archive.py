"""`Archive`: the sessions under some paths, and their indexes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Final, Self, TypeAlias
from uuid import UUID

from scrollcast.archive.cache import Fingerprint, load_index, load_older, prune
from scrollcast.archive.catalogue import FRESH_SECONDS, Catalogue, CatalogueEntry, Progress, Unrecognised
from scrollcast.archive.epoch import epoch_of
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import LINE_REST_SECONDS, RECORD_REST_SECONDS, IndexBuilder
from scrollcast.archive.kept import Keeper
from scrollcast.archive.listing import Listing, Page
from scrollcast.archive.search import Hit, SearchIndex
from scrollcast.archive.upkeep import Upkeep
from scrollcast.archive.watcher import Watcher
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

__all__ = ["Archive", "FoundInSession", "FoundPage"]

BUILDERS: Final = 2
"""Sessions read at the same time. They share the interpreter, so that more would not be faster."""

KEPT_INDEXES: Final = 64
"""Indexes kept open though nobody plays from them: a few mappings and one file descriptor each."""

KEPT_GROWING: Final = 8
"""Sessions that nobody follows any more, but that can still be read on: their reader's memory of them is kept."""

KEPT_STATES: Final = 4
"""Earlier states of a session that are kept to be compared with, while its readings fail one after the other."""

FORGET_SECONDS: Final = 600.0
"""A session to which nothing was added for so long is not expected to grow."""

_DEEPEST_FILE: Final = 2
"""How deep below a folder that a reader names among a session's files a file of it may lie."""

ANEW_SECONDS: Final = 0.5
"""A session that can only be read anew when something is added is read so at most this often, and so seldom that it
costs a quarter of one core."""

OPENED_CHECK_BYTES: Final = 256 << 10
"""So much of a large file that has grown is compared with what was read, when somebody opens it."""

PATIENCE_SECONDS: Final = 1.0
"""Who opens a session waits so long for one who reads on in it; then it is taken as it was read by then."""

CACHE_LIMIT_BYTES: Final = 8 << 30
"""How much the cache may hold before the oldest indexes go; about what a year of one person's sessions takes."""


_Key: TypeAlias = tuple[UUID, bool]
"""A session, with or without its meta events."""


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of the list, how complete the list is, and some hits of each session where words were looked for.

    `searched` is then how many sessions could be searched, of how many there are.
    """

    page: Page
    hits: list[list[Hit]] | None
    progress: Progress
    searched: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class FoundInSession:
    """Hits in one session, in order; not `complete` where not all of its text can be searched yet."""

    hits: list[Hit]
    complete: bool


@dataclass(slots=True, eq=False)
class _Opened:
    """An index that is open, and what it takes to let it grow."""

    source: SessionSource
    fingerprint: Fingerprint  # of the files when somebody last asked for it
    builder: IndexBuilder
    earlier: Sequence[SessionIndex]  # the indexes of earlier states that this one is held against
    is_read: bool = False  # whether a thread is on its way to read it from its beginning
    opened_at: float = field(default_factory=time.monotonic)
    changed_at: float = field(default_factory=time.monotonic)
    rested: float = 0.0  # what `grow` was last told of how long it has been at rest
    anew_at: float = 0.0  # when it may be read anew
    stale: bool = False  # whether it changed and could not be looked at then
    noted: Fingerprint | None = None  # of the files when they were last looked at

    @property
    def index(self) -> SessionIndex:
        """The index as it is now."""
        return self.builder.index

    @property
    def shown(self) -> list[SessionIndex]:
        """The indexes whose events somebody may have seen in the session's last epoch, the latest first.

        A reading that failed may have come further than the state before it, or not as far, or to another epoch.
        """
        if self.index.complete:
            return [self.index]
        return [self.index, *self.earlier][:KEPT_STATES] if self.index.count else list(self.earlier)

    @property
    def paths(self) -> frozenset[str]:
        """The files and folders whose change is one of the session."""
        return frozenset(path for path, _ in self.fingerprint.files)


class Archive:
    """The sessions that lie under some paths. Nothing there is ever written.

    Use `Archive.open`; close it, or use it as a context manager, to stop what it still reads.
    """

    def __init__(
        self, paths: Sequence[Path], cache: Path | None, *, optional: bool = False, kept: Path | None = None
    ) -> None:
        try:
            self._cache = Path(tempfile.mkdtemp(prefix="scrollcast-")) if cache is None else cache
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise ArchiveError("the cache folder cannot be made", str(problem)) from problem
        self._remove_cache: Callable[[], object] | None = None
        if cache is None:
            # Goes with the archive, closed or forgotten.
            self._remove_cache = weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)
        self._paths = tuple(path.resolve() for path in paths)
        self.catalogue = Catalogue(paths, self._cache, optional=optional)
        self._keeper = None if kept is None else Keeper(kept)
        self._search: SearchIndex | None = None
        self._upkeep: Upkeep | None = None
        self._locks: dict[_Key, threading.RLock] = {}
        self._gates: weakref.WeakValueDictionary[tuple[int, str, bool], asyncio.Lock] = weakref.WeakValueDictionary()
        self._opened: OrderedDict[_Key, _Opened] = OrderedDict()
        self._builders: set[IndexBuilder] = set()
        self._followed: dict[_Key, int] = {}
        self._watcher: Watcher | None = None
        self._watcher_lock = threading.Lock()
        self._opened_lock = threading.Lock()  # for `_opened` and `_followed`
        self._closed = False
        self._search_lock = threading.Lock()
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
        if self._upkeep:
            self._upkeep.stop()
        with self._opened_lock:
            open_builders = [opened.builder for opened in self._opened.values()]
        for builder in (*self._builders, *open_builders):
            builder.stop()
        with self._watcher_lock:
            self._closed = True
        if self._watcher:
            self._watcher.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for builder in tuple(self._builders):  # those whose turn never came
            builder.index.fail(ArchiveError("the server is stopping"))
        for builder in open_builders:
            builder.remember()
            builder.close()
        with self._opened_lock:
            self._opened.clear()
        if self._search:
            self._search.close()
        self.catalogue.close()
        if self._remove_cache:
            self._remove_cache()

    @property
    def cache_folder(self) -> Path:
        """Where what is made of the sessions lies."""
        return self._cache

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def cache(self) -> Path:
        """The folder for what is made of sessions."""
        return self._cache

    @property
    def is_kept_up(self) -> bool:
        """Whether sessions are looked for (`keep_up`)."""
        return self._upkeep is not None and self._upkeep.is_running

    @property
    def watcher_lag(self) -> float:
        """For how many seconds changes of files wait, or last waited, to be dealt with."""
        watcher = self._watcher
        return 0.0 if watcher is None else watcher.lag

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

    # ------------------------------------------------------------------------------------------------ the catalogue

    def keep_up(self, found: Callable[[], None]) -> None:
        """Find the sessions, make them searchable, and go on doing so as files change, in a thread of its own.

        `found` is called, in that thread, when everything was looked through for the first time.
        """
        self._upkeep = Upkeep(
            self.catalogue, self.search_index, self._keeper, found, self._tidy, self._growing, self._followed_files
        )
        self.watch()
        self._upkeep.start()

    def search_index(self) -> SearchIndex:
        """The search index of the catalogue as it is: another one where that was made anew, with other numbers."""
        folder = self.catalogue.folder / f"search-{self.catalogue.identity}"
        with self._search_lock:
            if self._search is None or self._search.folder != folder:
                for other in self.catalogue.folder.glob("search-*"):
                    if other != folder and other.is_dir():
                        shutil.rmtree(other, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._search = SearchIndex(folder)
            return self._search

    def page(self, listing: Listing, words: str | None = None) -> FoundPage:
        """One page of the list; with `words` of the sessions that hold them, with some hits of each.

        Raises:
            BadRequest: there is no word in `words`.
        """
        if words is None:
            page, progress = self.page_of(listing)
            return FoundPage(page, None, progress)
        search, searched = self.search_index(), self.searched()
        page, progress = self.page_of(listing, search.matching(words))
        hits = search.hits(words, page.numbers)
        return FoundPage(page, [hits.get(number, []) for number in page.numbers], progress, searched)

    def searched(self) -> tuple[int, int]:
        """How many sessions can be searched, and how many there are that will be."""
        search, total = self.search_index(), self.catalogue.count_indexable()
        return (min(search.count(), total) if search.available else total), total

    def page_of(self, listing: Listing, numbers: Collection[int] | None = None) -> tuple[Page, Progress]:
        """One page of the list, with `numbers` only of the sessions that the catalogue knows by these."""
        if not self.catalogue.is_large:
            self.catalogue.refresh(older_than=FRESH_SECONDS)
        progress = self.catalogue.progress
        return self.catalogue.page(listing, numbers), progress

    def children(self, scroll_id: UUID | str) -> list[Session]:
        """The sessions that a session started, the oldest first."""
        return self.catalogue.children(scroll_id)

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """What there is to choose the list by: `Catalogue.facets`."""
        return self.catalogue.facets()

    def unrecognised(self) -> list[Unrecognised]:
        """The files that hold no session that anybody could read."""
        return self.catalogue.unrecognised()

    def hits(self, scroll_id: UUID | str, words: str, limit: int) -> FoundInSession:
        """The first hits in one session.

        Raises:
            SessionNotFound: there is no such session.
            BadRequest: there is no word in `words`.
        """
        entry = self.catalogue.entry(scroll_id)
        complete = self.is_searchable(entry)  # asked first: the hits may be of before a change in between
        return FoundInSession(self.search_index().session_hits(words, entry.number, limit), complete)

    def is_searchable(self, entry: CatalogueEntry) -> bool:
        """Whether a search finds all of a session, as the catalogue knows it, that it will ever find."""
        search = self.search_index()
        if not search.available or entry.session.error is not None:
            return True
        state = search.state(entry.number)
        return state is not None and state.key == entry.fingerprint

    # ------------------------------------------------------------------------------------------------------ opening

    async def open_index(self, scroll_id: UUID | str, *, meta: bool = False) -> SessionIndex:
        """The session's index as its files are now; still growing where it is made for the first time.

        Raises:
            SessionNotFound: there is no such session.
            ArchiveError: it is broken, or cannot be read.
        """
        # One thread a session at a time: where the disk of one hangs, those of all others are to be had.
        key = (id(asyncio.get_running_loop()), str(scroll_id), meta)
        gate = self._gates.setdefault(key, asyncio.Lock())
        async with gate:
            return await asyncio.to_thread(self._open_index, scroll_id, meta)

    def read_whole(self, scroll_id: UUID | str, *, meta: bool = False) -> SessionIndex:
        """The same for a thread without an event loop: waits until the session was read to its end. Blocks."""

        async def read() -> SessionIndex:
            index = await self.open_index(scroll_id, meta=meta)
            index.check()
            await index.finish()
            return index

        return asyncio.run(read())

    def _open_index(self, scroll_id: UUID | str, meta: bool) -> SessionIndex:
        entry = self._find(scroll_id)
        key = (entry.source.scroll_id, meta)
        with self._lock(key):
            fingerprint = Fingerprint.of(entry.source)
            opened = self._opened.get(key)
            if opened and self._is_current(key, opened, fingerprint):
                with self._opened_lock:
                    if key in self._opened:
                        self._opened.move_to_end(key)
                return opened.index
            session = self.catalogue.update(entry.source).session
            if session.error is not None:
                raise ArchiveError(session.error)
            opened = self._open(entry.source, session, fingerprint, opened, meta=meta)
            self._keep(key, opened)
            return opened.index

    def _lock(self, key: _Key) -> threading.RLock:
        return self._locks.setdefault(key, threading.RLock())

    def _find(self, scroll_id: UUID | str) -> CatalogueEntry:
        try:
            return self.catalogue.entry(scroll_id)
        except SessionNotFound:
            self.catalogue.refresh(older_than=0)  # it may have come since; nobody waits for all of a large archive
            return self.catalogue.entry(scroll_id)

    def _is_current(self, key: _Key, opened: _Opened, fingerprint: Fingerprint) -> bool:
        """Whether an open index is of the files as they are now, if need be after it has grown."""
        index, builder = opened.index, opened.builder
        if index.failure is not None or index.superseded:
            return False
        if opened.fingerprint == fingerprint:
            return True
        grows_by_lines = opened.source.reader.grows_by_lines(opened.source)
        if not index.complete and not grows_by_lines:
            # The next state can be held only against one that nothing is added to any more.
            index.wait(opened.opened_at + PATIENCE_SECONDS - time.monotonic())
            return not index.complete and index.failure is None
        if fingerprint.lacks_any_of(opened.fingerprint):
            return False
        if not index.complete:
            return True  # what is appended while it is being read is read too
        session = self.catalogue.update(opened.source).session
        if not builder.can_grow or not _is_written_alike(index.session, session):
            return False
        # A session that nobody follows is taken as it lies there, as if it were read for the first time.
        is_followed = key in self._followed
        rest = fingerprint.age() if is_followed else LINE_REST_SECONDS
        builder.grow(rest, spare_bytes=OPENED_CHECK_BYTES, patience=PATIENCE_SECONDS)
        if not builder.can_grow or (not is_followed and builder.holds_back()):
            return False
        opened.fingerprint, builder.index.session = fingerprint, session
        self._learn(opened.source, fingerprint, builder.index)
        return True

    def _open(
        self, source: SessionSource, session: Session, fingerprint: Fingerprint, before: _Opened | None, *, meta: bool
    ) -> _Opened:
        known = load_index(session, fingerprint, self._cache, meta=meta)
        if known is not None:
            self._learn(source, fingerprint, known)
        earlier: list[SessionIndex] = []
        if known is None:
            earlier += [] if before is None else before.shown
            older = load_older(session, fingerprint, self._cache, meta=meta)  # another process may have come further
            earlier += [] if older is None else [older]
        builder = IndexBuilder(source, session, fingerprint, self._cache, meta=meta, earlier=earlier, finished=known)
        opened = _Opened(source, fingerprint, builder, earlier)
        if known is None:
            self._start(opened, builder.run)
        return opened

    def _keep(self, key: _Key, opened: _Opened) -> None:
        with self._opened_lock:
            before = self._opened.get(key)
            self._opened[key] = opened
            self._opened.move_to_end(key)
            self._let_go()
        if before is not None and before is not opened:
            before.builder.close()
            before.index.supersede()  # whoever follows it comes along

    def _let_go(self) -> None:
        """Close what was not asked for in a long time. To be called with `_opened_lock`."""
        idle = [opened for key, opened in self._opened.items() if key not in self._followed]
        for opened in idle[:-KEPT_GROWING]:
            if opened.index.complete:
                opened.builder.close()
        for key in list(self._opened)[: -KEPT_INDEXES or None]:
            if key not in self._followed:
                self._opened.pop(key).builder.close()

    def _start(self, opened: _Opened, read: Callable[[], None]) -> None:
        """Read a session, or read it again, in a thread."""
        builder = opened.builder
        opened.is_read = True
        self._builders.add(builder)

        def run() -> None:
            started = time.monotonic()
            try:
                read()
                if opened.index.complete:
                    self._learn(opened.source, opened.fingerprint, opened.index)
                    builder.grow()  # what came while it was being read
                if opened.fingerprint.age() > FORGET_SECONDS and _key_of(opened) not in self._followed:
                    builder.close()
            finally:
                opened.anew_at = time.monotonic() + max(ANEW_SECONDS, 3 * (time.monotonic() - started))
                opened.is_read = False
                self._builders.discard(builder)

        try:
            self._threads.submit(run)
        except RuntimeError:
            self._builders.discard(builder)
            opened.is_read = False
            raise ArchiveError("the server is stopping") from None

    def _learn(self, source: SessionSource, fingerprint: Fingerprint, index: SessionIndex) -> None:
        if not index.meta:
            self.catalogue.learn(source.scroll_id, fingerprint.key, index.count, index.duration_ms)

    # ---------------------------------------------------------------------------------------------------- rewriting

    async def was_rewritten(self, index: SessionIndex) -> bool:
        """Whether the session that an index was made of now holds other events than it did; growth is no such thing."""
        key = (index.session.scroll_id, index.meta)
        opened = self._opened.get(key)
        if opened is not None and opened.index is not index and opened.index.failure is None:
            return opened.index.epoch != index.epoch
        return await asyncio.to_thread(self._is_rewritten, key, index)

    def _is_rewritten(self, key: _Key, index: SessionIndex) -> bool:
        try:
            source = self.catalogue.entry(key[0]).source
            with self._lock(key):
                opened = self._opened.get(key)
                is_it = opened is not None and opened.index is index
                if opened and is_it and self._is_current(key, opened, Fingerprint.of(source)):
                    return False
                if opened and is_it and not index.superseded and time.monotonic() < opened.anew_at:
                    return False  # asked again soon
                return self._newest_epoch(source, index) != index.epoch
        except (ArchiveError, SessionNotFound):
            return False  # it is gone; what was read of it can still be played

    def _newest_epoch(self, source: SessionSource, index: SessionIndex) -> str:
        try:
            return self._open_index(source.scroll_id, index.meta).epoch
        except ArchiveError:  # it is broken by now, which may be its being written
            if not source.reader.grows_by_lines(source):
                raise
            return epoch_of(source, self._cache, meta=index.meta)

    # ---------------------------------------------------------------------------------------------------- following

    def follow(self, scroll_id: UUID | str, *, meta: bool = False) -> None:
        """Let the session's index grow as its files do, until `unfollow`.

        Every session that is followed shares one watcher. Blocks, at its first use for as long as it takes to ask the
        system for notifications.

        Raises:
            SessionNotFound: there is no such session.
        """
        key = (self._find(scroll_id).source.scroll_id, meta)
        self.watch()
        self._count_follower(key, 1)

    def unfollow(self, scroll_id: UUID | str, *, meta: bool = False) -> None:
        """Take one `follow` back."""
        self._count_follower((scroll_id if isinstance(scroll_id, UUID) else UUID(scroll_id), meta), -1)

    def _count_follower(self, key: _Key, change: int) -> None:
        with self._opened_lock:
            self._followed[key] = self._followed.get(key, 0) + change
            if self._followed[key]:
                return
            del self._followed[key]
            opened = self._opened.get(key)
        if opened and opened.index.complete and (opened.noted or opened.fingerprint).age() > FORGET_SECONDS:
            opened.builder.close()

    @asynccontextmanager
    async def following(self, scroll_id: UUID | str, *, meta: bool = False) -> AsyncIterator[None]:
        """`follow` as long as the block lasts; cancelling it leaves nothing behind. Raises as that."""
        begun = asyncio.ensure_future(asyncio.to_thread(self.follow, scroll_id, meta=meta))
        try:
            await asyncio.shield(begun)
        except asyncio.CancelledError:
            begun.add_done_callback(lambda done: self._take_back(done, scroll_id, meta))
            raise
        try:
            yield
        finally:
            self.unfollow(scroll_id, meta=meta)

    def _take_back(self, begun: asyncio.Future[None], scroll_id: UUID | str, meta: bool) -> None:
        if not begun.cancelled() and begun.exception() is None:
            self.unfollow(scroll_id, meta=meta)

    async def let_grow(self, index: SessionIndex) -> None:
        """Begin to read on where an index that is followed ends; returns as soon as that is on its way."""
        await asyncio.to_thread(self._let_grow, (index.session.scroll_id, index.meta))

    def _let_grow(self, key: _Key) -> None:
        with self._lock(key):
            opened = self._opened.get(key)
            if opened is None or not opened.index.complete:
                return
            if opened.fingerprint.age() >= RECORD_REST_SECONDS:
                opened.index.show_all()
            if opened.builder.can_grow:
                opened.builder.grow()
            else:
                self._catch_up(opened)

    def _catch_up(self, opened: _Opened) -> None:
        """Read a session again, so that it can grow, unless that is on its way or of no use."""
        is_whole = opened.builder.is_whole or not opened.source.reader.grows_by_lines(opened.source)
        if not opened.is_read and not is_whole:
            self._start(opened, opened.builder.catch_up)

    def watch(self) -> None:
        """Begin to be told of changed files, if that was not begun yet."""
        with self._watcher_lock:
            if self._closed:
                raise ArchiveError("the server is stopping")
            if self._watcher is None:
                self._watcher = Watcher(self._paths, self.note_changes, self.note_rest)
                self._watcher.start()

    def _followed_files(self) -> set[str]:
        return {path for opened in self._followed_ones() for path in opened.paths}

    def _growing(self, scroll_id: UUID) -> SessionIndex | None:
        """The index of a session that is read on as it grows."""
        opened = self._opened.get((scroll_id, False))
        if opened is None or not opened.index.complete or opened.index.superseded or not opened.builder.can_grow:
            return None
        return opened.index

    def _tidy(self) -> None:
        """Keep the cache within its bound, and watch places that have come since."""
        self.prune_cache()
        with self._watcher_lock:
            watcher = self._watcher
            if self._closed or watcher is None or watcher.covers(self._paths):
                return
            self._watcher = None
        watcher.stop()
        self.watch()

    def note_changes(self, paths: Collection[Path]) -> None:
        """Read on in the sessions that are followed and to whose files these paths belong. Blocks."""
        if self._upkeep:
            self._upkeep.note_changes(paths)
        names = {str(place) for path in paths for place in (path, *path.parents[:_DEEPEST_FILE])}
        for opened in self._followed_ones():
            if not names.isdisjoint(opened.paths):
                self._advance(opened)

    def _followed_ones(self) -> list[_Opened]:
        with self._opened_lock:
            return [self._opened[key] for key in self._followed if key in self._opened]

    def _advance(self, opened: _Opened) -> None:
        index, builder = opened.index, opened.builder
        opened.changed_at, opened.rested, opened.stale = time.monotonic(), 0.0, False
        if not index.complete or index.superseded:
            opened.stale = True  # looked at again when that is done
        elif builder.can_grow:
            opened.stale = not builder.grow()  # whoever reads right now may have passed what is new
        elif opened.is_read or time.monotonic() < opened.anew_at:
            opened.stale = True
        elif builder.is_whole or not opened.source.reader.grows_by_lines(opened.source):
            now = Fingerprint.of(opened.source)
            opened.stale = now.lacks_any_of(opened.fingerprint)  # one that is gone may be about to be replaced
            if now != opened.fingerprint and not opened.stale:
                index.supersede()
        else:
            self._catch_up(opened)

    def note_rest(self) -> None:
        """Look after the sessions that are followed, whether or not anything was told of them. Blocks."""
        for opened in self._followed_ones():
            now = Fingerprint.of(opened.source)
            # Also where no notification comes: a folder that was made anew, a link, a disk of another machine.
            if opened.stale or now != (opened.noted or opened.fingerprint):
                self._advance(opened)
            opened.noted = now
            rest = time.monotonic() - opened.changed_at
            reached = max((step for step in (LINE_REST_SECONDS, RECORD_REST_SECONDS) if step <= rest), default=0.0)
            if reached > opened.rested and opened.builder.grow(reached):
                opened.rested = reached


def _key_of(opened: _Opened) -> _Key:
    return opened.source.scroll_id, opened.index.meta


def _is_written_alike(one: Session, other: Session) -> bool:
    """Whether what goes into the events of a session from its facts is the same in two states of it."""
    if other.error is not None or one.timing != other.timing or one.created_at != other.created_at:
        return False
    return (one.connector_uid, one.native_session_id) == (other.connector_uid, other.native_session_id)
