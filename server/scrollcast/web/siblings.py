"""What the workers of one server tell each other, over sockets in a folder that only the server may look into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from scrollcast.archive.database import FileLock

__all__ = ["Siblings"]

ASK_SECONDS: Final = 1.0
"""How long a worker waits for what another says. One that is just starting or ending is left out."""


class Siblings:
    """The workers of one server, as one of them knows them.

    `folder` is theirs alone; `None` for a process that serves alone. `number` is this worker's: the lowest that no
    other has, so that one that was started in place of one that died takes over its number.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder if hasattr(asyncio, "start_unix_server") else None
        self.number = "0"

    @asynccontextmanager
    async def telling(self, tell: Callable[[str], Awaitable[str]]) -> AsyncIterator[None]:
        """Take a number, and say what `tell` makes of it to the others, as long as the block lasts."""
        if self._folder is None:
            yield
            return

        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                writer.write((await tell(self.number)).encode())
            finally:
                writer.close()

        lock, self.number = await asyncio.to_thread(_take_number, self._folder)
        place = _place(self._folder, self.number)
        with lock:
            await asyncio.to_thread(place.unlink, missing_ok=True)  # of one that died
            async with await asyncio.start_unix_server(answer, place):
                yield
            await asyncio.to_thread(place.unlink, missing_ok=True)

    async def ask(self) -> list[str]:
        """What the others say, those that answer in time."""
        if self._folder is None:
            return []
        places = await asyncio.to_thread(sorted, self._folder.glob("*.sock"))
        own = _place(self._folder, self.number)
        answers = await asyncio.gather(*(_ask(place) for place in places if place != own), return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, str) and answer]


def _place(folder: Path, number: str) -> Path:
    return folder / f"{number}.sock"


def _take_number(folder: Path) -> tuple[FileLock, str]:
    number = 0
    while not (lock := FileLock(folder / f"{number}.lock")).acquire():
        with lock:
            number += 1
    return lock, str(number)


async def _ask(place: Path) -> str:
    async with asyncio.timeout(ASK_SECONDS):
        reader, writer = await asyncio.open_unix_connection(place)
        try:
            return (await reader.read()).decode()
        finally:
            writer.close()
