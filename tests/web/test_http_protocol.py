from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from archives import SCROLL_ID, write_session
from scrollcast.web import http_protocol
from scrollcast.web.http_protocol import MAX_HEAD_BYTES, MAX_READ_BYTES, HttpProtocol
from scrollcast.web.security import SECURITY_HEADERS
from serving import Serving, serving, talk, until

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session, with few connections and fewer for each address."""
    write_session(root, talk(5))
    async with serving(root, cache=cache, max_connections=6, max_connections_of_address=5) as server:
        yield server


async def ask(server: Serving, *pieces: bytes, pause: float = 0.0) -> tuple[int, dict[str, str], str]:
    """Send some bytes, with pauses between: the status, the headers and the body of what comes back until the end."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split()[1]), headers, body.decode()


def is_secured(headers: dict[str, str]) -> bool:
    """Whether an answer has every security header."""
    return all(headers.get(name) == value.lower() for name, value in SECURITY_HEADERS.items())


async def connect(server: Serving) -> asyncio.StreamWriter:
    """A connection that says nothing."""
    _, writer = await asyncio.open_connection(server.host, server.port)
    return writer


async def test_one_connection_too_many_is_answered_503(server: Serving) -> None:
    """At once, in words, and with when to come back; who is in is not touched, and a place that is free is given."""
    held = [await connect(server) for _ in range(5)]
    await until(lambda: server.app.state.doors.open == 5)
    status, headers, body = await ask(server, b"")
    held.pop().close()
    await until(lambda: server.app.state.doors.open == 4)
    async with server.http() as http:
        free = await http.get("/healthz")
    for writer in held:
        writer.close()
    await until(lambda: server.app.state.doors.open == 0)

    assert (status, headers["retry-after"]) == (503, "5")
    assert is_secured(headers)
    assert "5 connections with this address" in body
    assert free.status_code == 200
    assert server.app.state.doors.refused == 1


async def test_a_stream_is_one_connection(server: Serving) -> None:
    """Handed over, it is counted once, and counted out when it ends."""
    async with server.watch(paused="true") as client:
        await client.next()
        during = server.app.state.doors.open
    await until(lambda: server.app.state.doors.open == 0)

    assert during == 1


@pytest.mark.parametrize(
    "pieces",
    [(b"",), (HEAD,), (HEAD + b"X: 1", b"2", b"3"), (b"GET",)],
    ids=["nothing", "half a head", "one that drips", "a word"],
)
async def test_a_request_that_does_not_come_is_answered_408(
    server: Serving, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    """However often something of it comes."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    began = time.monotonic()
    status, headers, body = await ask(server, *pieces, pause=0.12)

    assert status == 408
    assert is_secured(headers)
    assert "0.3 s" in body
    assert time.monotonic() - began < 5
    assert server.app.state.doors.open == 0


async def test_a_second_request_that_does_not_come_is_not_waited_for_either(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a connection that is kept, from its first byte on."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(HEAD + b"\r\n" + HEAD)
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()

    assert said.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in said


async def test_a_body_that_does_not_come_is_not_waited_for(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here takes one; the answer was sent long before."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(HEAD.replace(b"GET", b"POST") + b"Content-Length: 1000\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"\r\n")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await asyncio.sleep(0.05)
                await reader.read(1000)
    writer.close()

    assert answer == b"HTTP/1.1 405 Method Not Allowed\r\n"


async def test_requests_in_time_are_answered_for_as_long_as_they_come(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is one request's, not the connection's."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.3)
    async with server.http() as http:
        for _ in range(6):
            assert (await http.get("/healthz")).status_code == 200
            await asyncio.sleep(0.1)
        connections = server.app.state.doors.open

    assert connections == 1


async def test_a_stream_may_last(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is the handshake's, not what comes after it."""
    monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.1)
    async with server.watch(paused="true") as client:
        await client.next()
        await client.quiet(0.5)
        state = await client.control(play=True)
        await client.rest()

    assert state["status"] == "playing"
    assert client.close_code == 1000


async def ask_for_much(server: Serving, more: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Somebody who asks for some megabytes, whose system takes as little of them as it may."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (server.host, server.port))
    reader, writer = await asyncio.open_connection(sock=small, limit=1024)
    path = f"/api/sessions/{SCROLL_ID}/events?limit=1000".encode()
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + more + b"\r\n")
    return reader, writer


@pytest.fixture
async def large(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a session whose events are more than the system holds for a client."""
    write_session(root, talk(140, pad=50_000))
    async with serving(root, cache=cache) as server:
        yield server


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["kept", "to be closed"])
async def test_a_client_that_reads_nothing_of_its_answer_is_cut_off(
    large: Serving, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    """Also where the connection was to end with the answer."""
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.6)
    reader, writer = await ask_for_much(large, more)
    await until(lambda: large.app.state.doors.open == 1)
    began = time.monotonic()
    await until(lambda: large.app.state.doors.open == 0)
    took = time.monotonic() - began
    with pytest.raises(ConnectionError):
        await reader.read()
    writer.close()

    assert 0.5 < took < 5


async def test_a_client_that_reads_slowly_gets_all_of_its_answer(
    large: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes, as long as something moves."""
    reader, writer = await ask_for_much(large)
    began, size = time.monotonic(), 0
    head = await reader.readuntil(b"\r\n\r\n")
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.6)
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while size < length:
        size += len(await reader.read(1 << 16))
        if time.monotonic() - began < 2:
            await asyncio.sleep(0.02)
    writer.close()

    assert length > 6_000_000
    assert time.monotonic() - began > 2


async def test_a_head_that_is_too_long_is_answered_400(server: Serving) -> None:
    """As soon as that is known."""
    status, headers, _ = await ask(server, HEAD + b"X: " + b"x" * MAX_HEAD_BYTES)

    assert status == 400
    assert is_secured(headers)


async def test_of_a_head_without_end_no_more_is_taken(server: Serving) -> None:
    """The connection is gone before a small part of it was sent."""
    _reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(HEAD)
    taken = 0
    with suppress(ConnectionError):
        while taken < 5_000:
            writer.write(b"X: " + b"x" * 10_000 + b"\r\n")
            await writer.drain()
            taken += 1
    writer.close()

    assert taken < 5_000
    assert server.app.state.doors.open == 0


@pytest.mark.parametrize("size", [9_000, 12_000])
async def test_a_handshake_that_is_too_long_is_refused(server: Serving, size: int) -> None:
    """What HTTP would still take may be too long for the library behind a WebSocket."""
    status, _, _ = await ask(
        server,
        b"GET /ws/sessions/" + b"x" * size + b" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )

    assert status == 414
    await until(lambda: server.app.state.doors.open == 0)


async def test_little_is_taken_from_a_connection_at_once(server: Serving) -> None:
    """Of a WebSocket too: all others wait while the frames of one read are decoded."""
    async with server.watch(paused="true") as client:
        await client.next()
        (connection,) = server.server.server_state.connections
        size = vars(connection.transport)["max_size"]

    assert size == MAX_READ_BYTES


async def test_a_server_that_stops_takes_a_connection_as_it_is(server: Serving) -> None:
    """One whose answer broke off takes nothing more, not even the word that it is closed."""
    client = await connect(server)
    client.write(b"GET")
    await until(lambda: server.server.server_state.connections)
    (connection,) = server.server.server_state.connections
    assert isinstance(connection, HttpProtocol)
    connection.conn.send_failed()
    connection.transport.close()

    connection.shutdown()
    client.close()
