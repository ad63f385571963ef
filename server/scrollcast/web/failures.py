"""The one map from our errors to an HTTP status or a close code (`docs/protocol.md`, Ending and HTTP)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scrollcast.errors import (
    ArchiveError,
    BadRequest,
    CommandTooLarge,
    NotAllowed,
    PositionOutOfRange,
    ScrollcastError,
    SessionNotFound,
    SlowClient,
    TooManyBadCommands,
    TooManyCommands,
    TooManySessions,
    TooManyStreams,
    TooManyTries,
    Unauthenticated,
)
from scrollcast.stream.wire import encode_error

__all__ = [
    "Failure",
    "UnknownErrors",
    "answer",
    "error_message",
    "handle_error",
    "handle_http_exception",
    "problem",
    "to_failure",
]

log = logging.getLogger(__name__)

INTERNAL_ERROR: Final = 1011


@dataclass(frozen=True, slots=True)
class Failure:
    """How an error is told: on HTTP by `status`, on a WebSocket by an `error` message and `close_code`."""

    code: str
    title: str
    status: int
    close_code: int
    retryable: bool = False


_FAILURES: Final[tuple[tuple[type[ScrollcastError], Failure], ...]] = (
    (SessionNotFound, Failure("session_not_found", "Session not found", 404, 4504)),
    (ArchiveError, Failure("archive_error", "The session cannot be read", 500, 4505)),
    (PositionOutOfRange, Failure("position_out_of_range", "Position out of range", 400, 4501)),
    (BadRequest, Failure("bad_request", "Bad request", 400, 4501)),
    (TooManySessions, Failure("too_many_sessions", "Too many sessions", 503, 4013, retryable=True)),
    (Unauthenticated, Failure("unauthenticated", "Not authenticated", 401, 4500)),
    (NotAllowed, Failure("not_allowed", "Not allowed", 403, 4500)),
    (TooManyTries, Failure("too_many_tries", "Too many tries", 429, 4500)),
    (TooManyStreams, Failure("too_many_streams", "Too many streams", 503, 4013, retryable=True)),
    (SlowClient, Failure("slow_client", "The client reads too slowly", 503, 4008, retryable=True)),
    (CommandTooLarge, Failure("command_too_large", "Message too big", 413, 1009)),
    (TooManyBadCommands, Failure("too_many_bad_commands", "Too many bad commands", 400, 1008)),
    (TooManyCommands, Failure("too_many_commands", "Too many commands", 429, 1008)),
)

_UNKNOWN: Final = Failure("internal_error", "Something went wrong in the server", 500, INTERNAL_ERROR, retryable=True)


def to_failure(error: Exception) -> tuple[Failure, str, dict[str, Any]]:
    """How to tell an error: the failure, a sentence, and its facts as further fields.

    An error that is none of ours is told by an id only; the log has the rest.
    """
    for kind, failure in _FAILURES:
        if isinstance(error, kind):
            _log_detail(error)
            return failure, str(error), _facts(error)
    error_id = uuid4().hex[:12]
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "unknown place"
    log.error("error %s: %s: %s (%s)", error_id, type(error).__name__, error, place, extra={"error_id": error_id})
    log.debug("error %s in full", error_id, exc_info=error)
    return _UNKNOWN, f"{_UNKNOWN.title}; the log has more under {error_id}", {}


def _log_detail(error: Exception) -> None:
    if isinstance(error, ArchiveError) and error.detail:
        log.warning("%s: %s", error.reason, error.detail)


def _facts(error: Exception) -> dict[str, Any]:
    match error:
        case BadRequest():
            return {"parameter": error.parameter}
        case TooManyStreams():
            return {"retry_after_ms": error.retry_after_ms}
        case TooManyTries():
            return {"retry_after_ms": error.retry_after * 1000}
        case _:
            return {}


def error_message(error: Exception) -> tuple[bytes, Failure]:
    """The `error` message for a WebSocket, and the failure that it tells."""
    failure, sentence, facts = to_failure(error)
    return encode_error(failure.code, sentence, retryable=failure.retryable, **facts), failure


def problem(status: int, code: str, title: str, detail: str, **facts: Any) -> Response:
    """An RFC 9457 problem as a response."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **facts}
    return Response(orjson.dumps(body), status, media_type="application/problem+json")


def answer(error: Exception) -> tuple[Response, Failure]:
    """One of our errors, or any other, as a problem; and the failure that it tells."""
    failure, sentence, facts = to_failure(error)
    response = problem(failure.status, failure.code, failure.title, sentence, **facts)
    if isinstance(error, Unauthenticated):
        response.headers["www-authenticate"] = "Bearer"
    elif isinstance(error, TooManyTries):
        response.headers["retry-after"] = str(error.retry_after)
    return response, failure


async def handle_error(request: Request, error: Exception) -> Response:
    """Answer one of our errors, or any other, as a problem; take a cookie back that is good for nothing."""
    response, failure = answer(error)
    if "app" in request.scope:
        request.app.state.registry.errors[failure.code] += 1
    if isinstance(error, Unauthenticated) and error.stale_cookie is not None:
        request.app.state.door.cookies.set(request.scope, response, error.stale_cookie, "", 0)
    return response


async def handle_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the router refuses (no such route, wrong method) as a problem."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    response = problem(error.status_code, code, error.detail, error.detail)
    response.headers.update(error.headers or {})
    if error.status_code == 405 and "app" in request.scope:
        response.headers["allow"] = ", ".join(sorted(_methods_there(request)))
    return response


def _methods_there(request: Request) -> set[str]:
    """The methods that the path of a request has, of all its routes; the router names those of the first."""
    routes = [route for route in request.app.routes if isinstance(route, Route) and "{rest:path}" not in route.path]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in found for method in route.methods or ()}


class UnknownErrors:
    """ASGI middleware: an error that nobody foresaw is answered as a problem too.

    Starlette's own handler of such errors stands outside all middleware, where no security headers are set.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception as error:
            if started:
                raise  # too late for another answer; the server cuts this one off
            response = await handle_error(Request(scope), error)
            await response(scope, receive, send)
