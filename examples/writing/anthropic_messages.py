"""A program that talks to the Anthropic API, watched live: each message goes into an archive as it is sent or comes.

with ArchiveWriter.create("sessions", title="Fix the build", agent="my-agent") as session:
    messages = [{"role": "user", "content": "Fix the build"}]
    record(session, messages[0])
    answer = client.messages.create(model=…, messages=messages, tools=…)
    record(session, answer.model_dump())
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from scrollcast import ArchiveWriter
from scrollcast.parts import image, resource, text, thinking, tool_call, tool_result


def record(session: ArchiveWriter, message: Mapping[str, Any]) -> str:
    """Write a message, as it stands in `messages` or as the API answers; gives its id in the archive."""
    content = message["content"]
    parts = [text(content)] if isinstance(content, str) else [_part(block) for block in content]
    # The API has tool results said by the user; here nobody said them.
    is_result = bool(parts) and all(part["type"] == "tool_result" for part in parts)
    told = {name: message[name] for name in ("model", "usage", "stop_reason") if message.get(name)}
    return session.message(
        "tool" if is_result else message["role"], parts, message_id=message.get("id"), metadata=told or None
    )


def _part(block: Mapping[str, Any]) -> dict[str, Any]:
    match block:
        case {"type": "text", "text": str(words)}:
            return text(words)
        case {"type": "thinking", "thinking": str(words)}:
            return thinking(words)
        case {"type": "tool_use" | "server_tool_use", "id": call_id, "name": str(name), "input": given}:
            return tool_call(call_id, name, given)
        case {"type": "tool_result", "tool_use_id": call_id}:
            return tool_result(call_id, _output(block.get("content")), is_error=bool(block.get("is_error")))
        case {"type": "image", "source": {"type": "base64", "data": str(data), "media_type": str(kind)}}:
            return image(b64decode(data), kind)
        case {"type": "image" | "document", "source": {"type": "url", "url": str(url)}}:
            return resource(url)
        case _:
            return {"type": "unknown", "raw": dict(block)}  # kept, and shown folded


def _output(content: str | Iterable[Mapping[str, Any]] | None) -> str | list[dict[str, Any]]:
    return content if isinstance(content, str) else [_part(block) for block in content or ()]
