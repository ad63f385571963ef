"""What came from a client and waits for the application."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Inbox"]


class Inbox:
    """Messages in order, for one who takes them. An `asyncio.Queue` takes 3 KB while it is empty, of each of thousands
    of viewers who hardly ever say anything; and a list is short enough here to be taken from its front, since reading
    pauses while anything waits."""

    __slots__ = ("_messages", "_taker")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._taker: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        """Add one."""
        self._messages.append(message)
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    def empty(self) -> bool:
        """Whether none waits."""
        return not self._messages

    async def get(self) -> Any:
        """The next one, waited for. What comes while somebody who waits is cancelled is there for the next."""
        while not self._messages:
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        return self._messages.pop(0)
