from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from scrollcast import quick_calls
from scrollcast.archive.page_cache import CachedPages, read_cached

PAGE: Final = mmap.PAGESIZE


@contextmanager
def opened(path: Path, data: bytes) -> Iterator[int]:
    """A file of these bytes, which were written just now."""
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def only_where_the_system_can_tell(fd: int) -> None:
    """Skip the test where the first byte of a file that was just written counts as not being there."""
    if not read_cached(fd, [bytearray(1)], 0, 1):
        pytest.skip("this system, or file system, cannot tell what is in its page cache")


@pytest.fixture
def big(tmp_path: Path) -> Iterator[int]:
    """A file of ten pages and a half, in the page cache."""
    with opened(tmp_path / "big", b"x" * (10 * PAGE + PAGE // 2)) as fd:
        only_where_the_system_can_tell(fd)
        yield fd


@pytest.fixture
def pages(big: int) -> CachedPages:
    """Those of it."""
    found = CachedPages.of(big, 0)
    if found is None:
        pytest.skip("this system cannot tell what is in its page cache")
    return found


def test_cached_bytes_are_read_at_once(tmp_path: Path) -> None:
    """What was just written is in the page cache, and is read from there."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDONLY)
    buffers = [bytearray(4), bytearray(2)]
    try:
        only_where_the_system_can_tell(fd)
        hit = read_cached(fd, buffers, 3, 6)
        beyond = read_cached(fd, [bytearray(4)], 8, 4)
    finally:
        os.close(fd)

    assert hit
    assert buffers == [b"3456", b"78"]
    assert not beyond


def _would_block(*_arguments: object) -> int:
    raise BlockingIOError(11, "not in the cache")


def _unsupported(*_arguments: object) -> int:
    raise OSError(95, "not on this file system")


def _broken(*_arguments: object) -> int:
    raise OSError(5, "input/output error")


@pytest.mark.parametrize("preadv", [_would_block, _unsupported, _broken, lambda *_arguments: 2])
def test_miss_is_no_error(monkeypatch: pytest.MonkeyPatch, preadv: Callable[..., int]) -> None:
    """Bytes that are not cached, or only in part, or that cannot be read at all: whoever waits for them learns why."""
    monkeypatch.setattr(os, "preadv", preadv)

    assert not read_cached(0, [bytearray(4)], 0, 4)


def test_system_that_cannot_tell_always_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reading without waiting does not exist, everything is a miss."""
    monkeypatch.delattr(os, "RWF_NOWAIT")

    assert not read_cached(0, [bytearray(4)], 0, 4)


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 1), (0, PAGE), (1, PAGE), (PAGE - 1, 1), (PAGE - 1, 2), (17, 9 * PAGE), (0, 10 * PAGE + 99)],
)
def test_what_was_just_written_is_held(pages: CachedPages, offset: int, size: int) -> None:
    """Wherever it begins and ends."""
    assert pages.hold(offset, size)


def test_what_lies_on_the_disk_alone_is_not(big: int, pages: CachedPages) -> None:
    """Until somebody has read it."""
    forget(big)
    before = pages.hold(0, 10 * PAGE)
    os.pread(big, 10 * PAGE, 0)

    assert not before
    assert pages.hold(0, 10 * PAGE)


def test_what_is_on_its_way_is_not(tmp_path: Path) -> None:
    """Whoever reads it would wait for it, as reading without waiting shows."""
    size = 64 << 20
    with opened(tmp_path / "large", b"x" * size) as fd:
        only_where_the_system_can_tell(fd)
        pages = CachedPages.of(fd, 0)
        forget(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
        ranges = range(0, size, 256 << 10)
        held = [pages is not None and pages.hold(offset, 256 << 10) for offset in ranges]
        read = [read_cached(fd, [bytearray(256 << 10)], offset, 256 << 10) for offset in ranges]

    assert not [offset for offset, told, there in zip(ranges, held, read, strict=True) if told and not there]


def forget(fd: int) -> None:
    """Have a file on the disk alone."""
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    if read_cached(fd, [bytearray(1)], 0, 1):
        pytest.skip("this file system keeps its files in memory")


def test_what_is_added_is_not(tmp_path: Path, big: int, pages: CachedPages) -> None:
    """Nor what lies behind the end."""
    assert not pages.hold(10 * PAGE, 2 * PAGE)
    with (tmp_path / "big").open("ab") as file:
        file.write(b"x" * 2 * PAGE)

    assert os.fstat(big).st_size > 12 * PAGE
    assert not pages.hold(10 * PAGE, 2 * PAGE)
    assert pages.hold(0, 10 * PAGE)


def test_there_are_no_pages_where_nobody_can_tell(
    tmp_path: Path, big: int, pages: CachedPages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another system, a file system that cannot read without waiting, a file that cannot be mapped, an empty one."""
    with opened(tmp_path / "empty", b"") as fd:
        assert CachedPages.of(fd, 0) is None
    with monkeypatch.context() as patch:
        patch.setattr(quick_calls, "are_there", False)
        assert CachedPages.of(big, 0) is None
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", _unsupported)
        assert CachedPages.of(big, 0) is None
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda _fd: os.stat_result((0,) * 10))
        assert CachedPages.of(big, 0) is None
    with monkeypatch.context() as patch:
        patch.setattr(quick_calls, "is_resident", lambda *_given: False)
        assert not pages.hold(0, 1)
