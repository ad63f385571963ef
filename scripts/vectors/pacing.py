"""When events come."""

from __future__ import annotations

from collections.abc import Iterator

from vectors.script import Script, about, said

__all__ = ["pacing"]

HOUR_MS = 3_600_000

FOUR = (said("m0", 0, "user"), said("m1", 500), said("m2", 1000), said("m3", 2000))
"""Gaps of 500, 500 and 1000 ms."""


def pacing() -> Iterator[Script]:
    """The section *Pacing*, mode by mode."""
    yield from _modes()
    yield from _speeds()
    yield from _gaps()
    yield from _changes()


def _modes() -> Iterator[Script]:
    yield (
        Script(
            "fast",
            "As fast as the client reads",
            "Pacing: the length of a gap is 0 in fast mode.",
            "Ending: 1000 comes when the replay is 100 ms old, at the earliest.",
            items=FOUR,
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .why("`ended` comes before `end`")
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "realtime",
            "When it was recorded",
            "Pacing: the length of a gap is min(g, idle) / speed.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .event(1000, 2)
        .event(2000, 3)
        .finish(2000, 4, 2000, sent=4, duration=2000)
        .outcome("completed", 0, 1, 2, 3)
    )
    words = "x" * 25  # are read in a second
    reading = (said("m0", 0, "user", text=words), said("m1", 60_000, text="Hm."), said("m2", 60_000, text=words * 2))
    yield (
        Script(
            "reading",
            "By how long it takes to read",
            "Pacing: in reading mode an event comes when the one before it has been read.",
            "Formats, Times that are made up: 1 s for 25 characters, at least 0.5 s a message.",
            items=(*reading, said("m3", 60_250)),
        )
        .connect(0, mode="reading", speed="2")
        .hello(0)
        .event(0, 0)
        .skipped(500, 0, 60_000)
        .why("`skipped`: a gap of 3 s or more that is played shorter; here one of 60 s takes 1 s, at speed 2")
        .event(500, 1)
        .event(750, 2)
        .why("a short message takes 0.5 s, though both were recorded at the same moment")
        .event(1750, 3)
        .finish(1750, 4, 60_250, sent=4, duration=1750)
        .outcome("completed", 0, 1, 2, 3)
    )


def _speeds() -> Iterator[Script]:
    for name, speed, ends in (("double", "2", (250, 500, 1000)), ("half", "0.5", (1000, 2000, 4000))):
        first, second, third = ends
        yield (
            Script(
                f"realtime-{name}-speed",
                f"At {name} speed",
                "Pacing: the length of a gap is min(g, idle) / speed.",
                items=FOUR,
            )
            .connect(0, mode="realtime", speed=speed)
            .hello(0)
            .event(0, 0)
            .event(first, 1)
            .event(second, 2)
            .event(third, 3)
            .state(third, "ended", 4, 2000)
            .end(third, sent=4, duration=third)
            .close(third, 1000)
            .outcome("completed", 0, 1, 2, 3)
        )
    yield (
        Script(
            "speed-changed",
            "Another speed in the middle of a gap",
            "Pacing: a position inside a gap maps linearly into what is left of it.",
            "Pacing: every wait is cut short at once by any command.",
            items=(said("m0", 0, "user"), said("m1", 1000), said("m2", 3000)),
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .send(500, "faster", speed=2)
        .state(500, "playing", 1, about(500), "faster", speed=2)
        .event(750, 1)
        .why("500 ms of the gap are left, at speed 2")
        .send(1250, "faster still", speed=4)
        .state(1250, "playing", 2, about(2000), "faster still", speed=4)
        .why("1000 + (1250 - 750) * 2")
        .event(1500, 2)
        .finish(1500, 3, 3000, sent=3, duration=1500)
        .outcome("completed", 0, 1, 2)
    )


def _gaps() -> Iterator[Script]:
    idle = (said("m0", 0, "user"), said("m1", 500), said("m2", 5500), said("m3", 7500))
    yield (
        Script(
            "idle-cap",
            "No gap is longer than the idle cap",
            "Pacing: the length of a gap is min(g, idle) / speed.",
            "`skipped` is sent when a gap of 3 s or more is cut, before the later event.",
            items=idle,
        )
        .connect(0, mode="realtime", idle="1")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .skipped(1500, 500, 5500)
        .event(1500, 2)
        .event(2500, 3)
        .why("a gap of 2 s is cut too, and not told")
        .finish(2500, 4, 7500, sent=4, duration=2500)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "idle-cap-at-speed",
            "The idle cap is of recorded time, and played at the speed",
            "Pacing: the length of a gap is min(g, idle) / speed.",
            items=idle,
        )
        .connect(0, mode="realtime", idle="1", speed="2")
        .hello(0)
        .event(0, 0)
        .event(250, 1)
        .skipped(750, 500, 5500)
        .event(750, 2)
        .event(1250, 3)
        .finish(1250, 4, 7500, sent=4, duration=1250)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "fast-tells-no-gaps",
            "Nothing is said of gaps in fast mode",
            "`skipped`: never in fast mode.",
            items=idle,
        )
        .connect(0, idle="1")
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 7500)
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    hours = (said("m0", 0, "user"), said("m1", HOUR_MS), said("m2", 2 * HOUR_MS - 1), said("m3", 2 * HOUR_MS + 249))
    yield (
        Script(
            "hour",
            "An archive that sat idle for an hour is not waited for",
            "Pacing: the length of a gap is 0 for g >= 3600 s.",
            "`skipped` is sent when a gap of 3 s or more is cut by the idle cap or by the one-hour rule.",
            items=hours,
        )
        .connect(0, mode="realtime", idle="0.5")
        .hello(0)
        .event(0, 0)
        .skipped(0, 0, HOUR_MS)
        .event(0, 1)
        .skipped(500, HOUR_MS, 2 * HOUR_MS - 1)
        .event(500, 2)
        .why("a millisecond less than an hour is capped as any gap")
        .event(750, 3)
        .finish(750, 4, 2 * HOUR_MS + 249, sent=4, duration=750)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "equal-and-backward-times",
            "Times that are equal, go backwards, or are missing",
            "Words: an event whose timestamp goes backwards takes its predecessor's `t_ms`, not its `created_at`.",
            "Words: an event without a usable timestamp takes its predecessor's, in `created_at` too.",
            "Pacing: the length of a gap is 0 for g <= 0.",
            items=(
                said("m0", 0, "user"),
                said("m1", 500),
                said("m2", 500),
                said("m3", 500, ts=None, created_at="2026-03-02T09:00:00.500Z"),
                said("m4", 250, t_ms=500),
                said("m5", 1000),
            ),
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1, 2, 3, 4)
        .event(1000, 5)
        .why("500 ms after the latest time so far, not 750 ms after the one that went backwards")
        .finish(1000, 6, 1000, sent=6, duration=1000)
        .outcome("completed", 0, 1, 2, 3, 4, 5)
    )


