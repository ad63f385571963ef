"""One session's records out of an ACP log, line by line: chunks folded into messages, updates into tool calls."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.acp.calls import Call, Terminals
from scrollcast.archive.formats.acp.rows import Requests, Row, block_part, read_row
from scrollcast.archive.formats.acp.slots import CallSlot, Message, Slot
from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.json_values import JsonObject, mapping, row_of, text_of
from scrollcast.archive.storage import Line
from scrollcast.model import Part, Record

__all__ = ["Facts", "Transcript"]

MAX_HELD: Final = 256
"""So many records wait at most behind one that is not complete; then it is given as it is known by then."""

MAX_HELD_BYTES: Final = 16 << 20
"""So many bytes of lines likewise, its own included."""

_MAX_CALLS: Final = 512
_MAX_SEEN: Final = 50_000
"""So many messages are known again when a session is loaded."""

_CHUNKS: Final = {
    "user_message_chunk": "user",
    "agent_message_chunk": "assistant",
    "agent_thought_chunk": "thinking",
}

_STOPPED: Final = {
    "cancelled": "The turn was cancelled.",
    "refusal": "The agent refused to go on.",
    "max_tokens": "The turn ended at the limit of tokens.",
    "max_turn_requests": "The turn ended at the limit of requests.",
}


@dataclass(slots=True)
class Facts:
    """What the log says of the session as a whole."""

    title: str = ""
    agent: str = ""
    version: str = ""
    client: str = ""
    model: str = ""
    cwd: str = ""
    mode: str = ""

    def note_answer(self, request: Row, response: Row) -> None:
        """Take what a request and its response say."""
        if request.method == "initialize":
            agent, client = response.result.get("agentInfo"), request.params.get("clientInfo")
            self.agent, self.version = _display_name(agent) or self.agent, _field(agent, "version") or self.version
            self.client = _display_name(client) or self.client
        elif request.method in ("session/new", "session/load", "session/resume"):
            self.cwd = self.cwd or text_of(request.params.get("cwd"))
            self.note_configuration(response.result)
        elif request.method == "session/set_model":
            self.model = text_of(request.params.get("modelId")) or self.model

    def note_configuration(self, given: JsonObject) -> None:
        """Take the model and the mode."""
        self.model = _field(given.get("models"), "currentModelId") or self.model
        self.mode = _field(given.get("modes"), "currentModeId") or self.mode
        options = given.get("configOptions")
        for option in options if isinstance(options, list) else ():
            if "model" in (_field(option, "category"), _field(option, "id")):
                self.model = _field(option, "currentValue") or self.model


def _field(value: object, name: str) -> str:
    return text_of(mapping(value).get(name))


def _display_name(value: object) -> str:
    return _field(value, "title") or _field(value, "name")


# ---------------------------------------------------------------------------------------------------- transcript


class Transcript:
    """The decoder of one session; lines of the file's other sessions are passed over.

    Records come in the order in which they began. Nothing is given before all that began earlier is complete.
    """

    def __init__(self, member: str, *, meta: bool) -> None:
        self.facts = Facts()
        self._member = member
        self._meta = meta
        self._requests = Requests()
        self._terminals = Terminals()
        self._slots: deque[Slot] = deque()
        self._message: Message | None = None
        self._calls: dict[str, CallSlot] = {}
        self._known: OrderedDict[str, None] = OrderedDict()  # ids of the calls that were met
        self._seen: dict[bytes, None] = {}
        self._told: dict[bytes, None] = {}  # what the session that is being loaded has told so far
        self._prompt = b""  # digest of the prompt that nothing has followed yet
        self._current = ""
        self._loading = False
        self._opened = self._bytes = 0

    def feed(self, line: Line) -> Iterable[Item]:
        """What is complete with this line, of this session."""
        value = row_of(line)
        if not isinstance(value, dict):
            return () if value is None else (value,)
        self._take(read_row(value, line.number, len(line.data or b"")))
        return self._settled()

    def pending(self) -> Iterable[Item]:
        """What waits for later lines, as it is now."""
        for slot in tuple(self._slots):
            record = slot.record() if slot.done or isinstance(slot, CallSlot) else self._unfinished(slot)
            if self._meta or not record.is_meta:
                yield record

    def _unfinished(self, message: Message) -> Record:
        before, message.repeats = message.repeats, self._repeats(message)
        record = message.record()
        message.repeats = before
        return record

    # ------------------------------------------------------------------------------------------------ the queue

    def _settled(self) -> list[Item]:
        """What has come to the front of the queue complete."""
        records: list[Item] = []
        while self._slots:
            slot = self._slots[0]
            if not slot.done and not self._is_overdue(slot):
                break
            self._give_up(slot)
            self._slots.popleft()
            record = slot.record()
            if self._meta or not record.is_meta:
                records.append(record)
        return records

    def _is_overdue(self, slot: Slot) -> bool:
        opened, size = slot.mark
        return self._opened - opened > MAX_HELD or self._bytes - size > MAX_HELD_BYTES

    def _give_up(self, slot: Slot) -> None:
        """Wait no longer for more of what a slot holds, if it is not complete yet."""
        if slot is self._message:
            self._close_message()
        elif isinstance(slot, CallSlot) and not slot.done and self._bytes - slot.mark[1] > MAX_HELD_BYTES:
            slot.call.forget_output()
        slot.done = True

    def _open(self, slot: Slot) -> None:
        self._opened += 1
        slot.mark = (self._opened, self._bytes)
        self._slots.append(slot)

    def _note(self, row: Row, kind: str) -> None:
        """A meta event, whole. It counts towards the bound even where it is not wanted: messages stay the same."""
        self._opened += 1
        if self._meta:
            self._slots.append(Message(f"meta-{row.number}", row.time, kind=kind, payload=row.raw))

    def _say(self, row: Row, role: str, parts: Sequence[Part], **metadata: Any) -> None:
        """A message that is complete at once."""
        self._open(Message(f"line-{row.number}", row.time, role, list(parts), {**self._labels(), **metadata}))

    def _labels(self) -> JsonObject:
        return {"inherited": True} if self._loading else {}

    # --------------------------------------------------------------------------------------------------- rows

    def _take(self, row: Row) -> None:
        if row.method:
            self._requests.note(row)
            session_id = row.session_id or (self._current if row.method == "session/update" else "")
            request = None
        else:
            request = self._requests.answered_by(row)
            session_id = (request.session_id if request else "") or row.session_id or self._current
            session_id = "" if request and request.method in ("initialize", "authenticate") else session_id
        self._current = session_id or self._current
        if session_id not in ("", self._member):
            return
        self._bytes += row.size
        if row.session_id:
            self.facts.cwd = self.facts.cwd or text_of(row.params.get("cwd"))
        if row.method:
            self._take_call(row)
        else:
            self._take_answer(request, row)

    def _take_call(self, row: Row) -> None:
        """A request or a notification."""
        match row.method:
            case "session/update":
                self._take_update(row, text_of(row.update.get("sessionUpdate")))
            case "session/prompt":
                self._take_prompt(row)
            case "session/request_permission":
                self._note(row, row.method)
                if isinstance(tool_call := row.params.get("toolCall"), dict):
                    self._take_tool_call(row, tool_call, announced=False)
            case "session/load":
                self._end_turn()
                self._calls.clear()
                self._loading = True
                self._note(row, row.method)
            case _:
                self._note(row, row.method)

    def _take_answer(self, request: Row | None, row: Row) -> None:
        method = request.method if request else "unknown"
        failed = "error" in row.body
        if request is not None:
            self.facts.note_answer(request, row)
            self._terminals.note(request, row)
        match method:
            case "session/prompt":
                self._end_turn()
                self._tell_stop(row, failed)
            case "session/load":
                self._end_turn()
                self._end_loading()
            case "session/request_permission" if request is not None:
                self._note_permission(request, row)
        answered = "result" in row.body or failed
        self._note(row, method if not answered else f"{method}/{'error' if failed else 'response'}")

    def _take_prompt(self, row: Row) -> None:
        self._end_turn()
        self._end_loading()
        prompt = row.params.get("prompt")
        parts = [block_part(block) for block in (prompt if isinstance(prompt, list) else [])]
        self._say(row, "user", parts)
        self._prompt = _digest("user", parts)
        self._remember(self._prompt)

    def _end_turn(self) -> None:
        """Whatever is open stays as it is: calls without a result were interrupted."""
        self._close_message()
        for slot in self._slots:
            slot.done = True

    def _end_loading(self) -> None:
        self._loading = False
        self._seen.update(self._told)
        self._told.clear()

    def _tell_stop(self, row: Row, failed: bool) -> None:
        text = _STOPPED.get(text_of(row.result.get("stopReason")), "")
        if failed:
            text = _field(row.body.get("error"), "message") or "The turn ended with an error."
        if text:
            self._say(row, "system", [text_part(text)])

    # ------------------------------------------------------------------------------------------------ updates

    def _take_update(self, row: Row, kind: str) -> None:
        match kind:
            case "user_message_chunk" | "agent_message_chunk" | "agent_thought_chunk":
                self._take_chunk(row, _CHUNKS[kind])
            case "tool_call" | "tool_call_update":
                self._take_tool_call(row, row.update, announced=kind == "tool_call")
            case "plan":
                self._take_plan(row)
            case _:
                if kind == "session_info_update":
                    self.facts.title = text_of(row.update.get("title")) or self.facts.title
                elif kind == "config_option_update":
                    self.facts.note_configuration(row.update)
                self._note(row, kind or row.method)

    def _take_chunk(self, row: Row, role: str) -> None:
        message_id = text_of(row.update.get("messageId"))
        message = self._message
        if message is None or (message.role, message.message_id) != (role, message_id):
            self._close_message()
            message = Message(f"line-{row.number}", row.time, role, done=False, message_id=message_id)
            message.metadata.update({**self._labels(), **({"message_id": message_id} if message_id else {})})
            self._message = message
            self._open(message)
            if role != "user":
                self._prompt = b""
        message.add(row.update.get("content"))

    def _close_message(self) -> None:
        message, self._message = self._message, None
        if message is None:
            return
        message.done = True
        message.repeats = self._repeats(message)
        if not message.repeats:
            self._remember(_digest(message.role, message.content()))

    def _repeats(self, message: Message) -> bool:
        """Whether a message was shown already: an echoed prompt, or what a loaded session tells again."""
        digest = _digest(message.role, message.content())
        if message.role == "user" and digest == self._prompt:
            return True
        return "inherited" in message.metadata and digest in self._seen

    def _remember(self, digest: bytes) -> None:
        if len(self._seen) + len(self._told) < _MAX_SEEN:
            (self._told if self._loading else self._seen)[digest] = None

    def _take_plan(self, row: Row) -> None:
        entries = row.update.get("entries")
        entries = [entry for entry in (entries if isinstance(entries, list) else []) if isinstance(entry, dict)]
        if not all(_is_plan_entry(entry) for entry in entries):
            self._say(row, "assistant", [{"type": "unknown", "raw": row.update}])
            return
        part = {"type": "plan", "entries": [{"status": None, "priority": None, **entry} for entry in entries]}
        digest = _digest("plan", [part])
        if self._loading and digest in self._seen:
            self._note(row, "repeated_plan")
            return
        self._remember(digest)
        self._say(row, "assistant", [part])

    # ------------------------------------------------------------------------------------------------ tool calls

    def _take_tool_call(self, row: Row, fields: JsonObject, *, announced: bool) -> None:
        """Fold an announcement or an update; an update may be the first that is heard of its call."""
        call_id = text_of(fields.get("toolCallId")) or f"call-{row.number}"
        if call_id not in self._calls and call_id in self._known and (self._loading or not announced):
            self._take_late_update(row, call_id, fields)
            return
        slot = self._calls.get(call_id) or self._begin_call(row, call_id)
        slot.call.update(fields)
        if slot.call.is_over:
            self._finish_call(row, slot)

    def _begin_call(self, row: Row, call_id: str) -> CallSlot:
        self._close_message()
        self._prompt = b""
        slot = CallSlot(f"line-{row.number}", row.time, Call(call_id), self._labels())
        self._calls[call_id] = slot
        self._known[call_id] = None
        if len(self._known) > _MAX_SEEN:
            self._known.popitem(last=False)
        if len(self._calls) > _MAX_CALLS:
            self._calls.pop(next(iter(self._calls))).done = True
        self._open(slot)
        return slot

    def _finish_call(self, row: Row, slot: CallSlot) -> None:
        slot.done = True
        self._calls.pop(slot.call.call_id, None)
        self._give_result(row, slot.call)

    def _give_result(self, row: Row, call: Call) -> None:
        metadata = {**self._labels(), **call.result_metadata()}
        result = call.result_part(self._terminals)
        self._open(Message(f"line-{row.number}-result", row.time, "tool", [result], metadata))

    def _take_late_update(self, row: Row, call_id: str, fields: JsonObject) -> None:
        """More of a call that is over: a result of its own if there is one in it, unless a loaded session tells it."""
        if self._loading or not (fields.get("content") or fields.get("rawOutput")):
            self._note(row, text_of(fields.get("sessionUpdate")) or row.method)
            return
        call = Call(call_id)
        call.update(fields)
        self._give_result(row, call)

    def _note_permission(self, request: Row, row: Row) -> None:
        tool_call, outcome = request.params.get("toolCall"), row.result.get("outcome")
        slot = self._calls.get(_field(tool_call, "toolCallId"))
        if slot is None or not isinstance(outcome, dict):
            return
        options = request.params.get("options")
        chosen = [option for option in (options if isinstance(options, list) else ()) if _is_option(option, outcome)]
        slot.call.permission = {**outcome, **({"option": chosen[0]} if chosen else {})}


def _is_option(option: object, outcome: JsonObject) -> bool:
    return isinstance(option, dict) and option.get("optionId") == outcome.get("optionId")


def _is_plan_entry(entry: JsonObject) -> bool:
    optional = (entry.get("status"), entry.get("priority"))
    return isinstance(entry.get("content"), str) and all(isinstance(value, (str, type(None))) for value in optional)


def _digest(role: str, parts: Sequence[Part]) -> bytes:
    """What a message says, so that it is known again however it was cut into chunks."""
    text = "".join(part["text"] for part in parts if part["type"] in ("text", "thinking"))
    data = text.encode() if text else _dump(parts)
    return hashlib.blake2b(role.encode() + b"\0" + data, digest_size=12).digest()


def _dump(parts: Sequence[Part]) -> bytes:
    try:
        return orjson.dumps(parts)
    except TypeError:  # nested more deeply than the encoder goes
        return b"?"
