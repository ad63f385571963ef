"""What of a session goes into a document: the one place that every export passes through.

The page's button and the command line make the same `Excerpt`; each format writes what it gives, and reads nothing else
of the session. So what is left out here is in no document.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from uuid import UUID

import orjson

from scrollcast.archive.encoding import TimedRecord, decode_event
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import ArchiveError, BadRequest, SessionNotFound
from scrollcast.model import MarkerKind, Part, Record, Session, Span, derive_scroll_id

__all__ = ["LEAVABLE", "Excerpt", "Selection", "open_excerpt", "parse_leave_out"]

LEAVABLE: Final[Mapping[str, str]] = {
    "thinking": "what the agent thought",
    "tools": "tool calls, and what came back",
    "outputs": "what came back from tools, but not the calls",
    "subagents": "what subagents did and said, but not the calls that started them",
    "images": "pictures",
    "system": "what the program said, not a person or the agent",
    "meta": "events beside the messages",
}
"""What can be left out of a document, each with what it means."""

READ_BYTES: Final = 1 << 20
"""So much of a session is held at a time, unless one event alone is larger."""

_PLAIN_METADATA: Final = frozenset(("model", "usage", "sidechain", "agent_id", "abandoned", "compaction", "inherited"))
"""What is told of a message where anything is left out. The rest may repeat what was left out."""

_WITH_SUBAGENTS: Final = frozenset(("subagents", "tools", "outputs"))
"""Where any of these is left out subagents are: what one says in the end is what its call got back."""

_READER_MARKERS: Final = frozenset((MarkerKind.COMPACTION, MarkerKind.SUBAGENT))
"""The markers that cannot be made out of a message's parts."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for: times are recorded time in milliseconds, both ends included; `None` is no bound.

    `title` stands in place of the session's own. `leave_out` is of `LEAVABLE`.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    title: str | None = None
    leave_out: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.from_ms is None and self.to_ms is None and not self.leave_out

    def without(self, *kinds: str) -> Selection:
        """The same, with more left out."""
        return replace(self, leave_out=self.leave_out.union(kinds))


def parse_leave_out(text: str) -> frozenset[str]:
    """What a list with commas names.

    Raises:
        BadRequest: one of them cannot be left out.
    """
    names = frozenset(filter(None, (name.strip() for name in text.split(","))))
    if unknown := sorted(names - LEAVABLE.keys()):
        raise BadRequest("leave_out", f"{unknown[0][:50]!r} is none of {', '.join(LEAVABLE)}")
    return names


