from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from archive.test_index import built
from archives import records
from scrollcast.archive.index import SessionIndex
from scrollcast.errors import ArchiveError
from scrollcast.stream import packed_runs
from scrollcast.stream.packed_runs import PackedRuns, pack, stored


def inflated(*pieces: bytes) -> bytes:
    """What a client makes of them (RFC 7692, 7.2.2)."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    data = unpacker.decompress(b"".join(pieces) + b"\0\0\xff\xff")
    assert not unpacker.unused_data
    return data


@pytest.fixture
async def index(tmp_path: Path) -> SessionIndex:
    """The index of a session of 40 messages."""
    return await asyncio.to_thread(built, tmp_path, *records(40))


@asynccontextmanager
async def runs_of(*bound: int) -> AsyncIterator[PackedRuns]:
    """Runs that are closed at the end, which waits for their thread."""
    runs = PackedRuns(*bound)
    try:
        yield runs
    finally:
        await asyncio.to_thread(runs.close)


@pytest.mark.parametrize("size", [0, 1, 300, 65_535, 65_536, 200_000])
def test_a_head_as_it_is_and_a_packed_rest_are_one_message(size: int) -> None:
    """Of any length."""
    head, rest = b"head " * (size // 5), b"rest" * 1000

    assert inflated(stored(head), pack(rest)) == head + rest


async def test_it_is_what_follows_the_head(index: SessionIndex) -> None:
    """Of a batch its events and its end, of a single event all but the brace that the head begins with."""
    async with runs_of() as runs:
        several, single = await runs.of(index, 3, 9), await runs.of(index, 3, 4)

    assert inflated(several) == bytes((await index.read(3, 9)).run()) + b"]}"
    assert inflated(single) == bytes((await index.read(3, 4)).event(3))[1:]


async def test_those_that_were_taken_last_are_kept(index: SessionIndex) -> None:
    """As many as the bound leaves room for."""
    async with runs_of() as runs:
        await runs.of(index, 10, 11)
        one = runs.kept_bytes
    made = []
    async with runs_of(int(3.5 * one)) as runs:
        for seq in (10, 11, 12, 10, 13, 10, 12, 13, 11):
            await runs.of(index, seq, seq + 1)
            made.append(runs.made)
            assert runs.kept_bytes <= 3.5 * one

    assert made == [1, 2, 3, 3, 4, 4, 4, 4, 5]


async def test_what_is_larger_than_the_bound_is_not_kept(index: SessionIndex) -> None:
    """It is given to whoever waits."""
    async with runs_of(10) as runs:
        piece = await runs.of(index, 0, 9)

    assert inflated(piece).endswith(b"]}")
    assert runs.kept_bytes == 0


async def test_those_who_wait_for_the_same_run_get_it_though_one_of_them_leaves(
    index: SessionIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compressed once, and by a thread, while the loop goes on."""
    go_on = threading.Event()

    def waiting(data: Any) -> bytes:
        assert go_on.wait(10)
        return pack(data)

    monkeypatch.setattr(packed_runs, "pack", waiting)
    async with runs_of() as runs:
        first, *others = [asyncio.create_task(runs.of(index, 0, 9)) for _ in range(5)]
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        go_on.set()
        pieces = await asyncio.gather(*others)

    assert first.cancelled()
    assert runs.made == 1
    assert len(set(pieces)) == 1


async def test_one_run_is_compressed_at_a_time(index: SessionIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait: it may take one core, and no more."""
    at_once = most = 0

    def slowly(data: Any) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(0.005)
        at_once -= 1
        return pack(data)

    monkeypatch.setattr(packed_runs, "pack", slowly)
    async with runs_of() as runs:
        await asyncio.gather(*(runs.of(index, seq, seq + 1) for seq in range(8)))

    assert (most, runs.made) == (1, 8)


async def test_a_failure_is_told_and_not_kept(index: SessionIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody who waits is told; whoever comes later may have more luck."""

    async def failing(*_given: object) -> bytearray:
        await asyncio.sleep(0)
        raise ArchiveError("the disk is gone")

    async with runs_of() as runs:
        with monkeypatch.context() as patch:
            patch.setattr(index, "read_runs", failing)
            told = await asyncio.gather(*(runs.of(index, 0, 9) for _ in range(3)), return_exceptions=True)
        piece = await runs.of(index, 0, 9)

    assert [type(each) for each in told] == [ArchiveError] * 3
    assert inflated(piece).endswith(b"]}")


async def test_an_index_is_let_go_of(tmp_path: Path) -> None:
    """Though what was compressed of it is kept: it holds files open."""
    index = await asyncio.to_thread(built, tmp_path, *records(1))
    async with runs_of() as runs:
        await runs.of(index, 0, 1)
        gone = weakref.ref(index)
        del index
        gc.collect()

        assert gone() is None
        assert runs.kept_bytes > 0
