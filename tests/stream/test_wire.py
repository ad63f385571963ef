import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrollcast import __version__
from scrollcast.errors import BadCommand, CommandTooLarge
from scrollcast.model import Session
from scrollcast.playback.commands import UNCHANGED, Control, Mode, SeekEvent, SeekSeq, SeekTime, Step
from scrollcast.playback.player import Snapshot, Status
from scrollcast.stream.wire import (
    CAPABILITIES,
    HEARTBEAT_SECONDS,
    MAX_COMMAND_BYTES,
    Ack,
    ClientControl,
    Envelope,
    Resume,
    decode_command,
    encode_end,
    encode_error,
    encode_heartbeat,
    encode_hello,
    encode_notice,
    encode_skipped,
    encode_state,
    session_json,
)

SCROLL_ID: Final = UUID("3f2b0c1e-0000-4000-8000-000000000001")
CONNECTOR: Final = UUID("3f2b0c1e-0000-4000-8000-000000000002")
REPLAY: Final = UUID("3f2b0c1e-0000-4000-8000-000000000003")

SNAPSHOT: Final = Snapshot(Status.PLAYING, 13, 93_012, 2, Mode.REALTIME, 2.0, None, 7)

STATE: Final = {
    "status": "playing",
    "seq": 13,
    "t_ms": 93_012,
    "gen": 2,
    "mode": "realtime",
    "speed": 2.0,
    "idle": None,
    "did_seek": False,
    "late_ms": 7,
}


# ------------------------------------------------------------------------------------------------------- helpers


def control(**fields: object) -> ClientControl | Ack:
    """A `control` message with these fields, decoded."""
    return decode_command(json.dumps({"type": "control", **fields}))


def is_utc_now(text: object) -> bool:
    """Whether a text is the present moment in RFC 3339, in milliseconds, with a `Z`."""
    moment = datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return len(str(text)) == 24 and abs((datetime.now(UTC) - moment).total_seconds()) < 60


# ----------------------------------------------------------------------------------------------- from the client


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, Control()),
        ({"play": True}, Control(play=True)),
        ({"play": False}, Control(play=False)),
        ({"seek": {"t_ms": 60_000}}, Control(seek=SeekTime(60_000))),
        ({"seek": {"t_ms": 0}}, Control(seek=SeekTime(0))),
        ({"seek": {"seq": 2**63}}, Control(seek=SeekSeq(2**63))),
        ({"seek": {"event_id": "m-1"}}, Control(seek=SeekEvent("m-1"))),
        ({"seek": {"event_id": ""}}, Control(seek=SeekEvent(""))),
        ({"mode": "fast"}, Control(mode=Mode.FAST)),
        ({"mode": "realtime"}, Control(mode=Mode.REALTIME)),
        ({"speed": 4}, Control(speed=4)),
        ({"speed": 0.1}, Control(speed=0.1)),
        ({"speed": 100.0}, Control(speed=100.0)),
        ({"idle": 2}, Control(idle=2)),
        ({"idle": 0.001}, Control(idle=0.001)),
        ({"idle": None}, Control(idle=None)),
        ({"step": {"by": 1, "unit": "event"}}, Control(step=Step(1, "event"))),
        ({"step": {"by": -3, "unit": "turn"}}, Control(step=Step(-3, "turn"))),
        ({"step": {"by": 2, "unit": "tool"}}, Control(step=Step(2, "tool"))),
        ({"step": {"by": -1, "unit": "error"}}, Control(step=Step(-1, "error"))),
        (
            {"play": True, "seek": {"t_ms": 5}, "mode": "realtime", "speed": 4, "idle": 2},
            Control(play=True, seek=SeekTime(5), mode=Mode.REALTIME, speed=4, idle=2),
        ),
    ],
    ids=repr,
)
def test_a_control(fields: dict[str, object], wanted: Control) -> None:
    """Each field becomes its part of one change."""
    assert control(**fields) == ClientControl(wanted, None)


