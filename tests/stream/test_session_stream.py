from __future__ import annotations

import asyncio
import random
import shutil
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import partial, partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest

from archives import SCROLL_ID, at, message, meta_event, metadata, write_session
from conforming import StreamEnd
from scrollcast.archive.archive import Archive
from scrollcast.archive.formats import Decoder, Item, Revised, SessionSource
from scrollcast.archive.formats.native import NativeReader
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.page_cache import read_cached
from scrollcast.archive.storage import Line
from scrollcast.errors import ReplayRefused
from scrollcast.stream import rewriting, session_stream, wire
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.session_stream import SessionStream
from scrollcast.terminal.local import InProcess
from serving import Log, Serving, ids, serving, talk, until

EVENTS = 120
HOUR = 3600.0


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session: a hundred and twenty messages, ten milliseconds apart."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server:
        yield server


def messages_file(root: Path) -> Path:
    """Where the session's messages lie."""
    return root / str(SCROLL_ID) / "messages.jsonl"


def rewrite(root: Path, count: int, first: int = 0) -> None:
    """Put other messages in the session's place, whole at once."""
    written = write_session(root.parent / "rewritten", talk(count, first=first))
    shutil.rmtree(root / str(SCROLL_ID))
    written.rename(root / str(SCROLL_ID))


def append(root: Path, count: int, first: int) -> None:
    """Let the session grow."""
    with messages_file(root).open("ab") as file:
        for record in talk(count, first=first):
            file.write(orjson.dumps(record) + b"\n")


def append_record(root: Path, record: dict[str, Any]) -> None:
    """Let the session grow by one message."""
    with messages_file(root).open("ab") as file:
        file.write(orjson.dumps(record) + b"\n")


class SlowReading:
    """Holds the reading of the native messages back at one of them, until it is let on."""

    def __init__(self, held_at: int) -> None:
        self.held_at = held_at
        self.gate = threading.Event()

    def decoder(self, decoder: Decoder) -> Decoder:
        """A decoder that stops there."""
        slow = Mock(wraps=decoder)
        slow.feed = partial(self._feed, decoder)
        return slow

    def _feed(self, decoder: Decoder, line: Line) -> Iterable[Item | Revised]:
        if line.number - 1 == self.held_at:
            self.gate.wait(10)
        return decoder.feed(line)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowReading]:
    """Stops at the message 20: sixteen can be played until it is let on."""
    reading = SlowReading(20)
    made = NativeReader.decoder

    def decoder(reader: NativeReader, source: SessionSource, *, meta: bool) -> Decoder | None:
        found = made(reader, source, meta=meta)
        return found and reading.decoder(found)

    monkeypatch.setattr(NativeReader, "decoder", decoder)
    monkeypatch.setattr(session_stream, "SETTLE_SECONDS", 0)
    yield reading
    reading.gate.set()


# ------------------------------------------------------------------------------------------------- from end to end


@pytest.mark.parametrize(
    "query",
    [{}, {"batch": 1500}, {"mode": "realtime", "speed": 100}, {"mode": "realtime", "speed": 100, "batch": 4000}],
)
async def test_a_plain_run_gives_hello_every_event_state_end_and_1000(server: Serving, query: dict[str, Any]) -> None:
    """A client that only connects and reads gets all of it in order, and a clean close."""
    client = await server.replay(**query)

    log = client.log
    assert log.ids() == ids(EVENTS)
    assert [m["type"] for m in log.messages[-2:]] == ["state", "end"]
    assert log.messages[-2]["status"] == "ended"
    end = log.messages[-1]
    assert (end["reason"], end["final_seq"]) == ("completed", EVENTS - 1)
    assert (end["report"]["events_sent"], end["report"]["failures"]) == (EVENTS, 0)
    assert client.close_code == 1000


async def test_the_events_are_in_the_envelope_of_this_replay(server: Serving) -> None:
    """Routing is the archive's own, and origin carries the replay's id."""
    log = (await server.replay()).log

    events = log.of("event")
    origins = {orjson.dumps(event["origin"]) for event in events}
    assert origins == {orjson.dumps({"type": "replay", "replay_id": log.messages[0]["replay_id"]})}
    assert {event["routing"]["scroll_id"] for event in events} == {str(SCROLL_ID)}


async def test_an_empty_session_ends_at_once(root: Path, cache: Path) -> None:
    """`next_seq` is 0 and `final_seq` null."""
    write_session(root, [])
    async with serving(root, cache=cache) as server:
        client = await server.replay()

    assert [m["type"] for m in client.log.messages] == ["hello", "state", "end"]
    assert client.hello["range"]["next_seq"] == 0
    assert client.log.messages[-1]["final_seq"] is None


