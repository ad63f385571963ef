"""Events that are asked for often, one at a time, in memory.

Each event of a viewer in realtime is read by itself, by a system call even where it is in the page cache. Where many
watch a session the same events are read again and again. What only one viewer reads, once, is not kept.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from scrollcast.archive.index import SessionIndex

__all__ = ["MAX_BYTES", "RUN_EVENTS", "HotEvents"]

RUN_EVENTS: Final = 32
"""So many are kept together, from a multiple of it on: whoever asked for one of them will ask for the next."""

MAX_BYTES: Final = 24 << 20
"""How much is kept in all, some 20,000 ordinary events. What was kept first goes first."""

HORIZON: Final = 4096
"""A run is kept when one of its events is read once more while at most so many others were."""

_LONGEST_RUN_BYTES: Final = 256 << 10


class HotEvents:
    """What is kept of all indexes of a process: each has its own events, by their number, in its `hot`."""

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self.bytes = 0
        self.most_bytes = most_bytes
        self._asked: set[tuple[int, int]] = set()  # indexes and numbers of the events that were read lately
        self._kept: deque[tuple[weakref.ref[SessionIndex], int, int]] = deque()
        self._lock = threading.Lock()

    def note(self, index: SessionIndex, seq: int) -> None:
        """An event was read by itself: keep its run, should it not be the first time, and the run whole and cached."""
        asked, key = self._asked, (id(index), seq)
        if key in asked:
            asked.discard(key)
            self._keep(index, seq // RUN_EVENTS * RUN_EVENTS)
            return
        if len(asked) >= HORIZON:
            asked.clear()
        asked.add(key)

    def _keep(self, index: SessionIndex, start: int) -> None:
        stop = start + RUN_EVENTS
        if stop > index.count or index.size_of(start, stop) > _LONGEST_RUN_BYTES:
            return
        tails = index.read_tails_at_once(start, stop)
        if tails is None:
            return
        with self._lock:
            if start in index.hot:
                return
            index.hot.update(zip(range(start, stop), tails, strict=True))
            size = index.size_of(start, stop)
            self._kept.append((weakref.ref(index), start, size))
            self.bytes += size
            while self.bytes > self.most_bytes:
                other, start, size = self._kept.popleft()
                self.bytes -= size
                if (gone := other()) is not None:
                    for seq in range(start, start + RUN_EVENTS):
                        del gone.hot[seq]
