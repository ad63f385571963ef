"""Bytes off the disk: confined paths, lines in chunks, JSON that cannot break a later stage.

Everything here blocks and is meant for a worker thread.
"""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scrollcast.errors import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = [
    "MAX_LINE_BYTES",
    "MAX_WHOLE_FILE_BYTES",
    "ZSTD_MAGIC",
    "FileStamp",
    "Line",
    "LineSplitter",
    "confine",
    "decode_json",
    "open_confined",
    "read_head",
    "read_lines",
    "read_whole",
    "stamp",
]

CHUNK_BYTES: Final = 1 << 20
"""Read at once. A larger chunk is no faster and holds more memory."""

HEAD_BYTES: Final = 64 << 10
"""How much of a file is looked at to tell its format (64 KiB, whole lines only)."""

LONG_HEAD_BYTES: Final = 4 << 20
"""The same where the first line does not end within it: a first prompt may hold an image."""

MAX_LINE_BYTES: Final = 64 << 20
"""A longer line is a bad record. Images and compacted histories make lines of several MiB; 64 MiB is what the most
complete reader in the field allows."""

MAX_WHOLE_FILE_BYTES: Final = 256 << 20
"""A session that is one JSON document is decoded whole, which takes several times its size in memory."""

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""What a zstd frame begins with (RFC 8878, 3.1.1)."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells that a file changed, without reading it."""

    size: int
    mtime_ns: int
    inode: int


class Line(NamedTuple):
    """One line of a file: its 1-based number, its bytes without the line end, and whether it had one.

    `data` is `None` for a line over `MAX_LINE_BYTES`.
    """

    number: int
    data: bytes | None
    ended: bool


def confine(path: Path, root: Path) -> Path:
    """`path` with every link resolved.

    Raises:
        ArchiveError: it lies outside `root`, or does not exist.
    """
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError) as problem:  # RuntimeError: a loop of links
        raise ArchiveError("a file of this session is missing or unreadable", str(problem)) from problem
    if not resolved.is_relative_to(root.resolve()):
        raise ArchiveError("a file of this session is a link to outside the archive", f"{path} -> {resolved}")
    return resolved