def _changes() -> Iterator[Script]:
    yield (
        Script(
            "idle-changed",
            "Another idle cap in the middle of a gap",
            "Pacing: a position inside a gap maps linearly into what is left of it.",
            "Client to server: `idle: null` lifts the cap.",
            items=(said("m0", 0, "user"), said("m1", 4000), said("m2", 6000)),
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .send(1000, "cap", idle=1)
        .state(1000, "playing", 1, about(1000), "cap", idle=1)
        .skipped(1750, 0, 4000)
        .event(1750, 1)
        .why("three quarters of the gap are left, and all of it would take 1 s now")
        .send(2250, "lift", idle=None)
        .state(2250, "playing", 2, about(5000), "lift", idle=None)
        .why("half of the 1 s that the gap of 2 s took")
        .event(3250, 2)
        .why("the other half, without a cap")
        .finish(3250, 3, 6000, sent=3, duration=3250)
        .outcome("completed", 0, 1, 2)
    )
    yield (
        Script(
            "mode-changed",
            "From one mode to another while it plays",
            "Client to server: what is given is applied as one change.",
            "Pacing: the length of a gap is 0 in fast mode.",
            items=(*FOUR, said("m4", 3000)),
        )
        .connect(0, mode="realtime", hold="true")
        .hello(0)
        .event(0, 0)
        .send(250, "fast", mode="fast")
        .state(250, "playing", 1, about(250), "fast", mode="fast")
        .event(250, 1, 2, 3, 4)
        .state(250, "ended", 5, 3000)
        .end(250, sent=5, duration=250)
        .send(500, "again", seek={"seq": 2}, mode="realtime", speed=4)
        .state(500, "playing", 2, 1000, "again", sought=True, gen=1, mode="realtime", speed=4)
        .why("one change, one state")
        .event(500, 2)
        .event(750, 3)
        .event(1000, 4)
        .state(1000, "ended", 5, 3000)
        .end(1000, sent=8, duration=1000)
        .why("events_sent counts over all generations; end comes at each arrival at the end")
        .outcome("open", 0, 1, 2, 3, 4, 2, 3, 4)
    )
    yield (
        Script(
            "late",
            "Deadlines are absolute",
            "Pacing: deadlines are absolute (anchor + accumulated playback time), so pacing does not drift.",
            "Connecting: never more than `window` events sent and not acknowledged.",
            items=(said("m0", 0, "user"), said("m1", 500), said("m2", 1000), said("m3", 2000)),
        )
        .connect(0, mode="realtime", window="1")
        .hello(0)
        .event(0, 0)
        .send(1250, "late")
        .state(1250, "playing", 1, about(500), "late", late_ms=about(750))
        .why("the event 1 was due at 500, and the recorded time does not go beyond it")
        .ack(1500, 0)
        .event(1500, 1)
        .ack(1750, 1)
        .event(1750, 2)
        .why("due at 1000: a client that was slow is not held up further")
        .ack(1875, 2)
        .event(2000, 3)
        .finish(2000, 4, 2000, sent=4, duration=2000)
        .outcome("completed", 0, 1, 2, 3)
    )
