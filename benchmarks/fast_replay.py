"""Fast mode, one client: the bytes a second beside those of a bare sender of the same frames, in the same run."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from benchmarks.client import TEXT, Broken, Drain, drain, frames, target
from benchmarks.corpus import Corpus, native_session
from benchmarks.report import Options, Row, main, median
from benchmarks.server import Child, apart, bare_sender, scrollcast
from benchmarks.wire import compiled, has_node_ws, node_sender, record, run_fast

__all__ = ["measure"]

MEGABYTES: Final = 250
BATCH: Final = 65_536
SHARE_TARGET: Final = 0.35
CPU_BATCHES: Final = 2.0
CPU_SINGLE: Final = 3.0
OF_NODE: Final = 2.0


@dataclass(slots=True)
class _Runs:
    """Runs of one server: bytes a second of each, and the processor time of all."""

    speeds: list[float] = field(default_factory=list)
    bytes: int = 0
    cpu_seconds: float = 0.0

    async def add(self, server: Child, where: str, count: int) -> Drain:
        before = server.cpu_seconds()
        client = await drain(server.port, where, count=count)
        self.cpu_seconds += server.cpu_seconds() - before
        self.bytes += client.bytes
        self.speeds.append(client.bytes / client.seconds)
        return client

    @property
    def cpu_per_gigabyte(self) -> float:
        return self.cpu_seconds / self.bytes * 1e9


async def measure(options: Options, folder: Path) -> list[Row]:
    """Batches, and one event a message, from a native archive whose index is there."""
    session = native_session(folder / "archive", options.pick(MEGABYTES, 30))
    with apart(), scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        batches = await _compare(server, session, BATCH, folder, options.pick(7, 3))
        single = await _compare(server, session, 0, folder, options.pick(5, 2))
        beside_node = await _beside_node(server, session, folder, options.pick(5, 2))
    return [
        _share("fast, batch=65536, native, index there: share of a bare sender", batches, session, SHARE_TARGET),
        _cpu("fast, batch=65536, native, index there: server CPU, × a bare sender", batches, CPU_BATCHES),
        _share("fast, one event a message, native, index there: share of a bare sender", single, session, None),
        _cpu("fast, one event a message, native, index there: server CPU, × a bare sender", single, CPU_SINGLE),
        beside_node,
    ]


def _share(name: str, runs: tuple[_Runs, _Runs], session: Corpus, goal: float | None) -> Row:
    ours, bare = runs
    shares = [own / reference for own, reference in zip(ours.speeds, bare.speeds, strict=True)]
    speed = median(ours.speeds)
    return Row(
        name,
        median(shares),
        "×",
        goal,
        "at least",
        ratio=median(shares),
        detail={
            "lowest": min(shares),
            "highest": max(shares),
            "MB/s": speed / 1e6,
            "bare MB/s": median(bare.speeds) / 1e6,
            "events/s": speed / (ours.bytes / len(ours.speeds)) * session.count,
            "server CPU, × bare": ours.cpu_per_gigabyte / bare.cpu_per_gigabyte if bare.cpu_seconds else "unknown",
            "CPU s/GB": ours.cpu_per_gigabyte,
            "bare CPU s/GB": bare.cpu_per_gigabyte,
        },
    )


def _cpu(name: str, runs: tuple[_Runs, _Runs], goal: float) -> Row:
    ours, bare = runs
    if not bare.cpu_seconds:
        return Row(name, 0.0, "×", goal, skipped="the system does not tell the reference's processor time so finely")
    ratio = ours.cpu_per_gigabyte / bare.cpu_per_gigabyte
    return Row(name, ratio, "×", goal, ratio=ratio)


async def _beside_node(server: Child, session: Corpus, folder: Path, rounds: int) -> Row:
    """Events a second, one a message, beside Node's `ws` with cached Buffers, in turns and to the same client."""
    name = "fast, one event a message, native, index there: events/s, × Node ws"
    tool = compiled(folder)
    if tool is None or not has_node_ws():
        return Row(name, 0.0, "×", OF_NODE, "at least", skipped="there is no C compiler, or no Node with ws")
    tape = await record(tool, server, session, folder)
    shares, speeds = [], {}
    with node_sender(folder) as node:
        for round_ in range(rounds):
            for child in (server, node)[:: 1 if round_ % 2 else -1]:
                seen = run_fast(tool, child.port, [target(session.scroll_id)], folder)[0]
                if (seen.messages, seen.first_seq, seen.digest) != (session.count, 0, tape.sums[-1] % 2**64):
                    raise Broken(f"a fast replay was not whole: {seen}")
                speeds[child.port] = session.count / (seen.end - seen.begun)
            shares.append(speeds[server.port] / speeds[node.port])
    detail: dict[str, float | int | str] = {
        "lowest": min(shares),
        "highest": max(shares),
        "events/s": speeds[server.port],
        "Node events/s": speeds[node.port],
    }
    return Row(name, median(shares), "×", OF_NODE, "at least", ratio=median(shares), detail=detail)


async def _compare(server: Child, session: Corpus, batch: int, folder: Path, rounds: int) -> tuple[_Runs, _Runs]:
    """Pairs of runs, in turns, ours first in one round and last in the next."""
    where = target(session.scroll_id, batch=batch)
    tape = folder / f"frames-{batch}"
    with tape.open("wb") as file:
        whole = await drain(server.port, where, count=session.count, tape=file)
    _check_tape(tape, session, batch)
    ours, bare = _Runs(), _Runs()
    with bare_sender(tape) as reference:
        tape.unlink()
        for round_ in range(rounds):
            for runs, child in ((ours, server), (bare, reference))[:: 1 if round_ % 2 else -1]:
                client = await runs.add(child, where, session.count)
                _check_same(client, whole)
    return ours, bare


def _check_same(client: Drain, whole: Drain) -> None:
    # Batches may be cut elsewhere while an index grows; the numbers in `hello` and `end` vary in length.
    if abs(client.bytes - whole.bytes) > max(1_000, whole.bytes // 1_000):
        raise Broken(f"{client.bytes} bytes came in place of {whole.bytes}")


def _check_tape(tape: Path, session: Corpus, batch: int) -> None:
    """Compare all that was sent with all that is archived: number, order, times and content."""
    seq = 0
    with tape.open("rb") as file, session.file.open("rb") as lines:
        for message in _messages(file):
            events = message["events"] if message["type"] == "events" else [message]
            if message["type"] in ("event", "events"):
                _check_events(events, [orjson.loads(line) for line in islice(lines, len(events))], seq)
                seq += len(events)
    if seq != session.count:
        raise Broken(f"{seq} events came of {session.count}")


def _messages(tape: BinaryIO) -> Iterator[dict[str, Any]]:
    with mmap.mmap(tape.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for opcode, start, stop in frames(data, len(data)):
            if opcode == TEXT:
                yield orjson.loads(data[start:stop])


def _check_events(events: list[dict[str, Any]], records: list[dict[str, Any]], seq: int) -> None:
    for place, (event, archived) in enumerate(zip(events, records, strict=True), seq):
        message = event["event"]["message"]
        same = message["id"] == archived["message_id"] and message["content"] == archived["content_parts"]
        if event["seq"] != place or not same or message["created_at"] != archived["ts"]:
            raise Broken(f"event {place} is not what is archived")


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
