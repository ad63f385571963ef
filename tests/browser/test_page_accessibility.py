"""axe finds nothing, in either theme; the page can be used by keyboard and by thumb."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from playwright.async_api import Browser, expect

from browser.sessions import CHILD, DEMO, EMPTY, STEADY, TIMELESS, UNKNOWN
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

THUMB_PX = 44
"""The least that a thumb can be asked to hit (WCAG 2.5.5)."""


async def violations(viewer: Viewer, inside: str | None = None) -> list[str]:
    """What axe finds on the page, or inside of one element of it, a line each."""
    # Evaluated and not loaded by an element: the page's policy lets no other script in.
    await viewer.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await viewer.page.evaluate("inside => axe.run(inside ?? document)", inside)
    return [
        f"{rule['id']}: {node['target']} {node.get('failureSummary', '')[:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, server: Server, theme: Literal["light", "dark"]) -> None:
    """On the list and in a search, in what was found, on the demo while it plays and at its end, in the help, and where
    there is nothing to play."""
    async with tab(browser, server.url, color_scheme=theme, reduced_motion="reduce") as viewer:
        found = {}
        await viewer.page.goto(f"{viewer.url}/")
        await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()
        found["list"] = await violations(viewer)
        await viewer.page.locator(".unrecognised summary").click()
        await viewer.page.get_by_role("searchbox").fill("message")
        await expect(viewer.page.locator(".hit").first).to_be_visible()
        found["search"] = await violations(viewer)
        await viewer.watch(STEADY, "#seq=12&q=message")
        await expect(viewer.page.locator(".find-strip")).to_contain_text("13 of 120")
        await viewer.settled()
        found["place found"] = await violations(viewer)
        await viewer.watch(TIMELESS)
        await expect(viewer.page.locator(".badge.synthetic")).to_be_visible()
        await viewer.settled()
        found["no timestamps"] = await violations(viewer)
        await viewer.watch(CHILD)
        await expect(viewer.page.locator(".badge.parent")).to_be_visible()
        await viewer.settled()
        found["child"] = await violations(viewer)

        await viewer.watch(DEMO, "#t=30")
        await viewer.settled()
        found["playing"] = await violations(viewer)
        await viewer.page.keyboard.press("?")
        await expect(viewer.page.get_by_role("dialog")).to_be_visible()
        found["help"] = await violations(viewer, "dialog")
        await viewer.page.keyboard.press("Escape")
        await viewer.page.keyboard.press("End")
        await expect(viewer.page.locator(".end-card")).to_be_visible()
        await viewer.settled()
        found["ended"] = await violations(viewer)

        for name, scroll_id in (("empty", EMPTY), ("unknown", UNKNOWN)):
            await viewer.page.goto(f"{viewer.url}/sessions/{scroll_id}")
            await expect(viewer.page.locator(".message")).to_be_visible()
            found[name] = await violations(viewer)
        viewer.complaints.clear()  # the browser's own line about the 404

        assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_what_opens(
    browser: Browser, server: Server, theme: Literal["light", "dark"]
) -> None:
    """At a zoom of 200 %, with more contrast and with the system's colours: the grouped list, the player that is
    paused, the words looked for in it, its export dialog."""
    states: dict[str, dict[str, Any]] = {
        "200 %": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
        "contrast": {"contrast": "more"},
        "forced colours": {"forced_colors": "active"},
    }
    found = {}
    for name, options in states.items():
        async with tab(browser, server.url, color_scheme=theme, reduced_motion="reduce", **options) as viewer:
            await viewer.page.goto(f"{viewer.url}/")
            await expect(viewer.page.get_by_role("link", name="Metronome")).to_be_visible()
            await viewer.page.evaluate("() => localStorage.setItem('scrollcast.grouped', 'true')")
            await viewer.page.reload()
            await expect(viewer.page.locator(".group").first).to_be_visible()
            found[f"grouped, {name}"] = await violations(viewer)
            assert await viewer.overflow() == 0
            await viewer.watch(DEMO, "#t=1620")
            await viewer.stop()
            await viewer.settled()
            found[f"paused, {name}"] = await violations(viewer)
            assert await viewer.overflow() == 0
            await viewer.page.keyboard.press("/")
            await viewer.page.keyboard.type("clock")
            await expect(viewer.page.locator(".find-strip")).to_contain_text("of")
            found[f"find, {name}"] = await violations(viewer)
            await viewer.page.keyboard.press("Escape")
            await viewer.page.get_by_role("button", name="Take this session away").click()
            await expect(viewer.page.get_by_role("dialog")).to_be_visible()
            found[f"export, {name}"] = await violations(viewer, "dialog[open]")
    assert {name: lines for name, lines in found.items() if lines} == {}


SIZES: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_axe_finds_nothing_with_everything_open(
    browser: Browser, server: Server, theme: Literal["light", "dark"], size: str
) -> None:
    """What opens is open, on a desk and on a phone: the list's filters, the turns, the words looked for, the dock's
    further buttons, thoughts and system events, a preview on the bar, an image, the dialogs."""
    async with tab(browser, server.url, color_scheme=theme, reduced_motion="reduce", **SIZES[size]) as viewer:
        page, found = viewer.page, {}
        await page.goto(f"{viewer.url}/")
        await expect(page.get_by_role("link", name="Metronome")).to_be_visible()
        filters = page.get_by_role("button", name="Filters")
        if size == "phone":
            await filters.click()
        await page.get_by_label("Agent", exact=True).select_option("Codex")
        await expect(page.get_by_role("link", name="Big")).to_be_visible()
        found["filters"] = await violations(viewer)

        await viewer.watch(DEMO, "#t=1620")
        await viewer.stop()
        await page.keyboard.press("h")
        await page.keyboard.press("m")
        turns = page.get_by_role("navigation", name="Turns")
        if size == "phone":
            await page.get_by_role("button", name="Tool calls and errors").click()
            await page.get_by_role("button", name="Turns").click()
        await expect(turns).to_be_visible()
        await expect(page.locator(".toast").first).to_be_visible()
        await viewer.settled()
        found["turns"] = await violations(viewer)
        if size == "phone":
            await page.get_by_role("button", name="Turns").click()
            await expect(turns).to_be_hidden()
        await page.get_by_role("slider").hover()
        await expect(page.locator(".preview")).to_be_visible()
        found["preview"] = await violations(viewer)
        await page.keyboard.press("/")
        await page.keyboard.type("clock")
        await expect(page.locator(".find-where")).to_have_text(re.compile(r"^\d+ "))
        found["find"] = await violations(viewer)
        await page.keyboard.press("Escape")

        await page.keyboard.press("End")
        await page.locator(".image-button").last.click()
        await expect(page.locator(".lightbox")).to_be_visible()
        found["image"] = await violations(viewer, "dialog[open]")
        await page.keyboard.press("Escape")
        for name in ("Take this session away", "Help: keys and marks"):
            await page.get_by_role("button", name=name).click()
            await expect(page.locator("dialog[open]")).to_be_visible()
            found[name] = await violations(viewer, "dialog[open]")
            await page.keyboard.press("Escape")
        assert {name: lines for name, lines in found.items() if lines} == {}


async def test_the_bar_is_a_slider(viewer: Viewer) -> None:
    """With words for where it is, and its own keys."""
    await viewer.watch(STEADY, "#t=5")
    await viewer.page.keyboard.press("k")
    slider = viewer.page.get_by_role("slider", name="Position in the session")
    await slider.focus()
    await viewer.page.keyboard.press("Home")
    await expect(slider).to_have_attribute("aria-valuetext", "turn 1, 0:00 of 0:11")
    await viewer.page.keyboard.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuenow", "5")
    await viewer.page.keyboard.press("End")
    await expect(slider).to_have_attribute("aria-valuetext", "turn 12, 0:11 of 0:11")
    await expect(slider).to_have_attribute("aria-valuemax", "11")


SMALL: Final = """([kind, px]) => {
  const hits = (control, x, y) => control.contains(document.elementFromPoint(x, y));
  return [...document.querySelectorAll(kind)].filter((control) => {
    if (!control.checkVisibility() || control.closest('.image-button, .line')) return false;
    control.scrollIntoView({ block: 'center' });
    const { left, top, width, height } = control.getBoundingClientRect();
    const [x, y] = [left + width / 2, top + height / 2];
    const far = px / 2 - 1;
    return ![[0, -far], [0, far], [-far, 0], [far, 0]].every(([dx, dy]) => hits(control, x + dx, y + dy));
  }).map((control) => `${control.className}: ${control.textContent}`);
}"""
"""What of a kind cannot be hit so many pixels wide and high; a picture is as large as it is, and what stands
in a line as high as that."""


async def test_a_phone_has_room_for_thumbs(browser: Browser, server: Server) -> None:
    """At 390 px nothing sticks out, and what one presses is large enough."""
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **phone) as viewer:
        await viewer.watch(DEMO, "#t=1620")
        await viewer.settled()
        assert await viewer.overflow() == 0
        for control in await viewer.page.locator(".dock button, .dock select, .seek, .topbar button, .topbar a").all():
            box = await control.bounding_box()
            assert box is None or box["height"] >= THUMB_PX, await control.get_attribute("aria-label")
        stage = await viewer.page.locator(".scroller").bounding_box()
        assert stage is not None
        assert stage["height"] > 844 / 2

        await viewer.stop()
        assert await viewer.page.evaluate(SMALL, [".messages :is(button, summary)", THUMB_PX - 2]) == []
        await viewer.watch(CHILD)
        facts = viewer.page.locator(".facts")
        await expect(facts.locator(".badge.parent")).to_be_visible()
        assert await facts.evaluate("(node) => node.scrollWidth - node.clientWidth") == 0
        assert await viewer.page.evaluate(SMALL, [".facts .badge", THUMB_PX - 2]) == []

        await viewer.page.get_by_role("button", name="Turns").tap()
        await viewer.page.locator(".turn").first.tap()
        await expect(viewer.page.get_by_role("navigation", name="Turns")).to_be_hidden()


@pytest.mark.parametrize("width", [320, 360, 430])
async def test_nothing_sticks_out_of_a_phone(browser: Browser, server: Server, width: int) -> None:
    """Of whatever width: the list with its filters open, the player."""
    phone: dict[str, Any] = {"viewport": {"width": width, "height": 700}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **phone) as viewer:
        await viewer.page.goto(f"{viewer.url}/")
        await viewer.page.get_by_role("button", name="Filters").tap()
        await viewer.page.get_by_role("button", name="By project").tap()
        await expect(viewer.page.locator(".group").first).to_be_visible()
        assert await viewer.overflow() == 0
        await viewer.watch(DEMO, "#t=1620")
        await viewer.settled()
        assert await viewer.overflow() == 0


async def test_a_phone_on_its_side_leaves_room_to_read(browser: Browser, server: Server) -> None:
    """More than half of the window, and thumbs still hit; a finger on the bar goes there."""
    phone: dict[str, Any] = {"viewport": {"width": 667, "height": 375}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **phone) as viewer:
        await viewer.watch(DEMO, "#t=1620")
        await viewer.settled()
        assert await viewer.overflow() == 0
        stage = await viewer.page.locator(".scroller").bounding_box()
        assert stage is not None
        assert stage["height"] > 375 / 2
        for control in await viewer.page.locator(".dock :is(button, select):visible, .seek, .topbar button").all():
            box = await control.bounding_box()
            assert box is None or box["height"] >= THUMB_PX, await control.get_attribute("aria-label")
        bar = await viewer.page.get_by_role("slider").bounding_box()
        assert bar is not None
        await viewer.page.touchscreen.tap(bar["x"] + 2, bar["y"] + bar["height"] / 2)
        await expect(viewer.page.get_by_role("slider")).to_have_attribute("aria-valuetext", re.compile("^turn 1, 0:"))


@pytest.mark.parametrize("size", [(1280, 800), (700, 500), (390, 844)])
async def test_a_note_leaves_the_way_back_to_the_position_alone(
    browser: Browser, server: Server, size: tuple[int, int]
) -> None:
    """Nor does it stick out of the window."""
    width, height = size
    async with tab(browser, server.url, viewport={"width": width, "height": height}) as viewer:
        await viewer.watch(DEMO, "#t=1650")
        await viewer.stop()
        await viewer.settled()
        await viewer.page.locator(".scroller").hover()
        await viewer.page.mouse.wheel(0, -600)
        back = viewer.page.get_by_role("button", name="Jump to the position")
        await expect(back).to_be_visible()
        await viewer.page.keyboard.press("i")
        note, button = await viewer.page.locator(".toast").bounding_box(), await back.bounding_box()
        assert note is not None
        assert button is not None
        assert note["y"] + note["height"] <= button["y"]
        assert note["y"] > 0


async def test_the_turns_have_room_at_twice_the_size(browser: Browser, server: Server) -> None:
    """Two of them are in view however many plans and switches stand below, and those can be reached."""
    async with tab(browser, server.url, viewport={"width": 640, "height": 400}) as viewer:
        await viewer.watch(DEMO, "#t=1650")
        await viewer.stop()
        await viewer.page.get_by_role("button", name="Turns").click()
        await expect(viewer.page.locator(".plan-now")).to_contain_text("done")
        scroller = await viewer.page.locator(".turn-scroller").bounding_box()
        assert scroller is not None
        assert scroller["height"] >= 2 * 56
        switch = viewer.page.get_by_role("button", name="Show system events")
        await switch.focus()
        await expect(switch).to_be_in_viewport()


async def test_the_list_has_room_for_thumbs(browser: Browser, server: Server) -> None:
    """At 390 px its tools are large enough and folded away to begin with, and what was found does not stick out."""
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with tab(browser, server.url, **phone) as viewer:
        await viewer.page.goto(f"{viewer.url}/?q=message")
        await expect(viewer.page.locator(".hit").first).to_be_visible()
        assert await viewer.overflow() == 0
        await expect(viewer.page.get_by_label("Agent", exact=True)).to_be_hidden()
        await viewer.page.get_by_role("button", name="Filters").tap()
        await expect(viewer.page.get_by_label("Agent", exact=True)).to_be_visible()
        for control in await viewer.page.locator(".list-tools :is(input, select, button):visible, .hit").all():
            box = await control.bounding_box()
            assert box is None or box["height"] >= THUMB_PX, await control.evaluate("(node) => node.outerHTML")
        assert await viewer.overflow() == 0


async def test_reduced_motion_is_kept_to(browser: Browser, server: Server) -> None:
    """Nothing glides, nothing pulses."""
    async with tab(browser, server.url, reduced_motion="reduce") as viewer:
        await viewer.watch(STEADY)
        pulse = viewer.page.locator(".pulse span").first
        await expect(pulse).to_be_visible()
        duration = await pulse.evaluate("(node) => getComputedStyle(node).animationDuration")
        assert float(duration.removesuffix("s")) < 0.01


async def test_a_chosen_theme_holds(viewer: Viewer) -> None:
    """Across pages and reloads."""
    await viewer.page.goto(f"{viewer.url}/")
    for _ in range(2):
        await viewer.page.get_by_role("button", name="Theme").click()
    await viewer.watch(STEADY)
    await expect(viewer.page.locator("html")).to_have_attribute("data-theme", "dark")
