"""The button that takes a session away."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from browser.sessions import DEMO
from browser.test_page_accessibility import violations
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def open_dialog(viewer: Viewer) -> None:
    """On the demo, which is paused."""
    await viewer.watch(DEMO, "#seq=3")
    await viewer.page.get_by_role("button", name="Take this session away").click()
    await expect(viewer.page.get_by_role("dialog", name="Take this session away")).to_be_visible()


async def test_button_downloads_what_was_chosen(viewer: Viewer, tmp_path: Path) -> None:
    """By keyboard alone, but for the title; the page stays as it is."""
    page = viewer.page
    await open_dialog(viewer)
    await page.get_by_role("radio", name="JSON lines").check()
    await page.get_by_role("textbox", name="To").fill("0:30")
    await page.get_by_role("textbox", name="Title").fill("Lantern & lamp")
    await page.get_by_role("checkbox", name="Thinking").check()
    await page.get_by_role("checkbox", name="Events beside the messages").check()
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download").press("Enter")
    download = await downloading.value
    await download.save_as(tmp_path / "a")

    head, *records = [json.loads(line) for line in (tmp_path / "a").read_text().splitlines()]
    assert download.suggested_filename == "lantern-lamp.jsonl"
    assert head["metadata"]["title"] == "Lantern & lamp"
    assert records
    assert all("message_id" in record for record in records)
    assert "thinking" not in [part["type"] for record in records for part in record["content_parts"]]
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(page.locator(".play")).to_be_visible()


async def test_time_that_is_none_is_told_and_downloads_nothing(viewer: Viewer) -> None:
    """Until it is mended; "Here" is where playback is."""
    page = viewer.page
    await open_dialog(viewer)
    await page.get_by_role("textbox", name="From").fill("later")
    await expect(page.get_by_text("Times are seconds or a clock")).to_be_visible()
    assert await page.get_by_text("Download", exact=True).get_attribute("href") is None
    await page.get_by_role("button", name="Here: from where playback is").click()
    await expect(page.get_by_text("Times are seconds or a clock")).to_be_hidden()
    await expect(page.get_by_role("link", name="Download")).to_have_attribute(
        "href", re.compile(r"format=html&from_ms=\d+&redact=true$")
    )
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_box_says_whether_secrets_are_taken_out(viewer: Viewer) -> None:
    """Ticked at first; either way the server is told, which may have been started with `--no-redact`."""
    page = viewer.page
    await open_dialog(viewer)
    box, link = page.get_by_role("checkbox", name="Take secrets out"), page.get_by_role("link", name="Download")
    await expect(box).to_be_checked()
    await expect(link).to_have_attribute("href", re.compile(r"redact=true$"))
    await box.uncheck()
    await expect(link).to_have_attribute("href", re.compile(r"redact=false$"))


async def test_dialog_fits_on_a_phone(browser: Browser, server: Server) -> None:
    """Nothing sticks out."""
    async with tab(browser, server.url, viewport={"width": 390, "height": 844}) as viewer:
        await open_dialog(viewer)
        dialog = viewer.page.get_by_role("dialog")
        assert await dialog.evaluate("(node) => node.scrollWidth - node.clientWidth") == 0
        await expect(viewer.page.get_by_role("link", name="Download")).to_be_visible()
        assert await viewer.overflow() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_the_dialog(
    browser: Browser, server: Server, theme: Literal["light", "dark"]
) -> None:
    """With a time that is none, too; nor in a frame."""
    async with tab(browser, server.url, color_scheme=theme) as viewer:
        await open_dialog(viewer)
        assert await violations(viewer) == []
        await viewer.page.get_by_role("textbox", name="From").fill("later")
        assert await violations(viewer, ".export") == []
        await viewer.page.goto(f"{server.url}/embed/{DEMO}")
        await expect(viewer.page.locator(".messages article")).to_be_visible()
        await viewer.settled()
        assert await violations(viewer) == []
