"""Playing: to the end, stopped, to and fro, from a link, through a server that goes away."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from browser.sessions import BIG, BIG_COUNT, BROKEN, DEMO, EMPTY, GAPPED, STEADY, STEADY_COUNT, TORN, UNKNOWN
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

WAIT_MS = 60_000
"""For what plays for a while."""


def recorded_times(url: str, scroll_id: object) -> list[int]:
    """The recorded time of every event of a session, in milliseconds; those that are only results are negative."""
    with urllib.request.urlopen(f"{url}/api/sessions/{scroll_id}/events?limit=1000") as answer:
        events = json.load(answer)["events"]
    return [-event["t_ms"] - 1 if _only_results(event) else event["t_ms"] for event in events]


def error_seconds(url: str, scroll_id: object) -> list[int]:
    """The recorded times of a session's errors, in whole seconds."""
    return [t_ms // 1000 for t_ms in marked(url, scroll_id, "error")]


def marked(url: str, scroll_id: object, kind: str) -> list[int]:
    """The recorded times of a session's marks of a kind, in milliseconds."""
    with urllib.request.urlopen(f"{url}/api/sessions/{scroll_id}/timeline") as answer:
        return [marker["t_ms"] for marker in json.load(answer)["markers"] if marker["kind"] == kind]


def _only_results(event: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> bool:
    return all(part["type"] == "tool_result" for part in event["event"]["message"]["content"])


async def test_the_demo_plays_to_its_end_at_16x(viewer: Viewer) -> None:
    """Every event is shown once, in order, and the end is said."""
    await viewer.watch(DEMO, "#speed=16&idle=2")

    await expect(viewer.page.locator(".end-card")).to_be_visible(timeout=WAIT_MS)

    times = recorded_times(viewer.url, DEMO)
    assert await viewer.seqs() == [seq for seq, t_ms in enumerate(times) if t_ms >= 0]
    assert await viewer.position() == max(abs(t_ms) for t_ms in times) // 1000
    await expect(viewer.page.get_by_role("button", name="Replay from the start").first).to_be_visible()


async def test_pause_stops_and_play_goes_on(viewer: Viewer) -> None:
    """Nothing comes while paused; nothing is missing afterwards."""
    await viewer.watch(STEADY)
    await expect(viewer.said("message 10")).to_be_visible()

    await viewer.page.get_by_role("button", name="Pause").click()
    await expect(viewer.page.locator(".chip", has_text="paused")).to_be_visible()
    stopped, position = await viewer.seqs(), await viewer.position()
    await viewer.page.wait_for_timeout(700)

    assert await viewer.seqs() == stopped
    assert await viewer.position() == position
    await viewer.page.keyboard.press("k")
    await expect(viewer.said(f"message {stopped[-1] + 5}")).to_be_visible()
    shown = await viewer.seqs()
    assert shown == list(range(len(shown)))


async def test_seeking_shows_the_conversation_up_to_the_position(viewer: Viewer) -> None:
    """Forward, what was passed is there; backward, what comes later is not."""
    times = recorded_times(viewer.url, STEADY)
    await viewer.watch(STEADY)
    await viewer.stop()

    for key, share in (("7", 0.7), ("3", 0.3), ("5", 0.5), ("End", 1.0), ("1", 0.1)):
        await viewer.page.keyboard.press(key)
        until = times[-1] * share
        expected = [seq for seq, t_ms in enumerate(times) if t_ms < until or share == 1]
        await expect(viewer.page.locator(f".messages [data-seq='{expected[-1]}']")).to_be_visible()
        await viewer.settled()
        shown = await viewer.seqs()
        assert shown == expected[-len(shown) :], key
        assert len(shown) >= min(len(expected), 40)
        assert await viewer.position() == int(until / 1000)


async def test_a_result_goes_with_the_seek_and_comes_again(viewer: Viewer) -> None:
    """Before its result a call waits, however one came there."""
    await viewer.watch(GAPPED)
    await viewer.stop()
    for key in ("End", "Home"):
        await viewer.page.keyboard.press(key)
        await expect(viewer.said("Done.")).to_be_visible(visible=key == "End")
    for _ in range(2):
        await viewer.page.keyboard.press(".")
    card = viewer.page.locator(".tool")
    for key, waits in ((".", False), (",", True), (".", False), ("End", False), ("Shift+E", False), (",", True)):
        await viewer.page.keyboard.press(key)
        await expect(viewer.said("Done.")).to_be_visible(visible=key == "End")
        await expect(card).to_contain_text("running" if waits else "failed")
        await expect(viewer.said("no rule")).to_be_visible(visible=not waits)


async def test_the_bar_is_dragged(viewer: Viewer) -> None:
    """Pressing, moving and letting go leads to where it was let go."""
    await viewer.watch(STEADY)
    await viewer.stop()
    box = await viewer.page.get_by_role("slider").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2

    await viewer.page.mouse.move(box["x"] + box["width"] * 0.1, y)
    await viewer.page.mouse.down()
    await viewer.page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=8)
    await viewer.page.mouse.move(box["x"] + box["width"] * 0.605, y, steps=3)
    await expect(viewer.page.locator(".preview")).to_contain_text("Turn")
    await viewer.page.mouse.up()

    await expect(viewer.page.get_by_role("slider")).to_have_attribute("aria-valuenow", "7")
    await expect(viewer.said("message 71")).to_be_visible()
    await viewer.settled()
    assert max(await viewer.seqs()) <= 73


async def test_a_link_leads_to_its_moment_and_again_after_a_reload(viewer: Viewer) -> None:
    """`#t=` starts there, with what came before."""
    await viewer.watch(STEADY, "#t=8&speed=0.25")
    for _ in range(2):
        await expect(viewer.said("message 80")).to_be_visible()
        await viewer.settled()
        shown = await viewer.seqs()
        assert shown == list(range(shown[0], shown[-1] + 1))
        assert shown[0] <= 40
        assert 80 <= shown[-1] < 100
        await viewer.page.reload()


async def test_the_bar_follows_a_finger_and_playback_lands_where_it_is_lifted(browser: Browser, server: Server) -> None:
    """Forth and back, above the bar too; what the system takes away leaves nothing behind."""
    async with tab(browser, server.url, viewport={"width": 390, "height": 844}, has_touch=True) as viewer:
        await viewer.watch(STEADY)
        await viewer.stop()
        slider, preview = viewer.page.get_by_role("slider"), viewer.page.locator(".preview")
        box = await slider.bounding_box()
        assert box is not None
        touch = await viewer.page.context.new_cdp_session(viewer.page)

        async def finger(kind: str, share: float, above: float = 0) -> None:
            point = {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] / 2 - above}
            points = [] if kind in ("touchEnd", "touchCancel") else [point]
            await touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        last_ms = recorded_times(viewer.url, STEADY)[-1]
        await finger("touchStart", 0.05)
        for share, above in ((0.2, 0), (0.88, 0), (0.3, 0), (0.63, 200)):
            await finger("touchMove", share, above)
            at = int(last_ms * share / 1000)
            await expect(preview.locator(".preview-time")).to_have_text(f"0:{at:02}")
            await expect(preview.locator(".kind-turn")).to_have_text(f"Turn {at + 1} message {at * 10}")
            await expect(slider).to_have_attribute("aria-valuenow", str(at))
            shown = await preview.bounding_box()
            assert shown is not None
            assert shown["x"] <= box["x"] + box["width"] * share <= shown["x"] + shown["width"]
            assert shown["y"] + shown["height"] <= box["y"] + box["height"] / 2
        await finger("touchEnd", 0.63)

        await expect(preview).to_be_hidden()
        await expect(viewer.said("message 74")).to_be_visible()
        await expect(slider).to_have_attribute("aria-valuenow", "7")
        await viewer.settled()
        assert (await viewer.seqs())[-1] == 74

        await finger("touchStart", 0.3)
        await expect(preview).to_be_visible()
        await finger("touchCancel", 0.3)
        await expect(preview).to_be_hidden()
        await expect(slider).to_have_attribute("aria-valuenow", "7")


