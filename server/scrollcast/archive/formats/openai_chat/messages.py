"""One message of an OpenAI-style chat as records: text, thoughts, tool calls and results, images.

The shapes are those of the chat completions API, of the responses API's content, and of Anthropic's content blocks,
which programs mix.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from scrollcast.archive.formats.call_parts import call_parts, image_part, read_content, source_image, text_part
from scrollcast.archive.formats.json_values import JsonObject, dicts, json_size, listed, mapping, text_of
from scrollcast.model import Part, Record

__all__ = ["ROLES", "Talk", "content_parts", "is_message", "message_time", "thinking_parts"]

ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool", "function"))

MAX_EXTRA_BYTES: Final = 16 << 10
"""A field that no one knows is kept up to this size as JSON."""

_MAX_CALLS: Final = 50_000
_MAX_OPEN_CALLS: Final = 4096
"""So many calls wait for a result that may come; a result of an older one keeps the id that it has."""


def is_message(value: object) -> bool:
    """Whether an object is a chat message and not another tool's row that also has a role."""
    if not isinstance(value, dict):
        return False
    role, kind = value.get("role"), value.get("type")
    if not isinstance(role, str) or role not in ROLES or kind not in (None, "message"):
        return False
    if "content_md" in value or "parts" in value or "ts" in value or isinstance(value.get("message"), dict):
        return False
    return "content" in value or "tool_calls" in value or "function_call" in value


def message_time(message: JsonObject) -> object:
    """When a message says that it was made; `None` for most."""
    return next((message[name] for name in ("timestamp", "created_at") if message.get(name) is not None), None)


# --------------------------------------------------------------------------------------------------------- calls


class _Ledger:
    """Ties results to calls. An id may come again in a later turn; it is another one then."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, int] = OrderedDict()  # how often an id was given to a call
        self._open: OrderedDict[str, tuple[str, str]] = OrderedDict()  # calls without a result: own ids, names
        self._by_id: dict[str, OrderedDict[str, None]] = {}
        self._by_name: dict[str, OrderedDict[str, None]] = {}
        self._made = 0

    def open(self, own_id: object, name: str) -> str:
        """The id of a call: its own, told apart from earlier ones, or a new one."""
        if not isinstance(own_id, str) or not own_id:
            self._made += 1
            own_id = f"call-{self._made}"
        times = self._times[own_id] = self._times.get(own_id, 0) + 1
        call_id = own_id if times == 1 else f"{own_id}#{times}"
        self._open[call_id] = (own_id, name)
        for index, key in ((self._by_id, own_id), (self._by_name, name)):
            index.setdefault(key, OrderedDict())[call_id] = None
        if len(self._times) > _MAX_CALLS:
            self._times.popitem(last=False)
        if len(self._open) > _MAX_OPEN_CALLS:
            self._remove(next(iter(self._open)))
        return call_id

    def _remove(self, call_id: str) -> None:
        own_id, name = self._open.pop(call_id)
        for index, key in ((self._by_id, own_id), (self._by_name, name)):
            del index[key][call_id]
            if not index[key]:
                del index[key]

    def close(self, own_id: object, name: str) -> str | None:
        """The id that a result belongs to: of the nearest earlier call of that id, or else name, without a result."""
        given = text_of(own_id)
        waiting = self._by_id.get(given) if given else self._by_name.get(name)
        if waiting is None or not (given or name):
            return given or None
        found = next(reversed(waiting))
        self._remove(found)
        return found


_VIEWERS: Final = frozenset(("str_replace_editor", "file_editor", "str_replace_based_edit_tool"))


# ------------------------------------------------------------------------------------------------------- content


def content_parts(content: object) -> list[Part]:
    """The parts of a message's content: text, a list of blocks, nothing. Blocks that call tools are not among them."""
    is_block = isinstance(content, dict) and isinstance(content.get("type"), str)
    return read_content([content] if is_block else content, _block_parts)


def _block_parts(block: object) -> list[Part]:
    match block:
        case {"type": "image", "image_urls": list(urls)}:
            return [image_part(url) for url in urls if isinstance(url, str)]
        case _:
            part = _block_part(block)
            return [] if part is None else [part]


