"""The page behind a proxy that gives the server a path of its own."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from browser.sessions import STEADY
from browser.viewing import Server, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_everything_works_below_a_path_prefix(browser: Browser, archive: Path, tmp_path: Path) -> None:
    """The list, a session and its events, search, the way back, and loading anew: nothing is asked for outside it."""
    server = Server(tmp_path, archive, "--root-path", "/tools/scrollcast/")
    server.start()
    assert server.url.endswith("/tools/scrollcast")  # which is where one is led to
    outside: list[str] = []

    def note(address: str) -> None:
        if urlsplit(address).scheme != "data" and not urlsplit(address).path.startswith("/tools/scrollcast/"):
            outside.append(address)

    try:
        async with tab(browser, server.url) as viewer:
            page = viewer.page
            page.on("request", lambda asked: note(asked.url))
            page.on("websocket", lambda socket: note(socket.url))
            await page.goto(f"{viewer.url}/")
            await page.get_by_role("link", name="Metronome").click()
            await expect(page).to_have_url(re.compile(f"{re.escape(viewer.url)}/sessions/{STEADY}"))
            await expect(viewer.said("message 1")).to_be_visible()
            await page.reload()
            await expect(viewer.said("message 1")).to_be_visible()
            await page.get_by_role("link", name="all sessions").first.click()
            await expect(page).to_have_url(f"{viewer.url}/")
            await page.get_by_role("searchbox").fill("lunch")
            await expect(page).to_have_url(f"{viewer.url}/?q=lunch")
            await page.locator(".hit").first.click()
            await expect(page.locator(".messages").get_by_text("Back from lunch")).to_be_in_viewport()
    finally:
        server.kill()
    assert outside == []
