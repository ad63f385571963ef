"""The epoch: a name for the content that a session's sequence numbers belong to.

It stays while the session's file only grows, and changes when anything that was there before did.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.storage import open_confined, stamp

__all__ = ["epoch_after", "epoch_of", "remember_epoch"]

HEAD_BYTES: Final = 64 << 10
"""How much of a first line goes into the first epoch of a session."""

WHOLE_DIGEST_BYTES: Final = 16 << 20
"""Up to this size every byte is compared, which takes some 20 ms."""

SAMPLES: Final = 256
SAMPLE_BYTES: Final = 16 << 10
"""Of a larger file so many pieces, evenly spread from its first byte to its last."""


def epoch_of(source: SessionSource, cache: Path, *, meta: bool = False) -> str:
    """The session's epoch as its file is now.

    Where nothing is remembered of an earlier state it is made of the file's beginning, so that it survives the loss of
    the cache. Of a file that is written anew whenever something is added only the events can tell whether more was:
    whoever has those of the earlier state goes on from its epoch (`epoch_after`). Here it is another one.
    """
    path = source.reader.files(source)[0]
    known = _recall_epoch(source, cache, meta=meta)
    if known is None:
        return _name(source.scroll_id.bytes, source.member.encode(), _first_line(path, source.root))
    if source.reader.grows_by_lines(source):
        if _digest(path, source.root, known["size"]) == known["digest"]:
            return str(known["epoch"])
        return _name(str(known["epoch"]).encode(), _first_line(path, source.root))
    found = stamp(path)
    digest = _digest(path, source.root, found.size if found else 0)
    if found and found.size == known["size"] and digest == known["digest"]:
        return str(known["epoch"])
    return _name(str(known["epoch"]).encode(), str(digest).encode())


def epoch_after(epoch: str, changed: bytes) -> str:
    """The epoch of a session whose events turned out to differ from what they were in `epoch`, from `changed` on."""
    return _name(epoch.encode(), changed)


def remember_epoch(source: SessionSource, epoch: str, cache: Path, *, meta: bool = False) -> None:
    """Note what an epoch stands for, to tell growth from rewriting later."""
    path = source.reader.files(source)[0]
    found = stamp(path)
    size = found.size if found else 0
    if source.reader.grows_by_lines(source):
        size = _whole_lines(path, source.root, size)
    digest = _digest(path, source.root, size) or ""  # it became shorter in this moment: equal to nothing
    note = orjson.dumps({"epoch": epoch, "size": size, "digest": digest})
    place = _epoch_place(source, cache, meta=meta)
    temporary = place.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    temporary.write_bytes(note)
    temporary.replace(place)


def _recall_epoch(source: SessionSource, cache: Path, *, meta: bool) -> dict[str, Any] | None:
    try:
        note = orjson.loads(_epoch_place(source, cache, meta=meta).read_bytes())
    except (OSError, ValueError):
        return None
    match note:
        case {"epoch": str(epoch), "size": int(size), "digest": str(digest)}:
            return {"epoch": epoch, "size": size, "digest": digest}
        case _:
            return None


def _epoch_place(source: SessionSource, cache: Path, *, meta: bool) -> Path:
    return cache / f"{source.scroll_id}.{'meta' if meta else 'messages'}.epoch"


def _first_line(path: Path, root: Path) -> bytes:
    fd = open_confined(path, root)
    try:
        return os.pread(fd, HEAD_BYTES, 0).partition(b"\n")[0]
    finally:
        os.close(fd)


def _name(*parts: bytes) -> str:
    """A short name that follows from what it is made of, so that two readers of one state agree on it."""
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).hexdigest()


def _whole_lines(path: Path, root: Path, size: int) -> int:
    """`size` less a last line that has no end yet, where it is short enough to be told."""
    fd = open_confined(path, root)
    try:
        tail_start = max(0, size - HEAD_BYTES)
        tail = os.pread(fd, size - tail_start, tail_start)
    finally:
        os.close(fd)
    end = tail.rfind(b"\n")
    return tail_start + end + 1 if end >= 0 else size


def _digest(path: Path, root: Path, size: int) -> str | None:
    """The digest of a file's first `size` bytes; `None` when it is shorter.

    Of a large file it is made of samples, and of which file it is: whoever opens it waits for this. A change within
    the same file that keeps every byte in its place and misses every sample is not seen.
    """
    fd = open_confined(path, root)
    digest = hashlib.blake2b(digest_size=16)
    try:
        if os.fstat(fd).st_size < size:
            return None
        if size > WHOLE_DIGEST_BYTES:
            digest.update(str(os.fstat(fd).st_ino).encode())
        for start, length in _samples(size):
            digest.update(os.pread(fd, length, start))
    finally:
        os.close(fd)
    return digest.hexdigest()


def _samples(size: int) -> Iterator[tuple[int, int]]:
    """The places and lengths of what is compared of `size` bytes."""
    if size <= WHOLE_DIGEST_BYTES:
        step = 1 << 20
        yield from ((start, min(step, size - start)) for start in range(0, size, step))
        return
    last = size - SAMPLE_BYTES
    yield from ((last * number // (SAMPLES - 1), SAMPLE_BYTES) for number in range(SAMPLES))
