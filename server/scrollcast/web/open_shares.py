"""What is being watched or taken away by links, so that it ends when they do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scrollcast.access.grant import Access
from scrollcast.access.shares import ENDED, Shares
from scrollcast.errors import ArchiveError, TooManyOfLink, Unauthenticated
from scrollcast.stream.registry import RETRY_AFTER_MS
from scrollcast.web.door import access_of
from scrollcast.web.http_protocol import ABORT

__all__ = ["OpenShares", "answer_while_allowed"]

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether a share that is in use was withdrawn: by the page, by the command, by another worker.
A file has no other way to tell."""

MAX_OF_LINK: Final = 2_000
"""Replays and answers that one link has at once in a process: whoever holds it leaves room for all others."""

MAX_FAILURES: Final = 5
"""So often in a row the table may be unreadable before what hangs on it ends."""

PIECE_BYTES: Final = 64 << 10
"""So much of an answer is handed on at once. The next piece waits until the system has taken it, so that little
more than this is still to come when the access ends."""

log = logging.getLogger(__name__)


class OpenShares:
    """Ends what uses an `Access` when the access ends. `shares` is `None` where there are none to watch."""

    def __init__(self, shares: Shares | None) -> None:
        self._shares = shares
        self._held: dict[str, set[asyncio.Timeout]] = {}
        self._any = asyncio.Event()

    @asynccontextmanager
    async def hold(self, access: Access) -> AsyncIterator[None]:
        """Run the block for as long as the access holds.

        Raises:
            TooManyOfLink: as many do so with the same link as may.
            Unauthenticated: it ended before the block did, which was cancelled.
        """
        if access.share is not None and len(self._held.get(access.share, ())) >= MAX_OF_LINK:
            raise TooManyOfLink(MAX_OF_LINK, RETRY_AFTER_MS)
        loop = asyncio.get_running_loop()
        end = None if access.until is None else loop.time() + access.until - time.time()
        timeout = asyncio.timeout_at(end)
        try:
            async with timeout:
                if access.share is not None:
                    self._held.setdefault(access.share, set()).add(timeout)
                    self._any.set()
                try:
                    yield
                finally:
                    self._forget(access.share, timeout)
        except TimeoutError:
            if not timeout.expired():
                raise
            raise Unauthenticated(ENDED) from None

    def _forget(self, share: str | None, timeout: asyncio.Timeout) -> None:
        if share is None:
            return
        held = self._held[share]
        held.discard(timeout)
        if not held:
            del self._held[share]

    async def watch(self) -> None:
        """Look after what is held, until cancelled."""
        assert self._shares is not None
        failures = 0
        while True:
            await self._any.wait()
            await asyncio.sleep(LOOK_SECONDS)
            if not self._held:
                self._any.clear()
                continue
            asked = set(self._held)
            try:
                holding = await asyncio.to_thread(self._shares.holding, asked)
                failures = 0
            except ArchiveError as problem:
                failures += 1
                log.warning("%s: %s", problem.reason, problem.detail)
                holding = asked if failures < MAX_FAILURES else set()
            self._end(asked - holding)

    def _end(self, shares: Iterable[str]) -> None:
        now = asyncio.get_running_loop().time()
        for share in shares:
            for timeout in self._held.get(share, ()):
                timeout.reschedule(now)


async def answer_while_allowed(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have a request answered for as long as the access of whoever asks holds.

    An answer that has begun cannot be taken back, so the connection is cut: its length, or its last chunk, is missing,
    and no client takes what came for the whole.

    Raises:
        Unauthenticated: the access ended before the answer began.
    """
    connection = HTTPConnection(scope)
    access = access_of(connection)
    if access.until is None:
        await app(scope, receive, send)
        return
    began = False

    async def send_in_pieces(message: Message) -> None:
        nonlocal began
        began = True
        for piece in _pieces(message):
            await send(piece)

    try:
        async with connection.app.state.open_shares.hold(access):
            await app(scope, receive, send_in_pieces)
    except Unauthenticated:
        abort = scope.get("extensions", {}).get(ABORT)
        if not began or abort is None:
            raise
        abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def _pieces(message: Message) -> Iterator[Message]:
    """A message of an answer, or, in place of one that is long, several."""
    body = message.get("body", b"")
    if message["type"] != "http.response.body" or len(body) <= PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), PIECE_BYTES):
        stop = start + PIECE_BYTES
        more = stop < len(body) or message.get("more_body", False)
        yield {**message, "body": bytes(body[start:stop]), "more_body": more}