async def test_notices_come_before_the_end_and_truncation_is_its_reason(root: Path, cache: Path) -> None:
    """Bad lines are told with their numbers; a half-written last one is none of them."""
    write_session(root, [message("m0"), b"{broken", message("m1", 1), b"[]"])
    with messages_file(root).open("ab") as file:
        file.write(b'{"message_id":"half')
    async with serving(root, cache=cache) as server:
        log = (await server.replay()).log

    notice = log.of("notice")[0]
    assert (notice["code"], notice["count"], notice["lines"]) == ("records_skipped", 2, [2, 4])
    assert log.messages.index(notice) < log.messages.index(log.of("end")[0])
    assert log.of("end")[0]["reason"] == "truncated"
    assert log.ids() == ["m0", "m1"]


async def test_meta_events_are_numbered_with_the_messages(root: Path, cache: Path) -> None:
    """With `meta=true` they are merged by time; without, they are not there."""
    write_session(root, [message("m0", 0), message("m1", 1)], [meta_event("e0", 0.5), meta_event("e1", 1)])
    async with serving(root, cache=cache) as server:
        both, messages = await server.replay(meta="1"), await server.replay()

    kinds = [event["event"]["type"] for event in both.log.events]
    assert kinds == ["message_completed", "meta_event", "message_completed", "meta_event"]
    assert both.hello["range"]["next_seq"] == 4
    assert messages.log.ids() == ["m0", "m1"]


# -------------------------------------------------------------------------------------------------------- commands


def random_command(chance: random.Random) -> dict[str, Any]:
    """A command of any kind, in which seeks are common."""
    wishes: list[dict[str, Any]] = [
        {"play": True},
        {"play": False},
        {"seek": {"seq": chance.randrange(EVENTS + 10)}},
        {"seek": {"t_ms": chance.randrange(EVENTS * 10 + 50)}},
        {"seek": {"event_id": f"m{chance.randrange(EVENTS)}"}, "play": True},
        {"speed": chance.choice([0.5, 1, 3, 10])},
        {"idle": chance.choice([None, 0.002, 1])},
        {"mode": chance.choice(["fast", "realtime", "realtime"])},
        {"step": {"by": chance.choice([-7, -1, 1, 4]), "unit": chance.choice(["event", "turn", "tool"])}},
        {"seek": {"seq": chance.randrange(EVENTS)}, "speed": 2, "mode": "realtime", "play": True},
        {},
    ]
    return chance.choice(wishes)


@pytest.mark.parametrize("query", [{}, {"batch": 3000}, {"window": 7}, {"window": 9, "batch": 1000, "preview": 1024}])
@pytest.mark.parametrize("seed", [1, 2])
async def test_commands_may_race_deadlines(server: Serving, query: dict[str, Any], seed: int) -> None:
    """Whatever is asked whenever: no gap, no repeat, each request answered once (`Log` checks the rest)."""
    chance = random.Random(seed)
    count = 150
    async with server.watch(mode="realtime", speed=2, hold="true", **query) as client:

        async def command() -> None:
            for number in range(count):
                # The last one cuts short a step that may still be on its way, so that every answer is there by then.
                wish = {"play": False} if number == count - 1 else random_command(chance)
                await client.send({"type": "control", "request_id": str(number), **wish})
                await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.003, 0.01]))

        async def read() -> None:
            while (await client.next()).get("request_id") != str(count - 1):
                if "window" in query and client.log.events:
                    await client.ack(client.log.events[-1]["seq"])

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(read())
            tasks.create_task(command())

    answers = [state["request_id"] for state in client.log.of("state") if "request_id" in state]
    assert sorted(answers, key=int) == [str(number) for number in range(count)]
    assert not client.log.of("error")


async def test_the_state_comes_before_what_the_command_causes(server: Serving) -> None:
    """After a seek, its state is the first message of the new generation."""
    async with server.watch(paused="true", hold="true") as client:
        state = await client.control(seek={"seq": 100}, play=True)
        following = await client.next()

    assert (state["seq"], state["gen"], state["did_seek"], state["status"]) == (100, 1, True, "playing")
    assert (following["type"], following["seq"], following["gen"]) == ("event", 100, 1)


async def test_an_empty_control_asks_for_the_state(server: Serving) -> None:
    """Nothing changes by it."""
    async with server.watch(paused="true") as client:
        state = await client.control()

    assert {"status": "paused", "seq": 0, "gen": 0, "mode": "fast", "did_seek": False}.items() <= state.items()


