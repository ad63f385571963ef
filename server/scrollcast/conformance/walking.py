"""Goes through a vector step by step with a server: sends what it sends, and holds what comes to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from scrollcast.conformance.matching import Matcher
from scrollcast.conformance.vectors import Vector

__all__ = ["Closed", "Divergence", "Line", "Server", "Tolerance", "walk"]

KNOWN: Final = frozenset(
    ("hello", "event", "events", "state", "skipped", "caught_up", "heartbeat", "notice", "end", "error")
)

BATCH_FACTOR: Final = 2
"""`batch` is about how many bytes a message has; twice as many are not about as many."""

SHOWN_CHARACTERS: Final = 1500
"""Characters of a message that are shown where it is wrong: all of most."""

QUIET_MS: Final = 200.0
"""After the last step nothing more may come for so long."""


class Divergence(Exception):
    """The server did something else than the vector says: at this step, counted from 1, and in these words."""

    def __init__(self, step: int, words: str) -> None:
        super().__init__(f"step {step}: {words}")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how many milliseconds something may come too early or too late."""

    early_ms: float
    late_ms: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closed, with this code (RFC 6455)."""

    code: int


class Line(Protocol):
    """One connection to the server."""

    async def receive(self) -> str | Closed:
        """The next message; `Closed` once, when there is none to come. Cancelling it loses nothing."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send a text frame, or a binary one."""
        ...

    async def drop(self) -> None:
        """Cut it."""
        ...


class Server(Protocol):
    """What is held to a vector."""

    async def connect(self, scroll_id: str, parameters: Mapping[str, str]) -> Line:
        """Open a replay of a session."""
        ...

    async def write(self, vector: Vector, records: list[Any], *, anew: bool) -> None:
        """Append messages to the session, or put them in the place of all that there were."""
        ...


async def walk(vector: Vector, server: Server, tolerance: Tolerance) -> None:
    """Run one vector on the loop's clock.

    Raises:
        Divergence: the server did something else.
    """
    walker = _Walker(vector, server, tolerance)
    try:
        for number, step in enumerate(vector.steps, 1):
            await walker.take(number, step)
        await walker.quiet(len(vector.steps))
    finally:
        await walker.hang_up()


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_ms: float
    message: Mapping[str, Any] | Closed


