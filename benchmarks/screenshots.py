"""Pictures of the page's main states, in both themes and on a phone: `python -m benchmarks.screenshots [FOLDER]`.

The sessions are those of `archive_fixtures`, nothing moves, and sizes are fixed: the pictures change when the page
does. What depends on today's date (how long ago a session was) is shown as of a day that does not change.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs" / "screenshots"
SHOWN: Final = ("demo", "claude_code", "codex")
"""The folders of `archive_fixtures` whose sessions are in the pictures."""

DEMO: Final = "5ca1ab1e-0f1a-4b12-9c05-7ea5e70fba11"
RESTED_AT: Final = 1_790_000_000
"""When the files were last written, in seconds since 1970: long before, so that none counts as live."""
PICTURED_AT: Final = "2026-11-22T12:00:00Z"

DESK: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 800}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
SIDEWAYS: Final[dict[str, Any]] = {**PHONE, "viewport": {"width": 844, "height": 390}}

PATIENCE_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class State:
    """A state of the page: where it is, and what was done there."""

    name: str
    address: str
    reach: Callable[[Page], Awaitable[None]]
    kinds: tuple[str, ...] = ("light", "dark")
    storage: dict[str, str] = field(default_factory=dict)


async def _listed(page: Page) -> None:
    await page.locator(".row").first.wait_for()


async def _found(page: Page) -> None:
    await page.locator(".hit").first.wait_for()


async def _paused(page: Page) -> None:
    await page.locator(".play:enabled").wait_for()
    await page.locator(".messages [data-seq]").first.wait_for()
    await page.keyboard.press("k")


async def _ended(page: Page) -> None:
    await page.locator(".play:enabled").wait_for()
    await page.keyboard.press("End")
    await page.locator(".end-card").wait_for()


async def _helped(page: Page) -> None:
    await _paused(page)
    await page.keyboard.press("?")
    await page.locator("dialog[open]").wait_for()


async def _searched(page: Page) -> None:
    await _paused(page)
    await page.keyboard.press("/")
    await page.keyboard.type("clock")
    await page.locator(".find-where", has_text="of").wait_for()


async def _refused(page: Page) -> None:
    await page.locator(".message.error").wait_for()


STATES: Final = (
    State("list", "/", _listed, ("light", "dark", "phone")),
    State("list-by-project", "/", _listed, ("light",), {"scrollcast.grouped": "true"}),
    State("list-search", "/?q=lighthouse", _found, ("light", "phone")),
    State("player", f"/sessions/{DEMO}#t=1650", _paused, ("light", "dark", "phone", "sideways")),
    State("player-find", f"/sessions/{DEMO}#t=1650", _searched, ("light",)),
    State("player-help", f"/sessions/{DEMO}#t=1650", _helped, ("dark",)),
    State("player-end", f"/sessions/{DEMO}", _ended, ("light", "dark")),
    State("error", "/sessions/0b5e55ed-0000-4000-8000-0000000000ff", _refused, ("light", "phone")),
)

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {**DESK, "color_scheme": "light"},
    "dark": {**DESK, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
    "sideways": {**SIDEWAYS, "color_scheme": "dark"},
}

STILL: Final = """async () => {
  await document.fonts.ready;
  const size = () => document.body.innerHTML.length;
  for (let calm = 0, before = -1, left = 200; calm < 8 && left > 0; before = size(), left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    calm = before === size() ? calm + 1 : 0;
  }
}"""
"""Waits until nothing more is drawn, for 10 s at the most."""


async def take(browser: Browser, url: str, state: State, look: str, folder: Path) -> Path:
    """One picture, in `folder`."""
    context = await browser.new_context(**LOOKS[look], reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE_MS)
    try:
        page = await context.new_page()
        await page.clock.set_fixed_time(PICTURED_AT)
        for name, value in state.storage.items():
            await page.goto(f"{url}/healthz")
            await page.evaluate("([name, value]) => localStorage.setItem(name, value)", [name, value])
        await page.goto(url + state.address)
        await state.reach(page)
        await page.evaluate(STILL)
        path = folder / f"{state.name}-{look}.png"
        await page.screenshot(path=path, animations="disabled", caret="hide")
        return path
    finally:
        await context.close()


def _archive(root: Path) -> None:
    for name in SHOWN:
        shutil.copytree(ROOT / "archive_fixtures" / name, root / name)
    for path in root.rglob("*"):
        os.utime(path, (RESTED_AT, RESTED_AT))


def _serve(home: Path, archive: Path) -> tuple[subprocess.Popen[str], str]:
    """A server of the archive, and its address."""
    command = [sys.executable, "-m", "scrollcast", "serve", str(archive), "--port", "0", "--no-open"]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert server.stdout is not None
    for line in server.stdout:
        for word in line.split():
            if word.startswith("http://"):
                return server, word.rstrip("/")
    raise SystemExit("the server did not start")


async def _take_all(url: str, folder: Path) -> None:
    from playwright.async_api import async_playwright

    chromium = next(filter(None, map(shutil.which, (os.environ.get("CHROMIUM") or "chromium", "chromium"))), None)
    if chromium is None:
        raise SystemExit("there is no Chromium: install one, or name it in CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for state in STATES:
            for look in state.kinds:
                path = await take(browser, url, state, look, folder)
                print(f"{path.name}\t{path.stat().st_size // 1024} KB", flush=True)
        await browser.close()


def main() -> None:
    """Take them all anew."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scrollcast-screenshots-") as temporary:
        home, archive = Path(temporary) / "home", Path(temporary) / "archive"
        home.mkdir()
        _archive(archive)
        server, url = _serve(home, archive)
        try:
            asyncio.run(_take_all(url, folder))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