@pytest.mark.parametrize("phone", [False, True])
async def test_the_dock_steps_by_tool_call_and_by_error(browser: Browser, server: Server, phone: bool) -> None:
    """Both ways; on a phone once they have been asked for."""
    options: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **(options if phone else {})) as viewer:
        await viewer.watch(DEMO)
        await viewer.stop()
        button = viewer.page.get_by_role("button", name="Next tool call")
        more = viewer.page.get_by_role("button", name="Tool calls and errors")
        await expect(button).to_be_visible(visible=not phone)
        await expect(more).to_be_visible(visible=phone)
        if phone:
            await more.tap()
            await expect(more).to_have_attribute("aria-expanded", "true")
        for kind, words in (("tool", "tool call"), ("error", "error")):
            first, second = [f"{marker // 1000}" for marker in marked(viewer.url, DEMO, kind)[:2]]
            await viewer.page.keyboard.press("Home")
            slider = viewer.page.get_by_role("slider")
            await expect(slider).to_have_attribute("aria-valuenow", "0")
            assert first != second
            for way, at in (("Next", first), ("Next", second), ("Previous", first), ("Next", second)):
                pressed = viewer.page.get_by_role("button", name=f"{way} {words}")
                await (pressed.tap() if phone else pressed.click())
                await expect(slider).to_have_attribute("aria-valuenow", at)
        assert await viewer.overflow() <= 0
        if phone:
            await more.tap()
            await expect(button).to_be_hidden()


