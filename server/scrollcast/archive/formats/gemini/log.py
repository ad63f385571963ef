"""Gemini CLI's JSONL: a log of changes to a conversation, folded into the messages that it leaves.

A row adds a message, writes one anew, changes the metadata, rewinds, or puts another history in place of the model's
(`chatRecordingService.ts` of google-gemini/gemini-cli). A replay shows what happened, so nothing is taken out of it:
messages that were undone are labelled, and a shortened history leaves what was said before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from scrollcast.archive.formats import Item, Revised
from scrollcast.archive.formats.gemini.messages import Labels, Talk
from scrollcast.archive.formats.gemini.parts import MESSAGE_TYPES, is_response_only, kind_of, plain_text
from scrollcast.archive.formats.json_values import JsonObject, json_size, row_of, text_of
from scrollcast.archive.storage import Line
from scrollcast.model import Record

__all__ = ["Log", "LogDecoder", "patch_of"]

_MAX_HELD: Final = 64
"""How many rows are held back behind the newest message, which may be written anew."""

MAX_PAYLOAD_FIELD_BYTES: Final = 16 << 10
"""A larger field of a hidden row (a whole history) is left out of the meta event's payload."""

_TALK: Final = frozenset(("user", "gemini"))


def patch_of(row: JsonObject) -> JsonObject | None:
    """What a row says of the session as a whole; `None` for a message and for a rewind."""
    if isinstance(patch := row.get("$set"), dict):
        return patch
    return None if "$rewindTo" in row or _message_id(row, 0) else row


def _message_id(row: JsonObject, line: int) -> str:
    """The id of a message, made up for one of a known type that has none; `""` for a row that is no message."""
    if isinstance(row.get("id"), str) and row["id"]:
        return str(row["id"])
    has_content = "content" in row or "parts" in row
    return f"row-{line}" if kind_of(row) in MESSAGE_TYPES and has_content else ""


def _history_of(row: JsonObject) -> list[JsonObject] | None:
    """The messages that a row puts in place of those so far; `None` for one that leaves them."""
    if "$rewindTo" in row or _message_id(row, 0):
        return None
    patch = row.get("$set", row)
    history = patch.get("messages") if isinstance(patch, dict) else None
    if not isinstance(history, list) or not (history or "$set" in row):  # the first row may hold an empty list
        return None
    return [item for item in history if isinstance(item, dict)]


# ------------------------------------------------------------------------------------------------------------- log


@dataclass(slots=True, eq=False)
class Entry:
    """One message as the log stands so far.

    `place` is where it stood in a whole history, `row` the version that a later line gave it. A message that is not
    `live` is none that the model knows any more: `abandoned` where it was undone, else left behind by a shortened
    history.
    """

    record_id: str
    line: int
    place: int
    is_talk: bool
    version: int
    row: JsonObject | None = None
    live: bool = True
    abandoned: bool = False
    inherited: bool = False
    compaction: bool = False
    first_of_compaction: bool = False

    def labels(self) -> Labels:
        """The entry's state as labels of its records."""
        return Labels(self.abandoned, self.inherited, self.compaction, self.first_of_compaction)


@dataclass(slots=True)
class Change:
    """What one row did: messages that are new, each with its row, and earlier ones that it changed."""

    new: list[tuple[Entry, JsonObject]] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)


