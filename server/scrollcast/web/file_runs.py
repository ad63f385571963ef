"""Messages sent right from the file that holds their events, which are not copied into the process and out again."""

from __future__ import annotations

import socket
from asyncio import Transport

from scrollcast.archive.index import Runs, read_fully
from scrollcast.errors import ArchiveError
from scrollcast.quick_calls import send_file, write

__all__ = ["send_runs", "takes_files"]


def takes_files(transport: Transport) -> bool:
    """Whether what a file holds may go past an open transport now: over TLS it would not be encrypted, and nothing may
    wait to be sent ahead of it."""
    return (
        not transport.get_write_buffer_size()
        and transport.get_extra_info("sslcontext") is None
        and transport.get_extra_info("socket") is not None
    )


def send_runs(transport: Transport, file: int, runs: Runs) -> None:
    """Send messages over a transport that `takes_files`: from the file what the system takes at once, and whatever is
    left of them by the transport, with which they are whole when something else is sent.

    A connection that fails is left to the transport, which meets the same.

    Raises:
        ArchiveError: the file lacks what it held. The connection is cut, as it may have had half a message.
    """
    connected: socket.socket = transport.get_extra_info("socket")
    taken = _pass_on(connected.fileno(), file, runs)
    if taken < runs.ends[-1]:
        try:
            rest = _read_rest(file, runs, taken)
        except ArchiveError:
            transport.abort()
            raise
        transport.write(rest)


def _pass_on(connected: int, file: int, runs: Runs) -> int:
    """Give all of it to the system; how many bytes it has taken."""
    taken = 0
    for text, (offset, length) in zip(runs.texts, runs.places, strict=False):
        taken += (sent := write(connected, text))
        if sent < len(text):
            return taken
        taken += (sent := send_file(connected, file, offset, length))
        if sent < length:
            return taken
    return taken + write(connected, runs.texts[-1])


def _read_rest(file: int, runs: Runs, taken: int) -> bytes:
    """What is left of the messages behind so many bytes."""
    pieces: list[bytes | bytearray] = []
    for text, (offset, length) in zip(runs.texts, runs.places, strict=False):
        pieces.append(text[taken:])
        taken = max(0, taken - len(text))
        if taken < length:
            data = bytearray(length - taken)
            read_fully(file, memoryview(data), offset + taken)
            pieces.append(data)
        taken = max(0, taken - length)
    pieces.append(runs.texts[-1][taken:])
    return b"".join(pieces)
