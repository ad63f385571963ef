"""How a replay begins, what is in it, and how it is gone on with."""

from __future__ import annotations

from collections.abc import Iterator

from vectors.script import Script, about, event_of, meta, said, same, some

__all__ = ["connecting"]

FOUR = (said("m0", 0, "user"), said("m1", 500), said("m2", 1000), said("m3", 2000))
OTHERS = tuple(said(f"other {number}", number * 250, "user") for number in range(3))

SECRET = "ghp_x7Kq2mPz9RvT4wLs8NbYc3HdJf6GaQ1eUoXi"
"""In the form of a token that opens repositories; nobody's."""


def connecting() -> Iterator[Script]:
    """The sections *Connecting*, *Server to client*, *Live* and *Resuming*."""
    yield from _starts()
    yield from _content()
    yield from _sizes()
    yield from _resuming()
    yield from _live()


def _starts() -> Iterator[Script]:
    yield (
        Script(
            "hello",
            "The greeting",
            "`hello` is the first message of a replay.",
            "Connecting: the defaults of the parameters.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .outcome("open")
    )
    yield (
        Script(
            "booleans",
            "Booleans may be 1 and 0",
            "Connecting: booleans are `true`/`false`/`1`/`0`.",
            items=FOUR,
        )
        .connect(0, paused="1", hold="0", meta="0", mode="realtime", speed="0.1", idle="2.5")
        .hello(0, "paused")
        .outcome("open")
    )
    yield (
        Script(
            "start-ms",
            "From a recorded time on",
            "Connecting, start_ms: the first event sent is the first with `t_ms >=` it.",
            "Pacing: playback that starts inside a gap waits for the rest of it.",
            items=FOUR,
        )
        .connect(0, mode="realtime", start_ms="750")
        .hello(0, "playing", 2, about(750))
        .event(250, 2)
        .event(1250, 3)
        .finish(1250, 4, 2000, sent=2, duration=1250)
        .outcome("completed", 2, 3)
    )
    yield (
        Script(
            "start-past-the-end",
            "From a recorded time after the end",
            "Connecting, start_ms: past the end means the end.",
            items=FOUR,
        )
        .connect(0, mode="realtime", start_ms="2001")
        .hello(0, "playing", 4, 2000)
        .state(0, "ended", 4, 2000)
        .end(0, sent=0, duration=0)
        .close(100, 1000)
        .outcome("completed")
    )
    yield (
        Script(
            "start-seq",
            "From an event on",
            "Connecting, start_seq: playback starts at that event.",
            items=FOUR,
        )
        .connect(0, mode="realtime", start_seq="2")
        .hello(0, "playing", 2, 1000)
        .event(0, 2)
        .why("no gap is waited for before the event that playback starts at")
        .event(1000, 3)
        .finish(1000, 4, 2000, sent=2, duration=1000)
        .outcome("completed", 2, 3)
    )
    for mode in ("fast", "realtime"):
        yield (
            Script(
                f"empty-{mode}",
                "A session without a message",
                "For an empty session `next_seq` is 0 and `final_seq` null.",
            )
            .connect(0, mode=mode)
            .hello(0)
            .state(0, "ended", 0, 0)
            .end(0, sent=0, duration=0, final=None)
            .close(100, 1000)
            .outcome("completed")
        )


def _content() -> Iterator[Script]:
    first, tie = said("m0", 0, "user"), said("m1", 500)
    merged = (first, meta("e0", -500, t_ms=0), meta("e1", 250), tie, meta("e2", 500), said("m2", 1000))
    yield (
        Script(
            "meta-on",
            "With meta events",
            "Connecting: `meta`: the session's meta events, merged by recorded time, messages first where equal.",
            "Words: `t_ms` counts from the session's first message; a meta event before it takes 0.",
            "`seq` counts the events of this replay.",
            items=merged,
        )
        .connect(0, mode="realtime", meta="true")
        .hello(0)
        .event(0, 0, 1)
        .event(250, 2)
        .event(500, 3, 4)
        .event(1000, 5)
        .finish(1000, 6, 1000, sent=6, duration=1000)
        .outcome("completed", 0, 1, 2, 3, 4, 5)
    )
    yield (
        Script(
            "seek-to-a-meta-event",
            "To a meta event by its id",
            "Client to server: `event_id` is the id of a message, and with `meta` that of a meta event too.",
            items=merged,
        )
        .connect(0, hold="true", meta="true")
        .hello(0)
        .event(0, 0, 1, 2, 3, 4, 5)
        .state(0, "ended", 6, 1000)
        .end(0, sent=6, duration=0)
        .send(250, "there", seek={"event_id": "e1"}, play=False)
        .state(250, "paused", 2, 250, "there", sought=True, gen=1)
        .send(500, "read it", step={"by": 1, "unit": "event"})
        .event(500, 2)
        .state(500, "paused", 3, 250, "read it")
        .outcome("open", 0, 1, 2, 3, 4, 5, 2)
    )
    yield (
        Script(
            "meta-off",
            "Without meta events",
            "Connecting: `meta` is `false` by default.",
            items=(first, tie, said("m2", 1000)),
            meta_events=[item for item in merged if item.kind == "meta"],
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1, 2)
        .state(0, "ended", 3, 1000)
        .end(0, sent=3, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2)
    )
    code = {"type": "code", "language": "sh", "text": "ls"}
    odd = {"type": "hologram", "of": "a cat"}
    yield (
        Script(
            "content",
            "Roles and parts",
            "Roles: archived roles but `assistant` and `user` are `user`, the original is in `metadata.archived_role`.",
            "`content` is the archived parts when all of them parse; otherwise one text part of the archived Markdown.",
            "A part of an unknown `type` parses, as `unknown`.",
            items=(
                said("m0", 0, "system"),
                said("m1", 0, "tool"),
                said("m2", 0, parts=[code, {"type": "text", "text": "done"}]),
                said("m3", 0, parts=[code, {"type": "text"}], content=[{"type": "text", "text": "m3"}]),
                said("m4", 0, parts=[odd], content=[{"type": "unknown", "raw": odd}]),
            ),
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1, 2, 3, 4)
        .state(0, "ended", 5, 0)
        .end(0, sent=5, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3, 4)
    )
    lines = Script(
        "records-skipped",
        "Records that cannot be read, and one that was not finished",
        "Notices: `records_skipped` tells how many and in which lines, before `end`; `lines` are 1-based.",
        "A half-written last line is not reported as skipped; `truncated` says that the archive stops in one.",
        items=(said("m0", 0, "user"), said("m1", 500)),
        rest='{"message_id":"m2","ts":"2026-03-',
    )
    lines._messages[1:1] = ["{broken"]
    yield (
        lines.connect(0)
        .hello(0)
        .event(0, 0, 1)
        .notice(0, "warning", "records_skipped", {"count": 1, "lines": [2]}, or_earlier=True)
        .state(0, "ended", 2, 500)
        .end(0, sent=2, duration=0, reason="truncated")
        .close(100, 1000)
        .outcome("completed", 0, 1)
    )
    shown = some("text", "the token is [redacted:github-pat#3f9a2c]", without=SECRET)
    yield (
        Script(
            "redacted",
            "A viewer who may not see secrets",
            'A viewer who may not see secrets gets placeholders, and `notice{code:"redacted","count":N}`.',
            items=(
                said("m0", 0, "user"),
                said("m1", 0, text=f"the token is {SECRET}", content=[{"type": "text", "text": shown}]),
            ),
            needs=("redaction",),
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1)
        .notice(0, "info", "redacted", {"count": 1}, or_earlier=True)
        .state(0, "ended", 2, 0)
        .end(0, sent=2, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1)
    )


def _sizes() -> Iterator[Script]:
    yield (
        Script(
            "batch",
            "Many events in one message",
            "Connecting: `batch`: allow `events` messages of up to about that many bytes.",
            items=FOUR,
        )
        .connect(0, batch="65536")
        .hello(0)
        .events(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "batch-of-one",
            "A batch holds one event at least",
            "Connecting: a batch holds one event at least, however large it is.",
            items=FOUR,
        )
        .connect(0, batch="1")
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "batch-in-realtime",
            "What is due together comes together",
            "A batch never mixes two generations.",
            items=(said("m0", 0, "user"), said("m1", 500), said("m2", 500), said("m3", 500), said("m4", 1500)),
        )
        .connect(0, mode="realtime", batch="65536")
        .hello(0)
        .event(0, 0)
        .events(500, 1, 2, 3)
        .send(750, "back", seek={"seq": 2})
        .state(750, "playing", 2, 500, "back", sought=True, gen=1)
        .events(750, 2, 3)
        .event(1750, 4)
        .finish(1750, 5, 1500, sent=7, duration=1750)
        .outcome("completed", 0, 1, 2, 3, 2, 3, 4)
    )
    yield (
        Script(
            "window",
            "No more on their way than the client takes",
            "Connecting: `window`: never more than this many events sent and not acknowledged.",
            "`ack` says that everything up to `seq` in the current `gen` was processed; a seek clears the account.",
            items=(*FOUR, said("m4", 2500), said("m5", 3000)),
        )
        .connect(0, window="2")
        .hello(0)
        .event(0, 0, 1)
        .ack(250, 0)
        .event(250, 2)
        .ack(500, 2)
        .event(500, 3, 4)
        .send(750, "back", seek={"seq": 1})
        .state(750, "playing", 1, 500, "back", sought=True, gen=1)
        .event(750, 1, 2)
        .ack(1000, 2)
        .event(1000, 3, 4)
        .ack(1250, 4)
        .event(1250, 5)
        .finish(1250, 6, 3000, sent=10, duration=1250)
        .outcome("completed", 0, 1, 2, 3, 4, 1, 2, 3, 4, 5)
    )
    yield (
        Script(
            "window-from-the-middle",
            "What lies before the start is taken as processed",
            "Connecting: `window`: never more than this many events sent and not acknowledged.",
            items=FOUR,
        )
        .connect(0, window="1", start_seq="2")
        .hello(0, "playing", 2, 1000)
        .event(0, 2)
        .ack(250, 2)
        .event(250, 3)
        .finish(250, 4, 2000, sent=2, duration=250)
        .outcome("completed", 2, 3)
    )
    yield (
        Script(
            "ack-without-window",
            "An acknowledgement that nobody asked for",
            "`ack`: without `window` it is ignored.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .ack(250, 3)
        .send(500, "play", play=True)
        .state(500, "playing", 0, 0, "play")
        .event(500, 0, 1, 2, 3)
        .finish(500, 4, 2000, sent=4, duration=500)
        .outcome("completed", 0, 1, 2, 3)
    )
    whole = "word " * 500
    script = Script(
        "preview",
        "Long parts are cut",
        "Connecting: `preview`: cut any longer part, marking it with its size and where to fetch it.",
        "`bytes` is the whole UTF-8 length; `href` is an address of the server.",
        items=(said("m0", 0, "user"), said("m1", 0, text=whole)),
    )
    href = some("text", f"/api/sessions/{script.scroll_id}/events/1/parts/0")
    cut = {"type": "text", "text": some("text", "word word"), "truncated": {"bytes": len(whole), "href": href}}
    script.items[1].event = event_of("m1", "assistant", "2026-03-02T09:00:00.000Z", [cut])
    yield (
        script.connect(0, preview="1024")
        .hello(0)
        .event(0, 0, 1)
        .state(0, "ended", 2, 0)
        .end(0, sent=2, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1)
    )


def _resuming() -> Iterator[Script]:
    epoch = same("epoch", "epoch-1")
    yield (
        Script(
            "resume",
            "A lost connection is gone on with",
            "Resuming: `resume` is `continued`: nothing missed, nothing repeated.",
            "`gen` starts at 0 in each connection.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .drop(750)
        .connect(1000, mode="realtime", start_seq="2", epoch=epoch)
        .hello(1000, "playing", 2, 1000, resume="continued")
        .event(1000, 2)
        .event(2000, 3)
        .finish(2000, 4, 2000, sent=2, duration=1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "resume-at-the-end",
            "Lost right before the end",
            "Resuming: a `start_seq` that is the end itself is no error.",
            items=FOUR,
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .connect(500, start_seq="4", epoch=epoch)
        .hello(500, "playing", 4, 2000, resume="continued")
        .state(500, "ended", 4, 2000)
        .end(500, sent=0, duration=0)
        .close(600, 1000)
    )
    yield (
        Script(
            "resume-of-another-epoch",
            "What the client has is of another content",
            "Resuming: `reset` (a different epoch: it starts from 0).",
            items=FOUR,
        )
        .connect(0, start_seq="2", epoch="another", paused="true")
        .hello(0, "paused", 0, 0, resume="reset")
        .drop(250)
        .connect(500, start_seq="99", epoch="another", paused="true")
        .hello(500, "paused", 0, 0, resume="reset")
        .why("the number belongs to the other content, so that it is out of no range")
    )
    yield (
        Script(
            "resume-after-rewriting",
            "The archive was rewritten while the client was away",
            "Resuming: `epoch` changes when the archive was rewritten, not when it grew.",
            items=FOUR,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .drop(750)
        .rewrite(1000, *OTHERS)
        .connect(1500, mode="realtime", start_seq="2", epoch=epoch)
        .hello(1500, resume="reset", epoch="other epoch")
        .event(1500, 0)
        .event(1750, 1)
        .event(2000, 2)
        .finish(2000, 3, 500, sent=3, duration=500)
        .outcome("rewritten", 0, 1)
    )
    yield (
        Script(
            "resume-after-growth",
            "The archive grew while the client was away",
            "Resuming: `epoch` changes when the archive was rewritten, not when it grew.",
            items=FOUR,
        )
        .connect(0, start_seq="3", paused="true")
        .hello(0, "paused", 3, 2000)
        .drop(250)
        .append(500, said("m4", 2500))
        .connect(1000, start_seq="3", epoch=epoch)
        .hello(1000, "playing", 3, 2000, resume="continued")
        .event(1000, 3, 4)
        .state(1000, "ended", 5, 2500)
        .end(1000, sent=2, duration=0)
        .close(1100, 1000)
    )
    yield (
        Script(
            "rewritten-while-watched",
            "The archive is rewritten under the client",
            'Resuming: it gets `notice{code:"archive_rewritten"}`, and then the events from 0 in the next `gen`.',
            items=FOUR,
        )
        .connect(0, start_seq="2", follow="true")
        .hello(0, "playing", 2, 1000, live=some("boolean", True))
        .event(0, 2, 3)
        .state(0, "live", 4, 2000)
        .caught_up(0, 4)
        .rewrite(500, *OTHERS)
        .notice(500, "warning", "archive_rewritten", {"epoch": same("other epoch", "epoch-2")}, within_ms=5000)
        .event(500, 0, 1, 2, gen=1, within_ms=5000)
        .state(500, "live", 3, 500, gen=1, times=1)
        .caught_up(500, 3)
        .outcome("rewritten", 2, 3)
    )


def _live() -> Iterator[Script]:
    yield (
        Script(
            "follow",
            "On with what is written",
            "Live: when all that is archived has been sent, the status becomes `live` and `caught_up{seq}` says so.",
            "Live: each event is sent when it has been written, whatever the mode and the speed.",
            "Live: an event appended after the first `caught_up` has the origin `live`, also when it is sent again.",
            items=(said("m0", 0, "user"), said("m1", 500)),
        )
        .connect(0, mode="realtime", speed="2", follow="true")
        .hello(0, live=some("boolean", True))
        .event(0, 0)
        .event(250, 1)
        .state(250, "live", 2, 500)
        .caught_up(250, 2)
        .append(500, said("m2", 60_000, "user"), said("m3", 60_500))
        .event(500, 2, 3, origin="live", within_ms=1000)
        .send(2000, "pause", play=False)
        .state(2000, "paused", 4, 60_500, "pause")
        .append(2250, said("m4", 90_000))
        .send(4000, "play", play=True)
        .state(4000, "live", 4, 60_500, "play")
        .why("a pause that began while live: what came meanwhile comes at once")
        .event(4000, 4, origin="live")
        .send(4500, "back", seek={"seq": 3}, mode="fast")
        .state(4500, "playing", 3, 60_500, "back", sought=True, gen=1, mode="fast")
        .event(4500, 3, 4, origin="live")
        .state(4500, "live", 5, 90_000)
        .caught_up(4500, 5)
        .outcome("open", 0, 1, 2, 3, 4, 3, 4)
    )
    yield (
        Script(
            "follow-in-silence",
            "A session that nobody writes is followed too",
            "Live: a seek past the end goes live.",
            "Live: while paused nothing is sent.",
            items=(said("m0", 0, "user"), said("m1", 500)),
        )
        .connect(0, mode="realtime", follow="true", paused="true")
        .hello(0, "paused", live=some("boolean", True))
        .send(500, "on to the end", seek={"seq": 99}, play=True)
        .state(500, "playing", 2, 500, "on to the end", sought=True, gen=1)
        .state(500, "live", 2, 500)
        .caught_up(500, 2)
        .send(750, "what")
        .state(750, "live", 2, 500, "what")
        .outcome("open")
    )
    yield (
        Script(
            "heartbeat",
            "A sign of life every 15 s, also while paused",
            "`heartbeat` comes every 15 s on its own timer, in every state.",
            items=FOUR,
        )
        .connect(0, paused="true", start_seq="1")
        .hello(0, "paused", 1, 500)
        .heartbeat(15_000, "paused", 1, 500)
        .send(15_250, "what")
        .state(15_250, "paused", 1, 500, "what")
        .heartbeat(30_000, "paused", 1, 500)
        .outcome("open")
    )
    yield (
        Script(
            "heartbeat-in-a-gap",
            "A sign of life in the middle of a gap",
            "`heartbeat` comes every 15 s on its own timer, in gaps too.",
            items=(said("m0", 0, "user"), said("m1", 16_000)),
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .heartbeat(15_000, "playing", 1, about(15_000))
        .event(16_000, 1)
        .state(16_000, "ended", 2, 16_000)
        .end(16_000, sent=2, duration=16_000)
        .close(16_000, 1000)
        .outcome("completed", 0, 1)
    )
