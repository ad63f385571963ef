"""What a person at the terminal watches: one replay after the other of the same session, and what the keys ask of it.

The twin of the page's `player-store.js`: it asks, and what it shows changes when the replay says so.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from scrollcast.client import Hello, Item, Notice, Replay, ReplayEvent, ReplayState, Skipped
from scrollcast.client.asking import Mode, Parameters, Unit
from scrollcast.errors import CommandRefused, ReplayError, ReplayLost, SessionRewritten
from scrollcast.terminal.conversation import Conversation, speaker_of
from scrollcast.terminal.playhead import Pace, Playhead
from scrollcast.terminal.source import PREVIEW_BYTES, Source
from scrollcast.terminal.status import Facts, pace_words
from scrollcast.terminal.text import first_words

__all__ = ["DEFAULT_IDLE", "PACES", "SPEEDS", "Watch", "Wish"]

SPEEDS: Final[tuple[float, ...]] = (0.25, 0.5, 1, 1.5, 2, 4, 8, 16, 32, 64)
"""To choose from; beyond the last is as fast as possible."""

PaceChoice: TypeAlias = float | Literal["reading"] | None

PACES: Final[tuple[PaceChoice, ...]] = (None, 10, 5, 2, 1, "reading")

DEFAULT_IDLE: Final = 5.0
"""Nobody waits for 25 minutes who did not ask to."""

NEAR_MS: Final = 5_000
FAR_MS: Final = 10_000

RESTART_MS: Final = 2_000
"""Pressing "previous" this soon after a turn began means the one before it, as on any player."""

END_MS: Final = 10**12
"""Later than any session lasts: a seek to there is a seek to the end, wherever that is by now."""

WINDOW_EVENTS: Final = 256
"""So far the stream may run ahead of what was drawn."""

HISTORY_EVENTS: Final = 60
"""So much before the place of a seek is fetched, so that one sees where one is."""

KINDS: Final[Mapping[str, Unit]] = {"turn": "turn", "tool": "tool", "error": "error"}


@dataclass(frozen=True, slots=True)
class Wish:
    """How it is to be played at first. `start_ms` is recorded time. With `follow` `None` a session that is
    being written is followed."""

    mode: Mode = "realtime"
    speed: float = 1.0
    idle: float | None = DEFAULT_IDLE
    start_ms: int = 0
    follow: bool | None = None
    meta: bool = False


class Watch:
    """A session as it is watched. `changed` is called after every change; `now` gives seconds of a steady clock."""

    def __init__(self, source: Source, wish: Wish, changed: Callable[[], None], now: Callable[[], float]) -> None:
        self.conversation = Conversation()
        self.session: Mapping[str, Any] = {}
        self.failure = ""
        self.said = ""
        self._source = source
        self._wish = wish
        self._changed = changed
        self._now = now
        self._replay: Replay | None = None
        self._state: ReplayState | None = None
        self._paced: Mode = "reading" if wish.mode == "reading" else "realtime"
        self._meta = wish.meta
        self._live = False
        self._cursor = 0
        self._count = 0
        self._duration_ms = 0
        self._playhead = Playhead(Pace())
        self._pending: float | None = None  # where a seek leads that was not answered yet
        self._seeks = 0
        self._ahead: int | None = None  # the cursor as it will be: who presses a key twice means the one after the next
        self._marks: dict[str, list[tuple[int, int, str]]] = {kind: [] for kind in KINDS}
        self._has_timeline = False
        self._is_thinned = False
        self._gaps: list[tuple[int, int]] = []
        self._hits: list[tuple[int, int]] = []
        self._words = ""
        self._era = 0  # grows when what was asked for before is of no use any more
        self._gen = -1
        self._loading = False
        self._retry = asyncio.Event()
        self._is_over = False
        self._starts_anew = False
        self._tasks: set[asyncio.Task[None]] = set()

    # ----------------------------------------------------------------------------------------------------- playing

    async def run(self) -> None:
        """Play until it is left, or nothing more can be played: `failure` says why."""
        start_ms, paused = self._wish.start_ms, False
        if self._wish.follow is None:
            with suppress(ReplayError):
                self._live = bool((await self._source.session()).get("live"))
        self._ask(self._fetch_timeline())
        while not self._is_over:
            self._starts_anew = False
            try:
                await self._play(start_ms, paused)
            except SessionRewritten:
                self._tell("The session was written anew: from its beginning")
                self._begin_era()
                self._hits, start_ms, paused = [], 0, self._standing == "paused"
                self._ask(self._fetch_timeline())
                continue
            except ReplayLost as problem:
                self.failure = f"{problem} – Space tries again"
                self._changed()
                self._retry.clear()
                await self._retry.wait()
            except ReplayError as problem:
                self.failure = str(problem)
                self._changed()
                return
            if not self._starts_anew and not self.failure:
                return
            self.failure = ""
            start_ms, paused = self._place_to_come_back(), self._standing == "paused"

    async def _play(self, start_ms: int, paused: bool) -> None:
        state = self._state
        parameters: Parameters = {
            "mode": self._wish.mode if state is None else _mode(state),
            "speed": self._wish.speed if state is None else state.speed,
            "idle": self._wish.idle if state is None else state.idle,
            "start_ms": start_ms, "paused": paused, "meta": self._meta, "hold": True,
            "follow": self._live if self._wish.follow is None else self._wish.follow,
            "window": WINDOW_EVENTS, "preview": PREVIEW_BYTES,
        }  # fmt: skip
        if parameters["idle"] is None:
            del parameters["idle"]
        self._gen = -1
        async with self._source.connect(**parameters) as replay:
            self._replay = replay
            try:
                async for item in replay.items():
                    self._take(item)
                    self._changed()
            finally:
                self._replay = None

    def _place_to_come_back(self) -> int:
        return 0 if self._cursor == 0 else int(self._position()) + 1  # what has happened stays so

    async def close(self) -> None:
        """Leave."""
        self._is_over = True
        self._retry.set()
        for task in tuple(self._tasks):
            task.cancel()
        if self._replay is not None:
            await self._replay.close()

    # --------------------------------------------------------------------------------------------- what comes

    def _take(self, item: Item) -> None:
        match item:
            case ReplayEvent():
                self._take_event(item)
            case ReplayState():
                self._take_state(item)
            case Hello():
                self._take_hello(item)
            case Skipped(from_ms, to_ms):
                self.conversation.skip(from_ms, to_ms)
            case Notice(code="index_complete", facts=facts):
                self._know(facts.get("range") or {})
                self._ask(self._fetch_timeline())
            case Notice(message=message):
                self._tell(first_words(message, 200))
            case _:
                pass

    def _take_hello(self, hello: Hello) -> None:
        self.session = {**self.session, **hello.session}
        self._live = self._live or bool(hello.session.get("live"))
        self._know(hello.range)
        if self._replay is not None and self._replay.state is not None:
            self._take_state(self._replay.state)

    def _know(self, told: Mapping[str, Any]) -> None:
        self._count = max(self._count, int(told.get("next_seq") or 0))
        self._duration_ms = max(self._duration_ms, int(told.get("duration_ms") or 0))
        self._repace()

    def _take_state(self, state: ReplayState) -> None:
        self._state = state
        if state.mode != "fast":
            self._paced = _mode(state)
        if state.gen != self._gen:
            self._gen = state.gen
            self._begin_era()
            self._cursor = state.seq
            if state.seq > 0:
                self._ask(self._fetch_before(state.seq))
        if state.status == "ended":
            self.conversation.stop_waiting()
        self._move(state.t_ms)

    def _begin_era(self) -> None:
        self._era += 1
        self._loading = False
        self.conversation.clear()

    def _take_event(self, event: ReplayEvent) -> None:
        self.conversation.put(event.seq, event.t_ms, event.data)
        self._cursor = event.seq + 1
        if event.seq >= self._count:
            self._grow(event)
        self._duration_ms = max(self._duration_ms, event.t_ms)
        self._live = self._live or event.is_live
        self._move(event.t_ms)

    def _grow(self, event: ReplayEvent) -> None:
        """What was written since the timeline was made has its marks too."""
        self._count = event.seq + 1
        parts = (event.data.get("message") or {}).get("content", ())
        held = {
            "turn": speaker_of(event.data) == "person",
            "tool": any(part["type"] == "tool_call" for part in parts),
            "error": any(part.get("is_error") is True for part in parts),
        }
        for kind in KINDS:
            if held[kind]:
                self._marks[kind].append((event.seq, event.t_ms, ""))

    def _move(self, t_ms: float) -> None:
        state = self._state
        moving = state is not None and state.status == "playing"
        speed = state.speed if state is not None and state.mode == "realtime" else 0.0
        self._playhead = Playhead(self._playhead.pace, t_ms, self._now(), moving, speed)

    def _repace(self) -> None:
        at = self._playhead.at(self._now())
        idle = self._state.idle if self._state is not None else self._wish.idle
        self._playhead = Playhead(Pace(self._gaps, self._duration_ms, idle))
        self._move(at)

    # --------------------------------------------------------------------------------------------- what is fetched

    async def _fetch_timeline(self) -> None:
        meta = self._meta
        timeline = await self._source.timeline(meta=meta)
        if meta != self._meta:
            return
        marks: dict[str, list[tuple[int, int, str]]] = {kind: [] for kind in KINDS}
        for mark in timeline["markers"]:
            if mark["kind"] in marks:
                marks[mark["kind"]].append((mark["seq"], mark["t_ms"], mark["label"]))
        # Events that came meanwhile, and are not in it, were marked as they came.
        for kind, since in self._marks.items():
            marks[kind] += [mark for mark in since if mark[0] >= timeline["count"]] if self._has_timeline else []
        self._marks, self._has_timeline = marks, True
        self._is_thinned = bool(timeline.get("thinned"))
        self._gaps = [(gap["start_ms"], gap["end_ms"]) for gap in timeline["gaps"]]
        self._know({"next_seq": timeline["count"], "duration_ms": timeline["duration_ms"]})

    async def _fetch_before(self, seq: int) -> None:
        """History before what is held, unless that is at the beginning."""
        era, start = self._era, max(0, seq - HISTORY_EVENTS)
        if self._loading or start >= seq:
            return
        self._loading = True
        try:
            events = await self._source.events(start, seq, meta=self._meta)
            if era == self._era:
                self.conversation.put_before(events)
        finally:
            if era == self._era:
                self._loading = False

    def want_before(self) -> None:
        """Somebody reads up to the beginning of what is held."""
        entries = self.conversation.entries
        if entries and entries[0].seq > 0 and self.conversation.has_room_before:
            self._ask(self._fetch_before(entries[0].seq))

    def _ask(self, wish: Coroutine[Any, Any, None]) -> None:
        """Do something beside what is played. That it was refused is told, and ends nothing."""

        async def work() -> None:
            try:
                await wish
            except ReplayError as problem:
                if not self._is_over and not self.failure:
                    self._tell(first_words(str(problem), 200))
            self._changed()

        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, words: str) -> None:
        self.said = words

    # ---------------------------------------------------------------------------------------------------- commands

    def perform(self, action: str, key: str = "") -> bool:
        """Do what a key of this player asks; whether it was one of its actions."""
        match action:
            case "toggle":
                self._toggle()
            case "back" | "forward":
                self._seek_time(self._position() + (NEAR_MS if action == "forward" else -NEAR_MS))
            case "far-back" | "far-forward":
                self._seek_time(self._position() + (FAR_MS if action == "far-forward" else -FAR_MS))
            case "step-back" | "step-forward":
                self._control(step={"by": 1 if action == "step-forward" else -1, "unit": "event"})
            case "percent":
                self._seek_time(self._duration_ms * int(key) / 10)
            case "start":
                self._seek_time(0)
            case "end" | "live":
                self._go_live() if self._is_followed else self._seek_time(self._duration_ms)
            case "next-turn" | "next-tool" | "next-error":
                self._go_to_mark(action.removeprefix("next-"), 1)
            case "previous-turn" | "previous-tool" | "previous-error":
                self._go_to_mark(action.removeprefix("previous-"), -1)
            case "slower" | "faster":
                self._change_speed(1 if action == "faster" else -1)
            case "normal-speed":
                self._set_speed(1)
            case "max-speed":
                self._set_speed(self._speed if self._mode == "fast" else None)
            case "pace":
                self._next_pace()
            case "next-hit" | "previous-hit":
                self._go_to_hit(forward=action == "next-hit")
            case "meta":
                self._toggle_meta()
            case "copy-link":
                self._tell(self._source.link(round(self._position())))
            case _:
                return False
        return True

    def seek(self, t_ms: int) -> None:
        """Go to a recorded time."""
        self._seek_time(t_ms)

    def find(self, words: str) -> None:
        """Look for words in the session, and go to the first place from here on."""
        self._ask(self._find(words))

    async def _find(self, words: str) -> None:
        self._hits, self._words = [], ""
        if not words.strip():
            return
        if self._meta:  # what is found has the numbers of the messages alone
            self._toggle_meta()
        found = await self._source.find(words)
        self._hits = [(hit["seq"], hit["t_ms"]) for hit in found]
        self._words = first_words(words, 30)
        if not self._hits:
            self._tell(f"Nothing found for {self._words}")
            return
        place = bisect_left(self._hits, (max(0, self._cursor - 1), 0))
        self._show(*self._hits[place % len(self._hits)])

    def _toggle(self) -> None:
        if self.failure:
            self._retry.set()
        elif self._at_end:
            self._seek({"t_ms": 0}, 0, play=True)
        else:
            self._control(play=self._standing == "paused")

    def _seek_time(self, t_ms: float) -> None:
        """At the end or beyond it everything has happened: the last event too."""
        if t_ms >= self._duration_ms:
            self._seek({"t_ms": END_MS if self._live else self._duration_ms + 1}, self._duration_ms)
        else:
            self._seek({"t_ms": max(0, round(t_ms))}, max(0, t_ms))

    def _seek(self, place: Mapping[str, int], pending: float | None, play: bool | None = None) -> None:
        """As fast as possible, a seek stops there: going on would be at the end before one has looked."""
        if play is None and self._mode == "fast":
            play = False
        self._pending, self._ahead = pending, None
        self._control(seek=place, **({} if play is None else {"play": play}), is_seek=True)

    def _go_live(self) -> None:
        if self._standing != "live":
            self._seek({"t_ms": END_MS}, self._duration_ms, play=True)

    def _go_to(self, seq: int, t_ms: int) -> None:
        """To an event so that it is seen: playing, it is the next to come; stopped, it is the last that came."""
        stopped = self._standing == "paused" or self._mode == "fast"
        self._seek({"seq": seq}, t_ms)
        self._ahead = seq + 1
        if stopped:
            self._control(step={"by": 1, "unit": "event"}, is_seek=True)

    def _show(self, seq: int, t_ms: int) -> None:
        """To an event, to read it: it is the last that came, and nothing comes after it."""
        self._seek({"seq": seq}, t_ms, play=False)
        self._ahead = seq + 1
        self._control(step={"by": 1, "unit": "event"}, is_seek=True)

    def _go_to_mark(self, kind: str, by: Literal[1, -1]) -> None:
        if not self._has_timeline or (self._is_thinned and kind == "tool"):  # only the server knows which is the next
            self._control(step={"by": by, "unit": KINDS[kind]})
            return
        marks, cursor = self._marks[kind], self._ahead if self._ahead is not None else self._cursor
        place = bisect_left(marks, (cursor, -1, ""))
        if by > 0:
            found = marks[place : place + 1]
        else:
            found = [mark for mark in marks[max(0, place - 2) : place] if not self._just_began(mark, cursor)][-1:]
        if found:
            self._go_to(*found[0][:2])
        elif kind == "turn" and by < 0:
            self._seek_time(0)
        else:
            self._tell(f"No {'later' if by > 0 else 'earlier'} {kind}")

    def _just_began(self, mark: tuple[int, int, str], cursor: int) -> bool:
        if self._standing == "playing":
            return self._position() - mark[1] < RESTART_MS * self._speed
        return mark[0] >= cursor - 1

    def _go_to_hit(self, *, forward: bool) -> None:
        """Round the end, as a browser's own search goes."""
        cursor = self._ahead if self._ahead is not None else self._cursor
        seqs = [seq for seq, _ in self._hits]
        place = bisect_left(seqs, cursor) if forward else bisect_left(seqs, cursor - 1) - 1
        if self._hits:
            self._show(*self._hits[place % len(self._hits)])

    def _change_speed(self, by: Literal[1, -1]) -> None:
        if self._mode == "fast":
            return self._set_speed(SPEEDS[-1]) if by < 0 else None
        if by > 0:
            return self._set_speed(next((speed for speed in SPEEDS if speed > self._speed), None))
        return self._set_speed(next((speed for speed in reversed(SPEEDS) if speed < self._speed), self._speed))

    def _set_speed(self, speed: float | None) -> None:
        if speed is None:
            self._control(mode="fast")
        else:
            self._control(mode=self._paced, speed=speed)
        self._tell("As fast as possible" if speed is None else f"Speed {speed:g}×")

    def _next_pace(self) -> None:
        now: PaceChoice = "reading" if self._paced == "reading" else self._idle
        pace = PACES[(PACES.index(now) + 1) % len(PACES)] if now in PACES else None
        self._paced = "reading" if pace == "reading" else "realtime"
        fields: dict[str, Any] = {} if self._mode == "fast" else {"mode": self._paced}
        self._control(idle=None if pace == "reading" else pace, **fields)
        self._tell(pace_words(pace).capitalize())

    def _toggle_meta(self) -> None:
        """Another replay, in which the events have other numbers, from the same recorded time on."""
        self._meta = not self._meta
        self._has_timeline, self._hits, self._starts_anew = False, [], True
        self._begin_era()
        self._ask(self._fetch_timeline())
        if self._replay is not None:
            self._ask(self._replay.close())
        self._tell("With the events beside the messages" if self._meta else "Messages only")

    def _control(self, *, is_seek: bool = False, **fields: Any) -> None:
        if self._replay is not None:
            self._seeks += is_seek
            self._ask(self._command(self._replay, self._seeks if is_seek else None, fields))

    async def _command(self, replay: Replay, seek: int | None, fields: Mapping[str, Any]) -> None:
        try:
            await replay.control(**fields)
        except (CommandRefused, SessionRewritten) as problem:
            if isinstance(problem, CommandRefused):
                self._tell(first_words(problem.reason, 200))
        finally:
            if seek == self._seeks:  # else a later one is on its way
                self._pending = self._ahead = None

    # --------------------------------------------------------------------------------------------------- what is so

    @property
    def facts(self) -> Facts:
        """What the status lines tell, as of now."""
        now = self._now()
        waits = self._pending is None
        return Facts(
            standing=self._standing,
            t_ms=self._position(),
            duration_ms=self._duration_ms,
            mode=self._mode,
            speed=self._speed,
            idle=self._idle,
            reading=self._paced == "reading",
            left=self._playhead.time_left(now) if waits else None,
            wait=self._playhead.wait_left(now) if waits else 0.0,
            turns=[t_ms for _, t_ms, _ in self._marks["turn"]],
            errors=[t_ms for _, t_ms, _ in self._marks["error"]],
            hits=[t_ms for _, t_ms in self._hits],
            turn=self._turn_words(),
            found=self._found_words(),
            said=self.failure or self.said,
        )

    def _turn_words(self) -> str:
        turns = self._marks["turn"]
        number = bisect_left(turns, (self._cursor, -1, ""))
        if not number:
            return ""
        return f"Turn {number}/{len(turns)}: {first_words(turns[number - 1][2], 200)}".removesuffix(": ")

    def _found_words(self) -> str:
        if not self._words:
            return ""
        at = sum(seq < self._cursor for seq, _ in self._hits)
        return f"“{self._words}” {at}/{len(self._hits)}"

    def _position(self) -> float:
        return self._playhead.at(self._now()) if self._pending is None else self._pending

    @property
    def _standing(self) -> str:
        if self.failure:
            return "failed"
        if self._state is None:
            return "opening"
        if self._replay is not None and not self._replay.connected:
            return "lost"
        return self._state.status

    @property
    def _is_followed(self) -> bool:
        return self._live if self._wish.follow is None else self._wish.follow

    @property
    def _at_end(self) -> bool:
        standing = self._standing
        at_last = standing == "paused" and self._count > 0 and self._cursor >= self._count
        return standing == "ended" or (not self._live and (standing == "live" or at_last))

    @property
    def _mode(self) -> Mode:
        return self._wish.mode if self._state is None else _mode(self._state)

    @property
    def _speed(self) -> float:
        return self._wish.speed if self._state is None else self._state.speed

    @property
    def _idle(self) -> float | None:
        return self._wish.idle if self._state is None else self._state.idle


def _mode(state: ReplayState) -> Mode:
    modes: Sequence[Mode] = ("fast", "realtime", "reading")
    return next((mode for mode in modes if mode == state.mode), "realtime")


def title_of(session: Mapping[str, Any]) -> str:
    """What a session is called, in one line."""
    return first_words(str(session.get("title") or "A session without a title"), 120)
