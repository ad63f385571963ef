"""Makes a `SessionIndex`: a session is read once, in a worker thread, and plays while it is being read."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.archive.cache import MAKING_PREFIX, Fingerprint, index_place, remove_older
from scrollcast.archive.encoding import EncodedEvent, EventEncoder, TimedRecord, merge_by_time, time_records
from scrollcast.archive.epoch import edition_of, epoch_of, remember_epoch
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import EVENTS_FILE, HEADER_FILE, MARKERS_FILE, TABLES, SessionIndex, hash_id
from scrollcast.errors import ArchiveError
from scrollcast.model import REPORTED_GAP_MS, BadRecord, MarkerKind, Session

__all__ = ["IndexBuilder"]

PUBLISH_BYTES: Final = 256 << 10
PUBLISH_SECONDS: Final = 0.02
FIRST_PUBLISH_EVENTS: Final = 16
"""New events become playable at the first of these: bytes collected, time passed, or the very first few events."""

MAX_REPORTED_LINES: Final = 100
"""How many numbers of bad lines are kept; all of them are counted."""


class IndexBuilder:
    """Reads a session into a `SessionIndex`, once. `run` blocks and belongs in a worker thread."""

    def __init__(self, source: SessionSource, session: Session, fingerprint: Fingerprint, cache: Path, *, meta: bool):
        self._source = source
        self._session = session
        self._fingerprint = fingerprint
        self._cache = cache
        self._meta = meta
        self._stopped = threading.Event()
        self._bad: list[int] = []
        self._bad_count = 0
        self._truncated = False
        self.index = SessionIndex(session, epoch_of(source, cache), edition_of(source) if meta else "")
        self.index.source_bytes = sum(known.size for _, known in fingerprint.files if known is not None)

    def stop(self) -> None:
        """Let `run` return soon, with the index unfinished."""
        self._stopped.set()

    def run(self) -> None:
        """Read everything. Whatever goes wrong becomes the index's `failure`; nothing is raised."""
        try:
            self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)  # it may be deleted at any time
            with tempfile.TemporaryDirectory(prefix=MAKING_PREFIX, dir=self._cache, ignore_cleanup_errors=True) as made:
                self._read(Path(made) / "index")
        except ArchiveError as problem:
            self.index.fail(problem)
        except OSError as problem:
            self.index.fail(ArchiveError("the session could not be read or cached", str(problem)))
        except Exception as problem:  # a defect of a reader ends one session, not the server
            self.index.fail(ArchiveError("the session could not be decoded", repr(problem)))

    def _read(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        with _EventWriter(folder, self.index) as writer:
            encoder = EventEncoder(self._session)
            for item in self._records():
                if self._stopped.is_set():
                    raise ArchiveError("the server is stopping")
                if isinstance(item, BadRecord):
                    self._note_bad(item)
                    continue
                try:
                    event = encoder.encode(writer.count, item)
                except RecursionError:  # nested more deeply than can be written
                    self._note_bad(BadRecord(None))
                else:
                    writer.add(event)
            header = {
                "epoch": self.index.content_epoch,
                "edition": self.index.edition,
                "count": writer.count,
                "truncated": self._truncated,
                "skipped_count": self._bad_count,
                "skipped_lines": self._bad,
            }
            writer.finish(header)
        self._settle(folder, header)

    def _records(self) -> Iterator[TimedRecord | BadRecord]:
        source, fallback = self._source, self._session.created_at or "1970-01-01T00:00:00Z"
        apart = source.reader.meta_events(source) if self._meta else None
        if apart is None:
            synthetic = self._session.timing == "synthetic"
            return time_records(source.reader.records(source, meta=self._meta), fallback, synthetic=synthetic)
        return merge_by_time(source.reader.records(source, meta=False), apart, fallback)

    def _note_bad(self, record: BadRecord) -> None:
        if record.half_written:
            self._truncated = True
            return
        self._bad_count += 1
        if record.line is not None and len(self._bad) < MAX_REPORTED_LINES:
            self._bad.append(record.line)

    def _settle(self, folder: Path, header: dict[str, Any]) -> None:
        """Put the finished folder in its place, and note what the epoch stands for."""
        remember_epoch(self._source, self.index.content_epoch, self._cache)
        place = index_place(self._cache, self._session, self._fingerprint, meta=self._meta)
        remove_older(place)
        with suppress(OSError):  # another process was faster: theirs is as good, ours serves this index
            folder.rename(place)
            folder = place
        self.index.adopt(folder, header)


class _EventWriter:
    """Writes one index's files, and shows each event to the index as soon as it is safely in the file."""

    def __init__(self, folder: Path, index: SessionIndex) -> None:
        self._folder = folder
        self._index = index
        self._times, self._offsets = array("q"), array("Q", [0])
        self._turns, self._tools = array("I"), array("I")
        self._ids, self._gaps = array("I"), array("q")
        index.times, index.offsets, index.turns, index.tools = self._times, self._offsets, self._turns, self._tools
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._published = time.monotonic()
        self._end = 0
        self._first_marker = True

    def __enter__(self) -> _EventWriter:
        self._fd = os.open(self._folder / EVENTS_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._index.attach(self._fd)
        self._markers = (self._folder / MARKERS_FILE).open("wb")
        return self

    def __exit__(self, *_exc: object) -> None:
        self._markers.close()

    @property
    def count(self) -> int:
        """The number of events so far, which is the next one's number."""
        return len(self._times)

    def add(self, event: EncodedEvent) -> None:
        """Append one event."""
        seq = self.count
        self._buffer.append(event.data)
        self._buffered += len(event.data) + 1
        self._end += len(event.data) + 1
        self._note_gap(event.t_ms)
        if event.is_turn:
            self._turns.append(seq)
        if event.is_tool:
            self._tools.append(seq)
        self._ids.append(hash_id(event.id))
        for kind, label in event.markers:
            self._mark(seq, event.t_ms, kind, label)
        self._times.append(event.t_ms)
        self._offsets.append(self._end)
        if self._is_time_to_publish():
            self.publish()

    def _note_gap(self, t_ms: int) -> None:
        if self._times and t_ms - self._times[-1] >= REPORTED_GAP_MS:
            self._gaps.extend((self._times[-1], t_ms))

    def _mark(self, seq: int, t_ms: int, kind: MarkerKind, label: str) -> None:
        data = orjson.dumps({"seq": seq, "t_ms": t_ms, "kind": kind, "label": label})
        self._markers.write(data if self._first_marker else b"," + data)
        self._first_marker = False

    def _is_time_to_publish(self) -> bool:
        return (
            self._buffered >= PUBLISH_BYTES
            or self.count == FIRST_PUBLISH_EVENTS
            or time.monotonic() - self._published >= PUBLISH_SECONDS
        )

    def publish(self) -> None:
        """Write what was collected, then let it be played."""
        if self._buffer:
            _write_fully(self._fd, b",".join(self._buffer) + b",")
            self._buffer, self._buffered = [], 0
        self._index.publish(self.count)
        self._published = time.monotonic()

    def finish(self, header: dict[str, Any]) -> None:
        """Write the rest, and the tables beside it."""
        self.publish()
        self._markers.flush()
        tables = (self._times, self._offsets, self._ids, self._turns, self._tools, self._gaps)
        for name, table in zip(TABLES, tables, strict=True):
            (self._folder / name).write_bytes(table)
        header["sizes"] = {name: (self._folder / name).stat().st_size for name in (*TABLES, MARKERS_FILE, EVENTS_FILE)}
        (self._folder / HEADER_FILE).write_bytes(orjson.dumps(header))


def _write_fully(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
