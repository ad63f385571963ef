"""Finding sessions, and in them what was said."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from playwright.async_api import Browser, Page, Route, expect

from archives import message, write_session
from browser.sessions import DEMO, GAPPED, STEADY
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

LIST: Final = re.compile(r"/api/sessions\?(?!parent)")
"""What the list asks for."""


KEEP_TYPING: Final = """() => {
  const box = document.querySelector('input[type=search]');
  let letters = 0;
  const type = () => {
    box.value += 'lunch'[letters++];
    box.dispatchEvent(new InputEvent('input', { bubbles: true }));
    if (letters < 5) setTimeout(type, 100);
  };
  type();
}"""
"""A hand that types steadily, whatever comes in between; faster than the page asks."""


async def answering(page: Page, change: dict[str, Any]) -> None:
    """Let the list's answers say this too, from now on."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, json={**await response.json(), **change})

    await page.unroute(LIST)
    await page.route(LIST, answer)


async def search(viewer: Viewer, words: str) -> None:
    """Type into the box of the list, from anywhere."""
    await viewer.page.goto(f"{viewer.url}/")
    await expect(viewer.page.get_by_role("link", name="Gapped")).to_be_visible()
    await viewer.page.keyboard.press("/")
    await expect(viewer.page.get_by_role("searchbox")).to_be_focused()
    await viewer.page.keyboard.type(words)


