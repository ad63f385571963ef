"""A hostile session executes nothing, reaches nothing and breaks no layout."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.async_api import Browser, Request, expect

from browser.sessions import HOSTILE
from browser.viewing import Server, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

SIZES: Final = [{"width": 1280, "height": 800}, {"width": 390, "height": 844}]

WIDER: Final = """() => [...document.querySelectorAll('.messages *')].filter((node) => {
  const box = node.getBoundingClientRect();
  if (box.width === 0 || box.right <= innerWidth + 1) return false;
  for (let up = node.parentElement; up && !up.matches('.scroller'); up = up.parentElement) {
    if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return false;
  }
  return true;
}).map((node) => node.className || node.tagName)"""
"""What sticks out of the window and is not in a box of its own that scrolls or clips."""


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size['width']} px")
async def test_a_hostile_session_executes_nothing_and_breaks_nothing(
    browser: Browser, server: Server, size: dict[str, int]
) -> None:
    """Everything in it is shown as text; what it would load is not loaded."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            asked.append(request.url)

    async with tab(browser, server.url, viewport=size) as viewer:
        viewer.page.on("request", note)
        await viewer.watch(HOSTILE, "#speed=64&idle=1")
        await expect(viewer.page.locator(".end-card")).to_be_visible(timeout=60_000)
        for fold in await viewer.page.locator(".messages summary:visible").all():
            await fold.click()
        await viewer.page.get_by_role("slider").hover()
        await viewer.settled()

        assert await viewer.page.evaluate("() => window.pwned") is None
        assert await viewer.page.evaluate("() => ({}).polluted") is None
        assert asked == []
        links = viewer.page.locator("a[href]")
        for href in await links.evaluate_all("(all) => all.map((each) => each.href)"):
            assert href.startswith((server.url, "http:", "https:", "mailto:")), href
        for tag in ("script", "iframe", "object", "embed", "form", "style", "base"):
            assert await viewer.page.locator(f"#app {tag}").count() == 0, tag
        assert await viewer.page.locator(".messages img").count() <= 1
        assert await viewer.overflow() == 0
        assert await viewer.page.evaluate(WIDER) == []
        await expect(viewer.page.locator(".play")).to_be_in_viewport()
        await expect(viewer.page.get_by_text("The end of it.")).to_be_visible()
    assert "pwned" not in "".join(viewer.complaints)


async def test_a_hostile_title_breaks_no_list(browser: Browser, server: Server) -> None:
    """Nor does an agent's name or a project of 5,000 letters."""
    for size in SIZES:
        async with tab(browser, server.url, viewport=size) as viewer:
            await viewer.page.goto(f"{server.url}/")
            await expect(viewer.page.locator(f"a[href$='{HOSTILE}']")).to_contain_text("<script>")
            assert await viewer.page.evaluate("() => window.pwned") is None
            assert await viewer.overflow() == 0
