from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
import ssl
import tempfile
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import pytest

from archives import SCROLL_ID, write_session
from scrollcast import quick_calls
from scrollcast.archive.index import Runs, SessionIndex
from scrollcast.archive.page_cache import CachedPages
from scrollcast.errors import ArchiveError
from scrollcast.model import Session
from scrollcast.web import file_runs
from scrollcast.web.file_runs import send_runs, takes_files
from scrollcast.web.text_frames import frame_head
from serving import Serving, ids, serving, talk

CONNECTED: Final = 99
"""The descriptor of a socket that is none."""


class FakeTransport(asyncio.Transport):
    """Over a socket that is none; it keeps what is written, and whether it was cut."""

    def __init__(self, **facts: Any) -> None:
        super().__init__({"socket": self, **facts})
        self.written, self.aborted, self.waiting = b"", False, 0

    def fileno(self) -> int:
        """That of the socket."""
        return CONNECTED

    def get_write_buffer_size(self) -> int:
        """What waits."""
        return self.waiting

    def is_closing(self) -> bool:
        """Once it was cut."""
        return self.aborted

    def write(self, data: Any) -> None:
        """Keep it."""
        self.written += data

    def abort(self) -> None:
        """Only noted."""
        self.aborted = True


class System:
    """What takes so many bytes and no more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, takes: int) -> None:
        self.taken, self._left = b"", takes
        monkeypatch.setattr(file_runs, "write", self._take)
        monkeypatch.setattr(
            file_runs, "send_file", lambda fd, file, offset, size: self._take(fd, os.pread(file, size, offset))
        )

    def _take(self, fd: int, data: bytes) -> int:
        assert fd == CONNECTED
        data = data[: self._left]
        self.taken, self._left = self.taken + data, self._left - len(data)
        return len(data)


def laid_out(*sizes: int, at_a_time: int) -> tuple[SessionIndex, bytes, Runs]:
    """Events of these sizes in a file: its index, its bytes, and the messages of so many of them each."""
    index = SessionIndex(Session(SCROLL_ID), "an epoch")
    index.offsets = array("Q", accumulate(sizes, initial=0))
    index.count = len(sizes)
    data = b"".join(bytes([97 + number % 26]) * (size - 1) + b"," for number, size in enumerate(sizes))
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        index.attach(os.dup(file.fileno()))
    seqs = [*range(0, len(sizes), at_a_time), len(sizes)]
    return index, data, index.lay_out(seqs, b"[", b"]}", frame_head)


@pytest.fixture
def small() -> tuple[SessionIndex, bytes, Runs]:
    """Three messages of seven events."""
    return laid_out(4, 9, 2, 7, 30, 3, 5, at_a_time=3)


async def test_messages_are_whole_wherever_the_system_stops(
    small: tuple[SessionIndex, bytes, Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each byte: what is left goes by the transport, at once."""
    index, _, runs = small
    whole = bytes(await index.read_runs(runs))
    ways = []
    for takes in range(len(whole) + 1):
        with monkeypatch.context() as patch:
            system, transport = System(patch, takes), FakeTransport()
            send_runs(transport, index._events_fd, runs)
            ways.append((system.taken, transport.written, transport.aborted))

    assert whole == b"\x81\x11[aaa,bbbbbbbb,c]}\x81\x2a[dddddd,%b,ff]}\x81\x07[gggg]}" % (b"e" * 29)
    assert ways == [(whole[:takes], whole[takes:], False) for takes in range(len(whole) + 1)]