async def test_what_was_said_is_found_and_opens_there(viewer: Viewer) -> None:
    """The session, the place, the words marked; a click shows that event and stops."""
    await search(viewer, "lunch")
    await expect(viewer.page.locator(".row-title")).to_have_text(["Gapped"])
    hit = viewer.page.locator(".hit")
    await expect(hit).to_have_text(re.compile("Back from lunch"))
    await expect(hit.locator("mark")).to_have_text("lunch")
    await hit.click()
    await expect(viewer.page.locator(".messages").get_by_text("Back from lunch")).to_be_in_viewport()
    await expect(viewer.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    await viewer.settled()
    assert (await viewer.seqs())[-1] == 4
    await expect(viewer.page.locator(".msg.is-hit")).to_have_attribute("data-seq", "4")
    await expect(viewer.page.locator(".find-strip")).to_contain_text("1 of 1")
    await viewer.page.go_back()
    await expect(viewer.page.get_by_role("searchbox")).to_have_value("lunch")
    await expect(viewer.page.locator(".row-title")).to_have_text(["Gapped"])


async def test_what_is_being_typed_stays_when_the_menus_are_filled(viewer: Viewer) -> None:
    """The choices of the filters may arrive between two letters."""
    typed = asyncio.Event()

    async def late(route: Route) -> None:
        await typed.wait()
        await route.continue_()

    await viewer.page.route("**/api/facets", late)
    await viewer.page.goto(f"{viewer.url}/")
    box = viewer.page.get_by_role("searchbox")
    await box.focus()
    async with viewer.page.expect_response("**/api/facets"):
        await viewer.page.evaluate(KEEP_TYPING)
        typed.set()
    await expect(viewer.page.get_by_label("Agent").locator("option")).not_to_have_count(1)
    await expect(box).to_have_value("lunch")
    await expect(viewer.page.locator(".row-title")).to_have_text(["Gapped"])


async def test_what_was_typed_last_stays_out_of_the_address_of_another_page(viewer: Viewer) -> None:
    """A session is opened while the list is about to ask, and the player takes its time to load."""

    async def late(route: Route) -> None:
        await asyncio.sleep(1)
        await route.continue_()

    await viewer.page.route("**/player-page.js", late)
    await viewer.page.goto(f"{viewer.url}/")
    link = viewer.page.get_by_role("link", name="Gapped").first
    await expect(link).to_be_visible()
    await viewer.page.get_by_role("searchbox").press_sequentially("m")
    await link.click()

    await expect(viewer.page.get_by_role("slider")).to_be_visible()
    await viewer.page.wait_for_timeout(300)
    assert "/sessions/" in viewer.page.url


async def test_the_places_found_are_on_the_bar_and_stepped_through(viewer: Viewer) -> None:
    """By key and by button; the search can be ended."""
    await viewer.watch(STEADY, "#seq=5&q=message")
    strip = viewer.page.locator(".find-strip")
    await expect(strip).to_contain_text("6 of 120")
    assert await viewer.page.locator(".seek .mark-hit").count() > 20
    await viewer.page.keyboard.press("n")
    await expect(strip).to_contain_text("7 of 120")
    await expect(viewer.said("message 6")).to_be_in_viewport()
    await viewer.page.get_by_role("button", name="Previous place found").click()
    await expect(strip).to_contain_text("6 of 120")
    await expect(viewer.said("message 6")).to_have_count(0)
    await viewer.page.get_by_role("button", name="End the search").click()
    await expect(strip).to_be_hidden()
    await expect(viewer.page.locator(".seek .mark-hit, .is-hit")).to_have_count(0)


MARKED: Final = """async (wanted) => {
  const view = document.querySelector('.scroller').getBoundingClientRect();
  const isSeen = (range) => {
    const { top, bottom, width } = range.getBoundingClientRect();
    return width > 0 && top >= view.top && bottom <= view.bottom;
  };
  const marked = () => [...(CSS.highlights.get('found') ?? [])].filter(isSeen).map(String);
  for (let calm = 0; calm < 100 && !(wanted ? marked().includes(wanted) : marked().length === 0); calm++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return marked();
}"""
"""The marked words that are in view, once these are among them, or once there are none."""


async def test_words_are_marked_and_what_hides_them_opens(viewer: Viewer) -> None:
    """In lines of a file that were left out, in a plan of which only the news is shown; what does not hold them stays
    as it is."""
    await viewer.watch(DEMO)
    await viewer.stop()
    await viewer.page.keyboard.press("/")
    await viewer.page.keyboard.type('"return SlowLamp"')
    await expect(viewer.page.locator(".find-where")).to_have_text("1 place")
    await viewer.page.keyboard.press("Enter")
    assert "return SlowLamp" in await viewer.page.evaluate(MARKED, "return SlowLamp")
    await expect(viewer.page.get_by_role("searchbox")).to_be_focused()
    await expect(viewer.page.get_by_role("button", name="Jump to the position")).to_be_hidden()

    await viewer.watch(DEMO, "#seq=83&q=clock")
    assert "clock" in await viewer.page.evaluate(MARKED, "clock")
    plan = viewer.page.locator(".messages [data-seq='83']")
    await expect(plan.locator("details[open]")).to_have_count(1)
    await expect(plan.locator("details")).to_contain_text("Stay in step with the harbour clock")
    await expect(viewer.page.locator(".messages .part-thinking[open]")).to_have_count(0)
    await viewer.page.get_by_role("button", name="End the search").click()
    assert await viewer.page.evaluate(MARKED, "") == []


@pytest.mark.parametrize("kib", [150, 700])
async def test_a_part_of_which_only_the_beginning_is_shown_is_fetched_for_the_words(
    browser: Browser, tmp_path: Path, kib: int
) -> None:
    """Whole, or a piece after the other until they are there; what does not hold them is left alone."""
    session_id = UUID("0b5e55ed-0000-4000-8000-0000000000b2")
    lines = [f"{number:07} of the log" for number in range(kib * 1024 // 20)]
    lines[-2_000] = "the needle is here"
    said = [message("m0", 0, "user", content_md="look"), message("m1", 1, "assistant", content_md="\n".join(lines))]
    other = message("m2", 2, "assistant", content_md="\n".join(line.replace("needle", "hay") for line in lines))
    (home := tmp_path / "home").mkdir()
    write_session(tmp_path / "archive", [*said, other], scroll_id=session_id, title="Long")
    server = Server(home, tmp_path / "archive")
    await asyncio.to_thread(server.start)
    try:
        async with tab(browser, server.url) as viewer:
            await viewer.watch(session_id, "#seq=1&q=needle")
            assert "needle" in await viewer.page.evaluate(MARKED, "needle")
            await expect(viewer.page.locator(".messages .cut-whole")).to_have_count(0)
    finally:
        server.kill()


async def test_a_link_to_an_event_that_is_not_there_leads_to_the_session(viewer: Viewer) -> None:
    """As after a rewrite that made it shorter."""
    await viewer.watch(GAPPED, "#seq=9999&q=lunch")
    await expect(viewer.page.get_by_role("heading", name="Gapped", level=1)).to_be_visible()
    await expect(viewer.page.locator(".find-strip")).to_contain_text("1 place")


async def test_nothing_found_is_said(viewer: Viewer) -> None:
    """With the words, as text."""
    await search(viewer, "<b>nowhere")
    await expect(viewer.page.get_by_role("heading", name="Nothing found for “<b>nowhere”")).to_be_visible()
    await viewer.page.keyboard.press("Control+a")
    await viewer.page.keyboard.press("Delete")
    await expect(viewer.page.get_by_role("link", name="Gapped")).to_be_visible()


async def test_filters_are_in_the_address(viewer: Viewer) -> None:
    """A reload keeps them, a link with them works, and they are taken away in one click."""
    await viewer.page.goto(f"{viewer.url}/")
    titles = viewer.page.locator(".row-title")
    await expect(titles.filter(has_text="Gapped")).to_be_visible()
    await viewer.page.get_by_label("Agent", exact=True).select_option("Codex")
    await expect(titles).to_have_text(["Big"])
    await viewer.page.get_by_role("button", name="Errors").click()
    await viewer.page.get_by_label("Sort").select_option("title")
    assert viewer.page.url == f"{viewer.url}/?agent=Codex&errors=1&sort=title"
    await viewer.page.reload()
    await expect(titles).to_have_text(["Big"])
    await expect(viewer.page.get_by_role("button", name="Errors")).to_have_attribute("aria-pressed", "true")
    await viewer.page.get_by_role("button", name="Clear all filters").click()
    await expect(titles.filter(has_text="Gapped")).to_be_visible()
    assert viewer.page.url == f"{viewer.url}/?sort=title"
    await viewer.page.goto(f"{viewer.url}/?before=2020-01-01")
    await expect(viewer.page.get_by_role("heading", name="No session is like that")).to_be_visible()
    await expect(viewer.page.get_by_label("Until")).to_have_value("2020-01-01")
    await viewer.page.get_by_role("link", name="Scrollcast").click()
    await expect(titles.filter(has_text="Gapped")).to_be_visible()


async def test_the_building_of_the_catalogue_is_told_while_it_lasts(viewer: Viewer) -> None:
    """How far it is; then nothing more of it."""
    await answering(viewer.page, {"progress": {"looked_at": 1_200, "total": 10_000, "complete": False}})
    await viewer.page.goto(f"{viewer.url}/")
    await expect(viewer.page.get_by_text("Looked at 1,200 of 10,000")).to_be_visible()
    await expect(viewer.page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "1200")
    await expect(viewer.page.locator(".list-total")).to_contain_text("so far")
    await answering(viewer.page, {"progress": {"looked_at": 10_000, "total": 10_000, "complete": True}})
    await expect(viewer.page.get_by_role("progressbar")).to_be_hidden()
    await viewer.page.unroute_all(behavior="ignoreErrors")


async def test_what_was_not_recognised_is_folded_away_at_the_end(viewer: Viewer) -> None:
    """With its place, the reason and the row types met."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_text("1 file not recognised").click()
    stranger = viewer.page.locator(".stranger")
    await expect(stranger).to_contain_text("telemetry.jsonl")
    await expect(stranger.locator(".row-type")).to_have_text(["span", "metric"])


async def test_a_long_list_comes_in_pages(browser: Browser, server: Server) -> None:
    """By itself when one scrolls down; each session once."""
    total = 230

    def session(number: int) -> dict[str, Any]:
        facts = {"agent": "a", "model": None, "project": None, "parent_scroll_id": None, "error": None, "live": False}
        times = {"created_at": None, "updated_at": None, "count": 1, "duration_ms": 0, "timing": "recorded"}
        return {"scroll_id": f"s{number}", "title": f"Session {number}", **facts, **times}

    async def answer(route: Route) -> None:
        query = dict(part.split("=", 1) for part in route.request.url.partition("?")[2].split("&"))
        first, limit = int(query.get("cursor", 0)), int(query["limit"])
        stop = min(total, first + limit)
        page = {"sessions": [session(number) for number in range(first, stop)], "total": total}
        await route.fulfill(body=json.dumps({**page, "next_cursor": str(stop) if stop < total else None}))

    async with tab(browser, server.url) as viewer:
        await viewer.page.route(LIST, answer)
        await viewer.page.goto(f"{server.url}/")
        titles = viewer.page.locator(".row-title")
        await expect(titles.nth(49)).to_be_attached()
        assert await titles.count() < total
        while await titles.count() < total:
            shown = await titles.count()
            await viewer.page.mouse.wheel(0, 20_000)
            await expect(titles.nth(shown)).to_be_attached()
        assert await titles.all_text_contents() == [f"Session {number}" for number in range(total)]
        await expect(viewer.page.get_by_role("button", name="Show more")).to_be_hidden()
        await viewer.page.unroute_all(behavior="ignoreErrors")


async def test_words_are_looked_for_in_the_session_itself(viewer: Viewer) -> None:
    """By a key, without coming from the list: Enter goes from place to place, Escape ends it."""
    await viewer.watch(STEADY)
    await viewer.stop()
    await viewer.page.keyboard.press("/")
    box = viewer.page.get_by_role("searchbox", name="Find in this session")
    await expect(box).to_be_focused()
    await viewer.page.keyboard.type("message 11")
    strip = viewer.page.locator(".find-strip")
    await expect(strip).to_contain_text("1 place")
    await viewer.page.keyboard.press("Enter")
    await expect(strip).to_contain_text("1 of 1")
    await expect(viewer.said("message 11")).to_be_in_viewport()
    await box.fill("message")
    await expect(strip).to_contain_text("12 of 120")
    await expect(viewer.page.locator(".seek .mark-hit").first).to_be_visible()
    await box.press("Enter")
    await expect(strip).to_contain_text("13 of 120")
    await expect(viewer.said("message 12")).to_be_in_viewport()
    await box.press("Shift+Enter")
    await expect(strip).to_contain_text("12 of 120")
    await box.fill("message 11")
    await expect(strip).to_contain_text("1 of 1")
    await box.fill("message 5")
    await expect(strip).to_contain_text("1 place")
    await box.press("Enter")  # it lies before: round the end
    await expect(strip).to_contain_text("1 of 1")
    await expect(viewer.said("message 5")).to_be_in_viewport()
    await box.press("Escape")
    await expect(strip).to_be_hidden()
    await expect(viewer.page.locator(".seek .mark-hit, .is-hit")).to_have_count(0)
    await viewer.page.keyboard.press("k")
    await expect(viewer.page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
