"""One timer for all streams of a server: they are called in ticks, so that those due at about the same time share a
wake-up of the process.

A timer, a task switch and a system call for each event cost more than the event does; at ten thousand events a second a
tick serves twenty of them.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

__all__ = ["LATENESS_BOUNDS", "TICK_SECONDS", "Alarm", "Pacer"]

TICK_SECONDS: Final = 0.002
"""How late a tick may make an event. Ticks of 5 ms would save a tenth of the processor time."""

LATENESS_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""The classes, in seconds, in which it is counted how late streams were served; there is one more beyond."""

_NEVER: Final = -1


class Pacer:
    """The ticks of one event loop, and who is to be called at each. Only ticks that somebody waits for take place."""

    def __init__(self) -> None:
        self._due: dict[int, list[Alarm]] = {}
        self._ticks: list[int] = []  # those in `_due`, as a heap
        self._reached = _NEVER
        self._timer: asyncio.TimerHandle | None = None
        self.lateness = [0] * (len(LATENESS_BOUNDS) + 1)
        """How many alarms were rung in ticks that were done so late, in classes of `LATENESS_BOUNDS`."""
        self.lateness_sum = 0.0

    def alarm(self, ring: Callable[[float], None]) -> Alarm:
        """Something to be called when it is time, with the moment when its tick began. `ring` must not raise."""
        return Alarm(self, ring)

    def poll(self) -> None:
        """Call whoever is due. For those who keep the loop busy between two of its rounds."""
        if self._ticks and self._ticks[0] * TICK_SECONDS <= asyncio.get_running_loop().time():
            self._run()

    def add(self, when: float, alarm: Alarm) -> int:
        """Have an alarm rung at the first tick at or after a moment, and not within the present one."""
        tick = math.ceil(when / TICK_SECONDS)
        if tick <= self._reached:
            tick = self._reached + 1
        if tick == alarm.tick:
            return tick
        waiting = self._due.get(tick)
        if waiting is not None:
            waiting.append(alarm)
            return tick
        self._due[tick] = [alarm]
        heappush(self._ticks, tick)
        if self._ticks[0] == tick:
            self._arm()
        return tick

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._reached = math.floor(now / TICK_SECONDS)
        while self._ticks and self._ticks[0] <= self._reached:
            tick = heappop(self._ticks)
            rung = 0
            for alarm in self._due.pop(tick):
                if alarm.tick == tick:  # otherwise it was set anew, or cancelled
                    alarm.tick = _NEVER
                    alarm.ring(now)
                    rung += 1
            self._count(rung, loop.time() - tick * TICK_SECONDS)
        self._arm()

    def _count(self, rung: int, late: float) -> None:
        self.lateness[bisect_left(LATENESS_BOUNDS, late)] += rung
        self.lateness_sum += rung * late

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ticks:
            self._timer = asyncio.get_running_loop().call_at(self._ticks[0] * TICK_SECONDS, self._run)


class Alarm:
    """A call to come, at most one at a time."""

    __slots__ = ("_pacer", "ring", "tick")

    def __init__(self, pacer: Pacer, ring: Callable[[float], None]) -> None:
        self._pacer = pacer
        self.ring = ring
        self.tick = _NEVER

    def set(self, when: float) -> None:
        """Ring at a moment of the loop's clock, never earlier, in place of when it was to ring before."""
        self.tick = self._pacer.add(when, self)

    def cancel(self) -> None:
        """Do not ring."""
        self.tick = _NEVER

    def close(self) -> None:
        """Never ring again, and let go of whom it would have called."""
        self.tick = _NEVER
        self.ring = _nothing


def _nothing(_now: float) -> None:
    pass
