"""Clients that follow a growing session while lines are cut, clients killed, and the server dies and is started anew.

By default a short form; `make torture` sets how much of each there is: `SCROLLCAST_TORTURE_CLIENTS`, `…_KILLS` (of
clients and of their lines) and `…_RESTARTS` (of the server).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from archives import SCROLL_ID, write_session
from faults import Faults, Proxy, proxy
from scrollcast.client import connect
from serving import Child, talk, until

CLIENTS: Final = int(os.environ.get("SCROLLCAST_TORTURE_CLIENTS", "12"))
KILLS: Final = int(os.environ.get("SCROLLCAST_TORTURE_KILLS", "30"))
RESTARTS: Final = int(os.environ.get("SCROLLCAST_TORTURE_RESTARTS", "3"))

SETTLE_SECONDS: Final = 60.0
"""So long everybody has in the end to have everything: clients wait for up to 10 s before they try again."""

FAULTS: Final = (Faults(), Faults(delay=0.02), Faults(bytes_a_second=2e6), Faults(delay=0.05, bytes_a_second=1e6))
"""What lies between: nothing, a slow way, a narrow one, both. One after the other."""


def digest(lines: list[tuple[str, str]]) -> str:
    """A name for what messages there are: their ids and their words, in order."""
    return hashlib.sha256(orjson.dumps(lines)).hexdigest()


@dataclass
class Source:
    """The session: it grows by lines of all lengths, in pieces."""

    path: Path
    chance: random.Random
    lines: list[tuple[str, str]] = field(default_factory=list)

    def grow(self) -> None:
        """One to three more messages."""
        first = len(self.lines)
        new = talk(self.chance.randint(1, 3), first=first, pad=self.chance.choice((0, 0, 0, 300, 20_000)))
        for message in new:
            message.pop("content_parts", None)
        self.lines += [(message["message_id"], message["content_md"]) for message in new]
        data = b"".join(orjson.dumps(message) + b"\n" for message in new)
        with self.path.open("ab", buffering=0) as file:
            place = self.chance.randrange(len(data))
            file.write(data[:place])
            file.write(data[place:])


@dataclass
class Follower:
    """A client that follows; `seen` is what it has, which outlives its connections."""

    between: Proxy
    chance: random.Random
    seen: list[tuple[str, str]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Of what it has."""
        return digest(self.seen)

    def _take(self, seq: int, event: Mapping[str, Any]) -> None:
        assert seq == len(self.seen), f"event {seq} came where {len(self.seen)} was next"
        message = event["message"]
        self.seen.append((message["id"], "".join(part["text"] for part in message["content"])))


class ByLibrary(Follower):
    """The reference client, which comes back by itself."""

    async def run(self) -> None:
        """Until it is cancelled."""
        url = f"http://127.0.0.1:{self.between.port}/sessions/{SCROLL_ID}"
        async with connect(url, follow=True, patience=600) as replay:
            async for event in replay:
                self._take(event.seq, event.data)


class ByHand(Follower):
    """A client that is killed again and again; another goes on with what it had written down."""

    epoch: str | None = None
    killed = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._life = asyncio.create_task(self._live())
            try:
                await asyncio.wait((self._life,))
            finally:
                self._life.cancel()
            if not self._life.cancelled():
                self._life.result()
            await asyncio.sleep(self.chance.random() * 0.2)

    def kill(self) -> None:
        """End it wherever it is."""
        self.killed += 1
        self._life.cancel()

    async def _live(self) -> None:
        resume = "" if self.epoch is None else f"&start_seq={len(self.seen)}&epoch={self.epoch}"
        batch = self.chance.choice(("", "&batch=65536", "&window=50"))
        url = f"ws://127.0.0.1:{self.between.port}/ws/sessions/{SCROLL_ID}?follow=true{resume}{batch}"
        with suppress(ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
            async with open_socket(url, max_size=None, proxy=None, ping_interval=None, close_timeout=0.1) as socket:
                async for text in socket:
                    message = orjson.loads(text)
                    self._hear(message)
                    if "window" in batch and message["type"] == "event" and message["seq"] % 10 == 0:
                        await socket.send(orjson.dumps({"type": "ack", "seq": message["seq"]}).decode())

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "hello":
                assert message["resume"] == ("none" if self.epoch is None else "continued"), message["resume"]
                self.epoch = message["epoch"]
            case "event":
                self._take(message["seq"], message["event"])
            case "events":
                for event in message["events"]:
                    self._take(event["seq"], event["event"])
            case "notice" if message["code"] == "server_stopping":
                assert message["epoch"] == self.epoch
                assert message.get("start_seq") in (None, len(self.seen))
            case "error":
                pytest.fail(str(message))


class Restarted:
    """The server, started anew on any port; the proxy is told."""

    def __init__(self, home: Path, root: Path) -> None:
        self._home, self._root = home, root
        self.child = self._start()

    def _start(self) -> Child:
        return Child(self._home, "serve", self._root, "--port", "0", "--no-open")

    async def port(self) -> int:
        """Where it answers."""
        address = await asyncio.to_thread(self.child.address)
        return int(address.rpartition(":")[2].strip("/"))

    async def restart(self, between: Proxy, how: signal.Signals) -> None:
        """Kill it, or have it stop."""
        if how is signal.SIGKILL:
            self.child.process.kill()
            await asyncio.to_thread(self.child.process.communicate)
        else:
            status, _, err, _ = await asyncio.to_thread(self.child.stop, how)
            assert (status, err[-2000:]) == (0, ""), err[-2000:]
        self.child = self._start()
        between.server_port = await self.port()


@pytest.mark.timeout(120 + KILLS + 10 * RESTARTS)
async def test_every_log_is_the_source_whatever_was_killed(root: Path, tmp_path: Path) -> None:
    """No follower ever has a message twice, misses one or starts over; in the end all have what was written."""
    chance = random.Random(f"{CLIENTS} {KILLS} {RESTARTS}")
    source = Source(write_session(root, []) / "messages.jsonl", chance)
    source.grow()
    server = Restarted(tmp_path, root)
    try:
        async with proxy(await server.port(), chance) as between, asyncio.TaskGroup() as group:
            by_library = [ByLibrary(between, random.Random(number)) for number in range(CLIENTS // 2)]
            by_hand = [ByHand(between, random.Random(number)) for number in range(CLIENTS - CLIENTS // 2)]
            followers: list[ByLibrary | ByHand] = [*by_library, *by_hand]
            running = [group.create_task(follower.run()) for follower in followers]
            await until(lambda: all(follower.seen for follower in followers), SETTLE_SECONDS)
            restarts = sorted(chance.sample(range(KILLS), min(RESTARTS, KILLS)))
            for kill in range(KILLS):
                source.grow()
                between.faults = FAULTS[kill // 10 % len(FAULTS)]
                if chance.random() < 0.5:
                    chance.choice(by_hand).kill()
                else:
                    await until(between.cut, SETTLE_SECONDS)
                if kill in restarts:
                    how = chance.choice((signal.SIGKILL, signal.SIGTERM))
                    await server.restart(between, how)
                await asyncio.sleep(chance.random() * 0.1)
            source.grow()
            wanted = digest(source.lines)
            with suppress(TimeoutError):
                await until(lambda: all(len(f.seen) == len(source.lines) for f in followers), SETTLE_SECONDS)
            for task in running:
                task.cancel()
    finally:
        server.child.__exit__()

    assert [follower.digest == wanted for follower in followers] == [True] * CLIENTS, [len(f.seen) for f in followers]
    assert between.cuts + sum(follower.killed for follower in by_hand) >= KILLS