def test_null_leaves_a_field_out_but_lifts_the_cap() -> None:
    """`null` stands for a field that is not there, in `idle` for no cap, which a field that is not there leaves."""
    command = control(request_id=None, play=None, seek=None, mode=None, speed=None, step=None)

    assert command == ClientControl(Control(idle=UNCHANGED), None)
    assert control(idle=None) == ClientControl(Control(idle=None), None)


def test_fields_that_are_not_known_are_ignored() -> None:
    """A client of a later version may say more, at the top and inside."""
    command = control(volume=11, seek={"seq": 3, "smooth": True}, step={"by": 1, "unit": "tool", "wrap": True})

    assert command == ClientControl(Control(seek=SeekSeq(3), step=Step(1, "tool")), None)


@pytest.mark.parametrize("request_id", ["r1", "", "日本 🎬", "x" * 10_000])
def test_the_request_id_comes_back(request_id: str) -> None:
    """It is kept as it was sent, with a good command and with a bad one."""
    good = control(request_id=request_id)

    with pytest.raises(BadCommand) as caught:
        control(request_id=request_id, speed=0)
    assert good == ClientControl(Control(), request_id)
    assert caught.value.request_id == request_id


@pytest.mark.parametrize("seq", [0, 411, 2**53, 2**64 - 1])
def test_an_ack(seq: int) -> None:
    """It carries the number of the last event processed."""
    assert decode_command(json.dumps({"type": "ack", "seq": seq, "gen": 1})) == Ack(seq)


