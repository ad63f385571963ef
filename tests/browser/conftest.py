"""A real Chromium on the real server, which runs as a child with a home of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from browser.sessions import rest, write_archive
from browser.viewing import PATIENCE_MS, Server, Viewer, tab

FIXTURES: Final = Path(__file__).parents[2] / "archive_fixtures"


def chromium() -> str:
    """The browser: the one that `CHROMIUM` names, else the one that is installed."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (path := shutil.which(name)):
            return path
    pytest.fail("no Chromium: install one, or name it in CHROMIUM", pytrace=False)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests here."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sessions of `sessions.py`, the demo, and fixtures of two tools."""
    root = tmp_path_factory.mktemp("archive")
    write_archive(root)
    for name in ("demo", "claude_code", "cursor"):
        shutil.copytree(FIXTURES / name, root / name)
    rest(root)
    return root


@pytest.fixture(scope="package")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the archive, for tests that leave it alone."""
    yield from _run(tmp_path_factory.mktemp("home"), archive)


@pytest.fixture
def own_server(archive: Path, tmp_path: Path) -> Iterator[Server]:
    """A server of the archive, for a test that does not."""
    home = tmp_path / "home"
    home.mkdir()
    yield from _run(home, archive)


def _run(home: Path, *paths: Path) -> Iterator[Server]:
    server = Server(home, *paths)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@pytest_asyncio.fixture(loop_scope="package")
async def viewer(browser: Browser, server: Server) -> AsyncIterator[Viewer]:
    """A tab on the shared server."""
    async with tab(browser, server.url) as viewer:
        yield viewer
