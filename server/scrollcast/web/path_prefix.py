"""The server behind a proxy that gives it a path of its own."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PathPrefix"]


class PathPrefix:
    """ASGI middleware: the server's root is at `root_path` (`""` for none) as far as its clients can see.

    Some proxies take the prefix off a path before they pass it on, and some leave it there; both kinds are understood,
    and so is who asks without the proxy.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on with its path below the prefix, as ASGI has it."""
        if self._root_path and scope["type"] in ("http", "websocket"):
            path = scope["path"]
            inside = path == self._root_path or path.startswith(f"{self._root_path}/")
            scope = {**scope, "root_path": self._root_path, "path": path if inside else f"{self._root_path}{path}"}
        await self._app(scope, receive, send)
