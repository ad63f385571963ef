import asyncio
import json
import selectors
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson
import pytest

from archives import CONNECTOR_UID, SCROLL_ID, Line, at, message, meta_event, write_document, write_session
from scrollcast import (
    Archive,
    ArchiveError,
    BusEvent,
    Message,
    MessageCompleted,
    MetaEventReceived,
    ReplayOptions,
    ReplayReport,
    ReplaySpeed,
    SessionNotFound,
    StreamClosed,
    StreamOutcome,
    replay_session_to_stream,
)

T = TypeVar("T")
REALTIME = ReplayOptions(speed=ReplaySpeed.REALTIME)
HOUR = 3600.0


# ------------------------------------------------------------------------------------------------------- helpers


class Collector:
    """A stream that keeps what it gets with the time of it, and answers as it was told."""

    def __init__(self, *answers: StreamOutcome | Exception) -> None:
        self.events: list[BusEvent] = []
        self.times: list[float] = []
        self.began = asyncio.Event()
        self._answers = answers

    async def on_event(self, bus_event: BusEvent) -> StreamOutcome:
        """Keep one event."""
        self.events.append(bus_event)
        self.times.append(asyncio.get_running_loop().time())
        self.began.set()
        place = len(self.events) - 1
        answer = self._answers[place] if place < len(self._answers) else StreamOutcome.OK
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def waits(self) -> list[float]:
        """The seconds between the events, to the millisecond."""
        return [round(later - earlier, 3) for earlier, later in zip(self.times, self.times[1:], strict=False)]

    @property
    def messages(self) -> list[Message]:
        """The messages among the events."""
        return [bus.event.message for bus in self.events if isinstance(bus.event, MessageCompleted)]

    @property
    def ids(self) -> list[str]:
        """What came, by id."""
        return [event_id(bus) for bus in self.events]


def event_id(bus: BusEvent) -> str:
    """The id of the message or meta event."""
    return bus.event.message.id if isinstance(bus.event, MessageCompleted) else bus.event.meta_event.id


class InventedTime(selectors.DefaultSelector):
    """A selector whose waits take no time: the clock of its loop jumps to their end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; without anything, so much later."""
        ready = super().select(0 if timeout else timeout)
        if not ready and timeout:
            self.now += timeout
        return ready


