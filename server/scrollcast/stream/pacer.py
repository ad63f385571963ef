"""One timer for all streams of a server: they are called in ticks, so that those due at about the same time share a
wake-up of the process.

A timer, a task switch and a system call for each event cost more than the event does; at ten thousand events a second a
tick serves twenty of them.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from heapq import heappop, heappush
from typing import Final

__all__ = ["LATENESS_BOUNDS", "TICK_SECONDS", "Alarm", "Pacer"]

TICK_SECONDS: Final = 0.002
"""How late a tick may make an event. Ticks of 5 ms would save a tenth of the processor time."""

LATENESS_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""The classes, in seconds, in which it is counted how late streams were served; there is one more beyond."""


class Pacer:
    """The ticks of one event loop, and who is to be called at each. Only ticks that somebody waits for take place."""

    def __init__(self) -> None:
        self._due: dict[int, list[Alarm]] = {}
        self._ticks: list[int] = []  # those in `_due`, as a heap
        self._reached = -1
        self._timer: asyncio.TimerHandle | None = None
        self.lateness = [0] * (len(LATENESS_BOUNDS) + 1)
        """How many alarms were rung in ticks that were done so late, in classes of `LATENESS_BOUNDS`."""
        self.lateness_sum = 0.0

    def poll(self) -> None:
        """Call whoever is due. For those who keep the loop busy between two of its rounds."""
        if self._ticks and self._ticks[0] * TICK_SECONDS <= asyncio.get_running_loop().time():
            self._run()

    def add(self, when: float, alarm: Alarm) -> None:
        """Have an alarm rung at the first tick at or after a moment, and not within the present one."""
        if self._put(when, alarm):
            self._arm()

    def _put(self, when: float, alarm: Alarm) -> bool:
        """The same; whether that tick is now the first to come."""
        tick = max(math.ceil(when / TICK_SECONDS), self._reached + 1)
        waiting = self._due.get(tick)
        if waiting is None:
            waiting = self._due[tick] = []
            heappush(self._ticks, tick)
        if alarm.waits_in is not waiting:
            waiting.append(alarm)
            alarm.waits_in = waiting
        return self._ticks[0] == tick and len(waiting) == 1

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        now, due = loop.time(), self._due
        self._reached = reached = math.floor(now / TICK_SECONDS)
        while self._ticks and self._ticks[0] <= reached:
            tick = heappop(self._ticks)
            rung, waiting = 0, due.pop(tick)
            for alarm in waiting:
                if alarm.waits_in is not waiting:  # it was set anew, or cancelled
                    continue
                alarm.waits_in = None
                again = alarm.ring(now)
                rung += 1
                if again is None:
                    continue
                # `_put` without the call, which each event of everybody would take.
                next_tick = math.ceil(again / TICK_SECONDS)
                others = due.get(next_tick)
                if others is not None and next_tick > reached:
                    others.append(alarm)
                    alarm.waits_in = others
                else:
                    self._put(again, alarm)
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

    __slots__ = ("_pacer", "waits_in")

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self.waits_in: list[Alarm] | None = None
        """Those who are rung in the same tick."""

    def ring(self, now: float) -> float | None:
        """It is time, in a tick that began at this moment. Returns when it is to ring next, if it is not set otherwise;
        must not raise."""
        raise NotImplementedError

    def set(self, when: float) -> None:
        """Ring at a moment of the loop's clock, never earlier, in place of when it was to ring before."""
        self._pacer.add(when, self)

    def cancel(self) -> None:
        """Do not ring."""
        self.waits_in = None