async def test_the_dock_offers_no_tool_calls_and_errors_where_there_are_none(viewer: Viewer) -> None:
    """A button that leads nowhere says so."""
    await viewer.watch(STEADY)
    for name in ("Next tool call", "Previous tool call", "Next error", "Previous error"):
        await expect(viewer.page.get_by_role("button", name=name)).to_be_disabled()


async def test_a_changed_hash_seeks(viewer: Viewer) -> None:
    """A link to another moment of the session that is open works too."""
    await viewer.watch(STEADY)
    await viewer.stop()
    await viewer.page.evaluate("() => { location.hash = '#t=0:05' }")
    await expect(viewer.page.get_by_role("slider")).to_have_attribute("aria-valuenow", "5")
    await expect(viewer.said("message 49")).to_be_visible()


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_lost_server_is_said_and_made_up_for(browser: Browser, own_server: Server, how: str) -> None:
    """Crashed or stopped: the page keeps what it shows, comes back by itself, and has no repeat and no hole."""
    async with tab(browser, own_server.url) as viewer:
        await viewer.watch(STEADY)
        for until in (20, 50):
            await expect(viewer.said(f"message {until}")).to_be_visible()
            await asyncio.to_thread(getattr(own_server, how))
            await expect(viewer.page.locator(".banner")).to_contain_text("Connection lost")
            shown = await viewer.seqs()
            assert shown[-1] >= until
            own_server.start()
            await expect(viewer.page.locator(".banner")).to_be_hidden(timeout=WAIT_MS)
            await expect(viewer.page.locator(".notice")).to_have_count(0)

        await expect(viewer.page.locator(".end-card")).to_be_visible(timeout=WAIT_MS)

        assert await viewer.seqs() == list(range(STEADY_COUNT))


async def test_a_page_opened_before_its_server_waits_for_it(browser: Browser, own_server: Server) -> None:
    """A socket that cannot be opened is tried again."""
    async with tab(browser, own_server.url) as viewer:
        await viewer.page.goto(f"{own_server.url}/")
        await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()
        own_server.kill()
        await viewer.page.get_by_role("link", name="Metronome").click()
        await expect(viewer.page.get_by_text("The server cannot be reached")).to_be_visible()
        own_server.start()
        await expect(viewer.said("message 3")).to_be_visible(timeout=WAIT_MS)


