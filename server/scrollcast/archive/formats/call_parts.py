"""Parts that several formats hold in much the same shape: tool calls with their plan, images, texts of any value."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from scrollcast.archive.formats.json_values import text_of
from scrollcast.archive.formats.tool_kinds import tool_kind
from scrollcast.archive.storage import decode_json
from scrollcast.model import Part

__all__ = [
    "call_parts",
    "first_line",
    "image_part",
    "json_text",
    "media_type_of",
    "plan_part",
    "read_content",
    "source_image",
    "split_data_uri",
    "text_part",
]

_MAX_TITLE_CHARACTERS: Final = 160

# The fields of a call's input that say in a few words what it is about, the most telling first.
_TITLE_FIELDS: Final = (
    "command", "cmd", "keystrokes", "code", "file_path", "path", "pattern", "query", "url", "description", "title",
    "subject", "prompt", "name",
)  # fmt: skip

_STATUSES: Final = frozenset(("pending", "in_progress", "completed", "cancelled"))
_PLAN_LISTS: Final = ("plan", "todos", "task_list")
_ENTRY_TEXTS: Final = ("step", "content", "description", "title")


# --------------------------------------------------------------------------------------------------------- texts


def text_part(text: str) -> Part:
    """A text."""
    return {"type": "text", "text": text}


def json_text(value: object) -> str:
    """A value as readable JSON."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # nested more deeply than the encoder goes
        return "(too deeply nested)"


def read_content(content: object, parts_of: Callable[[Any], Iterable[Part]]) -> list[Part]:
    """A message or an output in any of the shapes met: text, blocks as `parts_of` reads each, nothing, any value."""
    match content:
        case None | "":
            return []
        case str():
            return [text_part(content)]
        case list():
            return [part for block in content for part in parts_of(block)]
        case _:
            return [text_part(json_text(content))]


def first_line(text: str) -> str:
    """The first line with something in it, cut to the length of a title."""
    # Cut first: an input may be of many MiB.
    line = text[: _MAX_TITLE_CHARACTERS * 4].strip().partition("\n")[0].strip()
    return line if len(line) <= _MAX_TITLE_CHARACTERS else line[: _MAX_TITLE_CHARACTERS - 1] + "…"


# --------------------------------------------------------------------------------------------------------- calls


def call_parts(call_id: object, name: object, arguments: object, *, fallback_id: str) -> list[Part]:
    """A tool call, and the plan where it makes one. Arguments that are JSON in a string are decoded."""
    given = _decoded(arguments)
    name = name if isinstance(name, str) else "unknown"
    call: Part = {
        "type": "tool_call",
        "call_id": call_id if isinstance(call_id, str) and call_id else fallback_id,
        "name": name,
        "kind": tool_kind(name),
        "title": _title(name, given),
        "input": given,
    }
    plan = plan_part(given) if call["kind"] == "think" else None
    return [call] if plan is None else [call, plan]


def _decoded(arguments: object) -> Any:
    if arguments is None:
        return {}
    if not isinstance(arguments, str):
        return arguments
    try:
        value = decode_json(arguments.encode("utf-8", "replace"))
    except ValueError:
        return arguments
    return value if isinstance(value, dict) else arguments


def _title(name: str, given: object) -> str:
    fields = given if isinstance(given, dict) else {"command": given}
    texts = (fields.get(field) for field in _TITLE_FIELDS)
    return next((line for text in texts if isinstance(text, str) and (line := first_line(text))), name)


def plan_part(given: object) -> Part | None:
    """The plan in what a tool was given; `None` where there is no list of steps. What is no step is left out."""
    fields: Mapping[str, Any] = given if isinstance(given, dict) else {}
    steps = next((fields[name] for name in _PLAN_LISTS if isinstance(fields.get(name), list)), None)
    if steps is None:
        return None
    return {"type": "plan", "entries": [entry for step in steps if (entry := _plan_entry(step)) is not None]}


def _plan_entry(step: object) -> dict[str, str | None] | None:
    if isinstance(step, str):
        return {"content": step, "status": "pending", "priority": None}
    if not isinstance(step, dict):
        return None
    content = next((step[name] for name in _ENTRY_TEXTS if isinstance(step.get(name), str)), None)
    if content is None:
        return None
    status, priority = step.get("status"), step.get("priority")
    return {
        "content": content,
        "status": status if isinstance(status, str) and status in _STATUSES else "pending",
        "priority": priority if isinstance(priority, str) else None,
    }


# -------------------------------------------------------------------------------------------------------- images

_DATA_URI: Final = re.compile(r"data:([\w.+/-]+)(?:;[\w=.+-]+)*;base64,", re.ASCII)


def split_data_uri(uri: str) -> tuple[str, str] | None:
    """The media type and the base64 text of a `data:` URI (RFC 2397); `None` for any other."""
    found = _DATA_URI.match(uri[:300])
    return (found[1], uri[found.end() :]) if found else None


def media_type_of(uri: str, otherwise: str) -> str:
    """What the ending of a file's name says."""
    return mimetypes.guess_type(uri[:2000])[0] or otherwise


def image_part(uri: str, mime_type: object = None) -> Part:
    """An image by where it lies: in the text itself, or at an address that is never opened here."""
    if data := split_data_uri(uri):
        return {"type": "image", "mime_type": data[0], "data": data[1]}
    known = mime_type if isinstance(mime_type, str) else media_type_of(uri, "image/*")
    return {"type": "image", "mime_type": known, "uri": uri}


def source_image(source: Any) -> Part | None:
    """The image that the `source` of an Anthropic content block holds or names; `None` where it is no image."""
    match source:
        case {"type": "base64", "data": str(data)}:
            return {"type": "image", "mime_type": text_of(source.get("media_type")) or "image/png", "data": data}
        case {"url": str(uri)}:
            return image_part(uri)
        case _:
            return None