async def test_a_message_that_is_too_long_is_told_once(root: Path, cache: Path) -> None:
    """As what ends the replay, and not as a bad command first, after which it would go on."""
    write_session(root, talk(3))
    with Archive.open(root, cache=cache) as archive:
        client = InProcess(archive, str(SCROLL_ID), "ws://here/?paused=true")
        assert orjson.loads(await client.recv(decode=False))["type"] == "hello"
        await client.send(b" " * (wire.MAX_COMMAND_BYTES + 1), text=True)
        with pytest.raises(ReplayRefused) as told:
            await client.recv(decode=False)

    assert told.value.code == "command_too_large"


async def test_commands_without_request_id_are_answered_without_one(server: Serving) -> None:
    """The answer then has no such field."""
    async with server.watch(paused="true") as client:
        await client.send({"type": "control", "speed": 3})
        state = await client.until("state")

    assert "request_id" not in state
    assert state["speed"] == 3


@pytest.mark.parametrize("query", [{}, {"batch": 700}])
async def test_a_step_forward_is_answered_after_its_last_event(server: Serving, query: dict[str, Any]) -> None:
    """The events passed come first, in the same generation, and the reply stands behind them."""
    async with server.watch(paused="true", **query) as client:
        state = await client.control(step={"by": 3, "unit": "turn"})
        await client.quiet()

    assert (state["status"], state["seq"], state["gen"]) == ("paused", 21, 0)
    assert client.log.seqs() == list(range(21))


async def test_steps_back_send_nothing_and_begin_a_generation(server: Serving) -> None:
    """A tool's step back goes to the tool before the cursor; past the edge it stops there."""
    async with server.watch(paused="true", start_seq=50) as client:
        first = await client.control(step={"by": -2, "unit": "tool"})
        second = await client.control(step={"by": -900, "unit": "event"})
        await client.quiet()

    assert (first["seq"], first["gen"], first["did_seek"]) == (35, 1, True)
    assert (second["seq"], second["gen"]) == (0, 2)


async def test_steps_go_to_errors_both_ways_and_in_what_is_appended(root: Path, cache: Path) -> None:
    """Forward through the next event that tells of one, back to the one before; the other units know nothing of it."""
    failed = {"type": "tool_result", "call_id": "c", "output": [], "is_error": True}

    def mishap(number: int) -> dict[str, Any]:
        return message(f"m{number}", number / 100, "user", content_parts=[failed])

    write_session(root, [*talk(20), mishap(20), *talk(9, first=21), mishap(30), *talk(9, first=31)])
    async with serving(root, cache=cache) as server:
        async with server.watch(paused="true") as client:
            forward = [(await client.control(step={"by": 1, "unit": "error"}))["seq"] for _ in range(3)]
            backward = [(await client.control(step={"by": -1, "unit": "error"}))["seq"] for _ in range(3)]
        append_record(root, mishap(40))
        async with server.watch(paused="true", start_seq=31) as client:
            appended = await client.control(step={"by": 1, "unit": "error"})

    assert (forward, backward, appended["seq"]) == ([21, 31, 40], [30, 20, 0], 41)


async def test_a_step_cut_short_by_another_command_is_answered_first(server: Serving) -> None:
    """Each request keeps its place: the step's reply stands before that of what ended it."""
    async with server.watch(paused="true", window=5) as client:
        await client.send({"type": "control", "request_id": "step", "step": {"by": 50, "unit": "event"}})
        await client.read_events(5)
        await client.send({"type": "control", "request_id": "seek", "seek": {"seq": 90}})
        first, second = await client.until("state"), await client.until("state")

    assert (first["request_id"], first["seq"]) == ("step", 5)
    assert (second["request_id"], second["seq"]) == ("seek", 90)


async def test_an_empty_control_does_not_cut_a_step_short(server: Serving) -> None:
    """It only asks for the state; the step goes on with the next acknowledgement."""
    async with server.watch(paused="true", window=5) as client:
        await client.send({"type": "control", "request_id": "step", "step": {"by": 8, "unit": "event"}})
        await client.read_events(5)
        between = await client.control("ask")
        await client.ack(4)
        state = await client.until("state", request_id="step")

    assert between["seq"] == 5
    assert state["seq"] == 8
    assert client.log.seqs() == list(range(8))