async def open_excerpt(archive: AnyArchive, scroll_id: UUID | str, selection: Selection) -> Excerpt:
    """The excerpt of a session as it is now; waits until it was read to its end.

    Raises:
        SessionNotFound: there is no such session.
        ArchiveError: it is broken, or cannot be read.
        BadRequest: the range ends before it begins.
    """
    if selection.from_ms is not None and selection.to_ms is not None and selection.to_ms < selection.from_ms:
        raise BadRequest("to_ms", "the range ends before it begins")
    index = await archive.open_index(scroll_id, meta="meta" not in selection.leave_out)
    index.check()
    await index.markers()  # which takes its time where they have to be redacted
    return Excerpt.of(archive, index, selection)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a session that goes into a document: what is told of the session, and its records.

    Recorded time begins at the first event of the range, where one was asked for. The sessions that it started are
    excerpts too, each of the same stretch of time and without the same kinds.
    """

    session: Session
    selection: Selection
    _archive: AnyArchive
    _index: SessionIndex
    _above: frozenset[UUID]  # the session and those that it was started by
    _markers: Mapping[int, Sequence[tuple[MarkerKind, str]]]
    _start: int
    _stop: int

    @classmethod
    def of(
        cls, archive: AnyArchive, index: SessionIndex, selection: Selection, above: frozenset[UUID] = frozenset()
    ) -> Self:
        """Of a session that was read whole."""
        start, stop = Span(selection.from_ms, selection.to_ms).places(index.times, index.count)
        found: dict[int, list[tuple[MarkerKind, str]]] = {}
        if not selection.leave_out & {"tools", "outputs"}:
            for marker in orjson.loads(index.markers_so_far()):
                kind = marker["kind"]
                if kind in _READER_MARKERS and not (kind == MarkerKind.SUBAGENT and "subagents" in selection.leave_out):
                    found.setdefault(marker["seq"], []).append((MarkerKind(kind), marker["label"]))
        excerpt = cls(index.session, selection, archive, index, above | {index.session.scroll_id}, found, start, stop)
        return replace(excerpt, session=excerpt._told())

    @property
    def redacted(self) -> int:
        """How many secrets were taken out of the session."""
        return self._index.redacted

    @property
    def base_ms(self) -> int:
        """The recorded time in the session at which the document's begins."""
        return self._index.times[self._start] if self.selection.from_ms is not None and self._start < self._stop else 0

    def records(self) -> Iterator[TimedRecord]:
        """The records, in order, as they were archived but for what is left out. Blocks; holds little at a time."""
        base = self.base_ms
        for seq, event in _events(self._index, self._start, self._stop):
            record = self._record(seq, event["event"])
            if record is not None:
                inner = event["event"].get("message") or event["event"]["meta_event"]
                yield TimedRecord(event["t_ms"] - base, inner["created_at"], record)

    def started(self) -> dict[str, UUID]:
        """The sessions that its calls started, by the ids of these calls. Blocks."""
        if self.selection.leave_out & _WITH_SUBAGENTS:
            return {}
        children = self._archive.children(self._index.session.scroll_id)
        return {
            child.parent_call_id: child.scroll_id
            for child in children
            if child.parent_call_id is not None and child.scroll_id not in self._above
        }

    def children(self, scroll_ids: Iterable[UUID]) -> Iterator[Excerpt]:
        """What may be told of sessions that it started, each open only while it is looked at.

        Not among them is one that cannot be read, one of which nothing is left, and, where a range was asked for, one
        of which nobody knows when it was. Blocks; not for the thread of an event loop.
        """
        for scroll_id in scroll_ids:
            try:
                index = self._archive.read_whole(scroll_id, meta="meta" not in self.selection.leave_out)
            except (ArchiveError, SessionNotFound):
                continue
            selection = self._selection_in(index)
            if selection is None:
                continue
            child = Excerpt.of(self._archive, index, selection, self._above)
            if child._start < child._stop:
                yield replace(child, session=replace(child.session, parent_scroll_id=self.session.scroll_id))

    def _selection_in(self, index: SessionIndex) -> Selection | None:
        """The same stretch of time in the recorded time of another session; `None` where that has no part in it."""
        selection = replace(self.selection, title=None)
        if selection.from_ms is None and selection.to_ms is None:
            return selection
        began, other_began = _began_at(self._index), _began_at(index)
        if began is None or other_began is None:
            return None
        later_ms = (other_began - began) // 1000
        from_ms, to_ms = (None if bound is None else bound - later_ms for bound in (selection.from_ms, selection.to_ms))
        if to_ms is not None and to_ms < 0:
            return None
        return replace(selection, from_ms=None if from_ms is None else max(0, from_ms), to_ms=to_ms)

    def _record(self, seq: int, event: dict[str, Any]) -> Record | None:
        """The record that an event was made of, or what may be told of it; `None` where that is nothing."""
        markers = self._markers.get(seq, ())
        if meta_event := event.get("meta_event"):
            kind, payload = meta_event["kind"], meta_event["payload"]
            return Record(meta_event["id"], meta_event["created_at"], kind=kind, payload=payload, markers=markers)
        message = event["message"]
        metadata = dict(message["metadata"] or {})
        role = str(metadata.pop("archived_role", message["role"]))
        left_out = self.selection.leave_out
        if left_out & _WITH_SUBAGENTS and metadata.get("sidechain"):
            return None
        if "system" in left_out and role not in ("user", "assistant", "tool"):
            return None
        content = list(_without(message["content"], left_out)) if left_out - {"meta"} else message["content"]
        if message["content"] and not content:
            return None
        if left_out:
            metadata = {name: value for name, value in metadata.items() if name in _PLAIN_METADATA}
        return Record(message["id"], message["created_at"], role, content, metadata or None, markers=markers)

    def _told(self) -> Session:
        """What a document says of its session. An excerpt is a session of its own, with an id of its own."""
        session, selection = self.session, self.selection
        if selection.title:
            session = replace(session, title=self._index.show_text(selection.title))
        if selection.is_whole and not self.redacted:
            return replace(session, live=False, source_gone=False)
        asked: tuple[Any, ...] = (selection.from_ms, selection.to_ms, sorted(selection.leave_out))
        if self.redacted:
            asked += ("redacted",)
        created_at = next((timed.created_at for timed in self.records()), session.created_at)
        return replace(
            session,
            scroll_id=derive_scroll_id("excerpt", f"{session.scroll_id}:{json.dumps(asked)}"),
            created_at=created_at if selection.from_ms is not None else session.created_at,
            live=False,
            source_gone=False,
            metadata={} if selection.leave_out else session.metadata,
        )


def _events(index: SessionIndex, start: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
    at = start
    while at < stop:
        end = min(index.fit(at, READ_BYTES), stop)
        data, first = index.read_now(at, end), index.offsets[at]
        for seq in range(at, end):
            place = index.offsets[seq] - first
            yield seq, decode_event(data[place : place + index.size_of(seq, seq + 1) - 1])
        at = end


def _began_at(index: SessionIndex) -> int | None:
    """When recorded time began, in microseconds since 1970; `None` where the times are made up."""
    if index.session.timing == "synthetic":
        return None
    messages = (event["event"].get("message") for _seq, event in _events(index, 0, index.count))
    first = next(filter(None, messages), None)
    return None if first is None else parse_instant(first["created_at"])


def _without(parts: Sequence[Part], left_out: frozenset[str]) -> Iterator[Part]:
    """The parts that may be told, results inside them included."""
    for part in parts:
        match part["type"]:
            case "thinking" if "thinking" in left_out:
                continue
            case "tool_call" | "tool_result" if "tools" in left_out:
                continue
            case "image" if "images" in left_out:
                continue
            case "tool_result" if "outputs" in left_out:
                yield {**_plain_result(part), "output": []}
            case "tool_result":
                yield {**part, "output": list(_without(part["output"], left_out))}
            case "resource" if "images" in left_out and _is_picture(part):
                continue
            case "unknown":  # it may be any of them
                continue
            case _:
                yield part


def _plain_result(part: Part) -> Part:
    """A result without whatever else its format wrote beside the output."""
    return {name: part[name] for name in ("type", "call_id", "is_error")}


def _is_picture(part: Part) -> bool:
    return str(part.get("mime_type") or "").startswith("image/")
