"""What compressing messages costs: on each connection, and a batch once for all who play it, beside not at all."""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosedOK

from benchmarks.catalogued import until_calm
from benchmarks.client import Broken, drain, target
from benchmarks.corpus import Corpus, native_session
from benchmarks.report import Options, Row, main, median
from benchmarks.server import Child, environment, scrollcast, start

__all__ = ["measure"]

MEGABYTES: Final = 20
BATCH: Final = 65_536
ROUNDS: Final = 3
VIEWERS: Final = 100

LEVEL, WINDOW_BITS, MEMORY_LEVEL = 6, 12, 5
"""As uvicorn sets zlib up for a connection."""

TAIL: Final = b"\0\0\xff\xff"
"""What permessage-deflate leaves out at a message's end (RFC 7692, 7.2.1)."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One whole replay: the server's processor time, the bytes on the wire, and a digest of its events."""

    cpu_us: float
    wire_bytes: int
    digest: bytes


class _Counting(ClientConnection):
    """Counts the bytes that come."""

    came = 0

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        super().data_received(data)


async def measure(options: Options, folder: Path) -> list[Row]:
    """One event a message and batches, over connections with and without permessage-deflate; then batches shared."""
    session = native_session(folder / "archive", options.pick(MEGABYTES, 3))
    rows: list[Row] = []
    messages: list[bytes] = []
    with scrollcast([folder / "archive"], folder / "cache", options.package) as plain:
        await drain(plain.port, target(session.scroll_id, batch=BATCH), count=session.count)  # makes its index
        await until_calm(plain)
        with _deflating(folder, options.package) as deflating:
            for batch, words in ((0, "one event a message"), (BATCH, f"batch={BATCH}")):
                without = await _runs(plain, session, batch, None)
                with_it = await _runs(deflating, session, batch, "deflate")
                rows.append(_row(words, without, with_it))
        await _replay(plain, session, BATCH, None, messages)
    return [*rows, _shared(messages)]


@contextmanager
def _deflating(folder: Path, package: Path | None) -> Iterator[Child]:
    command = [sys.executable, "-m", "benchmarks.deflating_server", str(folder / "archive"), str(folder / "cache")]
    with start(command, environment(folder / "cache", package)) as child:
        yield child


async def _runs(server: Child, session: Corpus, batch: int, compression: str | None) -> list[_Run]:
    await _replay(server, session, batch, compression, [])  # what only the first takes
    return [await _replay(server, session, batch, compression, []) for _ in range(ROUNDS)]


async def _replay(server: Child, session: Corpus, batch: int, compression: str | None, messages: list[bytes]) -> _Run:
    """A whole replay by a client that inflates; `messages` gets those with events."""
    url = f"ws://127.0.0.1:{server.port}{target(session.scroll_id, batch=batch)}"
    before, digest, events = server.cpu_seconds(), sha256(), 0
    options: dict[str, Any] = {"compression": compression, "max_size": None, "proxy": None}
    async with open_socket(url, create_connection=_Counting, **options) as socket:
        if bool(socket.protocol.extensions) != bool(compression):
            raise Broken(f"the server did not agree on {compression}")
        try:
            while True:
                message = await socket.recv(decode=False)
                if not message.startswith(b'{"type":"event'):
                    continue
                own = message[message.index(b'"seq":') :].removesuffix(b"}").removesuffix(b"]}")
                digest.update(own)
                events += own.count(b'"seq":')
                messages.append(bytes(message))
        except ConnectionClosedOK:
            pass
        came = socket.came if isinstance(socket, _Counting) else 0
    if events < session.count:
        raise Broken(f"{events} events came of {session.count}")
    return _Run((server.cpu_seconds() - before) / session.count * 1e6, came, digest.digest())


def _row(words: str, without: Sequence[_Run], with_it: Sequence[_Run]) -> Row:
    if len({run.digest for run in (*without, *with_it)}) > 1:
        raise Broken("what came over compressed connections is not what came over the others")
    plain, packed = (median([run.cpu_us for run in runs]) for runs in (without, with_it))
    return Row(
        f"permessage-deflate on each connection, {words}: server CPU, × without",
        packed / plain,
        "×",
        ratio=packed / plain,
        detail={
            "CPU µs an event": packed,
            "without": plain,
            "bytes, × without": with_it[0].wire_bytes / without[0].wire_bytes,
        },
    )


# ---------------------------------------------------------------------------------------------------------- shared


def _shared(messages: Sequence[bytes]) -> Row:
    """The processor time of compressing for many viewers: each batch for each of them, or its events once for all.

    A viewer's own head and the events' common bytes are compressed apart, each to a whole number of bytes, and put
    together: that is still one deflate stream, which is what is checked.
    """
    places = [message.index(b'"seq":') - 1 for message in messages]  # from here on it is the same for everybody
    began = time.thread_time()
    each = [_deflate(message) for message in messages]
    for_each = (time.thread_time() - began) * VIEWERS

    began = time.thread_time()
    common = [_deflate(message[place:]) for message, place in zip(messages, places, strict=True)]
    once = time.thread_time() - began
    began = time.thread_time()
    heads = [_deflate(message[:place]) for message, place in zip(messages, places, strict=True)]
    once += (time.thread_time() - began) * VIEWERS

    for message, head, rest in zip(messages, heads, common, strict=True):
        if zlib.decompressobj(-15).decompress(head + rest) != message:
            raise Broken("a message that was put together is not the message")
    plain = sum(map(len, messages))
    return Row(
        f"a batch compressed once for {VIEWERS} viewers: CPU of compressing, × for each",
        once / for_each,
        "×",
        ratio=once / for_each,
        detail={
            "for each, s/GB": for_each / VIEWERS / plain * 1e9,
            "once, s/GB sent": once / VIEWERS / plain * 1e9,
            "bytes for each, × plain": sum(map(len, each)) / plain,
            "bytes once, × plain": (sum(map(len, heads)) + sum(map(len, common)) - len(TAIL) * len(messages)) / plain,
        },
    )


def _deflate(data: bytes) -> bytes:
    """A piece of a deflate stream that ends at a whole byte and refers to nothing before it."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
