"""What can be done with the messages of a session while one watches it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from archives import message, write_session
from browser.sessions import APART, DEMO, PARENT, STEADY
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

SAME: Final = """() => {
  const before = window.drawn ?? [];
  window.drawn = [...document.querySelectorAll('.messages > .msg')];
  return before.length > 0 && before.every((node) => node.isConnected && node.parentElement.matches('.messages'));
}"""
"""Whether every message that was there the last time is still the same element."""


async def test_a_subagent_opens_in_the_card_of_its_call(viewer: Viewer) -> None:
    """Its messages below the call, and the way to its own page; closed again, nothing of it is left."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("searchbox").fill("Moonrise over the harbour")
    await viewer.page.get_by_role("link", name="Moonrise over the harbour").first.click()
    await viewer.page.get_by_label("Speed").select_option("max")
    await viewer.page.get_by_role("button", name="Show here").click()
    lane = viewer.page.locator(".lane")
    await expect(lane.get_by_text("Compare the risings of March")).to_be_visible()
    await expect(lane.get_by_role("link", name="Open as a session")).to_have_attribute("href", re.compile("/sessions/"))
    await expect(lane).to_contain_text("2 messages")
    await viewer.page.wait_for_timeout(300)
    assert "/sessions/" in viewer.page.url  # what was typed before does not come after
    await viewer.page.get_by_role("button", name="Hide").click()
    await expect(lane).to_have_count(0)


