"""A LangChain program that can be watched live: a callback handler that writes what its models and tools say.

with ArchiveWriter.create("sessions", title="Fix the build", agent="langchain") as session:
    agent.invoke({"messages": [("user", "Fix the build")]}, config={"callbacks": [SessionRecorder(session)]})
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from scrollcast import ArchiveWriter
from scrollcast.parts import text, thinking, tool_call, tool_result

if TYPE_CHECKING:
    BaseCallbackHandler = object
else:
    from langchain_core.callbacks import BaseCallbackHandler

ROLES = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system"}


class SessionRecorder(BaseCallbackHandler):
    """Writes each message once: a model is given the whole conversation again with every call."""

    def __init__(self, session: ArchiveWriter) -> None:
        super().__init__()
        self._session = session
        self._written: set[str] = set()

    def on_chat_model_start(self, serialized: Any, messages: Sequence[Sequence[Any]], **_more: Any) -> None:
        """What the model is asked: what is new of it."""
        for conversation in messages:
            self._write(conversation)

    def on_llm_end(self, response: Any, **_more: Any) -> None:
        """What the model answers."""
        self._write(generation.message for choices in response.generations for generation in choices[:1])

    def on_tool_end(self, output: Any, **_more: Any) -> None:
        """What a tool that a model called gives back; of one that the program called itself nobody was told."""
        if getattr(output, "type", None) == "tool":
            self._write((output,))

    def on_tool_error(self, error: BaseException, *, tool_call_id: str | None = None, **_more: Any) -> None:
        """A tool that failed; the model may be told so in words of its own, which add nothing."""
        self._written.add(f"tool:{tool_call_id}")
        self._session.message("tool", [tool_result(tool_call_id, f"{type(error).__name__}: {error}", is_error=True)])

    def _write(self, messages: Iterable[Any]) -> None:
        for message in messages:
            key = f"{message.type}:{getattr(message, 'tool_call_id', None) or message.id or message.content}"
            if key not in self._written:
                self._written.add(key)
                self._session.message(ROLES.get(message.type, message.type), _parts(message), metadata=_told(message))


def _parts(message: Any) -> list[dict[str, Any]]:
    blocks = [message.content] if isinstance(message.content, str) else message.content
    said = [_part(block) for block in blocks if block and not _is_call(block)]
    if message.type == "tool":
        return [tool_result(message.tool_call_id, said, is_error=message.status == "error")]
    calls = (tool_call(call["id"], call["name"], call["args"]) for call in getattr(message, "tool_calls", ()))
    return [*said, *calls]


def _is_call(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in ("tool_use", "tool_call")


def _part(block: Any) -> dict[str, Any]:
    match block:
        case str():
            return text(block)
        case {"type": "text", "text": str(words)}:
            return text(words)
        case {"type": "thinking", "thinking": str(words)} | {"type": "reasoning", "reasoning": str(words)}:
            return thinking(words)
        case _:
            return {"type": "unknown", "raw": block}


def _told(message: Any) -> dict[str, Any] | None:
    told = {"model": message.response_metadata.get("model_name"), "usage": getattr(message, "usage_metadata", None)}
    return {name: value for name, value in told.items() if value} or None
