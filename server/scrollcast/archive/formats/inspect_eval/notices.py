"""What an Inspect sample holds beside its messages: notices to be seen among them, and records to be hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from scrollcast.archive.formats.call_parts import json_text, text_part
from scrollcast.archive.formats.json_values import JsonObject, dicts, mapping, text_of
from scrollcast.archive.timestamps import Instant, parse_instant
from scrollcast.model import MarkerKind, Record

__all__ = ["events_of", "hidden_records", "notices_of"]


def events_of(sample: JsonObject) -> list[JsonObject]:
    """The events; in the first logs they stand under `transcript`."""
    return dicts(sample.get("events")) or dicts(mapping(sample.get("transcript")).get("events"))


# -------------------------------------------------------------------------------------------------------- notices

_Notice: TypeAlias = tuple[Instant | None, Record]


def notices_of(sample: JsonObject) -> list[_Notice]:
    """What is no message but has to be seen, by time: compactions, words of the solver, the limit, the error."""
    notices, stops = [], {}
    for number, event in enumerate(events_of(sample)):
        stops[text_of(event.get("event"))] = event.get("timestamp")
        if record := _event_notice(event, number):
            notices.append((parse_instant(record.timestamp), record))
    notices.sort(key=lambda notice: notice[0] or 0)
    end = sample.get("completed_at")
    limit = sample.get("limit")
    if limit:
        notices.append(_stop("limit", _limit_text(limit), stops.get("sample_limit") or end, {"limit": limit}))
    error = sample.get("error")
    if error:
        text = text_of(mapping(error).get("message")) or (error if isinstance(error, str) else json_text(error))
        notices.append(_stop("error", text, stops.get("error") or end, {"error": True}, mapping(error)))
    return notices


def _event_notice(event: JsonObject, number: int) -> Record | None:
    time, record_id = event.get("timestamp"), f"event-{number}"
    match event:
        case {"event": "compaction"}:
            before, after = event.get("tokens_before"), event.get("tokens_after")
            text = "The conversation was compacted" + (f": {before} to {after} tokens" if before and after else "")
            facts = {name: event.get(name) for name in ("type", "tokens_before", "tokens_after")}
            metadata = {"compaction": facts}
            return Record(
                record_id, time, "system", [text_part(text)], metadata, markers=[(MarkerKind.COMPACTION, text)]
            )
        case {"event": "info", "data": str(text)} if text:
            return Record(record_id, time, "system", [text_part(text)])
        case _:
            return None


def _limit_text(limit: object) -> str:
    match limit:
        case {"type": str(kind)}:
            value = mapping(limit).get("limit")
            return f"Stopped by the {kind} limit" + (f" of {value:g}" if isinstance(value, (int, float)) else "")
        case str(kind):
            return f"Stopped by the {kind} limit"
        case _:
            return "Stopped by a limit"


def _stop(name: str, text: str, time: object, metadata: JsonObject, error: Mapping[str, Any] | None = None) -> _Notice:
    content = [text_part(text)]
    if trace := text_of((error or {}).get("traceback")):
        content.append({"type": "code", "language": "text", "text": trace})
    label = text.strip().partition("\n")[0]
    return None, Record(name, time, "system", content, metadata, markers=[(MarkerKind.ERROR, label)])


# --------------------------------------------------------------------------------------------------------- hidden

_CONVERSATION_FIELDS: Final = frozenset(
    ("messages", "events", "transcript", "attachments", "events_data", "message_pool", "call_pool")
)


def hidden_records(sample: JsonObject, log: JsonObject) -> Iterator[Record]:
    """Meta events: what is known of the log and of the sample beside its messages, and every event as it is."""
    events = events_of(sample)
    start = sample.get("started_at") or next((event.get("timestamp") for event in events), None)
    yield Record("log", start, kind="log", payload=log)
    facts = {name: value for name, value in sample.items() if name not in _CONVERSATION_FIELDS}
    yield Record("sample", start, kind="sample", payload=facts)
    yield from _event_records(events)


def _event_records(events: Iterable[JsonObject]) -> Iterator[Record]:
    for number, event in enumerate(events):
        yield Record(
            f"hidden-{number}", event.get("timestamp"), kind=text_of(event.get("event")) or "event", payload=event
        )
