"""Noticing that archives are rewritten under their viewers: one look at a session serves all streams that play it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from scrollcast.archive.index import SessionIndex

__all__ = ["Rewriting", "Watch"]


class _Archive(Protocol):
    async def was_rewritten(self, index: SessionIndex) -> bool:
        """Whether the session that an index was made of now holds other events than it did."""
        ...


class Rewriting:
    """What the streams of one event loop play. They are woken when something changed, and only then."""

    def __init__(self) -> None:
        self._watches: dict[SessionIndex, Watch] = {}

    def watch(self, archive: _Archive, index: SessionIndex, every: float, wake: Callable[[], object]) -> Watch:
        """Have an index looked after until `Watch.leave`, once in `every` seconds, however many ask for the same one.

        `wake` is called when there is something to be noticed. It must not raise.
        """
        watch = self._watches.get(index)
        if watch is None:
            watch = self._watches[index] = Watch(archive, index, every, self._forget)
        watch.join(wake)
        return watch

    def _forget(self, watch: Watch) -> None:
        """Whoever asks for the same index again gets another watch."""
        if self._watches.get(watch.index) is watch:
            del self._watches[watch.index]


class Watch:
    """Looks after one index for all who joined."""

    __slots__ = ("_archive", "_every", "_forget", "_is_over", "_looking", "_problem", "_wakes", "index")

    def __init__(self, archive: _Archive, index: SessionIndex, every: float, forget: Callable[[Watch], object]) -> None:
        self.index = index
        self._archive = archive
        self._every = every
        self._forget = forget
        self._wakes: set[Callable[[], object]] = set()
        self._is_over = False
        self._problem: Exception | None = None
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
        """Whether the index is one of other events than the archive has. Raises what kept it from being looked at."""
        if self._problem is not None:
            raise self._problem
        return self._is_over

    async def _look(self) -> None:
        try:
            is_rewritten = False
            while not is_rewritten:
                await asyncio.sleep(self._every)
                is_rewritten = await self._archive.was_rewritten(self.index)
        except Exception as problem:
            self._problem = problem
        self._is_over = True
        self._forget(self)
        for wake in tuple(self._wakes):
            wake()
            await asyncio.sleep(0)  # all of them open the session anew: others have their turn in between
