"""Compressed messages: the same events, compressed once for all, and nothing that a client could do with it."""

from __future__ import annotations

import asyncio
import shutil
import zlib
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from archives import SCROLL_ID, message, write_session
from scrollcast.stream.packed_runs import LEAST_BYTES, MAX_PACKED_BYTES
from scrollcast.stream.wire import MAX_COMMAND_BYTES
from scrollcast.web.compression import MAX_INFLATED_BYTES
from serving import PATIENCE_SECONDS, Serving, serving, talk
from web.test_conformance import BINARY, CONTINUATION, TEXT, Wire, frame

NODE = shutil.which("node") or str(Path(__file__).parents[2] / ".venv" / "bin" / "node")
TOP = Path(__file__).parents[2]

COUNT = 600
LARGE = 300
"""The event that is larger than any batch."""

OFFER = "permessage-deflate; client_max_window_bits"
AGREED = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def session(root: Path) -> None:
    """Events of many sizes, in several scripts, one of them larger than any batch."""
    told = [
        message(f"m{number}", number / 1000, content_md=f"grüße κόσμε 𝄞 {number} " * (1 + number * 7 % 240))
        for number in range(COUNT)
    ]
    told[LARGE]["content_md"] = "a large one, " * 100_000
    write_session(root, told)


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server that compresses for everybody."""
    session(root)
    async with serving(root, cache=cache, compression="on") as server:
        yield server


@pytest.fixture
async def small(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """The same of a session of three short events."""
    write_session(root, talk(3))
    async with serving(root, cache=cache, compression="on") as server:
        yield server


class Counting(ClientConnection):
    """Counts the bytes that come."""

    came = 0

    def data_received(self, data: bytes) -> None:
        """Count them."""
        self.came += len(data)
        super().data_received(data)


@dataclass
class Taken:
    """What a whole replay was: the bytes on the wire, of each message its size and numbers, and the events' bytes."""

    is_packed: bool = False
    came: int = 0
    sizes: list[tuple[int, int]] = field(default_factory=list)
    events: bytearray = field(default_factory=bytearray)


async def take(server: Serving, *, packed: bool, headers: dict[str, str] | None = None, **query: Any) -> Taken:
    """Watch a replay to its end, with or without an offer to take compressed messages."""
    taken = Taken()
    async with connect(
        server.replay_url(**query),
        create_connection=Counting,
        compression="deflate" if packed else None,
        additional_headers=headers,
        max_size=None,
        proxy=None,
    ) as socket:
        taken.is_packed = bool(socket.protocol.extensions)
        try:
            while True:
                text = await socket.recv(decode=False)
                if text.startswith(b'{"type":"event'):
                    taken.sizes.append((len(text), len(orjson.loads(text).get("events", [0]))))
                    taken.events += text[text.index(b'"seq":') :].removesuffix(b"]}").removesuffix(b"}") + b"\n"
        except ConnectionClosedOK:
            pass
        assert isinstance(socket, Counting)
        taken.came = socket.came
    return taken


def own(taken: Taken) -> bytes:
    """The events' bytes, wherever messages end."""
    return bytes(taken.events).replace(b'},{"seq":', b'\n"seq":')


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"batch": 4096},
        {"batch": 65_536},
        {"batch": 1 << 20},
        {"batch": 20_000, "start_seq": 123},
        {"batch": 1},
        {"mode": "realtime", "speed": 100, "batch": 65_536},
        {"mode": "realtime", "speed": 100},
        {"batch": 65_536, "preview": 1024},
    ],
)
async def test_the_events_are_the_same(server: Serving, query: dict[str, Any]) -> None:
    """Byte by byte, after inflating; fewer bytes came; and no message of several events is larger than was asked."""
    plain = await take(server, packed=False, **query)
    packed = await take(server, packed=True, **query)

    assert (plain.is_packed, packed.is_packed) == (False, True)
    assert sum(events for _, events in packed.sizes) == COUNT - query.get("start_seq", 0)
    assert own(packed) == own(plain)
    assert all(size <= query.get("batch", 0) for size, events in packed.sizes if events > 1)
    if "preview" not in query:
        assert packed.came < 0.95 * plain.came


async def test_node_inflates_it(server: Serving) -> None:
    """The other client that most people use."""
    program = """
        import { createHash } from "node:crypto";
        import { WebSocket } from "ws";
        const socket = new WebSocket(process.argv[1], { maxPayload: 0 });
        const digest = createHash("sha256");
        socket.on("message", (data) => {
            const text = data.toString("utf8");
            if (!text.startsWith('{"type":"event')) return;
            const own = text.slice(text.indexOf('"seq":')).replace(/]}$/, "").replace(/}$/, "");
            digest.update(own.replaceAll('},{"seq":', '\\n"seq":') + "\\n");
        });
        socket.on("close", (code) => console.log(`${code} ${digest.digest("hex")} ${socket.extensions}`));
        socket.on("error", (error) => { console.error(error); process.exit(1); });
    """
    expected = sha256(own(await take(server, packed=False))).hexdigest()
    said = []
    for offered in (program, program.replace("maxPayload: 0", "maxPayload: 0, perMessageDeflate: false")):
        line = (NODE, "--input-type=module", "--eval", offered, server.replay_url(batch=65_536))
        child = await asyncio.create_subprocess_exec(*line, stdout=PIPE, stderr=PIPE, cwd=TOP)
        async with asyncio.timeout(6 * PATIENCE_SECONDS):
            out, err = await child.communicate()
        assert (child.returncode, err.decode()) == (0, "")
        said.append(out.decode().split())

    assert said == [["1000", expected, "permessage-deflate"], ["1000", expected]]
    assert server.app.state.packed_runs.made > 0


