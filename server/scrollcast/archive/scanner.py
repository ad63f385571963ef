"""What a file holds, for the catalogue: told by a reader, and kept as values that can cross to another process.

Nothing here raises because of what stands in a file, nor because of a defect of a reader.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.formats import FormatReader, SessionSource, SniffedFile
from scrollcast.archive.formats import readers as formats
from scrollcast.archive.rows import columns_of, from_bytes, to_bytes
from scrollcast.archive.storage import FileStamp, decode_json
from scrollcast.archive.walk import QUIET_SUFFIXES, Candidate
from scrollcast.errors import ArchiveError
from scrollcast.model import Session

__all__ = [
    "Finding",
    "Outcome",
    "Summary",
    "decode_candidate",
    "decode_finding",
    "encode_candidate",
    "encode_finding",
    "is_companion",
    "look",
    "row_types",
    "summarise",
]

MAX_ROW_TYPES: Final = 20
"""So many names tell what a file is to whoever wrote it."""

MAX_NAME_CHARACTERS: Final = 60

log = logging.getLogger(__name__)


class Outcome(StrEnum):
    """What was found out about a file."""

    SESSIONS = "sessions"
    COMPANION = "companion"
    """A tool writes it beside its sessions."""
    IGNORED = "ignored"
    """No reader knows it, and nobody would expect one to."""
    UNRECOGNISED = "unrecognised"
    UNREADABLE = "unreadable"
    """It is looked at again each time: what a file may be read by changes without a trace in its stamp."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One session of a file. `columns` are those of `rows.columns_of`.

    `fingerprint` is the key of the session's files as they were before they were read, `mtime_ns` the latest time among
    them; `single` says that they are just the file it was found by, `parts` are those of them that lie neither at the
    session's path nor below it.
    """

    source: SessionSource
    columns: dict[str, Any]
    fingerprint: str
    mtime_ns: int
    grows: bool
    single: bool
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What a candidate holds. `why` is a sentence where it holds no session, `types` are what its rows are of."""

    candidate: Candidate
    outcome: Outcome
    summaries: tuple[Summary, ...] = ()
    why: str = ""
    types: tuple[str, ...] = ()


def look(candidate: Candidate) -> Finding:
    """Look into a file."""
    path, root = Path(candidate.path), Path(candidate.root)
    try:
        if is_companion(path):
            return Finding(candidate, Outcome.COMPANION)
        file = formats.sniff(path, root, candidate.stamp.size)
        reader = formats.owner(file)
        if reader is None:
            return _unrecognised(candidate, file)
        sources = tuple(reader.locate(file, root))
    except ArchiveError as problem:
        log.info("%s is left out: %s %s", path, problem, problem.detail)
        return Finding(candidate, Outcome.UNREADABLE, why=str(problem))
    except Exception as problem:  # a defect of a reader must not hide the other sessions
        log.error("%s could not be looked into: %r", path, problem)
        return Finding(candidate, Outcome.UNREADABLE, why=f"unreadable ({type(problem).__name__})")
    return Finding(candidate, Outcome.SESSIONS, tuple(summarise(source, candidate.path) for source in sources))


def summarise(source: SessionSource, file: str) -> Summary:
    """Summarise a session that was found by `file`. A broken one says so in its `error`."""
    files: tuple[tuple[str, FileStamp | None], ...] = ()
    grows = False
    try:
        fingerprint = Fingerprint.of(source)
        files = fingerprint.files
        grows = source.reader.grows_by_lines(source)
        columns = columns_of(source.reader.summarise(source))
    except ArchiveError as problem:
        log.info("%s: %s %s", source.path, problem, problem.detail)
        columns = columns_of(_broken(source, str(problem)))
    except Exception as problem:  # as above
        log.error("%s could not be summarised: %r", source.path, problem)
        log.debug("in full", exc_info=problem)
        columns = columns_of(_broken(source, f"unreadable ({type(problem).__name__})"))
    return Summary(
        source,
        columns,
        Fingerprint(source.reader.name, files).key,
        max((known.mtime_ns for _, known in files if known is not None), default=0),
        grows,
        single=[path for path, _ in files] == [file],
        parts=tuple(path for path, _ in files if path != file and not Path(path).is_relative_to(source.path)),
    )


def _broken(source: SessionSource, error: str) -> Session:
    title = os.fsencode(source.path.name).decode("utf-8", "replace")
    return Session(source.scroll_id, title=title, error=error)


