"""The HTTP routes as an OpenAPI 3.1 document (`docs/protocol.md`, HTTP)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scrollcast._version import __version__
from scrollcast.contract.schemas import SCHEMAS, Schema, ref, resolved

__all__ = ["openapi_document"]

_PLACE: Final = "#/components/schemas/"

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_MOST: Final = 2**53 - 1
"""What every client can hold as a whole number (RFC 8259, 6); more is a bad value."""

_MILLISECONDS: Final[Schema] = {"type": "integer", "minimum": 0, "maximum": _MOST}


def _count(least: int, most: int = _MOST, default: int | None = None) -> Schema:
    bounds = {"minimum": least, "maximum": most, "default": default}
    return {"type": "integer", **{name: value for name, value in bounds.items() if value is not None}}


def _query(description: str, schema: Schema, *, required: bool = False) -> dict[str, Any]:
    return {"description": description, "schema": schema, "required": required}


_SCROLL_ID: Final = {
    "name": "scroll_id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "A session's id.",
}  # fmt: skip
_SEQ: Final = {"name": "seq", "in": "path", "required": True, "schema": _count(0), "description": "An event's number."}
_PATH: Final = {
    "name": "path", "in": "path", "required": True, "schema": {"type": "string", "pattern": r"^\d+(/output/\d+)*$"},
    "description": "The part's place in the content; of one inside a result, `{place}/output/{place}`.",
}  # fmt: skip

_SHARE_ID: Final = {
    "name": "share_id", "in": "path", "required": True, "schema": {"type": "string"}, "description": "A share's id.",
}  # fmt: skip
_ACCESS: Final = {"session": _query("Of a share of this session.", _TEXT)}

_META: Final = {"meta": _query("Number the events with the meta events among them.", _FLAG)}
_HITS: Final = {
    "q": _query("Words that all have to be there.", _TEXT, required=True),
    "limit": _query("At most so many; more is cut to 1000.", _count(1, default=100)),
}
_LISTING: Final = {
    "q": _query("Only sessions that hold all these words, each with its hits.", _TEXT),
    "agent": _query("Only of this agent.", _TEXT),
    "project": _query("Only of this project.", _TEXT),
    "model": _query("Only with this model.", _TEXT),
    "errors": _query("Only with, or only without, a tool call that failed.", _FLAG),
    "live": _query("Only those that are, or are not, being written.", _FLAG),
    "parent": _query("Only those that this session started.", {"type": "string", "format": "uuid"}),
    "after": _query("Only created after this.", {"type": "string", "format": "date-time"}),
    "before": _query("Only created before this.", {"type": "string", "format": "date-time"}),
    "sort": _query(
        "In this order; with `-` before it, descending.",
        {"type": "string", "pattern": "^-?(created_at|updated_at|title|duration_ms|count)$", "default": "-updated_at"},
    ),
    "limit": _query("At most so many; more is cut to 500.", _count(1, default=50)),
    "cursor": _query("Go on behind an earlier page: its `next_cursor`.", _TEXT),
}
_EVENTS: Final = {
    "start_seq": _query("From this event on.", _count(0, default=0)),
    "limit": _query("At most so many; more is cut to 1000.", _count(1, default=100)),
    "preview": _query("Cut any longer part, in bytes.", _count(1024)),
    **_META,
}
_TIMELINE: Final = {
    "most": _query("List at most so many markers of each kind, and no gaps where there are more.", _count(1)),
    **_META,
}
_TABLE: Final = {
    "name": "table", "in": "path", "required": True, "schema": {"enum": ["gaps", "turns"]}, "description": "Of what.",
}  # fmt: skip
_TURNS: Final = {
    "start": _query("From the turn after so many.", _count(0, default=0)),
    "limit": _query("At most so many; more is cut to 1000.", _count(1, default=100)),
    **_META,
}
_EXPORT: Final = {
    "format": _query("What to make.", {"enum": ["html", "markdown", "jsonl", "cast"], "default": "html"}),
    "from_ms": _query("Only what was recorded then or later.", _MILLISECONDS),
    "to_ms": _query("Only what was recorded up to then.", _MILLISECONDS),
    "title": _query("In place of the session's own title.", _TEXT),
    "redact": _query("Whether secrets are taken out; they are, unless an owner wishes otherwise.", _FLAG),
    "leave_out": _query("With commas between: thinking, tools, outputs, subagents, images, system, meta.", _TEXT),
}
_OEMBED: Final = {
    "url": _query("The address of a session's page.", _TEXT, required=True),
    "format": _query("There is only this one.", {"const": "json"}),
    "maxwidth": _query("In pixels.", _count(1)),
    "maxheight": _query("In pixels.", _count(1)),
}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": ref(schema)}}


def _binary(*media_types: str) -> dict[str, Any]:
    return {media_type: {} for media_type in media_types}


def _operation(
    summary: str,
    content: Mapping[str, Any],
    query: Mapping[str, Mapping[str, Any]] | None = None,
    path: Sequence[Mapping[str, Any]] = (),
    problems: Sequence[int] = (),
    *,
    method: str = "get",
    status: int = 200,
    body: str | None = None,
) -> dict[str, Any]:
    parameters = [*path, *({"name": name, "in": "query", **told} for name, told in (query or {}).items())]
    answers: dict[str, Any] = {str(status): {"description": summary, "content": dict(content)}}
    for status in problems:
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    operation = {"summary": summary, "parameters": parameters, "responses": answers}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return {method: operation}


_SESSION: Final = "/api/sessions/{scroll_id}"
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
_EXPORTED: Final = ("text/html", "text/markdown", "application/jsonl", "application/x-asciicast")

_PATHS: Final[Mapping[str, Any]] = {
    "/api/sessions": _operation("A page of the list of sessions.", _json("SessionPage"), _LISTING, problems=(400,)),
    _SESSION: _operation("What is known of a session.", _json("Session"), path=(_SCROLL_ID,), problems=(404,)),
    f"{_SESSION}/timeline": _operation(
        "Markers, gaps and density.", _json("Timeline"), _TIMELINE, (_SCROLL_ID,), problems=(400, 404, 500)
    ),
    f"{_SESSION}/timeline/{{table}}": _operation(
        "All gaps (`start_ms`, `end_ms`) or turns (`seq`, `t_ms`): 64 bits a number, signed, the lowest byte first.",
        _binary("application/octet-stream"),
        _META,
        (_SCROLL_ID, _TABLE),
        problems=(400, 404, 500),
    ),
    f"{_SESSION}/turns": _operation(
        "Turns and what they begin with.", _json("TurnPage"), _TURNS, (_SCROLL_ID,), problems=(400, 404, 500)
    ),
    f"{_SESSION}/events": _operation(
        "A page of events.", _json("EventPage"), _EVENTS, (_SCROLL_ID,), problems=(400, 404, 500)
    ),
    f"{_SESSION}/events/{{seq}}/parts/{{path}}": _operation(
        "One part's whole content.",
        _binary("text/plain", *_PICTURES, "application/octet-stream"),
        _META,
        (_SCROLL_ID, _SEQ, _PATH),
        problems=(400, 404, 500),
    ),
    f"{_SESSION}/search": _operation(
        "The hits in one session.", _json("HitPage"), _HITS, (_SCROLL_ID,), problems=(400, 404)
    ),
    f"{_SESSION}/export": _operation(
        "The session as one file.", _binary(*_EXPORTED), _EXPORT, (_SCROLL_ID,), problems=(400, 404, 500)
    ),
    f"{_SESSION}/shares": {
        **_operation("The links that show the session.", _json("SharePage"), path=(_SCROLL_ID,), problems=(400, 404)),
        **_operation(
            "A new link.",
            _json("Share"),
            path=(_SCROLL_ID,),
            problems=(400, 404),
            method="post",
            status=201,
            body="ShareWish",
        ),
    },
    "/api/shares": _operation("Every link.", _json("SharePage"), problems=(400,)),
    "/api/shares/{share_id}": _operation(
        "Withdrawn.", {}, path=(_SHARE_ID,), problems=(400, 404), method="delete", status=204
    ),
    "/api/access": {
        **_operation("What whoever asks may see.", _json("Access"), _ACCESS),
        **_operation("A token exchanged for a cookie.", _json("Access"), problems=(400,), method="post", body="Token"),
        **_operation("The cookies taken back.", {}, method="delete", status=204),
    },
    "/api/facets": _operation("What the list may be filtered by.", _json("Facets")),
    "/api/unrecognised": _operation("Files that no reader knows.", _json("Unrecognised")),
    "/oembed": _operation("What to frame for an address.", _json("OEmbed"), _OEMBED, problems=(400, 404, 501)),
    "/healthz": _operation("Whether the process answers.", _json("Health")),
    "/readyz": _operation(
        "Whether sessions can be found and played; the problem's code says why not.", _json("Health"), problems=(503,)
    ),
    "/metrics": _operation("Numbers for Prometheus.", _binary("text/plain")),
    "/openapi.json": _operation("This document.", _binary("application/json")),
    "/asyncapi.json": _operation("The WebSocket's messages, as an AsyncAPI 3 document.", _binary("application/json")),
}

_PROBLEMS: Final = {
    400: "A parameter has a value that cannot be taken; `parameter` names it.",
    401: "It is not known who asks: a token, or a link that holds, is missing.",
    403: "Whoever asks may not, or asks from another site.",
    404: "There is no such session, or no such part of it.",
    429: "Too many wrong tokens came from this address.",
    500: "The session's archive cannot be read.",
    501: "Another format than JSON.",
    503: "Not ready yet, or no more can be served.",
}


_ASKED: Final = (401, 403, 429)
"""What any route that tells something of a session may answer where a token is asked for."""


def _guarded(path: str, operations: Mapping[str, Any]) -> dict[str, Any]:
    """The operations of a path with what the gate before it may answer."""
    if not path.startswith(("/api/", "/oembed")):
        return dict(operations)
    asked = {str(status): {"$ref": f"#/components/responses/{status}"} for status in _ASKED}
    security: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}, {}]
    return {
        method: {**operation, "security": security, "responses": {**operation["responses"], **asked}}
        for method, operation in operations.items()
    }


_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The owner's token, or the secret of a share."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "scrollcast-8420-owner"},
}


def openapi_document(server: str = "/") -> dict[str, Any]:
    """The document; `server` is the address that its paths stand below."""
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    answers = {str(status): {"description": words, "content": problem} for status, words in _PROBLEMS.items()}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Scrollcast",
            "version": __version__,
            "summary": "Archived sessions of AI agents: the list, search, timelines, events and exports.",
            "description": "Sessions are played over a WebSocket: `/asyncapi.json` tells how.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "paths": {path: _guarded(path, operations) for path, operations in _PATHS.items()},
        "components": {"schemas": SCHEMAS, "responses": answers, "securitySchemes": _SCHEMES},
    }
    resolved_document: dict[str, Any] = resolved(document, _PLACE)
    return resolved_document
