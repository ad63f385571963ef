"""A page that `scrollcast export` wrote, opened from the disk by a browser without a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from browser.sessions import BIG, BIG_COUNT, CHILD, DEMO, GAPPED, HOSTILE, PARENT, STEADY
from browser.viewing import Viewer, tab
from serving import run_command

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


@pytest.fixture(scope="package")
def exported(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Exports a session and gives the file's address."""
    home = tmp_path_factory.mktemp("exports")

    def export(scroll_id: UUID, *flags: str) -> str:
        folders = {DEMO: archive / "demo" / str(DEMO), PARENT: archive / "claude_code" / "-home-mira-tidepool"}
        path = home / f"{scroll_id}{len(list(home.iterdir()))}.html"
        done = run_command(home, "export", folders.get(scroll_id, archive / str(scroll_id)), "-o", path, *flags)
        assert done.returncode == 0, done.stderr
        return path.as_uri()

    return export


class FileViewer(Viewer):
    """A tab on a file, and every address that it asked for."""

    asked: list[str]

    async def open(self, url: str) -> None:
        """Open it, and wait until it can be played."""
        await self.page.goto(url)
        await expect(self.page.locator(".play")).to_be_enabled()


@pytest_asyncio.fixture(loop_scope="package")
async def file(browser: Browser) -> AsyncIterator[FileViewer]:
    """A tab without a network, which asks for nothing but the file that it was sent to."""
    async with tab(browser, "") as viewer:
        page = viewer.page
        found = FileViewer(page, "", viewer.complaints)
        found.asked = []
        page.on("request", lambda request: found.asked.append(request.url))
        await page.context.set_offline(True)
        yield found
        assert not [url for url in found.asked if not url.startswith(("file:", "blob:", "data:"))]
        assert len([url for url in found.asked if url.startswith("file:")]) >= 1


async def test_file_plays_to_its_end(file: FileViewer, exported: Callable[..., str]) -> None:
    """Every message, in order, at its pace."""
    await file.open(f"{exported(STEADY)}#speed=4")
    await expect(file.said("message 30")).to_be_visible()
    assert await file.position() < 12
    await file.page.keyboard.press("End")
    await expect(file.said("message 119")).to_be_visible()
    await expect(file.page.locator(".play")).to_have_attribute("aria-label", "Replay from the start")

    seqs = await file.seqs()
    assert seqs == sorted(set(seqs))
    assert seqs[-1] == 119
    await file.page.keyboard.press("Space")
    await expect(file.said("message 0")).to_be_visible()


async def test_file_obeys_every_control(file: FileViewer, exported: Callable[..., str]) -> None:
    """Pause, step, seek, turns, speed and pace, by keyboard and by pointer."""
    page = file.page
    await file.open(exported(GAPPED))
    await file.stop()
    await page.keyboard.press("Home")
    await page.keyboard.press(".")
    await expect(file.said("Make it")).to_be_visible()
    await page.keyboard.press("]")
    await page.keyboard.press(".")
    await expect(file.said("Back from lunch")).to_be_visible()
    await page.keyboard.press("[")
    await expect(file.said("Welcome back.")).to_be_hidden()
    await page.get_by_label("Speed").select_option("16")
    await page.get_by_label("Pace").select_option("1")
    await page.locator(".play").focus()
    await page.keyboard.press("Home")
    await page.locator(".play").click()
    await expect(file.said("Done.")).to_be_visible()
    await expect(page.get_by_text("Skipped 25 min of silence")).to_be_visible()
    await page.get_by_role("slider").click(position={"x": 2, "y": 10})
    await expect(file.said("Done.")).to_be_hidden()


async def test_link_into_a_file_leads_there(file: FileViewer, exported: Callable[..., str]) -> None:
    """To a time, and to an event; also when the address changes while it is open."""
    url = exported(BIG)
    await file.open(f"{url}#seq=2000")
    await expect(file.page.locator('.messages [data-seq="2000"]')).to_be_visible()
    await file.page.evaluate("location.hash = '#t=3500'")
    await expect(file.page.locator('.messages [data-seq="3499"]')).to_be_visible()


async def test_link_to_a_message_of_a_file_leads_there(file: FileViewer, exported: Callable[..., str]) -> None:
    """By its id, and stops at it; one that is not there is told so."""
    url = exported(STEADY)
    await file.open(f"{url}#e=m57")
    await expect(file.page.locator('.msg[data-seq="57"].is-now')).to_be_in_viewport()
    await file.settled()
    assert (await file.seqs())[-1] == 57
    await file.page.evaluate("location.hash = '#e=of-another-session'")
    await expect(file.page.locator(".notice")).to_have_text(
        "The message that this link leads to is not in this session."
    )