async def test_a_big_session_stays_small_in_the_tab(viewer: Viewer) -> None:
    """Thousands of events arrive as fast as possible; a few hundred are in the document, older ones come back."""
    await viewer.watch(BIG, "#speed=max")
    await expect(viewer.page.locator(".end-card")).to_be_visible(timeout=WAIT_MS)
    await viewer.settled()

    shown = await viewer.seqs()
    assert shown[-1] == BIG_COUNT - 1
    assert len(shown) <= 500
    first = shown[0]
    await viewer.page.get_by_role("button", name="Load earlier").click()
    await expect(viewer.page.locator(f".messages [data-seq='{first - 4}']")).to_be_attached()
    again = await viewer.seqs()
    assert again == sorted(set(again))
    assert set(shown) <= set(again)

    await viewer.page.keyboard.press("5")
    await expect(viewer.page.locator(f".messages [data-seq='{BIG_COUNT // 2 - 1}']")).to_be_visible()


async def test_reading_stops_following_and_the_way_back_is_one_click(viewer: Viewer) -> None:
    """A scroll up holds the view still while playback goes on."""
    await viewer.watch(STEADY, "#t=6")
    await expect(viewer.said("message 65")).to_be_visible()
    await viewer.page.locator(".scroller").hover()
    await viewer.page.mouse.wheel(0, -600)
    pill = viewer.page.get_by_role("button", name="Jump to now")
    await expect(pill).to_be_visible()
    top = await viewer.standing()
    await viewer.page.wait_for_timeout(600)
    assert await viewer.standing() == pytest.approx(top, abs=2)

    await pill.click()

    await expect(pill).to_be_hidden()
    await expect(viewer.page.locator(".messages > :last-child")).to_be_in_viewport()


async def test_a_key_that_leads_to_where_playback_is_leads_the_reader_there(viewer: Viewer) -> None:
    """Who has scrolled away from the end and presses End comes back to it."""
    await viewer.watch(STEADY)
    await viewer.page.keyboard.press("End")
    await expect(viewer.page.locator(".end-card")).to_be_in_viewport()
    await viewer.settled()
    await viewer.page.locator(".scroller").hover()
    await viewer.page.mouse.wheel(0, -900)
    await expect(viewer.page.get_by_role("button", name="Jump to")).to_be_visible()
    await viewer.standing()
    await viewer.page.keyboard.press("End")
    await expect(viewer.page.locator(".end-card")).to_be_in_viewport()


async def test_a_silence_that_was_skipped_is_said(viewer: Viewer) -> None:
    """The idle cap leaves a mark where it cut."""
    await viewer.watch(GAPPED, "#speed=16&idle=2")
    await expect(viewer.page.get_by_text("Skipped 25 min of silence")).to_be_visible()


async def test_records_left_out_are_said_with_their_lines(viewer: Viewer) -> None:
    """Nothing is lost silently; the notice can be put away."""
    await viewer.watch(TORN)
    notice = viewer.page.locator(".notice")
    await expect(notice).to_contain_text("Line 2")
    await notice.get_by_role("button", name="Dismiss").click()
    await expect(notice).to_be_hidden()


async def test_an_empty_session_says_so(viewer: Viewer) -> None:
    """Instead of a blank stage."""
    await viewer.page.goto(f"{viewer.url}/sessions/{EMPTY}")
    await expect(viewer.page.get_by_role("heading", name="This session has no messages")).to_be_visible()


@pytest.mark.parametrize(
    ("scroll_id", "title"), [(UNKNOWN, "There is no such session"), (BROKEN, "This session cannot be read")]
)
async def test_what_cannot_be_played_says_why_and_leads_back(
    browser: Browser, server: Server, scroll_id: object, title: str
) -> None:
    """In the server's words."""
    async with tab(browser, server.url) as viewer:
        await viewer.page.goto(f"{viewer.url}/sessions/{scroll_id}")
        await expect(viewer.page.get_by_role("heading", name=title)).to_be_visible()
        await viewer.page.get_by_role("link", name="All sessions").last.click()
        await expect(viewer.page.get_by_role("heading", name="Sessions")).to_be_visible()
        viewer.complaints.clear()  # the browser's own line about a 404 or 500


