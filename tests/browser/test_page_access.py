"""A server that asks for a token, in a real browser: signing in, sharing, and what pages of another origin try."""

from __future__ import annotations

import http.server
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from browser.conftest import chromium
from browser.viewing import PATIENCE_MS
from serving import Child

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

DEMO: Final = "5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11"


class Guarded:
    """A server with `--auth`, and what opens it."""

    def __init__(self, home: Path, link: str) -> None:
        self.link = link
        self.url = link.partition("/#")[0]
        self.port = self.url.rpartition(":")[2]
        self.token = (home / ".local/share/scrollcast/token").read_text().strip()


def run_server(home: Path, archive: Path, *flags: str) -> Iterator[Child]:
    """A server as a child."""
    with Child(home, "serve", archive, "--port", "0", "--no-open", *flags) as child:
        yield child


@pytest.fixture(scope="module")
def guarded(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that asks for a token."""
    home = tmp_path_factory.mktemp("guarded")
    for child in run_server(home, archive, "--auth"):
        yield Guarded(home, child.address())


@pytest.fixture(scope="module")
def own_open(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for nothing."""
    for child in run_server(tmp_path_factory.mktemp("open"), archive):
        yield child.address().rstrip("/")


@asynccontextmanager
async def context(browser: Browser, **options: Any) -> AsyncIterator[BrowserContext]:
    """A browser's profile of its own."""
    made = await browser.new_context(viewport={"width": 1280, "height": 800}, **options)
    made.set_default_timeout(PATIENCE_MS)
    try:
        yield made
    finally:
        await made.close()


async def sign_in(profile: BrowserContext, server: Guarded) -> Page:
    """A tab on the list, signed in by the token."""
    page = await profile.new_page()
    await page.goto(server.url)
    await page.get_by_label("Token").fill(server.token)
    await page.keyboard.press("Enter")
    await expect(page.locator("a[href^='/sessions/']").first).to_be_visible()
    return page


async def test_the_link_signs_in_once_and_leaves_no_trace(browser: Browser, guarded: Guarded) -> None:
    """Nothing of it stays in the address, in the storage, or within a script's reach; another browser is asked."""
    async with context(browser) as profile, context(browser) as other:
        page = await profile.new_page()
        await page.goto(guarded.link)
        await expect(page.locator("a[href^='/sessions/']").first).to_be_visible()
        assert page.url == f"{guarded.url}/"
        assert await page.evaluate("() => [document.cookie, JSON.stringify({...localStorage}), history.length]") == [
            "",
            "{}",
            await page.evaluate("() => history.length"),
        ]
        (cookie,) = await profile.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")

        late = await other.new_page()
        await late.goto(guarded.link)
        await expect(late.get_by_label("Token")).to_be_focused()
        await expect(late.get_by_text("This link was opened before, or is too old.")).to_be_visible()
        assert late.url == f"{guarded.url}/"


async def test_who_is_not_known_is_asked(browser: Browser, guarded: Guarded) -> None:
    """By keyboard alone; a wrong token is said, and read aloud; what was wanted is shown after the right one."""
    async with context(browser) as profile:
        page = await profile.new_page()
        await page.goto(f"{guarded.url}/sessions/{DEMO}#t=30")
        await expect(page.get_by_label("Token")).to_be_focused()
        await page.keyboard.type("no token of this server")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This is not the token.")
        await page.keyboard.type(guarded.token)
        await page.keyboard.press("Enter")
        await expect(page.locator(".play")).to_be_enabled()
        await expect(page.get_by_role("heading", name="Give the lighthouse")).to_be_visible()


async def test_a_session_is_shared_and_taken_back(browser: Browser, guarded: Guarded) -> None:
    """The other browser sees this session and no other, until the owner withdraws the link."""
    async with context(browser) as profile, context(browser) as other:
        owner = await sign_in(profile, guarded)
        await owner.goto(f"{guarded.url}/sessions/{DEMO}")
        await owner.get_by_role("button", name="Share this session").click()
        await owner.get_by_role("button", name="Make a link").click()
        link = owner.get_by_role("textbox", name="Link")
        await expect(link).to_be_visible()
        address = await link.input_value()

        guest = await other.new_page()
        await guest.goto(address)
        await expect(guest.locator(".play")).to_be_enabled()
        await expect(guest.get_by_role("button", name="Share this session")).to_be_hidden()
        assert "#share=" not in guest.url
        assert await guest.evaluate("async () => (await fetch('/api/sessions')).status") == 401
        await owner.get_by_role("button", name="Withdraw the link").click()
        await expect(guest.get_by_text("This link has expired or was withdrawn")).to_be_visible()
        await guest.reload()
        await expect(guest.get_by_label("Token")).to_be_visible()


# -------------------------------------------------------------------------------------------------- another origin


class _Evil(http.server.BaseHTTPRequestHandler):
    """Any page: it is scripted by the tests."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title><body>")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def evil() -> Iterator[int]:
    """The port of another site on this machine: to browsers the same site as ours, by cookies too."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Evil)
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    yield site.server_address[1]
    site.shutdown()
    site.server_close()
    thread.join()


SOCKET: Final = """(url) => new Promise((resolve) => {
  const seen = [];
  const socket = new WebSocket(url);
  socket.onmessage = ({ data }) => seen.push(data);
  socket.onclose = ({ code }) => resolve({ code, seen });
})"""

FRAME: Final = """(src) => new Promise((resolve) => {
  const frame = document.createElement('iframe');
  frame.onload = () => resolve(frame);
  frame.src = src;
  document.body.append(frame);
})"""

LOAD: Final = """([kind, src]) => new Promise((resolve) => {
  const made = document.createElement(kind);
  made.onload = () => resolve('loaded');
  made.onerror = () => resolve('failed');
  made.src = src;
  document.body.append(made);
})"""

FORM: Final = """(action) => {
  const form = document.createElement('form');
  form.action = action;
  form.method = 'post';
  document.body.append(form);
  form.submit();
}"""

SHARE: Final = """async (path) => {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(path, { method: 'POST', headers, body: '{}' })).json();
}"""

READS: Final = """async (root) => {
  const tried = {};
  for (const [name, options] of Object.entries({
    plain: {}, credentials: { credentials: 'include' }, opaque: { mode: 'no-cors', credentials: 'include' },
    post: { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' },
  })) {
    tried[name] = await fetch(`${root}/api/sessions`, options).then((got) => got.text(), () => 'refused');
  }
  return tried;
}"""


@pytest.fixture(params=["127.0.0.1", "localhost", "evil.example"])
def place(request: pytest.FixtureRequest, evil: int) -> str:
    """Another origin: the same host at another port, another loopback name, another site altogether."""
    return f"http://{request.param}:{evil}"


async def test_a_page_of_another_origin_gets_nothing(
    browser: Browser, guarded: Guarded, own_open: str, place: str
) -> None:
    """By WebSocket, fetch, form, image, script or frame: with the owner's cookie in the same browser, and where no
    cookie is needed."""
    answers: dict[str, int] = {}
    async with context(browser) as profile:
        await profile.route(
            "http://evil.example/**", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html")
        )
        await sign_in(profile, guarded)
        for root in (guarded.url, own_open):
            page = await profile.new_page()
            page.on("response", lambda got: answers.update({got.url: got.status}))
            await page.goto(place if "evil.example" not in place else "http://evil.example/")
            assert await page.title() == "another site" or "evil.example" in page.url

            socket = await page.evaluate(SOCKET, f"{root.replace('http', 'ws')}/ws/sessions/{DEMO}")
            assert socket == {"code": 1006, "seen": []}
            for said in (await page.evaluate(READS, root)).values():
                assert said in ("refused", "")

            frame = await page.evaluate_handle(
                FRAME,
                f"{root}/sessions/{DEMO}",
            )
            inside = await frame.as_element().content_frame()  # type: ignore[union-attr]
            assert inside is not None
            assert not inside.url.startswith(root)

            for kind in ("img", "script"):
                assert (
                    await page.evaluate(
                        LOAD,
                        [kind, f"{root}/api/sessions/{DEMO}"],
                    )
                    == "failed"
                )

            async with page.expect_navigation():
                await page.evaluate(
                    FORM,
                    f"{root}/api/sessions/{DEMO}/shares",
                )
            assert answers[f"{root}/api/sessions/{DEMO}/shares"] == 403
            assert "Refused" in await page.inner_text("body")
            assert answers.get(f"{root}/api/sessions") in (None, 403)
            await page.close()


async def test_a_name_that_points_here_gets_nothing(archive: Path, guarded: Guarded, own_open: str) -> None:
    """DNS rebinding: the browser takes the page for the other site's own, but says its name."""
    async with async_playwright() as playwright:
        rebound = await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP rebound.example 127.0.0.1"],
        )
        for root in (guarded.url, own_open):
            page = await rebound.new_page()
            port = root.rpartition(":")[2]
            response = await page.goto(f"http://rebound.example:{port}/sessions/{DEMO}")
            assert response is not None
            assert response.status == 403
            assert "--allow-host rebound.example" in await page.inner_text("body")
            assert await page.evaluate("async () => (await fetch('/api/sessions')).status") == 403
            socket = await page.evaluate(SOCKET, f"ws://rebound.example:{port}/ws/sessions/{DEMO}")
            assert socket == {"code": 1006, "seen": []}
        await rebound.close()


