"""A session's index as it may leave the machine: the same events with their secrets taken out, and lengths to match.

It is an index like any other, so that whatever is cut, counted, searched or exported of it is so after the redaction.
It is made once for all viewers, and goes on where the index that it is made of grows. Its bytes lie in a file without
a name, which goes with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
import weakref
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.archive.encoding import decode_event, describe
from scrollcast.archive.index import SessionIndex, hash_id
from scrollcast.archive.markers import find_labels
from scrollcast.errors import ArchiveError
from scrollcast.model import MarkerKind, Record
from scrollcast.redaction import Redactor

__all__ = ["RedactedIndex"]

READ_BYTES: Final = 256 << 10
"""So much is redacted at a time before it can be played, unless one event alone is larger."""

_OF_PARTS: Final = frozenset((MarkerKind.TURN, MarkerKind.TOOL, MarkerKind.ERROR, MarkerKind.PLAN))
"""The markers whose labels are made of an event's parts."""

log = logging.getLogger(__name__)


class RedactedIndex(SessionIndex):
    """The events of `plain` without secrets. They are made in threads of `threads`; `folder` is for its file.

    `digest` names the rules, and is part of the epoch: what a client has of one redaction is not resumed with another.
    What cannot be redacted fails the index: nothing is ever given as it was for want of something better. So does
    `stopping`, before the next event: a long session takes minutes.
    """

    def __init__(
        self,
        plain: SessionIndex,
        redactor: Redactor,
        threads: Executor,
        folder: Path,
        digest: str,
        stopping: threading.Event,
    ) -> None:
        super().__init__(redactor.session(plain.session), "", meta=plain.meta)
        self.plain = plain
        self._told = plain.session
        self._redactor = redactor
        self._threads = threads
        self._digest = digest
        self._stopping = stopping
        self.epoch = self._epoch()
        self.source_bytes = plain.source_bytes
        self.offsets: array[int] = array("Q", [0])
        self.ids: array[int] = array("I")
        self._changed: set[int] = set()  # the events that had secrets
        self._labelled = (-1, b"[]")
        self._work = threading.Lock()  # held by whoever redacts
        self._is_asked = False
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            self.attach(os.dup(file.fileno()))
        self._stop_listening = _listen(plain, self)
        self.advance_later()

    def advance_later(self) -> None:
        """Let a thread redact what has come."""
        if self._is_asked:
            return
        self._is_asked = True
        with suppress(RuntimeError):  # the server is stopping
            self._threads.submit(_advance, weakref.ref(self))

    def catch_up(self) -> None:
        """Redact what a session that was redacted whole has grown by since; its end would be taken for that of the
        session. Blocks."""
        if self.complete and self.count < self.plain.count:
            self.advance()

    def advance(self) -> None:
        """Come as far as the plain index has. Blocks; whatever goes wrong becomes the `failure`, nothing is raised."""
        with self._work:
            self._is_asked = False
            try:
                while self._take_over():
                    pass
            except ArchiveError as problem:
                self.fail(problem)
            except Exception as problem:
                log.error("session %s cannot be redacted: %s", self.session.scroll_id, type(problem).__name__)
                self.fail(ArchiveError("the session cannot be redacted, and so is not shown", repr(type(problem))))

    def _take_over(self) -> bool:
        """Take over what is new; whether there may be more."""
        plain = self.plain
        seen = plain.openness  # before the rest: what comes after it is noticed the next time
        if plain.failure is not None:
            self.fail(plain.failure)
            return False
        self.tell()
        self.times, self.turns, self.tools, self.errors = plain.times, plain.turns, plain.tools, plain.errors
        self.gaps, self.reading = plain.gaps, plain.reading
        for count in self._redact_to(seen.count):
            self.epoch = self._epoch()
            self.settled = plain.settled
            self.publish(count)
        self.epoch = self._epoch()
        self.truncated = plain.truncated
        self.settle(plain.settled)
        self.shown = min(seen.shown, self.count)
        self.complete = seen.complete
        self.note_bad(plain.skipped_lines, seen.skipped, truncated=plain.truncated)
        if seen.superseded:
            self.supersede()
        self._wake()
        return plain.openness != seen

    def tell(self) -> None:
        """Say of the session what is known of it by now."""
        told = self.plain.session
        if told is not self._told:
            self.session, self._told = self._redactor.session(told), told

    def show_text(self, text: str) -> str:
        """The text without secrets."""
        return self._redactor.text(text)[0]

    def _epoch(self) -> str:
        return f"{self.plain.epoch}-{self._digest}"

    def _redact_to(self, stop: int) -> Iterator[int]:
        """Redact the events before this one, a few at a time: gives how many there are then."""
        plain = self.plain
        while self.count < stop:
            start = self.count
            end = min(plain.fit(start, READ_BYTES), stop)
            first, data = plain.offsets[start], memoryview(plain.read_now(start, end))
            redacted = bytearray()
            ends, ids = array("Q"), array("I")
            base = self.offsets[start]
            for seq in range(start, end):
                if self._stopping.is_set():
                    raise ArchiveError("the server is stopping")
                place = plain.offsets[seq] - first
                own = bytes(data[place : place + plain.size_of(seq, seq + 1) - 1])
                event, secrets = self._redactor.event(own)
                ids.append(self._id(seq, event) if secrets else plain.ids[seq])
                self.redacted += secrets
                redacted += event
                redacted += b","
                ends.append(base + len(redacted))
            self._append(base, bytes(redacted))
            self.offsets += ends
            self.ids += ids
            yield end

    def _id(self, seq: int, event: bytes) -> int:
        self._changed.add(seq)
        value = decode_event(event)["event"]
        return hash_id((value.get("message") or value["meta_event"])["id"])

    def _append(self, offset: int, data: bytes) -> None:
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += os.pwrite(self._events_fd, view[done:], offset + done)
        except OSError as problem:
            raise ArchiveError("the redacted session cannot be kept", str(problem)) from problem
        self.hold(offset, data)

    # ------------------------------------------------------------------------------------------------------ markers

    async def markers(self) -> bytes:
        """As the plain index has them, with labels made of what was left. Waits for the index to be complete."""
        await self.finish()
        return await asyncio.to_thread(self.markers_so_far)

    def markers_so_far(self) -> bytes:
        """The same of the events that are there. Blocks."""
        count, labelled = self._labelled
        if count != self.count:
            count = self.count
            labelled = self._label(self.plain.markers_so_far())
            self._labelled = (count, labelled)
        return labelled

    async def turn_labels(self, start: int, stop: int) -> list[str]:
        """As the plain index has them, made of what was left."""
        markers = await self.markers()
        return await asyncio.to_thread(lambda: list(find_labels(markers[1:-1], "turn", self.turns[start:stop])))

    def _label(self, markers: bytes) -> bytes:
        made: dict[int, dict[str, str]] = {}
        labelled = []
        for marker in orjson.loads(markers):
            seq, kind = marker["seq"], marker["kind"]
            if seq >= self.count:  # read since
                break
            if seq in self._changed and kind in _OF_PARTS:
                if seq not in made:
                    made[seq] = self._labels_of(seq)
                marker["label"] = made[seq].get(kind, "")
            marker["label"] = self._redactor.cut_text(marker["label"])[0]
            labelled.append(marker)
        return orjson.dumps(labelled)

    def _labels_of(self, seq: int) -> dict[str, str]:
        """The labels that an event has by what is left of its parts."""
        message: dict[str, Any] = decode_event(self.read_now(seq, seq + 1)[:-1])["event"].get("message") or {}
        if not message:
            return {}
        role = str((message["metadata"] or {}).get("archived_role", message["role"]))
        _, _, markers, _ = describe(Record(message["id"], None, role, message["content"]))
        return {str(kind): label for kind, label in markers}


def _listen(plain: SessionIndex, redacted: RedactedIndex) -> Callable[[], object]:
    """Let a redacted index follow, as long as there is one."""
    known = weakref.ref(redacted)

    def changed() -> None:
        index = known()
        if index is not None:
            index.advance_later()

    plain.listen(changed)
    finalizer = weakref.finalize(redacted, plain.stop_listening, changed)
    finalizer.atexit = False
    return finalizer


def _advance(known: weakref.ref[RedactedIndex]) -> None:
    index = known()
    if index is not None:
        index.advance()
