"""A session of 200,000 events in the page: what its main thread does, and what the tab holds.

A task is judged by the processor time of its thread, not by the clock, so that a busy machine changes nothing; and
with room for a slow one: what grows with the session would be longer by far.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import pytest
from playwright.async_api import Browser, Page, expect

from archives import metadata
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]

HUGE: Final = UUID("0b5e55ed-0000-4000-8000-000000200000")
COUNT: Final = 200_000

LONGEST_TASK_MS: Final = 100.0
"""The aim is 50, and 26 is what it takes; beside much other work on the same cores, twice that and more."""

MOST_HEAP_MB: Final = 150.0
MOST_NODES: Final = 40_000


def record(number: int, when: datetime) -> dict[str, Any]:
    """One of a twelve-message turn: a person, prose, three calls with their results."""
    words = f"event {number} of the tide " * 4
    call = f"c{number - 1}" if number % 3 == 1 else f"c{number}"
    parts: list[dict[str, Any]] | None = None
    role = "user" if number % 12 == 0 else "assistant"
    if number % 12 in (3, 6, 9):
        command = {"command": f"grep -n tide-{number} log.txt"}
        parts = [
            {"type": "tool_call", "call_id": call, "name": "Bash", "kind": "execute", "title": "", "input": command}
        ]
    elif number % 12 in (4, 7, 10):
        role = "tool"
        output = [{"type": "text", "text": "\n".join(f"{line}: {words}" for line in range(4))}]
        parts = [{"type": "tool_result", "call_id": call, "output": output, "is_error": number % 97 == 0}]
    return {
        "message_id": f"m{number}",
        "session": str(HUGE),
        "ts": when.isoformat().replace("+00:00", "Z"),
        "role": role,
        "content_md": f"## Part {number}\n\n{words}\n\n```python\nprint({number})\n```\n",
        "content_parts": parts,
        "metadata": None,
    }


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the one session."""
    root = tmp_path_factory.mktemp("huge")
    folder = root / str(HUGE)
    folder.mkdir()
    (folder / "session.json").write_text(json.dumps(metadata(HUGE, title="Huge")))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    with (folder / "messages.jsonl").open("wb") as file:
        for number in range(COUNT):
            when = began + timedelta(milliseconds=350 * number + 4_200 * (number // 12))  # a silence before each turn
            file.write(orjson.dumps(record(number, when), option=orjson.OPT_APPEND_NEWLINE))
    server = Server(tmp_path_factory.mktemp("home"), root)
    server.start()
    yield server
    server.kill()


async def longest_task(browser: Browser, page: Page, work: Callable[[], Awaitable[object]]) -> float:
    """The most processor time, in milliseconds, that one task of the page's main thread took meanwhile."""
    await browser.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])
    await work()
    trace = orjson.loads(await browser.stop_tracing())["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in trace
        if event.get("name") == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks: list[float] = [
        event["tdur"] / 1000
        for event in trace
        if event.get("ph") == "X" and "tdur" in event and (event["pid"], event["tid"]) in main
        if event["name"].endswith("RunTask")
    ]
    assert len(tasks) > 50, "the trace says nothing of the page"
    return max(tasks)


async def held(page: Page) -> tuple[float, int]:
    """Megabytes of the heap after a collection, and how many nodes there are."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("HeapProfiler.collectGarbage")
    heap = await devtools.send("Runtime.getHeapUsage")
    nodes = await devtools.send("Memory.getDOMCounters")
    await devtools.detach()
    return heap["usedSize"] / 1e6, nodes["nodes"]


async def test_a_huge_session_opens_plays_seeks_and_scrolls_without_a_long_task(browser: Browser, huge: Server) -> None:
    """Whatever its length; and the tab holds no more of it at the end than at the beginning."""
    async with tab(browser, huge.url) as viewer:
        page = viewer.page
        page.set_default_timeout(120_000)
        await viewer.watch(HUGE)  # indexed, so that what is looked at is the page
        await expect(page.locator(".panel-title")).to_have_text("Turns · 16,667", timeout=120_000)

        async def play() -> None:
            await page.goto(f"{huge.url}/sessions/{HUGE}#speed=64&t=0")
            await expect(page.locator(".messages > .msg").nth(20)).to_be_visible()
            await page.wait_for_timeout(3000)

        async def seek() -> None:
            for key in "7391508":
                await page.keyboard.press(key)
                await page.wait_for_timeout(300)
            await settle(viewer)
            await expect(page.locator(".turn[aria-current] .turn-label")).to_contain_text("Part ")

        async def scroll() -> None:
            await page.mouse.move(700, 300)
            for _ in range(30):
                await page.mouse.wheel(0, -800)
                await page.wait_for_timeout(50)

        for work in (play, seek, scroll):
            if work is seek:
                await viewer.stop()  # not among what is traced: finding a button by its role takes the page long
            longest = await longest_task(browser, page, work)
            assert longest < LONGEST_TASK_MS, f"{work.__name__}: a task of {longest:.0f} ms"
            heap, nodes = await held(page)
            assert heap < MOST_HEAP_MB
            assert nodes < MOST_NODES


async def test_a_storm_of_seeks_ends_where_the_last_one_led(browser: Browser, huge: Server) -> None:
    """Twenty in two seconds; what is shown belongs together."""
    async with tab(browser, huge.url) as viewer:
        await viewer.watch(HUGE, "#speed=1&t=0")
        await viewer.stop()
        for key in "73915082649173582046":
            await viewer.page.keyboard.press(key)
            await asyncio.sleep(0.1)
        await settle(viewer)
        seqs = await viewer.seqs()
        assert abs(seqs[-1] - COUNT * 0.6) < 10
        assert seqs == sorted(set(seqs))
        assert seqs[-1] - seqs[0] < 100


async def test_as_fast_as_possible_the_whole_of_it_goes_through_a_tab_that_holds_little(
    browser: Browser, huge: Server
) -> None:
    """All events come, a window at a time, and the end is told."""
    async with tab(browser, huge.url) as viewer:
        await viewer.watch(HUGE, "#speed=max")
        await expect(viewer.page.locator(".end-card")).to_be_visible(timeout=240_000)
        await expect(viewer.page.locator(".end-facts")).to_contain_text("200,000 messages")
        heap, nodes = await held(viewer.page)
        assert heap < MOST_HEAP_MB
        assert nodes < MOST_NODES


async def settle(viewer: Viewer) -> None:
    """Wait until the position that was asked for is the one that is shown."""
    await expect(viewer.page.locator(".messages > .msg").first).to_be_visible()
    await viewer.settled()
