"""The cookies that keep a browser signed in: what they are called, and how they are read, set and taken back.

Cookies belong to a host and not to a port, so their names hold the port that was asked: two servers on one machine do
not sign each other's browsers out.
"""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

__all__ = ["OUR_COOKIES", "CookieJar", "given_cookies"]

OUR_COOKIES: Final = ("scrollcast-", "__Host-scrollcast-")
"""What the name of each begins with."""


def given_cookies(scope: Scope) -> list[tuple[str, str]]:
    """The cookies of ours that came with a request, repeated ones too."""
    pairs = (pair.partition("=") for line in Headers(scope=scope).getlist("cookie") for pair in line.split(";"))
    stripped = ((name.strip(), value.strip()) for name, _, value in pairs)
    return [(name, value) for name, value in stripped if name.startswith(OUR_COOKIES)]


class CookieJar:
    """Names, sets and clears them for one server. `public_url` is where it is to be had from elsewhere, if anywhere."""

    def __init__(self, public_url: str) -> None:
        self._secure_host = urlsplit(public_url).netloc if public_url.startswith("https:") else None

    def owner(self, scope: Scope) -> str:
        """The name of the owner's."""
        return self._name(scope, "owner")

    def share(self, scope: Scope, scroll_id: str) -> str:
        """The name of that for a session that was shared: one each, so that several can be open at a time."""
        try:
            return self._name(scope, f"share-{UUID(scroll_id).hex}")
        except ValueError:  # the id of no session
            return ""

    def set(self, scope: Scope, response: Response, name: str, value: str, until: float) -> None:
        """Give one to the browser, to be kept until then (seconds since the epoch)."""
        age = max(0, int(until - time.time()))
        response.set_cookie(
            name, value, max_age=age, path=self._path(scope), secure=self._is_secure(scope), httponly=True,
            samesite="strict",
        )  # fmt: skip

    def clear(self, scope: Scope, response: Response) -> None:
        """Take back those that came with a request and were made for the port that it asks."""
        port = self._port(scope)
        for name in dict.fromkeys(name for name, _ in given_cookies(scope) if f"-{port}-" in name):
            self.set(scope, response, name, "", 0)

    def _name(self, scope: Scope, what: str) -> str:
        # `__Host-` where it can be: over TLS, at the root (RFC 6265bis, 4.1.3.2).
        prefix = "__Host-" if self._is_secure(scope) and self._path(scope) == "/" else ""
        return f"{prefix}scrollcast-{self._port(scope)}-{what}"

    def _is_secure(self, scope: Scope) -> bool:
        host = Headers(scope=scope).get("host", "").strip().lower()
        return scope["scheme"] in ("https", "wss") or host == self._secure_host

    def _path(self, scope: Scope) -> str:
        return f"{scope.get('root_path', '')}/"

    def _port(self, scope: Scope) -> str:
        host = Headers(scope=scope).get("host", "").strip()
        port = host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
        return port or ("443" if self._is_secure(scope) else "80")
