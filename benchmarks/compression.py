"""What compressed messages cost the server and save on the wire: for one viewer, for later ones, for many at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
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
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

MEGABYTES: Final = 20
BATCH: Final = 65_536
ROUNDS: Final = 3

VIEWERS: Final = 20
VIEWERS_BATCH: Final = 60_000
"""Another size than `BATCH`, of which nothing is kept yet."""


@dataclass(frozen=True, slots=True)
class _Run:
    """One or more whole replays: the server's processor time for an event of one, the bytes on the wire, and a digest
    of the events."""

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
    """One event a message, batches, and batches for many at once, each with and without compression."""
    session = native_session(folder / "archive", options.pick(MEGABYTES, 3))
    rows: list[Row] = []
    with scrollcast([folder / "archive"], folder / "cache", options.package, "--compression", "on") as server:
        await drain(server.port, target(session.scroll_id, batch=BATCH), count=session.count)  # makes its index
        await until_calm(server)
        for batch, words in ((0, "one event a message"), (BATCH, f"batch={BATCH}")):
            await _replays(server, session, batch, None)  # what only the first takes
            without = [await _replays(server, session, batch, None) for _ in range(ROUNDS)]
            first = await _replays(server, session, batch, "deflate")
            later = [await _replays(server, session, batch, "deflate") for _ in range(ROUNDS)]
            rows.append(_row(f"{words}, the first viewer", without, [first]))
            rows.append(_row(f"{words}, each later one", without, later))
        without = [await _replays(server, session, VIEWERS_BATCH, None, VIEWERS)]
        together = [await _replays(server, session, VIEWERS_BATCH, "deflate", VIEWERS)]
        rows.append(_row(f"batch={VIEWERS_BATCH}, {VIEWERS} viewers at once", without, together))
    return rows


async def _replays(server: Child, session: Corpus, batch: int, compression: str | None, count: int = 1) -> _Run:
    """So many whole replays at once, by clients that inflate."""
    before = server.cpu_seconds()
    seen = await asyncio.gather(*(_replay(server, session, batch, compression) for _ in range(count)))
    cpu = server.cpu_seconds() - before
    if len({digest for _, digest in seen}) > 1:
        raise Broken("not every viewer got the same")
    return _Run(cpu / count / session.count * 1e6, sum(came for came, _ in seen), seen[0][1])


async def _replay(server: Child, session: Corpus, batch: int, compression: str | None) -> tuple[int, bytes]:
    """How many bytes came, and a digest of the events."""
    url = f"ws://127.0.0.1:{server.port}{target(session.scroll_id, batch=batch)}"
    digest, events = sha256(), 0
    options: dict[str, Any] = {"compression": compression, "max_size": None, "proxy": None}
    async with open_socket(url, create_connection=_Counting, **options) as socket:
        if bool(socket.protocol.extensions) != bool(compression):
            raise Broken(f"the server did not agree on {compression}")
        try:
            while True:
                message = await socket.recv(decode=False)
                if not message.startswith(b'{"type":"event'):
                    continue
                own = message[message.index(b'"seq":') :].removesuffix(b"]}").removesuffix(b"}")
                digest.update(own.replace(b'},{"seq":', b'"seq":'))  # wherever messages end
                events += own.count(b'"seq":')
        except ConnectionClosedOK:
            pass
        came = socket.came if isinstance(socket, _Counting) else 0
    if events < session.count:
        raise Broken(f"{events} events came of {session.count}")
    return came, digest.digest()


def _row(words: str, without: Sequence[_Run], packed: Sequence[_Run]) -> Row:
    if len({run.digest for run in (*without, *packed)}) > 1:
        raise Broken("what came compressed is not what came as it is")
    plain_us, packed_us = (median([run.cpu_us for run in runs]) for runs in (without, packed))
    return Row(
        f"compressed, {words}: server CPU, × without",
        packed_us / plain_us,
        "×",
        ratio=packed_us / plain_us,
        detail={
            "CPU µs an event": packed_us,
            "without": plain_us,
            "bytes, × without": packed[0].wire_bytes / without[0].wire_bytes,
        },
    )


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
