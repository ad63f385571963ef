from __future__ import annotations

from typing import Any

import orjson
import pytest

from scrollcast.client.address import Address
from scrollcast.client.receiver import Receiver, is_final
from scrollcast.client.records import CaughtUp, End, Notice, ReplayEvent, Skipped
from scrollcast.errors import CommandRefused, ProtocolViolation, ReplayRefused, SessionRewritten


def receiver(**parameters: Any) -> Receiver:
    """One that has not been greeted."""
    return Receiver(Address("ws://h/ws/sessions/a", {"batch": 0, **parameters}))


def state(seq: int, gen: int = 0, **more: Any) -> dict[str, Any]:
    """A `state` message."""
    fields = {"status": "playing", "t_ms": seq * 10, "mode": "fast", "speed": 1, "idle": None, "did_seek": False}
    return {"type": "state", "seq": seq, "gen": gen, **fields, "late_ms": 0, **more}


def hello(seq: int = 0, epoch: str = "e1", resume: str = "none") -> dict[str, Any]:
    """A greeting."""
    session = {"scroll_id": "a", "title": "A"}
    span = {"first_seq": 0, "next_seq": 9, "duration_ms": 90, "live": False}
    more = {"session": session, "range": span, "capabilities": ["control"], "state": state(seq), "new": 1}
    return {"type": "hello", "replay_id": "r", "epoch": epoch, "resume": resume, **more}


def event(seq: int, gen: int = 0, origin: str = "replay") -> dict[str, Any]:
    """An `event` message."""
    return {"type": "event", "gen": gen, "origin": {"type": origin}, **bare(seq)}


def bare(seq: int) -> dict[str, Any]:
    """An event as it stands in `events`."""
    content = [{"type": "text", "text": f"m{seq}"}]
    said = {
        "id": f"m{seq}",
        "session_id": "a",
        "role": "user",
        "created_at": "",
        "content": content,
        "status": "completed",
    }
    return {"seq": seq, "t_ms": seq * 10, "event": {"type": "message_completed", "message": said}}


def take(replay: Receiver, *messages: dict[str, Any]) -> None:
    """Give it these messages."""
    for message in messages:
        replay.take(orjson.dumps(message))


def seqs(replay: Receiver) -> list[int]:
    """The numbers of the events that wait."""
    return [item.seq for item in replay.items if isinstance(item, ReplayEvent)]


def test_events_come_out_one_by_one_however_they_came() -> None:
    """With the message as a typed record, and its words."""
    replay = receiver()
    batch = {"type": "events", "gen": 0, "origin": {"type": "live"}, "events": [bare(1), bare(2)]}
    take(replay, hello(), event(0), batch)

    events = [item for item in replay.items if isinstance(item, ReplayEvent)]
    assert [(each.seq, each.t_ms, each.is_live, each.text) for each in events] == [
        (0, 0, False, "m0"),
        (1, 10, True, "m1"),
        (2, 20, True, "m2"),
    ]
    message = events[1].message
    assert message is not None
    assert (message.id, message.role, message.metadata) == ("m1", "user", None)
    assert events[1].meta_event is None


def test_what_else_is_said_comes_in_its_place() -> None:
    """As records; what this version does not know is passed over."""
    replay = receiver()
    notice = {"type": "notice", "level": "info", "code": "x", "message": "y", "count": 2}
    end = {"type": "end", "reason": "completed", "final_seq": 0, "report": {"events_sent": 1}}
    skipped = {"type": "skipped", "from_ms": 1, "to_ms": 2}
    take(replay, hello(), skipped, event(0), notice, {"type": "later"}, {"type": "caught_up", "seq": 1}, end)

    assert list(replay.items)[1:] == [
        Skipped(1, 2),
        replay.items[2],
        Notice("info", "x", "y", {"count": 2}),
        CaughtUp(1),
        End("completed", 0, {"events_sent": 1}),
    ]


@pytest.mark.parametrize("wrong", [event(1), {"type": "event"}, {"no": "type"}, {"type": "hello"}])
def test_a_hole_and_what_is_no_message_is_a_violation(wrong: dict[str, Any]) -> None:
    """A server that leaves out an event is not believed."""
    replay = receiver()
    take(replay, hello())
    with pytest.raises(ProtocolViolation):
        take(replay, wrong)
    with pytest.raises(ProtocolViolation):
        replay.take(b"{")


