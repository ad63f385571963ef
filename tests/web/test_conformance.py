"""The WebSocket held to RFC 6455, handshake and frames; a case names its section.

It stands in for the Autobahn test suite, which runs on Python 2 alone: the groups of its cases that apply to a server
without compression are here (1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 closing, 9 limits,
10 fragments of any size), and beside them what a handshake may be.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from archives import SCROLL_ID, write_session
from scrollcast.stream.wire import MAX_COMMAND_BYTES
from serving import Serving, serving, talk

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA
ASK = b'{"type":"control","request_id":"r"}'
WORDS = '{"type":"control","request_id":"grüße κόσμε 𝄞"}'.encode()

HANDSHAKE = (
    f"GET /ws/sessions/{SCROLL_ID}?paused=true HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session."""
    write_session(root, talk(3))
    async with serving(root, cache=cache) as server:
        yield server


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it (5.2)."""
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes((mask_bit | len(payload),))
    elif len(payload) < 1 << 16:
        head += bytes((mask_bit | 126,)) + len(payload).to_bytes(2, "big")
    else:
        head += bytes((mask_bit | 127,)) + len(payload).to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))


@dataclass
class Wire:
    """The server's end, as bytes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def send(self, *frames: bytes) -> None:
        """Send these, in one write."""
        self.writer.write(b"".join(frames))

    async def next(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload. One of a server is whole, and not masked (5.1)."""
        async with asyncio.timeout(10):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80
            assert not second & 0x80
            size = second
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            payload = await self.reader.readexactly(size)
        self.frames.append((first & 0x0F, payload))
        return self.frames[-1]

    async def until(self, opcode: int) -> bytes:
        """The payload of the next frame of a kind."""
        while True:
            found, payload = await self.next()
            if found == opcode:
                return payload

    async def state(self) -> dict[str, Any]:
        """The next answer to a command."""
        while True:
            message: dict[str, Any] = orjson.loads(await self.until(TEXT))
            if message["type"] in ("state", "error"):
                return message

    async def closed(self) -> int:
        """The code of the close frame; nothing comes after it, and the connection is closed (7.1.1)."""
        payload = await self.until(CLOSE)
        self.send(frame(CLOSE, payload[:2]))
        async with asyncio.timeout(10):
            with suppress(ConnectionError):  # what was sent and not read any more resets it
                assert await self.reader.read() == b""
        return int.from_bytes(payload[:2], "big")


@asynccontextmanager
async def opened(server: Serving) -> AsyncIterator[Wire]:
    """A replay that is paused, after its greeting."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(HANDSHAKE.encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # 4.2.2, of the very key of 1.3
    wire = Wire(reader, writer)
    assert orjson.loads((await wire.next())[1])["type"] == "hello"
    try:
        yield wire
    finally:
        writer.transport.abort()


def pieces(payload: bytes, size: int) -> list[bytes]:
    """One message in fragments of so many bytes (5.4)."""
    parts = [payload[place : place + size] for place in range(0, len(payload), size)]
    last = len(parts) - 1
    return [frame(CONTINUATION if number else TEXT, part, fin=number == last) for number, part in enumerate(parts)]


# --------------------------------------------------------------------------------------------------- what is understood


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
async def test_a_message_may_come_in_fragments_of_any_size(server: Serving, size: int) -> None:
    """5.4, 5.6: also cut within a character."""
    async with opened(server) as wire:
        wire.send(*pieces(WORDS, size))
        state = await wire.state()

    assert state["request_id"] == "grüße κόσμε 𝄞"


async def test_a_message_may_come_byte_by_byte(server: Serving) -> None:
    """However TCP cuts it."""
    async with opened(server) as wire:
        for byte in frame(TEXT, ASK):
            wire.send(bytes((byte,)))
            await wire.writer.drain()
            await asyncio.sleep(0)
        state = await wire.state()

    assert state["request_id"] == "r"


async def test_empty_fragments_are_nothing(server: Serving) -> None:
    """5.4: at the beginning, in the middle, and as the last one."""
    async with opened(server) as wire:
        middle = [frame(CONTINUATION, b"", fin=False)] * 3
        wire.send(frame(TEXT, b"", fin=False), *middle, frame(CONTINUATION, ASK, fin=False), frame(CONTINUATION))
        state = await wire.state()

    assert state["request_id"] == "r"


async def test_control_frames_come_between_fragments(server: Serving) -> None:
    """5.4, 5.5.2: a ping is answered with what it said, before the message is whole."""
    async with opened(server) as wire:
        first, *rest = pieces(ASK, 20)
        wire.send(first, frame(PING, b"there?"), frame(PONG, b"unasked"))
        pong = await wire.until(PONG)
        wire.send(*rest)
        state = await wire.state()

    assert pong == b"there?"
    assert state["request_id"] == "r"


@pytest.mark.parametrize("payload", [b"", b"p", bytes(range(125))], ids=len)
async def test_a_ping_is_answered_with_what_it_said(server: Serving, payload: bytes) -> None:
    """5.5.3: up to 125 bytes, whatever they are."""
    async with opened(server) as wire:
        wire.send(frame(PING, payload))
        answer = await wire.until(PONG)

    assert answer == payload


async def test_an_empty_message_and_a_binary_one_are_bad_commands(server: Serving) -> None:
    """Which this protocol answers in words, and stays open."""
    async with opened(server) as wire:
        wire.send(frame(TEXT), frame(BINARY, b"\x00\xff"), frame(TEXT, ASK))
        answers = [await wire.state() for _ in range(3)]

    assert [answer.get("code") for answer in answers] == ["bad_command", "bad_command", None]


@pytest.mark.parametrize("size", [125, 126, 127, 65_535, 65_536])
async def test_lengths_at_the_edges_of_their_encodings(server: Serving, size: int) -> None:
    """5.2: seven bits, sixteen, and sixty-four."""
    async with opened(server) as wire:
        wire.send(frame(TEXT, ASK.ljust(size)))
        state = await wire.state()

    assert state["request_id"] == "r"


@pytest.mark.parametrize("mask", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\xff\x00\x01"], ids=bytes.hex)
async def test_any_mask_will_do(server: Serving, mask: bytes) -> None:
    """5.3: also one that changes nothing."""
    async with opened(server) as wire:
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(ASK))
        wire.send(bytes((0x81, 0x80 | len(ASK))) + mask + masked)
        state = await wire.state()

    assert state["request_id"] == "r"


@pytest.mark.parametrize("first", [1, 2, 3, 4])
async def test_a_character_may_be_cut_anywhere_with_a_ping_between(server: Serving, first: int) -> None:
    """5.4, 5.6: in fragments, each of which is no text by itself; 𝄞 has four bytes."""
    text = '{"type":"control","request_id":"𝄞𝄞"}'.encode()
    cut = text.index("𝄞".encode()) + first
    async with opened(server) as wire:
        wire.send(frame(TEXT, text[:cut], fin=False), frame(PING, b"p"), frame(CONTINUATION, text[cut:]))
        assert await wire.until(PONG) == b"p"
        state = await wire.state()

    assert state["request_id"] == "𝄞𝄞"


async def test_pings_are_answered_in_their_order(server: Serving) -> None:
    """5.5.3: ten in one write; a pong that nobody asked for is nothing."""
    async with opened(server) as wire:
        wire.send(*(frame(kind, b"%d" % number) for number in range(10) for kind in (PONG, PING)))
        answers = [await wire.until(PONG) for _ in range(10)]

    assert answers == [b"%d" % number for number in range(10)]


# ----------------------------------------------------------------------------------------------------- the handshake


def request(*changes: str, method: str = "GET", version: str = "HTTP/1.1", without: str = "") -> bytes:
    """A handshake with these headers in place of, or beside, those it has (4.1)."""
    lines = HANDSHAKE.strip().split("\r\n")[1:]
    changed = {line.partition(":")[0].lower() for line in changes} | {without}
    kept = [line for line in lines if line.partition(":")[0].lower() not in changed]
    first = HANDSHAKE.partition("\r\n")[0].replace("GET", method).replace("HTTP/1.1", version)
    return "\r\n".join((first, *kept, *changes, "", "")).encode()


ACCEPTED = {
    "4.2.1 names and tokens in other letters": request("CONNECTION: keep-alive, UPGRADE", "uPGRADE: WebSocket"),
    "4.2.1 further headers": request("X-Anything: at all", "Pragma: no-cache"),
    "4.1 an extension that is not taken": request("Sec-WebSocket-Extensions: x-nothing; a=1"),
    "4.1 compression, which is not agreed on": request("Sec-WebSocket-Extensions: permessage-deflate"),
    "4.1 the subprotocol among others": request("Sec-WebSocket-Protocol: other, scrollcast.v1"),
    "4.1 no subprotocol": request(),
    "4.1 an address with its port": request("Host: localhost:8420"),
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_a_handshake_that_may_be_is_taken(server: Serving, case: str) -> None:
    """4.2.2: 101, with the answer to the key, and no extension."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(ACCEPTED[case])
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
    writer.transport.abort()

    assert head.startswith(b"http/1.1 101")
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert b"sec-websocket-extensions" not in head
    assert (b"sec-websocket-protocol: scrollcast.v1" in head) is (b"scrollcast.v1" in ACCEPTED[case])


REFUSED = {
    "4.2.1 no key": (request(without="sec-websocket-key"), {400}),
    "4.2.1 a key that is too short": (request("Sec-WebSocket-Key: c2hvcnQ="), {400}),
    "4.2.1 a key that is no Base64": (request("Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), {400}),
    "4.2.1 two keys": (request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: x"), {400}),
    "4.2.1 no version": (request(without="sec-websocket-version"), {400, 426}),
    "4.4 an older version": (request("Sec-WebSocket-Version: 8"), {400, 426}),
    "4.4 a later version": (request("Sec-WebSocket-Version: 25"), {400, 426}),
    "4.4 a version that is none": (request("Sec-WebSocket-Version: thirteen"), {400, 426}),
    "4.2.1 another method": (request(method="POST"), {400, 405}),
    "4.2.1 an upgrade to something else": (request("Upgrade: h2c"), {400, 404, 426}),
    "4.2.1 a connection that is not to be upgraded": (request("Connection: keep-alive"), {400, 404, 426}),
    "4.2.1 no host": (request(without="host"), {400, 403}),
    "4.1 two hosts": (request("Host: localhost", "Host: localhost"), {400, 403}),
    "4.2.1 HTTP 1.0": (request(version="HTTP/1.0"), {400, 404, 426, 505}),
    "4.1 only another subprotocol": (request("Sec-WebSocket-Protocol: other"), {400}),
    "4.1 a subprotocol that is no token": (request("Sec-WebSocket-Protocol: a b"), {400}),
    "10.2 another site's page": (request("Origin: http://evil.example"), {403}),
    "10.2 a page without an origin": (request("Origin: null"), {403}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_handshake_that_may_not_be_is_refused(server: Serving, case: str) -> None:
    """4.2.2: with a status that says so, and no replay begins."""
    sent, statuses = REFUSED[case]
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(sent)
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.transport.abort()

    assert int(head.split()[1]) in statuses, head
    assert "sec-websocket-accept" not in head.lower()
    assert server.streams == 0


# ------------------------------------------------------------------------------------------------------- what is not


PROTOCOL_ERRORS = {
    "5.1 a frame that is not masked": (frame(TEXT, ASK, masked=False),),
    "5.2 a reserved bit": (frame(TEXT, ASK, rsv=1),),
    "5.2 another reserved bit": (frame(TEXT, ASK, rsv=2),),
    "5.2 the bit of compression, which was not agreed on": (frame(TEXT, ASK, rsv=4),),
    "5.2 a reserved bit in a ping": (frame(PING, b"", rsv=4),),
    **{f"5.2 the reserved opcode {opcode}": (frame(opcode, b"x"),) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "5.4 a fragment of nothing": (frame(CONTINUATION, b"x"),),
    "5.4 a fragment of nothing, unfinished": (frame(CONTINUATION, b"x", fin=False),),
    "5.4 a message within a message": (frame(TEXT, b"{", fin=False), frame(TEXT, ASK)),
    "5.4 a binary message within one of text": (frame(TEXT, b"{", fin=False), frame(BINARY, b"x")),
    "5.5 a ping in fragments": (frame(PING, b"x", fin=False),),
    "5.5 a ping of 126 bytes": (frame(PING, b"x" * 126),),
    "5.5 a close frame of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124),),
    "5.5.1 a close frame of one byte": (frame(CLOSE, b"\x03"),),
    **{
        f"7.4 the close code {code}": (frame(CLOSE, code.to_bytes(2, "big")),)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535)
    },
}


@pytest.mark.parametrize("case", PROTOCOL_ERRORS)
async def test_a_frame_that_may_not_be_closes_with_1002(server: Serving, case: str) -> None:
    """7.1.7: and nothing that comes after it is heard."""
    async with opened(server) as wire:
        wire.send(*PROTOCOL_ERRORS[case])
        code = await wire.closed()
    await server.until_streams(0)

    assert code == 1002
    assert not [payload for opcode, payload in wire.frames if opcode == TEXT and b'"state"' in payload[:40]]


BAD_TEXT = {
    **{
        f"a byte that is in no text, after {place} others": (frame(TEXT, ASK[:place] + b"\xff" + ASK[place:]),)
        for place in (0, 1, 17, len(ASK))
    },
    **{
        f"the same in the fragment {number + 1} of 3": tuple(
            frame(CONTINUATION if part else TEXT, b"{\xfe}" if part == number else b"{}", fin=part == 2)
            for part in range(3)
        )
        for number in range(3)
    },
    "an overlong euro sign": (frame(TEXT, b"\xf0\x82\x82\xac"),),
    "five bytes for one character": (frame(TEXT, b"\xf8\x88\x80\x80\x80"),),
    "the other half of a surrogate pair": (frame(TEXT, b"\xed\xbf\xbf"),),
    "a lone continuation byte": (frame(TEXT, b'{"a":"\x80"}'),),
    "an overlong slash": (frame(TEXT, b"\xc0\xaf"),),
    "half a surrogate pair": (frame(TEXT, b"\xed\xa0\x80"),),
    "beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"),),
    "a character that never ends": (frame(TEXT, "κ".encode()[:1]),),
    "a character cut by a fragment and never finished": (
        frame(TEXT, "κ".encode()[:1], fin=False), frame(CONTINUATION, b"x"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TEXT)
async def test_text_that_is_no_utf_8_closes_with_1007(server: Serving, case: str) -> None:
    """8.1: whole or in fragments."""
    async with opened(server) as wire:
        wire.send(*BAD_TEXT[case])
        code = await wire.closed()
    await server.until_streams(0)

    assert code == 1007


async def test_a_reason_that_is_no_utf_8_closes_with_1007(server: Serving) -> None:
    """5.5.1, 8.1. The library behind may call it a protocol error, which it is too."""
    async with opened(server) as wire:
        wire.send(frame(CLOSE, b"\x03\xe8\xff\xfe"))
        code = await wire.closed()

    assert code in (1002, 1007)


@pytest.mark.parametrize("fragments", [1, 2, 100])
async def test_a_message_that_is_too_long_closes_with_1009(server: Serving, fragments: int) -> None:
    """7.4.1: in as many fragments as may be; no more than the bound is kept."""
    payload = b"x" * (MAX_COMMAND_BYTES + 1)
    async with opened(server) as wire:
        wire.send(*pieces(payload, -(-len(payload) // fragments)))
        code = await wire.closed()
    await server.until_streams(0)

    assert code == 1009


@pytest.mark.parametrize("length", [MAX_COMMAND_BYTES + 1, 1 << 40, (1 << 64) - 1])
async def test_a_length_that_is_announced_and_too_long_closes_with_1009(server: Serving, length: int) -> None:
    """Before any of it has come; 5.2: also one with the highest bit, which may not be."""
    async with opened(server) as wire:
        wire.send(b"\x81\xff" + length.to_bytes(8, "big") + b"mask")
        code = await wire.closed()

    assert code == 1009


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(server: Serving, code: int) -> None:
    """5.5.1: those that a client may send."""
    async with opened(server) as wire:
        wire.send(frame(CLOSE, code.to_bytes(2, "big") + "grüße".encode()))
        answered = await wire.closed()
    await server.until_streams(0)

    assert answered == code


async def test_a_close_without_a_code_is_answered(server: Serving) -> None:
    """5.5.1: it need not say why; what comes after it is not heard."""
    async with opened(server) as wire:
        wire.send(frame(CLOSE), frame(TEXT, ASK))
        payload = await wire.until(CLOSE)
    await server.until_streams(0)

    assert payload in (b"", b"\x03\xe8")


async def test_an_end_in_the_middle_of_a_frame_ends_the_replay(server: Serving) -> None:
    """7.1.5: the connection was not closed cleanly."""
    async with opened(server) as wire:
        wire.send(frame(TEXT, ASK)[:5])
        await wire.writer.drain()
        wire.writer.write_eof()
        async with asyncio.timeout(10):
            await wire.reader.read()
    await server.until_streams(0)
