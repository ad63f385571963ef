"""An event loop whose time is invented: it stands while anything happens, and jumps to the next timer otherwise."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["VirtualLoop", "run"]

STUCK_SECONDS = 20.0
"""Longer in real time than any thread here takes; without a timer and without news for so long, nothing will come."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class _Selector(selectors.DefaultSelector):
    """Lets the loop's time jump instead of waiting; waits in earnest for threads."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        waited = 0.0
        while self.loop.threads or timeout is None or waited == 0.0:
            pause = 0.05 if self.loop.threads or timeout is None else self.loop.settle_seconds
            ready = super().select(pause)
            waited += pause or 1e-9
            if ready:
                return ready
            assert waited < STUCK_SECONDS, "nothing happens any more"
        self.loop.jump()
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0. Before each jump it waits `settle_seconds` of real time for threads that it does not know of."""

    def __init__(self, settle_seconds: float = 0.0) -> None:
        self._time = 0.0
        self.threads = 0
        self.settle_seconds = settle_seconds
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds, invented."""
        return self._time

    def jump(self) -> None:
        """To the next timer."""
        timers = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        if timers:
            self._time = max(self._time, min(timers))

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """As ever; time stands until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._done)
        return future

    def _done(self, _future: object) -> None:
        self.threads -= 1


def run(main: Coroutine[Any, Any, _T], settle_seconds: float = 0.0) -> _T:
    """Run something on such a loop."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(settle_seconds)) as runner:
        return runner.run(main)