class Log:
    """The conversation that the rows so far leave. Memory grows by a small record a message.

    Entries that are no longer live are passed over where they are met, and taken out of nothing else than the lists:
    so a row costs as much as what it says and undoes, however long the conversation is.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []  # in order, some of them not live any more
        self._talk: list[Entry] = []  # those that are live, without notices
        self._by_id: dict[str, Entry] = {}
        self._by_words: dict[int, Entry] = {}
        self._used: set[str] = set()

    def take(self, row: JsonObject, line: int) -> Change:
        """Take one row."""
        change = Change()
        if "$rewindTo" in row:
            self._rewind(row["$rewindTo"], change)
        elif message_id := _message_id(row, line):
            self._put(message_id, row, line, change)
        elif (history := _history_of(row)) is not None:
            self._replace_history(history, line, change)
        return change

    def _put(self, message_id: str, row: JsonObject, line: int, change: Change) -> None:
        known = _live(self._by_id.get(message_id))
        if known is None:
            self._add(message_id, row, line, 0, change)
        else:
            self._rewrite(known, row, change)

    def _add(self, message_id: str, row: JsonObject, line: int, place: int, change: Change) -> None:
        record_id = message_id
        while record_id in self._used:
            record_id = f"{record_id}#{line}"
        self._used.add(record_id)
        entry = Entry(record_id, line, place, kind_of(row) in _TALK, _fingerprint(row, line))
        self._entries.append(entry)
        if entry.is_talk:
            self._talk.append(entry)
        self._by_id[message_id] = entry
        if words := _words_key(row):
            self._by_words[words] = entry
        change.new.append((entry, row))

    def _rewrite(self, entry: Entry, row: JsonObject, change: Change) -> None:
        version = _fingerprint(row, entry.line)
        if version == entry.version:
            return
        entry.row, entry.version = row, version
        if words := _words_key(row):
            self._by_words[words] = entry
        change.changed.append(entry)

    def _rewind(self, target: object, change: Change) -> None:
        """Undo a message and all after it; all that there is where the message is not known."""
        entry = _live(self._by_id.get(target)) if isinstance(target, str) else None
        undone: list[Entry] = []
        while self._entries and (not undone or undone[-1] is not entry):
            undone.append(self._entries.pop())
        self._abandon(reversed(undone), change)
        while self._talk and not self._talk[-1].live:
            self._talk.pop()

    def _abandon(self, entries: Iterable[Entry], change: Change) -> None:
        for entry in entries:
            if entry.live:
                entry.live, entry.abandoned = False, True
                change.changed.append(entry)

    def _replace_history(self, history: Sequence[JsonObject], line: int, change: Change) -> None:
        """Put another history in place: at the start, when it is compressed, when a turn is taken back.

        Only a history that ends earlier undoes something. Copies of messages, often under new ids, stay one message.
        """
        before = self._talk[:]
        kept: set[Entry] = set()
        for place, row in enumerate(history):
            message_id = row["id"] if isinstance(row.get("id"), str) and row["id"] else f"row-{line}.{place}"
            known = self._known(message_id, row)
            if known is None:
                self._add(message_id, row, line, place, change)
                continue
            kept.add(known)
            if _live(self._by_id.get(message_id)) is known:
                self._rewrite(known, row, change)
            self._by_id[message_id] = known
        self._part_with(before, kept, change)

    def _known(self, message_id: str, row: JsonObject) -> Entry | None:
        known = _live(self._by_id.get(message_id))
        if known is None and (words := _words_key(row)):
            known = _live(self._by_words.get(words))
        return known

    def _part_with(self, before: Sequence[Entry], kept: set[Entry], change: Change) -> None:
        gone = [entry for entry in before if entry not in kept]
        if not gone:
            return
        last = max((place for place, entry in enumerate(before) if entry in kept), default=-1)
        tail = [] if change.new else before[last + 1 :]
        self._abandon(tail, change)
        left = [entry for entry in gone if entry.live]
        for entry in left:
            entry.live = False
        self._talk = [entry for entry in self._talk if entry.live]
        for place, (entry, _row) in enumerate(change.new if left else ()):
            entry.first_of_compaction = place == 0
            entry.compaction, entry.inherited = place == 0, place > 0


def _live(entry: Entry | None) -> Entry | None:
    """An entry that the model still knows."""
    return entry if entry is not None and entry.live else None


def _fingerprint(value: object, otherwise: int) -> int:
    try:
        return hash(orjson.dumps(value))
    except TypeError:  # nested more deeply than the encoder goes
        return otherwise


def _words_key(row: JsonObject) -> int:
    """What a message says, by whoever says it; 0 for one without words."""
    text = plain_text(row).strip()
    return hash((kind_of(row), text)) if text else 0


# --------------------------------------------------------------------------------------------------------- decoder


@dataclass(slots=True)
class _Held:
    """A message, or a hidden row, on its way out."""

    row: JsonObject
    entry: Entry | None = None
    record: Record | None = None


class LogDecoder:
    """Gives the messages of a log in the order of their first rows, each as its last row has it.

    `ahead` are the rows of the file as it was when the decoder was made, so that what later ones say of earlier ones
    is known from the beginning. The newest message is held back: its rows come one after the other while the agent
    works. `quiet_bytes` are read without a word on changes of what was given, which a file too large for `ahead` has.
    """

    def __init__(self, ahead: Iterable[tuple[int, JsonObject]] = (), *, meta: bool, quiet_bytes: int = 0) -> None:
        self._meta = meta
        self._talk = Talk(meta=meta)
        self._log = Log()
        self._ahead: dict[int, list[Entry]] = {}
        self._known_lines = 0
        self._held: list[_Held] = []
        self._quiet_bytes = quiet_bytes
        self._given: dict[Entry, set[str]] = {}
        for number, row in ahead:
            self._known_lines = number
            if new := self._log.take(row, number).new:
                self._ahead[number] = [entry for entry, _row in new]

    def feed(self, line: Line) -> Iterable[Item | Revised]:
        """The records that are settled by this line."""
        row = row_of(line)
        if not isinstance(row, dict):
            return () if row is None else (row,)
        items: list[Item | Revised] = []
        for entry, its_row in self._take(line, row, items):
            if not is_response_only(its_row):
                items += self._release()
            self._held.append(_Held(its_row, entry))
        if self._meta and not _message_id(row, line.number):
            self._held.append(_Held(row, record=_hidden_row(line.number, row)))
        if len(self._held) > _MAX_HELD or (self._held and self._held[0].entry is None):
            items += self._release()
        return items

    def pending(self) -> Iterable[Item]:
        """The newest message as it stands."""
        talk = self._talk.copy()
        return [record for held in self._held for record in _records(held, talk)]

    def _take(self, line: Line, row: JsonObject, items: list[Item | Revised]) -> list[tuple[Entry, JsonObject]]:
        """The messages that begin with a row."""
        self._quiet_bytes -= len(line.data or b"") + 1
        if line.number <= self._known_lines:
            return _first_rows(self._ahead.get(line.number, ()), row)
        change = self._log.take(row, line.number)
        held = {held.entry for held in self._held} if change.changed else ()
        late = [entry for entry in change.changed if entry not in held]
        if late and self._quiet_bytes < 0:
            items.append(Revised())
        for entry in late:
            items += self._late_records(entry)
        return change.new

    def _late_records(self, entry: Entry) -> list[Record]:
        """What a message that was given already has gained since: the results of its calls, mostly."""
        row, entry.row = entry.row, None
        given = self._given.get(entry)
        if row is None or given is None:
            return []
        records = self._talk.copy().records(entry.record_id, row, entry.labels())
        fresh = [record for record in records if record.id not in given]
        given.update(record.id for record in fresh)
        return fresh

    def _release(self) -> list[Record]:
        records: list[Record] = []
        for held in self._held:
            made = _records(held, self._talk)
            records += made
            if held.entry is not None:
                held.entry.row = None
                if self._quiet_bytes > 0:
                    self._given[held.entry] = {record.id for record in made}
        self._held.clear()
        return records


def _first_rows(entries: Sequence[Entry], row: JsonObject) -> list[tuple[Entry, JsonObject]]:
    """Entries that begin in a row, each with what stands there of it; the row may have become shorter since."""
    history = _history_of(row)
    if history is None:
        return [(entry, row) for entry in entries]
    return [(entry, history[entry.place]) for entry in entries if entry.place < len(history)]


def _records(held: _Held, talk: Talk) -> list[Record]:
    if held.record is not None:
        return [held.record]
    entry = held.entry
    assert entry is not None, "what is held is a message or a hidden row"
    return talk.records(entry.record_id, entry.row or held.row, entry.labels())


# ------------------------------------------------------------------------------------------------------ hidden rows


def _hidden_row(number: int, row: JsonObject) -> Record:
    kind = "rewind" if "$rewindTo" in row else "set" if "$set" in row else _header_kind(row)
    patch = patch_of(row) or {}
    timestamp = row.get("startTime") or patch.get("lastUpdated") or row.get("timestamp")
    return Record(f"row-{number}", timestamp, kind=kind, payload=_without_large(row, depth=1))


def _header_kind(row: JsonObject) -> str:
    if "sessionId" in row:
        return "session"
    return text_of(row.get("type")) or "unknown"


def _without_large(value: JsonObject, depth: int) -> JsonObject:
    """A row as it is, but for fields of more than `MAX_PAYLOAD_FIELD_BYTES`, which give way to `omitted`."""
    kept: JsonObject = {}
    omitted: list[Any] = []
    for name, item in value.items():
        if isinstance(item, dict) and depth:
            kept[name] = _without_large(item, depth - 1)
        elif json_size(item) <= MAX_PAYLOAD_FIELD_BYTES:
            kept[name] = item
        else:
            omitted.append(name)
    return {**kept, "omitted": omitted} if omitted else kept
