"""Runs of events compressed once for all who play them, and kept for a while.

A deflate stream may be put together from pieces that each end at a whole byte and refer to nothing outside themselves.
What is a viewer's own in a message is one piece, stored as it is; what is the same for everybody is another, and only
that is worth compressing, and keeping.
"""

from __future__ import annotations

import asyncio
import struct
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from scrollcast.archive.index import SessionIndex
from scrollcast.stream.wire import Envelope

__all__ = ["MAX_PACKED_BYTES", "PackedRuns", "Packing", "pack", "stored"]

LEAST_BYTES: Final = 4 << 10
"""Less is sent as it is: compressing it, and the way to a thread and back, would cost more than is saved."""

MAX_PACKED_BYTES: Final = 4 << 20
"""More, which only a single event can have, is sent as it is: others would wait for a tenth of a second."""

MAX_KEPT_BYTES: Final = 16 << 20
"""Of compressed runs, what holds them included; those that nobody took for the longest time go first."""

_ENTRY_BYTES: Final = 400
"""What a run takes beside its own bytes."""

_LEVEL: Final = 6
"""Of zlib: 64 KiB take 1.5 ms of the thread and become 7 to 15 % smaller than in the 1 ms of level 1."""

_STORED: Final = struct.Struct("<BHH")
_STORED_BLOCK_BYTES: Final = 65_535

_Key: TypeAlias = tuple["weakref.ref[SessionIndex]", int, int]


class PackedRuns:
    """The compressed runs of a process. `made` is how many were compressed. For one event loop; close it at the end."""

    def __init__(self, most_bytes: int = MAX_KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._making: dict[_Key, asyncio.Task[bytes]] = {}
        # One thread: compressing may take one core, and leaves the loop the others.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scrollcast-pack")
        self.kept_bytes = 0
        self.made = 0

    def close(self) -> None:
        """Compress no more."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def takes(size: int) -> bool:
        """Whether so many bytes of events are worth it."""
        return LEAST_BYTES <= size <= MAX_PACKED_BYTES

    async def of(self, index: SessionIndex, start: int, stop: int) -> bytes:
        """What follows the head in the message with a run of events, compressed: of several events those and the end
        of the batch, of a single one its bytes without the first brace.

        Raises:
            ArchiveError: the events cannot be read.
        """
        # By a weak reference, so that an index is let go of as soon as nobody plays from it; what its events are, it
        # never changes.
        key = (weakref.ref(index), start, stop)
        piece = self._kept.get(key)
        if piece is not None:
            self._kept.move_to_end(key)
            return piece
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(self._make(index, start, stop))
            task.add_done_callback(partial(self._keep, key))
        return await asyncio.shield(task)  # others may wait for it who are still there

    async def _make(self, index: SessionIndex, start: int, stop: int) -> bytes:
        data: bytearray | memoryview
        if stop - start > 1:
            runs = index.lay_out((start, stop), b"", Envelope.BATCH_TAIL, lambda _length: b"")
            data = await index.read_runs(runs)
        else:
            (data,) = (await index.read(start, stop)).tails()
        piece = await asyncio.get_running_loop().run_in_executor(self._thread, pack, data)
        self.made += 1
        return piece

    def _keep(self, key: _Key, task: asyncio.Task[bytes]) -> None:
        del self._making[key]
        if task.cancelled() or task.exception() is not None:  # which whoever waits is told
            return
        piece = self._kept[key] = task.result()
        self.kept_bytes += len(piece) + _ENTRY_BYTES
        while self.kept_bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.kept_bytes -= len(oldest) + _ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Packing:
    """How a client that takes compressed messages is sent them: `send` is given a message's head as it is, and what
    `runs` has for the rest. It waits and raises as `Connection.send`."""

    runs: PackedRuns
    send: Callable[[bytes, bytes], Awaitable[None]]


def pack(data: bytes | bytearray | memoryview) -> bytes:
    """The last piece of a message, without what permessage-deflate leaves out at the end (RFC 7692, 7.2.1)."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]


def stored(data: bytes) -> bytes:
    """A piece that holds bytes as they are (RFC 1951, 3.2.4)."""
    blocks: list[bytes] = []
    for start in range(0, len(data), _STORED_BLOCK_BYTES):
        block = data[start : start + _STORED_BLOCK_BYTES]
        blocks += (_STORED.pack(0, len(block), len(block) ^ 0xFFFF), block)
    return b"".join(blocks)