def test_a_seek_drops_what_came_before_it() -> None:
    """What was not taken, and what of the older generation comes late."""
    replay = receiver()
    take(replay, hello(), event(0), event(1))
    request_id, text = replay.ask({"seek": {"seq": 7}})
    assert orjson.loads(text or b"") == {"type": "control", "request_id": request_id, "seek": {"seq": 7}}

    take(replay, event(2), state(7, 1, did_seek=True, request_id=request_id), event(3, 0), event(7, 1))

    assert seqs(replay) == [7]
    assert replay.answer(request_id).did_seek


def test_an_answer_that_is_an_error_is_raised() -> None:
    """And only that of this command."""
    replay = receiver()
    take(replay, hello())
    first, _ = replay.ask({"play": True})
    second, _ = replay.ask({"seek": {"event_id": "x"}})
    take(replay, {"type": "error", "code": "bad_command", "message": "no such", "request_id": second})

    assert not replay.is_answered(first)
    with pytest.raises(CommandRefused, match="no such"):
        replay.answer(second)


def test_it_comes_back_where_it_was() -> None:
    """At the event that was next, in the state that was last told; generations go on counting."""
    replay = receiver(mode="realtime", start_ms=5, window=8)
    assert replay.begin() == "ws://h/ws/sessions/a?batch=0&mode=realtime&start_ms=5&window=8"
    take(replay, hello(), state(4, 1, did_seek=True), event(4, 1), state(5, 1, status="paused", speed=4, idle=2))
    replay.lost(1006)

    query = replay.begin().partition("?")[2].split("&")
    assert set(query) == {
        "batch=0",
        "mode=fast", "window=8", "start_seq=5", "epoch=e1", "speed=4", "idle=2", "paused=true",
    }  # fmt: skip
    take(replay, hello(5, resume="continued"), event(5), state(2, 1, did_seek=True), event(2, 1))
    assert [item.gen for item in replay.items if isinstance(item, ReplayEvent)] == [2]
    assert seqs(replay) == [2]


def test_commands_without_an_answer_are_asked_again() -> None:
    """But for a step, which counts from where it was asked for."""
    replay = receiver()
    take(replay, hello())
    pause, _ = replay.ask({"play": False})
    step, _ = replay.ask({"step": {"by": 1, "unit": "turn"}})
    replay.lost(1012)
    replay.begin()

    assert replay.ask({"speed": 2.0})[1] is None
    with pytest.raises(CommandRefused):
        replay.answer(step)
    first, second = map(orjson.loads, replay.waiting())
    assert (first["request_id"], first["play"], second["speed"]) == (pause, False, 2.0)


def test_another_content_ends_it() -> None:
    """Told while it is played, or on coming back."""
    replay = receiver()
    take(replay, hello(), event(0))
    with pytest.raises(SessionRewritten) as told:
        take(replay, {"type": "notice", "level": "info", "code": "archive_rewritten", "message": "", "epoch": "e2"})
    assert told.value.epoch == "e2"
    replay.lost(1006)
    replay.begin()
    with pytest.raises(SessionRewritten):
        take(replay, hello(0, "e2", "reset"))


def test_a_close_that_is_final_says_why() -> None:
    """In the server's words, where it had any; one that is not says when to come back."""
    refusal = {"type": "error", "code": "session_not_found", "message": "there is none", "retryable": False}
    replay = receiver()
    take(replay, refusal)
    replay.lost(4504)
    assert isinstance(replay.failure, ReplayRefused)
    assert (replay.failure.code, str(replay.failure)) == ("session_not_found", "there is none (session_not_found)")

    busy = receiver()
    take(busy, {**refusal, "code": "too_many_streams", "retry_after_ms": 1500})
    busy.lost(4013)
    assert (busy.failure, busy.retry_after) == (None, 1.5)


@pytest.mark.parametrize(
    ("code", "final"),
    [(1001, False), (1006, False), (1012, False), (4008, False), (4013, False), (1008, True), (4504, True)],
)
def test_which_closes_are_final(code: int, final: bool) -> None:
    """As the protocol's ranges say."""
    assert is_final(code) is final


def test_what_was_taken_is_acknowledged_where_there_is_a_window() -> None:
    """Not before it was taken, and once."""
    replay = receiver(window=4)
    take(replay, hello(), event(0), event(1))
    assert replay.due() == []
    replay.items.clear()
    assert [orjson.loads(text) for text in replay.due()] == [{"type": "ack", "seq": 1}]
    assert replay.due() == []
    unbounded = receiver()
    take(unbounded, hello(), event(0))
    unbounded.items.clear()
    assert unbounded.due() == []