def open_confined(path: Path, root: Path) -> int:
    """A file descriptor for reading; the caller closes it.

    Raises:
        ArchiveError: as `confine`; also for anything that is no regular file.
    """
    resolved = confine(path, root)
    try:
        fd = os.open(resolved, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as problem:
        raise ArchiveError("a file of this session cannot be read", str(problem)) from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ArchiveError("a file of this session is no regular file", str(path))
    return fd


def stamp(path: Path) -> FileStamp | None:
    """The file's stamp, or `None` when there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def read_head(path: Path, root: Path) -> bytes:
    """At most the first `HEAD_BYTES` of a file (more where its first line is longer), without a byte order mark.

    Of a zstd file it is the beginning of what it unpacks to.
    """
    fd = open_confined(path, root)
    try:
        head = os.pread(fd, HEAD_BYTES, 0)
        if head.startswith(ZSTD_MAGIC):
            head = _unpack_head(head)
        elif b"\n" not in head:
            head = os.pread(fd, LONG_HEAD_BYTES, 0)
        return head.removeprefix(_BYTE_ORDER_MARK)
    finally:
        os.close(fd)


def _unpack_head(packed: bytes) -> bytes:
    try:
        return zstd.ZstdDecompressor().decompress(packed, max_length=HEAD_BYTES)
    except zstd.ZstdError as problem:
        raise ArchiveError("a compressed file of this session is damaged", str(problem)) from problem


def read_lines(path: Path, root: Path) -> Iterator[Line]:
    r"""Every line of a file, blank ones included so that numbers stay right.

    Lines end at `\n` only (JSON allows U+2028 and U+0085 inside a string) and lose one `\r` at their end; a byte order
    mark at the start is dropped. The last line may have no end: `Line.ended` says so. A zstd file is unpacked on the
    way; what is damaged in it ends it there.
    """
    fd = open_confined(path, root)
    splitter = LineSplitter()
    try:
        packed = os.pread(fd, len(ZSTD_MAGIC), 0) == ZSTD_MAGIC
        for chunk in _unpacked(fd) if packed else iter(partial(os.read, fd, CHUNK_BYTES), b""):
            yield from splitter.feed(chunk)
        if (rest := splitter.rest()) is not None:
            yield rest
    finally:
        os.close(fd)


def _unpacked(fd: int) -> Iterator[bytes]:
    """What a zstd file of one or more frames unpacks to, a bounded chunk at a time."""
    with os.fdopen(os.dup(fd), "rb") as packed, zstd.ZstdFile(packed) as file:
        try:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        except (zstd.ZstdError, EOFError):
            return


class LineSplitter:
    """Cuts a file's bytes, given chunk by chunk from its beginning, into lines."""

    def __init__(self) -> None:
        self._number = 1
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._oversized = False
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that end in this chunk. To be read to the end before the next chunk is given."""
        if self._first:
            chunk, self._first = chunk.removeprefix(_BYTE_ORDER_MARK), False
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield self._line(whole[0])
        if b"\r" in chunk or len(chunk) > MAX_LINE_BYTES:
            for piece in whole[1:]:
                yield self._line(piece)
        elif len(whole) > 1:  # nothing is to be looked at in them
            first, self._number = self._number, self._number + len(whole) - 1
            numbers = range(first, self._number)
            yield from map(Line._make, zip(numbers, islice(whole, 1, None), repeat(True), strict=False))
        self._pending_bytes += len(rest)
        if self._pending_bytes > MAX_LINE_BYTES:
            self._pending, self._oversized = [], True
        elif rest:
            self._pending.append(rest)

    def _line(self, piece: bytes) -> Line:
        number = self._number
        self._number += 1
        if self._oversized or self._pending_bytes + len(piece) > MAX_LINE_BYTES:
            data = None
        else:
            data = b"".join((*self._pending, piece)) if self._pending else piece
            data = data[:-1] if data.endswith(b"\r") else data
        self._pending, self._pending_bytes, self._oversized = [], 0, False
        return Line(number, data, ended=True)

    def rest(self) -> Line | None:
        """What stands behind the last line end, as it is now; `None` where nothing does. Changes nothing."""
        if self._oversized:
            return Line(self._number, None, ended=False)
        return Line(self._number, b"".join(self._pending), ended=False) if self._pending else None


def read_whole(path: Path, root: Path, limit: int = MAX_WHOLE_FILE_BYTES) -> bytes:
    """A whole file, without a byte order mark.

    Raises:
        ArchiveError: it is larger than `limit` bytes, or cannot be read.
    """
    fd = open_confined(path, root)
    try:
        with os.fdopen(fd, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as problem:
        raise ArchiveError("a file of this session cannot be read", str(problem)) from problem
    finally:
        os.close(fd)
    if len(data) > limit:
        raise ArchiveError(f"a file of this session is larger than {limit >> 20} MiB")
    return data.removeprefix(_BYTE_ORDER_MARK)


# --------------------------------------------------------------------------------------------------------- JSON


def decode_json(data: bytes) -> Any:
    """One JSON value from untrusted bytes, made of nothing that cannot be encoded again.

    Strict UTF-8 JSON takes the fast way. What real logs hold beside it is mended and not refused: bytes that are no
    UTF-8 and lone surrogates become U+FFFD, `NaN` and numbers too large for a float become null.

    Raises:
        ValueError: it is no JSON, or too deeply nested.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _decode_leniently(data.decode("utf-8", "replace"))


def _decode_leniently(text: str) -> Any:
    try:
        return _mend(json.loads(text, parse_constant=lambda _name: None, parse_int=_parse_int))
    except RecursionError:
        raise ValueError("too deeply nested") from None


def _parse_int(digits: str) -> int | float:
    """A whole number beyond 64 bits is a float, as it is to the fast decoder and to every browser."""
    value = int(digits) if len(digits) <= 20 else float(digits)
    return value if -(2**63) <= value < 2**64 else float(value)


def _mend(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [_mend(item) for item in value]
        case dict():
            return {_mend(name): _mend(item) for name, item in value.items()}
        case _:
            return value
