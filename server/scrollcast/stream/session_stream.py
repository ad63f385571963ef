"""One connection replaying one session: one `Player`, one loop, no timer of its own but the next deadline."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from itertools import pairwise
from typing import Final, Literal, Protocol, TypeVar, assert_never
from uuid import uuid4

from scrollcast.archive.index import EventBlock, Openness, Runs, SessionIndex
from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.errors import (
    ArchiveError,
    BadCommand,
    PositionOutOfRange,
    SessionNotFound,
    TooManyBadCommands,
    TooManyCommands,
)
from scrollcast.model import WHOLE, Session, Span
from scrollcast.playback.commands import Control, SeekEvent, SeekSeq, SeekTime
from scrollcast.playback.player import CaughtUp, Changed, Deliver, Output, Player, Rewind, Skipped, Status
from scrollcast.playback.timeline import Timeline
from scrollcast.stream import buffers, wire
from scrollcast.stream.allowance import Allowance
from scrollcast.stream.pacer import Pacer
from scrollcast.stream.packed_runs import Packing
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.plain_play import AHEAD_EVENTS, PlainPlay
from scrollcast.stream.preview import cut_event, part_hrefs
from scrollcast.stream.rewriting import Rewriting, Watch
from scrollcast.tracing import span

__all__ = ["Connection", "SessionStream"]

MAX_BAD_COMMANDS: Final = 100
"""So many bad commands in a row are no mistake any more."""

MAX_COMMANDS_A_SECOND: Final = 200
"""Commands of one client, good and bad: more than a hand at a slider makes, and some 5 % of a core. An acknowledgement
of something new does not count."""

IDLE_ACK_SHARE: Final = 0.1
"""One of nothing new is this much of a command: a client may send it after each message, whatever that was."""

RUN_EVENTS: Final = 512
RUN_BYTES: Final = 1000 << 10
"""How much is sent before other connections get a turn: about a millisecond of work. Sixteen batches of 64 KiB, each of
which lacks some of it, are a little more: the last one is then not much shorter, and there is none of a few events."""

MAX_GROUP_BYTES: Final = 256 << 10
"""How much of several events, or batches, is read and written at once, without the heads of their messages: what that
costs beside the bytes is shared by four batches of 64 KiB. A client that stops reading holds no more than twice as
much."""

FILE_RUN_BYTES: Final = 40 << 10
"""Batches of this size and more are sent right from the file: each takes two system calls of its own, which cost more
than the copies of 32 KiB, and less than those of 48."""

AT_ONCE_EVENTS: Final = 4
"""What is due in a tick beyond so many events is sent by the coroutine, which writes many at a time."""

FIRST_AHEAD_EVENTS: Final = 4
"""So many are foreseen by a stream that goes to sleep, and more when all of them were sent: one that is woken often, by
commands or by what it follows, would have worked them out for nothing."""

SETTLE_SECONDS: Final = 0.1
SETTLE_BYTES: Final = 4 << 20
"""How long `hello` waits for a session that is read for the first time, so that most can say how long they are; a
larger one would not be read by then."""

LEAST_SECONDS: Final = 0.1
"""No replay closes sooner after it began: a short session is over before a client's answer to its first events is here,
and a seek that was sent in time must not find the door closed."""

LARGE_EVENT_BYTES: Final = 256 << 10
"""From this size on an event is cut for its preview in a thread."""

_LIMIT_STEP: Final = 256
"""The bytes of a batch are a multiple of it where runs are cut alike for all, whose heads differ by some digits."""

REOPEN_SECONDS: Final = 0.25
"""However often a session is replaced under its viewer, it is opened anew at most so often."""

REOPEN_PATIENCE_SECONDS: Final = 10.0
"""A session that was replaced may be missing or half-written for so long, before a replay that follows it ends."""

_T = TypeVar("_T")


class Connection(Protocol):
    """The other end of a stream: one message at a time, both ways. `sent_bytes` is what was written.

    One that knows of nothing better has `send_led` and `send_each` send message by message.
    """

    __slots__ = ()

    @property
    def sent_bytes(self) -> int:
        """All that was written to the client."""
        ...

    async def receive(self) -> str | bytes:
        """The next message. Cancelling it loses nothing. Raises `StreamClosed` when there is none to come."""
        ...

    async def send(self, message: bytes | bytearray) -> None:
        """Send one text message, waiting while the client does not read.

        Raises `StreamClosed` when the client is gone, `SlowClient` when it has not read for too long.
        """
        ...

    async def ready(self) -> None:
        """Wait as `send` would, and raise as it, so that nothing is read that has to lie in memory meanwhile."""
        return

    def lead(self, length: int) -> bytes:
        """What the connection wants to stand right before a message of so many bytes that is given to `send_led`."""
        return b""

    async def send_led(self, messages: bytearray, ends: Sequence[int]) -> bool:
        """Send text messages that lie one behind the other up to these offsets, each with its `lead` in front already;
        whether they may be written over now. Waits and raises as `send`."""
        for start, end in pairwise((0, *ends)):
            await self.send(messages[start:end])
        return True

    @property
    def file_sender(self) -> Callable[[int, Runs], None] | None:
        """What sends text messages that are laid out in the same way, the events' bytes from the open file that holds
        them; `None` for a connection that cannot, or while `send` might wait.

        It raises `ArchiveError` where the file no longer holds them; the connection is then cut.
        """
        return None

    async def send_each(self, head: bytes, block: EventBlock) -> None:
        """Send one text message an event, each after the same head in place of its first brace; the block may be
        written over afterwards. Waits and raises as `send`."""
        for tail in block.tails():
            await self.send(b"".join((head, tail)))

    def send_now(self, head: bytes, tail: bytes | bytearray, /) -> bool:
        """Send one text message, `tail` after `head`; `False`, with nothing sent, where that might wait, or fail."""
        ...


class SessionStream:
    """Replays a session over a connection, and obeys what comes back.

    `root_path` is the path prefix behind which the server's addresses are to be had (`""` for none). `pacer` and
    `rewriting` are those that all streams of a loop share. `max_commands` is how many the client may send in a second.
    Of the session only `span` is there for the client, and beside its events what `told` makes of it. `packing` is for
    a client that takes compressed messages.

    While it waits, what becomes due is sent right from the pacer's tick (`PlainPlay`, `do_at_once`), and the coroutine
    sleeps on: it is woken for whatever might have to wait.
    """

    # A dictionary of so many names would be the largest part of a viewer's memory that a tick has to touch.
    __slots__ = (
        "_acknowledged",
        "_allowance",
        "_archive",
        "_awake",
        "_bad_commands",
        "_bound",
        "_close_at",
        "_connection",
        "_envelope",
        "_epoch",
        "_failures",
        "_give_up_at",
        "_growing",
        "_heartbeat_at",
        "_index",
        "_is_open",
        "_live",
        "_live_from",
        "_loop",
        "_may_be_changed",
        "_owed_reply",
        "_pacer",
        "_packing",
        "_parameters",
        "_plain",
        "_player",
        "_receiving",
        "_reopen_at",
        "_replayed",
        "_rest",
        "_rewriting",
        "_root_path",
        "_scroll_id",
        "_seen",
        "_sent",
        "_span",
        "_started",
        "_told",
        "_told_redacted",
        "_told_skipped",
        "_watch",
        "refused",
        "replay_id",
        "seeks",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        archive: AnyArchive,
        scroll_id: str,
        parameters: ReplayParameters,
        *,
        root_path: str = "",
        pacer: Pacer | None = None,
        rewriting: Rewriting | None = None,
        max_commands: int = MAX_COMMANDS_A_SECOND,
        span: Span = WHOLE,
        told: Callable[[Session], Session] = lambda session: session,
        packing: Packing | None = None,
    ) -> None:
        self._connection = connection
        self._root_path = root_path
        self._archive = archive
        self._scroll_id = scroll_id
        self._parameters = parameters
        self._span = span
        self._told = told
        self._packing = packing
        self._may_be_changed = parameters.preview is not None or packing is not None  # before it is sent, an event
        self.replay_id = uuid4()
        self._loop = asyncio.get_running_loop()
        self._pacer = pacer or Pacer()
        self._plain = PlainPlay(self._pacer, self, connection.send_now)
        self._rewriting = rewriting or Rewriting()
        self._watch: Watch | None = None  # over the index, once that is complete
        self._awake: asyncio.Future[None] | None = None  # what the coroutine waits for
        self._rest: list[Output] = []  # what a tick left for the coroutine
        self._bound = -1  # the player was allowed to deliver the events before this one
        self._sent = 0
        self.seeks = 0
        self.refused = 0  # bad commands
        self._is_open = False  # whether there is a player
        self._allowance = Allowance(max_commands, self._loop.time())
        self._failures = 0
        self._bad_commands = 0
        self._acknowledged = 0
        self._close_at = math.inf  # set by an end, unset by a seek away from it
        self._live_from = sys.maxsize  # the first event that was written after the client had caught up
        self._told_skipped = 0  # of how many bad records the client knows
        self._told_redacted = 0  # of how many secrets it knows that they were taken out
        self._growing: asyncio.Future[None] | None = None  # done when the index is further than was seen
        self._reopen_at = -math.inf  # when the session may be opened anew
        self._give_up_at = math.inf  # when an error of the archive ends a replay that follows it
        # The reply to a step forward comes when its last event has been sent, or when something else cuts it short.
        self._owed_reply: tuple[bool, str | None] | None = None

    async def run(self) -> None:
        """The whole replay: until its end (with `hold`, until the client goes).

        Raises:
            SessionNotFound, ArchiveError, PositionOutOfRange: nothing, or no more, can be played.
            StreamClosed, SlowClient: the client is gone, or has to go.
            TooManyBadCommands, CommandTooLarge: the client does not speak the protocol.
            TooManyCommands: it speaks too much of it.
        """
        self._started = self._loop.time()
        self._heartbeat_at = self._started + wire.HEARTBEAT_SECONDS
        self._listen()
        try:
            async with self._following():
                self._pacer.poll()
                await self._open_for_client()
                self._pacer.poll()
                while not self._finished:
                    await self._turn()
        finally:
            if self._growing is not None:
                self._growing.cancel()
            self._unwatch()
            self._plain.close()
            self._receiving.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._receiving

    def _following(self) -> AbstractAsyncContextManager[None]:
        if not self._parameters.follow:
            return nullcontext()
        return self._archive.following(self._scroll_id, meta=self._parameters.meta)

    @property
    def sent(self) -> int:
        """How many events were sent."""
        return self._sent + self._plain.untold

    @property
    def sent_bytes(self) -> int:
        """All that was written to the client."""
        return self._connection.sent_bytes

    @property
    def state(self) -> str:
        """What it is doing: `opening`, or the status of its player."""
        return self._player.status if self._is_open else "opening"

    def farewell(self) -> bytes | None:
        """What a client is told before the server stops: where to go on. `None` before it knows what it plays."""
        if not self._is_open:
            return None
        # In the middle of a run nobody but the client knows how far it came.
        is_known = self._awake is not None and not self._rest
        return wire.encode_notice(
            "info",
            "server_stopping",
            "the server stops or restarts; come back and resume",
            epoch=self._epoch,
            **({"start_seq": self._player.cursor + self._plain.untold} if is_known else {}),
        )

    def _listen(self) -> None:
        self._receiving = self._loop.create_task(self._receive())
        self._receiving.add_done_callback(self.wake)

    async def _receive(self) -> str | bytes:
        return await self._connection.receive()

    # ---------------------------------------------------------------------------------------------------- opening

    async def _open_for_client(self) -> None:
        """Open the session, however long that takes, unless the client goes before that is done."""
        opening = self._loop.create_task(self._open())
        try:
            await asyncio.wait((opening, self._receiving), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                self._receiving.result()  # raises where the client is gone; what it asks for has time
            await opening
        finally:
            opening.cancel()

    async def _open(self) -> None:
        with span("open"):
            self._index = await self._open_index()
        self._pacer.poll()  # of many who connect at once, each does its part in the same round of the loop
        if self._index.source_bytes <= SETTLE_BYTES:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._index.finish()
        resume, start = await self._resolve_start()
        self._see(self._index)
        self._epoch = self._index.epoch
        now = self._loop.time()
        # Who resumes has what lies before, even if it might still change.
        reached = min(start.seq, self._index.count) if isinstance(start, SeekSeq) else 0
        self._player = Player(
            self._timeline(self._parameters.idle, reached),
            now,
            mode=self._parameters.mode,
            speed=self._parameters.speed,
            paused=self._parameters.paused,
            start=start,
            follow=self._parameters.follow,
        )
        self._is_open = True
        self._begin_generation()
        await self._send_hello(resume)
        if self._seen.complete:
            await self._send_losses()

    async def _open_index(self) -> SessionIndex:
        index = await self._archive.open_index(self._scroll_id, meta=self._parameters.meta)
        index.check()
        if self._span.from_ms is not None:
            await index.reach_time(self._span.from_ms)  # where the span begins is known only then
        if self._parameters.follow:
            await self._archive.let_grow(index)
        return index

    def _see(self, index: SessionIndex) -> None:
        """Play from this index, as far as it has come; that it was superseded since is still to be noticed."""
        if self._growing is not None:
            self._growing.cancel()
            self._growing = None
        self._unwatch()
        self._index, self._seen = index, replace(index.openness, superseded=False)
        self._plain.kept = {} if self._may_be_changed else index.hot

    async def _resolve_start(self) -> tuple[wire.Resume, SeekTime | SeekSeq]:
        """Whether this is a resume, and where playback begins."""
        start = self._parameters.start
        if isinstance(start, SeekTime):
            await self._index.reach_time(start.t_ms)
            return "none", start
        if not await self._is_resumed_epoch(start.seq):
            return "reset", SeekSeq(0)
        _, stop = self._span.places(self._index.times, self._index.count)
        if start.seq > stop:
            raise PositionOutOfRange("start_seq", f"{start.seq} is beyond the end, which is {stop}")
        return "continued" if self._parameters.resumes else "none", start

    async def _is_resumed_epoch(self, seq: int) -> bool:
        """Whether the events before `seq` are those that the client has, where it resumes."""
        if not self._parameters.resumes:
            await self._index.reach(seq - 1)
            return True
        if self._parameters.epoch != self._index.epoch:
            return False
        await self._index.reach(seq - 1)
        return self._parameters.epoch == self._index.epoch  # it may have turned out to be another while it was read

    def _timeline(self, idle: float | None, at_least: int = 0) -> Timeline:
        index, seen = self._index, self._seen
        count = max(at_least, self._count_of(seen))
        first, stop = self._span.places(index.times, count)
        return Timeline(
            index.times,
            stop,
            seen.complete or stop < count,
            idle,
            index.turns,
            index.tools,
            index.errors,
            index.reading,
            first=first,
        )

    def _count_of(self, openness: Openness) -> int:
        """How many events this client may have: who follows does not get what may still change."""
        return openness.shown if self._parameters.follow else openness.count

    async def _send_hello(self, resume: wire.Resume) -> None:
        index, complete, timeline = self._index, self._seen.complete, self._player.timeline
        session = replace(self._told(index.session), live=await self._is_live())
        if (complete and not self._parameters.meta) or not self._span.is_whole:
            count = timeline.count - timeline.first
            session = replace(session, count=count, duration_ms=timeline.duration_ms - timeline.start_ms)
        await self._send(
            wire.encode_hello(
                replay_id=self.replay_id,
                epoch=index.epoch,
                resume=resume,
                session=session,
                first=timeline.first,
                count=timeline.count,
                duration_ms=timeline.duration_ms,
                complete=timeline.complete,
                live=self._parameters.follow and session.live,
                snapshot=self._player.snapshot(self._loop.time()),
            )
        )

    async def _send_losses(self) -> None:
        """Tell of bad records, and of secrets that were taken out, that the client does not know of."""
        await self._send_skipped_records()
        count = self._index.redacted - self._told_redacted
        if count > 0:
            self._told_redacted += count
            text = f"{count} secrets were" if count > 1 else "1 secret was"
            await self._send(wire.encode_notice("info", "redacted", f"{text} replaced by placeholders", count=count))

    async def _send_skipped_records(self) -> None:
        index = self._index
        count = index.skipped_count - self._told_skipped
        if count > 0:
            text = f"{count} records could not be read and were skipped"
            lines = index.skipped_lines[self._told_skipped : index.skipped_count]
            self._told_skipped = index.skipped_count
            await self._send(wire.encode_notice("warning", "records_skipped", text, count=count, lines=lines))

    # --------------------------------------------------------------------------------------------------- the loop

    async def _turn(self) -> None:
        """Send what is due, wait for what comes first, and deal with it."""
        await self._notice_growth()
        await self._notice_rewriting()
        self._allow()
        await self._obey(self._player.advance(self._clock()))
        await self._reply_to_step()
        if self._finished:
            return
        await self._wait()
        rest, self._rest = self._rest, []
        await self._obey(rest)
        while self._receiving.done() and not self._finished:
            message = self._receiving.result()
            self._listen()
            await self._handle(message)
        await self._beat()

    def _clock(self) -> float:
        """The loop's time, never before the deadline that was waited for: timers may fire early."""
        now, deadline = self._loop.time(), self._player.deadline
        # A loop may wake within its clock's resolution of the deadline; anything earlier is another's wake-up.
        return deadline if deadline is not None and now < deadline <= now + 0.0005 else now

    @property
    def _finished(self) -> bool:
        """Whether the end was reached and nothing can come of waiting any longer."""
        return self._loop.time() >= self._close_at

    async def _wait(self) -> None:
        until = self.look_ahead(FIRST_AHEAD_EVENTS)
        if until <= self._loop.time():
            await asyncio.sleep(0)  # other connections' turn
            return
        if self._parameters.follow or not self._seen.complete:
            if self._growing is None or self._growing.done():
                self._growing = self._index.changed(self._seen)
                self._growing.add_done_callback(self.wake)
            if self._growing.done():
                return
        if self._receiving.done() or self._is_rewritten:
            return
        self._awake = self._loop.create_future()
        self._plain.set(until)
        try:
            await self._awake
        finally:
            self._awake = None
            self._plain.cancel()
            self._tell_player()
            self._plain.forget()

    def wake(self, _done: object = None) -> None:
        """Let the coroutine look what there is to do."""
        self._plain.cancel()
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    def fail(self, problem: Exception) -> None:
        """Have the coroutine raise what went wrong in a tick, unless it has reason to wake up already."""
        if self._awake is not None and not self._awake.done():
            self._awake.set_exception(problem)

    def look_ahead(self, most: int) -> float:
        """When there is something to do, though nobody asks. So many events at most are foreseen, if all is plain."""
        self._tell_player()
        player = self._player
        if player.cursor >= self._bound:
            self._allow()
        busy_at = min(self._heartbeat_at, self._close_at)
        deadline = player.deadline
        self._plain.foresee(player.cursor, player.foresee(min(most, self._live_from - player.cursor)), busy_at)
        return busy_at if deadline is None or busy_at < deadline else deadline

    def _tell_player(self) -> None:
        """Let the player know what was sent while it was not asked."""
        sent = self._plain.tell()
        self._player.pass_on(sent)
        self._sent += sent

    # ----------------------------------------------------------------------------------------------------- a tick

    def do_at_once(self, now: float) -> float | None:
        """Do all that is due while the coroutine sleeps, and return when there is more to do; `None` where it has to do
        the rest."""
        self._tell_player()
        if now >= self._close_at:
            return None
        outputs = self._player.advance(now)
        for place, output in enumerate(outputs):
            left = self._deliver_at_once(output) if isinstance(output, Deliver) else output
            if left is not None:
                self._rest = [left, *outputs[place + 1 :]]
                return None
        if self.beat_at_once(now) <= now:
            return None
        until = self.look_ahead(AHEAD_EVENTS)
        return until if until > now else None

    def beat_at_once(self, now: float) -> float:
        """Send a heartbeat if it is time for one, and return when there is next something to do beside events; a moment
        that is over where that takes more than a tick."""
        if now >= self._heartbeat_at:
            self._tell_player()
            if self._connection.send_now(b"", wire.encode_heartbeat(self._player.snapshot(now))):
                self._heartbeat_at = now + wire.HEARTBEAT_SECONDS
        return min(self._heartbeat_at, self._close_at)

    def _deliver_at_once(self, run: Deliver) -> Deliver | None:
        """Send a run of events, unless that takes more than to send them; what is left of it."""
        if run.stop - run.start > (1 if self._parameters.batch else AT_ONCE_EVENTS):
            return run
        for seq in range(run.start, run.stop):
            if not self.send_at_once(seq):
                return Deliver(seq, run.stop)
            self._sent += 1
        return None

    def send_at_once(self, seq: int) -> bool:
        """Send an event by itself, unless that takes more than to send it."""
        if seq >= self._live_from:
            return False
        if self._may_be_changed and (self._needs_preview(seq, seq + 1) or self._packs(seq, seq + 1)):
            return False
        tail = self._index.read_tail_at_once(seq)
        return tail is not None and self._connection.send_now(self._replayed.head, tail)

    # ------------------------------------------------------------------------------------------------ what is known

    def _allow(self) -> None:
        """Hold the player to one run of messages, and to the client's window."""
        cursor, count = self._player.cursor, self._player.timeline.count
        if cursor >= count:
            self._bound = -1
            self._player.allow(None)
            return
        stop = self._index.fit(cursor, max(RUN_BYTES, self._parameters.batch))
        if not self._parameters.batch:
            stop = min(stop, cursor + RUN_EVENTS)
        elif self._packing is not None:
            stop = self._fit(stop - 1, count)  # a run that ended elsewhere would be this client's own
        if self._parameters.window is not None:
            stop = min(stop, self._acknowledged + self._parameters.window)
        self._bound = min(stop, count)
        self._player.allow(self._bound)

    async def _notice_growth(self) -> None:
        """Let the player know of events that were read since; one that does not follow plays what there was."""
        if self._seen.complete and not self._parameters.follow:
            return
        if self._index.failure is not None:
            self._bear(self._index.failure)
        before, now = self._seen, self._index.openness
        if self._index.failure is None and now == before:
            return
        if self._index.failure is not None or now.superseded:
            await self._change_index()
        else:
            self._seen = now
            await self._go_on(self._player.cursor)
        self._allow()
        if self._seen.complete:
            self._give_up_at = math.inf
            if not before.complete:
                await self._send_complete()
            await self._send_losses()

    async def _go_on(self, at_least: int) -> None:
        """Play on with what is known by now, where that holds the `at_least` first events as they were sent."""
        if self._index.epoch != self._epoch or self._index.count < at_least:
            await self._start_over()
            return
        timeline = self._timeline(None, at_least)
        if timeline.first <= self._player.cursor:
            self._player.grow(timeline)
            return
        # All that was there lay before what the client may see: it goes on behind what is written before that, too.
        await self._obey(self._player.replace(timeline, self._loop.time()))
        await self._reply(did_seek=True, request_id=None)

    async def _is_live(self) -> bool:
        try:
            return (await asyncio.to_thread(self._archive.session, self._scroll_id)).live
        except SessionNotFound:  # it was there a moment ago
            return False

    async def _send_complete(self) -> None:
        timeline = self._player.timeline
        span = {"first_seq": timeline.first, "next_seq": timeline.count, "duration_ms": timeline.duration_ms}
        span["live"] = self._parameters.follow and await self._is_live()
        await self._send(wire.encode_notice("info", "index_complete", "the whole session was read", range=span))

    async def _change_index(self) -> None:
        """Go on with the index of the session as it is now: where it was, if that holds the events that were sent."""
        cursor = self._player.cursor
        self._see(await self._patiently(self._reopen(cursor)))
        await self._go_on(cursor)

    async def _reopen(self, cursor: int) -> SessionIndex:
        """The new index, as soon as it has as many events as were sent, or all.

        A session that is being replaced may be missing or half-written for a moment.
        """
        while True:
            await asyncio.sleep(self._reopen_at - self._loop.time())
            self._reopen_at = self._loop.time() + REOPEN_SECONDS
            try:
                index = await self._open_index()
                await index.reach(max(0, cursor - 1))
            except ArchiveError as problem:
                self._bear(problem)
            else:
                return index

    def _bear(self, problem: ArchiveError) -> None:
        """Raise what went wrong, unless the session is followed and it has not been so for long."""
        now = self._loop.time()
        self._give_up_at = min(self._give_up_at, now + REOPEN_PATIENCE_SECONDS)
        if not self._parameters.follow or now >= self._give_up_at:
            raise problem

    async def _start_over(self) -> None:
        """Play what the archive was rewritten to, from its beginning."""
        self._epoch, self._live_from = self._index.epoch, sys.maxsize
        self._told_skipped = self._told_redacted = 0
        text = "the archive was rewritten; it is played from its beginning"
        await self._send(wire.encode_notice("warning", "archive_rewritten", text, epoch=self._epoch))
        await self._obey(self._player.replace(self._timeline(None), self._loop.time()))

    async def _beat(self) -> None:
        now = self._loop.time()
        if now >= self._heartbeat_at:
            self._heartbeat_at = now + wire.HEARTBEAT_SECONDS
            await self._send(wire.encode_heartbeat(self._player.snapshot(now)))

    async def _patiently(self, awaitable: Awaitable[_T]) -> _T:
        """Wait for the archive without missing a heartbeat."""
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                await asyncio.wait((task,), timeout=self._heartbeat_at - self._loop.time())
                await self._beat()
            return task.result()
        finally:
            task.cancel()

    async def _notice_rewriting(self) -> None:
        """Start over when the archive was rewritten; one that only grew is played as it was."""
        if self._parameters.follow or not self._seen.complete:
            return
        if self._watch is None:
            self._watch = self._rewriting.watch(self._archive, self._index, self.wake)
        if self._is_rewritten:
            self._see(await self._open_index())
            await self._start_over()

    @property
    def _is_rewritten(self) -> bool:
        return self._watch is not None and self._watch.is_rewritten()

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.leave(self.wake)
            self._watch = None

    # -------------------------------------------------------------------------------------------------- commands

    async def _handle(self, message: str | bytes) -> None:
        try:
            command = wire.decode_command(message)
            if isinstance(command, wire.ClientControl):
                self._count_command()
                await self._control(command)
            elif isinstance(command, wire.Ack):
                self._acknowledge(command.seq)
            else:
                assert_never(command)
        except BadCommand as problem:
            await self._refuse(problem)
        else:
            self._bad_commands = 0

    def _acknowledge(self, seq: int) -> None:
        reached = min(seq + 1, self._player.cursor)
        if reached <= self._acknowledged:
            self._count_command(IDLE_ACK_SHARE)
        self._acknowledged = max(self._acknowledged, reached)

    def _count_command(self, share: float = 1.0) -> None:
        if not self._allowance.take(self._loop.time(), share):
            raise TooManyCommands(self._allowance.a_second)

    async def _refuse(self, problem: BadCommand) -> None:
        self._count_command()
        self.refused += 1
        if type(problem) is not BadCommand:  # it is the end, and told as such
            raise problem
        await self._send(wire.encode_error("bad_command", str(problem), request_id=problem.request_id))
        self._bad_commands += 1
        if self._bad_commands >= MAX_BAD_COMMANDS:
            raise TooManyBadCommands(f"{MAX_BAD_COMMANDS} bad commands in a row")

    async def _control(self, command: wire.ClientControl) -> None:
        control = await self._resolve(command)
        await self._notice_growth()
        # First what was due before the command: an end that had been reached is told as it was.
        now = self._clock()
        await self._obey(self._player.advance(now))
        await self._reply_to_step()
        if self._finished:
            return
        if control != Control() and self._owed_reply:  # this one cuts the step short
            await self._reply(*self._owed_reply)
            self._owed_reply = None
        gen = self._player.gen
        await self._obey(self._player.handle(control, now))
        did_seek = self._player.gen != gen
        self.seeks += did_seek
        if self._player.stepping and control.step:
            self._owed_reply = (did_seek, command.request_id)
        else:
            await self._reply(did_seek, command.request_id)

    async def _resolve(self, command: wire.ClientControl) -> Control:
        """The command with what only the archive knows looked up, and with as much of the session read as it needs."""
        if command.control.seek is None and command.control.step is None:
            return command.control
        with span("seek"):
            return await self._look_up(command)

    async def _look_up(self, command: wire.ClientControl) -> Control:
        control, index = command.control, self._index
        if control.step is not None:
            await self._patiently(index.finish())
        match control.seek:
            case SeekTime(t_ms):
                await self._patiently(index.reach_time(t_ms))
            case SeekSeq(seq):
                await self._patiently(index.reach(seq))
            case SeekEvent(event_id):
                seq_found = await self._patiently(index.find(event_id))
                first, stop = self._span.places(index.times, index.count)
                if seq_found is None or not first <= seq_found < stop:
                    raise BadCommand(f"there is no message {event_id[:100]!r}", command.request_id)
                return replace(control, seek=SeekSeq(seq_found))
            case None:
                pass
            case _:
                assert_never(control.seek)
        return control

    async def _reply(self, did_seek: bool, request_id: str | None) -> None:
        snapshot = self._player.snapshot(self._loop.time())
        await self._send(wire.encode_state(snapshot, did_seek=did_seek, request_id=request_id))

    async def _reply_to_step(self) -> None:
        if self._owed_reply and not self._player.stepping:
            owed, self._owed_reply = self._owed_reply, None
            await self._reply(*owed)

    # --------------------------------------------------------------------------------------------------- outputs

    async def _obey(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Deliver(start, stop):
                    await self._deliver(start, stop)
                case Skipped(from_ms, to_ms):
                    await self._send(wire.encode_skipped(from_ms, to_ms))
                case Rewind():
                    self._begin_generation()
                case Changed(Status.ENDED):
                    await self._end()
                case Changed():
                    await self._send(wire.encode_state(self._player.snapshot(self._loop.time())))
                case CaughtUp(seq):
                    self._live_from = min(self._live_from, seq)
                    await self._send(wire.encode_caught_up(seq))
                case _:
                    assert_never(output)

    def _begin_generation(self) -> None:
        self._replayed = self._live = self._envelope = self._make_envelope("replay")
        self._plain.head = self._replayed.head
        if self._parameters.follow:
            self._live = self._make_envelope("live")
        self._acknowledged = self._player.cursor
        self._close_at = math.inf

    def _make_envelope(self, origin: Literal["replay", "live"]) -> wire.Envelope:
        named = {"type": origin, "replay_id": self.replay_id}
        return wire.Envelope.of(self._index.session, named, self._player.gen)

    async def _end(self) -> None:
        now = self._loop.time()
        await self._send(wire.encode_state(self._player.snapshot(now)))
        timeline = self._player.timeline
        is_cut_short = self._index.truncated and timeline.count == self._seen.count
        await self._send(
            wire.encode_end(
                "truncated" if is_cut_short else "completed",
                timeline.count - 1 if timeline.count > timeline.first else None,
                sent=self.sent,
                failures=self._failures,
                duration_ms=round((now - self._started) * 1000),
            )
        )
        if not self._parameters.hold:
            self._close_at = max(now, self._started + LEAST_SECONDS)

    async def _deliver(self, start: int, stop: int) -> None:
        """Send a run of events, in messages of as many as the client takes in one."""
        self._sent += stop - start
        while start < stop:
            await self._connection.ready()
            self._envelope = self._replayed if start < self._live_from else self._live
            end = stop if start >= self._live_from else min(stop, self._live_from)
            if self._parameters.batch:
                end = await self._deliver_batches(start, end)
            else:
                end = self._index.fit(start, MAX_GROUP_BYTES, end)
                await self._deliver_run(start, end)
            self._pacer.poll()  # a run of messages may take longer than those in realtime can wait
            start = end

    async def _deliver_batches(self, start: int, stop: int) -> int:
        """Send the next batch of a run, or as many as go into one write as they are; where the next one begins."""
        end = self._fit(start, stop)
        if not self._goes_as_it_is(start, end):
            await self._deliver_run(start, end)
            return end
        seqs = [start, end]
        while end < stop:
            begin, end = end, self._fit(end, stop)
            if self._index.size_of(start, end) > MAX_GROUP_BYTES or not self._goes_as_it_is(begin, end):
                break
            seqs.append(end)
        head, tail = self._envelope.batch_head, self._envelope.BATCH_TAIL
        runs = self._index.lay_out(seqs, head, tail, self._connection.lead)
        if not self._send_from_file(runs):
            messages = await self._index.read_runs(runs, buffers.take)
            if await self._connection.send_led(messages, runs.ends):
                buffers.give_back(messages)
        return seqs[-1]

    def _send_from_file(self, runs: Runs) -> bool:
        """Send messages right from the file, where that can be and is worth the system calls it takes."""
        if runs.ends[-1] < FILE_RUN_BYTES * len(runs.places) or (send := self._connection.file_sender) is None:
            return False
        file = self._index.file_of(runs)
        if file is None:
            return False
        send(file, runs)
        return True

    def _goes_as_it_is(self, start: int, stop: int) -> bool:
        """Whether these events are several, and sent as they lie in the index."""
        return stop - start > 1 and not (
            self._may_be_changed and (self._needs_preview(start, stop) or self._packs(start, stop))
        )

    async def _deliver_run(self, start: int, stop: int) -> None:
        """Send events one a message, or a batch that does not go as it is."""
        if self._needs_preview(start, stop):
            await self._deliver_cut(await self._index.read(start, stop), start, stop)
        elif self._parameters.batch and stop - start > 1:
            await self._deliver_packed(self._envelope.batch_head, start, stop)
        else:
            await self._deliver_each(start, stop)

    async def _deliver_each(self, start: int, stop: int) -> None:
        """Send events one a message: those that are worth it compressed, the others between them together."""
        if self._packing is not None:
            for seq in range(start, stop):
                if self._packs(seq, seq + 1):
                    await self._send_each(start, seq)
                    await self._deliver_packed(self._envelope.head, seq, seq + 1)
                    start = seq + 1
        await self._send_each(start, stop)

    async def _send_each(self, start: int, stop: int) -> None:
        if start < stop:
            block = await self._index.read(start, stop, buffers.take)
            await self._connection.send_each(self._envelope.head, block)
            buffers.give_back(block.buffer)

    def _packs(self, start: int, stop: int) -> bool:
        """Whether the client gets these events compressed."""
        return self._packing is not None and self._packing.runs.takes(self._index.size_of(start, stop))

    async def _deliver_packed(self, head: bytes, start: int, stop: int) -> None:
        assert self._packing is not None
        await self._packing.send(head, await self._packing.runs.of(self._index, start, stop))

    def _fit(self, start: int, stop: int) -> int:
        """The end of a batch, `stop` at the latest, so that it is about as large as the client asked for."""
        limit = self._parameters.batch - len(self._envelope.batch_head)
        if self._packing is None:
            return self._index.fit(start, limit, stop)
        return min(stop, self._index.cut(start, limit // _LIMIT_STEP * _LIMIT_STEP))

    def _needs_preview(self, start: int, stop: int) -> bool:
        # An event no longer than the limit has no part that is.
        limit = self._parameters.preview
        return limit is not None and any(self._index.size_of(seq, seq + 1) > limit for seq in range(start, stop))

    async def _deliver_cut(self, block: EventBlock, start: int, stop: int) -> None:
        events = []
        for seq in range(start, stop):
            try:
                events.append(await self._cut(seq, block.event(seq)))
            except Exception:  # one bad event never aborts a replay
                self._failures += 1
        if self._parameters.batch and len(events) > 1:
            await self._send(b"".join((self._envelope.batch_head, b",".join(events), self._envelope.BATCH_TAIL)))
        else:
            for event in events:
                await self._send(self._envelope.wrap(event))

    async def _cut(self, seq: int, event: memoryview) -> bytes:
        limit = self._parameters.preview or 0
        if len(event) <= limit:
            return bytes(event)
        scroll_id, meta = self._index.session.scroll_id, self._parameters.meta
        hrefs = part_hrefs(scroll_id, seq, meta=meta, root_path=self._root_path)
        if len(event) > LARGE_EVENT_BYTES:
            return await asyncio.to_thread(cut_event, event, limit, hrefs)
        return cut_event(event, limit, hrefs)

    async def _send(self, message: bytes | bytearray) -> None:
        await self._connection.send(message)
