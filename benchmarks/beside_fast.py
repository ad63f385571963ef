"""1,000 realtime viewers beside fast replays of 1 GB, one and four, and how soon a seek in it is answered meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.client import Broken, Drain, connected, drain, target
from benchmarks.corpus import Corpus, native_session
from benchmarks.many_viewers import SETTLE_SECONDS, places, tapes_of
from benchmarks.report import Options, Row, main, percentile
from benchmarks.server import Child, scrollcast
from benchmarks.wire import Watch, Watched, compiled, run_fast, watching

__all__ = ["answers_to_seeks", "beside", "measure"]

VIEWERS: Final = 1_000
BATCH: Final = 65_536
SEEKS: Final = 200
LEAST_SECONDS: Final = 2.0

P99_MS: Final = 5.0
KEPT_SPEED: Final = 0.9
ANSWER_MS: Final = 20.0


async def measure(options: Options, folder: Path) -> list[Row]:
    """As `beside`, of a session of its own."""
    large = native_session(folder / "archive", options.pick(1_000, 20))
    return await beside(large, folder, folder / "cache", options)


async def beside(large: Corpus, folder: Path, cache: Path, options: Options) -> list[Row]:
    """The viewers' lateness, the fast replays' speed beside them as a share of that alone, and answers to seeks.

    The session lies in `folder / "archive"`, and `cache` may hold its index.
    """
    tool = compiled(folder)
    if tool is None:
        return [Row("realtime viewers beside fast replays", 0.0, "", skipped="there is no C compiler for the clients")]
    count = options.pick(VIEWERS, 100)
    with scrollcast([folder / "archive"], cache, options.package) as server:
        await drain(server.port, target(large.scroll_id, batch=BATCH), count=large.count)  # makes its index, if need be
        watched = places(await tapes_of(tool, server, folder), count)
        paths = [target(tape.session.scroll_id, mode="realtime", start_ms=start_ms) for tape, start_ms in watched]
        alone = [_fast(tool, server, large, folder, times) for times in (1, 4)]
        with watching(tool, server.port, paths, folder) as watch:
            await asyncio.sleep(SETTLE_SECONDS)
            beside = [_fast(tool, server, large, folder, times) for times in (1, 4)]
            answers = await answers_to_seeks(server, large, SEEKS)
        watch.check(watched)
    rows = []
    for times, before, (started, finished, speed) in zip((1, 4), alone, beside, strict=True):
        rows += _rows(
            f"{count:,} realtime viewers beside {times} fast of {large.size / 1e6:,.0f} MB",
            watch,
            started,
            finished,
            speed,
            before[2],
        )
    return [
        *rows,
        _answered(f"seek in {large.count:,} events under {count:,} realtime viewers: answered, p99", answers),
    ]


def _fast(tool: Path, server: Child, session: Corpus, folder: Path, times: int) -> tuple[float, float, float]:
    """So many whole replays at once, and again until enough time has passed for viewers to be looked at: when they
    began and ended, and their bytes a second in all."""
    started = finished = time.monotonic()
    seen: list[Watched] = []
    while finished - started < LEAST_SECONDS:
        seen += run_fast(tool, server.port, [target(session.scroll_id, batch=BATCH)] * times, folder)
        finished = time.monotonic()
    _check(seen, session)
    return started, finished, sum(replay.bytes for replay in seen) / (finished - started)


def _check(seen: list[Watched], session: Corpus) -> None:
    """Every replay was whole, and all of them were the same."""
    for replay in seen:
        if replay.close_code != 1000 or replay.first_seq != 0 or replay.bytes < session.size / 2:
            raise Broken(f"a fast replay was not whole: {replay}")
    if len({(replay.digest, replay.messages, replay.last_seq) for replay in seen}) > 1:
        raise Broken("fast replays of one session differ")


async def answers_to_seeks(server: Child, session: Corpus, times: int) -> list[float]:
    """Milliseconds from a seek to somewhere in a session to its `state`."""
    random, answers = Random("seeks"), []
    where = target(session.scroll_id, paused="true", hold="true")
    async with connected(server.port, lambda: Drain("127.0.0.1", server.port, where)) as client:
        await client.heard("hello")
        for _ in range(times):
            seq = random.randrange(session.count)
            asked = time.perf_counter()
            answer = asyncio.ensure_future(client.heard("state"))
            await asyncio.sleep(0)
            client.send({"type": "control", "seek": {"seq": seq}})
            if (await answer)["seq"] != seq:
                raise Broken(f"a seek to {seq} was answered with another place")
            answers.append((time.perf_counter() - asked) * 1000)
    return answers


def _rows(name: str, watch: Watch, started: float, finished: float, speed: float, alone: float) -> list[Row]:
    late = watch.within(started, finished)
    detail: dict[str, float | int | str] = {
        "p50 ms": percentile(late, 0.5),
        "p99.9 ms": percentile(late, 0.999),
        "highest ms": max(late),
        "events": len(late),
        "fast MB/s": speed / 1e6,
        "fast alone MB/s": alone / 1e6,
    }
    return [
        Row(f"{name}: p99 lateness", percentile(late, 0.99), "ms", P99_MS, detail=detail),
        Row(f"{name}: speed of the fast, of that alone", speed / alone, "×", KEPT_SPEED, "at least", speed / alone),
    ]


def _answered(name: str, answers: list[float]) -> Row:
    p50, highest = percentile(answers, 0.5), max(answers)
    detail: dict[str, float | int | str] = {"p50 ms": p50, "highest ms": highest, "seeks": len(answers)}
    return Row(name, percentile(answers, 0.99), "ms", ANSWER_MS, detail=detail)


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
