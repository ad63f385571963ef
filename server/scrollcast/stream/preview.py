"""Cutting long parts short, and finding them again (`docs/protocol.md`, `preview`)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from scrollcast.model import Part

__all__ = ["IMAGE_TYPES", "Body", "cut_event", "find_body", "part_hrefs", "part_path"]

Path: TypeAlias = tuple[int, ...]
"""Where a part stands: its place in `content`, then in `output` where it is inside a tool result."""

IMAGE_TYPES: Final = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"))
"""Images that a browser only draws. SVG is a document that can run scripts, so it is never served as itself."""

# Which field of a part holds its text.
_TEXT_FIELD: Final = {"text": "text", "thinking": "text", "code": "text", "resource": "text"}

# Which field of a part holds base64, where it has one.
_BINARY_FIELD: Final = {"image": "data", "resource": "blob"}

# Which field of a part holds a JSON value of any shape.
_VALUE_FIELD: Final = {"tool_call": "input", "plan": "entries", "unknown": "raw"}


@dataclass(frozen=True, slots=True)
class Body:
    """One part's whole content."""

    data: bytes
    media_type: str


def part_path(path: Path) -> str:
    """A part's place as it stands in an address: `3`, or `3/output/0`."""
    return "/output/".join(str(place) for place in path)


def part_hrefs(scroll_id: UUID, seq: int, *, meta: bool, root_path: str = "") -> Callable[[Path], str]:
    """The addresses of an event's parts, by their places, behind a path prefix of the server.

    `meta` says which numbering `seq` is of.
    """
    query = "?meta=true" if meta else ""
    return lambda path: f"{root_path}/api/sessions/{scroll_id}/events/{seq}/parts/{part_path(path)}{query}"


def cut_event(event: bytes | memoryview, limit: int, href: Callable[[Path], str], *, pictures: bool = True) -> bytes:
    """An event's own bytes with every part over `limit` bytes cut, and marked with its size and address.

    Without `pictures` those stay whole.
    """
    value = orjson.loads(event)
    message = value["event"].get("message")
    if message is None:
        return bytes(event)
    message["content"] = _cut_parts(message["content"], limit, href, (), pictures)
    return orjson.dumps(value)


def _cut_parts(
    parts: Sequence[Part], limit: int, href: Callable[[Path], str], above: Path, pictures: bool
) -> list[Part]:
    return [_cut_part(part, limit, href, (*above, place), pictures) for place, part in enumerate(parts)]


def _cut_part(part: Part, limit: int, href: Callable[[Path], str], path: Path, pictures: bool) -> Part:
    kind = part["type"]
    if kind == "tool_result":
        return {**part, "output": _cut_parts(part["output"], limit, href, path, pictures)}
    if kind == "image" and not pictures:
        return part
    if kind == "image" or (kind == "resource" and _has_blob(part)):
        return _cut_binary(part, _BINARY_FIELD[kind], limit, href, path)
    if kind in _TEXT_FIELD:
        return _cut_text(part, _TEXT_FIELD[kind], limit, href, path)
    return _cut_value(part, _VALUE_FIELD[kind], limit, href, path)


def _has_blob(part: Part) -> bool:
    """Whether a resource holds bytes; the field is none of the protocol's, so it may be anything."""
    return isinstance(part.get("blob"), str) and part["blob"] != ""


def _mark(size: int, href: Callable[[Path], str], path: Path) -> dict[str, Any]:
    return {"bytes": size, "href": href(path)}


def _cut_text(part: Part, field: str, limit: int, href: Callable[[Path], str], path: Path) -> Part:
    data = (part.get(field) or "").encode()
    if len(data) <= limit:
        return part
    # Cutting bytes may leave half a character at the end, which "ignore" drops.
    return {**part, field: data[:limit].decode(errors="ignore"), "truncated": _mark(len(data), href, path)}


def _cut_binary(part: Part, field: str, limit: int, href: Callable[[Path], str], path: Path) -> Part:
    data = part.get(field)
    if not data or _decoded_size(data) <= limit:
        return part
    rest = {name: value for name, value in part.items() if name != field}
    return {**rest, "truncated": _mark(len(_decode_base64(data)), href, path)}


def _cut_value(part: Part, field: str, limit: int, href: Callable[[Path], str], path: Path) -> Part:
    whole = orjson.dumps(part.get(field))
    if len(whole) <= limit:
        return part
    return {**part, field: _shrink(part[field], limit), "truncated": _mark(len(whole), href, path)}


def _shrink(value: Any, limit: int) -> Any:
    """A JSON value of the same shape with its texts cut so that it is small; else its beginning as text."""
    for share in (limit // 2, limit // 16, 64):
        smaller = _cut_strings(value, share)
        if len(orjson.dumps(smaller)) <= limit:
            return smaller
    if isinstance(value, list):
        return []
    # As a text it is encoded once more, which at worst doubles it, and puts it in quotes.
    return orjson.dumps(value)[: limit // 2 - 1].decode(errors="ignore")


def _cut_strings(value: Any, limit: int) -> Any:
    match value:
        case str():
            return value if len(value) <= limit else value[:limit] + "…"
        case list():
            return [_cut_strings(item, limit) for item in value]
        case dict():
            return {name: _cut_strings(item, limit) for name, item in value.items()}
        case _:
            return value


def find_body(event: bytes | memoryview, path: str) -> Body | None:
    """The whole content of the part at a place made by `part_path`; `None` when there is no such part."""
    places = path.split("/output/")
    if not all(place.isascii() and place.isdigit() and len(place) < 10 for place in places):
        return None
    parts: Any = (orjson.loads(event)["event"].get("message") or {}).get("content", [])
    part: Part | None = None
    for place in places:
        if int(place) >= len(parts):
            return None
        part = parts[int(place)]
        parts = part["output"] if part["type"] == "tool_result" else []
    return None if part is None else _body(part)


def _body(part: Part) -> Body:
    kind = part["type"]
    if kind == "image" and part.get("data"):
        media_type = str(part["mime_type"]).partition(";")[0].strip().lower()
        served = media_type if media_type in IMAGE_TYPES else "application/octet-stream"
        return Body(_decode_base64(part["data"]), served)
    if kind == "resource" and _has_blob(part):
        return Body(_decode_base64(part["blob"]), "application/octet-stream")
    if kind in _TEXT_FIELD:
        return Body((part.get(_TEXT_FIELD[kind]) or "").encode(), _PLAIN)
    field = _VALUE_FIELD.get(kind)
    return Body(orjson.dumps(part.get(field) if field else part), _PLAIN)


_PLAIN: Final = "text/plain; charset=utf-8"


def _decoded_size(text: str) -> int:
    """How many bytes base64 text holds, told by its length."""
    return len(text) * 3 // 4 - text.endswith("=") - text.endswith("==")


def _decode_base64(text: str) -> bytes:
    """The bytes of base64 text, with or without padding; none where it is no base64."""
    try:
        return b64decode(text + "==", validate=False)
    except (Base64Error, ValueError):
        return b""
