"""The compiled ends of a wire (`wire.c`): thousands of viewers in one process, and the senders to compare with."""

from __future__ import annotations

import selectors
import shutil
import subprocess
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final

import orjson

from benchmarks.client import TEXT, Broken, drain, frames, target
from benchmarks.corpus import Corpus
from benchmarks.server import TOP, Child, start

__all__ = [
    "Tape",
    "Watch",
    "Watched",
    "c_sender",
    "compiled",
    "has_node_ws",
    "node_sender",
    "record",
    "run_fast",
    "watching",
]

READY_SECONDS: Final = 120.0
LOST_SECONDS: Final = 10.0
"""A server that is later than that has lost something. That it is late at all is in the figures."""


def compiled(folder: Path) -> Path | None:
    """`wire.c`, compiled; `None` without a C compiler (or on a system that lacks epoll)."""
    compiler, tool = shutil.which("cc"), folder / "wire"
    if compiler is None:
        return None
    command = [compiler, "-O2", "-o", str(tool), str(TOP / "benchmarks" / "wire.c"), "-lm"]
    return tool if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


# ------------------------------------------------------------------------------------------------------- recordings


@dataclass(frozen=True, slots=True)
class Tape:
    """What a whole replay of a session sends, and the sums by which any part of it is known again."""

    session: Corpus
    times: array[float]
    sums: list[int]
    """The digests of the events before each, added up."""


async def record(tool: Path, server: Child, session: Corpus, folder: Path) -> Tape:
    """Write the frames of a session's events, and their table, for the senders; checked against the archive."""
    raw = folder / f"{session.scroll_id}.raw"
    with raw.open("wb") as file:
        await drain(server.port, target(session.scroll_id), count=session.count, tape=file)
    data = raw.read_bytes()
    raw.unlink()
    table, payloads, times = array("d"), [], array("d")
    with (folder / f"{session.scroll_id}.frames").open("wb") as out:
        for opcode, start_, stop in frames(data, len(data)):
            payload = data[start_:stop]
            if opcode == TEXT and payload.startswith(b'{"type":"event"'):
                head = 2 if len(payload) < 126 else 4 if len(payload) < 1 << 16 else 10
                times.append(orjson.loads(payload)["t_ms"])
                table.extend((times[-1], out.tell(), head + len(payload)))
                out.write(data[start_ - head : stop])
                payloads.append(payload)
    (folder / f"{session.scroll_id}.table").write_bytes(table.tobytes())
    _check(payloads, session)
    sums = list(accumulate(_digests(tool, payloads), initial=0))
    if len(sums) != session.count + 1:
        raise Broken(f"{len(sums) - 1} digests of {session.count} events")
    return Tape(session, times, sums)


def _digests(tool: Path, payloads: Sequence[bytes]) -> list[int]:
    told = subprocess.run([tool, "digest"], input=b"\n".join(payloads) + b"\n", capture_output=True, check=True)
    return list(map(int, told.stdout.split()))


def _check(payloads: Sequence[bytes], session: Corpus) -> None:
    records = session.file.read_bytes().splitlines()
    if len(records) != len(payloads):
        raise Broken(f"{len(payloads)} events came of {len(records)}")
    for seq, (payload, line) in enumerate(zip(payloads, records, strict=True)):
        event, record_ = orjson.loads(payload), orjson.loads(line)
        message = event["event"]["message"]
        if event["seq"] != seq or message["id"] != record_["message_id"] or message["created_at"] != record_["ts"]:
            raise Broken(f"event {seq} is not what is archived")


# ---------------------------------------------------------------------------------------------------------- viewers


@dataclass(frozen=True, slots=True)
class Watched:
    """What one connection got. Moments are those of `time.monotonic`."""

    first_seq: int
    last_seq: int
    messages: int
    digest: int
    bytes: int
    close_code: int
    begun: float
    first_event: float
    end: float

    @classmethod
    def of(cls, line: str) -> Watched:
        """From a line that the tool wrote."""
        words = line.split()
        return cls(*map(int, words[:6]), *map(float, words[6:]))