@pytest.mark.parametrize("batch", [0, 16_384, 65_536])
async def test_a_run_is_compressed_once_for_all(server: Serving, batch: int) -> None:
    """For those who come at the same time, for those who come later, and for those who began elsewhere, after their
    first message."""
    runs = server.app.state.packed_runs
    await take(server, packed=False)  # while a session is read for the first time, runs end where that has come to
    alone = await take(server, packed=True, batch=batch)
    made = runs.made
    others = await asyncio.gather(*(take(server, packed=True, batch=batch) for _ in range(10)))
    made_for_others = runs.made - made
    runs._kept.clear()
    runs.kept_bytes = 0
    together = await asyncio.gather(*(take(server, packed=True, batch=batch) for _ in range(10)))
    made_together = runs.made - made
    elsewhere = await asyncio.gather(*(take(server, packed=True, batch=batch, start_seq=seq) for seq in (1, 77, 211)))
    made_elsewhere = runs.made - made - made_together

    assert made > 10
    assert made_for_others == 0
    assert made_together == made
    assert made_elsewhere <= (3 if batch else 0)
    assert {own(taken) for taken in (*others, *together)} == {own(alone)}
    assert all(own(alone).endswith(own(taken)) for taken in elsewhere)


async def test_what_is_small_is_sent_as_it_is(root: Path, cache: Path) -> None:
    """As nearly every event is in realtime: nothing is compressed, and the message says so."""
    write_session(root, talk(20))
    async with serving(root, cache=cache, compression="on") as server, offering(server, OFFER, "") as (wire, _):
        while orjson.loads(await wire.until(TEXT))["type"] != "end":  # `Wire` takes no message that is compressed
            pass

        assert server.app.state.packed_runs.made == 0


async def test_an_event_that_is_worth_it_is_compressed_and_others_are_not(root: Path, cache: Path) -> None:
    """One message each, in their order."""
    write_session(root, [message(f"m{number}", content_md="x" * (number % 3 * LEAST_BYTES)) for number in range(30)])
    async with serving(root, cache=cache, compression="on") as server:
        plain, packed = [await take(server, packed=packed) for packed in (False, True)]

        assert own(plain) == own(packed)
        assert server.app.state.packed_runs.made == 20


async def test_an_event_that_is_too_large_is_sent_as_it_is(root: Path, cache: Path) -> None:
    """Others would wait for it."""
    write_session(root, [message("m0", content_md="x" * MAX_PACKED_BYTES), message("m1")])
    async with serving(root, cache=cache, compression="on") as server:
        plain, packed = [await take(server, packed=packed) for packed in (False, True)]

        assert own(plain) == own(packed)
        assert server.app.state.packed_runs.made == 0


async def test_what_the_server_says_beside_events_is_not_compressed(small: Serving) -> None:
    """Nor is it with what stands beside it: an answer of its own is a message of its own."""
    async with offering(small, OFFER) as (wire, _):
        wire.send(frame(TEXT, b'{"type":"control","request_id":"r"}'))

        assert (await wire.state())["request_id"] == "r"


async def test_the_session_may_grow_while_it_is_played(root: Path, cache: Path) -> None:
    """Runs that were cut short where the session ended, and those that are longer by then."""
    folder = write_session(root, talk(40, pad=500))
    async with serving(root, cache=cache, compression="on") as server:
        first = await take(server, packed=True, batch=65_536)
        with (folder / "messages.jsonl").open("ab") as file:
            for record in talk(40, pad=500, first=40):
                file.write(orjson.dumps(record) + b"\n")
        async with server.watch(batch=65_536, follow=True) as client:
            await client.read_events(80)
            assert client.log.seqs() == [*range(80)]
        then = [await take(server, packed=packed, batch=65_536) for packed in (False, True)]

    assert own(then[0]) == own(then[1])
    assert own(then[0]).startswith(own(first).rstrip(b"\n"))


# ---------------------------------------------------------------------------------------------------- who gets it


@pytest.mark.parametrize(
    ("settings", "headers", "is_packed"),
    [
        ({}, {}, False),
        ({}, {"X-Forwarded-For": "192.0.2.66"}, True),
        ({"trusted_proxies": ("127.0.0.1",)}, {}, True),
        ({"public_url": "https://replay.example"}, {}, True),
        ({"compression": "on"}, {}, True),
        ({"compression": "off"}, {"X-Forwarded-For": "192.0.2.66"}, False),
    ],
)
async def test_it_is_for_whoever_is_not_on_this_machine(
    root: Path, cache: Path, settings: dict[str, Any], headers: dict[str, str], is_packed: bool
) -> None:
    """Unless something else was said."""
    write_session(root, talk(3))
    async with serving(root, cache=cache, **settings) as server:
        assert (await take(server, packed=True, headers=headers)).is_packed is is_packed
        assert not (await take(server, packed=False, headers=headers)).is_packed


