"""The list of sessions."""

from __future__ import annotations

import asyncio
import os
from itertools import permutations
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from playwright.async_api import Browser, expect

from archives import message, write_session
from browser.sessions import TORN, rest
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

PAGED: Final = 120
"""More sessions than two pages of the list hold."""
GROUP_ORDERS: Final = [[{group} for group in order] for order in permutations(range(3))]


async def test_sessions_are_listed_and_lead_to_the_player(viewer: Viewer) -> None:
    """A plain link, followed without loading the page; the browser's way back works."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("link", name="Metronome").click()
    await expect(viewer.page.get_by_role("heading", name="Metronome", level=1)).to_be_visible()
    await viewer.page.go_back()
    await expect(viewer.page.get_by_role("heading", name="Sessions")).to_be_visible()


async def test_who_comes_back_by_keyboard_goes_on_at_the_row_that_was_opened(viewer: Viewer) -> None:
    """It has the focus again, and the next key leads to the next row."""
    await viewer.page.goto(f"{viewer.url}/")
    link = viewer.page.get_by_role("link", name="Metronome")
    await link.focus()
    await viewer.page.keyboard.press("Enter")
    await expect(viewer.page.get_by_role("heading", name="Metronome", level=1)).to_be_visible()
    await viewer.page.go_back()
    await expect(link).to_be_focused()


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
        await viewer.page.wait_for_load_state("networkidle")  # what the list is made of is fetched by the way
        own_server.kill()
        await viewer.page.get_by_role("link", name="All sessions").first.click()
        await expect(viewer.page.get_by_text("The list could not be loaded")).to_be_visible()
        own_server.start()
        await viewer.page.get_by_role("button", name="Try again").click()
        await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()


async def test_sessions_stand_by_projects(viewer: Viewer) -> None:
    """Below heads that say how many there are, fold, and are as they were left after a reload."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("button", name="By project").click()
    tidepool = viewer.page.get_by_role("button", name="tidepool 5", exact=True)
    await expect(tidepool).to_have_attribute("aria-expanded", "true")
    folded = viewer.page.get_by_role("link", name="Fix the missing low water after midnight", exact=True).first
    await expect(folded).to_be_visible()
    await tidepool.click()
    await expect(viewer.page.locator(".row-link", has_text="Fix the missing low water")).to_have_count(0)
    await viewer.page.reload()
    await expect(tidepool).to_have_attribute("aria-expanded", "false")
    await expect(viewer.page.locator(".row-link", has_text="Fix the missing low water")).to_have_count(0)
    heads = [await each.inner_text() for each in await viewer.page.locator(".group-name").all()]
    assert len(heads) == len(set(heads))
    await viewer.page.get_by_role("button", name="By project").click()
    await expect(folded).to_be_visible()
    await expect(viewer.page.locator(".group")).to_have_count(0)


async def test_groups_are_right_over_several_pages(browser: Browser, tmp_path: Path) -> None:
    """Each session once, in its own group, though a page of the list ends in the middle of one."""
    home, root = tmp_path / "home", tmp_path / "archive"
    home.mkdir()
    for number in range(PAGED):
        write_session(
            root, [message("m", number)], scroll_id=uuid4(), title=f"Session {number}", project=f"p{number % 3}"
        )
    rest(root)
    server = Server(home, root)
    await asyncio.to_thread(server.start)
    try:
        async with tab(browser, server.url) as viewer:
            await viewer.page.goto(f"{viewer.url}/")
            await expect(viewer.page.get_by_text(f"{PAGED} sessions", exact=True)).to_be_visible()
            await viewer.page.get_by_role("button", name="By project").click()
            for _ in range(PAGED):
                await viewer.page.mouse.wheel(0, 20_000)
                if await viewer.page.locator(".row").count() == PAGED:
                    break
                await viewer.page.wait_for_timeout(50)
            await expect(viewer.page.locator(".row")).to_have_count(PAGED)
            counts = await viewer.page.locator(".group-count").all_inner_texts()
            assert counts == [str(PAGED // 3)] * 3
            shown: list[list[str]] = await viewer.page.evaluate(
                """() => [...document.querySelectorAll('.sessions > li')].reduce((groups, each) => {
                  if (each.matches('.group')) groups.push([]);
                  else groups.at(-1).push(each.querySelector('.row-title').textContent);
                  return groups;
                }, [])"""
            )
            assert [{int(title.split()[1]) % 3 for title in group} for group in shown] in GROUP_ORDERS
            assert len({title for group in shown for title in group}) == PAGED
    finally:
        server.kill()


async def test_what_is_live_leads_any_order(browser: Browser, own_server: Server, archive: Path) -> None:
    """Below a head of its own, where the order would have it further down."""
    written = archive / str(TORN) / "messages.jsonl"
    before = written.stat()
    async with tab(browser, own_server.url) as viewer:
        await viewer.page.goto(f"{viewer.url}/?sort=-duration_ms")
        await expect(viewer.page.locator(".row-title").first).to_have_text("Big")
        os.utime(written)
        try:
            await expect(viewer.page.locator(".group-name").first).to_have_text("Live now")
            await expect(viewer.page.locator(".row-title").first).to_have_text("Torn")
            await expect(viewer.page.locator(".row-title").get_by_text("Torn", exact=True)).to_have_count(1)
        finally:
            os.utime(written, ns=(before.st_atime_ns, before.st_mtime_ns))


async def test_the_list_is_used_by_keyboard(viewer: Viewer) -> None:
    """`/` searches, the arrows and j, k go through what was found, Enter opens, Esc clears."""
    await viewer.page.goto(f"{viewer.url}/")
    await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()
    await viewer.page.keyboard.press("/")
    await viewer.page.keyboard.type("metronome")
    await expect(viewer.page.locator(".row-link")).to_have_count(1)
    await viewer.page.keyboard.press("Escape")
    await expect(viewer.page.get_by_role("searchbox")).to_have_value("")
    await expect(viewer.page.locator(".row-link").nth(1)).to_be_visible()
    links = viewer.page.locator(".row-link")
    await viewer.page.keyboard.press("ArrowDown")
    await expect(links.nth(0)).to_be_focused()
    await viewer.page.keyboard.press("j")
    await viewer.page.keyboard.press("ArrowDown")
    await expect(links.nth(2)).to_be_focused()
    await viewer.page.keyboard.press("k")
    await expect(links.nth(1)).to_be_focused()
    await viewer.page.keyboard.press("End")
    await expect(links.last).to_be_focused()
    await expect(links.last).to_be_in_viewport()
    title = await links.last.inner_text()
    await viewer.page.keyboard.press("Enter")
    await expect(viewer.page.get_by_role("heading", level=1)).to_have_text(title)
