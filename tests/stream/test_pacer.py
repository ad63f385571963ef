from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable

from scrollcast.stream.pacer import LATENESS_BOUNDS, TICK_SECONDS, Alarm, Pacer


def now() -> float:
    """The loop's clock."""
    return asyncio.get_running_loop().time()


class Call(Alarm):
    """An alarm that calls a function."""

    def __init__(self, pacer: Pacer, function: Callable[[float], object]) -> None:
        super().__init__(pacer)
        self.function = function
        self.again: list[float] = []

    def ring(self, now: float) -> float | None:
        """Call it; then ring at the next of the times in `again`."""
        self.function(now)
        return self.again.pop(0) if self.again else None


async def rung(pacer: Pacer, after: float, then: Callable[[Alarm], None] = lambda _alarm: None) -> float:
    """How late an alarm rang."""
    done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    due = now() + after

    def ring(_now: float) -> None:
        if not done.done():
            done.set_result(now() - due)
        then(alarm)

    alarm = Call(pacer, ring)
    alarm.set(due)
    return await done


async def test_none_rings_early() -> None:
    """Whatever the fraction of a tick that it is set to."""
    pacer = Pacer()

    late = await asyncio.gather(*(rung(pacer, number * 0.00037) for number in range(60)))

    assert min(late) >= 0


async def test_those_of_one_tick_share_a_timer() -> None:
    """A hundred alarms within a tick need one call of the loop."""
    pacer, loop = Pacer(), asyncio.get_running_loop()
    begin = (now() // TICK_SECONDS + 5) * TICK_SECONDS
    rings: list[float] = []
    for number in range(1, 101):
        Call(pacer, lambda _now: rings.append(loop.time())).set(begin + TICK_SECONDS * number / 101)

    waiting = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    await asyncio.sleep(10 * TICK_SECONDS)

    assert len(waiting) == 1
    assert len(rings) == 100


async def test_an_alarm_that_is_set_anew_rings_once() -> None:
    """When it was set to last."""
    pacer = Pacer()
    rings: list[float] = []
    alarm = Call(pacer, lambda _now: rings.append(now()))
    due = now() + 8 * TICK_SECONDS
    for moment in (due - 4 * TICK_SECONDS, due + 4 * TICK_SECONDS, due, due):
        alarm.set(moment)

    await asyncio.sleep(20 * TICK_SECONDS)

    assert len(rings) == 1
    assert rings[0] >= due


async def test_one_that_was_cancelled_does_not_ring() -> None:
    """Unless it is set once more."""
    pacer = Pacer()
    rings: list[str] = []
    cancelled, again = (
        Call(pacer, lambda _now: rings.append("cancelled")),
        Call(pacer, lambda _now: rings.append("again")),
    )
    for alarm in (cancelled, again):
        alarm.set(now() + TICK_SECONDS)
        alarm.cancel()
    again.set(now() + TICK_SECONDS)

    await asyncio.sleep(5 * TICK_SECONDS)

    assert rings == ["again"]


async def test_it_rings_on_when_it_says() -> None:
    """Alone in a tick, among others that wait for it, and where that time is over already."""
    pacer = Pacer()
    rings: list[float] = []
    alarm = Call(pacer, lambda _now: rings.append(now()))
    begin = now()
    times = [begin + TICK_SECONDS * ticks for ticks in (1, 4, 9, 2, 12.5)]
    others = [Call(pacer, lambda _now: None) for _ in range(3)]
    for other in others:
        other.set(times[2])
    alarm.again = times[1:]
    alarm.set(times[0])

    await asyncio.sleep(25 * TICK_SECONDS)

    assert len(rings) == len(times)
    assert all(rang >= due for rang, due in zip(rings, times, strict=True))
    assert rings == sorted(rings)
    assert rings[3] - rings[2] >= TICK_SECONDS / 2  # not in the same tick once more


async def test_one_that_is_always_due_leaves_the_loop_its_turn() -> None:
    """It rings again a tick later at the soonest."""
    pacer = Pacer()
    rings: list[float] = []

    def again(alarm: Alarm) -> None:
        rings.append(now())
        alarm.set(now() - 1)

    await rung(pacer, 0, again)
    begun = now()
    await asyncio.sleep(10 * TICK_SECONDS)

    assert 2 <= len(rings) <= 2 + (now() - begun) / TICK_SECONDS


async def test_a_busy_loop_calls_who_is_due_by_hand() -> None:
    """Without a turn of the loop; and nobody before it is time."""
    pacer = Pacer()
    rings: list[str] = []
    Call(pacer, lambda _now: rings.append("due")).set(now())
    Call(pacer, lambda _now: rings.append("later")).set(now() + 60)
    until = now() + 2 * TICK_SECONDS
    is_over = False
    while not is_over:
        is_over = now() >= until  # before the last call: this process may have stood still meanwhile
        pacer.poll()

    assert rings == ["due"]


async def test_it_is_counted_how_late_alarms_rang() -> None:
    """Each once, in the class of its tick; one that was cancelled is not."""
    pacer = Pacer()
    await asyncio.gather(*(rung(pacer, number * 0.001) for number in range(20)))
    alarm = Call(pacer, lambda _now: None)
    alarm.set(now() + TICK_SECONDS)
    alarm.cancel()

    def dawdle(_now: float) -> None:
        end = now() + 0.03
        while now() < end:
            pass

    Call(pacer, dawdle).set(now() + TICK_SECONDS)
    await asyncio.sleep(0.05)

    assert sum(pacer.lateness) == 21
    assert sum(pacer.lateness[bisect_left(LATENESS_BOUNDS, 0.03) :]) >= 1
    assert pacer.lateness_sum >= 0.03
