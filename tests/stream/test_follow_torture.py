"""A writer that does whatever a file system allows, while clients follow.

`SCROLLCAST_TORTURE_ROUNDS` sets how many seeds each format is tried with (1 without it).
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from websockets.exceptions import ConnectionClosed

from archives import SCROLL_ID, JsonObject, at, message, metadata, write_session
from scrollcast.archive import archive as archive_module
from scrollcast.archive import index_builder, watcher
from scrollcast.model import derive_scroll_id
from serving import Client, Serving, serving, until

ROUNDS: Final = int(os.environ.get("SCROLLCAST_TORTURE_ROUNDS", "1"))
STEPS: Final = 40
"""What the writer does in a round, each up to `LONGEST_PAUSE` after the one before."""

CHECKED_STEPS: Final = 5
"""After so many of them everybody is held to what the file is then: the next reset would cover what went wrong."""

LONGEST_PAUSE: Final = 0.08

REST_SECONDS: Final = 0.5
"""After so long without a change a line without an end is taken as it is."""

NATIVE_ID: Final = "5e551011-0000-4000-8000-00000000c1a0"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session is at rest after half a second, so that a change in place is noticed while a test runs."""
    for module in (archive_module, index_builder):
        monkeypatch.setattr(module, "LINE_REST_SECONDS", REST_SECONDS)
    monkeypatch.setattr(archive_module, "ANEW_SECONDS", 0.05)
    monkeypatch.setattr(watcher, "TICK_MS", 100)


# ------------------------------------------------------------------------------------------------------ the sessions


@dataclass
class Native:
    """Scrollcast's own format: a message a line."""

    root: Path
    chance: random.Random
    scroll_id: UUID = SCROLL_ID
    made: int = 0

    def begin(self) -> Path:
        """An empty session; where its lines go."""
        return write_session(self.root, []) / "messages.jsonl"

    def line(self) -> bytes:
        """One more line. They all differ."""
        self.made += 1
        pad = "x" * self.chance.choice((0, 5, 5, 700))
        return orjson.dumps(message(f"m{self.made:05}", self.made / 10, content_md=f"number {self.made} {pad}")) + b"\n"


@dataclass
class ClaudeCode:
    """Claude Code's format: rows that form a tree, in which the user goes back now and then."""

    root: Path
    chance: random.Random
    scroll_id: UUID = field(default_factory=lambda: derive_scroll_id("claude-code", NATIVE_ID))
    made: int = 0
    parents: list[str] = field(default_factory=list)

    def begin(self) -> Path:
        """A session of one prompt."""
        path = self.root / f"{NATIVE_ID}.jsonl"
        path.write_bytes(self.line())
        return path

    def line(self) -> bytes:
        """One more row: prompts and answers in turn."""
        self.made += 1
        if self.chance.random() < 0.05 and len(self.parents) > 4:  # a rewind: what came since is undone
            del self.parents[self.chance.randrange(2, len(self.parents)) :]
        role = "user" if self.made % 2 else "assistant"
        row_id = f"00000000-0000-4000-8000-{self.made:012}"
        row = {
            "type": role,
            "uuid": row_id,
            "parentUuid": self.parents[-1] if self.parents else None,
            "sessionId": NATIVE_ID,
            "timestamp": at(self.made / 10),
            "message": {"id": f"msg_{self.made}", "role": role, "content": [{"type": "text", "text": str(self.made)}]},
        }
        self.parents.append(row_id)
        return orjson.dumps(row) + b"\n"


# -------------------------------------------------------------------------------------------------------- the writers