async def test_an_unknown_event_id_changes_nothing(server: Serving) -> None:
    """It is a bad command, and what stands beside it is not applied."""
    async with server.watch(paused="true") as client:
        error = await client.control("x", seek={"event_id": "nobody"}, speed=9)
        state = await client.control()

    assert {"code": "bad_command", "request_id": "x", "retryable": False}.items() <= error.items()
    assert (state["speed"], state["gen"]) == (1, 0)


@pytest.mark.parametrize("bad", ["no json", b"\x00", "[]", '{"type":"dance"}', '{"type":"control","seek":{}}'])
async def test_a_bad_command_gets_an_error_and_the_replay_goes_on(server: Serving, bad: str | bytes) -> None:
    """Text or binary, it ends nothing."""
    async with server.watch(paused="true") as client:
        await client.send(bad)
        error = await client.until("error")
        await client.send({"type": "control", "play": True})
        await client.rest()

    assert error["code"] == "bad_command"
    assert client.log.ids() == ids(EVENTS)
    assert client.close_code == 1000


# --------------------------------------------------------------------------------------------------- window, batch


async def test_a_window_holds_the_replay_until_it_is_acknowledged(server: Serving) -> None:
    """Stale acknowledgements, and those of events that were never sent, open it no further."""
    async with server.watch(window=10) as client:
        await client.read_events(10)
        await client.quiet()
        await client.ack(3)
        await client.ack(2)
        await client.read_events(14)
        await client.quiet()
        await client.ack(4000)
        await client.read_events(24)
        await client.quiet()

    assert client.log.seqs() == list(range(24))


async def test_a_seek_clears_the_account(server: Serving) -> None:
    """After it a whole window is free again, and what was sent before needs no acknowledgement."""
    async with server.watch(window=6) as client:
        await client.read_events(6)
        await client.control(seek={"seq": 60})
        await client.read_events(6)
        await client.quiet()
        await client.control(seek={"seq": 10})
        await client.read_events(6)
        await client.quiet()

    assert client.log.seqs() == list(range(10, 16))


@pytest.mark.parametrize("query", [{"window": 1}, {"window": 4}, {"window": 5, "batch": 100_000}, {"window": 500}])
async def test_a_window_acknowledged_steadily_lets_everything_through(server: Serving, query: dict[str, Any]) -> None:
    """In every combination, never more than the window is on its way."""
    async with server.watch(**query) as client:
        acknowledged = 0
        while (await client.next())["type"] != "end":
            assert client.log.next_seq - acknowledged <= query["window"]
            if acknowledged < client.log.next_seq < EVENTS:
                acknowledged = client.log.next_seq
                await client.ack(acknowledged - 1)
        await client.rest()

    assert client.log.ids() == ids(EVENTS)


async def test_acknowledgements_without_a_window_are_ignored(server: Serving) -> None:
    """They are no error."""
    async with server.watch(paused="true") as client:
        await client.ack(7)
        await client.control(play=True)
        await client.rest()

    assert client.log.ids() == ids(EVENTS)


@pytest.mark.parametrize("batch", [1, 600, 2000, 50_000, 1 << 20])
async def test_batches_keep_to_about_their_size(server: Serving, batch: int) -> None:
    """None is longer than was allowed, but for one event that alone is; larger ones are filled."""
    async with server.watch(batch=batch) as client:
        sizes = []
        async for text in client.socket:
            client.log.take(orjson.loads(text))
            if client.log.messages[-1]["type"] == "events":
                sizes.append(len(text))

    assert client.log.ids() == ids(EVENTS)
    assert all(size <= batch + 10 for size in sizes)
    assert bool(sizes) is (batch >= 2000)
    assert batch < 50_000 or len(sizes) == 1


