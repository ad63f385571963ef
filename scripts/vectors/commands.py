"""What commands do."""

from __future__ import annotations

from collections.abc import Iterator

from vectors.script import Script, about, said

__all__ = ["commands"]

FOUR = (said("m0", 0, "user"), said("m1", 500), said("m2", 1000), said("m3", 2000))

CALL = {
    "type": "tool_call",
    "call_id": "c1",
    "name": "Bash",
    "kind": "execute",
    "title": "ls",
    "input": {"command": "ls"},
}
FAILED = {
    "type": "tool_result", "call_id": "c1", "output": [{"type": "text", "text": "no such file"}], "is_error": True,
}  # fmt: skip

WORK = (
    said("m0", 0, "user"),
    said("m1", 500, parts=[CALL]),
    said("m2", 1000, "user", parts=[FAILED]),
    said("m3", 1500),
    said("m4", 2000, "user"),
    said("m5", 2500, parts=[{**CALL, "call_id": "c2"}]),
    said("m6", 3000),
)
"""Turns at 0 and 4 (the user's message 2 is only a tool's result), tool calls at 1 and 5, an error at 2."""


def commands() -> Iterator[Script]:
    """`control`, field by field."""
    yield from _playing()
    yield from _seeks()
    yield from _steps()


def _playing() -> Iterator[Script]:
    yield (
        Script(
            "pause-and-play",
            "Standing still, and going on",
            "`state` answers each command, before whatever the command causes, and echoes `request_id`.",
            "Pacing: a position inside a gap maps linearly into what is left of it.",
            items=FOUR,
        )
        .connect(0, mode="realtime", paused="true")
        .hello(0, "paused")
        .send(500, "play", play=True)
        .state(500, "playing", 0, 0, "play")
        .event(500, 0)
        .event(1000, 1)
        .send(1250, "pause", play=False)
        .state(1250, "paused", 2, about(750), "pause")
        .send(2000, play=True)
        .state(2000, "playing", 2, about(750))
        .why("no request_id was given, so there is none in the answer")
        .event(2250, 2)
        .send(2500, "on", play=True)
        .state(2500, "playing", 3, about(1250), "on")
        .why("it plays already, and is answered all the same")
        .event(3250, 3)
        .finish(3250, 4, 2000, sent=4, duration=3250)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "asking",
            "A control with nothing in it asks for the state",
            "Client to server: a control with nothing in it asks for the state.",
            "Client to server: any field but `idle` that is null counts as not given.",
            items=FOUR,
        )
        .connect(0, mode="realtime", speed="0.5", idle="2", paused="true", start_ms="750")
        .hello(0, "paused", 2, 750)
        .send(250, "what")
        .state(250, "paused", 2, 750, "what")
        .send(500, "nothing", play=None, seek=None, step=None, mode=None, speed=None)
        .state(500, "paused", 2, 750, "nothing")
        .outcome("open")
    )
    yield (
        Script(
            "hold",
            "After the end, with `hold`",
            "Connecting: `hold`: after `end`, keep the connection for more commands.",
            "Client to server: after `ended`, a seek back plays again, and `play` alone does nothing.",
            items=FOUR,
        )
        .connect(0, hold="true")
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .send(500, "play", play=True)
        .state(500, "ended", 4, 2000, "play")
        .send(750, "back", seek={"seq": 3})
        .state(750, "playing", 3, 2000, "back", sought=True, gen=1)
        .event(750, 3)
        .state(750, "ended", 4, 2000)
        .end(750, sent=5, duration=750)
        .send(1000, "back and wait", seek={"t_ms": 0}, play=False)
        .state(1000, "paused", 0, 0, "back and wait", sought=True, gen=2)
        .outcome("open", 0, 1, 2, 3, 3)
    )
    yield (
        Script(
            "unknown-fields",
            "What is not known is ignored",
            "A server ignores parameters and fields that it does not know.",
            items=FOUR,
        )
        .connect(0, paused="true", weather="fair", speed="2")
        .hello(0, "paused")
        .send(250, "loud", volume=11, seek={"seq": 2, "smoothly": True})
        .state(250, "paused", 2, 1000, "loud", sought=True, gen=1)
        .outcome("open")
    )


