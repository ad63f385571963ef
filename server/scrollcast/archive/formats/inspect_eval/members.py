"""The members of an Inspect `.eval` file: a zip whose members may be packed with zstd, or that was cut off.

The standard library lists the members; the unpacking is ours. It has to stop at a limit whatever the directory
says, and Inspect writes zstd members (method 93) of several frames, which `zipfile` reads up to the first one's end.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

from scrollcast.archive.storage import MAX_WHOLE_FILE_BYTES, decode_json, open_confined
from scrollcast.errors import ArchiveError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["FIRST_BYTES", "Members", "first_member", "open_members"]

FIRST_BYTES: Final = b"PK\x03\x04"
"""What a member's local header begins with (APPNOTE.TXT, 4.3.7)."""

_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_END_RECORD: Final = struct.Struct("<4s4H2LH")
_END_BYTES: Final = _END_RECORD.size + 65_535
"""The directory's end record stands in these last bytes: a comment of up to 64 KiB may follow it."""

_IS_ENCRYPTED: Final = 1
_HAS_DESCRIPTOR: Final = 8
"""The sizes stand behind the data, not in the header."""

_ZIP_ZSTANDARD: Final = 93

_MAX_DIRECTORY_BYTES: Final = 32 << 20
"""Listing takes some ten times this in memory; a log of 100 000 samples needs about 10 MiB."""

_MAX_WALKED_MEMBERS: Final = 200_000

_CHUNK_BYTES: Final = 1 << 20

_UNREADABLE: Final = (BadZipFile, NotImplementedError, OSError, OverflowError, ValueError, struct.error)
"""What `ZipFile` raises on a damaged directory."""


@dataclass(frozen=True, slots=True)
class _Member:
    """Where a member's local header lies, how its data are packed, and how long they are packed and unpacked."""

    method: int
    offset: int
    packed_bytes: int
    size: int
    crc: int


class Members:
    """The members of an open file. Of two with the same name the last one counts, as it was written later."""

    def __init__(self, fd: int, members: Mapping[str, _Member]) -> None:
        self._fd = fd
        self._members = members
        self._budget = MAX_WHOLE_FILE_BYTES
        self._folders: dict[str, list[str]] = {}
        for name in members:
            self._folders.setdefault(name.rsplit("/", 2)[0], []).append(name)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> list[str]:
        """All names, in the file's order."""
        return list(self._members)

    def two_below(self, folder: str) -> list[str]:
        """The names of the members that lie in a folder of this folder."""
        return self._folders.get(folder, [])

    def size(self, name: str) -> int:
        """How large a member says it is when unpacked."""
        return self._members[name].size

    def read_json(self, name: str, limit: int = MAX_WHOLE_FILE_BYTES) -> Any:
        """A member's value.

        Raises:
            ArchiveError: it is missing, damaged or no JSON; or it is larger than `limit` bytes, or all that was
                read of this file is larger than `MAX_WHOLE_FILE_BYTES`.
        """
        member = self._members.get(name)
        if member is None:
            raise ArchiveError("the log lacks a part of this sample", name)
        limit = min(limit, self._budget)
        try:
            data = self._unpack(member, limit)
            self._budget -= len(data)
            return decode_json(data)
        except (zlib.error, zstd.ZstdError, EOFError, OSError, ValueError, struct.error) as problem:
            raise ArchiveError("a part of the log is damaged", f"{name}: {problem}") from problem

    def _unpack(self, member: _Member, limit: int) -> bytes:
        unpack = _METHODS.get(member.method)
        if unpack is None:
            raise ArchiveError(f"the log is packed by a method that cannot be read (zip method {member.method})")
        if member.size > limit:
            raise ArchiveError(f"a part of the log is larger than {limit >> 20} MiB")
        data = bytearray()
        for piece in unpack(self._packed(member)):
            data += piece
            if len(data) > limit:
                raise ArchiveError(f"a part of the log is larger than {limit >> 20} MiB")
        if zlib.crc32(data) != member.crc:
            raise ValueError("the checksum is wrong")
        return bytes(data)

    def _packed(self, member: _Member) -> Iterator[bytes]:
        header = _LOCAL_HEADER.unpack(os.pread(self._fd, _LOCAL_HEADER.size, member.offset))
        if header[0] != FIRST_BYTES or header[2] & _IS_ENCRYPTED:
            raise ValueError("no readable local header")
        position, rest = member.offset + _LOCAL_HEADER.size + header[9] + header[10], member.packed_bytes
        while rest > 0 and (chunk := os.pread(self._fd, min(rest, _CHUNK_BYTES), position)):
            yield chunk
            position, rest = position + len(chunk), rest - len(chunk)


