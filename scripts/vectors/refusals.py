"""What goes wrong, and what only a client can be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vectors.script import JsonObject, Script, said, same, some

__all__ = ["refusals"]

FOUR = (said("m0", 0, "user"), said("m1", 500), said("m2", 1000), said("m3", 2000))
NOBODY = "0b5e55ed-0000-4000-8000-000000000404"

BAD_VALUES = (
    {"mode": "slow"},
    {"speed": "0.05"},
    {"speed": "fast"},
    {"idle": "0"},
    {"start_ms": "-1"},
    {"start_seq": "1.5"},
    {"paused": "maybe"},
    {"meta": "yes"},
    {"follow": ""},
    {"hold": "on"},
    {"batch": "1048577"},
    {"window": "0"},
    {"preview": "1023"},
)

BAD_COMMANDS: Sequence[JsonObject] = (
    {"seek": {}},
    {"seek": {"seq": 1, "t_ms": 500}},
    {"seek": {"t_ms": -1}},
    {"step": {}},
    {"step": {"by": 0, "unit": "event"}},
    {"step": {"by": 1, "unit": "chapter"}},
    {"speed": 0},
    {"speed": "2"},
    {"idle": 0},
    {"mode": "slow"},
    {"play": "yes"},
)


def refusals() -> Iterator[Script]:
    """The sections *Error codes* and *Ending*, and the clients' side of *Resuming*."""
    yield from _at_the_door()
    yield from _of_commands()
    yield from _for_clients()


def _at_the_door() -> Iterator[Script]:
    yield (
        Script(
            "bad-request",
            "A parameter with a bad value",
            'Connecting: a bad value gets `error{code:"bad_request"}` naming it, then close 4501.',
            "A refused connection gets `error` and a close, no `hello`.",
            items=FOUR,
        )
        .connect(0, mode="realtime", speed="101")
        .error(0, "bad_request", parameter="speed")
        .close(0, 4501)
        .outcome("refused", code="bad_request")
    )
    every = Script(
        "bad-request-every-parameter",
        "A bad value of every parameter",
        'Connecting: a bad value gets `error{code:"bad_request"}` naming it, then close 4501.',
        items=FOUR,
    )
    for number, values in enumerate(BAD_VALUES):
        at_ms = number * 250
        every.connect(at_ms, **values).error(at_ms, "bad_request", parameter=next(iter(values))).close(at_ms, 4501)
    at_ms = len(BAD_VALUES) * 250
    every.connect(at_ms, start_ms="0", start_seq="0").error(at_ms, "bad_request", parameter=some("text", "start_seq"))
    yield every.why("start_seq: not together with start_ms").close(at_ms, 4501)
    yield (
        Script(
            "position-out-of-range",
            "A number beyond the end",
            "Resuming: a `start_seq` beyond the end is an error, `position_out_of_range` (4501).",
            items=FOUR,
        )
        .connect(0, start_seq="5")
        .error(0, "position_out_of_range")
        .close(0, 4501)
        .outcome("refused", code="position_out_of_range")
    )
    for name, scroll_id in (("session-not-found", NOBODY), ("no-id-of-a-session", "nobody")):
        yield (
            Script(name, "There is no such session", "Ending: 4504, `session_not_found`.", items=FOUR)
            .connect(0, scroll_id)
            .error(0, "session_not_found")
            .close(0, 4504)
            .outcome("refused", code="session_not_found")
        )
    yield (
        Script(
            "archive-error",
            "A session that cannot be read",
            "HTTP: a broken session (`messages.jsonl` missing): playing it is 4505.",
            is_broken=True,
        )
        .connect(0)
        .error(0, "archive_error")
        .close(0, 4505)
        .outcome("refused", code="archive_error")
    )


