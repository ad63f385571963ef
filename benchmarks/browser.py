"""A real Chromium that watches a session, and tells when appended text was to be seen."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.client import Broken
from benchmarks.corpus import Corpus

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

__all__ = ["Chromium", "Screen", "browser", "why_no_browser"]

PATIENCE_MS: Final = 15_000
CLOCK_ROUNDS: Final = 30

WATCH: Final = r"""() => {
  const waiting = new Map(), shown = {};
  window.benchmarkShown = shown;
  const note = (text) => {
    for (const found of text.data.matchAll(/appended-(\d{6})/g)) {
      if (!(found[1] in shown) && !waiting.has(found[1])) waiting.set(found[1], [text, found.index]);
    }
  };
  const look = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return note(node);
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) note(texts.currentNode);
  };
  const conversation = document.querySelector('.messages');
  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === 'characterData') look(change.target);
      change.addedNodes.forEach(look);
    }
  }).observe(conversation, { subtree: true, childList: true, characterData: true });
  const isSeen = (text, index) => {
    if (!text.isConnected) return false;
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + 1);
    const place = range.getBoundingClientRect();
    const there = document.elementFromPoint(place.left + 1, place.top + place.height / 2);
    return place.height > 0 && there !== null && text.parentElement.contains(there);
  };
  const frame = () => {
    const now = performance.now();
    for (const [number, [text, index]] of waiting) {
      if (!text.isConnected) waiting.delete(number);
      else if (isSeen(text, index)) {
        shown[number] = now;
        waiting.delete(number);
      }
    }
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
"""Each frame looks whether text that was added stands where it can be seen. What it finds was drawn by the frame
before: the time that is noted is never too early, and at most one frame too late."""


def why_no_browser() -> str:
    """In a sentence, why there can be no browser; empty when there can."""
    if importlib.util.find_spec("playwright") is None:
        return "Playwright is not installed"
    return "" if _chromium() else "there is no Chromium: install one, or name it in CHROMIUM"


def _chromium() -> str | None:
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    return None


class Screen:
    """A tab that shows the live end of a session. `clock_error` is in seconds."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._zero = 0.0
        self.clock_error = 0.0

    async def begin(self) -> None:
        """Watch what is added from now on."""
        await self._page.evaluate(WATCH)
        rounds = [await self._compare_clocks() for _ in range(CLOCK_ROUNDS)]
        self.clock_error, self._zero = min(rounds)

    async def _compare_clocks(self) -> tuple[float, float]:
        """How far off it may be, and what `time.monotonic` said when the page's clock began."""
        before = time.monotonic()
        theirs = await self._page.evaluate("performance.now()")
        after = time.monotonic()
        return (after - before) / 2, (before + after) / 2 - theirs / 1000

    async def until_shown(self, number: int) -> None:
        """Wait for the text with a number.

        Raises:
            Broken: it does not come.
        """
        until = time.monotonic() + PATIENCE_MS / 1000
        while number not in await self.shown():  # the page's policy does not let Playwright wait inside of it
            if time.monotonic() > until:
                raise Broken(f"line {number} was appended, and is not to be seen on the page")
            await asyncio.sleep(0.1)

    async def shown(self) -> dict[int, float]:
        """When the text with each number was first seen, as moments of `time.monotonic`."""
        found: dict[str, float] = await self._page.evaluate("window.benchmarkShown")
        return {int(number): self._zero + moment / 1000 for number, moment in found.items()}


class Chromium:
    """A browser."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Page]:
        """A page with nothing in it."""
        page = await self._browser.new_page(viewport={"width": 1280, "height": 800})
        try:
            yield page
        finally:
            await page.close()

    @asynccontextmanager
    async def screen(self, port: int, session: Corpus) -> AsyncIterator[Screen]:
        """The page of a session, at its live end.

        Raises:
            Broken: it does not get there.
        """
        page = await self._browser.new_page(viewport={"width": 1280, "height": 900})
        try:
            await page.goto(f"http://127.0.0.1:{port}/sessions/{session.scroll_id}#live")
            await _go_to_live(page)
            screen = Screen(page)
            await screen.begin()
            yield screen
        finally:
            await page.close()


async def _go_to_live(page: Page) -> None:
    from playwright.async_api import Error

    try:
        await page.locator(".live-button.is-there").wait_for(timeout=PATIENCE_MS)
        await page.locator(".messages [data-seq]").last.wait_for(timeout=PATIENCE_MS)
    except Error as problem:
        raise Broken(f"the page did not come to the end of the session: {problem.message[:300]}") from problem


@asynccontextmanager
async def browser() -> AsyncIterator[Chromium]:
    """A Chromium without a window."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        try:
            yield Chromium(chromium)
        finally:
            await chromium.close()
