"""The WebSocket as an AsyncAPI 3 document (`docs/protocol.md`, Connecting to Ending)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scrollcast._version import __version__
from scrollcast.contract.schemas import CLIENT_MESSAGES, SCHEMAS, SERVER_MESSAGES, Schema, ref, resolved

__all__ = ["CLOSE_CODES", "PARAMETERS", "asyncapi_document"]

_FLAG: Final[Schema] = {"type": "boolean", "default": False}

PARAMETERS: Final[Mapping[str, Schema]] = {
    "mode": {**SCHEMAS["Mode"], "default": "fast"},
    "speed": {**SCHEMAS["Speed"], "default": 1},
    "idle": {
        "oneOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": "off"}],
        "default": "off",
        "description": "The longest gap that is played, in seconds.",
    },
    "start_ms": {"type": "integer", "minimum": 0, "description": "Begin at this recorded time."},
    "start_seq": {"type": "integer", "minimum": 0, "description": "Begin at this event; not together with start_ms."},
    "epoch": {"type": "string", "description": "With start_seq: go on where a lost connection ended."},
    "paused": {**_FLAG, "description": "Begin paused."},
    "meta": {**_FLAG, "description": "Include the session's meta events."},
    "follow": {**_FLAG, "description": "After what is archived, go on with events as they are written."},
    "hold": {**_FLAG, "description": "After the end, stay for more commands."},
    "batch": {
        "type": "integer", "minimum": 0, "maximum": 1_048_576, "default": 0,
        "description": "Allow `events` messages of about so many bytes.",
    },
    "window": {
        "type": "integer", "minimum": 1, "description": "Never more events than this sent and not acknowledged.",
    },
    "preview": {"type": "integer", "minimum": 1024, "description": "Cut any longer part, in bytes."},
}  # fmt: skip
"""The query parameters of a replay."""

CLOSE_CODES: Final[Mapping[int, str]] = {
    1000: "the end was sent",
    1001: "the server goes away: come back and resume",
    1008: "too many bad commands in a row",
    1009: "a message is too big",
    1011: "something went wrong in the server",
    1012: "the server restarts: come back and resume",
    4008: "the client reads too slowly: come back and resume",
    4013: "too many connections: wait for `retry_after_ms`, then come back",
    4500: "not authenticated",
    4501: "bad request",
    4504: "there is no such session",
    4505: "the archive cannot be read",
}
"""What a close code means; 4000 to 4499 may be retried, 4500 to 4999 are final."""

_CHANNEL: Final = "#/channels/replay"


def _messages(types: Mapping[str, str]) -> dict[str, Any]:
    return {
        schema: {
            "name": kind,
            "title": kind,
            "contentType": "application/json",
            "summary": SCHEMAS[schema]["description"],
            "payload": ref(schema),
        }
        for kind, schema in types.items()
    }


def _operation(action: str, summary: str, types: Mapping[str, str]) -> dict[str, Any]:
    messages = [{"$ref": f"{_CHANNEL}/messages/{schema}"} for schema in types.values()]
    return {"action": action, "summary": summary, "channel": {"$ref": _CHANNEL}, "messages": messages}


def asyncapi_document(host: str = "127.0.0.1:8420", path: str = "", *, is_secure: bool = False) -> dict[str, Any]:
    """The document of a server at this host, below this path prefix."""
    messages = {**_messages(SERVER_MESSAGES), **_messages(CLIENT_MESSAGES)}
    closes = "\n".join(f"- {code}: {meaning}" for code, meaning in CLOSE_CODES.items())
    server = {"host": host, "protocol": "wss" if is_secure else "ws", **({"pathname": path} if path else {})}
    document = {
        "asyncapi": "3.0.0",
        "id": "urn:scrollcast:v1",
        "info": {
            "title": "Scrollcast",
            "version": __version__,
            "description": "Plays an archived session of an AI agent back: one replay a WebSocket, subprotocol "
            "`scrollcast.v1`, one JSON object a text frame. Ignore what is not known.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"this": server},
        "channels": {
            "replay": {
                "address": "/ws/sessions/{scroll_id}",
                "title": "A replay",
                "description": f"Closes with one of these codes:\n\n{closes}",
                "parameters": {"scroll_id": {"description": "A session's id."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "query": {"type": "object", "properties": PARAMETERS},
                        "headers": {
                            "type": "object",
                            "properties": {"Sec-WebSocket-Protocol": {"const": "scrollcast.v1"}},
                        },
                        "bindingVersion": "0.1.0",
                    }
                },
            }
        },
        "operations": {
            "play": _operation("send", "What the server sends, from `hello` to `end`.", SERVER_MESSAGES),
            "control": _operation("receive", "What a client may send at any time.", CLIENT_MESSAGES),
        },
        "components": {"schemas": SCHEMAS, "messages": messages},
    }
    resolved_document: dict[str, Any] = resolved(document, "#/components/schemas/")
    return resolved_document