def run_in_invented_time(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop whose sleeps take no time."""

    def make_loop() -> asyncio.AbstractEventLoop:
        clock = InventedTime()
        loop = asyncio.SelectorEventLoop(clock)
        loop.time = lambda: clock.now  # type: ignore[method-assign]
        return loop

    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(work)


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[..., Archive]]:
    """Writes a session and opens the archive that holds it."""
    archives: list[Archive] = []

    def open_archive(*messages: Line, meta_events: list[Line] | None = None, **fields: Any) -> Archive:
        write_session(root, messages, meta_events, **fields)
        archives.append(Archive.open(root))
        return archives[-1]

    yield open_archive
    for archive in archives:
        archive.close()


@pytest.fixture
def paced(opened: Callable[..., Archive]) -> Callable[..., tuple[Collector, ReplayReport]]:
    """Replays a session of messages at these seconds, in invented time."""

    def play(seconds: list[float | None], options: ReplayOptions = REALTIME) -> tuple[Collector, ReplayReport]:
        archive = opened(*(message(f"m{number}", moment) for number, moment in enumerate(seconds)))
        # Read to its end first: a clock that jumps must not run while a thread works.
        asyncio.run(read_whole(archive))
        collector = Collector()
        return collector, run_in_invented_time(replay_session_to_stream(archive, SCROLL_ID, collector, options))

    return play


async def read_whole(archive: Archive) -> None:
    """Have the session's index made."""
    await (await archive.open_index(SCROLL_ID)).finish()


async def replayed(archive: Archive, options: ReplayOptions | None = None) -> Collector:
    """What a stream gets that takes everything."""
    collector = Collector()
    await replay_session_to_stream(archive, SCROLL_ID, collector, options)
    return collector


# ------------------------------------------------------------------------------------ the function and its options


async def test_any_object_with_on_event_is_a_stream(opened: Callable[..., Archive]) -> None:
    """Row 1, `replay_session_to_stream(...) -> ReplayReport`: public, without a server, to any object."""
    collector = Collector()
    report = await replay_session_to_stream(opened(message("m0"), message("m1")), SCROLL_ID, collector)

    assert collector.ids == ["m0", "m1"]
    assert isinstance(report, ReplayReport)
    assert [bus.seq for bus in collector.events] == [0, 1]


@pytest.mark.parametrize("spell", [UUID, str, lambda text: str(text).upper()])
async def test_scroll_id_as_text_or_uuid(opened: Callable[..., Archive], spell: Callable[[str], UUID | str]) -> None:
    """Row 1: `scroll_id` may be text or a UUID."""
    collector = Collector()
    await replay_session_to_stream(opened(message("m0")), spell(str(SCROLL_ID)), collector)

    assert collector.ids == ["m0"]


def test_default_options() -> None:
    """Row 2, `ReplayOptions{include_meta_events: false, speed}`: as fast as possible, without meta events."""
    assert ReplayOptions() == ReplayOptions(
        include_meta_events=False, speed=ReplaySpeed.AS_FAST_AS_POSSIBLE, multiplier=1.0, idle=None
    )


@pytest.mark.parametrize(
    "options",
    [
        {"multiplier": 0.0}, {"multiplier": 0.05}, {"multiplier": 101.0}, {"multiplier": float("nan")},
        {"idle": 0.0}, {"idle": -1.0}, {"idle": float("inf")}, {"idle": float("nan")},
    ],
)  # fmt: skip
def test_options_refuse_nonsense(options: dict[str, float]) -> None:
    """Row 2: options that exist can be played."""
    with pytest.raises(ValueError, match=next(iter(options))):
        ReplayOptions(**options)  # type: ignore[arg-type]


def test_fast_replay_waits_for_nothing(paced: Callable[..., tuple[Collector, ReplayReport]]) -> None:
    """Row 2, `AsFastAsPossible` (the default): recorded time is not waited for."""
    collector, report = paced([0, 60, 3000], ReplayOptions())

    assert collector.waits == [0, 0]
    assert report == ReplayReport(3, 0, 0)


async def test_long_fast_replay_comes_in_order(opened: Callable[..., Archive]) -> None:
    """Row 2: however a session is cut for reading, each event comes once and in order."""
    archive = opened(*(message(f"m{number}", number, content_md="x" * (number * 97 % 9000)) for number in range(300)))
    collector = await replayed(archive)

    assert collector.ids == [f"m{number}" for number in range(300)]


# ---------------------------------------------------------------------------------------------------------- pacing


@pytest.mark.parametrize(
    ("seconds", "waits"),
    [
        ([0, 0.25, 2], [0.25, 1.75]),
        ([0, 1, 1, 2], [1, 0, 1]),
        ([0, HOUR - 0.001], [3599.999]),
        ([0, HOUR, HOUR + 1], [0, 1]),
        ([0, 25 * HOUR, 25 * HOUR + 2], [0, 2]),
        ([0, 10, 4, 12], [10, 0, 2]),
        ([10, 0, 11], [0, 1]),
        ([0, None, 3], [0, 3]),
        ([None, 5, 6], [0, 1]),
    ],
    ids=["deltas", "equal", "nearly an hour", "an hour", "a day", "back", "back at first", "untimed", "untimed first"],
)
def test_realtime_waits_as_recorded(
    paced: Callable[..., tuple[Collector, ReplayReport]], seconds: list[float | None], waits: list[float]
) -> None:
    """Row 3, realtime: deltas are slept, but none <= 0 or >= 1 h, and none twice after a time that goes backwards."""
    collector, report = paced(seconds)

    assert collector.waits == waits
    assert report.duration_ms == round(sum(waits) * 1000)


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({"multiplier": 4.0}, [2.5, 0.5, 0]),
        ({"multiplier": 0.5}, [20, 4, 0]),
        ({"idle": 3.0}, [3, 2, 0]),
        ({"idle": 3.0, "multiplier": 2.0}, [1.5, 1, 0]),
    ],
)
def test_multiplier_and_idle_cap(
    paced: Callable[..., tuple[Collector, ReplayReport]], options: dict[str, float], waits: list[float]
) -> None:
    """Row 2, `speed` grows a multiplier: each gap is cut to the idle cap and then divided by it."""
    collector, _ = paced([0, 10, 12, 12 + HOUR], ReplayOptions(speed=ReplaySpeed.REALTIME, **options))  # type: ignore[arg-type]

    assert collector.waits == waits


