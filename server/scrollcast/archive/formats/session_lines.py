"""A session of the native archive in one file of lines, as `scrollcast export` writes it (`docs/formats.md`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile
from scrollcast.archive.formats.edge_lines import extent_of_lines
from scrollcast.archive.formats.json_values import JsonObject, decode_object, mapping, row_of
from scrollcast.archive.formats.native import message_of, meta_event_of, session_of, uuid_of
from scrollcast.archive.native_records import LINES_SIGN
from scrollcast.archive.storage import Line, read_head
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Session, derive_scroll_id

__all__ = ["SessionLinesReader"]


class SessionLinesReader(FormatReader):
    """Reads files whose first line is `{"scrollcast":1,"metadata":{…}}` and whose others are records."""

    name = "native-lines"

    def claims(self, file: SniffedFile) -> bool:
        """Whether the first line says so."""
        return file.head.lstrip()[:40].startswith(b'{"scrollcast"') and _heads(file.lines[:1]) is not None

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session by the id in its first line; without one by the file's name."""
        metadata = _heads(file.lines[:1]) or {}
        scroll_id = uuid_of(metadata.get("scroll_id")) or derive_scroll_id(self.name, file.path.name)
        return (SessionSource(scroll_id, self, file.path, root),)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The file alone."""
        return (source.path,)

    def grows_by_lines(self, source: SessionSource) -> bool:
        """Whatever its name ends with."""
        return True

    def summarise(self, source: SessionSource) -> Session:
        """From the first line, and from the records at both ends of a large file."""
        metadata = _heads(read_head(source.path, source.root).split(b"\n", 1)[:1])
        if metadata is None:
            raise ArchiveError("the first line of the session's file is no metadata")
        extent = extent_of_lines(_Records(meta=False), source.path, source.root)
        session = session_of(source.scroll_id, metadata, extent.count, extent.first, extent.last)
        timing = extent.timing if session.timing == "recorded" else session.timing
        return replace(session, timing=timing, has_errors=extent.has_errors)

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder:
        """A record a line, behind the first."""
        return _Records(meta=meta)


def _heads(lines: Iterable[bytes]) -> JsonObject | None:
    """The metadata that the first line holds."""
    for line in lines:
        row = decode_object(line)
        return mapping(row.get("metadata")) if row is not None and LINES_SIGN in row else None
    return None


class _Records:
    """Each line by itself, so nothing is held back."""

    def __init__(self, *, meta: bool) -> None:
        self._meta = meta

    def feed(self, line: Line) -> Iterable[Item]:
        row = row_of(line)
        if row is None or isinstance(row, BadRecord):
            return () if row is None else (row,)
        if LINES_SIGN in row:
            return ()
        if "event_id" in row:
            return (meta_event_of(row, line.number),) if self._meta else ()
        return (message_of(row, line.number),)

    def pending(self) -> Iterable[Item]:
        return ()
