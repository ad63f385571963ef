"""Writes the files of an index, and shows each event to the index as soon as it is safely in its file."""

from __future__ import annotations

import os
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any, Final, Self

import orjson

from scrollcast.archive.encoding import EncodedEvent
from scrollcast.archive.index import EVENTS_FILE, HEADER_FILE, MARKERS_FILE, TABLES, SessionIndex, hash_id
from scrollcast.model import REPORTED_GAP_MS, MarkerKind

__all__ = ["EventWriter"]

PUBLISH_BYTES: Final = 256 << 10
PUBLISH_SECONDS: Final = 0.02
FIRST_PUBLISH_EVENTS: Final = 16
"""New events become playable at the first of these: bytes collected, time passed, or the very first few events."""


class EventWriter:
    """Appends events to one index.

    `verify` is called with the number of the first event and the bytes of those that are about to be shown, a comma
    behind each.
    """

    def __init__(
        self,
        index: SessionIndex,
        tables: dict[str, array[int]],
        fd: int,
        write_markers: Callable[[bytes], object],
        verify: Callable[[int, bytes], None] = lambda _first, _data: None,
        close: Callable[[], None] = lambda: None,
        *,
        appends: bool = False,
    ) -> None:
        self._index = index
        self._fd = fd
        self._tables = tables
        self._times, self._offsets, self._ids = tables["times"], tables["offsets"], tables["ids"]
        self._turns, self._tools, self._gaps = tables["turns"], tables["tools"], tables["gaps"]
        self._errors, self._reading = tables["errors"], tables["reading"]
        self._write_markers = write_markers
        self._verify = verify
        self._close = close
        self._appends = appends
        self._has_markers = index.has_markers
        self._events: list[EncodedEvent] = []
        self._collected = 0  # their bytes
        self._first = len(self._times)  # the number of the first of them
        self._published = time.monotonic()

    @classmethod
    def create(cls, folder: Path, index: SessionIndex, verify: Callable[[int, bytes], None]) -> Self:
        """A writer of a new index's files in a folder."""
        fd = os.open(folder / EVENTS_FILE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        index.attach(fd)
        tables = {name: array(typecode) for name, typecode in TABLES.items()}
        tables["offsets"].append(0)
        for name, table in tables.items():
            setattr(index, name, table)
        markers = (folder / MARKERS_FILE).open("wb")
        return cls(index, tables, fd, markers.write, verify, markers.close)

    @classmethod
    def append_to(cls, index: SessionIndex, cache: Path) -> Self:
        """A writer that adds to a finished index, in memory and in a file without a name."""
        fd = _nameless(cache)
        tables, markers = index.thaw(fd)
        return cls(index, tables, fd, markers.extend, appends=True)

    @classmethod
    def fork(cls, index: SessionIndex, count: int, cache: Path) -> tuple[SessionIndex, Self]:
        """Another index with the first `count` events of a finished one, and a writer that adds to it in that way."""
        fd = _nameless(cache)
        fork, tables, markers = index.fork(count, fd)
        return fork, cls(fork, tables, fd, markers.extend, appends=True)

    @property
    def count(self) -> int:
        """The number of events so far, which is the next one's number."""
        return self._first + len(self._events)

    def add(self, event: EncodedEvent) -> None:
        """Append one event."""
        events = self._events
        events.append(event)
        self._collected += len(event.data)
        if (
            self._collected >= PUBLISH_BYTES
            or self._first + len(events) == FIRST_PUBLISH_EVENTS
            or time.monotonic() - self._published >= PUBLISH_SECONDS
        ):
            self.publish()

    def publish(self) -> None:
        """Write what was collected, then let it be played."""
        if self._events:
            self._write()
            self._events, self._collected, self._first = [], 0, self.count
        self._index.publish(self._first)
        self._published = time.monotonic()

    def _write(self) -> None:
        times, ids, pieces, *_, reading = zip(
            *self._events, strict=True
        )  # by columns: a step for each event costs the most
        data = b",".join((*pieces, b""))
        self._verify(self._first, data)
        _write_fully(self._fd, data)
        start = self._offsets[-1]
        if self._appends:
            self._index.hold(start, data)
        self._note_marks()
        self._note_gaps(times)
        self._ids.extend(map(hash_id, ids))
        self._times.extend(times)
        self._reading.extend(reading)
        self._offsets.extend(islice(accumulate((len(piece) + 1 for piece in pieces), initial=start), 1, None))

    def _note_marks(self) -> None:
        """Which of the events are turns, which call tools, which tell of errors, and their markers."""
        numbered = list(enumerate(self._events, self._first))
        self._turns.extend(seq for seq, event in numbered if event.is_turn)
        self._tools.extend(seq for seq, event in numbered if event.is_tool)
        marked = [(seq, event) for seq, event in numbered if event.markers]
        self._errors.extend(seq for seq, event in marked if any(kind is MarkerKind.ERROR for kind, _ in event.markers))
        markers = [
            {"seq": seq, "t_ms": event.t_ms, "kind": kind, "label": label}
            for seq, event in marked
            for kind, label in event.markers
        ]
        if markers:
            listed = orjson.dumps(markers)[1:-1]
            self._write_markers(b"," + listed if self._has_markers else listed)
            self._has_markers = True

    def _note_gaps(self, times: Sequence[int]) -> None:
        before = self._times[-1] if self._times else times[0]
        for start, end in pairwise((before, *times)):
            if end - start >= REPORTED_GAP_MS:
                self._gaps.extend((start, end))

    def finish(self, folder: Path, header: dict[str, Any]) -> None:
        """Write the rest, and the tables beside it."""
        self.publish()
        self.close()
        for name, table in self._tables.items():
            (folder / name).write_bytes(table)
        header["sizes"] = {name: (folder / name).stat().st_size for name in (*TABLES, MARKERS_FILE, EVENTS_FILE)}
        (folder / HEADER_FILE).write_bytes(orjson.dumps(header))

    def close(self) -> None:
        """Close what the index does not own."""
        self._close()


def _nameless(folder: Path) -> int:
    """A new file that goes when it is closed."""
    fd, name = tempfile.mkstemp(prefix="growth-", dir=folder)
    os.unlink(name)
    return fd


def _write_fully(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
