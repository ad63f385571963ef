"""One session ready to play: its events' wire bytes in a file, with the place and time of each.

`events.bin` holds the events' own bytes, a comma behind each, so that any run of events is one slice of the file and a
batch is that slice between brackets. Beside it lie tables of fixed-width numbers, mapped and bisected, never loaded.
A session plays while `index_builder` is still reading it, and grows when its file does: then the tables are in memory
again, and the new events' bytes lie in a second file that goes with the process.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
import threading
import time
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import orjson

from scrollcast.archive.hot_events import HotEvents
from scrollcast.archive.markers import find_labels
from scrollcast.archive.page_cache import CachedPages, read_cached
from scrollcast.errors import ArchiveError
from scrollcast.model import Session

__all__ = [
    "EVENTS_FILE",
    "HEADER_FILE",
    "MARKERS_FILE",
    "TABLES",
    "EventBlock",
    "Openness",
    "Runs",
    "SessionIndex",
    "hash_id",
    "read_fully",
]

EVENTS_FILE: Final = "events.bin"
MARKERS_FILE: Final = "markers.bin"
HEADER_FILE: Final = "header.json"
TableType: TypeAlias = Literal["q", "Q", "I", "H", "B"]

TABLES: Final[Mapping[str, TableType]] = {
    "times": "q",
    "offsets": "Q",
    "ids": "I",
    "turns": "I",
    "tools": "I",
    "errors": "I",
    "gaps": "q",
    "reading": "H",
}
"""The tables of an index, each a file of its name, with the `array` type code of its numbers."""


NEWEST_BYTES: Final = 64 << 10
"""So much of what was appended last is kept in memory, so that those who follow do not each read it again."""


_hot_events: Final = HotEvents()

_STRETCH_RUNS: Final = 16
"""Where runs are cut alike for all, one of so many ends early, and half as many are gone through to find an end."""


@dataclass(frozen=True, slots=True)
class Openness:
    """How far an index has come: `count` events can be played, and `complete` says that the session was read whole.

    `shown` of them are for those who follow the session while it is written: the others may still change.
    `superseded` says that the session's files hold something else by now: the archive gives another index for it.
    `skipped` bad records were met so far.
    """

    count: int
    shown: int
    complete: bool
    superseded: bool = False
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class EventBlock:
    """The bytes of a run of events, as they lie in the file."""

    start: int
    data: memoryview
    offsets: Sequence[int]
    """The offset of each event in the file, and of the end: `data` begins with the first one."""

    @property
    def buffer(self) -> bytearray:
        """The memory that `data` is at the beginning of."""
        assert isinstance(self.data.obj, bytearray)
        return self.data.obj

    def tails(self) -> Iterator[memoryview]:
        """Each event's bytes without its first brace."""
        first = self.offsets[0]
        for begin, end in pairwise(self.offsets):
            yield self.data[begin - first + 1 : end - first - 1]

    def event(self, seq: int) -> memoryview:
        """One event's own bytes."""
        first, place = self.offsets[0], seq - self.start
        return self.data[self.offsets[place] - first : self.offsets[place + 1] - first - 1]

    def run(self) -> memoryview:
        """All of them, with a comma between each."""
        return self.data[:-1]


class Runs(NamedTuple):
    """Messages that hold runs of events, as they are laid out one behind the other before the events are read."""

    texts: list[bytes]
    """What stands before each run, and behind the last one."""

    places: list[tuple[int, int]]
    """The offset of each run in the file, and its bytes, without the comma behind its last event."""

    ends: list[int]
    """The offset at which each message ends."""

    @property
    def begin(self) -> int:
        """The offset in the file of the first run."""
        return self.places[0][0]

    @property
    def end(self) -> int:
        """The offset in the file at which the last run ends, which is that of the comma behind it."""
        return sum(self.places[-1])