def test_slow_stream_does_not_make_the_replay_drift(opened: Callable[..., Archive]) -> None:
    """Row 3: deadlines are absolute, so that time spent in the stream is not waited for again."""
    archive = opened(*(message(f"m{number}", number) for number in range(6)))
    asyncio.run(read_whole(archive))

    class Slow(Collector):
        async def on_event(self, bus_event: BusEvent) -> StreamOutcome:
            outcome = await super().on_event(bus_event)
            await asyncio.sleep(2.5 if bus_event.seq == 0 else 0.25)
            return outcome

    slow = Slow()
    run_in_invented_time(replay_session_to_stream(archive, SCROLL_ID, slow, REALTIME))

    assert [round(moment, 3) for moment in slow.times] == [0, 2.5, 2.75, 3, 4, 5]


async def test_realtime_on_a_real_clock(opened: Callable[..., Archive]) -> None:
    """Row 3: while the session is still being read, a replay takes at least its recorded time."""
    archive = opened(message("m0"), message("m1", 0.03), message("m2", 0.06))
    collector = Collector()
    report = await replay_session_to_stream(archive, SCROLL_ID, collector, REALTIME)

    assert collector.ids == ["m0", "m1", "m2"]
    assert report.duration_ms >= 60
    assert all(wait > 0.005 for wait in collector.waits)


# -------------------------------------------------------------------------------------------- outcomes and reports


@pytest.mark.parametrize(
    ("answers", "sent", "failures"),
    [
        ([StreamOutcome.OK, StreamOutcome.OK, StreamOutcome.OK], 3, 0),
        ([StreamOutcome.SKIPPED, StreamOutcome.OK, StreamOutcome.SKIPPED], 3, 0),
        ([StreamOutcome.OK, StreamOutcome.failed("disk full"), StreamOutcome.OK], 3, 1),
        ([StreamOutcome.failed(ValueError()), StreamOutcome.failed(None), StreamOutcome.failed("")], 3, 3),
        ([RuntimeError("a defect"), StreamOutcome.OK, KeyError("another")], 3, 2),
        ([StreamClosed()], 0, 0),
        ([StreamOutcome.failed("x"), StreamOutcome.OK, StreamClosed()], 2, 1),
    ],
    ids=["ok", "skipped", "failed", "all failed", "exceptions", "closed at once", "closed later"],
)
async def test_outcomes_are_counted(
    opened: Callable[..., Archive], answers: list[StreamOutcome | Exception], sent: int, failures: int
) -> None:
    """Rows 4 and 5: a failure is counted and the replay goes on; a closed stream ends it, that attempt not counted."""
    collector = Collector(*answers)
    archive = opened(message("m0"), message("m1"), message("m2"))
    report = await replay_session_to_stream(archive, SCROLL_ID, collector)

    assert (report.events_sent, report.failures) == (sent, failures)
    assert len(collector.events) == len(answers)
    assert 0 <= report.duration_ms < 5000


def test_outcome_carries_its_error() -> None:
    """Row 4, `Failed(error)`: a failure keeps its reason, and no outcome is another."""
    outcomes = [StreamOutcome.OK, StreamOutcome.SKIPPED, StreamOutcome.failed("full")]

    assert len(set(outcomes)) == 3
    assert outcomes[2].error == "full"


async def test_report_of_an_empty_session(opened: Callable[..., Archive]) -> None:
    """Row 5, `ReplayReport`: a session without messages is replayed, with nothing sent."""
    report = await replay_session_to_stream(opened(), SCROLL_ID, Collector(), REALTIME)

    assert (report.events_sent, report.failures) == (0, 0)


async def test_bad_records_do_not_end_a_replay(opened: Callable[..., Archive]) -> None:
    """Row 5: a record that does not parse is no attempt."""
    collector = Collector()
    archive = opened(message("m0"), b"{broken", b"[]", message("m1"))
    report = await replay_session_to_stream(archive, SCROLL_ID, collector)

    assert collector.ids == ["m0", "m1"]
    assert report.events_sent == 2


