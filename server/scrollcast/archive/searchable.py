"""The text of a session that is searched: what was said, thought, done and answered, without what machines read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from scrollcast.archive.encoding import EPOCH_START, EventEncoder, TimedRecord, time_records
from scrollcast.archive.formats import SessionSource
from scrollcast.errors import ArchiveError
from scrollcast.model import Part, Record, Session

__all__ = ["MAX_EVENT_CHARACTERS", "EventText", "TextIndex", "event_texts", "index_text", "searchable"]

MAX_EVENT_CHARACTERS: Final = 1 << 20
"""What lies beyond the first Mi of an event's characters is not searched: it is a file or a log that a tool printed."""


@dataclass(frozen=True, slots=True)
class EventText:
    """A text of the event `seq`: of one of its parts, whose type is `kind`. `t_ms` is the event's recorded time."""

    seq: int
    t_ms: int
    kind: str
    text: str


class TextIndex(Protocol):
    """Where texts are put: a `SearchIndex`, or a `SearchBatch`."""

    def replace(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """Make these the texts of a session."""
        ...


def index_text(
    index: TextIndex,
    source: SessionSource,
    session: Session,
    number: int,
    key: str,
    epoch: str = "",
    note: Callable[[TimedRecord], object] = lambda _timed: None,
) -> int:
    """Read a session and make its texts findable, numbered and timed as the player numbers and times its events.

    `session` is what the reader's summary says of the files as they are; `key` and `epoch` are kept with it
    (`SearchIndex.state`), and `note` is called with each record on the way. Only what is not as it was indexed before
    is written. Gives the number of events. Blocks, and needs nothing that a helper process does not have.

    Raises:
        ArchiveError: the session cannot be read or decoded, or the index cannot be written.
    """
    try:
        records = source.reader.records(source, meta=False)
        synthetic = session.timing == "synthetic"
        timed = time_records(records, session.created_at or EPOCH_START, synthetic=synthetic)
        return index.replace(number, key, epoch, event_texts(_noting(timed, note)))
    except ArchiveError:
        raise
    except Exception as problem:  # a defect of a reader leaves one session out, not all that come after it
        raise ArchiveError("the session could not be decoded", repr(problem)) from problem


def _noting(items: Iterable[object], note: Callable[[TimedRecord], object]) -> Iterator[object]:
    for item in items:
        if isinstance(item, TimedRecord):
            note(item)
        yield item


def event_texts(items: Iterable[object]) -> Iterator[EventText]:
    """The texts of a session's timed records in order, one a part, numbered as `IndexBuilder` does without meta events.

    What is no `TimedRecord` (a `BadRecord`, a `Revised`) is passed over. An event without any text gives an empty one,
    so that the number of the last text tells how many events there are.
    """
    seq = 0
    for item in items:
        if not isinstance(item, TimedRecord) or not _can_be_encoded(item):
            continue
        texts = searchable(item.record) or [("text", "")]
        yield from (EventText(seq, item.t_ms, kind, text) for kind, text in texts)
        seq += 1


def searchable(record: Record) -> list[tuple[str, str]]:
    """What is searched of a record: the texts of its parts, each with the part's type; a part without text has none.

    Of a call it is the tool's name, the title and every text in the input (not the names of its fields); of a result
    everything inside it. Images, and parts of unknown types, have none. Left out of any text are codes for a terminal,
    `data:` URIs and unbroken runs of 200 or more characters of the base64 alphabets; left out of an event what comes
    after its first `MAX_EVENT_CHARACTERS`.
    """
    texts, left = [], MAX_EVENT_CHARACTERS
    for part in record.content:
        text = _clean("\n".join(_part_texts(part)))[:left].strip()
        if text:
            texts.append((str(part["type"]), text))
            left -= len(text)
    return texts


# --------------------------------------------------------------------------------------------------------- parts


def _part_texts(part: Part) -> Iterator[str]:
    find = _TEXTS_OF.get(part.get("type", ""))
    return iter(()) if find is None else (text for text in find(part) if text)


def _text(part: Part) -> tuple[str, ...]:
    return (part["text"],)


def _call_texts(part: Part) -> Iterator[str]:
    name, title = part["name"], part.get("title")
    yield name
    if title and title != name:
        yield title
    yield from _strings(part.get("input"))


def _result_texts(part: Part) -> Iterator[str]:
    for inner in part["output"]:
        yield from _part_texts(inner)


def _resource_texts(part: Part) -> tuple[str, ...]:
    return part["uri"], part.get("text") or ""


def _plan_texts(part: Part) -> Iterator[str]:
    return (entry["content"] for entry in part["entries"])


_TEXTS_OF: Final[dict[str, Callable[[Part], Iterable[str]]]] = {
    "text": _text,
    "thinking": _text,
    "code": _text,
    "tool_call": _call_texts,
    "tool_result": _result_texts,
    "resource": _resource_texts,
    "plan": _plan_texts,
}


def _strings(value: object) -> Iterator[str]:
    """Every text in a JSON value, in order, however deeply it lies."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                yield text
            case dict() as fields:
                waiting.extend(reversed(fields.values()))
            case list() as values:
                waiting.extend(reversed(values))


# ------------------------------------------------------------------------------------------------------ cleaning

_TERMINAL_CODE: Final = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # a control sequence (ECMA-48, 5.4)
    r"|[\]PX^_][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)"  # a title, a link, another string for the terminal (5.6)
    r"|[ -/]*[0-~]"  # a short one
    r")?"
)
_DATA_URI: Final = re.compile(
    r"data:(?:[\w.+-]+/[\w.+-]+(?:;[\w.=+-]+)*|(?:;[\w.=+-]+)+),[\w+/=%-]*", re.ASCII
)  # RFC 2397; `data:1,2`, without a type, is none

_RUN_CHARACTERS: Final = 200
"""No word is so long; the paths that are do not go without a dot."""

_RUN: Final = re.compile(r"[A-Za-z0-9+/=_-]*")
_RUN_WINDOW: Final = re.compile(rf"[A-Za-z0-9+/=_-]{{{_RUN_CHARACTERS // 2}}}")


def _clean(text: str) -> str:
    if "\x1b" in text:
        text = _TERMINAL_CODE.sub("", text)
    if "data:" in text:
        text = _DATA_URI.sub(" ", text)
    return text if len(text) < _RUN_CHARACTERS else _without_runs(text)


def _without_runs(text: str) -> str:
    # A run of 200 covers a whole window of 100 wherever it begins, so that only so many places need a look.
    step = _RUN_CHARACTERS // 2
    kept, done = [], 0
    for place in range(0, len(text), step):
        if place < done or not _RUN_WINDOW.match(text, place):
            continue
        start = place - _run_length(text[max(done, place - step) : place][::-1])
        stop = place + _run_length(text, place)
        if stop - start >= _RUN_CHARACTERS:
            kept.append(text[done:start])
            done = stop
    if not kept:
        return text
    return " ".join((*kept, text[done:]))


def _run_length(text: str, start: int = 0) -> int:
    match = _RUN.match(text, start)
    assert match is not None, "it matches nothing at least"
    return match.end() - start


# ------------------------------------------------------------------------------------------------------- nesting

_NO_SESSION: Final = Session(UUID(int=0))

_SURE_DEPTH: Final = 200
"""What is nested less deeply can be encoded: orjson writes some 250 levels, and what is around takes a few."""


def _can_be_encoded(timed: TimedRecord) -> bool:
    """Whether the player has this event: one nested too deeply to be written has no number."""
    if not _is_deep(timed.record.content, timed.record.metadata or {}):
        return True
    try:
        EventEncoder(_NO_SESSION).encode(0, timed)
    except RecursionError:
        return False
    return True


def _is_deep(parts: Iterable[Part], metadata: Mapping[str, Any]) -> bool:
    level: list[Any] = [*parts, metadata]
    for _ in range(_SURE_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer if isinstance(outer, list) else outer.values())
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