def _block_part(block: object) -> Part | None:
    match block:
        case str():
            return text_part(block) if block else None
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text_part(text) if text else None
        case {"type": "refusal", "refusal": str(text)}:
            return text_part(text)
        case {"type": "thinking", "thinking": str(text)}:
            return {"type": "thinking", "text": text} if text.strip() else None
        case {"type": "image_url" | "input_image", "image_url": {"url": str(url)} | str(url)}:
            return image_part(url)
        case {"type": "image", "source": source} if image := source_image(source):
            return image
        case _:
            return {"type": "unknown", "raw": block}


def thinking_parts(message: JsonObject) -> list[Part]:
    """What the model thought: the same thoughts stand in up to three fields."""
    blocks = message.get("thinking_blocks")
    texts = [text_of(block.get("thinking")) for block in dicts(blocks)]
    if not any(text.strip() for text in texts):
        texts = [text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))]
    return [{"type": "thinking", "text": text} for text in texts if text.strip()]


# ---------------------------------------------------------------------------------------------------------- talk

_KNOWN_FIELDS: Final = frozenset(
    ("role", "content", "tool_calls", "function_call", "tool_call_id", "tool_call_ids", "reasoning_content",
     "reasoning", "thinking_blocks", "refusal", "timestamp", "created_at", "message_id", "id", "type", "thought",
     "action", "model", "usage", "metadata", "files", "pinned", "hide")
)  # fmt: skip


@dataclass(slots=True)
class Draft:
    """A record in the making."""

    role: str
    parts: list[Part] = field(default_factory=list)
    metadata: JsonObject = field(default_factory=dict)