async def test_a_file_that_was_cut_short_cuts_the_connection(
    small: tuple[SessionIndex, bytes, Runs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the middle of a message, so that nobody takes for whole what is not."""
    index, data, runs = small
    whole = bytes(await index.read_runs(runs))
    cut = tmp_path / "cut"
    cut.write_bytes(data[:20])
    with cut.open("rb") as file:
        system, transport = System(monkeypatch, 1000), FakeTransport()
        with pytest.raises(ArchiveError):
            send_runs(transport, file.fileno(), runs)

    assert transport.aborted
    assert transport.written == b""
    assert whole.startswith(system.taken)
    assert 0 < len(system.taken) < len(whole)


async def test_a_disk_that_fails_cuts_the_connection(
    small: tuple[SessionIndex, bytes, Runs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file that was cut short does."""
    index, _, runs = small
    System(monkeypatch, 0)
    monkeypatch.setattr(os, "preadv", lambda *_given: (_ for _ in ()).throw(OSError(errno.EIO, "the disk is gone")))
    transport = FakeTransport()
    with pytest.raises(ArchiveError):
        send_runs(transport, index._events_fd, runs)

    assert (transport.aborted, transport.written) == (True, b"")


def test_not_every_connection_takes_files() -> None:
    """One that is encrypted does not, nor one that has something to send already, or is no socket."""
    encrypted, no_socket = FakeTransport(sslcontext=ssl.create_default_context()), FakeTransport(socket=None)
    free, waiting = FakeTransport(), FakeTransport()
    waiting.waiting = 1

    assert [takes_files(each) for each in (free, encrypted, waiting, no_socket)] == [True, False, False, False]


@pytest.mark.skipif(not quick_calls.are_there, reason="not on this system")
async def test_a_connection_that_failed_is_left_to_the_transport(
    small: tuple[SessionIndex, bytes, Runs], caplog: pytest.LogCaptureFixture
) -> None:
    """Which meets the same, and says so to whoever it belongs to."""
    index, _, runs = small
    lost = asyncio.get_running_loop().create_future()
    async with connected() as (transport, theirs):
        transport.set_protocol(Told(lost))
        theirs.close()
        send_runs(transport, index._events_fd, runs)
        async with asyncio.timeout(10):
            await lost

    assert not caplog.records


class Told(asyncio.Protocol):
    """Says when its connection is lost."""

    def __init__(self, lost: asyncio.Future[None]) -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        """It is."""
        self._lost.set_result(None)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.Transport, socket.socket]]:
    """A transport whose socket holds little, and the other end."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    theirs.setblocking(False)
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        try:
            yield transport, theirs
        finally:
            transport.abort()
            await asyncio.sleep(0)


@pytest.mark.skipif(not quick_calls.are_there, reason="not on this system")
@pytest.mark.parametrize("seed", range(8))
async def test_a_slow_client_gets_every_byte_in_order(seed: int) -> None:
    """Of a real socket, with other messages in between, whenever it reads."""
    chance = random.Random(seed)
    index, _, runs = laid_out(*(chance.randint(2, 9_000) for _ in range(60)), at_a_time=chance.randint(1, 20))
    whole = bytes(await index.read_runs(runs))
    loop = asyncio.get_running_loop()
    got, sent, by_file = bytearray(), bytearray(), 0
    async with connected() as (transport, theirs):
        for number in range(12):
            if takes_files(transport):
                send_runs(transport, index._events_fd, runs)
                sent += whole
                by_file += 1
            transport.write(b"pong %d" % number)
            sent += b"pong %d" % number
            for _ in range(chance.choice((0, 1, 40, 400))):
                if len(got) < len(sent):
                    got += await loop.sock_recv(theirs, chance.randint(1, 20_000))
        async with asyncio.timeout(10):
            while len(got) < len(sent):
                got += await loop.sock_recv(theirs, 65_536)

    assert by_file > 1
    assert got == sent


# ----------------------------------------------------------------------------------------------- in a running server


@pytest.fixture
def sent_files(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much was sent right from files, each time."""
    noted: list[int] = []

    def note(*given: int) -> int:
        noted.append(quick_calls.send_file(*given))
        return noted[-1]

    monkeypatch.setattr(file_runs, "send_file", note)
    return noted


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a session of 600 KiB."""
    write_session(root, talk(300, pad=2_000))
    async with serving(root, cache=cache) as server:
        await server.replay()
        yield server


@pytest.mark.parametrize(("size", "is_from_file"), [(65_536, True), (50_000, True), (30_000, False)])
async def test_large_batches_come_from_the_file(
    server: Serving, sent_files: list[int], monkeypatch: pytest.MonkeyPatch, cache: Path, size: int, is_from_file: bool
) -> None:
    """Whole, and the same as those that are read into memory first."""
    by_file = (await server.replay(mode="fast", batch=size)).log
    total = sum(sent_files)
    monkeypatch.setattr(CachedPages, "hold", lambda *_given: False)
    sent_files.clear()
    by_memory = (await server.replay(mode="fast", batch=size)).log

    assert by_file.ids() == by_memory.ids() == ids(300)
    assert [batch["events"] for batch in by_file.of("events")] == [batch["events"] for batch in by_memory.of("events")]
    assert not sent_files
    if is_from_file and can_tell(cache):
        assert total > 500_000
    else:
        assert total == 0


def can_tell(folder: Path) -> bool:
    """Whether this system says what of a folder's files is in its page cache."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"x")
        return CachedPages.of(file.fileno(), 0) is not None
