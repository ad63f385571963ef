"""Answers on HTTP that have begun, and the access of whoever asked for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from archives import SCROLL_ID, message, write_session
from serving import Serving, talk, until
from web.doors import TOKEN, guarded_serving, make_share

EXPORT = f"/api/sessions/{SCROLL_ID}/export?format=jsonl&redact=false"
PART = f"/api/sessions/{SCROLL_ID}/events/0/parts/0"

LARGE = 24_000_000
"""More than the system takes for a client that does not read: on loopback it holds some 6 MB."""

CUT_SECONDS = 3.0
"""An access is looked after once a second."""


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A session whose first message alone is a long download, behind a token."""
    write_session(root, [message("long", content_md="y" * LARGE), *talk(30)])
    async with guarded_serving(root, cache) as server:
        yield server


@asynccontextmanager
async def asked(server: Serving, path: str, token: str) -> AsyncIterator[asyncio.StreamReader]:
    """What comes of an answer, of which the head and some of the body are here and no more is read by itself."""
    reader, writer = await asyncio.open_connection(server.host, server.port, limit=4096)
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(10):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.read(1)
        yield reader
    finally:
        writer.close()


async def rest(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """How many bytes are still to come, and whether the connection was cut after them."""
    count = 0
    try:
        async with asyncio.timeout(20):
            while piece := await reader.read(1 << 20):
                count += len(piece)
    except ConnectionError:
        return count, True
    return count, False


def requests(server: Serving) -> int:
    """How many requests are being answered."""
    return len(server.server.server_state.tasks)


@pytest.mark.parametrize("path", [EXPORT, PART], ids=["made as it goes", "of known length"])
async def test_withdrawing_a_link_cuts_off_a_download_and_nobody_elses(server: Serving, path: str) -> None:
    """Soon, and not as if it were whole; another link's and the owner's go on to their ends."""
    share, secret = await asyncio.to_thread(make_share, server)
    _, other = await asyncio.to_thread(make_share, server)
    assert server.door.shares is not None
    async with (
        asked(server, path, secret) as ended, asked(server, path, other) as kept, asked(server, path, TOKEN) as owner
    ):  # fmt: skip
        await asyncio.to_thread(server.door.shares.revoke, share.id)
        began = time.monotonic()
        await until(lambda: requests(server) == (2 if path == EXPORT else 1), CUT_SECONDS)
        took = time.monotonic() - began
        count, is_cut = await rest(ended)
        sizes = [await rest(reader) for reader in (kept, owner)]

    assert is_cut
    assert count < LARGE / 2
    assert took < CUT_SECONDS
    assert all(size >= LARGE - 1 for size, _ in sizes)
    assert not any(cut for _, cut in sizes)
    await until(lambda: requests(server) == 0)
    assert server.app.state.open_shares._held == {}


@pytest.mark.parametrize("path", [EXPORT, PART], ids=["made as it goes", "of known length"])
async def test_a_link_that_expires_cuts_off_a_download(server: Serving, path: str) -> None:
    """At its time."""
    _, secret = await asyncio.to_thread(make_share, server, seconds=2)
    async with asked(server, path, secret) as ended:
        await until(lambda: requests(server) == 0, 2 + CUT_SECONDS)
        count, is_cut = await rest(ended)

    assert is_cut
    assert count < LARGE / 2


async def test_a_download_that_is_read_is_whole(server: Serving) -> None:
    """Pieces change nothing of it, whatever its length."""
    _, secret = await asyncio.to_thread(make_share, server)
    async with server.http() as http:
        for path in (PART, f"/api/sessions/{SCROLL_ID}/events", f"/api/sessions/{SCROLL_ID}/timeline"):
            by_link, by_owner = [
                await http.get(path, headers={"authorization": f"Bearer {token}"}) for token in (secret, TOKEN)
            ]
            assert by_link.content == by_owner.content
            assert by_link.headers.get("content-length") == by_owner.headers.get("content-length")


async def test_the_log_says_nothing_of_a_download_that_was_cut_off(
    server: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no malfunction."""
    share, secret = await asyncio.to_thread(make_share, server)
    assert server.door.shares is not None
    async with asked(server, EXPORT, secret):
        await asyncio.to_thread(server.door.shares.revoke, share.id)
        await until(lambda: requests(server) == 0, CUT_SECONDS)

    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")] == []