async def test_each_turn_says_what_it_took(viewer: Viewer) -> None:
    """Tokens where they were counted, and that they are unknown where not."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("searchbox").fill("Moonrise over the harbour")
    await viewer.page.get_by_role("link", name="Moonrise over the harbour").first.click()
    await viewer.page.get_by_label("Speed").select_option("max")
    await expect(viewer.page.locator(".turn-sum")).to_have_text(
        [re.compile(r"^[\d.]+k tokens read, \d+ written · cost unknown$")] * 2
    )
    await expect(viewer.page.locator(".end-card")).to_contain_text(
        re.compile(r"In all: .*k tokens read, \d+ written · cost unknown")
    )
    beside = viewer.page.locator(".turn-list .turn-spent")
    await expect(beside).to_have_text([re.compile(r"^[\d.]+k tok$")] * 2)
    await expect(beside.first).to_have_attribute("title", await viewer.page.locator(".turn-sum").first.inner_text())
    await viewer.watch(STEADY, "#speed=max")
    await expect(viewer.page.locator(".turn-list .turn-spent").first).to_have_text("unknown")
    await expect(viewer.page.locator(".turn-sum").last).to_have_text("tokens and cost unknown")


async def test_a_turn_that_was_never_shown_says_what_it_took(viewer: Viewer) -> None:
    """As it does when its events have come: the server and the page count alike."""
    await viewer.page.goto(f"{viewer.url}/")
    await viewer.page.get_by_role("searchbox").fill("Moonrise over the harbour")
    link = viewer.page.get_by_role("link", name="Moonrise over the harbour").first
    await expect(link).to_be_visible()
    await viewer.page.goto(f"{viewer.url}{await link.get_attribute('href')}#t=0&speed=0.25")
    beside = viewer.page.locator(".turn-list .turn-spent")
    await expect(beside).to_have_text([re.compile(r"^[\d.]+k tok$")] * 2)
    await expect(viewer.page.locator(".turn-sum")).to_have_count(0)
    told = await beside.evaluate_all("all => all.map((each) => each.title)")
    await viewer.page.get_by_label("Speed").select_option("max")
    await expect(viewer.page.locator(".turn-sum")).to_have_text(told)
    assert await beside.evaluate_all("all => all.map((each) => each.title)") == told


async def test_a_message_is_shown_as_it_is_archived_and_linked_to(browser: Browser, server: Server) -> None:
    """By buttons that come to the message that is pointed at, or has focus."""
    async with tab(browser, server.url, permissions=["clipboard-write"]) as viewer:
        await viewer.watch(STEADY, "#seq=5")
        message = viewer.page.locator('.msg[data-seq="5"]')
        await message.hover()
        await message.get_by_role("button", name="Message as JSON").click()
        await expect(message.locator(".msg-raw")).to_contain_text('"message_completed"')
        await expect(message.get_by_text("message 5", exact=True)).to_be_hidden()
        await message.get_by_role("button", name="Message as JSON").click()
        await expect(message.get_by_text("message 5", exact=True)).to_be_visible()
        await viewer.page.locator('.msg[data-seq="4"] .msg-time').focus()
        link = viewer.page.locator('.msg[data-seq="4"]').get_by_role("button", name="Copy a link to this message")
        await link.press("Enter")
        await expect(viewer.page.get_by_text("copied")).to_be_visible()
        copied = await viewer.pasted()
        assert copied == f"{viewer.url}/sessions/{STEADY}#e=m4"
        assert await viewer.page.locator(".msg-actions").count() == 1


async def test_what_is_done_with_a_message_leaves_its_first_line_free(browser: Browser, server: Server) -> None:
    """On a phone, where the buttons are as tall as a thumb: of a message without a head of its own, too."""
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **phone) as viewer:
        await viewer.watch(STEADY, "#seq=9")
        await viewer.settled()
        message = viewer.page.locator(".msg-assistant + .msg-assistant").last
        text = message.locator(".msg-body")
        await text.tap(position={"x": 4, "y": 4})
        buttons = message.locator(".msg-actions")
        await expect(buttons).to_be_visible()
        above, below = await buttons.bounding_box(), await text.bounding_box()
        assert above is not None
        assert below is not None
        assert above["height"] >= 44
        assert above["y"] + above["height"] <= below["y"] + 1


async def test_all_thinking_is_shown_and_folded_by_one_switch(viewer: Viewer) -> None:
    """What is there and what is still to come; it is remembered."""
    await viewer.watch(DEMO, "#seq=64")
    await expect(viewer.page.locator('.msg[data-seq="64"]')).to_be_visible()
    shown = viewer.page.locator("details.part-thinking[open]")
    folded = viewer.page.locator("details.part-thinking:not([open])")
    await expect(folded.nth(1)).to_be_attached()
    await expect(shown).to_have_count(0)
    await viewer.page.get_by_role("button", name="Show all thinking").click()
    await expect(shown.nth(1)).to_be_attached()
    await expect(folded).to_have_count(0)
    await viewer.watch(DEMO, "#seq=64")
    await expect(shown.nth(1)).to_be_attached()
    await expect(folded).to_have_count(0)
    await viewer.page.keyboard.press("h")
    await expect(folded.nth(1)).to_be_attached()
    await expect(shown).to_have_count(0)


async def test_what_is_there_is_never_drawn_again_while_more_comes(viewer: Viewer) -> None:
    """Through a whole session from its start, tool results and plans included: the same elements stay."""
    await viewer.watch(DEMO, "#seq=0&speed=64&idle=1")
    await expect(viewer.page.locator(".messages > .msg").first).to_be_visible()
    await viewer.page.keyboard.press("k")
    await expect(viewer.page.locator(".messages > .msg").nth(3)).to_be_visible()
    await viewer.page.evaluate(SAME)
    for _ in range(20):
        await viewer.page.wait_for_timeout(100)
        assert await viewer.page.evaluate(SAME)
    assert await viewer.page.locator(".messages > .msg").count() > 10


BOXES: Final = """(edit) => ['.is-del', '.is-add'].map((each) => {
  const { left, top, right, bottom } = edit.querySelector(each).getBoundingClientRect();
  return [left, top, right, bottom];
})"""
"""Where the first line that was taken out stands, and the first that was put in: at one moment, as they may move."""


async def test_an_edit_is_shown_side_by_side_where_there_is_room(browser: Browser, server: Server) -> None:
    """What a line was beside what it became; on a phone one below the other, nothing twice."""
    for width, beside in ((1280, True), (390, False)):
        async with tab(browser, server.url, viewport={"width": width, "height": 844}) as viewer:
            await viewer.watch(PARENT, "#speed=max")
            edit = viewer.page.locator(".is-two-sided").first
            (left, top, right, bottom), after = await edit.evaluate(BOXES)
            assert (after[1] == top and after[0] >= right) == beside
            assert (after[1] >= bottom and after[0] == left) != beside
            assert await viewer.page.locator(".diff-side.is-twin:visible").count() == 0 or beside


async def test_the_plan_that_holds_changes_in_place_beside_the_conversation(viewer: Viewer) -> None:
    """The marks follow playback, forth and back; the entries stay the same elements."""
    await viewer.watch(PARENT, "#seq=3")
    plan = viewer.page.locator(".plan-now")
    await expect(plan).to_contain_text("0 of 4 done")
    await plan.locator(".plan-entry").first.evaluate("(entry) => { window.kept = entry; }")
    await viewer.page.keyboard.press("End")
    await expect(plan).to_contain_text("4 of 4 done")
    await expect(plan.locator(".plan-entry.is-done")).to_have_count(4)
    assert await viewer.page.evaluate("() => window.kept.isConnected && window.kept.matches('.is-done')")
    await viewer.page.keyboard.press("Home")
    await expect(plan).to_be_hidden()


WATCH: Final = """() => {
  window.gone = [];
  const quiet = '.tool-state, .tool-badges, .msg-actions, .transcript-head, .transcript-tail';
  new MutationObserver((records) => {
    for (const { target, removedNodes } of records) {
      if (target.closest(quiet)) continue;
      for (const node of removedNodes) {
        if (node instanceof Element && node.matches('.msg-actions')) continue;
        window.gone.push(`${target.className}: ${node.textContent.slice(0, 60)}`);
      }
    }
  }).observe(document.querySelector('.messages'), { childList: true, subtree: true });
}"""
"""Notes whatever is taken out of the conversation, but for how a call stands."""


@pytest.mark.parametrize("session", [PARENT, DEMO])
async def test_no_text_is_taken_out_while_results_and_plans_arrive(viewer: Viewer, session: UUID) -> None:
    """What a card shows of its call stays when the result comes: it does not blink, and a selection holds."""
    await viewer.watch(session, "#speed=1&idle=off")
    await viewer.page.keyboard.press("k")
    await viewer.page.evaluate(WATCH)
    for _ in range(28):
        await viewer.page.keyboard.press(".")
    await expect(viewer.page.locator(".messages > .msg").nth(12)).to_be_visible()
    assert await viewer.page.evaluate("() => window.gone") == []


async def test_system_events_are_shown_on_demand_at_the_same_position(viewer: Viewer) -> None:
    """By a switch or a key, and left out again; what is looked for has the numbers of the messages."""
    await viewer.watch(DEMO, "#seq=20")
    last = viewer.page.locator(".messages > .msg.is-now")
    await expect(last).to_have_attribute("data-seq", "20")
    at = await last.get_attribute("data-t-ms")
    await viewer.page.get_by_role("button", name="Show system events").click()
    await expect(viewer.page.locator(".msg-meta").first).to_be_visible()
    await expect(last).to_have_attribute("data-t-ms", str(at))
    assert int(await last.get_attribute("data-seq") or 0) > 20
    await viewer.page.keyboard.press("m")
    await expect(viewer.page.locator(".msg-meta")).to_have_count(0)
    await expect(last).to_have_attribute("data-seq", "20")
    await viewer.page.keyboard.press("m")
    await viewer.page.keyboard.press("End")
    await expect(viewer.page.locator(".end-card")).to_be_visible()
    await viewer.page.keyboard.press("/")
    await viewer.page.keyboard.type("lighthouse")
    await viewer.page.keyboard.press("Enter")
    await expect(viewer.page.locator(".messages .is-hit").first).to_be_visible()
    await expect(viewer.page.get_by_role("button", name="Show system events")).to_have_attribute(
        "aria-pressed", "false"
    )


async def test_what_comes_before_the_first_turn_is_no_turn(viewer: Viewer) -> None:
    """System events took nothing, and nothing is said of it."""
    await viewer.watch(PARENT, "#seq=1")
    await expect(viewer.page.locator(".msg-person")).to_be_visible()
    await viewer.page.keyboard.press("m")
    await expect(viewer.page.locator(".msg-meta").first).to_be_visible()
    await expect(viewer.page.locator(".msg-meta ~ .msg-person").first).to_be_visible()
    await expect(viewer.page.locator(".turn-sum")).to_have_count(0)


async def test_a_result_far_from_its_call_is_shown_with_it(viewer: Viewer) -> None:
    """Although the call is not drawn, and was not even fetched for the position that was gone to."""
    await viewer.watch(APART, "#t=1")
    await viewer.page.keyboard.press("End")
    await expect(viewer.page.locator(".end-card")).to_be_visible()
    card = viewer.page.locator(".tool.is-far")
    await expect(card).to_contain_text("make everything")
    await expect(card).to_contain_text("everything is made")
    await expect(card.locator(".tool-time")).to_have_text(re.compile("8 min 19 s"))
    await expect(viewer.page.locator('.msg[data-seq="0"]')).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_clock_of_months_has_room(browser: Browser, tmp_path: Path, width: int) -> None:
    """It is on one line, within the gutter on a wide screen, and over no words on a phone."""
    session_id = UUID("0b5e55ed-0000-4000-8000-0000000000b1")
    (home := tmp_path / "home").mkdir()
    months = [message(f"m{day}", day * 86_400, "user", content_md=f"Day {day}") for day in (0, 60, 140)]
    write_session(tmp_path / "archive", months, scroll_id=session_id, title="Months")
    server = Server(home, tmp_path / "archive")
    await asyncio.to_thread(server.start)
    try:
        async with tab(browser, server.url, viewport={"width": width, "height": 800}) as viewer:
            await viewer.watch(session_id, "#e=m140")
            last = viewer.page.locator('.msg[data-seq="2"]')
            time = last.locator(".msg-time")
            await expect(time).to_have_text("3360:00:00")
            box, name = await time.bounding_box(), await last.locator(".msg-name").bounding_box()
            gutter = await last.locator(".msg-gutter").bounding_box()
            assert box
            assert name
            assert gutter
            assert box["height"] <= 24  # one line
            assert gutter["x"] <= box["x"]
            assert box["x"] + box["width"] <= gutter["x"] + gutter["width"] + 0.5
            assert box["x"] + box["width"] < name["x"] or name["x"] + name["width"] < box["x"]
            assert await viewer.overflow() <= 0
    finally:
        server.kill()
