"""Where a session comes from: what the terminal player asks for beside the replay itself.

What is there over HTTP (`docs/protocol.md`) is here over either way, in the same shapes, so that nothing behind this
knows which it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias, Unpack
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

import orjson

from scrollcast.client import Replay, connect
from scrollcast.client.address import Address
from scrollcast.client.asking import Parameters
from scrollcast.client.sockets import OWN_HOSTS
from scrollcast.errors import ReplayRefused

__all__ = ["PREVIEW_BYTES", "RemoteSource", "Source", "TimedEvent"]

TimedEvent: TypeAlias = tuple[int, int, Mapping[str, Any]]
"""An event's number, its recorded time in milliseconds, and itself."""

PREVIEW_BYTES: Final = 16 << 10
"""Parts longer than this come cut: more than anybody reads in a terminal, and it bounds what is held."""

MAX_ANSWER_BYTES: Final = 64 << 20
ANSWER_SECONDS: Final = 30.0

PATIENCE_SECONDS: Final = 600.0
"""For so long it is tried to connect again: who watches sees that it is, and can leave."""


class Source(Protocol):
    """One session. What asks raises `ReplayRefused` where there is no answer."""

    def connect(self, **parameters: Unpack[Parameters]) -> Replay:
        """A replay of it."""
        ...

    async def session(self) -> Mapping[str, Any]:
        """What is known of it."""
        ...

    async def timeline(self, *, meta: bool) -> Mapping[str, Any]:
        """Its length, markers and silences."""
        ...

    async def events(self, start: int, stop: int, *, meta: bool) -> list[TimedEvent]:
        """These events, or the first of them."""
        ...

    async def find(self, words: str) -> list[Mapping[str, Any]]:
        """Where in it these words are."""
        ...

    def link(self, t_ms: int) -> str:
        """How somebody comes to that moment: an address, or a command."""
        ...


class RemoteSource:
    """A session of a server, by the address of its page or of its WebSocket. `token` opens it; a link has one in it.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url
        address = Address(url, {}, token)
        self._token = address.token
        parts = urlsplit(address.url())
        scheme = "https" if parts.scheme == "wss" else "http"
        prefix, _, self._scroll_id = parts.path.rpartition("/ws/sessions/")
        self._root = f"{scheme}://{parts.netloc}{prefix}"
        self._opener: OpenerDirector = build_opener(ProxyHandler({})) if parts.hostname in OWN_HOSTS else build_opener()

    def connect(self, **parameters: Unpack[Parameters]) -> Replay:
        """A replay of it over a WebSocket."""
        return connect(self._url, token=self._token, patience=PATIENCE_SECONDS, **parameters)

    async def session(self) -> Mapping[str, Any]:
        """`GET /api/sessions/{scroll_id}`."""
        return await self._get("")

    async def timeline(self, *, meta: bool) -> Mapping[str, Any]:
        """`GET /api/sessions/{scroll_id}/timeline`."""
        return await self._get("/timeline", meta=str(meta).lower())

    async def events(self, start: int, stop: int, *, meta: bool) -> list[TimedEvent]:
        """`GET /api/sessions/{scroll_id}/events`."""
        asked = {"start_seq": start, "limit": stop - start, "meta": str(meta).lower(), "preview": PREVIEW_BYTES}
        answer = await self._get("/events", **asked)
        return [(each["seq"], each["t_ms"], each["event"]) for each in answer["events"]]

    async def find(self, words: str) -> list[Mapping[str, Any]]:
        """`GET /api/sessions/{scroll_id}/search`."""
        hits: list[Mapping[str, Any]] = (await self._get("/search", q=words, limit=500))["hits"]
        return hits

    def link(self, t_ms: int) -> str:
        """The address of its page, at that moment."""
        return f"{self._root}/sessions/{self._scroll_id}#t={t_ms // 1000}"

    async def _get(self, route: str, **query: Any) -> Mapping[str, Any]:
        return await asyncio.to_thread(
            self._fetch, f"{self._root}/api/sessions/{self._scroll_id}{route}?{urlencode(query)}"
        )

    def _fetch(self, url: str) -> Mapping[str, Any]:
        request = Request(url)
        if self._token is not None:  # and not to whom the server may send us on
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                told: Mapping[str, Any] = orjson.loads(answer.read(MAX_ANSWER_BYTES))
                return told
        except HTTPError as refused:
            with refused:
                raise ReplayRefused(f"http_{refused.code}", _words_of(refused)) from None
        except (OSError, ValueError) as problem:
            raise ReplayRefused("no_answer", str(problem)) from None


def _words_of(refused: HTTPError) -> str:
    try:
        problem = orjson.loads(refused.read(MAX_ANSWER_BYTES))
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError, OSError):
        return str(refused.reason)
