"""What a decoded JSON value is taken for, where anything may stand in a field."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["JsonObject", "dicts", "mapping", "text_of"]

JsonObject: TypeAlias = dict[str, Any]


def mapping(value: object) -> JsonObject:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def dicts(value: object) -> list[JsonObject]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """The value if it is text, else no text."""
    return value if isinstance(value, str) else ""
