"""The formats that Scrollcast reads, each in a file of its own: lines in, records out.

A reader is an object with the methods of `FormatReader`. It is asked `claims` in the order of `READERS`; the first
one that says yes owns the file. Readers are plain generators that run in a worker thread; they never touch the loop,
never hold a whole file, and never follow a path that a log names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from scrollcast.model import BadRecord, Record, Session

__all__ = ["FormatReader", "SessionSource", "SniffedFile"]


@dataclass(frozen=True, slots=True)
class SniffedFile:
    """The beginning of a file, for `FormatReader.claims`.

    `head` is at most the first 64 KiB, without a UTF-8 byte order mark; `lines` are its whole lines, at most 256.
    """

    path: Path
    head: bytes
    lines: tuple[bytes, ...]
    size: int


@dataclass(frozen=True, slots=True)
class SessionSource:
    """Where one session lies.

    `path` is the file or folder that is the session; `root` the folder that was opened, which nothing that is read
    for this session may lie outside of.
    """

    scroll_id: UUID
    reader: FormatReader
    path: Path
    root: Path


class FormatReader(Protocol):
    """What a format must offer. All methods may block: they are called in a worker thread."""

    name: str
    """As in `claude-code`: part of the derived `scroll_id` of its sessions, so it never changes."""

    def claims(self, file: SniffedFile) -> bool:
        """Whether this file is a session of this format."""
        ...

    def locate(self, file: SniffedFile, root: Path) -> SessionSource:
        """The session that a claimed file holds."""
        ...

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The files whose change changes the session's events, the one that grows first."""
        ...

    def summarise(self, source: SessionSource) -> Session:
        """What the catalogue lists, without reading a large file whole.

        Raises:
            ArchiveError: the session is broken; the catalogue lists it with the reason.
        """
        ...

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Record | BadRecord]:
        """Every record in archive order; with `meta` the meta events that stand among them too.

        Raises:
            ArchiveError: nothing can be read at all (a bad record is a `BadRecord`, not an error).
        """
        ...

    def meta_events(self, source: SessionSource) -> Iterator[Record | BadRecord] | None:
        """The meta events that lie apart from the messages, to be merged by time; `None` where they never do."""
        ...