# ---------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("missing", [UUID(int=7), str(UUID(int=7)), "no-uuid", "", "../../etc/passwd"])
async def test_unknown_session(opened: Callable[..., Archive], missing: UUID | str) -> None:
    """Row 6, `ReplayError::SessionNotFound(id)` apart from `Archivist(text)`: no kind of `ArchiveError`."""
    with pytest.raises(SessionNotFound) as refused:
        await replay_session_to_stream(opened(message("m0")), missing, Collector())

    assert refused.value.scroll_id == missing
    assert not isinstance(refused.value, ArchiveError)
    assert not issubclass(ArchiveError, SessionNotFound)


async def test_broken_session(root: Path) -> None:
    """Row 6: a session that exists but cannot be read is an `ArchiveError` with a sentence."""
    (write_session(root, [message("m0")]) / "messages.jsonl").unlink()
    collector = Collector()
    with Archive.open(root) as archive, pytest.raises(ArchiveError, match="missing"):
        await replay_session_to_stream(archive, SCROLL_ID, collector)

    assert collector.events == []


async def test_session_that_fails_on_the_way(root: Path) -> None:
    """Row 6: where the reading stops in the middle, what came before was played."""
    folder = write_session(root, [message("m0")], [meta_event("x0")])
    (folder / "meta_events.jsonl").unlink()
    (folder / "meta_events.jsonl").mkdir()
    collector = Collector()
    with Archive.open(root) as archive, pytest.raises(ArchiveError, match="regular file"):
        await replay_session_to_stream(archive, SCROLL_ID, collector, ReplayOptions(include_meta_events=True))

    assert collector.ids in (["m0"], [])


async def test_cancelling_the_call_cancels_the_replay(opened: Callable[..., Archive]) -> None:
    """Row 1: a replay that is cancelled in a wait, or in the stream, is over at once."""
    archive = opened(message("m0"), message("m1", 600))

    class Stuck(Collector):
        async def on_event(self, bus_event: BusEvent) -> StreamOutcome:
            await super().on_event(bus_event)
            await asyncio.Event().wait()
            return StreamOutcome.OK

    for collector, options in ((Collector(), REALTIME), (Stuck(), ReplayOptions())):
        task = asyncio.create_task(replay_session_to_stream(archive, SCROLL_ID, collector, options))
        await asyncio.wait_for(collector.began.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)

        assert collector.ids == ["m0"]


# ------------------------------------------------------------------------------------------------------ the events


async def test_event_of_a_message(opened: Callable[..., Archive]) -> None:
    """Row 7, one `BusEvent{routing, origin, event}` per archived message: each field is there, typed."""
    (bus,) = (await replayed(opened(message("m0", 3, "assistant", metadata={"model": "lumen-2"})))).events

    assert (bus.routing.connector_uid, bus.routing.connector_id) == (CONNECTOR_UID, "native-1")
    assert bus.origin.type == "replay"
    assert bus.event == MessageCompleted(
        "native-1",
        Message(
            id="m0",
            session_id="native-1",
            role="assistant",
            created_at=at(3),
            content=[{"type": "text", "text": "m0"}],
            status="completed",
            metadata={"model": "lumen-2"},
        ),
    )


async def test_replay_id_is_one_for_each_call(opened: Callable[..., Archive]) -> None:
    """Row 7, `Replay{replay_id}`: all events of a call share one id, and no other call has it."""
    archive = opened(message("m0"), message("m1"))
    calls = [await replayed(archive) for _ in range(2)]
    ids = [{bus.origin.replay_id for bus in call.events} for call in calls]

    assert [len(found) for found in ids] == [1, 1]
    assert ids[0] != ids[1]
    assert all(replay_id.version == 4 for found in ids for replay_id in found)


@pytest.mark.parametrize(
    ("fields", "connector_uid", "connector_id", "session_id"),
    [
        ({}, CONNECTOR_UID, "native-1", "native-1"),
        ({"native_session_id": None}, CONNECTOR_UID, "", str(SCROLL_ID)),
        ({"native_session_id": ""}, CONNECTOR_UID, "", str(SCROLL_ID)),
        ({"connector_uid": None}, None, "native-1", "native-1"),
        ({"connector_uid": "no uuid"}, None, "native-1", "native-1"),
    ],
)
async def test_routing(
    opened: Callable[..., Archive],
    fields: dict[str, Any],
    connector_uid: UUID | None,
    connector_id: str,
    session_id: str,
) -> None:
    """Rows 8 and 9: `scroll_id` is the archive's own, `connector_id` the native id or "", `session_id` that or ours."""
    archive = opened(message("m0", session="another-session"), **fields)
    (bus,) = (await replayed(archive)).events
    assert isinstance(bus.event, MessageCompleted)

    assert bus.routing.scroll_id == SCROLL_ID
    assert (bus.routing.connector_uid, bus.routing.connector_id) == (connector_uid, connector_id)
    assert bus.event.connector_id == connector_id
    assert bus.event.message.session_id == session_id