async def test_turns_are_listed_and_lead_there(viewer: Viewer) -> None:
    """Stopped, a turn that was picked is the last thing shown."""
    await viewer.watch(GAPPED)
    await viewer.stop()
    await viewer.page.get_by_role("navigation", name="Turns").get_by_role("button", name="Back from lunch").click()
    await expect(viewer.page.locator(".messages").get_by_text("Back from lunch")).to_be_visible()
    await viewer.settled()
    assert (await viewer.seqs())[-1] == 4
    await viewer.page.keyboard.press("[")
    await expect(viewer.page.locator(".messages").get_by_text("Back from lunch")).to_be_hidden()
    await viewer.settled()
    assert await viewer.seqs() == [0]


async def test_speed_and_silences_are_the_servers_to_say_and_are_remembered(viewer: Viewer) -> None:
    """A choice shows once the server has taken it, and holds for the next session."""
    await viewer.watch(STEADY)
    await viewer.page.get_by_label("Speed").select_option("4")
    await viewer.page.get_by_label("Pace").select_option("2")
    await expect(viewer.page.locator(".time-left")).to_contain_text("at 4×")
    await viewer.watch(GAPPED)
    await expect(viewer.page.get_by_label("Speed")).to_have_value("4")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("2")


async def test_keys_work_whatever_has_focus_but_where_one_types_or_chooses(viewer: Viewer) -> None:
    """A clicked button does not take Space; one reached by Tab does."""
    await viewer.watch(DEMO)
    await viewer.page.get_by_role("button", name="Theme").click()
    await viewer.page.keyboard.press("Space")
    await expect(viewer.page.get_by_role("button", name="Play")).to_be_visible()

    await viewer.page.get_by_role("button", name="Help").focus()
    await viewer.page.keyboard.press("Tab")
    await viewer.page.keyboard.press("Shift+Tab")
    await viewer.page.keyboard.press("Space")
    help_dialog = viewer.page.get_by_role("dialog")
    await expect(help_dialog).to_be_visible()
    await viewer.page.keyboard.press("k")
    await viewer.page.keyboard.press("Escape")
    await expect(help_dialog).to_be_hidden()
    await expect(viewer.page.get_by_role("button", name="Play")).to_be_visible()

    await viewer.page.get_by_label("Speed").focus()
    await viewer.page.keyboard.press("k")
    await expect(viewer.page.get_by_role("button", name="Play")).to_be_visible()


async def test_a_copied_link_names_the_moment(browser: Browser, server: Server) -> None:
    """It lands in the clipboard and in the address bar."""
    async with tab(browser, server.url, permissions=["clipboard-write"]) as viewer:
        await viewer.watch(STEADY, "#t=5")
        await viewer.page.keyboard.press("k")
        await viewer.page.keyboard.press("5")
        await expect(viewer.page.get_by_role("slider")).to_have_attribute("aria-valuenow", "5")
        await viewer.page.keyboard.press("y")
        await expect(viewer.page.get_by_text("copied")).to_be_visible()
        copied = await viewer.pasted()
        assert copied == f"{viewer.url}/sessions/{STEADY}#t=5"
        assert viewer.page.url.endswith("#t=5")


async def test_at_the_pace_of_a_reader_events_come_when_the_one_before_was_read(viewer: Viewer) -> None:
    """Events that came within a tenth of a second wait for each other; the choice is remembered, and a link has it."""
    await viewer.watch(STEADY)
    await viewer.page.get_by_label("Pace").select_option("reading")
    await expect(viewer.page.locator(".time-left")).to_have_text(re.compile(r"^\d+ (s|min|min \d+ s) left$"))
    await viewer.page.keyboard.press("Home")
    await expect(viewer.said("message 1")).to_be_visible()
    await expect(viewer.said("message 3")).to_be_visible()
    assert len(await viewer.seqs()) < 20
    await viewer.page.get_by_label("Speed").select_option("64")
    await expect(viewer.said("message 60")).to_be_visible()
    await viewer.watch(GAPPED)
    await expect(viewer.page.get_by_label("Pace")).to_have_value("reading")
    await viewer.watch(GAPPED, "#t=0&idle=2&speed=1")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("2")
    await viewer.watch(STEADY, "#t=0&pace=reading")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("reading")


