"""Watching a session while it is written."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from archives import message, write_session
from browser.growing import FIRST_COUNT, GROWING, Growing, said
from browser.test_page_accessibility import violations
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

GROWTH_SECONDS: Final = 0.25
"""How often a bar with many marks takes in what has grown, at most."""

LISTED_MS: Final = 30_000
"""For what the catalogue has to find and the list to take in."""


@pytest_asyncio.fixture(loop_scope="package")
async def growing(tmp_path: Path) -> Growing:
    """The session, in an archive of its own."""
    return Growing.begin(tmp_path / "archive")


@pytest_asyncio.fixture(loop_scope="package")
async def live(browser: Browser, growing: Growing, tmp_path: Path) -> AsyncIterator[Viewer]:
    """A tab on a server of that archive."""
    home = tmp_path / "home"
    home.mkdir()
    server = Server(home, growing.file.parents[1])
    await asyncio.to_thread(server.start)
    try:
        async with tab(browser, server.url) as viewer:
            yield viewer
    finally:
        server.kill()


def live_button(viewer: Viewer) -> Locator:
    """The one that says whether one is live, or leads there."""
    return viewer.page.locator(".live-button")


async def go_live(viewer: Viewer, moment: str = "#live") -> None:
    """Open the session where it is being written."""
    await viewer.watch(GROWING, moment)
    await expect(live_button(viewer)).to_have_text("Live")


async def scroll_up(viewer: Viewer) -> float:
    """Read further up; where the conversation then stands."""
    await viewer.settled()
    await viewer.page.locator(".scroller").hover()
    await viewer.page.mouse.wheel(0, -500)
    await expect(viewer.page.locator(".pill:not(.news)")).to_be_visible()
    return await viewer.standing()


async def test_what_is_written_appears(live: Viewer, growing: Growing) -> None:
    """One after the other, whole and in order, with their turns and on a longer bar, without any doing."""
    await go_live(live)
    await expect(live.said(f"word {FIRST_COUNT - 1}")).to_be_in_viewport()
    growing.say("first news")
    await expect(live.said("first news")).to_be_in_viewport()
    growing.say("second news", "third news")
    await expect(live.said("third news")).to_be_in_viewport()
    assert (await live.seqs())[-3:] == [FIRST_COUNT, FIRST_COUNT + 1, FIRST_COUNT + 2]
    await expect(live.page.get_by_role("navigation", name="Turns")).to_contain_text("first news")
    await expect(live.page.get_by_role("slider")).to_have_attribute("aria-valuemax", str(2 * (FIRST_COUNT + 2)))
    await expect(live.page.locator(".end-card")).to_have_count(0)


async def test_a_turn_that_began_long_before_says_all_that_it_took(live: Viewer, growing: Growing) -> None:
    """Under its last message as in the list, though the page holds only the end of it."""
    counted = {"usage": {"input_tokens": 7_000, "output_tokens": 30}}
    growing.become(
        [
            message("m0", 0, "user", content_md="Begin"),
            message("m1", 1, "assistant", content_md="begun", metadata=counted),
            *(message(f"m{number}", number, "assistant", content_md=f"step {number}") for number in range(2, 700)),
        ]
    )
    await go_live(live)
    await expect(live.page.locator(".turn-list .turn-spent")).to_have_text("7k tok")
    growing.say("and now?")  # which is a turn
    await expect(live.page.locator(".turn-sum")).to_have_text("7k tokens read, 30 written · cost unknown")


WATCH_MARKS: Final = """() => {
  window.redrawn = 0;
  new MutationObserver((changes) => {
    if (changes.some((each) => each.removedNodes.length > 0)) window.redrawn += 1;
  }).observe(document.querySelector('.marks'), { childList: true, subtree: true });
}"""


async def test_a_long_session_that_grows_fast_does_not_draw_its_bar_anew_for_every_line(
    live: Viewer, growing: Growing
) -> None:
    """The drawing of hundreds of marks would keep what was said waiting; and yet the bar has the last of them soon."""
    growing.become([message(f"m{number}", number * 2, "user", content_md=f"turn {number}") for number in range(400)])
    await go_live(live)
    await live.page.evaluate(WATCH_MARKS)
    began = time.monotonic()
    for number in range(40):
        growing.say(f"news {number}")
        await expect(live.said(f"news {number}")).to_be_in_viewport()
    lasted = time.monotonic() - began
    redrawn: int = await live.page.evaluate("() => window.redrawn")
    assert redrawn <= lasted / GROWTH_SECONDS + 2
    await expect(live.page.get_by_role("slider")).to_have_attribute("aria-valuemax", str(2 * (growing.count - 1)))


async def test_who_reads_further_up_is_told_how_much_is_new(live: Viewer, growing: Growing) -> None:
    """Nothing moves; one click leads down, and following goes on."""
    await go_live(live)
    before = await scroll_up(live)
    for number in range(3):
        growing.say(f"news {number}")
        await expect(live.page.get_by_role("button", name=f"{number + 1} new")).to_be_visible()
    assert await live.standing() == pytest.approx(before, abs=2)
    await live.page.get_by_role("button", name="3 new").click()
    await expect(live.said("news 2")).to_be_in_viewport()
    growing.say("and on")
    await expect(live.said("and on")).to_be_in_viewport()


@pytest.mark.parametrize("way", ["button", "key", "bar"])
async def test_who_is_behind_can_go_live(live: Viewer, growing: Growing, way: str) -> None:
    """Where it is by then, although the page has not been told of what came meanwhile."""
    await live.watch(GROWING)
    await expect(live_button(live)).to_have_text("Go to live")
    growing.say("news")
    if way == "button":
        await live_button(live).click()
    elif way == "key":
        await live.stop()
        await live.page.keyboard.press("End")
    else:
        box = await live.page.get_by_role("slider").bounding_box()
        assert box is not None
        await live.page.mouse.click(box["x"] + box["width"] - 0.5, box["y"] + box["height"] / 2)
    await expect(live_button(live)).to_have_text("Live")
    await expect(live.said("news")).to_be_in_viewport()
    growing.say("more news")
    await expect(live.said("more news")).to_be_in_viewport()


async def test_paused_while_live_nothing_comes_and_nothing_is_lost(live: Viewer, growing: Growing) -> None:
    """Play catches up at once."""
    await go_live(live)
    await live.stop()
    growing.say("meanwhile")
    await live.page.wait_for_timeout(400)
    await expect(live.said("meanwhile")).to_have_count(0)
    await expect(live.page.locator(".end-card")).to_have_count(0)
    await live.page.keyboard.press("k")
    await expect(live.said("meanwhile")).to_be_in_viewport()


async def test_a_session_that_is_rewritten_starts_over_and_is_live_again(live: Viewer, growing: Growing) -> None:
    """In words, without a reload, and nothing of the old content stays."""
    await go_live(live)
    await live.page.evaluate("() => { window.sameTab = true }")
    growing.become([said(number, f"other {number}") for number in range(40)])
    await expect(live.page.locator(".toast")).to_contain_text("rewritten on disk")
    await expect(live.said("other 39")).to_be_in_viewport()
    await expect(live_button(live)).to_have_text("Live")
    await expect(live.page.locator(".messages")).not_to_contain_text("word")
    await expect(live.page.get_by_role("slider")).to_have_attribute("aria-valuemax", "78")
    growing.say("and on")
    await expect(live.said("and on")).to_be_in_viewport()
    assert await live.page.evaluate("() => window.sameTab")


async def test_who_was_in_the_middle_of_a_rewritten_session_is_about_there_again(
    live: Viewer, growing: Growing
) -> None:
    """At the same recorded time of what has taken its place."""
    await live.watch(GROWING, "#t=50")
    await live.stop()
    await expect(live.page.get_by_role("slider")).to_have_attribute("aria-valuenow", re.compile("^5[01]$"))
    growing.become([said(number, f"other {number}") for number in range(40)])
    await expect(live.page.locator(".toast")).to_contain_text("rewritten on disk")
    await expect(live.said("other 24")).to_be_in_viewport()
    assert await live.position() in (50, 51)


async def test_a_finished_session_that_is_taken_up_again_goes_on(live: Viewer, growing: Growing) -> None:
    """It ends, and is no longer at its end when somebody writes on."""
    growing.rest()
    await live.watch(GROWING)
    await live.page.keyboard.press("End")
    await expect(live.page.locator(".end-card")).to_be_visible(timeout=60_000)
    growing.say("once more")
    await expect(live.said("once more")).to_be_in_viewport()
    await expect(live.page.locator(".end-card")).to_have_count(0)
    await expect(live_button(live)).to_have_text("Live")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_live(live: Viewer, theme: Literal["light", "dark"]) -> None:
    """On the list, where one is live, behind, and told of news."""
    await live.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {}
    await live.page.goto(f"{live.url}/")
    await expect(live.page.locator(".badge.live")).to_be_visible()
    found["list"] = await violations(live)
    await go_live(live)
    await live.settled()
    found["live"] = await violations(live)
    await scroll_up(live)
    found["news"] = await violations(live)
    await live.page.keyboard.press("Home")
    await expect(live_button(live)).to_have_text("Go to live")
    await live.settled()
    found["behind"] = await violations(live)
    assert {name: lines for name, lines in found.items() if lines} == {}


async def test_the_live_dot_stands_still_for_who_wants_no_motion(live: Viewer) -> None:
    """It says what it says by its colour and its word."""
    await live.page.emulate_media(reduced_motion="reduce")
    await go_live(live)
    lasts = await live.page.locator(".live-button .live-dot").evaluate(
        "(node) => getComputedStyle(node).animationDuration"
    )
    assert float(lasts.removesuffix("s")) < 0.01


async def test_the_list_says_what_is_live_and_leads_there(live: Viewer) -> None:
    """The row's link goes to where the session is being written."""
    await live.page.goto(f"{live.url}/")
    row = live.page.get_by_role("listitem").filter(has_text="Growing")
    await expect(row.locator(".badge.live")).to_be_visible()
    await row.get_by_role("link", name="Growing").click()
    await expect(live_button(live)).to_have_text("Live")


async def test_the_list_takes_in_a_new_session_without_moving_what_one_points_at(
    live: Viewer, growing: Growing
) -> None:
    """It is said that there is one; who is not pointing at anything sees it come by itself."""
    root = growing.file.parents[1]
    await live.page.goto(f"{live.url}/")
    link = live.page.get_by_role("link", name="Growing")
    await link.focus()
    before = await link.bounding_box()
    write_session(root, [said(100)], scroll_id=another(1), title="Newcomer")
    news = live.page.get_by_role("button", name="1 new session")
    await expect(news).to_be_visible(timeout=LISTED_MS)
    assert await link.evaluate("(node) => node === document.activeElement")
    assert await link.bounding_box() == before
    await news.click()
    await expect(live.page.locator(".row-title")).to_have_text(["Newcomer", "Growing"])
    await live.page.mouse.move(5, 5)
    await live.page.evaluate("() => document.activeElement?.blur()")
    write_session(root, [said(200)], scroll_id=another(2), title="Latecomer")
    await expect(live.page.locator(".row-title")).to_have_text(["Latecomer", "Newcomer", "Growing"], timeout=LISTED_MS)


def another(number: int) -> UUID:
    """The id of another session."""
    return UUID(int=GROWING.int + number)
