"""Conversations that are one JSON document: which of the lists in it is the conversation, and what stands around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.json_values import JsonObject, mapping, text_of
from scrollcast.archive.formats.openai_chat.messages import Talk, is_message
from scrollcast.archive.storage import decode_json
from scrollcast.model import BadRecord

__all__ = ["Document", "holds_conversation", "model_of", "peek_document"]

_LISTS: Final = frozenset(("messages", "raw_messages", "history", "trajectory", "response", "choices"))


# --------------------------------------------------------------------------------------------------------- peeking

_DECODER: Final = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


@dataclass(slots=True)
class _Peek:
    """A JSON text that may be cut anywhere."""

    text: str
    position: int = 0

    def skip(self, wanted: str) -> bool:
        """Go past a character, where it is the next."""
        self._space()
        if not self.text.startswith(wanted, self.position):
            return False
        self.position += 1
        return True

    def value(self) -> tuple[bool, Any]:
        """The next value, whole; `False` where it is cut."""
        self._space()
        try:
            value, self.position = _DECODER.raw_decode(self.text, self.position)
        except (ValueError, RecursionError):
            return False, None
        return True, value

    def _space(self) -> None:
        while self.position < len(self.text) and self.text[self.position] in _SPACE:
            self.position += 1


def peek_document(head: bytes) -> object:
    """What the beginning of a JSON document holds: values that are cut are left out, of a list there is the start."""
    peek = _Peek(head.decode("utf-8", "replace"))
    return _peek_list(peek) if peek.skip("[") else _peek_object(peek)


def _peek_list(peek: _Peek) -> list[Any]:
    whole, value = peek.value()
    return [value] if whole else []


def _peek_object(peek: _Peek) -> JsonObject | None:
    fields: JsonObject = {}
    if not peek.skip("{"):
        return None
    while True:
        named, name = peek.value()
        if not named or not isinstance(name, str) or not peek.skip(":"):
            return fields
        start = peek.position
        whole, value = peek.value()
        if not whole:
            peek.position = start
            if peek.skip("["):
                fields[name] = _peek_list(peek)
            return fields
        fields[name] = value
        if not peek.skip(","):
            return fields


def holds_conversation(value: object) -> bool:
    """Whether a document, or the beginning of one, is a conversation of this format."""
    match value:
        case list():
            return bool(value) and is_message(value[0])
        case {"info": dict()} | {"loglines": list()} | {"eval": dict()} if not _is_trajectory(value):
            return False
        case {"messages": [first, *_]}:
            return is_message(first)
        case {"messages": [], "response": {"choices": [{"message": message}, *_]}}:
            return is_message(message)
        case {"choices": [{"message": message}, *_]}:
            return is_message(message)
        case _:
            return _is_trajectory(value)


def _is_trajectory(value: Any) -> bool:
    """Whether it is what SWE-agent writes."""
    match value:
        case {"trajectory": [{"action": _, "observation": _}, *_]}:
            return True
        case {"history": [first, *_]}:
            return is_message(first) and "sessionId" not in value
        case _:
            return False


# ------------------------------------------------------------------------------------------------------- documents


@dataclass(slots=True)
class Document:
    """One conversation, taken apart.

    `messages` is the one list that tells it (some documents tell it twice), `answer` what stands only in the response,
    `steps` a trajectory without messages; `facts` is everything else in the document.
    """

    messages: list[Any] = field(default_factory=list)
    answer: JsonObject | None = None
    steps: list[Any] = field(default_factory=list)
    facts: JsonObject = field(default_factory=dict)

    @classmethod
    def of(cls, value: object) -> Document:
        """Take a decoded document apart. One that is no conversation has no messages."""
        if isinstance(value, list):
            return cls(value)
        if not isinstance(value, dict):
            return cls()
        facts = {name: item for name, item in value.items() if name not in _LISTS}
        if _is_trajectory(value):
            return cls._of_trajectory(value, facts)
        raw, plain = value.get("raw_messages"), value.get("messages")
        messages = raw if isinstance(raw, list) and raw else plain if isinstance(plain, list) else []
        response = value if "choices" in value else value.get("response")
        if isinstance(rest := _response_facts(response), dict) and response is not value:
            facts["response"] = rest
        return cls(messages, _answer(response, messages), facts=facts)

    @classmethod
    def _of_trajectory(cls, value: JsonObject, facts: JsonObject) -> Document:
        """`history` where it goes beyond the prompts, else `trajectory`: both tell the same."""
        history = value.get("history")
        history = history if isinstance(history, list) else []
        steps = value.get("trajectory")
        if not isinstance(steps, list) or any(_field(item, "role") in ("assistant", "tool") for item in history):
            return cls(history, facts=facts)
        query = steps[0].get("query") if steps and isinstance(steps[0], dict) else None
        opening = max(history, query if isinstance(query, list) else [], key=len)
        return cls(opening, steps=steps, facts=facts)

    def __len__(self) -> int:
        """How many records there are, more or less."""
        return len(self.messages) + (self.answer is not None) + 2 * len(self.steps)

    def items(self, *, meta: bool) -> Iterator[Item]:
        """Every record, in order."""
        talk = Talk(meta=meta)
        for number, message in enumerate(self.messages, 1):
            if isinstance(message, dict) and isinstance(message.get("role"), str):
                yield from talk.records(message, f"message-{number}")
            elif isinstance(message, dict):
                yield from talk.meta(f"meta-{number}", None, text_of(message.get("type")) or "unknown", message)
            else:
                yield BadRecord(None)
        if self.answer is not None:
            yield from talk.records(self.answer, "response")
        for number, step in enumerate(self.steps, 1):
            yield from _step_items(talk, step, f"step-{number}")
        if self.facts:
            yield from talk.meta("document", None, "document", self.facts)


def _field(value: object, name: str) -> str:
    return text_of(mapping(value).get(name))


def _response_facts(response: object) -> object:
    """What stands in a response beside the answer; other answers that the model gave stay there."""
    if not isinstance(response, dict):
        return response
    rest = {name: value for name, value in response.items() if name != "choices"}
    choices = response.get("choices")
    return {**rest, "choices": choices[1:]} if isinstance(choices, list) and len(choices) > 1 else rest


def _answer(response: Any, messages: list[Any]) -> JsonObject | None:
    """The last message, where it stands in the response only."""
    match response:
        case {"choices": [{"message": dict(answer)}, *_]} if not messages or not _is_same(answer, messages[-1]):
            facts = {name: response[name] for name in ("model", "usage") if response.get(name) is not None}
            return {"role": "assistant", **facts, **answer}
        case _:
            return None


def _is_same(answer: JsonObject, message: object) -> bool:
    return isinstance(message, dict) and all(
        (answer.get(name) or None) == (message.get(name) or None) for name in ("role", "content", "tool_calls")
    )


_STEP_FIELDS: Final = frozenset(("response", "thought", "action", "observation", "query", "messages"))


def _step_items(talk: Talk, step: object, place: str) -> Iterator[Item]:
    """A step of a trajectory: what the agent said and did, and what came of it."""
    if not isinstance(step, dict):
        yield BadRecord(None)
        return
    said = {"role": "assistant", "content": step.get("response"), "thought": step.get("thought")}
    yield from talk.records({**said, "action": step.get("action")}, place)
    if "observation" in step:
        rest = {name: value for name, value in step.items() if name not in _STEP_FIELDS}
        yield from talk.records({**rest, "role": "user", "content": step["observation"]}, f"{place}-observation")


def model_of(facts: JsonObject) -> str:
    """The model that a document names, wherever it does."""
    kwargs, replay = facts.get("kwargs"), facts.get("replay_config")
    if isinstance(replay, str):
        try:
            replay = decode_json(replay.encode("utf-8", "replace"))
        except ValueError:
            replay = None
    agent = replay.get("agent") if isinstance(replay, dict) else None
    names = (
        _field(facts, "model"), _field(facts.get("response"), "model"), _field(kwargs, "model"),
        _field(agent.get("model") if isinstance(agent, dict) else None, "name"), _field(facts, "backing_model"),
    )  # fmt: skip
    return next((name for name in names if name), "")
