"""A server on a real socket that says what a conformance vector has in it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from websockets.asyncio.server import ServerConnection, serve

from scrollcast.conformance.matching import sample
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder
from serving import PATIENCE_SECONDS

__all__ = ["UNATTENDED", "VECTORS", "Scripted", "playing"]

VECTORS = [vector for vector in load_vectors(vectors_folder()) if vector.outcome is not None]
UNATTENDED = [
    vector
    for vector in VECTORS
    if vector.outcome and vector.outcome["end"] != "open" and not any("send" in step for step in vector.steps)
]
"""Those in which nothing is commanded, and nobody has to hang up."""


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