@pytest.mark.parametrize("together", [1, 7000, 1 << 20])
async def test_the_events_of_a_batch_are_the_bytes_of_single_ones(
    server: Serving, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    """An event's own bytes are the same in every replay, however many batches are sent together."""
    monkeypatch.setattr(session_stream, "MAX_GROUP_BYTES", together)
    single, batched = await server.replay(), await server.replay(batch=3000)

    assert single.log.events == batched.log.events
    assert len([each for each in batched.log.messages if each["type"] == "events"]) > 3


@pytest.mark.parametrize("batch", [0, 30_000])
async def test_a_client_that_stops_reading_gets_what_it_was_sent(root: Path, cache: Path, batch: int) -> None:
    """What waits for it stays as it is, however much others are sent meanwhile from the same memory."""
    write_session(root, [message(f"m{n}", n / 100, content_md=f"{n} " * 2000) for n in range(1000)])
    async with serving(root, cache=cache) as server, server.watch(batch=batch) as stopped:
        await stopped.until("hello")
        others = [(await server.replay(batch=batch)).log.events for _ in range(3)]
        await stopped.rest()

    assert others == [stopped.log.events] * 3
    assert [event["event"]["message"]["content"][0]["text"] for event in stopped.log.events] == [
        f"{n} " * 2000 for n in range(1000)
    ]


class NotReady(StreamEnd):
    """An end that is not ready for more before its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def ready(self) -> None:
        """When it is."""
        self.asked.set()
        await self.gate.wait()


@pytest.mark.parametrize("query", [{}, {"batch": "3000"}, {"preview": "1024"}])
async def test_nothing_is_read_before_the_client_is_ready(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    """It would lie in memory for as long as the client likes."""
    write_session(root, talk(20))
    read, end = [], NotReady()
    for name in ("read", "read_runs"):
        method = getattr(SessionIndex, name)
        noted = Mock(side_effect=method)
        read.append(noted)
        monkeypatch.setattr(SessionIndex, name, partialmethod(noted))
    with Archive.open(root, cache=cache) as archive:
        parameters = ReplayParameters.parse(list(query.items()))
        running = asyncio.create_task(SessionStream(end, archive, str(SCROLL_ID), parameters).run())
        async with asyncio.timeout(10):
            await end.asked.wait()
        before = sum(noted.call_count for noted in read)
        end.gate.set()
        await running

    assert before == 0 < sum(noted.call_count for noted in read)


# --------------------------------------------------------------------------------------------------------- preview


@pytest.fixture
def long_session(root: Path) -> Path:
    """Three messages, the second one long."""
    write_session(root, [message("m0"), message("m1", 1, content_md="é" * 5000), message("m2", 2)])
    return root


@pytest.mark.parametrize("query", [{}, {"batch": 100_000}])
async def test_a_long_part_is_cut_and_says_where_the_whole_is(
    long_session: Path, cache: Path, query: dict[str, Any]
) -> None:
    """In single events and in batches; the address gives the whole."""
    async with serving(long_session, cache=cache) as server, server.http() as http:
        log = (await server.replay(preview=1024, **query)).log
        part = log.events[1]["event"]["message"]["content"][0]
        whole = await http.get(part["truncated"]["href"])

    assert part["text"] == "é" * 512
    assert part["truncated"]["bytes"] == 10_000
    assert whole.text == "é" * 5000
    assert "truncated" not in log.events[0]["event"]["message"]["content"][0]


async def test_a_very_long_event_is_cut_outside_the_loop(root: Path, cache: Path) -> None:
    """The whole of it is parsed in a thread (blocking detection is on), and the preview is small."""
    write_session(root, [message("m0", content_md="z" * (2 * session_stream.LARGE_EVENT_BYTES))])
    async with serving(root, cache=cache) as server:
        log = (await server.replay(preview=1024)).log

    part = log.events[0]["event"]["message"]["content"][0]
    assert len(part["text"]) == 1024


@pytest.mark.parametrize("query", [{}, {"batch": 100_000}])
async def test_an_event_that_cannot_be_cut_is_counted_and_ends_nothing(
    long_session: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any]
) -> None:
    """It is an attempt and a failure in the report; the others arrive."""

    def fail(*_given: object) -> bytes:
        raise ValueError("cannot be cut")

    monkeypatch.setattr(session_stream, "cut_event", fail)
    async with serving(long_session, cache=cache) as server, server.watch(preview=1024, **query) as client:
        messages = [orjson.loads(text) async for text in client.socket]

    events = [e for m in messages for e in m.get("events", [m] if m["type"] == "event" else [])]
    assert [event["seq"] for event in events] == [0, 2]
    assert (messages[-1]["report"]["events_sent"], messages[-1]["report"]["failures"]) == (3, 1)
    assert client.close_code == 1000


# ----------------------------------------------------------------------------------------------- heartbeat, hold


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"paused": "true"}, "paused"),
        ({"mode": "realtime"}, "playing"),
        ({"window": 1}, "playing"),
        ({"hold": "true"}, "ended"),
    ],
)
async def test_heartbeats_come_in_every_state(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], status: str
) -> None:
    """Paused, in a gap, with a full window, and held after the end."""
    monkeypatch.setattr(wire, "HEARTBEAT_SECONDS", 0.05)
    write_session(root, [message("m0"), message("m1", 30)])
    async with serving(root, cache=cache) as server, server.watch(**query) as client:
        beats = [await client.until("heartbeat") for _ in range(3)]

    assert {beat["status"] for beat in beats} == {status}
    assert client.hello["limits"]["heartbeat_ms"] == 50


async def test_heartbeats_come_while_events_flow(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their timer is their own: a steady stream does not put them off."""
    monkeypatch.setattr(wire, "HEARTBEAT_SECONDS", 0.1)
    log = (await server.replay(mode="realtime", speed=3)).log

    assert 2 <= len(log.of("heartbeat")) <= 5


async def test_what_is_not_in_memory_is_waited_for_in_its_turn(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that a tick cannot read comes before those behind it, also those due with it, and heartbeats go on."""
    monkeypatch.setattr(wire, "HEARTBEAT_SECONDS", 0.05)
    cold = iter(random.Random("cold").choices([True, False], k=10_000))
    monkeypatch.setattr(
        "scrollcast.archive.index.read_cached", lambda *arguments: not next(cold) and read_cached(*arguments)
    )
    seconds = [number // 3 * 0.02 + number % 3 // 2 * 0.001 for number in range(60)]
    write_session(root, [message(f"m{number}", second) for number, second in enumerate(seconds)])
    async with serving(root, cache=cache) as server:
        log = (await server.replay(mode="realtime")).log

    assert log.ids() == ids(60)
    assert len(log.of("heartbeat")) >= 3
    assert log.of("end")[0]["report"]["events_sent"] == 60


async def test_a_held_replay_ends_as_often_as_it_is_played(server: Serving) -> None:
    """After `end` a seek back plays again, with another `end`; `play` alone does nothing."""
    async with server.watch(hold="true") as client:
        first = await client.until("end")
        still = await client.control(play=True)
        await client.quiet()
        back = await client.control(seek={"seq": EVENTS - 2})
        second = await client.until("end")

    assert still["status"] == "ended"
    assert back["status"] == "playing"
    assert first["report"]["events_sent"] == EVENTS
    assert second["report"]["events_sent"] == EVENTS + 2


async def test_without_hold_the_end_closes_whatever_was_asked_before(server: Serving) -> None:
    """A seek to beyond the end is the end."""
    async with server.watch(paused="true") as client:
        await client.control(seek={"t_ms": 10**12}, play=True)
        await client.rest()

    assert client.log.events == []
    assert [m["type"] for m in client.log.messages[-2:]] == ["state", "end"]
    assert client.close_code == 1000


async def test_the_idle_cap_is_told_as_skipped(root: Path, cache: Path) -> None:
    """Before the later event, with the recorded times on either side; never in fast mode."""
    write_session(root, [message("m0"), message("m1", 100), message("m2", 100 + 2 * HOUR)])
    async with serving(root, cache=cache) as server:
        paced, fast = await server.replay(mode="realtime", idle=0.02), await server.replay(idle=0.02)

    order = [m["type"] for m in paced.log.messages]
    assert order == ["hello", "event", "skipped", "event", "skipped", "event", "state", "end"]
    assert [(s["from_ms"], s["to_ms"]) for s in paced.log.of("skipped")] == [(0, 100_000), (100_000, 7_300_000)]
    assert fast.log.of("skipped") == []


# ------------------------------------------------------------------------------------ while the index is being made


async def test_a_session_plays_while_it_is_still_being_read(root: Path, cache: Path, reading: SlowReading) -> None:
    """`hello` says that the range is not complete; a notice says when it is; nothing is missed."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch() as client:
        await client.read_events(16)
        await client.quiet(0.05)
        reading.gate.set()
        await client.rest()

    assert client.hello["range"]["complete"] is False
    assert client.hello["range"]["next_seq"] <= 16
    notice = client.log.of("notice")[0]
    assert notice["code"] == "index_complete"
    assert notice["range"] == {"first_seq": 0, "next_seq": EVENTS, "duration_ms": (EVENTS - 1) * 10, "live": False}
    assert client.log.ids() == ids(EVENTS)
    assert client.close_code == 1000


@pytest.mark.parametrize(
    ("command", "seq"),
    [
        ({"seek": {"seq": 100}}, 100),
        ({"seek": {"seq": 10**9}}, EVENTS),
        ({"seek": {"t_ms": 905}}, 91),
        ({"seek": {"event_id": "m77"}}, 77),
        ({"step": {"by": 7, "unit": "turn"}}, 61),
    ],
    ids=["seq", "past the end", "t_ms", "event_id", "step"],
)
async def test_a_command_waits_for_as_much_as_it_needs(
    root: Path, cache: Path, reading: SlowReading, monkeypatch: pytest.MonkeyPatch, command: dict[str, Any], seq: int
) -> None:
    """A place that has not been read yet is reached all the same, and no heartbeat is missed meanwhile."""
    monkeypatch.setattr(wire, "HEARTBEAT_SECONDS", 0.03)
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(paused="true") as client:
        await client.send({"type": "control", "request_id": "r", **command})
        for _ in range(3):
            await client.until("heartbeat")
        reading.gate.set()
        state = await client.until("state", request_id="r")

    assert state["seq"] == seq


@pytest.mark.parametrize(("query", "seq"), [({"start_seq": 100}, 100), ({"start_ms": 955}, 96)])
async def test_a_start_waits_for_as_much_as_it_needs(
    root: Path, cache: Path, reading: SlowReading, query: dict[str, Any], seq: int
) -> None:
    """`hello` comes once the start position is there."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(**query) as client:
        await client.quiet(0.05)
        reading.gate.set()
        await client.rest()

    assert client.hello["state"]["seq"] == seq
    assert client.log.seqs() == list(range(seq, EVENTS))


async def test_who_goes_while_the_session_is_opened_is_not_waited_for(
    root: Path, cache: Path, reading: SlowReading
) -> None:
    """However long the place where it was to begin is not reached."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server:
        async with server.watch(start_seq="100") as client:
            await server.until_streams(1)
            client.abort()
        await server.until_streams(0)
        assert not reading.gate.is_set()


async def test_bad_records_found_later_are_told_when_all_is_read(root: Path, cache: Path, reading: SlowReading) -> None:
    """Their notice follows `index_complete`."""
    write_session(root, [*talk(30), b"broken", *talk(5, first=30)])
    async with serving(root, cache=cache) as server, server.watch() as client:
        await client.read_events(16)
        reading.gate.set()
        await client.rest()

    assert client.log.codes() == ["index_complete", "records_skipped"]
    assert client.log.ids() == ids(35)


async def test_viewers_of_a_session_that_is_being_read_share_the_reading(
    root: Path, cache: Path, reading: SlowReading
) -> None:
    """The second one waits for the same index, from where it stands."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch() as one, server.watch(start_seq=8) as two:
        await one.read_events(16)
        await two.read_events(8)
        reading.gate.set()
        await asyncio.gather(one.rest(), two.rest())

    assert one.hello["epoch"] == two.hello["epoch"]
    assert one.log.ids() == ids(EVENTS)
    assert two.log.ids() == ids(EVENTS - 8, 8)


async def test_a_reading_that_fails_half_way_ends_the_replay_with_4505(
    root: Path, cache: Path, reading: SlowReading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is played; then the viewer is told, without a detail of the insides."""

    def fail() -> bool:
        raise OSError("disk on fire at /dev/sda")

    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch() as client:
        await client.read_events(16)
        monkeypatch.setattr(reading, "held_at", 21)
        monkeypatch.setattr(reading.gate, "wait", lambda _seconds: fail())
        reading.gate.set()
        await client.rest()

    error = client.log.messages[-1]
    assert (error["type"], error["code"], error["retryable"]) == ("error", "archive_error", False)
    assert "sda" not in error["message"]
    assert client.close_code == 4505


# --------------------------------------------------------------------------------- the archive changes under a viewer


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is looked at every few milliseconds."""
    monkeypatch.setattr(rewriting, "WATCH_SECONDS", 0.02)


@pytest.mark.usefixtures("watchful")
@pytest.mark.parametrize("query", [{"paused": "true"}, {"mode": "realtime"}, {"hold": "true"}])
async def test_a_rewritten_archive_is_played_from_its_beginning(root: Path, cache: Path, query: dict[str, Any]) -> None:
    """A notice with the new epoch, then the next generation from 0: paused, playing, and after the end."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(**query) as client:
        await client.next()
        rewrite(root, 40, first=500)
        notice = await client.until("notice", code="archive_rewritten")
        state = await client.control(play=True, mode="fast")
        await client.read_events(40)  # which may be here already
        comer = await server.replay(start_seq=40, epoch=notice["epoch"])

    assert notice["level"] == "warning"
    assert notice["epoch"] != client.hello["epoch"]
    assert state["gen"] == 1
    assert client.log.ids() == ids(40, 500)
    assert comer.hello["resume"] == "continued"


@pytest.mark.usefixtures("watchful")
async def test_a_grown_archive_is_no_rewritten_one(root: Path, cache: Path) -> None:
    """Who watches sees what was there; who comes later sees more, under the same epoch."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(paused="true") as client:
        await client.next()
        append(root, 5, first=EVENTS)
        await client.quiet(0.2)
        later = await server.replay()
        await client.control(play=True)
        await client.rest()

    assert later.hello["epoch"] == client.hello["epoch"]
    assert later.log.ids() == ids(EVENTS + 5)
    assert client.log.ids() == ids(EVENTS)
    assert client.log.of("notice") == []


@pytest.mark.usefixtures("watchful")
async def test_a_deleted_archive_plays_on(root: Path, cache: Path) -> None:
    """What was read of it can still be seen."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(paused="true") as client:
        await client.next()
        shutil.rmtree(root / str(SCROLL_ID))
        await client.quiet(0.1)
        await client.control(seek={"seq": 50}, play=True)
        await client.rest()

    assert client.log.ids() == ids(EVENTS - 50, 50)
    assert client.close_code == 1000


@pytest.mark.usefixtures("watchful")
async def test_a_rewritten_archive_is_noticed_by_all_though_one_came_between(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A viewer who opens the new content first does not hide the change from one who watches the old."""
    monkeypatch.setattr(rewriting, "WATCH_SECONDS", 0.3)
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(paused="true") as client:
        await client.next()
        await asyncio.sleep(0.4)  # it has looked once
        rewrite(root, 40, first=500)
        comer = await server.replay()
        notice = await client.until("notice", code="archive_rewritten")

    assert notice["epoch"] == comer.hello["epoch"]


@pytest.mark.usefixtures("watchful")
async def test_an_archive_rewritten_into_a_broken_one_is_4505(root: Path, cache: Path) -> None:
    """There is nothing to play from its beginning."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server, server.watch(paused="true") as client:
        await client.next()
        (root / str(SCROLL_ID) / "session.json").write_text("{broken")
        messages_file(root).write_text("")
        await client.rest()

    assert client.log.messages[-1]["code"] == "archive_error"
    assert client.close_code == 4505


# ----------------------------------------------------------------------------------------------------- what it holds


async def test_a_stream_that_ends_leaves_nothing_behind(server: Serving) -> None:
    """However it ended: closed, aborted in the middle, or refused."""
    before = len(asyncio.all_tasks())
    await server.replay()
    async with server.watch(mode="realtime") as client:
        await client.next()
        client.abort()
    async with server.watch(paused="true") as client:
        await client.next()
    await server.replay(speed="bad")
    await server.until_streams(0)
    await until(lambda: len(asyncio.all_tasks()) <= before)

    assert server.streams == 0


async def test_hello_says_what_the_session_is(root: Path, cache: Path) -> None:
    """The session's own facts, and the state that playback begins in."""
    write_session(root, talk(3), title="A title", agent="robin", extra={"kept": True})
    async with (
        serving(root, cache=cache) as server,
        server.watch(mode="realtime", speed=4, idle=2, paused="1") as client,
    ):
        hello = await client.next()

    session = hello["session"]
    assert (session["title"], session["agent"], session["count"]) == ("A title", "robin", 3)
    assert session["metadata"] == {"extra": {"kept": True}}
    assert session["created_at"] == at(0) == metadata()["created_at"]
    state = hello["state"]
    assert (state["mode"], state["speed"], state["idle"], state["status"]) == ("realtime", 4, 2, "paused")
    assert hello["capabilities"] == ["control", "follow", "batch", "window", "preview", "reading"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "event", "gen": 0, "seq": 5, "t_ms": 0, "event": {}},
        {"type": "event", "gen": 0, "seq": 3, "t_ms": 0, "event": {}},
        {"type": "event", "gen": 1, "seq": 4, "t_ms": 0, "event": {}},
        {"type": "state", "seq": 5, "gen": 0, "did_seek": False},
        {"type": "state", "seq": 0, "gen": 2, "did_seek": True},
    ],
    ids=["gap", "repeat", "other generation", "state disagrees", "generation left out"],
)
def test_the_log_of_these_tests_finds_what_it_is_for(wrong: dict[str, Any]) -> None:
    """The check that the tests above lean on does fail."""
    log = Log()
    log.take({"type": "hello", "state": {"gen": 0, "seq": 4}})

    with pytest.raises(AssertionError):
        log.take(wrong)


async def test_a_seek_that_crosses_with_the_end_is_obeyed(server: Serving) -> None:
    """A short session is sent whole before the answer to its first events is here; the answer counts all the same."""
    async with server.watch() as client:
        await client.until("end")
        state = await client.control(seek={"seq": 5})
        await client.until("end")

    assert (state["seq"], state["gen"], state["status"]) == (5, 1, "playing")