@dataclass(slots=True)
class Watch:
    """Connections of one `wire view`; what they got is there when the block of `watching` has ended.

    `samples` are (moment when due, seconds late) of each event of those in realtime.
    """

    process: subprocess.Popen[str]
    samples: list[tuple[float, float]] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    stopped: float = 0.0

    def within(self, started: float, finished: float) -> list[float]:
        """Milliseconds late of what was due in that time."""
        return [late * 1000 for due, late in self.samples if started <= due <= finished]

    def check(self, tapes: Sequence[tuple[Tape, int]]) -> None:
        """Make sure that each connection got what it had to: number, order and content. What was due and had not come
        when all ended becomes samples, as late as it was by then.

        `tapes` are what each watched and the recorded milliseconds at which it began.

        Raises:
            Broken: one did not.
        """
        for seen, (tape, start_ms) in zip(self.watched, tapes, strict=True):
            first = bisect_left(tape.times, start_ms)
            last = seen.last_seq if seen.messages else first - 1
            due_since = seen.begun - start_ms / 1000
            due = bisect_right(tape.times, (self.stopped - due_since) * 1000)
            late = [self.stopped - (due_since + t_ms / 1000) for t_ms in tape.times[last + 1 : due]]
            if (seen.messages and seen.first_seq != first) or (late and late[0] > LOST_SECONDS):
                raise Broken(f"events {first} to {due - 1} were due, {seen.first_seq} to {seen.last_seq} came")
            if (tape.sums[last + 1] - tape.sums[first]) % 2**64 != seen.digest:
                raise Broken("what came is not what is archived")
            self.samples += [(self.stopped - seconds, seconds) for seconds in late]


@contextmanager
def watching(tool: Path, port: int, targets: Sequence[str], folder: Path) -> Iterator[Watch]:
    """Watch all these paths, from when each has its `hello` on."""
    samples, checks = folder / f"samples-{time.monotonic_ns()}", folder / f"checks-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [tool, "view", str(port), samples, checks], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write("\n".join(targets) + "\n\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            if not waiting.select(READY_SECONDS) or process.stdout.readline() != "ready\n":
                raise Broken(f"{len(targets)} viewers could not be connected")
        watch = Watch(process)
        yield watch
        watch.stopped = time.monotonic()
        process.stdin.close()
        if process.wait(READY_SECONDS):
            raise Broken("the viewers failed")
        found = array("d", samples.read_bytes())
        watch.samples = list(zip(found[::2], found[1::2], strict=True))
        watch.watched = list(map(Watched.of, checks.read_text().splitlines()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for path in (samples, checks):
            path.unlink(missing_ok=True)


def run_fast(tool: Path, port: int, targets: Sequence[str], folder: Path) -> list[Watched]:
    """Take all these replays at once, as fast as they come, to their ends."""
    samples, checks = folder / "samples-fast", folder / "checks-fast"
    command = [str(tool), "view", str(port), str(samples), str(checks)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stdin
    try:
        process.stdin.write("\n".join(targets) + "\n\n")
        process.stdin.flush()
        if process.wait(READY_SECONDS):
            raise Broken("the clients failed")
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
    return list(map(Watched.of, checks.read_text().splitlines()))


# ---------------------------------------------------------------------------------------------------------- senders


@contextmanager
def c_sender(tool: Path, folder: Path, tick_us: int = 0) -> Iterator[Child]:
    """The limit: a thread with epoll and a heap of due times, which sends ready-made frames."""
    with start([str(tool), "send", str(folder), str(tick_us)], {}) as child:
        yield child


def has_node_ws() -> bool:
    """Whether `node_sender` can be started."""
    return bool(_node()) and (TOP / "node_modules" / "ws").is_dir()


def _node() -> str:
    """The program itself, where what is called `node` only starts it; its processor time is looked at."""
    found = shutil.which("node", path=str(TOP / ".venv" / "bin")) or shutil.which("node")
    command = [found or "node", "-p", "process.execPath"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() if found else ""


@contextmanager
def node_sender(folder: Path) -> Iterator[Child]:
    """Node with `ws`, a timer a viewer and cached Buffers."""
    with start([_node(), str(TOP / "benchmarks" / "node_sender.mjs"), str(folder)], {}) as child:
        yield child
