"""A server that can go away and come back, and a tab that watches it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from serving import Child

PATIENCE_MS: Final = 15_000
"""Longer than anything here takes; what waits for so long has failed."""


class Server:
    """The server on a port of its own, which can go away and come back there."""

    def __init__(self, home: Path, *arguments: Path | str) -> None:
        self._home = home
        self._arguments = arguments
        self._child: Child | None = None
        self.url = ""

    def start(self) -> None:
        """Run it, on the port that it had before, if any."""
        port = self.url.rpartition(":")[2] or "0"
        self._child = Child(self._home, "serve", *self._arguments, "--port", port, "--no-open")
        address = self._child.address().rstrip("/")
        assert self.url in ("", address), "the port was taken meanwhile"
        self.url = address

    def kill(self) -> None:
        """End it as a crash would."""
        if self._child is not None:
            self._child.__exit__()
            self._child = None

    def stop(self) -> None:
        """End it as whoever runs it does."""
        if self._child is not None:
            self._child.stop()
        self.kill()


LOST_CONNECTION: Final = re.compile(r"net::ERR_|WebSocket connection to")
"""What the browser itself says of a server that is away."""

SEQS: Final = "() => [...document.querySelectorAll('.messages [data-seq]')].map((each) => Number(each.dataset.seq))"
"""The events shown, in the order in which they stand."""


@dataclass
class Viewer:
    """A tab, and whatever went wrong in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def watch(self, scroll_id: object, moment: str = "") -> None:
        """Open a session and wait until the server has greeted and there is a place for its messages."""
        await self.page.goto(f"{self.url}/sessions/{scroll_id}{moment}")
        await expect(self.page.locator(".play")).to_be_enabled()
        await expect(self.page.locator(".messages")).to_be_attached()

    def said(self, words: str) -> Locator:
        """A message of the conversation, by its text."""
        return self.page.locator(".messages").get_by_text(words, exact=True)

    async def stop(self) -> None:
        """Pause by keyboard."""
        await self.page.keyboard.press("k")
        await expect(self.page.get_by_role("button", name="Play", exact=True)).to_be_visible()

    async def pasted(self) -> str:
        """What the clipboard holds, pasted where a person would: no page may read it by itself."""
        await self.page.evaluate("() => { document.body.append(document.createElement('textarea')); }")
        field = self.page.locator("body > textarea")
        await field.focus()
        await self.page.keyboard.press("ControlOrMeta+V")
        text = await field.input_value()
        await field.evaluate("(node) => node.remove()")
        return text

    async def seqs(self) -> list[int]:
        """The numbers of the events that have a place of their own in the conversation."""
        shown: list[int] = await self.page.evaluate(SEQS)
        return shown

    async def position(self) -> int:
        """Recorded time, in seconds."""
        return int(await self.page.get_by_role("slider").get_attribute("aria-valuenow") or -1)

    async def settled(self) -> None:
        """Wait until nothing more is drawn."""
        script = """async () => {
          const drawn = () => document.querySelector('.messages').childElementCount;
          for (let calm = 0, before = -1; calm < 5; before = drawn()) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            calm = before === drawn() ? calm + 1 : 0;
          }
        }"""
        await self.page.evaluate(script)

    async def standing(self) -> float:
        """Where the conversation stands, scrolled down by so many pixels, once it stands."""
        script = """async (scroller) => {
          for (let calm = 0, before = -1; calm < 10; before = scroller.scrollTop) {
            await new Promise(requestAnimationFrame);
            calm = before === scroller.scrollTop ? calm + 1 : 0;
          }
          return scroller.scrollTop;
        }"""
        place: float = await self.page.locator(".scroller").evaluate(script)
        return place

    async def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        wider: int = await self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        return wider


@asynccontextmanager
async def tab(browser: Browser, url: str, **options: Any) -> AsyncIterator[Viewer]:
    """A tab with a profile of its own; whatever it complains about fails the test."""
    context: BrowserContext = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    viewer = Viewer(page, url)
    page.on("pageerror", lambda error: viewer.complaints.append(f"page error: {error}"))
    page.on("console", lambda said: viewer.complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: viewer.complaints.append(f"dialog: {dialog.message}"))
    try:
        yield viewer
    finally:
        await context.close()
    assert [each for each in viewer.complaints if not LOST_CONNECTION.search(each)] == []
