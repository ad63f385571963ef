"""The list of sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_sessions_are_listed_and_lead_to_the_player(viewer: Viewer) -> None:
    """A plain link, followed without loading the page; the browser's way back works."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("link", name="Metronome").click()
    await expect(viewer.page.get_by_role("heading", name="Metronome", level=1)).to_be_visible()
    await viewer.page.go_back()
    await expect(viewer.page.get_by_role("heading", name="Sessions")).to_be_visible()


async def test_a_broken_session_is_listed_with_its_reason_and_cannot_be_opened(viewer: Viewer) -> None:
    """It is there, and no link."""
    await viewer.page.goto(f"{viewer.url}/")
    broken = viewer.page.locator(".row.broken")
    await expect(broken).to_contain_text("Cannot be played")
    await expect(broken.locator(".row-error")).not_to_be_empty()
    await expect(viewer.page.get_by_role("link").filter(has=viewer.page.locator(".row.broken"))).to_have_count(0)


async def test_the_list_is_sorted(viewer: Viewer) -> None:
    """By the server."""
    await viewer.page.goto(f"{viewer.url}/")
    titles = viewer.page.locator(".row-title")
    await viewer.page.get_by_label("Sort").select_option("-duration_ms")
    await expect(titles.first).to_have_text("Big")


async def test_an_empty_archive_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    """Instead of an empty table."""
    home, root = tmp_path / "home", tmp_path / "archive"
    home.mkdir()
    root.mkdir()
    server = Server(home, root)
    await asyncio.to_thread(server.start)
    try:
        async with tab(browser, server.url) as viewer:
            await viewer.page.goto(f"{viewer.url}/")
            await expect(viewer.page.get_by_role("heading", name="No sessions yet")).to_be_visible()
            await expect(viewer.page.get_by_text("scrollcast doctor")).to_be_visible()
    finally:
        server.kill()


async def test_a_list_that_cannot_be_loaded_can_be_tried_again(browser: Browser, own_server: Server) -> None:
    """The server's absence is said, and its return is one click away."""
    async with tab(browser, own_server.url) as viewer:
        await viewer.watch("5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11")
        own_server.kill()
        await viewer.page.get_by_role("link", name="All sessions").first.click()
        await expect(viewer.page.get_by_text("The list could not be loaded")).to_be_visible()
        own_server.start()
        await viewer.page.get_by_role("button", name="Try again").click()
        await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()
