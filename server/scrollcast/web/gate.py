"""What a route needs, and the gate before it: a route that declares nothing is for the owner alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from scrollcast.errors import ScrollcastError
from scrollcast.web.door import door_of, keep_access
from scrollcast.web.open_shares import answer_while_allowed
from scrollcast.web.shown import wait_until_found
from scrollcast.web.websocket import refuse

__all__ = ["Gate", "Need", "guarded", "guarded_socket"]


class Need(Enum):
    """What whoever asks for a route has to be allowed."""

    NOTHING = "nothing: it tells nothing of any session"
    SESSION = "the session whose `scroll_id` stands in the path, or part of it"
    OWNER = "everything"


class Gate:
    """ASGI middleware of one route: finds out who asks, and passes on those who may, once their session is known.

    On HTTP what is raised here is answered as a problem, on a WebSocket as the protocol has it. Endpoints find what it
    has found by `access_of`.
    """

    def __init__(self, app: ASGIApp, need: Need) -> None:
        self._app = app
        self._need = need

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one connection, or none."""
        try:
            if self._need is not Need.NOTHING:
                await self._check(scope)
        except ScrollcastError as problem:
            if scope["type"] != "websocket":
                raise
            await refuse(WebSocket(scope, receive, send), problem)
            return
        if self._need is Need.NOTHING or scope["type"] != "http":  # a replay holds its own access
            await self._app(scope, receive, send)
        else:
            await answer_while_allowed(self._app, scope, receive, send)

    async def _check(self, scope: Scope) -> None:
        scroll_id = scope["path_params"]["scroll_id"] if self._need is Need.SESSION else None
        access = await door_of(HTTPConnection(scope)).admit(scope, scroll_id)
        if scroll_id is None:
            access.check_owner()
        else:
            access.check_session(scroll_id)
            await wait_until_found(HTTPConnection(scope), scroll_id)
        keep_access(scope, access)


def guarded(
    path: str, endpoint: Callable[..., Any], need: Need = Need.OWNER, methods: Sequence[str] | None = None
) -> Route:
    """A route with its gate."""
    return Route(path, endpoint, methods=methods, middleware=[Middleware(Gate, need=need)])


def guarded_socket(path: str, endpoint: Callable[..., Any], need: Need = Need.OWNER) -> WebSocketRoute:
    """The same for WebSockets."""
    return WebSocketRoute(path, endpoint, middleware=[Middleware(Gate, need=need)])