async def test_status_and_created_at(opened: Callable[..., Archive]) -> None:
    """Row 9: `status` is completed, and `created_at` the record's own `ts`, also one that goes backwards."""
    stamps = ["2026-03-02T09:00:05.123456+02:00", "2026-03-02T09:00:01+02:00", None]
    collector = await replayed(opened(*(message("m", ts=stamp) for stamp in stamps)))

    assert [one.status for one in collector.messages] == ["completed"] * 3
    assert [one.created_at for one in collector.messages] == [*stamps[:2], stamps[1]]


@pytest.mark.parametrize(
    ("archived", "role", "metadata"),
    [
        ("assistant", "assistant", None),
        ("user", "user", None),
        ("system", "user", {"archived_role": "system"}),
        ("tool", "user", {"archived_role": "tool"}),
    ],
)
async def test_roles(opened: Callable[..., Archive], archived: str, role: str, metadata: dict[str, str] | None) -> None:
    """Row 10: two roles are kept, any other becomes `user` with the original in `metadata.archived_role`."""
    (sent,) = (await replayed(opened(message("m0", role=archived)))).messages

    assert (sent.role, sent.metadata) == (role, metadata)
    assert sent.archived_role == archived


GOOD = {"type": "text", "text": "good"}
NEW = {"type": "hologram", "beam": 7}


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([GOOD, {"type": "thinking", "text": "hm"}], [GOOD, {"type": "thinking", "text": "hm"}]),
        ([], []),
        ([NEW, GOOD], [{"type": "unknown", "raw": NEW}, GOOD]),
        (None, [{"type": "text", "text": "markdown"}]),
        ("text", [{"type": "text", "text": "markdown"}]),
        ([GOOD, "no object"], [{"type": "text", "text": "markdown"}]),
        ([GOOD, {"text": "no type"}], [{"type": "text", "text": "markdown"}]),
        ([GOOD, {"type": "text"}], [{"type": "text", "text": "markdown"}]),
        ([GOOD, {"type": "tool_call", "name": 7}], [{"type": "text", "text": "markdown"}]),
    ],
)
async def test_content(opened: Callable[..., Archive], parts: object, content: list[dict[str, Any]]) -> None:
    """Row 11: `content_parts` when all of it parses, else one text part from `content_md`."""
    (sent,) = (await replayed(opened(message("m0", content_md="markdown", content_parts=parts)))).messages

    assert sent.content == content


META_EVENTS: list[Line] = [meta_event("x0", -5), meta_event("x1", 1, payload={"mode": "plan"}), meta_event("x2", 9)]


async def test_meta_events_are_left_out_unless_asked_for(opened: Callable[..., Archive]) -> None:
    """Row 12: without the option the session's messages come alone."""
    collector = await replayed(opened(message("m0"), message("m1", 1), meta_events=META_EVENTS))

    assert collector.ids == ["m0", "m1"]


async def test_meta_events_are_merged_by_time(opened: Callable[..., Archive]) -> None:
    """Row 12: meta events come by time, messages first where equal, one before the first message at 0."""
    archive = opened(message("m0"), message("m1", 1), meta_events=META_EVENTS)
    collector = await replayed(archive, ReplayOptions(include_meta_events=True))
    sent = [bus.event for bus in collector.events if isinstance(bus.event, MetaEventReceived)]

    assert [(event_id(bus), bus.seq, bus.t_ms) for bus in collector.events] == [
        ("m0", 0, 0), ("x0", 1, 0), ("m1", 2, 1000), ("x1", 3, 1000), ("x2", 4, 9000),
    ]  # fmt: skip
    assert [(event.connector_id, event.meta_event.session_id) for event in sent] == [("native-1", "native-1")] * 3
    assert (sent[1].meta_event.kind, sent[1].meta_event.payload) == ("mode_changed", {"mode": "plan"})
    assert [event.meta_event.created_at for event in sent] == [at(-5), at(1), at(9)]