async def test_as_fast_as_possible_and_back_by_one_key(viewer: Viewer) -> None:
    """The speed and the pace are what they were."""
    await viewer.watch(GAPPED, "#speed=0.5&pace=reading")
    await viewer.page.keyboard.press("\\")
    await expect(viewer.page.get_by_label("Speed")).to_have_value("max")
    await viewer.page.keyboard.press("\\")
    await expect(viewer.page.get_by_label("Speed")).to_have_value("0.5")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("reading")


async def test_the_bar_shows_where_much_happened(viewer: Viewer) -> None:
    """An area along the track."""
    await viewer.watch(DEMO)
    await expect(viewer.page.locator(".seek .density")).to_have_attribute("d", re.compile("(L[^L]*){101}"))


async def test_a_link_restores_what_it_names_and_the_bar_says_where_one_is(viewer: Viewer) -> None:
    """Speed and idle cap, or pace; the rest stays as the reader had it."""
    await viewer.watch(DEMO, "#t=1:00&speed=4&idle=5")
    await viewer.stop()
    await expect(viewer.page.get_by_label("Speed")).to_have_value("4")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("5")
    bar = viewer.page.get_by_role("slider")
    await expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^turn \d+, 0?1:\d\d of (\d+:)?\d+:\d\d$"))
    await viewer.page.evaluate("() => { location.hash = '#t=30&speed=0.5' }")
    await expect(viewer.page.get_by_label("Speed")).to_have_value("0.5")
    await expect(viewer.page.get_by_label("Pace")).to_have_value("5")
    await expect(bar).to_have_attribute("aria-valuenow", "30")


async def test_a_touch_on_the_bar_shows_the_time_and_the_turn_before_it_leads_there(
    browser: Browser, server: Server
) -> None:
    """While the finger is down; the preview goes when it is lifted, and playback is there."""
    async with tab(browser, server.url, viewport={"width": 390, "height": 844}, has_touch=True) as viewer:
        await viewer.watch(DEMO, "#speed=0.25")
        await viewer.stop()
        box = await viewer.page.get_by_role("slider").bounding_box()
        assert box is not None
        finger = await viewer.page.context.new_cdp_session(viewer.page)
        y = box["y"] + box["height"] / 2
        for kind, share in (("touchStart", 0.2), ("touchMove", 0.4), ("touchMove", 0.6)):
            point = {"x": box["x"] + box["width"] * share, "y": y}
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        preview = viewer.page.locator(".preview")
        await expect(preview.locator(".preview-time")).to_have_text(re.compile(r"^(\d+:)?\d+:\d\d$"))
        await expect(preview.locator(".kind-turn")).to_have_text(re.compile(r"^Turn \d+ \S"))
        before = await viewer.position()
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await expect(preview).to_be_hidden()
        assert before > 0
        assert await viewer.overflow() <= 0


async def test_errors_are_gone_to_by_key_both_ways_with_the_bar_in_focus(viewer: Viewer) -> None:
    """A focused slider keeps its arrows only."""
    await viewer.watch(BIG)
    await viewer.stop()
    errors = error_seconds(viewer.url, BIG)
    bar = viewer.page.get_by_role("slider")
    await viewer.page.keyboard.press("Home")
    await bar.focus()
    for key, at in (
        ("e", errors[0]),
        ("e", errors[1]),
        ("e", errors[2]),
        ("Shift+E", errors[1]),
        ("Shift+E", errors[0]),
    ):
        await viewer.page.keyboard.press(key)
        await expect(bar).to_have_attribute("aria-valuenow", str(at))
