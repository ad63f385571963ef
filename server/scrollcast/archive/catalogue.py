"""Which sessions exist under some paths, and what is known of each without playing it.

It is kept in a database in the cache folder, so that the next start opens no file that did not change. Everything in
it can be found out again; whatever is wrong with it, it is made anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

import orjson

from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.catalogue_tables import (
    SCHEMA,
    Stored,
    Writer,
    catalogue_version,
    exact_figures,
    note,
    noted,
    stored_stamp,
)
from scrollcast.archive.database import Database, FileLock, Rebuilt
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.listing import Listing, Page, select_page
from scrollcast.archive.rows import GONE, SESSION_COLUMNS, from_bytes, live_span, session_of, to_bytes
from scrollcast.archive.scanner import (
    Finding,
    Outcome,
    decode_candidate,
    decode_finding,
    encode_candidate,
    is_companion,
    look,
    summarise,
)
from scrollcast.archive.walk import Candidate, find, walk
from scrollcast.archive.workers import Workers, WorkersEnded
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import Session

__all__ = [
    "FIRST_SCAN_SECONDS",
    "Catalogue",
    "CatalogueEntry",
    "Figures",
    "Indexable",
    "Progress",
    "Unrecognised",
    "scroll_id_of",
]

MAX_FACETS: Final = 200
"""So many agents, projects and models are told; there is no use in choosing among more."""

FRESH_SECONDS: Final = 1.0
"""A listing younger than this is taken as it is, so that many requests at once cost one walk."""

SMALL_SCAN_SECONDS: Final = 0.05
"""What can be looked through within this time is, whenever somebody lists it: no change is too new to be seen then."""

PATIENCE_SECONDS: Final = 0.5
"""How long one to whom a listing may be of any age waits for the one that is being made: a small one is soon there."""

FIRST_SCAN_SECONDS: Final = 30.0
"""How long one who knows nothing yet, or has to know all, waits for what another process is finding out."""

REBUILD_SECONDS: Final = 2.0
"""How long one who found the catalogue damaged waits for a new one, before taking what is known by then."""

FEW_FILES: Final = 200
"""So many files are looked into within a few tenths of a second, which is not worth starting a process."""

JOB_FILES: Final = 64
"""Files that a helper process looks into at once: some 0.1 s, so that what is found is soon listed."""

BATCH_SESSIONS: Final = 200
BATCH_SECONDS: Final = 0.2
"""What was found is written at the first of these, so that a kill loses little."""

AGAIN_DAMAGED: Final = "the catalogue is damaged again as soon as it is made"

SLOW_LOOK_SECONDS: Final = 0.05
REST_LOOKS: Final = 20
"""A file that takes this long to look into, such as a database with hundreds of sessions, then rests for so many times
as long when it keeps changing, so that it takes a twentieth of a core at most."""

_Known: TypeAlias = Mapping[bytes, "_Kept"]
_T = TypeVar("_T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One session: where it lies, what is known of it, and what that was read from.

    `number` identifies it in this catalogue (`Catalogue.identity`), for good. `fingerprint` is the key of the
    `Fingerprint` of its files as they were when they were summarised.
    """

    number: int
    source: SessionSource
    session: Session
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What was learnt by reading a session whole, as its files were when they had the key `key`."""

    scroll_id: UUID
    key: str
    count: int
    duration_ms: int
    has_errors: bool


@dataclass(frozen=True, slots=True)
class Indexable:
    """A session that can be made searchable: its number, the key of its files as they were summarised, their bytes."""

    number: int
    key: str
    source: SessionSource
    size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a refresh is: the files that were looked at, of all there are. `complete` when it is done."""

    looked_at: int = 0
    total: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A file that no reader knows or can read: `why` is a sentence, `row_types` are what its rows call themselves."""

    path: Path
    size: int
    why: str
    row_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of a file that was looked into. The stamp of one that could not be read equals no other."""

    stamp: tuple[int, int, int]
    companion: bool


class _Stopped(Exception):
    """The catalogue was closed in the middle of a scan."""


