"""Makes a `SessionIndex`: a session is read once, in a worker thread, and plays while it is being read.

A builder can go on where it stopped when the session's file has grown, at a cost in proportion to what was appended.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.cache import INDEX_VERSION, MAKING_PREFIX, Fingerprint, index_place, remove_older
from scrollcast.archive.encoding import EncodedEvent, EventEncoder, TimedRecord
from scrollcast.archive.epoch import epoch_after, epoch_of, remember_epoch
from scrollcast.archive.event_writer import EventWriter
from scrollcast.archive.formats import Revised, SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.intake import Intake, TimedItem, open_intake
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Session

__all__ = ["IndexBuilder"]

MAX_REPORTED_LINES: Final = 100
"""How many numbers of bad lines are kept; all of them are counted."""

LINE_REST_SECONDS: Final = 3.0
"""When nothing was written for so long, a last line without an end is taken as it is."""

RECORD_REST_SECONDS: Final = 30.0
"""The same for records that a reader holds back because a later line may add to them: a tool may run for a while."""

log = logging.getLogger(__name__)


class _Changed(Exception):
    """What was given of a session is no longer so."""


class _Stopped(Exception):
    """The server is stopping."""


class IndexBuilder:
    """Reads a session into a `SessionIndex`. `run`, `catch_up` and `grow` block and belong in worker threads.

    `earlier` are the indexes of earlier states of the session, the latest first, which get no more events. As long as
    those of one come again the new index has its epoch; the first one that differs changes the epoch. With a `finished`
    index nothing is made anew: it can `grow` as soon as `catch_up` has read the session up to its end.
    """

    def __init__(
        self,
        source: SessionSource,
        session: Session,
        fingerprint: Fingerprint,
        cache: Path,
        *,
        meta: bool,
        earlier: Sequence[SessionIndex] = (),
        finished: SessionIndex | None = None,
    ) -> None:
        self._source = source
        self._session = session
        self._fingerprint = fingerprint
        self._cache = cache
        self._meta = meta
        self._stopped = threading.Event()
        self._is_stopped = self._stopped.is_set
        self._lock = threading.Lock()  # held by whoever reads
        self._asked = False  # whether somebody wanted to read on since it was last done
        self._closed = False
        self._revised = False
        self._is_whole = False
        self._intake: Intake | None = None
        self._writer: EventWriter | None = None
        self._encoder = EventEncoder(session)
        self._forget_bad()
        self._earlier = earlier
        self._previous: SessionIndex | None = None  # the one of the same epoch
        self._remembered = -1  # how many events there were when the epoch was noted last
        self.index = finished or self._new_index()

    def _new_index(self) -> SessionIndex:
        if self._earlier and not self._source.reader.grows_by_lines(self._source):
            epoch = self._earlier[0].epoch  # its events tell
        else:
            epoch = epoch_of(self._source, self._cache, meta=self._meta)
        index = SessionIndex(self._session, epoch, meta=self._meta)
        index.source_bytes = sum(known.size for _, known in self._fingerprint.files if known is not None)
        self._previous = self._shown_in(epoch)
        return index

    def _shown_in(self, epoch: str) -> SessionIndex | None:
        """The earlier index that has all that anybody may have seen in an epoch: others of it begin as it does."""
        return max((each for each in self._earlier if each.epoch == epoch), key=lambda each: each.firm, default=None)

    @property
    def can_grow(self) -> bool:
        """Whether `grow` can add to the index."""
        intake = self._intake  # another thread may let go of it
        return intake is not None and intake.can_grow and not self.index.superseded

    @property
    def is_whole(self) -> bool:
        """Whether the session turned out to be one that can only be read whole."""
        return self._is_whole

    def stop(self) -> None:
        """Let whoever reads return soon, with the index unfinished."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of the session's files, as soon as nobody reads them; the index stays as it is. Never waits."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            self._release()

    def _release(self) -> None:
        """Let others read; whoever reads last of a closed builder closes the files."""
        if self._closed:
            self._drop_intake()
        self._lock.release()
        if self._closed and self._intake is not None:  # closed in between
            self.close()

    def _open_intake(self) -> Intake:
        intake = open_intake(self._source, self._session, meta=self._meta)
        self._is_whole = not intake.can_grow
        return intake

    def _drop_intake(self) -> None:
        intake, self._intake = self._intake, None
        if intake is not None:
            intake.close()

    # ---------------------------------------------------------------------------------------------- the first time

    def run(self) -> None:
        """Read everything. Whatever goes wrong becomes the index's `failure`; nothing is raised."""
        self._lock.acquire()
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)  # it may be deleted at any time
            making = tempfile.TemporaryDirectory(prefix=MAKING_PREFIX, dir=self._cache, ignore_cleanup_errors=True)
            with making as made:
                self._read(Path(made) / "index")
        except ArchiveError as problem:
            self._fail(problem)
        except OSError as problem:
            self._fail(ArchiveError("the session could not be read or cached", str(problem)))
        except _Stopped:
            self._fail(ArchiveError("the server is stopping"))
        except Exception as problem:  # a defect of a reader ends one session, not the server
            log.debug("in full", exc_info=problem)
            self._fail(ArchiveError("the session could not be decoded", repr(problem)))
        finally:
            self._release()

    def _fail(self, problem: ArchiveError) -> None:
        self._drop_intake()
        self.index.fail(problem)

    def _read(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        is_at_rest = self._fingerprint.age() >= RECORD_REST_SECONDS
        intake = self._intake = self._open_intake()
        self._writer = EventWriter.create(folder, self.index, self._verify)
        try:
            self.index.settle(sys.maxsize)
            self._take(self._writer, intake.pull(tail=True))
            self.index.settle(self._writer.count)
            self._take(self._writer, intake.pending())
            header = {
                "version": INDEX_VERSION,
                "count": self._writer.count,
                "settled": self.index.settled,
                "shown": self._writer.count if is_at_rest else self.index.settled,
                "truncated": self._truncated or intake.half_written,
                "skipped_count": self._bad_count,
                "skipped_lines": self._bad,
            }
            self._writer.publish()
            self._verify_end()
            header["epoch"] = self.index.epoch
            self._writer.finish(folder, header)
        finally:
            self._writer.close()
            self._writer = None
        self._settle(folder, header)
        if is_at_rest:
            self.index.show_all()
        if self._revised and Fingerprint.of(self._source) != self._fingerprint:
            self.index.supersede()

    def _take(self, writer: EventWriter, items: Iterable[TimedItem]) -> None:
        seq, encode, add = writer.count, self._encode, writer.add
        for item in items:
            if isinstance(item, Revised):  # by what came since the reader looked ahead
                self._revised = True
                continue
            event = encode(seq, item)
            if event is not None:
                add(event)
                seq += 1

    def _encode(self, seq: int, item: TimedItem) -> EncodedEvent | None:
        if self._is_stopped():
            raise _Stopped
        if isinstance(item, TimedRecord):
            try:
                return self._encoder.encode(seq, item)
            except RecursionError:  # nested more deeply than can be written
                self._note_bad(BadRecord(None))
                return None
        if isinstance(item, Revised):
            raise _Changed
        self._note_bad(item)
        return None

    def _settle(self, folder: Path, header: dict[str, Any]) -> None:
        """Put the finished folder in its place, and note what the epoch stands for."""
        remember_epoch(self._source, self.index.epoch, self._cache, meta=self._meta)
        place = index_place(self._cache, self._session, self._fingerprint, meta=self._meta)
        remove_older(place)
        with suppress(OSError):  # another process was faster: theirs is as good, ours serves this index
            folder.rename(place)
            folder = place
        self.index.adopt(folder, header)

    # ------------------------------------------------------------------------------------------- the bad records

    def _forget_bad(self) -> None:
        self._bad: list[int] = []
        self._bad_count = 0
        self._truncated = False

    def _note_bad(self, record: BadRecord) -> None:
        if record.half_written:
            self._truncated = True
            return
        self._bad_count += 1
        if record.line is not None and len(self._bad) < MAX_REPORTED_LINES:
            self._bad.append(record.line)

    # ------------------------------------------------------------------------------------------------- the epoch

    def _verify(self, first: int, data: bytes) -> None:
        """Compare events that are about to be shown with what they were the last time."""
        previous = self._previous
        if previous is None or first >= previous.firm:
            return
        start = previous.offsets[first]
        known = min(len(data), previous.offsets[previous.firm] - start)
        try:
            same = data[:known] == previous.read_bytes(start, known)
        except (ArchiveError, OSError):  # the old files are gone
            same = False
        if not same:
            self._change_epoch(data)

    def _verify_end(self) -> None:
        while self._previous is not None and self.index.count < self._previous.firm:
            self._change_epoch(b"shorter")
        self._earlier, self._previous = (), None

    def _change_epoch(self, changed: bytes) -> None:
        self.index.epoch = epoch_after(self.index.epoch, changed)
        self._previous = self._shown_in(self.index.epoch)  # another state may have begun to differ in the same way

    # --------------------------------------------------------------------------------------------------- growing

    def catch_up(self) -> None:
        """Read a finished index's session up to where the index ends, so that it can grow. Takes as long as `run`."""
        self._lock.acquire()
        try:
            if self._intake is None and not self.index.superseded:
                self._closed = False
                self._try(self._read_again)
        finally:
            self._release()

    def _read_again(self) -> None:
        intake = self._open_intake()
        try:
            self._forget_bad()
            if intake.can_grow and self._append(intake.pull(tail=True), 0) < self.index.settled:
                raise _Changed
        except BaseException:
            intake.close()
            raise
        self._intake = intake  # from now on it can grow
        self._note_bad_records()

    def grow(self, rest_seconds: float = 0.0, *, spare_bytes: int = 0, patience: float = 0.0) -> bool:
        """Read on where the files have grown; where they did something else the index is superseded.

        `rest_seconds` says for how long the session has been at rest: then what its writer may have left unfinished is
        taken as it is, and what was read before is checked for having been changed in place; so it is for
        `spare_bytes`, on which that check may be spent. Whether it was done is told: while another thread reads (for
        up to `patience` seconds) it is not, and that thread looks once more when it is done. Not more often: who opens
        a session would be kept for as long as it is written to.
        """
        done = False
        self._asked = True
        for _ in range(2):
            if not self._asked or not self._lock.acquire(timeout=patience):
                break
            try:
                self._asked = False
                if self.can_grow and self.index.complete:
                    self._try(partial(self._read_on, rest_seconds, spare_bytes))
                    done = True
            finally:
                self._release()
            rest_seconds, spare_bytes = 0.0, 0  # the check was made
        return done

    def holds_back(self) -> bool:
        """Whether the reader holds records back that are not in the index."""
        with self._lock:
            intake, index = self._intake, self.index
            return intake is not None and index.settled == index.count and any(True for _ in intake.pending())

    def _read_on(self, rest_seconds: float, spare_bytes: int) -> None:
        intake = self._intake
        assert intake is not None
        if not intake.has_only_grown():
            raise _Changed
        is_at_rest = rest_seconds >= LINE_REST_SECONDS
        self._append(intake.pull(tail=is_at_rest), self.index.settled)
        self._note_bad_records()
        if (is_at_rest or spare_bytes) and not intake.is_intact(spare_bytes):
            raise _Changed
        if rest_seconds >= RECORD_REST_SECONDS:
            self._append(intake.pending(), self.index.settled, settles=False)
            self.index.show_all()
            self._remember()

    def remember(self) -> None:
        """Note what the epoch stands for after the session has grown, unless somebody reads it. For the very end."""
        if self._lock.acquire(blocking=False):
            try:
                self._remember()
            finally:
                self._release()

    def _remember(self) -> None:
        if self._writer is None or self._remembered == self._writer.count or self.index.superseded:
            return
        with suppress(ArchiveError, OSError):  # the cache, or the session, is gone
            remember_epoch(self._source, self.index.epoch, self._cache, meta=self._meta)
            self._remembered = self._writer.count

    def _try(self, step: Callable[[], None]) -> None:
        """Read on; what fails on the way has lost its place, so that the session is to be read anew."""
        try:
            step()
        except _Changed:
            self.index.supersede()
        except _Stopped:
            self._drop_intake()
        except (ArchiveError, OSError) as problem:
            log.info("%s could not be read on: %s", self._source.path, problem)
            self.index.supersede()
        except Exception as problem:  # a defect of a reader ends one session's growth, not the server
            log.error("%s could not be read on: %r", self._source.path, problem)
            log.debug("in full", exc_info=problem)
            self._drop_intake()

    def _append(self, items: Iterable[TimedItem], seq: int, *, settles: bool = True) -> int:
        """Add what is new of records that begin with the event `seq`; those that are there must come the same.

        Gives the number behind the last one.
        """
        before = self.index
        try:
            for item in items:
                event = self._encode(seq, item)
                if event is not None:
                    self._add(seq, event)
                    seq += 1
            if settles:
                self.index.settle(max(seq, self.index.settled))
            if self._writer is not None:
                self._writer.publish()
        finally:
            if self.index is not before:
                before.supersede()
        return seq

    def _add(self, seq: int, event: EncodedEvent) -> None:
        if seq < self._count and not self._comes_again(seq, event):
            self._fork(seq)
        if seq >= self._count:
            self._appender().add(event)

    def _comes_again(self, seq: int, event: EncodedEvent) -> bool:
        index = self.index
        if seq < index.settled:
            if index.size_of(seq, seq + 1) != len(event.data) + 1:
                raise _Changed
            return True
        return index.read_now(seq, seq + 1) == event.data + b","

    def _fork(self, seq: int) -> None:
        """Go on with an index without the events from `seq` on: they were provisional, and are other ones by now."""
        if self._writer is not None or seq < self.index.firm:  # those who follow have them
            raise _Changed
        self.index, self._writer = EventWriter.fork(self.index, seq, self._cache)

    def _note_bad_records(self) -> None:
        assert self._intake is not None
        truncated = self._truncated or self._intake.half_written
        self.index.note_bad(self._bad, self._bad_count, truncated=truncated)

    @property
    def _count(self) -> int:
        return self._writer.count if self._writer is not None else self.index.count

    def _appender(self) -> EventWriter:
        if self._writer is None:
            self._writer = EventWriter.append_to(self.index, self._cache)
        return self._writer
