"""What of a session goes into a document: the one place that every export passes through.

The page's button and the command line make the same `Excerpt`; each format writes what it gives, and reads nothing else
of the session. So what is left out here is in no document.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from uuid import UUID

import orjson

from scrollcast.archive.archive import Archive
from scrollcast.archive.encoding import TimedRecord
from scrollcast.archive.index import SessionIndex
from scrollcast.errors import BadRequest
from scrollcast.model import MarkerKind, Part, Record, Session, derive_scroll_id

__all__ = ["LEAVABLE", "Excerpt", "Selection", "open_excerpt", "parse_leave_out"]

LEAVABLE: Final[Mapping[str, str]] = {
    "thinking": "what the agent thought",
    "tools": "tool calls, and what came back",
    "outputs": "what came back from tools, but not the calls",
    "images": "pictures",
    "system": "what the program said, not a person or the agent",
    "meta": "events beside the messages",
}
"""What can be left out of a document, each with what it means."""

READ_BYTES: Final = 1 << 20
"""So much of a session is held at a time, unless one event alone is larger."""

_PLAIN_METADATA: Final = frozenset(("model", "usage", "sidechain", "agent_id", "abandoned", "compaction", "inherited"))
"""What is told of a message where anything is left out. The rest may repeat what was left out."""

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


async def open_excerpt(archive: Archive, scroll_id: UUID | str, selection: Selection) -> Excerpt:
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
    return Excerpt.of(index, await index.markers(), selection)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a session that goes into a document: what is told of the session, and its records.

    Recorded time begins at the first event of the range, where one was asked for.
    """

    session: Session
    selection: Selection
    _index: SessionIndex
    _markers: Mapping[int, Sequence[tuple[MarkerKind, str]]]
    _start: int
    _stop: int

    @classmethod
    def of(cls, index: SessionIndex, markers: bytes, selection: Selection) -> Self:
        """Of a session that was read whole, with its markers as JSON."""
        start, stop = _range(index, selection)
        found: dict[int, list[tuple[MarkerKind, str]]] = {}
        if not selection.leave_out & {"tools", "outputs"}:
            for marker in orjson.loads(markers):
                if marker["kind"] in _READER_MARKERS:
                    found.setdefault(marker["seq"], []).append((MarkerKind(marker["kind"]), marker["label"]))
        excerpt = cls(index.session, selection, index, found, start, stop)
        return replace(excerpt, session=excerpt._told())

    @property
    def base_ms(self) -> int:
        """The recorded time in the session at which the document's begins."""
        return self._index.times[self._start] if self.selection.from_ms is not None and self._start < self._stop else 0

    def records(self) -> Iterator[TimedRecord]:
        """The records, in order, as they were archived but for what is left out. Blocks; holds little at a time."""
        base = self.base_ms
        for seq, event in self._events():
            record = self._record(seq, event["event"])
            if record is not None:
                inner = event["event"].get("message") or event["event"]["meta_event"]
                yield TimedRecord(event["t_ms"] - base, inner["created_at"], record)

    def _events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        at = self._start
        while at < self._stop:
            end = min(self._index.fit(at, READ_BYTES), self._stop)
            data, first = self._index.read_now(at, end), self._index.offsets[at]
            for seq in range(at, end):
                place = self._index.offsets[seq] - first
                yield seq, _decode(data[place : place + self._index.size_of(seq, seq + 1) - 1])
            at = end

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
            session = replace(session, title=selection.title)
        if selection.is_whole:
            return replace(session, live=False, source_gone=False)
        asked = (selection.from_ms, selection.to_ms, sorted(selection.leave_out))
        created_at = next((timed.created_at for timed in self.records()), session.created_at)
        return replace(
            session,
            scroll_id=derive_scroll_id("excerpt", f"{session.scroll_id}:{json.dumps(asked)}"),
            created_at=created_at if selection.from_ms is not None else session.created_at,
            live=False,
            source_gone=False,
            metadata={} if selection.leave_out else session.metadata,
        )


def _range(index: SessionIndex, selection: Selection) -> tuple[int, int]:
    times, start, stop = index.times, 0, index.count
    if selection.from_ms is not None:
        start = bisect_left(times, selection.from_ms, 0, stop)
    if selection.to_ms is not None:
        stop = bisect_right(times, selection.to_ms, start, stop)
    return start, stop


def _decode(data: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError:  # nested more deeply than it goes
        event = json.loads(data)
    assert isinstance(event, dict)
    return event


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