@pytest.mark.parametrize("by", [2**53, 2**60, -(2**60), 2**64 - 1])
def test_a_step_too_far_is_a_step_to_the_edge(by: int) -> None:
    """A huge step is taken, so that the player may stop it at the edge."""
    command = control(step={"by": by, "unit": "event"})

    assert isinstance(command, ClientControl)
    assert command.control.step is not None
    assert abs(command.control.step.by) == 2**53


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "not json",
        "[]",
        '"control"',
        "null",
        "true",
        "5",
        "{}",
        "{'type':'control'}",
        '{"type":"control"',
        '{"type":"control"}{"type":"control"}',
        "\ufeff{}",
        "\x00",
        '"\ud800"',
        '{"type":"control","request_id":"\ud800"}',
        '{"type":"control","request_id":"\\ud800"}',
        "[" * 20_000,
        '{"a":' * 5_000,
        '{"type":' + "[" * 900 + "]" * 900 + "}",
        '{"type":' + "[" * 1_020 + "]" * 1_020 + "}",
        '{"type":null}',
        '{"type":["control"]}',
        '{"type":"Control"}',
        '{"type":"hello"}',
        '{"type":"ack"}',
        '{"type":"ack","seq":"many"}',
        '{"type":"ack","seq":null}',
        '{"type":"ack","seq":true}',
        '{"type":"ack","seq":-1}',
        '{"type":"ack","seq":1.0}',
        '{"type":"ack","seq":[1]}',
        '{"type":"control","request_id":5}',
        '{"type":"control","request_id":["r"]}',
        '{"type":"control","request_id":true}',
        '{"type":"control","speed":NaN}',
        '{"type":"control","speed":Infinity}',
        '{"type":"control","speed":1e999}',
        '{"type":"control","idle":1e999}',
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_message_that_says_nothing(text: str) -> None:
    """What is no JSON object, of no known type or without what its type needs is refused in a sentence."""
    with pytest.raises(BadCommand) as caught:
        decode_command(text)
    assert 0 < len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"speed": 0}, "speed"),
        ({"speed": -1}, "speed"),
        ({"speed": 0.0999}, "speed"),
        ({"speed": 100.001}, "speed"),
        ({"speed": 1000}, "speed"),
        ({"speed": 10**30}, "speed"),
        ({"speed": "2"}, "speed"),
        ({"speed": True}, "speed"),
        ({"speed": [2]}, "speed"),
        ({"speed": {"x": 2}}, "speed"),
        ({"idle": 0}, "idle"),
        ({"idle": 0.0}, "idle"),
        ({"idle": -3}, "idle"),
        ({"idle": False}, "idle"),
        ({"idle": True}, "idle"),
        ({"idle": "off"}, "idle"),
        ({"idle": []}, "idle"),
        ({"mode": "slow"}, "mode"),
        ({"mode": "FAST"}, "mode"),
        ({"mode": ""}, "mode"),
        ({"mode": 1}, "mode"),
        ({"mode": ["fast"]}, "mode"),
        ({"mode": {}}, "mode"),
        ({"play": "yes"}, "play"),
        ({"play": 1}, "play"),
        ({"play": 0}, "play"),
        ({"play": []}, "play"),
        ({"seek": 5}, "seek"),
        ({"seek": {}}, "seek"),
        ({"seek": []}, "seek"),
        ({"seek": [5]}, "seek"),
        ({"seek": "5"}, "seek"),
        ({"seek": True}, "seek"),
        ({"seek": {"at": 5}}, "seek"),
        ({"seek": {"t_ms": -1}}, "seek.t_ms"),
        ({"seek": {"t_ms": "now"}}, "seek.t_ms"),
        ({"seek": {"t_ms": 1.5}}, "seek.t_ms"),
        ({"seek": {"t_ms": 60_000.0}}, "seek.t_ms"),
        ({"seek": {"t_ms": True}}, "seek.t_ms"),
        ({"seek": {"t_ms": None}}, "seek.t_ms"),
        ({"seek": {"t_ms": {"t_ms": 5}}}, "seek.t_ms"),
        ({"seek": {"seq": -1}}, "seek.seq"),
        ({"seek": {"seq": 3.0}}, "seek.seq"),
        ({"seek": {"seq": False}}, "seek.seq"),
        ({"seek": {"seq": 2**64}}, "seek.seq"),
        ({"seek": {"event_id": 7}}, "seek"),
        ({"seek": {"event_id": None}}, "seek"),
        ({"seek": {"t_ms": 1, "seq": 1}}, "seek"),
        ({"seek": {"seq": 1, "event_id": "m"}}, "seek"),
        ({"seek": {"t_ms": 1, "event_id": "m"}}, "seek"),
        ({"seek": {"t_ms": 1, "seq": None}}, "seek"),
        ({"step": {}}, "step"),
        ({"step": []}, "step"),
        ({"step": 1}, "step"),
        ({"step": True}, "step"),
        ({"step": {"by": 1}}, "step"),
        ({"step": {"unit": "event"}}, "step"),
        ({"step": {"by": 0, "unit": "event"}}, "step.by"),
        ({"step": {"by": 1, "unit": "mile"}}, "step"),
        ({"step": {"by": 1, "unit": "EVENT"}}, "step"),
        ({"step": {"by": 1, "unit": None}}, "step"),
        ({"step": {"by": 1, "unit": ["event"]}}, "step"),
        ({"step": {"by": "x", "unit": "event"}}, "step"),
        ({"step": {"by": 1.0, "unit": "event"}}, "step"),
        ({"step": {"by": True, "unit": "event"}}, "step"),
        ({"step": {"by": None, "unit": "event"}}, "step"),
    ],
    ids=repr,
)
def test_a_bad_value(fields: dict[str, object], named: str) -> None:
    """One bad value refuses the whole command, whatever good ones stand beside it, and the sentence names it."""
    good = {"play": True, "speed": 2, "seek": {"seq": 1}}

    with pytest.raises(BadCommand) as caught:
        control(request_id="b", **{**good, **fields})
    assert type(caught.value) is BadCommand
    assert str(caught.value).startswith(named)
    assert caught.value.request_id == "b"


@pytest.mark.parametrize("frame", [b"", b'{"type":"control"}', b"\xff\x00", b"x" * 70_000])
def test_a_binary_frame(frame: bytes) -> None:
    """Binary frames are not understood, whatever is in them."""
    with pytest.raises(BadCommand, match="text frame") as caught:
        decode_command(frame)
    assert type(caught.value) is BadCommand


