"""A session's records in archive order, each with its time; and those that came since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from heapq import merge
from pathlib import Path
from typing import Protocol, TypeAlias

from scrollcast.archive.encoding import EPOCH_START, RecordTimer, SessionClock, TimedRecord
from scrollcast.archive.formats import Decoder, Item, Revised, SessionSource
from scrollcast.archive.growing_file import GrowingFile
from scrollcast.archive.storage import Line
from scrollcast.model import BadRecord, Record, Session

__all__ = ["Intake", "TimedItem", "open_intake"]

TimedItem: TypeAlias = TimedRecord | BadRecord | Revised


class Intake(Protocol):
    """Where a session's records come from."""

    can_grow: bool
    """Whether `pull` can be asked again when the session has grown. What it gives is then to be read to its end."""

    @property
    def half_written(self) -> bool:
        """Whether the session stopped in a record that is not whole, when the tail was last asked for."""
        ...

    def pull(self, *, tail: bool) -> Iterator[TimedItem]:
        """What is there and was not given yet, up to the last whole line; with `tail` a last line without an end too.

        `Revised` where something of it belongs before what was given, or changes it: a line that was given as a tail
        and went on otherwise is such a thing.
        """
        ...

    def pending(self) -> Iterator[TimedItem]:
        """What a reader holds back, as it would be if nothing more came. It comes again out of `pull`, or another."""
        ...

    def has_only_grown(self) -> bool:
        """Whether `pull` can go on where it stopped."""
        ...

    def is_intact(self, spare_bytes: int = 0) -> bool:
        """Whether what was given still stands in the files (`GrowingFile.is_intact`)."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


def open_intake(source: SessionSource, session: Session, *, meta: bool) -> Intake:
    """The intake of a session.

    Raises:
        ArchiveError: the session cannot be read.
    """
    reader = source.reader
    clock = SessionClock(session.created_at or EPOCH_START, synthetic=session.timing == "synthetic")
    decoder = reader.decoder(source, meta=meta)
    if decoder is None:
        return _Whole(reader.records(source, meta=meta), reader.meta_events(source) if meta else None, clock)
    path, *others = reader.files(source)
    messages = _Lines(decoder, path, source.root, RecordTimer(clock))
    apart = reader.meta_decoder(source) if meta else None
    if apart is None:
        return messages
    return _Merged(messages, _Lines(apart, others[0], source.root, RecordTimer(clock, meta_sets_base=True)), clock)


class _Lines:
    """The lines of one file, which may be missing as long as nothing was read of it."""

    can_grow = True

    def __init__(self, decoder: Decoder, path: Path, root: Path, timer: RecordTimer) -> None:
        self._decoder = decoder
        self._path = path
        self._root = root
        self._timer = timer
        self._file: GrowingFile | None = None
        self._given_tail: bytes | None = None  # the unended line that was given already
        self.half_written = False

    def pull(self, *, tail: bool) -> Iterator[TimedItem]:
        """The records of the lines that came since.

        Raises:
            ArchiveError: the file cannot be read.
        """
        self._file = self._file or GrowingFile(self._path, self._root)
        feed, time = self._decoder.feed, self._timer.time
        for line in self._file.lines():
            self.half_written = False
            if self._given_tail is not None:
                given, self._given_tail = self._given_tail, None
                if given == (line.data or b""):
                    continue
                yield Revised()
            for item in feed(line):
                yield time(item) if isinstance(item, Record) else item
        rest = self._file.tail() if tail and self._given_tail is None else None
        if rest is not None:
            yield from self._feed_tail(rest)

    def pull_if_there(self, *, tail: bool) -> Iterator[TimedItem]:
        """The same of a file that may be missing."""
        return self.pull(tail=tail) if self._file or self._path.exists() else iter(())

    def _feed_tail(self, tail: Line) -> Iterator[TimedItem]:
        """The records of an unended line; one that is not whole yet comes again."""
        items = list(self._decoder.feed(tail))
        self.half_written = any(isinstance(item, BadRecord) and item.half_written for item in items)
        if not self.half_written:  # else it comes again when it is whole
            self._given_tail = (tail.data or b"").removesuffix(b"\r")
            yield from _timed(items, self._timer)

    def pending(self) -> Iterator[TimedItem]:
        return _timed(self._decoder.pending(), copy(self._timer))

    def has_only_grown(self) -> bool:
        return self._file is None or self._file.has_only_grown()

    def is_intact(self, spare_bytes: int = 0) -> bool:
        return self._file is None or self._file.is_intact(spare_bytes)

    def close(self) -> None:
        if self._file:
            self._file.close()


class _Merged:
    """Messages and meta events of two files as one sequence by recorded time, messages first where equal."""

    can_grow = True

    def __init__(self, messages: _Lines, meta_events: _Lines, clock: SessionClock) -> None:
        self._messages = messages
        self._meta_events = meta_events
        self._clock = clock
        self._last = (0, False)

    @property
    def half_written(self) -> bool:
        return self._messages.half_written or self._meta_events.half_written

    def pull(self, *, tail: bool) -> Iterator[TimedItem]:
        """What came since, in order."""
        apart = self._meta_events.pull_if_there(tail=tail)
        for item in merge_by_time(self._messages.pull(tail=tail), apart, self._clock):
            if isinstance(item, TimedRecord):
                key = (item.t_ms, item.record.is_meta)
                if key < self._last or (self._clock.base_is_meta and not item.record.is_meta):
                    yield Revised()
                self._last = key
            yield item

    def pending(self) -> Iterator[TimedItem]:
        return merge_by_time(self._messages.pending(), self._meta_events.pending(), self._clock)

    def has_only_grown(self) -> bool:
        return self._messages.has_only_grown() and self._meta_events.has_only_grown()

    def is_intact(self, spare_bytes: int = 0) -> bool:
        return self._messages.is_intact(spare_bytes) and self._meta_events.is_intact(spare_bytes)

    def close(self) -> None:
        self._messages.close()
        self._meta_events.close()


class _Whole:
    """Records that can only be read all at once."""

    can_grow = False
    half_written = False  # where it is so, a `BadRecord` says it

    def __init__(self, messages: Iterator[Item], apart: Iterator[Item] | None, clock: SessionClock) -> None:
        timed = _timed(messages, RecordTimer(clock))
        if apart is not None:
            timed = merge_by_time(timed, _timed(apart, RecordTimer(clock, meta_sets_base=True)), clock)
        self._items = timed

    def pull(self, *, tail: bool) -> Iterator[TimedItem]:
        return self._items

    def pending(self) -> Iterator[TimedItem]:
        return iter(())

    def has_only_grown(self) -> bool:
        return False

    def is_intact(self, spare_bytes: int = 0) -> bool:
        return True

    def close(self) -> None:
        """Nothing is held."""


def _timed(items: Iterable[Item | Revised], timer: RecordTimer) -> Iterator[TimedItem]:
    return (timer.time(item) if isinstance(item, Record) else item for item in items)


def merge_by_time(
    messages: Iterator[TimedItem], meta_events: Iterator[TimedItem], clock: SessionClock
) -> Iterator[TimedItem]:
    """Two timed sequences as one, messages first where equal."""
    # The first message with a time is the base that the meta events are timed by, so it is read before any of them.
    for item in messages:
        yield item
        if clock.base is not None:
            break
    yield from merge(messages, meta_events, key=_merge_key)


def _merge_key(item: TimedItem) -> int:
    return item.t_ms if isinstance(item, TimedRecord) else 0
