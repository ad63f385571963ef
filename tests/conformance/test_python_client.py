"""The vectors against the Python client: a server on a real socket says what they have in them, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import pytest
from websockets.asyncio.server import ServerConnection, serve

from scrollcast.client import (
    CommandRefused,
    ProtocolViolation,
    Replay,
    ReplayEvent,
    ReplayRefused,
    SessionRewritten,
    connect,
    sync,
)
from scrollcast.conformance.matching import sample
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder
from serving import PATIENCE_SECONDS, until

VECTORS = [vector for vector in load_vectors(vectors_folder()) if vector.outcome is not None]
UNATTENDED = [
    vector
    for vector in VECTORS
    if vector.outcome and vector.outcome["end"] != "open" and not any("send" in step for step in vector.steps)
]
"""Those in which nothing is commanded, and nobody has to hang up."""

RAISED: Mapping[str, type[Exception]] = {
    "refused": ReplayRefused, "rewritten": SessionRewritten, "broken": ProtocolViolation,
}  # fmt: skip


class Scripted:
    """Plays the server of one vector, connection for connection; a client that does otherwise is told in `problem`."""

    def __init__(self, vector: Vector) -> None:
        self._vector = vector
        self._steps = list(vector.steps)
        self._asked: tuple[str | None, str] | None = None  # the ids of a command without an answer: ours, the client's
        self._gen, self._acknowledged, self._has_window = 0, -1, False
        self.commands: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.sent: list[int] = []  # the numbers of the events that a client has to hand on
        self.answers: list[str | int] = []  # to its commands: where it stands, or the code of an error
        self.is_over = False
        self.problem: str | None = None

    async def serve(self, socket: ServerConnection) -> None:
        """One connection."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._play(socket)
        except Exception as problem:
            self.problem = repr(problem)
            raise

    async def _play(self, socket: ServerConnection) -> None:
        self._greet(socket)
        while self._steps:
            step = self._steps.pop(0)
            if "expect" in step:
                await self._say(socket, sample(step["expect"]))
            elif "send" in step:
                await self._hear(socket, step["send"])
            elif "close" in step:
                await socket.close(step["close"])
                break
            elif "drop" in step:
                socket.transport.abort()
                break
        while self._steps and "connect" not in self._steps[0]:  # what happens while nobody is there
            self._steps.pop(0)
        self.is_over = not self._steps
        await socket.wait_closed()

    def _greet(self, socket: ServerConnection) -> None:
        assert self._steps, "the client came back when there was no need to"
        wanted = sample(self._steps.pop(0)["connect"])
        assert socket.request is not None
        address = urlsplit(socket.request.path)
        query = parse_qs(address.query, keep_blank_values=True)
        assert address.path == f"/ws/sessions/{wanted.get('scroll_id', self._vector.scroll_id)}"
        for name, value in wanted["parameters"].items():
            if name not in ("mode", "speed"):  # a client may say the same number otherwise
                assert query.get(name) == [value], name
        self._gen, self._acknowledged, self._has_window = 0, -1, "window" in query

    async def _say(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] == "state":
            if message["gen"] > self._gen:
                self._acknowledged = -1
            self._gen = message["gen"]
        if self._asked is not None and message["type"] in ("state", "error"):
            asked, named = self._asked
            if message.get("request_id") == asked:
                message["request_id"], self._asked = named, None
                self.answers.append(message.get("code") or message["t_ms"])
        if message.get("gen") == self._gen:
            self.sent += [event["seq"] for event in message.get("events", [message]) if "event" in event]
        await socket.send(orjson.dumps(message).decode())

    async def _hear(self, socket: ServerConnection, wanted: Mapping[str, Any]) -> None:
        """Have the client send this, and see that it does."""
        if wanted["type"] == "control":
            self.commands.put_nowait({name: wanted[name] for name in wanted if name not in ("type", "request_id")})
        elif not self._has_window:
            return  # nobody has to say how far it came
        while wanted["type"] == "control" or self._acknowledged < wanted["seq"]:
            heard = orjson.loads(await socket.recv())
            if heard["type"] == "ack":
                self._acknowledged = heard["seq"]
            else:
                request_id = heard.pop("request_id")
                self._asked = (wanted.get("request_id"), request_id)
                assert heard == {name: wanted[name] for name in wanted if name != "request_id"}
                return