async def test_large_file_goes_anywhere(file: FileViewer, exported: Callable[..., str]) -> None:
    """As fast as possible to the end, and back through its history."""
    page = file.page
    await file.open(f"{exported(BIG)}#speed=max")
    await expect(page.locator(f'.messages [data-seq="{BIG_COUNT - 1}"]')).to_be_visible()
    await file.settled()
    first = min(await file.seqs())
    await page.locator(".messages").hover()
    for _ in range(20):
        await page.mouse.wheel(0, -4_000)
        await file.settled()
        if min(await file.seqs()) < first:
            break
    assert min(await file.seqs()) < first


async def test_words_are_found_in_a_file(file: FileViewer, exported: Callable[..., str]) -> None:
    """And lead to where they stand."""
    await file.open(f"{exported(DEMO)}#seq=0&q=harbour clock")
    await expect(file.page.locator(".find-strip")).to_contain_text("1 of ")
    await file.page.keyboard.press("n")
    await expect(file.page.locator(".find-strip")).to_contain_text("2 of ")
    await expect(file.page.locator(".messages .is-hit")).not_to_have_count(1)


async def test_hostile_session_stays_text(file: FileViewer, exported: Callable[..., str]) -> None:
    """Under the file's own policy, whose every breach would be a complaint."""
    await file.open(f"{exported(HOSTILE)}#speed=max")
    await expect(file.said("The end of it.")).to_be_visible()

    assert await file.page.evaluate("window.pwned") is None
    assert await file.page.evaluate("({}).polluted") is None
    assert await file.page.locator("iframe, base, form, object").count() == 0


async def test_whole_of_a_long_part_is_in_the_file(file: FileViewer, exported: Callable[..., str]) -> None:
    """Shown when it is asked for."""
    await file.open(f"{exported(HOSTILE)}#speed=max")
    await expect(file.said("The end of it.")).to_be_visible()
    show = file.page.locator(".messages .more-button", has_text="Show all")
    await expect(show).not_to_have_count(0)
    for fold in await file.page.locator(".messages summary:visible").all():
        await fold.click()
    count = await show.count()
    await show.first.scroll_into_view_if_needed()
    await show.first.click()
    await expect(show).to_have_count(count - 1)
    await expect(file.page.get_by_text("It could not be loaded")).to_have_count(0)


async def test_excerpt_holds_what_was_asked_for(file: FileViewer, exported: Callable[..., str]) -> None:
    """And says so in its title."""
    url = exported(DEMO, "--from", "26:59", "--title", "After the walk", "--leave-out", "tools,thinking")
    await file.open(f"{url}#speed=max")
    await expect(file.page.get_by_role("heading", name="After the walk")).to_be_visible()
    await expect(file.page.locator(".messages .tool, .messages .part-thinking")).to_have_count(0)
    await expect(file.page.locator(".turn-list li")).to_have_count(4)
    assert await file.page.title() == "After the walk · Scrollcast"


async def test_file_leads_nowhere_else(file: FileViewer, exported: Callable[..., str]) -> None:
    """There is no list to go back to."""
    await file.open(exported(DEMO))

    hrefs = await file.page.evaluate("[...document.querySelectorAll('a')].map((each) => each.getAttribute('href'))")
    assert not [href for href in hrefs if not href.startswith(("http", "mailto:", "#"))]


async def test_subagent_opens_in_its_call(file: FileViewer, exported: Callable[..., str]) -> None:
    """With what its tools gave back, as on a server."""
    page = file.page
    await file.open(f"{exported(PARENT)}#speed=max")
    await page.keyboard.press("End")
    await page.get_by_role("button", name="Show here").click()
    lane = page.get_by_role("region", name="Subagent: ")
    await expect(lane).to_contain_text("Three places assign a day")
    await expect(lane.locator(".tool.is-waiting")).to_have_count(0)
    await expect(lane.locator(".lane-foot")).to_contain_text("8 messages")
    await page.get_by_role("button", name="Hide").click()
    await expect(lane).to_have_count(0)


async def test_subagent_is_a_session_of_the_same_file(file: FileViewer, exported: Callable[..., str]) -> None:
    """By an address of its own, with the way back."""
    page = file.page
    await file.open(f"{exported(PARENT)}#speed=max")
    await page.keyboard.press("End")
    await page.get_by_role("link", name="Open session").click()
    await expect(page).to_have_url(re.compile(rf"\.html\?session={CHILD}$"))
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Explore"))
    await page.keyboard.press("End")
    await expect(page.locator(".messages")).to_contain_text("Three places assign a day")
    await page.get_by_role("link", name="part of Fix the missing low water after midnight").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Fix the missing"))


async def test_subagents_can_be_left_out(file: FileViewer, exported: Callable[..., str]) -> None:
    """Their calls and what these got back stay."""
    await file.open(f"{exported(PARENT, '--leave-out', 'subagents')}#speed=max")
    await file.page.keyboard.press("End")
    await expect(file.page.locator(".tool", has_text="Explore: Find every day boundary")).to_be_visible()
    await expect(file.page.get_by_role("button", name="Show here")).to_have_count(0)
    await expect(file.page.get_by_role("link", name="Open session")).to_have_count(0)
