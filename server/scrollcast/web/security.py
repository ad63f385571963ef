"""Who may ask, and the headers on every answer.

A local server is a target for every web page that its owner opens: a page may send requests to loopback, open a
WebSocket to it, or point its own name at it (DNS rebinding). The `Host` check answers the last, the `Origin` and
`Sec-Fetch-Site` checks the others; on HTTP and on the upgrade alike. Who asks is another question (`web/door.py`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from scrollcast.settings import is_loopback_name
from scrollcast.web.cookies import given_cookies

__all__ = ["SECURITY_HEADERS", "RequestGuard", "host_name", "is_own_origin", "refusal"]

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

_FEATURES: Final = (
    "accelerometer", "camera", "clipboard-read", "display-capture", "geolocation", "gyroscope", "hid",
    "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-create",
    "publickey-credentials-get", "screen-wake-lock", "serial", "storage-access", "usb", "window-management",
    "xr-spatial-tracking",
)  # fmt: skip
"""What no page of ours may ask a browser for, nor any that it frames. What they do use, the full screen and writing to
the clipboard, is not among them."""

SECURITY_HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
    "x-frame-options": "DENY",
}


_SINGLE: Final = ("authorization", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
"""Headers of which nobody can mean two."""

_PAGE: Final = re.compile(r"/|/(?:sessions|embed)/[^/]+/?")
"""Where a link on another site may lead: what is there holds nothing of a session until it asks for it itself."""


class RequestGuard:
    """ASGI middleware: refuses foreign hosts and origins, and puts the security headers on every answer."""

    def __init__(
        self,
        app: ASGIApp,
        allowed_hosts: Iterable[str],
        allowed_origins: Iterable[str],
        embedders: Iterable[str] = (),
        own_origins: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in allowed_origins)
        self._embedders = frozenset(origin.lower() for origin in embedders)
        self._own_origins = frozenset(origin.lower() for origin in own_origins)
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
        reason = refusal(scope, self._hosts, origins, self._own_origins)
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


def refusal(
    scope: Scope, hosts: frozenset[str], origins: frozenset[str], own_origins: frozenset[str] = frozenset()
) -> str | None:
    """Why a request is refused, naming what was seen and the option that would allow it; `None` when it is not."""
    headers = Headers(scope=scope)
    given_hosts, given_origins = headers.getlist("host"), headers.getlist("origin")
    if len(given_hosts) != 1 or len(given_origins) > 1:
        return "Refused: a request must have one Host header and at most one Origin header."
    if repeated := next((name for name in _SINGLE if len(headers.getlist(name)) > 1), None):
        return f"Refused: a request must have at most one {repeated.title()} header."
    if any(count > 1 for count in Counter(name for name, _ in given_cookies(scope)).values()):
        return "Refused: a cookie of this server came more than once; clear the browser's cookies for this address."
    host = given_hosts[0].strip().lower()
    if not _is_known_host(host, hosts) and not _is_where_it_arrived(host, scope):
        return (
            f"Refused: the Host header says {host[:200]!r}, which is neither this machine's loopback name nor one "
            f"that was allowed. To allow it, start the server with --allow-host {host_name(host)[:200]}"
        )
    if not given_origins:
        return _foreign_fetch(scope, headers)
    origin = given_origins[0].strip()
    if origin.lower() in origins or is_own_origin(origin.lower(), scope, own_origins):
        return None
    return (
        f"Refused: the Origin header says {origin[:200]!r}, which is another site than {host!r}. To allow it, start "
        f"the server with --allow-origin {origin[:200]}"
    )


def _foreign_fetch(scope: Scope, headers: Headers) -> str | None:
    """Why a request without an origin is refused: a page of another origin had the browser make it.

    Another port of this machine is another origin too, though browsers call it the same site.
    """
    site = headers.get("sec-fetch-site", "none").strip().lower()
    if site in ("same-origin", "none"):
        return None
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    is_navigation = scope["type"] == "http" and headers.get("sec-fetch-mode", "").strip().lower() == "navigate"
    if is_navigation and scope["method"] in ("GET", "HEAD") and _PAGE.fullmatch(path):
        return None
    return (
        f"Refused: the Sec-Fetch-Site header says {site[:50]!r}: a page of another origin had the browser ask for "
        "this. Other pages may lead to this server's pages, and to nothing else of it."
    )


def host_name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_known_host(host: str, hosts: frozenset[str]) -> bool:
    name = host_name(host)
    if not host.startswith(name):
        return False  # a bracket that nothing closes
    port = host[len(name) :]
    if port and not (port.startswith(":") and port[1:].isascii() and port[1:].isdigit()):
        return False
    return is_loopback_name(name) or name in hosts or host in hosts


def _is_where_it_arrived(host: str, scope: Scope) -> bool:
    """Whether a host is the very address that the request came in at, as in a network without names. A page that
    points its own name here says that name."""
    arrived = scope.get("server")
    if not arrived or is_loopback_name(str(arrived[0])):
        return False
    name = host_name(host)
    address = str(arrived[0]).lower()
    return name in (address, f"[{address}]") and _is_known_host(host, frozenset((name,)))


def is_own_origin(origin: str, scope: Scope, own_origins: frozenset[str] = frozenset()) -> bool:
    """Whether an `Origin` is the request's own: the same scheme and authority, or where the server says that it is to
    be had."""
    if origin in own_origins:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets that hold no address
        return False
    host, scheme = Headers(scope=scope).get("host", "").strip().lower(), scope["scheme"]
    same_scheme = parts.scheme == {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return same_scheme and _authority(parts.netloc, parts.scheme) == _authority(host, parts.scheme)


def _authority(netloc: str, scheme: str) -> str:
    """Name and port, the scheme's own port left out: browsers leave it out, other clients may not."""
    return netloc.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ":"))
