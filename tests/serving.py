"""The real server for tests: on loopback, in this process, in a thread of it, or as a child; and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import orjson
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from archives import SCROLL_ID, JsonObject, message
from contracts import check_message
from scrollcast.cli.serve import bind, make_config
from scrollcast.settings import Settings, static_folder
from scrollcast.web.app import create_app
from scrollcast.web.assets import Assets
from scrollcast.web.door import Door

SERVER_CODE = Path(__file__).parents[1] / "server"

ASSETS = f"/assets/{Assets(static_folder()).digest}"
"""Where the page's files are to be had."""

PATIENCE_SECONDS = 10.0
"""Longer than anything here takes; a test that waits for so long has failed."""


def talk(count: int, gap_ms: int = 10, *, pad: int = 0, first: int = 0) -> list[JsonObject]:
    """Messages `m<number>` at even distances; the first of every ten is a turn, the sixth a tool call."""
    return [
        message(
            f"m{number}",
            number * gap_ms / 1000,
            "user" if number % 10 == 0 else "assistant",
            content_md=f"message {number} " + "x" * pad,
            content_parts=[_CALL] if number % 10 == 5 else None,
        )
        for number in range(first, first + count)
    ]


_CALL = {"type": "tool_call", "call_id": "c", "name": "Bash", "kind": "execute", "title": "ls", "input": {}}


def ids(count: int, first: int = 0) -> list[str]:
    """The ids of the messages of `talk`."""
    return [f"m{number}" for number in range(first, first + count)]


# --------------------------------------------------------------------------------------------------- the protocol


@dataclass
class Log:
    """What a client has seen of a replay, each message held to the protocol's rules about order.

    Raises `AssertionError` at the first gap, repeat, wrong generation or state that disagrees with the events.
    """

    messages: list[JsonObject] = field(default_factory=list)
    gen: int = 0
    next_seq: int = 0
    events: list[JsonObject] = field(default_factory=list)
    """The events of the present generation, each without its envelope."""

    def take(self, message: JsonObject) -> None:
        """Check one message against those before it."""
        if not self.messages:
            assert message["type"] in ("hello", "error"), message
        self.messages.append(message)
        match message["type"]:
            case "hello":
                assert message["state"]["gen"] == 0
                self.next_seq = message["state"]["seq"]
            case "event":
                self._take_event(message["gen"], message)
            case "events":
                assert len(message["events"]) > 1
                for event in message["events"]:
                    self._take_event(message["gen"], event)
            case "state":
                self._take_state(message)
            case "heartbeat":
                assert message["seq"] == self.next_seq
            case "notice" if message["code"] == "archive_rewritten":
                self._begin(self.gen + 1, 0)

    def _take_event(self, gen: int, event: JsonObject) -> None:
        assert gen == self.gen, f"an event of generation {gen} in {self.gen}"
        assert event["seq"] == self.next_seq, f"event {event['seq']} where {self.next_seq} was next"
        self.next_seq += 1
        self.events.append({name: event[name] for name in ("seq", "t_ms", "event")})

    def _take_state(self, state: JsonObject) -> None:
        if state["did_seek"]:
            self._begin(self.gen + 1, state["seq"])
        assert state["gen"] == self.gen
        assert state["seq"] == self.next_seq, f"the state says {state['seq']} where {self.next_seq} was next"

    def _begin(self, gen: int, seq: int) -> None:
        self.gen, self.next_seq, self.events = gen, seq, []

    def of(self, kind: str) -> list[JsonObject]:
        """Every message of a type."""
        return [message for message in self.messages if message["type"] == kind]

    def codes(self) -> list[str]:
        """The codes of the notices and errors, in order."""
        return [message["code"] for message in self.messages if message["type"] in ("notice", "error")]

    def ids(self) -> list[str]:
        """The ids of the messages in this generation."""
        return [event["event"]["message"]["id"] for event in self.events]

    def seqs(self) -> list[int]:
        """The numbers of the events in this generation."""
        return [event["seq"] for event in self.events]


class Client:
    """A viewer: every message is held to its published schema, and goes through its `log`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.log = Log()

    @property
    def hello(self) -> JsonObject:
        """The first message."""
        assert self.log.messages[0]["type"] == "hello", self.log.messages[0]
        return self.log.messages[0]

    @property
    def close_code(self) -> int | None:
        """The close code, once the connection is closed."""
        return self.socket.close_code

    async def next(self, patience: float = PATIENCE_SECONDS) -> JsonObject:
        """The next message."""
        async with asyncio.timeout(patience):
            message: JsonObject = orjson.loads(await self.socket.recv())
        check_message(message)
        self.log.take(message)
        return message

    async def until(self, kind: str, **wanted: Any) -> JsonObject:
        """Read up to the next message of a type (with these values), and give it."""
        while True:
            message = await self.next()
            if message["type"] == kind and wanted.items() <= message.items():
                return message

    async def read_events(self, count: int) -> None:
        """Read until the present generation has so many events."""
        while len(self.log.events) < count:
            await self.next()

    async def rest(self) -> Log:
        """Read up to the close; the log of everything."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.next()
        return self.log

    async def quiet(self, seconds: float = 0.15) -> None:
        """Make sure that nothing comes for a while."""
        with contextlib.suppress(TimeoutError):
            message = await self.next(seconds)
            raise AssertionError(f"unexpected: {message}")

    async def send(self, message: JsonObject | str | bytes) -> None:
        """Send one message: an object, or a text or bytes as they are."""
        await self.socket.send(message if isinstance(message, str | bytes) else orjson.dumps(message).decode())

    async def control(self, request_id: str = "r", **fields: Any) -> JsonObject:
        """Send a command and read up to its answer, which may also be an error."""
        await self.send({"type": "control", "request_id": request_id, **fields})
        while True:
            message = await self.next()
            if message["type"] in ("state", "error") and message.get("request_id") == request_id:
                return message

    async def ack(self, seq: int) -> None:
        """Acknowledge; this may cross the server's close."""
        with contextlib.suppress(ConnectionClosed):
            await self.send({"type": "ack", "seq": seq})

    def abort(self) -> None:
        """Cut the line: no close handshake."""
        self.socket.transport.abort()


