"""The lines of an ACP log as JSON-RPC messages, whatever its writer wrapped them into or left of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from scrollcast.archive.formats.json_values import JsonObject, mapping, text_of
from scrollcast.archive.storage import decode_json
from scrollcast.model import Part

__all__ = ["Requests", "Row", "block_part", "is_evidence", "read_row"]

_TIMES: Final = ("ts", "time", "timestamp")
_DIRECTIONS: Final = ("dir", "direction")
_WRAPPED: Final = ("msg", "message", "payload")

_MAX_OPEN_REQUESTS: Final = 512
"""An agent has a handful of requests open at a time; older ones are forgotten."""

_MAX_OPEN_BYTES: Final = 16 << 20
"""So many bytes of lines likewise: a prompt may hold images."""


@dataclass(frozen=True, slots=True)
class Row:
    """One message: a request or notification by its `method`, else a response.

    `session_id` is `""` where the message names no session, `size` the length of its line. `raw` is the whole line.
    """

    number: int
    size: int
    raw: JsonObject
    body: JsonObject
    time: object
    direction: str
    method: str
    params: JsonObject
    session_id: str

    @property
    def result(self) -> JsonObject:
        """A response's result, empty where it has none that is an object."""
        return mapping(self.body.get("result"))

    @property
    def request_id(self) -> str | int | None:
        """What ties a response to its request; `None` for a notification."""
        value = self.body.get("id")
        return value if isinstance(value, (str, int)) else None

    @property
    def update(self) -> JsonObject:
        """What a `session/update` says, empty where it says nothing."""
        return mapping(self.params.get("update"))


# ------------------------------------------------------------------------------------------------------- reading


def read_row(value: JsonObject, number: int, size: int) -> Row:
    """The message in one line. One of no known shape has neither a method nor a result."""
    body, time, direction = _unwrap(value)
    method, params = _method_of(body)
    session_id = text_of(params.get("sessionId")) or text_of(mapping(body.get("result")).get("sessionId"))
    return Row(number, size, value, body, time, direction, method, params, session_id)


def _unwrap(value: JsonObject) -> tuple[JsonObject, object, str]:
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


def _is_message(value: JsonObject) -> bool:
    return "jsonrpc" in value or "sessionUpdate" in value or "sessionId" in value or "method" in value


def _decoded(value: object) -> object:
    """A wrapped message may be the text of one."""
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    try:
        return decode_json(value.encode())
    except ValueError:
        return None


def _method_of(body: JsonObject) -> tuple[str, JsonObject]:
    """The method and its params; those of a message of which only the params were kept are told by their fields."""
    match body:
        case {"method": str(method)}:
            return method, mapping(body.get("params"))
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


def is_evidence(value: JsonObject) -> bool:
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
        self._open: OrderedDict[int, Row] = OrderedDict()  # by their lines' numbers, the earliest first
        self._numbers: dict[str | int, list[int]] = {}
        self._bytes = 0

    def note(self, request: Row) -> None:
        """Remember a request, or do nothing where it is a notification."""
        if request.request_id is None:
            return
        self._open[request.number] = request
        self._numbers.setdefault(request.request_id, []).append(request.number)
        self._bytes += request.size
        while len(self._open) > _MAX_OPEN_REQUESTS or self._bytes > _MAX_OPEN_BYTES:
            self._close(next(iter(self._open.values())))

    def answered_by(self, response: Row) -> Row | None:
        """The request that a response is of, which is then no longer open."""
        if response.request_id is None:
            return None
        numbers = self._numbers.get(response.request_id, ())
        found = [request for number in numbers if _may_answer(response, request := self._open[number])]
        if not found:
            return None
        best = min(found, key=lambda request: _misfit(response, request))
        self._close(best)
        return best

    def _close(self, request: Row) -> None:
        assert request.request_id is not None, "only requests are open"
        del self._open[request.number]
        self._bytes -= request.size
        numbers = self._numbers[request.request_id]
        numbers.remove(request.number)
        if not numbers:
            del self._numbers[request.request_id]


def _may_answer(response: Row, request: Row) -> bool:
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


def _resource(block: JsonObject) -> Part:
    part: Part = {"type": "resource", "uri": block["uri"]}
    for name, field in (("mimeType", "mime_type"), ("text", "text"), ("blob", "blob"), ("name", "name")):
        if isinstance(block.get(name), str):
            part[field] = block[name]
    return part
