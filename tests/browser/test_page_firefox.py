"""The page in Firefox: a list, a session that plays, a seek, words that are found; and no complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from browser.firefox import ARROW_DOWN, ENTER, Firefox, firefox, running
from browser.sessions import STEADY
from browser.viewing import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(firefox() is None, reason="no Firefox: install firefox-esr, or name one in FIREFOX"),
    pytest.mark.asyncio(loop_scope="package"),
]

POSITION: Final = "Number(document.querySelector('[role=slider]').getAttribute('aria-valuenow'))"
SHOWN: Final = "document.querySelectorAll('.messages [data-seq]').length"
IN_A_FIELD: Final = "document.activeElement?.matches('input')"


async def test_firefox_plays(server: Server, tmp_path: Path) -> None:
    """From the list into a session, by keyboard; its policy stops nothing that is ours."""
    path = firefox()
    assert path is not None
    async with running(path, tmp_path) as browser:
        await _chooses(browser, server)
        before = await browser.until(SHOWN)
        await browser.until(f"{SHOWN} > {before}")
        await browser.press("k")
        await browser.until("document.querySelector('.play').getAttribute('aria-label') === 'Play'")
        await _seeks(browser)
        await _finds(browser)
        assert browser.complaints == []


async def _chooses(browser: Firefox, server: Server) -> None:
    await browser.open(f"{server.url}/")
    await browser.until("document.querySelectorAll('.row-link').length > 1")
    await browser.press("/")
    await browser.until(IN_A_FIELD)
    await browser.press("metronome")
    await browser.until("document.querySelectorAll('.row-link').length === 1")
    await browser.press(ARROW_DOWN)
    assert await browser.value("document.activeElement.textContent") == "Metronome"
    await browser.press(ENTER)
    await browser.until(f"location.pathname === '/sessions/{STEADY}'")


async def _seeks(browser: Firefox) -> None:
    await browser.press("5")
    await browser.until(f"{POSITION} > 3 && {POSITION} < 8")
    await browser.press("0")
    await browser.until(f"{POSITION} === 0")


async def _finds(browser: Firefox) -> None:
    await browser.press("/")
    await browser.until(IN_A_FIELD)
    await browser.press("message")
    await browser.until("document.querySelector('.find-where').textContent.includes('120')")