@contextmanager
def open_members(path: Path, root: Path) -> Iterator[Members]:
    """The members of a log; of one without a directory (it was cut off), those that are whole.

    Raises:
        ArchiveError: it cannot be read, or nothing in it can be found.
    """
    fd = open_confined(path, root)
    try:
        members = _listed(fd)
        if members is None:
            members = _walked(fd)
        if not members:
            raise ArchiveError("the log was cut off before anything in it was finished")
        yield Members(fd, members)
    finally:
        os.close(fd)


def first_member(head: bytes) -> str:
    """The name of the first member of a zip that begins with `head`; `""` where it is no zip."""
    if not head.startswith(FIRST_BYTES) or len(head) < _LOCAL_HEADER.size:
        return ""
    length = _LOCAL_HEADER.unpack_from(head)[9]
    return head[_LOCAL_HEADER.size :][:length].decode("utf-8", "replace")


def _listed(fd: int) -> dict[str, _Member] | None:
    """What the directory lists; `None` where there is none or it is damaged."""
    _check_directory(fd)
    try:
        with os.fdopen(os.dup(fd), "rb") as file, ZipFile(file) as archive:
            return {
                info.filename: _Member(
                    info.compress_type, info.header_offset, info.compress_size, info.file_size, info.CRC
                )
                for info in archive.infolist()
            }
    except _UNREADABLE:
        return None


def _check_directory(fd: int) -> None:
    """Refuse a directory that would take too much memory to list, before anything reads it."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, _END_BYTES, max(0, size - _END_BYTES))
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or len(tail) - found < _END_RECORD.size:
        return
    directory_bytes = _END_RECORD.unpack_from(tail, found)[5]
    large = tail.rfind(b"PK\x06\x06", 0, found)  # zip64 (APPNOTE.TXT, 4.3.14)
    if directory_bytes == 0xFFFFFFFF and 0 <= large <= len(tail) - 48:
        (directory_bytes,) = struct.unpack_from("<Q", tail, large + 40)
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ArchiveError("the log holds too many parts to be listed", f"a directory of {directory_bytes} bytes")


def _walked(fd: int) -> dict[str, _Member]:
    """The members of a file without a directory, from one local header to the next, as far as they are whole."""
    size, position = os.fstat(fd).st_size, 0
    members: dict[str, _Member] = {}
    while len(members) < _MAX_WALKED_MEMBERS:
        raw = os.pread(fd, _LOCAL_HEADER.size, position)
        if len(raw) < _LOCAL_HEADER.size or not raw.startswith(FIRST_BYTES):
            break
        _, _, flags, method, _, _, crc, packed_bytes, full, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(raw)
        start = position + _LOCAL_HEADER.size
        end = start + name_bytes + extra_bytes + packed_bytes
        if flags & (_HAS_DESCRIPTOR | _IS_ENCRYPTED) or end > size:
            break
        name = os.pread(fd, name_bytes, start).decode("utf-8", "replace")
        members[name] = _Member(method, position, packed_bytes, full, crc)
        position = end
    return members


# -------------------------------------------------------------------------------------------------------- packing

_Unpack: TypeAlias = Callable[[Iterator[bytes]], Iterator[bytes]]
"""Unpacks chunks into pieces of at most `_CHUNK_BYTES`, so that whoever reads them can stop in time."""


def _stored(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return chunks


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for chunk in chunks:
        rest = chunk
        while rest and not unpacker.eof:
            yield unpacker.decompress(rest, _CHUNK_BYTES)
            rest = unpacker.unconsumed_tail
    while not unpacker.eof and (piece := unpacker.decompress(unpacker.unconsumed_tail, _CHUNK_BYTES)):
        yield piece


def _unpacked_frames(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every zstd frame, one behind the other (RFC 8878, 3)."""
    unpacker = zstd.ZstdDecompressor()
    for chunk in chunks:
        rest = chunk
        while rest or not unpacker.needs_input:
            if unpacker.eof:
                rest, unpacker = unpacker.unused_data + rest, zstd.ZstdDecompressor()
                if not rest:
                    break
            yield unpacker.decompress(rest, _CHUNK_BYTES)
            rest = b""
            if unpacker.eof and not unpacker.unused_data:
                break


_METHODS: Final[Mapping[int, _Unpack]] = {
    ZIP_STORED: _stored,
    ZIP_DEFLATED: _inflated,
    _ZIP_ZSTANDARD: _unpacked_frames,
}
