"""Links to a message by its id: they lead to it wherever it stands, and say so plainly where it is not there."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from browser.sessions import DEMO, STEADY
from browser.viewing import Server, Viewer, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


def meta_event(url: str) -> tuple[int, str]:
    """The number and the id of an event of the demo that is not a message and not its first."""
    with urllib.request.urlopen(f"{url}/api/sessions/{DEMO}/events?limit=1000&meta=true") as answer:
        events: list[dict[str, Any]] = json.load(answer)["events"]
    found = [(each["seq"], each["event"]["meta_event"]["id"]) for each in events if "meta_event" in each["event"]]
    return found[-1]


async def test_a_link_by_id_opens_at_that_message_and_stops(viewer: Viewer) -> None:
    """Opened, followed inside of the page, and after a reload."""
    await viewer.watch(STEADY, "#e=m57")
    for _ in range(2):
        await expect(viewer.page.locator('.msg[data-seq="57"].is-now')).to_be_in_viewport()
        await expect(viewer.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
        await viewer.settled()
        assert (await viewer.seqs())[-1] == 57
        await viewer.page.reload()
    await viewer.page.evaluate("() => { location.hash = '#e=m12' }")
    await expect(viewer.page.locator('.msg[data-seq="12"].is-now')).to_be_in_viewport()
    await viewer.settled()
    assert (await viewer.seqs())[-1] == 12


async def test_a_link_by_id_leads_to_an_event_beside_the_messages(viewer: Viewer) -> None:
    """With `meta=1` those events are shown and numbered too."""
    seq, event_id = meta_event(viewer.url)
    await viewer.watch(DEMO, f"#e={event_id}&meta=1")
    await expect(viewer.page.locator(f'.msg-meta[data-seq="{seq}"].is-now')).to_be_in_viewport()
    await expect(viewer.page.get_by_role("button", name="Show system events")).to_have_attribute("aria-pressed", "true")
    await viewer.settled()
    assert (await viewer.seqs())[-1] == seq


@pytest.mark.parametrize("more", ["", "&meta=1"])
async def test_a_link_to_an_unknown_id_says_so(viewer: Viewer, more: str) -> None:
    """Plainly, once; the session plays from its start."""
    await viewer.watch(STEADY, f"#e=of-another-session{more}")
    await expect(viewer.page.locator(".notice")).to_have_text(
        "The message that this link leads to is not in this session."
    )
    await viewer.page.get_by_role("button", name="Play", exact=True).click()
    await expect(viewer.said("message 3")).to_be_visible()
    assert (await viewer.seqs())[0] == 0


async def test_a_link_of_a_message_names_its_id(browser: Browser, server: Server) -> None:
    """What the button copies leads there again, for an event beside the messages too."""
    async with tab(browser, server.url, permissions=["clipboard-write"]) as viewer:
        _, event_id = meta_event(viewer.url)
        for scroll_id, at, fragment in (
            (STEADY, "#e=m57", "#e=m57"),
            (DEMO, f"#e={event_id}&meta=1", f"#e={event_id}&meta=1"),
        ):
            await viewer.watch(scroll_id, at)
            message = viewer.page.locator(".msg.is-now")
            await message.hover()
            await message.get_by_role("button", name="Copy a link to this message").click()
            await expect(viewer.page.get_by_text("copied")).to_be_visible()
            assert await viewer.pasted() == f"{viewer.url}/sessions/{scroll_id}{fragment}"
