from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock
from uuid import UUID

import pytest
from websockets.asyncio.client import connect

from archives import SCROLL_ID, write_session
from certificates import self_signed
from scrollcast.web import http_protocol, text_frames
from scrollcast.web.file_runs import send_runs
from scrollcast.web.http_protocol import MAX_READ_BYTES
from scrollcast.web.text_frames import TextFrameProtocol
from serving import Serving, serving, talk, until

RECORD_BYTES = 16 << 10
"""The most that a record of TLS holds, all of which has to be there before any of it can be read (RFC 8446, 5.1)."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for this machine, and its key."""
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
async def server(root: Path, cache: Path, certificate: tuple[Path, Path]) -> AsyncIterator[Serving]:
    """A server over TLS, with few connections."""
    write_session(root, talk(5))
    files = {"certificate": certificate[0], "certificate_key": certificate[1]}
    async with serving(root, cache=cache, max_connections=6, max_connections_of_address=3, **files) as server:
        yield server


@pytest.fixture
def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a client trusts."""
    return ssl.create_default_context(cafile=str(certificate[0]))


async def ask(server: Serving, trusting: ssl.SSLContext) -> bytes:
    """The whole answer to a request."""
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=trusting)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_connection_is_counted_once_before_its_handshake_and_after(
    server: Serving, trusting: ssl.SSLContext
) -> None:
    """Over HTTP and as a WebSocket; it is counted out when it ends."""
    doors, seen = server.app.state.doors, []
    _, writer = await asyncio.open_connection(server.host, server.port)
    await until(lambda: doors.open == 1)
    await writer.start_tls(trusting, server_hostname="127.0.0.1")
    seen.append(doors.open)
    writer.close()
    await until(lambda: doors.open == 0)
    address = server.replay_url(SCROLL_ID, paused="true").replace("ws:", "wss:")
    async with connect(address, ssl=trusting, proxy=None) as socket:
        await socket.recv()
        seen.append(doors.open)
    await until(lambda: doors.open == 0)

    assert (await ask(server, trusting)).startswith(b"HTTP/1.1 200")
    assert seen == [1, 1]


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"], ids=["nothing", "a little", "HTTP"])
async def test_a_handshake_that_does_not_come_is_cut_off(
    server: Serving, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """In the time that a request has, or at once where it is none; without a word in the log."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(said)
    async with asyncio.timeout(5):
        with suppress(ConnectionError):
            await reader.read()
    writer.close()

    await until(lambda: server.app.state.doors.open == 0)
    assert not server.server.server_state.connections


async def test_who_says_nothing_takes_no_more_than_there_may_be(server: Serving, trusting: ssl.SSLContext) -> None:
    """One connection too many is cut off before its handshake; a place that is free is given."""
    doors = server.app.state.doors
    held = [await asyncio.open_connection(server.host, server.port) for _ in range(3)]
    await until(lambda: doors.open == 3)
    with pytest.raises(ConnectionError):
        await ask(server, trusting)
    refused, among = doors.refused, doors.open
    held.pop()[1].close()
    await until(lambda: doors.open == 2)
    answer = await ask(server, trusting)
    for _, writer in held:
        writer.close()

    assert (refused, among) == (1, 3)
    assert answer.startswith(b"HTTP/1.1 200")


async def test_a_server_that_stops_waits_for_no_handshake(
    root: Path, cache: Path, certificate: tuple[Path, Path]
) -> None:
    """It cuts them off."""
    async with serving(root, cache=cache, certificate=certificate[0], certificate_key=certificate[1]) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        await until(lambda: server.app.state.doors.open == 1)
        began = time.monotonic()
    took = time.monotonic() - began
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()

    assert took < 0.9  # what `serving` waits for those that are still there is a second
    assert server.app.state.doors.open == 0


async def test_nothing_goes_past_the_encryption(
    server: Serving, root: Path, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though batches of this size are sent right from the file where there is none."""
    sent = Mock(side_effect=send_runs)
    monkeypatch.setattr(text_frames, "send_runs", sent)
    other = UUID("0b5e55ed-0000-4000-8000-0000000000aa")
    write_session(root, talk(300, pad=2_000), scroll_id=other)
    address = server.replay_url(other, mode="fast", batch=65_536).replace("ws:", "wss:")
    for _ in range(2):  # the second time there is a whole file to send from
        async with connect(address, ssl=trusting, proxy=None, max_size=None) as socket:
            said = [json.loads(message) async for message in socket]

    batches = [each["events"] for each in said if each["type"] == "events"]
    assert [event["seq"] for batch in batches for event in batch] == list(range(300))
    assert not sent.called


async def test_little_is_taken_from_a_connection_at_once(
    server: Serving, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what came while it was not read from: no more than without TLS, and one record."""
    taken: list[int] = []
    take = TextFrameProtocol.data_received

    def note(protocol: TextFrameProtocol, data: bytes) -> None:
        taken.append(len(data))
        take(protocol, data)

    monkeypatch.setattr(text_frames, "LONG_READ_SECONDS", 0)  # so that every read is followed by a rest
    monkeypatch.setattr(TextFrameProtocol, "data_received", note)
    pings = b"\x89\x80\0\0\0\0" * 50_000
    address = server.replay_url(SCROLL_ID, paused="true").replace("ws:", "wss:")
    async with connect(address, ssl=trusting, proxy=None, ping_interval=None) as socket:
        await socket.recv()
        socket.transport.write(pings)
        await until(lambda: sum(taken) >= len(pings))

    assert max(taken) <= MAX_READ_BYTES + RECORD_BYTES
