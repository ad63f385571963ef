"""Scrollcast's own archive: a folder a session, or one whole JSON file (`docs/formats.md`, Native)."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile, decode
from scrollcast.archive.native_records import MESSAGES_FILE, META_EVENTS_FILE, METADATA_FILE, SESSION_FIELDS
from scrollcast.archive.storage import Line, decode_json, open_confined, read_lines, read_whole
from scrollcast.archive.timestamps import Instant, format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Part, Record, Session, derive_scroll_id, parse_parts

__all__ = ["NativeReader", "message_of", "meta_event_of", "session_of", "uuid_of"]

_EXACT_SUMMARY_BYTES: Final = 8 << 20
"""Up to this size a summary counts records by reading them all; it takes some 20 ms."""

_SAMPLE_BYTES: Final = 256 << 10
"""How much of the beginning and of the end of a larger file is read for an estimate."""


class NativeReader(FormatReader):
    """Reads `<scroll_id>/session.json` + `messages.jsonl` (+ `meta_events.jsonl`), and `<scroll_id>.json`."""

    name = "native"

    def claims(self, file: SniffedFile) -> bool:
        """A `session.json`; or a JSON file that begins with a `metadata` object, or is named by a UUID."""
        if file.path.name == METADATA_FILE:
            return True
        if file.path.suffix != ".json":
            return False
        if file.head.lstrip()[:40].startswith(b'{"metadata"'):
            return True
        return uuid_of(file.path.stem) is not None and _may_be_whole_session(file)

    def candidates(self, folder: Path, subfolders: Collection[str], names: Collection[str]) -> list[Path] | None:
        """The metadata alone, in a folder that is a session."""
        return [folder / METADATA_FILE] if METADATA_FILE in names else None

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The session by the id in its metadata; a broken one by its name."""
        path = file.path.parent if file.path.name == METADATA_FILE else file.path
        return (SessionSource(self._scroll_id(file, path, root), self, path, root),)

    def _scroll_id(self, file: SniffedFile, path: Path, root: Path) -> UUID:
        try:
            metadata = _metadata(path, root)
        except ArchiveError:
            metadata = {}
        return uuid_of(metadata.get("scroll_id")) or uuid_of(path.stem) or derive_scroll_id(self.name, path.name)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The whole file; or the messages, the meta events and the metadata (routing is made of it)."""
        if source.path.is_dir():
            return tuple(source.path / name for name in (MESSAGES_FILE, META_EVENTS_FILE, METADATA_FILE))
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """From the metadata, and from the messages' number and times."""
        document = _whole_document(source.path, source.root) if not source.path.is_dir() else None
        metadata = document["metadata"] if document else _metadata(source.path, source.root)
        if document:
            extent = _extent_of(_record_timestamps(document["messages"]))
        else:
            extent = _messages_extent(source.path / MESSAGES_FILE, source.root)
        count, first, last = extent
        return session_of(source.scroll_id, metadata, count, first, last)

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A record a line; `None` for the shape that is one document."""
        return _LineDecoder(message_of) if source.path.is_dir() else None

    def meta_decoder(self, source: SessionSource) -> Decoder | None:
        """A meta event a line; `None` for the shape that is one document."""
        return _LineDecoder(meta_event_of) if source.path.is_dir() else None

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """The messages in archive order; meta events lie apart."""
        if source.path.is_dir():
            return super().records(source, meta=meta)
        return _records_of_list(_whole_document(source.path, source.root)["messages"], message_of)

    def meta_events(self, source: SessionSource) -> Iterator[Item]:
        """The meta events in archive order; none where there is no file of them."""
        if not source.path.is_dir():
            events = _whole_document(source.path, source.root).get("meta_events")
            yield from _records_of_list(events if isinstance(events, list) else [], meta_event_of)
        elif (source.path / META_EVENTS_FILE).exists():
            yield from decode(_LineDecoder(meta_event_of), read_lines(source.path / META_EVENTS_FILE, source.root))


def _may_be_whole_session(file: SniffedFile) -> bool:
    """Whether a file with our kind of name is one of ours, if a broken one: other tools name documents by UUIDs too."""
    if file.size > len(file.head) + 3:  # a byte order mark was taken off
        return b'"metadata"' in file.head or b'"content_md"' in file.head
    try:
        document = decode_json(file.head)
    except ValueError:
        return True
    if isinstance(document, dict):
        return not document or "metadata" in document
    return not (isinstance(document, list) and document)


# ----------------------------------------------------------------------------------------------------- metadata


def uuid_of(value: object) -> UUID | None:
    """The id that a field holds, if it is one."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _metadata(path: Path, root: Path) -> dict[str, Any]:
    """The metadata of a session folder or whole file."""
    if not path.is_dir():
        metadata = _whole_document(path, root)["metadata"]
        return metadata if isinstance(metadata, dict) else {}
    return _decode_object(read_whole(path / METADATA_FILE, root), METADATA_FILE)


def _whole_document(path: Path, root: Path) -> dict[str, Any]:
    document = _decode_object(read_whole(path, root), "the session's file")
    if not isinstance(document.get("metadata"), dict):
        raise ArchiveError("the session's file has no metadata object")
    if not isinstance(document.get("messages"), list):
        raise ArchiveError("the session's file has no list of messages")
    return document


def _decode_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = decode_json(data)
    except ValueError as problem:
        raise ArchiveError(f"{what} is not valid JSON", str(problem)) from problem
    if not isinstance(value, dict):
        raise ArchiveError(f"{what} is no JSON object")
    return value


