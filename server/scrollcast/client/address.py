"""Where a replay is to be had: any address of a session, and what is wished of its replay, as a WebSocket's address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["BATCH_BYTES", "Address"]

BATCH_BYTES: Final = 65_536
"""How much comes in one message unless something else is asked for: less costs both ends more, more gains nothing."""

_DEFAULTS: Final = {"batch": str(BATCH_BYTES)}

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}

_SESSION: Final = re.compile(r"(?P<prefix>.*?)/(?:ws/)?sessions/(?P<scroll_id>[^/]+)/?")
"""The path of a session's page, or of its WebSocket, behind a path prefix or not."""


class Address:
    """The address of a session, and the parameters of its replay.

    Takes what a person has at hand: the address of a session's page in the browser, a link that shares it, or the
    address of the WebSocket itself. `token` is what opens it, `None` where nothing is asked for; a link has it in it.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, url: str, parameters: Mapping[str, Any], token: str | None = None) -> None:
        parts = urlsplit(url)
        path = _SESSION.fullmatch(parts.path)
        if parts.scheme not in _SCHEMES or not parts.netloc or path is None:
            wanted = "ws://host/ws/sessions/<scroll_id> or the address of the session's page"
            raise ValueError(f"{url[:200]!r} is no address of a session; it looks like {wanted}")
        self._scheme = _SCHEMES[parts.scheme]
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address has no name or password in it; a token is given apart")
        self._host = parts.netloc
        self.token = token or dict(parse_qsl(parts.fragment)).get("share")
        self._path = f"{path['prefix']}/ws/sessions/{path['scroll_id']}"
        given = {name: _text(value) for name, value in parameters.items() if value is not None}
        named = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._parameters = {**_DEFAULTS, **named, **given}

    def url(self, changes: Mapping[str, Any] | None = None) -> str:
        """The WebSocket's address. `changes` are parameters that hold by now; one that is `None` is left out."""
        parameters = {**self._parameters, **(changes or {})}
        query = urlencode({name: _text(value) for name, value in parameters.items() if value is not None})
        return urlunsplit((self._scheme, self._host, self._path, query, ""))

    def number(self, name: str) -> int | None:
        """A parameter that is a whole number; `None` where it was not given."""
        value = self._parameters.get(name)
        return None if value is None else int(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
