"""The vectors against the Python client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from scripted import UNATTENDED, VECTORS, Scripted, playing
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
from scrollcast.conformance.vectors import Vector
from serving import until

RAISED: Mapping[str, type[Exception]] = {
    "refused": ReplayRefused, "rewritten": SessionRewritten, "broken": ProtocolViolation,
}  # fmt: skip


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
