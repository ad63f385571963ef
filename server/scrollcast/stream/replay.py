"""`replay_session_to_stream`: an archived session played to any object that takes events, without a server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias
from uuid import UUID, uuid4

import orjson

from scrollcast.archive.archive import Archive
from scrollcast.archive.index import EventBlock, SessionIndex
from scrollcast.errors import StreamClosed
from scrollcast.model import Event, Message, MetaEvent, Session
from scrollcast.playback.commands import Mode, check_field, check_idle, check_speed
from scrollcast.playback.player import Deliver, Player, Status
from scrollcast.playback.timeline import Timeline
from scrollcast.stream.wire import Envelope

__all__ = [
    "BusEvent",
    "MessageCompleted",
    "MetaEventReceived",
    "Origin",
    "ReplayOptions",
    "ReplayReport",
    "ReplaySpeed",
    "ReplayStream",
    "Routing",
    "StreamOutcome",
    "replay_session_to_stream",
]

READ_EVENTS = 64
READ_BYTES = 256 << 10
"""How much is read at once in fast mode."""

log = logging.getLogger(__name__)


class ReplaySpeed(StrEnum):
    """How a replay is paced."""

    AS_FAST_AS_POSSIBLE = "fast"
    REALTIME = "realtime"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay. `multiplier` (0.1 to 100) and `idle` (the idle cap in seconds) are for realtime."""

    include_meta_events: bool = False
    speed: ReplaySpeed = ReplaySpeed.AS_FAST_AS_POSSIBLE
    multiplier: float = 1.0
    idle: float | None = None

    def __post_init__(self) -> None:
        check_field("multiplier", check_speed, self.multiplier)
        if self.idle is not None:
            check_field("idle", check_idle, self.idle)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did. `events_sent` counts attempts, failed ones included; `duration_ms` is clock time."""

    events_sent: int
    failures: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """What became of one event: `OK`, `SKIPPED`, or `failed` with the reason, which is counted and ends nothing."""

    kind: Literal["ok", "skipped", "failed"]
    error: object = None

    OK: ClassVar[StreamOutcome]
    SKIPPED: ClassVar[StreamOutcome]

    @classmethod
    def failed(cls, error: object) -> Self:
        """The event could not be taken, for this reason."""
        return cls("failed", error)


StreamOutcome.OK = StreamOutcome("ok")
StreamOutcome.SKIPPED = StreamOutcome("skipped")


@dataclass(frozen=True, slots=True)
class Routing:
    """Whose event it is."""

    connector_uid: UUID | None
    connector_id: str
    scroll_id: UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event comes from: every event of one replay has its `replay_id`."""

    replay_id: UUID
    type: Literal["replay"] = "replay"


@dataclass(frozen=True, slots=True)
class MessageCompleted:
    """An archived message, whole."""

    connector_id: str
    message: Message
    type: Literal["message_completed"] = "message_completed"


@dataclass(frozen=True, slots=True)
class MetaEventReceived:
    """An archived meta event."""

    connector_id: str
    meta_event: MetaEvent
    type: Literal["meta_event"] = "meta_event"


ReplayedEvent: TypeAlias = MessageCompleted | MetaEventReceived


@dataclass(frozen=True, slots=True)
class BusEvent:
    """One event with everything around it. `seq` and `t_ms` are its number and recorded time in milliseconds."""

    routing: Routing
    origin: Origin
    event: ReplayedEvent
    seq: int
    t_ms: int
    _json: bytes

    def to_json(self) -> bytes:
        """The `event` envelope of the protocol, without `gen`."""
        return self._json


class ReplayStream(Protocol):
    """Anything that takes events."""

    async def on_event(self, bus_event: BusEvent) -> StreamOutcome | None:
        """Take one event; `None` is as good as `OK`.

        Raise `StreamClosed` to end the replay; any other exception counts as failed.
        """
        ...


async def replay_session_to_stream(
    archive: Archive, scroll_id: UUID | str, stream: ReplayStream, options: ReplayOptions | None = None
) -> ReplayReport:
    """Replay a session to a stream, event by event, and report.

    Cancelling the call cancels the replay. A stream that raises `StreamClosed` ends it with the report so far, in
    which that attempt does not count.

    Raises:
        SessionNotFound: the archive has no such session.
        ArchiveError: it could not be read or decoded.
    """
    options = options or ReplayOptions()
    index = await archive.open_index(scroll_id, meta=options.include_meta_events)
    return await _Replay(index, stream, options).run()


class _Replay:
    """One call of `replay_session_to_stream`."""

    def __init__(self, index: SessionIndex, stream: ReplayStream, options: ReplayOptions) -> None:
        self._index = index
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._seen = index.openness
        self._player = Player(
            self._timeline(options.idle), self._started, mode=Mode(options.speed), speed=options.multiplier
        )
        self._origin = Origin(uuid4())
        self._routing = _routing(index.session)
        self._envelope = Envelope.of(index.session, {"type": "replay", "replay_id": self._origin.replay_id})
        self._sent = 0
        self._failures = 0

    async def run(self) -> ReplayReport:
        try:
            while self._player.status is not Status.ENDED:
                await self._turn()
        except StreamClosed:
            pass
        elapsed = self._loop.time() - self._started
        return ReplayReport(self._sent, self._failures, round(elapsed * 1000))

    async def _turn(self) -> None:
        self._grow()
        cursor = self._player.cursor
        if cursor < self._seen.count:
            self._player.allow(min(self._index.fit(cursor, READ_BYTES), cursor + READ_EVENTS, self._seen.count))
        else:
            self._player.allow(None)
        deadline = self._player.deadline
        if deadline is None:
            await self._index.changed(self._seen)
            return
        await asyncio.sleep(max(0.0, deadline - self._loop.time()))
        for output in self._player.advance(max(deadline, self._loop.time())):
            if isinstance(output, Deliver):
                await self._deliver(output)

    def _grow(self) -> None:
        if self._seen.complete:  # what comes later was not asked for
            return
        self._index.check()
        openness = self._index.openness
        if openness != self._seen:
            self._seen = openness
            self._player.grow(self._timeline(None))

    def _timeline(self, idle: float | None) -> Timeline:
        return Timeline(self._index.times, self._seen.count, self._seen.complete, idle)

    async def _deliver(self, run: Deliver) -> None:
        block = await self._index.read(run.start, run.stop)
        for seq in range(run.start, run.stop):
            if not await self._attempt(block, seq):
                self._failures += 1
            self._sent += 1

    async def _attempt(self, block: EventBlock, seq: int) -> bool:
        try:
            outcome = await self._stream.on_event(self._bus_event(block.event(seq)))
        except StreamClosed:
            raise
        except Exception as problem:
            log.info("the stream failed on event %d: %r", seq, problem)
            return False
        # A stream that answers nothing has nothing to complain of.
        return outcome is None or outcome.kind != "failed"

    def _bus_event(self, data: memoryview) -> BusEvent:
        own = orjson.loads(data)
        event = _event(own["event"])
        return BusEvent(self._routing, self._origin, event, own["seq"], own["t_ms"], self._envelope.wrap(data))


def _routing(session: Session) -> Routing:
    return Routing(session.connector_uid, session.connector_id, session.scroll_id)


def _event(value: Mapping[str, Any]) -> ReplayedEvent:
    inner: Event
    if value["type"] == "meta_event":
        inner = MetaEvent(**value["meta_event"])
        return MetaEventReceived(value["connector_id"], inner)
    inner = Message(**value["message"])
    return MessageCompleted(value["connector_id"], inner)
