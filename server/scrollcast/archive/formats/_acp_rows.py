"""The lines of an ACP log as JSON-RPC messages, whatever its writer wrapped them into or left of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from scrollcast.archive.storage import decode_json
from scrollcast.model import Part

__all__ = ["Json", "Requests", "Row", "block_part", "is_evidence", "read_row", "text_of"]

Json: TypeAlias = dict[str, Any]

_TIMES: Final = ("ts", "time", "timestamp")
_DIRECTIONS: Final = ("dir", "direction")
_WRAPPED: Final = ("msg", "message", "payload")

_MAX_OPEN_REQUESTS: Final = 512
"""An agent has a handful of requests open at a time; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message: a request or notification by its `method`, else a response.

    `session_id` is `""` where the message names no session, `size` the length of its line. `raw` is the whole line.
    """

    number: int
    size: int
    raw: Json
    body: Json
    time: object
    direction: str
    method: str
    params: Json
    session_id: str

    @property
    def result(self) -> Json:
        """A response's result, empty where it has none that is an object."""
        return _object(self.body.get("result"))

    @property
    def request_id(self) -> str | int | None:
        """What ties a response to its request; `None` for a notification."""
        value = self.body.get("id")
        return value if isinstance(value, (str, int)) else None

    @property
    def update(self) -> Json:
        """What a `session/update` says, empty where it says nothing."""
        return _object(self.params.get("update"))


def text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


# ------------------------------------------------------------------------------------------------------- reading


def read_row(value: Json, number: int, size: int) -> Row:
    """The message in one line. One of no known shape has neither a method nor a result."""
    body, time, direction = _unwrap(value)
    method, params = _method_of(body)
    session_id = text_of(params.get("sessionId")) or text_of(_object(body.get("result")).get("sessionId"))
    return Row(number, size, value, body, time, direction, method, params, session_id)


def _unwrap(value: Json) -> tuple[Json, object, str]:
    """The message itself, and the time and direction that whoever kept it put around it or into it."""
    time = next((value[name] for name in _TIMES if value.get(name) is not None), None)
    direction = next((value[name] for name in _DIRECTIONS if isinstance(value.get(name), str)), "")
    if _is_message(value):
        return value, time, direction
    for name in _WRAPPED:
        inner = _decoded(value.get(name))
        if isinstance(inner, dict):
            return inner, time, direction
    return value, time, direction


def _is_message(value: Json) -> bool:
    return "jsonrpc" in value or "sessionUpdate" in value or "sessionId" in value or "method" in value


def _decoded(value: object) -> object:
    """A wrapped message may be the text of one."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return decode_json(value.encode())
    except ValueError:
        return None


def _method_of(body: Json) -> tuple[str, Json]:
    """The method and its params; those of a message of which only the params were kept are told by their fields."""
    match body:
        case {"method": str(method)}:
            return method, _object(body.get("params"))
        case {"sessionUpdate": str()}:
            return "session/update", {"update": body}
        case {"update": {"sessionUpdate": str()}}:
            return "session/update", body
        case {"sessionId": str(), "prompt": list()}:
            return "session/prompt", body
        case {"sessionId": str(), "toolCall": dict(), "options": list()}:
            return "session/request_permission", body
        case _:
            return "", {}


def is_evidence(value: Json) -> bool:
    """Whether nothing but ACP writes such a line: other protocols are JSON-RPC too."""
    body, _, _ = _unwrap(value)
    match body:
        case {"sessionUpdate": str()} | {"sessionId": str(), "update": {"sessionUpdate": str()}}:
            return True
        case {"jsonrpc": "2.0", "method": "initialize", "params": {"protocolVersion": int()}}:
            return True  # MCP's version is text
        case {"jsonrpc": "2.0", "method": str(method)}:
            return method.startswith("session/")
        case _:
            return False


# ------------------------------------------------------------------------------------------------------ requests

# The field of its result that tells which request a response is of. Both sides count their requests for themselves,
# so an id alone may mean two.
_RESULT_FIELDS: Final[Mapping[str, str]] = {
    "initialize": "protocolVersion",
    "session/new": "sessionId",
    "session/prompt": "stopReason",
    "session/request_permission": "outcome",
    "fs/read_text_file": "content",
    "terminal/create": "terminalId",
    "terminal/output": "output",
}


class Requests:
    """The requests that wait for their responses."""

    def __init__(self) -> None:
        self._open: list[Row] = []

    def note(self, request: Row) -> None:
        """Remember a request, or do nothing where it is a notification."""
        if request.request_id is not None:
            self._open.append(request)
            del self._open[:-_MAX_OPEN_REQUESTS]

    def answered_by(self, response: Row) -> Row | None:
        """The request that a response is of, which is then no longer open."""
        found = [request for request in self._open if _may_answer(response, request)]
        if not found:
            return None
        best = min(found, key=lambda request: _misfit(response, request))
        self._open.remove(best)
        return best


def _may_answer(response: Row, request: Row) -> bool:
    if response.request_id != request.request_id:
        return False
    return not response.direction or response.direction != request.direction


def _misfit(response: Row, request: Row) -> int:
    wanted = _RESULT_FIELDS.get(request.method)
    if wanted is None or "error" in response.body:
        return 1
    return 0 if wanted in response.result else 2


# --------------------------------------------------------------------------------------------------------- parts


def block_part(block: Any) -> Part:
    """One content block as a part (agentclientprotocol.com, Content)."""
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image", "data": str(data)} if data:
            return {"type": "image", "mime_type": text_of(block.get("mimeType")) or "image/png", "data": data}
        case {"type": "image", "uri": str(uri)}:
            return {"type": "image", "mime_type": text_of(block.get("mimeType")) or "image/*", "uri": uri}
        case {"type": "resource_link", "uri": str()}:
            return _resource(block)
        case {"type": "resource", "resource": {"uri": str()}}:
            return _resource(block["resource"])
        case _:
            return {"type": "unknown", "raw": block}


def _resource(block: Json) -> Part:
    part: Part = {"type": "resource", "uri": block["uri"]}
    for name, field in (("mimeType", "mime_type"), ("text", "text"), ("blob", "blob"), ("name", "name")):
        if isinstance(block.get(name), str):
            part[field] = block[name]
    return part