class Talk:
    """Makes records of the messages of one conversation, in their order."""

    def __init__(self, *, meta: bool) -> None:
        self.calls = _Ledger()
        self.wants_meta = meta
        self._ids: set[str] = set()
        self._action: str | None = None  # the call that a message without function calling makes

    def records(self, message: JsonObject, place: str) -> Iterator[Record]:
        """The records of one message; `place` names it where it has no id of its own."""
        own_id = text_of(message.get("message_id")) or text_of(message.get("id"))
        record_id = self.unique_id(own_id, place)
        time = message_time(message)
        if message.get("hide") is True:
            yield from self.meta(record_id, time, "hidden_message", message)
            return
        for number, draft in enumerate(self._drafts(message)):
            suffix = f"-{number + 1}" if number else ""
            yield Record(record_id + suffix, time, draft.role, draft.parts, draft.metadata or None)

    def meta(self, record_id: str, time: object, kind: str, payload: object) -> Iterator[Record]:
        """A meta event, where they are wanted."""
        if self.wants_meta:
            yield Record(record_id, time, kind=kind, payload=payload)

    def unique_id(self, own_id: str, place: str) -> str:
        """A message's own id, or its place where it has none or another one had that."""
        if not own_id or own_id in self._ids or len(self._ids) >= _MAX_CALLS:
            return place
        self._ids.add(own_id)
        return own_id

    # ------------------------------------------------------------------------------------------------- drafts

    def _drafts(self, message: JsonObject) -> list[Draft]:
        role = text_of(message.get("role"))
        if role == "assistant":
            drafts = [self._assistant(message)]
        elif role in ("tool", "function"):
            drafts = [self._result(message)]
        else:
            drafts = self._told(message, role)
        metadata = _metadata(message)
        for draft in drafts:
            draft.metadata.update(metadata)
        return drafts

    def _assistant(self, message: JsonObject) -> Draft:
        self._action = None
        parts = thinking_parts(message)
        action = text_of(message.get("action"))
        called = message.get("tool_calls")
        called = called if isinstance(called, list) else []
        if action.strip() and not called:
            return Draft("assistant", [*parts, *self._action_parts(message, action)])
        for block in listed(message.get("content")):
            parts.extend(self._spoken_block(block))
        if isinstance(refusal := message.get("refusal"), str) and refusal:
            parts.append(text_part(refusal))
        for call in called:
            parts.extend(self._tool_call(call))
        if isinstance(function := message.get("function_call"), dict) and not called:
            parts.extend(self.call_parts(None, text_of(function.get("name")), function.get("arguments")))
        return Draft("assistant", parts)

    def _spoken_block(self, block: Any) -> list[Part]:
        match block:
            case {"type": "tool_use", "name": str(name)}:
                return self.call_parts(block.get("id"), name, block.get("input"))
            case _:
                return content_parts([block])

    def _tool_call(self, call: Any) -> list[Part]:
        match call:
            case {"function": {"name": str(name)} as function}:
                return self.call_parts(call.get("id"), name, function.get("arguments"))
            case {"custom": {"name": str(name)} as custom}:
                return self.call_parts(call.get("id"), name, custom.get("input"))
            case _:
                return [{"type": "unknown", "raw": call}]

    def call_parts(self, own_id: object, name: str, given: object) -> list[Part]:
        """A tool call, and the plan that it makes."""
        parts = call_parts(self.calls.open(own_id, name), name, given, fallback_id="")
        call = parts[0]
        if name in _VIEWERS and isinstance(call["input"], dict) and call["input"].get("command") == "view":
            call["kind"] = "read"
        return parts

    def _action_parts(self, message: JsonObject, action: str) -> list[Part]:
        """SWE-agent without function calling: the command stands in the text, and again by itself."""
        said = text_of(message.get("thought")) or ("" if "thought" in message else text_of(message.get("content")))
        self._action = self.calls.open(None, "shell")
        call = call_parts(self._action, "shell", {"command": action}, fallback_id="")
        return [*([text_part(said)] if said.strip() else []), *call]

    def _result(self, message: JsonObject) -> Draft:
        ids = message.get("tool_call_ids")
        own_id = message.get("tool_call_id") or (ids[0] if isinstance(ids, list) and ids else None)
        return Draft("tool", [self.result_part(own_id, text_of(message.get("name")), message.get("content"))])

    def result_part(self, own_id: object, name: str, content: object, *, failed: bool = False) -> Part:
        """A tool's result, tied to its call where that can be told."""
        call_id = self.calls.close(own_id, name)
        return {"type": "tool_result", "call_id": call_id, "output": content_parts(content), "is_error": failed}

    def _told(self, message: JsonObject, role: str) -> list[Draft]:
        """What a person or a program says to the model; results among it are records of their own."""
        if self._action is not None and role == "user":
            call_id, self._action = self._action, None
            output = content_parts(message.get("content"))
            self.calls.close(call_id, "")
            return [Draft("tool", [{"type": "tool_result", "call_id": call_id, "output": output, "is_error": False}])]
        results, said = Draft("tool"), Draft(role if role == "user" else "system")
        for block in listed(message.get("content")):
            match block:
                case {"type": "tool_result"}:
                    failed = block.get("is_error") is True
                    part = self.result_part(block.get("tool_use_id"), "", block.get("content"), failed=failed)
                    results.parts.append(part)
                case _:
                    said.parts.extend(content_parts([block]))
        said.parts.extend(_file_parts(message.get("files")))
        if said.role != role:
            said.metadata["native_role"] = role
        if message.get("message_type") == "demonstration" or message.get("is_demo") is True:
            said.role, said.metadata["demonstration"] = "system", True
        drafts = [draft for draft in (results, said) if draft.parts]
        return drafts or [said]


def _file_parts(files: object) -> list[Part]:
    """Files that a message names; none of them is opened."""
    names = files if isinstance(files, list) else []
    return [{"type": "resource", "uri": name} for name in names if isinstance(name, str)]


def _metadata(message: JsonObject) -> JsonObject:
    """What a message says beside its content, and what is known of how it was made."""
    own = mapping(message.get("metadata"))
    facts: JsonObject = {}
    for name in ("model", "usage", "cost"):
        value = message.get(name, own.get(name))
        if value is not None and (name != "model" or isinstance(value, str)):
            facts[name] = value
    ids = message.get("tool_call_ids")
    if isinstance(ids, list) and len(ids) > 1:
        facts["tool_call_ids"] = ids
    if message.get("pinned") is True:
        facts["pinned"] = True
    rest = {name: value for name, value in own.items() if name not in facts}
    extra = {name: value for name, value in message.items() if name not in _KNOWN_FIELDS and name not in facts}
    return {**_small(rest), **_small(extra), **facts}


def _small(fields: JsonObject) -> JsonObject:
    return {
        name: value
        for name, value in fields.items()
        if value not in (None, [], {}) and json_size(value) <= MAX_EXTRA_BYTES
    }
