"""How a WebSocket to a replay is opened, and what a server that does not open one has to say for itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from websockets.exceptions import InvalidStatus

from scrollcast.errors import ReplayRefused

__all__ = ["OWN_HOSTS", "refusal_of", "socket_options"]

_OPTIONS: Final[dict[str, Any]] = {
    "subprotocols": ["scrollcast.v1"],
    "compression": None,  # it costs more than everything else together
    "max_size": None,  # an event is as large as it is
}

OWN_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""This machine's own names, to which no proxy leads."""


def socket_options(url: str, token: str | None = None) -> dict[str, Any]:
    """What websockets' two `connect` functions are told, for this address. No proxy leads to one's own machine."""
    options = dict(_OPTIONS)
    if urlsplit(url).hostname in OWN_HOSTS:
        options["proxy"] = None
    if token is not None:
        options["additional_headers"] = {"Authorization": f"Bearer {token}"}
    return options


_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})

MAX_WORDS: Final = 500


def refusal_of(problem: Exception) -> ReplayRefused | None:
    """Why the server refused for good; `None` where it may be otherwise soon, or was none of its doing."""
    if not isinstance(problem, InvalidStatus):
        return None
    status = problem.response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        return None
    body = bytes(problem.response.body or b"")
    try:
        said = orjson.loads(body)
        return ReplayRefused(str(said["code"]), str(said.get("detail") or said["title"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        words = body.decode(errors="replace").strip()[:MAX_WORDS] or problem.response.reason_phrase
        return ReplayRefused(f"http_{status}", words)
