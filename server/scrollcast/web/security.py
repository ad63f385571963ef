"""Who may ask, and the headers on every answer.

A local server is a target for every web page that its owner opens: a page may send requests to loopback, open a
WebSocket to it, or point its own name at it (DNS rebinding). The `Host` check answers the last, the `Origin` check the
others; on HTTP and on the upgrade alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from scrollcast.settings import is_loopback_name

__all__ = ["SECURITY_HEADERS", "RequestGuard", "refusal"]

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)

CONTENT_SECURITY_POLICY: Final = f"{_POLICY}; frame-ancestors 'none'"

FRAME_PATH: Final = "/embed/"
"""What stands below it may be framed by pages of our own origin, and of those that were allowed."""

ELEMENT_PATH: Final = "/scrollcast-player.js"
"""The one file of ours that a page of another origin may import: it frames the rest."""

SECURITY_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class RequestGuard:
    """ASGI middleware: refuses foreign hosts and origins, and puts the security headers on every answer."""

    def __init__(
        self, app: ASGIApp, allowed_hosts: Iterable[str], allowed_origins: Iterable[str], embedders: Iterable[str] = ()
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in allowed_origins)
        self._embedders = frozenset(origin.lower() for origin in embedders)
        framed = " ".join(("'self'", *sorted(self._embedders)))
        self._frame_headers = {
            **{name: value for name, value in SECURITY_HEADERS.items() if name != "x-frame-options"},
            "content-security-policy": f"{_POLICY}; frame-ancestors {framed}",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        path = scope["path"].removeprefix(scope.get("root_path", ""))
        security_headers = self._frame_headers if path.startswith(FRAME_PATH) else SECURITY_HEADERS
        may_import = self._may_import(scope) if path == ELEMENT_PATH else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in {**security_headers, **(may_import or {})}.items():
                    headers.setdefault(name, value)
            await send(message)

        origins = self._origins | self._embedders if may_import else self._origins
        reason = refusal(scope, self._hosts, origins)
        if reason is None:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "http":
            await _refused(reason)(scope, receive, send_with_headers)
        else:
            await WebSocket(scope, receive, send_with_headers).send_denial_response(_refused(reason))

    def _may_import(self, scope: Scope) -> dict[str, str] | None:
        """What lets a page import the element; `None` for one that may not frame us either."""
        origin = Headers(scope=scope).get("origin", "").strip().lower()
        if scope["type"] != "http" or origin not in self._embedders:
            return None
        return {"access-control-allow-origin": origin, "cross-origin-resource-policy": "cross-origin"}


def _refused(reason: str) -> Response:
    return PlainTextResponse(reason + "\n", 403)


def refusal(scope: Scope, hosts: frozenset[str], origins: frozenset[str]) -> str | None:
    """Why a request is refused, naming what was seen and the option that would allow it; `None` when it is not."""
    headers = Headers(scope=scope)
    given_hosts, given_origins = headers.getlist("host"), headers.getlist("origin")
    if len(given_hosts) != 1 or len(given_origins) > 1:
        return "Refused: a request must have one Host header and at most one Origin header."
    host = given_hosts[0].strip().lower()
    if not _is_known_host(host, hosts):
        return (
            f"Refused: the Host header says {host[:200]!r}, which is neither this machine's loopback name nor one "
            f"that was allowed. To allow it, start the server with --allow-host {_name_of(host)[:200]}"
        )
    if given_origins and not _is_known_origin(given_origins[0].strip().lower(), scope["scheme"], host, origins):
        origin = given_origins[0].strip()[:200]
        return (
            f"Refused: the Origin header says {origin!r}, which is another site than {host!r}. To allow it, start "
            f"the server with --allow-origin {origin}"
        )
    return None


def _name_of(host: str) -> str:
    """The name or address in a Host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_known_host(host: str, hosts: frozenset[str]) -> bool:
    name = _name_of(host)
    if not host.startswith(name):
        return False  # a bracket that nothing closes
    port = host[len(name) :]
    if port and not (port.startswith(":") and port[1:].isascii() and port[1:].isdigit()):
        return False
    return is_loopback_name(name) or name in hosts or host in hosts


def _is_known_origin(origin: str, scheme: str, host: str, origins: frozenset[str]) -> bool:
    if origin == "null":
        return False
    if origin in origins:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets that hold no address
        return False
    same_scheme = parts.scheme == {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return same_scheme and _authority(parts.netloc, parts.scheme) == _authority(host, parts.scheme)


def _authority(netloc: str, scheme: str) -> str:
    """Name and port, the scheme's own port left out: browsers leave it out, other clients may not."""
    return netloc.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ":"))
