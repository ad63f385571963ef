"""The page with a long session: opened, played, sought in and scrolled, in a real Chromium.

What counts is the longest task of the page's main thread: as long as one runs, nothing moves and no click is answered.
It is told in processor time of that thread, so that what else the machine does is not in it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from benchmarks.browser import browser, why_no_browser
from benchmarks.client import Broken
from benchmarks.corpus import Corpus, native_session
from benchmarks.report import Options, Row, main
from benchmarks.server import scrollcast

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["measure"]

LONGEST_TASK_MS: Final = 50.0
"""What is longer is called a long task (W3C, Long Tasks API): a person feels it."""

MOST_HEAP_MB: Final = 150.0

PATIENCE_MS: Final = 180_000
"""The first play of a large session has to read it."""

STORM: Final = "73915082649173582046"
"""Keys, each of which seeks to so many tenths of the session."""


@dataclass(frozen=True, slots=True)
class _Tasks:
    """What the main thread did: milliseconds of processor time of each task, the longest first."""

    lengths: list[float]

    @property
    def long(self) -> int:
        """How many were too long."""
        return sum(length > LONGEST_TASK_MS for length in self.lengths)


async def measure(options: Options, folder: Path) -> list[Row]:
    """Rows of one session of the native archive."""
    size = options.pick(1_000, 100)
    name = f"{size:,} MB native in the page"
    if why := why_no_browser():
        return [Row(f"{name}: longest task", 0.0, "ms", LONGEST_TASK_MS, skipped=why)]
    session = native_session(folder / "archive", size, name=f"page-{size}")
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        async with browser() as chromium, chromium.tab() as page:
            return await _watch(
                page, f"http://127.0.0.1:{server.port}/sessions/{session.scroll_id}", session, name, options
            )


async def _watch(page: Page, url: str, session: Corpus, name: str, options: Options) -> list[Row]:
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(f"{url}#t=0")
    await page.locator(".turn-list li").nth(1).wait_for()  # read to its end, so that what is measured is the page
    rows = []
    seconds = options.pick(20, 5)

    async def play(speed: str) -> None:
        await page.goto(f"{url}#speed={speed}&t=0")
        await page.locator(".messages > .msg").first.wait_for()
        await asyncio.sleep(seconds)

    works: list[tuple[str, bool, Callable[[], Awaitable[None]]]] = [
        ("opened and played at 64×", True, lambda: play("64")),
        ("20 seeks in 2 s", False, lambda: _seek(page)),
        ("scrolled back", False, lambda: _scroll(page, options.pick(100, 30))),
        ("opened and played at max", True, lambda: play("max")),
    ]
    heaps, nodes = [], []
    for what, opens, work in works:
        if opens:  # without the page before it, all of whose styles are found anew when Playwright lets go of it
            await page.goto("about:blank")
        tasks = await _traced(page, work)
        heap, count = await _held(page)
        heaps.append(heap)
        nodes.append(count)
        detail: dict[str, float | int | str] = {
            "longer than 50 ms": tasks.long, "tasks": len(tasks.lengths), "heap MB": heap, "nodes": count,
        }  # fmt: skip
        rows.append(Row(f"{name}, {what}: longest task", tasks.lengths[0], "ms", LONGEST_TASK_MS, detail=detail))
    detail = {"events": session.count, "most nodes": max(nodes)}
    return [*rows, Row(f"{name}: most heap", max(heaps), "MB", MOST_HEAP_MB, detail=detail)]


async def _seek(page: Page) -> None:
    for key in STORM:
        await page.keyboard.press(key)
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)


async def _scroll(page: Page, turns: int) -> None:
    await page.keyboard.press("k")
    await page.mouse.move(700, 300)
    for _ in range(turns):
        await page.mouse.wheel(0, -1_000)
        await asyncio.sleep(0.05)


async def _traced(page: Page, work: Callable[[], Awaitable[None]]) -> _Tasks:
    chromium = page.context.browser
    assert chromium is not None
    await chromium.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    await work()
    trace = orjson.loads(await chromium.stop_tracing())["traceEvents"]
    main_threads = {
        (event["pid"], event["tid"])
        for event in trace
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    lengths = [
        event["tdur"] / 1000
        for event in trace
        if event.get("name") == "ThreadControllerImpl::RunTask"
        and "tdur" in event
        and (event["pid"], event["tid"]) in main_threads
    ]
    if not lengths:
        raise Broken("Chromium's trace names no task of the page")
    return _Tasks(sorted(lengths, reverse=True))


async def _held(page: Page) -> tuple[float, int]:
    """Megabytes of the heap after a collection, and the nodes of the document."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    heap = await devtools.send("Runtime.getHeapUsage")
    counters = await devtools.send("Memory.getDOMCounters")
    await devtools.detach()
    return heap["usedSize"] / 1e6, counters["nodes"]


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