class LineWriter:
    """Does to a file of lines whatever may happen to one."""

    def __init__(self, make: Native | ClaudeCode, chance: random.Random) -> None:
        self.make = make
        self.chance = chance
        self.path = make.begin()
        self.lines = self.path.read_bytes().splitlines(keepends=True)
        self.steps: list[Callable[[], Awaitable[None]]] = [
            *(self.append for _ in range(8)),
            *(self.append_in_pieces for _ in range(4)),
            self.truncate,
            self.replace,
            self.change_in_place,
            self.change_and_grow,
            self.delete_and_make_again,
            self.append_broken,
            self.append_without_end,
        ]

    async def pause(self) -> None:
        """A moment, or none."""
        await asyncio.sleep(self.chance.choice((0, 0.002, 0.02, LONGEST_PAUSE)))

    def some(self, most: int) -> list[bytes]:
        """New lines."""
        return [self.make.line() for _ in range(self.chance.randint(1, most))]

    def _write(self, data: bytes) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(data)

    async def append(self) -> None:
        """A few lines, in one write."""
        self.lines += (new := self.some(5))
        self._write(b"".join(new))

    async def append_in_pieces(self) -> None:
        """A few lines, cut anywhere, with pauses."""
        self.lines += (new := self.some(3))
        data = b"".join(new)
        cuts = sorted(self.chance.sample(range(len(data)), 3))
        for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
            self._write(data[start:stop])
            await self.pause()

    async def append_broken(self) -> None:
        """A line that is no record, and one that is."""
        self.lines += (new := [b"{broken\n", self.make.line()])
        self._write(b"".join(new))

    async def append_without_end(self) -> None:
        """A line that is whole, and left without its end for so long that it is taken; then it may go on after all."""
        line = self.make.line().removesuffix(b"\n")
        end = self.chance.choice((b"\n", b" \n"))
        self.lines.append(line + end)
        self._write(line)
        await asyncio.sleep(1.5 * REST_SECONDS)
        self._write(end)

    async def truncate(self) -> None:
        """Only the first lines stay, in the same file."""
        if not self.lines:
            await self.append()
            return
        del self.lines[self.chance.randint(1, len(self.lines)) :]
        os.truncate(self.path, sum(map(len, self.lines)))

    async def replace(self) -> None:
        """Another file in its place; some of it may be as it was."""
        self.lines = self.lines[: self.chance.randint(0, len(self.lines))] + self.some(20)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(b"".join(self.lines))
        os.replace(fresh, self.path)

    async def change_in_place(self) -> None:
        """A letter of one of the first lines, under the same inode, with no byte moved."""
        if not self.lines:
            await self.append()
            return
        place = self.chance.randrange(min(3, len(self.lines)))
        self.lines[place] = self.lines[place].replace(b'"role":"user"', b'"role":"USER"')
        with self.path.open("r+b", buffering=0) as file:
            file.write(b"".join(self.lines[: place + 1]))

    async def change_and_grow(self) -> None:
        """The whole file written again, other and longer, in two pieces and under the same inode."""
        self.lines = [*self.some(4), *self.lines[1:], *self.some(4)]
        data = b"".join(self.lines)
        with self.path.open("r+b", buffering=0) as file:
            file.write(data[: len(data) // 2])
            await self.pause()
            file.write(data[len(data) // 2 :])
            file.truncate()

    async def delete_and_make_again(self) -> None:
        """For a moment there is no file."""
        self.path.unlink()
        await self.pause()
        self.lines = self.some(20)
        self.path.write_bytes(b"".join(self.lines))


class DocumentWriter:
    """Writes a session that is one JSON document, over and over."""

    def __init__(self, root: Path, chance: random.Random) -> None:
        self.chance = chance
        self.path = root / f"{SCROLL_ID}.json"
        self.made = 0
        self.messages = self.some(3)
        self._replace()
        self.steps: list[Callable[[], Awaitable[None]]] = [
            *(self.append for _ in range(6)),
            self.append_in_place,
            self.change,
            self.delete_and_make_again,
        ]

    def some(self, most: int) -> list[JsonObject]:
        """New messages."""
        first, self.made = self.made, self.made + self.chance.randint(1, most)
        return [message(f"m{number:05}", number / 10) for number in range(first, self.made)]

    def _document(self) -> bytes:
        return orjson.dumps({"metadata": metadata(), "messages": self.messages})

    def _replace(self) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(self._document())
        os.replace(fresh, self.path)

    async def append(self) -> None:
        """More messages; the document is replaced."""
        self.messages += self.some(5)
        self._replace()

    async def append_in_place(self) -> None:
        """More messages; the document is no JSON for a moment."""
        self.messages += self.some(5)
        data = self._document()
        with self.path.open("wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            await asyncio.sleep(LONGEST_PAUSE)
            file.write(data[len(data) // 2 :])

    async def change(self) -> None:
        """Other messages from somewhere on."""
        self.messages = self.messages[: self.chance.randint(0, len(self.messages))] + self.some(8)
        self._replace()

    async def delete_and_make_again(self) -> None:
        """For a moment there is none."""
        self.path.unlink()
        await asyncio.sleep(LONGEST_PAUSE)
        self._replace()


# -------------------------------------------------------------------------------------------------------- the clients


async def read_on(client: Client) -> None:
    """Take whatever comes."""
    while True:
        await client.next(60)


async def read_and_acknowledge(client: Client) -> None:
    """Take whatever comes, and say so."""
    while True:
        await client.next(60)
        if client.log.next_seq:
            await client.ack(client.log.next_seq - 1)


async def read_and_meddle(client: Client, chance: random.Random) -> None:
    """Pause, play, seek and step all the time."""
    while True:
        await asyncio.sleep(chance.random() * 0.1)
        seek = {"seq": chance.randrange(40)}
        commands: list[dict[str, Any]] = [
            {"play": False}, {"play": True}, {"play": True}, {"seek": seek}, {"seek": {"t_ms": 10**9}},
            {"step": {"by": chance.choice((-2, 1, 3)), "unit": "event"}}, {"seek": seek, "play": True}, {"speed": 50},
        ]  # fmt: skip
        state = await client.control(**chance.choice(commands))
        assert state["type"] == "state"


class Dropper:
    """A client that loses its line again and again, and comes back for what it has not."""

    def __init__(self, server: Serving, scroll_id: UUID, chance: random.Random) -> None:
        self._server = server
        self._scroll_id = scroll_id
        self._chance = chance
        self._epoch: str | None = None
        self.events: list[JsonObject] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            came_back = {} if self._epoch is None else {"epoch": self._epoch, "start_seq": len(self.events)}
            async with self._server.watch(self._scroll_id, follow=True, **came_back) as client:
                with suppress(TimeoutError, ConnectionClosed):
                    async with asyncio.timeout(self._chance.random() * 0.4):
                        while True:
                            self._take(await client.next(60), client)
                client.abort()

    def _take(self, message: JsonObject, client: Client) -> None:
        # Who comes while the session is missing or half-written is told so, and comes again.
        assert message.get("code") in (None, "archive_error") or message["type"] == "notice", message
        if message["type"] == "hello":
            self._epoch = message["epoch"]
        if message.get("resume") == "reset" or message.get("code") == "archive_rewritten":
            self._epoch = message["epoch"]
            self.events = []
        if message["type"] == "event":
            assert message["seq"] == len(self.events)
            self.events.append(client.log.events[-1])


CLIENTS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"mode": "realtime", "speed": 100},
    {"batch": 2000},
    {"window": 7},
    {"mode": "realtime", "speed": 100, "window": 3, "preview": 1024},
)


def is_up_to_date(client: Client, events: list[JsonObject]) -> bool:
    """Whether what a client has of its last generation is what the session holds from there on."""
    first = client.log.next_seq - len(client.log.events)
    return client.log.next_seq == len(events) and client.log.events == events[first:]


@pytest.fixture(params=range(ROUNDS))
def seed(request: pytest.FixtureRequest) -> int:
    """What the chances of a round are made of."""
    return int(request.param)


@pytest.mark.parametrize("kind", ["native", "claude-code", "document"])
async def test_followers_of_a_tortured_session(kind: str, seed: int, root: Path, cache: Path, tmp_path: Path) -> None:
    """What each client has in the end is what a replay of the final file gives, with nothing but resets in words."""
    chance = random.Random(f"{kind} {seed}")
    make = None if kind == "document" else (Native if kind == "native" else ClaudeCode)(root, chance)
    writer = DocumentWriter(root, chance) if make is None else LineWriter(make, chance)
    scroll_id = SCROLL_ID if make is None else make.scroll_id
    async with serving(root, cache=cache) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server.watch(scroll_id, follow=True, **how)) for how in CLIENTS]
        meddler = await stack.enter_async_context(server.watch(scroll_id, follow=True, mode="realtime"))
        for client in (*clients, meddler):
            await client.next()
        async with asyncio.TaskGroup() as group:
            reading = [
                group.create_task(read_and_acknowledge(client) if "window" in how else read_on(client))
                for client, how in zip(clients, CLIENTS, strict=True)
            ]
            dropper = Dropper(server, scroll_id, random.Random(seed))
            reading.append(group.create_task(dropper.run()))
            meddling = group.create_task(read_and_meddle(meddler, random.Random(seed)))
            for step in range(STEPS):
                await chance.choice(writer.steps)()
                await asyncio.sleep(chance.random() * LONGEST_PAUSE)
                if step % 10 == 5:
                    clients.append(late := await stack.enter_async_context(server.watch(scroll_id, follow=True)))
                    await late.next()
                    reading.append(group.create_task(read_on(late)))
                if step % CHECKED_STEPS == CHECKED_STEPS - 1:
                    events = await replayed(root, tmp_path / f"fresh-{step}", scroll_id)
                    for client in clients:
                        await settled(client, events)
            await writer.append()
            meddling.cancel()
            await asyncio.wait((meddling,))
            reading.append(group.create_task(catch_up(meddler)))
            events = await replayed(root, tmp_path / "fresh", scroll_id)
            for client in (*clients, meddler):
                await settled(client, events)
            await until(lambda: dropper.events == events, 8)
            for task in reading:
                task.cancel()
        again = await server.replay(scroll_id)

    assert again.log.events == events
    assert not [client.log.of("error") for client in (*clients, meddler) if client.log.of("error")]


async def catch_up(client: Client) -> None:
    """Play on at once from wherever a client was."""
    await client.control("last", play=True, mode="fast", seek={"seq": 0})
    await read_on(client)


async def replayed(root: Path, cache: Path, scroll_id: UUID) -> list[JsonObject]:
    """What a server that knows of nothing plays."""
    async with serving(root, cache=cache) as fresh:
        return (await fresh.replay(scroll_id)).log.events


async def settled(client: Client, events: list[JsonObject]) -> None:
    """Wait until a client has what it should have, or tell what it has."""
    try:
        await until(lambda: is_up_to_date(client, events), 8)
    except TimeoutError:
        first = client.log.next_seq - len(client.log.events)
        wrong = [
            at for at, (one, other) in enumerate(zip(client.log.events, events[first:], strict=False)) if one != other
        ]
        raise AssertionError(
            f"{client.log.next_seq} of {len(events)} events, from {first} on, wrong ones: {wrong[:5]}; "
            f"the last messages: {[str(message)[:300] for message in client.log.messages[-4:]]}"
        ) from None