class SessionIndex:
    """The events of one session, readable by number while the rest is still being made.

    `times`, `turns`, `tools`, `errors` and `reading` may grow; what was there stays. Safe to use from several event
    loops.

    `epoch` names the content that the sequence numbers belong to. It changes while the index is being made when an
    event turns out to differ from what it was the last time; whoever plays from here has to look at it again whenever
    the index has come further.
    """

    def __init__(self, session: Session, epoch: str, *, meta: bool = False) -> None:
        self.session = session
        self.meta = meta  # whether the session's meta events are among its events
        self.epoch = epoch
        self.source_bytes = 0  # how much there is to read
        self.count = 0
        self.settled = 0  # the events before this one stay as they are when the session grows
        self.shown = 0
        self.complete = False
        self.superseded = False
        self.truncated = False
        self.skipped_count = 0
        self.skipped_lines: list[int] = []
        self.redacted = 0  # the secrets that were taken out so far
        self.failure: ArchiveError | None = None
        self.times: Sequence[int] = array("q")
        self.turns: Sequence[int] = array("I")
        self.tools: Sequence[int] = array("I")
        self.errors: Sequence[int] = array("I")
        self.gaps: Sequence[int] = array("q")
        self.reading: Sequence[int] = array("H")  # milliseconds that it takes to read each event
        self.offsets: array[int] | memoryview = array("Q", [0])
        self.ids: array[int] | memoryview = array("I")
        self._markers: array[int] | memoryview | bytearray = array("B")
        self.hot: dict[int, bytes] = {}  # events without their first brace, by their number, as `hot_events` keeps them
        self._events_fd = -1
        self._tail_fd = -1
        self._tail_start = sys.maxsize  # the offset of the first byte that lies in the second file
        self._cached: CachedPages | None = None  # of the first file, as soon as it is asked for
        self._newest: tuple[int, bytes] = (0, b"")  # the offset and bytes of what was appended last
        self._lock = threading.Lock()
        self._waiters: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self._listeners: list[Callable[[], object]] = []

    def __del__(self) -> None:
        # The last stream that plays from here is gone, and the archive has let go of it.
        for fd in (self._events_fd, self._tail_fd):
            if fd >= 0:
                os.close(fd)

    # ------------------------------------------------------------------------------------------------------ facts

    @property
    def duration_ms(self) -> int:
        """The recorded time of the last event that is there."""
        return self.times[self.count - 1] if self.count else 0

    @property
    def openness(self) -> Openness:
        """How far it has come."""
        # Read before `count`: once it is complete `count` is no less than what the file held then, and what is shown
        # is there.
        complete, shown = self.complete, self.shown
        return Openness(self.count, shown, complete, self.superseded, self.skipped_count)

    @property
    def firm(self) -> int:
        """The events before this one make the epoch: they are settled, or were shown. Those behind it may yet change
        in the same epoch, as a session's last records do while it is being written."""
        return min(self.count, max(self.settled, self.shown))

    def show_text(self, text: str) -> str:
        """Another text as it may be shown beside these events."""
        return text

    def size_of(self, start: int, stop: int) -> int:
        """The bytes that a run of events takes, a comma behind each."""
        return self.offsets[stop] - self.offsets[start]

    def fit(self, start: int, limit_bytes: int, most: int | None = None) -> int:
        """The end of the longest run from `start` that takes at most so many bytes, and ends at `most` at the latest;
        one event at least."""
        last = self.count if most is None else most  # the nearer it is, the sooner the end is found
        stop = bisect_right(self.offsets, self.offsets[start] + limit_bytes, start + 1, last + 1) - 1
        return max(stop, start + 1)

    def cut(self, start: int, limit_bytes: int) -> int:
        """The end of a run from `start`, no longer than that of `fit`, that depends little on where it begins: whoever
        comes by here with the same limit, from wherever, goes on from the same event.

        Runs are fitted one behind the other from the first event of every stretch of `_STRETCH_RUNS` limits on.
        """
        stretch = _STRETCH_RUNS * max(limit_bytes, 1)
        begin = self.offsets[start] // stretch * stretch
        last = bisect_left(self.offsets, begin + stretch, start + 1, self.count)
        stop = bisect_left(self.offsets, begin, 0, start)
        while stop <= start:
            stop = min(self.fit(stop, limit_bytes), last)
        return stop

    # ---------------------------------------------------------------------------------------------------- waiting

    def changed(self, seen: Openness) -> asyncio.Future[None]:
        """Done as soon as the index is further than `seen` (at once, if it is already). Cancel it to wait no longer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if self.openness == seen and self.failure is None:
                self._waiters[future] = loop
                future.add_done_callback(self._forget)
                return future
        future.set_result(None)
        return future

    def _forget(self, future: asyncio.Future[None]) -> None:
        with self._lock:
            self._waiters.pop(future, None)

    def listen(self, listener: Callable[[], object]) -> None:
        """Call this, in the thread of whoever reads the session, whenever the index has changed."""
        self._listeners.append(listener)

    def stop_listening(self, listener: Callable[[], object]) -> None:
        """Call it no more."""
        with suppress(ValueError):
            self._listeners.remove(listener)

    async def reach(self, seq: int) -> None:
        """Wait until the event `seq` is there, or all are.

        Raises:
            ArchiveError: the archive could not be read on.
        """
        while self.count <= seq and not self.complete:
            await self.changed(self.openness)
            self.check()

    async def reach_time(self, t_ms: float) -> None:
        """Wait until an event at or after a recorded time is there, or all are. Raises as `reach`."""
        while not self.complete and self.duration_ms < t_ms:
            await self.changed(self.openness)
            self.check()

    async def finish(self) -> None:
        """Wait until every event is there. Raises as `reach`."""
        await self.reach(sys.maxsize)

    def wait(self, seconds: float) -> None:
        """Wait until every event is there or the reading failed, for so long at most. Blocks."""
        moved = threading.Event()
        self.listen(moved.set)
        try:
            give_up_at = time.monotonic() + seconds
            while not self.complete and self.failure is None and moved.wait(give_up_at - time.monotonic()):
                moved.clear()
        finally:
            self.stop_listening(moved.set)

    def check(self) -> None:
        """Raise the `ArchiveError` that stopped the reading, if one did."""
        if self.failure is not None:
            raise self.failure

    # ---------------------------------------------------------------------------------------------------- reading

    async def read(self, start: int, stop: int, allocate: Callable[[int], bytearray] = bytearray) -> EventBlock:
        """The bytes of the events `start` to `stop`, which must be there, in memory that `allocate` gives for so many
        bytes, or more.

        What is in the page cache is read at once, anything else in a thread.
        """
        first, last = self.offsets[start], self.offsets[stop]
        data = memoryview(allocate(last - first))[: last - first]
        await self._fill(data, first)
        return EventBlock(start, data, self.offsets[start : stop + 1].tolist())

    def read_tail_at_once(self, seq: int) -> bytes | bytearray | None:
        """One event's bytes without its first brace; `None` where not all of them are in memory or the page cache."""
        kept = self.hot.get(seq)
        if kept is not None:
            return kept
        offsets = self.offsets
        first = offsets[seq] + 1
        tail = bytearray(offsets[seq + 1] - 1 - first)
        if not self._fill_at_once(tail, first):
            return None
        _hot_events.note(self, seq)
        return tail

    def read_tails_at_once(self, start: int, stop: int) -> list[bytes] | None:
        """The same of a run of events."""
        first = self.offsets[start]
        data = bytearray(self.size_of(start, stop))
        if not self._fill_at_once(data, first):
            return None
        bounds = [offset - first for offset in self.offsets[start : stop + 1].tolist()]
        return [bytes(data[begin + 1 : end - 1]) for begin, end in pairwise(bounds)]

    def lay_out(self, seqs: Sequence[int], head: bytes, tail: bytes, lead: Callable[[int], bytes]) -> Runs:
        """Messages one behind the other: a run of events, a comma between each, from each of `seqs` to the next,
        between `head` and `tail`, behind what `lead` makes of the message's length. `tail` must not be empty."""
        texts, places, ends = [], [], []
        size, before = 0, b""
        for begin, end in pairwise([self.offsets[seq] for seq in seqs]):
            length = end - begin - 1
            whole = len(head) + length + len(tail)
            top = lead(whole) + head
            texts.append(before + top)
            places.append((begin, length))
            size += len(top) - len(head) + whole
            ends.append(size)
            before = tail
        return Runs([*texts, before], places, ends)

    async def read_runs(self, runs: Runs, allocate: Callable[[int], bytearray] = bytearray) -> bytearray:
        """The messages that were laid out, at the beginning of what `allocate` gives for so many bytes, or more.

        They are read with no copy made on the way: the comma behind the last event of a run lies where the text behind
        it is written afterwards.
        """
        messages = allocate(runs.ends[-1])
        stops, buffers = [0], []
        with memoryview(messages) as whole:
            for text, (_, length) in zip(runs.texts, runs.places, strict=False):
                begin = stops[-1] + len(text)
                stops.append(begin + length)
                buffers.append(whole[begin : begin + length + 1])
            await self._fill_each(buffers, runs.begin, runs.end + 1 - runs.begin)
        for text, stop in zip(runs.texts, stops, strict=True):
            messages[stop : stop + len(text)] = text
        return messages

    def file_of(self, runs: Runs) -> int | None:
        """The file that holds all of these events, where they are in the page cache too: what was written to it never
        changes. `None` while the session is still being read. To be used before the index is let go of."""
        if not self.complete or runs.end >= self._tail_start:
            return None
        if self._cached is None:
            self._cached = CachedPages.of(self._events_fd, runs.begin)
        if self._cached is None or not self._cached.hold(runs.begin, runs.end - runs.begin):
            return None
        return self._events_fd

    async def _fill_each(self, buffers: Sequence[memoryview], offset: int, size: int) -> None:
        if offset + size <= self._tail_start and read_cached(self._events_fd, buffers, offset, size):
            return
        for buffer in buffers:
            await self._fill(buffer, offset)
            offset += len(buffer)

    async def _fill(self, buffer: memoryview, offset: int) -> None:
        if not self._fill_at_once(buffer, offset):
            for fd, piece, place in self._pieces(buffer, offset):
                await asyncio.to_thread(read_fully, fd, piece, place)

    def _fill_at_once(self, buffer: memoryview | bytearray, offset: int) -> bool:
        start, newest = self._newest
        if start <= offset and offset + len(buffer) <= start + len(newest):
            buffer[:] = newest[offset - start : offset - start + len(buffer)]
            return True
        if offset + len(buffer) <= self._tail_start:
            return read_cached(self._events_fd, [buffer], offset, len(buffer))
        with memoryview(buffer) as whole:
            return all(read_cached(fd, [piece], place, len(piece)) for fd, piece, place in self._pieces(whole, offset))

    def _pieces(self, buffer: memoryview, offset: int) -> list[tuple[int, memoryview, int]]:
        """The file, the part of the buffer and the place in the file, for each of the files that this is read from."""
        inside = min(len(buffer), max(0, self._tail_start - offset))
        pieces = [(self._events_fd, buffer[:inside], offset)] if inside else []
        if inside < len(buffer):
            pieces.append((self._tail_fd, buffer[inside:], offset + inside - self._tail_start))
        return pieces

    def read_now(self, start: int, stop: int) -> bytes:
        """The bytes of a run of events, a comma behind each. Blocks."""
        return self.read_bytes(self.offsets[start], self.size_of(start, stop))

    def read_bytes(self, offset: int, size: int) -> bytes:
        """So many of the events' bytes. Blocks."""
        data = bytearray(size)
        with memoryview(data) as buffer:
            for fd, piece, place in self._pieces(buffer, offset):
                read_fully(fd, piece, place)
        return bytes(data)

    @property
    def has_markers(self) -> bool:
        """Whether any event that is there has a marker."""
        return len(self._markers) > 0

    async def find(self, event_id: str) -> int | None:
        """The number of the event with this id, `None` when there is none. Waits for the index to be complete."""
        await self.finish()
        needle = hash_id(event_id).to_bytes(4, sys.byteorder)
        table = self.ids[: self.count].tobytes()  # more may be on their way
        place = -1
        while (place := table.find(needle, place + 1)) >= 0:
            if place % 4 == 0:
                seq = place // 4
                event = orjson.loads((await self.read(seq, seq + 1)).event(seq))["event"]
                if (event.get("message") or event.get("meta_event"))["id"] == event_id:
                    return seq
        return None

    async def markers(self) -> bytes:
        """All markers as a JSON array. Waits for the index to be complete."""
        await self.finish()
        return self.markers_so_far()

    def markers_so_far(self) -> bytes:
        """The markers of the events that are there, as a JSON array."""
        return b"[" + bytes(self._markers) + b"]"

    async def turn_labels(self, start: int, stop: int) -> list[str]:
        """What the markers of a range of turns say. Waits for the index to be complete."""
        await self.finish()
        return await asyncio.to_thread(lambda: list(find_labels(self._markers, "turn", self.turns[start:stop])))

    # --------------------------------------------------------------------------------------- for the builder thread

    def hold(self, offset: int, data: bytes) -> None:
        """Keep what was appended last in memory too: whoever follows asks for it right away."""
        start, held = self._newest
        if start + len(held) == offset and len(held) + len(data) <= NEWEST_BYTES:
            start, data = start, held + data
        else:
            start = offset
        self._newest = (start, data if len(data) <= NEWEST_BYTES else b"")

    def publish(self, count: int) -> None:
        """Make the first `count` events playable and wake whoever waits. Called by the builder's thread."""
        self.count = count
        self.shown = max(self.shown, min(self.settled, count))
        self._wake()

    def settle(self, count: int) -> None:
        """Say that the first `count` events stay as they are; they are shown as soon as they are published."""
        self.settled = count
        shown = max(self.shown, min(count, self.count))
        if shown != self.shown:
            self.shown = shown
            self._wake()

    def show_all(self) -> None:
        """Show those who follow the session what may still change: nothing was written for a while."""
        self.shown = self.count
        self._wake()

    def note_bad(self, lines: list[int], count: int, *, truncated: bool) -> None:
        """Say how many bad records were met, and where; and whether the session stops in a half-written one."""
        met_more = count != self.skipped_count
        self.truncated, self.skipped_lines, self.skipped_count = truncated, lines, count
        if met_more:
            self._wake()

    def supersede(self) -> None:
        """Say that the session's files hold something else by now. What was read of them can still be played."""
        self.superseded = True
        self._wake()

    def fail(self, failure: ArchiveError) -> None:
        """Say that the reading stopped for good."""
        self.failure = failure
        self._wake()

    def adopt(self, folder: Path, header: dict[str, Any]) -> None:
        """Take the finished files in place of what was collected in memory. They may be deleted afterwards."""
        for name, typecode in TABLES.items():
            setattr(self, name, _map_table(folder / name, typecode))
        self._markers = _map_table(folder / MARKERS_FILE, "B")
        self.truncated = header["truncated"]
        self.skipped_count = header["skipped_count"]
        self.skipped_lines = header["skipped_lines"]
        if self._events_fd < 0:
            self._events_fd = os.open(folder / EVENTS_FILE, os.O_RDONLY | os.O_CLOEXEC)
        self.settled = header["settled"]
        self.shown = max(self.shown, header.get("shown", self.settled))
        self.count = header["count"]
        self.complete = True  # only now that `count` is the last one
        self._wake()

    def thaw(self, tail_fd: int) -> tuple[dict[str, array[int]], bytearray]:
        """Take the tables back into memory, to be appended to, and the markers. New events' bytes go to `tail_fd`,
        which the index now owns."""
        tables = {name: _copy(typecode, getattr(self, name)) for name, typecode in TABLES.items()}
        markers = bytearray(self._markers)
        self._take_tail(tables, markers, tail_fd)
        return tables, markers

    def fork(self, count: int, tail_fd: int) -> tuple[SessionIndex, dict[str, array[int]], bytearray]:
        """Another index that has the first `count` of these events and can be appended to, with its tables and markers.

        This one stays as it is. It must not have been appended to itself.
        """
        fork = SessionIndex(self.session, self.epoch, meta=self.meta)
        tables = {name: _copy(typecode, getattr(self, name)) for name, typecode in TABLES.items()}
        for name in ("times", "ids", "reading"):
            del tables[name][count:]
        for name in ("turns", "tools", "errors"):
            del tables[name][bisect_left(tables[name], count) :]
        del tables["offsets"][count + 1 :]
        last = tables["times"][-1] if count else 0
        del tables["gaps"][2 * bisect_right(tables["gaps"][1::2], last) :]
        markers = [marker for marker in orjson.loads(b"[%b]" % bytes(self._markers)) if marker["seq"] < count]
        fork.source_bytes, fork.settled, fork.shown = self.source_bytes, count, min(self.shown, count)
        fork.attach(os.dup(self._events_fd))
        fork.count = count
        kept = bytearray(orjson.dumps(markers)[1:-1])
        fork._take_tail(tables, kept, tail_fd)
        fork.complete = True
        return fork, tables, kept

    def _take_tail(self, tables: dict[str, array[int]], markers: bytearray, tail_fd: int) -> None:
        for name, table in tables.items():
            setattr(self, name, table)
        self._markers = markers
        self._tail_fd = tail_fd
        self._tail_start = tables["offsets"][self.count]  # last: it sends readers to the second file

    def attach(self, events_fd: int) -> None:
        """Read events from this file, which the index now owns."""
        self._events_fd = events_fd

    def _wake(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, {}
        for future, loop in waiters.items():
            with suppress(RuntimeError):  # its loop was closed: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, future)
        for listener in tuple(self._listeners):
            listener()

    def _resolve(self, future: asyncio.Future[None]) -> None:
        future.remove_done_callback(self._forget)  # it was forgotten already
        if not future.done():
            future.set_result(None)


def read_fully(fd: int, buffer: memoryview, offset: int) -> None:
    """Fill `buffer` from a file of events. Blocks.

    Raises:
        ArchiveError: it cannot be read, or ends before that.
    """
    done = 0
    while done < len(buffer):
        try:
            got = os.preadv(fd, [buffer[done:]], offset + done)
        except OSError as problem:
            raise ArchiveError("the session's cache cannot be read", str(problem)) from problem
        if not got:
            raise ArchiveError("the session's cache ends too early")
        done += got


def _copy(typecode: TableType, table: Sequence[int]) -> array[int]:
    copied = array(typecode)
    if len(table):
        with memoryview(table) as view:  # type: ignore[arg-type]  # an array, or already a view of one
            copied.frombytes(view.cast("B"))
    return copied


def hash_id(event_id: str) -> int:
    """The number that an event's id is looked up by; two ids may share one."""
    return zlib.crc32(event_id.encode("utf-8", "replace"))


def _map_table(path: Path, typecode: TableType) -> Any:
    """A table of fixed-width numbers, mapped: only what is looked at is ever read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return array(typecode)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)).cast(typecode)
