"""The player in pages of another origin: as a frame, and as `<scrollcast-player>`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from browser.sessions import DEMO, STEADY, UNKNOWN
from browser.viewing import PATIENCE_MS, Server, tab

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

POLICY = "default-src 'none'; script-src 'self' {server} 'nonce-t'; frame-src {server}; img-src data:"
"""A page that allows the element and nothing else."""


class Site:
    """Somebody's web site: one page, whatever is asked for."""

    def __init__(self) -> None:
        self.body = ""
        self.policy = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-security-policy", site.policy)
                self.end_headers()
                self.wfile.write(f"<!doctype html><title>Blog</title><link rel=icon href=data:,>{site.body}".encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Somebody's web site."""
    made = Site()
    yield made
    made.close()


@pytest.fixture(scope="module")
def framed(site: Site, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that the site may embed."""
    server = Server(tmp_path_factory.mktemp("home"), archive, "--allow-embed", site.origin)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def show(site: Site) -> Callable[..., str]:
    """Puts something on the site's page, and gives its address."""

    def put(body: str, policy: str = "") -> str:
        site.body, site.policy = body, policy
        return f"{site.origin}/"

    return put


def element(server: Server, attributes: str, script: str = "") -> str:
    """A page's markup with an element in it, whose events are noted."""
    return f"""
      <script type="module" src="{server.url}/scrollcast-player.js"></script>
      <scrollcast-player id="p" {attributes}></scrollcast-player>
      <script nonce="t">
        const p = document.getElementById('p');
        window.heard = [];
        for (const type of ['ready', 'play', 'pause', 'ended', 'timeupdate', 'durationchange', 'ratechange', 'error'])
          p.addEventListener(type, (event) => heard.push([type, event.detail]));
        {script}
      </script>"""


async def holds(page: Page, fact: str) -> None:
    """Wait until something is so in the page. Its policy allows no `eval`, by which Playwright's own wait looks."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await page.evaluate(fact):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_element_plays_in_a_page_of_another_origin(
    browser: Browser, framed: Server, show: Callable[..., str]
) -> None:
    """By its methods and its own controls, and tells what happens; the page's policy allows nothing else."""
    url = show(element(framed, f'session="{STEADY}"'), POLICY.format(server=framed.url))
    async with tab(browser, framed.url) as viewer:
        page = viewer.page
        await page.goto(url)
        frame = page.frame_locator("#p iframe")
        await expect(frame.locator(".messages").get_by_text("message 0", exact=True)).to_be_visible()
        await holds(page, "heard.some(([type]) => type === 'ready')")
        assert await page.evaluate("[p.paused, p.ended, p.duration]") == [True, False, 11.9]

        await page.evaluate("p.seek(6); p.playbackRate = 2; p.play()")
        await expect(frame.locator(".messages").get_by_text("message 70", exact=True)).to_be_visible()
        assert await page.evaluate("p.currentTime") >= 6
        await frame.locator(".play").click()
        await holds(page, "p.paused && heard.some(([type]) => type === 'pause')")
        await page.evaluate("p.currentTime = 11.9; p.playbackRate = 'max'; p.play()")
        await holds(page, "p.ended && heard.some(([type]) => type === 'ended')")
        heard = await page.evaluate("heard.map(([type]) => type)")
        assert {"ready", "play", "pause", "ended", "timeupdate", "ratechange"} <= set(heard)
        assert heard.index("ready") < heard.index("play")


async def test_element_obeys_its_attributes(browser: Browser, framed: Server, show: Callable[..., str]) -> None:
    """At the beginning, and when they are changed."""
    url = show(element(framed, f'src="{framed.url}/sessions/{STEADY}#t=3" speed="8" autoplay theme="dark"'))
    async with tab(browser, framed.url) as viewer:
        await viewer.page.goto(url)
        frame = viewer.page.frame_locator("#p iframe")
        await expect(frame.locator(".messages").get_by_text("message 119", exact=True)).to_be_visible()
        assert await frame.locator("html").get_attribute("data-theme") == "dark"
        assert await viewer.page.evaluate("p.playbackRate") == 8
        await viewer.page.evaluate("p.setAttribute('speed', '0.5')")
        await holds(viewer.page, "p.playbackRate === 0.5")
        await viewer.page.evaluate(f"p.removeAttribute('src'); p.setAttribute('session', '{DEMO}')")
        await expect(frame.get_by_role("heading", name="Give the lighthouse a steady beam")).to_be_visible()


async def test_commands_before_the_frame_is_there_are_kept(
    browser: Browser, framed: Server, show: Callable[..., str]
) -> None:
    """A page need not wait."""
    script = "customElements.whenDefined('scrollcast-player').then(() => { p.seek(8); p.play(); })"
    async with tab(browser, framed.url) as viewer:
        await viewer.page.goto(show(element(framed, f'session="{STEADY}"', script)))
        frame = viewer.page.frame_locator("#p iframe")
        await expect(frame.locator(".messages").get_by_text("message 90", exact=True)).to_be_visible()


async def test_element_says_that_there_is_no_such_session(
    browser: Browser, framed: Server, show: Callable[..., str]
) -> None:
    """As an event, with the reason."""
    async with tab(browser, framed.url) as viewer:
        await viewer.page.goto(show(element(framed, f'session="{UNKNOWN}"')))
        await holds(viewer.page, "heard.some(([type]) => type === 'error')")
        assert "0b5e55ed" in await viewer.page.evaluate("heard.find(([type]) => type === 'error')[1].error")
        viewer.complaints[:] = [each for each in viewer.complaints if "404" not in each]


async def test_frame_is_the_player_without_the_page(browser: Browser, framed: Server, show: Callable[..., str]) -> None:
    """It waits unless it was told not to, keeps nothing, and its links open beside it."""
    async with tab(browser, framed.url) as viewer:
        await viewer.page.goto(show(f'<iframe src="{framed.url}/embed/{DEMO}?t=1:43" width=800 height=500></iframe>'))
        frame = viewer.page.frame_locator("iframe")
        await expect(frame.locator(".play")).to_be_enabled()
        await expect(frame.get_by_role("button", name="Play", exact=True)).to_be_visible()
        await expect(frame.get_by_role("button", name="Take this session away")).to_have_count(0)
        await expect(frame.locator(".turns-open")).to_have_count(0)
        async with viewer.page.context.expect_page() as opening:
            await frame.get_by_role("link", name="Open in Scrollcast").click()
        opened = await opening.value
        await expect(opened.locator(".play")).to_be_enabled()
        assert opened.url.startswith(f"{framed.url}/sessions/{DEMO}")


async def test_other_sites_may_neither_frame_nor_import(
    browser: Browser, server: Server, show: Callable[..., str]
) -> None:
    """The default: nothing of a session comes into a page of another origin."""
    body = element(server, f'session="{DEMO}"') + f'<iframe id="f" src="{server.url}/embed/{DEMO}"></iframe>'
    async with tab(browser, server.url) as viewer:
        await viewer.page.goto(show(body))
        await viewer.page.wait_for_load_state("networkidle")
        assert await viewer.page.evaluate("customElements.get('scrollcast-player') === undefined")
        await expect(viewer.page.frame_locator("#f").locator(".player")).to_have_count(0)
        assert any("frame-ancestors" in each for each in viewer.complaints)
        assert any("CORS" in each or "scrollcast-player.js" in each for each in viewer.complaints)
        viewer.complaints.clear()