def session_of(
    scroll_id: UUID, metadata: dict[str, Any], count: int, first: Instant | None, last: Instant | None
) -> Session:
    """A session by its metadata, the number of its messages, and the first and the latest time among them."""
    created = parse_instant(metadata.get("created_at"))
    created = first if created is None else created
    updated = parse_instant(metadata.get("updated_at"))
    updated = updated if updated is not None else (created if last is None else last)
    return Session(
        scroll_id=scroll_id,
        title=_text(metadata.get("title")) or "",
        agent=_text(metadata.get("agent")),
        model=_text(metadata.get("model")),
        project=_text(metadata.get("project")),
        kind=_text(metadata.get("kind")),
        native_session_id=_text(metadata.get("native_session_id")),
        connector_uid=uuid_of(metadata.get("connector_uid")),
        parent_scroll_id=uuid_of(metadata.get("parent_scroll_id")),
        parent_call_id=_text(metadata.get("parent_call_id")),
        created_at=None if created is None else format_instant(created),
        updated_at=None if updated is None else format_instant(updated),
        count=count,
        duration_ms=0 if first is None or last is None else max(0, (last - first) // 1000),
        timing="synthetic" if metadata.get("timing") == "synthetic" else "recorded",
        metadata={name: value for name, value in metadata.items() if name not in SESSION_FIELDS},
    )


# ------------------------------------------------------------------------------------------------------- extent

_Extent: TypeAlias = tuple[int, Instant | None, Instant | None]
"""How many records there are, and the first and the latest time among them."""


def _messages_extent(path: Path, root: Path) -> _Extent:
    if not path.exists():
        raise ArchiveError(f"{MESSAGES_FILE} is missing")
    size = path.stat().st_size
    if size <= _EXACT_SUMMARY_BYTES:
        return _extent_of(_line_timestamps(path, root))
    return _estimate_extent(path, root, size)


def _extent_of(timestamps: Iterator[object]) -> _Extent:
    count, first, last = 0, None, None
    for timestamp in timestamps:
        count += 1
        instant = parse_instant(timestamp)
        if instant is not None:
            first = instant if first is None else first
            last = instant if last is None else max(last, instant)
    return count, first, last


def _line_timestamps(path: Path, root: Path) -> Iterator[object]:
    for item in decode(_LineDecoder(message_of), read_lines(path, root)):
        if isinstance(item, Record):
            yield item.timestamp


def _record_timestamps(values: list[object]) -> Iterator[object]:
    for item in _records_of_list(values, message_of):
        if isinstance(item, Record):
            yield item.timestamp


def _estimate_extent(path: Path, root: Path, size: int) -> _Extent:
    """From the beginning and the end of a large file: how long its lines are, and the first and the last time."""
    fd = open_confined(path, root)
    try:
        head = os.pread(fd, _SAMPLE_BYTES, 0)
        tail = os.pread(fd, _SAMPLE_BYTES, size - _SAMPLE_BYTES)
    finally:
        os.close(fd)
    # A line that the sample cuts is no whole one.
    lines = head.split(b"\n")[:-1] + tail.split(b"\n")[1:]
    records = (_decode_record(line, message_of) for line in lines if line.strip())
    known, first, last = _extent_of(record.timestamp for record in records if record)
    return round(size * known / max(1, sum(len(line) + 1 for line in lines))), first, last


# ------------------------------------------------------------------------------------------------------ records


_Build: TypeAlias = Callable[[dict[str, Any], int], Record]
"""Makes a record of a JSON object and its 1-based place in the file."""


def message_of(value: dict[str, Any], place: int) -> Record:
    """The record of a message; `place` is where it stands, from 1 on."""
    metadata = value.get("metadata")
    return Record(
        id=_text(value.get("message_id")) or f"record-{place}",
        timestamp=value.get("ts"),
        role=_text(value.get("role")) or "user",
        content=_content(value),
        metadata=metadata if isinstance(metadata, dict) else None,
    )


def _content(value: dict[str, Any]) -> list[Part]:
    """The structured parts when all of them parse, else one text part made of the markdown."""
    parts = parse_parts(value.get("content_parts"))
    return [{"type": "text", "text": _text(value.get("content_md")) or ""}] if parts is None else parts


def meta_event_of(value: dict[str, Any], place: int) -> Record:
    """The record of a meta event; `place` is where it stands, from 1 on."""
    return Record(
        id=_text(value.get("event_id")) or f"meta-{place}",
        timestamp=value.get("ts"),
        kind=_text(value.get("kind")) or "unknown",
        payload=value.get("payload"),
    )


def _records_of_list(values: list[object], build: _Build) -> Iterator[Item]:
    for place, value in enumerate(values, 1):
        yield build(value, place) if isinstance(value, dict) else BadRecord(None)


class _LineDecoder:
    """A record a line, each by itself."""

    def __init__(self, build: _Build) -> None:
        self._build = build

    def feed(self, line: Line) -> Iterable[Item]:
        number, data, ended = line
        if data is not None and (not data or data.isspace()):
            return ()
        record = None if data is None else _decode_record(data, self._build, number)
        return (record or BadRecord(number, half_written=not ended),)

    def pending(self) -> Iterable[Item]:
        return ()


def _decode_record(data: bytes, build: _Build, place: int = 0) -> Record | None:
    try:
        value = decode_json(data)
    except ValueError:
        return None
    return build(value, place) if isinstance(value, dict) else None
