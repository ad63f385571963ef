"""The formats that Scrollcast reads, each in a file of its own: lines in, records out.

`readers.READERS` is the table of them, asked in order; the first reader that claims a file owns it. Readers run in
worker threads and processes; they never touch the loop, never hold a whole file of lines, and never follow a path that
a log names out of the session's own folder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias
from uuid import UUID

from scrollcast.archive.storage import Line, read_lines
from scrollcast.model import BadRecord, Record, Session

__all__ = ["Decoder", "FormatReader", "Item", "Revised", "SessionSource", "SniffedFile"]


@dataclass(frozen=True, slots=True)
class SniffedFile:
    """The beginning of a file, for `FormatReader.claims`.

    `head` is at most the first 64 KiB (more where the first line is longer), without a UTF-8 byte order mark; of a zstd
    file it is the beginning of what it unpacks to. `lines` are its whole lines, at most 256.
    """

    path: Path
    head: bytes
    lines: tuple[bytes, ...]
    size: int


@dataclass(frozen=True, slots=True)
class SessionSource:
    """Where one session lies.

    `path` is the file or folder that holds the session, and `member` names it in a file that holds several; `root` is
    the folder that was opened, which nothing that is read for this session may lie outside of.
    """

    scroll_id: UUID
    reader: FormatReader
    path: Path
    root: Path
    member: str = ""


@dataclass(frozen=True, slots=True)
class Revised:
    """What a `Decoder` gives when a line changes records that it gave before: they have to be read anew."""


Item: TypeAlias = Record | BadRecord
"""What a session is read as."""


class Decoder(Protocol):
    """Turns the lines of a file that grows at its end into records, one line after the other.

    A record that was given stays as it is, whatever line comes later (or `Revised` says that it did not): whoever
    follows a session while it is written has it already.
    """

    def feed(self, line: Line) -> Iterable[Item | Revised]:
        """The records that are complete with this line. It may be blank, broken or no object."""
        ...

    def pending(self) -> Iterable[Item]:
        """What is held back for later lines, as it would be if none came. Changes nothing, may be asked again."""
        ...


class FormatReader(ABC):
    """A format. All methods may block."""

    name: str
    """As in `claude-code`: part of the derived `scroll_id` of its sessions, so it never changes."""

    @abstractmethod
    def claims(self, file: SniffedFile) -> bool:
        """Whether this file holds sessions of this format. Never raises, whatever stands in it."""

    @abstractmethod
    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The sessions that a claimed file holds; most hold one.

        Raises:
            ArchiveError: the file cannot be looked into.
        """

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """The files to look at in place of everything in and below a folder that is laid out as this format does it.

        `None` where the folder is nothing special: then each file in it is looked at, and each subfolder.
        """
        return None

    def is_companion(self, path: Path) -> bool:
        """Whether a file is one that this tool writes beside its sessions, so that it need not be looked into."""
        return False

    @abstractmethod
    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The files (or folders) whose change changes the session, the one that grows first. Opens none of them."""

    def grows_by_lines(self, source: SessionSource) -> bool:
        """Whether the session is a file that is appended to, not one that is written anew when something is added."""
        return self.files(source)[0].suffix == ".jsonl"

    @abstractmethod
    def summarise(self, source: SessionSource) -> Session:
        """What the catalogue lists, in about a millisecond for a file of 200 KB, and without reading a large one whole.

        `count` is exact for a file of up to 32 KiB; of a larger one it may be an estimate.

        Raises:
            ArchiveError: the session is broken; the catalogue lists it with the reason.
        """

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A decoder for the lines of `files(source)[0]`; `None` where that file is not one that grows by lines.

        It may read the file as it is now beforehand, to know what later lines say of earlier ones.
        """
        return None

    def meta_decoder(self, source: SessionSource) -> Decoder | None:
        """A decoder for the lines of `files(source)[1]`, where the meta events of a file of lines lie apart in it."""
        return None

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """Every record in archive order; with `meta` the meta events that stand among them too.

        Raises:
            ArchiveError: nothing can be read at all (a bad record is a `BadRecord`, not an error).
        """
        decoder = self.decoder(source, meta=meta)
        assert decoder is not None, "a reader without a decoder has its own `records`"
        return decode(decoder, read_lines(self.files(source)[0], source.root))

    def meta_events(self, source: SessionSource) -> Iterator[Item] | None:
        """The meta events that lie apart from the messages, to be merged by time; `None` where they never do."""
        return None


def decode(decoder: Decoder, lines: Iterable[Line]) -> Iterator[Item]:
    """The records of lines to which nothing will be added."""
    for line in lines:
        yield from (item for item in decoder.feed(line) if not isinstance(item, Revised))
    yield from decoder.pending()
