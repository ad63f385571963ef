"""Makes sessions searchable in helper processes, and learns on the way what only reading the whole of one can tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

from scrollcast.archive.catalogue import Figures, Indexable
from scrollcast.archive.encoding import TimedRecord
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.readers import READERS_BY_NAME
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.search import SearchBatch, SearchIndex
from scrollcast.archive.searchable import EventText, index_text, searchable
from scrollcast.errors import ArchiveError
from scrollcast.model import Record

__all__ = ["index_job", "jobs_for", "read_reply", "texts_of"]

JOB_NAME: Final = "index"
TITLE_KIND: Final = "title"

JOB_SESSIONS: Final = 256
JOB_BYTES: Final = 32 << 20
"""So many sessions, or so much of them, is one job: large enough that what goes around it does not count, small enough
that the newest sessions can be found within seconds."""


def jobs_for(folder: Path, sessions: Iterable[Indexable]) -> Iterator[dict[str, Any]]:
    """Jobs for `archive/workers.py` that index these sessions, in this order, into the search index in `folder`."""
    batch: list[list[Any]] = []
    size = 0
    for session in sessions:
        source = session.source
        place = [source.reader.name, str(source.path), str(source.root), source.member, str(source.scroll_id)]
        batch.append([session.number, session.key, *place])
        size += session.size
        if len(batch) >= JOB_SESSIONS or size >= JOB_BYTES:
            yield {"job": JOB_NAME, "folder": str(folder), "sessions": batch}
            batch, size = [], 0
    if batch:
        yield {"job": JOB_NAME, "folder": str(folder), "sessions": batch}


def read_reply(reply: Mapping[str, Any]) -> list[Figures]:
    """What a job has learnt; sessions that cannot be read are left out."""
    return [Figures(UUID(scroll_id), *rest) for scroll_id, *rest in reply["figures"]]


def index_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Index some sessions: `{"folder", "sessions": [[number, key, reader, path, root, member, id]]} -> {"figures"}`."""
    index = SearchIndex(Path(job["folder"]))
    try:
        with index.batch() as batch:
            found = [_index(batch, *session) for session in job["sessions"]]
    finally:
        index.close()
    return {"figures": [figures for figures in found if figures is not None]}


def _index(batch: SearchBatch, number: int, key: str, *place: str) -> Sequence[Any] | None:
    reader, path, root, member, scroll_id = place
    source = SessionSource(UUID(scroll_id), READERS_BY_NAME[reader], Path(path), Path(root), member)
    noted = _Noted()
    try:
        session = source.reader.summarise(source)
        count = index_text(_Titled(batch, session.title), source, session, number, key, note=noted.take)
    except ArchiveError:  # the catalogue says so too
        batch.replace(number, key, "", ())
        return None
    return [scroll_id, key, count, noted.t_ms, noted.has_errors]


class _Titled:
    """Puts a session's title before its texts: it is found by that too, which leads to its first event."""

    def __init__(self, batch: SearchBatch, title: str) -> None:
        self._batch = batch
        self._title = title

    def replace(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        return self._batch.replace(number, key, epoch, self._with_title(iter(texts)))

    def _with_title(self, texts: Iterator[EventText]) -> Iterator[EventText]:
        first = next(texts, None)
        if first is not None:
            if self._title:
                yield EventText(first.seq, first.t_ms, TITLE_KIND, self._title)
            yield first
        yield from texts


def texts_of(index: SessionIndex, since: int) -> Iterator[EventText]:
    """The texts of the settled events of an index from `since` on."""
    for seq in range(since, index.settled):
        event = orjson.loads(index.read_now(seq, seq + 1)[:-1])
        record = Record("", None, "user", event["event"]["message"]["content"])
        for kind, text in searchable(record) or [("text", "")]:
            yield EventText(seq, event["t_ms"], kind, text)


class _Noted:
    """What passed by."""

    def __init__(self) -> None:
        self.t_ms = 0
        self.has_errors = False

    def take(self, timed: TimedRecord) -> None:
        self.t_ms = timed.t_ms
        self.has_errors = self.has_errors or any(part.get("is_error") for part in timed.record.content)