class _Walker:
    def __init__(self, vector: Vector, server: Server, tolerance: Tolerance) -> None:
        self._vector = vector
        self._server = server
        self._tolerance = tolerance
        self._matcher = Matcher(max(tolerance.early_ms, tolerance.late_ms))
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None  # when the first message came
        self._opened = self._loop.time()
        self._line: Line | None = None
        self._batch = 0
        self._reading: asyncio.Task[None] | None = None
        self._arrivals: deque[_Arrival] = deque()
        self._news = asyncio.Event()
        self._early: set[int] = set()  # steps whose message came before its place, as it may
        self._step = 0
        self._fault: str | None = None  # what is wrong with a message that came, whatever was expected

    # ---------------------------------------------------------------------------------------------------- the steps

    async def take(self, number: int, step: Mapping[str, Any]) -> None:
        """Do one step."""
        self._step = number
        if "expect" in step:
            for unit in _units(step["expect"]):
                await self._expect(unit, step)
        elif "close" in step:
            await self._expect(Closed(step["close"]), step)
        else:
            await self._until(step["at_ms"])
            await self._act(step)

    async def _act(self, step: Mapping[str, Any]) -> None:
        if "connect" in step:
            await self._connect(step["connect"])
        elif "drop" in step:
            self._check_nothing_left()
            await self.hang_up()
        elif "append" in step or "rewrite" in step:
            anew = "rewrite" in step
            await self._server.write(self._vector, step["rewrite" if anew else "append"], anew=anew)
        else:
            message = _message(step)
            for _ in range(step.get("times", 1)):
                if self._line is not None:
                    await self._line.send(message)

    async def _connect(self, to: Mapping[str, Any]) -> None:
        self._check_nothing_left()
        await self.hang_up()
        parameters = {name: self._matcher.known(value) for name, value in to["parameters"].items()}
        self._batch = int(parameters["batch"]) if parameters.get("batch", "").isdigit() else 0
        self._line = await self._server.connect(to.get("scroll_id", self._vector.scroll_id), parameters)
        self._reading = asyncio.create_task(self._read(self._line))

    async def hang_up(self) -> None:
        """Let go of the connection."""
        if self._reading is not None:
            reading, self._reading = self._reading, None
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        if self._line is not None:
            line, self._line = self._line, None
            await line.drop()

    async def quiet(self, number: int) -> None:
        """Nothing more may come."""
        self._step = number
        await asyncio.sleep(QUIET_MS / 1000)
        self._check_nothing_left()

    def _check_nothing_left(self) -> None:
        while self._arrivals:
            message = self._arrivals.popleft().message
            if not self._came_early(message) and not _may_be_ignored(message):
                raise self._divergence(f"unexpected: {_shown(message)}")

    # ------------------------------------------------------------------------------------------------ what comes

    async def _expect(self, expected: Mapping[str, Any] | Closed, step: Mapping[str, Any]) -> None:
        if self._step in self._early:
            return
        times = step.get("times", 1)
        count = 0
        while times == "any" or count < times:
            if not await self._take(
                expected, step, is_optional=bool(step.get("optional")) or (times == "any" and count > 0)
            ):
                break
            count += 1

    async def _take(self, expected: Mapping[str, Any] | Closed, step: Mapping[str, Any], *, is_optional: bool) -> bool:
        """Take what has to come; whether it came, where it may be left out."""
        latest = step["at_ms"] + step.get("within_ms", 0) + self._tolerance.late_ms
        while True:
            arrival = await self._next(latest)
            if arrival is None:
                if is_optional:
                    return False
                raise self._divergence(f"nothing came by {latest:g} ms where this was due: {_shown(expected)}")
            differences = self._differences(expected, arrival.message)
            if not differences:
                self._check_time(arrival, step)
                return True
            if self._came_early(arrival.message) or _may_be_ignored(arrival.message):
                continue
            if is_optional:
                self._arrivals.appendleft(arrival)
                return False
            raise self._divergence(f"{'; '.join(differences)}: {_shown(arrival.message)}")

    def _differences(self, expected: Mapping[str, Any] | Closed, actual: Mapping[str, Any] | Closed) -> list[str]:
        if isinstance(expected, Closed) or isinstance(actual, Closed):
            return [] if expected == actual else [f"it was to be: {_shown(expected)}"]
        if expected["type"] != actual["type"]:
            return [f"it was to be: {_shown(expected)}"]
        return self._matcher.differences(_as_far_as_read(expected, actual), actual)

    def _check_time(self, arrival: _Arrival, step: Mapping[str, Any]) -> None:
        earliest = step["at_ms"] - self._tolerance.early_ms
        latest = step["at_ms"] + step.get("within_ms", 0) + self._tolerance.late_ms
        if not (earliest <= arrival.at_ms <= latest) and not step.get("or_earlier"):
            raise self._divergence(f"it came at {arrival.at_ms:.1f} ms, and was due at {step['at_ms']} ms")

    def _came_early(self, message: Mapping[str, Any] | Closed) -> bool:
        """Whether a later step has this message, and lets it come before."""
        for number, step in enumerate(self._vector.steps[self._step :], self._step + 1):
            if step.get("or_earlier") and number not in self._early and not self._differences(step["expect"], message):
                self._early.add(number)
                return True
        return False

    # ------------------------------------------------------------------------------------------------ the connection

    async def _read(self, line: Line) -> None:
        while True:
            came = await line.receive()
            now = self._loop.time()
            if self._began is None:
                self._began = now
            at_ms = (now - self._began) * 1000
            messages = [came] if isinstance(came, Closed) else self._messages(came)
            self._arrivals.extend(_Arrival(at_ms, message) for message in messages)
            self._news.set()
            if isinstance(came, Closed):
                return

    def _messages(self, text: str) -> list[Mapping[str, Any] | Closed]:
        message = orjson.loads(text)
        if message["type"] == "events":
            if not self._batch:
                self._fault = "an `events` message came, and no `batch` was asked for"
            elif len(text) > BATCH_FACTOR * self._batch and len(message["events"]) > 1:
                self._fault = f"a message of {len(text)} bytes came where a batch was to have about {self._batch}"
        return [*_units(message)]

    @property
    def _origin(self) -> float:
        """The moment from which the times of the steps count."""
        return self._opened if self._began is None else self._began

    def _now(self) -> float:
        return (self._loop.time() - self._origin) * 1000

    async def _until(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, self._origin + at_ms / 1000 - self._loop.time()))

    async def _next(self, latest_ms: float) -> _Arrival | None:
        """What comes next; `None` when it is so late and nothing has."""
        while not self._arrivals:
            self._news.clear()
            try:
                async with asyncio.timeout_at(self._origin + latest_ms / 1000):
                    await self._news.wait()
            except TimeoutError:
                return None
        if self._fault is not None:
            raise self._divergence(self._fault)
        return self._arrivals.popleft()

    def _divergence(self, words: str) -> Divergence:
        return Divergence(self._step, words)


def _units(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A message; an `events` one as so many messages of one event, since it is for the server how many it has."""
    if message["type"] != "events":
        yield message
        return
    common = {name: value for name, value in message.items() if name not in ("type", "events")}
    for event in message["events"]:
        yield {"type": "event", **common, **event}


def _as_far_as_read(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Mapping[str, Any]:
    """A greeting of which only what has to be known yet is compared: a session may still be being read."""
    if actual["type"] != "hello" or actual["range"].get("complete") is not False:
        return expected
    known = {name: expected["range"][name] for name in ("first_seq", "live")}
    return {**expected, "range": known}


def _message(step: Mapping[str, Any]) -> str | bytes:
    if "send" in step:
        return orjson.dumps(step["send"]).decode()
    if "send_binary" in step:
        return str(step["send_binary"]).encode()
    return str(step["send_text"]).ljust(step.get("pad_to_bytes", 0))


def _may_be_ignored(message: Mapping[str, Any] | Closed) -> bool:
    """What may come at any time: a sign of life, that a session was read to its end, what a later version says."""
    if isinstance(message, Closed):
        return False
    is_index = message["type"] == "notice" and message.get("code") == "index_complete"
    return is_index or message["type"] == "heartbeat" or message["type"] not in KNOWN


def _shown(message: Mapping[str, Any] | Closed) -> str:
    return f"close {message.code}" if isinstance(message, Closed) else orjson.dumps(message).decode()[:SHOWN_CHARACTERS]