def is_companion(path: Path) -> bool:
    """Whether a tool writes a file beside its sessions; what else lies there may tell. Never raises."""
    try:
        return any(
            reader.is_companion(path)
            for reader in formats.READERS
            if type(reader).is_companion is not FormatReader.is_companion
        )
    except Exception as problem:  # as above
        log.error("%s could not be looked at: %r", path, problem)
        return False


# ---------------------------------------------------------------------------------------------- what nobody knows


def _unrecognised(candidate: Candidate, file: SniffedFile) -> Finding:
    if candidate.path.endswith(QUIET_SUFFIXES):
        return Finding(candidate, Outcome.IGNORED)
    if not file.head.strip():
        return Finding(candidate, Outcome.UNRECOGNISED, why="the file is empty")
    types = row_types(file)
    why = "no known tool writes rows like these" if types else "it holds nothing that a known tool writes"
    return Finding(candidate, Outcome.UNRECOGNISED, why=why, types=types)


def row_types(file: SniffedFile) -> tuple[str, ...]:
    """What the rows of a file call themselves: their `type` and `role`, else the names of their fields."""
    found: dict[str, None] = {}
    for value in _values(file):
        for name in _names(value):
            found.setdefault(name[:MAX_NAME_CHARACTERS])
            if len(found) == MAX_ROW_TYPES:
                return tuple(found)
    return tuple(found)


_NAMED: Final = re.compile(rb'"(?:type|role)"\s*:\s*"([^"\\]{1,60})"')


def _values(file: SniffedFile) -> Iterable[Any]:
    """The rows; of a document its rows, or itself; of the beginning of a large one what can be seen in it."""
    rows = [value for line in file.lines if isinstance(value := _decode(line), dict)]
    if rows:
        return rows
    document = _decode(file.head)
    if isinstance(document, list):
        return document
    if document is not None:
        return (document,)
    return [{"type": name.decode("utf-8", "replace")} for name in _NAMED.findall(file.head)]


def _decode(data: bytes) -> Any:
    try:
        return decode_json(data)
    except ValueError:
        return None


def _names(value: Any) -> Iterable[str]:
    if not isinstance(value, dict):
        return ()
    named = [value[key] for key in ("type", "role") if isinstance(value.get(key), str)]
    return named or [str(key) for key in value]


# ------------------------------------------------------------------------------------- across to another process


def encode_candidate(candidate: Candidate) -> list[Any]:
    """A candidate as a JSON value."""
    known = candidate.stamp
    return [_text(candidate.path), _text(candidate.root), known.size, known.mtime_ns, known.inode]


def decode_candidate(value: list[Any]) -> Candidate:
    """The candidate that `encode_candidate` made a value of."""
    path, root, *numbers = value
    return Candidate(str(_path(path)), str(_path(root)), FileStamp(*numbers))


def encode_finding(finding: Finding) -> list[Any]:
    """A finding as a JSON value."""
    summaries = [
        [
            summary.source.scroll_id.hex,
            summary.source.reader.name,
            _text(summary.source.path),
            summary.source.member,
            summary.columns,
            summary.fingerprint,
            summary.mtime_ns,
            summary.grows,
            summary.single,
            [_text(part) for part in summary.parts],
        ]
        for summary in finding.summaries
    ]
    return [finding.outcome, finding.why, finding.types, summaries]


def decode_finding(value: list[Any], candidate: Candidate) -> Finding:
    """The finding about `candidate` that `encode_finding` made a value of."""
    outcome, why, types, summaries = value
    decoded = tuple(_decode_summary(summary, Path(candidate.root)) for summary in summaries)
    return Finding(candidate, Outcome(outcome), decoded, why, tuple(types))


def _decode_summary(value: list[Any], root: Path) -> Summary:
    scroll_id, reader, path, member, columns, fingerprint, mtime_ns, grows, single, parts = value
    source = SessionSource(UUID(scroll_id), formats.READERS_BY_NAME[reader], _path(path), root, member)
    names = tuple(str(_path(part)) for part in parts)
    return Summary(source, columns, fingerprint, mtime_ns, grows, single, names)


def _text(path: str | Path) -> str:
    """A path as text that JSON can hold, whatever bytes it is of."""
    return to_bytes(path).decode("latin-1")


def _path(text: str) -> Path:
    return from_bytes(text.encode("latin-1"))