async def test_a_page_of_another_origin_may_lead_here(browser: Browser, guarded: Guarded, place: str) -> None:
    """A link to a session opens it, signed in."""
    if "evil.example" in place:
        return
    async with context(browser) as profile:
        await sign_in(profile, guarded)
        page = await profile.new_page()
        await page.goto(place)
        await page.evaluate("(href) => { location.href = href; }", f"{guarded.url}/sessions/{DEMO}")
        await expect(page.locator(".play")).to_be_enabled()


async def test_a_frame_in_another_page_plays_by_a_link(
    browser: Browser, archive: Path, tmp_path: Path, evil: int
) -> None:
    """No cookie is sent there, so that what is behind the link's # opens it, and nothing else does."""
    place = f"http://localhost:{evil}"
    (home := tmp_path / "home").mkdir()
    for child in run_server(home, archive, "--auth", "--allow-embed", place):
        server = Guarded(home, child.address())
        async with context(browser) as profile:
            owner = await sign_in(profile, server)
            share = await owner.evaluate(
                SHARE,
                f"/api/sessions/{DEMO}/shares",
            )
            secret = share["url"].partition("#")[2]
            page = await profile.new_page()
            await page.goto(place)
            for hash_, works in ((f"#{secret}", True), ("", False)):
                await page.evaluate(
                    "(src) => { document.body.replaceChildren(); const frame = document.createElement('iframe');"
                    " frame.width = 900; frame.height = 600; frame.src = src; document.body.append(frame); }",
                    f"{server.url}/embed/{DEMO}{hash_}",
                )
                inside = page.frame_locator("iframe")
                if works:
                    await expect(inside.locator(".play")).to_be_enabled()
                else:
                    await expect(inside.get_by_text("asks for a token")).to_be_visible()
