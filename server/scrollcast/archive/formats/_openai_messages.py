"""One message of an OpenAI-style chat as records: text, thoughts, tool calls and results, images.

The shapes are those of the chat completions API, of the responses API's content, and of Anthropic's content blocks,
which programs mix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from scrollcast.archive.formats._call_parts import call_parts, image_part, json_text, text_part
from scrollcast.model import Part, Record

__all__ = ["ROLES", "Json", "Talk", "content_parts", "is_message", "message_time", "text_of"]

Json: TypeAlias = dict[str, Any]

ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool", "function"))

MAX_EXTRA_BYTES: Final = 16 << 10
"""A field that no one knows is kept up to this size as JSON."""

_MAX_CALLS: Final = 50_000


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


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def message_time(message: Json) -> object:
    """When a message says that it was made; `None` for most."""
    return next((message[name] for name in ("timestamp", "created_at") if message.get(name) is not None), None)


# --------------------------------------------------------------------------------------------------------- calls


class _Ledger:
    """Ties results to calls. An id may come again in a later turn; it is another one then."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}  # how often an id was given to a call
        self._open: dict[str, tuple[str, str]] = {}  # the calls without a result: their own ids, and names
        self._made = 0

    def open(self, own_id: object, name: str) -> str:
        """The id of a call: its own, told apart from earlier ones, or a new one."""
        if not isinstance(own_id, str) or not own_id:
            self._made += 1
            own_id = f"call-{self._made}"
        times = self._times[own_id] = self._times.get(own_id, 0) + 1
        call_id = own_id if times == 1 else f"{own_id}#{times}"
        self._open[call_id] = (own_id, name)
        for calls in (self._times, self._open):
            if len(calls) > _MAX_CALLS:
                del calls[next(iter(calls))]
        return call_id

    def close(self, own_id: object, name: str) -> str | None:
        """The id that a result belongs to: of the nearest earlier call of that id, or else name, without a result."""
        given = isinstance(own_id, str) and own_id != ""
        place, wanted = (0, own_id) if given else (1, name)
        if not wanted:
            return None
        found = next((call_id for call_id, facts in reversed(self._open.items()) if facts[place] == wanted), None)
        if found is not None:
            del self._open[found]
            return found
        return text_of(own_id) or None


_VIEWERS: Final = frozenset(("str_replace_editor", "file_editor", "str_replace_based_edit_tool"))


# ------------------------------------------------------------------------------------------------------- content


def content_parts(content: object) -> list[Part]:
    """The parts of a message's content: text, a list of blocks, nothing. Blocks that call tools are not among them."""
    match content:
        case None | "":
            return []
        case str():
            return [text_part(content)]
        case list():
            return [part for block in content for part in _block_parts(block)]
        case dict() if isinstance(content.get("type"), str):
            return content_parts([content])
        case _:
            return [text_part(json_text(content))]


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
        case {"type": "image", "source": {"type": "base64", "data": str(data)} as source}:
            return {"type": "image", "mime_type": text_of(source.get("media_type")) or "image/png", "data": data}
        case {"type": "image", "source": {"type": "url", "url": str(url)}}:
            return image_part(url)
        case _:
            return {"type": "unknown", "raw": block}


def thinking_parts(message: Json) -> list[Part]:
    """What the model thought: the same thoughts stand in up to three fields."""
    blocks = message.get("thinking_blocks")
    texts = [text_of(block.get("thinking")) for block in _objects(blocks)]
    if not any(text.strip() for text in texts):
        texts = [text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))]
    return [{"type": "thinking", "text": text} for text in texts if text.strip()]


def _objects(values: object) -> list[Json]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


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
    metadata: Json = field(default_factory=dict)


class Talk:
    """Makes records of the messages of one conversation, in their order."""

    def __init__(self, *, meta: bool) -> None:
        self.calls = _Ledger()
        self.wants_meta = meta
        self._ids: set[str] = set()
        self._action: str | None = None  # the call that a message without function calling makes

    def records(self, message: Json, place: str) -> Iterator[Record]:
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

    def _drafts(self, message: Json) -> list[Draft]:
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

    def _assistant(self, message: Json) -> Draft:
        self._action = None
        parts = thinking_parts(message)
        action = text_of(message.get("action"))
        called = _objects(message.get("tool_calls"))
        if action.strip() and not called:
            return Draft("assistant", [*parts, *self._action_parts(message, action)])
        for block in _blocks(message.get("content")):
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

    def _tool_call(self, call: Json) -> list[Part]:
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

    def _action_parts(self, message: Json, action: str) -> list[Part]:
        """SWE-agent without function calling: the command stands in the text, and again by itself."""
        said = text_of(message.get("thought")) or ("" if "thought" in message else text_of(message.get("content")))
        self._action = self.calls.open(None, "shell")
        call = call_parts(self._action, "shell", {"command": action}, fallback_id="")
        return [*([text_part(said)] if said.strip() else []), *call]

    def _result(self, message: Json) -> Draft:
        ids = message.get("tool_call_ids")
        own_id = message.get("tool_call_id") or (ids[0] if isinstance(ids, list) and ids else None)
        return Draft("tool", [self.result_part(own_id, text_of(message.get("name")), message.get("content"))])

    def result_part(self, own_id: object, name: str, content: object, *, failed: bool = False) -> Part:
        """A tool's result, tied to its call where that can be told."""
        call_id = self.calls.close(own_id, name)
        return {"type": "tool_result", "call_id": call_id, "output": content_parts(content), "is_error": failed}

    def _told(self, message: Json, role: str) -> list[Draft]:
        """What a person or a program says to the model; results among it are records of their own."""
        if self._action is not None and role == "user":
            call_id, self._action = self._action, None
            output = content_parts(message.get("content"))
            self.calls.close(call_id, "")
            return [Draft("tool", [{"type": "tool_result", "call_id": call_id, "output": output, "is_error": False}])]
        results, said = Draft("tool"), Draft(role if role == "user" else "system")
        for block in _blocks(message.get("content")):
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


def _blocks(content: object) -> Iterable[Any]:
    match content:
        case None | "":
            return ()
        case list():
            return content
        case _:
            return (content,)


def _file_parts(files: object) -> list[Part]:
    """Files that a message names; none of them is opened."""
    names = files if isinstance(files, list) else []
    return [{"type": "resource", "uri": name} for name in names if isinstance(name, str)]


def _metadata(message: Json) -> Json:
    """What a message says beside its content, and what is known of how it was made."""
    own = message.get("metadata")
    own = own if isinstance(own, dict) else {}
    facts: Json = {}
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


def _small(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value not in (None, [], {}) and _is_small(value)}


def _is_small(value: object) -> bool:
    try:
        return len(orjson.dumps(value)) <= MAX_EXTRA_BYTES
    except TypeError:  # nested more deeply than the encoder goes
        return False
