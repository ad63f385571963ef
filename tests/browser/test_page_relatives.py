"""Sessions that started others, and sessions without timestamps."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from browser.sessions import CHILD, PARENT, TIMELESS
from browser.viewing import Viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_call_leads_to_the_session_that_it_started_and_that_leads_back(viewer: Viewer) -> None:
    """By one link in the call's card, and one in the header of what it started."""
    await viewer.watch(PARENT)
    await viewer.page.keyboard.press("End")
    await viewer.page.get_by_role("link", name="Open session").click()
    await expect(viewer.page).to_have_url(re.compile(str(CHILD)))
    await expect(viewer.page.get_by_role("heading", level=1)).to_have_text(re.compile("^Explore"))
    await viewer.page.get_by_role("link", name="part of Fix the missing low water after midnight").click()
    await expect(viewer.page).to_have_url(re.compile(str(PARENT)))


async def test_the_list_says_what_a_session_belongs_to(viewer: Viewer) -> None:
    """With the title of what it belongs to, also when that one is not in the list."""
    for address in ("/", "/?q=assigned+calendar"):
        await viewer.page.goto(f"{viewer.url}{address}")
        row = viewer.page.get_by_role("listitem").filter(has=viewer.page.locator(f"a[href='/sessions/{CHILD}']"))
        await expect(row.locator(".row-belongs")).to_have_text("Subagent of Fix the missing low water after midnight")
    await row.get_by_role("link", name="Fix the missing low water").click()
    await expect(viewer.page).to_have_url(re.compile(str(PARENT)))


async def test_a_pace_that_is_made_up_is_said(viewer: Viewer) -> None:
    """In the list and in the header, with the reason."""
    await viewer.page.goto(f"{viewer.url}/")
    await expect(viewer.page.get_by_role("listitem").filter(has_text="Tide curve").first).to_contain_text(
        "no timestamps"
    )
    await viewer.watch(TIMELESS)
    badge = viewer.page.get_by_role("button", name="no timestamps")
    await expect(badge).to_have_attribute("title", re.compile("length of the text"))
    await badge.click()
    await expect(viewer.page.locator(".toast")).to_contain_text("recorded without timestamps")
