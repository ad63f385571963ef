"""Writes native sessions for tests, and reads ones that are scripted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from scrollcast.archive.formats import FormatReader, SessionSource, SniffedFile
from scrollcast.archive.formats.native import NativeReader
from scrollcast.archive.storage import read_head
from scrollcast.model import BadRecord, Record, Session

JsonObject: TypeAlias = dict[str, Any]
Line: TypeAlias = Mapping[str, Any] | bytes
"""A record, or the very bytes of a line."""

SCROLL_ID = UUID("0b5e55ed-0000-4000-8000-000000000001")
CONNECTOR_UID = UUID("c0ffee00-0000-4000-8000-000000000002")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """So many seconds after the beginning of every session here, as RFC 3339 text."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message(message_id: str, seconds: float | None = 0.0, role: str = "user", **fields: Any) -> JsonObject:
    """A message's record; its text is its id. `seconds` as in `at`, `None` for no timestamp."""
    return {
        "message_id": message_id,
        "session": str(SCROLL_ID),
        "ts": None if seconds is None else at(seconds),
        "role": role,
        "content_md": message_id,
        "content_parts": None,
        "metadata": None,
        **fields,
    }


def meta_event(event_id: str, seconds: float = 0.0, kind: str = "mode_changed", payload: Any = None) -> JsonObject:
    """A meta event's record."""
    return {"event_id": event_id, "session": str(SCROLL_ID), "ts": at(seconds), "kind": kind, "payload": payload}


def metadata(scroll_id: UUID = SCROLL_ID, **fields: Any) -> JsonObject:
    """A session's metadata."""
    return {
        "scroll_id": str(scroll_id),
        "connector_uid": str(CONNECTOR_UID),
        "native_session_id": "native-1",
        "kind": "AcpConnection",
        "title": "A session",
        "created_at": at(0),
        "parent_scroll_id": None,
        **fields,
    }


def join_lines(lines: Sequence[Line]) -> bytes:
    """A file of these lines, each with its end."""
    return b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)


def write_session(
    root: Path,
    messages: Sequence[Line],
    meta_events: Sequence[Line] | None = None,
    *,
    scroll_id: UUID = SCROLL_ID,
    **fields: Any,
) -> Path:
    """Write a session as a folder under `root`, with further fields of its metadata; gives the folder."""
    folder = root / str(scroll_id)
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(json.dumps(metadata(scroll_id, **fields)))
    (folder / "messages.jsonl").write_bytes(join_lines(messages))
    if meta_events is not None:
        (folder / "meta_events.jsonl").write_bytes(join_lines(meta_events))
    return folder


def write_document(
    root: Path,
    messages: Sequence[Any],
    meta_events: Sequence[Any] | None = None,
    *,
    scroll_id: UUID = SCROLL_ID,
    **fields: Any,
) -> Path:
    """Write a session as one whole file under `root`; gives the file."""
    root.mkdir(parents=True, exist_ok=True)
    document: JsonObject = {"metadata": metadata(scroll_id, **fields), "messages": messages}
    if meta_events is not None:
        document["meta_events"] = meta_events
    path = root / f"{scroll_id}.json"
    path.write_text(json.dumps(document))
    return path


def sniffed(path: Path, root: Path) -> SniffedFile:
    """The beginning of a small file, as the catalogue gives it to a reader."""
    head = read_head(path, root)
    return SniffedFile(path, head, tuple(line for line in head.split(b"\n") if line.strip()), path.stat().st_size)


def native_source(path: Path) -> SessionSource:
    """The source of a native session in a folder or file."""
    found = path / "session.json" if path.is_dir() else path
    (source,) = NativeReader().locate(sniffed(found, path.parent), path.parent)
    return source


GATE_SECONDS = 10.0
"""How long a scripted reader stands at a gate before it gives up, so that no test hangs."""


class ScriptedReader(FormatReader):
    """A reader that gives what it was told: a record or bad record as it is; it waits at a gate, raises an exception.

    Gates and exceptions count only among the messages; `started` counts how often these were read.
    """

    name = "scripted"

    def __init__(self, *script: Record | BadRecord | threading.Event | Exception) -> None:
        self.script = script
        self.started = 0

    def claims(self, file: SniffedFile) -> bool:
        """Nothing is found by it: a test makes its sources."""
        return False

    def locate(self, file: SniffedFile, root: Path) -> tuple[SessionSource, ...]:
        """The file as a session."""
        return (SessionSource(SCROLL_ID, self, file.path, root),)

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The one file."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """A session without a title."""
        return Session(source.scroll_id)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Record | BadRecord]:
        """The script."""
        self.started += 1
        for item in self.script:
            match item:
                case Record() | BadRecord():
                    yield item
                case threading.Event():
                    assert item.wait(GATE_SECONDS), "a gate was never opened"
                case Exception():
                    raise item


def scripted_source(folder: Path, reader: ScriptedReader) -> SessionSource:
    """A session whose file says nothing, and whose reader follows its script."""
    path = folder / "scripted.jsonl"
    path.touch()
    return SessionSource(SCROLL_ID, reader, path, folder)


def records(count: int, start: int = 0, **fields: Any) -> list[Record]:
    """So many messages, a second apart, with the ids `m<number>`."""
    return [
        Record(f"m{number}", at(number), "user", [{"type": "text", "text": f"text {number}"}], **fields)
        for number in range(start, start + count)
    ]
