"""How soon the page shows something: the player and the list, in a real Chromium that has nothing of them yet.

Each load is a browser context of its own, so that every file has to be fetched. Times are the page's own, from the
start of the navigation: what the browser did before it is not in them, what other work the machine does is.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.browser import browser, why_no_browser
from benchmarks.client import Broken
from benchmarks.corpus import native_session
from benchmarks.report import Options, Row, main, median
from benchmarks.server import scrollcast

if TYPE_CHECKING:
    from benchmarks.browser import Chromium

__all__ = ["measure"]

TARGET_MS: Final = 500.0

PATIENCE_S: Final = 30.0

WATCH: Final = """() => {
  const look = () => {
    if (document.querySelector('.dock .play, .sessions')) window.benchmarkReady ??= performance.now();
    if (document.querySelector('.messages > .msg, .sessions .row')) window.benchmarkStands = performance.now();
    else requestAnimationFrame(look);
  };
  look();
}"""
"""Notes when the controls of the player, or the list's frame, are there to be used, and when the first message or the
first session is."""

TOLD: Final = """() => ({
  paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
  ready: window.benchmarkReady ?? null,
  stands: window.benchmarkStands ?? null,
  files: performance.getEntriesByType('resource').filter((each) => each.name.includes('/assets/')).length,
  bytes: performance.getEntriesByType('resource').reduce((sum, each) => sum + each.encodedBodySize, 0),
})"""


async def measure(options: Options, folder: Path) -> list[Row]:
    """A row for each page, and one for when its content stands."""
    names = ("player", "list")
    if why := why_no_browser():
        return [Row(f"{name}: first paint", 0.0, "ms", TARGET_MS, skipped=why) for name in names]
    session = native_session(folder / "archive", 5, name="first-paint")
    with scrollcast([folder / "archive"], folder / "cache", options.package) as server:
        root = f"http://127.0.0.1:{server.port}/"
        async with browser() as chromium:
            addresses = (f"{root}sessions/{session.scroll_id}", root)
            for address in addresses:
                await _load(chromium, address)  # the server has read the session, and the browser has started
            rows = []
            for name, address in zip(names, addresses, strict=True):
                loads = [await _load(chromium, address) for _ in range(options.pick(15, 3))]
                rows += _rows(name, loads)
            return rows


def _rows(name: str, loads: list[dict[str, float]]) -> list[Row]:
    files: dict[str, float | int | str] = {"files": int(loads[0]["files"]), "KB": loads[0]["bytes"] / 1000}
    rows = []
    for what, key, target in (
        ("first paint, nothing kept", "paint", TARGET_MS),
        ("controls stand", "ready", TARGET_MS),
        ("first content stands", "stands", None),
    ):
        times = [load[key] for load in loads]
        detail = {"least": min(times), "most": max(times), **files}
        rows.append(Row(f"{name}: {what}", median(times), "ms", target, detail=detail))
    return rows


async def _load(chromium: Chromium, address: str) -> dict[str, float]:
    async with chromium.tab() as page:
        await page.add_init_script(f"({WATCH})()")
        await page.goto(address)
        for _ in range(int(PATIENCE_S / 0.1)):
            told: dict[str, float | None] = await page.evaluate(TOLD)
            if told["paint"] is not None and told["stands"] is not None:
                return {name: value for name, value in told.items() if value is not None}
            await asyncio.sleep(0.1)
    raise Broken(f"{address} shows nothing")


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
