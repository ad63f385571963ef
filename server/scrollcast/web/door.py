"""Who asks, made out of a request or an upgrade: the one place where an `Access` comes from.

What a caller shows is looked at in this order: a token in the `Authorization` header or in a subprotocol, the owner's
cookie, the cookie of a share of the session that is asked for. A cookie counts only for pages of our own; those of
another origin that was allowed have to send a token, which no browser adds by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from scrollcast.access.grant import EVERYTHING, Access
from scrollcast.access.secrets import CODE, SHARE, digest_of
from scrollcast.access.shares import ENDED, Share, Shares
from scrollcast.access.token import OwnerToken
from scrollcast.access.tries import SharedTries, Tries
from scrollcast.errors import Unauthenticated
from scrollcast.settings import Settings, is_loopback_name
from scrollcast.web.cookies import CookieJar, given_cookies
from scrollcast.web.security import host_name, is_own_origin

__all__ = ["TOKEN_PROTOCOL", "Door", "SignedIn", "access_of", "door_of", "is_local", "keep_access"]

TOKEN_PROTOCOL: Final = "scrollcast.token."
"""A WebSocket client that can send no header of its own offers this, a token behind it, beside the real one."""

_ACCESS: Final = "scrollcast.access"

_FORWARDED: Final = frozenset(
    ("forwarded", "via", "proxy-connection", "x-real-ip", "x-client-ip", "x-cluster-client-ip",
     "x-envoy-external-address", "true-client-ip", "cf-connecting-ip", "fastly-client-ip")
)  # fmt: skip
_FORWARDED_BEGIN: Final = ("x-forwarded-", "x-original-")
"""What a proxy adds: whoever is behind one is not on this machine, as far as anybody knows. One of them is enough: a
client may have had the proxy leave out others, by naming them in `Connection`."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a token has opened, and the cookie that keeps it open: its name, its value, and when it ends (seconds since
    the epoch)."""

    access: Access
    cookie: str
    value: str
    until: float


class Door:
    """Lets in who shows what opens it. Without a token in `settings` it stands open.

    `siblings` is a folder that it shares with the other workers of the same server, where there are any: they count
    wrong tokens together.
    """

    def __init__(self, settings: Settings, siblings: Path | None = None) -> None:
        self._token = settings.token
        self.shares = Shares(settings.shares) if settings.token is not None and settings.shares is not None else None
        self._redact = settings.redact
        self._has_proxy = settings.has_proxy
        self._own_origins = settings.own_origins
        self._tries = Tries(shared=_shared_tries(settings.token, siblings))
        self.cookies = CookieJar(settings.public_url)

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for anything."""
        return self._token is None

    async def admit(self, scope: Scope, scroll_id: str | None = None) -> Access:
        """What the caller of a request may see, `scroll_id` being the session that it is about.

        Raises:
            Unauthenticated: nothing opens the door, or what did has ended.
            TooManyTries: nothing of this address is looked at for a while.
            ArchiveError: the shares cannot be read.
        """
        owner = replace(EVERYTHING, redact=self._is_redacted(scope))
        if self._token is None:
            return owner
        given = next(_tokens(scope), None)
        if given is not None:
            self._tries.check(address_of(scope))
            if self._token.is_token(given):
                return owner
            return self._of_share(scope, await self._find(given))
        ours = dict(given_cookies(scope)) if self._is_own_page(scope) else {}
        name, stale = self.cookies.owner(scope), None
        if (cookie := ours.get(name)) is not None:
            if (until := self._token.read_cookie(cookie)) is not None:
                return replace(owner, until=until)
            self._note(scope)
            stale = name
        if scroll_id is not None and (cookie := ours.get(self.cookies.share(scope, scroll_id))) is not None:
            return self._of_share(scope, await self._find(cookie))
        raise Unauthenticated(stale_cookie=stale)

    async def sign_in(self, scope: Scope, given: str) -> SignedIn:
        """Exchange a token, a code that is good for once, or the secret of a share for a cookie. Raises as `admit`."""
        assert self._token is not None
        assert self.shares is not None
        self._tries.check(address_of(scope))
        if given.startswith(SHARE):
            access = self._of_share(scope, await self._find(given))
            assert access.scroll_id is not None
            assert access.until is not None
            return SignedIn(access, self.cookies.share(scope, str(access.scroll_id)), given, access.until)
        is_code = given.startswith(CODE) and await asyncio.to_thread(self.shares.use_code, given)
        if not is_code and not self._token.is_token(given):
            self._note(scope)
            words = "this link was opened before, or is too old" if given.startswith(CODE) else "this is not the token"
            raise Unauthenticated(words)
        value, until = self._token.make_cookie()
        return SignedIn(Access(redact=self._is_redacted(scope)), self.cookies.owner(scope), value, until)

    def _is_redacted(self, scope: Scope) -> bool:
        """Whether the owner sees no secrets: of another machine, unless that was said of all or of none."""
        if self._redact is not None:
            return self._redact
        return self._has_proxy or not is_local(scope)

    async def _find(self, secret: str) -> Share | None:
        return None if self.shares is None else await asyncio.to_thread(self.shares.find, secret)

    def _of_share(self, scope: Scope, share: Share | None) -> Access:
        if share is None:
            self._note(scope)
            raise Unauthenticated("this opens nothing here")
        if not share.holds(time.time()):
            raise Unauthenticated(ENDED)
        return replace(share.access, redact=share.redact or self._redact is True)

    def _note(self, scope: Scope) -> None:
        """Count a wrong one, unless there were too many already."""
        self._tries.check(address_of(scope))
        self._tries.note(address_of(scope))

    def _is_own_page(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site", "same-origin").strip().lower() not in ("same-origin", "none"):
            return False
        origin = headers.get("origin")
        if origin is None:
            return bool(scope["type"] == "http")  # every browser sends it with an upgrade
        return is_own_origin(origin.strip().lower(), scope, self._own_origins)


def _shared_tries(token: OwnerToken | None, siblings: Path | None) -> SharedTries | None:
    if token is None or siblings is None:
        return None
    try:
        return SharedTries(siblings / "tries", digest_of(token.reveal()))
    except OSError as problem:
        log.warning("each worker counts wrong tokens by itself: %s", problem)
        return None


def access_of(connection: HTTPConnection) -> Access:
    """What the caller of a request may see, as the gate before its route has found."""
    access = connection.scope[_ACCESS]
    assert isinstance(access, Access)
    return access


def door_of(connection: HTTPConnection) -> Door:
    """The server's door."""
    door = connection.app.state.door
    assert isinstance(door, Door)
    return door


def keep_access(scope: Scope, access: Access) -> None:
    """Note for `access_of` what was found."""
    scope[_ACCESS] = access


def address_of(scope: Scope) -> str:
    """The address that a request comes from; behind a trusted proxy the one that the proxy names."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_local(scope: Scope) -> bool:
    """Whether who asks is on this machine (or has tunnelled to it): by address, by the name that was asked, and without
    a proxy between. A proxy on this machine that says nothing of itself, and asks for loopback, cannot be told from its
    owner: a server behind one has to be told of it (`Settings.has_proxy`)."""
    headers = Headers(scope=scope)
    if any(name in _FORWARDED or name.startswith(_FORWARDED_BEGIN) for name in headers):
        return False
    return is_loopback_name(address_of(scope)) and is_loopback_name(host_name(headers.get("host", "")))


# ----------------------------------------------------------------------------------------------- what a caller shows


def _tokens(scope: Scope) -> Iterator[str]:
    kind, _, token = Headers(scope=scope).get("authorization", "").strip().partition(" ")
    if kind.lower() == "bearer":
        yield token.strip()
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(TOKEN_PROTOCOL):
            yield offered.removeprefix(TOKEN_PROTOCOL)