@asynccontextmanager
async def playing(vector: Vector) -> AsyncIterator[tuple[Scripted, str]]:
    """The server of a vector, and the address to connect to first."""
    scripted = Scripted(vector)
    first = vector.steps[0]["connect"]
    async with serve(scripted.serve, "127.0.0.1", 0, subprotocols=["scrollcast.v1"], ping_interval=None) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        path = f"/ws/sessions/{first.get('scroll_id', vector.scroll_id)}?{urlencode(first['parameters'])}"
        yield scripted, f"ws://127.0.0.1:{port}{path}"
    assert scripted.problem is None


@dataclass
class Watched:
    """What a client had of a vector: the numbers of the events, and the answers to its commands."""

    seen: list[int] = field(default_factory=list)
    answers: list[str | int] = field(default_factory=list)


async def command(replay: Replay, fields: Mapping[str, Any]) -> str | int:
    """Give a command: where it stands then, or the code with which it was refused."""
    try:
        state = await replay.control(**fields)
    except CommandRefused as refused:
        return refused.code
    return state.t_ms


async def obey(replay: Replay, scripted: Scripted, watched: Watched) -> None:
    """Give each command of the vector when all that comes before it was taken."""
    while True:
        fields = await scripted.commands.get()
        await until(lambda: len(watched.seen) >= len(scripted.sent))
        watched.answers.append(await command(replay, fields))


async def watch(url: str, scripted: Scripted, watched: Watched, *, stays_open: bool) -> None:
    """A client that takes what comes, and does what the vector has it do."""
    async with connect(url, patience=5) as replay:
        obeying = asyncio.create_task(obey(replay, scripted, watched))
        leaving = asyncio.create_task(leave(replay, scripted, watched)) if stays_open else None
        try:
            async for item in replay.items():
                if isinstance(item, ReplayEvent):
                    watched.seen.append(item.seq)
            await until(lambda: len(watched.answers) >= len(scripted.answers))
        finally:
            obeying.cancel()
            await asyncio.gather(obeying, *filter(None, [leaving]), return_exceptions=True)


async def leave(replay: Replay, scripted: Scripted, watched: Watched) -> None:
    """Hang up when the vector is over and everything was taken."""
    await until(lambda: scripted.is_over and len(watched.seen) >= len(scripted.sent))
    await until(lambda: len(watched.answers) >= len(scripted.answers))
    await replay.close()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
async def test_the_client_makes_of_it_what_it_should(vector: Vector) -> None:
    """The events and the end, the exception, and the commands as they are written."""
    assert vector.outcome is not None
    end, watched = vector.outcome["end"], Watched()
    async with playing(vector) as (scripted, url):
        watching = watch(url, scripted, watched, stays_open=end == "open")
        if end in RAISED:
            with pytest.raises(RAISED[end]) as told:
                await watching
            if isinstance(told.value, ReplayRefused):
                assert told.value.code == vector.outcome["code"]
        else:
            await watching

    assert watched.seen == vector.outcome["events"]
    assert watched.answers == scripted.answers
    assert scripted.commands.empty()


@pytest.mark.parametrize("vector", UNATTENDED, ids=lambda vector: vector.name)
async def test_without_await_it_does_the_same(vector: Vector) -> None:
    """Where nothing is to be commanded."""
    assert vector.outcome is not None
    end, seen = vector.outcome["end"], list[int]()

    def take(url: str) -> None:
        for item in sync.connect(url, patience=5).items():
            if isinstance(item, ReplayEvent):
                seen.append(item.seq)

    async with playing(vector) as (_, url):
        if end in RAISED:
            with pytest.raises(RAISED[end]):
                await asyncio.to_thread(take, url)
        else:
            await asyncio.to_thread(take, url)

    assert seen == vector.outcome["events"]