# --------------------------------------------------------------------------------------------------- the server


@dataclass
class Serving:
    """A server that runs."""

    app: Starlette
    server: uvicorn.Server
    port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """The address on HTTP, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    def replay_url(self, scroll_id: UUID | str = SCROLL_ID, /, **query: Any) -> str:
        """The address of a replay."""
        return f"ws://{self.host}:{self.port}/ws/sessions/{scroll_id}?{httpx.QueryParams(query)}"

    @asynccontextmanager
    async def watch(
        self, scroll_id: UUID | str = SCROLL_ID, /, token: Any = None, **query: Any
    ) -> AsyncIterator[Client]:
        """A viewer of a session, who shows a token where there is one."""
        address = self.replay_url(scroll_id, **query)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with connect(
            address, max_size=None, proxy=None, ping_interval=None, close_timeout=1, additional_headers=headers
        ) as socket:
            yield Client(socket)

    @property
    def door(self) -> Door:
        """Who lets in."""
        door = self.app.state.door
        assert isinstance(door, Door)
        return door

    async def replay(self, scroll_id: UUID | str = SCROLL_ID, /, token: Any = None, **query: Any) -> Client:
        """A viewer that has watched to the close."""
        async with self.watch(scroll_id, token, **query) as client:
            await client.rest()
        return client

    def http(self) -> httpx.AsyncClient:
        """A client for the routes."""
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=PATIENCE_SECONDS)

    @property
    def streams(self) -> int:
        """How many streams are open."""
        count: int = self.app.state.registry.open
        return count

    async def until_streams(self, count: int) -> None:
        """Wait until so many streams are open."""
        await until(lambda: self.streams == count)


async def until(condition: Callable[[], object], patience: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds that nothing announces."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class _TestServer(uvicorn.Server):
    """A uvicorn server that is started and stopped by a test, on its own loop, and leaves signals alone."""

    async def start(self, listener: socket.socket) -> None:
        """Begin to answer."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup([listener])
        await self.on_tick(0)

    async def stop(self, listener: socket.socket) -> None:
        """Stop as after a signal, without uvicorn's pauses."""
        for server in self.servers:
            server.close()
        listener.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            await until(lambda: not (self.server_state.connections or self.server_state.tasks), 1)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(*paths: Path, cache: Path, ws: Any = None, **more: Any) -> AsyncIterator[Serving]:
    """A server of these paths on the running loop, made as `scrollcast serve` makes it.

    `ws` is another WebSocket class than ours; `more` are further `Settings`.
    """
    # Both look at the disk, as they may before a loop runs.
    settings = await asyncio.to_thread(Settings, paths, cache=cache, port=0, **more)
    app = await asyncio.to_thread(create_app, settings)
    config = make_config(app, settings)
    config.ws = ws or config.ws
    listener = bind(settings.host, 0)
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server = _TestServer(config)
    await server.start(listener)
    try:
        yield Serving(app, server, port, host)
    finally:
        await server.stop(listener)


@contextmanager
def serving_in_thread(*paths: Path, cache: Path, **more: Any) -> Iterator[Serving]:
    """The same on a loop of its own in a thread: for tables of requests, at the price of one start."""
    started: list[Serving] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        try:
            async with serving(*paths, cache=cache, **more) as server:
                started.append(server)
                ready.set()
                await stop.wait()
        finally:
            ready.set()

    def run_loop() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=run_loop, daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_SECONDS)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)


# ---------------------------------------------------------------------------------------------------- as a child


class Child:
    """`scrollcast` as a child process with a home of its own; `start` is what Python is told to run."""

    def __init__(
        self, home: Path, *arguments: str | Path, start: Sequence[str] = ("-m", "scrollcast"), **environment: str
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *start, *map(str, arguments)],
            env=child_environment(home, **environment),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def address(self) -> str:
        """The line on stdout, which says that the server answers; without its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def line(self) -> str:
        """The next line on stdout, with its end."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def hang_up(self) -> tuple[int, str]:
        """Read no more of stdout: the exit status and stderr."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        err = self.process.stderr.read()
        return self.process.wait(PATIENCE_SECONDS), err

    def serving(self) -> Serving:
        """What a test needs of a running server, once it answers."""
        port = httpx.URL(self.address()).port
        assert port is not None
        return Serving(Starlette(), uvicorn.Server(uvicorn.Config("")), port)

    def stop(self, sign: signal.Signals = signal.SIGINT) -> tuple[int, str, str, float]:
        """Send a signal: the exit status, the rest of stdout, stderr, and the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(sign)
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, err, time.monotonic() - began


def command(*arguments: str | Path) -> list[str]:
    """The command line of `scrollcast`."""
    return [sys.executable, "-m", "scrollcast", *map(str, arguments)]


def child_environment(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine's user is found, and no screen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "SCROLLCAST_"))}
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        kept.pop(name, None)
    path = os.pathsep.join(filter(None, (str(SERVER_CODE), kept.get("PYTHONPATH"))))
    return {**kept, "HOME": str(home), "PYTHONPATH": path, **more}


def run_command(home: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scrollcast` to its end."""
    return subprocess.run(
        command(*arguments),
        env=child_environment(home, **environment),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