class Catalogue:
    """The sessions under some paths. Its methods may block, and are safe to call from several threads.

    Several catalogues of the same paths and cache, in whichever processes, share one database; one at a time scans.
    Every method may raise `ArchiveError` where the database can be neither read nor made anew.

    Paths are in order of preference: of two files with the same session in different ones, the first one's is listed.
    With `optional` a path may be missing. Without a `cache` it is a temporary folder that goes with the catalogue.
    """

    def __init__(self, paths: Sequence[Path], cache: Path | None = None, *, optional: bool = False) -> None:
        # A path that was named is meant, even where it is a link; only what lies below it is confined.
        self._paths = tuple(dict.fromkeys(path.resolve() for path in paths))
        self._roots = tuple(path.parent if path.is_file() else path for path in self._paths)
        self._optional = optional
        if cache is None:
            cache = Path(tempfile.mkdtemp(prefix="scrollcast-"))
            weakref.finalize(self, shutil.rmtree, cache, ignore_errors=True)
        self._skipped = frozenset((str(cache.resolve()),))
        self.folder = cache / f"catalogue-{_name_of(self._paths)}"
        """Where the database lies, and whatever else is made of just these paths."""
        self._database = Database(self.folder / "catalogue.db", catalogue_version(), SCHEMA)
        self._scanning = threading.Lock()
        self._stopped = threading.Event()
        self._workers: Workers | None = None
        self._filling: threading.Thread | None = None
        self._own_progress: Progress | None = None
        self._refreshed = -FRESH_SECONDS
        self.is_large = False
        """Whether looking through it takes so long that it is not done anew for each listing."""
        self._announced: dict[UUID, str] = {}
        self._resting: dict[str, float] = {}
        self._postponed: set[Path] = set()

    def stop(self) -> None:
        """Have a scan that runs, or waits for another process's, stop soon, and none begin. Returns at once."""
        self._stopped.set()
        if self._workers is not None:
            self._workers.close()

    def close(self) -> None:
        """Stop a scan that runs, and hold nothing open. What is known can still be asked for."""
        self.stop()
        with self._scanning:  # a scan looks at `_stopped` after each file
            self._database.close()
        if self._filling is not None:
            self._filling.join()

    # --------------------------------------------------------------------------------------------------- what is known

    @property
    def identity(self) -> str:
        """A name for this database: another one once it was made anew, and with it the numbers of the sessions."""
        return str(self._read(lambda connection: noted(connection, "identity")))

    @property
    def progress(self) -> Progress:
        """Of the refresh that runs or ran last, in whichever process."""
        return self._own_progress or self._read(_noted_progress)

    @property
    def count(self) -> int:
        """How many sessions there are, broken and gone ones included."""
        return self._read(lambda connection: int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0]))

    def sessions(self) -> list[Session]:
        """Every session, broken and gone ones included, in no order."""
        return self._read(lambda connection: _select(connection, "", ()))

    def children(self, scroll_id: UUID | str) -> list[Session]:
        """The sessions that a session started, the oldest first."""
        key = scroll_id_of(scroll_id)
        where = "INDEXED BY sessions_by_parent WHERE parent = ? ORDER BY created_at, scroll_id"
        return [] if key is None else self._read(lambda connection: _select(connection, where, (key.bytes,)))

    def entry(self, scroll_id: UUID | str) -> CatalogueEntry:
        """One session's entry.

        Raises:
            SessionNotFound: there is none of this id, or it is no UUID.
        """
        key = scroll_id_of(scroll_id)
        found = None if key is None else self._read(lambda connection: self._entry(connection, key))
        if found is None:
            raise SessionNotFound(scroll_id)
        return found

    def page(self, listing: Listing, matching: Collection[int] | None = None) -> Page:
        """One page of a list; with `matching` only of the sessions of these numbers."""
        return self._read(lambda connection: select_page(connection, listing, matching))

    def unrecognised(self) -> list[Unrecognised]:
        """The files that were looked into and hold no session that anybody could read, by their names."""
        query = "SELECT path, size, why, types FROM files INDEXED BY files_told WHERE told = 1 ORDER BY path"

        def select(connection: sqlite3.Connection) -> list[Unrecognised]:
            rows = connection.execute(query).fetchall()
            return [Unrecognised(from_bytes(path), size, why, tuple(orjson.loads(t))) for path, size, why, t in rows]

        return self._read(select)

    def count_indexable(self) -> int:
        """How many of them there are."""
        query = "SELECT count(*) FROM sessions WHERE gone = 0 AND error IS NULL"
        return self._read(lambda connection: int(connection.execute(query).fetchone()[0]))

    def indexable(self) -> list[Indexable]:
        """Every session that is there and can be read, the newest first."""
        query = f"""SELECT {Stored.COLUMNS}, scroll_id, (SELECT size FROM files WHERE files.path = sessions.file)
            FROM sessions WHERE gone = 0 AND error IS NULL ORDER BY updated_at DESC"""

        def select(connection: sqlite3.Connection) -> list[Indexable]:
            found = []
            for *row, scroll_id, size in connection.execute(query):
                stored = Stored(*row)
                source = stored.source(UUID(bytes=scroll_id), self._roots)
                found.append(Indexable(stored.number, stored.fingerprint, source, size or 0))
            return found

        return self._read(select)

    def facets(self, limit: int = MAX_FACETS) -> dict[str, list[tuple[str, int]]]:
        """For agents, projects and models how many sessions there are of each, the most frequent first."""

        def select(connection: sqlite3.Connection) -> dict[str, list[tuple[str, int]]]:
            return {
                f"{name}s": connection.execute(
                    f"SELECT (SELECT text FROM names WHERE id = {name}), count(*) AS many FROM sessions"
                    f" INDEXED BY sessions_by_{name} WHERE {name} IS NOT NULL"
                    f" GROUP BY {name} ORDER BY many DESC LIMIT ?",
                    (limit,),
                ).fetchall()
                for name in ("agent", "project", "model")
            }

        return self._read(select)

    def sessions_of(self, path: Path) -> list[UUID]:
        """The sessions that a file, or a file in a session's folder, belongs to."""
        return self._read(lambda connection: sorted({**_owners(connection, path), **_neighbours(connection, path)}))

    def _entry(self, connection: sqlite3.Connection, scroll_id: UUID) -> CatalogueEntry | None:
        query = f"SELECT {Stored.COLUMNS}, {SESSION_COLUMNS} FROM sessions WHERE scroll_id = ?"
        row = connection.execute(query, (scroll_id.bytes,)).fetchone()
        if row is None:
            return None
        size = Stored.COLUMNS.count(",") + 1
        stored, session = Stored(*row[:size]), session_of(row[size:])
        return CatalogueEntry(stored.number, stored.source(scroll_id, self._roots), session, stored.fingerprint)

    # ------------------------------------------------------------------------------------------------- what is learnt

    def update(self, source: SessionSource) -> CatalogueEntry:
        """The entry of one session as its files are now."""
        known = self._read(lambda connection: self._entry(connection, source.scroll_id))
        fingerprint = Fingerprint.of(source).key
        if known and known.source == source and known.fingerprint == fingerprint and known.session.error is None:
            return known

        def put(connection: sqlite3.Connection) -> CatalogueEntry | None:
            writer = Writer(connection, self._roots)
            stored = writer.stored(source.scroll_id)
            file = from_bytes(stored.file) if stored and stored.is_of(source) else source.path
            if file.exists():
                writer.put_summary(summarise(source, str(file)), to_bytes(file))
            elif stored and stored.is_of(source):
                writer.mark_gone(source.scroll_id)
            return self._entry(connection, source.scroll_id)

        entry = self._write(put)
        return entry or CatalogueEntry(0, source, Session(source.scroll_id, source_gone=True, error=GONE), fingerprint)

    def learn_all(self, figures: Iterable[Figures]) -> None:
        """The same as `learn` for many sessions in one transaction."""

        def put(connection: sqlite3.Connection) -> None:
            writer = Writer(connection, self._roots)
            for known in figures:
                writer.learn(known.scroll_id, known.key, known.count, known.duration_ms, known.has_errors)

        self._write(put)

    def learn(
        self,
        scroll_id: UUID,
        fingerprint: str,
        count: int,
        duration_ms: int,
        has_errors: bool | None = None,
    ) -> None:
        """Take what an index of these files knows exactly in place of the estimate, for as long as they are so.

        `fingerprint` is the key of their `Fingerprint`. `has_errors` is `None` where the index does not say.
        """
        figures = (fingerprint, count, duration_ms, has_errors)
        if figures != self._read(lambda connection: exact_figures(connection, scroll_id)):
            self._write(lambda connection: Writer(connection, self._roots).learn(scroll_id, *figures))

    # ---------------------------------------------------------------------------------------------------- refreshing

    def refresh(self, *, older_than: float | None = None, patience: float = 0.0) -> None:
        """Look again what is there, unless that was done less than `older_than` seconds ago.

        Whoever names an age does not wait for long where that is being done already. Another process that is doing so
        is waited for `patience` seconds; what it has found by then is listed.

        Raises:
            ArchiveError: one of the paths does not exist; the others were looked at.
        """
        if not self._scanning.acquire(timeout=-1 if older_than is None else PATIENCE_SECONDS):
            return
        try:
            if older_than is not None and monotonic() - self._refreshed < older_than:
                return
            began = monotonic()
            self._refresh(patience)
            self._refreshed = monotonic()
            self.is_large = self._refreshed - began > SMALL_SCAN_SECONDS
        finally:
            self._scanning.release()
        missing = [str(path) for path in self._paths if not path.exists()]
        if missing and not self._optional:
            raise ArchiveError("a file or folder that is served is not there", ", ".join(missing))

    def _refresh(self, patience: float) -> None:
        with FileLock(self.folder / "scan.lock") as lock:
            if not lock.acquire(patience, self._stopped) and not (
                self._is_empty() and lock.acquire(FIRST_SCAN_SECONDS, self._stopped)
            ):
                return
            try:
                self._scan_fully()
            except _Stopped:
                log.debug("the look through the archive was stopped")
            finally:
                self._own_progress = None

    def _is_empty(self) -> bool:
        query = "SELECT NOT EXISTS (SELECT 1 FROM files)"
        try:
            return bool(self._database.read(lambda connection: connection.execute(query).fetchone()[0]))
        except Rebuilt:
            return True

    def _scan_fully(self) -> None:
        try:
            self._scan()
        except Rebuilt:
            try:
                self._scan()
            except Rebuilt as problem:
                raise ArchiveError(AGAIN_DAMAGED) from problem

    def _scan(self) -> None:
        """Make the tables what the disk is now. Whoever calls it has both locks."""
        known, before = self._database.read(lambda connection: (_kept(connection), _noted_progress(connection)))
        files = {to_bytes(found.path): found for found in self._walk()}
        vanished = frozenset(known.keys() - files.keys())
        changed = {file for file, found in files.items() if _is_new(known.get(file), found)}
        changed |= self._database.read(self._changed_beside) & files.keys()
        changed |= _other_companions(known, files)
        work = sorted((files[file] for file in changed), key=lambda found: (-found.stamp.mtime_ns, found.path))
        self._own_progress = Progress(len(files) - len(work), len(files))
        if work or vanished or before != Progress(len(files), len(files), complete=True):
            self._take(work, vanished, self._own_progress)

    def _walk(self) -> Iterator[Candidate]:
        for path, root in zip(self._paths, self._roots, strict=True):
            for found in walk(path, root, self._skipped):
                self._check()
                yield found

    def _changed_beside(self, connection: sqlite3.Connection) -> set[bytes]:
        """The files whose session has others too, one of which changed."""
        query = f"SELECT scroll_id, {Stored.COLUMNS} FROM sessions INDEXED BY sessions_of_many_files"
        rows = connection.execute(f"{query} WHERE single = 0 AND gone = 0")
        found = ((UUID(bytes=scroll_id), Stored(*columns)) for scroll_id, *columns in rows)
        return {stored.file for scroll_id, stored in found if self._has_changed(scroll_id, stored)}

    def _has_changed(self, scroll_id: UUID, stored: Stored) -> bool:
        return _key_of(stored.source(scroll_id, self._roots)) != stored.fingerprint

    def _take(self, work: Sequence[Candidate], vanished: Collection[bytes], progress: Progress) -> None:
        """Look into files and write what is found, in batches; at the end what is there no more."""
        done, total = progress.looked_at, progress.total
        with closing(self._look_into(work)) as findings:
            for batch in _batches(findings):
                done += len(batch)
                self._put(batch, vanished, Progress(done, total))
        self._put([], vanished, Progress(done, total, complete=True))

    def _look_into(self, work: Sequence[Candidate]) -> Generator[Finding, None, None]:
        """What these files hold; of many it is found out by helper processes, in about this order."""
        if len(work) > FEW_FILES:
            yield from self._look_with_help(work)
            return
        for candidate in work:
            self._check()
            yield look(candidate)

    def _look_with_help(self, work: Sequence[Candidate]) -> Iterator[Finding]:
        parts = (work[start : start + JOB_FILES] for start in range(0, len(work), JOB_FILES))
        jobs = ({"job": "look", "files": [encode_candidate(found) for found in part]} for part in parts)
        with Workers() as self._workers:
            self._check()
            try:
                for job, reply in self._workers.run(jobs):
                    for file, finding in zip(job["files"], reply["findings"], strict=True):
                        yield decode_finding(finding, decode_candidate(file))
                    self._check()
            except WorkersEnded:
                raise _Stopped from None
            finally:
                self._workers = None

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped

    def _put(self, findings: Sequence[Finding], vanished: Collection[bytes], progress: Progress) -> None:
        """Write what was found; at the end of a scan also what was not."""

        def put(connection: sqlite3.Connection) -> None:
            writer = Writer(connection, self._roots, vanished)
            for finding in findings:
                writer.put(finding)
            if progress.complete:
                for file in vanished:
                    writer.forget(file)
                writer.settle()
            note(connection, looked_at=progress.looked_at, total=progress.total, complete=progress.complete)

        self._database.write(put)
        self._own_progress = progress

    # ------------------------------------------------------------------------------------------------ single changes

    def note_changes(self, paths: Collection[Path]) -> list[UUID]:
        """Look again at these files and folders, which are new, changed or gone, and at nothing else.

        Gives the sessions whose summary is another one than when this last told of them, whoever noted it. A file that
        takes long and changes often is left for a later call, which may come without paths of its own.
        """
        files: dict[bytes, Candidate | None] = {}
        touched: set[UUID] = set()
        for path in dict.fromkeys((*self._take_postponed(), *paths)):
            root = self._root_above(path)
            if root is not None:
                owners, found = self._read(partial(self._affected, path=path, root=root))
                touched.update(owners)
                files.update(found)
        findings = [self._look_timed(found) for found in files.values() if found is not None and not self._rests(found)]
        gone = frozenset(file for file, found in files.items() if found is None)

        def put(connection: sqlite3.Connection) -> None:
            writer = Writer(connection, self._roots, gone)
            for finding in findings:
                writer.put(finding)
            for file in gone:
                writer.forget(file)
            writer.settle()
            touched.update(writer.changed)

        if findings or gone:
            self._write(put)
        return self._announce(touched) if touched else []

    def _root_above(self, path: Path) -> Path | None:
        above = (root for named, root in zip(self._paths, self._roots, strict=True) if path.is_relative_to(named))
        return next(above, None)

    def _affected(
        self, connection: sqlite3.Connection, *, path: Path, root: Path
    ) -> tuple[set[UUID], dict[bytes, Candidate | None]]:
        """The sessions that a file belongs to, and the files that have to be looked into because of it.

        `None` stands for a file that is gone.
        """
        own = to_bytes(path)
        owners = _owners(connection, path)
        files = {file: _seen(file, root) for file in (own, *owners.values())}
        known = {file: kept for file in files for kept in _kept(connection, "WHERE path = ?", file).values()}
        if not owners and own not in known:
            scope, candidates = find(path, root, self._skipped)
            known = dict(_kept_below(connection, scope))
            files = {**dict.fromkeys(known), **{to_bytes(found.path): found for found in candidates}}
        beside = _neighbours(connection, path)
        changed = {file for file in files if _is_new(known.get(file), files[file])}
        for scroll_id, file in (owners | beside).items():
            if self._has_changed_now(connection, scroll_id):
                changed.add(file)
        changed |= _unjoined(connection, owners)
        for file in [file for file in changed if (file in known) != (files.get(file) is not None)]:
            near = _kept_below(connection, from_bytes(file).parent)
            changed |= _other_companions(near, {file: None})
        found = {file: files[file] if file in files else _seen(file, root) for file in changed}
        return set(owners | beside), {file: seen for file, seen in found.items() if seen or file in known}

    def _has_changed_now(self, connection: sqlite3.Connection, scroll_id: UUID) -> bool:
        stored = Writer(connection, self._roots).stored(scroll_id)
        return stored is not None and not stored.gone and self._has_changed(scroll_id, stored)

    def _look_timed(self, candidate: Candidate) -> Finding:
        began = monotonic()
        finding = look(candidate)
        took = monotonic() - began
        if took >= SLOW_LOOK_SECONDS:
            self._resting[candidate.path] = monotonic() + took * REST_LOOKS
        return finding

    def _rests(self, candidate: Candidate) -> bool:
        """Whether a file is left for later."""
        if self._resting.get(candidate.path, 0.0) <= monotonic():
            self._resting.pop(candidate.path, None)
            return False
        self._postponed.add(Path(candidate.path))
        return True

    def _take_postponed(self) -> Collection[Path]:
        taken, self._postponed = self._postponed, set()
        return taken

    def _announce(self, touched: Collection[UUID]) -> list[UUID]:
        """Those of these sessions that are not as they were when this was last asked."""
        query = "SELECT fingerprint || gone FROM sessions WHERE scroll_id = ?"

        def states(connection: sqlite3.Connection) -> dict[UUID, str]:
            rows = {scroll_id: connection.execute(query, (scroll_id.bytes,)).fetchone() for scroll_id in touched}
            return {scroll_id: row[0] for scroll_id, row in rows.items() if row is not None}

        now = self._read(states)
        news = [scroll_id for scroll_id, state in now.items() if self._announced.get(scroll_id) != state]
        self._announced.update(now)
        return sorted(news)

    # ------------------------------------------------------------------------------------------------ the database

    def _read(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return self._again(self._database.read, work)

    def _write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        return self._again(self._database.write, work)

    def _again(
        self,
        run: Callable[[Callable[[sqlite3.Connection], _T]], _T],
        work: Callable[[sqlite3.Connection], _T],
    ) -> _T:
        """Run it once more where the database had to be made anew, on what is known again by then."""
        try:
            return run(work)
        except Rebuilt:
            self._fill()
        try:
            return run(work)
        except Rebuilt as problem:
            raise ArchiveError(AGAIN_DAMAGED) from problem

    def _fill(self) -> None:
        """Have a database that was made anew filled, beside whoever waits for a little of it."""
        filling = self._filling
        if filling is None or not filling.is_alive():
            filling = threading.Thread(target=self._refresh_quietly, name="scrollcast-catalogue", daemon=True)
            self._filling = filling
            filling.start()
        filling.join(REBUILD_SECONDS)

    def _refresh_quietly(self) -> None:
        try:
            self.refresh()
        except ArchiveError as problem:
            log.error("%s %s", problem, problem.detail)


def scroll_id_of(scroll_id: UUID | str) -> UUID | None:
    """The id of a session that was given; `None` for what is none."""
    try:
        return scroll_id if isinstance(scroll_id, UUID) else UUID(scroll_id)
    except ValueError:
        return None


def _name_of(paths: Sequence[Path]) -> str:
    return hashlib.blake2b(b"\0".join(to_bytes(path) for path in paths), digest_size=8).hexdigest()


def _key_of(source: SessionSource) -> str:
    return Fingerprint.of(source).key


def _seen(file: bytes, root: Path) -> Candidate | None:
    return next(walk(from_bytes(file), root), None) if not from_bytes(file).is_dir() else None


def _batches(findings: Iterator[Finding]) -> Iterator[list[Finding]]:
    """What is written at once."""
    batch: list[Finding] = []
    sessions, began = 0, monotonic()
    for finding in findings:
        batch.append(finding)
        sessions += max(1, len(finding.summaries))
        if sessions >= BATCH_SESSIONS or monotonic() - began >= BATCH_SECONDS:
            yield batch
            batch, sessions, began = [], 0, monotonic()
    if batch:
        yield batch


# ------------------------------------------------------------------------------------------------------- queries


def _select(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Session]:
    return [session_of(row) for row in connection.execute(f"SELECT {SESSION_COLUMNS} FROM sessions {where}", values)]


def _noted_progress(connection: sqlite3.Connection) -> Progress:
    looked_at, total, complete = (noted(connection, name, 0) for name in ("looked_at", "total", "complete"))
    return Progress(looked_at, total, bool(complete))


def _kept(connection: sqlite3.Connection, where: str = "", *values: object) -> _Known:
    """What is kept of the files that were looked into."""
    rows = connection.execute(f"SELECT path, size, mtime_ns, inode, outcome FROM files {where}", values)
    return {
        path: _Kept((-1 if outcome == Outcome.UNREADABLE else size, mtime_ns, inode), outcome == Outcome.COMPANION)
        for path, size, mtime_ns, inode, outcome in rows
    }


def _kept_below(connection: sqlite3.Connection, scope: Path) -> _Known:
    """Of those at or below a path."""
    inside = _inside(scope)
    return _kept(connection, "WHERE path = ? OR (path >= ? AND path < ?)", to_bytes(scope), *inside)


def _inside(folder: Path) -> tuple[bytes, bytes]:
    """The names between which everything in a folder lies, the second excluded."""
    start = to_bytes(folder).rstrip(b"/")
    return start + b"/", start + b"0"  # which is the next sign


def _is_new(kept: _Kept | None, found: Candidate | None) -> bool:
    """Whether a file is not as it was, or is gone."""
    return (None if kept is None else kept.stamp) != (None if found is None else stored_stamp(found.stamp))


def _other_companions(known: _Known, files: Mapping[bytes, Candidate | None]) -> set[bytes]:
    """Files that became companions, or are none any more, because of what came or went beside them or in a folder
    beside them: a log that was carried over into another one is no session of its own."""
    moved = files.keys() ^ known.keys() if len(files) > 1 else files.keys()
    folders = {os.path.dirname(file) for file in moved}
    folders |= {os.path.dirname(folder) for folder in folders}
    near = (file for file in known if file not in moved and os.path.dirname(file) in folders)
    return {file for file in near if is_companion(from_bytes(file)) != known[file].companion}


def _owners(connection: sqlite3.Connection, path: Path) -> dict[UUID, bytes]:
    """The sessions that are listed by this file or of which it is a part, and the files by which they are."""
    file = to_bytes(path)
    places = [file, *(to_bytes(folder) for folder in path.parents)]
    marks = ", ".join("?" * len(places))
    queries = (
        _LISTED.format("sources", "sources.file = ? AND sessions.file = sources.file"),
        _LISTED.format(
            "sources", f"sources.path IN ({marks}) AND sources.path <> sources.file AND sessions.file = sources.file"
        ),
        _LISTED.format("parts", f"parts.path IN ({marks})"),
    )
    rows = connection.execute(" UNION ".join(queries), (file, *places, *places))
    return {UUID(bytes=scroll_id): found_by for scroll_id, found_by in rows}


def _neighbours(connection: sqlite3.Connection, path: Path) -> dict[UUID, bytes]:
    """The same of the sessions that have parts in the file's folder: it may be a new one of them."""
    rows = connection.execute(_LISTED.format("parts", "parts.path >= ? AND parts.path < ?"), _inside(path.parent))
    return {UUID(bytes=scroll_id): found_by for scroll_id, found_by in rows}


def _unjoined(connection: sqlite3.Connection, parents: Iterable[UUID]) -> set[bytes]:
    """The files of sessions that these started and that are live, where nobody knows by which call: the parent may tell
    that only when they are done."""
    query = """SELECT file FROM sessions INDEXED BY sessions_by_parent WHERE parent = ? AND NOT gone
        AND mtime_ns BETWEEN ? AND ? AND json_extract(rest, '$.parent_call_id') IS NULL"""
    rows = (row for parent in parents for row in connection.execute(query, (parent.bytes, *live_span())))
    return {file for (file,) in rows}


_LISTED: Final = "SELECT sessions.scroll_id, sessions.file FROM {} JOIN sessions USING (scroll_id) WHERE {}"