def _of_commands() -> Iterator[Script]:
    wrong = (
        Script(
            "bad-command",
            "Commands that cannot be obeyed",
            'Client to server: a bad value gets `error{code:"bad_command"}` and changes nothing; the replay goes on.',
            items=FOUR,
        )
        .connect(0, mode="realtime", paused="true", speed="2")
        .hello(0, "paused")
    )
    for number, fields in enumerate(BAD_COMMANDS):
        at_ms = 250 + number * 125
        wrong.send(at_ms, f"bad {number}", **fields, **({} if "play" in fields else {"play": True}))
        wrong.error(at_ms, "bad_command", f"bad {number}")
    wrong.send(2000, "play", play=True).state(2000, "playing", 0, 0, "play")
    wrong.event(2000, 0).event(2250, 1).event(2500, 2).event(3000, 3)
    wrong.state(3000, "ended", 4, 2000).end(3000, sent=4, duration=3000).close(3000, 1000)
    yield wrong.outcome("completed", 0, 1, 2, 3)

    noise = (
        Script(
            "no-command",
            "Messages that are no command",
            'Client to server: malformed JSON, a binary frame, an unknown type get `error{code:"bad_command"}`.',
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
    )
    texts = (
        "",
        "{",
        "[]",
        "null",
        '"play"',
        '{"type":"dance"}',
        '{"play":true}',
        '{"type":"ack"}',
        '{"type":"ack","seq":-1}',
    )
    for number, text in enumerate(texts):
        noise.send_text(250 + number * 125, text).error(250 + number * 125, "bad_command")
    noise.send_binary(1500, '{"type":"control","play":true}').error(1500, "bad_command")
    yield noise.send(1750, "what").state(1750, "paused", 0, 0, "what")

    yield (
        Script(
            "too-many-bad-commands",
            "A hundred bad commands in a row",
            "Client to server: a hundred bad commands in a row close with 1008.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .send_text(250, "{", times=99)
        .error(250, "bad_command", times=99)
        .send(1000, "a good one")
        .state(1000, "paused", 0, 0, "a good one")
        .why("in a row: a good one in between, and they are counted from the beginning")
        .send_text(2500, "{", times=100)
        .error(2500, "bad_command", times=100)
        .close(2500, 1008)
    )
    yield (
        Script(
            "too-many-commands",
            "More commands than anybody needs",
            "Client to server: more than 200 commands in a second close with 1008.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .send(250, "again", times=600)
        .state(250, "paused", 0, 0, "again", times="any")
        .error(250, "too_many_commands")
        .close(250, 1008)
    )
    yield (
        Script(
            "command-too-large",
            "A message that is too long",
            "Client to server: a message over `max_command_bytes` closes with 1009.",
            items=FOUR,
        )
        .connect(0, paused="true")
        .hello(0, "paused")
        .send_text(250, '{"type":"control"}', pad_to_bytes=65_536)
        .state(250, "paused", 0, 0)
        .why("as long as it may be")
        .send_text(500, '{"type":"control"}', pad_to_bytes=65_537)
        .error(500, "command_too_large", is_optional=True)
        .why("a WebSocket library may close before it is read")
        .close(500, 1009)
    )


def _for_clients() -> Iterator[Script]:
    epoch = same("epoch", "epoch-1")
    yield (
        Script(
            "newer-server",
            "A server of a later version",
            "A client ignores message types, fields and codes that it does not know.",
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0)
        .hello(0, weather={"sky": "clear"})
        .message(0, {"type": "weather", "sky": "clear", "seq": 99, "gen": 7})
        .notice(0, "info", "full_moon", {"tide": "high"})
        .event(0, 0, 1, 2, 3)
        .state(0, "ended", 4, 2000)
        .end(0, sent=4, duration=0)
        .close(100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "older-generation",
            "Events that were on their way when the client sought",
            "A client ignores events of an older `gen`.",
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0, mode="realtime", hold="true")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .send(750, "back", seek={"seq": 0})
        .state(750, "playing", 0, 0, "back", sought=True, gen=1)
        .event(750, 2, gen=0)
        .why("what the server had written before it heard of the seek")
        .event(750, 0)
        .event(1250, 1)
        .send(1500, "on", seek={"seq": 3})
        .state(1500, "playing", 3, 2000, "on", sought=True, gen=2)
        .event(1500, 2, gen=1)
        .event(1500, 3)
        .state(1500, "ended", 4, 2000)
        .end(1500, sent=7, duration=1500)
        .outcome("open", 0, 1, 0, 1, 3)
    )
    yield (
        Script(
            "server-restarts",
            "The server stops, and is there again",
            'Ending: 1012 comes after `notice{code:"server_stopping"}`; come back and resume.',
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .notice(750, "info", "server_stopping", {"epoch": epoch, "start_seq": 2})
        .close(750, 1012)
        .connect(2000, mode="realtime", start_seq="2", epoch=epoch)
        .hello(2000, "playing", 2, 1000, resume="continued")
        .event(2000, 2)
        .event(3000, 3)
        .finish(3000, 4, 2000, sent=2, duration=1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    yield (
        Script(
            "slow-client",
            "The client read too slowly",
            "Ending: 4008: nothing could be written for 30 s; come back and resume.",
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0)
        .hello(0)
        .event(0, 0, 1)
        .error(1000, "slow_client", retryable=True)
        .why("30 s after the server could write for the last time, and as soon as the client reads again")
        .close(1000, 4008)
        .connect(3000, start_seq="2", epoch=epoch)
        .hello(3000, "playing", 2, 1000, resume="continued")
        .event(3000, 2, 3)
        .state(3000, "ended", 4, 2000)
        .end(3000, sent=2, duration=0)
        .close(3100, 1000)
        .outcome("completed", 0, 1, 2, 3)
    )
    for code in ("too_many_streams", "too_many_sessions"):
        yield (
            Script(
                code.replace("_", "-"),
                "The server plays as much as it may",
                "Ending: 4013: wait for `error.retry_after_ms`, come back.",
                items=FOUR,
                is_for_clients=True,
            )
            .connect(0)
            .error(0, code, retryable=True, retry_after_ms=200)
            .close(0, 4013)
            .connect(2000)
            .hello(2000)
            .event(2000, 0, 1, 2, 3)
            .state(2000, "ended", 4, 2000)
            .end(2000, sent=4, duration=0)
            .close(2100, 1000)
            .outcome("completed", 0, 1, 2, 3)
        )
    for code, words in (
        ("unauthenticated", "It is not known who asks"),
        ("not_allowed", "Whoever asks may not see it"),
    ):
        yield (
            Script(code.replace("_", "-"), words, "Ending: 4500: stop.", items=FOUR, is_for_clients=True)
            .connect(0)
            .error(0, code)
            .close(0, 4500)
            .outcome("refused", code=code)
        )
    yield (
        Script(
            "failed-in-the-middle",
            "The archive cannot be read any further",
            "Ending: 4505: stop.",
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 1)
        .error(1000, "archive_error")
        .close(1000, 4505)
        .outcome("refused", 0, 1, code="archive_error")
    )
    yield (
        Script(
            "event-left-out",
            "A server that does not keep to the contract",
            "`hello`: events in strictly increasing `seq`, with no gap and no repeat, until a seek.",
            items=FOUR,
            is_for_clients=True,
        )
        .connect(0, mode="realtime")
        .hello(0)
        .event(0, 0)
        .event(500, 2)
        .why("the event 1 was left out: a client must not go on as if nothing had happened")
        .outcome("broken", 0)
    )
