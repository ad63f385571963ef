"""Noticing that archives are rewritten under their viewers: one look at a session serves all streams that play it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from scrollcast.archive.index import SessionIndex

__all__ = ["WATCH_SECONDS", "Rewriting", "Watch"]

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = 2.0
"""So often a session that is played is looked at, whether its archive was rewritten."""


class _Archive(Protocol):
    async def was_rewritten(self, index: SessionIndex) -> bool:
        """Whether the session that an index was made of now holds other events than it did."""
        ...


class Rewriting:
    """What the streams of one event loop play. They are woken when something changed, and only then."""

    def __init__(self) -> None:
        self._watches: dict[SessionIndex, Watch] = {}

    def watch(self, archive: _Archive, index: SessionIndex, wake: Callable[[], object]) -> Watch:
        """Have an index looked after until `Watch.leave`, by one task however many ask for the same one.

        `wake` is called when it turns out to be one of other events. It must not raise.
        """
        watch = self._watches.get(index)
        if watch is None:
            watch = self._watches[index] = Watch(archive, index, self._forget)
        watch.join(wake)
        return watch

    def _forget(self, watch: Watch) -> None:
        """Whoever asks for the same index again gets another watch."""
        if self._watches.get(watch.index) is watch:
            del self._watches[watch.index]


class Watch:
    """Looks after one index for all who joined."""

    __slots__ = ("_archive", "_forget", "_is_over", "_looking", "_wakes", "index")

    def __init__(self, archive: _Archive, index: SessionIndex, forget: Callable[[Watch], object]) -> None:
        self.index = index
        self._archive = archive
        self._forget = forget
        self._wakes: set[Callable[[], object]] = set()
        self._is_over = False
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def join(self, wake: Callable[[], object]) -> None:
        """One more to be woken."""
        self._wakes.add(wake)

    def leave(self, wake: Callable[[], object]) -> None:
        """One less. The last one ends it."""
        self._wakes.discard(wake)
        if not self._wakes:
            self._looking.cancel()
            self._forget(self)

    def is_rewritten(self) -> bool:
        """Whether the index is one of other events than the archive has."""
        return self._is_over

    async def _look(self) -> None:
        while not self._is_over:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                self._is_over = await self._archive.was_rewritten(self.index)
            except Exception:  # what is played can be played on; whether it is still true is asked again
                log.exception("whether a session was rewritten could not be looked up")
        self._forget(self)
        for wake in tuple(self._wakes):
            wake()
            await asyncio.sleep(0)  # all of them open the session anew: others have their turn in between