async def test_whole_document_replays_like_a_folder(tmp_path: Path) -> None:
    """Row 7: both shapes of the archive give the same events."""
    messages: list[Any] = [message("m0"), message("m1", 2, "system")]
    events: list[Any] = [meta_event("x0", 1)]
    write_session(tmp_path / "folders", messages, events)
    write_document(tmp_path / "files", messages, events)
    own: list[list[bytes]] = []
    for name in ("folders", "files"):
        with Archive.open(tmp_path / name) as archive:
            collector = await replayed(archive, ReplayOptions(include_meta_events=True))
            own.append([own_bytes(bus) for bus in collector.events])

    assert own[0] == own[1]
    assert len(own[0]) == 3


# --------------------------------------------------------------------------------------------------------- the JSON


def own_bytes(bus: BusEvent) -> bytes:
    """An event's own bytes: what stands between `seq` and the end of its envelope."""
    return bus.to_json().partition(b'"seq":')[2]


async def test_json_is_the_envelope_without_gen(opened: Callable[..., Archive]) -> None:
    """Row 7, the `event` envelope: `to_json` gives it byte for byte as the protocol has it, without `gen`."""
    archive = opened(message("m0"), message("m1", 1.5, "tool", content_md="é\u2028\U0001f600"))
    bus = (await replayed(archive)).events[1]

    assert json.loads(bus.to_json()) == {
        "type": "event",
        "seq": 1,
        "t_ms": 1500,
        "routing": {"connector_uid": str(CONNECTOR_UID), "connector_id": "native-1", "scroll_id": str(SCROLL_ID)},
        "origin": {"type": "replay", "replay_id": str(bus.origin.replay_id)},
        "event": {
            "type": "message_completed",
            "connector_id": "native-1",
            "message": {
                "id": "m1",
                "session_id": "native-1",
                "role": "user",
                "created_at": at(1.5),
                "content": [{"type": "text", "text": "é\u2028\U0001f600"}],
                "status": "completed",
                "metadata": {"archived_role": "tool"},
            },
        },
    }


async def test_json_of_a_meta_event(opened: Callable[..., Archive]) -> None:
    """Row 12: a meta event's envelope is as the protocol has it."""
    archive = opened(meta_events=[meta_event("x0", payload=[1, None])], native_session_id=None, connector_uid=None)
    (bus,) = (await replayed(archive, ReplayOptions(include_meta_events=True))).events
    envelope = orjson.loads(bus.to_json())

    assert envelope["routing"] == {"connector_uid": None, "connector_id": "", "scroll_id": str(SCROLL_ID)}
    assert envelope["event"] == {
        "type": "meta_event",
        "connector_id": "",
        "meta_event": {
            "id": "x0",
            "session_id": str(SCROLL_ID),
            "kind": "mode_changed",
            "created_at": at(0),
            "payload": [1, None],
        },
    }


async def test_own_bytes_are_the_same_in_every_replay(opened: Callable[..., Archive], root: Path, cache: Path) -> None:
    """Row 7: between `seq` and the end an event's bytes are the same in two replays, and after a restart."""
    archive = opened(*(message(f"m{number}", number) for number in range(3)))
    calls = [await replayed(archive), await replayed(archive)]
    for _ in range(2):
        with Archive.open(root, cache=cache) as another:
            calls.append(await replayed(another))
    own = [[own_bytes(bus) for bus in call.events] for call in calls]

    assert own[0] == own[1] == own[2] == own[3]
    assert len({call.events[0].to_json() for call in calls}) == 4


async def test_concurrent_replays_do_not_touch_each_other(opened: Callable[..., Archive]) -> None:
    """Row 7, past the shared bus: each replay is its own, whatever becomes of another."""
    archive = opened(*(message(f"m{number}", number) for number in range(50)))
    streams = [Collector(*[StreamOutcome.OK] * number, StreamClosed()) for number in range(10)]
    replays: list[Awaitable[ReplayReport]] = [replay_session_to_stream(archive, SCROLL_ID, each) for each in streams]
    reports = await asyncio.gather(*replays)

    assert [report.events_sent for report in reports] == list(range(10))