def _seeks() -> Iterator[Script]:
    yield (
        Script(
            "seek-ms",
            "To a recorded time",
            "Connecting, start_ms: the first event sent is the first with `t_ms >=` it.",
            "Pacing: playback that lands inside a gap waits for the rest of it.",
            "`gen` grows by one with each seek.",
            items=(said("m0", 0, "user"), said("m1", 1000), said("m2", 2000), said("m3", 4000)),
        )
        .connect(0, mode="realtime", hold="true")
        .hello(0)
        .event(0, 0)
        .send(500, "into a gap", seek={"t_ms": 3000})
        .state(500, "playing", 3, about(3000), "into a gap", sought=True, gen=1)
        .event(1500, 3)
        .state(1500, "ended", 4, 4000)
        .end(1500, sent=2, duration=1500)
        .send(2000, "onto an event", seek={"t_ms": 2000}, speed=4)
        .state(2000, "playing", 2, 2000, "onto an event", sought=True, gen=2, speed=4)
        .event(2000, 2)
        .why("an event at that very time is not behind it")
        .event(2500, 3)
        .state(2500, "ended", 4, 4000)
        .end(2500, sent=4, duration=2500)
        .outcome("open", 0, 3, 2, 3)
    )
    yield (
        Script(
            "seek-seq",
            "To an event by its number, and past the end",
            "Client to server: a seek past the end means the end.",
            "Client to server: a seek to the end while paused stays paused there, and playing on then ends.",
            items=FOUR,
        )
        .connect(0, paused="true", hold="true")
        .hello(0, "paused")
        .send(250, "third", seek={"seq": 2})
        .state(250, "paused", 2, 1000, "third", sought=True, gen=1)
        .send(500, "play", play=True)
        .state(500, "playing", 2, 1000, "play")
        .event(500, 2, 3)
        .state(500, "ended", 4, 2000)
        .end(500, sent=2, duration=500)
        .send(750, "first", seek={"seq": 0}, play=False)
        .state(750, "paused", 0, 0, "first", sought=True, gen=2)
        .send(1000, "beyond", seek={"seq": 99})
        .state(1000, "paused", 4, 2000, "beyond", sought=True, gen=3)
        .send(1250, "play on", play=True)
        .state(1250, "playing", 4, 2000, "play on")
        .why("the answer comes before what the command causes")
        .state(1250, "ended", 4, 2000)
        .end(1250, sent=2, duration=1250)
        .outcome("open", 2, 3)
    )
    yield (
        Script(
            "seek-event-id",
            "To a message by its id",
            "Client to server: `seek` takes one of `t_ms`, `seq`, `event_id` (a message id).",
            "Client to server: an unknown `event_id` gets `bad_command` and changes nothing.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .send(250, "there", seek={"event_id": "m2"})
        .state(250, "paused", 2, 1000, "there", sought=True, gen=1)
        .send(500, "nowhere", seek={"event_id": "m9"}, play=True)
        .error(500, "bad_command", "nowhere")
        .send(750, "what")
        .state(750, "paused", 2, 1000, "what")
        .send(1000, "read it", seek={"event_id": "m1"}, step={"by": 1, "unit": "event"})
        .event(1000, 1, gen=2)
        .why("a seek and a step are one change: the event sought is sent, and nothing after it")
        .state(1000, "paused", 2, 500, "read it", sought=True, gen=2)
        .outcome("open", 1)
    )
    yield (
        Script(
            "seek-while-playing",
            "Back and forth in realtime",
            "`hello`: events in strictly increasing `seq`, with no gap and no repeat, until a seek.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .send(750, "back", seek={"seq": 1})
        .state(750, "playing", 1, 500, "back", sought=True, gen=1)
        .event(750, 1)
        .event(1250, 2)
        .send(1500, "on", seek={"seq": 3})
        .state(1500, "playing", 3, 2000, "on", sought=True, gen=2)
        .event(1500, 3)
        .finish(1500, 4, 2000, sent=5, duration=1500)
        .outcome("completed", 0, 1, 1, 2, 3)
    )

    gap = (said("m0", 0, "user"), said("m1", 500), said("m2", 5500), said("m3", 5750))
    yield (
        Script(
            "pause-in-a-gap",
            "Standing still in a gap that is cut",
            "Pacing: a position inside a gap maps linearly into what is left of it.",
            "`skipped` is sent before the later event is.",
            items=gap,
        )
        .connect(0, mode="realtime", idle="1")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .send(1000, "pause", play=False)
        .state(1000, "paused", 2, about(3000), "pause")
        .why("half of the second that the gap takes, so half of the 5 s that it is")
        .send(1500, "play", play=True)
        .state(1500, "playing", 2, about(3000), "play")
        .skipped(2000, 500, 5500)
        .event(2000, 2)
        .event(2250, 3)
        .finish(2250, 4, 5750, sent=4, duration=2250)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "seek-into-a-gap",
            "Into a gap that is cut, and behind it",
            "Pacing: playback that lands inside a gap waits for the rest of it.",
            "`skipped` is of a gap that is crossed.",
            items=gap,
        )
        .connect(0, mode="realtime", idle="1")
        .hello(0)
        .event(0, 0)
        .send(250, "into it", seek={"t_ms": 4500})
        .state(250, "playing", 2, about(4500), "into it", sought=True, gen=1)
        .skipped(450, 500, 5500)
        .event(450, 2)
        .why("a fifth of the gap is left, of 1 s")
        .send(575, "behind it", seek={"seq": 2})
        .state(575, "playing", 2, 5500, "behind it", sought=True, gen=2)
        .event(575, 2)
        .event(825, 3)
        .finish(825, 4, 5750, sent=4, duration=825)
        .outcome("completed", 0, 2, 2, 3)
    )
    yield (
        Script(
            "seek-to-the-end",
            "To the end while it plays",
            "Client to server: a seek past the end means the end.",
            "`state`: `ended` comes before `end`.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .send(250, "end", seek={"t_ms": 1_000_000})
        .state(250, "playing", 4, 2000, "end", sought=True, gen=1)
        .finish(250, 4, 2000, sent=1, duration=250)
        .outcome("completed", 0)
    )
    yield (
        Script(
            "crossing-the-end",
            "A seek that crosses with the end",
            "Ending: 1000 comes when the replay is 100 ms old: a command that crosses with the end is still heard.",
            items=FOUR,
            needs=("clock",),
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .send(50, "again", seek={"seq": 3})
        .state(50, "playing", 3, 2000, "again", sought=True, gen=1)
        .event(50, 3)
        .state(50, "ended", 4, 2000)
        .end(50, sent=5, duration=50)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3, 3)
    )


def _steps() -> Iterator[Script]:
    yield (
        Script(
            "step-cut-short",
            "A step that another command ends",
            "`state` answers a step when another command cuts it short; one that only asks for the state does not.",
            "Connecting: never more than `window` events sent and not acknowledged.",
            items=FOUR,
        )
        .connect(0, paused="true", window="1")
        .hello(0, "paused")
        .send(250, "three", step={"by": 3, "unit": "event"})
        .event(250, 0)
        .send(500, "what")
        .state(500, "paused", 1, 0, "what")
        .send(750, "no more", play=False)
        .state(750, "paused", 1, 0, "three")
        .state(750, "paused", 1, 0, "no more")
        .ack(1000, 0)
        .send(1250, "what now")
        .state(1250, "paused", 1, 0, "what now")
        .why("the step is over: nothing more of it comes")
    )
    yield (
        Script(
            "step-at-the-end",
            "Forward where there is nothing more",
            "Client to server: past an edge a step stops there.",
            items=FOUR,
        )
        .connect(0, paused="true", start_seq="3")
        .hello(0, "paused", 3, 2000)
        .send(250, "last", step={"by": 1, "unit": "event"})
        .event(250, 3)
        .state(250, "paused", 4, 2000, "last")
        .why("paused at the end is not ended")
        .send(500, "further", step={"by": 1, "unit": "event"})
        .state(500, "paused", 4, 2000, "further")
        .send(750, "to the last error", step={"by": 1, "unit": "error"})
        .state(750, "paused", 4, 2000, "to the last error")
        .outcome("open", 3)
    )
    yield (
        Script(
            "step-forward",
            "Forward, by every unit",
            "Client to server: a step forward sends all events through the n-th of the unit, in the same `gen`.",
            "`state` answers a step forward after the last event that it sends.",
            "A `turn` is a message whose archived role is `user` and that is not only tool results.",
            items=WORK,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .send(250, "event", step={"by": 1, "unit": "event"})
        .event(250, 0)
        .state(250, "paused", 1, 0, "event")
        .send(500, "tool", step={"by": 1, "unit": "tool"})
        .event(500, 1)
        .state(500, "paused", 2, 500, "tool")
        .send(750, "error", step={"by": 1, "unit": "error"})
        .event(750, 2)
        .state(750, "paused", 3, 1000, "error")
        .send(1000, "turn", step={"by": 1, "unit": "turn"})
        .event(1000, 3, 4)
        .state(1000, "paused", 5, 2000, "turn")
        .send(1250, "two", step={"by": 2, "unit": "event"})
        .event(1250, 5, 6)
        .state(1250, "paused", 7, 3000, "two")
        .outcome("open", 0, 1, 2, 3, 4, 5, 6)
    )
    yield (
        Script(
            "step-back",
            "Backward, by every unit",
            "Client to server: a step backward is a seek to the n-th one before the cursor; it sends nothing.",
            items=WORK,
        )
        .connect(0, paused="true", start_seq="7")
        .hello(0, "paused", 7, 3000)
        .send(250, "event", step={"by": -1, "unit": "event"})
        .state(250, "paused", 6, 3000, "event", sought=True, gen=1)
        .send(500, "tool", step={"by": -1, "unit": "tool"})
        .state(500, "paused", 5, 2500, "tool", sought=True, gen=2)
        .send(750, "turn", step={"by": -1, "unit": "turn"})
        .state(750, "paused", 4, 2000, "turn", sought=True, gen=3)
        .send(1000, "error", step={"by": -1, "unit": "error"})
        .state(1000, "paused", 2, 1000, "error", sought=True, gen=4)
        .send(1250, "turn before", step={"by": -1, "unit": "turn"})
        .state(1250, "paused", 0, 0, "turn before", sought=True, gen=5)
        .why("the message 2 is the user's, and only a tool's result: no turn")
        .outcome("open")
    )
    yield (
        Script(
            "step-past-an-edge",
            "Past an edge it stops there",
            "Client to server, step: past an edge it stops there.",
            items=WORK,
        )
        .connect(0, paused="true", start_seq="3")
        .hello(0, "paused", 3, 1500)
        .send(250, "before the first", step={"by": -9, "unit": "tool"})
        .state(250, "paused", 0, 0, "before the first", sought=True, gen=1)
        .send(500, "behind the last", step={"by": 9, "unit": "turn"})
        .event(500, 0, 1, 2, 3, 4, 5, 6)
        .state(500, "paused", 7, 3000, "behind the last")
        .send(750, "play", play=True)
        .state(750, "playing", 7, 3000, "play")
        .finish(750, 7, 3000, sent=7, duration=750)
        .outcome("completed", 0, 1, 2, 3, 4, 5, 6)
    )
    yield (
        Script(
            "step-while-playing",
            "A step pauses",
            "Client to server: `step` pauses, whatever `play` says beside it.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .send(250, "step", step={"by": 2, "unit": "event"}, play=True)
        .event(250, 1, 2)
        .state(250, "paused", 3, 1000, "step")
        .send(1500, "play", play=True)
        .state(1500, "playing", 3, 1000, "play")
        .event(2500, 3)
        .why("all of the gap before it, for the position is that of the last event sent")
        .finish(2500, 4, 2000, sent=4, duration=2500)
        .outcome("completed", 0, 1, 2, 3)
    )
