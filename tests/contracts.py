"""What the server sends, held to the schemas that it publishes, more strictly than a client should."""

from __future__ import annotations

from typing import Any, Final

import jsonschema_rs

from archives import JsonObject
from scrollcast.contract.schemas import SCHEMAS, SERVER_MESSAGES

__all__ = ["check", "check_message"]

_OPEN: Final = {name for name in SCHEMAS if name.endswith("Part")} | {"PlanEntry"}
"""What an archive's own fields are passed on in."""


def _closed(value: Any) -> Any:
    """The same schema with no room for fields that it does not name."""
    if isinstance(value, list):
        return [_closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    closed = {name: _closed(each) for name, each in value.items()}
    return {**closed, "additionalProperties": False} if "properties" in value and "type" in value else closed


_DEFINITIONS: Final = {name: schema if name in _OPEN else _closed(schema) for name, schema in SCHEMAS.items()}
_VALIDATORS: Final[dict[str, Any]] = {}


def check(name: str, value: Any) -> None:
    """Raise `AssertionError` unless a value is as the schema of this name has it, field for field."""
    if name not in _VALIDATORS:
        schema = {"$ref": f"#/$defs/{name}", "$defs": _DEFINITIONS}
        _VALIDATORS[name] = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    if not _VALIDATORS[name].is_valid(value):
        error = next(iter(_VALIDATORS[name].iter_errors(value)))
        raise AssertionError(f"{name}: {error.message[:300]} at {list(error.instance_path)}")


def check_message(message: JsonObject) -> None:
    """The same for a message that a server sent, by its type."""
    check(SERVER_MESSAGES[message["type"]], message)
