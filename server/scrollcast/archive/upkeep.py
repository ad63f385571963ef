"""What a server does behind its viewers: it finds sessions, makes them searchable and keeps copies, in one thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID

from scrollcast.archive.catalogue import FIRST_SCAN_SECONDS, Catalogue, Indexable
from scrollcast.archive.database import FileLock
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.indexing import jobs_for, read_reply, texts_of
from scrollcast.archive.kept import Keeper
from scrollcast.archive.search import SearchIndex
from scrollcast.archive.workers import MAX_WORKERS, Workers, WorkersEnded
from scrollcast.errors import ArchiveError, SessionNotFound

__all__ = ["Upkeep"]

GATHER_SECONDS: Final = 0.5
"""Changes are gathered for so long before the catalogue looks at them: an agent writes many lines a second."""

LOOK_REST_SECONDS: Final = 2.0
LOOK_AGAIN_SECONDS: Final = 10.0
"""A file that was looked at is looked at again when it has been left alone for so long, or after so long in any case:
what a look costs does not depend on how little was added."""

FOLLOWED_REST_SECONDS: Final = 30.0
FOLLOWED_AGAIN_SECONDS: Final = 45.0
"""The same for the file of a session that somebody follows: who watches it has what is new already."""

REST_SECONDS: Final = 10.0
"""A session that grows is made searchable when nothing was added to it for so long."""

LATEST_SECONDS: Final = 60.0
"""However much is added to it, it is made searchable again after so long."""

READ_BYTES_A_SECOND: Final = 20e6
"""About how fast a session is read whole for that, where nobody follows it."""

REST_FACTOR, LATEST_FACTOR = 5, 20
"""A large session rests for so many times as long as reading it takes, and is read again after so many times as long at
the earliest while it grows."""

SAFETY_SECONDS: Final = 600.0
"""How often everything is looked through again, should the system have told less than there was."""

RETRY_SECONDS: Final = 10.0
"""The same when something came between, such as another server that is at it."""

JUST_NOW_SECONDS: Final = 5.0

FEW: Final = 32
"""So many sessions do not need a second helper."""

log = logging.getLogger(__name__)


class Upkeep:
    """Works in a thread of its own from `start` to `stop`.

    `search` gives the search index for the catalogue as it is. `found` is called when everything was looked through for
    the first time, and `tidy` whenever that was done. `growing` gives the index of a session that grows as its file
    does, so that what is new in it need not be read again, and `followed_files` the files of sessions that somebody
    follows.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        search: Callable[[], SearchIndex],
        keeper: Keeper | None,
        found: Callable[[], None],
        tidy: Callable[[], None],
        growing: Callable[[UUID], SessionIndex | None],
        followed_files: Callable[[], Collection[str]],
    ) -> None:
        self._catalogue = catalogue
        self._search = search
        self._keeper = keeper
        self._keeping = FileLock(catalogue.folder / "keeping.lock")
        self._found = found
        self._tidy = tidy
        self._growing = growing
        self._followed_files = followed_files
        self._changed: set[Path] = set()
        self._changed_at: dict[Path, float] = {}  # files that wait to be looked at
        self._looked_at: dict[Path, float] = {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._workers: Workers | None = None
        self._has_left_some = False  # whether the last look ended before everything could be searched
        # When a session that changed is to be made searchable, and since when it has been waiting for that.
        self._due: dict[UUID, tuple[float, float]] = {}
        self._thread = threading.Thread(target=self._run, name="scrollcast-upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait until it has."""
        self._stopping.set()
        self._wake.set()
        self._catalogue.stop()
        if self._workers is not None:
            self._workers.close()
        if self._thread.is_alive():
            self._thread.join()
        with self._keeping:
            pass  # another server may keep sessions now

    @property
    def is_running(self) -> bool:
        """Whether its thread is there."""
        return self._thread.is_alive()

    def note_changes(self, paths: Collection[Path]) -> None:
        """Say that these files changed. Returns at once."""
        self._changed.update(paths)
        self._wake.set()

    # ------------------------------------------------------------------------------------------------------ the thread

    def _run(self) -> None:
        # What another process does not list yet may be missing here, but not be said to be.
        self._carefully(lambda: self._catalogue.refresh(patience=FIRST_SCAN_SECONDS))
        self._found()
        next_look = -math.inf
        while not self._stopping.is_set():
            if time.monotonic() >= next_look:
                self._has_left_some = True
                self._carefully(self._look_through)
                next_look = time.monotonic() + (RETRY_SECONDS if self._has_left_some else SAFETY_SECONDS)
            self._carefully(self._look_at_changes)
            self._carefully(self._index_due)
            wait = min([next_look, *(due for due, _ in self._due.values())]) - time.monotonic()
            if self._changed_at:
                wait = min(wait, LOOK_REST_SECONDS)
            self._wake.wait(max(GATHER_SECONDS, wait))
            self._stopping.wait(GATHER_SECONDS)
            self._wake.clear()

    def _carefully(self, work: Callable[[], None]) -> None:
        try:
            if not self._stopping.is_set():
                work()
        except WorkersEnded:
            pass
        except ArchiveError as problem:
            log.error("%s", problem)
        except Exception as problem:  # whoever watches must not lose the upkeep for one bad file
            if not self._stopping.is_set():
                log.error("upkeep: %r", problem)
                log.debug("in full", exc_info=problem)

    def _look_through(self) -> None:
        """Find everything, keep what is to be kept, and make searchable what is not."""
        self._catalogue.refresh(older_than=JUST_NOW_SECONDS)
        self._tidy()
        if self._keeper is not None and self._keeping.acquire():  # otherwise another server keeps them
            for session in self._catalogue.indexable():
                self._keep_one(self._keeper, session.source)
                self._carefully(self._look_at_changes)
        self._index(self._left_behind())
        self._has_left_some = bool(self._left_behind())

    def _look_at_changes(self) -> None:
        if self._keeper is not None:
            self._keeper.catch_up()
        now = time.monotonic()
        for _ in range(len(self._changed)):
            self._changed_at[self._changed.pop()] = now
        followed = self._followed_files()
        paths = {
            path
            for path, changed in self._changed_at.items()
            if self._may_be_looked_at(path, changed, now, followed=str(path) in followed)
        }
        if not paths and not self._due:
            return
        for path in paths:
            del self._changed_at[path]
            self._looked_at[path] = now
        touched = self._catalogue.note_changes(paths)
        self._keep(touched)
        for scroll_id in touched:
            self._plan(scroll_id, now)
        self._looked_at = {path: at for path, at in self._looked_at.items() if now - at < FOLLOWED_AGAIN_SECONDS + 1}

    def _may_be_looked_at(self, path: Path, changed: float, now: float, *, followed: bool) -> bool:
        rest, again = LOOK_REST_SECONDS, LOOK_AGAIN_SECONDS
        looked = self._looked_at.get(path)
        if followed:
            rest, again = FOLLOWED_REST_SECONDS, FOLLOWED_AGAIN_SECONDS
            looked = self._looked_at.setdefault(path, now) if looked is None else looked
        return looked is None or now - looked >= again or now - changed >= rest

    def _plan(self, scroll_id: UUID, now: float) -> None:
        """Say when a session that changed is to be made searchable."""
        rest, latest = REST_SECONDS, LATEST_SECONDS
        if self._growing(scroll_id) is None:
            with suppress(SessionNotFound, OSError):
                seconds = self._catalogue.entry(scroll_id).source.path.stat().st_size / READ_BYTES_A_SECOND
                rest, latest = max(rest, REST_FACTOR * seconds), max(latest, LATEST_FACTOR * seconds)
        _, since = self._due.get(scroll_id, (0.0, now))
        self._due[scroll_id] = (min(now + rest, since + latest), since)

    def _keep(self, scroll_ids: Iterable[UUID]) -> None:
        if self._keeper is None or not self._keeping.acquire():
            return
        for scroll_id in scroll_ids:
            with suppress(SessionNotFound):
                self._keep_one(self._keeper, self._catalogue.entry(scroll_id).source)

    def _keep_one(self, keeper: Keeper, source: SessionSource) -> None:
        try:
            keeper.keep(source)
        except ArchiveError as problem:  # the others are to be kept all the same
            log.warning("%s could not be kept: %s", source.path, problem)

    # ------------------------------------------------------------------------------------------------------- search

    def _behind(self) -> list[Indexable]:
        """The sessions that cannot be searched as they are, the newest first."""
        states = self._search().states()
        return [
            session
            for session in self._catalogue.indexable()
            if session.number not in states or states[session.number].key != session.key
        ]

    def _left_behind(self) -> list[Indexable]:
        """Those of them that do not wait for their time."""
        return [session for session in self._behind() if session.source.scroll_id not in self._due]

    def _index_due(self) -> None:
        now = time.monotonic()
        due = {scroll_id for scroll_id, (when, _) in self._due.items() if when <= now}
        if due:
            behind = [session for session in self._behind() if session.source.scroll_id in due]
            self._index([session for session in behind if not self._extend(session)])
            for scroll_id in due:
                del self._due[scroll_id]

    def _extend(self, session: Indexable) -> bool:
        """Make what is new in a session that is followed searchable. Whether that could be done."""
        search, index = self._search(), self._growing(session.source.scroll_id)
        state = search.state(session.number)
        if index is None or state is None or not state.key:
            return False
        search.extend(session.number, session.key, "", texts_of(index, state.count))
        return True

    def _index(self, behind: list[Indexable]) -> None:
        search = self._search()
        if not behind or not search.available:
            return
        with FileLock(self._catalogue.folder / "indexing.lock") as lock:
            if not lock.acquire():  # another server is at it; what it leaves is found by the next look
                return
            with Workers(1 if len(behind) <= FEW else MAX_WORKERS) as self._workers:
                for _, reply in self._workers.run(jobs_for(search.folder, behind)):
                    self._catalogue.learn_all(read_reply(reply))
                    self._carefully(self._look_at_changes)
                    if self._stopping.is_set():
                        return
