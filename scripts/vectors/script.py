"""What a vector is written with: a session's records, and a script of what is sent and what has to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self, TypeAlias
from uuid import NAMESPACE_URL, uuid5

__all__ = ["ABSENT", "ANY", "Item", "JsonObject", "Script", "about", "at", "event_of", "meta", "said", "same", "some"]

JsonObject: TypeAlias = dict[str, Any]

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CONNECTOR: Final = "c0ffee00-0000-4000-8000-000000000002"
NATIVE: Final = "native-1"
REPLAY: Final = "7e91a100-0000-4000-8000-00000000000a"
"""In place of a replay's id, where a client is spoken to."""

ABSENT: Final[JsonObject] = {"$absent": True}
"""The field must not be there."""


def some(kind: str, like: Any, **more: Any) -> JsonObject:
    """A value that the contract leaves to the server; `like` is one of that kind."""
    return {"$is": kind, "like": like, **more}


ANY: Final = some("any", None)


def same(name: str, like: str) -> JsonObject:
    """A text that the server chooses: the same wherever this name stands, another for another name."""
    return {"$same": name, "like": like}


def about(number: float) -> JsonObject:
    """A number that comes of the clock: exact where the clock is."""
    return {"$about": number}


def at(ms: float) -> str:
    """So many milliseconds after the beginning of every session here, as RFC 3339 text."""
    return (START + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Item:
    """One record as it is archived, and the event that has to be made of it.

    `t_ms` is its recorded time by the contract, which is not always what its own timestamp says.
    """

    def __init__(self, record: JsonObject | str, t_ms: int, event: JsonObject | None, kind: str) -> None:
        self.record = record
        self.t_ms = t_ms
        self.event = event
        self.kind = kind


def event_of(
    message_id: str, role: str, created_at: str, content: Sequence[Any], metadata: JsonObject | None = None
) -> JsonObject:
    """The event of a message."""
    return {
        "type": "message_completed",
        "connector_id": NATIVE,
        "message": {
            "id": message_id,
            "session_id": NATIVE,
            "role": role,
            "created_at": created_at,
            "content": [*content],
            "status": "completed",
            "metadata": metadata,
        },
    }


def said(
    message_id: str,
    ms: int,
    role: str = "assistant",
    *,
    t_ms: int | None = None,
    text: str | None = None,
    parts: Sequence[JsonObject] | None = None,
    content: Sequence[Any] | None = None,
    metadata: JsonObject | None = None,
    created_at: str | None = None,
    **fields: Any,
) -> Item:
    """A message of a moment. Without `parts` it says its `text`, which is its id where nothing else is given.

    `t_ms`, `content`, `created_at` and the `metadata` of its event are given where they are not simply those of the
    record; `fields` are further ones of the record.
    """
    text = message_id if text is None else text
    record = {
        "message_id": message_id, "ts": at(ms), "role": role, "content_md": text, "content_parts": parts,
        "metadata": None, **fields,
    }  # fmt: skip
    shown = content if content is not None else parts if parts is not None else [{"type": "text", "text": text}]
    is_kept = role in ("user", "assistant")
    added = metadata if is_kept else {**(metadata or {}), "archived_role": role}
    event = event_of(message_id, role if is_kept else "user", created_at or at(ms), shown, added)
    return Item(record, ms if t_ms is None else t_ms, event, "message")


def meta(event_id: str, ms: int, *, t_ms: int | None = None, kind: str = "mode_changed") -> Item:
    """A meta event of a moment."""
    payload = {"to": event_id}
    event = {
        "type": "meta_event",
        "connector_id": NATIVE,
        "meta_event": {
            "id": event_id, "session_id": NATIVE, "kind": kind, "created_at": at(ms), "payload": payload,
        },
    }  # fmt: skip
    record = {"event_id": event_id, "ts": at(ms), "kind": kind, "payload": payload}
    return Item(record, ms if t_ms is None else t_ms, event, "meta")


class Script:
    """One vector. The methods add a step each, at a moment in milliseconds since the first connection.

    `items` are the session's events in the order of their numbers. `playing` and the fields beside it are what the
    next `hello` and `state` say unless they say otherwise.
    """

    def __init__(
        self,
        name: str,
        title: str,
        *rules: str,
        items: Sequence[Item] = (),
        needs: Sequence[str] = (),
        meta_events: Sequence[Item] = (),
        rest: str | None = None,
        is_broken: bool = False,
        is_for_clients: bool = False,
    ) -> None:
        self.name = name
        self.items = list(items)
        self.scroll_id = str(uuid5(NAMESPACE_URL, f"scrollcast:conformance:{name}"))
        self._head: JsonObject = {"name": name, "title": title, "rules": list(rules)}
        if needs:
            self._head["needs"] = list(needs)
        if is_for_clients:
            self._head["for"] = "clients"
        self._messages = [item.record for item in items if item.kind == "message"]
        self._meta = [item.record for item in (*items, *meta_events) if item.kind == "meta"]
        self._rest, self._is_broken = rest, is_broken
        self._steps: list[JsonObject] = []
        self._outcome: JsonObject | None = None
        self._settings: JsonObject = {}
        self._parameters: JsonObject = {}
        self._connections = 0

    # -------------------------------------------------------------------------------------------- what is done

    def connect(self, at_ms: float, scroll_id: str | None = None, **parameters: Any) -> Self:
        """Open a connection with these parameters, as they stand in the address."""
        named = {} if scroll_id is None else {"scroll_id": scroll_id}
        self._parameters = parameters
        self._connections += 1
        return self._add(at_ms, connect={**named, "parameters": parameters})

    def send(self, at_ms: float, request_id: str | None = None, *, times: int = 1, **fields: Any) -> Self:
        """Send a `control` of these fields."""
        named = {} if request_id is None else {"request_id": request_id}
        return self._add(at_ms, send={"type": "control", **named, **fields}, **_times(times))

    def send_text(self, at_ms: float, text: str, **more: Any) -> Self:
        """Send a text as it is; with `pad_to_bytes`, with so many spaces behind it."""
        return self._add(at_ms, send_text=text, **more)

    def send_binary(self, at_ms: float, text: str) -> Self:
        """Send a text in a binary frame."""
        return self._add(at_ms, send_binary=text)

    def ack(self, at_ms: float, seq: int) -> Self:
        """Acknowledge."""
        return self._add(at_ms, send={"type": "ack", "seq": seq})

    def append(self, at_ms: float, *items: Item) -> Self:
        """Write further messages into the archive."""
        self.items += items
        return self._add(at_ms, append=[item.record for item in items])

    def rewrite(self, at_ms: float, *items: Item) -> Self:
        """Put other messages in the place of all that there were."""
        self.items = [*items]
        return self._add(at_ms, rewrite=[item.record for item in items])

    def drop(self, at_ms: float) -> Self:
        """Cut the connection."""
        return self._add(at_ms, drop=True)

    # --------------------------------------------------------------------------------------- what has to come

    def hello(
        self,
        at_ms: float,
        status: str = "playing",
        seq: int = 0,
        t_ms: Any = 0,
        *,
        resume: str = "none",
        epoch: str = "epoch",
        count: int | None = None,
        live: Any = False,
        **more: Any,
    ) -> Self:
        """The greeting: where it begins, and how long the session is."""
        given = self._parameters
        self._settings = {"gen": 0, "mode": given.get("mode", "fast"), "speed": _number(given.get("speed", "1"))}
        self._settings["idle"] = None if given.get("idle", "off") == "off" else _number(given["idle"])
        number = len(self.items) if count is None else count
        duration = self.items[number - 1].t_ms if number else 0
        message = {
            "type": "hello",
            "protocol": "scrollcast.v1",
            "server": {"name": some("text", "scrollcast"), "version": some("text", "0.1.0")},
            "replay_id": self._replay_id,
            "epoch": same(epoch, f"{epoch}-1"),
            "resume": resume,
            "session": self._session(number, duration),
            "range": {"first_seq": 0, "next_seq": number, "duration_ms": duration, "live": live},
            "capabilities": some("list", ["control", "follow", "batch", "window", "preview", "reading"]),
            "limits": {"max_command_bytes": some("number", 65_536), "heartbeat_ms": 15_000},
            "server_time": some("time", at(0)),
            "state": self._state(status, seq, t_ms),
            **more,
        }
        return self._add(at_ms, expect=message)

    def event(self, at_ms: float, *seqs: int, gen: int | None = None, origin: str = "replay", **more: Any) -> Self:
        """Events, one a message."""
        for seq in seqs:
            self._add(at_ms, expect={"type": "event", **self._event(seq), **self._envelope(gen, origin)}, **more)
        return self

    def events(self, at_ms: float, *seqs: int, gen: int | None = None, origin: str = "replay") -> Self:
        """Events in one message; a server may send them in more than one."""
        batch = {"type": "events", **self._envelope(gen, origin), "events": [self._event(seq) for seq in seqs]}
        return self._add(at_ms, expect=batch)

    def state(
        self, at_ms: float, status: str, seq: int, t_ms: Any, request_id: str | None = None, *, sought: bool = False,
        late_ms: Any = None, times: Any = 1, **settings: Any,
    ) -> Self:  # fmt: skip
        """A state; `settings` are the fields that are other than they were: `gen`, `mode`, `speed`, `idle`."""
        self._settings.update(settings)
        state = {"type": "state", **self._state(status, seq, t_ms), "did_seek": sought}
        state["late_ms"] = about(0) if late_ms is None else late_ms
        return self._add(at_ms, expect={**state, "request_id": request_id or ABSENT}, **_times(times))

    def skipped(self, at_ms: float, from_ms: int, to_ms: int) -> Self:
        """A gap that was cut."""
        return self._add(at_ms, expect={"type": "skipped", "from_ms": from_ms, "to_ms": to_ms})

    def caught_up(self, at_ms: float, seq: int) -> Self:
        """All that is archived was sent."""
        return self._add(at_ms, expect={"type": "caught_up", "seq": seq})

    def heartbeat(self, at_ms: float, status: str, seq: int, t_ms: Any) -> Self:
        """The regular sign of life."""
        beat = {"type": "heartbeat", "seq": seq, "t_ms": t_ms, "status": status, "server_time": some("time", at(0))}
        return self._add(at_ms, expect=beat)

    def notice(self, at_ms: float, level: str, code: str, facts: Mapping[str, Any], **more: Any) -> Self:
        """Something worth knowing."""
        words = {"message": some("text", code.replace("_", " "))}
        return self._add(at_ms, expect={"type": "notice", "level": level, "code": code, **words, **facts}, **more)

    def end(
        self, at_ms: float, *, sent: int, duration: float, final: int | None = -1, reason: str = "completed"
    ) -> Self:
        """The end; `duration` is how long the replay took in clock time."""
        final = len(self.items) - 1 if final == -1 else final
        report = {"events_sent": sent, "failures": 0, "duration_ms": about(duration)}
        return self._add(at_ms, expect={"type": "end", "reason": reason, "final_seq": final, "report": report})

    def error(
        self, at_ms: float, code: str, request_id: str | None = None, *, retryable: bool = False, times: int = 1,
        is_optional: bool = False, **facts: Any,
    ) -> Self:  # fmt: skip
        """An error, with its facts."""
        named = {"request_id": request_id or ABSENT, **facts}
        words = some("text", code.replace("_", " "))
        message = {"type": "error", "code": code, "message": words, "retryable": retryable, **named}
        optional = {"optional": True} if is_optional else {}
        return self._add(at_ms, expect=message, **_times(times), **optional)

    def message(self, at_ms: float, message: JsonObject) -> Self:
        """Any message, as it stands."""
        return self._add(at_ms, expect=message)

    def close(self, at_ms: float, code: int) -> Self:
        """The server closes."""
        return self._add(at_ms, close=code)

    def finish(self, at_ms: float, seq: int, t_ms: Any, **end: Any) -> Self:
        """What every replay that is not followed ends with; `end` as there."""
        return self.state(at_ms, "ended", seq, t_ms).end(at_ms, **end).close(at_ms, 1000)

    def why(self, reason: str) -> Self:
        """Say of the last step which rule makes it so."""
        self._steps[-1]["why"] = reason
        return self

    def outcome(self, end: str, *seqs: int, code: str | None = None) -> Self:
        """What a client makes of it: the events that it hands on, in order, and how it ends."""
        self._outcome = {"events": [*seqs], "end": end, **({} if code is None else {"code": code})}
        return self

    # ------------------------------------------------------------------------------------------------ the file

    def document(self) -> JsonObject:
        """The vector as it stands in its file."""
        session: JsonObject = {"metadata": self._metadata(), "messages": None if self._is_broken else self._messages}
        if self._meta:
            session["meta_events"] = self._meta
        if self._rest is not None:
            session["rest"] = self._rest
        document = {"$schema": "../vector.schema.json", **self._head, "session": session, "steps": self._steps}
        return document if self._outcome is None else {**document, "outcome": self._outcome}

    @property
    def _replay_id(self) -> JsonObject:
        return same(f"replay {self._connections}", REPLAY[:-1] + str(self._connections))

    def _add(self, at_ms: float, **step: Any) -> Self:
        self._steps.append({"at_ms": at_ms, **step})
        return self

    def _metadata(self) -> JsonObject:
        return {
            "scroll_id": self.scroll_id, "connector_uid": CONNECTOR, "native_session_id": NATIVE,
            "kind": "AcpConnection", "title": self._head["title"], "agent": "Vector", "created_at": at(0),
            "parent_scroll_id": None,
        }  # fmt: skip

    def _session(self, count: int, duration_ms: int) -> JsonObject:
        told = {**self._metadata(), "model": None, "project": None, "parent_call_id": None}
        told |= {"updated_at": some("any", at(duration_ms)), "count": some("number", count)}
        told |= {"duration_ms": some("number", duration_ms), "timing": "recorded", "live": some("boolean", False)}
        told |= {"has_errors": some("boolean", False), "source_gone": some("boolean", False), "error": None}
        return {**told, "metadata": some("any", {})}

    def _state(self, status: str, seq: int, t_ms: Any) -> JsonObject:
        state = {"status": status, "seq": seq, "t_ms": t_ms, **self._settings}
        return {**state, "did_seek": False, "late_ms": about(0)}

    def _envelope(self, gen: int | None, origin: str) -> JsonObject:
        return {
            "gen": self._settings["gen"] if gen is None else gen,
            "routing": {"connector_uid": CONNECTOR, "connector_id": NATIVE, "scroll_id": self.scroll_id},
            "origin": {"type": origin, "replay_id": self._replay_id},
        }

    def _event(self, seq: int) -> JsonObject:
        return {"seq": seq, "t_ms": self.items[seq].t_ms, "event": self.items[seq].event}


def _times(times: Any) -> JsonObject:
    return {} if times == 1 else {"times": times}


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