@pytest.mark.parametrize("filler", [" ", "é", "🎬"], ids=["one byte", "two bytes", "four bytes"])
def test_the_longest_command(filler: str) -> None:
    """A message of exactly the limit is taken, one byte more is too large; bytes count, not characters."""
    head, tail = '{"type":"control","request_id":"', '"}'
    room = MAX_COMMAND_BYTES - len(head) - len(tail)
    width = len(filler.encode())
    exact = head + filler * (room // width) + "x" * (room % width) + tail

    assert len(exact.encode()) == MAX_COMMAND_BYTES
    assert isinstance(decode_command(exact), ClientControl)
    with pytest.raises(CommandTooLarge, match="65536 bytes"):
        decode_command(exact + " ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(("type", "request_id", "play", "seek", "mode", "speed", "idle", "step", "seq", "x"))
places = st.dictionaries(st.sampled_from(("t_ms", "seq", "event_id", "by", "unit")), json_values, max_size=3)


@given(message=st.text() | st.binary() | json_values.map(json.dumps))
@example(message="\ud800")
@example(message="9" * 5000)
def test_nothing_but_a_refusal_comes_of_junk(message: str | bytes) -> None:
    """Text, bytes or JSON of any kind, out of which no command can come by chance, is refused and nothing else."""
    with pytest.raises(BadCommand):
        decode_command(message)


@given(
    kind=st.sampled_from(("control", "ack")),
    fields=st.dictionaries(names.filter(lambda name: name != "type"), json_values | places, max_size=4),
)
def test_a_message_is_obeyed_or_refused(kind: str, fields: dict[str, Any]) -> None:
    """A message with any values in its fields is a command, or is refused with its own id."""
    answer: ClientControl | Ack | BadCommand
    try:
        answer = decode_command(json.dumps({"type": kind, **fields}))
    except BadCommand as problem:
        answer = problem

    match answer:
        case ClientControl(_, request_id) | BadCommand(request_id=request_id):
            assert request_id in (None, fields.get("request_id"))
        case Ack(seq):
            assert (kind, seq) == ("ack", fields["seq"])


# ------------------------------------------------------------------------------------------------- to the client


@pytest.fixture(name="session")
def _session() -> Session:
    return Session(
        scroll_id=SCROLL_ID,
        title='A "title" with <tags> & ünïcode',
        agent="codex",
        model="m-1",
        project="/work",
        kind="AcpConnection",
        native_session_id="native-1",
        connector_uid=CONNECTOR,
        parent_scroll_id=REPLAY,
        created_at="2026-11-22T10:00:00Z",
        updated_at="2026-11-22T11:00:00Z",
        count=812,
        duration_ms=123_456,
        metadata={"branch": "main", "tags": ["a"]},
    )


def test_a_session_as_json(session: Session) -> None:
    """All that is known of a session, ids as text, and what is its own under `metadata`."""
    assert json.loads(encode_notice("info", "x", "x", session=session_json(session)))["session"] == {
        "scroll_id": str(SCROLL_ID),
        "title": 'A "title" with <tags> & ünïcode',
        "agent": "codex",
        "model": "m-1",
        "project": "/work",
        "kind": "AcpConnection",
        "native_session_id": "native-1",
        "connector_uid": str(CONNECTOR),
        "parent_scroll_id": str(REPLAY),
        "created_at": "2026-11-22T10:00:00Z",
        "updated_at": "2026-11-22T11:00:00Z",
        "count": 812,
        "duration_ms": 123_456,
        "timing": "recorded",
        "live": False,
        "parent_call_id": None,
        "has_errors": False,
        "source_gone": False,
        "error": None,
        "metadata": {"branch": "main", "tags": ["a"]},
    }


@pytest.mark.parametrize("resume", ["none", "continued", "reset"])
def test_hello(session: Session, resume: Resume) -> None:
    """The first message says who serves, what is played, from where to where, and how it stands."""
    hello = json.loads(
        encode_hello(
            replay_id=REPLAY,
            epoch="e1",
            resume=resume,
            session=session,
            count=812,
            duration_ms=123_456,
            complete=True,
            live=False,
            snapshot=SNAPSHOT,
        )
    )

    assert is_utc_now(hello.pop("server_time"))
    assert hello.pop("session")["scroll_id"] == str(SCROLL_ID)
    assert hello == {
        "type": "hello",
        "protocol": "scrollcast.v1",
        "server": {"name": "scrollcast", "version": __version__},
        "replay_id": str(REPLAY),
        "epoch": "e1",
        "resume": resume,
        "range": {"first_seq": 0, "next_seq": 812, "duration_ms": 123_456, "live": False},
        "capabilities": list(CAPABILITIES),
        "limits": {"max_command_bytes": 65_536, "heartbeat_ms": 15_000},
        "state": STATE,
    }


def test_hello_of_a_session_that_is_still_being_read(session: Session) -> None:
    """Its range is what is known so far, and says so."""
    hello = json.loads(
        encode_hello(
            replay_id=REPLAY,
            epoch="e1",
            resume="none",
            session=session,
            count=3,
            duration_ms=50,
            complete=False,
            live=False,
            snapshot=SNAPSHOT,
        )
    )

    assert hello["range"] == {"first_seq": 0, "next_seq": 3, "duration_ms": 50, "live": False, "complete": False}


def test_the_limits_are_those_of_the_protocol() -> None:
    """64 KiB a command, a heartbeat every 15 s, and capabilities that the protocol knows."""
    assert (MAX_COMMAND_BYTES, HEARTBEAT_SECONDS) == (65_536, 15.0)
    assert set(CAPABILITIES) <= {"control", "follow", "batch", "window", "preview", "reading"}


def test_state_as_an_answer() -> None:
    """The answer to a command has all of the state, whether it was a seek, and the command's id."""
    state = json.loads(encode_state(SNAPSHOT, did_seek=True, request_id="r1"))

    assert state == {"type": "state", **STATE, "did_seek": True, "request_id": "r1"}


def test_state_that_nobody_asked_for() -> None:
    """Without a command there is no id to echo; an empty one is echoed."""
    assert json.loads(encode_state(SNAPSHOT)) == {"type": "state", **STATE}
    assert json.loads(encode_state(SNAPSHOT, request_id=""))["request_id"] == ""


@pytest.mark.parametrize("status", Status)
def test_heartbeat(status: Status) -> None:
    """A heartbeat says where the replay stands, in every status."""
    heartbeat = json.loads(encode_heartbeat(Snapshot(status, 13, 93_400, 0, Mode.FAST, 1.0, 5.0, 0)))

    assert is_utc_now(heartbeat.pop("server_time"))
    assert heartbeat == {"type": "heartbeat", "seq": 13, "t_ms": 93_400, "status": str(status)}


def test_skipped() -> None:
    """The recorded times on either side of the gap."""
    assert json.loads(encode_skipped(93_012, 7_293_012)) == {
        "type": "skipped",
        "from_ms": 93_012,
        "to_ms": 7_293_012,
    }


def test_notice() -> None:
    """A notice has a level, a code, a sentence and its facts."""
    notice = json.loads(encode_notice("warning", "records_skipped", "two bad", count=2, lines=[17, 403]))

    assert notice == {
        "type": "notice",
        "level": "warning",
        "code": "records_skipped",
        "message": "two bad",
        "count": 2,
        "lines": [17, 403],
    }


@pytest.mark.parametrize(("final_seq", "sent"), [(811, 812), (None, 0)], ids=["some", "empty session"])
def test_end(final_seq: int | None, sent: int) -> None:
    """The end has its reason, the last event (none in an empty session) and the report."""
    assert json.loads(encode_end("truncated", final_seq, sent=sent, failures=3, duration_ms=1532)) == {
        "type": "end",
        "reason": "truncated",
        "final_seq": final_seq,
        "report": {"events_sent": sent, "failures": 3, "duration_ms": 1532},
    }


@pytest.mark.parametrize(
    ("facts", "more"),
    [({}, {}), ({"request_id": None}, {}), ({"request_id": "r1"}, {"request_id": "r1"}), ({"retry_after_ms": 0},) * 2],
)
def test_error(facts: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """An error has a code, a sentence, whether to come back, and the facts that there are."""
    assert json.loads(encode_error("bad_command", "no", retryable=True, **facts)) == {
        "type": "error",
        "code": "bad_command",
        "message": "no",
        "retryable": True,
        **more,
    }


def test_errors_are_final_unless_said() -> None:
    """Without a word on it, coming back does not help."""
    assert json.loads(encode_error("bad_request", "no"))["retryable"] is False


# ----------------------------------------------------------------------------------------------------- envelopes

MESSAGE: Final = {
    "type": "message_completed",
    "connector_id": "native-1",
    "message": {
        "id": "m1",
        "session_id": "native-1",
        "role": "user",
        "created_at": "2026-11-22T10:00:00Z",
        "content": [{"type": "text", "text": 'é "quoted" \\ \u2028 }]},{'}],
        "status": "completed",
        "metadata": None,
    },
}
META_EVENT: Final = {
    "type": "meta_event",
    "connector_id": "native-1",
    "meta_event": {
        "id": "e1",
        "session_id": "native-1",
        "kind": "mode_change",
        "created_at": "2026-11-22T10:00:00Z",
        "payload": {},
    },
}
ROUTING: Final = {"connector_uid": str(CONNECTOR), "connector_id": "native-1", "scroll_id": str(SCROLL_ID)}


@pytest.mark.parametrize("event", [MESSAGE, META_EVENT], ids=["message", "meta event"])
@pytest.mark.parametrize("view", [bytes, memoryview])
def test_an_event_in_its_envelope(session: Session, event: dict[str, Any], view: type[bytes | memoryview]) -> None:
    """The envelope and the event's own bytes are together one valid message, and nothing of the event is lost."""
    own = json.dumps({"seq": 12, "t_ms": 93_012, "event": event}).encode()
    envelope = Envelope.of(session, {"type": "replay", "replay_id": REPLAY}, 3)
    message = envelope.wrap(view(own))

    assert own[1:] in message
    assert json.loads(message) == {
        "type": "event",
        "gen": 3,
        "routing": ROUTING,
        "origin": {"type": "replay", "replay_id": str(REPLAY)},
        "seq": 12,
        "t_ms": 93_012,
        "event": event,
    }


def test_events_in_one_envelope(session: Session) -> None:
    """What is the same for all stands once beside them, and each event's bytes are its own."""
    events = [{"seq": seq, "t_ms": seq, "event": event} for seq, event in enumerate((MESSAGE, META_EVENT))]
    own = [json.dumps(event).encode() for event in events]
    envelope = Envelope.of(session, {"type": "replay", "replay_id": REPLAY}, 0)
    message = envelope.batch_head + b",".join(own) + Envelope.BATCH_TAIL

    assert json.loads(message) == {
        "type": "events",
        "gen": 0,
        "routing": ROUTING,
        "origin": {"type": "replay", "replay_id": str(REPLAY)},
        "events": events,
    }


def test_the_envelope_of_the_http_routes(session: Session) -> None:
    """It is the same without a generation, and its origin is the archive."""
    own = json.dumps({"seq": 0, "t_ms": 0, "event": MESSAGE}).encode()
    message = json.loads(Envelope.of(session, {"type": "archive"}).wrap(own))

    assert "gen" not in message
    assert (message["type"], message["origin"], message["routing"]) == ("event", {"type": "archive"}, ROUTING)


def test_the_envelope_of_a_session_without_connector() -> None:
    """No connector is `null`, no native id is an empty text."""
    message = json.loads(Envelope.of(Session(SCROLL_ID), {"type": "archive"}).wrap(b'{"seq":0}'))

    assert message["routing"] == {"connector_uid": None, "connector_id": "", "scroll_id": str(SCROLL_ID)}


@given(event=st.dictionaries(st.text(max_size=5), json_values, min_size=1, max_size=3))
def test_any_event_stays_valid_json(event: dict[str, Any]) -> None:
    """Whatever is in an event, its message is JSON that a strict reader reads back."""
    own = json.dumps({"seq": 0, "t_ms": 0, "event": event}).encode()
    message = Envelope.of(Session(SCROLL_ID, native_session_id='"\\'), {"type": "archive"}, 0).wrap(own)
    read = json.loads(message)

    assert json.dumps(read["event"]) == json.dumps(event)
    assert read["routing"]["connector_id"] == '"\\'