async def test_another_server_serves_the_same_without(root: Path, cache: Path) -> None:
    """One that is not ours has no way to compress a message once."""
    session(root)
    async with serving(root, cache=cache, compression="on", ws=WebSocketsSansIOProtocol) as server:
        plain = await take(server, packed=False, batch=65_536)
        offered = await take(server, packed=True, batch=65_536)

    assert not offered.is_packed
    assert own(offered) == own(plain)


@asynccontextmanager
async def offering(server: Serving, offer: str, query: str = "?paused=true") -> AsyncIterator[tuple[Wire, str]]:
    """A replay, by a client that offers this; and what the server answered to it."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        f"GET /ws/sessions/{SCROLL_ID}{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Extensions: {offer}\r\n\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 101")
    answers = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-ext")]
    wire = Wire(reader, writer)
    assert orjson.loads((await wire.next())[1])["type"] == "hello"
    try:
        yield wire, ", ".join(answers)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize(
    ("offer", "answer"),
    [
        ("permessage-deflate", AGREED),
        (OFFER, AGREED),
        ("permessage-deflate; client_max_window_bits=10", f"{AGREED}; client_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=15", f"{AGREED}; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", AGREED),
        ("permessage-deflate, permessage-deflate", AGREED),
        ("x-other, permessage-deflate", AGREED),
        ("permessage-deflate; server_max_window_bits=10", ""),
        ("permessage-deflate; unknown", ""),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""),
        ("x-webkit-deflate-frame", ""),
        ("permessage-deflate; ;=,", ""),
    ],
)
async def test_an_offer_is_answered_with_what_the_server_does(small: Serving, offer: str, answer: str) -> None:
    """RFC 7692, 7.1; one that a client could not inflate by, or that is none, leaves everything as it was."""
    async with offering(small, offer) as (_, answered):
        assert answered == answer


# ---------------------------------------------------------------------------------------------- what a client sends


def deflated(data: bytes, bits: int = 15) -> bytes:
    """The payload of a compressed message (RFC 7692, 7.2.1)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -bits)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def command(size: int, request_id: str = "r") -> bytes:
    """A command of so many bytes."""
    text = b'{"type":"control","request_id":"%b"' % request_id.encode()
    return text + b" " * (size - len(text) - 1) + b"}"


@pytest.mark.parametrize("size", [60, 4_000, MAX_COMMAND_BYTES])
async def test_a_command_may_be_compressed(small: Serving, size: int) -> None:
    """Whole or in fragments, and the next one as it is."""
    packed = deflated(command(size))
    async with offering(small, OFFER) as (wire, _):
        wire.send(frame(TEXT, packed, rsv=4))
        assert (await wire.state())["request_id"] == "r"
        wire.send(frame(TEXT, packed[:7], fin=False, rsv=4), frame(CONTINUATION, packed[7:]))
        assert (await wire.state())["request_id"] == "r"
        wire.send(frame(TEXT, command(60, "s")))
        assert (await wire.state())["request_id"] == "s"


BOMB = deflated(b" " * (64 << 20))


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ((frame(TEXT, deflated(command(MAX_COMMAND_BYTES + 1)), rsv=4),), 1009),
        ((frame(TEXT, BOMB[:MAX_COMMAND_BYTES], rsv=4),), 1009),
        ((frame(BINARY, BOMB[:MAX_COMMAND_BYTES], rsv=4),), 1009),
        ((frame(TEXT, BOMB[:40], fin=False, rsv=4), *(frame(CONTINUATION, BOMB[40:80], fin=False),) * 20), 1009),
        ((frame(TEXT, deflated(command(MAX_COMMAND_BYTES)), rsv=4),) * (MAX_INFLATED_BYTES // MAX_COMMAND_BYTES + 1),
         1009),
        ((frame(TEXT, b"\xff\xff\xff\xff", rsv=4),), 1002),
        ((frame(TEXT, deflated(b"{")[:3], fin=False, rsv=4), frame(CONTINUATION, b"x", rsv=4)), 1002),
        ((frame(TEXT, deflated(b"\xff\xfe"), rsv=4),), 1007),
    ],
    ids=["a byte too long", "a bomb", "a bomb of bytes", "a bomb in fragments", "many at once", "no deflate",
         "a fragment that says so again", "no UTF-8"],
)  # fmt: skip
async def test_what_inflates_to_too_much_is_refused(small: Serving, frames: tuple[bytes, ...], code: int) -> None:
    """By the limits of any message, of which the inflated bytes count; and others are served on."""
    async with offering(small, OFFER) as (wire, _):
        wire.send(*frames)
        assert await wire.closed() == code
    await small.until_streams(0)
    async with offering(small, OFFER) as (wire, _):
        wire.send(frame(TEXT, deflated(command(60)), rsv=4))
        assert (await wire.state())["request_id"] == "r"
