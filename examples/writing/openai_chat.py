"""A program that talks to the OpenAI API, watched live: each message goes into an archive as it is sent or comes.

with ArchiveWriter.create("sessions", title="Fix the build", agent="my-agent") as session:
    messages = [{"role": "user", "content": "Fix the build"}]
    record(session, messages[0])
    answer = client.chat.completions.create(model=…, messages=messages, tools=…)
    record(session, answer.choices[0].message.model_dump(), model=answer.model, usage=answer.usage.model_dump())
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from scrollcast import ArchiveWriter
from scrollcast.parts import image, resource, text, thinking, tool_call, tool_result


def record(session: ArchiveWriter, message: Mapping[str, Any], **metadata: Any) -> str:
    """Write a message of a chat completion; gives its id in the archive."""
    role = "system" if message["role"] == "developer" else message["role"]
    said = list(_said(message.get("content")))
    if role in ("tool", "function"):
        return session.message("tool", [tool_result(message.get("tool_call_id"), said)], metadata=metadata or None)
    thought = [thinking(words)] if (words := message.get("reasoning_content")) else []
    refused = [text(words)] if (words := message.get("refusal")) else []
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    return session.message(role, [*thought, *said, *refused, *calls], metadata=metadata or None)


def _said(content: str | Iterable[Mapping[str, Any]] | None) -> Iterable[dict[str, Any]]:
    if isinstance(content, str):
        return [text(content)] if content else []
    return [_part(part) for part in content or ()]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(words)} | {"type": "refusal", "refusal": str(words)}:
            return text(words)
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _picture(url)
        case _:
            return {"type": "unknown", "raw": dict(part)}  # kept, and shown folded


def _picture(url: str) -> dict[str, Any]:
    head, comma, data = url.partition(";base64,")
    return image(b64decode(data), head.removeprefix("data:")) if comma else resource(url)


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {"name": call["custom"]["name"], "arguments": call["custom"]["input"]}
    try:
        given = json.loads(function["arguments"] or "{}")
    except ValueError:  # a model may write what is no JSON
        given = function["arguments"]
    return tool_call(call["id"], function["name"], given)
