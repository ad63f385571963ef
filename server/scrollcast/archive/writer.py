"""`ArchiveWriter`: leaves a session in a native archive, record by record, for any program that runs an agent.

A record can be read, and is sent to whoever follows the session, as soon as the call that wrote it returns.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack
from uuid import UUID, uuid4

import orjson

from scrollcast.archive.line_file import ONLY_OWNER, LineFile
from scrollcast.archive.native_records import (
    MESSAGES_FILE,
    META_EVENTS_FILE,
    METADATA_FILE,
    encode_line,
    record_object,
)
from scrollcast.archive.timestamps import parse_instant, to_rfc3339
from scrollcast.errors import ArchiveError, InvalidRecord
from scrollcast.model import Part, Record, Timing, parse_part

__all__ = ["About", "ArchiveWriter", "Sync"]


class Sync(StrEnum):
    """When what was written is made to survive a power cut (`fsync`), which may take milliseconds each time.

    A program that crashes loses nothing of what it wrote in any case.
    """

    RECORD = "record"
    CLOSE = "close"
    NEVER = "never"


class About(TypedDict, total=False):
    """What is told of a session; all of it may be left out.

    `parent_scroll_id` is the session that started this one, by its tool call `parent_call_id`. `timing` is `synthetic`
    where the times are made up. `metadata` is anything else, as JSON.
    """

    title: str
    agent: str | None
    model: str | None
    project: str | None
    kind: str | None
    native_session_id: str | None
    connector_uid: UUID | str | None
    parent_scroll_id: UUID | str | None
    parent_call_id: str | None
    created_at: str
    timing: Timing
    metadata: Mapping[str, Any]


class ArchiveWriter:
    """Writes one session. Make one with `create`, or with `reopen` to go on with one; use it as a context manager.

    Only one writer at a time can have a session. Its methods may be called by several threads; each returns when the
    record is in its file, and writes nothing of a record that is not right. `folder` is where it lies, `scroll_id` what
    it is called.
    """

    def __init__(self, folder: Path, about: dict[str, Any], sync: Sync) -> None:
        self.folder = folder
        self.scroll_id = UUID(about["scroll_id"])
        self._about = about
        self._sync = sync
        self._lock = threading.Lock()
        self._messages = LineFile(folder / MESSAGES_FILE)
        self._meta_events: LineFile | None = None

    @classmethod
    def create(
        cls, archive: Path | str, *, scroll_id: UUID | None = None, sync: Sync = Sync.CLOSE, **about: Unpack[About]
    ) -> Self:
        """Begin a session in a folder of its own under `archive`, which is made where there is none.

        Raises:
            InvalidRecord: what is told of the session cannot be written.
            ArchiveError: there is such a session already, or it cannot be written.
        """
        chosen = scroll_id or uuid4()
        told = {"scroll_id": str(chosen), "created_at": _now(), **_told(about)}
        folder = Path(archive) / str(chosen)
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as problem:
            raise ArchiveError("the session's folder cannot be made", str(problem)) from problem
        writer = cls(folder, told, sync)
        writer._write_about()  # last: by it a folder is known as a session
        return writer

    @classmethod
    def reopen(cls, folder: Path | str, *, sync: Sync = Sync.CLOSE) -> Self:
        """Go on with a session that was written before, whether or not it was closed.

        A record that its writer did not finish stays in the file, and viewers are told that it cannot be read.

        Raises:
            ArchiveError: it is not there, is written by another just now, or cannot be read or written.
        """
        try:
            about = orjson.loads((Path(folder) / METADATA_FILE).read_bytes())
            UUID(about["scroll_id"])
        except OSError as problem:
            raise ArchiveError("there is no session to go on with", str(problem)) from problem
        except (ValueError, TypeError, KeyError) as problem:
            raise ArchiveError(f"{METADATA_FILE} does not say which session it is", str(problem)) from problem
        return cls(Path(folder), about, sync)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------ writing

    def message(
        self,
        role: str,
        content: str | Iterable[Part],
        *,
        message_id: str | None = None,
        ts: datetime | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> str:
        """Write a message; gives its id.

        `role` is `user`, `assistant`, `tool`, `system` or any other text; `content` Markdown, or parts
        (`scrollcast.parts`). `ts` is when it happened, now where it is left out.

        Raises:
            InvalidRecord: a part or the time is wrong, or something is not JSON.
            ArchiveError: it cannot be written.
        """
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else _checked(content)
        record = Record(message_id or str(uuid4()), None, role=role, content=parts, metadata=metadata)
        line = self._line(record, ts)
        with self._lock:
            self._messages.append(line)
            self._sync_each(self._messages)
        return record.id

    def meta_event(
        self, kind: str, payload: Any = None, *, event_id: str | None = None, ts: datetime | str | None = None
    ) -> str:
        """Write something that happened beside the messages, such as a change of mode; gives its id.

        Raises as `message`.
        """
        if not kind:
            raise InvalidRecord("kind", "a meta event has one")
        record = Record(event_id or str(uuid4()), None, kind=kind, payload=payload)
        line = self._line(record, ts)
        with self._lock:
            self._messages.check_open()
            if self._meta_events is None:
                self._meta_events = LineFile(self.folder / META_EVENTS_FILE)
            self._meta_events.append(line)
            self._sync_each(self._meta_events)
        return record.id

    def describe(self, **about: Unpack[About]) -> None:
        """Tell more of the session, or something else than before, such as its title. Raises as `create`."""
        told = _told(about)
        with self._lock:
            self._messages.check_open()
            self._about = {**self._about, **told}
            self._write_about()

    def close(self) -> None:
        """End the writing; the session can be reopened. To close twice does nothing."""
        with self._lock:
            for lines in (self._messages, self._meta_events):
                if lines is not None and lines.is_open:
                    with closing(lines):
                        if self._sync is Sync.CLOSE:
                            lines.sync()

    # ------------------------------------------------------------------------------------------------------ the files

    def _line(self, record: Record, ts: datetime | str | None) -> bytes:
        return _encoded("record", record_object(record, self.scroll_id, _timestamp(ts)))

    def _sync_each(self, lines: LineFile) -> None:
        if self._sync is Sync.RECORD:
            lines.sync()

    def _write_about(self) -> None:
        """Put the metadata in place in one step, so that nobody ever reads half of it."""
        data = _encoded("about", self._about)
        made = self.folder / f".{METADATA_FILE}.new"
        try:
            with open(made, "wb", opener=_open_private) as file:
                file.write(data)
                file.flush()
                if self._sync is not Sync.NEVER:
                    os.fsync(file.fileno())
            os.replace(made, self.folder / METADATA_FILE)
            if self._sync is not Sync.NEVER:
                _sync_folder(self.folder)
        except OSError as problem:
            raise ArchiveError("what is told of the session cannot be written", str(problem)) from problem


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, ONLY_OWNER)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# -------------------------------------------------------------------------------------------------- what may be written


def _told(about: About) -> dict[str, Any]:
    """The fields of a `session.json`: what has a name there, with all further metadata beside it."""
    if unknown := sorted(about.keys() - About.__annotations__.keys()):
        raise InvalidRecord(unknown[0], "there is no such field; put it into metadata")
    told = {name: str(value) if isinstance(value, UUID) else value for name, value in about.items()}
    further = dict(about.get("metadata") or {})
    told.pop("metadata", None)
    if taken := sorted(further.keys() & ({"scroll_id"} | About.__annotations__.keys())):
        raise InvalidRecord("metadata", f"{taken[0]} has a place of its own")
    for name in ("connector_uid", "parent_scroll_id"):
        if told.get(name) is not None:
            _check_uuid(name, told[name])
    if parse_instant(told.get("created_at", _now())) is None:
        raise InvalidRecord("created_at", "it is no time such as 2026-03-02T09:00:00Z")
    return {**further, **told}


def _check_uuid(name: str, value: Any) -> None:
    try:
        UUID(value)
    except (ValueError, TypeError, AttributeError):
        raise InvalidRecord(name, f"{str(value)[:50]!r} is no UUID") from None


def _checked(parts: Iterable[Part]) -> list[Part]:
    """The parts, if every one of them will be read as what it is."""
    given = list(parts)
    for number, part in enumerate(given):
        if parse_part(part) is None:
            kind = str(part.get("type"))[:50] if isinstance(part, dict) else type(part).__name__
            raise InvalidRecord(f"content[{number}]", f"a field of this {kind} is missing or wrong")
    return given


def _timestamp(ts: datetime | str | None) -> str:
    if ts is None:
        return _now()
    if isinstance(ts, datetime):
        if ts.tzinfo is None:
            raise InvalidRecord("ts", "a datetime without a zone may mean any of them")
        return _rfc3339(ts)
    instant = parse_instant(ts)
    if instant is None:
        raise InvalidRecord("ts", f"{str(ts)[:50]!r} is no time such as 2026-03-02T09:00:00Z")
    return to_rfc3339(ts, instant)


def _now() -> str:
    return _rfc3339(datetime.now(UTC))


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encoded(name: str, value: Mapping[str, Any]) -> bytes:
    try:
        return encode_line(value)
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidRecord(name, f"it is no JSON: {problem}") from problem
